"""What a price costs: beside the floor and beside two well-known shop systems, and how it grows.

All of it is `ordercore.pricing.quote` on a cart that is ready, without an engine around it.
"""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from math import isnan
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from benchmarks import floor, shop
from benchmarks.peers import Absent, Peer, install
from benchmarks.report import Bar, Report, Side, Table
from benchmarks.rounds import repeated, take_turns
from ordercore import (
    AmountOff,
    Cart,
    CartLine,
    Percent,
    PricingPolicy,
    ShippingCharge,
    TaxPolicy,
    TaxRate,
)
from ordercore.money import money
from ordercore.pricing import explain, quote
from ordercore.pricing.cart import Shopper
from ordercore.pricing.coupon import Coupon, CouponTerms
from ordercore.pricing.facts import NO_FACTS, PricingFacts
from ordercore.pricing.promotion import (
    BuyGet,
    Choose,
    Conditions,
    EveryOff,
    Layer,
    LineAmount,
    LinePercent,
    OrderAmount,
    OrderPercent,
    Per,
    PriceKind,
    Promotion,
    Scope,
    SetTotal,
    ShippingOff,
    SkuPrice,
    SpecialPrice,
    Step,
    Steps,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from benchmarks.rounds import Case, Timings
    from ordercore import Quote

__all__ = [
    "INCLUDED", "MIXED", "PROMOTED", "Priced", "beside_peers", "calls_of_explain", "campaign",
    "floor_of", "measure", "peer_cart",
]  # fmt: skip

FLOOR_LIMIT = 9.0
PEER_LIMIT = 1.0
LINEAR = 1.3
FLAT = 1.25
SMALL, LARGE = 50, 1_000
AT = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)
"""When everything is priced."""


class Priced(NamedTuple):
    """What `quote` is given."""

    cart: Cart
    policy: PricingPolicy
    facts: PricingFacts = NO_FACTS

    def quote(self) -> Quote:
        """Price it."""
        return quote(self.cart, self.policy, AT, self.facts)


# --- Five lines --------------------------------------------------------------------------------

INCLUDED_LINES: list[floor.Line] = [
    ("SKU-1", 2, 1999, 0, 2000, True),
    ("SKU-2", 1, 4999, 500, 2000, True),
    ("SKU-3", 3, 333, 0, 500, True),
    ("SKU-4", 1, 12900, 0, 2000, True),
    ("SKU-5", 10, 99, 0, 0, True),
]
_PARCEL: floor.Carried = (floor.SHIPPING, 2000, True)
_FREE: floor.Carried = (floor.SHIPPING, 0, False)

INCLUDED = Priced(
    Cart(
        "GBP",
        tuple([
            CartLine(
                sku, units, money(f"{price / 100:.2f}", "GBP"), tax_category=str(rate),
                discounts=(AmountOff(money(f"{off / 100:.2f}", "GBP")),) if off else (),
            )
            for sku, units, price, off, rate, _ in INCLUDED_LINES
        ]),
        discounts=(AmountOff(money(f"{floor.DISCOUNT / 100:.2f}", "GBP")),),
        shipping=ShippingCharge(money(f"{floor.SHIPPING / 100:.2f}", "GBP")),
    ),
    PricingPolicy(
        tax=TaxPolicy(
            (
                TaxRate(Percent.of("20"), "2000"),
                TaxRate(Percent.of("5"), "500"),
                TaxRate(Percent.of("0"), "0"),
                TaxRate(Percent.of("20"), "shipping"),
            ),
            prices_include_tax=True,
        )
    ),
)  # fmt: skip
"""A line discount, an order discount, tax included everywhere, shipping too."""
MIXED = Priced(shop.cart(), shop.POLICIES.pricing)
"""The cart of the whole way: three line discounts, an order discount, tax included and not."""


def _usd(text: str) -> Any:
    return money(text, "USD")


