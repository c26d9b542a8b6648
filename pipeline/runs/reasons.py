"""Why a line moves or stays, and which limits it touches, in words that need no manual."""

from __future__ import annotations

import math
from collections import Counter

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

MOVES = ("scale", "reduce", "stop")

TOUCH = 0.51
"""Minor units: a budget this near to a limit touches it."""


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


def hold_reason(decision: Decision) -> str:
    """Return why no budget moves: nothing pays, or no line is free to move."""
    held = decision.limits.held
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
    marginal: float,
    binding: tuple[str, ...],
) -> str:
    """Return why, in one plain sentence with the two numbers that decide."""
    metric = decision.table.metric
    if decision.limits.held[index]:
        return f"held: {decision.limits.why[index]}"
    if decision.limits.upper[index] <= 0 and "ramp" in binding:
        return (
            "has no budget, and a share of nothing is nothing: "
            "to start it, have finance approve a fixed amount"
        )
    unit = worth_saying(float(np.max(decision.solution.marginal_return, initial=0.0)))
    money = f"{sum_words(unit, facts.policy.currency)} {'earns' if unit == 1 else 'earn'}"
    earns = f"the next {money} {_rate(marginal * unit)} {metric}"
    against = _against(facts, decision, index, action, marginal, is_bound=bool(binding))
    if action == "test":
        is_over = decision.explored[index] == 0
        why = (
            "goes back: its lesson is over"
            if is_over
            else "moved to learn its curve until the week ends"
        )
        return f"{why}; {earns}"
    if action == "hold" and LEARNING not in binding:
        return f"{earns}{against}; no move is likely enough to pay"
    if action in MOVES and _is_rounding(facts, decision, index):
        earns, against = f"only rounded, so that all lines add up to the day's money; {earns}", ""
    if not binding:
        return f"{earns}{against}"
    said = {
        "ramp": f"the daily limit of {facts.policy.max_daily_change:.0%}",
        LEARNING: "its learning budget, as it has only just begun",
    }
    return f"{earns}{against}; stopped by {' and '.join(said.get(name, name) for name in binding)}"


def _is_rounding(facts: Facts, decision: Decision, index: int) -> bool:
    """Return whether the decision moves a line by no more than a minor unit."""
    unit = 10.0 ** -minor_digits(facts.policy.currency)
    return abs(float(decision.budgets[index] - facts.current[index])) <= 2 * TOUCH * unit


def _against(
    facts: Facts, decision: Decision, index: int, action: str, marginal: float, *, is_bound: bool
) -> str:
    """Return what the next unit earns elsewhere, and why a line moves against that, if it does.

    Where no line is free to take money the price is nothing, which says nothing of other lines; and
    where there is one line there are no others.

    Args:
        is_bound: whether the line touches a limit, which is said anyway.
    """
    price = decision.solution.prices.get("budget", 0.0)
    best = float(np.max(decision.solution.marginal_return, initial=0.0))
    if price <= FREE * best or len(facts.history.lines) == 1:
        return ""
    elsewhere = _rate(price * worth_saying(best))
    if action not in MOVES:
        return f", {elsewhere} elsewhere"
    sign = 1.0 if action == "scale" else -1.0
    is_near, is_so = abs(marginal - price) <= NEAR * price, sign * (marginal - price) >= 0
    if is_near and not is_so:
        return f", about as much as elsewhere ({elsewhere})"
    if is_near or (is_bound and is_so):
        return f", {elsewhere} elsewhere"
    why = _although(facts, decision, index, sign, is_more=marginal > price)
    return f", {elsewhere} elsewhere{why}"


def _although(facts: Facts, decision: Decision, index: int, sign: float, *, is_more: bool) -> str:
    """Return why a line moves against what its next unit earns, or stops before that is even.

    Args:
        sign: 1 where it moves up, -1 where it moves down.
        is_more: whether its next unit earns more than elsewhere.
    """
    rail = _guardrail_of(facts, decision, index)
    if (sign > 0) == is_more:
        return f"; held back by the guardrail {rail}" if rail else ""
    if rail:
        return f"; the guardrail {rail} asks for it"
    digits = minor_digits(facts.policy.currency)
    explored = float(decision.explored[index])
    if sign * explored >= 10.0**-digits:
        return f"; {explored:+,.{digits}f} of it to learn"
    today = float(facts.current.sum())
    more = float(decision.budgets.sum()) - today
    if sign * more > SAME_MONEY * max(today, 1.0):
        side = "more" if more > 0 else "less"
        return f"; it moves with the day's money, which is {side} than today's budgets"
    return "; it is part of the best split of all lines"


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
