"""Tonight's limits: caps that finance approved, the ramp, what is held, and the day's money.

An approved cap is law: it beats the ramp. The ramp beats a floor, which is then reached over some
nights. What cannot be met tonight becomes a reason on the plan, never a silent gap.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from types import MappingProxyType

import numpy as np

from pipeline.allocation.problem import Group
from pipeline.core.caps import Cap
from pipeline.core.errors import InfeasibleError
from pipeline.core.history import History
from pipeline.core.money import minor_digits
from pipeline.core.policy import Policy
from pipeline.core.types import BoolArray, FloatArray, Line, in_scope, scope_label
from pipeline.runs.cap_rows import Row, contradiction, reach
from pipeline.runs.lawful import Box, settled

LEARNING = "learning budget"
"""What a newcomer's least amount is called where it binds."""


@dataclass(kw_only=True)
class Limits:
    """What each line and group of lines may spend, while it is put together.

    Attributes:
        lower, upper: (n_lines,), in whole minor units of the currency.
        names: what to call a bound that binds, by (line index, "min" or "max").
        groups: sums that are limited, named like their cap's id.
        held: (n_lines,), lines that may not move but by a cap, with `why`.
        law: what the caps in force ask for, whatever the ramp.
    """

    lower: FloatArray
    upper: FloatArray
    held: BoolArray
    names: dict[tuple[int, str], str] = field(default_factory=dict)
    groups: list[Group] = field(default_factory=list)
    why: dict[int, str] = field(default_factory=dict)
    reasons: list[str] = field(default_factory=list)
    law: tuple[Row, ...] = ()


def cap_name(cap: Cap, side: str, columns: Sequence[str] = ()) -> str:
    """Return a cap as the plan names it where it binds: `cap search max`."""
    outermost = list(columns[: len(cap.scope)])
    named = cap.scope and (not columns or set(outermost) == set(cap.scope))
    order = outermost or list(cap.scope)
    label = " / ".join(cap.scope[column] for column in order) if named else scope_label(cap.scope)
    return f"cap {label if cap.scope else 'total'} {side}"


def night_limits(
    policy: Policy,
    lines: Sequence[Line],
    current: FloatArray,
    caps: Sequence[Cap],
    held_scopes: Sequence[dict[str, str]],
    distrusted: BoolArray,
    held: Mapping[Line, str] = MappingProxyType({}),
    learning: Mapping[int, float] = MappingProxyType({}),
    *,
    ending: Mapping[Line, str] = MappingProxyType({}),
    wanted: float = math.inf,
) -> Limits:
    """Return the limits of tonight's plan.

    Args:
        current: (n_lines,), what the last plan set.
        caps: in force on the plan's day.
        held_scopes: scopes whose first cap still waits for finance.
        distrusted: (n_lines,), lines whose newest day cannot be trusted.
        held: lines that stay for another reason, and that reason.
        learning: place of a line -> what it is not cut below while it learns, at most its current
            budget; caps go first.
        ending: lines that go down by the daily limit whatever they earn, and why.
        wanted: the day's money; floors that are new wait where it and the ramp leave no room.

    Raises:
        InfeasibleError: caps contradict each other, whatever the ramp and the day's money.
    """
    digits = minor_digits(policy.currency)
    ramp = policy.max_daily_change
    limits = Limits(
        lower=np.minimum(_up(current * (1 - ramp), digits), current),
        upper=np.maximum(_down(current * (1 + ramp), digits), current),
        held=np.zeros(len(lines), dtype=bool),
    )
    for index in range(len(lines)):
        limits.names[index, "min"] = limits.names[index, "max"] = "ramp"
    limits.law = _law(policy, lines, caps, digits)
    if clash := contradiction(limits.law, len(lines)):
        raise InfeasibleError(
            f"limits: {', '.join(clash)} contradict each other; have finance change one of them",
            conflict=clash,
        )
    highest = limits.upper.copy()
    for index, least in learning.items():
        if least > limits.lower[index]:
            limits.lower[index] = _down(np.array(min(least, current[index])), digits)
            limits.names[index, "min"] = LEARNING
    _hold(policy, lines, current, held_scopes, distrusted, held, limits)
    if limits.law:
        _obey(limits, current, highest, digits, wanted)
    for index, line in enumerate(lines):
        if line in ending and not limits.held[index]:
            _end(limits, index, float(current[index]), ending[line])
    return limits


def day_budget(
    policy: Policy, limits: Limits, wanted: float, spent: str = ""
) -> tuple[float, list[str]]:
    """Return the money that can be spent tonight, nearest to what is wanted, and why not all.

    Args:
        spent: how the month's money stands, where the day's is paced from it.

    Raises:
        InfeasibleError: approved floors alone ask for more than the budget of a day.
    """
    digits = minor_digits(policy.currency)
    half = 0.5 * 10.0**-digits
    size = limits.lower.size
    enough = np.full(size, sum(row.least for row in limits.law))
    asked = reach(limits.law, np.zeros(size), enough) if limits.law else None
    least = asked[0] if asked else 0.0
    floors = f"floors and contracts ask for {least:.{digits}f}"
    if least > wanted + half and policy.budget.daily is not None:
        budget = Row(name="budget", side="max", members=np.arange(size), most=wanted)
        clash = contradiction((budget, *limits.law), size)
        raise InfeasibleError(
            f"budget {wanted:.{digits}f}: the {floors} together "
            f"({', '.join(name for name in clash if name != 'budget')}); "
            "raise the budget or have finance lower a floor",
            conflict=clash,
        )
    low, high = attainable(limits)
    if wanted > high + half:
        return high, [
            f"{wanted - high:.{digits}f} of the budget {wanted:.{digits}f} cannot be placed "
            "tonight: ramp, caps and held lines allow no more"
        ]
    if wanted < low - half:
        also = f"{floors}, and " if least > wanted + half else ""
        return low, [
            f"the plan is {low - wanted:.{digits}f} above the budget {wanted:.{digits}f}"
            f"{f' ({spent})' if spent else ''}: {also}ramp and held lines "
            "allow no deeper cut in one night"
        ]
    return wanted, []


