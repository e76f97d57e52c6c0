"""Regrouping: several orders are changed in one write, so goods and money are never in two of them, nor in none.

Each order decides its own part; what they write goes to the store together, with the receipt on the order that
was asked. When one of them was changed meanwhile, all is decided anew.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ordercore.change import Change, Receipt, change
from ordercore.engine.discharging import discharge
from ordercore.engine.flow import call
from ordercore.engine.placing import checked_key
from ordercore.engine.promises import release, settle_promises
from ordercore.engine.shop import (
    RETRIES_MAX,
    checked_texts,
    decided,
    digest,
    foreign,
    load,
    repeated,
    situation,
    told,
)
from ordercore.errors import InvalidInput, KeyReused, NotAllowed, Stale
from ordercore.fulfillment.grouping import propose
from ordercore.fulfillment.item import items_of
from ordercore.fulfillment.proposal import SplitProposal
from ordercore.goods import Manifest
from ordercore.order import Decision, Order
from ordercore.order.commands import MergeInto, RejoinOrders, SplitOrder
from ordercore.order.events import SplitOff
from ordercore.order.evolve import evolve
from ordercore.order.handling import (
    NOTES_MAX,
    PAUSES_MAX,
    TAGS_MAX,
    ChildPart,
    Handling,
    Handover,
    Lineage,
    Note,
)
from ordercore.order.order import AddedReservation, OrderContent
from ordercore.order.rules.regrouping import may_rejoin, may_split, taken_out
from ordercore.order.split import (
    PARTS_MAX,
    ChargeSplit,
    Portion,
    SplitPart,
    child_content,
    divided,
)
from ordercore.tender.parting import held_again
from ordercore.timeout import TimerKey, TimerKind
from ordercore.value import value

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ordercore.engine.flow import Flow
    from ordercore.engine.shop import Shop
    from ordercore.fulfillment.proposal import Placement
    from ordercore.order import Command
    from ordercore.order.rules.deciding import Guard
    from ordercore.party import Actor
    from ordercore.tender import Attempt

__all__ = [
    "SplitResult",
    "Together",
    "preview_split",
    "proposed",
    "rejoin",
    "split",
    "written_together",
]

RELEASED = TimerKey(TimerKind.RELEASE_STOCK)
"""Goods that an order keeps no more are to be given back."""


@value
class SplitResult:
    """What came of a split: the order that was split, and the orders that it became."""

    order: Order
    children: tuple[Order, ...]


# Writing several orders at once ------------------------------------------------------------------


@value
class Together:
    """The changes of one write: the order that was asked comes first."""

    changes: tuple[Change, ...]

    @property
    def first(self) -> Change:
        """The change of the order that was asked."""
        return self.changes[0]


def made(
    shop: Shop, before: Order | None, decision: Decision, by: Actor, command: str,
    receipt: Receipt | None = None,
) -> Change:  # fmt: skip
    """The change of one order."""
    where = situation(shop, decision.order, by)
    return change(
        before, decision, where.at, by, command, shop.policies.timeouts, where.lifecycle, receipt
    )


def owned(order: Order, by: Actor) -> None:
    """Refuse a customer another one's order, before anything is told of it: not even its state."""
    if foreign(order, by):
        raise NotAllowed("the order belongs to another customer", order=order.id)


def asked(shop: Shop, order: Order, guard: Guard, by: Actor) -> None:
    """Refuse an order by its own reason before anything is worked out for it."""
    owned(order, by)
    refusal = guard(order, situation(shop, order, by))
    if refusal is not None and not order.handling.sealed and not order.handling.gone:
        raise NotAllowed(refusal.reason, order=order.id, state=order.state)


def step(shop: Shop, order: Order, command: Command, by: Actor) -> Flow[Decision]:
    """One order's own part of what is decided, hooks asked."""
    where = situation(shop, order, by)
    return (yield from decided(shop, order, checked_texts(command), where))


def written_together(
    shop: Shop, receipt: Receipt, by: Actor, draw: Callable[[], Flow[Together]]
) -> Flow[tuple[Together | None, Order | None]]:
    """Draw up and write; when an order was changed meanwhile, all anew.

    Gives what was written, or the order of an earlier command under the same key.
    """
    tries = 0
    while True:
        try:
            drawn = yield from draw()
        except (NotAllowed, InvalidInput):
            earlier = yield from repeated(shop, receipt, by)
            if earlier is None:
                raise
            return None, earlier
        try:
            yield from call(shop.store.commit, drawn.changes)
        except (KeyReused, Stale) as error:
            earlier = yield from repeated(shop, receipt, by)
            if earlier is not None:
                return None, earlier
            tries += 1
            if tries > RETRIES_MAX or isinstance(error, KeyReused):
                raise
        else:
            for one in drawn.changes:
                yield from told(shop, one)
                yield from release(shop, one)
            return drawn, None


