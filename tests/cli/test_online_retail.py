from __future__ import annotations

import gzip
import json
import sqlite3
import subprocess
import sys
from collections import Counter
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ordercore.cli import online_retail_file
from ordercore.cli.online_retail import (
    Cancellation,
    CancellationMatcher,
    InvoiceKind,
    RefundPart,
    RefusalReason,
    Region,
    RetailInvoice,
    RetailRow,
    RetailTally,
    Role,
    RowKind,
    UnmatchedPart,
    UnmatchedReason,
    classify,
    kind_of,
    parts_of,
    region,
    vat_percent,
)
from ordercore.cli.online_retail_file import RetailFile, read_invoices
from ordercore.errors import InvalidDocument

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
SLICE = ROOT / "examples" / "data" / "online_retail.csv.gz"
AUDIT = ROOT / "examples" / "audit.py"
HEADER = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country"
NOON = "2011-02-01 12:00:00"


def line(
    number: str = "540001",
    code: str = "22156",
    quantity: int | str = 6,
    price: str = "0.85",
    at: str = NOON,
    customer: str = "17850.0",
    country: str = "United Kingdom",
) -> str:
    """A row of the file."""
    return f"{number},{code},HEART,{quantity},{at},{price},{customer},{country}"


def read(*lines: str) -> list[RetailInvoice]:
    """The invoices of a file with these rows."""
    return list(read_invoices(f"{text}\n" for text in (HEADER, *lines)))


def one(*lines: str) -> RetailInvoice:
    """The only invoice of these rows."""
    (invoice,) = read(*lines)
    return invoice


def refusal(*lines: str) -> InvalidDocument:
    """What the reader says of these rows."""
    with pytest.raises(InvalidDocument) as caught:
        read(*lines)
    return caught.value


def why(*lines: str) -> RefusalReason | None:
    """The reason for the first row."""
    invoice = one(*lines)
    return classify(invoice.rows[0], invoice).reason


def role(*lines: str) -> Role:
    """The role of the first row."""
    invoice = one(*lines)
    return classify(invoice.rows[0], invoice).role


# Reading


def test_a_row_keeps_what_the_file_says() -> None:
    """A row has its line of the file, exact price and typed values; the customer loses the .0."""
    invoice = one('540001,22156,"HEART, RED",6,2011-02-01 12:00:00,2.10,17850.0,EIRE')
    row = RetailRow(
        line_no=2,
        stock_code="22156",
        description="HEART, RED",
        quantity=6,
        unit_price=Decimal("2.10"),
        kind=RowKind.GOODS,
    )
    placed_at = datetime(2011, 2, 1, 12, tzinfo=UTC)
    assert invoice == RetailInvoice("540001", placed_at, "17850", "EIRE", (row,))
    assert (row.unit_pence, row.amount_e4) == (210, 126_000)


def test_a_row_without_a_customer_belongs_to_a_guest() -> None:
    """No customer number is a guest."""
    assert one(line(customer="")).customer is None


def test_a_row_without_a_description_is_named_by_its_code() -> None:
    """The name of a line is never empty."""
    assert one("540001,22156,,6,2011-02-01 12:00:00,0.85,,EIRE").rows[0].name == "22156"


def test_the_first_time_stamp_of_an_invoice_counts() -> None:
    """An invoice with two stamps is placed at the first."""
    invoice = one(line(), line(at="2011-02-01 12:01:00"))
    assert invoice.placed_at == datetime(2011, 2, 1, 12, tzinfo=UTC)
    assert len(invoice.rows) == 2


def test_an_invoice_between_the_rows_of_another_splits_neither() -> None:
    """Rows of an invoice are joined though another's stand between; order is by first row."""
    late = "2011-02-01 12:01:00"
    after = "2011-02-01 13:00:00"
    invoices = read(
        line("540001"),
        line("540002"),
        line("540001", at=late),
        line("540003", at=after),
    )
    assert [(i.number, [row.line_no for row in i.rows]) for i in invoices] == [
        ("540001", [2, 4]),
        ("540002", [3]),
        ("540003", [5]),
    ]


