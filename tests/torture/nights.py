"""Thousands of nights: bad data, kills, hostile plans, late and hasty people, jumping clocks.

Ledger, sign-off, publisher, fallback and run folders are the real ones; only the model that splits
the money is replaced by chance, which is more hostile than any model. Every seed is one replay.
After each step fifteen things must hold; what may be published is known from a model of its own.
"""

from __future__ import annotations

import json
import random
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from pipeline.core import errors
from pipeline.core.errors import NotAllowedError, PipelineError
from pipeline.core.findings import Finding, Level
from pipeline.core.plan import Kind, Mode, Plan, PlanLine, Status
from pipeline.core.policy import CapSpec
from pipeline.io.artefacts import begin_run, open_run, sha256
from pipeline.io.ledger import Ledger, PlanRecord, Stated
from pipeline.io.ledger.verify import verify_ledger
from pipeline.io.publish.sheets import read_sheet
from pipeline.io.stores import open_store
from pipeline.runs import signoff, storage
from pipeline.runs.course import _propose as _propose_of_night
from pipeline.runs.course import course_of
from pipeline.runs.fallback import fallback_plan
from pipeline.runs.inputs import freeze_inputs, inputs_hash
from pipeline.runs.plan import Heading
from pipeline.runs.portfolio import Portfolio, open_portfolio
from tests.torture.disk import KILL, Disk, in_child, loaded
from tests.torture.report import Outcome, Tell

LINES = ("brand", "generic", "social", "video")
START = {"brand": 10_000, "generic": 30_000, "social": 40_000, "video": 20_000}
BUDGET, STEP = 100_000, 0.25
WORLD_NIGHTS = 40
PEOPLE = ("ana", "ben", "fin", "flo", "both", "eve")
CODES = {
    item.code
    for item in vars(errors).values()
    if isinstance(item, type) and issubclass(item, PipelineError) and item is not PipelineError
}


@dataclass
class CapSeen:
    """A cap that finance approved, as the simulation saw it happen."""

    scope: str
    most: int
    first: date | None
    last: date | None
    signer: str

    def covers(self, day: date) -> bool:
        return (self.first is None or self.first <= day) and (self.last is None or day <= self.last)


@dataclass
class World:
    """One portfolio with its people, its clock and everything that was seen to happen."""

    folder: Path
    rng: random.Random
    moment: datetime = datetime(2026, 3, 1, 5, tzinfo=UTC)
    day: date = date(2026, 3, 1)
    analysts: list[str] = field(default_factory=lambda: ["ana", "ben", "both"])
    auto: bool = False
    caps: list[CapSeen] = field(default_factory=list)
    proposers: dict[str, str] = field(default_factory=dict)
    published: dict[str, str] = field(default_factory=dict)  # plan id -> bytes of its sheet
    set_now: dict[str, int] = field(default_factory=dict)
    paused: bool = False
    last_seq: int = 0
    seen: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True)
        self.settle()

    def settle(self) -> None:
        """Write the settings as they are now and open the portfolio again."""
        settings: dict[str, Any] = {
            "portfolio": "acme", "currency": "EUR", "timezone": "Europe/Berlin",
            "line": ["audience"], "budget": {"daily": BUDGET / 100}, "max_daily_change": STEP,
            "people": {"analysts": self.analysts, "finance": ["fin", "flo", "both"]},
            "sources": {"spend": {"path": "x"}, "outcomes": {"path": "x"}},
        }  # fmt: skip
        if self.auto:
            settings["approval"] = {"auto_within": {"line_change": 0.05, "moved": 0.03}}
        (self.folder / "portfolio.yaml").write_text(json.dumps(settings), encoding="utf-8")
        self.portfolio: Portfolio = open_portfolio(self.folder, lambda: self.moment)

    @property
    def ledger(self) -> Ledger:
        return self.portfolio.ledger

    def note(self, what: str) -> None:
        self.seen[what] = self.seen.get(what, 0) + 1

    def limit(self, name: str, day: date) -> int | None:
        """Return the cap that binds a line on a day, by what was seen."""
        binding = [cap for cap in self.caps if cap.scope == name and cap.covers(day)]
        return binding[-1].most if binding else None

    def attempt(self, what: str, act: Callable[[], Any]) -> Any:
        """Do something that may be refused; every refusal has a listed code and one line."""
        try:
            answer = act()
        except PipelineError as error:
            assert error.code in CODES, f"unlisted code {error.code}: {error}"
            assert str(error).isprintable()
            self.note(f"{what} refused")
            return error
        self.note(what)
        return answer


