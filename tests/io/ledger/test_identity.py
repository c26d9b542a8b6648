from __future__ import annotations

import os
import pwd

import pytest

from pipeline.core.errors import NotAllowedError
from pipeline.io.ledger import resolve_actor
from pipeline.io.ledger.identity import has_role, system_login

PEOPLE = {
    "analysts": ["ana", {"name": "lou", "login": "lou.work"}, "night"],
    "finance": ["fin", {"name": "lou", "login": "lou.work"}],
}


def test_a_bare_name_acts_from_any_login(new_policy):
    actor = resolve_actor(new_policy(people=PEOPLE), "ana", login=lambda: "whoever")
    assert (actor.name, actor.verified_by) == ("ana", "name")


def test_a_person_with_a_login_acts_only_from_it(new_policy):
    policy = new_policy(people=PEOPLE)
    assert resolve_actor(policy, "lou", login=lambda: "lou.work").verified_by == "login"
    with pytest.raises(NotAllowedError, match=r"only from the login 'lou.work', this is 'root'"):
        resolve_actor(policy, "lou", login=lambda: "root")


@pytest.mark.parametrize("name", ["eve", "", "ANA", "ana ", "policy", "portfolio.yaml", "night"])
def test_nobody_else_acts_at_all(new_policy, name):
    with pytest.raises(NotAllowedError, match="nobody of that name"):
        resolve_actor(new_policy(people=PEOPLE), name)


def test_a_person_vouched_for_elsewhere_needs_no_login_here(new_policy):
    actor = resolve_actor(
        new_policy(people=PEOPLE), "lou", verified_by="airflow", login=lambda: "airflow"
    )
    assert actor.verified_by == "airflow"


def test_the_login_is_the_processes_account_and_not_its_environment(monkeypatch):
    for name in ("USER", "LOGNAME", "LNAME", "USERNAME"):
        monkeypatch.setenv(name, "somebody-else")
    assert system_login() == pwd.getpwuid(os.getuid()).pw_name


def test_roles_come_from_the_lists(new_policy):
    policy = new_policy(people=PEOPLE)
    assert has_role(policy, "lou", "finance")
    assert has_role(policy, "lou", "analysts")
    assert not has_role(policy, "ana", "finance")
    assert not has_role(policy, "night", "analysts")
