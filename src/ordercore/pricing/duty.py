"""Duty by code and origin."""

from __future__ import annotations

from ordercore.value import value

__all__ = ["Tariff"]


@value
class Tariff:
    """Duty rates as data."""
