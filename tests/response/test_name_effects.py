"""What a named day will do: intervals hold, clear days are believed, blurred ones are shrunk."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.core.types import FloatArray
from pipeline.response.name_effects import (
    ALIKE,
    ALIKE_SD,
    CHANGE,
    NAMES_BEFORE,
    SPREADS,
    Told,
    believed,
)

NOISE = 0.08


def told(effects: list[float], *, coming: int, noise: float = NOISE) -> Told:
    """Return one past day of each name, and a coming one of a name of those or of a new one."""
    names = max(len(effects), coming + 1)
    kind = np.append(np.arange(len(effects)), coming)
    return Told(
        kind=kind,
        occasion=np.arange(kind.size),
        effect=np.append(effects, 0.0),
        variance=np.append(np.full(len(effects), noise**2), np.inf),
        votes=np.arange(names) < len(effects),
    )


def interval(past: Told) -> FloatArray:
    """Return low, expected and high factor of demand on the coming day."""
    mean, sd = (float(values[-1]) for values in believed(past))
    return np.exp(mean + np.array([-1.645, 0.0, 1.645]) * sd)


def lived(seed: int, sales: float, *, is_new: bool) -> tuple[Told, float]:
    """Return a history of named days and what the coming one truly does.

    Args:
        sales: share of names that multiply demand by 1.5 to 4; the others move it by up to 10 %.
        is_new: the coming day's name was never seen.
    """
    rng = np.random.default_rng(seed)
    names = int(rng.integers(3, 10))
    is_sale = rng.random(names) < sales
    does = np.where(is_sale, np.log(rng.uniform(1.5, 4, names)), rng.uniform(-0.1, 0.1, names))
    change = (0.03 + 0.12 * np.abs(does)) * rng.standard_normal((2, names))
    noise = rng.uniform(0.04, 0.12)
    seen = (does + change[0] + noise * rng.standard_normal(names))[: names - is_new]
    truth = float(does[-1] + change[1, -1])
    return told(seen.tolist(), coming=names - 1, noise=noise), truth


@pytest.mark.parametrize("is_new", [False, True], ids=["seen", "new"])
def test_the_interval_of_a_coming_day_holds_as_often_as_it_says(is_new):
    held, error, plain = [], [], []
    for seed in range(240):
        past, truth = lived(seed, (0.0, 0.3, 0.7)[seed % 3], is_new=is_new)
        mean, sd = (float(values[-1]) for values in believed(past))
        held.append(abs(truth - mean) < 1.645 * sd)
        error.append(truth - mean)
        plain.append(truth)
    assert 0.85 <= np.mean(held) <= 0.97
    assert np.square(error).mean() < (0.95 if is_new else 0.15) * np.square(plain).mean()


def test_one_clear_sale_is_believed_nearly_in_full_and_holds_what_was_seen():
    low, expected, high = interval(told([np.log(3.0)], coming=0))
    assert 2.7 < expected < 3.1
    assert low < 2.0
    assert high > 3.9


def test_a_small_effect_is_shrunk_to_its_likes():
    quiet = [0.02, -0.03, 0.04, -0.01, 0.0, 0.03]
    mean, sd = (values[-1] for values in believed(told([0.12, *quiet], coming=0)))
    assert 0.02 < mean < 0.09
    assert sd < 0.15


def test_a_new_name_is_as_uncertain_as_the_names_that_were_seen_are_unlike():
    nothing, quiet, wild = (
        interval(told(effects, coming=8))
        for effects in ([], [0.03, -0.05, 0.06, 0.0, -0.02, 0.04], [0.9, 0.05, 1.2, 0.5])
    )
    assert nothing[1] == pytest.approx(1.0)
    assert nothing[0] < 0.6
    assert quiet[2] < 1.5
    assert wild[2] > 3.0
    assert wild[1] > 1.1  # sales raise demand


def test_a_name_that_does_not_vote_is_believed_and_says_nothing_of_others():
    outage, sale = -3.0, [0.9, 1.1]
    alone = told(sale, coming=4)
    beside = told([*sale, outage], coming=4)
    votes = beside.votes.copy()
    votes[2] = False
    mean, _ = believed(
        Told(
            kind=beside.kind,
            occasion=beside.occasion,
            effect=beside.effect,
            variance=beside.variance,
            votes=votes,
        )
    )
    assert mean[2] < -2.5
    assert mean[-1] == pytest.approx(believed(alone)[0][-1])


def test_the_second_day_of_an_occasion_is_surer_than_another_year():
    same, later = (
        Told(
            kind=np.zeros(2, dtype=np.int64),
            occasion=np.array([0, occasion]),
            effect=np.array([1.0, 0.0]),
            variance=np.array([NOISE**2, np.inf]),
            votes=np.array([True]),
        )
        for occasion in (0, 1)
    )
    assert believed(same)[1][1] < believed(later)[1][1]


@pytest.mark.parametrize("effect", [0.05, 0.3, np.log(3.0), -0.7])
def test_a_name_that_nobody_is_like_is_believed_as_the_mixture_written_out(effect):
    """One name votes for what names are like, and is held against that without its vote."""
    mean, sd = (float(values[-1]) for values in believed(told([effect], coming=0)))
    spread, alike = SPREADS[:, None], ALIKE[None]
    seen = spread**2 * (1 + 2 * CHANGE**2) + NOISE**2  # of the past day
    shared = spread**2  # with the coming one, which is of another occasion
    expected = spread * alike
    weight = NAMES_BEFORE[:, None] * np.exp(
        -0.5 * ((alike / ALIKE_SD) ** 2 + (effect - expected) ** 2 / seen + np.log(seen))
    )
    weight /= weight.sum()
    at = expected + shared / seen * (effect - expected)
    left = spread**2 * (1 + 2 * CHANGE**2) - shared**2 / seen
    exact = float((weight * at).sum())
    assert mean == pytest.approx(exact, rel=1e-9)
    assert sd == pytest.approx(float((weight * ((at - exact) ** 2 + left)).sum()) ** 0.5, rel=1e-9)
