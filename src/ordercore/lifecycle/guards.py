"""Guards: facts by name, and boolean expressions over them, bound to what answers."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from typing import Any, Final, Generic, TypeVar

from ordercore.errors import UnknownGuard
from ordercore.value import value

__all__ = ["OPERATORS", "BoundGuard", "Terms", "negated", "read_guard", "unbound"]

S = TypeVar("S")

LONGEST_GUARD: Final = 500
"""Most characters of one guard in a document."""
_NO_NAME = re.compile(r"[^\w\s()]|\b[0-9]", re.ASCII)  # what names and three words are not made of


@value
class BoundGuard(Generic[S]):
    """A condition of a move: it holds when ``fact`` answers ``wanted``.

    ``name`` is the fact's name as published, or a boolean expression over such names.
    """

    name: str
    wanted: bool
    fact: Callable[[S], bool]

    def __str__(self) -> str:
        if self.wanted:
            return self.name
        return f"not ({self.name})" if " " in self.name else f"not {self.name}"

    def holds(self, subject: S) -> bool:
        """Whether the condition is met for ``subject``."""
        return (not self.fact(subject)) is not self.wanted


@value
class Terms(Generic[S]):
    """A boolean expression as guards that must all hold."""

    guards: tuple[BoundGuard[S], ...]

    def __str__(self) -> str:
        return " and ".join(f"({g})" if " or " in g.name else str(g) for g in self.guards)


def _checked(terms: object) -> Terms[Any]:
    if not isinstance(terms, Terms):
        msg = "a constant or a call stands where a fact should"
        raise TypeError(msg)
    return terms


def _both(left: object, right: object) -> Terms[Any]:
    return Terms(_checked(left).guards + _checked(right).guards)


def _either(left: object, right: object) -> Terms[Any]:
    sides = _checked(left), _checked(right)
    one, other = map(_fact_of, sides)
    name = " or ".join(f"({side})" if len(side.guards) > 1 else str(side) for side in sides)
    return Terms(
        (BoundGuard(name, wanted=True, fact=lambda subject: one(subject) or other(subject)),)
    )


def negated(terms: object) -> Terms[Any]:
    """The same guards, to hold where they did not."""
    inner = _checked(terms)
    if len(inner.guards) == 1:
        guard = inner.guards[0]
        return Terms((BoundGuard(guard.name, not guard.wanted, guard.fact),))
    return Terms((BoundGuard(str(inner), wanted=False, fact=_fact_of(inner)),))


def _fact_of(terms: Terms[Any]) -> Callable[[Any], bool]:
    guards = terms.guards
    return lambda subject: all(guard.holds(subject) for guard in guards)


def unbound(fact: str) -> Callable[[Any], bool]:
    """Stand in for a fact that is not at hand, so that a lifecycle can be looked at without any."""

    def ask(_subject: object) -> bool:
        raise UnknownGuard(f"the fact '{fact}' is not bound: this is an outline", guard=fact)

    return ask


# What python-statemachine's own parser calls for each operator; comparisons are left out.
OPERATORS: Final = {ast.And: _both, ast.Or: _either, ast.Not: negated}


def read_guard(
    text: str, bind: Callable[[str], BoundGuard[Any]], *, wanted: bool = True
) -> Terms[Any] | None:
    """Read an expression of names with ``and``, ``or``, ``not``; ``None`` for anything else.

    ``bind`` gives the guard for each name, in the order in which they stand.
    Without ``wanted`` the guards hold where the expression does not.
    """
    if len(text) > LONGEST_GUARD or _NO_NAME.search(text):
        return None
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    return _read(tree, bind, wanted=wanted)


def _read(
    node: ast.expr, bind: Callable[[str], BoundGuard[Any]], *, wanted: bool
) -> Terms[Any] | None:
    """Carry ``not`` inwards as far as guards can hold it, so that writing them out loses nothing."""
    if isinstance(node, ast.Name):
        terms = Terms((bind(node.id),))
        return terms if wanted else negated(terms)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        return _read(node.operand, bind, wanted=not wanted)
    if not isinstance(node, ast.BoolOp):
        return None
    found: Terms[Any] | None = None
    for operand in node.values:
        term = _read(operand, bind, wanted=True)
        if term is None:
            return None
        if found is None:
            found = term
        else:
            found = _both(found, term) if isinstance(node.op, ast.And) else _either(found, term)
    return found if wanted or found is None else negated(found)
