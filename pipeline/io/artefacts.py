"""What a run leaves behind: written whole or not at all, and read back only unaltered.

A run's files are written into a hidden work folder and become visible in one step, together
with a manifest of their hashes. Runs live in a local folder or under an object-store URL; there
the manifest, written last, is what makes a run complete.
"""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from pipeline.core.errors import DamagedError, NotFoundError, PipelineError
from pipeline.io.stores import MANIFEST, Store, open_store, write_file

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = [
    "RunFolder",
    "begin_run",
    "json_bytes",
    "list_runs",
    "list_work",
    "open_run",
    "parquet_bytes",
    "resume_run",
    "sha256",
    "write_file",
]

WORK_FOLDER = ".work"
_IDENTIFIER = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_FILE_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*(?:/[a-z0-9][a-z0-9_-]*)?\.[a-z0-9]{1,10}")


def sha256(data: bytes) -> str:
    """Return the hex digest."""
    return hashlib.sha256(data).hexdigest()


class RunFolder:
    """One run's files, by name, with `/` between a sub-folder and its file.

    While a run is at work it may be written; once complete it is read only, and each read is
    checked against the manifest.
    """

    def __init__(self, store: Store, prefix: str, manifest: dict[str, str] | None = None) -> None:
        self._store = store
        self._prefix = prefix
        self._manifest = manifest

    def __str__(self) -> str:
        return self._store.describe(self._prefix)

    @property
    def name(self) -> str:
        """The plan id of a complete run; the work name of one still at work."""
        return PurePosixPath(self._prefix).name

    @property
    def is_complete(self) -> bool:
        """Whether the run is finished, hence read only."""
        return self._manifest is not None

    @property
    def local_path(self) -> Path | None:
        """The folder on this machine, None for an object store."""
        return self._store.local_path(self._prefix)

    def names(self) -> list[str]:
        """Return the names of all files but the manifest, sorted."""
        if self._manifest is not None:
            return sorted(self._manifest)
        found = (name for name in self._store.names(self._prefix) if not _is_temporary(name))
        return sorted(name for name in found if name != MANIFEST)

    def exists(self, name: str) -> bool:
        """Return whether the run has the file."""
        if self._manifest is not None:
            return name in self._manifest
        return self._store.exists(f"{self._prefix}/{_checked(name)}")

    def hashes(self) -> dict[str, str]:
        """Return file name -> sha256: the manifest, or what it would be now."""
        if self._manifest is not None:
            return dict(self._manifest)
        return {name: sha256(self.read_bytes(name)) for name in self.names()}

    def folder(self, name: str) -> RunFolder:
        """Return a sub-folder as if it were a run of its own, read from only."""
        inside = None
        if self._manifest is not None:
            start = f"{name}/"
            inside = {
                key.removeprefix(start): value
                for key, value in self._manifest.items()
                if key.startswith(start)
            }
        return RunFolder(self._store, f"{self._prefix}/{_check_id(name)}", inside)

    def write_bytes(self, name: str, data: bytes) -> None:
        """Write one file; a second write replaces the first whole.

        Raises:
            StorageError: the store refuses.
            PipelineError: the run is complete.
        """
        if self._manifest is not None:
            raise PipelineError(f"run {self.name}: complete, its files cannot change")
        self._store.write(f"{self._prefix}/{_checked(name)}", data)

    def write_json(self, name: str, value: Any) -> None:
        """Write a value as sorted, indented JSON."""
        self.write_bytes(name, json_bytes(value))

    def write_parquet(self, name: str, table: pa.Table) -> None:
        """Write an Arrow table as parquet: same table, same bytes."""
        self.write_bytes(name, parquet_bytes(table))

    def read_bytes(self, name: str) -> bytes:
        """Return the file's bytes.

        Raises:
            NotFoundError: the run has no such file.
            DamagedError: a complete run's file is gone or altered.
        """
        key = f"{self._prefix}/{_checked(name)}"
        if self._manifest is None:
            data = self._store.read(key)
            if data is None:
                raise NotFoundError(f"run {self.name}: has no file {name}")
            return data
        expected = self._manifest.get(name)
        if expected is None:
            raise NotFoundError(f"run {self.name}: has no file {name}")
        data = self._store.read(key)
        if data is None or sha256(data) != expected:
            state = "is gone" if data is None else "was altered"
            raise DamagedError(
                f"run {self.name}: {name} {state} since the run was completed; "
                "restore it from a backup or run the night again"
            )
        return data

    def read_json(self, name: str) -> Any:
        """Return the JSON value of a file."""
        try:
            return json.loads(self.read_bytes(name))
        except ValueError as error:
            raise DamagedError(f"run {self.name}: {name} is not JSON: {error}") from error

    def read_parquet(self, name: str) -> pa.Table:
        """Return the Arrow table of a parquet file."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        data = self.read_bytes(name)
        try:
            # Not `read_table`, whose module imports pandas: a second of every night.
            return pq.ParquetFile(pa.BufferReader(data)).read(use_threads=False)
        except (pa.ArrowException, OSError) as error:
            raise DamagedError(f"run {self.name}: {name} is not parquet: {error}") from error

    def complete(self, run_id: str) -> RunFolder:
        """Make the run visible under `run_id`, durably, and return it read only.

        A run of that name that is already there stays as it is and is returned: the id holds
        the hash of the inputs, so it has the same content.
        """
        _check_id(run_id)
        manifest = self.hashes()
        self.write_bytes(MANIFEST, json_bytes({"run": run_id, "files": manifest}))
        self._store.publish(self._prefix, run_id, [*manifest, MANIFEST])
        return open_run(self._store.root, run_id)

    def discard(self) -> None:
        """Remove a run that is still at work."""
        if self._manifest is None:
            self._store.remove(self._prefix)

    def damage(self) -> list[str]:
        """Return every file that is gone or altered, and every one that does not belong."""
        if self._manifest is None:
            return []
        bad = []
        for name, expected in sorted(self._manifest.items()):
            data = self._store.read(f"{self._prefix}/{name}")
            if data is None or sha256(data) != expected:
                bad.append(name)
        known = {*self._manifest, MANIFEST}
        return bad + sorted(set(self._store.names(self._prefix)) - known)


def begin_run(runs: str, name: str) -> RunFolder:
    """Return an empty hidden work folder; what an interrupted run of that name left is removed."""
    store = open_store(runs)
    prefix = f"{WORK_FOLDER}/{_check_id(name)}"
    store.remove(prefix)
    store.make(prefix)
    return RunFolder(store, prefix)


def resume_run(runs: str, name: str) -> RunFolder:
    """Return the work folder that an earlier step of the same run began.

    Raises:
        NotFoundError: there is none.
    """
    store = open_store(runs)
    prefix = f"{WORK_FOLDER}/{_check_id(name)}"
    if not store.names(prefix):
        raise NotFoundError(f"run {name}: no work in progress under {runs}; start with extract")
    return RunFolder(store, prefix)


def open_run(runs: str, run_id: str) -> RunFolder:
    """Return a complete run, read only.

    Raises:
        NotFoundError: there is no such run, or it was never completed.
        DamagedError: its manifest cannot be read.
    """
    store = open_store(runs)
    data = store.read(f"{_check_id(run_id)}/{MANIFEST}")
    if data is None:
        raise NotFoundError(f"run {run_id}: not found under {runs}")
    try:
        manifest = json.loads(data)
        files = {_checked(str(name)): str(value) for name, value in manifest["files"].items()}
        belongs_to = str(manifest["run"])
    except (ValueError, KeyError, TypeError, AttributeError, PipelineError) as error:
        raise DamagedError(f"run {run_id}: its manifest cannot be read: {error}") from error
    if belongs_to != run_id:
        raise DamagedError(f"run {run_id}: its manifest is that of run {belongs_to}")
    return RunFolder(store, run_id, files)


def list_runs(runs: str) -> list[str]:
    """Return the ids of all complete runs, sorted."""
    store = open_store(runs)
    return sorted(
        name
        for name in store.folders()
        if _IDENTIFIER.fullmatch(name) and store.exists(f"{name}/{MANIFEST}")
    )


def list_work(runs: str) -> list[str]:
    """Return the names of all runs that are at work, or were when they were interrupted."""
    files = open_store(runs).names(WORK_FOLDER)
    return sorted({PurePosixPath(name).parts[0] for name in files})


def json_bytes(value: Any) -> bytes:
    """Return sorted, indented JSON with a final newline: what people can read and diff.

    Raises:
        PipelineError: a number is not finite.
    """
    try:
        text = json.dumps(value, sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False)
    except ValueError as error:
        raise PipelineError(f"a number that is not finite cannot be stored: {error}") from error
    return (text + "\n").encode("utf-8")


def parquet_bytes(table: pa.Table) -> bytes:
    """Return the table as parquet bytes, the same for the same table."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd", store_schema=True)
    return bytes(sink.getvalue())


def _check_id(name: str) -> str:
    if not _IDENTIFIER.fullmatch(name):
        raise NotFoundError(f"run {name!r}: not an id; need lower-case letters, digits, - and _")
    return name


def _checked(name: str) -> str:
    if not _FILE_NAME.fullmatch(name):
        raise PipelineError(f"file {name!r}: not a name that a run may use")
    return name


def _is_temporary(name: str) -> bool:
    return PurePosixPath(name).name.startswith(".")
