"""Whatever pricing knows: bundles, fees, vouchers, several taxes, foreign prices, borders.

Any full cart can be priced by any full policy with the facts that `pricing_facts` draws for the two.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

from hypothesis import strategies as st

from ordercore.allocation import RemainderRule
from ordercore.money import Percent, Rounding, exponent, from_minor
from ordercore.party import Address, Destination, Party
from ordercore.pricing import (
    BORDER_CHARGES,
    NO_FACTS,
    AmountOff,
    BorderPolicy,
    Cart,
    CartLine,
    ChargeKind,
    Component,
    ComponentRounding,
    Customs,
    DepositKind,
    ExchangePolicy,
    ExchangeRate,
    ExternalRow,
    ExternalTax,
    Fee,
    Funder,
    GoodsKind,
    OrderKind,
    PercentOff,
    PersonalQuota,
    PointsRate,
    Presale,
    PriceBasis,
    PricingFacts,
    PricingPolicy,
    RatePurpose,
    RegimeId,
    Registration,
    RoundedFigure,
    RoundingScope,
    ShippingCharge,
    ShippingTax,
    Shopper,
    Tariff,
    TaxPart,
    TaxPolicy,
    TaxRate,
    TaxTreatment,
    Terms,
    VatIdCheck,
    quote,
)
from ordercore.pricing.assessing import wanted_rates
from ordercore.pricing.duty import ConsumptionTax, DutyRate
from ordercore.pricing.exchange import make_rate
from ordercore.testing.story import START
from ordercore.testing.strategies.plain import (
    CATEGORIES,
    COIN,
    GOODS,
    INSIDE,
    TAX_PERCENTS,
    carts,
    currencies,
    discount,
    integers,
    minor_units,
    pick,
    pricing_policies,
    some_money,
)
from ordercore.testing.strategies.promotions import CODES, SKUS, coupons, layers

if TYPE_CHECKING:
    from datetime import datetime

    from hypothesis.strategies import DrawFn, SearchStrategy

    from ordercore.pricing import Discount, Quote, QuoteCharge, QuoteLine

__all__ = [
    "border_policies",
    "exchange_rates",
    "full_carts",
    "full_policies",
    "pricing_facts",
    "quotes",
    "tax_policies",
]

_BRANDS = ("", "acme")
# Minor units for one: two conversions of the largest full cart stay below `MINOR_MAX`.
_RATE_MAX = 200
# A smaller total has no quarter that could be a deposit.
_PRESALE_MIN = 100
_SOME_CODES = st.lists(st.sampled_from(CODES), max_size=len(CODES), unique=True)


# --- Full carts --------------------------------------------------------------------------------

_HS = ("", "610910", "61091000", "330300", "220421")
_PLACES = (
    Address(),
    Address(country="DE"),
    Address(country="FR"),
    Address(country="FR"),
    Address(country="GB", postcode="BT1 1AA"),
    Address(country="US", region="NY", postcode="10001"),
    Address(country="CN"),
    Address(country="CN"),
    Address(country="AU"),
    Address(country="NO"),
    Address(country="NZ"),
)
_BUYERS = (Party(), Party("c-1", "Ada"), Party("c-2", "Bo", vat_id="FR83404833048"))
_KINDS = (
    GoodsKind.GOODS,
    GoodsKind.GOODS,
    GoodsKind.GOODS,
    GoodsKind.SERVICE,
    GoodsKind.SINGLE_PURPOSE_VOUCHER,
    GoodsKind.MULTI_PURPOSE_VOUCHER,
)


def _customs(draw: DrawFn) -> Customs | None:
    """What customs ask of an article, or nothing."""
    if draw(COIN):
        return None
    return Customs(pick(draw, _HS), pick(draw, ["", "CN", "DE", "US"]), "things", draw(COIN))


def _funded_discounts(draw: DrawFn, currency: str) -> Discount:
    """Discounts of the cart's own, borne by anybody."""
    off = discount(draw, currency)
    funder = pick(draw, [*Funder])
    if isinstance(off, AmountOff):
        return AmountOff(off.amount, off.label, funder)
    return PercentOff(off.percent, off.label, off.cap, funder)