def test_invoices_come_out_before_the_file_ends() -> None:
    """The reader holds minutes of invoices, not the file: the first comes before the last is read."""

    def lines() -> list[str]:
        return [line(str(540_000 + n), at=f"2011-02-01 12:{n:02}:00") for n in range(20)]

    given_out: list[str] = []

    def counted() -> Iterator[str]:
        for text in (HEADER, *lines()):
            given_out.append(text)
            yield text + "\n"

    first = next(read_invoices(counted()))
    assert first.number == "540000"
    assert len(given_out) < 10


@pytest.mark.parametrize(
    ("bad", "path"),
    [
        (line(quantity="six"), "line 3.Quantity"),
        (line(quantity="1.0"), "line 3.Quantity"),
        (line(quantity="9999999999"), "line 3.Quantity"),
        (line(price="NaN"), "line 3.UnitPrice"),
        (line(price="1e30"), "line 3.UnitPrice"),
        (line(price="0.00001"), "line 3.UnitPrice"),
        (line(price=""), "line 3.UnitPrice"),
        (line(at="01/02/2011 12:00"), "line 3.InvoiceDate"),
        (line(at="2011-02-30 12:00:00"), "line 3.InvoiceDate"),
        (line(at="2011-02-01 11:59:59"), "line 3.InvoiceDate"),
        (line(customer="17850.5"), "line 3.CustomerID"),
        (line(customer="17851.0"), "line 3.CustomerID"),
        (line(country="EIRE"), "line 3.Country"),
        (line("540002", country="Atlantis"), "line 3.Country"),
        (line("X40002"), "line 3.InvoiceNo"),
        (line(code=" "), "line 3.StockCode"),
        ("540001,22156,HEART", "line 3"),
        ("", "line 3"),
        (line(code='"22156'), "line 3"),
        (line(code='"22156"x'), "line 3"),
    ],
)
def test_a_malformed_row_is_refused_with_its_place(bad: str, path: str) -> None:
    """Each malformed field names its line and column."""
    assert refusal(line(), bad).path == path


def test_an_invoice_that_comes_again_is_refused() -> None:
    """An invoice whose rows are further apart than the reader holds is not silently cut in two."""
    later = "2011-02-01 12:06:00"
    error = refusal(line(), line("540002", at=later), line(at="2011-02-01 12:07:00"))
    assert error.path == "line 4.InvoiceNo"


def test_a_file_that_is_all_one_minute_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """More rows at once than the bound are refused, not collected."""
    monkeypatch.setattr(online_retail_file, "MAX_HELD_ROWS", 3)
    assert refusal(line(), line(), line(), line()).path == "line 5"


@pytest.mark.parametrize("header", ["", HEADER.lower(), HEADER + ",Tax", "\x00\x01"])
def test_a_foreign_header_is_refused(header: str) -> None:
    """A file of other columns is refused at line 1."""
    with pytest.raises(InvalidDocument) as caught:
        list(read_invoices([header + "\n", line() + "\n"]))
    assert caught.value.path == "line 1"


def test_an_empty_file_is_refused() -> None:
    """A file without a header is refused."""
    with pytest.raises(InvalidDocument):
        list(read_invoices([]))


PLAIN = "\n".join([HEADER, *(line(str(540_000 + n)) for n in range(2000)), ""]).encode()


def read_bytes(folder: Path, content: bytes) -> int:
    """How many invoices a file of these bytes has."""
    path = folder / "invoices"
    path.write_bytes(content)
    with RetailFile(path) as file:
        return sum(1 for _ in file)


