"""What the command prints: on any terminal, from any input, it changes nothing and does not fail."""

from __future__ import annotations

import gzip
import io
import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.stored import story

from ordercore.adapters.sql import SqlStore
from ordercore.cli import main
from ordercore.cli.sections import Section, html_table, plain_text
from ordercore.engine import OrderEngine
from ordercore.lifecycle.charts import document
from ordercore.money import money
from ordercore.party import Actor
from ordercore.pricing import Cart, CartLine

Out = pytest.CaptureFixture[str]
HOSTILE = "T\x1b[31m\x9b2J\u202e"
"""Turns a terminal red, clears it, and turns the direction of writing."""
UNSEEN = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]")
SURROGATE = "\ud800"
"""Half of a character: JSON can hold it, UTF-8 cannot."""


def shop(folder: Path, sku: str) -> str:
    """A store with one order for that article."""
    url = f"sqlite:///{folder}/shop.db"
    with SqlStore(url) as store:
        engine = OrderEngine(store)
        line = CartLine(sku, 1, money("1.00", "EUR"), "Green → tea é 茶 🍵")
        engine.place(engine.quote(Cart("EUR", (line,))), key="k", by=Actor.customer("ada"))
    return url


def printed(monkeypatch: pytest.MonkeyPatch, encoding: str, *words: str) -> tuple[int, str, str]:
    """The exit code and both outputs of a command on a terminal that speaks ``encoding`` alone."""
    found = []
    for name in ("stdout", "stderr"):
        found.append(io.BytesIO())
        monkeypatch.setattr(sys, name, io.TextIOWrapper(found[-1], encoding, errors="strict"))
    code = main(list(words))
    sys.stdout.flush()
    sys.stderr.flush()
    out, err = [stream.getvalue().decode(encoding) for stream in found]
    monkeypatch.undo()
    return code, out, err


# Encodings ------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "latin-1", "utf-8"])
def test_what_a_terminal_cannot_show_is_escaped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encoding: str
) -> None:
    """Text and JSON are printed whatever the encoding is, and the JSON says the same in all of them."""
    url = shop(tmp_path, "TEA")
    code, out, _ = printed(monkeypatch, encoding, "journal", "1", "--store", url)
    assert code == 0
    assert "Order ORD-0000000001" in out
    code, out, _ = printed(monkeypatch, encoding, "find", "--items", "--store", url, "--json")
    assert code == 0
    assert json.loads(out)["items"][0]["name"] == "Green → tea é 茶 🍵"


def test_half_a_character_is_printed_escaped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A document may hold half of a character: pricing, checking and drawing answer all the same."""
    cart = tmp_path / "cart.json"
    line = {"sku": SURROGATE, "quantity": 1, "unit_price": "1.00", "name": SURROGATE}
    cart.write_text(json.dumps({"currency": "EUR", "lines": [line], SURROGATE: 1}))
    code, _, err = printed(monkeypatch, "utf-8", "price", str(cart))
    assert (code, err.startswith("ordercore: ")) == (2, True)
    cart.write_text(json.dumps({"currency": "EUR", "lines": [line]}))
    for more in ([], ["--json"], ["--explain"]):
        code, _, err = printed(monkeypatch, "utf-8", "price", str(cart), *more)
        assert (code, err) in {(0, ""), (2, err)}
    chart = tmp_path / "ours.json"
    chart.write_text(json.dumps({**document("standard"), SURROGATE: 1}))
    code, out, _ = printed(monkeypatch, "utf-8", "lifecycle", "check", str(chart))
    assert (code, "ours.json" in out) == (1, True)
    named: dict[str, Any] = {**document("standard"), "description": SURROGATE}
    named["states"]["shipped"]["name"] = SURROGATE
    chart.write_text(json.dumps(named))
    for words in (
        ["check", str(chart)],
        ["show", str(chart)],
        ["diagram", str(chart)],
        ["diagram", str(chart), "-o", str(tmp_path / "ours.svg")],
        ["diagram", str(chart), "-o", str(tmp_path / "ours.mmd")],
    ):
        code, _, err = printed(monkeypatch, "utf-8", "lifecycle", *words)
        assert code in {0, 1}, err


def test_words_that_are_no_text_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A word of the command line that is not UTF-8 is told to be so, in one line."""
    url = shop(tmp_path, "TEA")
    for words in (["journal", "\udcff"], ["find", "--customer", "\udcff"], ["find", "\udcff"]):
        code, _, err = printed(monkeypatch, "utf-8", *words, "--store", url)
        assert code in {0, 2}
        assert len(err.splitlines()) <= 1


# Control characters ---------------------------------------------------------------------------


