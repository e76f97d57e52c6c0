from __future__ import annotations

import gzip
import io
import json
import os
import pty
import sqlite3
import subprocess
import sys
from contextlib import closing, redirect_stdout
from datetime import UTC, date, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ordercore.adapters.memory import MemoryStore
from ordercore.cli import main, stores
from ordercore.cli.agenda import Agenda
from ordercore.cli.online_retail import region, vat_percent
from ordercore.cli.shopper import Intent, Pays, intent
from ordercore.cli.vat import COUNTRY_CODES, STANDARD, VOUCHER, uk_tax_policy
from ordercore.clock import SettableClock
from ordercore.ledger import Balance
from ordercore.money import Percent
from ordercore.party import Destination
from ordercore.timeout import TimerKey, TimerKind

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[2]
AUDIT = ROOT / "examples" / "audit.py"
HEADER = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country"

Out = pytest.CaptureFixture[str]
Row = tuple[str, str, int, datetime, str, str, str]


def at_once(means: Intent) -> bool:
    """A payment without delay and without a decline."""
    return means.pays is Pays.AT_ONCE and not means.again


def number_of(customer: str, pence: int, wanted: Callable[[Intent], bool]) -> str:
    """An invoice number whose shopper behaves as wanted; the hash decides, so it is searched."""
    first = int(customer) * 1_000  # no number twice
    numbers = (str(number) for number in range(first, first + 1_000))
    return next(number for number in numbers if wanted(intent(customer, number, pence)))


class Invoices:
    """The rows of a small file."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self._count = count(1)

    def sale(
        self,
        customer: str,
        at: datetime,
        goods: dict[str, tuple[int, str]],
        wanted: Callable[[Intent], bool] = at_once,
        country: str = "United Kingdom",
    ) -> str:
        """An invoice of {code: (units, price)}; gives its number."""
        pence = sum(units * int(price.replace(".", "")) for units, price in goods.values())
        number = number_of(customer, pence, wanted)
        for code, (units, price) in goods.items():
            self.rows.append((number, code, units, at, price, customer, country))
        return number

    def back(
        self,
        customer: str,
        at: datetime,
        goods: dict[str, tuple[int, str]],
        country: str = "United Kingdom",
    ) -> None:
        """A C invoice of {code: (units, price)}."""
        number = f"C{next(self._count)}"
        for code, (units, price) in goods.items():
            self.rows.append((number, code, -units, at, price, customer, country))

    def text(self) -> str:
        """The file."""
        lines = [HEADER]
        for number, code, units, at, price, customer, country in sorted(
            self.rows, key=lambda row: row[3]
        ):
            who = f"{customer}.0"
            lines.append(
                f"{number},{code},THING,{units},{at:%Y-%m-%d %H:%M:%S},{price},{who},{country}"
            )
        return "\n".join(lines) + "\n"


def on(day: str, clock: str = "12:00") -> datetime:
    """A moment."""
    return datetime.fromisoformat(f"{day} {clock}").replace(tzinfo=UTC)


GOODS = {"22156": (6, "0.85")}
DEAR = {"84029": (60, "8.00")}  # more than points and gift cards can pay
CARD = {"22156": (1, "6.00"), "POST": (1, "4.00")}


def year() -> Invoices:
    """One order for each thing that can happen to an order."""
    file = Invoices()
    # The old rate, a part given back after completion, then more than is left.
    file.sale("10001", on("2010-12-20"), {"22156": (6, "0.85"), "84029": (2, "3.39")})
    file.back("10001", on("2011-02-01"), {"22156": (2, "0.85")})
    file.back("10001", on("2011-02-02"), {"22156": (5, "0.85")})
    # The new rate, all of it given back after it left.
    file.sale("10002", on("2011-01-04"), GOODS)
    file.back("10002", on("2011-01-06"), GOODS)
    # Export, and a voucher.
    file.sale(
        "10003",
        on("2011-01-05"),
        {"22156": (10, "1.00"), "gift_0001_20": (1, "17.02")},
        country="Norway",
    )
    # Never paid; paid late; paid at the last moment; declined, then paid otherwise.
    file.sale("10004", on("2011-03-01"), GOODS, lambda m: m.pays is Pays.NEVER)
    file.back("10004", on("2011-03-09"), GOODS)
    file.sale("10005", on("2011-03-02"), GOODS, lambda m: m.pays is Pays.LATE)
    file.sale("10006", on("2011-03-03"), DEAR, lambda m: m.pays is Pays.LAST_MOMENT)
    file.sale("10007", on("2011-03-04"), DEAR, lambda m: m.pays is Pays.AT_ONCE and m.again != "")
    # Wanted back before it is paid: one means to pay, one never does.
    file.sale("10008", on("2011-04-01"), GOODS, lambda m: m.pays is Pays.LATE)
    file.back("10008", on("2011-04-01", "12:10"), {"22156": (1, "0.85")})
    file.sale("10009", on("2011-04-02"), GOODS, lambda m: m.pays is Pays.NEVER)
    file.back("10009", on("2011-04-02", "12:10"), {"22156": (1, "0.85")})
    # Wanted back before it leaves: as a whole, without its freight, in part.
    file.sale("10010", on("2011-05-01"), CARD)
    file.back("10010", on("2011-05-01", "12:05"), CARD)
    file.sale("10011", on("2011-05-02"), CARD)
    file.back("10011", on("2011-05-02", "12:05"), {"22156": (1, "6.00")})
    file.sale("10012", on("2011-05-03"), {"22156": (3, "6.00"), "POST": (2, "4.00")})
    file.back("10012", on("2011-05-03", "12:05"), {"22156": (1, "6.00")})
    # Freight: a part is refused, the rest of the invoice is not.
    file.back("10012", on("2011-05-20"), {"22156": (1, "6.00"), "POST": (1, "4.00")})
    # A wallet, whose refund arrives days later.
    file.sale(
        "10015", on("2011-06-01"), GOODS, lambda m: m.pays is Pays.AT_ONCE and m.channel == "wallet"
    )
    file.back("10015", on("2011-06-10"), GOODS)
    # A sale that a discount has lowered; no price; nothing to match.
    file.sale(
        "10014", on("2011-07-01"), {"22156": (6, "0.85"), "D": (-1, "1.00"), "21777": (1, "0.00")}
    )
    file.back("10014", on("2011-07-05"), {"22156": (1, "0.85")})
    file.back("10013", on("2011-08-01"), GOODS)
    return file


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the small file, its replay on SQLite, the report and the JSON."""
    folder = tmp_path_factory.mktemp("replay")
    (folder / "year.csv.gz").write_bytes(gzip.compress(year().text().encode()))
    code = main(
        ["replay", str(folder / "year.csv.gz"), "--store", f"sqlite:///{folder}/year.db",
         "--report", str(folder / "year.html"), "--json", str(folder / "year.json")]
    )  # fmt: skip
    assert code == 0
    return folder


