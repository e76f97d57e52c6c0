"""What a payment would come to, and why each tender pays no more: for the page on which a shopper chooses.

The plan is made as a payment makes it. The reasons are worked out beside it, only when somebody asks:
the split is made once more, and what stopped each offer is noted when its turn comes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ordercore.tender.plan import (
    PlannedTender,
    Planner,
    TenderEffect,
    TenderLimit,
    TenderPlan,
    Turn,
    offered,
)
from ordercore.tender.reduction import tax_off
from ordercore.tender.tenders import KINDS, Points, TenderKind
from ordercore.value import value

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ordercore.pricing import QuoteCharge, QuoteLine
    from ordercore.tender.plan import TenderPolicy
    from ordercore.tender.tenders import Tender

__all__ = ["PaymentPreview", "TenderReason", "preview"]

_L = TenderLimit


@value
class TenderReason:
    """What becomes of one offer, in the order in which it was named.

    ``offered`` and ``held`` are points for points, minor units for money; ``None`` where the offer is open, or
    nobody tells what the account holds. ``most`` is what the rule lets it pay of what is left when its turn
    comes, ``used`` what it pays and ``asked`` what is asked of the payer (another figure only for cash), all in
    minor units. ``points`` of the offer are used and ``kept`` (points, or minor units) are not.
    ``limit`` is why it pays no more.
    """

    gateway: str
    kind: TenderKind
    offered: int | None
    held: int | None
    most: int
    used: int
    asked: int
    points: int
    kept: int
    limit: TenderLimit
    effect: TenderEffect = TenderEffect.PAYMENT
    invoiceable: bool = True

    @property
    def covered(self) -> bool:
        """Whether the account holds what is to be taken, as far as somebody tells."""
        taken = self.points if self.kind is TenderKind.POINTS else self.used
        return self.held is None or taken <= self.held


@value
class PaymentPreview:
    """How an order would be paid, and why so. One reason for each offer, in the order of the offers.

    ``tax_off`` is the tax that would stand on the order and does not, since some tenders count as price
    reductions, in minor units.
    """

    plan: TenderPlan
    reasons: tuple[TenderReason, ...]
    tax_off: int = 0

    @property
    def asked(self) -> int:
        """What is asked of payers in all, in minor units: the total, cash as it is handed over."""
        return sum([tender.amount + tender.rounding for tender in self.plan.tenders])


class _Explaining(Planner):
    """The same split, with a note for each offer."""

    __slots__ = ("held", "notes", "size")

    def __init__(
        self,
        rows: Sequence[QuoteLine | QuoteCharge],
        offers: Sequence[Tender],
        policy: TenderPolicy,
        currency: str,
        available: Mapping[int, int],
        carried: Sequence[PlannedTender],
        *,
        coupons: bool,
        held: Mapping[int, int],
    ) -> None:
        super().__init__(rows, offers, policy, currency, available, carried, coupons=coupons)
        self.held = held
        self.notes: dict[int, TenderReason] = {}
        self.size = 0

    def sized(self, turn: Turn) -> PlannedTender | None:
        """Note what it comes to, before the minimum is asked."""
        tender = super().sized(turn)
        self.size = 0 if tender is None else tender.amount
        return tender

    def tender(self, turn: Turn) -> PlannedTender | None:
        """Plan as ever, and note what stopped it."""
        bounds = self._bounds(turn)
        tender = super().tender(turn)
        self.notes[turn.i] = self._note(turn, tender, bounds)
        return tender

    def _bounds(self, turn: Turn) -> list[tuple[int, TenderLimit]]:
        """What may stop it, in minor units; of equal ones the first is told."""
        rule, room = turn.rule, self.room
        if self.stacks:
            why = self.barred(turn)
            if why is not None:
                return [(0, why)]
        bounds = [(room.left, _L.NOTHING_DUE), (room.fits(turn.mask), _L.EXCLUSION)]
        used = self.capped.get(turn.place, 0)
        if rule.cap_share is not None:
            bounds.append((self.share_cap(turn) - used, _L.CAP_SHARE))
        if rule.cap_minor is not None:
            bounds.append((rule.cap_minor - used, _L.CAP_AMOUNT))
        leaves = self.to_leave(turn)
        if leaves:
            bounds.append((room.left - leaves, _L.LEAVES))
        return [(max(0, most), limit) for most, limit in bounds]

    def _note(
        self,
        turn: Turn,
        tender: PlannedTender | None,
        bounds: list[tuple[int, TenderLimit]],
    ) -> TenderReason:
        offer, rule = turn.offer, turn.rule
        asked = offered(offer, self.currency, f"tenders[{turn.i}]")
        known = self.held.get(turn.i)
        counted = self.available.get(turn.i) if self.available else None
        most = min([bound for bound, _ in bounds])
        used = 0 if tender is None else tender.amount
        points = 0 if tender is None else tender.points
        taken = points if isinstance(offer, Points) else used
        return TenderReason(
            offer.gateway,
            KINDS[type(offer)],
            asked,
            known,
            most,
            used,
            used if tender is None else used + tender.rounding,
            points,
            0 if asked is None else asked - taken,
            self._limit(taken, asked, counted, bounds, used=used),
            rule.effect,
            rule.invoiceable,
        )

    def _limit(
        self,
        taken: int,
        asked: int | None,
        held: int | None,
        bounds: list[tuple[int, TenderLimit]],
        *,
        used: int,
    ) -> TenderLimit:
        """Why it is not more. ``taken`` is ``used`` in the unit of the offer."""
        most, why = min(bounds, key=lambda bound: bound[0])
        if most == 0:
            return why
        if self.size and not used:
            return _L.MINIMUM
        if taken == asked:
            return _L.OFFERED
        if taken == held:
            return _L.HELD
        return why if used == most else _L.STEP


def preview(
    rows: Sequence[QuoteLine | QuoteCharge],
    offers: Sequence[Tender],
    policy: TenderPolicy,
    currency: str,
    available: Mapping[int, int],
    held: Mapping[int, int],
    points: int = 0,
    carried: Sequence[PlannedTender] = (),
    *,
    coupons: bool = False,
) -> PaymentPreview:
    """The split that `plan` makes of the same arguments, with a reason for each offer.

    ``held`` tells, by place in ``offers``, what accounts hold, also where a payment would not ask for it
    (points or minor units). Raises what `plan` raises.
    """
    made = _Explaining(
        rows, offers, policy, currency, available, carried, coupons=coupons, held=held
    )
    made.run()
    plan = made.plan(points)
    reasons = tuple([made.notes[i] for i in range(len(offers))])
    return PaymentPreview(plan, reasons, tax_off(rows, plan))
