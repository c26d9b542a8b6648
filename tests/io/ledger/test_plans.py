from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta

import pytest

from pipeline.core.errors import DamagedError, NotAllowedError, NotFoundError, UsageError
from pipeline.core.findings import Finding, Level
from pipeline.core.plan import Mode, ModelHealth, PlanGuardrail, PlanLine, Status, Uplift
from pipeline.core.policy import CapSpec
from pipeline.io.ledger import Actor, Stated
from pipeline.io.ledger.plan_rows import end_of_window

DAY = date(2026, 11, 22)


def test_the_same_plan_twice_is_one_plan_and_one_entry(desk):
    first = desk.propose()
    actions = desk.actions()
    assert desk.propose() == first
    assert desk.actions() == actions
    assert [record.plan_id for record in desk.ledger.plans()] == [first.plan_id]


def test_another_content_under_a_known_id_is_damage(desk):
    desk.propose()
    with pytest.raises(DamagedError, match="same inputs must give the same plan"):
        desk.propose(budget=299.0)


def test_a_stored_plan_comes_back_byte_for_byte(desk):
    plan = desk.plan()
    record = desk.ledger.propose_plan(plan, desk.policy)
    again = desk.open().plan(plan.plan_id)
    assert again.content == plan.to_bytes()
    assert again.content_hash == plan.content_hash
    assert again.plan == plan
    assert [(item.current, item.proposed) for item in record.money] == [
        (10000, 11000),
        (20000, 19000),
    ]


def test_a_plan_of_another_portfolio_or_currency_is_refused(desk):
    with pytest.raises(UsageError, match="need acme in EUR"):
        desk.propose(currency="USD")


def test_a_new_plan_for_the_day_supersedes_the_one_that_waits(desk):
    old = desk.propose("aaaaaaaa")
    other_day = desk.propose("bbbbbbbb", date(2026, 11, 23))
    desk.propose("cccccccc")
    assert desk.ledger.plan(old.plan_id).status is Status.SUPERSEDED
    assert desk.ledger.plan(other_day.plan_id).status is Status.PROPOSED


def test_a_new_plan_for_the_day_leaves_the_approved_one_until_it_is_approved_itself(desk):
    old = desk.propose("aaaaaaaa")
    desk.approve()
    new = desk.propose("bbbbbbbb")
    assert desk.ledger.plan(old.plan_id).status is Status.APPROVED
    desk.approve(new.plan_id)
    assert desk.ledger.plan(old.plan_id).status is Status.SUPERSEDED
    assert desk.propose("aaaaaaaa").status is Status.SUPERSEDED  # people decided it once


def test_a_superseded_plan_that_the_night_finds_again_waits_again(desk):
    old = desk.propose("aaaaaaaa")
    new = desk.propose("bbbbbbbb")
    assert desk.propose("aaaaaaaa").status is Status.PROPOSED
    assert desk.ledger.plan(new.plan_id).status is Status.SUPERSEDED
    assert desk.approve(old.plan_id).status is Status.APPROVED


def test_a_rejected_plan_stays_rejected(desk):
    record = desk.propose()
    meant = Stated(portfolio="acme")
    desk.ledger.reject_plan(record.plan_id, desk.ana, desk.policy, "too bold", meant)
    again = desk.propose()
    assert again.status is Status.REJECTED
    assert (again.decided_by, again.why) == ("ana", "too bold")
    (entry,) = (item for item in desk.ledger.audit_entries() if item.action == "plan.rejected")
    assert entry.payload["stated"] == ["portfolio"]


def test_a_plan_is_found_by_id_beginning_and_latest(desk):
    desk.propose("aaaaaaaa")
    desk.propose("aabbbbbb", date(2026, 11, 23))
    assert desk.ledger.plan("2026-11-22").plan_id == "2026-11-22-aaaaaaaa"
    assert desk.ledger.plan("latest").plan_id == "2026-11-23-aabbbbbb"
    with pytest.raises(UsageError, match="2 plans begin so"):
        desk.ledger.plan("2026-11-2")
    for ref in ("", "2027", "%", "2026-11-22-aaaaaaaa0", "x\0", "é"):
        with pytest.raises(NotFoundError):
            desk.ledger.plan(ref)


