from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ordercore.errors import InvalidInput, InvalidPolicy, NotAllowed
from ordercore.fulfillment.carriage import (
    CarrierRecord,
    FreightDifference,
    Rate,
    ScoreWeights,
    Service,
    Surcharge,
    SurchargePer,
    Trait,
    WeightStep,
    Zone,
    compare_freight,
    freight,
    freight_by_weight,
    score_carriers,
    sum_differences,
)
from ordercore.fulfillment.item import Item
from ordercore.goods import LineId, Sku
from ordercore.party import Destination

HERE = Rate(Zone("home", ("DE",)), (WeightStep(1_000, 490), WeightStep(2_000, 560)), 500, 70, 1, 2)
ISLANDS = Rate(Zone("islands", ("DE",), postcodes=("25", "26")), (WeightStep(5_000, 1_290),))
FAR = Rate(Zone("abroad", ("FR", "AT")), (WeightStep(2_000, 1_490),), 1_000, 200, 3, 6)
POST = Service("standard", (ISLANDS, HERE, FAR), "EUR", "Post", divisor_cm3=5_000)
AIR = Service(
    "air",
    (HERE,),
    "EUR",
    surcharges=(Surcharge(Trait("cold"), 300), Surcharge(Trait("liquid"), 20, SurchargePer.UNIT)),
    refuses=(Trait("battery"),),
)
BERLIN = Destination("DE", "", "10115")


def item(grams: int, count: int = 1, volume: int = 0, **attributes: str) -> Item:
    """Units of a line."""
    return Item(LineId("1"), Sku("SKU"), count, grams, volume, attributes=tuple(attributes.items()))


@pytest.mark.parametrize(
    ("grams", "price", "upto", "further"),
    [
        (0, 490, 1_000, 0),
        (1_000, 490, 1_000, 0),
        (1_001, 560, 2_000, 0),
        (2_001, 630, 2_500, 1),
        (3_000, 700, 3_000, 2),
    ],
)
def test_a_weight_costs_its_step(grams: int, price: int, upto: int, further: int) -> None:
    """A step holds up to its weight inclusive, and a further one costs as soon as it is begun."""
    found = freight(POST, (item(grams),), BERLIN)
    assert (found.amount, found.upto_grams, found.further_steps) == (price, upto, further)


def test_the_greater_of_weight_and_volume_is_charged() -> None:
    """12,000 cubic centimeters over 5,000 weigh 2.4 kg, more than the 900 g of the scales."""
    found = freight(POST, (item(300, 3, 4_000),), BERLIN)
    assert (found.grams, found.volume_grams, found.chargeable_grams) == (900, 2_400, 2_400)
    assert found.amount == 630
    assert "by volumetric weight" in found.reasons()[0]


def test_the_first_zone_that_holds_counts() -> None:
    """A postcode of the islands is within the country too, but its rate stands first."""
    assert freight(POST, (item(10),), Destination("DE", "", "25980")).zone == "islands"
    assert freight(POST, (item(10),), Destination("AT", "", "1010")).zone == "abroad"


def test_surcharges_are_by_parcel_or_by_unit() -> None:
    """Cold goods cost 3.00 once, liquids 0.20 for each unit."""
    found = freight(AIR, (item(100, 4, cold="yes", liquid="yes"),), BERLIN)
    assert found.surcharges == (("cold", 300), ("liquid", 80))
    assert found.amount == 490 + 380


@pytest.mark.parametrize(
    ("service", "goods", "to", "says"),
    [
        (AIR, item(1, battery="yes"), BERLIN, "takes no goods with battery"),
        (AIR, item(1), Destination("US"), "no rate to US"),
        (POST, item(31_000), BERLIN, "too heavy"),
        (POST, item(6_000), Destination("DE", "", "26"), "too heavy"),
    ],
)
def test_what_a_service_does_not_take_is_refused(
    service: Service, goods: Item, to: Destination, says: str
) -> None:
    """Refused goods, foreign places and heavy parcels have a reason, not a price."""
    with pytest.raises(NotAllowed, match=says):
        freight(service, (goods,), to)


@given(st.integers(0, 40_000), st.integers(0, 40_000))
def test_the_stairs_of_a_rate_are_its_prices(grams: int, upto: int) -> None:
    """The first step of the stairs that carries a weight has its price, and the stairs carry what was asked."""
    stairs = HERE.stairs(upto)
    assert stairs[-1][0] >= upto
    if grams <= upto:
        priced = HERE.price(grams)
        assert priced is not None
        assert priced[:2] == next((price, top) for top, price in stairs if grams <= top)


def test_a_parcel_without_a_price_has_none() -> None:
    """A weight beyond the heaviest parcel, or beyond a table without further steps, costs nothing: it does not go."""
    assert freight_by_weight(POST, HERE, 30_001) is None
    assert freight_by_weight(POST, ISLANDS, 5_001) is None
    assert freight_by_weight(POST, HERE, 500) == 490


