"""Times at the edges of the calendar: what is written is read back, what is not is refused before."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ordercore.codec import decode_event, encode_event, micros, moment
from ordercore.errors import InvalidInput
from ordercore.tender.events import ChargedBack

EDGES = [
    "0001-01-01T00:00:00+14:00",
    "0001-01-01T00:00:00+00:01",
    "9999-12-31T23:59:59-12:00",
    "9999-12-31T23:59:59.999999-00:01",
]


def told(at: datetime) -> ChargedBack:
    """An event of this time."""
    return ChargedBack("ord_1/1", 5, 0, "d", at, "g", "EUR")


@pytest.mark.parametrize("text", EDGES)
def test_l23_a_time_beyond_the_calendar_is_refused_when_it_is_written(text: str) -> None:
    """It has a moment in its own zone, but none in UTC: nobody could read it back."""
    with pytest.raises(InvalidInput, match="calendar"):
        encode_event(told(datetime.fromisoformat(text)))


def test_l23_a_time_without_a_zone_is_refused_when_it_is_written() -> None:
    """It names no moment."""
    with pytest.raises(InvalidInput, match="zone"):
        encode_event(told(datetime(2026, 5, 20)))  # noqa: DTZ001


_ZONES = st.integers(-23 * 60, 23 * 60).map(lambda m: timezone(timedelta(minutes=m)))


@given(st.datetimes(timezones=_ZONES))
def test_l23_a_time_that_is_written_is_read_back(at: datetime) -> None:
    """Any time of any zone: written and read, or refused."""
    try:
        at.astimezone(UTC)
    except OverflowError:
        with pytest.raises(InvalidInput):
            micros(at)
        return
    assert moment(micros(at)) == at
    text = encode_event(told(at))
    assert decode_event(ChargedBack.name, ChargedBack.schema, text) == told(at)
