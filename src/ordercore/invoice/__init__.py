"""The invoice of an order and the credit note of a refund, as values and as text for people.

An invoice is made from what was agreed and never from a catalog or a price list of today.
It is stated as EN 16931 states it (net lines, tax by category and rate), so that
`ordercore.adapters.einvoice` can write it as a file.
"""

from ordercore.invoice.invoice import (
    Invoice,
    InvoiceCharge,
    InvoiceKind,
    InvoiceLine,
    Seller,
    StatedTax,
    TaxLine,
    credit_note,
    invoice,
)
from ordercore.invoice.text import Locale, invoice_text

__all__ = [
    "Invoice",
    "InvoiceCharge",
    "InvoiceKind",
    "InvoiceLine",
    "Locale",
    "Seller",
    "StatedTax",
    "TaxLine",
    "credit_note",
    "invoice",
    "invoice_text",
]
