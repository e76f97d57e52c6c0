from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from itertools import count, product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import create_engine
from tests.adapters.postgres import Server
from tests.engine.world import FOUR, STAFF, World

from ordercore import Manifest
from ordercore.adapters.sql import (
    Lot,
    MovementKind,
    Side,
    SideTotal,
    SqlAccounts,
    SqlStore,
    Statement,
)
from ordercore.clock import SettableClock
from ordercore.codec import micros
from ordercore.errors import (
    AmountTooLarge,
    GatewayError,
    GatewayTimeout,
    InvalidInput,
    KeyReused,
    NewerDocument,
    NotFound,
    OrdercoreError,
    StoreError,
    UnknownCurrency,
)
from ordercore.money import MINOR_MAX
from ordercore.ports import CreditGateway, PaymentGateway
from ordercore.tender import (
    ChargeRequest,
    CreditRequest,
    Failure,
    OutcomeStatus,
    RefundRequest,
    RefundStatus,
    TenderKind,
)
from ordercore.testing import START
from ordercore.testing.contracts.gateway import PaymentGatewayContract

DAY = timedelta(days=1)
CARD = "GC-4711-0815"
BOOKS = count(1)
"""Books do not see each other, so that each test has one of its own in a database of many."""


@pytest.fixture(scope="session")
def file_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqlStore]:
    """A store on a file."""
    path = tmp_path_factory.mktemp("accounts") / "orders.db"
    with SqlStore(f"sqlite:///{path}", synchronous="NORMAL") as store:
        yield store


@pytest.fixture(scope="session")
def server_store(postgres: Server) -> Iterator[SqlStore]:
    """A store on a server."""
    with SqlStore(postgres.url(), connections=20) as store:
        yield store


@pytest.fixture(scope="session", params=["file_store", "server_store"])
def store(request: pytest.FixtureRequest) -> SqlStore:
    """A store on either database."""
    found: SqlStore = request.getfixturevalue(request.param)
    return found


def accounts(
    where: SqlStore | str, kind: TenderKind = TenderKind.BALANCE, **options: Any
) -> SqlAccounts:
    """A new book, at noon."""
    name = options.pop("name", f"book-{next(BOOKS)}")
    clock = options.pop("clock", None) or SettableClock(START)
    return SqlAccounts(where, kind=kind, name=name, clock=clock, **options)


@pytest.fixture
def balance(store: SqlStore) -> SqlAccounts:
    """Balances that are charged at once; Ada has 10.00 until tomorrow, 20.00 for ever, 30.00 for a week."""
    return filled(accounts(store))


@pytest.fixture
def held(store: SqlStore) -> SqlAccounts:
    """The same, held first."""
    return filled(accounts(store, holds=True))


def filled(book: SqlAccounts) -> SqlAccounts:
    """Give Ada her three lots."""
    book.open("ada", "EUR", "ada")
    book.grant("ada", 1_000, START + DAY, key="tomorrow")
    book.grant("ada", 2_000, key="ever")
    book.grant("ada", 3_000, START + 7 * DAY, key="week")
    return book


def charge(amount: int = 2_500, key: str = "o/1", **fields: Any) -> ChargeRequest:
    """A charge of Ada's balance."""
    fields = {"account": "ada", "customer": "ada", "currency": "EUR", **fields}
    return ChargeRequest(key, "o", amount, **fields)


def back(amount: int, key: str = "o/r1#0", of: str = "o/1", **fields: Any) -> RefundRequest:
    """A refund of Ada's charge."""
    return RefundRequest(key, of, "", amount, fields.pop("currency", "EUR"), **fields)


def gift(amount: int = 500, key: str = "o/c1", **fields: Any) -> CreditRequest:
    """A credit to Ada's balance."""
    fields = {"account": "ada", "customer": "ada", "currency": "EUR", **fields}
    return CreditRequest(key, "o", amount=amount, **fields)


def lots(book: SqlAccounts, account: str = "ada") -> dict[str, int]:
    """What is left of which lot."""
    return {lot.key: lot.remaining for lot in book.statement(account).lots}


def clock_of(book: SqlAccounts) -> SettableClock:
    """The clock of a book."""
    assert isinstance(book._clock, SettableClock)
    return book._clock


def check(book: SqlAccounts) -> None:
    """The laws of the ledger: nothing is lost, nothing is overdrawn, and three records say the same."""

    def rows(sql: str) -> list[Any]:
        sql = sql.format(book=f"book = '{book.name}'")
        return book._read(sql.replace("FROM ", "FROM ordercore_"))

    totals: dict[str, int] = {}
    for total in book.trial_balance():
        totals[total.currency] = totals.get(total.currency, 0) + total.units
    assert not any(totals.values()), "L9: the sides sum to zero"
    odd = rows(
        "SELECT number FROM account_entries WHERE {book} GROUP BY account, number"
        " HAVING SUM(units) <> 0 OR COUNT(*) <> 2"
    )
    assert odd == [], "L9: each movement is two entries that sum to zero"
    takes: dict[tuple[str, int], list[int]] = {}
    taken = rows(
        "SELECT c.account, t.lot, t.held, t.spent, t.returned, c.units, t.key, c.captured,"
        " c.amount, c.refunded FROM account_takes t JOIN ordercore_account_charges c"
        " ON c.book = t.book AND c.key = t.key WHERE t.{book}"
    )
    whole: dict[str, int] = {}
    for account, lot, kept, spent, returned, units, key, captured, amount, refunded in taken:
        assert min(kept, spent, returned) >= 0
        assert 0 <= refunded <= captured <= amount, "L8: no more goes back than was captured"
        whole[key] = whole.get(key, -units) + kept + spent + returned
        found = takes.setdefault((account, lot), [0, 0])
        found[0], found[1] = found[0] + kept, found[1] + spent
    assert not any(whole.values()), "what a charge took is held, spent or returned"
    lapsed = {
        (account, key): int(units)
        for account, key, units in rows(
            "SELECT m.account, m.key, SUM(e.units) FROM account_moves m"
            " JOIN ordercore_account_entries e ON e.book = m.book AND e.account = m.account"
            " AND e.number = m.number WHERE m.{book} AND m.kind = 'expired' AND e.line = 1"
            " GROUP BY m.account, m.key"
        )
    }
    sums: dict[str, list[int]] = {}
    for account, lot, key, granted, remaining in rows(
        "SELECT account, lot, key, granted, remaining FROM account_lots WHERE {book}"
    ):
        kept, spent = takes.get((account, lot), [0, 0])
        gone = lapsed.get((account, key), 0)
        assert 0 <= remaining <= granted, "no lot is overdrawn or overfilled"
        assert granted == remaining + kept + spent + gone, "L9: a lot's units are somewhere"
        found = sums.setdefault(account, [0, 0, 0, 0, 0])
        for i, part in enumerate((remaining, kept, spent, -granted, gone)):
            found[i] += part
    for (account,) in rows("SELECT account FROM accounts WHERE {book}"):
        told = book.statement(account)
        sides = {total.side: total.units for total in book.trial_balance(account)}
        order = (Side.ACCOUNT, Side.HELD, Side.SPENT, Side.ISSUED, Side.EXPIRED)
        assert [sides.get(side, 0) for side in order] == sums.get(account, [0] * 5)
        assert (told.balance, told.held) == tuple(sums.get(account, [0, 0])[:2])
        if told.movements:
            assert told.movements[-1].balance == told.balance
        assert 0 <= book.available(account, told.currency) <= told.balance


