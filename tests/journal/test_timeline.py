"""The picture of the journal: readable, deterministic, safe to put into a page."""

from __future__ import annotations

import re
from itertools import pairwise
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.journal.histories import (
    PERSONAL,
    STANDARD,
    handled,
    histories,
    recorded_of,
    split_off,
    with_every_event,
)
from tests.stored import paid

from ordercore.event import Event
from ordercore.journal import journal_of, svg, what
from ordercore.journal.timeline import _cut, _mark, _width, _wrapped
from ordercore.order import AddNote
from ordercore.tender import AttemptState, RefundStatus
from ordercore.tender.events import FOLDS as PAYMENT_EVENTS
from ordercore.tender.events import (
    AttemptAnswered,
    ChargedBack,
    CompensationAnswered,
    MoneyHeld,
    RefundSent,
    Remitted,
)
from ordercore.testing import START, Story, stories

SPACE = "{http://www.w3.org/2000/svg}"
EDGES = (20, 170, 480, 815, 1_110)
"""Where the axis begins and where each column ends."""


def boxes(picture: str) -> list[tuple[int, int, int, int, str]]:
    """Each text's left, top, right and bottom, by the widths that the layout counts with."""
    found = []
    for text in ET.fromstring(picture).iter(f"{SPACE}text"):
        words, size = text.text or "", int(text.attrib["font-size"])
        x, y = int(text.attrib["x"]), int(text.attrib["y"])
        wide = _width(words) * max(size, 12) // 12
        left = x - wide if text.get("text-anchor") == "end" else x
        found.append((left, y - size, left + wide, y + 3, words))
    return found


def check(picture: str) -> None:
    """No text lies upon another, and none leaves its column or the picture."""
    root = ET.fromstring(picture)
    width, height = (int(root.attrib[name]) for name in ("width", "height"))
    placed = sorted(boxes(picture), key=lambda box: (box[1], box[0]))
    for place, (left, top, right, bottom, words) in enumerate(placed):
        assert left >= 0, words
        assert right <= width, words
        assert bottom <= height, words
        if top > 70:
            ends = [end for end in EDGES if end > left]
            assert right <= ends[0], words
        for other in placed[place + 1 :]:
            if other[1] >= bottom:
                break
            assert other[0] >= right or other[2] <= left, (words, other[4])


@given(stories() | histories())
def test_no_text_lies_upon_another(story: Story) -> None:
    """Whatever happened to an order, its picture can be read."""
    check(svg(journal_of(recorded_of(story), STANDARD)))


def test_a_long_life_can_be_read() -> None:
    """A history with every event in it can be read, in English and in Chinese."""
    journal = journal_of(with_every_event(), STANDARD)
    assert len(journal) > 100
    for told in (journal, journal_of(split_off("value"), STANDARD)):
        for locale in ("en", "zh_CN"):
            check(svg(told, locale))


def test_money_that_takes_its_own_way_can_be_read() -> None:
    """Parts, refunds by another way, fees and grants stand in the lane of money; what moved is filled."""
    for told in (paid.held_story(), paid.presale_story(), paid.late_story(), paid.till_story()):
        journal = journal_of([one for change in told for one in change.recorded()])
        for locale in ("en", "zh_CN"):
            picture = svg(journal, locale)
            check(picture)
        column = {words: left for left, *_, words in boxes(svg(journal))}
        for entry in journal:
            if type(entry.event) in PAYMENT_EVENTS:
                first = _wrapped(what(journal, entry), 284)[0]
                assert 480 < column[first] < 815, first


@pytest.mark.parametrize(
    ("event", "color", "filled"),
    [
        (AttemptAnswered("a", AttemptState.AUTHORIZED), "#2f855a", False),
        (AttemptAnswered("a", AttemptState.AUTHORIZED, amount=5, moved=5), "#2f855a", True),
        (CompensationAnswered("c", RefundStatus.ARRIVED), "#c05621", True),
        (RefundSent((("r", 0),), START), "#c05621", False),
        (ChargedBack("a", 5), "#c53030", True),
        (MoneyHeld("a", 5), "#c53030", True),
        (Remitted("a", 5), "#2f855a", True),
    ],
)
def test_a_mark_says_whether_money_moved(event: Event, color: str, *, filled: bool) -> None:
    """A filled mark is money that moved, or something that somebody must see; one that is not, what was asked."""
    assert _mark(event) == (color, filled)


def test_the_lanes_tell_states_money_and_goods() -> None:
    """States stand in the first lane in their colors, money in the second, goods in the third."""
    story = handled()
    from ordercore.tender.tenders import Channel

    story.pay(Channel("card"))
    story.ship(carrier="DHL")
    picture = svg(journal_of(recorded_of(story), STANDARD))
    column = {words: left for left, *_, words in boxes(picture)}
    assert column["Paid"] < 480 < column["card: CN¥28.00 taken."] < 815
    assert column["Left: 2 × Tea <green>, 1 × CUP."] > 815
    for state in ("pending_payment", "paid", "awaiting_shipment", "shipped"):
        assert f'fill="{STANDARD.state(state).color}"' in picture
    assert picture.count("<rect") == 5


@given(histories())
def test_time_runs_down(story: Story) -> None:
    """What happened later stands lower."""
    picture = svg(journal_of(recorded_of(story), STANDARD))
    times = [
        (top, words)
        for left, top, _, _, words in boxes(picture)
        if left == 20 and re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", words)
    ]
    assert times
    for (above, earlier), (below, later) in pairwise(times):
        assert above < below
        assert earlier <= later


def test_the_same_journal_gives_the_same_picture() -> None:
    """Nothing but the journal goes into a picture."""
    first, second = (svg(journal_of(with_every_event(), STANDARD)) for _ in range(2))
    assert first == second


def test_nothing_personal_is_in_the_picture() -> None:
    """No name, address, account, contact or internal note is drawn, tooltips included."""
    assert PERSONAL not in svg(journal_of(with_every_event(), STANDARD))


@given(st.text(min_size=1, max_size=80))
def test_what_people_wrote_is_text_only(words: str) -> None:
    """Whatever a note holds, the picture is well-formed XML without scripts, links or foreign elements."""
    story = handled()
    note = f"{words}</text><script>alert(1)</script>"
    try:
        story.send(AddNote(note, shown=True))
    except ValueError:
        return
    root = ET.fromstring(svg(journal_of(recorded_of(story), STANDARD)).encode())
    assert {element.tag.removeprefix(SPACE) for element in root.iter()} <= {
        "svg", "title", "rect", "text", "line", "circle", "g",
    }  # fmt: skip


def test_a_host_color_that_is_none_is_not_drawn() -> None:
    """Without its lifecycle a journal is drawn in a plain color."""
    assert 'fill="#eef1f5"' in svg(journal_of(recorded_of(handled())))


@given(st.text(max_size=300), st.integers(60, 400))
def test_lines_fit_their_lane(words: str, width: int) -> None:
    """A wrapped line is never wider than its lane, and there are four at most."""
    lines = _wrapped(words, width)
    assert 1 <= len(lines) <= 4
    assert all(_width(line) <= width for line in lines)
    assert _width(_cut(words, width)) <= width


@given(st.lists(st.text("abcdefgh", min_size=1, max_size=9), max_size=12))
def test_wrapping_loses_no_word(words: list[str]) -> None:
    """What fits in four lines is all there, word by word."""
    lines = _wrapped(" ".join(words), 300)
    assert " ".join(lines).split() == words
