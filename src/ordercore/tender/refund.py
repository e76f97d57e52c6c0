"""What a refund takes from which line and gives back over which tender.

The default refund draws each line's own row of the frozen matrix down:
units of a line give back exactly what those units cost, over the tenders that paid them.
Law L8 holds by construction: no cell is drawn above what it holds, so no tender gives back
more than it took. Any sequence of refunds of the parts ends where one refund of the whole ends.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ordercore.allocation import draw
from ordercore.errors import InvalidManifest, NotAllowed
from ordercore.goods import LineId
from ordercore.tender.attempt import Attempt, AttemptState, Payments, Refund, RefundLeg, RefundRow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ordercore.goods import Manifest
    from ordercore.pricing import QuoteCharge, QuoteLine

__all__ = ["refund", "refundable", "refunded_units"]


def refunded_units(payments: Payments) -> dict[LineId, int]:
    """Units refunded so far of what is agreed today, by line; a refunded charge counts one."""
    units: dict[LineId, int] = {}
    for done in payments.refunds[payments.settled :]:
        for row in done.rows:
            units[row.row] = units.get(row.row, 0) + row.units
    return units


def refundable(
    lines: Sequence[QuoteLine], charges: Sequence[QuoteCharge], payments: Payments
) -> tuple[dict[LineId, int], tuple[LineId, ...]]:
    """What may still be refunded: units by line, and the charges."""
    done = refunded_units(payments)
    units = {
        line.id: line.quantity - done.get(line.id, 0)
        for line in lines
        if line.quantity > done.get(line.id, 0)
    }
    return units, tuple(charge.id for charge in charges if not done.get(charge.id))


def _row(
    row: QuoteLine | QuoteCharge, first: int, count: int, place: int, payments: Payments
) -> RefundRow:
    """Draw ``count`` units of one row, or a whole charge."""
    plan = payments.plan
    if plan is None:
        raise NotAllowed("nothing was paid", path="refund")
    cells, taken = plan.matrix[place], payments.drawn[place]
    units = [tender.quantum_minor for tender in plan.tenders]
    quantity = getattr(row, "quantity", 1)
    if quantity == 1 or (first == 0 and count == quantity):
        amount, net, tax = row.total, row.net, row.tax
    else:
        share = row.units(first, count)  # type: ignore[union-attr]  # a charge has one unit
        amount, net, tax = share.total, share.net, share.tax
    drawn = draw(cells, taken, amount, units)
    return RefundRow(LineId(row.id), count, amount, net, tax, row.tax_ppm, tuple(drawn))


def _legs(rows: Sequence[RefundRow], payments: Payments) -> tuple[RefundLeg, ...]:
    """The columns of the drawn cells, each over the attempt that took the tender."""
    plan = payments.plan
    by_tender: dict[int, Attempt] = {
        a.tender: a for a in payments.current() if a.state is AttemptState.CAPTURED
    }
    for j, name in enumerate(payments.carried):
        by_tender[j] = payments.attempt(name)
    legs = []
    for j, tender in enumerate(plan.tenders if plan else ()):
        amount = sum([row.cells[j] for row in rows])
        if not amount:
            continue
        attempt = by_tender.get(j)
        if attempt is None:
            raise NotAllowed("the tender's money was not taken", path="refund", tender=j)
        legs.append(RefundLeg(attempt.id, amount, tender.points_of(amount)))
    return tuple(legs)


def refund(
    id: str,  # noqa: A002 - the field's name
    lines: Sequence[QuoteLine],
    charges: Sequence[QuoteCharge],
    payments: Payments,
    manifest: Manifest,
    with_charges: Sequence[str],
    reason: str,
    *,
    recognized: bool,
) -> Refund:
    """Work out a refund of the units in ``manifest`` and of the named charges.

    Raises `InvalidManifest` for a line, a charge or units that the order does not have or has no more,
    `NotAllowed` where nothing was paid.
    """
    done = refunded_units(payments)
    by_id = {line.id: (place, line) for place, line in enumerate(lines)}
    rows: list[RefundRow] = []
    for name, units in manifest:
        if name not in by_id:
            known = tuple(by_id)
            raise InvalidManifest(f"the order has no line {name!r}", path=f"[{name}]", known=known)
        place, line = by_id[name]
        first = done.get(name, 0)
        if first + units > line.quantity:
            left = line.quantity - first
            reason_ = f"line {name!r} has {left} units left to refund, not {units}"
            raise InvalidManifest(reason_, path=f"[{name}]", line=name, left=left, asked=units)
        rows.append(_row(line, first, units, place, payments))
    places = {charge.id: (len(lines) + i, charge) for i, charge in enumerate(charges)}
    for i, wanted in enumerate(with_charges):
        if wanted in with_charges[:i]:
            raise InvalidManifest(f"charge {wanted!r} is named twice", path=f"[{wanted}]")
        charge_id = LineId(wanted)
        if charge_id not in places or done.get(charge_id):
            reason_ = f"there is no charge {wanted!r} left to refund"
            raise InvalidManifest(reason_, path=f"[{wanted}]", charge=wanted)
        place, charge = places[charge_id]
        rows.append(_row(charge, 0, 1, place, payments))
    if not rows:
        raise InvalidManifest("a refund names at least one unit or charge", path="manifest")
    amount = sum([row.amount for row in rows])
    return Refund(id, tuple(rows), _legs(rows, payments), amount, reason, recognized)
