"""Lifecycles as documents: JSON, or YAML where PyYAML is installed.

States and transitions are written as python-statemachine writes them, and go through its own reader,
which evaluates nothing. Keys of ours stand beside them (`ordercore.lifecycle.drafting`).
The table is compiled from what that reader understood.
Input is bounded: at most `DOCUMENT_MAX` bytes, `DEPTH_MAX` levels; YAML without anchors.
"""

from __future__ import annotations

import enum
import json
from collections.abc import Callable, Mapping
from inspect import iscoroutinefunction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeVar

from ordercore.errors import InvalidLifecycle, UnknownGuard
from ordercore.lifecycle.checking import examine
from ordercore.lifecycle.faults import FaultKind
from ordercore.lifecycle.guards import BoundGuard, read_guard
from ordercore.lifecycle.table import Lifecycle, Move, titled
from ordercore.lifecycle.timer import Since, spoken

if TYPE_CHECKING:
    from ordercore.calendar import WorkingHours
    from ordercore.lifecycle.drafting import Draft
    from ordercore.lifecycle.table import EventInfo, StateInfo
    from ordercore.lifecycle.timer import TimerRule
    from ordercore.party import ActorKind

__all__ = ["DocumentFormat", "load_lifecycle", "read_document", "write_document"]

S = TypeVar("S")

DOCUMENT_MAX: Final = 512 * 1024
"""Most bytes of a document; the largest lifecycle that comes with the library has a twentieth."""
DEPTH_MAX: Final = 12
_YAML_EVENTS_MAX: Final = 50_000


class DocumentFormat(enum.Enum):
    """How a document is written."""

    # a member is a singleton, so its identity may be its hash: at the speed of C
    __hash__ = object.__hash__

    JSON = "json"
    YAML = "yaml"


_SUFFIXES: Final = {
    ".json": DocumentFormat.JSON,
    ".yaml": DocumentFormat.YAML,
    ".yml": DocumentFormat.YAML,
}


def load_lifecycle(
    source: Path | str | Mapping[str, object],
    facts: Mapping[str, Callable[[S], bool]],
    *,
    format: DocumentFormat | None = None,  # noqa: A002 - the plain word
) -> Lifecycle[S]:
    """Read a lifecycle from a file, from text, or from plain data, its guards bound to ``facts``.

    Raises `InvalidLifecycle` for the first fault (`UnknownGuard` where that is a guard), with its
    path; ``data["fault"]`` has the kind and ``data["faults"]`` how many there are.
    `ordercore.lifecycle.check` tells all of them.
    """
    found = examine(read_document(source, format=format), facts)
    if found.faults:
        first = found.faults[0]
        cls = UnknownGuard if first.kind is FaultKind.UNKNOWN_GUARD else InvalidLifecycle
        raise cls(
            first.reason,
            path=first.path,
            source=str(source) if isinstance(source, Path) else found.name,
            fault=first.kind.value,
            faults=len(found.faults),
        )
    return _compiled(found, facts)


def read_document(
    source: Path | str | Mapping[str, object],
    *,
    format: DocumentFormat | None = None,  # noqa: A002 - the plain word
) -> Mapping[str, object]:
    """Read a document into plain data, without looking at what it says.

    The format is told by a file's ending; text that begins with ``{`` is JSON, other text YAML.
    Raises `InvalidLifecycle` for a file or text that cannot be read.
    """
    if isinstance(source, Mapping):
        return source
    where = str(source) if isinstance(source, Path) else ""
    text = _text_of(source) if isinstance(source, Path) else source
    if len(text.encode("utf-8", "surrogatepass")) > DOCUMENT_MAX:
        _refuse(f"a lifecycle document has at most {DOCUMENT_MAX // 1024} KiB", where)
    if format is None:
        format = _format_of(source, text)  # noqa: A001 - the plain word
    try:
        found = _json(text) if format is DocumentFormat.JSON else _yaml(text)
    except (
        ValueError,
        ArithmeticError,
        RecursionError,
    ) as error:  # 1:59:59...0 is a number of YAML
        first = str(error).partition("\n")[0][:200]
        _refuse(f"this is no {format.name} document: {first}", where)
    if not isinstance(found, Mapping):
        _refuse("a lifecycle document is a mapping with 'lifecycle' and 'states'", where)
    return found


def _refuse(reason: str, where: str) -> NoReturn:
    raise InvalidLifecycle(reason, source=where)


def _text_of(path: Path) -> str:
    try:
        with path.open("rb") as file:
            raw = file.read(DOCUMENT_MAX + 1)
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        _refuse("a lifecycle document is UTF-8 text", str(path))
    except OSError as error:
        _refuse(f"cannot be read: {(error.strerror or str(error)).lower()}", str(path))


