"""The night of any decision other than the budget: what all of them do alike.

A kind says how its data are frozen, staged and judged, how it decides and what breaks its rules;
the steps, the page, the check against today's rules, the replay, and that the plan in force is
proposed again where the data cannot be trusted, are the same for all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from pipeline.core.decision import DecisionLine, DecisionPlan
from pipeline.core.errors import InfeasibleError
from pipeline.core.findings import Finding, Level, worst_level
from pipeline.core.kinds import KINDS
from pipeline.core.plan import Kind, Mode
from pipeline.core.types import JsonObject
from pipeline.io import suites
from pipeline.io.artefacts import RunFolder
from pipeline.runs import storage
from pipeline.runs.course import (
    CarryOut,
    Course,
    CourseStep,
    Progress,
    course_of,
    nothing_follows,
    run_course,
)
from pipeline.runs.decision_inputs import (
    freeze_decision,
    read_decision_inputs,
    rule_changes,
    section_of,
)
from pipeline.runs.decision_pages import write_decision_page
from pipeline.runs.inputs import inputs_hash, is_signed
from pipeline.runs.portfolio import Portfolio

if TYPE_CHECKING:
    from pipeline.io.ledger import PlanRecord

FAULTS = "row-findings.json"

Tables = Mapping[str, dict[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionNight:
    """What is a kind's own in its night.

    Attributes:
        snapshot: freezes the data into the work folder; returns what is wrong with the sources.
        stage: builds the tables from the snapshot; returns what is wrong with rows.
        tables: suite -> its table, column by column; empty where nothing was staged.
        decide: the plan of the night, given its id and the findings so far.
        breaches: every way in which a plan breaks the section's rules.
        carry_out: what follows from a published plan, given the folder it was published to; returns
            what is to be told.
        counting, deciding: what a person is told while it stages and decides.
        task: name of the deciding step.
        scored: checks that hold the plan in force against what came.
        page: what its page shows besides, from the work folder.
    """

    kind: Kind
    snapshot: Callable[[Portfolio, RunFolder], Sequence[Finding]]
    stage: Callable[[RunFolder], Sequence[Finding]]
    tables: Callable[[RunFolder], Tables]
    decide: Callable[[RunFolder, str, Sequence[Finding]], DecisionPlan]
    breaches: Callable[[DecisionPlan, Any], tuple[str, ...]]
    counting: str
    deciding: str
    task: str
    scored: frozenset[str]
    page: Callable[[RunFolder], JsonObject] = lambda work: {}
    carry_out: CarryOut = nothing_follows

    def course(self) -> Course:
        """Return how its plans are made."""
        return Course(
            kind=self.kind,
            freeze=self._freeze,
            steps=(
                CourseStep(task="stage", label=self.counting, run=self._stage),
                CourseStep(task="validate", label="judging the data", run=self._validate),
                CourseStep(task=self.task, label=self.deciding, run=self._decide, decides=True),
                CourseStep(task="verify", label="verifying the plan", run=self._verify),
                CourseStep(task="report", label="writing the page", run=self._page),
            ),
            read_plan=read_decision,
            breaches=self._breaches,
            carry_out=self.carry_out,
            scored=self.scored,
            warm_up=suites.start,
        )

    def _freeze(self, portfolio: Portfolio, day: date, work: RunFolder) -> None:
        section_of(portfolio.policy, self.kind)
        freeze_decision(portfolio, self.kind, day, work)
        found = self.snapshot(portfolio, work)
        storage.write_findings(work, storage.SOURCE_FINDINGS, found)

    def _stage(self, work: RunFolder) -> None:
        if worst_level(storage.read_findings(work, storage.SOURCE_FINDINGS)) is not Level.FAIL:
            storage.write_findings(work, FAULTS, self.stage(work))

    def _validate(self, work: RunFolder) -> None:
        found = storage.read_findings(work, storage.SOURCE_FINDINGS)
        found += storage.read_findings(work, FAULTS)
        if tables := self.tables(work):
            last_day = read_decision_inputs(work).day - timedelta(days=1)
            found += suites.begin_tables(tables, {"last_day": last_day.isoformat()}).findings()
        if worst_level(found) is Level.PASS:
            said = f"{KINDS[self.kind].name}: every check of the input passed"
            found.append(Finding(level=Level.PASS, check="data", message=said))
        weight = list(Level)
        found.sort(key=lambda finding: -weight.index(finding.level))
        storage.write_findings(work, storage.FINDINGS, found)

    def _decide(self, work: RunFolder) -> None:
        findings = storage.read_findings(work, storage.FINDINGS)
        plan_id = course_of(self.kind).plan_id(work)
        if worst_level(findings) is not Level.FAIL:
            work.write_json(storage.PLAN, self.decide(work, plan_id, findings).content())
        elif (plan := self._resting(work, plan_id, findings)) is not None:
            work.write_json(storage.PLAN, plan.content())

    def _resting(
        self, work: RunFolder, plan_id: str, findings: Sequence[Finding]
    ) -> DecisionPlan | None:
        """Return the plan in force once more; None before the first, or where rules forbid it."""
        inputs = read_decision_inputs(work)
        before = inputs.published
        if before is None:
            return None
        failed = [finding for finding in findings if finding.level is Level.FAIL]
        days = inputs.fallback_days()
        entry = KINDS[self.kind]
        last = f"the last approved {entry.name}, {before.plan_id},"
        if inputs.revoked_by:
            last = f"the {entry.name} in force, {before.plan_id}, revoked by {inputs.revoked_by},"
        plan = before.model_copy(
            update={
                "plan_id": plan_id,
                "date": inputs.day,
                "mode": Mode.FALLBACK,
                "reasons": (
                    f"fallback for {days} day{'s' if days > 1 else ''}: {last} stays in force",
                    f"tonight's data cannot be trusted: {failed[0].message}",
                ),
                "expected": None,
                "status_quo": None,
                "uplift": None,
                "lines": tuple(_at_rest(line) for line in before.lines),
                "findings": tuple(findings),
                "model_health": None,
                "rules_version": inputs.rules_version,
                "inputs_hash": inputs_hash(work),
                "based_on": before.plan_id,
                "fallback_days": days,
            }
        )
        return None if self.breaches(plan, section_of(inputs.policy, self.kind)) else plan

    def _verify(self, work: RunFolder) -> None:
        if not work.exists(storage.PLAN):
            return
        rules = section_of(read_decision_inputs(work).policy, self.kind)
        if problems := self.breaches(read_decision(work), rules):
            entry = KINDS[self.kind]
            raise InfeasibleError(
                f"the {entry.name} breaks a rule and was not proposed: {problems[0]}; "
                f"{entry.rests(is_signed=is_signed(work))}; send the run folder to the maintainers"
            )

    def _page(self, work: RunFolder) -> None:
        if work.exists(storage.PLAN):
            write_decision_page(work, read_decision(work), self.page(work))

    def _breaches(self, portfolio: Portfolio, record: PlanRecord) -> tuple[str, ...]:
        if changed := rule_changes(portfolio.policy, record.decision):
            return changed
        return self.breaches(record.decision, section_of(portfolio.policy, self.kind))


def run_decision(
    portfolio: Portfolio, kind: Kind, day: date, *, progress: Progress = lambda message: None
) -> DecisionPlan:
    """Return what one whole night of a kind proposes for `day`.

    Raises:
        ConfigError: the portfolio has no section of that kind.
        DataNotTrustedError: the data cannot be trusted; what is in force stays.
        InfeasibleError: the plan breaks a rule.
    """
    plan = run_course(course_of(kind), portfolio, day, progress=progress)
    assert isinstance(plan, DecisionPlan)  # noqa: S101  only a course of budgets makes others
    return plan


def read_decision(work: RunFolder) -> DecisionPlan:
    """Return the plan that a work folder or a run holds."""
    return DecisionPlan.from_json(work.read_json(storage.PLAN))


def _at_rest(line: DecisionLine) -> DecisionLine:
    update = {
        "current": line.proposed,
        "expected": None,
        "binding": (),
        "action": "hold",
        "reason": "stays as last approved",
    }
    return line.model_copy(update=update)
