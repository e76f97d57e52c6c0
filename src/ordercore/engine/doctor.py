"""What is wrong with a shop as it is put together: policies, ports, clocks, what waits in the store.

Everything is asked and nothing is changed, so a doctor may be called on a live shop at any time.
"""

from __future__ import annotations

import enum
from datetime import date, timedelta
from typing import TYPE_CHECKING, Final

from ordercore.engine.compensating import POINTS
from ordercore.engine.flow import call
from ordercore.errors import OrdercoreError, UnknownLifecycle
from ordercore.ports import OrderQuery
from ordercore.tender import RefundSplit, StrandedRefund, TenderPolicy
from ordercore.value import value

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Iterator
    from datetime import datetime

    from ordercore.engine.flow import Flow
    from ordercore.engine.shop import Shop
    from ordercore.pricing import TaxRate
    from ordercore.pricing.duty import ConsumptionTax, DutyRate

    Dated = TaxRate | DutyRate | ConsumptionTax

__all__ = ["Finding", "FindingKind", "Severity", "diagnose"]

OVERDUE_MAX: Final = timedelta(minutes=15)
"""A timer that is overdue for longer was not swept."""
SKEW_MAX: Final = timedelta(seconds=5)
SKEW_ERROR: Final = timedelta(minutes=1)
ENDS_SOON: Final = timedelta(days=30)
"""So long before its last day a rate without a successor is told."""
ORDERS_MAX: Final = 500
"""So many orders are looked at for lifecycles that nobody knows."""
_OWN_TENDERS: Final = frozenset({"points", "balance", "stored_value"})


class Severity(enum.Enum):
    """How much a finding matters."""

    # a member is a singleton, so its identity may be its hash: at the speed of C
    __hash__ = object.__hash__

    ERROR = "error"
    """Something fails, now or when it is first used."""
    WARNING = "warning"
    """It works, and will not for long or not for everybody."""
    INFORMATION = "information"
    """As it may well be meant."""


class FindingKind(enum.Enum):
    """What was found."""

    # a member is a singleton, so its identity may be its hash: at the speed of C
    __hash__ = object.__hash__

    NO_GATEWAY = "no_gateway"
    CHANNEL_WITHOUT_GATEWAY = "channel_without_gateway"
    NO_CREDIT_GATEWAY = "no_credit_gateway"
    """Money is to go to balances, and no gateway puts it there."""
    TENDER_WITHOUT_KEEPER = "tender_without_keeper"
    """Points, balances or gift cards that no gateway keeps."""
    COUPONS_WITHOUT_BOOK = "coupons_without_book"
    NO_STOCK_KEEPER = "no_stock_keeper"
    NO_RATE_SOURCE = "no_rate_source"
    NO_VAT_ID_CHECK = "no_vat_id_check"
    RATE_ENDED = "rate_ended"
    """A rate of tax or duty whose last day has passed, with none after it."""
    RATE_ENDS_SOON = "rate_ends_soon"
    TIMER_WITHOUT_STATE = "timer_without_state"
    SALE_NEVER_BOOKED = "sale_never_booked"
    """A lifecycle whose orders never come to a state in which revenue is recognized."""
    CLOCK_SKEW = "clock_skew"
    TIMERS_NOT_SWEPT = "timers_not_swept"
    TIMERS_PARKED = "timers_parked"
    UNKNOWN_LIFECYCLE = "unknown_lifecycle"
    """Orders of a lifecycle, of a version or in a state that the engine does not have."""
    STORE_FAILED = "store_failed"


@value
class Finding:
    """One thing that is not as it should be. ``path`` is a key of the policies, or the port that it is about."""

    severity: Severity
    kind: FindingKind
    path: str
    reason: str
    advice: str


def diagnose(shop: Shop) -> Flow[tuple[Finding, ...]]:
    """All findings about ``shop``, errors first.

    Timers count as not swept when the oldest is overdue by `OVERDUE_MAX`. The store's clock may differ from
    ours by `SKEW_MAX`. Of the store's orders, the `ORDERS_MAX` that ``find`` gives first are looked at.
    A store that fails is a finding too.
    """
    now = shop.clock.now()
    found = [
        *_tenders(shop),
        *_channels(shop),
        *_credits(shop),
        *_sources(shop),
        *_rates(shop, now),
        *_timer_rules(shop),
    ]
    for look in (_clock, _timers, _orders):
        try:
            found += yield from look(shop)
        except OrdercoreError as error:
            found.append(_failed(error))
    ranks = list(Severity)
    return tuple(sorted(found, key=lambda finding: ranks.index(finding.severity)))


