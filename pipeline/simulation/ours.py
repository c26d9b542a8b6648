"""Our own decision inside a simulation: the one that the night takes, from the same facts."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from functools import lru_cache

import numpy as np

from pipeline.core.caps import Cap, CapStatus
from pipeline.core.curves import ResponseTable
from pipeline.core.findings import Level, worst_level
from pipeline.core.history import History
from pipeline.core.policy import Policy, parse_policy
from pipeline.core.types import FloatArray
from pipeline.io.facts import Facts as Tables
from pipeline.io.quality import judge_tables
from pipeline.runs.decide import Facts, decide
from pipeline.runs.exploring import lessons_of
from pipeline.runs.fitting import fit_models
from pipeline.runs.uplift import uplift_of
from pipeline.simulation.files import LINE_COLUMNS
from pipeline.simulation.policies import Decision
from pipeline.simulation.worlds import Morning
from pipeline.simulation.worlds.world import RAMP_SHARE


def nightly_decision(morning: Morning) -> Decision:
    """Return the budgets that a night would propose, and what it claims about them."""
    facts = facts_of(morning)
    if facts is None:
        return Decision(budgets=morning.current)
    decision = decide(facts, fit_models(facts))
    table = decision.table
    uplift = uplift_of(table.total(decision.budgets) - table.total(morning.current))
    return Decision(
        budgets=decision.budgets,
        explored=decision.explored,
        lessons=lessons_of(facts, decision.exploration),
        marginal=marginal_returns(table, morning.current),
        uplift=(uplift.mean, uplift.p05, uplift.p95),
        probability_positive=uplift.better,
    )


def facts_of(morning: Morning) -> Facts | None:
    """Return what a night would know that morning; None where its data cannot be trusted.

    The box arrives as approved caps, and the data pass the same gate as files do.
    """
    lines = morning.history.lines
    policy = _policy(round(morning.total, 2))
    history = judged(morning.history, policy, morning.day)
    if history is None:
        return None
    return Facts(
        policy=policy,
        day=morning.day,
        history=history,
        vintages=morning.vintages if morning.vintages.day.size else None,
        lift_tests=(),
        current=morning.current,
        explored=morning.explored,
        lessons=morning.lessons,
        caps=tuple(
            Cap(
                id=f"cap-{index}",
                scope=dict(zip(LINE_COLUMNS, line, strict=True)),
                min=float(morning.floor[index]),
                max=float(morning.cap[index]),
                status=CapStatus.APPROVED,
                proposed_by="finance",
            )
            for index, line in enumerate(lines)
        ),
        held_scopes=(),
        wanted=morning.total,
        distrusted=~history.trusted[-1],  # worlds report every day the morning after
    )


def judged(history: History, policy: Policy, day: date) -> History | None:
    """Return the history without the cells that the night's gate distrusts; None on a FAIL."""
    unknown = np.full(history.spend.shape, np.nan)
    begun = np.cumsum(history.spend > 0, axis=0) > 0
    verdict = judge_tables(
        Tables(
            days=history.days,
            lines=history.lines,
            spend=history.spend,
            has_spend_row=begun,
            budget=unknown,
            impressions=unknown,
            clicks=unknown,
            outcomes=history.outcomes,
            has_outcome_row=begun,
        ),
        policy,
        day,
    )
    if worst_level(verdict.findings) is Level.FAIL:
        return None
    spend, trusted = history.spend.copy(), history.trusted.copy()
    rows = {when: index for index, when in enumerate(history.days)}
    columns = {line: index for index, line in enumerate(history.lines)}
    for (when, line), doubt in verdict.untrusted.items():
        trusted[rows[when], columns[line]] = False
        if doubt.spend is not None:
            spend[rows[when], columns[line]] = doubt.spend
    return replace(history, spend=spend, trusted=trusted)


def marginal_returns(table: ResponseTable, spend: FloatArray) -> FloatArray:
    """Return mean, p05 and p95 of every line's marginal return at a spend, (n_lines, 3)."""
    step = 0.05 * spend
    slope = (table.at(spend + step) - table.at(spend - step)) / (2 * step)
    low, high = np.quantile(slope, [0.05, 0.95], axis=0)
    return np.stack([slope.mean(axis=0), low, high], axis=1)


@lru_cache(maxsize=64)
def _policy(total: float) -> Policy:
    return parse_policy(
        {
            "portfolio": "world",
            "currency": "EUR",
            "line": list(LINE_COLUMNS),
            "budget": {"daily": total},
            "max_daily_change": RAMP_SHARE,
            "sources": {"spend": {"path": "spend.csv"}, "outcomes": {"path": "outcomes.csv"}},
        },
        "the simulated portfolio",
    )