@pytest.mark.parametrize(
    "content",
    [PLAIN, gzip.compress(PLAIN), b"\xef\xbb\xbf" + PLAIN, PLAIN.replace(b"\n", b"\r\n")],
    ids=["plain", "gzip", "byte order mark", "carriage returns"],
)
def test_packed_and_plain_files_read_alike(tmp_path: Path, content: bytes) -> None:
    """Compression, a byte order mark and line ends make no difference."""
    assert read_bytes(tmp_path, content) == 2000


@pytest.mark.parametrize(
    "content",
    [
        gzip.compress(PLAIN)[:-100],
        gzip.compress(PLAIN)[:-6] + b"\x00" * 6,
        gzip.compress(PLAIN)[:100] + b"\xff" * 100 + gzip.compress(PLAIN)[200:],
        b"\x1f\x8b",
        b"\x1f\x8b not gzip at all",
        b"PK\x03\x04\xff\xfe",
        PLAIN + b"\xff\xfe",
        HEADER.encode() + b"\n" + b"x" * 200_000,
        b"",
    ],
    ids=["cut", "crc", "broken", "bare", "fake", "zip", "latin", "endless", "empty"],
)
def test_a_damaged_file_is_refused_without_a_traceback(tmp_path: Path, content: bytes) -> None:
    """Damage anywhere is one error of the library that names a line."""
    with pytest.raises(InvalidDocument, match="line ") as caught:
        read_bytes(tmp_path, content)
    assert caught.value.path.startswith("line ")


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    """A path that cannot be opened is an error of the library."""
    with pytest.raises(InvalidDocument, match="cannot open"), RetailFile(tmp_path / "none"):
        pass


def test_progress_ends_at_the_size_of_the_file(tmp_path: Path) -> None:
    """Progress counts the bytes on disk, and ends with all of them."""
    path = tmp_path / "invoices"
    path.write_bytes(gzip.compress(PLAIN))
    size = path.stat().st_size
    with RetailFile(path) as file:
        assert file.progress == (0, size)
        assert len(list(file)) == 2000
        assert file.progress == (size, size)
    assert file.progress == (size, size)


# Where and when


@pytest.mark.parametrize(
    ("country", "place"),
    [
        ("United Kingdom", Region.UK),
        ("Unspecified", Region.UK),
        ("EIRE", Region.EU),
        ("European Community", Region.EU),
        ("Cyprus", Region.EU),
        ("Czech Republic", Region.EU),
        ("Greece", Region.EU),
        ("Lithuania", Region.EU),
        ("Malta", Region.EU),
        ("Poland", Region.EU),
        ("Channel Islands", Region.EXPORT),
        ("Norway", Region.EXPORT),
        ("Switzerland", Region.EXPORT),
        ("Iceland", Region.EXPORT),
        ("RSA", Region.EXPORT),
        ("USA", Region.EXPORT),
    ],
)
def test_a_country_lies_in_its_tax_region_of_2011(country: str, place: Region) -> None:
    """The members of 2010-11 are EU, the odd names go where the trade puts them."""
    assert region(country) is place


@pytest.mark.parametrize(
    ("place", "day", "percent"),
    [
        (Region.UK, date(2010, 12, 1), "17.5"),
        (Region.UK, date(2011, 1, 3), "17.5"),
        (Region.UK, date(2011, 1, 4), "20"),
        (Region.EU, date(2011, 1, 3), "17.5"),
        (Region.EU, date(2011, 12, 9), "20"),
        (Region.EXPORT, date(2011, 12, 9), "0"),
    ],
)
def test_the_uk_rate_follows_place_and_day(place: Region, day: date, percent: str) -> None:
    """17.5 % until 2011-01-03, 20 % from the next day, to UK and EU; exports none."""
    assert vat_percent(place, day) == Decimal(percent)


def test_a_day_without_a_listed_rate_is_refused() -> None:
    """No rate is invented for a day before the table begins."""
    with pytest.raises(InvalidDocument, match="2009-12-31"):
        vat_percent(Region.UK, date(2009, 12, 31))


