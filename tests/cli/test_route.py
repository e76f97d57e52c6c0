"""``ordercore route``: documents in, parcels and reasons out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ordercore.cli import main

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "routing" / "three-warehouses.json"

Out = pytest.CaptureFixture[str]


def document() -> dict[str, Any]:
    """The example, to be changed."""
    found: dict[str, Any] = json.loads(EXAMPLE.read_text("utf-8"))
    return found


def routed(tmp_path: Path, given: object, *options: str) -> int:
    """Route a document from a file."""
    path = tmp_path / "problem.json"
    path.write_text(given if isinstance(given, str) else json.dumps(given), encoding="utf-8")
    return main(["route", str(path), *options])


def complaint(out: Out) -> str:
    """The one line on standard error, with nothing on standard output."""
    told = out.readouterr()
    assert told.out == ""
    (line,) = told.err.splitlines()
    assert line.startswith("ordercore: ")
    return line


def test_the_example_is_routed_with_its_reasons(capsys: Out) -> None:
    """A courier takes what the store has, the post the rest; one parcel from abroad would take five days."""
    assert main(["route", str(EXAMPLE), "--json", "--explain"]) == 0
    plain = json.loads(capsys.readouterr().out)
    assert [(parcel["source"], parcel["service"]) for parcel in plain["parcels"]] == [
        ("berlin", "courier"),
        ("leipzig", "standard"),
    ]
    sent: dict[str, int] = {}
    for parcel in plain["parcels"]:
        assert parcel["reasons"]
        for line, count in parcel["lines"].items():
            sent[line] = sent.get(line, 0) + count
    assert sent == {"1": 2, "2": 1, "3": 6}
    # 4.50 + 5.90, two parcels at 50 points, two days at 200
    assert plain["objective"]["freight"] == "10.40"
    assert plain["objective"]["points"] == 1_040 + 100 + 400
    assert plain["proven"] is True
    assert plain["runner_up"]["objective"]["points"] > plain["objective"]["points"]
    assert plain["refusals"] == [{"source": "madrid", "why": "does not ship to DE"}]


def test_tables_tell_the_same(capsys: Out) -> None:
    """People read parcels, the objective with the runner-up, refusals and reasons."""
    assert main(["route", str(EXAMPLE), "--explain"]) == 0
    text = capsys.readouterr().out
    assert "proven: no route has fewer points" in text
    assert "madrid  does not ship to DE" in text
    assert "cheapest service" in text
    assert main(["route", str(EXAMPLE)]) == 0
    assert "Reasons" not in capsys.readouterr().out


def test_goods_that_are_short_are_named(tmp_path: Path, capsys: Out) -> None:
    """Too few units are no traceback but an answer with the article and both figures."""
    given = document()
    given["lines"][0]["quantity"] = 99
    assert routed(tmp_path, given) == 2
    line = complaint(capsys)
    assert "out_of_stock at lines: 99 units of 'LAMP' are asked for, 55 are there" in line


def _without(given: dict[str, Any]) -> None:
    del given["lines"][0]["sku"]


def _unknown(given: dict[str, Any]) -> None:
    given["sources"][1]["tint"] = "red"


def _float(given: dict[str, Any]) -> None:
    given["lines"][0]["weight_grams"] = 1.5


def _amount(given: dict[str, Any]) -> None:
    given["services"][0]["rates"][0]["steps"][1]["price"] = "4.999"


def _cutoff(given: dict[str, Any]) -> None:
    given["sources"][0]["cutoff"] = "noon"


def _days(given: dict[str, Any]) -> None:
    given["sources"][0]["days"] = ["someday"]


def _now(given: dict[str, Any]) -> None:
    given["now"] = "2026-05-20T10:00:00"


def _weight(given: dict[str, Any]) -> None:
    given["weights"]["day"] = -1


def _service(given: dict[str, Any]) -> None:
    given["sources"][0]["services"] = ["rocket"]


def _steps(given: dict[str, Any]) -> None:
    given["services"][0]["rates"][0]["steps"] = {}


def _units(given: dict[str, Any]) -> None:
    given["lines"][0]["quantity"] = -3


def _twice(given: dict[str, Any]) -> None:
    given["lines"].append(given["lines"][0])


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (_units, "at lines[0].quantity"),
        (_twice, "].line"),
        (_without, "at lines[0].sku: it is missing"),
        (_unknown, "at sources[1].tint: unknown key"),
        (_float, "at lines[0].weight_grams: it is a whole number, not a float"),
        (_amount, "at services[0].rates[0].steps[1].price"),
        (_cutoff, "at sources[0].cutoff: it cannot be read: 'noon'"),
        (_days, "at sources[0].days: days are monday to sunday"),
        (_now, "at now"),
        (_weight, "at weights.day"),
        (_service, "at sources[0].services: there is no service 'rocket'"),
        (_steps, "at services[0].rates[0].steps: it is a list, not an object"),
    ],
)
def test_bad_input_names_its_path(change: Any, says: str, tmp_path: Path, capsys: Out) -> None:
    """Whatever is wrong in a document is refused with where it is, and nothing is printed."""
    given = document()
    change(given)
    assert routed(tmp_path, given, "--json") == 2
    assert says in complaint(capsys)


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"currency": "EUR", "currency": "EUR"}', "[" * 9_999]
)
def test_what_is_no_document_is_refused(text: str, tmp_path: Path, capsys: Out) -> None:
    """Text that is no JSON, or no object, is refused in one line."""
    assert routed(tmp_path, text) == 2
    assert "invalid_document" in complaint(capsys)


def test_a_missing_file_is_refused(tmp_path: Path, capsys: Out) -> None:
    """A file that is not there is named."""
    assert main(["route", str(tmp_path / "none.json")]) == 2
    assert "cannot open the file" in complaint(capsys)
