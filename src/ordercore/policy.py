"""The configuration tree (placeholder while the reader is written)."""

from __future__ import annotations

import attrs

from ordercore.fulfillment import StockPolicy
from ordercore.identity import NumberTemplate
from ordercore.ledger import PostingPolicy
from ordercore.pricing import PricingPolicy
from ordercore.tender import TenderPolicy
from ordercore.timeout import TimeoutPolicy
from ordercore.value import value


@value
class Policies:
    """All policies of a shop."""

    pricing: PricingPolicy = attrs.field(factory=PricingPolicy)
    tenders: TenderPolicy = attrs.field(factory=TenderPolicy)
    timeouts: TimeoutPolicy = attrs.field(factory=TimeoutPolicy)
    posting: PostingPolicy = attrs.field(factory=PostingPolicy)
    stock: StockPolicy = attrs.field(factory=StockPolicy)
    numbers: NumberTemplate = attrs.field(factory=NumberTemplate)

    def check(self) -> None:
        """Check every room."""
