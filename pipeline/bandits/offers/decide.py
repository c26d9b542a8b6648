"""Which policy to follow: a new one only where the log proves that it earns more."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from pipeline.bandits.offers.estimate import Estimates, evaluate
from pipeline.bandits.offers.log import DecisionLog
from pipeline.bandits.offers.overlap import Overlap, overlap_of
from pipeline.bandits.offers.policy import DRAWS, best_shares, floors_of, for_all
from pipeline.bandits.offers.reward import RewardModel, fold_models
from pipeline.core.types import FloatArray

ERROR = 0.05
"""Chance of proposing a policy that is not better than the one in force."""

PERSONAL_ERROR = 0.01
"""Chance of treating segments differently where one answer for all is as good."""


class Choice(StrEnum):
    """What is proposed."""

    KEEP = "keep"
    ONE_FOR_ALL = "one for all"
    PERSONAL = "personal"


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A policy that was considered.

    Attributes:
        shares: (n_contexts, n_actions), what would be deployed.
        value: per decision. gain: against the policy in force.
        lower: bound of the gain at its share of `ERROR`.
        refusals: why the log cannot speak about it.
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
    decisions_needed: float

    @property
    def is_better(self) -> bool:
        """Whether the log proves that it beats the policy in force."""
        return not self.refusals and self.gain.agree and self.lower > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferDecision:
    """What is proposed, and everything that was weighed.

    Attributes:
        shares: (n_contexts, n_actions); None where the policy in force stays.
        personal_gain: the personal policy against one for all.
    """

    choice: Choice
    shares: FloatArray | None
    current: Estimates
    candidates: tuple[Candidate, ...]
    personal_gain: Estimates
    personal_lower: float
    interaction: float


def decide_offers(
    log: DecisionLog,
    rng: np.random.Generator,
) -> OfferDecision:
    """Return the policy that the log proves to beat the one it was written under.

    Args:
        log: rewards net of costs, matured.
    """
    models = fold_models(log)
    least = floors_of(log.contexts)
    people = log.cells(log.count).sum(axis=1)
    personal, common = [], []
    for model in models:
        draws = model.draws(rng, DRAWS)
        personal.append(best_shares(log.contexts, least, draws))
        common.append(best_shares(log.contexts, least, for_all(draws, people)))
    stacks = {Choice.ONE_FOR_ALL: np.stack(common), Choice.PERSONAL: np.stack(personal)}
    candidates = tuple(_candidate(name, stack, log, models) for name, stack in stacks.items())
    apart = evaluate(
        log, models, stacks[Choice.PERSONAL], stacks[Choice.ONE_FOR_ALL], difference=True
    )
    apart_lower = apart.robust.lower(PERSONAL_ERROR)
    simple, own = candidates
    choice, shares = Choice.KEEP, None
    if own.is_better and apart.agree and apart_lower > 0:
        choice, shares = Choice.PERSONAL, own.shares
    elif simple.is_better:
        choice, shares = Choice.ONE_FOR_ALL, simple.shares
    return OfferDecision(
        choice=choice,
        shares=shares,
        current=evaluate(log, models, None),
        candidates=candidates,
        personal_gain=apart,
        personal_lower=apart_lower,
        interaction=float(np.mean([model.interaction for model in models])),
    )


def _candidate(
    name: Choice,
    stack: FloatArray,
    log: DecisionLog,
    models: tuple[RewardModel, ...],
) -> Candidate:
    gain = evaluate(log, models, stack, difference=True)
    overlap = overlap_of(log, stack)
    chance = ERROR / 2  # two candidates are looked at
    lower = gain.robust.lower(chance)
    distance = (gain.robust.value - lower) / max(gain.robust.value, 1e-300)
    growth = max(distance**2, overlap.growth) if gain.robust.value > 0 else np.inf
    return Candidate(
        name=name,
        shares=stack.mean(axis=0),
        value=evaluate(log, models, stack),
        gain=gain,
        lower=lower,
        overlap=overlap,
        refusals=overlap.refusals,
        decisions_needed=float(log.total * growth),
    )
