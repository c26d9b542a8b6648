"""A second pair of eyes: does a finished plan obey what people decided?

Nothing here is shared with the solver. Money is compared as whole minor units, caps are read as
finance wrote them, and guardrails are computed from the posterior's own tables.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass

import numpy as np

from pipeline.core.caps import Cap
from pipeline.core.curves import ResponseTable
from pipeline.core.findings import Finding, Level
from pipeline.core.money import from_minor, plain_money, to_minor
from pipeline.core.types import Line, line_label, scope_label

_LEEWAY = 0.005  # relative; straight lines between knots are this far from the curve at most
SOURCE = "verify"


@dataclass(frozen=True, slots=True, kw_only=True)
class RatioCheck:
    """A guardrail to recompute: `over / per` on some lines; spend where a table is None.

    Attributes:
        lines: what counts.
        has_per: whether it is a ratio; else `over` itself is limited.
    """

    name: str
    lines: tuple[Line, ...]
    over: ResponseTable | None
    per: ResponseTable | None = None
    has_per: bool = True
    min: float | None = None
    max: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What a plan has to obey.

    Attributes:
        columns: the portfolio's line columns.
        total: the day's money; None where no total is asked for.
        exactly: whether all of it has to be spent.
        caps: in force on the plan's day.
        current: today's budget per line.
        max_change: the most that a line may move, as a share of its current budget.
        held: lines that may not move.
        checks: guardrails.
    """

    columns: tuple[str, ...]
    currency: str
    total: float | None
    exactly: bool
    caps: tuple[Cap, ...] = ()
    current: Mapping[Line, float]
    max_change: float = 1.0
    held: Collection[Line] = ()
    checks: Sequence[RatioCheck] = ()

    def say(self, amount: float) -> str:
        """Return an amount with the decimals of the currency."""
        return plain_money(amount, self.currency)


def verify_plan(budgets: Mapping[Line, float], rules: Rules) -> list[Finding]:
    """Return one PASS, or a finding for every rule that the budgets break."""
    problems = [
        *_amounts(budgets, rules),
        *_total(budgets, rules),
        *_caps(budgets, rules),
        *_ramps(budgets, rules),
        *_guardrails(budgets, rules),
    ]
    if problems:
        return problems
    return [
        Finding(
            level=Level.PASS,
            check="plan verified",
            message=f"{len(budgets)} lines obey total, {len(rules.caps)} caps, ramp and guardrails",
            source=SOURCE,
        )
    ]


def _fail(
    check: str, message: str, *, level: Level = Level.FAIL, line: Line | None = None
) -> Finding:
    return Finding(
        level=level,
        check=check,
        message=message,
        advice="do not sign; report this plan" if level is Level.FAIL else "",
        source=SOURCE,
        line=line,
    )


def _amounts(budgets: Mapping[Line, float], rules: Rules) -> Iterator[Finding]:
    for line in sorted(set(budgets) ^ set(rules.current)):
        where = "has no current budget" if line in budgets else "is missing in the plan"
        yield _fail("lines", f"{line_label(line)} {where}", line=line)
    for line, amount in sorted(budgets.items()):
        if not (np.isfinite(amount) and amount >= 0):
            yield _fail("amount", f"{line_label(line)}: {amount!r} is not an amount", line=line)
        elif abs(_whole(amount, rules.currency) - amount) > 1e-9 * max(1.0, amount):
            yield _fail("amount", f"{line_label(line)}: {amount!r} is not whole cents", line=line)


def _total(budgets: Mapping[Line, float], rules: Rules) -> Iterator[Finding]:
    if rules.total is None:
        return
    spent = _sum(budgets, rules)
    money = to_minor(rules.total, rules.currency)
    if spent > money or (rules.exactly and spent < money):
        yield _fail(
            "total",
            f"lines add up to {rules.say(from_minor(spent, rules.currency))}, "
            f"the budget is {rules.say(rules.total)}",
        )


