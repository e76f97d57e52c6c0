"""The floors and doors of ``pyproject.toml``: they hold, and they would notice if they did not."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
import tomllib
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SRC = ROOT / "src"
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"][
    "contracts"
]


def lint_imports(src: Path) -> subprocess.CompletedProcess[str]:
    """Run import-linter with the project's contracts over the package in ``src``."""
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command as c; c()"]
    options = ["--no-cache", "--no-logo", "--config", str(ROOT / "pyproject.toml")]
    return subprocess.run(
        command + options,
        capture_output=True,
        text=True,
        check=False,
        cwd=src,
        env={**os.environ, "PYTHONPATH": str(src), "PYTHONWARNINGS": "ignore"},
    )


def doors() -> dict[str, list[str]]:
    """Which modules may import each guarded dependency, as the contracts say it."""
    found: dict[str, list[str]] = {}
    for contract in CONTRACTS:
        if contract["type"] != "forbidden":
            continue
        for dependency in contract["forbidden_modules"]:
            found[dependency] = [
                importer.replace("**", "*")
                for importer, _, imported in (
                    line.partition(" -> ") for line in contract["ignore_imports"]
                )
                if imported == dependency
            ]
    return found


def imports(tree: ast.AST) -> list[tuple[int, str]]:
    """Every import of a module, wherever it stands and however it is spelled."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.append((node.lineno, node.module))
        elif isinstance(node, ast.Call) and node.args:
            called = ast.unparse(node.func).rpartition(".")[2]
            name = node.args[0]
            if (
                called in {"import_module", "__import__", "find_spec"}
                and isinstance(name, ast.Constant)
                and isinstance(name.value, str)
            ):
                found.append((node.lineno, name.value))
    return found


def trespasses(module: str, source: str) -> list[str]:
    """The imports in ``module`` that come in through the wrong door."""
    allowed = doors()
    found = []
    for line, imported in imports(ast.parse(source)):
        top = imported.partition(".")[0]
        if top in allowed and not any(fnmatchcase(module, door) for door in allowed[top]):
            found.append(f"{module}:{line} imports {top}; its doors: {', '.join(allowed[top])}")
    return found


def module_name(path: Path) -> str:
    """The dotted name of a source file."""
    parts = path.relative_to(SRC).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def test_the_floors_hold() -> None:
    """Every contract on imports is kept."""
    result = lint_imports(SRC)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize(
    ("path", "line", "complaint"),
    [
        ("errors.py", "import ordercore.money", "is not allowed to import ordercore.money"),
        ("goods.py", "from ordercore import party", "is not allowed to import ordercore.party"),
        ("room_without_floor.py", "", "ordercore.room_without_floor"),
        ("clock.py", "def f():\n    import sqlalchemy", "ordercore.clock -> sqlalchemy"),
    ],
)
def test_a_broken_floor_is_noticed(path: str, line: str, complaint: str, tmp_path: Path) -> None:
    """An import upward, one to a neighbor, a room without floor, a wrong door: each is reported."""
    shutil.copytree(SRC, tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
    with (tmp_path / "src" / "ordercore" / path).open("a", encoding="utf-8") as file:
        file.write(f"\n{line}\n")
    result = lint_imports(tmp_path / "src")
    assert result.returncode == 1, result.stderr
    assert complaint in result.stdout


def test_each_dependency_has_one_door() -> None:
    """No module imports a guarded dependency but its door, not even inside a function or by name."""
    found = []
    for path in sorted(SRC.rglob("*.py")):
        found += trespasses(module_name(path), path.read_text("utf-8"))
    assert found == []


@pytest.mark.parametrize(
    "source",
    [
        "import statemachine",
        "def f():\n    from statemachine.io import load",
        "import importlib\nimportlib.import_module('statemachine')",
    ],
)
def test_a_wrong_door_is_noticed(source: str) -> None:
    """An import at the top, one inside a function and one by name are all seen."""
    assert len(trespasses("ordercore.money", source)) == 1
    assert trespasses("ordercore.lifecycle.chart", source) == []


def test_every_guarded_dependency_has_a_door() -> None:
    """A contract whose exceptions name no door would forbid the dependency altogether."""
    assert [name for name, modules in doors().items() if not modules] == []
