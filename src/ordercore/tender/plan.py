"""How a due amount is split over the tenders that the shopper offers.

The shop declares the order of its tenders and the rules of each (`TenderPolicy`);
``plan`` is pure, so what a preview shows is what a payment does.
Law L6 holds: the planned tenders add up to what is due; what cash rounding adds or takes stands beside them.
Law L25 holds: the plan carries the frozen matrix of lines and charges by tenders,
which refunds, splits and settlements draw down.
"""

from __future__ import annotations

import enum
from math import lcm
from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple

import attrs

from ordercore.allocation import Column, allocate_within, matrix
from ordercore.allocation.owing import Owing
from ordercore.errors import InvalidPolicy, InvalidTenders
from ordercore.goods import LineId
from ordercore.money import (
    CASH_STEPS,
    MINOR_MAX,
    CashRounding,
    Percent,
    Rounding,
    decimal_text,
    to_minor,
)
from ordercore.pricing import SHIPPING, PointsRate, QuoteCharge, QuoteLine
from ordercore.tender.tenders import KINDS, OUTSIDE, Points, Tender, TenderKind, checked_tender
from ordercore.value import value

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = [
    "CapBase",
    "PlannedTender",
    "Planner",
    "PointsRate",
    "TenderEffect",
    "TenderLimit",
    "TenderPlan",
    "TenderPolicy",
    "TenderRule",
    "plan",
]

TENDERS_MAX = 50
"""Most tenders of one payment."""


class CapBase(enum.Enum):
    """What a share cap is a share of."""

    GOODS = "goods"
    """The lines after discounts, with tax."""
    TOTAL = "total"
    """All that is due."""


class TenderEffect(enum.Enum):
    """What a tender is in the eyes of the tax office."""

    # a member is a singleton, so its identity may be its hash: at the speed of C
    __hash__ = object.__hash__

    PAYMENT = "payment"
    """A means of payment: tax stands on what it pays."""
    DISCOUNT = "discount"
    """A price reduction: no tax stands on what it pays."""


class TenderLimit(enum.Enum):
    """Why a tender pays no more than it does."""

    # a member is a singleton, so its identity may be its hash: at the speed of C
    __hash__ = object.__hash__

    OFFERED = "offered"
    """All that was offered is used."""
    NOTHING_DUE = "nothing_due"
    """Nothing more is due."""
    EXCLUSION = "exclusion"
    """The rest is on lines or freight that it may not pay for."""
    CAP_SHARE = "cap_share"
    """Its share of the goods, or of the total, is reached."""
    CAP_AMOUNT = "cap_amount"
    """Its most in money is reached."""
    LEAVES = "leaves"
    """So much has to be left for a channel."""
    HELD = "held"
    """The account holds no more."""
    STEP = "step"
    """The rest is less than one of its steps."""
    MINIMUM = "minimum"
    """It could pay so little that it is not used."""
    STACKING = "stacking"
    """It does not go together with a tender that comes before it."""
    COUPONS = "coupons"
    """It does not go together with coupon codes."""


@value
class TenderRule:
    """The shop's rule for one gateway.

    A cap is the smaller of ``cap_share`` (of ``cap_of``) and ``cap_minor``, rounded down, then to ``step``
    (points for points, minor units for money). Below ``minimum_minor`` the tender is not used.
    ``excluded_categories`` and ``excluded_skus`` name lines it may not pay for; ``pays_shipping`` the same for freight.
    ``currency`` limits the rule to orders of one currency; empty is any.

    ``leaves_minor`` is what it leaves at least for money from outside (channels, cash, on delivery).
    ``not_with`` names gateways whose tenders it does not go together with, ``with_coupons`` says whether it may
    be used where the price counts on coupon codes. Of two that do not go together the first in the
    declared order is used.

    ``effect`` is what it is to the tax office, ``invoiceable`` whether what it pays may stand on an invoice.
    ``cash_step`` is the smallest coin for tenders in cash, in minor units, 1 for no rounding; by default
    that of the currency (`ordercore.money.CASH_STEPS`).
    """

    gateway: str
    rate: PointsRate | None = None
    step: int = 1
    cap_share: Percent | None = None
    cap_of: CapBase = CapBase.GOODS
    cap_minor: int | None = None
    minimum_minor: int = 0
    excluded_categories: tuple[str, ...] = ()
    pays_shipping: bool = True
    currency: str = ""
    excluded_skus: tuple[str, ...] = ()
    leaves_minor: int = 0
    not_with: tuple[str, ...] = ()
    with_coupons: bool = True
    effect: TenderEffect = TenderEffect.PAYMENT
    invoiceable: bool = True
    cash_step: int | None = None


