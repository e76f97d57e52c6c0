"""Lines by tenders, law L25, against a brute-force solver and a plain statement of the laws."""

from __future__ import annotations

from fractions import Fraction
from itertools import combinations
from math import ceil, floor
from typing import TYPE_CHECKING

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ordercore.allocation import Column, allocate, matrix
from ordercore.errors import InvalidInput, InvalidTenders

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hypothesis.strategies import DrawFn

    Exact = list[list[Fraction]]
    Case = tuple[list[int], list[Column]]

sizes = st.integers(0, 3) | st.integers(0, 40) | st.integers(0, 30_000) | st.integers(0, 10**40)


def fractional(rows: Sequence[int], columns: Sequence[Column]) -> Exact | None:
    """Columns of the exact matrix, tender by tender; None where a tender has no place."""
    owed = [Fraction(row) for row in rows]
    exact = []
    for column in columns:
        mask = column.eligible or (True,) * len(rows)
        claims = [row if may else Fraction(0) for row, may in zip(owed, mask, strict=True)]
        if column.amount > sum(claims):
            return None
        level = column.amount / sum(claims) if column.amount else Fraction(0)
        exact.append([claim * level for claim in claims])
        owed = [row - cell for row, cell in zip(owed, exact[-1], strict=True)]
    return exact


def brute_force(rows: Sequence[int], exact: Exact) -> list[list[int]] | None:
    """Columns of the rounding that reads highest, by trying all in that order."""

    def search(turn: int, wanting: list[int]) -> list[list[int]] | None:
        if turn == len(exact):
            return None if any(wanting) else []
        column = exact[turn]
        need = sum(column) - sum(floor(cell) for cell in column)
        odd = [row for row, cell in enumerate(column) if cell.denominator > 1]
        for raised in combinations(odd, int(need)):
            rest = [want - (row in raised) for row, want in enumerate(wanting)]
            if min(rest, default=0) >= 0 and (later := search(turn + 1, rest)) is not None:
                return [[floor(cell) + (row in raised) for row, cell in enumerate(column)], *later]
        return None

    floors = [sum(floor(column[row]) for column in exact) for row in range(len(rows))]
    return search(0, [row - least for row, least in zip(rows, floors, strict=True)])


@st.composite
def cases(
    draw: DrawFn, most_rows: int, most_columns: int, masks: bool = False, units: bool = False
) -> Case:
    """Rows and columns with equal sums; columns may have masks or steps."""
    rows = draw(st.lists(sizes, min_size=1, max_size=most_rows))
    total = sum(rows)
    count = draw(st.integers(1, most_columns))
    cuts = sorted(draw(st.integers(0, total)) for _ in range(count - 1))
    amounts = [end - start for start, end in zip([0, *cuts], [*cuts, total], strict=True)]
    columns = []
    for amount in amounts:
        mask = None
        if masks and draw(st.booleans()):
            mask = tuple(draw(st.lists(st.booleans(), min_size=len(rows), max_size=len(rows))))
        step = draw(st.sampled_from([1, 1, 5, 10])) if units and len(columns) < count - 1 else 1
        columns.append(Column(amount, mask, step))
    loose = sum(column.amount % column.unit for column in columns)
    kept = [Column(c.amount - c.amount % c.unit, c.eligible, c.unit) for c in columns]
    kept[-1] = Column(columns[-1].amount + loose, columns[-1].eligible, 1)
    return rows, kept


def assert_margins(
    rows: Sequence[int], columns: Sequence[Column], cells: Sequence[Sequence[int]]
) -> None:
    """Both margins are exact, no cell is negative, no tender pays what it may not."""
    assert [sum(row) for row in cells] == list(rows)
    assert [sum(column) for column in zip(*cells, strict=True)] == [c.amount for c in columns]
    assert all(cell >= 0 for row in cells for cell in row)
    for column, given_cells in zip(columns, zip(*cells, strict=True), strict=True):
        mask = column.eligible or (True,) * len(rows)
        assert all(may or not cell for may, cell in zip(mask, given_cells, strict=True))
        assert all(cell % column.unit == 0 for cell in given_cells)


