"""Whether a log can say anything about a policy, before any number is believed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.bandits.offers.log import DecisionLog
from pipeline.core.types import FloatArray

MIN_DECISIONS = 500.0
"""Effective decisions that a value must rest on."""
MIN_REWARDS = 30.0
"""Effective rewards that it must rest on."""
MAX_WEIGHT = 0.05
"""Share of the weight that one decision may carry."""
MIN_SUPPORT = 0.99
"""Share of the policy that the log has seen at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlap:
    """How much of a log speaks about a policy.

    Attributes:
        decisions: effective sample size, (sum w)^2 / sum w^2 (Kish 1965).
        rewards: the same over decisions that earned something.
        max_weight: largest share of one decision.
        support: share of the policy's decisions whose action was logged in that context.
    """

    decisions: float
    rewards: float
    max_weight: float
    support: float

    @property
    def refusals(self) -> tuple[str, ...]:
        """Why the policy cannot be evaluated; empty where it can."""
        found = []
        if self.support < MIN_SUPPORT:
            found.append(
                f"{1 - self.support:.0%} of its decisions were never logged, "
                f"at most {1 - MIN_SUPPORT:.0%} may be"
            )
        if self.decisions < MIN_DECISIONS:
            found.append(
                f"the log is worth {self.decisions:,.0f} decisions, needs {MIN_DECISIONS:,.0f}"
            )
        if self.rewards < MIN_REWARDS:
            found.append(f"it holds {self.rewards:,.0f} rewards, needs {MIN_REWARDS:.0f}")
        if self.max_weight > MAX_WEIGHT:
            found.append(
                f"one decision carries {self.max_weight:.0%} of the weight, "
                f"at most {MAX_WEIGHT:.0%} may"
            )
        return tuple(found)

    @property
    def growth(self) -> float:
        """Times as much of the same log as would be enough; infinite where it would never be."""
        if self.support < MIN_SUPPORT:
            return np.inf
        return max(
            MIN_DECISIONS / max(self.decisions, 1e-9),
            MIN_REWARDS / max(self.rewards, 1e-9),
            self.max_weight / MAX_WEIGHT,
            1.0,
        )


def overlap_of(log: DecisionLog, shares: FloatArray) -> Overlap:
    """Return how much of the log speaks about a policy.

    Args:
        shares: (n_folds, n_contexts, n_actions), the policy that each fold is judged by.
    """
    weight = shares[log.fold, log.context, log.action] / log.propensity
    total = float((log.count * weight).sum())
    average = shares.mean(axis=0)
    context_share = np.bincount(log.context, weights=log.count, minlength=average.shape[0])
    logged = np.zeros(average.shape, dtype=bool)
    logged[log.context, log.action] = True
    asked = context_share[:, None] * average
    return Overlap(
        decisions=_effective(log.count, weight),
        rewards=_effective(log.rewarded, weight),
        max_weight=float(weight.max() / total) if total > 0 else 1.0,
        support=float((asked * logged).sum() / asked.sum()),
    )


def _effective(count: FloatArray, weight: FloatArray) -> float:
    square = float((count * weight**2).sum())
    return float((count * weight).sum()) ** 2 / square if square > 0 else 0.0
