"""`ordercore replay --format olist` on folders that are made up here, in the form of the data."""

from __future__ import annotations

import csv
import gzip
import io
import json
from datetime import datetime, timedelta
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ordercore.adapters.memory import MemoryStore
from ordercore.adapters.sql import SqlStore
from ordercore.cli import main
from ordercore.cli.olist import OlistResult, OlistShop
from ordercore.cli.olist_file import read_olist
from ordercore.errors import InvalidDocument
from ordercore.policy import Policies
from ordercore.ports import OrderQuery
from ordercore.tender import RefundRequest
from ordercore.testing import laws

if TYPE_CHECKING:
    from pathlib import Path

HEADS = {
    "orders": (
        "order_id", "customer_id", "order_status", "order_purchase_timestamp", "order_approved_at",
        "order_delivered_carrier_date", "order_delivered_customer_date",
        "order_estimated_delivery_date",
    ),
    "order_items": (
        "order_id", "order_item_id", "product_id", "seller_id", "shipping_limit_date", "price",
        "freight_value",
    ),
    "order_payments": (
        "order_id", "payment_sequential", "payment_type", "payment_installments", "payment_value",
    ),
    "products": ("product_id", "product_category_name"),
}  # fmt: skip
NOON = datetime(2017, 3, 1, 12)  # noqa: DTZ001 - the data's times have no zone
CARD, VOUCHER, BOLETO = "credit_card", "voucher", "boleto"

Item = tuple[str, str, str]
"""Seller, price, freight."""
Payment = tuple[str, str]
"""Means, amount."""


class Folder:
    """The rows of a small folder."""

    def __init__(self) -> None:
        self.rows: dict[str, list[list[str]]] = {name: [] for name in HEADS}
        self.rows["products"] = [["lamp", "light"], ["chair", ""]]
        self._count = count(1)

    def order(
        self, items: list[Item], payments: list[Payment], status: str = "delivered", day: int = 0
    ) -> str:
        """One order, bought so many days after noon, sent a day later, there three days later; its name."""
        name = f"order-{next(self._count)}"
        bought = NOON + timedelta(days=day)
        sent = bought + timedelta(days=1) if status in {"delivered", "shipped"} else None
        there = bought + timedelta(days=3) if status == "delivered" else None
        self.rows["orders"].append(
            [name, f"customer-{name}", status, *["" if t is None else f"{t}" for t in
             (bought, bought, sent, there, bought)]]
        )  # fmt: skip
        for place, (seller, price, freight) in enumerate(items, 1):
            self.rows["order_items"].append(
                [name, f"{place}", "lamp", seller, f"{bought}", price, freight]
            )
        for place, (means, amount) in enumerate(payments, 1):
            self.rows["order_payments"].append([name, f"{place}", means, "1", amount])
        return name

    def write(self, folder: Path) -> Path:
        """As files."""
        for name in HEADS:
            file = folder / f"olist_{name}_dataset.csv"
            file.write_text(self.text(name), "utf-8")
        return folder

    def text(self, name: str) -> str:
        """One file."""
        out = io.StringIO()
        csv.writer(out).writerows([HEADS[name], *self.rows[name]])
        return out.getvalue()


def replayed(folder: Path, out: pytest.CaptureFixture[str], *more: str) -> dict[str, Any]:
    """What the command says of a folder whose books hold."""
    asked = ["replay", "--format", "olist", str(folder), "--store", "memory://", "--json", "-"]
    assert main([*asked, *more]) == 0
    found: dict[str, Any] = json.loads(out.readouterr().out)
    assert found["holds"] is True
    assert sum(found["books"].values()) == 0
    return found


def one(
    tmp_path: Path,
    out: pytest.CaptureFixture[str],
    items: list[Item],
    payments: list[Payment],
    status: str = "delivered",
) -> dict[str, Any]:
    """What becomes of one order."""
    folder = Folder()
    folder.order(items, payments, status)
    return replayed(folder.write(tmp_path), out)


Out = pytest.CaptureFixture[str]
TWO_SELLERS: list[Item] = [("s1", "40.00", "5.50"), ("s2", "59.99", "4.51"), ("s1", "10.00", "0")]
"""110.00 of goods less a cent, 10.01 of freight: 120.00."""


