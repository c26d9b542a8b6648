"""A cadence held against its rules, from the signed plan alone.

Shares no code with what made the plan: it counts in whole units and reads the rules itself. A plan
does not say how many people a very small segment has; such a segment's messages are not counted.
"""

from __future__ import annotations

import math

from pipeline.core.cadence_rules import CadenceRules
from pipeline.core.decision import DecisionLine, DecisionPlan, whole_units
from pipeline.core.types import line_label


def cadence_breaches(plan: DecisionPlan, rules: CadenceRules) -> tuple[str, ...]:
    """Return every way in which the plan exceeds its rules; empty when it may be signed."""
    whole = 10**plan.digits
    problems = [] if plan.lines else ["it has no segment at all"]
    names = [tuple(line.line.values()) for line in plan.lines]
    if len(set(names)) != len(names):
        problems.append("a segment is given twice")
    total = 0.0
    for line in plan.lines:
        name = line_label(tuple(line.line.values()))
        units = whole_units(line.proposed, plan.digits)
        people = line.figures.get("people", 0.0)
        must = line.figures.get("must_send", 0.0)
        total += people * units / whole + must
        each = units / whole + (must / people if people > 0 else 0.0)
        if units > 0 and each > rules.max_touches + 1 / whole:
            problems.append(
                f"{name}: {each:g} messages a week and person with those that must be sent, at "
                f"most {rules.max_touches:g} are allowed"
            )
        problems += [*_limits(name, line, units, whole, rules), *_parts(name, line, whole, rules)]
    if rules.capacity is not None and total > rules.capacity * (1 + 1e-6) + 0.5:
        sent = sum(line.figures.get("must_send", 0.0) for line in plan.lines)
        if sent <= rules.capacity or any(line.proposed > 0 for line in plan.lines):
            problems.append(
                f"{total:,.0f} messages a week, and the capacity is {rules.capacity:,.0f}"
            )
    return (*problems, *_terms(plan, rules))


def _limits(
    name: str, line: DecisionLine, units: int, whole: int, rules: CadenceRules
) -> list[str]:
    touches, slack = units / whole, 1.5 / whole
    here = [
        limit
        for limit in rules.limits
        if all(line.line.get(column) == value for column, value in limit.scope.items())
    ]
    ordered = [value for limit in here for value in (limit.min, limit.fixed) if value is not None]
    problems = []
    for limit in here:
        if limit.fixed is not None and abs(touches - limit.fixed) > slack:
            problems.append(f"{name}: {touches:g} touches a week, and {limit.fixed:g} is set")
        if limit.max is not None and touches > limit.max + slack:
            problems.append(f"{name}: {touches:g} touches a week, at most {limit.max:g}")
        least = limit.min or 0.0
        if touches < least - slack and "guardrail" not in line.binding:
            problems.append(f"{name}: {touches:g} touches a week, at least {least:g}")
    if touches > max(line.current + rules.max_rise, *ordered, 0.0) + slack:
        problems.append(
            f"{name}: raised by {touches - line.current:g} touches a week, at most "
            f"{rules.max_rise:g} at once"
        )
    return problems


def _parts(name: str, line: DecisionLine, whole: int, rules: CadenceRules) -> list[str]:
    """Return what is wrong with how people are drawn."""
    if not line.parts:
        return [f"{name}: does not say who is drawn for which dose"]
    problems = []
    if abs(math.fsum(line.parts.values()) - 1) > 1e-6 or min(line.parts.values()) < 0:
        problems.append(f"{name}: the parts of its people do not add up to 1")
    mean = math.fsum(int(dose) * part for dose, part in line.parts.items())
    if mean > line.proposed + 1.5 / whole:
        problems.append(f"{name}: its people are drawn for {mean:.2f} touches, more than signed")
    if max(int(dose) for dose, part in line.parts.items() if part > 0) > rules.max_touches:
        problems.append(f"{name}: somebody is drawn for more than {rules.max_touches:g} touches")
    return problems


def _terms(plan: DecisionPlan, rules: CadenceRules) -> list[str]:
    quiet = rules.quiet
    said = {
        "send_from": quiet.end,
        "send_until": quiet.start,
        "never_on": " ".join((*quiet.days, *(day.isoformat() for day in quiet.dates))),
    }
    return [
        f"{name} is {plan.terms.get(name)!r}, and the rules say {value!r}"
        for name, value in said.items()
        if plan.terms.get(name) != value
    ]
