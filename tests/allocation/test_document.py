"""Problem files: what they may say, what is refused and how."""

from __future__ import annotations

import copy
import json
import math

import numpy as np
import pytest

from pipeline.allocation.answer import answer
from pipeline.allocation.document import parse_problem
from pipeline.core.errors import ConfigError, InfeasibleError
from tests.allocation.problems import hill, line

GOOD = {
    "budget": 100,
    "spend": "exactly",
    "lines": [
        {**line("a", hill(9, 40, 1.4)), "min": 0, "max": 60, "current": 30},
        line("b", {"family": "log", "scale_value": 3, "scale": 12}, labels={"channel": "tv"}),
    ],
    "groups": [{"id": "g", "lines": ["a", "b"], "max": 100}],
    "guardrails": [{"metric": "return", "min": 0.05}],
}


def _with(path: str, value: object) -> dict:
    document = copy.deepcopy(GOOD)
    place: object = document
    *steps, last = path.split(".")
    for step in steps:
        place = place[int(step)] if step.isdigit() else place[step]
    place[int(last) if last.isdigit() else last] = value
    return document


def test_an_answer_has_spend_objective_proof_prices_and_marginal_returns():
    found = answer(parse_problem(GOOD, "p.json"))
    assert found["status"] == "optimal"
    assert sum(found["spend"].values()) == pytest.approx(100)
    assert found["upper_bound"] >= found["objective"]
    assert 0 <= found["gap"] <= 1e-3
    assert {"budget", "g", "return"} <= set(found["prices"])
    assert set(found["marginal_return"]) == {"a", "b"}


@pytest.mark.parametrize(
    ("curve", "spend", "outcome"),
    [
        (hill(9, 40, 1.4), 30, 9 * 30**1.4 / (40**1.4 + 30**1.4)),
        ({"family": "exponential", "ceiling": 5, "scale": 20}, 30, 5 * (1 - math.exp(-1.5))),
        ({"family": "log", "scale_value": 3, "scale": 12}, 30, 3 * math.log1p(2.5)),
        ({"family": "power", "a": 2, "b": 0.5}, 30, 2 * math.sqrt(30)),
        (
            {"family": "logistic", "ceiling": 4, "midpoint": 20, "steepness": 0.2},
            30,
            4 * (1 / (1 + math.exp(-2)) - 1 / (1 + math.exp(4))),
        ),
        ({"family": "table", "x": [0, 20, 40], "y": [0, 6, 8]}, 30, 7),
        ({"family": "table", "spend": [0, 20, 40], "value": [0, 6, 8]}, 50, 8),
    ],
)
def test_every_family_means_what_its_formula_says(curve, spend, outcome):
    found = answer(parse_problem({"budget": spend, "lines": [line("a", curve)]}, "p.json"))
    assert found["objective"] == pytest.approx(outcome)


