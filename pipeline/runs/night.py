"""The night: one function per step, each reading and writing the run folder, none deciding.

`run_night` runs them in this process; Airflow runs the same functions, one task each. A step's
token is the name of the night's hidden work folder, or the plan's id once that is complete; a
step that finds its night complete has nothing to do. Every step may be run again.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np

from pipeline.core.errors import ConfigError, DataNotTrustedError, InfeasibleError, NotFoundError
from pipeline.core.findings import Finding, Level, worst_level
from pipeline.core.money import minor_digits
from pipeline.core.plan import Plan
from pipeline.core.types import line_label
from pipeline.io import quality, warehouse
from pipeline.io.artefacts import RunFolder, begin_run, list_work, open_run, resume_run
from pipeline.io.sources import read_snapshot
from pipeline.runs import scoring, storage
from pipeline.runs.fallback import fallback_plan
from pipeline.runs.inputs import (
    Inputs,
    freeze_inputs,
    inputs_hash,
    previous_run,
    read_inputs,
    read_today,
)
from pipeline.runs.pages import write_night_page
from pipeline.runs.plan import Heading, optimised_plan
from pipeline.runs.portfolio import Portfolio, open_portfolio
from pipeline.runs.promises import keep_promises, write_forecast
from pipeline.runs.verification import verify_night

FINDINGS = "findings.json"
VERIFICATION = "verification.json"
ABANDONED = timedelta(days=1)
"""A night takes minutes, and its retries hours: older work was interrupted for good."""
_BEGUN = "%Y%m%dt%H%M%S"

Progress = Callable[[str], None]


def run_night(
    portfolio: Portfolio, day: date, *, progress: Progress = lambda message: None
) -> Plan:
    """Return the plan that one whole night proposes for `day` from data up to the day before.

    The same inputs give the same plan; a second run returns the first one's.

    Raises:
        DataNotTrustedError: the data cannot be trusted and no approved plan exists.
        InfeasibleError: the policy's limits contradict each other.
    """
    quality.start_suites()
    progress("reading the sources")
    work = _extract(portfolio, day)
    if not work.is_complete:
        try:
            for label, step in _STEPS.items():
                progress(label)
                step(work)
            _check_outcome(work)
        except (ConfigError, InfeasibleError, DataNotTrustedError):
            work.discard()
            raise
        progress("proposing the plan")
        work = work.complete(_plan_id(work))
    return _propose(portfolio, work)


def extract(folder: str | Path, day: str) -> str:
    """Read the sources and freeze the inputs; return the night's token."""
    portfolio = open_portfolio(folder)
    return _extract(portfolio, date.fromisoformat(day)).name


def stage(folder: str | Path, token: str) -> None:
    """Build the daily tables from the snapshot."""
    _at_work(folder, token, _stage)


def validate(folder: str | Path, token: str) -> None:
    """Judge the data; what is wrong becomes findings."""
    _at_work(folder, token, _validate)


def score(folder: str | Path, token: str) -> None:
    """Hold earlier plans against what came, and watch the inputs for breaks."""
    _at_work(folder, token, _score)


def fit(folder: str | Path, token: str) -> None:
    """Learn the response curves, where the data can be trusted."""
    _at_work(folder, token, _fit)


def allocate(folder: str | Path, token: str) -> None:
    """Decide tonight's budgets, or fall back.

    Raises:
        DataNotTrustedError, InfeasibleError: there is no plan tonight.
    """

    def step(work: RunFolder) -> None:
        _allocate(work)
        _check_outcome(work)

    _at_work(folder, token, step)


def verify(folder: str | Path, token: str) -> None:
    """Check the plan with code that shares nothing with the solver."""
    _at_work(folder, token, _verify)


def report(folder: str | Path, token: str) -> str:
    """Write the page, complete the run and propose its plan; return the plan's id."""
    portfolio = open_portfolio(folder)
    work = _open(portfolio, token)
    if not work.is_complete:
        write_night_page(work)
        work = work.complete(_plan_id(work))
    return _propose(portfolio, work).plan_id


