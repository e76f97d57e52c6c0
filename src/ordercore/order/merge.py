"""Merging orders: which may become one, why the others may not, and what the one is agreed to be.

*Combine* takes distinct orders into one: freight is priced again, promotions may only get better, and the one is
never dearer than the two (law L17). *Rejoin* undoes a split and prices nothing.

The order that is opened is the *added* one, the order that it is put to is the *basic* one: the basic order takes all
items, and keeps its number.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, cast

import attrs

from ordercore.errors import InvalidPolicy
from ordercore.money import from_minor
from ordercore.order.amendment import line_as, lost_offs
from ordercore.order.order import OrderContent
from ordercore.pricing import (
    AmountOff,
    Cart,
    CartLine,
    DiscountLevel,
    Fee,
    QuoteCharge,
    QuoteLine,
    ShippingCharge,
)
from ordercore.pricing.discount import AppliedDiscount
from ordercore.pricing.exchange import convert
from ordercore.pricing.portion import taxes_of
from ordercore.tender import RefundStatus, TenderKind
from ordercore.value import value

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ordercore.goods import LineId
    from ordercore.order.order import Order
    from ordercore.pricing import Quote

__all__ = [
    "MergeCell",
    "MergeMatrix",
    "MergePolicy",
    "MergeRefusal",
    "MergeRule",
    "MergeSide",
    "combined_cart",
    "joined_content",
    "merge_refusals",
    "refusals_between",
    "renamed_lines",
]


class MergeCell(enum.Enum):
    """What the table says of two states."""

    # a member is a singleton, so its identity may be its hash: at the speed of C
    __hash__ = object.__hash__

    YES = "yes"
    STAFF = "staff"
    """By staff, with a reason."""
    NO = "no"


class MergeRule(enum.Enum):
    """The conditions of merging, each by its own name."""

    # a member is a singleton, so its identity may be its hash: at the speed of C
    __hash__ = object.__hash__

    DISTINCT = "distinct"
    """Two different orders, not parts of one that was split."""
    STATUS = "status"
    """The table lets orders in these two states be merged."""
    CUSTOMER = "customer"
    SHOP = "shop"
    CURRENCY = "currency"
    LIFECYCLE = "lifecycle"
    PROVIDER = "provider"
    """One provider of the goods, one merchant."""
    ADDRESS = "address"
    """One consignee at one address."""
    TAX_REGIME = "tax_regime"
    """The same border rules, the same way of rounding tax."""
    PAYMENT_KIND = "payment_kind"
    """Both paid ahead, or both on delivery; no order in two parts."""
    TICKET = "ticket"
    """No open ticket: no clock stands still for one."""
    RISK_HOLD = "risk_hold"
    REFUND_IN_FLIGHT = "refund_in_flight"
    ATTEMPT_UNRESOLVED = "attempt_unresolved"
    WAYBILL = "waybill"
    """Nothing is booked with a carrier, nothing has left."""
    WINDOW = "window"
    """They were placed within the time in which goods wait for one another."""
    PRICED_FROM = "priced_from"
    """It is known from which cart both were priced."""


_Y, _S, _N = MergeCell.YES, MergeCell.STAFF, MergeCell.NO
_CODES: Mapping[str, MergeCell] = {"Y": _Y, "S": _S, "-": _N}


@value
class MergeMatrix:
    """Which states go together: ``rows[i][j]`` is for an added order in ``states[i]`` and a basic one in ``states[j]``.

    States stand from the earliest to the latest. A customer may merge within the first ``customer`` of them.
    """

    states: tuple[str, ...]
    rows: tuple[tuple[MergeCell, ...], ...]
    customer: int = 0

    @classmethod
    def of(cls, rows: Mapping[str, str], customer: int = 0) -> MergeMatrix:
        """By a row of ``Y``, ``S`` and ``-`` for each state; raises `InvalidPolicy`.

        >>> MergeMatrix.of({"pending": "YY", "paid": "-Y"}).cell("paid", "pending")
        <MergeCell.NO: 'no'>
        """
        states = tuple(rows)
        found = []
        for state, text in rows.items():
            cells = text.replace(" ", "")
            if len(cells) != len(states) or any([code not in _CODES for code in cells]):
                reason = f"{len(states)} of Y, S and -, not {text!r}"
                raise InvalidPolicy(reason, path=f"merging.matrix.{state}")
            found.append(tuple([_CODES[code] for code in cells]))
        return cls(states, tuple(found), customer)

    def cell(self, added: str, basic: str) -> MergeCell:
        """What the table says; a state that it does not list is never merged."""
        if added not in self.states or basic not in self.states:
            return MergeCell.NO
        return self.rows[self.states.index(added)][self.states.index(basic)]

    def earlier(self, one: str, other: str) -> str:
        """The earlier of two states."""
        return min(one, other, key=self.states.index)

    def for_customer(self, added: str, basic: str) -> bool:
        """Whether a customer may merge orders in these states."""
        first = self.states[: self.customer]
        return added in first and basic in first


PURCHASING_AGENT = MergeMatrix.of(
    {
        "awaiting_payment": "YYYYYS-",
        "awaiting_additional_payment": "SYYYYS-",
        "processing": "-SYYYS-",
        "additional_order": "-SYYYS-",
        "processing_at_warehouse": "--YYYS-",
        "ready_for_packing": "--SSSY-",
        "ready_to_ship": "-------",
    },
    customer=4,
)
"""Goods may be added until the warehouse has received them, paid goods never go behind an unpaid order, and nothing
that is packed is opened silently."""
STANDARD = MergeMatrix.of(
    {"pending_payment": "YYY", "paid": "-YY", "awaiting_shipment": "-YY"}, customer=2
)
"""The same for the standard lifecycle: until goods leave."""
_MATRICES: Mapping[str, MergeMatrix] = MappingProxyType(
    {"standard": STANDARD, "purchasing_agent": PURCHASING_AGENT}
)


@value
class MergePolicy:
    """Which orders may be merged. ``matrices`` are by lifecycle; one that is not there is never merged.

    ``waived`` are conditions that this shop does not ask for. ``window`` is how far apart two orders may have been
    placed, ``None`` for any time.
    """

    matrices: Mapping[str, MergeMatrix] = attrs.field(default=_MATRICES, hash=False)
    waived: tuple[MergeRule, ...] = ()
    window: timedelta | None = None

    def check(self, path: str = "merging") -> None:
        """Raise `InvalidPolicy` for a table that is not square, or a window that is not positive."""
        for name, matrix in self.matrices.items():
            size = len(matrix.states)
            uneven = any([len(row) != size for row in (*matrix.rows, {*matrix.states})])
            if len(matrix.rows) != size or uneven:
                reason = "a table has a row and a column for each state, each state once"
                raise InvalidPolicy(reason, path=f"{path}.matrices.{name}")
            if not 0 <= matrix.customer <= size:
                raise InvalidPolicy(f"0 to {size} states", path=f"{path}.matrices.{name}.customer")
        if self.window is not None and self.window <= timedelta(0):
            raise InvalidPolicy("it is positive", path=f"{path}.window")
        for rule in self.waived:
            if rule not in _WAIVABLE:
                reason = f"{rule.value!r} cannot be waived: the books would not hold"
                raise InvalidPolicy(reason, path=f"{path}.waived")


_WAIVABLE = frozenset(
    {
        MergeRule.CUSTOMER,
        MergeRule.LIFECYCLE,
        MergeRule.PROVIDER,
        MergeRule.ADDRESS,
        MergeRule.TAX_REGIME,
        MergeRule.TICKET,
        MergeRule.RISK_HOLD,
        MergeRule.WINDOW,
    }
)
"""What a shop need not ask for. Money that is not settled, goods that left and prices that nobody knows stay in
the way whatever it says, and which states go together says the table."""


@value
class MergeRefusal:
    """Why two orders may not become one; with ``by_staff`` staff may do it with a reason."""

    rule: MergeRule
    reason: str
    by_staff: bool = False


# Conditions --------------------------------------------------------------------------------------

_TICKET = "ticket"
_RISK = "risk"
"""Names of pauses: while one lasts, an order waits for a ticket, or for a word about its risk."""


def _providers(order: Order) -> frozenset[tuple[str, str]]:
    return frozenset(
        [(dict(line.attributes).get("provider", ""), line.merchant) for line in order.lines]
    )


def _regime(order: Order) -> tuple[object, ...]:
    content = order.content
    border = content.border
    crossing: tuple[object, ...] = ()
    if border is not None:
        regimes = {(line.regime, line.duty_regime) for line in border.lines}
        crossing = (border.origin, border.destination, border.terms, frozenset(regimes))
    included = frozenset([line.tax_included for line in content.lines])
    return (content.rounding, content.scope, crossing, included)


def _on_delivery(order: Order) -> bool:
    return any([a.kind is TenderKind.ON_DELIVERY and a.firm for a in order.payments.attempts])


def _same(rule: MergeRule, what: str, one: object, other: object) -> MergeRefusal | None:
    return None if one == other else MergeRefusal(rule, f"they are of different {what}")


def _of_one(order: Order) -> list[MergeRefusal]:
    """What keeps one order from being merged with any."""
    found = []
    payments, name = order.payments, order.number
    waits = {pause.name for pause in order.handling.pauses if pause.until is None}
    if _TICKET in waits:
        found.append(MergeRefusal(MergeRule.TICKET, f"{name} has an open ticket"))
    if _RISK in waits:
        found.append(MergeRefusal(MergeRule.RISK_HOLD, f"{name} is held for its risk"))
    open_legs = [
        leg
        for refund in payments.refunds
        for leg in refund.legs
        if leg.status is not RefundStatus.ARRIVED
    ]
    if open_legs:
        found.append(
            MergeRefusal(MergeRule.REFUND_IN_FLIGHT, f"a refund of {name} has not arrived")
        )
    held = [a for a in payments.attempts if a.firm and a.to_capture]
    if payments.in_flight or held or any([a.charged_back for a in payments.attempts]):
        reason = f"a payment of {name} is not settled: it is under way, only held, or charged back"
        found.append(MergeRefusal(MergeRule.ATTEMPT_UNRESOLVED, reason))
    if order.delivery.shipments or any([p.fixed or p.gone for p in order.delivery.parcels]):
        found.append(
            MergeRefusal(MergeRule.WAYBILL, f"{name} is booked with a carrier, or part of it left")
        )
    if order.presale is not None or payments.forfeited:
        found.append(MergeRefusal(MergeRule.PAYMENT_KIND, f"{name} is paid in two parts"))
    if order.content.cart is None or _is_part(order) or order.recognized:
        reason = f"{name} cannot be priced anew: it is part of another order, was taken over without its cart, or is booked"
        found.append(MergeRefusal(MergeRule.PRICED_FROM, reason))
    return found


def _is_part(order: Order) -> bool:
    """Whether it is a part of an order that was split, so that its prices are those of the whole."""
    lineage = order.handling.lineage
    return lineage is not None and bool(lineage.parent)


class MergeSide:
    """What one of two orders brings to the question: worked out once for an order that is asked about with many."""

    __slots__ = ("attempts", "common", "on_delivery", "order", "own", "providers", "regime")

    def __init__(self, order: Order) -> None:
        content = order.content
        self.order = order
        self.own = tuple(_of_one(order))
        self.providers = _providers(order)
        self.regime = _regime(order)
        self.on_delivery = _on_delivery(order)
        self.attempts = frozenset([attempt.id for attempt in order.payments.attempts])
        self.common = (
            content.customer.id, content.shop, content.currency, content.lifecycle,
            content.lifecycle_version, self.on_delivery, self.providers, self.regime,
            content.address,
        )  # fmt: skip


def merge_refusals(basic: Order, added: Order, policy: MergePolicy) -> tuple[MergeRefusal, ...]:
    """Every reason why ``added`` may not be put to ``basic``; empty where it may."""
    return refusals_between(MergeSide(basic), MergeSide(added), policy)


def refusals_between(
    basic: MergeSide, added: MergeSide, policy: MergePolicy
) -> tuple[MergeRefusal, ...]:
    """The same of orders of which both sides are known."""
    one, other = basic.order.content, added.order.content
    table = _by_table(basic.order, added.order, policy)
    apart = policy.window is not None and abs(one.placed_at - other.placed_at) > policy.window
    distinct = one.id != other.id and basic.attempts.isdisjoint(added.attempts)
    sound = distinct and not (table or apart or basic.own or added.own)
    if sound and one.customer.id and len(basic.providers) < 2 and basic.common == added.common:
        return ()  # the usual answer about a customer's orders
    found: list[MergeRefusal | None] = []
    rule = MergeRule
    if one.id == other.id:
        found.append(MergeRefusal(rule.DISTINCT, "it is the same order"))
    if not basic.attempts.isdisjoint(added.attempts):
        found.append(MergeRefusal(rule.DISTINCT, "they are parts of one order: rejoin it"))
    found += [
        _same(rule.CUSTOMER, "customers", one.customer.id, other.customer.id),
        _same(rule.SHOP, "shops", one.shop, other.shop),
        _same(rule.CURRENCY, "currencies", one.currency, other.currency),
        _same(rule.LIFECYCLE, "lifecycles", (one.lifecycle, one.lifecycle_version), (other.lifecycle, other.lifecycle_version)),
        _same(rule.PROVIDER, "providers of goods", basic.providers, added.providers),
        _same(rule.ADDRESS, "consignees or addresses", one.address, other.address),
        _same(rule.TAX_REGIME, "tax regimes", basic.regime, added.regime),
        _same(rule.PAYMENT_KIND, "kinds of payment", basic.on_delivery, added.on_delivery),
    ]  # fmt: skip
    if len(basic.providers | added.providers) > 1:
        found.append(MergeRefusal(rule.PROVIDER, "the goods are of several providers"))
    if not one.customer.id:
        found.append(MergeRefusal(rule.CUSTOMER, "nobody knows whether two guests are one"))
    found.append(table)
    if apart:
        found.append(MergeRefusal(rule.WINDOW, f"they were placed more than {policy.window} apart"))
    found += basic.own
    found += added.own
    told = dict.fromkeys([r for r in found if r is not None and r.rule not in policy.waived])
    return tuple(told)


def _by_table(basic: Order, added: Order, policy: MergePolicy) -> MergeRefusal | None:
    matrix = policy.matrices.get(basic.content.lifecycle)
    if matrix is None:
        reason = (
            f"no table says which orders of the lifecycle {basic.content.lifecycle!r} may be merged"
        )
        return MergeRefusal(MergeRule.STATUS, reason)
    cell = matrix.cell(added.state, basic.state)
    if cell is MergeCell.YES:
        return None
    reason = f"an order in state {added.state!r} is not put to one in state {basic.state!r}"
    if cell is MergeCell.STAFF:
        return MergeRefusal(MergeRule.STATUS, f"{reason} but by staff, for a reason", by_staff=True)
    return MergeRefusal(MergeRule.STATUS, reason)


# What is agreed from then on ---------------------------------------------------------------------


def renamed_lines(basic: Sequence[str], added: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """The names of the added order's lines in the basic one: (there, here). A name that is free is kept."""
    taken = set(basic)
    numbers = [
        int(name)
        for name in taken | set(added)
        if name.isascii() and name.isdigit() and len(name) < 10
    ]
    next_ = max(numbers, default=0) + 1
    found = []
    for name in added:
        here = name
        if here in taken:
            while str(next_) in taken:
                next_ += 1
            here = str(next_)
            next_ += 1
        taken.add(here)
        found.append((name, here))
    return tuple(found)