# --- The contract -------------------------------------------------------------------------------


class AccountsContract(PaymentGatewayContract):
    """The contract of gateways, over accounts in a file."""

    currency = "EUR"
    kind = TenderKind.BALANCE
    holds = False
    store: SqlStore

    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def _database(cls, file_store: SqlStore) -> None:
        cls.store = file_store

    def points(self, amount: int) -> int:
        """Ten minor units a point, where the account has points."""
        return amount // 10 if self.kind is TenderKind.POINTS else 0

    def make_gateway(self) -> PaymentGateway:
        """Two lots make up what the account has."""
        book = accounts(self.store, self.kind, holds=self.holds)
        units = self.points(50_000) or 50_000
        book.open(self.account, "EUR")
        book.grant(self.account, 700, START + DAY, key="soon")
        book.grant(self.account, units - 700, key="ever")
        return book

    def notification(self, gateway: PaymentGateway, request: ChargeRequest) -> None:
        """Accounts send none."""

    def close_gateway(self, gateway: PaymentGateway) -> None:
        """Whatever the contract did, the ledger is right."""
        assert isinstance(gateway, SqlAccounts)
        check(gateway)


class OnServer(AccountsContract):
    """The same on a server."""

    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def _database(cls, server_store: SqlStore) -> None:
        cls.store = server_store


class TestPointsInAFile(AccountsContract):
    """Points, taken at once."""

    kind = TenderKind.POINTS


class TestHeldPointsInAFile(TestPointsInAFile):
    """Points, held first."""

    holds = True


class TestBalanceInAFile(AccountsContract):
    """A balance, taken at once."""


class TestHeldBalanceInAFile(AccountsContract):
    """A balance, held first."""

    holds = True


class TestCardInAFile(AccountsContract):
    """A stored-value card, taken at once."""

    kind = TenderKind.STORED_VALUE
    account = CARD


class TestHeldPointsOnAServer(OnServer):
    """Points, held first."""

    kind = TenderKind.POINTS
    holds = True


class TestBalanceOnAServer(OnServer):
    """A balance, taken at once."""


class TestHeldCardOnAServer(OnServer):
    """A stored-value card, held first."""

    kind = TenderKind.STORED_VALUE
    holds = True
    account = CARD


# --- Lots ---------------------------------------------------------------------------------------


def test_a_charge_takes_of_the_lots_that_end_first(balance: SqlAccounts) -> None:
    """Tomorrow's first, then the week's; what never ends comes last."""
    assert balance.authorize(charge(2_500)).status is OutcomeStatus.CAPTURED
    assert lots(balance) == {"week": 1_500, "ever": 2_000}
    assert balance.authorize(charge(2_000, "o/2")).status is OutcomeStatus.CAPTURED
    assert lots(balance) == {"ever": 1_500}
    check(balance)


def test_of_lots_that_end_together_the_older_goes_first(store: SqlStore) -> None:
    """The order of granting decides where the ends do not."""
    book = accounts(store)
    book.open("ada", "EUR", "ada")
    for key in ("a", "b", "c"):
        book.grant("ada", 100, START + DAY, key=key)
    book.authorize(charge(150))
    assert lots(book) == {"b": 50, "c": 100}


def test_a_refund_goes_back_to_the_same_lots_the_latest_end_first(balance: SqlAccounts) -> None:
    """Of 10.00 of tomorrow and 15.00 of the week, the week's come back first, and no other lot gets any."""
    balance.authorize(charge(2_500))
    balance.refund(back(400))
    assert lots(balance) == {"week": 1_900, "ever": 2_000}
    balance.refund(back(1_300, "o/r2#0"))
    assert lots(balance) == {"tomorrow": 200, "week": 3_000, "ever": 2_000}
    balance.refund(back(800, "o/r3#0"))
    assert lots(balance) == {"tomorrow": 1_000, "week": 3_000, "ever": 2_000}
    assert balance.available("ada", "EUR") == 6_000
    check(balance)


def test_what_has_ended_pays_for_nothing_booked_or_not(balance: SqlAccounts) -> None:
    """A lot is gone at its very end, and the sweep only writes it down, once."""
    clock_of(balance).advance(DAY - timedelta(microseconds=1))
    assert balance.available("ada", "EUR") == 6_000
    clock_of(balance).advance(timedelta(microseconds=1))
    assert balance.available("ada", "EUR") == 5_000
    assert balance.authorize(charge(5_001)).status is OutcomeStatus.DECLINED
    assert balance.statement("ada").balance == 6_000
    now = clock_of(balance).now()
    assert [balance.expire(now), balance.expire(now)] == [1, 0]
    told = balance.statement("ada")
    assert told.balance == balance.available("ada", "EUR") == 5_000
    last = told.movements[-1]
    assert (last.kind, last.units, last.change) == (MovementKind.EXPIRED, 1_000, -1_000)
    assert last.key == "tomorrow"
    check(balance)


def test_a_sweep_books_so_many_lots_and_the_longest_past_first(store: SqlStore) -> None:
    """Over all accounts of the book, and of no other book."""
    book, other = accounts(store), accounts(store)
    for each in (book, other):
        for name in ("ada", "bob"):
            each.open(name, "EUR")
            for days in (1, 2, 3):
                each.grant(name, 10, START + days * DAY, key=f"{name}{days}")
        clock_of(each).advance(2 * DAY)
    now = START + 2 * DAY
    assert book.expire(now, 3) == 3
    assert (lots(book, "ada"), lots(book, "bob")) == ({"ada3": 10, "ada2": 10}, {"bob3": 10}) or (
        lots(book, "ada"),
        lots(book, "bob"),
    ) == ({"ada3": 10}, {"bob3": 10, "bob2": 10})
    assert [book.expire(now, 3), book.expire(now, 3)] == [1, 0]
    assert (lots(book, "ada"), lots(book, "bob")) == ({"ada3": 10}, {"bob3": 10})
    assert len(lots(other)) == 3
    for limit in (0, 10_001):
        with pytest.raises(InvalidInput):
            book.expire(now, limit)
    check(book)


def test_what_goes_back_to_an_ended_lot_is_good_for_the_grace(balance: SqlAccounts) -> None:
    """Seven days from the refund; what the lot had left at its end stays lapsed."""
    balance.authorize(charge(600))
    clock_of(balance).advance(3 * DAY)
    balance.refund(back(250))
    lot = balance.statement("ada").lots[1]
    assert (lot.key, lot.remaining, lot.expires_at) == ("tomorrow", 250, START + 10 * DAY)
    assert balance.available("ada", "EUR") == 5_250
    check(balance)
    clock_of(balance).advance(2 * DAY)
    balance.refund(back(350, "o/r2#0"))
    lot = balance.statement("ada").lots[1]
    assert (lot.remaining, lot.expires_at) == (600, START + 12 * DAY)
    clock_of(balance).set(START + 12 * DAY)
    assert balance.available("ada", "EUR") == 2_000
    assert balance.expire(START + 12 * DAY) == 2
    assert balance.statement("ada").movements[-1].kind is MovementKind.EXPIRED
    check(balance)


