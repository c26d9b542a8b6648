"""The least concave curve above each line's own, on its box: what the dual sees.

For a curve that is convex up to its inflection and concave after it, that is a chord from the
floor to the point where it touches, then the curve itself. For knots it is their upper hull.
"""

# ruff: noqa: D102  the base class says what every method returns

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np

from pipeline.allocation.families import Family
from pipeline.allocation.tables import Piecewise, Smooth
from pipeline.core.types import FloatArray, IntArray

CHUNK = 8_192
"""Lines whose demand is found together: small enough for the processor's cache."""


class Part(Protocol):
    """The concave curves of one family. Arrays are (n,)."""

    def take(self, index: IntArray) -> Self:
        """Return the part of the chosen lines."""
        ...

    def demand(
        self, price: FloatArray, near: FloatArray | None = None
    ) -> tuple[FloatArray, FloatArray]:
        """Return the spend that earns most net of `price` per unit, and d spend / d log price.

        `near` holds where the last demand at a price nearby stood, and is overwritten with where
        this one does; it only saves time.
        """
        ...

    def value(self, spend: FloatArray) -> FloatArray:
        """Return the concave value of a spend in the box."""
        ...


@dataclass(frozen=True, slots=True)
class Chord:
    """A chord from `low` to `touch` with slope `steep`, then the family's tail up to `high`.

    Where no line has a chord, `is_chorded` is False and `steep` infinite.
    """

    family: Family
    low: FloatArray
    touch: FloatArray
    high: FloatArray
    steep: FloatArray
    start: FloatArray
    is_chorded: bool

    def take(self, index: IntArray | slice) -> Self:
        return type(self)(
            self.family.take(index),
            self.low[index],
            self.touch[index],
            self.high[index],
            self.steep[index],
            self.start[index],
            self.is_chorded,
        )

    def demand(
        self, price: FloatArray, near: FloatArray | None = None
    ) -> tuple[FloatArray, FloatArray]:
        size = self.low.size
        if size <= CHUNK:
            return self._demand(price, near)
        spend, response = np.empty(size), np.empty(size)
        for start in range(0, size, CHUNK):
            part = slice(start, start + CHUNK)
            own = price if price.size == 1 else price[part]
            close = None if near is None else near[part]
            spend[part], response[part] = self.take(part)._demand(own, close)
        return spend, response

    def total(self, price: float, near: FloatArray) -> tuple[float, float]:
        total, slope, own = 0.0, 0.0, np.array([price])
        for start in range(0, self.low.size, CHUNK):
            part = slice(start, start + CHUNK)
            spend, response = self.take(part)._demand(own, near[part])
            total += float(spend.sum())
            slope += float(response.sum())
        return total, slope

    def _demand(self, price: FloatArray, near: FloatArray | None) -> tuple[FloatArray, FloatArray]:
        tail, response = self.family.reach(price, near)
        if near is not None:
            near[:] = tail
        spend = np.minimum(np.maximum(tail, self.touch), self.high)
        response = np.where((tail > self.touch) & (tail < self.high), response, 0.0)
        if not self.is_chorded:
            return spend, response
        off = price >= self.steep
        return np.where(off, self.low, spend), np.where(off, 0.0, response)

    def value(self, spend: FloatArray) -> FloatArray:
        if not self.is_chorded:
            return self.family.value(spend)
        on_chord = spend < self.touch
        chord = self.start + np.where(on_chord, self.steep, 0.0) * (spend - self.low)
        return np.where(on_chord, chord, self.family.value(spend))


@dataclass(frozen=True, slots=True)
class Hull:
    """A concave chain of straight pieces; slopes fall from piece to piece."""

    knots: FloatArray
    values: FloatArray
    slopes: FloatArray

    def take(self, index: IntArray) -> Self:
        return type(self)(self.knots[index], self.values[index], self.slopes[index])

    def demand(
        self, price: FloatArray, near: FloatArray | None = None
    ) -> tuple[FloatArray, FloatArray]:
        piece = (self.slopes > price[:, None]).sum(axis=1)
        return self.knots[np.arange(price.size), piece], np.zeros_like(price)

    def value(self, spend: FloatArray) -> FloatArray:
        return Piecewise(self.knots, self.values).value(spend)


