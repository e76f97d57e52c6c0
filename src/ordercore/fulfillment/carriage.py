"""Carriage: what carriers sell, as data, and what it costs to send something with it.

A `Service` has one `Rate` for each zone: prices by weight step, then a price for each further step. What is charged
for is the greater of the weight and the *volumetric weight*, the volume over the service's divisor.
IATA and the large integrators divide cubic centimeters by 5,000 (some contracts by 6,000) for kilograms.
Prices are minor units of the service's currency. Bills are held against estimates, and services are scored
against each other by what they did.
"""

from __future__ import annotations

import enum
from datetime import time
from typing import TYPE_CHECKING

from ordercore.errors import InvalidInput, InvalidPolicy, NotAllowed
from ordercore.money import EXPONENTS, MINOR_MAX, divide
from ordercore.pricing.regime import is_country
from ordercore.value import value

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ordercore.fulfillment.item import Item
    from ordercore.party import Destination

__all__ = [
    "FreightEstimate",
    "Rate",
    "Service",
    "Surcharge",
    "SurchargePer",
    "Trait",
    "WeightStep",
    "Zone",
    "chargeable_grams",
    "freight",
    "freight_by_weight",
    "volume_of",
    # bills and scores
    "CarrierRecord",
    "CarrierScore",
    "FreightDifference",
    "FreightTotals",
    "ScorePart",
    "ScoreWeights",
    "compare_freight",
    "score_carriers",
    "sum_differences",
]

GRAMS_MAX = 10**8
"""Heaviest parcel that a service may take: a hundred tons."""
STEPS_MAX = 5_000
"""Most steps of one rate up to the heaviest parcel, the further ones counted."""
RATES_MAX = 1_000
"""Most rates of one service."""
DAYS_MAX = 365
"""Longest transit."""
MILLION = 1_000_000


class SurchargePer(enum.Enum):
    """What a surcharge is paid for."""

    # a member is a singleton, so its identity may be its hash: at the speed of C
    __hash__ = object.__hash__

    PARCEL = "parcel"
    """Once for each parcel in which there is such an item."""
    UNIT = "unit"


@value
class Trait:
    """An attribute of an item: with this value, or with any but the empty one where ``equals`` is empty."""

    name: str
    equals: str = ""

    def of(self, item: Item) -> bool:
        """Whether the item has it."""
        said = item.attribute(self.name)
        return said == self.equals if self.equals else bool(said)

    def __str__(self) -> str:
        return f"{self.name}={self.equals}" if self.equals else self.name


@value
class Surcharge:
    """What items with a trait cost on top."""

    trait: Trait
    amount: int
    per: SurchargePer = SurchargePer.PARCEL


@value
class WeightStep:
    """The price of a parcel up to this weight, of the steps before this one apart."""

    upto_grams: int
    price: int


@value
class Zone:
    """Where a rate holds: to any of these countries, regions and beginnings of a postcode.

    What is empty does not limit. ``origins`` are areas of sources (`Source.area`) from which it holds.
    """

    name: str
    countries: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    postcodes: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()

    def holds(self, to: Destination, origin: str = "") -> bool:
        """Whether goods from ``origin`` to this destination are within the zone."""
        return (
            (not self.countries or to.country in self.countries)
            and (not self.regions or to.region in self.regions)
            and (not self.postcodes or to.postcode.startswith(self.postcodes))
            and (not self.origins or origin in self.origins)
        )