_NO_RULE = TenderRule("")
"""The rule of a gateway that has none: no cap, no step, nothing excluded."""


@value
class TenderPolicy:
    """The declared order of tenders: rules, first to last. A gateway without a rule comes after them."""

    rules: tuple[TenderRule, ...] = (
        TenderRule("points", PointsRate()),
        TenderRule("balance"),
        TenderRule("stored_value"),
    )

    def rule(self, gateway: str, currency: str) -> tuple[int, TenderRule]:
        """The rule for a gateway and its place in the order."""
        for place, rule in enumerate(self.rules):
            if rule.gateway == gateway and (not rule.currency or rule.currency == currency):
                return place, rule
        return len(self.rules), _NO_RULE

    def check(self, path: str = "tenders") -> None:
        """Raise `InvalidPolicy` for a step, a rate, a cap or a stacking that cannot be."""
        seen: set[tuple[str, str]] = set()
        for i, rule in enumerate(self.rules):
            where = f"{path}.rules[{i}]"
            if (rule.gateway, rule.currency) in seen:
                raise InvalidPolicy(f"gateway {rule.gateway!r} has two rules", path=where)
            seen.add((rule.gateway, rule.currency))
            if rule.step < 1:
                raise InvalidPolicy("a step is at least 1", path=f"{where}.step", got=rule.step)
            if rule.rate is not None and (rule.rate.points < 1 or rule.rate.minor < 1):
                raise InvalidPolicy("a rate needs both sides positive", path=f"{where}.rate")
            if rule.cap_share is not None and rule.cap_share.ppm > 1_000_000:
                raise InvalidPolicy("a cap is at most 100 %", path=f"{where}.cap_share")
            if min(rule.cap_minor or 0, rule.minimum_minor, rule.leaves_minor) < 0:
                raise InvalidPolicy("caps and minimums are not negative", path=where)
            if rule.cash_step is not None and rule.cash_step < 1:
                raise InvalidPolicy(
                    "a coin is worth at least 1", path=f"{where}.cash_step", got=rule.cash_step
                )
            if rule.gateway in rule.not_with:
                reason = f"gateway {rule.gateway!r} cannot exclude itself"
                raise InvalidPolicy(reason, path=f"{where}.not_with")


@value
class PlannedTender:
    """One tender of a plan. ``amount`` in minor units; ``points`` for points, with ``kept`` of the offer unused.

    ``quantum_points`` points are ``quantum_minor`` minor units (1 and 1 for money).
    ``rounding`` is what cash pays more (or less) than ``amount``, since there is no coin for it.
    ``discount``: it counts as a price reduction, so no tax stands on what it pays. ``invoiceable``: what it
    pays may stand on an invoice (money of a single-purpose card was invoiced when it was used, or never).
    ``coin`` is the smallest coin that cash was rounded to, in minor units, 0 for the currency's own.
    """

    kind: TenderKind
    gateway: str
    account: str = attrs.field(repr=False)
    amount: int
    points: int = 0
    kept: int = 0
    quantum_points: int = 1
    quantum_minor: int = 1
    rounding: int = 0
    discount: bool = False
    invoiceable: bool = True
    coin: int = 0

    def points_of(self, amount: int) -> int:
        """The points that ``amount`` minor units of this tender are; 0 for money."""
        if self.kind is not TenderKind.POINTS:
            return 0
        return amount // self.quantum_minor * self.quantum_points


