"""Policies: one document, read with clear refusals, and written back without loss."""

from __future__ import annotations

import json
import re
import tomllib
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ordercore.allocation import RemainderRule
from ordercore.cli.online_retail import Region, vat_percent
from ordercore.errors import InvalidCart, InvalidDocument, InvalidPolicy
from ordercore.fulfillment import StockPolicy
from ordercore.fulfillment.split_rule import (
    CutAbove,
    FloorOf,
    KeepApart,
    KeepTogether,
    KeepWhole,
    Measure,
    SplitBy,
    SplitPolicy,
)
from ordercore.identity import NumberTemplate
from ordercore.ledger import CommissionRule, PostingPolicy, SettlementPolicy
from ordercore.money import MINOR_MAX, Percent, Rounding, from_minor, money
from ordercore.order.merge import MergeCell, MergeMatrix, MergePolicy, MergeRule
from ordercore.party import Destination
from ordercore.policy import _ROOT, BYTES_MAX, Policies, Preset, known_keys
from ordercore.policy.kinds import Many, OneOf, Table
from ordercore.pricing import (
    BorderPolicy,
    BuyGet,
    Choose,
    ComponentRounding,
    Conditions,
    CouponTerms,
    DiscountLevel,
    EveryOff,
    ExchangePolicy,
    Funder,
    HostRule,
    Layer,
    LineAmount,
    LinePercent,
    OffBase,
    OrderAmount,
    OrderKind,
    OrderPercent,
    Per,
    PriceBasis,
    PriceKind,
    PricingPolicy,
    Promotion,
    RegimeId,
    Registration,
    RoundedFigure,
    RoundingScope,
    Scope,
    SetTotal,
    ShippingOff,
    ShippingTax,
    ShippingTo,
    SkuPrice,
    SpecialPrice,
    Spread,
    Step,
    Steps,
    Tariff,
    TaxPolicy,
    TaxRate,
    TaxTreatment,
    Terms,
)
from ordercore.pricing.duty import ConsumptionTax, DutyRate
from ordercore.tender import (
    CapBase,
    CaptureMoment,
    ChannelChoice,
    ChannelPolicy,
    ChannelRule,
    LateMoney,
    Overpaid,
    PaymentPolicy,
    PointsRate,
    RefundSplit,
    StrandedRefund,
    TenderEffect,
    TenderPolicy,
    TenderRule,
)
from ordercore.timeout import PaymentWindow, TimeoutPolicy

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples" / "policies"
PAGE = ROOT / "docs" / "reference" / "policies.md"


def refused(text: str, source: str = "shop.toml") -> InvalidPolicy:
    """The refusal of a document."""
    with pytest.raises(InvalidPolicy) as caught:
        Policies.parse(text, source)
    return caught.value


# Any policies that hold ----------------------------------------------------------------------

LINES = st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=12)
NAMES = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=12)
PERCENTS = st.integers(0, 100_000_000).map(Percent)
CAPS = st.integers(0, 1_000_000).map(Percent)
AMOUNTS = st.integers(0, MINOR_MAX)
SPANS = st.timedeltas(timedelta(microseconds=1), timedelta(days=300))
LEADS = st.timedeltas(timedelta(0), timedelta(days=3_660))
ROUNDINGS = st.sampled_from(Rounding)


COUNTRIES = st.sampled_from(["CN", "DE", "GB", "NO", "US"])


def chains(draw: st.DrawFn, first: date | None) -> list[tuple[Any, date | None]]:
    """First and last days that follow one another without a gap and without end."""
    cuts = sorted(draw(st.sets(st.dates(date(2, 1, 2), date(9999, 12, 30)), max_size=2)))
    firsts = [first, *cuts]
    lasts = [*[cut - timedelta(days=1) for cut in cuts], None]
    return list(zip(firsts, lasts, strict=True))


@st.composite
def tax_rates(draw: st.DrawFn) -> tuple[TaxRate, ...]:
    """Rates that do not overlap: each place and category has a chain of days, open at its ends."""
    places = st.just(("", "", "")) | st.tuples(st.sampled_from(["GB", "DE"]), LINES, LINES)
    keys = st.tuples(places, NAMES, LINES)
    rates = []
    for place, category, component in draw(st.lists(keys, max_size=3, unique=True)):
        country, region, postcode = place
        for first, last in chains(draw, None):
            treatment = draw(st.sampled_from(TaxTreatment))
            taxed = treatment is TaxTreatment.STANDARD
            rates.append(
                TaxRate(
                    draw(PERCENTS) if taxed else Percent(0),
                    category,
                    country,
                    region,
                    first,
                    last,
                    draw(LINES),
                    draw(LINES),
                    component,
                    draw(st.booleans()),
                    postcode,
                    treatment,
                )
            )
    return tuple(rates)


@st.composite
def tax_policies(draw: st.DrawFn) -> TaxPolicy:
    """Tax policies; those with a union or net prices have a home."""
    home = draw(st.none() | st.builds(Destination, COUNTRIES, LINES, LINES))
    return TaxPolicy(
        draw(tax_rates()),
        draw(st.booleans()),
        draw(ROUNDINGS),
        draw(st.sampled_from(RoundingScope)),
        draw(st.none() | PERCENTS),
        draw(st.sampled_from(RoundedFigure)),
        draw(st.sampled_from(ComponentRounding)),
        draw(st.sampled_from(ShippingTax)),
        home,
        draw(st.sampled_from(PriceBasis)) if home else PriceBasis.GROSS_FIXED,
        tuple(draw(st.lists(COUNTRIES, max_size=2))) if home else (),
    )


