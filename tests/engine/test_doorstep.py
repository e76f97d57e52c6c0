"""At the door: what couriers collect for parcels of one order, and what they hand over."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.engine.holding import ON_DELIVERY, PREPAID, STAFF, Holding
from tests.engine.test_dispatching import HOUR, Warehouse, group
from tests.engine.world import NOON

from ordercore import KeyReused, Manifest, Money, NotAllowed, NotFound, Order
from ordercore.adapters.memory import CarrierFault
from ordercore.codec import decode_event, decode_order, encode_event, encode_order
from ordercore.errors import InvalidInput
from ordercore.fulfillment import ParcelKind, ParcelState, WaybillState
from ordercore.order.amendment import RemoveLine
from ordercore.tender import AttemptState

if TYPE_CHECKING:
    from ordercore import PaymentResult

_S = ParcelState
WHOLE = 26_997
"""What order A costs: three lines of a third each."""


class Door(Warehouse):
    """Order A, paid at the door, accepted."""

    def __init__(self, offers: tuple[Any, ...] = ON_DELIVERY) -> None:
        world = Holding()
        order = world.pay(world.placed(), offers).order
        world.engine.accept(order.id, key="acc")
        super().__init__(world, order=order)
        self.holding = world

    @property
    def attempt(self) -> Any:
        """The courier's attempt."""
        return self.order.payments.attempts[-1]

    @property
    def shares(self) -> list[int]:
        """What each parcel that is not canceled collects."""
        return [p.collect for p in self.order.delivery.parcels if p.in_work or p.gone]

    def leaves(self, n: int = 1) -> None:
        """Pack, book and dispatch a parcel."""
        self.packed(n)
        self.book(n)
        self.engine.dispatch(self.id, self.name(n), key=self.key())

    def brings(
        self, amount: str | None = None, n: int = 0, *, paid: bool = True, key: str = ""
    ) -> PaymentResult:
        """Staff says what a courier has handed over, for the n-th parcel or for none in particular."""
        money = None if amount is None else Money(amount, "CNY")
        found: PaymentResult = self.engine.confirm_payment(
            self.id, self.attempt.id, money, paid=paid, parcel=self.name(n) if n else "",
            key=key or self.key(), by=STAFF,
        )  # fmt: skip
        return found

    def stands(self, state: AttemptState, captured: int, due: int) -> bool:
        """Whether so much has come, and so much is due."""
        found = (self.attempt.state, self.attempt.captured, self.order.due)
        assert found == (state, captured, due)
        return True


# --- What couriers hand over --------------------------------------------------------------------


@pytest.mark.parametrize("named", [False, True])
def test_each_courier_hands_over_its_own_money_and_the_other_parcel_still_leaves(
    named: bool,
) -> None:
    """89.99 for the first, 179.98 for the second: nothing is due between them, and all is taken in the end."""
    door = Door()
    door.plan(group("1"), group("2", "3"))
    door.leaves(1)
    door.brings("89.99", 1 if named else 0)
    assert door.stands(AttemptState.AUTHORIZED, 8_999, 0)
    door.leaves(2)
    assert door.shares == [8_999, 17_998]
    door.brings(None if named else "179.98", 2 if named else 0)
    assert door.stands(AttemptState.CAPTURED, WHOLE, 0)
    assert door.holding.books() == {"cod_with_couriers:cod": WHOLE, "advances": -WHOLE}
    door.holding.check()


def test_who_pays_all_at_the_first_parcel_is_asked_nothing_at_the_second() -> None:
    """Only what is not paid yet is shared."""
    door = Door()
    door.plan(group("1"), group("2", "3"))
    door.leaves(1)
    door.brings()
    assert door.stands(AttemptState.CAPTURED, WHOLE, 0)
    assert door.shares == [8_999, 0]
    door.leaves(2)
    assert door.parcel(2).collect == 0
    door.holding.check()


