"""Portfolios of any size for measuring: the bundled one, side by side with copies of itself."""

from __future__ import annotations

import csv
import tempfile
from datetime import date, timedelta
from pathlib import Path

from pipeline.simulation.example import END, write_example

FIRST_NIGHT = END + timedelta(days=1)
SETTINGS = """
portfolio: measured
currency: EUR
timezone: Europe/Berlin
line: [channel, audience]
budget: {{daily: {budget}}}
people: {{analysts: [ana], finance: [fin]}}
sources: {{spend: {{path: data/spend.csv}}, outcomes: {{path: data/outcomes.csv}}}}
"""


def write_portfolio(folder: Path, *, lines: int, days: int, end: date = END) -> None:
    """Write a portfolio of so many lines: the bundled lines, copied under other channel names."""
    with tempfile.TemporaryDirectory() as scratch:
        write_example(Path(scratch), days=days, end=end)
        kept: dict[tuple[str, str], str] = {}
        for name in ("spend", "outcomes"):
            with (Path(scratch) / "data" / f"{name}.csv").open(
                encoding="utf-8", newline=""
            ) as file:
                rows = list(csv.DictReader(file))
            originals = sorted({(row["channel"], row["audience"]) for row in rows})
            kept = {
                line: f"{copy:03d}"
                for copy in range(-(-lines // len(originals)))
                for line in [(f"{channel}_{copy:03d}", audience) for channel, audience in originals]
            }
            chosen = set(sorted(kept, key=lambda line: kept[line])[:lines])
            _write(folder / "data" / f"{name}.csv", rows, chosen)
    budget = _newest_budget(folder / "data" / "spend.csv")
    (folder / "portfolio.yaml").write_text(SETTINGS.format(budget=budget), encoding="utf-8")


def _write(path: Path, rows: list[dict[str, str]], chosen: set[tuple[str, str]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    copies = sorted({channel.rsplit("_", 1)[1] for channel, _ in chosen})
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        for copy in copies:
            for row in rows:
                channel = f"{row['channel']}_{copy}"
                if (channel, row["audience"]) in chosen:
                    writer.writerow({**row, "channel": channel})


def _newest_budget(path: Path) -> float:
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    newest = max(row["date"] for row in rows)
    return round(sum(float(row["budget"]) for row in rows if row["date"] == newest), 2)
