"""All ports in memory: for tests, examples and a first try. Nothing survives the process.

Values are frozen, so the store hands out what it was given, and keeps no copies.
Every class here may be used from several threads.
"""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

from ordercore.change import Change, Receipt, Recorded
from ordercore.errors import InvalidInput, KeyReused, NotificationRefused, OutOfStock, Stale
from ordercore.ledger import balances, check_balanced
from ordercore.ports import Opened, OrderQuery, OutboxItem
from ordercore.tender import (
    ActionKind,
    Capabilities,
    Notification,
    Outcome,
    OutcomeStatus,
    PaymentAction,
    RefundOutcome,
    RefundStatus,
)
from ordercore.timeout import Timer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from ordercore.clock import Clock
    from ordercore.event import Event
    from ordercore.ledger import Balance, Entry
    from ordercore.order import Order
    from ordercore.party import Actor
    from ordercore.tender import ChargeRequest, RefundRequest
    from ordercore.timeout import TimerKey

__all__ = ["AccountGateway", "MemoryGateway", "MemoryStock", "MemoryStore"]

_new = tuple.__new__  # makes a tuple with names as fast as one without
FIND_MAX = 500
"""Most orders of one answer."""


def numeric_tail(number: str) -> str:
    """The digits that a number ends in, without leading zeros."""
    digits = ""
    for sign in reversed(number):
        if not sign.isdigit():
            break
        digits = sign + digits
    return digits.lstrip("0")


class _Told(NamedTuple):
    """The events of one change, as the journal and the outbox need them: nothing else is kept alive."""

    order_id: str
    first: int
    at: datetime
    by: Actor
    command: str
    events: tuple[Event, ...]

    def recorded(self) -> Iterator[Recorded]:
        order_id, first, at, by, command, events = self
        for i, happened in enumerate(events):
            yield Recorded(order_id, first + i, at, by, command, happened)


