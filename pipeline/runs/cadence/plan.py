"""Tonight's cadence as the plan that people sign: decide, say why, and what its page shows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pipeline.cadence.evidence import WEEK
from pipeline.cadence.lottery import lottery
from pipeline.core.cadence_rules import CadenceRules
from pipeline.core.contacts import Contacts
from pipeline.core.decision import DecisionLine, DecisionPlan, without_small_figures
from pipeline.core.findings import Finding
from pipeline.core.plan import Expected, Interval, Kind, Mode, Uplift
from pipeline.core.types import FloatArray, JsonObject
from pipeline.io.artefacts import RunFolder
from pipeline.io.contacts import read_contacts
from pipeline.runs.cadence.checks import drawn_as_signed, guardrails, health
from pipeline.runs.cadence.decide import (
    NOT_A_DAY,
    RECENT_WEEKS,
    CadenceDecision,
    CadenceFacts,
    decide_cadence,
    top_dose,
)
from pipeline.runs.cadence.look_back import look_back
from pipeline.runs.cadence.reasons import line_words
from pipeline.runs.decision_inputs import DecisionInputs, read_decision_inputs
from pipeline.runs.inputs import inputs_hash


def cadence_plan(
    work: RunFolder, plan_id: str, findings: Sequence[Finding]
) -> tuple[DecisionPlan, JsonObject]:
    """Return the plan of the night in a work folder, and what its page shows besides."""
    inputs = read_decision_inputs(work)
    facts = cadence_facts(work, inputs)
    decided = decide_cadence(facts)
    least = inputs.policy.privacy.min_group
    lines = [
        _hidden(line, least) if line.figures["people"] < least else line
        for place in range(len(facts.contacts.segments))
        for line in (_line(facts, decided, place),)
    ]
    expected, now, uplift = _totals(facts, decided)
    known = [*findings, *drawn_as_signed(inputs, facts), *look_back(inputs, facts, decided)]
    is_new = any(line.proposed != line.current for line in lines)
    is_known = bool(decided.evidence.identified.any())  # else all that is known is the prior
    plan = DecisionPlan(
        plan_id=plan_id,
        portfolio=inputs.policy.portfolio,
        date=inputs.day,
        kind=Kind.CADENCE,
        currency=inputs.policy.currency,
        unit="touches a week",
        digits=2,
        line_columns=facts.columns,
        mode=Mode.OPTIMISED if is_new else Mode.HOLD,
        reasons=decided.reasons,
        expected=expected if is_known else None,
        status_quo=now if is_known else None,
        uplift=uplift if is_new and is_known else None,
        lines=tuple(lines),
        guardrails=guardrails(facts, decided, least),
        findings=tuple(known),
        model_health=health(facts, decided),
        rules_version=inputs.rules_version,
        inputs_hash=inputs_hash(work),
        based_on="" if inputs.published is None else inputs.published.plan_id,
        terms=terms_of(facts.rules, inputs.policy.timezone),
    )
    return plan, _page_parts(facts, decided, least)


def cadence_facts(work: RunFolder, inputs: DecisionInputs) -> CadenceFacts:
    """Return everything that tonight's decision rests on."""
    rules = inputs.policy.cadence
    assert rules is not None  # noqa: S101  a night of cadence has its section
    contacts = read_contacts(work, inputs.policy, inputs.day, top_dose(rules))
    current, changed = _in_force(inputs.published, contacts)
    return CadenceFacts(
        name=inputs.policy.portfolio,
        day=inputs.day,
        columns=rules.segment,
        contacts=contacts,
        current=current,
        changed=changed,
        rules=rules,
    )


def terms_of(rules: CadenceRules, zone: str) -> dict[str, str]:
    """Return when may be sent: what holds for every segment as the cadence is carried out."""
    quiet = rules.quiet
    return {
        "send_from": quiet.end,
        "send_until": quiet.start,
        "timezone": zone,
        "never_on": " ".join((*quiet.days, *(day.isoformat() for day in quiet.dates))),
    }


def _in_force(published: DecisionPlan | None, contacts: Contacts) -> tuple[FloatArray, FloatArray]:
    """Return touches a week and person in force, and the day each was last changed.

    Before the first plan that is what was sent in the last four weeks, in hundredths.
    """
    recent = slice(-RECENT_WEEKS * WEEK, None)
    persons = contacts.total("persons")[recent].sum(axis=0)
    sent = contacts.total("touches")[recent].sum(axis=0) / np.maximum(persons, 1.0) * WEEK
    current, changed = np.round(sent, 2), np.full(sent.size, float(NOT_A_DAY))
    lines = () if published is None else published.lines
    signed = {tuple(line.line.values()): line for line in lines}
    for place, segment in enumerate(contacts.segments):
        if line := signed.get(segment):
            current[place] = line.proposed
            changed[place] = line.figures.get("changed", NOT_A_DAY)
    return current, changed


