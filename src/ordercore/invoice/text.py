"""An invoice as text for people, in English and in simplified Chinese.

The text is Markdown (tables as in GitHub's), so it reads as it is and can be set by any page.
Amounts, rates and dates are written by CLDR, through Babel.
"""

from __future__ import annotations

import enum
import re
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from ordercore.invoice.invoice import InvoiceKind
from ordercore.money import format_minor
from ordercore.pricing import TaxTreatment

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import date

    from ordercore.invoice.invoice import Invoice, TaxLine
    from ordercore.party import Address

__all__ = ["Locale", "invoice_text"]


class Locale(enum.Enum):
    """The languages of the text, by their CLDR names."""

    EN = "en"
    ZH_CN = "zh_CN"


# Words by what they say; English, then simplified Chinese.
_WORDS: Final[dict[str, tuple[str, str]]] = {
    "invoice": ("Invoice", "发票"),
    "credit_note": ("Credit note", "红字发票"),
    "issued": ("Issued", "开具日期"),
    "order": ("Order", "订单号"),
    "purchase_order": ("Purchase order", "采购单号"),
    "corrects": ("Corrects invoice", "对应原发票"),
    "delivered": ("Delivered", "交付日期"),
    "due": ("Due", "付款期限"),
    "terms": ("Terms", "付款条件"),
    "seller": ("Seller", "销售方"),
    "buyer": ("Buyer", "购买方"),
    "ship_to": ("Ship to", "收货地址"),
    "vat_id": ("VAT number", "增值税号"),
    "registration": ("Registration", "注册号"),
    "tax_number": ("Tax number", "纳税人识别号"),
    "item": ("Item", "项目"),
    "quantity": ("Quantity", "数量"),
    "price": ("List amount", "标价金额"),
    "discount": ("Discount", "折扣"),
    "freight": ("Freight", "运费"),
    "net": ("Net", "不含税金额"),
    "tax_rate": ("Tax rate", "税率"),
    "tax": ("Tax", "税额"),
    "total_net": ("Total without tax", "不含税合计"),
    "total_tax": ("Total tax", "税额合计"),
    "total": ("Total", "价税合计"),
    "rounding": ("Rounding", "尾差调整"),
    "funded": ("Paid by third parties", "第三方承担"),
    "paid": ("Paid", "已付"),
    "payable": ("Payable", "应付金额"),
    "refundable": ("To be refunded", "应退金额"),
    "disbursed": ("Disbursed for the buyer", "代垫税费"),
    "standard": ("Standard", "标准税率"),
    "zero": ("Zero-rated", "零税率"),
    "exempt": ("Exempt", "免税"),
    "reverse_charge": ("Reverse charge", "反向征收"),
    "intra_community": ("Intra-Community supply", "欧盟内部供货"),
    "export": ("Export", "出口"),
    "out_of_scope": ("Not subject to VAT", "不征税"),
}
_COLUMN: Final = {Locale.EN: 0, Locale.ZH_CN: 1}
_BREAKS: Final = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]+")
_MARKS: Final = re.compile(r"([\\`*_\[\]<>|#~])")


