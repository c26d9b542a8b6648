"""Standing holdouts: units kept on the old plan, drawn once by chance, recorded, and compared."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.core.errors import UsageError
from pipeline.core.history import History
from pipeline.core.trial import LINES, Trial
from pipeline.core.types import FloatArray, Line, line_label
from pipeline.experiments.standing import StandingResult, draw_holdout, value_of_plans
from pipeline.runs.portfolio import Portfolio
from pipeline.runs.signoff import acting, existing_ledger

if TYPE_CHECKING:
    from pipeline.io.ledger import ExperimentRecord

MATURE = 0.9


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
    seen = _by_unit(trial.unit_column, columns, history, metric, complete)
    result = None
    if seen is not None:
        names, outcome, spend = seen
        known = sorted(set(names).intersection(trial.units))
        mature = np.flatnonzero(complete.mean(axis=1) >= MATURE)
        end = int(mature[-1]) + 1 if mature.size else 0
        if trial.last_day is not None:
            end = min(end, (trial.last_day - history.days[0]).days + 1)
        if 0 < len(known) < len(names):
            result = value_of_plans(
                outcome[:end],
                spend[:end],
                np.array([names.index(unit) for unit in known], dtype=np.int64),
                max((trial.first_day - history.days[0]).days, 0),
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


def _by_unit(
    by: str, columns: tuple[str, ...], history: History, metric: str, complete: FloatArray
) -> tuple[list[str], FloatArray, FloatArray] | None:
    """Return the units, and their completed outcome and spend, (n_days, n_units).

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
        whole = np.where(history.trusted, history.outcomes[metric] / complete, 0.0)
        return names, whole @ _member(units, names), spend
    if by not in columns or columns.index(by) not in measured.levels:
        return None
    place = measured.levels.index(columns.index(by))
    share = complete.mean(axis=1, keepdims=True)
    whole = np.where(measured.trusted, measured.outcomes[metric] / share, 0.0)
    return names, whole @ _member([unit[place] for unit in measured.units], names), spend


def _member(units: Sequence[str], names: Sequence[str]) -> FloatArray:
    return np.array([[unit == name for name in names] for unit in units], dtype=float)
