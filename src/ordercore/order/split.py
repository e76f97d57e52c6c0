"""Splitting an order: what each part takes along of its goods and of its money.

Nothing is priced again. Units take their own figures along, charges are shared by a rule, money goes with the rows that
it paid for. What was refunded before stays with the order that is split. The parts add up to what was left of
the whole, to the cent: goods, discounts, taxes, charges, tenders (law L16 split conserves).
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

from ordercore.allocation import allocate, share_of_units
from ordercore.errors import InvalidInput, InvalidManifest
from ordercore.goods import QUANTITY_MAX, LineId, Manifest
from ordercore.money import MINOR_MAX, from_minor, to_minor
from ordercore.order.amendment import cart_with, line_as
from ordercore.order.order import OrderContent
from ordercore.pricing import (
    BORDER_CHARGES,
    AppliedDiscount,
    Assessment,
    Cart,
    ChargeKind,
    Conversion,
    Presale,
    QuoteCharge,
    QuoteLine,
    TaxTotal,
)
from ordercore.pricing.portion import (
    assessment_portion,
    charge_portions,
    conversion_portion,
    discounts_of,
    line_portions,
    offs_by_line,
    taxes_of,
    whole_portion,
)
from ordercore.tender import Payments, refunded_units
from ordercore.tender.parting import parted
from ordercore.value import value

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ordercore.order.order import AddedReservation, Order
    from ordercore.pricing.portion import ChargePortion, LinePortion, Off

__all__ = [
    "PARTS_MAX",
    "ChargeShare",
    "Portion",
    "SplitPart",
    "ChargeSplit",
    "child_content",
    "divided",
    "matrix_in_force",
]

PARTS_MAX = 50
"""Most parts of one split."""
TEXT_MAX = 1_000
"""Longest name or reason of a part, in characters."""
REASONS_MAX = 1_000
"""Most reasons of one part."""


class ChargeShare(enum.Enum):
    """By what a charge of the whole order is shared over its parts."""

    # a member is a singleton, so its identity may be its hash: at the speed of C
    __hash__ = object.__hash__

    WEIGHT = "weight"
    """What the goods weigh; by value where a line has no weight."""
    VALUE = "value"
    """What the goods cost."""
    UNITS = "units"
    """How many units there are."""


@value
class SplitPart:
    """One part: its name, its units of each line, why it is one (law L18 explained), and from where it is sent."""

    name: str
    goods: Manifest
    reasons: tuple[str, ...] = ()
    source: str = ""


@value
class ChargeSplit:
    """How charges are shared. Freight goes by ``freight``, fees by ``fees``; duty goes with the lines that bear it.

    ``given`` names weights for single charges instead, one for each part: (charge, weights).
    """

    freight: ChargeShare = ChargeShare.WEIGHT
    fees: ChargeShare = ChargeShare.VALUE
    given: tuple[tuple[str, tuple[int, ...]], ...] = ()


@value
class Portion:
    """What one part comes to; figures in minor units, as in `OrderContent`. ``first`` is the first unit of each line."""

    part: SplitPart
    lines: tuple[QuoteLine, ...]
    charges: tuple[QuoteCharge, ...]
    discounts: tuple[AppliedDiscount, ...]
    taxes: tuple[TaxTotal, ...]
    subtotal: int
    discount: int
    tax: int
    net: int
    total: int
    payments: Payments
    border: Assessment | None = None
    settlement: Conversion | None = None
    ledger: Conversion | None = None

    def rows(self) -> tuple[QuoteLine | QuoteCharge, ...]:
        """Lines, then charges."""
        return (*self.lines, *self.charges)


def matrix_in_force(order: Order) -> bool:
    """Whether the plan in force is for the rows of today and covers them, but for what was refunded of them."""
    plan = order.payments.plan
    return plan is not None and plan.rows == tuple(
        [(row.id, row.total) for row in order.content.rows()]
    )


class _Division:
    """An order while it is divided."""

    __slots__ = ("_counts", "gone", "order", "parts", "rule")

    def __init__(self, order: Order, parts: Sequence[SplitPart], rule: ChargeSplit) -> None:
        self.order = order
        self.parts = parts
        self.rule = rule
        self.gone: Mapping[LineId, int] = (
            refunded_units(order.payments) if order.payments.refunds else {}
        )
        self._counts = [dict(part.goods.items) for part in parts]

    def check(self) -> None:
        """Every unit that is left is in just one part."""
        gone, counted = self.gone, self._counts
        lines = self.order.content.lines
        taken = 0
        for line in lines:
            name = line.id
            left = line.quantity - gone.get(name, 0)
            asked = 0
            for counts in counted:
                if name in counts:
                    asked += counts[name]
                    taken += 1
            if asked != left:
                reason = f"line {name!r} has {left} units to divide, not {asked}"
                raise InvalidManifest(
                    reason, path=f"parts[{name}]", line=name, left=left, asked=asked
                )
        if taken == sum([len(counts) for counts in counted]):
            return
        known = tuple([line.id for line in lines])
        for k, counts in enumerate(counted):
            for name in counts:
                if name not in known:
                    reason = f"the order has no line {name!r}"
                    raise InvalidManifest(reason, path=f"parts[{k}].goods[{name}]", known=known)

    def lines(self) -> list[list[tuple[LinePortion, int]]]:
        """The lines of each part, each with how many units the whole line had."""
        found: list[list[tuple[LinePortion, int]]] = [[] for _ in self.parts]
        content = self.order.content
        for line, offs in zip(
            content.lines, offs_by_line(content.lines, content.discounts), strict=True
        ):
            name, quantity = line.id, line.quantity
            for mine, own in zip(self._counts, found, strict=True):
                if mine.get(name) == quantity:
                    own.append((whole_portion(line, offs), quantity))
                    break
            else:
                self._apart(line, offs, found)
        return found

    def _apart(
        self, line: QuoteLine, offs: Sequence[Off], found: list[list[tuple[LinePortion, int]]]
    ) -> None:
        """Add the portions of a line whose units go apart."""
        counts = [mine.get(line.id, 0) for mine in self._counts]
        portions = line_portions(line, counts, self.gone.get(line.id, 0), offs)
        for own, portion in zip(found, portions, strict=True):
            if portion is not None:
                own.append((portion, line.quantity))

    def charges(
        self, lines: Sequence[Sequence[tuple[LinePortion, int]]]
    ) -> list[list[ChargePortion]]:
        """The charges of each part."""
        found: list[list[ChargePortion]] = [[] for _ in self.parts]
        content = self.order.content
        for charge in content.charges:
            if self.gone.get(charge.id):
                continue
            shares: list[tuple[int, ...]] = []
            if charge.kind in BORDER_CHARGES and charge.shares:
                shares = [self._borne(charge, mine) for mine in lines]
                if sum([sum(share) for share in shares]) != charge.total:
                    shares = []
            weights = [sum(share) for share in shares] if shares else self._weights(charge, lines)
            portions = charge_portions(charge, weights, content.discounts, shares)
            for k, portion in enumerate(portions):
                if portion is not None:
                    found[k].append(portion)
        return found

    def _borne(
        self, charge: QuoteCharge, mine: Sequence[tuple[LinePortion, int]]
    ) -> tuple[int, ...]:
        """What a part's lines bear of a charge."""
        places = {line.id: i for i, line in enumerate(self.order.content.lines)}
        return tuple(
            [
                share_of_units(charge.shares[places[p.line.id]], whole, p.first, p.line.quantity)
                for p, whole in mine
            ]
        )

    def _weights(
        self, charge: QuoteCharge, lines: Sequence[Sequence[tuple[LinePortion, int]]]
    ) -> list[int]:
        """By what a charge is shared: as it is given, else by its rule, else by the next that tells anything."""
        for name, given in self.rule.given:
            if name == charge.id:
                return list(given)
        by = self.rule.freight if charge.kind is ChargeKind.SHIPPING else self.rule.fees
        if by is ChargeShare.WEIGHT:
            grams = _grams(lines)
            if grams is not None:
                return grams
        if by is not ChargeShare.UNITS:
            costs = [sum([p.line.total for p, _ in mine]) for mine in lines]
            if any(costs):
                return costs
        return [sum([p.line.quantity for p, _ in mine]) for mine in lines]


