"""What a use case needs: the ports and policies of one shop backend, put together once."""

from __future__ import annotations

import logging
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import attrs

from ordercore.change import Change, change
from ordercore.engine.flow import Step, call
from ordercore.engine.traffic import Traffic
from ordercore.errors import (
    InsideTransaction,
    InvalidInput,
    InvalidManifest,
    KeyReused,
    NotFound,
    OrdercoreError,
    OrderNotFound,
    Refused,
    Stale,
    Vetoed,
)
from ordercore.goods import Manifest
from ordercore.order import (
    AnswerAttempts,
    AnswerCompensation,
    AnswerRefund,
    Close,
    Moved,
    NoteChargeback,
    NoteFee,
    NoteOverrun,
    NoteRefundDelay,
    NoteRemittance,
    SendRefunds,
    Situation,
    UndoPayment,
    decide,
)
from ordercore.order.commands import AnswerWaybill, TrackParcel
from ordercore.order.decide import RULES
from ordercore.party import Actor, ActorKind
from ordercore.tender import AttemptState, Outcome, OutcomeStatus
from ordercore.tender.events import RefundRequested
from ordercore.timeout import Timer, TimerKey, TimerKind
from ordercore.value import value

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ordercore.change import Receipt
    from ordercore.clock import Clock
    from ordercore.engine.flow import Flow
    from ordercore.identity import IdSource
    from ordercore.lifecycle import Lifecycle, Lifecycles
    from ordercore.order import Command, Decision, Order
    from ordercore.policy import Policies
    from ordercore.ports import (
        Carrier,
        CouponBook,
        Hook,
        Opened,
        OrderStore,
        PaymentGateway,
        QuotaSource,
        RateSource,
        StockKeeper,
        TaxSource,
        VatIds,
    )

__all__ = [
    "AMENDED",
    "COUPONS",
    "RETRIES_MAX",
    "Shop",
    "acting",
    "checked_texts",
    "digest",
    "foreign",
    "load",
    "once",
    "record",
    "situation",
    "without_waiting",
]

_LOG = logging.getLogger("ordercore.engine")
_new = tuple.__new__  # makes a step at the speed of C: for the steps of each order
RETRIES_MAX = 8
"""How often a change that came too late is decided anew before `Stale` reaches the caller."""
REASON_MAX = 4_000
"""Longest reason, in characters."""
COUPONS = TimerKey(TimerKind.SETTLE_COUPONS)
"""The order's coupon codes are to be made final or given back: whoever serves it looks at the order."""
AMENDED = TimerKey(TimerKind.RELEASE_STOCK, "amended")
"""The goods of an amended or recovered order are to be made final or given back, by the same look."""


@value
class Shop:
    """The ports, policies and lifecycles that use cases share."""

    store: OrderStore
    gateways: Mapping[str, PaymentGateway]
    stock: StockKeeper | None
    policies: Policies
    clock: Clock
    ids: IdSource
    lifecycles: Lifecycles[Order]
    coupons: CouponBook | None = None
    rates: RateSource | None = None
    taxes: TaxSource | None = None
    vat_ids: VatIds | None = None
    quotas: QuotaSource | None = None
    hooks: tuple[Hook, ...] = ()
    carriers: Mapping[str, Carrier] = attrs.field(factory=dict)
    traffic: Traffic = attrs.field(factory=Traffic, repr=False)

    def gateway(self, name: str) -> PaymentGateway:
        """The gateway of this name; raises `NotFound` that lists the known ones."""
        try:
            return self.gateways[name]
        except KeyError:
            known = tuple(sorted(self.gateways))
            raise NotFound(f"no gateway {name!r}", path="gateway", known=known) from None

    def outside(self) -> None:
        """Refuse to call out while the host's transaction is open: an intent would not be durable."""
        if self.store.joined:
            reason = "this calls gateways, so it needs a store that commits for itself"
            raise InsideTransaction(reason)


def checked_limit(limit: int, most: int, what: str) -> int:
    """A bound for one call: 1 to ``most``; raises `InvalidInput`."""
    if type(limit) is not int or not 0 < limit <= most:
        raise InvalidInput(f"1 to {most} {what}, not {limit}", path="limit")
    return limit


def checked_goods(goods: Manifest) -> Manifest:
    """Goods as a host gives them; raises `InvalidManifest`, or `InvalidQuantity` with the line."""
    if type(goods) is not Manifest:
        reason = f"goods are a Manifest, not a {type(goods).__name__}: write Manifest.of({{...}})"
        raise InvalidManifest(reason, path="goods")
    return Manifest.of(goods.items, "goods") if goods.items else goods


def digest(*parts: str) -> str:
    """A short digest of a command's content; the same in every process.

    A part that is no text counts as it shows itself: `checked_texts` refuses it with its name.
    """
    try:
        return text_digest(*parts)
    except TypeError:
        return text_digest(*[part if isinstance(part, str) else repr(part) for part in parts])


def text_digest(*parts: str) -> str:
    """The same; raises `TypeError` for a part that is no text."""
    return blake2b("\x1f".join(parts).encode(errors="surrogatepass"), digest_size=12).hexdigest()


