"""Experiments in the chain: assigned once, looked at in order, ended once, apart by portfolio."""

from __future__ import annotations

import pytest

from pipeline.core.errors import NotAllowedError, NotFoundError
from pipeline.io.ledger import Actor

ASSIGNMENT = {"from": "2026-11-23", "to": "2026-12-06", "treated": ["r01"], "scope": {}}
EVE = Actor(name="eve", verified_by="name")


@pytest.fixture
def begun(desk):
    desk.ledger.record_assignment("spring", ASSIGNMENT, desk.ana, desk.policy)
    return desk


def test_an_experiment_is_assigned_once_and_never_by_a_stranger(begun):
    with pytest.raises(NotAllowedError, match="assigned already, once and for all"):
        begun.ledger.record_assignment("spring", {}, begun.fin, begun.policy)
    with pytest.raises(NotAllowedError, match="eve"):
        begun.ledger.record_assignment("autumn", ASSIGNMENT, EVE, begun.policy)
    assert begun.actions()[-2:] == ["denied", "denied"]
    (record,) = begun.ledger.experiments("acme")
    assert (record.assigned_by, record.assignment) == ("ana", ASSIGNMENT)
    assert "ended" not in record.to_json()


def test_looks_are_kept_in_order_by_people_and_by_the_schedule(begun):
    begun.ledger.record_look("spring", {"lift": 0.1}, begun.fin, begun.policy)
    begun.ledger.record_scheduled_look("spring", {"lift": 0.2}, begun.policy)
    with pytest.raises(NotAllowedError, match="eve"):
        begun.ledger.record_look("spring", {"lift": 9.0}, EVE, begun.policy)
    assert begun.ledger.experiment("acme", "spring").looks == ({"lift": 0.1}, {"lift": 0.2})
    looked = [e.actor for e in begun.ledger.audit_entries() if e.action == "experiment.looked"]
    assert looked == ["fin", "schedule"]
    assert begun.verify().is_sound


def test_an_experiment_ends_once(begun):
    ended = begun.ledger.record_end("spring", "2026-11-30", "enough", begun.ana, begun.policy)
    assert ended.ended == "2026-11-30"
    assert begun.ledger.experiment("acme", "spring") == ended
    assert ended.to_json()["ended"] == "2026-11-30"
    with pytest.raises(NotAllowedError, match="ended already, on 2026-11-30"):
        begun.ledger.record_end("spring", "2026-12-01", "again", begun.ana, begun.policy)
    with pytest.raises(NotAllowedError, match="eve"):
        begun.ledger.record_end("spring", "2026-12-01", "mine", EVE, begun.policy)
    assert begun.actions()[-2:] == ["denied", "denied"]
    assert begun.ledger.experiment("acme", "spring").ended == "2026-11-30"


def test_an_experiment_of_another_portfolio_is_not_found(begun, new_policy):
    other = new_policy(portfolio="other")
    begun.ledger.record_assignment("autumn", ASSIGNMENT, begun.ana, other)
    assert [item.name for item in begun.ledger.experiments("acme")] == ["spring"]
    assert [item.name for item in begun.ledger.experiments("other")] == ["autumn"]
    with pytest.raises(NotFoundError, match="'autumn': not assigned, only spring"):
        begun.ledger.experiment("acme", "autumn")
    with pytest.raises(NotFoundError, match="only none yet"):
        begun.ledger.experiment("nobody", "spring")
