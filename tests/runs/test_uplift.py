"""Where the day's money is another, what the split is worth is told apart from it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pipeline.core.plan import Plan
from pipeline.runs.decide import Facts, Models, decide
from pipeline.runs.fitting import fit_models
from pipeline.runs.plan import Heading, optimised_plan
from pipeline.runs.uplift import left_unspent, split_of, uplift_of
from tests.runs.test_decide import facts


@pytest.fixture(scope="module")
def models() -> Models:
    return fit_models(facts())


def planned(known: Facts, models: Models) -> Plan:
    decision = decide(known, models)
    heading = Heading(plan_id="p", inputs_hash="", caps_version="")
    return optimised_plan(heading, known, models, decision, decision.budgets.round(2), ())


def test_a_smaller_total_is_told_apart_from_a_better_split(models):
    known = replace(facts(), wanted=906.0)
    plan = planned(known, models)
    assert plan.split is not None
    assert plan.uplift is not None
    assert any("94.00 below the budgets of today" in reason for reason in plan.reasons)
    budgets = np.array([line.proposed for line in plan.lines])
    table = models.objective.table
    gain = table.total(budgets) - table.total(0.906 * known.current)
    assert plan.split.mean == pytest.approx(gain.mean())
    # The gate asks for the same: a plan of less money is judged by its split.
    assert plan.split.probability_positive >= known.policy.min_probability
    assert plan.split.mean > plan.uplift.mean


def test_a_plan_that_cuts_all_lines_alike_has_no_gain_of_its_split(models):
    known = replace(facts(), wanted=906.66)
    decision, alike = decide(known, models), 0.90666 * known.current
    assert split_of(known, decision, alike.round(2)) == uplift_of(np.zeros(3))
    taken = alike + np.array([9.0, 0.0, 0.0, -9.0])
    assert split_of(known, decision, taken) != uplift_of(np.zeros(3))


def test_the_same_money_is_all_split_and_older_plans_keep_their_bytes(models):
    plan = planned(replace(facts(), wanted=1009.0), models)
    assert plan.split is None
    assert plan.reasons == ()
    assert "split" not in plan.content()


def test_money_far_from_todays_is_one_of_the_plans_reasons(models):
    plan = planned(replace(facts(), wanted=880.0), models)
    assert any("120.00 below the budgets of today" in reason for reason in plan.reasons)


def test_a_tie_counts_half_and_what_is_the_same_is_not_better():
    assert uplift_of(np.array([0.0, 0.0, 1.0, -1.0])).better == 0.5
    assert uplift_of(np.array([0.0, 1.0, 1.0, 1.0])).better == 0.875
    assert uplift_of(np.zeros(4)).better is None


def test_money_that_may_be_left_and_is_left_is_one_of_the_plans_reasons(models):
    known = facts(budget={"daily": 1000, "spend": "at_most"})
    decision = decide(known, models)
    assert left_unspent(known, decision, 0.95 * known.current) == [
        "50.00 of the budget 1,000.00 is left: spending it is not likely enough to pay"
    ]
    assert left_unspent(known, decision, known.current) == []
    assert left_unspent(facts(), decide(facts(), models), 0.95 * known.current) == []


@pytest.mark.parametrize("wanted", [1015.0, 985.0])
def test_money_some_hundredths_off_todays_is_one_of_the_plans_reasons(models, wanted):
    plan = planned(replace(facts(), wanted=wanted), models)
    assert any("15.00" in reason and "the budgets of today" in reason for reason in plan.reasons)
