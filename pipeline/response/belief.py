"""What one sweep of the fit leaves to the next, and what is made of it before lines are learned."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.core.types import BoolArray, FloatArray, IntArray, RealArray, SingleArray
from pipeline.response.break_search import find_breaks
from pipeline.response.breaks import Breaks
from pipeline.response.curves import carried_spend
from pipeline.response.demand import Shown
from pipeline.response.evidence import single
from pipeline.response.faults import Screened
from pipeline.response.maturity import Maturity
from pipeline.response.noise import Scatter, dispersion, starting_level, with_unseen
from pipeline.response.special_days import NamedDays

FIRST_RETENTION, FIRST_ELASTICITY = 0.3, 0.25  # to begin with; both are learned
FIRST_NOISE = 0.3**2
FIRST_WANDER = (0.003**2, 0.04**2)  # variance of a level's daily step and of its shocks


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """History made ready: screened, scaled, with its completeness.

    `uncounted` are the lines whose money stands in for counts that nobody made.
    """

    outcome: FloatArray
    screened: Screened
    maturity: Maturity
    groups: IntArray
    weekdays: IntArray
    named: NamedDays
    reference: FloatArray
    worth: FloatArray
    worth_sd: FloatArray
    uncounted: BoolArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Belief:
    """What one sweep leaves to the next; tables of days in single precision, many lines are many.

    Attributes:
        unit: (n_lines,), variance over mean of pure counting.
        level: (n_lines,), today's outcome at the reference spend.
        base: (n_days, n_lines), outcome expected on an ordinary day at today's level.
        expected: (n_days, n_lines), the same at the level of the day.
        found: (n_days, n_lines), demand times how far the level was away.
        movement: (n_days, n_lines), log of carried spend over its reference.
        noise: (n_lines,), relative variance beyond counting.
        robust: (n_days, n_lines), factor on the variance of odd days.
        own: (n_lines,), each line's elasticity of the whole outcome.
        wander: (n_lines, 2), variance of the level's daily step and of its shocks.
        breaks: where levels jumped.
        drift: (n_lines, n_drifts), how each level wanders, if known.
    """

    unit: FloatArray
    level: FloatArray
    base: SingleArray
    expected: SingleArray
    found: SingleArray
    movement: SingleArray
    noise: FloatArray
    robust: SingleArray
    own: FloatArray
    wander: FloatArray
    breaks: Breaks
    drift: FloatArray | None = None


def begin(data: Prepared) -> Belief:
    """Return what is believed before the first sweep."""
    outcome, share = data.outcome, data.maturity.share
    usable = data.screened.usable
    level = with_unseen(starting_level(outcome / share, usable), usable, data.reference)
    carried = carried_spend(data.screened.spend, FIRST_RETENTION)
    base = level * np.clip(0.5 + 0.5 * np.sqrt(carried / data.reference), 0.3, 3.0)
    return Belief(
        unit=dispersion(outcome, level),
        level=level,
        base=single(base),
        expected=single(base),
        found=np.ones(base.shape, dtype=np.float32),
        movement=log_movement(carried, data.reference),
        noise=np.full(level.size, FIRST_NOISE),
        robust=np.ones(base.shape, dtype=np.float32),
        own=np.full(level.size, FIRST_ELASTICITY),
        wander=np.tile(FIRST_WANDER, (level.size, 1)),
        breaks=Breaks.none(),
    )


def shown(data: Prepared, belief: Belief, centre: float) -> Shown:
    """Return what lines show of demand, were each one's slope the population's.

    A line's own slope is what its days will tell later; to use it here would count them twice.
    """
    usual = belief.breaks.scale(belief.base * data.maturity.share)
    away = belief.movement - belief.movement[-28:].mean(axis=0)
    noise = belief.unit / np.maximum(usual * belief.found, 1e-6) + belief.noise
    return Shown(
        log=_log_ratio(data.outcome, usual, belief.found, belief.unit)
        - (centre - belief.own) * away,
        variance=np.where(data.screened.usable, noise * belief.robust, np.inf),
        movement=belief.movement,
        walk=belief.wander[:, 0],
        shock=belief.wander[:, 1],
    )


def _log_ratio(
    outcome: FloatArray, expected: FloatArray, found: RealArray, unit: FloatArray
) -> FloatArray:
    """Return the log of outcome over expected, linear around what was found before.

    Counts may be zero, and their logs are not; a step of Gauss and Newton from the last estimate
    is right on average.
    """
    ratio = outcome / np.maximum(expected, 1e-9)
    if np.all(found == 1.0):
        return np.asarray(np.log((outcome + 0.5 * unit) / (expected + 0.5 * unit)))
    return np.asarray(np.log(found) + np.clip(ratio / found - 1.0, -1.0, 3.0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Freed:
    """Outcomes freed of jumps too, and how far they scatter then.

    Attributes:
        outcome, variance: (n_days, n_lines), at today's levels.
    """

    breaks: Breaks
    outcome: SingleArray
    variance: SingleArray


def jumped(
    freed: Freed,
    scale: SingleArray,
    base: SingleArray,
    scatter: Scatter,
    movement: SingleArray,
    shock: FloatArray,
) -> Freed:
    """Return the outcome freed of the jumps of lines' levels, looked for anew.

    What is expected next of a day's level, and how far days scatter around it, rests on an outcome
    without its jumps: else a jump that has just been found passes for noise, and is lost again.

    Args:
        freed: of the jumps that are known; its tables are overwritten.
        scale: (n_days, n_lines), what it has been freed of besides; overwritten.
        base: (n_days, n_lines), what is expected of it.
        scatter: of its days.
        movement: as `find_breaks` takes it.
        shock: (n_lines,), variance of levels' own shocks. A jump looks like large ones, so a
            line's are taken as what is usual where they seem larger.
    """
    known, around = freed.breaks, freed.variance
    around /= scatter.robust  # odd days are not weighed down: a jump is odd
    around /= np.square(base)
    own = known.scale(freed.outcome)
    found = find_breaks(
        own / base - 1,
        known.scale(known.scale(around)),
        movement,
        scatter.usable,
        np.minimum(shock, np.median(shock)),
    )
    return Freed(
        breaks=found,
        outcome=found.free(own),
        variance=scatter.variance(found.scale(scale)),
    )


def log_movement(carried: FloatArray, reference: FloatArray) -> SingleArray:
    """Return the log of carried spend over its reference, (n_days, n_lines)."""
    return single(np.log(np.maximum(carried / reference, 0.05)))
