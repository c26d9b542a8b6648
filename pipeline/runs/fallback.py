"""The fallback ladder: last approved plan if it obeys today's caps, else leave budgets alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from pipeline.core.findings import Finding, Level
from pipeline.core.plan import Mode, Plan, PlanLine
from pipeline.core.types import Line
from pipeline.io import warehouse
from pipeline.io.artefacts import RunFolder
from pipeline.runs.inputs import Inputs
from pipeline.runs.learning import resting_account
from pipeline.runs.plan import Heading, plain_cap, rename_rows, total_money
from pipeline.runs.standing import current_budgets
from pipeline.runs.verification import cap_breaches


def fallback_plan(
    work: RunFolder, inputs: Inputs, heading: Heading, findings: list[Finding]
) -> Plan | None:
    """Return the last approved plan if it still obeys the caps, else budgets left alone.

    A plan whose signature was withdrawn is no fallback, but its budgets are those in force.

    Args:
        findings: of tonight; one at least is a FAIL.

    Returns:
        None where the data failed and nothing was ever published: there is no plan tonight.
    """
    budgets = inputs.published_budgets()
    failed = [item for item in findings if item.level is Level.FAIL]
    model_only = all(item.check.split(".")[0] == "model" for item in failed)
    what = "the model failed" if model_only else "tonight's data cannot be trusted"
    first = f"{failed[0].check}: {failed[0].message}"
    days = inputs.fallback_days()
    if not budgets:
        if not model_only:
            return None
        budgets, days = _standing(work, inputs), 0
        mode, why = Mode.HOLD, ["the model failed; budgets stay as they are", first]
    elif broken := cap_breaches(budgets, inputs.caps, inputs.policy.line, inputs.policy.currency):
        mode = Mode.HOLD
        why = [
            f"{what}: {first}",
            f"the last approved plan breaks today's caps ({broken[0]}); budgets are left alone",
        ]
    elif inputs.revoked_by:
        mode = Mode.HOLD
        why = [
            f"{what}: {first}",
            f"the plan in force, {heading.based_on}, was revoked by {inputs.revoked_by}, so it is "
            "no fallback; budgets are left alone",
        ]
    else:
        mode = Mode.FALLBACK
        why = [
            f"fallback for {days} day{'s' if days > 1 else ''}: "
            f"the last approved plan, {heading.based_on}, stays in force",
            f"{what}: {first}",
        ]
    return _resting_plan(heading, inputs, mode, budgets, findings, why, days)


def _standing(work: RunFolder, inputs: Inputs) -> dict[Line, float]:
    facts = warehouse.read_likely_facts(work)
    amounts = current_budgets(facts, inputs)
    return {line: float(amount) for line, amount in zip(facts.lines, amounts, strict=True)}


def _resting_plan(
    heading: Heading,
    inputs: Inputs,
    mode: Mode,
    budgets: Mapping[Line, float],
    findings: Sequence[Finding],
    reasons: Sequence[str],
    fallback_days: int,
) -> Plan:
    """Return a plan that leaves budgets as they are, and says why.

    What of them is there to learn stays that: the next plan starts without it.
    """
    policy, explored = inputs.policy, inputs.explored()
    amounts = [budgets[line] for line in sorted(budgets)]
    total = total_money(np.array(amounts), policy.currency)
    return Plan(
        plan_id=heading.plan_id,
        portfolio=policy.portfolio,
        date=inputs.day,
        currency=policy.currency,
        line_columns=policy.line,
        mode=mode,
        reasons=tuple(reasons),
        budget=total,
        lines=tuple(
            PlanLine(
                line=dict(zip(policy.line, line, strict=True)),
                current=budgets[line],
                proposed=budgets[line],
                action="hold",
                reason="stays as last approved" if mode is Mode.FALLBACK else "stays as it is",
                exploration=explored.get(line, 0.0),
            )
            for line in sorted(budgets)
        ),
        caps=tuple(plain_cap(cap) for cap in inputs.caps),
        caps_version=heading.caps_version,
        exploration=resting_account(inputs, total),
        renamed=rename_rows(policy, inputs.known_names()),
        findings=tuple(findings),
        inputs_hash=heading.inputs_hash,
        based_on=heading.based_on,
        fallback_days=fallback_days,
    )
