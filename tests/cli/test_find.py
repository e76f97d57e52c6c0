"""``ordercore find``: orders, items and figures of a store, as tables and as JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ordercore.adapters.sql import SqlStore
from ordercore.change import Change
from ordercore.cli import main
from ordercore.money import money
from ordercore.order import ItemMarked, Tagged, evolve
from ordercore.party import SYSTEM, Address, Attribution, Party
from ordercore.pricing import Cart, CartLine, PricingPolicy, quote
from ordercore.tender.tenders import Channel
from ordercore.testing import START, Story, order_content

Out = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A store with four orders: number 23, 123, 7 and 8; the first is paid, tagged and has a packed line."""
    place = f"sqlite:///{tmp_path_factory.mktemp('find') / 'orders.db'}"
    with SqlStore(place) as store:
        for i, (number, campaign, country) in enumerate(
            [("ORD-23", "spring", "DE"), ("ORD-123", "spring", "FR"), ("ORD-7", "", "DE"), ("ORD-8", "", "")]
        ):  # fmt: skip
            cart = Cart(
                "EUR",
                (
                    CartLine("TEA", 2, money("9.99", "EUR"), "Green tea"),
                    CartLine(f"CUP-{i}", 1, money("5.00", "EUR")),
                ),
                customer=Party(f"c-{i}", "Ada"),
                address=Address(country=country),
                attribution=Attribution("eu", "app", campaign),
            )
            content = order_content(quote(cart, PricingPolicy(), START), id=f"o-{i}", number=number)
            story = Story(content)
            if i == 0:
                story.pay(Channel("card"))
            for change in story.changes:
                store.commit([change])
            if i == 0:
                order = story.order
                for event in (Tagged(("vip", "gift"), ()), ItemMarked("1", "packed")):
                    order = evolve(order, event, START)
                    store.commit([Change(order, (event,), START, SYSTEM, "mark")])
    return place


def told(out: Out, url: str, *words: str) -> str:
    """What the command prints."""
    assert main(["find", *words, "--store", url]) == 0
    return out.readouterr().out


def found(out: Out, url: str, *words: str) -> Any:
    """What the command prints as JSON."""
    return json.loads(told(out, url, *words, "--json"))


def numbers(out: Out, url: str, *words: str) -> list[str]:
    """The numbers of the orders found."""
    return [order["number"] for order in found(out, url, *words)["orders"]]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], ["ORD-8", "ORD-7", "ORD-123", "ORD-23"]),
        (["23"], ["ORD-23", "ORD-123"]),
        (["ORD-123"], ["ORD-123"]),
        (["--customer", "c-2"], ["ORD-7"]),
        (["--shop", "north"], []),
        (["--state", "paid", "--state", "closed"], ["ORD-23"]),
        (["--payment", "paid"], ["ORD-23"]),
        (["--payment", "unpaid", "--campaign", "spring"], ["ORD-123"]),
        (["--delivery", "shipped"], []),
        (["--tag", "gift", "--tag", "vip"], ["ORD-23"]),
        (["--tag", "gift", "--tag", "fraud"], []),
        (["--site", "eu", "--channel", "app", "--campaign", "spring"], ["ORD-123", "ORD-23"]),
        (["--sku", "CUP-2"], ["ORD-7"]),
        (["--sku", "CUP-0", "--item-status", "packed"], []),
        (["--sku", "TEA", "--item-status", "packed"], ["ORD-23"]),
        (["--from", "2026-05-20", "--before", "2026-05-20T20:00:00+08:00"], []),
        (["--from", "2026-05-20T20:00+08:00", "--before", "2026-05-21", "--limit", "1"], ["ORD-8"]),
    ],
    ids=lambda words: " ".join(words) or "all",
)
def test_each_option_is_a_condition(
    words: list[str], expected: list[str], url: str, capsys: Out
) -> None:
    """All that is given must hold; the newest come first."""
    assert numbers(capsys, url, *words) == expected


def test_orders_are_told_as_a_table(url: str, capsys: Out) -> None:
    """One line an order, with its standings, tags and total; the name of the customer is not shown."""
    out = told(capsys, url, "23", "--limit", "1")
    assert (
        "ORD-23  2026-05-20 12:00  paid   paid     not_shipped  c-0       vip, gift  24.98  EUR"
        in out
    )
    assert "Ada" not in out


def test_the_end_of_a_page_says_how_to_go_on(url: str, capsys: Out) -> None:
    """The words at the end of a page give the next one; the last page has none."""
    out = told(capsys, url, "--limit", "3")
    words = out.splitlines()[-1].removeprefix("  more: ").split()
    rest = told(capsys, url, *words, "--limit", "3")
    assert "ORD-23 " in rest
    assert "ORD-123" not in rest
    assert "more:" not in rest
    assert found(capsys, url, "--limit", "3")["next"] == words[1]


def test_items_are_told_line_by_line(url: str, capsys: Out) -> None:
    """With --items a row is a line of an order, with its status."""
    out = told(capsys, url, "--items", "--item-status", "packed")
    assert "ORD-23  2026-05-20 12:00  paid   1     TEA  Green tea  packed      2" in out
    lines = found(capsys, url, "23", "--items", "--limit", "3")
    assert [(line["number"], line["sku"], line["status"]) for line in lines["items"]] == [
        ("ORD-23", "TEA", "packed"),
        ("ORD-23", "CUP-0", ""),
        ("ORD-123", "TEA", ""),
    ]
    rest = found(capsys, url, "23", "--items", "--after", lines["next"])
    assert [line["sku"] for line in rest["items"]] == ["CUP-1"]


def test_figures_are_of_all_that_is_found(url: str, capsys: Out) -> None:
    """With --by the orders found are added up, whatever the size of a page."""
    told_all = found(capsys, url, "--by", "campaign", "--limit", "1")
    assert [(row["group"], row["orders"], row["total"], row["paid"]) for row in told_all] == [
        ("", 2, "49.96", "0.00"),
        ("spring", 2, "49.96", "24.98"),
    ]
    out = told(capsys, url, "--by", "country", "--campaign", "spring")
    assert "DE       EUR            1         0      3  24.98  24.98      0.00" in out


@pytest.mark.parametrize(
    ("words", "needs"),
    [
        (["--payment", "yes"], "invalid_input at --payment: it is one of unpaid, pending"),
        (["--by", "month"], "invalid_input at --by: it is one of shop, site"),
        (["--by", "site", "--items"], "invalid_input at --by: figures are of orders"),
        (["--from", "yesterday"], "invalid_input at --from"),
        (["--from", "2026-05-20T12:00"], "needs a zone"),
        (["--after", "x"], "invalid_input at after: it is no cursor"),
        (["--limit", "501"], "invalid_input at limit: 1 to 500 orders"),
    ],
)
def test_a_wrong_word_is_one_line(words: list[str], needs: str, url: str, capsys: Out) -> None:
    """Exit code 2, nothing on standard output, and what is needed on standard error."""
    assert main(["find", *words, "--store", url]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    (line,) = said.err.splitlines()
    assert needs in line


def test_a_store_that_is_not_there_is_not_made(tmp_path: Path, capsys: Out) -> None:
    """Looking for orders makes no file."""
    assert main(["find", "--store", f"sqlite:///{tmp_path / 'none.db'}"]) == 2
    assert "there is no store" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