def _bundles(draw: DrawFn, currency: str, number: int, units: int, price: int) -> CartLine:
    """A bundle of one to three components, which costs at most what they cost."""
    parts: list[Component] = []
    whole = 0
    for _ in range(draw(integers(1, 3))):
        each, count = draw(minor_units(0, price)), draw(integers(1, 3))
        whole += each * count
        parts.append(
            Component(
                pick(draw, SKUS),
                count,
                from_minor(each, currency),
                tax_category=pick(draw, CATEGORIES),
                category=pick(draw, GOODS),
                brand=pick(draw, _BRANDS),
                customs=_customs(draw),
            )
        )
    return CartLine(
        "SET",
        draw(integers(1, units)),
        from_minor(draw(integers(0, whole)), currency),
        id=f"set-{number}",
        tax_included=pick(draw, INSIDE),
        domestic_freight=some_money(draw, currency, 0, 2_000) if draw(COIN) else None,
        components=tuple(parts),
    )


def _full_lines(
    draw: DrawFn, currency: str, number: int, units: int, price: int, *, points: bool
) -> CartLine:
    """A line with whatever a line may have."""
    foreign = pick(draw, [currency] * 7 + ["USD", "JPY"])
    kind = pick(draw, _KINDS)
    cost = draw(minor_units(0, price if foreign == currency else min(price, 20_000)))
    return CartLine(
        sku=pick(draw, SKUS),
        quantity=draw(integers(1, min(4, units) if draw(COIN) else units)),
        unit_price=from_minor(cost, foreign),
        id=pick(draw, ["", f"line-{number}"]),
        discounts=tuple([_funded_discounts(draw, currency) for _ in range(draw(integers(0, 2)))]),
        tax_category=pick(draw, CATEGORIES),
        tax_included=pick(draw, INSIDE),
        category=pick(draw, GOODS),
        domestic_freight=some_money(draw, currency, 0, 2_000) if draw(COIN) else None,
        brand=pick(draw, _BRANDS),
        kind=kind,
        customs=_customs(draw) if kind is GoodsKind.GOODS else None,
        floor_price=some_money(draw, foreign, 0, cost) if draw(integers(0, 3)) == 3 else None,
        points=pick(draw, [0, 0, 100, 1_500]) if points else 0,
    )


_SHOPPERS = (
    Shopper(),
    Shopper(),
    Shopper(("staff",), "gold"),
    Shopper(first_order=True),
    Shopper(exempt="certificate 7"),
)


@st.composite
def full_carts(
    draw: DrawFn,
    currency: str | None = None,
    *,
    max_lines: int = 4,
    max_units: int = 100,
    max_price: int = 10**6,
    points: bool = False,
) -> Cart:
    """Carts with whatever a cart may have: bundles, fees, codes, floors, vouchers, customs, funders,
    prices of a catalog in another currency, buyers of all kinds, any destination.

    Tax categories are ``standard``, ``reduced``, ``zero`` and ``shipping``. Foreign prices need
    the rates of `pricing_facts`; ``points`` need a policy that says what they are worth.
    ``max_price`` is a unit's, in minor units.
    """
    code = currency if currency is not None else draw(currencies())
    lines: list[CartLine] = []
    for number in range(draw(integers(1, max_lines))):
        if draw(integers(0, 4)) == 4:
            lines.append(_bundles(draw, code, number, max_units, max_price))
        else:
            lines.append(_full_lines(draw, code, number, max_units, max_price, points=points))
    shipping = None
    if draw(COIN):
        shipping = ShippingCharge(some_money(draw, code, 0, 3_000), tax_included=pick(draw, INSIDE))
    fees = [
        Fee(id, some_money(draw, code, 0, 1_000), kind=kind, tax_included=pick(draw, INSIDE))
        for id, kind in (("gift-wrap", ChargeKind.FEE), ("insurance", ChargeKind.INSURANCE))  # noqa: A001
        if draw(integers(0, 3)) == 3
    ]
    return Cart(
        currency=code,
        lines=tuple(lines),
        discounts=tuple([_funded_discounts(draw, code) for _ in range(draw(integers(0, 2)))]),
        shipping=shipping,
        kind=pick(draw, [*OrderKind]),
        shop=pick(draw, ["", "north"]),
        customer=pick(draw, _BUYERS),
        address=pick(draw, _PLACES),
        codes=tuple(draw(_SOME_CODES)),
        shopper=pick(draw, _SHOPPERS),
        fees=tuple(fees),
    )


