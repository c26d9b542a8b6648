"""Why a line moves or stays, and which limits it touches, in words that need no manual."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass

import numpy as np

from pipeline.core.money import minor_digits, sum_words, worth_saying
from pipeline.core.types import FloatArray, in_scope
from pipeline.runs.decide import Decision, Facts
from pipeline.runs.guardrails import rail_name
from pipeline.runs.limits import LEARNING

FREE = 1e-6
"""Share of the best marginal return below which a price of money says that nothing may take it."""

HOLDS_SAID = 3
"""Of the reasons that hold lines, so many are said; each line has its own beside it."""

NEAR = 0.03
"""Relative: returns as near to each other as this are about the same."""

SAME_MONEY = 1e-4
"""Of today's budgets: what the day's money may differ from them and still be the same."""

WORTH_SAYING = 0.1
"""Of a line's move: a lesson that is less of it does not explain it."""

MOVES = ("scale", "reduce", "stop")

TOUCH = 0.51
"""Minor units: a budget this near to a limit touches it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Returns:
    """What a line's next unit of money earns.

    Attributes:
        now: at today's budget; `then` at the new one.
        plain: at today's budget without what is on it to learn, from which every step starts;
            None where nothing is.
    """

    now: float
    then: float
    plain: float | None = None


def action_of(now: float, proposed: float, lesson: float) -> str:
    """Return what happens to a line, in one word.

    Args:
        lesson: the part of its move that is made to learn, or that ends a lesson.
    """
    change = proposed - now
    if abs(change) < 1e-9:
        return "hold"
    if abs(change - lesson) < 0.5 * abs(lesson):
        return "test"
    if proposed == 0:
        return "stop"
    return "scale" if change > 0 else "reduce"


def hold_reason(facts: Facts, decision: Decision) -> str:
    """Return why no budget moves: no line is free to, what is left is a trifle, or nothing pays."""
    held = decision.limits.held
    if not held.all() and (left := decision.trifle or 0.0) >= _unit(facts):
        amount = f"{left:,.{minor_digits(facts.policy.currency)}f} {facts.policy.currency}"
        return f"all that is left to move is {amount}, a trifle; budgets stay as they are"
    if not held.all():
        return "no change is likely enough to pay; budgets stay as they are"
    why = Counter(decision.limits.why[index] for index in range(held.size)).most_common()
    said = [f"{words} ({count})" if len(why) > 1 else words for words, count in why[:HOLDS_SAID]]
    more = ["and more"] if len(why) > HOLDS_SAID else []
    return f"every line is held: {', '.join([*said, *more])}; budgets stay as they are"


def reason_of(
    facts: Facts,
    decision: Decision,
    index: int,
    action: str,
    returns: Returns,
    binding: tuple[str, ...],
) -> str:
    """Return why, in one plain sentence with the numbers that decide."""
    if decision.limits.held[index]:
        why = decision.limits.why[index]
        return f"held: {why}" if action == "hold" else why
    if decision.limits.upper[index] <= 0 and "ramp" in binding:
        return (
            "has no budget, and a share of nothing is nothing: "
            "to start it, have finance approve a fixed amount"
        )
    earns, against = _earns(facts, decision, returns), _against(facts, decision, returns)
    if action == "test":
        return f"{_test_words(facts, decision, index)}; {earns}"
    if action == "hold" and LEARNING not in binding:
        return f"{earns}{against}; {_why_still(facts, decision, index)}"
    parts = [f"{earns}{against}"]
    if action in MOVES and _is_rounding(facts, decision, index):
        parts = ["only rounded, so that all lines add up to the day's money", earns]
    elif action in MOVES:
        parts += _although(facts, decision, index, action, returns, is_bound=bool(binding))
    if binding:
        said = {
            "ramp": _ramp_words(facts),
            LEARNING: "its learning budget, as it has only just begun",
        }
        parts.append(f"stopped by {' and '.join(said.get(name, name) for name in binding)}")
    return "; ".join(parts)


def lesson_change(facts: Facts, decision: Decision) -> FloatArray:
    """Return the part of every line's move that begins, changes or ends a lesson, (n_lines,)."""
    return decision.explored - _explored_before(facts)


