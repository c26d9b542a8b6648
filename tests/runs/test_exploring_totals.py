"""Learning where outcomes are known as a total: only what stands out of the total's noise pays."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from pipeline.core.plan import Plan
from pipeline.response.joint import JointPredictive
from pipeline.runs import storage
from pipeline.runs.decide import Facts, Models, decide
from pipeline.runs.inputs import read_inputs
from tests.runs.shop import Shop
from tests.runs.test_measured import totals


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> tuple[Plan, Facts, Models]:
    """A night of a total of twenty lines."""
    folder = tmp_path_factory.mktemp("totals") / "shop"
    shop = totals(Shop(folder), days=364, seed=7, n_lines=20)
    plan = shop.night()
    work = shop.run(plan)
    return plan, storage.read_facts(work, read_inputs(work)), storage.read_models(work)


def test_a_total_of_many_lines_teaches_too_little_to_pay(lived):
    plan, facts, models = lived
    assert plan.exploration.moves == ()
    for week in range(1, 4):  # of other dice a single pair may pay, barely
        later = decide(replace(facts, day=facts.day + timedelta(weeks=week)), models)
        assert len(later.exploration.moves) <= 1
        assert later.exploration.unpaid > 0
    assert plan.exploration.worth == plan.exploration.cost == 0
    assert plan.exploration.unpaid > 0


def test_the_same_total_teaches_what_stands_out_of_it(lived):
    _, facts, models = lived
    quiet = replace(models.ahead, variance=1e-3 * models.ahead.variance)
    account = decide(facts, replace(models, ahead=quiet)).exploration
    assert account.moves
    assert all(move.worth > move.cost for move in account.moves)
    assert 0 < account.surer.sum() < 1  # one number a night, for all of them


def test_the_noise_of_a_night_is_that_of_the_series_as_it_counts_in_the_fit(lived):
    ahead = lived[2].ahead
    assert isinstance(ahead, JointPredictive)
    of_night = ahead.night_variance()
    assert of_night == pytest.approx(np.full(20, 2 * ahead.variance.mean()))
    assert replace(ahead, period_days=7).night_variance() == pytest.approx(7 * of_night)
    unknown = np.where(np.arange(20) == 3, -1, ahead.unit_of)
    assert np.flatnonzero(np.isinf(replace(ahead, unit_of=unknown).night_variance())) == [3]