def test_a_voucher_and_a_card_pay_one_order_together(tmp_path: Path, capsys: Out) -> None:
    """Each means is booked with its own sum, freight is the shop's, and each seller is owed their items."""
    found = one(tmp_path, capsys, TWO_SELLERS, [(VOUCHER, "20.00"), (CARD, "100.00")])
    assert (found["taken"], found["mixed"], found["not_taken"]) == (1, 1, [])
    assert found["means"] == {
        VOUCHER: {"payments": 1, "amount": 2_000},
        CARD: {"payments": 1, "amount": 10_000},
    }
    assert found["sellers"] == {"s2": 5_999, "s1": 5_000}
    assert found["books"] == {
        "clearing": 10_000,
        "stored_value_liability": 2_000,
        "shipping_income": -1_001,
        "merchant_payable": -10_999,
    }
    agreed = {name: told["matched"]["rows"] for name, told in found["statements"].items()}
    assert agreed == {VOUCHER: 1, CARD: 1}


@pytest.mark.parametrize(
    "payments",
    [
        [(CARD, "119.99"), (CARD, "0.01")],
        [(CARD, "100.00"), *[(VOUCHER, "0.80")] * 25],
        [*[(VOUCHER, "4.00")] * 29, (VOUCHER, "4.00")],
        [(BOLETO, "120.00")],
        [("debit_card", "120.00"), (VOUCHER, "0.00")],
    ],
    ids=["two cards", "25 vouchers", "30 vouchers", "boleto", "a voucher of nothing"],
)
def test_any_payments_that_add_up_are_taken(
    payments: list[Payment], tmp_path: Path, capsys: Out
) -> None:
    """Each payment of an order is a tender of its own, in any number that the data has; one of nothing is none."""
    found = one(tmp_path, capsys, TWO_SELLERS, payments)
    some = [means for means, amount in payments if amount != "0.00"]
    assert found["taken"] == 1
    assert sum(told["amount"] for told in found["means"].values()) == 12_000
    matched = {name: told["matched"]["rows"] for name, told in found["statements"].items()}
    assert matched == {means: some.count(means) for means in some}


@pytest.mark.parametrize("status", ["canceled", "unavailable"])
def test_an_order_that_was_called_off_gives_its_money_back(
    status: str, tmp_path: Path, capsys: Out
) -> None:
    """Every means has back what it paid, nobody is owed anything, and the statement lacks what went back."""
    found = one(tmp_path, capsys, TWO_SELLERS, [(VOUCHER, "20.00"), (CARD, "100.00")], status)
    assert (found["taken"], found["sellers"], found["books"]) == (1, {}, {})
    back = {name: told["missing_there"]["ours"] for name, told in found["statements"].items()}
    assert back == {VOUCHER: -2_000, CARD: -10_000}


@pytest.mark.parametrize(
    ("status", "books"),
    [
        ("shipped", {"clearing": 12_000, "advances": -12_000}),
        ("invoiced", {"clearing": 12_000, "advances": -12_000}),
    ],
)
def test_an_order_that_has_not_arrived_owes_its_sellers_nothing_yet(
    status: str, books: dict[str, int], tmp_path: Path, capsys: Out
) -> None:
    """What was paid is an advance until the order is completed."""
    found = one(tmp_path, capsys, TWO_SELLERS, [(CARD, "120.00")], status)
    assert found["books"] == books
    assert found["sellers"] == {}


@pytest.mark.parametrize(
    ("items", "payments", "price", "paid", "why"),
    [
        (TWO_SELLERS, [(CARD, "120.01")], 12_000, 12_001, "another sum was paid"),
        (TWO_SELLERS, [(CARD, "68.38"), (VOUCHER, "0.62")], 12_000, 6_900, "another sum was paid"),
        ([], [(CARD, "50.00")], 0, 5_000, "no items are told"),
        (TWO_SELLERS, [], 12_000, 0, "nothing was paid"),
        (TWO_SELLERS, [("not_defined", "0.00")], 12_000, 0, "nothing was paid"),
        (TWO_SELLERS, [(VOUCHER, "0.01")] * 51, 12_000, 51, "another sum was paid"),
    ],
)
def test_what_does_not_add_up_is_listed_with_both_sums(
    items: list[Item],
    payments: list[Payment],
    price: int,
    paid: int,
    why: str,
    tmp_path: Path,
    capsys: Out,
) -> None:
    """It is not placed; its payments stand in the statement alone."""
    found = one(tmp_path, capsys, items, payments)
    assert found["taken"] == 0
    assert [(told["price"], told["paid"], told["why"]) for told in found["not_taken"]] == [
        (price, paid, why)
    ]
    missing = sum(told["missing_here"]["theirs"] for told in found["statements"].values())
    assert missing == paid
    assert found["books"] == {}