def test_there_is_no_latest_plan_before_the_first(desk):
    with pytest.raises(NotFoundError, match="equimarginal night"):
        desk.ledger.plan("latest")


def test_an_approval_says_who_when_and_what_vouched_for_it(desk):
    desk.propose()
    desk.wait(hours=2)
    record = desk.approve()
    assert record.status is Status.APPROVED
    assert record.to_json()["decision"] == {
        "by": "ana",
        "at": "2026-11-22T07:00:00.000000+00:00",
        "why": "",
        "verified_by": "name",
    }
    assert desk.ledger.audit_entries()[-1].payload["content_hash"] == record.content_hash


def test_a_plan_is_signed_once(desk):
    desk.propose()
    desk.approve()
    with pytest.raises(NotAllowedError, match="is approved by ana"):
        desk.approve()
    with pytest.raises(NotAllowedError, match="is approved by ana"):
        desk.ledger.reject_plan("latest", desk.ana, desk.policy, "late")
    assert desk.actions()[-2:] == ["denied", "denied"]


def test_a_signature_is_bound_to_the_content_that_was_shown(desk):
    record = desk.propose()
    with pytest.raises(NotAllowedError, match="read the report again"):
        desk.ledger.approve_plan(
            record.plan_id, desk.ana, desk.policy, Stated(content_hash="sha256:" + "0" * 64)
        )
    approved = desk.ledger.approve_plan(
        record.plan_id, desk.ana, desk.policy, Stated(content_hash=record.content_hash)
    )
    assert approved.status is Status.APPROVED


@pytest.mark.parametrize("name", ["fin", "nobody", "night", "policy", "portfolio.yaml"])
def test_only_an_analyst_signs_plans(sqlite_desk, name):
    sqlite_desk.propose()
    actor = Actor(name=name, verified_by="name")
    with pytest.raises(NotAllowedError, match="may not approve plan"):
        sqlite_desk.ledger.approve_plan("latest", actor, sqlite_desk.policy)
    assert sqlite_desk.ledger.plan("latest").status is Status.PROPOSED
    entry = sqlite_desk.ledger.audit_entries()[-1]
    assert (entry.action, entry.actor, entry.payload["attempt"]) == ("denied", name, "approve plan")


def test_who_approved_a_cap_in_force_does_not_sign_the_plan(desk, new_policy):
    desk.policy = new_policy(caps=[{"scope": {"channel": "search"}, "max": 150}])
    both = Actor(name="both", verified_by="name")
    desk.ledger.register_policy_caps(desk.policy)
    desk.ledger.approve_cap(desk.ledger.caps("acme")[0].id, both, desk.policy)
    desk.propose()
    with pytest.raises(NotAllowedError, match="somebody else must sign"):
        desk.ledger.approve_plan("latest", both, desk.policy)
    assert desk.approve().status is Status.APPROVED


def test_a_plan_is_void_once_the_caps_of_its_day_changed(desk, new_policy):
    desk.propose()
    policy = new_policy(caps=[{"scope": {"channel": "search"}, "max": 150}])
    desk.ledger.register_policy_caps(policy)
    desk.ledger.approve_cap(desk.ledger.caps("acme")[0].id, desk.fin, policy)
    with pytest.raises(NotAllowedError, match="caps in force on 2026-11-22 changed"):
        desk.approve()


def test_a_plan_expires_at_the_end_of_its_day_and_waits_again_if_found_again(desk):
    record = desk.propose()
    assert record.expires_at == "2026-11-23T05:00:00.000000+00:00"  # a day after it was proposed
    desk.wait(hours=23.9)
    assert desk.ledger.expire_due() == ()
    desk.wait(hours=0.2)
    with pytest.raises(NotAllowedError, match="is expired, only a proposed plan"):
        desk.approve()
    assert desk.ledger.plan("latest").status is Status.EXPIRED
    assert desk.actions()[-2:] == ["plan.expired", "denied"]
    assert desk.propose().status is Status.PROPOSED
    assert desk.approve().status is Status.APPROVED