def nights(count: int, seed: int, tell: Tell) -> Outcome:
    """Run so many nights in worlds of forty."""
    outcome = Outcome(unit="nights")
    memory = Path("/dev/shm")
    root = Path(tempfile.mkdtemp(prefix="torture-", dir=memory if memory.is_dir() else None))
    for first in range(0, count, WORLD_NIGHTS):
        world_seed = seed * 1_000_003 + first
        shutil.rmtree(root / "world", ignore_errors=True)
        open_store.cache_clear()
        world = World(root / "world", random.Random(world_seed))
        for number in range(min(WORLD_NIGHTS, count - first)):
            tell(first + number, count)
            try:
                one_night(world)
            except Exception as error:  # noqa: BLE001  a failure is an answer here
                outcome.fail(f"world {world_seed}, night {number}: {type(error).__name__}: {error}")
                break
            outcome.cases += 1
        for what, times in world.seen.items():
            outcome.note(what, times)
    shutil.rmtree(root, ignore_errors=True)
    outcome.notes = dict(sorted(outcome.notes.items()))
    return outcome


def one_night(world: World) -> None:
    """Let a day go by: clock, settings, caps, the night, and people who are late or in a hurry."""
    rng = world.rng
    _pass_time(world)
    steps: list[Callable[[World], None]] = [_run_night]
    steps += [rng.choice(_DEEDS) for _ in range(rng.randrange(2, 8))]
    if rng.random() < 0.3:
        steps.insert(0, rng.choice(_DEEDS))
    for step in steps:
        step(world)
        check(world)


def _pass_time(world: World) -> None:
    rng = world.rng
    world.day += timedelta(days=1)
    world.moment = datetime(world.day.year, world.day.month, world.day.day, 5, tzinfo=UTC)
    world.moment += timedelta(minutes=rng.randrange(-240, 240))
    if rng.random() < 0.05:
        world.moment += timedelta(days=rng.choice([-30, -1, 1, 30]))
        world.note("clock jumps")
    if rng.random() < 0.05:
        world.analysts = rng.choice([["ana", "ben", "both"], ["ben"], ["ana", "both"]])
        world.auto = rng.random() < 0.5
        world.settle()
        world.note("settings changed")


def _run_night(world: World) -> None:
    """Freeze the inputs, come to a plan by chance or fall back, complete the run, propose it."""
    rng, portfolio = world.rng, world.portfolio
    in_force = world.ledger.last_approved("acme")
    work = begin_run(portfolio.runs, f"night-{world.day.isoformat()}")
    inputs = freeze_inputs(portfolio, world.day, work)
    work.write_json("snapshot/data.json", rng.randrange(10**9))
    published = inputs.published
    heading = Heading(
        plan_id=f"{world.day.isoformat()}-{inputs_hash(work)[7:15]}",
        inputs_hash=inputs_hash(work), caps_version=inputs.caps_version,
        based_on="" if published is None else published.plan_id,
    )  # fmt: skip
    if rng.random() < 0.2:
        fault = Finding(level=Level.FAIL, check="stale-spend", message="spend: bad", source="spend")
        plan = fallback_plan(work, inputs, heading, [fault])
        world.note("bad nights")
    else:
        plan = _chance(world, heading)
    if plan is None:
        work.discard()
        now = world.ledger.last_approved("acme")
        assert now == in_force, "a refused night changed what is in force"
        world.note("nights without a plan")
        return
    work.write_json(storage.PLAN, plan.content())
    work.write_bytes("report.html", b"<p>what is read before signing")
    work = work.complete(plan.plan_id)
    _propose(world, work)
    if rng.random() < 0.3:
        before = [record.plan_id for record in world.ledger.plans(limit=5)]
        _propose(world, work)
        after = [record.plan_id for record in world.ledger.plans(limit=5)]
        assert before == after, "a second run of a night made a second plan"
        world.note("duplicate runs")
    if rng.random() < 0.1:
        liar = plan.model_copy(update={"budget": plan.budget + 1})
        answer = world.attempt(
            "swapped plan", lambda: world.ledger.propose_plan(liar, portfolio.policy)
        )
        assert isinstance(answer, PipelineError), "another content was stored under a plan's id"


