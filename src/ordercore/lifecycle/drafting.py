"""One pass over a lifecycle document: what it says, and each place where it is wrong.

A draft holds what was readable, so that one run finds all faults.
States and transitions that a table can keep go on to python-statemachine's own reader as they stand
(`Draft.chart`); the other keys are read here.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Final, TypeVar

from ordercore.calendar import Weekday, WorkingHours
from ordercore.errors import InvalidInput
from ordercore.lifecycle.faults import Fault, FaultKind
from ordercore.lifecycle.guards import BoundGuard, read_guard, unbound
from ordercore.lifecycle.table import EventInfo, ItemStatus, StateInfo, titled
from ordercore.lifecycle.timer import (
    DEADLINES,
    DEFAULT_SENDS,
    Since,
    TimerAction,
    TimerRule,
    duration,
)
from ordercore.lifecycle.visible import VisibleStep
from ordercore.party import ActorKind

if TYPE_CHECKING:
    import enum
    from collections.abc import Iterator

E = TypeVar("E", bound="enum.Enum")

STATES_MAX: Final = 200
TRANSITIONS_MAX: Final = 100
"""Most transitions out of one state."""
EVENTS_MAX: Final = 300
TIMERS_MAX: Final = 100
ITEMS_MAX: Final = 100
_NAMES_MAX: Final = 200  # names in one list
_TEXT_MAX: Final = 500

_COLOR = re.compile(r"#[0-9a-f]{6}")
_ID = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")
_TRUE: Final = frozenset({"true", "yes", "on"})
_FALSE: Final = frozenset({"false", "no", "off"})

_DOCUMENT_KEYS: Final = frozenset(
    {"lifecycle", "version", "description", "prepaid", "items", "states", "events", "timers"}
)
_STATE_KEYS: Final = frozenset(
    {"initial", "final", "transitions", "name", "description", "color", "step", "amend", "releases"}
)
_TRANSITION_KEYS: Final = frozenset({"event", "target", "cond", "unless"})
_EVENT_KEYS: Final = frozenset({"name", "by", "seals", "description"})
_ITEM_KEYS: Final = frozenset({"name", "final"})
_TIMER_KEYS: Final = frozenset(
    {"name", "does", "states", "since", "after", "at", "facts", "paused_by", "hours", "sends"}
    | {"extension"}
)
_HOURS_KEYS: Final = frozenset({"zone", "days", "opens", "closes", "holidays"})

_NO_CALLBACKS: Final = "a table calls nothing: act on the order's events instead"
_NOT_KEPT: Final[Mapping[str, str]] = {
    "datamodel": "a table has no variables: guards ask facts about the order",
    "parallel": "parallel states have no single row: keep the lifecycle flat",
    "states": "nested states have no single row: keep the lifecycle flat",
    "history": "a table keeps no history: an order knows where it was from its events",
    "invoke": "a table starts no process: act on the order's events instead",
    "donedata": "a table passes no data on",
    "enter": _NO_CALLBACKS,
    "exit": _NO_CALLBACKS,
    "on": _NO_CALLBACKS,
    "before": _NO_CALLBACKS,
    "after": _NO_CALLBACKS,
    "validators": _NO_CALLBACKS,
    "internal": "internal transitions have no place in a table",
    "initial": "a transition into a nested state has no place in a table",
}
"""What python-statemachine's documents can say and a table cannot keep, with the reason."""
_REFUSED_IN_DOCUMENT: Final = frozenset({"datamodel"})
_REFUSED_IN_STATE: Final = frozenset(
    {"parallel", "states", "history", "invoke", "donedata", "enter", "exit"}
)
_REFUSED_IN_TRANSITION: Final = frozenset(
    {"on", "before", "after", "validators", "internal", "initial"}
)


@dataclass(slots=True, frozen=True)
class Step:
    """One transition as written; ``guarded`` if it may be refused."""

    path: str
    event: str
    target: str
    guarded: bool


@dataclass(slots=True)
class Draft:
    """What a document says. Only one without faults is complete."""

    name: str = ""
    version: int = 1
    description: str = ""
    prepaid: bool = True
    initial: str = ""
    states: dict[str, StateInfo] = field(default_factory=dict)
    steps: dict[str, list[Step]] = field(default_factory=dict)
    events: dict[str, EventInfo] = field(default_factory=dict)
    timers: list[TimerRule] = field(default_factory=list)
    timer_paths: list[str] = field(default_factory=list)
    items: list[ItemStatus] = field(default_factory=list)
    chart: dict[str, Any] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)


