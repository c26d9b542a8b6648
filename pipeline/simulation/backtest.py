"""Walk forward over a portfolio's own past: fit on what was known, forecast a week, compare.

Nothing is fitted on what it is scored on: at each cut the model sees only the days before, and
where a night's run was kept, those days as they were reported that morning.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import date
from typing import Any

import numpy as np

from pipeline.core.errors import UsageError
from pipeline.core.history import History, Vintages
from pipeline.core.types import BoolArray, FloatArray
from pipeline.response import FitSettings, fit_response
from pipeline.simulation.forecast import Forecast, forecast

HORIZON_DAYS = 7
LEAST_PAST_DAYS = 60
MATURING_DAYS = 14  # newest days whose outcomes are still coming in are not scored
SNAPSHOTS = 28  # earlier nights that are said to have seen what is reported today
CHANGED = 0.05  # a change of a line's weekly spend below this share teaches nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """What a night knew: the days before it, and what earlier nights had seen of them."""

    history: History
    vintages: Vintages


@dataclass(frozen=True, slots=True, kw_only=True)
class CutScore:
    """One week that the model had not seen.

    Attributes:
        day: the first of the week.
        as_known: whether the past was the one that the night of that day really saw.
        coverage: share of lines whose 90 % interval held the outcome.
        log_score, naive_log_score: mean log density of what happened, higher is better.
        error, naive_error: mean absolute error over the mean outcome; naive repeats last week.
        total_error, naive_total_error: the same for the portfolio's total.
    """

    day: date
    as_known: bool
    coverage: float
    log_score: float
    naive_log_score: float
    error: float
    naive_error: float
    total_error: float
    naive_total_error: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionValue:
    """Whether outcomes followed real changes of spend as the model said they would.

    Attributes:
        changes: how many line-weeks had a real change of spend.
        slope: outcome that came per outcome that was predicted from the change; 1 is right, 0
            says that the curves are no use.
        slope_error: its standard error, clustered by week.
        agreement: share of pairs of lines in a week whose order the model had right; 0.5 is chance.
    """

    changes: int
    slope: float
    slope_error: float
    agreement: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Backtest:
    """All weeks, and what they say about decisions."""

    metric: str
    cuts: tuple[CutScore, ...]
    decision: DecisionValue | None

    def summary(self) -> dict[str, Any]:
        """Return the means over weeks as plain values."""
        numbers = [f.name for f in fields(CutScore) if f.name not in {"day", "as_known"}]
        means = {n: float(np.mean([getattr(cut, n) for cut in self.cuts])) for n in numbers}
        return {
            "metric": self.metric,
            "weeks": len(self.cuts),
            "weeks_as_known": sum(cut.as_known for cut in self.cuts),
            **means,
            "decision": None if self.decision is None else asdict(self.decision),
        }


def walk_forward(
    history: History,
    metric: str,
    *,
    weeks: int = 8,
    known: Mapping[date, Past] | None = None,
    progress: Callable[[], None] = lambda: None,
) -> Backtest:
    """Return how well each of the last weeks was foreseen.

    Args:
        history: the whole past as it is reported today.
        metric: of the outcomes.
        weeks: how many to score, the newest ones that are complete.
        known: what the night of a day knew, for days that had one.
        progress: called after each week.

    Raises:
        UsageError: the past is too short, or does not have the metric.
    """
    if metric not in history.outcomes:
        raise UsageError(
            f"backtest: the outcomes have no {metric!r}, only {', '.join(sorted(history.outcomes))}"
        )
    cuts = _cuts(len(history.days), weeks)
    scores, effects = [], []
    for cut in cuts:
        score, effect = _one_week(history, metric, cut, known or {})
        scores.append(score)
        effects.append(effect)
        progress()
    return Backtest(metric=metric, cuts=tuple(scores), decision=_decision_value(effects))


def _cuts(n_days: int, weeks: int) -> Sequence[int]:
    newest = n_days - MATURING_DAYS - HORIZON_DAYS
    cuts = [newest - HORIZON_DAYS * i for i in range(weeks)]
    usable = sorted(cut for cut in cuts if cut >= LEAST_PAST_DAYS)
    if not usable:
        need = LEAST_PAST_DAYS + HORIZON_DAYS + MATURING_DAYS
        raise UsageError(
            f"backtest: {n_days} days of history, need {need}; wait, or load an older export"
        )
    return usable


def _one_week(
    history: History, metric: str, cut: int, known: Mapping[date, Past]
) -> tuple[CutScore, FloatArray]:
    """Return the week's score, and the effects of its spend changes as `_effects` does."""
    day = history.days[cut]
    seen = known.get(day)
    is_known = seen is not None and seen.history.lines == history.lines
    kept = seen if seen is not None and is_known else _restated(history, cut, metric)
    past = kept.history
    ahead = slice(cut, cut + HORIZON_DAYS)
    count = "conversions" if metric == "revenue" and "conversions" in history.outcomes else None
    settings = FitSettings(metric=metric, count=count)
    posterior = fit_response(past, settings, vintages=kept.vintages)
    rng = np.random.default_rng(day.toordinal())
    ours = forecast(posterior, past, history.spend[ahead], rng=rng)
    actual = np.nan_to_num(history.outcomes[metric][ahead]).sum(axis=0)
    usable = np.asarray(history.trusted[ahead].all(axis=0))
    naive, naive_sd = _last_week(past, metric)
    score = CutScore(
        day=day,
        as_known=is_known,
        **_errors(ours, actual, naive, naive_sd, usable),
    )
    spread = history.spend[ahead].mean(axis=0) / np.maximum(past.spend[-7:].mean(axis=0), 1e-9)
    changed = np.asarray(usable & (np.abs(spread - 1) > CHANGED) & (ours.unchanged > 0))
    return score, _effects(ours, actual, changed)