class MemoryStore:
    """Orders, events, timers, entries and receipts in dicts."""

    joined = False

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._orders: dict[str, Order] = {}
        self._history: dict[str, list[_Told]] = {}
        self._timers: dict[tuple[str, TimerKey], Timer] = {}
        self._leases: dict[tuple[str, TimerKey], datetime] = {}
        self._receipts: dict[tuple[str, str], Receipt] = {}
        self._entries: list[tuple[str, str, tuple[Entry, ...]]] = []
        self._numbers: dict[str, int] = {}
        self._outbox: list[_Told] = []
        self._relayed: set[int] = set()
        self._position = 0

    def commit(self, changes: Sequence[Change]) -> None:
        """Write all or nothing."""
        with self._lock:
            if len(changes) > 1:
                self._check_all(changes)
            else:
                for change in changes:
                    self._check(change, self._orders.get(change.order.content.id))
            for change in changes:
                self._write(change)

    def _check(self, change: Change, held: Order | None) -> None:
        expected = change.version_before
        found = 0 if held is None else held.version
        if found != expected:
            raise Stale(
                "the order was changed by somebody else",
                path=change.order.id, expected=expected, found=found,
            )  # fmt: skip
        receipt = change.receipt
        if receipt is not None and (receipt.shop, receipt.key) in self._receipts:
            raise KeyReused("the key was used before", path="key", key=receipt.key)
        if change.entries:
            check_balanced(change.entries)

    def _check_all(self, changes: Sequence[Change]) -> None:
        ahead: dict[str, Order] = {}
        keys: set[tuple[str, str]] = set()
        for change in changes:
            order = change.order
            self._check(change, ahead.get(order.id, self._orders.get(order.id)))
            ahead[order.id] = order
            if change.receipt is not None:
                key = (change.receipt.shop, change.receipt.key)
                if key in keys:
                    raise KeyReused("the key was used before", path="key", key=key[1])
                keys.add(key)

    def _write(self, change: Change) -> None:
        order = change.order
        name = order.content.id
        self._orders[name] = order
        if change.events:
            first = order.version - len(change.events) + 1
            told = _new(_Told, (name, first, change.at, change.by, change.command, change.events))
            history = self._history.get(name)
            if history is None:
                self._history[name] = [told]
            else:
                history.append(told)
            self._outbox.append(told)
        if change.entries:
            self._entries.append((name, order.content.currency, change.entries))
        timers, leases = self._timers, self._leases
        for key in change.timers_cleared:
            timers.pop((name, key), None)
            leases.pop((name, key), None)
        for timer in change.timers_set:
            timers[name, timer.key] = timer
            leases.pop((name, timer.key), None)
        receipt = change.receipt
        if receipt is not None:
            self._receipts[receipt.shop, receipt.key] = receipt

    def load(self, order_id: str) -> Order | None:
        """The order, or ``None``."""
        return self._orders.get(order_id)

    def open(self, order_id: str, shop: str, key: str) -> Opened:
        """The order and the key's receipt."""
        return Opened(self._orders.get(order_id), self._receipts.get((shop, key)) if key else None)

    def find(self, query: OrderQuery) -> tuple[Order, ...]:
        """Newest first; an exact number or tail before longer numbers that end in it."""
        if not 0 < query.limit <= FIND_MAX:
            raise InvalidInput(f"1 to {FIND_MAX} orders, not {query.limit}", path="limit")
        tail = query.number if query.number.isdigit() else ""
        found = []
        for order in list(self._orders.values()):
            content = order.content
            if query.number:
                exact = content.number == query.number or (
                    bool(tail) and numeric_tail(content.number) == tail.lstrip("0")
                )
                if not exact and not (tail and content.number.endswith(tail)):
                    continue
            else:
                exact = False
            if (
                (not query.customer or content.customer.id == query.customer)
                and (not query.shop or content.shop == query.shop)
                and (not query.states or order.state in query.states)
                and (query.placed_from is None or content.placed_at >= query.placed_from)
                and (query.placed_before is None or content.placed_at < query.placed_before)
            ):
                found.append((not exact, -content.placed_at.timestamp(), content.id, order))
        found.sort(key=lambda row: row[:3])
        return tuple(row[3] for row in found[: query.limit])

    def journal(self, order_id: str) -> tuple[Recorded, ...]:
        """All events of one order, in order."""
        history = self._history.get(order_id, ())
        return tuple(recorded for told in history for recorded in told.recorded())

    def claim_timers(self, now: datetime, limit: int, lease: timedelta) -> tuple[Timer, ...]:
        """Due timers, oldest first, leased."""
        with self._lock:
            due = [
                (timer.due, where[0], timer.key.kind.value, timer.key.subject, where)
                for where, timer in self._timers.items()
                if timer.due <= now and self._leases.get(where, now) <= now
            ]
            due.sort(key=lambda row: row[:4])
            claimed = []
            for *_, where in due[:limit]:
                timer = self._timers[where]
                timer = Timer(timer.order_id, timer.key, timer.due, timer.visit, timer.tries + 1)
                self._timers[where] = timer
                self._leases[where] = now + lease
                claimed.append(timer)
            return tuple(claimed)

    def settle_timers(self, claimed: Sequence[tuple[Timer, datetime | None]]) -> None:
        """Drop or move claimed timers that nobody set otherwise."""
        with self._lock:
            for timer, due in claimed:
                where = (timer.order_id, timer.key)
                held = self._timers.get(where)
                if held is None or held.due != timer.due or held.visit != timer.visit:
                    continue
                self._leases.pop(where, None)
                if due is None:
                    del self._timers[where]
                else:
                    self._timers[where] = Timer(
                        timer.order_id, timer.key, due, timer.visit, held.tries
                    )

    def outbox(self, limit: int) -> tuple[OutboxItem, ...]:
        """Events not acknowledged, in commit order."""
        items: list[OutboxItem] = []
        with self._lock:
            position = self._position
            for told in self._outbox:
                for recorded in told.recorded():
                    position += 1
                    if position not in self._relayed:
                        items.append(OutboxItem(position, recorded))
                if len(items) >= limit:
                    break
        return tuple(items[:limit])

    def acknowledge(self, positions: Sequence[int]) -> None:
        """Forget events that the publisher took."""
        with self._lock:
            self._relayed.update(positions)
            done = 0
            for told in self._outbox:
                span = range(self._position + 1, self._position + 1 + len(told.events))
                if not all(position in self._relayed for position in span):
                    break
                self._relayed.difference_update(span)
                self._position = span.stop - 1
                done += 1
            del self._outbox[:done]

    def next_number(self, sequence: str) -> int:
        """The next number."""
        with self._lock:
            number = self._numbers.get(sequence, 0) + 1
            self._numbers[sequence] = number
            return number

    def trial_balance(self, order_id: str | None = None) -> tuple[Balance, ...]:
        """Balances of all orders, or of one."""
        with self._lock:
            return balances(
                (currency, entry)
                for name, currency, entries in self._entries
                if order_id is None or name == order_id
                for entry in entries
            )

    def timers(self) -> tuple[Timer, ...]:
        """All timers, for tests and for a look."""
        with self._lock:
            return tuple(self._timers.values())


