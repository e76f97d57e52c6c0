"""Identities, as a port: the only module that knows randomness.

An id is opaque text. An order's number is another thing: it is for people,
comes from the store's sequence and is made readable by a template.
"""

from __future__ import annotations

import itertools
import os
import re
import time
from typing import TYPE_CHECKING, Protocol

from ordercore.errors import InvalidPolicy
from ordercore.value import value

if TYPE_CHECKING:
    from datetime import datetime

__all__ = ["CountedIds", "IdSource", "NumberTemplate", "SystemIds"]


class IdSource(Protocol):
    """Makes ids."""

    def new(self, kind: str) -> str:
        """A fresh id, never given before, by convention ``kind_...``."""
        ...


class SystemIds:
    """Ids that sort by the millisecond they were made in, with 80 random bits (as UUID version 7)."""

    def new(self, kind: str) -> str:
        """``kind_`` and 32 hex digits: 12 of time, 20 of randomness."""
        return f"{kind}_{time.time_ns() // 1_000_000:012x}{os.urandom(10).hex()}"


class CountedIds:
    """Ids that count, for simulations and tests: the same run gives the same ids."""

    def __init__(self, start: int = 1) -> None:
        self._count = itertools.count(start)

    def new(self, kind: str) -> str:
        """``kind_1``, ``kind_2``, ..."""
        return f"{kind}_{next(self._count)}"


_FIELD = re.compile(r"\{(date|shop|seq(?::(0?\d{1,2}))?)\}")


@value
class NumberTemplate:
    """How order numbers look: text with ``{date}`` (YYYYMMDD in UTC), ``{shop}``, ``{seq:06}``.

    The sequence belongs to the text around ``{seq}``, so ``HB{date}-{seq:06}`` counts anew each day.
    Numbers never repeat; a number may be skipped (a crash, a refused placement).

    >>> from datetime import UTC, datetime
    >>> template = NumberTemplate("HB{date}-{seq:06}")
    >>> day = datetime(2026, 5, 20, tzinfo=UTC)
    >>> template.sequence(day, ""), template.render(day, "", 88126)
    ('HB20260520-', 'HB20260520-088126')
    """

    text: str = "ORD-{seq:010}"

    def check(self, path: str = "") -> None:
        """Raise `InvalidPolicy` unless there is exactly one ``{seq}`` and no unknown field."""
        rest = _FIELD.sub("", self.text)
        if "{" in rest or "}" in rest:
            reason = f"{self.text!r} has a field other than date, shop, seq"
            raise InvalidPolicy(reason, path=path, allowed=("{date}", "{shop}", "{seq:06}"))
        if "}{seq" in self.text:
            reason = (
                f"{self.text!r} runs a field into the count: two of its numbers could be the same"
            )
            raise InvalidPolicy(f"{reason}; put a sign between them", path=path)
        if sum(1 for m in _FIELD.finditer(self.text) if m[1].startswith("seq")) != 1:
            raise InvalidPolicy(f"{self.text!r} needs exactly one {{seq}}", path=path)

    def sequence(self, at: datetime, shop: str) -> str:
        """Name of the sequence to count in."""
        return self._around(at, shop)[0]

    def render(self, at: datetime, shop: str, seq: int) -> str:
        """The number that people see."""
        _, before, digits, after = self._around(at, shop)
        return f"{before}{seq:0{digits}d}{after}"

    def _around(self, at: datetime, shop: str) -> tuple[str, str, int, str]:
        """The sequence, and what stands before and after the count, with its digits."""
        text = self.text
        if "{date}" in text:
            text = text.replace("{date}", f"{at:%Y%m%d}")
        head, _, tail = text.partition("{seq")
        width, _, after = tail.partition("}")
        if "{shop}" in text:  # last, so that a shop's name is never read as a field
            head, after = head.replace("{shop}", shop), after.replace("{shop}", shop)
        return head + after, head, int(width[1:] or 0), after
