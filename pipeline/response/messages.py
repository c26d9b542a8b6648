"""What lift tests teach of lines: messages from each test to each line it treated.

Given a node of the grid, what spend causes of a line is by the days a normal, cut off at zero:
level times share, as unsure as the level is and as wide as the node's cell of shares. Every lift is
a known number times it, so one test's update is exact, and the level stays what the days say. A
test on several lines tells each of them what the others leave over; they are taken where the test
puts them, not where the days have them, which is what makes it right far from what was expected.
Tests that share lines take turns until nothing moves. Mathematics: docs/model.md, "Experiments".
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from pipeline.core.types import FloatArray, IntArray, SingleArray
from pipeline.response.evidence import Evidence, single
from pipeline.response.experiments import Readout
from pipeline.response.grid import SHARES
from pipeline.response.taught import Caused, Taught, Together, Told

CELL = float(SHARES[1] - SHARES[0]) / 12**0.5
"""Deviation of a share within its cell of the grid: anywhere in it, as likely as elsewhere."""

TINY = 1e-30  # of a node's weight: single precision ends there
ROUNDS, NEAR = 30, 1e-6
"""Of messages between tests that share lines; one test alone is done after the first."""
STEPS = 100  # of the search for where a test puts its lines; a handful is usual
AT_ONCE = 100  # lines, so that what is needed in between stays small
FINEST = 1e-5
"""Error of a lift, over it and over what it was doubted by: a smaller one says nothing more, and
its square would be lost among digits."""


@dataclass(slots=True)
class _Messages:
    """What one test says to each of its lines: precision and shift of their part of the lift."""

    rows: IntArray
    effect: FloatArray  # (n, n_retentions, n_shapes, 1)
    precision: FloatArray
    shift: FloatArray
    spread: float = 0.0

    def evidence(self) -> tuple[FloatArray, FloatArray]:
        """Return them as precision and shift of what spend causes, on every node."""
        precision, shift = (each[:, None, None, None] for each in (self.precision, self.shift))
        return precision * np.square(self.effect), shift * self.effect


def with_readouts(
    evidence: Evidence,
    tests: tuple[Readout, ...],
    weights: SingleArray,
    worth: FloatArray,
    worth_sd: FloatArray,
) -> tuple[Evidence, Taught, SingleArray]:
    """Return what tests add to what the days said.

    The nodes of treated lines have their weights from here, not from pooling them once more: a
    channel that heard of a test would tell its lines again what they know from it, and their sum
    would be off what was measured.

    Args:
        evidence: from the days.
        tests: what experiments measured.
        weights: posterior of the lines' nodes before any test.
        worth, worth_sd: (n_lines,), metric per counted outcome.

    Returns:
        The evidence on nodes, for what other lines learn from the treated ones; what spend causes
        of the treated lines; and the weights of their nodes, (n, n_retentions, n_shapes, n_shares).
    """
    lines = np.unique(np.concatenate([test.lines for test in tests]))
    before = _by_the_days(evidence, lines, worth, worth_sd)
    log_weight = np.log(np.maximum(weights[lines], TINY).astype(np.float64)) - before.log_mass()
    messages = [
        _Messages(
            rows=np.searchsorted(lines, test.lines),
            effect=np.moveaxis(test.contrast, -1, 0)[..., None],
            precision=np.zeros(test.lines.size),
            shift=np.zeros(test.lines.size),
        )
        for test in tests
    ]
    told = tuple(
        _told(test, *_part(_at(before, each.rows), log_weight[each.rows], each.effect))
        for test, each in zip(tests, messages, strict=True)
    )
    tests = tuple(map(_with_error, tests, told))
    after = Caused(precision=before.precision.copy(), shift=before.shift.copy())
    for _ in range(ROUNDS if len(tests) > 1 else 1):
        moved = 0.0
        for test, each in zip(tests, messages, strict=True):
            precision, shift = each.evidence()
            rest = _at(after, each.rows).taught(-precision, -shift)
            moved = max(moved, _send(test, each, rest, log_weight[each.rows]))
            updated = rest.taught(*each.evidence())
            after.precision[each.rows], after.shift[each.rows] = updated.precision, updated.shift
        if moved < NEAR:
            break
    log_likelihood = evidence.log_likelihood.copy()
    log_likelihood[lines] += single(after.log_mass() - before.log_mass())
    taught = Taught(
        lines=lines,
        mean=after.shift / after.precision,
        sd=after.precision**-0.5,
        together=tuple(
            Together(rows=each.rows, effect=each.effect[..., 0], spread=each.spread)
            for each in messages
            if each.rows.size > 1
        ),
        told=told,
    )
    return (
        replace(evidence, log_likelihood=log_likelihood),
        taught,
        single(_normalised(log_weight + after.log_mass())),
    )


def _by_the_days(
    evidence: Evidence, lines: IntArray, worth: FloatArray, worth_sd: FloatArray
) -> Caused:
    """Return what spend causes on every node by the days, in the metric's units."""
    level, sd = (
        table[lines].astype(np.float64) for table in (evidence.level_mean, evidence.level_sd)
    )
    worth, worth_sd = (each[lines, None, None, None] for each in (worth, worth_sd))
    level = np.maximum(level, 1e-9)
    variance = np.square(level * CELL * worth)
    variance += np.square(SHARES) * (np.square(sd * worth) + np.square(level * worth_sd))
    precision = 1.0 / variance
    return Caused(precision=precision, shift=level * worth * SHARES * precision)


