"""Tonight's rows as they were, in the contract's names, as texts with their row numbers.

`snapshot/spend.parquet` holds one row per source row; `snapshot/outcomes.parquet` one per source
row and metric; `snapshot/sources.json` says what was read. Every later step reads only these.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.core.findings import Finding, Level
from pipeline.core.policy import Policy, Source
from pipeline.io.artefacts import RunFolder, sha256
from pipeline.io.sources.database import Resolver, read_database
from pipeline.io.sources.files import SourceError, fetch_files
from pipeline.io.sources.tables import TextTable, parse_file

if TYPE_CHECKING:
    import pyarrow as pa

SPEND = "snapshot/spend.parquet"
OUTCOMES = "snapshot/outcomes.parquet"
SOURCES = "snapshot/sources.json"
MAX_LEVELS = 4
_SPEND_OPTIONAL = ("budget", "currency", "impressions", "clicks")
_NUMBER = r"^[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?$"
_MOMENT = r"^\d{4}-\d{2}-\d{2}(?:[ T].*)?$"
_SEPARATOR = "\x1f"  # between the cells of one row; no cell of a good file has it


@dataclass(frozen=True, slots=True, kw_only=True)
class _Read:
    """One source, read: its tables, and what is recorded about its bytes."""

    tables: tuple[TextTable, ...]
    files: tuple[dict[str, Any], ...]
    problems: tuple[SourceError, ...]


def read_snapshot(
    policy: Policy, base: Path, work: RunFolder, resolve: Resolver | None = None
) -> list[Finding]:
    """Write the snapshot of both sources and return every problem found on the way.

    A source with a FAIL leaves no parquet file. Nothing is raised for bad input.

    Args:
        base: the portfolio folder, which relative paths start from.
        work: the run folder to write into.
        resolve: how an Airflow connection id becomes a URL; from the environment by default.
    """
    findings: list[Finding] = []
    read: dict[str, _Read] = {}
    record: dict[str, Any] = {}
    for name, source in (("spend", policy.sources.spend), ("outcomes", policy.sources.outcomes)):
        place = source.model_dump_json(exclude={"columns"})
        if place not in read:
            read[place] = _read_source(source, base, resolve)
        got = read[place]
        problems = list(got.problems)
        wanted = _wanted(policy, name, source, got.tables)
        tables = [table for table in got.tables if not _missing(table, wanted, name, problems)]
        findings += [_finding(name, problem) for problem in problems]
        if problems or not tables:
            continue
        dimensions = _dimensions(tables, set(wanted.mapping.values()))
        arrow = _spend_table if name == "spend" else _outcome_table
        work.write_parquet(f"snapshot/{name}.parquet", arrow(tables, wanted, dimensions))
        record[name] = {
            "files": list(got.files),
            "rows": sum(len(table.row) for table in tables),
            "columns": {
                key: column
                for key, column in sorted(wanted.mapping.items())
                if any(column in table.names for table in tables)
            },
            "metrics": list(wanted.metrics),
            "dimensions": list(dimensions),
            "ends_open": [table.name for table in tables if table.ends_open],
        }
    work.write_json(SOURCES, record)
    return findings


def metrics_of(policy: Policy) -> list[str]:
    """Return the outcome columns that the settings cannot do without, sorted.

    A ratio is made from columns: `roas` from revenue, `cost_per_conversion` from conversions.
    """
    named = {policy.objective.maximize}
    for rail in policy.guardrails:
        named.add(_column_behind(rail.metric))
    return sorted(named - {"spend"})


def _column_behind(metric: str) -> str:
    if metric in {"roas", "mroas", "iroas"}:
        return "revenue"
    if metric in {"cac", "cpa"}:
        return "conversions"
    if metric.startswith("cost_per_"):
        counted = metric.removeprefix("cost_per_")
        return "conversions" if counted in {"conversion", "acquisition", "action"} else counted
    return metric


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    """Which of the source's columns are read, by the contract's names."""

    mapping: dict[str, str]
    required: tuple[str, ...]
    metrics: tuple[str, ...]
    lines: tuple[str, ...]


def _wanted(policy: Policy, name: str, source: Source, tables: tuple[TextTable, ...]) -> _Wanted:
    mapped = source.columns
    there = {column for table in tables for column in table.names}
    metrics: list[str] = []
    required = ["date", *policy.line]
    optional: list[str] = []
    if name == "spend":
        required.append("spend")
        optional += _SPEND_OPTIONAL
    else:
        needed = metrics_of(policy)
        spend_side = {"date", *policy.line, "spend", *_SPEND_OPTIONAL}
        extra = {"conversions", "revenue", *(key for key in mapped if key not in spend_side)}
        metrics = sorted(
            {*needed, *(key for key in extra if key in mapped or mapped.get(key, key) in there)}
        )
        required += metrics
        optional.append("currency")
    names = [*required, *optional]
    mapping = {key: mapped.get(key, key) for key in names}
    required += [key for key in optional if key in mapped]
    return _Wanted(
        mapping=mapping,
        required=tuple(dict.fromkeys(required)),
        metrics=tuple(metrics),
        lines=policy.line,
    )


def _read_source(source: Source, base: Path, resolve: Resolver | None) -> _Read:
    if source.database is not None:
        try:
            table = read_database(source, base, resolve)
        except SourceError as error:
            return _Read(tables=(), files=(), problems=(error,))
        digest = sha256("\n".join(_raw(table).to_pylist()).encode())
        file = {"name": table.name, "sha256": digest, "rows": len(table.row)}
        return _Read(tables=(table,), files=(file,), problems=())
    try:
        raws = fetch_files(source.path or "", base)
    except SourceError as error:
        return _Read(tables=(), files=(), problems=(error,))
    tables: list[TextTable] = []
    files: list[dict[str, Any]] = []
    problems: list[SourceError] = []
    seen: dict[str, str] = {}
    for raw in raws:
        digest = sha256(raw.data)
        files.append({"name": raw.name, "sha256": digest, "bytes": len(raw.data)})
        if digest in seen:
            problems.append(
                SourceError(
                    f"{raw.name}: same bytes as {seen[digest]}; its money would count twice",
                    advice="remove one of the two",
                )
            )
        seen.setdefault(digest, raw.name)
        try:
            tables.append(parse_file(raw))
        except SourceError as error:
            problems.append(error)
    return _Read(tables=tuple(tables), files=tuple(files), problems=tuple(problems))


def _missing(
    table: TextTable, wanted: _Wanted, source: str, problems: list[SourceError]
) -> list[str]:
    """Return the required columns that the table lacks, and report them."""
    lacking = [key for key in wanted.required if wanted.mapping[key] not in table.names]
    for key in lacking:
        column = wanted.mapping[key]
        close = difflib.get_close_matches(column.lower().strip(), _lowered(table), 1, 0.7)
        advice = f"map it under sources.{source}.columns"
        if close:
            likely = next(item for item in table.names if item.lower().strip() == close[0])
            advice += f", for example {{{key}: {likely}}}"
        problems.append(
            SourceError(
                f"{table.name}: no column {column!r}; the header has "
                f"{', '.join(map(repr, table.names[:12]))}",
                advice=advice,
                column=column,
            )
        )
    return lacking


def _lowered(table: TextTable) -> list[str]:
    return [item.lower().strip() for item in table.names]


def _dimensions(tables: list[TextTable], used: set[str]) -> tuple[str, ...]:
    """Return the unused columns that tell rows of one day and line apart, such as a placement.

    A text column does, and one named `*_id`. A number may be a metric and a moment the time of
    a restatement, so rows that differ only there are ambiguous rather than parts of a sum.
    """
    import pyarrow.compute as pc

    names = sorted({name for table in tables for name in table.names} - used)
    found = []
    for name in names:
        if name == "id" or name.lower().endswith("_id"):
            found.append(name)
            continue
        is_text = False
        is_moment = True
        for table in tables:
            if name not in table.names:
                continue
            column = table.columns[table.names.index(name)]
            filled = column.filter(pc.not_equal(column, ""))
            is_text = is_text or not pc.all(pc.match_substring_regex(filled, _NUMBER)).as_py()
            is_moment = is_moment and bool(
                pc.all(pc.match_substring_regex(filled, _MOMENT), min_count=0).as_py()
            )
        if is_text and not is_moment:
            found.append(name)
    return tuple(found)


def _spend_table(tables: list[TextTable], wanted: _Wanted, dimensions: tuple[str, ...]) -> pa.Table:
    import pyarrow as pa

    parts = []
    for table, repeats in zip(tables, _repeats(tables), strict=True):
        columns = _key_columns(table, wanted, dimensions)
        for key in ("spend", *_SPEND_OPTIONAL):
            columns[key] = _column(table, wanted.mapping[key])
        parts.append(pa.table({**columns, "is_repeat": repeats}))
    return pa.concat_tables(parts).combine_chunks()


def _outcome_table(
    tables: list[TextTable], wanted: _Wanted, dimensions: tuple[str, ...]
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


def _key_columns(table: TextTable, wanted: _Wanted, dimensions: tuple[str, ...]) -> dict[str, Any]:
    count = len(table.row)
    columns = {
        "file": _constant(table.name, count),
        "row": table.row,
        "day": _column(table, wanted.mapping["date"]),
    }
    for level in range(MAX_LEVELS):
        columns[f"line_{level + 1}"] = (
            _column(table, wanted.mapping[wanted.lines[level]])
            if level < len(wanted.lines)
            else _constant("", count)
        )
    present = [name for name in dimensions if name in table.names]
    columns["dimensions"] = _joined([_column(table, name) for name in present], count)
    return columns


def _repeats(tables: list[TextTable]) -> list[Any]:
    """Return, per table, which rows equal an earlier row of any table in every cell."""
    import numpy as np
    import pyarrow as pa

    raw = pa.chunked_array([_raw(table) for table in tables], pa.string()).combine_chunks()
    codes = raw.dictionary_encode().indices.to_numpy()
    is_first = np.zeros(len(codes), dtype=bool)
    is_first[np.unique(codes, return_index=True)[1]] = True
    ends = np.cumsum([len(table.row) for table in tables])[:-1]
    return [pa.array(~part) for part in np.split(is_first, ends)]


def _raw(table: TextTable) -> Any:
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


def _finding(source: str, problem: SourceError) -> Finding:
    row = re.search(r", row (\d+):", str(problem))
    return Finding(
        level=Level.FAIL,
        check="source",
        message=str(problem),
        advice=problem.advice,
        source=source,
        column=problem.column,
        row=int(row.group(1)) if row else None,
    )
