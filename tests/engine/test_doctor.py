from __future__ import annotations

import asyncio
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from tests.engine.world import NOON, SHOPPER, World, after, order_a

from ordercore import CountedIds, OrderEngine, Percent, Policies, SettableClock, TaxRate
from ordercore.adapters.memory import MemoryStock, MemoryStore
from ordercore.engine import Shop
from ordercore.engine.doctor import (
    OVERDUE_MAX,
    SKEW_MAX,
    Finding,
    FindingKind,
    Severity,
    diagnose,
)
from ordercore.engine.flow import arun, run
from ordercore.errors import CorruptDocument
from ordercore.lifecycle import TimerAction, TimerRule, load_lifecycle
from ordercore.order import FACTS
from ordercore.party import Destination
from ordercore.policy import Preset
from ordercore.ports import Backlog, ParkedTimer
from ordercore.pricing import (
    BorderPolicy,
    CouponTerms,
    ExchangePolicy,
    Layer,
    OrderPercent,
    PricingPolicy,
    Promotion,
    Tariff,
    TaxPolicy,
)
from ordercore.pricing.duty import ConsumptionTax, DutyRate
from ordercore.tender import PaymentPolicy, StrandedRefund, TenderPolicy, TenderRule
from ordercore.timeout import KindTimer, TimeoutPolicy

if TYPE_CHECKING:
    from ordercore import Order, OrderQuery


class TimedStore(MemoryStore):
    """A store whose clock a test sets."""

    def __init__(self, clock: SettableClock, ahead: timedelta = timedelta(0)) -> None:
        super().__init__()
        self._clock = clock
        self._ahead = ahead

    def now(self) -> datetime:
        """The test's clock, as far ahead as the test wants."""
        return self._clock.now() + self._ahead


class Doctored(World):
    """A world whose store goes by the world's clock."""

    def __init__(self, ahead: timedelta = timedelta(0), **options: Any) -> None:
        self.clock = SettableClock(NOON)
        super().__init__(store=TimedStore(self.clock, ahead), **options)
        self.store._clock = self.clock  # the world has made its own

    def findings(
        self, policies: Policies | None = None, **ports: Any
    ) -> dict[FindingKind, Finding]:
        """What the doctor finds, by kind, as an engine with other policies or ports would be told."""
        engine = self.another(policies, **ports)
        return {finding.kind: finding for finding in run(diagnose(engine.shop), "doctor")}


def kinds(world: Doctored, policies: Policies | None = None, **ports: Any) -> set[FindingKind]:
    """The kinds of what the doctor finds."""
    return set(world.findings(policies, **ports))


# Policies and ports ---------------------------------------------------------------------------


def test_a_shop_in_order_has_no_findings() -> None:
    """A shop with a gateway for each rule, stock, a clock that agrees and no backlog is told nothing."""
    world = Doctored()
    world.placed()
    assert world.findings() == {}


def test_a_doctor_changes_nothing() -> None:
    """The order, its timers and the books are the same after the doctor as before."""
    world = Doctored()
    world.placed()
    before = world.snapshot()
    world.findings()
    assert world.snapshot() == before


def test_a_channel_without_gateway_is_an_error() -> None:
    """A rule for a channel that the engine was not given is named with its place."""
    world = Doctored()
    rules = (TenderRule("points"), TenderRule("alipay"))
    found = world.findings(Policies(tenders=TenderPolicy(rules)))
    finding = found[FindingKind.CHANNEL_WITHOUT_GATEWAY]
    assert finding.severity is Severity.ERROR
    assert finding.path == "tenders.rules[1].gateway"
    assert "'alipay'" in finding.reason
    assert set(found) == {FindingKind.CHANNEL_WITHOUT_GATEWAY}


