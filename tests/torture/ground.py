"""A scratch office that can be put back to any of its mornings, and how it must end."""

from __future__ import annotations

import os
import shutil
import tempfile
import weakref
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.io.stores import open_store
from tests.torture.disk import COUNT, Disk
from tests.torture.office import STEPS, Office, new_folder


@dataclass(frozen=True, slots=True, kw_only=True)
class Morning:
    """One step of the work: the folder before it, how it must look after it, and its calls."""

    step: int
    before: Path
    after: dict[str, Any]
    writes: int
    calls: int  # reads too

    def done_before(self) -> list[str]:
        """Return the steps that are done by then."""
        return [name for name, _, _ in STEPS[: self.step]]


class Ground:
    """A scratch folder on the fastest disk there is, and what an undisturbed office leaves.

    Each step of an office is a command of its own: it opens the portfolio anew. An accident in a
    step therefore begins with a copy of the folder as the steps before it left it.
    """

    def __init__(self) -> None:
        memory = Path("/dev/shm")
        place = memory if os.access(memory, os.W_OK) else None
        self.root = Path(tempfile.mkdtemp(prefix="torture-", dir=place))
        weakref.finalize(self, shutil.rmtree, self.root, ignore_errors=True)
        self.disk = Disk()
        self.mornings = self._undisturbed()
        self.expected = self.mornings[-1].after

    def points(self, *, reads: bool) -> list[tuple[Morning, int]]:
        """Return every call of every step: the step, and the call's number in it."""
        return [
            (morning, number)
            for morning in self.mornings
            for number in range(1, (morning.calls if reads else morning.writes) + 1)
        ]

    def _undisturbed(self) -> tuple[Morning, ...]:
        writes = self._counted(reads=0)
        calls = self._counted(reads=1)
        folder, mornings = self.folder(), []
        for step in range(len(STEPS)):
            before = self.root / f"before{step}"
            shutil.copytree(folder, before)
            Office(folder).work(step, step + 1)
            assert calls[step] > writes[step], STEPS[step][0]
            mornings.append(
                Morning(
                    step=step, before=before, after=Office(folder).record(),
                    writes=writes[step], calls=calls[step],
                )
            )  # fmt: skip
        return tuple(mornings)

    def _counted(self, *, reads: int) -> list[int]:
        folder, counts = self.folder(), []
        for step in range(len(STEPS)):
            self.disk.arm(folder, COUNT, reads=reads)
            Office(folder).work(step, step + 1)
            self.disk.disarm()
            counts.append(self.disk.calls())
        return counts

    def folder(self, morning: Morning | None = None) -> Path:
        """Return the office on that morning, or on its first one, where the one before it was."""
        place = self.root / "office"
        shutil.rmtree(place, ignore_errors=True)
        open_store.cache_clear()
        if morning is None:
            return new_folder(place)
        shutil.copytree(morning.before, place)
        return place

    def finish(self, folder: Path, told: list[str], until: int = len(STEPS)) -> str:
        """Go on with the work until a step; return what is wrong with how it ends, or nothing."""
        try:
            office = Office(folder)
            if lost := office.undone(told):
                return f"lost what was said to be done: {lost}"
            if found := office.problems():
                return f"unsound before it went on: {found[:2]}"
            office.work(0, until)
            office = Office(folder)
            if found := office.problems():
                return f"unsound: {found[:2]}"
            record = office.record()
        except Exception as error:  # noqa: BLE001  any accident's end is what is being asked
            return f"{type(error).__name__}: {error}"
        expected = self.mornings[min(until, len(STEPS)) - 1].after
        return "" if record == expected else _difference(record, expected)


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
