"""The audit chain: check it, hand it to an auditor. And the ledger's own upkeep."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.show import HERE, AsJson, Workspace, print_json, remark, say
from pipeline.core.errors import CheckFailedError

audit_app = typer.Typer(
    help="Who did what, and whether the record was altered.", no_args_is_help=True
)
ledger_app = typer.Typer(help="The ledger's own upkeep.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the audit commands to the command line."""
    app.add_typer(audit_app, name="audit")
    app.add_typer(ledger_app, name="ledger")


@audit_app.command("verify")
def verify(workspace: Workspace = HERE, as_json: AsJson = False) -> None:
    """Walk the audit chain and compare it with what the ledger says. Exit 1 if anything differs."""
    from pipeline.runs.audit import verify_portfolio

    result = verify_portfolio(workspace)
    if as_json:
        print_json(result.to_json())
    for problem in result.problems:
        entry = f"entry {problem.seq}: " if problem.seq is not None else ""
        remark(f"{entry}{problem.subject}: {problem.message}")
    if not result.is_sound:
        first = result.problems[0]
        where = f"entry {first.seq}" if first.seq is not None else first.subject
        raise CheckFailedError(
            f"audit verify: altered; the first broken is {where} ({first.message}); "
            "compare with the newest backup"
        )
    if not as_json:
        say(
            f"sound: {result.entries} audit entries, {result.plans} plans, {result.caps} caps, "
            f"head {result.head}"
        )


@audit_app.command("export")
def export(
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE", help="Default: stdout.")
    ] = None,
    workspace: Workspace = HERE,
) -> None:
    """Write every audit entry, one JSON object per line."""
    from pipeline.runs.audit import export_lines

    data = export_lines(workspace)
    if output is None:
        typer.echo(data.decode(), nl=False)
        return
    from pipeline.io.artefacts import write_file

    write_file(output, data)
    remark(f"wrote {output}")


@ledger_app.command("upgrade")
def upgrade(workspace: Workspace = HERE) -> None:
    """Bring an older ledger's tables up to date."""
    from pipeline.runs.audit import upgrade_portfolio

    before, after = upgrade_portfolio(workspace)
    say(f"ledger is at version {after}" + (f", was {before}" if before != after else ""))
