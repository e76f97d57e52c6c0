"""Stories of orders that go apart and become one: split and whole again, combined and apart again, split for good."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
from tests.stored.paid import Told
from tests.stored.story import CLERK, LIFECYCLE, START, TIMEOUTS, cart, content

from ordercore.change import Change, change
from ordercore.goods import Manifest
from ordercore.money import money
from ordercore.order import (
    ChargeSplit,
    ChildPart,
    Handover,
    Lineage,
    MergedIn,
    SplitOff,
    SplitPart,
    evolve,
)
from ordercore.order.commands import (
    CombineOrders,
    MergeInto,
    RejoinOrders,
    RestoreOrder,
    SplitOrder,
    UnmergeOrder,
)
from ordercore.order.decide import Decision
from ordercore.order.rules.regrouping import taken_out
from ordercore.order.split import child_content, divided
from ordercore.tender import OutcomeStatus, tenders
from ordercore.tender.parting import held_again

if TYPE_CHECKING:
    from ordercore.order import Portion

_PARTS = (
    SplitPart("north", Manifest.of({"1": 2}), ("presale", "value"), "north"),
    SplitPart("rest", Manifest.of({"1": 1, "2": 2, "3": 3}), ("the rest",)),
)


def _paid(name: str, number: str, lines: int = 3) -> Told:
    """An order that was paid over two tenders."""
    told = Told(content(name, number, lines, cart=cart(lines)))
    told.pay(tenders.Balance(money("20.00", "CNY"), "cus_42"), tenders.Channel("wechat"))
    for place in range(2):
        told.answer(OutcomeStatus.CAPTURED, place)
    return told


class _Part(Told):
    """A part of an order, from its first event on."""

    def __init__(self, whole: Told, portions: tuple[Portion, ...], at: int) -> None:
        self.lifecycle, self.policy, self.at = LIFECYCLE, whole.policy, whole.at
        order, portion = whole.order, portions[at]
        name = f"{order.id}.{at + 1}"
        goods = tuple([(line.sku, line.quantity) for line in portion.lines])
        held = Handover(order.content.reservation, f"res-{name}", goods)
        part = portion.part
        lineage = Lineage(order.id, part.name, part.reasons, handovers=(held,))
        agreed = child_content(order, portions, at, name, f"{order.number}-{at + 1}", held.target)
        handling = attrs.evolve(order.handling, lineage=lineage)
        event = SplitOff(agreed, order.state, order.entered_at, portion.payments, handling)
        born = Decision(evolve(None, event, self.at), (event,))
        self.changes = [change(None, born, self.at, CLERK, "SplitOrder", TIMEOUTS, self.lifecycle)]


def _split(told: Told) -> tuple[_Part, ...]:
    """The order goes apart; its parts are born in the same moment."""
    order = told.order
    portions = divided(order, _PARTS, ChargeSplit())
    parts = tuple(
        [
            ChildPart(
                f"{order.id}.{k}", f"{order.number}-{k}", p.part.name, p.part.goods, p.total,
                p.part.reasons,
            )
            for k, p in enumerate(portions, start=1)
        ]
    )  # fmt: skip
    money_ = taken_out([a for p in portions for a in p.payments.attempts])
    children = tuple([_Part(told, portions, k) for k in range(len(portions))])
    told.then(SplitOrder(parts, money_), CLERK)
    return children


def rejoined_story() -> list[Change]:
    """Split in two and whole again."""
    told = _paid("ord_11", "ORD-0000000011")
    agreed = told.order.content
    children = _split(told)
    for child in children:
        child.then(MergeInto("ord_11", "ORD-0000000011", "rejoin"), CLERK)
    names = tuple([child.order.id for child in children])
    told.then(RejoinOrders(agreed, names, "paid"), CLERK)
    return [*told.changes, *[made for child in children for made in child.changes]]


def split_story() -> list[Change]:
    """Split in two for good."""
    told = _paid("ord_12", "ORD-0000000012")
    children = _split(told)
    return [*told.changes, *[made for child in children for made in child.changes]]


def _combined() -> tuple[Told, Told, MergedIn]:
    """One order takes another in, with its money."""
    basic = _paid("ord_13", "ORD-0000000013", 2)
    added = _paid("ord_14", "ORD-0000000014", 1)
    attempts = held_again(added.order.payments)
    ours = tuple([attempt.id for attempt in basic.order.payments.attempts])
    merged = MergedIn(
        "ord_14", "ORD-0000000014", "paid", "paid", tuple([a.id for a in attempts]), ours, 0,
        (("1", "3"),),
    )  # fmt: skip
    agreed = content("ord_13", "ORD-0000000013", 7, START, cart=cart(7))
    basic.then(CombineOrders(agreed, merged, attempts, "paid", "rfd_m1"), CLERK)
    added.then(MergeInto("ord_13", "ORD-0000000013", overrule="by telephone"), CLERK)
    return basic, added, merged


def combined_story() -> list[Change]:
    """Two paid orders become one, of which something is due."""
    basic, added, _ = _combined()
    return [*basic.changes, *added.changes]


def unmerged_story() -> list[Change]:
    """Two orders become one, and are apart again."""
    basic, added, merged = _combined()
    agreed = next(made.order.content for made in basic.changes)
    basic.then(UnmergeOrder(agreed, merged), CLERK)
    added.then(RestoreOrder("ord_13", "paid"), CLERK)
    return [*basic.changes, *added.changes]


def apart_stories() -> list[Change]:
    """All of them."""
    return [*rejoined_story(), *split_story(), *combined_story(), *unmerged_story()]
