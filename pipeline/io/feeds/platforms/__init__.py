"""Every platform behind the same two names: which columns its rows have, and how to fetch them."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module

from pipeline.io.feeds.rows import ADS, ANALYTICS, CRM, Ask, Row

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "google_ads": ADS,
    "meta": ADS,
    "microsoft": ADS,
    "tiktok": ADS,
    "linkedin": ADS,
    "ga4": ANALYTICS,
    "salesforce": CRM,
}


def fetch(ask: Ask) -> list[Row]:
    """Return the window's rows of one account, in any order, keyed by the platform's ids.

    Raises:
        PlatformError: the platform refuses, or does not answer in the form it documents.
    """
    module = import_module(f"pipeline.io.feeds.platforms.{ask.feed.platform}")
    rows: list[Row] = module.fetch(ask)
    return rows
