"""``ordercore adopt``: a file of orders, a map of its columns, a store."""

from __future__ import annotations

import gzip
import json
import runpy
import sqlite3
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.adapters.postgres import Server, postgres  # noqa: F401 - a fixture

from ordercore import Actor, Manifest, OrderEngine, OrderQuery, SystemClock
from ordercore.adapters.memory import MemoryGateway
from ordercore.adapters.sql import SqlStore
from ordercore.cli.adopt import AdoptJob, adopt_file
from ordercore.errors import InvalidDocument, InvalidInput
from ordercore.order import standing
from ordercore.tender import Capabilities, RefundOutcome, RefundStatus
from ordercore.testing import laws

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ordercore.order import Order
    from ordercore.tender import RefundRequest

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "adopt"
STAFF = Actor.staff("s1")
Out = pytest.CaptureFixture[str]

MAP = """
[order]
number = "no"
currency = { value = "EUR" }
placed_at = "at"
state = "state"
[line]
sku = "sku"
quantity = "qty"
unit_price = "price"
[[payment]]
gateway = { value = "card" }
amount = "paid"
"""
CSV = """no,at,state,sku,qty,price,paid
1,2026-05-01,paid,TEA,2,5.00,10.00
2,2026-05-01,shipped,TEA,1,5.00,5.00
"""


def job(tmp_path: Path, text: str = CSV, name: str = "orders.csv", **options: Any) -> AdoptJob:
    """A job over a file with this text and the small map."""
    file, columns = tmp_path / name, tmp_path / "map.toml"
    if name.endswith(".gz"):
        file.write_bytes(gzip.compress(text.encode()))
    else:
        file.write_text(text, encoding="utf-8")
    columns.write_text(options.pop("map_text", MAP), encoding="utf-8")
    return AdoptJob(file, f"sqlite:///{tmp_path / 'orders.db'}", columns, **options)


def test_the_report_tells_what_was_adopted_and_what_was_not(tmp_path: Path, capsys: Out) -> None:
    """The exit code is 1 as one order failed; the other is in the store, and there already the next time."""
    assert adopt_file(job(tmp_path)) == 1
    out = capsys.readouterr().out
    assert "2 orders, 1 adopted, 0 were there, 1 failed" in out
    assert "EUR            1  10.00  10.00      0.00        0.00     10.00" in out
    assert "orders[1].state  invalid_snapshot" in out
    assert adopt_file(job(tmp_path)) == 1
    assert "0 adopted, 1 were there, 1 failed" in capsys.readouterr().out
    with SqlStore(f"sqlite:///{tmp_path / 'orders.db'}") as store:
        assert [order.number for order in store.find(OrderQuery())] == ["1"]


def test_the_report_is_json_where_that_is_asked(tmp_path: Path, capsys: Out) -> None:
    """Amounts are texts, faults have their path."""
    adopt_file(job(tmp_path, as_json=True))
    found = json.loads(capsys.readouterr().out)
    assert found["states"] == [{"lifecycle": "standard", "state": "paid", "orders": 1}]
    assert found["sums"][0]["advances"] == "10.00"
    assert [fault["number"] for fault in found["faults"]] == ["2"]


def test_an_order_whose_rows_stand_apart_is_not_half_adopted(tmp_path: Path, capsys: Out) -> None:
    """Nothing of it is taken over, and the report says what to do."""
    unpaid = MAP.partition("[[payment]]")[0]
    text = """no,at,state,sku,qty,price
1,2026-05-01,pending_payment,TEA,2,5.00
2,2026-05-01,pending_payment,TEA,1,5.00
1,2026-05-01,pending_payment,CUP,1,7.00
"""
    assert adopt_file(job(tmp_path, text, map_text=unpaid)) == 1
    assert "rows do not stand together" in " ".join(capsys.readouterr().out.split())
    with SqlStore(f"sqlite:///{tmp_path / 'orders.db'}") as store:
        assert [order.number for order in store.find(OrderQuery())] == ["2"]


