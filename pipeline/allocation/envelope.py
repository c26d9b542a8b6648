"""The least concave curve above each line's own, on its box: what the dual sees.

For a curve that is convex up to its inflection and concave after it, that is a chord from the
floor to the point where it touches, then the curve itself. For knots it is their upper hull.
"""

# ruff: noqa: D102  the base class says what every method returns

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Protocol, Self

import numpy as np

from pipeline.allocation.family import Family
from pipeline.allocation.tables import Piecewise, Smooth
from pipeline.core.types import FloatArray, IntArray

CHUNK = 16_384
"""Lines whose demand is found together: small enough for the processor's cache."""


class Part(Protocol):
    """The concave curves of one family. Arrays are (n,)."""

    @property
    def size(self) -> int:
        """Number of lines."""
        ...

    @property
    def iterates(self) -> bool:
        """Whether demand is found faster near where it last stood."""
        ...

    @property
    def is_exact(self) -> bool:
        """Whether the concave curves are known to be the lines' own."""
        ...

    @property
    def power(self) -> float | None:
        """Demand between bounds is straight in price to this power (0: in its log), or None."""
        ...

    def take(self, index: IntArray | slice) -> Self:
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
class Plain:
    """A family's tail from `low` to `high`: every curve is its own least concave one."""

    is_exact: ClassVar[bool] = True

    family: Family
    low: FloatArray
    high: FloatArray

    @property
    def size(self) -> int:
        return self.low.size

    @property
    def iterates(self) -> bool:
        return self.family.iterates

    @property
    def power(self) -> float | None:
        return self.family.power

    def take(self, index: IntArray | slice) -> Self:
        return type(self)(self.family.take(index), self.low[index], self.high[index])

    def demand(
        self, price: FloatArray, near: FloatArray | None = None
    ) -> tuple[FloatArray, FloatArray]:
        tail, response = self.family.reach(price, near)
        if near is not None:
            near[:] = tail
        spend = np.maximum(tail, self.low)
        np.minimum(spend, self.high, out=spend)
        response *= spend == tail  # a product, because choosing costs more than the demand itself
        return spend, response

    def value(self, spend: FloatArray) -> FloatArray:
        return self.family.value(spend)


@dataclass(frozen=True, slots=True)
class Chord:
    """A chord from `low` to `touch` with slope `steep`, then the family's tail up to `high`.

    A line without a chord touches at `low`, with an infinite slope.
    """

    is_exact: ClassVar[bool] = False
    power: ClassVar[float | None] = None

    family: Family
    low: FloatArray
    touch: FloatArray
    high: FloatArray
    steep: FloatArray
    start: FloatArray

    @property
    def size(self) -> int:
        return self.low.size

    @property
    def iterates(self) -> bool:
        return self.family.iterates

    def take(self, index: IntArray | slice) -> Self:
        return type(self)(
            self.family.take(index),
            self.low[index],
            self.touch[index],
            self.high[index],
            self.steep[index],
            self.start[index],
        )

    def demand(
        self, price: FloatArray, near: FloatArray | None = None
    ) -> tuple[FloatArray, FloatArray]:
        tail, response = self.family.reach(price, near)
        if near is not None:
            near[:] = tail
        spend = np.maximum(tail, self.touch)
        np.minimum(spend, self.high, out=spend)
        off = price >= self.steep
        free = (tail > self.touch) & (tail < self.high) & ~off
        return np.where(off, self.low, spend), np.where(free, response, 0.0)

    def value(self, spend: FloatArray) -> FloatArray:
        on_chord = spend < self.touch
        chord = self.start + np.where(on_chord, self.steep, 0.0) * (spend - self.low)
        return np.where(on_chord, chord, self.family.value(spend))


