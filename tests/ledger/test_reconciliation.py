"""Reconciliation: our money against a channel's statement, class by class."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import ordercore
from ordercore import ledger
from ordercore.errors import InvalidDocument, InvalidInput, OrdercoreError
from ordercore.ledger import (
    Movement,
    MovementKind,
    ReconciliationClass,
    ReconciliationReport,
    StatementPeriod,
    StatementRow,
    reconcile,
)
from ordercore.ledger.statement import StatementFormat, read_csv, read_json

C = ReconciliationClass
K = MovementKind
START = datetime(2026, 5, 20, 16, tzinfo=UTC)  # midnight in Beijing
PERIOD = StatementPeriod(START, START + timedelta(days=1))
NOON = START + timedelta(hours=12)


def ours(
    reference: str = "t1",
    key: str = "o1/1",
    amount: int = 20_763,
    *,
    kind: MovementKind = K.PAYMENT,
    at: datetime = NOON,
    currency: str = "CNY",
) -> Movement:
    """A movement of our books."""
    return Movement(kind, key, reference, amount, currency, at, "o1")


def theirs(
    reference: str = "t1",
    key: str = "o1/1",
    amount: int = 20_763,
    *,
    kind: MovementKind = K.PAYMENT,
    at: datetime = NOON,
    currency: str = "CNY",
    done: bool = True,
    fee: int = 0,
) -> StatementRow:
    """A row of a statement."""
    return StatementRow(kind, reference, key, amount, currency, at, fee, done)


def only(report: ReconciliationReport) -> ReconciliationClass:
    """The one class that a report speaks of."""
    (found,) = report.sums
    assert found.count == 1
    return found.kind


def test_a_row_with_our_transaction_id_matches() -> None:
    """The channel's transaction id decides, whatever it says of our key."""
    report = reconcile([ours()], [theirs(key="something else")], PERIOD)
    assert only(report) is C.MATCHED
    assert report.agrees
    assert report.differences == ()


def test_a_row_without_our_transaction_id_is_found_by_our_key() -> None:
    """Where the answer with the channel's id was lost, our key is what both know."""
    assert only(reconcile([ours(reference="")], [theirs("t9")], PERIOD)) is C.MATCHED


def test_nothing_is_matched_by_amount() -> None:
    """Two payments of the same amount at the same time are two payments."""
    report = reconcile([ours("t1", "o1/1")], [theirs("t2", "o2/1")], PERIOD)
    assert report.count(C.MATCHED) == 0
    assert report.count(C.MISSING_HERE) == report.count(C.MISSING_THERE) == 1


@pytest.mark.parametrize(
    ("row", "found", "amount"),
    [
        (theirs(amount=20_000), C.WRONG_AMOUNT, -763),
        (theirs(currency="HKD"), C.WRONG_CURRENCY, 0),
        (theirs(done=False), C.STATUS_DIFFERS, 0),
    ],
)
def test_what_differs_is_named(row: StatementRow, found: ReconciliationClass, amount: int) -> None:
    """Another amount, another currency, another status: each is a class of its own, with the difference."""
    report = reconcile([ours()], [row], PERIOD)
    assert only(report) is found
    assert report.differences[0].amount == amount
    assert not report.agrees


def test_the_same_transaction_twice_is_a_duplicate() -> None:
    """The second row of one transaction is no second payment; neither is a second charge under one key of ours."""
    report = reconcile([ours()], [theirs(), theirs(), theirs("t7")], PERIOD)
    assert report.count(C.MATCHED) == 1
    assert report.count(C.DUPLICATE) == 2


def test_a_failed_row_before_the_good_one_is_passed_over() -> None:
    """A channel that tells of a failed try and then of the payment agrees with us."""
    assert only(reconcile([ours()], [theirs(done=False), theirs()], PERIOD)) is C.MATCHED


@pytest.mark.parametrize("minutes", [-1, 1])
def test_near_the_cut_off_it_is_in_transit(minutes: int) -> None:
    """What we booked a minute across the channel's midnight is in transit, not missing."""
    late = ours(at=PERIOD.end + timedelta(minutes=minutes))
    if minutes > 0:
        report = reconcile([late], [theirs(at=PERIOD.end - timedelta(seconds=1))], PERIOD)
    else:
        report = reconcile([late], [], PERIOD)
    assert only(report) is C.IN_TRANSIT
    assert report.agrees


