"""Ad platforms, analytics and CRM into daily rows on disk: what sources then read like any file."""

from __future__ import annotations

from pipeline.io.feeds.api import FeedError
from pipeline.io.feeds.archive import Stored, store_rows
from pipeline.io.feeds.credentials import Credentials, credentials
from pipeline.io.feeds.platforms import COLUMNS, fetch
from pipeline.io.feeds.rows import Ask, Window

__all__ = [
    "COLUMNS",
    "Ask",
    "Credentials",
    "FeedError",
    "Stored",
    "Window",
    "credentials",
    "fetch",
    "store_rows",
]