@dataclass(frozen=True, slots=True)
class Hull:
    """A concave chain of straight pieces; slopes fall from piece to piece."""

    iterates: ClassVar[bool] = False
    is_exact: ClassVar[bool] = False
    power: ClassVar[float | None] = None

    knots: FloatArray
    values: FloatArray
    slopes: FloatArray

    @property
    def size(self) -> int:
        return int(self.knots.shape[0])

    def take(self, index: IntArray | slice) -> Self:
        return type(self)(self.knots[index], self.values[index], self.slopes[index])

    def demand(
        self, price: FloatArray, near: FloatArray | None = None
    ) -> tuple[FloatArray, FloatArray]:
        piece = (self.slopes > price[:, None]).sum(axis=1)
        return self.knots[np.arange(piece.size), piece], np.zeros(piece.size)

    def value(self, spend: FloatArray) -> FloatArray:
        return Piecewise(self.knots, self.values).value(spend)


@dataclass(frozen=True, slots=True)
class Bent:
    """A concave curve with marginals that are straight between knots, cut to the box."""

    iterates: ClassVar[bool] = False
    is_exact: ClassVar[bool] = True
    power: ClassVar[float | None] = 1.0

    family: Smooth
    knots: FloatArray
    marginals: FloatArray

    @property
    def size(self) -> int:
        return int(self.knots.shape[0])

    def take(self, index: IntArray | slice) -> Self:
        return type(self)(self.family.take(index), self.knots[index], self.marginals[index])

    def demand(
        self, price: FloatArray, near: FloatArray | None = None
    ) -> tuple[FloatArray, FloatArray]:
        rows = np.arange(self.size)
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

    def demand(self, price: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return each line's best spend at its price or at one for all, and its response to it."""
        pieces = self.pieces()
        if len(pieces) == 1:
            return pieces[0][0].demand(price)
        spend, response = np.empty(self.low.size), np.empty(self.low.size)
        for part, where in pieces:
            own = price if price.size == 1 else price[where]
            spend[where], response[where] = part.demand(own)
        return spend, response

    @property
    def iterates(self) -> bool:
        """Whether demand is found faster near where it last stood."""
        return any(part.iterates for part in self.parts)

    @property
    def is_exact(self) -> bool:
        """Whether all concave curves are known to be the lines' own."""
        return all(part.is_exact for part in self.parts)

    @property
    def power(self) -> float | None:
        """Demand between bounds is straight in price to this power (0: in its log), or None."""
        first = self.parts[0].power if self.parts else None
        return first if all(part.power == first for part in self.parts) else None

    def pieces(self) -> list[tuple[Part, slice | IntArray]]:
        """Return all parts in pieces small enough for the cache, with where their lines stand."""
        found: list[tuple[Part, slice | IntArray]] = []
        for part, where in zip(self.parts, self.positions, strict=True):
            for start in range(0, part.size, CHUNK):
                cut = slice(start, start + CHUNK)
                small = part if part.size <= CHUNK else part.take(cut)
                found.append((small, cut if len(self.parts) == 1 else where[cut]))
        return found

    def every(self, step: int) -> Envelope:
        """Return the envelope of one in so many lines of every part, part by part."""
        parts, positions, chosen = [], [], []
        for part, where in zip(self.parts, self.positions, strict=True):
            index = np.arange(0, part.size, step)
            parts.append(part.take(index))
            chosen.append(where[index])
        lines, before = np.concatenate(chosen), 0
        for part in parts:
            positions.append(np.arange(before, before + part.size))
            before += part.size
        return Envelope(tuple(parts), tuple(positions), self.low[lines], self.high[lines])

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
        low, high = self.low[index], self.high[index]
        if len(self.parts) == 1:
            return Envelope((self.parts[0].take(index),), (np.arange(index.size),), low, high)
        parts, positions = [], []
        for part, where in zip(self.parts, self.positions, strict=True):
            chosen, local = _chosen(self.low.size, where, index)
            if chosen.size:
                parts.append(part.take(local))
                positions.append(chosen)
        return Envelope(tuple(parts), tuple(positions), low, high)

    @property
    def is_chorded(self) -> bool:
        """Whether some line may have a chord, at whose slope its demand jumps."""
        return any(isinstance(part, Chord) for part in self.parts)

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
