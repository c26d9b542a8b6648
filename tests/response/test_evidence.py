"""The filter against the covariance that it stands for, written out."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.response.evidence import _filter
from pipeline.response.fit import reference_spend
from pipeline.response.grid import FULL, SHOCK_KEPT


@pytest.mark.parametrize("drift", range(len(FULL.drifts)))
def test_the_filter_is_the_inverse_covariance(drift):
    rng = np.random.default_rng(7)
    n_days = 30
    fixed = rng.normal(size=(3, n_days, 2))
    noise = rng.uniform(0.01, 0.05, (n_days, 2))
    known = rng.random((n_days, 2)) > 0.2
    responses = rng.normal(size=(n_days, 4, 2))
    sums = _filter(FULL, fixed, noise, known, responses)
    walk, shock = FULL.drifts[drift]
    age = np.arange(n_days, 0, -1)
    apart = np.abs(age[:, None] - age)
    covariance = walk**2 * np.minimum(age[:, None], age)
    covariance = covariance + shock**2 / (1 - SHOCK_KEPT**2) * SHOCK_KEPT**apart
    for line in range(2):
        use = known[:, line]
        whole = (covariance + np.diag(noise[:, line]))[np.ix_(use, use)]
        inverse = np.linalg.inv(whole)
        x, h = fixed[:, use, line], responses[use][:, :, line]
        np.testing.assert_allclose(sums.fixed[line, drift], x @ inverse @ x.T, rtol=1e-7)
        np.testing.assert_allclose(sums.cross[line, drift], x @ inverse @ h, atol=1e-8)
        np.testing.assert_allclose(sums.square[line, drift], np.diag(h.T @ inverse @ h), rtol=1e-7)
        assert sums.logdet[line, drift] == pytest.approx(np.linalg.slogdet(whole)[1])


def test_the_reference_stays_where_people_had_put_a_line():
    spend = np.full((180, 2), 100.0)
    spend[-40:, 0] = 250.0
    spend[:100, 1] = 0.0
    np.testing.assert_allclose(reference_spend(spend), [100.0, 100.0])
