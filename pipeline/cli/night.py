"""Making a portfolio, checking it, and running its night."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.show import (
    HERE,
    AsJson,
    Workspace,
    gained_in,
    iso_day,
    odds,
    print_json,
    remark,
    say,
)

if TYPE_CHECKING:
    from pipeline.core.findings import Finding
    from pipeline.io.ledger import PlanRecord
    from pipeline.runs.portfolio import Portfolio

Day = Annotated[
    str | None,
    typer.Option(
        "--date",
        metavar="DATE",
        help="The plan's day, ISO; default: today, from data up to yesterday.",
    ),
]


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.command("init")(init)
    app.command("check")(check)
    app.command("night")(night)
    app.command("replay")(replay)


def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A new or empty folder.")],
    with_cadence: Annotated[
        bool,
        typer.Option("--cadence", help="Add lifecycle segments: contacts and their cadence."),
    ] = False,
    with_creatives: Annotated[
        bool, typer.Option("--creatives", help="Add creatives: exposures and their rotation.")
    ] = False,
    with_offers: Annotated[
        bool, typer.Option("--offers", help="Add offers: logged decisions and customers.")
    ] = False,
) -> None:
    """Make a portfolio folder: a commented portfolio.yaml and sample data that runs as it is."""
    from pipeline.core.errors import UsageError
    from pipeline.simulation.example import END, write_example

    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{folder}: is not empty; name a new folder, nothing was written")
    folder.mkdir(parents=True, exist_ok=True)
    write_example(folder)
    others = _add_samples(folder, cadence=with_cadence, rotate=with_creatives, offers=with_offers)
    say(f"portfolio  {folder / 'portfolio.yaml'}")
    remark(f"next: equimarginal caps approve --all --as fin -w {folder}")
    remark(f"then: equimarginal night -w {folder} --date {_next_day(END)}")
    for command in others:
        remark(f"and:  equimarginal {command} -w {folder} --date {_next_day(END)}")


def _add_samples(folder: Path, *, cadence: bool, rotate: bool, offers: bool) -> list[str]:
    """Add the samples of further decisions; return the commands that decide them."""
    from pipeline.simulation.cadence.sample import add_cadence
    from pipeline.simulation.decision_samples import add_creatives, add_offers

    wanted = {
        "rotate": (rotate, add_creatives),
        "offers": (offers, add_offers),
        "cadence": (cadence, add_cadence),
    }
    commands = [command for command, (is_wanted, _) in wanted.items() if is_wanted]
    for command in commands:
        wanted[command][1](folder)
    return commands


def check(day: Day = None, workspace: Workspace = HERE, as_json: AsJson = False) -> None:
    """Check config, sources, caps and reachability: every problem in one go. Exit 1 if any."""
    from pipeline.core.errors import CheckFailedError
    from pipeline.core.findings import Level
    from pipeline.runs.checking import check_portfolio
    from pipeline.runs.portfolio import open_portfolio

    portfolio = open_portfolio(workspace)
    findings = check_portfolio(portfolio, day_of(day, portfolio.folder))
    failed = [finding for finding in findings if finding.level is Level.FAIL]
    if as_json:
        print_json(
            {"ok": not failed, "findings": [item.model_dump(mode="json") for item in findings]}
        )
    else:
        for row in dict.fromkeys(map(_row, findings)):  # two sources may be one file
            say(row)
    if failed:
        raise CheckFailedError(
            f"{portfolio.folder}: {len(failed)} problem{'s' if len(failed) > 1 else ''}; "
            f"first: {failed[0].message}"
        )


def night(day: Day = None, workspace: Workspace = HERE, as_json: AsJson = False) -> None:
    """Run one whole night for a day, from data up to the day before; propose its plan."""
    from pipeline.runs.night import run_night
    from pipeline.runs.portfolio import open_portfolio

    portfolio = open_portfolio(workspace)
    plan = run_night(portfolio, day_of(day, portfolio.folder), progress=remark)
    record = portfolio.ledger.plan(plan.plan_id)
    if as_json:
        print_json(record.to_json())
        return
    page = f"{portfolio.runs}/{plan.plan_id}/report.html"
    say(f"plan    {plan.plan_id}  {plan.mode.value}, {record.status.value}")
    if plan.uplift is not None:
        say(
            f"gain    {plan.uplift.mean:,.2f} {gained_in(plan)} a day "
            f"({plan.uplift.p05:,.2f} to {plan.uplift.p95:,.2f}), {odds(plan.uplift)}"
        )
    for reason in plan.reasons:
        say(f"note    {reason}")
    say(f"report  {page}")
    say_how_to_sign(portfolio, record, workspace)


def say_how_to_sign(portfolio: Portfolio, record: PlanRecord, workspace: Path) -> None:
    """Say which command signs a plan, or why none does."""
    from pipeline.core.plan import Status

    why_not = portfolio.ledger.why_not_its_day(record, portfolio.policy)
    if record.status is not Status.PROPOSED:
        by = f" by {record.decided_by}" if record.decided_by else ""
        say(f"sign    nothing waits: the plan is {record.status.value}{by}")
    elif why_not:
        say(f"sign    not possible: {why_not}")
    else:
        people = portfolio.policy.people.analysts
        person = people[0].name if people else "NAME"
        say(f"sign    equimarginal approve {record.plan_id} --as {person} -w {workspace}")


def replay(
    plan_id: Annotated[
        str, typer.Argument(metavar="ID", help="Plan id, its unique beginning, or 'latest'.")
    ],
    workspace: Workspace = HERE,
    as_json: AsJson = False,
) -> None:
    """Compute a plan again from what was stored: identical, or what differs (exit 1)."""
    from pipeline.core.errors import CheckFailedError
    from pipeline.runs.checking import replay_plan
    from pipeline.runs.portfolio import open_portfolio

    result = replay_plan(open_portfolio(workspace), plan_id)
    if as_json:
        print_json(
            {
                "plan_id": result.plan_id,
                "identical": not result.differences,
                "differences": list(result.differences),
            }
        )
    elif not result.differences:
        say(f"identical  {result.plan_id}  {result.content_hash}")
    if result.differences:
        raise CheckFailedError(
            f"plan {result.plan_id}: computed again it differs in "
            f"{', '.join(result.differences[:8])}; do not sign it before this is understood"
        )


def day_of(text: str | None, folder: Path) -> date:
    """Return the day that was asked for; today where the portfolio is by default."""
    from pipeline.runs.portfolio import open_portfolio

    return iso_day(text) or open_portfolio(folder).today()


def _next_day(day: date) -> str:
    from datetime import timedelta

    return (day + timedelta(days=1)).isoformat()


def _row(finding: Finding) -> str:
    advice = f"; {finding.advice}" if finding.advice else ""
    return f"{finding.level.value:<7} {finding.check}: {finding.message}{advice}"
