"""Where the money comes from and where it goes: the two sides of a plan, adding up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.core.money import from_minor, to_minor
from pipeline.io.reports.lines import LineView
from pipeline.io.reports.words import label, plural

MOST_ROWS = 6  # on one side; the rest is one row
MOST_LINES = 16  # that change, up to which each is a row of its own


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowRow:
    """One giver or taker: what it gives or takes, positive; its bar's width and what is left."""

    name: str
    note: str
    amount: float
    width: str
    start: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowSide:
    """Givers or takers, the largest first; their rows add up to the total."""

    total: float
    rows: Sequence[FlowRow]


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowView:
    """Both sides on one scale. `grouped` names the column that rows are summed over, if any."""

    taken: FlowSide
    added: FlowSide
    grouped: str


def flow_view(lines: Sequence[LineView], columns: Sequence[str], currency: str) -> FlowView | None:
    """Return the sides of the plan; None where no money moves.

    Few changes are shown line by line. Many are summed over the outermost level, givers and
    takers of a group apart: a net figure would hide what moves inside it.
    """
    changing = [line for line in lines if line.change]
    if not changing:
        return None
    is_grouped = len(changing) > MOST_LINES and len(columns) > 1
    sides = [_sums(changing, sign, currency, grouped=is_grouped) for sign in (-1, 1)]
    shown = [_fold(side) for side in sides]
    most = max(amount for side in shown for _, _, amount in side)
    taken, added = (_side(side, most, currency) for side in shown)
    return FlowView(taken=taken, added=added, grouped=label(columns[0]) if is_grouped else "")


_Sum = tuple[str, int, int]  # name, lines, minor units


def _sums(lines: Sequence[LineView], sign: int, currency: str, *, grouped: bool) -> list[_Sum]:
    found: dict[str, tuple[int, int]] = {}
    for line in lines:
        change = sign * to_minor(line.change, currency)
        if change > 0:
            name = label(line.key[0]) if grouped else line.name
            count, total = found.get(name, (0, 0))
            found[name] = (count + 1, total + change)
    sums = [(name, count if grouped else 0, total) for name, (count, total) in found.items()]
    return sorted(sums, key=lambda item: (-item[2], item[0]))


def _fold(sums: list[_Sum]) -> list[_Sum]:
    if len(sums) <= MOST_ROWS:
        return sums
    kept, rest = sums[: MOST_ROWS - 1], sums[MOST_ROWS - 1 :]
    lines = sum(max(count, 1) for _, count, _ in rest)
    return [*kept, (plural(lines, "more line"), 0, sum(total for _, _, total in rest))]


def _side(sums: list[_Sum], most: int, currency: str) -> FlowSide:
    return FlowSide(
        total=from_minor(sum(total for _, _, total in sums), currency),
        rows=[
            FlowRow(
                name=name,
                note=plural(count, "line") if count else "",
                amount=from_minor(total, currency),
                width=f"{100 * total / most:.2f}%",
                start=f"{100 - 100 * total / most:.2f}%",
            )
            for name, count, total in sums
        ],
    )