# --- Full policies -----------------------------------------------------------------------------

_HOMES = (
    (None, ()),
    (Destination("DE"), ("DE", "FR", "XI")),
    (Destination("DE"), ("DE", "FR", "XI")),
    (Destination("GB"), ()),
    (Destination("US", "NY"), ()),
)
_WHERE = (
    ("", "", ""),
    ("", "", ""),
    ("", "", ""),
    ("DE", "", ""),
    ("GB", "", ""),
    ("US", "", ""),
    ("US", "NY", ""),
    ("US", "NY", "100"),
)


_TAX_KEYS = st.lists(
    st.tuples(
        st.sampled_from([*CATEGORIES, "standard", "shipping"]),
        st.sampled_from(_WHERE),
        st.sampled_from(["", "state", "county"]),
    ),
    max_size=7,
    unique=True,
)


def _tax_rates(draw: DrawFn) -> tuple[TaxRate, ...]:
    """Rates by category, place and component; some compound, some exempt, some that have ended."""
    found = []
    for category, (country, region, postcode), component in draw(_TAX_KEYS):
        exempt = draw(integers(0, 7)) == 7
        found.append(
            TaxRate(
                Percent(0) if exempt else draw(TAX_PERCENTS),
                category,
                country,
                region,
                last_day=pick(draw, [None, None, None, date(2025, 12, 31)]),
                component=component,
                compound=bool(component) and draw(COIN),
                postcode=postcode,
                treatment=TaxTreatment.EXEMPT if exempt else TaxTreatment.STANDARD,
            )
        )
    return tuple(found)


@st.composite
def tax_policies(draw: DrawFn) -> TaxPolicy:
    """Policies of tax with all their choices: several components, one on the other, every scope,
    figure and mode of rounding, tax of charges, a home, its union, and prices abroad. Every category has a rate."""
    home, union = pick(draw, _HOMES)
    return TaxPolicy(
        rates=_tax_rates(draw),
        prices_include_tax=draw(COIN),
        rounding=pick(draw, [*Rounding]),
        scope=pick(draw, [*RoundingScope]),
        default=draw(TAX_PERCENTS),
        rounded=pick(draw, [*RoundedFigure]),
        components=pick(draw, [*ComponentRounding]),
        charges=pick(draw, [*ShippingTax]),
        home=home,
        abroad=pick(draw, [*PriceBasis]) if home else PriceBasis.GROSS_FIXED,
        union=union,
    )


_LONG_AGO = date(2020, 1, 1)
_SELLERS = (
    Registration(RegimeId.EU_IOSS, "IM2760000742"),
    Registration(RegimeId.UK_LOW_VALUE, "GB123456789"),
    Registration(RegimeId.NO_VOEC, "2001234"),
    Registration(RegimeId.AU_LOW_VALUE, "300012345678"),
    Registration(RegimeId.NZ_LOW_VALUE, "123456789"),
)


_SOME_SELLERS = st.lists(st.sampled_from(_SELLERS), unique=True)
_DUTY_KEYS = st.lists(
    st.tuples(
        st.sampled_from(["", "", "6109"]),
        st.sampled_from(["", "", "CN"]),
        st.sampled_from(["EU", "GB", "US", "AU", "NO"]),
    ),
    min_size=1,
    max_size=5,
    unique=True,
)


