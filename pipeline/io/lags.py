"""How many of the newest days each line had no outcomes of, night by night: what is usual for it.

Whoever uploads the outcomes of one line by hand does so once in some days. How late a line is then
differs from night to night, and only the weeks before tell that it always comes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.core.types import IntArray, Line
from pipeline.io.artefacts import RunFolder
from pipeline.io.facts import Facts

if TYPE_CHECKING:
    import pyarrow as pa

LAGS = "lags.parquet"
KEPT_DAYS = 28


@dataclass(frozen=True, slots=True, kw_only=True)
class Lag:
    """A line that lacked newest outcomes in the eyes of one night.

    Attributes:
        newest: the day up to which anybody had outcomes.
        days: up to that day, without a row of the line.
    """

    newest: date
    line: Line
    days: int


def days_behind(seen: Facts) -> IntArray:
    """Return how many of the newest days each line has no row of, (n_lines,)."""
    return np.asarray(np.argmax(seen.has_outcome_row[::-1], axis=0))


def lags_of(facts: Facts) -> tuple[Lag, ...]:
    """Return the lines that lack newest outcomes."""
    seen = facts.reported()
    behind = days_behind(seen)
    return tuple(
        Lag(newest=seen.days[-1], line=seen.lines[index], days=int(behind[index]))
        for index in np.flatnonzero(behind).tolist()
    )


def usually_behind(seen: Facts, earlier: Sequence[Lag]) -> IntArray:
    """Return how many days at most each line was behind, (n_lines,); -1 where that is not known.

    A night counts where something of the line has come since: what never came was not late.

    Args:
        earlier: of nights before.
    """
    usual = np.full(len(seen.lines), -1)
    place = {line: index for index, line in enumerate(seen.lines)}
    behind = days_behind(seen)
    for lag in earlier:
        index = place.get(lag.line)
        if index is None or lag.newest >= seen.days[-1]:
            continue
        has_now = seen.days[-1] - timedelta(days=int(behind[index]))
        if has_now > lag.newest - timedelta(days=lag.days):
            usual[index] = max(usual[index], lag.days)
    return usual


def read_lags(run: RunFolder) -> tuple[Lag, ...]:
    """Return what a night found, and kept of the nights before it; nothing where it kept none."""
    if not run.exists(LAGS):
        return ()
    rows: list[dict[str, Any]] = run.read_parquet(LAGS).to_pylist()
    return tuple(
        Lag(newest=row["newest"], line=tuple(row["line"]), days=row["days"]) for row in rows
    )


def lag_table(earlier: Sequence[Lag], tonight: Sequence[Lag], day: date) -> pa.Table:
    """Return the lags of the last weeks as an Arrow table, the oldest first.

    Args:
        day: the plan's; what is older than `KEPT_DAYS` before it is forgotten.
    """
    import pyarrow as pa

    oldest = day - timedelta(days=KEPT_DAYS)
    kept = {(lag.newest, lag.line): lag.days for lag in earlier if lag.newest >= oldest}
    kept |= {(lag.newest, lag.line): lag.days for lag in tonight}
    rows = [
        {"newest": newest, "line": list(line), "days": days}
        for (newest, line), days in sorted(kept.items())
    ]
    kinds = [("newest", pa.date32()), ("line", pa.list_(pa.string())), ("days", pa.int16())]
    return pa.Table.from_pylist(rows, schema=pa.schema(kinds))