_BARE = Cart(
    "USD",
    tuple([
        CartLine(
            line.sku, line.quantity, line.unit_price, tax_category=line.tax_category,
            tax_included=line.tax_included,
        )
        for line in MIXED.cart.lines
    ]),
    shipping=MIXED.cart.shipping,
)  # fmt: skip
PLAIN = Priced(_BARE, shop.POLICIES.pricing)
OFF_LINE, OFF_ORDER = 100, 1500
PROMOTED = Priced(
    _BARE,
    PricingPolicy(
        tax=shop.POLICIES.pricing.tax,
        layers=(
            Layer("lines", (Promotion("each", LineAmount(_usd("1.00"))),)),
            Layer("order", (Promotion("whole", OrderAmount(_usd("15.00"))),)),
        ),
    ),
)
"""The same goods, both discounts from promotions of the shop."""


GIVEN = Priced(
    Cart(
        "USD",
        tuple(
            [
                CartLine(
                    line.sku,
                    line.quantity,
                    line.unit_price,
                    tax_category=line.tax_category,
                    tax_included=line.tax_included,
                    discounts=(AmountOff(_usd("1.00")),),
                )
                for line in _BARE.lines
            ]
        ),
        (AmountOff(_usd("15.00")),),
        _BARE.shipping,
    ),
    shop.POLICIES.pricing,
)
"""The same goods and discounts, brought by the cart: like functions, they have no conditions to look at."""


def floor_of(lines: list[floor.Line], shipping: floor.Carried) -> floor.Full:
    """The floor's figures of a cart with the usual order discount."""
    return floor.Full(*floor.price_in_full(lines, floor.DISCOUNT, shipping, 0))


# --- A campaign --------------------------------------------------------------------------------

_CATEGORIES = ("shoes", "shirts", "books", "toys", "garden")
_BRANDS = ("Alder", "Birch", "Cedar")


def _in(*categories: str) -> Scope:
    return Scope(categories=categories)


def _prices(first: int, step: int, factor: float, units: int = 1) -> tuple[SkuPrice, ...]:
    """Special prices for every ``step``-th article."""
    return tuple(
        SkuPrice(f"SKU-{i}", _usd(f"{_list_price(i) * factor / 100:.2f}"), units)
        for i in range(first, SMALL, step)
    )


def _list_price(i: int) -> int:
    return 700 + 37 * (i % SMALL)


def _percent(text: str) -> Percent:
    return Percent.of(text)


LAYERS = (
    Layer(
        "prices",
        (
            Promotion("flash", SpecialPrice(_prices(0, 5, 0.8)), group="price"),
            Promotion(
                "members", SpecialPrice(_prices(1, 4, 0.9), PriceKind.MEMBER), group="member",
                when=Conditions(groups=("member",)),
            ),
            Promotion("tiers", SpecialPrice(_prices(2, 5, 0.85, 3), PriceKind.TIER)),
        ),
    ),
    Layer(
        "lines",
        (
            Promotion("shoes", LinePercent(_percent("10")), scope=_in("shoes")),
            Promotion("shirts", LinePercent(_percent("7.5")), scope=_in("shirts")),
            Promotion("books", LinePercent(_percent("5")), scope=_in("books")),
            Promotion("not-toys", LinePercent(_percent("2")), scope=Scope(except_categories=("toys",))),
            Promotion("birch", LineAmount(_usd("0.30"), Per.UNIT), scope=Scope(brands=("Birch",))),
            Promotion("cedar", LineAmount(_usd("1.00")), scope=Scope(brands=("Cedar",))),
        ),
    ),
    Layer(
        "sets",
        (
            Promotion("2+1", BuyGet(2, 1), scope=_in("toys")),
            Promotion("3+1", BuyGet(3, 1, _percent("50")), scope=_in("garden")),
            Promotion("any-3", SetTotal(_usd("20.00"), 3), scope=_in("books")),
        ),
    ),
    Layer(
        "best",
        (
            Promotion("every-200", EveryOff(_usd("200.00"), _usd("20.00"))),
            Promotion("steps", Steps((
                Step(_usd("100.00"), percent=_percent("2")), Step(_usd("300.00"), percent=_percent("4")),
            ))),
        ),
        Choose.BEST,
    ),
    Layer(
        "order",
        (
            Promotion("capped", OrderPercent(_percent("5"), _usd("50.00"))),
            Promotion("no-books", OrderPercent(_percent("1")), scope=Scope(except_categories=("books",))),
            Promotion("first", OrderAmount(_usd("5.00")), when=Conditions(first_order=True)),
        ),
    ),
    Layer(
        "codes",
        (
            Promotion(
                "welcome", OrderAmount(_usd("25.00")), coupon=CouponTerms(),
                when=Conditions(at_least=_usd("250.00")),
            ),
            Promotion("unused", LinePercent(_percent("30")), coupon=CouponTerms()),
        ),
    ),
    Layer("shipping", (Promotion("free", ShippingOff(), when=Conditions(at_least=_usd("99.00"))),)),
)  # fmt: skip
"""Twenty promotions, as a shop may have them in a busy week."""
CAMPAIGN = PricingPolicy(tax=shop.POLICIES.pricing.tax, layers=LAYERS)
FACTS = PricingFacts(coupons=(Coupon("HELLO-25", "welcome"),))
_RATES = ("2000", "825", "0")


