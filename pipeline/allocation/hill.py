"""The Hill curve: Newton for any slope, and a closed form where every slope is 1."""

# ruff: noqa: D102  the base class says what every method returns

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from pipeline.allocation.family import Family
from pipeline.core.types import FloatArray

_NEWTON_STEPS = 60  # quadratic convergence needs about six; the rest is for prices near the peak
_LEAST_LOG = -1500.0  # below any float's log, for a price so small that it rounds to nothing
_ROUNDING = 1e-15  # of what a step rests on, or less: it says nothing
_NEWTON_TOLERANCE = 1e-7  # of a step; the error after it is of the order of its square


@dataclass(frozen=True, slots=True)
class Hill(Family):
    """`ceiling * x^slope / (half_saturation^slope + x^slope)`; S-shaped when slope > 1."""

    iterates: ClassVar[bool] = True

    ceiling: FloatArray
    half_saturation: FloatArray
    slope: FloatArray

    def simplest(self) -> Family:
        return Hyperbola.of(self) if (self.slope == 1).all() else self

    def value(self, spend: FloatArray) -> FloatArray:
        with np.errstate(divide="ignore", over="ignore"):
            log_odds = self.slope * np.log(spend / self.half_saturation)
            return np.asarray(self.ceiling / (1 + np.exp(-log_odds)))

    def marginal(self, spend: FloatArray) -> FloatArray:
        with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
            log_ratio = np.log(spend / self.half_saturation)
            log_odds = self.slope * log_ratio
            share = np.exp(-np.abs(log_odds))
            slowing = np.where(self.slope == 1, 0.0, (self.slope - 1) * log_ratio)
            softplus = np.maximum(log_odds, 0) + np.log1p(share)
            scale = self.ceiling * self.slope / self.half_saturation
            return np.where(self.ceiling > 0, scale * np.exp(slowing - 2 * softplus), 0.0)

    def inflection(self) -> FloatArray:
        out = np.zeros_like(self.slope)
        bent = np.flatnonzero(self.slope > 1)
        slope = self.slope[bent]
        out[bent] = self.half_saturation[bent] * ((slope - 1) / (slope + 1)) ** (1 / slope)
        return out

    def tail(
        self, price: FloatArray, near: FloatArray | None = None
    ) -> tuple[FloatArray, FloatArray]:
        # Newton on the log odds w: `a w - 2 log(1 + e^w) = log(price k / (ceiling slope))`. The
        # left side is concave and falls beyond the inflection, so any step lands right of the
        # root and falls to it from there; without a spend nearby the asymptotes give the start.
        with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
            a = (self.slope - 1) / self.slope
            y = np.log(price * self.half_saturation / (self.ceiling * self.slope))
            np.maximum(y, _LEAST_LOG, out=y)
            peak, steepest = _hill_peak(a)
            if not a.any():
                w = np.log(np.expm1(np.maximum(-0.5 * y, 0.0)))
            else:
                w = peak.copy()
                first = _first_log_odds(a, y, peak, steepest)
                if near is not None:
                    close = self.slope * np.log(near / self.half_saturation)
                    first = np.where((close > peak) & np.isfinite(close), close, first)
                below = np.flatnonzero(y < steepest)  # at any other price there is no root
                w[below] = _hill_log_odds(first[below], a[below], y[below])
            odds = np.exp(np.minimum(w, 700.0))
            spend = self.half_saturation * np.exp(w / self.slope)
            response = spend / (self.slope * (a - 2 * odds / (1 + odds)))
            return spend, np.where((w > peak) & np.isfinite(response), response, 0.0)


def _first_log_odds(
    a: FloatArray, y: FloatArray, peak: FloatArray, steepest: FloatArray
) -> FloatArray:
    """Return where the root is by the asymptote, or by the parabola at the peak if that is near."""
    w = np.where(y < 0, y / (a - 2), np.where(a < 0, y / a, 0.0))
    bend = a * (1 - 0.5 * a)
    near = peak + np.sqrt(2 * (steepest - y) / bend)
    return np.where((bend > 0) & (near < w), near, w)


def _hill_peak(a: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the log odds of the inflection, and the log marginal there in the units of y."""
    bent = a > 0
    if not bent.any():
        return np.full_like(a, -np.inf), np.where(a == 0, 0.0, np.inf)
    some = np.where(bent, a, 1.0)
    peak = np.where(bent, np.log(some / (2 - some)), -np.inf)
    steepest = some * np.log(some) + (2 - some) * np.log(2 - some) - 2 * np.log(2)
    return peak, np.where(bent, steepest, np.where(a == 0, 0.0, np.inf))


def _hill_log_odds(w: FloatArray, a: FloatArray, y: FloatArray) -> FloatArray:
    """Return the root right of the peak, which has to exist."""
    for step_index in range(_NEWTON_STEPS):
        against = np.exp(np.minimum(-w, 700.0))
        softplus = np.maximum(w + np.log1p(against), 0.0)
        rest = a * w - 2 * softplus - y
        step = rest / (a - 2 / (1 + against))
        w = w - step
        # the first step may lead to the right; after it, one that does is rounding
        moved = (np.abs(step) if step_index == 0 else step) > _NEWTON_TOLERANCE * (1 + np.abs(w))
        moved &= np.abs(rest) > _ROUNDING * (1 + np.abs(y))
        count = np.count_nonzero(moved)
        if 2 * count < w.size:  # few are near a peak, where steps only halve
            if count:
                w[moved] = _hill_log_odds(w[moved], a[moved], y[moved])
            break
    return w


@dataclass(frozen=True, slots=True)
class Hyperbola(Family):
    """`ceiling * x / (half_saturation + x)`: the Hill curve of slope 1.

    Attributes:
        root: of `ceiling * half_saturation`; divided by a price's root it is
            `half_saturation` plus the spend that the price buys.
    """

    is_concave: ClassVar[bool] = True
    power: ClassVar[float | None] = -0.5

    ceiling: FloatArray
    half_saturation: FloatArray
    root: FloatArray

    @classmethod
    def of(cls, hill: Hill) -> Self:
        """Return the same curves, whose slopes are all 1."""
        root = np.sqrt(hill.ceiling)
        root *= np.sqrt(hill.half_saturation)  # of each: their product may leave the floats
        return cls(hill.ceiling, hill.half_saturation, root)

    def value(self, spend: FloatArray) -> FloatArray:
        share = self.half_saturation + spend
        np.divide(spend, share, out=share)
        share *= self.ceiling
        return share

    def marginal(self, spend: FloatArray) -> FloatArray:
        whole = self.half_saturation + spend
        steep = self.ceiling / whole
        np.divide(self.half_saturation, whole, out=whole)
        steep *= whole
        return steep

    def inflection(self) -> FloatArray:
        return np.zeros_like(self.root)

    def tail(
        self, price: FloatArray, near: FloatArray | None = None
    ) -> tuple[FloatArray, FloatArray]:
        whole = self.root * (1 / np.sqrt(price))
        spend = whole - self.half_saturation
        whole *= -0.5
        return spend, whole
