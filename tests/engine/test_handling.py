"""Handling: marks, the review, events by name, closing for good, moves by hand, and the host's hooks."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from tests.engine.world import CHANNEL, SHOPPER, STAFF, World, world_policies

from ordercore import Actor, ActorKind, Manifest, NotAllowed, Policies
from ordercore.errors import (
    InvalidInput,
    InvalidLifecycle,
    InvalidManifest,
    KeyReused,
    UnknownEvent,
    Vetoed,
)
from ordercore.lifecycle import load_lifecycle
from ordercore.order import (
    FACTS,
    AddNote,
    ChangeQuantity,
    HandlingPolicy,
    Moved,
    Overruled,
    Rule,
)
from ordercore.testing import laws

if TYPE_CHECKING:
    from collections.abc import Callable

    from ordercore import Order
    from ordercore.change import Change
    from ordercore.order import Command

AGENT = "purchasing_agent"
STRANGER = Actor.customer("c2")
CARRIER = Actor(ActorKind.CHANNEL, "dhl")
EVERYTHING = Policies(
    pricing=world_policies().pricing, handling=HandlingPolicy(overrules=tuple(Rule))
)


class Shop:
    """A world with one order of a lifecycle in it."""

    def __init__(
        self, lifecycle: Any = AGENT, *, policies: Policies | None = None, **ports: Any
    ) -> None:
        self.world = World(policies=policies or world_policies())
        charts = [] if lifecycle == "standard" else [lifecycle]
        self.engine = self.world.engine = self.world.another(lifecycles=charts, **ports)
        name = lifecycle if isinstance(lifecycle, str) else lifecycle.name
        quote = self.engine.quote(self.world.quote().cart)
        self.order = self.engine.place(quote, key="place", by=SHOPPER, lifecycle=name)
        self.id = self.order.id

    def now(self) -> Order:
        """The order as it stands."""
        return self.engine.get(self.id)

    def do(self, verb: str, *args: Any, by: Actor = STAFF, **options: Any) -> Order:
        """Call a verb of the engine under a new key."""
        options = {"key": self.world.key(), "by": by, **options}
        getattr(self.engine, verb)(self.id, *args, **options)
        return self.now()

    def pay(self) -> Order:
        """The shopper pays over the channel."""
        return self.do("pay", CHANNEL, by=SHOPPER)

    def check(self) -> None:
        """The laws of any order; nothing is held for one that is over."""
        self.world.check(settled=False)
        order = self.now()
        laws.amounts_agree(order)
        held: dict[str, int] = {}
        for name, _ in order.reservations():
            for sku, units in self.world.stock.reserved(name).items():
                held[sku] = held.get(sku, 0) + units
        assert held == dict(order.stock_kept())


def paid(lifecycle: Any = AGENT, **options: Any) -> Shop:
    """The order, paid."""
    shop = Shop(lifecycle, **options)
    shop.pay()
    return shop


# --- Marks ---------------------------------------------------------------------------------------


def test_notes_keep_who_wrote_them_and_who_may_read_them() -> None:
    """Staff's are the shop's own unless they say so; the shopper's are the shopper's."""
    shop = paid()
    shop.do("note", "called, no answer")
    shop.world.clock.advance(timedelta(hours=1))
    shop.do("note", "parcel goes to the neighbor", shown=True)
    shop.do("note", "please ring twice", by=SHOPPER)
    notes = shop.now().handling.notes
    assert [(n.by, n.shown, n.at.hour) for n in notes] == [
        (STAFF, False, 12), (STAFF, True, 13), (SHOPPER, True, 13),
    ]  # fmt: skip
    assert "neighbor" not in repr(notes)


def test_tags_are_a_set_in_the_order_they_came() -> None:
    """Put on twice is put on once; taking off what is not there changes nothing."""
    shop = paid()
    shop.do("tag", ["vip", "late"])
    version = shop.now().version
    shop.do("tag", ["vip"], remove=["gift"])
    assert (shop.now().version, shop.now().handling.tags) == (version, ("vip", "late"))
    shop.do("tag", ["gift"], remove=["vip"])
    assert shop.now().handling.tags == ("late", "gift")


def test_an_order_is_somebodys_work() -> None:
    """A department, then a person, then nobody."""
    shop = paid()
    for to in ("warehouse north", "ada", ""):
        assert shop.do("assign", to).handling.assigned == to


def test_lines_have_statuses_of_their_own() -> None:
    """Those that the lifecycle lists; the last word on a line counts, and a removed line takes its mark along."""
    shop = paid()
    shop.do("mark_item", "1", "purchased")
    shop.do("mark_item", "2", "out_of_stock")
    shop.do("mark_item", "1", "at_warehouse")
    assert dict(shop.now().handling.items) == {"2": "out_of_stock", "1": "at_warehouse"}
    from ordercore.order import RemoveLine

    shop.do("amend", [RemoveLine("2")])
    assert dict(shop.now().handling.items) == {"1": "at_warehouse"}
    shop.check()


MARKS: dict[str, tuple[tuple[Any, ...], dict[str, Any]]] = {
    "note": (("called",), {}),
    "tag": ((["vip"],), {}),
    "assign": (("north",), {}),
    "mark_item": (("1", "purchased"), {}),
    "pause": (("ticket",), {}),
}


@pytest.mark.parametrize("verb", MARKS)
def test_l13_a_mark_twice_under_one_key_is_one(verb: str) -> None:
    """The same key has one effect, also in another process; with other content it is refused."""
    args, options = MARKS[verb]
    shop = paid()
    first = getattr(shop.engine, verb)(shop.id, *args, **options, key="k", by=STAFF)
    before = shop.world.snapshot()
    assert getattr(shop.engine, verb)(shop.id, *args, **options, key="k", by=STAFF) == first
    assert shop.world.snapshot() == before
    with shop.world.refused(KeyReused):
        shop.engine.note(shop.id, "something else", key="k", by=STAFF)


@pytest.mark.parametrize(
    ("verb", "by"),
    [
        ("tag", SHOPPER), ("assign", SHOPPER), ("mark_item", SHOPPER),
        ("note", STRANGER), ("tag", CARRIER), ("note", CARRIER), ("pause", STRANGER),
    ],
)  # fmt: skip
def test_l12_who_may_not_mark_an_order_changes_nothing(verb: str, by: Actor) -> None:
    """Tags, work and statuses are the staff's; nobody writes on another customer's order."""
    shop = paid()
    args, options = MARKS[verb]
    with shop.world.refused(NotAllowed):
        getattr(shop.engine, verb)(shop.id, *args, **options, key="k", by=by)


@pytest.mark.parametrize(
    ("verb", "args", "options", "error", "path"),
    [
        ("note", ("",), {}, InvalidInput, "text"),
        ("note", ("   ",), {}, InvalidInput, "text"),
        ("note", ("x" * 4_001,), {}, InvalidInput, "text"),
        ("note", (5,), {}, InvalidInput, "text"),
        ("tag", ("vip",), {}, InvalidInput, "add"),
        ("tag", (["x" * 65],), {}, InvalidInput, "tags[0]"),
        ("tag", ([None],), {}, InvalidInput, "tags[0]"),
        ("tag", ([f"t{i}" for i in range(51)],), {}, InvalidInput, "tags"),
        ("tag", (), {"remove": "vip"}, InvalidInput, "remove"),
        ("assign", ("x" * 65,), {}, InvalidInput, "to"),
        ("mark_item", ("9", "purchased"), {}, InvalidManifest, "line"),
        ("mark_item", ("1", "eaten"), {}, InvalidInput, "status"),
        ("pause", ("",), {}, InvalidInput, "name"),
        ("pause", ("*",), {}, InvalidInput, "name"),
        ("resume", ("ticket",), {}, InvalidInput, "name"),
        ("extend", ("tea",), {}, InvalidInput, "timer"),
        ("advance", ("",), {}, InvalidInput, "event"),
        ("advance", (5,), {}, InvalidInput, "event"),
        ("advance", ("pay",), {}, InvalidInput, "event"),
        ("advance", ("teleport",), {}, UnknownEvent, AGENT),
        ("review", (), {"valid": "yes"}, InvalidInput, "valid"),
        ("review", (), {"valid": True, "checklist": {"address": 1}}, InvalidInput, "checklist[0]"),
        ("review", (), {"valid": True, "checklist": {5: True}}, InvalidInput, "checklist[0]"),
    ],
)  # fmt: skip
def test_l12_a_bad_mark_changes_nothing(
    verb: str, args: Any, options: Any, error: Any, path: str
) -> None:
    """Empty, too long, too many, of no type or unknown: each is named with its place."""
    shop = paid()
    before = shop.world.snapshot()
    with pytest.raises(error) as caught:
        getattr(shop.engine, verb)(shop.id, *args, **options, key="k", by=STAFF)
    assert (caught.value.path, bool(caught.value.reason)) == (path, True)
    assert shop.world.snapshot() == before


def test_a_lifecycle_without_statuses_of_items_marks_none() -> None:
    """The refusal lists those that there are."""
    shop = paid("standard")
    with shop.world.refused(InvalidInput) as caught:
        shop.engine.mark_item(shop.id, "1", "purchased", key="k", by=STAFF)
    assert caught.value.data["allowed"] == ()


def test_an_order_takes_a_bounded_number_of_notes() -> None:
    """The 201st is refused; the first 200 are there."""
    shop = paid()
    for number in range(200):
        shop.engine.note(shop.id, f"note {number}", key=f"n{number}", by=STAFF)
    with shop.world.refused(InvalidInput):
        shop.engine.note(shop.id, "one more", key="n", by=STAFF)
    assert len(shop.now().handling.notes) == 200


# --- Events by name ------------------------------------------------------------------------------


def test_staff_send_the_words_of_the_lifecycle_and_the_customer_its_own() -> None:
    """Who may send which in which state stands in the chart."""
    shop = paid()
    with shop.world.refused(NotAllowed) as caught:
        shop.engine.advance(shop.id, "receive_at_warehouse", key="k", by=SHOPPER)
    assert "may not send" in caught.value.reason
    assert shop.do("advance", "receive_at_warehouse").state == "processing_at_warehouse"
    shop.do("advance", "propose_packing", reason="two parcels")
    for by in (STRANGER, CARRIER):
        with shop.world.refused(NotAllowed):
            shop.engine.advance(shop.id, "confirm_packing", key="k", by=by)
    assert shop.do("advance", "confirm_packing", by=SHOPPER).state == "ready_for_packing"
    told = [t for t in shop.engine.journal(shop.id) if isinstance(t.event, Moved)]
    assert [(t.event.via, t.event.reason, t.by) for t in told[-2:]] == [  # type: ignore[attr-defined]
        ("propose_packing", "two parcels", STAFF), ("confirm_packing", "", SHOPPER),
    ]  # fmt: skip
    shop.check()


def test_l12_a_word_that_the_state_does_not_list_changes_nothing() -> None:
    """The refusal names what is possible instead."""
    shop = paid()
    with shop.world.refused(NotAllowed) as caught:
        shop.engine.advance(shop.id, "pack", key="k", by=STAFF)
    assert "receive_at_warehouse" in caught.value.data["allowed"]  # type: ignore[operator]


def test_l13_a_word_twice_under_one_key_moves_once() -> None:
    """The second call answers with the order; the same key for another word is refused."""
    shop = paid()
    first = shop.engine.advance(shop.id, "receive_at_warehouse", key="k", by=STAFF)
    assert shop.engine.advance(shop.id, "receive_at_warehouse", key="k", by=STAFF) == first
    with shop.world.refused(KeyReused):
        shop.engine.advance(shop.id, "propose_packing", key="k", by=STAFF)


OWN = {
    "lifecycle": "workshop",
    "version": 1,
    "states": {
        "open": {
            "initial": True,
            "amend": ["staff"],
            "transitions": [
                {"event": "pay", "target": "paid", "cond": "paid_in_full"},
                {"event": "scrap", "target": "scrapped"},
                {"event": "close", "target": "lost", "unless": "money_in_flight"},
            ],
        },
        "paid": {"transitions": [{"event": "scrap", "target": "scrapped"}]},
        "scrapped": {"final": True, "releases": True},
        "lost": {"final": True, "releases": True},
    },
    "events": {"scrap": {"by": ["staff"]}},
}


@pytest.mark.parametrize("pays", [False, True])
def test_l22_a_word_that_ends_the_order_gives_its_money_and_goods_back(pays: bool) -> None:
    """A lifecycle's own *scrap* leads to a state that releases: it ends as a cancellation does."""
    shop = Shop(load_lifecycle(OWN, FACTS))
    if pays:
        shop.pay()
        assert shop.world.channel.taken == 26997
    order = shop.do("advance", "scrap", reason="broken")
    assert (order.state, order.reason, order.handling.released) == ("scrapped", "broken", True)
    assert shop.world.channel.taken == 0
    assert shop.world.free() == [5, 5, 5]
    shop.check()
    assert shop.world.books() == {}


