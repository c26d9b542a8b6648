"""What each night promised, kept for the nights after it: forecasts as rows, one file a run.

A night copies the promises of the last weeks into its own folder, because everything that a plan
rests on has to be in its run. Where outcomes are known for groups of lines, rows of groups say what
was promised, and rows of their lines, which name the group, what was to be spent.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.core.errors import PipelineError
from pipeline.core.forecast import LEVELS, Forecast, Paid
from pipeline.core.types import FloatArray, Line
from pipeline.io.artefacts import RunFolder, open_run
from pipeline.runs.portfolio import Portfolio
from pipeline.scoring.scores import Promised

if TYPE_CHECKING:
    from pipeline.io.ledger import PlanRecord

FORECAST = "forecast.parquet"
PROMISES = "previous/promises.parquet"
KEPT_PERIODS = 60
"""Days, or weeks where a row of the sources spans one."""

GROUP = "group"
_MONEY = ("spend", "status_quo_spend", "slope")
_NUMBERS = (*_MONEY[:2], "mean", "status_quo", "slope")
_QUANTILES = tuple(f"q{round(100 * level):02d}" for level in LEVELS)


def write_forecast(work: RunFolder, forecast: Forecast) -> None:
    """Write what tonight's plan promises."""
    work.write_parquet(FORECAST, _table([("", False, forecast)]))


def keep_promises(portfolio: Portfolio, day: date, work: RunFolder) -> None:
    """Copy the forecasts of the last weeks' plans into the work folder, one for each first day.

    That is one plan a day; all plans of a week forecast the same weeks, of which one counts.
    """
    found = dict[date, tuple[str, bool, Forecast]]()
    for record in _by_weight(portfolio, day):
        try:
            run = open_run(portfolio.runs, record.plan_id)
            if run.exists(FORECAST):
                forecast = _forecasts(run.read_parquet(FORECAST))[0][2]
                found[forecast.day] = (record.plan_id, record.is_published, forecast)
        except PipelineError:
            continue  # archived or damaged, which `audit verify` says; its day is not scored
    if found:
        work.write_parquet(PROMISES, _table([found[first] for first in sorted(found)]))


def read_promises(work: RunFolder) -> list[Promised]:
    """Return what earlier plans promised, oldest first."""
    if not work.exists(PROMISES):
        return []
    return [
        Promised(plan_id=plan_id, is_published=published, forecast=forecast)
        for plan_id, published, forecast in _forecasts(work.read_parquet(PROMISES))
    ]


def kept_span(portfolio: Portfolio) -> timedelta:
    """Return for how long a promise is held against what comes."""
    return timedelta(days=KEPT_PERIODS * portfolio.policy.sources.period_days)


def newest_promise(portfolio: Portfolio, day: date) -> date | None:
    """Return the day of the newest earlier plan that promised something, however old; or None."""
    records = portfolio.ledger.plans(portfolio.policy.portfolio)
    days = (record.plan.date for record in records if record.plan.expected is not None)
    return max((when for when in days if when < day), default=None)


def _by_weight(portfolio: Portfolio, day: date) -> list[PlanRecord]:
    """Return one plan for each day, published ones last, and else the newest last."""
    kept = kept_span(portfolio)
    chosen: dict[date, PlanRecord] = {}
    for record in portfolio.ledger.plans(portfolio.policy.portfolio):
        when = record.plan.date
        if not day - kept <= when < day:
            continue
        other = chosen.get(when)
        if other is None or _weight(record) > _weight(other):
            chosen[when] = record
    return sorted(chosen.values(), key=lambda record: (record.is_published, record.plan.date))


def _weight(record: PlanRecord) -> tuple[bool, int]:
    return record.is_published, record.proposed_seq


def _table(promises: Sequence[tuple[str, bool, Forecast]]) -> Any:
    import pyarrow as pa

    tables = [table for promise in promises for table in _tables(*promise)]
    return pa.concat_tables(tables, promote_options="default").combine_chunks()