def campaign(lines: int, times: int = 1) -> Priced:
    """A cart of ``lines`` lines in the campaign, with ``times`` the units; 50 articles come round again,
    so that every promotion reaches the same share of the lines."""
    made = tuple([
        CartLine(
            f"SKU-{i % SMALL}", (1 + i % 4) * times, _usd(f"{_list_price(i) / 100:.2f}"),
            tax_category=_RATES[i % len(_RATES)], tax_included=True,
            category=_CATEGORIES[i % len(_CATEGORIES)], brand=_BRANDS[i % len(_BRANDS)],
        )
        for i in range(lines)
    ])  # fmt: skip
    bought = Cart(
        "USD", made, shipping=MIXED.cart.shipping, codes=("HELLO-25",),
        shopper=Shopper(groups=("member",), first_order=True),
    )  # fmt: skip
    return Priced(bought, CAMPAIGN, FACTS)


# --- Figures -----------------------------------------------------------------------------------


def measure(*, quick: bool) -> Report:
    """Beside the floor, by lines and quantities with promotions on, and what an explanation costs."""
    report = _beside_floor(9 if quick else 31)
    report.add(_growing(5 if quick else 15))
    report.add(_explaining(5 if quick else 11))
    return report


def _us(found: Timings, case: str) -> str:
    return f"{found.us(case):.1f} us"


def _beside_floor(rounds: int) -> Report:
    mixed = floor.CART
    found = take_turns(
        {
            "included": repeated(INCLUDED.quote, 200),
            "full included": repeated(
                lambda: floor.price_in_full(INCLUDED_LINES, floor.DISCOUNT, _PARCEL, 0), 1_500
            ),
            "mixed": repeated(MIXED.quote, 200),
            "full mixed": repeated(
                lambda: floor.price_in_full(mixed, floor.DISCOUNT, _FREE, 0), 1_500
            ),
            "price": repeated(
                lambda: floor.price(mixed, floor.DISCOUNT, floor.SHIPPING), 2_000
            ),
            "promoted": repeated(PROMOTED.quote, 150),
            "plain": repeated(PLAIN.quote, 200),
        },
        rounds,
    )  # fmt: skip
    carts = (("included", "tax included"), ("mixed", "the whole way's cart"))
    bars = [
        Bar(
            f"quote of 5 lines, {title} / the floor's price in full", Side.AT_MOST, FLOOR_LIMIT,
            found.ratio(name, f"full {name}"), " x", _us(found, name), _us(found, f"full {name}"),
        )
        for name, title in carts
    ]  # fmt: skip
    rows = [
        ("quote, tax included", found.us("included"), found.ratio("included", "full included")),
        ("floor's price in full, tax included", found.us("full included"), 1.0),
        ("quote, the whole way's cart", found.us("mixed"), found.ratio("mixed", "full mixed")),
        ("floor's price in full, the whole way's cart", found.us("full mixed"), 1.0),
        ("floor's price stage of the whole way", found.us("price"), found.ratio("price", "full mixed")),
        ("quote, both discounts from promotions", found.us("promoted"), ""),
        ("quote, no discount", found.us("plain"), ""),
    ]  # fmt: skip
    heads = ("5 lines, shipping", "us", "x the floor in full")
    return Report(bars, [Table("A price, beside the floor", heads, rows)])