def _grams(lines: Sequence[Sequence[tuple[LinePortion, int]]]) -> list[int] | None:
    """What each part weighs; ``None`` where a line has no weight."""
    found = []
    for mine in lines:
        total = 0
        for portion, _ in mine:
            line = portion.line
            if not line.weight_grams:
                return None
            total += line.weight_grams * line.quantity
        found.append(total)
    return found


def _check_part(part: SplitPart, path: str) -> None:
    """Refuse a part that is none: its goods, its name, why it is one, from where it is sent."""
    if type(part) is not SplitPart:
        raise InvalidInput(f"a part is a SplitPart, not a {type(part).__name__}", path=path)
    goods = part.goods
    if type(goods) is not Manifest or type(goods.items) is not tuple:
        reason = "goods are a Manifest: write Manifest.of({...})"
        raise InvalidManifest(reason, path=f"{path}.goods")
    seen = set()
    for pair in goods.items:
        if type(pair) is not tuple or len(pair) != 2 or not isinstance(pair[0], str):
            raise InvalidManifest("goods are pairs of line and units", path=f"{path}.goods")
        line, units = pair
        if line in seen or type(units) is not int or not 0 < units <= QUANTITY_MAX:
            Manifest.of(goods.items, f"{path}.goods")  # which says what is wrong
        seen.add(line)
    if not goods:
        raise InvalidManifest("a part has at least one unit", path=f"{path}.goods")
    if not part.name:
        raise InvalidInput("each part has a name of its own", path=f"{path}.name")
    _check_text(part.name, path, "name")
    _check_text(part.source, path, "source")
    if not isinstance(part.reasons, list | tuple):
        raise InvalidInput('reasons are a list: write ("cold",)', path=f"{path}.reasons")
    if len(part.reasons) > REASONS_MAX:
        raise InvalidInput(f"at most {REASONS_MAX} reasons", path=f"{path}.reasons")
    for i, reason in enumerate(part.reasons):
        _check_text(reason, path, "reasons", i)