@pytest.mark.parametrize("holds", [True, False], ids=["held", "taken"])
def test_a_void_gives_an_ended_lot_the_same_grace(store: SqlStore, holds: bool) -> None:
    """A charge that outlives its lot comes back usable, whether it was held or taken."""
    book = filled(accounts(store, holds=holds))
    book.authorize(charge(1_000))
    clock_of(book).advance(2 * DAY)
    book.void(charge(1_000))
    ends = {lot.key: lot.expires_at for lot in told(book).lots}
    assert ends["tomorrow"] == START + 9 * DAY
    assert book.available("ada", "EUR") == 6_000
    check(book)


def test_a_lot_that_got_a_grace_since_the_sweep_looked_is_left_alone(balance: SqlAccounts) -> None:
    """The sweep looks again under the account's lock."""
    balance.authorize(charge(600))
    now = clock_of(balance).advance(3 * DAY)
    seen = balance._read(balance._sql.due, (balance.name, micros(now), 10))
    balance.refund(back(600))
    assert [lot for _, lot in seen] == [1]
    assert balance._write(balance._expire, ("ada", [1], micros(now))) == 0
    assert balance.available("ada", "EUR") == 5_600
    check(balance)


def test_the_grace_is_the_hosts_to_set(store: SqlStore) -> None:
    """Without any, what goes back to an ended lot is lapsed at once; one below zero is refused."""
    book = filled(accounts(store, grace=timedelta(0)))
    book.authorize(charge(600))
    clock_of(book).advance(3 * DAY)
    assert book.refund(back(600)).status is RefundStatus.ARRIVED
    assert book.available("ada", "EUR") == 5_000
    assert book.expire(clock_of(book).now()) == 1
    check(book)
    with pytest.raises(InvalidInput):
        accounts(store, grace=-DAY)


# --- Holds --------------------------------------------------------------------------------------


def test_a_void_frees_exactly_the_lots_that_were_held(held: SqlAccounts) -> None:
    """While it is held nobody else has it; afterwards each lot is as it was."""
    before = held.statement("ada").lots
    outcome = held.authorize(charge(2_500))
    assert (outcome.status, outcome.amount) == (OutcomeStatus.AUTHORIZED, 2_500)
    assert held.available("ada", "EUR") == 3_500
    assert held.authorize(charge(3_501, "o/2")).status is OutcomeStatus.DECLINED
    told = held.statement("ada")
    assert (told.balance, told.held) == (3_500, 2_500)
    check(held)
    assert held.void(charge(2_500)).status is OutcomeStatus.VOIDED
    assert held.statement("ada").lots == before
    assert held.statement("ada").held == 0
    check(held)


def test_what_is_held_does_not_lapse(held: SqlAccounts) -> None:
    """The lot ends while it is held, and the capture takes it all the same."""
    held.authorize(charge(1_000))
    clock_of(held).advance(2 * DAY)
    assert held.expire(clock_of(held).now()) == 0
    assert held.capture(charge(1_000)).status is OutcomeStatus.CAPTURED
    assert SideTotal(Side.SPENT, "EUR", 1_000) in held.trial_balance("ada")
    check(held)


def test_captures_in_parts_follow_one_another(held: SqlAccounts) -> None:
    """Each is named by what was captured before; asked again it moves nothing; the final one frees the rest."""
    held.authorize(charge(2_500))
    first = charge(700, final=False)
    second = charge(900, captured=700)
    for _ in range(2):
        outcome = held.capture(first)
        assert (outcome.status, outcome.amount) == (OutcomeStatus.CAPTURED, 700)
    assert held.statement("ada").held == 1_800
    for _ in range(2):
        outcome = held.capture(second)
        assert (outcome.status, outcome.amount) == (OutcomeStatus.CAPTURED, 1_600)
    assert held.statement("ada").held == 0
    assert lots(held) == {"week": 2_400, "ever": 2_000}
    assert held.lookup(charge()).amount == 1_600
    assert held.refund(back(1_601)).status is RefundStatus.FAILED
    check(held)
    assert held.void(charge()).status is OutcomeStatus.VOIDED
    assert lots(held) == {"tomorrow": 1_000, "week": 3_000, "ever": 2_000}
    check(held)


def test_a_final_capture_of_nothing_lets_go_of_the_rest(held: SqlAccounts) -> None:
    """After a capture that was not the last, nothing more may come."""
    held.authorize(charge(2_500))
    with pytest.raises(GatewayError):
        held.capture(charge(0))
    held.capture(charge(700, final=False))
    assert held.capture(charge(0, captured=700)).amount == 700
    assert (held.statement("ada").held, held.available("ada", "EUR")) == (0, 5_300)
    check(held)


@pytest.mark.parametrize(
    "wrong",
    [
        charge(1_801, captured=700),
        charge(800, captured=600),
        charge(600, captured=0),
        charge(100, captured=800),
        charge(0, captured=700, final=False),
    ],
    ids=["more than is held", "a gap", "another first", "ahead", "nothing"],
)
def test_a_capture_that_does_not_follow_moves_nothing(
    held: SqlAccounts, wrong: ChargeRequest
) -> None:
    """After 7.00 of 25.00 the next is named by 7.00, and takes at most 18.00."""
    held.authorize(charge(2_500))
    held.capture(charge(700, final=False))
    before = told(held)
    with pytest.raises(GatewayError):
        held.capture(wrong)
    assert told(held) == before


def test_points_are_captured_and_refunded_as_points(store: SqlStore) -> None:
    """The account moves by points, whatever they are worth; both figures bound what goes back."""
    book = accounts(store, TenderKind.POINTS, holds=True)
    book.open("ada", owner="ada")
    book.grant("ada", 300, key="g")
    assert book.authorize(charge(2_000, points=200)).amount == 2_000
    assert book.capture(charge(1_500, points=150)).amount == 1_500
    assert lots(book) == {"g": 150}
    assert book.refund(back(500, points=151)).status is RefundStatus.FAILED
    assert book.refund(back(1_501, "o/r2#0", points=1)).status is RefundStatus.FAILED
    assert book.refund(back(500, "o/r3#0", points=50)).status is RefundStatus.ARRIVED
    assert book.refund(back(3, "o/r4#0", points=0)).status is RefundStatus.ARRIVED
    assert lots(book) == {"g": 200}
    assert book.available("ada", "EUR") == book.available("ada", "CNY") == 200
    check(book)


@pytest.mark.parametrize(
    ("amount", "points"), [(1_501, 100), (1_000, 151)], ids=["too much money", "too many points"]
)
def test_points_are_captured_within_both_figures(store: SqlStore, amount: int, points: int) -> None:
    """A capture above what was authorized, in money or in points, moves nothing."""
    book = accounts(store, TenderKind.POINTS, holds=True)
    book.open("ada", owner="ada")
    book.grant("ada", 300, key="g")
    book.authorize(charge(2_000, points=200))
    book.capture(charge(500, points=50, final=False))
    before = told(book)
    with pytest.raises(GatewayError):
        book.capture(charge(amount, points=points, captured=500))
    assert told(book) == before