@value
class TenderPlan:
    """Which tender pays how much of what.

    ``matrix[i][j]`` is what tender ``j`` pays of row ``i``; ``rows`` names the rows and what each owes.
    ``discounted`` is what of each row counts as a price reduction, empty for none. It is the price that was
    agreed, so it stays when a refund goes over other tenders than the row's own.
    """

    currency: str
    total: int
    tenders: tuple[PlannedTender, ...]
    rows: tuple[tuple[LineId, int], ...]
    matrix: tuple[tuple[int, ...], ...]
    discounted: tuple[int, ...] = ()

    def resolved(self, matrix: tuple[tuple[int, ...], ...]) -> TenderPlan:
        """The same plan with another matrix of the same margins."""
        return TenderPlan(
            self.currency, self.total, self.tenders, self.rows, matrix, self.discounted
        )

    def row(self, name: str) -> tuple[int, ...]:
        """What each tender pays of one line or charge."""
        for i, (row, _) in enumerate(self.rows):
            if row == name:
                return self.matrix[i]
        raise InvalidTenders(f"the plan has no row {name!r}", path=f"rows[{name}]")

    def uninvoiced(self) -> tuple[int, ...]:
        """What of each row may not stand on an invoice: price reductions, and what was invoiced elsewhere."""
        barred = [
            j
            for j, tender in enumerate(self.tenders)
            if not tender.invoiceable and not tender.discount
        ]
        off = [sum([cells[j] for j in barred]) for cells in self.matrix]
        if self.discounted:
            off = [a + b for a, b in zip(off, self.discounted, strict=True)]
        return tuple(off)


def discounted(
    tenders: Sequence[PlannedTender], shared: Sequence[Sequence[int]]
) -> tuple[int, ...]:
    """What of each row is paid by tenders that count as price reductions; empty without such a tender."""
    for tender in tenders:
        if tender.discount:
            break
    else:
        return ()
    found = [j for j, tender in enumerate(tenders) if tender.discount]
    return tuple([sum([cells[j] for j in found]) for cells in shared])


def offered(offer: Tender, currency: str, path: str) -> int | None:
    """The offered amount in minor units or points; ``None`` is open."""
    if isinstance(offer, Points):
        if type(offer.points) is not int or not 0 < offer.points <= MINOR_MAX:
            reason = "points are a positive whole number"
            raise InvalidTenders(reason, path=f"{path}.points")
        return offer.points
    if offer.amount is None:
        return None
    amount = to_minor(offer.amount, currency, f"{path}.amount")
    if amount <= 0:
        raise InvalidTenders("a tender is positive", path=f"{path}.amount", amount=amount)
    return amount


