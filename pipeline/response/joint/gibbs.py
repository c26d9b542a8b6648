"""One sweep of a Gibbs sampler over curves, coefficients and noise.

Given the other lines, a line's coefficient is normal, at every node of the library, and cut off at
zero and where no baseline would be left; so its node is drawn with the coefficient integrated out,
and then the coefficient. What lines have in common is drawn twice: given their coefficients, and
as a scale of them all, or chains would creep. The days enter only through their moments. All
chains take each step as one array operation. Mathematics: docs/model.md, "Measured outcomes".
"""

from __future__ import annotations

import numpy as np

from pipeline.core.types import FloatArray, IntArray
from pipeline.response.joint.chain_state import CHAINS, MEDIA_SHARE, ChainState, Series
from pipeline.response.joint.cut_normal import draw_between, log_between, log_density

MEDIA_LOG_SD = 0.8
"""Prior deviation of the log of the share of all outcomes that all lines cause."""
SHARES = np.geomspace(0.01, 1.2, 40)
KIND_SHARES = np.geomspace(0.001, 12.0, 77)
"""Returns of a kind. Nothing bounds them but their prior: those of little money may lie far off the
mean, and what is cut off here would pull the mean towards the middle."""
LOG_PRIOR = -0.5 * np.square(np.log(SHARES / MEDIA_SHARE) / MEDIA_LOG_SD)
TINY = 1e-9  # of the mean outcome; no coefficient is below, and no baseline
SPREADS = np.array([0.25, 0.4, 0.6, 0.9, 1.3, 2.0])
"""How far returns per money lie apart, relative to their mean: candidates, equally likely."""
WITHIN = 0.35  # the same line in several regions
NOISE_DOF = 4.0
POWER = 0.5
"""What a day counts for: the model of what moves outcomes beside spend is never quite right, and
full weight made intervals too narrow. Source: Miller and Dunson (2019), "Robust Bayesian inference
via coarsening"."""


def sweep(state: ChainState, count: int, log_prior: FloatArray, rng: np.random.Generator) -> None:
    """Draw everything in turn given all else, so many times."""
    for _ in range(count):
        for index in range(len(state.series)):
            _draw_lines(state, index, log_prior, rng)
            _draw_noise(state, index, rng)
        _draw_population(state, rng)
        _draw_scales(state, rng)


def _draw_lines(
    state: ChainState, index: int, log_prior: FloatArray, rng: np.random.Generator
) -> None:
    """Draw every line's node and coefficient given the others."""
    item, n_nodes = state.series[index], state.n_nodes
    gram, noise = item.moments.gram, state.noise_index[:, index]
    precision = POWER / state.noise[:, index, None]
    place = np.arange(item.lines.size) * n_nodes
    column = place + state.node[:, item.lines]
    value = state.coefficient[:, item.lines]
    left = item.moments.cross[noise].copy()
    for position in range(item.lines.size):
        left -= value[:, position, None] * gram[noise, column[:, position]]
    effects, precisions = state.experiments.effect, state.experiments.precisions
    missing = state.missing()
    centre, width = _prior(state, item)
    diagonal = np.einsum("qcc->qc", gram)[noise]
    caused = state.caused(item)
    for position in rng.permutation(item.lines.size):
        block = slice(place[position], place[position] + n_nodes)
        old = column[:, position]
        row = gram[noise, old]
        present = value[:, position, None]
        effect = effects[:, item.lines[position]]  # (n_tests, n_nodes)
        without = missing + effect[:, old - place[position]] * value[:, position]
        weight = diagonal[:, block] * precision + precisions @ np.square(effect)
        pull = (left[:, block] + present * row[:, block]) * precision
        pull += (precisions[:, None] * without).T @ effect
        prior_precision = 1 / np.square(width[:, position, None])
        total = weight + prior_precision
        mean = (pull + centre[:, position, None] * prior_precision) / total
        root = np.sqrt(total)
        room = np.maximum(1.0 - caused.sum(axis=1) + caused[:, position], TINY)
        most = room[:, None] / np.maximum(item.shown[position], TINY)
        low, high = -mean * root, (most - mean) * root
        log_weight = 0.5 * np.square(low) - np.log(root) + log_between(low, high)
        node = _draw_index(log_weight + log_prior, rng)
        at = (np.arange(CHAINS), node)
        new = mean[at] + draw_between(low[at], high[at], rng) / root[at]
        new = np.clip(new, TINY, most[at])
        caused[:, position] = new * item.shown[position, node]
        column[:, position] = place[position] + node
        left += present * row - new[:, None] * gram[noise, column[:, position]]
        missing = without - effect[:, node] * new
        value[:, position] = new
        state.node[:, item.lines[position]] = node
    state.coefficient[:, item.lines] = value


def _draw_noise(state: ChainState, index: int, rng: np.random.Generator) -> None:
    """Draw a series' kind of noise with its size integrated out, then its size."""
    item = state.series[index]
    moments = item.moments
    column = np.arange(item.lines.size) * state.n_nodes + state.node[:, item.lines]
    value = state.coefficient[:, item.lines]
    square = (
        moments.square[:, None]
        - 2 * (moments.cross[:, column] * value).sum(axis=2)
        + np.einsum(
            "qhij,hi,hj->qh",
            moments.gram[:, column[:, :, None], column[:, None, :]],
            value,
            value,
            optimize=True,
        )
    )
    scale = NOISE_DOF * item.noise_scale + np.maximum(square, 1e-12)
    dof = NOISE_DOF + moments.count
    log_weight = -0.5 * (dof * np.log(scale) + moments.logdet[:, None])
    chosen = _draw_index(log_weight.T, rng)
    state.noise_index[:, index] = chosen
    state.noise[:, index] = scale[chosen, np.arange(CHAINS)] / rng.chisquare(dof, CHAINS)


