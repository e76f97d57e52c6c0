"""Every key of a policy document and the kind of thing it holds, room by room."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NoReturn

from ordercore.allocation import RemainderRule
from ordercore.calendar import HOLIDAYS_MAX, Weekday, WorkingHours
from ordercore.errors import InvalidPolicy
from ordercore.fulfillment import DeductAt, PresaleStock, ReserveAt, StockPolicy
from ordercore.fulfillment.pickup import CodeAlphabet, PickupPolicy
from ordercore.fulfillment.split_rule import (
    RULES_MAX,
    CutAbove,
    FloorOf,
    KeepApart,
    KeepTogether,
    KeepWhole,
    Measure,
    SplitBy,
    SplitPolicy,
)
from ordercore.identity import NumberTemplate
from ordercore.ledger import CommissionRule, PostingPolicy, SettlementPolicy
from ordercore.lifecycle import Since, TimerAction, TimerRule, VisibleStep
from ordercore.money import Rounding
from ordercore.order import HandlingPolicy
from ordercore.order import Rule as HandlingRule
from ordercore.party import Destination
from ordercore.policy.kinds import (
    Amount,
    ByKind,
    Choice,
    CurrencyCode,
    Day,
    Flag,
    Kind,
    Many,
    Moment,
    OneOf,
    Share,
    Span,
    Table,
    Text,
    TimeOfDay,
    Whole,
    table,
    unknown,
    wrong,
)
from ordercore.policy.regrouping import MERGING
from ordercore.pricing import (
    BorderPolicy,
    BuyGet,
    Choose,
    ComponentRounding,
    Conditions,
    CouponTerms,
    DiscountLevel,
    EveryOff,
    ExchangePolicy,
    Funder,
    HostRule,
    Layer,
    LineAmount,
    LinePercent,
    OffBase,
    OrderAmount,
    OrderKind,
    OrderPercent,
    Per,
    PriceBasis,
    PriceKind,
    PricingPolicy,
    Promotion,
    PromotionRule,
    RegimeId,
    Registration,
    RoundedFigure,
    RoundingScope,
    Scope,
    SetTotal,
    ShippingOff,
    ShippingTax,
    ShippingTo,
    SkuPrice,
    SpecialPrice,
    Spread,
    Step,
    Steps,
    Tariff,
    TaxPolicy,
    TaxRate,
    TaxTreatment,
    Terms,
)
from ordercore.pricing.duty import ConsumptionTax, DutyRate
from ordercore.tender import (
    CapBase,
    CaptureMoment,
    ChannelChoice,
    ChannelPolicy,
    ChannelRule,
    LateMoney,
    Overpaid,
    PaymentPolicy,
    PointsRate,
    RefundSplit,
    StrandedRefund,
    TenderEffect,
    TenderPolicy,
    TenderRule,
)
from ordercore.tender.routing import BACKUPS_MAX
from ordercore.timeout import TIMERS_MAX, KindTimer, PaymentWindow, TimeoutPolicy
from ordercore.value import value

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["rooms"]

_NAME = Text(".+", "text that is not empty")
_COUNTRY = Text("([A-Z]{2})?", "two capital letters of ISO 3166-1 or empty for any")
_LAND = Text("[A-Z]{2}", "two capital letters of ISO 3166-1")
_CODE = Text("[0-9]{0,12}", "a code of the Harmonized System, up to twelve digits")
_ID = "[A-Za-z][A-Za-z0-9_]{0,63}"
_WORDS = Many(Text(), 10_000)  # an empty one is met by goods and carts that have none
_PART = Share()
_TIMES = Whole(0, 10**9)
_UNITS = Whole(1, 10**9)
_POINTS = table(PointsRate, points=Whole(1), minor=Whole(1))

# Tax ------------------------------------------------------------------------------------------


def _tax(**given: Any) -> TaxPolicy:
    """A shop that lists its rates wants to hear of a gap; one that lists none sells without tax."""
    if given.get("rates"):
        given.setdefault("default", None)
    return TaxPolicy(**given)


_RATE = table(
    TaxRate,
    percent=Share(),
    category=_NAME,
    country=_COUNTRY,
    region=Text(),
    postcode=Text(),
    first_day=Day(),
    last_day=Day(),
    component=Text(),
    compound=Flag(),
    treatment=Choice(TaxTreatment),
    name=Text(),
    source=Text(),
)
_TAX = table(
    TaxPolicy,
    _tax,
    prices_include_tax=Flag(),
    rounding=Choice(Rounding),
    scope=Choice(RoundingScope),
    components=Choice(ComponentRounding),
    rounded=Choice(RoundedFigure),
    charges=Choice(ShippingTax),
    default=Share(refusable=True),
    home=table(Destination, country=_LAND, region=Text(), postcode=Text()),
    abroad=Choice(PriceBasis),
    union=Many(_LAND, 300),
    zone=Text("[A-Za-z0-9_+/-]{1,64}", "a name of the IANA time zone database: 'Europe/Berlin'"),
    rates=Many(_RATE, 10_000),
)

# Promotions -----------------------------------------------------------------------------------


@value
class _RuleName(Kind):
    """The name of a promotion that the host computes: code, which a document can only name."""

    rules: Mapping[str, PromotionRule]

    def read(self, raw: Any, path: str) -> str:
        self.fit(raw, path)
        name: str = raw
        if name not in self.rules:
            if self.rules:
                unknown("rule", name, tuple(self.rules), path)
            reason = f"the rule {name!r} is the host's code: hand it over, rules={{{name!r}: ...}}"
            raise InvalidPolicy(reason, path=path)
        return name

    def fit(self, found: Any, path: str) -> None:
        _NAME.fit(found, path)

    def write(self, found: str) -> NoReturn:
        reason = f"the rule {found!r} is the host's code, which no document holds"
        raise InvalidPolicy(reason, path="pricing.layers", rule=found)


def _benefit(rules: Mapping[str, PromotionRule]) -> OneOf:
    """Every kind of benefit by its ``type``; ``rules`` are the host's own by name."""

    def bound(name: str, level: DiscountLevel = DiscountLevel.ORDER) -> HostRule:
        return HostRule(name, rules[name], level)

    price = table(SkuPrice, sku=_NAME, price=Amount(), from_units=_UNITS)
    step = table(Step, at_least=Amount(), amount=Amount(), percent=_PART)
    host = (("rule", "name", _RuleName(rules)), ("level", "level", Choice(DiscountLevel)))
    return OneOf(
        (
            ("special_price", table(SpecialPrice, kind=Choice(PriceKind), prices=Many(price, 10_000, 1))),
            ("line_percent", table(LinePercent, percent=_PART, of=Choice(OffBase), cap=Amount())),
            ("line_amount", table(LineAmount, amount=Amount(), per=Choice(Per))),
            ("buy_get", table(BuyGet, buy=_UNITS, get=_UNITS, percent=_PART, times=_TIMES)),
            ("every_off", table(EveryOff, every=Amount(), off=Amount(), times=_TIMES)),
            ("steps", table(Steps, steps=Many(step, 100, 1))),
            ("order_percent", table(OrderPercent, percent=_PART, cap=Amount())),
            ("order_amount", table(OrderAmount, amount=Amount())),
            ("set_total", table(SetTotal, total=Amount(), units=_TIMES)),
            ("shipping_off", table(ShippingOff, percent=_PART, cap=Amount())),
            ("shipping_to", table(ShippingTo, price=Amount())),
            ("host", Table(HostRule, host, bound)),
        )
    )  # fmt: skip


