"""Working hours: what a time of the day means where a clock is set, and that adding and measuring agree."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, date, datetime, time, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ordercore.calendar import (
    DAYS_MAX,
    Weekday,
    WorkingHours,
    add_working,
    local_moment,
    working_time,
    zone_of,
)
from ordercore.errors import InvalidInput

HOUR = timedelta(hours=1)
ZERO = timedelta(0)
ALL_WEEK = tuple(Weekday)
BERLIN = WorkingHours("Europe/Berlin")
NIGHT = WorkingHours("Europe/Berlin", ALL_WEEK, time(0), time(0))
SPRING, AUTUMN = date(2026, 3, 29), date(2026, 10, 25)
"""The Sundays on which the clocks of Berlin are set: 02:00 becomes 03:00, and 03:00 becomes 02:00."""


def berlin(day: date, hour: int, minute: int = 0) -> datetime:
    """A moment by the clocks of Berlin."""
    return local_moment(day, time(hour, minute), "Europe/Berlin")


# --- Where a clock is set --------------------------------------------------------------------


@pytest.mark.parametrize("minute", [0, 1, 30, 59])
def test_a_time_in_the_gap_is_the_first_moment_after_it(minute: int) -> None:
    """At 02:30 on the day the clocks go forward it is three o'clock: 01:00 UTC."""
    assert berlin(SPRING, 2, minute) == datetime(2026, 3, 29, 1, tzinfo=UTC) == berlin(SPRING, 3)
    assert berlin(SPRING, 1, 59) == datetime(2026, 3, 29, 0, 59, tzinfo=UTC)


def test_a_time_in_the_fold_is_the_first_of_the_two() -> None:
    """At 02:30 on the day the clocks go back it is 00:30 UTC, not 01:30."""
    assert berlin(AUTUMN, 2, 30) == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    assert berlin(AUTUMN, 3) == datetime(2026, 10, 25, 2, tzinfo=UTC)


def test_a_gap_of_half_an_hour_ends_where_it_ends() -> None:
    """Lord Howe Island sets its clocks by thirty minutes: 02:15 is 02:30 there."""
    found = local_moment(date(2026, 10, 4), time(2, 15), "Australia/Lord_Howe")
    assert found == local_moment(date(2026, 10, 4), time(2, 30), "Australia/Lord_Howe")
    assert found == datetime(2026, 10, 3, 15, 30, tzinfo=UTC)


def test_a_gap_of_a_whole_day_ends_on_the_next_day() -> None:
    """Samoa skipped 30 December 2011: any time of it is the first moment of the 31st."""
    gone, after = date(2011, 12, 30), date(2011, 12, 31)
    for hour in (0, 9, 23):
        found = local_moment(gone, time(hour), "Pacific/Apia")
        assert found == local_moment(after, time(0), "Pacific/Apia")
    shop = WorkingHours("Pacific/Apia", ALL_WEEK)
    start = local_moment(date(2011, 12, 29), time(9), "Pacific/Apia")
    assert add_working(start, 10 * HOUR, shop) == local_moment(after, time(10), "Pacific/Apia")


def test_a_working_day_with_a_step_of_the_clock_has_its_real_length() -> None:
    """By day and night, the day of spring has 23 hours and that of autumn 25."""
    for day, hours in ((SPRING, 23), (AUTUMN, 25), (date(2026, 6, 1), 24)):
        start, end = berlin(day, 0), berlin(day + timedelta(days=1), 0)
        assert working_time(start, end, NIGHT) == hours * HOUR == end - start
        assert add_working(start, hours * HOUR, NIGHT) == end


def test_working_hours_inside_the_gap_are_none() -> None:
    """Who works from 02:00 to 03:00 does not work on the day that skips the hour."""
    early = WorkingHours("Europe/Berlin", ALL_WEEK, time(2), time(3))
    day = timedelta(days=1)
    assert working_time(berlin(SPRING, 0), berlin(SPRING + day, 0), early) == ZERO
    assert add_working(berlin(SPRING, 0), HOUR, early) == berlin(SPRING + day, 3)
    assert working_time(berlin(AUTUMN, 0), berlin(AUTUMN + day, 0), early) == 2 * HOUR


# --- Adding and measuring ----------------------------------------------------------------------

MOMENTS = st.datetimes(
    datetime(2024, 1, 1),  # noqa: DTZ001 - Hypothesis wants naive bounds beside the zone
    datetime(2031, 1, 1),  # noqa: DTZ001
    timezones=st.just(UTC),
)
SPANS = st.timedeltas(min_value=-60 * HOUR, max_value=60 * HOUR)


