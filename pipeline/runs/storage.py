"""What one step leaves for the next, as files of the run folder and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from pipeline.core.curves import ResponseTable
from pipeline.core.findings import Finding
from pipeline.core.history import History, LiftTest
from pipeline.core.learning import Lesson
from pipeline.core.plan import Plan
from pipeline.core.policy import Policy
from pipeline.core.trial import Trial
from pipeline.core.types import Line, line_label
from pipeline.core.watch import Watch
from pipeline.io import vintages, warehouse
from pipeline.io.artefacts import RunFolder
from pipeline.io.doubts import newest_doubted
from pipeline.io.lift_tests import read_lift_tests
from pipeline.runs.ahead_files import fixed_lists, read_ahead, write_ahead
from pipeline.runs.inputs import Inputs
from pipeline.runs.kept import evidence, kept_lines
from pipeline.runs.pauses import stopped_lines
from pipeline.runs.renames import one_line, renamed
from pipeline.runs.standing import (
    current_budgets,
    forgetting,
    newest_distrusted,
    wanted_budget,
    with_lines_without_data,
)

if TYPE_CHECKING:
    from pipeline.runs.decide import Decision, Facts, Models
    from pipeline.runs.holdouts import HoldoutScore
    from pipeline.runs.outlook import Outlook

SOURCE_FINDINGS = "source-findings.json"
FINDINGS = "findings.json"
POSTERIOR = "posterior.parquet"
ORGANIC = "organic.parquet"
HEALTH = "model-health.json"
DECISION = "decision.json"
WATCH = "watch.json"
OUTLOOK = "outlook.json"
SCORE_CARD = "score.json"
PLAN = "plan.json"
SIGN_LINK = "sign-link.json"


def write_findings(work: RunFolder, name: str, findings: Sequence[Finding]) -> None:
    """Write findings in the order given."""
    work.write_json(name, [finding.model_dump(mode="json") for finding in findings])


def read_findings(work: RunFolder, name: str) -> list[Finding]:
    """Return the findings that a step wrote, none if it wrote none."""
    if not work.exists(name):
        return []
    return [Finding.model_validate(item) for item in work.read_json(name)]


def add_findings(work: RunFolder, name: str, findings: Sequence[Finding]) -> None:
    """Write findings after those that a step before wrote."""
    if findings:
        write_findings(work, name, [*read_findings(work, name), *findings])


def sign_link(work: RunFolder) -> str:
    """Return where the night's plan can be signed in a browser, empty where nowhere."""
    return str(work.read_json(SIGN_LINK)) if work.exists(SIGN_LINK) else ""


def read_plan(work: RunFolder) -> Plan:
    """Return the plan that the night computed."""
    return Plan.from_json(work.read_json(PLAN))


def read_facts(work: RunFolder, inputs: Inputs) -> Facts:
    """Return what tonight's decision rests on, from the staged tables and the frozen inputs."""
    from pipeline.runs.decide import Facts as DecisionFacts

    staged = warehouse.read_likely_facts(work)
    names = one_line(staged, inputs)
    history, current = with_lines_without_data(
        warehouse.read_history(work, inputs.policy).under_new_names(names),
        current_budgets(staged, inputs),
        inputs,
        staged,
    )
    counted = inputs.policy.objective.counted(history.outcomes)
    seen = vintages.read_vintages(work, counted)
    watch, explored = read_watch(work).under_new_names(names), inputs.explored()
    moved = renamed(staged, inputs)
    for old, new in moved.items():
        explored[new] = explored.get(new, 0.0) + explored.pop(old, 0.0)
    return DecisionFacts(
        policy=inputs.policy,
        day=inputs.day,
        history=forgetting(history, watch),
        vintages=seen if seen.day.size else None,
        lift_tests=read_tests(work, inputs.policy, inputs.trials, history, names),
        current=current,
        explored=np.array([explored.get(line, 0.0) for line in history.lines]),
        lessons=tuple(_under_new_names(lesson, {**names, **moved}) for lesson in inputs.lessons()),
        caps=inputs.caps,
        held_scopes=inputs.held_scopes,
        wanted=wanted_budget(staged, inputs),
        distrusted=newest_distrusted(history, newest_doubted(work, staged), names),
        watch=watch,
        kept=kept_lines(inputs.policy, inputs.trials, history, inputs.day),
        stopped=stopped_lines(staged, inputs),
        holdouts=read_holdouts(work),
        names=names,
        learned_for=inputs.learned_for(),
    )


def _under_new_names(lesson: Lesson, names: Mapping[Line, Line]) -> Lesson:
    """Return a lesson that goes on with lines as they are called now."""
    labels = {line_label(old): line_label(new) for old, new in names.items()}
    up, down = (labels.get(label, label) for label in (lesson.up, lesson.down))
    return lesson.model_copy(update={"up": up, "down": down})


def read_tests(
    work: RunFolder,
    policy: Policy,
    trials: Sequence[Trial],
    history: History,
    names: Mapping[Line, Line] = MappingProxyType({}),
) -> tuple[LiftTest, ...]:
    """Return what teaches a run's curves besides days: a file's lift tests, and finished trials.

    Args:
        names: former name of a line -> its name now, which a test of the former one teaches.
    """
    staged = warehouse.read_likely_facts(work)
    known = read_lift_tests(work, staged, policy.objective.maximize)
    return tuple(
        replace(test, lines=tuple(dict.fromkeys(names.get(line, line) for line in test.lines)))
        for test in (*known, *evidence(trials, known, history, policy.line))
    )


