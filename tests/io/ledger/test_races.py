"""Many at once: one wins, the others are told, and the chain has no fork."""

from __future__ import annotations

import multiprocessing
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine

from pipeline.core.errors import NotAllowedError, PipelineError
from pipeline.core.plan import Plan
from pipeline.io.ledger import Actor, open_ledger

MORNING = datetime(2026, 11, 22, 5, tzinfo=UTC)


def clock():
    return MORNING


def together(count, work):
    """Run `work(i)` in so many threads that start at once; return what each gave or raised."""
    barrier, results = threading.Barrier(count), [None] * count

    def run(i):
        barrier.wait()
        try:
            results[i] = work(i)
        except PipelineError as error:
            results[i] = error

    threads = [threading.Thread(target=run, args=(i,)) for i in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_of_many_signatures_at_once_exactly_one_counts(desk):
    record = desk.propose()
    results = together(8, lambda _: desk.open().approve_plan(record.plan_id, desk.ana, desk.policy))
    refused = [result for result in results if isinstance(result, NotAllowedError)]
    assert len(refused) == 7, results
    assert desk.actions().count("plan.approved") == 1
    assert desk.actions().count("denied") == 7
    assert desk.verify().is_sound


def test_a_signature_and_a_rejection_at_once_leave_one_decision(desk):
    record = desk.propose()

    def decide(i):
        ledger = desk.open()
        if i % 2:
            return ledger.approve_plan(record.plan_id, desk.ana, desk.policy)
        return ledger.reject_plan(record.plan_id, desk.ana, desk.policy, "no")

    results = together(6, decide)
    assert sum(isinstance(result, NotAllowedError) for result in results) == 5
    decisions = [item for item in desk.actions() if item in {"plan.approved", "plan.rejected"}]
    assert len(decisions) == 1
    assert desk.verify().is_sound


def test_a_cap_approved_while_a_plan_is_signed_never_lets_a_stale_plan_through(desk):
    from pipeline.core.policy import CapSpec

    cap = desk.ledger.propose_cap(CapSpec(max=250.0), desk.ana, desk.policy)
    record = desk.propose()

    def act(i):
        ledger = desk.open()
        if i:
            return ledger.approve_cap(cap.id, desk.fin, desk.policy)
        return ledger.approve_plan(record.plan_id, desk.ana, desk.policy)

    together(2, act)
    actions = [item for item in desk.actions() if item in {"plan.approved", "cap.approved"}]
    assert actions in (["cap.approved"], ["plan.approved", "cap.approved"])


def propose_in_process(where: str, head: str, content: str, start: object) -> None:
    from pipeline.core.policy import parse_policy

    policy = parse_policy(
        {
            "portfolio": "acme",
            "currency": "EUR",
            "line": ["channel"],
            "budget": {"daily": 300},
            "people": {"analysts": ["ana"]},
            "sources": {"spend": {"path": "x"}, "outcomes": {"path": "x"}},
        },
        "portfolio.yaml",
    )
    plan = Plan.model_validate_json(content)
    start.wait()
    ledger = open_ledger(where, clock, head_path=Path(head))
    ledger.propose_plan(plan, policy)
    try:
        ledger.approve_plan(plan.plan_id, Actor(name="ana", verified_by="name"), policy)
    except NotAllowedError:
        raise SystemExit(4) from None


@pytest.mark.parametrize("fresh", [True, False])
def test_processes_racing_for_one_night_make_one_plan_and_one_signature(
    tmp_path, sqlite_desk, fresh
):
    """With `fresh`, they also race to create the ledger."""
    where, head = tmp_path / "race.sqlite", tmp_path / "audit-head.json"
    if not fresh:
        open_ledger(where, clock, head_path=head)
    content = sqlite_desk.plan().to_bytes().decode()
    context = multiprocessing.get_context("fork")
    start = context.Event()
    processes = [
        context.Process(target=propose_in_process, args=(str(where), str(head), content, start))
        for _ in range(6)
    ]
    for process in processes:
        process.start()
    start.set()
    for process in processes:
        process.join(60)
    assert sorted(process.exitcode for process in processes) == [0, 4, 4, 4, 4, 4]
    ledger = open_ledger(where, clock, head_path=head)
    actions = [entry.action for entry in ledger.audit_entries()]
    assert actions[0] == "ledger.created"
    assert [actions.count(name) for name in ("ledger.created", "plan.proposed", "denied")] == [
        1,
        1,
        5,
    ]
    assert ledger.head.read() == (len(actions), ledger.audit_entries()[-1].hash)


@pytest.mark.parametrize("look", ["open", "verify"])
def test_what_is_written_while_a_ledger_is_looked_at_is_no_sign_of_a_cut(desk, look):
    """Another process signs just after this one has begun to read, or just before."""
    record = desk.propose()
    when = "before_cursor_execute" if desk.where.endswith("sqlite") else "after_cursor_execute"
    signed = []

    def sign_meanwhile(*_):
        if not signed:
            signed.append(record.plan_id)
            desk.ledger.approve_plan(record.plan_id, desk.ana, desk.policy)

    event.listen(Engine, when, sign_meanwhile)
    try:
        looked = desk.open().plan(record.plan_id) if look == "open" else desk.verify()
    finally:
        event.remove(Engine, when, sign_meanwhile)
    assert signed
    assert look == "open" or looked.is_sound
    assert desk.verify().is_sound
