"""A page parsed as a browser would, as far as tests need: elements, attributes, text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser

_VOID = {"meta", "link", "br", "input", "col", "path", "circle", "line", "rect", "img", "hr"}
_SILENT = {"script", "style"}
_ENDS = {
    "th": {"th", "td"},
    "td": {"th", "td"},
    "tr": {"th", "td", "tr"},
    "tbody": {"th", "td", "tr"},
}
"""Tag -> the open elements that it ends where their own end tags were left out, as HTML allows."""


@dataclass
class Element:
    tag: str
    attributes: dict[str, str]
    children: list[Element | str] = field(default_factory=list)

    def walk(self) -> Iterator[Element]:
        yield self
        for child in self.children:
            if isinstance(child, Element):
                yield from child.walk()

    def all(self, tag: str, **attributes: str) -> list[Element]:
        return [
            found
            for found in self.walk()
            if found.tag == tag
            and all(
                found.attributes.get(key.strip("_").replace("_", "-")) == v
                for key, v in attributes.items()
            )
        ]

    def one(self, tag: str, **attributes: str) -> Element:
        found = self.all(tag, **attributes)
        assert len(found) == 1, f"{len(found)} of <{tag}> {attributes}"
        return found[0]

    def with_id(self, name: str) -> Element:
        return next(found for found in self.walk() if found.attributes.get("id") == name)

    @property
    def text(self) -> str:
        parts = [
            child if isinstance(child, str) else child.text
            for child in self.children
            if isinstance(child, str) or child.tag not in _SILENT
        ]
        return " ".join(" ".join(parts).split())

    def rows(self) -> list[list[str]]:
        """The cells' texts, row by row, of all table bodies below."""
        return [
            [
                cell.text
                for cell in row.children
                if isinstance(cell, Element) and cell.tag in {"th", "td"}
            ]
            for body in self.all("tbody")
            for row in body.all("tr")
        ]


def _name(keyword: str) -> str:
    return keyword.strip("_").replace("_", "-")


class _Builder(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root = Element("root", {})
        self.open = [self.root]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), f"<{tag}> has an attribute twice: {names}"
        element = Element(tag, {name: value or "" for name, value in attrs})
        self._close_implied(tag)
        self.open[-1].children.append(element)
        if tag not in _VOID:
            self.open.append(element)

    def _close_implied(self, tag: str) -> None:
        while self.open[-1].tag in _ENDS.get(tag, ()):
            self.open.pop()

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open[-1].children.append(Element(tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        if tag in _VOID:
            return
        if tag == "tbody":
            self._close_implied(tag)
        assert self.open[-1].tag == tag, f"</{tag}> closes <{self.open[-1].tag}>"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        self.open[-1].children.append(data)


def parse(html: str) -> Element:
    """Return the page's tree; markup that does not nest is an error."""
    builder = _Builder()
    builder.feed(html)
    builder.close()
    assert len(builder.open) == 1, f"not closed: {[e.tag for e in builder.open[1:]]}"
    return builder.root
