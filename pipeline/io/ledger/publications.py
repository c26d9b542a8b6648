"""What is published, and the switch that stops publishing. The publisher itself is elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from sqlalchemy import Connection, insert, select, update

from pipeline.core.errors import NotAllowedError
from pipeline.core.plan import Kind, Status
from pipeline.core.policy import Policy
from pipeline.core.types import Line
from pipeline.io.ledger import schema
from pipeline.io.ledger.base import LedgerBase, refuse_clock_behind
from pipeline.io.ledger.cap_rows import caps_version_of
from pipeline.io.ledger.identity import require_person
from pipeline.io.ledger.records import Actor, PlanRecord, Publication, PublicationRow
from pipeline.io.ledger.states import PUBLICATION_MOVES, ROW_MOVES, PublicationStatus, RowStatus

FILES = "files"
_BATCH = 500  # a statement may not hold any number of values
_HEAD = schema.publication
_ROWS = schema.publication_row


class PublicationBook(LedgerBase):
    """The steps of publishing an approved plan, and who stopped it."""

    def start_publication(
        self,
        record: PlanRecord,
        actor: Actor,
        target: str = FILES,
        positions: Sequence[int] | None = None,
    ) -> Publication:
        """State the intent to publish lines; a publication under way is taken up again.

        Args:
            positions: of the lines that this target gets; all by default.

        Raises:
            NotAllowedError: paused, not approved, out of time, other caps, or overtaken; recorded.
        """
        plan = record.document
        with self._deciding(actor, "publish plan", plan.plan_id) as transaction:
            connection = transaction.connection
            lines = [item.line for item in record.money]
            known = read_publication(connection, plan.plan_id, lines, target)
            if known is not None and known.status is PublicationStatus.PUBLISHED:
                return known
            _check_may_publish(connection, record, transaction.at)
            if known is not None:
                return known
            connection.execute(
                insert(_HEAD).values(
                    plan_id=plan.plan_id,
                    target=target,
                    content_hash=record.content_hash,
                    status=PublicationStatus.PUBLISHING.value,
                    started_by=actor.name,
                    started_at=transaction.at,
                )
            )
            rows = [
                {
                    "plan_id": plan.plan_id,
                    "target": target,
                    "position": position,
                    "amount_minor": item.proposed,
                    "status": RowStatus.INTENT.value,
                }
                for position, item in enumerate(record.money)
                if positions is None or position in positions
            ]
            if rows:
                connection.execute(insert(_ROWS), rows)
            transaction.record(
                actor.name,
                "publication.publishing",
                plan.plan_id,
                {"target": target, "content_hash": record.content_hash, "rows": len(rows)},
            )
            started = read_publication(connection, plan.plan_id, lines, target)
        assert started is not None  # noqa: S101  it was written just above
        return started

    def mark_rows(
        self, publication: Publication, move: str, positions: Sequence[int], why: str = ""
    ) -> None:
        """Move rows along intent, sent, confirmed; or refuse or bounce them, with the reason.

        Raises:
            NotAllowedError: a row is not where the move begins.
        """
        rule = ROW_MOVES[move]
        with self._writing() as transaction:
            moved = 0
            for start in range(0, len(positions), _BATCH):
                moved += transaction.connection.execute(
                    update(_ROWS)
                    .where(
                        _ROWS.c.plan_id == publication.plan_id,
                        _ROWS.c.target == publication.target,
                        _ROWS.c.position.in_(positions[start : start + _BATCH]),
                        _ROWS.c.status.in_(rule.before),
                    )
                    .values(status=rule.after, why=why)
                ).rowcount
            if moved != len(positions):
                raise NotAllowedError(
                    f"plan {publication.plan_id}: {len(positions) - moved} rows cannot {move} now; "
                    f"run 'equimarginal publish {publication.plan_id}' again"
                )

    def finish_publication(self, publication: Publication, actor: Actor) -> None:
        """Mark a publication as published, once every row is confirmed or was left out.

        Raises:
            NotAllowedError: a row is still under way.
        """
        move = PUBLICATION_MOVES["confirm"]
        key = (_HEAD.c.plan_id == publication.plan_id) & (_HEAD.c.target == publication.target)
        with self._writing() as transaction:
            connection = transaction.connection
            states = connection.execute(
                select(_ROWS.c.status, _ROWS.c.position)
                .where(_ROWS.c.plan_id == publication.plan_id, _ROWS.c.target == publication.target)
                .order_by(_ROWS.c.position)
            ).all()
            done = {RowStatus.CONFIRMED.value, RowStatus.REFUSED.value}
            if open_rows := [row.position for row in states if row.status not in done]:
                raise NotAllowedError(
                    f"plan {publication.plan_id}: {len(open_rows)} rows are not confirmed; "
                    f"run 'equimarginal publish {publication.plan_id}' again"
                )
            left_out = [row.position for row in states if row.status == RowStatus.REFUSED.value]
            if not connection.execute(
                select(_HEAD.c.status).where(key, _HEAD.c.status.in_(move.before))
            ).first():
                return
            seq = transaction.record(
                actor.name,
                move.audit,
                publication.plan_id,
                {
                    "target": publication.target,
                    "content_hash": publication.content_hash,
                    "left_out": left_out,
                },
            )
            connection.execute(
                update(_HEAD)
                .where(key, _HEAD.c.status.in_(move.before))
                .values(status=move.after, finished_at=transaction.at, finished_seq=seq)
            )

    def newest_signed_day(self, portfolio: str, kind: Kind = Kind.BUDGET) -> date | None:
        """Return the latest day whose published plan still counts: not a revoked one."""
        with self._database.read() as connection:
            return newest_signed_day(connection, portfolio, kind)

    def is_paused(self, portfolio: str) -> bool:
        """Return whether publishing is stopped."""
        with self._database.read() as connection:
            return _paused_by(connection, portfolio) is not None

    def pause(self, actor: Actor, policy: Policy, why: str = "") -> None:
        """Stop publishing until somebody resumes it."""
        self._switch(actor, policy, paused=True, why=why)

    def resume(self, actor: Actor, policy: Policy, why: str = "") -> None:
        """Allow publishing again."""
        self._switch(actor, policy, paused=False, why=why)

    def _switch(self, actor: Actor, policy: Policy, *, paused: bool, why: str) -> None:
        table, portfolio = schema.switch, policy.portfolio
        verb = "pause" if paused else "resume"
        with self._deciding(actor, verb, portfolio) as transaction:
            require_person(policy, actor, f"{verb} publishing")
            connection = transaction.connection
            if (_paused_by(connection, portfolio) is not None) == paused:
                return
            values = {
                "paused": int(paused),
                "changed_by": actor.name,
                "changed_at": transaction.at,
                "why": why,
            }
            known = connection.execute(select(table).where(table.c.portfolio == portfolio)).first()
            if known is None:
                connection.execute(insert(table).values(portfolio=portfolio, **values))
            else:
                connection.execute(
                    update(table).where(table.c.portfolio == portfolio).values(**values)
                )
            transaction.record(
                actor.name,
                "publishing.paused" if paused else "publishing.resumed",
                portfolio,
                {"why": why},
            )


def read_destinations(
    connection: Connection, plan_id: str, lines: Sequence[Line]
) -> tuple[Publication, ...]:
    """Return what was published beside the files, by the target's name."""
    targets = connection.execute(
        select(_HEAD.c.target)
        .where(_HEAD.c.plan_id == plan_id, _HEAD.c.target != FILES)
        .order_by(_HEAD.c.target)
    ).scalars()
    found = [read_publication(connection, plan_id, lines, target) for target in targets]
    return tuple(publication for publication in found if publication is not None)