def draft(document: object, facts: Collection[str]) -> Draft:
    """Read a document as far as it can be read. It never raises for what the document says."""
    reader = _Reader(facts)
    reader.read(document)
    return reader.draft


class _Reader:
    def __init__(self, facts: Collection[str]) -> None:
        self.facts = facts
        self.draft = Draft()

    # --- what is wrong ---------------------------------------------------------------------

    def fault(self, path: str, kind: FaultKind, reason: str) -> None:
        self.draft.faults.append(Fault(path, kind, reason))

    def shape(self, path: str, wanted: str, found: object) -> None:
        self.fault(path, FaultKind.SHAPE, f"needs {wanted}, not {_told(found)}")

    def unknown(self, path: str, what: str, found: object, known: Collection[str]) -> None:
        close = get_close_matches(str(found)[:64], known, n=1)
        hint = f"; did you mean '{close[0]}'?" if close else f"; known: {', '.join(known)}"
        kind = FaultKind.UNKNOWN_STATE if what == "state" else FaultKind.UNKNOWN_VALUE
        self.fault(path, kind, f"there is no {what} {_told(found)}{hint}")

    # --- plain values ----------------------------------------------------------------------

    def keys(
        self, found: Mapping[Any, Any], path: str, known: frozenset[str], refused: frozenset[str]
    ) -> None:
        for key in found:
            where = _joined(path, str(key)[:64])
            if key in refused:
                reason = _NOT_KEPT[key]
                if _is_delayed(found[key]):
                    reason = "a delayed send waits in memory: write a timer instead"
                self.fault(where, FaultKind.NOT_KEPT, reason)
            elif key not in known:
                close = get_close_matches(str(key)[:64], known, n=1)
                hint = f"did you mean '{close[0]}'?" if close else f"known: {_listed(known)}"
                self.fault(where, FaultKind.UNKNOWN_KEY, f"there is no such key; {hint}")

    def mapping(self, found: object, path: str, limit: int = _NAMES_MAX) -> Mapping[Any, Any]:
        if not isinstance(found, Mapping):
            self.shape(path, "a mapping", found)
            return {}
        if len(found) > limit:
            self.fault(path, FaultKind.TOO_LARGE, f"holds {len(found)}, and at most {limit} can be")
            return {}
        return found

    def listed(self, found: object, path: str, limit: int = _NAMES_MAX) -> list[Any]:
        if not isinstance(found, (list, tuple)):
            self.shape(path, "a list", found)
            return []
        if len(found) > limit:
            self.fault(path, FaultKind.TOO_LARGE, f"holds {len(found)}, and at most {limit} can be")
            return []
        return list(found)

    def text(self, found: object, path: str) -> str:
        if not isinstance(found, str):
            self.shape(path, "text", found)
            return ""
        if len(found) > _TEXT_MAX:
            self.fault(path, FaultKind.TOO_LARGE, f"is longer than {_TEXT_MAX} characters")
            return ""
        return found

    def flag(self, found: object, path: str) -> bool:
        if isinstance(found, bool):
            return found
        word = found.strip().lower() if isinstance(found, str) else ""
        if word not in _TRUE | _FALSE:
            self.shape(path, "true or false", found)
        return word in _TRUE

    def named(self, found: object, path: str) -> str:
        """Read a name that is stored: letters, digits and underscores."""
        if not isinstance(found, str):
            self.shape(path, "a name", found)
            return ""
        if not _ID.fullmatch(found):
            reason = (
                f"{_told(found)} is no name: letters, digits and '_', at most 64, a letter first"
            )
            self.fault(path, FaultKind.BAD_NAME, reason)
            return ""
        return found

    def free(self, name: str, path: str) -> str:
        """A state or an event named as a part of python-statemachine would take its place there."""
        if name and _is_taken(name):
            reason = f"'{name}' is a word of python-statemachine's own: choose another"
            self.fault(path, FaultKind.BAD_NAME, reason)
        return name

    def choice(self, of: type[E], found: object, path: str, what: str) -> E | None:
        for member in of:
            if member.value == found:
                return member
        self.unknown(path, what, found, [str(member.value) for member in of])
        return None

    def actors(self, found: object, path: str) -> frozenset[ActorKind]:
        kinds = [
            self.choice(ActorKind, each, f"{path}[{place}]", "actor")
            for place, each in enumerate(self.listed(found, path))
        ]
        return frozenset(kind for kind in kinds if kind is not None)

    def state_names(self, found: object, path: str) -> tuple[str, ...]:
        names = []
        for place, name in enumerate(self.listed(found, path)):
            if isinstance(name, str) and name in self.draft.states:
                names.append(name)
            else:
                self.unknown(f"{path}[{place}]", "state", name, list(self.draft.states))
        return tuple(names)

    def span(self, found: object, path: str) -> timedelta | None:
        read = duration(found) if isinstance(found, str) else None
        if read is None:
            self.shape(path, "a duration as text, such as '30 min' or '7 days'", found)
        return read

    # --- the document ----------------------------------------------------------------------

    def read(self, document: object) -> None:
        if not isinstance(document, Mapping):
            self.shape("", "a mapping with 'lifecycle' and 'states'", document)
            return
        out = self.draft
        self.keys(document, "", _DOCUMENT_KEYS, _REFUSED_IN_DOCUMENT)
        if "lifecycle" in document:
            out.name = self.named(document["lifecycle"], "lifecycle")
        else:
            self.fault("lifecycle", FaultKind.SHAPE, "the lifecycle's name is missing")
        version = document.get("version", 1)
        if type(version) is int and 1 <= version < 10**6:
            out.version = version
        else:
            self.shape("version", "a whole number from 1 on", version)
        out.description = self.text(document.get("description", ""), "description")
        out.prepaid = self.flag(document.get("prepaid", True), "prepaid")
        self.read_states(document)
        self.read_events(self.mapping(document.get("events", {}), "events", EVENTS_MAX))
        self.read_timers(self.listed(document.get("timers", []), "timers", TIMERS_MAX))
        self.read_items(self.mapping(document.get("items", {}), "items", ITEMS_MAX))

    def read_states(self, document: Mapping[Any, Any]) -> None:
        if not document.get("states"):
            self.fault("states", FaultKind.SHAPE, "a lifecycle has states")
            return
        found = self.mapping(document["states"], "states", STATES_MAX)
        rows = {}
        for id_, raw in found.items():
            path = f"states.{str(id_)[:64]}"
            name = self.free(self.named(id_, path), path)
            row = self.mapping({} if raw is None else raw, path)
            self.read_state(name or str(id_)[:64], row, path)
            rows[name or str(id_)[:64]] = row
        self.find_initial(rows)
        for name, row in rows.items():
            self.read_transitions(name, row)
        self.draft.chart = {"name": self.draft.name or "lifecycle", "states": self.kept(rows)}

    def read_state(self, name: str, row: Mapping[Any, Any], path: str) -> None:
        self.keys(row, path, _STATE_KEYS, _REFUSED_IN_STATE)
        color = row.get("color", "")
        if color != "" and not (isinstance(color, str) and _COLOR.fullmatch(color)):
            reason = f"{_told(color)} is not a color like '#d8e9f7'"
            self.fault(f"{path}.color", FaultKind.UNKNOWN_VALUE, reason)
            color = ""
        step = row.get("step")
        self.draft.states[name] = StateInfo(
            name,
            self.text(row.get("name", ""), f"{path}.name") or titled(name),
            self.flag(row.get("final", False), f"{path}.final"),
            self.text(row.get("description", ""), f"{path}.description"),
            color,
            None if step is None else self.choice(VisibleStep, step, f"{path}.step", "step"),
            self.flag(row.get("releases", False), f"{path}.releases"),
            self.actors(row.get("amend", []), f"{path}.amend"),
        )

    def find_initial(self, rows: Mapping[str, Mapping[Any, Any]]) -> None:
        found = [
            name
            for name, row in rows.items()
            if self.flag(row.get("initial", False), f"states.{name}.initial")
        ]
        for name in found[1:]:
            reason = f"an order begins in one state, and '{found[0]}' is the initial one already"
            self.fault(f"states.{name}.initial", FaultKind.TWO_INITIAL, reason)
        # without a mark the first is meant, as python-statemachine reads its documents
        self.draft.initial = found[0] if found else next(iter(rows), "")

    def read_transitions(self, name: str, row: Mapping[Any, Any]) -> None:
        path = f"states.{name}.transitions"
        steps = self.draft.steps.setdefault(name, [])
        found = self.listed(row.get("transitions") or [], path, TRANSITIONS_MAX)
        for place, raw in enumerate(found):
            where = f"{path}[{place}]"
            each = self.mapping(raw, where)
            self.keys(each, where, _TRANSITION_KEYS, _REFUSED_IN_TRANSITION)
            event = self.event_of(each, where) if isinstance(raw, Mapping) else ""
            target = self.target_of(each, where) if isinstance(raw, Mapping) else ""
            cond = self.guards(each.get("cond"), f"{where}.cond")
            unless = self.guards(each.get("unless"), f"{where}.unless")
            if event:
                steps.append(Step(where, event, target, guarded=bool(cond or unless)))

    def event_of(self, found: Mapping[Any, Any], path: str) -> str:
        if not found.get("event"):
            reason = "a transition has an event: a table moves on events alone"
            self.fault(f"{path}.event", FaultKind.NOT_KEPT, reason)
            return ""
        return self.free(self.named(found["event"], f"{path}.event"), f"{path}.event")

    def target_of(self, found: Mapping[Any, Any], path: str) -> str:
        target = found.get("target")
        if not target:
            reason = "a transition leads to one state; name the state itself to stay in it"
            self.fault(f"{path}.target", FaultKind.SHAPE, reason)
            return ""
        if isinstance(target, str) and target in self.draft.states:
            return target
        close = get_close_matches(str(target)[:64], self.draft.states, n=1)
        hint = f"; did you mean '{close[0]}'?" if close else ""
        reason = f"there is no state {_told(target)}{hint}"
        self.fault(f"{path}.target", FaultKind.UNKNOWN_TARGET, reason)
        return ""

    def guards(self, found: object, path: str) -> bool:
        """Check one guard or a list of them; whether there is any."""
        if found is None or found == "":
            return False
        if isinstance(found, str):
            self.guard(found, path)
            return True
        several = self.listed(found, path)
        for place, each in enumerate(several):
            if isinstance(each, str):
                self.guard(each, f"{path}[{place}]")
            else:
                self.shape(f"{path}[{place}]", "the name of a fact", each)
        return bool(several)

    def guard(self, found: str, path: str) -> None:
        asked: list[str] = []

        def bind(fact: str) -> BoundGuard[Any]:
            asked.append(fact)
            return BoundGuard(fact, wanted=True, fact=unbound(fact))

        if read_guard(found, bind) is None:
            reason = f"{_told(found)} is not made of facts with 'and', 'or', 'not'"
            self.fault(path, FaultKind.BAD_GUARD, reason)
            return
        for fact in dict.fromkeys(asked):
            self.fact(fact, path)

    def fact(self, fact: object, path: str) -> None:
        if fact in self.facts:
            return
        close = get_close_matches(str(fact)[:64], self.facts, n=1)
        hint = f"did you mean '{close[0]}'?" if close else f"known: {_listed(self.facts)}"
        self.fault(path, FaultKind.UNKNOWN_GUARD, f"there is no fact {_told(fact)}; {hint}")

    def kept(self, rows: Mapping[str, Mapping[Any, Any]]) -> dict[str, Any]:
        """What python-statemachine reads of the states, in its own format."""
        chart: dict[str, Any] = {}
        for name, row in rows.items():
            steps = row.get("transitions") or []
            chart[name] = {
                "initial": name == self.draft.initial,
                "final": self.draft.states[name].final,
                "transitions": [
                    {key: each[key] for key in each if key in _TRANSITION_KEYS}
                    for each in (steps if isinstance(steps, (list, tuple)) else ())
                    if isinstance(each, Mapping)
                ],
            }
        return chart

    # --- events, timers, items -------------------------------------------------------------

    def read_events(self, found: Mapping[Any, Any]) -> None:
        for id_, raw in found.items():
            path = f"events.{str(id_)[:64]}"
            name = self.named(id_, path)
            row = self.mapping({} if raw is None else raw, path)
            self.keys(row, path, _EVENT_KEYS, frozenset())
            info = EventInfo(
                name,
                self.text(row.get("name", ""), f"{path}.name") or titled(name),
                self.senders(row.get("by"), f"{path}.by"),
                self.flag(row.get("seals", False), f"{path}.seals"),
                self.text(row.get("description", ""), f"{path}.description"),
            )
            if name:
                self.draft.events[name] = info

    def senders(self, found: object, path: str) -> Mapping[str, frozenset[ActorKind]]:
        if found is None:
            return {}
        if not isinstance(found, Mapping):
            return {"": self.actors(found, path)}
        senders = {}
        for state, kinds in self.mapping(found, path).items():
            where = f"{path}.{str(state)[:64]}" if state else f"{path}.''"
            if state != "" and state not in self.draft.states:
                self.unknown(where, "state", state, list(self.draft.states))
            senders[str(state)] = self.actors(kinds, where)
        return senders

    def read_timers(self, found: list[Any]) -> None:
        names: set[str] = set()
        for place, raw in enumerate(found):
            path = f"timers[{place}]"
            row = self.mapping(raw, path)
            rule = self.timer(row, path) if row else None
            if rule is None:
                continue
            if rule.name in names:
                self.fault(
                    f"{path}.name", FaultKind.TWICE, f"a timer '{rule.name}' is there already"
                )
            names.add(rule.name)
            self.draft.timers.append(rule)
            self.draft.timer_paths.append(path)

    def timer(self, row: Mapping[Any, Any], path: str) -> TimerRule | None:
        self.keys(row, path, _TIMER_KEYS, frozenset())
        does = self.choice(TimerAction, row.get("does"), f"{path}.does", "action")
        if does is None:
            return None
        facts = tuple(self.names(row.get("facts", []), f"{path}.facts"))
        for place, fact in enumerate(facts):
            self.fact(fact, f"{path}.facts[{place}]")
        if not row.get("states"):
            self.fault(f"{path}.states", FaultKind.SHAPE, "a timer runs in at least one state")
        after = row.get("after")
        at = row.get("at")
        extension = row.get("extension")
        rule = TimerRule(
            self.named(row.get("name", does.value), f"{path}.name"),
            does,
            self.state_names(row.get("states") or [], f"{path}.states"),
            self.choice(Since, row.get("since", "entered"), f"{path}.since", "moment")
            or Since.ENTERED,
            None if after is None else self.span(after, f"{path}.after"),
            None if at is None else self.moment(at, f"{path}.at"),
            facts,
            tuple(self.names(row.get("paused_by", []), f"{path}.paused_by")),
            self.hours(row["hours"], f"{path}.hours") if row.get("hours") is not None else None,
            self.named(row["sends"], f"{path}.sends") if row.get("sends") else "",
            None if extension is None else self.span(extension, f"{path}.extension"),
        )
        for reason, key in _contradictions(rule, written=row.keys()):
            self.fault(f"{path}.{key}", FaultKind.BAD_TIMER, reason)
        return rule

    def names(self, found: object, path: str) -> Iterator[str]:
        for place, name in enumerate(self.listed(found, path)):
            if isinstance(name, str) and 0 < len(name) <= 64:
                yield name
            else:
                self.shape(f"{path}[{place}]", "a name of 1 to 64 characters", name)

    def moment(self, found: object, path: str) -> datetime | None:
        if isinstance(found, str):
            with suppress(ValueError):
                found = datetime.fromisoformat(found)
        if isinstance(found, datetime) and found.utcoffset() is not None:
            return found
        self.shape(path, "a moment with its offset, such as '2026-11-11T00:00:00+08:00'", found)
        return None

    def hours(self, found: object, path: str) -> WorkingHours | None:
        row = self.mapping(found, path)
        before = len(self.draft.faults)
        self.keys(row, path, _HOURS_KEYS, frozenset())
        days = [
            self.choice(Weekday, day, f"{path}.days[{place}]", "day of the week")
            for place, day in enumerate(self.listed(row.get("days", _USUAL_DAYS), f"{path}.days"))
        ]
        opens = self.clock(row.get("opens", "09:00"), f"{path}.opens")
        closes = self.clock(row.get("closes", "18:00"), f"{path}.closes")
        holidays = [
            self.day(day, f"{path}.holidays[{place}]")
            for place, day in enumerate(
                self.listed(row.get("holidays", []), f"{path}.holidays", 1_000)
            )
        ]
        zone = self.text(row.get("zone", "UTC"), f"{path}.zone")
        if len(self.draft.faults) > before:
            return None
        hours = WorkingHours(
            zone,
            tuple(day for day in days if day is not None),
            opens,
            closes,
            tuple(day for day in holidays if day is not None),
        )
        try:
            hours.check(path)
        except InvalidInput as error:
            self.fault(error.path or path, FaultKind.BAD_TIMER, error.reason)
            return None
        return hours

    def clock(self, found: object, path: str) -> time:
        try:
            return time.fromisoformat(found) if isinstance(found, str) else _no_time()
        except ValueError:
            self.shape(path, "a time of the day as text, such as '09:00'", found)
            return time(0)

    def day(self, found: object, path: str) -> date | None:
        if isinstance(found, date) and not isinstance(found, datetime):
            return found
        try:
            return date.fromisoformat(found) if isinstance(found, str) else _no_time()
        except ValueError:
            self.shape(path, "a day such as '2026-10-01'", found)
            return None

    def read_items(self, found: Mapping[Any, Any]) -> None:
        for id_, raw in found.items():
            path = f"items.{str(id_)[:64]}"
            name = self.named(id_, path)
            row = self.mapping({} if raw is None else raw, path)
            self.keys(row, path, _ITEM_KEYS, frozenset())
            label = self.text(row.get("name", ""), f"{path}.name") or titled(name)
            final = self.flag(row.get("final", False), f"{path}.final")
            self.draft.items.append(ItemStatus(name, label, final))
        if found and not any([item.final for item in self.draft.items]):
            reason = "no status of items is final, so none would ever be done"
            self.fault("items", FaultKind.DEAD_END, reason)