def _check_text(found: object, path: str, field: str, at: int | None = None) -> None:
    if isinstance(found, str) and len(found) <= TEXT_MAX:
        return
    where = f"{path}.{field}" if at is None else f"{path}.{field}[{at}]"
    if not isinstance(found, str):
        raise InvalidInput(f"a text is wanted, not a {type(found).__name__}", path=where)
    raise InvalidInput(f"a text has at most {TEXT_MAX} characters", path=where)


def _check_rule(order: Order, count: int, rule: ChargeSplit) -> None:
    """Refuse a rule that is none, and weights for a charge that is not there or that share nothing."""
    if type(rule) is not ChargeSplit:
        raise InvalidInput(f"it is a ChargeSplit, not a {type(rule).__name__}", path="charges")
    for name, by in (("freight", rule.freight), ("fees", rule.fees)):
        if type(by) is not ChargeShare:
            shares = tuple([share.name for share in ChargeShare])
            raise InvalidInput("it is a ChargeShare", path=f"rule.{name}", allowed=shares)
    if rule.given == ():
        return
    if not isinstance(rule.given, list | tuple):
        raise InvalidInput('write (("shipping", (1, 2)),)', path="charges.given")
    known = tuple([charge.id for charge in order.content.charges])
    seen: set[str] = set()
    for i, pair in enumerate(rule.given):
        if not isinstance(pair, list | tuple) or len(pair) != 2 or not isinstance(pair[0], str):
            raise InvalidInput("it is a charge with its weights", path=f"rule.given[{i}]")
        name, weights = pair
        path = f"rule.given[{name}]"
        if name not in known:
            raise InvalidInput(f"the order has no charge {name!r}", path=path, known=known)
        if name in seen:
            raise InvalidInput(f"charge {name!r} is named twice", path=path)
        seen.add(name)
        whole = isinstance(weights, list | tuple) and all([type(w) is int for w in weights])
        if (
            not whole
            or len(weights) != count
            or not any(weights)
            or not 0 <= min(weights) <= max(weights) <= MINOR_MAX
        ):
            reason = f"{count} whole weights from 0 to {MINOR_MAX}, one of them above 0"
            raise InvalidInput(reason, path=path)


