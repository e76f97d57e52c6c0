"""Collecting: a code is given and shown once; goods are handed over to whoever says it.

Theory of operation. The code lives in the local names of one flow and in its answer, nowhere else: commands, events,
errors and what stores keep hold a salted, stretched hash. A wrong code is written down like anything else that
happens to an order, and then raised; what cannot be a code at all is a slip, raised at once and not counted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from ordercore.change import Receipt
from ordercore.clock import utc
from ordercore.engine.discharging import discharge
from ordercore.engine.flow import call
from ordercore.engine.placing import checked_key
from ordercore.engine.shop import checked_goods, digest, load, once, record, repeated
from ordercore.errors import InvalidInput, KeyReused, OtherSideFailed
from ordercore.fulfillment.pickup import (
    CodeRefused,
    Pickup,
    Proxy,
    Seal,
    draw_code,
    pickup_at,
    read_code,
    shown_code,
)
from ordercore.identity import SecretSource, SystemIds
from ordercore.order import Order
from ordercore.order.commands import CollectGoods, IssuePickupCode
from ordercore.order.rules.collecting import taken
from ordercore.tender.events import CaptureAsked
from ordercore.value import value

if TYPE_CHECKING:
    from datetime import datetime

    from ordercore.change import Change
    from ordercore.engine.flow import Flow
    from ordercore.engine.shop import Shop
    from ordercore.goods import Manifest
    from ordercore.party import Actor

__all__ = ["Collection", "IssuedCode", "collect", "issue_pickup_code"]

_SALT = 16
"""Bytes of salt; NIST SP 800-63B (2017) 5.1.2.2 asks for four."""
_TEXT_MAX = 200
_TAIL = range(2, 7)
"""How many last digits of a telephone number name a proxy: enough to ask for, too few to call."""


@value
class IssuedCode:
    """The order, and the code in groups as people read it.

    The code is shown this once and kept nowhere. ``code`` is ``None`` under a key that came again: the same
    effect is answered with again (law L13 one outcome per key), but nobody can say the code any more. Where it
    was lost, give another under a fresh key; the former one dies.
    """

    order: Order
    pickup: str
    code: str | None = attrs.field(repr=False)


@value
class Collection:
    """What somebody came with: the store, the goods, the proxy, and the key of this try."""

    store: str
    goods: Manifest | None
    proxy: Proxy | None
    key: str


def _secrets(shop: Shop) -> SecretSource:
    """Where secrets come from: the shop's source of ids if it makes them, else the system."""
    ids: object = shop.ids
    return ids if isinstance(ids, SecretSource) else SystemIds()


def _named(text: object, path: str) -> str:
    if not isinstance(text, str) or not 0 < len(text) <= _TEXT_MAX:
        raise InvalidInput(f"it is named by a text of 1 to {_TEXT_MAX} characters", path=path)
    return text


def _checked(proxy: Proxy | None) -> Proxy | None:
    if proxy is None:
        return None
    if type(proxy) is not Proxy:
        raise InvalidInput(
            "who comes instead is a Proxy, with the customer's consent", path="proxy"
        )
    _named(proxy.consent, "proxy.consent")
    if not proxy.name and not proxy.phone_tail:
        reason = "who comes instead has a name, or the last digits of a telephone number"
        raise InvalidInput(reason, path="proxy")
    if proxy.name:
        _named(proxy.name, "proxy.name")
    tail: object = proxy.phone_tail
    if tail != "":
        digits = isinstance(tail, str) and tail.isascii() and tail.isdigit()
        if not digits or len(proxy.phone_tail) not in _TAIL:
            raise InvalidInput("2 to 6 last digits are wanted", path="proxy.phone_tail")
    return proxy


def _salt(source: SecretSource) -> str:
    found: object = source.secret(_SALT)
    if not isinstance(found, bytes) or len(found) != _SALT:
        raise OtherSideFailed("the source of secrets gives no bytes", path="ids.secret")
    return found.hex()


