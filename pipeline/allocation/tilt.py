"""Curves net of what limits that do not nest charge: an outcome weighted, money at a cost.

With prices on guardrails and on groups that cut across, what is left is a problem of nested limits
whose curves are `weight * f(x) - cost * x`; its bound, plus what the priced limits pay, is a bound
for the whole (Lagrangian relaxation).
"""

# ruff: noqa: D102  the base class says what every method returns

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from pipeline.allocation.curves import Curves
from pipeline.allocation.family import Family
from pipeline.allocation.tables import Piecewise, Smooth
from pipeline.core.types import FloatArray, IntArray


@dataclass(frozen=True, slots=True)
class Tilted(Family):
    """`weight * f(x) - cost * x` for a family with parameters; weights are above 0."""

    base: Family
    weight: FloatArray
    cost: FloatArray

    def take(self, index: IntArray | slice) -> Self:
        return type(self)(self.base.take(index), self.weight[index], self.cost[index])

    @property
    def size(self) -> int:
        return self.weight.size

    def value(self, spend: FloatArray) -> FloatArray:
        return np.asarray(self.weight * self.base.value(spend) - self.cost * spend)

    def marginal(self, spend: FloatArray) -> FloatArray:
        return np.asarray(self.weight * self.base.marginal(spend) - self.cost)

    def inflection(self) -> FloatArray:
        return self.base.inflection()

    def reach(
        self, price: FloatArray, near: FloatArray | None = None
    ) -> tuple[FloatArray, FloatArray]:
        whole = price + self.cost
        spend, response = self.base.reach(whole / self.weight, near)
        return spend, response * np.where(whole > 0, price / np.where(whole > 0, whole, 1.0), 0.0)


def tilted(curves: Curves, weight: FloatArray, cost: FloatArray, high: FloatArray) -> Curves:
    """Return the curves `weight * f(x) - cost * x` on spends up to `high`."""
    families: list[Family] = []
    for family, where in zip(curves.families, curves.positions, strict=True):
        w, c, most = weight[where], cost[where], high[where]
        if isinstance(family, Piecewise):
            families.append(_tilted_table(family, w, c, most))
        elif isinstance(family, Smooth):
            families.append(_tilted_spline(family, w, c, most))
        else:
            families.append(Tilted(family, w, c))
    return Curves(tuple(families), curves.positions, curves.size)


def _tilted_table(
    family: Piecewise, weight: FloatArray, cost: FloatArray, high: FloatArray
) -> Piecewise:
    """Return the table with knots at 0 and at `high`: beyond its ends it is no longer flat."""
    last = np.maximum(family.knots[:, -1], high)[:, None]
    knots = np.concatenate([np.zeros_like(last), family.knots, last], axis=1)
    flat = np.concatenate([family.values[:, :1], family.values, family.values[:, -1:]], axis=1)
    return Piecewise(knots, weight[:, None] * flat - cost[:, None] * knots)


def _tilted_spline(
    family: Smooth, weight: FloatArray, cost: FloatArray, high: FloatArray
) -> Smooth:
    last = family.knots[:, -1:]
    knots = np.concatenate([family.knots, last, np.maximum(last, high[:, None])], axis=1)
    flat = np.concatenate([family.values, family.values[:, -1:], family.values[:, -1:]], axis=1)
    slopes = np.concatenate([family.marginals, np.zeros((high.size, 2))], axis=1)
    w, c = weight[:, None], cost[:, None]
    return Smooth(knots, w * flat - c * knots, w * slopes - c)