def divided(
    order: Order,
    parts: Sequence[SplitPart],
    rule: ChargeSplit = ChargeSplit(),  # noqa: B008 - a value
) -> tuple[Portion, ...]:
    """What each part takes along.

    Raises `InvalidManifest` for a line that is not there, and where the parts do not hold each unit that is left
    just once; `InvalidInput` for parts of one name, weights that share nothing, and a part of coarse points that
    would be less than one point.
    """
    if not 2 <= len(parts) <= PARTS_MAX:
        raise InvalidInput(f"2 to {PARTS_MAX} parts, not {len(parts)}", path="parts")
    seen: set[str] = set()
    for k, part in enumerate(parts):
        _check_part(part, f"parts[{k}]")
        if part.name in seen:
            raise InvalidInput("each part has a name of its own", path=f"parts[{k}].name")
        seen.add(part.name)
    _check_rule(order, len(parts), rule)
    division = _Division(order, parts, rule)
    division.check()
    lines = division.lines()
    charges = division.charges(lines)
    drafts = [_Draft(order, mine, own) for mine, own in zip(lines, charges, strict=True)]
    rows = [[(row.id, row.total) for row in draft.rows] for draft in drafts]
    by_row = order.presale is None and matrix_in_force(order)
    payments = parted(order.payments, order.currency, rows, by_row=by_row)
    content = order.content
    settled: Sequence[Conversion | None] = (None,) * len(parts)
    booked = settled
    if content.settlement is not None:
        settled = _converted(order, drafts, content.settlement)
    if content.ledger is not None:
        booked = _converted(order, drafts, content.ledger)
    return tuple(
        [
            draft.portion(parts[k], payments[k], settled[k], booked[k])
            for k, draft in enumerate(drafts)
        ]
    )


class _Draft:
    """The figures of one part."""

    __slots__ = ("charges", "lines", "order", "portions", "rows", "total")

    def __init__(
        self,
        order: Order,
        lines: Sequence[tuple[LinePortion, int]],
        charges: Sequence[ChargePortion],
    ) -> None:
        self.order = order
        self.portions = lines
        self.lines = tuple([portion.line for portion, _ in lines])
        self.charges = charges
        self.rows: tuple[QuoteLine | QuoteCharge, ...] = (
            *self.lines, *[portion.charge for portion in charges],
        )  # fmt: skip
        self.total = sum([row.total for row in self.rows])

    def portion(
        self,
        part: SplitPart,
        payments: Payments,
        settlement: Conversion | None,
        ledger: Conversion | None,
    ) -> Portion:
        """The part, complete."""
        content = self.order.content
        lines = self.lines
        subtotal = discount = tax = 0
        for line in lines:
            subtotal += line.list_amount
            discount += line.discount + line.order_discount
            tax += line.tax
        for portion in self.charges:
            discount += portion.charge.discount
            tax += portion.charge.tax
        taxes = taxes_of(self.rows)
        discounts: tuple[AppliedDiscount, ...] = ()
        if discount and content.discounts:
            discounts = discounts_of(content.discounts, [p for p, _ in self.portions], self.charges)
        return Portion(
            part, lines, tuple([p.charge for p in self.charges]), discounts, taxes, subtotal,
            discount, tax, self.total - tax, self.total, payments,
            assessment_portion(content.border, self.portions) if content.border else None,
            settlement, ledger,
        )  # fmt: skip


