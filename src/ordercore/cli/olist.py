"""``ordercore replay --format olist``: real mixed payments of a marketplace through the engine.

Each order whose payments add up to its items and freight is planned, paid over its own means, sent and kept or
called off as it was, and its funds are shared by seller. The others are listed with the difference. In the end
the payments file, as the channels' statement, is held against the books.
"""

from __future__ import annotations

import heapq
import json
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from ordercore.adapters.memory import MemoryGateway
from ordercore.cli.olist_file import CURRENCY, read_olist
from ordercore.cli.sections import Section, show
from ordercore.cli.stores import opened, synchronous_of
from ordercore.clock import SettableClock
from ordercore.engine import OrderEngine
from ordercore.errors import InvalidInput
from ordercore.identity import NumberTemplate
from ordercore.ledger import (
    AccountKind,
    MovementKind,
    ReconciliationClass,
    ReconciliationReport,
    StatementPeriod,
    StatementRow,
)
from ordercore.money import decimal_text, from_minor
from ordercore.party import Actor, Party
from ordercore.policy import Policies
from ordercore.ports import OrderQuery
from ordercore.pricing import Cart, CartLine, ShippingCharge
from ordercore.tender import Outcome, tenders
from ordercore.value import value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from ordercore.cli.olist_file import OlistOrder, OlistPayment
    from ordercore.cli.replay import Job
    from ordercore.cli.stores import Store
    from ordercore.ledger import Balance
    from ordercore.tender import ChargeRequest

__all__ = ["OlistResult", "OlistShop", "Refused", "replay_olist"]

VOUCHER: Final = "voucher"
_DAYS: Final = timedelta(days=7)
_SHOWN: Final = 10
_CALLED_OFF: Final = frozenset({"canceled", "unavailable"})
_HELD: Final = frozenset({AccountKind.CLEARING, AccountKind.STORED_VALUE_LIABILITY})
"""Accounts whose detail is a channel, and which say what it holds."""


class _Channel(MemoryGateway):
    """A channel that names its transactions as the data does: the order and the number of the payment."""

    def authorize(self, request: ChargeRequest) -> Outcome:
        """Take the money at once."""
        answer = super().authorize(request)
        return Outcome(answer.status, request.account, answer.at, answer.reason)


@value
class Refused:
    """An order that is not taken: its payments are not what it costs, or nothing was sold or paid."""

    order: str
    price: int
    paid: int
    why: str


class OlistShop:
    """The marketplace: an engine, its channels, and what comes of it."""

    def __init__(self, store: Store, policies: Policies, means: set[str]) -> None:
        self.clock = SettableClock(datetime(2016, 1, 1, tzinfo=UTC))
        self.channels = {name: _Channel(name, self.clock) for name in sorted(means)}
        self.engine = OrderEngine(store, self.channels, None, policies, clock=self.clock)
        self.refused: list[Refused] = []
        self.taken: list[OlistOrder] = []
        self.paid: dict[str, list[int]] = {}
        self.mixed = 0
        self._agenda: list[tuple[datetime, int, Callable[[], object]]] = []
        self._count = 0

    def run(self, orders: Iterator[OlistOrder]) -> None:
        """Let all orders live, in the order of their times."""
        for order in orders:
            self._until(order.bought_at)
            self._take(order)
        self._until(None)

    def _at(self, moment: datetime, act: Callable[[], object]) -> None:
        self._count += 1
        heapq.heappush(self._agenda, (moment, self._count, act))

    def _until(self, moment: datetime | None) -> None:
        while self._agenda and (moment is None or self._agenda[0][0] <= moment):
            at, _, act = heapq.heappop(self._agenda)
            self.clock.set(max(at, self.clock.now()))
            act()
        if moment is not None:
            self.clock.set(max(moment, self.clock.now()))

    def _take(self, told: OlistOrder) -> None:
        why = "" if told.paid == told.price else "another sum was paid"
        if not told.items:
            why = "no items are told"
        elif not told.paid:
            why = "nothing was paid"
        if why:
            self.refused.append(Refused(told.id, told.price, told.paid, why))
            return
        by = Actor.customer(told.customer)
        name = ""
        try:
            quote = self.engine.quote(_cart(told))
            name = self.engine.place(quote, key=f"{told.id}/place", by=by).id
            offers = [_offer(told, payment) for payment in told.payments if payment.amount]
            result = self.engine.pay(name, offers, key=f"{told.id}/pay", by=by)
        except InvalidInput as error:
            self.refused.append(Refused(told.id, told.price, told.paid, error.reason))
            if name:
                self.engine.cancel(name, reason=error.reason, key=f"{told.id}/cancel", by=by)
            return
        if not result.paid:
            raise InvalidInput(
                f"order {told.id} is not paid", path="order", state=result.order.state
            )
        self.taken.append(told)
        self.mixed += len({payment.means for payment in told.payments if payment.amount}) > 1
        for payment in told.payments:
            if not payment.amount:
                continue
            sums = self.paid.setdefault(payment.means, [0, 0])
            sums[0] += 1
            sums[1] += payment.amount
        self._expect(told, name)

    def _expect(self, told: OlistOrder, name: str) -> None:
        """What becomes of it: called off, or accepted, sent, received and kept."""
        engine = self.engine
        if told.status in _CALLED_OFF:
            later = told.bought_at + _DAYS
            self._at(
                later,
                lambda: engine.cancel(
                    name, reason=told.status, key=f"{told.id}/cancel", by=Actor.staff("shop")
                ),
            )
            return
        if told.status not in {"delivered", "shipped"}:
            return
        sent = max(told.sent_at or told.bought_at, told.bought_at)
        self._at(sent, lambda: self._send(told, name))
        if told.status == "delivered":
            arrived = max(told.arrived_at or sent, sent)
            self._at(arrived, lambda: engine.deliver(name, key=f"{told.id}/deliver"))
            self._at(arrived + _DAYS, lambda: engine.complete(name, key=f"{told.id}/keep"))

    def _send(self, told: OlistOrder, name: str) -> None:
        self.engine.accept(name, key=f"{told.id}/accept")
        self.engine.ship(name, key=f"{told.id}/ship")

    def reconciled(self, orders: tuple[OlistOrder, ...]) -> dict[str, ReconciliationReport]:
        """The payments of the data, as each channel's statement, against the books; what went back, by our own word."""
        start = datetime(2016, 1, 1, tzinfo=UTC)
        period = StatementPeriod(start, self.clock.now() + timedelta(days=1))
        found = {}
        for name in self.channels:
            rows = _statement(orders, name)
            found[name] = self.engine.reconcile(name, rows, period)
        return found