_TYPES: dict[object, tuple[type, str]] = {
    "str": (str, "a text is wanted"),
    "bool": (bool, "True or False is wanted"),
}
_REASONS = frozenset({"reason", "overrule"})


def _fields_of(command: type[Any]) -> tuple[tuple[str, type, str], ...]:
    """The texts and marks among a command's fields: name, type, what is wanted."""
    fields = attrs.fields(command)
    return tuple([(field.name, *_TYPES[field.type]) for field in fields if field.type in _TYPES])


_PLAIN_FIELDS = {command: _fields_of(command) for command in RULES}


def checked_texts(command: Command) -> Command:
    """The command, if its texts are texts; raises `InvalidInput` with the field, also for an endless reason."""
    for name, kind, wanted in _PLAIN_FIELDS.get(type(command), ()):
        found: Any = getattr(command, name)
        if not isinstance(found, kind):
            raise InvalidInput(f"{wanted}, not a {type(found).__name__}", path=name)
        if name in _REASONS and len(str(found)) > REASON_MAX:
            raise InvalidInput(f"a reason has at most {REASON_MAX} characters", path=name)
    return command


def acting(by: Actor) -> Actor:
    """Who acts; raises `InvalidInput` for what is nobody."""
    if not isinstance(by, Actor) or not isinstance(by.kind, ActorKind):
        raise InvalidInput('who acts is an Actor: write Actor.staff("kim")', path="by")
    return by


def foreign(order: Order, by: Actor) -> bool:
    """Whether a customer asks, and the order is another one's."""
    return acting(by).kind is ActorKind.CUSTOMER and by.id != order.content.customer.id


def situation(shop: Shop, order: Order, by: Actor) -> Situation:
    """When, who, and by which chart a decision about ``order`` is made."""
    acting(by)
    content = order.content
    lifecycle: Lifecycle[Order] = shop.lifecycles.get(content.lifecycle, content.lifecycle_version)
    policies = shop.policies
    return Situation(
        shop.clock.now(), by, lifecycle, policies.posting, policies.handling, policies.payments,
        policies.funds,
    )  # fmt: skip


def decided(shop: Shop, order: Order, command: Command, where: Situation) -> Flow[Decision]:
    """Decide, after asking the host's hooks; raises `Vetoed` with a hook's reason.

    Hooks are asked about what a person or a timer decides. What channels say is a fact, and what
    follows from a decision is a duty: nobody is asked whether it shall be so.
    """
    for hook in () if _bound(order, command) else shop.hooks:
        reason = yield from call(hook.before, order, command, where.by)
        if reason:
            name = type(hook).__name__
            raise Vetoed(reason, order=order.id, state=order.state, hook=name)
    return decide(order, command, where)


_FACTS = frozenset(
    {
        AnswerAttempts,
        AnswerCompensation,
        AnswerRefund,
        AnswerWaybill,
        TrackParcel,
        UndoPayment,
        NoteChargeback,
        NoteFee,
        NoteRemittance,
        NoteRefundDelay,
        NoteOverrun,
        SendRefunds,
    }
)


def _bound(order: Order, command: Command) -> bool:
    """Whether a command tells a fact, or goes on with an end that was decided before."""
    kind = type(command)
    return kind in _FACTS or (kind is Close and order.closing is not None)


def without_waiting(shop: Shop, order: Order, by: Actor) -> Order:
    """The order as it would be without the payment that waits for its payer; nothing is written.

    So a command is decided before it ends that payment, and a refusal ends nothing. The order itself where
    none waits. Raises `NotAllowed` for who may not end it.
    """
    payments, where = order.payments, situation(shop, order, by)
    if (
        order.closing is not None
        or "pay" not in where.lifecycle.table[order.state]
        or not any([a.state is AttemptState.WAITING for a in payments.current()])
        or any([a.state is AttemptState.OPEN for a in payments.attempts])
    ):
        return order
    undone = decide(order, UndoPayment("", order.payments.round), where).order
    ended = Outcome(OutcomeStatus.VOIDED)
    answers = [
        (a.id, ended)
        for a in undone.payments.current()
        if a.state in {AttemptState.CLOSING, AttemptState.RETURNING}
    ]
    return decide(undone, AnswerAttempts(tuple(answers)), where).order


def told(shop: Shop, made: Change) -> Flow[None]:
    """Tell the host's hooks of a change that was written. An error of theirs is logged, never raised:
    what is written is written. Who must not miss a change reads the outbox."""
    for hook in shop.hooks:
        try:
            yield from call(hook.after, made)
        except OrdercoreError as error:
            _LOG.error("after %s: %s", made.command, error, exc_info=error)


def load(shop: Shop, order_id: str) -> Flow[Order]:
    """The order; raises `OrderNotFound`."""
    order: Order | None = yield _new(Step, (shop.store.load, (order_id,), None))
    if order is None:
        raise OrderNotFound(f"no order {order_id!r}", path="order_id", order=order_id)
    return order


