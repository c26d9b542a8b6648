"""The curves of all lines, grouped by family."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from pipeline.allocation.envelope import Envelope
from pipeline.allocation.family import Family
from pipeline.allocation.hulls import envelope_part
from pipeline.allocation.tables import Piecewise, Smooth, knot_slopes, refined, smooth_rows
from pipeline.core.types import BoolArray, FloatArray, IntArray

_REFINEMENT = 4  # straight pieces per half interval where a smooth curve is not concave


@dataclass(frozen=True, slots=True)
class Curves:
    """Curves of n lines.

    Attributes:
        families: one per kind of curve.
        positions: for each family, which lines it holds; together every line once.
        size: n.
    """

    families: tuple[Family, ...]
    positions: tuple[IntArray, ...]
    size: int

    @classmethod
    def of(cls, family: Family, size: int) -> Self:
        """Return the curves of lines that are all of one family."""
        return cls((family.simplest(),), (np.arange(size),), size)

    @classmethod
    def from_knots(cls, knots: FloatArray, values: FloatArray, *, smooth: bool) -> Self:
        """Return curves through values at knots, one row per line.

        Args:
            knots: (n, n_knots), strictly ascending, first 0.
            values: (n, n_knots).
            smooth: where the data are concave, with marginals that are straight between knots
                instead of jumping at them. Other lines get straight pieces on a finer grid of
                the same spline, so that their certificate is about exactly this curve.
        """
        size = knots.shape[0]
        if not smooth:
            return cls.of(Piecewise(knots, values), size)
        x, y, m = smooth_rows(knots, values, knot_slopes(knots, values))
        scale = np.abs(m).max(axis=1, keepdims=True) * 1e-12
        concave = (np.diff(m, axis=1) <= scale).all(axis=1)
        bent, rough = np.flatnonzero(concave), np.flatnonzero(~concave)
        falling = np.minimum.accumulate(m[bent], axis=1)
        families: list[Family] = []
        positions: list[IntArray] = []
        if bent.size:
            families.append(Smooth(x[bent], y[bent], falling))
            positions.append(bent)
        if rough.size:
            families.append(refined(x[rough], y[rough], m[rough], _REFINEMENT))
            positions.append(rough)
        return cls(tuple(families), tuple(positions), size)

    def value(self, spend: FloatArray) -> FloatArray:
        """Return each line's outcome, (n,)."""
        return self._each("value", spend)

    def marginal(self, spend: FloatArray) -> FloatArray:
        """Return what one more unit of money earns on each line, (n,)."""
        return self._each("marginal", spend)

    def inflection(self) -> FloatArray:
        """Return where each curve turns concave; 0 for tables, which are handled by knots."""
        out = np.zeros(self.size)
        for family, where in zip(self.families, self.positions, strict=True):
            if not isinstance(family, Piecewise | Smooth):
                out[where] = family.inflection()
        return out

    def bent(self, low: FloatArray) -> BoolArray:
        """Return which curves may not be concave from `low` on, (n,)."""
        out = np.zeros(self.size, dtype=bool)
        for family, where in zip(self.families, self.positions, strict=True):
            if isinstance(family, Piecewise):
                out[where] = True
            elif not (family.is_concave or isinstance(family, Smooth)):
                out[where] = family.inflection() > low[where]
        return out

    def envelope(
        self, low: FloatArray, high: FloatArray, gate: FloatArray | None = None
    ) -> Envelope:
        """Return the least concave curves above these on the box."""
        if len(self.families) == 1:  # no copies: there may be very many lines
            part = envelope_part(self.families[0], low, high, gate)
            return Envelope((part,), self.positions, low, high)
        parts = tuple(
            envelope_part(family, low[where], high[where], None if gate is None else gate[where])
            for family, where in zip(self.families, self.positions, strict=True)
        )
        return Envelope(parts, self.positions, low, high)

    def take(self, index: IntArray) -> Curves:
        """Return the curves of the chosen lines, in the order given."""
        families, positions = [], []
        for family, where in zip(self.families, self.positions, strict=True):
            local = np.full(self.size, -1, dtype=np.int64)
            local[where] = np.arange(where.size)
            picked = local[index]
            chosen = np.flatnonzero(picked >= 0)
            if chosen.size:
                families.append(family.take(picked[chosen]))
                positions.append(chosen)
        return Curves(tuple(families), tuple(positions), index.size)

    def _each(self, what: str, spend: FloatArray) -> FloatArray:
        if len(self.families) == 1:
            return np.asarray(getattr(self.families[0], what)(spend))
        out = np.empty_like(spend)
        for family, where in zip(self.families, self.positions, strict=True):
            out[where] = getattr(family, what)(spend[where])
        return out


def join(size: int, members: Sequence[tuple[Family, IntArray]]) -> Curves:
    """Return the curves of lines whose families are listed with their positions."""
    families = tuple(family.simplest() for family, _ in members)
    return Curves(families, tuple(where for _, where in members), size)
