"""The same plan for a chat, a mail and a spreadsheet."""

from __future__ import annotations

import csv
import io
import re
import unicodedata

from pipeline.core.plan import Interval, Plan
from pipeline.io.reports.concerns import concerns
from pipeline.io.reports.headline import headline, outcome_words, paid_lessons, total_words
from pipeline.io.reports.lines import Kind, LineView, line_views
from pipeline.io.reports.words import money, money_change, number, plural, visible

MOST_ROWS = 15  # of the table in a message; a chat shows no more
_MARKUP = re.compile(r"[\\`*_\[\]<>|~#&!]")
_LINK = re.compile(r"(://|www\.)")
_FORMULA_STARTS = frozenset("=+-@|%\t\r\n\0")


def render_markdown(plan: Plan, *, sign_command: str = "") -> str:
    """Return the plan in short as Markdown: what is asked, the largest moves, what to look at."""
    lines = line_views(plan)
    head = headline(plan, lines)
    first, *rest = (markdown_text(text) for text in (head.ask, head.promise, *head.reasons))
    parts = [f"## {first}", *rest, *_learning(plan)]
    changing = [line for line in lines if line.kind in {Kind.MOVE, Kind.TEST}]
    changing.sort(key=lambda v: (-abs(v.change), v.key))
    if changing:
        parts.append(_table(plan, changing))
    if notes := concerns(plan):
        parts.append("\n".join(f"- {f.level.value}: {markdown_text(f.message)}" for f in notes))
    parts.append(markdown_text(total_words(plan)))
    if sign_command:
        parts.append(f"Sign: {markdown_code(sign_command)}")
    parts.append(f"Plan {markdown_code(plan.plan_id)}, content {markdown_code(plan.content_hash)}")
    return "\n\n".join(parts) + "\n"


def plan_csv(plan: Plan) -> str:
    """Return every line as CSV, for reading: a name that a spreadsheet would run gets a quote.

    The sheet that platforms are fed from is another one and is written by publishing.
    """
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(
        [
            *plan.line_columns,
            *("current", "proposed", "change", "currency", "action", "reason", "held_by"),
            *("expected", "expected_p05", "expected_p95"),
            *("marginal_return", "marginal_return_p05", "marginal_return_p95"),
        ]
    )
    for line in line_views(plan):
        amounts = (line.current, line.proposed, line.change)
        writer.writerow(
            [
                *(_cell(part) for part in line.key),
                *(money(a, plan.currency).replace(",", "").replace("−", "-") for a in amounts),
                plan.currency,
                _cell(line.action),
                _cell(line.reason),
                _cell("; ".join(line.binding)),
                *_interval(line.expected),
                *_interval(line.marginal),
            ]
        )
    return out.getvalue()


def _learning(plan: Plan) -> list[str]:
    """Return what is given up tonight to learn, beside the best known split."""
    account = plan.exploration
    if account is None or not account.cost > 0:
        return []
    cost, worth = number(account.cost), number(account.worth)
    text = (
        f"Beside the same plan without lessons, learning is expected to cost {cost} "
        f"{outcome_words(plan)} tonight, and to earn {worth} over "
        f"{account.horizon_days:,.0f} nights. {paid_lessons(plan)}"
    ).strip()
    return [markdown_text(text)]


def _table(plan: Plan, changing: list[LineView]) -> str:
    rows = [
        f"| Line | From | To | Change ({plan.currency}) | Why |",
        "|---|---:|---:|---:|---|",
        *(
            f"| {markdown_text(line.name)} | {money(line.current, plan.currency)} "
            f"| {money(line.proposed, plan.currency)} "
            f"| {money_change(line.change, plan.currency)} | {markdown_text(line.reason)} |"
            for line in changing[:MOST_ROWS]
        ),
    ]
    if len(changing) > MOST_ROWS:
        rest = changing[MOST_ROWS:]
        total = money_change(sum(line.change for line in rest), plan.currency)
        rows.append(f"| and {plural(len(rest), 'more line')} | | | {total} | |")
    return "\n".join(rows)


def markdown_text(text: str) -> str:
    """Return a text that Markdown shows as it is: no markup, no links, no second line."""
    escaped = _MARKUP.sub(r"\\\g<0>", visible(text))
    return _LINK.sub(lambda m: m[0].replace(":", "\\:").replace(".", "\\."), escaped)


def markdown_code(text: str) -> str:
    """Return a text as a code span, without an end inside it."""
    return f"`{visible(text).replace('`', chr(0x2019))}`"


def _interval(interval: Interval | None) -> list[str]:
    if interval is None:
        return ["", "", ""]
    return [f"{value:.10g}" for value in (interval.mean, interval.p05, interval.p95)]


def _cell(text: str) -> str:
    shown = visible(text)
    plain = unicodedata.normalize("NFKC", shown).lstrip()
    return f"'{shown}" if plain[:1] in _FORMULA_STARTS else shown
