"""`ordercore reconcile` on a store in a file."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.engine.world import World

from ordercore.adapters.sql import SqlStore
from ordercore.cli import main

if TYPE_CHECKING:
    from pathlib import Path

HEAD = "reference,key,kind,amount,currency,at,fee\n"


@pytest.fixture
def shop(tmp_path: Path) -> tuple[str, str, Path]:
    """A store with order A paid; its url, the row that the channel has of it, a file for statements."""
    url = f"sqlite:///{tmp_path / 'orders.db'}"
    with SqlStore(url) as store:
        world = World(store=store)  # type: ignore[arg-type]  # any store
        order = world.paid()
        (paid,) = [a for a in order.payments.attempts if a.gateway == "wechat"]
    line = f"{paid.reference},{paid.id},payment,207.63,CNY,2026-05-20T20:00:00,1.25\n"
    return url, line, tmp_path / "statement.csv"


def asked(
    url: str, file: Path, *more: str, day: str = "2026-05-20", gateway: str = "wechat"
) -> int:
    """Run the command for the channel's day in Beijing."""
    return main(
        ["reconcile", str(file), "--store", url, "--gateway", gateway, "--day", day,
         "--zone", "Asia/Shanghai", *more]
    )  # fmt: skip


def test_a_statement_that_agrees_ends_with_0(
    shop: tuple[str, str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """One row, matched."""
    url, line, file = shop
    file.write_text(HEAD + line)
    assert asked(url, file) == 0
    assert "matched" in capsys.readouterr().out


def test_a_difference_ends_with_1_and_is_told(
    shop: tuple[str, str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """Another amount is told with both sides, in text and in JSON."""
    url, line, file = shop
    file.write_text(HEAD + line.replace("207.63", "207.00"))
    assert asked(url, file) == 1
    told = capsys.readouterr().out
    assert "wrong amount" in told
    assert "207.63 CNY" in told
    assert "207.00 CNY" in told
    assert asked(url, file, "--json") == 1
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    (difference,) = found["differences"]
    assert (difference["class"], difference["theirs"]["row"]) == ("wrong_amount", 1)


def test_a_patch_books_fees_and_chargebacks_once(
    shop: tuple[str, str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """What the channel kept and what it charged back stand in the books; a second run finds all booked."""
    url, line, file = shop
    key = line.split(",")[1]
    back = f"cb-1,{key},chargeback,50.00,CNY,2026-05-20T21:00:00,\n"
    file.write_text(HEAD + line + back)
    assert asked(url, file, "--patch") == 1
    assert "1 booked, 1 fees; 0 left" in capsys.readouterr().out
    with SqlStore(url) as store:
        found = {b.account.value: b.amount for b in store.trial_balance() if b.amount}
    assert (found["chargebacks"], found["channel_fees"]) == (5_000, 125)
    assert sum(found.values()) == 0
    assert asked(url, file) == 0


def test_columns_are_those_of_the_channel(
    shop: tuple[str, str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """A TOML document names the channel's columns and words; a wrong name is refused with those that are."""
    url, line, file = shop
    reference, key, *_ = line.split(",")
    file.write_text(f"txn;mine;what;sum\n{reference};{key};SALE;20763\n")
    columns = file.with_name("columns.toml")
    told = (
        'reference = "txn"\nkey = "mine"\nkind = "what"\namount = "sum"\ncurrency = ""\nfee = ""\n'
        'in_currency = "CNY"\nminor = true\ndelimiter = ";"\nat = "at"\n[kinds]\nSALE = "payment"\n'
    )
    columns.write_text(told)
    file.write_text(f"txn;mine;what;sum;at\n{reference};{key};SALE;20763;2026-05-20 20:00:00\n")
    assert asked(url, file, "--columns", str(columns)) == 0
    columns.write_text('tint = "x"\n')
    assert asked(url, file, "--columns", str(columns)) == 2
    assert "columns.toml.tint" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "path"),
    [
        (HEAD + "a,b,gift,1,CNY,2026-05-20,\n", "statement.csv[1].kind"),
        (HEAD + "a,b,payment,1.234,CNY,2026-05-20,\n", "statement.csv[1].amount"),
        ("", "statement.csv"),
    ],
)
def test_l24_a_bad_statement_names_its_place(
    shop: tuple[str, str, Path], text: str, path: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit 2, one line, the row and the column."""
    url, _, file = shop
    file.write_text(text)
    assert asked(url, file) == 2
    assert path in capsys.readouterr().err


def test_l24_a_file_that_is_not_there_is_an_error(
    shop: tuple[str, str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """Nor is one that is no text."""
    url, _, file = shop
    assert asked(url, file) == 2
    file.write_bytes(b"\xff\xfe\x00")
    assert asked(url, file) == 2
    assert capsys.readouterr().err.count("ordercore:") == 2


@pytest.mark.parametrize("day", ["9999-12-31", "0001-01-01", "9999-01-02"])
def test_l24_a_day_at_the_end_of_the_calendar_is_refused(
    shop: tuple[str, str, Path], day: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """It has no day after it, or none before it in another zone: one line, exit 2."""
    url, line, file = shop
    file.write_text(HEAD + line)
    assert asked(url, file, day=day) == 2
    assert "beyond the calendar" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("told", "path"),
    [
        ('delimiter = ";;"\n', "columns.toml.delimiter"),
        ('delimiter = ""\n', "columns.toml.delimiter"),
        ("zone = 5\n", "columns.toml.zone"),
        ('zone = "X/Y"\n', "columns.toml.zone"),
        ("[kinds]\nSALE = [1]\n", "columns.toml.kinds.SALE"),
        ("[kinds]\nSALE = {a = 1}\n", "columns.toml.kinds.SALE"),
        ("done = [[1]]\n", "columns.toml.done"),
        ('in_currency = "XQZ"\n', "columns.toml.in_currency"),
        ("kinds = " + "[" * 5_000 + "\n", "columns.toml"),
    ],
)
def test_l24_columns_that_cannot_be_name_their_field(
    shop: tuple[str, str, Path], told: str, path: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever stands in the document, exit 2 with the place in one line."""
    url, line, file = shop
    file.write_text(HEAD + line)
    columns = file.with_name("columns.toml")
    columns.write_text(told)
    assert asked(url, file, "--columns", str(columns)) == 2
    assert path in capsys.readouterr().err


def test_a_patch_over_another_gateway_books_nothing(
    shop: tuple[str, str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """A mistyped name of the gateway leaves all for people."""
    url, line, file = shop
    key = line.split(",")[1]
    file.write_text(HEAD + f"f-1,{key},fee,1.00,CNY,2026-05-20T21:00:00,\n")
    assert asked(url, file, "--patch", gateway="wechatt") == 0
    assert "0 booked, 0 fees; 1 left" in capsys.readouterr().out
