"""What caps cost, what other budgets earn, how the month runs: against plain arithmetic."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest

from pipeline.core.caps import Cap, CapStatus
from pipeline.core.curves import ResponseTable
from pipeline.core.history import History
from pipeline.core.policy import parse_policy
from pipeline.io import facts as staged
from pipeline.runs.decide import Decision, Models, best_split, decide
from pipeline.runs.fitting import fit_models
from pipeline.runs.month import month_so_far
from pipeline.runs.outlook import cap_costs, learning_cost, other_budgets
from pipeline.runs.plan import Heading, optimised_plan
from pipeline.runs.weeks import past_weeks
from tests.runs.test_decide import DAY, facts

SOCIAL = Cap(
    id="social",
    scope={"channel": "social"},
    max=210.0,
    status=CapStatus.APPROVED,
    proposed_by="ana",
)
TV = Cap(id="tv", scope={"channel": "tv"}, max=900.0, status=CapStatus.APPROVED, proposed_by="ana")


@pytest.fixture(scope="module")
def models() -> Models:
    return fit_models(facts())


def night(models: Models, *caps: Cap) -> tuple[dict[str, float], Decision]:
    known = replace(facts(), caps=caps)
    decision = decide(known, models)
    heading = Heading(plan_id="p", inputs_hash="", caps_version="")
    plan = optimised_plan(heading, known, models, decision, decision.budgets.round(2), [])
    return cap_costs(known, models, decision, plan), decision


def test_a_cap_costs_what_the_best_split_loses_by_it(models):
    costs, decision = night(models, SOCIAL, TV)
    free = best_split(replace(facts(), caps=(TV,)), models).solution.objective
    assert costs == {"social": pytest.approx(free - decision.solution.objective)}
    assert costs["social"] > 0


def test_what_a_cap_costs_is_not_more_than_its_price_promises(models):
    costs, decision = night(models, SOCIAL)
    free = best_split(facts(), models).solution.spend[1]
    price = decision.solution.prices["social: cap social max"]
    assert costs["social"] <= price * (free - 210.0) * (1 + 1e-6)


def test_other_budgets_hold_tonight_s_and_earn_less_and_less(models):
    _, decision = night(models)
    others = other_budgets(decision)
    assert others is not None
    assert others.budget[0] == pytest.approx(750)
    assert others.budget[-1] == pytest.approx(1250)
    here = int(np.abs(others.budget - 1000.0).argmin())
    assert others.mean[here] == pytest.approx(decision.solution.objective)
    assert (np.diff(others.mean) > 0).all()
    near = 0.005 * others.price[0]  # a mean of curves, some S-shaped, may bend up a little
    assert (np.diff(others.price) <= near).all()
    steps = np.diff(others.mean) / np.diff(others.budget)
    assert (steps <= others.price[:-1] + near).all()
    assert (steps >= others.price[1:] - near).all()
    assert (others.p05 < others.mean).all()
    assert (others.mean < others.p95).all()


def test_where_nothing_may_move_there_are_no_other_budgets(models):
    held = replace(facts(), held_scopes=({},))
    assert other_budgets(decide(held, models)) is None


def test_learning_costs_what_the_split_without_it_would_earn_more(models):
    mornings = (
        replace(facts(exploration={"max_share": 0.05}), day=DAY + timedelta(weeks=week))
        for week in range(12)
    )
    decisions = (decide(known, models) for known in mornings)
    decision = next(item for item in decisions if item.explored.any())
    assert np.abs(decision.explored).sum() > 0
    plain = decision.budgets - decision.explored
    lost = decision.table.at(plain).sum(axis=1).mean()
    lost -= decision.table.at(decision.budgets).sum(axis=1).mean()
    assert learning_cost(decision) == pytest.approx(max(lost, 0.0))
    assert learning_cost(replace(decision, explored=np.zeros(4))) == 0


def a_month(spent: list[float], first: date = date(2026, 11, 1)) -> staged.Facts:
    n = len(spent)
    table = np.array(spent)[:, None]
    return staged.Facts(
        days=tuple(first + timedelta(days=k) for k in range(n)),
        lines=(("search",),),
        spend=table,
        has_spend_row=table >= 0,
        budget=table,
        impressions=table,
        clicks=table,
        outcomes={},
        has_outcome_row=table >= 0,
    )


def policy(**budget: float):
    return parse_policy(
        {
            "portfolio": "acme",
            "currency": "EUR",
            "line": ["channel"],
            "budget": budget,
            "sources": {"spend": {"path": "x"}, "outcomes": {"path": "x"}},
        },
        "portfolio.yaml",
    )


def test_a_month_of_daily_budgets_adds_up():
    pacing = month_so_far(a_month([90.0] * 21), policy(daily=100), DAY, tonight=110.0)
    assert (pacing.budget, pacing.planned_by_now, pacing.spent) == (3000, 2100, 21 * 90)
    assert pacing.forecast == pytest.approx(21 * 90 + 9 * 110)
    assert (len(pacing.planned), len(pacing.course), pacing.passed) == (30, 30, 21)
    assert pacing.course[20] == 21 * 90


def test_a_monthly_budget_is_planned_by_weekday_and_meets_its_total():
    days = [date(2026, 10, 1) + timedelta(days=k) for k in range(52)]
    spent = [200.0 if day.weekday() < 5 else 50.0 for day in days]
    pacing = month_so_far(a_month(spent, days[0]), policy(monthly=6000), DAY, tonight=60.0)
    assert pacing.planned[-1] == pytest.approx(6000)
    steps = np.diff(pacing.planned)
    assert steps[0] / steps[5] == pytest.approx(4)  # Monday the 2nd against Saturday the 7th
    assert pacing.forecast > pacing.spent


def test_a_month_without_its_first_days_says_nothing():
    assert month_so_far(a_month([1.0] * 5, date(2026, 11, 17)), policy(daily=1), DAY, 1.0) is None
    first = date(2026, 11, 1)
    assert month_so_far(a_month([1.0] * 5, date(2026, 10, 27)), policy(daily=1), first, 1.0) is None


def test_past_weeks_lie_on_the_curve_where_the_world_is_plain():
    """Two lines, organic level 50 each, 2 a unit of spend, and a season that both share."""
    n_days = 7 * 10 + 7
    rng = np.random.default_rng(1)
    spend = np.repeat(rng.uniform(50, 150, (n_days // 7, 2)), 7, axis=0)
    season = np.repeat(rng.uniform(0.8, 1.2, n_days // 7), 7)[:, None]
    trusted = np.ones((n_days, 2), dtype=bool)
    trusted[3, 0] = False
    history = History(
        days=tuple(DAY - timedelta(days=back) for back in range(n_days, 0, -1)),
        lines=(("a",), ("b",)),
        spend=spend,
        outcomes={"revenue": (50 + 2 * spend) * season},
        trusted=trusted,
    )
    knots = np.tile([0.0, 200.0], (2, 1))
    table = ResponseTable(
        metric="revenue",
        lines=history.lines,
        spend=knots,
        value=2 * knots[None],
        organic=np.full((1, 2), 50.0),
    )
    found = past_weeks(history, table)
    assert len(found["a",].spend) == 9
    assert len(found["b",].spend) == 10
    assert found["b",].first_day[0] == history.days[0]
    # What the other line spends is not its season, so points scatter around the curve.
    error = np.array(found["b",].value) - 2 * np.array(found["b",].spend)
    assert abs(error.mean()) < 0.1 * np.mean(found["b",].value)
    still = replace(
        history,
        spend=np.full_like(spend, 100.0),
        trusted=np.ones_like(trusted),
        outcomes={"revenue": 250 * season @ np.ones((1, 2))},
    )
    assert past_weeks(still, table)["b",].value == pytest.approx([200.0] * 10)
    assert past_weeks(replace(history, outcomes={}), table) == {}