def _format_of(source: Path | str, text: str) -> DocumentFormat:
    if isinstance(source, str):
        begins = text.lstrip("\ufeff \t\r\n")[:1]
        return DocumentFormat.JSON if begins == "{" else DocumentFormat.YAML
    found = _SUFFIXES.get(source.suffix.lower())
    if found is None:
        _refuse(f"a lifecycle document ends in {', '.join(_SUFFIXES)}", str(source))
    return found


def _json(text: str) -> object:
    def once(pairs: list[tuple[str, object]]) -> dict[str, object]:
        found = dict(pairs)
        if len(found) != len(pairs):
            keys = [key for key, _ in pairs]
            twice = next(key for key in found if keys.count(key) > 1)
            reason = f"the key '{twice[:64]}' stands there twice"
            raise ValueError(reason)
        return found

    def no_number(word: str) -> NoReturn:
        reason = f"{word} is no number"
        raise ValueError(reason)

    return json.loads(text, object_pairs_hook=once, parse_constant=no_number)


def _yaml(text: str) -> object:
    try:
        import yaml
    except ModuleNotFoundError as error:
        if error.name != "yaml":
            raise
        reason = "a YAML document needs PyYAML: pip install 'ordercore-sdk[yaml]'"
        raise InvalidLifecycle(reason) from error
    from statemachine.io.yaml.reader import YAMLReader

    try:
        _check_yaml(yaml, text)
        return YAMLReader().parse_document(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f", line {mark.line + 1}" if mark is not None else ""
        reason = f"{getattr(error, 'problem', None) or error}{place}"
        raise ValueError(reason) from error


def _check_yaml(yaml: Any, text: str) -> None:
    """Refuse what YAML has beyond plain data: anchors (a short text can mean a huge tree), tags (a
    constructor may fail in any way on what it is given), keys that stand twice (the last would win
    in silence), and depth beyond reason.
    """
    keys: list[set[str] | None] = []  # for each open mapping its keys; None for a sequence
    expects_key: list[bool] = []
    for count, event in enumerate(yaml.parse(text, Loader=yaml.SafeLoader)):
        line = event.start_mark.line + 1
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            reason = f"anchors and references are not read, line {line}"
            raise ValueError(reason)
        if getattr(event, "tag", None) is not None:
            reason = f"tags are not read, line {line}"
            raise ValueError(reason)
        if count > _YAML_EVENTS_MAX or len(keys) > DEPTH_MAX:
            reason = f"it is too large or too deep, line {line}"
            raise ValueError(reason)
        closes = isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent))
        if closes:
            keys.pop()
            expects_key.pop()
        opens = isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent))
        scalar = isinstance(event, yaml.ScalarEvent)
        if keys and keys[-1] is not None and (scalar or opens) and expects_key[-1]:
            key = event.value if scalar else ""
            if not scalar or key in keys[-1] or key == "<<":
                reason = f"the key '{key[:64]}' stands there twice, or is none, line {line}"
                raise ValueError(reason)
            keys[-1].add(key)
        if (scalar or closes) and expects_key:
            expects_key[-1] = not expects_key[-1]
        if opens:
            keys.append(set() if isinstance(event, yaml.MappingStartEvent) else None)
            expects_key.append(True)


# --- From a draft to a table -------------------------------------------------------------------


def _compiled(found: Draft, facts: Mapping[str, Callable[[S], bool]]) -> Lifecycle[S]:
    from statemachine.io.native import native_dict_to_definition

    def bind(fact: str) -> BoundGuard[S]:
        fact_of = facts[fact]
        if iscoroutinefunction(fact_of):
            reason = f"the fact '{fact}' is a coroutine, which is always true"
            raise InvalidLifecycle(reason, path=found.name)
        return BoundGuard(fact, wanted=True, fact=fact_of)

    definition = native_dict_to_definition(found.chart)
    table: dict[str, dict[str, tuple[Move[S], ...]]] = {}
    for state in definition.states.values():
        row = table.setdefault(state.id, {})
        for step in state.transitions:
            guards = (
                *_bound(step.cond, bind, wanted=True),
                *_bound(step.unless, bind, wanted=False),
            )
            event, target = str(step.event), str(step.target)
            row[event] = (*row.get(event, ()), Move(guards, target))
    events = dict.fromkeys(event for row in table.values() for event in row)
    return Lifecycle(
        found.name,
        found.version,
        definition.initial_states[0],
        tuple(found.states.values()),
        table,
        tuple(events),
        about=tuple(found.events.values()),
        timers=tuple(found.timers),
        prepaid=found.prepaid,
        items=tuple(found.items),
        description=found.description,
    )