def test_a_second_parcel_that_was_booked_before_all_was_paid_does_not_leave_to_collect_again() -> (
    None
):
    """Its waybill is called off, and booked anew it collects nothing."""
    door = Door()
    door.plan(group("1"), group("2", "3"))
    door.leaves(1)
    door.packed(2)
    door.book(2)
    door.brings()
    assert door.parcel(2).waybill.state is WaybillState.CANCELING
    with pytest.raises(NotAllowed):
        door.engine.dispatch(door.id, door.name(2), key="d")
    door.engine.settle_waybills(door.id)
    assert door.parcel(2).collect == 0
    door.book(2)
    door.engine.dispatch(door.id, door.name(2), key="d")
    door.holding.check()


def test_an_amount_other_than_a_share_is_recorded_and_what_is_missing_in_all_is_due() -> None:
    """79.99 and 179.98 came: 10.00 is due when nobody is left who could bring it."""
    door = Door()
    door.sent(group("1"), group("2", "3"))
    door.brings("79.99", 1)
    assert door.stands(AttemptState.AUTHORIZED, 7_999, 0)
    door.brings("179.98")
    assert door.stands(AttemptState.CAPTURED, WHOLE - 1_000, 1_000)
    assert door.shares == [7_999, 17_998]
    door.holding.check()


def test_what_the_first_courier_brought_less_or_more_is_shared_over_what_is_still_to_leave() -> (
    None
):
    """80.00 or 100.00 of 89.99 came, so the parcel that waits collects the rest of the price."""
    for came in ("80.00", "100.00"):
        door = Door()
        door.plan(group("1"), group("2", "3"))
        door.leaves(1)
        door.brings(came)
        assert sum(door.shares) == WHOLE
        door.leaves(2)
        door.brings()
        assert door.stands(AttemptState.CAPTURED, WHOLE, 0)
        door.holding.check()


def test_l12_money_that_may_be_of_several_parcels_is_asked_back_by_its_parcel() -> None:
    """Two couriers are on their way, and what came is the share of neither: nothing is guessed, nothing changes."""
    door = Door()
    door.plan(group("1"), group("2"), group("3"))
    door.leaves(1)
    door.leaves(2)

    def refused(kind: type[Exception], *args: Any, **told: Any) -> None:
        before = door.order
        with pytest.raises(kind):
            door.brings(*args, **told)
        assert door.order == before

    refused(InvalidInput, "12.34")
    refused(NotAllowed, None, 3)  # it has not left
    refused(NotFound, None, 7)
    refused(NotAllowed, paid=False)  # nothing came at all: that is a refund
    door.brings("12.34", 2)
    refused(NotAllowed, "77.65", 2)  # it was told before
    door.brings("179.98")  # neither of the rest: but one courier alone is on its way
    assert door.order.payments.received == 1_234 + 17_998
    door.holding.check()


def test_l13_what_came_for_one_parcel_is_taken_once_under_one_key() -> None:
    """The same key answers as it stands; for another parcel it is refused."""
    door = Door()
    door.sent(group("1"), group("2", "3"))
    for _ in range(3):
        door.brings("89.99", 1, key="k1")
        assert door.stands(AttemptState.AUTHORIZED, 8_999, 0)
    with pytest.raises(KeyReused):
        door.brings("89.99", 2, key="k1")


def test_no_more_comes_when_staff_says_so_and_the_rest_is_due() -> None:
    """A courier lost the second parcel's money: for that parcel, or without one, it is told that nothing comes."""
    for n in (0, 2):
        door = Door()
        door.sent(group("1"), group("2", "3"))
        door.brings("89.99", 1)
        door.brings(None, n, paid=False)
        assert door.stands(AttemptState.CAPTURED, 8_999, 17_998)
        door.holding.check()


