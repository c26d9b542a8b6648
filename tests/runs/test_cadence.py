"""A night of the lifecycle cadence end to end: contacts in, signed touches a week out."""

from __future__ import annotations

import csv
import io
import json
import shutil
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from pipeline.core.clock import fixed_clock
from pipeline.core.decision import DecisionPlan
from pipeline.core.errors import ConfigError, DataNotTrustedError, InfeasibleError
from pipeline.core.plan import Kind, Mode, Status
from pipeline.io.ledger import Stated
from pipeline.runs.checking import replay_plan
from pipeline.runs.decisions import run_decision
from pipeline.runs.portfolio import Portfolio, open_portfolio
from pipeline.runs.reports import rewrite_page
from pipeline.runs.signoff import approve_plan
from pipeline.simulation.cadence.sample import contacts_csv, sample_contacts, sample_world

DAY = date(2026, 11, 22)
RULES: dict[str, Any] = {
    "segment": ["stage"],
    "capacity": 190_000,
    "max_touches": 4,
    "touch_cost": 0.02,
    "leaving": {"cost": 25, "max_weekly": 0.02},
    "quiet": {"start": "20:30", "end": "08:00", "days": ["sunday"], "dates": ["2026-12-25"]},
}


def settings(folder: Path, rules: Any = RULES, **more: Any) -> Path:
    """Write a portfolio that sets a cadence."""
    sources = {
        "spend": {"path": "data/spend.csv"},
        "outcomes": {"path": "data/spend.csv"},
        "contacts": {"path": "data/contacts.csv"},
    }
    text = {
        "portfolio": "acme",
        "currency": "EUR",
        "timezone": "Europe/Berlin",
        "line": ["channel"],
        "budget": {"daily": 100},
        "people": {"analysts": ["ana"], "finance": ["fin"]},
        **more,
        "sources": {**sources, **more.get("sources", {})},
        **({} if rules is None else {"cadence": rules}),
    }
    (folder / "data").mkdir(parents=True, exist_ok=True)
    (folder / "portfolio.yaml").write_text(yaml.safe_dump(text), encoding="utf-8")
    return folder


def at(folder: Path, day: date = DAY) -> Portfolio:
    moment = datetime.combine(day, datetime.min.time(), UTC) + timedelta(hours=6)
    return open_portfolio(folder, fixed_clock(moment))


def run_cadence(folder: Path, day: date = DAY) -> DecisionPlan:
    return run_decision(at(folder, day), Kind.CADENCE, day)


def touches(plan: DecisionPlan) -> dict[str, float]:
    return {line.line["stage"]: line.proposed for line in plan.lines}


def sign(folder: Path, plan: DecisionPlan, day: date = DAY) -> Path:
    done = approve_plan(
        at(folder, day), plan.plan_id, "ana", Stated(content_hash=plan.content_hash)
    )
    assert done.folder is not None
    return done.folder


@pytest.fixture(scope="module")
def sample() -> bytes:
    return contacts_csv(sample_contacts(), "stage")


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory, sample: bytes) -> tuple[Path, DecisionPlan]:
    """Return a portfolio with one proposed cadence; copy the folder before changing it."""
    folder = settings(tmp_path_factory.mktemp("night"))
    (folder / "data" / "contacts.csv").write_bytes(sample)
    return folder, run_cadence(folder)


@pytest.fixture
def shop(night: tuple[Path, DecisionPlan], tmp_path: Path) -> Path:
    return Path(shutil.copytree(night[0], tmp_path / "shop"))


def test_a_night_moves_touches_to_where_they_are_truly_worth_more(
    night: tuple[Path, DecisionPlan],
) -> None:
    plan = night[1]
    world = sample_world()
    assert (plan.mode, plan.status) == (Mode.OPTIMISED, Status.PROPOSED)
    names = [segment[0] for segment in world.segments]
    proposed = np.array([touches(plan)[name] for name in names])
    gain = world.total(proposed, 0) - world.total(np.full(5, 2.0), 0)
    reachable = world.total(world.best(0), 0) - world.total(np.full(5, 2.0), 0)
    assert gain > 0.6 * reachable
    assert touches(plan)["lapsed"] == 0  # every touch there drives people away
    assert plan.uplift is not None
    assert plan.uplift.p05 > 0


def test_capacity_must_send_and_frequency_cap_hold(night: tuple[Path, DecisionPlan]) -> None:
    plan = night[1]
    must = sum(line.figures["must_send"] for line in plan.lines)
    sent = sum(line.proposed * line.figures["people"] for line in plan.lines)
    assert must > 10_000
    assert 170_000 < sent <= 190_000 - must
    for line in plan.lines:
        each = line.proposed + line.figures["must_send"] / line.figures["people"]
        assert each <= 4
        mean = sum(int(dose) * part for dose, part in line.parts.items())
        assert mean == pytest.approx(line.proposed, abs=0.2)
        assert mean <= line.proposed + 1e-6
        assert line.proposed == 0 or line.parts["0"] >= 0.05 - 1e-6


