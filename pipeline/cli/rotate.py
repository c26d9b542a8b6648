"""The night of creative rotation."""

from __future__ import annotations

import typer

from pipeline.cli.night import Day, day_of
from pipeline.cli.show import HERE, AsJson, Workspace, print_json, remark, say


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command("rotate")(rotate)


def rotate(day: Day = None, workspace: Workspace = HERE, as_json: AsJson = False) -> None:
    """Split a day's exposure between creatives, from data up to the day before; propose it."""
    from pipeline.runs.portfolio import open_portfolio
    from pipeline.runs.rotation import run_rotation

    portfolio = open_portfolio(workspace)
    plan = run_rotation(portfolio, day_of(day, portfolio.folder), progress=remark)
    record = portfolio.ledger.plan(plan.plan_id)
    if as_json:
        print_json(record.to_json())
        return
    say(f"plan    {plan.plan_id}  {plan.mode.value}, {record.status.value}")
    if plan.uplift is not None and plan.expected is not None:
        up = plan.uplift
        say(
            f"gain    {up.mean:,.2f} {plan.expected.metric} a day "
            f"({up.p05:,.2f} to {up.p95:,.2f}), probability {up.probability_positive:.2f}"
        )
    for line in plan.lines:
        if line.action in {"retire", "start", "stop"}:
            say(f"{line.action:<7} {' / '.join(line.line.values())}: {line.reason}")
    for finding in plan.findings:
        if finding.level.value != "pass":
            say(f"{finding.level.value:<7} {finding.message}")
    say(f"report  {portfolio.runs}/{plan.plan_id}/report.html")
    people = portfolio.policy.people.analysts
    person = people[0].name if people else "NAME"
    say(f"sign    equimarginal approve {plan.plan_id} --as {person} -w {workspace}")
