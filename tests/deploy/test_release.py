"""A release is the same bytes wherever it is built, signed, and known down to its parts."""

from __future__ import annotations

import importlib
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.loopback import Answer, Asked, serve

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def tools() -> Iterator[Any]:
    sys.path.insert(0, str(ROOT / "tools"))
    yield importlib.import_module
    sys.path.remove(str(ROOT / "tools"))


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tree as it is now, committed somewhere else."""
    place = tmp_path_factory.mktemp("release") / "repository"
    unwanted = shutil.ignore_patterns(".*", "__pycache__", "tests", "benchmarks", "docs", "dist")
    shutil.copytree(ROOT, place, ignore=unwanted)
    for command in (
        ["init", "-q"],
        ["add", "-A"],
        ["-c", "user.name=x", "-c", "user.email=x@y", "commit", "-q", "-m", "all"],
    ):
        subprocess.run(["git", "-C", str(place), *command], check=True)
    return place


@pytest.fixture(scope="module")
def key() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.generate()


@pytest.fixture(scope="module")
def released(tools: Any, repository: Path, key: Ed25519PrivateKey) -> Path:
    folder = repository.parent / "dist"
    word: Path = tools("release").release(repository, folder, key)
    assert word.parent == folder
    return folder


def test_a_release_built_again_elsewhere_is_the_same_bytes(
    tools: Any, repository: Path, key: Ed25519PrivateKey, released: Path
) -> None:
    release = tools("release")
    commit = release.verify(repository, released, key.public_key())
    assert re.fullmatch("[0-9a-f]{40}", commit)
    assert {path.suffix for path in released.iterdir()} == {".whl", ".json"}


@pytest.mark.parametrize("what", ["wheel", "bill", "word", "key", "extra", "lost"])
def test_what_is_not_what_was_released_is_refused(
    what: str, tools: Any, repository: Path, key: Ed25519PrivateKey, released: Path, tmp_path: Path
) -> None:
    release = tools("release")
    folder = tmp_path / "given"
    shutil.copytree(released, folder)
    (wheel,) = folder.glob("*.whl")
    if what == "wheel":
        wheel.write_bytes(wheel.read_bytes()[:-1] + b"x")
    elif what == "bill":
        (folder / release.BILL).write_text("{}")
    elif what == "word":
        text = (folder / release.WORD).read_text()
        (folder / release.WORD).write_text(re.sub(r'"payload": "(.)', '"payload": "f', text))
    elif what == "key":
        key = Ed25519PrivateKey.generate()
    elif what == "extra":
        (folder / "sitecustomize.py").write_text("")
    else:
        wheel.unlink()
    with pytest.raises(release.ReleaseError):
        release.verify(repository, folder, key.public_key())


def test_a_wheel_that_is_not_of_its_commit_is_refused_though_it_is_signed(
    tools: Any, repository: Path, key: Ed25519PrivateKey, released: Path, tmp_path: Path
) -> None:
    release = tools("release")
    folder = tmp_path / "given"
    shutil.copytree(released, folder)
    (wheel,) = folder.glob("*.whl")
    wheel.write_bytes(wheel.read_bytes() + b"\0")
    commit = subprocess.check_output(["git", "-C", str(repository), "rev-parse", "HEAD"], text=True)
    word = release.statement(wheel, folder / release.BILL, commit.strip(), b"")
    release.sign(folder, word, key)
    with pytest.raises(release.ReleaseError, match="gives another wheel"):
        release.verify(repository, folder, key.public_key())


def test_only_what_is_committed_is_released(
    tools: Any, repository: Path, key: Ed25519PrivateKey, tmp_path: Path
) -> None:
    changed = tmp_path / "changed"
    shutil.copytree(repository, changed)
    (changed / "README.md").write_text("another one")
    with pytest.raises(tools("release").ReleaseError, match="not committed"):
        tools("release").release(changed, tmp_path / "out", key)
    assert not (tmp_path / "out").exists()


def test_the_bill_names_every_locked_package_with_its_hashes(tools: Any) -> None:
    text = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    bill = tools("bill").bill_of(ROOT / "requirements.txt", "equimarginal", "1")
    locked = re.findall(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", text, re.MULTILINE)
    assert [(part["name"], part["version"]) for part in bill["components"]] == locked
    hashes = [item for part in bill["components"] for item in part["properties"]]
    stated = [item["value"] for item in hashes if item["name"] == "python:hash"]
    assert len(stated) == text.count("--hash=sha256:")
    assert bill == tools("bill").bill_of(ROOT / "requirements.txt", "equimarginal", "1")


def test_a_package_without_a_hash_is_refused(tools: Any, tmp_path: Path) -> None:
    (tmp_path / "lock.txt").write_text("a==1 \\\n    --hash=sha256:" + "0" * 64 + "\nb==2\n")
    with pytest.raises(ValueError, match="b has no hash"):
        tools("bill").bill_of(tmp_path / "lock.txt", "x", "1")


def ask(tools: Any, tmp_path: Path, answer: Any, accepted: dict[str, Any]) -> int:
    hash_line = " \\\n    --hash=sha256:" + "0" * 64 + "\n"
    lock, list_of_accepted = tmp_path / "lock.txt", tmp_path / "accepted.json"
    lock.write_text("".join(f"package{number}==1{hash_line}" for number in range(150)))
    list_of_accepted.write_text(json.dumps(accepted))
    with serve(answer) as url:
        code: int = tools("bill").main(
            ["--service", url, "--lock", str(lock), "--accepted", str(list_of_accepted)]
        )
    return code


def weak(asked: Asked) -> Answer:
    """Know one weakness, of one package of the second call."""
    queries = [item["package"]["purl"] for item in asked.json["queries"]]
    known = [{"vulns": [{"id": "X-1"}]} if "package120@" in address else {} for address in queries]
    return Answer({"results": known})


@pytest.mark.parametrize(
    ("accepted", "code", "says"),
    [
        ({}, 1, "X-1: pkg:pypi/package120@1; upgrade within 7 days"),
        ({"X-1": {"until": "2020-01-01", "why": "not used"}}, 1, "was accepted until 2020-01-01"),
        ({"X-1": {"until": date.max.isoformat(), "why": "not used"}}, 0, ""),
    ],
)
def test_a_known_weakness_is_to_be_mended_unless_it_is_accepted_for_now(
    tools: Any, tmp_path: Path, capsys: Any, accepted: dict[str, Any], code: int, says: str
) -> None:
    assert ask(tools, tmp_path, weak, accepted) == code
    found = capsys.readouterr()
    assert says in found.out
    assert "150 parts, 1 advisories" in found.err


@pytest.mark.parametrize(
    "answer", [Answer({}, 503), Answer({"results": []}), Answer({"error": "x"})]
)
def test_a_service_that_does_not_answer_is_not_good_news(
    tools: Any, tmp_path: Path, capsys: Any, answer: Answer
) -> None:
    assert ask(tools, tmp_path, lambda _: answer, {}) == 2
    assert "could not be asked" in capsys.readouterr().err


def test_nothing_is_accepted_without_a_reason_and_a_day() -> None:
    accepted = json.loads((ROOT / "tools" / "accepted-advisories.json").read_text("utf-8"))
    for item in accepted.values():
        assert item["why"]
        assert date.fromisoformat(item["until"])
