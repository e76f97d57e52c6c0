"""E-invoices by EN 16931, in its two syntaxes: CII (UN/CEFACT) and UBL 2.1 (extra ``einvoice``).

`write` gives the bytes of a file, checked against the syntax's XML schema. The rules of the standard beyond
the schema hold for each invoice that `ordercore.invoice` makes of an order; the project's tests run the
European committee's rules on generated orders. National rules (XRechnung, Peppol, Factur-X in a PDF) are not held.

Choices where the standard leaves one:

- Goods that are sold outside the scope of VAT (multi-purpose vouchers) may share an invoice with nothing else,
  and then no VAT number may be on it (BR-O-02 to BR-O-14). Such a mix is refused: bill the vouchers apart.
- Duty and tax of import paid in the buyer's name stand as exempt charges, with reason ``VATEX-EU-79-C``
  (Directive 2006/112/EC, Art. 79(c)).
- What third parties pay for the buyer stands with what the buyer paid (BT-113).
- A price that does not come out by the unit is stated for the whole quantity (BT-149 price base quantity),
  so that quantity x price is the line, exactly.
- Amounts have at most two decimals in EN 16931 (BR-DEC-01 and on), so currencies with three are refused.
"""

from __future__ import annotations

import enum
import re
from typing import TYPE_CHECKING, Any, Final

from ordercore.errors import InvalidInvoice
from ordercore.invoice import InvoiceKind, InvoiceLine
from ordercore.money import Percent, decimal_text, exponent
from ordercore.pricing import ChargeKind, TaxTreatment

if TYPE_CHECKING:
    from ordercore.invoice import Invoice, InvoiceCharge, TaxLine
    from ordercore.party import Address

__all__ = ["PROFILE", "Syntax", "write"]

PROFILE: Final = "urn:cen.eu:en16931:2017"
"""The standard's own profile, without national additions (BT-24)."""

_LEVEL: Final = "en16931"
_PIECE: Final = "C62"  # UN/ECE Recommendation 20: one
_UNKNOWN: Final = "NA"  # UBL demands the buyer's order number beside the seller's


class Syntax(enum.Enum):
    """The two syntaxes that every public buyer in the European Union must accept (EN 16931-2)."""

    CII = "cii"
    UBL = "ubl"


_CATEGORIES: Final = {
    TaxTreatment.STANDARD: "S",
    TaxTreatment.ZERO: "Z",
    TaxTreatment.EXEMPT: "E",
    TaxTreatment.REVERSE_CHARGE: "AE",
    TaxTreatment.INTRA_COMMUNITY: "K",
    TaxTreatment.EXPORT: "G",
    TaxTreatment.OUT_OF_SCOPE: "O",
}
# The committee's VATEX list: text and code of each reason for tax of 0.
_REASONS: Final = {
    TaxTreatment.REVERSE_CHARGE: ("Reverse charge", "VATEX-EU-AE"),
    TaxTreatment.INTRA_COMMUNITY: ("Intra-Community supply", "VATEX-EU-IC"),
    TaxTreatment.EXPORT: ("Export outside the EU", "VATEX-EU-G"),
    TaxTreatment.OUT_OF_SCOPE: ("Not subject to VAT", "VATEX-EU-O"),
}
_DISBURSED: Final = ("Duty and tax of import paid in the name of the buyer", "VATEX-EU-79-C")
_EXEMPT: Final = "Exempt from VAT"
# Who must be known by number, by category (BR-AE-02 and on).
_NEEDS_BUYER: Final = frozenset({TaxTreatment.REVERSE_CHARGE, TaxTreatment.INTRA_COMMUNITY})
_NEEDS_VAT_ID: Final = _NEEDS_BUYER | {TaxTreatment.EXPORT}

# What XML 1.0 cannot hold, such as control characters that a customer pasted into a name.
_UNWRITABLE: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_COUNTRY: Final = re.compile("[A-Z]{2}")
_NUMBER: Final = re.compile("[A-Z]{2}.+")  # BR-CO-09

Terms = dict[str, Any]