def _explored_before(facts: Facts) -> FloatArray:
    return np.zeros_like(facts.current) if facts.explored is None else facts.explored


def _ramp_words(facts: Facts) -> str:
    return f"the daily limit of {facts.policy.max_daily_change:.0%}"


def _is_rounding(facts: Facts, decision: Decision, index: int) -> bool:
    """Return whether the decision moves a line by no more than a minor unit."""
    return abs(_change(facts, decision, index)) <= 2 * TOUCH * _unit(facts)


def _change(facts: Facts, decision: Decision, index: int) -> float:
    return float(decision.budgets[index] - facts.current[index])


def _unit(facts: Facts) -> float:
    return 10.0 ** -minor_digits(facts.policy.currency)


def _earns(facts: Facts, decision: Decision, returns: Returns) -> str:
    """Return what the next unit of money earns today, and with the plan where that differs."""
    unit = worth_saying(_best(decision))
    money = f"{sum_words(unit, facts.policy.currency)} {'earns' if unit == 1 else 'earn'}"
    now, then = _rate(returns.now * unit), _rate(returns.then * unit)
    earns = f"the next {money} {now} {decision.table.metric}"
    return earns if now == then else f"{earns} at today's budget and {then} at the new one"


def _against(facts: Facts, decision: Decision, returns: Returns) -> str:
    """Return what the next unit earns elsewhere in the plan: a line above that rises.

    Where no line is free to take money the price is nothing, which says nothing of other lines; and
    where there is one line there are no others.
    """
    price = _price(facts, decision)
    if price is None:
        return ""
    elsewhere = _rate(price * worth_saying(_best(decision)))
    if abs(returns.now - price) <= NEAR * price:
        return f", about as much as elsewhere ({elsewhere})"
    return f", {elsewhere} elsewhere"


def _best(decision: Decision) -> float:
    return float(np.max(decision.solution.marginal_return, initial=0.0))


def _price(facts: Facts, decision: Decision) -> float | None:
    """Return what the next unit of money earns where it is free to go; None where that is idle."""
    price = decision.solution.prices.get("budget", 0.0)
    return None if price <= FREE * _best(decision) or len(facts.history.lines) == 1 else price


def _although(
    facts: Facts, decision: Decision, index: int, action: str, returns: Returns, *, is_bound: bool
) -> list[str]:
    """Return why a line moves against what its next unit earns, or stops before that is even.

    Args:
        is_bound: whether the line touches a limit, which is said anyway.
    """
    lesson = _lesson_words(facts, decision, index)
    price, sign = _price(facts, decision), 1.0 if action == "scale" else -1.0
    if price is None or sign * (returns.now - price) >= -NEAR * price:
        rail = "" if is_bound or price is None else _guardrail_of(facts, decision, index)
        is_short = price is not None and sign * (returns.then - price) > NEAR * price
        held_back = [f"held back by the guardrail {rail}"] if rail and is_short else []
        return [*([lesson] if lesson else []), *held_back]
    if rail := _guardrail_of(facts, decision, index):
        return [f"the guardrail {rail} asks for it"]
    if lesson and sign * float(lesson_change(facts, decision)[index]) > 0:
        return [lesson]
    if returns.plain is not None and sign * (returns.plain - price) >= -NEAR * price:
        amount = f"{_explored_before(facts)[index]:+,.{minor_digits(facts.policy.currency)}f}"
        plain = _rate(returns.plain * worth_saying(_best(decision)))
        return [f"without the {amount} that are on it to learn it earns {plain}"]
    today = float(facts.current.sum())
    more = float(decision.budgets.sum()) - today
    if sign * more > SAME_MONEY * max(today, 1.0):
        side = "more" if more > 0 else "less"
        return [f"it moves with the day's money, which is {side} than today's budgets"]
    return ["it is part of the best split of all lines"]