def test_refunds_to_a_balance_that_nobody_credits_are_an_error() -> None:
    """A policy that sends stranded refunds to balances wants a gateway that puts money on accounts."""
    world = Doctored()
    policies = Policies(payments=PaymentPolicy(stranded=StrandedRefund.TO_BALANCE))
    assert FindingKind.NO_CREDIT_GATEWAY not in kinds(world, policies)
    plain = {**world.gateways, "balance": world.channel}
    finding = world.findings(policies, gateways=plain)[FindingKind.NO_CREDIT_GATEWAY]
    assert (finding.severity, finding.path) == (Severity.ERROR, "payments.balance")
    assert FindingKind.NO_CREDIT_GATEWAY not in kinds(world, gateways=plain)
    stranded = PaymentPolicy(stranded=StrandedRefund.TO_BALANCE, balance="points")
    assert FindingKind.NO_CREDIT_GATEWAY in kinds(world, Policies(payments=stranded))


def test_a_tender_without_keeper_is_an_error() -> None:
    """Points that no gateway keeps are named; the rules that a shop never chose inform only."""
    world = Doctored()
    gateways = {"wechat": world.channel}
    own = Policies(tenders=TenderPolicy((TenderRule("points"),)))
    finding = world.findings(own, gateways=gateways)[FindingKind.TENDER_WITHOUT_KEEPER]
    assert (finding.severity, finding.path) == (Severity.ERROR, "tenders.rules[0].gateway")
    usual = world.findings(Policies(), gateways=gateways)[FindingKind.TENDER_WITHOUT_KEEPER]
    assert usual.severity is Severity.INFORMATION


def test_a_shop_without_gateways_is_warned() -> None:
    """Without any gateway nothing can be paid."""
    found = Doctored().findings(Policies(), gateways={})
    assert found[FindingKind.NO_GATEWAY].severity is Severity.WARNING


def test_coupons_without_a_book_are_an_error() -> None:
    """A promotion that waits for a code is named when no book keeps codes."""
    promotions = (
        Promotion("open", OrderPercent(Percent.of("1"))),
        Promotion("gold", OrderPercent(Percent.of("5")), coupon=CouponTerms()),
    )
    pricing = PricingPolicy(layers=(Layer("all", promotions),))
    world = Doctored()
    rules = world.policies.tenders
    found = world.findings(Policies(pricing=pricing, tenders=rules))
    assert set(found) == {FindingKind.COUPONS_WITHOUT_BOOK}
    finding = found[FindingKind.COUPONS_WITHOUT_BOOK]
    assert finding.path == "pricing.layers[0].promotions[1].coupon"
    assert "'gold'" in finding.reason


def test_no_stock_keeper_is_information() -> None:
    """A shop may sell without a stock keeper, and is told so."""
    found = Doctored(stocked=False).findings()
    assert found[FindingKind.NO_STOCK_KEEPER].severity is Severity.INFORMATION
    assert set(found) == {FindingKind.NO_STOCK_KEEPER}


def test_currencies_without_rates_are_told() -> None:
    """Books in another currency need rates; a border may need them."""
    world = Doctored()
    books = PricingPolicy(exchange=ExchangePolicy(ledger="EUR"))
    found = world.findings(Policies(pricing=books, tenders=world.policies.tenders))
    assert found[FindingKind.NO_RATE_SOURCE].severity is Severity.ERROR
    border = PricingPolicy(border=BorderPolicy("CN"))
    found = world.findings(Policies(pricing=border, tenders=world.policies.tenders))
    assert found[FindingKind.NO_RATE_SOURCE].severity is Severity.WARNING


def test_a_union_without_checks_of_ids_is_information() -> None:
    """Nobody is spared the tax as long as nobody checks VAT ids."""
    tax = TaxPolicy((TaxRate(Percent.of("19")),), home=Destination("DE"), union=("FR",))
    world = Doctored()
    found = world.findings(Policies(pricing=PricingPolicy(tax), tenders=world.policies.tenders))
    assert found[FindingKind.NO_VAT_ID_CHECK].severity is Severity.INFORMATION


# Rates that end -------------------------------------------------------------------------------

TODAY = NOON.date()


def rated(*rates: TaxRate, border: BorderPolicy | None = None) -> Policies:
    """Policies with these tax rates."""
    pricing = PricingPolicy(TaxPolicy(rates), border=border)
    return Policies(pricing=pricing, tenders=TenderPolicy((TenderRule("wechat"),)))