# Split -------------------------------------------------------------------------------------------


def parts_of(
    parts: SplitProposal | Sequence[SplitPart] | Sequence[Manifest],
) -> tuple[SplitPart, ...]:
    """Parts as people give them: a proposal, parts with names, or manifests alone."""
    if isinstance(parts, SplitProposal):
        return tuple(
            [
                SplitPart(
                    group.name, group.goods, tuple([reason.text for reason in group.reasons]),
                    group.source,
                )
                for group in parts.groups
            ]
        )  # fmt: skip
    if not isinstance(parts, list | tuple):
        raise InvalidInput("parts are a list: write [Manifest.of({...}), ...]", path="parts")
    found = []
    for k, part in enumerate(parts):
        if isinstance(part, Manifest):
            found.append(
                SplitPart(str(k + 1), Manifest.of(part.items, f"parts[{k}]"), ("by hand",))
            )
        elif type(part) is SplitPart:
            found.append(part)  # looked at by `divided`
        else:
            reason = f"a part is a SplitPart or a Manifest, not a {type(part).__name__}"
            raise InvalidInput(reason, path=f"parts[{k}]")
    return tuple(found)


def proposed(
    shop: Shop, order_id: str, assignment: Mapping[str, str] | Sequence[Placement], by: Actor
) -> Flow[SplitProposal]:
    """How the shop's rules would split what is still to leave; nothing is written."""
    order = yield from load(shop, order_id)
    owned(order, by)
    goods = order.shippable()
    if not goods:
        raise NotAllowed("nothing is left to ship", order=order.id, state=order.state)
    bundles = {str(line.id): line.bundle for line in order.lines if line.bundle}
    return propose(
        items_of(order.lines, goods), shop.policies.splitting, order.content.address.destination(),
        assignment, bundles=bundles, currency=order.currency,
    )  # fmt: skip


def preview_split(
    shop: Shop,
    order_id: str,
    parts: SplitProposal | Sequence[SplitPart] | Sequence[Manifest],
    rule: ChargeSplit,
    by: Actor,
) -> Flow[tuple[Portion, ...]]:
    """What each part would come to, with its money; nothing is written. Refusals are those of the real thing."""
    wanted = parts_of(parts)
    order = yield from load(shop, order_id)
    asked(shop, order, may_split, by)
    portions = divided(order, wanted, rule)
    names = [f"{order.id}.{k + 1}" for k in range(len(portions))]
    yield from step(shop, order, _split_command(order, portions, names), by)
    return portions


def _numbered(order: Order, at: int) -> str:
    """The number of a part: counted on from parts of before, as an order that was rejoined may be split again."""
    lineage = order.handling.lineage
    return f"{order.number}-{at + 1 + (0 if lineage is None else lineage.counted)}"


def _split_command(order: Order, portions: Sequence[Portion], names: Sequence[str]) -> SplitOrder:
    shares = [a for portion in portions for a in portion.payments.attempts]
    parts = tuple(
        [
            ChildPart(
                name, _numbered(order, k), portion.part.name, portion.part.goods,
                portion.total, portion.part.reasons,
            )
            for k, (name, portion) in enumerate(zip(names, portions, strict=True))
        ]
    )  # fmt: skip
    return SplitOrder(parts, taken_out(shares))


def _held_goods(
    order: Order, portions: Sequence[Portion]
) -> list[dict[str, tuple[tuple[str, int], ...]]]:
    """What each part gets of each reservation: (sku, units) by the reservation's name."""
    needs: list[dict[str, int]] = []
    for portion in portions:
        need: dict[str, int] = {}
        for line in portion.lines:
            need[line.sku] = need.get(line.sku, 0) + line.quantity
        needs.append(need)
    found: list[dict[str, tuple[tuple[str, int], ...]]] = [{} for _ in portions]
    for name, goods in order.reservations():
        left = dict(goods)
        for need, mine in zip(needs, found, strict=True):
            part = []
            for sku, units in need.items():
                take = min(units, left.get(sku, 0))
                if take:
                    part.append((sku, take))
                    left[sku] -= take
                    need[sku] -= take
            if part:
                mine[name] = tuple(part)
    return found