def _test_words(facts: Facts, decision: Decision, index: int) -> str:
    """Return what a line does whose move is a lesson for the most part."""
    before, now = float(_explored_before(facts)[index]), float(decision.explored[index])
    is_whole = abs(_change(facts, decision, index) - (now - before)) < 1.5 * _unit(facts)
    if is_whole and abs(before) < _unit(facts):
        return "moved to learn its curve until the week ends"
    if is_whole and abs(now) < _unit(facts):
        return "goes back: its lesson is over"
    return _lesson_words(facts, decision, index) or "moved to learn its curve until the week ends"


def _lesson_words(facts: Facts, decision: Decision, index: int) -> str:
    """Return what tonight does to a line's lesson; empty where that is no part of its move."""
    before, now = float(_explored_before(facts)[index]), float(decision.explored[index])
    change, unit = _change(facts, decision, index), _unit(facts)
    if abs(now - before) < max(unit, WORTH_SAYING * abs(change)):
        return ""
    digits = minor_digits(facts.policy.currency)
    if abs(before) < unit:
        return f"a lesson begins, {now:+,.{digits}f} until the week ends"
    if abs(now) < unit:
        return f"its lesson is over, {-before:+,.{digits}f}"
    return f"its lesson goes from {before:+,.{digits}f} to {now:+,.{digits}f}"


def _why_still(facts: Facts, decision: Decision, index: int) -> str:
    """Return why a line stays that nothing holds."""
    now, unit = float(facts.current[index]), _unit(facts)
    if facts.policy.max_daily_change * now < unit:
        return (
            f"{_ramp_words(facts)} is less than {unit:g} {facts.policy.currency} here: "
            "to move it, have finance approve a fixed amount"
        )
    if (decision.trifle or 0.0) >= unit:
        return "what is left to move is a trifle"
    return "no move is likely enough to pay"


def _guardrail_of(facts: Facts, decision: Decision, index: int) -> str:
    """Return a guardrail that shapes the plan and whose scope has the line, empty if none does."""
    line = facts.history.lines[index]
    used = {rail.id: rail.limit for rail in decision.problem.guardrails}
    for rail in facts.policy.guardrails:
        name = rail_name(rail)
        if name not in used or not in_scope(line, facts.policy.line, rail.scope):
            continue
        is_eased = used[name] != (rail.min if rail.min is not None else rail.max)
        if is_eased or decision.solution.prices.get(name, 0.0) != 0:
            return name
    return ""


def binding_limits(facts: Facts, decision: Decision, budgets: FloatArray) -> list[tuple[str, ...]]:
    """Return the limits that each line of the final plan touches."""
    touch = TOUCH * 10.0 ** -minor_digits(facts.policy.currency)
    limits = decision.limits
    out: list[list[str]] = [[] for _ in budgets]
    for index, amount in enumerate(budgets):
        if limits.held[index]:
            name = limits.names[index, "max"]
            out[index].append(name if name.startswith("cap") else "held")
            continue
        if amount >= limits.upper[index] - touch:
            out[index].append(limits.names[index, "max"])
        elif amount <= limits.lower[index] + touch and amount > 0:
            out[index].append(limits.names[index, "min"])
    for group in limits.groups:
        total = float(budgets[group.members].sum())
        if total >= group.max - touch or (group.min > 0 and total <= group.min + touch):
            for index in group.members.tolist():
                if not limits.held[index]:
                    out[index].append(group.id)
    return [tuple(dict.fromkeys(names)) for names in out]


def _rate(value: float) -> str:
    """Return an outcome per unit of money as people read it, small ones with two digits."""
    if abs(value) >= 0.1 or abs(value) < 1e-9:
        return f"{abs(value) if abs(value) < 1e-9 else value:.2f}"
    return f"{value:.{1 - math.floor(math.log10(abs(value)))}f}"