# What a row is


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("85123A", RowKind.GOODS),
        ("PADS", RowKind.GOODS),
        ("DCGSSGIRL", RowKind.GOODS),
        ("POST", RowKind.FREIGHT),
        ("DOT", RowKind.FREIGHT),
        ("C2", RowKind.FREIGHT),
        ("M", RowKind.FEE),
        ("m", RowKind.FEE),
        ("S", RowKind.FEE),
        ("B", RowKind.FEE),
        ("BANK CHARGES", RowKind.FEE),
        ("AMAZONFEE", RowKind.FEE),
        ("CRUK", RowKind.FEE),
        ("gift_0001_20", RowKind.VOUCHER),
        ("D", RowKind.DISCOUNT),
    ],
)
def test_a_stock_code_tells_the_class_of_a_row(code: str, kind: RowKind) -> None:
    """Goods are told from freight, fees, vouchers and discounts."""
    assert kind_of(code) is kind


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (line("A563186", "B", 1, "-11062.06", customer=""), RefusalReason.NEGATIVE_PRICE),
        (line("A563185", "B", 1, "11062.06", customer=""), RefusalReason.NOT_AN_ORDER),
        (line(quantity=0), RefusalReason.ZERO_QUANTITY),
        (line(quantity=-10, price="0.0"), RefusalReason.NEGATIVE_QUANTITY_WITHOUT_C),
        (line(price="0.0"), RefusalReason.ZERO_PRICE),
        (line(code="PADS", price="0.001"), RefusalReason.TOO_MANY_DECIMALS),
        (line("C540001", "AMAZONFEE", -1, "13541.33", customer=""), RefusalReason.NOT_AN_ORDER),
        (line("540001", "AMAZONFEE", 1, "13541.33", customer=""), RefusalReason.NOT_AN_ORDER),
        (line("C540001", "CRUK", -1, "1.6"), RefusalReason.NOT_AN_ORDER),
        (line("C540001", "S", -1, "12.95", customer=""), RefusalReason.NOT_AN_ORDER),
        (line("C540001", "BANK CHARGES", -1, "95.38", customer=""), RefusalReason.NOT_AN_ORDER),
        (line("C540001", "D", -1, "27.5"), RefusalReason.DISCOUNT_WITHOUT_SALE),
        (line("540001", "D", -1, "27.5"), RefusalReason.DISCOUNT_WITHOUT_SALE),
        (line("C540001", quantity=1), RefusalReason.POSITIVE_QUANTITY_WITH_C),
    ],
)
def test_a_row_that_is_no_sale_is_refused_with_its_reason(text: str, reason: RefusalReason) -> None:
    """Each kind of row that makes no order has its own reason."""
    assert why(text) is reason


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (line(), Role.LINE),
        (line(code="M", price="1.25"), Role.LINE),
        (line(code="BANK CHARGES", price="15.0"), Role.LINE),
        (line(code="gift_0001_20", price="16.67"), Role.LINE),
        (line(price="2.100"), Role.LINE),
        (line(code="POST", price="18.0"), Role.FREIGHT),
        (line("C540001", quantity=-1), Role.CANCELLATION),
        (line("C540001", "POST", -1, "18.0"), Role.CANCELLATION),
        (line("C540001", "M", -1, "1.25"), Role.CANCELLATION),
    ],
)
def test_a_row_that_counts_has_its_role(text: str, what: Role) -> None:
    """Sold rows are lines or freight, cancellations go to the matcher."""
    assert role(text) is what
    assert why(text) is None


def test_the_first_letter_tells_a_sale_from_its_cancellation() -> None:
    """C cancels, A corrects the accounts, digits sell."""
    kinds = [one(line(number)).kind for number in ("540001", "C540001", "A540001")]
    assert kinds == [InvoiceKind.SALE, InvoiceKind.CANCELLATION, InvoiceKind.ADJUSTMENT]


