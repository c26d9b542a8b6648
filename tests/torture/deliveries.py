"""Signed budgets on their way to two platforms that fail, by a process that is killed or starved.

The platforms are real servers on this machine with budgets of their own, so they know what was set
and how often, whatever the process that set it believes.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.core.errors import PipelineError
from pipeline.core.plan import Mode, Plan, PlanLine, Status
from pipeline.io.artefacts import begin_run
from pipeline.io.ledger import PlanRecord, Stated
from pipeline.io.ledger.states import RowStatus
from pipeline.io.ledger.verify import verify_ledger
from pipeline.io.publish.targets import TARGETS
from pipeline.io.stores import open_store
from pipeline.runs import signoff
from pipeline.runs.inputs import inputs_hash
from pipeline.runs.portfolio import Portfolio, open_portfolio
from tests.io.publish.ads import AdServer, Fault, ad_server
from tests.torture.disk import FAIL_EVER, FAIL_ONCE, KILL, Disk, in_child, loaded
from tests.torture.office import DAY, NOW, SETTINGS
from tests.torture.report import Outcome, Tell

LINES = 8
PLATFORMS = {
    "google": {"to": "google_ads", "connection": "ads", "account": "1"},
    "meta": {"to": "meta", "connection": "social", "account": "act_42"},
}
AT_ONCE = {"Retry-After": "0"}
TRIES = 6
NAMED, UNNAMED = 10, 11
ID = f"{DAY.isoformat()}-aaaaaaaa"


@dataclass
class Case:
    """One plan of eight lines, half of them on each platform, and what each has set."""

    folder: Path
    rng: random.Random
    servers: dict[str, AdServer]

    def __post_init__(self) -> None:
        rng = self.rng
        self.before = {f"{1001 + n}": rng.randrange(5_000, 20_000) for n in range(LINES)}
        self.signed = dict(self.before)
        for _ in range(rng.randrange(1, 6)):  # money moves between pairs of lines
            give, take = rng.sample(sorted(self.before), 2)
            amount = rng.randrange(1, 400)
            self.signed[give] -= amount
            self.signed[take] += amount
        self.platform = {key: ("google", "meta")[int(key) % 2] for key in self.before}
        settings = {
            **SETTINGS, "budget": {"daily": sum(self.before.values()) / 100},
            "line": ["channel", "audience"],
            "destinations": {
                name: {**spec, "scope": {"channel": name}, "dry_run": False}
                for name, spec in PLATFORMS.items()
            },
        }  # fmt: skip
        self.folder.mkdir(parents=True)
        (self.folder / "portfolio.yaml").write_text(json.dumps(settings), encoding="utf-8")
        for server in self.servers.values():
            server.__init__()  # type: ignore[misc]  the platform forgets the case before
            server.budgets = dict(self.before)
        self._propose()

    @property
    def portfolio(self) -> Portfolio:
        return open_portfolio(self.folder, lambda: NOW)

    def record(self) -> PlanRecord:
        return self.portfolio.ledger.plan(ID)

    def _propose(self) -> None:
        portfolio = self.portfolio
        work = begin_run(portfolio.runs, "night-a")
        blank = {"campaign_id": "", "campaign": "", "group": ""}
        work.write_json(
            TARGETS,
            {
                name: [
                    {"line": [name, f"a{key}"], "id": key, **blank}
                    for key, place in self.platform.items()
                    if place == name
                ]
                for name in PLATFORMS
            },
        )
        plan = Plan(
            plan_id=ID, portfolio="acme", date=DAY, currency="EUR", mode=Mode.OPTIMISED,
            line_columns=("channel", "audience"), budget=sum(self.before.values()) / 100,
            lines=tuple(
                PlanLine(
                    line={"channel": self.platform[key], "audience": f"a{key}"},
                    current=self.before[key] / 100, proposed=self.signed[key] / 100,
                )
                for key in self.before
            ),
            caps_version=portfolio.ledger.caps_version("acme", DAY), inputs_hash=inputs_hash(work),
        )  # fmt: skip
        work.write_json("plan.json", plan.content())
        work.write_bytes("report.html", b"<p>what is read before signing")
        work.complete(ID)
        portfolio.ledger.propose_plan(plan, portfolio.policy)

    def go_on(self) -> None:
        """Sign what waits, publish what is signed.

        Raises:
            PipelineError: something is not everywhere yet.
        """
        portfolio, record = self.portfolio, self.record()
        if record.status is Status.PROPOSED:
            stated = Stated(portfolio="acme", total=record.total, content_hash=record.content_hash)
            done = signoff.approve_plan(portfolio, ID, "ana", stated)
            if done.folder is not None:
                return
        signoff.publish_plan(portfolio, ID)

    def misbehave(self, outcome: Outcome) -> None:
        """Let the platforms fail in some ways that real ones do."""
        rng = self.rng
        for name, server in self.servers.items():
            own = [key for key, place in self.platform.items() if place == name]
            path = {"google": ("search", "mutate"), "meta": ("batch", "daily_budget")}[name]
            for _ in range(rng.choice([0, 0, 1, 2, 4])):
                status, said = rng.choice(_SAID)
                server.faults.append(
                    Fault(rng.choice(path), status, said, AT_ONCE, rng.random() < 0.5)
                )
                outcome.note("answers that were lost or wrong")
            for key in own:
                if rng.random() < 0.1:
                    server.refuses[key] = "Too low."
                elif rng.random() < 0.1:
                    server.silent[key] = rng.randrange(1, 3)
                elif rng.random() < 0.1:
                    server.busy[key] = rng.randrange(1, 3)

    def problem(self) -> str:
        """Return what is wrong now that everything should be set, or nothing."""
        record, portfolio = self.record(), self.portfolio
        for key, server in ((key, self.servers[place]) for key, place in self.platform.items()):
            wanted = self.before[key] if key in server.refuses else self.signed[key]
            if server.budgets[key] != wanted:
                return f"{key} is {server.budgets[key]}, need {wanted}"
            if wrong := [amount for who, amount in server.sets if who == key and amount != wanted]:
                return f"{key} was set to {wrong}, nobody signed that"
        for publication in record.destinations:
            for row in publication.rows:
                key = row.line[1].removeprefix("a")
                is_refused = key in self.servers[publication.target].refuses
                moved = self.before[key] != self.signed[key]
                wanted_status = RowStatus.REFUSED if is_refused and moved else RowStatus.CONFIRMED
                if row.status is not wanted_status:
                    return f"{publication.target} says that {key} is {row.status}"
        sound = verify_ledger(portfolio.ledger.database, portfolio.ledger.head)
        if sound.problems:
            return sound.problems[0].message
        actions = [entry.action for entry in portfolio.ledger.audit_entries()]
        if (said := [actions.count(name) for name in _ONCE_A_TARGET]) != [3, 3]:
            return f"began and ended {said} times, need 3: files and two platforms"
        for server in self.servers.values():
            server.sets.clear()
        self.go_on()
        if again := [server.sets for server in self.servers.values() if server.sets]:
            return f"set again after everything was confirmed: {again}"
        return ""


_SAID: tuple[tuple[int, Any], ...] = (
    (400, {"error": {"message": "cut off"}}), (403, {"error": {"message": "no"}}), (429, {}),
    (500, "no JSON of ours"), (503, None), (200, []), (200, "yes"),
)  # fmt: skip
_ONCE_A_TARGET = ("publication.publishing", "publication.published")


def deliveries(count: int, seed: int, tell: Tell) -> Outcome:
    """Deliver so many plans through failures; every budget ends as signed, and is told so."""
    outcome = Outcome(unit="plans delivered")
    memory = Path("/dev/shm")
    root = Path(tempfile.mkdtemp(prefix="torture-", dir=memory if memory.is_dir() else None))
    with platforms() as servers:
        for number in range(count):
            tell(number, count)
            shutil.rmtree(root / "case", ignore_errors=True)
            open_store.cache_clear()
            rng = random.Random(seed * 1_000_003 + number)
            try:
                wrong = _deliver(Case(root / "case", rng, servers), outcome)
            except Exception as error:  # noqa: BLE001  a failure is an answer here
                wrong = f"{type(error).__name__}: {error}"
            outcome.cases += 1
            if wrong:
                outcome.fail(f"delivery {number}: {wrong}")
    shutil.rmtree(root, ignore_errors=True)
    return outcome


def _deliver(case: Case, outcome: Outcome) -> str:
    """Try once under an accident and with failing platforms, then until it is done."""
    case.misbehave(outcome)
    rng = case.rng
    how = rng.choice((KILL, KILL, FAIL_ONCE, FAIL_EVER, None)) if loaded() else None
    end = in_child(lambda: _once(case, how, rng.randrange(1, 900)))
    if end not in {0, NAMED, -9}:
        return f"the first try ended with {end}"
    outcome.note({0: "done at once", NAMED: "ended in a named error", -9: "kills"}[end])
    for server in case.servers.values():
        server.faults.clear()
    if rng.random() < 0.2 and (wrong := _paused(case)):
        return wrong
    for _ in range(TRIES):
        try:
            case.go_on()
            break
        except PipelineError as error:
            last = str(error)
            outcome.note("tries that were not enough")
    else:
        return f"not done after {TRIES} tries: {last}"
    return case.problem()


def _once(case: Case, how: int | None, at: int) -> int:
    disk = Disk() if how is not None else None
    if disk is not None and how is not None:
        disk.arm(case.folder, how, at, error=case.rng.choice((5, 13, 28)), reads=int(how != KILL))
    try:
        case.go_on()
    except PipelineError as refusal:
        code = NAMED if str(refusal).isprintable() and refusal.code != "error" else UNNAMED
    else:
        code = 0
    if disk is not None:
        disk.disarm()
    return code


def _paused(case: Case) -> str:
    """Press the kill switch half way: nothing more may be set until it is released."""
    portfolio = case.portfolio
    if case.record().status is Status.PROPOSED:
        return ""
    signoff.set_paused(portfolio, "fin", "stop", paused=True)
    before = [len(server.sets) for server in case.servers.values()]
    done = False
    try:
        case.go_on()
        done = True
    except PipelineError:
        pass
    sent = [len(server.sets) for server in case.servers.values()] != before
    signoff.set_paused(case.portfolio, "fin", "", paused=False)
    was_done = all(item.status.value == "published" for item in case.record().destinations)
    if sent or (done and not was_done):
        return "something was published while paused"
    return ""


@contextmanager
def platforms() -> Iterator[dict[str, AdServer]]:
    """Give two platforms, and the connections that lead to them."""
    with ExitStack() as stack:
        servers = {name: stack.enter_context(ad_server()) for name in PLATFORMS}
        for name, spec in PLATFORMS.items():
            login = {
                "host": servers[name].url, "password": "secret",
                "extra": {"developer_token": "token"},
            }  # fmt: skip
            key = f"AIRFLOW_CONN_{spec['connection'].upper()}"
            os.environ[key] = json.dumps(login)
            stack.callback(os.environ.pop, key)
        yield servers
