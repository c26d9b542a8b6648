"""How the split in force did: against an even one, people held out, and what was promised."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pipeline.bandits.rotation.outcome import Gain, kept_promise, over_even, over_holdout
from pipeline.core.decision import DecisionPlan
from pipeline.core.exposures import Exposures
from pipeline.core.findings import Finding, Level
from pipeline.core.rotation_rules import RotationRules
from pipeline.core.types import FloatArray
from pipeline.io.artefacts import RunFolder
from pipeline.io.exposures import read_holdout
from pipeline.runs.decision_inputs import DecisionInputs

DAYS = 28
_THOUSAND = 1_000.0


def looked_back(work: RunFolder, inputs: DecisionInputs, seen: Exposures) -> Sequence[Finding]:
    """Return what the last four weeks' split brought, days whose rewards are complete."""
    rules, published = inputs.policy.rotation, inputs.published
    assert rules is not None  # noqa: S101  a night of rotation has its section
    if published is None:
        return []
    end = len(seen.days) - int(rules.delay_days)
    days = slice(max(end - DAYS, 0), max(end, 0))
    held = read_holdout(work, inputs.policy, seen)
    found = []
    if (gain := over_even(seen, days)) is not None:
        found.append(_finding("even split", "an even split", gain, rules))
    if (gain := over_holdout(seen, held, days)) is not None:
        found.append(_finding("holdout", "the people held out", gain, rules))
    return [*found, *_promise(published, seen, end, rules)]


def _finding(check: str, other: str, gain: Gain, rules: RotationRules) -> Finding:
    low, mean, high = (_THOUSAND * value for value in (gain.low, gain.mean, gain.high))
    return Finding(
        level=Level.REVIEW if gain.high < 0 else Level.PASS,
        check=check,
        message=f"in the last {gain.days} days the split earned {mean:+.3g} {rules.reward} per "
        f"thousand impressions over {other} ({low:+.3g} to {high:+.3g})",
        advice="the rotation loses; split evenly and look at delivery and rewards"
        if gain.high < 0
        else "",
        source="exposures",
    )


def _promise(
    plan: DecisionPlan, seen: Exposures, end: int, rules: RotationRules
) -> Sequence[Finding]:
    first = max((plan.date - seen.days[0]).days, end - DAYS, 0)
    expected = plan.expected
    if first >= end or expected is None or expected.mean <= 0:
        return []
    sd = (expected.p95 - expected.p05) / (2 * 1.6448536269514722) / expected.mean
    kept = kept_promise(seen, slice(first, end), _promised(plan, seen.audiences), sd)
    if kept is None:
        return []
    return [
        Finding(
            level=Level.PASS if kept.is_kept else Level.REVIEW,
            check="promise",
            message=f"since {plan.date.isoformat()} the plan in force brought {kept.came:,.0f} "
            f"{rules.reward}; {kept.promised:,.0f} was promised for that traffic, give or take "
            f"{kept.reach:,.0f}",
            advice="" if kept.is_kept else "the market has changed, or rewards are not complete",
            source="exposures",
        )
    ]


def _promised(plan: DecisionPlan, audiences: Sequence[str]) -> FloatArray:
    """Return the reward per impression that the plan promised in each audience."""
    rate = np.full(len(audiences), np.nan)
    for place, audience in enumerate(audiences):
        lines = [line for line in plan.lines if line.line["audience"] == audience]
        shown = [line for line in lines if line.proposed > 0 and line.expected is not None]
        if shown:  # a creative too new to be shown in figures is taken as the mean of the others
            total = sum(x.proposed * x.expected.mean for x in shown if x.expected)
            rate[place] = total / sum(x.proposed for x in shown)
    return rate