_SCOPE = table(
    Scope,
    skus=_WORDS,
    categories=_WORDS,
    brands=_WORDS,
    except_skus=_WORDS,
    except_categories=_WORDS,
    except_brands=_WORDS,
    bundles=Flag(),
    vouchers=Flag(),
)
_WHEN = table(
    Conditions,
    kinds=Many(Choice(OrderKind), len(OrderKind)),
    groups=_WORDS,
    tiers=_WORDS,
    countries=Many(
        Text("([A-Z]{2})?", "two capital letters of ISO 3166-1, or empty for none"), 300
    ),
    shops=_WORDS,
    first_order=Flag(),
    starts=Moment(),
    ends=Moment(),
    at_least=Amount(),
    at_least_units=_TIMES,
)


def _layer(rules: Mapping[str, PromotionRule]) -> Table:
    promotion = table(
        Promotion,
        id=_NAME,
        benefit=_benefit(rules),
        label=Text(),
        scope=_SCOPE,
        when=_WHEN,
        priority=Whole(-(10**9), 10**9),
        group=Text(),
        funder=Choice(Funder),
        spread=Choice(Spread),
        coupon=table(CouponTerms, total_limit=_UNITS, per_customer=_UNITS),
    )
    return table(Layer, name=_NAME, choose=Choice(Choose), promotions=Many(promotion, 1_000))


