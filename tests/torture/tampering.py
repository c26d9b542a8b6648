"""Bytes flipped in plans, rows edited in the chain, and plans that lie about money."""

from __future__ import annotations

import random
import shutil
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

from pipeline.core.caps import Cap, CapStatus
from pipeline.core.errors import DamagedError
from pipeline.core.money import from_minor, minor_digits, to_minor
from pipeline.core.plan import Mode, Plan, PlanLine
from pipeline.io.ledger.audit import printable
from pipeline.io.publish import Limits, breaches
from tests.io.ledger.conftest import Desk, fill
from tests.torture.report import Outcome, Tell


def _desk() -> tuple[Desk, Path]:
    folder = Path(tempfile.mkdtemp(prefix="torture-"))
    desk = Desk(where=str(folder / "ledger.sqlite"), folder=folder)
    fill(desk)
    desk.tamper("select 1")  # guards off, as somebody who owns the file can do
    return desk, folder


def plan_bytes(count: int, seed: int, tell: Tell) -> Outcome:
    """Flip one bit of a stored plan, every byte in turn."""
    desk, folder = _desk()
    outcome, rng = Outcome(unit="flipped bits"), random.Random(seed)
    content = desk.ledger.plan("latest").content
    with closing(sqlite3.connect(desk.where)) as raw:
        raw.execute("pragma synchronous = off")
        for case in range(count):
            tell(case, count)
            changed = bytearray(content)
            changed[case % len(content)] ^= 1 << rng.randrange(8)
            _set(raw, bytes(changed))
            outcome.cases += 1
            try:
                desk.ledger.plan("latest")
            except DamagedError:
                pass
            else:
                outcome.fail(f"byte {case % len(content)}: read as if nothing were")
            if case % 50 == 0 and desk.verify().is_sound:
                outcome.fail(f"byte {case % len(content)}: verified as sound")
        _set(raw, content)
    if not desk.verify().is_sound:
        outcome.fail("false alarm on the untouched plan")
    outcome.notes["bytes of the plan"] = len(content)
    shutil.rmtree(folder, ignore_errors=True)
    return outcome


def _set(raw: sqlite3.Connection, content: bytes) -> None:
    with raw:
        raw.execute(
            "update plan set content = ? where proposed_seq = (select max(proposed_seq) from plan)",
            [content],
        )


def audit_edits(count: int, seed: int, tell: Tell) -> Outcome:
    """Edit, delete, insert, swap and cut entries of the chain; the first bad one is named."""
    desk, folder = _desk()
    outcome, rng = Outcome(unit="edits"), random.Random(seed)
    with closing(sqlite3.connect(desk.where)) as raw:
        raw.execute("pragma synchronous = off")
        names = [row[1] for row in raw.execute("pragma table_info(audit)")]
        whole = raw.execute("select * from audit order by seq").fetchall()
        for case in range(count):
            tell(case, count)
            kind = rng.choice(("edit", "edit", "edit", "delete", "insert", "swap", "cut"))
            rows, first = _edited([list(row) for row in whole], names, kind, rng)
            if rows == [list(row) for row in whole]:
                continue
            _replace(raw, rows, len(names))
            outcome.cases += 1
            outcome.note(kind)
            problems = desk.verify().problems
            if not problems:
                outcome.fail(f"case {case}: {kind} at {first} was not found")
            elif problems[0].seq not in {first, first + 1}:
                outcome.fail(f"case {case}: {kind} at {first}, but {problems[0].seq} was named")
        _replace(raw, [list(row) for row in whole], len(names))
    if not desk.verify().is_sound:
        outcome.fail("false alarm on the untouched chain")
    shutil.rmtree(folder, ignore_errors=True)
    return outcome


def _edited(
    rows: list[list[Any]], names: list[str], kind: str, rng: random.Random
) -> tuple[list[list[Any]], int]:
    """Return the rows after one edit, and the sequence number where the chain is first wrong."""
    at = rng.randrange(len(rows))
    if kind == "edit":
        column = rng.randrange(1, len(names))
        text = str(rows[at][column])
        place = rng.randrange(len(text) + 1)
        rows[at][column] = text[:place] + rng.choice('x0"} ') + text[place + rng.randrange(2) :]
    elif kind == "delete":
        del rows[at]
    elif kind == "insert":
        forged = list(rows[at])
        for row in rows[at:]:
            row[0] += 1
        for column in (names.index("hash"), names.index("prev_hash")):
            forged[column] = "f" * 63 + format(rng.randrange(16), "x")
        rows.insert(at, forged)
    elif kind == "swap":
        other = rng.randrange(len(rows))
        at, other = min(at, other), max(at, other)
        rows[at][0], rows[other][0] = rows[other][0], rows[at][0]
    else:
        del rows[at:]
    return rows, at + 1


