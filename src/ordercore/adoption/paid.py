"""The money of a taken-over order: what was paid, what went back, and what each tender still holds of each row.

Theory of operation. What the host refunded stands as it was made: so much, over those payments. What is left
with each payment is shared over what is left of each row (law L25), and a cell of the plan's matrix is
what was drawn of it together with what is left. So refunds that come after are exact to the last minor unit,
whichever way the former ones went (law L8).

A refund for no goods took something off the price: it belongs to what was agreed before, as after an
amendment. An order that is paid in part has no plan: its money is carried into the next payment. So is a deposit,
which the payment of the balance begins with.

What the shop keeps of an order that will not be fulfilled is neither left to go back nor owed.
"""

from __future__ import annotations

from math import gcd
from typing import TYPE_CHECKING

from ordercore.allocation import Column, allocate, draw
from ordercore.errors import InvalidSnapshot, OrdercoreError
from ordercore.goods import LineId, Manifest
from ordercore.money import MINOR_MAX, decimal_text, to_minor
from ordercore.pricing import QuoteLine
from ordercore.tender import (
    Attempt,
    AttemptState,
    Payments,
    Refund,
    RefundLeg,
    RefundRow,
    RefundStatus,
    TenderKind,
    TenderPlan,
    carried_tenders,
)
from ordercore.tender.attempt import ATTEMPTS_MAX, REFUNDS_MAX
from ordercore.tender.carrying import shared
from ordercore.value import value

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ordercore.adoption.figures import Figures
    from ordercore.adoption.snapshot import Snapshot, SnapshotPayment, SnapshotRefund
    from ordercore.money import Money

__all__ = ["Paid", "paid"]


@value
class Paid:
    """Payments as an order keeps them, with the figures that they pay.

    ``refunded`` are units that went back, by line. ``unsettled`` names the attempts whose money the channel
    still holds. ``remarks`` are (path, what somebody should know).
    """

    payments: Payments
    figures: Figures
    refunded: dict[LineId, int]
    unsettled: tuple[str, ...]
    remarks: tuple[tuple[str, str], ...] = ()


class _Back:
    """A refund half way: what it is for."""

    __slots__ = ("amount", "charges", "goods", "place", "told")

    def __init__(
        self, told: SnapshotRefund, place: int, goods: dict[LineId, int], amount: int | None
    ) -> None:
        self.told = told
        self.place = place
        self.goods = goods
        self.charges = list(told.charges)
        self.amount = amount

    @property
    def names(self) -> bool:
        """Whether it says what it is for."""
        return bool(self.goods or self.charges)


def paid(
    snapshot: Snapshot, figures: Figures, order_id: str, *, recognized: bool, released: bool
) -> Paid:
    """What was paid and refunded; raises `InvalidSnapshot` for sums that cannot be."""
    return _Paying(snapshot, figures, order_id).paid(recognized=recognized, released=released)


