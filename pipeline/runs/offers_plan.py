"""Tonight's offers as the plan that people sign: learn, compare, and say why."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from pipeline.bandits.offers.decide import OfferDecision, Setting, decide_offers
from pipeline.bandits.offers.log import Contexts
from pipeline.bandits.offers.policy import DRAWS, floors_of, raised_to
from pipeline.bandits.offers.reward import fit_rewards
from pipeline.bandits.offers.units import whole_units_of
from pipeline.core.canonical import content_hash
from pipeline.core.decision import DecisionPlan
from pipeline.core.findings import Finding
from pipeline.core.offer_rules import OfferRules
from pipeline.core.plan import Kind, Mode
from pipeline.io.artefacts import RunFolder
from pipeline.runs.decision_inputs import DecisionInputs, read_decision_inputs
from pipeline.runs.inputs import inputs_hash
from pipeline.runs.offer_contexts import (
    People,
    SignedShares,
    done_now,
    people_of,
    signed_shares,
    tomorrow,
)
from pipeline.runs.offer_guards import guardrails_of
from pipeline.runs.offer_lines import lines_of
from pipeline.runs.offer_log import ReadLog, log_of
from pipeline.runs.offer_words import Weighed, advice, health, reasons_of, totals_of
from pipeline.runs.offers import CONTEXTS, DECISIONS

if TYPE_CHECKING:
    import pyarrow as pa

DIGITS, UNITS = 4, 10_000
MOST = 0.6  # of all floors of a context together; the rules refuse more


def offers_plan(work: RunFolder, plan_id: str, findings: Sequence[Finding]) -> DecisionPlan:
    """Return the plan of the night in a work folder."""
    inputs = read_decision_inputs(work)
    rules = inputs.policy.offers
    assert rules is not None  # noqa: S101  a night of offers has its section
    people = people_of(work.read_parquet(CONTEXTS), inputs.policy.privacy.min_group)
    cells = work.read_parquet(DECISIONS)
    weighed = weigh(people, cells, inputs, rules)
    gains = totals_of(weighed, rules)
    return DecisionPlan(
        plan_id=plan_id,
        portfolio=inputs.policy.portfolio,
        date=inputs.day,
        kind=Kind.OFFERS,
        currency=inputs.policy.currency,
        unit="share",
        digits=DIGITS,
        line_columns=("segment", "allowed", "action"),
        group_columns=2,
        mode=Mode.OPTIMISED if weighed.changes else Mode.HOLD,
        reasons=reasons_of(weighed),
        expected=gains.expected,
        status_quo=gains.now,
        uplift=gains.uplift,
        lines=lines_of(weighed),
        guardrails=guardrails_of(weighed),
        findings=(*findings, *advice(weighed, rules, cells)),
        model_health=health(weighed, rules, cells, inputs.published),
        rules_version=inputs.rules_version,
        inputs_hash=inputs_hash(work),
        based_on="" if inputs.published is None else inputs.published.plan_id,
    )


def weigh(people: People, cells: pa.Table, inputs: DecisionInputs, rules: OfferRules) -> Weighed:
    """Return what is proposed for every context, what is in force there, and why."""
    offered = tuple(item.action for item in rules.actions if item.runs_on(inputs.day))
    read = log_of(cells, offered=offered, named=people.named) if cells.num_rows else None
    if read is not None and not read.log.total:
        read = None
    contexts = tomorrow(people, read, offered)
    in_force = signed_shares(inputs.published)
    now = done_now(contexts, in_force, read)
    floors = floors_of(contexts, rules.floor, most=MOST)
    decision = draws = None
    proposed = raised_to(floors, now)
    if read is not None:
        log = read.log.with_segments(contexts.segments)
        draws = fit_rewards(log).draws(np.random.default_rng(_seed(inputs)), DRAWS)
        decision = _decided(read, contexts, in_force, offered, rules, inputs)
        if decision.shares is not None:
            proposed = decision.shares
    units = whole_units_of(proposed, floors, UNITS)
    return Weighed(
        contexts=contexts,
        who=people,
        now=np.round(now, DIGITS),
        proposed=units / UNITS,
        floors=floors,
        read=read,
        decision=decision,
        draws=draws,
    )


def _decided(
    read: ReadLog,
    contexts: Contexts,
    in_force: SignedShares,
    offered: tuple[str, ...],
    rules: OfferRules,
    inputs: DecisionInputs,
) -> OfferDecision:
    logged = read.log.contexts
    # A segment without a single decision is decided for as an average one: it has no row to learn.
    log = read.log.with_segments(contexts.segments)
    old = None
    if in_force:
        old = done_now(log.contexts, in_force, read)
    setting = Setting(
        contexts=contexts,
        offered=np.arange(len(logged.actions)) < len(offered),
        in_force=old,
        floor=rules.floor,
        most=MOST,
        error=rules.error,
        looks=rules.looks,
    )
    return decide_offers(log, setting, np.random.default_rng(_seed(inputs)))


def _seed(inputs: DecisionInputs) -> int:
    """Return a number that the rules alone say: the same log gives the same shares every night."""
    text = content_hash([inputs.policy.portfolio, inputs.rules_version])
    return int(text.removeprefix("sha256:")[:8], 16)