# --- The review ----------------------------------------------------------------------------------


def test_a_review_keeps_the_checklist_and_the_contact() -> None:
    """Who looked the order over, when, what was in order and whom they spoke to."""
    shop = Shop("review_first")
    order = shop.do(
        "review", valid=True, checklist={"address": True, "phone": False}, contact="12:05, herself"
    )
    review = order.handling.review
    assert review is not None
    assert (review.by, review.valid, review.contact) == (STAFF, True, "12:05, herself")
    assert dict(review.checklist) == {"address": True, "phone": False}
    assert "herself" not in repr(review)
    assert order.state == "confirmed"


def test_an_invalid_order_needs_a_reason_and_frees_its_goods() -> None:
    """Without one nothing changes; with one the order is over, for good in this lifecycle."""
    shop = Shop("review_first")
    with shop.world.refused(InvalidInput) as caught:
        shop.engine.review(shop.id, valid=False, key="k", by=STAFF)
    assert caught.value.path == "reason"
    order = shop.do("review", valid=False, reason="no such address")
    assert (order.state, order.reason) == ("invalid", "no such address")
    assert shop.world.free() == [5, 5, 5]
    with shop.world.refused(NotAllowed):
        shop.engine.review(shop.id, valid=True, key="k", by=STAFF)


@pytest.mark.parametrize("by", [SHOPPER, STRANGER, CARRIER], ids=str)
def test_l12_only_staff_review(by: Actor) -> None:
    """Nobody confirms an order of their own."""
    shop = Shop("review_first")
    with shop.world.refused(NotAllowed):
        shop.engine.review(shop.id, valid=True, key="k", by=by)