_GROWTH = (5, SMALL, 200, LARGE)


def _growing(rounds: int) -> Report:
    cases: dict[str, Case] = {
        f"{n}": repeated(campaign(n).quote, max(2, 1_000 // n)) for n in _GROWTH
    }
    cases["units"] = repeated(campaign(SMALL, 1_000).quote, 1_000 // SMALL)
    found = take_turns(cases, rounds)
    small, large = f"{SMALL}", f"{LARGE}"
    per_line = found.ratio(large, small) * SMALL / LARGE
    times = f"{found.us(large) / LARGE:.2f} us", f"{found.us(small) / SMALL:.2f} us"
    bars = [
        Bar(
            f"quote, 20 promotions: a line of {LARGE:,} / a line of {SMALL}", Side.AT_MOST, LINEAR,
            per_line, " x", *times,
        ),
        Bar(
            f"quote, 20 promotions, {SMALL} lines: 1,000 x the units / 1 x", Side.AT_MOST, FLAT,
            found.ratio("units", small), " x", _us(found, "units"), _us(found, small),
        ),
    ]  # fmt: skip
    rows = [(n, found.us(f"{n}"), found.us(f"{n}") / n) for n in _GROWTH]
    heads = ("lines", "quote us", "us/line")
    return Report(bars, [Table("A price with 20 promotions and a coupon", heads, rows)])


def calls_of_explain(act: Callable[[], object]) -> int:
    """How often ``act`` enters the code that explains."""
    calls = 0
    mark = f"pricing{os.sep}explain"

    def watch(frame: FrameType, event: str, _found: object) -> None:
        nonlocal calls
        calls += event == "call" and mark in frame.f_code.co_filename

    before = sys.getprofile()
    sys.setprofile(watch)
    try:
        act()
    finally:
        sys.setprofile(before)
    return calls


def _explaining(rounds: int) -> Report:
    many = campaign(LARGE)
    quotes = {"5": MIXED.quote(), f"{LARGE:,}": many.quote()}
    found = take_turns(
        {
            "quote 5": repeated(MIXED.quote, 200),
            "explain 5": repeated(lambda: explain(quotes["5"]), 30),
            f"quote {LARGE:,}": repeated(many.quote, 2),
            f"explain {LARGE:,}": repeated(lambda: explain(quotes[f"{LARGE:,}"]), 1),
        },
        rounds,
    )
    rows = []
    bars = []
    for name, priced in (("5", MIXED), (f"{LARGE:,}", many)):
        calls = calls_of_explain(priced.quote)
        told = f"called {calls} x" if calls else "not called"
        ours, why = f"quote {name}", f"explain {name}"
        title = f"quote of {name} lines: calls of explain"
        each = _us(found, f"quote {name}"), f"{_us(found, f'explain {name}')} on demand"
        bars.append(Bar(title, Side.AT_MOST, 0, calls, "", *each))
        rows.append((f"{name} lines", found.us(ours), told, found.us(why), found.ratio(why, ours)))
    heads = ("", "quote us", "explain within", "explain afterwards us", "x quote")
    return Report(bars, [Table("An explanation, on demand", heads, rows)])


# --- Peers -------------------------------------------------------------------------------------


class _Beside(NamedTuple):
    """One comparison: a calculator's case and ours on the same cart."""

    title: str
    peer: str
    case: str
    times: int
    ours: Priced
    bar: bool = True
    """Whether it is held to: the carts with a line and an order discount are."""


COMPARED = (
    _Beside("Medusa's decorateCartTotals", "medusa", "totals", 200, MIXED),
    _Beside("Vendure's OrderCalculator, 2 promotions", "vendure", "promoted", 400, GIVEN),
    _Beside("Vendure's OrderCalculator, 2 functions", "vendure", "bare", 500, GIVEN),
    _Beside(
        "the same 2 promotions, ours as promotions too",
        "vendure",
        "promoted",
        400,
        PROMOTED,
        bar=False,
    ),
    _Beside("Vendure's OrderCalculator, no discount", "vendure", "plain", 2_000, PLAIN, bar=False),
)


def peer_cart() -> dict[str, Any]:
    """The cart of the whole way, as the peers' scripts take it."""
    full = floor_of(floor.CART, _FREE)
    lines = [
        [units, price, off, row[4], rate / 100, inside]
        for (_, units, price, off, rate, inside), row in zip(floor.CART, full.rows, strict=True)
    ]
    shipping = floor.SHIPPING
    return {"lines": lines, "shipping": shipping, "off_line": OFF_LINE, "off_order": OFF_ORDER}


class _Peers:
    """The peers that run, and why the others do not; ends their processes."""

    def __init__(self, *, fetch: bool) -> None:
        self.running: dict[str, Peer] = {}
        self.absent: dict[str, str] = {}
        names = dict.fromkeys([beside.peer for beside in COMPARED])
        try:
            folder = install(fetch=fetch)
        except Absent as why:
            self.absent = dict.fromkeys(names, str(why))
            return
        for name in names:
            try:
                self.running[name] = Peer(name, peer_cart(), folder)
            except Absent as why:
                self.absent[name] = str(why)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for peer in self.running.values():
            peer.close()


def beside_peers(*, quick: bool) -> Report:
    """The calculators of Medusa and Vendure on node, in turns with `quote` on the same carts."""
    with _Peers(fetch=not quick) as peers:
        cases: dict[str, Case] = {}
        for title, peer, case, times, ours, _ in COMPARED:
            if peer in peers.running:
                cases[f"their {title}"] = peers.running[peer].case(case, times)
                cases[f"our {title}"] = repeated(ours.quote, 200)
        found = take_turns(cases, 5 if quick else 15) if cases else None
        report = Report()
        rows = []
        for beside in COMPARED:
            why = peers.absent.get(beside.peer, "")
            running = peers.running.get(beside.peer)
            bar, row = _compared(beside, found, running, why)
            if beside.bar:
                report.bars.append(bar)
            rows.append(row)
    heads = ("calculator", "version", "its us", "our us", "ours / its", "its total", "our total")
    note = "They run on node, in the same rounds; building the cart is in no figure."
    report.tables.append(Table("A price, beside shop systems on node", heads, rows, note))
    return report


def _compared(
    beside: _Beside, found: Timings | None, peer: Peer | None, why: str
) -> tuple[Bar, tuple[Any, ...]]:
    theirs, ours = f"their {beside.title}", f"our {beside.title}"
    name = f"quote of 5 lines / {beside.title}"
    figure = None
    if found is not None and peer is not None:
        ratio = found.ratio(ours, theirs)
        if isnan(ratio):
            why = "it stopped answering"
        else:
            figure = ratio
    if figure is None or found is None or peer is None:
        row: tuple[Any, ...] = (beside.title, why, "", "", "", "", "")
        return Bar(name, Side.AT_MOST, PEER_LIMIT, None, " x", "", why), row
    total = f"{beside.ours.quote().total / 100:.2f}"
    theirs_total = f"{peer.figures[beside.case]['total']:.4f}"
    row = (
        beside.title, f"{peer.version}, node {peer.node}", f"{found.us(theirs):.1f}",
        f"{found.us(ours):.1f}", f"{figure:.2f}", theirs_total, total,
    )  # fmt: skip
    return Bar(
        name, Side.AT_MOST, PEER_LIMIT, figure, " x", _us(found, ours), _us(found, theirs)
    ), row  # fmt: skip
