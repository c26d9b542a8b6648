"""Plans of several kinds in one ledger: one of each in force, none in the other's way."""

from __future__ import annotations

import json
from datetime import date

import pytest

from pipeline.core.decision import DecisionPlan
from pipeline.core.errors import NotAllowedError, StorageError, UsageError
from pipeline.core.plan import Kind, Status
from pipeline.io.ledger import PlanRecord, Stated
from pipeline.io.publish import publish_files
from tests.core.test_decision import decision
from tests.io.ledger.conftest import DAY, Desk


def rotation(tag: str = "aaaaaaaa", day: date = DAY, kind: Kind = Kind.ROTATION) -> DecisionPlan:
    plan_id = f"{kind.value}-{day.isoformat()}-{tag}"
    return decision(plan_id=plan_id, date=day, kind=kind, inputs_hash=tag)


def propose(desk: Desk, plan: DecisionPlan) -> PlanRecord:
    return desk.ledger.propose_plan(plan, desk.policy)


def test_a_day_has_one_plan_of_each_kind_and_each_is_signed_by_itself(desk):
    budget = desk.propose()
    shares = [propose(desk, rotation(kind=kind)) for kind in Kind if kind is not Kind.BUDGET]
    assert [record.status for record in shares] == [Status.PROPOSED] * 3
    for record in (budget, *shares):
        assert desk.approve(record.plan_id).status is Status.APPROVED
    assert len(desk.ledger.plans("acme")) == 1
    assert {record.kind for record in desk.ledger.plans("acme", kind=None)} == set(Kind)
    assert desk.verify().is_sound


def test_a_newer_plan_supersedes_only_its_own_kind(desk):
    desk.propose()
    first = propose(desk, rotation("aaaaaaaa"))
    propose(desk, rotation("bbbbbbbb"))
    assert desk.ledger.plan(first.plan_id).status is Status.SUPERSEDED
    assert desk.ledger.plan("latest").status is Status.PROPOSED
    assert desk.ledger.plan("latest-rotation").plan_id.endswith("bbbbbbbb")


def test_a_published_later_day_overtakes_only_its_own_kind(desk):
    later = date(2026, 11, 23)
    desk.publish(desk.approve(propose(desk, rotation(day=later)).plan_id))
    old = propose(desk, rotation("cccccccc"))
    with pytest.raises(NotAllowedError, match="a past day cannot be signed"):
        desk.approve(old.plan_id)
    assert desk.approve(desk.propose().plan_id).status is Status.APPROVED
    found = desk.ledger.last_published("acme", date(2026, 11, 24), Kind.ROTATION)
    assert found is not None
    assert found.decision.date == later
    assert desk.ledger.last_published("acme", date(2026, 11, 24)) is None


def test_the_database_itself_keeps_one_plan_of_a_kind_in_force(desk):
    propose(desk, rotation("aaaaaaaa"))
    other = propose(desk, rotation("bbbbbbbb", kind=Kind.OFFERS))
    for statement in (
        f"update plan set kind = 'rotation' where plan_id = '{other.plan_id}'",
        f"update plan set kind = 'budget' where plan_id = '{other.plan_id}'",
    ):
        with pytest.raises(StorageError), desk.ledger.database.write() as connection:
            connection.exec_driver_sql(statement)


def test_a_kind_that_was_altered_is_found(desk):
    record = propose(desk, rotation())
    desk.tamper(f"update plan set kind = 'cadence' where plan_id = '{record.plan_id}'")
    problems = [item.message for item in desk.verify().problems]
    assert problems == ["its kind is 'cadence', its content says 'rotation'"]
    with pytest.raises(NotAllowedError, match="altered"):
        desk.approve(record.plan_id)


def test_a_share_that_was_altered_is_found(desk):
    record = propose(desk, rotation())
    desk.tamper(
        f"update plan_line set proposed_minor = 9999 where plan_id = '{record.plan_id}' "
        "and position = 0"
    )
    assert [item.message for item in desk.verify().problems] == [
        "its amounts are not those of its content"
    ]


def test_published_shares_are_read_back_from_files_of_their_own(desk, tmp_path):
    record = desk.approve(propose(desk, rotation()).plan_id)
    done = publish_files(record, desk.ledger, desk.ana, tmp_path)
    assert done.folder == tmp_path / "rotation" / "2026-11-22" / record.plan_id
    sheet = (done.folder / "rotation.csv").read_text(encoding="utf-8").splitlines()
    assert sheet == ["audience,creative,share,unit", "a,x,0.6250,share", "a,y,0.3750,share"]
    said = json.loads((done.folder / "rotation.json").read_bytes())
    assert (said["kind"], said["lines"][0]["share"]) == ("rotation", "0.6250")
    assert desk.verify().is_sound


def test_a_plan_is_not_taken_for_one_of_another_kind(desk):
    record = propose(desk, rotation())
    with pytest.raises(UsageError, match="decides rotation, need a plan of budgets"):
        _ = record.plan
    with pytest.raises(UsageError, match="decides budgets"):
        _ = desk.propose().decision
    assert record.to_json()["kind"] == "rotation"


def test_a_decision_without_money_has_no_total_to_sign(sqlite_desk):
    record = propose(sqlite_desk, rotation())
    assert (record.total, record.total_label) == (None, "no money")
    with pytest.raises(NotAllowedError, match="gives out no money"):
        sqlite_desk.ledger.approve_plan(
            record.plan_id, sqlite_desk.ana, sqlite_desk.policy, Stated(total=0.0)
        )


def test_a_decision_does_not_sign_itself(desk):
    from pipeline.core.approval import Approval, AutoWithin

    policy = desk.policy.model_copy(
        update={"approval": Approval(auto_within=AutoWithin(line_change=1.0, moved=1.0))}
    )
    record = propose(desk, rotation())
    assert desk.ledger.approve_by_policy(record.plan_id, policy) is None
