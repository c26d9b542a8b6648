"""A table of outcomes by unit and day as a panel; whatever is wrong is named by row."""

from __future__ import annotations

import math
from datetime import date, timedelta
from pathlib import Path

import numpy as np

from pipeline.core.errors import UsageError
from pipeline.core.panel import Panel
from pipeline.core.types import FloatArray
from pipeline.io.sources.files import SourceError, fetch_files
from pipeline.io.sources.tables import TextTable, parse_file

_Cells = dict[tuple[str, date], list[float]]


def read_panel(path: str, *, unit: str, day: str, outcome: str, spend: str | None = None) -> Panel:
    """Return the panel of a CSV or parquet file with one row per unit and day.

    Args:
        path: of the file.
        unit, day, outcome, spend: its columns; other columns are ignored.

    Raises:
        UsageError: unreadable, a column missing, a cell that is no value, a day twice or missing.
    """
    columns = (unit, day, outcome, *(() if spend is None else (spend,)))
    cells: _Cells = {}
    try:
        for raw in fetch_files(path, Path()):
            _collect(parse_file(raw), columns, cells)
    except SourceError as error:
        raise UsageError(f"experiment data: {error}") from error
    return _panel(path, cells, has_spend=spend is not None)


def _collect(table: TextTable, columns: tuple[str, ...], cells: _Cells) -> None:
    if missing := [name for name in columns if name not in table.names]:
        raise UsageError(
            f"experiment data: {table.name} has no column {missing[0]!r}, only "
            f"{', '.join(table.names)}; name yours with --unit-column, --date-column, "
            "--outcome-column or --spend-column"
        )
    picked = [table.columns[table.names.index(name)].to_pylist() for name in columns]
    for row, unit, day, *numbers in zip(table.row.to_pylist(), *picked, strict=True):
        where = f"experiment data: {table.name}, row {row}"
        if not unit:
            raise UsageError(f"{where}: column {columns[0]!r} is empty, need a name")
        key = (unit, _day(day, where))
        if key in cells:
            raise UsageError(f"{where}: {unit!r} has {day} twice, need one row a day")
        cells[key] = [_number(text, where) for text in numbers]


def _day(text: str, where: str) -> date:
    try:
        return date.fromisoformat(text[:10])
    except ValueError as error:
        raise UsageError(f"{where}: got {text!r}, need an ISO date such as 2026-11-22") from error


def _number(text: str, where: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value >= 0):
        raise UsageError(f"{where}: got {text!r}, need a number that is not negative")
    return value


def _panel(path: str, cells: _Cells, *, has_spend: bool) -> Panel:
    units = sorted({unit for unit, _ in cells})
    known = {day for _, day in cells}
    first, last = min(known), max(known)
    days = [first + timedelta(days=index) for index in range((last - first).days + 1)]
    gaps = [(unit, day) for day in days for unit in units if (unit, day) not in cells]
    if gaps:
        unit, day = gaps[0]
        raise UsageError(
            f"experiment data: {path} has no row of {unit!r} on {day} ({len(gaps)} rows missing); "
            "need every unit on every day, with 0 where nothing came"
        )
    values: FloatArray = np.array([[cells[unit, day] for unit in units] for day in days])
    return Panel(
        days=tuple(days),
        units=tuple(units),
        outcome=values[:, :, 0],
        spend=values[:, :, 1] if has_spend else None,
    )
