"""Files of orders, read by a map of columns."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from ordercore.adoption import ColumnMap, Snapshot, read_csv, read_json_lines
from ordercore.adoption.columns import KEYS, LINE_MAX
from ordercore.errors import InvalidDocument, OrdercoreError
from ordercore.money import Percent, money
from ordercore.pricing import ChargeKind
from ordercore.tender import TenderKind

if TYPE_CHECKING:
    from collections.abc import Iterable

MAP: dict[str, Any] = {
    "order": {
        "number": "no",
        "currency": {"value": "EUR"},
        "placed_at": "when",
        "status": "status",
        "customer_id": "customer",
    },
    "line": {"sku": "sku", "quantity": "qty", "unit_price": "price", "shipped": "sent"},
    "charge": [{"total": "postage", "tax_rate": {"value": "19"}}],
    "payment": [
        {"gateway": {"value": "card"}, "amount": "paid", "reference": "charge"},
        {
            "gateway": {"value": "points"},
            "kind": {"value": "points"},
            "amount": "worth",
            "points": "points",
        },
    ],
    "refund": [{"amount": "back", "arrived": "done"}],
    "status": {"Paid": "paid", "Shipped": {"lifecycle": "pickup", "state": "completed"}},
    "format": {"times": ["%d.%m.%Y %H:%M"], "zone": "Europe/Berlin", "decimal": ","},
}
HEAD = "no;when;status;customer;sku;qty;price;sent;postage;paid;charge;worth;points;back;done\n"
ROWS = (
    HEAD,
    '7;01.05.2026 10:00;Paid;ada;TEA;3;"10,01";1;"4,90";"30,00";ch_1;"9,93";993;"1,00";no\n',
    "7;;;;CUP;1;5;0;;;;;;;\n",
    "8;02.05.2026 10:00;Shipped;bob;TEA;1;9,99;1;;9,99;ch_2;;;;\n",
)


def mapped(**change: Any) -> ColumnMap:
    """The map, with some of its tables changed."""
    plain = {**MAP, **change}
    plain["format"] = {**plain["format"], "delimiter": ";"}
    return ColumnMap.from_plain(plain)


def read(rows: Iterable[str], columns: ColumnMap | None = None) -> list[Snapshot]:
    """All orders of a file without faults."""
    found = list(read_csv(rows, columns or mapped()))
    for told in found:
        assert isinstance(told, Snapshot), told
    return [told for told in found if isinstance(told, Snapshot)]


def fault(row: str, **change: Any) -> OrdercoreError:
    """What is wrong with the one order of a file."""
    (told,) = read_csv((HEAD, row), mapped(**change))
    assert isinstance(told, OrdercoreError)
    return told


def test_rows_of_a_number_are_one_order() -> None:
    """Each row is a line; what is told of the order stands on its first row, or on all alike."""
    first, second = read(ROWS)
    assert (first.number, first.status, first.customer.id) == ("7", "Paid", "ada")
    assert first.placed_at.astimezone(UTC) == datetime(2026, 5, 1, 8, 0, tzinfo=UTC)
    assert [(line.sku, line.quantity, line.shipped) for line in first.lines] == [
        ("TEA", 3, 1), ("CUP", 1, 0),
    ]  # fmt: skip
    assert first.lines[0].unit_price == money("10.01", "EUR")
    assert [line.sku for line in second.lines] == ["TEA"]


def test_payments_charges_and_refunds_that_are_empty_are_not_there() -> None:
    """A column without an amount tells nothing."""
    first, second = read(ROWS)
    assert [(p.gateway, p.kind, p.points) for p in first.payments] == [
        ("card", TenderKind.CHANNEL, 0), ("points", TenderKind.POINTS, 993),
    ]  # fmt: skip
    assert [p.gateway for p in second.payments] == ["card"]
    assert [c.tax_rate for c in first.charges] == [Percent.of("19")]
    assert second.charges == second.refunds == ()
    (refund,) = first.refunds
    assert (refund.amount, refund.arrived) == (money("1.00", "EUR"), False)


def test_statuses_stand_for_states() -> None:
    """A status is a state of the usual lifecycle, or names another one."""
    statuses = mapped().statuses
    assert statuses.states == {"Paid": ("standard", "paid"), "Shipped": ("pickup", "completed")}
    assert [statuses.read(told) for told in read(ROWS)][1] == ("pickup", "completed")


@pytest.mark.parametrize(
    ("row", "path", "reason"),
    [
        ("7;01.05.2026 10:00;Paid;ada;TEA;3,5;10;;;;;;;;\n", "lines[0].quantity", "(column 'qty')"),
        ("7;01.05.2026 10:00;Paid;ada;TEA;;10;;;;;;;;\n", "lines[0].quantity", "not told"),
        ("7;01.05.2026 10:00;Paid;ada;TEA;3;10.01;;;;;;;;\n", "lines[0].unit_price", "is not an amount"),
        ("7;01.05.2026 10:00;Paid;ada;TEA;3;10,001;;;;;;;;\n", "lines[0].unit_price", "more decimals"),
        ("7;2026-05-01;Paid;ada;TEA;3;10;;;;;;;;\n", "placed_at", "no time as the map writes it"),
        ("7;;Paid;ada;TEA;3;10;;;;;;;;\n", "placed_at", "not told"),
        ("7;01.05.2026 10:00;Paid;ada;TEA;3;10;;;x;;;;;\n", "payments[0].amount", "(column 'paid')"),
    ],
)  # fmt: skip
def test_a_cell_that_cannot_be_read_spoils_its_order(row: str, path: str, reason: str) -> None:
    """The fault has the path of the value, the column it came from, and the order's number."""
    error = fault(row)
    assert error.path == path
    assert reason in error.reason
    assert error.data["number"] == "7"


