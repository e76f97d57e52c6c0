"""The six steps that a shopper sees, whatever the lifecycle behind them."""

from __future__ import annotations

import enum

__all__ = ["VisibleStep"]


class VisibleStep(enum.Enum):
    """Where an order is, as a shopper is told; each state of a lifecycle belongs to one, or to none."""

    # a member is a singleton, so its identity may be its hash: at the speed of C
    __hash__ = object.__hash__

    ORDER = "order"
    PAY = "pay"
    PICK = "pick"
    SHIP = "ship"
    RECEIVE = "receive"
    REVIEW = "review"