def test_a_refused_second_parcel_is_refunded_without_a_call_and_the_first_ones_money_stays() -> (
    None
):
    """What was never collected is let go; the attempt ends with what came."""
    door = Door(PREPAID)
    numbers = door.sent(group("1"), group("2", "3"))
    door.brings("85.88", 1)
    door.hears(door.post.happens(numbers[1], NOON + HOUR, _S.REFUSED))
    door.holding.refund(door.order, "2", "3")
    assert (door.attempt.state, door.attempt.captured) == (AttemptState.CAPTURED, 8_588)
    assert door.holding.books()["cod_with_couriers:cod"] == 8_588
    door.holding.check()


@given(
    st.permutations([1, 2, 3]),
    st.lists(st.sampled_from([None, "0.01", "50.00", "89.99", "120.00"]), min_size=3, max_size=3),
    st.integers(0, 3),
)
def test_l9_what_three_couriers_bring_is_what_the_books_say(
    turn: list[int], amounts: list[str | None], early: int
) -> None:
    """In any order, of any amounts, before or after the others left: it adds up, and no parcel is asked twice."""
    door = Door()
    door.plan(group("1"), group("2"), group("3"))
    came = 0
    for place, n in enumerate(turn):
        door.leaves(n)
        if place < early and door.attempt.state is AttemptState.AUTHORIZED:
            amount = amounts[n - 1]
            if amount is not None or door.parcel(n).collect:
                came += door.parcel(n).collect if amount is None else int(amount.replace(".", ""))
                door.brings(amount, n)
        assert sum(door.shares) <= max(WHOLE, came)
    for n in turn:
        if door.attempt.state is not AttemptState.AUTHORIZED or door.parcel(n).collected:
            continue
        if not door.parcel(n).collect and amounts[n - 1] is None:
            continue
        amount = amounts[n - 1]
        came += door.parcel(n).collect if amount is None else int(amount.replace(".", ""))
        door.brings(amount, n)
    assert door.order.payments.received == came
    assert door.holding.books()["cod_with_couriers:cod"] == came
    door.holding.check()


def test_l23_a_parcel_whose_courier_has_paid_is_read_as_it_was_written() -> None:
    """The order and all its events, on their way to disk and back."""
    door = Door()
    door.sent(group("1"), group("2", "3"))
    door.brings("89.99", 1)
    order: Order = door.order
    assert [p.collected for p in order.delivery.parcels] == [True, False]
    assert decode_order(encode_order(order)) == order
    for told in door.engine.journal(door.id):
        event = told.event
        assert decode_event(event.name, event.schema, encode_event(event)) == event


def test_what_is_paid_at_a_counter_before_it_is_handed_over_stands_for_that_parcel_alone() -> None:
    """89.99 for what is fetched; the parcel that the courier takes still collects its own share."""
    door = Door()
    door.plan(group("1", kind=ParcelKind.PICKUP, carrier=""), group("2", "3"))
    door.brings("89.99", 1)
    assert door.stands(AttemptState.AUTHORIZED, 8_999, 0)
    with pytest.raises(NotAllowed):
        door.brings("179.98", 2)  # it has not left
    door.leaves(2)
    assert door.shares == [8_999, 17_998]
    door.brings("179.98")
    assert door.stands(AttemptState.CAPTURED, WHOLE, 0)
    door.holding.check()


# --- What couriers were told --------------------------------------------------------------------


def test_a_booked_parcel_that_shrinks_does_not_collect_for_what_is_not_in_it() -> None:
    """A line is taken out of the order: the waybill is called off, and booked anew for what is left."""
    door = Door()
    door.plan(group("1", "2"), group("3"))
    door.packed(1)
    door.book(1)
    door.engine.amend(door.id, [RemoveLine("2")], key="am", by=STAFF)
    assert door.parcel(1).waybill.state is WaybillState.CANCELING
    door.engine.settle_waybills(door.id)
    total = door.order.total
    assert sum(door.shares) == total
    assert abs(2 * door.parcel(1).collect - total) <= 2
    door.engine.pack(door.id, door.name(1), grams=500, key="pk")
    door.book(1)
    door.engine.dispatch(door.id, door.name(1), key="d")
    door.leaves(2)
    door.brings()
    assert door.stands(AttemptState.CAPTURED, total, 0)
    door.holding.check()