@st.composite
def border_policies(draw: DrawFn) -> BorderPolicy:
    """Shops that ship from anywhere, under any registrations, on both terms, by a small tariff."""
    rates: list[DutyRate] = []
    for hs, origin, to in draw(_DUTY_KEYS):
        rates.append(DutyRate(hs, draw(TAX_PERCENTS), to, _LONG_AGO, "a tariff", origin))
    luxury = ConsumptionTax(
        pick(draw, ["", "33"]), Percent.of("15"), "CN", _LONG_AGO, "a regulation"
    )
    return BorderPolicy(
        pick(draw, ["DE", "CN", "GB", "US"]),
        tuple(draw(_SOME_SELLERS)),
        pick(draw, [*Terms]),
        Tariff(tuple(rates)),
        draw(COIN),
        pick(draw, [(luxury,), ()]),
        draw(COIN),
    )


@st.composite
def full_policies(draw: DrawFn, currency: str = "EUR", *, host_rules: bool = True) -> PricingPolicy:
    """Policies with whatever a policy may have: `layers` in ``currency``, `tax_policies`, `border_policies`,
    currencies of settlement and ledger (with the rates of `pricing_facts`), points, any remainder rule.

    Without ``host_rules`` it can stand in a document: no code, and points at the rate of the default tenders.
    """
    worths = [PointsRate(), PointsRate(1, 1), PointsRate(10, 7)]
    exchange = ExchangePolicy(
        pick(draw, ["", "", "USD", "JPY"]),
        pick(draw, ["", "", "EUR", "KWD"]),
        rounding=pick(draw, [*Rounding]),
    )
    return PricingPolicy(
        draw(tax_policies()),
        pick(draw, [*Rounding]),
        discount_remainder=pick(draw, [RemainderRule.LARGEST_FRACTION, *RemainderRule]),
        layers=draw(layers(currency, host_rules=host_rules)),
        exchange=exchange,
        border=draw(border_policies()) if draw(COIN) else None,
        points_worth=pick(draw, worths if host_rules else worths[:1]),
    )


# --- Facts and quotes --------------------------------------------------------------------------


@st.composite
def exchange_rates(
    draw: DrawFn,
    base: str = "EUR",
    quote: str = "USD",
    purpose: RatePurpose = RatePurpose.DISPLAY,
    at: datetime = START,
) -> ExchangeRate:
    """Rates that may be used at ``at``: from a 200th of a minor unit to 200 for one, as odd as they come."""
    # A fraction of minor units, so that currencies with other decimals stay within bounds too.
    top, bottom = draw(integers(1, 10_000)), draw(integers(1, 10_000))
    if not bottom <= top * _RATE_MAX <= bottom * _RATE_MAX**2:
        top, bottom = 7, 3
    top *= 10 ** exponent(base)
    bottom *= 10 ** exponent(quote)
    published = at.date() - timedelta(days=draw(integers(0, 4)))
    spread = Percent(pick(draw, [0, 0, 20_000]))
    return make_rate(base, quote, top, bottom, purpose, at, published, "a bank", spread)


def _pairs(
    cart: Cart, policy: PricingPolicy, at: datetime
) -> dict[tuple[str, str, RatePurpose], None]:
    """The rates that pricing asks for, each once."""
    code = cart.currency
    found: dict[tuple[str, str, RatePurpose], None] = {}
    for line in cart.lines:
        other = line.unit_price.currency.code
        if other != code:
            found[other, code, RatePurpose.DISPLAY] = None
    exchange = policy.exchange
    for other, purpose in (
        (exchange.settlement, RatePurpose.SETTLEMENT),
        (exchange.ledger, RatePurpose.LEDGER),
    ):
        if other and other != code:
            found[code, other, purpose] = None
    if policy.border is not None:
        for base, to in wanted_rates(code, cart.address.destination(), at, policy.border):
            found[base, to, RatePurpose.CUSTOMS] = None
    return found


