"""The night of creative rotation: one function per step, as for budgets.

`run_rotation` runs them in this process; Airflow runs the same functions, one task each.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.core.decision import DecisionPlan
from pipeline.core.errors import DataNotTrustedError, InfeasibleError
from pipeline.core.findings import Finding, Level, worst_level
from pipeline.core.plan import Kind
from pipeline.core.rotation_rules import RotationRules
from pipeline.io import exposures, suites
from pipeline.io.artefacts import RunFolder
from pipeline.runs import course, storage
from pipeline.runs.course import Course, Progress, run_course
from pipeline.runs.decision_inputs import (
    freeze_decision,
    read_decision_inputs,
    rule_changes,
    section_of,
)
from pipeline.runs.decision_pages import write_decision_page
from pipeline.runs.inputs import read_today
from pipeline.runs.portfolio import Portfolio

if TYPE_CHECKING:
    from pipeline.io.ledger import PlanRecord

COMMAND = "rotate"
FINDINGS = "findings.json"
FAULTS = "row-findings.json"


def run_rotation(
    portfolio: Portfolio, day: date, *, progress: Progress = lambda message: None
) -> DecisionPlan:
    """Return the split of exposure that one night proposes for `day`.

    Raises:
        ConfigError: the portfolio has no rotation.
        DataNotTrustedError: the exposures cannot be trusted; what is in force stays.
        InfeasibleError: the plan breaks a rule.
    """
    plan = run_course(COURSE, portfolio, day, progress=progress)
    assert isinstance(plan, DecisionPlan)  # noqa: S101  a course of rotation makes no budgets
    return plan


def extract(folder: str | Path, day: str) -> str:
    """Read the exposures and freeze the inputs; return the night's token."""
    return course.extract(COURSE, folder, day)


def stage(folder: str | Path, token: str) -> None:
    """Build the daily table from the snapshot."""
    course.at_work(folder, token, _stage)


def validate(folder: str | Path, token: str) -> None:
    """Judge the data; what is wrong becomes findings."""
    course.at_work(folder, token, _validate)


def split(folder: str | Path, token: str) -> None:
    """Learn what creatives earn, and split tomorrow's exposure."""
    course.at_work(folder, token, _split)


def verify(folder: str | Path, token: str) -> None:
    """Check the split with code that shares nothing with what made it."""
    course.at_work(folder, token, _verify)


def report(folder: str | Path, token: str) -> str:
    """Write the page, complete the run and propose its plan; return the plan's id."""
    return course.finish(COURSE, folder, token)


def rules_of(work: RunFolder) -> RotationRules:
    """Return the rules that a night froze."""
    rules: RotationRules = section_of(read_decision_inputs(work).policy, Kind.ROTATION)
    return rules


def _freeze(portfolio: Portfolio, day: date, work: RunFolder) -> None:
    section_of(portfolio.policy, Kind.ROTATION)
    freeze_decision(portfolio, Kind.ROTATION, day, work)
    found = exposures.snapshot_exposures(portfolio.policy, portfolio.folder, work)
    storage.write_findings(work, storage.SOURCE_FINDINGS, found)


def _stage(work: RunFolder) -> None:
    if worst_level(storage.read_findings(work, storage.SOURCE_FINDINGS)) is Level.FAIL:
        return
    inputs = read_decision_inputs(work)
    faults = exposures.build_exposures(work, inputs.day, read_today(work))
    storage.write_findings(work, FAULTS, faults)


def _validate(work: RunFolder) -> None:
    from datetime import timedelta

    inputs = read_decision_inputs(work)
    found = storage.read_findings(work, storage.SOURCE_FINDINGS)
    found += storage.read_findings(work, FAULTS)
    if work.exists(exposures.CREATIVE_DAY):
        pending = suites.begin_tables(
            {"creative_day": exposures.suite_columns(work)},
            {"last_day": (inputs.day - timedelta(days=1)).isoformat()},
        )
        found += pending.findings()
    if worst_level(found) is Level.PASS:
        found.append(
            Finding(level=Level.PASS, check="data", message="every check of the input passed")
        )
    weight = list(Level)
    found.sort(key=lambda finding: -weight.index(finding.level))
    storage.write_findings(work, FINDINGS, found)


def _split(work: RunFolder) -> None:
    from pipeline.runs.rotation_plan import rotation_plan

    findings = storage.read_findings(work, FINDINGS)
    if worst_level(findings) is Level.FAIL:
        return
    plan = rotation_plan(work, COURSE.plan_id(work), findings)
    work.write_json(storage.PLAN, plan.content())


def _verify(work: RunFolder) -> None:
    from pipeline.bandits.rotation.verify import rotation_breaches

    if not work.exists(storage.PLAN):
        return
    if problems := rotation_breaches(_read_plan(work), rules_of(work)):
        raise InfeasibleError(
            f"the split breaks a rule and was not proposed: {problems[0]}; shares stay as they "
            "are; send the run folder to the maintainers"
        )


def _page(work: RunFolder) -> None:
    if work.exists(storage.PLAN):
        write_decision_page(work, _read_plan(work))


def _check(work: RunFolder) -> None:
    """Raise where the night has no plan to propose: what is in force then stays in force."""
    if work.exists(storage.PLAN):
        return
    failed = [f for f in storage.read_findings(work, FINDINGS) if f.level is Level.FAIL]
    more = f" (and {len(failed) - 1} more)" if len(failed) > 1 else ""
    raise DataNotTrustedError(
        f"no rotation for {read_decision_inputs(work).day.isoformat()}: {failed[0].message}{more}; "
        "the shares in force stay"
    )


def _read_plan(work: RunFolder) -> DecisionPlan:
    return DecisionPlan.from_json(work.read_json(storage.PLAN))


def _breaches(portfolio: Portfolio, record: PlanRecord) -> tuple[str, ...]:
    from pipeline.bandits.rotation.verify import rotation_breaches

    plan, rules = record.decision, portfolio.policy.rotation
    if changed := rule_changes(portfolio.policy, plan, COMMAND):
        return changed
    assert rules is not None  # noqa: S101  without rules their version would have changed
    return rotation_breaches(plan, rules)


COURSE = Course(
    kind=Kind.ROTATION,
    freeze=_freeze,
    steps={
        "counting the exposures": _stage,
        "judging the data": _validate,
        "splitting the exposure": _split,
        "verifying the split": _verify,
        "writing the page": _page,
    },
    check=_check,
    read_plan=_read_plan,
    breaches=_breaches,
    warm_up=suites.start,
)
