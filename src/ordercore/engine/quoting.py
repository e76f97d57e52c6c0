"""Quoting: asking the outside for what a price depends on, then pricing in one pure pass.

Nothing is asked that the cart does not need, so a shop without codes, foreign currencies and borders
prices without a single call. What was answered stands on the quote (`Quote.facts`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ordercore.engine.flow import call
from ordercore.errors import InvalidCart, OrdercoreError
from ordercore.money import exponent
from ordercore.pricing import (
    NO_FACTS,
    Cart,
    CartLine,
    Coupon,
    CouponStatus,
    ExchangeRate,
    ExternalTax,
    GoodsKind,
    PersonalQuota,
    PricingFacts,
    RatePurpose,
    RegimeId,
    TaxRequest,
    TaxRequestRow,
    VatIdCheck,
)
from ordercore.pricing import quote as price
from ordercore.pricing.checking import checked_answer
from ordercore.pricing.priced import check_cart
from ordercore.pricing.quoting import CODES_MAX

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from ordercore.engine.flow import Flow
    from ordercore.engine.shop import Shop
    from ordercore.pricing import Quote

__all__ = ["quote_cart", "tax_request"]

PAIRS_MAX = 50
"""Most pairs of currencies that one cart may need."""


def quote_cart(shop: Shop, cart: Cart, own: tuple[str, ...] = ()) -> Flow[Quote]:
    """Price a cart now. Raises what `ordercore.pricing.quote` raises, and what the ports raise.

    ``own`` are codes that the order in question holds already: they count as free, and as still valid.
    """
    now = shop.clock.now()
    policy = shop.policies.pricing
    facts = yield from _facts(shop, cart, now)
    if own and facts.coupons:
        mine = tuple([_ours(found, own) for found in facts.coupons])
        facts = PricingFacts(mine, facts.rates, facts.vat_id, facts.tax, facts.quota)
    found = price(cart, policy, now, facts)
    if shop.taxes is None:
        return found
    answer = yield from call(shop.taxes.calculate, tax_request(found))
    checked_answer(answer, ExternalTax, shop.taxes)
    return price(
        cart, policy, now,
        PricingFacts(facts.coupons, facts.rates, facts.vat_id, answer, facts.quota),
    )  # fmt: skip


def _ours(found: Coupon, own: tuple[str, ...]) -> Coupon:
    """A code without the count of the order that holds it."""
    if found.code not in own or found.status is CouponStatus.VOID:
        return found
    return Coupon(
        found.code, found.promotion, CouponStatus.FREE, found.single_use, found.holder,
        found.valid_from, None, max(0, found.used_in_all - 1), max(0, found.used_by_customer - 1),
    )  # fmt: skip


def _facts(shop: Shop, cart: Cart, now: datetime) -> Flow[PricingFacts]:
    """What the cart depends on beside itself and the policy."""
    if all([p is None for p in (shop.coupons, shop.rates, shop.vat_ids, shop.quotas)]):
        return NO_FACTS
    if not isinstance(cart, Cart):
        raise InvalidCart(f"a {type(cart).__name__} is no cart", path="cart")
    try:
        exponent(cart.currency)
        check_cart(cart)  # before anybody outside is asked about it
    except OrdercoreError as error:
        raise error.at("cart") from None
    coupons: tuple[Coupon, ...] = ()
    if cart.codes and shop.coupons is not None:
        codes = tuple([code for code in cart.codes[:CODES_MAX] if isinstance(code, str)])
        coupons = yield from call(shop.coupons.find, codes, cart.customer.id)
        checked_answer(coupons, tuple[Coupon, ...], shop.coupons)
    rates: list[ExchangeRate] = []
    if shop.rates is not None:
        for base, quote, purpose in _pairs(shop, cart, now):
            rate = yield from call(shop.rates.rate, base, quote, now, purpose)
            rates.append(checked_answer(rate, ExchangeRate, shop.rates))
    vat_id: VatIdCheck | None = None
    if cart.customer.vat_id and shop.vat_ids is not None and shop.policies.pricing.tax.union:
        vat_id = yield from call(shop.vat_ids.check, cart.customer.vat_id, now)
        checked_answer(vat_id, VatIdCheck, shop.vat_ids)
    quota: PersonalQuota | None = None
    if shop.quotas is not None and _needs_quota(shop, cart, now):
        from ordercore.pricing.assessing import quota_year  # a domestic shop has none

        regime, person = RegimeId.CN_RETAIL_IMPORT, cart.customer.id
        quota = yield from call(shop.quotas.used, regime, person, quota_year(now))
        checked_answer(quota, PersonalQuota, shop.quotas)
    if not (coupons or rates or vat_id or quota):
        return NO_FACTS
    return PricingFacts(coupons, tuple(rates), vat_id, None, quota)


def _pairs(shop: Shop, cart: Cart, now: datetime) -> list[tuple[str, str, RatePurpose]]:
    """The exchange rates that pricing this cart will look for."""
    policy, code = shop.policies.pricing, cart.currency
    found: dict[tuple[str, str, RatePurpose], None] = {}
    for amount in _amounts(cart):
        other = getattr(getattr(amount, "currency", None), "code", code)
        if other != code:
            found[other, code, RatePurpose.DISPLAY] = None
    for other, purpose in (
        (policy.exchange.settlement, RatePurpose.SETTLEMENT),
        (policy.exchange.ledger, RatePurpose.LEDGER),
    ):
        if other and other != code:
            found[code, other, purpose] = None
    if policy.border is not None:
        from ordercore.pricing.assessing import wanted_rates  # a domestic shop has none

        to = cart.address.destination()
        for base, quote in wanted_rates(code, to, now, policy.border):
            found[base, quote, RatePurpose.CUSTOMS] = None
    if len(found) > PAIRS_MAX:
        reason = f"a cart needs at most {PAIRS_MAX} exchange rates, not {len(found)}"
        raise InvalidCart(reason, path="cart.lines")
    return list(found)


def _amounts(cart: Cart) -> Iterator[object]:
    """Every amount that may stand in the catalog's currency."""
    for line in cart.lines:
        if isinstance(line, CartLine):
            yield line.unit_price
            yield line.floor_price
            yield line.domestic_freight
            yield from [getattr(part, "list_price", None) for part in line.components]
    yield getattr(cart.shipping, "amount", None)
    yield from [getattr(fee, "amount", None) for fee in cart.fees]


