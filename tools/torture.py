"""`make torture`: break everything that can break, many times, and say what that did.

Each campaign counts its cases; one seed is one replay. A failure is one line that names its case.
A long campaign can be run in parts, one seed each: `--keep` adds each part to docs/torture.json,
from which `python -m benchmarks.numbers docs/governance.md` fills the table.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")

from tests.kept import code, keep  # noqa: E402

KEPT = "torture.json"


def campaigns() -> dict[str, tuple[int, Callable[..., Any]]]:
    """Return each campaign with its count at scale 1: the figures that a release is held to."""
    from tests.torture import (
        accidents,
        crowds,
        deliveries,
        files,
        nights,
        splits,
        tampering,
        upgrades,
        year,
    )

    return {
        "kills": (10_000, accidents.kills),
        "faults": (10_000, accidents.faults),
        "powercuts": (1_000, accidents.powercuts),
        "deliveries": (2_000, deliveries.deliveries),
        "upgrades": (1_000, upgrades.upgrades),
        "clean-days": (365, year.clean_days),
        "nights": (10_000, nights.nights),
        "machine": (40_000, crowds.machine_steps),
        "races": (100, crowds.races),
        "files": (10_000, files.files),
        "plan-bytes": (10_000, tampering.plan_bytes),
        "audit-edits": (10_000, tampering.audit_edits),
        "hostile-plans": (300_000, tampering.hostile_plans),
        "money": (1_000_000, tampering.money),
        "splits": (10_000, splits.splits),
    }


def main() -> int:
    """Run the campaigns that were asked for; 1 if anything failed."""
    arguments = _arguments()
    from tests.torture import disk

    if why := disk.missing():
        print(f"torture: the disk's campaigns cannot run: {why}", file=sys.stderr)
    else:
        disk.start_again_with_disk()
    known, ran = campaigns(), code()
    if unknown := set(arguments.campaign) - known.keys():
        print(
            f"torture: no campaign {', '.join(sorted(unknown))}; there are {', '.join(known)}",
            file=sys.stderr,
        )
        return 2
    results = {}
    for name in arguments.campaign or known:
        full, run = known[name]
        count = max(1, round(full * arguments.scale))
        results[name] = _measured(name, run, count, arguments.seed, 60 * arguments.minutes)
        if arguments.keep:
            counts = {key: value for key, value in results[name].items() if key != "failures"}
            keep(
                ROOT / "docs" / KEPT,
                {"campaign": name, "code": ran, "seed": arguments.seed, **counts},
            )
    if not disk.missing():
        disk.forget_library()
    if arguments.json:
        print(json.dumps(results, indent=1))
    return int(any(result["failed"] for result in results.values()))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("campaign", nargs="*", help="default: all")
    parser.add_argument("--scale", type=float, default=1.0, help="1 is what a release is held to")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="the counts as JSON, at the end")
    parser.add_argument(
        "--minutes",
        type=float,
        default=math.inf,
        help="end each campaign then; what was done counts",
    )
    parser.add_argument("--keep", action="store_true", help="add the counts to docs/torture.json")
    return parser.parse_args()


def _measured(
    name: str, run: Callable[..., Any], count: int, seed: int, most_seconds: float
) -> dict[str, Any]:
    from tests.torture.report import EnoughError, Outcome

    began, last, used = time.monotonic(), time.monotonic(), _cpu_seconds()

    def tell(done: int, of: int) -> None:
        nonlocal last
        if time.monotonic() - began > most_seconds:
            raise EnoughError
        if time.monotonic() - last > 20:
            last = time.monotonic()
            print(f"  {name}: {done} of {of}, {last - began:.0f} s", file=sys.stderr, flush=True)

    try:
        outcome = run(count, seed, tell)
    except EnoughError:
        outcome = Outcome.newest
    seconds = time.monotonic() - began
    notes = "".join(f", {text} {value}" for text, value in outcome.notes.items())
    verdict = f"{outcome.failed} FAILED" if outcome.failed else "0 failed"
    print(
        f"{name}: {outcome.cases} {outcome.unit}, {verdict}{notes}; seed {seed}, {seconds:.0f} s",
        file=sys.stderr,
        flush=True,
    )
    return {
        "cases": outcome.cases, "failed": outcome.failed, "seconds": round(seconds, 1),
        "cpu_seconds": round(_cpu_seconds() - used, 1),
        "notes": outcome.notes, "failures": outcome.failures,
    }  # fmt: skip


def _cpu_seconds() -> float:
    """Return what this process and its children that ended have used."""
    return sum(
        usage.ru_utime + usage.ru_stime
        for usage in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    )


if __name__ == "__main__":
    sys.exit(main())
