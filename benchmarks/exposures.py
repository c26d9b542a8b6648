"""What it costs to count exposure events without loading them.

    python -m benchmarks.exposures [MILLIONS]

Makes that many events of a day as parquet (3 audiences, 20 creatives, clicks, a person's key) and
counts them and the people the way a night does, with and without people who withdrew.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from pipeline.core.sources import Source
from pipeline.io.sources.stream import count_rows

_EVENTS = """
copy (
    select date '2026-11-21' as date, 'audience ' || (hash(i) % 3) as audience,
        'creative ' || (hash(i + 1) % 20) as creative,
        (hash(i + 2) % 50 = 0)::int as clicks, (hash(i) % 10000000)::varchar as person
    from range({first}, {last}) t(i)
) to '{path}' (format parquet)
"""
_FILE = 10_000_000
"""Events of one file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counting:
    """What one count cost: CPU seconds, and by how many bytes memory grew at most."""

    events: int
    size: int
    withdrew: int
    distinct: int
    cpu: float
    memory: int


def measure(millions: float) -> list[Counting]:
    """Make the events in files, count them with nobody and with ten thousand withdrawn."""
    rows, found = round(millions * 1e6), []
    with tempfile.TemporaryDirectory() as folder:
        with duckdb.connect(config={"threads": 1, "memory_limit": "1GB"}) as connection:
            for first in range(0, rows, _FILE):
                path = Path(folder) / f"events-{first // _FILE:03}.parquet"
                last = min(first + _FILE, rows)
                connection.execute(_EVENTS.format(first=first, last=last, path=path))
        size = sum(path.stat().st_size for path in Path(folder).iterdir())
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for gone in (frozenset[str](), frozenset(str(i) for i in range(10_000))):
            start = time.process_time()
            counted = count_rows(
                Source(path=f"{folder}/events-*.parquet"),
                Path(folder),
                needed=("date", "audience", "creative"),
                optional=("clicks",),
                person="person",
                withdrawn=gone,
                groups=("audience", "creative"),
            )
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            found.append(
                Counting(
                    events=counted.rows,
                    size=size,
                    withdrew=len(gone),
                    distinct=counted.table.num_rows,
                    cpu=time.process_time() - start,
                    memory=1024 * (peak - before),
                )
            )
    return found


def text(found: Sequence[Counting]) -> str:
    """Return the counts as a Markdown table."""
    rows = [
        f"| {c.events:,} | {c.size / 2**20:,.0f} | {c.withdrew:,} | {c.distinct:,} | {c.cpu:.0f} "
        f"| {c.events / c.cpu / 1e6:.1f} | {c.memory / 2**20:,.0f} |"
        for c in found
    ]
    head = (
        "| events | MB on disk | people who withdrew | distinct rows | CPU s | million a CPU s "
        "| memory grew by, MB |"
    )
    about = "A day's events of 3 audiences, 20 creatives and ten million people:"
    return "\n".join([about, "", head, "|" + " ---: |" * 7, *rows])


if __name__ == "__main__":
    print(text(measure(float(sys.argv[1]) if len(sys.argv) > 1 else 5.0)))
