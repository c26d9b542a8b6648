"""Pages and sheets that people read: the plan, the caps, the nights."""

from pipeline.io.reports.extras import (
    Curve,
    Frontier,
    Pacing,
    PastDays,
    Promise,
    ReportExtras,
    WaitingCap,
    curves_of,
    past_of,
)
from pipeline.io.reports.render import render_report

__all__ = [
    "Curve",
    "Frontier",
    "Pacing",
    "PastDays",
    "Promise",
    "ReportExtras",
    "WaitingCap",
    "curves_of",
    "past_of",
    "render_report",
]
