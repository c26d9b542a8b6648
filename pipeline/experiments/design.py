"""Design a test before money is moved: who, how long, what it can find, and what it costs.

The error of a design is not assumed but read off the past: the estimator of the read-out is run on
many sets of units and windows in which nothing was done. What it shows there by chance sets the
limit and the least effect that is found with the power that was asked for.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.core.errors import UsageError
from pipeline.core.panel import Panel
from pipeline.core.types import FloatArray, IntArray
from pipeline.experiments.assignment import draw_sets, require_others
from pipeline.experiments.synthetic import log_lift, mix_of

WINDOWS = 10  # of the past, in which nothing happened
LEAST_PAST = 2.0  # windows' lengths of past before the first of them, at least
LEAST_PAST_DAYS = 28
CANDIDATES = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """One way of running a geo test.

    Attributes:
        treated: units.
        error: standard error of the relative effect.
        least_effect: the smallest relative effect found with the wanted power.
        power: of finding the effect that was asked about; None where none was.
        outcome: expected in the window without treatment.
        price: money moved in the window; None where spend is not known.
        fit_error: relative root mean square misfit on a day of the past.
    """

    treated: tuple[str, ...]
    days: int
    alpha: float
    error: float
    least_effect: float
    power: float | None
    outcome: float
    price: float | None
    fit_error: float


def design_geo(
    panel: Panel,
    n_treated: int,
    days: int,
    rng: np.random.Generator,
    *,
    alpha: float = 0.1,
    power: float = 0.8,
    effect: float | None = None,
    spend_change: float = 1.0,
    excluded: Sequence[str] = (),
) -> list[Design]:
    """Return candidate designs, the most sensitive first.

    Candidates are drawn by chance, one unit of each size class, so that the treated are like the
    rest in size; only their error on the past ranks them. Units that never had an outcome are left
    out: there is nothing to hold a change against.

    Args:
        panel: the past, nothing done in it.
        n_treated: units.
        days: of the test.
        rng: draws candidates.
        alpha: two-sided error.
        power: that the least effect is to be found with.
        effect: relative, whose power is wanted.
        spend_change: relative change of the treated units' money: 1 doubles, -1 stops it.
        excluded: units neither treated nor compared with.

    Raises:
        UsageError: too few days, or units for a read-out.
    """
    starts = _starts(len(panel.days), days)
    panel = panel.without(excluded).earning(slice(None))
    if n_treated < 1:
        raise UsageError(f"experiment design: {n_treated} units to treat, need at least one")
    require_others(len(panel.units), n_treated, "experiment design")
    sized = np.argsort(-panel.outcome.sum(axis=0), kind="stable")
    drawn = draw_sets(sized, n_treated, CANDIDATES, rng)
    judged = (_tried(panel, columns, days, starts) for columns in drawn)
    tried = [item for item in judged if item is not None]
    if not tried:
        raise UsageError(
            f"experiment design: no unit had an outcome {days} days ago or earlier; load more"
        )
    quiet = Quiet(np.concatenate([item.studentised for item in tried]), alpha)
    found = [
        Design(
            treated=tuple(panel.units[i] for i in item.columns.tolist()),
            days=days,
            alpha=alpha,
            error=item.fit_error * quiet.spread,
            least_effect=math.expm1(item.fit_error * quiet.least(power)),
            power=None if effect is None else quiet.power(math.log1p(abs(effect)) / item.fit_error),
            outcome=float(panel.outcome[-28:, item.columns].sum(axis=1).mean()) * days,
            price=_price(panel, item.columns, days, spend_change),
            fit_error=item.fit_error,
        )
        for item in tried
    ]
    return sorted(found, key=lambda design: (design.least_effect, design.treated))


def choose(designs: Sequence[Design], rng: np.random.Generator) -> Design:
    """Return one of the designs, each as likely as any other.

    Not one of the best: the read-out compares with every set that chance could have drawn, which is
    exact only if it could, and a set that was tracked well in the past was also lucky.
    """
    return designs[int(rng.integers(len(designs)))]


class Quiet:
    """How studentised effects scatter where nothing was done: what the read-out compares with."""

    def __init__(self, effects: FloatArray, alpha: float) -> None:
        self._effects = np.concatenate([effects, -effects])  # a miss may go either way
        self._limit = float(np.quantile(np.abs(effects), 1 - alpha))

    @property
    def spread(self) -> float:
        """Standard deviation."""
        return float(np.sqrt(np.square(self._effects).mean()))

    def least(self, power: float) -> float:
        """Return the smallest effect, in misfits, that is found with the power."""
        return self._limit - float(np.quantile(self._effects, 1 - power))

    def power(self, effect: float) -> float:
        """Return the chance that an effect, in misfits, is found."""
        return float(np.mean(np.abs(self._effects + effect) > self._limit))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tried:
    """One candidate on past windows."""

    columns: IntArray
    studentised: FloatArray
    fit_error: float


def _starts(n_days: int, days: int) -> list[int]:
    first = max(LEAST_PAST_DAYS, int(LEAST_PAST * days))
    last = n_days - days
    if last < first:
        raise UsageError(
            f"experiment design: {n_days} days of past for a test of {days}, "
            f"need {first + days}; load more or shorten --days"
        )
    return sorted({round(x) for x in np.linspace(first, last, WINDOWS)})


def _tried(panel: Panel, columns: IntArray, days: int, starts: Sequence[int]) -> _Tried | None:
    """Return how a set did on past windows; None where it had no outcome before any of them."""
    series = panel.outcome[:, columns].mean(axis=1)
    others = np.delete(panel.outcome, columns, axis=1)
    effects, fits = [], []
    for start in starts:
        if not series[:start].any():
            continue
        would = mix_of(series, others, slice(0, start)).of(others[: start + days])
        rest = series[: start + days] - would
        size = max(float(series[:start].mean()), 1e-12)
        fits.append(float(np.sqrt(np.square(rest[:start]).mean())) / size)
        would_be = max(float(would[start:].mean()), 1e-12)
        effects.append(float(log_lift(rest[start:].mean() / would_be)) / max(fits[-1], 1e-12))
    if not fits:
        return None
    return _Tried(columns=columns, studentised=np.array(effects), fit_error=fits[-1])


def _price(panel: Panel, columns: IntArray, days: int, change: float) -> float | None:
    """Return the money that is moved, at the last four weeks' spend."""
    if panel.spend is None:
        return None
    return abs(change) * float(panel.spend[-28:, columns].sum(axis=1).mean()) * days