def _replace(raw: sqlite3.Connection, rows: list[list[Any]], width: int) -> None:
    marks = ", ".join("?" * width)
    with raw:
        raw.execute("delete from audit")
        raw.executemany(f"insert into audit values ({marks})", rows)


def hostile_plans(count: int, seed: int, tell: Tell) -> Outcome:
    """Let hostile solvers propose what they like: what the publisher passes obeys every limit."""
    outcome, rng = Outcome(unit="plans"), random.Random(seed)
    for case in range(count):
        if case % 1000 == 0:
            tell(case, count)
        names = [f"l{number}" for number in range(rng.randrange(1, 6))]
        now = {name: rng.choice([0, 1, 333, 10_000, rng.randrange(10**6)]) for name in names}
        step, total = rng.choice([0.1, 0.25, 1.0]), sum(now.values())
        most = {name: max(0, now[name] + rng.randrange(-500, 5000)) for name in names[:2]}
        amounts = _lies(now, rng)
        plan = _plan(now, amounts, total, rng)
        limits = Limits(
            caps=tuple(
                Cap(
                    id=name, scope={"line": name}, max=amount / 100,
                    status=CapStatus.APPROVED, proposed_by="x",
                )
                for name, amount in most.items()
            ),
            held=(), max_daily_change=step, total=total / 100, exactly=True,
            set_now={(name,): amount for name, amount in now.items()},
        )  # fmt: skip
        outcome.cases += 1
        if breaches(plan, limits):
            continue
        outcome.note("published")
        over = any(now.get(name, 0) > amount for name, amount in most.items())
        for name, amount in amounts.items():
            was = now.get(name, 0)
            if not isinstance(amount, int) or (name in most and amount > most[name]):
                outcome.fail(f"case {case}: {name} at {amount!r} passed its cap {most.get(name)}")
                continue
            is_cut = over and amount < was
            kept = was * (1 - step) - 1e-9 <= amount <= was * (1 + step) + 1e-9
            if name in now and not is_cut and not kept:
                outcome.fail(f"case {case}: {name} from {was} to {amount} passed the step {step}")
        lost = {name for name in now.keys() - amounts.keys() if now[name]}
        if sum(amounts.values()) != total or lost:
            outcome.fail(f"case {case}: {amounts} of {now} passed")
    return outcome


def _lies(now: dict[str, int], rng: random.Random) -> dict[str, Any]:
    """Return amounts a hostile solver may give: a cent off, a line lost, a number that is none."""
    amounts: dict[str, Any] = dict(now)
    names = list(now)
    for _ in range(rng.randrange(4)):
        giver, taker = rng.choice(names), rng.choice(names)
        moved = rng.randrange(1 + int(0.2 * min(amounts[giver], amounts[taker])))
        amounts[giver] -= moved
        amounts[taker] += moved
    lie = rng.randrange(14)
    name = rng.choice(names)
    if lie == 0:
        amounts[name] += 1
    elif lie == 1:
        amounts[name] = max(0, amounts[name] - 1)
    elif lie == 2:
        amounts[name] = float("nan")
    elif lie == 3:
        amounts[name] = float("inf")
    elif lie == 4:
        amounts[name] = -amounts[name] - 1
    elif lie == 5:
        del amounts[name]
    elif lie == 6:
        amounts["stranger"] = rng.randrange(1, 1000)
    elif lie == 7:
        amounts[name] *= 10 ** rng.randrange(1, 8)
    elif lie == 8:
        amounts[name] = amounts[name] + 0.5
    return amounts


def _plan(now: dict[str, int], amounts: dict[str, Any], total: int, rng: random.Random) -> Plan:
    lying = rng.random() < 0.2  # about what is set now, as well
    return Plan(
        plan_id="2026-11-22-00000000", portfolio="acme", date="2026-11-22", currency="EUR",
        line_columns=("line",), mode=Mode.OPTIMISED,
        budget=rng.choice([total, total, total, total + 1]) / 100,
        lines=tuple(
            PlanLine(
                line={"line": name},
                current=(amount if lying else now.get(name, amount)) / 100,
                proposed=amount / 100,
            )
            for name, amount in amounts.items()
        ),
    )  # fmt: skip


def money(count: int, seed: int, tell: Tell) -> Outcome:
    """Take amounts of every kind of currency to floats and back, exactly."""
    outcome, rng = Outcome(unit="round trips"), random.Random(seed)
    currencies = ("EUR", "JPY", "KWD")
    for case in range(count):
        if case % 10_000 == 0:
            tell(case, count)
        currency = currencies[case % 3]
        minor = rng.randrange(10 ** rng.randrange(1, 15))
        amount = from_minor(minor, currency)
        outcome.cases += 1
        if to_minor(amount, currency) != minor or not printable(repr(amount)):
            outcome.fail(f"{minor} of {currency} came back as {to_minor(amount, currency)}")
        if minor_digits(currency) == 0 and amount != minor:
            outcome.fail(f"{minor} {currency} became {amount}")
    return outcome
