"""Parcels as values: what news makes of them, in whatever order it comes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from ordercore.fulfillment import (
    TRACKED,
    TRAIL_MAX,
    Delivery,
    Parcel,
    ParcelState,
    ParcelTracked,
    Shipment,
    Shipped,
    TrackPoint,
    merged,
)
from ordercore.fulfillment.delivery import FOLDS
from ordercore.goods import Manifest

if TYPE_CHECKING:
    from ordercore.event import Event

NOON = datetime(2026, 5, 20, 12, 0, tzinfo=UTC)
ONE = Manifest.of({"1": 1})
LEFT = Shipped(Shipment("p", ONE, "post", "A1", NOON))

points = st.builds(
    TrackPoint,
    st.integers(0, 5).map(lambda hours: NOON + timedelta(hours=hours)),
    st.sampled_from(TRACKED),
    st.sampled_from(["", "Shanghai"]),
    code=st.sampled_from(["", "a", "b"]),
)


def after(*events: Event) -> Parcel:
    """The parcel after these events."""
    delivery = Delivery(parcels=(Parcel("p", ONE),))
    for event in events:
        delivery = FOLDS[type(event)](delivery, event)
    return delivery.parcels[0]


def told(*news: TrackPoint) -> ParcelTracked:
    """One notification."""
    return ParcelTracked("p", news)


@given(st.lists(points, max_size=8), st.data())
def test_l10_any_order_of_the_same_news_ends_in_the_same_parcel(
    news: list[TrackPoint], data: st.DataObject
) -> None:
    """Points in any order, some twice, one by one or together, before the parcel left or after it: one standing."""
    shuffled = data.draw(st.permutations(news))
    again = data.draw(st.lists(st.sampled_from(news), max_size=3)) if news else []
    place = data.draw(st.integers(0, len(shuffled)))
    events: list[Event] = [told(point) for point in [*shuffled, *again]]
    events.insert(place, LEFT)
    assert after(*events) == after(LEFT, told(*news))


def test_the_latest_point_says_where_a_parcel_stands() -> None:
    """An old letter that comes late changes nothing but the trail."""
    early = TrackPoint(NOON, ParcelState.IN_TRANSIT)
    late = TrackPoint(NOON + timedelta(hours=2), ParcelState.DELIVERED)
    parcel = after(LEFT, told(late), told(early))
    assert (parcel.state, parcel.trail) == (ParcelState.DELIVERED, (early, late))


def test_of_two_points_of_one_moment_the_weightier_counts() -> None:
    """Scanned out for delivery and delivered in the same second, it is delivered."""
    both = [TrackPoint(NOON, s) for s in (ParcelState.DELIVERED, ParcelState.OUT_FOR_DELIVERY)]
    assert after(LEFT, told(both[0]), told(both[1])).state is ParcelState.DELIVERED
    assert after(LEFT, told(both[1]), told(both[0])).state is ParcelState.DELIVERED


def test_the_same_moment_in_another_zone_is_the_same_point() -> None:
    """Noon in London and eight in the evening in Shanghai are one moment."""
    here = TrackPoint(NOON, ParcelState.IN_TRANSIT)
    there = TrackPoint(NOON.astimezone(timezone(timedelta(hours=8))), ParcelState.IN_TRANSIT)
    assert len(merged((here,), (there,))) == 1


def test_a_parcel_that_has_not_left_stands_where_the_warehouse_says() -> None:
    """News of a number that is printed already is kept, and counts once the parcel has left."""
    parcel = after(told(TrackPoint(NOON, ParcelState.IN_TRANSIT)))
    assert (parcel.state, len(parcel.trail)) == (ParcelState.PLANNED, 1)
    assert after(told(TrackPoint(NOON, ParcelState.IN_TRANSIT)), LEFT).state is (
        ParcelState.IN_TRANSIT
    )


def test_a_trail_is_bounded_and_a_delivery_is_not_forgotten() -> None:
    """Of a parcel that is scanned for ever the latest points are kept, and when it was first delivered."""
    minutes = timedelta(minutes=1)
    news = [TrackPoint(NOON, ParcelState.DELIVERED)]
    news += [
        TrackPoint(NOON + n * minutes, ParcelState.IN_TRANSIT) for n in range(1, 2 * TRAIL_MAX)
    ]
    parcel = after(LEFT, told(*news))
    assert len(parcel.trail) == TRAIL_MAX
    assert parcel.delivered_at == NOON
    assert after(LEFT, *[told(point) for point in reversed(news)]) == parcel
