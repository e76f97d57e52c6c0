"""Duty and tax of a parcel for routing: what `ordercore.fulfillment.routing.route` may be given as its border."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ordercore.fulfillment.consignment import CustomsDesk, Run

if TYPE_CHECKING:
    from ordercore.fulfillment.consignment import SoldGoods
    from ordercore.fulfillment.item import Item
    from ordercore.fulfillment.source import Source

__all__ = ["ParcelBorder"]


class ParcelBorder:
    """A `BorderCost` that assesses each parcel of a route as a consignment by itself, by its true values.

    It leaves from the country of its source, or that of the border policy where the source has none; goods of a source
    inside the destination's territory cross nothing and bear the tax of a sale there. Units of a line are valued from
    the first on. Parcels that customs add up are not added up here: give the parcels of the route to
    `ordercore.fulfillment.linking.link` as groups, and it tells.
    """

    def __init__(self, sold: SoldGoods) -> None:
        sold.check()
        self._desk = CustomsDesk(sold)

    def cost(self, source: Source, items: tuple[Item, ...], freight: int) -> int:
        """Duty, import tax and tax at the sale of a parcel, in minor units of the currency of the sale."""
        return self._desk.owed(_runs(items), freight, source.country).total

    def at_least(self, items: tuple[Item, ...]) -> int:
        """The tax on the value of these items at the lowest rate that may hold."""
        return self._desk.at_least(_runs(items))


def _runs(items: tuple[Item, ...]) -> list[Run]:
    return [Run(item.line, 0, item.quantity) for item in items]
