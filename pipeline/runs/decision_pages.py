"""The page of a decision, written with its night and made again from what was stored."""

from __future__ import annotations

from pipeline.core.decision import DecisionPlan
from pipeline.core.types import JsonObject
from pipeline.io.artefacts import RunFolder
from pipeline.io.reports.decision_page import render_decision
from pipeline.runs import storage
from pipeline.runs.decision_inputs import read_decision_inputs
from pipeline.runs.reports import PAGE, PAGE_DATA, sign_command


def write_decision_page(work: RunFolder, plan: DecisionPlan, more: JsonObject) -> None:
    """Write the page of the night's plan into the run, with what it takes to write it again.

    Args:
        more: what the page of its kind shows besides.
    """
    policy = read_decision_inputs(work).policy
    extras = {
        **more,
        "min_group": policy.privacy.min_group,
        "sign_link": storage.sign_link(work),
    }
    command = sign_command(policy, plan)
    work.write_json(PAGE_DATA, {"extras": extras, "sign_command": command})
    work.write_bytes(PAGE, render_decision(plan, extras, sign_command=command).encode("utf-8"))
