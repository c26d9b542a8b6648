"""Whether a floor that a plan does not reach could have been nearer, by moving money of the plan.

Shares no code with what set the limits: it looks for one line of the floor that can take more and
one outside of it that can give, with every cap kept that is full or bare.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from decimal import Decimal

from pipeline.core.types import Line


@dataclass(frozen=True, slots=True, kw_only=True)
class Sum:
    """Another cap than the floor, in minor units; a fixed amount is its least and its most."""

    lines: Set[Line]
    least: Decimal | None
    most: Decimal | None


def could_be_nearer(
    floor: Set[Line],
    proposed: Mapping[Line, int],
    rooms: Mapping[Line, tuple[int, int]],
    others: Sequence[Sum],
    rest: int,
) -> bool:
    """Return whether money outside of the floor could go to one of its lines.

    Args:
        rooms: the least and the most that each line may be set to.
        rest: minor units that rounding may leave; less than that is nothing.
    """
    full, bare = set[int](), set[int]()
    for place, item in enumerate(others):
        total = sum(proposed[line] for line in item.lines)
        if item.most is not None and total + rest > item.most:
            full.add(place)
        if item.least is not None and total - rest < item.least:
            bare.add(place)
    takers = _kinds((line for line in floor if rooms[line][1] - proposed[line] > rest), others)
    givers = _kinds(
        (line for line in set(proposed) - floor if proposed[line] - rooms[line][0] > rest), others
    )
    return any(
        full & taker <= giver and bare & giver <= taker for taker in takers for giver in givers
    )


def _kinds(lines: Iterable[Line], others: Sequence[Sum]) -> set[frozenset[int]]:
    """Return the sets of caps, by place, that some line counts against."""
    return {
        frozenset(place for place, item in enumerate(others) if line in item.lines)
        for line in lines
    }
