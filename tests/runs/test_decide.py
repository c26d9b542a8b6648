"""One night's decision from facts: what is kept, what is not guessed, and the same every time."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest

from pipeline.core.caps import Cap, CapStatus
from pipeline.core.history import History
from pipeline.core.policy import parse_policy
from pipeline.runs.decide import Facts, decide
from pipeline.runs.fitting import fit_models

DAY = date(2026, 11, 22)
LINES = (("search",), ("social",), ("tv",), ("video",))
CURRENT = np.array([100.0, 200.0, 300.0, 400.0])


def facts(*, elasticity=(0.2, 0.8, 0.5, 0.3), noise=0.05, days=60, **more) -> Facts:
    rng = np.random.default_rng(5)
    spend = CURRENT * rng.lognormal(0, 0.3, (days, 4))
    revenue = (
        3 * CURRENT * (spend / CURRENT) ** np.array(elasticity) * rng.lognormal(0, noise, (days, 4))
    )
    return morning(LINES, CURRENT, spend, revenue, **more)


def morning(lines, current, spend, revenue, **more) -> Facts:
    """Return a morning of lines that may move freely, with a thousand to split."""
    days, n_lines = spend.shape
    policy = parse_policy(
        {
            "portfolio": "acme",
            "currency": "EUR",
            "line": ["channel"],
            "budget": {"daily": 1000},
            "sources": {"spend": {"path": "x"}, "outcomes": {"path": "x"}},
            **more,
        },
        "portfolio.yaml",
    )
    return Facts(
        policy=policy,
        day=DAY,
        history=History(
            days=tuple(DAY - timedelta(days=back) for back in range(days, 0, -1)),
            lines=lines,
            spend=spend,
            outcomes={"revenue": revenue},
            trusted=np.ones((days, n_lines), dtype=bool),
        ),
        vintages=None,
        lift_tests=(),
        current=current,
        caps=(),
        held_scopes=(),
        wanted=1000.0,
        distrusted=np.zeros(n_lines, dtype=bool),
    )


def propose_budgets(known: Facts) -> np.ndarray:
    return decide(known, fit_models(known)).budgets


def test_money_goes_where_the_next_unit_earns_more():
    budgets = propose_budgets(facts())
    assert budgets.sum() == pytest.approx(1000)
    assert budgets[1] > 1.1 * CURRENT[1]
    assert budgets[3] < CURRENT[3]
    assert (np.abs(budgets - CURRENT) <= 0.25 * CURRENT + 1e-6).all()


def test_the_same_facts_give_the_same_budgets_to_the_last_bit():
    known = facts()
    assert propose_budgets(known).tobytes() == propose_budgets(facts()).tobytes()
    models = fit_models(known)
    assert decide(known, models).budgets.tobytes() == decide(known, models).budgets.tobytes()


def test_a_held_line_keeps_its_money_and_the_rest_is_split():
    known = replace(facts(), held_scopes=({"channel": "social"},))
    budgets = propose_budgets(known)
    assert budgets[1] == 200
    assert budgets.sum() == pytest.approx(1000)


def test_a_group_cap_is_kept_by_the_sum():
    cap = Cap(id="c", status=CapStatus.APPROVED, proposed_by="a", max=950.0)
    budgets = propose_budgets(replace(facts(), caps=(cap,)))
    assert budgets.sum() == pytest.approx(950)


def test_at_most_may_leave_money_unspent_but_never_more_than_the_budget():
    budgets = propose_budgets(facts(budget={"daily": 1000, "spend": "at_most"}))
    assert budgets.sum() <= 1000 + 1e-6


def test_curves_that_are_all_alike_are_left_alone_but_for_learning():
    known = facts(elasticity=(0.4,) * 4, noise=0.5, days=20, exploration={"max_share": 0.0})
    decision = decide(known, fit_models(known))
    gain = (decision.table.at(decision.budgets) - decision.table.at(CURRENT)).sum(axis=1)
    assert np.array_equal(decision.budgets, CURRENT) or gain.mean() > 0


def test_exploration_moves_no_more_than_its_share():
    known = facts(exploration={"max_share": 0.03})
    decision = decide(known, fit_models(known))
    assert np.abs(decision.explored).sum() / 2 <= 0.03 * decision.total + 1e-6
    none = facts(exploration={"max_share": 0.0})
    assert not decide(none, fit_models(none)).explored.any()


def test_the_certificate_bounds_what_the_split_earns():
    known = facts()
    solution = decide(known, fit_models(known)).solution
    assert solution.objective <= solution.upper_bound * (1 + 1e-9)
    assert 0 <= solution.gap < 0.01


def test_a_line_without_money_is_no_reason_to_fail():
    known = facts()
    current = np.array([0.0, 200.0, 300.0, 500.0])
    budgets = propose_budgets(replace(known, current=current))
    assert budgets[0] == 0
    assert budgets.sum() == pytest.approx(1000)


def test_aversion_to_risk_moves_less_and_never_more():
    moved = []
    for aversion in (0.0, 1.0, 5.0):
        known = facts(noise=0.4, exploration={"max_share": 0.0}, risk_aversion=aversion)
        budgets = decide(known, fit_models(known)).budgets
        moved.append(np.abs(budgets - CURRENT).sum())
    assert moved[0] >= moved[1] >= moved[2]
    assert moved[0] > moved[2]
