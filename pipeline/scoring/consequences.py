"""From shifts to what is done about them: hold, widen, forget faster, or fall back; and its end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import date, timedelta

import numpy as np

from pipeline.core.findings import Finding, Level
from pipeline.core.types import Line, line_label
from pipeline.core.watch import Alarm, LineWatch, Watch
from pipeline.scoring.drift import Shift
from pipeline.scoring.inputs import PORTFOLIO, Watched

WIDENED = 2.0
"""Factor on the spread of a curve whose inputs or residuals left their course (variance x 4)."""

CHANNEL_LINES, CHANNEL_DAYS = 3, 7
"""So many lines of a channel in alarm within so many days hold the whole channel."""

BROKEN = -0.5
"""Change of the portfolio's conversions per click from which the tracker is to blame."""

CONSEQUENCES = {
    "tracking": "hold",
    "delivery": "widen",
    "cpc": "widen",
    "cpm": "widen",
    "response": "forget",
    "residual": "forget",
}

MATERIAL = {"delivery": 0.2, "cpc": 0.2, "cpm": 0.2, "tracking": 0.6, "response": 0.4}
"""Log change from which a shift of a line is news.

A ratio that hardly varies shows every rounding, and a line's conversions per click and outcome move
when a plan moves its money; a tracker that breaks halves them or worse."""

OF_MONEY, STEEPEST, FLATTEST, BASE_DAYS = ("tracking", "response"), 2.0, 1.0, 42
"""A line whose money moved moves what it earns for it, and nobody knows its curve that far out. An
S-shape's outcome goes with up to the third power of money, so its outcome per click goes along with
the second; where a line is used up it goes against the first. What so much may explain is no news.
The six weeks before say from where the money moved."""

WHOLE_MATERIAL = 0.15
"""The same for the portfolio as a whole, whose ratios are steadier."""

TOLD_DAYS = 3
"""So many mornings the end of an alarm is told: not every morning has a plan that is read."""

_WHAT = {
    "tracking": "conversions per click",
    "delivery": "spend against its budget",
    "cpc": "the price of a click",
    "cpm": "the price of a thousand impressions",
    "response": "the outcome at its spend",
    "residual": "the outcome against its forecasts",
}
_DONE = {
    "hold": "its budget is held until {end}",
    "widen": "curves are taken as half as sure until {end}",
    "fall back": "the tracker is to blame rather than the market: the last approved plan stays, "
    "until {end} or until it is back",
    "forget": "days before the change teach a third until {end}",
}

_FREED = {
    "hold": "its budget may move",
    "widen": "curves count as sure as they are",
    "fall back": "plans are made",
    "forget": "days before it teach in full",
}
"""What a consequence's end gives back."""


def alarms_of(
    watched: Watched,
    shifts: Sequence[Shift],
    days: Sequence[date],
    lines: Sequence[Line],
    today: date,
    hold_days: float,
) -> list[Alarm]:
    """Return the alarms, newest first.

    A consequence ends `hold_days` after the alarm, when the new level has been learned, or as
    soon as the last week is back at the old level.

    Args:
        days: of the series' rows.
        today: the plan's day.
    """
    out = []
    for shift in (item for item in shifts if _is_material(watched, item)):
        kind, whole = watched.kind[shift.series], watched.line[shift.series] == PORTFOLIO
        noticed = days[shift.noticed]
        ends = noticed + timedelta(days=hold_days)
        active = [  # tonight and on the mornings before
            ends >= today - timedelta(days=ago) and not _is_back(watched, shift, ago)
            for ago in range(min(TOLD_DAYS, watched.series.shape[0] - 1 - shift.noticed) + 1)
        ]
        out.append(
            Alarm(
                kind=kind,
                line=() if whole else lines[watched.line[shift.series]],
                began=days[shift.began],
                noticed=noticed,
                ends=ends,
                change=_change(kind, shift),
                consequence=_consequence(kind, whole, _change(kind, shift)),
                is_active=active[0],
                is_back=_is_back(watched, shift),
                has_just_ended=not active[0] and any(active),
            )
        )
    return sorted(out, key=lambda alarm: (alarm.noticed, alarm.line, alarm.kind), reverse=True)


def watch_of(
    alarms: Sequence[Alarm],
    lines: Sequence[Line],
    *,
    series: int,
    false_alarms_per_year: float,
    limit: float,
    widening: float = 1.0,
    findings: Sequence[Finding] = (),
) -> Watch:
    """Return what is done tonight about all active alarms.

    Args:
        widening: factor for every line, from the calibration of past forecasts.
        findings: of that calibration.
    """
    active = [alarm for alarm in alarms if alarm.is_active]
    done: dict[Line, LineWatch] = {}
    if any(not alarm.line and alarm.consequence == "widen" for alarm in active):
        widening = max(widening, WIDENED)
    if widening > 1:
        done = {line: LineWatch(widen=widening) for line in lines}
    for alarm in active:
        if not alarm.line:
            continue
        done[alarm.line] = _worse(done.get(alarm.line, LineWatch(widen=widening)), alarm)
    for channel in _unsettled_channels(active):
        for line in lines:
            if line[0] == channel:
                known = done.get(line, LineWatch(widen=widening))
                why = f"{CHANNEL_LINES} lines of {channel} left their course within a week"
                done[line] = known.model_copy(update={"hold": known.hold or why})
    return Watch(
        series=series,
        false_alarms_per_year=false_alarms_per_year,
        limit=limit,
        alarms=tuple(alarms),
        lines=tuple(sorted(done.items())),
        findings=(*findings, *(_finding(alarm) for alarm in active)),
    )