# Exchange and border --------------------------------------------------------------------------

_EXCHANGE = table(
    ExchangePolicy,
    settlement=CurrencyCode(),
    ledger=CurrencyCode(),
    stale_after=Span(),
    rounding=Choice(Rounding),
)
_DUTY = table(
    DutyRate,
    hs=_CODE,
    percent=Share(),
    destination=_LAND,
    origin=_COUNTRY,
    first_day=Day(),
    last_day=Day(),
    additional=Flag(),
    name=Text(),
    source=_NAME,
)
_CONSUMPTION = table(
    ConsumptionTax,
    hs=_CODE,
    percent=Share(),
    destination=_LAND,
    first_day=Day(),
    last_day=Day(),
    name=Text(),
    source=_NAME,
)
_BORDER = table(
    BorderPolicy,
    ships_from=_LAND,
    terms=Choice(Terms),
    duty_bears_tax=Flag(),
    ships_together=Flag(),
    flat_duty_needs_registration=Flag(),
    registrations=Many(table(Registration, regime=Choice(RegimeId), number=_NAME), 100),
    tariff=table(Tariff, rates=Many(_DUTY, 100_000)),
    consumption=Many(_CONSUMPTION, 10_000),
    import_rates=Many(_RATE, 100_000),
)

# Splitting ------------------------------------------------------------------------------------

_TEXTS = Many(_NAME, 10_000)
_SPLIT_END: dict[str, Kind] = {
    "countries": Many(_LAND, 300),
    "priority": Whole(-(10**9), 10**9),
}
_PICKUP = table(
    PickupPolicy,
    alphabet=Choice(CodeAlphabet), length=Whole(6, 32), tries=Whole(1, 100), most=Whole(1, 10**6),
    lock=Span(), valid=Span(), cost=Whole(10, 17),
)  # fmt: skip
_SPLITTING = table(
    SplitPolicy,
    rules=Many(
        OneOf(
            (
                ("apart", table(KeepApart, name=_NAME, by=Choice(SplitBy), attribute=Text(),
                                values=_TEXTS, as_one=Flag(), **_SPLIT_END)),
                ("together", table(KeepTogether, name=_NAME, skus=_TEXTS, lines=_TEXTS,
                                   attribute=Text(), values=_TEXTS, bundles=Flag(), **_SPLIT_END)),
                ("whole", table(KeepWhole, name=_NAME, of=Choice(Measure), below=Whole(1),
                                floor_of=Choice(FloorOf), currency=CurrencyCode(), **_SPLIT_END)),
                ("cut", table(CutAbove, name=_NAME, of=Choice(Measure), at_most=Whole(1),
                              currency=CurrencyCode(), **_SPLIT_END)),
            )
        ),
        RULES_MAX,
    ),
)  # fmt: skip

# Tenders and time -----------------------------------------------------------------------------

