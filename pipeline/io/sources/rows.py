"""A source's texts as the rows of the snapshot: keys, parts, numbers beside their row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipeline.io.sources.tables import TextTable

if TYPE_CHECKING:
    import pyarrow as pa

MAX_LEVELS = 4
SPEND_OPTIONAL = ("budget", "currency", "impressions", "clicks")
TEST_REQUIRED = ("from", "to", "lift", "standard_error", "spend_change")
TEST_OPTIONAL = ("name", "metric", "currency")
_SEPARATOR = "\x1f"  # between the cells of one row; no cell of a good file has it


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which of the source's columns are read, by the contract's names.

    Attributes:
        lines: the line's columns; "" where this source does not know them.
        wide: value of the last of them -> the column that holds its spend.
    """

    source: str
    mapping: dict[str, str]
    required: tuple[str, ...]
    metrics: tuple[str, ...]
    lines: tuple[str, ...]
    wide: dict[str, str]


def _spend_table(tables: list[TextTable], wanted: Wanted, dimensions: tuple[str, ...]) -> pa.Table:
    import pyarrow as pa

    parts = []
    for table, repeats in zip(tables, _repeats(tables), strict=True):
        columns = _key_columns(table, wanted, dimensions)
        for key in SPEND_OPTIONAL:
            # A wide row is of several lines; what else it counts belongs to none of them.
            is_own = key == "currency" or not wanted.wide
            blank = _constant("", len(table.row))
            columns[key] = _column(table, wanted.mapping[key]) if is_own else blank
        columns["is_repeat"] = repeats
        if not wanted.wide:
            parts.append(pa.table({**columns, "spend": _column(table, wanted.mapping["spend"])}))
        for line, column in wanted.wide.items():
            own = {
                f"line_{len(wanted.lines)}": _constant(line, len(table.row)),
                "spend": _column(table, column),
            }
            parts.append(pa.table({**columns, **own}))
    return pa.concat_tables(parts).combine_chunks()


def _outcome_table(
    tables: list[TextTable], wanted: Wanted, dimensions: tuple[str, ...]
) -> pa.Table:
    import pyarrow as pa

    parts = []
    for table, repeats in zip(tables, _repeats(tables), strict=True):
        keys = {**_key_columns(table, wanted, dimensions), "is_repeat": repeats}
        keys["currency"] = _column(table, wanted.mapping["currency"])
        for metric in wanted.metrics:
            value = _column(table, wanted.mapping[metric])
            parts.append(
                pa.table({**keys, "metric": _constant(metric, len(value)), "value": value})
            )
    return pa.concat_tables(parts).combine_chunks()


def _experiment_table(
    tables: list[TextTable], wanted: Wanted, dimensions: tuple[str, ...]
) -> pa.Table:
    """Return one row a test; its other columns are notes that nothing reads."""
    import pyarrow as pa

    parts = []
    for table in tables:
        columns = {"file": _constant(table.name, len(table.row)), "row": table.row}
        columns |= _level_columns(table, wanted)
        for key in (*TEST_REQUIRED, *TEST_OPTIONAL):
            columns[key] = _column(table, wanted.mapping[key])
        parts.append(pa.table(columns))
    return pa.concat_tables(parts).combine_chunks()


def _level_columns(table: TextTable, wanted: Wanted) -> dict[str, Any]:
    names = [*wanted.lines, *[""] * (MAX_LEVELS - len(wanted.lines))]
    return {
        f"line_{level + 1}": (
            _column(table, wanted.mapping[name]) if name else _constant("", len(table.row))
        )
        for level, name in enumerate(names)
    }


def _key_columns(table: TextTable, wanted: Wanted, dimensions: tuple[str, ...]) -> dict[str, Any]:
    count = len(table.row)
    columns = {
        "file": _constant(table.name, count),
        "row": table.row,
        "day": _column(table, wanted.mapping["date"]),
    }
    columns |= _level_columns(table, wanted)
    present = [name for name in dimensions if name in table.names]
    columns["dimensions"] = _joined([_column(table, name) for name in present], count)
    return columns


def _repeats(tables: list[TextTable]) -> list[Any]:
    """Return, per table, which rows equal an earlier row of any table in every cell."""
    import numpy as np
    import pyarrow as pa

    raw = pa.chunked_array([raw_rows(table) for table in tables], pa.string()).combine_chunks()
    codes = raw.dictionary_encode().indices.to_numpy()
    is_first = np.zeros(len(codes), dtype=bool)
    is_first[np.unique(codes, return_index=True)[1]] = True
    ends = np.cumsum([len(table.row) for table in tables])[:-1]
    return [pa.array(~part) for part in np.split(is_first, ends)]


def raw_rows(table: TextTable) -> Any:
    """Return each row's cells as one text, columns in order of name."""
    columns = [
        column for _, column in sorted(zip(table.names, table.columns, strict=True), key=_by_name)
    ]
    return _joined(columns, len(table.row))


def _by_name(item: tuple[str, Any]) -> str:
    return item[0]


def _joined(columns: list[Any], count: int) -> Any:
    import pyarrow.compute as pc

    if not columns:
        return _constant("", count)
    return pc.binary_join_element_wise(*columns, _SEPARATOR)


def _column(table: TextTable, name: str) -> Any:
    if name in table.names:
        return table.columns[table.names.index(name)]
    return _constant("", len(table.row))


def _constant(value: str, count: int) -> Any:
    import pyarrow as pa

    return pa.repeat(pa.scalar(value, pa.string()), count)


TABLES = {"spend": _spend_table, "outcomes": _outcome_table, "experiments": _experiment_table}
"""Source -> its snapshot, from its tables, what is wanted of them and what tells rows apart."""