def test_what_stood_in_the_statement_before_is_not_missed() -> None:
    """A movement of the hour before the period, which no row names, belongs to the day before."""
    assert reconcile([ours(at=START - timedelta(minutes=1))], [], PERIOD).sums == ()


def test_what_the_channel_did_by_itself_is_named() -> None:
    """Refunds by hand, chargebacks, fees and payouts that we have not booked have classes of their own."""
    rows = [theirs(f"x{i}", "", kind=kind) for i, kind in enumerate(K)]
    report = reconcile([], rows, PERIOD)
    assert [found.kind for found in report.sums] == [
        C.MISSING_HERE, C.FEE, C.REFUND, C.CHARGEBACK, C.PAYOUT,
    ]  # fmt: skip


def test_parts_under_one_transaction_are_added_up() -> None:
    """Two legs that went out as one refund, or two captures of one charge, are one row of the channel."""
    parts = [ours("r1", f"o1/r1#{i}", 500, kind=K.REFUND) for i in (0, 1)]
    report = reconcile(parts, [theirs("r1", "o1/r1#0", 1_000, kind=K.REFUND)], PERIOD)
    assert only(report) is C.MATCHED
    assert report.sums[0].ours == -1_000


movement_lists = st.lists(
    st.builds(
        ours,
        st.sampled_from(["", "t1", "t2", "t3"]),
        st.sampled_from(["o1/1", "o1/2", "o2/1"]),
        st.integers(1, 5),
        kind=st.sampled_from(list(K)),
        at=st.sampled_from([NOON, PERIOD.end - timedelta(minutes=5)]),
    ),
    max_size=8,
)
row_lists = st.lists(
    st.builds(
        theirs,
        st.sampled_from(["", "t1", "t2", "t3", "t4"]),
        st.sampled_from(["", "o1/1", "o1/2", "o9/1"]),
        st.integers(1, 5),
        kind=st.sampled_from(list(K)),
        done=st.booleans(),
    ),
    max_size=8,
)


def test_parts_on_both_sides_are_added_up() -> None:
    """30.00 and 60.00 captured under one transaction, told as two rows or as one, agree with two of ours; each
    row's fee belongs to the part of its amount."""
    parts = [ours(amount=3_000), ours(amount=6_000)]
    rows = [theirs(amount=6_000, fee=60), theirs(amount=3_000, fee=30)]
    report = reconcile(parts, rows, PERIOD)
    assert only(report) is C.MATCHED
    assert [(part.amount, fee) for part, fee in report.charged] == [(6_000, 60), (3_000, 30)]
    assert only(reconcile(parts, [theirs(amount=9_000)], PERIOD)) is C.MATCHED
    assert only(reconcile([ours(amount=9_000)], rows, PERIOD)) is C.MATCHED


def test_parts_that_do_not_add_up_are_one_wrong_amount() -> None:
    """The difference is that of the sums."""
    report = reconcile([ours(amount=9_000)], [theirs(amount=3_000), theirs(amount=5_000)], PERIOD)
    assert only(report) is C.WRONG_AMOUNT
    assert report.differences[0].amount == -1_000


def test_a_part_told_twice_is_a_duplicate() -> None:
    """The very same row again is not added up, whatever else stands under the transaction."""
    rows = [theirs(amount=3_000), theirs(amount=3_000), theirs(amount=6_000)]
    report = reconcile([ours(amount=3_000), ours(amount=6_000)], rows, PERIOD)
    assert (report.count(C.MATCHED), report.count(C.DUPLICATE)) == (1, 1)


def test_a_part_of_the_next_day_is_left_to_its_statement() -> None:
    """What was captured just after the cut-off under the same transaction is not missing in today's row."""
    parts = [ours(amount=3_000), ours(amount=6_000, at=PERIOD.end + timedelta(minutes=1))]
    assert only(reconcile(parts, [theirs(amount=3_000)], PERIOD)) is C.MATCHED


