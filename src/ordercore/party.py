"""Who and where: customers, actors, addresses, destinations.

Personal data stays in the values of this room, and their ``repr`` does not show it:
logs and tracebacks print an order's parties by id alone.
"""

from __future__ import annotations

import enum

import attrs

from ordercore.value import value

__all__ = ["SYSTEM", "Actor", "ActorKind", "Address", "Attribution", "Destination", "Party"]


class ActorKind(enum.Enum):
    """On whose behalf a command runs."""

    # a member is a singleton, so its identity may be its hash: at the speed of C
    __hash__ = object.__hash__

    CUSTOMER = "customer"
    STAFF = "staff"
    CHANNEL = "channel"
    """A payment channel or a carrier, through a notification."""
    SYSTEM = "system"
    """A timer, or the shop's own process."""


@value
class Actor:
    """Who acts; stands in the journal beside each change."""

    kind: ActorKind
    id: str = ""

    @classmethod
    def customer(cls, id: str) -> Actor:  # noqa: A002 - the field's name
        """The customer with this id."""
        return cls(ActorKind.CUSTOMER, id)

    @classmethod
    def staff(cls, id: str) -> Actor:  # noqa: A002 - the field's name
        """The member of staff with this id."""
        return cls(ActorKind.STAFF, id)

    def __str__(self) -> str:
        return f"{self.kind.value}:{self.id}" if self.id else self.kind.value


SYSTEM = Actor(ActorKind.SYSTEM)
"""The shop's own process: timers, sweepers."""


@value
class Destination:
    """Where goods go, as far as tax and freight care. ``country`` is ISO 3166-1 alpha-2."""

    country: str = ""
    region: str = ""
    postcode: str = ""


@value
class Address:
    """A postal address of one consignee."""

    name: str = attrs.field(default="", repr=False)
    lines: tuple[str, ...] = attrs.field(default=(), repr=False)
    city: str = attrs.field(default="", repr=False)
    region: str = ""
    postcode: str = attrs.field(default="", repr=False)
    country: str = ""
    phone: str = attrs.field(default="", repr=False)

    def destination(self) -> Destination:
        """The part of the address that prices depend on."""
        return Destination(self.country, self.region, self.postcode)


@value
class Party:
    """A customer as the order keeps it: the id, and a snapshot of what was known that day."""

    id: str = ""
    name: str = attrs.field(default="", repr=False)
    email: str = attrs.field(default="", repr=False)
    phone: str = attrs.field(default="", repr=False)
    vat_id: str = ""


@value
class Attribution:
    """Where an order came from, in the host's own words: which site, over which channel, by which campaign."""

    site: str = ""
    channel: str = ""
    campaign: str = ""