@pytest.mark.parametrize(
    ("last_day", "kind"),
    [
        (TODAY - timedelta(days=1), FindingKind.RATE_ENDED),
        (TODAY, FindingKind.RATE_ENDS_SOON),
        (TODAY + timedelta(days=30), FindingKind.RATE_ENDS_SOON),
        (TODAY + timedelta(days=31), None),
        (None, None),
    ],
)
def test_a_rate_that_ends_is_told(last_day: date | None, kind: FindingKind | None) -> None:
    """A rate without successor is told from thirty days before its last day on."""
    rate = TaxRate(Percent.of("19"), country="DE", last_day=last_day)
    found = Doctored().findings(rated(TaxRate(Percent.of("20"), country="FR"), rate))
    assert set(found) == ({kind} if kind else set())
    if kind:
        assert found[kind].path == "pricing.tax.rates[1].last_day"


def test_a_rate_with_a_successor_is_not_told() -> None:
    """The former rate of a place has ended, as it should, when another follows."""
    first = TaxRate(Percent.of("19"), country="DE", last_day=TODAY)
    then = TaxRate(Percent.of("20"), country="DE", first_day=TODAY + timedelta(days=1))
    assert kinds(Doctored(), rated(then, first)) == set()


def test_rates_at_the_border_are_looked_at_too() -> None:
    """Duty, consumption tax and import tax that have ended are named by their own keys."""
    day, ended = date(2020, 1, 1), date(2020, 12, 31)
    border = BorderPolicy(
        "CN",
        tariff=Tariff((DutyRate("61", Percent.of("12"), "EU", day, "x", last_day=ended),)),
        consumption=(ConsumptionTax("33", Percent.of("15"), "CN", day, "x", last_day=ended),),
        import_rates=(TaxRate(Percent.of("10"), country="JP", last_day=ended),),
    )
    engine = Doctored().another(rated(TaxRate(Percent.of("1")), border=border))
    told = [f for f in run(diagnose(engine.shop), "doctor") if f.kind is FindingKind.RATE_ENDED]
    assert [finding.path for finding in told] == [
        "pricing.border.import_rates[0].last_day",
        "pricing.border.tariff.rates[0].last_day",
        "pricing.border.consumption[0].last_day",
    ]


def test_the_day_of_a_rate_is_the_shops_own() -> None:
    """At noon in London it is tomorrow in Kiritimati: a rate that ends today has ended there."""
    rate = TaxRate(Percent.of("19"), last_day=TODAY)
    pricing = PricingPolicy(TaxPolicy((rate,), zone="Pacific/Kiritimati"))
    policies = Policies(pricing=pricing, tenders=TenderPolicy((TenderRule("wechat"),)))
    assert kinds(Doctored(), policies) == {FindingKind.RATE_ENDED}


# Timers and clocks ----------------------------------------------------------------------------


def test_timers_that_nobody_sweeps_are_an_error() -> None:
    """A timer that is overdue for more than a quarter of an hour tells that no sweeper is alive."""
    world = Doctored()
    world.placed()
    due = min(timer.due for timer in world.store.claim_timers(after(10_000), 10, timedelta(0)))
    world.clock.set(due + OVERDUE_MAX)
    assert kinds(world) == set()
    world.clock.set(due + OVERDUE_MAX + timedelta(seconds=1))
    finding = world.findings()[FindingKind.TIMERS_NOT_SWEPT]
    assert finding.severity is Severity.ERROR
    assert due.isoformat() in finding.reason


def test_parked_timers_are_an_error() -> None:
    """Timers that were set aside wait for somebody to look at them."""
    world = Doctored()
    order = world.placed()
    (timer, *_) = world.store.claim_timers(after(10_000), 10, timedelta(minutes=1))
    parked = ParkedTimer(
        order.id, timer.key.kind.value, timer.key.subject, timer.due, timer.visit, 9, "boom", NOON
    )
    world.store.park_timers((parked,))
    finding = world.findings()[FindingKind.TIMERS_PARKED]
    assert finding.severity is Severity.ERROR
    assert finding.reason.startswith("timers were set aside (1)")


