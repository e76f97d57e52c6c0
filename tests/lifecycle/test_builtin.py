from __future__ import annotations

import re
import subprocess
import sys
from functools import cache
from itertools import product
from operator import itemgetter
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ordercore.errors import NotAllowed, UnknownGuard, UnknownLifecycle
from ordercore.lifecycle import check, diff, label, load_lifecycle, mermaid, svg, write_document
from ordercore.lifecycle.charts import BUILT_IN, built_in, document, versions
from ordercore.lifecycle.timer import TimerAction
from ordercore.lifecycle.twin import live_twin
from ordercore.lifecycle.visible import VisibleStep
from ordercore.order import FACTS
from ordercore.party import ActorKind

if TYPE_CHECKING:
    from ordercore.lifecycle import Lifecycle
    from ordercore.lifecycle.twin import LiveTwin

Answers = dict[str, bool]

ASKED = {fact: itemgetter(fact) for fact in FACTS}
EVERY = tuple((name, version) for name in BUILT_IN for version in versions(name))
LATEST = tuple((name, versions(name)[-1]) for name in BUILT_IN)

# What each chart permits, as the trade says it: state, then event>target; `=` stays where it is.
STANDARD = """
    pending_payment: pay>paid close>closed cancel>closed
    paid: accept>awaiting_shipment cancel>closed refund>refunding
    awaiting_shipment: ship>shipped cancel>closed refund>refunding
    shipped: receive>received refund>refunding
    received: complete>completed refund>refunding
    completed: refund>refunding
    closed:
    refunding: refunded>refunded
    refunded:
"""
REFUNDABLE = STANDARD.replace("closed:", "closed: revive>pending_payment refund=")
PRESALE = """
    awaiting_deposit: pay_deposit>deposit_paid pay>paid close>closed cancel>closed
    deposit_paid: open_balance>awaiting_balance cancel>closed
    awaiting_balance: pay>paid cancel>closed forfeit>forfeited
    paid: accept>awaiting_shipment cancel>closed refund>refunding
    awaiting_shipment: ship>shipped cancel>closed refund>refunding
    shipped: receive>received refund>refunding
    received: complete>completed refund>refunding
    completed: refund>refunding
    closed: refund=
    forfeited: refund=
    refunding: refunded>refunded
    refunded:
"""
PERMITTED = {
    ("standard", 1): STANDARD,
    ("standard", 2): REFUNDABLE.replace("paid: accept", "paid: pay= accept").replace(
        "awaiting_shipment: ship", "awaiting_shipment: pay= ship"
    ),
    ("flash_sale", 1): REFUNDABLE,
    ("review_first", 1): """
        pending_review: confirm>confirmed reject>invalid cancel>canceled
        confirmed: pay= allocate>allocated cancel>canceled refund>refunding
        allocated: pay= ship>shipped cancel>canceled refund>refunding
        shipped: pay= refund>refunding
        invalid:
        canceled: refund=
        refunding: refunded>refunded
        refunded:
    """,
    ("purchasing_agent", 1): """
        awaiting_payment: pay>processing cancel>canceled
        awaiting_additional_payment: pay>additional_order cancel>canceled refund>canceled
        processing: receive_at_warehouse>processing_at_warehouse due>awaiting_additional_payment
            cancel>canceled refund>canceled close>completed
        additional_order: receive_at_warehouse>processing_at_warehouse
            due>awaiting_additional_payment cancel>canceled refund>canceled close>completed
        processing_at_warehouse: propose_packing>awaiting_confirmation_of_packing refund=
            close>completed
        awaiting_confirmation_of_packing: confirm_packing>ready_for_packing
            decline_packing>processing_at_warehouse refund= close>completed
        ready_for_packing: pack>ready_to_ship refund= close>completed
        ready_to_ship: ship>shipped refund= close>completed
        shipped: receive>completed refund= close>completed
        completed: refund=
        canceled: recover>awaiting_payment revive>awaiting_payment refund=
    """,
    ("presale", 1): PRESALE,
    ("presale", 2): PRESALE,
    ("pickup", 1): """
        pending_payment: pay>paid close>closed cancel>closed
        paid: accept>preparing cancel>closed refund>refunding
        preparing: make_ready>ready_for_pickup cancel>closed refund>refunding
        ready_for_pickup: ship>completed cancel>closed refund>refunding
        completed: refund>refunding
        closed: revive>pending_payment refund=
        refunding: refunded>refunded
        refunded:
    """,
    ("group_buy", 1): """
        pending_payment: pay>awaiting_group close>closed cancel>closed
        awaiting_group: fill_group>awaiting_shipment cancel>closed refund>refunding
        awaiting_shipment: ship>shipped cancel>closed refund>refunding
        shipped: receive>received refund>refunding
        received: complete>completed refund>refunding
        completed: refund>refunding
        closed: refund=
        refunding: refunded>refunded
        refunded:
    """,
    ("virtual_goods", 1): """
        pending_payment: pay>paid close>closed cancel>closed
        paid: ship>delivered cancel>closed refund>refunding
        delivered: complete>completed refund>refunding
        completed: refund>refunding
        closed: revive>pending_payment refund=
        refunding: refunded>refunded
        refunded:
    """,
}
FINAL = {
    "standard": {"refunded"},
    "flash_sale": {"refunded"},
    "review_first": {"invalid", "refunded"},
    "purchasing_agent": set(),
    "presale": {"refunded"},
    "pickup": {"refunded"},
    "group_buy": {"refunded"},
    "virtual_goods": {"refunded"},
}
RELEASING = {
    "standard": {"closed"},
    "flash_sale": {"closed"},
    "review_first": {"invalid", "canceled"},
    "purchasing_agent": {"canceled"},
    "presale": {"closed", "forfeited"},
    "pickup": {"closed"},
    "group_buy": {"closed"},
    "virtual_goods": {"closed"},
}
# From the first state to the end of the main line, and the other ends that a shop meets.
WALKS = {
    "standard": (
        "pay accept ship receive complete refund refunded > refunded",
        "pay accept cancel > closed",
        "close > closed",
        "pay pay accept pay ship receive > received",
    ),
    "flash_sale": ("pay accept ship receive complete > completed", "close > closed"),
    "review_first": (
        "confirm allocate ship pay > shipped",
        "confirm pay allocate ship refund refunded > refunded",
        "reject > invalid",
        "cancel > canceled",
        "confirm cancel > canceled",
    ),
    "purchasing_agent": (
        "pay receive_at_warehouse propose_packing confirm_packing pack ship receive > completed",
        "pay due pay due pay receive_at_warehouse close > completed",
        "pay receive_at_warehouse propose_packing decline_packing > processing_at_warehouse",
        "pay cancel recover pay > processing",
        "pay refund recover cancel > canceled",
    ),
    "presale": (
        "pay_deposit open_balance pay accept ship receive complete > completed",
        "pay_deposit open_balance forfeit > forfeited",
        "pay_deposit cancel > closed",
        "pay refund refunded > refunded",
    ),
    "pickup": (
        "pay accept make_ready ship > completed",
        "pay accept make_ready cancel > closed",
    ),
    "group_buy": (
        "pay fill_group ship receive complete > completed",
        "pay cancel > closed",
    ),
    "virtual_goods": ("pay ship complete > completed", "pay ship refund refunded > refunded"),
}


