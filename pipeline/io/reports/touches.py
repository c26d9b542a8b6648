"""What the page of a cadence shows besides: curves, capacity, when may be sent, who is drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.core.decision import DecisionLine, DecisionPlan
from pipeline.core.types import JsonObject
from pipeline.io.reports.curves import CurveChart, curve_chart
from pipeline.io.reports.extras import LineExtras
from pipeline.io.reports.words import label, number, percent, plural


@dataclass(frozen=True, slots=True, kw_only=True)
class TouchCard:
    """One segment's curve: net value of a person and week over touches a week."""

    name: str
    people: str
    flow: str
    now: str
    then: str
    chart: CurveChart


@dataclass(frozen=True, slots=True, kw_only=True)
class TouchParts:
    """The parts of a cadence's page.

    Attributes:
        few: segments whose curve is not shown, because they are small.
        capacity, sending: name and what is said of it.
        doses: that anybody is drawn for. drawn: segment, and the share of its people on each.
    """

    cards: Sequence[TouchCard]
    few: str
    capacity: Sequence[tuple[str, str]]
    sending: Sequence[tuple[str, str]]
    doses: Sequence[str]
    drawn: Sequence[tuple[str, Sequence[str]]]


def touch_parts(plan: DecisionPlan, extras: JsonObject, min_group: float) -> TouchParts | None:
    """Return the parts of the page of a cadence; None for every other decision.

    Args:
        extras: `curves` and `capacity`, absent where nothing was learned tonight.
        min_group: segments with fewer people are not shown.
    """
    if "send_from" not in plan.terms:
        return None
    curves = {tuple(item["line"]): item for item in extras.get("curves", [])}
    shown = [line for line in plan.lines if line.figures.get("people", 0.0) >= min_group]
    hidden = len(plan.lines) - len(shown)
    doses = sorted({int(dose) for line in plan.lines for dose, part in line.parts.items() if part})
    return TouchParts(
        cards=[
            _card(line, curves[key])
            for line in shown
            if (key := tuple(line.line.values())) in curves
        ],
        few=f"{plural(hidden, 'segment')} with too few people to show" if hidden else "",
        capacity=_capacity(extras.get("capacity", {})),
        sending=_sending(plan),
        doses=[str(dose or "none") for dose in doses],
        drawn=[(_name(line), _drawn(line, doses)) for line in plan.lines],
    )


def _card(line: DecisionLine, curve: JsonObject) -> TouchCard:
    extras = LineExtras.model_validate(curve)
    change = line.proposed - line.current
    return TouchCard(
        name=_name(line),
        people=f"{line.figures.get('people', 0.0):,.0f} people",
        flow="flat" if abs(change) < 0.005 else "up" if change > 0 else "down",
        now=number(line.current),
        then=number(line.proposed),
        chart=curve_chart(extras, line.current, line.proposed),
    )


def _capacity(found: JsonObject) -> list[tuple[str, str]]:
    if not found:
        return []
    if found["left"] is None:
        return [("Limit", "none is set"), ("Touches", f"{found['used']:,.0f} a week")]
    return [
        ("Limit", f"{found['limit']:,.0f} messages a week"),
        ("Must be sent", f"{found['must_send']:,.0f} of them, outside this decision"),
        ("Touches", f"{found['used']:,.0f} of the {found['left']:,.0f} left"),
        (
            "One more would bring",
            f"{number(found['price'])} {found['metric']}"
            if found["price"] > 1e-9
            else "nothing: the capacity does not bind",
        ),
    ]


def _sending(plan: DecisionPlan) -> list[tuple[str, str]]:
    terms = plan.terms
    never = ", ".join(day.capitalize() for day in terms["never_on"].split())
    return [
        ("Sent", f"{terms['send_from']} to {terms['send_until']}, {terms['timezone']}"),
        ("Never on", never or "no day is quiet"),
    ]


def _drawn(line: DecisionLine, doses: Sequence[int]) -> list[str]:
    """Return the share of people on each dose; empty where nobody is."""
    parts = [line.parts.get(str(dose), 0.0) for dose in doses]
    return [percent(part) if part else "" for part in parts]


def _name(line: DecisionLine) -> str:
    return " / ".join(label(value) for value in line.line.values())
