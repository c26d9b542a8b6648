"""Why each segment gets the cadence that it gets, in words."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.runs.cadence.decide import CadenceDecision, CadenceFacts

_SAME = 0.005


@dataclass(frozen=True, slots=True, kw_only=True)
class LineWords:
    """What a segment's line says: raise, lower, stop or hold, why, and what holds it."""

    action: str
    reason: str
    binding: tuple[str, ...]


def line_words(facts: CadenceFacts, decided: CadenceDecision, place: int) -> LineWords:
    """Return the words of one segment."""
    now, then = float(facts.current[place]), float(decided.cadence[place])
    gain = decided.gain[:, place] / max(float(facts.people[place]), 1.0)
    why = decided.room.why[place]
    change = f"{gain.mean():+.3f} a person and week"
    guarded = why if _is_guarded(facts, decided, place) else ""
    if then > now + _SAME:
        action, reason = "raise", f"touches bring more here than elsewhere: {change}"
    elif then < _SAME and now > _SAME:
        action, reason = "stop", guarded or _lowered(float(gain.mean()), change)
    elif then < now - _SAME:
        action, reason = "lower", guarded or _lowered(float(gain.mean()), change)
    else:
        action, reason = "hold", why or "no change is worth its risk"
    return LineWords(action=action, reason=reason, binding=_binding(facts, decided, place))


def _lowered(gain: float, change: str) -> str:
    """Return why fewer touches are better: they lose here, or bring more elsewhere."""
    why = (
        "the last touches lose more than they bring" if gain > 0 else "touches bring more elsewhere"
    )
    return f"{why}: {change}"


def _is_guarded(facts: CadenceFacts, decided: CadenceDecision, place: int) -> bool:
    """Whether the guardrail itself takes touches away."""
    return bool(decided.room.upper[place] < facts.current[place] - _SAME)


def _binding(facts: CadenceFacts, decided: CadenceDecision, place: int) -> tuple[str, ...]:
    then, standing = float(decided.cadence[place]), decided.standing
    found = []
    if standing.fixed[place]:
        found.append("fixed")
    elif decided.room.upper[place] < min(facts.current[place], standing.most[place]) - _SAME or (
        then < standing.least[place] - _SAME
    ):
        found.append("guardrail")
    elif np.isclose(then, standing.most[place], atol=0.011):
        found.append("most touches")
    elif then > 0 and np.isclose(then, standing.least[place], atol=0.011):
        found.append("least touches")
    return tuple(found)