@pytest.mark.parametrize(
    ("path", "value", "word"),
    [
        ("budget", -1, "budget"),
        ("budget", math.nan, "budget"),
        ("budget", "100", "budget"),
        ("budget", True, "budget"),
        ("spend", "maybe", "spend"),
        ("lines", [], "lines"),
        ("lines.0.id", "", "id"),
        ("lines.1.id", "a", "twice"),
        ("lines.0.maximum", 3, "maximum"),
        ("lines.0.min", -3, "min"),
        ("lines.0.max", math.inf, "max"),
        ("lines.0.curve", {"family": "spline"}, "spline"),
        ("lines.0.curve", 3, "curve"),
        ("lines.0.curve.ceiling", -1, "ceiling"),
        ("lines.0.curve.half_saturation", 0, "half_saturation"),
        ("lines.0.curve", {"family": "hill", "ceiling": 1}, "half_saturation"),
        ("lines.0.curve", {"family": "table", "x": [0, 0], "y": [0, 1]}, "ascend"),
        ("lines.0.curve", {"family": "table", "x": [0, 1], "y": [0]}, "same length"),
        ("lines.1.ramp", 0.2, "current"),
        ("groups.0.lines", ["a", "x"], "'x'"),
        ("groups.0.lines", ["a", "a"], "twice"),
        ("groups.0.id", "budget", "budget"),
        ("groups", {}, "groups"),
        ("guardrails.0.metric", "love", "love"),
        ("guardrails.0.min", None, "min or max"),
        ("goal", {"minimize": "outcome"}, "goal"),
        ("currency", "euro", "currency"),
        ("unit", 1e6, "whole budget"),
        ("surprise", 1, "surprise"),
        ("goal", {}, "goal"),
        ("goal", {"maximize": "profit"}, "profit"),
        ("goal", {"maximize": "spend"}, "goal"),
        ("goal", {"outcome": 5000}, "goal"),
        ("goal", {"maximize": "outcome", "minimize": "spend", "outcome": 3}, "goal"),
        ("goal", {"minimize": "spend", "outcome": 3, "cost_per_outcome": 9}, "goal"),
        ("groups.0.where", {"channel": "tv"}, "lines or where"),
        ("lines.1.labels", "tv", "labels"),
        ("lines.1.labels", ["tv"], "labels"),
        ("groups.0.id", "a max", "'a max'"),
        ("groups.0.id", "b min_if_on", "'b min_if_on'"),
        ("guardrails.0.id", "g max", "'g max'"),
        ("guardrails.0.id", ["return"], "id"),
        ("lines.0.metrics", {"roas": hill(1, 2)}, "'roas'"),
        ("lines.0.metrics", {"spend": hill(1, 2)}, "'spend'"),
        ("lines.0.id", "a\ud800", "half a character"),
        ("groups.0.id", "\udfff", "half a character"),
        ("guardrails.0.metric", "\ud800", "half a character"),
        ("lines.1.curve", {"family": "power", "a": 1, "b": 200}, "far apart"),
        ("lines.1.curve", {"family": "exponential", "ceiling": 1e149, "scale": 1e-307}, "line 'b'"),
    ],
)
def test_nonsense_is_refused_in_one_line_that_says_where(path, value, word):
    with pytest.raises(ConfigError) as caught:
        parse_problem(_with(path, value), "p.json")
    assert word in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_fixed_group_keeps_its_other_limits_as_a_fixed_line_does():
    group = {"id": "g", "lines": ["b"], "fixed": 3}
    with pytest.raises(InfeasibleError) as caught:
        parse_problem(_with("groups.0", {**group, "max": 1}), "p.json")
    assert caught.value.conflict == ("g fixed", "g max")
    made = parse_problem(_with("groups.0", {**group, "min": None, "max": 9}), "p.json").problem
    assert (made.groups[0].min, made.groups[0].max) == (3, 3)


@pytest.mark.parametrize("key", ["groups", "guardrails"])
def test_no_limits_may_be_said_with_null(key):
    assert getattr(parse_problem(_with(key, None), "p.json").problem, key) == ()


def test_a_rate_that_money_without_end_may_keep_asks_for_a_budget():
    curve = {"family": "exponential", "ceiling": 5, "scale": 20}
    asked = {"lines": [line("a", curve)], "goal": {"maximize": "outcome", "return": 0.05}}
    with np.errstate(all="ignore"), pytest.raises(ConfigError, match="give a budget or a max"):
        answer(parse_problem(asked, "p.json"))


def test_money_that_no_line_can_take_has_no_price():
    lines = [line("a", hill(100, 10), max=10), line("b", hill(20, 80), max=20)]
    assert answer(parse_problem({"budget": 30, "lines": lines}, "p.json"))["prices"]["budget"] == 0


def test_a_label_that_is_asked_for_has_to_be_there():
    with pytest.raises(ConfigError, match="no line has the labels"):
        parse_problem(_with("groups.0", {"id": "t", "where": {"channel": None}}), "p.json")