class _Paying:
    """One order's payments and refunds in the making."""

    def __init__(self, snapshot: Snapshot, figures: Figures, order_id: str) -> None:
        self.snapshot = snapshot
        self.figures = figures
        self.order_id = order_id
        self.currency = snapshot.currency
        self.remarks: list[tuple[str, str]] = []
        self.attempts = self._attempts()
        self.captured = sum([attempt.amount for attempt in self.attempts])
        self.left = [attempt.amount for attempt in self.attempts]

    def paid(self, *, recognized: bool, released: bool) -> Paid:
        backs = self._backs()
        known = sum([back.amount or 0 for back in backs])
        kept = self._kept(known, released=released)
        if self.captured < self.figures.total and backs and known + kept >= self.captured:
            return self._all_given_back(backs, kept, recognized=recognized, released=released)
        blank = self._blank(backs)
        former = self._former(blank)
        goodwill = blank[len(former) :]
        self._check_sum(backs, sum([back.amount or 0 for back in former]))
        named = [back for back in backs if back not in blank]
        if goodwill:
            barred = {line for back in named for line in back.goods}
            lines = [line.id for line in self.figures.lines if line.id not in barred]
            self._cheaper(goodwill, lines)
        before = tuple([self._refund(back, (), recognized=recognized) for back in blank])
        off = sum([refund.amount for refund in before])
        held = carried_tenders(Payments(attempts=self.attempts, refunds=before))
        ids = tuple([name for name, _ in held])
        carried = (*ids, *[a.id for a in self.attempts if a.id not in ids])
        if self.captured - off < self.figures.total:  # in part: its money goes into the next plan
            after = 2 if self.attempts else 0
            payments = Payments(
                after, None, self.attempts, before, (), carried, len(before), forfeited=kept
            )
            return self._made(payments, {})
        refunds, done, drawn, matrix = self._drawn_down(named, ids, recognized=recognized)
        if not self.attempts:
            return self._made(Payments(), {})
        rows = self.figures.rows()
        plan = TenderPlan(
            self.currency, self.figures.total, tuple([tender for _, tender in held]),
            tuple([(row.id, row.total) for row in rows]), matrix,
        )  # fmt: skip
        payments = Payments(
            1, plan, self.attempts, (*before, *refunds), drawn, carried, len(before),
            forfeited=kept,
        )  # fmt: skip
        return self._made(payments, done)

    def _made(self, payments: Payments, refunded: dict[LineId, int]) -> Paid:
        told = self.snapshot.payments
        unsettled = [a.id for a, one in zip(self.attempts, told, strict=True) if not one.settled]
        return Paid(payments, self.figures, refunded, tuple(unsettled), tuple(self.remarks))

    def _kept(self, refunded: int, *, released: bool) -> int:
        """What the shop keeps for good, of an order that will not be fulfilled."""
        told = self.snapshot.kept
        if told is None:
            return 0
        kept = to_minor(told, self.currency, "kept")
        if kept < 0:
            raise InvalidSnapshot("it is not less than nothing", path="kept", amount=kept)
        if kept and not released:
            reason = "something is kept for good only of an order that will not be fulfilled"
            raise InvalidSnapshot(reason, path="kept")
        left = self.captured - refunded
        if kept > left:
            reason = f"{self._text(kept)} was kept, and {self._text(left)} was left"
            raise InvalidSnapshot(reason, path="kept", amount=kept, left=left)
        return kept

    def _text(self, amount: int) -> str:
        return f"{decimal_text(amount, self.currency)} {self.currency}"

    # --- What was paid -----------------------------------------------------------------------

    def _attempts(self) -> tuple[Attempt, ...]:
        told = self.snapshot.payments
        if len(told) > ATTEMPTS_MAX:
            reason = f"an order has at most {ATTEMPTS_MAX} payments"
            raise InvalidSnapshot(reason, path="payments")
        return tuple([self._attempt(one, place) for place, one in enumerate(told)])

    def _attempt(self, told: SnapshotPayment, place: int) -> Attempt:
        where = f"payments[{place}]"
        amount = self._amount(told.amount, f"{where}.amount")
        if not told.gateway:
            raise InvalidSnapshot("a payment names its gateway", path=f"{where}.gateway")
        points = told.points
        right = type(points) is int and 0 <= points <= MINOR_MAX
        if not right or (points > 0) is not (told.kind is TenderKind.POINTS):
            reason = "a payment in points tells how many, and no other has any"
            raise InvalidSnapshot(reason, path=f"{where}.points")
        return Attempt(
            f"{self.order_id}/{place + 1}", 1, place, told.kind, told.gateway, told.account,
            amount, points, AttemptState.CAPTURED, amount, 0, told.reference, told.at,
        )  # fmt: skip

    def _amount(self, amount: Money, path: str) -> int:
        found = to_minor(amount, self.currency, path)
        if found <= 0:
            raise InvalidSnapshot("it is more than nothing", path=path, amount=found)
        return found

    def _check_sum(self, backs: Sequence[_Back], former: int) -> None:
        """Not more was paid than the order costs; what is paid in part has no refund of goods."""
        total, paid = self.figures.total, self.captured - former
        if paid > total:
            reason = f"{self._text(self.captured)} was paid, the order costs {self._text(total)}"
            raise InvalidSnapshot(reason, path="payments", paid=self.captured, total=total)
        if backs and paid < total:
            reason = (
                f"an order that is paid in part ({self._text(paid)} of {self._text(total)}) "
                f"has no refund but of all that was paid: tell its payments less what went back"
            )
            raise InvalidSnapshot(reason, path="refunds", paid=paid, total=total)

    # --- What went back ----------------------------------------------------------------------

    def _backs(self) -> list[_Back]:
        """The refunds, with the units that lines tell for them."""
        snapshot = self.snapshot
        if len(snapshot.refunds) > REFUNDS_MAX:
            reason = f"an order has at most {REFUNDS_MAX} refunds"
            raise InvalidSnapshot(reason, path="refunds")
        backs = []
        for i, told in enumerate(snapshot.refunds):
            amount = None
            if told.amount is not None:
                amount = self._amount(told.amount, f"refunds[{i}].amount")
            goods = dict(Manifest.of(told.goods.items, f"refunds[{i}].goods").items)
            backs.append(_Back(told, i, {line: int(n) for line, n in goods.items()}, amount))
        self._lines_tell(backs)
        asked = sum([back.amount or 0 for back in backs])
        if asked > self.captured:
            reason = f"{self._text(asked)} was refunded, of {self._text(self.captured)} paid"
            raise InvalidSnapshot(reason, path="refunds", refunded=asked, paid=self.captured)
        return backs

    def _lines_tell(self, backs: list[_Back]) -> None:
        """Units refunded that stand on the lines: for the only refund, or to compare."""
        from ordercore.adoption.snapshot import SnapshotRefund as Told

        lines = self.snapshot.lines
        units: dict[LineId, int] = {}
        for i, (told, line) in enumerate(zip(lines, self.figures.lines, strict=False)):
            number = told.refunded
            if number is None:
                continue
            if type(number) is not int or not 0 <= number <= line.quantity:
                reason = f"{number} of {line.quantity} units were refunded"
                raise InvalidSnapshot(reason, path=f"lines[{i}].refunded")
            if number:
                units[line.id] = number
        if not units:
            return
        if not backs:
            backs.append(_Back(Told(), 0, units, None))
        elif len(backs) == 1 and not backs[0].names:
            backs[0].goods = units
        else:
            sums: dict[LineId, int] = {}
            for back in backs:
                for name, number in back.goods.items():
                    sums[name] = sums.get(name, 0) + number
            if sums != units:
                reason = "refunds name other units than the lines do"
                raise InvalidSnapshot(reason, path="refunds")

    def _blank(self, backs: Sequence[_Back]) -> list[_Back]:
        """Refunds for nothing that they name, but for one of all that was left."""
        blank = [back for back in backs if not back.names]
        if not blank:
            return []
        last = backs[-1]
        if last is blank[-1]:
            done: dict[LineId, int] = {}
            others = sum([self._worth(back, done) for back in backs if back is not last])
            rest = self.captured - others
            if last.amount is None and rest <= 0:
                reason = "nothing was left to go back"
                raise InvalidSnapshot(reason, path=f"refunds[{last.place}]")
            if last.amount is None or last.amount == rest:
                last.amount = rest
                blank.remove(last)
        for back in blank:
            if back.amount is None:
                where = f"refunds[{back.place}].amount"
                raise InvalidSnapshot("it tells neither an amount nor goods", path=where)
        return blank

    def _former(self, blank: Sequence[_Back]) -> list[_Back]:
        """The first of them, where they bring what was paid down to the price: they went back when the
        order was changed, and its price is told as it is since then. The others lower the price."""
        above = self.captured - self.figures.total
        found: list[_Back] = []
        for back in blank:
            if above <= 0:
                break
            above -= back.amount or 0
            found.append(back)
        return found if above == 0 else []

    def _worth(self, back: _Back, done: dict[LineId, int]) -> int:
        """What a refund gave, where it tells; else what its rows cost. Counts its units as done."""
        rows = {row.id: row for row in self.figures.rows()}
        sums = sum([rows[LineId(n)].total for n in back.charges if LineId(n) in rows])
        for name, units in back.goods.items():
            row, first = rows.get(name), done.get(name, 0)
            done[name] = first + units
            if isinstance(row, QuoteLine) and first + units <= row.quantity:
                sums += row.units(first, units).total
        return sums if back.amount is None else back.amount

    def _cheaper(self, goodwill: Sequence[_Back], lines: Sequence[str]) -> None:
        first, off = goodwill[0], sum([back.amount or 0 for back in goodwill])
        try:
            self.figures = self.figures.cheaper(off, lines, first.told.reason or "refunded")
        except InvalidSnapshot as error:
            raise error.at(f"refunds[{first.place}]") from None
        what = f"{self._text(off)} went back for no goods: it is off the price"
        self.remarks.append((f"refunds[{first.place}]", what))

    def _all_given_back(
        self, backs: Sequence[_Back], kept: int, *, recognized: bool, released: bool
    ) -> Paid:
        """All that was paid of an order that was never paid in full went back, but for what is kept for good."""
        for back in backs:
            if back.amount is None:
                where = f"refunds[{back.place}].amount"
                raise InvalidSnapshot("it tells no amount", path=where)
        refunds = tuple([self._refund(back, (), recognized=recognized) for back in backs])
        carried = tuple([attempt.id for attempt in self.attempts])
        # an order that lives on owes its whole price again
        settled = 0 if released else len(refunds)
        payments = Payments(2, None, self.attempts, refunds, (), carried, settled, forfeited=kept)
        done = {line: n for back in backs for line, n in back.goods.items()} if released else {}
        return self._made(payments, done)

    # --- The matrix --------------------------------------------------------------------------

    def _drawn_down(
        self, named: Sequence[_Back], ids: Sequence[str], *, recognized: bool
    ) -> tuple[
        list[Refund], dict[LineId, int], tuple[tuple[int, ...], ...], tuple[tuple[int, ...], ...]
    ]:
        """The refunds with their cells, units refunded by row, what is drawn, and the matrix."""
        rows = self.figures.rows()
        places = {row.id: i for i, row in enumerate(rows)}
        done: dict[LineId, int] = {}
        drawn = [[0] * len(ids) for _ in rows]
        refunds = []
        for back in named:
            told = self._rows(back, done)
            refund = self._refund(back, told, recognized=recognized)
            legs = {leg.attempt: leg.amount for leg in refund.legs}
            columns = [Column(legs.get(name, 0), None, self._step(name)) for name in ids]
            cells = shared([row.amount for row in told], columns)
            made = tuple(
                [
                    RefundRow(r.row, r.units, r.amount, r.net, r.tax, r.tax_ppm, c)
                    for r, c in zip(told, cells, strict=True)
                ]
            )
            for row in made:
                at = places[row.row]
                drawn[at] = [a + b for a, b in zip(drawn[at], row.cells, strict=True)]
            refunds.append(
                Refund(refund.id, made, refund.legs, refund.amount, refund.reason, recognized)
            )
        if not self.attempts:
            return [], {}, (), ()
        by_id = {attempt.id: i for i, attempt in enumerate(self.attempts)}
        rest = [Column(self.left[by_id[name]], None, self._step(name)) for name in ids]
        kept = shared([row.total - sum(d) for row, d in zip(rows, drawn, strict=True)], rest)
        matrix = tuple(
            [
                tuple([a + b for a, b in zip(d, k, strict=True)])
                for d, k in zip(drawn, kept, strict=True)
            ]
        )
        return refunds, done, tuple([tuple(d) for d in drawn]), matrix

    def _step(self, name: str) -> int:
        """The smallest amount of an attempt that is whole points."""
        attempt = self.attempts[int(name.rpartition("/")[2]) - 1]
        return attempt.amount // gcd(attempt.points, attempt.amount) if attempt.points else 1

    def _rows(self, back: _Back, done: dict[LineId, int]) -> tuple[RefundRow, ...]:
        """What a refund takes of each row, without cells; counts its units as done."""
        where = f"refunds[{back.place}]"
        rows = {row.id: row for row in self.figures.rows()}
        if not back.names:  # of everything that is left
            back.goods = {
                line.id: line.quantity - done.get(line.id, 0)
                for line in self.figures.lines
                if line.quantity > done.get(line.id, 0)
            }
            back.charges = [c.id for c in self.figures.charges if not done.get(c.id)]
        found = []
        for name, units in back.goods.items():
            row = rows.get(name)
            if not isinstance(row, QuoteLine):
                reason = f"the order has no line {name!r}"
                raise InvalidSnapshot(reason, path=f"{where}.goods[{name}]", line=name)
            found.append(_line_row(row, done.get(name, 0), units, f"{where}.goods[{name}]"))
            done[name] = done.get(name, 0) + units
        for charge in back.charges:
            charge_id = LineId(charge)
            row = rows.get(charge_id)
            if row is None or isinstance(row, QuoteLine) or done.get(charge_id):
                reason = f"there is no charge {charge!r} to refund"
                raise InvalidSnapshot(reason, path=f"{where}.charges", charge=charge)
            done[charge_id] = 1
            found.append(RefundRow(charge_id, 1, row.total, row.net, row.tax, row.tax_ppm, ()))
        return self._fitted(back, found, where)

    def _fitted(self, back: _Back, rows: list[RefundRow], where: str) -> tuple[RefundRow, ...]:
        """The rows with the amount that went back, which is at most what they cost."""
        cost = sum([row.amount for row in rows])
        if back.amount is None:
            back.amount = cost
        if back.amount > cost:
            reason = (
                f"{self._text(back.amount)} went back for what costs {self._text(cost)}: "
                f"tell the rest as a refund of its own, for no goods"
            )
            raise InvalidSnapshot(reason, path=f"{where}.amount", amount=back.amount, cost=cost)
        if back.amount == cost:
            return tuple(rows)
        what = f"{self._text(cost - back.amount)} of what these goods cost was kept back"
        self.remarks.append((f"{where}.amount", what))
        shares = allocate(back.amount, [row.amount for row in rows])
        made = []
        for row, share in zip(rows, shares, strict=True):
            net, tax = allocate(share, (row.net, row.tax)) if share else (0, 0)
            made.append(RefundRow(row.row, row.units, share, net, tax, row.tax_ppm, ()))
        return tuple(made)

    def _refund(self, back: _Back, rows: tuple[RefundRow, ...], *, recognized: bool) -> Refund:
        """The refund with its legs; what they take is no longer left."""
        where = f"refunds[{back.place}]"
        amount = back.amount or 0
        parts = self._over(back.told, amount, where)
        status = RefundStatus.ARRIVED if back.told.arrived else RefundStatus.ACCEPTED
        legs = []
        for i, (attempt, part) in enumerate(zip(self.attempts, parts, strict=True)):
            if not part:
                continue
            self.left[i] -= part
            points = 0
            if attempt.points:
                points, rest = divmod(part * attempt.points, attempt.amount)
                if rest:
                    reason = f"{self._text(part)} is no whole number of points"
                    raise InvalidSnapshot(reason, path=f"{where}.over")
            legs.append(
                RefundLeg(attempt.id, part, points, status, back.told.reference, back.told.at)
            )
        name = f"{self.order_id}/a{back.place + 1}"
        return Refund(name, rows, tuple(legs), amount, back.told.reason, recognized)

    def _over(self, told: SnapshotRefund, amount: int, where: str) -> list[int]:
        """What goes back over each payment."""
        if not told.over:
            steps = [self._step(attempt.id) for attempt in self.attempts]
            if amount > sum(self.left):
                reason = (
                    f"{self._text(amount)} went back, and {self._text(sum(self.left))} was left"
                )
                raise InvalidSnapshot(reason, path=f"{where}.amount")
            if sum([held > 0 for held in self.left]) > 1 and amount < sum(self.left):
                what = "over which payments it went is not told: they share it in proportion"
                self.remarks.append((f"{where}.over", what))
            try:
                return list(draw(self.left, [0] * len(self.left), amount, steps))
            except OrdercoreError as error:
                reason = f"it cannot be shared over the payments: {error.reason}"
                raise InvalidSnapshot(reason, path=f"{where}.over") from None
        parts = [0] * len(self.left)
        for i, (place, part) in enumerate(told.over):
            path = f"{where}.over[{i}]"
            if type(place) is not int or not 0 <= place < len(parts):
                raise InvalidSnapshot(f"there is no payment {place}", path=path)
            parts[place] += self._amount(part, path)
            if parts[place] > self.left[place]:
                reason = f"payment {place} holds {self._text(self.left[place])}"
                raise InvalidSnapshot(reason, path=path, left=self.left[place])
        if sum(parts) != amount:
            reason = (
                f"the payments gave {self._text(sum(parts))}, the refund is {self._text(amount)}"
            )
            raise InvalidSnapshot(reason, path=f"{where}.over")
        return parts


def _line_row(line: QuoteLine, first: int, units: int, path: str) -> RefundRow:
    """Some units of a line, as a refund takes them."""
    if first + units > line.quantity:
        reason = f"{first + units} of {line.quantity} units were refunded"
        raise InvalidSnapshot(reason, path=path, units=first + units, quantity=line.quantity)
    if units == line.quantity:
        return RefundRow(line.id, units, line.total, line.net, line.tax, line.tax_ppm, ())
    share = line.units(first, units)
    return RefundRow(line.id, units, share.total, share.net, share.tax, line.tax_ppm, ())