def report(folder: Path) -> dict[str, Any]:
    """The JSON of the replay."""
    found: dict[str, Any] = json.loads((folder / "year.json").read_text("utf-8"))
    return found


def told(folder: Path, customer: str) -> dict[str, Any]:
    """The journal of the customer's only order."""
    with closing(sqlite3.connect(folder / "year.db")) as database:
        query = "SELECT number FROM ordercore_orders WHERE customer = ?"
        ((number,),) = database.execute(query, (customer,)).fetchall()
    with redirect_stdout(io.StringIO()) as out:
        assert main(["journal", number, "--json", "--store", f"sqlite:///{folder}/year.db"]) == 0
    journal: dict[str, Any] = json.loads(out.getvalue())
    return journal


def names(journal: dict[str, Any]) -> list[str]:
    """The journal's events, moves by their lifecycle event."""
    return [
        event["content"]["via"] if event["event"] == "order.moved" else event["event"]
        for event in journal["events"]
    ]


def audit(folder: Path, source: str = "year.csv.gz", store: str = "year.db") -> int:
    """The exit code of the independent check."""
    command = [
        sys.executable,
        str(AUDIT),
        str(folder / source),
        str(folder / "year.json"),
        str(folder / store),
    ]
    return subprocess.run(command, capture_output=True, check=False).returncode


# What happens to orders


def test_every_check_of_the_books_holds(lived: Path) -> None:
    """Trial balance, books against the file, gateways and tax against the books: no penny apart."""
    checks = report(lived)["checks"]
    assert len(checks) == 8
    assert [check for check in checks if not check["holds"]] == []
    assert sum(row["amount"] for row in report(lived)["trial_balance"]) == 0


