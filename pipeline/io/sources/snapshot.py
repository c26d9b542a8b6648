"""Tonight's rows as they were, in the contract's names, as texts with their row numbers.

`snapshot/spend.parquet` holds one row per source row, or one per row and line of a wide table;
`snapshot/outcomes.parquet` one per source row and metric; `snapshot/experiments.parquet` one per
lift test; `snapshot/sources.json` says what was read. Every later step reads only these.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.core.findings import Finding
from pipeline.core.policy import Policy
from pipeline.core.sources import Source
from pipeline.io.artefacts import RunFolder, sha256
from pipeline.io.sources.database import Resolver, read_database
from pipeline.io.sources.files import SourceError, fetch_files
from pipeline.io.sources.pushdown import pushed_down
from pipeline.io.sources.rows import (
    SPEND_OPTIONAL,
    TABLES,
    TEST_OPTIONAL,
    TEST_REQUIRED,
    Wanted,
    raw_rows,
)
from pipeline.io.sources.tables import TextTable, parse_file

SPEND = "snapshot/spend.parquet"
OUTCOMES = "snapshot/outcomes.parquet"
EXPERIMENTS = "snapshot/experiments.parquet"
SOURCES = "snapshot/sources.json"
MAY_BE_EMPTY = {"experiments"}
"""Sources whose lack of rows says something: there was no test."""
_NUMBER = r"^[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?$"
_MOMENT = r"^\d{4}-\d{2}-\d{2}(?:[ T].*)?$"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadSource:
    """One source, read: its tables, what is recorded about its bytes, and what is wrong."""

    tables: tuple[TextTable, ...]
    files: tuple[dict[str, Any], ...]
    problems: tuple[SourceError, ...]


def read_snapshot(
    policy: Policy, base: Path, work: RunFolder, resolve: Resolver | None = None
) -> list[Finding]:
    """Write the snapshot of every source and return every problem found on the way.

    A source with a FAIL leaves no parquet file. Nothing is raised for bad input.

    Args:
        base: the portfolio folder, which relative paths start from.
        work: the run folder to write into.
        resolve: how an Airflow connection id becomes a URL; from the environment by default.
    """
    findings: list[Finding] = []
    read: dict[tuple[str, bool], ReadSource] = {}
    record: dict[str, Any] = {}
    for name, settings in _sources(policy):
        source = pushed_down(policy, name, settings, metrics_of(policy))
        may_be_empty = name in MAY_BE_EMPTY
        place = source.model_dump_json(include={"path", "database", "query", "table"})
        if (place, may_be_empty) not in read:
            read[place, may_be_empty] = read_source(
                source, base, resolve, may_be_empty=may_be_empty
            )
        got = read[place, may_be_empty]
        problems = list(got.problems)
        wanted = _wanted(policy, name, source, got.tables)
        tables = [table for table in got.tables if not _missing(table, wanted, problems)]
        findings += [problem.finding(name) for problem in problems]
        if problems or not tables:
            continue
        dimensions = _dimensions(tables, set(wanted.mapping.values()))
        work.write_parquet(f"snapshot/{name}.parquet", TABLES[name](tables, wanted, dimensions))
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


def _sources(policy: Policy) -> list[tuple[str, Source]]:
    sources = policy.sources
    found = [("spend", sources.spend), ("outcomes", sources.outcomes)]
    return found + ([("experiments", sources.experiments)] if sources.experiments else [])


def metrics_of(policy: Policy) -> list[str]:
    """Return the outcome columns that the settings cannot do without, sorted.

    A ratio is made from columns: `roas` from revenue, `cost_per_conversion` from conversions.
    """
    named = set(policy.objective.columns)
    built = {policy.objective.maximize} if policy.objective.values else set()
    for rail in policy.guardrails:
        named.add(_column_behind(rail.metric))
    return sorted(named - {"spend"} - built)


def _column_behind(metric: str) -> str:
    if metric in {"roas", "mroas", "iroas"}:
        return "revenue"
    if metric in {"cac", "cpa"}:
        return "conversions"
    if metric.startswith("cost_per_"):
        counted = metric.removeprefix("cost_per_")
        return "conversions" if counted in {"conversion", "acquisition", "action"} else counted
    return metric


def _wanted(policy: Policy, name: str, source: Source, tables: tuple[TextTable, ...]) -> Wanted:
    mapped = source.columns
    there = {column for table in tables for column in table.names}
    lines = _known_levels(policy, name, source, there)
    metrics: list[str] = []
    required = ["date"] if name != "experiments" else []
    required += [column for column in lines if column]
    optional: list[str] = []
    if name == "experiments":
        required += TEST_REQUIRED
        optional += TEST_OPTIONAL
    elif name == "spend":
        required += [] if source.wide else ["spend"]
        optional += SPEND_OPTIONAL
    else:
        needed = {*metrics_of(policy), *source.controls}
        spend_side = {"date", *policy.line, "spend", *SPEND_OPTIONAL}
        extra = {"conversions", "revenue", *(key for key in mapped if key not in spend_side)}
        metrics = sorted(
            {*needed, *(key for key in extra if key in mapped or mapped.get(key, key) in there)}
        )
        required += metrics
        optional.append("currency")
    mapping = {key: mapped.get(key, key) for key in [*required, *optional]}
    mapping |= {f"spend of {line}": column for line, column in source.wide.items()}
    required += [key for key in mapping if key in mapped or key.startswith("spend of ")]
    return Wanted(
        source=name,
        mapping=mapping,
        required=tuple(dict.fromkeys(required)),
        metrics=tuple(metrics),
        lines=lines,
        wide=source.wide,
    )


def _known_levels(policy: Policy, name: str, source: Source, there: set[str]) -> tuple[str, ...]:
    """Return the line's columns that a source has, "" in the place of those it has not."""
    if name == "experiments":  # a test may treat a whole channel, so any level may be left out
        known = {key for key in policy.line if source.columns.get(key, key) in there}
        known |= set(source.columns)
    elif name == "outcomes" and source.by is not None:
        known = set(source.by)
    else:
        known = set(policy.line[:-1] if source.wide else policy.line)
    return tuple(column if column in known else "" for column in policy.line)