def test_freight_rows_add_up_to_the_shipping_charge() -> None:
    """Several freight rows of a sale are one charge."""
    parts = parts_of(one(line(), line(code="POST", quantity=3, price="18.0"), line(code="C2")))
    assert [row.line_no for row in parts.lines] == [2]
    assert parts.freight_pence == 3 * 1800 + 6 * 85


def test_freight_alone_stands_as_a_line() -> None:
    """An invoice of freight only is an order with a line and no shipping charge."""
    parts = parts_of(one(line(code="POST", quantity=1), line(price="0.0")))
    assert [row.line_no for row in parts.lines] == [2]
    assert parts.freight == ()


def test_a_discount_on_a_sale_lowers_it_up_to_its_lines() -> None:
    """A discount beside lines counts; what would exceed them is refused."""
    parts = parts_of(
        one(
            line(price="1.00"),
            line(code="D", quantity=-1, price="5.00"),
            line(code="D", quantity=-2, price="0.51"),
        )
    )
    assert parts.discount_pence == 500
    assert [(row.line_no, reason) for row, reason in parts.refused] == [
        (4, RefusalReason.DISCOUNT_WITHOUT_SALE)
    ]


def test_each_row_stands_in_one_part() -> None:
    """Sorting an invoice loses no row and doubles none."""
    invoice = one(
        line(), line(code="DOT"), line(price="0.0"), line(quantity=-1), line(code="D", quantity=-1)
    )
    parts = parts_of(invoice)
    rows = [*parts.lines, *parts.freight, *parts.discounts, *parts.cancellations]
    rows += [row for row, _ in parts.refused]
    assert sorted(row.line_no for row in rows) == [2, 3, 4, 5, 6]


# Which sale a cancellation cancels


def sell(matcher: CancellationMatcher, *lines: str) -> None:
    """Let the matcher remember these rows as sold."""
    for invoice in read(*lines):
        matcher.remember(invoice, parts_of(invoice).lines)


def cancel(matcher: CancellationMatcher, text: str) -> Cancellation:
    """Match a cancellation row."""
    invoice = one(text)
    return matcher.match(invoice, invoice.rows[0])


NO_SALE = UnmatchedReason.NO_EARLIER_SALE
CLOSED = UnmatchedReason.ORDER_CLOSED


def test_a_cancellation_takes_the_latest_sale_first() -> None:
    """A row is spread over several sales, the latest first, and the rest is unmatched."""
    matcher = CancellationMatcher()
    sell(matcher, line("540001", quantity=6), line("540002", quantity=4))
    found = cancel(matcher, line("C540003", quantity=-12))
    assert found.refunds == (RefundPart("540002", 3, 4), RefundPart("540001", 2, 6))
    assert found.unmatched == (UnmatchedPart(NO_SALE, 2),)


def test_a_cancellation_leaves_what_it_does_not_take() -> None:
    """What one cancellation leaves of a line, the next one may take."""
    matcher = CancellationMatcher()
    sell(matcher, line("540001", quantity=6))
    assert cancel(matcher, line("C540002", quantity=-4)).refunds == (RefundPart("540001", 2, 4),)
    second = cancel(matcher, line("C540003", quantity=-4))
    assert second.refunds == (RefundPart("540001", 2, 2),)
    assert second.unmatched == (UnmatchedPart(NO_SALE, 2),)
    assert cancel(matcher, line("C540004", quantity=-1)).refunds == ()


@pytest.mark.parametrize(
    "text",
    [
        line("C540002", quantity=-1, customer="17851.0"),
        line("C540002", quantity=-1, customer=""),
        line("C540002", quantity=-1, price="0.86"),
        line("C540002", "22157", quantity=-1),
    ],
    ids=["customer", "guest", "price", "code"],
)
def test_a_cancellation_of_another_customer_code_or_price_matches_nothing(text: str) -> None:
    """Customer, code and price must be the same."""
    matcher = CancellationMatcher()
    sell(matcher, line("540001"))
    assert cancel(matcher, text).unmatched == (UnmatchedPart(NO_SALE, 1),)


