"""What a policy of offers learned on half of the Hillstrom e-mail trial earns on the other half.

    python -m benchmarks.hillstrom FOLDER [--write]

Everybody was drawn evenly for one of three mails (men's, women's, none), so what any policy earns
on the half that it never saw is a plain weighted mean of their visits.
"""

from __future__ import annotations

import csv
import sys
import tempfile
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import yaml

from pipeline.core.clock import fixed_clock
from pipeline.core.decision import DecisionPlan
from pipeline.core.plan import Kind
from pipeline.runs.decisions import run_decision
from pipeline.runs.portfolio import open_portfolio

DAY = date(2026, 11, 22)
MAILS = {"Mens E-Mail": "mens", "Womens E-Mail": "womens", "No E-Mail": "none"}
SOURCES = ("spend", "outcomes", "decisions", "customers")


def text(folder: Path) -> str:
    """Return what was promised and what the other half says, in a sentence."""
    table = pq.read_table(folder / "hillstrom_train.parquet")
    people = [_row(row) for row in table.to_pylist()]
    learned, kept = people[::2], people[1::2]
    with tempfile.TemporaryDirectory() as place:
        plan = _night(Path(place), learned, kept)
    if plan.uplift is None:
        raise SystemExit("no policy was proposed")
    share = {(x.line["segment"], x.line["action"]): x.proposed for x in plan.lines}
    visits = np.array([float(row["reward"]) for row in kept])
    weight = np.array([3 * share[row["segment"], row["action"]] for row in kept])
    gain = weight * visits - visits
    error = 1.645 * float(gain.std()) / len(kept) ** 0.5
    promised = [100 * x / len(kept) for x in (plan.uplift.mean, plan.uplift.p05, plan.uplift.p95)]
    return (
        f"Learned on {len(learned):,} people of the Hillstrom e-mail trial, the policy promises "
        f"{promised[0]:+.2f} visits a hundred people over the even split ({promised[1]:+.2f} to "
        f"{promised[2]:+.2f}); on the other {len(kept):,}, whom it never saw, it earns "
        f"{100 * gain.mean():+.2f} ({100 * (gain.mean() - error):+.2f} to "
        f"{100 * (gain.mean() + error):+.2f}), intervals of 90 %. {plan.reasons[-1]}"
    )


def _row(row: Mapping[str, object]) -> dict[str, str]:
    return {
        "date": (DAY - timedelta(days=20)).isoformat(),
        "person": str(row["row_id"]),
        "segment": f"bought mens {row['mens']}, womens {row['womens']}",
        "action": MAILS[str(row["segment"])],
        "propensity": str(1 / 3),
        "eligible": "none|mens|womens",
        "reward": str(row["visit"]),
    }


def _night(folder: Path, learned: list[dict[str, str]], kept: list[dict[str, str]]) -> DecisionPlan:
    """Return the night's plan: the log is one half, the customers are the other."""
    customers = [{**row, "consent": "email"} for row in kept]
    for name, rows, columns in (
        ("decisions", learned, list(learned[0])),
        ("customers", customers, ["person", "segment", "consent"]),
    ):
        with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, columns, extrasaction="ignore")
            writer.writeheader()
            writer.writerows(rows)
    mails = [{"action": name, "channel": "email"} for name in ("mens", "womens")]
    settings = {
        "portfolio": "hillstrom",
        "currency": "USD",
        "line": ["channel"],
        "budget": {"daily": 100},
        "people": {"analysts": ["ana"], "finance": ["fin"]},
        "sources": {name: {"path": f"{name}.csv"} for name in SOURCES},
        "offers": {"actions": [{"action": "none"}, *mails], "holdout": 0.0},
    }
    (folder / "portfolio.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    clock = fixed_clock(datetime(DAY.year, DAY.month, DAY.day, 6, tzinfo=UTC))
    return run_decision(open_portfolio(folder, clock), Kind.OFFERS, DAY)


if __name__ == "__main__":
    said = text(Path(sys.argv[1]))
    print(said)
    if "--write" in sys.argv:
        from benchmarks.numbers import ROOT, fill

        page = ROOT / "docs" / "offers.md"
        page.write_text(fill(page.read_text(encoding="utf-8"), "hillstrom", said), "utf-8")
