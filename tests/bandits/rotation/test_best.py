"""P(best) by quadrature against draws, which are slow and obvious."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.bandits.rotation.best import probability_best
from tests.reference import best_by_draws

means = st.lists(st.floats(-5.0, -3.0), min_size=2, max_size=6)


@pytest.mark.parametrize("near", [0.0, 0.1])
@pytest.mark.parametrize("seed", range(4))
def test_it_agrees_with_draws(seed, near):
    rng = np.random.default_rng(seed)
    mean, sd = rng.normal(-4, 0.3, 5), rng.uniform(0.02, 0.4, 5)
    drawn = best_by_draws(mean, sd, near=near, draws=200_000, rng=rng)
    assert np.abs(probability_best(mean, sd, near=near) - drawn).max() < 0.005


@settings(max_examples=40, deadline=None)
@given(mean=means, sd=st.floats(0.01, 0.5))
def test_probabilities_add_up_to_one_and_follow_the_means(mean, sd):
    best = probability_best(np.array(mean), np.full(len(mean), sd))
    assert best.sum() == pytest.approx(1)
    order = np.argsort(mean)
    assert (np.diff(best[order]) >= -1e-9).all()


def test_twins_are_equally_probable_and_a_single_one_is_the_best():
    assert probability_best(np.array([-4.0, -4.0]), np.array([0.1, 0.1])) == pytest.approx(0.5)
    assert probability_best(np.array([-4.0]), np.array([0.1])).tolist() == [1.0]


def test_a_very_narrow_density_is_not_missed():
    best = probability_best(np.array([-4.0, -4.1]), np.array([0.0005, 0.5]))
    assert best.sum() == pytest.approx(1)
    assert 0.5 < best[0] < 0.65
