from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime
from itertools import pairwise, product

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ordercore import (
    Address,
    Cart,
    CartLine,
    Money,
    Percent,
    PricingPolicy,
    ShippingCharge,
    TaxPolicy,
    TaxRate,
)
from ordercore.errors import (
    InvalidCart,
    InvalidInput,
    InvalidManifest,
    InvalidPolicy,
    NotAllowed,
    RateUnavailable,
)
from ordercore.fulfillment.adding_up import (
    ADDING_UP,
    AddingUp,
    AddsUp,
    adding_up,
    check_adding_up,
)
from ordercore.fulfillment.border_cost import ParcelBorder
from ordercore.fulfillment.carriage import Rate, Service, WeightStep, Zone, freight
from ordercore.fulfillment.consignment import CustomsDesk, Run, SoldGoods
from ordercore.fulfillment.item import items_of
from ordercore.fulfillment.linking import (
    Alternative,
    Candidate,
    LinkedChoice,
    LinkGroup,
    LinkPolicy,
    LinkProblem,
    LinkRule,
    LinkWeights,
    link,
)
from ordercore.fulfillment.routing import RoutingProblem, route
from ordercore.fulfillment.source import Source
from ordercore.fulfillment.stock import SourceStock
from ordercore.goods import Manifest
from ordercore.pricing import (
    AmountOff,
    BorderPolicy,
    Customs,
    DutyRate,
    RegimeId,
    Registration,
    Tariff,
    Terms,
    declare,
    quote,
)

JUNE = datetime(2026, 6, 30, 12, tzinfo=UTC)
JULY = datetime(2026, 7, 1, 12, tzinfo=UTC)
SHIRT, SHOES, WATCH = "610910", "640399", "910211"
SINCE = date(2010, 1, 1)
PLACES = {"EU": ("DE", "EUR", "19"), "GB": ("GB", "GBP", "20"), "NO": ("NO", "NOK", "25"),
          "AU": ("AU", "AUD", "10"), "NZ": ("NZ", "NZD", "15"), "US": ("US", "USD", "0"),
          "CN": ("CN", "CNY", "13")}  # fmt: skip
NUMBERS = (
    Registration(RegimeId.EU_IOSS, "IM3720000224"),
    Registration(RegimeId.UK_LOW_VALUE, "GB123456789"),
    Registration(RegimeId.NO_VOEC, "2000001"),
    Registration(RegimeId.AU_LOW_VALUE, "51824753556"),
    Registration(RegimeId.NZ_LOW_VALUE, "123456789"),
)
TARIFF = Tariff(
    tuple(
        DutyRate(code, Percent.of(percent), place, SINCE, "an example")
        for place in PLACES
        for code, percent in (("61", "12"), ("64", "17"))
    )
)


def policy(place: str = "EU", ships_from: str = "", **more: object) -> PricingPolicy:
    """A shop that is registered everywhere and ships from China, to China from Japan."""
    country, _, percent = PLACES[place]
    tax = TaxPolicy((TaxRate(Percent.of(percent), country=country),), prices_include_tax=False)
    leaves = ships_from or ("CN" if place != "CN" else "JP")
    border = BorderPolicy(leaves, NUMBERS, tariff=TARIFF, **more)
    return PricingPolicy(tax, border=border)


def cart(
    place: str, *goods: tuple[str, str, int], paid: int | None = None, grams: int = 100
) -> Cart:
    """Goods as (price of a unit, HS code, quantity)."""
    country, money, _ = PLACES[place]
    lines = tuple(
        CartLine(
            f"K{n}",
            units,
            Money(price, money),
            weight_grams=grams,
            customs=Customs(code, "VN", "x"),
        )
        for n, (price, code, units) in enumerate(goods)
    )
    shipping = (
        None if paid is None else ShippingCharge(Money(f"{paid // 100}.{paid % 100:02}", money))
    )
    return Cart(money, lines, shipping=shipping, address=Address(country=country))


def service(money: str, *steps: tuple[int, int], name: str = "post", further: int = 0) -> Service:
    """A service to everywhere, by (grams, price) up to them."""
    zone = Zone("world")
    rate = Rate(zone, tuple(WeightStep(*step) for step in steps), 500 if further else 0, further)
    return Service(name, (rate,), money)


def sold(
    place: str, *goods: tuple[str, str, int], at: datetime = JULY, **more: object
) -> SoldGoods:
    """What was sold of these goods, which enter on this day."""
    return SoldGoods.of(quote(cart(place, *goods, **more), policy(place), at))