def test_known_matrix_of_three_equal_lines() -> None:
    """Lines of 89.99 paid by 1,234 points, 50.00 and 207.63: line 2 is 411, 16.67 and 69.21."""
    cells = matrix((8999, 8999, 8999), (Column(1234), Column(5000), Column(20763)))
    assert cells == ((412, 1666, 6921), (411, 1667, 6921), (411, 1667, 6921))
    assert cells[1] == (411, 1667, 6921)


@given(cases(12, 6))
def test_l25_matrix(case: Case) -> None:
    """Both margins are exact and each cell is floor or ceiling of row times column over total."""
    rows, columns = case
    cells = matrix(rows, columns)
    assert_margins(rows, columns, cells)
    total = sum(rows)
    for row, given_cells in zip(rows, cells, strict=True):
        for column, cell in zip(columns, given_cells, strict=True):
            share = Fraction(row * column.amount, total) if total else Fraction(0)
            assert floor(share) <= cell <= ceil(share)


@given(cases(12, 6, masks=True))
def test_l25_matrix_with_masks(case: Case) -> None:
    """With masks each cell is floor or ceiling of the matrix shared tender by tender."""
    rows, columns = case
    exact = fractional(rows, columns)
    assume(exact is not None)
    cells = matrix(rows, columns)
    assert_margins(rows, columns, cells)
    for shares, given_cells in zip(exact, zip(*cells, strict=True), strict=True):
        assert all(
            floor(share) <= cell <= ceil(share)
            for share, cell in zip(shares, given_cells, strict=True)
        )


@given(cases(5, 4, masks=True))
def test_l25_matrix_is_the_rounding_that_reads_highest(case: Case) -> None:
    """Of all roundings that keep the laws, found by brute force, ours puts odd units first."""
    rows, columns = case
    exact = fractional(rows, columns)
    assume(exact is not None)
    cells = matrix(rows, columns)
    assert [list(column) for column in zip(*cells, strict=True)] == brute_force(rows, exact)


@given(
    st.lists(st.integers(1, 60), min_size=6, max_size=7),
    st.lists(st.integers(1, 60), min_size=4, max_size=5),
)
def test_l25_matrix_is_mended_where_the_greedy_way_gets_stuck(
    lines: list[int], shares: list[int]
) -> None:
    """Five tenders over six or seven small lines, where greed often fails: still the highest."""
    columns = [Column(amount) for amount in allocate(sum(lines), shares)]
    cells = matrix(lines, columns)
    expected = brute_force(lines, fractional(lines, columns) or [])
    assert [list(column) for column in zip(*cells, strict=True)] == expected


def test_a_matrix_on_which_greed_gets_stuck() -> None:
    """Giving the first column's odd unit to the second row leaves no way on: it goes elsewhere."""
    cells = matrix((1, 1, 4, 2), (Column(3), Column(1), Column(4)))
    assert cells == ((1, 0, 0), (0, 0, 1), (2, 0, 2), (0, 1, 1))


@given(cases(8, 5, masks=True, units=True))
def test_l25_matrix_with_steps_keeps_both_margins(case: Case) -> None:
    """Whole steps, masks and both margins hold together, or the refusal names the column."""
    rows, columns = case
    refusal = None
    try:
        cells = matrix(rows, columns)
    except InvalidTenders as error:
        refusal = error
    if refusal is None:
        assert_margins(rows, columns, cells)
    else:
        position = refusal.data["column"]
        assert refusal.path == f"columns[{position}]"
        assert 0 < refusal.data["missing"] <= columns[position].amount


def test_points_in_steps_leave_the_law_to_the_other_tenders() -> None:
    """Points worth 10 each give whole points to each line and the card pays the rest."""
    assert matrix((8999, 8999, 8999), (Column(12340, unit=10), Column(14657))) == (
        (4120, 4879),
        (4110, 4889),
        (4110, 4889),
    )


def test_a_tender_in_steps_is_shared_first_wherever_it_is_declared() -> None:
    """A card declared before the points takes what the points leave, in its own column."""
    assert matrix((25, 18), (Column(13), Column(30, unit=10))) == ((5, 20), (8, 10))


