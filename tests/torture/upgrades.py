"""Ledgers of every earlier version upgraded by a process that is killed or whose disk fails."""

from __future__ import annotations

import os
import random
import shutil
import tempfile
from pathlib import Path

from pipeline.core.errors import PipelineError
from pipeline.io.ledger import open_ledger, upgrade_ledger
from pipeline.io.ledger.verify import verify_ledger
from tests.io.ledger.conftest import Desk
from tests.io.ledger.test_upgrades import VERSIONS, as_it_was, happened_long_ago
from tests.torture.disk import COUNT, FAIL_EVER, FAIL_ONCE, KILL, Disk, in_child
from tests.torture.report import Outcome, Tell

ERRORS = (5, 13, 28)
NAMED = 10


def upgrades(count: int, seed: int, tell: Tell) -> Outcome:
    """Interrupt so many upgrades, at every call in turn; afterwards one more must succeed."""
    outcome = Outcome(unit="interrupted upgrades")
    rng = random.Random(seed)
    memory = Path("/dev/shm")
    place = memory if os.access(memory, os.W_OK) else None
    root = Path(tempfile.mkdtemp(prefix="torture-", dir=place))
    old = {version: _old(root / version, version) for version in VERSIONS}
    disk = Disk()
    points = {version: _calls(old[version], root / "work", disk) for version in VERSIONS}
    outcome.notes["calls"] = sum(points.values())
    for case in range((seed - 1) * count, seed * count):  # seeds are parts of one whole
        tell(outcome.cases, count)
        version = VERSIONS[case % len(VERSIONS)]
        lap, call = divmod(case // len(VERSIONS), points[version])
        at, how = call + 1, (KILL, FAIL_ONCE, FAIL_EVER)[(lap + call) % 3]
        folder = _copy(old[version], root / "work")
        end = in_child(lambda: _upgrade(folder, disk, how, at, rng.choice(ERRORS)))  # noqa: B023
        outcome.cases += 1
        outcome.note({-9: "kills", NAMED: "named errors", 0: "went through"}.get(end, "wrong ends"))
        if end not in {-9, NAMED, 0}:
            outcome.fail(f"version {version}, call {at}: the child ended with {end}")
        elif wrong := _finish(folder, version):
            outcome.fail(f"version {version}, call {at}, {how}: {wrong}")
    shutil.rmtree(root, ignore_errors=True)
    return outcome


def _old(folder: Path, version: str) -> Path:
    """Return a folder with a ledger of that version and a past."""
    (folder / "desk").mkdir(parents=True)
    desk = Desk(where=str(folder / "desk" / "ledger.sqlite"), folder=folder / "desk")
    happened_long_ago(desk, version)
    made = folder / "old"
    made.mkdir()
    as_it_was(desk, version, made)
    return made


def _copy(old: Path, folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(old, folder)
    return folder


def _calls(old: Path, folder: Path, disk: Disk) -> int:
    _copy(old, folder)
    disk.arm(folder, COUNT, reads=1)
    _run(folder)
    disk.disarm()
    return disk.calls()


def _run(folder: Path) -> tuple[str, str]:
    from tests.io.ledger.conftest import MORNING

    return upgrade_ledger(
        folder / "old.sqlite", lambda: MORNING, head_path=folder / "audit-head.json"
    )


def _upgrade(folder: Path, disk: Disk, how: int, at: int, error: int) -> int:
    disk.arm(folder, how, at, error=error, reads=1)
    try:
        _run(folder)
    except PipelineError:
        return NAMED
    finally:
        disk.disarm()
    return 0


def _finish(folder: Path, version: str) -> str:
    """Upgrade again; return what is wrong, or nothing."""
    from tests.io.ledger.conftest import MORNING

    head = folder / "audit-head.json"
    try:
        before, after = _run(folder)
        if before not in {version, after}:
            return f"was left at version {before}"
        ledger = open_ledger(folder / "old.sqlite", lambda: MORNING, head_path=head)
        record = ledger.plan("latest")
        if record.status != "approved" or record.decided_by != "ana":
            return f"its plan is {record.status}"
        actions = [entry.action for entry in ledger.audit_entries()]
        if actions.count("ledger.upgraded") != 1:
            return f"upgraded {actions.count('ledger.upgraded')} times"
        problems = verify_ledger(ledger.database, ledger.head).problems
    except Exception as error:  # noqa: BLE001  any accident's end is what is being asked
        return f"{type(error).__name__}: {error}"
    return problems[0].message if problems else ""
