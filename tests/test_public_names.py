"""The shop window is pinned: a name comes or goes on purpose.

``public_names.txt`` holds the names, sorted, one a line. After a deliberate change run
``python tests/test_public_names.py`` to write it anew, and say so in the changelog.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import ModuleType

import ordercore

FILE = Path(__file__).parent / "public_names.txt"
PINNED = FILE.read_text("utf-8").split()


def test_public_names_are_pinned() -> None:
    """``ordercore.__all__`` holds the pinned names, each once."""
    assert sorted(PINNED) == sorted(ordercore.__all__)


def test_each_public_name_resolves() -> None:
    """Whatever the shop window lists is there, the names that load late included."""
    assert [name for name in ordercore.__all__ if not hasattr(ordercore, name)] == []


def test_no_public_name_is_a_module() -> None:
    """Hosts import names from the root, and rooms only from their own path; `tenders` reads as a name."""
    found = [n for n in ordercore.__all__ if isinstance(getattr(ordercore, n), ModuleType)]
    assert found == ["tenders"]


def test_public_names_hold_no_adapter_and_no_testing_code() -> None:
    """Adapters and testing code come from their own modules, never from the root."""
    homes = {name: str(getattr(getattr(ordercore, name), "__module__", "")) for name in PINNED}
    shut = ("ordercore.adapters", "ordercore.testing", "ordercore.cli")
    assert {name: home for name, home in homes.items() if home.startswith(shut)} == {}


def test_a_star_import_brings_exactly_the_public_names() -> None:
    """``from ordercore import *`` works in a fresh interpreter and brings nothing else."""
    code = (
        "from ordercore import *\n"
        "print(*sorted(n for n in globals() if not n.startswith('__') or n == '__version__'))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert sorted(PINNED) == result.stdout.split()


def test_books_are_loaded_when_somebody_names_them() -> None:
    """Importing the root loads neither what reconciles nor what reads statements; naming a result does."""
    code = (
        "import sys, ordercore\n"
        "late = ('ordercore.engine.reconciling', 'ordercore.ledger.statement', 'ordercore.journal')\n"
        "print([name for name in late if name in sys.modules])\n"
        "print(ordercore.DayClose.__name__, late[0] in sys.modules)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.splitlines() == ["[]", "DayClose True"]


if __name__ == "__main__":
    FILE.write_text("\n".join(sorted(ordercore.__all__)) + "\n", "utf-8")