def benefits(amounts: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """A benefit of any kind but the host's own, its amounts in one currency."""
    counts = st.integers(1, 10**9)
    times = st.integers(0, 10**9)
    above = amounts.filter(lambda amount: amount.amount > 0)
    by_sku = st.tuples(NAMES, counts)
    step = st.builds(lambda amount: {"amount": amount}, amounts)
    step |= st.builds(lambda percent: {"percent": percent}, CAPS)
    return st.one_of(
        st.dictionaries(by_sku, amounts, min_size=1, max_size=3).flatmap(
            lambda prices: st.builds(
                SpecialPrice,
                st.just(tuple(SkuPrice(sku, p, units) for (sku, units), p in prices.items())),
                st.sampled_from(PriceKind),
            )
        ),
        st.builds(LinePercent, CAPS, st.sampled_from(OffBase), st.none() | amounts),
        st.builds(LineAmount, amounts, st.sampled_from(Per)),
        st.builds(BuyGet, counts, counts, CAPS, times),
        st.builds(EveryOff, above, amounts, times),
        st.lists(st.tuples(amounts, step), min_size=1, max_size=3, unique_by=lambda s: s[0]).map(
            lambda steps: Steps(
                tuple(Step(least, **what) for least, what in sorted(steps, key=lambda s: s[0]))
            )
        ),
        st.builds(OrderPercent, CAPS, st.none() | amounts),
        st.builds(OrderAmount, amounts),
        st.builds(SetTotal, amounts, times),
        st.builds(ShippingOff, CAPS, st.none() | amounts),
        st.builds(ShippingTo, amounts),
    )


MOMENTS = st.datetimes(
    datetime(2, 1, 1),  # noqa: DTZ001 - Hypothesis adds the zone
    datetime(9998, 1, 1),  # noqa: DTZ001
    timezones=st.sampled_from([UTC, timezone(timedelta(hours=8)), timezone(-timedelta(hours=9))]),
)
LISTS = st.lists(LINES, max_size=2).map(tuple)


@st.composite
def promotions(draw: st.DrawFn, name: str) -> Promotion:
    """A promotion that is sound, with all that it may have."""
    currency = draw(st.sampled_from(["CNY", "JPY", "KWD"]))
    amounts = AMOUNTS.map(lambda minor: from_minor(minor, currency))
    window = sorted(draw(st.sets(MOMENTS, min_size=2, max_size=2)))
    when = Conditions(
        tuple(draw(st.lists(st.sampled_from(OrderKind), max_size=2))),
        draw(LISTS),
        draw(LISTS),
        tuple(draw(st.lists(COUNTRIES | st.just(""), max_size=2))),
        draw(LISTS),
        draw(st.booleans()),
        draw(st.sampled_from([None, window[0]])),
        draw(st.sampled_from([None, window[1]])),
        draw(st.none() | amounts),
        draw(st.integers(0, 10**9)),
    )
    limits = st.none() | st.integers(1, 10**9)
    return Promotion(
        name,
        draw(benefits(amounts)),
        draw(LINES),
        draw(st.builds(Scope, *[LISTS] * 6, st.booleans(), st.booleans())),
        when,
        draw(st.integers(-(10**9), 10**9)),
        draw(LINES),
        draw(st.sampled_from(Funder)),
        draw(st.sampled_from(Spread)),
        draw(st.none() | st.builds(CouponTerms, limits, limits)),
    )


@st.composite
def layers(draw: st.DrawFn) -> tuple[Layer, ...]:
    """Layers with names and promotions of their own."""
    made = []
    for name in draw(st.lists(NAMES, max_size=2, unique=True)):
        ids = [f"{name}-{i}" for i in range(draw(st.integers(0, 2)))]
        choose = draw(st.sampled_from(Choose))
        made.append(Layer(name, tuple(draw(promotions(i)) for i in ids), choose))
    return tuple(made)


@st.composite
def borders(draw: st.DrawFn) -> BorderPolicy:
    """A border with a tariff: each code has a chain of days."""
    codes = st.from_regex(r"[0-9]{0,12}", fullmatch=True)
    keys = draw(st.lists(st.tuples(codes, COUNTRIES), max_size=2, unique=True))
    origins = draw(st.sampled_from(["", "CN"]))
    sources = NAMES.filter(str.strip)
    duties, taxes = [], []
    for hs, place in keys:
        for first, last in chains(draw, date(2, 1, 1)):
            name, added = draw(NAMES), draw(st.booleans())
            duties.append(
                DutyRate(hs, draw(CAPS), place, first, draw(sources), origins, last, name, added)
            )
            below = Percent(draw(st.integers(0, 999_999)))
            taxes.append(ConsumptionTax(hs, below, place, first, draw(sources), last, name))
    registered = [Registration(RegimeId.NO_VOEC, "VOEC1"), Registration(RegimeId.UK_LOW_VALUE, "1")]
    return BorderPolicy(
        draw(COUNTRIES),
        tuple(draw(st.lists(st.sampled_from(registered), unique_by=lambda r: r.regime))),
        draw(st.sampled_from(Terms)),
        Tariff(tuple(duties)),
        draw(st.booleans()),
        tuple(taxes),
        draw(st.booleans()),
    )


RATES = st.builds(PointsRate, st.integers(1, MINOR_MAX), st.integers(1, MINOR_MAX))
RULES = st.builds(
    TenderRule,
    NAMES,
    st.none() | RATES,
    st.integers(1, MINOR_MAX),
    st.none() | CAPS,
    st.sampled_from(CapBase),
    st.none() | AMOUNTS,
    AMOUNTS,
    st.lists(NAMES, max_size=3).map(tuple),
    st.booleans(),
    st.sampled_from(["", "EUR", "JPY"]),
    st.lists(NAMES, max_size=3).map(tuple),
    AMOUNTS,
    st.lists(NAMES, max_size=2).map(tuple),
    st.booleans(),
    st.sampled_from(TenderEffect),
    st.booleans(),
    st.none() | st.integers(1, MINOR_MAX),
).filter(lambda rule: rule.gateway not in rule.not_with)
PAYMENTS = st.builds(
    PaymentPolicy,
    late=st.sampled_from(LateMoney),
    overpaid=st.sampled_from(Overpaid),
    refund_split=st.sampled_from(RefundSplit),
    stranded=st.sampled_from(StrandedRefund),
    balance=NAMES,
    replay_window=SPANS,
    forfeit_cap=CAPS,
    forfeited_tax=st.none() | PERCENTS,
    double_earnest=st.booleans(),
)
CHANNEL_RULES = st.builds(
    ChannelRule,
    NAMES,
    LINES,
    st.booleans(),
    st.lists(st.sampled_from(["EUR", "JPY"]), max_size=2).map(tuple),
    st.lists(COUNTRIES, max_size=2).map(tuple),
    st.lists(st.sampled_from(OrderKind), max_size=2).map(tuple),
    st.integers(0, 1_000),
    st.none() | st.integers(1_000, MINOR_MAX),
    st.integers(0, 10**6),
    st.none() | CAPS,
    AMOUNTS,
    st.sampled_from(CaptureMoment),
    st.integers(0, 10**9),
)
CHANNELS = st.builds(
    ChannelPolicy,
    st.lists(CHANNEL_RULES, max_size=3, unique_by=lambda rule: rule.gateway).map(tuple),
    st.sampled_from(ChannelChoice),
    st.integers(0, 10),
    st.integers(0, 10**9),
    st.just(timedelta(0)) | SPANS,
    st.integers(1, 10**9),
)
FUNDS = st.builds(
    SettlementPolicy,
    commissions=st.lists(
        st.builds(CommissionRule, LINES, LINES, st.none() | CAPS, AMOUNTS), max_size=2
    ).map(tuple),
    merchants_pay_tax=st.booleans(),
)
LANDS = st.lists(st.sampled_from(["DE", "US"]), max_size=2, unique=True).map(tuple)
WORDS = st.lists(NAMES, min_size=1, max_size=2, unique=True).map(tuple)
RANKS = st.integers(-(10**9), 10**9)
BOUNDS = st.integers(1, 10**9)
SPLIT_RULES: st.SearchStrategy[list[Any]] = st.tuples(
    st.builds(
        KeepApart, st.just("a"), st.sampled_from(sorted(set(SplitBy) - {SplitBy.ATTRIBUTE}, key=str)),
        values=WORDS, as_one=st.booleans(), countries=LANDS, priority=RANKS,
    ),
    st.builds(KeepApart, st.just("b"), st.just(SplitBy.ATTRIBUTE), NAMES),
    st.builds(KeepTogether, st.just("c"), WORDS, WORDS, NAMES, WORDS, st.booleans(), LANDS, RANKS),
    st.builds(
        KeepWhole, st.just("d"), st.just(Measure.AMOUNT), BOUNDS, st.sampled_from(FloorOf),
        st.sampled_from(["", "EUR"]), LANDS, RANKS,
    ),
    st.builds(CutAbove, st.just("e"), st.sampled_from(Measure), BOUNDS, st.just(""), LANDS, RANKS),
).flatmap(st.permutations)  # fmt: skip
SPLITTING = SPLIT_RULES.flatmap(
    lambda rules: st.integers(0, 5).map(lambda count: SplitPolicy(tuple(rules[:count])))
)


@st.composite
def merge_tables(draw: st.DrawFn) -> MergeMatrix:
    """A square table of any cells."""
    states = tuple(draw(st.lists(NAMES, min_size=1, max_size=4, unique=True)))
    row = st.tuples(*[st.sampled_from(MergeCell) for _ in states])
    return MergeMatrix(
        states, draw(st.tuples(*[row for _ in states])), draw(st.integers(0, len(states)))
    )


MERGING = st.builds(
    MergePolicy,
    st.dictionaries(NAMES, merge_tables(), max_size=2),
    st.lists(st.sampled_from([MergeRule.ADDRESS, MergeRule.TICKET]), unique=True).map(tuple),
    st.none() | SPANS,
)
WINDOWS = st.builds(PaymentWindow, SPANS, LEADS)
PARTS = st.text(st.characters(exclude_categories=["Cc", "Cs"], exclude_characters="{}"), max_size=9)


@st.composite
def policies(draw: st.DrawFn) -> Policies:
    """Policies that pass their check; every field of every room varies."""
    rules = draw(st.lists(RULES, max_size=4, unique_by=lambda r: (r.gateway, r.currency)))
    timeouts = draw(
        st.builds(
            TimeoutPolicy,
            WINDOWS,
            st.dictionaries(st.sampled_from(OrderKind), WINDOWS),
            SPANS,
            SPANS,
            st.lists(SPANS, min_size=1, max_size=4).map(tuple),
            SPANS,
        )
    )
    least = sum(timeouts.backoff, timeouts.resolve_after)
    sequence = draw(st.sampled_from(["{seq}", "{seq:06}", "{date}-{seq:3}", "{shop}/{seq}"]))
    currencies = st.sampled_from(["", "EUR", "JPY"])
    exchange = st.builds(ExchangePolicy, currencies, currencies, SPANS, ROUNDINGS)
    pricing = st.builds(
        PricingPolicy,
        tax_policies(),
        ROUNDINGS,
        SPANS,
        st.sampled_from(RemainderRule),
        layers(),
        exchange,
        st.none() | borders(),
        st.none()
        | st.sampled_from(
            [r.rate or PointsRate() for r in rules if r.gateway == "points"] or [PointsRate()]
        ),
    )
    return Policies(
        draw(pricing),
        TenderPolicy(tuple(rules)),
        timeouts,
        PostingPolicy(draw(st.lists(NAMES, min_size=1, max_size=3).map(tuple))),
        StockPolicy(least + draw(SPANS)),
        NumberTemplate(f"{draw(PARTS)}-{sequence}-{draw(PARTS)}"),
        payments=draw(PAYMENTS),
        channels=draw(CHANNELS),
        funds=draw(FUNDS),
        splitting=draw(SPLITTING),
        merging=draw(MERGING) if draw(st.booleans()) else MergePolicy(),
    )


def test_points_are_priced_as_they_are_paid() -> None:
    """A price that counts 100 points for 1.00 beside a tender that takes 200 for it is at odds."""
    rules = (TenderRule("points", rate=PointsRate(200, 100)),)
    pricing = PricingPolicy(points_worth=PointsRate(100, 100))
    with pytest.raises(InvalidPolicy) as caught:
        Policies(pricing, TenderPolicy(rules)).check_points()
    assert caught.value.path == "pricing.points_worth"
    Policies(pricing, TenderPolicy((*rules, TenderRule("points", currency="EUR")))).check_points()
    Policies(pricing).check_points()


@given(policies())
@example(Policies())
@example(Policies(pricing=PricingPolicy(TaxPolicy(default=None))))
@example(Policies(tenders=TenderPolicy(()), timeouts=TimeoutPolicy(windows={})))
def test_l23_a_document_round_trips(given_policies: Policies) -> None:
    """Policies written as TOML are read back equal, and writing them again gives the same text."""
    text = given_policies.dump()
    again = Policies.parse(text)
    assert again == given_policies
    assert again.dump() == text


@given(policies())
def test_l23_plain_data_round_trips_through_json(given_policies: Policies) -> None:
    """Policies as plain data pass through JSON unchanged."""
    plain = json.loads(json.dumps(given_policies.to_plain()))
    assert Policies.from_plain(plain) == given_policies


# Presets and defaults ------------------------------------------------------------------------


def test_an_empty_document_is_the_preset() -> None:
    """No document, an empty one and the preset by name or enum are the same, and pass the check."""
    assert Policies.parse("") == Policies() == Policies.preset() == Policies.preset("default")
    assert Policies.preset(Preset.DEFAULT) == Policies()
    Policies().check()


def test_an_unknown_preset_names_the_known_ones() -> None:
    """A wrong name of a preset is refused with the names that are known."""
    with pytest.raises(InvalidPolicy) as caught:
        Policies.preset("defualt")
    known = tuple(preset.value for preset in Preset)
    assert caught.value.data == {"allowed": known, "nearest": "default"}


def test_rates_without_a_default_refuse_what_they_do_not_cover() -> None:
    """A document with rates and no default has none; without rates the default is zero."""
    assert Policies.parse("").pricing.tax.default == Percent(0)
    some = '[[pricing.tax.rates]]\npercent = "5"\ncountry = "DE"\n'
    assert Policies.parse(some).pricing.tax.default is None
    with pytest.raises(InvalidCart):
        Policies.parse(some).pricing.tax.rate("standard", Destination("FR"), date(2026, 1, 1))
    assert Policies.parse('[pricing.tax]\ndefault = "3"\n' + some).pricing.tax.default == Percent(
        30_000
    )
    assert Policies.parse('[pricing.tax]\ndefault = "refuse"').pricing.tax.default is None


def test_given_windows_replace_the_default_ones() -> None:
    """Windows by kind that are given stand alone, and an empty table leaves none."""
    text = '[timeouts.windows.group_buy]\npay_within = "2 days"\n'
    windows = Policies.parse(text).timeouts.windows
    assert windows == {OrderKind.GROUP_BUY: PaymentWindow(timedelta(days=2))}
    assert Policies.parse("[timeouts.windows]").timeouts.windows == {}


# Values --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("30 min", timedelta(minutes=30)),
        ("5 s", timedelta(seconds=5)),
        ("7 days", timedelta(days=7)),
        ("24 h", timedelta(hours=24)),
        ("1 day", timedelta(days=1)),
        ("90min", timedelta(minutes=90)),
        ("  1 h   30 min ", timedelta(minutes=90)),
        ("2 weeks", timedelta(days=14)),
        ("1 ms 5 us", timedelta(microseconds=1_005)),
        ("3660 days", timedelta(days=3_660)),
    ],
)
def test_a_duration_is_text_with_units(text: str, span: timedelta) -> None:
    """Whole numbers with units add up to a duration."""
    assert Policies.parse(f'[pricing]\nquote_valid = "{text}"').pricing.quote_valid == span