@pytest.mark.parametrize(
    ("service", "path"),
    [
        (Service("", (HERE,), "EUR"), "service.id"),
        (Service("a", (), "EUR"), "service.rates"),
        (Service("a", (HERE,), "EURO"), "service.currency"),
        (Service("a", (HERE,), "EUR", max_grams=0), "service.max_grams"),
        (Service("a", (HERE,), "EUR", signed_ppm=1_000_001), "service.signed_ppm"),
        (Service("a", (HERE,), "EUR", refuses=(Trait(""),)), "service.refuses[0].name"),
        (Service("a", (Rate(Zone("z"), ()),), "EUR"), "service.rates[0].steps"),
        (
            Service("a", (Rate(Zone("z", ("Germany",)), HERE.steps),), "EUR"),
            "service.rates[0].zone.countries[0]",
        ),
        (
            Service("a", (Rate(Zone("z"), (WeightStep(5, 9), WeightStep(5, 9))),), "EUR"),
            "service.rates[0].steps[1].upto_grams",
        ),
        (
            Service("a", (Rate(Zone("z"), (WeightStep(5, 9), WeightStep(6, 8))),), "EUR"),
            "service.rates[0].steps[1].price",
        ),
        (
            Service("a", (Rate(Zone("z"), (WeightStep(5, 9),), 1, 1),), "EUR"),
            "service.rates[0].further_grams",
        ),
        (
            Service("a", (Rate(Zone("z"), HERE.steps, 0, 0, 3, 2),), "EUR"),
            "service.rates[0].days_max",
        ),
    ],
)
def test_a_wrong_service_is_refused_with_its_path(service: Service, path: str) -> None:
    """What cannot be reckoned with is found before anything is shipped."""
    with pytest.raises(InvalidPolicy) as caught:
        service.check()
    assert caught.value.path == path


def test_a_bill_is_parted_into_what_weight_explains_and_the_rest() -> None:
    """Estimated 5.60 for 1.9 kg, billed 8.30 for 2.6 kg: 1.40 is for the weight, 1.30 nobody explains."""
    estimate = freight(POST, (item(1_900),), BERLIN)
    found = compare_freight(estimate, 830, HERE, 2_600)
    assert (found.amount, found.by_weight, found.unexplained) == (270, 140, 130)
    with pytest.raises(InvalidInput):
        compare_freight(estimate, -1)


def test_differences_add_up_by_service() -> None:
    """Totals keep services and currencies apart and tell the difference over the estimate."""
    rows = [
        FreightDifference("a", "EUR", 1_000, 1_100, 40, 60),
        FreightDifference("b", "EUR", 500, 500, 0, 0),
        FreightDifference("a", "EUR", 1_000, 1_050, 0, 50),
    ]
    first, second = sum_differences(rows)
    assert (first.parcels, first.estimated, first.billed) == (2, 2_000, 2_150)
    assert (first.unexplained, first.off_ppm, second.off_ppm) == (110, 75_000, 0)


def test_a_score_is_the_weighted_sum_of_its_parts() -> None:
    """The cheaper carrier gets all of cost, the faster one all of time; points are out of a million."""
    cheap = CarrierRecord("cheap", "EUR", 100, 40_000, 400, 90, 10, 2)
    fast = CarrierRecord("fast", "EUR", 200, 160_000, 400, 198, 2, 0)
    best, other = score_carriers([cheap, fast])
    assert (best.service, other.service) == ("cheap", "fast")
    assert [part.grade for part in best.parts] == [1_000_000, 500_000, 900_000, 900_000, 980_000]
    assert [part.grade for part in other.parts] == [500_000, 1_000_000, 990_000, 990_000, 1_000_000]
    assert best.points == 400_000 + 150_000 + 135_000 + 90_000 + 49_000
    assert best.points == sum(part.points for part in best.parts)
    hurried = ScoreWeights(cost=100_000, time=600_000)
    assert score_carriers([cheap, fast], hurried)[0].service == "fast"


def test_scores_that_cannot_be_compared_are_refused() -> None:
    """Two currencies, no parcels, more lost than sent, weights that do not add up: each names its path."""
    row = CarrierRecord("a", "EUR", 1, 1, 1, 1)
    for records, path in (
        ([row, CarrierRecord("b", "USD", 1, 1, 1, 1)], "records[1].currency"),
        ([CarrierRecord("a", "EUR", 0, 1, 1, 0)], "records[0].parcels"),
        ([CarrierRecord("a", "EUR", 1, 1, 1, 1, 0, 2)], "records[0]"),
    ):
        with pytest.raises(InvalidInput) as caught:
            score_carriers(records)
        assert caught.value.path == path
    with pytest.raises(InvalidPolicy):
        score_carriers([row], ScoreWeights(cost=1))


@given(st.lists(st.tuples(st.integers(1, 99), *[st.integers(0, 999)] * 2), min_size=1, max_size=6))
def test_no_score_is_above_a_million(rows: list[tuple[int, int, int]]) -> None:
    """Points stay within their scale, and the best of cost has the full grade."""
    records = [
        CarrierRecord(str(place), "EUR", parcels, cost, days, parcels)
        for place, (parcels, cost, days) in enumerate(rows)
    ]
    found = score_carriers(records)
    assert all(0 <= score.points <= 1_000_000 for score in found)
    assert max(score.parts[0].grade for score in found) == 1_000_000
