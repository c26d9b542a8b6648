"""Files by path, glob or object-store URL, as bytes; each is read once."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.core.errors import PipelineError
from pipeline.core.findings import Finding, Level

MAX_BYTES = 256 << 20  # of one source: ten years of 1,000 lines; a night needs 25 times that
MAX_FILES = 5_000
_WILDCARDS = frozenset("*?[")


class SourceError(PipelineError):
    """A source cannot be used; the snapshot turns it into a finding."""

    code = "source"

    def __init__(self, message: str, *, advice: str = "", column: str = "") -> None:
        super().__init__(message)
        self.advice = advice
        self.column = column

    def finding(self, source: str) -> Finding:
        """Return what the signer is told of it, with the row that the message names."""
        row = re.search(r", row (\d+):", str(self))
        return Finding(
            level=Level.FAIL,
            check="source",
            message=str(self),
            advice=self.advice,
            source=source,
            column=self.column,
            row=int(row.group(1)) if row else None,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RawFile:
    """One file as it was when it was read.

    Attributes:
        name: as the settings name it: relative to the portfolio folder, or a URL.
    """

    name: str
    data: bytes


def fetch_files(path: str, base: Path) -> list[RawFile]:
    """Return the file, or every file that the glob names, sorted by name.

    Raises:
        SourceError: nothing there, not a plain file, unreadable, or too large.
    """
    return _fetch_remote(path) if "://" in path else _fetch_local(path, base)


def _fetch_local(path: str, base: Path) -> list[RawFile]:
    if _WILDCARDS.intersection(path):
        root, pattern = (Path("/"), path[1:]) if path.startswith("/") else (base, path)
        try:
            found = sorted(item for item in root.glob(pattern) if not item.name.startswith("."))
        except (ValueError, OSError) as error:
            raise SourceError(f"{path}: not a pattern that can be listed: {error}") from error
        paths = [item for item in found if item.is_file()]
    else:
        paths = [base / path]
    _check_count(path, paths)
    sizes = [_local_size(item, path) for item in paths]
    _check_bytes(path, sizes)
    return [
        RawFile(name=_relative(item, base), data=_read_local(item, size))
        for item, size in zip(paths, sizes, strict=True)
    ]


def _local_size(item: Path, path: str) -> int:
    try:
        if item.is_dir():
            raise SourceError(f"{path}: is a folder, need a file", advice=f"write {path}/*.csv")
        if not item.exists():
            raise SourceError(f"{path}: no such file", advice="mend the path under sources")
        if not item.is_file():
            raise SourceError(f"{path}: not a plain file")
        return item.stat().st_size
    except OSError as error:
        raise SourceError(f"{path}: cannot be read: {error.strerror or error}") from error


def _read_local(item: Path, size: int) -> bytes:
    try:
        with item.open("rb") as file:
            data = file.read(size + 1)
    except OSError as error:
        raise SourceError(f"{item.name}: cannot be read: {error.strerror or error}") from error
    if len(data) != size:
        raise SourceError(
            f"{item.name}: changed while it was read ({size} bytes, then {len(data)})",
            advice="write the file under another name and rename it when it is complete",
        )
    return data


def _fetch_remote(path: str) -> list[RawFile]:
    import fsspec

    try:
        files, inner = fsspec.core.url_to_fs(path)
        scheme = path.split("://", 1)[0]
        if _WILDCARDS.intersection(inner):
            found = sorted(str(item) for item in files.glob(inner) if files.isfile(item))
        else:
            found = [inner] if files.exists(inner) else []
        _check_count(path, found)
        _check_bytes(path, [int(files.size(item) or 0) for item in found])
        return [RawFile(name=_url(scheme, item), data=_read_remote(files, item)) for item in found]
    except SourceError:
        raise
    except Exception as error:  # each store's client has errors of its own
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise SourceError(f"{path}: cannot be read: {reason}") from error


def _read_remote(files: Any, item: str) -> bytes:
    return bytes(files.cat_file(item))


def _url(scheme: str, item: str) -> str:
    return f"{scheme}://{item.lstrip('/')}" if scheme != "file" else f"file://{item}"


def _relative(item: Path, base: Path) -> str:
    try:
        return item.relative_to(base).as_posix()
    except ValueError:
        return item.as_posix()


def _check_count(path: str, found: list[Any]) -> None:
    if not found:
        raise SourceError(f"{path}: no such file", advice="mend the path under sources")
    if len(found) > MAX_FILES:
        raise SourceError(f"{path}: {len(found)} files match, at most {MAX_FILES} are read")


def _check_bytes(path: str, sizes: Iterable[int]) -> None:
    total = sum(sizes)
    if total > MAX_BYTES:
        raise SourceError(
            f"{path}: {total} bytes, at most {MAX_BYTES} are read",
            advice="hand over daily totals, or fewer days",
        )
