"""``docs/reference/events.md`` tells of the events that there are, and of no other."""

from __future__ import annotations

import re
from pathlib import Path

import attrs
import pytest

from ordercore.order import EVENTS

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "events.md"
SECTIONS = re.split(r"^### ", PAGE.read_text("utf-8"), flags=re.MULTILINE)[1:]


def told() -> dict[str, tuple[str, tuple[str, ...]]]:
    """Stored name -> class name and fields, in the order of the page."""
    found = {}
    for section in SECTIONS:
        name = re.match(r"`([a-z_.]+)`\n", section)
        cls = re.search(r"Class `(\w+)`", section)
        assert name, section
        assert cls, section
        fields = tuple(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE))
        assert name[1] not in found, f"{name[1]} is told twice"
        found[name[1]] = (cls[1], fields)
    return found


def test_the_page_names_each_event() -> None:
    """Every event has a section under its stored name, and every section an event."""
    assert sorted(told()) == sorted(EVENTS)


@pytest.mark.parametrize("name", sorted(EVENTS))
def test_the_page_tells_each_field(name: str) -> None:
    """A section names the class and its fields, in the order of the class."""
    cls = EVENTS[name]
    fields = tuple(field.name for field in attrs.fields(cls))
    assert told()[name] == (cls.__name__, fields)


def test_the_page_tells_each_schema() -> None:
    """A section names the schema of its event; one that does not is of schema 1."""
    schemas = {}
    for name, section in zip(told(), SECTIONS, strict=True):
        found = re.search(r"Schema (\d+):", section)
        schemas[name] = int(found[1]) if found else 1
    assert schemas == {name: cls.schema for name, cls in EVENTS.items()}
