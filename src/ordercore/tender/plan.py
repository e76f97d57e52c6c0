"""How a due amount is split over the tenders that the shopper offers.

The shop declares the order of its tenders and the rules of each (`TenderPolicy`);
``plan`` is pure, so what a preview shows is what a payment does.
Law L6 holds: the planned tenders add up to what is due.
Law L25 holds: the plan carries the frozen matrix of lines and charges by tenders,
which refunds, splits and settlements draw down.
"""

from __future__ import annotations

import enum
from fractions import Fraction
from math import lcm
from operator import itemgetter
from typing import TYPE_CHECKING

import attrs

from ordercore.allocation import Column, allocate_within, matrix
from ordercore.errors import InvalidPolicy, InvalidTenders
from ordercore.goods import LineId
from ordercore.money import MINOR_MAX, Percent, Rounding, decimal_text, to_minor
from ordercore.pricing import SHIPPING, PointsRate, QuoteCharge, QuoteLine
from ordercore.tender.tenders import KINDS, Points, Tender, TenderKind, checked_tender
from ordercore.value import value

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = [
    "CapBase",
    "PlannedTender",
    "PointsRate",
    "TenderPlan",
    "TenderPolicy",
    "TenderRule",
    "plan",
]

TENDERS_MAX = 20
"""Most tenders of one payment."""


class CapBase(enum.Enum):
    """What a share cap is a share of."""

    GOODS = "goods"
    """The lines after discounts, with tax."""
    TOTAL = "total"
    """All that is due."""


