"""Kills, failing calls and power cuts: after each, the office goes on as if nothing had been."""

from __future__ import annotations

import errno
import itertools
import os
import random
import shutil
import tempfile
from pathlib import Path
from typing import Any

from pipeline.core.errors import PipelineError
from pipeline.io.stores import open_store
from tests.torture.disk import COUNT, FAIL_EVER, FAIL_ONCE, KILL, Disk, in_child
from tests.torture.office import Office, new_folder
from tests.torture.power import Recording, after_cut
from tests.torture.report import Outcome, Tell

SIGKILLED = -9
ERRORS = (errno.ENOSPC, errno.EIO, errno.EACCES)
NAMED, UNNAMED = 10, 11


class Ground:
    """A scratch folder on the fastest disk there is, and what an undisturbed office leaves."""

    def __init__(self) -> None:
        memory = Path("/dev/shm")
        place = memory if os.access(memory, os.W_OK) else None
        self.root = Path(tempfile.mkdtemp(prefix="torture-", dir=place))
        self.disk = Disk()
        self.points = 0
        self.read_points = 0
        self.expected = self._undisturbed()
        self._made = 0

    def _undisturbed(self) -> dict[str, Any]:
        for reads in (1, 0):
            folder = new_folder(self.root / f"whole{reads}")
            office = Office(folder)
            self.disk.arm(folder, COUNT, reads=reads)
            office.work()
            self.disk.disarm()
            self.points, before = self.disk.calls(), self.points
            if reads:
                self.read_points = self.points
            else:
                assert self.read_points > self.points > 0, before
        return Office(folder).record()

    def folder(self) -> Path:
        """Return an office on its first morning, where the one before it was."""
        place = self.root / "office"
        shutil.rmtree(place, ignore_errors=True)
        open_store.cache_clear()
        return new_folder(place)

    def finish(self, folder: Path, told: list[str]) -> str:
        """Go on with the work; return what is wrong with how it ends, or nothing."""
        try:
            office = Office(folder)
            if lost := office.undone(told):
                return f"lost what was said to be done: {lost}"
            if found := office.problems():
                return f"unsound before it went on: {found[:2]}"
            office.work()
            office = Office(folder)
            if found := office.problems():
                return f"unsound: {found[:2]}"
            record = office.record()
        except Exception as error:  # noqa: BLE001  any accident's end is what is being asked
            return f"{type(error).__name__}: {error}"
        return "" if record == self.expected else _difference(record, self.expected)

    def close(self) -> None:
        shutil.rmtree(self.root, ignore_errors=True)


def _difference(found: dict[str, Any], expected: dict[str, Any]) -> str:
    parts = []
    for name, value in expected.items():
        other = found[name]
        if other == value:
            continue
        keys = sorted(value.keys() ^ other.keys()) if isinstance(value, dict) else []
        if isinstance(value, dict):
            keys += sorted(key for key in value.keys() & other.keys() if value[key] != other[key])
        parts.append(f"{name} {keys or [len(value), len(other)]}")
    return f"ends otherwise in {'; '.join(parts)}"


def kills(count: int, seed: int, tell: Tell) -> Outcome:
    """Kill at every write point in turn; once all had their turn, twice in one office."""
    ground, outcome = Ground(), Outcome(unit="kills")
    outcome.notes["write points"] = ground.points
    rng = random.Random(seed)
    order = rng.sample(range(1, ground.points + 1), ground.points)
    for case in itertools.count():
        if outcome.cases >= count:
            break
        tell(outcome.cases, count)
        at = order[case % ground.points]
        folder = ground.folder()
        ends = [_killed(ground, folder, at)]
        if case >= ground.points:
            ends.append(_killed(ground, folder, rng.randrange(1, ground.points)))
        outcome.cases += ends.count(SIGKILLED)
        if any(end not in {SIGKILLED, 0} for end in ends):
            outcome.fail(f"at write {at}: the child ended with {ends}")
        elif wrong := ground.finish(folder, []):
            outcome.fail(f"killed at write {at} (case {case}): {wrong}")
    outcome.notes["points covered"] = min(case, ground.points)
    ground.close()
    return outcome


def _killed(ground: Ground, folder: Path, at: int) -> int:
    def work() -> int:
        office = Office(folder)
        ground.disk.arm(folder, KILL, at)
        office.work()
        return 0

    return in_child(work)


def faults(count: int, seed: int, tell: Tell) -> Outcome:
    """Let the k-th call fail, once or for ever, with each error; reads too."""
    ground, outcome = Ground(), Outcome(unit="failed calls")
    outcome.notes["calls"] = ground.read_points
    rng = random.Random(seed)
    order = rng.sample(range(1, ground.read_points + 1), ground.read_points)
    named = 0
    for case in range(count):
        tell(case, count)
        at = order[case % ground.read_points]
        mode = (FAIL_ONCE, FAIL_EVER)[
            case // ground.read_points % 2 if count > 2 * ground.read_points else rng.randrange(2)
        ]
        error = ERRORS[rng.randrange(len(ERRORS))]
        folder = ground.folder()
        end = in_child(lambda: _faulty(ground, folder, at, mode, error))  # noqa: B023
        outcome.cases += 1
        named += end == NAMED
        what = f"{'call' if mode == FAIL_ONCE else 'every call from'} {at} ({os.strerror(error)})"
        if end not in {0, NAMED}:
            outcome.fail(f"{what}: the child ended with {end}, not with a named error")
        elif wrong := ground.finish(folder, []):
            outcome.fail(f"{what}: {wrong}")
    outcome.notes["points covered"] = min(count, ground.read_points)
    outcome.notes["ended in a named error"] = named
    ground.close()
    return outcome


def _faulty(ground: Ground, folder: Path, at: int, mode: int, error: int) -> int:
    import traceback

    try:
        ground.disk.arm(folder, mode, at, error=error, reads=1)
        Office(folder).work()
    except PipelineError as refusal:
        ground.disk.disarm()
        one_line = str(refusal).isprintable() and refusal.code != "error"
        return NAMED if one_line else UNNAMED
    except Exception:  # noqa: BLE001  shown, and counted as a failure
        ground.disk.disarm()
        traceback.print_exc()
        return UNNAMED
    return 0


def powercuts(count: int, seed: int, tell: Tell) -> Outcome:
    """Cut the power at a random call and keep only what a disk must have kept by then."""
    ground, outcome = Ground(), Outcome(unit="power cuts")
    folder = ground.folder()
    recording = _recorded(ground, folder)
    outcome.notes["calls recorded"] = len(recording.calls)
    rng = random.Random(seed)
    for case in range(count):
        tell(case, count)
        at = rng.randrange(1, len(recording.calls) + 1)
        folder = ground.folder()
        told = after_cut(recording, at, folder, rng)
        outcome.cases += 1
        if wrong := ground.finish(folder, told):
            outcome.fail(f"power cut after call {at} (case {case}): {wrong}")
    ground.close()
    return outcome


def _recorded(ground: Ground, folder: Path) -> Recording:
    path = ground.root / "calls.log"

    def work() -> int:
        with path.open("wb") as log:
            office = Office(folder)
            ground.disk.arm(folder, COUNT, log=log.fileno())
            office.work(ground.disk.mark)
            ground.disk.disarm()
        return 0

    assert in_child(work) == 0
    return Recording.read(path, folder)
