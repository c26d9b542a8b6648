"""Offers held against their rules, from the signed plan alone.

Shares no code with what made the plan: it counts in whole units and reads the rules itself.
"""

from __future__ import annotations

from collections import defaultdict

from pipeline.core.decision import DecisionPlan, whole_units
from pipeline.core.offer_rules import OTHER, SEPARATOR, OfferRules

COLUMNS = ("segment", "allowed", "action")


def offer_breaches(plan: DecisionPlan, rules: OfferRules) -> tuple[str, ...]:
    """Return every way in which the plan exceeds its rules; empty when it may be signed."""
    whole = 10**plan.digits
    if plan.line_columns != COLUMNS:
        return (f"its lines are named by {', '.join(plan.line_columns)}",)
    groups: dict[tuple[str, str], dict[str, int]] = defaultdict(dict)
    problems = [] if plan.lines else ["it decides for nobody"]
    for line in plan.lines:
        segment, allowed, action = (line.line[column] for column in COLUMNS)
        if action in groups[segment, allowed]:
            problems.append(f"{segment}: {action} is given twice among {allowed}")
        groups[segment, allowed][action] = whole_units(line.proposed, plan.digits)
    for (segment, allowed), shares in sorted(groups.items()):
        where = f"{segment}, {allowed}"
        if sum(shares.values()) != whole:
            problems.append(f"{where}: shares add up to {sum(shares.values()) / whole:g}, need 1")
        given = {action for action, units in shares.items() if units > 0}
        problems += _not_allowed(plan, segment, allowed.split(SEPARATOR), given, rules, where)
        least = whole_units(rules.floor, plan.digits)
        if len(shares) > 1:
            problems += [
                f"{where}: {action} gets {shares.get(action, 0) / whole:g}, at least "
                f"{rules.floor:g} is needed to keep learning"
                for action in allowed.split(SEPARATOR)
                if shares.get(action, 0) < least
            ]
    return tuple(problems)


def _not_allowed(
    plan: DecisionPlan,
    segment: str,
    allowed: list[str],
    given: set[str],
    rules: OfferRules,
    where: str,
) -> list[str]:
    known = {item.action: item for item in rules.actions}
    idle = [item.action for item in rules.actions if item.channel is None]
    problems = []
    if not set(idle) <= set(allowed):
        problems.append(f"{where}: doing nothing is not among what is allowed")
    for action in sorted(given):
        item = known.get(action)
        if item is None or action not in allowed:
            problems.append(f"{where}: {action} is not allowed there")
        elif (item.starts and plan.date < item.starts) or (
            item.expires and item.expires < plan.date
        ):
            problems.append(f"{where}: {action} does not run on {plan.date.isoformat()}")
        elif segment != OTHER and (
            segment in item.not_in or (item.only_in and segment not in item.only_in)
        ):
            problems.append(f"{where}: {action} must not be given in {segment}")
    return problems