def write(invoice: Invoice, syntax: Syntax) -> bytes:
    """The invoice or credit note as a file of EN 16931, in UTF-8.

    Characters that XML cannot hold are written as spaces.
    Raises `InvalidInvoice`, with the path of what is wrong, for an invoice that the standard cannot state:
    several taxes on one net, goods outside the scope among others, a currency of three decimals,
    a party without name, country or the numbers that its treatment asks for.
    """
    _check_figures(invoice)
    _check_parties(invoice)
    terms = _document(invoice, syntax)
    from facturx import (  # type: ignore[import-untyped]
        generate_cii_xml,
        generate_ubl_xml,
    )

    make = generate_cii_xml if syntax is Syntax.CII else generate_ubl_xml
    try:
        # its own check of the standard's rules answers True where no Saxon server listens
        made: bytes = make(terms, level=_LEVEL, check_xsd=True, check_schematron=None)
    except Exception as error:
        reason = f"the {syntax.name} file does not fit its schema: {error}"
        raise InvalidInvoice(reason[:500], path="invoice") from error
    # factur-x 7.8 writes EUR as the currency of a rounding amount, whatever the invoice's is
    wrong = b'<cbc:PayableRoundingAmount currencyID="EUR">'
    right = f'<cbc:PayableRoundingAmount currencyID="{invoice.currency}">'.encode()
    return made.replace(wrong, right, 1)


# --- What EN 16931 can state ------------------------------------------------------------------


def _check_figures(invoice: Invoice) -> None:
    if exponent(invoice.currency) > 2:
        reason = f"EN 16931 states amounts with two decimals, and {invoice.currency} has more"
        raise InvalidInvoice(reason, path="currency", currency=invoice.currency)
    if not invoice.rows():
        raise InvalidInvoice("EN 16931 asks for at least one line", path="lines")
    for row in invoice.rows():
        if row.parts:
            reason = "EN 16931 knows one tax on a net, not several"
            raise InvalidInvoice(reason, path=f"[{row.id}].parts", row=row.id)
    outside = [line.treatment is TaxTreatment.OUT_OF_SCOPE for line in invoice.breakdown]
    if any(outside) and not all(outside):
        reason = "goods outside the scope of VAT share an e-invoice with nothing else"
        raise InvalidInvoice(reason, path="breakdown", rule="BR-O-11")
    for place, line in enumerate(invoice.breakdown):
        if line.tax and line.treatment is not TaxTreatment.STANDARD:
            reason = f"a supply that is {line.treatment.value} bears no tax"
            raise InvalidInvoice(reason, path=f"breakdown[{place}].tax", tax=line.tax)


def _check_parties(invoice: Invoice) -> None:
    seller, buyer = invoice.seller, invoice.buyer
    treatments = {line.treatment for line in invoice.breakdown}
    shipped = TaxTreatment.INTRA_COMMUNITY in treatments
    missing = [
        ("seller.name", not seller.name),
        ("seller.address.country", not seller.address.country),
        ("buyer.name", not _buyer_name(invoice)),
        ("buyer_address.country", not invoice.buyer_address.country),
        ("seller.vat_id", bool(treatments & _NEEDS_VAT_ID) and not seller.vat_id),
        ("buyer.vat_id", bool(treatments & _NEEDS_BUYER) and not buyer.vat_id),
        ("delivered", shipped and invoice.delivered is None),
        ("ship_to.country", shipped and not invoice.ship_to.country),
    ]
    if TaxTreatment.OUT_OF_SCOPE in treatments:
        missing.append(("seller.registration", not seller.registration))
    else:
        missing.append(("seller.vat_id", not (seller.vat_id or seller.tax_number)))
        missing.append(("seller.registration", not (seller.vat_id or seller.registration)))
    for path, lacks in missing:
        if lacks:
            raise InvalidInvoice(f"EN 16931 asks for {path} on this invoice", path=path)
    for path, text in (
        ("seller.vat_id", seller.vat_id),
        ("buyer.vat_id", buyer.vat_id),
        ("seller.address.country", seller.address.country),
        ("buyer_address.country", invoice.buyer_address.country),
        ("ship_to.country", invoice.ship_to.country),
    ):
        fits = _NUMBER if path.endswith("vat_id") else _COUNTRY
        if text and not fits.fullmatch(text):
            reason = f"{path} begins with, or is, a country code of two capital letters"
            raise InvalidInvoice(reason, path=path)


# --- The document by its business terms -------------------------------------------------------


