"""``python -m ordercore`` is the ``ordercore`` command."""

from __future__ import annotations

import sys

from ordercore.cli import main

if __name__ == "__main__":
    sys.exit(main())
