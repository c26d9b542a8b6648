"""`make mutants`: break the money core's code in small ways, one at a time; its tests must notice.

What is loaded once is shared by all: each mutant is a forked child that loads the changed module
in place of the real one and runs the module's tests until one fails. A mutant that no test notices
is printed with its line: either a test is missing, or the change changes nothing. `--keep` adds the
counts to docs/mutants.json, from which `python -m benchmarks.numbers docs/governance.md` fills the
table.
"""

from __future__ import annotations

import argparse
import ast
import copy
import importlib.abc
import importlib.machinery
import importlib.util
import math
import os
import random
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
os.chdir(ROOT)
os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")

from tests.kept import code, keep  # noqa: E402

KEPT = "mutants.json"

_LEDGER = tuple(
    f"tests/io/ledger/test_{name}.py"
    for name in (
        "plans", "publications", "caps", "audit", "ledger", "states", "identity", "kinds", "matrix",
        "upgrades",
    )
)  # fmt: skip
_PUBLISH = (
    "tests/runs/test_destinations.py", "tests/io/publish", "tests/io/ledger/test_publications.py",
)  # fmt: skip
_JUDGES = "tests/runs/test_three_judges.py"
_SIGNOFF = ("tests/runs/test_signoff.py", "tests/runs/test_restated.py")
CORE: dict[str, tuple[str, ...]] = {
    "core/caps": ("tests/core/test_caps.py", "tests/io/ledger/test_caps.py"),
    "core/canonical": ("tests/core/test_canonical.py",),
    "core/money": ("tests/core/test_money.py", "tests/io/publish/test_sheets.py"),
    "allocation/verify": (
        "tests/allocation/test_verify.py", "tests/allocation/test_goals.py", _JUDGES,
    ),
    "io/publish/limits": ("tests/io/publish/test_limits.py", _JUDGES),
    "io/publish/floors": ("tests/io/publish/test_floors.py",),
    "io/publish/sheets": ("tests/io/publish/test_sheets.py",),
    "io/publish/files": _SIGNOFF,
    "io/publish/deliver": _PUBLISH,
    "io/publish/targets": _PUBLISH,
    "io/publish/destinations/google_ads": _PUBLISH,
    "io/publish/destinations/meta": _PUBLISH,
    "io/publish/destinations/webhook": _PUBLISH,
    "io/publish/destinations/bulk_sheets": _PUBLISH,
    "io/ledger/migrations/versions/r0005_bounced_rows": ("tests/io/ledger/test_upgrades.py",),
    "io/ledger/stated": (*_SIGNOFF, "tests/io/ledger/test_plans.py"),
    "runs/signoff": (*_SIGNOFF, "tests/cli/test_signing.py"),
    "runs/hard_limits": ("tests/runs/test_hard_limits.py", "tests/runs/test_signoff.py"),
    "io/ledger/experiments": ("tests/io/ledger/test_experiments.py",),
    **{
        f"io/ledger/{name}": (f"tests/io/ledger/test_{own}.py", *_LEDGER)  # the nearest one first
        for name, own in {
            "audit": "audit", "auto": "plans", "base": "ledger", "cap_rows": "caps",
            "caps": "caps", "database": "ledger", "identity": "identity", "ledger": "ledger",
            "migrate": "ledger", "plan_rows": "plans", "plans": "plans",
            "publications": "publications", "records": "plans", "states": "states",
            "verify": "audit", "verify_history": "audit", "verify_tables": "audit",
            "migrations/guards": "states",
        }.items()
    },
}  # fmt: skip
_COMPARE: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE,
    ast.GtE: ast.Gt, ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
_OPERATE: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult, ast.Mod: ast.Mult, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd,
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """One change: where, what, and the module with it."""

    line: int
    change: str
    tree: ast.Module