def linked(goods: SoldGoods, *groups: LinkGroup, cost: int = 5_00, **more: object) -> LinkedChoice:
    """The choice with one service of one price."""
    offered = (service(goods.currency, (5_000, cost)),)
    return link(LinkProblem(goods, offered, groups, policy=LinkPolicy(**more)))


def group(name: str, goods: dict[str, int], **more: object) -> LinkGroup:
    """A group of these units."""
    return LinkGroup(name, Manifest.of(goods), **more)


def shape(choice: LinkedChoice) -> list[dict[str, int]]:
    """The units of each parcel."""
    return [dict(parcel.goods.items) for parcel in choice.parcels]


def looked(choice: LinkedChoice, candidate: Candidate) -> Alternative:
    """What the choice says of a way that it was compared with."""
    return next(one for one in choice.alternatives if one.candidate is candidate)


WARDROBE = (("10.00", SHIRT, 2), ("20.00", SHOES, 1))
APART = (group("a", {"1": 1, "2": 1}), group("b", {"1": 1}))
PAIR = (group("a", {"1": 1}), group("b", {"1": 1}))


# The regimes --------------------------------------------------------------------------------------


def test_two_shirts_and_shoes_in_one_parcel_owe_six_euros_and_a_shirt_apart_nine() -> None:
    """The EU's flat duty stands on each different item of a parcel, so a second parcel with a shirt costs 3.00 more."""
    choice = linked(sold("EU", *WARDROBE), *APART, cost=0)
    assert shape(choice) == [{"1": 2, "2": 1}]
    assert (choice.cost.duty, looked(choice, Candidate.BY_GROUP).cost.duty) == (6_00, 9_00)
    assert choice.chosen_as == (Candidate.ONE_PARCEL, Candidate.FREIGHT_ALONE)
    assert "EUR 3.00 more duty, 1 parcel more" in looked(choice, Candidate.BY_GROUP).why
    assert "duty: 2 different items x EUR 3.00 = EUR 6.00" in choice.explain()


def test_the_day_before_they_owe_no_duty_either_way() -> None:
    """Until 2026-06-30 a consignment of up to 150.00 is free of duty, in one parcel as in two."""
    choice = linked(sold("EU", *WARDROBE, at=JUNE), *APART, cost=0)
    assert (choice.cost.duty, looked(choice, Candidate.BY_GROUP).cost.duty) == (0, 0)
    assert (shape(choice), choice.reasons[0].rule) == (
        [{"1": 2, "2": 1}],
        LinkRule.FEWER_PARCELS,
    )


def test_parting_different_goods_costs_no_duty_more() -> None:
    """Shirts and shoes owe 6.00 together and apart, so freight decides: here two light parcels."""
    goods = sold("EU", *WARDROBE, grams=400)
    offered = (service("EUR", (900, 4_00), (2_000, 15_00)),)
    choice = link(LinkProblem(goods, offered))
    assert sorted(shape(choice), key=str) == [{"1": 2}, {"2": 1}]
    assert choice.cost.duty == 6_00


def test_norway_looks_at_one_item_so_two_of_2000_stay_within_voec() -> None:
    """Below NOK 3,000 an item the seller charges the tax and no duty is owed, in one parcel as in two."""
    choice = linked(sold("NO", ("2000.00", SHIRT, 2)), *PAIR, cost=100_00)
    apart = looked(choice, Candidate.BY_GROUP)
    assert (len(choice.parcels), choice.cost.duty, choice.cost.tax) == (1, 0, 1_025_00)
    assert (apart.cost.duty, apart.cost.tax, "added up" in apart.why) == (0, 1_050_00, False)


def test_two_of_100_pounds_win_no_relief_by_two_parcels() -> None:
    """Above GBP 135 together: what could have gone in one parcel is added up, and the choice cites the rule."""
    choice = linked(sold("GB", ("100.00", SHIRT, 2)), *PAIR)
    apart = looked(choice, Candidate.BY_GROUP)
    assert (shape(choice), choice.cost.duty) == (
        [{"1": 2}],
        24_60,
    )  # 12 % of 200.00 and the freight
    assert (
        apart.cost.duty == 25_20
    )  # of 210.00: two parcels cost more freight, and nothing is relieved
    assert "added up as one consignment" in apart.why
    assert "HMRC" in apart.why


def test_without_the_rule_two_parcels_of_100_pounds_would_be_chosen() -> None:
    """The rule alone takes the relief away: without it each parcel is below GBP 135 and free of duty."""
    choice = linked(sold("GB", ("100.00", SHIRT, 2)), *PAIR, adding_up=())
    assert (shape(choice), choice.cost.duty) == ([{"1": 1}, {"1": 1}], 0)


