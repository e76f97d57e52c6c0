"""``ordercore journal``: text, JSON, a picture, the six steps."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.journal.histories import ADA, FREELY, PERSONAL, STANDARD, cart, with_every_event

from ordercore.adapters.sql import SqlStore
from ordercore.cli.journal import _content, print_journal
from ordercore.errors import InvalidInput, OrderNotFound, UnknownLifecycle
from ordercore.lifecycle.charts import document
from ordercore.order import AddNote
from ordercore.order.order import OrderContent
from ordercore.pricing import PricingPolicy, quote
from ordercore.tender.tenders import Channel
from ordercore.testing import START, Story, order_content

if TYPE_CHECKING:
    Out = pytest.CaptureFixture[str]


def content(lifecycle: str = "standard", version: int = STANDARD.version) -> OrderContent:
    """What is agreed, on a lifecycle."""
    import attrs

    made = order_content(quote(cart(), PricingPolicy(), START))
    return attrs.evolve(made, lifecycle=lifecycle, lifecycle_version=version)  # type: ignore[misc]


@pytest.fixture
def shop(tmp_path: Path) -> str:
    """A store with one order that was paid, shipped and remarked upon."""
    return stored(tmp_path, content())


def stored(folder: Path, what: OrderContent) -> str:
    """The address of a store with such an order."""
    url = f"sqlite:///{folder}/shop.db"
    story = Story(what, lifecycle=STANDARD)
    story.at += timedelta(minutes=5)
    story.pay(Channel("card", account=PERSONAL))
    story.send(AddNote("leave it at the door", shown=True), by=ADA)
    story.send(AddNote(PERSONAL))
    story.ship()
    with SqlStore(url) as store:
        for made in story.changes:
            store.commit([made])
    return url


def test_the_journal_is_text_by_default(shop: str, capsys: Out) -> None:
    """An order is found by the tail of its number, and its journal is printed."""
    print_journal("1", shop)
    told = capsys.readouterr().out
    assert told.startswith("Order ORD-0000000001: Shipped\n")
    assert "“leave it at the door”" in told
    assert "Customer ada (AddNote)" in told
    assert PERSONAL not in told


def test_json_tells_the_content_of_events_without_what_is_personal(shop: str, capsys: Out) -> None:
    """The content of events is there, and no name, address, account or internal note in it."""
    print_journal("o-1", shop, as_json=True, steps=True)
    out = capsys.readouterr().out
    assert PERSONAL not in out
    assert FREELY not in out
    assert not any(name in out for name in ('"vat_id"', '"attributes"', '"extra"'))
    found = json.loads(out)
    placed, started, *_ = found["events"]
    assert placed["content"]["content"]["customer"] == {"id": "ada"}
    assert placed["content"]["content"]["address"] == {"country": "CN"}
    assert [tender["gateway"] for tender in started["content"]["plan"]["tenders"]] == ["card"]
    notes = [e["content"]["note"] for e in found["events"] if e["event"] == "order.noted"]
    assert [note.get("text") for note in notes] == ["leave it at the door", None]
    assert found["progress"]["current"] == "receive"


def test_no_event_has_something_personal_in_its_content() -> None:
    """Of every event there is, what is stored is told without what is personal or may hold anything."""
    for one in with_every_event():
        told = json.dumps(_content(one.event), ensure_ascii=False)
        assert PERSONAL not in told, one.event.name
        assert FREELY not in told, one.event.name


def test_steps_are_told_instead_of_events(shop: str, tmp_path: Path, capsys: Out) -> None:
    """With targets of a policy document a step may have overrun."""
    policies = tmp_path / "policies.toml"
    policies.write_text('[timeouts.targets]\npay = "1 min"\n', "utf-8")
    print_journal("1", shop, steps=True, policies=policies)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 6
    assert lines[1] == "Pay: done in 5 min. Longer than its target of 1 min."


def test_the_picture_goes_to_a_file(shop: str, tmp_path: Path, capsys: Out) -> None:
    """A timeline is written, and nothing is printed."""
    picture = tmp_path / "order.svg"
    print_journal("1", shop, picture=picture)
    assert picture.read_text("utf-8").startswith("<svg ")
    assert capsys.readouterr().out == ""


def test_a_picture_of_another_kind_is_refused(shop: str, tmp_path: Path) -> None:
    """A file that does not end in .svg is not written."""
    with pytest.raises(InvalidInput, match=r"a picture is \.svg"):
        print_journal("1", shop, picture=tmp_path / "order.png")
    assert not (tmp_path / "order.png").exists()


def test_an_unknown_order_is_refused(shop: str) -> None:
    """A number that nobody has is no order."""
    with pytest.raises(OrderNotFound, match="no order has the id or number '77'"):
        print_journal("77", shop)


def test_a_lifecycle_of_the_host_comes_from_its_document(tmp_path: Path, capsys: Out) -> None:
    """States of a lifecycle that is not built in are named by its document; steps cannot do without it."""
    url = stored(tmp_path, content("ours", 7))
    with pytest.raises(UnknownLifecycle, match="'ours', version 7"):
        print_journal("1", url, steps=True)
    print_journal("1", url)
    assert ": Shipped\n" in capsys.readouterr().out
    ours = {**document("standard"), "lifecycle": "ours", "version": 7}
    ours["states"] = {**ours["states"], "shipped": {**ours["states"]["shipped"], "name": "Away"}}
    chart = tmp_path / "ours.json"
    chart.write_text(json.dumps(ours), "utf-8")
    print_journal("1", url, lifecycles=[chart])
    assert ": Away\n" in capsys.readouterr().out
    print_journal("1", url, lifecycles=[chart], steps=True)
    assert "Receive: under way" in capsys.readouterr().out
