"""What touches of each segment bring, net of their cost and of people who leave, as draws."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pipeline.cadence.evidence import WEEK, Evidence
from pipeline.cadence.harm import Hazards
from pipeline.core.cadence_rules import CadenceRules
from pipeline.core.contacts import Contacts
from pipeline.core.curves import ResponseTable
from pipeline.core.findings import Finding
from pipeline.core.history import History
from pipeline.core.types import FloatArray
from pipeline.response import FitSettings, fit_response


def as_if_all(contacts: Contacts, name: str, people: FloatArray) -> FloatArray:
    """Return a count per day as if all of a segment's people had been those drawn by lot.

    Whose touches somebody chose says nothing of touches, so they count only in segments where
    nobody was ever drawn. A segment that grows is none that answers better, so it always counts
    as large as `people`.
    """
    drawn = {key: contacts.drawn[key].sum(axis=(2, 3)) for key in (name, "persons")}
    any_drawn = drawn["persons"].sum(axis=0) > 0
    count, persons = (
        np.where(any_drawn, drawn[key], contacts.rest[key]) for key in (name, "persons")
    )
    return np.asarray(count / np.where(persons > 0, persons, np.inf) * people)


def leaver_cost(contacts: Contacts, rules: CadenceRules) -> FloatArray:
    """Return what one person who leaves would have been worth, (n_segments,)."""
    persons = contacts.total("persons").sum(axis=0)
    if rules.leaving.cost is not None:
        return np.full(persons.size, rules.leaving.cost)
    weekly = contacts.total("reward").sum(axis=0) / np.maximum(persons, 1.0) * WEEK
    return np.asarray(weekly * rules.leaving.worth_weeks)


def learn_curves(
    seen: Contacts,
    people: FloatArray,
    evidence: Evidence,
    doses: FloatArray,
    reward: str,
    rng: np.random.Generator,
    n_draws: int,
) -> tuple[ResponseTable, tuple[Finding, ...]]:
    """Return joint draws of what a day of touches earns, and the health of the fit.

    A person's dose is a matter of weeks, so a day's touches are the mean of its last seven days:
    on which weekday they were sent says nothing about their number.
    """
    touches = _trailing(as_if_all(seen, "touches", people))
    history = History(
        days=seen.days,
        lines=seen.segments,
        spend=touches,
        outcomes={reward: as_if_all(seen, "reward", people)},
        trusted=as_if_all(seen, "persons", people) > 0,
    )
    posterior = fit_response(history, FitSettings(metric=reward), lift_tests=evidence.tests)
    spend = doses[None, :] * np.maximum(people, 1.0)[:, None] / WEEK
    table, _ = posterior.tabulate(spend, rng, n_draws)
    return table, posterior.findings


def _trailing(daily: FloatArray) -> FloatArray:
    """Return the mean of each day and the six before it; the first days have fewer."""
    total = np.cumsum(daily, axis=0)
    before = np.concatenate([np.zeros((min(WEEK, len(daily)), daily.shape[1])), total[:-WEEK]])
    days = np.minimum(np.arange(1, len(daily) + 1), WEEK)
    return np.asarray((total - before) / days[:, None])


def net_of(
    table: ResponseTable,
    doses: FloatArray,
    people: FloatArray,
    hazards: Hazards,
    cost: FloatArray,
    rules: CadenceRules,
) -> ResponseTable:
    """Return what touches earn a day less what they cost and what leavers were worth."""
    value = table.value - rules.touch_cost * table.spend
    nothing = hazards.weekly(np.zeros(people.size))
    for knot, dose in enumerate(doses):
        more = hazards.weekly(np.full(people.size, dose)) - nothing
        value[:, :, knot] -= more * people * cost / WEEK
    return replace(table, metric=f"net {table.metric}", value=value)
