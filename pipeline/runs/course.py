"""The course of a night, whatever it decides: extract, the steps in order, complete, propose.

Each kind of decision says what it freezes, its steps and how its plan is read; this module runs
them, in one process or one task each. A step's token is the name of the night's hidden work
folder, or the plan's id once that is complete; a step that finds its night complete has nothing
to do. Every step may be run again.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.core.clock import near_day
from pipeline.core.decision import Document
from pipeline.core.errors import ConfigError, DataNotTrustedError, InfeasibleError, NotFoundError
from pipeline.core.findings import Level
from pipeline.core.kinds import KINDS
from pipeline.core.plan import Kind
from pipeline.io.artefacts import RunFolder, begin_run, list_work, open_run, resume_run
from pipeline.runs.inputs import inputs_hash, is_signed, read_day
from pipeline.runs.portfolio import Portfolio, open_portfolio
from pipeline.runs.storage import FINDINGS, PLAN, SIGN_LINK, read_findings

if TYPE_CHECKING:
    from pipeline.io.ledger import PlanRecord

ABANDONED = timedelta(days=1)
"""A night takes minutes, and its retries hours: older work was interrupted for good."""
_BEGUN = "%Y%m%dt%H%M%S"
_WORK = "night"
SHARDS = "-shards"
"""How the name of the folder ends in which a night's fit is shared out."""

Progress = Callable[[str], None]
Step = Callable[[RunFolder], None]
CarryOut = Callable[[Portfolio, "PlanRecord", Path], tuple[str, ...]]


def nothing_follows(portfolio: Portfolio, record: PlanRecord, folder: Path) -> tuple[str, ...]:
    """Do nothing after a publication, and have nothing to tell."""
    del portfolio, record, folder
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CourseStep:
    """One step of a night.

    Attributes:
        task: its name as a task.
        label: what a person is told while it runs.
        decides: after it there is a plan, or there will be none tonight.
    """

    task: str
    label: str
    run: Step
    decides: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """How plans of one kind are made.

    Attributes:
        freeze: writes the inputs and the snapshot into an empty work folder.
        steps: in order; the last writes the page.
        read_plan: the plan that a work folder or a run holds.
        breaches: every way in which a stored plan exceeds the rules as they are now.
        carry_out: what follows from a published plan, given the folder it was published to; returns
            what is to be told.
        warm_up: begins what takes long to load, before anything else.
        otherwise: what else is said where there is no plan tonight.
        scored: checks of a plan that hold the one in force against what came.
    """

    kind: Kind
    freeze: Callable[[Portfolio, date, RunFolder], None]
    steps: Sequence[CourseStep]
    read_plan: Callable[[RunFolder], Document]
    breaches: Callable[[Portfolio, PlanRecord], tuple[str, ...]]
    carry_out: CarryOut = nothing_follows
    warm_up: Callable[[], None] = lambda: None
    otherwise: str = ""
    scored: frozenset[str] = frozenset()

    def compute(self, work: RunFolder) -> None:
        """Run every step after extraction on a work folder: what a replay does."""
        for step in self.steps:
            step.run(work)

    def step(self, task: str) -> CourseStep:
        """Return the step of a task's name."""
        return next(step for step in self.steps if step.task == task)

    def plan_id(self, work: RunFolder) -> str:
        """Return the id of the plan that these inputs lead to: kind, day, digits of their hash."""
        digits = inputs_hash(work).removeprefix("sha256:")[:8]
        start = "" if self.kind is Kind.BUDGET else f"{self.kind.value}-"
        return f"{start}{read_day(work).isoformat()}-{digits}"

    def require_plan(self, work: RunFolder) -> None:
        """Raise where the night has no plan to propose: what is in force then stays in force.

        Raises:
            DataNotTrustedError: with the first reason why.
        """
        if work.exists(PLAN):
            return
        entry = KINDS[self.kind]
        failed = [f for f in read_findings(work, FINDINGS) if f.level is Level.FAIL]
        more = f" (and {len(failed) - 1} more)" if len(failed) > 1 else ""
        also = f"{self.otherwise}, " if self.otherwise else ""
        rests = entry.rests(is_signed=is_signed(work))
        raise DataNotTrustedError(
            f"no {entry.name} for {read_day(work).isoformat()}: {failed[0].message}{more}; "
            f"{also}{rests}; 'equimarginal check' lists every problem"
        )


def course_of(kind: Kind) -> Course:
    """Return how plans of a kind are made.

    Raises:
        NotFoundError: no night makes such plans.
    """
    if not KINDS[kind].course:
        raise NotFoundError(f"{kind.value}: no night makes such plans in this version")
    course = import_module(KINDS[kind].course).COURSE
    assert isinstance(course, Course)  # noqa: S101  each of the modules has one
    return course