def _document(invoice: Invoice, syntax: Syntax) -> Terms:
    """The invoice by the standard's terms (BT) and groups (BG), amounts as decimal texts."""
    code = invoice.currency
    lines, charged = [_line(line, code) for line in invoice.lines], invoice.charges
    if not lines:  # a document has at least one line (BR-16), so charges alone are its lines
        lines, charged = [_line(_as_line(charge), code) for charge in charged], ()
    charges = sum([charge.net for charge in charged])
    terms: Terms = {
        "BT-1": _plain(invoice.number),
        "BT-2": invoice.issued,
        "BT-3": "380" if invoice.kind is InvoiceKind.INVOICE else "381",
        "BT-5": code,
        "BT-9": invoice.due,
        "BT-13": _plain(invoice.purchase_order),
        "BT-14": _plain(invoice.order),
        "BT-20": _plain(invoice.terms),
        "BT-24": PROFILE,
        "BT-72": invoice.delivered,
        "BT-106": decimal_text(invoice.net - charges, code),
        "BT-109": decimal_text(invoice.net, code),
        "BT-110": decimal_text(invoice.tax, code),
        "BT-112": decimal_text(invoice.gross, code),
        "BT-115": decimal_text(invoice.payable, code),
        "BG-1": [{"BT-22": _plain(note)} for note in invoice.notes if note],
        "BG-4": _seller(invoice),
        "BG-7": _buyer(invoice),
        "BG-21": [_charge(charge, code) for charge in charged],
        "BG-23": _breakdown(invoice),
        "BG-25": lines,
    }
    if charged:
        terms["BT-108"] = decimal_text(charges, code)
    if invoice.prepaid:
        terms["BT-113"] = decimal_text(invoice.prepaid, code)
    if invoice.rounding:
        terms["BT-114"] = decimal_text(invoice.rounding, code)
    if invoice.payable and not (invoice.due or invoice.terms):  # BR-CO-25
        terms["BT-20"] = f"Payable on {invoice.issued.isoformat()}"
    if syntax is Syntax.UBL and not invoice.purchase_order:
        terms["BT-13"] = _UNKNOWN
    if invoice.corrects:
        terms["BG-3"] = [{"BT-25": _plain(invoice.corrects), "BT-26": invoice.corrected_on}]
    place = invoice.ship_to
    if syntax is Syntax.CII and not (place.country or invoice.delivered):
        place = invoice.buyer_address  # CII's group of delivery must not be empty
    if place.country:
        terms["BG-13"] = {"name": _plain(place.name) or _buyer_name(invoice), **_address(place)}
    return {term: stated for term, stated in terms.items() if stated not in (None, "", [])}


def _plain(text: str) -> str:
    return _UNWRITABLE.sub(" ", text).strip()


def _buyer_name(invoice: Invoice) -> str:
    return _plain(invoice.buyer.name) or _plain(invoice.buyer_address.name)


def _address(address: Address) -> Terms:
    lines = [_plain(line) for line in address.lines if _plain(line)]
    stated = {
        "addr_l1": lines[0] if lines else "",
        "addr_l2": lines[1] if len(lines) > 1 else "",
        "addr_l3": ", ".join(lines[2:]),
        "city": _plain(address.city),
        "postcode": _plain(address.postcode),
        "country_subdivision": _plain(address.region),
        "country_code": address.country,
    }
    return {term: text for term, text in stated.items() if text}


def _outside(invoice: Invoice) -> bool:
    """Whether it is a document outside the scope of VAT, on which no VAT number may stand."""
    return any([line.treatment is TaxTreatment.OUT_OF_SCOPE for line in invoice.breakdown])


def _seller(invoice: Invoice) -> Terms:
    seller = invoice.seller
    stated: Terms = {
        "name": _plain(seller.name),
        "legal_identifier": _plain(seller.registration),
        "vat_identifier": "" if _outside(invoice) else _plain(seller.vat_id),
        "tax_identifier": _plain(seller.tax_number),
        **_address(seller.address),
    }
    if seller.email or seller.phone:
        contact = {"email": _plain(seller.email), "phone": _plain(seller.phone)}
        stated["contacts"] = [{term: text for term, text in contact.items() if text}]
    return {term: text for term, text in stated.items() if text}


