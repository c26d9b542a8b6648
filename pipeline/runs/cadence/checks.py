"""What is checked of a cadence beside its rules: leaving, the evidence, and who was drawn."""

from __future__ import annotations

import numpy as np

from pipeline.bandits.rotation.ratio import BROKEN, sample_ratio_p
from pipeline.cadence.evidence import WEEK
from pipeline.core.decision import DecisionLine
from pipeline.core.findings import Finding, Level
from pipeline.core.plan import ModelHealth, PlanGuardrail
from pipeline.core.types import Line, line_label
from pipeline.runs.cadence.decide import CadenceDecision, CadenceFacts
from pipeline.runs.decision_inputs import DecisionInputs


def guardrails(
    facts: CadenceFacts, decided: CadenceDecision, least: float
) -> tuple[PlanGuardrail, ...]:
    """Return what the plan is expected to do to leaving, segment by segment.

    Of segments with fewer than `least` people no rate is said, and of those without doses drawn by
    lot none of what a touch does.
    """
    limit = facts.rules.leaving.max_weekly
    then = decided.hazards.weekly(decided.cadence).mean(axis=0)
    now = decided.hazards.weekly(facts.current).mean(axis=0)
    rise = np.expm1(decided.hazards.growth).mean(axis=0)
    found = []
    for place, segment in enumerate(facts.contacts.segments):
        scope = dict(zip(facts.columns, segment, strict=True))
        shown = bool(facts.people[place] >= least)
        is_known = shown and bool(decided.evidence.identified[place])
        if limit is not None:
            found.append(
                PlanGuardrail(
                    metric="share that leaves in a week",
                    limit=limit,
                    kind="max",
                    scope=scope,
                    expected=float(then[place]) if shown else None,
                    current=float(now[place]) if shown else None,
                    status="pass" if then[place] <= limit else "review",
                )
            )
        allowed = facts.rules.leaving.max_rise
        may_rise = decided.room.safe[place] >= facts.rules.leaving.chance
        found.append(
            PlanGuardrail(
                metric="more leave per touch",
                limit=allowed,
                kind="max",
                scope=scope,
                expected=float(rise[place]) if is_known else None,
                current=None,
                status="pass" if may_rise else "review",
            )
        )
    return tuple(found)


def health(facts: CadenceFacts, decided: CadenceDecision) -> ModelHealth:
    """Return what the curves and the guardrail rest on, and how far it can be trusted."""
    from pipeline.cadence.power import weeks_per_arm

    weeks, left = decided.evidence.weeks.sum(), decided.evidence.left.sum()
    rate = float((left + 0.5) / (weeks + 100.0))
    growth = np.expm1(decided.hazards.growth)
    unknown = [
        line_label(segment)
        for segment, known in zip(facts.contacts.segments, decided.evidence.identified, strict=True)
        if not known
    ]
    checks = [
        *decided.findings,
        Finding(
            level=Level.PASS,
            check="leaving",
            message=f"one more touch a week makes {growth.mean():+.0%} more people leave (90 of "
            f"100 cases between {np.quantile(growth, 0.05):+.0%} and "
            f"{np.quantile(growth, 0.95):+.0%}); {left:,.0f} of {weeks:,.0f} person-weeks "
            f"drawn by lot left; to see a tenth more in one dose alone would take "
            f"{weeks_per_arm(rate, 1.1):,.0f} person-weeks on it",
        ),
        Finding(
            level=Level.REVIEW if unknown else Level.PASS,
            check="lottery",
            message=f"no doses to compare in {', '.join(unknown[:3])}"
            + (f" and {len(unknown) - 3} more" if len(unknown) > 3 else "")
            + "; their cadence stays"
            if unknown
            else f"{len(decided.evidence.tests)} comparisons of doses drawn by lot taught the "
            "curves",
            advice="draw doses as published there" if unknown else "",
        ),
    ]
    weight = list(Level)
    worst = max((check.level for check in checks), key=weight.index)
    return ModelHealth(level=worst, checks=tuple(checks))


def drawn_as_signed(inputs: DecisionInputs, facts: CadenceFacts) -> list[Finding]:
    """Return findings where yesterday's people are not on the doses that were signed for it."""
    published = inputs.published
    if published is None or (facts.day - published.date).days > WEEK:
        return []
    signed: dict[Line, DecisionLine] = {tuple(x.line.values()): x for x in published.lines}
    found = []
    for place, segment in enumerate(facts.contacts.segments):
        seen = facts.contacts.drawn["persons"][-1, place].sum(axis=1)
        line = signed.get(segment)
        if line is None or seen.sum() == 0:
            continue
        wanted = np.array([line.parts.get(str(dose), 0.0) for dose in range(seen.size)])
        if (
            sample_ratio_p(seen, wanted) < BROKEN
            and np.abs(seen / seen.sum() - wanted).max() > 0.02
        ):
            found.append(
                Finding(
                    level=Level.REVIEW,
                    check="not-drawn-as-signed",
                    message=f"{line_label(segment)}: yesterday's people were not on the doses that "
                    "were signed",
                    advice="see how the sending tool draws people",
                    source="contacts",
                )
            )
    return found
