"""Which campaign a line is: frozen with the night, and nothing is guessed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pipeline.io.artefacts import begin_run
from pipeline.io.publish.targets import TARGETS, freeze_targets, read_targets
from tests.io.ledger.conftest import make_policy
from tests.runs.shop import write_csv

GOOGLE = {"to": "google_ads", "connection": "ads", "account": "1"}


def frozen(tmp_path: Path, rows: list[dict[str, Any]] | None, **changes: Any) -> Any:
    if rows is not None:
        write_csv(tmp_path / "spend.csv", rows)
    policy = make_policy(
        sources={"spend": {"path": "spend.csv"}, "outcomes": {"path": "x"}},
        destinations={"google": {**GOOGLE, **changes}},
    )
    work = begin_run(str(tmp_path / "runs"), "night-a")
    return work, freeze_targets(policy, tmp_path, work)


def row(channel: str, identity: str, day: str = "2026-11-21") -> dict[str, Any]:
    return {"date": day, "channel": channel, "spend": 1, "campaign_id": identity}


def test_a_line_is_the_campaign_of_its_newest_rows(tmp_path: Path) -> None:
    rows = [row("search", "1", "2026-11-01"), row("search", "2"), row("social", "3")]
    work, findings = frozen(tmp_path, rows)
    known = read_targets(work, "google")
    assert known is not None
    assert {line[0]: target.id for line, target in known.items()} == {"search": "2", "social": "3"}
    assert findings == []
    assert read_targets(work, "meta") is None


def test_only_lines_of_the_scope_are_looked_for(tmp_path: Path) -> None:
    work, _ = frozen(tmp_path, [row("search", "1"), row("tv", "")], scope={"channel": "search"})
    known = read_targets(work, "google")
    assert known is not None
    assert set(known) == {("search",)}


def test_what_cannot_be_named_is_a_finding_and_no_target(tmp_path: Path) -> None:
    rows = [row("a", "1"), row("a", "2"), row("b", ""), row("c", "9"), row("d", "9"), row("e", "5")]
    work, findings = frozen(tmp_path, rows)
    known = read_targets(work, "google")
    assert known is not None
    assert set(known) == {("e",)}
    said = " | ".join(item.message for item in findings)
    for part in ("line a is 2 campaigns", "line b has no id", "id 9 belongs to 2 lines (c, d)"):
        assert part in said


def test_a_table_that_cannot_be_read_names_nobody(tmp_path: Path) -> None:
    work, findings = frozen(tmp_path, None)
    assert read_targets(work, "google") == {}
    assert len(findings) == 1


def test_a_table_without_ids_says_which_column_it_lacks(tmp_path: Path) -> None:
    rows = [{"date": "2026-11-21", "channel": "search", "spend": 1}]
    _, findings = frozen(tmp_path, rows)
    assert "has no column 'campaign_id' for its ids" in findings[0].message


def test_a_run_of_before_the_destination_knows_of_none(tmp_path: Path) -> None:
    work = begin_run(str(tmp_path / "runs"), "night-a")
    assert not work.exists(TARGETS)
    assert read_targets(work, "google") is None
