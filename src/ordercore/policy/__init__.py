"""The policies of a shop as one document: read, checked across rooms, written back.

Each room owns the policy class that steers it; here they are composed, nothing more.
A document is TOML (https://toml.io/en/v1.0.0) in plain words: durations as ``"30 min"``,
percentages as ``"17.5"``, amounts as ``"20.00 CNY"`` (of tenders as whole minor units), days as TOML dates.
What is left out keeps its default, so an empty document is the preset that runs with no configuration.
``docs/reference/policies.md`` lists every key.

How a document is read stands in the tables of `ordercore.policy.document`: a key, and the kind of
thing it holds; the kinds in `ordercore.policy.kinds`.
"""

from __future__ import annotations

import enum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import attrs

from ordercore.errors import InvalidDocument, InvalidPolicy
from ordercore.fulfillment import StockPolicy
from ordercore.fulfillment.pickup import PickupPolicy
from ordercore.fulfillment.split_rule import SplitPolicy
from ordercore.identity import NumberTemplate
from ordercore.ledger import PostingPolicy, SettlementPolicy
from ordercore.order import HandlingPolicy
from ordercore.order.merge import MergePolicy
from ordercore.policy.document import rooms
from ordercore.policy.kinds import Table, leaves, spoken, table, unknown
from ordercore.policy.toml import BYTES_MAX, lines, too_long, tree, without_dates
from ordercore.pricing import PointsRate, PricingPolicy
from ordercore.pricing.border import check_border
from ordercore.pricing.layering import check_layers
from ordercore.tender import ChannelPolicy, PaymentPolicy, TenderPolicy
from ordercore.timeout import TimeoutPolicy
from ordercore.value import value

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

    from ordercore.pricing import PromotionRule

__all__ = ["BYTES_MAX", "Policies", "Preset", "known_keys", "preset"]

_NO_RULES: Mapping[str, PromotionRule] = MappingProxyType({})


class Preset(enum.Enum):
    """Policies that come with the library. Each runs with no further configuration.

    A preset is a document like any other, with the source of each figure and the day it was read.
    Rates and rules of law age: take a preset as the start of your own document.
    """

    DEFAULT = "default"
    """No tax, unpaid orders close after 30 minutes, revenue on completion."""
    CN_RETAIL = "cn-retail"
    """A shop in mainland China: prices with VAT, points, WeChat Pay and Alipay, 30 minutes to pay."""
    EU_RETAIL = "eu-retail"
    """A shop in the European Union: prices with the VAT of the destination, 14 days to confirm."""
    CROSS_BORDER = "cross-border"
    """A shop that ships from China abroad: prices without tax, what each border asks, paid on arrival."""

    def document(self) -> str:
        """The preset as TOML text, with its comments; `Policies.parse` gives the preset."""
        if self is Preset.DEFAULT:
            return Policies().dump()
        from importlib.resources import files  # only here: the import budget

        place = files("ordercore.policy").joinpath("presets", f"{self.value}.toml")
        return place.read_text("utf-8")


