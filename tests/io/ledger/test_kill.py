"""Killed at every write, the ledger is as before or as after, and a second try ends the same."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3

import pytest

from pipeline.core.errors import NotAllowedError
from pipeline.core.plan import Status


class Killer:
    """Kills the process as it is about to do its n-th write to the database or the head."""

    def __init__(self, at: int) -> None:
        self.at, self.count = at, 0

    def step(self) -> None:
        self.count += 1
        if self.count == self.at:
            os.kill(os.getpid(), signal.SIGKILL)


def run_killed(work, at, monkeypatch):
    """Do the work in a child that dies at its n-th write; return whether it lived."""
    child = os.fork()
    if child == 0:
        killer = Killer(at)
        try:
            from pipeline.io import artefacts
            from pipeline.io.ledger import audit

            write_file = artefacts.write_file

            def counted(path, data):
                killer.step()
                write_file(path, data)
                killer.step()

            audit.artefacts.write_file = counted
            work(killer)
            os._exit(0)
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
    return not os.WIFSIGNALED(status)


def counting(ledger, killer):
    """Let the killer count every statement that writes, and every commit."""
    from sqlalchemy import event

    engine = ledger.database._engine

    def statement(_connection, _cursor, text, *_rest):
        if text.split()[0].lower() in {"insert", "update"}:
            killer.step()

    event.listen(engine, "before_cursor_execute", statement)
    event.listen(engine, "commit", lambda _connection: killer.step())


def test_killed_at_any_write_while_signing_nothing_is_half_done(sqlite_desk, tmp_path, monkeypatch):
    desk = sqlite_desk
    desk.propose()
    start = tmp_path / "start"
    shutil.copytree(desk.folder, start)
    reached = set()
    for at in range(1, 60):
        shutil.rmtree(desk.folder)
        shutil.copytree(start, desk.folder)

        def work(killer):
            counting(desk.ledger, killer)
            record = desk.ledger.approve_plan("latest", desk.ana, desk.policy)
            desk.publish(record)

        lived = run_killed(work, at, monkeypatch)
        ledger = desk.open()  # the head is known to the chain, the file is sound
        desk.ledger = ledger
        assert desk.verify().is_sound, at
        record = ledger.plan("latest")
        reached.add((record.status, record.publication.status if record.publication else None))
        if record.status is Status.PROPOSED:
            record = desk.approve()
        else:
            with pytest.raises(NotAllowedError):
                desk.approve()
        if not record.is_published:
            publication = ledger.start_publication(record, desk.ana)
            for move, state in (("send", "intent"), ("confirm", "sent")):
                rows = [row.position for row in publication.rows if row.status == state]
                ledger.mark_rows(publication, move, rows)
                publication = ledger.plan("latest").publication
            ledger.finish_publication(publication, desk.ana)
        assert ledger.plan("latest").is_published
        assert desk.actions().count("plan.approved") == 1
        assert desk.actions().count("publication.published") == 1
        assert desk.verify().is_sound
        if lived:
            break
    assert lived
    assert at > 15
    assert len(reached) == 4  # proposed, approved, publishing and published were all met


def test_killed_at_any_write_while_created_the_ledger_opens_or_was_never_there(
    tmp_path, sqlite_desk, monkeypatch
):
    from pipeline.io.ledger import open_ledger

    for at in range(1, 12):
        folder = tmp_path / str(at)

        def work(killer, folder=folder):
            from sqlalchemy import event
            from sqlalchemy.engine import Engine

            event.listen(Engine, "commit", lambda _connection: killer.step())
            event.listen(
                Engine,
                "before_cursor_execute",
                lambda _c, _cursor, text, *_rest: killer.step() if "create" in text else None,
            )
            open_ledger(folder / "l.sqlite", sqlite_desk.clock, head_path=folder / "head.json")

        lived = run_killed(work, at * 5, monkeypatch)
        ledger = open_ledger(folder / "l.sqlite", sqlite_desk.clock, head_path=folder / "head.json")
        assert [entry.action for entry in ledger.audit_entries()] == ["ledger.created"]
        with sqlite3.connect(folder / "l.sqlite") as raw:
            assert raw.execute("pragma integrity_check").fetchone() == ("ok",)
        if lived:
            break
    assert lived