class _Room:
    """What each row still owes while tenders are planned, exactly.

    Without exclusions and steps only the sum matters, and no fraction is kept.
    """

    __slots__ = ("due", "left", "owing")

    def __init__(
        self, owed: Sequence[int], masks: Sequence[tuple[bool, ...] | None] | None
    ) -> None:
        self.due = self.left = sum(owed)
        self.owing = None if masks is None else Owing(owed, masks)

    def fits(self, mask: tuple[bool, ...] | None) -> int:
        """The most that a tender with this mask can take."""
        return self.left if mask is None or self.owing is None else self.owing.fits(mask)

    def steps(self, mask: tuple[bool, ...] | None, step: int) -> int:
        """How many whole steps fit into the rows: a step is never shared by two of them."""
        if self.owing is None or step == 1:
            return self.fits(mask) // step
        return sum([owed // step for owed in self.owing.wholes(mask)])

    def take(self, amount: int, mask: tuple[bool, ...] | None, step: int) -> None:
        """Draw ``amount`` from the rows of the mask, as the matrix will: in proportion or in steps."""
        self.left -= amount
        owing = self.owing
        if owing is None or not amount:
            return
        if step == 1:
            owing.take(amount, mask)
            return
        claims = owing.wholes(mask)
        rooms = [claim // step for claim in claims]
        parts = allocate_within(amount // step, claims, caps=rooms)
        owing.take_parts([part * step for part in parts])


def _mask(rows: Sequence[QuoteLine | QuoteCharge], rule: TenderRule) -> tuple[bool, ...]:
    """Which rows a tender may pay for."""
    categories, skus = set(rule.excluded_categories), set(rule.excluded_skus)
    return tuple(
        rule.pays_shipping
        if row.id == SHIPPING
        else not (isinstance(row, QuoteLine) and (row.category in categories or row.sku in skus))
        for row in rows
    )


def step_of(offer: Tender, rule: TenderRule) -> int:
    """The smallest amount of an offer in minor units: what the smallest whole trade of points is worth."""
    return (rule.rate or _RATE).quantum()[1] if isinstance(offer, Points) else 1


def _points(offer: Points, rule: TenderRule, points_max: int, money_max: int) -> PlannedTender:
    points, minor = (rule.rate or _RATE).quantum()
    step = lcm(rule.step, points)
    used = min(points_max, money_max // minor * points) // step * step
    amount = used // points * minor
    kept = offer.points - used
    return PlannedTender(
        _POINTS, offer.gateway, offer.account, amount, used, kept, points, minor, 0,
        rule.effect is _DISCOUNT, rule.invoiceable,
    )  # fmt: skip


_RATE = PointsRate()
# a look-up through an Enum class costs more than the comparison
_DISCOUNT = TenderEffect.DISCOUNT
_POINTS, _CASH = TenderKind.POINTS, TenderKind.CASH
_BARRED = {
    TenderLimit.COUPONS: "it does not go together with coupon codes",
    TenderLimit.STACKING: "it does not go together with a tender that is used before it",
}


class Turn(NamedTuple):
    """An offer when its turn comes: the place of its rule, its own place, the rows that it may pay."""

    place: int
    i: int
    offer: Tender
    rule: TenderRule
    mask: tuple[bool, ...] | None


class Planner:
    """A split in the making: offers take their turns in the shop's order, and each pays what its rule and
    those before it leave. ``coupons`` says whether the price counts on coupon codes.
    """

    __slots__ = (
        "available", "capped", "coins", "columns", "coupons", "currency", "from_outside", "owed",
        "planned", "policy", "reserve", "room", "rows", "stacks", "turns",
    )  # fmt: skip

    def __init__(
        self,
        rows: Sequence[QuoteLine | QuoteCharge],
        offers: Sequence[Tender],
        policy: TenderPolicy,
        currency: str,
        available: Mapping[int, int] | None,
        carried: Sequence[PlannedTender],
        *,
        coupons: bool,
    ) -> None:
        if not 0 < len(offers) <= TENDERS_MAX:
            raise InvalidTenders(f"1 to {TENDERS_MAX} tenders, not {len(offers)}", path="tenders")
        by_row = any([tender.quantum_minor > 1 for tender in carried])  # not the sum alone matters
        stacks = coupons or bool(carried)
        turns = []
        for i, offer in enumerate(offers):
            if type(offer) not in KINDS:
                checked_tender(offer, f"tenders[{i}]")
            place, rule = policy.rule(offer.gateway, currency)
            mask = None
            if not rule.pays_shipping or rule.excluded_categories or rule.excluded_skus:
                mask = _mask(rows, rule)
            if mask is not None or (type(offer) is Points and step_of(offer, rule) > 1):
                by_row = True
            if rule.not_with:
                stacks = True
            turns.append(_turn(Turn, (place, i, offer, rule, mask)))
        if len(turns) > 1:
            turns.sort(key=_in_order)
        self.rows = rows
        self.owed = [row.total for row in rows]
        self.policy = policy
        self.currency = currency
        self.available = available
        self.coupons = coupons
        self.turns = turns
        self.stacks = stacks
        self.room = _Room(self.owed, [turn.mask for turn in turns] if by_row else None)
        self.planned: list[PlannedTender] = []
        self.columns: list[Column | int] = []
        self.capped: dict[int, int] = {}  # what offers under one rule have taken of its cap
        self.coins: dict[str, int] = {}  # what is paid in cash, by gateway
        self.reserve = self.from_outside = 0
        if carried:
            self._carry(carried)

    def _carry(self, carried: Sequence[PlannedTender]) -> None:
        """Money of former payments comes first, whatever the rules of today say."""
        room = self.room
        for held in carried:
            step = held.quantum_minor
            if room.steps(None, step) * step < held.amount:
                step = 1  # its whole steps fit into no row of today
            room.take(held.amount, None, step)
            self.planned.append(held)
            self.columns.append(Column(held.amount, None, step))
            if held.kind in OUTSIDE:
                self.from_outside += held.amount
            place, _ = self.policy.rule(held.gateway, self.currency)
            self.capped[place] = self.capped.get(place, 0) + held.amount
        if not room.left:
            raise InvalidTenders("nothing is due", path="tenders", due=0)

    def run(self) -> None:
        """Let each offer take its turn."""
        for turn in self.turns:
            tender = self.tender(turn)
            if tender is not None:
                self.take(turn, tender)

    def take(self, turn: Turn, tender: PlannedTender) -> None:
        """Let ``tender`` pay in this turn."""
        rule, amount = turn.rule, tender.amount
        if rule.cap_share is not None or rule.cap_minor is not None:
            self.capped[turn.place] = self.capped.get(turn.place, 0) + amount
        if tender.kind in OUTSIDE:
            self.from_outside += amount
            if tender.kind is _CASH:
                self.coins[tender.gateway] = self.coins.get(tender.gateway, 0) + amount
        if rule.leaves_minor:
            self.reserve = max(self.reserve, rule.leaves_minor)
        self.planned.append(tender)
        if self.room.owing is not None:
            self.room.take(amount, turn.mask, tender.quantum_minor)
            self.columns.append(Column(amount, turn.mask, tender.quantum_minor))
        else:
            self.room.left -= amount
            self.columns.append(amount)

    def barred(self, turn: Turn) -> TenderLimit | None:
        """Why an offer may not be used beside what is there already."""
        rule = turn.rule
        if self.coupons and not rule.with_coupons:
            return TenderLimit.COUPONS
        for used in self.planned:
            _, other = self.policy.rule(used.gateway, self.currency)
            if used.gateway in rule.not_with or turn.offer.gateway in other.not_with:
                return TenderLimit.STACKING
        return None

    def to_leave(self, turn: Turn) -> int:
        """What this offer has to leave for money from outside, in minor units."""
        wanted = turn.rule.leaves_minor
        if self.reserve > wanted and KINDS[type(turn.offer)] not in OUTSIDE:
            wanted = self.reserve
        return max(0, wanted - self.from_outside) if wanted else 0

    def share_cap(self, turn: Turn) -> int:
        """What the rule's share allows at most, in minor units, rounded down."""
        base = self.room.due
        if turn.rule.cap_of is CapBase.GOODS:
            base = sum([row.total for row in self.rows if row.id != SHIPPING])
        share = turn.rule.cap_share
        return base if share is None else share.times(base, Rounding.DOWN)

    def most(self, turn: Turn) -> int:
        """What the rule lets an offer pay at most of what is left, in minor units."""
        rule, room = turn.rule, self.room
        most = room.left if room.owing is None else room.fits(turn.mask)
        if rule.cap_share is not None:
            most = min(most, self.share_cap(turn) - self.capped.get(turn.place, 0))
        if rule.cap_minor is not None:
            most = min(most, rule.cap_minor - self.capped.get(turn.place, 0))
        if rule.leaves_minor or self.reserve:
            most = min(most, room.left - self.to_leave(turn))
        return most if most > 0 else 0  # noqa: FURB136 - a call costs more

    def tender(self, turn: Turn) -> PlannedTender | None:
        """What an offer pays; ``None`` for nothing."""
        tender = self.sized(turn)
        if tender is None or tender.amount == 0:
            return None
        if tender.amount < turn.rule.minimum_minor:
            if tender.kind not in OUTSIDE:
                return None
            text, least = decimal_text(tender.amount, self.currency), turn.rule.minimum_minor
            reason = f"a payment of {text} is below the minimum"
            raise InvalidTenders(
                reason, path=f"tenders[{turn.i}]", amount=tender.amount, minimum=least
            )
        return tender

    def sized(self, turn: Turn) -> PlannedTender | None:
        """What an offer comes to, however little; ``None`` where it may not be used."""
        _, i, offer, rule, mask = turn
        path = f"tenders[{i}]"
        asked = offered(offer, self.currency, path)
        if self.stacks:
            why = self.barred(turn)
            if why is not None:
                _leave_out(offer, asked, why, path)
                return None
        held = self.available.get(i) if self.available else None
        most = self.most(turn)
        if isinstance(offer, Points):
            step = step_of(offer, rule)
            if step > 1:
                most = min(most, self.room.steps(mask, step) * step)
            points = offer.points if held is None else min(offer.points, held)
            return _points(offer, rule, points, most)
        if asked is not None and asked > most:
            text, above = decimal_text(most, self.currency), decimal_text(asked, self.currency)
            reason = f"{above} is above the {text} that it may pay"
            raise InvalidTenders(reason, path=f"{path}.amount", asked=asked, most=most)
        amount = most if asked is None else asked
        if held is not None and held < amount:
            amount = held
        return self._money(offer, rule, amount // rule.step * rule.step, path)

    def _money(self, offer: Tender, rule: TenderRule, amount: int, path: str) -> PlannedTender:
        kind = KINDS[type(offer)]
        rounding = coin = 0
        if kind is _CASH and amount:
            coin = rule.cash_step or 0
            rounding = self._rounding(offer.gateway, rule, amount)
            if amount + rounding == 0:
                text = decimal_text(amount, self.currency)
                reason = f"no coin is as small as {text} {self.currency}: pay it in another way"
                raise InvalidTenders(reason, path=path, amount=amount)
        return PlannedTender(
            kind, offer.gateway, offer.account, amount, 0, 0, 1, 1, rounding,
            rule.effect is _DISCOUNT, rule.invoiceable, coin,
        )  # fmt: skip

    def _rounding(self, gateway: str, rule: TenderRule, amount: int) -> int:
        """What the smallest coin adds or takes. Cash in two parts is rounded as one sum is."""
        step = CASH_STEPS.get(self.currency)
        if rule.cash_step is not None:
            step = CashRounding(rule.cash_step, step.rounding if step else Rounding.HALF_UP)
        if step is None:
            return 0
        before = self.coins.get(gateway, 0)
        return step.apply(before + amount) - step.apply(before) - amount

    def plan(self, points: int) -> TenderPlan:
        """What came of it; raises `InvalidTenders` where it does not reach."""
        room, planned = self.room, self.planned
        if room.left:
            text = decimal_text(room.left, self.currency)
            reason = f"the tenders are {text} {self.currency} short of what is due"
            if self.reserve > self.from_outside:
                least = decimal_text(self.reserve, self.currency)
                reason += f"; at least {least} is to be paid by a channel"
            raise InvalidTenders(reason, path="tenders", short=room.left, due=room.due)
        paid = sum([tender.points for tender in planned]) if points else 0
        if paid < points:
            reason = f"{points} points are part of the price, and {paid} are offered"
            raise InvalidTenders(reason, path="tenders", points=points, offered=paid)
        cells = matrix(self.owed, self.columns)
        named = tuple([(row.id, row.total) for row in self.rows])
        return TenderPlan(
            self.currency, room.due, tuple(planned), named, cells, discounted(planned, cells)
        )


_turn = tuple.__new__
_in_order = itemgetter(0, 1)


def _leave_out(offer: Tender, asked: int | None, why: TenderLimit, path: str) -> None:
    """Points and open accounts stay unused; an amount that was named, or a channel, is not passed over."""
    if type(offer) is Points or (asked is None and KINDS[type(offer)] not in OUTSIDE):
        return
    raise InvalidTenders(_BARRED[why], path=path, gateway=offer.gateway, limit=why.value)


def plan(
    rows: Sequence[QuoteLine | QuoteCharge],
    offers: Sequence[Tender],
    policy: TenderPolicy,
    currency: str,
    available: Mapping[int, int] | None = None,
    points: int = 0,
    carried: Sequence[PlannedTender] = (),
    *,
    coupons: bool = False,
) -> TenderPlan:
    """Split what ``rows`` owe over ``offers`` by ``policy``.

    ``carried`` is money of former payments: the first tenders of the plan; the offers pay the rest.

    ``available`` tells, by place in ``offers``, what an account holds (points or minor units).
    ``points`` is the part of the price that is due in points, so at least so many are to be paid.
    ``coupons`` says whether the price counts on coupon codes.
    Raises `InvalidTenders` with the path of the offer, and with ``short`` when they do not reach.
    """
    planner = Planner(rows, offers, policy, currency, available, carried, coupons=coupons)
    planner.run()
    return planner.plan(points)