def _converted(order: Order, drafts: Sequence[_Draft], whole: Conversion) -> Sequence[Conversion]:
    """The conversion of each part: rows as they were converted with the whole order (law L5 conversion)."""
    parts: list[dict[str, int]] = [{} for _ in drafts]
    for row, amount in zip(order.content.rows(), whole.rows, strict=True):
        takers = [k for k, draft in enumerate(drafts) if any([r.id == row.id for r in draft.rows])]
        if isinstance(row, QuoteLine):
            for k in takers:
                mine = next(p for p, _ in drafts[k].portions if p.line.id == row.id)
                units = mine.line.quantity
                parts[k][row.id] = share_of_units(amount, row.quantity, mine.first, units)
            continue
        totals = [next(r.total for r in drafts[k].rows if r.id == row.id) for k in takers]
        shares = allocate(amount, totals if any(totals) else [1] * len(takers)) if takers else ()
        for k, share in zip(takers, shares, strict=True):
            parts[k][row.id] = share
    sums = [sum(mine.values()) for mine in parts]
    # tax goes by tax: a row that third parties pay for bears some though the customer pays nothing for it
    levied = [sum([row.tax for row in draft.rows]) for draft in drafts]
    rest = order.content.tax - sum(levied)
    taxes = allocate(whole.tax, [*levied, rest]) if any(levied) else [0] * (len(sums) + 1)
    return [
        conversion_portion(whole, [mine[row.id] for row in draft.rows], tax)
        for draft, mine, tax in zip(drafts, parts, taxes, strict=False)
    ]


# The child ---------------------------------------------------------------------------------------


def _cart_of(order: Order, portion: Portion) -> Cart | None:
    """The lines of the cart that are wholly in this part; a deposit by what the part costs."""
    cart = order.content.cart
    if cart is None:
        return None
    units: dict[str, int] = {line.id: line.quantity for line in portion.lines}
    lines = []
    for i, line in enumerate(cart.lines):
        name = line.id or str(i + 1)
        if name in units and not line.components:
            lines.append(line_as(line, name, units[name]))
            if len(lines) == len(units):
                break
    return cart_with(cart, tuple(lines))


def _presale(order: Order, weights: Sequence[int], at: int) -> Presale | None:
    """The part's share of the deposit."""
    presale = order.presale
    if presale is None:
        return None
    code = order.currency
    deposit = allocate(to_minor(presale.deposit, code), weights)[at]
    counts = None
    if presale.counts is not None:
        counts = from_minor(allocate(to_minor(presale.counts, code), weights)[at], code)
    return Presale(
        from_minor(deposit, code), presale.balance_from, presale.balance_until, presale.kind, counts
    )


def child_content(
    order: Order,
    portions: Sequence[Portion],
    at: int,
    name: str,
    number: str,
    reservation: str,
    added: tuple[AddedReservation, ...] = (),
) -> OrderContent:
    """What is agreed of one part, as an order of its own: its prices, and all else as it was agreed.

    Coupon codes stay held under the names of the whole order: they come back once no part needs them any more.
    """
    old, portion = order.content, portions[at]
    cart = _cart_of(order, portion)
    if cart is not None and cart.presale is not None:
        presale = _presale(order, [one.total for one in portions], at)
        cart = cart_with(cart, cart.lines, presale=presale)
    points = 0
    if old.points:
        costs = [one.total for one in portions]
        points = allocate(old.points, costs if any(costs) else [1] * len(costs))[at]
    return OrderContent(
        name, number, old.shop, old.kind, old.lifecycle, old.lifecycle_version, old.currency,
        old.customer, old.address, portion.lines, portion.charges, portion.discounts,
        portion.taxes, portion.subtotal, portion.discount, portion.tax, portion.net,
        portion.total, old.rounding, old.scope, old.priced_at, old.placed_at, old.pay_by,
        reservation, old.extra, old.coupons, old.coupon_holding, points,
        portion.border, portion.settlement, portion.ledger, old.attribution, cart, added,
        old.added_codes,
    )  # fmt: skip
