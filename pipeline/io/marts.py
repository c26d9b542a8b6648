"""The marts under sql/, as the dense arrays of one night."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.core.history import ALL_LINES, unit_name
from pipeline.core.policy import Policy, measured_levels
from pipeline.core.types import BoolArray, FloatArray, Line
from pipeline.io.engine import create, sql_text
from pipeline.io.facts import Facts
from pipeline.io.objective import with_objective

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

MARTS = ("line", "line_day", "unit", "outcome_day", "outcome_cover", "lift_test")
NUMBERS = ("spend", "budget", "impressions", "clicks")


def create_marts(connection: DuckDBPyConnection) -> None:
    """Build every mart on a staged connection."""
    for name in MARTS:
        create(connection, name, sql_text("marts", name))


def query_facts(connection: DuckDBPyConnection, policy: Policy) -> Facts | None:
    """Return the marts as dense arrays, None when no line has a row."""
    lines = connection.execute("from line order by line_id").fetchall()
    if not lines:
        return None
    days, spend = _spend_arrays(connection, len(lines))
    levels, shape = measured_levels(policy), (len(days), len(lines))
    covered = np.zeros(shape[0], dtype=bool)
    first = days[0].toordinal()
    for (covered_day,) in connection.execute("from outcome_cover").fetchall():
        covered[covered_day.toordinal() - first] = True
    units = connection.execute("select * exclude (unit_id) from unit order by unit_id").fetchall()
    found, has_row = _outcome_arrays(connection, (len(days), len(units)), first, covered)
    for name in found.keys() & set(policy.sources.outcomes.controls):
        found[name][~has_row] = np.nan  # nobody sells an index: without a row it is not zero
    outcomes = with_objective(found, policy.objective)
    facts = Facts(
        days=days,
        lines=tuple(tuple(row[1 : 1 + len(policy.line)]) for row in lines),
        spend=spend["spend"],
        has_spend_row=spend["has_spend_row"].astype(bool),
        budget=spend["budget"],
        impressions=spend["impressions"],
        clicks=spend["clicks"],
        outcomes={} if levels is not None else outcomes,
        has_outcome_row=np.zeros(shape, dtype=bool) if levels is not None else has_row,
    )
    if levels is None:
        return facts
    names = tuple(tuple(row[level] for level in levels) or ALL_LINES for row in units)
    return replace(facts, measured=_unit_facts(facts, names, levels, outcomes, has_row))


def _unit_facts(
    facts: Facts,
    units: tuple[Line, ...],
    levels: tuple[int, ...],
    outcomes: Mapping[str, FloatArray],
    has_row: BoolArray,
) -> Facts:
    """Return the same night with units in the place of lines: the money behind each outcome."""
    index = {unit: i for i, unit in enumerate(units)}
    member = np.zeros((len(facts.lines), len(units)))
    for row, line in enumerate(facts.lines):
        member[row, index[unit_name(line, levels)]] = 1.0

    def summed(table: FloatArray) -> FloatArray:
        return np.where((np.isfinite(table) @ member) > 0, np.nan_to_num(table) @ member, np.nan)

    return Facts(
        days=facts.days,
        lines=units,
        spend=facts.spend @ member,
        has_spend_row=(facts.has_spend_row @ member) > 0,
        budget=summed(facts.budget),
        impressions=summed(facts.impressions),
        clicks=summed(facts.clicks),
        outcomes=outcomes,
        has_outcome_row=has_row,
    )


def _spend_arrays(
    connection: DuckDBPyConnection, n_lines: int
) -> tuple[tuple[date, ...], dict[str, FloatArray]]:
    rows = connection.execute(
        "select spend, budget, impressions, clicks, has_spend_row::double as has_spend_row "
        "from line_day order by line_id, day"
    ).fetchnumpy()
    days = connection.execute("select distinct day from line_day order by day").fetchall()
    arrays = {
        name: np.ascontiguousarray(_filled(rows[name]).reshape(n_lines, len(days)).T)
        for name in (*NUMBERS, "has_spend_row")
    }
    return tuple(day for (day,) in days), arrays


def _outcome_arrays(
    connection: DuckDBPyConnection, shape: tuple[int, int], first: int, covered: BoolArray
) -> tuple[dict[str, FloatArray], BoolArray]:
    metrics = connection.execute(
        "select distinct metric from stg_outcomes order by metric"
    ).fetchall()
    outcomes: dict[str, FloatArray] = {}
    has_row = np.zeros(shape, dtype=bool)
    blank = np.where(covered, 0.0, np.nan)[:, None]
    for (metric,) in metrics:
        rows = connection.execute(
            "select unit_id, datediff('day', date '0001-01-01', day) + 1 as ordinal, value "
            "from outcome_day where metric = $metric",
            {"metric": metric},
        ).fetchnumpy()
        table = np.broadcast_to(blank, shape).copy()
        cells = (np.asarray(rows["ordinal"], dtype=int) - first, np.asarray(rows["unit_id"], int))
        values = _filled(rows["value"])
        table[cells] = np.where(np.isfinite(values), values, 0.0)
        has_row[cells] = True
        outcomes[str(metric)] = table
    return outcomes, has_row


def _filled(values: Any) -> FloatArray:
    """Return a query's column as floats, null as NaN."""
    if isinstance(values, np.ma.MaskedArray):
        return np.asarray(np.ma.filled(values.astype(float), np.nan), dtype=float)
    return np.asarray(values, dtype=float)
