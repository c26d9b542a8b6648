"""The decision log, added up: all that learning and evaluation need to know of it.

Decisions of one context with the same action and propensity are one row, so the size of the log
does not depend on how many people were written to. People stay together in a bucket (a hash of
their pseudonymous key), which is what keeps errors honest when one person was decided for often.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from pipeline.core.errors import ConfigError, PipelineError
from pipeline.core.types import BoolArray, FloatArray, IntArray

BUCKETS = 200
"""Groups of people: enough for a normal bound on their sums, few enough to add up."""

FOLDS = 5
"""Bucket modulo this is a person's fold: learned on four fifths, judged on the fifth left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contexts:
    """Who can be decided for: a segment together with the actions that are allowed there.

    Attributes:
        segments, actions: names.
        segment: (n_contexts,), index of the context's segment.
        eligible: (n_contexts, n_actions).
    """

    segments: tuple[str, ...]
    actions: tuple[str, ...]
    segment: IntArray
    eligible: BoolArray

    def __post_init__(self) -> None:
        if self.eligible.shape != (self.segment.size, len(self.actions)):
            raise PipelineError(
                f"offers: {self.segment.size} contexts and {len(self.actions)} actions do not fit "
                f"an eligibility of {self.eligible.shape}"
            )
        if not self.eligible.any(axis=1).all():
            raise ConfigError("offers: a context has no eligible action; allow one, such as none")

    @property
    def size(self) -> int:
        """Number of contexts."""
        return self.segment.size


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionLog:
    """Decisions and their rewards, per (context, action, propensity, bucket); arrays (n_rows,).

    Attributes:
        contexts: what `context` points to.
        propensity: probability with which the action was chosen then, > 0.
        bucket: of the person, 0 to `BUCKETS` - 1.
        count: decisions, > 0.
        reward, reward_sq: sums of the rewards and of their squares.
        rewarded: decisions whose reward is not 0.
    """

    contexts: Contexts
    context: IntArray
    action: IntArray
    propensity: FloatArray
    bucket: IntArray
    count: FloatArray
    reward: FloatArray
    reward_sq: FloatArray
    rewarded: FloatArray

    def __post_init__(self) -> None:
        if not ((self.propensity > 0) & (self.propensity <= 1 + 1e-9)).all():
            worst = float(self.propensity[np.argmin(self.propensity)])
            raise PipelineError(
                f"decision log: every propensity must lie in (0, 1], got {worst:g}; "
                "log the probability with which the action was chosen"
            )
        if not self.contexts.eligible[self.context, self.action].all():
            raise PipelineError("decision log: an action was logged where it is not eligible")

    @property
    def fold(self) -> IntArray:
        """The fold of each row's people."""
        return np.asarray(self.bucket % FOLDS)

    @property
    def total(self) -> float:
        """Number of decisions."""
        return float(self.count.sum())

    def rows(self, chosen: BoolArray) -> Self:
        """Return the log of the chosen rows."""
        fields = ("context", "action", "propensity", "bucket")
        sums = ("count", "reward", "reward_sq", "rewarded")
        return replace(self, **{name: getattr(self, name)[chosen] for name in (*fields, *sums)})

    def with_segments(self, segments: tuple[str, ...]) -> Self:
        """Return the log with further segments after its own, without a decision in them."""
        return replace(self, contexts=replace(self.contexts, segments=segments))

    def cells(self, values: FloatArray) -> FloatArray:
        """Return sums per segment and action, (n_segments, n_actions), of a value per row."""
        n_segments, n_actions = len(self.contexts.segments), len(self.contexts.actions)
        cell = self.contexts.segment[self.context] * n_actions + self.action
        sums = np.bincount(cell, weights=values, minlength=n_segments * n_actions)
        return np.asarray(sums.reshape(n_segments, n_actions))