def _child(
    shop: Shop, order: Order, portions: Sequence[Portion], at: int, name: str,
    goods: Mapping[str, tuple[tuple[str, int], ...]], by: Actor,
) -> Change:  # fmt: skip
    """The order that a part becomes."""
    portion = portions[at]
    source = portion.part.source
    own = tuple(
        [
            Handover(held, f"res_{digest(held, name)}", units, source)
            for held, units in goods.items()
        ]
    )
    reservation = own[0].target if own else ""
    added = tuple([AddedReservation(one.target, one.goods) for one in own[1:]])
    # what came to the whole from elsewhere has to be there before it can go on
    above = order.handling.lineage
    handovers = (*(above.handovers if above is not None else ()), *own)
    number = _numbered(order, at)
    content = child_content(order, portions, at, name, number, reservation, added)
    lineage = Lineage(order.id, portion.part.name, portion.part.reasons, handovers=handovers)
    old = order.handling
    lines = {line.id for line in content.lines}
    items = tuple([item for item in old.items if item[0] in lines])
    handling = Handling(
        False, False, old.adopted, old.tags, old.notes, old.assigned, items, old.pauses,  # noqa: FBT003
        old.extended, old.review, lineage,
    )  # fmt: skip
    event = SplitOff(content, order.state, order.entered_at, portion.payments, handling)
    born = evolve(None, event, shop.clock.now())
    return made(shop, None, Decision(born, (event,)), by, "SplitOrder")


def split(
    shop: Shop,
    order_id: str,
    parts: SplitProposal | Sequence[SplitPart] | Sequence[Manifest],
    rule: ChargeSplit,
    key: str,
    by: Actor,
) -> Flow[SplitResult]:
    """Split an order into others, each with its goods, its money and a life of its own."""
    wanted = parts_of(parts)
    if shop.stock is not None and not shop.stock.joins:
        shop.outside()
    order = yield from load(shop, order_id)
    receipt = Receipt(
        order.shop,
        checked_key(key),
        "SplitOrder",
        digest(order_id, repr(wanted), repr(rule)),
        order_id,
    )
    earlier = yield from repeated(shop, receipt, by)
    if earlier is not None:
        return (yield from _as_split(shop, earlier))

    def draw() -> Flow[Together]:
        now = yield from load(shop, order_id)
        asked(shop, now, may_split, by)
        if now.handling.gone:  # refused, with where its goods are
            yield from step(shop, now, SplitOrder((), ()), by)
        # what a refund has freed of its promises is given back first: the parts take only what it keeps
        yield from settle_promises(shop, now, RELEASED)
        portions = divided(now, wanted, rule)
        names = [shop.ids.new("ord") for _ in portions]
        decision = yield from step(shop, now, _split_command(now, portions, names), by)
        held = _held_goods(now, portions)
        children = [
            _child(shop, now, portions, k, name, held[k], by) for k, name in enumerate(names)
        ]
        return Together((made(shop, now, decision, by, "SplitOrder", receipt), *children))

    drawn, earlier = yield from written_together(shop, receipt, by, draw)
    if drawn is None:
        assert earlier is not None
        return (yield from _as_split(shop, earlier))
    return SplitResult(drawn.first.order, tuple([one.order for one in drawn.changes[1:]]))


def _as_split(shop: Shop, order: Order) -> Flow[SplitResult]:
    """The answer to a repeated key: the orders as they stand now."""
    lineage = order.handling.lineage
    children = []
    for name in () if lineage is None else lineage.children:
        children.append((yield from load(shop, name)))  # noqa: PERF401 - no comprehension yields
    return SplitResult(order, tuple(children))


# Rejoin ------------------------------------------------------------------------------------------


def _whole_again(order: Order, children: Sequence[Order]) -> OrderContent:
    """What was agreed before the split; its goods are held under the names of the parts."""
    old = order.content
    names = [pair for child in children for pair in child.reservations()]
    if not names:
        return old
    return OrderContent(
        old.id, old.number, old.shop, old.kind, old.lifecycle, old.lifecycle_version, old.currency,
        old.customer, old.address, old.lines, old.charges, old.discounts, old.taxes, old.subtotal,
        old.discount, old.tax, old.net, old.total, old.rounding, old.scope, old.priced_at,
        old.placed_at, old.pay_by, names[0][0], old.extra, old.coupons, old.coupon_holding,
        old.points, old.border, old.settlement, old.ledger, old.attribution, old.cart,
        tuple([AddedReservation(name, goods) for name, goods in names[1:]]), old.added_codes,
    )  # fmt: skip


