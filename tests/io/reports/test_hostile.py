"""Names are written by strangers: whatever they are, a page stays a page and a sheet a sheet."""

from __future__ import annotations

import csv
import io
import itertools

import pytest

from pipeline.core.caps import Cap, CapStatus
from pipeline.core.findings import Finding, Level
from pipeline.core.plan import ModelHealth, Plan, PlanCap, PlanGuardrail, PlanLine, Status
from pipeline.io.reports import (
    Night,
    ReportExtras,
    WaitingCap,
    plan_csv,
    render_caps,
    render_index,
    render_markdown,
    render_report,
)
from pipeline.io.reports.render import _asset
from tests.io.reports.dom import Element, parse
from tests.io.reports.samples import DAY, interval, sample_plan

_OPENERS = [
    "", '"', "'", "`", ">", '">', "'>", "-->", "]]>", "</style>", "</title>", "</svg>",
            "</script>", "</td></tr></table>",
    "\\", "&quot;>", "&#x22;>", "\x00", "%0a",
]  # fmt: skip
_BODIES = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg/onload=alert(1)>",
    "<svg><animate onbegin=alert(1) attributeName=x dur=1s>",
    "<a href=javascript:alert(1)>x</a>",
    "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
    "<body onload=alert(1)>",
    "<style>@import'//evil.example'</style>",
    "<link rel=stylesheet href=//evil.example>",
    "<meta http-equiv=refresh content='0;url=//evil.example'>",
    "<base href=//evil.example>",
    "<form action=//evil.example><button>sign</button></form>",
    "<details open ontoggle=alert(1)>",
    "<math><mtext><table><mglyph><style><img src onerror=alert(1)>",
    "{{ 1337 * 1337 }}{% include 'x' %}{# #}${1337*1337}<%= 1337*1337 %>",
    "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    " onmouseover=alert(1) style=background:url(//evil.example) x=",
    "<scr\u200bipt>alert(1)</scr\u202eipt>",
]
PAYLOADS = [opener + body for opener, body in itertools.product(_OPENERS, _BODIES)]
ALLOWED = {
    "root", "html", "head", "meta", "title", "link", "style", "body", "a", "header", "main", "nav",
    "footer", "section", "div", "p", "span", "b", "em", "small", "code", "pre", "h1", "h2", "h3",
    "dl", "dt", "dd", "ul", "li", "table", "colgroup", "col", "thead", "tbody", "tr", "th", "td",
    "details", "summary", "figure", "figcaption", "input", "label", "fieldset", "legend",
    "svg", "desc", "path", "circle", "line", "rect", "text",
}  # fmt: skip


def hostile_plan(text: str) -> Plan:
    """A plan with the text everywhere where a stranger may have written."""
    finding = Finding(
        level=Level.REVIEW, check=text, message=text, advice=text, source=text, column=text,
        value=text, line=(text, text),
    )  # fmt: skip
    line = PlanLine(
        line={"channel": text, "audience": text}, current=1.0, proposed=2.0,
        expected=interval(2.0, 0.1), marginal_return=interval(1.0, 0.1), binding=(text,),
        action=text, reason=text, exploration=0.5,
    )  # fmt: skip
    return sample_plan(
        lines=(line,),
        budget=2.0,
        portfolio=text,
        reasons=(text,),
        caps=(PlanCap(id=text, scope={"channel": text}, max=2.0, binding=True, approved_by=text),),
        caps_version=text,
        guardrails=(
            PlanGuardrail(metric=text, limit=1.0, kind="min", scope={"channel": text},
                          expected=1.0, status=text),
        ),
        findings=(finding,),
        model_health=ModelHealth(level=text, checks=(finding,)),
        inputs_hash=text,
        based_on=text,
        plan_id=text,
    )  # fmt: skip


