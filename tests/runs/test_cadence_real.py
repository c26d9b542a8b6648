"""Real contacts, none drawn by lot: whole nights that learn nothing of touches, and say so."""

from __future__ import annotations

import csv
from collections import Counter
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from pipeline.core.plan import Mode
from tests.runs.test_cadence import run_cadence, settings

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"


def need(name: str) -> Path:
    path = DATA / name
    if not path.exists():
        pytest.skip(f"{path} is not here: public data beside the repository, see its README")
    return path


def write(folder: Path, rows: list[dict[str, Any]]) -> None:
    with (folder / "data" / "contacts.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def households() -> list[dict[str, Any]]:
    """Return a row per day and segment of the grocer's households: campaigns in, coupons out."""
    source = need("cadence_complete_journey")
    start = {
        row["campaign_id"]: row["start_date"] for row in read(source / "campaign_descriptions.csv")
    }
    sent = [(start[r["campaign_id"]], r["household_id"]) for r in read(source / "campaigns.csv")]
    redeemed = read(source / "coupon_redemptions.csv")
    kids = {r["household_id"]: r["kids_count"] for r in read(source / "demographics.csv")}

    def stage(household: str) -> str:
        return {"": "unknown", "0": "no kids"}.get(kids.get(household, ""), "kids")

    people = Counter(stage(household) for household in {h for _, h in sent})
    touches = Counter((day, stage(household)) for day, household in sent)
    coupons = Counter((r["redemption_date"], stage(r["household_id"])) for r in redeemed)
    days = [date(2017, 3, 1) + timedelta(days=n) for n in range(240)]
    return [
        {
            "date": day.isoformat(),
            "stage": name,
            "persons": number,
            "touches": touches[day.isoformat(), name],
            "conversions": coupons[day.isoformat(), name],
            "leavers": 0,
        }
        for day in days
        for name, number in people.items()
    ]


def clients() -> list[dict[str, Any]]:
    """Return a row per client of the bank, in the order of the calls: calls in, deposits out."""
    table = pq.read_table(need("cadence_bank_contacts") / "bank_contacts_first28000.parquet")
    rows = table.select(["job", "campaign", "y"]).to_pylist()
    first = date(2026, 1, 1)
    return [
        {
            "date": (first + timedelta(days=place // 150)).isoformat(),
            "person": f"c{place}",
            "stage": "working" if row["job"] not in {"retired", "student"} else "not working",
            "touches": row["campaign"],
            "conversions": int(str(row["y"]) in {"yes", "1", "True"}),
            "leavers": 0,
        }
        for place, row in enumerate(rows)
    ]


@pytest.mark.parametrize(
    ("rows", "stages"),
    [(households, {"kids", "no kids", "unknown"}), (clients, {"working", "not working"})],
)
def test_touches_that_somebody_chose_move_nothing(
    rows: Any, stages: set[str], tmp_path: Path
) -> None:
    found = rows()
    folder = settings(tmp_path, {"segment": ["stage"], "reward": "conversions", "max_touches": 21})
    write(folder, found)
    day = date.fromisoformat(str(found[-1]["date"])) + timedelta(days=1)
    plan = run_cadence(folder, day)
    assert plan.mode is Mode.HOLD
    assert {line.line["stage"] for line in plan.lines} == stages
    for line in plan.lines:
        assert line.proposed == line.current
        is_shown = "people" in line.figures  # of few people neither number nor reason is told
        assert ("never drawn by lot" if is_shown else "too few to show why") in line.reason
    assert [finding.check for finding in plan.findings if finding.check == "lottery"]


def test_a_trial_with_too_few_people_teaches_no_cadence(tmp_path: Path) -> None:
    """Messages were drawn by lot, but for 37 people: fewer than an arm needs."""
    rows = read(need("cadence_mimic_heartsteps") / "mimic_heartsteps.csv")
    first, days = date(2026, 1, 1), Counter[tuple[int, str]]()
    worth = Counter[tuple[int, str]]()
    for row in rows:
        key = int(float(row["day_in_study"])), row["userid"]
        days[key] += int(float(row["intervention"]))
        worth[key] += max(float(row["logstep_30min"]), 0.0)  # type: ignore[assignment]
    folder = settings(tmp_path, {"segment": ["stage"], "max_touches": 21})
    write(
        folder,
        [
            {
                "date": (first + timedelta(days=day)).isoformat(),
                "person": user,
                "stage": "walkers",
                "dose": 7 * (int(user) % 3),
                "bucket": int(user) % 10,
                "touches": number,
                "value": round(worth[day, user], 4),
                "leavers": 0,
            }
            for (day, user), number in days.items()
        ],
    )
    plan = run_cadence(folder, first + timedelta(days=max(day for day, _ in days) + 1))
    assert plan.mode is Mode.HOLD
    assert "people" not in plan.lines[0].figures  # so few are not told
    assert "too few to show why" in plan.lines[0].reason