def test_the_independent_audit_agrees(lived: Path) -> None:
    """A script that shares no code with the replay finds the same sums in file, JSON and database."""
    assert audit(lived) == 0


def test_a_penny_planted_in_the_database_is_found(lived: Path) -> None:
    """One entry a penny higher makes the audit fail."""
    with closing(sqlite3.connect(lived / "year.db")) as source:
        copy = sqlite3.connect(lived / "false.db")
        source.backup(copy)
    changed = copy.execute(
        "UPDATE ordercore_entries SET amount = amount + 1 WHERE order_id = 'ord_1' AND account_kind = 'revenue' AND amount < 0"
    )
    assert changed.rowcount == 1
    copy.commit()
    copy.close()
    assert audit(lived, store="false.db") == 1


def test_a_penny_planted_in_the_file_is_found(lived: Path) -> None:
    """A price a penny higher than the one that was replayed makes the audit fail."""
    text = gzip.decompress((lived / "year.csv.gz").read_bytes()).decode()
    (lived / "false.csv.gz").write_bytes(
        gzip.compress(text.replace(",0.85,", ",0.86,", 1).encode())
    )
    assert audit(lived, source="false.csv.gz") == 1


def test_an_unpaid_order_is_reminded_and_closed_by_its_timers(lived: Path) -> None:
    """Reminded 25 minutes after it was placed, closed after 30, and its cancellation matches nothing."""
    journal = told(lived, "10004")
    at = {event["event"]: event["at"][11:19] for event in journal["events"]}
    assert journal["state"] == "closed"
    assert (at["order.reminded"], at["order.moved"]) == ("12:25:00", "12:30:00")
    unmatched = report(lived)["audit"]["classes"]["goods"]["unmatched"]
    assert unmatched["order_closed"]["quantity"] == -7  # and the unit of the order canceled unpaid


def test_a_late_payer_pays_after_the_reminder(lived: Path) -> None:
    """The order was reminded, and paid before its deadline."""
    found = names(told(lived, "10005"))
    assert found.index("order.reminded") < found.index("pay")
    assert "close" not in found


def test_money_in_time_counts_though_the_news_is_late(lived: Path) -> None:
    """At the deadline the channel is asked before anything is closed, and says: paid."""
    journal = told(lived, "10006")
    paid = next(e for e in journal["events"] if e["event"] == "order.moved")
    assert (paid["content"]["via"], paid["at"][11:19]) == ("pay", "12:30:00")
    assert journal["state"] == "completed"


def test_after_a_decline_another_tender_takes_over(lived: Path) -> None:
    """Two payments were started; the first was declined, the second paid."""
    journal = told(lived, "10007")
    found = names(journal)
    states = [e["content"]["state"] for e in journal["events"] if e["event"] == "payment.answered"]
    assert found.count("payment.started") == 2
    assert "declined" in states
    assert journal["state"] == "completed"


def test_a_cancellation_before_a_payment_that_will_come_is_refunded(lived: Path) -> None:
    """The shopper pays first, and gets the unit back."""
    found = names(told(lived, "10008"))
    assert found.index("pay") < found.index("refund.requested") < found.index("accept")


def test_an_unpaid_order_that_is_wanted_no_more_is_canceled(lived: Path) -> None:
    """It is closed by the customer, ten minutes after it was placed."""
    journal = told(lived, "10009")
    assert (names(journal)[-1], journal["events"][-1]["by"]) == ("cancel", "customer:10009")


def test_a_whole_order_wanted_back_before_it_leaves_is_canceled(lived: Path) -> None:
    """All its money goes back, freight included, and it never ships."""
    journal = told(lived, "10010")
    assert journal["state"] == "closed"
    assert "ship" not in names(journal)
    assert "refund.answered" in names(journal)


def test_an_order_whose_freight_stays_leaves_before_its_goods_come_back(lived: Path) -> None:
    """The freight of a parcel that left is earned."""
    journal = told(lived, "10011")
    found = names(journal)
    assert found.index("ship") < found.index("refund.requested")
    assert journal["state"] == "completed"