@st.composite
def pricing_facts(
    draw: DrawFn, cart: Cart, policy: PricingPolicy, at: datetime = START
) -> PricingFacts:
    """What the outside may have answered for ``cart`` and ``policy``: every exchange rate that is needed,
    coupons, a checked VAT id, a quota, now and then an external engine's tax."""
    known = draw(coupons(policy.layers)) if cart.codes else ()
    rates = tuple(draw(exchange_rates(*pair, at=at)) for pair in _pairs(cart, policy, at))
    vat_id = quota = None
    buyer = cart.customer
    if buyer.vat_id and policy.tax.union and draw(integers(0, 3)) > 0:
        country = buyer.vat_id[:2]
        vat_id = VatIdCheck(buyer.vat_id, country, draw(integers(0, 3)) > 0, "a register", at)
    if policy.border is not None and cart.address.country == "CN" and draw(COIN):
        used = pick(draw, [0, 25_000_00, 26_000_00])
        quota = PersonalQuota(RegimeId.CN_RETAIL_IMPORT, buyer.id, at.year, used)
    facts = PricingFacts(known, rates, vat_id, None, quota)
    if draw(integers(0, 9)) == 9:
        told = quote(cart, policy, at, facts)
        rows = [row for row in told.rows() if getattr(row, "kind", None) not in BORDER_CHARGES]
        taxed = tuple(_external_rows(draw, row) for row in rows)
        return PricingFacts(known, rates, vat_id, ExternalTax(taxed, "an engine", at), quota)
    return facts if facts != PricingFacts() else NO_FACTS


def _external_rows(draw: DrawFn, row: QuoteLine | QuoteCharge) -> ExternalRow:
    """What an engine with its own rounding says of a row: up to two taxes, odd ones too."""
    taxable = row.amount + row.funded
    levied = [taxable * draw(integers(0, 20)) // 121 for _ in range(draw(integers(1, 2)))]
    net = taxable - sum(levied) if row.tax_included else taxable
    parts = [TaxPart(f"tax {i}", 100_000, net, levy) for i, levy in enumerate(levied, 1)]
    return ExternalRow(row.id, tuple(parts))


@st.composite
def quotes(
    draw: DrawFn,
    of: SearchStrategy[Cart] | None = None,
    by: SearchStrategy[PricingPolicy] | None = None,
    at: datetime = START,
    *,
    presales: bool = False,
) -> Quote:
    """Quotes of and by your own carts and policies, with the facts that they need.

    With ``presales`` they are paid in two parts, where their price has two.

    What is left out is drawn from both sets: plain carts by plain policies, full ones by full ones.
    """
    full = draw(integers(0, 3)) > 0
    code = draw(currencies()) if of is None else ""
    if of is None:
        # a policy of the host's own need not say what points are worth
        of = full_carts(code, points=by is None) if full else carts(code)
    cart = draw(of)
    if by is None:
        by = full_policies(cart.currency) if full else pricing_policies()
    policy = draw(by)
    facts = draw(pricing_facts(cart, policy, at))
    found = quote(cart, policy, at, facts)
    if not presales or found.total < _PRESALE_MIN or found.points or facts.tax is not None:
        return found
    return quote(_presold(draw, cart, found, at), policy, at, facts)


def _presold(draw: DrawFn, cart: Cart, found: Quote, at: datetime) -> Cart:
    """The cart with a deposit of at most a quarter of its price, which may count for more: of a quarter
    of what may come off the goods at most."""
    code = cart.currency
    deposit = draw(integers(1, found.total // 4))
    kind = pick(draw, [*DepositKind])
    counts = None
    if kind is DepositKind.EXPANDING:
        fixed = any(
            [
                one.floor_price is not None or one.kind is GoodsKind.MULTI_PURPOSE_VOUCHER
                for one in cart.lines
            ]
        )
        # a lower value may fall under another regime at a border, and cost less still
        bound = fixed or found.border is not None
        room = 0 if bound else sum([line.amount - line.freight for line in found.lines])
        counts = from_minor(deposit + draw(integers(0, room // 4)), code)
    opens = at + timedelta(days=pick(draw, [0, 0, 1, 30]))
    until = opens + timedelta(hours=draw(integers(1, 72)))
    presale = Presale(from_minor(deposit, code), opens, until, kind, counts)
    return Cart(
        cart.currency, cart.lines, cart.discounts, cart.shipping, cart.kind, cart.shop,
        cart.customer, cart.address, cart.extra, cart.codes, cart.shopper, cart.fees,
        cart.attribution, presale,
    )  # fmt: skip
