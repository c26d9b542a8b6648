"""Curve families with parameters: outcome, marginal return, and the spend that a price buys.

Every family is a struct of arrays, one entry per line, so that a million lines are a handful of
array operations. All of them are concave, convex, or convex up to one inflection and concave
after it; the part after the inflection is called the tail.
"""

# ruff: noqa: D102  the base class says what every method returns

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Self

import numpy as np

from pipeline.core.types import FloatArray, IntArray

_NEWTON_STEPS = 60  # quadratic convergence needs about six; the rest is for prices near the peak
_NEWTON_TOLERANCE = 1e-7  # of a step; the error after it is of the order of its square


@dataclass(frozen=True, slots=True)
class Family:
    """What every family can do. Arrays are (n,), spends >= 0."""

    def take(self, index: IntArray | slice) -> Self:
        """Return the family of the chosen lines."""
        return type(self)(*(getattr(self, field.name)[index] for field in fields(self)))

    def value(self, spend: FloatArray) -> FloatArray:
        """Return the outcome of each spend; 0 at 0."""
        raise TypeError(f"{type(self).__name__} has no value")

    def marginal(self, spend: FloatArray) -> FloatArray:
        """Return the outcome that one more unit of money earns; may be infinite at 0."""
        raise TypeError(f"{type(self).__name__} has no marginal")

    def inflection(self) -> FloatArray:
        """Return where convex turns concave: 0 for concave curves, infinity for convex ones."""
        raise TypeError(f"{type(self).__name__} has no inflection")

    @property
    def size(self) -> int:
        """Number of lines."""
        return int(getattr(self, fields(self)[0].name).shape[0])

    def reach(
        self, price: FloatArray, near: FloatArray | None = None
    ) -> tuple[FloatArray, FloatArray]:
        """Return what `tail` does; infinite spends where a price is not above 0."""
        lowest = price.min()
        if lowest > 0:
            return self.tail(price, near)
        if price.max() <= 0:
            return np.full(self.size, np.inf), np.zeros(self.size)
        spend, response = self.tail(np.maximum(price, np.finfo(float).tiny), near)
        return np.where(price > 0, spend, np.inf), response

    def tail(
        self, price: FloatArray, near: FloatArray | None = None
    ) -> tuple[FloatArray, FloatArray]:
        """Return the spend on the tail whose marginal return is `price`, and d spend / d log price.

        A price above the tail's steepest marginal gives the inflection; prices are > 0.

        Args:
            near: spends that may be close, such as those of a price nearby; only saves time.
        """
        raise TypeError(f"{type(self).__name__} has no tail")


