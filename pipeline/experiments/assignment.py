"""Sets of units drawn by chance, one unit of each size class, so that sets are alike in size."""

from __future__ import annotations

from itertools import product
from math import prod

import numpy as np

from pipeline.core.types import IntArray


def draw_sets(sized: IntArray, n: int, most: int, rng: np.random.Generator) -> list[IntArray]:
    """Return different sets of `n` units in a fixed order: every set, or about `most` by chance.

    Args:
        sized: units in order of size; cut into `n` classes.
        n: at most the number of units.
        most: sets.
        rng: draws where there are more sets than `most`.
    """
    classes = np.array_split(sized, n)
    if prod(part.size for part in classes) <= most:
        drawn = {tuple(sorted(chosen)) for chosen in product(*(part.tolist() for part in classes))}
    else:
        drawn = {tuple(sorted(int(rng.choice(part)) for part in classes)) for _ in range(most)}
    return [np.array(chosen, dtype=np.int64) for chosen in sorted(drawn)]