def test_goods_wanted_back_before_they_leave_do_not_ship(lived: Path) -> None:
    """The unit is withdrawn, the others ship."""
    journal = told(lived, "10012")
    shipped = next(e for e in journal["events"] if e["event"] == "delivery.shipped")
    assert "delivery.withdrawn" in names(journal)
    assert [units for _, units in shipped["content"]["shipment"]["goods"]] == [2]


def test_a_part_of_the_freight_is_refused_and_counted(lived: Path) -> None:
    """The charge goes back as a whole or not at all; the row stands under its reason."""
    refused = report(lived)["audit"]["classes"]["freight"]["refused"]
    assert refused == {"engine_refused": {"rows": 1, "quantity": -1, "amount": -40_000}}


def test_a_wallet_refund_is_accepted_first_and_arrives_later(lived: Path) -> None:
    """The leg is answered twice, and the order is refunded when the money has arrived."""
    journal = told(lived, "10015")
    answers = [e for e in journal["events"] if e["event"] == "refund.answered"]
    assert [answer["content"]["status"] for answer in answers] == ["accepted", "arrived"]
    assert answers[0]["at"][:10] < answers[1]["at"][:10]
    assert journal["state"] == "refunded"


def test_tax_follows_day_place_and_kind(lived: Path) -> None:
    """17.5 % before 2011-01-04, 20 % from then on, nothing on exports and vouchers."""
    rates = {row["percent"]: row for row in report(lived)["tax"]}
    assert set(rates) == {"0", "17.5", "20"}
    assert rates["0"]["net"] == 1_000 + 1_702
    first = 6 * 85 + 2 * 339 - 6 * 85  # the first order, less what came back
    assert rates["17.5"]["net"] + rates["17.5"]["tax"] == first
    assert rates["17.5"]["tax"] == (678 * 175 + 587) // 1175


def test_what_is_left_out_stands_under_its_reason(lived: Path) -> None:
    """Free goods, a discounted sale's cancellation, and what no sale was found for."""
    goods = report(lived)["audit"]["classes"]["goods"]
    assert set(goods["refused"]) == {"zero_price", "engine_refused"}
    assert goods["unmatched"]["no_earlier_sale"]["quantity"] == -(1 + 6)
    assert report(lived)["engine_refused"] == {
        "refund: part of the freight": 1,
        "refund: the sale was discounted": 1,
    }


def test_the_moves_in_the_report_are_those_of_the_orders(lived: Path) -> None:
    """Each order has one first state and ends in the state that its moves lead to."""
    orders = report(lived)["orders"]
    into: dict[str, int] = {"pending_payment": orders["count"]}
    for move in orders["moves"]:
        into[move["to"]] = into.get(move["to"], 0) + move["count"]
        into[move["from"]] = into.get(move["from"], 0) - move["count"]
    assert {state: n for state, n in into.items() if n} == orders["by_state"]
    assert orders["count"] == 14


def test_the_report_stands_alone(lived: Path) -> None:
    """One page with five pictures that loads nothing and runs nothing."""
    page = (lived / "year.html").read_text("utf-8")
    assert page.count("<svg ") == 5
    assert "Every check of the books holds." in page
    for alien in ("<script", "src=", "@import", "<link"):
        assert alien not in page
    assert page.count("url(") == page.count("url(#")  # arrow heads within the picture
    assert "pay (12)" in page


# The command


def replay(tmp_path: Path, text: str, *options: str) -> int:
    """Replay a file in memory."""
    path = tmp_path / "file.csv"
    path.write_text(text, encoding="utf-8")
    return main(["replay", str(path), "--store", "memory://", *options])


def small() -> str:
    """A file of two orders."""
    file = Invoices()
    file.sale("10001", on("2011-02-01"), GOODS)
    file.sale("10002", on("2011-02-02"), GOODS)
    return file.text()


def test_the_same_file_is_always_lived_in_the_same_way(tmp_path: Path, capsys: Out) -> None:
    """Two replays of one file give the same JSON, but for time and memory."""
    text = small()
    found = []
    for _ in range(2):
        assert replay(tmp_path, text, "--json") == 0
        plain = json.loads(capsys.readouterr().out)
        del plain["milliseconds"], plain["peak_kib"]
        found.append(plain)
    assert found[0] == found[1]