@value
class TenderRule:
    """The shop's rule for one gateway.

    A cap is the smaller of ``cap_share`` (of ``cap_of``) and ``cap_minor``, rounded down, then to ``step``
    (points for points, minor units for money). Below ``minimum_minor`` the tender is not used.
    ``excluded_categories`` names categories of lines it may not pay for; ``pays_shipping`` the same for freight.
    ``currency`` limits the rule to orders of one currency; empty is any.
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
            if rule.gateway == gateway and rule.currency in {"", currency}:
                return place, rule
        return len(self.rules), _NO_RULE

    def check(self, path: str = "tenders") -> None:
        """Raise `InvalidPolicy` for a step, a rate or a cap that cannot be."""
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
            if (rule.cap_minor is not None and rule.cap_minor < 0) or rule.minimum_minor < 0:
                raise InvalidPolicy("caps and minimums are not negative", path=where)


@value
class PlannedTender:
    """One tender of a plan. ``amount`` in minor units; ``points`` for points, with ``kept`` of the offer unused.

    ``quantum_points`` points are ``quantum_minor`` minor units (1 and 1 for money).
    """

    kind: TenderKind
    gateway: str
    account: str = attrs.field(repr=False)
    amount: int
    points: int = 0
    kept: int = 0
    quantum_points: int = 1
    quantum_minor: int = 1

    def points_of(self, amount: int) -> int:
        """The points that ``amount`` minor units of this tender are; 0 for money."""
        if self.kind is not TenderKind.POINTS:
            return 0
        return amount // self.quantum_minor * self.quantum_points


@value
class TenderPlan:
    """Which tender pays how much of what.

    ``matrix[i][j]`` is what tender ``j`` pays of row ``i``; ``rows`` names the rows and what each owes.
    """

    currency: str
    total: int
    tenders: tuple[PlannedTender, ...]
    rows: tuple[tuple[LineId, int], ...]
    matrix: tuple[tuple[int, ...], ...]

    def row(self, name: str) -> tuple[int, ...]:
        """What each tender pays of one line or charge."""
        for i, (row, _) in enumerate(self.rows):
            if row == name:
                return self.matrix[i]
        raise InvalidTenders(f"the plan has no row {name!r}", path=f"rows[{name}]")


def _offered(offer: Tender, currency: str, path: str) -> int | None:
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
    """What each row still owes while tenders are planned, as exact fractions.

    Without exclusions and steps only the sum matters, and no fraction is made.
    """

    def __init__(self, rows: Sequence[QuoteLine | QuoteCharge], *, by_row: bool) -> None:
        self.rows = rows
        self.due = sum([row.total for row in rows])
        self.left = self.due
        self._owed = [Fraction(row.total) for row in rows] if by_row else None

    def fits(self, mask: tuple[bool, ...] | None) -> int:
        """The most that a tender with this mask can take."""
        if mask is None or self._owed is None:
            return self.left
        owed = sum((o for o, allowed in zip(self._owed, mask, strict=True) if allowed), Fraction())
        return owed.numerator // owed.denominator

    def steps(self, mask: tuple[bool, ...] | None, step: int) -> int:
        """How many whole steps fit into the rows: a step is never shared by two of them."""
        if self._owed is None or step == 1:
            return self.fits(mask) // step
        return sum([owed // step for owed in self._claims(mask)])

    def _claims(self, mask: tuple[bool, ...] | None) -> list[int]:
        owed = self._owed or ()
        return [
            share.numerator // share.denominator if mask is None or mask[i] else 0
            for i, share in enumerate(owed)
        ]

    def take(self, amount: int, mask: tuple[bool, ...] | None, step: int) -> None:
        """Draw ``amount`` from the rows of the mask, as the matrix will: in proportion or in steps."""
        self.left -= amount
        if self._owed is None or not amount:
            return
        if step > 1:
            claims = self._claims(mask)
            rooms = [claim // step for claim in claims]
            for i, part in enumerate(allocate_within(amount // step, claims, caps=rooms)):
                self._owed[i] -= part * step
            return
        rows = [i for i in range(len(self._owed)) if mask is None or mask[i]]
        whole = sum((self._owed[i] for i in rows), Fraction())
        keep = 1 - Fraction(amount * whole.denominator, whole.numerator)
        for i in rows:
            self._owed[i] *= keep


def _mask(rows: Sequence[QuoteLine | QuoteCharge], rule: TenderRule) -> tuple[bool, ...] | None:
    """Which rows a tender may pay for; ``None`` is all."""
    if rule.pays_shipping and not rule.excluded_categories:
        return None
    barred = set(rule.excluded_categories)
    return tuple(
        rule.pays_shipping
        if row.id == SHIPPING
        else not (isinstance(row, QuoteLine) and row.category in barred)
        for row in rows
    )


def _cap(rule: TenderRule, rows: Sequence[QuoteLine | QuoteCharge], due: int) -> int:
    """The most the rule allows, in minor units, rounded down."""
    cap = due
    if rule.cap_share is not None:
        goods = due
        if rule.cap_of is CapBase.GOODS:
            goods = sum([row.total for row in rows if row.id != SHIPPING])
        cap = min(cap, rule.cap_share.times(goods, Rounding.DOWN))
    if rule.cap_minor is not None:
        cap = min(cap, rule.cap_minor)
    return cap


def _step(offer: Tender, rule: TenderRule) -> int:
    """The smallest amount of an offer in minor units: what the smallest whole trade of points is worth."""
    return (rule.rate or PointsRate()).quantum()[1] if isinstance(offer, Points) else 1


def _points(offer: Points, rule: TenderRule, points_max: int, money_max: int) -> PlannedTender:
    rate = rule.rate or PointsRate()
    points, minor = rate.quantum()
    step = lcm(rule.step, points)
    used = min(points_max, money_max // minor * points) // step * step
    amount = used // points * minor
    kept = offer.points - used
    return PlannedTender(
        TenderKind.POINTS, offer.gateway, offer.account, amount, used, kept, points, minor
    )


def plan(
    rows: Sequence[QuoteLine | QuoteCharge],
    offers: Sequence[Tender],
    policy: TenderPolicy,
    currency: str,
    available: Mapping[int, int] | None = None,
    points: int = 0,
    carried: Sequence[PlannedTender] = (),
) -> TenderPlan:
    """Split what ``rows`` owe over ``offers`` by ``policy``.

    ``carried`` is money of former payments: the first tenders of the plan; the offers pay the rest.

    ``available`` tells, by place in ``offers``, what an account holds (points or minor units).
    ``points`` is the part of the price that is due in points, so at least so many are to be paid.
    Raises `InvalidTenders` with the path of the offer, and with ``short`` when they do not reach.
    """
    if not 0 < len(offers) <= TENDERS_MAX:
        raise InvalidTenders(f"1 to {TENDERS_MAX} tenders, not {len(offers)}", path="tenders")
    declared = []
    by_row = any([tender.quantum_minor > 1 for tender in carried])
    for i, offer in enumerate(offers):
        checked_tender(offer, f"tenders[{i}]")
        place, rule = policy.rule(offer.gateway, currency)
        mask = _mask(rows, rule)
        by_row = by_row or mask is not None or _step(offer, rule) > 1
        declared.append((place, i, offer, rule, mask))
    declared.sort(key=itemgetter(0, 1))
    room = _Room(rows, by_row=by_row)
    planned: list[PlannedTender] = []
    columns: list[Column] = []
    for held_ in carried:
        step = held_.quantum_minor
        if room.steps(None, step) * step < held_.amount:
            step = 1  # its whole steps fit into no row of today
        room.take(held_.amount, None, step)
        planned.append(held_)
        columns.append(Column(held_.amount, None, step))
    if carried and not room.left:
        raise InvalidTenders("nothing is due", path="tenders", due=0)
    used: dict[int, int] = {}  # what offers under one rule have taken of its cap
    for place, i, offer, rule, mask in declared:
        held = available.get(i) if available else None
        most = min(room.fits(mask), _cap(rule, rows, room.due) - used.get(place, 0))
        tender = _planned(offer, rule, most, room, mask, held, currency, f"tenders[{i}]")
        if tender is None:
            continue
        if rule.cap_share is not None or rule.cap_minor is not None:
            used[place] = used.get(place, 0) + tender.amount
        room.take(tender.amount, mask, tender.quantum_minor)
        planned.append(tender)
        columns.append(Column(tender.amount, mask, tender.quantum_minor))
    if room.left:
        text = decimal_text(room.left, currency)
        reason = f"the tenders are {text} {currency} short of what is due"
        raise InvalidTenders(reason, path="tenders", short=room.left, due=room.due)
    paid = sum([tender.points for tender in planned]) if points else 0
    if paid < points:
        reason = f"{points} points are part of the price, and {paid} are offered"
        raise InvalidTenders(reason, path="tenders", points=points, offered=paid)
    shared = matrix([row.total for row in rows], columns)
    named = tuple([(row.id, row.total) for row in rows])
    return TenderPlan(currency, room.due, tuple(planned), named, shared)


def _planned(
    offer: Tender,
    rule: TenderRule,
    most: int,
    room: _Room,
    mask: tuple[bool, ...] | None,
    held: int | None,
    currency: str,
    path: str,
) -> PlannedTender | None:
    """What one offer pays, ``None`` for nothing."""
    asked = _offered(offer, currency, path)
    if isinstance(offer, Points):
        step = _step(offer, rule)
        most = min(most, room.steps(mask, step) * step)
        tender = _points(
            offer, rule, offer.points if held is None else min(offer.points, held), most
        )
    else:
        if asked is not None and asked > most:
            reason = f"{decimal_text(asked, currency)} is above the {decimal_text(most, currency)} that it may pay"
            raise InvalidTenders(reason, path=f"{path}.amount", asked=asked, most=most)
        amount = most if asked is None else asked
        if held is not None:
            amount = min(amount, held)
        amount = amount // rule.step * rule.step
        tender = PlannedTender(KINDS[type(offer)], offer.gateway, offer.account, amount)
    if tender.amount == 0:
        return None
    if tender.amount < rule.minimum_minor:
        if tender.kind is not TenderKind.CHANNEL:
            return None
        reason = f"{decimal_text(tender.amount, currency)} is below the channel's minimum"
        raise InvalidTenders(reason, path=path, amount=tender.amount, minimum=rule.minimum_minor)
    return tender
