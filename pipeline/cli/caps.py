"""Caps: list, propose, approve, refuse."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli.show import (
    HERE,
    AsJson,
    Person,
    Why,
    Workspace,
    iso_day,
    print_json,
    print_table,
    remark,
    say,
)
from pipeline.core.errors import UsageError
from pipeline.core.types import scope_label

if TYPE_CHECKING:
    from pipeline.core.caps import Cap

Day = Annotated[str | None, typer.Option("--date", metavar="DAY", help="Default: today.")]
CapId = Annotated[str, typer.Argument(metavar="ID", help="Cap id or its unique beginning.")]
Amount = Annotated[float | None, typer.Option(metavar="MONEY", help="Per day.")]

caps_app = typer.Typer(
    help="Limits on the money of a scope, each approved by finance.", invoke_without_command=True
)


def register(app: typer.Typer) -> None:
    """Add the cap commands to the command line."""
    app.add_typer(caps_app, name="caps")


@caps_app.callback()
def list_caps(
    context: typer.Context,
    day: Day = None,
    every: Annotated[
        bool, typer.Option("--all", help="Every cap there ever was, and how it stands on the day.")
    ] = False,
    workspace: Workspace = HERE,
    as_json: AsJson = False,
) -> None:
    """List the caps in force on a day, and those that wait for finance."""
    if context.invoked_subcommand is not None:
        context.obj = workspace
        return
    from pipeline.runs.portfolio import open_portfolio
    from pipeline.runs.signoff import caps_overview, paused_notice

    portfolio = open_portfolio(workspace)
    overview = caps_overview(portfolio, iso_day(day) or portfolio.today())
    if as_json:
        print_json(overview)
        return
    columns = portfolio.policy.line
    _print_caps(f"in force on {overview['date']}", overview["in_force"], columns)
    _print_caps("waiting for finance", overview["waiting"], columns)
    if every:
        _print_caps("all there ever were", overview["history"], columns)
    for scope in overview["held"]:
        label = scope_label(_in_order(scope, columns))
        say(f"held at its current budget until a cap is approved: {label}")
    say(f"version {overview['version']}, which plans of that day are bound to")
    if notice := paused_notice(portfolio):
        remark(notice)


@caps_app.command("propose")
def propose(
    context: typer.Context,
    person: Person,
    scope: Annotated[
        list[str] | None,
        typer.Option(metavar="COLUMN=VALUE", help="Repeat for more columns; none for everything."),
    ] = None,
    min: Amount = None,
    max: Amount = None,
    fixed: Amount = None,
    valid_from: Annotated[str | None, typer.Option("--from", metavar="DAY")] = None,
    expires: Annotated[str | None, typer.Option(metavar="DAY", help="The last day.")] = None,
    reason: Annotated[str, typer.Option(metavar="TEXT")] = "",
    workspace: Workspace = HERE,
    as_json: AsJson = False,
) -> None:
    """Propose a cap; it takes effect once somebody else of finance approves it."""
    from pipeline.runs.portfolio import open_portfolio
    from pipeline.runs.signoff import cap_spec, propose_cap

    spec = cap_spec(
        {
            "scope": scope_of(scope or []),
            "min": min,
            "max": max,
            "fixed": fixed,
            "valid_from": iso_day(valid_from, "--from"),
            "expires": iso_day(expires, "--expires"),
        }
    )
    portfolio = open_portfolio(_folder(context, workspace))
    cap = propose_cap(portfolio, spec, person, reason)
    _answer([cap], as_json)


@caps_app.command("approve")
def approve(
    context: typer.Context,
    person: Person,
    cap_id: Annotated[str | None, typer.Argument(metavar="ID")] = None,
    every: Annotated[bool, typer.Option("--all", help="All that wait.")] = False,
    workspace: Workspace = HERE,
    as_json: AsJson = False,
) -> None:
    """Put a cap in force, as a person of finance who did not propose it."""
    from pipeline.runs.portfolio import open_portfolio
    from pipeline.runs.signoff import approve_caps

    if (cap_id is None) != every:
        raise UsageError("caps approve: give either the ID of a cap or --all")
    approved = approve_caps(open_portfolio(_folder(context, workspace)), cap_id, person)
    if not approved:
        remark("no cap waits for approval")
    _answer(list(approved), as_json)


@caps_app.command("reject")
def reject(
    context: typer.Context,
    cap_id: CapId,
    person: Person,
    why: Why,
    workspace: Workspace = HERE,
    as_json: AsJson = False,
) -> None:
    """Refuse a proposed cap, as a person of finance."""
    from pipeline.runs.portfolio import open_portfolio
    from pipeline.runs.signoff import reject_cap

    cap = reject_cap(open_portfolio(_folder(context, workspace)), cap_id, person, why)
    _answer([cap], as_json)


def _folder(context: typer.Context, workspace: Any) -> Any:
    """Return the folder, which may stand before or after the sub-command."""
    return context.obj if workspace == HERE and context.obj is not None else workspace


def scope_of(pairs: list[str]) -> dict[str, str]:
    """Return the scope that COLUMN=VALUE options name.

    Raises:
        UsageError: not such a pair, or a column twice.
    """
    scope: dict[str, str] = {}
    for pair in pairs:
        column, equals, value = pair.partition("=")
        if not (column and equals and value) or column in scope:
            raise UsageError(f"--scope {pair}: need COLUMN=VALUE, each column once")
        scope[column] = value
    return scope


def _answer(caps: list[Cap], as_json: bool) -> None:
    if as_json:
        print_json({"caps": [cap.model_dump(mode="json") for cap in caps]})
        return
    for cap in caps:
        by = f" by {cap.decided_by}" if cap.decided_by else ""
        say(f"{cap.id} ({scope_label(cap.scope)}) is {cap.status.value}{by}")
        if cap.impact and not by:
            say(f"  {cap.impact}")


def _in_order(scope: dict[str, str], columns: tuple[str, ...]) -> dict[str, str]:
    """Return the scope with its columns outermost first, as people name a line."""
    known = [column for column in columns if column in scope]
    return {column: scope[column] for column in [*known, *sorted(set(scope) - set(known))]}


def _print_caps(title: str, caps: list[dict[str, Any]], columns: tuple[str, ...]) -> None:
    say(f"{title}: {len(caps) or 'none'}")
    if not caps:
        return
    print_table(
        ("cap", "scope", "min", "max", "fixed", "from", "until", "proposed by", "decided by", "is"),
        [
            (
                cap["id"],
                scope_label(_in_order(cap["scope"], columns)),
                cap["min"],
                cap["max"],
                cap["fixed"],
                cap["valid_from"],
                cap["expires"],
                cap["proposed_by"],
                cap["decided_by"],
                cap.get("standing", cap["status"]),
            )
            for cap in caps
        ],
    )
    for cap in caps:
        if cap["status"] == "proposed":
            said = [part for part in (cap["reason"], cap["impact"]) if part]
            say(f"  {cap['id']}: {'; '.join(said) or 'no reason given'}")