# Policies and ports ---------------------------------------------------------------------------


def _tenders(shop: Shop) -> Iterator[Finding]:
    """Rules for gateways that are not there. The default rules were chosen by nobody, so they only inform."""
    if not shop.gateways:
        yield Finding(
            Severity.WARNING,
            FindingKind.NO_GATEWAY,
            "gateways",
            "there is no gateway, so nothing can be paid",
            "give the engine a gateway for each channel",
        )
    rules = shop.policies.tenders.rules
    chosen = Severity.INFORMATION if rules == TenderPolicy().rules else Severity.ERROR
    channels = shop.policies.channels
    methods = {rule.method or rule.gateway for rule in channels.rules}
    for i, rule in enumerate(rules):
        name = rule.gateway
        if name in shop.gateways or name in methods:
            continue
        own = name in _OWN_TENDERS
        kind = FindingKind.TENDER_WITHOUT_KEEPER if own else FindingKind.CHANNEL_WITHOUT_GATEWAY
        yield Finding(
            chosen,
            kind,
            f"tenders.rules[{i}].gateway",
            f"no gateway is named {name!r}",
            f"give the engine a gateway {name!r}, or take the rule out",
        )


def _channels(shop: Shop) -> Iterator[Finding]:
    """Rules of channels whose gateway is not there: they are passed over, which leaves a method with fewer or none."""
    channels = shop.policies.channels
    for i, rule in enumerate(channels.rules):
        name, method = rule.gateway, rule.method or rule.gateway
        if name in shop.gateways:
            continue
        served = any(
            [r.enabled and r.gateway in shop.gateways for r in channels.candidates(method)]
        )
        severity = Severity.WARNING if served else Severity.ERROR
        left = "so it is passed over" if served else f"so nothing is paid by {method!r}"
        yield Finding(
            severity if rule.enabled else Severity.INFORMATION,
            FindingKind.CHANNEL_WITHOUT_GATEWAY,
            f"channels.rules[{i}].gateway",
            f"no gateway is named {name!r}, {left}",
            f"give the engine a gateway {name!r}, or take the rule out",
        )


def _credits(shop: Shop) -> Iterator[Finding]:
    """The balance to which the policy sends money by itself."""
    payments = shop.policies.payments
    name = payments.balance
    if (
        payments.stranded is not StrandedRefund.TO_BALANCE
        and payments.refund_split is not RefundSplit.TO_BALANCE
    ):
        return
    keeper = shop.gateways.get(name)
    rates = [rule.rate for rule in shop.policies.tenders.rules if rule.gateway == name]
    points = name == POINTS or any([rate is not None for rate in rates])
    if keeper is None or points or not keeper.capabilities.credits:
        what = "is there" if keeper is None else "puts money on accounts"
        yield Finding(
            Severity.ERROR,
            FindingKind.NO_CREDIT_GATEWAY,
            "payments.balance",
            f"no gateway {name!r} {what}, and refunds are to go there",
            f"give the engine a gateway {name!r} that credits, or name another one",
        )


