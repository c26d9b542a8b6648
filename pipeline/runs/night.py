"""The night of budgets: one function per step, each reading and writing the run folder.

`run_night` runs them in this process; Airflow runs the same steps, one task each.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import TYPE_CHECKING

from pipeline.core.errors import InfeasibleError
from pipeline.core.findings import Finding, Level, worst_level
from pipeline.core.money import minor_digits
from pipeline.core.plan import Kind, Plan
from pipeline.core.types import Line, line_label
from pipeline.io import quality, warehouse
from pipeline.io.artefacts import RunFolder
from pipeline.io.publish.targets import freeze_targets
from pipeline.io.sources import read_snapshot
from pipeline.runs import scoring, storage
from pipeline.runs.course import Course, CourseStep, Progress, run_course
from pipeline.runs.fallback import fallback_plan
from pipeline.runs.inputs import (
    Inputs,
    freeze_inputs,
    inputs_hash,
    previous_run,
    read_inputs,
    read_today,
)
from pipeline.runs.misnamed import left_behind, misnamed
from pipeline.runs.pages import write_night_page
from pipeline.runs.pauses import ended, resumed, returned, stopped_findings, stopped_lines
from pipeline.runs.plan import Heading, optimised_plan
from pipeline.runs.portfolio import Portfolio
from pipeline.runs.promises import keep_promises, write_forecast
from pipeline.runs.renames import one_line, rename_findings, renamed
from pipeline.runs.set_otherwise import set_otherwise
from pipeline.runs.standing import lines_without_data
from pipeline.runs.trials import unread
from pipeline.runs.verification import verify_night

if TYPE_CHECKING:
    from pipeline.io.facts import Facts as Tables
    from pipeline.io.ledger import PlanRecord
    from pipeline.runs.decide import Models
    from pipeline.runs.fitting import Fit, Part

VERIFICATION = "verification.json"


def run_night(
    portfolio: Portfolio, day: date, *, progress: Progress = lambda message: None
) -> Plan:
    """Return the plan that one whole night proposes for `day` from data up to the day before.

    The same inputs give the same plan; a second run returns the first one's.

    Raises:
        DataNotTrustedError: the data cannot be trusted and no approved plan exists.
        InfeasibleError: the policy's limits contradict each other.
    """
    plan = run_course(COURSE, portfolio, day, progress=progress)
    assert isinstance(plan, Plan)  # noqa: S101  a course of budgets makes plans of budgets
    return plan


def learn(work: RunFolder) -> None:
    """Run the steps up to the fitted curves: what scores need, and no plan."""
    for step in (_stage, _validate, _score, fit):
        step(work)


def freeze(portfolio: Portfolio, day: date, work: RunFolder) -> None:
    """Freeze the inputs and snapshot the sources into a work folder."""
    freeze_inputs(portfolio, day, work)
    keep_promises(portfolio, day, work)
    found = read_snapshot(portfolio.policy, portfolio.folder, work)
    found += freeze_targets(portfolio.policy, portfolio.folder, work)
    storage.write_findings(work, storage.SOURCE_FINDINGS, found)


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
            *quality.validate(
                work, inputs.policy, inputs.day, previous_run(work), _moneyless(work, inputs)
            ),
            *_of_lines(work, inputs),
            *unread(inputs.trials, inputs.day),
        ]
    storage.write_findings(work, storage.FINDINGS, found)


def _moneyless(work: RunFolder, inputs: Inputs) -> set[Line]:
    """Return the lines that the plan in force gives nothing, or that bear another name by now."""
    if not work.exists(warehouse.LINE_DAY):
        return set()
    named = renamed(warehouse.read_facts(work), inputs)
    return {line for line, amount in inputs.published_budgets().items() if not amount} | set(named)


def _of_lines(work: RunFolder, inputs: Inputs) -> list[Finding]:
    """Return what the plan in force, rules and settings make of the lines in tonight's tables."""
    if not work.exists(warehouse.LINE_DAY):
        return []
    facts = warehouse.read_likely_facts(work)
    return [*_without_data(facts, inputs), *_paused(facts, inputs), *_misnamed(facts, inputs)]


def _paused(facts: Tables, inputs: Inputs) -> list[Finding]:
    return [
        *rename_findings(facts, inputs),
        *resumed(facts, inputs),
        *returned(facts, inputs),
        *ended(facts, inputs),
        *stopped_findings(stopped_lines(facts, inputs), facts),
        *set_otherwise(facts, inputs),
    ]


