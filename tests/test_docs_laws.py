from __future__ import annotations

import re
from pathlib import Path

TESTS = Path(__file__).parent
PAGE = TESTS.parent / "docs" / "explanation" / "laws.md"
ROW = re.compile(r"^\| L(\d+) [^|]+\|[^|]+\|([^|]+)\|$", re.MULTILINE)


def test_the_page_of_laws_names_the_files_that_hold_them() -> None:
    """Each file beside a law has a property, a case or an assertion by its number; the rest says what it waits for."""
    rows = ROW.findall(PAGE.read_text("utf-8"))
    assert sorted(int(number) for number, _ in rows) == list(range(1, 26))
    for number, held in rows:
        files = re.findall(r"`([\w/]+\.py)`", held)
        assert files or held.strip().startswith("waits for"), number
        for name in files:
            said = rf'def test_l{number}_|"L{number}: '
            assert re.search(said, (TESTS / name).read_text("utf-8")), (number, name)