def issue_pickup_code(
    shop: Shop,
    order_id: str,
    store: str,
    goods: Manifest | None,
    expires: datetime | None,
    key: str,
    by: Actor,
) -> Flow[IssuedCode]:
    """Draw a code, keep its seal, and show it once."""
    policy = shop.policies.pickup
    _named(store, "store")
    goods = None if goods is None else checked_goods(goods)
    until = utc(expires, "expires") if expires is not None else None
    name = f"{order_id}/pickup-{checked_key(key)}"
    order = yield from load(shop, order_id)
    source = _secrets(shop)
    code = draw_code(source, policy.alphabet, policy.length)
    blank = Seal(policy.alphabet, policy.length, policy.cost, _salt(source))
    sealed = blank.digest_of(code, source.pepper)
    seal = Seal(blank.alphabet, blank.length, blank.cost, blank.salt, sealed)

    def make(_now: Order) -> IssuePickupCode:
        end = until if until is not None else shop.clock.now() + policy.valid
        return IssuePickupCode(
            Pickup(name, store, end, seal, policy.tries, policy.most, policy.lock, goods),
            policy.valid,
        )

    asked = "-" if goods is None else repr(goods.items)
    content = digest(order_id, store, asked, "-" if until is None else until.isoformat())
    receipt = Receipt(order.shop, key, "IssuePickupCode", content, order_id)
    order, made = yield from once(shop, order, receipt, by, make)
    return IssuedCode(order, name, shown_code(code) if made is not None else None)


# Handing over ---------------------------------------------------------------------------------


def _content(order_id: str, pickup: Pickup, sealed: str, asked: Collection) -> str:
    """What the key of a try stands for. Of the code it knows the slow hash alone, so nobody searches a receipt."""
    goods = "-" if asked.goods is None else repr(asked.goods.items)
    proxy = (
        "-"
        if asked.proxy is None
        else repr((asked.proxy.consent, asked.proxy.name, asked.proxy.phone_tail))
    )
    return digest(order_id, pickup.id, sealed, asked.store, goods, proxy)


def _answered(
    shop: Shop, order: Order, code: str, asked: Collection, by: Actor
) -> Flow[Order | None]:
    """The order, if this very try was made before under its key; ``None`` for a new key.

    A key that handed goods over is known by its handover, before anything is made of what was typed now. One of a
    wrong try is known by the salt of the code that it was made against, which may have been replaced since: the
    newest is looked at first, and an order has few. Raises `KeyReused` for a key that stands for something else.
    """
    known = (yield from call(shop.store.open, "", order.shop, asked.key)).receipt
    if known is None:
        return None
    order = yield from load(shop, order.id)  # as it stands with what the key did
    ours = (known.command, known.order_id) == ("CollectGoods", order.id)
    shipment = f"{order.id}/s-{asked.key}"
    pickups = tuple(reversed(order.delivery.pickups)) if ours else ()
    gave = [p for p in pickups if any([handed.id == shipment for handed in p.handovers])]
    for pickup in gave:
        if known.digest == _content(order.id, pickup, pickup.seal.digest, asked):
            return (yield from _given(shop, order, pickup, code, asked, by))
    for pickup in () if gave else pickups:
        sealed = _sealed(shop, pickup, code) if pickup.store == asked.store else ""
        content = _content(order.id, pickup, sealed, asked)
        if sealed and content == known.digest:
            receipt = Receipt(order.shop, asked.key, "CollectGoods", content, order.id)
            return (yield from repeated(shop, receipt, by))
    raise _reused(asked.key, known)


def _given(
    shop: Shop, order: Order, pickup: Pickup, code: str, asked: Collection, by: Actor
) -> Flow[Order]:
    """The order of a key that handed goods over against this code.

    While the code may still open something, a repeat says whether the code is right just as a fresh try does: it is
    taken only when a fresh one would be, from those who may, and a wrong code is counted. Else a used key would let
    anybody guess without end.
    """
    now = shop.clock.now()
    if pickup.end is not None or now >= pickup.expires_at or not order.shippable():
        if not pickup.seal.opens(_sealed(shop, pickup, code)):
            reason = f"key {asked.key!r} already stands for another code"
            raise KeyReused(reason, path="key", key=asked.key, order=order.id)
        receipt = Receipt(
            order.shop, asked.key, "CollectGoods",
            _content(order.id, pickup, pickup.seal.digest, asked), order.id,
        )  # fmt: skip
        return (yield from repeated(shop, receipt, by)) or order
    taken(order, pickup, asked.store, now)
    text = read_code(code, pickup.seal.alphabet, pickup.seal.length)
    sealed = pickup.seal.digest_of(text, _secrets(shop).pepper)
    shipment = f"{order.id}/s-{asked.key}"
    command = CollectGoods(pickup.id, asked.store, sealed, shipment, asked.goods, asked.proxy)
    made = yield from record(shop, order, command, by)
    if any([type(event) is CodeRefused for event in made.events]):
        raise _wrong(made.order, asked.store, made)
    return made.order