def test_an_unknown_row_that_stands_twice_is_a_duplicate() -> None:
    """One transaction that we do not know is missing here once."""
    report = reconcile([], [theirs("t9"), theirs("t9")], PERIOD)
    assert (report.count(C.MISSING_HERE), report.count(C.DUPLICATE)) == (1, 1)


def test_a_row_of_another_time_is_out_of_the_period() -> None:
    """Our books were not read so far, so it cannot be said to be missing; within the slack it can."""
    late = theirs("t9", at=PERIOD.end + timedelta(hours=2))
    report = reconcile([], [late], PERIOD)
    assert only(report) is C.OUT_OF_PERIOD
    assert not report.agrees
    near = theirs("t9", at=PERIOD.end + timedelta(minutes=2))
    assert only(reconcile([], [near], PERIOD)) is C.MISSING_HERE


def test_two_fees_of_one_charge_are_two() -> None:
    """Fees, chargebacks and payouts with ids of their own are not taken for each other by the charge's key."""
    booked = [ours("f1", amount=30, kind=K.FEE)]
    report = reconcile(booked, [theirs("f2", amount=30, kind=K.FEE)], PERIOD)
    assert only(report) is C.FEE


def test_a_fee_that_no_row_tells_is_not_missed() -> None:
    """It was booked when a statement was read, which says nothing of the day that it stands in."""
    assert reconcile([ours("f1", kind=K.FEE)], [], PERIOD).sums == ()


@pytest.mark.parametrize(
    "row",
    [
        theirs(amount=-1),
        theirs(amount=1.5),  # type: ignore[arg-type]
        theirs(amount=True),
        theirs(fee=0.5),  # type: ignore[arg-type]
        theirs(at=datetime(2026, 5, 20)),  # noqa: DTZ001 - that is the point
        theirs(at=datetime.fromisoformat("0001-01-01T00:00:00+14:00")),
        theirs(kind="payment"),  # type: ignore[arg-type]
        None,
    ],
)
def test_l24_a_row_that_cannot_be_is_refused(row: StatementRow) -> None:
    """Half a cent, a time without a zone or beyond the calendar, a kind in words, nothing at all."""
    with pytest.raises(InvalidInput) as caught:
        reconcile([ours()], [row], PERIOD)
    assert caught.value.path.startswith("row")


@pytest.mark.parametrize(
    ("rows", "period", "path"),
    [
        (None, PERIOD, "rows"),
        (5, PERIOD, "rows"),
        ([], None, "period"),
        ([], StatementPeriod("a", "b"), "period"),  # type: ignore[arg-type]
        ([], StatementPeriod(START, START + timedelta(1), 5), "period.slack"),  # type: ignore[arg-type]
    ],
)
def test_l24_what_is_no_statement_is_refused(rows: Any, period: Any, path: str) -> None:
    """An argument of another kind is told by its name."""
    with pytest.raises(InvalidInput) as caught:
        reconcile([], rows, period)
    assert caught.value.path == path


def signed(kind: MovementKind, amount: int) -> int:
    """What comes to the channel is above zero."""
    return amount if kind is K.PAYMENT else -amount


@given(movement_lists, row_lists)
def test_l9_a_report_adds_up_to_both_sides(
    movements: list[Movement], rows: list[StatementRow]
) -> None:
    """Every cent of ours in the period and every row that the channel says is done stands in just one class."""
    movements = [
        m for m in movements if m.kind is not K.FEE
    ]  # ours that no row tells are passed over
    report = reconcile(movements, rows, PERIOD)
    assert sum(s.ours for s in report.sums) == sum(signed(m.kind, m.amount) for m in movements)
    told = sum(s.theirs for s in report.sums if s.kind is not C.STATUS_DIFFERS)
    assert told == sum(signed(r.kind, r.amount) for r in rows if r.done)
    counted = {d.kind for d in report.differences}
    assert C.MATCHED not in counted
    differing = sum(s.count for s in report.sums if s.kind is not C.MATCHED)
    assert differing == len(report.differences)


