"""The shop window is pinned: a name comes or goes on purpose.

``public_names.txt`` holds the names, sorted, one a line. After a deliberate change run
``python tests/test_public_names.py`` to write it anew, and say so in the changelog.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import ordercore
from ordercore import engine, fulfillment, journal, order

FILE = Path(__file__).parent / "public_names.txt"
PINNED = FILE.read_text("utf-8").split()


def test_public_names_are_pinned() -> None:
    """``ordercore.__all__`` holds the pinned names, each once."""
    assert sorted(PINNED) == sorted(ordercore.__all__)


def test_each_public_name_resolves() -> None:
    """Whatever the shop window lists is there, the names that load late included."""
    assert [name for name in ordercore.__all__ if not hasattr(ordercore, name)] == []


@pytest.mark.parametrize("room", [engine, fulfillment, journal, order], ids=lambda r: r.__name__)
def test_each_name_of_a_room_resolves(room: ModuleType) -> None:
    """Whatever a room lists is there, the names that load late included, and each is listed once."""
    assert [name for name in room.__all__ if not hasattr(room, name)] == []
    assert len(set(room.__all__)) == len(room.__all__)


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


def test_splitting_merging_and_routing_are_loaded_when_somebody_names_them() -> None:
    """Importing the root loads no flow of a verb that few call, and no search; naming a result does."""
    code = (
        "import sys, ordercore\n"
        "rooms = {'engine': ('regrouping', 'merging', 'dispatching', 'collecting'),\n"
        "         'fulfillment': ('grouping', 'proposal', 'routing', 'carriage', 'linking')}\n"
        "late = [f'ordercore.{room}.{name}' for room in rooms for name in rooms[room]]\n"
        "print([name for name in late if name in sys.modules])\n"
        "print(ordercore.SplitProposal.__name__, 'ordercore.fulfillment.proposal' in sys.modules)\n"
        "print(ordercore.SplitResult.__name__, 'ordercore.engine.regrouping' in sys.modules)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.splitlines() == ["[]", "SplitProposal True", "SplitResult True"]


if __name__ == "__main__":
    FILE.write_text("\n".join(sorted(ordercore.__all__)) + "\n", "utf-8")
