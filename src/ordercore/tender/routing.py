"""Which channel takes a payment, and which takes over where it cannot.

A shopper picks a *method* (``card``); one or several *channels* serve it, each a gateway of the host. The rules
are configuration: a channel that is disabled, or does not take the order's currency, market, kind or amount,
is skipped, not an error.
"""

from __future__ import annotations

import enum
from datetime import timedelta
from fractions import Fraction
from hashlib import blake2b
from types import MappingProxyType
from typing import TYPE_CHECKING

from ordercore.errors import InvalidPolicy, InvalidTenders
from ordercore.money import Percent, decimal_text
from ordercore.pricing import OrderKind
from ordercore.tender.attempt import CaptureMoment
from ordercore.tender.channel import FundShare
from ordercore.value import value

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from ordercore.tender.channel import Capabilities

__all__ = [
    "ChannelChoice",
    "ChannelPick",
    "ChannelPolicy",
    "ChannelRule",
    "Route",
    "SuccessRate",
    "route",
]

BACKUPS_MAX = 10
"""Most channels that may take over a payment."""
_WHOLE = 1_000_000


class ChannelChoice(enum.Enum):
    """Which of several channels of one method comes first."""

    # a member is a singleton, so its identity may be its hash: at the speed of C
    __hash__ = object.__hash__

    DECLARED = "declared"
    """The order of the rules."""
    WEIGHT = "weight"
    """By lot, in proportion to the weights; the lot is drawn from a text, such as the order's id, so it is
    the same each time. A weight of 0 comes after all others."""
    CHEAPEST = "cheapest"
    """The lowest fee for this amount."""
    SUCCESS = "success"
    """The best recent rate of success. A channel with too few tries counts as if it never failed, so that it
    is tried; without figures the declared order."""


@value
class ChannelRule:
    """One channel: ``gateway`` names the host's adapter, ``method`` what shoppers pick (empty: the same name).

    Amounts are minor units; an empty tuple of currencies, ``markets`` (countries of the address) or ``kinds``
    is any. ``fee_share`` and ``fee_minor`` are what it costs, for choosing and showing; books are kept by what
    the channel really keeps. ``capture`` is when authorized money is taken. ``per_minute`` bounds the calls that
    take money, 0 for no bound.
    """

    gateway: str
    method: str = ""
    enabled: bool = True
    currencies: tuple[str, ...] = ()
    markets: tuple[str, ...] = ()
    kinds: tuple[OrderKind, ...] = ()
    amount_min: int = 0
    amount_max: int | None = None
    weight: int = 1
    fee_share: Percent | None = None
    fee_minor: int = 0
    capture: CaptureMoment = CaptureMoment.AT_ONCE
    per_minute: int = 0


@value
class ChannelPolicy:
    """The registry of channels. A method without a rule is the gateway of that name.

    ``backups`` are how many further channels a payment may go on to. A channel that failed ``breaker_failures``
    times in a row is left alone for ``breaker_pause``; 0 for never. ``tries_min`` is from how many recent tries on
    a rate of success says something.
    """

    rules: tuple[ChannelRule, ...] = ()
    choose: ChannelChoice = ChannelChoice.DECLARED
    backups: int = 2
    breaker_failures: int = 5
    breaker_pause: timedelta = timedelta(minutes=1)
    tries_min: int = 20

    def rule(self, gateway: str, method: str) -> ChannelRule:
        """The first rule under which a gateway serves a method; one without terms where none names it."""
        for rule in self._named(method):
            if rule.gateway == gateway:
                return rule
        return ChannelRule(gateway, method)

    def _named(self, method: str) -> tuple[ChannelRule, ...]:
        """The rules for what the shopper picked: those of the method, else those of the gateway of that name."""
        found = [rule for rule in self.rules if (rule.method or rule.gateway) == method]
        return tuple(found or [rule for rule in self.rules if rule.gateway == method])

    def candidates(self, method: str) -> tuple[ChannelRule, ...]:
        """The rules that serve a method, in the declared order; a method that none names is a gateway."""
        return self._named(method) or (ChannelRule(method),)

    def check(self, path: str = "channels") -> None:
        """Raise `InvalidPolicy` for limits that cannot be, and for two rules of one channel that both apply."""
        for i, rule in enumerate(self.rules):
            _check_rule(rule, f"{path}.rules[{i}]")
            for earlier in self.rules[:i]:
                if _both(earlier, rule):
                    reason = f"channel {rule.gateway!r} has two rules for the same payments"
                    raise InvalidPolicy(reason, path=f"{path}.rules[{i}]")
        if not 0 <= self.backups <= BACKUPS_MAX:
            reason = f"backups are from 0 to {BACKUPS_MAX}"
            raise InvalidPolicy(reason, path=f"{path}.backups", got=self.backups)
        if self.breaker_failures < 0:
            raise InvalidPolicy("it is not negative", path=f"{path}.breaker_failures")
        if self.breaker_pause < timedelta(0):
            raise InvalidPolicy("it is not negative", path=f"{path}.breaker_pause")
        if self.tries_min < 1:
            raise InvalidPolicy("it is at least 1", path=f"{path}.tries_min")


