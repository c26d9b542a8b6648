"""Whether tonight's tables can be trusted: counts first, then rows, then suites."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from operator import itemgetter
from typing import TYPE_CHECKING

from pipeline.core.findings import Finding, Level, worst_level
from pipeline.core.policy import Policy
from pipeline.core.types import Line
from pipeline.io import (
    gaps,
    gate,
    jumps,
    objective,
    outages,
    proportions,
    restated,
    set_budgets,
    suites,
)
from pipeline.io.artefacts import RunFolder
from pipeline.io.copies import check_copied_day
from pipeline.io.lags import LAGS, Lag, lag_table, lags_of, read_lags
from pipeline.io.lift_tests import LIFT_TESTS
from pipeline.io.line_outcomes import check_line_outcomes
from pipeline.io.named_days import as_ordinary, first_of_its_name
from pipeline.io.price_levels import check_price_level
from pipeline.io.sources.snapshot import SOURCES
from pipeline.io.special_days import read_special_days
from pipeline.io.verdict import Verdict, report_believed
from pipeline.io.warehouse import LINE_DAY, ROW_FINDINGS, UNTRUSTED, read_facts

if TYPE_CHECKING:
    from pipeline.io.facts import Facts


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the gate found, and the suites that may still be running.

    Attributes:
        findings: of the row checks and the gate; a FAIL among them is final.
    """

    findings: tuple[Finding, ...]
    _pending: suites.PendingSuites | None

    def complete(self) -> list[Finding]:
        """Wait for the suites and return all findings, heaviest first."""
        found = [*self.findings, *(self._pending.findings() if self._pending else ())]
        if worst_level(found) is Level.PASS:
            found.append(
                Finding(level=Level.PASS, check="data", message="every check of the input passed")
            )
        weight = list(Level)
        return sorted(found, key=lambda finding: -weight.index(finding.level))


def start_suites() -> None:
    """Begin to load what the suites need, in another process; call it as the night starts."""
    suites.start()


def validate(
    work: RunFolder,
    policy: Policy,
    day: date,
    previous: RunFolder | None = None,
    moneyless: Collection[Line] = (),
) -> list[Finding]:
    """Return what the signer must know about the data, and write which cells to distrust.

    Args:
        day: the plan's day; data up to the day before count.
        previous: the run of an earlier night, to compare restated days with.
        moneyless: lines that are meant to spend nothing.
    """
    return judge(work, policy, day, previous, moneyless=moneyless).complete()


def judge(
    work: RunFolder,
    policy: Policy,
    day: date,
    previous: RunFolder | None = None,
    *,
    with_suites: bool = True,
    moneyless: Collection[Line] = (),
) -> Judgement:
    """Return the gate's findings at once, while the suites run on in another process.

    The distrusted cells are written before it returns, so the fit may start. Arguments as
    `validate`.

    Args:
        with_suites: a simulation that makes its own tables may do without.
    """
    facts = read_facts(work) if work.exists(LINE_DAY) else None
    verdict = Verdict()
    pending = None
    earlier = () if previous is None else read_lags(previous)
    lags: tuple[Lag, ...] = ()
    if gate.check_counts(facts, policy, verdict) and facts is not None:
        if with_suites:
            tests = work.read_parquet(LIFT_TESTS) if work.exists(LIFT_TESTS) else None
            metric, days = policy.objective.maximize, policy.sources.period_days
            pending = suites.begin(facts, metric, tests, period_days=days)
        before = read_facts(previous) if previous and previous.exists(LINE_DAY) else None
        named = read_special_days(work)
        judge_facts(facts, policy, day, verdict, named, before, moneyless, earlier)
        lags = lags_of(facts)
        gate.check_cut_off(work.read_json(SOURCES)["spend"]["ends_open"], verdict)
        if before is not None:
            restated.check_restated(facts, before, policy.objective.maximize, verdict)
    if facts is not None:  # a night that tells nothing hands on what nights before it told
        work.write_parquet(LAGS, lag_table(earlier, lags, day))
    # Rows first: where a column cannot be read, that all of it is zero only follows.
    rows = work.read_json(ROW_FINDINGS) if work.exists(ROW_FINDINGS) else []
    findings = (*map(Finding.model_validate, rows), *verdict.findings)
    work.write_json(
        UNTRUSTED,
        [
            {
                "day": cell_day.isoformat(),
                "line": list(line),
                "check": doubt.check,
                "spend": doubt.spend,
            }
            for (cell_day, line), doubt in sorted(verdict.untrusted.items(), key=itemgetter(0))
        ],
    )
    return Judgement(findings, pending)