@value
class Rate:
    """Prices and transit days within a zone.

    Beyond the last step each ``further_grams``, begun or full, cost ``further_price``; without them nothing heavier
    than the last step goes.
    """

    zone: Zone
    steps: tuple[WeightStep, ...]
    further_grams: int = 0
    further_price: int = 0
    days_min: int = 1
    days_max: int = 1

    def price(self, grams: int) -> tuple[int, int, int] | None:
        """Price, the weight up to which it holds, and further steps; ``None`` for a weight without a price."""
        for step in self.steps:
            if grams <= step.upto_grams:
                return step.price, step.upto_grams, 0
        if not self.further_grams:
            return None
        last = self.steps[-1]
        further = -((last.upto_grams - grams) // self.further_grams)
        upto = last.upto_grams + further * self.further_grams
        return last.price + further * self.further_price, upto, further

    def stairs(self, upto: int) -> list[tuple[int, int]]:
        """Each (weight, price) at the top of a step, until one covers ``upto`` grams; `STEPS_MAX` at most."""
        found = []
        for step in self.steps:
            found.append((step.upto_grams, step.price))
            if step.upto_grams >= upto:
                return found
        if self.further_grams:
            top, price = found[-1]
            while (
                top < upto
            ):  # ends: a step nearer at each turn, STEPS_MAX at most by `Service.check`
                top += self.further_grams
                price += self.further_price
                found.append((top, price))
        return found


@value
class Service:
    """What a carrier sells: express, standard, a local courier.

    ``divisor_cm3`` are cubic centimeters that weigh a kilogram, 0 where volume does not count. ``refuses`` are traits
    of items that it does not take (``battery`` by air). ``max_grams`` limits the chargeable weight. ``signed_ppm`` is the share of its parcels that are signed
    for, ``lost_ppm`` the share that is lost, both in parts per million. ``cutoff`` is when it collects, by the clock of
    the source; ``None``: when the source closes.
    """

    id: str
    rates: tuple[Rate, ...]
    currency: str
    carrier: str = ""
    max_grams: int = 30_000
    max_cm3: int = 0
    divisor_cm3: int = 0
    surcharges: tuple[Surcharge, ...] = ()
    refuses: tuple[Trait, ...] = ()
    signed_ppm: int = MILLION
    lost_ppm: int = 0
    cutoff: time | None = None

    def rate(self, to: Destination, origin: str = "") -> Rate | None:
        """The first rate whose zone holds; ``None`` where the service does not go."""
        for rate in self.rates:
            if rate.zone.holds(to, origin):
                return rate
        return None

    def check(self, path: str = "service") -> None:
        """Raise `InvalidPolicy` for what cannot be reckoned with, with its path."""
        if not self.id or type(self.id) is not str:
            raise InvalidPolicy("a service needs an id", path=f"{path}.id")
        if self.currency not in EXPONENTS:
            raise InvalidPolicy("a currency is an ISO 4217 code", path=f"{path}.currency")
        _within(self.max_grams, 1, GRAMS_MAX, f"{path}.max_grams")
        _within(self.max_cm3, 0, GRAMS_MAX, f"{path}.max_cm3")
        _within(self.divisor_cm3, 0, GRAMS_MAX, f"{path}.divisor_cm3")
        _within(self.signed_ppm, 0, MILLION, f"{path}.signed_ppm")
        _within(self.lost_ppm, 0, MILLION, f"{path}.lost_ppm")
        if self.cutoff is not None and (
            type(self.cutoff) is not time or self.cutoff.tzinfo is not None
        ):
            raise InvalidPolicy("a cut-off is a time of the day", path=f"{path}.cutoff")
        check_kinds(self.rates, Rate, f"{path}.rates")
        check_kinds(self.surcharges, Surcharge, f"{path}.surcharges")
        check_kinds(self.refuses, Trait, f"{path}.refuses")
        if not 0 < len(self.rates) <= RATES_MAX:
            raise InvalidPolicy(f"a service has 1 to {RATES_MAX} rates", path=f"{path}.rates")
        for number, rate in enumerate(self.rates):
            _check_rate(rate, self.max_grams, f"{path}.rates[{number}]")
        for number, extra in enumerate(self.surcharges):
            where = f"{path}.surcharges[{number}]"
            _check_trait(extra.trait, f"{where}.trait")
            _within(extra.amount, 0, MINOR_MAX, f"{where}.amount")
        for number, trait in enumerate(self.refuses):
            _check_trait(trait, f"{path}.refuses[{number}]")


def check_kinds(found: object, kind: type, path: str) -> None:
    """Raise `InvalidInput` for what is no tuple of this kind."""
    if not isinstance(found, tuple):
        reason = f"a tuple of {kind.__name__} is wanted, not a {type(found).__name__}"
        raise InvalidInput(reason, path=path)
    for number, one in enumerate(found):
        if not isinstance(one, kind):
            reason = f"a {kind.__name__} is wanted, not a {type(one).__name__}"
            raise InvalidInput(reason, path=f"{path}[{number}]")


def _within(number: int, low: int, high: int, path: str) -> None:
    if type(number) is not int or not low <= number <= high:
        raise InvalidPolicy(f"it is a whole number from {low} to {high}", path=path)


def _check_trait(trait: Trait, path: str) -> None:
    if type(trait) is not Trait or not trait.name or type(trait.name) is not str:
        raise InvalidPolicy("a trait names an attribute", path=f"{path}.name")


def _check_rate(rate: Rate, max_grams: int, path: str) -> None:
    check_kinds((rate.zone,), Zone, f"{path}.zone")
    for name in ("countries", "regions", "postcodes", "origins"):
        check_kinds(getattr(rate.zone, name), str, f"{path}.zone.{name}")
    check_kinds(rate.steps, WeightStep, f"{path}.steps")
    for number, country in enumerate(rate.zone.countries):
        if not is_country(country):
            reason = f"{country!r} is no country code"
            raise InvalidPolicy(reason, path=f"{path}.zone.countries[{number}]")
    if "" in rate.zone.regions or "" in rate.zone.postcodes:
        raise InvalidPolicy("an empty place limits nothing: leave it out", path=f"{path}.zone")
    if not rate.steps:
        raise InvalidPolicy("a rate needs a weight step", path=f"{path}.steps")
    before = WeightStep(0, 0)
    for number, step in enumerate(rate.steps):
        where = f"{path}.steps[{number}]"
        _within(step.upto_grams, 1, GRAMS_MAX, f"{where}.upto_grams")
        _within(step.price, 0, MINOR_MAX, f"{where}.price")
        if step.upto_grams <= before.upto_grams:
            raise InvalidPolicy("weights rise from step to step", path=f"{where}.upto_grams")
        if step.price < before.price:
            raise InvalidPolicy("a heavier parcel is not cheaper", path=f"{where}.price")
        before = step
    _within(rate.further_grams, 0, GRAMS_MAX, f"{path}.further_grams")
    _within(rate.further_price, 0, MINOR_MAX, f"{path}.further_price")
    steps = len(rate.steps)
    if rate.further_grams:
        steps += max(0, max_grams - before.upto_grams) // rate.further_grams
    if steps > STEPS_MAX:
        raise InvalidPolicy(f"a rate has at most {STEPS_MAX} steps", path=f"{path}.further_grams")
    _within(rate.days_min, 0, DAYS_MAX, f"{path}.days_min")
    _within(rate.days_max, rate.days_min, DAYS_MAX, f"{path}.days_max")


@value
class FreightEstimate:
    """What a parcel costs with a service, and how that came about.

    ``amount`` = ``price`` of the weight step + ``surcharges``, in minor units. ``chargeable_grams`` is the greater of
    weight and volumetric weight; the price holds up to ``upto_grams``.
    """

    service: str
    zone: str
    currency: str
    grams: int
    volume_grams: int
    chargeable_grams: int
    upto_grams: int
    further_steps: int
    price: int
    surcharges: tuple[tuple[str, int], ...]
    amount: int
    days_min: int
    days_max: int

    def reasons(self) -> tuple[str, ...]:
        """The rules that made the figure, one sentence each."""
        by = "volumetric weight" if self.volume_grams > self.grams else "weight"
        step = f"up to {self.upto_grams} g"
        if self.further_steps:
            step += f", {self.further_steps} further steps"
        found = [f"{self.service}, zone {self.zone}: {self.chargeable_grams} g by {by}, {step}"]
        found += [f"{self.service}: surcharge for {name}" for name, _ in self.surcharges]
        return tuple(found)


def volume_of(items: Sequence[Item]) -> int:
    """What they take up together, in cubic centimeters."""
    return sum([item.volume_cm3 * item.quantity for item in items])


def chargeable_grams(service: Service, grams: int, volume_cm3: int) -> int:
    """The greater of weight and volumetric weight, begun grams in full."""
    if not service.divisor_cm3:
        return grams
    return max(grams, -(-volume_cm3 * 1_000 // service.divisor_cm3))


def freight_by_weight(service: Service, rate: Rate, grams: int, volume_cm3: int = 0) -> int | None:
    """The price without surcharges, in minor units; ``None`` for a parcel too heavy or too large."""
    charged = chargeable_grams(service, grams, volume_cm3)
    if charged > service.max_grams or (service.max_cm3 and volume_cm3 > service.max_cm3):
        return None
    found = rate.price(charged)
    return None if found is None else found[0]


def freight(
    service: Service, items: Sequence[Item], to: Destination, origin: str = ""
) -> FreightEstimate:
    """The freight of one parcel with these items, explained.

    ``origin`` is the area of the source. Raises `NotAllowed` where the service does not go, refuses an item,
    or the parcel is too heavy or too large; ``data`` has the service.
    """
    rate = service.rate(to, origin)
    if rate is None:
        reason = f"service {service.id!r} has no rate to {to.country or 'this destination'}"
        raise NotAllowed(reason, path="service", service=service.id)
    for item in items:
        for trait in service.refuses:
            if trait.of(item):
                reason = f"service {service.id!r} takes no goods with {trait}"
                raise NotAllowed(reason, path=f"items[{item.line}]", service=service.id)
    grams = sum([item.weight_grams * item.quantity for item in items])
    volume = volume_of(items)
    charged = chargeable_grams(service, grams, volume)
    found = rate.price(charged)
    if charged > service.max_grams or found is None:
        reason = f"{charged} g are too heavy for service {service.id!r}"
        raise NotAllowed(reason, path="items", service=service.id, grams=charged)
    if service.max_cm3 and volume > service.max_cm3:
        reason = f"{volume} cubic centimeters are too large for service {service.id!r}"
        raise NotAllowed(reason, path="items", service=service.id)
    price, upto, further = found
    extra = _surcharged(service, items)
    return FreightEstimate(
        service.id, rate.zone.name, service.currency, grams,
        chargeable_grams(service, 0, volume), charged, upto, further, price, extra,
        price + sum([amount for _, amount in extra]), rate.days_min, rate.days_max,
    )  # fmt: skip


def _surcharged(service: Service, items: Sequence[Item]) -> tuple[tuple[str, int], ...]:
    found = []
    for extra in service.surcharges:
        units = sum([item.quantity for item in items if extra.trait.of(item)])
        if units:
            times = units if extra.per is SurchargePer.UNIT else 1
            found.append((str(extra.trait), extra.amount * times))
    return tuple(found)


# Estimates and bills, carriers compared ---------------------------------------------------------


@value
class FreightDifference:
    """A carrier's bill for a parcel beside the estimate; ``amount`` above zero was billed too much, or estimated low.

    ``by_weight`` is the part that the weight on the bill explains by the same rate, ``unexplained`` the rest.
    """

    service: str
    currency: str
    estimated: int
    billed: int
    by_weight: int
    unexplained: int

    @property
    def amount(self) -> int:
        """Billed less estimated, in minor units."""
        return self.billed - self.estimated


def compare_freight(
    estimate: FreightEstimate, billed: int, rate: Rate | None = None, billed_grams: int = 0
) -> FreightDifference:
    """Hold a bill against its estimate; with the rate and the weight on the bill it says how much the weight explains.

    Raises `InvalidInput` for an amount or a weight that is none.
    """
    if type(billed) is not int or not 0 <= billed <= MINOR_MAX:
        raise InvalidInput("a bill is an amount in minor units", path="billed")
    if type(billed_grams) is not int or billed_grams < 0:
        raise InvalidInput("a weight is in grams", path="billed_grams")
    explained = 0
    if rate is not None and billed_grams:
        found = rate.price(billed_grams)
        if found is not None:
            explained = found[0] - estimate.price
    difference = billed - estimate.amount
    return FreightDifference(
        estimate.service, estimate.currency, estimate.amount, billed, explained,
        difference - explained,
    )  # fmt: skip


@value
class FreightTotals:
    """Bills and estimates of one service and currency added up; ``off_ppm`` is the difference over the estimate."""

    service: str
    currency: str
    parcels: int
    estimated: int
    billed: int
    unexplained: int
    off_ppm: int


def sum_differences(differences: Iterable[FreightDifference]) -> tuple[FreightTotals, ...]:
    """Add up by service and currency, in the order in which they come."""
    groups: dict[tuple[str, str], list[FreightDifference]] = {}
    for row in differences:
        groups.setdefault((row.service, row.currency), []).append(row)
    found = []
    for (service, currency), rows in groups.items():
        estimated = sum([row.estimated for row in rows])
        billed = sum([row.billed for row in rows])
        off = divide((billed - estimated) * MILLION, estimated) if estimated else 0
        unexplained = sum([row.unexplained for row in rows])
        found.append(
            FreightTotals(service, currency, len(rows), estimated, billed, unexplained, off)
        )
    return tuple(found)


@value
class CarrierRecord:
    """What a service did over some time: parcels, freight paid for them (minor units), days they took in total,
    and how many were signed for, late, and lost."""

    service: str
    currency: str
    parcels: int
    freight: int
    days: int
    signed: int
    late: int = 0
    lost: int = 0


@value
class ScoreWeights:
    """How much each measure counts, in parts per million; together one million."""

    cost: int = 400_000
    time: int = 300_000
    signed: int = 150_000
    late: int = 100_000
    lost: int = 50_000

    def check(self, path: str = "weights") -> None:
        """Raise `InvalidPolicy` for weights that are negative or do not add up to one million."""
        for name, weight in self.rows():
            if type(weight) is not int or weight < 0:
                raise InvalidPolicy("a weight is a whole number of ppm", path=f"{path}.{name}")
        if sum([weight for _, weight in self.rows()]) != MILLION:
            raise InvalidPolicy("weights add up to 1,000,000 ppm", path=path)

    def rows(self) -> tuple[tuple[str, int], ...]:
        """Each measure with its weight."""
        return (
            ("cost", self.cost),
            ("time", self.time),
            ("signed", self.signed),
            ("late", self.late),
            ("lost", self.lost),
        )


@value
class ScorePart:
    """One measure: ``grade`` in ppm (the best of those compared has a million in cost and time), times ``weight``."""

    measure: str
    grade: int
    weight: int
    points: int


@value
class CarrierScore:
    """The points of a service, up to a million: the sum of its parts."""

    service: str
    points: int
    parts: tuple[ScorePart, ...]

    def reasons(self) -> tuple[str, ...]:
        """One sentence for each measure."""
        return tuple(
            f"{part.measure}: grade {part.grade} ppm x weight {part.weight} ppm = {part.points}"
            for part in self.parts
        )


def _share(part: int, whole: int) -> int:
    return divide(part * MILLION, whole)


def _check_record(record: CarrierRecord, path: str) -> None:
    for name in ("parcels", "freight", "days", "signed", "late", "lost"):
        number = getattr(record, name)
        if type(number) is not int or not 0 <= number <= MINOR_MAX:
            raise InvalidInput("it is a whole number, 0 or more", path=f"{path}.{name}")
    if not record.parcels:
        raise InvalidInput("a service is judged by its parcels", path=f"{path}.parcels")
    if max(record.signed, record.late, record.lost) > record.parcels:
        raise InvalidInput("more than there were parcels", path=path)


def score_carriers(
    records: Sequence[CarrierRecord], weights: ScoreWeights | None = None
) -> tuple[CarrierScore, ...]:
    """Score services against each other, the best first; ties stay in the order given.

    Cost and time: the least per parcel over the service's own. The other measures: the share of parcels signed for,
    not late, not lost. Raises `InvalidInput` for records that cannot be compared, `InvalidPolicy` for the weights.
    """
    weights = weights or ScoreWeights()
    weights.check()
    for number, record in enumerate(records):
        _check_record(record, f"records[{number}]")
        if record.currency != records[0].currency:
            raise InvalidInput("one currency for all", path=f"records[{number}].currency")
    if not records:
        return ()
    dear = _least([(record.freight, record.parcels) for record in records])
    slow = _least([(record.days, record.parcels) for record in records])
    found = []
    for record in records:
        grades = (
            _beside(dear, record.freight, record.parcels),
            _beside(slow, record.days, record.parcels),
            _share(record.signed, record.parcels),
            MILLION - _share(record.late, record.parcels),
            MILLION - _share(record.lost, record.parcels),
        )
        parts = tuple(
            ScorePart(name, grade, weight, divide(grade * weight, MILLION))
            for (name, weight), grade in zip(weights.rows(), grades, strict=True)
        )
        found.append(CarrierScore(record.service, sum([part.points for part in parts]), parts))
    return tuple(sorted(found, key=lambda score: -score.points))


def _least(ratios: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """The smallest of fractions, compared across: no division."""
    best = ratios[0]
    for top, bottom in ratios[1:]:
        if top * best[1] < best[0] * bottom:
            best = (top, bottom)
    return best


def _beside(least: tuple[int, int], top: int, bottom: int) -> int:
    """The least per parcel over one's own, in ppm; nothing beside nothing is the best grade."""
    return MILLION if not top else divide(least[0] * bottom * MILLION, least[1] * top)
