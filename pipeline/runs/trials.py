"""The ledger's experiments as a night sees them, and which of them wait for their read-out."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING

from pipeline.core.findings import Finding, Level
from pipeline.core.trial import Trial, TrialResult

if TYPE_CHECKING:
    from pipeline.io.ledger import ExperimentRecord

GRACE_DAYS = 7
"""A test that is not read out so many days after its end is a finding."""


def trials_of(records: Sequence[ExperimentRecord]) -> tuple[Trial, ...]:
    """Return the experiments of a portfolio, oldest first."""
    return tuple(_trial(record) for record in records)


def unread(trials: Sequence[Trial], day: date) -> tuple[Finding, ...]:
    """Return what to say of tests that are over and that nobody read out."""
    return tuple(
        Finding(
            level=Level.REVIEW,
            check="experiment-unread",
            message=f"test {trial.name} ended on {trial.last_day} and was not read out; "
            "the curves do not know what it found",
            advice=f"run 'equimarginal experiment read-out {trial.name}', or let the DAG do it",
        )
        for trial in trials
        if trial.kind != "holdout"
        and trial.last_day is not None
        and trial.last_day + timedelta(days=GRACE_DAYS) < day
        and trial.result is None
    )


def _trial(record: ExperimentRecord) -> Trial:
    plan = record.assignment
    last = record.ended or plan["to"]
    final = [look for look in record.looks if look["fraction"] == 1]
    return Trial(
        name=record.name,
        kind=plan.get("kind", "geo"),
        first_day=date.fromisoformat(plan["from"]),
        last_day=date.fromisoformat(last) if last else None,
        scope=plan["scope"],
        unit_column=plan.get("unit_column", ""),
        units=tuple(plan["treated"]),
        metric=plan.get("metric", ""),
        looks=len(record.looks),
        result=TrialResult(
            lift=final[-1]["incremental"],
            standard_error=final[-1]["standard_error"],
            spend_change=final[-1]["spend_change"] or 0.0,
        )
        if final
        else None,
    )
