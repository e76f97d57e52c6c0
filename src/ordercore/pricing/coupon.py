"""Coupon codes: what a promotion asks of one, what is known of one, why one is refused."""

from __future__ import annotations

import enum
from datetime import datetime

from ordercore.clock import utc
from ordercore.errors import InvalidInput
from ordercore.value import value

__all__ = [
    "Coupon",
    "CouponStatus",
    "CouponTerms",
    "IssuedCoupon",
    "RefusalReason",
    "RefusedCoupon",
]


@value
class CouponTerms:
    """How often the codes of a promotion may be used in all and by one customer; ``None`` is no limit.

    A single-use code is used once whatever the limits; that stands on the code (`Coupon.single_use`).
    """

    total_limit: int | None = None
    per_customer: int | None = None


class CouponStatus(enum.Enum):
    """What became of a code."""

    __hash__ = object.__hash__

    FREE = "free"
    HELD = "held"
    """By an order that is not paid yet, other than the one in question."""
    USED = "used"
    VOID = "void"
    """Withdrawn by the shop."""


@value
class Coupon:
    """What a coupon book knows of one code at one moment.

    ``promotion`` is the id of the promotion that the code opens. ``holder`` is the customer it was given
    to, empty for anybody. ``valid_until`` is the first moment at which it is no longer valid.
    ``used_in_all`` and ``used_by_customer`` count uses and holds of the *promotion* under any code.
    """

    code: str
    promotion: str
    status: CouponStatus = CouponStatus.FREE
    single_use: bool = True
    holder: str = ""
    valid_from: datetime | None = None
    valid_until: datetime | None = None
    used_in_all: int = 0
    used_by_customer: int = 0


@value
class IssuedCoupon:
    """A code as it was given out. The limits count uses of the *promotion* under any code:
    those of its `CouponTerms`, which a book holds to when two orders come together."""

    code: str
    promotion: str
    single_use: bool = True
    holder: str = ""
    valid_from: datetime | None = None
    valid_until: datetime | None = None
    total_limit: int | None = None
    per_customer: int | None = None

    def checked(self) -> IssuedCoupon:
        """The same with its times in UTC; raises `InvalidInput` for what no book can keep."""
        for name, text in (("code", self.code), ("promotion", self.promotion)):
            if not isinstance(text, str) or not text:
                raise InvalidInput(f"a {name} is a text that is not empty", path=name)
        for name, limit in (("total_limit", self.total_limit), ("per_customer", self.per_customer)):
            if limit is not None and (type(limit) is not int or limit < 1):
                raise InvalidInput("a limit is at least 1", path=name)
        return IssuedCoupon(
            self.code, self.promotion, bool(self.single_use), self.holder,
            None if self.valid_from is None else utc(self.valid_from, "valid_from"),
            None if self.valid_until is None else utc(self.valid_until, "valid_until"),
            self.total_limit, self.per_customer,
        )  # fmt: skip


class RefusalReason(enum.Enum):
    """Why a code that the shopper gave did nothing."""

    __hash__ = object.__hash__

    UNKNOWN = "unknown"
    """No book knows the code, or no promotion goes by it."""
    USED = "used"
    HELD = "held"
    VOID = "void"
    NOT_YET = "not_yet"
    EXPIRED = "expired"
    NOT_YOURS = "not_yours"
    LIMIT = "limit"
    """The promotion was used as often as it may be, in all or by this customer."""
    BELOW_THRESHOLD = "below_threshold"
    """``short`` minor units or ``short_units`` units are missing."""
    NOT_FOR_THIS_CART = "not_for_this_cart"
    """Currency, kind, place, shop, group, tier, first order, or no goods in scope."""
    EXCLUDED = "excluded"
    """Another promotion that excludes it was better or came first."""
    NOTHING_LEFT = "nothing_left"
    """Nothing remained to be lowered: all is at its floor."""


@value
class RefusedCoupon:
    """A code that did nothing, and why. ``short`` is what is missing to the threshold, in minor units;
    ``short_units`` what is missing where units are counted."""

    code: str
    reason: RefusalReason
    promotion: str = ""
    short: int = 0
    short_units: int = 0
