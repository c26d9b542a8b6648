"""Where the SQL, suites and templates lie, in a checkout and in an installed wheel."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[1]


def asset_folder(name: str) -> Path:
    """Return the folder `sql`, `expectations` or `reports`.

    A wheel carries them inside the package; a checkout has them beside it.
    """
    packed = _PACKAGE / "_assets" / name
    return packed if packed.is_dir() else _PACKAGE.parent / name
