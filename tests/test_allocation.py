"""Shares by weight, within bounds, by unit, and drawn down: laws L1, L2 and L4 by name."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise, permutations
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ordercore.allocation import (
    Apart,
    RemainderRule,
    allocate,
    allocate_apart,
    allocate_within,
    draw,
    drawn,
    share_of_units,
)
from ordercore.errors import InvalidInput, InvalidQuantity

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hypothesis.strategies import DrawFn

    Divide = Callable[[int, int], int]
    Bounds = Sequence[int | None]
    BoundedCase = tuple[int, list[int], list[int], list[int | None]]

HUGE = 10**40

amounts = st.integers(-20, 20) | st.integers(-100_000, 100_000) | st.integers(-HUGE, HUGE)
weight = st.integers(0, 5) | st.integers(0, 100_000) | st.integers(0, HUGE)
weights = st.lists(weight, min_size=1, max_size=12).filter(any)
rules = st.sampled_from(RemainderRule)
placing_rules = st.sampled_from([r for r in RemainderRule if r is not RemainderRule.KEPT_APART])
cells = st.lists(st.integers(0, 4) | st.integers(0, 9_000) | st.integers(0, HUGE), max_size=7)


def half_up(numerator: int, denominator: int) -> int:
    """Nearest integer, a half away from zero: what many shops did before."""
    return (2 * numerator + denominator) // (2 * denominator)


def half_down(numerator: int, denominator: int) -> int:
    """Nearest integer, a half toward zero."""
    return -((denominator - 2 * numerator) // (2 * denominator))


divides = st.sampled_from([None, half_up, half_down])


def off_by(amount: int, given_weights: Sequence[int], parts: Sequence[int]) -> list[Fraction]:
    """Distance of each part from its exact share."""
    total = sum(given_weights)
    return [
        abs(part - Fraction(amount * weight, total))
        for part, weight in zip(parts, given_weights, strict=True)
    ]


# --- The default rule ------------------------------------------------------------------------


@given(amounts, weights)
def test_l1_shares_sum(amount: int, given_weights: list[int]) -> None:
    """By the default rule the parts add up to the amount, one part a weight."""
    parts = allocate(amount, given_weights)
    assert sum(parts) == amount
    assert len(parts) == len(given_weights)


@given(amounts, weights)
def test_l2_quota(amount: int, given_weights: list[int]) -> None:
    """By the default rule each part is less than a unit off, and a zero weight gets zero."""
    parts = allocate(amount, given_weights)
    assert max(off_by(amount, given_weights, parts)) < 1
    assert all(part == 0 for part, w in zip(parts, given_weights, strict=True) if not w)


@given(amounts, weights, placing_rules, divides)
def test_allocation_is_symmetric_in_the_sign(
    amount: int, given_weights: Sequence[int], rule: RemainderRule, divide: Divide | None
) -> None:
    """Sharing the negative amount turns the sign of each part, by each rule."""
    positive = allocate(amount, given_weights, rule=rule, divide=divide)
    negative = allocate(-amount, given_weights, rule=rule, divide=divide)
    assert negative == tuple(-part for part in positive)


@given(amounts.map(abs), weights)
def test_odd_units_go_to_the_largest_fractions_and_ties_to_the_first(
    amount: int, given_weights: Sequence[int]
) -> None:
    """Sorting by fraction, then position, and raising the first few says the same."""
    total = sum(given_weights)
    expected = [amount * w // total for w in given_weights]
    ranking = sorted(
        range(len(given_weights)), key=lambda i: (-(amount * given_weights[i] % total), i)
    )
    for position in ranking[: amount - sum(expected)]:
        expected[position] += 1
    assert allocate(amount, given_weights) == tuple(expected)


@given(weights, st.integers(1, 1000))
def test_a_whole_share_stays_as_it_is(given_weights: list[int], times: int) -> None:
    """Sharing a multiple of the total gives each weight that multiple of itself."""
    parts = allocate(sum(given_weights) * times, given_weights)
    assert parts == tuple(w * times for w in given_weights)


@pytest.mark.parametrize(
    ("amount", "given_weights", "parts"),
    [
        (5, (70, 30), (4, 1)),
        (1000, (3333, 3333, 3333), (334, 333, 333)),
        (6, (50, 25, 25), (3, 2, 1)),
        (2, (1,) * 7, (1, 1, 0, 0, 0, 0, 0)),
        (5, (1,) * 7, (1, 1, 1, 1, 1, 0, 0)),
        (-5, (70, 30), (-4, -1)),
        (5, (0, 3, 7), (0, 2, 3)),
        (0, (1, 2), (0, 0)),
        (0, (0, 0), (0, 0)),
        (0, (), ()),
        (10**40 + 1, (1, 1), (5 * 10**39 + 1, 5 * 10**39)),
    ],
)
def test_known_shares(amount: int, given_weights: tuple[int, ...], parts: tuple[int, ...]) -> None:
    """Cases that other shops got wrong come out right."""
    assert allocate(amount, given_weights) == parts


@pytest.mark.parametrize("sharing", [allocate, allocate_apart, allocate_within])
@pytest.mark.parametrize(
    ("amount", "given_weights", "path"),
    [
        (5, (0, 0), "weights"),
        (5, (), "weights"),
        (-1, (0,), "weights"),
        (5, (3, -1), "weights[1]"),
        (0, (1, -1), "weights[1]"),
        (0, (-2,), "weights[0]"),
        (5, (1, 2.0), "weights[1]"),
        (5.0, (1, 2), "amount"),
    ],
)
def test_l24_weights_that_share_nothing_are_refused(
    sharing: Callable[..., object], amount: int, given_weights: Sequence[int], path: str
) -> None:
    """No weight, negative weights and numbers that are not integers are refused by path."""
    with pytest.raises(InvalidInput) as caught:
        sharing(amount, given_weights)
    assert caught.value.path == path


# --- The other rules -------------------------------------------------------------------------


@given(amounts, weights, rules, divides)
def test_l1_shares_sum_by_each_rule_with_the_remainder(
    amount: int, given_weights: Sequence[int], rule: RemainderRule, divide: Divide | None
) -> None:
    """Parts and the remainder kept apart add up to the amount by each rule and rounding."""
    shares = allocate_apart(amount, given_weights, rule=rule, divide=divide)
    assert sum(shares.parts) + shares.remainder == amount
    assert rule is RemainderRule.KEPT_APART or shares.remainder == 0


@given(amounts, weights, placing_rules, divides)
def test_both_doors_give_the_same_parts(
    amount: int, given_weights: Sequence[int], rule: RemainderRule, divide: Divide | None
) -> None:
    """The bare tuple is the parts of the value, for each rule that places its remainder."""
    parts = allocate(amount, given_weights, rule=rule, divide=divide)
    assert allocate_apart(amount, given_weights, rule=rule, divide=divide) == Apart(parts, 0)


@given(
    amounts,
    weights,
    st.sampled_from(
        [RemainderRule.FIRST_NONZERO, RemainderRule.LARGEST_WEIGHT, RemainderRule.KEPT_APART]
    ),
)
def test_l2_zero_weight_gets_zero_by_the_rules_that_say_so(
    amount: int, given_weights: Sequence[int], rule: RemainderRule
) -> None:
    """First nonzero, largest weight and kept apart give nothing to a weight of zero."""
    parts = allocate_apart(amount, given_weights, rule=rule).parts
    assert all(part == 0 for part, w in zip(parts, given_weights, strict=True) if not w)


@given(
    amounts,
    weights,
    st.sampled_from([RemainderRule.FIRST, RemainderRule.FIRST_NONZERO, RemainderRule.KEPT_APART]),
)
def test_l2_quota_in_its_weak_form_by_the_rules_that_say_so(
    amount: int, given_weights: Sequence[int], rule: RemainderRule
) -> None:
    """First, first nonzero and kept apart stay within one unit of the exact share."""
    parts = allocate_apart(amount, given_weights, rule=rule).parts
    assert max(off_by(amount, given_weights, parts)) <= 1


@given(amounts, weights, st.sampled_from([RemainderRule.LAST, RemainderRule.LARGEST_WEIGHT]))
def test_rules_with_one_receiver_stray_by_less_than_the_number_of_parts(
    amount: int, given_weights: Sequence[int], rule: RemainderRule
) -> None:
    """Last and largest weight put one part off, by at most n - 1 units."""
    distances = off_by(amount, given_weights, allocate(amount, given_weights, rule=rule))
    assert max(distances) <= max(1, len(given_weights) - 1)
    assert sum(distance >= 1 for distance in distances) <= 1


@pytest.mark.parametrize(
    ("rule", "amount", "given_weights", "parts"),
    [
        (RemainderRule.LARGEST_FRACTION, 5, (0, 3, 7), (0, 2, 3)),
        (RemainderRule.FIRST, 5, (0, 3, 7), (1, 1, 3)),
        (RemainderRule.FIRST_NONZERO, 5, (0, 3, 7), (0, 2, 3)),
        (RemainderRule.LAST, 5, (0, 3, 7), (0, 1, 4)),
        (RemainderRule.LARGEST_WEIGHT, 5, (0, 7, 3), (0, 4, 1)),
        (RemainderRule.FIRST_NONZERO, 6, (50, 25, 25), (4, 1, 1)),
        (RemainderRule.FIRST, 5, (1, 1, 1), (2, 2, 1)),
        (RemainderRule.LAST, 5, (1, 1, 1), (1, 1, 3)),
        (RemainderRule.LAST, 3, (1, 1, 1, 1, 0), (0, 0, 0, 0, 3)),
        (RemainderRule.LARGEST_WEIGHT, 5, (2, 2, 2), (3, 1, 1)),
        (RemainderRule.LAST, -5, (1, 1, 1), (-1, -1, -3)),
    ],
)
def test_each_rule_places_its_remainder(
    rule: RemainderRule, amount: int, given_weights: Sequence[int], parts: tuple[int, ...]
) -> None:
    """Each rule gives what its docstring says, also where that breaks the quota."""
    assert allocate(amount, given_weights, rule=rule) == parts


@pytest.mark.parametrize("amount", [100, -100])
def test_a_remainder_kept_apart_is_shown(amount: int) -> None:
    """100 over three equal parts is 33 each and 1 beside them, with the sign of the amount."""
    third, rest = (33, 1) if amount > 0 else (-33, -1)
    assert allocate_apart(amount, (1, 1, 1)) == Apart((third, third, third), rest)


def test_a_bare_tuple_never_hides_a_remainder() -> None:
    """Kept apart is refused where the answer has no room for the remainder."""
    with pytest.raises(InvalidInput) as caught:
        allocate(100, (1, 1, 1), rule=RemainderRule.KEPT_APART)
    assert caught.value.path == "rule"


@pytest.mark.parametrize(
    ("rule", "divide", "amount", "given_weights", "parts"),
    [
        # rounded to nearest, half down, the rest to the first keys, whatever their weight
        (RemainderRule.FIRST, half_down, 5, (0, 3, 7), (1, 1, 3)),
        # "total less the others, each rounded half up, is the last line"
        (RemainderRule.LAST, half_up, 1000, (1, 1, 4), (167, 167, 666)),
        (RemainderRule.LAST, half_up, 5, (1, 1), (3, 2)),
        (RemainderRule.LARGEST_FRACTION, half_up, 5, (1, 1), (2, 3)),
        (RemainderRule.LARGEST_FRACTION, half_up, 2, (1,) * 7, (1, 1, 0, 0, 0, 0, 0)),
        (RemainderRule.LAST, half_up, -1000, (1, 1, 4), (-167, -167, -666)),
    ],
)
def test_a_former_system_that_rounded_to_nearest_is_reproduced(
    rule: RemainderRule,
    divide: Divide | None,
    amount: int,
    given_weights: Sequence[int],
    parts: tuple[int, ...],
) -> None:
    """With a rounding of its own each share is rounded first, and units may be taken back."""
    assert allocate(amount, given_weights, rule=rule, divide=divide) == parts


def test_a_rounding_that_strays_by_many_units_is_still_made_good() -> None:
    """A remainder larger than the number of receivers goes round until it is placed."""
    parts = allocate(10, (1, 1, 1), rule=RemainderRule.FIRST, divide=lambda _n, _d: 0)
    assert parts == (4, 3, 3)


def test_rules_are_told_apart_by_name() -> None:
    """The six rules stand under the names that a policy document uses."""
    assert [rule.value for rule in RemainderRule] == [
        "largest_fraction",
        "first",
        "first_nonzero",
        "last",
        "largest_weight",
        "kept_apart",
    ]


# --- Within bounds ---------------------------------------------------------------------------


@st.composite
def bounded_shares(draw_from: DrawFn) -> BoundedCase:
    """Weights with floors and caps, and an amount that they allow."""
    size = draw_from(st.integers(1, 7))
    small = st.integers(0, 6) | st.integers(0, 5_000)
    given_weights = [draw_from(small) for _ in range(size)]
    floors = [draw_from(small) for _ in range(size)]
    caps = [low + draw_from(small) if draw_from(st.booleans()) else None for low in floors]
    most = sum(
        low if not w else low + 10_000 if cap is None else cap
        for w, low, cap in zip(given_weights, floors, caps, strict=True)
    )
    return draw_from(st.integers(sum(floors), most)), given_weights, floors, caps


def levels(
    amount: int, given_weights: Sequence[int], floors: Bounds, caps: Bounds
) -> list[Fraction]:
    """Exact bounded shares, from the level at which they add up, found among all breakpoints."""
    parts = list(zip(given_weights, floors, caps, strict=True))

    def at(level: Fraction) -> list[Fraction]:
        bent = []
        for w, low, cap in parts:
            share = max(Fraction(low), w * level)
            bent.append(share if cap is None or not w else min(share, Fraction(cap)))
        return bent

    breaks = {Fraction(b, w) for w, low, cap in parts if w for b in (low, cap) if b is not None}
    below = max((b for b in breaks | {Fraction(0)} if sum(at(b)) <= amount), default=Fraction(0))
    above = min((b for b in breaks if b > below), default=below + 1)
    slope = (sum(at(above)) - sum(at(below))) / (above - below)
    return at(below + (amount - sum(at(below))) / slope) if slope else at(below)


@given(bounded_shares())
def test_l1_shares_sum_within_bounds(case: BoundedCase) -> None:
    """Bounded parts add up to the amount and none is below its floor or above its cap."""
    amount, given_weights, floors, caps = case
    parts = allocate_within(amount, given_weights, floors=floors, caps=caps)
    assert sum(parts) == amount
    assert all(low <= part for low, part in zip(floors, parts, strict=True))
    assert all(cap is None or part <= cap for part, cap in zip(parts, caps, strict=True))


@given(bounded_shares())
def test_bounded_shares_follow_one_level(case: BoundedCase) -> None:
    """Each bounded part is less than a unit from weight times the one level, bent to its bounds."""
    amount, given_weights, floors, caps = case
    parts = allocate_within(amount, given_weights, floors=floors, caps=caps)
    exact = levels(amount, given_weights, floors, caps)
    assert sum(exact) == amount
    assert all(abs(part - share) < 1 for part, share in zip(parts, exact, strict=True))


@given(bounded_shares())
def test_bounded_shares_are_symmetric_in_the_sign(case: BoundedCase) -> None:
    """Bounds are magnitudes: the negative amount turns the sign of each part."""
    amount, given_weights, floors, caps = case
    parts = allocate_within(amount, given_weights, floors=floors, caps=caps)
    mirrored = allocate_within(-amount, given_weights, floors=floors, caps=caps)
    assert mirrored == tuple(-part for part in parts)


@given(amounts, weights)
def test_without_bounds_the_default_rule_holds(amount: int, given_weights: list[int]) -> None:
    """No floors and no caps: the parts are those of plain allocation."""
    assert allocate_within(amount, given_weights) == allocate(amount, given_weights)


@pytest.mark.parametrize(
    ("amount", "given_weights", "floors", "caps", "parts"),
    [
        (100, (1, 1, 2), None, (10, None, None), (10, 30, 60)),
        (100, (1, 1, 8), (20, 0, 0), None, (20, 9, 71)),
        (100, (1, 1, 1), (60, 0, 0), (None, 15, None), (60, 15, 25)),
        (100, (1, 0), (0, 30), None, (70, 30)),
        (10, (1, 1), (5, 5), (5, 5), (5, 5)),
        # the floor of the first takes so much that the cap of the second binds no more
        (12, (1, 8, 3), (6, 0, 0), (None, 7, None), (6, 4, 2)),
        (0, (1, 1), None, None, (0, 0)),
    ],
)
def test_known_bounded_shares(
    amount: int, given_weights: Sequence[int], floors: Bounds, caps: Bounds, parts: tuple[int, ...]
) -> None:
    """Parts that hit a bound stay there and the others share the rest."""
    assert allocate_within(amount, given_weights, floors=floors, caps=caps) == parts


@pytest.mark.parametrize(
    ("amount", "bounds", "path", "sums"),
    [
        (10, {"caps": (4, 5)}, "caps", (0, 9)),
        (-10, {"caps": (4, 5)}, "caps", (0, 9)),
        (10, {"floors": (4, 7)}, "floors", (11, None)),
        (10, {"floors": (4, 7), "caps": (8, 9)}, "floors", (11, 17)),
    ],
)
def test_bounds_that_leave_no_way_are_refused_with_their_sums(
    amount: int, bounds: dict[str, Bounds], path: str, sums: tuple[int, int | None]
) -> None:
    """What cannot be shared within its bounds is refused, and the sums say by how much."""
    with pytest.raises(InvalidInput) as caught:
        allocate_within(amount, (1, 1), **bounds)
    assert caught.value.path == path
    assert (caught.value.data["sum_of_floors"], caught.value.data["sum_of_caps"]) == sums


def test_a_weight_of_zero_takes_nothing_above_its_floor() -> None:
    """A part without a weight is no way out for what the caps of the others refuse."""
    with pytest.raises(InvalidInput) as caught:
        allocate_within(10, (1, 0), caps=(4, None))
    assert caught.value.data["sum_of_caps"] == 4


@pytest.mark.parametrize(
    ("bounds", "path"),
    [
        ({"floors": (1,)}, "floors"),
        ({"caps": (1, 2, 3)}, "caps"),
        ({"floors": (0, -1)}, "floors[1]"),
        ({"floors": (5, 0), "caps": (4, 9)}, "floors[0]"),
        ({"caps": (-1, 9)}, "floors[0]"),
        ({"floors": (0.5, 1)}, "floors"),
        ({"caps": (5.0, None)}, "floors"),
    ],
)
def test_l24_bounds_that_contradict_are_refused(bounds: dict[str, Bounds], path: str) -> None:
    """Too few bounds, negative or crossed ones and fractions are refused by path."""
    with pytest.raises(InvalidInput) as caught:
        allocate_within(5, (1, 1), **bounds)
    assert caught.value.path == path


# --- By unit ---------------------------------------------------------------------------------


@given(amounts, st.integers(1, 40), st.data())
def test_l4_units_rebuild_lines(amount: int, quantity: int, data: st.DataObject) -> None:
    """Over any partition of the quantity into runs the shares add up to the amount."""
    cuts = data.draw(st.lists(st.integers(0, quantity), max_size=6).map(sorted))
    edges = [0, *cuts, quantity]
    runs = [share_of_units(amount, quantity, first, end - first) for first, end in pairwise(edges)]
    assert sum(runs) == amount


@given(amounts, st.integers(1, 30), st.data())
def test_a_run_of_units_is_a_slice_of_the_equal_shares(
    amount: int, quantity: int, data: st.DataObject
) -> None:
    """The closed form equals sharing over every unit by the default rule and adding up a slice."""
    first = data.draw(st.integers(0, quantity))
    count = data.draw(st.integers(0, quantity - first))
    expanded = allocate(amount, [1] * quantity)
    assert share_of_units(amount, quantity, first, count) == sum(expanded[first : first + count])


def test_unit_nets_of_a_discounted_line() -> None:
    """33.33 three times less 10.00 nets 29.99, 30.00 and 30.00."""
    nets = [3333 - share_of_units(1000, 3, unit, 1) for unit in range(3)]
    assert nets == [2999, 3000, 3000]


def test_a_quantity_is_never_expanded() -> None:
    """A quantity of 10^18 units is shared at once."""
    assert share_of_units(10**18 + 7, 10**18, 5, 10) == 12


@pytest.mark.parametrize(
    ("quantity", "first", "count", "path"),
    [(0, 0, 0, "quantity"), (3, -1, 1, "first"), (3, 0, -1, "count"), (3, 2, 2, "count")],
)
def test_units_that_are_not_there_are_refused(
    quantity: int, first: int, count: int, path: str
) -> None:
    """Units outside of the quantity are refused by path."""
    with pytest.raises(InvalidQuantity) as caught:
        share_of_units(100, quantity, first, count)
    assert caught.value.path == path


# --- Drawn down ------------------------------------------------------------------------------


@given(cells, st.data())
def test_drawn_cells_add_up_and_stay_within_the_row(row: list[int], data: st.DataObject) -> None:
    """Whatever is drawn, the cells add up to it and none is negative or above its own."""
    upto = data.draw(st.integers(0, sum(row)))
    state = drawn(row, sum(row), upto)
    assert sum(state) == upto
    assert all(0 <= part <= cell for part, cell in zip(state, row, strict=True))


@given(cells, st.data())
def test_drawn_cells_never_fall(row: list[int], data: st.DataObject) -> None:
    """Drawing further takes nothing back from any cell."""
    less, more = sorted(data.draw(st.tuples(*[st.integers(0, sum(row))] * 2)))
    before, after = drawn(row, sum(row), less), drawn(row, sum(row), more)
    assert all(a >= b for a, b in zip(after, before, strict=True))


@given(cells, st.data())
def test_one_unit_more_is_drawn_from_one_cell(row: list[int], data: st.DataObject) -> None:
    """A unit more changes exactly one cell, by one."""
    if not any(row):
        return
    upto = data.draw(st.integers(0, sum(row) - 1))
    before, after = drawn(row, sum(row), upto), drawn(row, sum(row), upto + 1)
    steps = [a - b for a, b in zip(after, before, strict=True)]
    assert sorted(steps) == [0] * (len(row) - 1) + [1]


@given(cells)
def test_drawing_all_gives_the_row_and_drawing_nothing_zeros(row: list[int]) -> None:
    """The two ends of a draw-down are the frozen row and nothing."""
    assert drawn(row, sum(row), sum(row)) == tuple(row)
    assert drawn(row, sum(row), 0) == (0,) * len(row)


@given(cells, st.data())
def test_draws_of_unit_one_are_differences_of_states(row: list[int], data: st.DataObject) -> None:
    """A chain of draws meets the states of the closed form at each step, and ends at the row."""
    edges = sorted(data.draw(st.lists(st.integers(0, sum(row)), max_size=6)))
    taken = (0,) * len(row)
    for upto in [*edges, sum(row)]:
        given_back = draw(row, taken, upto - sum(taken))
        assert min(given_back, default=0) >= 0
        taken = tuple(t + g for t, g in zip(taken, given_back, strict=True))
        assert taken == drawn(row, sum(row), upto)


@given(cells, st.data())
def test_a_draw_after_any_other_draw_stays_within_what_is_left(
    row: list[int], data: st.DataObject
) -> None:
    """Former draws of another policy never make a cell give more than it holds, or less than 0."""
    taken = [data.draw(st.integers(0, cell)) for cell in row]
    left = [cell - gone for cell, gone in zip(row, taken, strict=True)]
    amount = data.draw(st.integers(0, sum(left)))
    parts = draw(row, taken, amount)
    assert sum(parts) == amount
    assert all(0 <= part <= rest for part, rest in zip(parts, left, strict=True))


def test_a_cell_that_gave_too_much_rests_until_the_others_have_caught_up() -> None:
    """After 50 from the card alone the next 40 come from the points alone."""
    assert draw((100, 100), (0, 50), 40) == (40, 0)
    assert draw((100, 100), (0, 50), 60) == (55, 5)


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_refunding_three_lines_in_any_order_gives_the_tenders_back(order: tuple[int, ...]) -> None:
    """Line by line and unit by unit, 1,234 points, 50.00 and 207.63 come back exactly."""
    rows = ((412, 1666, 6921), (411, 1667, 6921), (411, 1667, 6921))
    back = [0, 0, 0]
    for line in order:
        taken: tuple[int, ...] = (0, 0, 0)
        for part in (1000, 4999, 3000):
            given_back = draw(rows[line], taken, part)
            taken = tuple(t + g for t, g in zip(taken, given_back, strict=True))
        back = [b + t for b, t in zip(back, taken, strict=True)]
    assert back == [1234, 5000, 20763]


@st.composite
def stepped_rows(draw_from: DrawFn) -> tuple[list[int], list[int]]:
    """A row whose cells hold whole steps, with room for change in the cells of unit 1."""
    step = draw_from(st.sampled_from([1, 2, 10, 100]))
    units = [draw_from(st.sampled_from([1, step])) for _ in range(draw_from(st.integers(1, 4)))]
    row = [unit * draw_from(st.integers(0, 60)) for unit in units]
    return [*row, draw_from(st.integers(0, 5_000))], [*units, 1]


@given(stepped_rows(), st.data())
def test_draws_in_steps_keep_the_laws_or_say_that_there_is_no_way(
    case: tuple[list[int], list[int]], data: st.DataObject
) -> None:
    """A chain of draws gives whole steps within what is left; a refusal is right by counting."""
    row, units = case
    step = max(units)
    taken = [0] * len(row)
    for _ in range(data.draw(st.integers(1, 6))):
        left = [cell - gone for cell, gone in zip(row, taken, strict=True)]
        amount = data.draw(st.integers(0, sum(left)))
        loose = sum(rest for rest, unit in zip(left, units, strict=True) if unit == 1)
        whole = sum(left) - loose
        # some number of steps between what the loose cells cannot give and the amount
        possible = max(0, amount - loose + step - 1) // step <= min(amount, whole) // step
        if not possible:
            with pytest.raises(InvalidInput):
                draw(row, taken, amount, units)
            continue
        parts = draw(row, taken, amount, units)
        assert sum(parts) == amount
        assert all(0 <= part <= rest for part, rest in zip(parts, left, strict=True))
        assert all(part % unit == 0 for part, unit in zip(parts, units, strict=True))
        taken = [gone + part for gone, part in zip(taken, parts, strict=True)]
    left = [cell - gone for cell, gone in zip(row, taken, strict=True)]
    assert draw(row, taken, sum(left), units) == tuple(left)


@pytest.mark.parametrize(
    ("row", "taken", "amount", "units", "parts"),
    [
        ((1230, 5000), (0, 0), 1000, (10, 1), (190, 810)),
        ((1000, 1000), (0, 0), 5, (10, 1), (0, 5)),
        ((1000, 1000), (0, 15), 15, (10, 1), (10, 5)),
        # the loose cell keeps 9 for change: points give a step more
        ((100, 20), (0, 0), 18, (10, 1), (10, 8)),
        ((100, 20), (0, 8), 12, (10, 1), (10, 2)),
        # all that is left, although the points were broken before
        ((100, 20), (3, 20), 97, (10, 1), (97, 0)),
        # two kinds of points: the change is for the larger step, and the first cell makes it
        ((100, 60, 20), (0, 0, 0), 90, (10, 20, 1), (70, 20, 0)),
    ],
)
def test_known_draws_in_steps(
    row: Sequence[int],
    taken: Sequence[int],
    amount: int,
    units: Sequence[int],
    parts: tuple[int, ...],
) -> None:
    """Points round down to whole steps and money of unit 1 takes up the difference."""
    assert draw(row, taken, amount, units) == parts


@pytest.mark.parametrize(
    ("call", "given_input", "path"),
    [
        (drawn, ((1, 2), 3, 4), "upto"),
        (drawn, ((1, 2), 3, -1), "upto"),
        (drawn, ((1, 2), 4, 1), "cells"),
        (drawn, ((4, -1), 3, 1), "cells"),
        (draw, ((1, 2), (0, 0), 4), "amount"),
        (draw, ((1, 2), (0, 0), -1), "amount"),
        (draw, ((1, 2), (2, 0), 0), "taken"),
        (draw, ((1, 2), (0, -1), 1), "taken"),
        (draw, ((1, 2), (0,), 1), "taken"),
        (draw, ((1, 2), (0, 0), 1, (1,)), "units"),
        (draw, ((1, 2), (0, 0), 1, (0, 1)), "units"),
        (draw, ((100, 3), (0, 0), 7, (10, 1)), "amount"),
    ],
    ids=lambda given: getattr(given, "__name__", str(given)),
)
def test_draws_that_the_cells_do_not_allow_are_refused(
    call: Callable[..., object], given_input: tuple[object, ...], path: str
) -> None:
    """More than is left, cells that do not match and steps that do not fit are refused by path."""
    with pytest.raises(InvalidInput) as caught:
        call(*given_input)
    assert caught.value.path == path
