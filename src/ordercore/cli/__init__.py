"""The ``ordercore`` command.

``main`` is the door; the commands stand in `ordercore.cli.commands`.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; ``None`` takes the process's own arguments. Returns the exit code.

    0 is success, 1 a result that failed (books out of balance), 2 input that cannot be used,
    told in one line on standard error.
    """
    try:
        from ordercore.cli.commands import run
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] not in {"cyclopts", "rich"}:
            raise
        print(
            f"ordercore: {error.name} is missing: pip install 'ordercore-sdk[cli,sql]'",
            file=sys.stderr,
        )
        return 2
    return run(list(sys.argv[1:] if arguments is None else arguments))
