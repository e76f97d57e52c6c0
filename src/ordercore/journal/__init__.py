"""What happened to an order, and how far it has come, for people to read.

The *journal* tells of one order who did what, when and why, what each event changed, and which money
moved in the books (law L15). It is read off the stored events alone, so it cannot disagree with them.
*Progress* shows the six steps that a shopper knows, whatever the lifecycle behind them.

Both can be had as values, as text in the reader's language, as plain data for JSON; the journal also
as a picture. Who acts is told by id. Addresses, accounts and contacts are told nowhere,
and of notes only those that the customer may read.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ordercore.journal.record import Journal, JournalEntry, Position, journal_of
from ordercore.journal.sentence import SENTENCES, Sentence
from ordercore.journal.steps import Progress, StepProgress, StepStanding, progress

if TYPE_CHECKING:
    from ordercore.journal.rendering import plain, steps_plain, steps_text, text, what
    from ordercore.journal.timeline import svg

__all__ = [
    # what happened
    "Journal",
    "JournalEntry",
    "Position",
    "journal_of",
    # how far it is
    "Progress",
    "StepProgress",
    "StepStanding",
    "progress",
    # for people and machines
    "SENTENCES",
    "Sentence",
    "plain",
    "steps_plain",
    "steps_text",
    "svg",
    "text",
    "what",
]

# loaded when somebody reads: an engine that only writes needs none of it
_LATER = {
    "plain": "rendering",
    "steps_plain": "rendering",
    "steps_text": "rendering",
    "svg": "timeline",
    "text": "rendering",
    "what": "rendering",
}


def __getattr__(name: str) -> Any:
    if name in _LATER:
        return getattr(import_module(f"ordercore.journal.{_LATER[name]}"), name)
    reason = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(reason)
