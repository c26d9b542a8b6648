"""A rival by the textbook: each line's curve by Bayes' rule on a grid, and nothing around it.

Flat priors, every line by itself, levels that stand still and take their best value, one effect of
each day for all lines, the last days left out because they are incomplete. What the nightly model
does beyond this has to show in what following it earns.
"""

from __future__ import annotations

import numpy as np

from pipeline.core.types import FloatArray
from pipeline.response.curves import Shape, carried_spend
from pipeline.simulation.worlds import Morning
from pipeline.simulation.worlds.optimum import best_split

SKIPPED_DAYS = 3  # the last ones are incomplete
SHAPES = tuple(
    Shape(family="hill", half_saturation=half, slope=slope)
    for half, slope in (
        (0.15, 1.0), (0.4, 1.0), (1.0, 1.0), (2.5, 1.0), (8.0, 1.0),
        (0.5, 2.0), (1.0, 2.0), (2.0, 2.0),
    )
)  # fmt: skip
RETENTIONS = (0.0, 0.3, 0.6, 0.8)
SHARES = np.linspace(0.05, 0.95, 10)
NOISE = 0.25  # relative, beside counting
ROUNDS, KNOTS = 3, 41
WRONG = 10.0  # times the usual: days that any analyst would strike out
HEARD = 5.0  # conversions a day, from which a day without any is no chance


def plain_grid(morning: Morning) -> FloatArray:
    """Return the split that earns most under the posterior means, inside the morning's box."""
    used = slice(None, -SKIPPED_DAYS)
    spend = _tamed(morning.history.spend[used])
    counts = _tamed(morning.history.outcomes["conversions"][used])
    money = _tamed(morning.history.outcomes["revenue"][used])
    reference = np.maximum(_usual(spend), 1e-6)
    responses = np.stack([
        [shape.value(carried_spend(spend, kept) / reference) for shape in SHAPES]
        for kept in RETENTIONS
    ])  # fmt: skip
    effects = _effects(responses, counts)
    knots = np.linspace(morning.floor, morning.cap, KNOTS, axis=1)
    shapes = np.stack([shape.value(knots / reference[:, None]) for shape in SHAPES])
    worth = money.sum(axis=0) / np.maximum(counts.sum(axis=0), 1.0)
    value = worth[:, None] * np.einsum("ls,slk->lk", effects, shapes)
    return best_split(knots, value, morning.total, morning.floor, morning.cap)


def _effects(responses: FloatArray, counts: FloatArray) -> FloatArray:
    """Return each line's expected effect at its reference, by shape, (n_lines, n_shapes).

    Days and curves take turns: a day's effect is how far all lines are from their curves.

    Args:
        responses: (n_retentions, n_shapes, n_days, n_lines), 1 at the reference.
        counts: (n_days, n_lines).
    """
    n_days, n_lines = counts.shape
    heard = (counts > 0) | (counts.mean(axis=0) < HEARD)
    expected = np.tile(np.maximum(counts.mean(axis=0), 0.05), (n_days, 1))
    effects = np.empty((n_lines, len(SHAPES)))
    for _ in range(ROUNDS):
        weight = np.sqrt(expected) * heard
        day = (weight * counts / expected).sum(axis=1) / np.maximum(weight.sum(axis=1), 1e-9)
        day = np.maximum(day, 0.1)
        day /= np.median(day[-28:])
        for line in range(n_lines):
            effects[line], expected[:, line] = _line(
                responses[..., line], counts[:, line], day, heard[:, line]
            )
    return effects


def _line(
    response: FloatArray, counts: FloatArray, day: FloatArray, heard: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return a line's effect by shape, (n_shapes,), and what an ordinary day brings, (n_days,).

    Args:
        response: (n_retentions, n_shapes, n_days), 1 at the reference.
        counts, day, heard: (n_days,), conversions, the day's effect, and whether it was reported.
    """
    mean = (1 - SHARES)[:, None] + SHARES[:, None] * response[:, :, None]
    mean = np.maximum(mean, 0.01) * day  # (n_retentions, n_shapes, n_shares, n_days)
    usual = np.maximum(counts[heard].sum() / max(day[heard].sum(), 1e-9) * day, 0.05)
    precision = np.where(heard, 1 / (usual + np.square(NOISE * usual)), 0.0)
    level = (mean @ (counts * precision)) / np.maximum(np.square(mean) @ precision, 1e-12)
    misfit = np.square(counts - level[..., None] * mean) @ precision
    weight = np.exp(-0.5 * (misfit - misfit.min()))
    weight *= 1 / weight.sum()
    level *= weight
    return (level * SHARES).sum(axis=(0, 2)), np.maximum(
        np.tensordot(level, mean, axes=3) / day, 0.01
    )


def _usual(table: FloatArray) -> FloatArray:
    """Return each line's median of the days with any, (n_lines,)."""
    some = np.where(table > 0, table, np.nan)
    some[:, ~np.isfinite(some).any(axis=0)] = 0.0
    return np.asarray(np.nanmedian(some, axis=0))


def _tamed(table: FloatArray) -> FloatArray:
    """Return the table without what any analyst would strike out, tenfold the usual."""
    table = np.nan_to_num(table)
    usual = _usual(table)
    return np.where(table > WRONG * usual, usual, table)
