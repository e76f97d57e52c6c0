"""Freight of real orders: how goods are put together, and what that costs.

``python -m benchmarks.freight rates FOLDER`` derives a rate table from a folder of Olist files and prints it as TOML;
``python -m benchmarks.freight study FOLDER`` compares ways of sending the orders of that folder by the table in
``freight.toml``, which was written before any of them was compared.

The table is what the shops' own shipments of a single unit cost at the median, by distance and chargeable weight.
Distances are between the centers of states, so goods within a state travel no distance. Who sells an article is known
from all orders: every seller that ever sold it counts as a source that has it. In life these are different merchants; the
study tells what a shop of its own would save, and beside it what joining parcels saves with every seller as it was.
"""

from __future__ import annotations

import sys
import tomllib
from collections import Counter, defaultdict
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from statistics import median_low
from typing import TYPE_CHECKING, Any, NamedTuple

from ordercore.cli.olist_file import CURRENCY, read_olist
from ordercore.cli.olist_file import _table as table
from ordercore.fulfillment.carriage import Rate, Service, WeightStep, Zone, freight
from ordercore.fulfillment.item import Item
from ordercore.fulfillment.routing import RoutingProblem, route
from ordercore.fulfillment.source import Place, Source, great_circle
from ordercore.fulfillment.stock import SourceStock
from ordercore.goods import LineId, Sku
from ordercore.money import decimal_text
from ordercore.party import Destination

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ordercore.cli.olist_file import OlistOrder

TOML = Path(__file__).with_suffix(".toml")
STEPS = (250, 500, 1_000, 2_000, 3_000, 5_000, 10_000, 15_000, 20_000, 30_000)
BANDS = (0, 500, 1_000, 2_000, 5_000)
"""Kilometers between the centers of two states, up to which a band goes."""
DIVISOR = 6_000
"""Cubic centimeters that weigh a kilogram, as Brazilian post reckons."""
LEAST = 20
"""Shipments that a cell of the table needs to stand by itself."""
WINDOW = timedelta(hours=48)
SOURCES_MAX = 40

CENTERS: Mapping[str, tuple[str, str]] = {
    "AC": ("-9.21", "-70.45"), "AL": ("-9.51", "-36.62"), "AM": ("-4.15", "-64.65"),
    "AP": ("1.45", "-51.96"), "BA": ("-12.48", "-41.72"), "CE": ("-5.09", "-39.62"),
    "DF": ("-15.78", "-47.80"), "ES": ("-19.58", "-40.67"), "GO": ("-16.04", "-49.62"),
    "MA": ("-5.07", "-45.28"), "MG": ("-18.46", "-44.67"), "MS": ("-20.33", "-54.85"),
    "MT": ("-12.95", "-55.91"), "PA": ("-3.97", "-53.06"), "PB": ("-7.12", "-36.72"),
    "PE": ("-8.33", "-37.99"), "PI": ("-7.39", "-42.97"), "PR": ("-24.64", "-51.62"),
    "RJ": ("-22.19", "-42.65"), "RN": ("-5.83", "-36.67"), "RO": ("-10.91", "-62.84"),
    "RR": ("2.08", "-61.40"), "RS": ("-29.70", "-53.32"), "SC": ("-27.25", "-50.48"),
    "SE": ("-10.58", "-37.44"), "SP": ("-22.26", "-48.73"), "TO": ("-10.15", "-48.33"),
}  # fmt: skip
"""The middle of each state in degrees, to about ten kilometers, from memory."""


def _place(state: str) -> Place:
    lat, lon = CENTERS[state]
    return Place(int(float(lat) * 1_000_000), int(float(lon) * 1_000_000))


def kilometers(one: str, other: str) -> int:
    """Between the centers of two states."""
    return great_circle(_place(one), _place(other)) // 1_000


def band(one: str, other: str) -> int:
    """The place of the distance among `BANDS`."""
    far = kilometers(one, other)
    return next(i for i, most in enumerate(BANDS) if far <= most or i == len(BANDS) - 1)


