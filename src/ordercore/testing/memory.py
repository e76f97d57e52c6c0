"""A shop in memory for the payment machine: every kind of tender, and payers who do as they like."""

from __future__ import annotations

import json
from copy import copy
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

from ordercore.adapters.manual import CourierGateway, ManualGateway
from ordercore.adapters.memory import Captures, MemoryStock, MemoryStore
from ordercore.clock import SettableClock
from ordercore.engine import OrderEngine
from ordercore.engine.shop import Shop
from ordercore.identity import CountedIds
from ordercore.money import Percent, from_minor
from ordercore.party import Party
from ordercore.policy import Policies
from ordercore.pricing import (
    AmountOff,
    Cart,
    CartLine,
    PricingPolicy,
    ShippingCharge,
    TaxPolicy,
)
from ordercore.tender import (
    Capabilities,
    ChannelPolicy,
    ChannelRule,
    PaymentPolicy,
    TenderPolicy,
    TenderRule,
)
from ordercore.tender.tenders import (
    Balance,
    Cash,
    Channel,
    OnDelivery,
    Points,
    StoredValue,
    Tender,
)
from ordercore.testing.bench import ChargeSeen, Letter, PaymentBench, PaymentSetting, RefundSeen
from ordercore.testing.outside import (
    CountedTill,
    HealingPort,
    Notebook,
    TrueStore,
    WatchedAccount,
    WatchedChannel,
    WorkerClock,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ordercore.ledger import StatementRow
    from ordercore.order import Order
    from ordercore.tender import Failure

__all__ = ["MemoryBench"]

OPENS = datetime(2026, 5, 20, 12, 0, tzinfo=UTC)
CUSTOMER = "c1"
CARD_NUMBER = "GC-9"


def _policies(setting: PaymentSetting) -> Policies:
    """The policies of a setting: points, balance, gift cards, then money; three channels serve the method *card*."""
    cards = tuple(
        [ChannelRule(name, "card", capture=setting.capture) for name in ("acquirer", "second")]
    )
    return Policies(
        pricing=PricingPolicy(tax=TaxPolicy(default=Percent.of("13"))),
        tenders=TenderPolicy(
            (
                TenderRule("points", step=setting.points_in_steps),
                TenderRule("balance"),
                TenderRule("stored_value"),
            )
        ),
        channels=ChannelPolicy((*cards, ChannelRule("third", "card"))),
        payments=PaymentPolicy(
            late=setting.late, overpaid=setting.overpaid, stranded=setting.stranded
        ),
    )


@cache
def _composed(setting: PaymentSetting) -> OrderEngine:
    """An engine of the setting, put together and checked once."""
    return OrderEngine(MemoryStore(), policies=_policies(setting))


class MemoryBench(PaymentBench):
    """A shop in memory with every kind of tender.

    The method *card* is served by an acquirer and a second one, which hold first (the acquirer takes in parts as
    the setting says), and a third, which takes at once. *Wallet* asks its payer; *transfer*, cash and cash on
    delivery are told by staff or lie in a till.
    """

    offers = ("points", "balance", "stored_value", "card", "wallet", "transfer", "cash", "cod")
    open_offers = ("card", "wallet", "transfer", "cash", "cod")
    points, balance, gift = 5_000, 10_000, 8_000

    def __init__(self, setting: PaymentSetting | None = None) -> None:
        self.setting = setting = setting or PaymentSetting()
        self.clock = clock = SettableClock(OPENS)
        self.store = TrueStore(clock)
        self.ids = CountedIds()
        self.notebook = notebook = Notebook()
        self.channels = self._open_channels(setting)
        self.accounts = {
            "points": WatchedAccount(
                notebook, "points", clock, {CUSTOMER: self.points}, points=True
            ),
            "balance": WatchedAccount(notebook, "balance", clock, {CUSTOMER: self.balance}),
            "stored_value": WatchedAccount(
                notebook, "stored_value", clock, {CARD_NUMBER: self.gift}
            ),
        }
        self.till = CountedTill("cash", clock)
        known: dict[str, Any] = {
            **self.accounts, **self.channels, "cash": self.till,
            "transfer": ManualGateway("transfer"), "cod": CourierGateway("cod"),
        }  # fmt: skip
        self.gateways = {name: HealingPort(gateway) for name, gateway in known.items()}
        self.stock = MemoryStock(clock, {f"SKU-{i}": 40 for i in (1, 2, 3)})
        self._letters: list[Letter] = []
        self._written: list[tuple[str, dict[str, Any]]] = []

    def _open_channels(self, setting: PaymentSetting) -> dict[str, WatchedChannel]:
        spaced = Capabilities(refund_spacing=timedelta(minutes=1)) if setting.spaced else None
        holds: dict[str, Any] = {"authorizes_first": True, "holds_for": timedelta(days=7)}
        clock, notebook = self.clock, self.notebook
        return {
            "acquirer": WatchedChannel(notebook, "acquirer", clock, captures=setting.captures, **holds),
            "second": WatchedChannel(notebook, "second", clock, captures=Captures.ONCE, **holds),
            "third": WatchedChannel(notebook, "third", clock),
            "wallet": WatchedChannel(
                notebook, "wallet", clock, asks_payer=True, capabilities=spaced,
                refunds_arrive=not setting.spaced, for_ever=setting.payable_for_ever,
            ),
        }  # fmt: skip

    # --- The shop ------------------------------------------------------------------------------

    def worker(self, ahead: timedelta) -> OrderEngine:
        """Another process, composed once for a setting."""
        engine = copy(_composed(self.setting))
        engine.shop = Shop(
            self.store, dict(self.gateways), self.stock, engine.shop.policies,
            WorkerClock(self.clock, ahead), self.ids, engine.shop.lifecycles,
        )  # fmt: skip
        return engine

    def cart(self, number: int) -> Cart:
        """Three lines with a discount, several units with shipping, or one line."""
        currency = self.setting.currency

        def money(minor: int) -> Any:
            return from_minor(minor, currency)

        buyer = Party(CUSTOMER)
        if number % 3 == 0:
            lines = tuple([CartLine(f"SKU-{i}", 1, money(9_999)) for i in (1, 2, 3)])
            return Cart(currency, lines, (AmountOff(money(3_000), "coupon"),), customer=buyer)
        if number % 3 == 1:
            units = (CartLine("SKU-1", 3, money(3_333)), CartLine("SKU-2", 4, money(777)))
            return Cart(currency, units, shipping=ShippingCharge(money(500)), customer=buyer)
        return Cart(currency, (CartLine("SKU-3", 2, money(4_201)),), customer=buyer)

    def offer(self, name: str, amount: int | None) -> Tender:
        """A tender by its name; points and accounts are the customer's."""
        money = None if amount is None else from_minor(amount, self.setting.currency)
        if name == "points":
            return Points(self.points if amount is None else amount, CUSTOMER)
        if name == "balance":
            return Balance(money, CUSTOMER)
        if name == "stored_value":
            return StoredValue(CARD_NUMBER, money)
        if name == "cash":
            return Cash(money)
        if name == "cod":
            return OnDelivery(money)
        return Channel(name, money)

    # --- What the outside does -----------------------------------------------------------------

    def _channel_of(self, key: str) -> WatchedChannel:
        for channel in self.channels.values():
            if channel.knows(key):
                return channel
        raise LookupError(key)

    def payers(self) -> tuple[str, ...]:
        """Codes that wait, and closed ones where they can be paid for ever."""
        return self.channels["wallet"].payable()

    def pay(self, key: str, amount: int | None = None) -> None:
        """The payer pays a code."""
        self._channel_of(key).pay(key, amount=amount)

    def turn_down(self, key: str) -> None:
        """The payer's bank declines."""
        self._channel_of(key).turn_down(key)

    def under_way(self) -> tuple[str, ...]:
        """Refunds of the channels that are accepted."""
        return tuple([key for channel in self.channels.values() for key in channel.under_way()])

    def landed(self) -> tuple[str, ...]:
        """Refunds of the channels that have arrived."""
        return tuple([key for channel in self.channels.values() for key in channel.landed()])

    def land(self, key: str, *, arrives: bool) -> None:
        """A refund arrives or bounces."""
        channel = self._channel_of(key)
        if arrives:
            channel.arrive(key)
        else:
            channel.bounce(key)
        channel.write(key)

    def charge_back(self, key: str, amount: int, fee: int) -> None:
        """A dispute is lost."""
        self._channel_of(key).charge_back(key, amount, fee)

    def letters(self) -> Sequence[Letter]:
        """Letters of all channels, signed when they were written."""
        known = dict.fromkeys(self.channels, 0)
        for name, _ in self._written:
            known[name] += 1
        for name, channel in self.channels.items():
            for said in channel.letters[known[name] :]:
                self._written.append((name, said))
                self._letters.append(channel.sealed(said))
        return self._letters

    def sign_anew(self, letter: Letter) -> Letter:
        """The same words, sent now."""
        said = json.loads(letter.body)
        said.pop("sent")
        return self.channels[letter.gateway].sealed(said)

    def spoil(self, letter: Letter, how: str) -> Letter | None:
        """A letter that nobody may believe."""
        if how == "signature":
            return Letter(letter.gateway, {"signature": "none"}, letter.body)
        said = json.loads(letter.body)
        if how == "amount":
            if said.get("amount") is None:
                return None
            said["amount"] += 1
        else:
            said["currency"] = "XTS"
        return self.channels[letter.gateway].sealed(said)

    def decline(self, gateway: str, failure: Failure | None) -> None:
        """A channel declines; accounts decline their customer."""
        account = {"stored_value": CARD_NUMBER}.get(gateway, CUSTOMER)
        if gateway in self.channels:
            self.channels[gateway].decline("", failure)
        elif gateway in self.accounts:
            self.accounts[gateway].decline(account)

    def stick(self, gateway: str) -> None:
        """A channel refunds nothing more."""
        if gateway in self.channels:
            self.channels[gateway].fail_refunds("")

    def mend(self) -> None:
        """All is well again."""
        for channel in self.channels.values():
            channel.mend("")
        for account in self.accounts.values():
            account.mend(CUSTOMER)
            account.mend(CARD_NUMBER)
        for gateway in self.gateways.values():
            gateway.heal()

    # --- What there is to see ------------------------------------------------------------------

    def charges(self) -> Mapping[str, ChargeSeen]:
        """Of accounts and channels by their record, of the till by what lies in it."""
        found: dict[str, ChargeSeen] = {}
        for gateway in (*self.accounts.values(), *self.channels.values()):
            found.update(gateway.charges_seen())
        for key, amount in self.till.drawer.items():
            found[key] = ChargeSeen("cash", amount)
        return found

    def refunds(self) -> Mapping[str, RefundSeen]:
        """Of accounts and channels by their record, of the till by what was handed out."""
        found: dict[str, RefundSeen] = {}
        for gateway in (*self.accounts.values(), *self.channels.values()):
            found.update(gateway.refunds_seen())
        for key, amount in self.till.out.items():
            found[key] = RefundSeen("cash", amount, arrived=True)
        return found

    def bounced(self) -> frozenset[str]:
        """Of the channels."""
        return frozenset().union(*[channel.bounced for channel in self.channels.values()])

    def paid_late(self) -> frozenset[str]:
        """All that ask their payer, where codes can be paid for ever."""
        wallet = self.channels["wallet"]
        return frozenset(wallet.charges_seen()) if wallet.for_ever else frozenset()

    def contradictions(self) -> Sequence[str]:
        """Of accounts and channels."""
        return self.notebook.contradictions

    def statement(self, gateway: str) -> Sequence[StatementRow]:
        """What a channel took and gave back; nothing of what it has undone, nor of other gateways."""
        channel = self.channels.get(gateway)
        if channel is None:
            return ()
        return channel.statement(self.setting.currency)

    def goods_held(self, order: Order) -> dict[str, int]:
        """What the stock keeper has promised."""
        return self._reserved([name for name, _ in order.reservations()])

    def goods_promised(self) -> dict[str, int]:
        """What the stock keeper has promised to anybody."""
        return self._reserved(self.stock.reservations())

    def _reserved(self, names: Iterable[str]) -> dict[str, int]:
        held: dict[str, int] = {}
        for name in names:
            for sku, units in self.stock.reserved(name).items():
                held[sku] = held.get(sku, 0) + units
        return held

    def check(self) -> None:
        """What customers have and what was taken of it is what there was."""
        had = {"points": self.points, "balance": self.balance, "stored_value": self.gift}
        for name, account in self.accounts.items():
            has = account.balance(CARD_NUMBER if name == "stored_value" else CUSTOMER)
            if has + account.taken != had[name]:
                raise AssertionError(f"L9: {name}: {has} is there, {account.taken} is taken")
