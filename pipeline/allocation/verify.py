"""A second pair of eyes: does a finished plan obey what people decided?

Nothing here is shared with the solver. Money is compared as whole minor units, caps are read as
finance wrote them, and guardrails are computed from the posterior's own tables.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.core.caps import Cap
from pipeline.core.curves import ResponseTable
from pipeline.core.findings import Finding, Level
from pipeline.core.money import from_minor, to_minor
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
            f"lines add up to {from_minor(spent, rules.currency):.2f}, "
            f"the budget is {rules.total:.2f}",
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
            yield _fail("cap", f"{name}: {amount:.2f} planned, fixed at {cap.fixed:.2f}")
        if cap.max is not None and amount > cap.max + 1e-9 * cap.max:
            yield _fail("cap", f"{name}: {amount:.2f} planned, at most {cap.max:.2f} allowed")
        if cap.min is not None and spent < to_minor(cap.min, rules.currency):
            climbing = all(_is_at_ramp(line, budgets, rules) for line in inside)
            yield _fail(
                "cap",
                f"{name}: {amount:.2f} planned, at least {cap.min:.2f} asked"
                + ("; the ramp allows no more tonight" if climbing else ""),
                level=Level.REVIEW if climbing else Level.FAIL,
            )


def _ramps(budgets: Mapping[Line, float], rules: Rules) -> Iterator[Finding]:
    """Yield the lines that move further than they may.

    A cap comes first: money above it may be cut by any step, a fixed amount is reached by any step,
    and a held line below a floor may rise to it, no faster than the ramp.
    """
    unit = from_minor(1, rules.currency) * (1 + 1e-9)
    for line, amount in sorted(budgets.items()):
        if line not in rules.current:
            continue
        today = rules.current[line]
        share = 0.0 if line in rules.held else rules.max_change
        fixed, over, under = _forces(line, rules)
        most = rules.max_change if line in rules.held and under else share
        least = 1.0 if over else share
        if fixed or -least * today - unit <= amount - today <= most * today + unit:
            continue
        word = "held" if line in rules.held else f"a change of at most {share:.0%}"
        yield _fail(
            "ramp", f"{line_label(line)}: {today:.2f} to {amount:.2f}, but {word}", line=line
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


def _is_at_ramp(line: Line, budgets: Mapping[Line, float], rules: Rules) -> bool:
    today = rules.current.get(line, 0.0)
    fixed, over, _ = _forces(line, rules)
    if line in rules.held or fixed or over:
        return True
    return budgets[line] >= today * (1 + rules.max_change) - 2 * from_minor(1, rules.currency)


def _forces(line: Line, rules: Rules) -> tuple[bool, bool, bool]:
    """Return whether caps fix the line, have less room than today's money, or ask for more."""
    fixed = over = under = False
    for cap in rules.caps:
        if not cap.covers(line, rules.columns):
            continue
        today = sum(
            money for other, money in rules.current.items() if cap.covers(other, rules.columns)
        )
        fixed |= cap.fixed is not None
        over |= cap.max is not None and today > cap.max
        under |= cap.min is not None and today < cap.min
    return fixed, over, under
