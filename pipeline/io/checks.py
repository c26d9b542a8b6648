"""Row-level checks as SQL: each file under sql/checks returns the rows that offend."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from pipeline.core.findings import Finding, Level
from pipeline.io.assets import asset_folder

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

MAX_SHOWN = 10  # rows named per check; the rest is a count
MAX_SHOWN_REVIEW = 2
_COLUMNS = ("source", "file", "row", "column", "value", "problem")


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One file: what it selects, how bad a row is, and what to do about it."""

    name: str
    select: str
    level: Level
    advice: str


@lru_cache(maxsize=1)
def load_checks() -> tuple[Check, ...]:
    """Return every check, by name.

    The header says `Level: fail` or `review` (a column `level` says it per row) and `Advice: ...`.
    """
    found = []
    for path in sorted((asset_folder("sql") / "checks").glob("*.sql")):
        text = path.read_text(encoding="utf-8")
        header = " ".join(
            line.removeprefix("--").strip() for line in text.splitlines() if line.startswith("--")
        )
        level = re.search(r"Level: (fail|review)", header)
        advice = re.search(r"Advice: (.*)$", header)
        found.append(
            Check(
                name=path.stem.replace("_", "-"),
                select=text,
                level=Level(level.group(1)) if level else Level.FAIL,
                advice=advice.group(1).strip() if advice else "",
            )
        )
    return tuple(found)


def run_checks(connection: DuckDBPyConnection) -> list[Finding]:
    """Return the findings of every check on a staged connection."""
    findings: list[Finding] = []
    for check in load_checks():
        cursor = connection.execute(check.select)
        names = [column[0] for column in cursor.description or []]
        rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
        findings += _findings(check, rows)
    return findings


def printable(text: str) -> str:
    """Return the text with control and direction marks escaped: what a log line may hold."""
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )


def _findings(check: Check, rows: list[dict[str, Any]]) -> list[Finding]:
    rows.sort(key=lambda row: _level(check, row) != Level.FAIL)
    shown_rows = MAX_SHOWN if rows and _level(check, rows[0]) == Level.FAIL else MAX_SHOWN_REVIEW
    shown = [_finding(check, row) for row in rows[:shown_rows]]
    hidden = rows[shown_rows:]
    if hidden:
        worst = Level.FAIL if any(_level(check, row) == Level.FAIL for row in hidden) else None
        shown.append(
            Finding(
                level=worst or _level(check, hidden[0]),
                check=check.name,
                message=f"{len(hidden)} more such cells in {hidden[0]['source']}",
                advice=check.advice,
                source=str(hidden[0]["source"]),
            )
        )
    return shown


def _finding(check: Check, row: dict[str, Any]) -> Finding:
    source, file, number, column, value, problem = (row[name] for name in _COLUMNS)
    return Finding(
        level=_level(check, row),
        check=check.name,
        message=printable(f"{file}, row {number}, column {column}: {str(value)[:80]!r} {problem}"),
        advice=check.advice,
        source=str(source),
        column=str(column),
        row=int(number),
        value=printable(str(value)[:200]),
    )


def _level(check: Check, row: dict[str, Any]) -> Level:
    return Level(row["level"]) if "level" in row else check.level
