"""The plan's page, made from the run folder alone: the same bytes whenever it is made again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pipeline.core.types import in_scope
from pipeline.io import warehouse
from pipeline.io.artefacts import RunFolder
from pipeline.runs import storage
from pipeline.runs.inputs import Inputs, read_inputs

if TYPE_CHECKING:
    from pipeline.core.plan import Plan
    from pipeline.io.reports.extras import ReportExtras

REPORT = "report.html"


def write_page(work: RunFolder) -> None:
    """Write `report.html` of a run."""
    work.write_bytes(REPORT, page_of(work).encode("utf-8"))


def page_of(work: RunFolder) -> str:
    """Return the page of a run, at work or complete."""
    from pipeline.io.reports import render_report

    plan = storage.read_plan(work)
    return render_report(plan, extras_of(work), sign_command=sign_command(work, plan))


def sign_command(work: RunFolder, plan: Plan) -> str:
    """Return the command that signs the plan, bound to its hash."""
    analysts = read_inputs(work).policy.people.analysts
    person = analysts[0].name if analysts else "NAME"
    return f"equimarginal approve {plan.plan_id} --as {person} --hash {plan.content_hash}"


def extras_of(work: RunFolder) -> ReportExtras:
    """Return what the page shows beyond the plan: curves, history, caps that wait."""
    from pipeline.io.reports.extras import Curve, ReportExtras, past_of

    inputs, plan = read_inputs(work), storage.read_plan(work)
    curves = {
        line: Curve(spend=spend, mean=mean, p05=p05, p95=p95)
        for line, (spend, mean, p05, p95) in storage.read_curves(work).items()
    }
    past = {}
    if work.exists(warehouse.LINE_DAY):
        history = warehouse.read_history(work, inputs.policy)
        metric = inputs.policy.objective.maximize
        past = past_of(history, metric) if metric in history.outcomes else {}
    return ReportExtras(
        curves=curves,
        past=past,
        waiting_caps=_waiting(inputs, plan),
        previous=inputs.previous,
    )


def _waiting(inputs: Inputs, plan: Plan) -> tuple[object, ...]:
    from pipeline.io.reports.extras import WaitingCap

    rows = []
    for cap in inputs.waiting_caps:
        held = [
            amount
            for line, amount in plan.budgets.items()
            if dict(cap.scope) in inputs.held_scopes and in_scope(line, plan.line_columns, cap.scope)
        ]
        rows.append(
            WaitingCap(
                id=cap.id,
                scope=cap.scope,
                proposed_by=cap.proposed_by,
                min=cap.min,
                max=cap.max,
                fixed=cap.fixed,
                reason=cap.reason,
                held_lines=len(held),
                held_money=float(np.sum(held)),
            )
        )
    return tuple(rows)
