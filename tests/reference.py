"""Slow, obvious versions that the fast ones must match."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import numpy as np

Curve = Callable[[float], float]


def best_on_grid(
    curves: Sequence[Curve],
    grids: Sequence[Sequence[float]],
    allowed: Callable[[Sequence[float]], bool],
) -> tuple[float, tuple[float, ...] | None]:
    """Return the best split among all combinations of grid spends, by trying every one."""
    best: tuple[float, tuple[float, ...] | None] = (-np.inf, None)
    for split in itertools.product(*grids):
        if allowed(split):
            value = sum(curve(spend) for curve, spend in zip(curves, split, strict=True))
            if value > best[0]:
                best = (value, split)
    return best


def best_by_dynamic_program(
    curves: Sequence[Curve],
    allowed: Sequence[Callable[[int], bool]],
    budget: int,
    *,
    exactly: bool,
    groups: Sequence[tuple[Sequence[int], int, int]] = (),
) -> float:
    """Return the most that whole amounts of money earn, by an exact dynamic program.

    Args:
        allowed: per line, whether a whole amount may be spent.
        groups: disjoint (lines, min, max); lines in no group stand alone.
    """
    spends = range(budget + 1)
    single = [
        np.array([curve(s) if may(s) else -np.inf for s in spends])
        for curve, may in zip(curves, allowed, strict=True)
    ]
    total = np.full(budget + 1, -np.inf)
    total[0] = 0.0
    grouped: set[int] = set()
    for members, least, most in groups:
        inside = np.full(budget + 1, -np.inf)
        inside[0] = 0.0
        for line in members:
            inside = _best_sum(inside, single[line])
            grouped.add(line)
        outside = [s < least or s > most for s in spends]
        inside[outside] = -np.inf
        total = _best_sum(total, inside)
    for line in range(len(curves)):
        if line not in grouped:
            total = _best_sum(total, single[line])
    return float(total[budget] if exactly else total.max())


def _best_sum(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    out = np.full(one.size, -np.inf)
    for spend in range(one.size):
        out[spend] = np.max(one[: spend + 1] + other[spend::-1])
    return out
