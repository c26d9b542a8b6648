"""Signed budgets to every destination of the settings, once the portfolio's files are written."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.core.destinations import CALLED
from pipeline.core.errors import DamagedError, NotFoundError, PipelineError
from pipeline.core.plan import Kind
from pipeline.core.types import in_scope, line_label

if TYPE_CHECKING:
    from pipeline.core.destinations import Destination as Spec
    from pipeline.io.ledger import Actor, PlanRecord, Publication
    from pipeline.io.publish.deliver import Delivery, Rehearsed
    from pipeline.io.publish.destinations import Destination
    from pipeline.runs.portfolio import Portfolio

Sleep = Callable[[float], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """What people are told: of what was left out or only rehearsed, and of what went wrong."""

    notes: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


def deliver_everywhere(
    portfolio: Portfolio,
    record: PlanRecord,
    actor: Actor,
    folder: Path,
    *,
    sleep: Sleep = time.sleep,
) -> Delivered:
    """Take a signed plan of budgets to every destination; one that fails stops no other.

    Args:
        folder: where the plan's files are; sheets and rehearsals are put beside them.
        sleep: how to wait where a platform asks for it, in seconds.
    """
    if record.kind is not Kind.BUDGET:
        return Delivered()
    notes: list[str] = []
    problems: list[str] = []
    for name, spec in sorted(portfolio.policy.destinations.items()):
        try:
            notes += _deliver_to(portfolio, record, actor, folder, name, spec, sleep)
        except PipelineError as error:
            problems.append(f"destination {name}: {error}")
    return Delivered(notes=tuple(notes), problems=tuple(problems))


def _deliver_to(
    portfolio: Portfolio,
    record: PlanRecord,
    actor: Actor,
    folder: Path,
    name: str,
    spec: Spec,
    sleep: Sleep,
) -> list[str]:
    from pipeline.io.publish.deliver import deliver, rehearse

    delivery = _delivery(portfolio, record, name, spec)
    if not (delivery.orders or delivery.unnamed):
        return []
    place = _open(portfolio, record, folder, name, spec, sleep)
    if spec.to in CALLED and spec.dry_run:
        return _rehearsed(delivery, folder, rehearse(delivery, place))
    return _left_out(name, deliver(delivery, place, portfolio.ledger, actor))


def _delivery(portfolio: Portfolio, record: PlanRecord, name: str, spec: Spec) -> Delivery:
    """Return what goes there: the scope's lines, under the ids that the night froze."""
    from pipeline.io.artefacts import open_run
    from pipeline.io.publish.deliver import delivery_of
    from pipeline.io.publish.targets import read_targets
    from pipeline.runs.inputs import inputs_hash

    columns = record.document.line_columns
    positions = [
        position
        for position, item in enumerate(record.money)
        if in_scope(item.line, columns, spec.scope)
    ]
    targets = None
    if spec.needs_ids and positions:
        run = open_run(portfolio.runs, record.plan_id)
        if inputs_hash(run) != record.plan.inputs_hash:
            raise DamagedError(
                f"{run}: is not what plan {record.plan_id} was made from, so its ids are not the "
                "signed ones; restore the folder from its archive"
            )
        targets = read_targets(run, name)
        if targets is None:
            raise NotFoundError(
                f"plan {record.plan_id} was made before this destination was in the settings; "
                "it is served from the next night on"
            )
    step = portfolio.policy.max_daily_change
    return delivery_of(name, record, positions, targets, step)


def _open(
    portfolio: Portfolio, record: PlanRecord, folder: Path, name: str, spec: Spec, sleep: Sleep
) -> Destination:
    """Return the destination, logged in where it is called."""
    from pipeline.io.publish.destinations import bulk_sheets
    from pipeline.io.publish.destinations.google_ads import GoogleAds
    from pipeline.io.publish.destinations.meta import Meta
    from pipeline.io.publish.destinations.webhook import Webhook
    from pipeline.io.web import credentials

    currency = record.document.currency
    sheet = folder / f"{name}.csv"
    if spec.to == "google_ads_editor":
        return bulk_sheets.GoogleAdsEditor(sheet, currency)
    if spec.to == "meta_bulk":
        kind = bulk_sheets.MetaAdSets if spec.level == "group" else bulk_sheets.MetaCampaigns
        return kind(sheet, currency)
    login = credentials(spec.connection or "")
    if spec.to == "google_ads":
        return GoogleAds(spec.account or "", login, currency, sleep)
    if spec.to == "meta":
        return Meta(spec.account or "", spec.level, login, currency, sleep)
    about = {
        "plan_id": record.plan_id,
        "portfolio": record.document.portfolio,
        "date": record.document.date.isoformat(),
        "currency": currency,
        "content_hash": record.content_hash,
        "destination": name,
    }
    return Webhook(about, record.document.line_columns, login, portfolio.clock, sleep)


def _left_out(name: str, publication: Publication) -> list[str]:
    return [
        f"{name}: line {line_label(tuple(item['line']))} was not set: {item['why']}"
        for item in publication.to_json()["left_out"]
    ]


def _rehearsed(delivery: Delivery, folder: Path, found: tuple[Rehearsed, ...]) -> list[str]:
    """Write what would be done beside the plan's files, and return it in short."""
    from pipeline.io.artefacts import json_bytes, write_file

    path = folder / f"{delivery.name}.dry-run.json"
    rows = [
        {
            "line": list(item.line),
            "id": item.id,
            "now": delivery.money(item.now),
            "amount": delivery.money(item.amount),
            "why_not": item.why,
        }
        for item in found
    ]
    write_file(path, json_bytes({"plan_id": delivery.record.plan_id, "lines": rows}))
    refused = [item for item in found if item.why]
    first = f", such as {line_label(refused[0].line)}: {refused[0].why}" if refused else ""
    return [
        f"{delivery.name}: dry run, nothing was changed there; {len(found) - len(refused)} lines "
        f"would be set, {len(refused)} not{first}; see {path.name}, and set dry_run: false to mean "
        "it"
    ]
