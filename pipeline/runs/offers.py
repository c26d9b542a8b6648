"""The night of next best offers: what is its own, and the decisions that follow from its plan."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.core.decision import DecisionPlan
from pipeline.core.findings import Finding, Level
from pipeline.core.offer_rules import SEPARATOR, OfferRules
from pipeline.core.plan import Kind
from pipeline.io import offer_log, offer_people
from pipeline.io.artefacts import RunFolder
from pipeline.io.newest import newest_day_findings
from pipeline.io.offer_log_findings import log_findings
from pipeline.io.sources.files import SourceError
from pipeline.runs.decision_inputs import read_decision_inputs, section_of
from pipeline.runs.decisions import DecisionNight, Tables
from pipeline.runs.inputs import read_today
from pipeline.runs.portfolio import Portfolio

if TYPE_CHECKING:
    from pipeline.io.ledger import PlanRecord

DECISIONS, CONTEXTS = "snapshot/decisions.parquet", "snapshot/contexts.parquet"
SOURCES = "snapshot/sources.json"


def _snapshot(portfolio: Portfolio, work: RunFolder) -> Sequence[Finding]:
    """Add up the log and count who may get what; no person is kept."""
    policy, base = portfolio.policy, portfolio.folder
    inputs = read_decision_inputs(work)
    rules: OfferRules = section_of(policy, Kind.OFFERS)
    in_force = inputs.published.date if inputs.published else None
    try:
        log = offer_log.read_log(
            policy.sources,
            base,
            inputs.day,
            read_today(work),
            window_days=round(rules.window_days),
            judged_until=rules.judged_until(inputs.day),
            in_force_from=in_force,
        )
        people = offer_people.customer_contexts(
            policy.sources, base, rules, inputs.day, read_today(work)
        )
    except SourceError as error:
        work.write_json(SOURCES, {})
        return [error.finding("offers")]
    work.write_parquet(DECISIONS, log.cells)
    work.write_parquet(CONTEXTS, people.contexts)
    work.write_json(
        SOURCES,
        {
            "decisions": list(log.files),
            "rows": log.rows,
            "people": list(people.files),
            **({"rewards": list(log.rewards.files)} if log.rewards.files else {}),
        },
    )
    stale = newest_day_findings(
        "decisions",
        log.newest,
        inputs.day,
        "the offers rest on older days",
        stops=False,  # without a signature there are no decisions, and that is no fault
        advice="see that sources.decisions reads published/offers/*/*/decisions.csv, and whether "
        "yesterday's plan was signed",
    )
    return [*log_findings(log), *stale, *people.findings]


def _stage(work: RunFolder) -> Sequence[Finding]:
    """Say where there is nobody to decide for: the snapshot is the staged table."""
    allowed = work.read_parquet(CONTEXTS)["allowed"].to_pylist()
    if any(SEPARATOR in text for text in allowed):
        return []
    return [
        Finding(
            level=Level.FAIL,
            check="nobody",
            message="customers: nobody may get more than nothing",
            advice="see whether the table is whole, who withdrew, and who was contacted lately",
            source="customers",
        )
    ]


def _tables(work: RunFolder) -> Tables:
    if not work.exists(CONTEXTS):
        return {}
    tables = {"customer_context": work.read_parquet(CONTEXTS)}
    cells = work.read_parquet(DECISIONS)
    if cells.num_rows:
        tables["decision_cell"] = cells
    return {
        name: {column: table[column].to_numpy() for column in table.column_names}
        for name, table in tables.items()
    }


def _decide(work: RunFolder, plan_id: str, findings: Sequence[Finding]) -> DecisionPlan:
    from pipeline.runs.offers_plan import offers_plan

    return offers_plan(work, plan_id, findings)


def _breaches(plan: DecisionPlan, rules: OfferRules) -> tuple[str, ...]:
    from pipeline.bandits.offers.verify import offer_breaches

    return offer_breaches(plan, rules)


def _carry_out(portfolio: Portfolio, record: PlanRecord, folder: Path) -> tuple[str, ...]:
    """Draw every person's decision from the published plan; return what is to be told."""
    from pipeline.io.publish.offer_decisions import write_decisions

    plan = record.decision
    rules: OfferRules = section_of(portfolio.policy, Kind.OFFERS)
    try:
        drawn = write_decisions(
            plan,
            record.content_hash,
            portfolio.policy.sources,
            portfolio.folder,
            rules,
            folder,
            max(portfolio.today(), plan.date),
        )
    except SourceError as error:
        return (f"published, but nobody was decided for: {error}; publish again once it is mended",)
    notes = [f"{drawn.people:,} people decided for, {drawn.holdout:,} of them held out"]
    if drawn.not_in_plan:
        notes.append(
            f"{drawn.not_in_plan:,} people may get actions that the plan does not know together; "
            "they get nothing"
        )
    return tuple(notes)


COURSE = DecisionNight(
    kind=Kind.OFFERS,
    snapshot=_snapshot,
    stage=_stage,
    tables=_tables,
    decide=_decide,
    breaches=_breaches,
    carry_out=_carry_out,
    counting="counting who may get what",
    deciding="learning what to offer",
    task="learn",
    scored=frozenset({"holdout", "promise"}),
).course()
