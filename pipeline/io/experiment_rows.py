"""The result of a test as one more row of the file that `sources.experiments` reads."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path

from pipeline.core.errors import UsageError
from pipeline.io.artefacts import write_file


def append_row(path: Path, row: Mapping[str, str]) -> None:
    """Add a row below the others, in their columns; a new file gets a header.

    Args:
        row: by column; an empty value needs no column.

    Raises:
        UsageError: not a CSV of experiments, a column missing, or the test is in it already.
        StorageError: it cannot be written; then it is as before.
    """
    if not path.exists():
        write_file(path, _lines([list(row), list(row.values())]))
        return
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"--append {path}: cannot be read: {error}") from error
    known = list(csv.reader(io.StringIO(text)))
    header = known[0] if known else []
    if lacking := [name for name, value in row.items() if value and name not in header]:
        raise UsageError(
            f"--append {path}: has no column {lacking[0]!r}; add it to the header, "
            "or name a new file"
        )
    place = header.index("name")
    if any(place < len(cells) and cells[place] == row["name"] for cells in known[1:]):
        raise UsageError(f"--append {path}: has a row of {row['name']!r} already")
    end = "" if text.endswith("\n") else "\n"
    added = _lines([[row.get(name, "") for name in header]])
    write_file(path, path.read_bytes() + end.encode() + added)


def _lines(rows: list[list[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()
