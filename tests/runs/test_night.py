"""The night as people and schedulers rely on it: one plan per day, from the same inputs."""

from __future__ import annotations

import json
import math
from datetime import date, timedelta
from pathlib import Path

import pytest

from pipeline import open_portfolio, run_night
from pipeline.core.errors import InfeasibleError
from pipeline.core.money import sum_money
from pipeline.core.plan import Mode, Plan
from pipeline.io.ledger import Stated
from pipeline.runs import course, signoff, storage
from pipeline.runs.checking import replay_plan
from pipeline.runs.decide import decide
from pipeline.runs.inputs import read_inputs
from pipeline.runs.plan import Heading, optimised_plan
from tests.runs.shop import BUDGET, DAY, Shop, amounts

NUMBER = (int, float)
CONTRACT = {
    "plan_id": str,
    "portfolio": str,
    "date": str,
    "currency": str,
    "status": str,
    "mode": str,
    "reasons": list,
    "content_hash": str,
    "budget": NUMBER,
    "expected": {"metric": str, "mean": NUMBER, "p05": NUMBER, "p95": NUMBER},
    "status_quo": {"mean": NUMBER, "p05": NUMBER, "p95": NUMBER},
    "uplift": {"mean": NUMBER, "p05": NUMBER, "p95": NUMBER, "probability_positive": NUMBER},
    "lines": list,
    "caps": list,
    "guardrails": list,
    "findings": list,
    "certificate": {"objective": NUMBER, "upper_bound": NUMBER, "gap": NUMBER},
}
LINE = {
    "line": dict,
    "current": NUMBER,
    "proposed": NUMBER,
    "expected": {"mean": NUMBER, "p05": NUMBER, "p95": NUMBER},
    "marginal_return": {"mean": NUMBER, "p05": NUMBER, "p95": NUMBER},
    "binding": list,
    "action": str,
    "reason": str,
}


def assert_shape(value: object, shape: object, where: str = "plan") -> None:
    if isinstance(shape, dict):
        assert isinstance(value, dict), where
        for key, inner in shape.items():
            assert key in value, f"{where}.{key}"
            assert_shape(value[key], inner, f"{where}.{key}")
    else:
        assert isinstance(value, shape), f"{where}: {value!r}"
        assert not isinstance(value, bool), where
        if isinstance(value, float):
            assert math.isfinite(value), where


def shown(shop: Shop, plan: Plan) -> dict:
    return shop.portfolio.ledger.plan(plan.plan_id).to_json()


def test_a_night_proposes_a_plan_with_every_key_of_the_contract(shop):
    shop.settings["guardrails"] = [{"metric": "roas", "min": 0.5}]
    shop.cap(scope={"channel": "search"}, max=500)
    plan = shop.night()
    data = json.loads(json.dumps(shown(shop, plan), allow_nan=False))
    assert_shape(data, CONTRACT)
    for item in data["lines"]:
        assert_shape(item, LINE, "line")
        assert item["action"] in {"scale", "reduce", "hold", "test", "stop"}
        assert item["reason"]
    for item in data["caps"]:
        assert_shape(item, {"id": str, "scope": dict, "max": NUMBER, "shadow_price": NUMBER}, "cap")
        assert isinstance(item["binding"], bool)
    for item in data["guardrails"]:
        assert_shape(
            item, {"metric": str, "limit": NUMBER, "expected": NUMBER, "status": str}, "guardrail"
        )
    for item in data["findings"]:
        assert item["level"] in {"pass", "review", "fail"}
        assert_shape(item, {"check": str, "message": str}, "finding")
    assert data["status"] == "proposed"
    assert data["mode"] == "optimised"
    assert data["date"] == "2026-11-22"
    assert data["content_hash"].startswith("sha256:")


def test_a_line_names_its_columns_in_the_order_of_the_settings(open_shop):
    shop = open_shop(columns=("zone", "area"))
    plan = shop.night()
    assert [list(item["line"]) for item in shown(shop, plan)["lines"]] == [["zone", "area"]] * 5
    again = shop.portfolio.ledger.plan("latest")
    assert [list(item["line"]) for item in again.to_json()["lines"]] == [["zone", "area"]] * 5


