"""What the audit chain says should be in the tables: the history, replayed entry by entry."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

_PLAN_STATUS = {
    "plan.proposed": "proposed",
    "plan.approved": "approved",
    "plan.rejected": "rejected",
    "plan.expired": "expired",
    "plan.superseded": "superseded",
    "plan.revoked": "revoked",
    "plan.reopened": "proposed",
}
_CAP_STATUS = {
    "cap.proposed": "proposed",
    "cap.approved": "approved",
    "cap.rejected": "rejected",
    "cap.superseded": "superseded",
}
_PUBLICATION_STATUS = {
    "publication.publishing": "publishing",
    "publication.published": "published",
}
_DECISIONS = {"approved", "rejected", "revoked"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that does not hold, and the audit entry it concerns, if it is one."""

    seq: int | None
    subject: str
    message: str


@dataclass(slots=True)
class History:
    """What the chain says should be in the tables."""

    plans: dict[str, dict[str, Any]] = field(default_factory=dict)
    caps: dict[str, dict[str, Any]] = field(default_factory=dict)
    publications: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    paused: dict[str, int] = field(default_factory=dict)


def replay(entries: list[dict[str, Any]], history: History) -> Iterator[Problem]:
    """Follow the history; yield entries that could not have happened."""
    for entry in entries:
        action, subject = entry["action"], entry["subject"]
        payload = json.loads(entry["payload"])
        if action in _PLAN_STATUS:
            known = _follow(history.plans, subject, entry, payload, action == "plan.proposed")
            status = _PLAN_STATUS[action]
        elif action in _CAP_STATUS:
            known = _follow(history.caps, subject, entry, payload, action == "cap.proposed")
            status = _CAP_STATUS[action]
        elif action in _PUBLICATION_STATUS:
            key = (subject, str(payload.get("target")))
            known = _follow(
                history.publications, key, entry, payload, action == "publication.publishing"
            )
            status = _PUBLICATION_STATUS[action]
        else:
            if action in {"publishing.paused", "publishing.resumed"}:
                history.paused[subject] = int(action == "publishing.paused")
            continue
        if known is None:
            message = f"{action}: there is nothing it could be about, or twice"
            yield Problem(seq=entry["seq"], subject=subject, message=message)
            continue
        known["status"] = status
        if status in _DECISIONS:
            known |= {"decided_by": entry["actor"], "decided_seq": entry["seq"]}


def _follow(
    known: dict[Any, dict[str, Any]],
    key: Any,
    entry: Mapping[str, Any],
    payload: Mapping[str, Any],
    begins: bool,
) -> dict[str, Any] | None:
    """Return the record that an entry is about; a first entry makes it, a second one may not."""
    if begins == (key in known):
        return None
    if begins:
        known[key] = {
            **payload,
            "status": "",
            "seq": entry["seq"],
            "actor": entry["actor"],
            "decided_by": "",
            "decided_seq": 0,
        }
    else:
        known[key]["seq"] = entry["seq"]
    return known[key]
