"""Whether outcomes followed real changes of spend as the curves said they would."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import t as student

from pipeline.core.types import BoolArray, FloatArray
from pipeline.simulation.forecast import Forecast


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionValue:
    """How much of the predicted effects of real changes of spend came.

    Attributes:
        changes: how many line-weeks had a real change of spend.
        weeks: how many weeks they lie in. What moves one week moves all its lines, so weeks and
            not changes are what can be counted on.
        slope: outcome that came per outcome that was predicted from the change; 1 is right, 0
            says that the curves are no use.
        slope_error: its standard error, by week or by line, the larger; None of one week, which
            cannot tell.
        slope_low, slope_high: its 90 % interval; None of one week.
        agreement: share of pairs of lines in a week whose order the model had right; 0.5 is chance.
    """

    changes: int
    weeks: int
    slope: float
    slope_error: float | None
    slope_low: float | None
    slope_high: float | None
    agreement: float

    def meaning(self) -> str:
        """Return what the slope and its interval say to somebody who follows the curves."""
        if self.slope_low is None or self.slope_high is None:
            return "one week cannot tell how much of that is chance"
        if self.slope_low > 1:
            return "more came than the curves promise: they are too careful"
        if self.slope_high >= 1:
            return (
                "outcomes follow the curves"
                if self.slope_low > 0
                else "that cannot tell good curves from useless ones"
            )
        return (
            "less came than the curves promise: expect less than a plan says"
            if self.slope_low > 0
            else "outcomes do not follow the curves: do not rely on them"
        )


def effects_of(ours: Forecast, actual: FloatArray, changed: BoolArray) -> FloatArray:
    """Return predicted and realised relative effects and their precision, (3, n_changed).

    Against what the model expected of unchanged spend, and against the mean of the week's lines:
    what all lines share was demand.

    Args:
        ours: the week's forecast.
        actual: (n_lines,), the outcomes that came.
        changed: (n_lines,), whose spend really changed; fewer than two say nothing.
    """
    if changed.sum() < 2:
        return np.empty((3, 0))
    base = ours.unchanged[changed]
    effects = np.stack([ours.expected[changed] / base - 1, actual[changed] / base - 1])
    precision = np.square(base / ours.total.std(axis=0)[changed])
    effects -= (effects * precision).sum(axis=1, keepdims=True) / precision.sum()
    return np.vstack([effects, precision])


def decision_value(weeks: Sequence[FloatArray]) -> DecisionValue | None:
    """Return the slope of realised on predicted effects, and how often their order agreed.

    None where spend hardly changed. The slope is the one that makes the weeks' scores add up to
    zero, so few weeks look closer to it than they are: the variance is raised by G / (G - 1) for G
    weeks, and the interval is that of Student's t with G - 1 degrees of freedom. Weeks that happen
    to agree do not undo the noise of their lines, which the forecasts know: the larger error is
    taken.

    Args:
        weeks: of each, what `effects_of` returns.

    Source: Cameron and Miller (2015), A Practitioner's Guide to Cluster-Robust Inference, Journal
        of Human Resources 50(2), section VI on few clusters; Angrist and Pischke (2009), Mostly
        Harmless Econometrics, section 8.2, on the larger of two errors.
    """
    each = [float((p * x**2).sum()) for x, _, p in weeks]
    information = sum(each)
    if information <= 0:
        return None
    slope = sum(float((p * x * y).sum()) for x, y, p in weeks) / information
    scores = [float((p * x * (y - slope * x)).sum()) for x, y, p in weeks]
    n_weeks = sum(part > 0 for part in each)
    error = reach = None
    if n_weeks > 1:
        spread = float(np.square(scores).sum()) * n_weeks / (n_weeks - 1)
        error = max(spread**0.5 / information, information**-0.5)
        reach = float(student.ppf(0.95, n_weeks - 1)) * error
    right = pairs = 0
    for predicted, realised, _ in weeks:
        one, other = np.triu_indices(predicted.size, 1)
        order = np.sign(predicted[one] - predicted[other])
        truth = np.sign(realised[one] - realised[other])
        right += int((order * truth > 0).sum())
        pairs += int((order * truth != 0).sum())
    return DecisionValue(
        changes=sum(week.shape[1] for week in weeks),
        weeks=n_weeks,
        slope=slope,
        slope_error=error,
        slope_low=None if reach is None else slope - reach,
        slope_high=None if reach is None else slope + reach,
        agreement=right / max(pairs, 1),
    )
