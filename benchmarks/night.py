"""How long a night takes, start-up included, and how it grows with lines and days.

    python -m benchmarks.night

CPU seconds of a fresh process each, best of three; ratios matter, seconds depend on the machine.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.portfolios import FIRST_NIGHT, write_portfolio

REPEATS = 3
IMPORTS = (
    "import pipeline.runs.night, pipeline.io.quality, great_expectations, duckdb, scipy.optimize"
)


def main() -> None:
    """Print the table."""
    for name, value in measure().items():
        print(f"{name:34} {value:8.2f}")


def measure() -> dict[str, float]:
    """Return every figure by name; seconds of CPU, or a ratio where the name says so."""
    base = night_seconds(50, 180)
    return {
        "command line, --help": cpu_seconds(["-m", "pipeline", "--help"]),
        "imports of a night": cpu_seconds(["-c", IMPORTS]),
        "night, 50 lines, 180 days": base,
        "ratio, twice the lines": night_seconds(100, 180) / base,
        "ratio, twice the days": night_seconds(50, 360) / base,
    }


def night_seconds(lines: int, days: int) -> float:
    """Return the CPU seconds of one whole night in a fresh process."""
    with tempfile.TemporaryDirectory() as scratch:
        best = float("inf")
        for repeat in range(REPEATS):
            folder = Path(scratch) / str(repeat)
            write_portfolio(folder, lines=lines, days=days)
            night = ["night", "-w", str(folder), "--date", FIRST_NIGHT.isoformat()]
            best = min(best, cpu_seconds(["-m", "pipeline", *night], repeats=1))
        return best


def cpu_seconds(arguments: list[str], repeats: int = REPEATS) -> float:
    """Return the least CPU time of a Python process, its children's included."""
    best = float("inf")
    for _ in range(repeats):
        before = _children()
        subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
        best = min(best, _children() - before)
    return best


def _children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    main()
