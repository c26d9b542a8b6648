"""Caps in the ledger: proposed by anyone or by the policy file, in force once finance approves."""

from __future__ import annotations

from datetime import date

from pipeline.core.caps import Cap, CapStatus
from pipeline.core.errors import NotAllowedError, UsageError
from pipeline.core.policy import CapSpec, Policy
from pipeline.core.types import scope_label
from pipeline.io.ledger.base import LedgerBase
from pipeline.io.ledger.cap_rows import (
    caps_in_force_of,
    caps_version_of,
    decide_cap,
    find_cap,
    held_scopes_of,
    insert_cap,
    policy_changes,
    read_caps,
    stored_values,
    supersede_cap,
    supersede_covered,
)
from pipeline.io.ledger.identity import POLICY_FILE, require_person, require_role
from pipeline.io.ledger.records import Actor

_STATED = "stated in portfolio.yaml"


class CapBook(LedgerBase):
    """Everything that happens to a cap."""

    def caps(self, portfolio: str) -> tuple[Cap, ...]:
        """Return every cap there ever was, oldest first."""
        with self._database.read() as connection:
            return read_caps(connection, portfolio)

    def cap(self, ref: str, portfolio: str) -> Cap:
        """Return the cap of an id or of a unique beginning of one.

        Raises:
            NotFoundError: there is none.
            UsageError: several begin so.
        """
        with self._database.read() as connection:
            return find_cap(connection, ref, portfolio)

    def caps_in_force(self, portfolio: str, day: date) -> tuple[Cap, ...]:
        """Return the caps that bind plans for `day`, ordered by scope."""
        with self._database.read() as connection:
            return caps_in_force_of(connection, portfolio, day)

    def caps_version(self, portfolio: str, day: date) -> str:
        """Return the hash over the caps in force on `day`; an approval is bound to it."""
        with self._database.read() as connection:
            return caps_version_of(connection, portfolio, day)

    def held_scopes(self, policy: Policy, day: date) -> tuple[dict[str, str], ...]:
        """Return the scopes whose lines stay at their current budget on `day`.

        These are the policy file's caps that finance has not approved: none is in force for the
        scope on that day, nor has one run out.
        """
        with self._database.read() as connection:
            return held_scopes_of(connection, policy, day)

    def register_policy_caps(self, policy: Policy) -> tuple[Cap, ...]:
        """Propose what the policy file states and was not proposed yet; return the new proposals.

        A changed value is a new proposal and withdraws the one that still waits. What is in force
        stays so until finance decides, whatever the file says.

        Raises:
            ConfigError: an amount is finer than the currency's minor unit.
        """
        wanted = [(spec, stored_values(spec, policy.currency)) for spec in policy.caps]
        with self._database.read() as connection:
            if not policy_changes(connection, policy, wanted):
                return ()
        actor = Actor(name=POLICY_FILE, verified_by=POLICY_FILE)
        with self._writing() as transaction:
            ids = []
            for old_id, values in policy_changes(transaction.connection, policy, wanted):
                if old_id is not None:
                    why = {"why": "portfolio.yaml changed"}
                    supersede_cap(transaction, old_id, POLICY_FILE, why)
                if values is not None:
                    ids.append(insert_cap(transaction, policy, values, actor, _STATED))
            return tuple(find_cap(transaction.connection, item, policy.portfolio) for item in ids)

    def propose_cap(
        self, spec: CapSpec, actor: Actor, policy: Policy, reason: str = "", impact: str = ""
    ) -> Cap:
        """Store a cap that waits for finance, with what it is expected to cost.

        Raises:
            UsageError: the scope names a column that is none of the portfolio's.
            NotAllowedError: not a person of the policy; it is recorded.
        """
        if unknown := sorted(set(spec.scope) - set(policy.line)):
            raise UsageError(
                f"cap scope: {unknown} is no line column, need one of {list(policy.line)}"
            )
        values = stored_values(spec, policy.currency)
        with self._deciding(actor, "propose cap", scope_label(spec.scope)) as transaction:
            require_person(policy, actor, "propose a cap")
            cap_id = insert_cap(transaction, policy, values, actor, reason, impact)
            return find_cap(transaction.connection, cap_id, policy.portfolio)

    def approve_cap(self, ref: str, actor: Actor, policy: Policy) -> Cap:
        """Put a cap in force; on the days it covers it binds instead of the scope's earlier ones.

        Raises:
            NotAllowedError: wrong role, own proposal, decided or run out; it is recorded.
        """
        cap_id = self.cap(ref, policy.portfolio).id
        with self._deciding(actor, "approve cap", cap_id) as transaction:
            require_role(policy, actor, "finance", f"approve cap {cap_id}")
            cap = find_cap(transaction.connection, cap_id, policy.portfolio)
            if cap.proposed_by == actor.name:
                raise NotAllowedError(
                    f"{actor.name} proposed cap {cap_id}; somebody else of finance must approve it"
                )
            _check_waiting(cap)
            if cap.expires is not None and cap.expires.isoformat() < transaction.at[:10]:
                raise NotAllowedError(f"cap {cap_id} ran out on {cap.expires}; propose it again")
            supersede_covered(transaction, cap, policy.portfolio, actor)
            decide_cap(transaction, cap, "approve", actor, "")
            return find_cap(transaction.connection, cap_id, policy.portfolio)

    def reject_cap(self, ref: str, actor: Actor, policy: Policy, why: str) -> Cap:
        """Refuse a proposed cap.

        Raises:
            NotAllowedError: wrong role or decided; it is recorded.
        """
        cap_id = self.cap(ref, policy.portfolio).id
        with self._deciding(actor, "reject cap", cap_id) as transaction:
            require_role(policy, actor, "finance", f"reject cap {cap_id}")
            cap = find_cap(transaction.connection, cap_id, policy.portfolio)
            _check_waiting(cap)
            decide_cap(transaction, cap, "reject", actor, why)
            return find_cap(transaction.connection, cap_id, policy.portfolio)


def _check_waiting(cap: Cap) -> None:
    if cap.status is not CapStatus.PROPOSED:
        by = f" by {cap.decided_by}" if cap.decided_by else ""
        raise NotAllowedError(
            f"cap {cap.id} is {cap.status.value}{by}, only a proposed cap can be decided"
        )
