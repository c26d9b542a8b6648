"""Standing holdouts: units kept on the old plan, drawn once by chance, recorded, and compared."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.core.errors import UsageError
from pipeline.core.history import History
from pipeline.core.trial import LINES, Trial
from pipeline.core.types import BoolArray, FloatArray, Line, line_label
from pipeline.experiments.standing import (
    BEFORE_DAYS,
    StandingResult,
    draw_holdout,
    value_of_plans,
)
from pipeline.runs.portfolio import Portfolio
from pipeline.runs.signoff import acting, existing_ledger

if TYPE_CHECKING:
    from pipeline.io.ledger import ExperimentRecord

MATURE = 0.9

LEAST_KNOWN = 0.8
"""Share of the days that are compared on which a unit must be known to take part."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldoutScore:
    """What a holdout has shown by now; `result` is None while it is too young."""

    name: str
    since: date
    ended: date | None
    held: tuple[str, ...]
    of: int
    result: StandingResult | None

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "name": self.name,
            "since": self.since.isoformat(),
            "ended": None if self.ended is None else self.ended.isoformat(),
            "held": list(self.held),
            "of": self.of,
            "result": None if self.result is None else asdict(self.result),
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> HoldoutScore:
        """Return what `to_json` wrote."""
        result = data["result"]
        return cls(
            name=data["name"],
            since=date.fromisoformat(data["since"]),
            ended=None if data["ended"] is None else date.fromisoformat(data["ended"]),
            held=tuple(data["held"]),
            of=data["of"],
            result=None if result is None else StandingResult(**result),
        )


def draw(
    portfolio: Portfolio,
    person: str,
    *,
    name: str,
    share: float,
    by: str,
    first_day: date,
    seed: int,
) -> ExperimentRecord:
    """Draw by chance which units stay on the old plan, and record it before the first day.

    Args:
        share: of the units, 0-1.
        by: a line column, or `line` for whole budget lines; where outcomes are not attributed to
            lines, a column that they are known by.
        seed: recorded, so that anybody can draw again.

    Raises:
        UsageError: it would begin today or earlier, there are too few units, outcomes are not
            known by such units, or another holdout goes on.
        NotFoundError: there was no night yet that says which lines there are.
    """
    policy, today = portfolio.policy, portfolio.today()
    if by not in {*policy.line, LINES}:
        raise UsageError(
            f"holdout --by: got {by!r}, need one of {', '.join((*policy.line, LINES))}"
        )
    _refuse_unmeasured(policy.sources.outcomes.by, by)
    if first_day <= today:
        raise UsageError(
            f"holdout {name!r}: starts {first_day}, today is {today}; name a later first day"
        )
    ledger = existing_ledger(portfolio)
    _refuse_second(ledger.experiments(policy.portfolio), name)
    plan = ledger.plan("latest", policy.portfolio).plan
    money: dict[str, float] = {}
    for line, amount in plan.budgets.items():
        unit = unit_of(line, policy.line, by)
        money[unit] = money.get(unit, 0.0) + amount
    units = sorted(money)
    chosen = draw_holdout(
        np.array([money[unit] for unit in units]), share, np.random.default_rng(seed)
    )
    return ledger.record_assignment(
        name,
        {
            "kind": "holdout",
            "from": first_day.isoformat(),
            "to": None,
            "scope": {},
            "unit_column": by,
            "treated": [units[index] for index in chosen],
            "units": units,
            "share": share,
            "seed": seed,
            "looks_at": "",
        },
        acting(portfolio, person, "assign experiment", name),
        policy,
    )


def _refuse_second(records: Iterable[ExperimentRecord], name: str) -> None:
    """Refuse a holdout beside another: each would count the other's units among those that move.

    Raises:
        UsageError: one goes on.
    """
    for other in records:
        if other.assignment["kind"] == "holdout" and not other.ended and other.name != name:
            raise UsageError(
                f"holdout {name!r}: {other.name!r} goes on since {other.assignment['from']}, and "
                "two would spoil each other's comparison; end it first with "
                f"'equimarginal holdout end {other.name}'"
            )


def _refuse_unmeasured(known_by: tuple[str, ...] | None, by: str) -> None:
    """Refuse units whose outcomes nobody knows: nothing could be held against them.

    Raises:
        UsageError: outcomes are a total, or known by other columns.
    """
    if known_by is None or by in known_by:
        return
    if not known_by:
        raise UsageError(
            "holdout: outcomes are known as one total, in which units on the old plan cannot be "
            "told from the others; give outcomes by region and name the column under "
            "sources.outcomes.by"
        )
    raise UsageError(
        f"holdout --by {by}: outcomes are known by {', '.join(known_by)} only, so nothing could be "
        f"held against such units; use --by {known_by[0]}"
    )


def end(portfolio: Portfolio, person: str, *, name: str, why: str) -> ExperimentRecord:
    """Record that a holdout or test ends today; from tomorrow its lines are free again."""
    ledger = existing_ledger(portfolio)
    ledger.experiment(portfolio.policy.portfolio, name)
    actor = acting(portfolio, person, "end experiment", name)
    return ledger.record_end(name, portfolio.today().isoformat(), why, actor, portfolio.policy)


