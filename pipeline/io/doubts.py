"""Which lines the night holds because their newest days are in doubt."""

from __future__ import annotations

from pipeline.core.types import Line
from pipeline.io.artefacts import RunFolder
from pipeline.io.facts import Facts
from pipeline.io.line_outcomes import LATE
from pipeline.io.warehouse import UNTRUSTED


def newest_doubted(work: RunFolder, facts: Facts) -> frozenset[Line]:
    """Return the lines in whose newest spend, or newest outcomes, the gate found a fault.

    Days that no outcome covers yet are unknown, which is no doubt of any line, and so are those of
    a line that is always late: what comes a day late would else be held for ever.
    """
    if not work.exists(UNTRUSTED):
        return frozenset()
    newest, reported = facts.days[-1].isoformat(), facts.reported().days[-1].isoformat()
    return frozenset(
        tuple(cell["line"])
        for cell in work.read_json(UNTRUSTED)
        if cell["check"] != LATE and cell["day"] >= (reported if cell["spend"] is None else newest)
    )