def compute(work: RunFolder) -> None:
    """Run every step after extraction on a work folder: what a replay does."""
    for step in _STEPS.values():
        step(work)


def learn(work: RunFolder) -> None:
    """Run the steps up to the fitted curves: what scores need, and no plan."""
    for step in (_stage, _validate, _score, _fit):
        step(work)


def extract_into(portfolio: Portfolio, day: date, work: RunFolder) -> RunFolder:
    """Freeze the inputs and snapshot the sources into a work folder, and return it."""
    freeze_inputs(portfolio, day, work)
    keep_promises(portfolio, day, work)
    found = read_snapshot(portfolio.policy, portfolio.folder, work)
    storage.write_findings(work, storage.SOURCE_FINDINGS, found)
    return work


def _extract(portfolio: Portfolio, day: date) -> RunFolder:
    """Return tonight's work folder, or the complete run that the same inputs already gave."""
    _clear_abandoned(portfolio)
    begun = portfolio.clock().astimezone(UTC).strftime(_BEGUN)
    name = f"night-{day.isoformat()}-{begun}-{secrets.token_hex(4)}"
    work = extract_into(portfolio, day, begin_run(portfolio.runs, name))
    try:
        done = open_run(portfolio.runs, _plan_id(work))
    except NotFoundError:
        return work
    work.discard()
    return done


def _clear_abandoned(portfolio: Portfolio) -> None:
    """Remove what nights left behind that were killed more than a day ago."""
    for name in list_work(portfolio.runs):
        begun = re.fullmatch(r"night-\d{4}-\d\d-\d\d-(\d{8}t\d{6})-[0-9a-f]{8}", name)
        if begun is None:
            continue
        age = portfolio.clock() - datetime.strptime(begun[1], _BEGUN).replace(tzinfo=UTC)
        if age > ABANDONED:
            resume_run(portfolio.runs, name).discard()


def _stage(work: RunFolder) -> None:
    inputs = read_inputs(work)
    if worst_level(storage.read_findings(work, storage.SOURCE_FINDINGS)) is not Level.FAIL:
        warehouse.build(work, inputs.policy, inputs.day, read_today(work), previous_run(work))


def _validate(work: RunFolder) -> None:
    inputs = read_inputs(work)
    found = storage.read_findings(work, storage.SOURCE_FINDINGS)
    if worst_level(found) is not Level.FAIL:
        found = [
            *found,
            *quality.validate(work, inputs.policy, inputs.day, previous_run(work)),
            *_without_data(work, inputs),
        ]
    storage.write_findings(work, FINDINGS, found)


def _without_data(work: RunFolder, inputs: Inputs) -> list[Finding]:
    if not work.exists(warehouse.LINE_DAY):
        return []
    return [
        Finding(
            level=Level.REVIEW,
            check="line-without-data",
            message=f"spend: {line_label(line)} has a budget in force and no row at all; "
            "its budget is held",
            advice="hand over its rows, with zero spend if it was stopped, or have finance cap it",
            source="spend",
            line=line,
        )
        for line in inputs.lines_without_data(warehouse.read_facts(work).lines)
    ]


def _score(work: RunFolder) -> None:
    """Score and watch; what the watch finds joins the findings, so that a break can fall back."""
    scoring.score(work)
    storage.add_findings(work, FINDINGS, storage.read_watch(work).drifts())


def _fit(work: RunFolder) -> None:
    from pipeline.runs.decide import fit_models

    if not _is_trusted(work):
        return
    try:
        models = fit_models(storage.read_facts(work, read_inputs(work)))
    except Exception as error:  # noqa: BLE001  whatever breaks the model leads to the fallback
        fault = Finding(
            level=Level.FAIL,
            check="model",
            message=f"the response model failed: {type(error).__name__}: {error}",
            advice="the last approved plan stays; send the run folder to the maintainers",
        )
        storage.add_findings(work, FINDINGS, (fault,))
        return
    storage.write_models(work, models)


