from __future__ import annotations

import re
from datetime import timedelta
from itertools import combinations
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st
from statemachine import State, StateMachine
from tests.lifecycle.documents import small

from ordercore.errors import InvalidLifecycle
from ordercore.lifecycle import (
    BoundGuard,
    EventInfo,
    Lifecycle,
    Move,
    StateInfo,
    TimerAction,
    TimerRule,
    load_lifecycle,
    mermaid,
    outline,
    svg,
)
from ordercore.lifecycle.charts import BUILT_IN, built_in
from ordercore.lifecycle.charts.standard import NAME, StandardOrder
from ordercore.order import FACTS
from ordercore.party import ActorKind

SVG = "{http://www.w3.org/2000/svg}"
STANDARD = outline(StandardOrder, name=NAME)


class Tangle(StateMachine):
    """Each kind of line at once: loops, ways back, shortcuts, and a second column with its own."""

    validate_trap_states = False
    draft = State(initial=True)
    made = State("Being made")
    checked = State()
    sent = State()
    done = State(final=True)
    held = State("On hold")
    broken = State()
    lost = State("Lost & <found>")
    scrapped = State(final=True)
    make = draft.to(made, cond="x and not y")
    check = made.to(checked)
    dispatch = checked.to(sent)
    direct = checked.to(sent, cond="z")
    deliver = sent.to(done)
    rework = checked.to(made, cond="x") | sent.to(made, cond="x")
    skip = draft.to(sent, cond="x or (y and z)")
    poke = made.to.itself()
    hold = held.from_(draft, made, checked, sent)
    resume = held.to(made, unless="y")
    breaks = made.to(broken) | checked.to(broken)
    scrap = broken.to(scrapped) | held.to(scrapped, cond="x")
    lose = sent.to(lost)
    find = lost.to(sent)
    give_up = lost.to(scrapped)
    again = broken.to(held)


TANGLE = outline(Tangle)


def moves(lifecycle: Lifecycle[Any]) -> list[tuple[str, str, str]]:
    """List the moves as keys of counts."""
    return [
        (state, event, move.target)
        for state, row in lifecycle.table.items()
        for event, row_moves in row.items()
        for move in row_moves
    ]


@st.composite
def lifecycles(draw: st.DrawFn) -> Lifecycle[object]:
    """Any table at all, whether or not a chart would be so odd."""
    ids = [f"s{number}" for number in range(draw(st.integers(1, 8)))]
    names = draw(st.lists(st.text("aB &<\"'z", min_size=1, max_size=24), min_size=8, max_size=8))
    events = ("go", "come_back_again", "e")
    guard = BoundGuard("some_fact_with_a_name", wanted=draw(st.booleans()), fact=bool)
    move = st.builds(Move, st.sampled_from([(), (guard,)]), st.sampled_from(ids))
    row = st.dictionaries(st.sampled_from(events), move.map(lambda one: (one,)))
    states = tuple(
        StateInfo(state, name, final=draw(st.booleans()))
        for state, name in zip(ids, names, strict=False)
    )
    kinds = st.frozensets(st.sampled_from(ActorKind))
    about = tuple(EventInfo(event, event, {"": draw(kinds)}) for event in events)
    does = st.sampled_from(TimerAction)
    rule = st.builds(
        TimerRule,
        st.sampled_from(("remind", "a_long_name_for_a_timer")),
        does,
        st.lists(st.sampled_from(ids), min_size=1, max_size=3).map(tuple),
        after=st.just(timedelta(days=7)),
        sends=st.sampled_from(events),
    )
    return Lifecycle(
        "any",
        1,
        draw(st.sampled_from(ids)),
        states,
        {s: draw(row) for s in ids},
        events,
        about=about,
        timers=tuple(draw(st.lists(rule, max_size=3))),
    )


def words(picture: str) -> list[str]:
    """List the texts of a picture."""
    return [text.text or "" for text in ET.fromstring(picture).iter(f"{SVG}text")]


