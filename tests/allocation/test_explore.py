"""Money moved to learn: within its account, at its price, and only while it pays."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.allocation.explore import STEP_SHARE, explore
from pipeline.allocation.lessons import Prices
from pipeline.allocation.pairs import FACES, pair_up
from pipeline.allocation.problem import Group, Problem
from pipeline.allocation.solve import is_allowed
from pipeline.core.curves import ResponseTable

N = 8
BUDGETS = np.linspace(100.0, 800.0, N)
KNOTS = np.linspace(0.0, 2.0, 41)


def table(doubt: float, draws: int = 400, elasticity: float = 0.5) -> ResponseTable:
    """Return draws of power curves whose elasticity is known up to `doubt`."""
    rng = np.random.default_rng(1)
    drawn = np.clip(elasticity + rng.normal(0, doubt, (draws, N, 1)), 0.05, 0.95)
    value = 3 * BUDGETS[:, None] * KNOTS**drawn
    return ResponseTable(
        metric="revenue",
        lines=tuple((str(line),) for line in range(N)),
        spend=BUDGETS[:, None] * KNOTS,
        value=value,
        organic=np.zeros((draws, N)),
    )


def prices(**changes: object) -> Prices:
    values = {
        "money_share": 0.05,
        "cost_share": 0.01,
        "horizon_days": 28.0,
        "ramp_share": 0.25,
        "noise": np.full(N, 0.2**2),
    }
    return Prices(**{**values, **changes})


def dice(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(FACES, size=N)


def tried(known: ResponseTable, seed: int = 0, **changes: object):
    return explore(within(known), BUDGETS, known, prices(**changes), dice(seed))


def within(known: ResponseTable, **limits: object) -> Problem:
    """Return tonight's problem, every line within a quarter of its budget."""
    bounds = {"lower": 0.75 * BUDGETS, "upper": 1.25 * BUDGETS, "budget": float(BUDGETS.sum())}
    return Problem.from_tables(
        ids=[str(line) for line in range(N)],
        spend=known.spend,
        value=known.mean(),
        **{**bounds, **limits},
    )


@given(seed=st.integers(0, 500), share=st.floats(0.0, 0.2), cost=st.floats(0.0, 0.02))
def test_total_limits_share_and_account_are_kept(seed: int, share: float, cost: float):
    known = table(0.2, draws=60)
    found = tried(known, seed, money_share=share, cost_share=cost)
    assert found.budgets.sum() == pytest.approx(BUDGETS.sum())
    assert (np.abs(found.budgets - BUDGETS) <= STEP_SHARE * BUDGETS + 1e-9).all()
    assert np.abs(found.budgets - BUDGETS).sum() / 2 <= share * BUDGETS.sum() + 1e-6
    spent = sum(max(move.cost, 0.0) for move in found.moves)
    assert spent <= found.most_cost + 1e-9
    assert found.most_cost == pytest.approx(cost * known.at(BUDGETS).sum(axis=1).mean())
    assert all(move.worth > move.cost for move in found.moves)


@given(seed=st.integers(0, 500), slack=st.sampled_from([0.0, 1.0, 30.0]), data=st.data())
def test_limits_of_groups_hold_back_their_pairs_and_no_others(seed: int, slack: float, data):
    """Groups that bind, or nearly, nest and cross: what may still move moves, and all is kept."""
    sets = data.draw(st.lists(st.sets(st.integers(0, N - 1), min_size=1), max_size=4))
    groups = []
    for place, members in enumerate(sets):
        total = float(BUDGETS[sorted(members)].sum())
        bound = data.draw(st.sampled_from(["min", "max", "both"]))
        groups.append(
            Group(
                id=f"g{place}",
                members=np.array(sorted(members)),
                min=0.0 if bound == "max" else total - slack,
                max=np.inf if bound == "min" else total + slack,
            )
        )
    known = table(0.3, draws=60)
    problem = within(known, groups=tuple(groups))
    rich = prices(money_share=1.0, cost_share=1.0)
    found = explore(problem, BUDGETS, known, rich, dice(seed))
    assert is_allowed(problem, found.budgets)
    free = explore(within(known), BUDGETS, known, rich, dice(seed))
    kept = {(move.up, move.down): move.money for move in found.moves}
    for move in free.moves:
        if all((move.up in one) == (move.down in one) for one in sets):
            assert kept[move.up, move.down] == pytest.approx(move.money)


