"""Pairs of a week: everybody once, and others stay together when a line comes or goes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.allocation.pairs import FACES, pair_up

thrown = st.lists(st.integers(0, FACES - 1), unique=True, max_size=40)


def named(dice: list[int], pairs: list[tuple[int, int]]) -> set[tuple[int, int]]:
    """Return pairs by the dice of their lines, which a line keeps wherever it is listed."""
    return {(dice[up], dice[down]) for up, down in pairs}


@given(dice=thrown)
def test_every_line_is_in_one_pair_but_for_one_of_an_odd_number(dice: list[int]):
    places = [place for pair in pair_up(np.array(dice, dtype=np.int64)) for place in pair]
    assert len(places) == len(set(places)) == 2 * (len(dice) // 2)


@given(dice=thrown, data=st.data())
def test_pairs_that_have_begun_stay_and_their_absence_changes_no_other(dice: list[int], data):
    rolled = pair_up(np.array(dice, dtype=np.int64))
    begun = data.draw(st.lists(st.sampled_from(rolled), unique=True)) if rolled else []
    again = pair_up(np.array(dice, dtype=np.int64), begun)
    assert again[: len(begun)] == begun
    assert set(again) == set(rolled)


@given(dice=thrown, data=st.data())
def test_the_order_of_lines_is_no_matter(dice: list[int], data):
    mixed = data.draw(st.permutations(dice))
    first, second = (pair_up(np.array(each, dtype=np.int64)) for each in (dice, mixed))
    assert named(dice, first) == named(mixed, second)


@pytest.mark.parametrize("n_lines", [8, 100, 1000])
def test_a_line_more_leaves_most_pairs_as_they_were(n_lines: int):
    kept = []
    for seed in range(100):
        dice = np.random.default_rng(seed).integers(FACES, size=n_lines + 1).tolist()
        more, fewer = (pair_up(np.array(each)) for each in (dice, dice[1:]))
        both = named(dice, more) & named(dice[1:], fewer)
        kept.append(len(both) / len(fewer))
    assert np.mean(kept) > 1 - 8 / n_lines
    assert min(kept) >= 1 - 24 / n_lines


def test_either_of_two_lines_may_be_the_one_that_goes_up():
    ups = [
        pair_up(np.random.default_rng(seed).integers(FACES, size=2))[0][0] for seed in range(200)
    ]
    assert 70 < sum(ups) < 130