def test_prices_match_by_value() -> None:
    """2.1 and 2.10 are the same price."""
    matcher = CancellationMatcher()
    sell(matcher, line("540001", price="2.1"))
    assert not cancel(matcher, line("C540002", quantity=-1, price="2.10")).unmatched


def test_guests_of_one_country_count_as_one_customer() -> None:
    """A guest's cancellation matches a guest's sale in the same country only."""
    matcher = CancellationMatcher()
    sell(matcher, line("540001", customer="", country="EIRE"))
    assert cancel(matcher, line("C540002", quantity=-1, customer="")).unmatched
    assert cancel(matcher, line("C540003", quantity=-1, customer="", country="EIRE")).refunds


def test_a_closed_order_is_refunded_last_and_not_at_all() -> None:
    """Paid sales come before closed ones; what falls on a closed one says so."""
    matcher = CancellationMatcher()
    sell(matcher, line("540001", quantity=2), line("540002", quantity=3))
    matcher.forget("540002")
    found = cancel(matcher, line("C540003", quantity=-4))
    assert found.refunds == (RefundPart("540001", 2, 2),)
    assert found.unmatched == (UnmatchedPart(CLOSED, 2),)
    rest = cancel(matcher, line("C540004", quantity=-4))
    assert rest.unmatched == (UnmatchedPart(CLOSED, 1), UnmatchedPart(NO_SALE, 3))


steps = st.lists(
    st.one_of(
        st.tuples(st.just("sell"), st.integers(1, 5)),
        st.tuples(st.just("cancel"), st.integers(1, 8)),
        st.tuples(st.just("close"), st.integers(0, 5)),
    ),
    max_size=25,
)


@given(steps)
def test_never_more_is_given_back_than_was_bought(history: list[tuple[str, int]]) -> None:
    """No line gives back more than was sold, no closed order any, and each row adds up."""
    matcher = CancellationMatcher()
    placed_at = datetime(2011, 2, 1, tzinfo=UTC)
    left: dict[str, int] = {}
    closed: set[str] = set()
    for at, (step, amount) in enumerate(history):
        number = str(540_000 + at)
        quantity = -amount if step == "cancel" else amount
        row = RetailRow(at, "22156", "HEART", quantity, Decimal("0.85"), RowKind.GOODS)
        invoice = RetailInvoice(number, placed_at, "17850", "EIRE", (row,))
        if step == "sell":
            matcher.remember(invoice, [row])
            left[number] = amount
        elif step == "close" and amount < len(left):
            closed.add(list(left)[amount])
            matcher.forget(list(left)[amount])
        elif step == "cancel":
            payable = {n: q for n, q in left.items() if n not in closed and q}
            found = matcher.match(invoice, row)
            parts: list[RefundPart | UnmatchedPart] = [*found.refunds, *found.unmatched]
            assert all(part.quantity > 0 for part in parts)
            assert sum(part.quantity for part in parts) == amount
            given_back = sum(part.quantity for part in found.refunds)
            assert given_back == min(amount, sum(payable.values()))
            numbers = [part.number for part in found.refunds]
            assert numbers == sorted(payable, reverse=True)[: len(numbers)]
            for part in found.refunds:
                left[part.number] -= part.quantity
                assert left[part.number] >= 0


# Counting


