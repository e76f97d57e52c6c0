from __future__ import annotations

from tests.adapters.postgres import postgres

__all__ = ["postgres"]