def test_l12_an_order_that_is_not_to_be_reviewed_is_not() -> None:
    """The standard order knows no review."""
    shop = Shop("standard")
    with shop.world.refused(NotAllowed):
        shop.engine.review(shop.id, valid=True, key="k", by=STAFF)


# --- Closing for good ----------------------------------------------------------------------------


def test_a_closed_order_is_only_read() -> None:
    """It keeps its place in the books; every command is refused by the same reason, and allowed lists none."""
    shop = paid()
    order = shop.do("close", reason="settled with the customer")
    assert (order.state, order.handling.sealed) == ("completed", True)
    assert order.recognized
    for verb, args, options in (
        ("note", ("late",), {}),
        ("refund", (), {"reason": "no"}),
        ("amend", ([ChangeQuantity("1", 2)],), {}),
        ("override", ("processing",), {"reason": "no"}),
        ("advance", ("receive_at_warehouse",), {}),
    ):
        with shop.world.refused(NotAllowed) as caught:
            getattr(shop.engine, verb)(shop.id, *args, **options, key="k", by=STAFF)
        assert "closed for good" in caught.value.reason
    assert not [p for p in shop.engine.allowed(order, STAFF) if p.possible]
    assert shop.engine.journal(shop.id)
    shop.check()


def test_an_order_is_not_closed_while_money_is_owed() -> None:
    """A difference is due: refused with the figure, unless staff may set the rule aside and say why."""
    for policies in (world_policies(), EVERYTHING):
        shop = paid(policies=policies)
        shop.do("amend", [ChangeQuantity("1", 2)])
        shop.do("override", "processing", reason="go on") if policies is EVERYTHING else None
        with shop.world.refused(NotAllowed):
            shop.engine.close(shop.id, reason="settled", key="k", by=STAFF)
        if policies is not EVERYTHING:
            continue
        order = shop.do("close", reason="settled", overrule="a gift")
        assert order.handling.sealed
        rules = [t.event for t in shop.engine.journal(shop.id) if isinstance(t.event, Overruled)]
        assert rules[-1] == Overruled("close_owing", "a gift")
        shop.check()


