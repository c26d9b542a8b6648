"""Who is acting, and what they may do. Names come from the policy, logins from the system."""

from __future__ import annotations

import getpass
import os
from collections.abc import Callable
from typing import Literal

from pipeline.core.errors import NotAllowedError
from pipeline.core.policy import Policy
from pipeline.io.ledger.records import Actor

Role = Literal["analysts", "finance"]

NIGHT = "night"
POLICY = "policy"
POLICY_FILE = "portfolio.yaml"
_NOT_PEOPLE = frozenset({NIGHT, POLICY, POLICY_FILE})


def system_login() -> str:
    """Return the account that runs this process, by its user id and not by its environment."""
    try:
        import pwd
    except ImportError:  # no such table on Windows
        return getpass.getuser()
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid {os.getuid()}"


def resolve_actor(
    policy: Policy, name: str, *, verified_by: str = "", login: Callable[[], str] = system_login
) -> Actor:
    """Return the person of the policy who acts.

    Args:
        verified_by: what already knows the person, such as `airflow`; without it, a person with a
            login must act from it.

    Raises:
        NotAllowedError: nobody of that name, or another login.
    """
    people = {person.name: person for person in (*policy.people.analysts, *policy.people.finance)}
    person = people.get(name)
    if person is None or name in _NOT_PEOPLE:
        raise NotAllowedError(
            f"--as {name}: nobody of that name in people of portfolio.yaml, "
            f"need one of {', '.join(sorted(people)) or 'nobody yet: add people'}"
        )
    if verified_by:
        return Actor(name=name, verified_by=verified_by)
    if person.login is None:
        return Actor(name=name, verified_by="name")
    account = login()
    if account != person.login:
        raise NotAllowedError(
            f"--as {name}: may act only from the login {person.login!r}, this is {account!r}; "
            "sign in as that person"
        )
    return Actor(name=name, verified_by="login")


def has_role(policy: Policy, name: str, role: Role) -> bool:
    """Return whether the policy, as it reads now, gives the person the role."""
    return name not in _NOT_PEOPLE and any(
        person.name == name for person in getattr(policy.people, role)
    )


def may_still_sign(policy: Policy, signer: str) -> bool:
    """Return whether who signed a plan, a person or the policy, might sign it as things are now."""
    if signer == POLICY:
        return policy.approval.auto_within is not None
    return has_role(policy, signer, "analysts")


def require_role(policy: Policy, actor: Actor, role: Role, what: str) -> None:
    """Refuse a person who does not have the role.

    Raises:
        NotAllowedError: says who has it.
    """
    if has_role(policy, actor.name, role):
        return
    holders = ", ".join(person.name for person in getattr(policy.people, role)) or "nobody yet"
    raise NotAllowedError(
        f"{actor.name} may not {what}: that takes a person of people.{role} ({holders})"
    )


def require_person(policy: Policy, actor: Actor, what: str) -> None:
    """Refuse somebody who has no role at all.

    Raises:
        NotAllowedError: the name is in neither list.
    """
    if not (has_role(policy, actor.name, "analysts") or has_role(policy, actor.name, "finance")):
        raise NotAllowedError(f"{actor.name} may not {what}: not in people of portfolio.yaml")
