"""A machine that pays, in every way and with everything going wrong, and looks at the laws after each step.

It is a state machine of Hypothesis. Its rules place orders and pay them with mixed tenders, let payers pay, pay
late or decline, deliver the channels' notifications now, late, twice, in any order or forged; they refund, capture,
ship, amend and cancel; they lose answers, let processes die before or after any call of a port, stop a flow between
two of its steps while others run, and let the clocks of two workers differ. A host runs it over its own engine::

    class OurMachine(PaymentMachine):
        def open_bench(self, setting: PaymentSetting) -> PaymentBench:
            return OurBench(setting)


    TestPayments = OurMachine.TestCase

When a run ends, all is made quiet: faults stop, the post is delivered, the clock runs on and sweeps serve what is
due. Then nothing may be stranded.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from hypothesis import event as count
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from ordercore.engine.amending import amend
from ordercore.engine.capturing import capture, confirm_payment, confirm_refund
from ordercore.engine.compensating import compensate
from ordercore.engine.discharging import pull_order
from ordercore.engine.fulfilling import advance, ship_goods
from ordercore.engine.notifying import notify
from ordercore.engine.paying import cancel, pay, preview, refund
from ordercore.engine.placing import place_order
from ordercore.engine.reconciling import patch, reconciled
from ordercore.engine.rerouting import reroute_refund
from ordercore.engine.sweeping import Sweep, sweep
from ordercore.errors import (
    GatewayError,
    InvalidInput,
    NotFound,
    OrdercoreError,
    Refused,
)
from ordercore.goods import Manifest
from ordercore.ledger import StatementPeriod
from ordercore.money import from_minor
from ordercore.order import Accept, ChangeQuantity, Complete, Deliver
from ordercore.party import Actor
from ordercore.ports import OrderQuery
from ordercore.tender import AttemptState, Failure, RefundSplit, RefundStatus
from ordercore.testing import laws
from ordercore.testing.bench import PaymentBench, PaymentSetting
from ordercore.testing.doubles import PortFault
from ordercore.testing.drawing import (
    NEXT,
    WHOLE,
    Course,
    How,
    courses,
    goods_drawn,
    legs_with,
    offers_drawn,
    parts,
    payment_settings,
    places,
    refund_under_way,
    to_amend,
    to_capture,
    to_confirm,
    to_pay,
    to_refund,
    to_reroute,
    whole_offers,
    workers,
)
from ordercore.testing.judging import (
    all_at_rest,
    moved_once,
    order_holds,
    sure,
)
from ordercore.testing.memory import MemoryBench
from ordercore.testing.simulation import STEPS_MAX, Fault, Simulation, Walk

if TYPE_CHECKING:
    from collections.abc import Callable

    from ordercore.engine import Flow
    from ordercore.engine.reconciling import Patched
    from ordercore.engine.shop import Shop
    from ordercore.order import Order
    from ordercore.tender.tenders import Tender

__all__ = ["PaymentMachine"]

SHOPPER = Actor.customer("c1")
STAFF = Actor.staff("s1")
WALKS_MAX = 3
SAID_MAX = 12
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
_S = AttemptState
_REFUSALS = (Refused, InvalidInput, GatewayError, NotFound)
"""What a command may end with: it was not possible, or a gateway did not answer."""


def _patched(shop: Shop, bench: PaymentBench, gateway: str) -> Flow[Patched]:
    """Compare a gateway's statement of all time, and book what it proves."""
    now = bench.clock.now()
    period = StatementPeriod(now - 90 * DAY, now + 90 * DAY)
    report = yield from reconciled(shop, gateway, bench.statement(gateway), period)
    return (yield from patch(shop, gateway, report, STAFF))


