"""What signed rotations, offers and cadences promised and what came, for the command `score`."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from datetime import date

from pipeline.core.decision import DecisionPlan
from pipeline.core.errors import ConfigError, DataNotTrustedError, InfeasibleError
from pipeline.core.findings import Finding
from pipeline.core.kinds import KINDS, kinds_of
from pipeline.core.plan import Kind
from pipeline.core.types import JsonObject
from pipeline.io.artefacts import begin_run, json_bytes, write_file
from pipeline.runs.course import Course, course_of
from pipeline.runs.decision_inputs import read_decision_inputs
from pipeline.runs.decisions import read_decision
from pipeline.runs.portfolio import Portfolio
from pipeline.runs.scoring import SCORES_FOLDER


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionScore:
    """One kind's score on one morning.

    Attributes:
        plan_id: of the plan in force; empty before the first signature.
        checks: what it did: against its promise, people held out, an even split, and whether it
            was carried out as signed; empty where there is nothing to compare yet.
        why_not: why nothing could be compared.
    """

    kind: Kind
    plan_id: str
    checks: tuple[Finding, ...]
    why_not: str

    def to_json(self) -> JsonObject:
        """Return plain JSON values."""
        return {
            "kind": self.kind.value,
            "in_force": self.plan_id or None,
            "checks": [
                {"check": f.check, "level": f.level.value, "message": f.message, "value": f.value}
                for f in self.checks
            ],
            "why_not": self.why_not,
        }


def score_decisions(portfolio: Portfolio, day: date) -> list[DecisionScore]:
    """Return how every kind's plan in force did, from the sources as they are now, and keep it."""
    kinds = [kind for kind in kinds_of(portfolio.policy) if kind is not Kind.BUDGET]
    scores = [_score(course_of(kind), portfolio, day) for kind in kinds]
    if scores:
        path = portfolio.state / SCORES_FOLDER / f"{day.isoformat()}-decisions.json"
        write_file(path, json_bytes([item.to_json() for item in scores]))
    return scores


def _score(course: Course, portfolio: Portfolio, day: date) -> DecisionScore:
    """Return one kind's score: its night is run up to the decision, and nothing is proposed."""
    plan_id, checks, why_not = "", [], ""
    with tempfile.TemporaryDirectory(prefix="equimarginal-") as scratch:
        work = begin_run(scratch, "score")
        try:
            course.freeze(portfolio, day, work)
            published = read_decision_inputs(work).published
            if published is None:
                rests = KINDS[course.kind].rests(is_signed=False)
                return DecisionScore(kind=course.kind, plan_id="", checks=(), why_not=rests)
            plan_id = published.plan_id
            for step in course.steps:
                step.run(work)
                if step.decides:
                    break
            course.require_plan(work)
            checks = [item for item in _said(read_decision(work)) if item.check in course.scored]
        except (ConfigError, InfeasibleError, DataNotTrustedError) as error:
            why_not = str(error)
    if not checks and not why_not:
        why_not = "too young to be compared; its first whole days have to be in"
    return DecisionScore(kind=course.kind, plan_id=plan_id, checks=tuple(checks), why_not=why_not)


def _said(plan: DecisionPlan) -> tuple[Finding, ...]:
    return (*plan.findings, *(plan.model_health.checks if plan.model_health else ()))
