"""The disk between a process and its files: calls counted, logged, failed, or the last one.

A small C library stands before the C library's calls, so that SQLite's own writes count too. It
has to be loaded as the process starts (`LD_PRELOAD`) and is armed in a forked child.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

SOURCE = Path(__file__).with_name("disk_calls.c")
COUNT, KILL, FAIL_ONCE, FAIL_EVER = range(4)
_LOADED = "EQUIMARGINAL_TORTURE_DISK"


def missing() -> str:
    """Return why the disk cannot be stood before here; empty when it can."""
    if not sys.platform.startswith("linux"):
        return "LD_PRELOAD and /proc are Linux's"
    return "" if shutil.which("cc") else "no C compiler (cc) on this machine"


def start_again_with_disk() -> None:
    """Start this program again with the library loaded, unless it is already."""
    if loaded():
        return
    folder = tempfile.mkdtemp(prefix="torture-disk-")
    library = Path(folder) / "disk_calls.so"
    subprocess.run(
        ["cc", "-O2", "-shared", "-fPIC", "-o", str(library), str(SOURCE)],
        check=True,
    )
    environment = {**os.environ, "LD_PRELOAD": str(library), _LOADED: folder}
    os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], environment)


def loaded() -> bool:
    """Return whether the library stands before this process's disk."""
    return bool(os.environ.get(_LOADED))


def forget_library() -> None:
    """Remove the compiled library; what is loaded stays loaded."""
    if folder := os.environ.get(_LOADED):
        shutil.rmtree(folder, ignore_errors=True)


class Disk:
    """The loaded library."""

    def __init__(self) -> None:
        self._calls = ctypes.CDLL(None)
        self._calls.disk_calls.restype = ctypes.c_long
        self._calls.disk_arm.argtypes = [
            ctypes.c_char_p, ctypes.c_int, ctypes.c_long, ctypes.c_int, ctypes.c_int, ctypes.c_int,
        ]  # fmt: skip

    def arm(
        self, folder: Path, mode: int, at: int = 0, *, error: int = 0, log: int = -1, reads: int = 0
    ) -> None:
        """Begin to count calls on files below `folder`; at the `at`-th, do what `mode` says."""
        self._calls.disk_arm(str(folder).encode(), mode, at, error, log, reads)

    def disarm(self) -> None:
        """Let every call through again."""
        self._calls.disk_disarm()

    def calls(self) -> int:
        """Return how many calls were counted since it was armed."""
        return int(self._calls.disk_calls())

    def mark(self, text: str) -> None:
        """Put a line into the log: what the caller was told by now."""
        self._calls.disk_mark(text.encode())


def in_child(work: Callable[[], int]) -> int:
    """Return the exit status of `work` in a forked child; minus the signal that ended it."""
    child = os.fork()
    if child == 0:
        status = 99
        try:
            sys.stdin = open(os.devnull)  # noqa: SIM115, PTH123
            status = work()
        except BaseException:  # noqa: BLE001  a forked child must not go on
            import traceback

            traceback.print_exc()
        finally:
            os._exit(status)
    _, raw = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(raw)