def read_publication(
    connection: Connection, plan_id: str, lines: Sequence[Line], target: str = FILES
) -> Publication | None:
    """Return a plan's publication with its rows, None where it was never begun."""
    head = connection.execute(
        select(_HEAD).where(_HEAD.c.plan_id == plan_id, _HEAD.c.target == target)
    ).first()
    if head is None:
        return None
    rows = connection.execute(
        select(_ROWS)
        .where(_ROWS.c.plan_id == plan_id, _ROWS.c.target == target)
        .order_by(_ROWS.c.position)
    )
    return Publication(
        plan_id=plan_id,
        target=target,
        content_hash=head.content_hash,
        status=PublicationStatus(head.status),
        started_by=head.started_by,
        started_at=head.started_at,
        finished_at=head.finished_at,
        rows=tuple(
            PublicationRow(
                position=row.position,
                line=lines[row.position],
                amount=row.amount_minor,
                status=RowStatus(row.status),
                why=row.why,
            )
            for row in rows
        ),
    )


def newest_signed_day(
    connection: Connection, portfolio: str, kind: Kind = Kind.BUDGET
) -> date | None:
    """Return the latest day whose published plan of the kind still counts: not a revoked one."""
    text = connection.execute(
        select(schema.plan.c.day)
        .join(_HEAD, _HEAD.c.plan_id == schema.plan.c.plan_id)
        .where(
            schema.plan.c.portfolio == portfolio,
            schema.plan.c.kind == kind.value,
            schema.plan.c.status != Status.REVOKED.value,
            _HEAD.c.status == PublicationStatus.PUBLISHED.value,
        )
        .order_by(schema.plan.c.day.desc())
        .limit(1)
    ).scalar()
    return date.fromisoformat(text) if text else None


