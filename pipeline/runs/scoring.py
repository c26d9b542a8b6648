"""Score what earlier plans promised, watch the inputs, and hand the verdict to tonight's decision.

The night runs `score` as a step of its own; `score_portfolio` answers the same question at any
time, from the sources as they are then.
"""

from __future__ import annotations

import math
import tempfile
from dataclasses import asdict, dataclass, replace
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.core.errors import DataNotTrustedError
from pipeline.core.findings import Finding, Level
from pipeline.core.types import FloatArray, JsonObject
from pipeline.core.watch import Watch
from pipeline.io import warehouse
from pipeline.io.artefacts import RunFolder, begin_run, json_bytes, parquet_bytes, write_file
from pipeline.runs import storage
from pipeline.runs.ahead_files import AHEAD, read_line_ahead
from pipeline.runs.followed import not_followed
from pipeline.runs.gain import Judged, judge, under_new_names
from pipeline.runs.holdouts import HoldoutScore, holdout_scores
from pipeline.runs.inputs import Inputs, read_inputs
from pipeline.runs.portfolio import Portfolio
from pipeline.runs.promises import read_promises
from pipeline.runs.realised import realised_by_now
from pipeline.runs.renames import one_line
from pipeline.scoring.calibration import Calibration, calibrate, calibration_findings, widening
from pipeline.scoring.consequences import alarms_of, ends_of, watch_of
from pipeline.scoring.drift import alarm_limit, find_shifts
from pipeline.scoring.inputs import WATCHED_DAYS, Seen, watched_series
from pipeline.scoring.scores import Adoption, Promised, Realised, Score, adoption, score_plans

if TYPE_CHECKING:
    from pipeline.core.history import History
    from pipeline.io.facts import Facts as Tables

SCORES = "scores.parquet"
SCORES_FOLDER = "scores"


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreCard:
    """Everything that is known of past plans on one morning.

    Attributes:
        day: the morning's.
        scores: by plan, horizon and line, immature ones included.
        adoptions: one a plan.
        calibrations: by horizon and line, the total first.
        judged: what plans earned over the status quo; empty where no curves were learned, or
            where nobody knows which line earned what.
        holdouts: what plans were worth against units kept on the old plan.
        watch: alarms and what is done about them.
        findings: what else a signer should know.
    """

    day: date
    metric: str
    currency: str
    scores: tuple[Score, ...]
    adoptions: tuple[Adoption, ...]
    calibrations: tuple[Calibration, ...]
    judged: Judged
    holdouts: tuple[HoldoutScore, ...]
    watch: Watch
    findings: tuple[Finding, ...] = ()

    def to_json(self) -> JsonObject:
        """Return plain JSON values: totals plan by plan, calibration, gain, alarms."""
        adopted = {item.plan_id: item for item in self.adoptions}
        worth = {item.plan_id: item for item in self.judged.worths}
        return {
            "date": self.day.isoformat(),
            "metric": self.metric,
            "currency": self.currency,
            "plans": [
                {
                    **_plain(score),
                    "is_mature": score.is_mature,
                    "is_inside": score.is_inside,
                    "adopted_share": getattr(adopted.get(score.plan_id), "adopted_share", None),
                    "gain": getattr(worth.get(score.plan_id), "gain", None),
                    "missed": getattr(worth.get(score.plan_id), "missed", None),
                }
                for score in self.scores
                if not score.line
            ],
            "calibration": [_plain(item) for item in self.calibrations],
            "adoption": [_plain(item) for item in self.adoptions],
            "worth": [_plain(item) for item in self.judged.worths],
            "gain": self.judged.to_json(),
            "holdouts": [item.to_json() for item in self.holdouts],
            "watch": self.watch.model_dump(mode="json"),
        }


def score(work: RunFolder) -> None:
    """Score earlier plans and watch the inputs; write scores, verdict and what findings follow."""
    if not work.exists(warehouse.LINE_DAY):
        return
    inputs = read_inputs(work)
    card = _score_card(work, inputs)
    work.write_json(storage.WATCH, card.watch.model_dump(mode="json"))
    if card.scores:
        work.write_parquet(SCORES, score_table(card.scores))
    work.write_json(storage.SCORE_CARD, card.to_json())
    known = {item.check for item in storage.read_findings(work, storage.FINDINGS)}
    if "set-otherwise" not in known:  # which names the lines
        storage.add_findings(work, storage.FINDINGS, card.findings)


