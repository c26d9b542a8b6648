"""Walk forward over a portfolio's own past: fit on what was known, forecast a week, compare.

Nothing is fitted on what it is scored on: at each cut the model sees only the days before, judged
as that morning would have judged them. Whether the week itself can be scored is judged apart from
that, and whatever is left out is counted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import date
from typing import Any

import numpy as np

from pipeline.core.errors import DataNotTrustedError, UsageError
from pipeline.core.history import History
from pipeline.core.types import BoolArray, FloatArray, IntArray, Line
from pipeline.simulation.effects import DecisionValue, decision_value, effects_of
from pipeline.simulation.forecast import Forecast, forecast
from pipeline.simulation.known import Past

HORIZON_DAYS = 7
LEAST_PAST_DAYS, LEAST_PAST_WEEKS = 60, 26
"""Of history before the first week that is scored; weeks, where a row spans one."""

MATURING_DAYS = 14  # newest days whose outcomes are still coming in are not scored
CHANGED = 0.05  # a change of a line's weekly spend below this share teaches nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class CutScore:
    """One week that the model had not seen.

    Attributes:
        day: the first of the week.
        as_known: whether the past was the one that the night of that day really saw.
        lines, lines_left_out: how many lines are scored, and how many spent and are not: their
            data of the week are in doubt, or they were not known before it. Where outcomes are
            known for groups of lines, groups.
        coverage: share of lines whose 90 % interval held the outcome.
        log_score, naive_log_score: mean log density of what happened, higher is better.
        error, naive_error: mean absolute error over the mean outcome; naive repeats last week.
        total_error, naive_total_error: the same for the portfolio's total.
    """

    day: date
    as_known: bool
    lines: int
    lines_left_out: int
    coverage: float
    log_score: float
    naive_log_score: float
    error: float
    naive_error: float
    total_error: float
    naive_total_error: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """A week that could not be scored, and why."""

    day: date
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Backtest:
    """All weeks, and what they say about decisions.

    Attributes:
        known_by: `line`, or `series` where outcomes are known for groups of lines.
        names: how many of them.
        asked: how many weeks were asked for.
        n_days: of history; fewer weeks than were asked for fit into a short one.
        n_learning: of them, the first days that are only learned from.
        cuts: the weeks that were scored, one at least.
        left_out: those that could not be.
    """

    metric: str
    known_by: str
    names: int
    asked: int
    n_days: int
    n_learning: int
    cuts: tuple[CutScore, ...]
    left_out: tuple[LeftOut, ...]
    decision: DecisionValue | None

    def summary(self) -> dict[str, Any]:
        """Return the means over weeks as plain values."""
        counts = {"day", "as_known", "lines", "lines_left_out"}
        numbers = [f.name for f in fields(CutScore) if f.name not in counts]
        means = {n: float(np.mean([getattr(cut, n) for cut in self.cuts])) for n in numbers}
        return {
            "metric": self.metric,
            "known_by": self.known_by,
            "weeks": len(self.cuts),
            "weeks_asked": self.asked,
            "weeks_left_out": len(self.left_out),
            "weeks_as_known": sum(cut.as_known for cut in self.cuts),
            "line_weeks": sum(cut.lines for cut in self.cuts),
            "line_weeks_left_out": sum(cut.lines_left_out for cut in self.cuts),
            **means,
            "decision": None if self.decision is None else asdict(self.decision),
        }


def walk_forward(
    history: History,
    metric: str,
    *,
    past_on: Callable[[date], Past],
    weeks: int = 8,
    progress: Callable[[int], None] = lambda _: None,
) -> Backtest:
    """Return how well each of the last weeks was foreseen.

    Args:
        history: the whole past as it is reported today, to score by.
        metric: of the outcomes.
        past_on: what the night of a day knew, of lines that `history` has.
        weeks: how many to score, the newest ones that are complete.
        progress: told after each week how many are left.

    Raises:
        UsageError: the past is too short, or does not have the metric.
        DataNotTrustedError: no week can be scored.
    """
    if metric not in history.metrics:
        raise UsageError(
            f"backtest: the outcomes have no {metric!r}, only {', '.join(sorted(history.metrics))}"
        )
    n_learning = _learning_days(history)
    cuts = _cuts(len(history.days), weeks, n_learning)
    scores, effects, left_out = [], [], []
    for done, cut in enumerate(cuts, start=1):
        day = history.days[cut]
        past = past_on(day)
        found = past.fault or _one_week(history, metric, cut, past)
        if isinstance(found, str):
            left_out.append(LeftOut(day=day, why=found))
        else:
            scores.append(found[0])
            effects.append(found[1])
        progress(len(cuts) - done)
    if not scores:
        raise DataNotTrustedError(
            f"backtest: none of {len(cuts)} weeks can be scored; the newest, from "
            f"{left_out[-1].day}, because {left_out[-1].why}; mend the source, or ask for an "
            "earlier --date"
        )
    return Backtest(
        metric=metric,
        known_by=_known_by(history),
        names=len(history.outcome_side.lines),
        asked=weeks,
        n_days=len(history.days),
        n_learning=n_learning,
        cuts=tuple(scores),
        left_out=tuple(left_out),
        decision=decision_value(effects),
    )


def _known_by(history: History) -> str:
    return "line" if history.measured is None else "series"


def _learning_days(history: History) -> int:
    is_weekly = history.measured is not None and history.measured.period_days > 1
    return HORIZON_DAYS * LEAST_PAST_WEEKS if is_weekly else LEAST_PAST_DAYS


def _cuts(n_days: int, weeks: int, n_learning: int) -> Sequence[int]:
    newest = n_days - MATURING_DAYS - HORIZON_DAYS
    cuts = [newest - HORIZON_DAYS * i for i in range(weeks)]
    usable = sorted(cut for cut in cuts if cut >= n_learning)
    if not usable:
        need = n_learning + HORIZON_DAYS + MATURING_DAYS
        raise UsageError(
            f"backtest: {n_days} days of history, need {need}; wait, or load an older export"
        )
    return usable


def _one_week(
    history: History, metric: str, cut: int, past: Past
) -> tuple[CutScore, FloatArray] | str:
    """Return the week's score and the effects of its spend changes, or why there is no score."""
    ahead, day = slice(cut, cut + HORIZON_DAYS), history.days[cut]
    side, before = history.outcome_side, past.history.outcome_side
    if not _usable(history, side, before.lines, past, ahead).any():
        return f"the data of the week are in doubt for every {_known_by(history)}"
    rng = np.random.default_rng(day.toordinal())
    posterior = past.fitted(metric, rng)
    spend = history.of_lines(_places(past.history.lines, history.lines)).spend
    ours = forecast(posterior, past.history, spend[ahead], rng=rng)
    usable = _usable(history, side, ours.names, past, ahead)
    if not usable.any():
        return f"every {_known_by(history)} that can be forecast is in doubt that week"
    places = _places(ours.names, side.lines)
    actual = np.nan_to_num(side.outcomes[metric][ahead][:, places]).sum(axis=0)
    before = before.of_lines(_places(ours.names, before.lines))
    naive, naive_sd = _last_week(before, metric)
    unscored = set(np.flatnonzero(side.spend[ahead].any(axis=0))) - set(places[usable])
    score = CutScore(
        day=day,
        as_known=past.as_known,
        lines=int(usable.sum()),
        lines_left_out=len(unscored),
        **_errors(ours, actual, naive, naive_sd, usable),
    )
    usual = np.maximum(before.spend[-7:].mean(axis=0), 1e-9)
    spread = side.spend[ahead][:, places].mean(axis=0) / usual
    changed = np.asarray(usable & (np.abs(spread - 1) > CHANGED) & (ours.unchanged > 0))
    return score, effects_of(ours, actual, changed)


def _usable(
    history: History, side: History, names: Sequence[Line], past: Past, ahead: slice
) -> BoolArray:
    """Return what of a week can be scored, (n,): nothing is in doubt, all that spent was known."""
    new = ~np.isin(np.arange(len(history.lines)), _places(past.history.lines, history.lines))
    measured = history.measured
    trusted = np.array(side.trusted[ahead].all(axis=0), dtype=bool)
    if measured is not None:
        spent = history.spend[ahead].any(axis=0)
        trusted[measured.unit_of(history.lines)[new & spent]] = False
    return np.asarray(trusted[_places(names, side.lines)])


def _places(names: Sequence[Line], among: Sequence[Line]) -> IntArray:
    place = {name: index for index, name in enumerate(among)}
    return np.array([place[name] for name in names], dtype=np.int64)


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
