"""Plans, caps, sign-off and audit: the only transactional state, and the only authority."""

from __future__ import annotations

from pipeline.io.ledger.audit import AuditEntry
from pipeline.io.ledger.experiments import ExperimentRecord
from pipeline.io.ledger.identity import resolve_actor
from pipeline.io.ledger.ledger import (
    Ledger,
    has_ledger,
    ledger_place,
    open_ledger,
    upgrade_ledger,
)
from pipeline.io.ledger.records import Actor, LineMoney, PlanRecord, Publication
from pipeline.io.ledger.stated import NOTHING_STATED, MistakenError, Stated

__all__ = [
    "NOTHING_STATED",
    "Actor",
    "AuditEntry",
    "ExperimentRecord",
    "Ledger",
    "LineMoney",
    "MistakenError",
    "PlanRecord",
    "Publication",
    "Stated",
    "has_ledger",
    "ledger_place",
    "open_ledger",
    "resolve_actor",
    "upgrade_ledger",
]
