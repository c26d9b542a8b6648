"""The night of next best offers, and what a log of them proves."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.decisions import propose
from pipeline.cli.night import Day
from pipeline.cli.show import HERE, AsJson, Workspace, say
from pipeline.core.plan import Kind

if TYPE_CHECKING:
    from pipeline.bandits.offers.decide import Candidate, OfferDecision
    from pipeline.runs.offer_log import ReadLog

SMALLEST_GROUP = 50
"""People below which a segment is left out of everything that is shown."""
_SEED = 1  # the same log gives the same answer


def register(app: typer.Typer) -> None:
    """Add the command group to the command line."""
    offers = typer.Typer(invoke_without_command=True)
    offers.command("evaluate")(evaluate)
    offers.callback()(night)
    app.add_typer(offers, name="offers")


def night(
    context: typer.Context, day: Day = None, workspace: Workspace = HERE, as_json: AsJson = False
) -> None:
    """Decide who may get what on a day, from logged decisions up to the day before; propose it."""
    if context.invoked_subcommand is None:
        propose(Kind.OFFERS, day, workspace, as_json=as_json)


def evaluate(log: Annotated[Path, typer.Argument(metavar="LOG.csv")]) -> None:
    """Say what the logged policy earned and whether the log proves a better one."""
    import numpy as np

    from pipeline.bandits.offers.decide import decide_offers, same_again
    from pipeline.runs.offer_log import evaluation_log

    read = evaluation_log(log)
    decision = decide_offers(read.log, same_again(read.log), np.random.default_rng(_SEED))
    now = decision.current.robust
    say(
        f"log       {read.log.total:,.0f} decisions; {read.without_consent:,} left out without "
        "consent"
    )
    for note in read.notes:
        say(f"left out  {note}")
    say(f"in force  {now.value:.5g} a decision ({now.lower(0.025):.5g} to {now.upper(0.025):.5g})")
    for candidate in decision.candidates:
        _say_candidate(candidate, read.log.total)
    say(f"answer    {decision.choice.value}")
    _say_shares(decision, read)


def _say_candidate(candidate: Candidate, total: float) -> None:
    overlap = candidate.overlap
    say(
        f"{candidate.name.value}: worth {overlap.decisions:,.0f} decisions and "
        f"{overlap.rewards:,.0f} rewards, largest weight {overlap.max_weight:.2%}"
    )
    if candidate.refusals:
        say(f"  cannot be evaluated from this log: {'; '.join(candidate.refusals)}")
    else:
        value, gain = candidate.value, candidate.gain
        say(
            f"  value DR {value.robust.value:.5g}, SNIPS {value.normalised.value:.5g}, "
            f"IPW {value.weighted.value:.5g}, DM {value.direct.value:.5g}"
        )
        say(f"  gain {gain.robust.value:.5g}, lower bound {candidate.lower:.5g}")
    if not candidate.is_better:
        needed = candidate.decisions_needed
        if candidate.is_small and candidate.gain.robust.value > 0:
            say("  it adds less than is worth a change")
        elif needed == float("inf"):
            say("  no amount of the same log would prove it better")
        elif needed > total:
            say(f"  would need about {needed:,.0f} such decisions, {needed - total:,.0f} more")
        else:
            say("  its estimators disagree: more data alone may not help")


def _say_shares(decision: OfferDecision, read: ReadLog) -> None:
    if decision.shares is None:
        return
    contexts = read.log.contexts
    hidden = sum(people < SMALLEST_GROUP for people in read.people)
    for index, segment in enumerate(contexts.segment.tolist()):
        if read.people[segment] < SMALLEST_GROUP:
            continue
        row = decision.shares[index]
        parts = (
            f"{name} {row[action]:.1%}"
            for action, name in enumerate(contexts.actions)
            if contexts.eligible[index, action]
        )
        say(f"  {contexts.segments[segment]}: {', '.join(parts)}")
    if hidden:
        say(f"  {hidden} segments of fewer than {SMALLEST_GROUP} people are not shown")
