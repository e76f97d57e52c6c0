"""Identities, as a port: the only module that knows randomness.

An id is opaque text. An order's number is another thing: it is for people,
comes from the store's sequence and is made readable by a template.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import re
import time
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from ordercore.errors import InvalidInput, InvalidPolicy
from ordercore.value import value

if TYPE_CHECKING:
    from datetime import datetime
    from zoneinfo import ZoneInfo

__all__ = ["CountedIds", "IdSource", "NumberTemplate", "SecretSource", "SystemIds"]


class IdSource(Protocol):
    """Makes ids."""

    def new(self, kind: str) -> str:
        """A fresh id, never given before, by convention ``kind_...``."""
        ...


@runtime_checkable
class SecretSource(Protocol):
    """Makes what nobody can foretell. An `IdSource` that is one too is asked; else the system is."""

    @property
    def pepper(self) -> bytes:
        """A key of the shop's own, up to `PEPPER_MAX` bytes, that stands in no store; empty for none.

        Hashes of short secrets are keyed with it, so who steals the store cannot search for them.
        """
        ...

    def secret(self, count: int) -> bytes:
        """``count`` bytes, each of 256 equally likely."""
        ...


PEPPER_MAX = 64
"""Most bytes of a pepper: the longest key of BLAKE2b (RFC 7693)."""


class SystemIds:
    """Ids that sort by the millisecond they were made in, with 80 random bits (as UUID version 7)."""

    def __init__(self, pepper: bytes = b"") -> None:
        if not isinstance(pepper, bytes) or len(pepper) > PEPPER_MAX:
            raise InvalidInput(f"a pepper is at most {PEPPER_MAX} bytes", path="pepper")
        self._pepper = pepper

    @property
    def pepper(self) -> bytes:
        """The shop's own key, as it was given."""
        return self._pepper

    def secret(self, count: int) -> bytes:
        """From the operating system."""
        return os.urandom(count)

    def new(self, kind: str) -> str:
        """``kind_`` and 32 hex digits: 12 of time, 20 of randomness."""
        return f"{kind}_{time.time_ns() // 1_000_000:012x}{os.urandom(10).hex()}"


class CountedIds:
    """Ids that count, for simulations and tests: the same run gives the same ids, and the same secrets."""

    pepper = b""

    def __init__(self, start: int = 1) -> None:
        self._count = itertools.count(start)
        self._secrets = itertools.count(start)

    def secret(self, count: int) -> bytes:
        """Bytes that look random and follow from a count: no secret at all."""
        return hashlib.shake_128(f"{next(self._secrets)}".encode()).digest(count)

    def new(self, kind: str) -> str:
        """``kind_1``, ``kind_2``, ..."""
        return f"{kind}_{next(self._count)}"


_FIELD = re.compile(r"\{(date|shop|seq(?::(0?\d{1,2}))?)\}")
_FIELDS = ("{date}", "{shop}", "{seq:06}")


@value
class NumberTemplate:
    """How order numbers look: text with ``{date}`` (YYYYMMDD), ``{shop}`` and ``{seq:06}``.

    The sequence belongs to the text around ``{seq}``: ``ORD-{seq:010}`` counts over all shops and days,
    ``HB{date}-{seq:06}`` anew each day, ``{shop}-{seq}`` for each shop. ``{date}`` is the day in ``zone``,
    a name of the IANA time zone database.

    No number is given twice, whatever happens at the same time; some are skipped. A number is taken from the
    store before the order is written, so a refused placement or a crash loses it, and a store on a database
    takes several at once for each process, which loses the rest when it ends and lets numbers of two processes
    interleave. Where a tax office wants numbers without gaps (invoices), count there, not here.

    >>> from datetime import UTC, datetime
    >>> template = NumberTemplate("HB{date}-{seq:06}", "Asia/Shanghai")
    >>> evening = datetime(2026, 5, 19, 16, 30, tzinfo=UTC)
    >>> template.sequence(evening, ""), template.render(evening, "", 88126)
    ('HB20260520-', 'HB20260520-088126')
    """

    text: str = "ORD-{seq:010}"
    zone: str = "UTC"

    def check(self, path: str = "") -> None:
        """Raise `InvalidPolicy` unless there is exactly one ``{seq}``, no unknown field, a known zone,
        and nothing that could make two counts look the same.

        ``path`` is that of ``text``; the zone stands beside it.
        """
        rest = _FIELD.sub("", self.text)
        if "{" in rest or "}" in rest:
            reason = f"{self.text!r} has a field other than date, shop, seq"
            raise InvalidPolicy(reason, path=path, allowed=_FIELDS)
        if sum(1 for m in _FIELD.finditer(self.text) if m[1].startswith("seq")) != 1:
            raise InvalidPolicy(f"{self.text!r} needs exactly one {{seq}}", path=path)
        head, after = _halves(self.text)
        digits = "{shop}" in self.text and (head[-1:].isdigit() or after[:1].isdigit())
        if head[-1:] == "}" or after[:1] == "{" or digits:
            reason = (
                f"{self.text!r} runs a field into the count: two of its numbers could be the same"
            )
            raise InvalidPolicy(f"{reason}; put a sign between them", path=path)
        if self.zone != "UTC":
            _zone(self.zone, f"{path.rpartition('.')[0]}.zone".lstrip("."))

    def sequence(self, at: datetime, shop: str) -> str:
        """Name of the sequence to count in."""
        return "".join(self._around(at, shop)[:2])

    def render(self, at: datetime, shop: str, seq: int) -> str:
        """The number that people see."""
        before, after, digits = self._around(at, shop)
        return f"{before}{seq:0{digits}d}{after}"

    def _around(self, at: datetime, shop: str) -> tuple[str, str, int]:
        """What stands before and after the count, and the count's digits."""
        text = self.text
        if "{date}" in text:
            there = at if self.zone == "UTC" else at.astimezone(_zone(self.zone, "numbers.zone"))
            text = text.replace("{date}", f"{there:%Y%m%d}")
        head, after = _halves(text)
        width = text[len(head) + len("{seq") : len(text) - len(after) - 1]
        if "{shop}" in text:  # last, so that a shop's name is never read as a field
            head, after = head.replace("{shop}", shop), after.replace("{shop}", shop)
        return head, after, int(width[1:] or 0)


def _halves(text: str) -> tuple[str, str]:
    """A template's text before and after the count."""
    head, _, tail = text.partition("{seq")
    return head, tail.partition("}")[2]


def _zone(name: str, path: str) -> ZoneInfo:
    """The zone of this name; raises `InvalidPolicy`."""
    from zoneinfo import ZoneInfo  # a shop of UTC needs no database of zones

    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError, TypeError):
        reason = "a zone is a name of the IANA time zone database: 'Europe/Berlin'"
        raise InvalidPolicy(reason, path=path, zone=str(name)[:40]) from None
