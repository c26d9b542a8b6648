"""Where signed budgets go beside the portfolio's files: `destinations` of `portfolio.yaml`."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from pipeline.core.settings import Column, Name, ScopeMap, Strict
from pipeline.core.sources import Source

CALLED = frozenset({"google_ads", "meta", "webhook"})
"""Destinations that are called; the others are sheets that a person uploads."""


class Destination(Strict):
    """A platform's account, a sheet for one, or somebody's own service.

    Attributes:
        scope: the lines that go there; all by default.
        level: what carries the budget on the platform, a campaign or an ad set.
        ids: the table that says which campaign a line is; the spend source by default.
        id: its column with the platform's id; `campaign_id` or `group_id` by default.
        dry_run: nothing is changed there; the platform is asked what it would say.
    """

    to: Literal["google_ads", "meta", "google_ads_editor", "meta_bulk", "webhook"]
    connection: Column | None = None
    account: Name | None = None
    scope: ScopeMap = Field(default_factory=dict)
    level: Literal["campaign", "group"] = "campaign"
    ids: Source | None = None
    id: Name | None = None
    dry_run: bool = Field(default=True, strict=True)

    @model_validator(mode="after")
    def _has_what_it_needs(self) -> Self:
        is_called = self.to in CALLED
        if is_called and self.connection is None:
            raise ValueError(f"{self.to} needs a connection: an Airflow connection's name")
        if not is_called and self.connection is not None:
            raise ValueError(f"{self.to} is a sheet and needs no connection")
        if self.to in {"google_ads", "meta"} and self.account is None:
            raise ValueError(f"{self.to} needs an account: whose campaigns are set")
        if self.level == "group" and self.to.startswith("google_ads"):
            raise ValueError(f"{self.to}: budgets belong to campaigns there; leave out level")
        return self

    @property
    def id_column(self) -> str:
        """The column of the platform's id."""
        return self.id or f"{self.level}_id"

    @property
    def is_live(self) -> bool:
        """Whether publishing changes budgets there, and not only asks or writes a sheet."""
        return self.to in CALLED and not self.dry_run

    @property
    def needs_ids(self) -> bool:
        """Whether lines have to be named by the platform's own ids."""
        return self.to != "webhook"