def test_the_lines_add_up_to_the_budget_to_the_cent_within_the_ramp(shop):
    plan = shop.night()
    assert plan.mode is Mode.OPTIMISED
    assert [reason for reason in plan.reasons if "above the budgets of today" not in reason] == []
    proposed = [item.proposed for item in plan.lines]
    assert sum_money(proposed, "EUR") == plan.budget == BUDGET
    for current, after in amounts(plan).values():
        assert abs(after - current) <= 0.25 * current + 1e-9
        assert round(after, 2) == after
    assert plan.budgets == {key: after for key, (_, after) in amounts(plan).items()}


def test_the_same_night_twice_gives_the_same_bytes_and_one_plan(shop, open_shop):
    first = shop.night()
    before = {name: (shop.folder / ".equimarginal" / name).read_bytes() for name in shop.files()}
    second = shop.night()
    assert second == first
    after = {name: (shop.folder / ".equimarginal" / name).read_bytes() for name in shop.files()}
    runs = {name for name in before if name.startswith("runs/")}
    assert {name: after[name] for name in runs} == {name: before[name] for name in runs}
    assert len(shop.statuses()) == 1
    elsewhere = open_shop("elsewhere")
    again = elsewhere.night()
    assert (again.plan_id, again.content_hash) == (first.plan_id, first.content_hash)
    hashes = elsewhere.run(again).hashes()
    mine = shop.run(first).hashes()
    assert hashes.pop("page.json") and mine.pop("page.json")  # these two name the folder
    assert hashes.pop("report.html") and mine.pop("report.html")
    assert hashes == mine


def test_a_plan_that_keeps_every_budget_claims_no_chance_of_being_better(shop):
    """Budgets come back from the solver with a residue far below a cent; it is no gain."""
    run = shop.run(shop.night())
    inputs = read_inputs(run)
    facts, models = storage.read_facts(run, inputs), storage.read_models(run)
    heading = Heading(plan_id="x", inputs_hash="", caps_version="", based_on="")
    plan = optimised_plan(
        heading, facts, models, decide(facts, models), facts.current * (1 + 1e-9), []
    )
    assert plan.mode is Mode.HOLD
    assert plan.uplift is not None
    assert (plan.uplift.mean, plan.uplift.probability_positive) == (0.0, 0.5)
    assert plan.uplift.better is None


def test_a_run_folder_holds_everything_and_a_manifest(shop):
    plan = shop.night()
    run = shop.run(plan)
    assert run.damage() == []
    assert {
        "inputs.json", "line_day.parquet", "findings.json", "plan.json", "verification.json",
        "report.html", "snapshot/spend.parquet", "snapshot/outcomes.parquet",
    } <= set(run.names())  # fmt: skip
    assert run.read_json("plan.json")["plan_id"] == plan.plan_id
    assert read_inputs(run).day == DAY
    assert [p.name for p in (shop.folder / ".equimarginal/runs").iterdir() if p.name[0] != "."] == [
        plan.plan_id
    ]


def test_rows_of_the_plans_day_and_after_do_not_move_the_budgets(shop):
    first = shop.night()
    shop.later(2)
    again = shop.night(DAY)
    assert amounts(again) == amounts(first)


def test_the_order_of_rows_does_not_matter(shop):
    first = shop.night()
    shop.spend.reverse()
    shop.outcomes.sort(key=lambda row: row["revenue"])
    assert amounts(shop.night()) == amounts(first)


def test_restated_data_give_a_new_plan_and_the_old_one_is_superseded(shop):
    first = shop.night()
    for row in shop.outcomes[-5:]:
        row["revenue"] = round(row["revenue"] * 1.05, 2)
    second = shop.night()
    assert second.plan_id != first.plan_id
    assert shop.statuses() == {first.plan_id: "superseded", second.plan_id: "proposed"}


