"""What past plans promised, what came, what they were worth, and what left its course."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.show import HERE, AsJson, Workspace, iso_day, print_json, print_table, say

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from pipeline.runs.decision_scores import DecisionScore
    from pipeline.runs.portfolio import Portfolio
    from pipeline.runs.scoring import ScoreCard
    from pipeline.scoring.calibration import Calibration

Day = Annotated[
    str | None,
    typer.Option("--date", metavar="DATE", help="The morning to score as of; default: today."),
]
ByLine = Annotated[bool, typer.Option("--lines", help="Calibration of every line, not the total.")]


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command("score")(score)


def score(
    day: Day = None, lines: ByLine = False, workspace: Workspace = HERE, as_json: AsJson = False
) -> None:
    """Hold past plans of every kind against what came: promise, adoption, gain, drift."""
    from pipeline.core.errors import DataNotTrustedError
    from pipeline.runs.decision_scores import score_decisions
    from pipeline.runs.portfolio import open_portfolio
    from pipeline.runs.scoring import score_portfolio

    portfolio = open_portfolio(workspace)
    morning = iso_day(day) or portfolio.today()
    decisions = score_decisions(portfolio, morning)
    try:
        card = score_portfolio(portfolio, morning)
    except DataNotTrustedError:
        if not as_json:  # the other kinds' data may be sound: what is known is told
            _decisions(decisions)
        raise
    if as_json:
        print_json(card.to_json() | {"decisions": [item.to_json() for item in decisions]})
        return
    if not card.adoptions and not card.scores:
        say(_unscored(portfolio, morning))
    else:
        _plans(card)
        _calibration(card, lines)
        _gain(card)
    _holdouts(card)
    _watch(card)
    _decisions(decisions)


def _unscored(portfolio: Portfolio, morning: date) -> str:
    """Return why no plan is scored, and what to do."""
    from datetime import timedelta

    from pipeline.core.forecast import HORIZONS
    from pipeline.runs.promises import kept_span, newest_promise

    newest, kept = newest_promise(portfolio, morning), kept_span(portfolio)
    if newest is None:
        return "no plan of an earlier day has a forecast yet; scores begin with the second night"
    if newest < morning - kept:
        then = newest + timedelta(days=HORIZONS[-1] + 1)
        return (
            f"the newest plan with a forecast is of {newest}; scores look {kept.days} days back "
            f"from {morning}: name a morning nearer to it, such as --date {then}"
        )
    return f"nothing is known yet of the days that plans up to {newest} forecast"


def _plans(card: ScoreCard) -> None:
    adopted = {item.plan_id: item.adopted_share for item in card.adoptions}
    print_table(
        ("day", "days", "promised", "at what was spent", "90 % interval", "came", "reported",
         "adopted", "verdict"),
        [
            (
                item.day.isoformat(), str(item.horizon), item.promised, item.given,
                f"{item.p05:,.2f} to {item.p95:,.2f}", item.came, f"{item.complete_share:.0%}",
                "not known" if (share := adopted.get(item.plan_id)) is None else f"{share:.0%}",
                "" if not item.is_mature else "inside" if item.is_inside else "outside",
            )
            for item in card.scores
            if not item.line
        ],
    )  # fmt: skip


def _calibration(card: ScoreCard, lines: bool) -> None:
    rows = [item for item in card.calibrations if bool(item.line) == lines]
    if not rows:
        say("calibration: no forecast is mature yet")
        return
    print_table(
        ("line", "days", "forecasts", "bias", "its 90 % interval", "inside", "its 90 % interval",
         "spread"),
        [
            (
                " / ".join(item.line) or "total", str(item.horizon), str(item.forecasts),
                *_bias(item),
                f"{item.coverage:.0%}", f"{item.coverage_low:.0%} to {item.coverage_high:.0%}",
                item.spread,
            )
            for item in rows
        ],
    )  # fmt: skip


def _bias(item: Calibration) -> tuple[str, str]:
    if math.isinf(item.bias):
        return "none forecast", ""
    return f"{item.bias:+.1%}", f"{item.bias_low:+.1%} to {item.bias_high:+.1%}"


def _gain(card: ScoreCard) -> None:
    from pipeline.core.money import outcome_unit

    judged = card.judged
    if not judged.worths:
        say(
            "gain: not known, for want of curves of single lines or of a known day; a lift test or "
            "a standing holdout ('equimarginal holdout draw') shows it"
        )
        return
    gain, unit = judged.gain, outcome_unit(card.metric, card.currency)
    if gain is not None:
        say(
            f"gain: since {gain.first_day}, {gain.days} days known, what plans moved earned "
            f"{gain.gain:+,.0f} {unit} ({gain.low:+,.0f} to {gain.high:+,.0f}, 90 %, on the curves "
            f"as known by now), with {gain.money:+.1%} money; {judged.otherwise:.0%} of the money "
            "was spent otherwise, which is not counted"
        )
        if not gain.is_told:
            say(
                "gain: that cannot be told from nothing; a standing holdout would show it "
                "('equimarginal holdout draw')"
            )
    say(
        f"missed: {judged.missed:,.0f} {unit} by spending otherwise than {len(judged.published)} "
        f"published plans said, {judged.missed_unsigned:,.0f} by {len(judged.unsigned)} plans that "
        "nobody published"
    )


def _holdouts(card: ScoreCard) -> None:
    from pipeline.core.money import outcome_unit

    for item in card.holdouts:
        found = item.result
        held = f"holdout {item.name}: {len(item.held)} of {item.of} on the old plan"
        if found is None:
            say(f"{held} since {item.since}; too young or too small to compare")
            continue
        sure = (
            "how sure is not known: the past before it is too short"
            if found.gain_low is None or found.gain_high is None
            else f"90 %: {found.gain_low:+,.0f} to {found.gain_high:+,.0f}"
        )
        say(
            f"{held}, {found.days} whole days: plans earned {found.lift:+.1%} against it, "
            f"{found.gain:+,.0f} {outcome_unit(card.metric, card.currency)} a day ({sure})"
        )


def _watch(card: ScoreCard) -> None:
    watch = card.watch
    active = [alarm for alarm in watch.alarms if alarm.is_active]
    say(
        f"watch: {watch.series} series, {watch.false_alarms_per_year:g} false alarms a year "
        f"accepted; {len(active)} alarms in force"
    )
    for finding in watch.findings:
        say(f"  {finding.message}")


def _decisions(scores: Sequence[DecisionScore]) -> None:
    for item in scores:
        say(f"{item.kind.value}: {item.plan_id or item.why_not}")
        if item.plan_id and item.why_not:
            say(f"  {item.why_not}")
        for finding in item.checks:
            say(f"  {finding.level.value:<7} {finding.message}")
