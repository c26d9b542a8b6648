"""Read a test out: effect, honest interval and p-value, at the look that was planned.

Which units are treated was drawn by chance, so their effect is held against what the same estimator
shows for every other set that could have been drawn, in the same window: those share its weather,
sales and serial dependence. Sets that overlap the treated one are among them: without these, an
odd unit counts as an effect whenever it is drawn (Fisher 1935; with 24 units 14 alarms for 10).
Effects are in logs and studentised by how well each set was tracked before (Abadie, Diamond and
Hainmueller 2010), because sets differ in that.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

from pipeline.core.errors import UsageError
from pipeline.core.panel import Panel
from pipeline.core.types import FloatArray, IntArray
from pipeline.experiments.assignment import draw_sets, require_others
from pipeline.experiments.synthetic import LEAST_LEFT, log_lift, mix_of

PLACEBOS = 400  # at most; fewer where there are no more sets
GRID, STEPS = 400, 4.0  # effects tried on either side, and how many times the largest by chance


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadOut:
    """What a test showed, over all treated units and days of its window.

    Attributes:
        incremental: outcome that the treatment caused; `low` and `high` bound it at `confidence`.
            What was seen is known; what is not is what would have been.
        standard_error: of `incremental`.
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
        UsageError: too few other sets that could have been treated, a unit in two roles, or treated
            units that never had an outcome before.
    """
    if both := sorted(set(treated) & set(excluded)):
        raise UsageError(
            f"experiment read-out: unit {both[0]!r} is treated and excluded; leave one of them out"
        )
    columns = panel.columns(treated)
    window = panel.rows(first_day, last_day)
    if not panel.outcome[: window.start, columns].any():
        raise UsageError(
            f"experiment read-out: {', '.join(treated)} had no outcome before {first_day}, so "
            "nothing says what would have been; load an older past or treat other units"
        )
    rest = panel.without([*treated, *excluded]).earning(slice(0, window.start))
    kept = np.sort(np.concatenate([columns, panel.columns(rest.units)]))
    drawn = _Drawn(
        panel.outcome[: window.stop][:, kept], np.searchsorted(kept, columns), window, rng
    )
    effect = float(drawn.effects(0.0)[0] * drawn.error[0])
    p_value = drawn.p_value(0.0)
    low, high = drawn.interval(alpha)
    total = drawn.would * columns.size * (window.stop - window.start)
    change = _spend_change(panel, columns, panel.columns(rest.units), window)
    incremental = caused(total, effect, effect)
    return ReadOut(
        first_day=first_day,
        last_day=last_day,
        treated=tuple(treated),
        incremental=incremental,
        low=caused(total, effect, low),
        high=caused(total, effect, high),
        standard_error=drawn.spread(effect) * total,
        lift=float(np.expm1(effect)),
        lift_low=relative(low),
        lift_high=relative(high),
        p_value=p_value,
        confidence=1 - alpha,
        is_significant=p_value <= alpha,
        spend_change=change,
        iroas=incremental / change if change else None,
        fit_error=float(drawn.error[0]),
    )


def caused(would: float, effect: float, bound: float) -> float:
    """Return the outcome that was caused if the true effect were `bound`; infinite if that is.

    Args:
        would: outcome that would have been, as estimated.
        effect: the estimated one, in logs, like `bound`.
    """
    return -would * math.exp(effect) * math.expm1(-bound) if math.isfinite(bound) else bound


def relative(effect: float) -> float:
    """Return an effect in logs as a share of what would have been; infinite if it is not known."""
    return math.expm1(effect) if math.isfinite(effect) else effect


class _Drawn:
    """The treated set and every set that chance could have drawn instead, in one window.

    A mix is learned before the window, so an assumed effect on the treated units, taken out of
    their outcome, changes each set's effect in closed form.

    Attributes:
        error: (n_sets,), relative root mean square misfit before the window; the treated first.
        would: mean outcome of a treated unit on a day of the window without its treatment.
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
        self.would = float(self._would(self._seen)[0])
        if self._member[0] @ self._seen < LEAST_LEFT * self.would:
            # Nothing is left to take an assumed effect out of: the least that logs know, as it was
            # shared before, is.
            usual = outcome[before].mean(axis=0)
            usual /= max(float(usual[columns].mean()), 1e-12)
            self._seen = np.where(self._treated, LEAST_LEFT * self.would * usual, self._seen)

    def effects(self, assumed: float) -> FloatArray:
        """Return every set's effect in logs, in its misfits, once an assumed one is taken out.

        Args:
            assumed: log effect on the treated units.
        """
        seen = np.where(self._treated, self._seen * np.exp(-assumed), self._seen)
        return np.asarray(log_lift(self._member @ seen / self._would(seen) - 1) / self.error)

    def _would(self, seen: FloatArray) -> FloatArray:
        """Return what every set would have had, a unit and day, from what the others had."""
        return np.maximum(self._constant + self._weights @ seen, 1e-12)

    def p_value(self, assumed: float) -> float:
        """Return how often chance draws a set at least as far from the assumed effect."""
        sizes = np.abs(self.effects(assumed))
        return float(np.mean(sizes >= sizes[0] * (1 - 1e-12)))

    def interval(self, alpha: float) -> tuple[float, float]:
        """Return every effect in logs that the test does not reject: the test turned round."""
        found = self.effects(0.0)
        centre, step = float(found[0] * self.error[0]), float(self.error[0])
        reach = STEPS * max(1.0, float(np.abs(self.effects(centre)).max()))
        if 1 / found.size > alpha:
            return -np.inf, np.inf
        ends = []
        for side in (-1.0, 1.0):
            grid = centre + side * step * np.linspace(0.0, reach, GRID)
            kept = np.array([self.p_value(float(assumed)) > alpha for assumed in grid])
            outermost = int(np.flatnonzero(kept)[-1]) if kept.any() else 0
            is_open = outermost + 1 >= GRID
            ends.append(side * np.inf if is_open else float(grid[outermost + 1]))
        return ends[0], ends[1]

    def spread(self, effect: float) -> float:
        """Return the standard error of the log effect: how sets without a treated unit scatter.

        Args:
            effect: taken out before, because the treated are among what those sets are held
                against.
        """
        apart = self._member[:, self._treated].sum(axis=1) == 0
        effects = self.effects(effect)[apart] if apart.any() else self.effects(effect)[1:]
        return float(np.sqrt(np.square(effects).mean()) * self.error[0])


def _others(before: FloatArray, columns: IntArray, rng: np.random.Generator) -> list[IntArray]:
    """Return the sets that chance could have drawn instead of the treated one."""
    sized = np.argsort(-before.sum(axis=0), kind="stable")
    n = columns.size
    require_others(sized.size, n, "experiment read-out")
    drawn = draw_sets(sized, n, PLACEBOS, rng)
    return [chosen for chosen in drawn if not np.array_equal(chosen, np.sort(columns))]


def _spend_change(panel: Panel, columns: IntArray, others: IntArray, window: slice) -> float | None:
    """Return money beyond what the same days cost at the treated units' past share of it.

    Args:
        others: units whose money nothing was done to.
    """
    if panel.spend is None:
        return None
    mine = panel.spend[:, columns].sum(axis=1)
    rest = panel.spend[:, others].sum(axis=1)
    before = slice(0, window.start)
    if rest[before].sum() > 0 and rest[window].sum() > 0:
        expected = rest[window].sum() * mine[before].sum() / rest[before].sum()
    else:
        expected = mine[before].mean() * (window.stop - window.start)
    return float(mine[window].sum() - expected)