def _cart(told: OlistOrder) -> Cart:
    freight = sum([item.freight for item in told.items])
    return Cart(
        CURRENCY,
        tuple(
            [
                CartLine(
                    item.product, 1, from_minor(item.price, CURRENCY), id=str(item.place),
                    category=item.category, merchant=item.seller,
                )
                for item in told.items
            ]
        ),
        shipping=ShippingCharge(from_minor(freight, CURRENCY)) if freight else None,
        customer=Party(told.customer),
    )  # fmt: skip


def _offer(told: OlistOrder, payment: OlistPayment) -> tenders.Tender:
    amount = from_minor(payment.amount, CURRENCY)
    name = f"{told.id}-{payment.sequence}"
    if payment.means == VOUCHER:
        return tenders.StoredValue(name, amount, VOUCHER)
    return tenders.Channel(payment.means, amount, name)


def _statement(orders: tuple[OlistOrder, ...], means: str) -> Iterator[StatementRow]:
    number = 0
    for order in orders:
        for payment in order.payments:
            if payment.means == means and payment.amount:
                number += 1
                yield StatementRow(
                    MovementKind.PAYMENT, f"{order.id}-{payment.sequence}", "", payment.amount,
                    CURRENCY, order.bought_at, row=number,
                )  # fmt: skip


# The command ----------------------------------------------------------------------------------


def replay_olist(job: Job) -> int:
    """Replay a folder, print what came of it; 1 when the books or the statements do not agree, else 0."""
    if job.report is not None:
        raise InvalidInput("a report as a page is made of the retail file only", path="--report")
    if job.limit is not None and job.limit < 1:
        raise InvalidInput(f"at least one order, not {job.limit}", path="--limit")
    if job.json is not None and not job.json.parent.is_dir():
        raise InvalidInput(f"there is no folder {str(job.json.parent)!r}", path=str(job.json))
    synchronous = synchronous_of(job.synchronous)
    policies = Policies() if job.policies is None else Policies.load(job.policies)
    if job.policies is None:
        policies = Policies(numbers=NumberTemplate("OL-{seq:06}"))
    orders = read_olist(job.file)[: job.limit]
    means = {payment.means for order in orders for payment in order.payments if payment.amount}
    began = time.perf_counter_ns()
    with tempfile.TemporaryDirectory(prefix="ordercore-") as folder:
        url = job.store or f"sqlite:///{folder}/olist.db"
        with opened(url, synchronous) as store:
            if store.find(OrderQuery(limit=1)):
                reason = "the store holds orders already: name a new one"
                raise InvalidInput(reason, path="--store")
            shop = OlistShop(store, policies, means)
            shop.run(iter(orders))
            took = (time.perf_counter_ns() - began) // 1_000_000
            reports = shop.reconciled(orders)
            balances = shop.engine.trial_balance()
    result = OlistResult(shop, reports, balances, took)
    if job.json is None:
        show(result.sections(), sys.stdout)
    else:
        _write(result.plain(), job.json)
    return 0 if result.holds else 1


def _write(plain: dict[str, Any], target: Path) -> None:
    text = json.dumps(plain, indent=1) + "\n"
    if str(target) == "-":
        sys.stdout.write(text)
    else:
        target.write_text(text, encoding="utf-8")


