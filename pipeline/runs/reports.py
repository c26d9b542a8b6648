"""Pages of a portfolio, made from what was stored: the plan's, the caps', all nights'."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from pipeline.core.decision import DecisionPlan, Document
from pipeline.core.errors import DamagedError, NotFoundError
from pipeline.core.plan import Kind, Plan
from pipeline.core.policy import Policy
from pipeline.io.artefacts import RunFolder, open_run, sha256, write_file
from pipeline.io.reports import (
    Night,
    Other,
    ReportExtras,
    render_caps,
    render_decision,
    render_index,
    render_report,
)
from pipeline.runs.course import course_of
from pipeline.runs.portfolio import Portfolio
from pipeline.runs.signoff import ready_ledger, waiting_caps

if TYPE_CHECKING:
    from pipeline.io.ledger import PlanRecord
    from pipeline.runs.scoring import DayScore

PAGE, PAGE_DATA = "report.html", "page.json"
PAGES = "pages"  # folder of what is written beside the runs
MOST_IMPACTS = 6  # caps whose effect the caps' page finds anew: each takes a solution of its own


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenPage:
    """A page on this machine; `is_same` says whether it has the bytes of the night that made it."""

    path: Path
    is_same: bool = True


def sign_command(policy: Policy, plan: Document) -> str:
    """Return the command that signs the plan, bound to its hash."""
    analysts = policy.people.analysts
    person = analysts[0].name if analysts else "NAME"
    return f"equimarginal approve {plan.plan_id} --as {person} --hash {plan.content_hash}"


def write_page(run: RunFolder, plan: Plan, extras: ReportExtras, sign_command: str) -> None:
    """Write the plan's page into a run at work, with what it takes to write it again."""
    run.write_json(PAGE_DATA, {"extras": extras.to_json(), "sign_command": sign_command})
    run.write_bytes(PAGE, render_report(plan, extras, sign_command=sign_command).encode("utf-8"))


def stored_page(run: RunFolder, plan: Document) -> str:
    """Return the plan's page, made again from what its night stored."""
    data = run.read_json(PAGE_DATA)
    if isinstance(plan, DecisionPlan):
        return render_decision(plan, data["extras"], sign_command=data["sign_command"])
    extras = ReportExtras.from_json(data["extras"])
    return render_report(plan, extras, sign_command=data["sign_command"])


def altered_page(portfolio: Portfolio, record: PlanRecord) -> str:
    """Return why a plan's page is not to be signed from: it is not what its night made.

    A plan whose run folder is elsewhere by now has no page here that could mislead.
    """
    plan_id = record.plan_id
    try:
        run = open_run(portfolio.runs, plan_id)
    except NotFoundError:
        return ""
    except DamagedError as error:
        return str(error)
    try:
        if course_of(record.kind).read_plan(run).content_hash != record.content_hash:
            return (
                f"plan {plan_id}: its run folder holds another plan than was proposed; restore the "
                "run folder from a backup"
            )
        if run.exists(PAGE_DATA):
            run.read_json(PAGE_DATA)
    except (DamagedError, NotFoundError) as error:
        return str(error)
    try:
        run.read_bytes(PAGE)
    except (DamagedError, NotFoundError):
        return (
            f"plan {plan_id}: its page is not the one that its night made; "
            f"run 'equimarginal report {plan_id}', which writes it again, and read it"
        )
    return ""


def rewrite_page(portfolio: Portfolio, ref: str) -> WrittenPage:
    """Write a plan's page again, where it was, and say whether it is the same.

    A page that differs (another version of the software made it) does not replace the one that
    was signed: it goes beside the runs.

    Raises:
        NotFoundError: there is no such plan, or its run is gone.
        DamagedError: what was stored is not what it was.
    """
    plan = plan_record(portfolio, ref).document
    run = open_run(portfolio.runs, plan.plan_id)
    data = stored_page(run, plan).encode("utf-8")
    is_same = run.hashes().get(PAGE) == sha256(data)
    folder = run.local_path if is_same else None
    path = folder / PAGE if folder else portfolio.state / PAGES / f"{plan.plan_id}.html"
    write_file(path, data)
    return WrittenPage(path=path, is_same=is_same)


def write_pdf(portfolio: Portfolio, ref: str) -> WrittenPage:
    """Write a plan's page as PDF, printed by a browser on this machine.

    Raises:
        UsageError: there is no such browser.
    """
    from pipeline.runs.printing import print_page

    page = rewrite_page(portfolio, ref)
    plan_id = plan_record(portfolio, ref).plan_id
    path = print_page(page.path, portfolio.state / PAGES / f"{plan_id}.pdf")
    return WrittenPage(path=path, is_same=page.is_same)


