"""The report of a plan again, and the pages of all plans and caps."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.show import HERE, AsJson, Workspace, print_json, remark, say
from pipeline.core.errors import UsageError

if TYPE_CHECKING:
    from pipeline.runs.portfolio import Portfolio
    from pipeline.runs.reports import WrittenPage


class Form(StrEnum):
    """What a plan can be read as."""

    HTML = "html"
    PDF = "pdf"
    XLSX = "xlsx"
    MD = "md"
    CSV = "csv"
    JSON = "json"


PlanId = Annotated[
    str, typer.Argument(metavar="ID", help="Plan id, its unique beginning, or 'latest'.")
]
AsForm = Annotated[
    Form,
    typer.Option(
        "--format",
        help="html, pdf and xlsx write a file and print where; md, csv and json print to stdout.",
    ),
]
Open = Annotated[bool, typer.Option("--open", help="Show what was written.")]
Index = Annotated[bool, typer.Option("--index", help="The page of all plans instead.")]
Caps = Annotated[bool, typer.Option("--caps", help="The page of all caps instead, for finance.")]


def register(app: typer.Typer) -> None:
    """Add the report command to the command line."""
    app.command("report")(report)


def report(
    plan_id: PlanId = "latest",
    form: AsForm = Form.HTML,
    show: Open = False,
    index: Index = False,
    caps: Caps = False,
    workspace: Workspace = HERE,
    as_json: AsJson = False,
) -> None:
    """Write a plan's report again from what was stored, byte for byte the same."""
    from pipeline.runs.portfolio import open_portfolio
    from pipeline.runs.reports import (
        rewrite_page,
        write_caps,
        write_index,
        write_pdf,
        write_workbook,
    )

    portfolio = open_portfolio(workspace)
    if index:
        page = write_index(portfolio)
    elif caps:
        page = write_caps(portfolio)
    elif form in {Form.MD, Form.CSV, Form.JSON}:
        if show:
            raise UsageError(f"report --open: {form.value} is printed, there is no file to show")
        _print_form(portfolio, plan_id, form)
        return
    else:
        write = {Form.HTML: rewrite_page, Form.PDF: write_pdf, Form.XLSX: write_workbook}[form]
        page = write(portfolio, plan_id)
    _tell(page, as_json)
    if show:
        typer.launch(page.path.resolve().as_uri())


def _print_form(portfolio: Portfolio, ref: str, form: Form) -> None:
    from pipeline.core.plan import Kind
    from pipeline.io.publish.sheets import sheet_bytes
    from pipeline.io.reports import decision_markdown, plan_csv, render_markdown
    from pipeline.runs.reports import plan_record

    record = plan_record(portfolio, ref)
    if form is Form.JSON:
        print_json(record.to_json())
        return
    if record.kind is not Kind.BUDGET and form is Form.CSV:
        rows = [(item.line, item.proposed) for item in record.money]
        text = sheet_bytes(record.decision, rows).decode("utf-8")
    elif record.kind is not Kind.BUDGET:
        text = decision_markdown(record.decision)
    else:
        text = plan_csv(record.plan) if form is Form.CSV else render_markdown(record.plan)
    sys.stdout.buffer.write(text.encode("utf-8"))


def _tell(page: WrittenPage, as_json: bool) -> None:
    if as_json:
        print_json({"path": str(page.path), "identical": page.is_same})
        return
    say(str(page.path))
    if not page.is_same:
        remark("made by another version: it differs from the page that was signed, which is kept")
