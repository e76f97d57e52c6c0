"""``ordercore price``: a cart document priced, as tables or as JSON."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from ordercore.cli.given import document_text
from ordercore.cli.sections import Section, json_text, printable, show
from ordercore.clock import SystemClock
from ordercore.errors import OrdercoreError
from ordercore.money import CASH_STEPS, Percent, decimal_text
from ordercore.policy import Policies
from ordercore.pricing import TaxTreatment, explain, quote
from ordercore.quotation import CartDocument, parse_cart

if TYPE_CHECKING:
    from pathlib import Path

    from ordercore.pricing import (
        AppliedDiscount,
        Assessment,
        Conversion,
        Explanation,
        Quote,
        QuoteCharge,
        QuoteLine,
        TaxPart,
        TaxTotal,
    )

__all__ = ["price_cart", "read_cart"]


def read_cart(path: Path) -> CartDocument:
    """Read a file; raises what `parse_cart` does, and `InvalidDocument` for one that cannot be read."""
    return parse_cart(document_text(path, "a cart document"))


def price_cart(path: Path, policies: Path | None, *, as_json: bool, with_reasons: bool) -> None:
    """Price the cart and print it."""
    given = None if policies is None else Policies.load(policies)
    try:
        document = read_cart(path)
        at = document.at or SystemClock().now()
        found = quote(document.cart, document.policies(given).pricing, at, document.facts)
    except OrdercoreError as error:
        error.path = error.path.removeprefix("cart.")
        error.data.setdefault("source", str(path))
        raise
    if as_json:
        plain = quote_plain(found)
        if with_reasons:
            plain["explanation"] = _reasons(explain(found), found.currency)
        sys.stdout.write(json_text(plain))
        return
    show(quote_sections(found), sys.stdout)
    if with_reasons:
        sys.stdout.write("\n" + printable(explain(found).text(found.currency)) + "\n")


def _cash(found: Quote) -> int | None:
    """What is due if all is paid in coins, where the smallest coin is above a minor unit."""
    step = CASH_STEPS.get(found.currency)
    return None if step is None else step.apply(found.total)


# Tables ---------------------------------------------------------------------------------------


def _percent(ppm: int) -> str:
    return f"{Percent(ppm)} %"


def _treated(treatment: TaxTreatment) -> str:
    """The words for a treatment that the rate alone does not tell."""
    if treatment in {TaxTreatment.STANDARD, TaxTreatment.ZERO}:
        return ""
    words: str = treatment.value
    return words.replace("_", " ")


def _rate(row: QuoteLine | QuoteCharge) -> str:
    if not row.tax_ppm and len(row.parts) > 1:  # a charge taxed in the proportion of the lines
        return " + ".join([_percent(part.ppm) for part in row.parts])
    return f"{_percent(row.tax_ppm)} {_treated(row.treatment)}".rstrip()


def _tax_name(found: Quote, tax: TaxTotal) -> str:
    words = ("tax", tax.name, _percent(tax.ppm), _treated(tax.treatment), "on")
    return " ".join([word for word in words if word]) + f" {decimal_text(tax.net, found.currency)}"


def quote_sections(found: Quote) -> list[Section]:
    """The quote as tables; one that would be empty is left out."""
    sections = [_lines(found), _totals(found)]
    if found.discounts:
        sections.append(_discounts(found))
    if found.refused:
        rows = tuple(
            (
                off.code,
                off.promotion,
                off.reason.value.replace("_", " "),
                decimal_text(off.short, found.currency) if off.short else "",
            )
            for off in found.refused
        )
        head = ("code", "promotion", "why", "short of")
        sections.append(Section("Refused coupons", head, rows, texts=3))
    if found.border is not None:
        sections += _border(found.border, found.currency)
    conversions = [
        (purpose, held)
        for purpose, held in (("settlement", found.settlement), ("ledger", found.ledger))
        if held is not None
    ]
    if conversions:
        sections.append(_converted(conversions))
    return sections


def _lines(found: Quote) -> Section:
    def text(amount: int) -> str:
        return decimal_text(amount, found.currency)

    lines = tuple(
        (
            line.id, line.sku, f"{line.name} (of {line.bundle})" if line.bundle else line.name,
            str(line.quantity), text(line.unit_price), text(-(line.discount + line.order_discount)),
            text(line.freight), _rate(line), text(line.tax), text(line.total),
        )
        for line in found.lines
    )  # fmt: skip
    charges = tuple(
        (
            charge.id, "", charge.name, "", text(charge.amount + charge.discount),
            text(-charge.discount) if charge.discount else "", "", _rate(charge),
            text(charge.tax), text(charge.total),
        )
        for charge in found.charges
    )  # fmt: skip
    head = ("line", "sku", "name", "units", "price", "discount", "freight", "rate", "tax", "total")
    return Section("Lines", head, lines + charges, texts=3)


def _totals(found: Quote) -> Section:
    def text(amount: int) -> str:
        return decimal_text(amount, found.currency)

    funded = sum(row.funded for row in found.rows())
    cash = _cash(found)
    rows = [
        ("list amount", text(found.subtotal)),
        ("discounts", text(-found.discount)),
        *([("of which others repay", text(-funded))] if funded else []),
        *[(_tax_name(found, tax), text(tax.tax)) for tax in found.taxes],
        ("net", text(found.net)),
        ("tax", text(found.tax)),
        ("total", text(found.total)),
        *([("points to be paid", str(found.points))] if found.points else []),
        *([("if all is paid in cash", text(cash))] if cash is not None else []),
    ]
    return Section(
        "Totals",
        ("figure", found.currency),
        tuple(rows),
        note=f"priced at {found.at.isoformat()}, valid until {found.valid_until.isoformat()}",
    )


def _discounts(found: Quote) -> Section:
    rows = tuple(
        (
            f"line {off.line}" if off.line else off.level.value,
            off.layer,
            off.promotion,
            off.code,
            off.label,
            off.funder.value,
            _percent(off.ppm) if off.ppm else "",
            decimal_text(off.amount, found.currency),
        )
        for off in found.discounts
    )
    head = ("off", "layer", "promotion", "code", "label", "paid by", "percent", "amount")
    return Section("Discounts", head, rows, texts=6)


def _border(border: Assessment, currency: str) -> list[Section]:
    rows = tuple(
        (
            line.line,
            line.regime.value if line.regime is not None else "",
            line.duty_regime.value if line.duty_regime is not None else "",
            line.hs_code,
            line.origin,
            *[
                decimal_text(amount, currency)
                for amount in (
                    line.declared,
                    line.customs_value,
                    line.duty,
                    line.consumption_tax,
                    line.import_tax,
                )
            ],
        )
        for line in border.lines
    )
    head = (
        "line", "tax regime", "duty regime", "HS code", "origin", "declared", "customs value",
        "duty", "consumption tax", "import tax",
    )  # fmt: skip
    terms = f"{border.origin} to {border.destination}, {border.terms.value.upper()}"
    said = [("because", reason) for reason in border.reasons]
    said += [("needs", what.value.replace("_", " ")) for what in border.requires]
    said += [("registration", border.registration)] if border.registration else []
    sections = [Section("Border", head, rows, texts=5, note=terms)]
    return sections + ([Section("At the border", ("", ""), tuple(said), texts=2)] if said else [])


def _converted(conversions: list[tuple[str, Conversion]]) -> Section:
    rows = []
    for purpose, held in conversions:
        rate = held.rate
        net, tax, total = (
            decimal_text(amount, rate.quote) for amount in (held.net, held.tax, held.total)
        )
        exact = f"{rate.numerator} / {rate.denominator}"
        published = rate.published.isoformat()
        rows.append((purpose, rate.quote, exact, published, rate.source, net, tax, total))
    head = ("for", "currency", "rate", "of", "source", "net", "tax", "total")
    return Section("In other currencies", head, tuple(rows), texts=5)


# JSON -----------------------------------------------------------------------------------------


def _part_plain(part: TaxPart, currency: str) -> dict[str, Any]:
    return {
        "name": part.name,
        "percent": str(Percent(part.ppm)),
        "net": decimal_text(part.net, currency),
        "tax": decimal_text(part.tax, currency),
        "compound": part.compound,
    }


def _taxed(row: QuoteLine | QuoteCharge, currency: str) -> dict[str, Any]:
    return {
        "tax_category": row.tax_category,
        "tax_percent": str(Percent(row.tax_ppm)),
        "tax_included": row.tax_included,
        "treatment": row.treatment.value,
        "parts": [_part_plain(part, currency) for part in row.parts],
        "funded": decimal_text(row.funded, currency),
        "net": decimal_text(row.net, currency),
        "tax": decimal_text(row.tax, currency),
        "total": decimal_text(row.total, currency),
    }


def _line_plain(line: QuoteLine, currency: str) -> dict[str, Any]:
    return {
        "id": line.id,
        "sku": line.sku,
        "name": line.name,
        "bundle": line.bundle,
        "quantity": line.quantity,
        "unit_price": decimal_text(line.unit_price, currency),
        "list_amount": decimal_text(line.list_amount, currency),
        "discount": decimal_text(line.discount, currency),
        "order_discount": decimal_text(line.order_discount, currency),
        "domestic_freight": decimal_text(line.freight, currency),
        **_taxed(line, currency),
    }


def _charge_plain(charge: QuoteCharge, currency: str) -> dict[str, Any]:
    return {
        "id": charge.id,
        "kind": charge.kind.value,
        "name": charge.name,
        "amount": decimal_text(charge.amount, currency),
        "discount": decimal_text(charge.discount, currency),
        **_taxed(charge, currency),
        "shares": [decimal_text(share, currency) for share in charge.shares],
    }


def _discount_plain(off: AppliedDiscount, currency: str) -> dict[str, Any]:
    return {
        "level": off.level.value,
        "line": off.line,
        "layer": off.layer,
        "promotion": off.promotion,
        "code": off.code,
        "label": off.label,
        "funder": off.funder.value,
        "percent": str(Percent(off.ppm)) if off.ppm else None,
        "asked": decimal_text(off.asked, currency),
        "amount": decimal_text(off.amount, currency),
        "shares": [decimal_text(share, currency) for share in off.shares],
    }


def _border_plain(border: Assessment, currency: str) -> dict[str, Any]:
    return {
        "origin": border.origin,
        "destination": border.destination,
        "terms": border.terms.value,
        "lines": [
            {
                "line": line.line,
                "regime": None if line.regime is None else line.regime.value,
                "duty_regime": None if line.duty_regime is None else line.duty_regime.value,
                "hs_code": line.hs_code,
                "origin": line.origin,
                "collected": line.collected,
                "duty_percent": str(line.duty_percent),
                "declared": decimal_text(line.declared, currency),
                "customs_value": decimal_text(line.customs_value, currency),
                "duty": decimal_text(line.duty, currency),
                "consumption_tax": decimal_text(line.consumption_tax, currency),
                "import_tax": decimal_text(line.import_tax, currency),
            }
            for line in border.lines
        ],
        "duty": decimal_text(border.duty, currency),
        "consumption_tax": decimal_text(border.consumption_tax, currency),
        "import_tax": decimal_text(border.import_tax, currency),
        "reasons": list(border.reasons),
        "requires": [what.value for what in border.requires],
        "registration": border.registration,
    }


def _conversion_plain(held: Conversion) -> dict[str, Any]:
    rate = held.rate
    return {
        "currency": rate.quote,
        "rate": f"{rate.numerator}/{rate.denominator}",
        "spread_percent": str(rate.spread),
        "published": rate.published.isoformat(),
        "source": rate.source,
        "rounding": held.rounding.value,
        "rows": [decimal_text(amount, rate.quote) for amount in held.rows],
        "net": decimal_text(held.net, rate.quote),
        "tax": decimal_text(held.tax, rate.quote),
        "total": decimal_text(held.total, rate.quote),
    }


def quote_plain(found: Quote) -> dict[str, Any]:
    """The quote as plain data: amounts and percentages are texts, as in the cart document."""
    currency = found.currency

    def text(amount: int) -> str:
        return decimal_text(amount, currency)

    cash = _cash(found)
    return {
        "currency": currency,
        "at": found.at.isoformat(),
        "valid_until": found.valid_until.isoformat(),
        "lines": [_line_plain(line, currency) for line in found.lines],
        "charges": [_charge_plain(row, currency) for row in found.charges],
        "discounts": [_discount_plain(off, currency) for off in found.discounts],
        "refused": [
            {
                "code": off.code,
                "promotion": off.promotion,
                "reason": off.reason.value,
                "short": text(off.short),
            }
            for off in found.refused
        ],
        "taxes": [
            {
                "name": tax.name,
                "percent": str(Percent(tax.ppm)),
                "treatment": tax.treatment.value,
                "net": text(tax.net),
                "tax": text(tax.tax),
            }
            for tax in found.taxes
        ],
        "subtotal": text(found.subtotal),
        "discount": text(found.discount),
        "net": text(found.net),
        "tax": text(found.tax),
        "total": text(found.total),
        "points": found.points,
        "cash": None if cash is None else text(cash),
        "border": None if found.border is None else _border_plain(found.border, currency),
        "settlement": None if found.settlement is None else _conversion_plain(found.settlement),
        "ledger": None if found.ledger is None else _conversion_plain(found.ledger),
    }


def _reasons(node: Explanation, currency: str) -> dict[str, Any]:
    code = node.currency or currency
    return {
        "figure": node.figure,
        "amount": decimal_text(node.amount, code),
        "currency": code,
        "rule": node.rule,
        "inputs": dict(node.inputs),
        "rounding": node.rounding,
        "remainder": str(node.remainder),
        "parts": [_reasons(part, code) for part in node.parts],
        "of_which": [_reasons(part, code) for part in node.of_which],
    }
