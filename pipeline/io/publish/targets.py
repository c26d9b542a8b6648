"""Which campaign or ad set on a platform a line is, read from source rows and frozen at night.

Names can be changed and copied on a platform, ids cannot. So budgets travel by id, and the night
keeps which line had which id in the rows that it read: a file that is edited between the signature
and the publication sends no money elsewhere.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.core.destinations import Destination
from pipeline.core.findings import Finding, Level
from pipeline.core.policy import Policy
from pipeline.core.types import Line, in_scope, line_label
from pipeline.io.artefacts import RunFolder
from pipeline.io.sources.snapshot import read_source
from pipeline.io.sources.tables import TextTable

TARGETS = "snapshot/targets.json"
_DETAILS = ("campaign_id", "campaign", "group")


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What a line is on a platform; empty texts where the rows do not say."""

    id: str
    campaign_id: str = ""
    campaign: str = ""
    group: str = ""


def freeze_targets(policy: Policy, base: Path, work: RunFolder) -> list[Finding]:
    """Write each destination's ids, and return what keeps lines from being sent.

    Args:
        base: the portfolio folder, which relative paths start from.
    """
    if not policy.destinations:
        return []
    found: dict[str, Any] = {}
    findings: list[Finding] = []
    for name, destination in sorted(policy.destinations.items()):
        if not destination.needs_ids:
            continue
        known, problems = _targets(policy, destination, base)
        found[name] = [
            {"line": list(line), **_as_json(target)} for line, target in sorted(known.items())
        ]
        findings += [
            Finding(
                level=Level.REVIEW,
                check="destination",
                message=f"destination {name}: {problem}",
                advice="what cannot be named by its id is not sent; its budget is in the files",
                source=name,
            )
            for problem in problems
        ]
    work.write_json(TARGETS, found)
    return findings


def read_targets(run: RunFolder, name: str) -> Mapping[Line, Target] | None:
    """Return the ids of a destination that the night knew; None where it knew of none."""
    if not run.exists(TARGETS):
        return None
    rows = run.read_json(TARGETS).get(name)
    if rows is None:
        return None
    return {
        tuple(row["line"]): Target(**{key: row[key] for key in ("id", *_DETAILS)}) for row in rows
    }


def _as_json(target: Target) -> dict[str, str]:
    return {key: getattr(target, key) for key in ("id", *_DETAILS)}


def _targets(
    policy: Policy, destination: Destination, base: Path
) -> tuple[dict[Line, Target], list[str]]:
    """Return line -> target in the newest rows, and what is wrong with the others."""
    source = destination.ids or policy.sources.spend
    read = read_source(source, base)
    if read.problems:
        return {}, [str(problem) for problem in read.problems]
    names = [source.columns.get(column, column) for column in policy.line]
    wanted = [*names, destination.id_column]
    found: dict[Line, dict[Target, str]] = defaultdict(dict)
    for table in read.tables:
        if missing := [name for name in wanted if name not in table.names]:
            return {}, [f"{table.name}: has no column {missing[0]!r} for its ids"]
        day = source.columns.get("date", "date")
        for row in _distinct(table, (*wanted, *_DETAILS), day):
            line = tuple(row[: len(names)])
            if not in_scope(line, policy.line, destination.scope):
                continue
            target = Target(
                id=row[len(names)], **dict(zip(_DETAILS, row[len(names) + 1 : -1], strict=True))
            )
            found[line][target] = max(found[line].get(target, ""), row[-1])
    return _unambiguous(found)


def _distinct(table: TextTable, columns: Sequence[str], day: str) -> list[list[str]]:
    """Return the distinct values of the columns, each with the newest day that has them."""
    import pyarrow as pa

    blank = pa.repeat(pa.scalar("", pa.string()), len(table.row))
    parts = {
        f"c{index}": table.columns[table.names.index(name)] if name in table.names else blank
        for index, name in enumerate((*columns, day))
    }
    keys = list(parts)[:-1]
    grouped = pa.table(parts).group_by(keys).aggregate([(f"c{len(keys)}", "max")])
    names = [*keys, f"c{len(keys)}_max"]
    rows = zip(*(grouped.column(name).to_pylist() for name in names), strict=True)
    return [[value or "" for value in row] for row in rows]


def _unambiguous(
    found: Mapping[Line, Mapping[Target, str]],
) -> tuple[dict[Line, Target], list[str]]:
    """Return the lines that have one id which no other line has, and what the others have."""
    known: dict[Line, Target] = {}
    problems: list[str] = []
    for line, days in sorted(found.items()):
        newest = max(days.values())
        now = sorted(
            (target for target, day in days.items() if day == newest), key=lambda item: item.id
        )
        ids = {target.id for target in now}
        if len(ids) > 1:
            problems.append(
                f"line {line_label(line)} is {len(ids)} campaigns ({', '.join(sorted(ids)[:3])}); "
                "its budget cannot be shared out among them"
            )
        elif not now[0].id:
            problems.append(f"line {line_label(line)} has no id")
        else:
            known[line] = now[-1]
    owners: dict[str, list[Line]] = defaultdict(list)
    for line, target in known.items():
        owners[target.id].append(line)
    for identity, lines in sorted(owners.items()):
        if len(lines) > 1:
            names = ", ".join(line_label(line) for line in lines[:3])
            problems.append(f"id {identity} belongs to {len(lines)} lines ({names})")
            for line in lines:
                del known[line]
    return known, problems