def _buyer(invoice: Invoice) -> Terms:
    stated: Terms = {"name": _buyer_name(invoice), **_address(invoice.buyer_address)}
    if invoice.buyer.vat_id and not _outside(invoice):
        stated["vat_identifier"] = _plain(invoice.buyer.vat_id)
    if invoice.buyer.email:
        stated["contacts"] = [{"email": _plain(invoice.buyer.email)}]
    return stated


def _rate(treatment: TaxTreatment, ppm: int) -> str | None:
    """The rate as text; none outside the scope, where none may stand (BR-O-05 to BR-O-07)."""
    return None if treatment is TaxTreatment.OUT_OF_SCOPE else str(Percent(ppm))


def _line(line: InvoiceLine, code: str) -> Terms:
    price, base = _price(line.list_net, line.quantity, code)
    terms: Terms = {
        "BT-126": _plain(line.id),
        "BT-129": str(line.quantity),
        "BT-130": _PIECE,
        "BT-131": decimal_text(line.net, code),
        "BT-146": price,
        "BT-151": _CATEGORIES[line.treatment],
        "BT-153": _plain(line.name) or _plain(line.sku),
        "BT-155": _plain(line.sku),
    }
    rate = _rate(line.treatment, line.ppm)
    if rate is not None:
        terms["BT-152"] = rate
    if base > 1:
        terms["BT-149"] = str(base)
    if line.allowance:
        reason = _plain(line.reason) or "Discount"
        terms["BG-27"] = [{"amount": decimal_text(line.allowance, code), "reason": reason}]
    if line.freight:
        terms["BG-28"] = [{"amount": decimal_text(line.freight, code), "reason": "Freight"}]
    return terms


def _as_line(charge: InvoiceCharge) -> InvoiceLine:
    net, tax = charge.net, charge.tax
    return InvoiceLine(
        charge.id, charge.id, charge.name, 1, net, 0, 0, net, tax, charge.treatment, charge.ppm
    )


def _price(listed: int, quantity: int, code: str) -> tuple[str, int]:
    """Price of one where it comes out with two more decimals than the currency has, else of all."""
    each, rest = divmod(listed * 100, quantity)
    if rest:
        return decimal_text(listed, code), quantity
    whole, more = divmod(each, 100)
    if not more:
        return decimal_text(whole, code), 1
    point = "" if exponent(code) else "."
    return f"{decimal_text(whole, code)}{point}{more:02d}", 1


def _charge(charge: InvoiceCharge, code: str) -> Terms:
    terms: Terms = {
        "amount": decimal_text(charge.net, code),
        "reason": _plain(charge.name) or _plain(charge.id),
        "vat_category_code": _CATEGORIES[charge.treatment],
    }
    if charge.kind is ChargeKind.SHIPPING:
        terms["reason_code"] = "FC"  # UNTDID 7161: freight service
    rate = _rate(charge.treatment, charge.ppm)
    if rate is not None:
        terms["vat_rate"] = rate
    return terms


def _breakdown(invoice: Invoice) -> list[Terms]:
    """One entry for each category and rate; all that is exempt is one, whatever its reason (BR-E-01)."""
    found: dict[tuple[TaxTreatment, int], list[TaxLine]] = {}
    for line in invoice.breakdown:
        found.setdefault((line.treatment, line.ppm), []).append(line)
    entries = []
    for (treatment, ppm), lines in found.items():
        entry = {
            "BT-116": decimal_text(sum([line.net for line in lines]), invoice.currency),
            "BT-117": decimal_text(sum([line.tax for line in lines]), invoice.currency),
            "BT-118": _CATEGORIES[treatment],
            "BT-119": _rate(treatment, ppm),
            **_exemption(invoice, treatment, lines),
        }
        entries.append({term: text for term, text in entry.items() if text is not None})
    return entries


def _exemption(invoice: Invoice, treatment: TaxTreatment, lines: list[TaxLine]) -> Terms:
    """Why a category bears no tax, in words and as a code of the VATEX list where one fits."""
    if treatment is TaxTreatment.EXEMPT:
        reasons = [
            _DISBURSED if line.disbursed else (_plain(invoice.exemption) or _EXEMPT, "")
            for line in lines
        ]
    elif treatment in _REASONS:
        reasons = [_REASONS[treatment]]
    else:
        return {}
    text, code = reasons[0]
    if len(reasons) > 1:
        text, code = "; ".join([words for words, _ in reasons]), ""
    return {"BT-120": text, "BT-121": code} if code else {"BT-120": text}