def test_a_dry_run_makes_no_store(tmp_path: Path, capsys: Out) -> None:
    """Nothing is written, not even the file of the store."""
    assert adopt_file(job(tmp_path, dry_run=True)) == 1
    assert "1 would be adopted" in capsys.readouterr().out
    assert not (tmp_path / "orders.db").exists()


def test_packed_files_and_json_lines_are_read(tmp_path: Path, capsys: Out) -> None:
    """A .gz file is unpacked; a .jsonl file has an order on each line."""
    assert adopt_file(job(tmp_path, CSV, "orders.csv.gz", dry_run=True)) == 1
    order = {
        "no": "7",
        "at": "2026-05-01",
        "state": "paid",
        "paid": 5,
        "items": [{"sku": "TEA", "qty": 1, "price": 5}],
    }
    nested = MAP + '[json]\nlines = "items"\n'
    told = job(tmp_path, json.dumps(order), "orders.jsonl", map_text=nested)
    assert adopt_file(told) == 0
    assert "1 orders, 1 adopted" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "path"),
    [
        ({"map_text": "x = ["}, "map.toml"),
        ({"map_text": MAP + "[odd]\n"}, "map.toml:.odd"),
        ({"name": "orders.csv.gz", "text": ""}, None),
        ({"text": "no,at\n"}, "state"),
        ({"grace_days": -1}, "--grace-days"),
    ],
)
def test_what_cannot_be_read_is_told(
    options: dict[str, Any], path: str | None, tmp_path: Path
) -> None:
    """A map or a file that is none is refused as a whole, with the place."""
    with pytest.raises((InvalidDocument, InvalidInput)) as caught:
        adopt_file(job(tmp_path, **options))
    assert path is None or caught.value.path.endswith(path)


def test_a_file_that_is_not_packed_is_told(tmp_path: Path) -> None:
    """A name that ends in .gz promises a packed file."""
    told = job(tmp_path)
    file = tmp_path / "orders.csv.gz"
    file.write_text(CSV, encoding="utf-8")
    with pytest.raises(InvalidDocument, match="packed file cannot be read"):
        adopt_file(AdoptJob(file, told.store, told.map))


def test_a_damaged_packed_file_is_told(tmp_path: Path) -> None:
    """A packed file whose middle is broken is refused as one that is cut off."""
    told = job(tmp_path, CSV * 200, "orders.csv.gz")
    packed = bytearray(told.file.read_bytes())
    packed[12:40] = b"\xff" * 28
    told.file.write_bytes(packed)
    with pytest.raises(InvalidDocument, match="packed file cannot be read"):
        adopt_file(told)


def test_a_dry_run_looks_at_a_server(tmp_path: Path, postgres: Server, capsys: Out) -> None:  # noqa: F811
    """What the server has already is there already; a server without tables has none afterwards."""
    told = job(tmp_path)
    server = AdoptJob(told.file, postgres.url(), told.map, dry_run=True)
    adopt_file(server)
    assert "1 would be adopted, 0 were there, 1 failed" in capsys.readouterr().out
    with SqlStore(server.store, create=False) as store:
        assert not store.exists()
    adopt_file(AdoptJob(told.file, server.store, told.map))
    capsys.readouterr()
    adopt_file(server)
    assert "0 would be adopted, 1 were there, 1 failed" in capsys.readouterr().out


def test_a_dry_run_leaves_a_file_of_others_as_it_is(tmp_path: Path, capsys: Out) -> None:
    """A database of the host's without our tables is an empty store, and not a byte of it changes."""
    file = tmp_path / "orders.db"
    host = sqlite3.connect(file)
    host.execute("CREATE TABLE baskets (name TEXT)")
    host.commit()
    host.close()
    before = file.read_bytes()
    adopt_file(job(tmp_path, dry_run=True))
    assert "1 would be adopted, 0 were there, 1 failed" in capsys.readouterr().out
    assert file.read_bytes() == before


# --- The example: a shop of 1,000 orders ------------------------------------------------------


