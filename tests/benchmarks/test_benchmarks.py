from __future__ import annotations

import json
import sqlite3
from typing import TYPE_CHECKING

import pytest
from benchmarks.__main__ import main
from benchmarks.peers import Absent, install
from benchmarks.report import Bar, Report, Side
from benchmarks.rounds import Timings, take_turns
from hypothesis import assume, given
from hypothesis import strategies as st

from benchmarks import floor, growth, pricing, shop, sqlite_file, tenders
from ordercore.adapters.memory import MemoryStore
from ordercore.adapters.sql import SqlStore
from ordercore.allocation import Column, matrix
from ordercore.pricing import explain, quote
from ordercore.tender import plan
from ordercore.testing import laws

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ordercore import Quote
    from ordercore.change import Change
    from ordercore.order import Order


class Watched(MemoryStore):
    """A store in memory that remembers what was committed."""

    def __init__(self) -> None:
        super().__init__()
        self.changes: list[Change] = []

    def commit(self, changes: Sequence[Change]) -> None:
        """Write, and remember."""
        super().commit(changes)
        self.changes += changes


@pytest.fixture
def kept() -> Watched:
    """A store that is watched."""
    return Watched()


@pytest.fixture
def order(kept: Watched) -> Order:
    """An order that has gone the whole way through the engine."""
    return shop.way(shop.build(kept), shop.cart(), shop.keys(1)[0])


@pytest.fixture
def books() -> floor.Floor:
    """A floor on which one order has gone the whole way."""
    built = floor.build()
    built.way(shop.keys(1)[0])
    return built


def test_the_plan_that_is_timed_pays_the_cart() -> None:
    """Four tenders pay 223.29 over five lines and shipping, with the shop's bare rules and with terms of every kind."""
    rows = tenders.DUE.rows()
    for policy in (shop.POLICIES.tenders, tenders.TERMS):
        found = plan(rows, shop.OFFERS, policy, "USD")
        assert [tender.amount for tender in found.tenders] == [500, 300, 1000, 20529]
        assert (found.total, len(rows)) == (floor.TOTAL, 6)
        laws.matrix_exact(found)


