"""Random nights, people, clocks and caps against a small obvious model, on both databases."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from pipeline.core.errors import NotAllowedError, NotFoundError
from pipeline.core.policy import CapSpec
from pipeline.io.ledger import Actor

FIRST = date(2026, 11, 22)
days = st.integers(0, 2)
tags = st.sampled_from(["aaaaaaaa", "bbbbbbbb"])
people = st.sampled_from(["ana", "both", "fin", "eve"])
amounts = st.sampled_from([None, 120.0, 150.0])


class Model:
    """What should be true, kept in plain dictionaries."""

    def __init__(self) -> None:
        self.plans = {}  # id -> [status, day, cap the plan was made under, expires, published]
        self.cap = (None, "")  # amount in force, who approved it
        self.waiting = None  # amount and proposer of the newest proposal
        self.paused = False

    def published_days(self):
        counting = [plan for plan in self.plans.values() if plan["status"] != "revoked"]
        return [plan["day"] for plan in counting if plan["published"]]

    def overtaken(self, day):
        return any(other > day for other in self.published_days())


def machine(make_desk, kind):
    class Governance(RuleBasedStateMachine):
        @initialize()
        def start(self):
            self.desk, self.model = make_desk(kind), Model()
            self.versions = {}

        def actor(self, name):
            return Actor(name=name, verified_by="name")

        def expire(self):
            for plan in self.model.plans.values():
                if plan["status"] == "proposed" and plan["expires"] <= self.desk.moment:
                    plan["status"] = "expired"

        @rule(offset=days, tag=tags)
        def propose(self, offset, tag):
            self.expire()
            day = FIRST + timedelta(days=offset)
            version = self.desk.ledger.caps_version("acme", day)
            tag += version[-6:]
            record = self.desk.propose(tag, day)
            plans = self.model.plans
            known = plans.get(record.plan_id)
            end = self.desk.moment + timedelta(hours=24)
            midnight = self.desk.moment.replace(
                year=day.year, month=day.month, day=day.day, hour=23, minute=0
            )
            expires = max(end, midnight)
            if known is None or (
                known["status"] in {"superseded", "expired"} and not known["decided"]
            ):
                for plan_id, plan in plans.items():
                    if plan["day"] == day and plan["status"] == "proposed":
                        plans[plan_id]["status"] = "superseded"
                plans[record.plan_id] = {
                    "status": "proposed",
                    "day": day,
                    "cap": self.model.cap[0],
                    "version": version,
                    "expires": expires,
                    "decided": False,
                    "published": False,
                    "signer": "",
                    "proposed": self.desk.moment,
                }

        @precondition(lambda self: self.model.plans)
        @rule(data=st.data(), name=people, approve=st.booleans())
        def decide(self, data, name, approve):
            self.expire()
            plan_id = data.draw(st.sampled_from(sorted(self.model.plans)))
            plan = self.model.plans[plan_id]
            allowed = name in {"ana", "both"} and plan["status"] == "proposed"
            if approve:
                allowed = (
                    allowed
                    and self.desk.moment >= plan["proposed"]
                    and plan["cap"] == self.model.cap[0]
                    and name != self.model.cap[1]
                    and not self.model.overtaken(plan["day"])
                )
            ledger, actor = self.desk.ledger, self.actor(name)
            try:
                if approve:
                    ledger.approve_plan(plan_id, actor, self.desk.policy)
                else:
                    ledger.reject_plan(plan_id, actor, self.desk.policy, "no")
            except NotAllowedError:
                assert not allowed, (plan_id, plan, name)
                return
            assert allowed, (plan_id, plan, name)
            if approve:
                for other in self.model.plans.values():
                    if other["day"] == plan["day"] and other["status"] == "approved":
                        other["status"] = "superseded"
            plan |= {
                "status": "approved" if approve else "rejected",
                "decided": True,
                "signer": name,
                "signed": self.desk.moment,
            }

        @precondition(lambda self: self.model.plans)
        @rule(data=st.data())
        def publish(self, data):
            plan_id = data.draw(st.sampled_from(sorted(self.model.plans)))
            plan = self.model.plans[plan_id]
            allowed = plan["published"] or (
                plan["status"] == "approved"
                and not self.model.paused
                and plan["signed"] <= self.desk.moment < plan["expires"]
                and plan["cap"] == self.model.cap[0]
                and not self.model.overtaken(plan["day"])
            )
            record = self.desk.ledger.plan(plan_id)
            try:
                publication = self.desk.ledger.start_publication(record, self.desk.ana)
            except NotAllowedError:
                assert not allowed, (plan_id, plan)
                return
            assert allowed, (plan_id, plan)
            for move, state in (("send", "intent"), ("confirm", "sent")):
                rows = [row.position for row in publication.rows if row.status == state]
                self.desk.ledger.mark_rows(publication, move, rows)
                publication = self.desk.ledger.plan(plan_id).publication
            self.desk.ledger.finish_publication(publication, self.desk.ana)
            plan["published"] = True

        @rule(amount=st.sampled_from([120.0, 150.0]), name=people)
        def propose_cap(self, amount, name):
            spec = CapSpec(scope={"channel": "search"}, max=amount)
            try:
                self.desk.ledger.propose_cap(spec, self.actor(name), self.desk.policy)
            except NotAllowedError:
                assert name == "eve"
                return
            assert name != "eve"
            self.model.waiting = (amount, name)

        @precondition(lambda self: self.model.waiting)
        @rule(name=people)
        def approve_cap(self, name):
            cap = self.desk.ledger.caps("acme")[-1]
            amount, proposer = self.model.waiting
            allowed = name in {"fin", "both"} and name != proposer
            try:
                self.desk.ledger.approve_cap(cap.id, self.actor(name), self.desk.policy)
            except NotAllowedError:
                assert not allowed
                return
            assert allowed
            self.model.cap, self.model.waiting = ((cap.id, amount), name), None

        @rule(hours=st.sampled_from([1, 9, 25, -2]))
        def wait(self, hours):
            """Clocks go on, and sometimes back."""
            self.desk.wait(hours=hours)

        @rule(paused=st.booleans())
        def switch(self, paused):
            turn = self.desk.ledger.pause if paused else self.desk.ledger.resume
            turn(self.desk.ana, self.desk.policy)
            self.model.paused = paused

        @rule()
        def restart(self):
            self.desk.ledger = self.desk.open()

        @invariant()
        def the_ledger_says_what_the_model_says(self):
            if not hasattr(self, "desk"):
                return
            stored = {record.plan_id: record for record in self.desk.ledger.plans("acme")}
            assert stored.keys() == self.model.plans.keys()
            for plan_id, plan in self.model.plans.items():
                record = stored[plan_id]
                assert (record.status.value, record.is_published) == (
                    plan["status"],
                    plan["published"],
                ), plan_id
                assert record.decided_by == plan["signer"]
            in_force = [(cap.id, cap.max) for cap in self.desk.ledger.caps_in_force("acme", FIRST)]
            assert in_force == ([self.model.cap[0]] if self.model.cap[0] else [])
            assert self.desk.ledger.is_paused("acme") is self.model.paused
            result = self.desk.verify()
            assert result.is_sound, result.problems

    return Governance


@pytest.mark.parametrize(("kind", "examples"), [("sqlite", 20), ("postgres", 10)])
def test_the_ledger_agrees_with_a_small_model(make_desk, kind, examples):
    run_state_machine_as_test(
        machine(make_desk, kind),
        settings=settings(
            max_examples=examples,
            stateful_step_count=25,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_a_ledger_without_plans_has_no_latest(sqlite_desk):
    with pytest.raises(NotFoundError):
        sqlite_desk.ledger.plan("latest")
