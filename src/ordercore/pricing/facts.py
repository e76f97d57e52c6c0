"""What a price depends on beside the cart and the policy: answers of the outside, frozen with the quote."""

from __future__ import annotations

from ordercore.pricing.border import PersonalQuota
from ordercore.pricing.coupon import Coupon
from ordercore.pricing.exchange import ExchangeRate
from ordercore.pricing.tax import ExternalTax, VatIdCheck
from ordercore.value import value

__all__ = ["NO_FACTS", "PricingFacts"]


@value
class PricingFacts:
    """Everything that ports were asked for one quote. The same cart, policy, moment and facts
    give the same quote again (law L18)."""

    coupons: tuple[Coupon, ...] = ()
    rates: tuple[ExchangeRate, ...] = ()
    vat_id: VatIdCheck | None = None
    tax: ExternalTax | None = None
    quota: PersonalQuota | None = None


NO_FACTS = PricingFacts()
"""Nothing was asked."""