def test_groups_that_must_go_apart_are_consignments_by_themselves() -> None:
    """What a rule keeps apart was not parted for a relief, so each parcel has its own."""
    goods = sold("GB", ("100.00", SHIRT, 2))
    first = group("a", {"1": 1}, apart=True, reason="by sea")
    choice = linked(goods, first, group("b", {"1": 1}))
    assert (len(choice.parcels), choice.cost.duty) == (2, 0)
    assert [one.rule for one in choice.reasons[1:]] == [LinkRule.APART]
    assert looked_up(choice, LinkRule.APART) == "group a goes apart: by sea"


def looked_up(choice: LinkedChoice, rule: LinkRule) -> str:
    """The text of the first reason by this rule."""
    return next(one.text for one in choice.reasons if one.rule is rule)


def test_goods_of_two_sources_are_consignments_by_themselves() -> None:
    """Goods of different sources never share a parcel, and are not added up."""
    goods = sold("GB", ("100.00", SHIRT, 2))
    problem = LinkProblem(
        goods,
        (service("GBP", (5_000, 5_00)),),
        (group("a", {"1": 1}, source="east"), group("b", {"1": 1}, source="west")),
        (Source("east", "CN"), Source("west", "CN")),
    )
    choice = link(problem)
    assert ([one.source for one in choice.parcels], choice.cost.duty) == (["east", "west"], 0)
    assert looked_up(choice, LinkRule.OTHER_SOURCE) == "goods leave from 2 sources: east, west"


def test_goods_of_a_source_inside_cross_no_border() -> None:
    """A parcel from a German warehouse to a German buyer owes the tax of a sale and no duty."""
    goods = sold("EU", ("100.00", SHIRT, 2))
    problem = LinkProblem(
        goods,
        (service("EUR", (5_000, 5_00)),),
        (group("a", {"1": 2}, source="home"),),
        (Source("home", "DE"),),
    )
    parcel = link(problem).parcels[0]
    assert (parcel.duty, parcel.tax, parcel.assessment) == (0, 38_95, None)


def test_australia_adds_up_what_could_have_gone_together() -> None:
    """Two of AUD 600 together are above 1,000 and left to the border: duty 12 %, and two parcels win nothing."""
    choice = linked(sold("AU", ("600.00", SHIRT, 2)), *PAIR)
    apart = looked(choice, Candidate.BY_GROUP)
    assert (shape(choice), choice.cost.duty) == ([{"1": 2}], 144_00)
    assert (apart.cost.duty, "s. 84-83" in apart.why) == (144_00, True)
    relieved = linked(sold("AU", ("600.00", SHIRT, 2)), *PAIR, adding_up=())
    assert (len(relieved.parcels), relieved.cost.duty) == (2, 0)


@pytest.mark.parametrize(
    ("place", "price", "at", "source"),
    [
        ("US", "500.00", datetime(2025, 8, 28, tzinfo=UTC), "19 U.S.C. 1321"),
        ("CN", "3000.00", JULY, "Cai Guan Shui [2016] No. 18"),
    ],
)
def test_where_the_order_counts_parcels_that_must_go_apart_are_added_up_too(
    place: str, price: str, at: datetime, source: str
) -> None:
    """In the United States (until 2025-08-28) and in China the limit is of the order, whatever parts its goods."""
    goods = sold(place, (price, SHIRT, 2), at=at)
    choice = linked(goods, group("a", {"1": 1}, apart=True), group("b", {"1": 1}, apart=True))
    alone = linked(goods, group("a", {"1": 1}))
    assert alone.cost.duty == 0
    assert choice.cost.duty > 0
    assert source in looked_up(choice, LinkRule.ADDED_UP)


def test_an_added_up_parcel_bears_its_part_of_the_whole() -> None:
    """The parts of duty and tax add up to what the whole owes as one consignment."""
    goods = sold("GB", ("100.01", SHIRT, 1), ("100.00", SHOES, 1), grams=4_000)
    choice = linked(goods)
    whole = CustomsDesk(goods).owed([Run("1", 0, 1), Run("2", 0, 1)], 10_00)
    assert len(choice.parcels) == 2  # 8 kg do not go in one
    assert (choice.cost.duty, choice.cost.tax) == (whole.duty, whole.tax)
    assert sum(parcel.duty for parcel in choice.parcels) == whole.duty
    one = looked(choice, Candidate.ONE_PARCEL)
    assert (one.cost, one.why) == (None, "8000 g are too heavy for service 'post'")


