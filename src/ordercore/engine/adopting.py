"""Adopting: taking over orders that a shop already has.

An order is checked, written with its opening entries and its clocks, and from then on driven like any other.
Nothing is charged, promised or told to anybody. The key of an adoption is the order's number: told again, an
order is the same; told otherwise, it is refused. Clocks that have run out wait for a while, so that the first
sweep after an adoption closes and confirms nothing.
"""

from __future__ import annotations

import json
import re
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING

from ordercore.adoption import (
    GRACE,
    AdoptionReport,
    Opening,
    Snapshot,
    StatusMap,
    Tally,
    check_types,
    opening,
)
from ordercore.change import Change, Receipt, change
from ordercore.codec import to_plain
from ordercore.engine.flow import call
from ordercore.engine.quoting import quote_cart
from ordercore.engine.shop import digest, repeated, told
from ordercore.errors import (
    InsideTransaction,
    InvalidInput,
    InvalidSnapshot,
    KeyReused,
    OrdercoreError,
    Stale,
    UnknownLifecycle,
)
from ordercore.order import Situation
from ordercore.order.facts import deposit_taken
from ordercore.party import SYSTEM
from ordercore.ports import OrderQuery
from ordercore.timeout import Timer
from ordercore.value import value

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from ordercore.engine.flow import Flow
    from ordercore.engine.shop import Shop
    from ordercore.ledger import Entry
    from ordercore.lifecycle import Lifecycle
    from ordercore.order import Order
    from ordercore.party import Actor
    from ordercore.pricing import Quote

__all__ = ["Adoption", "adopt", "adopt_many"]

BATCH = 50
"""Most orders whose adoption shares one commit."""
ORDERS_MAX = 1_000_000
"""Most orders of one call."""
GRACE_MAX = timedelta(days=365)
"""Longest time that clocks which have run out wait."""
_ALIKE = 50
_DIGITS = re.compile(r"\d{1,18}")
_NO_MAP = StatusMap()
_END = OrdercoreError("there is no further order")


@value
class Adoption:
    """An order that was taken over, or would be in a dry run.

    ``entries`` open its books. ``remarks`` are (path, what somebody should know). ``repeated``: it was there
    already, under the same number and told alike.
    """

    order: Order
    entries: tuple[Entry, ...] = ()
    remarks: tuple[tuple[str, str], ...] = ()
    repeated: bool = False


class _Terms:
    """How orders are taken over."""

    __slots__ = ("by", "dry_run", "grace", "reserve", "statuses")

    def __init__(
        self, by: Actor, statuses: StatusMap, grace: timedelta, *, dry_run: bool, reserve: bool
    ) -> None:
        if not isinstance(grace, timedelta):
            raise InvalidInput(
                f"a grace is a timedelta, not a {type(grace).__name__}", path="grace"
            )
        if not timedelta(0) <= grace <= GRACE_MAX:
            raise InvalidInput(f"a grace is 0 to {GRACE_MAX.days} days", path="grace")
        self.by = by
        self.statuses = statuses
        self.grace = grace
        self.dry_run = dry_run
        self.reserve = reserve


class _Draft:
    """An adoption that is ready to be written."""

    __slots__ = ("adoption", "held", "made", "place")

    def __init__(self, adoption: Adoption, made: Change | None, held: str, place: int) -> None:
        self.adoption = adoption
        self.made = made
        self.held = held
        self.place = place


def adopt(
    shop: Shop,
    snapshot: Snapshot,
    *,
    by: Actor = SYSTEM,
    statuses: StatusMap = _NO_MAP,
    dry_run: bool = False,
    reserve: bool = False,
    grace: timedelta = GRACE,
) -> Flow[Adoption]:
    """Take one order over; see `adopt_many`.

    Raises `InvalidSnapshot` (and `InvalidMoney`, `InvalidQuantity`) with the path of what is wrong,
    `KeyReused` for a number that was adopted with other content.
    """
    terms = _Terms(by, statuses, grace, dry_run=dry_run, reserve=reserve)
    check_types(snapshot)
    draft = yield from _drafted(shop, snapshot, terms, 0)
    if draft.made is not None:
        yield from _written(shop, draft)
    return draft.adoption