def read_source(
    source: Source, base: Path, resolve: Resolver | None = None, *, may_be_empty: bool = False
) -> ReadSource:
    """Return every table of a source; what is wrong is reported, not raised.

    Args:
        may_be_empty: whether a table with columns and no rows says something.
    """
    if source.database is not None:
        try:
            table = read_database(source, base, resolve, may_be_empty=may_be_empty)
        except SourceError as error:
            return ReadSource(tables=(), files=(), problems=(error,))
        digest = sha256("\n".join(raw_rows(table).to_pylist()).encode())
        file = {"name": table.name, "sha256": digest, "rows": len(table.row)}
        return ReadSource(tables=(table,), files=(file,), problems=())
    try:
        raws = fetch_files(source.path or "", base)
    except SourceError as error:
        return ReadSource(tables=(), files=(), problems=(error,))
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
            tables.append(parse_file(raw, may_be_empty=may_be_empty))
        except SourceError as error:
            problems.append(error)
    return ReadSource(tables=tuple(tables), files=tuple(files), problems=tuple(problems))


def _missing(table: TextTable, wanted: Wanted, problems: list[SourceError]) -> list[str]:
    """Return the required columns that the table lacks, and report them."""
    lacking = [key for key in wanted.required if wanted.mapping[key] not in table.names]
    for key in lacking:
        column = wanted.mapping[key]
        close = difflib.get_close_matches(column.lower().strip(), _lowered(table), 1, 0.7)
        advice = f"map it under sources.{wanted.source}.columns"
        if close:
            likely = next(item for item in table.names if item.lower().strip() == close[0])
            advice += f", for example {{{key}: {likely}}}"
        if wanted.source == "outcomes" and key in wanted.lines:
            advice += (
                "; where outcomes are not known line by line, say by which line columns they are "
                "under sources.outcomes.by, for example by: [] for a total"
            )
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
