"""Rules by which customs add parcels up: parting an order must not win a relief that the order does not have.

They are data with their days and sources, like the limits they guard (`ordercore.pricing.regime`).
Where one holds, parcels are assessed one by one and as one consignment, and the dearer counts: adding up takes
a relief away and never gives one. What a destination has no rule for is assessed parcel by parcel.
"""

from __future__ import annotations

import enum
from datetime import date
from typing import TYPE_CHECKING

from ordercore.errors import InvalidPolicy
from ordercore.pricing.regime import customs_territory, is_country
from ordercore.value import value

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["ADDING_UP", "AddingUp", "AddsUp", "adding_up", "check_adding_up"]

RULES_MAX = 1_000
"""Most rules of one policy."""


class AddsUp(enum.Enum):
    """Which parcels of an order count as one consignment."""

    # a member is a singleton, so its identity may be its hash: at the speed of C
    __hash__ = object.__hash__

    AVOIDABLE = "avoidable"
    """Those that nothing keeps apart: one seller, one buyer, one address, one day, and one place they leave from.
    What has to go by itself (another warehouse, batteries by sea) is a consignment by itself."""
    ORDER = "order"
    """All that leave one country for one order, whatever parted them."""


@value
class AddingUp:
    """One rule, from ``first_day`` to ``last_day`` (inclusive; ``None`` is open).

    ``territory`` is a customs territory as `customs_territory` names it: ``"EU"``, or a country's code.
    """

    territory: str
    which: AddsUp
    first_day: date
    last_day: date | None
    source: str

    def holds(self, country: str, day: date) -> bool:
        """Whether it holds for goods that go to ``country`` on ``day``."""
        if day < self.first_day or (self.last_day is not None and day > self.last_day):
            return False
        return self.territory == customs_territory(country, day)


ADDING_UP: tuple[AddingUp, ...] = (
    AddingUp(
        "EU",
        AddsUp.AVOIDABLE,
        date(2021, 7, 1),
        None,
        "European Commission, Explanatory Notes on VAT e-commerce rules (2020), ch. 4, and Guidance on low value"
        " consignments, Ares(2020)7537849: goods that one buyer orders together from one seller are taken as one"
        " consignment",
    ),
    AddingUp(
        "GB",
        AddsUp.AVOIDABLE,
        date(2021, 1, 1),
        None,
        "HMRC, VAT and overseas goods sold directly to customers in the UK: the values of all items are added"
        " unless they are sent individually",
    ),
    AddingUp(
        "AU",
        AddsUp.AVOIDABLE,
        date(2018, 7, 1),
        None,
        "A New Tax System (Goods and Services Tax) Act 1999, s. 84-83; ATO ruling LCR 2018/1: goods that are"
        " reasonably believed to be imported together",
    ),
    AddingUp(
        "NZ",
        AddsUp.AVOIDABLE,
        date(2019, 12, 1),
        None,
        "New Zealand Customs Service: orders from one supplier to one address within a short time are one shipment",
    ),
    AddingUp(
        "US",
        AddsUp.ORDER,
        date(2016, 3, 10),
        date(2025, 8, 28),
        "19 U.S.C. 1321(a)(2): a single order forwarded in separate lots has no exemption; one person on one day",
    ),
    AddingUp(
        "CN",
        AddsUp.ORDER,
        date(2016, 4, 8),
        None,
        "Cai Guan Shui [2016] No. 18: the limit is of a single transaction, which is the order",
    ),
)
"""The rules that the library knows, those that have ended included.

Readings behind the rows. In the EU parcels that were really sent apart are consignments by themselves;
goods that could have gone together are not parted for a relief here. The United Kingdom is read in the same way.
Norway's limit is of one item, so there is nothing to add up. Look at them before you rely on
a parting that saves duty: a shop's own list goes into `ordercore.fulfillment.linking.LinkPolicy`."""


def adding_up(rules: Sequence[AddingUp], country: str, day: date) -> AddingUp | None:
    """The first of ``rules`` that holds for goods to ``country`` on ``day``, ``None`` where none does."""
    for rule in rules:
        if rule.holds(country, day):
            return rule
    return None


def check_adding_up(rules: Sequence[AddingUp], path: str = "adding_up") -> None:
    """Raise `InvalidPolicy` for a rule without days or source, or of a place that is none."""
    if len(rules) > RULES_MAX:
        raise InvalidPolicy(f"at most {RULES_MAX} rules", path=path)
    for number, rule in enumerate(rules):
        where = f"{path}[{number}]"
        if not is_country(rule.territory):
            reason = f"{rule.territory!r} is no country code and no customs territory"
            raise InvalidPolicy(reason, path=f"{where}.territory")
        if type(rule.which) is not AddsUp:
            raise InvalidPolicy("it is one of AddsUp", path=f"{where}.which")
        if type(rule.first_day) is not date:
            raise InvalidPolicy("a rule needs a first day", path=f"{where}.first_day")
        if rule.last_day is not None and rule.last_day < rule.first_day:
            raise InvalidPolicy("the last day is before the first", path=f"{where}.last_day")
        if not rule.source.strip():
            raise InvalidPolicy("a rule needs its source", path=f"{where}.source")
