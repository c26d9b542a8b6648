"""A market that tells nobody which line earned what: daily totals of a truth that is known.

Spend follows demand, and so does what sells without any spend; an index of demand is seen only
with noise. It is the usual setting of marketing-mix models, with its usual trap.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from pipeline.core.types import FloatArray

FIRST_DAY = date(2023, 1, 2)  # a Monday
CHANNELS = ("search", "social", "video", "display", "tv", "radio", "print", "partners")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mix:
    """What an advertiser of the market sees, and the truth.

    Attributes:
        spend: (n_days, n_lines).
        outcome: (n_days,), of all lines and of nobody's spend together.
        index: (n_days,), demand as a noisy public figure shows it, around 1.
        contribution: (n_lines,), true incremental outcome of the whole history.
        usual: (n_lines,), mean spend of the last 28 days.
    """

    days: tuple[date, ...]
    names: tuple[str, ...]
    spend: FloatArray
    outcome: FloatArray
    index: FloatArray
    contribution: FloatArray
    usual: FloatArray
    ceiling: FloatArray
    half_saturation: FloatArray
    is_exponential: FloatArray

    def value(self, spend: FloatArray) -> FloatArray:
        """Return what each line truly earns a day at a steady spend; the last axis is lines."""
        return _response(spend, self.ceiling, self.half_saturation, self.is_exponential)

    def marginal(self, spend: FloatArray) -> FloatArray:
        """Return what one more unit a day truly earns at a steady spend, (n_lines,)."""
        step = 1e-3 * self.usual
        return np.asarray((self.value(spend + step) - self.value(spend - step)) / (2 * step))


def make_mix(seed: int, *, n_lines: int = 5, n_days: int = 1092, chase: float = 0.8) -> Mix:
    """Return one market.

    Args:
        seed: of everything.
        chase: how strongly spend follows demand; at 1 as much of a line's wandering is demand's
            as its own.
    """
    rng = np.random.default_rng(seed)
    day = np.arange(n_days)
    season = 0.15 * np.sin(2 * np.pi * (day / 365.25 + rng.random()))
    weekend = np.where(day % 7 >= 5, -0.12, 0.0)
    demand = _wandering(rng, n_days, 1, 0.97)[:, 0]
    share = rng.uniform(0.4, 1.6, n_lines) * chase
    own = _wandering(rng, n_days, n_lines, 0.93)
    moved = 0.3 * own + 0.3 * share * demand[:, None] + rng.normal(0, 0.08, own.shape)
    level = 1000.0 * rng.lognormal(0, 0.6, n_lines)
    spend = level * np.exp(moved + rng.uniform(0, 1, n_lines) * season[:, None])
    retention = rng.uniform(0.1, 0.85, n_lines)
    half = level * rng.uniform(0.5, 2.5, n_lines)
    ceiling = level * rng.lognormal(1.2, 0.5, n_lines)
    is_exponential = (rng.random(n_lines) < 0.5).astype(float)
    effect = _response(_carried(spend, retention), ceiling, half, is_exponential)
    organic = effect.sum(axis=1).mean() * rng.uniform(1.5, 4.0)
    base = organic * np.exp(season + weekend + 0.12 * demand)
    outcome = base + effect.sum(axis=1) + rng.normal(0, 0.03 * organic, n_days)
    return Mix(
        days=tuple(FIRST_DAY + timedelta(days=int(i)) for i in day),
        names=tuple((CHANNELS * 5)[i] + ("" if i < 8 else str(i)) for i in range(n_lines)),
        spend=spend,
        outcome=np.maximum(outcome, 0.0),
        index=1 + 0.12 * (demand + rng.normal(0, 0.7, n_days)),
        contribution=effect.sum(axis=0),
        usual=spend[-28:].mean(axis=0),
        ceiling=ceiling,
        half_saturation=half,
        is_exponential=is_exponential,
    )


def _response(
    spend: FloatArray, ceiling: FloatArray, half: FloatArray, is_exponential: FloatArray
) -> FloatArray:
    hill = spend / (spend + half)
    exponential = -np.expm1(-np.log(2) * spend / half)
    return np.asarray(ceiling * np.where(is_exponential > 0, exponential, hill))


def _wandering(rng: np.random.Generator, n_days: int, n: int, kept: float) -> FloatArray:
    """Return first-order autoregressions of deviation 1, (n_days, n)."""
    out = rng.normal(size=(n_days, n))
    for t in range(1, n_days):
        out[t] = kept * out[t - 1] + np.sqrt(1 - kept**2) * out[t]
    return out


def _carried(spend: FloatArray, retention: FloatArray) -> FloatArray:
    out, state = np.empty_like(spend), spend[:14].mean(axis=0)
    for t in range(spend.shape[0]):
        state = retention * state + (1 - retention) * spend[t]
        out[t] = state
    return out
