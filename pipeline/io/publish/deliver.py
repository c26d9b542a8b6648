"""Takes a signed plan's budgets to one destination, line by line, and reads them back.

The ledger holds for each line what is intended, sent and confirmed, so that an interrupted delivery
goes on where it stopped: what is set already is only confirmed, and amounts are absolute, so that
setting one twice is harmless. What the destination refuses stays refused, with its words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal

from pipeline.core.errors import DamagedError, StorageError
from pipeline.core.types import Line, line_label
from pipeline.io.ledger import Actor, Ledger, PlanRecord, Publication
from pipeline.io.ledger.records import PublicationRow
from pipeline.io.ledger.states import PublicationStatus, RowStatus
from pipeline.io.publish.destinations import Destination, Order, Seen
from pipeline.io.publish.sheets import amount_text
from pipeline.io.publish.targets import Target


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """What is to be delivered where.

    Attributes:
        name: of the destination in the settings; the publication's target.
        orders: the lines that can be named there.
        unnamed: position -> why a line cannot be named there.
        step: largest rise against what is set there, where the plan did not start from that.
    """

    name: str
    record: PlanRecord
    orders: tuple[Order, ...]
    unnamed: Mapping[int, str]
    step: float

    def money(self, minor: int | None) -> str:
        """Return an amount as text; a word where nothing is set."""
        return "unknown" if minor is None else amount_text(minor, self.record.document.digits)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsed:
    """What a delivery would do to one line: the amount set there now, and why not, if not."""

    line: Line
    id: str
    now: int | None
    amount: int
    why: str


def delivery_of(
    name: str,
    record: PlanRecord,
    positions: Sequence[int],
    targets: Mapping[Line, Target] | None,
    step: float,
) -> Delivery:
    """Return the delivery of the plan's lines at these positions.

    Args:
        targets: by line; None where the destination takes lines by their own names.
    """
    orders, unnamed = [], {}
    for position in positions:
        item = record.money[position]
        target = Target(id="") if targets is None else targets.get(item.line)
        if target is None:
            unnamed[position] = "the night's rows named no id of its own for it"
            continue
        orders.append(
            Order(
                position=position,
                line=item.line,
                target=target,
                amount=item.proposed,
                before=item.current,
            )
        )
    return Delivery(name=name, record=record, orders=tuple(orders), unnamed=unnamed, step=step)


def rehearse(delivery: Delivery, destination: Destination) -> tuple[Rehearsed, ...]:
    """Return what would happen to each line; nothing is changed there or in the ledger.

    Raises:
        StorageError: the destination cannot be asked.
    """
    seen = destination.look(delivery.orders)
    whys = {
        item.position: _objection(delivery, item, seen[item.position]) for item in delivery.orders
    }
    ready = [item for item in delivery.orders if not whys[item.position]]
    if destination.rehearses:
        for part in _parts(ready, destination.batch):
            whys |= destination.send(part, dry_run=True)
    found = [
        Rehearsed(
            line=item.line,
            id=item.target.id,
            now=seen[item.position].amount,
            amount=item.amount,
            why=whys[item.position],
        )
        for item in delivery.orders
    ]
    left_out = [
        Rehearsed(
            line=delivery.record.money[position].line,
            id="",
            now=None,
            amount=delivery.record.money[position].proposed,
            why=why,
        )
        for position, why in delivery.unnamed.items()
    ]
    return (*found, *left_out)


def deliver(
    delivery: Delivery, destination: Destination, ledger: Ledger, actor: Actor
) -> Publication:
    """Set every line's budget there, confirm what was read back, and return how it stands.

    Raises:
        NotAllowedError: the ledger does not allow it (any more).
        StorageError: something is not confirmed; running it again sends only the rest.
    """
    positions = [*(item.position for item in delivery.orders), *delivery.unnamed]
    publication = ledger.start_publication(delivery.record, actor, delivery.name, positions)
    if publication.status is PublicationStatus.PUBLISHED:
        if destination.restores:  # a sheet that went missing is back; nothing else changes
            destination.send(_confirmed(delivery, publication), dry_run=False)
        return publication
    ledger_rows = {row.position: row for row in publication.rows}
    for position, why in delivery.unnamed.items():
        if ledger_rows[position].status is RowStatus.INTENT:
            ledger.mark_rows(publication, "refuse", [position], why)
    waiting = [item for item in delivery.orders if _is_open(ledger_rows[item.position])]
    waiting = _without_objections(delivery, destination, ledger, publication, waiting)
    for part in _parts(waiting, destination.batch):
        fresh = [
            item.position for item in part if ledger_rows[item.position].status is RowStatus.INTENT
        ]
        ledger.mark_rows(publication, "send", fresh)
        for position, why in destination.send(part, dry_run=False).items():
            ledger.mark_rows(publication, "bounce", [position], why)
    _read_back(delivery, destination, ledger)
    ledger.finish_publication(publication, actor)
    return _now(delivery, ledger)


def _without_objections(
    delivery: Delivery,
    destination: Destination,
    ledger: Ledger,
    publication: Publication,
    waiting: Sequence[Order],
) -> list[Order]:
    """Refuse what must not be set, pass over what is set already, and return what is left."""
    status = {row.position: row.status for row in publication.rows}
    seen = destination.look(waiting) if waiting else {}
    left, already = [], []
    for item in waiting:
        is_fresh = status[item.position] is RowStatus.INTENT
        if seen[item.position].amount == item.amount and not seen[item.position].why:
            already += [item.position] if is_fresh else []
        elif why := _objection(delivery, item, seen[item.position]):
            ledger.mark_rows(publication, "refuse" if is_fresh else "bounce", [item.position], why)
        else:
            left.append(item)
    ledger.mark_rows(publication, "send", already)
    return left


def _objection(delivery: Delivery, order: Order, seen: Seen) -> str:
    """Return why the amount must not be set there; empty where it may.

    The plan's own step was judged by the hard limits. Where something else is set than the plan
    started from, the rise counts from there: nobody signed a larger one.
    """
    if seen.why or seen.amount is None or seen.amount == order.before:
        return seen.why
    most = Decimal(seen.amount) * (1 + Decimal(repr(delivery.step)))
    if order.amount <= int(most.to_integral_value(ROUND_FLOOR)):
        return ""
    return (
        f"{delivery.money(seen.amount)} is set there, the plan started from "
        f"{delivery.money(order.before)}; {delivery.money(order.amount)} is more than "
        f"{delivery.step:.0%} above what is set: set it there by hand, or let `budget` of the "
        "spend rows say what is set"
    )


def _read_back(delivery: Delivery, destination: Destination, ledger: Ledger) -> None:
    """Confirm what is set as it was sent.

    Raises:
        StorageError: a line is not; what is set stays confirmed.
    """
    publication = _now(delivery, ledger)
    sent = {row.position for row in publication.rows if row.status is RowStatus.SENT}
    orders = [item for item in delivery.orders if item.position in sent]
    seen = destination.look(orders) if orders else {}
    right = [item.position for item in orders if seen[item.position].amount == item.amount]
    ledger.mark_rows(publication, "confirm", right)
    if wrong := [item for item in orders if item.position not in set(right)]:
        first = wrong[0]
        raise StorageError(
            f"{delivery.name} ({destination.label}): {len(wrong)} of {len(delivery.orders)} lines "
            f"are not confirmed, such as {line_label(first.line)}: "
            f"{delivery.money(seen[first.position].amount)} is set instead of "
            f"{delivery.money(first.amount)}; run 'equimarginal publish "
            f"{delivery.record.plan_id}' again"
        )


def _now(delivery: Delivery, ledger: Ledger) -> Publication:
    for publication in ledger.plan(delivery.record.plan_id).destinations:
        if publication.target == delivery.name:
            return publication
    raise DamagedError(
        f"plan {delivery.record.plan_id}: its publication to {delivery.name} is gone; "
        "run 'equimarginal audit verify'"
    )


def _confirmed(delivery: Delivery, publication: Publication) -> list[Order]:
    done = {row.position for row in publication.rows if row.status is RowStatus.CONFIRMED}
    return [item for item in delivery.orders if item.position in done]


def _is_open(row: PublicationRow) -> bool:
    return row.status in {RowStatus.INTENT, RowStatus.SENT}


def _parts(orders: Sequence[Order], size: int) -> list[Sequence[Order]]:
    return [orders[start : start + size] for start in range(0, len(orders), size)]