@given(movement_lists)
def test_books_agree_with_themselves(movements: list[Movement]) -> None:
    """A statement that tells each transaction of ours once agrees in all."""
    whole = reconcile(movements, [], PERIOD).differences
    rows = [
        theirs(d.ours.reference, d.ours.key, d.ours.amount, kind=d.ours.kind)
        for d in whole
        if d.ours
    ]
    seen = set()
    for row in rows:
        name = (row.kind, row.reference or row.key)
        if name in seen:
            return  # one key under two transactions: told by the key alone it is ambiguous
        seen.add(name)
    keys = [(r.kind, r.key) for r in rows]
    if len(set(keys)) < len(keys):
        return
    assert reconcile(movements, rows, PERIOD).agrees


def test_a_period_that_ends_before_it_starts_is_refused() -> None:
    """The path names the end."""
    with pytest.raises(InvalidInput) as caught:
        reconcile([], [], StatementPeriod(PERIOD.end, PERIOD.start))
    assert caught.value.path == "period.end"


# Statements ------------------------------------------------------------------------------------

CSV = """\
reference,key,kind,amount,currency,at,fee
t1,o1/1,payment,207.63,CNY,2026-05-21T12:00:00,1.25
r1,o1/r1#0,refund,-27.65,CNY,2026-05-21T12:00:01+08:00,
"""


def test_csv_is_read_in_the_channel_s_zone() -> None:
    """A time without an offset is of the format's zone, a refund may be written below zero."""
    first, second = read_csv(CSV.splitlines(), StatementFormat(zone="Asia/Shanghai"))
    assert (first.amount, first.fee, first.kind) == (20_763, 125, K.PAYMENT)
    assert first.at == datetime(2026, 5, 21, 4, tzinfo=UTC)
    assert (second.amount, second.kind, second.row) == (2_765, K.REFUND, 2)


def test_json_is_read_as_an_array_or_by_line() -> None:
    """Both forms give the same rows."""
    row = '{"reference": "t1", "key": "o1/1", "kind": "payment", "amount": "1.00", "currency": "EUR", "at": "2026-05-20"}'
    assert list(read_json(f"[{row}]")) == list(read_json([row, ""]))


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("reference,key\nt1,o1/1\n", "statement[1].currency"),
        (CSV.replace("207.63", "207.631"), "statement[1].amount"),
        (CSV.replace("207.63", "NaN"), "statement[1].amount"),
        (CSV.replace("payment", "gift"), "statement[1].kind"),
        (CSV.replace("2026-05-21T12:00:00,", "yesterday,"), "statement[1].at"),
        (CSV + "t2,o2/1\n", "statement[3]"),
        ("", "statement"),
    ],
)
def test_l24_a_bad_statement_names_row_and_column(text: str, path: str) -> None:
    """A cell that cannot be read is refused with its place."""
    with pytest.raises(InvalidDocument) as caught:
        list(read_csv(text.splitlines()))
    assert caught.value.path == path


@given(st.text(max_size=80))
def test_l24_any_text_is_rows_or_an_error_of_the_tree(text: str) -> None:
    """Nothing but the library's own error comes out of a broken statement."""
    for read in (read_csv, read_json):
        with suppress(InvalidDocument):
            assert all(isinstance(row, StatementRow) for row in read(text.splitlines()))


HEAD = "reference,key,kind,amount,currency,at,fee\n"
AT = "2026-05-20T12:00:00"


def test_a_chargeback_below_zero_is_one_taken_back() -> None:
    """It is not a second chargeback: it adds up with the first to nothing."""
    told = f"d1,o1/1,chargeback,100.00,CNY,{AT},\nd1,o1/1,chargeback,-100.00,CNY,{AT},\n"
    rows = list(read_csv((HEAD + told).splitlines()))
    assert [row.amount for row in rows] == [10_000, -10_000]
    report = reconcile([], rows, PERIOD)
    assert [s.theirs for s in report.sums] == [0]