def record(
    shop: Shop,
    order: Order,
    command: Command,
    by: Actor,
    settle: Callable[[Order, Decision], Flow[Decision]] | None = None,
    clear: TimerKey | None = None,
    complete: Callable[[Change], Change] | None = None,
) -> Flow[Change]:
    """Decide ``command`` and commit; when the order was changed meanwhile, decide anew.

    ``settle`` may look at a decision, call out and replace it before it is committed.
    ``clear`` is a timer that this change has served. ``complete`` adds to a change what goes with it.
    """
    tries = 0
    while True:
        where = situation(shop, order, by)
        if shop.hooks:
            decision = yield from decided(shop, order, command, where)
        else:
            decision = decide(order, command, where)
        if settle is not None:
            decision = yield from settle(order, decision)
        made = change(
            order, decision, where.at, by, type(command).__name__, shop.policies.timeouts,
            where.lifecycle,
        )  # fmt: skip
        if _codes_of(order) and _coupons_back(made):
            made = owing(made, COUPONS)
        if clear is not None:
            made = _served(made, clear)
        if not made.events and not made.timers_cleared:
            return made
        if complete is not None:
            made = complete(made)
        try:
            yield _new(Step, (shop.store.commit, ((made,),), None))
        except Stale:
            tries += 1
            if tries > RETRIES_MAX:
                raise
        else:
            if shop.hooks:
                yield from told(shop, made)
            return made
        order = yield from load(shop, order.id)


def owing(made: Change, key: TimerKey) -> Change:
    """The change, with a timer for promises of the order that are to be settled."""
    order = made.order
    owed = Timer(order.id, key, made.at, order.visit)
    return Change(
        order, made.events, made.at, made.by, made.command, (*made.timers_set, owed),
        made.timers_cleared, made.entries, made.receipt,
    )  # fmt: skip


def having(made: Change, receipt: Receipt | None) -> Change:
    """The change, with a receipt if there is one."""
    if receipt is None:
        return made
    return Change(
        made.order, made.events, made.at, made.by, made.command, made.timers_set,
        made.timers_cleared, made.entries, receipt,
    )  # fmt: skip


def _codes_of(order: Order) -> bool:
    content = order.content
    return bool(content.coupon_holding or content.added_codes)


def _coupons_back(made: Change) -> bool:
    """Whether this change makes the order give its codes back: it ends, or all its money is asked back."""
    return not made.order.coupons_kept() and any(
        [
            type(event) is RefundRequested
            or (type(event) is Moved and (event.releases or event.via == "refund"))
            for event in made.events
        ]
    )


def _served(made: Change, key: TimerKey) -> Change:
    """The change, clearing ``key`` too unless it sets it."""
    if key in made.timers_cleared or any(timer.key == key for timer in made.timers_set):
        return made
    return Change(
        made.order, made.events, made.at, made.by, made.command, made.timers_set,
        (*made.timers_cleared, key), made.entries, made.receipt,
    )  # fmt: skip


def repeated(shop: Shop, receipt: Receipt, by: Actor) -> Flow[Order | None]:
    """The order of an earlier command under the same key, ``None`` for a new key.

    Raises `KeyReused` when the key stood for something else (law L13).
    """
    acting(by)
    opened: Opened = yield _new(Step, (shop.store.open, ("", receipt.shop, receipt.key), None))
    known = opened.receipt
    if known is None:
        return None
    if (known.command, known.digest) != (receipt.command, receipt.digest):
        reason = f"key {receipt.key!r} already stands for another {known.command}"
        raise KeyReused(reason, path="key", key=receipt.key, order=known.order_id)
    order = yield from load(shop, known.order_id)
    if foreign(order, by):
        raise KeyReused("the key stands for another customer's order", path="key")
    return order


def once(
    shop: Shop,
    order: Order,
    receipt: Receipt,
    by: Actor,
    make: Callable[[Order], Command],
    complete: Callable[[Change], Change] | None = None,
) -> Flow[tuple[Order, Change | None]]:
    """Decide and commit a command under its key; a repeated key has no second effect.

    ``complete`` adds to a change what goes with it.
    The receipt is looked up only when the command is refused or its key is taken:
    the usual way costs no extra read. Returns the order and the change, ``None`` for a repeat.
    """
    tries = 0
    while True:
        where = situation(shop, order, by)
        try:
            command = checked_texts(make(order))
            if shop.hooks:
                decision = yield from decided(shop, order, command, where)
            else:
                decision = decide(order, command, where)
            made = change(
                order, decision, where.at, by, receipt.command, shop.policies.timeouts,
                where.lifecycle, receipt,
            )  # fmt: skip
            if _codes_of(order) and _coupons_back(made):
                made = owing(made, COUPONS)
            if complete is not None:
                made = complete(made)
            yield _new(Step, (shop.store.commit, ((made,),), None))
        except Stale:
            tries += 1
            if tries > RETRIES_MAX:
                raise
        except (Refused, InvalidInput):
            earlier = yield from repeated(shop, receipt, by)
            if earlier is None:
                raise
            return earlier, None
        else:
            if shop.hooks:
                yield from told(shop, made)
            return made.order, made
        order = yield from load(shop, order.id)