def mutants(source: str) -> Iterator[Mutant]:
    """Yield the module with each change that one of the rules makes."""
    tree = ast.parse(source)
    idle = {id(part) for node in ast.walk(tree) for part in _idle(node)}
    sites = [(index, node) for index, node in enumerate(ast.walk(tree)) if id(node) not in idle]
    for index, node in sites:
        for choice, (change, _) in enumerate(_changes(node)):
            mutated = copy.deepcopy(tree)
            twin = next(item for at, item in enumerate(ast.walk(mutated)) if at == index)
            _replace(mutated, twin, _changes(twin)[choice][1])
            ast.fix_missing_locations(mutated)
            yield Mutant(line=getattr(node, "lineno", 0), change=change, tree=mutated)


def _idle(node: ast.AST) -> Iterator[ast.AST]:
    """Yield what runs nothing: types, decorators, and what is written into messages."""
    if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
        for decorator in node.decorator_list:
            yield from ast.walk(decorator)
    if isinstance(node, ast.FunctionDef) and node.returns is not None:
        yield from ast.walk(node.returns)
    if isinstance(node, (ast.AnnAssign, ast.arg)) and node.annotation is not None:
        yield from ast.walk(node.annotation)
    if isinstance(node, ast.JoinedStr):
        yield from ast.walk(node)


def _changes(node: ast.AST) -> list[tuple[str, ast.AST | None]]:
    """Return each change of a node: what people read, and what stands there instead."""
    found: list[tuple[str, ast.AST | None]] = []
    if isinstance(node, ast.Compare) and len(node.ops) == 1 and type(node.ops[0]) in _COMPARE:
        other = _COMPARE[type(node.ops[0])]
        twin = copy.copy(node)
        twin.ops = [other()]
        found.append((f"{type(node.ops[0]).__name__} -> {other.__name__}", twin))
    elif isinstance(node, ast.BinOp) and type(node.op) in _OPERATE:
        twin_op = copy.copy(node)
        twin_op.op = _OPERATE[type(node.op)]()
        found.append((f"{type(node.op).__name__} -> {type(twin_op.op).__name__}", twin_op))
    elif isinstance(node, ast.BoolOp):
        twin_bool = copy.copy(node)
        twin_bool.op = ast.Or() if isinstance(node.op, ast.And) else ast.And()
        found.append((f"{type(node.op).__name__} -> {type(twin_bool.op).__name__}", twin_bool))
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        found.append(("not removed", node.operand))
    elif isinstance(node, ast.Constant) and isinstance(node.value, bool):
        found.append((f"{node.value} -> {not node.value}", ast.Constant(not node.value)))
    elif isinstance(node, ast.Constant) and isinstance(node.value, int):
        found.append((f"{node.value} -> {node.value + 1}", ast.Constant(node.value + 1)))
    elif isinstance(node, (ast.If, ast.IfExp)):
        for value in (True, False):
            twin_if = copy.copy(node)
            twin_if.test = ast.Constant(value)
            found.append((f"condition is {value}", twin_if))
    elif isinstance(node, ast.Raise):
        found.append(("raise removed", ast.Pass()))
    elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        found.append(("call removed", ast.Pass()))
    elif isinstance(node, ast.Return) and not _is_nothing(node.value):
        found.append(("returns None", ast.Return(ast.Constant(None))))
    return found


def _is_nothing(value: ast.expr | None) -> bool:
    return value is None or (isinstance(value, ast.Constant) and value.value is None)


def _replace(tree: ast.Module, old: ast.AST, new: ast.AST | None) -> None:
    """Put a node in another's place."""
    assert new is not None
    ast.copy_location(new, old)
    for parent in ast.walk(tree):
        for name, value in ast.iter_fields(parent):
            if value is old:
                setattr(parent, name, new)
                return
            if isinstance(value, list) and any(item is old for item in value):
                value[[item is old for item in value].index(True)] = new
                return


