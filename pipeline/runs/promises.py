"""What each night promised, kept for the nights after it: forecasts as rows, one file a run.

A night copies the promises of the last weeks into its own folder, because everything that a plan
rests on has to be in its run.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.core.errors import PipelineError
from pipeline.core.forecast import LEVELS, Forecast
from pipeline.core.types import FloatArray
from pipeline.io.artefacts import RunFolder, open_run
from pipeline.runs.portfolio import Portfolio
from pipeline.scoring.scores import Promised

if TYPE_CHECKING:
    from pipeline.io.ledger import PlanRecord

FORECAST = "forecast.parquet"
PROMISES = "previous/promises.parquet"
KEPT_DAYS = 60
_NUMBERS = ("spend", "status_quo_spend", "mean", "status_quo", "slope")
_QUANTILES = tuple(f"q{round(100 * level):02d}" for level in LEVELS)


def write_forecast(work: RunFolder, forecast: Forecast) -> None:
    """Write what tonight's plan promises."""
    work.write_parquet(FORECAST, _table([("", False, forecast)]))


def keep_promises(portfolio: Portfolio, day: date, work: RunFolder) -> None:
    """Copy the forecasts of the last weeks' plans into the work folder, one plan a day."""
    found = []
    for record in _one_a_day(portfolio, day):
        try:
            run = open_run(portfolio.runs, record.plan_id)
            if run.exists(FORECAST):
                forecast = _forecasts(run.read_parquet(FORECAST))[0][2]
                found.append((record.plan_id, record.is_published, forecast))
        except PipelineError:
            continue  # archived or damaged, which `audit verify` says; its day is not scored
    if found:
        work.write_parquet(PROMISES, _table(found))


def read_promises(work: RunFolder) -> list[Promised]:
    """Return what earlier plans promised, oldest first."""
    if not work.exists(PROMISES):
        return []
    return [
        Promised(plan_id=plan_id, is_published=published, forecast=forecast)
        for plan_id, published, forecast in _forecasts(work.read_parquet(PROMISES))
    ]


def _one_a_day(portfolio: Portfolio, day: date) -> list[PlanRecord]:
    """Return each day's published plan, or else its newest, oldest first."""
    chosen: dict[date, PlanRecord] = {}
    for record in portfolio.ledger.plans(portfolio.policy.portfolio):
        when = record.plan.date
        if not day - timedelta(days=KEPT_DAYS) <= when < day:
            continue
        other = chosen.get(when)
        if other is None or _weight(record) > _weight(other):
            chosen[when] = record
    return [chosen[when] for when in sorted(chosen)]


def _weight(record: PlanRecord) -> tuple[bool, int]:
    return record.is_published, record.proposed_seq


def _table(promises: Sequence[tuple[str, bool, Forecast]]) -> Any:
    import pyarrow as pa

    tables = [_rows(*promise) for promise in promises]
    return pa.concat_tables(tables).combine_chunks()


def _rows(plan_id: str, is_published: bool, forecast: Forecast) -> Any:
    import pyarrow as pa

    n_horizons, n_lines = forecast.mean.shape
    n = n_horizons * n_lines

    def flat(values: FloatArray) -> Any:
        return pa.array(np.broadcast_to(values, (n_horizons, n_lines)).reshape(-1))

    names = [list(line) for line in forecast.lines] + [[]]
    columns: dict[str, Any] = {
        "plan_id": pa.array([plan_id] * n, pa.string()),
        "is_published": pa.array([is_published] * n),
        "day": pa.array([forecast.day] * n),
        "metric": pa.array([forecast.metric] * n, pa.string()),
        "horizon_days": pa.array(np.repeat(forecast.horizons, n_lines).astype(np.int32)),
        "line": pa.array(names * n_horizons, pa.list_(pa.string())),
    }
    columns |= {name: flat(getattr(forecast, name)) for name in _NUMBERS}
    columns |= {name: flat(forecast.quantiles[..., i]) for i, name in enumerate(_QUANTILES)}
    return pa.table(columns)


def _forecasts(table: Any) -> list[tuple[str, bool, Forecast]]:
    ids = table.column("plan_id").to_pylist()
    starts = [0, *(i for i in range(1, len(ids)) if ids[i] != ids[i - 1]), len(ids)]
    return [
        (ids[begin], table.column("is_published")[begin].as_py(), _forecast(table, begin, end))
        for begin, end in pairwise(starts)
    ]


def _forecast(table: Any, begin: int, end: int) -> Forecast:
    part = table.slice(begin, end - begin).combine_chunks()
    horizons = tuple(dict.fromkeys(part.column("horizon_days").to_pylist()))
    shape = (len(horizons), part.num_rows // len(horizons))
    lines = part.slice(0, shape[1] - 1).column("line").to_pylist()

    def dense(name: str) -> FloatArray:
        return np.array(part.column(name).to_numpy(), dtype=float).reshape(shape)

    return Forecast(
        metric=str(part.column("metric")[0].as_py()),
        day=part.column("day")[0].as_py(),
        lines=tuple(tuple(line) for line in lines),
        horizons=horizons,
        spend=dense("spend")[0],
        status_quo_spend=dense("status_quo_spend")[0],
        mean=dense("mean"),
        status_quo=dense("status_quo"),
        slope=dense("slope"),
        quantiles=np.stack([dense(name) for name in _QUANTILES], axis=-1),
    )