def replayed(path: Path, unpaid: frozenset[str] = frozenset()) -> RetailTally:
    """A replay in which each order is paid, but for those named, and each refund made."""
    matcher, tally = CancellationMatcher(), RetailTally()
    with RetailFile(path) as invoices:
        for invoice in invoices:
            parts = parts_of(invoice)
            for row, reason in parts.refused:
                tally.refuse(row, reason)
            for row in (*parts.lines, *parts.freight, *parts.discounts):
                tally.take(row)
            matcher.remember(invoice, (*parts.lines, *parts.freight))
            if invoice.number in unpaid:
                matcher.forget(invoice.number)
                tally.close(invoice.number)
            for row in parts.cancellations:
                tally.cancel(row, matcher.match(invoice, row))
    return tally


def test_a_cancellation_in_parts_counts_as_one_row() -> None:
    """Refunded, refused and unmatched units of one row add up; the row is counted once."""
    tally = RetailTally()
    row = one(line("C540001", quantity=-10, price="1.50")).rows[0]
    parts = (UnmatchedPart(CLOSED, 3), UnmatchedPart(NO_SALE, 1))
    tally.cancel(row, Cancellation((RefundPart("540000", 2, 6),), parts), refused=2)
    assert tally.classes[RowKind.GOODS].to_json() == {
        "taken": {
            "sold": {"rows": 0, "quantity": 0, "amount": 0},
            "refunded": {"rows": 1, "quantity": -4, "amount": -60_000},
        },
        "refused": {"engine_refused": {"rows": 0, "quantity": -2, "amount": -30_000}},
        "unmatched": {
            "order_closed": {"rows": 0, "quantity": -3, "amount": -45_000},
            "no_earlier_sale": {"rows": 0, "quantity": -1, "amount": -15_000},
        },
    }


def test_a_tenth_of_a_penny_is_counted_exactly() -> None:
    """A refused price of 0.001 is 10 ten-thousandths."""
    tally = RetailTally()
    row = one(line(price="0.001", quantity=1)).rows[0]
    tally.refuse(row, RefusalReason.TOO_MANY_DECIMALS)
    refused = tally.classes[RowKind.GOODS].to_json()["refused"]
    assert refused["too_many_decimals"]["amount"] == 10


@pytest.fixture(scope="module")
def slice_tally() -> RetailTally:
    """The slice replayed, two of its orders never paid."""
    return replayed(SLICE, frozenset({"536540", "541431"}))


def test_most_cancellations_of_the_slice_find_their_sale() -> None:
    """Of 857 rows to be matched 662 find their sale in full, 6 in part."""
    matcher, found = CancellationMatcher(), Counter[str]()
    with RetailFile(SLICE) as invoices:
        for invoice in invoices:
            found["invoices"] += 1
            parts = parts_of(invoice)
            matcher.remember(invoice, (*parts.lines, *parts.freight))
            for row in parts.cancellations:
                match = matcher.match(invoice, row)
                found["none" if not match.refunds else "part" if match.unmatched else "full"] += 1
    assert found == {"invoices": 2007, "full": 662, "part": 6, "none": 189}


def test_the_slice_has_every_quirk(slice_tally: RetailTally) -> None:
    """The shipped slice shows each class and each refusal that the full file has."""
    refused = {why for tally in slice_tally.classes.values() for why in tally.refused}
    absent = {
        RefusalReason.ZERO_QUANTITY,
        RefusalReason.POSITIVE_QUANTITY_WITH_C,
        RefusalReason.ENGINE_REFUSED,
    }
    assert refused == set(RefusalReason) - absent
    for kind in set(RowKind) - {RowKind.DISCOUNT}:
        assert slice_tally.classes[kind].sold.rows


# The audit