@dataclass(frozen=True, slots=True)
class Bent:
    """A concave curve with marginals that are straight between knots, cut to the box."""

    family: Smooth
    knots: FloatArray
    marginals: FloatArray

    def take(self, index: IntArray) -> Self:
        return type(self)(self.family.take(index), self.knots[index], self.marginals[index])

    def demand(
        self, price: FloatArray, near: FloatArray | None = None
    ) -> tuple[FloatArray, FloatArray]:
        rows = np.arange(price.size)
        right = (self.marginals > price[:, None]).sum(axis=1)
        inside = (right > 0) & (right < self.knots.shape[1])
        right = np.clip(right, 1, self.knots.shape[1] - 1)
        left = right - 1
        fall = self.marginals[rows, left] - self.marginals[rows, right]
        width = self.knots[rows, right] - self.knots[rows, left]
        share = (self.marginals[rows, left] - price) / np.where(fall > 0, fall, 1.0)
        share = np.clip(np.where(fall > 0, share, 0.0), 0.0, 1.0)
        spend = self.knots[rows, left] + share * width
        first, last = self.knots[:, 0], self.knots[:, -1]
        spend = np.where(inside, spend, np.where(price >= self.marginals[:, 0], first, last))
        response = -price * width / np.where(fall > 0, fall, np.inf)
        return spend, np.where(inside & (spend > first) & (spend < last), response, 0.0)

    def value(self, spend: FloatArray) -> FloatArray:
        return self.family.value(spend)


@dataclass(frozen=True, slots=True)
class Envelope:
    """The concave curves of all lines, family by family.

    Attributes:
        positions: for each part, which lines it holds.
        low, high: (n,), the box.
    """

    parts: tuple[Part, ...]
    positions: tuple[IntArray, ...]
    low: FloatArray
    high: FloatArray

    def demand(
        self, price: FloatArray, near: FloatArray | None = None
    ) -> tuple[FloatArray, FloatArray]:
        """Return each line's best spend at its price, or at one for all, and d spend / d log price.

        `near` holds where the last demand at a price nearby stood, and is overwritten with where
        this one does; it only saves time.
        """
        if len(self.parts) == 1 and isinstance(self.parts[0], Chord):
            return self.parts[0].demand(price, near)
        price = np.broadcast_to(price, self.low.shape)
        spend, response = np.empty(self.low.size), np.empty(self.low.size)
        for part, where in zip(self.parts, self.positions, strict=True):
            close = None if near is None else near[where]
            spend[where], response[where] = part.demand(price[where], close)
            if near is not None and close is not None:
                near[where] = close
        return spend, response

    def total(self, price: float, near: FloatArray) -> tuple[float, float]:
        """Return the sums of what `demand` returns at one price for all lines."""
        if len(self.parts) == 1 and isinstance(self.parts[0], Chord):
            return self.parts[0].total(price, near)
        spend, response = self.demand(np.full(self.low.size, price), near)
        return float(spend.sum()), float(response.sum())

    def value(self, spend: FloatArray) -> FloatArray:
        """Return each line's concave value."""
        if len(self.parts) == 1:
            return self.parts[0].value(spend)
        out = np.empty_like(spend)
        for part, where in zip(self.parts, self.positions, strict=True):
            out[where] = part.value(spend[where])
        return out

    def take(self, index: IntArray) -> Envelope:
        """Return the envelope of the chosen lines, in the order given."""
        parts, positions = [], []
        for part, where in zip(self.parts, self.positions, strict=True):
            chosen, local = _chosen(self.low.size, where, index)
            if chosen.size:
                parts.append(part.take(local))
                positions.append(chosen)
        return Envelope(tuple(parts), tuple(positions), self.low[index], self.high[index])

    def chords(self) -> tuple[FloatArray, FloatArray]:
        """Return where each line's chord touches (its floor where it has none) and its slope."""
        touch, steep = self.low.copy(), np.full(self.low.size, np.inf)
        for part, where in zip(self.parts, self.positions, strict=True):
            if isinstance(part, Chord):
                touch[where], steep[where] = part.touch, part.steep
        return touch, steep


def _chosen(size: int, where: IntArray, index: IntArray) -> tuple[IntArray, IntArray]:
    local = np.full(size, -1, dtype=np.int64)
    local[where] = np.arange(where.size)
    picked = local[index]
    chosen = np.flatnonzero(picked >= 0)
    return chosen, picked[chosen]
