"""What lies inside a cap, and whether today's budgets break it.

Whole minor units and exact shares, read by the limits that are checked before money leaves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

from pipeline.core.caps import Cap
from pipeline.core.types import Line


def is_inside(line: Line, columns: Sequence[str], scope: Mapping[str, str]) -> bool:
    """Return whether a line is in a scope; a column that the portfolio has not matches nothing."""
    place = {column: position for position, column in enumerate(columns)}
    return all(key in place and line[place[key]] == value for key, value in scope.items())


def lines_in(cap: Cap, columns: Sequence[str], amounts: Mapping[Line, int]) -> set[Line]:
    """Return the lines that count against a cap."""
    return {line for line in amounts if is_inside(line, columns, cap.scope)}


def sum_in(cap: Cap, columns: Sequence[str], amounts: Mapping[Line, int]) -> int:
    """Return the money inside a cap's scope, in minor units."""
    return sum(amount for line, amount in amounts.items() if is_inside(line, columns, cap.scope))


def part_of(
    now: int, cap: Cap, columns: Sequence[str], current: Mapping[Line, int], scale: Decimal
) -> int:
    """Return what a line gets of a cap that is shared like today's money."""
    return int(now * Decimal(repr(cap.max)) * scale / max(sum_in(cap, columns, current), 1))


def exceeds(
    cap: Cap,
    columns: Sequence[str],
    amounts: Mapping[Line, int],
    caps: Sequence[Cap],
    scale: Decimal,
) -> bool:
    """Return whether a scope has more than its cap, contracts that reach into it at what they ask.

    A contract inside another one is part of it.
    """
    if cap.max is None:
        return False
    bound: set[Line] = set()
    total = Decimal(0)
    contracts = [
        (Decimal(repr(item.fixed)) * scale, lines_in(item, columns, amounts))
        for item in caps
        if item.fixed is not None
    ]
    here = lines_in(cap, columns, amounts)
    for asked, lines in contracts:
        bound |= lines
        if lines & here and not any(lines < wider for _, wider in contracts):
            total += asked
    total += sum(amounts[line] for line in here - bound)
    return total > Decimal(repr(cap.max)) * scale


def falls_short(
    cap: Cap, columns: Sequence[str], amounts: Mapping[Line, int], scale: Decimal
) -> bool:
    """Return whether a scope has less than its floor."""
    total = sum_in(cap, columns, amounts)
    return cap.min is not None and total < Decimal(repr(cap.min)) * scale
