"""What a night rests on besides the data, frozen as it starts: policy, caps, last plan, history.

Everything that can change a plan is in `inputs.json` or in the snapshot beside it, so a plan can
be computed again from its run folder alone, and the same inputs have the same plan id.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

import pipeline
from pipeline.core.canonical import content_hash
from pipeline.core.caps import Cap
from pipeline.core.decision import Document
from pipeline.core.learning import Lesson
from pipeline.core.plan import Plan, Status
from pipeline.core.policy import Policy
from pipeline.core.trial import Trial
from pipeline.core.types import Line
from pipeline.io.artefacts import RunFolder, open_run
from pipeline.io.lags import LAGS
from pipeline.io.special_days import freeze_special_days
from pipeline.io.vintages import VINTAGES
from pipeline.io.warehouse import LINE_DAY, UNIT_DAY
from pipeline.runs.portfolio import Portfolio

if TYPE_CHECKING:
    from pipeline.io.ledger import PlanRecord

INPUTS = "inputs.json"
CLOCK = "clock.json"
BESIDE = "beside.json"
PREVIOUS = "previous"
SNAPSHOT = "snapshot/"


class Inputs(BaseModel):
    """The frozen inputs of one night.

    Attributes:
        published: the last published plan's content, None before the first.
        revoked_by: who withdrew its signature since; empty where it stands.
        previous: the newest plan of an earlier day, published or not.
        trials: experiments and standing holdouts, as far as the ledger knew of them.
        version: of the software; another version may plan otherwise.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    day: date
    policy: Policy
    caps: tuple[Cap, ...]
    caps_version: str
    held_scopes: tuple[dict[str, str], ...]
    waiting_caps: tuple[Cap, ...]
    published: Plan | None
    revoked_by: str = ""
    previous: Plan | None
    trials: tuple[Trial, ...] = ()
    version: str

    def published_budgets(self) -> dict[Line, float]:
        """Return the budgets in force, empty before the first published plan.

        A plan of other line columns or of another currency says nothing about tonight's lines.
        """
        last, policy = self.published, self.policy
        if last is None or (last.line_columns, last.currency) != (policy.line, policy.currency):
            return {}
        return last.budgets

    def known_names(self) -> dict[Line, Line]:
        """Return the name now of every line that had another one, as the plan in force has it."""
        return self.published.names if self.published and self.published_budgets() else {}

    def explored(self) -> dict[Line, float]:
        """Return what of the budgets in force is there to learn only, as far as anything is."""
        last = self.published
        if last is None or not self.published_budgets():
            return {}
        columns = last.line_columns
        return {tuple(item.line[c] for c in columns): item.exploration for item in last.lines}

    def lessons(self) -> tuple[Lesson, ...]:
        """Return the pairs of lines that the plan in force moves to learn, and since when."""
        last = self.published
        if last is None or last.exploration is None or not self.published_budgets():
            return ()
        return tuple(
            Lesson(up=item.up, down=item.down, money=item.money, since=item.since or last.date)
            for item in (*last.exploration.moves, *last.exploration.stays)
        )

    def learned_for(self) -> float:
        """Return the outcome that published plans gave up for learning, as they expected it."""
        account = None if self.published is None else self.published.exploration
        return 0.0 if account is None else account.total_cost

    def fallback_days(self) -> int:
        """Return for how many days in a row, tonight included, a fallback would be in force."""
        return resting_days(self.previous, self.day)


def resting_days(previous: Document | None, day: date) -> int:
    """Return for how many days up to `day` no new plan could be made, days without a night too."""
    if previous is None or previous.fallback_days == 0:
        return 1
    return previous.fallback_days + (day - previous.date).days


def revoked_by(published: PlanRecord | None) -> str:
    """Return who withdrew the signature of the plan that is in force, empty where it stands."""
    if published is None or published.status is not Status.REVOKED:
        return ""
    return published.decided_by


