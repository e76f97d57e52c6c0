"""Presets: documents that run as they are, and whose figures are those of their sources."""

from __future__ import annotations

import re
import tomllib
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from ordercore import (
    Actor,
    Address,
    Cart,
    CartLine,
    CountedIds,
    Money,
    OrderEngine,
    OrderKind,
    Party,
    Policies,
    SettableClock,
    ShippingCharge,
    tenders,
)
from ordercore.adapters.memory import AccountGateway, MemoryGateway, MemoryStock, MemoryStore
from ordercore.adapters.rates import vat_rates
from ordercore.errors import InvalidCart, InvalidPolicy, RateUnavailable
from ordercore.party import Destination
from ordercore.policy import Preset
from ordercore.pricing import EU_COUNTRIES, RegimeId, Requirement, quote
from ordercore.testing import laws

if TYPE_CHECKING:
    from ordercore import Order

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
TODAY = NOON.date()
MARKETS = [preset for preset in Preset if preset is not Preset.DEFAULT]
BUYER = Actor.customer("c1")
PRICES = {
    Preset.CN_RETAIL: ("CNY", "CN"),
    Preset.EU_RETAIL: ("EUR", "FR"),
    Preset.CROSS_BORDER: ("EUR", "DE"),
}


def cart(currency: str, country: str, price: str = "100.00") -> Cart:
    """Two units of tea and their freight."""
    return Cart(
        currency,
        (CartLine("TEA", 2, Money(price, currency)),),
        shipping=ShippingCharge(Money("8.00", currency)),
        customer=Party("c1"),
        address=Address(country=country),
    )


def engine_of(preset: Preset, clock: SettableClock) -> OrderEngine:
    """An engine in memory under a preset as it is, with a gateway for each of its rules."""
    policies = Policies.preset(preset)
    names = [rule.gateway for rule in policies.tenders.rules] or ["card"]
    gateways = {
        name: AccountGateway(name, clock, {"c1": 500}, points=name == "points")
        if name in {"points", "balance", "stored_value"}
        else MemoryGateway(name, clock)
        for name in names
    }
    return OrderEngine(
        MemoryStore(),
        gateways,
        MemoryStock(clock, {"TEA": 10}),
        policies,
        clock=clock,
        ids=CountedIds(),
    )


def placed(engine: OrderEngine, preset: Preset) -> Order:
    """An order of the preset's own market."""
    return engine.place(engine.quote(cart(*PRICES[preset])), key="place", by=BUYER)


# Presets as documents -------------------------------------------------------------------------


@pytest.mark.parametrize("preset", Preset, ids=lambda preset: preset.value)
def test_a_preset_is_a_document(preset: Preset) -> None:
    """A preset is what its document says, is in order, and is written and read back without loss."""
    found = Policies.preset(preset)
    assert found == Policies.parse(preset.document()) == Policies.preset(preset.value)
    assert Policies.parse(found.dump()) == found
    found.check()
    found.check_points()


@pytest.mark.parametrize("preset", MARKETS, ids=lambda preset: preset.value)
def test_a_preset_tells_its_sources_and_their_day(preset: Preset) -> None:
    """Each rate names its source, and the head of the document the day on which it was read."""
    assert all(rate.source for rate in Policies.preset(preset).pricing.tax.rates)
    head = preset.document().split("\n[", 1)[0]
    assert head.startswith(f"# {preset.value}: ")
    assert re.search(r"20\d\d-\d\d-\d\d", head)
    assert "from memory" in head


def test_a_misspelled_preset_gets_the_nearest_name() -> None:
    """A name that is no preset is refused, and the nearest one is told."""
    with pytest.raises(InvalidPolicy) as caught:
        Policies.preset("cn_retail")
    assert caught.value.data["nearest"] == "cn-retail"


def test_a_document_goes_on_where_a_preset_ends() -> None:
    """Tables that a preset does not have can be written after its text."""
    own = '\n[[pricing.border.registrations]]\nregime = "eu_ioss"\nnumber = "IM3720000224"\n'
    found = Policies.parse(Preset.CROSS_BORDER.document() + own)
    border = found.pricing.border
    assert border is not None
    assert border.number(RegimeId.EU_IOSS) == "IM3720000224"