class Changed(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Loads the mutant where the program asks for the module."""

    def __init__(self, name: str, path: Path, tree: ast.Module) -> None:
        self._name, self._path, self._tree = name, path, tree

    def find_spec(
        self, fullname: str, path: object, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Answer for the one module only."""
        if fullname != self._name:
            return None
        return importlib.util.spec_from_loader(fullname, self, origin=str(self._path))

    def exec_module(self, module: ModuleType) -> None:
        """Run the changed code as the module."""
        module.__file__ = str(self._path)
        exec(compile(self._tree, str(self._path), "exec"), module.__dict__)  # noqa: S102


def survives(module: str, mutant: Mutant, tests: Sequence[str], seconds: float) -> bool:
    """Return whether every test passes with the mutant in place; hanging is being noticed."""
    child = os.fork()
    if child == 0:
        os.setpgid(0, 0)
        os.closerange(0, 3)
        null = os.open(os.devnull, os.O_RDWR)
        os.dup2(null, 1)
        os.dup2(null, 2)
        status = 1
        try:
            import pytest

            path = ROOT / "pipeline" / f"{module}.py"
            name = "pipeline." + module.replace("/", ".")
            sys.meta_path.insert(0, Changed(name, path, mutant.tree))
            status = int(pytest.main(["-x", "-q", "-p", "no:cacheprovider", *tests]))
        finally:
            os._exit(status)
    began = time.monotonic()
    while True:
        done, raw = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(raw) == 0
        if time.monotonic() - began > seconds:
            os.killpg(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return False
        time.sleep(0.02)


def main() -> int:
    """Try the mutants of the modules that were named; 1 if one of them survives."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("module", nargs="*", help=f"default: all of {', '.join(CORE)}")
    parser.add_argument("--share", type=float, default=1.0, help="of the mutants, by chance")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="of the tests: a pytest -k expression")
    parser.add_argument("--minutes", type=float, default=math.inf, help="for each module")
    parser.add_argument("--keep", action="store_true", help="add the counts to docs/mutants.json")
    options = parser.parse_args()
    import hypothesis  # noqa: F401
    import numpy  # noqa: F401
    import pyarrow  # noqa: F401
    import pydantic  # noqa: F401
    import pytest  # noqa: F401
    import scipy.optimize  # noqa: F401
    import sqlalchemy  # noqa: F401

    alive, ran = 0, code()
    for module in options.module or CORE:
        tests = [*CORE[module], *(["-k", options.only] if options.only else [])]
        source = (ROOT / "pipeline" / f"{module}.py").read_text(encoding="utf-8")
        found = every = [item for item in mutants(source) if item.line]
        rng = random.Random(f"{options.seed}{module}")  # noqa: S311
        found = rng.sample(found, max(1, round(len(found) * options.share)))
        began = time.monotonic()
        nothing = Mutant(line=0, change="none", tree=ast.parse(source))
        if not survives(module, nothing, tests, 1200):
            print(f"{module}: its tests fail without a mutant", flush=True)
            alive += 1
            continue
        patience = 30 + 5 * (time.monotonic() - began)
        end, tried, left = time.monotonic() + 60 * options.minutes, 0, []
        for item in found:
            if time.monotonic() > end:
                break
            tried += 1
            if survives(module, item, tests, patience):
                left.append(item)
        alive += len(left)
        for item in left:
            print(f"  {module}:{item.line}: {item.change}", flush=True)
        print(
            f"{module}: {tried - len(left)} of {tried} noticed, {time.monotonic() - began:.0f} s",
            flush=True,
        )
        if options.keep:
            keep(
                ROOT / "docs" / KEPT,
                {
                    "module": module, "code": ran, "changes": len(every), "tried": tried,
                    "noticed": tried - len(left), "seconds": round(time.monotonic() - began),
                    "left": [f"{item.line}: {item.change}" for item in left],
                },
            )  # fmt: skip
    return int(alive > 0)


if __name__ == "__main__":
    sys.exit(main())