def test_a_superseded_plan_is_proposed_again_when_its_inputs_come_back(shop):
    first = shop.night()
    kept = [dict(row) for row in shop.outcomes]
    shop.outcomes[-1]["revenue"] += 1
    second = shop.night()
    shop.outcomes = kept
    assert shop.night().plan_id == first.plan_id
    assert shop.statuses() == {first.plan_id: "proposed", second.plan_id: "superseded"}


def test_the_ramp_counts_from_the_last_published_plan(shop):
    first = shop.night()
    shop.approve()
    day = shop.later()
    second = shop.night(day)
    assert {key: current for key, (current, _) in amounts(second).items()} == first.budgets
    assert second.based_on == first.plan_id
    shop.later()  # the second plan is never signed
    third = shop.night(shop.today)
    assert {key: current for key, (current, _) in amounts(third).items()} == first.budgets
    for current, after in amounts(third).values():
        assert abs(after - current) <= 0.25 * current + 1e-9


def test_a_night_that_is_run_again_after_its_signature_changes_nothing(shop):
    first = shop.night()
    shop.approve()
    again = shop.night()
    assert (again.plan_id, again.status.value) == (first.plan_id, "approved")
    assert shop.statuses() == {first.plan_id: "approved"}


def test_budgets_start_from_the_mean_of_the_last_seven_days(shop):
    plan = shop.night()
    for line in shop.lines:
        spent = [row["spend"] for row in shop.line_rows(*line)[-7:]]
        assert amounts(plan)[line][0] == pytest.approx(sum(spent) / 7, abs=0.0051)


def test_budgets_start_from_the_budget_column_of_the_newest_day_where_there_is_one(shop):
    for row in shop.spend:
        row["budget"] = ""
    for row, budget in zip(shop.spend[-5:-1], (90, 280, 210, 260), strict=True):
        row["budget"] = budget
    plan = shop.night()
    currents = {line: current for line, (current, _) in amounts(plan).items()}
    assert [currents[line] for line in shop.lines[:4]] == [90, 280, 210, 260]
    spent = [row["spend"] for row in shop.line_rows("tv", "x")[-7:]]
    assert currents["tv", "x"] == pytest.approx(sum(spent) / 7, abs=0.0051)


def test_a_small_plan_is_approved_by_policy_and_recorded_as_such(shop):
    shop.settings["approval"] = {"auto_within": {"line_change": 1.0, "moved": 1.0}}
    plan = shop.night()
    assert plan.status.value == "approved"
    record = shop.portfolio.ledger.plan(plan.plan_id)
    assert record.is_published
    assert "policy" in record.decided_by
    assert shop.night().plan_id == plan.plan_id


def test_a_plan_beyond_the_policy_waits_for_a_person(shop):
    shop.settings["approval"] = {"auto_within": {"line_change": 0.001, "moved": 0.001}}
    assert shop.night().status.value == "proposed"


def test_limits_that_no_night_can_meet_leave_nothing_behind(shop):
    shop.cap(scope={"channel": "search"}, min=900)
    shop.cap(scope={"channel": "social"}, min=900)
    before = shop.files()
    with pytest.raises(InfeasibleError, match="floors"):
        shop.night()
    assert shop.files() == before
    assert shop.statuses() == {}


def test_the_steps_one_by_one_are_the_same_night(shop, open_shop):
    whole = shop.night()
    other = open_shop("other")
    other.write()
    folder = str(other.folder)
    token = course.extract(folder, DAY.isoformat(), "budget")
    for step in ("stage", "validate", "score", "fit", "allocate", "verify"):
        course.run_step(folder, token, "budget", step)
        course.run_step(folder, token, "budget", step)
    assert course.finish(folder, token, "budget") == whole.plan_id
    assert course.extract(folder, DAY.isoformat(), "budget") == whole.plan_id
    course.run_step(folder, whole.plan_id, "budget", "allocate")