@cache
def chart(name: str, version: int | None = None) -> Lifecycle[Answers]:
    """A built-in lifecycle over a plain table of answers."""
    return built_in(name, ASKED, version)


def permitted(name: str, version: int) -> dict[str, dict[str, str]]:
    """What the table above says of one chart: state, event, target."""
    rows: dict[str, dict[str, str]] = {}
    state = ""
    for word in PERMITTED[name, version].split():
        if word.endswith(":"):
            state = word[:-1]
            rows[state] = {}
            continue
        event, target = word[:-1], state
        if not word.endswith("="):
            event, _, target = word.partition(">")
        rows[state][event] = target
    return rows


def opening(lifecycle: Lifecycle[Answers], state: str, event: str) -> Answers:
    """The first answers, of all there are to its guards, with which ``event`` is possible."""
    (move,) = lifecycle.table[state][event]
    asked = [fact for fact in ASKED if any(fact in str(guard).split() for guard in move.guards)]
    for given_answers in product((True, False), repeat=len(asked)):
        answers = dict.fromkeys(ASKED, False) | dict(zip(asked, given_answers, strict=True))
        if all(guard.holds(answers) for guard in move.guards):
            return answers
    pytest.fail(f"no order can ever {event} in {state}")


@pytest.mark.parametrize(("name", "version"), EVERY)
def test_each_chart_permits_what_the_trade_says(name: str, version: int) -> None:
    """State by state, a chart lists the events of the table above, and no other."""
    lifecycle = chart(name, version)
    listed = {
        state: {event: moves[0].target for event, moves in row.items()}
        for state, row in lifecycle.table.items()
    }

    assert listed == permitted(name, version)
    assert all(len(moves) == 1 for row in lifecycle.table.values() for moves in row.values())