def _propose(world: World, work: Any) -> None:
    plan = _propose_of_night(course_of(Kind.BUDGET), world.portfolio, work)
    if plan.status is Status.APPROVED and plan.plan_id not in world.published:
        _saw_publication(world, world.ledger.plan(plan.plan_id))


def _chance(world: World, heading: Heading) -> Plan:
    """Return a plan by chance: mostly inside the limits, sometimes a cent or a mile beyond."""
    rng = world.rng
    now = world.set_now or START
    amounts = dict(now)
    size = rng.choice([0.02, 0.04, 0.2])
    for _ in range(rng.randrange(1, 4)):
        giver, taker = rng.sample(sorted(now), 2)
        moved = int(size * min(now[giver], now[taker]) / 2)
        amounts[giver] -= moved
        amounts[taker] += moved
    for name in LINES:
        most = world.limit(name, world.day)
        if most is not None and amounts.get(name, 0) > most:
            other = rng.choice([item for item in sorted(now) if item != name])
            amounts[other] += amounts[name] - most
            amounts[name] = most
    columns, budget = ("audience",), BUDGET
    if rng.random() < 0.25:
        world.note("hostile plans")
        spoil = rng.randrange(6)
        first, second = rng.sample(sorted(now), 2)
        if spoil == 0:
            amounts[first] += 1
        elif spoil == 1:
            amounts[first] = amounts[first] * 100
        elif spoil == 2:
            amounts[first], amounts[second] = 0, amounts[first] + amounts[second]
        elif spoil == 3:
            del amounts[first]
        elif spoil == 4:
            amounts = {name: amount * 2 for name, amount in amounts.items()}
            budget = 2 * BUDGET
        else:
            amounts[f"stranger{rng.randrange(9)}"] = amounts.pop(first)
    lines = tuple(
        PlanLine(
            line={"audience": name},
            current=now.get(name, amount) / 100 if rng.random() < 0.9 else amount / 100,
            proposed=amount / 100,
        )
        for name, amount in sorted(amounts.items())
    )
    return Plan(
        plan_id=heading.plan_id, portfolio="acme", date=world.day, currency="EUR",
        line_columns=columns, mode=Mode.OPTIMISED, budget=budget / 100, lines=lines,
        caps_version=heading.caps_version, inputs_hash=heading.inputs_hash,
        based_on=heading.based_on,
    )  # fmt: skip


def _any_plan(world: World) -> PlanRecord | None:
    records = world.ledger.plans(limit=6)
    if not records:
        return None
    return records[0] if world.rng.random() < 0.7 else world.rng.choice(records)


def _sign(world: World) -> None:
    record = _any_plan(world)
    if record is None:
        return
    person = world.rng.choice(PEOPLE)
    shown = world.rng.choice([None, record.content_hash, "sha256:" + "0" * 64])
    stale = record
    if world.rng.random() < 0.2:  # somebody else is faster
        _reject(world)
    answer = world.attempt(
        "signatures",
        lambda: signoff.approve_plan(
            world.portfolio, record.plan_id, person, Stated(content_hash=shown)
        ),
    )
    if isinstance(answer, PipelineError):
        after = world.ledger.plan(record.plan_id)
        assert after.status is not Status.APPROVED or stale.status is Status.APPROVED
        return
    signers = {
        cap.signer
        for name in LINES
        for cap in [
            cap for cap in world.caps if cap.scope == name and cap.covers(record.plan.date)
        ][-1:]
    }
    assert person in world.analysts, f"{person} is no analyst"
    assert person not in signers, f"{person} set a cap of this plan"
    assert shown in {None, record.content_hash}, "signed another content than was shown"
    assert world.moment < datetime.fromisoformat(record.expires_at), "signed after its time"
    if answer.folder is not None:
        _saw_publication(world, answer.record)