def _sources(shop: Shop) -> Iterator[Finding]:
    """Policies that need a port which is not there."""
    pricing = shop.policies.pricing
    if shop.coupons is None:
        for i, layer in enumerate(pricing.layers):
            for j, promotion in enumerate(layer.promotions):
                if promotion.coupon is not None:
                    yield Finding(
                        Severity.ERROR,
                        FindingKind.COUPONS_WITHOUT_BOOK,
                        f"pricing.layers[{i}].promotions[{j}].coupon",
                        f"the promotion {promotion.id!r} asks for a code, and no book keeps codes",
                        "give the engine a coupon book",
                    )
    if shop.stock is None:
        yield Finding(
            Severity.INFORMATION,
            FindingKind.NO_STOCK_KEEPER,
            "stock",
            "nobody keeps stock, so more may be sold than there is",
            "give the engine a stock keeper, unless something else promises the goods",
        )
    exchange, border = pricing.exchange, pricing.border
    if shop.rates is None and (exchange.settlement or exchange.ledger):
        yield Finding(
            Severity.ERROR,
            FindingKind.NO_RATE_SOURCE,
            "pricing.exchange",
            "amounts are kept in another currency, and nobody knows exchange rates",
            "give the engine a source of rates",
        )
    elif shop.rates is None and border is not None:
        yield Finding(
            Severity.WARNING,
            FindingKind.NO_RATE_SOURCE,
            "pricing.border",
            "limits at borders are in currencies of their own, and nobody knows exchange rates",
            "give the engine a source of rates, unless carts are in the destination's currency",
        )
    if shop.vat_ids is None and pricing.tax.union:
        yield Finding(
            Severity.INFORMATION,
            FindingKind.NO_VAT_ID_CHECK,
            "pricing.tax.union",
            "nobody checks VAT ids, so every business pays the tax",
            "give the engine a check of VAT ids if businesses buy from you",
        )


def _rates(shop: Shop, now: datetime) -> Iterator[Finding]:
    """Rates of tax and duty that have ended, or soon will, with none after them."""
    pricing = shop.policies.pricing
    today = pricing.tax.day(now)
    tax = [
        ((rate.country, rate.region, rate.category, rate.postcode, rate.component), rate)
        for rate in pricing.tax.rates
    ]
    yield from _ending("pricing.tax.rates", tax, today)
    if pricing.border is None:
        return
    imports = [
        ((rate.country, rate.region, rate.category, rate.postcode, rate.component), rate)
        for rate in pricing.border.import_rates
    ]
    yield from _ending("pricing.border.import_rates", imports, today)
    duty = [
        ((rate.hs, rate.destination, rate.origin, rate.additional and rate.name), rate)
        for rate in pricing.border.tariff.rates
    ]
    yield from _ending("pricing.border.tariff.rates", duty, today)
    consumption = [((rate.hs, rate.destination), rate) for rate in pricing.border.consumption]
    yield from _ending("pricing.border.consumption", consumption, today)


def _ending(path: str, rates: Iterable[tuple[Hashable, Dated]], today: date) -> Iterator[Finding]:
    """Of each kind the rate that ends last, if it ends before long."""
    last: dict[Hashable, tuple[date, int]] = {}
    for i, (key, rate) in enumerate(rates):
        end = (rate.last_day or date.max, i)
        last[key] = max(last.get(key, end), end)
    for end_day, i in sorted(last.values(), key=lambda end: end[1]):
        if end_day < today:
            kind, words = FindingKind.RATE_ENDED, "ended"
        elif end_day - today <= ENDS_SOON:
            kind, words = FindingKind.RATE_ENDS_SOON, "ends"
        else:
            continue
        yield Finding(
            Severity.WARNING,
            kind,
            f"{path}[{i}].last_day",
            f"the rate {words} on {end_day}, and none follows it",
            "add the rate that holds from then on",
        )


def _timer_rules(shop: Shop) -> Iterator[Finding]:
    """Clocks of the policies for states, rules or lifecycles that nobody has."""
    for i, timer in enumerate(shop.policies.timeouts.timers):
        where = f"timeouts.timers[{i}]"
        charts = [chart for chart in shop.lifecycles if timer.lifecycle in {"", chart.name}]
        states = {state.id for chart in charts for state in chart.states}
        rules = {rule.name for chart in charts for rule in chart.timers}
        if not charts:
            reason = f"no lifecycle is named {timer.lifecycle!r}"
            yield _idle(f"{where}.lifecycle", reason, shop.lifecycles.names)
        elif not timer.rule.states and timer.rule.name not in rules:
            reason = f"it names no states, and no lifecycle has a timer {timer.rule.name!r}"
            yield _idle(f"{where}.rule.states", reason, rules)
        for j, state in enumerate(timer.rule.states if charts else ()):
            if state not in states:
                yield _idle(
                    f"{where}.rule.states[{j}]", f"no lifecycle has a state {state!r}", states
                )


