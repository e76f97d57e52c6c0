"""Runs the examples of the documentation and of the docstrings as tests.

In Markdown every ``python`` block runs, top to bottom, in one namespace a page, in a scratch folder;
``<!-- skip: next -->`` before a block leaves it out. In docstrings every ``>>>`` runs.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from sybil import Sybil
from sybil.document import PythonDocStringDocument
from sybil.parsers.markdown import PythonCodeBlockParser, SkipParser
from sybil.parsers.rest import DocTestParser

Namespace = dict[str, object]


def enter_scratch_folder(namespace: Namespace) -> None:
    """Examples may write files: they do so where nobody minds."""
    scratch = tempfile.TemporaryDirectory()
    namespace["_scratch"] = scratch
    namespace["_came_from"] = Path.cwd()
    os.chdir(scratch.name)


def leave_scratch_folder(namespace: Namespace) -> None:
    """Go back, and remove what the page's examples wrote."""
    os.chdir(str(namespace["_came_from"]))
    scratch = namespace["_scratch"]
    assert isinstance(scratch, tempfile.TemporaryDirectory)
    scratch.cleanup()


pages = Sybil(
    parsers=[PythonCodeBlockParser(), SkipParser()],
    patterns=["README.md", "docs/**/*.md"],
    setup=enter_scratch_folder,
    teardown=leave_scratch_folder,
)
docstrings = Sybil(
    parsers=[DocTestParser()],
    patterns=["src/ordercore/**/*.py"],
    document_types={".py": PythonDocStringDocument},
)

pytest_collect_file = (pages + docstrings).pytest()
