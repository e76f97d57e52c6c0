"""Money that is parted among the orders which one order is split into.

What the tenders of an order still hold is handed to its parts: where the frozen matrix holds for today's rows, each
row takes its own cells along, and a row that is cut is cut by controlled rounding, so the parts' matrices add up to
what was left of the whole (laws L16 split conserves, L25 matrix). Where only a part of the price is paid, or
points go in coarse trades, what each part gets is solved first, then over its rows.

A part's attempts have the name under which the gateway knows the money: a refund finds the original payment.
"""

from __future__ import annotations

from math import gcd
from typing import TYPE_CHECKING

from ordercore.allocation import Column, allocate, matrix
from ordercore.errors import InvalidInput
from ordercore.money import CASH_STEPS
from ordercore.tender.attempt import Attempt, AttemptState, Payments
from ordercore.tender.carrying import carried_tenders, shared
from ordercore.tender.channel import FundShare
from ordercore.tender.events import undrawn
from ordercore.tender.plan import PlannedTender, TenderPlan, discounted
from ordercore.tender.refund import by_tender
from ordercore.tender.tenders import TenderKind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ordercore.goods import LineId

__all__ = ["CAME_ALONG", "Owed", "held_again", "parted", "portioned", "rounding_left"]

CAME_ALONG = -1
"""The payment that attempts belong to which came from another order: none of this one."""
Owed = tuple["LineId", int]
"""A row of an order, and what it costs in minor units."""

_Cells = tuple[int, ...]


def parted(
    payments: Payments, currency: str, parts: Sequence[Sequence[Owed]], *, by_row: bool
) -> tuple[Payments, ...]:
    """The payments of each part; ``parts`` are the rows that each takes along, with what they cost.

    ``by_row``: the matrix in force is for today's rows and covers them, so rows keep their cells.
    An order of which nothing was paid gives parts of which nothing is paid. Raises `InvalidInput` where points are
    so coarse that a part would get money's worth of them, but no point.
    """
    plan = payments.plan
    cells: list[list[_Cells]] | None = None
    if by_row and plan is not None and _untouched(payments, plan):
        held = [
            _Held(attempt, tender, attempt.rounding)
            for attempt, tender in zip(payments.attempts, plan.tenders, strict=True)
        ]
        names = [name for name, _ in plan.rows]
        cells = _spread(dict(zip(names, plan.matrix, strict=True)), dict(plan.rows), parts)
    else:
        held = _held(payments)
        if not held:
            return tuple([Payments()] * len(parts))
        coarse = any([one.tender.quantum_minor > 1 for one in held])
        if by_row and plan is not None and not coarse:
            left = _left(payments, plan, held)
            if left is not None:
                wholes = {name: sum(row) for name, row in left.items()}
                cells = _spread(left, wholes, parts)
    if cells is None:
        cells = _solved([one.tender for one in held], parts)
    sums = [[sum(column) for column in zip(*rows, strict=True)] for rows in cells]
    taken: list[_Taken] = [([], []) for _ in parts]
    for j, one in enumerate(held):
        one.cut([mine[j] if mine else 0 for mine in sums], taken, currency)
    return tuple(
        [_payments(currency, rows, cells[k], sums[k], taken[k]) for k, rows in enumerate(parts)]
    )


_Taken = tuple[list[PlannedTender], list[Attempt]]
"""The tenders of a part, and the attempts that they stand for."""


class _Held:
    """Money that an attempt still holds."""

    __slots__ = ("attempt", "rounding", "tender")

    def __init__(self, attempt: Attempt, tender: PlannedTender, rounding: int) -> None:
        self.attempt = attempt
        self.tender = tender
        self.rounding = rounding

    def cut(self, amounts: Sequence[int], taken: Sequence[_Taken], currency: str) -> None:
        """Give each part its piece: of the money, of the points, of cash rounding, of what merchants have of it."""
        tender, attempt = self.tender, self.attempt
        points = _points(tender, amounts) if tender.kind is TenderKind.POINTS else ()
        roundings = _roundings(tender, self.rounding, amounts, currency)
        shares = _funds(attempt.shares, amounts) if attempt.shares else ()
        for k, amount in enumerate(amounts):
            if amount:
                planned, attempts = taken[k]
                piece = tender
                if amount != tender.amount:
                    piece = portioned(tender, amount, points[k] if points else 0)
                rounding = roundings[k] if roundings else 0
                own = shares[k] if shares else ()
                attempts.append(_share(attempt, len(planned), piece, rounding, own))
                planned.append(piece)


