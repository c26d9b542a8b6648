"""The filter against the covariance that it stands for, written out."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.response.curves import RETENTIONS, SHAPES, write_features
from pipeline.response.evidence import LEVEL_SD, evaluate
from pipeline.response.fit import reference_spend
from pipeline.response.grid import FULL, SHOCK_KEPT
from pipeline.response.scratch import Scratch
from pipeline.response.whitening import inner_products


@pytest.mark.parametrize("drift", range(len(FULL.drifts)))
def test_the_filter_is_the_inverse_covariance(drift):
    rng = np.random.default_rng(7)
    n_days = 30
    fixed = rng.normal(size=(n_days, 3, 2))
    noise = rng.uniform(0.01, 0.05, (n_days, 2))
    known = rng.random((n_days, 2)) > 0.2
    responses = rng.normal(size=(n_days, 4, 2))
    steps = np.zeros((n_days, 2))
    steps[11] = 0.2**2, 0.0
    sums = inner_products(
        FULL, np.concatenate([fixed, responses], axis=1), 3, noise, known, steps, Scratch()
    )
    walk, shock = FULL.drifts[drift]
    age = np.arange(n_days, 0, -1)
    apart = np.abs(age[:, None] - age)
    covariance = walk**2 * np.minimum(age[:, None], age)
    covariance = covariance + shock**2 / (1 - SHOCK_KEPT**2) * SHOCK_KEPT**apart
    for line in range(2):
        use = known[:, line]
        before = np.arange(n_days) <= 11  # a step after day 11 moves the days up to it
        jump = steps[11, line] * np.outer(before, before)
        whole = (covariance + jump + np.diag(noise[:, line]))[np.ix_(use, use)]
        inverse = np.linalg.inv(whole)
        x, h = fixed[use][:, :, line].T, responses[use][:, :, line]
        np.testing.assert_allclose(sums.fixed[line, drift], x @ inverse @ x.T, rtol=1e-7)
        np.testing.assert_allclose(sums.cross[line, drift], x @ inverse @ h, atol=1e-8)
        np.testing.assert_allclose(sums.square[line, drift], np.diag(h.T @ inverse @ h), rtol=1e-7)
        assert sums.logdet[line, drift] == pytest.approx(np.linalg.slogdet(whole)[1])


def test_single_precision_gives_the_evidence_of_plain_algebra():
    """A line of five months at 30 outcomes a day; nodes by the density of a Student t."""
    rng = np.random.default_rng(3)
    n_days, level, dof = 150, 30.0, 30.0
    spend = 100 * rng.lognormal(0, 0.4, (n_days, 1))
    responses = np.empty((n_days, len(RETENTIONS) * len(SHAPES), 1), dtype=np.float32)
    write_features(spend, np.array([100.0]), responses, FULL.retentions, FULL.shapes)
    slow = 0.1 * np.sin(np.arange(n_days) / 40)[None, :, None]
    outcome = level * (1.0 + 0.4 * responses[:, 15]) * (1 + 0.7 * slow[0])
    outcome = outcome + rng.normal(0, np.sqrt(level), outcome.shape)
    variance = np.full(outcome.shape, level)
    variance[rng.random(n_days) < 0.1] = np.inf
    alone = np.eye(len(FULL.drifts))[3]
    found = evaluate(
        FULL, outcome, variance, lambda out: np.copyto(out, responses), np.array([level]), slow,
        np.maximum(alone, 1e-30)[None], np.zeros(outcome.shape), scale_dof=dof, scratch=Scratch(),
    )  # fmt: skip
    use = np.isfinite(variance[:, 0])
    walk, shock = FULL.drifts[3]
    age = np.arange(n_days, 0, -1)
    apart = np.abs(age[:, None] - age)
    whole = walk**2 * np.minimum(age[:, None], age) + np.outer(slow, slow)
    whole += shock**2 / (1 - SHOCK_KEPT**2) * SHOCK_KEPT**apart + np.eye(n_days) / level
    whole = whole[np.ix_(use, use)]
    plain = np.empty(FULL.nodes)
    plain[:] = -np.inf
    for node in list(np.ndindex(FULL.nodes))[::4]:
        response = responses[use, node[0] * len(FULL.shapes) + node[1], 0].astype(np.float64)
        mean = 1 + FULL.shares[node[2]] * response
        covariance = whole + LEVEL_SD**2 * np.outer(mean, mean)
        away = outcome[use, 0] / level - mean
        misfit = away @ np.linalg.solve(covariance, away)
        plain[node] = -0.5 * np.linalg.slogdet(covariance)[1]
        plain[node] -= 0.5 * (dof + use.sum()) * np.log1p(misfit / dof)
    likely = plain > plain.max() - 12
    assert likely.sum() > 20
    assert np.ptp(found.log_likelihood[0][likely] - plain[likely]) < 2e-3


def test_the_reference_stays_where_people_had_put_a_line():
    spend = np.full((180, 2), 100.0)
    spend[-40:, 0] = 250.0
    spend[:100, 1] = 0.0
    np.testing.assert_allclose(reference_spend(spend), [100.0, 100.0])