class _Charge:
    """What a memory gateway knows of one key."""

    __slots__ = ("amount", "arrived", "captured", "outcome", "points", "points_back", "refunded")

    def __init__(self, request: ChargeRequest | None, outcome: Outcome) -> None:
        self.amount = 0 if request is None else request.amount
        self.points = 0 if request is None else request.points
        self.outcome = outcome
        self.captured = 0
        self.refunded = 0
        self.points_back = 0
        self.arrived = 0


_DEAD = Outcome(OutcomeStatus.VOIDED)


class MemoryGateway:
    """A payment channel in memory.

    ``authorizes_first``: authorize holds and capture takes; otherwise authorize takes at once.
    ``asks_payer``: authorize answers *waiting* with a QR code, and `pay` plays the payer.
    ``refunds_arrive``: refunds arrive at once; otherwise they are accepted, and `arrive` lets them arrive.
    `decline` lets charges of an account fail.
    """

    def __init__(
        self,
        name: str,
        clock: Clock,
        *,
        authorizes_first: bool = False,
        asks_payer: bool = False,
        refunds_arrive: bool = True,
    ) -> None:
        self.name = name
        self.capabilities = Capabilities(captures_at_once=not authorizes_first)
        self._clock = clock
        self._asks_payer = asks_payer
        self._refunds_arrive = refunds_arrive
        self._lock = threading.RLock()
        self._charges: dict[str, _Charge] = {}
        self._refunds: dict[str, RefundOutcome] = {}
        self._under_way: dict[str, tuple[_Charge, RefundRequest]] = {}
        self._declines: set[str] = set()
        self._count = 0

    def decline(self, account: str) -> None:
        """Decline all further charges of this account."""
        self._declines.add(account)

    @property
    def taken(self) -> int:
        """What the channel holds for the shop: captured less refunds that arrived, in minor units."""
        return sum(charge.captured - charge.arrived for charge in self._charges.values())

    @property
    def held(self) -> int:
        """What is authorized and not captured."""
        return sum(
            charge.amount
            for charge in self._charges.values()
            if charge.outcome.status is OutcomeStatus.AUTHORIZED
        )

    def available(self, account: str, currency: str) -> int | None:  # noqa: ARG002
        """A channel does not tell."""
        return None

    def _accepts(self, request: ChargeRequest) -> str:
        """Why a charge is declined; empty for none."""
        return "declined by the issuer" if request.account in self._declines else ""

    def _take(self, request: ChargeRequest) -> None:
        """Hook: the money leaves the payer."""

    def _give(self, request: ChargeRequest | RefundRequest, amount: int, points: int) -> None:
        """Hook: the money comes back to the payer."""

    def authorize(self, request: ChargeRequest) -> Outcome:
        """Hold or take, once for a key."""
        with self._lock:
            charge = self._charges.get(request.key)
            if charge is not None:
                return charge.outcome
            why = self._accepts(request)
            self._count += 1
            reference = f"{self.name}-{self._count}"
            if why:
                outcome = Outcome(OutcomeStatus.DECLINED, reference, reason=why)
            elif self._asks_payer:
                code = f"pay://{self.name}/{request.key}"
                action = PaymentAction(ActionKind.QR_CODE, code, request.expires_at, self.name)
                outcome = Outcome(OutcomeStatus.WAITING, reference, action=action)
            else:
                self._take(request)
                held = self.capabilities.captures_at_once
                status = OutcomeStatus.CAPTURED if held else OutcomeStatus.AUTHORIZED
                outcome = Outcome(status, reference, self._clock.now())
            charge = _Charge(request, outcome)
            if outcome.status is OutcomeStatus.CAPTURED:
                charge.captured = request.amount
            self._charges[request.key] = charge
            return outcome

    def pay(self, key: str, at: datetime | None = None) -> bytes:
        """Play the payer of a waiting charge; returns the notification that the channel would send."""
        with self._lock:
            charge = self._charges[key]
            if charge.outcome.status is OutcomeStatus.WAITING:
                moment = at or self._clock.now()
                charge.outcome = Outcome(OutcomeStatus.CAPTURED, charge.outcome.reference, moment)
                charge.captured = charge.amount
            return self.notification(key)

    def notification(self, key: str) -> bytes:
        """The notification about a key as it now stands."""
        return f"{self.name}:{key}".encode()

    def capture(self, request: ChargeRequest) -> Outcome:
        """Take what was authorized."""
        with self._lock:
            charge = self._charges.get(request.key)
            if charge is None:
                return Outcome(OutcomeStatus.UNKNOWN)
            if charge.outcome.status is OutcomeStatus.AUTHORIZED:
                charge.outcome = Outcome(
                    OutcomeStatus.CAPTURED, charge.outcome.reference, self._clock.now()
                )
                charge.captured = charge.amount
            return charge.outcome

    def close(self, request: ChargeRequest) -> Outcome:
        """End an unpaid charge; a paid one answers so."""
        with self._lock:
            charge = self._charges.get(request.key)
            if charge is None:
                charge = self._charges[request.key] = _Charge(None, _DEAD)
            elif charge.outcome.status is OutcomeStatus.WAITING:
                charge.outcome = Outcome(OutcomeStatus.VOIDED, charge.outcome.reference)
            return charge.outcome

    def void(self, request: ChargeRequest) -> Outcome:
        """Give back what the key holds, and kill it."""
        with self._lock:
            charge = self._charges.get(request.key)
            if charge is None:
                self._charges[request.key] = _Charge(None, _DEAD)
                return _DEAD
            status = charge.outcome.status
            if status in {OutcomeStatus.AUTHORIZED, OutcomeStatus.CAPTURED}:
                left = charge.amount - charge.refunded
                self._give(request, left, charge.points - charge.points_back)
                charge.captured = charge.refunded
            if status is not OutcomeStatus.DECLINED:
                charge.outcome = Outcome(OutcomeStatus.VOIDED, charge.outcome.reference)
            return charge.outcome

    def lookup(self, request: ChargeRequest) -> Outcome:
        """What became of the key."""
        charge = self._charges.get(request.key)
        return Outcome(OutcomeStatus.UNKNOWN) if charge is None else charge.outcome

    def refund(self, request: RefundRequest) -> RefundOutcome:
        """Give back part of a captured charge, once for a key."""
        with self._lock:
            known = self._refunds.get(request.key)
            if known is not None:
                return known
            charge = self._charges.get(request.charge)
            if charge is None or charge.captured - charge.refunded < request.amount:
                outcome = RefundOutcome(RefundStatus.FAILED, reason="more than was captured")
                self._refunds[request.key] = outcome
                return outcome
            charge.refunded += request.amount
            charge.points_back += request.points
            self._count += 1
            reference = f"{self.name}-r{self._count}"
            if self._refunds_arrive:
                charge.arrived += request.amount
                self._give(request, request.amount, request.points)
                outcome = RefundOutcome(RefundStatus.ARRIVED, reference, self._clock.now())
            else:
                self._under_way[request.key] = (charge, request)
                outcome = RefundOutcome(RefundStatus.ACCEPTED, reference)
            self._refunds[request.key] = outcome
            return outcome

    def arrive(self, key: str) -> bytes:
        """Let an accepted refund arrive; returns the notification that the channel would send."""
        with self._lock:
            known = self._refunds[key]
            if known.status is RefundStatus.ACCEPTED:
                charge, request = self._under_way.pop(key)
                charge.arrived += request.amount
                self._give(request, request.amount, request.points)
                self._refunds[key] = RefundOutcome(
                    RefundStatus.ARRIVED, known.reference, self._clock.now()
                )
            return f"{self.name}:{key}".encode()

    def lookup_refund(self, request: RefundRequest) -> RefundOutcome:
        """What became of a refund."""
        return self._refunds.get(request.key, RefundOutcome(RefundStatus.UNKNOWN))

    def parse(self, headers: Mapping[str, str], body: bytes) -> Notification:  # noqa: ARG002
        """Read a notification: the channel's name and the key, about whatever stands there now."""
        name, _, key = body.decode("utf-8", "replace").partition(":")
        if name != self.name or not key:
            raise NotificationRefused("the notification is not of this channel", path="body")
        refund = self._refunds.get(key)
        if refund is not None:
            return Notification(f"{key}@{refund.status.value}", key, refund)
        charge = self._charges.get(key)
        if charge is None:
            raise NotificationRefused("the notification names no charge", path="body")
        outcome = charge.outcome
        amount = charge.amount or None  # a key that died unseen has none
        return Notification(f"{key}@{outcome.status.value}", key, outcome, amount=amount)


