from __future__ import annotations

from pathlib import Path

import pytest
from tests.lifecycle.documents import small

from ordercore.errors import InvalidLifecycle
from ordercore.lifecycle import VisibleStep, label, load_lifecycle
from ordercore.lifecycle.charts import built_in
from ordercore.order import FACTS
from ordercore.wording import Wording

STANDARD = built_in("standard", FACTS)


def test_english_comes_from_the_lifecycle_and_chinese_from_the_catalog() -> None:
    """A label is the chart's own name, translated where a catalog has it."""
    assert label(STANDARD, "awaiting_shipment") == "Awaiting shipment"
    assert label(STANDARD, "awaiting_shipment", "zh_CN") == "待发货"
    assert label(STANDARD, "pay") == "Pay"


def test_a_state_goes_before_an_event_of_the_same_id() -> None:
    """Who means the event hands it over itself."""
    state = label(STANDARD, "refunded", "zh_CN")
    event = label(STANDARD, STANDARD.info("refunded"), "zh_CN")

    assert state == label(STANDARD, STANDARD.state("refunded"), "zh_CN")
    assert state != event


def test_visible_steps_and_item_statuses_have_labels() -> None:
    """Each of the six steps has a name, and so has a status that the chart names."""
    document = small() | {"items": {"made": {"name": "Made to measure", "final": True}}}
    found = load_lifecycle(document, FACTS)

    assert label(found, "made") == "Made to measure"
    assert [label(found, step) for step in VisibleStep] == [
        "Order",
        "Pay",
        "Pick",
        "Ship",
        "Receive",
        "Review",
    ]


def test_a_host_hands_its_own_catalog(tmp_path: Path) -> None:
    """What the host's catalog has stands before the library's; the rest stays as it is."""
    file = tmp_path / "de.po"
    file.write_text(
        'msgid ""\nmsgstr "Content-Type: text/plain; charset=utf-8\\n"\n\n'
        'msgctxt "state"\nmsgid "Paid"\nmsgstr "Bezahlt"\n',
        encoding="utf-8",
    )
    wording = Wording({"de": str(file)})

    assert label(STANDARD, "paid", "de", wording=wording) == "Bezahlt"
    assert label(STANDARD, "shipped", "de", wording=wording) == "Shipped"
    assert label(STANDARD, "paid", "de") == "Paid"


def test_an_id_of_nothing_has_no_label() -> None:
    """A wrong id is an error, not a label."""
    with pytest.raises(InvalidLifecycle, match="'nowhere'"):
        label(STANDARD, "nowhere")