def read_watch(work: RunFolder) -> Watch:
    """Return the verdict of the night's watch; nothing is done where there was none."""
    return Watch.model_validate_json(work.read_bytes(WATCH)) if work.exists(WATCH) else Watch()


def read_holdouts(work: RunFolder) -> tuple[HoldoutScore, ...]:
    """Return what standing holdouts had shown when the night was scored."""
    from pipeline.runs.holdouts import HoldoutScore

    if not work.exists(SCORE_CARD):
        return ()
    return tuple(HoldoutScore.from_json(item) for item in work.read_json(SCORE_CARD)["holdouts"])


def write_models(work: RunFolder, models: Models) -> None:
    """Write the draws and means of every metric's curves, and the fit's health."""
    import pyarrow as pa

    if models.ahead is not None:
        write_ahead(work, models.ahead)
    tables = {models.objective.table.metric: models.objective, **models.others}
    knots, lines = [], []
    for metric, learned in tables.items():
        table = learned.table
        n_draws, n_lines, n_knots = table.value.shape
        by_knot = np.ascontiguousarray(np.moveaxis(table.value, 0, 2)).reshape(-1)
        index = np.arange(n_lines * n_knots)
        knots.append(
            pa.table(
                {
                    "metric": pa.array([metric] * index.size),
                    "line": pa.array(index // n_knots, pa.int32()),
                    "knot": pa.array(index % n_knots, pa.int16()),
                    "spend": pa.array(table.spend.reshape(-1)),
                    "mean": pa.array(learned.mean.reshape(-1)),
                    "value": pa.FixedSizeListArray.from_arrays(pa.array(by_knot), n_draws),
                }
            )
        )
        organic = np.ascontiguousarray(table.organic.T).reshape(-1)
        lines.append(
            pa.table(
                {
                    "metric": pa.array([metric] * n_lines),
                    "line": pa.array([list(line) for line in table.lines]),
                    "organic": pa.FixedSizeListArray.from_arrays(pa.array(organic), n_draws),
                }
            )
        )
    work.write_parquet(POSTERIOR, pa.concat_tables(knots))
    work.write_parquet(ORGANIC, pa.concat_tables(lines))
    work.write_json(
        HEALTH,
        {
            metric: [finding.model_dump(mode="json") for finding in learned.findings]
            for metric, learned in tables.items()
        },
    )


def read_models(work: RunFolder) -> Models:
    """Return the curves that the fit wrote."""
    import pyarrow.compute as pc

    from pipeline.runs.decide import Learned, Models

    posterior, organic = work.read_parquet(POSTERIOR), work.read_parquet(ORGANIC)
    health = work.read_json(HEALTH)
    found: dict[str, Learned] = {}
    for metric in dict.fromkeys(organic.column("metric").to_pylist()):
        rows = posterior.filter(pc.equal(posterior.column("metric"), metric))
        heads = organic.filter(pc.equal(organic.column("metric"), metric))
        lines = tuple(tuple(item) for item in heads.column("line").to_pylist())
        n_knots = rows.num_rows // len(lines)

        shape = (len(lines), n_knots)
        spend = np.array(rows.column("spend").to_numpy()).reshape(shape)
        mean = np.array(rows.column("mean").to_numpy()).reshape(shape)
        value = fixed_lists(rows, "value").reshape(len(lines), n_knots, -1)
        table = ResponseTable(
            metric=metric,
            lines=lines,
            spend=spend,
            value=np.ascontiguousarray(np.moveaxis(value, 2, 0)),
            organic=np.ascontiguousarray(
                fixed_lists(heads, "organic").reshape(len(lines), -1).T, dtype=float
            ),
        )
        findings = tuple(Finding.model_validate(item) for item in health[metric])
        found[metric] = Learned(table=table, mean=mean, findings=findings)
    names = list(found)
    return Models(
        objective=found[names[0]],
        others={name: found[name] for name in names[1:]},
        ahead=read_ahead(work),
    )


def write_decision(work: RunFolder, decision: Decision) -> None:
    """Write the prices and what was held, beside the plan, for whoever looks closer."""
    work.write_json(
        DECISION,
        {
            "total": decision.total,
            "status": decision.solution.status,
            "prices": {name: float(price) for name, price in decision.solution.prices.items()},
            "held": {str(index): why for index, why in sorted(decision.limits.why.items())},
        },
    )


def write_outlook(work: RunFolder, outlook: Outlook) -> None:
    """Write what caps cost and what other budgets would earn."""
    others = outlook.other_budgets
    work.write_json(
        OUTLOOK,
        {
            "cap_costs": dict(outlook.cap_costs),
            "learning_cost": outlook.learning_cost,
            "other_budgets": None
            if others is None
            else {name: values.tolist() for name, values in asdict(others).items()},
        },
    )


def read_outlook(work: RunFolder) -> Outlook | None:
    """Return what `write_outlook` wrote; None on a night without a new plan."""
    from pipeline.runs.outlook import OtherBudgets, Outlook

    if not work.exists(OUTLOOK):
        return None
    data = work.read_json(OUTLOOK)
    others = data["other_budgets"]
    return Outlook(
        cap_costs=data["cap_costs"],
        learning_cost=data["learning_cost"],
        other_budgets=None
        if others is None
        else OtherBudgets(**{name: np.asarray(values) for name, values in others.items()}),
    )
