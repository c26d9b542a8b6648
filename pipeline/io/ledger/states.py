"""Every state and every allowed move, in one table each. The database holds the same by trigger."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from pipeline.core.caps import CapStatus
from pipeline.core.plan import Status


class PublicationStatus(StrEnum):
    """Where the publishing of an approved plan stands."""

    PUBLISHING = "publishing"
    PUBLISHED = "published"


class RowStatus(StrEnum):
    """Where one line of a publication stands.

    `refused` was left out by the publisher or not taken by the platform, and it was said why.
    """

    INTENT = "intent"
    SENT = "sent"
    CONFIRMED = "confirmed"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """From which states an action may lead to which one, and how the audit log calls it."""

    before: tuple[str, ...]
    after: str
    audit: str


PLAN_MOVES: Mapping[str, Move] = {
    "approve": Move(before=(Status.PROPOSED,), after=Status.APPROVED, audit="plan.approved"),
    "reject": Move(before=(Status.PROPOSED,), after=Status.REJECTED, audit="plan.rejected"),
    "expire": Move(before=(Status.PROPOSED,), after=Status.EXPIRED, audit="plan.expired"),
    "supersede": Move(
        before=(Status.PROPOSED, Status.APPROVED), after=Status.SUPERSEDED, audit="plan.superseded"
    ),
    "revoke": Move(before=(Status.APPROVED,), after=Status.REVOKED, audit="plan.revoked"),
    # A night that comes to the same plan again puts it before people again, unless they decided.
    "reopen": Move(
        before=(Status.SUPERSEDED, Status.EXPIRED), after=Status.PROPOSED, audit="plan.reopened"
    ),
}

CAP_MOVES: Mapping[str, Move] = {
    "approve": Move(before=(CapStatus.PROPOSED,), after=CapStatus.APPROVED, audit="cap.approved"),
    "reject": Move(before=(CapStatus.PROPOSED,), after=CapStatus.REJECTED, audit="cap.rejected"),
    "supersede": Move(
        before=(CapStatus.PROPOSED, CapStatus.APPROVED),
        after=CapStatus.SUPERSEDED,
        audit="cap.superseded",
    ),
}

PUBLICATION_MOVES: Mapping[str, Move] = {
    "confirm": Move(
        before=(PublicationStatus.PUBLISHING,),
        after=PublicationStatus.PUBLISHED,
        audit="publication.published",
    ),
}

ROW_MOVES: Mapping[str, Move] = {
    "send": Move(before=(RowStatus.INTENT,), after=RowStatus.SENT, audit=""),
    "confirm": Move(before=(RowStatus.SENT,), after=RowStatus.CONFIRMED, audit=""),
    "refuse": Move(before=(RowStatus.INTENT,), after=RowStatus.REFUSED, audit=""),
    "bounce": Move(before=(RowStatus.SENT,), after=RowStatus.REFUSED, audit=""),
}


def allowed_pairs(moves: Mapping[str, Move]) -> frozenset[tuple[str, str]]:
    """Return every allowed (before, after) pair of a table."""
    return frozenset((str(old), str(move.after)) for move in moves.values() for old in move.before)
