"""The lifecycles that come with the library, one a file.

They are documents like those a host writes, so one of them is a good start for a lifecycle
of your own. Only the first version of the standard order is a python-statemachine class;
the file of another former version has its number: ``presale_1.json``.
A lifecycle is read when it is asked for, and python-statemachine is loaded with it, not before.
"""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final, TypeVar

from ordercore.errors import UnknownLifecycle

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ordercore.lifecycle.table import Lifecycle

__all__ = ["BUILT_IN", "built_in", "document", "versions"]

S = TypeVar("S")

BUILT_IN: Final = (
    "standard",
    "review_first",
    "purchasing_agent",
    "presale",
    "pickup",
    "flash_sale",
    "group_buy",
    "virtual_goods",
)
"""The names of the built-in lifecycles."""

# Every version that was ever shipped stays: orders in stores are on it.
_VERSIONS: Final[Mapping[str, tuple[int, ...]]] = {"standard": (1, 2), "presale": (1, 2)}
_ONE: Final = (1,)
_CLASSES: Final = frozenset({("standard", 1)})


def versions(name: str) -> tuple[int, ...]:
    """The versions of a built-in lifecycle, oldest first; raises `UnknownLifecycle`."""
    if name not in BUILT_IN:
        reason = f"there is no built-in lifecycle '{name}'; known: {', '.join(BUILT_IN)}"
        raise UnknownLifecycle(reason, name=name, known=BUILT_IN)
    return _VERSIONS.get(name, _ONE)


def built_in(
    name: str, facts: Mapping[str, Callable[[S], bool]], version: int | None = None
) -> Lifecycle[S]:
    """Read one built-in lifecycle over ``facts``; without a version the latest.

    Raises `UnknownLifecycle`, which lists the known ones, and `UnknownGuard` for facts
    that lack one its guards ask.
    """
    if (name, _known(name, version)) in _CLASSES:
        from ordercore.lifecycle.charts.standard import standard

        return standard(facts)
    from ordercore.lifecycle.document import load_lifecycle

    return load_lifecycle(document(name, version), facts)


def document(name: str, version: int | None = None) -> Mapping[str, Any]:
    """The document of one built-in lifecycle, as `load_lifecycle` takes it; without a version the latest.

    Raises `UnknownLifecycle`, which lists the known ones.
    """
    asked = _known(name, version)
    if (name, asked) in _CLASSES:
        from ordercore.lifecycle.chart import outline
        from ordercore.lifecycle.charts.standard import StandardOrder
        from ordercore.lifecycle.document import write_document

        return write_document(outline(StandardOrder, name=name, version=asked))
    from ordercore.lifecycle.document import read_document

    file = f"{name}.json" if asked == versions(name)[-1] else f"{name}_{asked}.json"
    return read_document(files(__package__).joinpath(file).read_text("utf-8"))


def _known(name: str, version: int | None) -> int:
    known = versions(name)
    if version is None:
        return known[-1]
    if version not in known:
        listed = ", ".join(map(str, known))
        reason = f"there is no version {version} of '{name}'; known: {listed}"
        raise UnknownLifecycle(reason, name=name, known=tuple(map(str, known)))
    return version
