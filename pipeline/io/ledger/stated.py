"""What a person says of the plan they mean, held against the plan before it moves any money."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pipeline.core.errors import NotAllowedError
from pipeline.io.ledger.records import PlanRecord


class MistakenError(NotAllowedError):
    """The person means another plan, or did not say which one; asking again may help."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stated:
    """A plan's portfolio, total and content hash in a person's words; None where nothing is said.

    `total` counts to the last minor unit, account currency.
    """

    portfolio: str | None = None
    total: float | None = None
    content_hash: str | None = None

    @property
    def names(self) -> list[str]:
        """What was said, sorted."""
        return [name for name in ALL_STATED if getattr(self, name) is not None]


ALL_STATED = ("content_hash", "portfolio", "total")
NOTHING_STATED = Stated()
_OPTIONS = {"content_hash": "--hash", "portfolio": "--portfolio", "total": "--total"}


def check_stated(record: PlanRecord, stated: Stated, *, everything: bool) -> None:
    """Refuse a plan other than the one that is meant.

    Args:
        everything: all three have to be said, because money moves by it.

    Raises:
        MistakenError: names what is missing, or what is otherwise.
    """
    plan_id = record.plan_id
    if everything and (missing := [name for name in ALL_STATED if name not in stated.names]):
        raise MistakenError(
            f"plan {plan_id}: it changes budgets on a platform, so say which plan is meant: "
            f"{' and '.join(_OPTIONS[name] for name in missing)} missing; "
            f"'equimarginal plan {plan_id}' shows them"
        )
    if stated.content_hash not in {None, record.content_hash}:
        raise MistakenError(
            f"plan {plan_id}: its content is {record.content_hash}, "
            f"what was reviewed is {stated.content_hash}; read the report again"
        )
    if stated.portfolio not in {None, record.document.portfolio}:
        raise MistakenError(
            f"plan {plan_id}: is of portfolio {record.document.portfolio}, "
            f"--portfolio is {stated.portfolio}; look at -w"
        )
    if stated.total is not None and stated.total != record.total:
        raise MistakenError(
            f"plan {plan_id}: it gives out {record.total_label}, --total is {stated.total!r}; "
            f"read it with 'equimarginal plan {plan_id}'"
        )


def was_stated(payload: dict[str, Any]) -> bool:
    """Return whether a signature's audit entry says that everything was said."""
    return payload.get("stated") == list(ALL_STATED)
