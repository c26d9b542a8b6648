"""Approved plans to where budgets are set, inside hard limits of its own."""

from __future__ import annotations

from pipeline.io.publish.files import PublishedFiles, publish_files
from pipeline.io.publish.limits import Limits, breaches

__all__ = ["Limits", "PublishedFiles", "breaches", "publish_files"]