def pages(text: str) -> list[str]:
    plan = hostile_plan(text)
    extras = ReportExtras(
        waiting_caps=(WaitingCap(id=text, scope={"channel": text}, proposed_by=text, max=1.0,
                                 reason=text),),
        previous=plan.model_copy(update={"lines": ()}),
        expires=text,
        undo=text,
    )  # fmt: skip
    cap = Cap(id=text, scope={"channel": text}, max=3.0, status=CapStatus.PROPOSED,
              proposed_by=text, reason=text, decided_by=text)  # fmt: skip
    caps = [cap, cap.model_copy(update={"status": CapStatus.APPROVED}),
            cap.model_copy(update={"status": CapStatus.REJECTED})]  # fmt: skip
    return [
        render_report(plan, extras, sign_command=f"equimarginal approve {text}"),
        render_caps(
            text, caps, day=DAY, columns=("channel", "audience"), currency="EUR", plan=plan
        ),
        render_index(text, [Night(plan=plan, status=Status.APPROVED, decided_by=text, page=text)]),
    ]


def harm(root: Element) -> list[str]:
    found = []
    for element in root.walk():
        if element.tag == "script" and element.children == [_asset("page.js")]:
            continue  # ours, word for word
        if element.tag not in ALLOWED:
            found.append(f"<{element.tag}>")
        for name, value in element.attributes.items():
            if name.startswith("on") or name in {"style", "src", "srcdoc", "action", "formaction"}:
                found.append(f"<{element.tag} {name}>")
            if name in {"href", "xlink:href"} and value.lower().startswith(
                ("javascript:", "http:", "https:", "//", "vbscript:")
            ):
                found.append(f"{name}={value}")
    styles = root.all("style")
    if len(styles) != 1 or "evil" in "".join(map(str, styles[0].children)):
        found.append("style")
    return found


@pytest.mark.parametrize("chunk", range(6))
def test_no_name_becomes_markup(chunk):
    assert len(PAYLOADS) > 300
    for text in PAYLOADS[chunk::6]:
        for html in pages(text):
            assert harm(parse(html)) == [], text
            assert str(1337 * 1337) not in html
            assert "<class" not in html


def test_hidden_characters_are_shown_on_every_page():
    for html in pages("pay\u202eroll\u2066x\u200b\x07"):
        assert "[U+202E]" in html
        assert not any(c in html for c in "\u202e\u2066\u200b\x07")


def test_a_name_that_links_to_a_script_is_no_link_on_the_index():
    for text in ("javascript:alert(1)", "//evil.example/x", "data:text/html,x"):
        html = render_index("acme", [Night(plan=sample_plan(), status=Status.APPROVED, page=text)])
        links = [a.attributes["href"] for a in parse(html).all("a")]
        assert not [link for link in links if "evil" in link or ":" in link]


@pytest.mark.parametrize(
    "text", ["<b>x</b>", "[x](javascript:alert(1))", "a|b", "`code`", "# head", "![i](//e.example)",
             "https://evil.example", "www.evil.example", "*b* _i_ ~s~", "x\n\n# second"],
)  # fmt: skip
def test_no_name_becomes_markup_in_a_message(text):
    message = render_markdown(hostile_plan(text), sign_command=SIGN_WITH(text))
    bare = message.replace("\\\\", "")
    for mark in ("<b>", "[x](", "![", "https://evil", "www.evil", "\n# "):
        assert mark not in "\n".join(line for line in bare.split("\n") if "`" not in line)


def SIGN_WITH(text: str) -> str:
    return f"equimarginal approve {text}"


@pytest.mark.parametrize(
    "text", ["=1+1", "+1+1", "-1+1", "@SUM(1)", "\t=1", "\r=1", "\n=1", " =1", "\u00a0=1",
             "\uff1d1", "\u200b=1", "|x", "%x"],
)  # fmt: skip
def test_no_name_becomes_a_formula_in_the_sheet(text):
    rows = list(csv.reader(io.StringIO(plan_csv(hostile_plan(text)), newline="")))
    for cell in rows[1]:
        starts = cell.lstrip()[:1]
        assert starts not in {"=", "@", "+", "|", "%", "\uff1d"}
        if starts == "-":
            float(cell)
