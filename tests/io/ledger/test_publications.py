from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from pipeline.core.errors import NotAllowedError
from pipeline.core.policy import CapSpec
from pipeline.io.ledger import Actor
from pipeline.io.ledger.states import PublicationStatus, RowStatus


def test_each_row_goes_from_intent_to_sent_to_confirmed(desk):
    desk.propose()
    publication = desk.ledger.start_publication(desk.approve(), desk.ana)
    assert [row.status for row in publication.rows] == [RowStatus.INTENT] * 2
    with pytest.raises(NotAllowedError, match="cannot confirm"):
        desk.ledger.mark_rows(publication, "confirm", [0])
    desk.ledger.mark_rows(publication, "send", [0])
    desk.ledger.mark_rows(publication, "refuse", [1], "a formula")
    with pytest.raises(NotAllowedError, match="1 rows are not confirmed"):
        desk.ledger.finish_publication(publication, desk.ana)
    desk.ledger.mark_rows(publication, "confirm", [0])
    desk.ledger.finish_publication(publication, desk.ana)
    stored = desk.ledger.plan("latest").publication
    assert stored.status is PublicationStatus.PUBLISHED
    assert [row.status for row in stored.rows] == [RowStatus.CONFIRMED, RowStatus.REFUSED]
    assert stored.to_json()["left_out"] == [{"line": ["social"], "why": "a formula"}]
    assert desk.verify().is_sound


def test_a_publication_under_way_is_taken_up_where_it_stopped(desk):
    desk.propose()
    record = desk.approve()
    publication = desk.ledger.start_publication(record, desk.ana)
    desk.ledger.mark_rows(publication, "send", [0, 1])
    again = desk.ledger.start_publication(record, desk.ana)
    assert [row.status for row in again.rows] == [RowStatus.SENT] * 2
    assert desk.actions().count("publication.publishing") == 1


def test_finishing_twice_is_one_entry(desk):
    desk.propose()
    record = desk.publish(desk.approve())
    desk.ledger.finish_publication(record.publication, desk.ana)
    assert desk.actions().count("publication.published") == 1


@pytest.mark.parametrize("state", ["proposed", "rejected", "revoked", "superseded"])
def test_only_an_approved_plan_is_published(desk, state):
    record = desk.propose()
    if state == "rejected":
        desk.ledger.reject_plan("latest", desk.ana, desk.policy, "")
    elif state != "proposed":
        desk.approve()
    if state == "revoked":
        desk.ledger.revoke_plan("latest", desk.ana, desk.policy, "")
    if state == "superseded":
        desk.approve(desk.propose("ffffffff").plan_id)
    with pytest.raises(NotAllowedError, match=f"is {state}"):
        desk.ledger.start_publication(desk.ledger.plan(record.plan_id), desk.ana)
    assert desk.actions()[-1] == "denied"


def test_nothing_is_published_after_its_time(desk):
    desk.propose()
    record = desk.approve()
    desk.wait(hours=24)
    with pytest.raises(NotAllowedError, match="its time was over"):
        desk.ledger.start_publication(record, desk.ana)


def test_nothing_is_published_once_the_caps_changed(desk):
    desk.propose()
    record = desk.approve()
    cap = desk.ledger.propose_cap(
        CapSpec(scope={"channel": "search"}, max=105.0), desk.ana, desk.policy
    )
    desk.ledger.approve_cap(cap.id, desk.fin, desk.policy)
    with pytest.raises(NotAllowedError, match="changed since it was signed"):
        desk.ledger.start_publication(record, desk.ana)


def test_a_day_overtaken_after_it_was_signed_is_not_published(desk):
    today = desk.approve(desk.propose("aaaaaaaa").plan_id)
    tomorrow = desk.approve(desk.propose("bbbbbbbb", date(2026, 11, 23)).plan_id)
    desk.publish(tomorrow)
    with pytest.raises(NotAllowedError, match="published already"):
        desk.ledger.start_publication(today, desk.ana)


def test_the_kill_switch_stops_publishing_and_says_who_pressed_it(desk):
    desk.propose()
    record = desk.approve()
    desk.ledger.pause(desk.fin, desk.policy, "attack")
    desk.ledger.pause(desk.ana, desk.policy, "again")
    assert desk.ledger.is_paused("acme")
    with pytest.raises(NotAllowedError, match="paused by fin"):
        desk.ledger.start_publication(record, desk.ana)
    desk.ledger.resume(desk.ana, desk.policy, "over")
    assert not desk.ledger.is_paused("acme")
    assert desk.publish(record).is_published
    assert desk.actions().count("publishing.paused") == 1
    assert desk.verify().is_sound


def test_the_kill_switch_stops_a_publication_under_way_and_leaves_what_is_out(desk):
    first = desk.publish(desk.approve(desk.propose("aaaaaaaa").plan_id))
    second = desk.approve(desk.propose("bbbbbbbb", date(2026, 11, 23)).plan_id)
    begun = desk.ledger.start_publication(second, desk.ana)
    desk.ledger.pause(desk.fin, desk.policy, "attack")
    with pytest.raises(NotAllowedError, match="paused by fin"):
        desk.ledger.start_publication(second, desk.ana)
    stored = desk.ledger.plan(second.plan_id).publication
    assert (stored.status, stored.rows) == (PublicationStatus.PUBLISHING, begun.rows)
    assert desk.ledger.start_publication(first, desk.ana) == first.publication
    assert desk.actions()[-1] == "denied"


def test_a_stranger_does_not_press_the_kill_switch(desk):
    with pytest.raises(NotAllowedError, match="not in people"):
        desk.ledger.pause(Actor(name="eve", verified_by="name"), desk.policy)
    assert not desk.ledger.is_paused("acme")


def test_a_second_plan_of_the_day_is_published_after_the_first(desk):
    first = desk.publish(desk.approve(desk.propose("aaaaaaaa").plan_id))
    second = desk.publish(desk.approve(desk.propose("bbbbbbbb").plan_id))
    assert desk.ledger.plan(first.plan_id).is_published
    assert desk.ledger.last_published("acme").plan_id == second.plan_id


def test_what_was_not_approved_is_not_published_under_its_name(desk):
    desk.propose()
    forged = replace(desk.approve(), content_hash="sha256:" + "0" * 64)
    with pytest.raises(NotAllowedError, match="not what was approved"):
        desk.ledger.start_publication(forged, desk.ana)


def test_a_revoked_plan_stays_published_and_is_no_fallback(desk):
    first = desk.publish(desk.approve(desk.propose("aaaaaaaa").plan_id))
    second = desk.publish(desk.approve(desk.propose("bbbbbbbb", date(2026, 11, 23)).plan_id))
    desk.ledger.revoke_plan(second.plan_id, desk.ana, desk.policy, "wrong")
    assert desk.ledger.last_published("acme").plan_id == second.plan_id
    assert desk.ledger.last_approved("acme").plan_id == first.plan_id
    desk.ledger.revoke_plan(first.plan_id, desk.ana, desk.policy, "wrong too")
    assert desk.ledger.last_approved("acme") is None