def test_rows_that_contradict_each_other_are_a_fault() -> None:
    """An order has one status, whatever its rows say."""
    rows = (*ROWS[:2], "7;;Shipped;;CUP;1;5;0;;;;;;;\n")
    (told,) = read_csv(rows, mapped())
    assert isinstance(told, OrdercoreError)
    assert told.path == "status"
    assert "'Paid' and 'Shipped'" in told.reason


def test_other_orders_go_on_after_a_fault() -> None:
    """A row that cannot be read hides no other order."""
    rows = (HEAD, "6;x;;;TEA;1;1;;;;;;;;\n", *ROWS[1:])
    assert [type(told).__name__ for told in read_csv(rows, mapped())] == [
        "InvalidSnapshot", "Snapshot", "Snapshot",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("rows", "path"),
    [
        (("no;when\n",), "status"),
        ((HEAD, '7;"a\n'), "line 2"),
        ((HEAD, "x" * (LINE_MAX + 1)), "line 2"),
    ],
)
def test_a_file_that_is_none_is_refused(rows: tuple[str, ...], path: str) -> None:
    """A missing column, broken quotes and endless lines end the reading."""
    with pytest.raises(InvalidDocument) as caught:
        list(read_csv(rows, mapped()))
    assert caught.value.path == path


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"orders": {}}, "orders"),
        ({"order": {"number": "no"}}, "order.currency"),
        ({"order": {**MAP["order"], "hue": "c"}}, "order.hue"),
        ({"order": "no"}, "order"),
        ({"line": {"sku": "sku"}}, "line.quantity"),
        ({"line": {"sku": 7, "quantity": "q"}}, "line.sku"),
        ({"line": {"sku": {"column": "x"}, "quantity": "q"}}, "line.sku"),
        ({"payment": {"amount": "paid"}}, "payment"),
        ({"payment": [{"sum": "paid"}]}, "payment[0].sum"),
        ({"status": ["Paid"]}, "status"),
        ({"status": {"Paid": {"state": "paid"}}}, "status.Paid"),
        ({"format": {"zone": "Mars/Base"}}, "format.zone"),
        ({"format": {"decimal": "::"}}, "format.decimal"),
        ({"format": {"times": "%Y"}}, "format.times"),
        ({"json": {"items": "x"}}, "json.items"),
    ],
)
def test_a_map_that_is_wrong_is_refused_by_its_path(change: dict[str, Any], path: str) -> None:
    """Unknown keys, missing columns and values of the wrong kind are told where they stand."""
    with pytest.raises(InvalidDocument) as caught:
        ColumnMap.from_plain({**MAP, **change})
    assert caught.value.path == path