def _check_rule(rule: ChannelRule, where: str) -> None:
    if not rule.gateway:
        raise InvalidPolicy("a channel has a gateway", path=f"{where}.gateway")
    for name in ("amount_min", "weight", "fee_minor", "per_minute"):
        if getattr(rule, name) < 0:
            raise InvalidPolicy("it is not negative", path=f"{where}.{name}")
    if rule.amount_max is not None and rule.amount_max < rule.amount_min:
        raise InvalidPolicy("the most is at least the least", path=f"{where}.amount_max")
    if rule.fee_share is not None and rule.fee_share.ppm > _WHOLE:
        raise InvalidPolicy("a fee is at most 100 %", path=f"{where}.fee_share")


def _both(one: ChannelRule, other: ChannelRule) -> bool:
    """Whether some payment meets both rules of one channel."""
    if one.gateway != other.gateway or (one.method or one.gateway) != (
        other.method or other.gateway
    ):
        return False
    terms: tuple[tuple[Collection[object], Collection[object]], ...] = (
        (one.currencies, other.currencies),
        (one.markets, other.markets),
        (one.kinds, other.kinds),
    )
    return all([not a or not b or not set(a).isdisjoint(b) for a, b in terms])


@value
class SuccessRate:
    """What a channel did lately: so many tries that came to an end, so many of them with money."""

    tries: int
    successes: int


@value
class Route:
    """The channels of one payment in the order in which they are tried, the first and its backups.

    ``refused`` are (gateway, why it is not among them), those that come too late for a backup left out.
    """

    gateways: tuple[str, ...]
    refused: tuple[tuple[str, str], ...] = ()


@value
class ChannelPick:
    """Where one tender of a payment goes: the channel, those that take over, and when its money is taken."""

    gateway: str
    backups: tuple[str, ...] = ()
    capture: CaptureMoment = CaptureMoment.AT_ONCE
    several: bool = False
    method: str = ""
    shares: tuple[FundShare, ...] = ()


_NO_RATES: Mapping[str, SuccessRate] = MappingProxyType({})


class _Asked:
    """The payment that a channel is wanted for."""

    __slots__ = ("amount", "country", "currency", "kind")

    def __init__(self, amount: int, currency: str, country: str, kind: OrderKind) -> None:
        self.amount = amount
        self.currency = currency
        self.country = country
        self.kind = kind

    def refusal(self, terms: ChannelRule | Capabilities) -> str:
        """Why a rule, or what a gateway can do, does not let this payment in; empty for none."""
        if terms.currencies and self.currency not in terms.currencies:
            return f"it does not take {self.currency}"
        if self.amount < terms.amount_min:
            least = decimal_text(terms.amount_min, self.currency)
            return f"it takes at least {least} {self.currency}"
        if terms.amount_max is not None and self.amount > terms.amount_max:
            return (
                f"it takes at most {decimal_text(terms.amount_max, self.currency)} {self.currency}"
            )
        return ""

    def unfit(self, rule: ChannelRule) -> str:
        """Why a rule does not let this payment in; empty for none."""
        if not rule.enabled:
            return "it is disabled"
        if rule.markets and self.country not in rule.markets:
            return f"it does not serve {self.country or 'an order without a country'}"
        if rule.kinds and self.kind not in rule.kinds:
            return f"it does not take orders of the kind {self.kind.value}"
        return self.refusal(rule)


