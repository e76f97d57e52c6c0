"""The payment machine, over orders that are split, rejoined, merged and taken apart again while they are paid.

It is `ordercore.testing.PaymentMachine` with four more rules: whatever happens to payments happens to orders that
went apart or became one, with faults, crashes and flows of others in between. No money and no goods may be with
nobody, nor with two::

    class OurMachine(RegroupingMachine):
        def open_bench(self, setting: PaymentSetting) -> PaymentBench:
            return OurBench(setting)


    TestRegrouping = OurMachine.TestCase
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule

from ordercore.engine.discharging import pull_order
from ordercore.engine.merging import combine, unmerge
from ordercore.engine.paying import pay
from ordercore.engine.regrouping import rejoin, split
from ordercore.goods import Manifest
from ordercore.order.split import ChargeSplit
from ordercore.tender import CaptureMoment
from ordercore.testing.drawing import WHOLE, How, courses, parts, payment_settings, places, workers
from ordercore.testing.judging import goods_are_kept
from ordercore.testing.machine import SHOPPER, STAFF, PaymentMachine

if TYPE_CHECKING:
    from ordercore.order import Order
    from ordercore.testing.bench import PaymentSetting

__all__ = ["RegroupingMachine"]


bought_with = st.tuples(
    st.lists(st.tuples(st.integers(0, 4), parts), max_size=2, unique_by=lambda offer: offer[0]),
    st.sampled_from([0, 0, 1, 2, 4]),
)


settled_settings = payment_settings() | payment_settings(CaptureMoment.AT_ONCE)


def _splits(order: Order) -> bool:
    """It may go apart: something is left to ship."""
    return not order.handling.gone and sum([units for _, units in order.shippable()]) > 1


def _went_apart(order: Order) -> bool:
    lineage = order.handling.lineage
    return lineage is not None and bool(lineage.children)


def _took_in(order: Order) -> bool:
    lineage = order.handling.lineage
    return lineage is not None and bool(lineage.merged) and not lineage.gone


def _merges(order: Order) -> bool:
    """It may be put together with another one: nothing has left, its money is settled, it is no part."""
    if order.state not in {"pending_payment", "paid", "awaiting_shipment"}:
        return False
    lineage, payments = order.handling.lineage, order.payments
    open_ = payments.in_flight or any(a.firm and a.to_capture for a in payments.attempts)
    return not open_ and not order.delivery.shipments and (lineage is None or not lineage.parent)


class RegroupingMachine(PaymentMachine):
    """Orders of one customer that become several, and one again."""

    orders_max = 10

    @initialize(
        setting=settled_settings, cart=places, offers=bought_with, served=st.integers(0, 1),
        word=st.just("paid"),
    )  # fmt: skip
    def begin(
        self, setting: PaymentSetting, cart: int, offers: Any, served: int, word: str
    ) -> None:
        """A shop that mostly takes money at once, with an order that is paid: such orders are split and merged."""
        super().begin(setting, cart, offers, served, word)

    @rule(w=workers, i=places, cut=st.lists(st.integers(0, 2), min_size=7, max_size=7), how=courses)
    def split(self, w: int, i: int, cut: list[int], how: How) -> None:
        """Staff split what is still to leave into two or three orders, unit by unit."""
        order, key = self.fitting(i, _splits), self.key()
        if order is None or len(self.orders()) >= self.orders_max:
            return
        units_of: list[dict[str, int]] = [{}, {}, {}]
        at = 0
        for line, units in order.shippable():
            for _ in range(units):
                part = units_of[cut[at % len(cut)]]
                part[str(line)] = part.get(str(line), 0) + 1
                at += 1
        named = [Manifest.of(part) for part in units_of if part]
        self.go(
            w, "split", lambda shop: split(shop, order.id, named, ChargeSplit(), key, STAFF), how, key
        )  # fmt: skip

    @rule(w=workers, i=places, how=courses)
    def rejoin(self, w: int, i: int, how: How) -> None:
        """Staff undo a split."""
        order, key = self.fitting(i, _went_apart), self.key()
        if order is not None:
            self.go(w, "rejoin", lambda shop: rejoin(shop, order.id, key, STAFF), how, key)

    @rule(w=workers, cart=places, offers=bought_with)
    def buy(self, w: int, cart: int, offers: Any) -> None:
        """The customer buys something else, and nothing goes wrong."""
        before = len(self.orders())
        self.place(w, cart, WHOLE)
        order = self.orders()[-1]
        if before == len(self.orders()):
            return
        tenders, key = self._tenders(offers), self.key()
        self.go(w, "pay", lambda shop: pay(shop, order.id, tenders, key, SHOPPER), WHOLE, key)
        for charge in self.bench.payers():
            if charge.startswith(f"{order.id}/"):
                self.bench.pay(charge)
        self.go(w, "pull", lambda shop: pull_order(shop, order.id), WHOLE)

    @rule(w=workers, i=places, j=places, how=courses, apart=st.booleans())
    def combine(self, w: int, i: int, j: int, how: How, apart: bool) -> None:  # noqa: FBT001
        """Staff put an order to another one, and perhaps think better of it."""
        fits = [order for order in self.orders() if _merges(order)]
        if not fits or i % 6 == 0:
            fits = list(self.orders())
        basic, key = fits.pop(i % len(fits)), self.key()
        if fits:
            args = (basic.id, fits[j % len(fits)].id, key, STAFF)
            self.go(w, "combine", lambda shop: combine(shop, *args), how, key)
            if apart:
                self.unmerge(w, 1, WHOLE)

    @rule(w=workers, i=places, how=courses)
    def unmerge(self, w: int, i: int, how: How) -> None:
        """Staff take out again what was put to an order last."""
        order, key = self.fitting(i, _took_in), self.key()
        if order is not None:
            self.go(w, "unmerge", lambda shop: unmerge(shop, order.id, key, STAFF), how, key)

    def quiet(self) -> None:
        """All comes to rest; then goods are held for who needs them, and for nobody else."""
        super().quiet()
        goods_are_kept(self.bench, self.orders())