@pytest.mark.parametrize("by", [SHOPPER, STRANGER, CARRIER], ids=str)
def test_l12_only_staff_close_for_good(by: Actor) -> None:
    """A customer cancels, and never closes."""
    shop = paid()
    with shop.world.refused(NotAllowed):
        shop.engine.close(shop.id, reason="x", key="k", by=by)


def test_l12_a_lifecycle_that_seals_nothing_closes_nothing() -> None:
    """The standard order has no closing for good."""
    shop = paid("standard")
    with shop.world.refused(NotAllowed):
        shop.engine.close(shop.id, reason="x", key="k", by=STAFF)


def test_refunds_under_way_still_arrive_at_a_closed_order() -> None:
    """The last words of channels are heard after the closing, so the books end even."""
    shop = paid()
    shop.do("refund", Manifest.of({"1": 1}), reason="broken")
    closed = shop.do("close", reason="settled")
    assert closed.handling.sealed
    shop.world.clock.advance(timedelta(days=1))
    shop.engine.sweep()
    assert shop.now().payments.refunds[0].arrived
    shop.check()


# --- By hand -------------------------------------------------------------------------------------


def test_staff_move_an_order_where_the_policy_lets_them_with_a_reason() -> None:
    """To any state of its lifecycle; the reason and the rule are in the journal."""
    shop = paid(policies=EVERYTHING)
    order = shop.do("override", "ready_to_ship", reason="the scanner was down")
    assert order.state == "ready_to_ship"
    told = [t for t in shop.engine.journal(shop.id) if isinstance(t.event, Overruled | Moved)][-2:]
    assert told[0].event == Overruled("state", "the scanner was down")
    assert isinstance(told[1].event, Moved)
    assert (told[1].event.via, told[1].by) == ("override", STAFF)
    assert shop.do("ship").state == "shipped"
    shop.check()