@pytest.mark.parametrize(
    "written",
    [
        '"30"',
        '"min"',
        '""',
        '"1.5 h"',
        '"-5 min"',
        '"0 s"',
        '"5 fortnights"',
        '"1 month"',
        '"30 min later"',
        '"999999999999999 days"',
        '"٣ min"',
        '"' + "1 s " * 400 + '"',
        "30",
        "1.5",
        "true",
        "12:30:00",
        "[]",
    ],
)
def test_what_is_no_duration_is_refused(written: str) -> None:
    """A duration without its unit, below nothing, beyond ten years or no text is refused."""
    error = refused(f"[pricing]\nquote_valid = {written}")
    assert error.path == "pricing.quote_valid"


@pytest.mark.parametrize(
    ("text", "ppm"), [("17.5", 175_000), ("17.5%", 175_000), (" 8.25 % ", 82_500), ("0", 0)]
)
def test_a_percentage_is_text(text: str, ppm: int) -> None:
    """A percentage may carry its sign and spaces."""
    document = f'[pricing.tax]\ndefault = "{text}"'
    assert Policies.parse(document).pricing.tax.default == Percent(ppm)


@pytest.mark.parametrize(
    "written",
    ['"1e2"', '"0.00001"', '"-1"', '"nan"', '"10001"', '"17,5"', '"1e-999999999"', "nan", "true"],
)
def test_what_is_no_exact_percentage_is_refused(written: str) -> None:
    """Exponents, a fifth decimal, negatives and what is not text are refused, never rounded."""
    assert refused(f"[pricing.tax]\ndefault = {written}").path == "pricing.tax.default"


