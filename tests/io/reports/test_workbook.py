from __future__ import annotations

import io
import re
import zipfile
from dataclasses import dataclass
from xml.etree import ElementTree

import pytest

from pipeline.core.errors import UsageError
from pipeline.core.plan import Plan
from pipeline.io.reports.workbook import plan_workbook
from tests.io.reports.samples import SIGN, sample_plan, sample_rotation
from tests.io.reports.test_hostile import hostile_plan

MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"


@dataclass
class Sheet:
    """A sheet read back from the file format itself."""

    cells: dict[str, str | float]
    formulas: int

    def rows(self) -> list[list[str | float | None]]:
        places = [re.fullmatch(r"([A-Z]+)(\d+)", place) for place in self.cells]
        last_row = max(int(place[2]) for place in places)
        columns = sorted({place[1] for place in places}, key=lambda name: (len(name), name))
        return [
            [self.cells.get(f"{column}{row}") for column in columns]
            for row in range(1, last_row + 1)
        ]


def unescaped(text: str) -> str:
    """Control characters are stored as `_x0007_`, as readers of the format undo it."""
    return re.sub(r"_x([0-9A-Fa-f]{4})_", lambda m: chr(int(m[1], 16)), text)


def read(data: bytes) -> dict[str, Sheet]:
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        strings = [
            unescaped("".join(part.text or "" for part in item.iter(f"{MAIN}t")))
            for item in ElementTree.fromstring(file.read("xl/sharedStrings.xml"))
        ]
        book = ElementTree.fromstring(file.read("xl/workbook.xml"))
        names = [sheet.attrib["name"] for sheet in book.iter(f"{MAIN}sheet")]
        out = {}
        for number, name in enumerate(names, start=1):
            root = ElementTree.fromstring(file.read(f"xl/worksheets/sheet{number}.xml"))
            cells: dict[str, str | float] = {}
            for cell in root.iter(f"{MAIN}c"):
                value = cell.find(f"{MAIN}v")
                if value is not None and value.text is not None:
                    is_text = cell.attrib.get("t") == "s"
                    read_as = strings[int(value.text)] if is_text else float(value.text)
                    cells[cell.attrib["r"]] = read_as
            out[name] = Sheet(cells=cells, formulas=len(list(root.iter(f"{MAIN}f"))))
        assert not [
            name for name in file.namelist() if "externalLink" in name or "_rels/sheet" in name
        ]
    return out


def test_every_amount_is_a_number_and_every_name_is_whole():
    plan = sample_plan()
    rows = read(plan_workbook(plan))["Budgets"].rows()
    assert rows[0][:5] == ["channel", "audience", "current, EUR", "proposed, EUR", "change, EUR"]
    assert len(rows) == len(plan.lines) + 1
    for cells, line in zip(rows[1:], plan.lines, strict=True):
        assert tuple(cells[:2]) == tuple(line.line.values())
        assert cells[2:4] == [line.current, line.proposed]
        assert cells[4] == pytest.approx(line.proposed - line.current)
        assert cells[5] == pytest.approx((line.proposed - line.current) / line.current)
        expected = line.expected
        assert cells[9:12] == pytest.approx([expected.mean, expected.p05, expected.p95])
        marginal = line.marginal_return
        assert cells[12:15] == pytest.approx([marginal.mean, marginal.p05, marginal.p95])
    assert sum(cells[3] for cells in rows[1:]) == pytest.approx(plan.budget)


def test_the_first_sheet_says_what_is_asked_and_how_to_sign():
    plan = sample_plan()
    said = {row[0]: row[1] for row in read(plan_workbook(plan, sign_command=SIGN))["Plan"].rows()}
    assert said["Asked"] == "Move 530.00 EUR between 8 lines on Sunday 22 November 2026"
    assert said["Content"] == plan.content_hash
    assert said["Sign"] == SIGN
    assert "silent" not in said["Review"]
    assert "986.40 EUR" in said["Review"]


def test_caps_have_limit_price_and_who_approved_them():
    rows = read(plan_workbook(sample_plan()))["Caps"].rows()
    assert rows[1] == ["cap-0001", "search", "at most 4,140.00", "yes", 0.57, "fin"]
    assert [row[0] for row in rows] == ["cap", "cap-0001", "cap-0002", "cap-0003"]


@pytest.mark.parametrize(
    "text",
    ["=1+1", "+1", "-1", "@SUM(A1)", "|x", "%x", "=cmd|'/c calc'!A0", '=HYPERLINK("//evil")',
     "https://evil.example", "mailto:a@b", "internal:Sheet1!A1", " =1", "\t=1", "{=1}", "1e5",
     "0012", "a\x07b", "_x0041_", "pay\u202eroll", "<b>&amp;"],
)  # fmt: skip
def test_no_name_becomes_a_formula_a_link_or_another_name(text):
    sheets = read(plan_workbook(hostile_plan(text), sign_command=text))
    assert [sheet.formulas for sheet in sheets.values()] == [0, 0, 0]
    assert sheets["Budgets"].rows()[1][:2] == [text, text]
    assert sheets["Caps"].rows()[1][0] == text
    assert sheets["Plan"].rows()[1] == ["Portfolio", text]


def test_a_name_that_no_cell_holds_is_refused_and_not_cut():
    with pytest.raises(UsageError, match=r"40,000 characters .* csv or json"):
        plan_workbook(hostile_plan("x" * 40_000))


def test_the_same_plan_gives_the_same_bytes():
    plan = sample_plan()
    assert plan_workbook(plan) == plan_workbook(Plan.from_json(plan.to_json()))


def test_a_plan_without_a_model_has_empty_cells_for_what_is_not_known():
    plan = sample_plan()
    bare = plan.model_copy(
        update={
            "lines": tuple(
                line.model_copy(update={"expected": None, "marginal_return": None})
                for line in plan.lines
            )
        }
    )
    rows = read(plan_workbook(bare))["Budgets"].rows()
    assert all(set(row[9:]) <= {None} for row in rows[1:])


def test_a_rotation_has_its_shares():
    plan = sample_rotation()
    rows = read(plan_workbook(plan))["Lines"].rows()
    assert rows[0][:4] == ["audience", "creative", "current, share", "proposed, share"]
    assert [row[3] for row in rows[1:]] == [line.proposed for line in plan.lines]