def _points(tender: PlannedTender, amounts: Sequence[int]) -> Sequence[int]:
    """The points that parts of a tender are. Where whole trades fit into no part of the price, points are shared as
    units, so that none is lost."""
    minor, points = tender.quantum_minor, tender.quantum_points
    if minor == 1:
        return [amount * points for amount in amounts]
    if not any([amount % minor for amount in amounts]):
        return [amount // minor * points for amount in amounts]
    units = allocate(tender.points, amounts)
    for k, (amount, part) in enumerate(zip(amounts, units, strict=True)):
        if amount and not part:
            reason = (
                "the part's share of the points that paid is less than one point: "
                "nothing would go back for it"
            )
            raise InvalidInput(reason, path=f"parts[{k}]", points=tender.points)
    return units


def _roundings(
    tender: PlannedTender, rounding: int, amounts: Sequence[int], currency: str
) -> Sequence[int]:
    """What coins add to each part of a cash tender, or take from it.

    What was handed over is shared in whole coins, so that what is in the till for a part can be paid out again.
    What no coin of it makes up stays with the last part.
    """
    coins = CASH_STEPS.get(currency)
    step = tender.coin or (1 if coins is None else coins.step)
    if tender.kind is not TenderKind.CASH or step == 1:
        return allocate(rounding, amounts) if rounding else ()
    takers = [k for k, amount in enumerate(amounts) if amount]
    if not rounding and len(takers) == 1:
        return ()
    pieces, rest = divmod(sum(amounts) + rounding, step)
    paid = [share * step for share in allocate(pieces, amounts)]
    paid[takers[-1]] += rest
    return [had - amount for had, amount in zip(paid, amounts, strict=True)]


def _funds(shares: Sequence[FundShare], amounts: Sequence[int]) -> list[tuple[FundShare, ...]]:
    """What merchants have of each part, by the running sum of the parts."""
    held, before = sum(amounts), 0
    found = []
    for amount in amounts:
        mine = [
            FundShare(
                told.merchant,
                told.amount * (before + amount) // held - told.amount * before // held,
            )
            for told in shares
        ]
        found.append(tuple([share for share in mine if share.amount]))
        before += amount
    return found


def _held(payments: Payments) -> list[_Held]:
    found = []
    for name, tender in carried_tenders(payments):
        attempt = payments.attempt(name)
        found.append(_Held(attempt, tender, rounding_left(payments, attempt)))
    return found


def _untouched(payments: Payments, plan: TenderPlan) -> bool:
    """Whether all of the first payment was taken at once as planned, in money or single points, and nothing moved
    since: the usual case, in which the plan says all."""
    attempts, tenders = payments.attempts, plan.tenders
    if payments.refunds or payments.carried or len(attempts) != len(tenders) or not attempts:
        return False
    taken = AttemptState.CAPTURED
    for j, (attempt, tender) in enumerate(zip(attempts, tenders, strict=True)):
        if (
            attempt.state is not taken
            or attempt.tender != j
            or attempt.round != payments.round
            or attempt.released
            or attempt.captured - attempt.rounding != tender.amount
            or tender.quantum_minor != 1
            or tender.kept
            or tender.rounding
        ):
            return False
    return True


def _spread(
    left: Mapping[LineId, _Cells], wholes: Mapping[LineId, int], parts: Sequence[Sequence[Owed]]
) -> list[list[_Cells]] | None:
    """Each part's rows with their cells; ``wholes`` are the sums of what is ``left`` of each row. ``None`` where the
    parts do not come to that."""
    nothing: _Cells | None = None
    cut: dict[LineId, list[tuple[int, int, int]]] = {}
    taken = 0
    found: list[list[_Cells]] = []
    for k, rows in enumerate(parts):
        mine = []
        for name, cost in rows:
            taken += cost
            whole = wholes.get(name)
            if whole is None:
                return None
            if cost == whole:  # all that is left of a row goes one way: the very cells
                mine.append(left[name])
                continue
            if cost:
                cut.setdefault(name, []).append((k, len(mine), cost))
            if nothing is None:
                nothing = (0,) * len(left[name])
            mine.append(nothing)
        found.append(mine)
    if taken != sum(wholes.values()):
        return None
    for name, takers in cut.items():
        costs = [cost for _, _, cost in takers]
        if sum(costs) != wholes[name]:
            return None
        for (k, at, _), cells in zip(takers, matrix(costs, left[name]), strict=True):
            found[k][at] = cells
    return found


def _left(
    payments: Payments, plan: TenderPlan, held: Sequence[_Held]
) -> dict[LineId, _Cells] | None:
    """What is left of each row's cells, by what is held; ``None`` where other money holds than the plan's."""
    places = {
        found.id: j for j, found in by_tender(payments).items() if j < len(plan.tenders)
    }  # fmt: skip
    columns = [places.get(one.attempt.id, -1) for one in held]
    if -1 in columns:
        return None
    amounts = [one.tender.amount for one in held]
    names = [name for name, _ in plan.rows]
    whole = not payments.refunds and amounts == [tender.amount for tender in plan.tenders]
    if whole and columns == list(range(len(columns))):
        return dict(zip(names, plan.matrix, strict=True))
    left: dict[LineId, _Cells] = {}
    for name, cells, drawn in zip(names, plan.matrix, payments.drawn, strict=True):
        rest = [cell - gone for cell, gone in zip(cells, drawn, strict=True)]
        left[name] = tuple([rest[j] for j in columns])
        if sum(left[name]) != sum(rest):
            return None
    if [sum(column) for column in zip(*left.values(), strict=True)] != amounts:
        return None
    return left


def _solved(
    tenders: Sequence[PlannedTender], parts: Sequence[Sequence[Owed]]
) -> list[list[_Cells]]:
    """What tenders hold, over parts by what they cost, then over the rows of each."""
    costs = [sum([cost for _, cost in rows]) for rows in parts]
    paid = sum([tender.amount for tender in tenders])
    shares = allocate(paid, costs)
    columns = [Column(tender.amount, None, tender.quantum_minor) for tender in tenders]
    across = shared(shares, columns)
    found = []
    for rows, share, amounts in zip(parts, shares, across, strict=True):
        owed = allocate(share, [cost for _, cost in rows]) if rows else ()
        inner = [
            Column(amount, None, tender.quantum_minor)
            for amount, tender in zip(amounts, tenders, strict=True)
        ]
        found.append([tuple(cells) for cells in shared(owed, inner)] if rows else [])
    return found


def _payments(
    currency: str,
    rows: Sequence[Owed],
    cells: Sequence[_Cells],
    sums: Sequence[int],
    taken: _Taken,
) -> Payments:
    """The payments of one part: its share of each tender, under the name of the attempt that took it."""
    tenders, attempts = tuple(taken[0]), tuple(taken[1])
    if not tenders:
        return Payments()
    if len(tenders) < len(sums):
        live = [j for j, amount in enumerate(sums) if amount]
        cells = [tuple([row[j] for j in live]) for row in cells]
    kept, named, paid = tuple(cells), tuple(rows), sum(sums)
    if sum([cost for _, cost in rows]) != paid:  # a part of the price is paid
        named = tuple([(row[0], sum(mine)) for row, mine in zip(rows, kept, strict=True)])
    plan = TenderPlan(currency, paid, tenders, named, kept, discounted(tenders, kept))
    names = tuple([attempt.id for attempt in attempts])
    return Payments(0, plan, attempts, (), undrawn(plan), names)


def portioned(tender: PlannedTender, amount: int, points: int) -> PlannedTender:
    """The tender for a part of its amount, which is so many points.

    Points that are no whole trades of the whole are one trade of their own: they go back together.
    """
    of, minor = tender.quantum_points, tender.quantum_minor
    if points * minor != amount * of:
        common = gcd(points, amount)
        of, minor = points // common, amount // common
    return PlannedTender(
        tender.kind, tender.gateway, tender.account, amount, points, 0, of, minor, 0,
        tender.discount, tender.invoiceable, tender.coin,
    )  # fmt: skip


def rounding_left(payments: Payments, attempt: Attempt) -> int:
    """What of the cash rounding of an attempt was not undone by refunds, in minor units."""
    if not (attempt.rounding or payments.refunds):
        return 0
    legs = [leg for done in payments.refunds for leg in done.legs if leg.attempt == attempt.id]
    return attempt.rounding + sum([leg.amount - leg.paid for leg in legs])


def _share(
    attempt: Attempt,
    place: int,
    tender: PlannedTender,
    rounding: int,
    shares: tuple[FundShare, ...],
) -> Attempt:
    """A part of what an attempt took."""
    return Attempt(
        attempt.id, CAME_ALONG, place, attempt.kind, attempt.gateway, attempt.account, tender.amount,
        tender.points, AttemptState.CAPTURED, tender.amount + rounding, 0, attempt.reference,
        attempt.at, "", None, attempt.capture, False, 0, 0, 0, rounding, None, (), attempt.method,  # noqa: FBT003
        None, 0, shares,
    )  # fmt: skip


def held_again(payments: Payments) -> tuple[Attempt, ...]:
    """What attempts still hold, each as an attempt of just that: for an order that takes the money over."""
    found = []
    for place, (name, tender) in enumerate(carried_tenders(payments)):
        attempt = payments.attempt(name)
        rounding = rounding_left(payments, attempt)
        found.append(_share(attempt, place, tender, rounding, attempt.shares))
    return tuple(found)