def test_adding_up_gives_no_relief() -> None:
    """Two parcels with the same article owe 3.00 each though one would owe 3.00: adding up never lowers what is owed."""
    choice = linked(sold("EU", ("10.00", SHIRT, 2), grams=3_000))
    assert (len(choice.parcels), choice.cost.duty) == (2, 6_00)
    assert "owe no less one by one" in looked_up(choice, LinkRule.NOT_ADDED_UP)


def test_the_tax_stands_on_freight() -> None:
    """The tax at the sale is on goods and on the freight of each parcel; a seller who bears the freight adds none."""
    goods = sold("EU", ("100.00", SHIRT, 1))
    assert linked(goods).cost.tax == 19_95
    assert CustomsDesk(goods).owed([Run("1", 0, 1)], 5_00).carriage_tax == 95
    free = SoldGoods(
        goods.lines, "EUR", goods.to, JULY, goods.border, goods.tax, freight_included=True
    )
    assert linked(free).cost.tax == 19_00


# The policy ---------------------------------------------------------------------------------------


def test_switched_off_it_chooses_by_freight_alone_and_says_so() -> None:
    """Freight alone would send a shirt apart; duty and tax are told, and not weighed."""
    goods = sold("EU", ("10.00", SHIRT, 2), grams=400)
    offered = (service("EUR", (500, 4_00), (2_000, 9_00)),)
    off = link(LinkProblem(goods, offered, policy=LinkPolicy(enabled=False)))
    on = link(LinkProblem(goods, offered))
    assert (len(off.parcels), off.cost.freight, off.cost.duty) == (2, 8_00, 6_00)
    assert (len(on.parcels), on.cost.freight, on.cost.duty) == (1, 9_00, 3_00)
    assert off.reasons[0].rule is LinkRule.FREIGHT_ALONE
    assert "switched off" in off.explain()
    assert "EUR 1.00 more freight" in looked(off, Candidate.ONE_PARCEL).why
    assert on.cost.total < off.cost.total


def test_weights_decide() -> None:
    """Duty that does not count lets freight decide, and a parcel's own points join parcels."""
    goods = sold("EU", ("10.00", SHIRT, 2), grams=400)
    offered = (service("EUR", (500, 4_00), (2_000, 9_00)),)
    for weights, count in ((LinkWeights(duty=0), 2), (LinkWeights(duty=0, parcel=5_00), 1)):
        choice = link(LinkProblem(goods, offered, policy=LinkPolicy(weights=weights)))
        assert len(choice.parcels) == count


def test_a_group_that_stays_whole_is_not_parted() -> None:
    """A set goes in one parcel though parted it would cost less freight."""
    goods = sold("EU", ("10.00", SHIRT, 1), ("20.00", SHOES, 1), grams=400)
    offered = (service("EUR", (500, 4_00), (2_000, 15_00)),)
    parted = link(LinkProblem(goods, offered, (group("set", {"1": 1, "2": 1}),)))
    whole = link(LinkProblem(goods, offered, (group("set", {"1": 1, "2": 1}, whole=True),)))
    assert (len(parted.parcels), len(whole.parcels)) == (2, 1)


def test_units_of_a_line_stay_together_where_they_are_not_spread() -> None:
    """Without spreading a line's units go in one parcel."""
    goods = sold("EU", ("10.00", SHIRT, 2), grams=400)
    offered = (service("EUR", (500, 2_00), (2_000, 19_00)),)
    for spread, count in ((True, 2), (False, 1)):
        choice = link(LinkProblem(goods, offered, policy=LinkPolicy(spread=spread)))
        assert len(choice.parcels) == count


def test_a_parcel_is_no_heavier_than_the_policy_says() -> None:
    """The shop's own limit holds beside the services'."""
    choice = linked(sold("EU", ("10.00", SHIRT, 4), grams=500), max_grams=1_000)
    assert [parcel.freight.grams for parcel in choice.parcels] == [1_000, 1_000]
    one = looked(choice, Candidate.ONE_PARCEL)
    assert one.why == "2000 g are more than the 1000 g of a parcel"


def test_the_plan_holds_goods_and_freight() -> None:
    """A parcel's group names goods, service, carriage and the rules that made it."""
    choice = linked(sold("EU", *WARDROBE), *APART)
    plan = choice.groups()
    assert [dict(one.goods.items) for one in plan] == shape(choice)
    assert (plan[0].service, plan[0].estimate, plan[0].reasons) == (
        "post",
        5_00,
        ("fewest_points",),
    )


