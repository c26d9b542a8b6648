"""Sheets that a person uploads: Google Ads Editor and Meta's bulk import, keyed by id.

Columns as the platforms document them: `Campaign` and `Budget` of Editor's CSV, with `Campaign ID`
as bulk uploads take it; `Campaign ID`, `Campaign Name`, `Campaign Daily Budget` and the same of
`Ad Set` of Meta's sheet, whose exports write ids as `cg:` and `c:` so that no spreadsheet rounds
them. Every row holds a name that a spreadsheet would show, so a name that begins a formula keeps
its line out: with a quote in front it would be another name.
"""

from __future__ import annotations

import csv
import io
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path

from pipeline.core.errors import DamagedError
from pipeline.core.money import minor_digits
from pipeline.io.artefacts import write_file
from pipeline.io.publish.destinations.order import Order, Seen
from pipeline.io.publish.sheets import amount_text, amount_units, formula_reason


class _BulkSheet(ABC):
    """One CSV file, written whole and read back.

    Args:
        path: of the file.
        currency: whose minor unit the amounts have.
    """

    batch = 1_000_000
    rehearses = False
    restores = True
    header: tuple[str, ...] = ()

    def __init__(self, path: Path, currency: str) -> None:
        self.label = f"sheet {path.name}"
        self.path = path
        self._digits = minor_digits(currency)

    def look(self, orders: Sequence[Order]) -> Mapping[int, Seen]:
        """Return what the file says of each line; nothing while it is not there."""
        rows = {tuple(row[:-1]): row[-1] for row in self._rows()}
        seen = {}
        for item in orders:
            told = rows.get(tuple(self.cells(item)))
            amount = None if told is None else amount_units(told, self._digits)
            seen[item.position] = Seen(amount=amount, why=self.reason(item))
        return seen

    def send(self, orders: Sequence[Order], *, dry_run: bool) -> Mapping[int, str]:
        """Write the file."""
        if dry_run:
            return {}
        text = io.StringIO(newline="")
        writer = csv.writer(text, lineterminator="\r\n")
        writer.writerow(self.header)
        for item in orders:
            writer.writerow([*self.cells(item), amount_text(item.amount, self._digits)])
        write_file(self.path, text.getvalue().encode("utf-8"))
        return {}

    @abstractmethod
    def cells(self, order: Order) -> Sequence[str]:
        """Return a row without its amount."""

    def reason(self, order: Order) -> str:
        """Return why a line cannot be a row; empty when it can."""
        if not order.target.id.isdecimal():
            return f"{order.target.id!r} is no id"
        return formula_reason(tuple(self.cells(order)))

    def _rows(self) -> list[list[str]]:
        if not self.path.is_file():
            return []
        with self.path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.reader(file))
        if not rows or rows[0] != list(self.header):
            raise DamagedError(f"{self.path}: is not the sheet that was written; move it away")
        return rows[1:]


class GoogleAdsEditor(_BulkSheet):
    """Campaign budgets for Google Ads Editor."""

    header = ("Campaign ID", "Campaign", "Budget")

    def cells(self, order: Order) -> Sequence[str]:
        """Return id and name of the campaign."""
        return order.target.id, order.target.campaign

    def reason(self, order: Order) -> str:
        """Return why a line cannot be a row: Editor finds campaigns by name, and takes no zero."""
        if not order.target.campaign:
            return "its rows have no `campaign`, the name that Editor looks for"
        if order.amount == 0:
            return "Editor takes no budget of 0; pause the campaign"
        return super().reason(order)


class MetaCampaigns(_BulkSheet):
    """Campaign budgets for Meta's bulk import."""

    header = ("Campaign ID", "Campaign Name", "Campaign Daily Budget")

    def cells(self, order: Order) -> Sequence[str]:
        """Return id and name of the campaign."""
        return f"cg:{order.target.id}", order.target.campaign


class MetaAdSets(_BulkSheet):
    """Ad set budgets for Meta's bulk import."""

    header = ("Campaign ID", "Ad Set ID", "Ad Set Name", "Ad Set Daily Budget")

    def cells(self, order: Order) -> Sequence[str]:
        """Return the campaign's id, and id and name of the ad set."""
        return f"cg:{order.target.campaign_id}", f"c:{order.target.id}", order.target.group
