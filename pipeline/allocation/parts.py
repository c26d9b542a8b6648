"""Parts of a problem whose limits do not nest: which line is cut, and where, or what is sharper.

A mix may count more on a line than its mixed spend is worth, because the line stands where its
envelope lies above its curve. The line that is flattered most is the one to cut the box at.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.allocation.blocks import Sides
from pipeline.allocation.box import Box
from pipeline.allocation.columns import rail_terms
from pipeline.allocation.problem import Problem
from pipeline.allocation.relax import Master, Relaxed
from pipeline.core.types import FloatArray

_FLAT = 1e-12  # of the bound: an envelope this close to its curve is the curve


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a problem: its box, the curves as they are read there, and a mix near it."""

    master: Master
    box: Box
    near: Relaxed

    def cut(self, line: int, *bounds: tuple[float, float]) -> list[Part]:
        """Return the parts in which a line has other bounds."""
        return [Part(self.master, self.box.cut(line, *own), self.near) for own in bounds]

    def halves(self, sides: Sides) -> list[Part]:
        """Return the box cut in two at the line that the mix flatters most; none if it is true.

        Args:
            sides: where each line's curve is on, the first place to cut at.
        """
        box, near = self.box, self.near
        flattered = self._flattered()
        hole = (box.gate > 0) & (near.spend > box.low) & (near.spend < box.gate)
        least = _FLAT * abs(near.bound)
        flattered[hole] = np.maximum(flattered[hole], 2 * least + np.finfo(float).tiny)
        line = int(np.argmax(flattered))
        if flattered[line] <= least:
            return []
        low, high = float(box.low[line]), float(box.high[line])
        if hole[line]:
            gate = float(box.gate[line])
            return self.cut(line, (low, low), (gate, high))
        at = float(sides.on_low[line])
        if not low < at < high:
            at = float(
                np.clip(near.spend[line], low + 0.05 * (high - low), high - 0.05 * (high - low))
            )
        return self.cut(line, (low, at), (at, high)) if low < at < high else []

    def sharper(self, problem: Problem, close_enough: float) -> list[Part]:
        """Return the part with finer tables, cut in two where its box is too wide for them.

        Args:
            problem: with its own curves, not tables of them.
            close_enough: a bound that needs no more work.
        """
        tabled, price = self.master.tabled, self.near.latest.rail_price
        if self.near.bound <= close_enough or not tabled.is_needed:
            return []
        closer, before = Master.of(problem, self.box), tabled.left_out(price, 1.0)
        after = closer.tabled.left_out(price, 1.0)
        if after.sum() < 0.5 * before.sum():
            return [Part(closer, self.box, self.near)]
        line = int(np.argmax(after))
        low, high = float(self.box.low[line]), float(self.box.high[line])
        middle = (low + high) / 2
        if not (low < middle < high and after[line] > _FLAT * abs(self.near.bound)):
            return []
        halves = [self.box.cut(line, *ends) for ends in ((low, middle), (middle, high))]
        return [Part(Master.of(problem, half), half, self.near) for half in halves]

    def _flattered(self) -> FloatArray:
        """Return per line by how much the mix counts more than the mixed spend is worth.

        Guardrails count at their prices; one that is broken, at what the bound is worth at least.
        """
        problem, near, thresholds = self.master.problem, self.near, self.master.rows.thresholds
        latest = near.latest
        terms = rail_terms(problem, near.spend)
        short = thresholds - terms.sum(axis=0)
        scale = np.abs(latest.mixed_rails).sum(axis=0) + np.abs(thresholds)
        broken = (short > 1e-9 * scale) & (scale > 0)
        price = latest.rail_price + np.where(
            broken, abs(near.bound) / np.where(broken, scale, 1.0), 0.0
        )
        rails = latest.mixed_rails - terms
        return latest.mixed_value - problem.curves.value(near.spend) + rails @ price