def run_course(
    course: Course,
    portfolio: Portfolio,
    day: date,
    *,
    progress: Progress = lambda message: None,
) -> Document:
    """Return the plan that one whole night proposes for `day` from data up to the day before.

    The same inputs give the same plan; a second run returns the first one's.

    Raises:
        DataNotTrustedError: the data cannot be trusted and nothing approved stands in.
        InfeasibleError: the rules contradict each other.
    """
    course.warm_up()
    progress("reading the sources")
    work = begin(course, portfolio, day)
    if not work.is_complete:
        try:
            for step in course.steps:
                progress(step.label)
                step.run(work)
            course.require_plan(work)
        except (ConfigError, InfeasibleError, DataNotTrustedError):
            work.discard()
            raise
        progress("proposing the plan")
        work = work.complete(course.plan_id(work))
    return _propose(course, portfolio, work)


def begin(course: Course, portfolio: Portfolio, day: date) -> RunFolder:
    """Return tonight's work folder, or the complete run that the same inputs already gave."""
    near_day(day, "night")
    _clear_abandoned(portfolio)
    begun = portfolio.clock().astimezone(UTC).strftime(_BEGUN)
    name = f"{_WORK}-{day.isoformat()}-{begun}-{secrets.token_hex(4)}"
    work = begin_run(portfolio.runs, name)
    try:
        course.freeze(portfolio, day, work)
    except ConfigError:  # settings that cannot be carried out leave nothing behind
        work.discard()
        raise
    try:
        done = open_run(portfolio.runs, course.plan_id(work))
    except NotFoundError:
        return work
    work.discard()
    return done


def extract(folder: str | Path, day: str, kind: str) -> str:
    """Read the sources and freeze the inputs; return the night's token."""
    return begin(course_of(Kind(kind)), open_portfolio(folder), date.fromisoformat(day)).name


def run_step(folder: str | Path, token: str, kind: str, name: str) -> None:
    """Run the step of a name on the night of a token, unless that is complete.

    Raises:
        DataNotTrustedError, InfeasibleError: there is no plan tonight.
    """
    course = course_of(Kind(kind))
    step = course.step(name)
    work = open_night(open_portfolio(folder), token)
    if work.is_complete:
        return
    step.run(work)
    if step.decides:
        course.require_plan(work)


def keep_sign_link(folder: str | Path, token: str, link: str) -> None:
    """Keep where a night's plan can be signed in a browser, for its page to say."""
    work = open_night(open_portfolio(folder), token)
    if not work.is_complete:
        work.write_json(SIGN_LINK, link)


def finish(folder: str | Path, token: str, kind: str) -> str:
    """Write the page, complete the run and propose its plan; return the plan's id.

    A schedule that catches up on a past day does so for the record: no policy signs that plan.
    """
    course, portfolio = course_of(Kind(kind)), open_portfolio(folder)
    work = open_night(portfolio, token)
    if not work.is_complete:
        course.steps[-1].run(work)
        course.require_plan(work)
        work = work.complete(course.plan_id(work))
    return _propose(course, portfolio, work, since=portfolio.today()).plan_id


def _propose(
    course: Course, portfolio: Portfolio, work: RunFolder, since: date = date.min
) -> Document:
    """Put the complete run's plan before the people, or let the policy sign it."""
    from pipeline.runs.signoff import sign_by_policy

    plan = course.read_plan(work)
    record = portfolio.ledger.propose_plan(plan, portfolio.policy)
    if record.status.value == "proposed" and plan.date >= since:
        signed = sign_by_policy(portfolio, record.plan_id)
        record = signed.record if signed is not None else record
    return plan.with_status(record.status)


def _clear_abandoned(portfolio: Portfolio) -> None:
    """Remove what nights left behind that were killed more than a day ago."""
    for name in list_work(portfolio.runs):
        begun = re.fullmatch(
            _WORK + r"-\d{4}-\d\d-\d\d-(\d{8}t\d{6})-[0-9a-f]{8}" + f"({SHARDS})?", name
        )
        if begun is None:
            continue
        age = portfolio.clock() - datetime.strptime(begun[1], _BEGUN).replace(tzinfo=UTC)
        if age > ABANDONED:
            resume_run(portfolio.runs, name).discard()


def open_night(portfolio: Portfolio, token: str) -> RunFolder:
    """Return the work folder of a token, or the complete run that it became."""
    if token.startswith(f"{_WORK}-"):
        return resume_run(portfolio.runs, token)
    return open_run(portfolio.runs, token)