def _idle(path: str, reason: str, known: Iterable[str]) -> Finding:
    return Finding(
        Severity.WARNING,
        FindingKind.TIMER_WITHOUT_STATE,
        path,
        f"{reason}, so this timer never runs there",
        f"known: {', '.join(sorted(known)) or 'none'}",
    )


# The store and its clock ----------------------------------------------------------------------


def _failed(error: OrdercoreError) -> Finding:
    return Finding(
        Severity.ERROR,
        FindingKind.STORE_FAILED,
        "store",
        f"the store failed ({error.code}): {error.reason}",
        "mend the store, or see whether a later version of the program has written to it",
    )


def _clock(shop: Shop) -> Flow[list[Finding]]:
    """Whether the store's clock and ours agree, whatever the way to the store takes."""
    before = shop.clock.now()
    theirs = yield from call(shop.store.now)
    after = shop.clock.now()
    skew = max(before - theirs, theirs - after)
    if skew <= SKEW_MAX:
        return []
    side = "behind" if theirs < before else "ahead of"
    severity = Severity.ERROR if skew > SKEW_ERROR else Severity.WARNING
    return [
        Finding(
            severity,
            FindingKind.CLOCK_SKEW,
            "clock",
            f"the store's clock is {skew // timedelta(seconds=1)} s {side} ours",
            "let both machines follow the same time server: deadlines are told by one, kept by the other",
        )
    ]


def _timers(shop: Shop) -> Flow[list[Finding]]:
    """Whether somebody sweeps, and what was set aside."""
    now = shop.clock.now()
    backlog = yield from call(shop.store.backlog, now)
    found = []
    if backlog.oldest is not None and now - backlog.oldest > OVERDUE_MAX:
        found.append(
            Finding(
                Severity.ERROR,
                FindingKind.TIMERS_NOT_SWEPT,
                "store.timers",
                f"timers are overdue ({backlog.due}), the oldest since {backlog.oldest.isoformat()}",
                "call engine.sweep() every few seconds, and see that its process is alive",
            )
        )
    if backlog.parked:
        found.append(
            Finding(
                Severity.ERROR,
                FindingKind.TIMERS_PARKED,
                "store.timers",
                f"timers were set aside ({backlog.parked}) because they failed again and again",
                "see engine.parked() for their errors, mend the cause, then engine.unpark()",
            )
        )
    return found


def _orders(shop: Shop) -> Flow[list[Finding]]:
    """Orders that the engine cannot move, or whose sale it will not book, for want of a lifecycle or a state."""
    orders = yield from call(shop.store.find, OrderQuery(limit=ORDERS_MAX))
    lost: dict[tuple[str, int, str], list[str]] = {}
    unbooked: dict[tuple[str, int], Finding] = {}
    for order in orders:
        name, version = order.content.lifecycle, order.content.lifecycle_version
        try:
            states = {state.id for state in shop.lifecycles.get(name, version).states}
        except UnknownLifecycle:
            lost.setdefault((name, version, ""), []).append(order.content.number)
            continue
        if order.state not in states:
            lost.setdefault((name, version, order.state), []).append(order.content.number)
        if not states & set(shop.policies.posting.recognize_in):
            unbooked[name, version] = _unbooked(name, version)
    return [*(_lost(*key, numbers) for key, numbers in lost.items()), *unbooked.values()]


def _unbooked(name: str, version: int) -> Finding:
    return Finding(
        Severity.WARNING,
        FindingKind.SALE_NEVER_BOOKED,
        "posting.recognize_in",
        f"there are orders of {name!r}, version {version}, which has none of these states",
        "name the state in which their sales are earned",
    )


def _lost(name: str, version: int, state: str, numbers: list[str]) -> Finding:
    what = f"in the state {state!r} of" if state else "of"
    return Finding(
        Severity.ERROR,
        FindingKind.UNKNOWN_LIFECYCLE,
        "lifecycles",
        f"orders ({len(numbers)}, such as {numbers[0]}) are {what} {name!r}, version {version}, "
        "which the engine does not have",
        "give the engine this version beside the later ones, until its orders have ended",
    )