def _at(caused: Caused, rows: IntArray) -> Caused:
    return Caused(precision=caused.precision[rows], shift=caused.shift[rows])


def _part(
    caused: Caused, log_weight: FloatArray, effect: FloatArray, tilt: float = 0.0
) -> tuple[FloatArray, FloatArray]:
    """Return mean and variance of each line's part of a lift, of densities times exp(tilt x).

    Args:
        caused: of the test's lines.
        log_weight: of their nodes, less the log mass of the days' normals.
        effect: (n, n_retentions, n_shapes, 1)
    """
    total, spread = np.empty((2, len(effect)))
    nodes = (1, 2, 3)
    for first in range(0, len(effect), AT_ONCE):
        some = slice(first, first + AT_ONCE)
        at = effect[some]
        tilted = Caused(precision=caused.precision[some], shift=caused.shift[some] + tilt * at)
        weight = _normalised(log_weight[some] + tilted.log_mass())
        mean, variance = tilted.moments()
        mean, variance = at * mean, np.square(at) * variance
        total[some] = (weight * mean).sum(axis=nodes)
        variance += np.square(mean - total[some, None, None, None])
        spread[some] = (weight * variance).sum(axis=nodes)
    return total, spread


def _normalised(log_weight: FloatArray) -> FloatArray:
    """Return each line's weights of nodes, summing to 1."""
    nodes = (1, 2, 3)
    weight = np.exp(log_weight - log_weight.max(axis=nodes, keepdims=True))
    return np.asarray(weight / weight.sum(axis=nodes, keepdims=True))


def _send(test: Readout, messages: _Messages, rest: Caused, log_weight: FloatArray) -> float:
    """Set what a test says to each line; return how far that moved, in deviations.

    The sum's density is tilted until its mean is where the test has it (a saddle point, Daniels
    1954); there the other lines are nearly normal even if they are not where the days have them.
    What each line is told then makes the sum a little different from that; a common tilt mends it.

    Args:
        rest: what is known of its lines without it.
    """
    tilt, mean, variance = 0.0, np.zeros(1), np.zeros(1)
    if messages.rows.size > 1:
        tilt = _tilt(rest, log_weight, messages.effect, test.lift, test.variance)
        mean, variance = _part(rest, log_weight, messages.effect, tilt)
    others = variance.sum() - variance
    precision = 1.0 / (test.variance + others)
    shift = precision * (test.lift - (mean.sum() - mean) + tilt * others)
    before, messages.precision, messages.shift = messages.shift, precision, shift
    if messages.rows.size > 1:
        known = rest.taught(*messages.evidence())
        messages.shift = shift + _tilt(known, log_weight, messages.effect, float(mean.sum()), 0.0)
        messages.spread = float((1.0 / test.variance + 1.0 / variance.sum()) ** -0.5)
    return float((np.abs(messages.shift - before) / np.sqrt(precision)).max())


def _tilt(
    caused: Caused, log_weight: FloatArray, effect: FloatArray, goal: float, slack: float
) -> float:
    """Return the tilt under which the mean of the lines' sum is `goal` less tilt times `slack`."""
    tilt, low, high = 0.0, -np.inf, np.inf
    for _ in range(STEPS):
        mean, variance = _part(caused, log_weight, effect, tilt)
        gap = goal - tilt * slack - float(mean.sum())
        slope = float(variance.sum()) + slack
        if abs(gap) < NEAR * slope**0.5:
            break
        low, high = (tilt, high) if gap > 0 else (low, tilt)
        step = tilt + gap / slope
        between = 0.5 * (low + high) if np.isfinite(high - low) else step
        tilt = step if low < step < high else between
    return tilt


def _told(test: Readout, mean: FloatArray, variance: FloatArray) -> Told:
    return Told(
        name=test.name,
        lift=test.lift,
        variance=test.variance,
        expected=float(mean.sum()),
        doubt=float(variance.sum()),
    )


def _with_error(test: Readout, told: Told) -> Readout:
    """Return the test with an error that digits can tell."""
    least = FINEST**2 * max(told.doubt, test.lift**2)
    return replace(test, variance=max(test.variance, least))
