"""How much of a day's outcomes has been reported by now, learned from successive snapshots.

A day's count grows as late outcomes come in. Of what was known at age `j` (days after the day),
the share `h_j` had arrived within the last day; what is known at age `k` is therefore the product
of `1 - h_j` over all later ages of what will ever be known. Source: Mack (1993), "Distribution-free
calculation of the standard error of chain ladder reserve estimates", in its reverse-hazard form.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.core.history import Vintages
from pipeline.core.types import BoolArray, FloatArray, IntArray

MAX_AGE = 60
"""Days after which nothing more is expected."""

PRIOR_KNOTS = ((1, 0.70), (7, 0.95), (21, 0.995))
"""Share reported 1, 7 and 21 days later where nothing is known: platforms' usual windows."""

PRIOR_COUNT = 20.0  # outcomes that the prior curve is worth, at each age
PRIOR_SD, PRIOR_SD_DAYS = 0.6, 15.0
"""How far a platform's log completeness may be from the prior curve, at age 0, fading with age."""

GROUP_COUNT = 200.0  # outcomes that the portfolio's curve is worth to a channel, at each age

SETTLED_AGE, REWRITTEN = 30, 0.05
"""A night that moves days older than this by more than this share counts in another way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Maturity:
    """The completeness curve of the portfolio and what it says of every past day.

    Attributes:
        curve: (MAX_AGE,), share reported 1, 2, ... days later, all lines together; at most 1.
        share: (n_days, n_lines), of each day that has been reported by now.
        log_sd: (n_days,), standard deviation of log `share` that all lines have in common.
        snapshots: how many nights taught it: those that can be held against the night before.
    """

    curve: FloatArray
    share: FloatArray
    log_sd: FloatArray
    snapshots: int


def learn_maturity(vintages: Vintages | None, n_days: int, outermost: Sequence[str]) -> Maturity:
    """Return the completeness of every day and line.

    Args:
        vintages: what earlier nights had seen; None leaves the prior.
        n_days: of history; the last is one day old.
        outermost: (n_lines,), the outermost name of each line; by it outcomes are more or less
            late, and snapshots are kept.
    """
    channels, groups = np.unique(np.array(outermost), return_inverse=True)
    arrived, known, snapshots = _arrivals(vintages, channels.tolist())
    prior = _prior_hazard()
    total = known.sum(axis=0) + PRIOR_COUNT
    hazard = (arrived.sum(axis=0) + PRIOR_COUNT * prior) / total
    own = (arrived + GROUP_COUNT * hazard) / (known + GROUP_COUNT)
    curve, by_channel = _share(hazard), _share(own)
    hazard = np.clip(hazard, 0.0, 0.95)  # at age 1 everything is new
    variance = _later(hazard / ((1 - hazard) * total))
    ages = np.arange(1, MAX_AGE + 1)
    doubt = np.square(np.log(curve)) + np.square(PRIOR_SD * np.exp(-ages / PRIOR_SD_DAYS))
    trusted = _later(prior * PRIOR_COUNT / total) / np.maximum(_later(prior), 1e-12)
    variance += doubt * np.square(trusted)  # as far as the curve still is the prior's
    age = np.minimum(np.arange(n_days, 0, -1), MAX_AGE) - 1
    return Maturity(
        curve=curve,
        share=by_channel[groups][:, age].T,
        log_sd=np.sqrt(variance[age]),
        snapshots=snapshots,
    )


def _arrivals(
    vintages: Vintages | None, channels: Sequence[str]
) -> tuple[FloatArray, FloatArray, int]:
    """Return what arrived in the last day before each age and what was known then, by channel."""
    arrived = np.zeros((len(channels), MAX_AGE))
    known = np.zeros_like(arrived)
    if vintages is None or vintages.outcome.size == 0:
        return arrived, known, 0
    index = {name: i for i, name in enumerate(channels)}
    group = np.array([index.get(name, -1) for name in vintages.group])
    age = (vintages.seen_on - vintages.day).astype(int)
    use = (group >= 0) & (age >= 1) & (age <= MAX_AGE) & np.isfinite(vintages.outcome)
    order = np.lexsort((age[use], vintages.day[use], group[use]))
    group, age = group[use][order], age[use][order]
    day, outcome = vintages.day[use][order], vintages.outcome[use][order]
    late = np.zeros(age.size) if vintages.late_days is None else vintages.late_days[use][order]
    follows = (group[1:] == group[:-1]) & (day[1:] == day[:-1]) & (age[1:] == age[:-1] + 1)
    # Nights that were caught up on one day saw the same file: nothing could arrive between them.
    follows &= late[1:] == late[:-1]
    # A day that was silent in either snapshot says nothing about lateness.
    follows &= (outcome[1:] > 0) & (outcome[:-1] > 0)
    night = day + age
    follows &= ~_rewritten(group, night, age, outcome, follows)
    # Corrections go both ways: counting only what was added would take them for late outcomes.
    where = (group[1:][follows], age[1:][follows] - 1)
    np.add.at(arrived, where, (outcome[1:] - outcome[:-1])[follows])
    np.add.at(known, where, outcome[1:][follows])
    taught = night[1:][follows]
    return arrived, known, int(np.unique([taught, taught - 1]).size)


def _rewritten(
    group: IntArray, night: FloatArray, age: IntArray, outcome: FloatArray, follows: BoolArray
) -> BoolArray:
    """Return which pairs of snapshots lie in a night that rewrote its group's settled days.

    Args:
        group, night, age, outcome: (n_snapshots,), in order of group, day and age.
        follows: (n_snapshots - 1,), where a snapshot is of the night after the one before.

    Returns:
        (n_snapshots - 1,).
    """
    of_night = np.unique(np.stack([group[1:], night[1:]]), axis=1, return_inverse=True)[1].ravel()
    settled = follows & (age[1:] > SETTLED_AGE)
    before, after = (
        np.bincount(of_night, np.where(settled, seen, 0.0)) for seen in (outcome[:-1], outcome[1:])
    )
    return np.asarray((np.abs(after - before) > REWRITTEN * before)[of_night])


def _prior_hazard() -> FloatArray:
    """Return the share of what is known at each age that arrived within the last day."""
    ages = np.arange(1, MAX_AGE + 1)
    knots = np.array(PRIOR_KNOTS)
    missing = np.interp(ages, knots[:, 0], np.log(1 - knots[:, 1]))
    rate = np.log((1 - knots[2, 1]) / (1 - knots[1, 1])) / (knots[2, 0] - knots[1, 0])
    beyond = ages > knots[2, 0]
    missing[beyond] = np.log(1 - knots[2, 1]) + rate * (ages[beyond] - knots[2, 0])
    share = 1 - np.exp(missing)
    return np.asarray(np.diff(share, prepend=0.0) / share)


def _share(hazard: FloatArray) -> FloatArray:
    """Return the share known at each age, from hazards along the last axis.

    Never above 1: what is taken back later is left to the day it was sold on.
    """
    return np.minimum(np.exp(_later(np.log1p(-np.minimum(hazard, 0.95)))), 1.0)


def _later(terms: FloatArray) -> FloatArray:
    """Return at each age the sum of the terms of all later ages."""
    summed = np.cumsum(terms[..., ::-1], axis=-1)[..., ::-1]
    return np.asarray(summed - terms)
