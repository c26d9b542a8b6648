"""The night of creative rotation: what is its own."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.core.decision import DecisionPlan
from pipeline.core.findings import Finding
from pipeline.core.plan import Kind
from pipeline.core.rotation_rules import RotationRules
from pipeline.io import exposures
from pipeline.io.artefacts import RunFolder
from pipeline.runs.decision_inputs import read_decision_inputs
from pipeline.runs.decisions import DecisionNight, Tables
from pipeline.runs.inputs import read_today
from pipeline.runs.portfolio import Portfolio


def _snapshot(portfolio: Portfolio, work: RunFolder) -> Sequence[Finding]:
    return exposures.snapshot_exposures(portfolio.policy, portfolio.folder, work)


def _stage(work: RunFolder) -> Sequence[Finding]:
    return exposures.build_exposures(work, read_decision_inputs(work).day, read_today(work))


def _tables(work: RunFolder) -> Tables:
    if not work.exists(exposures.CREATIVE_DAY):
        return {}
    return {"creative_day": exposures.suite_columns(work)}


def _decide(work: RunFolder, plan_id: str, findings: Sequence[Finding]) -> DecisionPlan:
    from pipeline.runs.rotation_plan import rotation_plan

    return rotation_plan(work, plan_id, findings)


def _breaches(plan: DecisionPlan, rules: RotationRules) -> tuple[str, ...]:
    from pipeline.bandits.rotation.verify import rotation_breaches

    return rotation_breaches(plan, rules)


COURSE = DecisionNight(
    kind=Kind.ROTATION,
    snapshot=_snapshot,
    stage=_stage,
    tables=_tables,
    decide=_decide,
    breaches=_breaches,
    counting="counting the exposures",
    deciding="splitting the exposure",
    task="split",
    scored=frozenset({"even split", "holdout", "promise", "exposure-not-as-signed"}),
).course()
