"""What a refund takes from which line and gives back over which tender.

The default refund draws each line's own row of the frozen matrix down:
units of a line give back exactly what those units cost, over the tenders that paid them.
Law L8 holds by construction: no cell is drawn above what it holds, so no tender gives back
more than it took. Any sequence of refunds of the parts ends where one refund of the whole ends.

Another split first says what each tender gives back, out of what it still holds. The cells of the refund are
the controlled rounding of rows by legs. Then what the rows still owe and what the tenders still hold is matched
anew, so both margins of the matrix stay as they were (law L25), and any split may follow any other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ordercore.allocation import Column, allocate, draw
from ordercore.errors import InvalidInput, InvalidManifest, NotAllowed
from ordercore.goods import LineId
from ordercore.money import CASH_STEPS, CashRounding, Rounding, decimal_text
from ordercore.tender.attempt import (
    Attempt,
    Payments,
    Refund,
    RefundLeg,
    RefundRow,
    RefundSplit,
)
from ordercore.tender.carrying import carried_tenders, shared
from ordercore.tender.channel import RefundStatus
from ordercore.tender.reduction import reduced, reduction
from ordercore.tender.tenders import TenderKind
from ordercore.value import value

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ordercore.goods import Manifest
    from ordercore.pricing import QuoteCharge, QuoteLine
    from ordercore.tender.plan import TenderPlan

__all__ = [
    "ORIGINAL",
    "RefundWay",
    "all_legs",
    "by_tender",
    "check_reroute",
    "in_coins",
    "may_go_back",
    "refund",
    "refundable",
    "refunded_units",
    "resolved",
    "rest_of_the_sale",
    "surplus_kept",
    "surplus_legs",
]

_STORED = (TenderKind.STORED_VALUE, TenderKind.BALANCE, TenderKind.POINTS)
"""What the shop keeps for the customer, in the order in which it is given back first."""
_BY_ROW = frozenset({RefundSplit.BY_ROW, RefundSplit.TO_BALANCE})


@value
class RefundWay:
    """How a refund goes back: over which tenders; ``consent`` is the customer's word for another way than the original.

    ``gateway`` and ``account`` are where money goes that does not go back by its way. With
    `RefundSplit.TO_BALANCE` that is all of it but points, which stay points; otherwise what its own channel
    cannot pay.
    """

    split: RefundSplit = RefundSplit.BY_ROW
    consent: str = ""
    gateway: str = ""
    account: str = ""


ORIGINAL = RefundWay()


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


def rest_of_the_sale(
    lines: Sequence[QuoteLine], charges: Sequence[QuoteCharge], payments: Payments
) -> tuple[RefundRow, ...]:
    """What was agreed and not refunded: the last units of each line, and charges. It draws of no tender."""
    units, left = refundable(lines, charges, payments)
    places = {line.id: (line, line.quantity) for line in lines}
    rows = [
        _Asked(line, 0, whole - units[name], units[name], payments.plan)
        for name, (line, whole) in places.items()
        if name in units
    ]
    rows += [_Asked(charge, 0, 0, 1, payments.plan) for charge in charges if charge.id in left]
    return tuple([row.drawn(()) for row in rows])


def may_go_back(payments: Payments, attempt: Attempt) -> int:
    """What of an attempt may still be asked back, in minor units: not what the payer's bank took back."""
    return max(0, payments.left(attempt) - attempt.charged_back)


def check_reroute(payments: Payments, leg: RefundLeg, currency: str) -> None:
    """Raise `NotAllowed` for a leg that failed if the payer's bank took the money that it would give back.

    Others that failed claim nothing until they are rerouted themselves.
    """
    attempt = payments.attempt(leg.attempt)
    if not attempt.charged_back:
        return
    others = [
        other.paid
        for part in payments.refunds
        for other in part.legs
        if other.attempt == attempt.id
        and not other.released
        and other.status is not RefundStatus.FAILED
    ]
    left = attempt.captured - attempt.returned - attempt.charged_back - sum(others)
    if left < leg.paid:
        raise _gone_by_bank(attempt.charged_back, leg.paid, max(0, left), currency)