def _fixed(content: OrderContent, gone: Mapping[LineId, int]) -> tuple[AmountOff, ...]:
    """Discounts that a cart itself brought, as the amounts that they came to for units that are kept: they bear on
    no other goods."""
    found = []
    lost = lost_offs(content.lines, content.discounts, gone) if gone else {}
    for place, off in enumerate(content.discounts):
        if off.promotion or off.code or off.line or off.level is not DiscountLevel.ORDER:
            continue
        left = off.amount - lost.get(place, 0)
        if left or not lost:
            found.append(AmountOff(from_minor(left, content.currency), off.label, off.funder))
    return tuple(found)


def _fees(basic: Sequence[Fee], added: Sequence[Fee], lines: Sequence[CartLine]) -> tuple[Fee, ...]:
    """The fees of both; fees and lines share one set of names."""
    taken = [line.id for line in lines] + [fee.id for fee in basic]
    names = renamed_lines(taken, [fee.id for fee in added])
    again = [
        Fee(here, fee.amount, fee.name, fee.kind, fee.tax_category, fee.tax_included)
        for fee, (_, here) in zip(added, names, strict=True)
    ]
    return (*basic, *again)


def combined_cart(
    basic: tuple[OrderContent, Cart],
    added: tuple[OrderContent, Cart],
    names: tuple[tuple[str, str], ...],
    shipping: ShippingCharge | None,
    gone: tuple[Mapping[LineId, int], Mapping[LineId, int]] = ({}, {}),
) -> Cart:
    """The cart of both; ``names`` are those of the added order's lines here, ``gone`` units of each that were refunded.

    Carts of orders have ids on their lines. Discounts that a cart brought stay what they were in money;
    promotions and coupons are looked at anew, by the rules of the day.
    """
    (one, cart), (other, more) = basic, added
    called = dict(names)
    lines = (
        *cart.lines,
        *[line_as(line, called[line.id], line.quantity) for line in more.lines],
    )
    return Cart(
        cart.currency, lines, (*_fixed(one, gone[0]), *_fixed(other, gone[1])), shipping, cart.kind,
        cart.shop, cart.customer, cart.address, cart.extra,
        tuple(dict.fromkeys((*cart.codes, *more.codes))), cart.shopper,
        _fees(cart.fees, more.fees, lines), cart.attribution,
    )  # fmt: skip


