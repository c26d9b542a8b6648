"""Who learns with whom: lines paired by the dice of the week."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

import numpy as np

from pipeline.core.types import IntArray

Pair: TypeAlias = tuple[int, int]
"""Places of the line that goes up and of the one that comes down."""

FACES = 2**62
"""Of the dice: so many that no two lines throw the same."""


def pair_up(dice: IntArray, begun: Iterable[Pair] = ()) -> list[Pair]:
    """Return the week's pairs, those that have begun first; of an odd number one line stays out.

    Lines are the leaves of a tree, at the place that their dice say in binary. Every branch pairs
    what its two sides leave over. So a line that comes or goes moves few others to new partners,
    and pairs that have begun can be taken out of the tree without changing any other.

    Args:
        dice: (n_lines,), each in [0, FACES) and a line's own, whatever other lines there are.
        begun: pairs of this week; no line twice.
    """
    pairs = list(begun)
    is_free = np.ones(dice.size, dtype=bool)
    is_free[[place for pair in pairs for place in pair]] = False
    free = np.flatnonzero(is_free)
    left = free[np.argsort(dice[free], kind="stable")]
    branch = dice[left]
    while left.size > 1:
        # Of each branch one line is left at most, so no more than two meet in the next one.
        meets = np.flatnonzero(branch[1:] == branch[:-1])
        pairs += zip(left[meets].tolist(), left[meets + 1].tolist(), strict=True)
        met = np.concatenate([meets, meets + 1])
        left, branch = np.delete(left, met), np.delete(branch, met) >> 1
    return pairs
