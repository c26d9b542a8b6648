from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.core.findings import Finding, Level
from pipeline.core.policy import Policy, parse_policy
from pipeline.io import quality, warehouse
from pipeline.io.artefacts import RunFolder, begin_run
from pipeline.io.sources import read_snapshot

DAY = date(2026, 3, 2)  # a Monday
Row = dict[str, Any]


class Tables:
    """A good pair of sources for DAY, whose rows a test may spoil before it is read."""

    def __init__(self, folder: Path, n_days: int = 60) -> None:
        self.folder = folder
        rng = np.random.default_rng(7)
        self.spend: list[Row] = []
        self.outcomes: list[Row] = []
        for back in range(n_days, 0, -1):
            day = DAY - timedelta(days=back)
            for channel, audience, size in (
                ("search", "a1", 400.0),
                ("search", "a2", 200.0),
                ("social", "a1", 300.0),
                ("social", "a2", 100.0),
            ):
                spent = round(size * float(np.exp(rng.normal(0, 0.1))), 2)
                clicks = int(spent * 2)
                sold = int(rng.poisson(spent / 10))
                key = {"date": day.isoformat(), "channel": channel, "audience": audience}
                self.spend.append(
                    {**key, "spend": spent, "impressions": clicks * 20, "clicks": clicks}
                )
                self.outcomes.append({**key, "conversions": sold, "revenue": sold * 50.0})

    def policy(self, **changes: Any) -> Policy:
        settings: dict[str, Any] = {
            "portfolio": "acme",
            "currency": "EUR",
            "line": ["channel", "audience"],
            "budget": {"daily": 1000},
            "sources": {
                "spend": {"path": "spend.csv"},
                "outcomes": {"path": "outcomes.csv"},
            },
        }
        return parse_policy({**settings, **changes}, "portfolio.yaml")

    def write(self) -> None:
        write_csv(self.folder / "spend.csv", self.spend)
        write_csv(self.folder / "outcomes.csv", self.outcomes)

    def cell(self, table: list[Row], back: int, channel: str, audience: str) -> Row:
        """Return the row of a line, `back` days before DAY."""
        day = (DAY - timedelta(days=back)).isoformat()
        return next(
            row
            for row in table
            if (row["date"], row["channel"], row["audience"]) == (day, channel, audience)
        )


def write_csv(path: Path, rows: list[Row]) -> None:
    names = list(dict.fromkeys(name for row in rows for name in row))
    lines = [",".join(names)]
    lines += [",".join(_quoted(str(row.get(name, ""))) for name in names) for row in rows]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _quoted(cell: str) -> str:
    return '"' + cell.replace('"', '""') + '"' if any(mark in cell for mark in ',"\n') else cell


@pytest.fixture
def tables(tmp_path: Path) -> Tables:
    folder = tmp_path / "portfolio"
    folder.mkdir()
    return Tables(folder)


@pytest.fixture
def work(tmp_path: Path) -> Iterator[RunFolder]:
    yield begin_run(str(tmp_path / "runs"), "night")


@dataclass(frozen=True)
class Findings:
    """What a night found, by level."""

    all: list[Finding]

    @property
    def fails(self) -> set[str]:
        return {finding.check for finding in self.all if finding.level is Level.FAIL}

    @property
    def reviews(self) -> set[str]:
        return {finding.check for finding in self.all if finding.level is Level.REVIEW}

    def named(self, check: str) -> Finding:
        return next(finding for finding in self.all if finding.check == check)


class Night:
    """The steps from sources to findings, without the suites unless they are asked for."""

    def __init__(self, tables: Tables, work: RunFolder) -> None:
        self.tables = tables
        self.work = work

    def __call__(
        self,
        policy: Policy | None = None,
        *,
        day: date = DAY,
        today: date | None = None,
        previous: RunFolder | None = None,
        suites: bool = False,
    ) -> Findings:
        policy = policy or self.tables.policy()
        found = read_snapshot(policy, self.tables.folder, self.work)
        if found:
            return Findings(found)
        warehouse.build(self.work, policy, day, today or day, previous)
        judged = quality.judge(self.work, policy, day, previous, with_suites=suites)
        return Findings(judged.complete())


@pytest.fixture
def night(tables: Tables, work: RunFolder) -> Night:
    return Night(tables, work)
