"""What days of one name do, believed as far as days of all names make it likely.

Most holidays move demand by a few percent, sales double it and more. So the effect of a name has
one of several spreads, and how common each is, is learned from all names: a clear day is believed
nearly in full, a blurred one is shrunk to its likes, and a name that nobody saw may be anything
that other names were. A name does not do the same every year; what it did lately counts for a day
of the same occasion, and less for the next. Mathematics: docs/model.md, "Demand".
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp

from pipeline.core.types import BoolArray, FloatArray, IntArray

SPREADS = np.array([0.06, 0.15, 0.4, 1.0])
"""Of log demand: quiet holidays, holidays, sales, the days of the year."""

NAMES_BEFORE = np.array([0.8, 0.6, 0.4, 0.2])
"""Names of each spread that seem to have been seen before any was: Dirichlet, a priori."""

ALIKE_SD = 0.6
"""Of a spread, a priori: what all names do alike. Sales raise demand; holidays may all lower it."""

CHANGE = 0.15
"""Of a spread: how far an occasion is from what its name does, and a day from its occasion."""

ALIKE = ALIKE_SD * np.linspace(-3.0, 3.0, 25)
ROUNDS = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What the past says of named days.

    Attributes:
        kind: (n,), which name a day has; every named day, coming ones too.
        occasion: (n,), equal for days of one name that follow closely on each other.
        effect, variance: (n,), of log demand, and its error; an infinite one where nothing is told.
        votes: (n_names,), names that say something of other names.
    """

    kind: IntArray
    occasion: IntArray
    effect: FloatArray
    variance: FloatArray
    votes: BoolArray


def believed(told: Told) -> tuple[FloatArray, FloatArray]:
    """Return mean and deviation of what each named day does to log demand, (n,) each."""
    names = [_name(told, np.flatnonzero(told.kind == name)) for name in range(told.votes.size)]
    weight = _weights(np.stack([name.likely for name in names]), told.votes)
    mean, square = np.zeros((2, told.kind.size))
    for name, likely in zip(names, weight, strict=True):
        at = name.at[..., None] + name.pull[..., None] * ALIKE
        mean[name.days] = np.einsum("sg,sng->n", likely, at)
        away = np.square(at - mean[name.days, None]) + name.left[..., None]
        square[name.days] = np.einsum("sg,sng->n", likely, away)
    return mean, np.sqrt(square)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Name:
    """One name's days under every spread, given what all names do alike.

    Attributes:
        days: (n,), its places.
        likely: (n_spreads, n_alike), log likelihood of what was told.
        at, pull: (n_spreads, n), mean of an effect: `at + pull * ALIKE`.
        left: (n_spreads, n), variance of an effect.
    """

    days: IntArray
    likely: FloatArray
    at: FloatArray
    pull: FloatArray
    left: FloatArray


def _name(told: Told, days: IntArray) -> _Name:
    seen = np.isfinite(told.variance[days])
    effect, noise = told.effect[days][seen], np.diag(told.variance[days][seen])
    same = told.occasion[days][:, None] == told.occasion[days]
    shape = 1.0 + CHANGE**2 * (same + np.eye(days.size))
    before = np.square(SPREADS)[:, None, None] * shape
    covariance = before[:, seen][:, :, seen] + noise
    gain = np.linalg.solve(covariance, before[:, seen]).swapaxes(1, 2)
    away = effect[:, None] - SPREADS[:, None, None] * ALIKE  # (n_spreads, n, n_alike)
    fit = away * np.linalg.solve(covariance, away)
    return _Name(
        days=days,
        likely=-0.5 * (fit.sum(axis=1) + np.linalg.slogdet(covariance)[1][:, None]),
        at=gain @ effect,
        pull=SPREADS[:, None] * (1.0 - gain.sum(axis=2)),
        left=np.diagonal(before, axis1=1, axis2=2) - (gain * before[:, :, seen]).sum(axis=2),
    )


def _weights(likely: FloatArray, votes: BoolArray) -> FloatArray:
    """Return how likely each spread is for a name, and what all do alike, summing to 1 a name.

    A name is held against the spreads of the others, so that it counts once. Source: Asuncion et
    al. (2009), "On smoothing and inference for topic models", the collapsed update of order zero.

    Args:
        likely: (n_names, n_spreads, n_alike), log likelihoods.
    """
    prior = -0.5 * np.square(ALIKE / ALIKE_SD)
    spread = np.zeros(likely.shape[:2])
    for _ in range(ROUNDS):
        others = NAMES_BEFORE + spread.sum(axis=0) - spread
        joint = likely + np.log(others / others.sum(axis=1, keepdims=True))[:, :, None]
        own = logsumexp(joint, axis=1)
        alike = prior + own[votes].sum(axis=0)
        joint += (alike - np.where(votes[:, None], own, 0.0))[:, None]
        weight = np.exp(joint - logsumexp(joint, axis=(1, 2), keepdims=True))
        spread = np.where(votes[:, None], weight.sum(axis=2), 0.0)
    return np.asarray(weight)
