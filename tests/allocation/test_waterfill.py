"""One budget over many lines: the fast way against the definition of its answer."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.allocation.curves import Curves, join
from pipeline.allocation.families import Exponential, Log, Power
from pipeline.allocation.hill import Hill
from pipeline.allocation.problem import Problem
from pipeline.allocation.solve import solve
from tests.allocation.problems import hill, line, problem

pytestmark = pytest.mark.filterwarnings("error::RuntimeWarning")


def _many(size: int, curves: Curves, rng: np.random.Generator, **fields: object) -> Problem:
    lower = rng.uniform(0, 2, size)
    upper = lower + rng.uniform(0, 20, size)
    return Problem(
        ids=tuple(f"l{i}" for i in range(size)), curves=curves, lower=lower, upper=upper,
        budget=float(lower.sum() + 0.4 * (upper - lower).sum()),
    ).changed(**fields)  # fmt: skip


def _plain(size: int, rng: np.random.Generator) -> Curves:
    ceiling, half = rng.lognormal(0, 1, size), 10 * rng.lognormal(0, 1, size)
    return Curves.of(Hill(ceiling, half, np.ones(size)), size)


def _of_every_family(size: int, rng: np.random.Generator) -> Curves:
    place = rng.permutation(size).reshape(4, -1)
    a, b = rng.lognormal(0, 1, place.shape), 10 * rng.lognormal(0, 1, place.shape)
    shapes = rng.uniform(0.4, 1, place.shape[1])
    members = [Hill(a[0], b[0], shapes), Exponential(a[1], b[1]), Log(a[2], b[2])]
    return join(size, list(zip([*members, Power(a[3], shapes)], place, strict=True)))


@pytest.mark.parametrize("make", [_plain, _of_every_family])
@pytest.mark.parametrize("size", [8, 40_000])
def test_free_lines_earn_the_price_and_lines_at_their_bounds_would_not_move(make, size):
    rng = np.random.default_rng(size)
    made = _many(size, make(size, rng), rng)
    found = solve(made)
    price, marginal = found.prices["budget"], found.marginal_return
    at_low, at_high = found.spend <= made.lower, found.spend >= made.upper
    assert found.gap <= 1e-12
    assert found.spend.sum() == pytest.approx(made.budget, rel=1e-12)
    assert (found.spend >= made.lower).all()
    assert (found.spend <= made.upper).all()
    assert marginal[~at_low & ~at_high] == pytest.approx(price, rel=1e-6)
    assert (marginal[at_low] <= price * (1 + 1e-6)).all()
    assert (marginal[at_high] >= price * (1 - 1e-6)).all()


def test_yesterdays_price_however_bad_changes_nothing_but_time():
    rng = np.random.default_rng(5)
    made = _many(20_000, _plain(20_000, rng), rng)
    cold = solve(made)
    for start in (cold.prices["budget"], 1e-12, 1e9):
        warm = solve(made, start_price=start)
        assert warm.objective == pytest.approx(cold.objective, rel=1e-12)
        assert warm.gap <= 1e-9


def test_money_that_need_not_be_spent_is_kept_where_nothing_more_can_take_it():
    rng = np.random.default_rng(6)
    made = _many(50, _plain(50, rng), rng, budget=1e6, exactly=False)
    found = solve(made)
    assert found.spend == pytest.approx(made.upper)
    assert found.prices["budget"] == 0


def test_a_price_too_small_for_a_float_leaves_an_s_or_flat_hill_curve_a_number():
    made = problem(
        budget=0.01,
        lines=[line("a", hill(6.8, 1.0, 0.4), max=0.0025), line("b", hill(0.0, 1.0, 0.7))],
    )
    found = solve(made)
    assert found.spend == pytest.approx([0.0025, 0.0075])
    assert found.gap == 0
