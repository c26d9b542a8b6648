"""A plan to one self-contained page: no network, one script that is ours, every name escaped."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from functools import cache
from typing import Any

from jinja2 import FileSystemLoader, StrictUndefined
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import Markup, escape

from pipeline.core.errors import PipelineError
from pipeline.core.plan import Plan
from pipeline.io.assets import asset_folder
from pipeline.io.reports import words
from pipeline.io.reports.extras import ReportExtras
from pipeline.io.reports.view import plan_view


def render_report(plan: Plan, extras: ReportExtras, *, sign_command: str) -> str:
    """Return the plan's page; the same plan and extras give the same bytes.

    Args:
        sign_command: what the signer types, as it is shown.
    """
    view = plan_view(plan, extras, sign_command)
    return render("plan.html.j2", plan.currency, view=view, sign_command=sign_command)


def render(template: str, currency: str, **values: Any) -> str:
    """Return a page of `reports/` with our style and script, and the policy for no other."""
    style, script = _asset("style.css"), _asset("page.js")
    text = (
        _environment(currency)
        .get_template(template)
        .render(
            style=Markup(style),  # noqa: S704 - our own file, without a value in it
            style_hash=_hash(style),
            script=Markup(script),  # noqa: S704 - ours as well
            script_hash=_hash(script),
            currency=currency,
            **values,
        )
    )
    return _tidy(text) + "\n"


@cache
def _environment(currency: str) -> ImmutableSandboxedEnvironment:
    """Return the only place templates are compiled: from the package, never from data."""
    environment = ImmutableSandboxedEnvironment(
        loader=FileSystemLoader(asset_folder("reports")),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_finalize,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.filters.update(
        money=lambda value: words.money(value, currency),
        money_change=lambda value: words.money_change(value, currency),
        number=words.number,
        number_change=words.number_change,
        percent=words.percent,
        percent_change=words.percent_change,
        chance=words.chance,
        plural=words.plural,
        readable=words.readable,
        long_day=words.long_day,
        stressed=_stressed,
    )
    return environment


def _finalize(value: Any) -> Any:
    """Return a value as it is printed: hidden characters shown, and nothing silently empty.

    Raises:
        PipelineError: a template prints something that is missing.
    """
    if value is None or isinstance(value, float):
        raise PipelineError(f"a report template prints {value!r} without saying how")
    if isinstance(value, str) and not isinstance(value, Markup):
        return words.visible(value)
    return value


def _stressed(text: str, parts: Sequence[str]) -> Markup:
    """Return the text escaped, with those parts of it in bold."""
    out = escape(words.visible(text))
    for part in parts:
        plain = escape(words.visible(part))
        out = out.replace(plain, Markup("<b>{}</b>").format(words.visible(part)), 1)
    return out


@cache
def _asset(name: str) -> str:
    """Return a file of ours on few bytes: comments and indentation are for its editors."""
    text = (asset_folder("reports") / name).read_text(encoding="utf-8")
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
    return _tidy(text)


def _tidy(text: str) -> str:
    return "\n".join(line.strip() for line in text.splitlines() if line.strip())


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode("utf-8")).digest()
    return f"sha256-{base64.b64encode(digest).decode('ascii')}"
