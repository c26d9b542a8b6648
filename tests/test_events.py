"""The page of events names what is read, and the files that it says check it."""

from __future__ import annotations

import re
from pathlib import Path

from pipeline.io import contacts, exposures, offer_first_look, offer_log, offer_rewards

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "events.md").read_text(encoding="utf-8")
ROWS = [
    [cell.strip() for cell in line.split("|")[1:-1]] for line in PAGE.splitlines() if "|" in line
]
READ = {
    "exposures": {*exposures.KEYS, *exposures.NUMBERS, exposures.HOLDOUT, "person"},
    "decisions": {*offer_first_look.NEEDED, *offer_log.OPTIONAL},
    "rewards": set(offer_rewards.NEEDED),
    "contacts": {"date", "dose", "bucket", *contacts.NUMBERS, "person"},
}


def columns(source: str) -> set[str]:
    cells = [row[3] for row in ROWS if len(row) == 4 and f"`{source}`" in row[2]]
    return {name for cell in cells for name in re.findall(r"`(\w+)`", cell)}


def test_every_column_that_is_read_is_said_and_no_other() -> None:
    assert {source: columns(source) for source in READ} == READ


def test_every_file_that_is_named_is_there() -> None:
    named = re.findall(r"`((?:pipeline|sql|expectations)/[\w/.]+)`", PAGE)
    assert len(named) > 15
    assert [name for name in named if not (ROOT / name).exists()] == []
