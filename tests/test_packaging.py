"""What a host gets when it installs the distribution, and what it does not."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from importlib import metadata, resources
from pathlib import Path

import pytest

import ordercore

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]

CORE = {"attrs", "babel", "cattrs", "py-moneyed", "python-statemachine"}
# Heavy for a start, or not installed with the core: the root imports none of them.
LATE = {"babel", "cattrs", "cyclopts", "hypothesis", "moneyed", "pytest", "rich", "sqlalchemy"}
LATE |= {"facturx", "statemachine"}
# An extra -> the module that it serves, and the packages that it brings.
EXTRAS = {
    "sql": ("ordercore.adapters.sql", {"sqlalchemy"}),
    "postgres": ("ordercore.adapters.sql", {"sqlalchemy", "psycopg"}),
    "yaml": ("ordercore.lifecycle.document", {"yaml"}),
    "cli": ("ordercore.cli", {"cyclopts", "rich"}),
    "fx": ("ordercore.adapters.ecb", {"currency_converter"}),
    "validate": ("ordercore.adapters.vat_ids", {"stdnum"}),
    "einvoice": ("ordercore.adapters.einvoice", {"facturx"}),
    "stripe": ("ordercore.adapters.stripe", {"stripe"}),
    "cnpay": ("ordercore.adapters.wechatpay", {"wechatpayv3", "alipay", "cryptography"}),
    "paypal": ("ordercore.adapters.paypal", {"cryptography"}),
}
DEVELOPMENT = {"hypothesis", "pytest"}

SHUT_OUT = """
import importlib.abc, sys
class Absent(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {absent}:
            raise ModuleNotFoundError(f"{{name}} is not installed here", name=name)
sys.meta_path.insert(0, Absent())
"""


def requirement_name(requirement: str) -> str:
    """The name in front of a requirement's versions."""
    for sign in "<>=!~;[ ":
        requirement = requirement.partition(sign)[0]
    return requirement


def run(code: str) -> str:
    """What ``code`` prints in a fresh interpreter; its failure fails the test with its words."""
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def without(absent: set[str], code: str) -> str:
    """What ``code`` prints where the packages ``absent`` are not installed."""
    return run(SHUT_OUT.format(absent=sorted(absent)) + code)


def test_the_version_is_the_same_everywhere() -> None:
    """The project file, the installed metadata and ``__version__`` agree."""
    assert PROJECT["version"] == metadata.version("ordercore-sdk") == ordercore.__version__


def test_the_types_ship() -> None:
    """``py.typed`` lies in the package, so that a host's type checker reads it."""
    assert resources.files("ordercore").joinpath("py.typed").is_file()


def test_the_core_has_five_dependencies() -> None:
    """The core needs exactly the five packages it names, and everything else is an extra."""
    assert {requirement_name(line) for line in PROJECT["dependencies"]} == CORE


def test_every_extra_is_tried_alone() -> None:
    """A new extra comes with its module and its packages in this file."""
    assert set(PROJECT["optional-dependencies"]) == set(EXTRAS)


def test_the_pins_name_no_place() -> None:
    """Each line of ``requirements/`` is an exact pin: no address, no path, no option."""
    found = [
        f"{path.name}: {line}"
        for path in sorted((ROOT / "requirements").glob("*.txt"))
        for line in path.read_text("utf-8").splitlines()
        if "==" not in line or "://" in line or "@" in line or line.startswith("-")
    ]
    assert found == []


def test_the_root_imports_nothing_heavy() -> None:
    """``import ordercore`` loads no extra, no chart engine, no codec and no locale data."""
    loaded = set(
        run("import sys, ordercore; print(*{m.partition('.')[0] for m in sys.modules})").split()
    )
    assert loaded & LATE == set()


def test_the_core_works_without_extras() -> None:
    """Every room below the adapters imports where no extra is installed."""
    rooms = sorted(
        path.stem
        for path in (ROOT / "src" / "ordercore").iterdir()
        if (path.suffix == ".py" or (path / "__init__.py").is_file())
        and path.stem not in {"__init__", "adapters", "cli", "testing"}
    )
    absent = DEVELOPMENT.union(*(brought for _, brought in EXTRAS.values()))
    code = "\n".join(f"import ordercore.{room}" for room in rooms)
    assert without(absent, code) == ""


@pytest.mark.parametrize("extra", sorted(EXTRAS))
def test_each_extra_imports_alone(extra: str) -> None:
    """An extra's module imports where its own packages are installed and no other extra's are."""
    module, own = EXTRAS[extra]
    others = DEVELOPMENT.union(*(brought for _, brought in EXTRAS.values())) - own
    assert without(others, f"import {module}") == ""
