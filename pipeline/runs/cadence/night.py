"""The night of the lifecycle cadence: what is its own."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.core.cadence_rules import CadenceRules
from pipeline.core.decision import DecisionPlan
from pipeline.core.findings import Finding
from pipeline.core.plan import Kind
from pipeline.core.types import JsonObject
from pipeline.io import contacts
from pipeline.io.artefacts import RunFolder
from pipeline.runs.decision_inputs import read_decision_inputs, section_of
from pipeline.runs.decisions import DecisionNight, Tables
from pipeline.runs.inputs import read_today
from pipeline.runs.portfolio import Portfolio

PAGE_PARTS = "cadence.json"


def _snapshot(portfolio: Portfolio, work: RunFolder) -> Sequence[Finding]:
    return contacts.snapshot_contacts(portfolio.policy, portfolio.folder, work)


def _stage(work: RunFolder) -> Sequence[Finding]:
    inputs = read_decision_inputs(work)
    return contacts.build_contacts(work, inputs.policy, inputs.day, read_today(work))


def _tables(work: RunFolder) -> Tables:
    if not work.exists(contacts.SEGMENT_DAY):
        return {}
    rules: CadenceRules = section_of(read_decision_inputs(work).policy, Kind.CADENCE)
    return {"segment_day": contacts.suite_columns(work, len(rules.segment))}


def _decide(work: RunFolder, plan_id: str, findings: Sequence[Finding]) -> DecisionPlan:
    from pipeline.runs.cadence.plan import cadence_plan

    plan, parts = cadence_plan(work, plan_id, findings)
    work.write_json(PAGE_PARTS, parts)
    return plan


def _breaches(plan: DecisionPlan, rules: CadenceRules) -> tuple[str, ...]:
    from pipeline.cadence.verify import cadence_breaches

    return cadence_breaches(plan, rules)


def _page(work: RunFolder) -> JsonObject:
    found: JsonObject = work.read_json(PAGE_PARTS) if work.exists(PAGE_PARTS) else {}
    return found


COURSE = DecisionNight(
    kind=Kind.CADENCE,
    snapshot=_snapshot,
    stage=_stage,
    tables=_tables,
    decide=_decide,
    breaches=_breaches,
    counting="counting the contacts",
    deciding="sharing out the touches",
    task="share",
    scored=frozenset({"last cadence", "not-drawn-as-signed"}),
    page=_page,
).course()
