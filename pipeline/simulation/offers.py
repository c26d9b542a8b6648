"""Markets of offers whose truth is known, and the loop in them: decide, log, learn, decide."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np

from pipeline.bandits.offers.decide import Setting, decide_offers
from pipeline.bandits.offers.log import BUCKETS, Contexts, DecisionLog
from pipeline.bandits.offers.policy import above_floors, floors_of
from pipeline.core.types import BoolArray, FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferRecipe:
    """What kind of market.

    Attributes:
        action_sd, own_sd: spread of the rewards over actions, and over segments' own tastes,
            relative to the base rate; both 0 is a market where nothing matters.
        base_rate: chance of a purchase after a decision.
        value_sd: of log purchase value; purchases are heavy-tailed.
        decisions: a week's, after which a policy is decided anew.
    """

    segments: int = 6
    actions: int = 5
    action_sd: float = 0.3
    own_sd: float = 0.0
    base_rate: float = 0.03
    value_sd: float = 0.8
    decisions: int = 30_000
    weeks: int = 8


KINDS: Mapping[str, OfferRecipe] = {
    "one answer for all": OfferRecipe(),
    "segments differ": OfferRecipe(own_sd=0.4),
    "little traffic": OfferRecipe(own_sd=0.4, decisions=3_000),
    "many offers": OfferRecipe(own_sd=0.3, actions=12, segments=10),
    "nothing matters": OfferRecipe(action_sd=0.0),
}
CONSENTS, CONSENTING = (1.0, 0.6, 0.4), (0.6, 0.25, 0.15)
"""Share of the actions that three kinds of people agreed to, and how many people each kind has."""
VALUE = 40.0
LOOKS = 26
"""Weekly looks while a decision stays in a night's log of 180 days; they share the error."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferWorld:
    """One market.

    Attributes:
        contexts: a segment with what its people agreed to.
        people: (n_contexts,), shares of the people, summing to 1.
        rate: (n_contexts, n_actions), chance of a purchase.
    """

    recipe: OfferRecipe
    contexts: Contexts
    people: FloatArray
    rate: FloatArray

    def value(self, shares: FloatArray) -> float:
        """Return the expected reward of one decision under a policy."""
        return float(self.people @ (shares * self.rate).sum(axis=1)) * VALUE

    def week(self, shares: FloatArray, rng: np.random.Generator) -> DecisionLog:
        """Return the log of a week's decisions made by a policy."""
        n, spread = self.recipe.decisions, self.recipe.value_sd
        context = rng.choice(self.contexts.size, size=n, p=self.people)
        steps = shares.cumsum(axis=1)[context]
        action = (rng.random((n, 1)) * steps[:, -1:] >= steps).sum(axis=1)
        paid = VALUE * np.exp(spread * rng.standard_normal(n) - spread**2 / 2)
        reward = np.where(rng.random(n) < self.rate[context, action], paid, 0.0)
        return DecisionLog(
            contexts=self.contexts,
            context=context,
            action=action,
            propensity=shares[context, action],
            bucket=rng.integers(0, BUCKETS, n),
            count=np.ones(n),
            reward=reward,
            reward_sq=reward**2,
            rewarded=(reward > 0).astype(float),
        )


def make_offer_world(recipe: OfferRecipe, rng: np.random.Generator) -> OfferWorld:
    """Return a market drawn from a recipe; its first action is doing nothing."""
    shape = recipe.segments, recipe.actions
    base = recipe.base_rate * np.exp(0.4 * rng.standard_normal((shape[0], 1)))
    effect = recipe.action_sd * rng.standard_normal((1, shape[1]))
    own = recipe.own_sd * rng.standard_normal(shape)
    effect[:, 0], own[:, 0] = 0.0, 0.0
    rate = np.clip(base * np.clip(1 + effect + own, 0.2, 4.0), 1e-5, 0.6)
    agreed = np.stack([_agreed(share, shape[1]) for share in CONSENTS])
    contexts = Contexts(
        segments=tuple(f"segment {i + 1}" for i in range(shape[0])),
        actions=tuple("none" if i == 0 else f"offer {i}" for i in range(shape[1])),
        segment=np.repeat(np.arange(shape[0]), len(CONSENTS)),
        eligible=np.tile(agreed, (shape[0], 1)),
    )
    people = rng.dirichlet(np.full(shape[0], 4.0))
    return OfferWorld(
        recipe=recipe,
        contexts=contexts,
        people=np.outer(people, CONSENTING).reshape(-1),
        rate=np.repeat(rate, len(CONSENTS), axis=0),
    )


Learner = Callable[[DecisionLog, FloatArray, np.random.Generator], FloatArray]
"""Everything logged, the policy in force and chance -> the next policy."""