def test_a_table_has_no_control_characters() -> None:
    """Titles, heads, cells and notes are cleaned, in text and in HTML, and columns stay aligned."""
    table = Section(HOSTILE, (HOSTILE, "n"), ((HOSTILE, "1"), ("long\nname", "2")), note=HOSTILE)
    for told in (plain_text(table), html_table(table)):
        assert not UNSEEN.search(told)
    assert len(plain_text(table).split("\n")) == 5
    assert len({len(line) for line in plain_text(table).split("\n")[1:4]}) == 1


def test_what_customers_wrote_does_not_reach_the_terminal(tmp_path: Path, capsys: Out) -> None:
    """An article, a file or an option with escapes in it is printed without them."""
    url = shop(tmp_path, HOSTILE)
    for words in (["find"], ["find", "--items"], ["find", "--items", "--json"], ["journal", "1"]):
        assert main([*words, "--store", url]) == 0
        told = capsys.readouterr().out
        assert told
        assert not UNSEEN.search(told)
    assert main(["find", "--payment", HOSTILE, "--store", url]) == 2
    assert not UNSEEN.search(capsys.readouterr().err)


def test_lifecycle_commands_print_no_escapes(tmp_path: Path, capsys: Out) -> None:
    """A lifecycle document from somebody else cannot steer the terminal it is checked on."""
    chart = tmp_path / "ours.json"
    made: dict[str, Any] = {**document("standard"), "description": HOSTILE, HOSTILE: 1}
    chart.write_text(json.dumps(made))
    assert main(["lifecycle", "check", str(chart)]) == 1
    assert not UNSEEN.search(capsys.readouterr().out)
    del made[HOSTILE]
    made["states"]["shipped"]["name"] = HOSTILE
    chart.write_text(json.dumps(made))
    for words in (["show", str(chart)], ["diagram", str(chart)], ["diff", "standard", str(chart)]):
        main(["lifecycle", *words])
        told = capsys.readouterr()
        assert told.out or told.err
        assert not UNSEEN.search(told.out + told.err)


# What is asked for ----------------------------------------------------------------------------


def test_figures_of_all_orders_take_no_page(tmp_path: Path, capsys: Out) -> None:
    """Figures are of all that is found, so a place to go on from is refused beside them."""
    assert main(["find", "--by", "shop", "--after", "abc", "--store", shop(tmp_path, "TEA")]) == 2
    assert "--after" in capsys.readouterr().err


@pytest.mark.parametrize("order", ["", "  "])
def test_a_journal_of_nothing_is_refused(tmp_path: Path, capsys: Out, order: str) -> None:
    """An order has to be named: an empty word is not taken for the only order there is."""
    assert main(["journal", order, "--store", shop(tmp_path, "TEA")]) == 2
    assert "ORDER" in capsys.readouterr().err


# Stores of an earlier version -----------------------------------------------------------------


@pytest.fixture
def former(tmp_path: Path) -> Path:
    """A file with tables of schema 1, as the library wrote it then."""
    path = tmp_path / "former.db"
    packed = Path(story.__file__).parent / "schema1.db.gz"
    path.write_bytes(gzip.decompress(packed.read_bytes()))
    return path


@pytest.mark.parametrize("words", [["find"], ["doctor"], ["journal", "1"]])
def test_an_earlier_store_says_which_command_brings_it_up(
    former: Path, capsys: Out, words: list[str]
) -> None:
    """Looking changes no tables; the error names the command that does."""
    before = former.read_bytes()
    assert main([*words, "--store", f"sqlite:///{former}"]) == 2
    told = capsys.readouterr().err
    assert "run: ordercore upgrade --store" in told
    assert "create()" not in told
    assert former.read_bytes() == before


def test_an_upgrade_brings_an_earlier_store_up_once(former: Path, capsys: Out) -> None:
    """The tables are brought up and the orders are found; a second time there is nothing to do."""
    url = f"sqlite:///{former}"
    assert main(["upgrade", "--store", url]) == 0
    assert capsys.readouterr().out == "the tables were brought from schema 1 to 2\n"
    assert main(["find", "--store", url]) == 0
    assert "ORD-" in capsys.readouterr().out
    assert main(["upgrade", "--store", url]) == 0
    assert capsys.readouterr().out == "the tables are of this version: nothing to do\n"


def test_an_upgrade_makes_no_store(tmp_path: Path, capsys: Out) -> None:
    """A file that is not there, or that holds no tables of ours, is refused and left as it is."""
    assert main(["upgrade", "--store", f"sqlite:///{tmp_path}/none.db"]) == 2
    assert "there is no store" in capsys.readouterr().err
    (tmp_path / "empty.db").touch()
    assert main(["upgrade", "--store", f"sqlite:///{tmp_path}/empty.db"]) == 2
    assert capsys.readouterr().err.startswith("ordercore: ")
    assert [path.stat().st_size for path in tmp_path.iterdir()] == [0]
