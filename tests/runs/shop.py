"""A small shop whose nights can be run in this process: files, settings, a clock and a past."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.core.plan import Plan
from pipeline.io.artefacts import RunFolder, open_run
from pipeline.io.ledger import PlanRecord, Stated
from pipeline.runs import signoff
from pipeline.runs.night import run_night
from pipeline.runs.portfolio import Portfolio, open_portfolio

DAY = date(2026, 11, 22)
LINES = (("search", "brand"), ("search", "generic"), ("social", "a"), ("social", "b"), ("tv", "x"))
SPENDS = (100.0, 300.0, 200.0, 250.0, 150.0)
BUDGET = 1000.0


def meant(record: PlanRecord) -> Stated:
    """Return what somebody says who means this plan."""
    return Stated(
        portfolio=record.document.portfolio, total=record.total, content_hash=record.content_hash
    )


class Shop:
    """A portfolio folder with `days` of history before `DAY`, written when a night is run."""

    def __init__(
        self,
        folder: Path,
        *,
        columns: Sequence[str] = ("channel", "audience"),
        lines: Sequence[tuple[str, ...]] = LINES,
        spends: Sequence[float] = SPENDS,
        days: int = 42,
        seed: int = 3,
        level: float = 1.0,
    ) -> None:
        self.folder, self.columns, self.lines = folder, tuple(columns), list(lines)
        self.moment = datetime(DAY.year, DAY.month, DAY.day, 5, tzinfo=UTC)
        self.settings: dict[str, Any] = {
            "portfolio": "acme",
            "currency": "EUR",
            "timezone": "Europe/Berlin",
            "line": list(columns),
            "budget": {"daily": BUDGET * level},
            "people": {"analysts": ["ana"], "finance": ["fin", "flo"]},
            "sources": {
                "spend": {"path": "data/spend.csv"},
                "outcomes": {"path": "data/outcomes.csv"},
            },
        }
        self.spend, self.outcomes = self._past(spends, days, seed, level)
        folder.mkdir(parents=True, exist_ok=True)

    def _past(
        self, spends: Sequence[float], days: int, seed: int, level: float
    ) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """Return rows of curves with diminishing returns, on noisy spends."""
        rng = np.random.default_rng(seed)
        spend, outcomes = [], []
        for back in range(days, 0, -1):
            day = (DAY - timedelta(days=back)).isoformat()
            for index, line in enumerate(self.lines):
                key = {"date": day, **dict(zip(self.columns, line, strict=True))}
                paid = float(spends[index] * level * rng.lognormal(0.0, 0.25))
                usual = spends[index] * level
                earned = (2 + index) * usual * (paid / usual) ** (0.3 + 0.1 * (index % 4))
                revenue = (earned + usual) * rng.lognormal(0.0, 0.08)
                paid = round(paid, 2)
                spend.append({**key, "spend": paid, "impressions": 1000, "clicks": 10})
                outcomes.append(
                    {
                        **key,
                        "conversions": int(rng.poisson(revenue / level / 20)),
                        "revenue": round(float(revenue), 2),
                    }
                )
        return spend, outcomes

    def write(self) -> None:
        """Write settings and data as they are now."""
        (self.folder / "portfolio.yaml").write_text(json.dumps(self.settings), encoding="utf-8")
        write_csv(self.folder / "data" / "spend.csv", self.spend)
        write_csv(self.folder / "data" / "outcomes.csv", self.outcomes)

    @property
    def portfolio(self) -> Portfolio:
        return open_portfolio(self.folder, lambda: self.moment)

    def night(self, day: date = DAY) -> Plan:
        """Write the files and run one night."""
        self.write()
        return run_night(self.portfolio, day)

    def approve(self, ref: str = "latest") -> signoff.Decided:
        """Sign as the analyst, who says which plan is meant."""
        portfolio = self.portfolio
        record = signoff.existing_ledger(portfolio).plan(ref, portfolio.policy.portfolio)
        return signoff.approve_plan(portfolio, ref, "ana", meant(record))

    def sign_caps(self) -> None:
        """Have finance approve every cap that waits."""
        self.write()
        signoff.ready_ledger(self.portfolio)
        signoff.approve_caps(self.portfolio, None, "fin")

    def cap(self, **spec: Any) -> None:
        """Put one cap in force: proposed by one person of finance, approved by another."""
        from pipeline.core.policy import CapSpec

        self.write()
        cap = signoff.propose_cap(self.portfolio, CapSpec.model_validate(spec), "flo", "")
        signoff.approve_caps(self.portfolio, cap.id, "fin")

    def later(self, days: int = 1) -> date:
        """Move the clock on, let every line spend what is in force, and return the new day."""
        for _ in range(days):
            day = self.today.isoformat()
            before = (self.today - timedelta(days=7)).isoformat()
            self.spend += [{**r, "date": day} for r in self.spend if r["date"] == before]
            self.outcomes += [{**r, "date": day} for r in self.outcomes if r["date"] == before]
            self.moment += timedelta(days=1)
        return self.today

    @property
    def today(self) -> date:
        return self.portfolio.today() if self.is_written else DAY

    @property
    def is_written(self) -> bool:
        return (self.folder / "portfolio.yaml").exists()

    def run(self, plan: Plan) -> RunFolder:
        return open_run(self.portfolio.runs, plan.plan_id)

    def statuses(self) -> dict[str, str]:
        records = signoff.ready_ledger(self.portfolio).plans("acme")
        return {record.plan_id: record.status.value for record in records}

    def files(self) -> set[str]:
        """Every file of the folder's state, by relative path."""
        state = self.folder / ".equimarginal"
        return {str(path.relative_to(state)) for path in state.rglob("*") if path.is_file()}

    def line_rows(self, *line: str) -> list[dict[str, Any]]:
        """The spend rows of one line, oldest first."""
        key = dict(zip(self.columns, line, strict=True))
        return [row for row in self.spend if key.items() <= row.items()]


def write_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows as the plainest CSV, cells quoted where they must be."""
    import csv

    path.parent.mkdir(parents=True, exist_ok=True)
    names = list(dict.fromkeys(name for row in rows for name in row))
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, names, restval="")
        writer.writeheader()
        writer.writerows(rows)


def amounts(plan: Plan) -> dict[tuple[str, ...], tuple[float, float]]:
    """Return current and proposed of every line."""
    return {
        tuple(item.line[column] for column in plan.line_columns): (item.current, item.proposed)
        for item in plan.lines
    }