def _bound(
    written: str | list[str] | None, bind: Callable[[str], BoundGuard[S]], *, wanted: bool
) -> tuple[BoundGuard[S], ...]:
    several = [written] if isinstance(written, str) else written or []
    guards: tuple[BoundGuard[S], ...] = ()
    for text in several:
        terms = read_guard(text, bind, wanted=wanted) if text else None
        if terms is not None:
            guards += terms.guards
    return guards


# --- From a table to a document ----------------------------------------------------------------


def write_document(lifecycle: Lifecycle[Any]) -> dict[str, object]:
    """Write a lifecycle as plain data in the format of a document; `load_lifecycle` reads it back."""
    out: dict[str, object] = {"lifecycle": lifecycle.name, "version": lifecycle.version}
    if lifecycle.description:
        out["description"] = lifecycle.description
    if not lifecycle.prepaid:
        out["prepaid"] = False
    if lifecycle.items:
        out["items"] = {
            item.id: {"name": item.name} | ({"final": True} if item.final else {})
            for item in lifecycle.items
        }
    out["states"] = {info.id: _state(lifecycle, info) for info in lifecycle.states}
    if lifecycle.about:
        out["events"] = {info.id: _event(info) for info in lifecycle.about}
    if lifecycle.timers:
        out["timers"] = [_timer(rule) for rule in lifecycle.timers]
    return out


def _state(lifecycle: Lifecycle[Any], info: StateInfo) -> dict[str, object]:
    out: dict[str, object] = {}
    if info.id == lifecycle.initial:
        out["initial"] = True
    if info.final:
        out["final"] = True
    if info.name != titled(info.id):
        out["name"] = info.name
    if info.description:
        out["description"] = info.description
    if info.color:
        out["color"] = info.color
    if info.step is not None:
        out["step"] = info.step.value
    if info.releases:
        out["releases"] = True
    if info.amend:
        out["amend"] = _kinds(info.amend)
    steps = [
        {"event": event, "target": move.target} | _guards(move)
        for event, moves in lifecycle.table[info.id].items()
        for move in moves
    ]
    if steps:
        out["transitions"] = steps
    return out


def _guards(move: Move[Any]) -> dict[str, object]:
    """Write guards so that they are read back in the same order."""
    wanted = [guard.name for guard in move.guards if guard.wanted]
    unwanted = [guard.name for guard in move.guards if not guard.wanted]
    if any([guard.wanted for guard in move.guards[len(wanted) :]]):
        return {"cond": [str(guard) for guard in move.guards]}
    out: dict[str, object] = {}
    for key, names in (("cond", wanted), ("unless", unwanted)):
        if names:
            out[key] = names[0] if len(names) == 1 else names
    return out


def _event(info: EventInfo) -> dict[str, object]:
    out: dict[str, object] = {}
    if info.name != titled(info.id):
        out["name"] = info.name
    if info.description:
        out["description"] = info.description
    if set(info.senders) == {""}:
        out["by"] = _kinds(info.senders[""])
    elif info.senders:
        out["by"] = {state: _kinds(kinds) for state, kinds in info.senders.items()}
    if info.seals:
        out["seals"] = True
    return out


def _kinds(kinds: frozenset[ActorKind]) -> list[str]:
    return sorted(kind.value for kind in kinds)


def _timer(rule: TimerRule) -> dict[str, object]:
    out: dict[str, object] = {"name": rule.name, "does": rule.does.value}
    out["states"] = list(rule.states)
    if rule.at is not None:
        out["at"] = rule.at.isoformat()
    elif rule.since is not Since.ENTERED:
        out["since"] = rule.since.value
    if rule.after is not None:
        out["after"] = spoken(rule.after)
    if rule.facts:
        out["facts"] = list(rule.facts)
    if rule.paused_by:
        out["paused_by"] = list(rule.paused_by)
    if rule.hours is not None:
        out["hours"] = _hours(rule.hours)
    if rule.sends:
        out["sends"] = rule.sends
    if rule.extension is not None:
        out["extension"] = spoken(rule.extension)
    return out


def _hours(hours: WorkingHours) -> dict[str, object]:
    return {
        "zone": hours.zone,
        "days": [day.value for day in hours.days],
        "opens": hours.opens.isoformat(),
        "closes": hours.closes.isoformat(),
        "holidays": [day.isoformat() for day in hours.holidays],
    }