@value
class Policies:
    """All policies of a shop. ``Policies()`` is `Preset.DEFAULT`."""

    pricing: PricingPolicy = PricingPolicy()
    tenders: TenderPolicy = TenderPolicy()
    timeouts: TimeoutPolicy = attrs.field(factory=TimeoutPolicy)
    posting: PostingPolicy = PostingPolicy()
    stock: StockPolicy = StockPolicy()
    numbers: NumberTemplate = NumberTemplate()
    handling: HandlingPolicy = HandlingPolicy()
    payments: PaymentPolicy = PaymentPolicy()
    channels: ChannelPolicy = ChannelPolicy()
    funds: SettlementPolicy = SettlementPolicy()
    splitting: SplitPolicy = SplitPolicy()
    merging: MergePolicy = MergePolicy()
    pickup: PickupPolicy = PickupPolicy()

    @classmethod
    def preset(cls, name: Preset | str = Preset.DEFAULT) -> Policies:
        """The policies of a preset; raises `InvalidPolicy` with the known names for any other."""
        found = preset(name)
        return cls() if found is Preset.DEFAULT else cls.parse(found.document(), found.value)

    @classmethod
    def load(
        cls, path: str | os.PathLike[str], *, rules: Mapping[str, PromotionRule] = _NO_RULES
    ) -> Policies:
        """Read a TOML file of at most `BYTES_MAX` bytes.

        ``rules`` as in `parse`.
        Raises `InvalidDocument` for a file that cannot be read, `InvalidPolicy` for what stands in it.
        """
        from pathlib import Path  # only here: the import budget

        try:
            with Path(path).open("rb") as file:
                content = file.read(BYTES_MAX + 1)
        except (OSError, ValueError, TypeError) as error:
            why = getattr(error, "strerror", None) or str(error)
            reason = f"the policy file cannot be read: {why[:1].lower()}{why[1:]}"
            raise InvalidDocument(reason, path=str(path)) from None
        if len(content) > BYTES_MAX:
            too_long(str(path))
        try:
            text = content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            before = content[: error.start]
            line = before.count(b"\n") + 1
            column = error.start - before.rfind(b"\n")
            where = f"{path}:{line}:{column}"
            raise InvalidPolicy("the text is not UTF-8", path=where, source=str(path)) from None
        return cls.parse(text, source=str(path), rules=rules)

    @classmethod
    def parse(
        cls, text: str, source: str = "policies", *, rules: Mapping[str, PromotionRule] = _NO_RULES
    ) -> Policies:
        """Read TOML text; ``source`` names it in errors.

        ``rules`` are promotions of the host's own: a benefit of ``type = "host"`` names one as ``rule``.

        Raises `InvalidPolicy`: for broken TOML with ``source:line:column`` as path,
        else with the path of the key (``pricing.tax.rates[1].percent``); the first fault alone is told.
        """
        return cls.from_plain(tree(text, source), source, rules=rules)

    @classmethod
    def from_plain(
        cls,
        plain: Mapping[str, Any],
        source: str = "",
        *,
        rules: Mapping[str, PromotionRule] = _NO_RULES,
    ) -> Policies:
        """Read what `to_plain` wrote, or a parsed document; raises `InvalidPolicy` as `parse` does."""
        root = _root(rules) if rules else _ROOT
        try:
            found: Policies = root.read(plain, "")
            found.check()
        except InvalidPolicy as error:
            if source:
                error.data.setdefault("source", source)
            raise
        return found

    def check(self) -> None:
        """Raise `InvalidPolicy` for a value of the wrong type or size, and for policies at odds.

        Whatever passes can be written and read back, but for a `HostRule`, which is code. Names of
        lifecycle states are the engine's to check: it knows the charts.
        """
        _ROOT.fit(self, "")
        self._check_pricing()
        self.tenders.check("tenders")
        self.payments.check("payments")
        self.channels.check("channels")
        self.funds.check("funds")
        self.timeouts.check("timeouts")
        self.handling.check("handling")
        self.stock.check("stock")
        self.splitting.check("splitting")
        self.merging.check("merging")
        self.pickup.check("pickup")
        self.numbers.check("numbers.template")
        # A paid order must find its goods: the promise outlives the search for a lost answer.
        least = sum(self.timeouts.backoff, self.timeouts.resolve_after)
        if self.stock.reserve_slack < least:
            reason = (
                f"goods must stay reserved until an open payment is resolved: at least "
                f"{spoken(least)} (timeouts.resolve_after and all of timeouts.backoff)"
            )
            raise InvalidPolicy(reason, path="stock.reserve_slack", least=spoken(least))

    def _check_pricing(self) -> None:
        """What the parts of pricing say of their own policies."""
        pricing = self.pricing
        pricing.tax.check("pricing.tax")
        check_layers(pricing.layers, "pricing.layers")
        if pricing.border is not None:
            check_border(pricing.border, "pricing.border")

    def check_points(self) -> None:
        """Raise `InvalidPolicy` where a price counts points at another rate than a tender takes them.

        The engine asks it; a document of pricing alone has no tenders.
        """
        worth = self.pricing.points_worth
        if worth is None:
            return
        rates = [
            rule.rate or PointsRate() for rule in self.tenders.rules if rule.gateway == "points"
        ]
        for rate in rates or [PointsRate()]:
            if rate.points * worth.minor == rate.minor * worth.points:
                return
        reason = "no rule of the tender 'points' takes points at this rate"
        raise InvalidPolicy(reason, path="pricing.points_worth")

    def to_plain(self) -> dict[str, Any]:
        """Plain data fit for JSON, days as ISO text; ``from_plain(p.to_plain()) == p`` (law L23).

        Raises `InvalidPolicy` for a `HostRule`, by its name.
        """
        self.check()
        plain: dict[str, Any] = without_dates(_ROOT.write(self))
        return plain

    def dump(self) -> str:
        """Canonical TOML: every key that has a value, in a fixed order; `parse` gives equal policies.

        Raises `InvalidPolicy` for a `HostRule`, by its name.
        """
        self.check()
        return "\n".join(lines(_ROOT.write(self), "")).lstrip("\n") + "\n"


def preset(name: Preset | str) -> Preset:
    """The preset of this name; raises `InvalidPolicy` with the known names for any other."""
    wanted = name.value if isinstance(name, Preset) else name
    known = {one.value: one for one in Preset}
    if wanted not in known:
        unknown("preset", wanted, tuple(known), "preset")
    return known[wanted]


def _root(rules: Mapping[str, PromotionRule]) -> Table:
    return table(Policies, **rooms(rules))


_ROOT = _root(_NO_RULES)


def known_keys() -> tuple[str, ...]:
    """Every key that a document may hold, as ``tenders.rules[].step``, in the order of `Policies.dump`.

    ``<kind>`` stands for an order kind; ``benefit.<every_off>.off`` is the key ``off`` of a benefit
    of that type.
    """
    return tuple(leaves(_ROOT, ""))