# --- Who may charge what ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"account": "eve"}, "no such account"),
        ({"customer": "eve"}, "another customer's"),
        ({"customer": ""}, "another customer's"),
        ({"currency": "USD"}, "in EUR, not in USD"),
        ({"amount": 6_001}, "not enough"),
    ],
)
def test_a_charge_that_is_not_due_is_declined_for_good(
    balance: SqlAccounts, wrong: dict[str, Any], why: str
) -> None:
    """It is the customer's to mend, with another attempt: the key stays declined."""
    before = told(balance)
    outcome = balance.authorize(charge(**wrong))
    assert (outcome.status, outcome.failure) == (OutcomeStatus.DECLINED, Failure.DECLINED)
    assert why in outcome.reason
    assert balance.authorize(charge(**wrong)) == balance.lookup(charge()) == outcome
    assert balance.void(charge()).status is OutcomeStatus.DECLINED
    assert told(balance) == before
    assert balance.authorize(charge(key="o/2")).status is OutcomeStatus.CAPTURED


def test_a_card_pays_for_whoever_holds_its_number(store: SqlStore) -> None:
    """The owner is only who bought it. Frozen it pays nobody, and what comes back waits."""
    book = accounts(store, TenderKind.STORED_VALUE)
    book.open(CARD, "EUR", "ada")
    book.grant(CARD, 1_000, key="sold")
    mine, theirs = (charge(300, f"o/{n}", account=CARD, customer=n) for n in ("ada", "bob"))
    for request in (mine, theirs):
        assert book.authorize(request).status is OutcomeStatus.CAPTURED
    book.freeze(CARD)
    assert book.available(CARD, "EUR") == 0
    late = charge(100, "o/late", account=CARD)
    assert "frozen" in book.authorize(late).reason
    assert book.refund(back(300, of="o/bob")).status is RefundStatus.ARRIVED
    assert book.credit(gift(50, account=CARD)).status is RefundStatus.ARRIVED
    assert book.statement(CARD).frozen
    assert book.available(CARD, "EUR") == 0
    book.unfreeze(CARD)
    assert book.available(CARD, "EUR") == 750
    for change in (book.freeze, book.unfreeze):
        with pytest.raises(NotFound):
            change("GC-0")
    check(book)


def test_the_number_of_a_card_stands_in_no_answer(store: SqlStore) -> None:
    """Neither in a reference, nor in a reason, nor in an error, nor in what a statement shows."""
    book = accounts(store, TenderKind.STORED_VALUE)
    said: list[object] = []
    for work in (
        lambda: book.grant(CARD, 5, key="g"),
        lambda: book.freeze(CARD),
        lambda: book.statement(CARD),
        lambda: book.open(CARD),
        lambda: book.open(CARD, "EUR"),
        lambda: book.open(CARD, "USD"),
        lambda: book.grant(CARD, 500, key="g"),
        lambda: book.statement(CARD),
        lambda: book.authorize(charge(300, account=CARD)),
        lambda: book.authorize(charge(400, account=CARD)),
        lambda: book.authorize(charge(400, "o/2", account=CARD)),
        lambda: book.authorize(charge(400, "o/3", account=f"{CARD}\0")),
        lambda: book.refund(back(100)),
        lambda: book.credit(gift(account=f"{CARD}-X")),
    ):
        try:
            said.append(work())
        except OrdercoreError as error:
            said.append((str(error), error.data))
    assert len(said) == 14
    assert CARD not in repr(said)


def test_books_do_not_see_each_other(store: SqlStore) -> None:
    """The same account and the same keys under two names are two accounts and two charges."""
    one, two = filled(accounts(store)), filled(accounts(store))
    one.authorize(charge(2_500))
    assert (one.available("ada", "EUR"), two.available("ada", "EUR")) == (3_500, 6_000)
    assert two.lookup(charge()).status is OutcomeStatus.UNKNOWN
    assert two.authorize(charge(6_000)).status is OutcomeStatus.CAPTURED
    check(one)
    check(two)


# --- Keys ---------------------------------------------------------------------------------------


def told(book: SqlAccounts) -> Statement:
    """All that an account's statement says."""
    return book.statement("ada")


@pytest.mark.parametrize(
    "other",
    [{"amount": 2_501}, {"account": "bob"}, {"currency": "USD"}],
    ids=["amount", "account", "currency"],
)
def test_l7_a_key_with_another_charge_is_refused(
    balance: SqlAccounts, other: dict[str, Any]
) -> None:
    """Nothing is moved, and the first charge stands."""
    outcome = balance.authorize(charge())
    before = told(balance)
    with pytest.raises(GatewayError):
        balance.authorize(charge(**other))
    assert told(balance) == before
    assert balance.authorize(charge()) == balance.lookup(charge()) == outcome


def test_l7_a_key_of_a_refund_or_a_credit_stands_for_one_thing(balance: SqlAccounts) -> None:
    """Another amount, another charge, another account or the other kind is refused, and nothing is moved."""
    balance.authorize(charge())
    balance.authorize(charge(100, "o/2"))
    first = balance.refund(back(500))
    credited = balance.credit(gift(50))
    before = told(balance)
    for wrong in (back(501), back(500, of="o/2"), back(50, "o/c1")):
        with pytest.raises(GatewayError):
            balance.refund(wrong)
    for other in (gift(51), gift(50, account="bob"), gift(500, "o/r1#0")):
        with pytest.raises(GatewayError):
            balance.credit(other)
    assert balance.refund(back(500)) == balance.lookup_refund(back(500)) == first
    assert balance.credit(gift(50)) == balance.lookup_refund(back(50, "o/c1")) == credited
    assert told(balance) == before
    check(balance)


@pytest.mark.parametrize(
    "wrong",
    [
        {"amount": 0},
        {"amount": -1},
        {"amount": 10.0},
        {"amount": True},
        {"amount": MINOR_MAX + 1},
        {"points": -1},
        {"key": ""},
        {"key": "a\0b"},
        {"customer": "\ud800"},
    ],
    ids=repr,
)
def test_a_call_that_makes_no_sense_moves_nothing(
    balance: SqlAccounts, wrong: dict[str, Any]
) -> None:
    """No whole number of units, or a text that no database keeps: an error that says nothing was moved."""
    before = told(balance)
    for ask, request in ((balance.authorize, charge(**wrong)), (balance.credit, gift(**wrong))):
        with pytest.raises(GatewayError):
            ask(request)  # type: ignore[operator]
    assert told(balance) == before


def test_a_look_under_a_text_that_is_none_is_an_error(balance: SqlAccounts) -> None:
    """No database finds half of a pair of surrogates."""
    with pytest.raises(GatewayError):
        balance.lookup(charge(key="\ud800"))
    with pytest.raises(GatewayError):
        balance.available("\ud800", "EUR")


