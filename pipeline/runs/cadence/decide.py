"""Touches in place of money: the same curves, the same solver, a guardrail on leaving.

A segment is a line, its touches a day are the spend, what its people bring is the outcome. What
people of other doses showed are lift tests. Pure: the night, a replay and a simulation take the
same decision from the same facts.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from datetime import date

import numpy as np

from pipeline.allocation.problem import BUDGET, Problem
from pipeline.allocation.solution import Solution
from pipeline.allocation.solve import solve
from pipeline.allocation.step import choose_step
from pipeline.cadence.evidence import WEEK, Evidence, read_lottery
from pipeline.cadence.guard import Room, Standing, room_to_move
from pipeline.cadence.harm import Hazards, learn_hazards
from pipeline.core.cadence_rules import CadenceRules
from pipeline.core.contacts import Contacts
from pipeline.core.curves import ResponseTable
from pipeline.core.errors import InfeasibleError
from pipeline.core.findings import Finding
from pipeline.core.types import FloatArray, line_label
from pipeline.runs.cadence.curves import learn_curves, leaver_cost, net_of

RECENT_WEEKS = 4
KNOTS_PER_TOUCH = 4
NOT_A_DAY = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class CadenceFacts:
    """Everything the decision rests on.

    Attributes:
        name: of the portfolio, for the dice.
        columns: that name a segment.
        current: (n_segments,), touches a week and person in force.
        changed: (n_segments,), ordinal of the day a cadence was last changed; `NOT_A_DAY` never.
    """

    name: str
    day: date
    columns: tuple[str, ...]
    contacts: Contacts
    current: FloatArray
    changed: FloatArray
    rules: CadenceRules

    @property
    def people(self) -> FloatArray:
        """Who may be written to, (n_segments,): of the newest day on which anybody is counted."""
        persons = self.contacts.total("persons")
        newest = len(persons) - 1 - np.argmax(persons[::-1] > 0, axis=0)
        return np.asarray(persons[newest, np.arange(persons.shape[1])])

    @property
    def must_send(self) -> FloatArray:
        """Messages a week that have to go out, (n_segments,): as in the last four weeks."""
        recent = self.contacts.must_send[-RECENT_WEEKS * WEEK :]
        return np.asarray(recent.mean(axis=0) * WEEK)


@dataclass(frozen=True, slots=True, kw_only=True)
class CadenceDecision:
    """What is proposed, and the numbers that explain it; arrays (n_segments,).

    Attributes:
        cadence: touches a week and person, in hundredths.
        doses: (n_knots,), touches a week at which `net` and `earned` are tabulated.
        net, earned: (n_draws, n_segments, n_knots), of all people a week: what touches bring
            less their cost and leavers, and what they bring alone.
        gain: (n_draws, n_segments), net value a week against today's cadence.
        capacity: touches a week that are left for the optimiser; infinite without a limit.
        capacity_price: net value a week of one more touch of capacity.
        leaver_cost: of one person.
    """

    cadence: FloatArray
    standing: Standing
    room: Room
    hazards: Hazards
    evidence: Evidence
    doses: FloatArray
    net: FloatArray
    earned: FloatArray
    gain: FloatArray
    capacity: float
    capacity_price: float
    leaver_cost: FloatArray
    solution: Solution
    reasons: tuple[str, ...]
    findings: tuple[Finding, ...]


def decide_cadence(facts: CadenceFacts, *, n_draws: int = 400) -> CadenceDecision:
    """Return tonight's touches a week per segment.

    Raises:
        InfeasibleError: the limits contradict each other.
    """
    rules, people = facts.rules, facts.people
    seen = _matured(facts)
    since = max(len(seen.days) - int(rules.evidence_days), 0)
    evidence = read_lottery(seen.part(since, len(seen.days)), people)
    hazards = learn_hazards(evidence.weeks, evidence.left, _rng(facts, "hazards"), n_draws)
    standing = standing_of(facts, evidence)
    doses = np.arange(0, top_dose(rules) * KNOTS_PER_TOUCH + 1) / KNOTS_PER_TOUCH
    cost = leaver_cost(seen, rules)
    table, findings = learn_curves(
        seen, people, evidence, doses, rules.reward, _rng(facts, "posterior"), n_draws
    )
    net_table = net_of(table, doses, people, hazards, cost, rules)
    net = WEEK * np.asarray(net_table.value, dtype=float)
    whole = net[:, :, ::KNOTS_PER_TOUCH]
    room, reasons = _inside_capacity(
        facts, room_to_move(standing, whole, hazards, rules), standing.least
    )
    solution, touches = _split(facts, net_table, room, standing.current)
    cadence = _hundredths(touches * WEEK / np.maximum(people, 1.0), standing.current)
    now = standing.current * people / WEEK
    return CadenceDecision(
        cadence=cadence,
        standing=standing,
        room=room,
        hazards=hazards,
        evidence=evidence,
        doses=doses,
        net=net,
        earned=WEEK * np.asarray(table.value, dtype=float),
        gain=WEEK * (net_table.at(cadence * people / WEEK) - net_table.at(now)),
        capacity=capacity_left(facts),
        capacity_price=float(solution.prices.get(BUDGET, 0.0)),
        leaver_cost=cost,
        solution=solution,
        reasons=reasons,
        findings=findings,
    )


def top_dose(rules: CadenceRules) -> int:
    """Return the highest dose that anybody may be drawn for."""
    return max(int(np.floor(rules.max_touches)), 1)


def capacity_left(facts: CadenceFacts) -> float:
    """Return the touches a week that are left once everything is sent that must be."""
    if facts.rules.capacity is None:
        return float("inf")
    return max(facts.rules.capacity - float(facts.must_send.sum()), 0.0)


def standing_of(facts: CadenceFacts, evidence: Evidence) -> Standing:
    """Return what holds for each segment as the night begins."""
    rules, segments = facts.rules, facts.contacts.segments
    named = [dict(zip(facts.columns, segment, strict=True)) for segment in segments]
    bounds = np.array([rules.bounds(name) for name in named])
    must = facts.must_send / np.maximum(facts.people, 1.0)
    most = np.clip(rules.max_touches - must, 0.0, float(top_dose(rules)))
    most = np.minimum(most, bounds[:, 1])
    for name, least, high in zip(segments, bounds[:, 0], most, strict=True):
        if least > high + 1e-9:
            raise InfeasibleError(
                f"cadence: {line_label(name)} needs {least:g} touches a week or more by its limits "
                f"and may get {high:.2f} at most by limits, must-send messages and max_touches "
                f"{rules.max_touches:g}; change cadence.limits or max_touches"
            )
    since = facts.day.toordinal() - facts.changed
    return Standing(
        current=np.asarray(facts.current, dtype=float),
        least=bounds[:, 0],
        most=most,
        identified=evidence.identified,
        may_move=(facts.changed == NOT_A_DAY) | (since >= rules.keep_days),
        fixed=np.array([rules.is_fixed(name) for name in named]),
    )


def _matured(facts: CadenceFacts) -> Contacts:
    return facts.contacts.part(0, len(facts.contacts.days) - int(facts.rules.delay_days))


def _inside_capacity(
    facts: CadenceFacts, room: Room, least: FloatArray
) -> tuple[Room, tuple[str, ...]]:
    """Return the room with its lower ends eased until the capacity suffices for them."""
    capacity, people = capacity_left(facts), facts.people
    if float(room.lower @ people) <= capacity * (1 + 1e-9):
        return room, ()
    floor = np.minimum(least, room.upper)
    if float(floor @ people) > capacity * (1 + 1e-9):
        raise InfeasibleError(
            f"cadence: the least touches of cadence.limits need {float(floor @ people):,.0f} "
            f"messages a week and the capacity leaves {capacity:,.0f}; raise cadence.capacity or "
            "lower a min"
        )
    reason = (
        f"the capacity leaves {capacity:,.0f} touches a week, fewer than are sent today: segments "
        "that would be kept are lowered as well"
    )
    return replace(room, lower=floor), (reason,)


def _split(
    facts: CadenceFacts, table: ResponseTable, room: Room, current: FloatArray
) -> tuple[Solution, FloatArray]:
    """Return the best split, and the touches a day to propose."""
    daily = facts.people / WEEK
    budget = capacity_left(facts) / WEEK
    start = np.clip(current, room.lower, room.upper) * daily
    start = _shrunk(start, room.lower * daily, budget)
    problem = Problem.from_tables(
        ids=[line_label(segment) for segment in facts.contacts.segments],
        spend=table.spend,
        value=table.mean(),
        lower=room.lower * daily,
        upper=room.upper * daily,
        budget=budget,
        exactly=False,
        current=start,
    )
    solution = solve(problem)
    touches = choose_step(
        start,
        solution.spend,
        table,
        kappa=facts.rules.risk_aversion,
        min_probability=facts.rules.min_probability,
    )
    before, after = table.at(start).sum(axis=1).mean(), table.at(touches).sum(axis=1).mean()
    if after - before < facts.rules.min_gain * abs(before):
        return solution, start
    return solution, touches


def _shrunk(start: FloatArray, lower: FloatArray, budget: float) -> FloatArray:
    """Return today's touches, brought inside the capacity in proportion to their room."""
    over = float(start.sum()) - budget
    room = start - lower
    if over <= 0 or room.sum() <= 0:
        return start
    return np.asarray(start - room * min(over / float(room.sum()), 1.0))


def _hundredths(cadence: FloatArray, current: FloatArray) -> FloatArray:
    """Return the cadence in hundredths of a touch, rounded down so that no limit is passed."""
    down = np.floor(cadence * 100 + 1e-6) / 100
    return np.asarray(np.where(np.abs(cadence - current) < 1e-6, current, down))


def _rng(facts: CadenceFacts, purpose: str) -> np.random.Generator:
    """Return the generator of one use of chance on one day: the same night rolls the same dice."""
    text = f"{facts.name}|{facts.day.isoformat()}|cadence {purpose}"
    seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
    return np.random.default_rng(seed)
