"""Every role times every action times every state: only the cells that should succeed do."""

from __future__ import annotations

import pytest

from pipeline.core.errors import NotAllowedError
from pipeline.core.policy import CapSpec
from pipeline.io.ledger import Actor

NAMES = ("ana", "both", "fin", "flo", "eve", "night", "policy", "portfolio.yaml", "")
PLAN_STATES = ("proposed", "approved", "rejected", "expired", "superseded", "revoked")
CAP_STATES = ("proposed", "approved", "rejected", "superseded")
PLAN_CELLS = {("approve", "proposed"), ("reject", "proposed"), ("revoke", "approved")}


def plan_in(desk, state):
    """A plan of the state, by the ways that lead there."""
    record = desk.propose("aaaaaaaa")
    if state in {"approved", "revoked"}:
        desk.approve(record.plan_id)
    if state == "revoked":
        desk.ledger.revoke_plan(record.plan_id, desk.ana, desk.policy, "")
    if state == "rejected":
        desk.ledger.reject_plan(record.plan_id, desk.ana, desk.policy, "")
    if state == "superseded":
        desk.propose("bbbbbbbb")
    if state == "expired":
        desk.wait(hours=48)
        desk.ledger.expire_due("acme")
    assert desk.ledger.plan(record.plan_id).status == state
    return record.plan_id


def act_on_plan(desk, action, plan_id, name):
    actor, policy, ledger = Actor(name=name, verified_by="name"), desk.policy, desk.ledger
    if action == "approve":
        return ledger.approve_plan(plan_id, actor, policy)
    if action == "reject":
        return ledger.reject_plan(plan_id, actor, policy, "why")
    return ledger.revoke_plan(plan_id, actor, policy, "why")


@pytest.mark.parametrize("state", PLAN_STATES)
def test_plans_are_decided_by_analysts_and_only_where_the_state_allows(make_desk, state):
    desk = make_desk("sqlite")
    plan_id = plan_in(desk, state)
    for action in ("approve", "reject", "revoke"):
        for name in NAMES:
            if name in {"ana", "both"} and (action, state) in PLAN_CELLS:
                fresh = make_desk("sqlite")
                done = act_on_plan(fresh, action, plan_in(fresh, state), name)
                assert (done.status != state, done.decided_by) == (True, name)
                continue
            before, count = desk.ledger.plan(plan_id), len(desk.actions())
            with pytest.raises(NotAllowedError):
                act_on_plan(desk, action, plan_id, name)
            assert desk.ledger.plan(plan_id) == before
            entry = desk.ledger.audit_entries(after=count)[0]
            assert (entry.action, entry.actor, entry.subject) == ("denied", name, plan_id)
    assert desk.verify().is_sound


def cap_in(desk, state):
    """A cap of the state, proposed by somebody without another part in the matrix."""
    scope = {"channel": "search"}
    proposer = Actor(name="ana", verified_by="name")
    cap = desk.ledger.propose_cap(CapSpec(scope=scope, max=150.0), proposer, desk.policy)
    if state in {"approved", "superseded"}:
        desk.ledger.approve_cap(cap.id, desk.fin, desk.policy)
    if state == "superseded":
        other = desk.ledger.propose_cap(CapSpec(scope=scope, max=140.0), proposer, desk.policy)
        desk.ledger.approve_cap(other.id, desk.fin, desk.policy)
    if state == "rejected":
        desk.ledger.reject_cap(cap.id, desk.fin, desk.policy, "")
    assert desk.ledger.cap(cap.id, "acme").status == state
    return cap.id


@pytest.mark.parametrize("state", CAP_STATES)
def test_caps_are_decided_by_finance_and_only_while_they_wait(make_desk, state):
    desk = make_desk("sqlite")
    cap_id = cap_in(desk, state)
    for action in ("approve", "reject"):
        for name in NAMES:
            actor = Actor(name=name, verified_by="name")
            if name in {"fin", "flo", "both"} and state == "proposed":
                fresh = make_desk("sqlite")
                fresh_id = cap_in(fresh, state)
                if action == "approve":
                    done = fresh.ledger.approve_cap(fresh_id, actor, fresh.policy)
                else:
                    done = fresh.ledger.reject_cap(fresh_id, actor, fresh.policy, "why")
                assert (done.status, done.decided_by) == (f"{action.rstrip('e')}ed", name)
                continue
            before = desk.ledger.cap(cap_id, "acme")
            with pytest.raises(NotAllowedError):
                if action == "approve":
                    desk.ledger.approve_cap(cap_id, actor, desk.policy)
                else:
                    desk.ledger.reject_cap(cap_id, actor, desk.policy, "why")
            assert desk.ledger.cap(cap_id, "acme") == before
            assert desk.actions()[-1] == "denied"
    assert desk.verify().is_sound