class FormerChannel(MemoryGateway):
    """The channel that took the money before: it knows its charges by its own references."""

    def refund(self, request: RefundRequest) -> RefundOutcome:
        """Give back part of a charge, never more than it took."""
        left = self.charges.get(request.reference, 0)
        if left < request.amount:
            return RefundOutcome(RefundStatus.FAILED, reason="more than was taken")
        self.charges[request.reference] = left - request.amount
        return RefundOutcome(RefundStatus.ARRIVED)

    charges: dict[str, int]


@pytest.fixture(scope="module")
def former(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[SqlStore, dict[str, tuple[Order, ...]]]]:
    """The example's orders, adopted into a store; by state."""
    folder = tmp_path_factory.mktemp("former")
    made = runpy.run_path(str(EXAMPLE / "make_orders.py"))
    assert made["write"](folder / "orders.csv") == 1_000
    url = f"sqlite:///{folder / 'orders.db'}"
    assert adopt_file(AdoptJob(folder / "orders.csv", url, EXAMPLE / "map.toml")) == 0
    states = ("pending_payment", "paid", "awaiting_shipment", "shipped", "closed")
    with SqlStore(url) as store:
        yield store, {s: store.find(OrderQuery(states=(s,), limit=500)) for s in states}


def engine_of(store: SqlStore, orders: Iterable[Order]) -> OrderEngine:
    """An engine whose channel knows what is left of each charge."""
    clock = SystemClock()
    # the example's orders grow old: this channel gives back however long ago it took
    ever = Capabilities(refund_window=timedelta(days=36_500))
    channel = FormerChannel("card", clock, capabilities=ever)
    channel.charges = {
        attempt.reference: order.payments.left(attempt)
        for order in orders
        for attempt in order.payments.attempts
    }
    return OrderEngine(store, {"card": channel}, clock=clock)


def test_a_thousand_orders_are_adopted_with_their_advances(
    former: tuple[SqlStore, dict[str, tuple[Order, ...]]],
) -> None:
    """The advances equal what was paid and not refunded, order by order and in all; the books balance."""
    store, states = former
    orders = [order for found in states.values() for order in found]
    assert {state: len(found) for state, found in states.items()} == {
        "pending_payment": 100, "paid": 200, "awaiting_shipment": 400, "shipped": 200,
        "closed": 100,
    }  # fmt: skip
    balances = store.trial_balance()
    laws.trial_balance_is_zero(balances)
    books = {balance.account.value: balance.amount for balance in balances}
    paid = sum(order.payments.captured - order.payments.refunded for order in orders)
    assert books["advances"] == -paid
    assert paid > 0
    for order in orders[::25]:
        own = {b.account.value: b.amount for b in store.trial_balance(order.id)}
        held = order.payments.captured - order.payments.refunded
        assert own.get("advances", 0) == -held
        laws.refunds_bounded(order.payments)
        assert standing(order).due == (order.total if order.state == "pending_payment" else 0)


def test_adopted_orders_ship_and_refund_as_any_other(
    former: tuple[SqlStore, dict[str, tuple[Order, ...]]],
) -> None:
    """Half-sent orders send their rest, refund a unit under the former reference, and are completed."""
    store, states = former
    sending = (*states["paid"], *states["awaiting_shipment"])[::20]
    engine = engine_of(store, sending)
    for order in sending:
        if order.state == "paid":
            engine.accept(order.id, key=f"a-{order.number}")
        line, _units = next(iter(order.refundable()))
        back = engine.refund(
            order.id, Manifest.of({line: 1}), reason="broken", key=f"r-{order.number}", by=STAFF
        )
        assert back.refund.arrived, back.refund
        now = back.order
        if now.shippable():
            now = engine.ship(order.id, key=f"s-{order.number}")
        if now.state == "shipped":
            engine.deliver(order.id, key=f"d-{order.number}")
            now = engine.complete(order.id, key=f"c-{order.number}")
        assert now.state in {"completed", "refunding", "refunded"}
        laws.refunds_bounded(now.payments)
        own = {b.account.value: b.amount for b in store.trial_balance(order.id)}
        assert own.get("advances", 0) == 0
        assert sum(own.values()) == 0
    laws.trial_balance_is_zero(store.trial_balance())
