"""Fulfillment: from a paid order to goods in the customer's hands.

What only who splits orders, prices carriage or reads bills needs is loaded when it is named.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ordercore.fulfillment.delivery import (
    Delivery,
    Received,
    Shipment,
    Shipped,
    Withdrawn,
)
from ordercore.fulfillment.parcel import (
    IN_WORK,
    PARCELS_MAX,
    TRACKED,
    TRAIL_MAX,
    TROUBLED,
    WAYBILLS_MAX,
    CollectShared,
    MasterJoined,
    Parcel,
    ParcelCanceled,
    ParcelGroup,
    ParcelKind,
    ParcelPacked,
    ParcelPicked,
    ParcelRedirected,
    ParcelsPlanned,
    ParcelState,
    ParcelTracked,
    ParcelTrimmed,
    TrackPoint,
    Waybill,
    WaybillAnswered,
    WaybillAsked,
    WaybillCanceling,
    WaybillState,
    merged,
)
from ordercore.fulfillment.pickup import (
    CodeAlphabet,
    CodeIssued,
    CodeRefused,
    Collected,
    HandedOver,
    Pickup,
    PickupEnd,
    PickupPolicy,
    Proxy,
)
from ordercore.fulfillment.split_rule import (
    CutAbove,
    FloorOf,
    KeepApart,
    KeepTogether,
    KeepWhole,
    Measure,
    SplitBy,
    SplitPolicy,
    SplitRule,
)
from ordercore.fulfillment.stock import (
    DeductAt,
    PresaleStock,
    ReserveAt,
    SourceStock,
    StockPolicy,
    StockTier,
    tier_sku,
)
from ordercore.fulfillment.waybill import (
    CarrierCapabilities,
    CarrierNotice,
    CarrierQuote,
    WaybillOutcome,
    WaybillRequest,
    WaybillStatus,
)

if TYPE_CHECKING:
    from ordercore.fulfillment.bills import (
        BillClass,
        BillLine,
        BillReport,
        CarrierBill,
        compare_bills,
    )
    from ordercore.fulfillment.border_cost import ParcelBorder
    from ordercore.fulfillment.carriage import (
        FreightEstimate,
        Rate,
        Service,
        Surcharge,
        WeightStep,
        Zone,
        freight,
    )
    from ordercore.fulfillment.consignment import CustomsDesk, SoldGoods
    from ordercore.fulfillment.grouping import propose
    from ordercore.fulfillment.item import Item, items_of, weight_of
    from ordercore.fulfillment.linking import (
        LinkCost,
        LinkedChoice,
        LinkedParcel,
        LinkGroup,
        LinkPolicy,
        LinkProblem,
        LinkWeights,
        link,
    )
    from ordercore.fulfillment.proposal import (
        Edit,
        Group,
        GroupReason,
        MergeGroups,
        MoveUnits,
        Placement,
        ReasonKind,
        SplitProposal,
        by_hand,
        rearranged,
    )
    from ordercore.fulfillment.routing import (
        Route,
        RouteParcel,
        RouteWeights,
        RoutingProblem,
        reroute,
        route,
    )
    from ordercore.fulfillment.source import Place, Source, SourceKind
    from ordercore.fulfillment.tracking import CarrierGuess, NumberLook, guess_carrier

__all__ = [
    "Delivery",
    "Received",
    "Shipment",
    "Shipped",
    "Withdrawn",
    # parcels
    "IN_WORK",
    "PARCELS_MAX",
    "TRACKED",
    "TRAIL_MAX",
    "TROUBLED",
    "WAYBILLS_MAX",
    "CollectShared",
    "MasterJoined",
    "Parcel",
    "ParcelCanceled",
    "ParcelGroup",
    "ParcelKind",
    "ParcelPacked",
    "ParcelPicked",
    "ParcelRedirected",
    "ParcelState",
    "ParcelTracked",
    "ParcelTrimmed",
    "ParcelsPlanned",
    "TrackPoint",
    "Waybill",
    "WaybillAnswered",
    "WaybillAsked",
    "WaybillCanceling",
    "WaybillState",
    "merged",
    # carriers
    "CarrierCapabilities",
    "CarrierNotice",
    "CarrierQuote",
    "WaybillOutcome",
    "WaybillRequest",
    "WaybillStatus",
    # what a carrier takes, and what it billed
    "BillClass",
    "BillLine",
    "BillReport",
    "CarrierBill",
    "CarrierGuess",
    "FreightEstimate",
    "NumberLook",
    "Rate",
    "Service",
    "Surcharge",
    "WeightStep",
    "Zone",
    "compare_bills",
    "freight",
    "guess_carrier",
    # from where it is sent, and by which way
    "Place",
    "Route",
    "RouteParcel",
    "RouteWeights",
    "RoutingProblem",
    "Source",
    "SourceKind",
    "reroute",
    "route",
    # parcels chosen together with what their borders cost
    "CustomsDesk",
    "LinkCost",
    "LinkGroup",
    "LinkPolicy",
    "LinkProblem",
    "LinkWeights",
    "LinkedChoice",
    "LinkedParcel",
    "ParcelBorder",
    "SoldGoods",
    "link",
    # goods that are collected
    "CodeAlphabet",
    "CodeIssued",
    "CodeRefused",
    "Collected",
    "HandedOver",
    "Pickup",
    "PickupEnd",
    "PickupPolicy",
    "Proxy",
    # what goes together, and what apart
    "CutAbove",
    "Edit",
    "FloorOf",
    "Group",
    "GroupReason",
    "Item",
    "KeepApart",
    "KeepTogether",
    "KeepWhole",
    "Measure",
    "MergeGroups",
    "MoveUnits",
    "Placement",
    "ReasonKind",
    "SplitBy",
    "SplitPolicy",
    "SplitProposal",
    "SplitRule",
    "by_hand",
    "items_of",
    "propose",
    "rearranged",
    "weight_of",
    # stock
    "DeductAt",
    "PresaleStock",
    "ReserveAt",
    "SourceStock",
    "StockPolicy",
    "StockTier",
    "tier_sku",
]

_LATER = {
    "bills": ("BillClass", "BillLine", "BillReport", "CarrierBill", "compare_bills"),
    "border_cost": ("ParcelBorder",),
    "carriage": (
        "FreightEstimate", "Rate", "Service", "Surcharge", "WeightStep", "Zone", "freight",
    ),
    "consignment": ("CustomsDesk", "SoldGoods"),
    "grouping": ("propose",),
    "item": ("Item", "items_of", "weight_of"),
    "linking": (
        "LinkCost", "LinkGroup", "LinkPolicy", "LinkProblem", "LinkWeights", "LinkedChoice",
        "LinkedParcel", "link",
    ),
    "proposal": (
        "Edit", "Group", "GroupReason", "MergeGroups", "MoveUnits", "Placement", "ReasonKind",
        "SplitProposal", "by_hand", "rearranged",
    ),
    "routing": ("Route", "RouteParcel", "RouteWeights", "RoutingProblem", "reroute", "route"),
    "source": ("Place", "Source", "SourceKind"),
    "tracking": ("CarrierGuess", "NumberLook", "guess_carrier"),
}  # fmt: skip
_HOMES = {name: home for home, names in _LATER.items() for name in names}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"ordercore.fulfillment.{_HOMES[name]}"), name)
    reason = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(reason)