def test_an_estimate_for_the_buyer_does_without_an_unknown_tax() -> None:
    """Where the buyer pays on arrival a tax without rate is left out; where the seller pays it is refused."""
    basket = Cart("EUR", cart("EU", *WARDROBE).lines, address=Address(country="JP"))
    told = quote(basket, policy(terms=Terms.DAP), JULY)
    assert linked(SoldGoods.of(told)).cost.tax == 0
    seller = SoldGoods.of(told)
    refused = SoldGoods(seller.lines, "EUR", seller.to, JULY, policy().border, seller.tax)
    with pytest.raises(InvalidCart):
        linked(refused)


def test_a_limit_in_another_currency_needs_a_rate() -> None:
    """Goods in dollars to Germany cannot be held against 150 euros without a rate."""
    goods = sold("EU", *WARDROBE)
    dollars = SoldGoods(goods.lines, "USD", goods.to, JULY, goods.border, goods.tax)
    with pytest.raises(RateUnavailable):
        linked(dollars)


# Refusals -----------------------------------------------------------------------------------------

FINE = LinkProblem(sold("EU", *WARDROBE), (service("EUR", (5_000, 5_00)),))
HEAVY = service("EUR", (50, 1_00))


def changed(**more: object) -> LinkProblem:
    """A problem that is fine but for this."""
    fields = {
        name: getattr(FINE, name) for name in ("sold", "services", "groups", "sources", "policy")
    }
    return LinkProblem(**{**fields, **more})


@pytest.mark.parametrize(
    ("problem", "error", "path"),
    [
        (changed(services=()), InvalidPolicy, "services"),
        (changed(services=(service("USD", (10, 1)),)), InvalidPolicy, "services[0].currency"),
        (changed(services=FINE.services * 2), InvalidPolicy, "services[1]"),
        (changed(services=(HEAVY,)), NotAllowed, "lines[1]"),
        (changed(services=(HEAVY,), policy=LinkPolicy(pairs_max=0)), NotAllowed, "lines[1]"),
        (changed(groups=(group("a", {}),)), InvalidManifest, "groups[0].goods"),
        (changed(groups=(group("a", {"9": 1}),)), InvalidManifest, "goods[9]"),
        (changed(groups=(group("a", {"1": 2}), group("b", {"1": 1}))), InvalidManifest, "goods[1]"),
        (changed(groups=(group("a", {"1": 1}, source="x"),)), InvalidInput, "groups[0].source"),
        (changed(policy=LinkPolicy(max_grams=-1)), InvalidPolicy, "policy.max_grams"),
        (
            changed(policy=LinkPolicy(weights=LinkWeights(duty=-1))),
            InvalidPolicy,
            "policy.weights.duty",
        ),
        (
            changed(
                groups=(group("a", {"1": 1}, source="s"),), sources=(Source("s", services=("x",)),)
            ),
            InvalidPolicy,
            "services",
        ),
        (
            changed(
                groups=(group("a", {"1": 1}, source="s"),),
                sources=(Source("s", countries=("US",)),),
            ),
            InvalidInput,
            "groups",
        ),
        (
            changed(
                sold=SoldGoods(
                    FINE.sold.lines,
                    "EUR",
                    FINE.sold.to,
                    JULY.replace(tzinfo=None),
                    FINE.sold.border,
                )
            ),
            InvalidInput,
            "sold.at",
        ),
    ],
)
def test_what_cannot_be_linked_is_refused_with_its_path(
    problem: LinkProblem, error: type[Exception], path: str
) -> None:
    """Each wrong figure has an error of the library with the path of what is wrong."""
    with pytest.raises(error) as refused:
        link(problem)
    assert refused.value.path == path


def test_a_quote_without_a_border_cannot_be_linked() -> None:
    """Without a border policy nothing tells from where goods leave."""
    with pytest.raises(InvalidInput):
        SoldGoods.of(quote(cart("EU", *WARDROBE), PricingPolicy(), JULY))


def test_the_rules_that_add_up_have_days_and_sources() -> None:
    """The library's rules pass its own check, and no two hold for one place on one day."""
    check_adding_up(ADDING_UP)
    for one, other in product(ADDING_UP, repeat=2):
        if one is not other and one.territory == other.territory:
            days = sorted(
                [
                    (one.first_day, one.last_day or date.max),
                    (other.first_day, other.last_day or date.max),
                ]
            )
            assert all(before[1] < after[0] for before, after in pairwise(days))
    assert adding_up(ADDING_UP, "US", date(2025, 8, 29)) is None
    assert adding_up(ADDING_UP, "MC", date(2026, 7, 1)) is ADDING_UP[0]
    assert adding_up(ADDING_UP, "NO", date(2026, 7, 1)) is None