def test_a_voucher_for_one_line_is_paid_on_that_line() -> None:
    """A masked tender stays on its rows, and the next tender evens out what they still owe."""
    rows, voucher = (1000, 500, 500), Column(400, (True, False, False))
    assert matrix(rows, (voucher, Column(1600))) == ((400, 600), (0, 500), (0, 500))


@pytest.mark.parametrize(
    ("rows", "columns", "cells"),
    [
        ((), (), ()),
        ((0, 0), (), ((), ())),
        ((0, 0), (Column(0), Column(0)), ((0, 0), (0, 0))),
        ((), (Column(0),), ()),
        ((), (Column(0, ()), Column(0, unit=5)), ()),
        ((5, 7), (Column(12),), ((5,), (7,))),
        ((5, 0), (Column(2), Column(3)), ((2, 3), (0, 0))),
        ((5, 5), (Column(0, (False, False)), Column(10)), ((0, 5), (0, 5))),
        ((10, 20), (Column(30, unit=10),), ((10,), (20,))),
    ],
)
def test_small_and_empty_matrices(
    rows: Sequence[int], columns: Sequence[Column], cells: Sequence[Sequence[int]]
) -> None:
    """No rows, no columns, zeros and single tenders have their plain answer."""
    assert matrix(rows, columns) == cells


@pytest.mark.parametrize(
    ("rows", "columns", "path"),
    [
        ((5, 5), (Column(9),), "columns"),
        ((5,), (), "columns"),
        ((5, -5), (Column(0),), "rows[1]"),
        ((5,), (Column(6), Column(-1)), "columns[1].amount"),
        ((5, 1.0), (Column(6),), "rows[1]"),
        ((5,), (Column(5.0),), "columns[0].amount"),
    ],
)
def test_margins_that_cannot_be_shared_are_refused(
    rows: Sequence[int], columns: Sequence[Column], path: str
) -> None:
    """Sums that differ, negative amounts and fractions are refused by path."""
    with pytest.raises(InvalidInput) as caught:
        matrix(rows, columns)
    assert caught.value.path == path


@pytest.mark.parametrize(
    ("rows", "columns", "path", "missing"),
    [
        ((300, 700), (Column(400, (True, False)), Column(600)), "columns[0]", 100),
        ((300, 700), (Column(500), Column(200, (True, False)), Column(300)), "columns[1]", 50),
        ((1, 2), (Column(1), Column(1, (True, False)), Column(1)), "columns[1]", 1),
        ((25, 25), (Column(50, unit=10),), "columns[0]", 10),
        ((25, 25), (Column(30, (True, False), 10), Column(20)), "columns[0]", 10),
    ],
)
def test_a_tender_without_a_place_is_refused_with_what_is_missing(
    rows: Sequence[int], columns: Sequence[Column], path: str, missing: int
) -> None:
    """The refusal names the column and the minor units that have no place on its rows."""
    with pytest.raises(InvalidTenders) as caught:
        matrix(rows, columns)
    assert caught.value.path == path
    assert f"columns[{caught.value.data['column']}]" == path
    assert caught.value.data["missing"] == missing


@pytest.mark.parametrize(
    ("column", "path"),
    [
        (Column(10, (True,)), "columns[0].eligible"),
        (Column(10, unit=3), "columns[0].unit"),
        (Column(10, unit=0), "columns[0].unit"),
        (Column(10, unit=-5), "columns[0].unit"),
    ],
)
def test_terms_that_do_not_fit_the_tender_are_refused(column: Column, path: str) -> None:
    """A mask of the wrong length and a step that the amount does not hold are refused."""
    with pytest.raises(InvalidTenders) as caught:
        matrix((4, 6), (column,))
    assert caught.value.path == path


def test_a_thousand_lines_are_rounded_as_exactly_as_three() -> None:
    """Both margins hold at a thousand lines with ten tenders."""
    rows = [(37 * line * line + 11) % 9973 for line in range(1000)]
    columns = [
        Column(amount) for amount in allocate(sum(rows), (1, 2, 3, 5, 7, 11, 13, 17, 19, 23))
    ]
    assert_margins(rows, columns, matrix(rows, columns))