def judge_tables(
    facts: Facts, policy: Policy, day: date, named: Mapping[date, str] | None = None
) -> Verdict:
    """Return what the gate finds in tables that are in memory, and the cells not to learn from.

    Args:
        named: days that the settings name.
    """
    verdict = Verdict()
    if gate.check_counts(facts, policy, verdict):
        judge_facts(facts, policy, day, verdict, named)
    return verdict


def judge_facts(
    facts: Facts,
    policy: Policy,
    day: date,
    verdict: Verdict,
    named: Mapping[date, str] | None = None,
    before: Facts | None = None,
    moneyless: Collection[Line] = (),
    earlier: Sequence[Lag] = (),
) -> None:
    """Apply every rule that needs only tonight's tables.

    What holds one row of a source against the rows around it judges rows as the source has them.

    Args:
        named: days that the settings name; what such a day may bring is no fault of it.
        before: an earlier night's tables, which say how late outcomes usually are.
        moneyless: lines that are meant to spend nothing.
        earlier: lines that lacked newest outcomes on nights before.
    """
    metric = policy.objective.maximize
    units = facts.outcome_side
    rows = facts.in_periods(policy.sources.period_days)
    names = named or {}
    steady = set_budgets.without_set_steps(rows)
    ordinary = as_ordinary(steady, names)
    gate.check_newest_day(rows, day, verdict, ordinary, moneyless)
    gaps.check_gaps(facts, metric, verdict)
    if rows.measured is not None:
        gaps.check_outcome_gaps(rows.measured, verdict)
    else:
        check_line_outcomes(rows, verdict, earlier)
    gaps.check_month(facts, policy, day, verdict)
    gate.check_outcome_cover(units, policy, day, verdict, before and before.outcome_side)
    gate.check_columns(facts, verdict)
    set_budgets.check_spend_level(facts, policy, verdict)
    set_budgets.check_budgets(facts, verdict)
    _judge_rows(rows, ordinary, metric, verdict, moneyless)
    outages.check_outages(units, metric, verdict, are_totals=units is not facts)
    objective.check_totals(units, policy.objective, verdict)
    newest = rows.days[-1]
    if name := first_of_its_name(rows, names):
        report_believed(
            _plainly(rows, steady, metric, day, moneyless),
            verdict,
            f"{newest} is the first {name!r} in the data",
            "if the day did not bring that",
        )
    if steady is not rows:
        report_believed(
            _plainly(rows, as_ordinary(rows, names), metric, day, moneyless),
            verdict,
            f"budgets were set anew on {newest}",
            "if nobody set them",
        )


def _plainly(
    rows: Facts, ordinary: Facts, metric: str, day: date, moneyless: Collection[Line]
) -> Verdict:
    """Return what the rules for the newest rows say when less is known to explain them."""
    plain = Verdict()
    gate.check_newest_day(rows, day, plain, ordinary, moneyless)
    _judge_rows(rows, ordinary, metric, plain, moneyless)
    return plain


def _judge_rows(
    rows: Facts, ordinary: Facts, metric: str, verdict: Verdict, moneyless: Collection[Line]
) -> None:
    """Apply the rules that hold a row against the rows around it.

    Args:
        ordinary: the rows without what named days may bring and budgets set anew explain; amounts
            are told as they are.
    """
    # The newest outcomes are those that have come: a fault in them is one of tonight.
    units, ordinary_units = rows.outcome_side.reported(), ordinary.outcome_side.reported()
    jumps.check_spend_jumps(rows, verdict, ordinary, moneyless)
    jumps.check_outcome_jumps(units, metric, verdict, ordinary_units)
    jumps.check_unit_shift(rows, verdict, ordinary)
    jumps.check_outcome_shift(ordinary_units, metric, verdict, are_totals=rows.measured is not None)
    check_price_level(ordinary.outcome_side, verdict)
    proportions.check_unit_cost(ordinary.outcome_side, verdict)
    proportions.check_day_jump(rows, verdict, ordinary)
    proportions.check_line_steps(rows, verdict, ordinary)
    check_copied_day(rows, verdict)
