"""What it costs to count exposure events without loading them.

    python -m benchmarks.exposures [MILLIONS]

Makes that many events of a day as parquet (3 audiences, 20 creatives, clicks, a person's key) and
counts them the way a night does, with and without people who withdrew.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from pathlib import Path

import duckdb

from pipeline.core.sources import Source
from pipeline.io.sources.stream import count_rows

_EVENTS = """
copy (
    select date '2026-11-21' as date, 'audience ' || (hash(i) % 3) as audience,
        'creative ' || (hash(i + 1) % 20) as creative,
        (hash(i + 2) % 50 = 0)::int as clicks, (hash(i) % 10000000)::varchar as person
    from range({rows}) t(i)
) to '{path}' (format parquet)
"""


def main() -> None:
    """Make the events and count them."""
    millions = float(sys.argv[1]) if len(sys.argv) > 1 else 5.0
    rows = int(millions * 1e6)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "events.parquet"
        duckdb.sql(_EVENTS.format(rows=rows, path=path))
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for gone in (frozenset[str](), frozenset(str(i) for i in range(10_000))):
            start = time.process_time()
            found = count_rows(
                Source(path=str(path)),
                Path(folder),
                needed=("date", "audience", "creative"),
                optional=("clicks",),
                person="person",
                withdrawn=gone,
            )
            took = time.process_time() - start
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            print(
                f"{found.rows / 1e6:.0f} M events ({path.stat().st_size / 2**20:.0f} MB), "
                f"{len(gone)} people withdrew ({found.withdrawn} events): {took:.1f} s of CPU, "
                f"{rows / took / 1e6:.1f} M a second, {found.table.num_rows} distinct rows, "
                f"memory grew by {(peak - before) / 1024:.0f} MB",
                flush=True,
            )


if __name__ == "__main__":
    main()