@pytest.mark.parametrize(("name", "version"), EVERY)
def test_each_forbidden_step_is_refused_with_the_allowed_ones_named(
    name: str, version: int
) -> None:
    """Every state meets every event that it does not list: refused, and the rest is named."""
    lifecycle = chart(name, version)
    tried = 0
    for state, row in permitted(name, version).items():
        for event in set(lifecycle.events) - set(row):
            for answers in (dict.fromkeys(ASKED, True), dict.fromkeys(ASKED, False)):
                with pytest.raises(NotAllowed) as refused:
                    lifecycle.fire(state, event, answers)
                allowed = lifecycle.allowed(state, answers)
                assert refused.value.data["allowed"] == allowed
                assert refused.value.data["failed_guards"] == ()
                assert all(word in refused.value.reason for word in allowed)
                tried += 1

    assert tried


@pytest.mark.parametrize(("name", "version"), EVERY)
def test_each_permitted_step_is_made_and_waits_for_its_facts(name: str, version: int) -> None:
    """With its facts a listed step leads where the table says; with one missing it names that one."""
    lifecycle = chart(name, version)
    for state, row in permitted(name, version).items():
        for event, target in row.items():
            answers = opening(lifecycle, state, event)
            assert lifecycle.fire(state, event, answers) == target
            for guard in lifecycle.table[state][event][0].guards:
                if guard.name not in ASKED:
                    continue  # an expression: the law over random answers tries it
                with pytest.raises(NotAllowed) as refused:
                    lifecycle.fire(state, event, answers | {guard.name: not guard.wanted})
                assert str(guard) in refused.value.data["failed_guards"]  # type: ignore[operator]


@pytest.mark.parametrize("name", BUILT_IN)
def test_full_walks_reach_every_state(name: str) -> None:
    """The walks of a shop's days end where they should, and together they see each state but one kind."""
    lifecycle = chart(name)
    seen = {lifecycle.initial}
    for walk in WALKS[name]:
        events, _, end = walk.partition(" > ")
        state = lifecycle.initial
        for event in events.split():
            state = lifecycle.fire(state, event, opening(lifecycle, state, event))
            seen.add(state)
        assert state == end, walk

    # a refund and a closing look alike wherever they stand, so not each chart walks them again
    assert {state.id for state in lifecycle.states} - seen <= {"closed", "refunding", "refunded"}


@pytest.mark.parametrize("name", BUILT_IN)
def test_final_and_releasing_states_are_the_ones_meant(name: str) -> None:
    """Nothing is held for an order that will not be fulfilled, and only such ends are final."""
    lifecycle = chart(name)

    assert {state.id for state in lifecycle.states if state.final} == FINAL[name]
    assert lifecycle.releases == RELEASING[name]


