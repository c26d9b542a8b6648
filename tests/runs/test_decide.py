"""One night's decision from facts: what is kept, what is not guessed, and the same every time."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import numpy as np
import pytest

from pipeline.core.caps import Cap, CapStatus
from pipeline.core.history import History
from pipeline.core.policy import parse_policy
from pipeline.runs.decide import Decision, Facts, decide
from pipeline.runs.fitting import fit_models
from pipeline.runs.reasons import reason_of

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


def test_a_price_of_nothing_is_not_told_as_what_other_lines_earn():
    known = facts()
    decision = decide(known, fit_models(known))
    said = reason_of(known, decision, 0, "scale", 2.9, ("ramp",))
    assert " elsewhere; stopped by" in said
    prices = decision.solution.limit_price.copy()
    prices[0] = 1e-12
    stuck = replace(decision, solution=replace(decision.solution, limit_price=prices))
    said = reason_of(known, stuck, 0, "scale", 2.9, ("ramp",))
    assert said == "the next EUR earns 2.90 revenue; stopped by the daily limit of 25%"


def moved_so(known: Facts, explored: float = 0.0, **changes: Any) -> Decision:
    """Return a decision whose price of money is 1 and whose first line changes by 10 %."""
    decision = decide(known, fit_models(known))
    prices = decision.solution.limit_price.copy()
    prices[0] = 1.0
    budgets = decision.budgets.copy()
    budgets[0] = 1.1 * known.current[0]
    budgets[1] += known.current.sum() - budgets.sum()
    learned = np.zeros_like(budgets)
    learned[0] = explored
    made = {
        "solution": replace(decision.solution, limit_price=prices),
        "budgets": budgets,
        "explored": learned,
    }
    return replace(decision, **(made | changes))


def test_a_reason_is_true_where_a_line_moves_against_what_its_next_unit_earns():
    known = facts(exploration={"max_share": 0.0})
    decision = moved_so(known)
    earns = "the next EUR earns {} revenue, {}"
    said = reason_of(known, decision, 0, "scale", 1.4, ())
    assert said == earns.format("1.40", "1.00 elsewhere")
    said = reason_of(known, decision, 0, "scale", 0.98, ())
    assert said == earns.format("0.98", "about as much as elsewhere (1.00)")
    said = reason_of(known, decision, 0, "scale", 0.8, ())
    assert said == earns.format("0.80", "1.00 elsewhere; it is part of the best split of all lines")
    said = reason_of(known, moved_so(known, 12.5), 0, "scale", 0.8, ("ramp",))
    assert said == earns.format(
        "0.80", "1.00 elsewhere; +12.50 of it to learn; stopped by the daily limit of 25%"
    )
    said = reason_of(known, moved_so(known, -12.5), 0, "reduce", 1.4, ())
    assert said == earns.format("1.40", "1.00 elsewhere; -12.50 of it to learn")
    less = moved_so(known, budgets=0.9 * known.current)
    said = reason_of(known, less, 0, "reduce", 1.4, ())
    assert said == earns.format(
        "1.40",
        "1.00 elsewhere; it moves with the day's money, which is less than today's budgets",
    )


def test_a_reason_names_the_guardrail_that_cuts_a_line_or_holds_it_back():
    line = facts().history.lines[0]
    scope = {"channel": line[0]}
    known = facts(guardrails=[{"metric": "roas", "min": 6.0, "scope": scope}])
    decision = moved_so(known)
    said = reason_of(known, decision, 0, "reduce", 1.4, ())
    name = f"roas min 6 (channel={line[0]})"
    assert said.endswith(f"1.00 elsewhere; the guardrail {name} asks for it")
    said = reason_of(known, decision, 0, "scale", 1.4, ())
    assert said.endswith(f"1.00 elsewhere; held back by the guardrail {name}")
    other = next(i for i, key in enumerate(known.history.lines) if key[0] != line[0])
    assert "guardrail" not in reason_of(known, decision, other, "scale", 1.4, ())


def test_a_cent_is_told_as_rounding_and_one_line_has_no_elsewhere():
    known = facts()
    cent = moved_so(known, budgets=known.current + 0.01)
    said = reason_of(known, cent, 0, "scale", 1.4, ())
    assert said.startswith("only rounded, so that all lines add up to the day's money; the next")
    history = replace(
        known.history,
        lines=known.history.lines[:1],
        spend=known.history.spend[:, :1],
        outcomes={name: table[:, :1] for name, table in known.history.outcomes.items()},
        trusted=known.history.trusted[:, :1],
    )
    alone = replace(known, history=history)
    assert reason_of(alone, moved_so(known), 0, "scale", 1.4, ()) == (
        "the next EUR earns 1.40 revenue"
    )


def test_at_most_may_leave_money_unspent_but_never_more_than_the_budget():
    budgets = propose_budgets(facts(budget={"daily": 1000, "spend": "at_most"}))
    assert budgets.sum() <= 1000 + 1e-6


def test_curves_that_are_all_alike_are_left_alone_but_for_learning():
    known = facts(elasticity=(0.4,) * 4, noise=0.5, days=20, exploration={"max_share": 0.0})
    decision = decide(known, fit_models(known))
    gain = (decision.table.at(decision.budgets) - decision.table.at(CURRENT)).sum(axis=1)
    assert decision.is_hold or gain.mean() > 0


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