def test_without_kinds_what_is_below_zero_is_a_refund() -> None:
    """A statement of one column of signed amounts tells refunds by their sign."""
    form = StatementFormat(kind="", fee="")
    text = f"reference,key,amount,currency,at\nt1,o1/1,1.00,CNY,{AT}\nr1,o1/1,-0.50,CNY,{AT}\n"
    rows = list(read_csv(text.splitlines(), form))
    assert [(row.kind, row.amount) for row in rows] == [(K.PAYMENT, 100), (K.REFUND, 50)]


@pytest.mark.parametrize(
    ("text", "path"),
    [
        (HEAD + f"t1,o1/1,payment,-1.00,CNY,{AT},\n", "statement[1].amount"),
        (HEAD.replace("fee", "amount") + f"t1,o1/1,payment,1.00,CNY,{AT},9\n", "statement[0]"),
        (HEAD + f't1,"o1/1,payment,1.00,CNY,{AT},\nt2,o1/1,payment,1.00,CNY,{AT},\n', "statement"),
        (HEAD + "t1,o1/1,payment,1.00,CNY,0001-01-01T00:00:00+14:00,\n", "statement[1].at"),
        (HEAD + f"t1,o1/1,payment,1.00,XQZ,{AT},\n", "statement[1].amount"),
    ],
)
def test_l24_a_statement_of_two_meanings_is_refused(text: str, path: str) -> None:
    """A payment below zero, a column twice, a quote that swallows rows, a time or currency that is none."""
    with pytest.raises(InvalidDocument) as caught:
        list(read_csv(text.splitlines(keepends=True)))
    assert caught.value.path == path


@pytest.mark.parametrize(
    ("amount", "currency"), [("1_000", "CNY"), ("\u0661", "CNY"), ("1", "XQZ")]
)
def test_l24_minor_units_are_plain_digits(amount: str, currency: str) -> None:
    """What `int` takes besides digits is no amount, and neither is one of a currency that is none."""
    with pytest.raises(InvalidDocument):
        list(read_csv((HEAD + f"t1,o1/1,payment,{amount},{currency},{AT},\n").splitlines(),
                      StatementFormat(minor=True)))  # fmt: skip


def test_a_key_twice_in_an_object_is_refused() -> None:
    """JSON lets the last one win; which one is meant nobody knows."""
    with pytest.raises(InvalidDocument, match="each key once"):
        list(read_json('[{"amount": "1.00", "amount": "9.00"}]'))


def test_a_mark_at_the_start_hides_no_quoted_column() -> None:
    """Spreadsheets write a byte order mark and quote their headers."""
    head = "\ufeff" + '"reference","key","kind","amount","currency","at"\n'
    (row,) = read_csv((head + f"t1,o1/1,payment,1.00,CNY,{AT}\n").splitlines())
    assert row.reference == "t1"


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"delimiter": ";;"}, "format.delimiter"),
        ({"delimiter": ""}, "format.delimiter"),
        ({"zone": 5}, "format.zone"),
        ({"zone": "X/Y"}, "format.zone"),
        ({"kinds": {"SALE": "payment"}}, "format.kinds"),
        ({"kinds": None}, "format.kinds"),
        ({"done": "OK"}, "format.done"),
        ({"minor": 1}, "format.minor"),
        ({"amount": ""}, "format.amount"),
        ({"in_currency": "XQZ"}, "format.in_currency"),
    ],
)
def test_l24_a_format_that_cannot_be_names_its_field(fields: Any, path: str) -> None:
    """Whatever a host gives, the error is the library's own."""
    for read in (read_csv, read_json):
        with pytest.raises(OrdercoreError) as caught:
            list(read([HEAD], StatementFormat(**fields)))
        assert caught.value.path == path


def test_reading_is_at_hand_where_the_books_are() -> None:
    """The room and the shop window name what reads statements."""
    assert ledger.read_csv is ordercore.read_csv is read_csv
    assert ledger.read_json is ordercore.read_json is read_json
    assert ledger.StatementFormat is ordercore.StatementFormat is StatementFormat


def test_amounts_as_json_numbers_with_a_point_are_refused() -> None:
    """0.1 in JSON is not exact, so it is not money."""
    with pytest.raises(InvalidDocument, match="write amounts as text"):
        list(read_json('[{"amount": 0.1}]'))