def joined_content(
    basic: OrderContent,
    added: OrderContent,
    names: tuple[tuple[str, str], ...],
    cart: Cart,
    quote: Quote,
) -> OrderContent:
    """Both as they stand, side by side: nothing priced again. The fallback where ``quote``, the new price, would be
    dearer; its rates convert the sum. ``names`` are those of the added order's lines of its cart.

    Goods that cross a border are never joined so: they are one consignment, which is assessed as one.
    """
    called = _names_of_rows(added.lines, dict(names))
    lines: tuple[QuoteLine, ...] = (
        *basic.lines,
        *[_line_as(line, called[line.id], dict(names)) for line in added.lines],
    )
    taken = [line.id for line in lines] + [charge.id for charge in basic.charges]
    renames = renamed_lines(taken, [charge.id for charge in added.charges])
    here, there = len(basic.lines), len(added.lines)
    charges: tuple[QuoteCharge, ...] = (
        *[_charge_as(c, c.id, 0, there) for c in basic.charges],
        *[_charge_as(c, name, here, 0) for c, (_, name) in zip(added.charges, renames, strict=True)],
    )  # fmt: skip
    discounts = (
        *[_off_as(off, off.line, 0, there) for off in basic.discounts],
        *[_off_as(off, called.get(off.line, ""), here, 0) for off in added.discounts],
    )  # fmt: skip
    total, net = basic.total + added.total, basic.net + added.net
    rows = [line.total for line in lines] + [charge.total for charge in charges]
    settlement, ledger = [
        None if found is None else convert(total, net, rows, found.rate, found.rounding)
        for found in (quote.settlement, quote.ledger)
    ]
    return OrderContent(
        basic.id, basic.number, basic.shop, basic.kind, basic.lifecycle, basic.lifecycle_version,
        basic.currency, basic.customer, basic.address, lines, charges, discounts,
        taxes_of((*lines, *charges)), basic.subtotal + added.subtotal,
        basic.discount + added.discount, basic.tax + added.tax, net, total,
        basic.rounding, basic.scope, basic.priced_at, basic.placed_at, basic.pay_by,
        basic.reservation, basic.extra, tuple(dict.fromkeys((*basic.coupons, *added.coupons))),
        basic.coupon_holding, basic.points + added.points, None, settlement, ledger,
        basic.attribution, cart, basic.added, basic.added_codes,
    )  # fmt: skip


