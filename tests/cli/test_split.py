from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ordercore.cli import main

EXAMPLE = Path(__file__).parents[2] / "examples" / "splitting"
ORDER, RULES, ASSIGNMENT = (
    str(EXAMPLE / name) for name in ("order.json", "rules.toml", "assignment.json")
)

SET = {"4.1": 2, "4.2": 2}
"""The components of the tea set, which stay together."""

Out = pytest.CaptureFixture[str]


def minor(text: str) -> int:
    """An amount with two decimals in minor units."""
    return int(text.replace(".", ""))


def found(out: Out, *options: str, order: str = ORDER) -> dict[str, Any]:
    """The proposal as JSON."""
    assert main(["split", order, "--rules", RULES, "--json", "--explain", *options]) == 0
    plain: dict[str, Any] = json.loads(out.readouterr().out)
    return plain


def test_the_example_falls_into_its_groups(capsys: Out) -> None:
    """Crab by itself; Shanghai's goods are cut by weight; the set goes with two power banks from Beijing."""
    plain = found(capsys, "--assignment", ASSIGNMENT)
    groups = plain["groups"]
    assert [group["goods"] for group in groups] == [
        {"1": 2},
        {"2": 2},
        {"2": 1, "3": 1},
        {"3": 2, **SET},
    ]
    assert [group["sources"] for group in groups] == [
        ["Kunshan"],
        ["Shanghai"],
        ["Shanghai"],
        ["Beijing", "Shanghai"],
    ]
    named = [{reason["rule"] for reason in group["reasons"]} for group in groups]
    assert named == [
        {"fresh"},
        {"fresh", "warehouse", "heavy"},
        {"fresh", "warehouse", "heavy"},
        {"fresh", "warehouse", "sets"},
    ]
    assert [reason["rule"] for reason in plain["reasons"]] == ["small order", "presale", "battery"]


def test_the_goods_of_the_groups_add_up_to_the_price(capsys: Out) -> None:
    """Net, tax, total (freight shared) and discount (30.00, and 40.00 inside the set) are those of the order, to the cent."""
    groups = found(capsys, "--assignment", ASSIGNMENT)["groups"]
    assert main(["price", ORDER, "--json", "--policies", RULES]) == 0
    priced = json.loads(capsys.readouterr().out)
    lines = priced["lines"]
    assert sum(minor(group["list_amount"]) for group in groups) == sum(
        minor(line["list_amount"]) for line in lines
    )
    for key in ("net", "tax", "total"):
        rows = [*lines, *priced["charges"]]
        assert sum(minor(group[key]) for group in groups) == sum(minor(row[key]) for row in rows)
    assert sum(minor(group["discount"]) for group in groups) == 70_00


def test_without_an_assignment_warehouses_do_not_count(capsys: Out) -> None:
    """Goods that nobody is said to have are parted by the other rules alone."""
    plain = found(capsys)
    assert [group["goods"] for group in plain["groups"]] == [
        {"1": 2},
        {"2": 2},
        {"2": 1, "3": 3, **SET},
    ]
    assert "warehouse" in {reason["rule"] for reason in plain["reasons"]}


def test_tables_tell_groups_goods_and_reasons(capsys: Out) -> None:
    """People read tables; reasons come with ``--explain`` alone."""
    options = ["split", ORDER, "--rules", RULES, "--assignment", ASSIGNMENT]
    assert main(options) == 0
    without = capsys.readouterr().out
    assert "charges shared: freight by weight" in without
    assert "Hairy crab" in without
    assert "Why" not in without
    assert main([*options, "--explain"]) == 0
    text = capsys.readouterr().out
    assert "category: fresh" in text
    assert "battery" in text
    assert "holds for US, DE, JP" in text


def test_what_is_not_carried_is_told(tmp_path: Path, capsys: Out) -> None:
    """A download is in no group; an order of nothing else cannot be split."""
    lines = [
        {"sku": "BOOK", "quantity": 1, "unit_price": "10.00"},
        {"sku": "FILE", "quantity": 1, "unit_price": "5.00", "attributes": {"digital": "yes"}},
    ]
    order = tmp_path / "order.json"
    order.write_text(json.dumps({"currency": "CNY", "lines": lines}), "utf-8")
    assert main(["split", str(order), "--rules", RULES]) == 0
    assert "not carried: 2" in capsys.readouterr().out
    order.write_text(json.dumps({"currency": "CNY", "lines": lines[1:]}), "utf-8")
    assert main(["split", str(order), "--rules", RULES]) == 2
    assert "invalid_manifest at items" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "not JSON"),
        ("{}", "a list of placements"),
        ("[7]", "a placement is an object"),
        ('[{"source": "SHA", "shelf": 1}]', "a placement is an object"),
        ('[{"source": "SHA", "sku": "RICE", "quantity": "2"}]', "[0].quantity"),
        ('[{"sku": "RICE"}]', "[0].source"),
        ('[{"source": "SHA", "sku": "NOPE"}]', "assignment[0].sku"),
        ('[{"source": "SHA", "sku": "RICE", "quantity": 9}]', "6 units more are placed"),
    ],
)
def test_an_assignment_that_is_wrong_is_told_in_one_line(
    tmp_path: Path, capsys: Out, text: str, words: str
) -> None:
    """A wrong assignment ends with exit code 2 and the place of the fault."""
    file = tmp_path / "who.json"
    file.write_text(text, "utf-8")
    assert main(["split", ORDER, "--rules", RULES, "--assignment", str(file)]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    (line,) = told.err.splitlines()
    assert words in line
    assert "who.json" in line


def test_rules_that_are_wrong_are_told_by_their_path(tmp_path: Path, capsys: Out) -> None:
    """A rule that cannot hold ends with exit code 2, the file and the key."""
    file = tmp_path / "rules.toml"
    file.write_text('[[splitting.rules]]\ntype = "apart"\nname = "x"\nby = "attribute"\n', "utf-8")
    assert main(["split", ORDER, "--rules", str(file)]) == 2
    assert "splitting.rules[0].attribute" in capsys.readouterr().err
