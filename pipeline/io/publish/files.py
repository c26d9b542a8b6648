"""Publishes an approved plan to a folder: sheet, JSON, and a manifest last. Safe to run again.

The ledger holds, line by line, what is intended, sent and confirmed by reading it back. Files are
whole or absent and their bytes depend on the plan alone, so a publication that was interrupted is
simply written again.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pipeline.core.errors import DamagedError, StorageError
from pipeline.core.kinds import KINDS
from pipeline.core.plan import Kind
from pipeline.io.artefacts import json_bytes, sha256, write_file
from pipeline.io.ledger import Actor, Ledger, PlanRecord, Publication
from pipeline.io.ledger.records import PublicationRow
from pipeline.io.ledger.states import PublicationStatus, RowStatus
from pipeline.io.publish.sheets import amounts_json, formula_reason, read_sheet, sheet_bytes

MANIFEST, LATEST = "manifest.json", "latest.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedFiles:
    """Where a plan was published, and the lines that the sheet could not carry."""

    folder: Path
    publication: Publication

    @property
    def left_out(self) -> list[tuple[str, str]]:
        """Line and reason of every row that is not in the sheet."""
        return [
            ("/".join(row.line), row.why)
            for row in self.publication.rows
            if row.status is RowStatus.REFUSED
        ]


def publish_files(record: PlanRecord, ledger: Ledger, actor: Actor, root: Path) -> PublishedFiles:
    """Write the plan's files under `root` and confirm each line in the ledger.

    Budgets go into a folder per day; every other kind into one of its own, which has the days.

    Raises:
        NotAllowedError: the ledger does not allow it (any more).
        StorageError: the folder cannot be written.
        DamagedError: what was read back is not what was sent.
    """
    if record.kind is not Kind.BUDGET:
        root = root / record.kind.value
    folder = root / record.document.date.isoformat() / record.plan_id
    publication = ledger.start_publication(record, actor)
    is_done = publication.status is PublicationStatus.PUBLISHED
    reasons = {row.position: formula_reason(row.line) for row in publication.rows}
    for position, why in reasons.items():
        if why and publication.rows[position].status is RowStatus.INTENT:
            ledger.mark_rows(publication, "refuse", [position], why)
    in_sheet = [row for row in publication.rows if not reasons[row.position]]
    files = _files(record, [(row.line, row.amount) for row in in_sheet], publication)
    if not is_done:
        ledger.mark_rows(publication, "send", _in_state(in_sheet, RowStatus.INTENT))
    for name, data in files.items():
        write_file(folder / name, data)
    _read_back(record, folder, files, {row.line: row.amount for row in in_sheet})
    if is_done:  # files that went missing are back; nothing else changes
        return PublishedFiles(folder=folder, publication=publication)
    publication = _now(ledger, record)
    waiting = [row for row in publication.rows if row.status is RowStatus.SENT]
    ledger.mark_rows(publication, "confirm", [row.position for row in waiting])
    _point_at(record, ledger, root, folder)
    ledger.finish_publication(publication, actor)
    return PublishedFiles(folder=folder, publication=_now(ledger, record))


def _files(
    record: PlanRecord, in_sheet: list[tuple[tuple[str, ...], int]], publication: Publication
) -> dict[str, bytes]:
    """Return the files in the order of writing; the manifest with their hashes comes last."""
    everything = [(row.line, row.amount) for row in publication.rows]
    stem = KINDS[record.kind].files
    files = {
        f"{stem}.csv": sheet_bytes(record.document, in_sheet),
        f"{stem}.json": amounts_json(record.document, record.content_hash, everything),
    }
    files[MANIFEST] = json_bytes(
        {
            "plan_id": record.plan_id,
            "content_hash": record.content_hash,
            "files": {name: sha256(data) for name, data in files.items()},
        }
    )
    return files


def _now(ledger: Ledger, record: PlanRecord) -> Publication:
    """Return how far the ledger says the publication has come."""
    publication = ledger.plan(record.plan_id).publication
    if publication is None:
        raise DamagedError(f"plan {record.plan_id}: its publication is gone from the ledger")
    return publication


def _in_state(rows: list[PublicationRow], status: RowStatus) -> list[int]:
    return [row.position for row in rows if row.status is status]


def _read_back(
    record: PlanRecord, folder: Path, files: dict[str, bytes], sent: dict[tuple[str, ...], int]
) -> None:
    try:
        found = {name: (folder / name).read_bytes() for name in files}
    except OSError as error:
        raise StorageError(f"{folder}: cannot be read back ({error.strerror})") from error
    wrong = [name for name, data in files.items() if found[name] != data]
    sheet = f"{KINDS[record.kind].files}.csv"
    if wrong or read_sheet(found[sheet], record.document) != sent:
        raise DamagedError(
            f"{folder}: {', '.join(wrong) or sheet} read back differs from what was sent; "
            f"run 'equimarginal publish {record.plan_id}' again"
        )


def _point_at(record: PlanRecord, ledger: Ledger, root: Path, folder: Path) -> None:
    """Let `latest.json` name this plan, unless a later day's is published and still counts."""
    day = record.document.date
    newest = ledger.newest_signed_day(record.document.portfolio, record.kind)
    if newest is not None and newest > day:
        return
    write_file(
        root / LATEST,
        json_bytes(
            {
                "plan_id": record.plan_id,
                "date": day.isoformat(),
                "content_hash": record.content_hash,
                "folder": folder.relative_to(root).as_posix(),
            }
        ),
    )