class AccountGateway(MemoryGateway):
    """Accounts in memory: points, balances, gift cards. A charge above what is there is declined."""

    def __init__(
        self,
        name: str,
        clock: Clock,
        accounts: Mapping[str, int] | None = None,
        *,
        points: bool = False,
    ) -> None:
        super().__init__(name, clock)
        self._points = points
        self._accounts: dict[str, int] = dict(accounts or {})
        self._owners: dict[str, str] = {}

    def credit(self, account: str, units: int) -> None:
        """Put points or minor units on an account."""
        with self._lock:
            self._accounts[account] = self._accounts.get(account, 0) + units

    def balance(self, account: str) -> int:
        """Points or minor units on an account."""
        return self._accounts.get(account, 0)

    def available(self, account: str, currency: str) -> int | None:  # noqa: ARG002
        """Points or minor units on an account."""
        return self._accounts.get(account, 0)

    def _units(self, amount: int, points: int) -> int:
        return points if self._points else amount

    def _accepts(self, request: ChargeRequest) -> str:
        why = super()._accepts(request)
        asked = request.points if self._points else request.amount
        if not why and self._accounts.get(request.account, 0) < asked:
            why = "not enough on the account"
        return why

    def _take(self, request: ChargeRequest) -> None:
        self._owners[request.key] = request.account
        self._accounts[request.account] -= self._units(request.amount, request.points)

    def _give(self, request: ChargeRequest | RefundRequest, amount: int, points: int) -> None:
        owner = self._owners[getattr(request, "charge", request.key)]
        self.credit(owner, self._units(amount, points))


