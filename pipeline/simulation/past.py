"""A portfolio's own past: as it is reported today, and as earlier nights saw it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from zoneinfo import ZoneInfo

import numpy as np
from pydantic import ValidationError

from pipeline.core.errors import DataNotTrustedError, PipelineError
from pipeline.core.findings import Finding, Level
from pipeline.core.history import History, LiftTest
from pipeline.core.trial import Trial
from pipeline.io import quality, warehouse
from pipeline.io.artefacts import RunFolder, begin_run, list_runs, open_run
from pipeline.io.sources import read_snapshot
from pipeline.io.vintages import read_vintages
from pipeline.runs import storage
from pipeline.runs.inputs import freeze_inputs, read_day, read_inputs, read_today
from pipeline.runs.portfolio import Portfolio
from pipeline.runs.renames import one_line
from pipeline.runs.signoff import ready_ledger
from pipeline.runs.standing import forgetting
from pipeline.runs.trials import trials_of
from pipeline.simulation.known import Past, settled

IN_TIME_DAYS = 1  # a night that ran later than this saw what its own morning could not


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnPast:
    """The sources as they are now, and the nights that ran in time.

    Attributes:
        portfolio: whose.
        history: everything up to the newest spend, without what is distrusted by now.
        work: where the sources' snapshot is staged.
        nights: the run of each day that had one in time.
    """

    portfolio: Portfolio
    history: History
    work: RunFolder
    nights: Mapping[date, RunFolder]

    def on(self, day: date) -> Past:
        """Return what the night of `day` knew, of lines that are still known.

        Where no run was kept, what is reported now of the days before, judged as that morning
        would have judged it: what later days show is hidden from it.
        """
        night = self.nights.get(day)
        try:
            kept = None if night is None else self._kept(night)
        except (PipelineError, ValidationError):
            kept = None  # damaged, or kept by another version
        if kept is not None and self._knows(kept.history):
            return kept
        return self._reported(day)

    def _knows(self, history: History) -> bool:
        """Return whether all lines, and all that outcomes were known by, are still known."""
        return all(
            set(old.lines) <= set(now.lines)
            for old, now in (
                (history, self.history),
                (history.outcome_side, self.history.outcome_side),
            )
        )

    def _kept(self, night: RunFolder) -> Past:
        policy, inputs = self.portfolio.policy, read_inputs(night)
        watch = storage.read_watch(night)
        names = one_line(warehouse.read_likely_facts(night), inputs)
        history = warehouse.read_history(night, policy).under_new_names(names)
        history = forgetting(history, watch.under_new_names(names))
        # A break of the forecasts is no fault of the data: leaving such weeks out would hide
        # the ones that the model foresaw worst.
        breaks = watch.drifts()
        found = storage.read_findings(night, storage.FINDINGS)
        return Past(
            history=history,
            vintages=read_vintages(night, policy.objective.counted(history.metrics)),
            lift_tests=storage.read_tests(night, policy, inputs.trials, history, names),
            as_known=True,
            fault=_fault([item for item in found if item not in breaks and item.check != "model"]),
        )

    def _reported(self, day: date) -> Past:
        # The suites ask the same of every row, so today's verdict on all rows covers them.
        policy = self.portfolio.policy
        history, found = _staged(self.portfolio, self.work, day, with_suites=False)
        return settled(
            history,
            policy.objective.maximize,
            lift_tests=self._tests(day, history),
            fault=_fault(found),
        )

    def _tests(self, day: date, history: History) -> tuple[LiftTest, ...]:
        """Return the tests that were over before `day`, but those that were read out later.

        What only a file tells of has no moment, and counts from its last day on.
        """
        midnight = datetime.combine(day, time(), ZoneInfo(self.portfolio.policy.timezone))
        then, now = self._trials(midnight), self._trials(None)
        read = {trial.name for trial in then if trial.result is not None}
        late = {trial.name for trial in now if trial.result is not None} - read
        known = storage.read_tests(self.work, self.portfolio.policy, then, history)
        return tuple(test for test in known if test.name not in late)

    def _trials(self, before: datetime | None) -> tuple[Trial, ...]:
        portfolio = self.portfolio
        ledger = ready_ledger(portfolio)
        return trials_of(ledger.experiments(portfolio.policy.portfolio, before))


@contextmanager
def own_past(portfolio: Portfolio, day: date) -> Iterator[OwnPast]:
    """Yield everything before `day`, as the sources report it now, up to the newest spend.

    The portfolio's runs and plans are left alone.

    Raises:
        DataNotTrustedError: the sources cannot be read, hold nothing before `day`, or a night
            right after the newest spend would refuse them.
    """
    with TemporaryDirectory(prefix="equimarginal-") as folder:
        work = begin_run(str(Path(folder) / "runs"), "backtest")
        freeze_inputs(portfolio, day, work)
        broken = _fault(read_snapshot(portfolio.policy, portfolio.folder, work))
        if not broken:
            warehouse.build(work, portfolio.policy, day, read_today(work))
        if broken or not work.exists(warehouse.LINE_DAY):
            raise DataNotTrustedError(
                "backtest: the sources cannot be used: "
                f"{broken or f'no row before {day.isoformat()}'}; "
                "'equimarginal check' lists every problem"
            )
        # An old export is no fault here: it is judged as on the morning after its newest spend.
        morning = _after_newest_spend(work)
        history, found = _staged(portfolio, work, morning, with_suites=True)
        if fault := _fault(found):
            raise DataNotTrustedError(
                f"backtest: the night of {morning} would refuse the data: {fault}; mend the "
                "source, or ask for the time before it with --date"
            )
        yield OwnPast(
            portfolio=portfolio, history=history, work=work, nights=_nights(portfolio.runs)
        )


def _staged(
    portfolio: Portfolio, work: RunFolder, day: date, *, with_suites: bool
) -> tuple[History, Sequence[Finding]]:
    """Return what the sources hold before `day` as its night would learn from it, and findings."""
    warehouse.build(work, portfolio.policy, day, read_today(work))
    judgement = quality.judge(work, portfolio.policy, day, with_suites=with_suites)
    history = warehouse.read_history(work, portfolio.policy)
    return history, judgement.complete() if with_suites else judgement.findings


def _fault(findings: Sequence[Finding]) -> str:
    """Return what a night would refuse the data for, empty where it would not."""
    return next((item.message for item in findings if item.level is Level.FAIL), "")


def _after_newest_spend(work: RunFolder) -> date:
    facts = warehouse.read_facts(work)
    spent = np.flatnonzero(facts.spend.sum(axis=1) > 0)
    return (facts.days[int(spent[-1])] if spent.size else facts.days[-1]) + timedelta(days=1)


def _nights(runs: str) -> dict[date, RunFolder]:
    """Return the nights of budgets that saw what was known on their own day, by that day."""
    found: dict[date, RunFolder] = {}
    for name in list_runs(runs):
        try:
            run = open_run(runs, name)
            day = read_day(run)
            is_in_time = read_today(run) - day <= timedelta(days=IN_TIME_DAYS)
        except PipelineError:
            continue  # damaged, or kept by another version
        if is_in_time and run.exists(warehouse.LINE_DAY):
            found[day] = run
    return found
