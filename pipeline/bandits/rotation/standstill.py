"""When the split in force stays: a change inside the noise is no change to sign."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from pipeline.bandits.rotation.shares import UNITS
from pipeline.core.rotation_rules import RotationRules
from pipeline.core.types import BoolArray, FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Standstill:
    """Whether what is in force stays for want of proof; the note says so, or why it moves."""

    holds: bool
    note: str


def limits_of(
    staying: list[int], is_new: BoolArray, rules: RotationRules, size: int, new_share: float
) -> tuple[FloatArray, FloatArray]:
    """Return least and most of every creative's share; nothing for those that may not be shown.

    Args:
        new_share: of an even share, the least of a creative that is new.
    """
    low, high = np.zeros(size), np.zeros(size)
    n = max(len(staying), 1)
    low[staying] = np.where(is_new[staying], new_share / n, rules.uniform / n)
    high[staying] = max(rules.max_share, 1 / n)
    return low, high


def standstill_of(
    shares: FloatArray,
    held: FloatArray,
    limits: tuple[FloatArray, FloatArray],
    mean: FloatArray,
    sd: FloatArray,
    rules: RotationRules,
) -> Standstill:
    """Return whether what is in force stays: it may, and the change is inside the noise.

    A rule that takes a creative out, a floor or a ceiling moves whatever the chances are. So does
    a change large enough to be for learning: what may be the best is shown so little that the
    evidence cannot tell.
    """
    tiny = 0.5 / UNITS
    moved = float(np.abs(shares - held).sum() / 2)
    allowed = bool(((held >= limits[0] - tiny) & (held <= limits[1] + tiny)).all())
    if moved < tiny or not allowed or abs(held.sum() - 1) > tiny:
        return Standstill(holds=False, note="")
    _, _, (gain, gain_sd) = gain_of(shares, held, mean, sd)
    chance = float(ndtr(gain / gain_sd)) if gain_sd > 0 else 0.5
    if chance >= rules.min_probability:
        return Standstill(holds=False, note="")
    odds = f"is better in {100 * chance:.0f} of 100 cases"
    if moved < rules.explore_from:
        needed = f"{100 * rules.min_probability:.0f} are needed"
        return Standstill(holds=True, note=f"stays as it is: another split {odds}, {needed}")
    return Standstill(
        holds=False,
        note=f"{moved:.0%} of the exposure moves in order to learn: for now the new split {odds}",
    )


def gain_of(
    shares: FloatArray, current: FloatArray, mean: FloatArray, sd: FloatArray
) -> tuple[float, tuple[float, float], tuple[float, float]]:
    """Return the reward per impression in force, as planned, and the change with its sd."""
    rate = np.exp(mean + sd**2 / 2)
    rate_sd = rate * np.sqrt(np.expm1(sd**2))
    held = current / current.sum() if current.sum() > 0 else shares
    change = shares - held
    then = (float(shares @ rate), float(np.sqrt((shares**2) @ rate_sd**2)))
    return (
        float(held @ rate),
        then,
        (float(change @ rate), float(np.sqrt((change**2) @ rate_sd**2))),
    )