def test_a_refund_in_another_currency_fails(balance: SqlAccounts) -> None:
    """A refund of nothing is an error; one of a declined charge fails."""
    balance.authorize(charge())
    assert "not in USD" in balance.refund(back(100, currency="USD")).reason
    with pytest.raises(GatewayError):
        balance.refund(back(0, "o/r2#0"))
    balance.authorize(charge(9_000, "o/2"))
    assert balance.refund(back(100, "o/r3#0", "o/2")).status is RefundStatus.FAILED


# --- Credits and grants -------------------------------------------------------------------------


def test_a_credit_is_a_lot_of_its_own_once_a_key(balance: SqlAccounts) -> None:
    """It lasts for ever unless the host says otherwise, and its movement names the order."""
    assert isinstance(balance, CreditGateway)
    assert balance.capabilities.credits
    first = balance.credit(gift(500, reason="sorry"))
    assert first.status is RefundStatus.ARRIVED
    assert balance.credit(gift(500, reason="sorry")) == first
    last = told(balance).movements[-1]
    assert (last.kind, last.change, last.order_id, last.reason) == (
        MovementKind.CREDITED, 500, "o", "sorry",
    )  # fmt: skip
    assert [lot.expires_at for lot in told(balance).lots if lot.key == "o/c1"] == [None]
    check(balance)


@pytest.mark.parametrize(
    "wrong",
    [
        {"account": "bob"},
        {"customer": "eve"},
        {"currency": "USD"},
        {"amount": MINOR_MAX},
    ],
    ids=["unknown", "another's", "currency", "too much"],
)
def test_a_credit_that_cannot_arrive_fails_for_good(
    balance: SqlAccounts, wrong: dict[str, Any]
) -> None:
    """It is said once and for ever, also when the account is there later."""
    outcome = balance.credit(gift(**wrong))
    assert outcome.status is RefundStatus.FAILED
    assert outcome.reason
    balance.open("bob", "EUR")
    assert balance.credit(gift(**wrong)) == outcome
    assert balance.available("bob", "EUR") == 0
    assert balance.available("ada", "EUR") == 6_000


def test_the_first_credit_opens_a_customers_own_account(store: SqlStore) -> None:
    """A refund to balance needs no account before it; a card is never opened that way."""
    clock = SettableClock(START)
    book = accounts(store, credits_last=30 * DAY, clock=clock)
    assert book.credit(gift(500)).status is RefundStatus.ARRIVED
    said = told(book)
    assert (said.currency, said.owner, said.balance) == ("EUR", "ada", 500)
    assert said.lots[0].expires_at == START + 30 * DAY
    points = accounts(store, TenderKind.POINTS)
    assert points.credit(gift(500, points=50)).status is RefundStatus.ARRIVED
    assert (told(points).currency, told(points).balance) == ("", 50)
    card = accounts(store, TenderKind.STORED_VALUE)
    assert card.credit(gift(500)).status is RefundStatus.FAILED
    for never in (timedelta(0), -DAY):
        with pytest.raises(InvalidInput):
            accounts(store, credits_last=never)


def test_a_grant_is_made_once_a_key(balance: SqlAccounts) -> None:
    """Asked again it tells the lot as it stands; with other terms the key is refused."""
    lot = balance.grant("ada", 100, START + DAY, key="g", reason="welcome")
    assert lot == Lot(4, 100, 100, START + DAY, "g")
    balance.authorize(charge(1_050))
    assert balance.grant("ada", 100, START + DAY, key="g") == Lot(4, 100, 50, START + DAY, "g")
    balance.open("bob", "EUR")
    for other in (("ada", 101, START + DAY), ("ada", 100, None), ("bob", 100, START + DAY)):
        with pytest.raises(KeyReused):
            balance.grant(*other, key="g")
    check(balance)


def test_a_grant_that_cannot_be_is_refused(balance: SqlAccounts) -> None:
    """An unknown account, no units, an end that has passed or names no moment, too much, no key."""
    before = told(balance)
    naive = datetime(2030, 1, 1)  # noqa: DTZ001 - it is refused
    for error, call in (
        (NotFound, ("eve", 100, None)),
        (InvalidInput, ("ada", 0, None)),
        (InvalidInput, ("ada", 1.5, None)),
        (InvalidInput, ("ada", 100, START)),
        (InvalidInput, ("ada", 100, naive)),
        (AmountTooLarge, ("ada", MINOR_MAX, None)),
    ):
        with pytest.raises(error):
            balance.grant(*call, key="g")  # type: ignore[arg-type]
    with pytest.raises(InvalidInput):
        balance.grant("ada", 100, key="")
    assert told(balance) == before


def test_an_account_is_opened_once(balance: SqlAccounts) -> None:
    """The same again is the same; another currency or owner is refused, and only points do without a currency."""
    balance.open("ada", "EUR", "ada")
    for other in (("USD", "ada"), ("EUR", "eve"), ("EUR", "")):
        with pytest.raises(InvalidInput):
            balance.open("ada", *other)
    for wrong in ("", "EURO"):
        with pytest.raises(UnknownCurrency):
            balance.open("bob", wrong)
    with pytest.raises(InvalidInput):
        balance.open("", "EUR")
    assert balance.available("bob", "EUR") == 0


# --- What is told -------------------------------------------------------------------------------


def test_a_statement_tells_every_movement_with_the_balance_after_it(held: SqlAccounts) -> None:
    """From where the units came and where they went, page by page."""
    held.authorize(charge(2_500))
    held.capture(charge(2_000))
    held.refund(back(300))
    clock_of(held).advance(DAY)
    held.expire(clock_of(held).now())
    whole = held.statement("ada")
    assert [(m.kind, m.source, m.target, m.change, m.balance) for m in whole.movements[3:]] == [
        (MovementKind.HELD, Side.ACCOUNT, Side.HELD, -2_500, 3_500),
        (MovementKind.CAPTURED, Side.HELD, Side.SPENT, 0, 3_500),
        (MovementKind.FREED, Side.HELD, Side.ACCOUNT, 500, 4_000),
        (MovementKind.RETURNED, Side.SPENT, Side.ACCOUNT, 300, 4_300),
    ]
    assert whole.opened_at == START
    assert [m.number for m in whole.movements] == list(range(1, 8))
    paged = [held.statement("ada", after=n, limit=1).movements[0] for n in range(7)]
    assert tuple(paged) == whole.movements
    assert held.statement("ada", after=7).movements == ()
    with pytest.raises(NotFound):
        held.statement("eve")
    with pytest.raises(InvalidInput):
        held.statement("ada", limit=0)


def test_l9_the_sides_of_each_currency_sum_to_zero(store: SqlStore) -> None:
    """Of a book with accounts in two currencies, and of one account of it; the sums are whole numbers."""
    book = accounts(store)
    for name, currency in (("ada", "EUR"), ("bob", "USD")):
        book.open(name, currency, name)
        book.grant(name, 1_000, key=name)
    book.authorize(charge(300))
    assert book.trial_balance() == (
        SideTotal(Side.ACCOUNT, "EUR", 700), SideTotal(Side.ACCOUNT, "USD", 1_000),
        SideTotal(Side.ISSUED, "EUR", -1_000), SideTotal(Side.ISSUED, "USD", -1_000),
        SideTotal(Side.SPENT, "EUR", 300),
    )  # fmt: skip
    assert book.trial_balance("bob") == (
        SideTotal(Side.ACCOUNT, "USD", 1_000), SideTotal(Side.ISSUED, "USD", -1_000),
    )  # fmt: skip
    assert {type(total.units) for total in book.trial_balance()} == {int}
    assert type(told(book).balance) is type(book.available("ada", "EUR")) is int


