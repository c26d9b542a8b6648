"""What stays on purpose: safe ground, running tests, standing holdouts, lines with little data."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest

from pipeline.core.errors import ConfigError, DamagedError, NotAllowedError, UsageError
from pipeline.core.panel import Panel
from pipeline.core.plan import Mode, Plan
from pipeline.io.ledger import ExperimentRecord
from pipeline.runs import holdouts, switchbacks
from pipeline.runs.audit import verify_portfolio
from pipeline.runs.checking import replay_plan
from pipeline.runs.experiment_rules import treated_by_others
from pipeline.runs.experiments import Wish, assign, look_at, seen_of
from pipeline.runs.hard_limits import fixed_on
from pipeline.runs.signoff import ready_ledger
from pipeline.runs.trials import GRACE_DAYS
from tests.experiments.test_known_answers import regions
from tests.runs.shop import DAY, Shop, amounts


def stays(plan: Plan) -> dict[tuple[str, ...], str]:
    """Return the lines that are held, and why."""
    return {
        tuple(item.line.values()): item.reason.removeprefix("held: ")
        for item in plan.lines
        if item.reason.startswith("held: ") and item.proposed == item.current
    }


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path / "shop")


def test_declared_ground_is_respected_shown_and_over_in_time(shop: Shop):
    shop.settings["safe_ground"] = [
        {"scope": {"channel": "search", "audience": "brand"}, "because": "compliance"},
        {"scope": {"channel": "tv"}, "because": "launch", "until": str(DAY)},
    ]
    plan = shop.night()
    assert stays(plan) == {
        ("search", "brand"): "safe ground: compliance",
        ("tv", "x"): f"safe ground: launch, until {DAY}",
    }
    assert plan.mode is Mode.OPTIMISED
    kinds = [(row.kind, row.until, row.lines) for row in plan.kept]
    assert kinds == [
        ("safe ground", None, ("search / brand",)),
        ("safe ground", DAY, ("tv / x",)),
    ]
    assert plan.kept[0].money == amounts(plan)["search", "brand"][1]
    page = shop.run(plan).read_bytes("report.html").decode()
    assert "Left alone on purpose" in page
    assert "further notice" in page
    assert replay_plan(shop.portfolio, plan.plan_id).differences == ()
    free = shop.night(shop.later())
    assert set(stays(free)) == {("search", "brand")}


def test_a_blackout_day_leaves_every_budget_alone(shop: Shop):
    days = [str(DAY), str(DAY + timedelta(days=1)), str(DAY + timedelta(days=9))]
    shop.settings["safe_ground"] = [{"because": "blackout", "days": days}]
    plan = shop.night()
    assert plan.mode is Mode.HOLD
    assert len(stays(plan)) == len(plan.lines)
    page = shop.run(plan).read_bytes("report.html").decode()
    assert "all lines are kept on purpose" in page
    assert "no change is sure enough" not in page
    assert {row.until for row in plan.kept} == {DAY + timedelta(days=1)}  # the stretch's end
    assert shop.night(shop.later()).mode is Mode.HOLD
    assert shop.night(shop.later()).mode is Mode.OPTIMISED


def test_an_approved_cap_beats_safe_ground(shop: Shop):
    shop.settings["safe_ground"] = [{"scope": {"channel": "tv"}, "because": "contract"}]
    shop.cap(scope={"channel": "tv"}, fixed=180)
    assert amounts(shop.night())["tv", "x"][1] == 180


def test_an_approved_floor_lifts_safe_ground_as_fast_as_the_ramp_allows(shop: Shop):
    shop.settings["safe_ground"] = [{"scope": {"channel": "tv"}, "because": "contract"}]
    shop.cap(scope={"channel": "tv"}, min=200)
    plan = shop.night()
    today, lifted = amounts(plan)["tv", "x"]
    assert today * 1.25 - 0.02 <= lifted <= min(200, today * 1.25)
    assert any("held lines are raised to it" in reason for reason in plan.reasons)
    assert shop.approve().record.is_published
    nights = [amounts(shop.night(shop.later()))["tv", "x"][1]]
    assert nights == [200]
    assert shop.approve().record.is_published


def moved(plan: Plan) -> tuple[str, str]:
    """Return a line that the plan moves."""
    return next(tuple(x.line.values()) for x in plan.lines if x.proposed != x.current)


def test_nobody_publishes_a_plan_that_moves_ground_declared_fixed_since(shop: Shop):
    plan = shop.night()
    channel, audience = moved(plan)
    scope = {"channel": channel, "audience": audience}
    shop.settings["safe_ground"] = [{"scope": scope, "because": "contract"}]
    shop.write()
    with pytest.raises(NotAllowedError, match="it stays: safe ground, contract"):
        shop.approve()
    entry = shop.portfolio.ledger.audit_entries()[-1]
    assert (entry.action, entry.actor) == ("denied", "ana")
    over = [{"scope": scope, "because": "launch", "until": str(DAY - timedelta(days=1))}]
    other = [{"because": "blackout", "days": [str(DAY + timedelta(days=1))]}]
    shop.settings["safe_ground"] = over + other
    shop.write()
    assert shop.approve().record.is_published


def test_nobody_publishes_a_plan_that_moves_a_line_under_test(shop: Shop):
    start_test(shop, "spring", channel="social")
    tomorrow = shop.later()
    plan = shop.night(tomorrow)
    limits = fixed_on(shop.portfolio.policy, shop.portfolio.ledger.experiments("acme"), plan.date)
    assert [(item.scope, item.among, item.why) for item in limits] == [
        ({"channel": "social"}, None, "test spring runs")
    ]
    assert set(stays(plan)) == {("social", "a"), ("social", "b")}
    assert shop.approve().record.is_published
    after = shop.later(3)
    assert fixed_on(shop.portfolio.policy, shop.portfolio.ledger.experiments("acme"), after) == ()


@pytest.mark.parametrize(
    ("ground", "said"),
    [
        ({"because": "x"}, "nothing to decide"),
        ({"scope": {"colour": "red"}, "because": "x"}, "not a line column"),
        ({"scope": {"channel": "tv"}}, "because"),
        ({"because": "x", "days": ["2026-11-27"], "until": "2026-12-01"}, "not both"),
    ],
)
def test_ground_that_cannot_be_meant_is_refused(shop: Shop, ground: dict, said: str):
    shop.settings["safe_ground"] = [ground]
    with pytest.raises(ConfigError, match=said):
        shop.night()


def test_lines_with_little_data_follow_the_fixed_rule_until_they_earn_learning(shop: Shop):
    tv = [row for row in shop.outcomes if row["channel"] == "tv"]
    for index, row in enumerate(tv):
        row["conversions"] = int(index % 5 == 0)
    shop.settings["learning"] = {"min_outcomes": 30, "days": 28}
    plan = shop.night()
    seen = sum(row["conversions"] for row in tv[-28:])
    assert stays(plan) == {
        ("tv", "x"): f"the fixed rule: {seen} conversions in 28 days, 30 earn learning"
    }
    for row in tv[-20:]:
        row["conversions"] = 3
    assert ("tv", "x") not in stays(shop.night(shop.later()))


def test_a_line_whose_tracking_fails_loses_what_it_had_earned(shop: Shop):
    shop.settings["learning"] = {"min_outcomes": 30, "days": 28}
    assert shop.night().kept == ()
    silent = shop.later(10)
    for row in shop.outcomes:
        if row["channel"] == "tv" and row["date"] >= str(DAY - timedelta(days=20)):
            row["conversions"] = row["revenue"] = 0
    plan = shop.night(silent)
    assert "the fixed rule" in stays(plan).get(("tv", "x"), "") or plan.mode is Mode.FALLBACK


def start_test(
    shop: Shop, name: str, *, excluded: tuple[str, ...] = (), later: int = 0, **scope: str
) -> None:
    shop.write()
    ready_ledger(shop.portfolio)
    assign(
        shop.portfolio,
        regions(1),
        Wish(units=2, days=3, excluded=excluded),
        "ana",
        name=name,
        first_day=DAY + timedelta(days=1 + later),
        seed=1,
        scope=scope,
        hold=None,
        unit_column="region",
    )


def test_lines_under_test_are_left_alone_while_it_runs_and_no_longer(shop: Shop):
    start_test(shop, "spring", channel="social")
    assert stays(shop.night()) == {}
    plan = shop.night(shop.later())
    last = DAY + timedelta(days=3)
    assert stays(plan) == {
        ("social", "a"): f"test spring runs until {last}",
        ("social", "b"): f"test spring runs until {last}",
    }
    assert [(row.kind, row.until) for row in plan.kept] == [("test", last)]
    assert plan.mode is Mode.OPTIMISED
    after = shop.night(shop.later(3))
    assert stays(after) == {}
    assert "experiment-unread" not in {item.check for item in after.findings}
    late = shop.night(shop.later(GRACE_DAYS))
    (finding,) = [item for item in late.findings if item.check == "experiment-unread"]
    assert f"test spring ended on {last} and was not read out" in finding.message


def test_a_test_among_units_that_another_treats_at_the_time_is_refused(shop: Shop):
    start_test(shop, "spring", channel="social")
    (spring,) = shop.portfolio.ledger.experiments("acme")
    treated = tuple(spring.assignment["treated"])
    with pytest.raises(UsageError, match=f"'spring' treats {', '.join(treated)}.*--exclude"):
        start_test(shop, "beside", later=2, channel="tv")
    start_test(shop, "after", later=3, channel="tv")
    start_test(shop, "cell", excluded=treated, channel="tv")
    names = [record.name for record in shop.portfolio.ledger.experiments("acme")]
    assert names == ["spring", "after", "cell"]


def start_switchback(shop: Shop, name: str, unit: str, *, excluded: tuple[str, ...] = ()) -> None:
    switchbacks.assign(
        shop.portfolio,
        regions(1),
        switchbacks.SwitchbackWish(
            units=(unit,), days=10, block_days=1, washout_days=0, excluded=excluded
        ),
        "ana",
        name=name,
        first_day=DAY + timedelta(days=1),
        seed=1,
        scope={"channel": "tv"},
        unit_column="region",
        metric="",
        data={},
    )


def test_switchbacks_and_tests_of_regions_keep_off_each_others_units(shop: Shop):
    start_test(shop, "spring", channel="social")
    (spring,) = shop.portfolio.ledger.experiments("acme")
    treated = tuple(spring.assignment["treated"])
    free = next(unit for unit in regions(1).units if unit not in treated)
    with pytest.raises(UsageError, match=f"'spring' treats {', '.join(treated)}.*--exclude"):
        start_switchback(shop, "flip", free)
    with pytest.raises(UsageError, match="'spring' treats"):
        start_switchback(shop, "flip", treated[0])
    start_switchback(shop, "flip", free, excluded=treated)
    with pytest.raises(UsageError, match=f"'flip' treats {free}.*--exclude"):
        start_test(shop, "late", excluded=treated, later=3, channel="search")
    start_test(shop, "late", later=10, channel="search")


def test_a_read_out_compares_with_no_unit_that_another_test_treats_meanwhile(shop: Shop):
    start_test(shop, "spring", channel="social")
    (spring,) = shop.portfolio.ledger.experiments("acme")
    treated = tuple(spring.assignment["treated"])
    start_test(shop, "cell", excluded=treated, channel="tv")
    book = shop.portfolio.ledger.experiments("acme")
    others = list(book[1].assignment["treated"])
    panel = moved_to(regions(1), DAY + timedelta(days=3))
    changed = panel.outcome.copy()
    changed[-3:, panel.columns(others)] *= 5
    after = replace(panel, outcome=changed)
    assert treated_by_others(book[0], book) == tuple(others)
    assert seen_of(book[0], after, book) == seen_of(book[0], panel, book)
    assert seen_of(book[0], after) != seen_of(book[0], panel)


def moved_to(panel: Panel, last: date) -> Panel:
    """Return the panel with its last day on `last`."""
    shift = last - panel.days[-1]
    return replace(panel, days=tuple(day + shift for day in panel.days))


def test_a_test_of_no_line_is_refused_with_the_name_that_was_meant(shop: Shop):
    start_test(shop, "early", channel="tvv")  # before the first night nobody knows the lines
    plan = shop.night()
    (finding,) = [item for item in plan.findings if item.check == "misnamed"]
    assert "test early: no line is channel=tvv" in finding.message
    assert finding.advice == "did you mean 'tv'?"
    with pytest.raises(UsageError, match=r"--scope: no line is channel=tvv; did you mean 'tv'\?"):
        start_test(shop, "spring", later=4, channel="tvv")
    with pytest.raises(UsageError, match="together they name no line"):
        start_test(shop, "spring", later=4, channel="tv", audience="a")
    later = shop.night(shop.later(4))
    assert "misnamed" not in {item.check for item in later.findings}


def test_a_finished_test_teaches_the_curves_by_itself(shop: Shop):
    start_test(shop, "spring", channel="social")
    shop.night()
    shop.later(4)
    ledger = ready_ledger(shop.portfolio)
    from pipeline.runs.signoff import acting

    ledger.record_look(
        "spring",
        {
            "fraction": 1,
            "incremental": 3000.0,
            "standard_error": 200.0,
            "spend_change": 900.0,
            "lift": 0.1,
            "verdict": "an effect",
        },
        acting(shop.portfolio, "ana", "read experiment", "spring"),
        shop.portfolio.policy,
    )
    plan = shop.night(shop.today)
    assert plan.kpi is not None
    social = next(row for row in plan.kpi.credited if row.scope == {"channel": "social"})
    assert social.tests == ("spring",)
    assert plan.model_health is not None
    assert any("spring" in item.message for item in plan.model_health.checks)


def test_a_holdout_is_drawn_once_recorded_and_kept_with_its_price(shop: Shop):
    shop.night()
    tomorrow = DAY + timedelta(days=1)
    drawn = holdouts.draw(
        shop.portfolio, "ana", name="ruler", share=0.2, by="line", first_day=tomorrow, seed=3
    )
    (held,) = drawn.assignment["treated"]
    with pytest.raises(NotAllowedError, match="assigned already"):
        holdouts.draw(
            shop.portfolio, "ana", name="ruler", share=0.2, by="line", first_day=tomorrow, seed=4
        )
    plan = shop.night(shop.later(2))
    assert [" / ".join(line) for line in stays(plan)] == [held]
    fixed = fixed_on(shop.portfolio.policy, shop.portfolio.ledger.experiments("acme"), plan.date)
    assert [item.among for item in fixed] == [("line", frozenset({held}))]
    (row,) = plan.holdouts
    assert (row.name, row.held, row.of, row.lift) == ("ruler", 1, 5, None)
    assert row.price >= 0
    assert "Holdout <b>ruler</b> keeps 1 of 5" in shop.run(plan).read_bytes("report.html").decode()
    older = shop.night(shop.later(30))
    (row,) = older.holdouts
    assert row.days >= 7
    assert row.lift is not None
    assert replay_plan(shop.portfolio, older.plan_id).differences == ()
    holdouts.end(shop.portfolio, "ana", name="ruler", why="quarter is over")
    assert shop.night(shop.later()).holdouts == ()
    assert verify_portfolio(shop.folder).problems == ()


def test_a_holdout_that_begins_today_or_by_an_unknown_column_is_refused(shop: Shop):
    shop.night()
    with pytest.raises(UsageError, match="name a later first day"):
        holdouts.draw(shop.portfolio, "ana", name="x", share=0.2, by="line", first_day=DAY, seed=1)
    with pytest.raises(UsageError, match="need one of channel, audience, line"):
        holdouts.draw(
            shop.portfolio,
            "ana",
            name="x",
            share=0.2,
            by="region",
            first_day=DAY + timedelta(days=1),
            seed=1,
        )


def test_a_second_holdout_waits_for_the_end_of_the_first(shop: Shop):
    shop.night()

    def draw(name: str) -> ExperimentRecord:
        tomorrow = DAY + timedelta(days=1)
        return holdouts.draw(
            shop.portfolio, "ana", name=name, share=0.2, by="line", first_day=tomorrow, seed=1
        )

    draw("first")
    with pytest.raises(UsageError, match=r"'first' goes on since .* end it first"):
        draw("second")
    holdouts.end(shop.portfolio, "ana", name="first", why="another share is wanted")
    assert draw("second").name == "second"


def test_a_test_whose_assignment_was_altered_is_not_read_out(shop: Shop):
    start_test(shop, "spring", channel="social")
    state = shop.folder / ".equimarginal"
    guards = "select name from sqlite_master where type = 'trigger'"
    with closing(sqlite3.connect(state / "ledger.sqlite")) as raw, raw:
        for (name,) in raw.execute(guards).fetchall():
            raw.execute(f"drop trigger {name}")
        (seq, text), *rest = raw.execute(
            "select seq, payload from audit where action = 'experiment.assigned'"
        ).fetchall()
        assert not rest
        other = next(unit for unit in regions(1).units if f'"{unit}"' not in text)
        mine = json.loads(text)["treated"][0]
        changed = text.replace(f'"{mine}"', f'"{other}"')
        raw.execute("update audit set payload = ? where seq = ?", (changed, seq))
    assert verify_portfolio(shop.folder).problems[0].seq == seq
    panel = moved_to(regions(1), DAY + timedelta(days=3))
    with pytest.raises(DamagedError, match=f"read-out spring: the audit chain was altered .*{seq}"):
        look_at(shop.portfolio, panel, "spring", "ana")
