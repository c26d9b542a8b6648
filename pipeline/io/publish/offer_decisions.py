"""The decision for every person, drawn from a published plan: what is done, and what is logged.

Who may get what is read at this moment, not when the night ran: whoever withdrew or was contacted
meanwhile is treated as they are now. The signed plan and a person's key alone say what is drawn, so
publishing again draws the same for the same person and leaves out who has gone.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from pipeline.core.decision import DecisionPlan, whole_units
from pipeline.core.offer_rules import OfferRules
from pipeline.core.sources import Sources
from pipeline.io.artefacts import json_bytes, sha256, write_file
from pipeline.io.engine import sql_text
from pipeline.io.offer_people import people_and_actions

FILE, RECORD = "decisions.csv", "decisions.json"
UNITS = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """How many people were decided for; `holdout` of them get nothing on purpose."""

    people: int
    holdout: int
    not_in_plan: int


def write_decisions(
    plan: DecisionPlan,
    content_hash: str,
    sources: Sources,
    base: Path,
    rules: OfferRules,
    folder: Path,
    today: date,
) -> Drawn:
    """Write `decisions.csv` beside the plan's sheet, and a record with its hash.

    Raises:
        SourceError: customers, contacts or withdrawals cannot be read.
    """
    import pyarrow.csv as pc

    segments = sorted({line.line["segment"] for line in plan.lines})
    more: dict[str, Any] = {
        "seed": content_hash,
        "holdout_units": round(rules.holdout * UNITS),
        "segments": segments,
    }
    with people_and_actions(sources, base, rules, plan.date, today, **more) as (connection, _):
        connection.execute(
            "create table offer_share (segment text, allowed text, action text, "
            "low integer, units integer)"
        )
        connection.executemany("insert into offer_share values (?, ?, ?, ?, ?)", shares_of(plan))
        connection.execute(f"create table drawn as {sql_text('marts', 'offer_draw')}")
        counts = connection.execute(
            "select count(*), count(*) filter (where holdout), "
            "count(*) filter (where not_in_plan) from drawn"
        ).fetchall()[0]
        out = io.BytesIO()
        rows = connection.sql("select * exclude (not_in_plan) from drawn order by person")
        pc.write_csv(rows.to_arrow_table(), out)
    data = out.getvalue()
    drawn = Drawn(people=counts[0], holdout=counts[1], not_in_plan=counts[2])
    record = {
        "plan_id": plan.plan_id,
        "content_hash": content_hash,
        "date": plan.date.isoformat(),
        "file": FILE,
        "sha256": sha256(data),
        "people": drawn.people,
        "holdout": drawn.holdout,
        "not_in_plan": drawn.not_in_plan,
    }
    write_file(folder / FILE, data)
    write_file(folder / RECORD, json_bytes(record))
    return drawn


def shares_of(plan: DecisionPlan) -> list[tuple[str, str, str, int, int]]:
    """Return segment, allowed, action, and where its part of ten thousand begins and its length."""
    rows = []
    begins: dict[tuple[str, str], int] = {}
    for line in plan.lines:
        segment, allowed, action = (line.line[c] for c in ("segment", "allowed", "action"))
        low = begins.get((segment, allowed), 0)
        units = whole_units(line.proposed, plan.digits)
        rows.append((segment, allowed, action, low, units))
        begins[segment, allowed] = low + units
    return rows