def _killed(world: World) -> None:
    """Kill a signature at any write, and let another process go on with it."""
    record = _any_plan(world)
    if record is None or not loaded():
        return
    disk, at = Disk(), world.rng.randrange(1, 260)
    person = world.rng.choice(world.analysts)

    def sign() -> int:
        portfolio = open_portfolio(world.folder, lambda: world.moment)
        disk.arm(world.folder, KILL, at)
        try:
            signoff.approve_plan(portfolio, record.plan_id, person)
        except PipelineError:
            return 4
        return 0

    status = in_child(sign)
    assert status in {-9, 0, 4}, f"a killed signature ended with {status}"
    world.note("kills" if status == -9 else "signatures in another process")
    world.settle()
    after = world.ledger.plan(record.plan_id)
    if after.status is Status.APPROVED and not after.is_published:
        world.attempt("publications", lambda: signoff.publish_plan(world.portfolio, record.plan_id))
    _saw_publication(world, world.ledger.plan(record.plan_id))


def _reject(world: World) -> None:
    record = _any_plan(world)
    if record is not None:
        person = world.rng.choice(PEOPLE)
        world.attempt(
            "rejections",
            lambda: signoff.reject_plan(world.portfolio, record.plan_id, person, "no"),
        )


def _revoke(world: World) -> None:
    record = _any_plan(world)
    if record is not None:
        person = world.rng.choice(PEOPLE)
        world.attempt(
            "revocations",
            lambda: signoff.revoke_plan(world.portfolio, record.plan_id, person, "regret"),
        )


def _publish(world: World) -> None:
    record = _any_plan(world)
    if record is None:
        return
    answer = world.attempt(
        "publications", lambda: signoff.publish_plan(world.portfolio, record.plan_id)
    )
    if not isinstance(answer, PipelineError) and record.plan_id not in world.published:
        _saw_publication(world, answer.record)


def _saw_publication(world: World, record: PlanRecord) -> None:
    """Hold a new publication against everything that was seen, right when it happens."""
    if not record.is_published or record.plan_id in world.published:
        return
    plan = record.plan
    amounts = {item.line[0]: item.proposed for item in record.money}
    before = world.set_now
    assert not world.paused, "published while paused"
    assert world.moment < datetime.fromisoformat(record.expires_at), "published after its time"
    assert record.status is Status.APPROVED
    if not plan.reasons:
        assert sum(amounts.values()) == BUDGET, f"adds up to {sum(amounts.values())}"
    assert sum(amounts.values()) <= max(BUDGET, sum(before.values()))
    assert not before.keys() - amounts.keys(), "a line with money is gone"
    for name, amount in amounts.items():
        most = world.limit(name, plan.date)
        assert most is None or amount <= most, f"{name}: {amount} above its cap {most}"
        was = before.get(name)
        over = most is not None and was is not None and was > most
        if was is not None and not over:
            assert was * (1 - STEP) <= amount <= was * (1 + STEP), f"{name}: {was} to {amount}"
    assert plan.caps_version == world.ledger.caps_version("acme", plan.date)
    folder = world.folder / "published" / plan.date.isoformat() / record.plan_id
    sheet = (folder / "budgets.csv").read_bytes()
    assert {line[0]: minor for line, minor in read_sheet(sheet, plan).items()} == amounts
    assert json.loads((folder / "budgets.json").read_bytes())["content_hash"] == plan.content_hash
    world.published[record.plan_id] = sha256(sheet)
    newest = world.ledger.last_published("acme")
    assert newest is not None
    assert newest.plan_id == record.plan_id
    world.set_now = amounts
    world.note("published plans")


