"""Sets of units drawn by chance, one unit of each size class, so that sets are alike in size."""

from __future__ import annotations

from itertools import product
from math import prod

import numpy as np

from pipeline.core.errors import UsageError
from pipeline.core.types import IntArray

LEAST_OTHERS = 10
"""Sets that chance could have drawn instead, which a read-out holds the treated against."""

UNITS_A_CLASS = 3  # at least: with fewer, sets share too many units to tell them apart


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


def require_others(n_units: int, n: int, command: str) -> None:
    """Refuse sets of `n` units of which there are too few for a read-out.

    Args:
        n_units: that have outcomes and are not excluded, treated ones among them.
        command: that is refused.

    Raises:
        UsageError: there are fewer units than it takes.
    """
    need = least_units(n)
    if n_units < need:
        raise UsageError(
            f"{command}: {n_units} units with outcomes, {n} of them treated; a read-out needs at "
            f"least {need}, so that {LEAST_OTHERS} other sets could have been treated; "
            + ("treat fewer or find more units" if n > 1 else "find more or smaller units")
        )


def least_units(n: int) -> int:
    """Return the fewest units of which enough sets of `n`, one of each size class, can be drawn."""
    units = UNITS_A_CLASS * n
    while prod(part.size for part in np.array_split(np.arange(units), n)) <= LEAST_OTHERS:
        units += 1
    return units