def _gathered(order: Order, children: Sequence[Order]) -> Handling:
    """How the whole is dealt with from now on: what was marked, noted and paused on any part counts."""
    old = order.handling
    lineage = old.lineage or Lineage()
    marks = [old, *[child.handling for child in children]]
    handovers = [*lineage.handovers]
    for mine in marks[1:]:
        handovers += mine.lineage.handovers if mine.lineage is not None else ()
    pauses = {(pause.name, pause.since): pause for mine in marks for pause in mine.pauses}
    items = dict([item for mine in marks for item in mine.items])
    extended = dict([one for mine in marks for one in mine.extended])
    reviews = [mine.review for mine in marks if mine.review is not None]
    return Handling(
        False, False, old.adopted,  # noqa: FBT003
        tuple(dict.fromkeys([tag for mine in marks for tag in mine.tags]))[:TAGS_MAX],
        _once([note for mine in marks for note in mine.notes])[-NOTES_MAX:],
        old.assigned or next((mine.assigned for mine in marks if mine.assigned), ""),
        tuple(items.items()), tuple(pauses.values())[-PAUSES_MAX:], tuple(extended.items()),
        reviews[-1] if reviews else None,
        Lineage(
            lineage.parent, lineage.part, lineage.reasons, (), "", lineage.merged,
            tuple(dict.fromkeys(handovers)), lineage.counted,
        ),
    )  # fmt: skip


def _once(notes: Sequence[Note]) -> tuple[Note, ...]:
    """Each note once, by time: parts begin with the notes of the whole."""
    return tuple(sorted(dict.fromkeys(notes), key=lambda note: note.at))


def _own_payments(order: Order, child: Order) -> tuple[Attempt, ...]:
    """What a part was paid since it is one, not what it took along."""
    known = {attempt.id for attempt in order.payments.attempts}
    return tuple([a for a in held_again(child.payments) if a.id not in known])


def _check_part(child: Order) -> None:
    """Refuse a part that cannot go back as it came."""
    lineage = child.handling.lineage
    payments = child.payments
    reason = ""
    if lineage is not None and lineage.children:
        reason = "it was split itself: rejoin it first"
    elif lineage is not None and (lineage.merged or lineage.into):
        reason = "it was merged with another order"
    elif payments.refunds or payments.compensations:
        reason = "some of its money went back: it is not what it was"
    held = [pause.name for pause in child.handling.pauses if pause.until is None]
    if held and not reason:
        reason = f"it is held: {', '.join(held)}"
    if reason:
        raise NotAllowed(f"part {child.number}: {reason}", order=child.id, state=child.state)


def rejoin(shop: Shop, order_id: str, key: str, by: Actor) -> Flow[Order]:
    """Undo a split: the same goods and the same money, nothing priced again (law L17)."""
    if shop.stock is not None and not shop.stock.joins:
        shop.outside()
    order = yield from load(shop, order_id)
    receipt = Receipt(order.shop, checked_key(key), "RejoinOrders", digest(order_id), order_id)
    earlier = yield from repeated(shop, receipt, by)
    if earlier is not None:
        return earlier

    def draw() -> Flow[Together]:
        now = yield from load(shop, order_id)
        owned(now, by)
        refusal = may_rejoin(now, situation(shop, now, by))
        if refusal is not None:
            raise NotAllowed(refusal.reason, order=now.id, state=now.state)
        lineage = now.handling.lineage
        children = []
        for name in () if lineage is None else lineage.children[:PARTS_MAX]:
            children.append((yield from load(shop, name)))  # noqa: PERF401
        chart = situation(shop, now, by).lifecycle
        ranks = {state.id: i for i, state in enumerate(chart.states)}
        changes = []
        for child in children:
            _check_part(child)
            command = MergeInto(now.id, now.number, "rejoin")
            try:
                decision = yield from step(shop, child, command, by)
            except NotAllowed as error:
                error.reason = f"part {child.number}: {error.reason}"
                raise
            changes.append(made(shop, child, decision, by, "MergeInto"))
        state = min([child.state for child in children], key=lambda name: ranks.get(name, 0))
        own = tuple([(child.id, _own_payments(now, child)) for child in children])
        paid = tuple([(name, attempts) for name, attempts in own if attempts])
        content = _whole_again(now, children)
        handling = _gathered(now, children)
        names = tuple([child.id for child in children])
        whole = RejoinOrders(content, names, state, paid, handling)
        decision = yield from step(shop, now, whole, by)
        return Together((made(shop, now, decision, by, "RejoinOrders", receipt), *changes))

    drawn, earlier = yield from written_together(shop, receipt, by, draw)
    if drawn is None:
        assert earlier is not None
        return earlier
    return (yield from discharge(shop, drawn.first.order, by, made=drawn.first))
