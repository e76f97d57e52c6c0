"""What changed from one version of a lifecycle to the next.

Orders stay on the version that they were placed on, so nothing here moves an order.
It answers what a shop asks before it takes a new version into use.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Any

from ordercore.lifecycle.timer import spoken, timing
from ordercore.value import value

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ordercore.lifecycle.table import EventInfo, Lifecycle, StateInfo
    from ordercore.lifecycle.timer import TimerRule

__all__ = ["Difference", "How", "Part", "diff", "left_behind"]


class Part(enum.Enum):
    """What a difference is about."""

    # a member is a singleton, so its identity may be its hash: at the speed of C
    __hash__ = object.__hash__

    LIFECYCLE = "lifecycle"
    STATE = "state"
    TRANSITION = "transition"
    GUARD = "guard"
    EVENT = "event"
    SENDER = "sender"
    TIMER = "timer"
    ITEM = "item"


class How(enum.Enum):
    """Whether it is new, gone, or another."""

    # a member is a singleton, so its identity may be its hash: at the speed of C
    __hash__ = object.__hash__

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


@value
class Difference:
    """One difference: where (``states.paid.cancel``), about what, and what stood and stands there."""

    path: str
    part: Part
    how: How
    old: str
    new: str

    def __str__(self) -> str:
        if self.how is How.ADDED:
            return f"+ {self.path}: {self.new}"
        if self.how is How.REMOVED:
            return f"- {self.path}: {self.old}"
        return f"~ {self.path}: {self.old or 'none'} -> {self.new or 'none'}"


def diff(old: Lifecycle[Any], new: Lifecycle[Any]) -> tuple[Difference, ...]:
    """Tell what differs, in the order of ``new``, then what is gone; empty for two that do the same.

    What belongs to a state, an event or an item that is new or gone is not told beside it,
    except the transitions of a state. Name and version are not compared.
    """
    before, after = dict(_lines(old)), dict(_lines(new))
    found = []
    for path in (*after, *(path for path in before if path not in after)):
        part, then = before.get(path, (None, ""))
        now_part, now = after.get(path, (None, ""))
        if (part, then) == (now_part, now):
            continue
        owner = path.rpartition(".")[0]
        if part is None and now_part is not None:
            if not _told(owner, now_part, before):
                whole = _whole(path, now_part, after)
                found.append(Difference(path, now_part, How.ADDED, "", whole))
        elif now_part is None and part is not None:
            if not _told(owner, part, after):
                whole = _whole(path, part, before)
                found.append(Difference(path, part, How.REMOVED, whole, ""))
        elif part is not None:
            found.append(Difference(path, part, How.CHANGED, then, now))
    return tuple(found)


def left_behind(old: Lifecycle[Any], new: Lifecycle[Any]) -> tuple[str, ...]:
    """States of ``old`` that ``new`` does not have: orders there have no place in the new version."""
    return tuple(info.id for info in old.states if info.id not in new.steps)


def _told(owner: str, part: Part, other: dict[str, tuple[Part, str]]) -> bool:
    """Whether the line goes without saying, because what it belongs to is itself new or gone."""
    is_root = owner.count(".") == 0
    return not is_root and part is not Part.TRANSITION and owner not in other


def _whole(path: str, part: Part, lines: dict[str, tuple[Part, str]]) -> str:
    """A transition that is new or gone is told with its guards."""
    guards = lines.get(f"{path}.guards", (part, ""))[1] if part is Part.TRANSITION else ""
    return f"{lines[path][1]} {guards}".rstrip()


def _lines(lifecycle: Lifecycle[Any]) -> Iterator[tuple[str, tuple[Part, str]]]:
    """A lifecycle as lines of text by path: two are the same if their lines are."""
    yield "initial", (Part.LIFECYCLE, lifecycle.initial)
    yield "prepaid", (Part.LIFECYCLE, _yes(lifecycle.prepaid))
    yield "description", (Part.LIFECYCLE, lifecycle.description)
    for state in lifecycle.states:
        yield from _state(lifecycle, state)
    for event in lifecycle.events:
        yield from _event(lifecycle.info(event))
    for rule in lifecycle.timers:
        yield from _timer(rule)
    for item in lifecycle.items:
        yield f"items.{item.id}", (Part.ITEM, item.name)
        yield f"items.{item.id}.final", (Part.ITEM, _yes(item.final))


def _state(lifecycle: Lifecycle[Any], info: StateInfo) -> Iterator[tuple[str, tuple[Part, str]]]:
    path = f"states.{info.id}"
    yield path, (Part.STATE, info.name)
    yield f"{path}.description", (Part.STATE, info.description)
    yield f"{path}.final", (Part.STATE, _yes(info.final))
    yield f"{path}.releases", (Part.STATE, _yes(info.releases))
    yield f"{path}.color", (Part.STATE, info.color)
    yield f"{path}.step", (Part.STATE, info.step.value if info.step else "")
    yield f"{path}.amend", (Part.STATE, _listed(kind.value for kind in info.amend))
    for event, moves in lifecycle.table[info.id].items():
        yield f"{path}.{event}", (Part.TRANSITION, " or ".join(f"to {m.target}" for m in moves))
        guards = " or ".join(f"[{', '.join(map(str, m.guards))}]" for m in moves)
        shown = guards if any([m.guards for m in moves]) else ""
        yield f"{path}.{event}.guards", (Part.GUARD, shown)


def _event(info: EventInfo) -> Iterator[tuple[str, tuple[Part, str]]]:
    path = f"events.{info.id}"
    yield path, (Part.EVENT, info.name)
    yield f"{path}.description", (Part.EVENT, info.description)
    yield f"{path}.seals", (Part.EVENT, _yes(info.seals))
    senders = "; ".join(
        (f"in {state} " if state else "else ") + (_listed(kind.value for kind in kinds) or "nobody")
        for state, kinds in sorted(info.senders.items(), key=lambda each: (not each[0], each[0]))
    )
    yield f"{path}.by", (Part.SENDER, senders)


def _timer(rule: TimerRule) -> Iterator[tuple[str, tuple[Part, str]]]:
    path = f"timers.{rule.name}"
    sends = f", sends {rule.event}" if rule.event else ""
    yield path, (Part.TIMER, f"{rule.does.value} {timing(rule)}{sends}")
    yield f"{path}.at", (Part.TIMER, rule.at.isoformat() if rule.at else "")
    yield f"{path}.since", (Part.TIMER, rule.since.value)
    yield f"{path}.states", (Part.TIMER, _listed(rule.states))
    yield f"{path}.facts", (Part.TIMER, _listed(rule.facts))
    yield f"{path}.paused_by", (Part.TIMER, _listed(rule.paused_by))
    yield f"{path}.extension", (Part.TIMER, spoken(rule.extension) if rule.extension else "")
    hours = rule.hours
    shown = ""
    if hours is not None:
        days = ", ".join(day.value for day in hours.days)
        shown = f"{days} {hours.opens.isoformat()}-{hours.closes.isoformat()} {hours.zone}"
        shown += "".join(f", not {day}" for day in hours.holidays)
    yield f"{path}.hours", (Part.TIMER, shown)


def _yes(holds: bool) -> str:  # noqa: FBT001 - a fact told as a word
    return "yes" if holds else "no"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))