def ours(log: DecisionLog, in_force: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Return what a night would propose, signed as it stands."""
    setting = Setting(
        contexts=log.contexts,
        offered=np.ones(len(log.contexts.actions), dtype=bool),
        in_force=in_force,
        looks=LOOKS,
    )
    shares = decide_offers(log, setting, rng).shares
    return in_force if shares is None else shares


def best_of_each_segment(
    log: DecisionLog, in_force: FloatArray, rng: np.random.Generator
) -> FloatArray:
    """Return the usual rule: after the first week each segment gets what earned most there."""
    del in_force, rng
    return _best(log.contexts, log.cells(log.reward) / np.maximum(log.cells(log.count), 1.0))


def best_overall(log: DecisionLog, in_force: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Return the simplest rule: everybody gets what earned most in all."""
    del in_force, rng
    means = log.cells(log.reward).sum(axis=0) / np.maximum(log.cells(log.count).sum(axis=0), 1.0)
    return _best(log.contexts, np.tile(means, (len(log.contexts.segments), 1)))


def even(log: DecisionLog, in_force: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Return the policy that the market began with."""
    del log, rng
    return in_force


LEARNERS: Mapping[str, Learner] = {
    "ours": ours,
    "best of each segment": best_of_each_segment,
    "best overall": best_overall,
    "even split": even,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferScore:
    """One learner over the markets of one kind.

    Attributes:
        captured: share of the way from an even split to the best policy that keeps the floors,
            over all weeks after the first and all markets together.
        worse: share of the proposals that were truly worse than what was in force.
        personal: share of markets that ended with segments treated differently.
        lost: the largest loss of any policy in force against the even split, as a share.
    """

    kind: str
    policy: str
    worlds: int
    captured: float
    worse: float
    personal: float
    lost: float


def score_offers(
    kind: str, seeds: Sequence[int], learners: Sequence[str] = tuple(LEARNERS)
) -> list[OfferScore]:
    """Return every learner's score over the markets of a kind."""
    return [_score(kind, seeds, name) for name in learners]


def _score(kind: str, seeds: Sequence[int], name: str) -> OfferScore:
    gain = gap = 0.0
    worse: list[bool] = []
    personal, lost = [], 0.0
    for seed in seeds:
        world = make_offer_world(KINDS[kind], np.random.default_rng([1, seed]))
        policies = _played(world, LEARNERS[name], np.random.default_rng([2, seed]))
        values = np.array([world.value(shares) for shares in policies])
        floors = floors_of(world.contexts)
        best = np.where(world.contexts.eligible, world.rate, -np.inf).argmax(axis=1)
        oracle = above_floors(floors, np.eye(world.rate.shape[1])[best])
        gain += float((values[1:] - values[0]).sum())
        gap += (world.value(oracle) - values[0]) * (values.size - 1)
        moved = [not np.allclose(a, b) for a, b in pairwise(policies)]
        worse += [
            bool(after < before - 1e-12)
            for (before, after), has in zip(pairwise(values.tolist()), moved, strict=True)
            if has
        ]
        personal.append(_differs(world, policies[-1]))
        lost = max(lost, float(1 - values.min() / values[0]))
    return OfferScore(
        kind=kind,
        policy=name,
        worlds=len(seeds),
        captured=float(gain / gap) if gap > 1e-9 else 0.0,
        worse=float(np.mean(worse)) if worse else 0.0,
        personal=float(np.mean(personal)),
        lost=lost,
    )


def _played(world: OfferWorld, learner: Learner, rng: np.random.Generator) -> list[FloatArray]:
    """Return the policy in force in each week; every week's is learned from all weeks before."""
    eligible = world.contexts.eligible
    policies = [eligible / eligible.sum(axis=1, keepdims=True)]
    log = world.week(policies[0], rng)
    for _ in range(world.recipe.weeks - 1):
        policies.append(learner(log, policies[-1], rng))
        log = joined(log, world.week(policies[-1], rng))
    return policies


def joined(first: DecisionLog, second: DecisionLog) -> DecisionLog:
    """Return the log of both, which share their contexts."""
    names = ("context", "action", "propensity", "bucket")
    sums = ("count", "reward", "reward_sq", "rewarded")
    parts: dict[str, Any] = {
        name: np.concatenate([getattr(first, name), getattr(second, name)])
        for name in (*names, *sums)
    }
    return replace(first, **parts)


def _best(contexts: Contexts, means: FloatArray) -> FloatArray:
    """Return the floors, and all the rest for the best mean."""
    allowed = np.where(contexts.eligible, means[contexts.segment], -np.inf)
    choice = np.eye(len(contexts.actions))[allowed.argmax(axis=1)]
    return above_floors(floors_of(contexts), choice)


def _differs(world: OfferWorld, shares: FloatArray) -> bool:
    """Whether people who may get the same are treated differently in two segments."""
    everything = world.contexts.eligible.all(axis=1)
    return bool(np.ptp(shares[everything], axis=0).max() > 0.05)


def _agreed(share: float, n_actions: int) -> BoolArray:
    return np.arange(n_actions) < max(int(np.ceil(share * n_actions)), 2)