def test_both_come_to_the_same_total(order: Order, books: floor.Floor) -> None:
    """The engine and the floor price the cart at 223.29, line by line alike."""
    rows, taxes, goods, total = books.orders[1][3]
    content = order.content
    assert order.total == total == floor.TOTAL == 22329
    assert [(x.net, x.discount + x.order_discount, x.tax, x.total) for x in content.lines] == rows
    assert [(tax.ppm // 100, tax.tax) for tax in content.taxes if tax.tax] == list(taxes.items())
    assert sum(line.net for line in content.lines) == goods


def test_both_share_the_tenders_alike(order: Order, books: floor.Floor) -> None:
    """Tenders, their amounts and every cell of the matrix are the same."""
    plan = order.payments.plan
    assert plan is not None
    assert [(tender.gateway, tender.amount) for tender in plan.tenders] == books.orders[1][4]
    assert list(plan.matrix) == books.orders[1][5]


@pytest.mark.usefixtures("order")
def test_both_write_the_same_entries(kept: Watched, books: floor.Floor) -> None:
    """The ledger entries are the same, in the same order."""
    ours = [
        (entry.account.value, entry.detail, entry.amount)
        for change in kept.changes
        for entry in change.entries
    ]
    assert ours == books.entries
    assert sum(amount for _, _, amount in books.entries) == 0


def test_both_go_the_same_way(order: Order, kept: Watched, books: floor.Floor) -> None:
    """Events by name, their numbers, the state, and no timer left: the same stages are done."""
    told = [recorded for change in kept.changes for recorded in change.recorded()]
    assert [(r.sequence, r.event.name) for r in told] == [(e[1], e[3]) for e in books.events]
    assert (order.state, order.version) == tuple(books.orders[1][:2]) == ("completed", 14)
    assert kept.timers() == ()
    assert books.timers == {}


def test_both_wait_for_as_many_timers(kept: Watched) -> None:
    """After each verb as many timers wait here as there."""
    engine, books = shop.build(kept), floor.build()
    names = shop.keys(1)[0]
    placed = engine.place(engine.quote(shop.cart()), key=names[0], by=shop.BY).id
    bare = books.place(floor.CART, floor.price(floor.CART, 1500, 799), names[0])
    found = [(len(kept.timers()), len(books.timers))]
    engine.pay(placed, shop.OFFERS, key=names[1], by=shop.BY)
    books.pay(bare, names[1])
    found.append((len(kept.timers()), len(books.timers)))
    for place, verb in enumerate(("accept", "ship", "deliver", "complete"), 2):
        getattr(engine, verb)(placed, key=names[place], by=shop.BY)
        getattr(books, verb)(bare, names[place])
        found.append((len(kept.timers()), len(books.timers)))
    assert found == [(2, 2), (0, 0), (0, 0), (1, 1), (0, 0), (0, 0)]
    assert sum(len(change.timers_set) for change in kept.changes) == 4


LINES = st.lists(
    st.tuples(
        st.just("SKU"),
        st.integers(1, 40),
        st.integers(10, 30_000),
        st.just(0),
        st.sampled_from([0, 825, 2000]),
        st.booleans(),
    ),
    min_size=1,
    max_size=12,
)


@given(lines=LINES)
def test_any_cart_costs_the_same_on_both(lines: list[floor.Line]) -> None:
    """The floor's price is the engine's for any cart, not for the one that is timed alone."""
    off = min(floor.DISCOUNT, sum(line[1] * line[2] for line in lines))
    rows, _, _, total = floor.price(lines, off, floor.SHIPPING)
    clock = shop.build().shop.clock
    priced = quote(shop.written_cart(lines), shop.POLICIES.pricing, clock.now())
    assert [line.total for line in priced.lines] == [row[3] for row in rows]
    assert priced.total == total


def _in_full(priced: Quote) -> floor.Full:
    """What a quote tells, in the floor's form."""
    lines = priced.lines
    places = {line.id: i for i, line in enumerate(lines)}
    (carried,) = priced.charges
    return floor.Full(
        rows=[
            (
                x.quantity, x.unit_price, x.list_amount, x.discount, x.order_discount, x.amount,
                x.tax_ppm, x.tax_included, x.tax, x.net, x.total,
            )
            for x in lines
        ],
        discounts=[
            (places[x.line] if x.line else -1, x.asked, x.amount, list(x.shares))
            for x in priced.discounts
        ],
        carried=(
            carried.amount, carried.tax_ppm, carried.tax_included, carried.tax, carried.net,
            carried.total,
        ),
        taxes={x.ppm: [x.net, x.tax] for x in priced.taxes},
        subtotal=priced.subtotal, discount=priced.discount, tax=priced.tax, net=priced.net,
        total=priced.total, until=floor.VALID,
    )  # fmt: skip


@pytest.mark.parametrize("cart", ["included", "mixed"])
def test_the_floor_in_full_tells_every_figure_of_the_quote(cart: str) -> None:
    """Rows, discounts with their shares, shipping, tax by rate and sums are the same on the carts that are timed."""
    if cart == "included":
        bare = pricing.floor_of(pricing.INCLUDED_LINES, (floor.SHIPPING, 2000, True))
        priced = pricing.INCLUDED.quote()
    else:
        bare = pricing.floor_of(floor.CART, (floor.SHIPPING, 0, False))
        priced = pricing.MIXED.quote()
        assert bare.total == floor.TOTAL
    assert bare == _in_full(priced)
    assert priced.valid_until.timestamp() - priced.at.timestamp() == floor.VALID / floor.SECOND


@given(lines=LINES, offs=st.lists(st.integers(0, 50_000), min_size=12, max_size=12))
def test_any_cart_is_told_the_same_on_the_floor_in_full(
    lines: list[floor.Line], offs: list[int]
) -> None:
    """Whatever the lines, and whatever their own discounts leave of them, the figures are the quote's."""
    bought = [
        (sku, units, price, off, rate, inside)
        for (sku, units, price, _, rate, inside), off in zip(lines, offs, strict=False)
    ]
    priced = quote(shop.written_cart(bought), shop.POLICIES.pricing, pricing.AT)
    assert pricing.floor_of(bought, (floor.SHIPPING, 0, False)) == _in_full(priced)


def test_the_peers_buy_what_we_price() -> None:
    """The cart that is handed to other calculators adds up to the discounts and units of ours."""
    told = pricing.peer_cart()
    priced = pricing.MIXED.quote()
    assert sum(line[2] + line[3] for line in told["lines"]) == priced.discount
    assert sum(line[0] * line[1] for line in told["lines"]) == priced.subtotal
    assert sum(off.amount for off in pricing.PROMOTED.quote().discounts) == (
        5 * told["off_line"] + told["off_order"]
    )


@pytest.mark.parametrize("lines", [50, 1_000])
def test_the_campaign_applies_nineteen_of_twenty(lines: int) -> None:
    """In small and large carts the same promotions apply, all but the one whose code is not given."""
    promotions = [one.id for layer in pricing.LAYERS for one in layer.promotions]
    assert len(promotions) == 20
    priced = pricing.campaign(lines).quote()
    applied = {off.promotion for off in priced.discounts}
    best = {"every-200", "steps"}
    assert set(promotions) - applied - best == {"unused"}
    assert len(applied & best) == 1
    assert priced.refused == ()


def test_a_quote_does_not_call_explain() -> None:
    """The count sees an explanation, and there is none within a quote."""
    priced = pricing.MIXED.quote()
    assert pricing.calls_of_explain(lambda: explain(priced)) > 0
    assert pricing.calls_of_explain(pricing.MIXED.quote) == 0


def test_a_run_goes_on_without_node(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where node is absent each comparison says so, without figure and verdict."""
    monkeypatch.setenv("PATH", str(tmp_path))
    report = pricing.beside_peers(quick=True)
    assert [bar.passed for bar in report.bars] == [None] * 3
    assert {bar.base for bar in report.bars} == {"node is absent"}
    assert "none" in report.text()


@pytest.mark.parametrize(
    ("npm", "fetch", "why"),
    [(None, True, "npm is absent"), ("exit 1", True, "failed"), ("exit 0", False, "not installed")],
)
def test_an_installation_that_fails_says_why(
    npm: str | None, fetch: bool, why: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Without npm, without its success, and in a quick run, there is a reason instead of a peer."""
    for name, script in (("node", "exit 0"), ("npm", npm)):
        if script is not None:
            (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
            (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Absent, match=why):
        install(fetch=fetch, folder=tmp_path / "peers")
    assert not (tmp_path / "peers" / "installed.json").exists()


@given(
    rows=st.lists(st.integers(0, 10_000), min_size=1, max_size=8),
    cuts=st.lists(st.integers(0, 10_000), max_size=4),
)
def test_any_matrix_is_the_same_on_both(rows: list[int], cuts: list[int]) -> None:
    """Where greed gets through, the floor's matrix is the engine's."""
    total = sum(rows)
    assume(total)
    marks = sorted(cut % (total + 1) for cut in cuts)
    amounts = [b - a for a, b in zip([0, *marks], [*marks, total], strict=True)]
    try:
        bare = floor.matrix(rows, amounts, total)
    except ValueError:
        assume(False)
        raise
    assert bare == list(matrix(rows, [Column(amount) for amount in amounts]))


@pytest.mark.parametrize("count", [1, 5, 23])
def test_a_cart_of_many_lines_goes_the_whole_way(count: int) -> None:
    """The carts of the growth cases are complete orders."""
    done = shop.way(shop.build(), shop.lines_cart(count), shop.keys(1)[0])
    assert done.state == "completed"
    assert len(done.lines) == count


@pytest.mark.parametrize("buy", [sqlite_file.one_by_one, sqlite_file.grouped])
def test_raw_writes_the_rows_that_the_store_wrote(buy: sqlite_file.Buy, tmp_path: Path) -> None:
    """After a replay the raw file holds as many rows in each table as a store's own file."""
    (commits,) = sqlite_file.record(buy, 1)
    raw = sqlite_file.open_raw(tmp_path / "raw.db", "NORMAL")
    sqlite_file.replay(raw.cursor(), commits)
    with SqlStore(f"sqlite:///{tmp_path / 'own.db'}", synchronous="NORMAL") as store:
        engine = shop.build(store)
        buy(engine, engine.quote(shop.cart()), "0")
    own = sqlite3.connect(tmp_path / "own.db")
    try:
        assert _counts(raw) == _counts(own)
        assert _counts(raw)["ordercore_orders"] == sqlite_file.ORDERS
        paid = raw.execute("SELECT DISTINCT state FROM ordercore_orders").fetchall()
        assert paid == [("paid",)]
    finally:
        own.close()
        raw.close()


def _counts(connection: sqlite3.Connection) -> dict[str, int]:
    names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    return {
        name: connection.execute(f'SELECT COUNT(*) FROM "{name}"').fetchone()[0]
        for (name,) in names
        if name.startswith("ordercore_")
    }


def test_batches_place_every_order() -> None:
    """The store that the growth cases fill holds what was asked for."""
    kept = Watched()
    growth.fill(shop.build(kept), 60)
    assert len(kept.changes) == 60


def test_every_case_runs_once_a_round() -> None:
    """Cases take turns, once before the rounds for warmth, and rounds alternate their direction."""
    ran: list[str] = []

    def case(name: str, seconds: float) -> float:
        ran.append(name)
        return seconds

    found = take_turns({"a": lambda _: case("a", 3.0), "b": lambda _: case("b", 2.0)}, 2)
    assert ran == ["a", "b", "a", "b", "b", "a"]
    assert found.ratio("a", "b") == 1.5


def test_a_ratio_is_the_median_of_the_rounds_own() -> None:
    """A round in which the machine was slow moves neither the ratio nor the median time."""
    found = Timings({"a": [2e-6, 40e-6, 2e-6], "b": [1e-6, 20e-6, 1e-6]})
    assert found.ratio("a", "b") == 2
    assert found.us("a") == pytest.approx(2)


@pytest.mark.parametrize(
    ("side", "figure", "passed"),
    [(Side.AT_MOST, 16.0, True), (Side.AT_MOST, 16.1, False), (Side.AT_LEAST, 15.9, False)],
)
def test_a_bar_is_passed_at_its_limit(side: Side, figure: float, passed: bool) -> None:
    """A limit belongs to what passes, whichever side is good."""
    bar = Bar("way", side, 16.0, figure, " x", "ours", "base")
    assert bar.passed is passed


def test_the_report_is_written_as_json(tmp_path: Path) -> None:
    """The file holds the machine, and each bar with both absolute figures and its verdict."""
    report = Report([Bar("way", Side.AT_MOST, 16.0, 12.0, " x", "300 us", "25 us")])
    report.write(tmp_path / "bench.json", {"python": "3"})
    told = json.loads((tmp_path / "bench.json").read_text("utf-8"))
    assert told["machine"] == {"python": "3"}
    assert told["bars"] == [
        {
            "name": "way",
            "side": "<=",
            "limit": 16.0,
            "figure": 12.0,
            "unit": " x",
            "ours": "300 us",
            "base": "25 us",
            "passed": True,
        }
    ]


def test_an_unknown_case_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """The command names the cases that there are."""
    with pytest.raises(SystemExit):
        main(["--only", "everything"])
    assert "sqlite" in capsys.readouterr().err