# What is asked back -----------------------------------------------------------------------------


class _Asked:
    """One row of a refund before its cells are known: its place in the plan, and its figures."""

    __slots__ = ("amount", "net", "place", "row", "tax", "units")

    def __init__(
        self,
        row: QuoteLine | QuoteCharge,
        place: int,
        first: int,
        count: int,
        plan: TenderPlan | None,
    ) -> None:
        quantity = getattr(row, "quantity", 1)
        if quantity == 1 or (first == 0 and count == quantity):
            self.amount, self.net, self.tax = row.total, row.net, row.tax
        else:
            share = row.units(first, count)  # type: ignore[union-attr]  # a charge has one unit
            self.amount, self.net, self.tax = share.total, share.net, share.tax
        off = reduction(plan, row) if plan is not None and plan.discounted else 0
        if off:  # no tax stands on what counted as a price reduction
            self.tax = reduced(row, off, first, count).tax
            self.net = self.amount - self.tax
        self.row = row
        self.place = place
        self.units = count

    def drawn(self, cells: tuple[int, ...]) -> RefundRow:
        """The row, with what it takes of each tender."""
        row = self.row
        return RefundRow(
            LineId(row.id), self.units, self.amount, self.net, self.tax, row.tax_ppm, cells
        )


def _asked(
    lines: Sequence[QuoteLine],
    charges: Sequence[QuoteCharge],
    payments: Payments,
    manifest: Manifest,
    with_charges: Sequence[str],
) -> list[_Asked]:
    """The rows that a refund names; raises `InvalidManifest`."""
    done = refunded_units(payments)
    by_id = {line.id: (place, line) for place, line in enumerate(lines)}
    rows: list[_Asked] = []
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
        rows.append(_Asked(line, place, first, units, payments.plan))
    places = {charge.id: (len(lines) + i, charge) for i, charge in enumerate(charges)}
    for i, wanted in enumerate(with_charges):
        if wanted in with_charges[:i]:
            raise InvalidManifest(f"charge {wanted!r} is named twice", path=f"[{wanted}]")
        charge_id = LineId(wanted)
        if charge_id not in places or done.get(charge_id):
            reason_ = f"there is no charge {wanted!r} left to refund"
            raise InvalidManifest(reason_, path=f"[{wanted}]", charge=wanted)
        place, charge = places[charge_id]
        rows.append(_Asked(charge, place, 0, 1, payments.plan))
    if not rows:
        raise InvalidManifest("a refund names at least one unit or charge", path="manifest")
    return rows


# What each tender gives back --------------------------------------------------------------------


def by_tender(payments: Payments) -> dict[int, Attempt]:
    """The attempt that took each tender of the plan in force."""
    found = {a.tender: a for a in payments.current() if a.firm}
    for j, name in enumerate(payments.carried):
        found[j] = payments.attempt(name)
    return found


def _rooms(payments: Payments, plan: TenderPlan) -> list[int]:
    """What each tender of the plan may still give back, in minor units."""
    taken = by_tender(payments)
    drawn = [sum(column) for column in zip(*payments.drawn, strict=True)]
    rooms = []
    for j, tender in enumerate(plan.tenders):
        attempt = taken.get(j)
        held = 0 if attempt is None else may_go_back(payments, attempt)
        rooms.append(min(tender.amount - drawn[j], held))
    return rooms


def _turns(split: RefundSplit, plan: TenderPlan) -> list[int]:
    """The tenders in the order in which they give back."""
    turns = list(range(len(plan.tenders)))
    if split is RefundSplit.REVERSE:
        turns.reverse()
    elif split is RefundSplit.STORED_VALUE_FIRST:
        rank = {kind: i for i, kind in enumerate(_STORED)}
        turns.sort(key=lambda j: rank.get(plan.tenders[j].kind, len(_STORED)))
    return turns


