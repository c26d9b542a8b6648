"""How a plan gets its signature: `approval` of `portfolio.yaml`."""

from __future__ import annotations

from pydantic import Field

from pipeline.core.settings import Share, Strict


class AutoWithin(Strict):
    """Plans that move no line and no share of money by more than this sign themselves."""

    line_change: Share
    moved: Share


class Approval(Strict):
    """Who has to sign, and what they have to say.

    With `restate`, whoever signs or publishes says which plan is meant, even where only files are
    written.
    """

    auto_within: AutoWithin | None = None
    restate: bool = Field(default=False, strict=True)
