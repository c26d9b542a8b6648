"""Read every assigned test out on time, from where its assignment says the outcomes are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pipeline.core.errors import NotFoundError, PipelineError
from pipeline.io.panel import read_panel
from pipeline.runs.audit import require_sound
from pipeline.runs.experiments import fraction_over, record_final, seen_of
from pipeline.runs.portfolio import Portfolio, open_portfolio
from pipeline.runs.signoff import existing_ledger


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadNow:
    """What was done about one test that is not read out yet.

    Attributes:
        said: its verdict, or why it was not read.
        is_read: whether the whole of it is in the record now.
        failed: whether it should have been read and could not be.
    """

    name: str
    said: str
    is_read: bool = False
    failed: bool = False


def read_due(folder: str | Path) -> list[ReadNow]:
    """Read out every test that is over; what cannot be read is said and harms no other test."""
    portfolio = open_portfolio(folder)
    try:
        ledger = existing_ledger(portfolio)
    except NotFoundError:
        return []
    return [
        _read(portfolio, record.name)
        for record in ledger.experiments(portfolio.policy.portfolio)
        if record.assignment.get("kind") != "holdout"
        and not record.ended
        and all(look["fraction"] < 1 for look in record.looks)
    ]


def _read(portfolio: Portfolio, name: str) -> ReadNow:
    others = existing_ledger(portfolio).experiments(portfolio.policy.portfolio)
    record = next(item for item in others if item.name == name)
    plan = record.assignment
    place = plan.get("data")
    if portfolio.today().isoformat() <= plan["to"]:
        return ReadNow(name=name, said=f"runs until {plan['to']}")
    if not place:
        return ReadNow(
            name=name,
            failed=True,
            said="its assignment does not say where the outcomes are; "
            f"run 'equimarginal experiment read-out {name} --data FILE'",
        )
    try:
        panel = read_panel(
            place["path"],
            unit=place["unit"],
            day=place["day"],
            outcome=place["outcome"],
            spend=place.get("spend"),
        )
        if fraction_over(plan, panel.days[-1]) < 1:
            said = (
                f"is over, and {place['path']} ends {panel.days[-1]}; it is read once data are in"
            )
            return ReadNow(name=name, said=said)
        require_sound(portfolio.folder, f"experiment read-out {name}")
        seen = seen_of(record, panel, others)
        record_final(portfolio, name, seen)
    except PipelineError as error:
        return ReadNow(name=name, said=str(error), failed=True)
    return ReadNow(name=name, said=seen.verdict, is_read=True)
