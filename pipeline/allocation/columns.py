"""What a master program mixes: limits as rows, spends on offer as columns."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from pipeline.allocation.box import Box
from pipeline.allocation.problem import BUDGET, Problem
from pipeline.core.types import FloatArray, IntArray

_AROUND = (0.8, 0.9, 0.97, 1.0, 1.03, 1.1, 1.25)
_KEPT = 3  # columns on each side of a line's spend that outlive a round, and the outermost one
_SAME = 1e-13  # of a line's most spend: offers closer than this are one


@dataclass(slots=True)
class Columns:
    """The spends on offer: which line, how much, and what each adds to every row."""

    line: IntArray
    spend: FloatArray
    value: FloatArray
    rails: FloatArray
    unit: FloatArray
    seen: set[tuple[int, float]] = field(default_factory=set)
    margin: float = 2e-9  # of a row's scale: kept from it, so that rounding does not break it;
    # below 0, by how much every limit is eased that only rounding contradicts

    def inside(self, box: Box) -> Columns:
        """Return the columns whose spends a smaller box allows."""
        low, high, gate = box.low[self.line], box.high[self.line], box.gate[self.line]
        keep = (self.spend >= low) & (self.spend <= high)
        keep &= (self.spend == low) | (self.spend >= gate)
        keys = zip(
            self.line[keep].tolist(),
            np.round(self.spend[keep] / self.unit[self.line[keep]]).tolist(),
            strict=True,
        )
        return Columns(
            self.line[keep], self.spend[keep], self.value[keep], self.rails[keep], self.unit,
            set(keys), self.margin,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Rows:
    """The limits as rows: sums of spend inside two numbers, and rails above one."""

    names: tuple[str, ...]
    members: tuple[IntArray, ...]
    least: FloatArray
    most: FloatArray
    thresholds: FloatArray

    def sums(self, each: FloatArray) -> FloatArray:
        """Return every row's sum of an amount per line, (n_rows,)."""
        return np.array([each[members].sum() for members in self.members])

    def shares(self, price: FloatArray) -> FloatArray:
        """Return per line the sum of its rows' prices, (n_lines,)."""
        out = np.zeros(self.members[0].size)
        for members, own in zip(self.members, price.tolist(), strict=True):
            if own:
                out[members] += own
        return out

    def paid(self, price: FloatArray) -> float:
        """Return what rows at these prices add to a bound: a cap's price is above 0."""
        ends = np.where(price > 0, self.most, self.least)
        return float(price[price != 0] @ ends[price != 0])


def limit_rows(problem: Problem) -> Rows:
    """Return the limits of a problem as rows, the total first."""
    everyone = np.arange(problem.size)
    names, members = [BUDGET], [everyone]
    least = [problem.budget if problem.exactly else 0.0]
    most = [problem.budget]
    for group in problem.groups:
        names.append(group.id)
        members.append(group.members)
        least.append(group.min)
        most.append(group.max)
    constants = [
        rail.threshold - sum(weight * part.constant for weight, part in rail.terms())
        for rail in problem.guardrails
    ]
    return Rows(
        tuple(names),
        tuple(members),
        np.array(least),
        np.array(most),
        np.array(constants, dtype=float),
    )


def first_columns(problem: Problem, box: Box, start: FloatArray | None) -> Columns:
    """Return spends to begin with: over the box, and around a split that may be near."""
    columns = Columns(
        np.zeros(0, dtype=np.int64),
        np.zeros(0),
        np.zeros(0),
        np.zeros((0, len(problem.guardrails))),
        np.where(np.isfinite(box.high) & (box.high > 0), box.high, 1.0) * _SAME,
    )
    floor = np.where((box.gate > 0) & (box.low < box.gate), box.gate, box.low)
    top = np.where(np.isfinite(box.high), box.high, floor + 1.0)
    offers = [box.low, *(floor + share * (top - floor) for share in np.linspace(0, 1, 5))]
    if start is not None:
        offers += [np.clip(scale * start, box.low, box.high) for scale in _AROUND]
    for offer in offers:
        gated = (offer > box.low) & (offer < box.gate)
        add_columns(problem, columns, np.where(gated, box.low, offer))
    return columns


def add_columns(problem: Problem, columns: Columns, *offers: FloatArray) -> bool:
    """Add the offered spends, one per line, that are new; return whether any was."""
    added = False
    for spends in offers:
        keys = list(enumerate(np.round(spends / columns.unit).tolist()))
        chosen = np.array([key[0] for key in keys if key not in columns.seen], dtype=np.int64)
        if not chosen.size:
            continue
        columns.seen.update(keys[line] for line in chosen.tolist())
        columns.line = np.concatenate([columns.line, chosen])
        columns.spend = np.concatenate([columns.spend, spends[chosen]])
        values = problem.curves.value(spends)
        columns.value = np.concatenate([columns.value, values[chosen]])
        columns.rails = np.concatenate([columns.rails, rail_terms(problem, spends)[chosen]])
        added = True
    return added


def prune_columns(columns: Columns, spend: FloatArray, mix: FloatArray) -> None:
    """Drop unused columns that are far from what the line is given; a useful one comes again.

    Args:
        mix: (n_columns,), how much of each the last round used.
    """
    rest = columns.spend - spend[columns.line]
    keep = mix > 0
    for side in (rest >= 0, rest <= 0):
        chosen = np.flatnonzero(side)
        order = chosen[np.lexsort((np.abs(rest[chosen]), columns.line[chosen]))]
        lines = columns.line[order]
        first = np.searchsorted(lines, lines)
        rank = np.arange(order.size) - first
        last = np.append(lines[1:] != lines[:-1], True)[: order.size]
        keep[order[(rank < _KEPT) | last]] = True
    columns.line, columns.spend = columns.line[keep], columns.spend[keep]
    columns.value, columns.rails = columns.value[keep], columns.rails[keep]
    kept = zip(
        columns.line.tolist(),
        np.round(columns.spend / columns.unit[columns.line]).tolist(),
        strict=True,
    )
    columns.seen = set(kept)


def rail_terms(problem: Problem, spend: FloatArray) -> FloatArray:
    """Return what each line adds to each guardrail's row, (n_lines, n_rails)."""
    out = np.zeros((problem.size, len(problem.guardrails)))
    for index, rail in enumerate(problem.guardrails):
        for weight, part in rail.terms():
            each = weight * problem.per_line(part.metric, spend)
            inside = slice(None) if part.members is None else part.members
            out[inside, index] += each[inside]
    return out


def rail_weight(problem: Problem, rail_price: FloatArray, metric: str) -> FloatArray:
    """Return how much a unit of a metric counts on each line at the rails' prices."""
    out = np.zeros(problem.size)
    for price, rail in zip(rail_price.tolist(), problem.guardrails, strict=True):
        for weight, part in rail.terms():
            if part.metric == metric:
                out[slice(None) if part.members is None else part.members] += price * weight
    return out


def scale_of_money(problem: Problem) -> float:
    """Return an amount that the problem's sums are measured in."""
    if np.isfinite(problem.budget) and problem.budget > 0:
        return problem.budget
    finite = problem.upper[np.isfinite(problem.upper)]
    return float(finite.sum()) or 1.0
