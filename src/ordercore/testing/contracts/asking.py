"""What every contract has: an event loop of its own for each test."""

from __future__ import annotations

import asyncio
import inspect
from typing import TYPE_CHECKING, TypeVar

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ordercore.ports import Answer

T = TypeVar("T")

# A host that meets a broken promise sees the values, as in its own tests.
pytest.register_assert_rewrite(
    *[
        f"ordercore.testing.contracts.{port}"
        for port in (
            "books",
            "carrier",
            "coupons",
            "credits",
            "gateway",
            "searching",
            "stock",
            "store",
        )
    ]
)

__all__ = ["Contract"]


class Contract:
    """Root of the contracts: `ask` gives the value of an answer, plain or awaited."""

    _loop: asyncio.Runner

    @pytest.fixture(autouse=True)
    def _one_loop_a_test(self) -> Iterator[None]:
        with asyncio.Runner() as loop:
            self._loop = loop
            yield

    def ask(self, answer: Answer[T]) -> T:
        """The value of an answer, awaited if it has to be."""
        if not inspect.isawaitable(answer):
            return answer

        async def wait() -> T:
            return await answer

        return self._loop.run(wait())