def test_the_tables_end_with_checks_that_are_in_order(tmp_path: Path, capsys: Out) -> None:
    """In a pipe the tables are plain text, and nothing is on standard error."""
    assert replay(tmp_path, small()) == 0
    told = capsys.readouterr()
    assert told.err == ""
    checks = told.out.partition("Checks, GBP\n")[2].splitlines()
    assert len(checks) == 9
    assert all(line.endswith("  ok") for line in checks[1:])
    assert "Prices include UK VAT" in told.out


def test_limit_stops_after_so_many_invoices(tmp_path: Path, capsys: Out) -> None:
    """The rest of the file is not read."""
    assert replay(tmp_path, small(), "--limit", "1", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["invoices"], found["orders"]["count"]) == (1, 1)


def test_books_that_do_not_add_up_fail(
    tmp_path: Path, capsys: Out, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store that loses a penny makes the command exit with 1 and say where."""

    class Careless(MemoryStore):
        def trial_balance(self, order_id: str | None = None) -> tuple[Balance, ...]:
            first, *rest = super().trial_balance(order_id)
            return (Balance(first.account, first.detail, first.currency, first.amount + 1), *rest)

    monkeypatch.setattr(stores, "MemoryStore", Careless)
    assert replay(tmp_path, small(), "--report", str(tmp_path / "r.html")) == 1
    checks = capsys.readouterr().out.partition("Checks, GBP\n")[2]
    assert "trial balance 0.01 0.00 0.01 DIFFERS" in " ".join(checks.split())
    assert "The books do not add up." in (tmp_path / "r.html").read_text("utf-8")


def test_policies_of_the_host_steer_the_replay(tmp_path: Path, capsys: Out) -> None:
    """Rates of the given document are used; a category without one refuses the order, told with its code."""
    policies = tmp_path / "p.toml"
    policies.write_text('[pricing.tax]\nrates = [{ percent = "10" }]\n', encoding="utf-8")
    file = Invoices()
    file.sale("10001", on("2011-02-01"), GOODS)
    file.sale("10002", on("2011-02-02"), {"gift_0001_20": (1, "17.02")})
    assert replay(tmp_path, file.text(), "--policies", str(policies), "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert [row["percent"] for row in found["tax"]] == ["10"]
    assert found["engine_refused"] == {"place: invalid_cart": 1}
    assert found["audit"]["classes"]["vouchers"]["refused"]["engine_refused"]["rows"] == 1


def test_uk_rates_are_added_to_policies_without_rates(tmp_path: Path, capsys: Out) -> None:
    """A document about something else keeps UK VAT."""
    policies = tmp_path / "p.toml"
    policies.write_text('[timeouts]\nconfirm_after = "3 days"\n', encoding="utf-8")
    assert replay(tmp_path, small(), "--policies", str(policies), "--json") == 0
    assert [row["percent"] for row in json.loads(capsys.readouterr().out)["tax"]] == ["20"]


def test_a_store_that_holds_orders_is_refused(lived: Path, capsys: Out) -> None:
    """A second replay into the same store would mix two years."""
    arguments = ["replay", str(lived / "year.csv.gz"), "--store", f"sqlite:///{lived}/year.db"]
    assert main(arguments) == 2
    assert "the store holds orders already" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda packed: packed[:-20], "the compressed file ends too early"),
        (lambda packed: b"\x1f\x8b" + b"x" * 50, "cannot read the file"),
        (lambda packed: b"a,b\n", "the first line must name the columns"),
        (lambda packed: gzip.decompress(packed).replace(b"0.85", b"cheap"), "line 2.UnitPrice"),
    ],
)
def test_a_broken_file_is_refused_in_one_line(
    lived: Path, tmp_path: Path, capsys: Out, spoil: Callable[[bytes], bytes], told: str
) -> None:
    """A file cut short, packed wrongly, another table, a price that is none: exit code 2, one line."""
    path = tmp_path / "spoilt.csv.gz"
    path.write_bytes(spoil((lived / "year.csv.gz").read_bytes()))
    assert main(["replay", str(path), "--store", "memory://"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert told in line
    assert str(path) in line


def test_a_terminal_gets_a_progress_bar_and_tables_of_rich(tmp_path: Path) -> None:
    """On a terminal standard error shows the days go by, and tables are drawn."""
    path = tmp_path / "file.csv"
    path.write_text(small(), encoding="utf-8")
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "ordercore", "replay", str(path), "--store", "memory://"]
    run = subprocess.Popen(command, stdout=theirs, stderr=theirs, stdin=subprocess.DEVNULL)
    os.close(theirs)
    shown = b""
    while True:
        try:
            part = os.read(ours, 4096)
        except OSError:  # the other end is closed
            break
        if not part:
            break
        shown += part
    os.close(ours)
    assert run.wait(30) == 0
    assert b"replay" in shown
    assert "━".encode() in shown
    assert b"Orders by state" in shown


# The journal


def test_the_journal_tells_an_order_by_the_tail_of_its_number(lived: Path, capsys: Out) -> None:
    """``1`` finds OR-000001; its events are told in sentences, with the money that they moved."""
    assert main(["journal", "1", "--store", f"sqlite:///{lived}/year.db"]) == 0
    title, sums, zone, *lines = capsys.readouterr().out.splitlines()
    assert title == "Order OR-000001: Completed"
    assert sums.startswith("Total: £11.88, Due: £0.00, Paid: £11.88")
    assert zone == "Times: UTC"
    assert "1  2010-12-20 12:00:00  Customer 10001 (Place)" in lines
    assert "   “Pay” moved the order from “Pending payment” to “Paid”." in lines
    assert "   £1.70 is to go back: 2 × THING." in lines
    assert "   Refunded: £0.00 → £1.70" in lines


def test_the_journal_of_an_id_is_that_order(lived: Path, capsys: Out) -> None:
    """An id is looked up before any number."""
    url = f"sqlite:///{lived}/year.db"
    assert main(["journal", "ord_2", "--store", url, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["number"] == "OR-000002"


def test_an_unknown_order_is_told_in_one_line(lived: Path, capsys: Out) -> None:
    """No order has this number: exit code 2."""
    assert main(["journal", "987654", "--store", f"sqlite:///{lived}/year.db"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "order_not_found at ORDER: no order has the id or number '987654'" in line


# Its parts


@pytest.mark.parametrize("country", COUNTRY_CODES)
def test_the_tax_policy_says_what_the_table_of_the_file_says(country: str) -> None:
    """For every country and both sides of the change the rate is that of the table; vouchers have none."""
    policy = uk_tax_policy()
    policy.check()
    place = Destination(COUNTRY_CODES[country])
    for day in (date(2010, 12, 1), date(2011, 1, 3), date(2011, 1, 4), date(2011, 12, 9)):
        expected = Percent.of(vat_percent(region(country), day))
        assert policy.rate(STANDARD, place, day).percent == expected
        assert policy.rate(VOUCHER, place, day).percent == Percent(0)


def test_the_agenda_lives_things_in_order_of_time() -> None:
    """Deeds and timers come at their own moments; a timer that was moved comes once, where it is now."""
    start = on("2011-01-01")
    clock = SettableClock(start)
    agenda = Agenda(clock)
    seen: list[tuple[str, datetime]] = []
    key = TimerKey(TimerKind.CLOSE_UNPAID)
    minute = timedelta(minutes=1)
    agenda.at(start + 3 * minute, lambda: seen.append(("deed", clock.now())))
    agenda.set_timer("ord_1", key, start + minute)
    agenda.set_timer("ord_1", key, start + 2 * minute)
    agenda.set_timer("ord_2", key, start + 2 * minute)
    agenda.clear_timer("ord_2", key)
    agenda.at(start + 9 * minute, lambda: seen.append(("later", clock.now())))
    agenda.run(start + 5 * minute, lambda: seen.append(("sweep", clock.now())))
    assert seen == [("sweep", start + 2 * minute), ("deed", start + 3 * minute)]
    assert len(agenda) == 1


def test_intents_cover_what_shoppers_do() -> None:
    """Among a thousand orders each kind of shopper is met, and most pay at once."""
    means = [intent(str(c), str(n), 1_500) for c in range(100) for n in range(540_000, 540_010)]
    assert {m.pays for m in means} == set(Pays)
    assert {m.channel for m in means} == {"card", "credit", "wallet"}
    assert sum(m.pays is Pays.AT_ONCE for m in means) > 850
    assert 20 < sum(bool(m.again) for m in means) < 100
