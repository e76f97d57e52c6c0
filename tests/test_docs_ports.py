"""``docs/reference/ports.md`` tells what each port promises: of every member and capability, and of no other."""

from __future__ import annotations

import re
from pathlib import Path

import attrs
import pytest

from ordercore import ports
from ordercore.tender import Capabilities

PAGE = (Path(__file__).parents[1] / "docs" / "reference" / "ports.md").read_text("utf-8")
SECTIONS = {
    section.partition("\n")[0]: section
    for section in re.split(r"^## ", PAGE, flags=re.MULTILINE)[1:]
}
TOLD = (
    "OrderStore",
    "PaymentGateway",
    "CreditGateway",
    "StockKeeper",
    "SourcedStock",
    "CouponBook",
    "Publisher",
    "Hook",
)


def members(port: type) -> set[str]:
    """What a port asks for."""
    return {name for name in vars(port) if not name.startswith("_")}


@pytest.mark.parametrize("name", TOLD)
def test_the_page_tells_each_member(name: str) -> None:
    """The first table of a section has a row for each member of the port, under its own name."""
    table = SECTIONS[name].partition("| member | promise |")[2].partition("\n\n")[0]
    told = re.findall(r"^\| `(\w+)[(`]", table, re.MULTILINE)
    assert sorted(told) == sorted(members(getattr(ports, name)))


def test_the_page_tells_each_capability() -> None:
    """The table of capabilities names each that a gateway can declare, once."""
    table = SECTIONS["PaymentGateway"].partition("| capability |")[2]
    heads = [row.partition("|")[0] for row in re.findall(r"^\| (`.*)$", table, re.MULTILINE)]
    told = [name for head in heads for name in re.findall(r"`(\w+)`", head)]
    assert sorted(told) == sorted(field.name for field in attrs.fields(Capabilities))


def test_each_port_has_a_row() -> None:
    """The table of ports names every port of the module."""
    table = PAGE.partition("| port | you plug in |")[2].partition("\n\n")[0]
    told = re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)
    assert [name for name in told if not hasattr(ports, name)] == []
    assert set(told) == {
        name for name in ports.__all__ if getattr(getattr(ports, name), "_is_protocol", False)
    }