def test_what_is_signed_is_published_with_doses_and_send_windows(shop: Path) -> None:
    plan = at(shop).ledger.plan("latest-cadence").decision
    folder = sign(shop, plan)
    rows = list(csv.DictReader(io.StringIO((folder / "cadence.csv").read_text(encoding="utf-8"))))
    assert [row["stage"] for row in rows] == ["active", "lapsed", "lapsing", "loyal", "new"]
    assert {row["unit"] for row in rows} == {"touches a week"}
    first = rows[0]
    assert float(first["touches"]) == touches(plan)["active"]
    assert (first["send_from"], first["send_until"]) == ("08:00", "20:30")
    assert (first["never_on"], first["timezone"]) == ("sunday 2026-12-25", "Europe/Berlin")
    assert first["parts"].startswith("0:0.05")
    data = json.loads((folder / "cadence.json").read_text(encoding="utf-8"))
    assert data["terms"]["send_until"] == "20:30"
    assert sum(data["lines"][0]["parts"].values()) == pytest.approx(1)
    assert replay_plan(at(shop), "latest-cadence").differences == ()
    assert rewrite_page(at(shop), "latest-cadence").is_same


def test_the_page_says_what_is_signed_and_why(night: tuple[Path, DecisionPlan]) -> None:
    folder, plan = night
    page = next((folder / ".equimarginal" / "runs").rglob("report.html")).read_text("utf-8")
    for text in (
        "Sign new touches a week",
        plan.content_hash,
        "One more would bring",
        "of the 175,020 left",
        "08:00 to 20:30, Europe/Berlin",
        "Sunday, 2026-12-25",
        "share that leaves in a week",
        "Net value of touches for lapsed",
        '<th scope="row">lapsed</th><td>100%</td><td></td>',
    ):
        assert text in page, text


def test_bad_data_fall_back_to_the_last_approved_cadence(shop: Path, sample: bytes) -> None:
    plan = at(shop).ledger.plan("latest-cadence").decision
    sign(shop, plan)
    (shop / "data" / "contacts.csv").write_bytes(sample.replace(b"2026-11-21,new,2,3,", b"x,", 1))
    resting = run_cadence(shop, DAY + timedelta(days=1))
    assert resting.mode is Mode.FALLBACK
    assert touches(resting) == touches(plan)
    assert "cannot be trusted" in resting.reasons[1]
    assert [line.parts for line in resting.lines] == [line.parts for line in plan.lines]
    sign(shop, resting, DAY + timedelta(days=1))


def test_a_missing_yesterday_is_said_and_a_stopped_feed_is_not_learned_from(
    shop: Path,
) -> None:
    day = DAY + timedelta(days=1)
    found = {f.check: f.message for f in run_cadence(shop, day).findings}
    assert found["stale-contacts"] == (
        "contacts: newest day is 2026-11-21, need 2026-11-22 for a plan of 2026-11-23; "
        "the cadence rests on older days"
    )
    with pytest.raises(DataNotTrustedError, match="at most 3 days behind"):
        run_cadence(shop, DAY + timedelta(days=4))