def route(
    policy: ChannelPolicy,
    method: str,
    amount: int,
    currency: str,
    country: str,
    kind: OrderKind,
    *,
    capabilities: Mapping[str, Capabilities],
    rates: Mapping[str, SuccessRate] = _NO_RATES,
    lot: str = "",
    paused: Collection[str] = (),
) -> Route:
    """Which channels take ``amount`` minor units by a method: the first, and at most so many backups.

    ``capabilities`` are those of every gateway that the host has, by name. ``rates`` are recent figures and ``lot``
    is a text that decides by lot, so that the choice depends on nothing else. ``paused`` are channels to be left alone
    for now. Raises `InvalidTenders` that names each channel and why it cannot.
    """
    asked = _Asked(amount, currency, country, kind)
    fit: list[ChannelRule] = []
    refused: list[tuple[str, str]] = []
    for rule in policy.candidates(method):
        why = asked.unfit(rule)
        able = capabilities.get(rule.gateway)
        if not why and able is None:
            why = "there is no gateway of this name"
        elif not why and able is not None:
            why = asked.refusal(able)
        if not why and rule.gateway in paused:
            why = "it has failed lately and is left alone for a while"
        if why:
            refused.append((rule.gateway, why))
        elif all([rule.gateway != other.gateway for other in fit]):
            fit.append(rule)
    if not fit:
        text = "; ".join([f"{gateway}: {why}" for gateway, why in refused])
        reason = f"no channel takes this payment by {method!r} ({text})"
        raise InvalidTenders(reason, path="tenders", method=method, refused=tuple(refused))
    names = [rule.gateway for rule in _ordered(policy, fit, amount, rates, lot)]
    return Route(tuple(names[: 1 + policy.backups]), tuple(refused))


def _ordered(
    policy: ChannelPolicy,
    fit: list[ChannelRule],
    amount: int,
    rates: Mapping[str, SuccessRate],
    lot: str,
) -> Sequence[ChannelRule]:
    """The channels in the order of choice; ties in the declared order."""
    choose = policy.choose
    if len(fit) == 1 or choose is ChannelChoice.DECLARED:
        return fit
    if choose is ChannelChoice.WEIGHT:
        return _by_lot(fit, lot)
    if choose is ChannelChoice.CHEAPEST:
        return sorted(fit, key=lambda rule: _fee(rule, amount))
    return sorted(fit, key=lambda rule: -_rate(rates.get(rule.gateway), policy.tries_min))


def _fee(rule: ChannelRule, amount: int) -> int:
    """What a payment costs, in millionths of a minor unit: exact, so nothing is rounded to compare it."""
    share = 0 if rule.fee_share is None else rule.fee_share.ppm
    return amount * share + rule.fee_minor * _WHOLE


def _rate(rate: SuccessRate | None, tries_min: int) -> Fraction:
    if rate is None or rate.tries < tries_min:
        return Fraction(1)
    return Fraction(rate.successes, rate.tries)


def _by_lot(fit: list[ChannelRule], lot: str) -> list[ChannelRule]:
    """Drawn one after the other, each in proportion to its weight among those that are left."""
    left = list(fit)
    found: list[ChannelRule] = []
    while left:
        whole = sum([rule.weight for rule in left])
        if not whole:
            return found + left
        digest = blake2b(f"{lot}/{len(found)}".encode(), digest_size=16).digest()
        drawn = int.from_bytes(digest, "big") % whole
        for i, rule in enumerate(left):
            drawn -= rule.weight
            if drawn < 0:
                found.append(left.pop(i))
                break
    return found