def test_one_full_channel_leaves_the_rest_to_learn():
    known = table(0.3)
    full = Group(id="full", members=np.array([0, 1]), max=float(BUDGETS[:2].sum()))
    learning = sum(
        bool(
            explore(
                within(known, groups=(full,)),
                BUDGETS,
                known,
                prices(),
                dice(seed),
            ).moves
        )
        for seed in range(50)
    )
    assert learning == 50


def test_curves_that_are_known_are_left_alone_and_unknown_ones_are_not():
    unknown = tried(table(0.2))
    assert len(unknown.moves) >= 2
    assert ((unknown.surer > 0) == (unknown.budgets != BUDGETS)).all()
    known = tried(table(0.005))
    assert known.moves == ()
    assert known.unpaid >= 2
    assert np.array_equal(known.budgets, BUDGETS)


def test_pairs_are_counted_as_left_out_once_the_share_is_spent():
    known = table(0.3)
    rich, poor = (
        tried(known, cost_share=1.0, money_share=1.0),
        tried(known, cost_share=1.0, money_share=0.004),
    )
    assert len(rich.moves) == N // 2
    assert rich.uncovered == 0
    assert sum(move.money for move in poor.moves) == pytest.approx(0.004 * BUDGETS.sum())
    assert 0 < len(poor.moves) < N // 2
    assert len(poor.moves) + poor.uncovered + poor.unpaid == N // 2


def test_days_too_noisy_to_teach_and_a_short_horizon_stop_it():
    assert tried(table(0.1), noise=np.full(N, 4.0)).moves == ()
    assert len(tried(table(0.1), horizon_days=200.0).moves) >= len(
        tried(table(0.1), horizon_days=2.0).moves
    )


def test_the_price_is_what_the_truth_charges():
    """Curves known up to scale: the expected cost is the true one, e (1 - e) d^2 / 2 a line."""
    flat = tried(table(0.2, elasticity=0.5))
    for move in flat.moves:
        share = move.money / BUDGETS[[move.up, move.down]]
        bend = 0.5 * 0.25 * 3 * (BUDGETS[[move.up, move.down]] * share**2).sum()
        assert move.cost == pytest.approx(bend, rel=0.3, abs=0.1 * move.money)


def test_what_a_night_removes_of_the_doubt_is_what_regression_removes():
    """Posterior variance after `n` nights of +-10 % against the closed form of the account."""
    known = table(0.15)
    found = tried(known, money_share=1.0, horizon_days=28.0)
    move = found.moves[0]
    line = move.up
    marginal_doubt = np.square(_relative(known)[:, line]).mean()
    information = 28 * (0.5 * move.money / BUDGETS[line]) ** 2 / 0.2**2
    expected = marginal_doubt * information / (1 + marginal_doubt * information)
    assert found.surer[line] == pytest.approx(expected, rel=0.2)


def test_lines_of_one_series_are_taught_by_one_number_a_night():
    """What is left of the doubt, against a normal vector of which only a noisy sum is seen."""
    known, pairs = table(0.2), pair_up(dice(0))
    rich = {"money_share": 1.0, "cost_share": 1.0}
    apart, in_two = (
        explore(within(known), BUDGETS, known, prices(series=series, **rich), dice(0), pairs)
        for series in (None, np.arange(N) % 2)
    )
    assert len(apart.moves) == len(in_two.moves) == N // 2
    told = apart.surer / (1 - apart.surer)  # of a line alone: doubt over the noise of all nights
    for place in range(2):
        inside = np.flatnonzero(np.arange(N) % 2 == place)
        row = np.sqrt(told[inside])
        left = np.linalg.inv(np.eye(inside.size) + np.outer(row, row))
        assert in_two.surer[inside] == pytest.approx(1 - np.diag(left))
    worth = [sum(move.worth for move in each.moves) for each in (apart, in_two)]
    assert 0 < worth[1] < worth[0]


