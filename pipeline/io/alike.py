"""Names that a person reads as one and a table holds as two: spelt with other cases or blanks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from pipeline.core.findings import Finding, Level
from pipeline.core.likeness import likeness
from pipeline.io.checks import printable

SHOWN = 3


def alike_findings(source: str, column: str, names: Iterable[str]) -> list[Finding]:
    """Return a finding where names of a column look alike: each of them is decided for alone."""
    groups: dict[str, list[str]] = defaultdict(list)
    for name in sorted(set(names)):
        groups[likeness(name)].append(name)
    found = [group for group in groups.values() if len(group) > 1]
    if not found:
        return []
    said = "; ".join(" and ".join(repr(name) for name in group) for group in found[:SHOWN])
    more = f"; and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    return [
        Finding(
            level=Level.REVIEW,
            check="names-alike",
            message=printable(
                f"{source}: column {column}: {said}{more} look alike and are kept apart"
            ),
            advice="write each name in one way, or leave them if they are two",
            source=source,
            column=column,
        )
    ]
