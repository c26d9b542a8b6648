"""Why a line moves or stays, and which limits it touches, in words that need no manual."""

from __future__ import annotations

import math

import numpy as np

from pipeline.core.money import minor_digits, sum_words, worth_saying
from pipeline.core.types import FloatArray
from pipeline.runs.decide import Decision, Facts
from pipeline.runs.limits import LEARNING

FREE = 1e-6
"""Share of the best marginal return below which a price of money says that nothing may take it."""

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


def reason_of(
    facts: Facts,
    decision: Decision,
    index: int,
    action: str,
    marginal: float,
    binding: tuple[str, ...],
) -> str:
    """Return why, in one plain sentence with the two numbers that decide."""
    price = decision.solution.prices.get("budget", 0.0)
    metric = decision.table.metric
    if decision.limits.held[index]:
        return f"held: {decision.limits.why[index]}"
    if decision.limits.upper[index] <= 0 and "ramp" in binding:
        return (
            "has no budget, and a share of nothing is nothing: "
            "to start it, have finance approve a fixed amount"
        )
    best = float(np.max(decision.solution.marginal_return, initial=0.0))
    unit = worth_saying(best)
    money = f"{sum_words(unit, facts.policy.currency)} {'earns' if unit == 1 else 'earn'}"
    earns = f"the next {money} {_rate(marginal * unit)} {metric}"
    # Where no line is free to take money the price is nothing, which says nothing of other lines.
    against = f", {_rate(price * unit)} elsewhere" if price > FREE * best else ""
    if action == "test":
        is_over = decision.explored[index] == 0
        why = "goes back: its lesson is over" if is_over else "moved to learn its curve, for a week"
        return f"{why}; {earns}"
    if action == "hold" and LEARNING not in binding:
        return f"{earns}{against}; no move is likely enough to pay"
    if not binding:
        return f"{earns}{against}"
    said = {
        "ramp": f"the daily limit of {facts.policy.max_daily_change:.0%}",
        LEARNING: "its learning budget, as it has only just begun",
    }
    return f"{earns}{against}; stopped by {' and '.join(said.get(name, name) for name in binding)}"


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