def _needs_quota(shop: Shop, cart: Cart, now: datetime) -> bool:
    """Whether goods come under a year's limit; a guest has no identity to count it by."""
    border = shop.policies.pricing.border
    if border is None or not cart.customer.id or cart.shopper.exempt:
        return False
    from ordercore.pricing.assessing import counts_a_year  # a domestic shop has none

    goods = any(line.kind is GoodsKind.GOODS for line in cart.lines)
    return goods and counts_a_year(border.ships_from, cart.address.country, now.date())


def tax_request(quote: Quote) -> TaxRequest:
    """What an external tax engine is asked about a quote: its rows as they are after discounts."""
    cart = quote.cart
    rows = [
        TaxRequestRow(
            line.id, line.sku, line.tax_category, line.quantity, line.amount, line.funded,
            line.tax_included,
        )
        for line in quote.lines
    ]  # fmt: skip
    rows += [
        TaxRequestRow(
            charge.id, "", charge.tax_category, 0, charge.amount, charge.funded, charge.tax_included
        )
        for charge in quote.charges
        if not charge.shares
    ]
    return TaxRequest(
        quote.currency, cart.address.destination(), quote.at, cart.customer.id,
        cart.customer.vat_id, cart.shopper.exempt, tuple(rows),
    )  # fmt: skip
