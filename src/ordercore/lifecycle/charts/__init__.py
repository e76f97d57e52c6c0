"""The lifecycles that come with the library, one chart a module.

Importing a chart loads python-statemachine, so this door imports none.
"""

from __future__ import annotations

__all__: list[str] = []
