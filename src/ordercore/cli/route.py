"""``ordercore route``: a routing problem solved, as tables or as JSON."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from ordercore.cli.given import document_text
from ordercore.cli.route_document import parse_problem
from ordercore.cli.sections import Section, json_text, show
from ordercore.errors import OrdercoreError
from ordercore.fulfillment.routing import route
from ordercore.money import decimal_text

if TYPE_CHECKING:
    from pathlib import Path

    from ordercore.fulfillment.routing import Route, RouteParcel, RouteParts, RoutingProblem

__all__ = ["read_problem", "route_document", "route_plain"]


def read_problem(path: Path) -> RoutingProblem:
    """Read a file; raises what `parse_problem` does, and `InvalidDocument` for one that cannot be read."""
    return parse_problem(document_text(path, "a routing document"))


def route_document(path: Path, *, as_json: bool, with_reasons: bool) -> None:
    """Route what the document tells, and print it."""
    try:
        found = route(read_problem(path))
    except OrdercoreError as error:
        if error.path.startswith("items"):  # the document calls them lines
            error.path = "lines" + error.path.removeprefix("items")
        error.data.setdefault("source", str(path))
        raise
    if as_json:
        sys.stdout.write(json_text(route_plain(found, with_reasons=with_reasons)))
    else:
        show(_sections(found, with_reasons=with_reasons), sys.stdout)


def _how_good(found: Route) -> str:
    if found.proven:
        return "proven: no route has fewer points"
    return f"not proven: the best has at least {found.at_least} points ({found.gap_ppm} ppm less)"


def _units(parcel: RouteParcel) -> str:
    return ", ".join([f"{line} x {count}" for line, count in parcel.goods])


def _sections(found: Route, *, with_reasons: bool) -> list[Section]:
    def text(amount: int) -> str:
        return decimal_text(amount, found.currency)

    rows = tuple(
        (
            parcel.source, parcel.service, _units(parcel), str(parcel.freight.chargeable_grams),
            text(parcel.freight.amount), str(parcel.days), str(parcel.points),
        )
        for parcel in found.parcels
    )  # fmt: skip
    head = ("source", "service", "lines", "grams", "freight", "days", "points")
    sections = [Section("Parcels", head, rows, texts=3, note=_how_good(found))]
    parts = [("route", "", found.parts)]
    if found.runner_up is not None:
        other = found.runner_up
        parts.append((", ".join(other.sources), other.why, other.parts))
    compared = tuple((name, why, *_figures(part, found.currency)) for name, why, part in parts)
    columns = ("which", "why it lost", "freight", "border", "parcels", "days", "km", "points")
    sections.append(Section("Objective", columns, compared, texts=2))
    if found.refusals:
        refused = tuple((refusal.source, refusal.why) for refusal in found.refusals)
        sections.append(Section("Sources that cannot serve", ("source", "why"), refused, texts=2))
    if with_reasons:
        reasons = tuple(
            (str(number), reason.rule.value.replace("_", " "), reason.text)
            for number, parcel in enumerate(found.parcels, 1)
            for reason in parcel.reasons
        )
        sections.append(Section("Reasons", ("parcel", "rule", "because"), reasons, texts=3))
    return sections


def _figures(parts: RouteParts, currency: str) -> tuple[str, ...]:
    return (
        decimal_text(parts.freight, currency), decimal_text(parts.border, currency),
        str(parts.parcels), str(parts.days), str(parts.meters // 1_000), str(parts.points),
    )  # fmt: skip


def _parts_plain(parts: RouteParts, currency: str) -> dict[str, Any]:
    return {
        "freight": decimal_text(parts.freight, currency),
        "border": decimal_text(parts.border, currency),
        "parcels": parts.parcels,
        "days": parts.days,
        "meters": parts.meters,
        "points": parts.points,
    }


def route_plain(found: Route, *, with_reasons: bool) -> dict[str, Any]:
    """The route as plain data: amounts are texts, as in the document."""
    currency = found.currency
    parcels = []
    for parcel in found.parcels:
        plain: dict[str, Any] = {
            "source": parcel.source,
            "service": parcel.service,
            "zone": parcel.freight.zone,
            "lines": {str(line): count for line, count in parcel.goods},
            "chargeable_grams": parcel.freight.chargeable_grams,
            "freight": decimal_text(parcel.freight.amount, currency),
            "border": decimal_text(parcel.border, currency),
            "days": parcel.days,
            "meters": parcel.meters,
            "points": parcel.points,
        }
        if with_reasons:
            plain["reasons"] = [
                {"rule": reason.rule.value, "text": reason.text} for reason in parcel.reasons
            ]
        parcels.append(plain)
    other = found.runner_up
    return {
        "currency": currency,
        "parcels": parcels,
        "objective": _parts_plain(found.parts, currency),
        "proven": found.proven,
        "gap_ppm": found.gap_ppm,
        "at_least": found.at_least,
        "steps": found.steps,
        "runner_up": None
        if other is None
        else {
            "sources": list(other.sources),
            "objective": _parts_plain(other.parts, currency),
            "why": other.why,
        },
        "refusals": [{"source": row.source, "why": row.why} for row in found.refusals],
    }