@pytest.mark.parametrize("name", BUILT_IN)
def test_nothing_is_wrong_with_a_built_in_document(name: str) -> None:
    """The check that a host runs over its own documents finds no fault in ours."""
    assert check(document(name), FACTS) == ()


@pytest.mark.parametrize(("name", "version"), EVERY)
def test_a_written_chart_reads_back_as_the_same(name: str, version: int) -> None:
    """A built-in lifecycle may be printed, edited and loaded again: unedited, nothing differs."""
    again = load_lifecycle(write_document(chart(name, version)), ASKED)

    assert diff(chart(name, version), again) == ()
    assert again == chart(name, version)


@pytest.mark.parametrize(("name", "version"), EVERY)
def test_every_state_tells_people_what_it_is(name: str, version: int) -> None:
    """A name, one short sentence, a color of its own; at most one state for each is without a step."""
    states = chart(name, version).states

    assert len({state.name for state in states}) == len(states)
    assert len({state.color for state in states}) == len(states)
    for state in states:
        assert re.fullmatch(r"#[0-9a-f]{6}", state.color), state.id
        assert re.fullmatch(r"[A-Z][^.]{9,100}\.", state.description), state.id


@pytest.mark.parametrize(("name", "version"), EVERY)
def test_visible_steps_follow_each_other(name: str, version: int) -> None:
    """Along the main line a shopper sees the steps in their order, and each state before an end has one."""
    lifecycle = chart(name, version)
    order = list(VisibleStep)
    for state, row in permitted(name, version).items():
        step = lifecycle.steps[state]
        for event, target in row.items():
            after = lifecycle.steps[target]
            if step is not None and after is not None and event not in {"due", "recover", "revive"}:
                assert order.index(after) >= order.index(step), (state, event)
        if step is None:
            goes_on = {lifecycle.steps[target] for event, target in row.items()} - {None}
            assert not goes_on or not row.keys().isdisjoint({"recover", "revive"}), state


@pytest.mark.parametrize("name", BUILT_IN)
@pytest.mark.parametrize("locale", ["en", "zh_CN"])
def test_every_state_and_event_has_a_label_in_both_languages(name: str, locale: str) -> None:
    """English labels are the chart's own; Chinese ones are Chinese, and tell the states apart."""
    lifecycle = chart(name)
    states = [label(lifecycle, state.id, locale) for state in lifecycle.states]
    events = [label(lifecycle, lifecycle.info(event), locale) for event in lifecycle.events]

    assert len(set(states)) == len(states)
    for text in states + events:
        assert bool(re.search(r"[一-鿿]", text)) is (locale == "zh_CN"), text
    if locale == "en":
        assert states == [state.name for state in lifecycle.states]


@pytest.mark.parametrize("name", BUILT_IN)
def test_a_diagram_can_be_made_of_each(name: str) -> None:
    """Mermaid text and an SVG that parses, each with every state in it."""
    lifecycle = chart(name)
    text, picture = mermaid(lifecycle), svg(lifecycle, title=name)

    words = "".join(ET.fromstring(picture).itertext())
    for state in lifecycle.states:
        assert f'state "{state.name}"' in text
        assert state.name in words


@pytest.mark.parametrize("name", BUILT_IN)
def test_every_event_says_who_sends_it(name: str) -> None:
    """An event is the engine's own, or somebody may send it in each state that lists it."""
    lifecycle = chart(name)
    engine_alone = {"pay", "close", "due", "forfeit", "refunded", "revive"}
    for event in lifecycle.events:
        for state, row in lifecycle.table.items():
            senders = [kind for kind in ActorKind if lifecycle.may_send(state, event, kind)]
            if event in row and (event not in engine_alone or event in lifecycle.sealing):
                assert ActorKind.STAFF in senders, (state, event)
            elif event in engine_alone and event not in lifecycle.sealing:
                assert lifecycle.may_send(state, event, ActorKind.STAFF) is None