def test_a_short_pick_of_a_booked_parcel_moves_its_share_to_what_is_planned_anew() -> None:
    """One of three was found: its courier collects a third, and the parcel of the others the rest."""
    door = Door()
    door.plan(group("1", "2", "3"))
    door.book(1)
    door.engine.pick(door.id, door.name(1), Manifest.of({"1": 1}), key="short")
    door.plan(group("2", "3"), key="again")
    door.engine.settle_waybills(door.id)
    assert door.shares == [8_999, 17_998]


def test_a_parcel_of_which_nothing_was_found_collects_nothing() -> None:
    """It is canceled, and its share is for what is planned in its place."""
    door = Door()
    door.plan(group("1"), group("2", "3"))
    door.engine.pick(door.id, door.name(1), Manifest(), key="none")
    assert door.parcel(1).collect == 0
    door.plan(group("1"), group("2", "3"), key="again")
    assert door.shares == [8_999, 17_998]


def test_a_carrier_that_does_not_call_its_waybill_off_takes_no_parcel_that_asks_too_much() -> None:
    """It refuses the cancellation, so the parcel cannot leave with it; the fault of nobody is hidden."""
    door = Door()
    door.post.capabilities = attrs.evolve(door.post.capabilities, cancels=False)
    door.plan(group("1", "2", "3"))
    door.book(1)
    door.engine.pick(door.id, door.name(1), Manifest.of({"1": 1}), key="short")
    door.engine.settle_waybills(door.id)
    assert door.parcel(1).waybill.state is WaybillState.BOOKED
    with pytest.raises(NotAllowed, match="more than is due") as caught:
        door.engine.dispatch(door.id, door.name(1), key="d")
    assert caught.value.reason
    assert not door.order.delivery.shipments


def test_a_waybill_stands_when_a_prepaid_parcel_shrinks() -> None:
    """Nothing is collected for it, so fewer goods under its number harm nobody."""
    house = Warehouse()
    house.plan(group("1", "2"), group("3"))
    house.packed(1)
    house.book(1)
    house.world.refund(house.order, "2")
    assert house.parcel(1).waybill.state is WaybillState.BOOKED


def test_l12_a_carrier_that_collects_nothing_is_not_booked_for_a_parcel_paid_at_the_door() -> None:
    """It is refused before anything is written; another carrier takes it, and a prepaid parcel goes with either."""
    door = Door()
    door.post.capabilities = attrs.evolve(door.post.capabilities, collects=False)
    door.plan(group("1", "2", "3"))
    before = door.order
    with pytest.raises(NotAllowed, match="collects nothing"):
        door.book()
    assert (door.order, door.post.calls) == (before, [])
    assert door.book(carrier="express").waybill.state is WaybillState.BOOKED
    house = Warehouse()
    house.post.capabilities = attrs.evolve(house.post.capabilities, collects=False)
    house.plan(group("1", "2", "3"))
    assert house.book().waybill.state is WaybillState.BOOKED


def test_l13_a_booking_that_was_made_is_answered_again_whatever_the_carrier_has_become() -> None:
    """The same key after its answer was lost: the waybill that was asked stands."""
    door = Door()
    door.plan(group("1", "2", "3"))
    door.post.faults += [CarrierFault("book", after=True), CarrierFault("lookup")]
    door.book(key="b")
    door.post.capabilities = attrs.evolve(door.post.capabilities, collects=False)
    door.holding.clock.advance(timedelta(minutes=1))
    assert door.book(key="b").waybill.state is WaybillState.BOOKED