def test_an_order_that_the_engine_refuses_is_listed_with_its_reason(
    tmp_path: Path, capsys: Out
) -> None:
    """More payments than one order may have: the order that was placed is called off, and holds nothing."""
    payments = [(VOUCHER, "1.00")] * 119 + [(CARD, "1.00")]
    found = one(tmp_path, capsys, TWO_SELLERS, payments)
    (told,) = found["not_taken"]
    assert (told["price"], told["paid"]) == (12_000, 12_000)
    assert "tenders" in told["why"]
    assert found["books"] == {}


def test_the_table_names_what_was_not_taken_most_first(tmp_path: Path, capsys: Out) -> None:
    """Ten are shown, by the size of the difference, and how many more there are."""
    folder = Folder()
    names = [folder.order(TWO_SELLERS, [(CARD, f"{sum_}.00")]) for sum_ in range(121, 133)]
    assert main(["replay", "--format", "olist", str(folder.write(tmp_path))]) == 0
    told = capsys.readouterr().out
    shown = [line.split()[0] for line in told.splitlines() if "another sum was paid" in line]
    assert shown == names[:1:-1]
    assert "and 2 more" in told
    assert "trial balance 0.00" in told


# --- The command ---------------------------------------------------------------------------------


def test_files_may_be_packed_and_samples_serve_where_nothing_else_is(
    tmp_path: Path, capsys: Out
) -> None:
    """A packed file is read as a plain one, and a sample's file takes the place of one that is not there."""
    folder = Folder()
    folder.order(TWO_SELLERS, [(CARD, "120.00")])
    folder.write(tmp_path)
    for name in ("orders", "order_items"):
        file = tmp_path / f"olist_{name}_dataset.csv"
        with gzip.open(tmp_path / f"olist_{name}_sample.csv.gz", "wt", encoding="utf-8") as packed:
            packed.write(file.read_text("utf-8"))
        file.unlink()
    assert replayed(tmp_path, capsys)["taken"] == 1


def test_a_store_keeps_what_was_replayed_and_takes_no_second_replay(
    tmp_path: Path, capsys: Out
) -> None:
    """The orders stand in the file; a store that holds orders is refused."""
    folder = Folder()
    folder.order(TWO_SELLERS, [(CARD, "120.00")])
    folder.write(tmp_path)
    url = f"sqlite:///{tmp_path / 'orders.db'}"
    target = tmp_path / "told.json"
    asked = ["replay", "--format", "olist", str(tmp_path), "--store", url, "--json", str(target)]
    assert main(asked) == 0
    assert json.loads(target.read_text("utf-8"))["taken"] == 1
    with SqlStore(url) as store:
        (order,) = store.find(OrderQuery())
    assert (order.state, order.total) == ("completed", 12_000)
    capsys.readouterr()
    assert main(asked) == 2
    assert "holds orders already" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (["--limit", "0"], "at least one order"),
        (["--limit", "-1"], "at least one order"),
        (["--report", "page.html"], "retail file only"),
        (["--json", "nowhere/told.json"], "no folder"),
        (["--synchronous", "OFF"], "FULL or NORMAL"),
        (["--store", "mysql://x"], "a store is"),
    ],
)
def test_a_wrong_word_of_the_command_ends_with_2(
    more: list[str], says: str, tmp_path: Path, capsys: Out
) -> None:
    """It is told in one line before anything is done."""
    folder = Folder()
    folder.order(TWO_SELLERS, [(CARD, "120.00")])
    assert main(["replay", "--format", "olist", str(folder.write(tmp_path)), *more]) == 2
    told = capsys.readouterr()
    assert says in told.err
    assert told.out == ""


def test_an_unknown_format_names_those_that_are(tmp_path: Path, capsys: Out) -> None:
    """There are two."""
    assert main(["replay", "--format", "olists", str(tmp_path)]) == 2
    assert "online-retail or olist" in capsys.readouterr().err


def test_a_limit_takes_the_first_orders_by_time(tmp_path: Path, capsys: Out) -> None:
    """Two of three, the earliest of them."""
    folder = Folder()
    for day, price in ((9, "9.00"), (1, "1.00"), (2, "2.00")):
        folder.order([("s", price, "0")], [(CARD, price)], day=day)
    found = replayed(folder.write(tmp_path), capsys, "--limit", "2")
    assert found["taken"] == 2
    assert found["sellers"] == {"s": 300}


