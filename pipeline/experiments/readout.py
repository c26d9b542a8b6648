"""Read a test out: effect, honest interval and p-value, at the look that was planned.

Which units are treated was drawn by chance, so their effect is held against what the same estimator
shows for others drawn the same way, in the same window, where nothing was done: placebos share the
window's weather, sales and serial dependence. Effects are studentised by how well each set was
tracked before (Abadie, Diamond and Hainmueller 2010), because sets differ in that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

from pipeline.core.errors import UsageError
from pipeline.core.panel import Panel
from pipeline.core.types import FloatArray, IntArray
from pipeline.experiments.assignment import draw_sets
from pipeline.experiments.synthetic import counterfactual

PLACEBOS = 400  # at most; fewer where there are no more sets
LEAST_PLACEBOS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadOut:
    """What a test showed, over all treated units and days of its window.

    Attributes:
        incremental: outcome that the treatment caused; `low` and `high` bound it at `confidence`.
        standard_error: of `incremental`, from the interval's width.
        lift: relative to what would have been; with its bounds.
        p_value: of no effect at all, two-sided.
        is_significant: whether the p-value is below what this look may spend.
        spend_change: money spent more (or less) than the past of the treated units lets expect.
        iroas: incremental outcome per unit of money; None without a change of money.
        fit_error: relative root mean square misfit before the window.
    """

    first_day: date
    last_day: date
    treated: tuple[str, ...]
    incremental: float
    low: float
    high: float
    standard_error: float
    lift: float
    lift_low: float
    lift_high: float
    p_value: float
    confidence: float
    is_significant: bool
    spend_change: float | None
    iroas: float | None
    fit_error: float


def read_out(
    panel: Panel,
    treated: Sequence[str],
    first_day: date,
    last_day: date,
    *,
    rng: np.random.Generator,
    alpha: float = 0.1,
    excluded: Sequence[str] = (),
) -> ReadOut:
    """Return what the test showed.

    Args:
        panel: with days before the window to learn from.
        treated: units.
        first_day, last_day: of the window, inclusive.
        rng: draws the placebos.
        alpha: what this look may spend; the interval has confidence 1 - alpha.
        excluded: units that may not serve as others, such as another cell's.

    Raises:
        UsageError: too few untreated units for a placebo.
    """
    columns = panel.columns(treated)
    barred = np.union1d(columns, panel.columns(excluded))
    others = np.setdiff1d(np.arange(len(panel.units)), barred)
    window = panel.rows(first_day, last_day)
    outcome = panel.outcome[: window.stop]
    mine = _effect(outcome, columns, others, window)
    placebos = _placebos(outcome, columns.size, others, window, rng)
    sizes = np.sort(np.abs(placebos))
    beyond = int((sizes >= abs(mine.studentised) * (1 - 1e-12)).sum())
    p_value = (1 + beyond) / (1 + sizes.size)
    # every effect that a placebo test would not reject: the interval is the test turned round
    reach = float(np.quantile(np.append(sizes, np.inf), 1 - alpha, method="higher")) * mine.error
    total = float(mine.base * columns.size * (window.stop - window.start))
    change = _spend_change(panel, columns, window)
    return ReadOut(
        first_day=first_day,
        last_day=last_day,
        treated=tuple(treated),
        incremental=mine.relative * total,
        low=(mine.relative - reach) * total,
        high=(mine.relative + reach) * total,
        standard_error=float(np.sqrt(np.square(sizes).mean())) * mine.error * total,
        lift=mine.relative,
        lift_low=mine.relative - reach,
        lift_high=mine.relative + reach,
        p_value=p_value,
        confidence=1 - alpha,
        is_significant=p_value <= alpha,
        spend_change=change,
        iroas=mine.relative * total / change if change else None,
        fit_error=mine.error,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Effect:
    """The relative effect on one set of units, and the relative misfit before the window."""

    relative: float
    error: float
    base: float

    @property
    def studentised(self) -> float:
        """The effect in units of the misfit before."""
        return self.relative / max(self.error, 1e-12)


def _effect(outcome: FloatArray, columns: IntArray, others: IntArray, window: slice) -> _Effect:
    before = slice(0, window.start)
    series = outcome[:, columns].mean(axis=1)
    would = counterfactual(series, outcome[:, others], before)
    base = max(float(would[window].mean()), 1e-12)
    rest = series - would
    return _Effect(
        relative=float(rest[window].mean()) / base,
        error=float(np.sqrt(np.square(rest[before]).mean())) / max(series[before].mean(), 1e-12),
        base=base,
    )


def _placebos(
    outcome: FloatArray, n_treated: int, others: IntArray, window: slice, rng: np.random.Generator
) -> FloatArray:
    """Return the studentised effects of untreated sets, drawn like the treated one was."""
    sized = others[np.argsort(-outcome[: window.start, others].sum(axis=0), kind="stable")]
    drawn = draw_sets(sized, n_treated, PLACEBOS, rng) if sized.size >= 2 * n_treated else []
    if len(drawn) < LEAST_PLACEBOS:
        raise UsageError(
            f"experiment read-out: {sized.size} untreated units for {n_treated} treated ones, "
            f"need at least {LEAST_PLACEBOS} different sets of them; treat fewer"
        )
    found = []
    for columns in drawn:
        rest = np.setdiff1d(others, columns)
        found.append(_effect(outcome, columns, rest, window).studentised)
    return np.array(found)


def _spend_change(panel: Panel, columns: IntArray, window: slice) -> float | None:
    """Return money beyond what the same days cost at the treated units' past share of it."""
    if panel.spend is None:
        return None
    mine = panel.spend[:, columns].sum(axis=1)
    rest = np.delete(panel.spend, columns, axis=1).sum(axis=1)
    before = slice(0, window.start)
    if rest[before].sum() > 0 and rest[window].sum() > 0:
        expected = rest[window].sum() * mine[before].sum() / rest[before].sum()
    else:
        expected = mine[before].mean() * (window.stop - window.start)
    return float(mine[window].sum() - expected)