class _Reservation:
    __slots__ = ("deducted", "goods", "until")

    def __init__(self, goods: dict[str, int], until: datetime) -> None:
        self.goods = goods
        self.until = until
        self.deducted = False


class MemoryStock:
    """Stock in memory. ``None`` as the stock makes every article endless."""

    joins = False

    def __init__(self, clock: Clock, stock: Mapping[str, int] | None = None) -> None:
        self._clock = clock
        self._stock = None if stock is None else dict(stock)
        self._reserved: dict[str, _Reservation] = {}
        self._lock = threading.RLock()

    def free(self, sku: str) -> int | None:
        """Units that may still be promised; ``None`` is endless."""
        with self._lock:
            self._lapse()
            return None if self._stock is None else self._stock.get(sku, 0)

    def reserved(self, reservation: str) -> dict[str, int]:
        """What a reservation holds."""
        with self._lock:
            self._lapse()
            held = self._reserved.get(reservation)
            return {} if held is None else dict(held.goods)

    def _lapse(self) -> None:
        if self._stock is None:
            return
        now = self._clock.now()
        for name in [n for n, r in self._reserved.items() if not r.deducted and r.until <= now]:
            self._free(self._reserved.pop(name).goods)

    def _free(self, goods: Mapping[str, int]) -> None:
        if self._stock is not None:
            for sku, units in goods.items():
                self._stock[sku] = self._stock.get(sku, 0) + units

    def reserve(self, reservation: str, goods: Sequence[tuple[str, int]], until: datetime) -> None:
        """Promise all or nothing."""
        with self._lock:
            self._lapse()
            if reservation in self._reserved:
                return
            wanted: dict[str, int] = {}
            for sku, units in goods:
                wanted[sku] = wanted.get(sku, 0) + units
            if self._stock is not None:
                for sku, units in wanted.items():
                    free = self._stock.get(sku, 0)
                    if free < units:
                        reason = f"{sku} has {free} units free, not {units}"
                        raise OutOfStock(reason, path=sku, sku=sku, free=free, asked=units)
                for sku, units in wanted.items():
                    self._stock[sku] -= units
            self._reserved[reservation] = _Reservation(wanted, until)

    def deduct(self, reservation: str) -> None:
        """Make a promise final."""
        with self._lock:
            self._lapse()
            held = self._reserved.get(reservation)
            if held is None:
                raise OutOfStock("the reservation has lapsed", path=reservation)
            held.deducted = True

    def release(self, reservation: str, keep: Sequence[tuple[str, int]] = ()) -> None:
        """Free all but what is kept."""
        with self._lock:
            self._lapse()
            held = self._reserved.get(reservation)
            if held is None:
                return
            left = dict(keep)
            freed = {s: n - left.get(s, 0) for s, n in held.goods.items() if n > left.get(s, 0)}
            self._free(freed)
            held.goods = {s: n - freed.get(s, 0) for s, n in held.goods.items()}
            held.goods = {s: n for s, n in held.goods.items() if n}
            if not held.goods and not keep:
                del self._reserved[reservation]
