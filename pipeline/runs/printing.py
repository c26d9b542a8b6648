"""A plan's page on paper: PDF through the print of a browser that is on the machine."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from pipeline.core.errors import UsageError
from pipeline.io.artefacts import write_file

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "msedge")
LONGEST_PRINT = 120  # seconds


def print_page(page: Path, path: Path) -> Path:
    """Write the page as PDF and return where.

    Raises:
        UsageError: there is no browser that prints, or it did not.
    """
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        raise UsageError(
            "report pdf: no browser to print with, looked for "
            f"{', '.join(BROWSERS)} on PATH; install one (apt-get install chromium), or open the "
            "page and print it there"
        )
    with tempfile.TemporaryDirectory(prefix="equimarginal-") as scratch:
        printed = Path(scratch) / "page.pdf"
        command = [
            browser, "--headless", "--disable-gpu", "--no-pdf-header-footer",
            f"--user-data-dir={scratch}/profile", f"--print-to-pdf={printed}",
            page.resolve().as_uri(),
        ]  # fmt: skip
        if os.geteuid() == 0:  # a browser's sandbox does not start for root
            command.insert(1, "--no-sandbox")
        problem = _run(command)
        if not printed.is_file():
            raise UsageError(
                f"report pdf: {browser} printed nothing{problem}; open {page} and print it there"
            )
        write_file(path, printed.read_bytes())
    return path


def _run(command: list[str]) -> str:
    """Run the browser and return what it complained about, in one line."""
    try:
        done = subprocess.run(  # noqa: S603 - a browser of this machine, our own page
            command, capture_output=True, timeout=LONGEST_PRINT, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f" ({error.__class__.__name__})"
    said = done.stderr.decode("utf-8", "replace").strip().splitlines()
    return f" ({said[-1][:200]})" if said and done.returncode else ""
