from __future__ import annotations

from datetime import date

import pytest

from pipeline.core.caps import CapStatus
from pipeline.core.errors import ConfigError, NotAllowedError, NotFoundError, UsageError
from pipeline.core.policy import CapSpec
from pipeline.io.ledger import Actor

DAY = date(2026, 11, 22)
SEARCH = {"channel": "search"}
FLO = Actor(name="flo", verified_by="name")


def scoped(amount, **more):
    return [{"scope": SEARCH, "max": amount, **more}]


def in_force(desk, day=DAY):
    return [(cap.scope, cap.max) for cap in desk.ledger.caps_in_force("acme", day)]


def approve_newest(desk, policy=None, actor=None):
    cap = desk.ledger.caps("acme")[-1]
    return desk.ledger.approve_cap(cap.id, actor or desk.fin, policy or desk.policy)


def test_a_cap_of_the_policy_waits_and_holds_its_scope_until_finance_approves(desk, new_policy):
    policy = new_policy(caps=scoped(150))
    (cap,) = desk.ledger.register_policy_caps(policy)
    assert (cap.status, cap.proposed_by, cap.max) == (CapStatus.PROPOSED, "portfolio.yaml", 150)
    assert desk.ledger.held_scopes(policy, DAY) == (SEARCH,)
    assert in_force(desk) == []
    approve_newest(desk, policy)
    assert desk.ledger.held_scopes(policy, DAY) == ()
    assert in_force(desk) == [(SEARCH, 150)]


def test_registering_the_same_policy_again_changes_nothing(desk, new_policy):
    policy = new_policy(caps=scoped(150))
    desk.ledger.register_policy_caps(policy)
    count = len(desk.actions())
    assert desk.ledger.register_policy_caps(policy) == ()
    assert len(desk.actions()) == count


def test_a_changed_policy_value_is_a_new_proposal_and_the_old_cap_stays_in_force(desk, new_policy):
    first, second = new_policy(caps=scoped(150)), new_policy(caps=scoped(120))
    desk.ledger.register_policy_caps(first)
    approve_newest(desk, first)
    (cap,) = desk.ledger.register_policy_caps(second)
    assert cap.max == 120
    assert in_force(desk) == [(SEARCH, 150)]
    assert desk.ledger.held_scopes(second, DAY) == ()
    approve_newest(desk, second)
    assert in_force(desk) == [(SEARCH, 120)]


def test_a_changed_or_removed_policy_value_withdraws_the_proposal_that_waits(desk, new_policy):
    desk.ledger.register_policy_caps(new_policy(caps=scoped(150)))
    desk.ledger.register_policy_caps(new_policy(caps=scoped(120)))
    desk.ledger.register_policy_caps(new_policy())
    assert [cap.status for cap in desk.ledger.caps("acme")] == [CapStatus.SUPERSEDED] * 2
    (again,) = desk.ledger.register_policy_caps(new_policy(caps=scoped(120)))
    assert again.status is CapStatus.PROPOSED


def test_a_rejected_policy_cap_is_not_proposed_again_and_still_holds_its_scope(desk, new_policy):
    policy = new_policy(caps=scoped(150))
    (cap,) = desk.ledger.register_policy_caps(policy)
    rejected = desk.ledger.reject_cap(cap.id, desk.fin, policy, "too high")
    assert (rejected.status.value, rejected.decided_by) == ("rejected", "fin")
    assert desk.ledger.register_policy_caps(policy) == ()
    assert desk.ledger.held_scopes(policy, DAY) == (SEARCH,)


def test_a_cap_binds_on_its_days_only(desk):
    spec = CapSpec(scope=SEARCH, max=150.0, valid_from=date(2026, 11, 20), expires=DAY)
    desk.ledger.propose_cap(spec, desk.ana, desk.policy)
    approve_newest(desk)
    days = [date(2026, 11, 19), date(2026, 11, 20), DAY, date(2026, 11, 23)]
    assert [bool(in_force(desk, day)) for day in days] == [False, True, True, False]


