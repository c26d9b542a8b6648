"""What may change tonight: down as soon as harm is likelier than not, up only when it is safe."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.cadence.harm import Hazards
from pipeline.core.cadence_rules import CadenceRules
from pipeline.core.types import BoolArray, FloatArray

HARM_CHANCE = 0.5
LEARNING = 0.1
"""Least touches a week where the first is not likelier harmful: at 0 nothing is ever learned."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What holds for each segment as the night begins; arrays (n_segments,).

    Attributes:
        current: touches a week and person in force.
        least, most: that the limits and the frequency cap allow.
        identified: whether doses could be compared.
        may_move: whether its last change is long enough ago.
        fixed: whether a limit says exactly how often.
    """

    current: FloatArray
    least: FloatArray
    most: FloatArray
    identified: BoolArray
    may_move: BoolArray
    fixed: BoolArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """Touches a week that the guardrail allows, and why; arrays (n_segments,).

    Attributes:
        lower, upper: touches a week and person.
        harm: P(the last touch loses more than it earns). safe: P(one more is safe).
        leaving: P(more people than allowed leave at the upper end); 0 without such a limit.
        why: one sentence per segment, empty where nothing holds it.
    """

    lower: FloatArray
    upper: FloatArray
    harm: FloatArray
    safe: FloatArray
    leaving: FloatArray
    why: tuple[str, ...]


def room_to_move(
    standing: Standing, net: FloatArray, hazards: Hazards, rules: CadenceRules
) -> Room:
    """Return how far each segment's cadence may go tonight.

    Args:
        net: (n_draws, n_segments, n_doses), value of the doses 0, 1, 2, ... a week less cost and
            less what leavers would have been worth.
    """
    size = standing.current.size
    safe = hazards.chance_of_rise_below(rules.leaving.max_rise)
    harm, leaving = np.zeros(size), np.zeros(size)
    lower, upper, why = np.zeros(size), np.zeros(size), [""] * size
    for index in range(size):
        now = float(np.clip(standing.current[index], standing.least[index], standing.most[index]))
        lower[index] = upper[index] = now
        harm[index] = _harm(net[:, index], now)
        if standing.fixed[index]:
            why[index] = "a limit says exactly so often"
            continue
        lower[index], upper[index], why[index] = _one(
            now, net[:, index], float(safe[index]), standing, index, rules
        )
        limit = rules.leaving.max_weekly
        if limit is not None:
            most = _allowed(hazards, index, float(upper[index]), now, limit, rules.leaving.chance)
            if most < upper[index]:
                upper[index], lower[index] = most, min(lower[index], most)
                why[index] = f"more than {limit:.2%} of people may leave in a week above this"
            leaving[index] = _above(hazards, index, float(upper[index]), limit)
    return Room(
        lower=np.minimum(np.maximum(lower, standing.least), upper),
        upper=upper,
        harm=harm,
        safe=safe,
        leaving=leaving,
        why=tuple(why),
    )


def _one(
    now: float, net: FloatArray, safe: float, standing: Standing, index: int, rules: CadenceRules
) -> tuple[float, float, str]:
    """Return least and most touches tonight of one segment by its own draws, and why."""
    if not standing.identified[index]:
        return now, now, "touches were never drawn by lot here, so their effect is not known"
    harmless = _harmless(net, now)
    if harmless < now:
        chance = _harm(net, now)
        return 0.0, harmless, f"the last touch loses more than it earns: {chance:.0%} likely"
    if not standing.may_move[index]:
        return now, now, f"changed in the last {rules.keep_days:.0f} days, people stay on it"
    least = min(LEARNING, now) if _harm(net, min(1.0, now)) <= HARM_CHANCE else 0.0
    if safe < rules.leaving.chance:
        return (
            least,
            now,
            f"not raised: one more touch is {safe:.0%} likely to be safe, "
            f"{rules.leaving.chance:.0%} needed",
        )
    return least, min(now + rules.max_rise, float(standing.most[index])), ""


def _harm(net: FloatArray, dose: float) -> float:
    """Return P(one touch less would earn more), for one segment's draws (n_draws, n_doses)."""
    if dose <= 0:
        return 0.0
    return float((_at(net, max(dose - 1.0, 0.0)) > _at(net, dose)).mean())


def _harmless(net: FloatArray, dose: float) -> float:
    """Return the largest dose at or below this one whose last touch is not likelier harmful."""
    while dose > 0 and _harm(net, dose) > HARM_CHANCE:
        dose = float(max(np.ceil(dose) - 1.0, 0.0))
    return dose


def _above(hazards: Hazards, index: int, dose: float, limit: float) -> float:
    """Return P(more than `limit` leave in a week at a dose)."""
    weekly = hazards.base[:, index] * np.exp(hazards.growth[:, index] * dose)
    return float((weekly > limit).mean())


def _allowed(
    hazards: Hazards, index: int, dose: float, now: float, limit: float, chance: float
) -> float:
    """Return the largest dose at or below this one that the limit on leaving allows.

    Above today's cadence that has to be sure; today's is left as soon as it is likelier broken.
    """
    while dose > now + 1e-9 and _above(hazards, index, dose, limit) > 1 - chance:
        dose = max(dose - 0.1, now)
    while dose > 0 and dose <= now and _above(hazards, index, dose, limit) > HARM_CHANCE:
        dose = float(max(np.ceil(dose) - 1.0, 0.0))
    return dose


def _at(net: FloatArray, dose: float) -> FloatArray:
    low = min(int(np.floor(dose)), net.shape[1] - 1)
    high = min(low + 1, net.shape[1] - 1)
    part = dose - np.floor(dose)
    return np.asarray((1 - part) * net[:, low] + part * net[:, high])
