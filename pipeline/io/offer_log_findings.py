"""What is wrong with a decision log: its rows, its rewards, and the source as a whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from pipeline.core.findings import Finding, Level
from pipeline.io.offer_log import Log
from pipeline.io.people_rows import Place, row_finding

BROKEN_SHARE = 0.001
"""Share of rows that cannot be believed up to which the rest is still learned from."""
LEFT_OUT = frozenset({"decided-twice"})
"""Faults without whose rows the log is only shorter."""
MOST_LEFT_OUT = 0.5
"""Share of such rows beyond which it is another log than the one that was meant."""
LEAST_MATCHED = 0.9
"""Share of rewards that have to belong to a decision of the log, or it is said."""
LEAST_REWARDS = 30
"""From so many rewards on, one that weighs more than all others is said."""
MEND = "mend the rows where they are made; docs/offers.md says what they hold"


def log_findings(log: Log) -> list[Finding]:
    """Return what is wrong with the log's rows: a few are left out, many stop the night."""
    counted = log.rows - log.left_out("outside")
    found = [
        *_row_findings("decisions", log.faults, counted),
        *_row_findings("rewards", log.rewards.faults, log.rewards.rows),
        *_reward_findings(log),
    ]
    rows = log.left_out("withdrawn")
    found.append(
        Finding(
            level=Level.PASS,
            check="withdrawals",
            message=f"decisions: {rows:,} rows of people who withdrew are not learned from",
            source="decisions",
        )
    )
    return found


def _row_findings(
    source: str, faults: Mapping[str, tuple[int, Place]], counted: int
) -> list[Finding]:
    found = []
    for fault, (rows, place) in sorted(faults.items()):
        if fault in {"outside", "withdrawn"}:
            continue
        most = MOST_LEFT_OUT if fault in LEFT_OUT else BROKEN_SHARE
        level = Level.FAIL if rows / max(counted, 1) > most else Level.REVIEW
        found.append(row_finding(level, fault, source, MEND, replace(place, rows=rows, of=counted)))
    return found


def _reward_findings(log: Log) -> list[Finding]:
    """Return what only all rewards together can tell: of other people or days, or of one only."""
    found = []
    matched = int(sum(log.cells["rewarded"].to_pylist()))
    if matched < LEAST_MATCHED * log.rewarded:
        found.append(
            Finding(
                level=Level.REVIEW if matched else Level.FAIL,
                check="rewards-of-no-decision",
                message=f"rewards: {log.rewarded - matched:,} of {log.rewarded:,} belong to no "
                "decision that is learned from",
                advice="their date is the day of the decision, and their person its key",
                source="rewards",
            )
        )
    if log.largest is not None and matched >= LEAST_REWARDS:
        found.append(row_finding(Level.REVIEW, "one-reward", "decisions", MEND, log.largest))
    return found