@dataclass(frozen=True, slots=True, kw_only=True)
class DayScore:
    """What one earlier plan promised a day, all lines, and what came so far.

    Of its own day; where outcomes are known by the week, of the week that it forecast first.
    """

    plan_id: str
    day: date
    days: int
    promised: float
    p05: float
    p95: float
    came: float | None
    complete_share: float | None
    adopted_share: float | None


def read_day_scores(work: RunFolder) -> list[DayScore]:
    """Return what the night found of the first days that earlier plans forecast, oldest first."""
    if not work.exists(storage.SCORE_CARD):
        return []
    card = work.read_json(storage.SCORE_CARD)
    seen = {(item["plan_id"], item["horizon"]): item for item in card["plans"]}
    adopted = {item["plan_id"]: item["adopted_share"] for item in card["adoption"]}
    out = []
    for promise in read_promises(work):
        forecast, days = promise.forecast, promise.forecast.horizons[0]
        known = seen.get((promise.plan_id, days))
        out.append(
            DayScore(
                plan_id=promise.plan_id,
                day=forecast.day,
                days=days,
                promised=float(forecast.mean[0, -1]) / days,
                p05=float(forecast.quantiles[0, -1, 0]) / days,
                p95=float(forecast.quantiles[0, -1, -1]) / days,
                came=None if known is None else known["came"] / days,
                complete_share=None if known is None else known["complete_share"],
                adopted_share=adopted.get(promise.plan_id),
            )
        )
    return out


def past_gain(work: RunFolder, inputs: Inputs) -> Judged:
    """Return what the plans of the last weeks earned and missed, on tonight's curves.

    Nothing is judged by a night that learned no curves; it may have staged no tables either.
    """
    if not work.exists(AHEAD):
        return Judged()
    history = warehouse.read_history(work, inputs.policy)
    realised = realised_by_now(work, inputs, warehouse.read_facts(work), history)
    return _judged(work, inputs, realised, history)


def score_portfolio(portfolio: Portfolio, day: date) -> ScoreCard:
    """Return the scores as of a morning, from the sources as they are now, and keep them.

    Raises:
        DataNotTrustedError: the sources cannot be read, or hold nothing before `day`.
    """
    from pipeline.runs import night

    with tempfile.TemporaryDirectory(prefix="equimarginal-") as scratch:
        work = begin_run(scratch, "score")
        night.freeze(portfolio, day, work)
        night.learn(work)
        found = storage.read_findings(work, storage.FINDINGS)
        if not work.exists(warehouse.LINE_DAY):
            bad = [item for item in found if item.level is Level.FAIL]
            why = bad[0].message if bad else f"no row before {day.isoformat()}"
            raise DataNotTrustedError(
                f"score: the sources cannot be used: {why}; "
                "'equimarginal check' lists every problem"
            )
        card = _score_card(work, read_inputs(work), with_curves=True)
    folder = portfolio.state / SCORES_FOLDER
    write_file(folder / f"{day.isoformat()}.json", json_bytes(card.to_json()))
    write_file(folder / f"{day.isoformat()}.parquet", parquet_bytes(score_table(card.scores)))
    return card


def score_table(scores: tuple[Score, ...]) -> Any:
    """Return scores as an Arrow table, one row a plan, horizon and line."""
    import pyarrow as pa

    rows = [{**_plain(item), "line": list(item.line)} for item in scores]
    kinds = [
        ("plan_id", pa.string()), ("day", pa.string()), ("line", pa.list_(pa.string())),
        ("horizon", pa.int32()), ("is_published", pa.bool_()),
    ]  # fmt: skip
    numbers = (
        "planned", "spent", "promised", "given", "p05", "p95", "surprise", "reported", "came",
        "complete_share",
    )  # fmt: skip
    schema = pa.schema([*kinds, *((name, pa.float64()) for name in numbers)])
    return pa.Table.from_pylist(rows, schema=schema)


