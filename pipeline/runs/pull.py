"""Pulling: every feed's newest days from its platform into files that sources can read."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from pipeline.core.errors import ConfigError, StorageError, UsageError
from pipeline.core.policy import Feed
from pipeline.io.feeds import COLUMNS, Ask, PlatformError, Window, credentials, fetch, store_rows
from pipeline.runs.portfolio import Portfolio

FEEDS = "data/feeds"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulled:
    """One feed's outcome; `problem` is empty where it went well."""

    feed: str
    window: Window
    rows: int = 0
    files: tuple[Path, ...] = ()
    problem: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return what `pull --json` prints of it."""
        return {
            "feed": self.feed,
            "from": self.window.first.isoformat(),
            "to": self.window.last.isoformat(),
            "rows": self.rows,
            "files": [str(path) for path in self.files],
            "problem": self.problem,
        }


def pull(
    portfolio: Portfolio,
    day: date,
    *,
    only: str | None = None,
    first: date | None = None,
    sleep: Callable[[float], None] = time.sleep,
    progress: Callable[[str], None] = lambda message: None,
) -> tuple[Pulled, ...]:
    """Fetch every feed up to the day before `day`, and return what became of each.

    A feed that fails keeps its files as they were and does not stop the others.

    Args:
        only: the one feed to fetch.
        first: how far back, instead of each feed's `days`; for a first load.

    Raises:
        ConfigError: there are no feeds.
        UsageError: `only` is none of them, or `first` is not before `day`.
    """
    feeds = portfolio.policy.feeds
    if not feeds:
        raise ConfigError(
            "portfolio.yaml: has no feeds; add them, or hand over files by another way"
        )
    if only is not None and only not in feeds:
        raise UsageError(f"feed {only!r}: unknown, need one of {', '.join(sorted(feeds))}")
    if first is not None and first >= day:
        raise UsageError(f"--from {first}: need a day before {day}")
    found = []
    for name, feed in sorted(feeds.items()):
        if only in (None, name):
            progress(f"reading {name} ({feed.platform} {feed.account})")
            start = first or day - timedelta(days=feed.days)
            window = Window(first=start, last=day - timedelta(days=1))
            found.append(_pull_one(portfolio, name, feed, window, sleep))
    return tuple(found)


def pull_for(folder: str | Path, day: str) -> int:
    """Pull every feed of a portfolio folder; what a scheduler runs. Returns the rows read.

    Raises:
        StorageError: with every feed that failed; the others are on disk.
    """
    from pipeline.runs.portfolio import open_portfolio

    found = pull(open_portfolio(folder), date.fromisoformat(day))
    if problems := [item.problem for item in found if item.problem]:
        raise StorageError("; ".join(problems))
    return sum(item.rows for item in found)


def _pull_one(
    portfolio: Portfolio, name: str, feed: Feed, window: Window, sleep: Callable[[float], None]
) -> Pulled:
    try:
        rows = fetch(
            Ask(
                feed=feed,
                account=credentials(feed.connection),
                window=window,
                zone=portfolio.policy.timezone,
                currency=portfolio.policy.currency,
                sleep=sleep,
            )
        )
        folder = portfolio.folder / FEEDS / name
        stored = store_rows(folder, COLUMNS[feed.platform], rows, window)
    except PlatformError as error:
        return Pulled(feed=name, window=window, problem=f"feed {name}: {error}")
    return Pulled(feed=name, window=window, rows=stored.rows, files=stored.files)