class PaymentMachine(RuleBasedStateMachine):
    """Some orders of one customer, two workers, a post office and a lot of bad luck."""

    bench: PaymentBench
    orders_max = 3

    def open_bench(self, setting: PaymentSetting) -> PaymentBench:
        """The shop to run over; by default one in memory."""
        return MemoryBench(setting)

    @initialize(
        setting=payment_settings(),
        cart=places,
        offers=whole_offers | st.none() | whole_offers,
        served=st.integers(0, 3),
        word=st.sampled_from(["paid", "paid", "more", "less"]),
    )
    def begin(
        self, setting: PaymentSetting, cart: int, offers: Any, served: int, word: str
    ) -> None:
        """A shop with one order: just placed, or paid, or on its way."""
        self.setting = setting
        self.bench = self.open_bench(setting)
        self.ahead = [timedelta(0), timedelta(0)]
        self.walks: list[Walk[Any]] = []
        self.said: list[tuple[str, Callable[[Shop], Flow[Any]], str]] = []
        self.seen: dict[str, int] = {}
        self.keys = 0
        self.graveyard: list[Any] = []
        self.workers = [self.bench.worker(ahead) for ahead in self.ahead]
        self.place(0, cart, WHOLE)
        if offers is not None:
            self.pay(0, 0, offers, WHOLE)
            for key in self.bench.payers():
                self.bench.pay(key, self._other(key, word))
            for letter in tuple(self.bench.letters()):
                self.workers[0].notify(letter.gateway, letter.headers, letter.body)
            self.confirm(0, 0, word, WHOLE)
            for _ in range(served):
                self.serve(0, 0, "next", WHOLE)

    # --- How things are done -------------------------------------------------------------------

    def orders(self) -> tuple[Order, ...]:
        """Every order, the first one first."""
        found = self.workers[0].find(OrderQuery(limit=100))
        return tuple(sorted(found, key=lambda order: (len(order.id), order.id)))

    def order(self, i: int) -> Order:
        """One of the orders."""
        found = self.orders()
        return found[i % len(found)]

    def fitting(self, i: int, fits: Callable[[Order], bool]) -> Order | None:
        """An order that fits, if there is one; now and then any."""
        if i % 6 == 0:
            return self.order(i)
        found = [order for order in self.orders() if fits(order)]
        return found[i % len(found)] if found else None

    def key(self) -> str:
        """A key that was never used."""
        self.keys += 1
        return f"k{self.keys}"

    def go(
        self, w: int, name: str, flow: Callable[[Shop], Flow[Any]], how: How, key: str = ""
    ) -> Walk[Any]:
        """Let a worker begin a flow, and let happen to it what is drawn."""
        simulation = Simulation(self.workers[w])
        self.graveyard.append(simulation)
        if key:
            self.said = [*self.said[-SAID_MAX:], (name, flow, key)]
        walk = simulation.walk(flow(simulation.shop), name)
        kind, step = how
        if kind is Course.WHOLE:
            walk.go(STEPS_MAX)
        elif kind is Course.STOPPED:
            if len(self.walks) < WALKS_MAX:
                walk.go(step)
                self.walks += [] if walk.ended else [walk]
            else:
                walk.go(STEPS_MAX)
        elif isinstance(kind, Fault):
            walk.go(step - 1)
            walk.strike(walk.made + 1, self._fault(walk, kind))
        self._ended(walk)
        return walk

    def _fault(self, walk: Walk[Any], fault: Fault) -> Fault:
        """Gateways time out; where another port is called, the process dies instead."""
        port = getattr(walk.step.fn, "__self__", None) if walk.step else None
        if port is None or any(port is gateway for gateway in self.bench.gateways.values()):
            return fault
        dies = {Fault.NO_ANSWER: Fault.CRASH_BEFORE, Fault.LOST_ANSWER: Fault.CRASH_AFTER}
        return dies.get(fault, fault)

    def _ended(self, walk: Walk[Any]) -> None:
        """A flow ends with what it gives, or with a refusal."""
        if not walk.ended:
            return
        error = walk.error
        if error is not None:
            count(f"{walk.name}: {type(error).__name__}")
            fine = isinstance(error, _REFUSALS)
            sure(fine, f"L24: {walk.name} ends with {error!r}")
            return
        try:
            result = walk.result
        except RuntimeError:  # it crashed
            return
        count(f"{walk.name}: done")
        if isinstance(result, Sweep):
            sure(not result.parked, f"L24: a timer was parked: {result.parked}")

    # --- What customers do ---------------------------------------------------------------------

    @rule(w=workers, cart=places, how=courses)
    def place(self, w: int, cart: int, how: How) -> None:
        """The customer places an order."""
        if self.keys and len(self.orders()) >= self.orders_max:
            return
        key, quote = self.key(), self.workers[w].quote(self.bench.cart(cart))
        self.go(
            w, "place", lambda shop: place_order(shop, quote, key, SHOPPER, "standard"), how, key
        )

    def _tenders(self, drawn: tuple[list[tuple[int, int | None]], int | None]) -> list[Tender]:
        parts, last = drawn
        bench = self.bench
        named = [(bench.offers[i % len(bench.offers)], amount) for i, amount in parts]
        if last is not None:
            rest = bench.open_offers[last % len(bench.open_offers)]
            named = [(name, amount or 100) for name, amount in named if name != rest]
            named.append((rest, None))
        return [bench.offer(name, amount) for name, amount in named]

    @rule(i=places, offers=offers_drawn)
    def look_ahead(self, i: int, offers: Any) -> None:
        """The customer looks at how an order would be paid: nothing is written."""
        order, tenders = self.order(i), self._tenders(offers)
        walk = self.go(0, "preview", lambda shop: preview(shop, order.id, tenders), WHOLE)
        sure(self.order(i) == order, "L12: a preview changed the order")
        if walk.error is None:
            laws.tenders_conserved(walk.result.plan)

    @rule(
        w=workers, i=places, offers=st.one_of(offers_drawn, whole_offers, whole_offers), how=courses
    )
    def pay(self, w: int, i: int, offers: Any, how: How) -> None:
        """The customer pays with one or several tenders."""
        order, tenders, key = self.fitting(i, to_pay), self._tenders(offers), self.key()
        if order is None:
            return
        self.go(w, "pay", lambda shop: pay(shop, order.id, tenders, key, SHOPPER), how, key)

    @rule(w=workers, i=places, name=st.sampled_from(["card", "wallet", "cash", "cod", "transfer"]))
    def pay_all(self, w: int, i: int, name: str) -> None:
        """The customer pays what is due in one way, and nothing goes wrong."""
        if name in self.bench.open_offers:
            self.pay(w, i, ([], self.bench.open_offers.index(name)), WHOLE)

    @rule(i=places, how=st.sampled_from(["pays", "pays", "pays", "more", "less", "no funds"]))
    def payer(self, i: int, how: str) -> None:
        """The payer of a code acts."""
        keys = self.bench.payers()
        if not keys:
            return
        key = keys[i % len(keys)]
        if how == "no funds":
            self.bench.turn_down(key)
        else:
            self.bench.pay(key, self._other(key, how))

    def _other(self, key: str, how: str) -> int | None:
        """What a payer pays who does not pay what was asked."""
        asked = self._asked(key)
        return {"more": asked + 700, "less": max(1, asked - 300)}.get(how)

    def _asked(self, key: str) -> int:
        for order in self.orders():
            for attempt in order.payments.attempts:
                if attempt.id == key:
                    return attempt.amount + attempt.rounding
        return 1_000

    @rule(w=workers, i=places, how=courses, by=st.sampled_from([SHOPPER, STAFF]))
    def cancel(self, w: int, i: int, how: How, by: Actor) -> None:
        """The order is not wanted any more."""
        if i % 3:
            return
        order, key = self.order(i // 3), self.key()
        self.go(w, "cancel", lambda shop: cancel(shop, order.id, "no need", key, by), how, key)

    @rule(w=workers, i=places, units=st.integers(1, 4), how=courses)
    def amend(self, w: int, i: int, units: int, how: How) -> None:
        """The customer wants more or fewer units."""
        order, key = self.fitting(i, to_amend), self.key()
        if order is None:
            return
        wanted = [ChangeQuantity(order.lines[i % len(order.lines)].id, units)]
        self.go(w, "amend", lambda shop: amend(shop, order.id, wanted, key, SHOPPER), how, key)

    # --- What channels do ----------------------------------------------------------------------

    @rule(
        w=workers,
        i=st.integers(0, 40),
        how=courses,
        fresh=st.sampled_from([True, True, False]),
    )
    def notify(self, w: int, i: int, how: How, fresh: bool) -> None:  # noqa: FBT001
        """A letter arrives: any, also one that came before; as it was signed, or signed anew."""
        post = self.bench.letters()
        if post:
            letter = post[-1 - i % len(post)]
            letter = self.bench.sign_anew(letter) if fresh else letter
            self.go(
                w, "notify",
                lambda shop: notify(shop, letter.gateway, letter.headers, letter.body), how,
            )  # fmt: skip

    @rule(
        w=workers, i=st.integers(0, 40), what=st.sampled_from(["signature", "amount", "currency"])
    )
    def forge(self, w: int, i: int, what: str) -> None:
        """A letter arrives that nobody may believe: no order is another one after it."""
        post = self.bench.letters()
        letter = self.bench.spoil(post[-1 - i % len(post)], what) if post else None
        if letter is not None:
            before = self.orders()
            self.go(
                w, "forged",
                lambda shop: notify(shop, letter.gateway, letter.headers, letter.body), WHOLE,
            )  # fmt: skip
            same = self.orders() == before
            sure(same, f"L12: a letter with a wrong {what} changed something")

    @rule(i=places, arrives=st.sampled_from([True, True, False]))
    def land(self, i: int, arrives: bool) -> None:  # noqa: FBT001
        """A refund under way arrives, or bounces; one that has arrived may bounce too."""
        keys = (not arrives and self.bench.landed()) or self.bench.under_way()
        if keys:
            self.bench.land(keys[i % len(keys)], arrives=arrives)

    @rule(i=places, part=st.integers(1, 3), fee=st.sampled_from([0, 150]))
    def charge_back(self, i: int, part: int, fee: int) -> None:
        """A payer's bank takes money back; the channel will tell."""
        channels = {letter.gateway for letter in self.bench.letters()}
        paid = [order for order in self.orders() if order.state != "pending_payment"]
        said = {a.id for o in paid for a in o.payments.attempts if a.state is _S.CAPTURED}
        found = [(key, seen) for key, seen in self.bench.charges().items() if key in said]
        for key, charge in found[i % (len(found) or 1) :]:
            left = charge.taken - charge.charged_back
            if charge.gateway in channels and left >= 3 and not charge.held:
                self.bench.charge_back(key, left * part // 3, 0 if left < 1_000 else fee)
                return

    @rule(
        name=st.sampled_from(["points", "balance", "acquirer", "second", "third", "wallet"]),
        failure=st.sampled_from([None, *Failure]),
    )
    def turn_away(self, name: str, failure: Failure | None) -> None:
        """A gateway declines whatever is new."""
        self.bench.decline(name, failure)

    @rule(name=st.sampled_from(["acquirer", "wallet", "*"]))
    def stick(self, name: str) -> None:
        """A channel refunds nothing more, or none of them does."""
        for channel in self.bench.gateways if name == "*" else (name,):
            self.bench.stick(channel)

    @rule()
    def mend(self) -> None:
        """All channels work again."""
        self.bench.mend()

    @rule(
        name=st.sampled_from(["points", "balance", "acquirer", "third", "wallet", "cash"]),
        fault=st.sampled_from([PortFault.NOT_SENT, PortFault.LOST_ANSWER, PortFault.UNKNOWN]),
        function=st.sampled_from(["", "authorize", "capture", "void", "lookup", "refund"]),
        times=st.integers(1, 3),
    )
    def trouble(self, name: str, fault: PortFault, function: str, times: int) -> None:
        """The next calls of a gateway go wrong."""
        gateway = self.bench.gateways.get(name)
        if gateway is not None:
            gateway.fail_next(fault, function, times)

    # --- What staff does -----------------------------------------------------------------------

    @rule(
        w=workers,
        i=places,
        what=st.sampled_from(["next", "next", "next", "ship"]),
        how=courses,
    )
    def serve(self, w: int, i: int, what: str, how: How) -> None:
        """The order is taken up, leaves, arrives, is kept."""
        found = self.order(i)
        order, key = found.id, self.key()
        if what == "next":
            what = NEXT.get(found.state, "")
        if not what:
            return
        flows: dict[str, Callable[[Shop], Flow[Any]]] = {
            "accept": lambda shop: advance(shop, order, Accept(), "", key, STAFF),
            "ship": lambda shop: ship_goods(shop, order, None, "", "", key, STAFF),
            "deliver": lambda shop: advance(shop, order, Deliver(), "", key, STAFF),
            "complete": lambda shop: advance(shop, order, Complete(), "", key, STAFF),
        }
        self.go(w, what, flows[what], how, key)

    @rule(w=workers, i=places, how=courses)
    def ship_part(self, w: int, i: int, how: How) -> None:
        """One unit leaves."""
        order, key = self.order(i), self.key()
        lines = [line for line, _ in order.shippable()]
        if lines and order.state == "awaiting_shipment":
            goods = Manifest.of({str(lines[i % len(lines)]): 1})
            self.go(
                w, "ship part",
                lambda shop: ship_goods(shop, order.id, goods, "", "", key, STAFF), how, key,
            )  # fmt: skip

    @rule(w=workers, i=places, part=st.integers(1, 4), how=courses)
    def capture(self, w: int, i: int, part: int, how: How) -> None:
        """Staff take held money, or a part of it."""
        order, key = self.fitting(i, to_capture), self.key()
        if order is None:
            return
        held = sum([attempt.to_capture for attempt in order.payments.attempts])
        if not held:
            return
        amount = from_minor(held * part // 4, order.currency) if part < 4 else None
        self.go(
            w, "capture", lambda shop: capture(shop, order.id, amount, "", key, STAFF), how, key
        )

    @rule(
        w=workers,
        i=places,
        goods=goods_drawn,
        split=st.none() | st.sampled_from(RefundSplit),
        consent=st.sampled_from(["", "by phone"]),
        how=courses,
    )
    def refund(
        self, w: int, i: int, goods: dict[int, int] | None, split: RefundSplit | None,
        consent: str, how: How,
    ) -> None:  # fmt: skip
        """Staff give back what some goods cost, or everything."""
        found, key = self.fitting(i, to_refund), self.key()
        if found is None:
            return
        order, lines = found.id, [line.id for line in found.lines]
        named = {str(lines[at % len(lines)]): n for at, n in (goods or {}).items()}
        wanted = None if goods is None else Manifest.of(named)
        self.go(
            w, "refund",
            lambda shop: refund(
                shop, order, wanted, "returned", None, key, STAFF, split, consent, ""
            ),
            how, key,
        )  # fmt: skip

    @rule(w=workers, i=places, to=st.sampled_from(["", "balance"]), how=courses)
    def reroute(self, w: int, i: int, to: str, how: How) -> None:
        """Staff send what failed by another way, or once more."""
        order, key = self.fitting(i, to_reroute), self.key()
        if order is None:
            return
        found = legs_with(order, RefundStatus.FAILED)
        if found:
            args = (order.id, *found[0], to, "", "by phone", "failed", key, STAFF)
            self.go(w, "reroute", lambda shop: reroute_refund(shop, *args), how, key)

    @rule(
        w=workers,
        i=places,
        what=st.sampled_from(["paid", "paid", "more", "less", "nothing"]),
        how=courses,
    )
    def confirm(self, w: int, i: int, what: str, how: How) -> None:
        """Staff say what came of a transfer, or what a courier collected."""
        order, key = self.fitting(i, to_confirm), self.key()
        if order is None:
            return
        gateways = self.bench.gateways
        told = [
            a for a in order.payments.attempts
            if gateways[a.gateway].capabilities.confirmed_by_staff
        ]  # fmt: skip
        if not told:
            return
        attempt = told[-1 - i % len(told)]
        asked = attempt.amount + attempt.rounding - attempt.released
        minor = {"more": asked + 500, "less": asked - 100}.get(what)
        amount = None if minor is None or minor <= 0 else from_minor(minor, order.currency)
        args = (order.id, attempt.id, amount, what != "nothing", "", None, key, STAFF)
        self.go(w, "confirm", lambda shop: confirm_payment(shop, *args), how, key)

    @rule(w=workers, i=places, how=courses)
    def confirm_back(self, w: int, i: int, how: How) -> None:
        """Staff say that money was sent back by hand."""
        order, key = self.fitting(i, refund_under_way), self.key()
        if order is None:
            return
        by_hand = [
            (refund_, place)
            for refund_, place in legs_with(order, RefundStatus.ACCEPTED)
            if self._told_by_staff(order, refund_, place)
        ]
        if by_hand:
            args = (order.id, *by_hand[0], "", key, STAFF)
            self.go(w, "confirm back", lambda shop: confirm_refund(shop, *args), how, key)

    def _told_by_staff(self, order: Order, refund_: str, place: int) -> bool:
        leg = order.payments.refund(refund_).legs[place]
        gateway = self.bench.gateways[order.payments.attempt(leg.attempt).gateway]
        return not leg.gateway and gateway.capabilities.confirmed_by_staff

    @precondition(lambda self: self.keys % 5 == 0)
    @rule(w=workers, i=places, minor=parts, how=courses)
    def compensate(self, w: int, i: int, minor: int, how: How) -> None:
        """The shop gives something that is no refund."""
        order, key = self.order(i), self.key()
        amount = from_minor(minor, order.currency)
        self.go(
            w, "compensate",
            lambda shop: compensate(
                shop, order.id, amount, "balance", "", "goodwill", key, STAFF
            ),
            how, key,
        )  # fmt: skip

    @rule(w=workers, name=st.sampled_from(["wallet", "acquirer", "third"]), how=courses)
    def reconcile(self, w: int, name: str, how: How) -> None:
        """A statement is compared, and what it proves is booked."""
        if name in self.bench.gateways:
            self.go(w, "patch", lambda shop: _patched(shop, self.bench, name), how)

    # --- What machines do ----------------------------------------------------------------------

    @rule(w=workers, how=courses)
    def sweep(self, w: int, how: How) -> None:
        """A worker sweeps."""
        self.go(w, "sweep", lambda shop: sweep(shop, 500), how)

    @rule(w=workers, i=places, how=courses)
    def pull(self, w: int, i: int, how: How) -> None:
        """A worker asks the channels about an order."""
        order = self.order(i).id
        self.go(w, "pull", lambda shop: pull_order(shop, order), how)

    @rule(
        span=st.sampled_from(
            [timedelta(seconds=20), MINUTE, 5 * MINUTE, 31 * MINUTE, 3 * HOUR, DAY, 4 * DAY]
        )
    )
    def wait(self, span: timedelta) -> None:
        """Time passes."""
        self.bench.clock.advance(span)

    @rule(w=workers, minutes=st.sampled_from([-60, -3, 0, 3, 60]))
    def drift(self, w: int, minutes: int) -> None:
        """A worker is started anew, and its machine's clock is wrong."""
        self.ahead[w] = timedelta(minutes=minutes)
        self.workers[w] = self.bench.worker(self.ahead[w])

    @precondition(lambda self: bool(getattr(self, "walks", ())))
    @rule(i=places, steps=st.sampled_from([1, 2, 5, STEPS_MAX, STEPS_MAX]))
    def go_on(self, i: int, steps: int) -> None:
        """A flow that was stopped goes on."""
        walk = self.walks[i % len(self.walks)].go(steps)
        if walk.ended:
            self.walks.remove(walk)
        self._ended(walk)

    @precondition(lambda self: bool(getattr(self, "walks", ())))
    @rule(i=places)
    def crash(self, i: int) -> None:
        """The process of a flow that was stopped dies."""
        self.walks.pop(i % len(self.walks)).crash()

    @precondition(lambda self: bool(getattr(self, "said", ())))
    @rule(w=workers, i=places)
    def repeat(self, w: int, i: int) -> None:
        """A client that heard nothing says the same again under the same key: it has one effect (law L13), and
        for something else the key is refused."""
        name, flow, key = self.said[-1 - i % len(self.said)]
        store: Any = self.bench.store
        known = store.open("", "", key).receipt is not None
        before = self.orders()
        walk = self.go(w, f"{name} again", flow, WHOLE)
        if known:
            sure(walk.error is None, f"L13: {name} was done, and is refused: {walk.error!r}")
            other = [ChangeQuantity("1", 39)]
            again = self.go(
                w, "reuse", lambda shop: amend(shop, before[0].id, other, key, SHOPPER), WHOLE
            )
            sure(again.error is not None, f"L13: the key of {name} stands for two things")
            sure(self.orders() == before, f"L13: {name} under one key has two effects")

    # --- What holds ----------------------------------------------------------------------------

    @invariant()
    def the_laws_hold(self) -> None:
        """In the middle of everything: books balance, orders replay, no intent moves money twice."""
        engine = self.workers[0]
        laws.trial_balance_is_zero(engine.trial_balance())
        orders = self.orders()
        for order in orders:
            if self.seen.get(order.id) != order.version:
                self.seen[order.id] = order.version
                order_holds(engine, order)
        moved_once(self.bench, orders)

    # --- The end -------------------------------------------------------------------------------

    def teardown(self) -> None:
        """However a run ends, all comes to rest, and nothing is stranded."""
        if hasattr(self, "graveyard"):
            self.quiet()

    def quiet(self) -> None:
        """Faults stop, processes die where they stand, the post is delivered, the clock runs on, sweeps serve
        what is due; then the laws of the end hold."""
        bench = self.bench
        for walk in self.walks:
            walk.crash()
        self.walks = []
        bench.mend()
        bench.clock.advance(HOUR)  # what a worker that was ahead has written down
        self.workers = [bench.worker(timedelta(0))] * 2
        simulation = Simulation(self.workers[0])
        for pauses in (None, (DAY,) * 7):
            self._post()
            for key in bench.under_way():
                bench.land(key, arrives=True)
            self._post()
            failed = (
                simulation.recover(bench.clock)
                if pauses is None
                else simulation.recover(bench.clock, pauses)
            )
            sure(failed == (), f"L24: timers fail without a fault: {failed}")
            self._by_hand()
        self.the_laws_hold()
        store: Any = bench.store
        sure(not store.parked(10), f"L24: a timer is set aside: {store.parked(10)}")
        orders = self.orders()
        for order in orders:
            count(f"ends {order.state}")
        all_at_rest(bench, self.workers[0], orders, self.setting.overpaid)

    def _post(self) -> None:
        """Every letter arrives, in its order, until all were heard."""
        engine = self.workers[0]
        for _ in range(3):
            unheard = 0
            for letter in tuple(self.bench.letters()):
                anew = self.bench.sign_anew(letter)
                try:
                    engine.notify(anew.gateway, anew.headers, anew.body)
                except OrdercoreError as error:
                    unheard += 1
                    sure(isinstance(error, _REFUSALS), f"L24: a letter ends with {error!r}")
            if not unheard:
                break

    def _by_hand(self) -> None:
        """Payers who were asked for more give up; staff say that nothing came, or that it was sent back."""
        engine = self.workers[0]
        for key in self.bench.payers():
            self.bench.turn_down(key)
        for order in self.orders():
            for attempt in order.payments.attempts:
                can = self.bench.gateways[attempt.gateway].capabilities
                if attempt.state in {_S.RETURNING, _S.WAITING} and can.confirmed_by_staff:
                    engine.confirm_payment(
                        order.id, attempt.id, paid=False, key=self.key(), by=STAFF
                    )
