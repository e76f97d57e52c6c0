"""Marking: notes, tags, whose work an order is, the status of single lines. None of it moves goods or money."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ordercore.errors import InvalidInput, InvalidManifest
from ordercore.order.commands import AddNote, Assign, MarkItem, Tag
from ordercore.order.events import Assigned, ItemMarked, Noted, Tagged
from ordercore.order.handling import NOTES_MAX, TAGS_MAX, Note
from ordercore.party import ActorKind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ordercore.order.rules.deciding import Deciding, Guard, Rule

__all__ = ["GUARDS", "RULES", "TEXT_MAX"]

TEXT_MAX = 4_000
"""Longest note, in characters."""
NAME_MAX = 64
"""Longest tag, assignee or status."""


def named(text: object, path: str, most: int = NAME_MAX) -> str:
    """A text of 1 to ``most`` characters; raises `InvalidInput` with its path."""
    if not isinstance(text, str) or not 0 < len(text.strip()) <= len(text) <= most:
        raise InvalidInput(f"a text of 1 to {most} characters", path=path)
    return text


def note(deciding: Deciding, command: AddNote) -> None:
    """Keep a remark. What a customer writes, the customer may read."""
    situation = deciding.situation
    text = named(command.text, "text", TEXT_MAX)
    if len(deciding.order.handling.notes) >= NOTES_MAX:
        raise InvalidInput(f"an order has at most {NOTES_MAX} notes", path="text")
    shown = command.shown or situation.by.kind is ActorKind.CUSTOMER
    deciding.apply(Noted(Note(situation.at, situation.by, text, shown)))


def tag(deciding: Deciding, command: Tag) -> None:
    """Put tags on and take tags off; what is so already is no event."""
    tags = deciding.order.handling.tags
    for i, name in enumerate((*command.add, *command.remove)):
        named(name, f"tags[{i}]")
    removed = tuple(dict.fromkeys([name for name in command.remove if name in tags]))
    added = tuple(
        dict.fromkeys([n for n in command.add if n not in tags and n not in command.remove])
    )
    if len(tags) - len(removed) + len(added) > TAGS_MAX:
        raise InvalidInput(f"an order has at most {TAGS_MAX} tags", path="tags")
    if added or removed:
        deciding.apply(Tagged(added, removed))


def assign(deciding: Deciding, command: Assign) -> None:
    """Say whose work the order is."""
    to = named(command.to, "to") if command.to else ""
    if to != deciding.order.handling.assigned:
        deciding.apply(Assigned(to))


def mark_item(deciding: Deciding, command: MarkItem) -> None:
    """Give a line a status that the lifecycle lists."""
    order = deciding.order
    if order.content.line(command.line) is None:
        known = tuple(line.id for line in order.content.lines)
        raise InvalidManifest(f"the order has no line {command.line!r}", path="line", known=known)
    statuses = tuple(status.id for status in deciding.situation.lifecycle.items)
    if command.status not in statuses:
        reason = f"{command.status!r} is no status of an item of this lifecycle"
        raise InvalidInput(reason, path="status", allowed=statuses)
    if (command.line, command.status) not in order.handling.items:
        deciding.apply(ItemMarked(command.line, command.status))


RULES: Mapping[type[Any], Rule] = {AddNote: note, Tag: tag, Assign: assign, MarkItem: mark_item}
GUARDS: Mapping[type[Any], Guard] = {}