def titles(picture: str) -> list[str]:
    """List what a picture tells on hovering."""
    return [title.text or "" for title in ET.fromstring(picture).iter(f"{SVG}title")]


Box = tuple[float, float, float, float]


def label_boxes(picture: str) -> list[tuple[str, Box]]:
    """Where the labels of the lines stand, by the width of a common wide font."""
    found = []
    for text in ET.fromstring(picture).findall(f"{SVG}text"):
        size = int(text.attrib["font-size"])
        width = len(text.text or "") * size * 0.56
        x, y = int(text.attrib["x"]), int(text.attrib["y"])
        left = x - width if text.attrib.get("text-anchor") == "end" else x
        found.append((text.text or "", (left, y - size * 0.75, left + width, y + size * 0.2)))
    return found


def state_boxes(picture: str) -> list[Box]:
    """Tell where the states stand."""
    found: list[Box] = []
    for rect in ET.fromstring(picture).iterfind(f"{SVG}g/{SVG}rect"):
        x, y, width, height = (int(rect.attrib[key]) for key in ("x", "y", "width", "height"))
        found.append((x, y, x + width, y + height))
    return found


def touch(one: Box, other: Box) -> bool:
    """Tell whether two rectangles share a point."""
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def upright_lines(picture: str) -> list[tuple[float, float, float]]:
    """Each upright stretch of a line: x, top, bottom."""
    found: list[tuple[float, float, float]] = []
    for path in ET.fromstring(picture).iterfind(f"{SVG}g/{SVG}path"):
        x = y = 0
        for letter, arguments in re.findall(r"([MHVQ])([^MHVQ]*)", path.attrib["d"]):
            numbers = [int(number) for number in arguments.split()]
            if letter == "V":
                found.append((x, min(y, numbers[0]), max(y, numbers[0])))
                y = numbers[0]
            elif letter == "H":
                x = numbers[0]
            else:
                x, y = numbers[-2:]
    return found


def assert_readable(picture: str) -> None:
    """Hold that no label is covered and nothing leaves the picture."""
    labels = label_boxes(picture)
    boxes = state_boxes(picture)
    for text, place in labels:
        assert not [box for box in boxes if touch(place, box)], text
        crossed = [
            x for x, top, bottom in upright_lines(picture) if touch(place, (x, top, x, bottom))
        ]
        assert not crossed, text
    for (one, place), (other, its_place) in combinations(labels, 2):
        assert not touch(place, its_place), (one, other)
    frame = ET.fromstring(picture).attrib
    for left, top, right, bottom in [*boxes, *(place for _, place in labels)]:
        assert 0 <= left < right <= int(frame["width"])
        assert 0 <= top < bottom <= int(frame["height"])


def test_mermaid_has_each_state_and_each_move_with_its_guards() -> None:
    """The text is a state diagram with names for people, guards in brackets, and the ends."""
    lines = mermaid(STANDARD, plain=True).splitlines()

    assert lines[0] == "stateDiagram-v2"
    assert '    state "Awaiting shipment" as awaiting_shipment' in lines
    assert "    [*] --> pending_payment" in lines
    assert "    pending_payment --> paid: pay [paid_in_full]" in lines
    assert "    pending_payment --> closed: close [not money_in_flight]" in lines
    assert "    paid --> awaiting_shipment: accept" in lines
    assert "    closed --> [*]" in lines
    assert "    refunded --> [*]" in lines
    assert len([line for line in lines if " --> " in line]) == len(moves(STANDARD)) + 3


