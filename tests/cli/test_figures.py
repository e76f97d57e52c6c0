"""The figures of a replay tell money that really moved, whichever way it took."""

from __future__ import annotations

from tests.stored import paid, story

from ordercore.change import Change
from ordercore.cli.figures import Figures


def counted(changes: list[Change]) -> Figures:
    """The figures of all that was published."""
    figures = Figures()
    for change in changes:
        figures.publish(change.recorded())
    return figures


def test_what_is_taken_in_parts_is_taken_once() -> None:
    """Parts add up to what was taken; what was only held and let go is neither taken nor given back."""
    figures = counted(paid.held_story())
    card, other = figures.gateways["card"], figures.gateways["other"]
    assert (card.declined, card.charges, card.taken) == (1, 0, 0)
    assert (other.declined, other.charges, other.taken, other.undone) == (0, 1, 28_906, 0)
    assert figures.gateways["balance"].taken == 2_000


def test_a_refund_counts_where_it_goes() -> None:
    """A leg that goes another way is asked back there, and no longer where it failed."""
    figures = counted(paid.held_story())
    balance, other = figures.gateways["balance"], figures.gateways["other"]
    assert (balance.refunded, balance.arrived) == (78 + 1_922 + 6_327, 6_327)
    assert (other.refunded, other.arrived, other.held) == (8_249, 0, 28_906)
    let_go = 1_191
    assert (figures.refunded, figures.arrived) == (1_269 + 2 * 8_249, let_go + 6_327)


def test_what_is_held_is_what_the_books_say() -> None:
    """Of orders without chargebacks, fees and payouts, each gateway holds what the orders received and kept."""
    changes = [*paid.presale_story(), *paid.late_story(), *story.story()]
    figures = counted(changes)
    last = {change.order.id: change.order for change in changes}
    taken = sum(sums.taken - sums.undone for sums in figures.gateways.values())
    assert taken == sum(order.payments.received for order in last.values())
    booked = sum(
        entry.amount
        for change in changes
        for entry in change.entries
        if entry.account.value in {"clearing", "points_liability", "stored_value_liability"}
    )
    assert sum(sums.held for sums in figures.gateways.values()) == booked


def test_repeats_are_counted_once() -> None:
    """An event that is published again changes nothing."""
    figures = Figures()
    for change in paid.held_story():
        for _ in range(2):
            figures.publish(change.recorded())
    assert figures.gateways["other"].taken == 28_906
    assert figures.refunds == 3
