"""The nights of decisions other than the budget."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from pipeline.cli.night import Day, day_of, say_how_to_sign
from pipeline.cli.show import HERE, AsJson, Workspace, gained_in, odds, print_json, remark, say
from pipeline.core.offer_rules import SEPARATOR
from pipeline.core.plan import Kind

LONGEST = 40  # characters of the list of what people may get

if TYPE_CHECKING:
    from pipeline.core.decision import DecisionLine, DecisionPlan
    from pipeline.runs.portfolio import Portfolio


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.command("rotate")(rotate)
    app.command("cadence")(cadence)


def rotate(day: Day = None, workspace: Workspace = HERE, as_json: AsJson = False) -> None:
    """Split a day's exposure between creatives, from data up to the day before; propose it."""
    propose(Kind.ROTATION, day, workspace, as_json=as_json)


def cadence(day: Day = None, workspace: Workspace = HERE, as_json: AsJson = False) -> None:
    """Set how often each lifecycle segment is written to, from data up to the day before."""
    propose(Kind.CADENCE, day, workspace, as_json=as_json)


def propose(kind: Kind, day: str | None, workspace: Path, *, as_json: bool) -> None:
    """Run the night of a kind and say what it proposes and how that is signed."""
    from pipeline.runs.decisions import run_decision
    from pipeline.runs.portfolio import open_portfolio

    portfolio = open_portfolio(workspace)
    plan = run_decision(portfolio, kind, day_of(day, portfolio.folder), progress=remark)
    if as_json:
        print_json(portfolio.ledger.plan(plan.plan_id).to_json())
    else:
        _say_plan(portfolio, plan, workspace)


def _say_plan(portfolio: Portfolio, plan: DecisionPlan, workspace: Path) -> None:
    say(f"plan    {plan.plan_id}  {plan.mode.value}, {plan.status.value}")
    if plan.uplift is not None and plan.expected is not None:
        up = plan.uplift
        say(
            f"gain    {up.mean:,.2f} {gained_in(plan)} a day "
            f"({up.p05:,.2f} to {up.p95:,.2f}), {odds(up)}"
        )
    for reason in plan.reasons:
        say(f"because {reason}")
    for line in plan.lines:
        if line.action in {"retire", "start", "stop", "raise", "lower"}:
            say(f"{line.action:<7} {_name(line)}: {line.reason}")
    for finding in plan.findings:
        if finding.level.value != "pass":
            say(f"{finding.level.value:<7} {finding.message}")
    say(f"report  {portfolio.runs}/{plan.plan_id}/report.html")
    say_how_to_sign(portfolio, portfolio.ledger.plan(plan.plan_id), workspace)


def _name(line: DecisionLine) -> str:
    """Return the line's values; of many actions that its people may get only the first."""
    values = {**line.line}
    if SEPARATOR in (allowed := values.get("allowed", "")) and len(allowed) > LONGEST:
        names = allowed.split(SEPARATOR)
        values["allowed"] = f"{SEPARATOR.join(names[:3])} and {len(names) - 3} more"
    return " / ".join(values.values())
