"""What a sending tool sends that carries out signed cadences: capacity, must-send, quiet times.

    python -m benchmarks.cadence_sends [NIGHTS]

Whole nights with random quiet times, capacities and caps are signed. Their published sheets alone
are then carried out for two weeks, half an hour at a time, and held against the settings.
"""

from __future__ import annotations

import csv
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from pipeline.core.clock import fixed_clock
from pipeline.core.contacts import Contacts
from pipeline.core.plan import Kind
from pipeline.core.types import FloatArray
from pipeline.io.ledger import Stated
from pipeline.runs.decisions import run_decision
from pipeline.runs.portfolio import open_portfolio
from pipeline.runs.signoff import approve_plan
from pipeline.simulation.cadence.loop import START, one_for_all
from pipeline.simulation.cadence.sample import contacts_csv
from pipeline.simulation.cadence.world import HIGHEST, TURN_DAYS, CadenceKind, make_cadence_world

DAY, TURNS, WEEKS = date(2026, 11, 22), 2, 2
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
SLOT = timedelta(minutes=30)
SETTINGS: dict[str, Any] = {
    "portfolio": "sends",
    "currency": "EUR",
    "line": ["channel"],
    "budget": {"daily": 100},
    "people": {"analysts": ["ana"], "finance": ["fin"]},
    "sources": {name: {"path": f"{name}.csv"} for name in ("spend", "outcomes", "contacts")},
}


@dataclass(slots=True)
class Sent:
    """Messages added up over nights.

    Attributes:
        quiet: touches in a quiet hour or on a quiet day.
        held_back: touches that would have brought their person above the cap.
        over_capacity: nights whose week sends more than the capacity, must-send ones included.
        over_cap: segments whose people get more than the cap on average, must-send ones included.
    """

    nights: int = 0
    segments: int = 0
    touches: int = 0
    must_send: int = 0
    quiet: int = 0
    held_back: int = 0
    over_capacity: int = 0
    over_cap: int = 0


def sends(nights: int, first_seed: int = 4000) -> Sent:
    """Return what was sent after so many nights, one audience and one set of rules each."""
    sent = Sent()
    for seed in range(first_seed, first_seed + nights):
        _night(np.random.default_rng([seed, 9]), sent)
    return sent


def _night(rng: np.random.Generator, sent: Sent) -> None:
    world = make_cadence_world(CadenceKind(people=2_000.0, season=0.05), rng)
    seen = one_for_all(world, START, TURNS, DAY - TURNS * timedelta(days=TURN_DAYS), rng)
    persons = seen.total("persons")
    seen = replace(seen, must_send=np.round(persons * rng.uniform(0.0, 0.15, persons.shape[1])))
    sheet = contacts_csv(seen, "stage")
    people, must = persons[-1], _must_send(sheet, seen)
    rules = _rules(float(people.sum()), float(must.sum()), rng)
    rows = _signed(sheet, seen, rules)
    ordered = np.array([float(row["touches"]) for row in rows])
    sent.nights += 1
    sent.segments += len(rows)
    cents = 0.005 * people.sum()  # cadences are signed in hundredths of a touch
    sent.over_capacity += bool(ordered @ people + must.sum() > rules["capacity"] + cents)
    sent.over_cap += int(np.sum(ordered + must / people > rules["max_touches"] + 0.005))
    for week in range(WEEKS):
        allowed = _slots(rows[0], DAY + timedelta(days=7 * week))
        for row, size, mean in zip(rows, people.astype(int), must / people, strict=True):
            _send(row, rng.poisson(mean, size).astype(float), allowed, rules, rng, sent)


def _rules(people: float, must: float, rng: np.random.Generator) -> dict[str, Any]:
    start, end = (int(slot) for slot in rng.permutation(48)[:2])
    dates = [DAY + timedelta(days=int(back)) for back in rng.permutation(14)[:2]]
    return {
        "segment": ["stage"],
        "capacity": float(round(must + rng.uniform(0.5, 2.5) * people)),
        "max_touches": float(rng.integers(2, HIGHEST + 1)),
        "leaving": {"cost": 25.0},
        "quiet": {
            "start": f"{start // 2:02d}:{start % 2 * 30:02d}",
            "end": f"{end // 2:02d}:{end % 2 * 30:02d}",
            "days": [str(name) for name in rng.permutation(WEEKDAYS)[: rng.integers(0, 4)]],
            "dates": [day.isoformat() for day in dates],
        },
    }