def _names_of_rows(lines: Sequence[QuoteLine], called: Mapping[str, str]) -> dict[str, str]:
    """The new names of an order's lines; components of a bundle are called after it."""
    return {
        line.id: called[line.bundle] + line.id[len(line.bundle) :]
        if line.bundle
        else called[line.id]
        for line in lines
    }


def _line_as(line: QuoteLine, name: str, called: Mapping[str, str]) -> QuoteLine:
    fields = [field.name for field in attrs.fields(cast("Any", QuoteLine))]
    new = {"id": name, "bundle": called.get(line.bundle, "")}
    values: list[Any] = [new[field] if field in new else getattr(line, field) for field in fields]
    return QuoteLine(*values)


def _charge_as(charge: QuoteCharge, name: str, before: int, after: int) -> QuoteCharge:
    fields = [field.name for field in attrs.fields(cast("Any", QuoteCharge))]
    shares = (*[0] * before, *charge.shares, *[0] * after) if charge.shares else ()
    new = {"id": name, "shares": shares}
    values: list[Any] = [new[field] if field in new else getattr(charge, field) for field in fields]
    return QuoteCharge(*values)


def _off_as(off: AppliedDiscount, line: str, before: int, after: int) -> AppliedDiscount:
    shares = (*[0] * before, *off.shares, *[0] * after) if off.shares else ()
    return AppliedDiscount(
        line, off.label, off.ppm, off.asked, off.amount, shares, off.level, off.promotion,
        off.funder, off.code, off.layer,
    )  # fmt: skip
