"""Sample contacts of a shop's lifecycle segments, made from a truth that we know."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.core.contacts import Contacts
from pipeline.core.types import FloatArray
from pipeline.io.stores import write_file
from pipeline.simulation.cadence.loop import START, one_for_all
from pipeline.simulation.cadence.world import (
    BUCKETS,
    HIGHEST,
    TURN_DAYS,
    CadenceKind,
    CadenceWorld,
)
from pipeline.simulation.example import END

SEED, TURNS = 11, 3

# stage, people, what all touches of a week could earn, organic value a week, bend per touch,
# log hazard per touch, hazard of leaving in a week without touches
_STAGES: tuple[tuple[str, float, float, float, float, float, float], ...] = (
    ("new", 9_000, 1.10, 0.80, 0.45, 0.04, 0.004),
    ("active", 30_000, 0.70, 2.40, 0.80, 0.05, 0.002),
    ("loyal", 12_000, 0.30, 4.00, 1.10, 0.06, 0.001),
    ("lapsing", 16_000, 0.90, 0.50, 0.35, 0.08, 0.006),
    ("lapsed", 40_000, 0.04, 0.10, 0.60, 0.35, 0.009),
)

_SECTION = """
cadence:                           # how often people of a lifecycle segment are written to
  segment: [stage]                 # the columns of the contacts that name one
  capacity: 190000                 # messages a week, must-send ones included
  max_touches: 4                   # a person and week, must-send ones included
  touch_cost: 0.02                 # of one touch, in the reward's unit
  leaving: {cost: 25, max_weekly: 0.02}
  quiet: {start: "20:30", end: "08:00", days: [sunday], dates: [2026-12-25]}
"""


def add_cadence(folder: Path) -> None:
    """Add sample contacts and a `cadence` section to the example portfolio."""
    write_file(folder / "data" / "contacts.csv", contacts_csv(sample_contacts(), "stage"))
    settings = folder / "portfolio.yaml"
    text = settings.read_text(encoding="utf-8")
    source = "sources:\n  contacts: {path: data/contacts.csv}\n"
    text = text.replace("sources:\n", source, 1) + _SECTION
    write_file(settings, text.encode("utf-8"))


def sample_world() -> CadenceWorld:
    """Return the sample's truth."""
    rng = np.random.default_rng([SEED, 2026])
    columns = np.array([row[1:] for row in _STAGES], dtype=float).T
    people, worth, organic, bend, growth, hazard = columns
    return CadenceWorld(
        kind=CadenceKind(segments=len(_STAGES), season=0.05),
        segments=tuple((row[0],) for row in _STAGES),
        people=people,
        worth=worth,
        organic=organic,
        bend=bend,
        growth=growth,
        hazard=hazard,
        lasting=rng.standard_normal((len(_STAGES), HIGHEST + 1, BUCKETS)),
    )


def sample_contacts(turns: int = TURNS) -> Contacts:
    """Return what the sample's people did in the weeks up to the example's last day."""
    world, rng = sample_world(), np.random.default_rng([SEED, 1])
    first = END - timedelta(days=turns * TURN_DAYS - 1)
    seen = one_for_all(world, START, turns, first, rng)
    must = np.round(seen.total("persons") * 0.02)  # receipts and the like
    return replace(seen, must_send=must)


def contacts_csv(contacts: Contacts, column: str) -> bytes:
    """Return the contacts source: a row per day, segment, dose and bucket."""
    sheet = io.StringIO(newline="")
    writer = csv.writer(sheet, lineterminator="\n")
    names = ("persons", "touches", "must_send", "value", "leavers")
    writer.writerow(("date", column, "dose", "bucket", *names))
    writer.writerows(_rows(contacts))
    return sheet.getvalue().encode("utf-8")


def _rows(contacts: Contacts) -> Iterator[tuple[Any, ...]]:
    persons = contacts.drawn["persons"]
    must = _shared_out(contacts)
    for day, segment, dose, bucket in np.argwhere(persons > 0).tolist():
        place = day, segment, dose, bucket
        yield (
            contacts.days[day].isoformat(),
            contacts.segments[segment][0],
            dose,
            bucket,
            f"{persons[place]:.0f}",
            f"{contacts.drawn['touches'][place]:.0f}",
            f"{must[place]:.0f}",
            f"{contacts.drawn['reward'][place]:.2f}",
            f"{contacts.drawn['leavers'][place]:.0f}",
        )
    rest = contacts.rest["persons"]
    for day, segment in np.argwhere(rest > 0).tolist():
        yield (
            contacts.days[day].isoformat(),
            contacts.segments[segment][0],
            "",
            "",
            f"{rest[day, segment]:.0f}",
            f"{contacts.rest['touches'][day, segment]:.0f}",
            "0",
            f"{contacts.rest['reward'][day, segment]:.2f}",
            f"{contacts.rest['leavers'][day, segment]:.0f}",
        )


def _shared_out(contacts: Contacts) -> FloatArray:
    """Return must-send messages of each cell, in proportion to its people."""
    persons = contacts.drawn["persons"]
    total = np.maximum(persons.sum(axis=(2, 3), keepdims=True), 1.0)
    return np.asarray(persons / total * contacts.must_send[:, :, None, None])
