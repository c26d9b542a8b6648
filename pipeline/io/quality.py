"""Whether tonight's tables can be trusted: counts first, then rows, then suites."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from pipeline.core.findings import Finding, Level, worst_level
from pipeline.core.policy import Policy
from pipeline.io import gate
from pipeline.io.artefacts import RunFolder
from pipeline.io.checks import run_checks
from pipeline.io.warehouse import LINE_DAY, UNTRUSTED, read_facts, staged

if TYPE_CHECKING:
    from pipeline.io.facts import Facts


def validate(
    work: RunFolder, policy: Policy, day: date, today: date, previous: RunFolder | None = None
) -> list[Finding]:
    """Return what the signer must know about the data, and write which cells to distrust.

    Args:
        day: the plan's day; data up to the day before count.
        today: the clock's date; a row after it is a fault.
        previous: the run of an earlier night, to compare restated days with.
    """
    with staged(work, policy, day, today) as connection:
        findings = run_checks(connection)
    facts = read_facts(work) if work.exists(LINE_DAY) else None
    verdict = gate.Verdict(findings=findings)
    if gate.check_counts(facts, policy, verdict) and facts is not None:
        _judge(facts, policy, day, verdict)
    work.write_json(
        UNTRUSTED,
        [
            {"day": cell_day.isoformat(), "line": list(line), "check": check}
            for (cell_day, line), check in sorted(verdict.untrusted.items())
        ],
    )
    if worst_level(verdict.findings) is Level.PASS:
        verdict.add(Level.PASS, "data", "all checks of the input passed")
    return verdict.findings


def _judge(facts: Facts, policy: Policy, day: date, verdict: gate.Verdict) -> None:
    metric = policy.objective.maximize
    gate.check_newest_day(facts, day, verdict)
    gate.check_outcome_cover(facts, metric, verdict)
    gate.check_spend_level(facts, policy, verdict)
    gate.check_spend_jumps(facts, verdict)
    gate.check_outcome_jumps(facts, metric, verdict)