def adopt_many(
    shop: Shop,
    snapshots: Iterable[Snapshot | OrdercoreError],
    *,
    by: Actor = SYSTEM,
    statuses: StatusMap = _NO_MAP,
    dry_run: bool = False,
    reserve: bool = False,
    grace: timedelta = GRACE,
) -> Flow[AdoptionReport]:
    """Take many orders over, some in each commit; one that fails fails alone.

    An error among ``snapshots`` (an order that could not be read) is counted as its order's fault.
    ``statuses`` reads the host's own words. ``reserve``: goods that are still to leave are promised by the
    stock keeper; by default the host's stock is taken to have them deducted. A clock that has run out comes
    due ``grace`` later, a year at most; with no grace at all it comes due at once. ``dry_run`` writes nothing.
    An error that ``snapshots`` itself raises ends the call, after what came before it was written.
    """
    terms = _Terms(by, statuses, grace, dry_run=dry_run, reserve=reserve)
    tally = Tally(dry_run=dry_run)
    seen: set[tuple[str, str]] = set()
    batch: list[_Draft] = []
    alike = False
    rest = iter(snapshots)
    for place in range(ORDERS_MAX + 1):
        try:
            snapshot = _next(rest, place)
        except Exception:  # whatever the host raises: goods were promised to the orders before it
            yield from _settle(shop, batch, tally)
            raise
        if snapshot is _END:
            break
        tally.told += 1
        number = _number(snapshot)
        try:
            if isinstance(snapshot, OrdercoreError):
                raise snapshot
            _once(seen, snapshot)
            draft = yield from _drafted(shop, snapshot, terms, place)
        except OrdercoreError as error:
            tally.fault(place, number, error)
            continue
        if not alike and not draft.adoption.repeated and _alike(shop, number, snapshot.shop):
            alike = True
            tally.remark(place, number, "number", _ALIKE_WARNING)
        batch.append(draft)
        if len(batch) == BATCH:
            yield from _settle(shop, batch, tally)
            batch = []
    yield from _settle(shop, batch, tally)
    return tally.report()


def _next(rest: Iterator[Snapshot | OrdercoreError], place: int) -> Snapshot | OrdercoreError:
    snapshot = next(rest, _END)
    if place == ORDERS_MAX and snapshot is not _END:
        raise InvalidInput(f"at most {ORDERS_MAX} orders", path="snapshots")
    return snapshot


def _number(snapshot: Snapshot | OrdercoreError) -> str:
    if isinstance(snapshot, OrdercoreError):
        return str(snapshot.data.get("number", ""))
    return str(getattr(snapshot, "number", ""))[:100]


def _once(seen: set[tuple[str, str]], snapshot: Snapshot) -> None:
    """Refuse a number that was told before in the same call, and what is no snapshot."""
    check_types(snapshot)
    key = (snapshot.shop, snapshot.number)
    if key in seen:
        reason = f"the number {snapshot.number!r} is told twice"
        raise InvalidSnapshot(reason, path="number", number=snapshot.number)
    seen.add(key)


# One order ------------------------------------------------------------------------------------