def _caps(budgets: Mapping[Line, float], rules: Rules) -> Iterator[Finding]:
    for cap in rules.caps:
        inside = {line: money for line, money in budgets.items() if cap.covers(line, rules.columns)}
        if not inside:
            continue
        spent = _sum(inside, rules)
        name = f"cap {scope_label(cap.scope)}"
        amount = from_minor(spent, rules.currency)
        if cap.fixed is not None and spent != to_minor(cap.fixed, rules.currency):
            yield _fail(
                "cap",
                f"{name}: {rules.say(amount)} planned, fixed at {rules.say(cap.fixed)}",
            )
        if cap.max is not None and amount > cap.max + 1e-9 * cap.max:
            yield _fail(
                "cap",
                f"{name}: {rules.say(amount)} planned, at most {rules.say(cap.max)} allowed",
            )
    yield from _floors(budgets, rules)


def _floors(budgets: Mapping[Line, float], rules: Rules) -> Iterator[Finding]:
    """Yield the floors that are not reached; for review where no split comes nearer to them."""
    short: dict[int, tuple[float, int]] = {}
    for place, cap in enumerate(rules.caps):
        inside = {line: money for line, money in budgets.items() if cap.covers(line, rules.columns)}
        asked = 0 if cap.min is None else to_minor(cap.min, rules.currency)
        if inside and (spent := _sum(inside, rules)) < asked:
            short[place] = (from_minor(asked - spent, rules.currency), len(inside))
    if not short:
        return
    missing = sum(amount for amount, _ in short.values())
    scopes = _scopes(rules)
    lifted = set[Line]().union(*(scopes[place][1] for place in short))
    rounding = 2 * from_minor(sum(lines for _, lines in short.values()), rules.currency)
    unavoidable = max(
        _least_shortfall(list(budgets), rules, _rooms(rules, floors)) for floors in (None, lifted)
    )
    as_near = missing <= unavoidable + rounding * (1 + 1e-9)
    for place, (amount, _) in short.items():
        cap = rules.caps[place]
        least = float(cap.min or 0.0)
        yield _fail(
            "cap",
            f"cap {scope_label(cap.scope)}: {rules.say(least - amount)} planned, "
            f"at least {rules.say(least)} asked"
            + ("; the ramp allows no more tonight" if as_near else ""),
            level=Level.REVIEW if as_near else Level.FAIL,
        )


def _least_shortfall(
    lines: Sequence[Line], rules: Rules, rooms: Mapping[Line, tuple[float, float]]
) -> float:
    """Return what floors miss in all where rooms, total and other caps leave as much as they can.

    0 where those contradict each other: then no shortfall has an excuse.
    """
    from scipy.optimize import linprog

    floors = [cap for cap in rules.caps if cap.min is not None]
    size, above, most, equal, exact = len(lines), [], [], [], []
    for cap in rules.caps:
        row = np.zeros(size + len(floors))
        row[:size] = [cap.covers(line, rules.columns) for line in lines]
        if not row.any():
            continue
        if cap.fixed is not None:
            equal.append(row)
            exact.append(cap.fixed)
        if cap.max is not None:
            above.append(row)
            most.append(cap.max)
        if cap.min is not None:
            missed = -row
            missed[size + floors.index(cap)] = -1.0
            above.append(missed)
            most.append(-cap.min)
    if rules.total is not None:
        above.append(np.repeat([1.0, 0.0], [size, len(floors)]))
        most.append(rules.total + from_minor(1, rules.currency) / 2)
    found = linprog(
        np.repeat([0.0, 1.0], [size, len(floors)]),
        A_ub=np.array(above),
        b_ub=most,
        A_eq=np.array(equal) if equal else None,
        b_eq=exact if equal else None,
        bounds=[*(rooms.get(line, (0.0, 0.0)) for line in lines), *[(0.0, np.inf)] * len(floors)],
    )
    return float(found.fun or 0.0) if found.status == 0 else 0.0


