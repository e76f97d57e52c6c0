"""The standard order: goods from stock, paid in advance, shipped once.

Theory of operation
-------------------
The main line is seven states long, from *pending payment* to *completed*.
Two ways lead off it, and they mean different things.

*Closed* is where an order ends that will not be fulfilled.
Before payment the shop closes it when time is up (``close``) or the shopper cancels it
(``cancel``); both wait while money is on its way, since a payment that arrives for a closed
order has nowhere to go. After payment and before shipping it can still be canceled.
The money then owed to the shopper is not a state: it stands as refunds of its own,
each with its own way to arrival.

*Refunding* and *refunded* are where an order ends whose money is given back in full.
A partial refund moves nothing. A completed order can still come back,
so *completed* is the end of the main line but not a final state.

Guards are facts about the order, derived when asked:

- ``paid_in_full``: the tenders held cover what is due;
- ``money_in_flight``: an attempt is open, or its outcome unknown, so money may yet arrive;
- ``all_shipped``: each line has left in full, what was refunded aside;
- ``everything_refunding``: refunds asked, accepted or arrived add up to all that was paid;
- ``everything_refunded``: refunds arrived add up to all that was paid.

This class is version 1, which orders in stores are on. New orders use version 2, the document
``standard.json`` beside it: there a paid order that was amended collects its difference
where it stands, and nothing leaves while something is due.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, ClassVar, Final, TypeVar

from statemachine import Event, State, StateMachine

from ordercore.lifecycle.chart import Lifecycle, compile_chart
from ordercore.lifecycle.table import EventInfo
from ordercore.lifecycle.timer import Since, TimerAction, TimerRule
from ordercore.lifecycle.visible import VisibleStep
from ordercore.party import ActorKind

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["FACTS", "NAME", "VERSION", "StandardOrder", "standard"]

S = TypeVar("S")

NAME: Final = "standard"
VERSION: Final = 1
FACTS: Final = (
    "paid_in_full",
    "money_in_flight",
    "all_shipped",
    "everything_refunding",
    "everything_refunded",
)

_STAFF: Final = frozenset({ActorKind.STAFF})
_BOTH: Final = frozenset({ActorKind.CUSTOMER, ActorKind.STAFF})
_ARRIVAL: Final = _BOTH | {ActorKind.CHANNEL}


class StandardOrder(StateMachine):
    """Pay, accept, ship, receive, complete; close or cancel before shipping; refund at any time.

    An order is paid when its tenders cover it, and shipped when every line has left.
    Unpaid it closes by time-out or by cancellation, but never while money is in flight.
    Paid and not yet shipped it can be canceled: it ends closed, and the money owed is refunded.
    Refunding all of it leads through *refunding* to *refunded*; a partial refund moves nothing.

    Do not derive from this chart: python-statemachine shares a chart's states with its children.
    Write a chart of your own.
    """

    pending_payment = State("Pending payment", initial=True)
    paid = State("Paid")
    awaiting_shipment = State("Awaiting shipment")
    shipped = State("Shipped")
    received = State("Received")
    completed = State("Completed")
    closed = State("Closed", final=True)
    refunding = State("Refunding")
    refunded = State("Refunded", final=True)

    # the main line
    pay = pending_payment.to(paid, cond="paid_in_full")
    accept = paid.to(awaiting_shipment)
    ship = awaiting_shipment.to(shipped, cond="all_shipped")
    receive = shipped.to(received)
    complete = received.to(completed)

    # off it: not fulfilled
    close = pending_payment.to(closed, unless="money_in_flight")
    cancel = (
        pending_payment.to(closed, unless="money_in_flight")
        | paid.to(closed)
        | awaiting_shipment.to(closed)
    )

    # off it: all money back
    refund = refunding.from_(
        paid, awaiting_shipment, shipped, received, completed, cond="everything_refunding"
    )
    # the event is called as the state it leads to, so it cannot stand under that name here
    all_refunded = Event(refunding.to(refunded, cond="everything_refunded"), id="refunded")

    state_notes: ClassVar[Mapping[str, str]] = {
        "pending_payment": "Placed; the tenders do not cover it yet.",
        "paid": "Covered in full; the shop has not taken it up.",
        "awaiting_shipment": "Taken up; not all lines have left.",
        "shipped": "All lines have left.",
        "received": "Arrived, by the carrier's word or the shopper's.",
        "completed": "The shopper has it and keeps it; it may still be returned.",
        "closed": "Will not be fulfilled; the reason stands on the order.",
        "refunding": "All of its money is on the way back.",
        "refunded": "All of its money has arrived back.",
    }
    state_colors: ClassVar[Mapping[str, str]] = {
        "pending_payment": "#fdf0d2",
        "paid": "#dcefe1",
        "awaiting_shipment": "#d9e8f6",
        "shipped": "#cfe0f3",
        "received": "#d3ebeb",
        "completed": "#c9e7d3",
        "closed": "#e6e6ea",
        "refunding": "#fbe0d4",
        "refunded": "#f3d9de",
    }
    # what a shopper waits for; nothing once the shop's part is done
    state_steps: ClassVar[Mapping[str, VisibleStep]] = {
        "pending_payment": VisibleStep.PAY,
        "paid": VisibleStep.PICK,
        "awaiting_shipment": VisibleStep.SHIP,
        "shipped": VisibleStep.RECEIVE,
        "received": VisibleStep.REVIEW,
    }
    state_amend: ClassVar[Mapping[str, frozenset[ActorKind]]] = {
        "pending_payment": _BOTH,
        "paid": _BOTH,
        "awaiting_shipment": _BOTH,
    }
    state_releases: ClassVar[frozenset[str]] = frozenset({"closed"})
    event_infos: ClassVar[tuple[EventInfo, ...]] = (
        EventInfo("pay", "Pay", description="All that is due was taken."),
        EventInfo("accept", "Accept", {"": _STAFF}, description="The shop takes the order up."),
        EventInfo("ship", "Ship", {"": _STAFF}, description="The last of the goods left."),
        EventInfo("receive", "Receive", {"": _ARRIVAL}, description="The goods arrived."),
        EventInfo("complete", "Complete", {"": _BOTH}, description="The shopper keeps the goods."),
        EventInfo("close", "Close", description="The time to pay is up."),
        EventInfo("cancel", "Cancel", {"": _BOTH}, description="The order is not wanted any more."),
        EventInfo("refund", "Refund", {"": _STAFF}, description="All of the money was asked back."),
        EventInfo("refunded", "Refunded", description="The last of the money arrived back."),
    )
    timer_rules: ClassVar[tuple[TimerRule, ...]] = (
        TimerRule("close", TimerAction.CLOSE, ("pending_payment",), Since.PAY_BY),
        TimerRule("remind", TimerAction.REMIND, ("pending_payment",), Since.PAY_BY),
        TimerRule(
            "confirm",
            TimerAction.CONFIRM,
            ("shipped",),
            Since.SHIPPED,
            paused_by=("*",),
            extension=timedelta(days=3),
        ),
    )


def standard(facts: Mapping[str, Callable[[S], bool]]) -> Lifecycle[S]:
    """Compile version 1 of the standard lifecycle over ``facts``, which must hold the five in `FACTS`."""
    return compile_chart(StandardOrder, facts, name=NAME, version=VERSION)