def test_a_later_cap_takes_over_on_its_first_day(desk):
    desk.ledger.propose_cap(CapSpec(scope=SEARCH, max=150.0), desk.ana, desk.policy)
    approve_newest(desk)
    later = CapSpec(scope=SEARCH, max=90.0, valid_from=date(2026, 12, 1))
    desk.ledger.propose_cap(later, desk.ana, desk.policy)
    approve_newest(desk)
    assert in_force(desk, date(2026, 11, 30)) == [(SEARCH, 150)]
    assert in_force(desk, date(2026, 12, 1)) == [(SEARCH, 90)]
    earlier = CapSpec(scope=SEARCH, max=70.0, valid_from=date(2026, 11, 25))
    desk.ledger.propose_cap(earlier, desk.ana, desk.policy)
    approve_newest(desk)
    assert in_force(desk, date(2026, 11, 24)) == [(SEARCH, 150)]
    assert in_force(desk, date(2026, 12, 1)) == [(SEARCH, 70)]
    assert [cap.status for cap in desk.ledger.caps("acme")] == [
        CapStatus.APPROVED,
        CapStatus.SUPERSEDED,
        CapStatus.APPROVED,
    ]
    assert desk.verify().is_sound


def test_when_a_cap_for_some_days_is_over_the_one_before_binds_again(desk):
    desk.ledger.propose_cap(CapSpec(scope=SEARCH, max=150.0), desk.ana, desk.policy)
    approve_newest(desk)
    sale = CapSpec(
        scope=SEARCH, max=500.0, valid_from=date(2026, 11, 27), expires=date(2026, 11, 30)
    )
    desk.ledger.propose_cap(sale, desk.ana, desk.policy)
    approve_newest(desk)
    days = [date(2026, 11, 26), date(2026, 11, 27), date(2026, 11, 30), date(2026, 12, 1)]
    assert [in_force(desk, day)[0][1] for day in days] == [150, 500, 500, 150]


def test_the_version_changes_with_what_is_in_force_and_with_nothing_else(desk):
    empty = desk.ledger.caps_version("acme", DAY)
    cap = desk.ledger.propose_cap(CapSpec(scope=SEARCH, max=150.0), desk.ana, desk.policy)
    assert desk.ledger.caps_version("acme", DAY) == empty
    desk.ledger.approve_cap(cap.id, desk.fin, desk.policy)
    first = desk.ledger.caps_version("acme", DAY)
    assert first != empty
    later = CapSpec(scope=SEARCH, max=90.0, valid_from=date(2026, 12, 1))
    desk.ledger.propose_cap(later, desk.ana, desk.policy)
    approve_newest(desk)
    assert desk.ledger.caps_version("acme", DAY) == first
    assert desk.ledger.caps_version("acme", date(2026, 12, 1)) != first


def test_nobody_approves_their_own_cap(desk):
    cap = desk.ledger.propose_cap(CapSpec(scope=SEARCH, max=150.0), desk.fin, desk.policy, "audit")
    with pytest.raises(NotAllowedError, match="somebody else of finance"):
        desk.ledger.approve_cap(cap.id, desk.fin, desk.policy)
    assert desk.ledger.approve_cap(cap.id, FLO, desk.policy).decided_by == "flo"


@pytest.mark.parametrize("name", ["ana", "nobody", "portfolio.yaml", "policy"])
def test_only_finance_decides_caps(sqlite_desk, name):
    desk = sqlite_desk
    cap = desk.ledger.propose_cap(CapSpec(scope=SEARCH, max=150.0), desk.fin, desk.policy)
    actor = Actor(name=name, verified_by="name")
    with pytest.raises(NotAllowedError, match="may not approve cap"):
        desk.ledger.approve_cap(cap.id, actor, desk.policy)
    with pytest.raises(NotAllowedError, match="may not reject cap"):
        desk.ledger.reject_cap(cap.id, actor, desk.policy, "no")
    assert desk.actions()[-2:] == ["denied", "denied"]
    assert in_force(desk) == []


def test_a_cap_is_decided_once(desk):
    cap = desk.ledger.propose_cap(CapSpec(scope=SEARCH, max=150.0), desk.ana, desk.policy)
    desk.ledger.approve_cap(cap.id, desk.fin, desk.policy)
    with pytest.raises(NotAllowedError, match="is approved by fin"):
        desk.ledger.approve_cap(cap.id, FLO, desk.policy)
    with pytest.raises(NotAllowedError, match="is approved by fin"):
        desk.ledger.reject_cap(cap.id, FLO, desk.policy, "late")


def test_a_cap_that_ran_out_before_it_was_approved_is_refused(desk):
    spec = CapSpec(scope=SEARCH, max=150.0, expires=date(2026, 11, 21))
    cap = desk.ledger.propose_cap(spec, desk.ana, desk.policy)
    with pytest.raises(NotAllowedError, match="ran out"):
        desk.ledger.approve_cap(cap.id, desk.fin, desk.policy)