def timed() -> Lifecycle[Any]:
    """A lifecycle with senders and with timers of each sort, as a document has them."""
    document = small()
    document["states"]["placed"]["transitions"].append({"event": "close", "target": "canceled"})
    document["states"]["paid"]["transitions"].append({"event": "pack", "target": "paid"})
    document["events"] = {
        "cancel": {"by": ["customer", "staff"]},
        "receive": {"by": ["staff", "channel"]},
        "pack": {"by": ["staff"]},
    }
    document["timers"] = [
        {"does": "close", "states": ["placed"], "since": "pay_by"},
        {"name": "packed_late", "does": "escalate", "states": ["paid"], "after": "2 days"},
        {"does": "confirm", "states": ["sent"], "since": "shipped", "after": "7 days"},
    ]
    return load_lifecycle(document, FACTS)


def test_a_picture_tells_who_sends_what_and_when_time_does() -> None:
    """Senders and times stand below the event, and a timer that only tells stands in its state."""
    told = words(svg(timed()))

    assert "by customer, staff" in told
    assert "by staff, channel or 7 days after shipping" in told
    assert "at the deadline of payment" in told
    assert "packed late after 2 days" in told
    lines = mermaid(timed()).splitlines()
    assert "    sent --> done: receive by staff, channel or 7 days after shipping" in lines
    assert "    placed --> canceled: close at the deadline of payment" in lines
    assert "    note right of paid : packed late after 2 days" in lines


def test_what_time_alone_does_is_dashed() -> None:
    """Only the line of the time-out is dashed."""
    dashed = [
        group
        for group in ET.fromstring(svg(timed())).findall(f"{SVG}g")
        if any("stroke-dasharray" in path.attrib for path in group.findall(f"{SVG}path"))
    ]

    assert [group.findtext(f"{SVG}title") for group in dashed] == ["placed: close to canceled"]


def test_a_plain_picture_and_one_with_counts_leave_people_and_time_out() -> None:
    """A report of counts has no room for more."""
    counts = dict.fromkeys(moves(timed()), 1)
    for text in (mermaid(timed(), plain=True), mermaid(timed(), counts=counts)):
        assert " by " not in text
        assert "note" not in text
    for picture in (svg(timed(), plain=True), svg(timed(), counts=counts)):
        assert "dasharray" not in picture
        assert not [word for word in words(picture) if word.startswith("by ")]


def test_a_state_that_stays_where_it_is_has_a_loop() -> None:
    """A move from a state to itself leaves the state and comes back to it."""
    assert "    paid --> paid: pack by staff" in mermaid(timed()).splitlines()
    assert "paid: pack to paid" in titles(svg(timed()))


def test_the_main_line_goes_past_states_that_lie_aside() -> None:
    """A state that the line does not lead to stands in the second column, and the line goes on."""
    picture = svg(built_in("purchasing_agent", FACTS))
    left = min(box[0] for box in state_boxes(picture))

    assert len([box for box in state_boxes(picture) if box[0] == left]) == 8


@pytest.mark.parametrize("name", BUILT_IN)
def test_every_built_in_lifecycle_can_be_read_in_its_picture(name: str) -> None:
    """No label is covered, with eleven states and who sends what."""
    assert_readable(svg(built_in(name, FACTS)))


def test_mermaid_counts_stand_on_their_edges() -> None:
    """A move that was not counted was made no time."""
    text = mermaid(STANDARD, counts={("pending_payment", "pay", "paid"): 1204})

    assert "pending_payment --> paid: pay (1,204) [paid_in_full]\n" in text
    assert "paid --> awaiting_shipment: accept (0)\n" in text


def test_mermaid_does_not_take_a_state_for_a_word_of_its_own() -> None:
    """A state called as a keyword gets an underscore, and its name keeps its quotes."""

    class Words(StateMachine):
        state = State('The "first"', initial=True)
        end = State("No. #1", final=True)
        end_ = State("Other", final=True)
        go = state.to(end)
        leap = state.to(end_)

    text = mermaid(outline(Words))

    assert '    state "The #quot;first#quot;" as state_\n' in text
    assert '    state "No. #35;1" as end__\n' in text
    assert "    state_ --> end__: go\n" in text
    assert "    state_ --> end_: leap\n" in text


