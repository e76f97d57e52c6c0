"""A shop whose card channel holds money until goods leave, with couriers, transfers and a till."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import attrs
from tests.engine.world import CHANNEL, PLAIN, SHOPPER, STAFF, World

from ordercore import Manifest, Money, tenders
from ordercore.adapters.manual import CourierGateway, ManualGateway, TillGateway
from ordercore.adapters.memory import Captures, MemoryGateway
from ordercore.tender import AttemptState, CaptureMoment, ChannelPolicy
from ordercore.tender.routing import ChannelRule
from ordercore.testing import laws

if TYPE_CHECKING:
    from ordercore import Order, PaymentResult, Policies

WEEK = timedelta(days=7)
"""How long the card holds money."""
CARD = (tenders.Channel("card"),)
MIXED = (tenders.Points(1234, "c1"), tenders.Channel("card"))
"""12.34 in points, 257.63 held by the card."""
ON_DELIVERY = (tenders.OnDelivery(),)
PREPAID = (tenders.Points(1234, "c1"), tenders.OnDelivery())
"""12.34 in points, 257.63 collected by the courier."""
TRANSFER = (tenders.Channel("transfer"),)

__all__ = ["CARD", "CHANNEL", "MIXED", "ON_DELIVERY", "PREPAID", "TRANSFER", "WEEK", "Holding"]


def policies(moment: CaptureMoment, **rooms: Any) -> Policies:
    """The plain policies, with a card whose money is taken at this moment."""
    rules = (ChannelRule("card", capture=moment),)
    changed: Policies = attrs.evolve(PLAIN, channels=ChannelPolicy(rules), **rooms)
    return changed


class Holding(World):
    """A world with a card that holds money, a courier, a bank account and a till."""

    def __init__(
        self,
        moment: CaptureMoment = CaptureMoment.ON_SHIPMENT,
        captures: Captures = Captures.SEVERAL,
        *,
        card: type[MemoryGateway] = MemoryGateway,
        holds_for: timedelta | None = WEEK,
        rooms: dict[str, Any] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(policies=policies(moment, **(rooms or {})), **options)
        self.card: Any = card(
            "card", self.clock, authorizes_first=True, captures=captures, holds_for=holds_for
        )
        self.cod = CourierGateway()
        self.bank = ManualGateway()
        self.till = TillGateway("cash", self.clock, float_minor={"CNY": 10_000})
        self.hands: Any = (self.cod, self.bank, self.till)
        self.ports = {
            **self.gateways, "card": self.card, **{g.name: g for g in self.hands},
        }  # fmt: skip
        self.engine = self.another(gateways=self.ports)

    def snapshot(self) -> dict[str, object]:
        """Everything that a command may alter, the card's charges too."""
        charges = {
            key: (c.held, c.open, c.outcome, c.captured, c.refunded)
            for key, c in self.card._charges.items()
        }
        return {**super().snapshot(), "card": charges, "card refunds": dict(self.card._refunds)}

    def held(self, offers: tuple[Any, ...] = MIXED) -> Order:
        """Order A, paid with held money and taken up."""
        order = self.pay(self.placed(), offers).order
        assert order.state == "paid"
        return self.engine.accept(order.id, key=self.key())

    def ship(self, order: Order, *lines: str) -> Order:
        """Send one unit of each line, or all that is left."""
        goods = Manifest.of(dict.fromkeys(lines, 1)) if lines else None
        return self.engine.ship(order.id, goods, key=self.key())

    def capture(self, order: Order, amount: str | None = None, key: str = "") -> PaymentResult:
        """Take money by hand."""
        money = None if amount is None else Money(amount, "CNY")
        return self.engine.capture(order.id, money, key=key or self.key(), by=STAFF)

    def confirm(
        self, order: Order, amount: str | None = None, *, attempt: str = "", paid: bool = True
    ) -> PaymentResult:
        """Staff says what came for the last attempt."""
        name = attempt or self.get(order).payments.attempts[-1].id
        money = None if amount is None else Money(amount, "CNY")
        return self.engine.confirm_payment(
            order.id, name, money, paid=paid, key=self.key(), by=STAFF
        )

    def sweep_at(self, span: timedelta) -> Any:
        """Go on so long and sweep."""
        self.clock.advance(span)
        return self.engine.sweep()

    def check(self, *, settled: bool = True) -> None:
        """The laws of every order; what the card holds and took is what the orders say, key by key."""
        laws.trial_balance_is_zero(self.engine.trial_balance())
        for order in self.orders():
            journal = self.engine.journal(order.id)
            laws.replay_gives(order, [(told.event, told.at) for told in journal])
            entries = [
                entry
                for name, _, entries, *_ in self.store._entries
                for entry in entries
                if name == order.id
            ]
            laws.books_tell_the_money(order, entries)
            laws.refunds_bounded(order.payments)
            for attempt in order.payments.attempts:
                assert attempt.captured >= attempt.returned >= 0
                most = (attempt.authorized or attempt.amount) + attempt.rounding
                by_hand = attempt.gateway in {g.name for g in self.hands}
                assert by_hand or attempt.captured <= most, "L6: more is taken than was held"
                if settled and attempt.gateway in self.gateways | {"card": 1}:
                    self._check_held(attempt)
            if settled:
                assert not order.payments.in_flight, "attempts wait for ever"
                assert order.closing is None
                if order.handling.released:
                    assert not [a for a in order.payments.attempts if a.firm and a.to_capture]
        if settled:
            said = sum(
                a.to_capture + a.released
                for order in self.orders()
                for a in order.payments.attempts
                if a.gateway == "card" and a.state is AttemptState.AUTHORIZED
            )
            assert self.card.held == said, "L22: the card holds money that no order knows of"

    def _check_held(self, attempt: Any) -> None:
        charge = self.ports[attempt.gateway]._charges.get(attempt.id)
        took = 0 if charge is None else charge.captured
        said = attempt.captured - attempt.returned
        assert took == said, f"L7: {attempt.id} took {took}, the order says {said}"
        holds = 0 if charge is None else charge.rest
        still = attempt.state is AttemptState.AUTHORIZED
        # what was released stays held at the channel until the last part is taken
        known = attempt.to_capture + attempt.released if still else 0
        assert holds == known, f"{attempt.id} holds {holds}, the order knows of {known}"


__all__ += ["SHOPPER", "STAFF", "policies"]
