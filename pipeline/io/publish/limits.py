"""The hard limits, checked again where money leaves the house.

Whatever model and solver say: no published plan exceeds a cap, the change allowed from what is set
now, or the total; a held line and one that people fixed on purpose do not move; every line is
accounted for. Whole minor units and exact shares only. This shares no code with the solver or with
its verifier.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from pipeline.core.caps import Cap
from pipeline.core.findings import Level
from pipeline.core.money import minor_digits
from pipeline.core.plan import Plan
from pipeline.core.types import Line
from pipeline.io.publish.floors import Sum, could_be_nearer
from pipeline.io.publish.scopes import exceeds, falls_short, is_inside, lines_in, part_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Fixed:
    """Lines that people fixed for the plan's day: declared safe ground, a running test, a holdout.

    Attributes:
        scope: the lines; an empty one means all of them.
        among: column -> its values that are meant; `line` names whole lines. Empty means all.
        why: as the refusal says it.
    """

    scope: Mapping[str, str]
    among: tuple[str, frozenset[str]] | None = None
    why: str


FIRST_EXCESS = 2
"""How many times the policy's total a first plan may add up to, coming down from what is spent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a plan is held against, read from the policy and the ledger and not from the plan.

    `set_now` is the last published plan's budget of each line in minor units; `total` is the most
    that the policy gives, None where it is paced, and `exactly` whether all of it has to be spent;
    `held` are scopes whose lines must not move before finance has approved their cap; `fixed` are
    lines that must not move because people declared so.
    """

    caps: tuple[Cap, ...]
    held: tuple[dict[str, str], ...]
    max_daily_change: float
    total: float | None
    exactly: bool
    set_now: Mapping[Line, int]
    fixed: tuple[Fixed, ...] = ()


def breaches(plan: Plan, limits: Limits) -> tuple[str, ...]:
    """Return every way in which the plan exceeds its limits; empty when it may be published."""
    scale = Decimal(10) ** minor_digits(plan.currency)
    columns = plan.line_columns
    problems: list[str] = []
    set_now = _under_new_names(plan, limits)
    limits = replace(limits, set_now=set_now)
    current: dict[Line, int] = {}
    proposed: dict[Line, int] = {}
    for item in plan.lines:
        line = tuple(item.line[column] for column in columns)
        if line in proposed:
            problems.append(f"line {_name(line)} is given twice")
        amounts = [_whole(value, scale) for value in (item.current, item.proposed)]
        if amounts[0] is None or amounts[1] is None or amounts[1] < 0:
            problems.append(
                f"line {_name(line)}: {item.proposed!r} from {item.current!r} is no amount of money"
            )
            continue
        current[line] = limits.set_now.get(line, amounts[0])
        proposed[line] = amounts[1]
    problems += _missing(proposed, limits.set_now)
    problems += _total(plan, current, proposed, limits, scale)
    problems += _steps(columns, current, proposed, limits, scale)
    problems += _caps(plan, current, proposed, limits, scale)
    return tuple(problems)


def _under_new_names(plan: Plan, limits: Limits) -> dict[Line, int]:
    """Return what is set now, of lines of which the signer is told a new name under that.

    A line that people fixed or finance holds has to be accounted for under its own name.
    """
    told = {
        item.value: item.line
        for item in plan.findings
        if item.check == "renamed" and item.level is Level.REVIEW and item.line
    }
    kept = {line for line, amount in plan.budgets.items() if amount}
    set_now = dict(limits.set_now)
    for line, amount in limits.set_now.items():
        new = told.get(" / ".join(line))
        if new is None or line in kept or _why_it_stays(line, plan.line_columns, limits):
            continue
        del set_now[line]
        if not limits.set_now.get(new) and not _why_it_stays(new, plan.line_columns, limits):
            set_now[new] = amount
    return set_now


def _whole(amount: float, scale: Decimal) -> int | None:
    """Return the amount in whole minor units, None if it is not one."""
    value = Decimal(repr(amount))
    if not value.is_finite():
        return None
    minor = value * scale
    return int(minor) if minor == minor.to_integral_value() else None


def _missing(proposed: Mapping[Line, int], set_now: Mapping[Line, int]) -> list[str]:
    return [
        f"line {_name(line)} has money in the last published plan and is not in this one"
        for line, amount in sorted(set_now.items())
        if amount and line not in proposed
    ]


def _total(
    plan: Plan,
    current: Mapping[Line, int],
    proposed: Mapping[Line, int],
    limits: Limits,
    scale: Decimal,
) -> list[str]:
    """Return what is wrong with the sum.

    Where today's budgets are above the total and may only come down step by step, the plan says so
    among its reasons and must not be above today's. Before anything was published, today's are only
    what the plan itself says, and are believed up to a multiple of the total.
    """
    budget = _whole(plan.budget, scale)
    if budget is None:
        return [f"the budget {plan.budget!r} is no amount of money"]
    total = sum(proposed.values())
    allowed = budget
    if limits.total is not None:
        allowed = min(allowed, int(Decimal(repr(limits.total)) * scale))
    if plan.reasons:
        today = sum(current.values())
        if not limits.set_now and limits.total is not None:
            today = min(today, int(FIRST_EXCESS * Decimal(repr(limits.total)) * scale))
        allowed = max(allowed, today)
    problems = []
    if total > allowed:
        problems.append(
            f"the lines add up to {Decimal(total) / scale}, "
            f"the budget is {Decimal(allowed) / scale}"
        )
    if limits.exactly and total != budget and not plan.reasons:
        problems.append("the lines do not add up to the budget and no reason is given")
    return problems


def _steps(
    columns: Sequence[str],
    current: Mapping[Line, int],
    proposed: Mapping[Line, int],
    limits: Limits,
    scale: Decimal,
) -> list[str]:
    """Return the lines that change too much, or at all where they are held.

    A cap that finance signed comes first: money that is above it may be cut by any step, a fixed
    amount, checked as a sum, may be reached by any step, and what is below a floor may rise to it.
    """
    problems = []
    for line, (least, most) in _rooms(columns, current, limits, scale).items():
        if line in proposed and not least <= proposed[line] <= most:
            rule = _why_it_stays(line, columns, limits)
            rule = rule or f"{Decimal(repr(limits.max_daily_change)):.0%} a day"
            moved = f"{Decimal(proposed[line]) / scale} from {Decimal(current[line]) / scale}"
            problems.append(f"line {_name(line)}: {moved}, {rule}")
    return problems


def _rooms(
    columns: Sequence[str],
    current: Mapping[Line, int],
    limits: Limits,
    scale: Decimal,
    floor: set[Line] | None = None,
) -> dict[Line, tuple[int, int]]:
    """Return the least and the most that each line may be set to.

    Args:
        floor: lines for whose sake others are asked to give: one over a cap that is not also
            theirs is cut no deeper than its part of the cap.
    """
    share = Decimal(repr(limits.max_daily_change))
    over = [cap for cap in limits.caps if exceeds(cap, columns, current, limits.caps, scale)]
    under = [cap for cap in limits.caps if falls_short(cap, columns, current, scale)]
    rooms = {}
    for line, now in sorted(current.items()):
        most = int((Decimal(now) * (1 + share)).to_integral_value(ROUND_FLOOR))
        least = int((Decimal(now) * (1 - share)).to_integral_value(ROUND_CEILING))
        if _why_it_stays(line, columns, limits):
            least = now
            is_lifted = any(is_inside(line, columns, cap.scope) for cap in under)
            most = most if is_lifted else now
        for cap in limits.caps:
            if cap.fixed is not None and is_inside(line, columns, cap.scope):
                most = max(most, int(Decimal(repr(cap.fixed)) * scale))
                least = 0
        for cap in over:
            if is_inside(line, columns, cap.scope):
                asks = floor is None or not floor.isdisjoint(lines_in(cap, columns, current))
                part = 0 if asks else part_of(now, cap, columns, current, scale)
                least = min(least, part)
        rooms[line] = (least, most)
    return rooms


def _why_it_stays(line: Line, columns: Sequence[str], limits: Limits) -> str:
    """Return why a line must not move at all; empty where it may."""
    if any(is_inside(line, columns, scope) for scope in limits.held):
        return "it is held until finance approves its cap"
    for fixed in limits.fixed:
        if is_inside(line, columns, fixed.scope) and _is_among(line, columns, fixed):
            return f"it stays: {fixed.why}"
    return ""


def _is_among(line: Line, columns: Sequence[str], fixed: Fixed) -> bool:
    if fixed.among is None:
        return True
    column, values = fixed.among
    if column == "line":
        return " / ".join(line) in values
    return column in columns and line[list(columns).index(column)] in values


def _caps(
    plan: Plan,
    current: Mapping[Line, int],
    proposed: Mapping[Line, int],
    limits: Limits,
    scale: Decimal,
) -> list[str]:
    """Return the caps that are broken.

    A floor may be reached over some nights where that is said and its lines can take no more
    tonight; a plan that leaves everything as it is may leave floors as they are, if it says why.
    """
    problems = []
    rests = all(current[line] == amount for line, amount in proposed.items())
    for cap in limits.caps:
        members = [line for line in proposed if is_inside(line, plan.line_columns, cap.scope)]
        if not members:
            continue
        total = Decimal(sum(proposed[line] for line in members)) / scale
        least, most = (cap.min, cap.max) if cap.fixed is None else (cap.fixed, cap.fixed)
        scope = ", ".join(f"{key}={value}" for key, value in sorted(cap.scope.items())) or "all"
        if most is not None and total > Decimal(repr(most)):
            problems.append(f"{scope}: {total} is above the cap {most:g} ({cap.id})")
        if least is None or total >= Decimal(repr(least)):
            continue
        must_reach = cap.fixed is not None or not plan.reasons
        if must_reach or not (
            rests or _is_at_its_best(cap, plan.line_columns, current, proposed, limits, scale)
        ):
            problems.append(f"{scope}: {total} is below the floor {least:g} ({cap.id})")
    return problems


def _is_at_its_best(
    floor: Cap,
    columns: Sequence[str],
    current: Mapping[Line, int],
    proposed: Mapping[Line, int],
    limits: Limits,
    scale: Decimal,
) -> bool:
    """Return whether no line of the floor can take more from a line outside of it.

    The total stays, as does every cap that is full or bare; what rounding may leave is forgiven.
    Under another cap nothing is cut deeper than ramp and cap ask, for the sake of a floor.
    """
    own = lines_in(floor, columns, proposed)
    rest = 1 + len(own)
    if Decimal(repr(floor.min)) * scale - sum(proposed[line] for line in own) <= rest:
        return True
    sums = []
    for cap in limits.caps:
        ends = (cap.min, cap.max) if cap.fixed is None else (cap.fixed, cap.fixed)
        least, most = (None if end is None else Decimal(repr(end)) * scale for end in ends)
        if cap is not floor:
            lines = lines_in(cap, columns, proposed)
            sums.append(Sum(lines=lines, least=least, most=most))
    rooms = _rooms(columns, current, limits, scale, own)
    return not could_be_nearer(own, proposed, rooms, sums, rest)


def _name(line: Line) -> str:
    return "/".join(line)