@pytest.mark.parametrize("lifecycle", [STANDARD, TANGLE], ids=repr)
def test_svg_has_each_state_and_each_move(lifecycle: Lifecycle[Any]) -> None:
    """Every state's name is written, every move is a line that tells what it is."""
    picture = svg(lifecycle)
    written = words(picture)

    for state in lifecycle.states:
        assert written.count(state.name) == 1
    told = "; ".join(titles(picture))
    for source, event, target in moves(lifecycle):
        assert re.search(rf"(^|; ){source}: {event} (\[[^;]*\] )?to {target}(;|$)", told)
    assert {event for _, event, _ in moves(lifecycle)} <= set(written)


@pytest.mark.parametrize("lifecycle", [STANDARD, TANGLE], ids=repr)
def test_svg_counts_stand_on_their_edges(lifecycle: Lifecycle[Any]) -> None:
    """Each count is written once, beside its line or in its label."""
    counts = {move: 1000 + number for number, move in enumerate(moves(lifecycle))}
    picture = svg(lifecycle, counts=counts, title="A year of orders")
    written = " ".join(words(picture))

    assert "A year of orders" in written
    for count in counts.values():
        assert len(re.findall(rf"\b{count:,}\b", written)) == 1


@pytest.mark.parametrize("draw", [mermaid, svg])
def test_a_count_of_no_move_is_refused(draw: Any) -> None:
    """A count that no line could show is an error, not left out."""
    with pytest.raises(InvalidLifecycle, match="'pay' from 'closed' to 'paid', which is no move"):
        draw(STANDARD, counts={("closed", "pay", "paid"): 1})


def test_one_count_serves_the_moves_that_share_it() -> None:
    """Two moves with one source, event and target differ by guards alone: the first has the count."""

    class Either(StateMachine):
        a = State(initial=True)
        b = State(final=True)
        go = a.to(b, cond="x") | a.to(b, cond="y")

    text = mermaid(outline(Either), counts={("a", "go", "b"): 5})

    assert "a --> b: go (5) [x]\n" in text
    assert "a --> b: go [y]\n" in text


def test_svg_stands_alone() -> None:
    """No script, no link, no font file, nothing fetched: only shapes and text."""
    picture = svg(TANGLE, counts={}, title='Orders & <more> "quoted"')
    tags = {element.tag.removeprefix(SVG) for element in ET.fromstring(picture).iter()}

    assert tags == {"svg", "title", "defs", "marker", "path", "rect", "circle", "text", "g"}
    assert "href" not in picture
    assert picture.count("http") == 1  # the name of the format
    assert words(picture)[0] == 'Orders & <more> "quoted"'


def test_svg_paints_states_in_their_colors() -> None:
    """The chart's colors are the picture's."""
    picture = svg(STANDARD)

    assert all(f'fill="{state.color}"' in picture for state in STANDARD.states)


@pytest.mark.parametrize("lifecycle", [STANDARD, TANGLE], ids=repr)
def test_svg_labels_touch_no_state_no_rail_and_no_other_label(lifecycle: Lifecycle[Any]) -> None:
    """The picture can be read, with counts and without."""
    assert_readable(svg(lifecycle))
    assert_readable(svg(lifecycle, counts=dict.fromkeys(moves(lifecycle), 123_456)))


@given(lifecycles(), st.booleans())
def test_any_table_gives_a_readable_picture(lifecycle: Lifecycle[object], counted: bool) -> None:
    """Whatever the shape, each line is drawn, the XML parses, and no label is covered."""
    counts = dict.fromkeys(moves(lifecycle), 12) if counted else None
    picture = svg(lifecycle, counts=counts)

    assert_readable(picture)
    told = "; ".join(titles(picture))
    for source, event, target in moves(lifecycle):
        assert re.search(rf"{source}: {event}[^;]* to {target}", told)
    text = mermaid(lifecycle, counts=counts)
    assert len(re.findall(r"^    \w+ --> \w+: ", text, re.MULTILINE)) == len(moves(lifecycle))
