"""The best split, its proof and its prices, against an obvious reference and outside judges."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.allocation.problem import Problem
from pipeline.allocation.solution import Solution
from pipeline.allocation.solve import is_allowed, solve
from pipeline.core.errors import ConfigError, InfeasibleError
from tests.allocation.problems import (
    Curve,
    concave_curves,
    documents,
    hill,
    line,
    problem,
    whole_values,
)
from tests.reference import best_by_dynamic_program, best_on_grid

pytestmark = pytest.mark.filterwarnings("error::RuntimeWarning")
QUICK = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)


def _reference(document: dict) -> float:
    """Return the best outcome in whole money by dynamic programming."""
    budget, lines = document["budget"], document["lines"]
    position = {item["id"]: index for index, item in enumerate(lines)}

    def may(item: dict):
        low, high, gate = item.get("min", 0), item.get("max", budget), item.get("min_if_on", 0)
        return lambda spend: low <= spend <= high and (spend == 0 or spend >= gate)

    return best_by_dynamic_program(
        [whole_values(item["curve"], budget) for item in lines],
        [may(item) for item in lines],
        budget,
        exactly=document["spend"] == "exactly",
        groups=[
            ([position[name] for name in group["lines"]], group["min"], group["max"])
            for group in document["groups"]
        ],
    )


def _solved(document: dict) -> tuple[Problem, Solution | None]:
    try:
        made = problem(**document)
        return made, solve(made)
    except InfeasibleError as error:
        assert error.conflict
        return None, None


@QUICK
@given(document=documents())
def test_no_whole_split_earns_more_and_the_bound_says_so(document):
    best = _reference(document)
    made, solution = _solved(document)
    if solution is None:
        assert best == -np.inf
        return
    scale = max(abs(best), 1e-3) if np.isfinite(best) else 1.0
    assert is_allowed(made, solution.spend)
    assert solution.upper_bound >= best - 1e-9 * scale
    assert solution.objective >= best - 1e-3 * scale
    assert solution.gap <= 1e-3 or solution.upper_bound - solution.objective <= 1e-9


@QUICK
@given(document=documents(concave_curves))
def test_concave_curves_are_solved_to_a_millionth(document):
    for item in document["lines"]:
        item.pop("min_if_on", None)
    _, solution = _solved(document)
    if solution is not None:
        assert solution.upper_bound - solution.objective <= 1e-6 * abs(solution.objective) + 1e-12
        assert solution.status == "optimal"


@pytest.mark.parametrize("seed", range(4))
def test_a_cone_solver_finds_the_same_optimum_under_nested_and_crossing_groups(seed):
    cvxpy = pytest.importorskip("cvxpy")
    rng = np.random.default_rng(seed)
    size, crossing = 12, seed % 2
    ceiling, scale = rng.uniform(1, 9, size), rng.uniform(5, 40, size)
    names = [f"l{i}" for i in range(size)]
    groups = [
        {"id": "outer", "lines": names[:8], "max": 60.0},
        {"id": "inner", "lines": names[:4], "max": 25.0, "min": 5.0},
        {"id": "other", "lines": names[9 - 2 * crossing :], "max": 30.0},
    ]
    made = problem(
        budget=100.0,
        spend="at_most",
        lines=[
            line(name, {"family": "exponential", "ceiling": float(c), "scale": float(s)}, max=20.0)
            for name, c, s in zip(names, ceiling, scale, strict=True)
        ],
        groups=groups,
        guardrails=[{"metric": "return", "min": 0.25}] if crossing else [],
    )
    found = solve(made)
    spend = cvxpy.Variable(size, nonneg=True)
    value = cvxpy.sum(cvxpy.multiply(ceiling, 1 - cvxpy.exp(-cvxpy.multiply(1 / scale, spend))))
    limits = [spend <= 20, cvxpy.sum(spend) <= 100]
    for group in groups:
        inside = cvxpy.sum(spend[[names.index(name) for name in group["lines"]]])
        limits += [inside <= group["max"], inside >= group.get("min", 0.0)]
    limits += [value >= 0.25 * cvxpy.sum(spend)] if crossing else []
    outside = cvxpy.Problem(cvxpy.Maximize(value), limits).solve(solver=cvxpy.CLARABEL)
    assert found.objective == pytest.approx(outside, rel=1e-6)
    assert found.gap <= 1e-6


@pytest.mark.parametrize("seed", range(3))
def test_an_integer_solver_finds_the_same_optimum_of_rough_tables(seed):
    from scipy.optimize import Bounds, LinearConstraint, milp

    rng = np.random.default_rng(seed)
    size, knots = 6, np.arange(0, 41, 5.0)
    values = np.cumsum(rng.uniform(0, 2, (size, knots.size)) ** 3, axis=1)
    values -= values[:, :1]
    made = problem(
        budget=80.0,
        spend="at_most",
        lines=[
            line(f"l{i}", {"family": "table", "x": knots.tolist(), "y": values[i].tolist()})
            for i in range(size)
        ],
    )
    found = solve(made)
    # segment k of a line: filled by a share, and only when the segment before it is full
    segments = knots.size - 1
    gain, count = np.diff(values, axis=1).ravel(), size * segments
    rows, lows, highs = [np.r_[np.full(count, 5.0), np.zeros(count)]], [0.0], [80.0]
    for index in range(count):
        open_before = np.zeros(2 * count)
        open_before[index], open_before[count + index] = 1, -1  # fill <= switch
        rows.append(open_before)
        lows.append(-np.inf)
        highs.append(0.0)
        if index % segments:
            full_before = np.zeros(2 * count)
            full_before[count + index], full_before[index - 1] = 1, -1  # switch <= fill before
            rows.append(full_before)
            lows.append(-np.inf)
            highs.append(0.0)
    outside = milp(
        np.r_[-gain, np.zeros(count)],
        integrality=np.r_[np.zeros(count), np.ones(count)],
        bounds=Bounds(0, 1),
        constraints=LinearConstraint(np.array(rows), lows, highs),
    )
    assert found.objective == pytest.approx(-outside.fun, rel=1e-3)
    assert found.upper_bound >= -outside.fun * (1 - 1e-9)


def _crossing(curves: list[Curve], **fields) -> dict:
    return {
        "lines": [line(f"l{i}", curve) for i, curve in enumerate(curves)],
        "groups": [
            {"id": "left", "lines": ["l0", "l1"], "max": 9},
            {"id": "right", "lines": ["l1", "l2"], "max": 8},
        ],
        **fields,
    }


@settings(QUICK, max_examples=20)
@given(
    curves=st.lists(concave_curves, min_size=3, max_size=3),
    share=st.floats(0.3, 1.0),
    least=st.floats(0.0, 0.3),
)
def test_guardrails_and_crossing_groups_match_trying_every_split(curves, share, least):
    document = _crossing(
        curves,
        budget=14,
        spend="at_most",
        guardrails=[
            {"metric": "return", "min": least},
            {"metric": "spend_share", "lines": ["l0"], "max": share},
        ],
    )
    values = [whole_values(curve, 14) for curve in curves]

    def allowed(split):
        outcome = sum(value(spend) for value, spend in zip(values, split, strict=True))
        return (
            sum(split) <= 14
            and split[0] + split[1] <= 9
            and split[1] + split[2] <= 8
            and outcome >= least * sum(split)
            and split[0] <= share * sum(split)
        )

    best, _ = best_on_grid(values, [range(15)] * 3, allowed)
    made, solution = _solved(document)
    assert solution is not None
    assert is_allowed(made, solution.spend)
    assert solution.upper_bound >= best - 1e-9
    assert solution.objective >= best - 1e-4 * max(best, 1e-3)


TWO = {
    "budget": 100,
    "lines": [
        line("a", hill(9, 40, 0.9), max=60),
        line("b", {"family": "exponential", "ceiling": 7, "scale": 30}),
        line("c", {"family": "log", "scale_value": 2, "scale": 10}),
    ],
    "groups": [{"id": "g", "lines": ["a", "b"], "max": 55}],
}


@pytest.mark.parametrize("name", ["budget", "g"])
def test_a_price_is_what_one_more_unit_earns(name):
    def outcome(step: float) -> float:
        changed = {**TWO, "budget": 100 + step * (name == "budget")}
        changed["groups"] = [{**TWO["groups"][0], "max": 55 + step * (name == "g")}]
        return solve(problem(**changed)).objective

    price = solve(problem(**TWO)).prices[name]
    assert price == pytest.approx((outcome(1e-3) - outcome(-1e-3)) / 2e-3, rel=1e-5)


def test_a_guardrail_has_a_price_that_matches_finite_differences():
    def at(limit: float) -> Solution:
        return solve(
            problem(**TWO, spend="at_most", guardrails=[{"metric": "return", "min": limit}])
        )

    difference = (at(0.18001).objective - at(0.17999).objective) / 2e-5
    assert at(0.18).prices["return"] == pytest.approx(difference, rel=5e-3)


def test_a_line_limit_has_a_price_and_a_name():
    found = solve(problem(budget=50, lines=[line("a", hill(9, 10), max=5), line("b", hill(1, 10))]))
    assert found.prices["a max"] > 0
    assert found.binding == (("a max",), ())


@QUICK
@given(document=documents(), seed=st.integers(0, 99))
def test_the_order_of_lines_does_not_matter(document, seed):
    _, first = _solved(document)
    shuffled = [
        document["lines"][i]
        for i in np.random.default_rng(seed).permutation(len(document["lines"]))
    ]
    _, second = _solved({**document, "lines": shuffled})
    assert (first is None) == (second is None)
    if first is not None and second is not None:
        assert second.objective == pytest.approx(first.objective, rel=1e-3, abs=1e-9)


@pytest.mark.parametrize("unit", [1e-9, 1e-3, 1e6, 1e12])
def test_the_unit_of_money_and_of_outcome_does_not_matter(unit):
    plain = solve(problem(**TWO))
    lines = [
        line("a", hill(9 / unit, 40 * unit, 0.9), max=60 * unit),
        line("b", {"family": "exponential", "ceiling": 7 / unit, "scale": 30 * unit}),
        line("c", {"family": "log", "scale_value": 2 / unit, "scale": 10 * unit}),
    ]
    groups = [{"id": "g", "lines": ["a", "b"], "max": 55 * unit}]
    scaled = solve(problem(budget=100 * unit, lines=lines, groups=groups))
    assert scaled.spend / unit == pytest.approx(plain.spend, rel=1e-9)
    assert scaled.objective * unit == pytest.approx(plain.objective, rel=1e-9)


@pytest.mark.parametrize(
    "fields",
    [
        {"budget": 0, "lines": [line("a", hill(1, 1)), line("b", hill(2, 1, 3))]},
        {"budget": 5, "lines": [line("a", hill(1, 1, 3))]},
        {"budget": 7, "lines": [line("a", hill(1, 1), fixed=3), line("b", hill(1, 1), fixed=4)]},
        {"budget": 7, "lines": [line("a", hill(0, 1)), line("b", hill(0, 1, 2))]},
        {"budget": 6, "lines": [line(n, hill(1, 9, 3)) for n in "abcdef"]},
        {"budget": 9, "lines": [line("a", hill(1, 1), min=2, max=2), line("b", hill(1, 1))]},
    ],
    ids=["no money", "one line", "all fixed", "flat", "equal", "floor equals cap"],
)
def test_degenerate_problems_are_solved(fields):
    made = problem(**fields)
    found = solve(made)
    assert is_allowed(made, found.spend)
    assert found.spend.sum() == pytest.approx(fields["budget"], abs=1e-9)
    assert found.gap <= 1e-3


def test_many_equal_s_curves_are_proven_although_no_single_line_is_worth_branching_on():
    found = solve(problem(budget=500, lines=[line(f"l{i}", hill(3, 10, 2.5)) for i in range(100)]))
    assert found.status == "optimal"
    assert found.gap <= 1e-3


def test_a_thousand_s_curves_under_nested_caps_are_proven_to_a_thousandth():
    rng = np.random.default_rng(5)
    size = 1000
    spend = rng.lognormal(2, 1, size)
    lines = [
        line(f"l{i}", hill(float(rng.lognormal()), 10 * float(rng.lognormal()), float(s)),
             max=3 * float(x))
        for i, (x, s) in enumerate(zip(spend, rng.uniform(1, 3, size), strict=True))
    ]  # fmt: skip
    groups = []
    for level, width in (("audience", 20), ("channel", 200)):
        for start in range(0, size, width):
            total = float(spend[start : start + width].sum())
            groups.append(
                {
                    "id": f"{level} {start}",
                    "lines": [f"l{i}" for i in range(start, start + width)],
                    "max": total * float(rng.uniform(0.95, 1.3)),
                }
            )
    made = problem(budget=float(spend.sum()) * 0.9, lines=lines, groups=groups)
    found = solve(made)
    assert is_allowed(made, found.spend)
    assert found.gap <= 1e-3


def test_a_plan_is_never_worse_than_the_current_one():
    lines = [line("a", hill(5, 30, 4), current=40), line("b", hill(4, 20, 3), current=0)]
    made = problem(budget=40, lines=lines)
    found = solve(made)
    assert found.objective >= float(made.curves.value(made.current).sum())


def test_money_that_earns_nothing_stays_where_it_is():
    table = {"family": "table", "x": [0, 10, 20], "y": [0, 5, 4]}
    made = problem(budget=20, spend="at_most", lines=[line("a", table)])
    assert solve(made).spend == pytest.approx([10])


@pytest.mark.parametrize(
    ("fields", "conflict"),
    [
        (
            {
                "budget": 100,
                "lines": [line("a", hill(1, 1), max=30), line("b", hill(1, 1), max=40)],
            },
            {"budget", "a max", "b max"},
        ),
        (
            {
                "budget": 100,
                "lines": [line(n, hill(1, 1), min=m) for n, m in (("a", 30), ("b", 9), ("c", 1))],
                "groups": [{"id": "g", "lines": ["a", "b", "c"], "max": 35}],
            },
            {"g max", "a min", "b min"},
        ),
        (
            {
                "budget": 10,
                "lines": [line("a", hill(1, 1)), line("b", hill(1, 1)), line("c", hill(1, 1))],
                "groups": [
                    {"id": "ab", "lines": ["a", "b"], "min": 6},
                    {"id": "bc", "lines": ["b", "c"], "min": 6},
                    {"id": "ac", "lines": ["a", "c"], "min": 9},
                ],
            },
            {"budget", "ab min", "bc min", "ac min"},
        ),
        (
            {
                "budget": 10,
                "lines": [line("a", {"family": "log", "scale_value": 1, "scale": 10})],
                "guardrails": [{"metric": "return", "min": 0.2}],
            },
            {"budget", "return"},
        ),
    ],
    ids=["too little room", "floors above a cap", "crossing floors", "guardrail"],
)
def test_an_impossible_problem_names_a_smallest_set_of_limits(fields, conflict):
    with pytest.raises(InfeasibleError) as caught:
        solve(problem(**fields))
    assert set(caught.value.conflict) == conflict


def test_spend_without_any_limit_is_refused():
    made = problem(budget=1, lines=[line("a", hill(1, 1))])
    with pytest.raises(ConfigError, match="nothing limits"):
        solve(made.changed(budget=np.inf, exactly=False))


def test_the_same_problem_gives_the_same_bytes():
    made = problem(**TWO, guardrails=[{"metric": "return", "min": 0.05}])
    assert solve(made).spend.tobytes() == solve(made).spend.tobytes()


def test_without_an_explanation_an_impossible_guardrail_is_still_refused():
    curve = {"family": "log", "scale_value": 1, "scale": 10}
    rail = {"metric": "return", "min": 0.2}
    made = problem(budget=10, lines=[line("a", curve)], guardrails=[rail])
    with pytest.raises(InfeasibleError) as caught:
        solve(made, explain=False)
    assert "return" in caught.value.conflict


def test_guardrails_are_kept_as_closely_as_a_plan_is_allowed_to():
    """A linear program's own tolerance once left this one a little short."""
    from benchmarks.hardest import make

    made = make("railed", 20, np.random.default_rng(2))
    found = solve(made)
    assert is_allowed(made, found.spend)
    assert found.gap <= 1e-3