# Refusals ------------------------------------------------------------------------------------


def merge_table(rest: str, states: str = "['a', 'b']") -> str:
    """A table for merging orders of the lifecycle x."""
    return f"[[merging.matrices]]\nlifecycle = 'x'\nstates = {states}\n{rest}\n"


CASES: dict[str, tuple[str, str, str]] = {
    "a float percentage": (
        '[pricing.tax]\nrates = [{percent = "5"}, {percent = 17.5}]',
        "pricing.tax.rates[1].percent",
        'write percent = "17.5"',
    ),
    "a bare duration": (
        "[pricing]\nquote_valid = 15",
        "pricing.quote_valid",
        'quote_valid = "15 min"',
    ),
    "a float amount": (
        '[[tenders.rules]]\ngateway = "x"\ncap_minor = 12.34',
        "tenders.rules[0].cap_minor",
        "1234 for 12.34",
    ),
    "a table for a list": (
        '[pricing.tax.rates]\npercent = "5"',
        "pricing.tax.rates",
        "[[pricing.tax.rates]]",
    ),
    "a boolean for a number": (
        '[[tenders.rules]]\ngateway = "x"\nstep = true',
        "tenders.rules[0].step",
        "not a boolean",
    ),
    "a text for a boolean": (
        '[pricing.tax]\nprices_include_tax = "yes"',
        "pricing.tax.prices_include_tax",
        "true or false",
    ),
    "a text for a table": ('pricing = "cheap"', "pricing", "needs a table"),
    "a missing key": ("[[tenders.rules]]\nstep = 1", "tenders.rules[0].gateway", "missing"),
    "an empty name": ('[[tenders.rules]]\ngateway = ""', "tenders.rules[0].gateway", "not empty"),
    "a step of zero": (
        '[[tenders.rules]]\ngateway = "x"\nstep = 0',
        "tenders.rules[0].step",
        "from 1",
    ),
    "an amount too large": (
        f'[[tenders.rules]]\ngateway = "x"\nminimum_minor = {10**30}',
        "tenders.rules[0].minimum_minor",
        "from 0 to 1000000000000000",
    ),
    "a cap above all": (
        '[[tenders.rules]]\ngateway = "x"\ncap_share = "101"',
        "tenders.rules[0].cap_share",
        "100 %",
    ),
    "two rules for one gateway": (
        '[[tenders.rules]]\ngateway = "x"\n[[tenders.rules]]\ngateway = "x"',
        "tenders.rules[1]",
        "two rules",
    ),
    "a moment for a day": (
        '[[pricing.tax.rates]]\npercent = "5"\nfirst_day = 2011-01-04T00:00:00Z',
        "pricing.tax.rates[0].first_day",
        "2011-01-04",
    ),
    "a day that is not": (
        '[[pricing.tax.rates]]\npercent = "5"\nfirst_day = "2011-02-30"',
        "pricing.tax.rates[0].first_day",
        "calendar",
    ),
    "days in the wrong order": (
        '[[pricing.tax.rates]]\npercent = "5"\nfirst_day = 2011-01-04\nlast_day = 2011-01-03',
        "pricing.tax.rates[0]",
        "ends before it begins",
    ),
    "rates that overlap": (
        """[pricing.tax]
        rates = [{percent = "5", last_day = 2011-01-04}, {percent = "6", first_day = 2011-01-04}]
        """,
        "pricing.tax.rates[1]",
        "overlap",
    ),
    "a country in small letters": (
        '[[pricing.tax.rates]]\npercent = "5"\ncountry = "gb"',
        "pricing.tax.rates[0].country",
        "capital",
    ),
    "a control character": (
        '[[tenders.rules]]\ngateway = "a\\nb"',
        "tenders.rules[0].gateway",
        "control",
    ),
    "an unknown currency": (
        '[[tenders.rules]]\ngateway = "x"\ncurrency = "EURO"',
        "tenders.rules[0].currency",
        "did you mean 'EUR'?",
    ),
    "a number for a currency": (
        '[[tenders.rules]]\ngateway = "x"\ncurrency = 978',
        "tenders.rules[0].currency",
        "currency code",
    ),
    "a number for windows": ("[timeouts]\nwindows = 5", "timeouts.windows", "needs a table"),
    "an unknown letter": (
        merge_table("rows = ['YX', 'YY']"),
        "merging.matrices[0].rows[0]",
        "Y, S",
    ),
    "a short row": (
        merge_table("rows = ['YY', 'Y']"),
        "merging.matrices[0].rows[1]",
        "of 2 states",
    ),
    "too few rows": (merge_table("rows = ['YY']"), "merging.matrices[0].rows", "of 2 states"),
    "a table without rows": (merge_table(""), "merging.matrices[0].rows", "missing"),
    "a state twice": (
        merge_table("rows = ['YY', 'YY']", "['a', 'a']"),
        "merging.matrices[0].states",
        "once",
    ),
    "two tables for one lifecycle": (
        merge_table("rows = ['YY', '--']") * 2,
        "merging.matrices[1].lifecycle",
        "already",
    ),
    "more states for customers than there are": (
        merge_table("rows = ['YY', 'YY']\ncustomer = 3"),
        "merging.matrices.x.customer",
        "0 to 2",
    ),
    "a condition that cannot be waived": (
        "[merging]\nwaived = ['currency']",
        "merging.waived",
        "cannot be waived",
    ),
    "no window of merging": ("[merging]\nwindow = '0 h'", "merging.window", "more than nothing"),
    "no pause": ("[timeouts]\nbackoff = []", "timeouts.backoff", "1 to 100 entries"),
    "no state to book in": (
        "[posting]\nrecognize_in = []",
        "posting.recognize_in",
        "1 to 100 entries",
    ),
    "a template without a number": ('[numbers]\ntemplate = "A"', "numbers.template", "{seq}"),
    "a key with odd letters": ('[pricing]\n"a b" = 1', "pricing.'a b'", "unknown key"),
}