@dataclass(frozen=True, slots=True)
class Hill(Family):
    """`ceiling * x^slope / (half_saturation^slope + x^slope)`; S-shaped when slope > 1."""

    ceiling: FloatArray
    half_saturation: FloatArray
    slope: FloatArray

    def value(self, spend: FloatArray) -> FloatArray:
        if self._is_plain():
            return np.asarray(self.ceiling * (spend / (self.half_saturation + spend)))
        with np.errstate(divide="ignore", over="ignore"):
            log_odds = self.slope * np.log(spend / self.half_saturation)
            return np.asarray(self.ceiling / (1 + np.exp(-log_odds)))

    def marginal(self, spend: FloatArray) -> FloatArray:
        if self._is_plain():
            whole = self.half_saturation + spend
            return np.asarray(self.ceiling / whole * (self.half_saturation / whole))
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
        if self._is_plain():
            return self._plain_tail(price)
        return self._bent_tail(price, near)

    def _is_plain(self) -> bool:
        """Return whether every slope is 1, where everything has a closed form."""
        return bool((self.slope == 1).all())

    def _plain_tail(self, price: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Solve `ceiling k / (k + x)^2 = price`."""
        with np.errstate(over="ignore"):
            root = np.sqrt(self.ceiling / self.half_saturation / price)
            reach = self.half_saturation * root
        spend = reach - self.half_saturation
        return np.maximum(spend, 0.0), np.where(spend > 0, -0.5 * reach, 0.0)

    def _bent_tail(
        self, price: FloatArray, near: FloatArray | None
    ) -> tuple[FloatArray, FloatArray]:
        """Newton on the log odds w: `a w - 2 log(1 + e^w) = log(price k / (ceiling slope))`.

        The left side is concave and falls beyond the inflection, so any step lands right of the
        root and falls to it from there; without a spend nearby the asymptotes give the start.
        """
        with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
            a = (self.slope - 1) / self.slope
            y = np.log(price * self.half_saturation / (self.ceiling * self.slope))
            peak, steepest = _hill_peak(a)
            if not a.any():
                w = np.log(np.expm1(np.maximum(-0.5 * y, 0.0)))
            else:
                w = np.where(y < 0, y / (a - 2), np.where(a < 0, y / a, 0.0))
                if near is not None:
                    close = self.slope * np.log(near / self.half_saturation)
                    w = np.where((close > peak) & np.isfinite(close), close, w)
                w = np.where(y < steepest, _hill_log_odds(w, a, y), peak)
            odds = np.exp(np.minimum(w, 700.0))
            spend = self.half_saturation * np.exp(w / self.slope)
            response = spend / (self.slope * (a - 2 * odds / (1 + odds)))
            return spend, np.where(w > peak, response, 0.0)


def _hill_peak(a: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the log odds of the inflection, and the log marginal there in the units of y."""
    bent = a > 0
    if not bent.any():
        return np.full_like(a, -np.inf), np.where(a == 0, 0.0, np.inf)
    steepest = a * np.log(a) + (2 - a) * np.log(2 - a) - 2 * np.log(2)
    peak = np.where(bent, np.log(a / (2 - a)), -np.inf)
    return peak, np.where(bent, steepest, np.where(a == 0, 0.0, np.inf))


def _hill_log_odds(w: FloatArray, a: FloatArray, y: FloatArray) -> FloatArray:
    """Return the root; entries without one end anywhere."""
    for step_index in range(_NEWTON_STEPS):
        shrunk = np.exp(-np.abs(w))
        rest = a * w - 2 * (np.maximum(w, 0.0) + np.log1p(shrunk)) - y
        step = rest / (a - 2 * np.where(w >= 0, 1.0, shrunk) / (1 + shrunk))
        w = w - step
        # the first step may lead to the right; after it, one that does is rounding
        size = np.abs(step) if step_index == 0 else step
        if not (size > _NEWTON_TOLERANCE * (1 + np.abs(w))).any():
            break
    return w


@dataclass(frozen=True, slots=True)
class Exponential(Family):
    """`ceiling * (1 - exp(-x / scale))`."""

    ceiling: FloatArray
    scale: FloatArray

    def value(self, spend: FloatArray) -> FloatArray:
        return np.asarray(-self.ceiling * np.expm1(-spend / self.scale))

    def marginal(self, spend: FloatArray) -> FloatArray:
        return np.asarray(self.ceiling / self.scale * np.exp(-spend / self.scale))

    def inflection(self) -> FloatArray:
        return np.zeros_like(self.ceiling)

    def tail(
        self, price: FloatArray, near: FloatArray | None = None
    ) -> tuple[FloatArray, FloatArray]:
        with np.errstate(divide="ignore", over="ignore"):
            spend = self.scale * np.log(self.ceiling / self.scale / price)
        on = spend > 0
        return np.where(on, spend, 0.0), np.where(on, -self.scale, 0.0)


@dataclass(frozen=True, slots=True)
class Log(Family):
    """`scale_value * log(1 + x / scale)`."""

    scale_value: FloatArray
    scale: FloatArray

    def value(self, spend: FloatArray) -> FloatArray:
        return np.asarray(self.scale_value * np.log1p(spend / self.scale))

    def marginal(self, spend: FloatArray) -> FloatArray:
        return np.asarray(self.scale_value / (self.scale + spend))

    def inflection(self) -> FloatArray:
        return np.zeros_like(self.scale)

    def tail(
        self, price: FloatArray, near: FloatArray | None = None
    ) -> tuple[FloatArray, FloatArray]:
        with np.errstate(over="ignore"):
            reach = self.scale_value / price
        on = reach > self.scale
        return np.where(on, reach - self.scale, 0.0), np.where(on, -reach, 0.0)


@dataclass(frozen=True, slots=True)
class Power(Family):
    """`a * x^b`; convex when b > 1, a straight line when b = 1."""

    a: FloatArray
    b: FloatArray

    def value(self, spend: FloatArray) -> FloatArray:
        return np.asarray(self.a * np.power(spend, self.b))

    def marginal(self, spend: FloatArray) -> FloatArray:
        with np.errstate(divide="ignore", invalid="ignore"):
            steep = self.a * self.b * np.power(spend, self.b - 1)
        return np.where((self.a == 0) | (self.b == 0), 0.0, steep)

    def inflection(self) -> FloatArray:
        return np.where((self.b >= 1) & (self.a > 0), np.inf, 0.0)

    def tail(
        self, price: FloatArray, near: FloatArray | None = None
    ) -> tuple[FloatArray, FloatArray]:
        with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
            exponent = np.where(self.b < 1, 1 / (1 - self.b), 0.0)
            spend = np.power(self.a * self.b / price, exponent)
            response = -exponent * spend
        bent = (self.b > 0) & (self.b < 1) & (self.a > 0)
        top = self.inflection()
        return np.where(bent, spend, top), np.where(bent, response, 0.0)


@dataclass(frozen=True, slots=True)
class Logistic(Family):
    """`ceiling * (s(x) - s(0))` with `s(x) = 1 / (1 + exp(-steepness * (x - midpoint)))`."""

    ceiling: FloatArray
    midpoint: FloatArray
    steepness: FloatArray

    def value(self, spend: FloatArray) -> FloatArray:
        return np.asarray(self.ceiling * (self._share(spend) - self._share(np.zeros_like(spend))))

    def marginal(self, spend: FloatArray) -> FloatArray:
        share = np.exp(-np.abs(self.steepness * (spend - self.midpoint)))
        return np.asarray(self.ceiling * self.steepness * share / (1 + share) ** 2)

    def inflection(self) -> FloatArray:
        return np.maximum(self.midpoint, 0.0)

    def tail(
        self, price: FloatArray, near: FloatArray | None = None
    ) -> tuple[FloatArray, FloatArray]:
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            ratio = price / (self.ceiling * self.steepness)
            root = np.sqrt(np.maximum(1 - 4 * ratio, 0.0))
            odds = (1 + root) ** 2 / (4 * ratio)  # share / (1 - share), without cancellation
            spend = self.midpoint + np.log(odds) / self.steepness
            response = -1 / (self.steepness * root)
        low = self.inflection()
        on = (ratio < 0.25) & (spend > low)
        return np.where(on, spend, low), np.where(on, response, 0.0)

    def _share(self, spend: FloatArray) -> FloatArray:
        with np.errstate(over="ignore"):
            return np.asarray(1 / (1 + np.exp(-self.steepness * (spend - self.midpoint))))


FAMILIES: dict[str, type[Family]] = {
    "hill": Hill,
    "exponential": Exponential,
    "log": Log,
    "power": Power,
    "logistic": Logistic,
}