class _Page:
    """The lines of one text, in one language."""

    def __init__(self, locale: Locale, currency: str) -> None:
        self.locale = locale
        self.currency = currency
        self.lines: list[str] = []

    def word(self, name: str) -> str:
        return _WORDS[name][_COLUMN[self.locale]]

    def money(self, amount: int) -> str:
        return format_minor(amount, self.currency, self.locale.value)

    def day(self, day: date) -> str:
        from babel.dates import format_date

        return format_date(day, format="long", locale=self.locale.value)

    def rate(self, ppm: int) -> str:
        from babel.numbers import format_percent

        share = Decimal(ppm).scaleb(-6)
        return format_percent(share, locale=self.locale.value, decimal_quantization=False)

    def fields(self, pairs: Iterable[tuple[str, str]]) -> None:
        colon = ": " if self.locale is Locale.EN else "："
        self.lines += [f"- {self.word(name)}{colon}{text}" for name, text in pairs if text]

    def table(self, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """A table whose first column is words and whose others are figures."""
        titles = [self.word(head) if head else "" for head in heads]
        ruler = ["---", *["---:"] * (len(heads) - 1)]
        self.lines += ["| " + " | ".join(cells) + " |" for cells in (titles, ruler, *rows)]


def _text(text: str) -> str:
    """Somebody's words on one line, with no meaning of their own in Markdown."""
    return _MARKS.sub(r"\\\1", _BREAKS.sub(" ", text).strip())


def _place(address: Address) -> str:
    city = f"{address.postcode} {address.city}".strip()
    parts = (*address.lines, city, address.region, address.country)
    return ", ".join([_text(part) for part in parts if part])


def _joined(*parts: str) -> str:
    return ", ".join([part for part in parts if part])


def invoice_text(invoice: Invoice, locale: Locale) -> str:
    """The invoice as Markdown for people: parties, lines, charges, tax, totals, and what is payable.

    Names and addresses are written as they are, with Markdown's own signs escaped.
    """
    page = _Page(locale, invoice.currency)
    page.lines += [f"# {page.word(invoice.kind.value)} {_text(invoice.number)}", ""]
    _heads(page, invoice)
    page.lines.append("")
    _items(page, invoice)
    page.lines.append("")
    taxes = [
        (_treatment(page, line), page.rate(line.ppm), page.money(line.net), page.money(line.tax))
        for line in invoice.breakdown
    ]
    page.table(("tax", "tax_rate", "net", "tax"), taxes)
    page.lines.append("")
    _totals(page, invoice)
    if invoice.notes:
        page.lines += ["", *[_text(note) for note in invoice.notes if note]]
    return "\n".join(page.lines) + "\n"


def _heads(page: _Page, invoice: Invoice) -> None:
    seller, buyer = invoice.seller, invoice.buyer
    corrected = f" ({page.day(invoice.corrected_on)})" if invoice.corrected_on else ""
    bought = _text(buyer.name or invoice.buyer_address.name)
    elsewhere = invoice.ship_to != invoice.buyer_address
    page.fields(
        (
            ("issued", page.day(invoice.issued)),
            ("order", _text(invoice.order)),
            ("purchase_order", _text(invoice.purchase_order)),
            ("corrects", f"{_text(invoice.corrects)}{corrected}"),
            ("delivered", page.day(invoice.delivered) if invoice.delivered else ""),
            ("seller", _joined(_text(seller.name), _place(seller.address))),
            ("vat_id", _text(seller.vat_id)),
            ("registration", _text(seller.registration)),
            ("tax_number", _text(seller.tax_number)),
            ("buyer", _joined(bought, _place(invoice.buyer_address))),
            ("vat_id", _text(buyer.vat_id)),
            ("ship_to", _place(invoice.ship_to) if elsewhere else ""),
        )
    )


def _items(page: _Page, invoice: Invoice) -> None:
    """Lines, then charges; columns of discount and freight only where there are some."""
    off = any([line.allowance for line in invoice.lines])
    freight = any([line.freight for line in invoice.lines])
    heads = ["item", "quantity", "price"]
    heads += ["discount"] * off + ["freight"] * freight + ["tax_rate", "net"]
    rows: list[list[str]] = []
    for line in invoice.lines:
        row = [_text(line.name), str(line.quantity), page.money(line.list_net)]
        row += [page.money(-line.allowance)] * off + [page.money(line.freight)] * freight
        rows.append([*row, page.rate(line.ppm), page.money(line.net)])
    blank = [""] * (len(heads) - 3)
    rows += [
        [_text(charge.name), *blank, page.rate(charge.ppm), page.money(charge.net)]
        for charge in invoice.charges
    ]
    page.table(heads, rows)


def _treatment(page: _Page, line: TaxLine) -> str:
    if line.disbursed:
        return page.word("disbursed")
    if line.name and line.treatment is TaxTreatment.STANDARD:
        return _text(line.name)
    return page.word(line.treatment.value)


def _totals(page: _Page, invoice: Invoice) -> None:
    back = invoice.kind is InvoiceKind.CREDIT_NOTE
    rows = [
        ("total_net", invoice.net, True),
        ("total_tax", invoice.tax, True),
        ("total", invoice.gross, True),
        ("rounding", invoice.rounding, bool(invoice.rounding)),
        ("funded", -invoice.funded, bool(invoice.funded)),
        ("paid", -invoice.paid, bool(invoice.paid)),
        ("refundable" if back else "payable", invoice.payable, True),
    ]
    page.fields((name, page.money(amount)) for name, amount, shown in rows if shown)
    page.fields(
        (
            ("due", page.day(invoice.due) if invoice.due else ""),
            ("terms", _text(invoice.terms)),
        )
    )