def _sealed(shop: Shop, pickup: Pickup, code: str) -> str:
    """The digest of what was typed; empty for what cannot be such a code."""
    try:
        text = read_code(code, pickup.seal.alphabet, pickup.seal.length)
    except InvalidInput:
        return ""
    return pickup.seal.digest_of(text, _secrets(shop).pepper)


def _reused(key: str, known: Receipt) -> KeyReused:
    reason = f"key {key!r} already stands for another {known.command}"
    return KeyReused(reason, path="key", key=key, order=known.order_id)


def collect(
    shop: Shop,
    order_id: str,
    code: str,
    asked: Collection,
    by: Actor,
) -> Flow[Order]:
    """Hand goods over against a code, or count a wrong try and raise `InvalidInput` with the tries left."""
    _named(asked.store, "store")
    checked_key(asked.key)
    goods = None if asked.goods is None else checked_goods(asked.goods)
    asked = Collection(asked.store, goods, _checked(asked.proxy), asked.key)
    order = yield from load(shop, order_id)
    shipment = f"{order_id}/s-{asked.key}"
    before = yield from _answered(shop, order, code, asked, by)
    if before is not None:
        return _told(before, shipment, asked.store)
    found = pickup_at(order.delivery.pickups, asked.store)
    pickup = taken(order, found, asked.store, shop.clock.now())
    text = read_code(code, pickup.seal.alphabet, pickup.seal.length)
    sealed = pickup.seal.digest_of(text, _secrets(shop).pepper)
    receipt = Receipt(
        order.shop, asked.key, "CollectGoods", _content(order_id, pickup, sealed, asked), order_id
    )
    command = CollectGoods(pickup.id, asked.store, sealed, shipment, asked.goods, asked.proxy)
    try:
        after, made = yield from once(shop, order, receipt, by, lambda _now: command)
    except KeyReused:
        after, made = order, None
    if made is None:  # somebody used the key meanwhile: this is a repeat like any other
        again = yield from _answered(shop, order, code, asked, by)
        return _told(after if again is None else again, shipment, asked.store)
    after = yield from _captured(shop, after, made, by)
    return _told(after, shipment, asked.store, made)


def _captured(shop: Shop, order: Order, made: Change, by: Actor) -> Flow[Order]:
    """Take the money that is taken when goods move, where the store commits for itself."""
    takes = any([type(event) is CaptureAsked for event in made.events])
    if takes and not shop.store.joined:
        return (yield from discharge(shop, order, by, made=made))
    return order


def _told(order: Order, shipment: str, store: str, made: Change | None = None) -> Order:
    """The order, if this try handed goods over; else raises the error of a wrong try."""
    for pickup in order.delivery.pickups:
        if any([handed.id == shipment for handed in pickup.handovers]):
            return order
    raise _wrong(order, store, made)


def _wrong(order: Order, store: str, made: Change | None) -> InvalidInput:
    """The error of a wrong try, as the code stands now."""
    pickups = order.delivery.pickups
    tried = [e for e in made.events if type(e) is CodeRefused] if made is not None else []
    name = tried[0].pickup if tried else ""
    pickup = next((p for p in pickups if p.id == name), None) or pickup_at(pickups, store)
    left = 0 if pickup is None else pickup.tries_left
    until = None if pickup is None else pickup.locked_until
    if pickup is None or pickup.end is not None:
        reason = "the code is wrong, and this code is taken no more: give another"
    elif until is not None and not pickup.tried:
        reason = "the code is wrong: none is taken for a while"
        left = 0
    else:
        reason = f"the code is wrong: {left} more tries before a pause"
    return InvalidInput(
        reason, path="code", tries_left=left, order=order.id, store=store,
        locked_until=None if until is None else until.isoformat(),
    )  # fmt: skip