def test_an_unknown_name_or_version_is_refused_with_the_known_ones() -> None:
    """Who asks for what is not there is told what is."""
    with pytest.raises(UnknownLifecycle) as unknown:
        built_in("standart", ASKED)
    assert unknown.value.data["known"] == BUILT_IN

    with pytest.raises(UnknownLifecycle) as unknown:
        built_in("standard", ASKED, 3)
    assert unknown.value.data["known"] == ("1", "2")


def test_version_2_of_a_presale_keeps_the_windows_that_were_agreed() -> None:
    """Its clocks count from the windows of the order, its deposit waits for its money, and it is paid ahead."""
    first, second = chart("presale", 1), chart("presale", 2)
    since = {rule.name: rule.since.value for rule in second.timers}

    assert {rule.since.value for rule in first.timers} == {"entered", "shipped"}
    assert since == {
        "close": "pay_by",
        "remind": "pay_by",
        "open_balance": "balance_from",
        "remind_opening": "balance_from",
        "remind_balance": "balance_until",
        "forfeit": "balance_until",
        "confirm": "shipped",
    }
    (guard,) = second.table["awaiting_deposit"]["pay_deposit"][0].guards
    assert str(guard) == "deposit_taken"
    assert (first.prepaid, second.prepaid) == (False, True)


@pytest.mark.parametrize(("name", "version"), EVERY)
def test_a_chart_does_not_load_without_a_fact_that_it_asks(name: str, version: int) -> None:
    """A host whose facts lack one learns it when the chart is read, not when an order moves."""
    with pytest.raises(UnknownGuard):
        built_in(name, {"nothing_known": ASKED["valid"]}, version)


