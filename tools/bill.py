"""`make advisories`: what the software is made of, and which of it has known weaknesses.

The bill of materials is CycloneDX 1.6, read from the lock, so that it names what is installed and
the hashes that it is installed by. Weaknesses are asked of an OSV service, in one call per hundred.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import uuid
from datetime import date
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).resolve().parents[1]
LOCK = ROOT / "requirements.txt"
ACCEPTED = ROOT / "tools" / "accepted-advisories.json"
SERVICE = "https://api.osv.dev"
DAYS_TO_FIX = 7
_PART = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)(?:\s*;\s*([^\\]+?))?\s*\\?$")
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")
_BATCH = 100


def bill_of(lock: Path, name: str, version: str) -> dict[str, Any]:
    """Return the CycloneDX bill of everything that a lock installs; the same lock, the same bill.

    Raises:
        ValueError: a line names a package without a hash.
    """
    parts = []
    for entry in re.split(r"\n(?=\S)", lock.read_text(encoding="utf-8").strip()):
        found = _PART.match(entry.splitlines()[0].strip())
        if found is None:
            continue
        package, release, marker = found.groups()
        hashes = _HASH.findall(entry)
        if not hashes:
            raise ValueError(f"{lock.name}: {package} has no hash; run make lock")
        address = f"pkg:pypi/{package.lower()}@{release}"
        notes = [{"name": "python:hash", "value": f"sha256:{item}"} for item in hashes]
        if marker:
            notes.append({"name": "python:marker", "value": marker.strip()})
        parts.append(
            {
                "type": "library", "bom-ref": address, "name": package, "version": release,
                "purl": address, "properties": notes,
            }
        )  # fmt: skip
    body = json.dumps(parts, sort_keys=True)
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, f'{name}{version}{body}')}",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application", "bom-ref": name, "name": name, "version": version,
            }
        },
        "components": parts,
        "dependencies": [{"ref": name, "dependsOn": [part["bom-ref"] for part in parts]}],
    }  # fmt: skip


def known_weaknesses(bill: dict[str, Any], service: str) -> dict[str, list[str]]:
    """Return advisory -> the parts that it is about.

    Raises:
        httpx.HTTPError: the service cannot be asked, which is not the same as nothing being known.
    """
    addresses = [part["purl"] for part in bill["components"]]
    found: dict[str, list[str]] = {}
    for start in range(0, len(addresses), _BATCH):
        asked = addresses[start : start + _BATCH]
        answer = httpx.post(
            f"{service}/v1/querybatch",
            json={"queries": [{"package": {"purl": address}} for address in asked]},
            timeout=60,
        )
        answer.raise_for_status()
        results = answer.json()["results"]
        if len(results) != len(asked):
            raise httpx.DecodingError(f"asked about {len(asked)} parts, {len(results)} answers")
        for address, result in zip(asked, results, strict=True):
            for advisory in result.get("vulns", []):
                found.setdefault(advisory["id"], []).append(address)
    return dict(sorted(found.items()))


def unaccepted(
    found: dict[str, list[str]], accepted: dict[str, dict[str, str]], today: date
) -> list[str]:
    """Return what has to be mended now: a weakness nobody accepted, or accepted until yesterday."""
    problems = []
    for advisory, parts in found.items():
        reason = accepted.get(advisory)
        what = f"{advisory}: {', '.join(parts)}"
        if reason is None:
            problems.append(f"{what}; upgrade within {DAYS_TO_FIX} days, or say why not")
        elif date.fromisoformat(reason["until"]) < today:
            problems.append(f"{what}; was accepted until {reason['until']}: {reason['why']}")
    return problems


def main(arguments: list[str] | None = None) -> int:
    """Ask about every part of the lock; 1 if something is to be mended, 2 if nobody could tell."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--service", default=SERVICE, help="the OSV service to ask")
    parser.add_argument("--lock", type=Path, default=LOCK)
    parser.add_argument("--accepted", type=Path, default=ACCEPTED)
    options = parser.parse_args(arguments)
    bill = bill_of(options.lock, "equimarginal", "lock")
    try:
        found = known_weaknesses(bill, options.service)
    except (httpx.HTTPError, KeyError, ValueError) as error:
        print(f"advisories: the service could not be asked: {error}", file=sys.stderr)
        return 2
    accepted = json.loads(options.accepted.read_text(encoding="utf-8"))
    problems = unaccepted(found, accepted, date.today())
    for problem in problems:
        print(problem)
    print(
        f"advisories: {len(bill['components'])} parts, {len(found)} advisories, "
        f"{len(problems)} to mend",
        file=sys.stderr,
    )
    return int(bool(problems))


if __name__ == "__main__":
    sys.exit(main())
