"""Whether a floor could have been nearer, against moving the money of every pair of lines."""

from __future__ import annotations

from decimal import Decimal
from itertools import product

from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.io.publish.floors import Sum, could_be_nearer

LINES = (("a",), ("b",), ("c",), ("d",))
AMOUNT = st.integers(0, 6)


@st.composite
def plans(draw):
    proposed = {line: draw(AMOUNT) for line in LINES}
    rooms = {}
    for line, money in proposed.items():
        rooms[line] = (max(money - draw(AMOUNT), 0), money + draw(AMOUNT))
    sets = st.sets(st.sampled_from(LINES), min_size=1)
    others = []
    for lines in draw(st.lists(sets, max_size=3)):
        total = sum(proposed[line] for line in lines)
        least = draw(st.one_of(st.none(), AMOUNT.map(lambda less, t=total: Decimal(t - less))))
        most = draw(st.one_of(st.none(), AMOUNT.map(lambda more, t=total: Decimal(t + more))))
        others.append(Sum(lines=frozenset(lines), least=least, most=most))
    return draw(sets), proposed, rooms, others, draw(st.integers(0, 3))


def moves(floor, proposed, rooms, others, rest):
    """Return whether some line outside can give as much as rounding may leave to one inside."""
    for giver, taker in product(set(LINES) - floor, floor):
        gives = proposed[giver] - rooms[giver][0] > rest
        takes = rooms[taker][1] - proposed[taker] > rest
        after = proposed | {
            giver: proposed[giver] - rest,
            taker: proposed[taker] + rest,
        }
        kept = True
        for item in others:
            then = sum(after[line] for line in item.lines)
            more = (taker in item.lines) - (giver in item.lines)
            kept &= not (more > 0 and item.most is not None and then > item.most)
            kept &= not (more < 0 and item.least is not None and then < item.least)
        if gives and takes and kept:
            return True
    return False


@settings(max_examples=600, deadline=None)
@given(plans())
def test_a_floor_could_be_nearer_where_one_line_can_give_and_another_take(case):
    assert could_be_nearer(*case) is moves(*case)