# --- The law ------------------------------------------------------------------------------------

UNITS = st.integers(1, 60)
WHO = st.sampled_from(["ada", "bob"])
NTH = st.integers(0, 5)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("grant"), WHO, UNITS, st.sampled_from([1, 2, 3, 8, None])),
        st.tuples(st.just("credit"), WHO, UNITS),
        st.tuples(st.just("charge"), WHO, UNITS),
        st.tuples(st.just("charge"), WHO, UNITS),
        st.tuples(st.just("capture"), NTH, UNITS, st.booleans()),
        st.tuples(st.just("void"), NTH),
        st.tuples(st.just("refund"), NTH, UNITS),
        st.tuples(st.just("refund"), NTH, UNITS),
        st.tuples(st.just("wait"), st.sampled_from([1, 4])),
        st.tuples(st.just("expire"), st.integers(1, 3)),
    ),
    min_size=8,
    max_size=30,
)


class Walk:
    """A book, and the steps that are taken over it; each call is made twice, as if an answer were lost."""

    def __init__(self, store: SqlStore, *, points: bool, holds: bool) -> None:
        kind = TenderKind.POINTS if points else TenderKind.BALANCE
        self.book = accounts(store, kind, holds=holds)
        self.rate = 10 if points else 0
        self.charges: list[ChargeRequest] = []
        self.keys = count(1)
        for name in ("ada", "bob"):
            self.book.open(name, "EUR", name)

    def _figures(self, units: int) -> dict[str, int]:
        return {"amount": units * (self.rate or 1), "points": units if self.rate else 0}

    def _twice(self, ask: Callable[[Any], Any], request: Any) -> None:
        answers = []
        for _ in range(2):
            try:
                answers.append(ask(request))
            except GatewayError as error:
                answers.append((type(error), error.reason))
                assert type(error) is GatewayError  # noqa: PT017 - it may also pass
        assert answers[0] == answers[1], "L7: a key answers as the first time"

    def grant(self, who: str, units: int, days: int | None) -> None:
        """A lot for some days, or for ever."""
        until = None if days is None else clock_of(self.book).now() + days * DAY
        key = f"g{next(self.keys)}"
        assert self.book.grant(who, units, until, key=key) == self.book.grant(
            who, units, until, key=key
        )

    def credit(self, who: str, units: int) -> None:
        """A credit."""
        request = gift(key=f"c{next(self.keys)}", account=who, customer=who, **self._figures(units))
        self._twice(self.book.credit, request)

    def charge(self, who: str, units: int) -> None:
        """A charge, that may be more than there is."""
        figures = self._figures(units)
        request = charge(key=f"o/{next(self.keys)}", account=who, customer=who, **figures)
        before = self.book.available(who, "EUR")
        outcome = self.book.authorize(request)
        enough = before >= units
        assert (outcome.status is not OutcomeStatus.DECLINED) is enough
        assert self.book.available(who, "EUR") == before - (units if enough else 0)
        self._twice(self.book.authorize, request)
        self.charges.append(request)

    def _nth(self, nth: int) -> ChargeRequest | None:
        return self.charges[nth % len(self.charges)] if self.charges else None

    def capture(self, nth: int, units: int, final: bool) -> None:
        """A capture, that may be more than is held."""
        known = self._nth(nth)
        if known is None:
            return
        stands = self.book.lookup(known)
        before = stands.amount or 0 if stands.status is OutcomeStatus.CAPTURED else 0
        request = charge(
            key=known.key, account=known.account, captured=before, final=final,
            **self._figures(units),
        )  # fmt: skip
        self._twice(self.book.capture, request)

    def void(self, nth: int) -> None:
        """A void, also of a key never seen."""
        self._twice(self.book.void, self._nth(nth) or charge(key=f"o/{next(self.keys)}"))

    def refund(self, nth: int, units: int) -> None:
        """A refund, that may be more than was captured."""
        known = self._nth(nth)
        if known is not None:
            key = f"r{next(self.keys)}"
            self._twice(self.book.refund, back(key=key, of=known.key, **self._figures(units)))

    def wait(self, days: int) -> None:
        """Days go by."""
        clock_of(self.book).advance(days * DAY)

    def expire(self, limit: int) -> None:
        """A sweep."""
        assert 0 <= self.book.expire(clock_of(self.book).now(), limit) <= limit


def walk(store: SqlStore, steps: list[Any], *, points: bool, holds: bool) -> None:
    """Take the steps; the laws hold after each, and at the end all can be given back."""
    walking = Walk(store, points=points, holds=holds)
    for name, *parameters in steps:
        getattr(walking, name)(*parameters)
        check(walking.book)
    for request in walking.charges:
        walking.book.void(request)
    check(walking.book)
    sides: dict[Side, int] = {}
    for total in walking.book.trial_balance():
        sides[total.side] = sides.get(total.side, 0) + total.units
    assert not sides.get(Side.HELD)
    assert not sides.get(Side.SPENT)
    assert sides.get(Side.ACCOUNT, 0) + sides.get(Side.EXPIRED, 0) + sides.get(Side.ISSUED, 0) == 0


@pytest.fixture(scope="session")
def quick_store() -> Iterator[SqlStore]:
    """A store in memory."""
    with SqlStore("sqlite://") as store:
        yield store


@given(STEPS, st.booleans(), st.booleans())
def test_l9_lots_takes_and_entries_agree_whatever_is_done(
    quick_store: SqlStore, steps: list[Any], points: bool, holds: bool
) -> None:
    """Any grants, charges, captures, voids, refunds, lapses: no unit is lost, made or overdrawn, and keys answer once."""
    walk(quick_store, steps, points=points, holds=holds)


def test_l9_lots_takes_and_entries_agree_on_a_server(server_store: SqlStore) -> None:
    """One long walk that takes every kind of step, with and without holds."""
    steps = [
        ("grant", "ada", 50, 1), ("grant", "ada", 40, None), ("grant", "bob", 30, 3),
        ("charge", "ada", 60), ("capture", 0, 20, False), ("refund", 0, 5), ("charge", "bob", 31),
        ("charge", "bob", 30), ("capture", 2, 10, True), ("wait", 4), ("refund", 2, 10),
        ("capture", 0, 30, True), ("refund", 0, 40), ("credit", "bob", 9), ("expire", 1),
        ("expire", 3), ("charge", "ada", 15), ("void", 3), ("wait", 4), ("expire", 3),
    ]  # fmt: skip
    for holds in (False, True):
        walk(server_store, steps, points=holds, holds=holds)


# --- Many at once -------------------------------------------------------------------------------