@pytest.mark.parametrize(
    ("rule", "path"),
    [
        (AddingUp("Mars", AddsUp.ORDER, SINCE, None, "x"), "adding_up[0].territory"),
        (AddingUp("EU", AddsUp.ORDER, SINCE, date(2009, 1, 1), "x"), "adding_up[0].last_day"),
        (AddingUp("EU", AddsUp.ORDER, SINCE, None, " "), "adding_up[0].source"),
    ],
)
def test_a_rule_without_days_place_or_source_is_refused(rule: AddingUp, path: str) -> None:
    """A rule that does not say where it comes from is no rule."""
    with pytest.raises(InvalidPolicy) as refused:
        check_adding_up((rule,))
    assert refused.value.path == path


# Laws ---------------------------------------------------------------------------------------------

GOODS = st.tuples(
    st.sampled_from(["9.99", "45.00", "75.00", "100.00", "149.99", "600.00", "1001.00"]),
    st.sampled_from([SHIRT, SHOES, WATCH]),
    st.integers(1, 2),
)
STEPS = st.tuples(st.integers(1, 9), st.integers(0, 9), st.integers(0, 12)).map(
    lambda row: ((500, row[0] * 70), (1_000, (row[0] + row[1]) * 70), (9_000, sum(row) * 70 + 100))
)


@st.composite
def problems(draw: st.DrawFn, most: int = 4) -> LinkProblem:
    """Goods abroad, one or two services, with and without rules that add up, sometimes in groups."""
    place = draw(st.sampled_from(["EU", "EU", "GB", "AU", "NO", "US"]))
    at = draw(st.sampled_from([JUNE, JULY, datetime(2025, 8, 1, tzinfo=UTC)]))
    wanted = draw(st.lists(GOODS, min_size=1, max_size=3))
    while sum(row[2] for row in wanted) > most:
        wanted.pop()
    wanted = wanted or [("75.00", SHIRT, 2)]
    basket = cart(place, *wanted, grams=draw(st.sampled_from([100, 400, 700])))
    goods = SoldGoods.of(quote(basket, policy(place), at))
    count = draw(st.integers(1, 2))
    offered = tuple(service(goods.currency, *draw(STEPS), name=f"S{n}") for n in range(count))
    groups: tuple[LinkGroup, ...] = ()
    if draw(st.booleans()):
        apart = draw(st.booleans())
        rows = [
            group(f"g{n}", {line.id: line.quantity}, apart=apart)
            for n, line in enumerate(goods.lines)
        ]
        groups = tuple(rows)
    weights = LinkWeights(parcel=draw(st.sampled_from([0, 30])))
    rules = draw(st.sampled_from([ADDING_UP, ()]))
    enabled = draw(st.sampled_from([True, True, True, False]))
    return LinkProblem(
        goods, offered, groups, policy=LinkPolicy(enabled=enabled, weights=weights, adding_up=rules)
    )


def owed_by_a_cart(problem: LinkProblem, units: Counter[str], paid: int) -> int:
    """Duty and tax of these units, priced as a cart of their own."""
    goods = problem.sold
    place = next(name for name, row in PLACES.items() if row[0] == goods.to.country)
    lines = {line.id: line for line in goods.lines}
    rows = [
        (f"{lines[line].unit_price // 100}.{lines[line].unit_price % 100:02}",
         lines[line].customs.hs_code, count)
        for line, count in sorted(units.items())
    ]  # fmt: skip
    priced = quote(cart(place, *rows, paid=paid), policy(place, ships_together=True), goods.at)
    border = priced.border
    assert border is not None
    return priced.tax + border.duty + border.import_tax + border.consumption_tax


def carried(problem: LinkProblem, units: Counter[str]) -> int | None:
    """The least freight of a parcel, `None` where it cannot go."""
    items = items_of(problem.sold.lines, Manifest.of(dict(sorted(units.items()))))
    found = []
    for one in problem.services:
        try:
            found.append(freight(one, items, problem.sold.to).amount)
        except NotAllowed:
            continue
    return min(found, default=None)


def points(problem: LinkProblem, parcels: list[Counter[str]]) -> int | None:
    """The points of parcels, worked out by carts alone."""
    paid = [carried(problem, parcel) for parcel in parcels]
    if any(amount is None for amount in paid):
        return None
    apart = {name for one in problem.groups if one.apart for name, _ in one.goods}
    country, day = problem.sold.to.country, problem.sold.at.date()
    rule = adding_up(problem.policy.adding_up, country, day)
    found = sum(paid) + len(parcels) * problem.policy.weights.parcel
    ranges: dict[str, list[int]] = {}
    for place, parcel in enumerate(parcels):
        names = sorted(set(parcel) & apart)
        key = names[0] if names and rule is not None and rule.which is AddsUp.AVOIDABLE else ""
        ranges.setdefault(key, []).append(place)
    for places in ranges.values():
        alone = sum(owed_by_a_cart(problem, parcels[place], paid[place]) for place in places)
        whole = sum((parcels[place] for place in places), Counter())
        total = sum(paid[place] for place in places)
        added = owed_by_a_cart(problem, whole, total) if rule is not None else 0
        found += max(alone, added)
    return found