@pytest.mark.parametrize(
    ("ahead", "severity"),
    [
        (timedelta(0), None),
        (SKEW_MAX, None),
        (-SKEW_MAX, None),
        (timedelta(seconds=6), Severity.WARNING),
        (-timedelta(seconds=6), Severity.WARNING),
        (timedelta(seconds=60), Severity.WARNING),
        (timedelta(seconds=61), Severity.ERROR),
        (-timedelta(hours=1), Severity.ERROR),
    ],
)
def test_clocks_that_disagree_are_told(ahead: timedelta, severity: Severity | None) -> None:
    """Up to five seconds are let pass, up to a minute is a warning, more is an error."""
    finding = Doctored(ahead).findings().get(FindingKind.CLOCK_SKEW)
    assert (finding.severity if finding else None) is severity
    if finding:
        side = "ahead of" if ahead > timedelta(0) else "behind"
        assert f"{abs(ahead) // timedelta(seconds=1)} s {side} ours" in finding.reason


class SlowStore(TimedStore):
    """A store whose answer takes ten seconds each way."""

    def now(self) -> datetime:
        """Time passes on the way there and on the way back."""
        self._clock.set(self._clock.now() + timedelta(seconds=10))
        told = self._clock.now()
        self._clock.set(told + timedelta(seconds=10))
        return told


def test_a_slow_store_is_not_taken_for_a_wrong_clock() -> None:
    """The way to the store and back is no skew."""
    world = Doctored()
    assert kinds(world, store=SlowStore(world.clock)) == set()


# Lifecycles -----------------------------------------------------------------------------------


def test_orders_of_an_unknown_lifecycle_are_an_error() -> None:
    """Orders whose lifecycle, version or state the engine does not have are counted and named."""
    world = Doctored()
    placed = [world.placed() for _ in range(2)]

    class Lost(TimedStore):
        def find(self, query: OrderQuery) -> tuple[Order, ...]:
            """The same orders, as a newer program would have written them."""
            found = world.store.find(query)
            for order in found:
                object.__setattr__(order, "state", "teleported")
            return found

    finding = world.findings(store=Lost(world.clock))[FindingKind.UNKNOWN_LIFECYCLE]
    assert finding.severity is Severity.ERROR
    assert finding.reason.startswith("orders (2, such as ORD-")
    assert "in the state 'teleported' of 'standard'" in finding.reason
    for order in placed:
        object.__setattr__(order, "state", "pending_payment")
        object.__setattr__(order.content, "lifecycle_version", 99)
    finding = world.findings()[FindingKind.UNKNOWN_LIFECYCLE]
    assert "'standard', version 99, which the engine does not have" in finding.reason


class BrokenStore(TimedStore):
    """A store with a record that cannot be read."""

    def find(self, query: OrderQuery) -> tuple[Order, ...]:
        """Fails."""
        raise CorruptDocument("the order is broken", path="o1")

    def backlog(self, now: datetime) -> Backlog:
        """Fails in a way that no store should."""
        raise ZeroDivisionError


def test_a_store_that_fails_is_a_finding() -> None:
    """A store's error is told with its code and hides nothing else, neither ours nor a foreign one."""
    world = Doctored()
    engine = world.another(store=BrokenStore(world.clock, timedelta(hours=1)))
    found = run(diagnose(engine.shop), "doctor")
    assert [finding.kind for finding in found] == [
        FindingKind.CLOCK_SKEW,
        FindingKind.STORE_FAILED,
        FindingKind.STORE_FAILED,
    ]
    assert "port_failed" in found[1].reason
    assert "corrupt_document" in found[2].reason


GIFT = {
    "lifecycle": "gift",
    "version": 1,
    "states": {
        "open": {
            "initial": True,
            "transitions": [
                {"event": "pay", "target": "given", "cond": "paid_in_full"},
                {"event": "close", "target": "gone", "unless": "money_in_flight"},
            ],
        },
        "given": {"final": True},
        "gone": {"final": True, "releases": True},
    },
}