def freeze_inputs(portfolio: Portfolio, day: date, work: RunFolder) -> Inputs:
    """Write tonight's inputs into the work folder and return them."""
    from pipeline.runs.signoff import ready_ledger, waiting_caps
    from pipeline.runs.trials import trials_of

    ledger = ready_ledger(portfolio)
    name = portfolio.policy.portfolio
    published = ledger.last_published(name, day)
    previous = ledger.plan_before(name, day)
    inputs = Inputs(
        day=day,
        policy=portfolio.policy,
        caps=ledger.caps_in_force(name, day),
        caps_version=ledger.caps_version(name, day),
        held_scopes=ledger.held_scopes(portfolio.policy, day),
        waiting_caps=waiting_caps(portfolio),
        published=None if published is None else published.plan,
        revoked_by=revoked_by(published),
        previous=None if previous is None else previous.plan,
        trials=trials_of(ledger.experiments(name)),
        version=pipeline.__version__,
    )
    work.write_json(INPUTS, inputs.model_dump(mode="json"))
    freeze_special_days(work, portfolio.policy, day)
    # A night ahead of the clock is a rehearsal or a simulation: its own day is then the present.
    work.write_json(CLOCK, {"today": max(portfolio.today(), day).isoformat()})
    # What the page tells and the plan does not rest on.
    work.write_json(
        BESIDE,
        {
            "is_paused": ledger.is_paused(name),
            "experiments": [item.to_json() for item in ledger.experiments(name)],
        },
    )
    if inputs.previous is not None:
        _keep_previous(portfolio, inputs.previous.plan_id, work)
    return inputs


def read_inputs(work: RunFolder) -> Inputs:
    """Return the inputs that a night froze."""
    return Inputs.model_validate(read_plain(work.read_json(INPUTS)))


def read_day(work: RunFolder) -> date:
    """Return the day that a night of any kind plans for."""
    return date.fromisoformat(str(work.read_json(INPUTS)["day"]))


def is_signed(work: RunFolder) -> bool:
    """Return whether a signed plan is in force in the night of any kind."""
    return bool(work.read_json(INPUTS)["published"])


def read_today(work: RunFolder) -> date:
    """Return the date after which no row can be: the clock's, or the plan's day if later."""
    return date.fromisoformat(str(work.read_json(CLOCK)["today"]))


def read_plain(data: Any) -> Any:
    """Return stored JSON in the form that strict policies were read from: tuples, floats."""
    if isinstance(data, Mapping):
        out = {key: read_plain(value) for key, value in data.items()}
        if "policy" in out and isinstance(out["policy"], dict):
            out["policy"] = _strict(out["policy"])
        return out
    if isinstance(data, list):
        return [read_plain(item) for item in data]
    return data


def inputs_hash(work: RunFolder) -> str:
    """Return the hash of everything that tonight's plan rests on."""
    names = [
        name
        for name in work.names()
        if name == INPUTS or name.startswith((SNAPSHOT, f"{PREVIOUS}/"))
    ]
    hashes = work.hashes()
    return content_hash({name: hashes[name] for name in names})


def previous_run(work: RunFolder) -> RunFolder | None:
    """Return what was kept of an earlier night, None on the first."""
    kept = work.folder(PREVIOUS)
    return kept if kept.exists(VINTAGES) or kept.exists(LINE_DAY) else None


def _keep_previous(portfolio: Portfolio, plan_id: str, work: RunFolder) -> None:
    """Copy what tonight compares with, so that the run folder needs no other.

    A night whose sources could not be read staged nothing; it hands on what it was handed.
    """
    from pipeline.core.errors import NotFoundError

    try:
        earlier = open_run(portfolio.runs, plan_id)
    except NotFoundError:
        return  # its folder was archived; tonight learns late outcomes from the prior alone
    if not earlier.exists(LINE_DAY):
        earlier = earlier.folder(PREVIOUS)
    for name in (VINTAGES, LINE_DAY, UNIT_DAY, LAGS):
        if earlier.exists(name):
            work.write_bytes(f"{PREVIOUS}/{name}", earlier.read_bytes(name))


def _strict(policy: dict[str, Any]) -> Any:
    def walk(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: walk(item) for key, item in value.items()}
        if isinstance(value, list):
            return tuple(walk(item) for item in value)
        if isinstance(value, int) and not isinstance(value, bool):
            return float(value)
        return value

    return Policy.model_validate(walk(policy))