@pytest.mark.parametrize("preset", MARKETS, ids=lambda preset: preset.value)
def test_no_rate_of_a_preset_has_ended(preset: Preset) -> None:
    """A preset ships rates in force: none ends before it is read again."""
    assert all(rate.last_day is None for rate in Policies.preset(preset).pricing.tax.rates)


# Presets at work ------------------------------------------------------------------------------


@pytest.mark.parametrize("preset", MARKETS, ids=lambda preset: preset.value)
def test_a_preset_places_pays_and_ships_an_order(preset: Preset) -> None:
    """An engine under a preset runs an order from cart to completion with no further configuration."""
    clock = SettableClock(NOON)
    engine = engine_of(preset, clock)
    order = placed(engine, preset)
    channel = next(name for name in ("wechat", "card") if name in engine.shop.gateways)
    result = engine.pay(order.id, [tenders.Channel(channel)], key="pay", by=BUYER)
    assert result.order.state == "paid"
    engine.accept(order.id, key="accept")
    order = engine.ship(order.id, key="ship", carrier="post", tracking="1")
    assert order.state == "shipped"
    policies = engine.shop.policies
    clock.set(NOON + policies.timeouts.confirm_after)
    engine.sweep()
    assert engine.get(order.id).state == "received"
    done = engine.complete(order.id, key="complete")
    assert done.recognized
    laws.trial_balance_is_zero(engine.trial_balance())


@pytest.mark.parametrize("preset", MARKETS, ids=lambda preset: preset.value)
def test_a_preset_closes_what_is_not_paid(preset: Preset) -> None:
    """An order that nobody pays is closed at the end of the preset's window, and its goods are free."""
    clock = SettableClock(NOON)
    engine = engine_of(preset, clock)
    order = placed(engine, preset)
    clock.set(NOON + engine.shop.policies.timeouts.window.pay_within)
    for _ in range(2):
        engine.sweep()
    assert engine.get(order.id).state == "closed"


def test_the_chinese_preset_pays_by_points_then_wechat() -> None:
    """500 points pay 5.00, and WeChat Pay takes the rest in fen."""
    engine = engine_of(Preset.CN_RETAIL, SettableClock(NOON))
    order = placed(engine, Preset.CN_RETAIL)
    offers = [tenders.Channel("wechat"), tenders.Points(500)]
    plan = engine.pay(order.id, offers, key="pay", by=BUYER).order.payments
    assert [(attempt.gateway, attempt.amount) for attempt in plan.attempts] == [
        ("points", 5_00),
        ("wechat", 203_00),
    ]


def test_the_chinese_preset_taxes_inside_the_price() -> None:
    """13 % stand inside 208.00, freight included, and the number begins with HB and the day."""
    engine = engine_of(Preset.CN_RETAIL, SettableClock(NOON))
    order = placed(engine, Preset.CN_RETAIL)
    assert (order.total, order.content.tax) == (208_00, 23_93)
    assert order.content.number == "HB20261122-000001"
    assert order.content.pay_by == NOON + timedelta(minutes=30)


def test_the_chinese_preset_reminds_five_minutes_before_the_end() -> None:
    """A regular order is reminded at 25 minutes, a flash sale of five minutes not at all."""
    timeouts = Policies.preset(Preset.CN_RETAIL).timeouts
    assert timeouts.window.reminder() == timedelta(minutes=25)
    assert timeouts.of(OrderKind.FLASH_SALE).pay_within == timedelta(minutes=5)
    assert timeouts.of(OrderKind.FLASH_SALE).reminder() is None


@pytest.mark.parametrize(
    ("category", "percent"), [("standard", "13"), ("reduced", "9"), ("service", "6")]
)
def test_the_chinese_rates_are_the_three_of_the_law(category: str, percent: str) -> None:
    """Since 2019-04-01 the rates are 13, 9 and 6 %; a sale before that day is refused."""
    tax = Policies.preset(Preset.CN_RETAIL).pricing.tax
    assert str(tax.rate(category, Destination("CN"), date(2019, 4, 1)).percent) == percent
    with pytest.raises(InvalidCart):
        tax.rate(category, Destination("CN"), date(2019, 3, 31))


def test_the_chinese_day_begins_in_shanghai() -> None:
    """16:00 UTC is the next day for tax."""
    tax = Policies.preset(Preset.CN_RETAIL).pricing.tax
    assert tax.day(datetime(2026, 1, 1, 15, 59, tzinfo=UTC)) == date(2026, 1, 1)
    assert tax.day(datetime(2026, 1, 1, 16, 0, tzinfo=UTC)) == date(2026, 1, 2)