def newest_published_id(
    connection: Connection,
    portfolio: str,
    before: date | None,
    *,
    still_signed: bool,
    kind: Kind = Kind.BUDGET,
) -> str | None:
    """Return the plan of a kind that was published last for a day before `before`, or None."""
    query = (
        select(schema.plan.c.plan_id)
        .join(_HEAD, _HEAD.c.plan_id == schema.plan.c.plan_id)
        .where(
            schema.plan.c.portfolio == portfolio,
            schema.plan.c.kind == kind.value,
            _HEAD.c.target == FILES,  # written before any platform is called
            _HEAD.c.status == PublicationStatus.PUBLISHED.value,
        )
        .order_by(_HEAD.c.finished_seq.desc(), schema.plan.c.day.desc())
        .limit(1)
    )
    if before is not None:
        query = query.where(schema.plan.c.day < before.isoformat())
    if still_signed:
        query = query.where(schema.plan.c.status != Status.REVOKED.value)
    return connection.execute(query).scalar()


def _paused_by(connection: Connection, portfolio: str) -> tuple[str, str] | None:
    table = schema.switch
    row = connection.execute(
        select(table).where(table.c.portfolio == portfolio, table.c.paused == 1)
    ).first()
    return (row.changed_by, row.changed_at) if row else None


def _check_may_publish(connection: Connection, record: PlanRecord, at: str) -> None:
    """Refuse what the ledger no longer allows, whatever was true when the plan was signed."""
    plan = record.document
    name = f"plan {plan.plan_id}"
    if paused := _paused_by(connection, plan.portfolio):
        raise NotAllowedError(
            f"{name}: publishing is paused by {paused[0]} since {paused[1]}; "
            f"run 'equimarginal resume', then 'equimarginal publish {plan.plan_id}'"
        )
    row = connection.execute(
        select(
            schema.plan.c.status,
            schema.plan.c.content_hash,
            schema.plan.c.expires_at,
            schema.plan.c.decided_at,
        ).where(schema.plan.c.plan_id == plan.plan_id)
    ).one()
    if row.status != Status.APPROVED.value:
        raise NotAllowedError(f"{name} is {row.status}, only an approved plan is published")
    if row.content_hash != record.content_hash:
        raise NotAllowedError(f"{name}: what is to be published is not what was approved")
    refuse_clock_behind(name, at, row.decided_at, "signed")
    if row.expires_at <= at:
        raise NotAllowedError(f"{name}: its time was over at {row.expires_at}; plan the next day")
    if (
        plan.kind is Kind.BUDGET
        and caps_version_of(connection, plan.portfolio, plan.date) != plan.caps_version
    ):
        raise NotAllowedError(
            f"{name}: the caps in force on {plan.date} changed since it was signed; "
            f"run 'equimarginal night --date {plan.date}' again"
        )
    newest = newest_signed_day(connection, plan.portfolio, plan.kind)
    if newest is not None and plan.date < newest:
        raise NotAllowedError(f"{name}: the plan of {newest} is published already")