def _must_send(sheet: bytes, seen: Contacts) -> FloatArray:
    """Return each segment's messages a week that had to go out in the last four."""
    found = dict.fromkeys((name for (name,) in seen.segments), 0.0)
    since = (DAY - timedelta(days=28)).isoformat()
    for row in csv.DictReader(sheet.decode().splitlines()):
        if row["date"] >= since:
            found[row["stage"]] += int(row["must_send"]) / 4
    return np.array(list(found.values()))


def _signed(sheet: bytes, seen: Contacts, rules: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return the rows of the sheet that is published once the night's plan is signed."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "contacts.csv").write_bytes(sheet)
        settings = yaml.safe_dump({**SETTINGS, "cadence": dict(rules)})
        (folder / "portfolio.yaml").write_text(settings, encoding="utf-8")
        clock = fixed_clock(datetime(DAY.year, DAY.month, DAY.day, 6, tzinfo=UTC))
        portfolio = open_portfolio(folder, clock)
        plan = run_decision(portfolio, Kind.CADENCE, DAY)
        done = approve_plan(portfolio, plan.plan_id, "ana", Stated(content_hash=plan.content_hash))
        if done.folder is None:
            raise SystemExit(f"{plan.plan_id}: signed and not published")
        with (done.folder / "cadence.csv").open(encoding="utf-8", newline="") as file:
            return sorted(
                csv.DictReader(file), key=lambda row: seen.segments.index((row["stage"],))
            )


def _slots(row: Mapping[str, str], first: date) -> list[datetime]:
    """Return the half hours of a week in which the sheet lets a tool send."""
    begin, end, never = row["send_from"], row["send_until"], row["never_on"].split()
    start = datetime(first.year, first.month, first.day, tzinfo=UTC)
    moments = [start + slot * SLOT for slot in range(7 * 48)]
    return [
        at
        for at in moments
        if not {WEEKDAYS[at.weekday()], at.date().isoformat()} & set(never)
        and (begin <= f"{at:%H:%M}" < end if begin < end else not end <= f"{at:%H:%M}" < begin)
    ]


def _send(
    row: Mapping[str, str],
    must: FloatArray,
    allowed: Sequence[datetime],
    rules: Mapping[str, Any],
    rng: np.random.Generator,
    sent: Sent,
) -> None:
    """Draw a segment's people for a week and send them what their dose and the cap allow."""
    parts = dict(part.split(":") for part in row["parts"].split())
    edges = np.cumsum([float(part) for part in parts.values()])
    drawn = np.searchsorted(edges[:-1], rng.random(must.size), side="right")
    dose = np.array([int(name) for name in parts])[drawn]
    due = np.minimum(dose, np.maximum(rules["max_touches"] - must, 0)).astype(int)
    sent.must_send += int(must.sum())  # at any time: nothing holds them back
    sent.held_back += int((dose - due).sum())
    if not allowed:  # no day of the week is left
        return
    sent.touches += int(due.sum())
    counts = np.bincount(rng.integers(len(allowed), size=int(due.sum())), minlength=len(allowed))
    quiet = [_is_quiet(moment, rules["quiet"]) for moment in allowed]
    sent.quiet += int(counts @ np.array(quiet))


def _is_quiet(moment: datetime, quiet: Mapping[str, Any]) -> bool:
    """Return whether the settings forbid a moment, counted forward from the start of quiet."""
    day = timedelta(days=1)
    since, long = (
        (_clock(to) - _clock(quiet["start"])) % day for to in (f"{moment:%H:%M}", quiet["end"])
    )
    is_day = WEEKDAYS[moment.weekday()] in quiet["days"]
    return since < long or is_day or moment.date().isoformat() in quiet["dates"]


def _clock(text: str) -> timedelta:
    hours, minutes = text.split(":")
    return timedelta(hours=int(hours), minutes=int(minutes))


def text(sent: Sent) -> str:
    """Return what was found in a few sentences."""
    s = sent
    share = s.held_back / max(s.touches + s.held_back, 1)
    return (
        f"After {s.nights} nights with random quiet times, capacities and caps the published "
        f"sheets alone were carried out for {WEEKS} weeks: {s.touches:,} touches, {s.quiet} of "
        f"them in a quiet hour or on a quiet day, beside {s.must_send:,} messages that had to be "
        f"sent. {s.over_capacity} of {s.nights} nights order more than the capacity with those "
        f"counted; {s.over_cap} of {s.segments} segments get more than the frequency cap on "
        "average. Who gets several messages that must be sent in one week would be above the cap "
        f"with all touches: the sending tool held {share:.1%} of them back."
    )


if __name__ == "__main__":
    print(text(sends(int(sys.argv[1]) if len(sys.argv) > 1 else 12)))
