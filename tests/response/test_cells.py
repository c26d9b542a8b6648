"""A member of the library stands for the curves around it: no line is known to be that very one.

Where the line's money has been, they all bring what it brought; beyond, nobody knows.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pipeline.response import FitSettings, Posterior, fit_response
from pipeline.response.cells import STRETCH_SD, Weeks
from pipeline.response.curves import SHAPES, Shape
from pipeline.response.evidence import single
from pipeline.response.grid import SHARES
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
def test_a_line_that_is_sure_of_its_member_still_doubts_what_lies_beyond_its_days(shape: int):
    posterior = as_if_known(shape)
    spend = posterior.recent_spend[:, None] * np.array([0.0, 1.0, 3.0, 3.3])
    table, mean = posterior.tabulate(spend, np.random.default_rng(0), 300)
    slope = table.value[:, :, 3] - table.value[:, :, 2]
    assert (slope.std(axis=0) > 0.02 * slope.mean(axis=0)).all()
    np.testing.assert_allclose(table.mean(), mean, rtol=1e-7)  # draws have seven digits
    assert (table.value[:, :, 0] == 0).all()


@pytest.mark.parametrize("shape", range(len(SHAPES)))
def test_the_curves_of_a_cell_meet_where_the_money_has_been(shape: int):
    """Plans took a line to twice its reference: what it brings there is known now."""
    posterior = as_if_known(shape)
    known = np.full((26, 3), 2000.0)
    spend = np.where(np.arange(26) < 20, 1.0, 2.0)[:, None] * np.ones(3)
    moved = replace(posterior, weeks=Weeks(spend=single(spend), precision=single(known)))
    strange = replace(posterior, weeks=Weeks(spend=single(spend), precision=single(0 * known)))
    there = posterior.reference[:, None] * np.array([0.0, 2.0])
    doubt = []
    for each in (moved, strange):
        table, _ = each.tabulate(there, np.random.default_rng(0), 200)
        outcome = table.value[:, :, 1] + table.organic
        doubt.append(outcome.std(axis=0) / outcome.mean(axis=0))
    assert (doubt[0] < np.maximum(0.65 * doubt[1], 0.02)).all()
    assert (doubt[0] < 0.05).all()


def test_a_curve_is_stretched_by_ridge_regression_over_the_weeks():
    rng = np.random.default_rng(7)
    spend, precision = rng.uniform(0.3, 2.5, (30, 4)), rng.uniform(0.0, 300.0, (30, 4))
    weeks = Weeks(spend=single(spend), precision=single(precision))
    found = weeks.stretch(slice(1, 3))
    for line, shape, share in ((1, 2, 6), (2, 11, 4), (1, 17, 11), (2, 8, 1)):
        member, s = SHAPES[shape], SHARES[share]
        away = member.value(spend[:, line]) - 1
        root = np.sqrt(precision[:, line]) / (1 + s * away)
        for place, curve in enumerate(member.cell()):
            other = curve.value(spend[:, line]) - 1
            rows = np.append(root * s * other, 1 / STRETCH_SD)[:, None]
            wanted = np.append(root * s * away, 1 / STRETCH_SD)
            slow = float(np.linalg.lstsq(rows, wanted, rcond=None)[0][0])
            fast = found[line - 1, shape, share, place]
            assert fast == pytest.approx(min(max(slow, 0.1), 1 / s), rel=1e-4)


def test_weeks_that_a_level_may_have_left_tell_less():
    spend, expected = np.ones((17, 1)), single(np.full((17, 1), 50.0))
    variance = single(np.full((17, 1), 50.0))
    still, walks, shocks = (
        Weeks.of(spend, expected, variance, np.array([wander]))
        for wander in ((0.0, 0.0), (1e-4, 0.0), (0.0, 1e-2))
    )
    # Three days are no week.
    assert still.precision.ravel().tolist() == pytest.approx([350.0, 350.0])
    assert walks.precision[1] == still.precision[1] > walks.precision[0]
    assert (shocks.precision < 0.2 * still.precision).all()
    variance[-7:] = np.inf
    unseen = Weeks.of(spend, expected, variance, np.zeros((1, 2)))
    assert unseen.precision.ravel().tolist() == pytest.approx([350.0, 0.0])


def test_a_history_shorter_than_a_week_stretches_nothing():
    none = single(np.ones((3, 2)))
    weeks = Weeks.of(np.ones((3, 2)), none, none, np.zeros((2, 2)))
    assert (weeks.stretch(slice(0, 2)) == 1).all()


@pytest.mark.parametrize("shape", range(len(SHAPES)))
def test_no_draw_of_a_response_ever_falls_with_spend(shape: int):
    posterior = as_if_known(shape)
    spend = posterior.reference[:, None] * np.linspace(0.0, 4.0, 81)
    table, mean = posterior.tabulate(spend, np.random.default_rng(0), 60)
    assert np.diff(table.value, axis=2).min() >= 0
    np.testing.assert_allclose(table.mean(), mean, rtol=1e-6)