def _wanted(
    split: RefundSplit, total: int, rooms: Sequence[int], turns: Sequence[int]
) -> list[int]:
    """What each tender gives of ``total``, which the rooms hold together."""
    if split is RefundSplit.PRO_RATA:
        return list(allocate(total, rooms))
    wanted = [0] * len(rooms)
    for j in turns:
        wanted[j] = min(rooms[j], total)
        total -= wanted[j]
    return wanted


def _in_whole_trades(
    wanted: Sequence[int], rooms: Sequence[int], units: Sequence[int], turns: Sequence[int]
) -> list[int]:
    """Bend ``wanted`` so that coarse points go in whole trades; money takes up the difference.

    Where money would be left with too little to make change for a trade that is still to go back, more points
    go now. Raises `InvalidManifest` where whole trades cannot make the amount.
    """
    total = sum(wanted)
    give = [want - want % unit for want, unit in zip(wanted, units, strict=True)]
    money = [j for j in turns if units[j] == 1]
    rest = total - sum([part for part, unit in zip(give, units, strict=True) if unit > 1])
    loose = sum([rooms[j] for j in money])
    spare = loose - (max(units) - 1)
    for j in turns:
        unit = units[j]
        if unit > 1 and rest > spare:
            room = (rooms[j] - give[j]) // unit
            more = min(-((spare - rest) // unit), room, rest // unit)
            give[j] += more * unit
            rest -= more * unit
    if rest > loose:
        reason = (
            "what is left cannot pay this amount in whole points: refund more of the order at once"
        )
        raise InvalidManifest(reason, path="manifest", amount=total, money=loose)
    more = rest - sum([give[j] for j in money])
    for j in money if more > 0 else reversed(money):
        step = min(more, rooms[j] - give[j]) if more > 0 else max(more, -give[j])
        give[j] += step
        more -= step
    return give


def _split(
    split: RefundSplit, total: int, payments: Payments, plan: TenderPlan, wanted: Sequence[int] = ()
) -> list[int]:
    """What each tender of the plan gives of ``total``; ``wanted`` is what the rows themselves would draw."""
    rooms = _rooms(payments, plan)
    if sum(rooms) < total:
        raise _taken_back(payments, plan, total, sum(rooms))
    turns = _turns(split, plan)
    found = list(wanted) or _wanted(split, total, rooms, turns)
    units = [tender.quantum_minor for tender in plan.tenders]
    return found if max(units) == 1 else _in_whole_trades(found, rooms, units, turns)


def _taken_back(payments: Payments, plan: TenderPlan, asked: int, left: int) -> NotAllowed:
    """Why a refund is refused for which the tenders hold too little."""
    gone = sum([attempt.charged_back for attempt in payments.attempts])
    if not gone:
        return NotAllowed("the tender's money was not taken", path="refund", left=left)
    return _gone_by_bank(gone, asked, left, plan.currency)


def _gone_by_bank(gone: int, asked: int, left: int, currency: str) -> NotAllowed:
    text, rest = decimal_text(gone, currency), decimal_text(left, currency)
    reason = f"{text} {currency} went back through the payer's bank: {rest} is left for this"
    return NotAllowed(reason, path="refund", charged_back=gone, left=left, asked=asked)


def _drawn(
    rows: Sequence[_Asked], payments: Payments, plan: TenderPlan, units: Sequence[int] | None
) -> list[tuple[int, ...]]:
    """What each row draws of its own cells; raises `InvalidInput` where whole trades cannot make it."""
    return [
        draw(plan.matrix[row.place], payments.drawn[row.place], row.amount, units) for row in rows
    ]


def _cells(
    rows: Sequence[_Asked], payments: Payments, plan: TenderPlan, split: RefundSplit
) -> list[tuple[int, ...]]:
    """What each row of a refund takes of each tender."""
    units = [tender.quantum_minor for tender in plan.tenders]
    coarse = [j for j, unit in enumerate(units) if unit > 1]
    total = sum([row.amount for row in rows])
    wanted: Sequence[int] = ()
    if split in _BY_ROW:
        try:
            cells = _drawn(rows, payments, plan, units if coarse else None)
        except InvalidInput:
            cells = _drawn(rows, payments, plan, None)
        wanted = [sum(column) for column in zip(*cells, strict=True)]
        _check_held(wanted, payments, plan)
        if not any([wanted[j] % units[j] for j in coarse]):
            return cells
    legs = _split(split, total, payments, plan, wanted)
    columns = [Column(leg, None, unit) for leg, unit in zip(legs, units, strict=True)]
    return list(shared([row.amount for row in rows], columns))


def _check_held(legs: Sequence[int], payments: Payments, plan: TenderPlan) -> None:
    """Refuse legs over a tender that does not hold them: nobody took it, or the payer's bank took it back."""
    taken = by_tender(payments)
    for j, amount in enumerate(legs):
        if amount:
            attempt = taken.get(j)
            if attempt is None:
                raise NotAllowed("the tender's money was not taken", path="refund", tender=j)
            if attempt.charged_back:
                left = may_go_back(payments, attempt)
                if amount > left:
                    raise _taken_back(payments, plan, amount, left)


def _legs(rows: Sequence[RefundRow], payments: Payments, way: RefundWay) -> tuple[RefundLeg, ...]:
    """The columns of the cells, each over the attempt that took the tender."""
    plan = payments.plan
    taken = by_tender(payments)
    legs = []
    for j, tender in enumerate(plan.tenders if plan else ()):
        amount = sum([row.cells[j] for row in rows])
        if amount:
            attempt = taken[j]
            legs.append(
                RefundLeg(
                    attempt.id, amount, tender.points_of(amount), gateway=_goes_to(attempt, way),
                    account=way.account,
                )
            )  # fmt: skip
    return tuple(legs)


def all_legs(payments: Payments, way: RefundWay = ORIGINAL) -> tuple[RefundLeg, ...]:
    """All that attempts still hold, whichever goods it paid for, each over its own.

    What payers' banks took back is not held. What is kept for good stays, of what was paid first.
    """
    legs = []
    kept = payments.forfeited
    for name, tender in carried_tenders(payments):
        attempt = payments.attempt(name)
        held = min(tender.amount, may_go_back(payments, attempt))
        stays = min(kept, held)
        kept -= stays
        amount = held - stays
        if amount:
            points = tender.points if amount == tender.amount else tender.points_of(amount)
            legs.append(
                RefundLeg(name, amount, points, gateway=_goes_to(attempt, way), account=way.account)
            )
    return tuple(legs)


def surplus_kept(payments: Payments) -> tuple[tuple[str, int], ...]:
    """What attempts of the payment in force took above what was asked and still hold, in minor units."""
    found = []
    for attempt in payments.current():
        over = attempt.counted - attempt.amount
        if over > 0 and not payments.carried:
            gone = [
                leg.amount
                for refund_ in payments.refunds
                if refund_.surplus
                for leg in refund_.legs
                if leg.attempt == attempt.id
            ]
            rest = min(over - sum(gone), may_go_back(payments, attempt))
            if rest > 0:
                found.append((attempt.id, rest))
    return tuple(found)


def surplus_legs(
    payments: Payments, kept: Sequence[tuple[str, int]], way: RefundWay
) -> tuple[RefundLeg, ...]:
    """The legs of what was kept above the price."""
    return tuple(
        [
            RefundLeg(
                name, amount, 0, gateway=_goes_to(payments.attempt(name), way), account=way.account
            )
            for name, amount in kept
        ]
    )


def _goes_to(attempt: Attempt, way: RefundWay) -> str:
    """The gateway that puts money of an attempt on an account instead; empty for its own way.

    Points stay points, and what came from that very account goes back there by itself.
    """
    if way.split is not RefundSplit.TO_BALANCE or attempt.kind is TenderKind.POINTS:
        return ""
    same = attempt.gateway == way.gateway and attempt.account == way.account
    return "" if same else way.gateway


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
    way: RefundWay = ORIGINAL,
) -> Refund:
    """Work out a refund of the units in ``manifest`` and of the named charges.

    Raises `InvalidManifest` for a line, a charge or units that the order does not have or has no more, and for
    an amount that whole points cannot make; `NotAllowed` where nothing was paid, or the payer's bank took back
    what would go back.
    """
    asked = _asked(lines, charges, payments, manifest, with_charges)
    plan = payments.plan
    if plan is None:
        raise NotAllowed("nothing was paid", path="refund")
    cells = _cells(asked, payments, plan, way.split)
    rows = tuple([row.drawn(part) for row, part in zip(asked, cells, strict=True)])
    amount = sum([row.amount for row in rows])
    return Refund(
        id, rows, _legs(rows, payments, way), amount, reason, recognized, way.split, way.consent
    )


def resolved(payments: Payments, asked: Refund) -> tuple[tuple[int, ...], ...] | None:
    """The matrix that makes room for a refund's cells; ``None`` where the rows hold them as they are.

    What was drawn and what is drawn now stands; what the rows then still owe is matched anew with what the
    tenders then still hold. Both margins stay as they were (law L25).
    """
    plan = payments.plan
    if plan is None or not asked.rows:
        return None
    places = {name: i for i, (name, _) in enumerate(plan.rows)}
    gone = [list(row) for row in payments.drawn]
    for row in asked.rows:
        at = places[row.row]
        gone[at] = [had + cell for had, cell in zip(gone[at], row.cells, strict=True)]
    over = [
        taken > cell
        for cells, row in zip(plan.matrix, gone, strict=True)
        for cell, taken in zip(cells, row, strict=True)
    ]
    if not any(over):
        return None
    rows = [owed - sum(row) for (_, owed), row in zip(plan.rows, gone, strict=True)]
    held = [
        tender.amount - sum(column)
        for tender, column in zip(plan.tenders, zip(*gone, strict=True), strict=True)
    ]
    columns = [
        Column(rest, None, tender.quantum_minor)
        for rest, tender in zip(held, plan.tenders, strict=True)
    ]
    rest = shared(rows, columns)
    return tuple(
        [
            tuple([a + b for a, b in zip(had, left, strict=True)])
            for had, left in zip(gone, rest, strict=True)
        ]
    )


# Cash -------------------------------------------------------------------------------------------


def _coins(payments: Payments, attempt: Attempt, currency: str) -> CashRounding | None:
    """The coins that an attempt was paid in."""
    step = CASH_STEPS.get(currency)
    plan = payments.plan
    if plan is not None:
        for j, tender in enumerate(plan.tenders):
            if tender.coin and tender.kind is TenderKind.CASH and tender.gateway == attempt.gateway:
                found = by_tender(payments).get(j)
                if found is not None and found.id == attempt.id:
                    return CashRounding(tender.coin, step.rounding if step else Rounding.HALF_UP)
    return step


def in_coins(payments: Payments, legs: Sequence[RefundLeg], currency: str) -> tuple[RefundLeg, ...]:
    """The legs, those in cash with what there is no coin for.

    The running sum of what was paid back is rounded, so parts do not drift, and the last part ends at exactly
    what was handed over, also where it goes to an account.
    """
    cash = {
        a.id: a
        for a in payments.attempts
        if a.kind is TenderKind.CASH and (a.captured or a.rounding)
    }
    if not cash:
        return tuple(legs)
    found = []
    for leg in legs:
        attempt = cash.get(leg.attempt)
        rounding = 0
        if attempt is not None:
            before = [
                done
                for refund_ in payments.refunds
                for done in refund_.legs
                if done.attempt == attempt.id
            ]
            asked = sum([done.amount for done in before]) + leg.amount
            paid = sum([done.paid for done in before])
            coins = None if leg.gateway else _coins(payments, attempt, currency)
            goal = min(asked if coins is None else coins.apply(asked), attempt.captured)
            if asked >= attempt.covers:
                goal = attempt.captured
            rounding = max(0, goal - paid) - leg.amount
        if rounding:
            leg = RefundLeg(  # noqa: PLW2901 - the rounded one takes its place
                leg.attempt, leg.amount, leg.points, released=leg.released, gateway=leg.gateway,
                account=leg.account, rounding=rounding,
            )  # fmt: skip
        found.append(leg)
    return tuple(found)
