"""Read a test out: effect, honest interval and p-value, at the look that was planned.

Which units are treated was drawn by chance, so their effect is held against what the same estimator
shows for every other set that could have been drawn, in the same window: those share its weather,
sales and serial dependence. Sets that overlap the treated one are among them: without these, an
odd unit counts as an effect whenever it is drawn (Fisher 1935; with 24 units 14 alarms for 10).
Effects are in logs and studentised by how well each set was tracked before (Abadie, Diamond and
Hainmueller 2010), because sets differ in that.
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
from pipeline.experiments.synthetic import log_lift, mix_of

PLACEBOS = 400  # at most; fewer where there are no more sets
LEAST_PLACEBOS = 10
GRID, STEPS = 400, 4.0  # effects that are tried on either side, and how many times the largest seen


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
        UsageError: too few other sets that could have been treated, or a unit in two roles.
    """
    if both := sorted(set(treated) & set(excluded)):
        raise UsageError(
            f"experiment read-out: unit {both[0]!r} is treated and excluded; leave one of them out"
        )
    columns = panel.columns(treated)
    kept = np.setdiff1d(np.arange(len(panel.units)), panel.columns(excluded))
    kept = np.union1d(kept, columns)
    window = panel.rows(first_day, last_day)
    outcome = panel.outcome[: window.stop][:, kept]
    drawn = _Drawn(outcome, np.searchsorted(kept, columns), window, rng)
    relative = float(np.expm1(drawn.effects(0.0)[0] * drawn.error[0]))
    p_value = drawn.p_value(0.0)
    low, high = drawn.interval(alpha)
    base = float(outcome[window][:, np.searchsorted(kept, columns)].mean()) / (1 + relative)
    total = base * columns.size * (window.stop - window.start)
    change = _spend_change(panel, columns, window)
    return ReadOut(
        first_day=first_day,
        last_day=last_day,
        treated=tuple(treated),
        incremental=relative * total,
        low=low * total,
        high=high * total,
        standard_error=drawn.spread() * (1 + relative) * total,
        lift=relative,
        lift_low=low,
        lift_high=high,
        p_value=p_value,
        confidence=1 - alpha,
        is_significant=p_value <= alpha,
        spend_change=change,
        iroas=relative * total / change if change else None,
        fit_error=float(drawn.error[0]),
    )


class _Drawn:
    """The treated set and every set that chance could have drawn instead, in one window.

    A mix is learned before the window, so an assumed effect on the treated units, taken out of
    their outcome, changes each set's effect in closed form.

    Attributes:
        error: (n_sets,), relative root mean square misfit before the window; the treated first.
    """

    def __init__(
        self, outcome: FloatArray, columns: IntArray, window: slice, rng: np.random.Generator
    ) -> None:
        before = slice(0, window.start)
        sets = [columns, *_others(outcome[before], columns, rng)]
        self._treated = np.isin(np.arange(outcome.shape[1]), columns)
        self._seen = outcome[window].mean(axis=0)
        self._member = np.zeros((len(sets), outcome.shape[1]))
        self._weights, self._constant = np.zeros_like(self._member), np.zeros(len(sets))
        self.error = np.empty(len(sets))
        for row, chosen in enumerate(sets):
            rest = np.setdiff1d(np.arange(outcome.shape[1]), chosen)
            series = outcome[:, chosen].mean(axis=1)
            mix = mix_of(series, outcome[:, rest], before)
            miss = (series - mix.of(outcome[:, rest]))[before]
            self._member[row, chosen] = 1 / chosen.size
            self._weights[row, rest], self._constant[row] = mix.weights, mix.constant
            size = max(float(series[before].mean()), 1e-12)
            self.error[row] = max(float(np.sqrt(np.square(miss).mean())) / size, 1e-12)

    def effects(self, assumed: float) -> FloatArray:
        """Return every set's effect in logs, in its misfits, once an assumed one is taken out.

        Args:
            assumed: log effect on the treated units.
        """
        seen = np.where(self._treated, self._seen * np.exp(-assumed), self._seen)
        would = np.maximum(self._constant + self._weights @ seen, 1e-12)
        return np.asarray(log_lift(self._member @ seen / would - 1) / self.error)

    def p_value(self, assumed: float) -> float:
        """Return how often chance draws a set at least as far from the assumed effect."""
        sizes = np.abs(self.effects(assumed))
        return float(np.mean(sizes >= sizes[0] * (1 - 1e-12)))

    def interval(self, alpha: float) -> tuple[float, float]:
        """Return every relative effect that the test does not reject: the test turned round."""
        found = self.effects(0.0)
        centre, step = float(found[0] * self.error[0]), float(self.error[0])
        reach = STEPS * max(1.0, float(np.abs(found).max()))
        if 1 / found.size > alpha:
            return -np.inf, np.inf
        ends = []
        for side in (-1.0, 1.0):
            grid = centre + side * step * np.linspace(0.0, reach, GRID)
            kept = np.array([self.p_value(float(assumed)) > alpha for assumed in grid])
            outermost = int(np.flatnonzero(kept)[-1]) if kept.any() else 0
            is_open = outermost + 1 >= GRID
            ends.append(side * np.inf if is_open else float(np.expm1(grid[outermost + 1])))
        return ends[0], ends[1]

    def spread(self) -> float:
        """Return the standard error of the log effect: how sets without a treated unit scatter."""
        apart = self._member[:, self._treated].sum(axis=1) == 0
        effects = self.effects(0.0)[apart] if apart.any() else self.effects(0.0)[1:]
        return float(np.sqrt(np.square(effects).mean()) * self.error[0])


def _others(before: FloatArray, columns: IntArray, rng: np.random.Generator) -> list[IntArray]:
    """Return the sets that chance could have drawn instead of the treated one."""
    sized = np.argsort(-before.sum(axis=0), kind="stable")
    n = columns.size
    drawn = draw_sets(sized, n, PLACEBOS, rng) if sized.size >= 3 * n else []
    found = [chosen for chosen in drawn if not np.array_equal(chosen, np.sort(columns))]
    if len(found) < LEAST_PLACEBOS:
        raise UsageError(
            f"experiment read-out: {sized.size - n} untreated units for {n} treated ones, "
            f"need at least {LEAST_PLACEBOS} other sets that could have been treated; treat fewer"
        )
    return found


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
