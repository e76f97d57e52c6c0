"""Built-in charts are read once for all engines of these tests, not anew for each of thousands."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import pytest

from ordercore.lifecycle import charts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from ordercore.lifecycle import Lifecycle

_read = charts.built_in


@cache
def _once(name: str, facts: tuple[tuple[str, Any], ...], version: int | None) -> Lifecycle[Any]:
    return _read(name, dict(facts), version)


def _built_in(
    name: str, facts: Mapping[str, Callable[[Any], bool]], version: int | None = None
) -> Lifecycle[Any]:
    return _once(name, tuple(facts.items()), version)


@pytest.fixture(scope="module", autouse=True)
def charts_read_once() -> Iterator[None]:
    """A chart is a value: engines may share it. How it is read is a matter of the lifecycles' own tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(charts, "built_in", _built_in)
        yield