def _consequence(kind: str, whole: bool, change: float) -> str:
    if not whole:
        return CONSEQUENCES[kind]
    return "fall back" if kind == "tracking" and change <= BROKEN else "widen"


def _worse(known: LineWatch, alarm: Alarm) -> LineWatch:
    if alarm.consequence == "hold":
        why = f"{_WHAT[alarm.kind]} left its course on {alarm.began.isoformat()}"
        return known.model_copy(update={"hold": known.hold or why})
    wide = known.model_copy(update={"widen": max(known.widen, WIDENED)})
    if alarm.consequence != "forget":
        return wide
    before = max(filter(None, (known.forget_before, alarm.began)))
    return wide.model_copy(update={"forget_before": before})


def _unsettled_channels(active: Sequence[Alarm]) -> list[str]:
    newest = max((alarm.noticed for alarm in active), default=None)
    if newest is None:
        return []
    lines = [alarm for alarm in active if alarm.line]
    recent = {alarm.line for alarm in lines if (newest - alarm.noticed).days < CHANNEL_DAYS}
    counted = Counter(line[0] for line in recent if len(line) > 1)
    return sorted(channel for channel, count in counted.items() if count >= CHANNEL_LINES)


def ends_of(alarms: Sequence[Alarm]) -> list[Finding]:
    """Return what ended within the last mornings: an end is said as the beginning was."""
    active = {(alarm.kind, alarm.line) for alarm in alarms if alarm.is_active}
    over = {
        (alarm.kind, alarm.line): alarm for alarm in reversed(alarms) if alarm.has_just_ended
    }  # the newest of each
    return [_end(alarm) for key, alarm in over.items() if key not in active]


def _end(alarm: Alarm) -> Finding:
    name, what = line_label(alarm.line) or "all lines", _WHAT[alarm.kind]
    if alarm.is_back:
        return Finding(
            level=Level.PASS,
            check="drift-ended",
            message=f"{name}: {what} is back where it was before about {alarm.began.isoformat()}; "
            f"{_FREED[alarm.consequence]} again",
            line=alarm.line or None,
        )
    return Finding(
        level=Level.REVIEW,
        check="drift-ended",
        message=f"{name}: {what} stays {_size(alarm)} since about {alarm.began.isoformat()}; "
        f"the alarm ended on {alarm.ends.isoformat()}: the new level is taken as true, and "
        f"{_FREED[alarm.consequence]} again",
        advice="if a tag or feed is still broken, put the line under safe_ground until it is "
        "mended",
        line=alarm.line or None,
    )


def _finding(alarm: Alarm) -> Finding:
    done = _DONE[alarm.consequence].format(end=alarm.ends.isoformat())
    return Finding(
        level=Level.FAIL if alarm.consequence == "fall back" else Level.REVIEW,
        check=f"drift-{alarm.kind}",
        message=f"{line_label(alarm.line) or 'all lines'}: {_WHAT[alarm.kind]} is "
        f"{_size(alarm)} since about {alarm.began.isoformat()}; {done}",
        advice="say what changed there; a new price, creative or tag explains most of these",
        line=alarm.line or None,
    )


def _change(kind: str, shift: Shift) -> float:
    """Return the relative change; residuals are in standard deviations already."""
    step = shift.step
    return round(step if kind == "residual" else float(np.expm1(np.clip(step, -5, 5))), 4)


def _size(alarm: Alarm) -> str:
    if alarm.kind == "residual":
        return f"{alarm.change:+.1f} standard deviations"
    return f"{alarm.change:+.0%}"


def _is_material(watched: Watched, shift: Shift) -> bool:
    """Return whether anybody would act on it; residuals are in standard deviations already."""
    kind = watched.kind[shift.series]
    if kind == "residual":
        return True
    if watched.line[shift.series] == PORTFOLIO:
        return abs(shift.step) >= WHOLE_MATERIAL
    moved = _moved_money(watched, shift) if kind in OF_MONEY else 0.0
    power = STEEPEST if moved * shift.step > 0 else FLATTEST
    return abs(shift.step) >= max(MATERIAL[kind], power * abs(moved))


def _moved_money(watched: Watched, shift: Shift) -> float:
    """Return how far the line's money moved with the shift, in logs."""
    money = watched.money[:, watched.line[shift.series]]
    before = money[max(shift.began - BASE_DAYS, 0) : shift.began]
    after = money[shift.began : shift.noticed + 1]
    known = [part[np.isfinite(part)] for part in (before, after)]
    if not (known[0].size and known[1].size):
        return 0.0
    return float(np.median(known[1]) - np.median(known[0]))


def _is_back(watched: Watched, shift: Shift, mornings_ago: int = 0) -> bool:
    """Return whether the last week lies nearer to the old level than to the new one."""
    end = watched.series.shape[0] - mornings_ago
    recent = watched.series[max(end - 7, 0) : end, shift.series]
    recent = recent[np.isfinite(recent)]
    if recent.size < 3 or end - shift.noticed < 4:
        return False
    level = float(recent.mean())
    return abs(level - shift.before) < abs(level - shift.after)
