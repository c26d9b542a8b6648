"""A night of creative rotation end to end: exposures in, a signed split of exposure out."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from pipeline.core.clock import fixed_clock
from pipeline.core.decision import DecisionPlan
from pipeline.core.errors import ConfigError, DataNotTrustedError, NotAllowedError
from pipeline.core.findings import Level
from pipeline.core.plan import Kind, Mode, Status
from pipeline.io.ledger import Stated
from pipeline.runs.checking import check_portfolio, replay_plan
from pipeline.runs.decisions import run_decision
from pipeline.runs.portfolio import Portfolio, open_portfolio
from pipeline.runs.reports import rewrite_page
from pipeline.runs.signoff import approve_plan

DAY = date(2026, 11, 22)
RATES = {"good": 0.03, "fair": 0.02, "poor": 0.008}
RULES: dict[str, Any] = {"creatives": [{"creative": "newcomer", "only_in": ["young"]}]}


def daily_rows(days: int = 20, shown: int = 4_000, until: date = DAY) -> Iterator[dict[str, Any]]:
    """Yield daily rows of three creatives in two audiences, up to the day before."""
    rng = np.random.default_rng(7)
    for back in range(days, 0, -1):
        for audience, level in (("young", 1.0), ("old", 0.6)):
            for creative, rate in RATES.items():
                yield {
                    "date": (until - timedelta(days=back)).isoformat(),
                    "audience": audience,
                    "creative": creative,
                    "impressions": shown,
                    "clicks": int(rng.binomial(shown, rate * level)),
                }


def write_rows(path: Path, rows: Iterator[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    found = list(rows)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(found[0]))
        writer.writeheader()
        writer.writerows(found)


def settings(folder: Path, rules: Any = RULES, **sources: Any) -> None:
    """Write a portfolio that rotates creatives."""
    text = {
        "portfolio": "acme",
        "currency": "EUR",
        "line": ["channel"],
        "budget": {"daily": 100},
        "people": {"analysts": ["ana"], "finance": ["fin"]},
        "sources": {
            "spend": {"path": "data/spend.csv"},
            "outcomes": {"path": "data/spend.csv"},
            "exposures": {"path": "data/exposures.csv"},
            **sources,
        },
        **({} if rules is None else {"rotation": rules}),
    }
    (folder / "portfolio.yaml").write_text(yaml.safe_dump(text), encoding="utf-8")


def at(folder: Path, day: date = DAY) -> Portfolio:
    moment = datetime.combine(day, datetime.min.time(), UTC) + timedelta(hours=6)
    return open_portfolio(folder, fixed_clock(moment))


def run_rotation(portfolio: Portfolio, day: date) -> DecisionPlan:
    return run_decision(portfolio, Kind.ROTATION, day)


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    settings(tmp_path)
    write_rows(tmp_path / "data" / "exposures.csv", daily_rows())
    return tmp_path


def shares(plan: DecisionPlan, audience: str) -> dict[str, float]:
    return {
        item.line["creative"]: item.proposed
        for item in plan.lines
        if item.line["audience"] == audience
    }


def test_a_night_proposes_signs_publishes_and_replays(shop: Path) -> None:
    portfolio = at(shop)
    plan = run_rotation(portfolio, DAY)
    assert (plan.mode, plan.status) == (Mode.OPTIMISED, Status.PROPOSED)
    for audience in ("young", "old"):
        split = shares(plan, audience)
        assert sum(split.values()) == pytest.approx(1)
        assert split["good"] > 0.5 > split["fair"] >= split["poor"] > 0
    assert shares(plan, "young")["newcomer"] > 0
    assert "newcomer" not in shares(plan, "old")
    assert plan.uplift is not None
    assert plan.uplift.p05 > 0
    done = approve_plan(portfolio, plan.plan_id, "ana", Stated(content_hash=plan.content_hash))
    assert done.folder is not None
    sheet = (done.folder / "rotation.csv").read_text(encoding="utf-8")
    assert sheet.startswith("audience,creative,share,unit")
    assert replay_plan(portfolio, "latest-rotation").differences == ()
    assert rewrite_page(portfolio, "latest-rotation").is_same


def test_the_same_inputs_give_the_same_plan(shop: Path) -> None:
    first = run_rotation(at(shop), DAY)
    assert run_rotation(at(shop), DAY).content_hash == first.content_hash
    assert len(at(shop).ledger.plans("acme", kind=None)) == 1


def test_events_of_people_give_the_same_plan_and_those_who_withdrew_leave_it(shop: Path) -> None:
    def events() -> Iterator[dict[str, Any]]:
        for number, row in enumerate(daily_rows(days=3, shown=300)):
            for index in range(row["impressions"]):
                yield {
                    "date": row["date"],
                    "audience": row["audience"],
                    "creative": row["creative"],
                    "clicks": int(index < row["clicks"]),
                    "person": f"person-{number % 5}-{index}",
                }

    write_rows(shop / "data" / "exposures.csv", daily_rows(days=3, shown=300))
    daily = run_rotation(at(shop), DAY)
    write_rows(shop / "data" / "exposures.csv", events())
    by_event = run_rotation(at(shop), DAY)
    assert [item.proposed for item in by_event.lines] == [item.proposed for item in daily.lines]
    everyone = {row["person"] for row in events()}
    (shop / "data" / "gone.csv").write_text(
        "person\n" + "".join(f"{name}\n" for name in sorted(everyone)[:200]), encoding="utf-8"
    )
    settings(shop, withdrawals={"path": "data/gone.csv"})
    without = run_rotation(at(shop), DAY)
    seen, left = (
        sum(i.figures.get("impressions", 0.0) for i in p.lines) for p in (by_event, without)
    )
    assert left < seen
    (said,) = [item.message for item in without.findings if item.check == "withdrawals"]
    assert f"{seen - left:.0f} of {seen:.0f} rows" in said
    for path in shop.rglob("*"):
        if path.is_file() and ".equimarginal" in path.parts:
            assert b"person-" not in path.read_bytes(), path


def test_brand_rules_hold_and_a_change_of_rules_voids_the_plan(shop: Path) -> None:
    rules = {
        "creatives": [{"creative": "good", "expires": "2026-11-21"}],
        "apart": [["fair", "poor"]],
        "max_share": 0.8,
    }
    settings(shop, rules)
    plan = run_rotation(at(shop), DAY)
    for audience in ("young", "old"):
        assert shares(plan, audience) == {"good": 0.0, "fair": 1.0, "poor": 0.0}
    assert any("may be shown" in item.message for item in plan.findings)
    settings(shop, {**rules, "apart": []})
    with pytest.raises(NotAllowedError, match="rules under rotation changed"):
        approve_plan(at(shop), plan.plan_id, "ana")
    assert at(shop).ledger.audit_entries()[-1].action == "denied"


def test_a_disclosure_that_is_missing_keeps_a_creative_away(shop: Path) -> None:
    listed = [{"creative": name, "disclosures": ["ad"]} for name in ("fair", "poor")]
    settings(shop, {"creatives": listed, "disclosures": [{"audiences": ["old"], "needs": ["ad"]}]})
    plan = run_rotation(at(shop), DAY)
    assert shares(plan, "old")["good"] == 0
    assert shares(plan, "young")["good"] > 0


def test_a_loser_is_retired_after_so_many_nights_and_stays_out(shop: Path) -> None:
    actions = []
    for later in range(4):
        day = DAY + timedelta(days=later)
        write_rows(shop / "data" / "exposures.csv", daily_rows(until=day))
        plan = run_rotation(at(shop, day), day)
        approve_plan(at(shop, day), plan.plan_id, "ana")
        actions.append(
            {i.line["creative"]: i.action for i in plan.lines if "old" in i.line.values()}
        )
    assert [done["poor"] for done in actions] == ["reduce", "reduce", "retire", "retired"]
    assert shares(plan, "old")["poor"] == 0


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("22.11.2026,young,good,10,1", "row 122, column date: '22.11.2026' is not an ISO day"),
        ("2026-11-21,young,good,ten,1", "column impressions: 'ten' is not a plain number"),
        ("2026-11-21,young,good,-3,1", "column impressions: '-3' is negative"),
        ("2026-11-21,young,good,1e14,1", "column impressions: '1e14' is beyond any count"),
        ("2026-11-21,young,good,inf,1", "column impressions: 'inf' is not a plain number"),
        ("2026-11-21,young,NaN,10,1", "column creative: 'NaN' is no name"),
        ("2026-11-21,young,go\x00od,10,1", "column creative: 'go.*od' is no name"),
        (f"2026-11-21,young,{'x' * 201},10,1", "column creative: 'x+' is no name"),
        ("2026-11-21,,good,10,1", "column audience is no name"),
        ("2027-01-01,young,good,10,1", "column date: '2027-01-01' has not come yet"),
    ],
)
def test_rows_that_cannot_be_trusted_leave_the_shares_as_they_are(
    shop: Path, row: str, words: str
) -> None:
    path = shop / "data" / "exposures.csv"
    path.write_text(path.read_text(encoding="utf-8") + row + "\n", encoding="utf-8")
    with pytest.raises(DataNotTrustedError, match=f"{words}.*no rotation was ever signed"):
        run_rotation(at(shop), DAY)
    assert at(shop).ledger.plans("acme", kind=None) == ()


@pytest.mark.parametrize("row", ["x,young,good,10,1", None], ids=["bad row", "feed stopped"])
def test_what_cannot_be_trusted_falls_back_to_the_rotation_in_force(
    shop: Path, row: str | None
) -> None:
    plan = run_rotation(at(shop), DAY)
    approve_plan(at(shop), plan.plan_id, "ana", Stated(content_hash=plan.content_hash))
    day = DAY + timedelta(days=1 if row else 5)
    if row:
        path = shop / "data" / "exposures.csv"
        path.write_text(path.read_text(encoding="utf-8") + row + "\n", encoding="utf-8")
    resting = run_rotation(at(shop, day), day)
    assert resting.mode is Mode.FALLBACK
    assert resting.budgets == plan.budgets
    assert plan.plan_id in resting.reasons[0]
    assert ("is not an ISO day" if row else "newest day is 2026-11-21") in resting.reasons[1]


def test_a_missing_yesterday_is_said_and_the_rotation_goes_on(shop: Path) -> None:
    day = DAY + timedelta(days=1)
    plan = run_rotation(at(shop, day), day)
    assert plan.mode is Mode.OPTIMISED
    assert [f.message for f in plan.findings if f.check == "stale-exposures"] == [
        "exposures: newest day is 2026-11-21, need 2026-11-22 for a plan of 2026-11-23; "
        "the shares rest on older days"
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "no such file"),
        ("date,audience,creative\n2026-11-21,a,b\n", "has no column clicks"),
        ("date,date\n1,2\n", "names no columns, or one twice"),
        ("date,audience,creative,clicks\n1,2\n", "row 2 has 2 cells, the heading has 4"),
    ],
)
def test_a_source_that_cannot_be_read_is_named(shop: Path, text: str | None, words: str) -> None:
    path = shop / "data" / "exposures.csv"
    path.unlink()
    if text is not None:
        path.write_text(text, encoding="utf-8")
    with pytest.raises(DataNotTrustedError, match=words):
        run_rotation(at(shop), DAY)


def test_a_check_names_the_problems_of_the_rotation_too(shop: Path) -> None:
    path = shop / "data" / "exposures.csv"
    path.write_text(path.read_text(encoding="utf-8") + "22.11.2026,young,good,10,1\n", "utf-8")
    failed = {f.source for f in check_portfolio(at(shop), DAY) if f.level is Level.FAIL}
    assert {"exposures", "spend"} <= failed  # spend has no file here at all


def test_without_a_section_nothing_is_decided(shop: Path) -> None:
    settings(shop, rules=None)
    with pytest.raises(ConfigError, match="has no section rotation"):
        run_rotation(at(shop), DAY)


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        ({"colour": 1}, "colour"),
        ({"max_share": 2}, "max_share"),
        ({"creatives": [{"creative": "a"}, {"creative": "a"}]}, "given twice"),
        ({"apart": [["a"]]}, "two creatives or more"),
        ({"creatives": [{"creative": "a", "only_in": ["x"], "not_in": ["x"]}]}, "only_in and in"),
        ({"reward": "smiles"}, "reward"),
    ],
)
def test_rules_that_contradict_themselves_are_refused(shop: Path, rules: Any, words: str) -> None:
    settings(shop, rules)
    with pytest.raises(ConfigError, match=words):
        at(shop)


def test_small_groups_are_not_shown_in_figures(shop: Path) -> None:
    write_rows(shop / "data" / "exposures.csv", daily_rows(days=1, shown=40))
    plan = run_rotation(at(shop), DAY)
    page = (at(shop).state / "runs" / plan.plan_id / "report.html").read_text(encoding="utf-8")
    assert page.count("too few to show") == len(plan.lines)


def test_a_row_of_more_impressions_than_all_others_is_said(shop: Path) -> None:
    path = shop / "data" / "exposures.csv"
    row = "2026-11-21,young,poor,9000000000,1\n"
    path.write_text(path.read_text(encoding="utf-8") + row, encoding="utf-8")
    (found,) = [f for f in run_rotation(at(shop), DAY).findings if f.check == "one-row"]
    assert found.message == (
        "exposures: exposures.csv, row 122, column impressions: '9000000000' is more than all "
        "other rows together"
    )


def test_names_that_look_alike_are_said(shop: Path) -> None:
    path = shop / "data" / "exposures.csv"
    rows = "2026-11-21, Young,good,10,1\n2026-11-21,young,GOOD,10,1\n"
    path.write_text(path.read_text(encoding="utf-8") + rows, encoding="utf-8")
    found = [f.message for f in run_rotation(at(shop), DAY).findings if f.check == "names-alike"]
    assert found == [
        "exposures: column audience: ' Young' and 'young' look alike and are kept apart",
        "exposures: column creative: 'GOOD' and 'good' look alike and are kept apart",
    ]


def test_what_few_people_saw_often_is_a_small_group_too(shop: Path) -> None:
    def events(people: int) -> Iterator[dict[str, Any]]:
        for row in daily_rows(days=3, shown=300):
            for index in range(row["impressions"]):
                yield {
                    "date": row["date"],
                    "audience": row["audience"],
                    "creative": row["creative"],
                    "clicks": int(index < row["clicks"]),
                    "person": f"p{index % people}",
                }

    for people, shown in ((20, 0), (200, 6)):
        write_rows(shop / "data" / "exposures.csv", events(people))
        plan = run_rotation(at(shop), DAY)
        known = [line for line in plan.lines if "impressions" in line.figures]
        assert len(known) == shown
        page = (at(shop).state / "runs" / plan.plan_id / "report.html").read_text("utf-8")
        assert page.count("too few to show") == len(plan.lines) - shown


def test_limits_on_shares_stand_on_the_page_with_who_comes_nearest(shop: Path) -> None:
    settings(shop, {**RULES, "max_share": 0.7, "max_daily_change": 0.9})
    plan = run_rotation(at(shop), DAY)
    least, largest, change = plan.guardrails
    assert {rail.status for rail in plan.guardrails} == {"pass"}
    assert (largest.limit, largest.expected) == (0.7, max(line.proposed for line in plan.lines))
    moved = max(abs(line.proposed - line.current) for line in plan.lines if line.proposed)
    assert (change.limit, change.expected) == (0.9, pytest.approx(moved))
    (line,) = [item for item in plan.lines if item.line == least.scope]
    assert least.expected == line.proposed >= least.limit - 1e-4
    page = (at(shop).state / "runs" / plan.plan_id / "report.html").read_text(encoding="utf-8")
    assert "largest share · " in page
    assert "max 70%" in page


def test_a_creative_known_elsewhere_is_no_new_one_and_its_reason_is_its_own(shop: Path) -> None:
    settings(shop, {})
    rows = [row for row in daily_rows() if (row["audience"], row["creative"]) != ("old", "good")]
    write_rows(shop / "data" / "exposures.csv", iter(rows))
    plan = run_rotation(at(shop), DAY)
    assert shares(plan, "old")["good"] > 0.5
    (line,) = [x for x in plan.lines if x.line == {"audience": "old", "creative": "good"}]
    assert (line.action, line.reason) == ("start", "new here, and may well be the best")
    page = (at(shop).state / "runs" / plan.plan_id / "report.html").read_text(encoding="utf-8")
    assert "of them new" not in page


def test_the_stored_page_and_plan_say_the_same_hash(shop: Path) -> None:
    plan = run_rotation(at(shop), DAY)
    folder = at(shop).state / "runs" / plan.plan_id
    assert plan.content_hash in (folder / "report.html").read_text(encoding="utf-8")
    assert json.loads((folder / "plan.json").read_bytes())["kind"] == "rotation"


def held_rows() -> Iterator[dict[str, Any]]:
    """Yield daily rows whose people held out saw an even split."""
    rng = np.random.default_rng(9)
    for row in daily_rows():
        yield {**row, "holdout": "false"}
        shown = 200
        rate = RATES[row["creative"]] * (1.0 if row["audience"] == "young" else 0.6)
        clicks = int(rng.binomial(shown, rate))
        yield {**row, "impressions": shown, "clicks": clicks, "holdout": "true"}


def test_a_split_is_held_against_its_promise_and_the_people_held_out(shop: Path) -> None:
    settings(shop, {**RULES, "holdout": 0.05})
    early = DAY - timedelta(days=8)
    exposures = shop / "data" / "exposures.csv"
    write_rows(exposures, (row for row in held_rows() if row["date"] < early.isoformat()))
    plan = run_rotation(at(shop, early), early)
    folder = approve_plan(
        at(shop, early), plan.plan_id, "ana", Stated(content_hash=plan.content_hash)
    ).folder
    assert folder is not None
    sheet = (folder / "rotation.csv").read_text(encoding="utf-8")
    assert "holdout,holdout_split" in sheet
    assert "0.05,even" in sheet
    write_rows(exposures, held_rows())
    later = run_rotation(at(shop), DAY)
    assert later.model_health is not None
    said = {check.check: check.message for check in later.model_health.checks}
    assert "clicks per thousand impressions over the people held out" in said["holdout"]
    assert "over an even split" in said["even split"]
    assert f"since {early.isoformat()} the plan in force brought" in said["promise"]


def test_the_same_days_judged_again_retire_nobody(shop: Path) -> None:
    counted = []
    for later in range(4):
        day = DAY + timedelta(days=later)
        plan = run_rotation(at(shop, day), day)
        assert not [line.line for line in plan.lines if line.action == "retire"]
        counted.append(max(line.figures.get("nights_losing", 0) for line in plan.lines))
    assert counted[0] == 1
    assert set(counted) == {1}


def test_a_rule_for_an_audience_that_nobody_has_is_told(shop: Path) -> None:
    text = yaml.safe_load((shop / "portfolio.yaml").read_text(encoding="utf-8"))
    text["rotation"].setdefault("creatives", []).append({"creative": "poor", "not_in": ["yuong"]})
    (shop / "portfolio.yaml").write_text(yaml.safe_dump(text), encoding="utf-8")
    found = [
        f for f in run_rotation(at(shop), DAY).findings if f.check == "rule-for-unknown-audience"
    ]
    assert len(found) == 1
    assert "'yuong'" in found[0].message
    assert "young" in found[0].advice
