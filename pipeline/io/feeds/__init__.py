"""Ad platforms, analytics and CRM into daily rows on disk: what sources then read like any file."""

from __future__ import annotations

from pipeline.io.feeds.archive import Stored, store_rows
from pipeline.io.feeds.platforms import COLUMNS, fetch
from pipeline.io.feeds.rows import Ask, Window
from pipeline.io.web.api import PlatformError
from pipeline.io.web.credentials import Credentials, credentials

__all__ = [
    "COLUMNS",
    "Ask",
    "Credentials",
    "PlatformError",
    "Stored",
    "Window",
    "credentials",
    "fetch",
    "store_rows",
]