def _last_week(past: History, metric: str) -> tuple[FloatArray, FloatArray]:
    """Return each line's newest week, and the spread of earlier weeks around the week before."""
    outcome = np.nan_to_num(past.outcomes[metric])
    weeks = outcome.shape[0] // HORIZON_DAYS
    total = outcome[-weeks * HORIZON_DAYS :].reshape(weeks, HORIZON_DAYS, -1).sum(axis=1)
    change = np.diff(total, axis=0)
    return total[-1], np.sqrt(np.square(change).mean(axis=0) + 1e-9)


def _errors(
    ours: Forecast,
    actual: FloatArray,
    naive: FloatArray,
    naive_sd: FloatArray,
    usable: BoolArray,
) -> dict[str, float]:
    low, high = np.quantile(ours.total, [0.05, 0.95], axis=0)
    held = (actual >= low) & (actual <= high)
    mean, sd = ours.total.mean(axis=0), ours.total.std(axis=0)
    scale = max(float(actual[usable].mean()), 1e-9)
    whole = max(float(actual[usable].sum()), 1e-9)
    return {
        "coverage": float(held[usable].mean()),
        "log_score": float(_log_density(actual, mean, sd)[usable].mean()),
        "naive_log_score": float(_log_density(actual, naive, naive_sd)[usable].mean()),
        "error": float(np.abs(actual - mean)[usable].mean()) / scale,
        "naive_error": float(np.abs(actual - naive)[usable].mean()) / scale,
        "total_error": abs(float((actual - mean)[usable].sum())) / whole,
        "naive_total_error": abs(float((actual - naive)[usable].sum())) / whole,
    }


def _log_density(actual: FloatArray, mean: FloatArray, sd: FloatArray) -> FloatArray:
    """Return the normal log density of the outcome."""
    sd = np.maximum(sd, 1e-6 * np.maximum(np.abs(mean), 1.0))
    z = (actual - mean) / sd
    return np.asarray(-0.5 * z**2 - np.log(sd) - 0.5 * np.log(2 * np.pi))


def _effects(ours: Forecast, actual: FloatArray, changed: BoolArray) -> FloatArray:
    """Return predicted and realised relative effects and their precision, (3, n_changed).

    Against what the model expected of unchanged spend, and against the mean of the week's lines:
    what all lines share was demand.
    """
    if changed.sum() < 2:
        return np.empty((3, 0))
    base = ours.unchanged[changed]
    effects = np.stack([ours.expected[changed] / base - 1, actual[changed] / base - 1])
    precision = np.square(base / ours.total.std(axis=0)[changed])
    effects -= (effects * precision).sum(axis=1, keepdims=True) / precision.sum()
    return np.vstack([effects, precision])


def _decision_value(weeks: Sequence[FloatArray]) -> DecisionValue | None:
    """Return the slope of realised on predicted effects, and how often their order agreed."""
    information = sum(float((p * x**2).sum()) for x, _, p in weeks)
    if information <= 0:
        return None
    slope = sum(float((p * x * y).sum()) for x, y, p in weeks) / information
    scores = [float((p * x * (y - slope * x)).sum()) for x, y, p in weeks]
    right = pairs = 0
    for predicted, realised, _ in weeks:
        one, other = np.triu_indices(predicted.size, 1)
        order = np.sign(predicted[one] - predicted[other])
        truth = np.sign(realised[one] - realised[other])
        right += int((order * truth > 0).sum())
        pairs += int((order * truth != 0).sum())
    return DecisionValue(
        changes=sum(week.shape[1] for week in weeks),
        slope=slope,
        slope_error=float(np.sqrt(np.square(scores).sum())) / information,
        agreement=right / max(pairs, 1),
    )


def _restated(history: History, cut: int, metric: str) -> Past:
    """Return the days before `cut` as they are reported today, and said to be complete."""
    past = history.until(cut)
    names = [line[0] for line in past.lines]
    groups = sorted(set(names))
    member = np.array([[name == group for group in groups] for name in names], dtype=float)
    counted = past.outcomes["conversions" if "conversions" in past.outcomes else metric]
    totals = np.nan_to_num(counted) @ member
    ordinals = np.array([day.toordinal() for day in past.days], dtype=float)
    night, age = (axis.ravel() for axis in np.mgrid[cut - SNAPSHOTS : cut, 1 : SNAPSHOTS + 1])
    day = night - age
    return Past(
        history=past,
        vintages=Vintages(
            seen_on=np.repeat(ordinals[night], len(groups)),
            day=np.repeat(ordinals[day], len(groups)),
            group=tuple(groups) * day.size,
            outcome=totals[day].ravel(),
        ),
    )