def test_a_metric_whose_name_ends_like_a_ratio_is_the_metric():
    asked = _with("guardrails", [{"metric": "market_share", "min": 0.5}])
    asked["lines"][0]["metrics"] = {"market_share": hill(2, 10)}
    found = answer(parse_problem(asked, "p.json"))
    spent = found["spend"]["a"]
    assert found["guardrails"]["market_share"]["value"] == pytest.approx(2 * spent / (10 + spent))


def test_every_problem_of_a_file_is_told_at_once():
    document = _with("budget", -1)
    document["lines"][0]["curve"]["slope"] = -2
    document["lines"][1]["typo"] = 1
    with pytest.raises(ConfigError) as caught:
        parse_problem(document, "p.json")
    for word in ("budget", "slope", "typo"):
        assert word in str(caught.value)


def test_bounds_of_one_line_that_contradict_each_other_are_named():
    with pytest.raises(InfeasibleError) as caught:
        parse_problem(_with("lines.0.min", 70), "p.json")
    assert caught.value.conflict == ("a min", "a max")


def test_a_ramp_counts_from_the_current_spend():
    document = _with("lines.0.ramp", 0.1)
    made = parse_problem(document, "p.json").problem
    assert (made.lower[0], made.upper[0]) == pytest.approx((27, 33))
    assert made.limit_name(0, "max") == "a ramp"


def test_groups_may_be_chosen_by_labels():
    made = parse_problem(_with("groups.0", {"id": "t", "where": {"channel": "tv"}}), "p.json")
    assert made.problem.groups[0].members.tolist() == [1]


def test_a_currency_gives_amounts_in_whole_cents():
    found = answer(parse_problem({**GOOD, "currency": "EUR"}, "p.json"))
    cents = np.array(list(found["spend"].values())) * 100
    assert cents == pytest.approx(np.round(cents), abs=1e-9)
    assert round(cents.sum()) == 10_000


def test_a_goal_of_least_spend_reaches_its_outcome():
    document = {**GOOD, "goal": {"minimize": "spend", "outcome": 4.0}}
    found = answer(parse_problem(document, "p.json"))
    assert found["outcome"] == pytest.approx(4.0, rel=1e-6)
    assert found["lower_bound"] <= found["total_spend"] < 100


def test_a_goal_of_best_outcome_at_a_cost_spends_up_to_that_cost():
    document = {
        "lines": [line("a", hill(9, 40), max=500), line("b", hill(5, 20), max=500)],
        "goal": {"maximize": "outcome", "cost_per_outcome": 8.0},
    }
    found = answer(parse_problem(document, "p.json"))
    assert found["total_spend"] / found["objective"] == pytest.approx(8.0, rel=1e-6)


def test_a_guardrail_may_count_another_metric_with_its_organic_part():
    lines = [
        line("a", hill(9, 40), metrics={"orders": hill(3, 10)}, organic={"orders": 1.0}),
        line("b", hill(5, 20), metrics={"orders": hill(6, 30)}),
    ]
    free = answer(parse_problem({"budget": 60, "lines": lines}, "p.json"))
    rail = {"metric": "cost_per_orders", "max": 9.6}
    found = answer(parse_problem({"budget": 60, "lines": lines, "guardrails": [rail]}, "p.json"))
    assert found["guardrails"]["cost_per_orders"]["value"] <= 9.6 * (1 + 1e-9)
    assert found["objective"] <= free["objective"]
    assert found["gap"] <= 1e-3


@pytest.mark.parametrize("unit", [1e-9, 1.0, 1e12])
def test_no_money_on_curves_that_rise_without_end_is_an_answer_that_json_can_say(unit):
    curve = hill(9, 40 * unit, 0.5)
    asked = {"budget": 0, "lines": [line("a", curve), line("b", curve)]}
    out = answer(parse_problem(asked, "test"))
    assert json.loads(json.dumps(out, allow_nan=False))["spend"] == {"a": 0.0, "b": 0.0}
    assert out["gap"] == 0