def _line(facts: CadenceFacts, decided: CadenceDecision, place: int) -> DecisionLine:
    now, then = float(facts.current[place]), float(decided.cadence[place])
    people = float(facts.people[place])
    each = _at(decided, decided.net, place, then) / max(people, 1.0)
    words = line_words(facts, decided, place)
    moved = abs(then - now) > 0.005
    parts = lottery(then, top_dose(facts.rules), facts.rules.lottery)
    weekly = decided.hazards.weekly(decided.cadence)[:, place]
    return DecisionLine(
        line=dict(zip(facts.columns, facts.contacts.segments[place], strict=True)),
        current=now,
        proposed=then,
        expected=_interval(each) if decided.evidence.identified[place] else None,
        binding=words.binding,
        action=words.action,
        reason=words.reason,
        figures={
            "people": people,
            "must_send": round(float(facts.must_send[place]), 2),
            "changed": float(facts.day.toordinal() if moved else facts.changed[place]),
            "earned": round(
                float(_at(decided, decided.earned, place, then).mean() / max(people, 1.0)), 6
            ),
            "chance_safe": round(float(decided.room.safe[place]), 6),
            "chance_harm": round(float(decided.room.harm[place]), 6),
            "leaving": round(float(weekly.mean()), 8),
            "leaver_cost": round(float(decided.leaver_cost[place]), 4),
            "capacity_price": round(decided.capacity_price, 6),
        },
        parts={str(dose): round(float(part), 6) for dose, part in enumerate(_whole(parts))},
    )


def _whole(shares: FloatArray) -> FloatArray:
    """Return shares in millionths that add up to 1; what is over goes to the lowest dose."""
    millionths = np.floor(shares * 1e6 + 1e-6)
    millionths[0] += 1e6 - millionths.sum()
    return np.asarray(millionths / 1e6)


def _at(decided: CadenceDecision, table: FloatArray, place: int, dose: float) -> FloatArray:
    """Return the draws of a segment's table at a dose, (n_draws,)."""
    right = int(np.clip(np.searchsorted(decided.doses, dose), 1, decided.doses.size - 1))
    low, high = decided.doses[right - 1], decided.doses[right]
    part = np.clip((dose - low) / (high - low), 0.0, 1.0)
    return np.asarray((1 - part) * table[:, place, right - 1] + part * table[:, place, right])


def _interval(draws: FloatArray) -> Interval:
    low, high = np.quantile(draws, [0.05, 0.95])
    return Interval(mean=float(draws.mean()), p05=float(low), p95=float(high))


def _totals(facts: CadenceFacts, decided: CadenceDecision) -> tuple[Expected, Interval, Uplift]:
    """Return net value a day as planned and in force, and the difference."""
    size = range(len(facts.contacts.segments))
    then, now = (
        sum(_at(decided, decided.net, place, float(doses[place])) for place in size) / WEEK
        for doses in (decided.cadence, facts.current)
    )
    gain = np.asarray(then - now)
    name = f"net {facts.rules.reward}"
    return (
        Expected(metric=name, **_interval(np.asarray(then)).model_dump()),
        _interval(np.asarray(now)),
        Uplift(
            **_interval(gain).model_dump(),
            probability_positive=float((gain > 0).mean()) if np.ptp(gain) > 0 else 0.5,
        ),
    )


def _hidden(line: DecisionLine, least: float) -> DecisionLine:
    """Return the line of a segment with too few people without what would tell of them."""
    return without_small_figures(line, least, reason="decided like the others; too few to show why")


def _page_parts(facts: CadenceFacts, decided: CadenceDecision, least: float) -> JsonObject:
    """Return the curves of the page: net value a person and week over touches a week."""
    most = facts.rules.max_touches
    kept = decided.doses <= most + 1e-9
    curves = []
    for place, segment in enumerate(facts.contacts.segments):
        people = float(facts.people[place])
        if people < least or not decided.evidence.identified[place]:
            continue
        draws = decided.net[:, place][:, kept] / max(people, 1.0)
        low, high = np.quantile(draws, [0.05, 0.95], axis=0)
        curves.append(
            {
                "line": list(segment),
                "spend": decided.doses[kept].tolist(),
                "mean": draws.mean(axis=0).tolist(),
                "p05": low.tolist(),
                "p95": high.tolist(),
            }
        )
    capacity = decided.capacity
    return {
        "curves": curves,
        "capacity": {
            "limit": facts.rules.capacity,
            "must_send": float(facts.must_send.sum()),
            "left": capacity if np.isfinite(capacity) else None,
            "used": float(decided.cadence @ facts.people),
            "price": decided.capacity_price,
            "metric": f"net {facts.rules.reward}",
        },
    }
