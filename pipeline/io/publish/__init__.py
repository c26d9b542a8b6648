"""Approved plans to where budgets are set, inside hard limits of its own."""

from __future__ import annotations

from pipeline.io.publish.files import PublishedFiles, publish_files
from pipeline.io.publish.limits import Fixed, Limits, breaches

__all__ = ["Fixed", "Limits", "PublishedFiles", "breaches", "publish_files"]