def at_once(*works: Callable[[], Any]) -> list[Any]:
    """Run each in a thread of its own, all begun together; answers, or the errors of the library."""
    start = threading.Barrier(len(works))

    def run(work: Callable[[], Any]) -> Any:
        start.wait()
        try:
            return work()
        except OrdercoreError as error:
            return error

    with ThreadPoolExecutor(len(works)) as pool:
        return list(pool.map(run, works))


@pytest.mark.parametrize("holds", [False, True])
def test_eight_threads_do_not_overdraw_an_account(store: SqlStore, holds: bool) -> None:
    """Each asks six times for 3.00 of 60.00: twenty charges pass, whoever they are."""
    book = filled(accounts(store, holds=holds))

    def draw(name: int) -> int:
        found = [book.authorize(charge(300, f"o{name}/{i}")).status for i in range(6)]
        assert set(found) <= {
            OutcomeStatus.AUTHORIZED, OutcomeStatus.CAPTURED, OutcomeStatus.DECLINED,
        }  # fmt: skip
        return len(found) - found.count(OutcomeStatus.DECLINED)

    passed = at_once(*[lambda n=n: draw(n) for n in range(8)])
    assert sum(passed) == 20
    assert book.available("ada", "EUR") == 0
    check(book)


def test_l7_one_key_asked_by_eight_threads_moves_once(held: SqlAccounts) -> None:
    """A charge, its capture, a refund, a credit and a grant: all threads hear the same."""
    for ask in (
        lambda: held.authorize(charge(2_500)),
        lambda: held.capture(charge(2_500)),
        lambda: held.refund(back(700)),
        lambda: held.credit(gift(90)),
        lambda: held.grant("ada", 10, key="g"),
    ):
        found = at_once(*[ask] * 8)
        assert found == [found[0]] * 8
        assert not isinstance(found[0], OrdercoreError)
    assert told(held).balance == 6_000 - 2_500 + 700 + 90 + 10
    check(held)


def test_l8_threads_that_refund_and_void_one_charge_give_back_no_more(
    balance: SqlAccounts,
) -> None:
    """Refunds of 25.00 in tens, a void, a sweep and new charges at the same time: in the end all is back."""
    balance.authorize(charge(2_500))
    tens = [lambda n=n: balance.refund(back(1_000, f"o/r{n}#0")) for n in range(5)]
    others: list[Callable[[], Any]] = [
        lambda: balance.void(charge(2_500)),
        lambda: balance.expire(START + DAY),
        lambda: balance.authorize(charge(100, "o/2")),
    ]
    found = at_once(*tens, *others)
    assert [error for error in found if isinstance(error, OrdercoreError)] == []
    arrived = [answer for answer in found[:5] if answer.status is RefundStatus.ARRIVED]
    assert len(arrived) <= 2
    assert found[5].status is OutcomeStatus.VOIDED
    sides = {total.side: total.units for total in balance.trial_balance()}
    assert sides[Side.SPENT] == 100
    check(balance)


# --- Faults -------------------------------------------------------------------------------------

TABLES = ("accounts", "lots", "charges", "takes", "captures", "requests", "moves", "entries")


def calls_of(book: SqlAccounts) -> list[Callable[[], Any]]:
    """One call of each kind, in an order that makes sense."""
    return [
        lambda: book.authorize(charge(2_500)),
        lambda: book.capture(charge(2_000)),
        lambda: book.refund(back(1_500)),
        lambda: book.credit(gift(70, account="bob", customer="bob")),
        lambda: book.void(charge(2_500)),
        lambda: book.close(charge(key="o/9")),
    ]


@pytest.mark.parametrize("broken_call", range(6))
def test_a_call_that_breaks_off_anywhere_has_done_nothing(
    broken_call: int, quick_store: SqlStore
) -> None:
    """Wherever the database fails, no table has changed; the same call is then made as if for the first time."""
    names = [f"ordercore_account_{t}".replace("account_accounts", "accounts") for t in TABLES]
    fired = set()
    for name, verb in product(names, ("INSERT", "UPDATE")):
        book = filled(accounts(quick_store, holds=True))
        calls = calls_of(book)
        for call in calls[:broken_call]:
            call()
        before = everything(book, names)
        run(
            book,
            f"CREATE TRIGGER fault AFTER {verb} ON {name} WHEN new.book = '{book.name}'"
            " BEGIN SELECT RAISE(ABORT, 'the disk is full'); END",
        )
        try:
            calls[broken_call]()
        except GatewayTimeout:
            fired.add((name, verb))
            assert everything(book, names) == before
        finally:
            run(book, "DROP TRIGGER fault")
        for call in calls[broken_call:]:
            call()
        check(book)
        assert book.available("ada", "EUR") == 6_000
        assert book.available("bob", "EUR") == 70
    assert len(fired) == (6, 7, 7, 6, 6, 1)[broken_call]


def everything(book: SqlAccounts, names: list[str]) -> list[list[Any]]:
    """All rows of a book."""
    return [book._read(f"SELECT * FROM {name} WHERE book = ?", (book.name,)) for name in names]


def run(book: SqlAccounts, sql: str) -> None:
    """Change the database past the accounts."""
    book._write(lambda cursor, _: cursor.execute(sql), None)


def test_a_database_that_is_gone_is_no_answer(tmp_path: Path) -> None:
    """The gateway's calls leave the outcome open; the host's raise what the store raises."""
    url = f"sqlite:///{tmp_path}/a.db"
    with accounts(url, name="balance") as book:
        filled(book)
        assert book.authorize(charge()).status is OutcomeStatus.CAPTURED
    for ask in (
        lambda: book.authorize(charge(key="o/2")),
        lambda: book.capture(charge()),
        lambda: book.close(charge()),
        lambda: book.void(charge()),
        lambda: book.lookup(charge()),
        lambda: book.refund(back(100)),
        lambda: book.lookup_refund(back(100)),
        lambda: book.credit(gift(100)),
        lambda: book.available("ada", "EUR"),
    ):
        with pytest.raises(GatewayTimeout):
            ask()
    with pytest.raises(StoreError):
        book.grant("ada", 100, key="g")
    with accounts(url, name="balance", create=False) as again:
        assert again.lookup(charge()).status is OutcomeStatus.CAPTURED
        assert again.available("ada", "EUR") == 3_500
        assert "balance" in repr(again)


def test_what_somebody_else_wrote_meanwhile_is_not_written_over(quick_store: SqlStore) -> None:
    """A lot that is not as it was read, whoever passed by the locks, breaks the call off."""
    book = filled(accounts(quick_store))
    run(
        book,
        "CREATE TRIGGER thief AFTER UPDATE ON ordercore_account_lots"
        f" WHEN new.book = '{book.name}' AND new.lot = 1 BEGIN"
        " UPDATE ordercore_account_lots SET remaining = remaining - 1"
        " WHERE book = new.book AND lot = 3; END",
    )
    before = told(book)
    with pytest.raises(GatewayTimeout):
        book.authorize(charge(2_500))
    run(book, "DROP TRIGGER thief")
    assert told(book) == before
    check(book)


