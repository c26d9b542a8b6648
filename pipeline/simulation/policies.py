"""What ours is measured against: standing still, a rule, a regression, a grid, an oracle."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from pipeline.core.learning import Lesson
from pipeline.core.types import FloatArray
from pipeline.simulation.plain_grid import plain_grid
from pipeline.simulation.worlds import Morning, World
from pipeline.simulation.worlds.optimum import best_split, into_box

RULE_DAYS = 28
RULE_STEP = 0.1
REGRESSION_DAYS = 150
REGRESSION_SKIPPED = 7  # the last days are incomplete, as every analyst knows
PRIOR_ELASTICITY, PRIOR_SD = 0.3, 0.15


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Budgets, and what the policy claims about them where it claims anything.

    Attributes:
        budgets: (n_lines,)
        explored: (n_lines,), what of them is there to learn only.
        lessons: the pairs of lines that are moved for it.
        marginal: (n_lines, 3), mean, p05 and p95 of the marginal return at the current budget.
        uplift: mean, p05 and p95 of plan minus status quo, per night.
        probability_positive: that the uplift is above 0, a tie counting half.
    """

    budgets: FloatArray
    explored: FloatArray | None = None
    lessons: tuple[Lesson, ...] = ()
    marginal: FloatArray | None = None
    uplift: tuple[float, float, float] | None = None
    probability_positive: float | None = None


Policy: TypeAlias = Callable[[Morning], FloatArray | Decision]
"""Decides a day's budgets, (n_lines,), inside the morning's box and total."""


def static(morning: Morning) -> FloatArray:
    """Return the current budgets: never moves a cent."""
    return morning.current


def rule(morning: Morning) -> FloatArray:
    """Return budgets moved towards the lines with the best reported ROAS of four weeks."""
    spend = morning.history.spend[-RULE_DAYS:].sum(axis=0)
    roas = morning.history.outcomes["revenue"][-RULE_DAYS:].sum(axis=0) / np.maximum(spend, 1e-9)
    rank = np.argsort(np.argsort(roas, kind="stable"), kind="stable") / max(roas.size - 1, 1)
    wanted = morning.current * (1 + RULE_STEP * (2 * rank - 1))
    return into_box(wanted, morning.floor, morning.cap, morning.total)


def regression(morning: Morning) -> FloatArray:
    """Return the split that equalises marginal returns under a log-log regression per line.

    Each line's elasticity is least squares of log reported revenue on log spend, weekday and
    trend, shrunk towards one prior by its standard error.
    """
    used = slice(-REGRESSION_DAYS, -REGRESSION_SKIPPED)
    spend = np.log(np.maximum(morning.history.spend[used], 1e-2))
    revenue = morning.history.outcomes["revenue"][used]
    outcome = np.log(revenue + 0.5 * np.maximum(revenue.mean(axis=0), 1e-9) / 10)
    weekday = np.array([day.weekday() for day in morning.history.days[used]])
    others = np.column_stack([np.eye(7)[weekday], np.linspace(-1, 1, weekday.size)])
    x = _residual(others, _tamed(spend))
    y = _residual(others, _tamed(outcome))
    information = np.square(x).sum(axis=0) + 1e-9
    slope = (x * y).sum(axis=0) / information
    noise = np.square(y - slope * x).sum(axis=0) / max(weekday.size - 9, 1)
    precision = information / np.maximum(noise, 1e-9)
    elasticity = (slope * precision + PRIOR_ELASTICITY / PRIOR_SD**2) / (
        precision + 1 / PRIOR_SD**2
    )
    return power_split(np.clip(elasticity, 0.02, 0.9), np.median(revenue[-28:], axis=0), morning)


def power_split(elasticity: FloatArray, revenue: FloatArray, morning: Morning) -> FloatArray:
    """Return the best split if a line earned `revenue * (spend / current) ** elasticity`."""
    low, high = -30.0, 30.0  # log of the common marginal return
    scale = np.maximum(elasticity * revenue / morning.current, 1e-9)
    for _ in range(100):
        price = 0.5 * (low + high)
        relative = np.exp(np.clip((np.log(scale) - price) / (1 - elasticity), -30, 30))
        budgets = np.clip(morning.current * relative, morning.floor, morning.cap)
        low, high = (price, high) if budgets.sum() > morning.total else (low, price)
    return into_box(np.maximum(budgets, 1e-9), morning.floor, morning.cap, morning.total)


def oracle(world: World, *, farsighted: bool) -> FloatArray:
    """Return budgets of one who knows every curve, today's carry-over and expected demand.

    Args:
        world: on its morning.
        farsighted: True goes, as fast as the ramp allows, to the split that is best inside the
            caps alone; False takes the best split that can be reached today. On curves with a
            threshold the two differ.
    """
    floor, cap = world.box()
    total = float(world.start.sum())
    if not farsighted:
        return _best(world, floor, cap, total)
    furthest_floor, furthest_cap = world.caps()
    wanted = _best(world, furthest_floor, furthest_cap, total)
    return into_box(np.clip(wanted, floor, cap), floor, cap, total)


def _best(world: World, floor: FloatArray, cap: FloatArray, total: float) -> FloatArray:
    knots = np.linspace(floor, cap, 81, axis=1)
    return best_split(knots, world.true_values(knots), total, floor, cap)


def _tamed(logs: FloatArray) -> FloatArray:
    """Return logs without the days that any analyst would strike out: tenfold off the usual."""
    usual = np.median(logs, axis=0)
    return np.where(np.abs(logs - usual) > np.log(10), usual, logs)


def _residual(others: FloatArray, columns: FloatArray) -> FloatArray:
    fitted, *_ = np.linalg.lstsq(others, columns, rcond=None)
    return np.asarray(columns - others @ fitted)


RIVALS: dict[str, Policy] = {
    "static": static,
    "rule": rule,
    "regression": regression,
    "grid": plain_grid,
}
"""By name; the oracle is not among them, because it sees the world and not a morning."""
