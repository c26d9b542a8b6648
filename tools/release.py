"""`make release KEY=…`: the wheel, its bill of materials, and a signed word on where it came from.

The wheel is built twice, from what is committed, at two places with other clocks, languages and
rights: only one that comes out the same, byte for byte, is released. The word is an in-toto
statement in a DSSE envelope, signed with Ed25519, so that anybody with the public key can build the
commit again and see whether it is the wheel that they were given (`make verify-release`).
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

sys.path.insert(0, str(Path(__file__).resolve().parent))
from bill import bill_of

ROOT = Path(__file__).resolve().parents[1]
BILL, WORD = "bill-of-materials.cdx.json", "provenance.intoto.json"
_TYPE = "application/vnd.in-toto+json"
_PLACES = ({"TZ": "UTC", "LC_ALL": "C"}, {"TZ": "Pacific/Kiritimati", "LC_ALL": "C.UTF-8"})


class ReleaseError(Exception):
    """The release cannot be made, or is not what it says."""


def build(repository: Path, commit: str, out: Path, number: int = 0) -> Path:
    """Return the wheel of a commit, built somewhere of its own."""
    archive = _git(repository, "archive", commit)
    moment = _git(repository, "log", "-1", "--format=%ct", commit).decode().strip()
    with tempfile.TemporaryDirectory(prefix=f"release-{number}-") as place:
        tree = Path(place) / ("a" * (number + 1))
        with tarfile.open(fileobj=io.BytesIO(archive)) as packed:
            packed.extractall(tree, filter="data")
        for path in tree.rglob("*"):
            os.utime(path, (number, number))
        environment = {**os.environ, **_PLACES[number], "SOURCE_DATE_EPOCH": moment}
        done = subprocess.run(
            [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out)],
            cwd=tree, env=environment, capture_output=True, text=True, check=False,
            umask=(0o022, 0o077)[number],
        )  # fmt: skip
    wheels = list(out.glob("*.whl"))
    if done.returncode or len(wheels) != 1:
        raise ReleaseError(f"the wheel could not be built: {done.stderr.strip()[-300:]}")
    return wheels[0]


def release(repository: Path, out: Path, key: Ed25519PrivateKey) -> Path:
    """Write wheel, bill and signed word into a new folder, and return the word.

    Raises:
        ReleaseError: something is not committed, or two builds differ.
    """
    if _git(repository, "status", "--porcelain", "--untracked-files=no").strip():
        raise ReleaseError("something is not committed; a release is of a commit")
    commit = _git(repository, "rev-parse", "HEAD").decode().strip()
    out.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as second:
        wheel, again = build(repository, commit, out), build(repository, commit, Path(second), 1)
        if _digest(wheel) != _digest(again):
            raise ReleaseError("two builds of one commit differ; look at what reads place or time")
    name, version = wheel.name.split("-")[:2]
    lock = _git(repository, "show", f"{commit}:requirements.txt")
    bill = bill_of_bytes(lock, name, version)
    (out / BILL).write_text(json.dumps(bill, indent=1) + "\n", encoding="utf-8")
    return sign(out, statement(wheel, out / BILL, commit, lock), key)


def sign(folder: Path, word: dict[str, Any], key: Ed25519PrivateKey) -> Path:
    """Write the statement in its signed envelope, and return the file."""
    payload = json.dumps(word, sort_keys=True).encode()
    envelope = {
        "payloadType": _TYPE,
        "payload": base64.b64encode(payload).decode(),
        "signatures": [{"sig": base64.b64encode(key.sign(_signed(payload))).decode()}],
    }
    (folder / WORD).write_text(json.dumps(envelope, indent=1) + "\n", encoding="utf-8")
    return folder / WORD


def verify(repository: Path, folder: Path, key: Ed25519PublicKey) -> str:
    """Return the commit that the folder's wheel was built from, after it was built again.

    Raises:
        ReleaseError: another signature, another file, or a wheel that is not of the commit.
    """
    envelope = json.loads((folder / WORD).read_bytes())
    payload = base64.b64decode(envelope["payload"])
    try:
        key.verify(base64.b64decode(envelope["signatures"][0]["sig"]), _signed(payload))
    except InvalidSignature as error:
        raise ReleaseError(f"{WORD}: not signed with this key, or changed since") from error
    word = json.loads(payload)
    stated = {item["name"]: item["digest"]["sha256"] for item in word["subject"]}
    there = {path.name for path in folder.iterdir()} - {WORD}
    if there != stated.keys():
        raise ReleaseError(f"the folder holds {sorted(there)}, signed are {sorted(stated)}")
    for name, digest in stated.items():
        if _digest(folder / name) != digest:
            raise ReleaseError(f"{name}: its bytes are not what was signed")
    commit: str = word["predicate"]["buildDefinition"]["externalParameters"]["commit"]
    with tempfile.TemporaryDirectory() as place:
        wheel = build(repository, commit, Path(place))
        if stated.get(wheel.name) != _digest(wheel):
            raise ReleaseError(f"{wheel.name}: commit {commit} gives another wheel")
    return commit


def statement(wheel: Path, bill: Path, commit: str, lock: bytes) -> dict[str, Any]:
    """Return the in-toto statement with SLSA provenance: what, made from what, and how."""
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [
            {"name": path.name, "digest": {"sha256": _digest(path)}} for path in (wheel, bill)
        ],
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {
            "buildDefinition": {
                "buildType": "tools/release.py",
                "externalParameters": {"commit": commit},
                "resolvedDependencies": [
                    {"uri": "git", "digest": {"gitCommit": commit}},
                    {
                        "name": "requirements.txt",
                        "digest": {"sha256": hashlib.sha256(lock).hexdigest()},
                    },
                ],
            },
            "runDetails": {"builder": {"id": "make release"}},
        },
    }


def bill_of_bytes(lock: bytes, name: str, version: str) -> dict[str, Any]:
    """Return the bill of a lock that is not in a file of its own."""
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "requirements.txt"
        path.write_bytes(lock)
        return bill_of(path, name, version)


def _signed(payload: bytes) -> bytes:
    """Return what a DSSE signature is over."""
    kind = _TYPE.encode()
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _git(repository: Path, *arguments: str) -> bytes:
    done = subprocess.run(
        ["git", "-C", str(repository), *arguments],  # noqa: S607
        capture_output=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise ReleaseError(f"git {arguments[0]}: {done.stderr.decode().strip()}")
    return done.stdout


def main() -> int:
    """Release into a folder, or verify one."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("what", choices=["make", "verify"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--key", type=Path, required=True, help="PEM: private, or public to verify")
    options = parser.parse_args()
    try:
        if options.what == "make":
            private = load_pem_private_key(options.key.read_bytes(), None)
            assert isinstance(private, Ed25519PrivateKey), "need an Ed25519 key"
            print(release(ROOT, options.folder, private))
        else:
            public = load_pem_public_key(options.key.read_bytes())
            assert isinstance(public, Ed25519PublicKey), "need an Ed25519 key"
            print(f"built again from {verify(ROOT, options.folder, public)}: the same bytes")
    except (ReleaseError, OSError, ValueError, AssertionError) as error:
        print(f"release: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
