"""What lift tests teach a joint fit, and what is said of those that contradict the days."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import ndtri

from benchmarks.mix import history_of
from pipeline.core.history import History, LiftTest
from pipeline.response import fit_joint
from pipeline.response.experiments import Treatment
from pipeline.response.joint.chain_state import Experiments
from pipeline.response.joint.fit import _told
from pipeline.response.joint.sampler import Chains
from pipeline.response.plausible import far_from_days
from pipeline.simulation.mix import Mix, make_mix


def rng() -> np.random.Generator:
    return np.random.default_rng(5)


def month_of(mix: Mix, history: History, line: int) -> LiftTest:
    """A month of all of a line's money, read out as it was."""
    window = slice(-56, -28)
    true = float(mix.value(mix.spend[window])[:, line].sum())
    return LiftTest(
        lines=(history.lines[line],),
        first_day=history.days[-56],
        last_day=history.days[-29],
        lift=true,
        standard_error=0.05 * true,
        spend_change=float(history.spend[window, line].sum()),
    )


def test_a_lift_test_moves_the_curve_its_way_and_narrows_it():
    mix, line = make_mix(204), 1
    history = history_of(mix, 7)
    posterior = fit_joint(history, "revenue", rng())
    test = month_of(mix, history, line)
    taught = fit_joint(history, "revenue", rng(), lift_tests=(test,))
    before, after = (item.value_at(mix.usual)[:, line] for item in (posterior, taught))
    truth = mix.value(mix.usual)[line]
    assert after.std() < 0.6 * before.std()
    assert abs(after.mean() - truth) < max(abs(before.mean() - truth), 0.1 * truth)
    assert any(item.check == "model.experiments" for item in taught.findings)


@pytest.mark.parametrize("seed", [201, 204, 205])
def test_a_lift_test_far_from_the_days_is_named_and_one_of_the_truth_is_not(seed):
    mix = make_mix(seed)
    history = history_of(mix, 7)
    for line in range(2):
        test = month_of(mix, history, line)
        a_day = replace(test, spend_change=test.spend_change / 28)  # the month's lift for it
        for given, n_named in ((test, 0), (a_day, 1)):
            found = fit_joint(history, "revenue", rng(), lift_tests=(given,)).findings
            named = [item for item in found if item.check == "model.experiment"]
            assert len(named) == n_named
            assert all("standard errors apart; it is used" in item.message for item in named)


@pytest.mark.parametrize(("lift", "is_far"), [(3.6, False), (6.0, True), (0.3, False), (0.0, True)])
def test_a_test_is_held_against_the_side_of_what_days_say_on_which_it_is(lift, is_far):
    """What days leave open is skewed: far above is less odd than as far below."""
    drawn = np.exp(0.7 * ndtri((np.arange(400) + 0.5) / 400))
    days = Chains(
        node=np.zeros((400, 1), dtype=np.int64), coefficient=drawn[:, None],
        media_share=drawn, noise=drawn[:, None], noise_kind=np.zeros((400, 1), dtype=np.int64),
        chain=np.repeat(np.arange(40), 10), sweeps=1, apart=1.0,
    )  # fmt: skip
    nothing = np.zeros((1, 1))
    test = Treatment(
        lines=np.array([0]), begin=0, end=1, spend=nothing, without=nothing,
        lift=lift, variance=0.01,
    )  # fmt: skip
    effect = Experiments(
        effect=np.ones((1, 1, 1)), lifts=np.array([lift]), precisions=np.array([100.0])
    )
    told = _told((test,), effect, days)
    assert told[0].expected == pytest.approx(float(drawn.mean()))
    assert bool(far_from_days(told)) == is_far
