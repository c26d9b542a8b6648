"""What the experiment commands ask for in common."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from pipeline.core.panel import Panel

Data = Annotated[
    str, typer.Option("--data", metavar="FILE", help="CSV or parquet, one row per unit and day.")
]
UnitColumn = Annotated[str, typer.Option(metavar="NAME", help="Column of regions or audiences.")]
DateColumn = Annotated[str, typer.Option(metavar="NAME")]
OutcomeColumn = Annotated[str, typer.Option(metavar="NAME")]
SpendColumn = Annotated[
    str | None, typer.Option(metavar="NAME", help="Column of money; prices the test.")
]
Units = Annotated[int, typer.Option(metavar="N", help="Units to treat.")]
Days = Annotated[int, typer.Option(metavar="N", help="Length of the test.")]
Alpha = Annotated[float, typer.Option(help="Two-sided error of the whole test.")]
Power = Annotated[float, typer.Option(help="Chance that the least effect is found.")]
Change = Annotated[
    float, typer.Option(help="Change of the treated units' money: 1 doubles, -1 stops it.")
]
Exclude = Annotated[
    list[str] | None,
    typer.Option(metavar="UNIT", help="Neither treated nor compared with; again for several."),
]
Seed = Annotated[int, typer.Option(help="Of the draw.")]
From = Annotated[str | None, typer.Option("--from", metavar="DAY", help="First day of the test.")]
Scope = Annotated[
    list[str] | None,
    typer.Option(metavar="COLUMN=VALUE", help="Lines whose money the test changes."),
]
Name = Annotated[str, typer.Argument(metavar="NAME", help="What people call the test.")]


def read_panel(path: str, unit: str, day: str, outcome: str, spend: str | None) -> Panel:
    """Return the units' past from a file."""
    from pipeline.io.panel import read_panel as read

    return read(path, unit=unit, day=day, outcome=outcome, spend=spend)


def data_place(path: str, unit: str, day: str, outcome: str, spend: str | None) -> dict[str, str]:
    """Return where a read-out will find the outcomes, as it is recorded with the test."""
    place = path if "://" in path else str(Path(path).absolute())
    found = {"path": place, "unit": unit, "day": day, "outcome": outcome}
    return found | ({"spend": spend} if spend else {})