_RULE = table(
    TenderRule,
    gateway=_NAME,
    step=Whole(1),
    rate=_POINTS,
    cap_share=Share(),
    cap_of=Choice(CapBase),
    cap_minor=Whole(0),
    minimum_minor=Whole(0),
    excluded_categories=Many(_NAME, 1_000),
    pays_shipping=Flag(),
    currency=CurrencyCode(),
    excluded_skus=Many(_NAME, 10_000),
    leaves_minor=Whole(0),
    not_with=Many(_NAME, 100),
    with_coupons=Flag(),
    effect=Choice(TenderEffect),
    invoiceable=Flag(),
    cash_step=Whole(1),
)
_PAYMENTS = table(
    PaymentPolicy,
    late=Choice(LateMoney),
    overpaid=Choice(Overpaid),
    refund_split=Choice(RefundSplit),
    stranded=Choice(StrandedRefund),
    balance=_NAME,
    replay_window=Span(),
    forfeit_cap=_PART,
    forfeited_tax=_PART,
    double_earnest=Flag(),
)
_CHANNEL = table(
    ChannelRule,
    gateway=_NAME,
    method=Text(),
    enabled=Flag(),
    currencies=Many(CurrencyCode(needed=True), 300),
    markets=Many(_LAND, 300),
    kinds=Many(Choice(OrderKind), len(OrderKind)),
    amount_min=Whole(0),
    amount_max=Whole(0),
    weight=Whole(0, 10**6),
    fee_share=_PART,
    fee_minor=Whole(0),
    capture=Choice(CaptureMoment),
    per_minute=_TIMES,
)
_CHANNELS = table(
    ChannelPolicy,
    choose=Choice(ChannelChoice),
    backups=Whole(0, BACKUPS_MAX),
    breaker_failures=_TIMES,
    breaker_pause=Span(timedelta(0)),
    tries_min=_UNITS,
    rules=Many(_CHANNEL, 1_000),
)
_FUNDS = table(
    SettlementPolicy,
    merchants_pay_tax=Flag(),
    commissions=Many(
        table(
            CommissionRule,
            merchant=Text(),
            category=Text(),
            share=_PART,
            per_unit_minor=Whole(0),
        ),
        10_000,
    ),
)
_HOURS = table(
    WorkingHours,
    zone=_NAME,
    days=Many(Choice(Weekday), 7, 1),
    opens=TimeOfDay(),
    closes=TimeOfDay(),
    holidays=Many(Day(), HOLIDAYS_MAX),
)
_LEAD_MAX = timedelta(days=3_660)


@value
class _Rule:
    """A `TimerRule` without its extension, which stands in the lifecycle alone."""

    name: str
    does: TimerAction
    states: tuple[str, ...] = ()
    since: Since = Since.ENTERED
    after: timedelta | None = None
    at: datetime | None = None
    facts: tuple[str, ...] = ()
    paused_by: tuple[str, ...] = ()
    hours: WorkingHours | None = None
    sends: str = ""


class _Rules(Table):
    """A rule of time."""

    def fit(self, found: Any, path: str) -> None:
        if type(found) is not TimerRule:
            wrong(path, "a TimerRule", found)
        if found.extension is not None:
            reason = (
                "an extension stands in the lifecycle's rule, and stays when this one replaces it"
            )
            raise InvalidPolicy(reason, path=f"{path}.extension")
        super().fit(_written(found), path)

    def write(self, found: TimerRule) -> dict[str, Any]:
        return super().write(_written(found))


def _written(rule: TimerRule) -> _Rule:
    return _Rule(
        rule.name, rule.does, rule.states, rule.since, rule.after, rule.at, rule.facts,
        rule.paused_by, rule.hours, rule.sends,
    )  # fmt: skip


@value
class _Targets:
    """The targets of visible steps, one field for each."""

    order: timedelta | None = None
    pay: timedelta | None = None
    pick: timedelta | None = None
    ship: timedelta | None = None
    receive: timedelta | None = None
    review: timedelta | None = None