def _score_card(work: RunFolder, inputs: Inputs, *, with_curves: bool = False) -> ScoreCard:
    tables = warehouse.read_facts(work)
    history = warehouse.read_history(work, inputs.policy)
    metric = inputs.policy.objective.maximize
    realised = realised_by_now(work, inputs, tables, history)
    promises = read_promises(work)
    scores = score_plans(promises, realised)
    calibrations = calibrate(scores)
    return ScoreCard(
        day=inputs.day,
        metric=metric,
        currency=inputs.policy.currency,
        scores=tuple(scores),
        adoptions=_adoptions(promises, realised),
        calibrations=tuple(sorted(calibrations, key=lambda c: (bool(c.line), c.horizon, c.line))),
        judged=_judged(work, inputs, realised, history) if with_curves else Judged(),
        holdouts=holdout_scores(
            inputs.trials, inputs.policy.line, history, metric, realised.complete
        ),
        watch=_watch(inputs, tables, history, realised, scores, calibrations),
        findings=not_followed(realised, promises),
    )


def _judged(work: RunFolder, inputs: Inputs, realised: Realised, history: History) -> Judged:
    """Return what plans earned; lines that bear another name now have their past under that one."""
    promises, ahead = read_promises(work), read_line_ahead(work)
    if ahead is None or not promises:
        return Judged()
    names = one_line(warehouse.read_likely_facts(work), inputs)
    now = history.under_new_names(names)
    came = replace(
        realised,
        spend=now.spend,
        outcome=now.outcomes.get(inputs.policy.objective.maximize, realised.outcome),
        trusted=now.trusted,
    )
    return judge(ahead, [under_new_names(promise, names) for promise in promises], came)


def _adoptions(promises: list[Promised], realised: Realised) -> tuple[Adoption, ...]:
    found = (adoption(promise, realised) for promise in promises)
    return tuple(item for item in found if item is not None)


def _watch(
    inputs: Inputs,
    tables: Tables,
    history: History,
    realised: Realised,
    scores: list[Score],
    calibrations: list[Calibration],
) -> Watch:
    recent = slice(-WATCHED_DAYS, None)
    outcome = tables.outcomes
    metric = inputs.policy.objective.maximize
    unknown = np.full(history.spend.shape, np.nan)
    # Of groups' outcomes nothing is watched line by line, so how late they are plays no part.
    by_line = history.measured is None
    complete = (realised.complete if by_line else np.ones(history.spend.shape))[recent]
    doubt = np.zeros(len(history.days)) if realised.doubt is None else realised.doubt
    watched = watched_series(
        Seen(
            spend=tables.spend[recent],
            budget=tables.budget[recent],
            impressions=tables.impressions[recent],
            clicks=tables.clicks[recent],
            conversions=outcome.get("conversions", unknown)[recent],
            outcome=outcome.get(metric, unknown)[recent],
            complete=complete,
            doubt=doubt[recent],
            trusted=history.trusted[recent],
        ),
        _residuals(history, scores)[recent] if by_line else None,
        None if by_line else _whole_residuals(history, scores)[recent],
    )
    rate, hold_days = inputs.policy.drift.false_alarms_per_year, inputs.policy.drift.hold_days
    limit = alarm_limit(len(watched.kind), rate)
    shifts = find_shifts(watched.series, limit)
    alarms = alarms_of(watched, shifts, history.days[recent], history.lines, inputs.day, hold_days)
    return watch_of(
        alarms,
        history.lines,
        series=len(watched.kind),
        false_alarms_per_year=rate,
        limit=limit,
        widening=widening(calibrations),
        findings=(*calibration_findings(calibrations), *ends_of(alarms)),
    )


def _residuals(history: History, scores: list[Score]) -> FloatArray:
    """Return the surprise of each line's day under its own night's forecast, NaN without one."""
    out = np.full(history.spend.shape, np.nan)
    rows = {day: index for index, day in enumerate(history.days)}
    columns = {line: index for index, line in enumerate(history.lines)}
    for item in scores:
        if item.horizon == 1 and item.line in columns and item.day in rows:
            out[rows[item.day], columns[item.line]] = item.surprise
    return out


def _whole_residuals(history: History, scores: list[Score]) -> FloatArray:
    """Return the surprise of the portfolio's day under its own night's forecast, (n_days,)."""
    rows = {day: index for index, day in enumerate(history.days)}
    out = np.full(len(rows), np.nan)
    for item in scores:
        if item.horizon == 1 and not item.line and item.day in rows:
            out[rows[item.day]] = item.surprise
    return out


def _plain(item: Any) -> JsonObject:
    """Return a row as plain JSON values; a number that is not known is null."""
    out = {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in asdict(item).items()
    }
    if "day" in out:
        out["day"] = item.day.isoformat()
    if "line" in out:
        out["line"] = list(item.line)
    return out
