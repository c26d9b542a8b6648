"""Lines that have just begun: not cut before they can be known, and not kept for ever."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest

from pipeline.core.caps import Cap, CapStatus
from pipeline.core.errors import ConfigError
from pipeline.runs.checking import replay_plan
from pipeline.runs.decide import Decision, Facts, decide
from pipeline.runs.fitting import fit_models
from pipeline.runs.newcomers import Stand
from pipeline.runs.reasons import Returns, binding_limits, reason_of
from tests.runs.shop import DAY, Shop
from tests.runs.test_decide import morning

LINES = (("search",), ("social",), ("trial",), ("tv",), ("video",))
CURRENT = np.array([300.0, 200.0, 40.0, 250.0, 210.0])
NEW = 2


def facts(begun: int, returns: float, *, days: int = 90, late: int = 0, **more: object) -> Facts:
    """Return a morning on which the third line has spent for `begun` days.

    Args:
        returns: revenue per unit of money on the new line; the others earn three.
        late: of the new line's days, the newest of which nothing is reported yet.
    """
    rng = np.random.default_rng(8)
    spend = CURRENT * rng.lognormal(0, 0.2, (days, 5))
    spend[: days - begun, NEW] = 0.0
    earned = 3 * CURRENT * (spend / CURRENT) ** np.array([0.5, 0.6, 0.5, 0.4, 0.5])
    earned *= rng.lognormal(0, 0.05, (days, 5))
    earned[:, NEW] *= returns / 3
    if late:
        earned[-late:, NEW] = 0.0
    settings = {"exploration": {"max_share": 0.0}, **more}
    return morning(LINES, CURRENT, spend, earned, **settings)


def decided(known: Facts) -> Decision:
    return decide(known, fit_models(known))


def test_a_line_begun_yesterday_is_not_cut_because_nothing_is_reported_yet():
    known = facts(1, 3.0, late=1)
    kept = decided(known)
    # What it began with is what it spent on its one day.
    least = min(float(known.history.spend[-1, NEW]), 40.0)
    assert kept.budgets[NEW] >= least - 0.01
    assert [(item.stand, item.days) for item in kept.learning.lines] == [(Stand.KEPT, 1)]
    assert kept.learning.cost >= 0
    off = decided(facts(1, 3.0, late=1, new_lines={"days": 0}))
    assert off.budgets[NEW] < least - 1
    assert off.learning.lines == ()


def test_a_line_says_that_its_learning_budget_stops_it():
    known = facts(1, 3.0, late=1)
    decision = decided(known)
    binding = binding_limits(known, decision, decision.budgets)[NEW]
    assert binding == ("learning budget",)
    for action in ("reduce", "hold"):
        said = reason_of(known, decision, NEW, action, Returns(now=0.6, then=0.5), binding)
        assert said.endswith("stopped by its learning budget, as it has only just begun")


def test_a_poor_line_is_kept_for_its_first_week_and_then_given_up():
    for begun, stand in ((3, Stand.KEPT), (6, Stand.KEPT), (12, Stand.GIVEN_UP)):
        decision = decided(facts(begun, 0.05))
        (item,) = decision.learning.lines
        assert item.stand is stand, begun
        assert bool(decision.budgets[NEW] < 0.8 * 40) is (stand is Stand.GIVEN_UP), begun
    assert item.chance < 0.1


def test_after_its_days_a_line_is_like_all_others():
    assert decided(facts(27, 0.05)).learning.lines != ()
    assert decided(facts(28, 0.05)).learning.lines == ()


def test_a_rich_new_line_rises_and_its_budget_is_left_untouched():
    decision = decided(facts(14, 12.0))
    assert decision.budgets[NEW] > 40
    assert [item.stand for item in decision.learning.lines] == [Stand.UNTOUCHED]
    assert decision.learning.floors() == {}


def test_all_new_lines_together_keep_no_more_than_their_share():
    decision = decided(facts(3, 0.05, new_lines={"max_share": 0.032}))
    (item,) = decision.learning.lines
    assert item.least == pytest.approx(32.0)
    assert decision.budgets[NEW] == pytest.approx(32.0)


def test_a_part_that_the_ramp_does_not_reach_yet_costs_nothing_tonight():
    decision = decided(facts(3, 0.05, new_lines={"max_share": 0.01}))
    (item,) = decision.learning.lines
    assert (item.stand, item.least) == (Stand.UNTOUCHED, pytest.approx(10.0))
    assert decision.budgets[NEW] == pytest.approx(30.0)  # as deep as the ramp goes
    assert decision.learning.cost == 0


def test_what_was_given_up_is_not_raised_to_its_beginning_again():
    known = facts(5, 0.05)
    cut = replace(known, current=np.array([300.0, 200.0, 12.0, 270.0, 218.0]))
    (item,) = decided(cut).learning.lines
    assert item.least == pytest.approx(12.0)


def test_a_lesson_never_raises_a_learning_budget():
    lesson = np.array([0.0, 0.0, 4.0, -4.0, 0.0])
    known = facts(5, 0.05)
    for way in (1.0, -1.0):
        taught = replace(known, current=CURRENT + way * lesson, explored=way * lesson)
        taught.history.spend[-5:, NEW] = 45.0
        (item,) = decided(taught).learning.lines
        assert item.least == pytest.approx(40.0 if way > 0 else 36.0)


def test_a_line_is_given_up_also_while_the_ramp_keeps_it_above_its_beginning():
    known = facts(12, 0.05)
    raised = replace(known, current=np.array([300.0, 200.0, 90.0, 220.0, 190.0]))
    decision = decided(raised)
    (item,) = decision.learning.lines
    assert decision.budgets[NEW] > item.least
    assert item.stand is Stand.GIVEN_UP


def test_caps_and_the_days_money_go_before_learning():
    cap = Cap(
        id="c", scope={"channel": "trial"}, max=20.0, status=CapStatus.APPROVED, proposed_by="fin"
    )
    capped = decided(replace(facts(3, 0.05), caps=(cap,)))
    assert capped.budgets[NEW] <= 20
    assert capped.learning.lines[0].stand is Stand.NO_ROOM
    # The ramp lets all lines come down to 750 together, and not to more than that.
    short = decided(replace(facts(3, 0.05), wanted=750.0))
    assert short.budgets.sum() == pytest.approx(750)
    assert short.learning.lines[0].stand is Stand.NO_ROOM


def test_a_line_that_is_held_anyway_is_nothing_to_decide_on():
    held = replace(facts(3, 0.05), held_scopes=({"channel": "trial"},))
    assert decided(held).learning.lines == ()


def test_a_young_portfolio_has_no_new_lines_but_those_that_came_later():
    known = facts(15, 3.0, days=20)
    assert decided(known).learning.lines == ()
    later = facts(8, 3.0, days=20)
    assert [item.place for item in decided(later).learning.lines] == [NEW]


def test_a_line_that_rested_for_long_is_not_new():
    known = facts(3, 3.0)
    spend = known.history.spend.copy()
    spend[9:19, NEW] = 40.0
    decision = decided(replace(known, history=replace(known.history, spend=spend)))
    assert decision.learning.lines == ()


def test_the_plan_its_page_and_its_replay_tell_of_new_lines(tmp_path: Path):
    shop = Shop(tmp_path / "shop")
    begun = (DAY - timedelta(days=2)).isoformat()
    last = ("tv", "x")
    rows = [
        [row for row in table if row["date"] >= begun or (row["channel"], row["audience"]) != last]
        for table in (shop.spend, shop.outcomes)
    ]
    shop.spend, shop.outcomes = rows
    for row in shop.outcomes:
        if (row["channel"], row["audience"]) == last:
            row["revenue"] = 0.0
            row["conversions"] = 0
    plan = shop.night()
    assert plan.new_lines is not None
    (item,) = plan.new_lines.lines
    assert (item.line, item.since, item.days) == ("tv / x", date.fromisoformat(begun), 2)
    assert plan.new_lines.kept <= plan.new_lines.most == pytest.approx(0.1 * plan.budget)
    assert plan.content()["new_lines"]["lines"][0]["stand"] == item.stand
    page = shop.run(plan).read_bytes("report.html").decode()
    assert "New lines" in page
    assert "Learning budget" in page
    assert replay_plan(shop.portfolio, plan.plan_id).differences == ()
    shop.settings["new_lines"] = {"days": 0}
    assert "new_lines" not in shop.night().content()


@pytest.mark.parametrize(
    "wrong", [{"days": -1}, {"max_share": 2}, {"give_up_below": 0.7}, {"dayz": 3}]
)
def test_a_wrong_setting_is_named(wrong):
    with pytest.raises(ConfigError, match="new_lines"):
        facts(3, 1.0, new_lines=wrong)
