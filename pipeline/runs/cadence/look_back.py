"""What the cadence in force promised against what its people brought."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pipeline.cadence.evidence import WEEK
from pipeline.cadence.score import realised
from pipeline.core.decision import DecisionPlan
from pipeline.core.findings import Finding, Level
from pipeline.core.types import Line
from pipeline.runs.cadence.decide import RECENT_WEEKS, CadenceDecision, CadenceFacts
from pipeline.runs.decision_inputs import DecisionInputs

FAR = 2.58  # standard errors: chance alone goes so far once in a hundred nights


def look_back(
    inputs: DecisionInputs, facts: CadenceFacts, decided: CadenceDecision
) -> Sequence[Finding]:
    """Return how the cadence in force did in its whole weeks so far, four at most.

    People who got touches are compared with the holdout, without any model; what was promised is
    in the signed plan. Nothing is said before its first week is over and complete.
    """
    published = inputs.published
    if published is None:
        return []
    end = len(facts.contacts.days) - int(facts.rules.delay_days)
    since = max(int(line.figures.get("changed", 0)) for line in published.lines)
    begun = max(published.date.toordinal() if since < 0 else since, 0)
    first = begun - facts.contacts.days[0].toordinal()
    weeks = min((end - max(first, 0)) // WEEK, RECENT_WEEKS)
    if weeks < 1:
        return []
    seen = realised(facts.contacts.part(end - weeks * WEEK, end), decided.evidence.chance)
    signed = _promised(published)
    people = facts.people
    both = np.array([s in signed for s in facts.contacts.segments]) & np.isfinite(seen.lift)
    if not both.any():
        return []
    promise = sum(
        signed[segment] * people[place]
        for place, segment in enumerate(facts.contacts.segments)
        if both[place]
    )
    lift = float((seen.lift * people)[both].sum())
    error = float(np.sqrt(np.square(seen.standard_error * people)[both].sum()))
    is_far = abs(lift - promise) > FAR * error
    return [
        Finding(
            level=Level.REVIEW if is_far else Level.PASS,
            check="last cadence",
            message=f"in its last {weeks} weeks the cadence in force brought {lift:,.0f} "
            f"{facts.rules.reward} a week more than the holdout (give or take "
            f"{1.645 * error:,.0f}); {promise:,.0f} was promised",
            advice="see whether people were drawn and written to as signed" if is_far else "",
            source="contacts",
            value=f"{(lift - promise) / max(error, 1e-12):.2f}",
        )
    ]


def _promised(plan: DecisionPlan) -> dict[Line, float]:
    """Return segment -> value of its touches that was promised, a person and week."""
    return {
        tuple(line.line.values()): line.figures["earned"]
        for line in plan.lines
        if "earned" in line.figures and line.proposed > 0
    }