def _tables(plan_id: str, is_published: bool, forecast: Forecast) -> Iterator[Any]:
    """Yield the rows of what is forecast, and those of the budget lines behind groups of them."""
    columns: dict[str, Any] = {name: getattr(forecast, name) for name in _NUMBERS}
    columns |= {name: forecast.quantiles[..., i] for i, name in enumerate(_QUANTILES)}
    yield _rows(plan_id, is_published, forecast, (*forecast.lines, ()), columns)
    paid = forecast.paid
    if paid is None:
        return
    columns = {name: getattr(paid, name) for name in _MONEY}
    groups = [list(forecast.lines[group]) if group >= 0 else [] for group in paid.group.tolist()]
    yield _rows(plan_id, is_published, forecast, paid.lines, columns, groups)


def _rows(
    plan_id: str,
    is_published: bool,
    forecast: Forecast,
    lines: Sequence[Line],
    numbers: Mapping[str, FloatArray],
    groups: Sequence[list[str]] | None = None,
) -> Any:
    import pyarrow as pa

    n_horizons, n_lines = len(forecast.horizons), len(lines)
    n = n_horizons * n_lines

    def flat(values: FloatArray) -> Any:
        return pa.array(np.broadcast_to(values, (n_horizons, n_lines)).reshape(-1))

    columns: dict[str, Any] = {
        "plan_id": pa.array([plan_id] * n, pa.string()),
        "is_published": pa.array([is_published] * n),
        "day": pa.array([forecast.day] * n),
        "metric": pa.array([forecast.metric] * n, pa.string()),
        "horizon_days": pa.array(np.repeat(forecast.horizons, n_lines).astype(np.int32)),
        "line": pa.array([list(line) for line in lines] * n_horizons, pa.list_(pa.string())),
    }
    columns |= {name: flat(values) for name, values in numbers.items()}
    if groups is not None:
        columns[GROUP] = pa.array(list(groups) * n_horizons, pa.list_(pa.string()))
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
    paid = None
    if GROUP in part.column_names:
        group = part.column(GROUP)
        part, paid = part.filter(group.is_null()), part.filter(group.is_valid())
    horizons = tuple(dict.fromkeys(part.column("horizon_days").to_pylist()))
    lines = _lines(part, len(horizons))[:-1]

    def dense(name: str) -> FloatArray:
        return _dense(part, name, len(horizons))

    return Forecast(
        metric=str(part.column("metric")[0].as_py()),
        day=part.column("day")[0].as_py(),
        lines=lines,
        horizons=horizons,
        spend=dense("spend")[0],
        status_quo_spend=dense("status_quo_spend")[0],
        mean=dense("mean"),
        status_quo=dense("status_quo"),
        slope=dense("slope"),
        quantiles=np.stack([dense(name) for name in _QUANTILES], axis=-1),
        paid=_paid(paid, lines, len(horizons)) if paid is not None and paid.num_rows else None,
    )


def _paid(part: Any, groups: tuple[Line, ...], n_horizons: int) -> Paid:
    place = {group: index for index, group in enumerate(groups)}
    lines = _lines(part, n_horizons)
    names = part.slice(0, len(lines)).column(GROUP).to_pylist()
    spend, status_quo_spend, slope = (_dense(part, name, n_horizons) for name in _MONEY)
    return Paid(
        lines=lines,
        group=np.array([place.get(tuple(name), -1) for name in names], dtype=np.int64),
        spend=spend[0],
        status_quo_spend=status_quo_spend[0],
        slope=slope,
    )


def _lines(part: Any, n_horizons: int) -> tuple[Line, ...]:
    first = part.slice(0, part.num_rows // n_horizons)
    return tuple(tuple(line) for line in first.column("line").to_pylist())


def _dense(part: Any, name: str, n_horizons: int) -> FloatArray:
    """Return a column by horizon and line, (n_horizons, n_lines)."""
    return np.array(part.column(name).to_numpy(), dtype=float).reshape(n_horizons, -1)
