"""What it costs to add up a log of offer decisions, and how much of that is the first look.

    python -m benchmarks.offer_log [MILLIONS]

Makes that many decisions of four weeks as parquet (30 segments, 5 actions, as many people as
decisions over four) and reads them the way a night does, each size in a process of its own.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path

import duckdb

from pipeline.core.sources import Source, Sources
from pipeline.io import offer_first_look, offer_log

_DECISIONS = """
copy (
    select (date '2026-10-20' + (i % 28)::int)::varchar as date,
        'p' || (i % {people}) as person, 'segment ' || (hash(i % {people}) % 30) as segment,
        'action ' || (hash(i) % 5) as action, '0.2' as propensity,
        'action 0|action 1|action 2|action 3|action 4' as eligible,
        case when hash(i + 3) % 20 = 0 then '12.5' else '' end as reward,
        'true' as consent
    from range({first}, {last}) t(i)
) to '{path}' (format parquet)
"""
_FILE = 1_000_000
_WANTED, _KEY = 100_000_000, 8
_DAY, _UNTIL = date(2026, 11, 22), date(2026, 11, 15)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What one reading cost: CPU seconds, of them the first look; bytes that memory grew by."""

    decisions: int
    cpu: float
    first_look: float
    memory: int


def measure(millions: float) -> Reading:
    """Return what a log of so many decisions costs."""
    rows = round(millions * 1e6)
    with tempfile.TemporaryDirectory() as folder:
        with duckdb.connect(config={"threads": 1, "memory_limit": "1GB"}) as connection:
            for first in range(0, rows, _FILE):
                path = Path(folder) / f"log-{first // _FILE:03}.parquet"
                last = min(first + _FILE, rows)
                connection.execute(
                    _DECISIONS.format(first=first, last=last, path=path, people=rows // 4 + 1)
                )
        place = Source(path=f"{folder}/log-*.parquet")
        looked = [0.0]
        look = offer_first_look.look_first

        def timed(*given: object) -> frozenset[str]:
            start = time.process_time()
            found = look(*given)  # type: ignore[arg-type]
            looked[0] += time.process_time() - start
            return found

        offer_log.look_first = timed  # type: ignore[assignment]
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        start = time.process_time()
        log = offer_log.read_log(
            Sources(spend=place, outcomes=place, decisions=place), Path(folder), _DAY, _DAY,
            window_days=180, judged_until=_UNTIL,
        )  # fmt: skip
        cpu = time.process_time() - start
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if log.faults.keys() - {"outside"}:
        raise SystemExit(f"the log is not as it was meant: {dict(log.faults)}")
    return Reading(decisions=log.rows, cpu=cpu, first_look=looked[0], memory=1024 * (peak - before))


def readings(sizes: Sequence[float]) -> list[Reading]:
    """Return every size's cost."""
    found = []
    for millions in sizes:
        command = [sys.executable, "-m", "benchmarks.offer_log", str(millions), "--json"]
        said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        found.append(Reading(**json.loads(said)))
    return found


def text(found: Sequence[Reading]) -> str:
    """Return the costs as a Markdown table."""
    rows = [
        f"| {r.decisions:,} | {r.cpu:.1f} | {r.first_look / r.cpu:.0%} "
        f"| {r.decisions / r.cpu / 1e6:.2f} | {r.memory / 2**20:,.0f} |"
        for r in found
    ]
    head = "| decisions | CPU s | of that the first look | million a CPU s | memory grew by, MB |"
    most = max(found, key=lambda r: r.decisions)
    times = _WANTED / most.decisions
    ahead = (
        f"{_WANTED:,} were not read. At the last row's pace they take {times * most.cpu / 60:.0f} "
        f"minutes of CPU, and {_KEY * _WANTED / 2**30:.1f} GB for one number of each decision, "
        "which tells who is decided for twice."
    )
    return "\n".join([head, "|" + " ---: |" * 5, *rows, "", ahead])


if __name__ == "__main__":
    size = float(sys.argv[1]) if len(sys.argv) > 1 else 1.0
    print(json.dumps(asdict(measure(size))) if "--json" in sys.argv else text(readings([size])))