def test_the_two_functions_of_the_package_run_a_night(shop, monkeypatch):
    shop.write()
    monkeypatch.setenv("EQUIMARGINAL_NOW", "2026-11-22T06:00:00+01:00")
    plan = run_night(open_portfolio(str(shop.folder)), date(2026, 11, 22))
    assert plan.status == "proposed"
    assert plan.mode == "optimised"
    assert set(plan.budgets) == set(shop.lines)


def test_what_a_killed_night_left_is_removed_after_a_day(shop, monkeypatch):
    shop.write()
    monkeypatch.setenv("EQUIMARGINAL_NOW", shop.moment.isoformat())
    token = course.extract(str(shop.folder), DAY.isoformat(), "budget")
    work = shop.folder / ".equimarginal" / "runs" / ".work"
    shop.night()
    assert [path.name for path in work.iterdir()] == [token]  # it may still be running
    shop.later(2)
    shop.night(shop.today)
    assert list(work.iterdir()) == []


def test_a_plan_of_an_older_day_can_still_be_computed_but_not_signed(shop):
    shop.night()
    shop.approve()
    old = shop.night(DAY - timedelta(days=1))
    from pipeline.core.errors import NotAllowedError

    with pytest.raises(NotAllowedError):
        shop.approve(old.plan_id)


def test_nights_that_are_caught_up_do_not_teach_that_outcomes_are_complete(shop, tmp_path):
    for back in (2, 1):
        late = shop.night(DAY - timedelta(days=back))
        assert replay_plan(shop.portfolio, late.plan_id).differences == ()
    caught_up = shop.night()
    assert replay_plan(shop.portfolio, caught_up.plan_id).differences == ()
    alone = Shop(tmp_path / "alone").night()
    assert caught_up.expected == alone.expected
    assert caught_up.model_health == alone.model_health


def test_caps_that_wait_hold_their_lines_until_finance_signs(shop):
    shop.settings["caps"] = [{"scope": {"channel": "search"}, "max": 5000}]
    plan = shop.night()
    for line, (current, after) in amounts(plan).items():
        if line[0] == "search":
            assert after == current
    assert any("waits for finance" in item.reason for item in plan.lines)
    shop.sign_caps()
    signed = shop.night()
    assert any(
        after != current
        for line, (current, after) in amounts(signed).items()
        if line[0] == "search"
    )
    assert shop.statuses()[plan.plan_id] == "superseded"


def test_nothing_is_written_outside_the_state_folder(shop):
    shop.write()
    before = {path for path in shop.folder.rglob("*") if path.is_file()}
    shop.night()
    after = {path for path in shop.folder.rglob("*") if path.is_file()}
    assert {Path(p).relative_to(shop.folder).parts[0] for p in after - before} == {".equimarginal"}


def test_reports_name_the_hash_and_the_command_that_signs(shop):
    plan = shop.night()
    page = shop.run(plan).read_bytes("report.html").decode()
    assert plan.content_hash in page
    assert f"equimarginal approve {plan.plan_id}" in page
    assert "http://" not in page.replace("http://www.w3.org", "")
    signed = signoff.approve_plan(
        shop.portfolio, plan.plan_id, "ana", Stated(content_hash=plan.content_hash)
    )
    assert signed.record.is_published


def test_a_night_ahead_of_the_clock_is_a_rehearsal_and_its_own_past_is_no_future(shop):
    shop.moment = shop.moment.replace(month=9)
    plan = shop.night(DAY)
    assert plan.mode is Mode.OPTIMISED


def test_how_late_outcomes_are_is_assumed_until_a_night_has_seen_them_arrive(shop):
    def said(plan):
        (found,) = [item for item in plan.model_health.checks if item.check == "model.maturity"]
        return found.message

    first = shop.night()
    assert said(first).startswith("assumed, since no earlier night has seen outcomes arrive: ")
    assert "learned" not in said(first)
    assert said(shop.night(shop.later())).endswith("learned from 2 nights' snapshots")