@pytest.mark.parametrize(
    ("to", "reason", "error", "path"),
    [
        ("ready_to_ship", "", InvalidInput, "reason"),
        ("ready_to_ship", " ", InvalidInput, "reason"),
        ("processing", "again", InvalidInput, "to"),
        ("nirvana", "why not", InvalidLifecycle, AGENT),
        ("canceled", "forget it", NotAllowed, ""),
    ],
)
def test_l12_a_move_by_hand_that_cannot_be_changes_nothing(
    to: str, reason: str, error: Any, path: str
) -> None:
    """Without a reason, to where it is, to no state, or away from money that it holds."""
    shop = paid(policies=EVERYTHING)
    before = shop.world.snapshot()
    with pytest.raises(error) as caught:
        shop.engine.override(shop.id, to, reason=reason, key="k", by=STAFF)
    assert caught.value.path == path
    assert shop.world.snapshot() == before


def test_l12_who_may_not_move_by_hand_changes_nothing() -> None:
    """Nobody where the policy does not list it; elsewhere staff alone, and not while money moves."""
    shop = paid()
    with shop.world.refused(NotAllowed):
        shop.engine.override(shop.id, "ready_to_ship", reason="x", key="k", by=STAFF)
    shop = paid(policies=EVERYTHING)
    for by in (SHOPPER, CARRIER):
        with shop.world.refused(NotAllowed):
            shop.engine.override(shop.id, "ready_to_ship", reason="x", key="k", by=by)
    shop.do("cancel", reason="no")
    with shop.world.refused(NotAllowed):
        shop.engine.override(shop.id, "processing", reason="x", key="k", by=STAFF)


def test_l22_an_unpaid_order_put_away_by_hand_frees_its_goods() -> None:
    """A state that releases does so, however the order came there."""
    shop = Shop(policies=EVERYTHING)
    order = shop.do("override", "canceled", reason="a test order")
    assert order.handling.released
    assert shop.world.free() == [5, 5, 5]
    shop.check()


# --- Hooks ---------------------------------------------------------------------------------------


