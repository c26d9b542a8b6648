from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pyarrow as pa
import pytest

from pipeline.core.errors import DamagedError, NotFoundError, PipelineError, StorageError
from pipeline.io.artefacts import begin_run, list_runs, open_run, resume_run, write_file

PLAN = "2026-03-02-1a2b3c4d"


@pytest.fixture(params=["folder", "file-url", "object-store"])
def runs(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return {
        "folder": str(tmp_path / "runs"),
        "file-url": f"file://{tmp_path}/runs",
        "object-store": f"memory://{uuid4().hex}/runs",
    }[request.param]


def fill(runs: str, name: str = "night") -> None:
    work = begin_run(runs, name)
    work.write_json("inputs.json", {"b": 1, "a": [1.5, None]})
    work.write_parquet("snapshot/spend.parquet", pa.table({"x": [1, 2]}))


def test_a_run_is_hidden_until_it_is_complete(runs: str) -> None:
    fill(runs)
    assert list_runs(runs) == []
    done = resume_run(runs, "night").complete(PLAN)
    assert list_runs(runs) == [PLAN]
    assert done.names() == ["inputs.json", "snapshot/spend.parquet"]
    assert done.read_json("inputs.json") == {"a": [1.5, None], "b": 1}
    assert done.read_parquet("snapshot/spend.parquet").to_pydict() == {"x": [1, 2]}
    assert done.damage() == []
    with pytest.raises(NotFoundError):
        resume_run(runs, "night")


def test_a_complete_run_cannot_be_written(runs: str) -> None:
    fill(runs)
    done = resume_run(runs, "night").complete(PLAN)
    with pytest.raises(PipelineError, match="cannot change"):
        done.write_json("inputs.json", {})


def test_completing_the_same_run_again_keeps_the_first(runs: str) -> None:
    fill(runs)
    first = resume_run(runs, "night").complete(PLAN).hashes()
    fill(runs, "again")
    resume_run(runs, "again").write_json("extra.json", 1)
    assert resume_run(runs, "again").complete(PLAN).hashes() == first
    assert list_runs(runs) == [PLAN]


def test_beginning_anew_forgets_what_an_interrupted_run_left(runs: str) -> None:
    fill(runs)
    assert begin_run(runs, "night").names() == []


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "a/b/c.json", ".hidden", "x", "A.json"])
def test_only_plain_file_names_are_used(runs: str, name: str) -> None:
    work = begin_run(runs, "night")
    with pytest.raises(PipelineError, match="not a name"):
        work.write_bytes(name, b"")


@pytest.mark.parametrize("run_id", ["..", "../up", "a/b", "", "x" * 65, "A", ".work"])
def test_only_ids_are_opened(runs: str, run_id: str) -> None:
    with pytest.raises(NotFoundError):
        open_run(runs, run_id)


def test_an_altered_missing_or_added_file_is_noticed(tmp_path: Path) -> None:
    runs = str(tmp_path)
    fill(runs)
    done = resume_run(runs, "night").complete(PLAN)
    spend = tmp_path / PLAN / "snapshot" / "spend.parquet"
    good = spend.read_bytes()
    for index in range(0, len(good), 37):
        spend.write_bytes(good[:index] + bytes([good[index] ^ 1]) + good[index + 1 :])
        assert done.damage() == ["snapshot/spend.parquet"]
        with pytest.raises(DamagedError, match="was altered"):
            done.read_parquet("snapshot/spend.parquet")
    spend.unlink()
    with pytest.raises(DamagedError, match="is gone"):
        done.read_bytes("snapshot/spend.parquet")
    (tmp_path / PLAN / "stray.json").write_text("{}")
    assert done.damage() == ["snapshot/spend.parquet", "stray.json"]


@pytest.mark.parametrize("manifest", [b"", b"{}", b"[]", b'{"run": "other", "files": {}}', b"\xff"])
def test_a_manifest_that_cannot_be_read_is_damage(tmp_path: Path, manifest: bytes) -> None:
    (tmp_path / PLAN).mkdir()
    (tmp_path / PLAN / "manifest.json").write_bytes(manifest)
    with pytest.raises(DamagedError):
        open_run(str(tmp_path), PLAN)


def test_the_same_content_has_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        fill(str(tmp_path / name))
    one, two = (resume_run(str(tmp_path / name), "night").hashes() for name in ("one", "two"))
    assert one == two


def test_a_number_that_is_not_finite_is_not_stored(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="not finite"):
        begin_run(str(tmp_path), "night").write_json("x.json", float("nan"))


def test_a_refusing_disk_leaves_the_old_file_and_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "published" / "plan.csv"
    write_file(target, b"old")

    def refuse(*args: Any) -> None:
        raise OSError(28, "No space left on device")

    for call in ("fsync", "replace"):
        with monkeypatch.context() as patch:
            patch.setattr(os, call, refuse)
            with pytest.raises(StorageError, match="No space left") as caught:
                write_file(target, b"new")
            assert "\n" not in str(caught.value)
        assert target.read_bytes() == b"old"
        assert [item.name for item in target.parent.iterdir()] == ["plan.csv"]


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError):
        begin_run(str(tmp_path / "file"), "night")


def _counted(count: list[int], stop_at: int, call: Callable[..., Any]) -> Callable[..., Any]:
    def step(*args: Any, **options: Any) -> Any:
        count[0] += 1
        if count[0] == stop_at:
            os.kill(os.getpid(), signal.SIGKILL)
        return call(*args, **options)

    return step


def test_a_kill_at_any_write_leaves_a_whole_run_or_none(tmp_path: Path) -> None:
    completed = 0
    for stop_at in range(1, 60):
        runs = str(tmp_path / str(stop_at))
        child = os.fork()
        if child == 0:
            count = [0]
            for name in ("fsync", "replace", "rename", "open", "mkdir"):
                setattr(os, name, _counted(count, stop_at, getattr(os, name)))
            fill(runs)
            resume_run(runs, "night").complete(PLAN)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        for run_id in list_runs(runs):
            assert open_run(runs, run_id).damage() == []
        fill(runs)
        assert resume_run(runs, "night").complete(PLAN).damage() == []
        if status == 0:
            completed = stop_at
            break
    assert completed > 10
