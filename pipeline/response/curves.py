"""The shapes that a response can take, as a finite library.

Every shape is a function of spend in units of the line's reference spend, scaled to 1 there, so
that one library serves every line and the coefficient in front of it is the incremental outcome
at the reference spend. Averaging over the library is what protects a plan from any one shape.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from pipeline.core.types import FloatArray, SingleArray

Real = TypeVar("Real", FloatArray, SingleArray)

RETENTIONS = (0.0, 0.25, 0.45, 0.65, 0.82)
"""Share of the carried effect that is kept from one day to the next."""

CELL_BEND = 1.43  # a little less than half of the way, in logs, to the next half-saturation
CELL_POWER = 1.18
CELL_SLOPES = (1.4, 4.0)  # how steep S-shapes are, from hardly to almost a step


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """One member of the library: a family and its half-saturation in reference spends."""

    family: str
    half_saturation: float
    slope: float = 1.0
    prior: float = 1.0

    def value(self, relative_spend: Real) -> Real:
        """Return the response relative to the one at the reference spend; 0 at 0."""
        return np.asarray(self.raw(relative_spend) / self.raw(np.ones((), relative_spend.dtype)))

    def elasticity(self) -> float:
        """Return the relative change of the response per relative change of spend, at 1."""
        step = 1e-4
        above, below = self.value(np.array(1 + step)), self.value(np.array(1 - step))
        return float((above - below) / (2 * step))

    def cell(self) -> tuple[Shape, Shape, Shape]:
        """Return the curves that this member stands for: itself, and one on either side of it.

        A library is finite, and a line with much data ends at one member; how far the truth may
        still be from it is the member's cell. The second earns less at small spends than the
        member does, the third more: it saturates later or earlier, or is more or less of a step.
        """
        if self.family == "power":
            steeper, flatter = self.slope * CELL_POWER, self.slope / CELL_POWER
            return self, replace(self, slope=steeper), replace(self, slope=flatter)
        if self.slope != 1.0:
            flatter, steeper = CELL_SLOPES
            return self, replace(self, slope=steeper), replace(self, slope=flatter)
        late, early = self.half_saturation * CELL_BEND, self.half_saturation / CELL_BEND
        return self, replace(self, half_saturation=late), replace(self, half_saturation=early)

    def raw(self, u: Real) -> Real:
        """Return the response before it is scaled to 1 at the reference spend."""
        return self.of_power(u if self.slope == 1.0 else np.power(u, self.slope))

    def of_power(self, powered: Real) -> Real:
        """Return `raw` from spend to the power of the slope, which members may have in common."""
        if self.family == "hill":
            return np.asarray(powered / (powered + self.half_saturation**self.slope))
        if self.family == "weibull":
            return np.asarray(1 - np.exp(-self._rate() * powered))
        return np.array(powered)  # power: elasticity is the same everywhere

    def _rate(self) -> float:
        """Return what makes a Weibull curve, 1 less exp(-rate * powered), one half where it is."""
        return float(math.log(2) / self.half_saturation**self.slope)

    def write_away(self, powered: SingleArray, above: SingleArray, out: SingleArray) -> None:
        """Write `value` less 1 into `out`, from spend to the power of the slope, and that less 1.

        The difference in closed form, which keeps digits that subtracting 1 would lose.
        """
        if self.family == "hill":
            half = self.half_saturation**self.slope
            np.add(powered, half, out=out)
            np.divide(above, out, out=out)
            out *= half
        elif self.family == "weibull":
            rate = self._rate()
            np.exp(np.multiply(powered, -rate, out=out), out=out)
            np.subtract(math.exp(-rate), out, out=out)
            out /= 1 - math.exp(-rate)
        else:
            out[:] = above


# Elasticities at the reference spend from 0.1 to 0.95. Of all curves a third are S-shapes, tried at
# more places than concave ones: a steep part in the wrong place is a worse guide than none. Hill's
# end slowly, Weibull's soon, as where an audience is used up. A Weibull of slope 1 is the
# exponential.
SHAPES: tuple[Shape, ...] = (
    Shape(family="hill", half_saturation=0.12, prior=0.8),
    Shape(family="hill", half_saturation=0.4, prior=1.2),
    Shape(family="hill", half_saturation=1.0, prior=1.5),
    Shape(family="hill", half_saturation=2.5, prior=1.2),
    Shape(family="hill", half_saturation=9.0, prior=0.8),
    Shape(family="weibull", half_saturation=0.35, prior=0.6),
    Shape(family="weibull", half_saturation=0.8, prior=0.6),
    Shape(family="power", half_saturation=1.0, slope=0.35, prior=0.5),
    Shape(family="power", half_saturation=1.0, slope=0.65, prior=0.5),
    Shape(family="hill", half_saturation=0.35, slope=2.2, prior=0.42),
    Shape(family="hill", half_saturation=0.6, slope=2.2, prior=0.42),
    Shape(family="hill", half_saturation=1.0, slope=2.2, prior=0.42),
    Shape(family="hill", half_saturation=1.6, slope=2.2, prior=0.42),
    Shape(family="hill", half_saturation=2.5, slope=2.2, prior=0.42),
    Shape(family="weibull", half_saturation=0.45, slope=2.2, prior=0.3),
    Shape(family="weibull", half_saturation=0.7, slope=2.2, prior=0.3),
    Shape(family="weibull", half_saturation=1.0, slope=2.2, prior=0.3),
    Shape(family="weibull", half_saturation=1.4, slope=2.2, prior=0.3),
    Shape(family="weibull", half_saturation=2.0, slope=2.2, prior=0.3),
)

MEMBERS = len(SHAPES[0].cell())
"""Curves that a member of the library stands for."""


def carried_spend(spend: FloatArray, retention: float | FloatArray) -> FloatArray:
    """Return the adstock, scaled so that steady spend carries itself.

    `a_t = retention * a_{t-1} + (1 - retention) * spend_t`, started at the mean of the first
    fortnight, as if spend had always been like that.

    Args:
        spend: (n_days, n_lines), >= 0.
        retention: 0 to below 1, share kept per day; one for all, (n_lines,), or
            (n_retentions, 1).

    Returns:
        (n_days, n_lines), or (n_days, n_retentions, n_lines).

    Source: Koyck (1954), "Distributed Lags and Investment Analysis".
    """
    fresh = 1 - np.asarray(retention)
    days = spend[:, None] if fresh.ndim == 2 else spend
    out = np.asarray(fresh * days)
    state = spend[:14].mean(axis=0)
    for day in range(len(out)):
        out[day] += retention * state
        state = out[day]
    return out


def write_features(
    spend: FloatArray,
    reference: FloatArray,
    out: SingleArray,
    retentions: Sequence[float] | FloatArray = RETENTIONS,
    shapes: Sequence[Shape] = SHAPES,
) -> None:
    """Write how far every response of every line is from the one at the reference spend.

    Args:
        spend: (n_days, n_lines), >= 0.
        reference: (n_lines,), > 0: the spend at which every response is 1.
        out: (n_days, n_retentions * n_shapes, n_lines), gets the responses less 1.
    """
    table = out.reshape(spend.shape[0], len(retentions), len(shapes), -1, copy=False)
    carried = carried_spend(spend, np.asarray(retentions)[:, None])
    carried /= reference
    relative = carried.astype(np.float32)
    for slope in sorted({shape.slope for shape in shapes}):
        powered = relative if slope == 1.0 else np.power(relative, np.float32(slope))
        above = powered - 1
        for j, shape in enumerate(shapes):
            if shape.slope == slope:
                shape.write_away(powered, above, table[:, :, j])