class Watch:
    """A hook that vetoes what it is told to, and remembers what it heard."""

    def __init__(self, veto: Callable[[Order, Command, Actor], str] | None = None) -> None:
        self.veto = veto
        self.asked: list[str] = []
        self.told: list[Change] = []
        self.breaks = False

    def before(self, order: Order, command: Command, by: Actor) -> str:
        """Pass, or a reason."""
        self.asked.append(type(command).__name__)
        return self.veto(order, command, by) if self.veto else ""

    def after(self, change: Change) -> None:
        """Remember, then fail if it is to."""
        self.told.append(change)
        if self.breaks:
            message = "the host's own error"
            raise RuntimeError(message)


def test_l12_a_hook_vetoes_a_command_with_its_reason() -> None:
    """Nothing is written, and the error names the hook and the reason."""
    watch = Watch(lambda _o, command, _by: "no notes today" if type(command) is AddNote else "")
    shop = paid(hooks=[watch])
    with shop.world.refused(Vetoed) as caught:
        shop.engine.note(shop.id, "called", key="k", by=STAFF)
    assert caught.value.reason == "no notes today"
    assert caught.value.data["hook"] == "Watch"
    assert shop.do("tag", ["vip"]).handling.tags == ("vip",)


def test_a_hook_may_veto_amendments_reviews_and_recoveries() -> None:
    """Every verb asks, the preview too, and a vetoed one promises and pays nothing."""
    watch = Watch(lambda _o, command, _by: f"no {type(command).__name__}")
    shop = paid()
    engine = shop.world.another(lifecycles=[AGENT], hooks=[watch])
    change = [ChangeQuantity("1", 2)]
    acts: tuple[Callable[[], Any], ...] = (
        lambda: engine.amend(shop.id, change, key="k", by=SHOPPER),
        lambda: engine.preview_amendment(shop.id, change, by=SHOPPER),
        lambda: engine.advance(shop.id, "receive_at_warehouse", key="k", by=STAFF),
        lambda: engine.close(shop.id, reason="x", key="k", by=STAFF),
        lambda: engine.cancel(shop.id, reason="x", key="k", by=STAFF),
        lambda: engine.refund(shop.id, reason="x", key="k", by=STAFF),
        lambda: engine.override(shop.id, "shipped", reason="x", key="k", by=STAFF),
    )
    for act in acts:
        with shop.world.refused(Vetoed):
            act()
    shop.do("cancel", reason="no")
    with shop.world.refused(Vetoed):
        engine.recover(shop.id, key="k", by=STAFF)
    shop.check()


def test_a_hook_hears_of_every_change_once_after_it_was_written() -> None:
    """The changes it was told are the journal, event by event."""
    watch = Watch()
    shop = paid(hooks=[watch])
    shop.do("amend", [ChangeQuantity("1", 2)])
    shop.do("note", "called")
    shop.do("cancel", reason="no")
    shop.engine.sweep()
    told = [(r.sequence, r.event, r.by) for made in watch.told for r in made.recorded()]
    assert told == [(t.sequence, t.event, t.by) for t in shop.engine.journal(shop.id)]
    assert {"Pay", "Amend", "AddNote", "Cancel"} <= set(watch.asked)
    assert "AnswerAttempts" not in watch.asked  # a fact: nobody is asked whether it shall be so


def test_an_error_of_a_hook_after_the_fact_changes_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """What is written is written: the caller gets the order, and the log the error."""
    watch = Watch()
    shop = paid(hooks=[watch])
    watch.breaks = True
    assert shop.do("note", "called").handling.notes
    assert shop.do("amend", [ChangeQuantity("1", 2)]).due == 9999
    assert "after AddNote: Watch" in caplog.text
    assert "the host's own error" in caplog.text
    shop.check()


def test_a_repeated_key_is_told_to_no_hook() -> None:
    """The effect is there already: nobody hears of it again."""
    watch = Watch()
    shop = paid(hooks=[watch])
    shop.engine.note(shop.id, "called", key="k", by=STAFF)
    heard = len(watch.told)
    shop.engine.note(shop.id, "called", key="k", by=STAFF)
    assert len(watch.told) == heard