def test_a_cap_that_ran_out_no_longer_holds_its_scope(desk, new_policy):
    policy = new_policy(caps=scoped(150, expires=DAY))
    desk.ledger.register_policy_caps(policy)
    approve_newest(desk, policy)
    assert desk.ledger.held_scopes(policy, date(2026, 11, 23)) == ()


def test_a_policy_cap_holds_its_scope_on_its_own_days_only(sqlite_desk, new_policy):
    days = {"valid_from": date(2026, 11, 20), "expires": DAY}
    policy = new_policy(caps=scoped(150, **days))
    sqlite_desk.ledger.register_policy_caps(policy)
    held = [
        bool(sqlite_desk.ledger.held_scopes(policy, date(2026, 11, day)))
        for day in (19, 20, 22, 23)
    ]
    assert held == [False, True, True, False]


@pytest.mark.parametrize(
    ("first", "last", "old_status"),
    [
        (None, None, CapStatus.SUPERSEDED),
        (date(2026, 11, 20), DAY, CapStatus.SUPERSEDED),
        (date(2026, 11, 21), None, CapStatus.APPROVED),
        (None, date(2026, 11, 21), CapStatus.APPROVED),
    ],
)
def test_a_cap_is_superseded_once_it_has_no_day_of_its_own(sqlite_desk, first, last, old_status):
    desk = sqlite_desk
    old = CapSpec(scope=SEARCH, max=150.0, valid_from=date(2026, 11, 20), expires=DAY)
    new = CapSpec(scope=SEARCH, max=120.0, valid_from=first, expires=last)
    for spec in (old, new):
        desk.moment = desk.moment.replace(day=20)
        desk.ledger.propose_cap(spec, desk.ana, desk.policy)
        approve_newest(desk)
    assert desk.ledger.caps("acme")[0].status is old_status


def test_a_stranger_proposes_no_cap(desk):
    stranger = Actor(name="eve", verified_by="name")
    with pytest.raises(NotAllowedError, match="not in people"):
        desk.ledger.propose_cap(CapSpec(scope=SEARCH, max=1.0), stranger, desk.policy)
    assert desk.actions()[-1] == "denied"


def test_a_scope_of_unknown_columns_is_refused(sqlite_desk):
    with pytest.raises(UsageError, match="region"):
        sqlite_desk.ledger.propose_cap(
            CapSpec(scope={"region": "eu"}, max=1.0), sqlite_desk.ana, sqlite_desk.policy
        )


@pytest.mark.parametrize(("currency", "amount"), [("EUR", 10.005), ("JPY", 10.5), ("KWD", 1.0005)])
def test_an_amount_finer_than_the_currency_is_refused_by_name(
    sqlite_desk, new_policy, currency, amount
):
    policy = new_policy(currency=currency, caps=scoped(amount))
    with pytest.raises(ConfigError, match=f"{currency} has"):
        sqlite_desk.ledger.register_policy_caps(policy)
    assert sqlite_desk.ledger.caps("acme") == ()


def test_a_cap_is_found_by_its_beginning(sqlite_desk):
    desk = sqlite_desk
    for amount in range(5):
        desk.ledger.propose_cap(CapSpec(scope=SEARCH, max=float(amount)), desk.ana, desk.policy)
    ids = [cap.id for cap in desk.ledger.caps("acme")]
    assert len(set(ids)) == 5
    assert desk.ledger.cap(ids[0], "acme").id == ids[0]
    begins = [ids[0][:length] for length in range(5, 12)]
    short = next(part for part in begins if sum(item.startswith(part) for item in ids) == 1)
    assert desk.ledger.cap(short, "acme").id == ids[0]
    desk.ledger.propose_cap(CapSpec(scope=SEARCH, max=9.0), desk.ana, desk.policy)
    with pytest.raises(UsageError, match="6 caps begin so") as refused:
        desk.ledger.cap("cap-", "acme")
    assert [name in str(refused.value) for name in ids] == [True] * 5
    assert str(refused.value).count("cap-") == 1 + 5
    for ref in ("", "cap-zz", "nothing"):
        with pytest.raises(NotFoundError):
            desk.ledger.cap(ref, "acme")
    with pytest.raises(NotFoundError):
        desk.ledger.cap(ids[0], "other")
