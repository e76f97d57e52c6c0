"""Which field of a cart, a policy or a fact is not of its type: looked for once pricing has failed.

Pricing checks what it counts with, and trusts types for the rest: checking every field of every cart
would cost more than pricing it. So what an untyped host, a form or a broken port sends may fail somewhere below;
then the first field that is not of its declared type is told, with its path.
"""

from __future__ import annotations

import enum
import types
import typing
from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

import attrs

from ordercore import party, pricing
from ordercore.errors import InvalidCart, InvalidInput, InvalidPolicy, PortFailed
from ordercore.money import Percent

if TYPE_CHECKING:
    from ordercore.pricing import Cart, PricingFacts, PricingPolicy

__all__ = ["check_types", "checked_answer"]

_Fault = tuple[str, str, object]
_UNIONS = (typing.Union, types.UnionType)


def check_types(cart: Cart, policy: PricingPolicy, facts: PricingFacts) -> None:
    """Raise `InvalidCart`, `InvalidPolicy` or `InvalidInput` for the first field that is not of its type.

    Nothing is raised where all are.
    """
    for found, wanted, start, error in (
        (cart, pricing.Cart, "cart", InvalidCart),
        (policy, pricing.PricingPolicy, "policy", InvalidPolicy),
        (facts, pricing.PricingFacts, "facts", InvalidInput),
    ):
        for path, name, wrong in _faults(found, wanted, start):
            raise error(f"needs {name}, not a {type(wrong).__name__}", path=path)


def checked_answer(found: Any, wanted: Any, port: object) -> Any:
    """What a port answered, if it is of the type that the port promises; raises `PortFailed`."""
    for path, name, wrong in _faults(found, wanted, "answer"):
        who = type(port).__name__
        reason = f"{who} gave a malformed answer: {path} needs {name}, not a {type(wrong).__name__}"
        raise PortFailed(reason, port=who)
    return found


@cache
def _hints(kind: type[Any]) -> tuple[tuple[str, Any], ...]:
    """The fields of a value that its maker gives, with their types."""
    from ordercore.money import Money  # Babel's data comes along: only when something is asked

    names = {name: getattr(pricing, name) for name in pricing.__all__}
    names |= {name: getattr(party, name) for name in party.__all__}
    names |= {"Mapping": Mapping, "Money": Money, "Percent": Percent, "date": date}
    hints = typing.get_type_hints(kind, localns=names)
    return tuple((field.name, hints[field.name]) for field in attrs.fields(kind) if field.init)


def _faults(found: object, wanted: Any, path: str) -> Iterator[_Fault]:
    """Path, what is needed and what stands there, for each field that is not of its type."""
    wanted = getattr(wanted, "__supertype__", wanted)  # a NewType is what it is made from
    origin = typing.get_origin(wanted)
    if origin in _UNIONS:
        yield from _of_union(found, typing.get_args(wanted), path)
    elif origin is tuple:
        if type(found) not in {tuple, list}:
            yield path, "a tuple", found
            return
        assert isinstance(found, (tuple, list))
        for i, member in enumerate(found):
            yield from _faults(member, typing.get_args(wanted)[0], f"{path}[{i}]")
    elif attrs.has(wanted):
        if not isinstance(found, wanted):
            yield path, f"a {wanted.__name__}", found
            return
        for name, hint in _hints(wanted):
            yield from _faults(getattr(found, name), hint, f"{path}.{name}")
    elif not _is(found, origin or wanted):
        yield path, _named(wanted), found


def _of_union(found: object, arms: tuple[Any, ...], path: str) -> Iterator[_Fault]:
    """Faults within the arm that ``found`` belongs to, or that it belongs to none."""
    for arm in arms:
        kind = typing.get_origin(arm) or arm
        if isinstance(kind, type) and type(found) is kind:
            yield from _faults(found, arm, path)
            return
    if all(any(_faults(found, arm, path)) for arm in arms):
        yield path, " or ".join(_named(arm) for arm in arms), found


def _is(found: object, kind: Any) -> bool:
    """Whether ``found`` is of a type that is no value of ours."""
    if kind is Any:
        return True
    if getattr(kind, "_is_protocol", False) and kind is not Mapping:
        return callable(found)
    if kind in {int, bool, date, timedelta} or issubclass(kind, enum.Enum):
        return type(found) is kind
    if kind is datetime:
        return isinstance(found, datetime) and found.tzinfo is not None
    return isinstance(found, kind)


def _named(kind: Any) -> str:
    if kind is type(None):
        return "None"
    return "a time with a zone" if kind is datetime else f"a {getattr(kind, '__name__', kind)}"