def audit(*arguments: Path) -> tuple[int, str]:
    """Exit code and output of the audit."""
    command = [sys.executable, str(AUDIT), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.stderr == ""
    return done.returncode, done.stdout


@pytest.fixture
def report(tmp_path: Path, slice_tally: RetailTally) -> Path:
    """The report of that replay."""
    path = tmp_path / "report.json"
    path.write_text(json.dumps({"audit": slice_tally.to_json()}))
    return path


@pytest.fixture
def store(tmp_path: Path, slice_tally: RetailTally) -> Path:
    """Books of that replay: what was paid and not given back, shared over the sales accounts."""
    taken = sum(t.sold.amount + t.refunded.amount for t in slice_tally.classes.values())
    with RetailFile(SLICE) as invoices:
        closed = [i for i in invoices if i.number in {"536540", "541431"}]
    unpaid = sum(row.amount_e4 for invoice in closed for row in invoice.rows)
    paid = (taken - unpaid) // 100
    path = tmp_path / "store.db"
    books = sqlite3.connect(path)
    with books:
        books.execute(
            "CREATE TABLE ordercore_entries"
            " (account_kind TEXT, account_detail TEXT, currency TEXT, amount INTEGER)"
        )
        entries = [("clearing", paid), ("revenue", -(paid - 700)), ("tax_payable", -700)]
        books.executemany("INSERT INTO ordercore_entries VALUES (?, '', 'GBP', ?)", entries)
    books.close()
    return path


def test_the_audit_passes_a_true_report(report: Path, store: Path) -> None:
    """Report, file and books agree."""
    code, said = audit(SLICE, report, store)
    assert (code, "DIFFERS" in said) == (0, False)


@pytest.mark.parametrize(
    ("name", "group", "key"),
    [
        ("goods", "taken", "sold"),
        ("freight", "taken", "refunded"),
        ("fees", "refused", "not_an_order"),
        ("vouchers", "refused", "zero_price"),
        ("discounts", "refused", "discount_without_sale"),
        ("goods", "unmatched", "no_earlier_sale"),
        ("goods", "unmatched", "order_closed"),
    ],
)
def test_a_penny_more_in_the_report_fails_the_audit(
    report: Path, name: str, group: str, key: str
) -> None:
    """One figure that is a penny off is found, and its class is named."""
    document = json.loads(report.read_text())
    document["audit"]["classes"][name][group][key]["amount"] += 100
    report.write_text(json.dumps(document))
    code, said = audit(SLICE, report)
    faults = [text for text in said.splitlines() if "DIFFERS" in text]
    assert code == 1
    assert len(faults) == 1
    assert faults[0].startswith(f"{name}, amount")
    assert faults[0].endswith("DIFFERS by 100")


def test_a_penny_more_in_the_books_fails_the_audit(report: Path, store: Path) -> None:
    """A changed ledger row upsets the trial balance and the sales accounts."""
    with sqlite3.connect(store) as books:
        books.execute("UPDATE ordercore_entries SET amount = amount + 1 WHERE amount = -700")
    code, said = audit(SLICE, report, store)
    assert code == 1
    assert said.count("DIFFERS") == 2
    assert "books, trial balance" in said


def test_a_closed_order_kept_from_the_report_fails_the_audit(report: Path, store: Path) -> None:
    """An order that was never paid cannot pass for a sale."""
    document = json.loads(report.read_text())
    document["audit"]["closed_orders"].remove("541431")
    report.write_text(json.dumps(document))
    code, said = audit(SLICE, report, store)
    assert code == 1
    assert [text[:20] for text in said.splitlines() if "DIFFERS" in text] == [
        "books, sales account"
    ]


def test_a_row_dropped_in_silence_fails_the_audit(report: Path) -> None:
    """A zero-priced row weighs nothing in money, yet its absence is found."""
    document = json.loads(report.read_text())
    del document["audit"]["classes"]["goods"]["refused"]["zero_price"]
    report.write_text(json.dumps(document))
    code, said = audit(SLICE, report)
    assert code == 1
    assert "goods, rows" in next(text for text in said.splitlines() if "DIFFERS" in text)


def test_the_audit_stands_alone() -> None:
    """At most 60 lines, and nothing of the library."""
    source = AUDIT.read_text("utf-8")
    assert len(source.splitlines()) <= 60
    assert "import ordercore" not in source
    assert "from ordercore" not in source