def write_workbook(portfolio: Portfolio, ref: str) -> WrittenPage:
    """Write a plan as a workbook."""
    from pipeline.io.reports.workbook import plan_workbook

    plan = plan_record(portfolio, ref).document
    data = plan_workbook(plan, sign_command=sign_command(portfolio.policy, plan))
    path = portfolio.state / PAGES / f"{plan.plan_id}.xlsx"
    write_file(path, data)
    return WrittenPage(path=path)


def plan_record(portfolio: Portfolio, ref: str) -> PlanRecord:
    """Return a plan of the portfolio with where it stands."""
    return ready_ledger(portfolio).plan(ref, portfolio.policy.portfolio)


def index_page(portfolio: Portfolio, address: Callable[[str], str]) -> str:
    """Return the page of all nights.

    Args:
        address: where a plan's page is, by its id; empty where it cannot be linked to.
    """
    ledger, name = ready_ledger(portfolio), portfolio.policy.portfolio
    scores = _day_scores(portfolio)
    nights = []
    for record in ledger.plans(name):
        score = scores.get(record.plan_id)
        nights.append(
            Night(
                plan=record.plan,
                status=record.status,
                decided_by=record.decided_by,
                published=record.is_published,
                page=address(record.plan_id),
                promised=score.promised if score else None,
                realised=score.came if score else None,
            )
        )
    others = [
        Other(
            plan=record.decision,
            status=record.status,
            decided_by=record.decided_by,
            published=record.is_published,
            page=address(record.plan_id),
        )
        for record in ledger.plans(name, kind=None)
        if record.kind is not Kind.BUDGET
    ]
    return render_index(name, nights, others=others, is_paused=ledger.is_paused(name))


def write_index(portfolio: Portfolio) -> WrittenPage:
    """Write the page of all nights."""

    def beside(plan_id: str) -> str:
        page = portfolio.state / "runs" / plan_id / PAGE
        return f"runs/{plan_id}/{PAGE}" if page.is_file() else ""

    path = portfolio.state / "index.html"
    write_file(path, index_page(portfolio, beside).encode("utf-8"))
    return WrittenPage(path=path)


def caps_page(portfolio: Portfolio) -> str:
    """Return the page of caps on the portfolio's present day, priced by the latest plan."""
    ledger, policy = ready_ledger(portfolio), portfolio.policy
    plan, costs = None, {}
    with suppress(NotFoundError):
        plan = ledger.plan("latest", policy.portfolio).plan
        stored = open_run(portfolio.runs, plan.plan_id).read_json(PAGE_DATA)
        costs = ReportExtras.from_json(stored["extras"]).cap_costs
    return render_caps(
        policy.portfolio,
        ledger.caps(policy.portfolio),
        day=portfolio.today(),
        columns=policy.line,
        currency=policy.currency,
        plan=plan,
        costs=costs,
        impacts=_impacts(portfolio),
        decided_on=_decided_on(portfolio),
    )


def write_caps(portfolio: Portfolio) -> WrittenPage:
    """Write the page of caps."""
    path = portfolio.state / "caps.html"
    write_file(path, caps_page(portfolio).encode("utf-8"))
    return WrittenPage(path=path)


def _impacts(portfolio: Portfolio) -> dict[str, str]:
    """Return what the oldest caps that wait would change of the newest night's split, by id."""
    from pipeline.core.policy import CapSpec
    from pipeline.runs.cap_impact import cap_impact

    return {
        cap.id: cap_impact(
            portfolio, CapSpec(scope=cap.scope, min=cap.min, max=cap.max, fixed=cap.fixed)
        )
        for cap in waiting_caps(portfolio)[:MOST_IMPACTS]
    }


def _decided_on(portfolio: Portfolio) -> dict[str, date]:
    """Return when each cap was decided, by its id, as the portfolio's calendar has it."""
    zone = ZoneInfo(portfolio.policy.timezone)
    return {
        entry.subject: datetime.fromisoformat(entry.at).astimezone(zone).date()
        for entry in ready_ledger(portfolio).audit_entries()
        if entry.action in {"cap.approved", "cap.rejected"}
    }


def _day_scores(portfolio: Portfolio) -> dict[str, DayScore]:
    """Return what came of earlier plans, as the newest night saw it."""
    from pipeline.runs.scoring import read_day_scores

    with suppress(NotFoundError):
        newest = ready_ledger(portfolio).plan("latest", portfolio.policy.portfolio)
        seen = read_day_scores(open_run(portfolio.runs, newest.plan_id))
        return {score.plan_id: score for score in seen}
    return {}
