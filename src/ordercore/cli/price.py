"""``ordercore price``: a cart document priced, as tables or as JSON."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from ordercore.cli.cart import read_cart
from ordercore.cli.sections import Section, show
from ordercore.clock import SystemClock
from ordercore.errors import OrdercoreError
from ordercore.money import Percent, decimal_text
from ordercore.policy import Policies
from ordercore.pricing import explain, quote

if TYPE_CHECKING:
    from pathlib import Path

    from ordercore.pricing import Explanation, Quote, QuoteCharge, QuoteLine

__all__ = ["price_cart"]


def price_cart(path: Path, policies: Path | None, *, as_json: bool, with_reasons: bool) -> None:
    """Price the cart and print it."""
    given = None if policies is None else Policies.load(policies)
    try:
        document = read_cart(path)
        at = document.at or SystemClock().now()
        found = quote(document.cart, document.policies(given).pricing, at)
    except OrdercoreError as error:
        error.path = error.path.removeprefix("cart.")
        error.data.setdefault("source", str(path))
        raise
    if as_json:
        plain = quote_plain(found)
        if with_reasons:
            plain["explanation"] = _reasons(explain(found), found.currency)
        json.dump(plain, sys.stdout, indent=2, ensure_ascii=False)
        sys.stdout.write("\n")
        return
    show(quote_sections(found), sys.stdout)
    if with_reasons:
        sys.stdout.write("\n" + explain(found).text(found.currency) + "\n")


def _rate(ppm: int) -> str:
    return f"{Percent(ppm)} %"


def quote_sections(found: Quote) -> list[Section]:
    """The quote as tables."""

    def text(amount: int) -> str:
        return decimal_text(amount, found.currency)

    lines = tuple(
        (
            line.id, line.sku, line.name, str(line.quantity), text(line.unit_price),
            text(-(line.discount + line.order_discount)), text(line.freight),
            _rate(line.tax_ppm), text(line.tax), text(line.total),
        )
        for line in found.lines
    )  # fmt: skip
    charges = tuple(
        (charge.id, "", charge.name, "", text(charge.amount), "", "", _rate(charge.tax_ppm),
         text(charge.tax), text(charge.total))
        for charge in found.charges
    )  # fmt: skip
    head = ("line", "sku", "name", "units", "price", "discount", "freight", "rate", "tax", "total")
    totals = [
        ("list amount", text(found.subtotal)),
        ("discounts", text(-found.discount)),
        *[(f"tax {_rate(tax.ppm)} on {text(tax.net)}", text(tax.tax)) for tax in found.taxes],
        ("net", text(found.net)),
        ("tax", text(found.tax)),
        ("total", text(found.total)),
    ]
    return [
        Section("Lines", head, lines + charges, texts=3),
        Section(
            "Totals",
            ("figure", found.currency),
            tuple(totals),
            note=f"priced at {found.at.isoformat()}, valid until {found.valid_until.isoformat()}",
        ),
    ]


def quote_plain(found: Quote) -> dict[str, Any]:
    """The quote as plain data: amounts and percentages are texts, as in the cart document."""

    def text(amount: int) -> str:
        return decimal_text(amount, found.currency)

    def taxed(row: QuoteLine | QuoteCharge) -> dict[str, Any]:
        return {
            "tax_category": row.tax_category,
            "tax_percent": str(Percent(row.tax_ppm)),
            "tax_included": row.tax_included,
            "net": text(row.net),
            "tax": text(row.tax),
            "total": text(row.total),
        }

    return {
        "currency": found.currency,
        "at": found.at.isoformat(),
        "valid_until": found.valid_until.isoformat(),
        "lines": [
            {
                "id": line.id,
                "sku": line.sku,
                "name": line.name,
                "quantity": line.quantity,
                "unit_price": text(line.unit_price),
                "list_amount": text(line.list_amount),
                "discount": text(line.discount),
                "order_discount": text(line.order_discount),
                "domestic_freight": text(line.freight),
                **taxed(line),
            }
            for line in found.lines
        ],
        "charges": [
            {"id": row.id, "name": row.name, "amount": text(row.amount), **taxed(row)}
            for row in found.charges
        ],
        "taxes": [
            {"percent": str(Percent(tax.ppm)), "net": text(tax.net), "tax": text(tax.tax)}
            for tax in found.taxes
        ],
        "subtotal": text(found.subtotal),
        "discount": text(found.discount),
        "net": text(found.net),
        "tax": text(found.tax),
        "total": text(found.total),
    }


def _reasons(node: Explanation, currency: str) -> dict[str, Any]:
    return {
        "figure": node.figure,
        "amount": decimal_text(node.amount, currency),
        "rule": node.rule,
        "parts": [_reasons(part, currency) for part in node.parts],
        "of_which": [_reasons(part, currency) for part in node.of_which],
    }
