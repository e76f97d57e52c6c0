"""One dispute, told by a letter and by a statement: in either order, at the same time, with or without its name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.engine.combining import Merging, cart
from tests.engine.test_reconciling import DAY, NOON, K, SayingGateway, row
from tests.engine.world import CHANNEL, STAFF, World

from ordercore import Manifest
from ordercore.tender import Chargeback, Notification

if TYPE_CHECKING:
    from collections.abc import Callable


def letter(world: World, key: str, amount: int, name: str, fee: int = 0, event: str = "e1") -> None:
    """The channel writes that the payer's bank took so much back."""
    world.channel.told = Notification(event, key, Chargeback(amount, fee, name, NOON))
    world.engine.notify("wechat", {}, b"")


def patched(world: World, key: str, amount: int, name: str, fee: int = 0) -> None:
    """The channel's statement says so, and what it proves is booked."""
    report = world.engine.reconcile("wechat", [row(K.CHARGEBACK, name, key, amount, fee)], DAY)
    world.engine.patch("wechat", report, by=STAFF)


WAYS: dict[str, Callable[[World, str, int, str, int], None]] = {
    "letter": letter,
    "other letter": lambda w, key, amount, name, fee: letter(w, key, amount, name, fee, "e2"),
    "statement": patched,
}


def paid() -> tuple[World, str]:
    """A shop, and the charge of an order of 269.97."""
    world = World(channel=SayingGateway)
    (attempt,) = world.paid(CHANNEL).payments.attempts
    return world, attempt.id


def before_the_commit(world: World, does: Callable[[], object]) -> None:
    """Let something else happen between what is decided next and its being written."""
    store: Any = world.store
    real, done = store.commit, []

    def commit(*args: Any) -> Any:
        if not done:
            done.append(True)
            does()
        return real(*args)

    store.commit = commit


PAIRS = [
    ("letter", "statement"),
    ("statement", "letter"),
    ("letter", "other letter"),
    ("letter", "letter"),
    ("statement", "statement"),
]


@pytest.mark.parametrize(("first", "second"), PAIRS)
@pytest.mark.parametrize("fees", [(0, 0), (0, 100), (100, 0), (100, 100)])
def test_l10_a_dispute_is_booked_once_whoever_tells_first(
    first: str, second: str, fees: tuple[int, int]
) -> None:
    """L10: the same amount under the same name; a fee that only the later letter knows is booked too."""
    world, key = paid()
    WAYS[first](world, key, 5_000, "D1", fees[0])
    WAYS[second](world, key, 5_000, "D1", fees[1])
    books = world.books()
    assert books["chargebacks:wechat"] == 5_000
    heard = fees[:1] if (first, second) == ("letter", "letter") else fees
    assert books.get("channel_fees:wechat", 0) == max(heard)


def test_l10_a_fee_that_a_letter_told_is_not_booked_by_the_next_statement() -> None:
    """L10: a statement without a fee, a letter with one, and the statement again with the same fee."""
    world, key = paid()
    patched(world, key, 5_000, "D1")
    letter(world, key, 5_000, "D1", fee=100)
    patched(world, key, 5_000, "D1", fee=100)
    patched(world, key, 5_000, "D1", fee=100)
    books = world.books()
    assert (books["chargebacks:wechat"], books["channel_fees:wechat"]) == (5_000, 100)


@pytest.mark.parametrize(("first", "second"), PAIRS[:3])
def test_l10_a_dispute_is_booked_once_though_both_tell_at_the_same_time(
    first: str, second: str
) -> None:
    """L10: whoever comes to write later looks again."""
    world, key = paid()
    before_the_commit(world, lambda: WAYS[second](world, key, 5_000, "D1", 0))
    WAYS[first](world, key, 5_000, "D1", 0)
    assert world.books()["chargebacks:wechat"] == 5_000


@pytest.mark.parametrize("meanwhile", [False, True])
@pytest.mark.parametrize(("first", "second"), PAIRS[:3])
def test_l10_a_dispute_over_a_split_order_is_booked_once(
    first: str, second: str, *, meanwhile: bool
) -> None:
    """L10: its parts bear it, whoever tells first, or while the other is told."""
    world = Merging("standard", channel=SayingGateway)
    order = world.place(cart("SKU-1", "10.00", units=4), "pay")
    (attempt,) = order.payments.attempts
    goods = [Manifest.of({"1": 1}), Manifest.of({"1": 3})]
    parts = world.engine.split(order.id, goods, key="s", by=STAFF).children
    if meanwhile:
        before_the_commit(world, lambda: WAYS[second](world, attempt.id, 2_000, "D1", 0))
    WAYS[first](world, attempt.id, 2_000, "D1", 0)
    WAYS[second](world, attempt.id, 2_000, "D1", 0)
    borne = [world.get(one).payments.attempts[0].charged_back for one in parts]
    assert borne == [500, 1_500]


@pytest.mark.parametrize("names", [("", "D1"), ("D1", "")])
@pytest.mark.parametrize(("first", "second"), PAIRS[:2])
def test_a_dispute_that_one_side_does_not_name_is_known_by_its_amount(
    first: str, second: str, names: tuple[str, str]
) -> None:
    """As a row of a statement without a name is."""
    world, key = paid()
    WAYS[first](world, key, 5_000, names[0], 0)
    WAYS[second](world, key, 5_000, names[1], 0)
    assert world.books()["chargebacks:wechat"] == 5_000


def test_disputes_under_other_names_and_letters_without_one_are_booked_each() -> None:
    """Two letters that name nothing are two events of the channel."""
    world, key = paid()
    letter(world, key, 5_000, "D1")
    letter(world, key, 5_000, "D2", event="e2")
    assert world.books()["chargebacks:wechat"] == 10_000
    world, key = paid()
    letter(world, key, 5_000, "")
    letter(world, key, 5_000, "", event="e2")
    letter(world, key, 5_000, "", event="e2")
    assert world.books()["chargebacks:wechat"] == 10_000


def test_parts_of_a_dispute_that_come_one_by_one_are_booked_each() -> None:
    """Other amounts under one name are other movements; one of them told again is none."""
    world, key = paid()
    letter(world, key, 3_000, "D1")
    letter(world, key, 2_000, "D1", event="e2")
    assert world.books()["chargebacks:wechat"] == 5_000
