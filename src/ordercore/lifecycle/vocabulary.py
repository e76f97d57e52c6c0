"""Events that the engine itself sends, where a state lists them."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["NEVER_SEALS", "RELEASING", "VOCABULARY"]

VOCABULARY: Final[Mapping[str, str]] = MappingProxyType(
    {
        "pay": "what is due has been paid in full",
        "accept": "the shop takes the order up",
        "ship": "all that is to be sent has left",
        "receive": "the goods arrived, by the carrier's or the shopper's word, or by time",
        "complete": "the shopper keeps the goods",
        "close": "an unpaid order ran out of time; where the event seals, staff close it for good",
        "cancel": "the order is called off",
        "refund": "all of its money was asked back",
        "refunded": "all of its money has arrived back",
        "recover": "a canceled order is taken up again",
        "revive": "money came for an order that time had ended, and its goods could be had again",
        "confirm": "a review found it valid",
        "reject": "a review found it invalid",
        "due": "an amendment left something to pay",
        "forfeit": "what was paid down is lost, since the rest did not come in time",
    }
)
"""Event and what has happened when the engine sends it. Whoever sends another must be declared."""

RELEASING: Final = frozenset({"cancel", "reject"})
"""After these the order will not be fulfilled, so they lead to a state that releases."""

NEVER_SEALS: Final = frozenset(
    {"pay", "accept", "ship", "refund", "recover", "revive", "confirm", "due"}
)
"""After these the order goes on, so they cannot close it for good."""
