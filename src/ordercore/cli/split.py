"""``ordercore split``: into which groups an order falls by the rules of a shop, and why."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any, Final

from ordercore.cli.desk import CLERK, desk
from ordercore.cli.given import document_text
from ordercore.cli.price import read_cart
from ordercore.cli.sections import Section, json_text, show
from ordercore.clock import SystemClock
from ordercore.codec import from_plain
from ordercore.errors import CorruptDocument, InvalidDocument, OrdercoreError
from ordercore.fulfillment.grouping import propose
from ordercore.fulfillment.item import items_of
from ordercore.fulfillment.proposal import Placement
from ordercore.money import decimal_text
from ordercore.party import SYSTEM
from ordercore.policy import Policies
from ordercore.pricing import quote
from ordercore.value import value

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from ordercore.fulfillment.proposal import GroupReason, SplitProposal
    from ordercore.pricing import Quote

__all__ = ["GroupPrice", "part_prices", "split_order"]

_KEYS: Final = ("source", "line", "sku", "quantity", "country", "presale")


@value
class GroupPrice:
    """What a group costs with its share of the order's charges, in minor units."""

    list_amount: int
    discount: int
    net: int
    tax: int
    total: int


def split_order(
    order: Path, rules: Path, assignment: Path | None, *, as_json: bool, with_reasons: bool
) -> None:
    """Price the order, propose its groups and print them."""
    policies = Policies.load(rules)
    placements = () if assignment is None else _placements(assignment)
    try:
        document = read_cart(order)
        at = document.at or SystemClock().now()
        mine = document.policies(policies)
        found = quote(document.cart, mine.pricing, at, document.facts)
        proposal = propose(
            items_of(found.lines),
            policies.splitting,
            document.cart.address.destination(),
            placements,
            bundles={str(line.id): line.bundle for line in found.lines if line.bundle},
            currency=found.currency,
        )
        prices = part_prices(mine, found, proposal)
    except OrdercoreError as error:
        error.path = error.path.removeprefix("cart.")
        wrong = assignment if error.path.startswith("assignment") else order
        error.data.setdefault("source", str(wrong))
        raise
    if as_json:
        sys.stdout.write(json_text(_plain(found, proposal, prices, with_reasons=with_reasons)))
        return
    sections = [_groups(found, proposal, prices), _goods(found, proposal)]
    show(sections + ([_why(proposal)] if with_reasons else []), sys.stdout)


def _placements(path: Path) -> tuple[Placement, ...]:
    """Read a JSON list of placements; raises `InvalidDocument` with the path of what is wrong."""
    source = str(path)
    try:
        text = document_text(path, "an assignment")
    except InvalidDocument as error:
        error.data["source"] = source
        raise
    try:
        raw = json.loads(text)
    except (ValueError, RecursionError):
        raise InvalidDocument("not JSON that can be read", source=source) from None
    if not isinstance(raw, list):
        raise InvalidDocument("it is a list of placements", source=source)
    found = []
    for i, one in enumerate(raw):
        where = f"[{i}]"
        if not isinstance(one, dict) or not set(one) <= set(_KEYS):
            reason = f"a placement is an object of the keys {', '.join(_KEYS)}"
            raise InvalidDocument(reason, path=where, source=source)
        try:
            found.append(from_plain(Placement, one, where))
        except CorruptDocument as error:
            raise InvalidDocument(error.reason, path=error.path, source=source) from None
    return tuple(found)


def part_prices(policies: Policies, found: Quote, proposal: SplitProposal) -> list[GroupPrice]:
    """What each group costs as an order of its own, with its share of the charges (law L16)."""
    if len(proposal.groups) == 1:
        off = found.discount
        return [GroupPrice(found.subtotal, off, found.net, found.tax, found.total)]
    engine = desk(policies, found.at)
    order = engine.place(found, key="order", by=SYSTEM)
    return [
        GroupPrice(part.subtotal, part.discount, part.net, part.tax, part.total)
        for part in engine.preview_split(order.id, proposal, by=CLERK)
    ]


# Tables ---------------------------------------------------------------------------------------


def _groups(found: Quote, proposal: SplitProposal, prices: list[GroupPrice]) -> Section:
    def text(amount: int) -> str:
        return decimal_text(amount, found.currency)

    rows = [
        (
            group.name, ", ".join(group.sources), str(group.goods.total()),
            str(group.weight_grams), text(price.list_amount), text(-price.discount),
            text(price.net), text(price.tax), text(price.total),
        )
        for group, price in zip(proposal.groups, prices, strict=True)
    ]  # fmt: skip
    note = f"in {found.currency}, with charges shared: freight by weight, fees by value"
    head = ("group", "from", "units", "grams", "list amount", "discount", "net", "tax", "total")
    return Section("Groups", head, tuple(rows), texts=2, note=note if found.charges else "")


def _goods(found: Quote, proposal: SplitProposal) -> Section:
    lines = {line.id: line for line in found.lines}
    rows = [
        (group.name, str(line), lines[line].sku, lines[line].name, str(units))
        for group in proposal.groups
        for line, units in group.goods
    ]
    carried = proposal.goods().as_dict()
    rest = [line.id for line in found.lines if line.id not in carried]
    note = f"not carried: {', '.join(rest)}" if rest else ""
    head = ("group", "line", "sku", "name", "units")
    return Section("Goods", head, tuple(rows), texts=4, note=note)


def _why(proposal: SplitProposal) -> Section:
    rows = [
        (group.name, reason.rule, reason.text)
        for group in proposal.groups
        for reason in group.reasons
    ]
    rows += [("", reason.rule, reason.text) for reason in proposal.reasons]
    return Section("Why", ("group", "rule", "because"), tuple(rows), texts=3)


# JSON -----------------------------------------------------------------------------------------


def _reasons(reasons: Iterable[GroupReason]) -> list[dict[str, str]]:
    return [
        {"rule": one.rule, "kind": one.kind.value, "value": one.value, "text": one.text}
        for one in reasons
    ]


def _plain(
    found: Quote, proposal: SplitProposal, prices: list[GroupPrice], *, with_reasons: bool
) -> dict[str, Any]:
    """The proposal as plain data, amounts as texts."""

    def text(amount: int) -> str:
        return decimal_text(amount, found.currency)

    groups = []
    for group, price in zip(proposal.groups, prices, strict=True):
        plain = {
            "name": group.name,
            "goods": dict(group.goods.items),
            "sources": group.sources,
            "weight_grams": group.weight_grams,
            "list_amount": text(price.list_amount),
            "discount": text(price.discount),
            "net": text(price.net),
            "tax": text(price.tax),
            "total": text(price.total),
        }
        groups.append(plain | ({"reasons": _reasons(group.reasons)} if with_reasons else {}))
    whole: dict[str, Any] = {"currency": found.currency, "groups": groups}
    return whole | ({"reasons": _reasons(proposal.reasons)} if with_reasons else {})
