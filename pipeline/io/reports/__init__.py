"""Pages and sheets that people read: the plan, the caps, the nights."""

from pipeline.io.reports.cap_page import render_caps
from pipeline.io.reports.decision_page import decision_markdown, render_decision
from pipeline.io.reports.extras import (
    Brought,
    Frontier,
    LineExtras,
    Pacing,
    PastWeeks,
    Promise,
    ReportExtras,
    Running,
    WaitingCap,
    line_extras,
)
from pipeline.io.reports.index_page import Night, Other, render_index
from pipeline.io.reports.render import render_report
from pipeline.io.reports.summary import plan_csv, render_markdown

__all__ = [
    "Brought",
    "Frontier",
    "LineExtras",
    "Night",
    "Other",
    "Pacing",
    "PastWeeks",
    "Promise",
    "ReportExtras",
    "Running",
    "WaitingCap",
    "decision_markdown",
    "line_extras",
    "plan_csv",
    "render_caps",
    "render_decision",
    "render_index",
    "render_markdown",
    "render_report",
]
