"""Plans: list, show, sign, refuse, publish."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.show import (
    HERE,
    AsJson,
    Person,
    Why,
    WhyIfSaid,
    Workspace,
    gained_in,
    odds,
    print_json,
    print_table,
    remark,
    say,
)

if TYPE_CHECKING:
    from pipeline.io.ledger import PlanRecord, Stated
    from pipeline.runs.portfolio import Portfolio
    from pipeline.runs.signoff import Decided

PlanId = Annotated[
    str,
    typer.Argument(
        metavar="ID", help="Plan id, its unique beginning, or 'latest'; also 'latest-rotation'."
    ),
]
MeantHash = Annotated[
    str | None,
    typer.Option("--hash", metavar="SHA256", help="Only if the plan has this content hash."),
]
MeantTotal = Annotated[
    float | None,
    typer.Option("--total", metavar="MONEY", help="Only if the lines add up to this."),
]
MeantPortfolio = Annotated[
    str | None,
    typer.Option("--portfolio", metavar="NAME", help="Only if the plan is of this portfolio."),
]


def register(app: typer.Typer) -> None:
    """Add the plan commands to the command line."""
    for name, command in (
        ("plans", list_plans),
        ("plan", show_plan),
        ("approve", approve),
        ("reject", reject),
        ("revoke", revoke),
        ("publish", publish),
        ("pause", pause),
        ("resume", resume),
    ):
        app.command(name)(command)


def list_plans(workspace: Workspace = HERE, as_json: AsJson = False) -> None:
    """List the plans, newest first."""
    from pipeline.core.plan import Kind
    from pipeline.runs.portfolio import open_portfolio
    from pipeline.runs.signoff import list_plans as stored_plans
    from pipeline.runs.signoff import paused_notice

    portfolio = open_portfolio(workspace)
    records = stored_plans(portfolio)
    if notice := paused_notice(portfolio):
        remark(notice)
    if as_json:
        print_json([record.to_json() for record in records])
        return
    print_table(
        ("plan", "kind", "day", "status", "mode", "budget", "gain a day", "signed by", "published"),
        [
            (
                record.plan_id,
                record.kind.value,
                record.document.date,
                record.status.value,
                record.document.mode.value,
                record.plan.budget if record.kind is Kind.BUDGET else None,
                f"{up.mean:,.2f} {gained_in(record.document)}"
                if (up := record.document.uplift)
                else "",
                record.decided_by,
                record.publication.status.value if record.publication else "",
            )
            for record in records
        ],
    )


def show_plan(plan_id: PlanId, workspace: Workspace = HERE, as_json: AsJson = False) -> None:
    """Show one plan."""
    from pipeline.runs.portfolio import open_portfolio
    from pipeline.runs.signoff import existing_ledger, paused_notice

    portfolio = open_portfolio(workspace)
    if notice := paused_notice(portfolio):
        remark(notice)
    record = existing_ledger(portfolio).plan(plan_id, portfolio.policy.portfolio)
    if as_json:
        print_json(record.to_json())
        return
    _print_plan(record)


def approve(
    plan_id: PlanId,
    person: Person,
    meant_hash: MeantHash = None,
    meant_total: MeantTotal = None,
    meant_portfolio: MeantPortfolio = None,
    workspace: Workspace = HERE,
    as_json: AsJson = False,
) -> None:
    """Sign a plan and publish it."""
    from pipeline.runs.portfolio import open_portfolio
    from pipeline.runs.signoff import approve_plan

    portfolio = open_portfolio(workspace)
    stated = _stated(portfolio, meant_portfolio, meant_total, meant_hash)
    _answer(approve_plan(portfolio, plan_id, person, stated), as_json)


def reject(
    plan_id: PlanId,
    person: Person,
    why: Why,
    meant_hash: MeantHash = None,
    workspace: Workspace = HERE,
    as_json: AsJson = False,
) -> None:
    """Refuse a plan for good."""
    from pipeline.io.ledger import Stated
    from pipeline.runs.portfolio import open_portfolio
    from pipeline.runs.signoff import reject_plan

    stated = Stated(content_hash=meant_hash)
    _answer(reject_plan(open_portfolio(workspace), plan_id, person, why, stated), as_json)


def revoke(
    plan_id: PlanId, person: Person, why: Why, workspace: Workspace = HERE, as_json: AsJson = False
) -> None:
    """Withdraw the signature of an approved plan."""
    from pipeline.runs.portfolio import open_portfolio
    from pipeline.runs.signoff import revoke_plan

    _answer(revoke_plan(open_portfolio(workspace), plan_id, person, why), as_json)


def publish(
    plan_id: PlanId,
    meant_hash: MeantHash = None,
    meant_total: MeantTotal = None,
    meant_portfolio: MeantPortfolio = None,
    workspace: Workspace = HERE,
    as_json: AsJson = False,
) -> None:
    """Publish an approved plan, or finish a publication that was interrupted."""
    from pipeline.runs.portfolio import open_portfolio
    from pipeline.runs.signoff import publish_plan

    portfolio = open_portfolio(workspace)
    stated = _stated(portfolio, meant_portfolio, meant_total, meant_hash)
    _answer(publish_plan(portfolio, plan_id, stated=stated), as_json)


def pause(person: Person, why: WhyIfSaid = None, workspace: Workspace = HERE) -> None:
    """Stop all publishing until somebody resumes it."""
    _set_paused(workspace, person, why or "", paused=True)


def resume(person: Person, why: WhyIfSaid = None, workspace: Workspace = HERE) -> None:
    """Allow publishing again."""
    _set_paused(workspace, person, why or "", paused=False)


def _stated(
    portfolio: Portfolio, name: str | None, total: float | None, content_hash: str | None
) -> Stated:
    """Return which plan is meant; a person at a terminal is asked where budgets would change."""
    from pipeline.io.ledger import Stated

    if portfolio.policy.restates and sys.stdin.isatty():
        if name is None:
            name = typer.prompt("portfolio", err=True)
        if total is None:
            total = typer.prompt("total of the plan", type=float, err=True)
        if content_hash is None:
            content_hash = typer.prompt("hash that the report shows", err=True)
    return Stated(portfolio=name, total=total, content_hash=content_hash)


def _set_paused(workspace: Path, person: str, why: str, *, paused: bool) -> None:
    from pipeline.runs.portfolio import open_portfolio
    from pipeline.runs.signoff import set_paused

    set_paused(open_portfolio(workspace), person, why, paused=paused)
    say("publishing is paused" if paused else "publishing is allowed")


def _answer(decided: Decided, as_json: bool) -> None:
    """Print what was decided; what people should know besides goes to stderr."""
    for note in decided.notes:
        remark(note)
    record = decided.record
    if as_json:
        print_json(decided.to_json())
        return
    by = f" by {record.decided_by}" if record.decided_by else ""
    portfolio = record.document.portfolio
    say(f"plan {record.plan_id} of {portfolio} is {record.status.value}{by}")
    say(f"it gives out {record.total_label}, hash {record.content_hash}")
    if decided.folder is not None:
        say(f"published in {decided.folder}")


def _print_plan(record: PlanRecord) -> None:
    from pipeline.core.plan import Plan

    plan = record.document
    by = f" by {record.decided_by} at {record.decided_at}" if record.decided_by else ""
    kind = record.kind.value
    say(f"plan {record.plan_id}: {plan.portfolio}, {kind}, {plan.date}, {plan.mode.value}")
    say(f"status    {record.status.value}{by}")
    say(f"hash      {record.content_hash}")
    say(f"sign by   {record.expires_at}")
    if isinstance(plan, Plan):
        say(f"caps      {plan.caps_version or 'none in force'}")
        say(f"budget    {plan.budget:,.{plan.digits}f} {plan.currency}")
        say(f"total     {record.total_label}")
    if plan.uplift is not None:
        up = plan.uplift
        say(
            f"uplift    {up.mean:,.2f} {gained_in(plan)} a day "
            f"({up.p05:,.2f} to {up.p95:,.2f}), {odds(up)}"
        )
    for reason in plan.reasons:
        say(f"note      {reason}")
    shown = max(2, plan.digits)
    print_table(
        (*plan.line_columns, "current", "proposed", "change", "action", "why"),
        [
            (
                *(item.line[column] for column in plan.line_columns),
                f"{item.current:,.{shown}f}",
                f"{item.proposed:,.{shown}f}",
                f"{item.proposed - item.current:+,.{shown}f}",
                item.action,
                item.reason,
            )
            for item in plan.lines
        ],
    )