def holdout_scores(
    trials: Sequence[Trial],
    columns: tuple[str, ...],
    history: History,
    metric: str,
    complete: FloatArray,
) -> tuple[HoldoutScore, ...]:
    """Return what every standing holdout has shown, the oldest first.

    Args:
        complete: (n_days, n_lines), share of each day's outcome that is thought to be reported.
    """
    return tuple(
        _score(trial, columns, history, metric, complete)
        for trial in trials
        if trial.kind == "holdout" and trial.first_day <= history.days[-1]
    )


def unit_of(line: Line, columns: tuple[str, ...], by: str) -> str:
    """Return the unit that a line belongs to."""
    return line_label(line) if by == LINES else line[columns.index(by)]


def _score(
    trial: Trial, columns: tuple[str, ...], history: History, metric: str, complete: FloatArray
) -> HoldoutScore:
    table = _by_unit(trial.unit_column, columns, history, metric, complete)
    result = None
    if table is not None:
        mature = np.flatnonzero(complete.mean(axis=1) >= MATURE)
        end = int(mature[-1]) + 1 if mature.size else 0
        if trial.last_day is not None:
            end = min(end, (trial.last_day - history.days[0]).days + 1)
        start = max((trial.first_day - history.days[0]).days, 0)
        table, start = _comparable(table.until(end), start)
        held = [index for index, name in enumerate(table.names) if name in trial.units]
        if 0 < len(held) < len(table.names):
            result = value_of_plans(
                table.outcome,
                table.spend,
                np.array(held, dtype=np.int64),
                start,
                np.random.default_rng(trial.first_day.toordinal()),
            )
    return HoldoutScore(
        name=trial.name,
        since=trial.first_day,
        ended=trial.last_day,
        held=trial.units,
        of=len({unit_of(line, columns, trial.unit_column) for line in history.lines}),
        result=result,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Units:
    """What units earned and cost, (n_days, n_units); `known` is False where an outage hides it."""

    names: list[str]
    outcome: FloatArray
    spend: FloatArray
    known: BoolArray

    def until(self, end: int) -> _Units:
        return self.of(slice(end), slice(None))

    def of(self, rows: slice | BoolArray, units: slice | BoolArray) -> _Units:
        return _Units(
            names=np.array(self.names)[units].tolist(),
            outcome=self.outcome[rows][:, units],
            spend=self.spend[rows][:, units],
            known=self.known[rows][:, units],
        )


def _comparable(table: _Units, start: int) -> tuple[_Units, int]:
    """Return the units that can be compared, outages filled in, and the first day that counts.

    A day without a unit's outcome would pass for a day on which it earned nothing. It is taken to
    have earned what its other days of the same side of `start` say, in the measure in which the
    units that are known did that day. Units that are often unknown are left out.
    """
    before, after = slice(max(start - BEFORE_DAYS, 0), start), slice(start, None)
    often = np.ones(len(table.names), dtype=bool)
    for rows in (before, after):
        if table.known[rows].size:
            often &= table.known[rows].mean(axis=0) >= LEAST_KNOWN
    table = table.of(slice(None), often)
    days = np.asarray(table.known.any(axis=1))
    start = int(days[:start].sum())
    table = table.of(days, slice(None))
    sides = [
        _filled(table.outcome[rows], table.known[rows])
        for rows in (slice(start), slice(start, None))
    ]
    return replace(table, outcome=np.concatenate(sides)), start


def _filled(outcome: FloatArray, known: BoolArray) -> FloatArray:
    """Return the outcomes with unknown cells at their unit's level, scaled as the day was."""
    seen = np.where(known, outcome, 0.0)
    level = seen.sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    usual = (known * level).sum(axis=1)
    day = np.where(usual > 0, seen.sum(axis=1) / np.where(usual > 0, usual, 1.0), 1.0)
    return np.where(known, outcome, day[:, None] * level)


def _by_unit(
    by: str, columns: tuple[str, ...], history: History, metric: str, complete: FloatArray
) -> _Units | None:
    """Return the units with their completed outcome and spend.

    Outcomes that are known by region, say, are added up over what else they are known by.

    Returns:
        None where outcomes are not known by such units.
    """
    units = [unit_of(line, columns, by) for line in history.lines]
    names = sorted(set(units))
    spend = history.spend @ _member(units, names)
    measured = history.measured
    if measured is None:
        if metric not in history.outcomes:
            return None
        seen, trusted, share = history.outcomes[metric], history.trusted, complete
    else:
        if by not in columns or columns.index(by) not in measured.levels:
            return None
        place = measured.levels.index(columns.index(by))
        units = [unit[place] for unit in measured.units]
        seen, trusted = measured.outcomes[metric], measured.trusted
        share = complete.mean(axis=1, keepdims=True)
    member = _member(units, names)
    return _Units(
        names=names,
        outcome=np.where(trusted, seen / share, 0.0) @ member,
        spend=spend,
        known=(~trusted).astype(float) @ member == 0,
    )


def _member(units: Sequence[str], names: Sequence[str]) -> FloatArray:
    return np.array([[unit == name for name in names] for unit in units], dtype=float)
