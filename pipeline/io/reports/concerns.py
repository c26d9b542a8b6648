"""What a signer has to look at first: of the data and of the model alike."""

from __future__ import annotations

from collections.abc import Iterable

from pipeline.core.decision import DecisionPlan
from pipeline.core.findings import Finding, Level
from pipeline.core.plan import Plan


def concerns(plan: Plan | DecisionPlan) -> list[Finding]:
    """Return every finding that did not pass, the heaviest first.

    Of equal weight the model's come first: they are few and hold for the whole plan, while those of
    the data are often many, each of one line.
    """
    return heaviest_first((*model_checks(plan), *plan.findings))


def model_checks(plan: Plan | DecisionPlan) -> tuple[Finding, ...]:
    """Return what was checked of the model; empty where none stands behind the plan."""
    return plan.model_health.checks if plan.model_health else ()


def heaviest_first(findings: Iterable[Finding]) -> list[Finding]:
    """Return what did not pass, failures before reviews, otherwise in order."""
    found = [item for item in findings if item.level is not Level.PASS]
    return sorted(found, key=lambda item: item.level is not Level.FAIL)


def passed(findings: Iterable[Finding]) -> list[Finding]:
    """Return what passed."""
    return [item for item in findings if item.level is Level.PASS]
