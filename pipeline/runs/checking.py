"""Answers without a plan: is the portfolio ready for its night, and is an old plan reproducible."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from datetime import date

from pipeline.core.decision import Document
from pipeline.core.errors import ConfigError, DamagedError, DataNotTrustedError, InfeasibleError
from pipeline.core.findings import Finding, Level, worst_level
from pipeline.core.kinds import KINDS, kinds_of
from pipeline.core.plan import Kind
from pipeline.io.artefacts import RunFolder, begin_run, open_run
from pipeline.runs import storage
from pipeline.runs.course import Course, course_of
from pipeline.runs.inputs import CLOCK, INPUTS, PREVIOUS, SNAPSHOT
from pipeline.runs.portfolio import Portfolio


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """A plan computed again; `differences` names the fields that differ."""

    plan_id: str
    content_hash: str
    differences: tuple[str, ...]


def check_portfolio(portfolio: Portfolio, day: date) -> list[Finding]:
    """Return everything that the nights for `day` would say of data, caps, limits and rules.

    Each kind that the settings have a section for is run up to its plan in a temporary folder;
    nothing is proposed or kept.
    """
    kinds = kinds_of(portfolio.policy)
    found = [_check_course(course_of(kind), portfolio, day) for kind in kinds]
    return [finding for findings in found for finding in findings]


def _check_course(course: Course, portfolio: Portfolio, day: date) -> list[Finding]:
    with tempfile.TemporaryDirectory() as scratch:
        work = begin_run(scratch, "check")
        course.freeze(portfolio, day, work)
        try:
            course.compute(work)
        except (ConfigError, InfeasibleError, DataNotTrustedError) as error:
            limits = Finding(level=Level.FAIL, check=error.code, message=str(error))
            return [*storage.read_findings(work, storage.FINDINGS), limits]
        findings = storage.read_findings(work, storage.FINDINGS)
        if work.exists(storage.PLAN) and worst_level(findings) is not Level.FAIL:
            findings += _reasons(course, work)
        return findings


def _reasons(course: Course, work: RunFolder) -> list[Finding]:
    """Return why the night would propose what it does.

    A budget's reasons are limits that gave way; a decision has reasons on every night.
    """
    if course.kind is Kind.BUDGET:
        level, check = Level.REVIEW, "limits"
    else:
        level, check = Level.PASS, KINDS[course.kind].name
    reasons = course.read_plan(work).reasons
    return [Finding(level=level, check=check, message=reason) for reason in reasons]


def replay_plan(portfolio: Portfolio, ref: str) -> Replayed:
    """Return whether a stored plan comes out of its stored inputs again, field by field.

    Raises:
        NotFoundError: there is no such plan or its run folder is gone.
        DamagedError: the run folder does not hold the plan that the ledger knows.
    """
    record = portfolio.ledger.plan(ref, portfolio.policy.portfolio)
    run = open_run(portfolio.runs, record.plan_id)
    course = course_of(record.kind)
    stored = course.read_plan(run)
    if stored.content_hash != record.content_hash:
        raise DamagedError(
            f"plan {record.plan_id}: its run folder holds {stored.content_hash}, "
            f"the ledger {record.content_hash}; restore the run folder from a backup"
        )
    with tempfile.TemporaryDirectory() as scratch:
        work = begin_run(scratch, "replay")
        _copy_inputs(run, work)
        course.compute(work)
        again = course.read_plan(work)
    return Replayed(
        plan_id=record.plan_id,
        content_hash=record.content_hash,
        differences=_differences(stored, again),
    )


def _copy_inputs(run: RunFolder, work: RunFolder) -> None:
    for name in run.names():
        inside = name.startswith((SNAPSHOT, f"{PREVIOUS}/"))
        if inside or name in {INPUTS, CLOCK, storage.SOURCE_FINDINGS}:
            work.write_bytes(name, run.read_bytes(name))


def _differences(stored: Document, again: Document) -> tuple[str, ...]:
    left, right = stored.content(), again.content()
    return tuple(name for name in {**left, **right} if left.get(name) != right.get(name))
