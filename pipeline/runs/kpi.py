"""What a plan says of its north-star metric: its parts, who credited it, what money caused."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pipeline.core.curves import SUMMED_LINES
from pipeline.core.history import History, LiftTest
from pipeline.core.learning import CreditRow, KpiPart, PlanKpi
from pipeline.core.types import BoolArray, FloatArray, IntArray
from pipeline.response.experiments import covers
from pipeline.response.faults import screen
from pipeline.response.maturity import learn_maturity
from pipeline.response.plausible import judge
from pipeline.response.predict import Predictive
from pipeline.response.segments import segments_of
from pipeline.response.worth import counted
from pipeline.runs.decide import Facts, Models

RECENT_DAYS = 28
WEEK = 7


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
    told = np.asarray(history.outcome_side.trusted[-RECENT_DAYS:].any(axis=1))
    days = max(int(told.sum()), 1)  # those that outcomes cover
    amounts = {name: float(known[name][-RECENT_DAYS:][told].sum() / days) for name in values}
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

    Both are of the same days: the last four weeks without days that have a name, and without
    cells that the fit leaves out, whose outcomes are no outcomes.
    """
    history, table = facts.history, models.objective.table
    if history.measured is not None or table.metric not in history.outcomes:
        return ()
    recent = _ordinary_days(history)
    attributed, paid = np.zeros((2, len(history.lines)))
    for places in segments_of(history):  # as lines are fitted, and what a fit leaves out
        spend, whole, told = _told(facts, history.of_lines(places), table.metric)
        days = np.maximum(told[recent].sum(axis=0), 1)
        attributed[places] = np.where(told, whole, 0.0)[recent].sum(axis=0) / days
        paid[places] = np.where(told, spend, 0.0)[recent].sum(axis=0) / days
    judged = judge(history, facts.policy.objective.maximize, facts.lift_tests, of_all=False)
    tests = [test for test in judged.tests if covers(history, test)]
    tested = {line for test in tests for line in test.lines}
    plain = np.array([line not in tested for line in history.lines])
    scopes = _scopes(facts)
    caused = _caused(models, paid, attributed, plain, [members for _, members in scopes])
    return tuple(
        _row(facts, scope, members, tests, float(attributed[members].sum()), draws)
        for (scope, members), draws in zip(scopes, caused, strict=True)
    )


def _scopes(facts: Facts) -> list[tuple[dict[str, str], IntArray]]:
    """Return the scopes of credit and the places of their lines: all, systems, outermost levels."""
    lines = facts.history.lines
    by_system: dict[str, list[int]] = {}
    by_channel: dict[str, list[int]] = {}
    for index, line in enumerate(lines):
        by_system.setdefault(_credit(facts, [index]), []).append(index)
        by_channel.setdefault(line[0], []).append(index)
    scopes: list[tuple[dict[str, str], IntArray]] = [({}, np.arange(len(lines)))]
    if len(by_channel) == 1:
        return scopes
    if len(by_system) > 1:
        scopes += [({}, np.array(members)) for system, members in by_system.items() if system]
    level = facts.policy.line[0]
    scopes += [({level: name}, np.array(members)) for name, members in by_channel.items()]
    return scopes


def _ordinary_days(history: History) -> IntArray:
    """Return the places of the last days without a name; of all where every one has a name."""
    places = np.arange(len(history.days))[-RECENT_DAYS:]
    found = [place for place in places if history.days[place] not in history.special]
    return np.array(found) if found else places


def _caused(
    models: Models,
    paid: FloatArray,
    attributed: FloatArray,
    plain: BoolArray,
    scopes: Sequence[IntArray],
) -> FloatArray:
    """Return what money of each scope caused on a day like those attributed, (n_scopes, n_draws).

    The curves are tomorrow's, and tomorrow has a weekday, a season and perhaps a name of its own.
    What the curves expect of tomorrow in all, over what was attributed, takes these out. Draws are
    looked up for some thousands of lines at a time.

    Args:
        paid, attributed: (n_lines,), a day.
        plain: (n_lines,), lines whose curve rests on their days alone; what a test says that
            money causes may be more than was attributed.
        scopes: places of their lines.
    """
    table = models.objective.table
    usual = np.ones(paid.size)
    if isinstance(models.ahead, Predictive):
        week = models.ahead.demand[:WEEK]
        usual = week.mean(axis=0) / np.maximum(week[0], 1e-12)
    known = plain if plain.any() else np.ones_like(plain)
    caused, expected = np.zeros((len(scopes), len(table.value))), 0.0
    for first in range(0, paid.size, SUMMED_LINES):
        block = slice(first, first + SUMMED_LINES)
        earned = table.at(paid, block) * usual[block]
        organic = np.asarray(table.organic[:, block], dtype=float) * usual[block]
        expected += float((earned + organic)[:, known[block]].sum(axis=1).mean())
        for scope, members in enumerate(scopes):
            begin, end = np.searchsorted(members, (first, first + SUMMED_LINES))
            caused[scope] += earned[:, members[begin:end] - first].sum(axis=1)
    seen = float(attributed[known].sum())
    return np.asarray(caused * (seen / expected if min(seen, expected) > 0 else 1.0))


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
    credited: float,
    caused: FloatArray,
) -> CreditRow:
    low, high = np.quantile(caused, (0.05, 0.95))
    mean = float(caused.mean())
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


def _told(facts: Facts, history: History, metric: str) -> tuple[FloatArray, FloatArray, BoolArray]:
    """Return spend, a metric with what is still to come of its last days, and which cells count.

    Each is (n_days, n_lines). The cells are those that the fit learns from, and those without
    money: a pause is a part of the four weeks.
    """
    share = learn_maturity(facts.vintages, len(history.days), history.outermost).share
    name = facts.policy.objective.counted(history.outcomes)
    reported, money = history.outcomes[name], None
    if name != metric:
        money = history.outcomes[metric]
        reported = counted(reported, money)[0]
    screened = screen(
        history.spend, np.maximum(np.nan_to_num(reported), 0.0), money, history.trusted, share
    )
    told = screened.valued | history.trusted & (history.spend <= 0)
    return screened.spend, np.nan_to_num(history.outcomes[metric]) / share, np.asarray(told)


def _number(value: float) -> float:
    """Return a number with the nine digits that any machine agrees on."""
    return float(f"{value:.9g}")