class _Steps(Table):
    """A duration for some of the visible steps."""

    def fit(self, found: Any, path: str) -> None:
        if not isinstance(found, dict):
            wrong(path, "a dict", found)
        for step in found:
            if type(step) is not VisibleStep:
                wrong(path, "a dict by VisibleStep", step)
        super().fit(_spread(found), path)

    def write(self, found: Mapping[VisibleStep, timedelta]) -> dict[str, Any]:
        return super().write(_spread(found))


def _spread(found: Mapping[VisibleStep, timedelta]) -> _Targets:
    return _Targets(**{step.value: target for step, target in found.items()})


def _gathered(**found: timedelta) -> dict[VisibleStep, timedelta]:
    return {VisibleStep(step): target for step, target in found.items()}


_TIMER = table(
    KindTimer,
    rule=_Rules(
        _Rule,
        (
            ("name", "name", Text(_ID, "a name of letters, digits and _, at most 64")),
            ("does", "does", Choice(TimerAction)),
            ("states", "states", Many(_NAME, 200)),
            ("since", "since", Choice(Since)),
            ("after", "after", Span(-_LEAD_MAX)),
            ("at", "at", Moment()),
            ("facts", "facts", Many(_NAME, 50)),
            ("paused_by", "paused_by", Many(_NAME, 50)),
            ("hours", "hours", _HOURS),
            ("sends", "sends", Text()),
        ),
        lambda **given: TimerRule(**{"states": (), **given}),
    ),
    kinds=Many(Choice(OrderKind), len(OrderKind)),
    lifecycle=Text(),
)
_STEPS = _Steps(_Targets, tuple([(s.value, s.value, Span()) for s in VisibleStep]), _gathered)
_WINDOW = table(PaymentWindow, pay_within=Span(), remind_before=Span(timedelta(0)))


def rooms(rules: Mapping[str, PromotionRule]) -> dict[str, Any]:
    """The table of each room by its key; ``rules`` are the host's own promotions by name."""
    return {
        "pricing": table(
            PricingPolicy,
            quote_valid=Span(),
            discount_rounding=Choice(Rounding),
            discount_remainder=Choice(RemainderRule),
            points_worth=_POINTS,
            tax=_TAX,
            exchange=_EXCHANGE,
            border=_BORDER,
            layers=Many(_layer(rules), 100),
        ),
        "tenders": table(TenderPolicy, rules=Many(_RULE, 100)),
        "payments": _PAYMENTS,
        "channels": _CHANNELS,
        "funds": _FUNDS,
        "timeouts": table(
            TimeoutPolicy,
            confirm_after=Span(),
            resolve_after=Span(),
            backoff=Many(Span(), 100, 1),
            refund_late_after=Span(),
            capture_before=Span(timedelta(0)),
            window=_WINDOW,
            windows=ByKind(_WINDOW),
            timers=Many(_TIMER, TIMERS_MAX),
            targets=_STEPS,
            working=_HOURS,
        ),
        "posting": table(PostingPolicy, recognize_in=Many(_NAME, 100, 1)),
        "stock": table(
            StockPolicy,
            reserve_slack=Span(),
            reserve=Choice(ReserveAt),
            deduct=Choice(DeductAt),
            presale=Choice(PresaleStock),
            kinds=ByKind(Choice(ReserveAt)),
        ),
        "handling": table(
            HandlingPolicy,
            refund_canceled=Flag(),
            recover_within=Span(),
            overrules=Many(Choice(HandlingRule), len(HandlingRule)),
            lifecycles=ByKind(_NAME),
        ),
        "numbers": Table(
            NumberTemplate, (("template", "text", _NAME), ("zone", "zone", _NAME)), NumberTemplate
        ),
        "splitting": _SPLITTING,
        "merging": MERGING,
        "pickup": _PICKUP,
    }
