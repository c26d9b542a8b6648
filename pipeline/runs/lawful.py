"""Limits of single lines under the law of caps, as near to the ramp and to what is held as can be.

Contracts come first, then what is held, then the ramp: each gives way only as far as caps force
it, in proportion. Floors come before all three, as far as the ramp carries.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np

from pipeline.allocation.problem import BUDGET, Group, Problem
from pipeline.allocation.rounding import round_spend
from pipeline.core.errors import InfeasibleError
from pipeline.core.types import BoolArray, FloatArray
from pipeline.runs.cap_rows import Row, nearest, reach, shortfalls


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """What single lines may spend, before or after caps were brought to bear.

    Attributes:
        law: rows that no amounts contradict.
        current: (n_lines,), what is set now.
        lower, upper: (n_lines,), by ramp and by what is held.
        highest: (n_lines,), where the ramp ends, of held lines too.
        held: (n_lines,), lines that move by a cap only.
        digits: of the currency's minor unit.
        wanted: the day's money.
    """

    law: tuple[Row, ...]
    current: FloatArray
    lower: FloatArray
    upper: FloatArray
    highest: FloatArray
    held: BoolArray
    digits: int
    wanted: float

    @property
    def unit(self) -> float:
        """The smallest amount."""
        return 10.0**-self.digits

    def of(self, side: str) -> list[Row]:
        """Return the rows of one side."""
        return [row for row in self.law if row.side == side]

    def contracts(self) -> BoolArray:
        """Return the lines that a fixed amount covers, (n_lines,)."""
        out = np.zeros(self.current.size, dtype=bool)
        for row in self.of("fixed"):
            out[row.members] = True
        return out

    def too_full(self) -> list[Row]:
        """Return the largest amounts that are below today's money, contracts at what they ask."""
        free = np.where(self.contracts(), 0.0, self.current)
        outer = [
            row
            for row in self.of("fixed")
            if not any(
                other.members.size > row.members.size and np.isin(row.members, other.members).all()
                for other in self.of("fixed")
            )
        ]
        return [
            row
            for row in self.of("max")
            if float(free[row.members].sum())
            + sum(item.most for item in outer if np.isin(item.members, row.members).any())
            > row.most + self.unit / 2
        ]

    def most(self) -> FloatArray:
        """Return a finite bound of each line, (n_lines,): contracts as large as they ask."""
        asked = sum(row.most for row in self.of("fixed"))
        return np.minimum(self.upper, np.maximum(self.current, asked) + asked)

    def eased(self) -> Self:
        """Return the box in which caps may move lines: down, up to a floor, or to a contract."""
        low, high = self.lower.copy(), self.upper.copy()
        for row in self.too_full():
            low[row.members] = 0.0
        for row in self.of("min"):
            if float(self.current[row.members].sum()) < row.least - self.unit / 2:
                lifted = row.members[self.held[row.members]]
                high[lifted] = self.highest[lifted]
        contracts = self.contracts()
        return replace(
            self,
            lower=np.where(contracts, 0.0, low),
            upper=np.where(contracts, np.inf, high),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """Limits of single lines that the law allows.

    Attributes:
        lower, upper: (n_lines,), whole minor units.
        floors: for each row of the law, the least that tonight reaches.
        names: what to call bounds that caps set, by (line index, "min" or "max").
        reasons: what gave way, in words.
    """

    lower: FloatArray
    upper: FloatArray
    floors: FloatArray
    names: dict[tuple[int, str], str] = field(default_factory=dict)
    reasons: list[str] = field(default_factory=list)


def settled(box: Box) -> Settled:
    """Return the limits of single lines under the law."""
    wide, contracts = box.eased(), box.contracts()
    held = box.held & ~contracts
    rows = _reached(wide)
    low, high = wide.lower.copy(), wide.upper.copy()
    if contracts.any():
        shares = _like_today(box)
        kept = (*rows, _allowance(wide))
        amounts = _near(kept, low, high, shares, contracts, both_ways=True)
        low[contracts] = high[contracts] = _to_the_cent(box, rows, amounts, contracts)[contracts]
        rows = _reached(replace(wide, lower=low, upper=high))
    if held.any():
        kept = (*rows, _allowance(replace(wide, lower=low, upper=high)))
        amounts = _near(kept, low, high, box.current, held, both_ways=True)
        still = np.abs(amounts - box.current) < box.unit / 2
        amounts = np.where(still, box.current, _down(amounts, box.digits))
        low[held] = high[held] = amounts[held]
        rows = _reached(replace(wide, lower=low, upper=high))
    free = ~(contracts | held)
    if free.any():
        amounts = _near(rows, low, high, box.lower, free, both_ways=False)
        cut = free & (amounts < box.lower - box.unit / 2)
        low[free] = np.where(cut, _down(amounts, box.digits), box.lower)[free]
    return _told(box, low, high, rows)


def _told(box: Box, low: FloatArray, high: FloatArray, rows: tuple[Row, ...]) -> Settled:
    """Return the settled limits with the words for what gave way, and bounds of single lines."""
    contracts = box.contracts()
    pinned = box.held | contracts
    reasons = _cuts(box, low, pinned)
    raised = box.held & ~contracts & (low > box.current + box.unit / 2)
    reasons += [
        f"{row.name} is above what is held there today; held lines are raised to it"
        for row in box.of("min")
        if raised[row.members].any()
    ]
    reasons += _late(box, rows)
    names: dict[tuple[int, str], str] = {}
    blamed = box.too_full()
    for row in blamed:
        for index in row.members[low[row.members] < box.lower[row.members]].tolist():
            if not pinned[index]:
                names[index, "min"] = row.name
    for row in rows:
        inside = row.members[~pinned[row.members]]
        if row.side == "max":
            room = row.most - float(low[row.members[pinned[row.members]]].sum())
            capped = inside[room <= high[inside]]
            names |= {(index, "max"): row.name for index in capped.tolist()}
            high[inside] = np.maximum(np.minimum(high[inside], room), low[inside])
        elif row.side == "min" and row.members.size == 1 and inside.size:
            index = int(inside[0])
            if row.least >= low[index]:
                low[index] = min(row.least, high[index])
                names[index, "min"] = row.name
    floors = np.array([row.least for row in rows])
    return Settled(lower=low, upper=high, floors=floors, names=names, reasons=reasons)


def _cuts(box: Box, low: FloatArray, pinned: BoolArray) -> list[str]:
    """Return which largest amounts took lines below the ramp, or below what is held."""
    cut = low < box.lower - box.unit / 2
    cut &= ~box.contracts()
    if not cut.any():
        return []
    before = np.where(box.contracts(), low, box.lower)
    over = [row for row in box.too_full() if cut[row.members].any()]
    forcing = [row for row in over if before[row.members].sum() > row.most + box.unit / 2]
    told = np.zeros(cut.size, dtype=bool)
    for row in forcing:
        told[row.members] = True
    forcing += [row for row in over if row not in forcing and (cut & ~told)[row.members].any()]
    return [
        f"{row.name} is below what is held there today; held lines are cut to it"
        if (cut & pinned)[row.members].any()
        else f"{row.name} asks for a deeper cut than the ramp; the cap goes first"
        for row in forcing
    ]


def _late(box: Box, rows: tuple[Row, ...]) -> list[str]:
    """Return which floors tonight does not reach, and whether the ramp ever will."""
    late = [
        place for place, row in enumerate(rows) if row.least < box.law[place].least - box.unit / 2
    ]
    if not late:
        return []
    asleep = (box.current <= 0) & ~box.contracts()
    never = shortfalls(box.law, np.zeros(asleep.size), np.where(asleep, 0.0, np.inf))
    return [
        f"{rows[place].name} cannot be reached by the ramp, which starts no line that stands at 0: "
        "have finance approve a fixed amount for those"
        if never is not None and never[place] > box.unit / 2
        else f"{rows[place].name} is reached over several nights: "
        f"the ramp allows {rows[place].least:.{box.digits}f}"
        for place in late
    ]


def _allowance(box: Box) -> Row:
    """Return the most money of all lines: no floor lifts it above the day's money and today's."""
    law = [row for row in box.law if row.side != "min"]
    ends = reach(law, box.lower, np.maximum(box.lower, box.most()))
    if ends is None:
        names = tuple(row.name for row in law)
        raise InfeasibleError(
            f"limits: {', '.join(names)} cannot be kept together tonight; "
            "have finance change one of them",
            conflict=names,
        )
    money = max(ends[0], box.wanted, float(box.current.sum()))
    return Row(name=BUDGET, side="max", members=np.arange(box.current.size), most=money)


def _reached(box: Box) -> tuple[Row, ...]:
    """Return the law with every floor as high as box and allowance let it be, in minor units."""
    short = shortfalls((*box.law, _allowance(box)), box.lower, box.upper)
    if short is None:
        raise InfeasibleError("limits: no amounts keep the caps; report these caps as a defect")
    return tuple(
        replace(row, least=max(float(_down(np.array(row.least - miss), box.digits)), 0.0))
        if miss > box.unit / 2
        else row
        for row, miss in zip(box.law, short.tolist(), strict=False)
    )


def _like_today(box: Box) -> FloatArray:
    """Return every contract's money shared over its lines like today's; inner contracts first."""
    out, open_ = np.zeros(box.current.size), np.ones(box.current.size, dtype=bool)
    for row in sorted(box.of("fixed"), key=lambda row: row.members.size):
        lines = row.members[open_[row.members]]
        rest = max(row.most - float(out[row.members].sum()), 0.0)
        base = box.current[lines]
        total = float(base.sum())
        out[lines] = rest * (base / total if total > 0 else 1 / max(lines.size, 1))
        open_[row.members] = False
    return out


def _near(
    rows: tuple[Row, ...],
    low: FloatArray,
    high: FloatArray,
    wanted: FloatArray,
    which: BoolArray,
    *,
    both_ways: bool,
) -> FloatArray:
    found = nearest(rows, low, high, wanted, which, both_ways=both_ways)
    if found is None:  # floors were made to fit these very bounds
        raise InfeasibleError("limits: no amounts keep the caps; report these caps as a defect")
    return found


def _to_the_cent(
    box: Box, rows: tuple[Row, ...], amounts: FloatArray, contracts: BoolArray
) -> FloatArray:
    """Return the contracts' amounts in whole minor units that still add up to every contract."""
    groups = []
    for row in rows:
        inside = row.members[contracts[row.members]]
        least = row.least if inside.size == row.members.size else 0.0
        if inside.size:
            groups.append(Group(id=row.name, members=inside, min=least, max=row.most))
    size = amounts.size
    total = float(np.round(amounts[contracts].sum(), box.digits))
    problem = Problem.from_tables(
        ids=[str(index) for index in range(size)],
        spend=np.tile([0.0, 1.0], (size, 1)),
        value=np.zeros((size, 2)),
        lower=np.zeros(size),
        upper=np.where(contracts, 2 * total, 0.0),
        budget=total,
        groups=groups,
    )
    return round_spend(problem, np.where(contracts, amounts, 0.0), box.unit)


def _down(amount: FloatArray, digits: int) -> FloatArray:
    return np.asarray(np.floor(amount * 10.0**digits + 1e-4) / 10.0**digits)
