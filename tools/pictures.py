"""Pictures of the pages for the README, from the demo's newest plan: what `make pictures` runs."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_home import ROOT

if TYPE_CHECKING:
    from playwright.sync_api import Browser

FOLDER = ROOT / "demo"
PICTURES = ROOT / "docs" / "pictures"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--force-color-profile=srgb",
    "--font-render-hinting=none",
]

# name, page, width, height, scheme, what to scroll to
SHOTS = (
    ("plan", "plan", 1200, 660, "light", ""),
    ("curves", "plan", 1200, 760, "light", "#curves"),
    ("other-budgets", "plan", 1200, 420, "light", "#frontier"),
    ("plan-phone-dark", "plan", 390, 844, "dark", ""),
    ("caps", "caps", 1200, 620, "light", ""),
)


def main() -> None:
    """Write every picture.

    Raises:
        SystemExit: there is no demo, or no browser.
    """
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        raise SystemExit("pictures need Chromium: apt-get install chromium")
    pages = written_pages()
    PICTURES.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        for name, page, width, height, scheme, place in SHOTS:
            path = PICTURES / f"{name}.png"
            take(browser, pages[page], path, (width, height), scheme, place)
            print(f"{path.relative_to(ROOT)}  {path.stat().st_size / 1000:.0f} kB", file=sys.stderr)
        browser.close()


def written_pages() -> dict[str, Path]:
    """Return the demo's pages, made again from what its night stored.

    Raises:
        SystemExit: the demo has no plan yet.
    """
    from pipeline.core.errors import PipelineError
    from pipeline.runs.portfolio import open_portfolio
    from pipeline.runs.reports import rewrite_page, write_caps

    try:
        portfolio = open_portfolio(FOLDER)
        return {"plan": rewrite_page(portfolio, "latest").path, "caps": write_caps(portfolio).path}
    except PipelineError as error:
        raise SystemExit(f"run 'make demo' first: {error}") from error


def take(
    browser: Browser, page: Path, path: Path, size: tuple[int, int], scheme: str, place: str
) -> None:
    """Write one picture of a page, from `place` on where one is named."""
    width, height = size
    dark = scheme == "dark"
    opened = browser.new_page(
        viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light"
    )
    opened.goto(page.as_uri())
    top = 0.0
    if place:
        top = opened.evaluate(
            "place => document.querySelector(place).closest('section')"
            ".getBoundingClientRect().top + scrollY",
            place,
        )
    clip = {"x": 0.0, "y": top, "width": float(width), "height": float(height)}
    opened.screenshot(path=path, full_page=True, clip=clip)  # type: ignore[arg-type]
    opened.close()


if __name__ == "__main__":
    main()