def _propose_cap(world: World) -> None:
    rng = world.rng
    name, person = rng.choice(LINES), rng.choice(PEOPLE)
    first = rng.choice([None, world.day, world.day + timedelta(days=2)])
    last = rng.choice([None, world.day + timedelta(days=rng.randrange(6))])
    if first and last and last < first:
        last = first
    now = world.set_now.get(name, START[name]) or START[name]
    spec = CapSpec(
        scope={"audience": name}, max=int(now * rng.choice([0.8, 1.1, 1.5])) / 100,
        valid_from=first, expires=last,
    )  # fmt: skip
    cap = world.attempt("caps", lambda: signoff.propose_cap(world.portfolio, spec, person, "why"))
    if not isinstance(cap, PipelineError):
        assert person != "eve"
        world.proposers[cap.id] = person


def _approve_cap(world: World) -> None:
    waiting = signoff.waiting_caps(world.portfolio)
    if not waiting:
        return
    cap, person = world.rng.choice(waiting), world.rng.choice(PEOPLE)
    answer = world.attempt(
        "cap approvals", lambda: signoff.approve_caps(world.portfolio, cap.id, person)
    )
    if isinstance(answer, PipelineError):
        return
    assert person in {"fin", "flo", "both"}, f"{person} is not of finance"
    assert person != world.proposers[cap.id], "signed an own cap"
    assert cap.max is not None
    seen = CapSeen(cap.scope["audience"], round(cap.max * 100), cap.valid_from, cap.expires, person)
    world.caps.append(seen)


def _pause(world: World) -> None:
    person, paused = world.rng.choice(PEOPLE), world.rng.random() < 0.3
    answer = world.attempt(
        "switches", lambda: signoff.set_paused(world.portfolio, person, "", paused=paused)
    )
    if not isinstance(answer, NotAllowedError):
        world.paused = paused


def _wait(world: World) -> None:
    world.moment += timedelta(hours=world.rng.choice([1, 8, 30]))


def _restart(world: World) -> None:
    world.settle()
    assert world.ledger.is_paused("acme") is world.paused


_DEEDS: tuple[Callable[[World], None], ...] = (
    _sign, _sign, _sign, _sign, _sign, _killed, _killed, _reject, _revoke, _publish,
    _propose_cap, _approve_cap, _approve_cap, _pause, _wait, _restart,
)  # fmt: skip


def check(world: World) -> None:
    """Hold everything that must always be true against the ledger and the folders."""
    ledger = world.ledger
    result = verify_ledger(ledger.database, ledger.head)
    assert result.is_sound, result.problems[0]
    entries = ledger.audit_entries(after=world.last_seq)
    for entry in entries:
        assert entry.seq == world.last_seq + 1, "the sequence has a gap"
        world.last_seq = entry.seq
    records = ledger.plans(limit=5)
    approved = [record.plan.date for record in records if record.status is Status.APPROVED]
    assert len(approved) == len(set(approved)), "two plans in force on a day"
    for record in records[:3]:
        run = open_run(world.portfolio.runs, record.plan_id)
        assert not run.damage(), run.damage()
        assert inputs_hash(run) == record.plan.inputs_hash, "not the inputs it was made from"
        if record.status is Status.APPROVED:
            assert record.decided_by not in {"night", "portfolio.yaml", ""}
        if record.publication is not None and record.plan_id not in world.published:
            assert not record.is_published, "published, and nobody saw it"
    for plan_id, digest in world.published.items():
        day = plan_id[:10]
        folder = world.folder / "published" / day / plan_id
        files = {path.name for path in folder.iterdir()}
        stated = json.loads((folder / "manifest.json").read_bytes())["files"]
        assert files == {*stated, "manifest.json"}, f"{folder}: {files}"
        assert sha256((folder / "budgets.csv").read_bytes()) == digest, "a published sheet changed"