def _drafted(shop: Shop, snapshot: Snapshot, terms: _Terms, place: int) -> Flow[_Draft]:
    """Check an order and make its change; promises its goods where that is asked."""
    name, state = terms.statuses.read(snapshot)
    chart = _chart(shop, name, snapshot.lifecycle_version)
    content = _digest(snapshot, name, state)
    receipt = Receipt(snapshot.shop, f"adopt:{snapshot.number}", "Adopt", content, "")
    earlier = yield from repeated(shop, receipt, terms.by)
    if earlier is not None:
        return _Draft(Adoption(earlier, repeated=True), None, "", place)
    yield from _unknown(shop, snapshot)
    order_id = snapshot.id or shop.ids.new("ord")
    quote: Quote | None = None
    if snapshot.cart is not None:
        try:
            quote = yield from quote_cart(shop, snapshot.cart)
        except InvalidInput as error:
            raise error.at("cart") from None
    policies = shop.policies
    situation = Situation(shop.clock.now(), terms.by, chart, policies.posting, policies.handling)
    opened = _opened(shop, snapshot, state, situation, order_id, quote, terms, "")
    remarks = opened.remarks
    held = ""
    if terms.reserve and shop.stock is not None and opened.order.shippable():
        if opened.order.delivery.shipments:
            remarks += (("shipments", "part of it has left, so the rest is not reserved"),)
        elif not opened.order.handling.released:
            held = f"res_{digest(snapshot.shop, receipt.key, content)}"
            opened = _opened(shop, snapshot, state, situation, order_id, quote, terms, held)
    receipt = Receipt(snapshot.shop, receipt.key, "Adopt", content, order_id)
    made = _change(shop, opened, situation, terms, receipt)
    adoption = Adoption(opened.order, made.entries, remarks)
    if terms.dry_run:
        return _Draft(adoption, None, "", place)
    if held:
        yield from _reserved(shop, opened.order, held, waits=chart.prepaid)
    return _Draft(adoption, made, held, place)


def _chart(shop: Shop, name: str, version: int | None) -> Lifecycle[Order]:
    try:
        return shop.lifecycles.get(name, version)
    except UnknownLifecycle as error:
        raise error.at("lifecycle") from None


def _digest(snapshot: Snapshot, name: str, state: str) -> str:
    """What the number stands for: all that is told of the order."""
    try:
        plain = json.dumps(to_plain(snapshot), sort_keys=True, separators=(",", ":"))
    except (TypeError, AttributeError, ValueError) as error:
        raise _malformed(error) from error
    return digest(plain, name, state)


def _malformed(error: Exception) -> InvalidSnapshot:
    return InvalidSnapshot(f"a field is of another type than it should be: {error}")


def _opened(
    shop: Shop, snapshot: Snapshot, state: str, situation: Situation, order_id: str,
    quote: Quote | None, terms: _Terms, reservation: str,
) -> Opening:  # fmt: skip
    window = shop.policies.timeouts.of(snapshot.kind)
    try:
        return opening(
            snapshot, state, situation, order_id=order_id, quote=quote,
            pay_within=window.pay_within, grace=terms.grace, reservation=reservation,
        )  # fmt: skip
    except (TypeError, AttributeError) as error:  # a host need not run a type checker
        raise _malformed(error) from error


def _unknown(shop: Shop, snapshot: Snapshot) -> Flow[None]:
    """Refuse a number, or an id, that an order has which was not adopted under it."""
    number = snapshot.number
    query = OrderQuery(number=number, shop=snapshot.shop, limit=_ALIKE)
    found = yield from call(shop.store.find, query)
    if any([order.number == number and order.shop == snapshot.shop for order in found]):
        reason = f"there is an order {number!r} already"
        raise InvalidSnapshot(reason, path="number", number=number)
    if snapshot.id:
        known = yield from call(shop.store.load, snapshot.id)
        if known is not None:
            reason = f"there is an order with the id {snapshot.id!r} already"
            raise InvalidSnapshot(reason, path="id", order=snapshot.id)


_ALIKE_WARNING = (
    "it looks like a number of the shop's own template, whose count will come to it: "
    "give the template other signs, or let its sequence begin above"
)


def _alike(shop: Shop, number: str, name: str) -> bool:
    """Whether the shop's template would one day make this number again."""
    template, now = shop.policies.numbers, shop.clock.now()
    counts = [int(digits) for digits in _DIGITS.findall(number)]
    return any([template.render(now, name, count) == number for count in counts])