def test_a_sale_that_is_never_booked_is_warned() -> None:
    """Orders of a lifecycle without any state that books a sale are told, and no lifecycle that is not used."""
    world = Doctored()
    gifts = load_lifecycle(GIFT, FACTS)
    engine = OrderEngine(
        world.store, world.gateways, world.stock, world.policies,
        clock=world.clock, ids=world.ids, lifecycles=[gifts],
    )  # fmt: skip
    assert run(diagnose(engine.shop), "doctor") == ()
    engine.place(engine.quote(order_a()), key="gift", by=SHOPPER, lifecycle="gift")
    (finding,) = run(diagnose(engine.shop), "doctor")
    assert (finding.kind, finding.severity) == (FindingKind.SALE_NEVER_BOOKED, Severity.WARNING)
    assert "'gift', version 1" in finding.reason


def timed(**rule: Any) -> Policies:
    """Policies with a timer of the shop's own, and one rule for a tender."""
    lifecycle = rule.pop("lifecycle", "")
    own = KindTimer(TimerRule(**{"does": TimerAction.ALERT, **rule}), lifecycle=lifecycle)
    rules = TenderPolicy((TenderRule("wechat"),))
    return Policies(timeouts=TimeoutPolicy(timers=(own,)), tenders=rules)


@pytest.mark.parametrize(
    ("rule", "path"),
    [
        ({"name": "slow", "states": ("paid",), "after": timedelta(1)}, None),
        (
            {"name": "slow", "states": ("paid", "pade"), "after": timedelta(1)},
            "timeouts.timers[0].rule.states[1]",
        ),
        (
            {"name": "slow", "states": (), "after": timedelta(1)},
            "timeouts.timers[0].rule.states",
        ),
        (
            {"name": "slow", "states": ("paid",), "after": timedelta(1), "lifecycle": "stendard"},
            "timeouts.timers[0].lifecycle",
        ),
    ],
)
def test_timers_for_states_that_nobody_has_are_told(rule: dict[str, Any], path: str | None) -> None:
    """A timer of the policies names a state, a rule or a lifecycle that there is none of: it never runs."""
    world = Doctored()
    shop = world.engine.shop
    found = run(
        diagnose(
            Shop(
                world.store, {"wechat": world.channel}, world.stock, timed(**rule),
                world.clock, world.ids, shop.lifecycles,
            )
        ),
        "doctor",
    )  # fmt: skip
    assert [finding.path for finding in found] == ([path] if path else [])
    assert {finding.kind for finding in found} <= {FindingKind.TIMER_WITHOUT_STATE}


def test_errors_stand_first() -> None:
    """What fails is told before what may fail, and that before what is meant to be so."""
    world = Doctored(timedelta(seconds=30), stocked=False)
    rules = TenderPolicy((TenderRule("alipay"),))
    engine = world.another(Policies(tenders=rules))
    found = run(diagnose(engine.shop), "doctor")
    assert [finding.severity for finding in found] == [
        Severity.ERROR,
        Severity.WARNING,
        Severity.INFORMATION,
    ]


@pytest.mark.parametrize("preset", Preset, ids=lambda preset: preset.value)
def test_a_preset_with_its_gateways_has_no_errors(preset: Preset) -> None:
    """A shop that takes a preset and gives it the gateways it names is told of no error."""
    world = Doctored()
    policies = Policies.preset(preset)
    gateways = {rule.gateway: world.channel for rule in policies.tenders.rules}
    engine = OrderEngine(
        world.store, gateways, MemoryStock(world.clock, {}), policies,
        clock=world.clock, ids=CountedIds(),
    )  # fmt: skip
    found = run(diagnose(engine.shop), "doctor")
    assert [finding for finding in found if finding.severity is Severity.ERROR] == []


class AsyncStore(TimedStore):
    """A store whose clock answers later."""

    async def now(self) -> datetime:  # type: ignore[override]
        """The clock, after a turn of the loop."""
        await asyncio.sleep(0)
        return super().now()


def test_the_doctor_sees_asynchronous_stores() -> None:
    """The same flow looks at a store that answers later."""
    world = Doctored()
    engine = world.another(store=AsyncStore(world.clock, timedelta(hours=1)))
    found = asyncio.run(arun(diagnose(engine.shop), "doctor"))
    assert [finding.kind for finding in found] == [FindingKind.CLOCK_SKEW]


def test_a_doctor_looks_at_live_orders() -> None:
    """Paid, shipped and completed orders of a shop in order are no findings."""
    world = Doctored()
    world.placed()
    world.completed()
    assert kinds(world) == set()