def _draw_population(state: ChainState, rng: np.random.Generator) -> None:
    """Draw the mean return and its spread given the coefficients, kinds between them."""
    n_kinds = state.kind_share.shape[1]
    of_kind: list[list[FloatArray]] = [[] for _ in range(n_kinds)]
    for item in state.series:
        value = state.coefficient[:, item.lines] / item.full
        for position, kind in enumerate(item.kind.tolist()):
            of_kind[kind].append(value[:, position])
    if not state.has_kinds:
        state.kind_share = np.stack([values[0] for values in of_kind], axis=1)
    else:
        for kind, values in enumerate(of_kind):
            told = np.log(KIND_SHARES)
            told = told + log_density(state.media[:, None], state.spread[:, None], KIND_SHARES)
            for value in values:
                told = told + log_density(KIND_SHARES, WITHIN, value[:, None])
            state.kind_share[:, kind] = KIND_SHARES[_draw_index(told, rng)]
    log_weight = np.zeros((CHAINS, SHARES.size, SPREADS.size))
    for kind in range(n_kinds):
        share = state.kind_share[:, kind, None, None]
        log_weight += log_density(SHARES[:, None], SPREADS, share)
    log_weight += LOG_PRIOR[:, None]
    chosen = _draw_index(log_weight.reshape(CHAINS, -1), rng)
    state.media = SHARES[chosen // SPREADS.size]
    state.spread = SPREADS[chosen % SPREADS.size]


def _draw_scales(state: ChainState, rng: np.random.Generator) -> None:
    """Draw each kind's return, and then all kinds' mean, with the lines' ratios to it held.

    Source: Yu and Meng (2011), "To center or not to center: that is not the question".
    """
    if state.has_kinds:
        for kind, places in enumerate(state.places):
            old, width = state.kind_share[:, kind], state.spread * state.media
            weight, pull, most = _along(state, places)
            precision = 1 / np.square(width) + weight / np.square(old)
            mean = (state.media / np.square(width) + pull / old) / precision
            root = np.sqrt(precision)
            drawn = mean + draw_between(-mean * root, (most * old - mean) * root, rng) / root
            factor = np.clip(drawn / old, TINY, most)
            state.kind_share[:, kind] = factor * old
            state.scale(places, factor)
    weight, pull, most = _along(state, state.everywhere)
    factor = SHARES / state.media[:, None]
    told = (pull[:, None] - 0.5 * weight[:, None] * factor) * factor + LOG_PRIOR
    told = np.where(factor <= np.maximum(most, 1.0)[:, None], told, -np.inf)
    media = SHARES[_draw_index(told, rng)]
    state.kind_share *= (media / state.media)[:, None]
    state.scale(state.everywhere, media / state.media)
    state.media = media


def _along(
    state: ChainState, places: list[tuple[int, IntArray]]
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return what is known of one factor on the coefficients of some lines, (chains,) each.

    Returns:
        Its precision, its precision times its mean, and the largest that leaves a baseline.
    """
    weight, pull, most = np.zeros(CHAINS), np.zeros(CHAINS), np.full(CHAINS, np.inf)
    lift = np.zeros((state.experiments.lifts.size, CHAINS))
    for index, own in places:
        item, noise = state.series[index], state.noise_index[:, index, None]
        column = np.arange(item.lines.size) * state.n_nodes + state.node[:, item.lines]
        every, value = state.coefficient[:, item.lines], state.coefficient[:, item.lines[own]]
        gram = item.moments.gram[noise[:, :, None], column[:, own, None], column[:, None, :]]
        square = np.einsum("hi,hij,hj->h", value, gram[:, :, own], value)
        left = item.moments.cross[noise, column[:, own]] - np.einsum("hij,hj->hi", gram, every)
        precision = POWER / state.noise[:, index]
        weight += precision * square
        pull += precision * ((left * value).sum(axis=1) + square)
        caused = state.caused(item)
        by_own = caused[:, own].sum(axis=1)
        most = np.minimum(most, (1 + by_own - caused.sum(axis=1)) / np.maximum(by_own, TINY))
        lines = item.lines[own]
        shown = state.experiments.effect[:, lines, state.node[:, lines]]  # (n_tests, chains, n)
        lift += (shown * value).sum(axis=2)
    precisions = state.experiments.precisions
    weight += precisions @ np.square(lift)
    pull += precisions @ (lift * (state.missing() + lift))
    return weight, pull, np.maximum(most, 2 * TINY)


def _prior(state: ChainState, item: Series) -> tuple[FloatArray, FloatArray]:
    """Return centre and width of every line's coefficient, (chains, n) each."""
    mean = state.kind_share[:, item.kind] if state.has_kinds else state.media[:, None]
    relative = WITHIN if state.has_kinds else state.spread[:, None]
    return mean * item.full, relative * mean * item.full


def _draw_index(log_weight: FloatArray, rng: np.random.Generator) -> IntArray:
    """Return one index a row, in proportion to the weights."""
    weight = np.exp(log_weight - log_weight.max(axis=1, keepdims=True))
    total = np.cumsum(weight, axis=1)
    point = rng.random((log_weight.shape[0], 1)) * total[:, -1:]
    return np.asarray((total < point).sum(axis=1).clip(max=log_weight.shape[1] - 1))