class Folder(NamedTuple):
    """What the files tell."""

    orders: tuple[OlistOrder, ...]
    sellers: Mapping[str, str]
    """State by seller."""
    sizes: Mapping[str, tuple[int, int]]
    """Grams and cubic centimeters by product."""
    customers: Mapping[str, tuple[str, str, str]]
    """The person, the beginning of the postcode and the state, by the customer of an order."""
    sold_by: Mapping[str, tuple[str, ...]]
    """Everybody who ever sold a product."""


def _number(text: str) -> int:
    return int(text.partition(".")[0]) if text else 0


def read(folder: Path) -> Folder:
    """Read what the study needs; products whose weight is not told weigh nothing."""
    sizes = {
        product: (_number(grams), _number(length) * _number(height) * _number(width))
        for _, (product, grams, length, height, width) in table(
            folder, "products", "product_id", "product_weight_g", "product_length_cm",
            "product_height_cm", "product_width_cm",
        )
    }  # fmt: skip
    orders = read_olist(folder)
    sold: dict[str, dict[str, None]] = defaultdict(dict)
    for order in orders:
        for item in order.items:
            sold[item.product][item.seller] = None
    return Folder(
        orders,
        {s: state for _, (s, state) in table(folder, "sellers", "seller_id", "seller_state")},
        sizes,
        {
            name: (person, code, state)
            for _, (name, person, code, state) in table(
                folder, "customers", "customer_id", "customer_unique_id",
                "customer_zip_code_prefix", "customer_state",
            )
        },
        {product: tuple(sellers) for product, sellers in sold.items()},
    )  # fmt: skip


