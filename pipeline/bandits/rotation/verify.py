"""A rotation held against its rules, from the signed plan alone.

Shares no code with what made the plan: it counts in whole units and reads the rules itself.
"""

from __future__ import annotations

from collections import defaultdict

from pipeline.core.decision import DecisionLine, DecisionPlan, whole_units
from pipeline.core.rotation_rules import RotationRules


def rotation_breaches(plan: DecisionPlan, rules: RotationRules) -> tuple[str, ...]:
    """Return every way in which the plan exceeds its rules; empty when it may be signed."""
    whole = 10**plan.digits
    audiences: dict[str, list[DecisionLine]] = defaultdict(list)
    for line in plan.lines:
        audiences[line.line["audience"]].append(line)
    problems = [] if plan.lines else ["it has no creative at all"]
    for audience, lines in sorted(audiences.items()):
        shown = {
            line.line["creative"]: whole_units(line.proposed, plan.digits)
            for line in lines
            if line.proposed > 0
        }
        names = [line.line["creative"] for line in lines]
        if len(set(names)) != len(names):
            problems.append(f"{audience}: a creative is given twice")
        if shown and sum(shown.values()) != whole:
            problems.append(f"{audience}: shares add up to {sum(shown.values()) / whole:g}, need 1")
        problems += _ceiling(audience, shown, rules, whole)
        problems += _brand(plan, audience, shown, rules)
        problems += [
            f"{audience}: {line.line['creative']} is to be retired and still gets a share"
            for line in lines
            if line.action in {"retire", "retired", "stop"} and line.proposed > 0
        ]
    return tuple(problems)


def _ceiling(audience: str, shown: dict[str, int], rules: RotationRules, whole: int) -> list[str]:
    if len(shown) < 2:
        return []
    most = max(rules.max_share, 1 / len(shown)) * whole + 1
    return [
        f"{audience}: {name} gets {units / whole:g}, at most {rules.max_share:g} is allowed"
        for name, units in shown.items()
        if units > most
    ]


def _brand(
    plan: DecisionPlan, audience: str, shown: dict[str, int], rules: RotationRules
) -> list[str]:
    problems = []
    for rule in rules.creatives:
        if rule.creative not in shown:
            continue
        name = f"{audience}: {rule.creative}"
        if (rule.only_in and audience not in rule.only_in) or audience in rule.not_in:
            problems.append(f"{name} is not eligible here")
        if rule.starts and plan.date < rule.starts:
            problems.append(f"{name} starts on {rule.starts}")
        if rule.expires and plan.date > rule.expires:
            problems.append(f"{name} expired on {rule.expires}")
    said = {rule.creative: set(rule.disclosures) for rule in rules.creatives}
    for need in rules.disclosures:
        if audience in need.audiences:
            problems += [
                f"{audience}: {creative} does not say {what}"
                for creative in shown
                for what in need.needs
                if what not in said.get(creative, set())
            ]
    for group in rules.apart:
        together = sorted(set(group) & shown.keys())
        if len(together) > 1:
            problems.append(f"{audience}: {', '.join(together)} must not be shown together")
    return problems
