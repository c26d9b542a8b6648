"""What a plan says of its north-star metric: its parts, who credited it, what money caused."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import numpy as np

from pipeline.core.history import History, LiftTest
from pipeline.core.learning import CreditRow, KpiPart, PlanKpi
from pipeline.core.types import FloatArray, IntArray
from pipeline.response.experiments import covers
from pipeline.response.maturity import learn_maturity
from pipeline.response.plausible import judge
from pipeline.response.predict import Predictive
from pipeline.runs.decide import Facts, Models

RECENT_DAYS = 28


def kpi_of(facts: Facts, models: Models) -> PlanKpi:
    """Return what the plan's north-star metric is made of, and how much of it money caused."""
    objective = facts.policy.objective
    return PlanKpi(
        north_star=objective.maximize,
        credit=_credit(facts, range(len(facts.history.lines))),
        parts=_parts(facts.history, objective.values),
        leads=objective.leads,
        credited=_credited(facts, models),
    )


def _parts(history: History, values: dict[str, float]) -> tuple[KpiPart, ...]:
    known = history.outcomes if history.measured is None else history.measured.outcomes
    amounts = {
        name: float(known[name][-RECENT_DAYS:].sum() / len(known[name][-RECENT_DAYS:]))
        for name in values
    }
    whole = sum(amounts[name] * worth for name, worth in values.items()) or 1.0
    return tuple(
        KpiPart(
            metric=name,
            worth=worth,
            amount=_number(amounts[name]),
            share=_number(amounts[name] * worth / whole),
        )
        for name, worth in sorted(values.items(), key=lambda item: -amounts[item[0]] * item[1])
    )


def _credited(facts: Facts, models: Models) -> tuple[CreditRow, ...]:
    """Return attributed beside incremental; nothing where outcomes are not attributed at all.

    Both are of days without a name: the four weeks may hold a sale, and tomorrow may be one.
    """
    history, table = facts.history, models.objective.table
    if history.measured is not None or table.metric not in history.outcomes:
        return ()
    recent = _ordinary_days(history)
    attributed = (_whole(facts, table.metric)[recent]).mean(axis=0)
    caused = table.at(history.spend[recent].mean(axis=0)) * _ordinary_over_tomorrow(facts, models)
    channels = list(dict.fromkeys(line[0] for line in history.lines))
    every = np.arange(len(history.lines))
    judged = judge(history, facts.policy.objective.maximize, facts.lift_tests, of_all=False)
    tests = [test for test in judged.tests if covers(history, test)]

    def row(scope: dict[str, str], members: IntArray) -> CreditRow:
        return _row(facts, scope, members, tests, attributed, caused)

    rows = [row({}, every)]
    by_system: dict[str, list[int]] = {}
    for index in every.tolist():
        by_system.setdefault(_credit(facts, [index]), []).append(index)
    if len(by_system) > 1:
        rows += [row({}, np.array(members)) for system, members in by_system.items() if system]
    for channel in channels:
        members = np.array([i for i in every if history.lines[i][0] == channel])
        rows.append(row({facts.policy.line[0]: channel}, members))
    return tuple(rows if len(channels) > 1 else rows[:1])


def _ordinary_days(history: History) -> IntArray:
    """Return the places of the last days without a name; of all where every one has a name."""
    places = np.arange(len(history.days))[-RECENT_DAYS:]
    found = [place for place in places if history.days[place] not in history.special]
    return np.array(found) if found else places


def _ordinary_over_tomorrow(facts: Facts, models: Models) -> float:
    """Return how much less an ordinary day brings than tomorrow does for its name, 1 without one.

    The curves are tomorrow's. The same weekday of a coming week tells its name from its weekday.
    """
    if facts.day not in facts.history.special or not isinstance(models.ahead, Predictive):
        return 1.0
    demand = models.ahead.demand.mean(axis=1)
    for ahead in range(7, len(demand), 7):
        if facts.day + timedelta(days=ahead) not in facts.history.special:
            return float(demand[ahead] / demand[0])
    return 1.0


def _credit(facts: Facts, members: Sequence[int]) -> str:
    """Return who credited the outcomes of lines; `several` where they differ."""
    source = facts.policy.sources.outcomes
    found = {source.credited_by(facts.history.lines[index][0]) for index in members}
    return found.pop() if len(found) == 1 else "several"


def _row(
    facts: Facts,
    scope: dict[str, str],
    members: IntArray,
    tests: Sequence[LiftTest],
    attributed: FloatArray,
    caused: FloatArray,
) -> CreditRow:
    draws = caused[:, members].sum(axis=1)
    low, high = np.quantile(draws, (0.05, 0.95))
    credited, mean = float(attributed[members].sum()), float(draws.mean())
    lines = {facts.history.lines[int(index)] for index in members}
    return CreditRow(
        scope=scope,
        credit="" if (credit := _credit(facts, members.tolist())) == "several" else credit,
        attributed=_number(credited),
        incremental=_number(mean),
        p05=_number(float(low)),
        p95=_number(float(high)),
        factor=_number(mean / credited) if credited > 0 else None,
        tests=tuple(test.name for test in tests if lines.intersection(test.lines)),
    )


def _whole(facts: Facts, metric: str) -> FloatArray:
    """Return a metric with what is still to come of its last days, (n_days, n_lines)."""
    history = facts.history
    late = learn_maturity(facts.vintages, len(history.days), history.outermost)
    return np.asarray(np.nan_to_num(history.outcomes[metric]) / late.share)


def _number(value: float) -> float:
    """Return a number with the nine digits that any machine agrees on."""
    return float(f"{value:.9g}")
