"""A feed's rows on disk, a CSV per month: days that are fetched again replace what was there."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.io.artefacts import write_file
from pipeline.io.feeds.rows import Row, Window
from pipeline.io.web.api import PlatformError


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """What one feed left on disk."""

    rows: int
    files: tuple[Path, ...]


def store_rows(folder: Path, columns: Sequence[str], rows: Sequence[Row], window: Window) -> Stored:
    """Put the window's rows in place of those that were there, month by month, and return them.

    Raises:
        PlatformError: nothing came where there was something before, or another day was told.
        StorageError: the folder cannot be written.
    """
    first, last = window.first.isoformat(), window.last.isoformat()
    outside = sorted({row["date"] for row in rows if not first <= row["date"] <= last})
    if outside:
        raise PlatformError(f"{folder.name}: answered for {outside[0]}, which was not asked for")
    months = {day[:7] for day in _days(first, last)}
    known = {month: _read(folder / f"{month}.csv", columns) for month in months}
    had = [row for kept in known.values() for row in kept if first <= row["date"] <= last]
    if had and not rows:
        raise PlatformError(
            f"{folder.name}: no rows from {first} to {last} where {len(had)} are known; "
            "nothing was replaced, see whether the account can still be read"
        )
    files = []
    for month in sorted(months):
        kept = [row for row in known[month] if not first <= row["date"] <= last]
        fresh = [row for row in rows if row["date"].startswith(month)]
        if kept or fresh:
            path = folder / f"{month}.csv"
            write_file(path, _csv(columns, [*kept, *fresh]))
            files.append(path)
    return Stored(rows=len(rows), files=tuple(files))


def _days(first: str, last: str) -> list[str]:
    """Return a day of every month from first to last."""
    year, month = int(first[:4]), int(first[5:7])
    found = []
    while f"{year:04}-{month:02}" <= last[:7]:
        found.append(f"{year:04}-{month:02}-01")
        year, month = (year + 1, 1) if month == 12 else (year, month + 1)
    return found


def _read(path: Path, columns: Sequence[str]) -> list[Row]:
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        if list(reader.fieldnames or ()) != list(columns):
            raise PlatformError(
                f"{path}: has other columns than this feed writes; move it away and fetch again"
            )
        return [dict(row) for row in reader]


def _csv(columns: Sequence[str], rows: Sequence[Row]) -> bytes:
    sink = io.StringIO(newline="")
    writer = csv.writer(sink, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(sorted([row.get(name, "") for name in columns] for row in rows))
    return sink.getvalue().encode("utf-8")
