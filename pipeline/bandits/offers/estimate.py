"""What a policy would have earned on the logged people: four estimators, one error each.

Every error is computed over buckets of people, so decisions for the same person may depend on
each other. The doubly robust one decides; the others must agree with it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import t as student

from pipeline.bandits.offers.log import BUCKETS, DecisionLog
from pipeline.bandits.offers.reward import RewardModel
from pipeline.core.types import FloatArray

MOST_APART = 3.0
"""Standard errors that `robust` and `normalised` may lie apart and still tell one story."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A mean reward per decision with its standard error and the skew of its parts."""

    value: float
    standard_error: float
    skew: float = 0.0

    def lower(self, chance: float) -> float:
        """Return the bound below which the truth lies with at most `chance`.

        The smaller of Student's bound and the one corrected for skew.
        Source: Johnson (1978), "Modified t tests and confidence intervals for asymmetrical
        populations", JASA 73.
        """
        z = float(student.ppf(1 - chance, BUCKETS - 1))
        shift = self.skew / (6 * np.sqrt(BUCKETS)) * (1 + 2 * z**2)
        return self.value - self.standard_error * (z + max(-float(shift), 0.0))

    def upper(self, chance: float) -> float:
        """Return the bound above which the truth lies with at most `chance`."""
        mirrored = Estimate(value=-self.value, standard_error=self.standard_error, skew=-self.skew)
        return -mirrored.lower(chance)


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimates:
    """One policy (or a difference of two) as each estimator sees it.

    Attributes:
        direct: the reward model alone (DM).
        weighted: importance weights alone (IPW).
        normalised: the same divided by the weights' sum (SNIPS).
        robust: the model corrected by weighted residuals (DR, cross-fitted).
        disagreement: standard errors between `robust` and `normalised`.
    """

    direct: Estimate
    weighted: Estimate
    normalised: Estimate
    robust: Estimate
    disagreement: float

    @property
    def agree(self) -> bool:
        """Whether the estimators tell one story: same sign, and no gap that chance cannot make."""
        signs = {np.sign(e.value) for e in (self.direct, self.normalised, self.robust)}
        return len(signs) == 1 and self.disagreement <= MOST_APART


@dataclass(frozen=True, slots=True)
class _Sums:
    """Per bucket: what each estimator adds up, (n_buckets,) each."""

    direct: FloatArray
    weighted: FloatArray
    weight: FloatArray
    robust: FloatArray


def evaluate(
    log: DecisionLog,
    models: tuple[RewardModel, ...],
    shares: FloatArray | None,
    against: FloatArray | None = None,
    *,
    difference: bool = False,
) -> Estimates:
    """Return the value per decision of a policy, or by how much it beats another.

    Args:
        models: one per fold, fitted without it.
        shares: (n_folds, n_contexts, n_actions), the policy that each fold is judged by; None
            for the policy that was logged.
        against: the same for the policy that it is compared with.
        difference: compare at all.

    Source: Dudik, Langford and Li (2011), "Doubly robust policy evaluation and learning";
    cross-fitting as in Chernozhukov and others (2018). The average of the folds' policies has
    the average of their values, so what is judged is exactly what would be deployed.
    """
    count = _by_bucket(log, log.count)
    new = _sums(log, models, shares)
    old = _sums(log, models, against) if difference else None
    direct = _mean(new.direct - old.direct if old else new.direct, count)
    weighted = _mean(new.weighted - old.weighted if old else new.weighted, count)
    robust = _mean(new.robust - old.robust if old else new.robust, count)
    parts = _ratio_parts(new)
    value = float(new.weighted.sum() / max(new.weight.sum(), 1e-300))
    if old:
        parts = parts - _ratio_parts(old)
        value -= float(old.weighted.sum() / max(old.weight.sum(), 1e-300))
    normalised = Estimate(
        value=value, standard_error=_spread(parts * count.sum(), count), skew=_skew(parts)
    )
    gap_parts = (new.robust - old.robust if old else new.robust) / count.sum()
    gap_parts = gap_parts - robust.value * count / count.sum() - parts
    gap = float(np.sqrt(np.square(gap_parts).sum()))
    distance = abs(robust.value - value)
    return Estimates(
        direct=direct,
        weighted=weighted,
        normalised=normalised,
        robust=robust,
        disagreement=0.0 if distance < 1e-12 else distance / max(gap, 1e-300),
    )


def _sums(log: DecisionLog, models: tuple[RewardModel, ...], shares: FloatArray | None) -> _Sums:
    if shares is None:  # what was logged is its own weight of 1
        plain = _by_bucket(log, log.reward)
        return _Sums(plain, plain, _by_bucket(log, log.count), plain)
    fold, context, action = log.fold, log.context, log.action
    segment = log.contexts.segment
    expected = np.stack([model.mean for model in models])[:, segment, :]
    policy = (shares * expected).sum(axis=2)  # (n_folds, n_contexts)
    weight = shares[fold, context, action] / log.propensity
    direct = log.count * policy[fold, context]
    residual = log.reward - log.count * expected[fold, context, action]
    return _Sums(
        _by_bucket(log, direct),
        _by_bucket(log, weight * log.reward),
        _by_bucket(log, weight * log.count),
        _by_bucket(log, direct + weight * residual),
    )


def _by_bucket(log: DecisionLog, values: FloatArray) -> FloatArray:
    return np.asarray(np.bincount(log.bucket, weights=values, minlength=BUCKETS))


def _mean(parts: FloatArray, count: FloatArray) -> Estimate:
    value = float(parts.sum() / count.sum())
    centred = parts - value * count
    return Estimate(value=value, standard_error=_spread(centred, count), skew=_skew(centred))


def _ratio_parts(sums: _Sums) -> FloatArray:
    """Return each bucket's pull on the self-normalised value."""
    total = max(float(sums.weight.sum()), 1e-300)
    value = sums.weighted.sum() / total
    return np.asarray((sums.weighted - value * sums.weight) / total)


def _spread(centred: FloatArray, count: FloatArray) -> float:
    freedom = centred.size / (centred.size - 1)
    return float(np.sqrt(freedom * np.square(centred).sum()) / count.sum())


def _skew(centred: FloatArray) -> float:
    middle = centred - centred.mean()
    spread = float(np.sqrt(np.square(middle).mean()))
    return float((middle**3).mean() / spread**3) if spread > 0 else 0.0