@pytest.mark.parametrize(
    ("day", "zone", "end"),
    [
        (date(2026, 11, 22), "Europe/Berlin", datetime(2026, 11, 22, 23, tzinfo=UTC)),
        (date(2026, 3, 29), "Europe/Berlin", datetime(2026, 3, 29, 22, tzinfo=UTC)),
        (date(2026, 10, 25), "Europe/Berlin", datetime(2026, 10, 25, 23, tzinfo=UTC)),
        (date(2026, 6, 1), "Pacific/Auckland", datetime(2026, 6, 1, 12, tzinfo=UTC)),
        (date(2026, 6, 1), "America/Los_Angeles", datetime(2026, 6, 2, 7, tzinfo=UTC)),
    ],
)
def test_the_window_ends_with_the_day_in_the_portfolio_zone(day, zone, end):
    assert end_of_window(day, zone, end - timedelta(days=3)) == end
    late = end + timedelta(minutes=1)
    assert end_of_window(day, zone, late) == late + timedelta(hours=24)


def test_a_day_before_the_newest_published_one_is_never_signed(desk):
    tomorrow = desk.propose("aaaaaaaa", date(2026, 11, 23))
    today = desk.propose("bbbbbbbb")
    desk.publish(desk.approve(tomorrow.plan_id))
    with pytest.raises(NotAllowedError, match="a past day cannot be signed"):
        desk.approve(today.plan_id)


def test_a_revoked_plan_of_a_later_day_does_not_keep_earlier_days_from_being_signed(desk):
    slip = desk.publish(desk.approve(desk.propose("aaaaaaaa", date(2027, 11, 22)).plan_id))
    today = desk.propose("bbbbbbbb")
    assert "2027-11-22 is published" in desk.ledger.why_not_its_day(today, desk.policy)
    desk.ledger.revoke_plan(slip.plan_id, desk.ana, desk.policy, "wrong year")
    assert desk.ledger.why_not_its_day(today, desk.policy) == ""
    signed = desk.publish(desk.approve(today.plan_id))
    assert signed.is_published
    assert desk.ledger.last_published("acme").plan_id == signed.plan_id  # what is set
    assert desk.ledger.last_published("acme", date(2028, 1, 1)).plan_id == signed.plan_id
    assert desk.verify().is_sound


@pytest.mark.parametrize(
    ("day", "level", "is_signed"),
    [
        (date(2026, 11, 21), Level.FAIL, True),  # filled in late
        (DAY, Level.FAIL, True),
        (date(2026, 11, 23), Level.FAIL, True),
        (date(2026, 11, 24), Level.FAIL, False),
        (date(2027, 11, 22), Level.FAIL, False),
        (date(2027, 11, 22), Level.REVIEW, True),  # a rehearsal whose data reach its eve
    ],
)
def test_a_day_ahead_of_the_clock_is_signed_only_on_data(desk, day, level, is_signed):
    finding = Finding(level=level, check="stale-spend", message="spend: newest day is old")
    record = desk.propose(day=day, findings=(finding,))
    if is_signed:
        assert desk.approve(record.plan_id).status is Status.APPROVED
        return
    with pytest.raises(NotAllowedError, match=f"this is for {day}, today is 2026-11-22"):
        desk.approve(record.plan_id)
    assert desk.ledger.plan(record.plan_id).status is Status.PROPOSED


def test_the_newest_plan_of_an_earlier_day_is_found_whatever_became_of_it(desk):
    assert desk.ledger.plan_before("acme", DAY) is None
    old = desk.propose("aaaaaaaa")
    desk.ledger.reject_plan(old.plan_id, desk.ana, desk.policy, "no")
    desk.propose("bbbbbbbb", date(2026, 11, 23))
    assert desk.ledger.plan_before("acme", date(2026, 11, 23)).plan_id == old.plan_id
    assert desk.ledger.plan_before("acme", DAY) is None
    assert [record.plan.date for record in desk.ledger.plans(limit=1)] == [date(2026, 11, 23)]


def test_a_revoked_plan_is_no_fallback_but_its_budgets_are_still_set(desk):
    first = desk.publish(desk.approve(desk.propose("aaaaaaaa").plan_id))
    second = desk.publish(desk.approve(desk.propose("bbbbbbbb", date(2026, 11, 23)).plan_id))
    desk.ledger.revoke_plan(second.plan_id, desk.ana, desk.policy, "wrong budget")
    assert desk.ledger.last_published("acme").plan_id == second.plan_id
    assert desk.ledger.last_approved("acme").plan_id == first.plan_id
    assert desk.ledger.last_published("acme", date(2026, 11, 23)).plan_id == first.plan_id
    assert desk.ledger.last_published("acme", DAY) is None
    assert desk.ledger.last_published("other") is None


