"""Whether the fit can be believed: what is measured of it, line by line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pipeline.core.findings import Finding
from pipeline.core.types import BoolArray, FloatArray, IntArray, Line, SingleArray
from pipeline.response.blocks import lost_findings
from pipeline.response.breaks import Jump
from pipeline.response.health_words import (
    RECENT_DAYS,
    days_finding,
    far_finding,
    fault_finding,
    identified_finding,
    jump_findings,
    late_finding,
    surprise_finding,
    uncounted_findings,
)
from pipeline.response.plausible import far_from_days
from pipeline.response.population import POOLED_LINES, Population
from pipeline.response.taught import Told, told_whole


def doubt(weights: SingleArray, population: Population) -> FloatArray:
    """Return posterior over prior deviation of each line's log elasticity, (n_lines,).

    The prior is the line's own: what was known of it without its days, all other lines included.

    Args:
        weights: (n_lines, n_retentions, n_shapes, n_shares), summing to 1 a line.
        population: what the lines have in common.
    """
    logs = np.log(population.grid.elasticity)
    out = np.empty(len(weights))
    for first in range(0, out.size, POOLED_LINES):
        lines = slice(first, first + POOLED_LINES)
        before = _deviation(population.before(lines), logs)
        out[lines] = _deviation(weights[lines].sum(axis=1), logs) / np.maximum(before, 1e-9)
    return out


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """What findings rest on, line by line, so that fits of different lines can be told as one.

    Attributes:
        n_days: of history.
        doubt: (n_lines,), posterior over prior deviation of each line's log elasticity.
        money: (n_lines,), spent in the last four weeks.
        surprise: sums over cells of residuals times those of the day before, and of their squares.
        away: (n_lines,), how far the last days are from the curves; 0 where there are too few.
        silent, slipped: (n_lines,), cells left out as faults.
        completeness: share of a day's outcomes known 1, 2, ... days later.
        snapshots: how many nights taught it.
        count: what was counted.
        uncounted: (n_lines,), money without counts.
        lost: (n_lines,), nothing could be learned.
        leads, special: what else is said of the fit.
        told: what lift tests say beside the days.
        jumps: of lines' levels.
    """

    n_days: int
    doubt: FloatArray
    money: FloatArray
    surprise: tuple[float, float]
    away: FloatArray
    silent: IntArray
    slipped: IntArray
    completeness: FloatArray
    snapshots: int
    count: str
    uncounted: BoolArray
    lost: BoolArray
    leads: tuple[Finding, ...] = ()
    special: tuple[Finding, ...] = ()
    told: tuple[Told, ...] = ()
    jumps: tuple[Jump, ...] = ()

    def findings(
        self, lines: tuple[Line, ...], experiments: tuple[Finding, ...]
    ) -> tuple[Finding, ...]:
        """Return what the signer is told.

        Args:
            lines: (n_lines,)
            experiments: what is said of lift tests.
        """
        return (
            days_finding(self.n_days),
            identified_finding(lines, self.doubt, self.money),
            surprise_finding(*self.surprise),
            far_finding(lines, self.away),
            *jump_findings(self.jumps),
            fault_finding(lines, self.silent, self.slipped),
            late_finding(self.completeness, self.snapshots),
            *uncounted_findings(lines, self.uncounted, self.count),
            *self.leads,
            *experiments,
            *far_from_days(self.told),
            *lost_findings(lines, self.lost),
            *self.special,
        )


def told_as_one(parts: Sequence[Health], places: Sequence[IntArray]) -> Health:
    """Return the health of fits of different lines; what holds for all lines is the first's.

    Args:
        places: of each part's lines among all.
    """
    order = np.argsort(np.concatenate(places))

    def lines(name: str) -> Any:
        return np.concatenate([getattr(part, name) for part in parts])[order]

    return replace(
        parts[0],
        surprise=(
            sum(part.surprise[0] for part in parts),
            sum(part.surprise[1] for part in parts),
        ),
        told=told_whole([part.told for part in parts]),
        jumps=tuple(jump for part in parts for jump in part.jumps),
        **{
            name: lines(name)
            for name in ("doubt", "money", "away", "silent", "slipped", "uncounted", "lost")
        },
    )


def surprises(standard: SingleArray, usable: BoolArray) -> tuple[float, float]:
    """Return sums of residuals times those of the day before, and of their squares.

    Args:
        standard: (n_days, n_lines), residuals over their expected deviation.
        usable: (n_days, n_lines), cells that taught.
    """
    both = usable[1:] & usable[:-1]
    clipped = np.clip(standard, -3.0, 3.0)
    products = np.where(both, clipped[1:] * clipped[:-1], 0.0).sum(dtype=np.float64)
    return float(products), float(np.where(both, clipped[1:] ** 2, 0.0).sum(dtype=np.float64))


def far_lately(standard: SingleArray, usable: BoolArray) -> FloatArray:
    """Return how many deviations the last fortnight is away from the curves, (n_lines,)."""
    last = usable[-RECENT_DAYS:]
    count = last.sum(axis=0)
    clipped = np.where(last, np.clip(standard[-RECENT_DAYS:], -4.0, 4.0), 0.0)
    score = clipped.sum(axis=0) / np.sqrt(np.maximum(count, 1))
    return np.asarray(np.where(count >= 5, score, 0.0))


def _deviation(weights: SingleArray | FloatArray, values: FloatArray) -> FloatArray:
    mean = (weights * values).sum(axis=(1, 2))
    return np.asarray(np.sqrt(np.maximum((weights * values**2).sum(axis=(1, 2)) - mean**2, 0.0)))
