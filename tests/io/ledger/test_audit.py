from __future__ import annotations

import hashlib
import itertools
import json
import random

import pytest
from sqlalchemy import text

from pipeline.core.canonical import canonical_bytes
from pipeline.core.errors import DamagedError, NotAllowedError, StorageError
from pipeline.io.ledger.audit import entry_hash, printable


def test_an_untouched_ledger_is_sound(busy_desk):
    result = busy_desk.verify()
    assert result.is_sound
    assert (result.plans, result.caps) == (3, 2)
    assert result.entries == len(busy_desk.ledger.audit_entries())
    assert result.to_json()["ok"] is True


def test_a_head_that_cannot_be_read_is_no_missing_head(busy_desk):
    path = busy_desk.ledger.head.path
    path.unlink()
    path.mkdir()
    with pytest.raises(StorageError, match="cannot be read"):
        busy_desk.ledger.head.read()


def test_each_entry_follows_the_one_before_and_holds_one_printable_line(busy_desk):
    entries = busy_desk.ledger.audit_entries()
    assert [entry.seq for entry in entries] == list(range(1, len(entries) + 1))
    assert all(b.prev_hash == a.hash for a, b in itertools.pairwise(entries))
    assert entries[-1].payload["why"] == "tea\\u000a\\u001b[2J"
    assert busy_desk.ledger.audit_entries(after=3)[0].seq == 4


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        ("update audit set actor = 'eve' where seq = 4", "does not match its hash"),
        ("update audit set at = '2020-01-01' where seq = 2", "does not match its hash"),
        ("update audit set payload = '{}' where seq = 3", "does not match its hash"),
        ("update audit set payload = 'no json' where seq = 3", "cannot be read"),
        ("update audit set payload = ' ' || payload where seq = 3", "cannot be read"),
        ("delete from audit where seq = 4", "missing"),
        ("delete from audit where seq > 6", "missing: the audit head knows"),
        ("delete from audit where seq = 1", "missing"),
        ("update audit set seq = 100 where seq = 4", "missing"),
        ("update plan set status = 'approved', decided_by = 'ana'", "its status is approved"),
        ("update plan set decided_by = 'eve' where status = 'approved'", "decided by 'eve'"),
        ("update plan set caps_version = 'x'", "its caps_version"),
        ("update plan set day = '2026-12-24'", "its day"),
        ("update plan_line set proposed_minor = proposed_minor + 1", "amounts are not those"),
        ("delete from plan_line where position = 1", ""),
        ("update cap set max_minor = 1 where max_minor is not null", "its max_minor is 1"),
        ("update cap set status = 'approved', decided_by = 'fin'", "its status is 'approved'"),
        ("update cap set expires = '2026-01-01'", "its expires"),
        ("delete from cap where max_minor is not null", "gone from the ledger"),
        ("update publication_row set amount_minor = 1", "published amounts"),
        ("update publication set status = 'publishing'", "its status is publishing"),
        ("update switch set paused = 0", "kill switch"),
    ],
)
def test_what_is_altered_by_hand_is_found(busy_desk, statement, says):
    unique = "drop index plan_one_approved"
    busy_desk.tamper(unique, statement)
    result = busy_desk.verify()
    assert not result.is_sound
    assert says in result.problems[0].message


def test_two_swapped_entries_are_found(busy_desk):
    busy_desk.tamper(
        "update audit set seq = 1000 where seq = 3",
        "update audit set seq = 3 where seq = 4",
        "update audit set seq = 4 where seq = 1000",
    )
    assert busy_desk.verify().problems[0].seq == 3


def test_a_plan_that_nobody_proposed_is_found(busy_desk):
    busy_desk.tamper(
        "insert into plan select 'forged', portfolio, '2026-12-01', currency, mode, content, "
        "content_hash, caps_version, status, proposed_seq, proposed_at, expires_at, decided_by, "
        "decided_at, why, verified_by, kind from plan where status = 'approved'"
    )
    (problem,) = busy_desk.verify().problems
    assert (problem.subject, problem.message) == ("forged", "plan: nobody ever proposed it")


def test_a_rebuilt_chain_is_found_by_the_head_outside(busy_desk):
    """Somebody who owns the database and knows the rules rewrites history from entry 3 on."""
    rewrite(busy_desk, 3, actor="eve")
    problem = busy_desk.verify().problems[0]
    assert "is not the entry the audit head knows" in problem.message
    with pytest.raises(DamagedError, match="another one"):
        busy_desk.open()


