"""``ordercore merge``: two documents as one order, or every reason why not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ordercore.cli import main

EXAMPLE = Path(__file__).parents[2] / "examples" / "merging"
ORDERS, POLICIES = (str(EXAMPLE / name) for name in ("orders.json", "policies.toml"))

Out = pytest.CaptureFixture[str]


def changed(tmp_path: Path, **changes: Any) -> str:
    """The example with other keys, in a file of its own."""
    raw = json.loads(Path(ORDERS).read_text())
    for key, one in changes.items():
        raw[key] = {**raw[key], **one} if isinstance(one, dict) else one
    path = tmp_path / "orders.json"
    path.write_text(json.dumps(raw))
    return str(path)


def found(out: Out, path: str = ORDERS, code: int = 0) -> dict[str, Any]:
    """What merging comes to, as JSON."""
    assert main(["merge", path, "--policies", POLICIES, "--json", "--explain"]) == code
    plain: dict[str, Any] = json.loads(out.readouterr().out)
    return plain


def test_two_orders_become_one_with_the_freight_saved(capsys: Out) -> None:
    """80.00 paid and 60.00 unpaid, each with 10.00 freight: 140.00 together, 50.00 due, 20.00 saved."""
    plain = found(capsys)
    figures = [plain[key] for key in ("was", "total", "saved", "freight_saved", "due", "owed")]
    assert figures == ["160.00", "140.00", "20.00", "20.00", "50.00", "0.00"]
    assert plain["state"] == "pending_payment"
    assert "Free shipping from 120.00" in plain["reasons"][0]


def test_of_two_paid_orders_money_goes_back(capsys: Out, tmp_path: Path) -> None:
    """When both are paid 20.00 are owed back, and the one stands at the earlier stage of the two."""
    path = changed(tmp_path, basic={"state": "awaiting_shipment"}, added={"paid": True})
    plain = found(capsys, path)
    assert (plain["due"], plain["owed"], plain["state"]) == ("0.00", "20.00", "paid")


def test_every_reason_is_told(capsys: Out, tmp_path: Path) -> None:
    """Another customer at another address and goods that have left: three reasons at once."""
    cart = json.loads(Path(ORDERS).read_text())["added"]["cart"]
    other = {**cart, "customer": {"id": "c2"}, "address": {"country": "CN", "city": "Beijing"}}
    path = changed(tmp_path, added={"cart": other, "paid": True, "state": "shipped"})
    plain = found(capsys, path, code=1)
    assert plain["merged"] is False
    assert {one["rule"] for one in plain["refusals"]} == {"customer", "address", "status"}


def test_tables_show_both_orders_and_the_one(capsys: Out) -> None:
    """People see what each costs apart, and what the one costs."""
    assert main(["merge", ORDERS, "--policies", POLICIES, "--explain"]) == 0
    said = capsys.readouterr().out
    for text in ("basic", "added", "together", "of that freight   20.00", "Free shipping"):
        assert text in said


def test_a_refusal_is_a_table_for_people(capsys: Out, tmp_path: Path) -> None:
    """What the table of states refuses is told with its rule."""
    path = changed(tmp_path, basic={"paid": False, "state": ""}, added={"paid": True})
    assert main(["merge", path, "--policies", POLICIES]) == 1
    assert "status" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("{", "not JSON"),
        ("[]", "an object of the keys"),
        ('{"basic": {}}', "basic"),
        ('{"basic": {"sate": "paid"}}', "sate"),
        ('{"bsic": {}}', "bsic"),
        ('{"basic": {"cart": {"currency": "CNY", "lines": []}, "paid": "yes"}}', "basic.paid"),
        ('{"lifecycle": 1}', "lifecycle"),
    ],
)
def test_bad_documents_name_their_place(capsys: Out, tmp_path: Path, text: str, where: str) -> None:
    """What is wrong is told with the path of the key, and nothing is printed (law L24)."""
    path = tmp_path / "bad.json"
    path.write_text(text)
    assert main(["merge", str(path)]) != 0
    captured = capsys.readouterr()
    assert where in captured.err
    assert not captured.out


def test_a_bad_cart_names_its_order(capsys: Out, tmp_path: Path) -> None:
    """The path of a wrong price leads through the order and its cart."""
    cart = json.loads(Path(ORDERS).read_text())["added"]["cart"]
    cart["lines"][0]["unit_price"] = "cheap"
    assert main(["merge", changed(tmp_path, added={"cart": cart})]) != 0
    assert "added.cart.lines[0].unit_price" in capsys.readouterr().err


def test_a_cart_that_has_no_price_names_its_order(capsys: Out, tmp_path: Path) -> None:
    """What only pricing finds is told in the same way."""
    cart = json.loads(Path(ORDERS).read_text())["added"]["cart"]
    cart["lines"][0]["quantity"] = -1
    assert main(["merge", changed(tmp_path, added={"cart": cart})]) != 0
    assert "at added.cart.lines[0].quantity" in capsys.readouterr().err
