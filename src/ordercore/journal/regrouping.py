"""What is said where orders go apart and become one: each side names the other, goods and money have one place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ordercore.journal.fields import by_name, goods_of, held_by
from ordercore.journal.sentence import LISTED_MAX, Sentence, say
from ordercore.order.events import (
    Combined,
    MergedInto,
    Rejoined,
    Restored,
    SplitOff,
    SplitUp,
    Unmerged,
)
from ordercore.tender.events import MoneyBroughtIn, MoneyTakenOut

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ordercore.event import Event
    from ordercore.order import Order

__all__ = ["REGROUPING_TOLD"]


def _split_up(event: SplitUp, before: Order, _after: Order) -> tuple[Sentence, ...]:
    parts = event.parts
    numbers = tuple([part.number for part in parts])
    told = [say("split_up", count=len(parts), numbers=numbers)]
    for part in parts[:LISTED_MAX]:
        goods = goods_of(before, part.goods.items)
        fields: dict[str, Any] = {"number": part.number, "goods": goods, "total": part.total}
        if part.reasons:
            told.append(say("split_part_for", **fields, reasons=part.reasons))
        else:
            told.append(say("split_part", **fields))
    return tuple(told)


def _split_off(event: SplitOff, _before: Order | None, after: Order) -> tuple[Sentence, ...]:
    lineage = event.handling.lineage
    parent = "" if lineage is None else lineage.parent
    paid = after.payments.captured
    told = say("split_off", parent=parent, total=after.total, paid=paid)
    if lineage is None or not lineage.reasons:
        return (told,)
    return (told, say("split_off_reasons", reasons=lineage.reasons))


def _combined(event: Combined, _before: Order, after: Order) -> tuple[Sentence, ...]:
    number, due = event.merged.number, after.due
    if due:
        return (say("combined", number=number, total=after.total, due=due),)
    return (say("combined_even", number=number, total=after.total),)


def _unmerged(event: Unmerged, _before: Order, after: Order) -> tuple[Sentence, ...]:
    return (say("unmerged", number=event.merged.number, total=after.total, was=event.was),)


def _taken_out(event: MoneyTakenOut, before: Order, _after: Order) -> tuple[Sentence, ...]:
    gateways = {attempt.id: attempt.gateway for attempt in before.payments.attempts}
    gone = [(m.amount + m.rounding, gateways.get(m.attempt, m.attempt)) for m in event.money]
    return (say("taken_out", payments=by_name(gone)),)


REGROUPING_TOLD: Final[Mapping[type[Event], Callable[[Any, Any, Order], tuple[Sentence, ...]]]] = {
    SplitUp: _split_up,
    SplitOff: _split_off,
    Rejoined: lambda e, _b, a: (say("rejoined", count=len(e.orders), total=a.total),),
    Combined: _combined,
    MergedInto: lambda e, _b, _a: (say("merged_into", number=e.number),),
    Unmerged: _unmerged,
    Restored: lambda e, _b, _a: (say("restored", source=e.source),),
    MoneyBroughtIn: lambda e, _b, _a: (say("brought_in", payments=held_by(e.attempts)),),
    MoneyTakenOut: _taken_out,
}
"""What each event says, given the order before it and after it."""