def test_a_policy_keeps_a_commission_of_each_seller(tmp_path: Path, capsys: Out) -> None:
    """With one of 10 % sellers are owed the rest, to the cent."""
    folder = Folder()
    folder.order(TWO_SELLERS, [(VOUCHER, "20.00"), (CARD, "100.00")])
    folder.write(tmp_path)
    terms = tmp_path / "terms.toml"
    terms.write_text('[[funds.commissions]]\nshare = "10"\n')
    found = replayed(tmp_path, capsys, "--policies", str(terms))
    assert found["sellers"] == {"s2": 5_999 - 600, "s1": 5_000 - 500}


def test_money_that_went_behind_our_back_ends_with_books_that_do_not_agree(
    tmp_path: Path,
) -> None:
    """A refund by hand in the channel's console: what it holds is not what is booked."""
    folder = Folder()
    folder.order(TWO_SELLERS, [(CARD, "120.00")])
    orders = read_olist(folder.write(tmp_path))
    shop = OlistShop(MemoryStore(), Policies(), {CARD})
    shop.run(iter(orders))

    def result() -> OlistResult:
        return OlistResult(shop, shop.reconciled(orders), shop.engine.trial_balance(), 0)

    assert result().holds
    (order,) = shop.engine.find()
    (attempt,) = order.payments.attempts
    shop.channels[CARD].refund(
        RefundRequest("by-hand", attempt.id, attempt.reference, 1, order.currency)
    )
    assert not result().holds


# --- Files that cannot be read (L24) -------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "row", "column", "text"),
    [
        ("order_items", 0, "price", ""),
        ("order_items", 1, "price", "1,50"),
        ("order_items", 0, "freight_value", "-0.01"),
        ("order_items", 2, "price", "0.001"),
        ("order_items", 0, "order_item_id", "1.0"),
        ("order_items", 1, "order_item_id", "01"),
        ("order_items", 0, "order_id", ""),
        ("order_payments", 0, "payment_value", "NaN"),
        ("order_payments", 0, "payment_value", "9" * 40),
        ("order_payments", 1, "payment_sequential", "one"),
        ("order_payments", 1, "payment_sequential", "1"),
        ("order_payments", 0, "payment_type", ""),
        ("orders", 0, "order_purchase_timestamp", ""),
        ("orders", 0, "order_purchase_timestamp", "2017-02-30 12:00:00"),
        ("orders", 0, "order_delivered_carrier_date", "soon"),
        ("orders", 0, "customer_id", ""),
        ("orders", 0, "order_id", ""),
        ("orders", 1, "order_id", "order-1"),
    ],
)
def test_l24_a_broken_cell_is_told_with_its_file_row_and_column(
    name: str, row: int, column: str, text: str, tmp_path: Path, capsys: Out
) -> None:
    """The command ends with 2 and one line; nothing is replayed."""
    folder = Folder()
    for _ in range(2):
        folder.order(TWO_SELLERS, [(VOUCHER, "20.00"), (CARD, "100.00")])
    folder.rows[name][row][HEADS[name].index(column)] = text
    assert main(["replay", "--format", "olist", str(folder.write(tmp_path))]) == 2
    told = capsys.readouterr()
    named = "order_id" if text in {"01", "1", "order-1"} else column
    assert f"olist_{name}_dataset.csv[{row + 1}].{named}: " in told.err
    assert told.err.count("\n") == 1
    assert told.out == ""