def test_without_an_approved_cadence_bad_data_are_no_plan(tmp_path: Path, sample: bytes) -> None:
    folder = settings(tmp_path)
    tenfold = sample.replace(b"2026-11-21,new,2,3,", b"2026-11-21,new,2,3,9", 1)
    (folder / "data" / "contacts.csv").write_bytes(tenfold[: len(tenfold) // 2])
    with pytest.raises(DataNotTrustedError, match="no cadence was ever signed, so nothing changes"):
        run_cadence(folder)


def test_a_changed_cadence_stays_for_weeks_and_is_then_held_against_its_promise(
    shop: Path,
) -> None:
    plan = at(shop).ledger.plan("latest-cadence").decision
    sign(shop, plan)
    world, seen = sample_world(), sample_contacts()
    shares = np.array([[line.parts[str(dose)] for dose in range(5)] for line in plan.lines])
    order = [line.line["stage"] for line in plan.lines]
    shares = shares[[order.index(segment[0]) for segment in world.segments]]
    later = world.turn(shares, 3, DAY, np.random.default_rng(5))
    more = contacts_csv(later.part(0, 21), "stage").split(b"\n", 1)[1]
    (shop / "data" / "contacts.csv").write_bytes(contacts_csv(seen, "stage") + more)
    after = run_cadence(shop, DAY + timedelta(days=21))
    changed = [x.line["stage"] for x in plan.lines if x.proposed != x.current]
    assert len(changed) >= 2
    for stage in changed:
        assert touches(after)[stage] == touches(plan)[stage]
    assert any("people stay on it" in line.reason for line in after.lines)
    (found,) = [finding for finding in after.findings if finding.check == "last cadence"]
    assert found.level.value == "pass"
    assert "more than the holdout" in found.message
    assert not [f for f in after.findings if f.check == "not-drawn-as-signed"]


def test_people_who_withdrew_are_not_counted_and_small_groups_not_shown(tmp_path: Path) -> None:
    folder = settings(
        tmp_path,
        {**RULES, "capacity": None},
        sources={"withdrawals": {"path": "data/gone.csv"}},
        privacy={"min_group": 30},
    )
    lines = ["date,person,stage,dose,bucket,touches,value,leavers"]
    for back in range(35, 0, -1):
        day = DAY - timedelta(days=back)
        for person in range(150):
            stage = "new" if person < 130 else "old"
            lines.append(
                f"{day},p{person},{stage},{person % 2},{person % 7},{person % 2},{person % 5},0"
            )
    (folder / "data" / "contacts.csv").write_text("\n".join(lines), encoding="utf-8")
    (folder / "data" / "gone.csv").write_text("person\np3\np141\n", encoding="utf-8")
    plan = run_cadence(folder)
    people = {line.line["stage"]: line.figures.get("people") for line in plan.lines}
    assert people == {"new": 129, "old": None}
    (old,) = [line for line in plan.lines if line.line["stage"] == "old"]
    assert set(old.figures) == {"changed", "fewer_than"}
    assert old.expected is None
    assert {rail.expected for rail in plan.guardrails if rail.scope["stage"] == "old"} == {None}
    (said,) = [finding for finding in plan.findings if finding.check == "withdrawals"]
    assert "70 of 5250 rows belong to people who withdrew" in said.message
    work = folder / ".equimarginal" / "runs" / plan.plan_id
    assert b"p141" not in (work / "snapshot" / "contacts.parquet").read_bytes()
    curves = json.loads((work / "cadence.json").read_bytes())["curves"]
    assert [curve["line"] for curve in curves] == [["new"]]
    page = (work / "report.html").read_text(encoding="utf-8")
    assert "Net value of touches for new" in page
    assert "Net value of touches for old" not in page
    assert "too few to show" in page


def test_without_a_lottery_every_cadence_stays_and_the_page_says_why(
    tmp_path: Path, sample: bytes
) -> None:
    folder = settings(tmp_path, {**RULES, "capacity": None})
    rows = list(csv.DictReader(io.StringIO(sample.decode())))
    for row in rows:
        row["dose"] = ""
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    (folder / "data" / "contacts.csv").write_text(out.getvalue(), encoding="utf-8")
    plan = run_cadence(folder)
    assert plan.mode is Mode.HOLD
    assert all("never drawn by lot" in line.reason for line in plan.lines)
    assert plan.expected is None  # what the prior says of touches is nobody's evidence
    assert {line.expected for line in plan.lines} == {None}
    assert not [rail for rail in plan.guardrails if "per touch" in rail.metric and rail.expected]
    work = folder / ".equimarginal" / "runs" / plan.plan_id
    page = (work / "report.html").read_text(encoding="utf-8")
    assert "What it brings is not known." in page
    assert "What touches bring" not in page
    assert "Better than no change" not in page


def test_must_send_messages_far_above_the_usual_are_said(tmp_path: Path, sample: bytes) -> None:
    folder = settings(tmp_path, RULES)
    row = b"2026-11-21,new,2,0,45,5,1000000,1,0\n"
    (folder / "data" / "contacts.csv").write_bytes(sample.rstrip(b"\n") + b"\n" + row)
    plan = run_cadence(folder)
    (found,) = [item for item in plan.findings if item.column == "must_send"]
    assert (found.level, found.check) == ("review", "must-send-jumped")
    assert found.message.endswith("as usual; the unit or the extract may have changed")


def test_limits_that_contradict_each_other_are_named(tmp_path: Path, sample: bytes) -> None:
    limits = [{"scope": {"stage": "loyal"}, "min": 3.99}]
    folder = settings(tmp_path, {**RULES, "limits": limits})
    (folder / "data" / "contacts.csv").write_bytes(sample)
    with pytest.raises(InfeasibleError, match=r"loyal needs 3\.99 touches a week or more"):
        run_cadence(folder)


def test_without_a_section_nothing_is_decided(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="has no section cadence"):
        run_cadence(settings(tmp_path, None))


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ({"segment": ["dose"]}, "cannot name a segment"),
        ({"segment": ["stage"], "limits": [{"scope": {"x": "y"}, "max": 1}]}, "not a segment"),
        ({"segment": ["stage"], "limits": [{"min": 2, "max": 1}]}, "min 2 is above max 1"),
        ({"segment": ["stage"], "limits": [{"fixed": 2, "max": 3}]}, "stands alone"),
        ({"segment": ["stage"], "quiet": {"start": "09:00", "end": "09:00"}}, "no hour is left"),
    ],
)
def test_settings_that_mean_nothing_are_refused(tmp_path: Path, rules: Any, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        at(settings(tmp_path, rules))
