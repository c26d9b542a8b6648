"""What new offers have to pass before they are proposed, and where they stand to each of it."""

from __future__ import annotations

from pipeline.bandits.offers.decide import LEAST_GAIN, Candidate
from pipeline.bandits.offers.estimate import MOST_APART
from pipeline.bandits.offers.overlap import MAX_WEIGHT, MIN_DECISIONS, MIN_REWARDS, MIN_SUPPORT
from pipeline.core.plan import PlanGuardrail
from pipeline.runs.offer_words import Weighed


def guardrails_of(weighed: Weighed) -> tuple[PlanGuardrail, ...]:
    """Return every bar of the gate with what the log says of the policy that is proposed.

    Where none is, of the one whose gain is surest. The plain weights' estimate is no bar, as it
    strays most: it stands in no gate.
    """
    if weighed.decision is None:
        return ()
    chosen = weighed.chosen or max(weighed.decision.candidates, key=lambda item: item.lower)
    gain, overlap = chosen.gain, chosen.overlap
    worth = LEAST_GAIN * abs(weighed.decision.current.robust.value)
    return (
        _bar(chosen, "gain a decision, at least", chosen.lower, "min", 0.0),
        _bar(chosen, "gain a decision, doubly robust", gain.robust.value, "min", worth),
        _bar(chosen, "gain a decision, self-normalised", gain.normalised.value, "min", 0.0),
        _bar(chosen, "gain a decision, by the model", gain.direct.value, "min", 0.0),
        _bar(chosen, "standard errors they are apart", gain.disagreement, "max", MOST_APART),
        _bar(chosen, "decisions the log is worth", overlap.decisions, "min", MIN_DECISIONS),
        _bar(chosen, "rewards among them", overlap.rewards, "min", MIN_REWARDS),
        _bar(chosen, "share of weight on one decision", overlap.max_weight, "max", MAX_WEIGHT),
        _bar(chosen, "share that was logged", overlap.support, "min", MIN_SUPPORT),
    )


def _bar(chosen: Candidate, metric: str, value: float, kind: str, limit: float) -> PlanGuardrail:
    within = value >= limit if kind == "min" else value <= limit
    return PlanGuardrail(
        metric=metric,
        limit=round(limit, 6),
        kind=kind,
        scope={} if chosen.is_better else {"policy": f"{chosen.name.value}, not proposed"},
        expected=round(value, 6),
        status="pass" if within else "review",
    )
