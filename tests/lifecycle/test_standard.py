from __future__ import annotations

from itertools import product
from operator import itemgetter
from typing import TYPE_CHECKING

import pytest

from ordercore.errors import NotAllowed, UnknownGuard
from ordercore.lifecycle.charts.standard import FACTS, NAME, VERSION, StandardOrder, standard

if TYPE_CHECKING:
    from ordercore.lifecycle import Lifecycle

Answers = dict[str, bool]

LIFECYCLE: Lifecycle[Answers] = standard({fact: itemgetter(fact) for fact in FACTS})
YES: Answers = dict.fromkeys(FACTS, True)
NO: Answers = dict.fromkeys(FACTS, False)

PERMITTED = {
    "pending_payment": {"pay": "paid", "close": "closed", "cancel": "closed"},
    "paid": {"accept": "awaiting_shipment", "cancel": "closed", "refund": "refunding"},
    "awaiting_shipment": {"ship": "shipped", "cancel": "closed", "refund": "refunding"},
    "shipped": {"receive": "received", "refund": "refunding"},
    "received": {"complete": "completed", "refund": "refunding"},
    "completed": {"refund": "refunding"},
    "closed": {},
    "refunding": {"refunded": "refunded"},
    "refunded": {},
}
NEEDS = {
    "pay": "paid_in_full",
    "ship": "all_shipped",
    "refund": "everything_refunding",
    "refunded": "everything_refunded",
}
# each guard as a permitted step finds it open
OPEN: Answers = YES | {"money_in_flight": False}


def walk(*events: str) -> list[str]:
    """Fire the events one after another and tell the states on the way."""
    state = LIFECYCLE.initial
    way = [state]
    for event in events:
        state = LIFECYCLE.fire(state, event, OPEN)
        way.append(state)
    return way


def test_main_line_leads_from_placed_to_completed() -> None:
    """An order is paid, accepted, shipped, received and completed, in this order."""
    assert walk("pay", "accept", "ship", "receive", "complete") == [
        "pending_payment",
        "paid",
        "awaiting_shipment",
        "shipped",
        "received",
        "completed",
    ]


def test_a_completed_order_can_still_be_refunded_in_full() -> None:
    """Completed is the end of the main line, not of the order."""
    way = walk("pay", "accept", "ship", "receive", "complete", "refund", "refunded")

    assert way[-3:] == ["completed", "refunding", "refunded"]


@pytest.mark.parametrize("events", [("close",), ("cancel",), ("pay", "cancel")])
def test_an_order_not_shipped_ends_closed(events: tuple[str, ...]) -> None:
    """Time-out before payment and cancellation before shipping lead to the same end."""
    assert walk(*events)[-1] == "closed"


@pytest.mark.parametrize(
    ("state", "event"), [(s, e) for s, e in product(PERMITTED, LIFECYCLE.events)]
)
def test_each_step_is_permitted_or_refused_with_what_is_allowed(state: str, event: str) -> None:
    """Every state meets every event: it moves as the table of the trade says, or names the rest."""
    if event in PERMITTED[state]:
        assert LIFECYCLE.fire(state, event, OPEN) == PERMITTED[state][event]
        return

    with pytest.raises(NotAllowed) as refused:
        LIFECYCLE.fire(state, event, OPEN)

    assert set(refused.value.data["allowed"]) == set(PERMITTED[state])  # type: ignore[arg-type]
    assert refused.value.data["failed_guards"] == ()
    for permitted in PERMITTED[state]:
        assert permitted in refused.value.reason


@pytest.mark.parametrize(("event", "guard"), NEEDS.items())
def test_a_guarded_step_waits_for_its_fact(event: str, guard: str) -> None:
    """With its fact missing, a step is refused in each state that lists it, and the fact named."""
    for state, permitted in PERMITTED.items():
        if event in permitted:
            with pytest.raises(NotAllowed) as refused:
                LIFECYCLE.fire(state, event, OPEN | {guard: False})

            assert refused.value.data["failed_guards"] == (guard,)


@pytest.mark.parametrize("event", ["close", "cancel"])
def test_an_unpaid_order_does_not_close_over_money_in_flight(event: str) -> None:
    """While an attempt is open its money may yet arrive, so the order stays open."""
    with pytest.raises(NotAllowed) as refused:
        LIFECYCLE.fire("pending_payment", event, NO | {"money_in_flight": True})

    assert refused.value.data["failed_guards"] == ("not money_in_flight",)
    assert refused.value.reason == (
        f"'{event}' is not possible in state 'pending_payment' (needs not money_in_flight); "
        "nothing is allowed at present"
    )


def test_every_event_of_an_unshipped_order_is_allowed_or_blocked() -> None:
    """What a shop shows as possible, and why not the rest."""
    assert LIFECYCLE.allowed("awaiting_shipment", NO) == ("cancel",)
    assert LIFECYCLE.blocked("awaiting_shipment", NO) == (
        ("ship", ("all_shipped",)),
        ("refund", ("everything_refunding",)),
    )


def test_closed_and_refunded_are_the_only_ends() -> None:
    """No event leads out of a final state, and each other state has one."""
    finals = {state.id for state in LIFECYCLE.states if state.final}

    assert finals == {"closed", "refunded"}
    assert {state for state, row in LIFECYCLE.table.items() if not row} == finals


def test_the_chart_asks_the_five_facts_and_no_other() -> None:
    """Each published fact is asked somewhere, and without one the chart does not compile."""
    for missing in FACTS:
        with pytest.raises(UnknownGuard) as unknown:
            standard({fact: bool for fact in FACTS if fact != missing})

        assert unknown.value.data["guard"] == missing


def test_states_have_names_notes_and_colors_for_people() -> None:
    """A picture or a page can show each state without a list of its own."""
    assert (LIFECYCLE.name, LIFECYCLE.version) == (NAME, VERSION) == ("standard", 1)
    assert LIFECYCLE.state("awaiting_shipment").name == "Awaiting shipment"
    assert all(state.description and state.color for state in LIFECYCLE.states)
    assert len({state.color for state in LIFECYCLE.states}) == len(LIFECYCLE.states)
    assert StandardOrder.__doc__