def partings(units: list[str], apart: set[str]) -> list[list[Counter[str]]]:
    """Every way to part units over parcels; of lines that go apart no two share one."""
    ways: list[list[Counter[str]]] = [[]]
    for unit in units:
        grown = []
        for way in ways:
            grown.append([*way, Counter([unit])])
            for place, parcel in enumerate(way):
                if set(parcel) != {unit} and (unit in apart or set(parcel) & apart):
                    continue
                grown.append([*way[:place], parcel + Counter([unit]), *way[place + 1 :]])
        seen = {}
        for way in grown:
            seen[str(sorted(sorted(parcel.items()) for parcel in way))] = way
        ways = list(seen.values())
    return ways


@given(problems())
def test_the_choice_is_the_best_of_all_partings(problem: LinkProblem) -> None:
    """No parting of the goods, priced as carts of their own, has fewer points than the choice."""
    assume(problem.policy.enabled)
    choice = link(problem)
    units = [line.id for line in problem.sold.lines for _ in range(line.quantity)]
    apart = {name for one in problem.groups if one.apart for name, _ in one.goods}
    costs = [points(problem, way) for way in partings(units, apart)]
    assert choice.proven
    assert choice.cost.points == min(cost for cost in costs if cost is not None)


@pytest.mark.parametrize("pairs", [0, 10_000])
def test_between_the_least_freight_and_the_least_duty_lies_the_best(pairs: int) -> None:
    """Added up, parcels owe duty of 12 %; one by one 3.00 each. The best has as many parcels as owe about as much:
    more would be cheaper to carry, and fewer would owe less if they were not added up."""
    goods = sold("EU", ("140.00", SHIRT, 1), ("10.00", WATCH, 8), grams=300)
    steps = ((300, 1_00), (600, 2_80), (900, 5_50), (2_400, 15_00), (9_000, 20_00))
    problem = LinkProblem(goods, (service("EUR", *steps),), policy=LinkPolicy(pairs_max=pairs))
    choice = link(problem)
    ways = partings(["1", *["2"] * 8], set())
    assert choice.cost.points == min(points(problem, way) or 0 for way in ways)
    assert choice.cost.points < looked(choice, Candidate.FREIGHT_ALONE).cost.points
    assert choice.proven == bool(pairs)


@given(problems(most=6))
def test_l18_every_parcel_and_every_other_way_has_its_reason(problem: LinkProblem) -> None:
    """Reasons are never empty, figures add up, and the same problem has the same answer in the same words."""
    choice = link(problem)
    assert choice.reasons
    assert all(parcel.reasons for parcel in choice.parcels)
    assert all(other.why for other in choice.alternatives)
    assert choice.cost.freight == sum(parcel.freight.amount for parcel in choice.parcels)
    assert choice.cost.duty == sum(parcel.duty for parcel in choice.parcels)
    assert choice.cost.tax == sum(parcel.tax for parcel in choice.parcels)
    assert choice.cost.parcels == len(choice.parcels)
    assert link(problem).explain() == choice.explain()


@given(problems(most=6))
def test_l16_parcels_conserve_goods_and_declare_what_was_sold(problem: LinkProblem) -> None:
    """Every unit is in one parcel, and the declarations of all parcels add up to that of the whole."""
    choice = link(problem)
    lines, money = problem.sold.lines, problem.sold.currency
    total = Counter()
    before = Manifest()
    for parcel in choice.parcels:
        total.update(dict(parcel.goods.items))
        form = declare(
            lines, parcel.assessment, parcel.goods, money, Address(), Address(), before=before
        )
        assert form.total == parcel.declared
        before += parcel.goods
    assert total == Counter({line.id: line.quantity for line in lines})
    whole = declare(lines, None, None, money, Address(), Address())
    assert sum(parcel.declared for parcel in choice.parcels) == whole.total