def _change(
    shop: Shop, opened: Opening, situation: Situation, terms: _Terms, receipt: Receipt
) -> Change:
    """The change that writes an order: its opening entries, and clocks that leave time to look."""
    at, timeouts = situation.at, shop.policies.timeouts
    made = change(
        None, opened.decision, at, terms.by, "Adopt", timeouts, situation.lifecycle, receipt
    )
    due = tuple(
        [
            Timer(t.order_id, t.key, at + terms.grace, t.visit) if t.due <= at else t
            for t in made.timers_set
        ]
    )
    return Change(
        made.order,
        made.events,
        at,
        made.by,
        made.command,
        due,
        made.timers_cleared,
        made.entries,
        receipt,
    )


def _reserved(shop: Shop, order: Order, held: str, *, waits: bool) -> Flow[None]:
    """Promise the goods: for good, unless the order first waits for its payment."""
    stock = shop.stock
    if stock is None:
        return
    if shop.store.joined and not stock.joins:
        raise InsideTransaction("the stock keeper is not in the host's transaction")
    pay_by, now = order.content.pay_by, shop.clock.now()
    if order.presale is not None and deposit_taken(order):
        pay_by = order.presale.balance_until
    until = max(now, pay_by or now)
    with suppress(OverflowError):  # a deadline at the end of the calendar has no slack behind it
        until += shop.policies.stock.reserve_slack
    yield from call(stock.reserve, held, order.stock_kept(), until)
    if not (waits and order.due):
        yield from call(stock.deduct, held)


# Writing --------------------------------------------------------------------------------------


def _written(shop: Shop, draft: _Draft) -> Flow[None]:
    """Write one adoption; one that another worker wrote first is the same order."""
    made = draft.made
    if made is None or made.receipt is None:
        return
    try:
        yield from call(shop.store.commit, (made,))
    except OrdercoreError as error:
        draft.adoption = yield from _refused(shop, draft, made, made.receipt, error)
        return
    if shop.hooks:
        yield from told(shop, made)


def _refused(
    shop: Shop, draft: _Draft, made: Change, receipt: Receipt, error: OrdercoreError
) -> Flow[Adoption]:
    """What another worker wrote under the same number, told alike. Otherwise the promise of goods is taken
    back, for what is final does not lapse by itself, and the error is raised."""
    if isinstance(error, KeyReused | Stale):
        try:
            earlier = yield from repeated(shop, receipt, made.by)
        except OrdercoreError as other:
            earlier, error = None, other
        else:
            if earlier is None:
                reason = f"there is an order with the id {made.order.id!r} already"
                error = InvalidSnapshot(reason, path="id", order=made.order.id)
        if earlier is not None:
            if earlier.content.reservation != draft.held:
                yield from _given_up(shop, draft)
            return Adoption(earlier, repeated=True)
    yield from _given_up(shop, draft)
    raise error


def _given_up(shop: Shop, draft: _Draft) -> Flow[None]:
    if draft.held and shop.stock is not None:
        yield from call(shop.stock.release, draft.held)


def _settle(shop: Shop, batch: Sequence[_Draft], tally: Tally) -> Flow[None]:
    """Write a batch in one commit; where that is refused, each alone."""
    changes = [draft.made for draft in batch if draft.made is not None]
    together = False
    if len(changes) > 1:
        try:
            yield from call(shop.store.commit, changes)
            together = True
        except OrdercoreError:
            together = False  # one of them is wrong: it alone shall fail
    for draft in batch:
        if draft.made is not None:
            if not together:
                try:
                    yield from _written(shop, draft)
                except OrdercoreError as error:
                    tally.fault(draft.place, draft.made.order.number, error)
                    continue
            elif shop.hooks:
                yield from told(shop, draft.made)
        done = draft.adoption
        if done.repeated:
            tally.repeated += 1
        else:
            tally.add(draft.place, done.order, done.entries, done.remarks)