def test_a_lot_that_changed_under_an_old_picture_is_not_overdrawn(
    server_store: SqlStore, postgres: Server
) -> None:
    """Where the host's transaction sees the past, a charge breaks off; it does not draw twice."""
    mine = filled(accounts(server_store))
    url = mine._store._link._options  # type: ignore[attr-defined]
    schema = url["options"].rpartition("=")[2]
    engine = create_engine(
        postgres.base.replace("postgresql:", "postgresql+psycopg:"),
        isolation_level="REPEATABLE READ",
        connect_args={"options": f"-csearch_path={schema}"},
    )
    with engine.connect() as connection, connection.begin() as transaction:
        joined = accounts(SqlStore.on(connection), name=mine.name)
        assert joined.available("ada", "EUR") == 6_000
        assert mine.authorize(charge(6_000)).status is OutcomeStatus.CAPTURED
        with pytest.raises(GatewayTimeout):
            joined.authorize(charge(6_000, "o/2"))
        transaction.rollback()
    engine.dispose()
    check(mine)


# --- In the database ----------------------------------------------------------------------------


def test_in_the_hosts_transaction_they_write_with_the_host(tmp_path: Path) -> None:
    """A grant is there when the host commits, and gone when it rolls back; the connection stays the host's."""
    engine = create_engine(f"sqlite:///{tmp_path}/a.db")
    for kept in (False, True):
        with engine.connect() as connection:
            transaction = connection.begin()
            joined = accounts(SqlStore.on(connection), name="balance")
            joined.create()
            joined.open("ada", "EUR", "ada")
            joined.grant("ada", 500, key="g")
            assert joined.available("ada", "EUR") == 500
            joined.shut()
            if kept:
                transaction.commit()
            else:
                transaction.rollback()
        book = accounts(f"sqlite:///{tmp_path}/a.db", name="balance", create=False)
        if kept:
            assert book.available("ada", "EUR") == 500
        else:
            with pytest.raises(GatewayTimeout):
                book.available("ada", "EUR")
        book.shut()
    engine.dispose()


def test_tables_are_made_beside_those_of_orders_or_without_them(tmp_path: Path) -> None:
    """Whichever comes first; accounts of a later version are refused."""
    url = f"sqlite:///{tmp_path}/a.db"
    with accounts(url, name="balance") as book:
        filled(book)
        with SqlStore(url) as store:
            assert accounts(store, name="balance").available("ada", "EUR") == 6_000
        run(book, "UPDATE ordercore_meta SET value = 9 WHERE name = 'accounts_schema'")
        for create in (True, False):
            with pytest.raises(NewerDocument):
                accounts(url, create=create)


def test_tables_are_made_once_by_whoever_comes_first(postgres: Server) -> None:
    """Processes that open a new database together do not trip over each other."""
    url = postgres.url()
    found = at_once(*[lambda: accounts(url, name="balance")] * 4)
    assert [book for book in found if not isinstance(book, SqlAccounts)] == []
    for book in found:
        book.shut()


def test_accounts_of_no_such_kind_are_refused(store: SqlStore) -> None:
    """A channel is no account, and a gateway has a name."""
    with pytest.raises(InvalidInput):
        accounts(store, TenderKind.CHANNEL)
    with pytest.raises(InvalidInput):
        accounts(store, name="")


def test_parts_are_declared_where_they_can_be_asked_for(store: SqlStore) -> None:
    """Held money may be taken in parts; points go as a whole, since a part of the money names none."""
    for kind, holds, parts in (
        (TenderKind.BALANCE, True, True), (TenderKind.STORED_VALUE, True, True),
        (TenderKind.POINTS, True, False), (TenderKind.BALANCE, False, False),
    ):  # fmt: skip
        can = accounts(store, kind, holds=holds).capabilities
        assert (can.captures_at_once, can.partial_capture, can.multi_capture) == (
            not holds, parts, parts,
        )  # fmt: skip


# --- With the engine ----------------------------------------------------------------------------


class Shop(World):
    """The shop of the engine's tests, whose points, balance and cards are in the database of its orders."""

    def __init__(self, store: SqlStore, *, holds: bool) -> None:
        super().__init__(store=store)  # type: ignore[arg-type]
        kinds = {
            "points": (TenderKind.POINTS, "c1", 5_000),
            "balance": (TenderKind.BALANCE, "c1", 10_000),
            "stored_value": (TenderKind.STORED_VALUE, "GC-9", 8_000),
        }
        self.books: dict[str, SqlAccounts] = {}  # type: ignore[assignment]
        for name, (kind, account, units) in kinds.items():
            book = accounts(store, kind, name=name, clock=self.clock, holds=holds)
            book.open(account, "" if kind is TenderKind.POINTS else "CNY", "c1")
            book.grant(account, 1_000, self.clock.now() + DAY, key="soon")
            book.grant(account, units - 1_000, key="ever")
            self.books[name] = book
        self.gateways = {**self.books, "wechat": self.channel}
        self.engine = self.another()

    def left(self) -> tuple[int, ...]:
        """What can be spent of points, balance and card; the ledgers are right."""
        for book in self.books.values():
            check(book)
        accounts_of = {"points": "c1", "balance": "c1", "stored_value": "GC-9"}
        return tuple(self.books[name].available(of, "CNY") for name, of in accounts_of.items())


@pytest.fixture(params=[False, True], ids=["at once", "held"])
def shop(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shop]:
    """A shop on a file of its own."""
    with SqlStore(f"sqlite:///{tmp_path}/shop.db", synchronous="NORMAL") as store:
        yield Shop(store, holds=request.param)


def test_an_order_is_paid_by_points_balance_and_card_and_refunded(shop: Shop) -> None:
    """Each tender gives what it was planned to; after all refunds each lot has what it had."""
    before = [book.statement(name).lots for book, name in owners(shop)]
    order = shop.paid(FOUR)
    assert shop.left() == (5_000 - 1_234, 10_000 - 5_000, 8_000 - 3_000)
    paid = shop.left()
    shop.engine.refund(order.id, Manifest.of({"2": 1}), reason="broken", key="r1", by=STAFF)
    assert all(now > then for now, then in zip(shop.left(), paid, strict=True))
    shop.engine.refund(order.id, reason="returned", key="r2", by=STAFF)
    assert shop.left() == (5_000, 10_000, 8_000)
    assert [book.statement(name).lots for book, name in owners(shop)] == before
    assert shop.engine.trial_balance() is not None
    assert {total.amount for total in shop.engine.trial_balance()} == {0}


def owners(shop: Shop) -> list[tuple[SqlAccounts, str]]:
    """Each book, with the account of the shopper."""
    names = {"points": "c1", "balance": "c1", "stored_value": "GC-9"}
    return [(shop.books[name], account) for name, account in names.items()]


def test_a_payment_whose_last_tender_fails_gives_the_lots_back(shop: Shop) -> None:
    """Points, balance and card are free again, and the books hold nothing."""
    before = [book.statement(name).lots for book, name in owners(shop)]
    shop.channel.decline("")
    result = shop.pay(shop.placed(), FOUR)
    assert result.order.state != "paid"
    assert result.declined
    assert [book.statement(name).lots for book, name in owners(shop)] == before
    assert shop.left() == (5_000, 10_000, 8_000)