class OlistResult:
    """What came of a replay."""

    def __init__(
        self,
        shop: OlistShop,
        reports: dict[str, ReconciliationReport],
        balances: tuple[Balance, ...],
        took: int,
    ) -> None:
        self.shop = shop
        self.reports = reports
        self.balances = [b for b in balances if b.amount]
        self.took = took

    @property
    def unknown(self) -> int:
        """What the statements tell of orders that were not taken."""
        return sum([order.paid for order in self.shop.refused])

    @property
    def holds(self) -> bool:
        """Books at zero, what channels hold as booked, and no difference but the orders that were not taken."""
        if sum([b.amount for b in self.balances]):
            return False
        for name, report in self.reports.items():
            booked = sum(
                [b.amount for b in self.balances if b.account in _HELD and b.detail == name]
            )
            if booked != self.shop.channels[name].taken:
                return False
            missing = report.count(ReconciliationClass.MISSING_HERE)
            back = report.count(ReconciliationClass.MISSING_THERE)
            others = len(report.differences) - missing - back
            if others or any(
                [
                    d.ours is not None and d.ours.kind is MovementKind.PAYMENT
                    for d in report.differences
                ]
            ):
                return False
        told = sum(
            [
                d.amount
                for report in self.reports.values()
                for d in report.differences
                if d.kind is ReconciliationClass.MISSING_HERE
            ]
        )
        return told == self.unknown

    def sellers(self) -> list[tuple[str, int]]:
        """What is owed to each seller, most first."""
        owed = [
            (b.detail, -b.amount)
            for b in self.balances
            if b.account is AccountKind.MERCHANT_PAYABLE
        ]
        return sorted(owed, key=lambda row: (-row[1], row[0]))

    def sections(self) -> list[Section]:
        """Tables for people."""
        shop = self.shop
        paid = sum([order.paid for order in shop.taken])
        rows = (
            ("orders taken", f"{len(shop.taken):,}", _text(paid)),
            ("with several means", f"{shop.mixed:,}", ""),
            ("not taken", f"{len(shop.refused):,}", _text(self.unknown)),
            ("seconds", f"{self.took / 1000:.1f}", ""),
        )
        means = tuple([(n, f"{c:,}", _text(s)) for n, (c, s) in sorted(shop.paid.items())])
        refused = sorted(shop.refused, key=lambda r: (-abs(r.paid - r.price), r.order))
        not_taken = tuple(
            [
                (r.order, r.why, _text(r.price), _text(r.paid), _text(r.paid - r.price))
                for r in refused[:_SHOWN]
            ]
        )
        more = len(refused) - len(not_taken)
        sellers = self.sellers()
        statements = tuple(
            [
                (
                    name, found.kind.value.replace("_", " "), f"{found.count:,}",
                    _text(found.ours), _text(found.theirs),
                )
                for name, report in self.reports.items()
                for found in report.sums
            ]
        )  # fmt: skip
        whole = sum([amount for _, amount in sellers])
        return [
            Section("Olist", ("", "count", CURRENCY), rows),
            Section("Means", ("means", "payments", CURRENCY), means),
            Section(
                "Not taken", ("order", "why", "price", "paid", "difference"), not_taken, 2,
                f"and {more:,} more: --json has all" if more else "",
            ),
            Section(
                "Sellers", ("seller", CURRENCY),
                tuple([(name, _text(amount)) for name, amount in sellers[:_SHOWN]]), 1,
                f"{len(sellers):,} sellers, {_text(whole)} in all",
            ),
            Section("Statements", ("channel", "class", "rows", "ours", "theirs"), statements, 2),
            Section(
                "Books", ("account", CURRENCY),
                tuple([(name, _text(amount)) for name, amount in self._accounts()]), 1,
                "trial balance 0.00" if self.holds else "THE BOOKS DO NOT AGREE",
            ),
        ]  # fmt: skip

    def _accounts(self) -> list[tuple[str, int]]:
        sums: dict[str, int] = {}
        for balance in self.balances:
            name = balance.account.value
            sums[name] = sums.get(name, 0) + balance.amount
        return sorted(sums.items())

    def plain(self) -> dict[str, Any]:
        """All of it as plain data."""
        return {
            "holds": self.holds,
            "taken": len(self.shop.taken),
            "mixed": self.shop.mixed,
            "means": {n: {"payments": c, "amount": s} for n, (c, s) in self.shop.paid.items()},
            "not_taken": [
                {"order": r.order, "price": r.price, "paid": r.paid, "why": r.why}
                for r in self.shop.refused
            ],
            "sellers": dict(self.sellers()),
            "statements": {
                name: {s.kind.value: {"rows": s.count, "ours": s.ours, "theirs": s.theirs} for s in r.sums}
                for name, r in self.reports.items()
            },
            "books": dict(self._accounts()),
        }  # fmt: skip


def _text(amount: int) -> str:
    return decimal_text(amount, CURRENCY)