def test_one_chart_is_read_without_the_others() -> None:
    """The list of names loads no python-statemachine, and one document does not load the class."""
    script = (
        "import sys\n"
        "from ordercore.lifecycle.charts import built_in\n"
        "assert 'statemachine' not in sys.modules\n"
        "from ordercore.order import FACTS\n"
        "built_in('pickup', FACTS)\n"
        "assert 'ordercore.lifecycle.charts.standard' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


# Single charts -------------------------------------------------------------------------------


def test_version_2_of_the_standard_order_collects_differences_where_it_stands() -> None:
    """What an amendment left due is paid in the same state, and nothing leaves before that."""
    changed = {
        (state, event, guard.name)
        for state, row in chart("standard", 2).table.items()
        for event, moves in row.items()
        for guard in moves[0].guards
        if guard.name == "nothing_due"
    }

    assert changed == {
        ("paid", "accept", "nothing_due"),
        ("awaiting_shipment", "ship", "nothing_due"),
    }
    assert permitted("standard", 2)["paid"]["pay"] == "paid"


def test_a_flash_sale_has_no_reminder_and_nothing_to_amend() -> None:
    """Five minutes are too short for either."""
    lifecycle = chart("flash_sale")

    assert TimerAction.REMIND not in {rule.does for rule in lifecycle.timers}
    assert not any(state.amend for state in lifecycle.states)


def test_review_first_changes_nothing_after_confirmation() -> None:
    """A customer amends and cancels before an order is confirmed; after that staff alone may call it off."""
    lifecycle = chart("review_first")
    amended = {state.id for state in lifecycle.states if state.amend}
    customer = ActorKind.CUSTOMER

    assert amended == {"pending_review"}
    assert lifecycle.may_send("pending_review", "cancel", customer)
    assert not lifecycle.may_send("confirmed", "cancel", customer)
    assert lifecycle.may_send("confirmed", "cancel", ActorKind.STAFF)


def test_review_first_collects_after_confirmation_under_no_other_condition() -> None:
    """Money is taken in every state from confirmed to shipped, on delivery or before it, and not sooner."""
    lifecycle = chart("review_first")
    collecting = {state for state, row in lifecycle.table.items() if "pay" in row}

    assert collecting == {"confirmed", "allocated", "shipped"}
    assert not any(lifecycle.table[state]["pay"][0].guards for state in collecting)
    assert not lifecycle.prepaid


def test_a_purchasing_agent_closes_from_exactly_seven_statuses() -> None:
    """Of eleven statuses seven list the closing, which seals; the other four refuse it by name."""
    lifecycle = chart("purchasing_agent")
    closing = {state for state, row in lifecycle.table.items() if "close" in row}

    assert len(lifecycle.states) == 11
    assert closing == {
        "processing",
        "additional_order",
        "processing_at_warehouse",
        "awaiting_confirmation_of_packing",
        "ready_for_packing",
        "ready_to_ship",
        "shipped",
    }
    assert lifecycle.sealing == {"close"}
    for state in {info.id for info in lifecycle.states} - closing:
        with pytest.raises(NotAllowed) as refused:
            lifecycle.fire(state, "close", dict.fromkeys(ASKED, True))
        assert f"'close' is not possible in state '{state}'" in refused.value.reason


def test_a_purchasing_agent_cancels_until_the_goods_are_at_the_warehouse() -> None:
    """Unpaid the customer may cancel, paid the staff, and after receipt at the warehouse nobody."""
    lifecycle = chart("purchasing_agent")
    canceling = {state for state, row in lifecycle.table.items() if "cancel" in row}

    assert canceling == {
        "awaiting_payment",
        "awaiting_additional_payment",
        "processing",
        "additional_order",
    }
    assert lifecycle.may_send("awaiting_payment", "cancel", ActorKind.CUSTOMER)
    assert not lifecycle.may_send("processing", "cancel", ActorKind.CUSTOMER)
    assert lifecycle.may_send("processing", "cancel", ActorKind.STAFF)


def test_goods_of_a_purchasing_agent_have_statuses_of_their_own() -> None:
    """One item may be out of stock while another is packed."""
    items = chart("purchasing_agent").items

    assert [status.id for status in items if status.final] == [
        "shipped",
        "out_of_stock",
        "sent_back",
    ]
    for status in items:
        assert re.search(r"[一-鿿]", label(chart("purchasing_agent"), status, "zh_CN"))


def test_a_group_that_does_not_fill_in_time_gives_the_money_back() -> None:
    """The clock of the group cancels a paid order, which ends closed."""
    rule = next(rule for rule in chart("group_buy").timers if rule.name == "group")

    assert (rule.does, rule.states, rule.event) == (
        TimerAction.CLOSE,
        ("awaiting_group",),
        "cancel",
    )


# Law L11 --------------------------------------------------------------------------------------


@cache
def twin(name: str, version: int) -> LiveTwin[Answers]:
    """The same chart as a live python-statemachine."""
    return live_twin(document(name, version), ASKED)


@pytest.mark.parametrize(("name", "version"), EVERY)
@given(data=st.data())
def test_l11_built_in_tables_equal_their_live_charts(
    name: str, version: int, data: st.DataObject
) -> None:
    """Table and live machine accept, refuse and reach the same, whatever is true of the order."""
    lifecycle, live = chart(name, version), twin(name, version)
    state = lifecycle.initial
    assert state == live.initial
    for _ in range(data.draw(st.integers(1, 15), "steps")):
        answers = {fact: data.draw(st.booleans(), fact) for fact in ASKED}
        allowed = lifecycle.allowed(state, answers)

        assert set(allowed) == {str(e) for e in live.at(state, answers).enabled_events()}

        event = data.draw(st.sampled_from([*allowed, *lifecycle.events]), "event")
        try:
            target = lifecycle.fire(state, event, answers)
        except NotAllowed:
            target = None

        assert target == live.fire(state, event, answers)
        assert (target is not None) == (event in allowed)
        state = target or state