@pytest.mark.parametrize("case", CASES)
def test_a_wrong_value_is_refused_with_its_path(case: str) -> None:
    """The refusal says where, what is needed, and in which document."""
    text, path, words = CASES[case]
    error = refused(text)
    assert error.path == path
    assert words in error.reason
    assert error.data["source"] == "shop.toml"


@pytest.mark.parametrize(
    ("text", "path", "nearest", "allowed"),
    [
        ("[pricng]", "pricng", "pricing", None),
        ('[stock]\nreserve-slack = "9 h"', "stock.reserve-slack", "reserve_slack", None),
        (
            '[[pricing.tax.rates]]\npercnt = "5"',
            "pricing.tax.rates[0].percnt",
            "percent",
            None,
        ),
        (
            '[pricing.tax]\nscope = "orders"',
            "pricing.tax.scope",
            "order",
            ("unit", "line", "rate", "order", "none"),
        ),
        (
            "[timeouts.windows.flash-sale]",
            "timeouts.windows.flash-sale",
            "flash_sale",
            ("regular", "buy_now", "group_buy", "flash_sale", "points_redemption", "coupon"),
        ),
        ('[pricing]\nquote_valid = "5 mins"', "pricing.quote_valid", "min", None),
    ],
)
def test_an_unknown_word_is_refused_with_the_known_ones(
    text: str, path: str, nearest: str, allowed: tuple[str, ...] | None
) -> None:
    """A word that is not known is refused with those that are, and the nearest is offered."""
    error = refused(text)
    known = error.data["allowed"]
    assert error.path == path
    assert error.data["nearest"] == nearest
    assert f"did you mean {nearest!r}?" in error.reason
    assert isinstance(known, tuple)
    assert nearest in known
    assert allowed in {None, known}


def test_a_word_that_resembles_nothing_gets_no_guess() -> None:
    """Where no known word is near, the known ones are listed and none is offered."""
    error = refused('[pricing.tax]\nrounding = "xyz"')
    assert error.data["allowed"] == tuple(rounding.value for rounding in Rounding)
    assert "nearest" not in error.data


def test_the_first_fault_is_told() -> None:
    """Of two faults the one that stands first in the document is told."""
    assert refused("[stock]\nwrong = 1\n[pricing]\nalso = 1").path == "stock.wrong"


def test_goods_stay_reserved_until_a_payment_is_resolved() -> None:
    """A reservation shorter than the search for a lost answer is refused with the least that holds."""
    error = refused('[stock]\nreserve_slack = "14 h 36 min"')
    assert (error.path, error.data["least"]) == ("stock.reserve_slack", "14 h 37 min")
    Policies.parse('[stock]\nreserve_slack = "14 h 37 min"')
    longer = '[timeouts]\nbackoff = ["1 day"]\n'
    assert refused(longer).path == "stock.reserve_slack"
    Policies.parse(longer + '[stock]\nreserve_slack = "2 days"')


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        ("[pricing]\nquote_valid = ", 2, 15),
        ("[pricing]\nquote_valid = nothing", 2, 15),
        ("[pricing\n", 1, 9),
        ("[pricing]\na = 1\na = 2", 3, 6),
        ('[pricing]\nquote_valid = """', 2, 18),
        ("x = " + "9" * 5_000, 1, 5_005),
        ("pricing" + ".x" * 40 + " = 1", 1, 1),
    ],
)
def test_broken_toml_is_refused_with_its_place(text: str, line: int, column: int) -> None:
    """What is not TOML is refused with document, line and column."""
    error = refused(text)
    assert error.path == f"shop.toml:{line}:{column}"


@pytest.mark.parametrize(
    "text",
    [
        "x = " + "[" * 100_000,
        "x = " + "{a = " * 100_000,
        ".".join("a" * 400_000) + " = 1",
        "#" * (BYTES_MAX + 1),
    ],
    ids=["nested lists", "nested tables", "a dotted key", "too long"],
)
def test_a_hostile_document_is_refused_in_bounded_time(text: str) -> None:
    """Depth, dotted keys and length that would exhaust a parser are refused."""
    assert refused(text).path.startswith("shop.toml")