def _misnamed(facts: Tables, inputs: Inputs) -> list[Finding]:
    lines = {*facts.lines, *lines_without_data(facts, inputs)}
    open_ = [item for item in inputs.trials if item.last_day is None or item.last_day >= inputs.day]
    caps = {cap.id: cap for cap in (*inputs.caps, *inputs.waiting_caps)}.values()
    names = one_line(facts, inputs) | renamed(facts, inputs)
    return [
        *misnamed(inputs.policy, lines, open_, caps),
        *left_behind(inputs.policy, names, lines, open_, caps),
    ]


def _without_data(facts: Tables, inputs: Inputs) -> list[Finding]:
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
        for line in lines_without_data(facts, inputs)
    ]


def _score(work: RunFolder) -> None:
    """Score and watch; what the watch finds joins the findings, so that a break can fall back."""
    scoring.score(work)
    storage.add_findings(work, storage.FINDINGS, storage.read_watch(work).drifts())


def fit(work: RunFolder, learn: Callable[[Fit], Part] | None = None) -> None:
    """Learn the response curves, where the data can be trusted.

    Args:
        learn: where a fit is made; in this process by default.
    """
    from pipeline.runs.fitting import fit_models

    if not is_trusted(work):
        return
    try:
        facts = storage.read_facts(work, read_inputs(work))
        models = fit_models(facts) if learn is None else fit_models(facts, learn=learn)
    except Exception as error:  # noqa: BLE001  whatever breaks the model leads to the fallback
        fault = Finding(
            level=Level.FAIL,
            check="model",
            message=f"the response model failed: {type(error).__name__}: {error}",
            advice="the last approved plan stays; send the run folder to the maintainers",
        )
        storage.add_findings(work, storage.FINDINGS, (fault,))
        return
    storage.write_models(work, models)
    storage.add_findings(work, storage.FINDINGS, _unusable(models))


def _unusable(models: Models) -> tuple[Finding, ...]:
    """Return what is to be said of a fit that nothing may rest on; nothing of any other.

    Its plan rests on no model and has no health of its own, so what else is open is said with it.
    """
    said = [
        item
        for learned in (models.objective, *models.others.values())
        for item in learned.findings
        if item.level is not Level.PASS
    ]
    return tuple(dict.fromkeys(said)) if worst_level(said) is Level.FAIL else ()


def _allocate(work: RunFolder) -> None:
    inputs = read_inputs(work)
    findings = storage.read_findings(work, storage.FINDINGS)
    heading = Heading(
        plan_id=COURSE.plan_id(work),
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
    from pipeline.allocation.rounding import round_or_keep
    from pipeline.runs.decide import day_rng, decide
    from pipeline.runs.outlook import look_out

    facts = storage.read_facts(work, inputs)
    models = storage.read_models(work)
    decision = decide(facts, models)
    unit = 10.0 ** -minor_digits(inputs.policy.currency)
    budgets = round_or_keep(decision.problem, decision.budgets, facts.current, unit)
    storage.write_decision(work, decision)
    if models.ahead is not None:
        rng = day_rng(facts, "forecast")
        write_forecast(work, models.ahead.forecast(budgets, facts.current, rng))
    plan = optimised_plan(heading, facts, models, decision, budgets, findings)
    storage.write_outlook(work, look_out(facts, models, decision, plan))
    return plan


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


def is_trusted(work: RunFolder) -> bool:
    """Return whether tonight's data may be learned from."""
    return worst_level(storage.read_findings(work, storage.FINDINGS)) is not Level.FAIL


def _breaches(portfolio: Portfolio, record: PlanRecord) -> tuple[str, ...]:
    from pipeline.runs.hard_limits import budget_breaches

    return budget_breaches(portfolio, record)


COURSE = Course(
    kind=Kind.BUDGET,
    freeze=freeze,
    steps=(
        CourseStep(task="stage", label="building the daily tables", run=_stage),
        CourseStep(task="validate", label="judging the data", run=_validate),
        CourseStep(task="score", label="scoring earlier plans", run=_score),
        CourseStep(task="fit", label="fitting the response curves", run=fit),
        CourseStep(task="allocate", label="allocating the budget", run=_allocate, decides=True),
        CourseStep(task="verify", label="verifying the plan", run=_verify),
        CourseStep(task="report", label="writing the page", run=_page),
    ),
    read_plan=storage.read_plan,
    breaches=_breaches,
    warm_up=quality.start_suites,
    otherwise="there is no approved plan to fall back on",
)
