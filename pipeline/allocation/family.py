"""What every family of curves can do: outcome, marginal return, and the spend that a price buys.

Every family is a struct of arrays, one entry per line, so that a million lines are a handful of
array operations. All of them are concave, convex, or convex up to one inflection and concave
after it; the part after the inflection is called the tail.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import ClassVar, Self

import numpy as np

from pipeline.core.types import FloatArray, IntArray


@dataclass(frozen=True, slots=True)
class Family:
    """What every family can do. Arrays are (n,), spends >= 0."""

    is_concave: ClassVar[bool] = False
    """Whether every curve of the family is concave, whatever its parameters."""
    power: ClassVar[float | None] = None
    """Spend on the tail is straight in price to this power, in its log where 0; None where not."""
    iterates: ClassVar[bool] = False
    """Whether a spend nearby saves time where a price's spend is looked for."""

    def take(self, index: IntArray | slice) -> Self:
        """Return the family of the chosen lines."""
        return type(self)(*[getattr(self, name)[index] for name in parameters(type(self))])

    def simplest(self) -> Family:
        """Return the same curves in the form that is found fastest."""
        return self

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
        return int(getattr(self, parameters(type(self))[0]).shape[0])

    def reach(
        self, price: FloatArray, near: FloatArray | None = None
    ) -> tuple[FloatArray, FloatArray]:
        """Return what `tail` does; infinite spends where a price is not above 0."""
        lowest = price.item() if price.size == 1 else price.min()
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

        A price above the tail's steepest marginal gives the inflection or less; prices are > 0.
        Responses are finite and count only where the spend is inside its bounds.

        Args:
            near: spends that may be close, such as those of a price nearby; only saves time.
        """
        raise TypeError(f"{type(self).__name__} has no tail")


_NAMES: dict[type[Family], tuple[str, ...]] = {}


def parameters(family: type[Family]) -> tuple[str, ...]:
    """Return the names of a family's arrays; looked up once, for there may be very many takes."""
    if family not in _NAMES:
        _NAMES[family] = tuple(field.name for field in fields(family))
    return _NAMES[family]