def chargeable(grams: int, volume: int) -> int:
    """What a parcel counts for: its weight, or what its size weighs."""
    return max(grams, volume * 1_000 // DIVISOR, 1)


# The rate table ---------------------------------------------------------------------------------


def rates(found: Folder) -> str:
    """The table as TOML: medians of single units, never falling with weight or distance."""
    cells: dict[tuple[int, int], list[int]] = defaultdict(list)
    left_out = 0
    for order in found.orders:
        if len(order.items) != 1:
            continue
        (item,) = order.items
        weight = chargeable(*found.sizes[item.product])
        step = next((i for i, upto in enumerate(STEPS) if weight <= upto), None)
        if step is None or not item.freight or not found.sizes[item.product][0]:
            left_out += 1
            continue
        state = found.customers[order.customer][2]
        cells[band(found.sellers[item.seller], state), step].append(item.freight)
    prices = [[0] * len(STEPS) for _ in BANDS]
    for b in range(len(BANDS)):
        for s in range(len(STEPS)):
            told = cells.get((b, s), [])
            least = max(prices[b - 1][s] if b else 0, prices[b][s - 1] if s else 0)
            prices[b][s] = max(least, median_low(told)) if len(told) >= LEAST else least
    count = sum([len(told) for told in cells.values()])
    lines = [
        "# Derived from https://www.kaggle.com/datasets/olistbr/brazilian-ecommerce (CC BY-NC-SA 4.0).",
        "# Centavos by distance and chargeable weight: medians of the freight of orders of one unit.",
        (
            "# `counts` are how many; a cell of fewer than "
            f"{LEAST} takes the dearer of its neighbors below."
        ),
        f"shipments = {count}",
        f"left_out = {left_out}",
        f"grams = {list(STEPS)}",
        f"kilometers = {list(BANDS)}",
        f"divisor_cm3 = {DIVISOR}",
        f"further_grams = {STEPS[-1] - STEPS[-2]}",
    ]
    lines += ["prices = ["] + [f"  {row}," for row in prices] + ["]"]
    several, groups = _compared(found)
    lines += [
        f"orders = {len(found.orders)}",
        f"of_several_units = {len(several)}",
        f"combined_groups = {len(groups)}",
        f"combined_orders = {sum([len(group) for group in groups])}",
        "counts = [",
    ]
    lines += [
        f"  {[len(cells.get((b, s), [])) for s in range(len(STEPS))]}," for b in range(len(BANDS))
    ]
    return "\n".join([*lines, "]"])


def services() -> dict[str, Service]:
    """One service for each state that goods are sent from, by the table."""
    told: dict[str, Any] = tomllib.loads(TOML.read_text("utf-8"))
    found = {}
    for state in CENTERS:
        zones: dict[int, list[str]] = defaultdict(list)
        for other in CENTERS:
            zones[band(state, other)].append(other)
        found[state] = Service(
            f"post-{state}",
            tuple(
                [
                    Rate(
                        Zone(f"{state}-{b}", ("BR",), tuple(regions), (), (state,)),
                        tuple([WeightStep(g, p) for g, p in zip(told["grams"], prices, strict=True)]),
                        told["further_grams"], max(1, prices[-1] - prices[-2]),
                    )
                    for b, regions in sorted(zones.items())
                    for prices in [told["prices"][b]]
                ]
            ),
            CURRENCY, max_grams=1_000_000, divisor_cm3=told["divisor_cm3"],
        )  # fmt: skip
    return found


# The study --------------------------------------------------------------------------------------


class Sending(NamedTuple):
    """Goods to send: units by (product, seller), and where to."""

    goods: Counter[tuple[str, str]]
    state: str


class Ways:
    """The ways of sending, and what each costs by the table."""

    def __init__(self, found: Folder) -> None:
        self.found = found
        self.services = services()

    def item(self, line: int, product: str, units: int) -> Item:
        """Units of a product."""
        grams, volume = self.found.sizes[product]
        return Item(LineId(str(line)), Sku(product), units, max(grams, 1), volume)

    def cost(self, seller_state: str, items: Sequence[Item], state: str) -> int:
        """One parcel."""
        service = self.services[seller_state]
        return freight(service, items, Destination("BR", state), seller_state).amount

    def by_line(self, sending: Sending) -> int:
        """A parcel for each product of each seller."""
        return sum(
            [
                self.cost(self.found.sellers[seller], [self.item(1, product, units)], sending.state)
                for (product, seller), units in sending.goods.items()
            ]
        )

    def joined(self, sending: Sending, chosen: Mapping[tuple[str, str], str] | None = None) -> int:
        """A parcel for each seller; ``chosen`` says who else sends a product."""
        mine: dict[str, Counter[str]] = defaultdict(Counter)
        for (product, seller), units in sending.goods.items():
            mine[chosen[product, seller] if chosen else seller][product] += units
        return sum(
            [
                self.cost(
                    self.found.sellers[seller],
                    [self.item(i, p, n) for i, (p, n) in enumerate(goods.items())],
                    sending.state,
                )
                for seller, goods in mine.items()
            ]
        )

    def nearest(self, sending: Sending) -> int:
        """Each product from the nearest seller that has it, parcels joined by seller."""
        chosen = {
            (product, seller): min(
                self.found.sold_by[product],
                key=lambda name: (kilometers(self.found.sellers[name], sending.state), name),
            )
            for product, seller in sending.goods
        }
        return self.joined(sending, chosen)

    def routed(self, sending: Sending) -> tuple[int, bool]:
        """The route: sources, parcels and services chosen together; and whether it is proven to be the best."""
        units: Counter[str] = Counter()
        for (product, _), count in sending.goods.items():
            units[product] += count
        names = dict.fromkeys([n for p in units for n in self.found.sold_by[p]])
        ranked = sorted(names, key=lambda n: (kilometers(self.found.sellers[n], sending.state), n))
        own = [seller for _, seller in sending.goods]
        sellers = tuple(dict.fromkeys((*own, *ranked)))[:SOURCES_MAX]
        states = dict.fromkeys([self.found.sellers[name] for name in sellers])
        problem = RoutingProblem(
            tuple([self.item(i, p, n) for i, (p, n) in enumerate(units.items(), 1)]),
            Destination("BR", sending.state),
            tuple(
                [
                    Source(name, "BR", area=state, services=(f"post-{state}",))
                    for name in sellers
                    for state in [self.found.sellers[name]]
                ]
            ),
            tuple(
                [
                    SourceStock(name, product, count)
                    for product, count in units.items()
                    for name in sellers
                    if name in self.found.sold_by[product]
                ]
            ),
            tuple([self.services[state] for state in states]),
        )  # fmt: skip
        found = route(problem)
        return found.parts.freight, found.proven


def sendings(found: Folder) -> Iterable[tuple[OlistOrder, Sending]]:
    """Orders that were sent, with what they hold."""
    for order in found.orders:
        if order.items and order.status not in {"canceled", "unavailable"}:
            goods = Counter([(item.product, item.seller) for item in order.items])
            yield order, Sending(goods, found.customers[order.customer][2])


def _compared(found: Folder) -> tuple[list[Sending], list[list[Sending]]]:
    """Orders of several units; and orders of one person to one postcode, each within 48 hours of the one before."""
    sent = list(sendings(found))
    mine: dict[tuple[str, str], list[tuple[OlistOrder, Sending]]] = defaultdict(list)
    for order, sending in sent:
        person, code, _ = found.customers[order.customer]
        mine[person, code].append((order, sending))
    groups: list[list[Sending]] = []
    for orders in mine.values():
        run = [orders[0][1]]
        for (before, _), (order, sending) in pairwise(orders):
            if order.bought_at - before.bought_at > WINDOW:
                groups.append(run)
                run = []
            run.append(sending)
        groups.append(run)
    several = [s for _, s in sent if sum(s.goods.values()) > 1]
    return several, [group for group in groups if len(group) > 1]


def _percent(was: int, now: int) -> str:
    return f"{(was - now) * 1_000 // was / 10:.1f} %" if was else "-"


def study(found: Folder) -> str:
    """The figures, with how many orders each is of."""
    ways = Ways(found)
    several, _ = _compared(found)
    sums: Counter[str] = Counter()
    unproven = 0
    for sending in several:
        best, proven = ways.routed(sending)
        unproven += not proven
        sums["line"] += ways.by_line(sending)
        sums["joined"] += ways.joined(sending)
        sums["nearest"] += ways.nearest(sending)
        sums["routed"] += best
    lines = [
        (
            f"orders {len(found.orders)}, of several units {len(several)}, "
            f"of several sellers {sum([len({s for _, s in x.goods}) > 1 for x in several])}"
        ),
        _row("one parcel per seller line", sums["line"], sums["line"]),
        _row("one parcel per seller", sums["joined"], sums["line"]),
        _row("greedy nearest", sums["nearest"], sums["line"]),
        _row("routed", sums["routed"], sums["line"]),
        (
            f"routed against greedy nearest: {_percent(sums['nearest'], sums['routed'])}; "
            f"not proven: {unproven}"
        ),
        *_combined(found, ways),
    ]
    return "\n".join(lines)


def _row(name: str, amount: int, of: int) -> str:
    return (
        f"{name:28} {decimal_text(amount, CURRENCY):>12} {CURRENCY}  saved {_percent(of, amount)}"
    )


def _combined(found: Folder, ways: Ways) -> Iterable[str]:
    """Orders of one person that are sent as one."""
    _, several = _compared(found)
    apart = {"as sold": 0, "routed": 0}
    together = {"as sold": 0, "routed": 0}
    for group in several:
        goods: Counter[tuple[str, str]] = Counter()
        for sending in group:
            goods += sending.goods
            apart["as sold"] += ways.joined(sending)
            apart["routed"] += ways.routed(sending)[0]
        whole = Sending(goods, group[0].state)
        together["as sold"] += ways.joined(whole)
        together["routed"] += ways.routed(whole)[0]
    yield f"combined within 48 h: {len(several)} groups of {sum([len(g) for g in several])} orders"
    for name, was in apart.items():
        yield _row(f"  apart, {name}", was, was)
        yield _row(f"  together, {name}", together[name], was)


def main(arguments: list[str]) -> int:
    """Print the table or the study."""
    if len(arguments) != 2 or arguments[0] not in {"rates", "study"}:
        sys.stderr.write("python -m benchmarks.freight rates|study FOLDER\n")
        return 2
    found = read(Path(arguments[1]))
    sys.stdout.write((rates if arguments[0] == "rates" else study)(found) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
