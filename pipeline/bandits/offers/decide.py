"""Which policy to follow: a new one only where the log proves that it earns more."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import cast

import numpy as np

from pipeline.bandits.offers.estimate import Estimates, evaluate
from pipeline.bandits.offers.log import FOLDS, Contexts, DecisionLog
from pipeline.bandits.offers.overlap import Overlap, overlap_of
from pipeline.bandits.offers.policy import (
    DRAWS,
    FLOOR,
    FLOOR_MOST,
    best_shares,
    floors_of,
    for_all,
)
from pipeline.bandits.offers.reward import RewardModel, fold_models
from pipeline.core.types import BoolArray, FloatArray

ERROR = 0.05
"""Chance of proposing a policy that is not better than the one in force, over all looks."""

LEAST_GAIN = 0.01
"""Share of what is earned now that a new policy has to add: less is not worth a signature."""


class Choice(StrEnum):
    """What is proposed."""

    KEEP = "keep"
    ONE_FOR_ALL = "one for all"
    PERSONAL = "personal"


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A policy that was considered.

    Attributes:
        shares: (n_contexts, n_actions), what would be deployed on the contexts to decide for.
        value: per decision. gain: against the policy in force.
        lower: bound of the gain at its share of the error.
        refusals: why the log cannot speak about it.
        is_small: whether the gain is less than `LEAST_GAIN` of what is earned now.
        decisions_needed: in all, until this gain would be proved if it is what it looks like;
            infinite where it does not look like one.
    """

    name: Choice
    shares: FloatArray
    value: Estimates
    gain: Estimates
    lower: float
    overlap: Overlap
    refusals: tuple[str, ...]
    is_small: bool
    decisions_needed: float

    @property
    def is_better(self) -> bool:
        """Whether the log proves that it beats the policy in force, and by enough."""
        return not self.refusals and not self.is_small and self.gain.agree and self.lower > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferDecision:
    """What is proposed, and everything that was weighed.

    Attributes:
        shares: (n_contexts, n_actions), of the contexts to decide for; None where the policy in
            force stays.
        personal_gain: the personal policy against one for all.
    """

    choice: Choice
    shares: FloatArray | None
    current: Estimates
    candidates: tuple[Candidate, ...]
    personal_gain: Estimates
    personal_lower: float
    interaction: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What a decision is made under.

    Attributes:
        contexts: to decide for, with the log's segments and actions.
        offered: (n_actions,), actions that may still be given; the log may hold others.
        in_force: (n_log_contexts, n_actions), the policy in force on the log's contexts; None for
            the one that the log was written under.
        floor, most: of one action's share, and of all floors together.
        error: chance of proposing a policy that is no better, at any of the looks.
        looks: how often the log is judged while a decision stays in it; they share the error
            evenly. Whatever makes looks depend on each other (the same people, candidates learned
            anew from nearly the same log, what was signed in between), the chance that any of them
            errs is at most the sum of theirs.
    """

    contexts: Contexts
    offered: BoolArray
    in_force: FloatArray | None = None
    floor: float = FLOOR
    most: float = FLOOR_MOST
    error: float = ERROR
    looks: int = 1

    @property
    def chance(self) -> float:
        """The error that one look may make."""
        return self.error / self.looks


def same_again(log: DecisionLog) -> Setting:
    """Return the setting in which the log's own people are decided for with all its actions."""
    return Setting(contexts=log.contexts, offered=np.ones(len(log.contexts.actions), dtype=bool))


def decide_offers(log: DecisionLog, setting: Setting, rng: np.random.Generator) -> OfferDecision:
    """Return the policy that the log proves to beat the one in force.

    Args:
        log: rewards net of costs, matured; every context has an action that is still offered.
    """
    models = fold_models(log)
    judged, tomorrow = _policies(log, models, setting, rng)
    current = evaluate(log, models, _by_fold(setting.in_force))
    candidates = tuple(
        _candidate(
            choice,
            judged[choice],
            tomorrow[choice],
            current,
            log,
            models,
            setting,
        )
        for choice in (Choice.ONE_FOR_ALL, Choice.PERSONAL)
    )
    apart = evaluate(
        log, models, judged[Choice.PERSONAL], judged[Choice.ONE_FOR_ALL], difference=True
    )
    apart_lower = apart.robust.lower(setting.chance)
    simple, own = candidates
    choice, shares = Choice.KEEP, cast("FloatArray | None", None)
    if own.is_better and apart.agree and apart_lower > 0:
        choice, shares = Choice.PERSONAL, own.shares
    elif simple.is_better:
        choice, shares = Choice.ONE_FOR_ALL, simple.shares
    return OfferDecision(
        choice=choice,
        shares=shares,
        current=current,
        candidates=candidates,
        personal_gain=apart,
        personal_lower=apart_lower,
        interaction=float(np.mean([model.interaction for model in models])),
    )


def _policies(
    log: DecisionLog,
    models: tuple[RewardModel, ...],
    setting: Setting,
    rng: np.random.Generator,
) -> tuple[dict[Choice, FloatArray], dict[Choice, FloatArray]]:
    """Return each candidate as every fold would have it, on the log's contexts and on tomorrow's.

    Shapes (n_folds, n_contexts, n_actions).
    """
    known = log.cells(log.count) > 0
    people = log.cells(log.count).sum(axis=1)
    places = (
        replace(log.contexts, eligible=log.contexts.eligible & setting.offered),
        setting.contexts,
    )
    floors = [floors_of(contexts, setting.floor, most=setting.most) for contexts in places]
    found: tuple[dict[Choice, list[FloatArray]], ...] = (defaultdict(list), defaultdict(list))
    for model in models:
        own = model.draws(rng, DRAWS)
        for choice, draws in (
            (Choice.ONE_FOR_ALL, for_all(own, people)),
            (Choice.PERSONAL, own),
        ):
            for contexts, least, policies in zip(places, floors, found, strict=True):
                policies[choice].append(best_shares(contexts, least, draws, known))
    judged, tomorrow = ({c: np.stack(stack) for c, stack in part.items()} for part in found)
    return judged, tomorrow


def _candidate(
    name: Choice,
    stack: FloatArray,
    tomorrow: FloatArray,
    current: Estimates,
    log: DecisionLog,
    models: tuple[RewardModel, ...],
    setting: Setting,
) -> Candidate:
    gain = evaluate(log, models, stack, _by_fold(setting.in_force), difference=True)
    overlap = overlap_of(log, stack)
    chance = setting.chance / 2  # two candidates are looked at
    lower = gain.robust.lower(chance)
    distance = (gain.robust.value - lower) / max(gain.robust.value, 1e-300)
    growth = max(distance**2, overlap.growth) if gain.robust.value > 0 else np.inf
    return Candidate(
        name=name,
        shares=tomorrow.mean(axis=0),
        value=evaluate(log, models, stack),
        gain=gain,
        lower=lower,
        overlap=overlap,
        refusals=overlap.refusals,
        is_small=gain.robust.value < LEAST_GAIN * abs(current.robust.value),
        decisions_needed=float(log.total * growth),
    )


def _by_fold(shares: FloatArray | None) -> FloatArray | None:
    """Return one policy as every fold is judged by it."""
    return None if shares is None else np.repeat(shares[None], FOLDS, axis=0)
