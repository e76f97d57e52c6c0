from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest

from ordercore.clock import SettableClock, SystemClock, utc
from ordercore.errors import InvalidInput

NOON = datetime(2026, 5, 20, 12, tzinfo=UTC)
BEIJING = timezone(timedelta(hours=8))


def test_the_system_clock_tells_utc() -> None:
    """The machine's time is aware, in UTC, and does not run backwards between two looks."""
    clock = SystemClock()
    first, second = clock.now(), clock.now()
    assert first.tzinfo is UTC
    assert second >= first


def test_a_settable_clock_stands_still() -> None:
    """It moves when it is told to, forward or back, and tells where it is."""
    clock = SettableClock(NOON)
    assert clock.now() == clock.now() == NOON
    assert clock.advance(timedelta(minutes=30)) == NOON + timedelta(minutes=30) == clock.now()
    clock.set(NOON)
    assert clock.now() == NOON


def test_a_moment_of_any_zone_becomes_utc() -> None:
    """Eight in the evening in Beijing is noon in UTC: the same moment, told in UTC."""
    found = utc(datetime(2026, 5, 20, 20, tzinfo=BEIJING))
    assert found == NOON
    assert found.tzinfo is UTC
    assert SettableClock(datetime(2026, 5, 20, 20, tzinfo=BEIJING)).now().tzinfo is UTC


@pytest.mark.parametrize(
    "moment",
    [datetime(2026, 5, 20, 12), date(2026, 5, 20), "2026-05-20", 0, None],  # noqa: DTZ001
    ids=["naive", "date", "text", "number", "none"],
)
def test_what_names_no_moment_is_refused(moment: Any) -> None:
    """A naive time, a day, a text: none says when; the error has the path and the fix."""
    with pytest.raises(InvalidInput, match="a time needs a zone") as caught:
        utc(moment, "paid_at")
    assert caught.value.path == "paid_at"
    with pytest.raises(InvalidInput) as caught:
        SettableClock(moment)
    assert caught.value.path == "start"