def test_a_proposed_plan_cannot_be_revoked(desk):
    desk.propose()
    with pytest.raises(NotAllowedError, match="needs to be approved"):
        desk.ledger.revoke_plan("latest", desk.ana, desk.policy, "")


AUTO = {"auto_within": {"line_change": 0.1, "moved": 0.04}}


def test_a_small_plan_signs_itself_by_policy(desk, new_policy):
    record = desk.propose()
    approved = desk.ledger.approve_by_policy(record.plan_id, new_policy(approval=AUTO))
    assert approved.status is Status.APPROVED
    assert (approved.decided_by, approved.verified_by) == ("policy", "policy")
    assert desk.ledger.approve_by_policy(record.plan_id, new_policy(approval=AUTO)) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"model_health": ModelHealth(level="fail")},
        {
            "guardrails": (
                PlanGuardrail(metric="roas", limit=1, kind="min", expected=0.5, status="fail"),
            )
        },
        {"mode": Mode.HOLD},
        {"mode": Mode.FALLBACK},
        {"findings": (Finding(level=Level.FAIL, check="x", message="y"),)},
        {"uplift": Uplift(mean=-0.01, p05=-1.0, p95=1.0, probability_positive=0.5)},
        {"lines": (PlanLine(line={"channel": "a"}, current=5e9, proposed=5e9),)},
        {"lines": (PlanLine(line={"channel": "a"}, current=0.0, proposed=1.0),)},
        {
            "lines": (
                PlanLine(line={"channel": "a"}, current=100.0, proposed=110.01),
                PlanLine(line={"channel": "b"}, current=400.0, proposed=389.99),
            )
        },
        {
            "lines": (
                PlanLine(line={"channel": "a"}, current=200.0, proposed=220.0),
                PlanLine(line={"channel": "b"}, current=200.0, proposed=180.0),
            )
        },
    ],
)
def test_a_plan_that_is_not_small_or_not_sound_waits_for_a_person(sqlite_desk, new_policy, changes):
    sqlite_desk.propose(**changes)
    assert sqlite_desk.ledger.approve_by_policy("latest", new_policy(approval=AUTO)) is None
    assert sqlite_desk.ledger.plan("latest").status is Status.PROPOSED


def test_without_the_setting_no_plan_signs_itself(sqlite_desk):
    sqlite_desk.propose()
    assert sqlite_desk.ledger.approve_by_policy("latest", sqlite_desk.policy) is None


def test_a_refusal_leaves_the_ledger_as_it_was_but_for_its_entry(desk):
    before = desk.propose()
    count = len(desk.actions())
    with pytest.raises(NotAllowedError):
        desk.ledger.approve_plan("latest", desk.fin, desk.policy)
    assert desk.ledger.plan("latest") == before
    assert len(desk.actions()) == count + 1
    assert desk.verify().is_sound


def test_two_portfolios_of_one_ledger_do_not_see_each_other(desk, new_policy):
    other = new_policy(portfolio="other")
    mine = desk.publish(desk.approve(desk.propose("aaaaaaaa").plan_id))
    version = desk.ledger.caps_version("other", DAY)
    plan = desk.plan("bbbbbbbb", portfolio="other", caps_version=version)
    theirs = desk.ledger.propose_plan(plan, other)
    assert [record.plan_id for record in desk.ledger.plans("other")] == [theirs.plan_id]
    assert len(desk.ledger.plans()) == 2
    assert desk.ledger.plan("latest", "acme").plan_id == mine.plan_id
    with pytest.raises(NotFoundError):
        desk.ledger.plan(mine.plan_id, "other")
    with pytest.raises(NotFoundError):
        desk.ledger.approve_plan(theirs.plan_id, desk.ana, desk.policy)
    assert desk.ledger.plan_before("other", date(2026, 12, 1)).plan_id == theirs.plan_id
    assert desk.ledger.last_published("other") is None
    desk.ledger.pause(desk.ana, other)
    assert (desk.ledger.is_paused("other"), desk.ledger.is_paused("acme")) == (True, False)
    desk.wait(hours=48)
    assert desk.ledger.expire_due("acme") == ()
    assert desk.ledger.expire_due("other") == (theirs.plan_id,)
    assert desk.verify().is_sound


