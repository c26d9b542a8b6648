"""Markets of creatives whose true rates are known, and how much of the gain a policy captures.

An audience's creatives differ by `spread` on the logit scale, as randomised headline tests do.
Captured is the share of the way from an even split to the best creative of every day.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from pipeline.bandits.rotation.learn import learn
from pipeline.bandits.rotation.rotate import Standing, rotate_audience
from pipeline.core.exposures import Exposures
from pipeline.core.rotation_rules import RotationRules
from pipeline.core.types import BoolArray, FloatArray

FIRST_DAY = date(2026, 1, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class CreativeWorld:
    """A market's truth.

    Attributes:
        logit: (n_days, n_audiences, n_creatives) true logit rates before wear.
        wear: change of the log rate per doubling of a creative's exposure.
        traffic: (n_days, n_audiences) impressions to split.
        is_there: as `logit`, whether the creative exists yet.
        reported: share of a day's rewards that are in after 0, 1, ... days.
    """

    logit: FloatArray
    wear: float
    traffic: FloatArray
    is_there: BoolArray
    reported: tuple[float, ...] = (1.0,)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorldKind:
    """How a market is drawn: what there is to learn and how hard it is."""

    nights: int
    traffic: float = 15_207.0
    audiences: int = 1
    creatives: int = 4
    rate: float = 0.015
    spread: float = 0.26
    own_spread: float = 0.0
    drift: float = 0.0
    wear: float = 0.0
    late: int = 0
    reported: tuple[float, ...] = (1.0,)


KINDS = {
    "week": WorldKind(nights=7),
    "month": WorldKind(nights=28),
    "thin": WorldKind(nights=28, traffic=1_500.0),
    "drifting": WorldKind(nights=60, drift=0.03),
    "newcomer": WorldKind(nights=28, late=1),
    "audiences": WorldKind(nights=28, traffic=1_500.0, audiences=4, own_spread=0.1),
    "wearing": WorldKind(nights=28, wear=-0.08, late=2),
    "late": WorldKind(nights=28, reported=(0.4, 0.6, 0.75, 0.9, 1.0)),
}


def make_world(kind: WorldKind, rng: np.random.Generator) -> CreativeWorld:
    """Return a market of the kind."""
    shape = (kind.nights, kind.audiences, kind.creatives)
    common = rng.normal(0, kind.spread, kind.creatives)
    own = rng.normal(0, kind.own_spread, shape[1:])
    walk = np.cumsum(rng.normal(0, kind.drift, shape), axis=0) if kind.drift else 0.0
    base = np.log(kind.rate / (1 - kind.rate)) + rng.normal(0, 0.3, kind.audiences)
    is_there = np.ones(shape, dtype=bool)
    for late in range(kind.late):
        is_there[: kind.nights * (late + 1) // (kind.late + 1), :, -1 - late] = False
    day = 1 + 0.2 * np.sin(2 * np.pi * np.arange(kind.nights) / 7)
    return CreativeWorld(
        logit=np.broadcast_to(base[None, :, None] + common + own + walk, shape),
        wear=kind.wear,
        traffic=np.round(kind.traffic * np.outer(day, np.ones(kind.audiences))),
        is_there=is_there,
        reported=kind.reported,
    )


Policy = Callable[[Exposures, FloatArray, BoolArray, int], FloatArray]
"""From what was seen, shares in force (n_audiences, n_creatives) and who is there: new shares."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """A policy's run through a market.

    Attributes:
        shares: (n_days, n_audiences, n_creatives).
        value, even, oracle: expected rewards per day: the policy's, an even split's, the best's.
    """

    shares: FloatArray
    value: FloatArray
    even: FloatArray
    oracle: FloatArray

    @property
    def captured(self) -> float:
        """The share of the gap between an even split and the best creative of each day."""
        gap = float((self.oracle - self.even).sum())
        return float((self.value - self.even).sum()) / gap if gap > 0 else 0.0


def play(world: CreativeWorld, policy: Policy, rng: np.random.Generator) -> Played:
    """Return what a policy earns, night by night, seeing only what has been reported."""
    n_days, n_audiences, n_creatives = world.logit.shape
    shown = np.zeros(world.logit.shape)
    clicks = np.zeros(world.logit.shape)
    shares = np.zeros(world.logit.shape)
    in_force = np.zeros((n_audiences, n_creatives))
    value, even, oracle = (np.zeros(n_days) for _ in range(3))
    for day in range(n_days):
        there = world.is_there[day]
        if day == 0:
            in_force = there / there.sum(axis=1, keepdims=True)
        else:
            seen = _seen(world, shown, clicks, day)
            in_force = policy(seen, in_force, there, day)
        rate = _rates(world, shown, day)
        traffic = world.traffic[day]
        shares[day] = in_force
        shown[day] = np.round(traffic[:, None] * in_force)
        clicks[day] = rng.binomial(shown[day].astype(int), rate)
        value[day] = float((traffic[:, None] * in_force * rate).sum())
        even[day] = float((traffic * (rate * there).sum(axis=1) / there.sum(axis=1)).sum())
        oracle[day] = float((traffic * np.where(there, rate, 0).max(axis=1)).sum())
    return Played(shares=shares, value=value, even=even, oracle=oracle)


def true_rates(world: CreativeWorld, played: Played, day: int) -> FloatArray:
    """Return (n_audiences, n_creatives): the true rates of a day of a run, wear included."""
    shown = np.round(world.traffic[:, :, None] * played.shares)
    return _rates(world, shown, day)


def ours(rules: RotationRules | None = None) -> Policy:
    """Return the rotation as it is shipped, as a policy; retired creatives stay out."""
    settings = rules or RotationRules()
    standing: dict[tuple[int, int], Standing] = {}

    def policy(seen: Exposures, in_force: FloatArray, there: BoolArray, day: int) -> FloatArray:
        if day == 1:
            standing.clear()
        learned = learn(
            seen, half_life_days=settings.half_life_days, delay_days=settings.delay_days
        )
        out = np.zeros_like(in_force)
        for a in range(in_force.shape[0]):
            known = {
                name: standing.get((a, c), Standing(share=float(in_force[a, c])))
                for c, name in enumerate(seen.creatives)
                if there[a, c]
            }
            known = {n: _with_share(s, in_force[a, int(n)]) for n, s in known.items()}
            names = tuple(name for c, name in enumerate(seen.creatives) if there[a, c])
            columns = [int(name) for name in names]
            split = rotate_audience(
                seen.audiences[a], names, learned.of(columns), a, known, settings,
                seen.days[-1] + timedelta(days=1),
            )  # fmt: skip
            for row in split.shares:
                c = int(row.creative)
                out[a, c] = row.share
                standing[a, c] = Standing(
                    share=row.share,
                    nights_losing=row.nights_losing,
                    is_retired=row.action in {"retire", "retired"},
                )
        return out

    return policy


def even_split(seen: Exposures, in_force: FloatArray, there: BoolArray, day: int) -> FloatArray:
    """Return the same share for every creative that is there."""
    del seen, in_force, day
    out: FloatArray = there / there.sum(axis=1, keepdims=True)
    return out


def thompson(rng: np.random.Generator, *, power: float = 1.0, draws: int = 2_000) -> Policy:
    """Return plain Thompson sampling: shares are P(best) of independent Beta posteriors."""

    def policy(seen: Exposures, in_force: FloatArray, there: BoolArray, day: int) -> FloatArray:
        del in_force, day
        n, k = seen.shown.sum(axis=0), seen.counted.sum(axis=0)
        draw = rng.beta(k + 1, n - k + 1, size=(draws, *n.shape))
        draw[:, ~there] = -1.0
        best = np.eye(n.shape[1])[draw.argmax(axis=2)].mean(axis=0) ** power
        out: FloatArray = best / best.sum(axis=1, keepdims=True)
        return out

    return policy


def epsilon_greedy(epsilon: float = 0.1) -> Policy:
    """Return the usual rule: the best so far, and `epsilon` of the exposure split evenly."""

    def policy(seen: Exposures, in_force: FloatArray, there: BoolArray, day: int) -> FloatArray:
        del in_force, day
        return _mostly(_leader(seen, there), there, epsilon)

    return policy


def winner_after_test(test_days: int) -> Policy:
    """Return an A/B test that splits evenly for so many days and then keeps its winner."""
    kept: list[FloatArray] = []

    def policy(seen: Exposures, in_force: FloatArray, there: BoolArray, day: int) -> FloatArray:
        del in_force
        if day < test_days:
            kept.clear()
            return even_split(seen, np.zeros(0), there, day)
        if not kept:
            kept.append(_leader(seen, there))
        return kept[0]

    return policy


def _leader(seen: Exposures, there: BoolArray) -> FloatArray:
    n, k = seen.shown.sum(axis=0), seen.counted.sum(axis=0)
    rate = np.where(there, (k + 1e-9) / np.maximum(n, 1.0), -1.0)
    rate = np.where(there & (n == 0), np.inf, rate)  # what was never shown is tried
    out: FloatArray = np.eye(n.shape[1])[rate.argmax(axis=1)]
    return out


def _mostly(leader: FloatArray, there: BoolArray, epsilon: float) -> FloatArray:
    out: FloatArray = (1 - epsilon) * leader + epsilon * there / there.sum(axis=1, keepdims=True)
    return out


def _rates(world: CreativeWorld, shown: FloatArray, day: int) -> FloatArray:
    """Return today's true rates, worn by what was shown before."""
    doublings = np.log2(1 + shown[:day].sum(axis=0) / 1_000.0)
    logit = world.logit[day] + world.wear * doublings
    out: FloatArray = 1 / (1 + np.exp(-logit))
    return out


def _seen(world: CreativeWorld, shown: FloatArray, clicks: FloatArray, day: int) -> Exposures:
    age = np.arange(day - 1, -1, -1)
    share = np.array(world.reported)[np.minimum(age, len(world.reported) - 1)]
    reported = np.round(clicks[:day] * share[:, None, None])
    n_audiences, n_creatives = shown.shape[1:]
    return Exposures(
        days=tuple(FIRST_DAY + timedelta(days=index) for index in range(day)),
        audiences=tuple(f"audience {index}" for index in range(n_audiences)),
        creatives=tuple(str(index) for index in range(n_creatives)),
        shown=shown[:day],
        rewards=reported,
        counted=reported,
    )


def _with_share(standing: Standing, share: float) -> Standing:
    return Standing(
        share=float(share),
        nights_losing=standing.nights_losing,
        is_retired=standing.is_retired,
    )