def rewrite(desk, seq, **changes):
    """Change an entry, and all the links after it, so that the chain itself holds."""
    entries = desk.ledger.audit_entries()
    link = entries[seq - 2].hash
    for entry in entries[seq - 1 :]:
        facts = {name: getattr(entry, name) for name in _FACTS}
        facts |= changes if entry.seq == seq else {}
        digest = entry_hash(**facts, prev_hash=link)
        desk.tamper(
            "update audit set actor = :actor, payload = :payload, prev_hash = :link, "
            "hash = :digest where seq = :seq",
            actor=facts["actor"], payload=canonical_bytes(facts["payload"]).decode(),
            link=link, digest=digest, seq=entry.seq,
        )  # fmt: skip
        link = digest


_FACTS = ("seq", "at", "actor", "action", "subject", "payload")


@pytest.mark.parametrize(
    "spoil",
    [
        lambda plan: [plan],
        lambda plan: {**plan, "currency": ["EUR"]},
        lambda plan: {**plan, "lines": [{**plan["lines"][0], "current": "1e999999999"}]},
        lambda plan: {**plan, "lines": [{**plan["lines"][0], "proposed": "nan"}]},
        lambda plan: {**plan, "lines": [{"line": {}}]},
        lambda plan: {key: value for key, value in plan.items() if key != "mode"},
    ],
)
def test_a_content_that_is_no_plan_is_found_even_where_all_hashes_were_made_to_fit(
    sqlite_desk, spoil
):
    record = sqlite_desk.propose()
    forged = json.dumps(spoil(json.loads(record.content))).encode()
    digest = "sha256:" + hashlib.sha256(forged).hexdigest()
    sqlite_desk.tamper(
        "update plan set content = :content, content_hash = :digest",
        content=forged, digest=digest,
    )  # fmt: skip
    (entry,) = [e for e in sqlite_desk.ledger.audit_entries() if e.action == "plan.proposed"]
    rewrite(sqlite_desk, entry.seq, payload={**entry.payload, "content_hash": digest})
    assert "its content is no plan" in [item.message for item in sqlite_desk.verify().problems]


@pytest.mark.parametrize("content", [None, b"", b"{}", b'{"seq": "x", "hash": 1}', b"[1]"])
def test_a_lost_or_broken_head_is_found(busy_desk, content):
    if content is None:
        busy_desk.head_path.unlink()
    else:
        busy_desk.head_path.write_bytes(content)
    assert not busy_desk.verify().is_sound
    with pytest.raises(DamagedError):
        busy_desk.open()


def test_every_byte_of_a_stored_plan_counts(sqlite_desk):
    desk = sqlite_desk
    content = desk.propose().content
    desk.tamper("select 1")  # guards off, once
    rng = random.Random(7)
    for position in sorted(rng.sample(range(len(content)), 60)):
        changed = bytearray(content)
        changed[position] ^= 1 << rng.randrange(8)
        desk.tamper("update plan set content = :content", content=bytes(changed))
        with pytest.raises(DamagedError, match="altered after it was stored"):
            desk.ledger.plan("latest")
        with pytest.raises(NotAllowedError, match="altered after it was stored"):
            desk.approve()
        assert not desk.verify().is_sound
        desk.tamper("update plan set content = :content", content=content)
    assert desk.verify().is_sound
    assert desk.actions().count("denied") == 60


def test_random_edits_of_the_chain_are_all_found(make_desk):
    desk = make_desk("sqlite", busy=True)
    entries = desk.ledger.audit_entries()
    columns = ("at", "actor", "action", "subject", "payload", "prev_hash", "hash")
    rng = random.Random(11)
    with desk.ledger.database.read() as connection:
        rows = {
            row.seq: row._mapping for row in connection.execute(text("select * from audit")).all()
        }
    for _ in range(150):
        seq, column = rng.choice(entries).seq, rng.choice(columns)
        before = rows[seq][column]
        place = rng.randrange(len(before) + 1)
        after = before[:place] + rng.choice('x0"} ') + before[place + rng.randrange(2) :]
        if after == before:
            continue
        change = f"update audit set {column} = :value where seq = {seq}"
        desk.tamper(change, value=after)
        problems = desk.verify().problems
        assert problems, (seq, column, after)
        assert problems[0].seq in {seq, seq + 1}
        desk.tamper(change, value=before)
    assert desk.verify().is_sound


def test_the_export_is_the_whole_chain(make_desk):
    entries = make_desk("sqlite", busy=True).ledger.audit_entries()
    assert json.loads(json.dumps(entries[0].to_json()))["action"] == "ledger.created"


@pytest.mark.parametrize(
    ("text_in", "text_out"),
    [
        ("plain ünïcode 漢", "plain ünïcode 漢"),
        ("a\nb", "a\\u000ab"),
        ("\x1b[31m", "\\u001b[31m"),
        ("\u202eabc", "\\u202eabc"),
        ("\ud800", "\\ud800"),
        ("x" * 5000, "x" * 2000),
    ],
)
def test_what_goes_into_the_log_is_one_harmless_line(text_in, text_out):
    assert printable(text_in) == text_out
