"""What lines have in common is one truth for all of them, and not known for sure."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pipeline.core.types import FloatArray
from pipeline.response import FitSettings, Posterior, fit_response
from pipeline.response.evidence import Evidence
from pipeline.response.grid import COARSE, FULL
from pipeline.response.population import (
    LOG_SPREAD,
    TILT,
    TILT_SD,
    TILTS,
    CommonElasticity,
    Population,
    pool_lines,
)
from tests.response.advertiser import advertiser

CENTRE, CENTRE_SD = 0.3, 0.06


def pooled(
    log_likelihood: FloatArray, returned: FloatArray, known: FloatArray | None = None
) -> tuple[FloatArray, Population]:
    ones = np.ones(log_likelihood.shape, dtype=np.float32)
    evidence = Evidence(
        log_likelihood=log_likelihood.astype(np.float32),
        level_mean=ones,
        level_sd=ones,
        drift=np.ones((len(returned), 1)),
    )
    if known is None:
        known = np.full(returned.size, 1 / returned.size)
    groups = np.zeros(returned.size, dtype=np.int64)
    common = CommonElasticity(mean=CENTRE, error=CENTRE_SD, share=known)
    return pool_lines(COARSE, evidence, groups, common, returned)


def some_evidence(n_lines: int) -> tuple[FloatArray, FloatArray]:
    rng = np.random.default_rng(5)
    shape = (n_lines, *COARSE.nodes)
    return rng.normal(0, 1.0, shape), rng.normal(0, 0.9, n_lines)


def written_out(log_likelihood: FloatArray, returned: FloatArray, told: FloatArray) -> FloatArray:
    """Return how likely each error and tilt is given the lines `told`, from its definition."""
    errors = np.array([-np.sqrt(3), 0.0, np.sqrt(3)])
    base = COARSE.shape_prior[:, None] * COARSE.share_prior
    variance = np.log(1 + (CENTRE_SD / CENTRE) ** 2)
    log = []
    for error, likely in zip(errors, (1 / 6, 4 / 6, 1 / 6), strict=True):
        for tilt in TILTS:
            total = np.log(likely) - 0.5 * ((tilt - TILT) / TILT_SD) ** 2
            median = np.log(CENTRE / np.mean(np.exp(-tilt * returned))) - 0.5 * LOG_SPREAD**2
            median += error * np.sqrt(variance) - 0.5 * variance
            for line in np.flatnonzero(told):
                wanted = median - tilt * returned[line]
                away = (np.log(COARSE.elasticity) - wanted) / LOG_SPREAD
                prior = base * np.exp(-0.5 * away**2)
                prior /= prior.sum()
                nodes = COARSE.retention_prior[:, None, None] * prior
                total += np.log((nodes * np.exp(log_likelihood[line])).sum())
            log.append(total)
    weight = np.exp(np.array(log) - max(log))
    return np.asarray(weight / weight.sum())


def test_hypotheses_are_weighed_by_all_lines_together():
    likelihood, returned = some_evidence(7)
    _, population = pooled(likelihood, returned)
    slow = written_out(likelihood, returned, np.ones(7, dtype=bool))
    np.testing.assert_allclose(population.weight, slow, atol=1e-3)


def test_a_line_is_told_what_the_population_is_by_the_others_only():
    likelihood, returned = some_evidence(7)
    likelihood[2] *= 4  # one line that says much
    _, population = pooled(likelihood, returned)
    for line in range(7):
        slow = written_out(likelihood, returned, np.arange(7) != line)
        np.testing.assert_allclose(population.others[line], slow, atol=1e-3)
    assert np.abs(population.others[2] - population.weight).max() > 5e-3


def test_how_much_a_line_says_of_everything_changes_nothing_of_others():
    likelihood, returned = some_evidence(300)
    _, before = pooled(likelihood, returned)
    _, after = pooled(likelihood + 1000.0, returned)
    np.testing.assert_allclose(after.others, before.others, atol=2e-3)


def test_lines_that_never_earned_do_not_move_what_the_living_are_thought_to_be():
    likelihood, returned = some_evidence(20)
    silent = np.concatenate([likelihood, np.zeros((30, *COARSE.nodes))])
    known = np.repeat([1 / 20, 0.0], [20, 30])
    _, beside = pooled(silent, np.append(returned, np.full(30, -2.5)), known)
    _, alone = pooled(likelihood, returned)
    np.testing.assert_allclose(beside.centre, alone.centre)


def test_no_line_stands_apart_where_nothing_is_seen():
    weights, population = pooled(np.zeros((5, *COARSE.nodes)), np.zeros(5))
    assert np.ptp(weights, axis=0).max() < 1e-6
    mean = float(np.einsum("rsk,sk->", weights[0], COARSE.elasticity))
    assert 0.6 * CENTRE < mean < 1.1 * CENTRE
    np.testing.assert_allclose(population.weight, population.others[0], atol=1e-6)


def sparse(n_lines: int = 12) -> Posterior:
    history = advertiser(4, n_lines=n_lines, level=1.0).history
    dear = np.where(np.arange(n_lines) % 2, 1.0, 12.0)  # half of the lines return a twelfth
    return fit_response(
        replace(history, spend=history.spend * dear),
        FitSettings(metric="revenue", count="conversions"),
    )


def test_what_is_unknown_of_all_lines_does_not_average_away():
    posterior = sparse(40)
    spend = posterior.recent_spend[:, None] * np.array([0.0, 0.75, 1.25])
    table, _ = posterior.tabulate(spend, np.random.default_rng(0), 5000)
    more = table.value[:, :, 2] - table.value[:, :, 1]
    rich = posterior.population.returned > 0
    tilted = np.log(more[:, rich].sum(axis=1)) - np.log(more[:, ~rich].sum(axis=1))
    rng = np.random.default_rng(1)
    apart = np.stack([rng.permutation(column) for column in more.T], axis=1)
    alone = np.log(apart[:, rich].sum(axis=1)) - np.log(apart[:, ~rich].sum(axis=1))
    assert tilted.std() > 1.1 * alone.std()


@pytest.mark.parametrize("n_draws", [1, 2, 300])
def test_every_draw_is_a_node_of_the_line(n_draws: int):
    posterior = sparse()
    rng = np.random.default_rng(0)
    weights = posterior.weights * (rng.random(posterior.weights.shape) < 0.1)
    posterior = replace(posterior, weights=weights / weights.sum(axis=(1, 2, 3), keepdims=True))
    hypothesis = posterior.population.draw(rng, n_draws)
    for line in range(len(posterior.lines)):
        node = posterior.draw_nodes(line, hypothesis, rng)
        assert (posterior.weights[line][node] > 0).all()
        assert all(index.shape == (n_draws,) for index in node)


def test_the_mean_over_hypotheses_is_what_is_known_of_a_line():
    posterior = sparse()
    for line, weights in enumerate(posterior.weights):
        given = posterior.population.given(line, weights)
        np.testing.assert_allclose(given.sum(axis=1), 1.0)
        known = weights.sum(axis=0).reshape(-1)
        # Channels' own distributions are learned after the hypotheses, which leaves a little.
        assert np.abs(posterior.population.weight @ given - known).sum() < 0.05


def test_draws_of_nodes_have_the_weights_of_the_posterior():
    posterior = sparse()
    rng = np.random.default_rng(0)
    hypothesis = posterior.population.draw(rng, 40_000)
    retention, shape, share = posterior.draw_nodes(3, hypothesis, rng)
    found = np.zeros(posterior.weights.shape[1:])
    np.add.at(found, (retention, shape, share), 1 / hypothesis.size)
    for axes in ((1, 2), (0, 2), (0, 1)):
        told = posterior.weights[3].sum(axis=axes)
        np.testing.assert_allclose(found.sum(axis=axes), told, atol=0.02)
    assert posterior.population.grid is FULL