def test_a_document_in_bytes_is_refused() -> None:
    """A document is text: bytes belong to a file."""
    document: Any = b"[pricing]"
    assert refused(document).reason == "needs text, not a bytes"


def test_a_row_of_dots_in_a_comment_is_no_key() -> None:
    """A ruler of dots in a comment is let through."""
    assert Policies.parse("# " + "." * 80) == Policies()


TREES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=9)
    | st.dates()
    | st.timedeltas(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.text(max_size=5) | st.sampled_from(["pricing", "tax", "rates", "percent", "rules"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=8,
)


def places(tree: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The way to each value of plain data."""
    steps = tree.items() if isinstance(tree, dict) else enumerate(tree)
    found = []
    for step, inner in steps:
        found.append((*path, step))
        if isinstance(inner, dict | list):
            found += places(inner, (*path, step))
    return found


FULL = tomllib.loads((EXAMPLES / "shop.toml").read_text("utf-8"))


@given(st.sampled_from(places(FULL)), TREES)
def test_whatever_stands_at_a_key_the_errors_are_ours(place: tuple[Any, ...], tree: Any) -> None:
    """Any value in place of a right one is read, or refused by an error of the tree."""
    plain: Any = tomllib.loads((EXAMPLES / "shop.toml").read_text("utf-8"))
    inner = plain
    for step in place[:-1]:
        inner = inner[step]
    inner[place[-1]] = tree
    try:
        found = Policies.from_plain(plain)
    except InvalidPolicy as error:
        told = error.path
    else:
        told = found.dump()
    assert told


@given(st.text(max_size=60) | st.text("[]{}=.\"'#\n abc15", max_size=60))
def test_whatever_the_text_the_errors_are_ours(text: str) -> None:
    """Any text is read, or refused by `InvalidPolicy`."""
    try:
        told = Policies.parse(text).dump()
    except InvalidPolicy as error:
        told = error.path
    assert told


# Files ---------------------------------------------------------------------------------------


def test_a_file_is_read_with_and_without_a_mark(tmp_path: Path) -> None:
    """A byte order mark and Windows line ends do not matter."""
    file = tmp_path / "p.toml"
    file.write_bytes(b'\xef\xbb\xbf[pricing]\r\nquote_valid = "5 min"\r\n')
    assert Policies.load(file).pricing.quote_valid == timedelta(minutes=5)
    assert Policies.load(str(file)) == Policies.load(file)


@pytest.mark.parametrize("name", ["missing.toml", ".", "a\0b"])
def test_a_file_that_cannot_be_read_is_an_invalid_document(tmp_path: Path, name: str) -> None:
    """A missing file, a folder and an impossible name are refused with the path."""
    path = f"{tmp_path}/{name}"
    with pytest.raises(InvalidDocument) as caught:
        Policies.load(path)
    assert caught.value.path == path


def test_a_file_that_is_no_text_is_refused_with_its_place(tmp_path: Path) -> None:
    """Bytes that are not UTF-8 are refused with line and column."""
    file = tmp_path / "p.toml"
    file.write_bytes(b"# one\n# tw\xff")
    with pytest.raises(InvalidPolicy) as caught:
        Policies.load(file)
    assert caught.value.path == f"{file}:2:5"


def test_a_file_that_is_too_long_is_refused(tmp_path: Path) -> None:
    """A file above the limit is refused, one at the limit is read."""
    file = tmp_path / "p.toml"
    file.write_bytes(b"#" * BYTES_MAX)
    assert Policies.load(file) == Policies()
    file.write_bytes(b"#" * (BYTES_MAX + 1))
    with pytest.raises(InvalidPolicy) as caught:
        Policies.load(file)
    assert caught.value.path == str(file)


# Policies from code --------------------------------------------------------------------------

WRONG: Any = 900
BUILT: list[tuple[Policies, str]] = [
    (Policies(pricing=WRONG), "pricing"),
    (Policies(pricing=PricingPolicy(quote_valid=WRONG)), "pricing.quote_valid"),
    (Policies(pricing=PricingPolicy(TaxPolicy(default=WRONG))), "pricing.tax.default"),
    (Policies(stock=StockPolicy(timedelta(days=9_999))), "stock.reserve_slack"),
    (Policies(tenders=TenderPolicy((TenderRule("a\ud800"),))), "tenders.rules[0].gateway"),
    (Policies(posting=PostingPolicy(())), "posting.recognize_in"),
    (Policies(merging=MergePolicy(WRONG)), "merging.matrices"),
    (Policies(merging=MergePolicy({WRONG: MergeMatrix.of({"a": "Y"})})), "merging.matrices"),
    (Policies(merging=MergePolicy({"x": WRONG})), "merging.matrices.x"),
    (Policies(merging=MergePolicy({"x": MergeMatrix(("a",), WRONG)})), "merging.matrices.x.rows"),
    (
        Policies(merging=MergePolicy({"x": MergeMatrix(("a",), ((WRONG,),))})),
        "merging.matrices.x.rows",
    ),
    (Policies(merging=MergePolicy(waived=(WRONG,))), "merging.waived[0]"),
    (Policies(tenders=TenderPolicy([TenderRule("x")])), "tenders.rules"),  # type: ignore[arg-type]
    (Policies(timeouts=TimeoutPolicy(windows=WRONG)), "timeouts.windows"),
    (Policies(timeouts=TimeoutPolicy(windows={WRONG: PaymentWindow()})), "timeouts.windows"),
    (
        Policies(timeouts=TimeoutPolicy(refund_late_after=timedelta(0))),
        "timeouts.refund_late_after",
    ),
    (
        Policies(tenders=TenderPolicy((TenderRule("x", cap_of=WRONG),))),
        "tenders.rules[0].cap_of",
    ),
    (
        Policies(pricing=PricingPolicy(layers=(Layer("x", (Promotion("p", WRONG),)),))),
        "pricing.layers[0].promotions[0].benefit",
    ),
    (
        Policies(
            pricing=PricingPolicy(layers=(Layer("x", (Promotion("p", OrderAmount(WRONG)),)),))
        ),
        "pricing.layers[0].promotions[0].benefit.amount",
    ),
]


@pytest.mark.parametrize(
    ("built", "path"), BUILT, ids=[f"{i} {path}" for i, (_, path) in enumerate(BUILT)]
)
def test_policies_from_code_meet_the_same_bounds(built: Policies, path: str) -> None:
    """What no document could hold is refused by `check`, and is not written either."""
    for act in (built.check, built.dump, built.to_plain):
        with pytest.raises(InvalidPolicy) as caught:
            act()
        assert caught.value.path == path


# Promotions ----------------------------------------------------------------------------------


def odd_line_free(basket: Any) -> dict[str, int]:
    """A promotion of the host's own."""
    return {}


HOSTED = """
[[pricing.layers]]
name = "mine"
promotions = [{ id = "odd", benefit = { type = "host", rule = "odd_line_free", level = "line" } }]
"""


def test_a_rule_of_the_host_is_bound_by_its_name() -> None:
    """A document names the host's rule, and whoever reads it hands the code over."""
    found = Policies.parse(HOSTED, rules={"odd_line_free": odd_line_free})
    benefit = found.pricing.layers[0].promotions[0].benefit
    assert benefit == HostRule("odd_line_free", odd_line_free, DiscountLevel.LINE)
    assert benefit.rule is odd_line_free
    found.check()


def test_a_rule_of_the_host_without_its_code_is_refused() -> None:
    """Without the code the rule's name is refused, and a misspelled name is guessed."""
    error = refused(HOSTED)
    assert error.path == "pricing.layers[0].promotions[0].benefit.rule"
    assert "rules={'odd_line_free': ...}" in error.reason
    with pytest.raises(InvalidPolicy) as caught:
        Policies.parse(HOSTED, rules={"odd_lines_free": odd_line_free})
    assert caught.value.data["nearest"] == "odd_lines_free"


def test_a_rule_of_the_host_is_not_written() -> None:
    """Policies with code in them are sound, but what was written of them could not be read back."""
    found = Policies.parse(HOSTED, rules={"odd_line_free": odd_line_free})
    for act in (found.dump, found.to_plain):
        with pytest.raises(InvalidPolicy) as caught:
            act()
        assert caught.value.data["rule"] == "odd_line_free"


def promoted(benefit: str, more: str = "") -> str:
    """A document with one promotion."""
    return (
        f'[[pricing.layers]]\nname = "x"\npromotions = [{{ id = "p", benefit = {benefit}{more} }}]'
    )


@pytest.mark.parametrize(
    ("text", "where", "words"),
    [
        (promoted("{}"), "benefit.type", "missing"),
        (promoted('{ type = "every_of" }'), "benefit.type", "did you mean 'every_off'?"),
        (promoted('{ type = ["host"] }'), "benefit.type", "unknown type"),
        (promoted('"free"'), "benefit", "needs a table"),
        (promoted('{ type = "order_amount", off = "1 EUR" }'), "benefit.off", "unknown key"),
        (promoted('{ type = "order_amount" }'), "benefit.amount", "missing"),
        (promoted('{ type = "order_amount", amount = 5 }'), "benefit.amount", '"20.00 CNY"'),
        (promoted('{ type = "order_amount", amount = "5" }'), "benefit.amount", "no currency"),
        (promoted('{ type = "order_amount", amount = "5 EURO" }'), "benefit.amount", "'EUR'"),
        (promoted('{ type = "order_amount", amount = "5.001 EUR" }'), "benefit.amount", "decimals"),
        (promoted('{ type = "order_amount", amount = "-5 EUR" }'), "benefit.amount", "negative"),
        (
            promoted('{ type = "shipping_off" }', ', when = { starts = "11 November" }'),
            "when.starts",
            "no moment",
        ),
        (
            promoted('{ type = "shipping_off" }', ", when = { ends = 2026-11-11T00:00:00 }"),
            "when.ends",
            "needs its zone",
        ),
        (
            promoted('{ type = "shipping_off" }', ", when = { ends = 2026-11-11 }"),
            "when.ends",
            "needs a moment",
        ),
        (
            promoted('{ type = "shipping_off" }', ", when = { ends = 0001-01-01T00:00:00Z }"),
            "when.ends",
            "year",
        ),
    ],
)
def test_a_wrong_promotion_is_refused_with_its_path(text: str, where: str, words: str) -> None:
    """The refusal names the key below the promotion, and what stands there instead."""
    error = refused(text)
    assert error.path == f"pricing.layers[0].promotions[0].{where}"
    assert words in error.reason


def test_a_moment_is_read_with_its_zone() -> None:
    """A moment as a TOML date-time or as text is the same moment, and is written in UTC."""
    moment = datetime(2026, 11, 10, 16, tzinfo=UTC)
    for written in ("2026-11-11T00:00:00+08:00", '"2026-11-11T00:00:00+08:00"'):
        text = promoted('{ type = "shipping_off" }', f", when = {{ starts = {written} }}")
        found = Policies.parse(text)
        assert found.pricing.layers[0].promotions[0].when.starts == moment
        assert "starts = 2026-11-10T16:00:00+00:00" in found.dump()


def test_an_amount_is_read_with_its_currency() -> None:
    """An amount has as many decimals as its currency has at most."""
    text = promoted('{ type = "order_amount", amount = "1.5 KWD" }')
    found = Policies.parse(text).pricing.layers[0].promotions[0].benefit
    assert found == OrderAmount(money("1.500", "KWD"))
    assert 'amount = "1.500 KWD"' in Policies.parse(text).dump()


# The page and the examples -------------------------------------------------------------------


def rows_of_the_page() -> dict[str, str]:
    """Each key of the reference page with its default, as it is written there."""
    rows = re.findall(
        r"^\| `([a-z_.<>\[\]]+)` \|.*\| (.*?) \|$", PAGE.read_text("utf-8"), re.MULTILINE
    )
    assert len(rows) == len(dict(rows))
    return dict(rows)


def test_the_page_lists_every_key() -> None:
    """The reference page lists the keys that the reader knows, in the same order, and no other."""
    assert list(rows_of_the_page()) == list(known_keys())


BENEFITS: dict[str, dict[str, Any]] = {
    "special_price": {"prices": [{"sku": "A", "price": "1.00 EUR"}]},
    "line_percent": {"percent": "1"},
    "line_amount": {"amount": "1.00 EUR"},
    "buy_get": {"buy": 1, "get": 1},
    "every_off": {"every": "1.00 EUR", "off": "0.10 EUR"},
    "steps": {"steps": [{"at_least": "1.00 EUR", "amount": "0.10 EUR"}]},
    "order_percent": {"percent": "1"},
    "order_amount": {"amount": "1.00 EUR"},
    "set_total": {"total": "1.00 EUR"},
    "shipping_off": {},
    "shipping_to": {"price": "1.00 EUR"},
}
"""Each benefit that a document can hold, with no key more than it needs."""


SPLITS: dict[str, dict[str, Any]] = {
    "apart": {"by": "category"},
    "together": {"bundles": True},
    "whole": {"of": "units", "below": 1},
    "cut": {"of": "units", "at_most": 1},
}
"""Each kind of split rule, with no key more than it needs."""


def bare_document() -> dict[str, Any]:
    """A document with one entry of each list and no key more than it needs, written out in full."""
    dated = {
        "hs": "1",
        "percent": "1",
        "destination": "EU",
        "first_day": "2026-01-01",
        "source": "x",
    }
    promotions = [
        {"id": name, "benefit": {"type": name, **keys}, "coupon": {}}
        for name, keys in BENEFITS.items()
    ]
    plain = {
        "pricing": {
            "points_worth": {},
            "tax": {"rates": [{"percent": "5"}], "home": {"country": "DE"}},
            "border": {
                "ships_from": "CN",
                "tariff": {"rates": [dated]},
                "consumption": [dated],
                "import_rates": [{"percent": "5"}],
            },
            "layers": [{"name": "x", "promotions": promotions}],
        },
        "tenders": {"rules": [{"gateway": "x", "rate": {}}]},
        "channels": {"rules": [{"gateway": "x"}]},
        "funds": {"commissions": [{}]},
        "merging": {"matrices": [{"lifecycle": "x", "states": ["a"], "rows": ["Y"]}]},
        "timeouts": {
            "windows": {"regular": {}},
            "timers": [{"rule": {"name": "x", "does": "confirm", "hours": {}}}],
            "working": {},
        },
        "splitting": {"rules": [{"type": name, "name": name, **SPLITS[name]} for name in SPLITS]},
    }
    full = Policies.from_plain(plain).to_plain()
    full["pricing"]["tax"]["default"] = "0"
    layer = full["pricing"]["layers"][0]
    by_type = {f"<{p['benefit']['type']}>": p["benefit"] for p in layer["promotions"]}
    del by_type["<steps>"]["steps"][0]["amount"]  # one of the two must stand there
    layer["promotions"][0]["benefit"] |= by_type
    layer["promotions"][0]["benefit"]["<host>"] = {"level": DiscountLevel.ORDER.value}
    splits = full["splitting"]["rules"]
    splits[0] |= {f"<{rule['type']}>": rule for rule in splits}
    splits[0]["<together>"]["bundles"] = False  # something must be kept together
    return full


def test_the_page_tells_the_defaults() -> None:
    """Each default on the reference page is the one that a document gets."""
    bare = bare_document()
    told = {key: re.match(r"`[^`]*`|[a-z]+", text) for key, text in rows_of_the_page().items()}
    for key, first in told.items():
        assert first is not None
        if first[0] == "required":
            continue
        found: Any = bare
        for step in key.replace("[]", ".0").replace("<kind>", "regular").split("."):
            found = found[0] if step == "0" else found.get(step)
        assert first[0] == ("none" if found is None else f"`{json.dumps(found)}`"), key


def required_keys(kind: Any, path: str = "") -> set[str]:
    """The keys without which a document is refused."""
    if isinstance(kind, Many):
        return required_keys(kind.each, f"{path}[]")
    if isinstance(kind, OneOf):
        inner = [required_keys(member, f"{path}.<{name}>") for name, member in kind.members]
        return {f"{path}.type"}.union(*inner)
    if not isinstance(kind, Table):
        return set()
    found = set()
    for key, attribute, inner_kind in kind.keys:
        where = f"{path}.{key}".lstrip(".")
        found |= required_keys(inner_kind, where)
        if getattr(attrs.fields(kind.of), attribute).default is attrs.NOTHING:
            found.add(where)
    return found


def test_the_page_tells_what_is_required() -> None:
    """A key is told as required exactly when a document is refused without it."""
    told = {key for key, text in rows_of_the_page().items() if text == "required"}
    home = "pricing.tax.home.country"  # may be empty in code, where it means nowhere
    assert told - {home} == required_keys(_ROOT) & set(known_keys())
    assert refused("[pricing.tax.home]").path == home


def tables(kind: Any) -> list[Table]:
    """Every policy class that the document is made of."""
    if isinstance(kind, Table):
        return [kind, *[t for _, _, inner in kind.keys for t in tables(inner)]]
    if isinstance(kind, OneOf):
        return [t for _, member in kind.members for t in tables(member)]
    return tables(kind.each) if hasattr(kind, "each") else []


def test_no_field_of_a_policy_is_forgotten() -> None:
    """Each field of each policy class has its key, so that a new one cannot be left out."""
    for table in tables(_ROOT):
        fields = {field.name for field in attrs.fields(table.of) if field.init}
        fields -= {"rule"} if table.of is HostRule else set()  # the host's code: no document
        assert {attribute for _, attribute, _ in table.keys} == fields, table.of


@pytest.mark.parametrize("file", sorted(EXAMPLES.glob("*.toml")), ids=lambda file: file.stem)
def test_each_example_is_read(file: Path) -> None:
    """Each example document holds, and round-trips."""
    found = Policies.load(file)
    assert Policies.parse(found.dump()) == found


def test_the_full_example_shows_every_key() -> None:
    """``shop.toml`` sets each known key at least once."""
    shown = set()
    for place in places(FULL):
        inner: Any = FULL
        steps = []
        for step in place:
            tagged = isinstance(inner, dict) and type(inner.get("type")) is str and step != "type"
            steps += [f".<{inner['type']}>"] if tagged else []
            inner = inner[step]
            steps.append("[]" if isinstance(step, int) else f".{step}")
        shown.add(re.sub(r"\.flash_sale(?=\.|$)", ".<kind>", "".join(steps).lstrip(".")))
    host = {key for key in known_keys() if ".<host>." in key}  # code that a file cannot bring along
    assert set(known_keys()) - shown == host


@pytest.mark.parametrize(
    ("region", "countries"),
    [
        (Region.UK, ["GB", "IM"]),
        (Region.EU, ["IE", "DE", "FR", "EU"]),
        (Region.EXPORT, ["US", "JE", "CH", "NO", ""]),
    ],
)
@pytest.mark.parametrize("day", [date(2010, 12, 1), date(2011, 1, 3), date(2011, 1, 4)])
def test_the_retail_example_taxes_as_the_replay_does(
    region: Region, countries: list[str], day: date
) -> None:
    """``uk-retail-2011.toml`` gives the rates that the replay of the retail file expects."""
    tax = Policies.load(EXAMPLES / "uk-retail-2011.toml").pricing.tax
    for country in countries:
        rate = tax.rate("standard", Destination(country), day)
        assert str(rate.percent) == str(vat_percent(region, day))
    assert str(tax.rate("voucher", Destination("GB"), day).percent) == "0"
    assert tax.rate("shipping", Destination("GB"), day) == tax.rate(
        "standard", Destination("GB"), day
    )
    with pytest.raises(InvalidCart):
        tax.rate("standart", Destination("GB"), day)
