"""Curve families with parameters, by name; all of them closed forms but for `hill`."""

# ruff: noqa: D102  the base class says what every method returns

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pipeline.allocation.family import Family
from pipeline.allocation.hill import Hill
from pipeline.core.types import FloatArray


@dataclass(frozen=True, slots=True)
class Exponential(Family):
    """`ceiling * (1 - exp(-x / scale))`."""

    is_concave: ClassVar[bool] = True
    power: ClassVar[float | None] = 0.0

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

    is_concave: ClassVar[bool] = True
    power: ClassVar[float | None] = -1.0

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
        reach = np.minimum(reach, np.finfo(float).max)
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
            response = np.maximum(-exponent * spend, -np.finfo(float).max)
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
