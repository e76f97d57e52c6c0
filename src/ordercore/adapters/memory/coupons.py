"""A coupon book in memory."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, NamedTuple

from ordercore.clock import utc
from ordercore.errors import CouponUnavailable, InvalidInput
from ordercore.pricing import Coupon, CouponStatus, IssuedCoupon

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from ordercore.clock import Clock

__all__ = ["MemoryCouponBook"]

CODES_MAX = 100
"""Most codes of one call."""


class _Take(NamedTuple):
    """A code that an order holds or has used."""

    code: str
    promotion: str
    customer: str
    until: datetime
    used: bool

    def counts(self, now: datetime) -> bool:
        """Whether it stands in anybody's way."""
        return self.used or self.until > now


class MemoryCouponBook:
    """Coupon codes in memory: `issue` gives them out, `void` withdraws them.

    Codes are compared as they are written. A hold looks at uses and limits and not at the validity of a
    code: a price that was shown while it was valid is kept.
    """

    joins = False

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._issued: dict[str, IssuedCoupon] = {}
        self._void: set[str] = set()
        self._holdings: dict[str, tuple[_Take, ...]] = {}  # empty once it was released
        self._takes: dict[str, dict[tuple[str, str], _Take]] = {}  # by promotion, holding and code
        self._lock = threading.RLock()

    def issue(
        self,
        code: str,
        promotion: str,
        *,
        single_use: bool = True,
        holder: str = "",
        valid_from: datetime | None = None,
        valid_until: datetime | None = None,
        total_limit: int | None = None,
        per_customer: int | None = None,
    ) -> None:
        """Give out a code for the promotion with this id; the same again is the same.

        The limits count uses of the *promotion* under any code; give those of its `CouponTerms`, so that no
        two orders slip past them together. Raises `InvalidInput` for a code that stands for something else.
        """
        issued = IssuedCoupon(
            code, promotion, single_use, holder, valid_from, valid_until, total_limit, per_customer
        ).checked()
        with self._lock:
            if self._issued.setdefault(code, issued) != issued:
                raise InvalidInput("the code was issued with other terms", path="code", code=code)

    def void(self, code: str) -> None:
        """Withdraw a code; an order that holds it keeps it. Raises `InvalidInput` for an unknown one."""
        with self._lock:
            if code not in self._issued:
                raise InvalidInput("no such code was issued", path="code", code=code)
            self._void.add(code)

    def find(self, codes: Sequence[str], customer: str) -> tuple[Coupon, ...]:
        """What is known of each code, once and in the order asked."""
        with self._lock:
            now = self._clock.now()
            asked = [code for code in _bounded(codes) if code in self._issued]
            return tuple([self._coupon(code, customer, now) for code in asked])

    def _coupon(self, code: str, customer: str, now: datetime) -> Coupon:
        known = self._issued[code]
        in_all = by_customer = 0
        status = CouponStatus.VOID if code in self._void else CouponStatus.FREE
        for take in self._counting(known.promotion, now):
            in_all += 1
            by_customer += bool(customer) and take.customer == customer
            if take.code == code and known.single_use and status is not CouponStatus.VOID:
                status = CouponStatus.USED if take.used else CouponStatus.HELD
        return Coupon(
            code, known.promotion, status, known.single_use, known.holder, known.valid_from,
            known.valid_until, in_all, by_customer,
        )  # fmt: skip

    def _counting(self, promotion: str, now: datetime, but: str = "") -> Iterator[_Take]:
        """Uses and holds of a promotion, of all orders or of all but one."""
        for (holding, _), take in self._takes.get(promotion, {}).items():
            if take.counts(now) and (not but or holding != but):
                yield take

    def hold(self, holding: str, codes: Sequence[str], customer: str, until: datetime) -> None:
        """Hold all or none; `InvalidInput` for a hold that is over before it begins."""
        ends = utc(until, "until")
        with self._lock:
            now = self._clock.now()
            held = self._holdings.get(holding, ())
            if held and all([take.counts(now) for take in held]):
                return
            if ends <= now:
                reason = f"a hold until {ends.isoformat()} is over already"
                raise InvalidInput(reason, path="until")
            takes = self._free(holding, _bounded(codes), customer, ends, now, used=False)
            self._set(holding, takes)

    def _free(
        self,
        holding: str,
        codes: Sequence[str],
        customer: str,
        until: datetime,
        now: datetime,
        *,
        used: bool,
    ) -> tuple[_Take, ...]:
        """The codes as an order may take them; raises `CouponUnavailable` for the first that is not free."""
        takes: list[_Take] = []
        for code in codes:
            known = self._issued.get(code)
            if known is None:
                raise _unavailable(code, "is not known")
            if code in self._void:
                raise _unavailable(code, "was withdrawn")
            if known.holder and known.holder != customer:
                raise _unavailable(code, "is another customer's")
            others = [*self._counting(known.promotion, now, holding)]
            others += [take for take in takes if take.promotion == known.promotion]
            if known.single_use and any([take.code == code for take in others]):
                raise _unavailable(code, "is taken by another order")
            if known.total_limit is not None and len(others) >= known.total_limit:
                raise _unavailable(code, "was used as often as it may be")
            own = sum([take.customer == customer for take in others]) if customer else 0
            if known.per_customer is not None and own >= known.per_customer:
                raise _unavailable(code, "was used by this customer as often as it may be")
            takes.append(_Take(code, known.promotion, customer, until, used))
        return tuple(takes)

    def _set(self, holding: str, takes: tuple[_Take, ...]) -> None:
        for take in self._holdings.get(holding, ()):
            del self._takes[take.promotion][holding, take.code]
        self._holdings[holding] = takes
        for take in takes:
            self._takes.setdefault(take.promotion, {})[holding, take.code] = take

    def use(self, holding: str) -> None:
        """Make a hold final, also a lapsed one whose codes are still free; a released one is no more."""
        with self._lock:
            held = self._holdings.get(holding, ())
            if not held:
                raise CouponUnavailable("nothing is held", path=holding, coupon="")
            now = self._clock.now()
            if all([take.counts(now) for take in held]):
                used = [_Take(*take[:4], used=True) for take in held]
                self._set(holding, tuple(used))
                return
            codes, customer = [take.code for take in held], held[0].customer
            self._set(holding, self._free(holding, codes, customer, held[0].until, now, used=True))

    def release(self, holding: str) -> None:
        """Free a hold, or give back a use."""
        with self._lock:
            if holding in self._holdings:
                self._set(holding, ())


def _bounded(codes: Sequence[str]) -> list[str]:
    """Each code once."""
    if len(codes) > CODES_MAX:
        raise InvalidInput(f"at most {CODES_MAX} codes, not {len(codes)}", path="codes")
    return list(dict.fromkeys(codes))


def _unavailable(code: str, why: str) -> CouponUnavailable:
    return CouponUnavailable(f"the coupon {code!r} {why}", path="codes", coupon=code)
