"""Draws of values keep their mean, and more spend never earns less in any of them."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipeline.response.value import widened, with_mean


def curves(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return steep, flat and saturating draws, and a mean a little off theirs."""
    rng = np.random.default_rng(seed)
    spend = np.linspace(0.0, 3.0, 17)
    half, slope = rng.lognormal(0, 0.5, (2, 60, 4, 1))
    value = rng.lognormal(0, 0.5, (60, 4, 1)) * spend**slope / (spend**slope + half**slope)
    return value, value.mean(axis=0) * (1 + 0.2 * np.sin(spend) * spend / 3)


@given(st.integers(0, 10_000))
def test_draws_are_scaled_to_a_mean_and_none_falls(seed: int) -> None:
    value, mean = curves(seed)
    mean = np.maximum.accumulate(mean, axis=1)
    scaled = with_mean(value, mean)
    np.testing.assert_allclose(scaled.mean(axis=0), mean, rtol=1e-9, atol=1e-12)
    assert np.diff(scaled, axis=2).min() >= 0


@given(st.integers(0, 10_000), st.floats(1.0, 3.0))
def test_wider_draws_keep_their_mean_and_none_falls(seed: int, factor: float) -> None:
    value, _ = curves(seed)
    mean = value.mean(axis=0)
    wide = widened(value, mean, np.full(4, factor))
    np.testing.assert_allclose(wide.mean(axis=0), mean, rtol=1e-9, atol=1e-12)
    assert np.diff(wide, axis=2).min() >= 0
    assert (wide[:, :, -1].std(axis=0) >= 0.999 * value[:, :, -1].std(axis=0)).all()


def test_draws_that_scatter_little_move_exactly_by_the_factor() -> None:
    spend = np.linspace(0.0, 3.0, 17)
    value = np.random.default_rng(1).normal(1.0, 0.05, (60, 1, 1)) * np.sqrt(spend)
    wide = widened(value, value.mean(axis=0), np.array([2.0]))
    np.testing.assert_allclose(wide[:, :, 1:].std(axis=0), 2 * value[:, :, 1:].std(axis=0))


def test_where_no_draw_gains_nothing_is_made_up() -> None:
    flat = np.zeros((5, 1, 3))
    assert (with_mean(flat, np.array([[0.0, 1.0, 2.0]])) == 0).all()