_USUAL_DAYS: Final = tuple(day.value for day in WorkingHours().days)
_FIGURED: Final = frozenset({TimerAction.CLOSE, TimerAction.REMIND, TimerAction.CONFIRM})
_SENDING: Final = frozenset(DEFAULT_SENDS)


def _contradictions(rule: TimerRule, written: Collection[str]) -> Iterator[tuple[str, str]]:
    """What a timer cannot mean, each with the key to mend."""
    zero = timedelta(0)
    after = rule.after
    if "after" in written and "at" in written:
        yield "a timer has 'after' or 'at', not both", "at"
    if "at" in written and "since" in written:
        yield "'at' is a moment and counts from nothing", "since"
    if after is not None and after < zero and rule.since not in DEADLINES:
        yield (
            "only before the deadline of payment ('since': 'pay_by') or of a balance can a time be negative",
            "after",
        )
    if after == zero and rule.since not in DEADLINES:
        yield "a time of nothing would be over at once", "after"
    if "after" not in written and "at" not in written:
        if rule.does not in _FIGURED:
            yield f"'{rule.does.value}' has no usual figure: say 'after' or 'at'", "after"
        elif rule.does is TimerAction.CLOSE and rule.since is not Since.PAY_BY:
            yield "the deadline is 'since': 'pay_by'; from elsewhere say 'after' or 'at'", "after"
    if "hours" in written and "after" not in written:
        yield "working hours count an 'after'", "hours"
    if rule.sends and rule.does not in _SENDING:
        yield f"'{rule.does.value}' tells people and sends no event", "sends"
    if rule.extension is not None and rule.extension <= zero:
        yield "an extension is positive", "extension"


def _no_time() -> Any:
    raise ValueError


def _is_taken(name: str) -> bool:
    from statemachine import StateChart  # loaded when a document is read, not before

    return hasattr(StateChart, name)


def _is_delayed(actions: object) -> bool:
    several = actions if isinstance(actions, (list, tuple)) else (actions,)
    sends = [each.get("send") for each in several if isinstance(each, Mapping)]
    return any(
        [isinstance(send, Mapping) and {"delay", "delayexpr"} & send.keys() for send in sends]
    )


def _joined(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _listed(names: Collection[str]) -> str:
    return ", ".join(sorted(names)) or "none"


def _told(found: object) -> str:
    """Show a value of a document without ever spelling out a large one."""
    if isinstance(found, str):
        return f"'{found[:40]}'" + ("..." if len(found) > 40 else "")
    if found is None:
        return "nothing"
    if isinstance(found, bool):
        return "true" if found else "false"
    if isinstance(found, int):
        return str(found) if abs(found) < 10**12 else "a large number"
    if isinstance(found, Mapping):
        return "a mapping"
    if isinstance(found, (list, tuple)):
        return "a list"
    return f"a {type(found).__name__}"
