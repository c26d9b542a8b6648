"""What a joint fit leaves of its series: whether surprises last, and whether the end departs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.core.findings import Finding
from pipeline.core.types import BoolArray, FloatArray, Line
from pipeline.response.health_words import recent_finding, surprise_finding
from pipeline.response.joint.design import Design
from pipeline.response.joint.gibbs import NOISE_DOF
from pipeline.response.joint.moments import series_moments, whitened

BLOCK_DAYS, LEAST_BLOCKS = 14, 6
NEWEST = f"the last {BLOCK_DAYS} days that are fully known"
FAR = 4.0
"""Deviations of earlier fortnights' means that make the last one a departure."""
MOST = 4.0  # deviations that one period counts: an odd day is no departure


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One series as the fit saw it.

    Attributes:
        name: of the series.
        outcome: (n_periods,), in units of its mean.
        known: (n_periods,), periods that taught.
        odd: (n_periods,), variance relative to usual.
        usual: variance of a usual period's noise.
        design: what spend does not cause.
    """

    name: Line
    outcome: FloatArray
    known: BoolArray
    odd: FloatArray
    usual: float
    design: Design


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """What is left of one series.

    Attributes:
        products, squares: sums of innovations times those of the period before, and of squares.
        innovation: (n_periods,), surprises over their deviation, clipped; 0 where nothing is known.
            The last period is the history's.
        away: deviations that the last fortnight lies off the fit, by how earlier ones scattered; 0
            where there are too few.
    """

    products: float
    squares: float
    innovation: FloatArray
    away: float


def left_of(seen: Seen, caused: FloatArray, period_days: int) -> Left:
    """Return what the posterior mean leaves of a series.

    Args:
        caused: (n_periods,), by spend, as `seen.outcome`.
    """
    beside, columns = seen.outcome - caused, seen.design.columns
    sd = seen.design.sd / np.sqrt(seen.usual)
    nothing = np.empty((beside.size, 0))
    moments = series_moments(beside, seen.known, seen.odd, columns, sd, nothing)
    scale = NOISE_DOF * seen.usual + moments.square
    best = int(np.argmin((NOISE_DOF + moments.count) * np.log(scale) + moments.logdet))
    table = np.column_stack([beside, columns])
    white = whitened(table, seen.known, seen.odd)[0][best]
    fixed = white[:, 1:]
    precision = fixed.T @ fixed + np.diag(1 / np.square(sd))
    gamma = np.linalg.solve(precision, fixed.T @ white[:, 0])
    spread = np.sqrt(scale[best] / (NOISE_DOF + moments.count))
    innovation = np.clip((white[:, 0] - fixed @ gamma) / spread, -3.0, 3.0)
    rest = np.clip((beside - columns @ gamma) / np.sqrt(seen.usual), -MOST, MOST)
    return Left(
        products=float((innovation[1:] * innovation[:-1]).sum()),
        squares=float(np.square(innovation[1:]).sum()),
        innovation=_spread(innovation, seen.known),
        away=_away(rest[seen.known], max(BLOCK_DAYS // period_days, 1)),
    )


def _away(rest: FloatArray, size: int) -> float:
    count = rest.size // size
    if count < LEAST_BLOCKS:
        return 0.0
    *before, last = rest[rest.size - count * size :].reshape(count, size).mean(axis=1)
    return float((last - np.mean(before)) / max(float(np.std(before, ddof=1)), 1e-9))


def _spread(values: FloatArray, known: BoolArray) -> FloatArray:
    out = np.zeros(known.size)
    out[known] = values
    return out


def alike_share(left: Sequence[Left], weight: FloatArray) -> float:
    """Return how much of their surprises series have in common: their mean correlation, 0-1.

    Args:
        weight: (n_series,), how large each one's surprises are in their total.
    """
    longest = max(item.innovation.size for item in left)
    padded = [np.pad(item.innovation, (longest - item.innovation.size, 0)) for item in left]
    each = np.column_stack(padded) * weight
    size = (each != 0) * weight

    def pairs(table: FloatArray) -> float:
        return float((np.square(table.sum(axis=1)) - np.square(table).sum(axis=1)).sum())

    return float(np.clip(pairs(each) / max(pairs(size), 1e-300), 0.0, 1.0))


def residual_findings(
    names: Sequence[Line], left: Sequence[Left], period_days: int
) -> tuple[Finding, Finding]:
    """Return what the signer is told of what a joint fit leaves over."""
    off = [name for name, item in zip(names, left, strict=True) if abs(item.away) > FAR]
    return (
        surprise_finding(
            sum(item.products for item in left),
            sum(item.squares for item in left),
            "day" if period_days == 1 else "week",
        ),
        recent_finding(
            off,
            f"{NEWEST} differ from the fit",
            f"{NEWEST} are as the fit expects",
            "look for a change of price, stock or tracking there, and name it as a control",
        ),
    )
