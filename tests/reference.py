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


def best_by_draws(
    mean: np.ndarray, sd: np.ndarray, *, near: float, draws: int, rng: np.random.Generator
) -> np.ndarray:
    """Return how often each choice's drawn rate is the largest, or within `near` of it."""
    rate = np.exp(rng.normal(mean, sd, size=(draws, mean.size)))
    if near == 0:
        return np.eye(mean.size)[rate.argmax(axis=1)].mean(axis=0)
    return (rate >= (1 - near) * rate.max(axis=1, keepdims=True)).mean(axis=0)


def rate_by_grid(
    shown: float, clicks: float, *, level: float, spread: float
) -> tuple[float, float]:
    """Return mean and sd of the log rate of one cell: prior times likelihood on a fine grid."""
    logit = np.linspace(level - 8 * spread, level + 8 * spread, 20_001)
    rate = 1 / (1 + np.exp(-logit))
    log_weight = clicks * np.log(rate) + (shown - clicks) * np.log1p(-rate)
    log_weight -= 0.5 * ((logit - level) / spread) ** 2
    weight = np.exp(log_weight - log_weight.max())
    weight /= weight.sum()
    mean = float(weight @ np.log(rate))
    return mean, float(weight @ (np.log(rate) - mean) ** 2) ** 0.5