def month_words(policy: Policy, history: History, day: date) -> str:
    """Return how the month's money stands before the day; empty where a day has its own."""
    month = policy.budget.monthly
    if month is None:
        return ""
    inside = [(past.year, past.month) == (day.year, day.month) for past in history.days]
    spent = float(history.spend[np.array(inside, dtype=bool)].sum())
    digits = minor_digits(policy.currency)
    left = f"{month - spent:.{digits}f} left" if spent <= month else "nothing left"
    return f"{day:%Y-%m} has {month:.{digits}f}, {spent:.{digits}f} spent, {left}"


def attainable(limits: Limits) -> tuple[float, float]:
    """Return the least and the most money that the limits allow in all.

    Raises:
        InfeasibleError: the limits contradict each other whatever the total.
    """
    if not limits.groups:
        return float(limits.lower.sum()), float(limits.upper.sum())
    rows = [
        Row(name=group.id, side="max", members=group.members, least=group.min, most=group.max)
        for group in limits.groups
    ]
    ends = reach(rows, limits.lower, limits.upper)
    if ends is None:
        names = tuple(sorted({row.name for row in rows}))
        raise InfeasibleError(
            f"limits: {', '.join(names)} contradict each other; have finance change one of them",
            conflict=names,
        )
    return ends


def _law(
    policy: Policy,
    lines: Sequence[Line],
    caps: Sequence[Cap],
    digits: int,
) -> tuple[Row, ...]:
    """Return what the caps ask of known lines, in whole minor units."""
    rows = []
    for cap in caps:
        members = np.array(
            [i for i, line in enumerate(lines) if in_scope(line, policy.line, cap.scope)],
            dtype=np.int64,
        )
        if members.size == 0:
            continue  # a finding says so
        for side, amount in (("fixed", cap.fixed), ("max", cap.max), ("min", cap.min)):
            if amount is None:
                continue
            money = np.array(float(amount))
            exact = np.round(money, digits)
            least = {"fixed": exact, "min": _up(money, digits), "max": np.array(0.0)}[side]
            most = {"fixed": exact, "max": _down(money, digits), "min": np.array(np.inf)}[side]
            rows.append(
                Row(
                    name=cap_name(cap, side, policy.line),
                    side=side,
                    members=members,
                    least=least.item(),
                    most=most.item(),
                )
            )
    return tuple(rows)


def _hold(
    policy: Policy,
    lines: Sequence[Line],
    current: FloatArray,
    held_scopes: Sequence[dict[str, str]],
    distrusted: BoolArray,
    held: Mapping[Line, str],
    limits: Limits,
) -> None:
    for index, line in enumerate(lines):
        why = ""
        for scope in held_scopes:
            if in_scope(line, policy.line, scope):
                why = f"its cap ({scope_label(scope)}) waits for finance"
                break
        if not why and distrusted[index]:
            why = "its newest data cannot be trusted"
        why = why or held.get(line, "")
        if why:
            limits.held[index] = True
            limits.why[index] = why
            limits.lower[index] = limits.upper[index] = current[index]
            limits.names[index, "min"] = limits.names[index, "max"] = why


def _end(limits: Limits, index: int, current: float, why: str) -> None:
    """Take what ramp and caps let go; where a floor of several lines needs its money, hold it."""
    least, most = float(limits.lower[index]), float(limits.upper[index])
    limits.upper[index] = least
    try:
        attainable(limits)
    except InfeasibleError:
        limits.upper[index] = max(least, min(most, current))
        return
    limits.held[index] = True
    floor = limits.names[index, "min"]
    is_kept = floor.startswith("cap") and limits.lower[index] > 0
    limits.why[index] = f"{why}; {floor} keeps the rest" if is_kept else why
    limits.names[index, "max"] = floor if is_kept else why


def _obey(
    limits: Limits, current: FloatArray, highest: FloatArray, digits: int, wanted: float
) -> None:
    """Bring the limits under the law, nearest to what they were, and say what gave way."""
    box = Box(
        law=limits.law,
        current=current,
        lower=limits.lower,
        upper=limits.upper,
        highest=highest,
        held=limits.held,
        digits=digits,
        wanted=wanted,
    )
    found = settled(box)
    limits.lower, limits.upper = found.lower, found.upper
    limits.reasons += found.reasons
    limits.names.update(found.names)
    pinned = limits.held.copy()
    for row in sorted(limits.law, key=lambda row: -row.members.size):
        if row.side == "fixed":
            for index in row.members.tolist():
                pinned[index] = limits.held[index] = True
                limits.why[index] = f"set by {row.name}, never optimised"
                limits.names[index, "min"] = limits.names[index, "max"] = row.name
    for row, floor in zip(limits.law, found.floors.tolist(), strict=True):
        if row.side == "max" and row.members.size > 1:
            limits.groups.append(Group(id=row.name, members=row.members, max=row.most))
        if row.side == "min" and row.members.size > 1 and not pinned[row.members].all():
            limits.groups.append(Group(id=row.name, members=row.members, min=floor))


def _up(amount: FloatArray, digits: int) -> FloatArray:
    return np.asarray(np.ceil(amount * 10.0**digits - 1e-6) / 10.0**digits)


def _down(amount: FloatArray, digits: int) -> FloatArray:
    return np.asarray(np.floor(amount * 10.0**digits + 1e-6) / 10.0**digits)
