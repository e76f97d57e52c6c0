"""Routing: the cheapest way to the customer over sources, parcels and services, with the reasons."""

from ordercore.fulfillment.routing.problem import (
    STEPS_USUAL,
    BorderCost,
    RouteWeights,
    RoutingProblem,
)
from ordercore.fulfillment.routing.routes import (
    Refusal,
    Route,
    RouteParcel,
    RouteParts,
    RouteReason,
    RouteRule,
    RunnerUp,
    reroute,
    route,
)

__all__ = [
    "STEPS_USUAL",
    "BorderCost",
    "Refusal",
    "Route",
    "RouteParcel",
    "RouteParts",
    "RouteReason",
    "RouteRule",
    "RouteWeights",
    "RoutingProblem",
    "RunnerUp",
    "reroute",
    "route",
]