def _allocate(work: RunFolder) -> None:
    inputs = read_inputs(work)
    findings = storage.read_findings(work, FINDINGS)
    heading = Heading(
        plan_id=_plan_id(work),
        inputs_hash=inputs_hash(work),
        caps_version=inputs.caps_version,
        based_on="" if inputs.published is None else inputs.published.plan_id,
    )
    if worst_level(findings) is Level.FAIL:
        plan = fallback_plan(work, inputs, heading, findings)
    else:
        plan = _decided(work, inputs, heading, findings)
    if plan is not None:
        work.write_json(storage.PLAN, plan.content())


def _decided(work: RunFolder, inputs: Inputs, heading: Heading, findings: list[Finding]) -> Plan:
    from pipeline.allocation.rounding import round_spend
    from pipeline.runs.decide import day_rng, decide

    facts = storage.read_facts(work, inputs)
    models = storage.read_models(work)
    decision = decide(facts, models)
    unit = 10.0 ** -minor_digits(inputs.policy.currency)
    whole = np.round(facts.current / unit) * unit
    budgets = decision.budgets
    if (
        np.abs(budgets - facts.current).max() > unit / 2
        or abs(whole.sum() - decision.total) > unit / 2
    ):
        budgets = round_spend(decision.problem, budgets, unit)
    storage.write_decision(work, decision)
    if models.ahead is not None:
        rng = day_rng(facts, "forecast")
        write_forecast(work, models.ahead.forecast(budgets, facts.current, rng))
    return optimised_plan(heading, facts, models, decision, budgets, findings)


def _verify(work: RunFolder) -> None:
    if not work.exists(storage.PLAN):
        return
    found = verify_night(work, read_inputs(work), storage.read_plan(work))
    work.write_json(VERIFICATION, [item.model_dump(mode="json") for item in found])
    if worst_level(found) is Level.FAIL:
        raise InfeasibleError(
            f"the plan breaks a limit and was not proposed: {found[0].message}; "
            "budgets stay as they are; send the run folder to the maintainers"
        )


def _page(work: RunFolder) -> None:
    if work.exists(storage.PLAN):
        write_night_page(work)


def _check_outcome(work: RunFolder) -> None:
    """Raise where the night has no plan to propose."""
    if work.exists(storage.PLAN):
        return
    failed = [f for f in storage.read_findings(work, FINDINGS) if f.level is Level.FAIL]
    more = f" (and {len(failed) - 1} more)" if len(failed) > 1 else ""
    raise DataNotTrustedError(
        f"no plan for {read_inputs(work).day.isoformat()}: {failed[0].message}{more}; "
        "there is no approved plan to fall back on; 'equimarginal check' lists every problem"
    )


def _is_trusted(work: RunFolder) -> bool:
    return worst_level(storage.read_findings(work, FINDINGS)) is not Level.FAIL


def _plan_id(work: RunFolder) -> str:
    """Return the id of the plan that these inputs lead to: day and eight digits of their hash."""
    digits = inputs_hash(work).removeprefix("sha256:")[:8]
    return f"{read_inputs(work).day.isoformat()}-{digits}"


def _propose(portfolio: Portfolio, work: RunFolder) -> Plan:
    """Put the complete run's plan before the people, or let the policy sign it."""
    from pipeline.runs.signoff import sign_by_policy

    plan = storage.read_plan(work)
    record = portfolio.ledger.propose_plan(plan, portfolio.policy)
    if record.status.value == "proposed":
        signed = sign_by_policy(portfolio, record.plan_id)
        record = signed.record if signed is not None else record
    return plan.with_status(record.status)


def _open(portfolio: Portfolio, token: str) -> RunFolder:
    if token.startswith("night-"):
        return resume_run(portfolio.runs, token)
    return open_run(portfolio.runs, token)


def _at_work(folder: str | Path, token: str, step: Callable[[RunFolder], None]) -> None:
    work = _open(open_portfolio(folder), token)
    if not work.is_complete:
        step(work)


_STEPS: dict[str, Callable[[RunFolder], None]] = {
    "building the daily tables": _stage,
    "judging the data": _validate,
    "scoring earlier plans": _score,
    "fitting the response curves": _fit,
    "allocating the budget": _allocate,
    "verifying the plan": _verify,
    "writing the page": _page,
}
