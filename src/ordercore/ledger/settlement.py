"""Whose money a sale is: what a merchant gets of it, and what the shop keeps as its commission."""

from __future__ import annotations

from ordercore.errors import InvalidPolicy
from ordercore.money import Percent, Rounding
from ordercore.value import value

__all__ = ["CommissionRule", "SettlementPolicy"]

_WHOLE = 1_000_000


@value
class CommissionRule:
    """What the shop keeps of a merchant's sales: a share of what the customer pays for a line, and an amount a unit.

    An empty ``merchant`` or ``category`` is any. The first rule that fits a line counts.
    """

    merchant: str = ""
    category: str = ""
    share: Percent | None = None
    per_unit_minor: int = 0

    def of(self, paid: int, units: int) -> int:
        """The commission of a line for which so much is paid, rounded half up, in minor units."""
        share = 0 if self.share is None else self.share.times(paid, Rounding.HALF_UP)
        return share + self.per_unit_minor * units


@value
class SettlementPolicy:
    """Commissions, first match first. Without a rule that fits, all of a merchant's line is the merchant's.

    ``merchants_pay_tax``: the tax on their sales is theirs to pay, so they get it too.
    """

    commissions: tuple[CommissionRule, ...] = ()
    merchants_pay_tax: bool = False

    def rule(self, merchant: str, category: str) -> CommissionRule | None:
        """The first rule that fits, ``None`` for none."""
        for rule in self.commissions:
            if rule.merchant in {"", merchant} and rule.category in {"", category}:
                return rule
        return None

    def check(self, path: str = "funds") -> None:
        """Raise `InvalidPolicy` for a commission above everything or below nothing."""
        for i, rule in enumerate(self.commissions):
            where = f"{path}.commissions[{i}]"
            if rule.share is not None and rule.share.ppm > _WHOLE:
                raise InvalidPolicy("a commission is at most 100 %", path=f"{where}.share")
            if rule.per_unit_minor < 0:
                raise InvalidPolicy("it is not negative", path=f"{where}.per_unit_minor")