def test_a_plan_that_changes_nothing_is_small(sqlite_desk, new_policy):
    still = tuple(
        PlanLine(line={"channel": name}, current=100.0, proposed=100.0) for name in ("a", "b")
    )
    sqlite_desk.propose(lines=still)
    limits = {"auto_within": {"line_change": 0.0, "moved": 0.0}}
    signed = sqlite_desk.ledger.approve_by_policy("latest", new_policy(approval=limits))
    assert signed.decided_by == "policy"


def test_the_policy_signs_no_plan_whose_caps_changed_or_whose_day_was_overtaken(desk, new_policy):
    small = new_policy(approval=AUTO)
    old = desk.propose("aaaaaaaa")
    desk.publish(desk.approve(desk.propose("bbbbbbbb", date(2026, 11, 23)).plan_id))
    with pytest.raises(NotAllowedError, match="a past day cannot be signed"):
        desk.ledger.approve_by_policy(old.plan_id, small)
    new = desk.propose("cccccccc", date(2026, 11, 24))
    cap = desk.ledger.propose_cap(
        CapSpec(scope={"channel": "search"}, max=105.0), desk.ana, desk.policy
    )
    desk.ledger.approve_cap(cap.id, desk.fin, desk.policy)
    with pytest.raises(NotAllowedError, match="changed since it was made"):
        desk.ledger.approve_by_policy(new.plan_id, small)
    assert desk.ledger.plan(new.plan_id).status is Status.PROPOSED


@pytest.mark.parametrize(
    "statement",
    [
        "update plan_line set proposed_minor = 11001 where position = 0",
        "update plan set day = '2026-11-23'",
        "update plan set portfolio = 'other'",
        "update plan set content_hash = 'sha256:0'",
    ],
)
def test_a_plan_whose_rows_were_altered_is_not_shown_and_not_signed(desk, statement):
    plan_id = desk.propose().plan_id
    desk.tamper(statement)
    with pytest.raises(DamagedError, match="altered after it was stored"):
        desk.ledger.plan(plan_id)
    with pytest.raises((NotAllowedError, NotFoundError)):
        desk.approve(plan_id)


@pytest.mark.parametrize("act", ["approve_plan", "reject_plan"])
def test_a_plan_whose_time_ends_while_it_is_being_decided_is_not_decided(sqlite_desk, act):
    record = sqlite_desk.propose()
    end = datetime.fromisoformat(record.expires_at)
    moments = iter([end - timedelta(seconds=1)])
    sqlite_desk.clock = lambda: next(moments, end)
    ledger = sqlite_desk.open()
    why = ("no",) if act == "reject_plan" else ()
    with pytest.raises(NotAllowedError, match=f"expired at {re.escape(record.expires_at)}"):
        getattr(ledger, act)(record.plan_id, sqlite_desk.ana, sqlite_desk.policy, *why)
    assert sqlite_desk.actions()[-1] == "denied"
    assert ledger.plan(record.plan_id).status is Status.PROPOSED


def test_a_signature_is_not_made_before_the_plan_nor_a_publication_before_the_signature(desk):
    plan = desk.propose()
    made = desk.moment
    desk.moment = made - timedelta(minutes=6)
    with pytest.raises(NotAllowedError, match=r"clock shows .* but the plan was proposed at"):
        desk.approve()
    assert desk.ledger.plan(plan.plan_id).status is Status.PROPOSED
    desk.moment = made - timedelta(minutes=4)  # another machine's clock
    record = desk.approve()
    desk.moment = made - timedelta(days=30)
    ana = Actor(name="ana", verified_by="test")
    with pytest.raises(NotAllowedError, match="but the plan was signed at"):
        desk.ledger.start_publication(record, ana)
    desk.moment = made
    assert desk.ledger.start_publication(record, ana).plan_id == plan.plan_id