@st.composite
def calendars(draw: st.DrawFn) -> WorkingHours:
    """Working hours of any sort, in zones with and without steps of the clock."""
    zones = ["UTC", "Asia/Shanghai", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"]
    opens, closes = sorted(draw(st.sets(st.integers(0, 24), min_size=2, max_size=2)))
    return WorkingHours(
        draw(st.sampled_from(zones)),
        tuple(draw(st.sets(st.sampled_from(ALL_WEEK), min_size=1))),
        time(opens),
        time(closes % 24),
        tuple(draw(st.lists(st.dates(date(2024, 1, 1), date(2031, 1, 1)), max_size=5))),
    )


@given(MOMENTS, SPANS, calendars())
def test_measuring_undoes_adding(start: datetime, span: timedelta, hours: WorkingHours) -> None:
    """Between a moment and the end of a span of working time lies that span, forward and back."""
    end = add_working(start, span, hours)
    assert working_time(start, end, hours) == span
    assert (end >= start) is (span >= ZERO)
    assert end.tzinfo is UTC


@given(MOMENTS, SPANS.map(abs), SPANS.map(abs), calendars())
def test_spans_add_up(
    start: datetime, one: timedelta, other: timedelta, hours: WorkingHours
) -> None:
    """Waiting twice ends where waiting for both at once does."""
    stepwise = add_working(add_working(start, one, hours), other, hours)
    assert stepwise == add_working(start, one + other, hours)


@given(MOMENTS, MOMENTS, MOMENTS, calendars())
def test_measured_parts_add_up(
    one: datetime, two: datetime, three: datetime, hours: WorkingHours
) -> None:
    """The working time of a whole is that of its parts, never more than the time itself, never less than none."""
    first, middle, last = sorted((one, two, three))
    whole = working_time(first, last, hours)
    assert whole == working_time(first, middle, hours) + working_time(middle, last, hours)
    assert ZERO <= whole <= last - first
    assert working_time(last, first, hours) == -whole


def test_a_ticket_of_friday_evening_is_due_in_the_next_week() -> None:
    """Four hours from Friday 16:00, with Monday a holiday: Tuesday at 11:00."""
    shop = WorkingHours("Europe/Berlin", holidays=(date(2026, 5, 25),))
    assert add_working(berlin(date(2026, 5, 22), 16), 4 * HOUR, shop) == berlin(
        date(2026, 5, 26), 11
    )
    assert add_working(berlin(date(2026, 5, 26), 11), -4 * HOUR, shop) == berlin(
        date(2026, 5, 22), 16
    )


@given(
    st.datetimes(datetime(1950, 1, 1), datetime(1999, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    MOMENTS,
    calendars(),
)
def test_far_moments_are_measured_as_their_parts(
    first: datetime, last: datetime, hours: WorkingHours
) -> None:
    """Between moments further apart than days are counted one by one lies what lies in the years between."""
    found, begin = ZERO, first
    while begin < last:
        end = min(begin + timedelta(days=7_000), last)
        found += working_time(begin, end, hours)
        begin = end
    assert working_time(first, last, hours) == found
    assert working_time(last, first, hours) == -found


def test_the_whole_calendar_is_measured() -> None:
    """From the first year to the last one takes a bounded while; of whole weeks five days of seven are weekdays."""
    first, last = datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC)
    always = WorkingHours("UTC", ALL_WEEK, time(0), time(0))
    assert working_time(first, last, always) == last - first
    last = datetime(2500, 1, 1, tzinfo=UTC)
    weekdays = working_time(first, last, WorkingHours("UTC", ALL_WEEK[:5], time(0), time(0)))
    assert abs(7 * weekdays - 5 * (last - first)) < timedelta(days=14)


def test_a_moment_at_the_edge_of_the_calendar_is_refused_by_its_name() -> None:
    """Where a zone's clock would show a year that is none, the error names the moment that is meant."""
    first, last = datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, tzinfo=UTC)
    for zone, path in (("America/New_York", "start"), ("Asia/Shanghai", "end")):
        with pytest.raises(InvalidInput, match="beyond the calendar") as caught:
            working_time(first, last, WorkingHours(zone))
        assert caught.value.path == path


def test_a_span_ends_when_the_day_does() -> None:
    """Nine hours from the opening end at the closing of the same day, and nothing to wait for is at once."""
    monday = berlin(date(2026, 6, 1), 9)
    assert add_working(monday, 9 * HOUR, BERLIN) == berlin(date(2026, 6, 1), 18)
    sunday = berlin(date(2026, 5, 31), 12)
    assert add_working(sunday, ZERO, BERLIN) == sunday


def test_a_moment_of_any_zone_is_taken() -> None:
    """The start may be told in another zone than the shop's: the answer is in UTC."""
    start = datetime(2026, 6, 1, 15, tzinfo=timezone(8 * HOUR))  # 09:00 in Berlin
    assert add_working(start, HOUR, BERLIN) == datetime(2026, 6, 1, 8, tzinfo=UTC)


# --- What cannot be --------------------------------------------------------------------------


def test_hours_that_never_come_end_the_search() -> None:
    """Where holidays take every day, or the span is too long, the search ends with an error and not never."""
    sundays = WorkingHours("UTC", (Weekday.SUNDAY,), time(9), time(10))
    start = datetime(2026, 6, 1, tzinfo=UTC)
    with pytest.raises(InvalidInput, match=f"{DAYS_MAX} days do not suffice"):
        add_working(start, 2_000 * HOUR, sundays)
    with pytest.raises(InvalidInput, match="too few"):
        sundays.check(span=2_000 * HOUR)
    with pytest.raises(InvalidInput, match="beyond the calendar"):
        add_working(datetime(9999, 12, 30, tzinfo=UTC), 100 * HOUR, sundays)
    with pytest.raises(InvalidInput, match="beyond the calendar"):
        local_moment(date(1, 1, 1), time(0), "Asia/Shanghai")


@given(calendars(), st.timedeltas(ZERO, timedelta(days=400)), MOMENTS)
def test_hours_that_pass_the_check_suffice(
    hours: WorkingHours, span: timedelta, start: datetime
) -> None:
    """What `check` lets through never runs out of days."""
    try:
        hours.check(span=span)
    except InvalidInput:
        return
    assert add_working(start, span, hours) >= start


@pytest.mark.parametrize(
    ("hours", "path"),
    [
        (WorkingHours("Europe/Atlantis"), "hours.zone"),
        (WorkingHours("../etc/passwd"), "hours.zone"),
        (WorkingHours(""), "hours.zone"),
        (WorkingHours(["UTC"]), "hours.zone"),  # type: ignore[arg-type]
        (WorkingHours(days=()), "hours.days"),
        (WorkingHours(days=("monday",)), "hours.days"),  # type: ignore[arg-type]
        (WorkingHours(days=(Weekday.MONDAY, Weekday.MONDAY)), "hours.days"),
        (WorkingHours(opens=time(9, tzinfo=UTC)), "hours.opens"),
        (WorkingHours(opens="09:00"), "hours.opens"),  # type: ignore[arg-type]
        (WorkingHours(opens=time(18), closes=time(9)), "hours.closes"),
        (WorkingHours(opens=time(9), closes=time(9)), "hours.closes"),
        (WorkingHours(holidays=(datetime(2026, 1, 1, tzinfo=UTC),)), "hours.holidays[0]"),
        (WorkingHours(holidays=(date(2026, 1, 1),) * 1_001), "hours.holidays"),
    ],
    ids=[
        "zone", "file", "no zone", "no text", "no day", "text", "twice", "zoned", "no time",
        "backwards", "no length", "no date", "too many",
    ],
)  # fmt: skip
def test_hours_that_cannot_be_are_refused(hours: WorkingHours, path: str) -> None:
    """The error names what is wrong by its path."""
    with pytest.raises(InvalidInput) as caught:
        hours.check()
    assert caught.value.path == path
    BERLIN.check(span=48 * HOUR)
    NIGHT.check(span=timedelta(days=365))


@pytest.mark.parametrize("moment", [datetime(2026, 6, 1), date(2026, 6, 1), None])  # noqa: DTZ001
def test_a_moment_without_zone_is_refused(moment: Any) -> None:
    """A naive time names no moment, so nothing is reckoned from it."""
    with pytest.raises(InvalidInput, match="a time needs a zone"):
        add_working(moment, HOUR, BERLIN)
    with pytest.raises(InvalidInput, match="a time needs a zone"):
        working_time(moment, datetime(2026, 6, 1, tzinfo=UTC), BERLIN)


def test_a_machine_without_zones_is_told_what_to_install() -> None:
    """Without a database of zones the error names the package to install, and UTC still works."""
    code = (
        "import zoneinfo; zoneinfo.reset_tzpath([]); import sys; sys.modules['tzdata'] = None\n"
        "from ordercore.calendar import zone_of\n"
        "print(zone_of('UTC'))\n"
        "try: zone_of('Europe/Berlin')\n"
        "except Exception as error: print(type(error).__name__, error)\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert run.stdout.splitlines() == [
        "UTC",
        "InvalidInput this machine has no database of time zones: install the package tzdata (at zone)",
    ]
    assert zone_of("Europe/Berlin") is zone_of("Europe/Berlin")