@pytest.mark.parametrize("preset", [Preset.EU_RETAIL, Preset.CROSS_BORDER])
def test_european_rates_are_those_of_the_rate_tables(preset: Preset) -> None:
    """The standard rate of each member state is the one in force in the library's own tables."""
    tax = Policies.preset(preset).pricing.tax
    found = {rate.country: rate for rate in tax.rates}
    tables = [
        rate
        for rate in vat_rates([*EU_COUNTRIES, "GB", "NO", "CH", "JP"], TODAY, TODAY)
        if rate.category == "standard"
        and (preset is Preset.CROSS_BORDER or rate.country in EU_COUNTRIES)
    ]
    for rate in tables:
        own = found[rate.country]
        assert (own.percent, own.first_day) == (rate.percent, rate.first_day), rate.country
    assert set(found) >= EU_COUNTRIES


def test_the_european_preset_taxes_where_the_goods_arrive() -> None:
    """The same price bears the tax of each country; outside the Union it is refused."""
    policies = Policies.preset(Preset.EU_RETAIL)

    def tax_in(country: str) -> int:
        return quote(cart("EUR", country, "60.00"), policies.pricing, NOON).tax

    assert (tax_in("DE"), tax_in("HU"), tax_in("FI")) == (20_44, 27_21, 26_01)
    with pytest.raises(InvalidCart):
        tax_in("US")
    assert tax_in("") == tax_in("DE")
    assert set(policies.pricing.tax.union) == EU_COUNTRIES


def test_the_european_preset_waits_fourteen_days() -> None:
    """A shipped order confirms itself after 14 days, and a refund alerts before its 14 days are over."""
    timeouts = Policies.preset(Preset.EU_RETAIL).timeouts
    assert timeouts.confirm_after == timedelta(days=14)
    assert timeouts.refund_late_after < timedelta(days=14)


def test_over_the_border_the_buyer_pays_on_arrival() -> None:
    """Without registrations nothing is taxed at the sale, and the quote estimates the import."""
    priced = quote(cart("EUR", "DE", "50.00"), Policies.preset(Preset.CROSS_BORDER).pricing, NOON)
    assert (priced.total, priced.tax) == (108_00, 0)
    assert priced.border is not None
    assert priced.border.duty == 3_00
    assert priced.border.import_tax > 0


def test_over_the_border_a_registration_taxes_at_the_sale() -> None:
    """With an IOSS number German tax is charged at the sale; in Britain the missing number is told."""
    own = '\n[[pricing.border.registrations]]\nregime = "eu_ioss"\nnumber = "IM3720000224"\n'
    pricing = Policies.parse(Preset.CROSS_BORDER.document() + own).pricing
    assert quote(cart("EUR", "DE", "50.00"), pricing, NOON).tax == 20_52
    british = quote(cart("GBP", "GB", "50.00"), pricing, NOON).border
    assert british is not None
    assert Requirement.REGISTRATION in british.requires


def test_over_the_border_another_currency_wants_a_rate() -> None:
    """A limit in euros cannot be held against dollars without an exchange rate: refused, not guessed."""
    pricing = Policies.preset(Preset.CROSS_BORDER).pricing
    with pytest.raises(RateUnavailable):
        quote(cart("USD", "DE"), pricing, NOON)
    assert quote(cart("USD", "US"), pricing, NOON).total == 208_00


def test_what_is_left_to_the_shop_is_toml() -> None:
    """The tables that the preset leaves to the shop, as comments, are TOML once the mark is taken off."""
    text = Preset.CROSS_BORDER.document()
    lines = re.findall(r"^# (\[\[.*\]\]|\w+ = .*)$", text, re.MULTILINE)
    border = tomllib.loads("\n".join(lines))["pricing"]["border"]
    assert set(border) == {"registrations", "tariff"}


@pytest.mark.parametrize("preset", MARKETS, ids=lambda preset: preset.value)
def test_the_laws_of_prices_hold_under_a_preset(preset: Preset) -> None:
    """Lines, charges, discounts and taxes of a quote reconcile to the last minor unit."""
    engine = engine_of(preset, SettableClock(NOON))
    laws.pricing_holds(engine.quote(cart(*PRICES[preset], price="33.33")))