@given(problems(most=6), st.sampled_from([0, 10_000]))
def test_the_choice_is_never_dearer_than_one_parcel_or_the_groups(
    problem: LinkProblem, pairs: int
) -> None:
    """Searched in full or step by step, it is no dearer than any way that it was compared with, and its floor holds."""
    policy_ = LinkPolicy(
        weights=problem.policy.weights, adding_up=problem.policy.adding_up, pairs_max=pairs
    )
    choice = link(LinkProblem(problem.sold, problem.services, problem.groups, policy=policy_))
    best = link(LinkProblem(problem.sold, problem.services, problem.groups, policy=LinkPolicy(
        weights=policy_.weights, adding_up=policy_.adding_up)))  # fmt: skip
    for other in choice.alternatives:
        assert other.cost is None or choice.cost.points <= other.cost.points
    assert choice.at_least <= best.cost.points <= choice.cost.points
    gap = choice.cost.points - choice.at_least
    assert choice.gap_ppm == (gap * 1_000_000 // choice.cost.points if gap else 0)


def test_many_lines_are_improved_step_by_step_with_a_gap() -> None:
    """Fourteen lines are too many for a search in full: the answer says so, and is no dearer than one parcel."""
    prices = [f"{8 + n}.50" for n in range(14)]
    goods = sold(
        "EU", *[(price, (SHIRT, SHOES, WATCH)[n % 3], 1) for n, price in enumerate(prices)]
    )
    offered = (service("EUR", (500, 3_00), (1_000, 7_00), further=2_00),)
    choice = link(LinkProblem(goods, offered, policy=LinkPolicy(steps_max=60)))
    assert not choice.proven
    assert 0 < choice.gap_ppm < 1_000_000
    assert choice.reasons[-1].rule is LinkRule.FLOOR
    assert choice == link(LinkProblem(goods, offered, policy=LinkPolicy(steps_max=60)))


def test_where_steps_run_out_no_way_that_was_looked_at_is_cheaper() -> None:
    """One step is too few to improve anything; what the choice is compared with is no cheaper all the same."""
    goods = sold("EU", ("140.00", SHIRT, 1), ("10.00", WATCH, 8), grams=300)
    offered = (service("EUR", (300, 1_00), (600, 2_80), (9_000, 20_00)),)
    choice = link(LinkProblem(goods, offered, policy=LinkPolicy(pairs_max=0, steps_max=1)))
    assert choice.alternatives
    for other in choice.alternatives:
        assert other.cost is None or choice.cost.points <= other.cost.points


def test_odd_cents_of_a_line_go_into_its_parcels_in_their_order() -> None:
    """Two units for 19.99 are declared as 10.00 and 9.99."""
    basket = cart("EU", ("10.00", SHIRT, 2), grams=3_000)
    off = CartLine("K0", 2, Money("10.00", "EUR"), weight_grams=3_000,
                   customs=Customs(SHIRT, "VN", "x"), discounts=(AmountOff(Money("0.01", "EUR")),))  # fmt: skip
    priced = quote(Cart("EUR", (off,), address=basket.address), policy(), JULY)
    choice = linked(SoldGoods.of(priced))
    assert sorted(parcel.declared for parcel in choice.parcels) == [9_99, 10_00]


# For routing --------------------------------------------------------------------------------------


def test_a_route_counts_duty_where_parcels_give_it() -> None:
    """Of two sources abroad and one at home the route takes the one that is cheapest with duty and tax."""
    goods = sold("EU", *WARDROBE)
    items = items_of(goods.lines)
    sources = (Source("far", "CN", area="far"), Source("home", "DE", area="home"))
    stock = tuple(SourceStock(one.id, item.sku, 2) for one in sources for item in items)
    rates = (
        Rate(Zone("far", origins=("far",)), (WeightStep(9_000, 2_00),)),
        Rate(Zone("home", origins=("home",)), (WeightStep(9_000, 5_00),)),
    )
    problem = RoutingProblem(items, goods.to, sources, stock, (Service("post", rates, "EUR"),))
    assert [parcel.source for parcel in route(problem).parcels] == ["far"]
    found = route(problem, ParcelBorder(goods))
    assert [parcel.source for parcel in found.parcels] == ["home"]
    assert (found.parts.border, found.proven) == (8_55, True)  # 19 % of 40.00 and of 5.00


@given(problems(most=6))
def test_the_least_that_is_owed_is_never_more_than_what_parcels_owe(problem: LinkProblem) -> None:
    """A search may cut off by it: whatever the parcels, they owe at least that."""
    border = ParcelBorder(problem.sold)
    items = items_of(problem.sold.lines)
    source = Source("s", problem.sold.border.ships_from)
    apart = sum(border.cost(source, (item,), 0) for item in items)
    assert border.at_least(items) <= min(apart, border.cost(source, items, 0))