def _rooms(rules: Rules, floors: Set[Line] | None = None) -> dict[Line, tuple[float, float]]:
    """Return the least and the most that each line may have tonight.

    A cap comes first: money above it may be cut by any step, a fixed amount is reached by any step,
    and a held line below a floor may rise to it, no faster than the ramp.

    Args:
        floors: lines for whose sake others are asked to give: one over a cap that is not also
            theirs is cut no deeper than its part of the cap, shared like today's money.
    """
    fixed, over, under = set[Line](), dict[Line, float](), set[Line]()
    for cap, inside in _scopes(rules):
        today = sum(rules.current[line] for line in inside)
        if cap.fixed is not None:
            fixed |= inside
        if cap.max is not None and _standing(inside, rules) > cap.max:
            asks = floors is None or not floors.isdisjoint(inside)
            kept = 0.0 if asks or today <= 0 else cap.max / today
            over |= {line: min(kept, over.get(line, 1.0)) for line in inside}
        if cap.min is not None and today < cap.min:
            under |= inside
    rooms = {}
    for line, today in rules.current.items():
        share = 0.0 if line in rules.held else rules.max_change
        rise = rules.max_change if line in under else share
        least = min(1 - share, over.get(line, 1.0))
        rooms[line] = (max(today * least, 0.0), today * (1 + rise))
        if line in fixed:
            rooms[line] = (0.0, float("inf"))
    return rooms


def _scopes(rules: Rules) -> list[tuple[Cap, set[Line]]]:
    return [
        (cap, {line for line in rules.current if cap.covers(line, rules.columns)})
        for cap in rules.caps
    ]


def _standing(inside: set[Line], rules: Rules) -> float:
    """Return today's money of some lines, with contracts that reach into them at what they ask."""
    contracts = [(cap.fixed, own) for cap, own in _scopes(rules) if cap.fixed is not None]
    asked = sum(
        amount
        for amount, own in contracts
        if own & inside and not any(own < other for _, other in contracts)
    )
    bound = set[Line]().union(*(own for _, own in contracts))
    return asked + sum(rules.current[line] for line in inside - bound)


def _ramps(budgets: Mapping[Line, float], rules: Rules) -> Iterator[Finding]:
    """Yield the lines that move further than they may."""
    unit, rooms = from_minor(1, rules.currency) * (1 + 1e-9), _rooms(rules)
    for line, amount in sorted(budgets.items()):
        if line not in rules.current:
            continue
        today, (least, most) = rules.current[line], rooms[line]
        if least - unit <= amount <= most + unit:
            continue
        share = 0.0 if line in rules.held else rules.max_change
        word = "held" if line in rules.held else f"a change of at most {share:.0%}"
        yield _fail(
            "ramp",
            f"{line_label(line)}: {rules.say(today)} to {rules.say(amount)}, but {word}",
            line=line,
        )


def _guardrails(budgets: Mapping[Line, float], rules: Rules) -> Iterator[Finding]:
    """Yield the guardrails that are broken, in the form that needs no division.

    `over >= min * per` and `over <= max * per` say the same as the ratio where `per` is above zero;
    where nothing is earned, money that was spent on it breaks a largest cost.
    """
    for check in rules.checks:
        over = _quantity(check.over, check.lines, budgets)
        per = _quantity(check.per, check.lines, budgets) if check.has_per else 1.0
        for limit, sign in ((check.min, -1.0), (check.max, 1.0)):
            if limit is None or sign * (over - limit * per) <= _LEEWAY * abs(limit * per):
                continue
            value = f"{over / per:g}" if per > 0 else f"{over:g} for {per:g}"
            yield _fail("guardrail", f"{check.name}: {value} expected, the limit is {limit:g}")


def _quantity(
    table: ResponseTable | None, lines: Sequence[Line], budgets: Mapping[Line, float]
) -> float:
    if table is None:
        return sum(budgets.get(line, 0.0) for line in lines)
    mean, organic = table.mean(), table.organic.mean(axis=0)
    total = 0.0
    for index, line in enumerate(table.lines):
        if line in set(lines):
            spend = budgets.get(line, 0.0)
            total += float(np.interp(spend, table.spend[index], mean[index]))
            total += float(organic[index])
    return total


def _whole(amount: float, currency: str) -> float:
    return from_minor(to_minor(amount, currency), currency)


def _sum(budgets: Mapping[Line, float], rules: Rules) -> int:
    return sum(to_minor(amount, rules.currency) for amount in budgets.values())
