"""Two days at an office: caps, plans, signatures, publications. Killed anywhere, it goes on.

What is done is read from the ledger, so that the same office can be continued after any accident;
with a fixed clock its whole record is then the same as if nothing had happened.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from pipeline.core.errors import NotFoundError
from pipeline.core.plan import Mode, Plan, PlanLine, Status
from pipeline.core.policy import CapSpec
from pipeline.io.artefacts import begin_run, open_run, sha256
from pipeline.io.ledger import Ledger
from pipeline.io.ledger.verify import verify_ledger
from pipeline.runs import signoff
from pipeline.runs.portfolio import Portfolio, open_portfolio

DAY = date(2026, 11, 22)
NOW = datetime(2026, 11, 22, 5, tzinfo=UTC)
SETTINGS: dict[str, Any] = {
    "portfolio": "acme",
    "currency": "EUR",
    "timezone": "Europe/Berlin",
    "line": ["channel"],
    "budget": {"daily": 300},
    "people": {"analysts": ["ana"], "finance": ["fin", "flo"]},
    "sources": {"spend": {"path": "spend.csv"}, "outcomes": {"path": "outcomes.csv"}},
}
Step = tuple[str, Callable[["Office"], bool], Callable[["Office"], None]]


def new_folder(folder: Path) -> Path:
    """Make the portfolio folder, before anything happened in it."""
    folder.mkdir(parents=True)
    (folder / "portfolio.yaml").write_text(json.dumps(SETTINGS), encoding="utf-8")
    return folder


class Office:
    """One portfolio folder on one morning, and what has to be done there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.portfolio: Portfolio = open_portfolio(folder, lambda: NOW)

    @property
    def ledger(self) -> Ledger:
        return self.portfolio.ledger

    def work(
        self,
        first: int = 0,
        until: int | None = None,
        told: Callable[[str], None] = lambda name: None,
    ) -> None:
        """Do those steps that are not done yet; say of each when it is."""
        for name, is_done, do in STEPS[first:until]:
            if not is_done(self):
                do(self)
            told(name)

    def undone(self, names: list[str]) -> list[str]:
        """Return which of the named steps the ledger does not know as done."""
        return [name for name, is_done, _ in STEPS if name in names and not is_done(self)]

    def happened(self, action: str) -> int:
        return sum(entry.action == action for entry in self.ledger.audit_entries())

    def status(self, tag: str, back: int = 0) -> Status | None:
        try:
            return self.ledger.plan(plan_id(tag, back)).status
        except NotFoundError:
            return None

    def is_published(self, tag: str, back: int = 0) -> bool:
        try:
            return self.ledger.plan(plan_id(tag, back)).is_published
        except NotFoundError:
            return False

    def propose(self, tag: str, shift: float, later: int = 0) -> None:
        """Complete a run folder and propose its plan, as a night does."""
        day = DAY + timedelta(days=later)
        plan = Plan(
            plan_id=plan_id(tag, later), portfolio="acme", date=day, currency="EUR",
            line_columns=("channel",), mode=Mode.OPTIMISED, budget=300.0,
            lines=(
                PlanLine(line={"channel": "search"}, current=100.0, proposed=100.0 + shift),
                PlanLine(line={"channel": "social"}, current=200.0, proposed=200.0 - shift),
            ),
            caps_version=self.ledger.caps_version("acme", day), inputs_hash=tag,
        )  # fmt: skip
        work = begin_run(self.portfolio.runs, f"night-{tag}")
        work.write_json("plan.json", plan.content())
        work.write_bytes("report.html", b"<p>" + tag.encode() * 500)
        work.complete(plan.plan_id)
        self.ledger.propose_plan(plan, self.portfolio.policy)

    def sign(self, tag: str, later: int = 0) -> None:
        """Sign and publish, or publish what was signed before the accident."""
        if self.status(tag, later) is Status.PROPOSED:
            signoff.approve_plan(self.portfolio, plan_id(tag, later), "ana")
        if not self.is_published(tag, later):
            signoff.publish_plan(self.portfolio, plan_id(tag, later))

    def record(self) -> dict[str, Any]:
        """Return everything that must be the same however often the work was interrupted."""
        files = {
            path.relative_to(self.folder).as_posix(): sha256(path.read_bytes())
            for path in sorted(self.folder.rglob("*"))
            if path.is_file()
            and not path.name.startswith(".")
            and ".work" not in path.parts
            and "ledger.sqlite" not in path.name
        }
        chain = [entry.hash for entry in self.ledger.audit_entries()]
        plans = {item.plan_id: item.to_json() for item in self.ledger.plans()}
        return {"files": files, "chain": chain, "plans": plans}

    def problems(self) -> list[str]:
        """Return what a ledger and its run folders must never show."""
        found = [
            item.message for item in verify_ledger(self.ledger.database, self.ledger.head).problems
        ]
        for record in self.ledger.plans():
            run = open_run(self.portfolio.runs, record.plan_id)
            if run.damage():
                found.append(f"run {record.plan_id}: {run.damage()}")
            if record.is_published:
                folder = self.folder / "published" / record.plan.date.isoformat() / record.plan_id
                stated = json.loads((folder / "manifest.json").read_bytes())["files"]
                for name, digest in stated.items():
                    if sha256((folder / name).read_bytes()) != digest:
                        found.append(f"published {record.plan_id}: {name}")
        return found


def plan_id(tag: str, later: int = 0) -> str:
    return f"{(DAY + timedelta(days=later)).isoformat()}-{tag}"


def _propose_cap(office: Office) -> None:
    spec = CapSpec(scope={"channel": "search"}, max=150.0)
    signoff.propose_cap(office.portfolio, spec, "flo", "spring")


def _approve_cap(office: Office) -> None:
    signoff.approve_caps(office.portfolio, None, "fin")


def _reject(office: Office) -> None:
    signoff.reject_plan(office.portfolio, plan_id("bbbbbbbb", 1), "ana", "not now")


STEPS: tuple[Step, ...] = (
    ("cap proposed", lambda o: o.happened("cap.proposed") > 0, _propose_cap),
    (
        "cap approved",
        lambda o: o.happened("cap.approved") > 0,
        _approve_cap,
    ),
    (
        "plan proposed",
        lambda o: o.status("aaaaaaaa") is not None,
        lambda o: o.propose("aaaaaaaa", 10.0),
    ),
    ("plan published", lambda o: o.is_published("aaaaaaaa"), lambda o: o.sign("aaaaaaaa")),
    (
        "paused",
        lambda o: o.happened("publishing.paused") > 0,
        lambda o: signoff.set_paused(o.portfolio, "fin", "lunch", paused=True),
    ),
    (
        "resumed",
        lambda o: o.happened("publishing.resumed") > 0,
        lambda o: signoff.set_paused(o.portfolio, "ana", "", paused=False),
    ),
    (
        "second proposed",
        lambda o: o.status("bbbbbbbb", 1) is not None,
        lambda o: o.propose("bbbbbbbb", 5.0, 1),
    ),
    (
        "second rejected",
        lambda o: o.status("bbbbbbbb", 1) is Status.REJECTED,
        _reject,
    ),
    (
        "third proposed",
        lambda o: o.status("cccccccc", 1) is not None,
        lambda o: o.propose("cccccccc", 12.0, 1),
    ),
    ("third published", lambda o: o.is_published("cccccccc", 1), lambda o: o.sign("cccccccc", 1)),
)