@pytest.mark.parametrize("name", HEADS)
def test_l24_a_file_that_is_not_whole_is_told_by_its_name(
    name: str, tmp_path: Path, capsys: Out
) -> None:
    """One that is absent, has no such column, a row that is too short, bytes of another encoding, half an archive."""
    folder = Folder()
    folder.order(TWO_SELLERS, [(CARD, "120.00")])
    folder.write(tmp_path)
    file = tmp_path / f"olist_{name}_dataset.csv"
    packed = tmp_path / f"{file.name}.gz"
    whole = file.read_bytes()
    column = HEADS[name][0].encode()
    for spoiled in (b"", whole.replace(column, b"x"), whole + b"x\r\n", whole + b'\xff\xfe,""\r\n'):
        file.write_bytes(spoiled)
        assert main(["replay", "--format", "olist", str(tmp_path)]) == 2
        assert f"olist_{name}_dataset.csv" in capsys.readouterr().err
    file.unlink()
    assert main(["replay", "--format", "olist", str(tmp_path)]) == 2
    assert f"there is no olist_{name}_dataset.csv" in capsys.readouterr().err
    archive = gzip.compress(whole * 50)
    for spoiled in (archive[: len(archive) // 2], archive[:15] + b"\0" * 20 + archive[35:], b"no"):
        packed.write_bytes(spoiled)
        assert main(["replay", "--format", "olist", str(tmp_path)]) == 2
        assert packed.name in capsys.readouterr().err


def test_l24_a_folder_that_is_not_there_is_told(tmp_path: Path, capsys: Out) -> None:
    """Nor is a file one."""
    for path in (tmp_path / "nowhere", tmp_path / "file"):
        (tmp_path / "file").write_text("")
        assert main(["replay", "--format", "olist", str(path)]) == 2
        assert "no such folder" in capsys.readouterr().err


def test_an_empty_line_is_passed_over_and_a_time_may_have_an_offset(tmp_path: Path) -> None:
    """A blank last line is no row; a time that tells its offset keeps it."""
    folder = Folder()
    folder.order(TWO_SELLERS, [(CARD, "120.00")])
    folder.rows["orders"][0][3] = "2017-03-01 12:00:00+00:00"
    folder.write(tmp_path)
    for name in HEADS:
        with (tmp_path / f"olist_{name}_dataset.csv").open("a", encoding="utf-8") as file:
            file.write("\r\n")
    (order,) = read_olist(tmp_path)
    assert order.bought_at.isoformat() == "2017-03-01T12:00:00+00:00"
    assert order.sent_at is not None
    assert order.sent_at.isoformat() == "2017-03-02T12:00:00-03:00"


@given(
    name=st.sampled_from(sorted(HEADS)),
    at=st.integers(0, 400),
    cut=st.integers(0, 12),
    junk=st.text(max_size=6),
)
def test_l24_any_junk_in_a_file_is_read_or_refused(
    name: str, at: int, cut: int, junk: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Whatever stands in a file, reading ends with orders or with an error of the tree that names the file."""
    folder = Folder()
    folder.order(TWO_SELLERS, [(VOUCHER, "20.00"), (CARD, "100.00")])
    path = folder.write(tmp_path_factory.mktemp("olist"))
    text = folder.text(name)
    at %= len(text)
    file = path / f"olist_{name}_dataset.csv"
    file.write_bytes((text[:at] + junk + text[at + cut :]).encode("utf-8", "surrogatepass"))
    try:
        read_olist(path)
    except InvalidDocument as error:
        told = (error.path, error.reason)
    else:
        told = (file.name, "read")
    assert told[0].startswith(file.name)
    assert told[1]


# --- Laws ----------------------------------------------------------------------------------------

CENTS = st.integers(0, 30_000)
BOUGHT = st.tuples(
    st.lists(st.tuples(st.sampled_from(["s1", "s2", "boleto"]), CENTS, CENTS), max_size=4),
    st.lists(st.sampled_from([CARD, CARD, VOUCHER, BOLETO]), min_size=1, max_size=4),
    st.lists(st.integers(0, 100_000), min_size=3, max_size=3),
    st.sampled_from(["delivered", "shipped", "canceled", "invoiced"]),
    st.sampled_from([0, 0, 0, 1, -1]),
)


def _euros(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02d}"


@given(bought=st.lists(BOUGHT, min_size=1, max_size=4))
def test_l9_the_books_balance_and_sellers_are_owed_what_was_sold(
    bought: list[Any], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Whatever is bought, by whichever means in whichever parts: each order is taken or listed, money is where the
    books say, and the sellers' shares add up to the goods of completed orders."""
    folder = Folder()
    owed: dict[str, int] = {}
    taken = 0
    for day, (items, means, cuts, status, off) in enumerate(bought):
        price = sum(price + freight for _, price, freight in items)
        paid = max(0, price + off)
        marks = sorted(cut % (paid + 1) for cut in cuts[: len(means) - 1])
        parts = [b - a for a, b in zip([0, *marks], [*marks, paid], strict=True)]
        folder.order(
            [(seller, _euros(price), _euros(freight)) for seller, price, freight in items],
            [(name, _euros(part)) for name, part in zip(means, parts, strict=True)],
            status,
            day,
        )
        fits = bool(items) and paid == price > 0
        taken += fits
        for seller, amount, _ in items:
            if fits and status == "delivered" and amount:
                owed[seller] = owed.get(seller, 0) + amount
    orders = read_olist(folder.write(tmp_path_factory.mktemp("olist")))
    shop = OlistShop(MemoryStore(), Policies(), {CARD, VOUCHER, BOLETO})
    shop.run(iter(orders))
    balances = shop.engine.trial_balance()
    laws.trial_balance_is_zero(balances)
    result = OlistResult(shop, shop.reconciled(orders), balances, 0)
    assert result.holds
    assert (len(shop.taken), len(shop.refused)) == (taken, len(bought) - taken)
    assert dict(result.sellers()) == owed
