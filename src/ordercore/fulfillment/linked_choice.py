"""The answer of a linked choice: parcels with what they cost, the ways that lost, and every reason."""

from __future__ import annotations

import enum

from ordercore.fulfillment.carriage import FreightEstimate
from ordercore.fulfillment.parcel import ParcelGroup
from ordercore.goods import Manifest
from ordercore.money import decimal_text
from ordercore.pricing.border import Assessment
from ordercore.value import value

__all__ = [
    "Alternative",
    "Candidate",
    "LinkCost",
    "LinkReason",
    "LinkRule",
    "LinkedChoice",
    "LinkedParcel",
]


class LinkRule(enum.Enum):
    """By which rule something was chosen."""

    # a member is a singleton, so its identity may be its hash: at the speed of C
    __hash__ = object.__hash__

    FEWEST_POINTS = "fewest_points"
    """No other way costs fewer points."""
    FEWER_PARCELS = "fewer_parcels"
    """Others are as cheap and have more parcels."""
    FREIGHT_ALONE = "freight_alone"
    """Linked choice is switched off."""
    APART = "apart"
    """A group that never shares a parcel."""
    OTHER_SOURCE = "other_source"
    """Goods of different sources."""
    ADDED_UP = "added_up"
    """Customs add these parcels up, and they owe more together."""
    NOT_ADDED_UP = "not_added_up"
    """Customs may add these parcels up, and they owe no more together."""
    BORDER = "border"
    """A step of the assessment."""
    FREIGHT = "freight"
    """The step of the rate table that made the price."""
    FLOOR = "floor"
    """The search did not look at everything."""


@value
class LinkReason:
    """Why, in words, and the rule behind it."""

    rule: LinkRule
    text: str


@value
class LinkCost:
    """What a way comes to, in minor units, with its points. ``tax`` is import tax and tax at the sale."""

    freight: int
    duty: int
    tax: int
    parcels: int
    points: int

    @property
    def total(self) -> int:
        """Freight, duty and tax."""
        return self.freight + self.duty + self.tax


@value
class LinkedParcel:
    """What goes together, and what it costs in minor units.

    ``declared`` is the value on its declaration. ``duty`` and ``tax`` are what counts: where customs add parcels up,
    its part of the whole; ``assessment`` is its own, ``None`` where no border is crossed.
    """

    goods: Manifest
    source: str
    service: str
    carrier: str
    freight: FreightEstimate
    declared: int
    duty: int
    tax: int
    assessment: Assessment | None
    reasons: tuple[LinkReason, ...]


class Candidate(enum.Enum):
    """A way that is always looked at."""

    # a member is a singleton, so its identity may be its hash: at the speed of C
    __hash__ = object.__hash__

    ONE_PARCEL = "one_parcel"
    """As few parcels as may be: one, or one for each part that has to go apart."""
    BY_GROUP = "by_group"
    """A parcel for each group, as given."""
    FREIGHT_ALONE = "freight_alone"
    """The least freight."""
    NEXT_BEST = "next_best"
    """The best of the ways next to the choice: a part of a parcel moved, two parcels joined."""


@value
class Alternative:
    """A way that was looked at: its parcels, what it would have cost (``None``: it cannot go), and why it lost."""

    candidate: Candidate
    parcels: tuple[Manifest, ...]
    cost: LinkCost | None
    why: str


@value
class LinkedChoice:
    """How the goods go. ``chosen_as`` are the ways that the choice is itself.

    ``proven``: no way has fewer points, up to the cents by which a line's units differ. Else ``gap_ppm`` is by how
    much of its own points the choice can lie above the best at most, in parts per million; no way goes below ``at_least``.
    Where linked choice is switched off these points are of freight and parcels alone.
    """

    parcels: tuple[LinkedParcel, ...]
    cost: LinkCost
    currency: str
    enabled: bool
    proven: bool
    gap_ppm: int
    at_least: int
    chosen_as: tuple[Candidate, ...]
    alternatives: tuple[Alternative, ...]
    reasons: tuple[LinkReason, ...]

    def groups(self) -> tuple[ParcelGroup, ...]:
        """The parcels as a plan: what `OrderEngine.plan_parcels` takes."""
        return tuple(
            [
                ParcelGroup(
                    parcel.goods,
                    parcel.source,
                    service=parcel.service,
                    carrier=parcel.carrier,
                    reasons=tuple(dict.fromkeys([one.rule.value for one in self.reasons])),
                    estimate=parcel.freight.amount,
                )
                for parcel in self.parcels
            ]
        )

    def explain(self) -> str:
        """The choice in words: costs, parcels with their reasons, what lost and why."""
        count = f"{len(self.parcels)} parcel{'' if len(self.parcels) == 1 else 's'}"
        lines = [f"{count}: {self._costs(self.cost)}"]
        lines += [f"  {reason.text}" for reason in self.reasons]
        for number, parcel in enumerate(self.parcels, 1):
            carried = f"{parcel.service}{f' from {parcel.source}' if parcel.source else ''}"
            lines.append(
                f"parcel {number}: {_goods(parcel.goods)}, by {carried}, declared"
                f" {self._money(parcel.declared)}: freight {self._money(parcel.freight.amount)},"
                f" duty {self._money(parcel.duty)}, tax {self._money(parcel.tax)}"
            )
            lines += [f"  {reason.text}" for reason in parcel.reasons]
        for other in self.alternatives:
            name = other.candidate.value.replace("_", " ")
            goods = " | ".join([_goods(goods) for goods in other.parcels])
            cost = f"{self._costs(other.cost)}: " if other.cost is not None else ""
            lines.append(f"not {name} ({goods}): {cost}{other.why}")
        return "\n".join(lines)

    def _money(self, amount: int) -> str:
        return f"{self.currency} {decimal_text(amount, self.currency)}"

    def _costs(self, cost: LinkCost) -> str:
        parts = (("freight", cost.freight), ("duty", cost.duty), ("tax", cost.tax))
        said = ", ".join([f"{name} {self._money(amount)}" for name, amount in parts])
        return f"{said}, together {self._money(cost.total)}"


def _goods(goods: Manifest) -> str:
    return ", ".join([f"{units} of line {line}" for line, units in goods])