def test_every_key_of_a_map_is_read() -> None:
    """A file that fills every column gives an order with nothing left at its default."""
    tables = {kind: {key: f"{kind}.{key}" for key in KEYS[kind]} for kind in KEYS}
    plain: dict[str, Any] = {kind: tables[kind] for kind in ("order", "line")}
    plain |= {kind: [tables[kind]] for kind in ("charge", "payment", "refund", "shipment")}
    plain["json"] = {}
    row: dict[str, Any] = dict.fromkeys(ColumnMap.from_plain(plain).columns(), "1")
    moments = [name for name in row if name.endswith(("_at", ".at", ".pay_by"))]
    row |= dict.fromkeys(moments, "2026-05-01T10:00:00Z")
    row |= {
        "order.currency": "EUR", "order.kind": "group_buy", "charge.kind": "fee",
        "payment.kind": "points", "refund.goods": {"1": "1"}, "shipment.goods": {"1": "1"},
    }  # fmt: skip
    (told,) = read_json_lines([json.dumps(row)], ColumnMap.from_plain(plain))
    assert isinstance(told, Snapshot), told
    assert told.charges[0].kind is ChargeKind.FEE
    plain_one = Snapshot("", "", told.placed_at)
    same = [
        name
        for name in ("lifecycle_version", "extra", "cart")
        if getattr(told, name) != getattr(plain_one, name)
    ]
    assert same == []
    for name in ("kind", "customer", "address", "payments", "refunds", "shipments", "notes", "tags",
                 "assigned", "attribution", "recognized", "valid", "total", "discount"):  # fmt: skip
        assert getattr(told, name) != getattr(plain_one, name), name


JSON_MAP = {
    "order": {
        "number": "id",
        "currency": "money.currency",
        "placed_at": "created",
        "status": "state",
    },
    "line": {"sku": "sku", "quantity": "qty", "total": "total", "id": "line"},
    "payment": [{"gateway": "via", "amount": "amount", "settled": "paid_out"}],
    "refund": [{"amount": "amount", "goods": "units"}],
    "shipment": [{"tracking": "parcel", "goods": "units"}],
    "json": {
        "lines": "items", "payments": "payments", "refunds": "refunds", "shipments": "parcels",
    },
    "status": {"open": "paid"},
}  # fmt: skip
ORDER = {
    "id": "7",
    "money": {"currency": "EUR"},
    "created": "2026-05-01T10:00:00+02:00",
    "state": "open",
    "items": [
        {"sku": "TEA", "qty": 3, "total": 30.03, "line": "a"},
        {"sku": "CUP", "qty": 1, "total": "5", "line": "b"},
    ],
    "payments": [{"via": "card", "amount": 35.03, "paid_out": False}],
    "refunds": [{"amount": "10.01", "units": {"a": 1}}],
    "parcels": [{"parcel": "RR1", "units": {"a": 1, "b": 1}}],
}


def test_an_order_is_one_line_of_json() -> None:
    """Lists inside an order are its lines, payments, refunds and parcels; digits are read as they are written."""
    columns = ColumnMap.from_plain(JSON_MAP)
    (told,) = read_json_lines([json.dumps(ORDER), "\n"], columns)
    assert isinstance(told, Snapshot), told
    assert told.lines[0].total == money("30.03", "EUR")
    assert told.payments[0].amount == money("35.03", "EUR")
    assert not told.payments[0].settled
    assert told.refunds[0].goods.as_dict() == {"a": 1}
    assert told.shipments[0].goods.as_dict() == {"a": 1, "b": 1}


@pytest.mark.parametrize(
    ("line", "path"),
    [
        ("{", "line 1"),
        ("[]", "line 1"),
        (json.dumps({**ORDER, "items": "x"}), "lines"),
        (json.dumps({**ORDER, "money": {}}), "currency"),
        (json.dumps({**ORDER, "state": ["x"]}), "status"),
        (json.dumps({**ORDER, "parcels": [{"units": [1]}]}), "shipments[0].goods"),
        (json.dumps({**ORDER, "refunds": [{"units": {"a": "x"}}]}), "refunds[0].goods"),
    ],
)
def test_json_that_cannot_be_read_spoils_its_order(line: str, path: str) -> None:
    """Each fault has its path, and the next line is read all the same."""
    found = list(read_json_lines([line, json.dumps(ORDER)], ColumnMap.from_plain(JSON_MAP)))
    assert isinstance(found[0], OrdercoreError)
    assert found[0].path == path
    assert isinstance(found[1], Snapshot)
