"""What a host tests its own rules and adapters with."""

from ordercore.testing.strategies import amounts, currencies, moneys, percents

__all__ = ["amounts", "currencies", "moneys", "percents"]
