"""What a disk may hold after the power went: everything synced, and any legal part of the rest.

The model is what POSIX promises and no more. The names of a folder (creations, renames, removals)
reach the disk in their order, and are safe only once that folder itself was synced. Bytes reach it
in any order and torn by sectors, and are safe once their file was synced.
"""

from __future__ import annotations

import random
import shutil
import struct
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

SECTOR = 512
_HEAD = struct.Struct("=cIIqq")


@dataclass(frozen=True, slots=True)
class Call:
    """One call: kind, paths below the folder, offset or new length, and the bytes written."""

    kind: str
    path: str
    other: str
    offset: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Recording:
    """The calls of one office, in order."""

    calls: tuple[Call, ...]

    @classmethod
    def read(cls, log: Path, folder: Path) -> Recording:
        """Return the calls of a log; paths become relative to the folder."""
        raw, place, calls = log.read_bytes(), 0, []
        start = str(folder) + "/"
        while place < len(raw):
            kind, first, second, offset, size = _HEAD.unpack_from(raw, place)
            place += _HEAD.size
            parts = []
            for length in (first, second):
                parts.append(raw[place : place + length].decode())
                place += length
            data = b""
            if kind == b"W":
                data = raw[place : place + size]
                place += size
            path, other = (
                "" if part == str(folder) else part.removeprefix(start) for part in parts
            )
            calls.append(Call(kind.decode(), path, other, offset, data))
        return cls(tuple(calls))


@dataclass
class _Inode:
    content: bytearray = field(default_factory=bytearray)
    loose: list[Call] = field(default_factory=list)  # written, not synced


@dataclass(frozen=True, slots=True, eq=False)
class _Move:
    """A change of names, and the file (None for a folder) that it is about."""

    call: Call
    inode: _Inode | None

    @property
    def folder(self) -> str:
        """The folder whose names change; of a rename, the one it goes to."""
        return (self.call.other or self.call.path).rpartition("/")[0]


class _Disk:
    """Names and bytes as the process sees them, and the part of it that is safe."""

    def __init__(self) -> None:
        self.names: dict[str, _Inode | None] = {}  # None is a folder
        self.safe_names: dict[str, _Inode | None] = {}
        self.moves: list[_Move] = []  # changes of names that may still be lost

    def follow(self, call: Call) -> None:
        if call.kind in "CDRU":
            inode = _Inode() if call.kind == "C" else self.names.get(call.path)
            move = _Move(call, inode)
            self._replay(self.names, move)
            self.moves.append(move)
        elif call.kind == "S":
            inode = self.names.get(call.path)
            if inode is None:
                self._settle(call.path)
                return
            for write in inode.loose:
                _write(inode.content, write)
            inode.loose.clear()
        else:
            inode = self.names.get(call.path)
            assert inode is not None, call.path
            inode.loose.append(call)

    def _settle(self, folder: str) -> None:
        for move in [move for move in self.moves if move.folder == folder]:
            self._replay(self.safe_names, move)
            self.moves.remove(move)

    def _replay(self, names: dict[str, _Inode | None], move: _Move) -> None:
        call = move.call
        if call.kind == "U":
            names.pop(call.path, None)
        elif call.kind == "R":
            below = call.path + "/"
            names.pop(call.path, None)
            names[call.other] = move.inode
            for name in [key for key in names if key.startswith(below)]:
                names[call.other + name.removeprefix(call.path)] = names.pop(name)
        else:
            names[call.path] = move.inode

    def left(self, rng: random.Random) -> dict[str, bytes | None]:
        """Return name -> bytes of one legal state, None for a folder."""
        names = dict(self.safe_names)
        by_folder: dict[str, list[_Move]] = {}
        for move in self.moves:
            by_folder.setdefault(move.folder, []).append(move)
        lucky = set()
        for moves in by_folder.values():
            lucky |= {id(move) for move in moves[: rng.randint(0, len(moves))]}
        for move in self.moves:
            if id(move) in lucky:
                self._replay(names, move)
        torn: dict[int, bytes] = {}
        out: dict[str, bytes | None] = {}
        for name, inode in names.items():
            above = [str(parent) for parent in PurePosixPath(name).parents][:-1]
            if any(parent not in names for parent in above):
                continue  # its folder never reached the disk
            if inode is None:
                out[name] = None
                continue
            if id(inode) not in torn:
                torn[id(inode)] = _torn(inode, rng)
            out[name] = torn[id(inode)]
        return out


def _write(content: bytearray, call: Call, data: bytes | None = None, offset: int = -1) -> None:
    if call.kind == "T":
        content.clear()
        return
    if call.kind == "L":
        del content[call.offset :]
        content.extend(bytes(call.offset - len(content)))
        return
    data = call.data if data is None else data
    offset = call.offset if offset < 0 else offset
    content.extend(bytes(max(0, offset - len(content))))
    content[offset : offset + len(data)] = data


def _torn(inode: _Inode, rng: random.Random) -> bytes:
    """Return the bytes of a file of which any part that was not synced may be missing."""
    content = bytearray(inode.content)
    style = rng.randrange(3)  # nothing, everything, or any part of what was not synced
    for call in inode.loose:
        if style == 0 or (style == 2 and rng.random() < 0.5):
            continue
        if style == 1 or call.kind != "W" or rng.random() < 0.5:
            _write(content, call)
            continue
        for start in range(0, len(call.data), SECTOR):
            if rng.random() < 0.5:
                _write(content, call, call.data[start : start + SECTOR], call.offset + start)
    return bytes(content)


def after_cut(recording: Recording, at: int, folder: Path, rng: random.Random) -> list[str]:
    """Leave in `folder` what the disk may hold when the power goes after `at` calls.

    Returns:
        What the people at the office had been told by then: it must not be lost.
    """
    disk, told = _Disk(), []
    disk.names[""] = None  # the folder itself
    for path in folder.rglob("*"):  # the first morning was long ago
        name = path.relative_to(folder).as_posix()
        inode = None if path.is_dir() else _Inode(bytearray(path.read_bytes()))
        disk.names[name] = disk.safe_names[name] = inode
    for call in recording.calls[:at]:
        if call.kind == "M":
            told.append(call.path)
        else:
            disk.follow(call)
    state = disk.left(rng)
    shutil.rmtree(folder)
    folder.mkdir()
    for name in sorted(state):
        data, path = state[name], folder / name
        if data is None:
            path.mkdir(parents=True, exist_ok=True)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
    return told
