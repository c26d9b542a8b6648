"""A member of the library stands for the curves around it: no line is known to be that very one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pipeline.response import FitSettings, Posterior, fit_response
from pipeline.response.curves import SHAPES, Shape
from tests.response.advertiser import advertiser


def as_if_known(shape: int) -> Posterior:
    """Return a fit that is sure of everything, and of one shape."""
    fitted = fit_response(advertiser(1, n_lines=3).history, FitSettings(metric="conversions"))
    weights = np.zeros_like(fitted.weights)
    weights[:, 1, shape, 6] = 1.0
    return replace(
        fitted, weights=weights, level_sd=0 * fitted.level_sd, worth_sd=0 * fitted.worth_sd,
        shared_sd=0.0,
    )  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES)
def test_a_cell_is_a_member_with_one_on_either_side_through_its_reference(shape: Shape):
    itself, late, early = shape.cell()
    assert itself == shape
    little = np.array(0.1)
    assert late.value(little) < shape.value(little) < early.value(little)
    for member in (late, early):
        assert float(member.value(np.array(1.0))) == pytest.approx(1.0)
        assert float(member.value(np.array(0.0))) == 0.0


@pytest.mark.parametrize("shape", range(len(SHAPES)))
def test_a_line_that_is_sure_of_its_member_still_doubts_its_slope(shape: int):
    posterior = as_if_known(shape)
    spend = posterior.recent_spend[:, None] * np.array([0.0, 0.9, 1.1])
    table, mean = posterior.tabulate(spend, np.random.default_rng(0), 300)
    slope = table.value[:, :, 2] - table.value[:, :, 1]
    assert (slope.std(axis=0) > 0.02 * slope.mean(axis=0)).all()
    np.testing.assert_allclose(table.mean(), mean, rtol=1e-7)  # draws have seven digits
    assert (table.value[:, :, 0] == 0).all()


@pytest.mark.parametrize("shape", range(len(SHAPES)))
def test_no_draw_of_a_response_ever_falls_with_spend(shape: int):
    posterior = as_if_known(shape)
    spend = posterior.reference[:, None] * np.linspace(0.0, 4.0, 81)
    table, mean = posterior.tabulate(spend, np.random.default_rng(0), 60)
    assert np.diff(table.value, axis=2).min() >= 0
    np.testing.assert_allclose(table.mean(), mean, rtol=1e-6)