def test_a_series_that_moves_of_other_lines_have_used_up_teaches_little_more():
    """One number a night cannot tell many lines apart, however far it is from its noise."""
    known = table(0.3)
    rich = {"money_share": 1.0, "cost_share": 1.0, "noise": np.full(N, 0.01**2)}
    together = tried(known, series=np.zeros(N, dtype=np.int64), **rich)
    assert len(tried(known, **rich).moves) == N // 2
    assert together.surer.sum() < 1
    assert all(move.worth > move.cost for move in together.moves)


def _relative(known: ResponseTable) -> np.ndarray:
    high, low = known.at(1.05 * BUDGETS), known.at(0.95 * BUDGETS)
    ratio = (high - low) / (high - low).mean(axis=0)
    return ratio - (ratio * BUDGETS / BUDGETS.sum()).sum(axis=1, keepdims=True)


def test_lines_whose_days_tell_next_to_nothing_are_left_alone() -> None:
    known = table(0.3)
    quiet, loud = (tried(known, noise=np.full(N, noise**2)) for noise in (0.5, 2.0))
    assert len(quiet.moves) == N // 2
    assert not loud.moves
    assert loud.unpaid == N // 2


def test_a_lesson_that_has_begun_goes_on_though_it_would_not_begin_any_more():
    known = table(0.2)
    first = tried(known)
    assert first.moves
    sure = table(0.0)
    assert not tried(sure).moves
    begun = [(move.up, move.down) for move in first.moves]
    again = explore(within(sure), BUDGETS, sure, prices(), dice(0), begun)
    assert again.budgets == pytest.approx(first.budgets)
    broke = prices(cost_share=0.0)
    assert not explore(within(sure), BUDGETS, sure, broke, dice(0), begun).moves


@pytest.mark.parametrize("seed", range(20))
def test_lines_that_learned_with_others_before_are_no_begun_lesson(seed: int):
    """Of eight lines that all went up or down, the pairs that begin anew must pay."""
    sure = table(0.0)
    begun = [pair_up(dice(seed))[0]]
    found = explore(within(sure), BUDGETS, sure, prices(cost_share=1.0), dice(seed + 100), begun)
    assert [(move.up, move.down) for move in found.moves] == begun
    assert found.unpaid == N // 2 - 1


def test_a_small_account_goes_to_the_lessons_that_are_worth_most():
    """Half of the lines are known, half are not: what little may be moved teaches the latter."""
    known, rng = table(0.02), np.random.default_rng(2)
    value = np.array(known.value)
    doubtful = np.arange(0, N, 2)
    drawn = np.clip(0.5 + rng.normal(0, 0.25, (len(value), doubtful.size, 1)), 0.05, 0.95)
    value[:, doubtful] = 3 * BUDGETS[doubtful, None] * KNOTS**drawn
    mixed = replace(known, value=value)
    for seed in range(20):
        all_of_it = tried(mixed, seed, cost_share=0.05)
        few = tried(mixed, seed, cost_share=0.05, money_share=0.004)
        rates = [(move.worth - move.cost) / move.money for move in all_of_it.moves]
        assert rates == sorted(rates, reverse=True)
        first = few.moves[0]
        assert (first.up, first.down) == (all_of_it.moves[0].up, all_of_it.moves[0].down)


def test_the_account_pays_for_all_lessons_together():
    known = table(0.3)
    earned = known.at(BUDGETS).sum(axis=1).mean()
    for seed in range(10):
        rich = tried(known, seed, money_share=1.0, cost_share=1.0).moves
        costs = [move.cost for move in rich if move.cost > 0]
        assert len(costs) > 1
        account = 0.5 * (sum(costs) + max(costs))  # pays for each, and not for all
        few = tried(known, seed, money_share=1.0, cost_share=account / earned)
        assert sum(max(move.cost, 0.0) for move in few.moves) <= account * (1 + 1e-9)
        assert 0 < few.uncovered == len(rich) - len(few.moves)
