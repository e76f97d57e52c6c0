from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ordercore.calendar import Weekday
from ordercore.errors import InvalidInput, InvalidPolicy
from ordercore.fulfillment.carriage import Rate, Service, Trait, WeightStep, Zone
from ordercore.fulfillment.item import Item
from ordercore.fulfillment.source import Place, Source, great_circle
from ordercore.goods import LineId, Sku
from ordercore.party import Destination

PLACES = st.builds(
    Place, st.integers(-90_000_000, 90_000_000), st.integers(-180_000_000, 180_000_000)
)
EARLY = Service("early", (Rate(Zone("z"), (WeightStep(1, 1),)),), "EUR", cutoff=time(12))


@pytest.mark.parametrize(
    ("now", "handling", "days"),
    [
        (datetime(2026, 5, 20, 13, 59, tzinfo=UTC), 0, 0),  # Wednesday, 15:59 in Berlin
        (datetime(2026, 5, 20, 14, 0, 1, tzinfo=UTC), 0, 1),
        (datetime(2026, 5, 20, 13, 59, tzinfo=UTC), 2, 2),
        (datetime(2026, 5, 22, 13, 59, tzinfo=UTC), 1, 3),  # Friday: Monday packs on
        (datetime(2026, 5, 22, 14, 1, tzinfo=UTC), 0, 3),
        (datetime(2026, 5, 23, 8, tzinfo=UTC), 0, 2),
        (datetime(2026, 5, 20, 22, 30, tzinfo=UTC), 0, 0),  # it is Thursday in Berlin
    ],
)
def test_goods_leave_after_cutoff_days_off_and_handling(
    now: datetime, handling: int, days: int
) -> None:
    """Days are counted by the source's own clock, from the local day of the order."""
    source = Source("W", zone="Europe/Berlin", handling_days=handling)
    assert source.wait_days(now) == days


def test_the_earlier_cutoff_counts() -> None:
    """A carrier that collects at noon misses what is ordered at one."""
    source = Source("W")
    now = datetime(2026, 5, 20, 13, tzinfo=UTC)
    assert (source.wait_days(now), source.wait_days(now, EARLY)) == (0, 1)
    assert source.ships_on(now, EARLY) == "2026-05-21"


@given(
    st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    st.sets(st.sampled_from(list(Weekday)), min_size=1),
    st.integers(0, 9),
)
def test_goods_leave_on_a_working_day(now: datetime, days: set[Weekday], handling: int) -> None:
    """The day they leave is one of the source's, with as many others before it as handling takes."""
    week = list(Weekday)
    worked = tuple(day for day in week if day in days)
    source = Source("W", days=worked, handling_days=handling)
    waited = source.wait_days(now)
    first = 1 if now.time() > source.cutoff else 0
    between = [
        day
        for day in range(first, waited + 1)
        if week[(now.date() + timedelta(days=day)).weekday()] in days
    ]
    assert len(between) == handling + 1
    assert between[-1] == waited
    assert date.fromisoformat(source.ships_on(now)) == now.date() + timedelta(days=waited)


def test_a_time_without_a_zone_is_refused() -> None:
    """Nobody knows when a naive time is."""
    with pytest.raises(InvalidInput, match="zone"):
        Source("W").wait_days(datetime(2026, 5, 20, 12))  # noqa: DTZ001


@given(PLACES, PLACES)
def test_distances_are_the_same_both_ways(one: Place, other: Place) -> None:
    """A distance is at most half the way around, the same there and back, and none to oneself."""
    there = great_circle(one, other)
    assert 0 <= there <= 20_015_200
    assert there == great_circle(other, one)
    assert great_circle(one, one) == 0


def test_a_degree_of_latitude_is_111_kilometers() -> None:
    """A quarter of the way around is 10,007.557 km on the mean sphere; a degree is a ninetieth of it."""
    assert great_circle(Place(0, 0), Place(90_000_000, 0)) == 10_007_557
    assert great_circle(Place(50_000_000, 0), Place(51_000_000, 0)) == 111_195


def test_a_source_says_why_it_does_not_serve() -> None:
    """Foreign countries and refused goods have a reason; the rest has none."""
    source = Source("W", countries=("DE", "AT"), refuses=(Trait("battery"),))
    phone = Item(LineId("1"), Sku("PHONE"), 1, attributes=(("battery", "lithium"),))
    assert source.why_not(Destination("US")) == "does not ship to US"
    assert source.why_not(Destination("DE"), (phone,)) == "sends no goods with battery"
    assert source.why_not(Destination("DE"), (Item(LineId("1"), Sku("BOOK"), 1),)) == ""


@pytest.mark.parametrize(
    ("source", "path"),
    [
        (Source(""), "source.id"),
        (Source("W", "Germany"), "source.country"),
        (Source("W", countries=("DE", "de")), "source.countries[1]"),
        (Source("W", place=Place(91_000_000, 0)), "source.place.latitude"),
        (Source("W", capacity=-1), "source.capacity"),
        (Source("W", zone="Berlin"), "source.zone"),
        (Source("W", cutoff=time(1, tzinfo=UTC)), "source.cutoff"),
        (Source("W", days=()), "source.days"),
        (Source("W", handling_days=99), "source.handling_days"),
    ],
)
def test_a_wrong_source_is_refused_with_its_path(source: Source, path: str) -> None:
    """What cannot be reckoned with is found before anything is routed."""
    with pytest.raises((InvalidPolicy, InvalidInput)) as caught:
        source.check()
    assert caught.value.path == path
