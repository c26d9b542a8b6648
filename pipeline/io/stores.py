"""The places where files live: the only code that writes, whole or not at all.

Runs live in a local folder or under an object-store URL. On a disk a finished folder is renamed
into place; in an object store its manifest, written last, is what makes it complete.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Protocol

from pipeline.core.errors import PipelineError, StorageError

MANIFEST = "manifest.json"


def write_file(path: Path, data: bytes) -> None:
    """Write a local file whole or not at all, and durably; its folder is made.

    Raises:
        StorageError: the disk refuses; the old content is untouched.
    """
    with _storage(f"{path}: cannot be written"):
        make_folder(path.parent)
        temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        try:
            _write_synced(temporary, data)
            temporary.replace(path)
        except BaseException:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise
        _clear_leftovers(path)
        _sync_folder(path.parent)


def _clear_leftovers(path: Path) -> None:
    """Remove what processes left beside the file that were killed while they wrote it."""
    start, end = f".{path.name}.", ".tmp"
    for name in os.listdir(path.parent):  # noqa: PTH208  a name is all that is looked at
        number = name.removeprefix(start).removesuffix(end)
        if name == f"{start}{number}{end}" and number.isdecimal() and not _is_alive(int(number)):
            (path.parent / name).unlink(missing_ok=True)


def _is_alive(process: int) -> bool:
    if os.name != "posix":
        return True  # there, signal 0 is no question
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True  # somebody else's, or no number of a process
    return True


class Store(Protocol):
    """What a run needs of the place where it lives. Keys are relative, with `/`."""

    root: str

    def describe(self, prefix: str) -> str:
        """Return the place as people read it."""
        ...

    def local_path(self, prefix: str) -> Path | None:
        """Return the folder on this machine, None for an object store."""
        ...

    def names(self, prefix: str) -> list[str]:
        """Return the names of the files below."""
        ...

    def folders(self) -> list[str]:
        """Return the names of the top folders."""
        ...

    def exists(self, key: str) -> bool:
        """Return whether the file is there."""
        ...

    def read(self, key: str) -> bytes | None:
        """Return the bytes, None when there is no such file."""
        ...

    def write(self, key: str, data: bytes) -> None:
        """Write one file; readers see the old or the new one."""
        ...

    def make(self, prefix: str) -> None:
        """Make an empty folder where folders exist."""
        ...

    def remove(self, prefix: str) -> None:
        """Remove everything below."""
        ...

    def publish(self, prefix: str, run_id: str, names: list[str]) -> None:
        """Make a finished work folder visible under `run_id`, durably."""
        ...


class _LocalStore:
    """Run folders on a disk."""

    def __init__(self, root: str) -> None:
        self.root = root
        self._folder = Path(root)

    def describe(self, prefix: str) -> str:
        return str(self._folder / prefix)

    def local_path(self, prefix: str) -> Path | None:
        return self._folder / prefix

    def names(self, prefix: str) -> list[str]:
        folder = self._folder / prefix
        files = (path for path in folder.rglob("*") if path.is_file())
        return [path.relative_to(folder).as_posix() for path in files]

    def folders(self) -> list[str]:
        if not self._folder.is_dir():
            return []
        return [path.name for path in self._folder.iterdir() if path.is_dir()]

    def exists(self, key: str) -> bool:
        return (self._folder / key).is_file()

    def read(self, key: str) -> bytes | None:
        with _storage(f"{self.describe(key)}: cannot be read"):
            try:
                return (self._folder / key).read_bytes()
            except (FileNotFoundError, NotADirectoryError):
                return None

    def write(self, key: str, data: bytes) -> None:
        # Nothing rests on a work folder until it is complete, so durability waits for publish.
        path = self._folder / key
        with _storage(f"{path}: cannot be written"):
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary = path.with_name(f".{path.name}.tmp")
            temporary.write_bytes(data)
            temporary.replace(path)

    def make(self, prefix: str) -> None:
        with _storage(f"{self.describe(prefix)}: cannot be made"):
            make_folder(self._folder)
            (self._folder / prefix).mkdir(parents=True, exist_ok=True)

    def remove(self, prefix: str) -> None:
        with _storage(f"{self.describe(prefix)}: cannot be removed"), suppress(FileNotFoundError):
            shutil.rmtree(self._folder / prefix)

    def publish(self, prefix: str, run_id: str, names: list[str]) -> None:
        source, target = self._folder / prefix, self._folder / run_id
        with _storage(f"{target}: cannot be completed"):
            for stray in set(self.names(prefix)) - set(names):
                (source / stray).unlink()
            folders = {source}
            for name in names:
                _sync_file(source / name)
                folders.add((source / name).parent)
            for folder in sorted(folders):
                _sync_folder(folder)
            if (target / MANIFEST).is_file():
                shutil.rmtree(source)
                return
            if target.exists():  # a leftover without a manifest was never complete
                shutil.rmtree(target)
            try:
                source.rename(target)
            except OSError:
                if not (target / MANIFEST).is_file():  # else another process was first
                    raise
                shutil.rmtree(source, ignore_errors=True)
            _sync_folder(self._folder)


class _RemoteStore:
    """Run folders in an object store, through fsspec; a put there is whole or not at all."""

    def __init__(self, root: str) -> None:
        self.root = root
        with _remote(f"{root}: cannot be opened"):
            import fsspec

            # Other processes write here too: what was listed a moment ago proves nothing.
            self._files, self._base = fsspec.core.url_to_fs(root, use_listings_cache=False)
        self._base = self._base.rstrip("/")

    def describe(self, prefix: str) -> str:
        return f"{self.root.rstrip('/')}/{prefix}"

    def local_path(self, prefix: str) -> Path | None:
        return None

    def names(self, prefix: str) -> list[str]:
        start = f"{self._base}/{prefix}/"
        with _remote(f"{self.describe(prefix)}: cannot be listed"):
            try:
                found = self._files.find(start)
            except FileNotFoundError:
                return []
        bare = start.lstrip("/")
        return [path.lstrip("/").removeprefix(bare) for path in found]

    def folders(self) -> list[str]:
        with _remote(f"{self.root}: cannot be listed"):
            try:
                found = self._files.ls(self._base, detail=False)
            except FileNotFoundError:
                return []
        return [PurePosixPath(path.rstrip("/")).name for path in found]

    def exists(self, key: str) -> bool:
        with _remote(f"{self.describe(key)}: cannot be read"):
            return bool(self._files.exists(f"{self._base}/{key}"))

    def read(self, key: str) -> bytes | None:
        with _remote(f"{self.describe(key)}: cannot be read"):
            try:
                return bytes(self._files.cat_file(f"{self._base}/{key}"))
            except FileNotFoundError:
                return None

    def write(self, key: str, data: bytes) -> None:
        path = f"{self._base}/{key}"
        with _remote(f"{self.describe(key)}: cannot be written"):
            self._files.makedirs(path.rsplit("/", 1)[0], exist_ok=True)
            self._files.pipe_file(path, data)

    def make(self, prefix: str) -> None:
        """Object stores have no empty folders."""

    def remove(self, prefix: str) -> None:
        with _remote(f"{self.describe(prefix)}: cannot be removed"), suppress(FileNotFoundError):
            self._files.rm(f"{self._base}/{prefix}", recursive=True)

    def publish(self, prefix: str, run_id: str, names: list[str]) -> None:
        if not self.exists(f"{run_id}/{MANIFEST}"):
            for name in names:  # the manifest comes last
                data = self.read(f"{prefix}/{name}")
                if data is None:
                    raise StorageError(f"{self.describe(prefix)}/{name}: gone before completion")
                self.write(f"{run_id}/{name}", data)
        self.remove(prefix)


@lru_cache(maxsize=64)
def open_store(runs: str) -> Store:
    """Return the store of a local folder or of an object-store URL."""
    return _RemoteStore(runs) if "://" in runs else _LocalStore(runs)


def _write_synced(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def make_folder(path: Path) -> None:
    """Make a folder and those above it, durably."""
    if path.is_dir():
        return
    make_folder(path.parent)
    path.mkdir(exist_ok=True)
    _sync_folder(path.parent)


def _sync_file(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _sync_folder(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _storage(what: str) -> Iterator[None]:
    """Turn what a disk or store says into one line."""
    try:
        yield
    except PipelineError:
        raise
    except OSError as error:
        raise StorageError(f"{what}: {error.strerror or error}") from error
    except (ValueError, ImportError) as error:
        raise StorageError(f"{what}: {error}") from error


@contextmanager
def _remote(what: str) -> Iterator[None]:
    """Turn what an object store's client says into one line; each has errors of its own."""
    try:
        with _storage(what):
            yield
    except PipelineError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise StorageError(f"{what}: {reason}") from error
