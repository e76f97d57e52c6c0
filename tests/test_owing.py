"""What rows still owe while tenders are drawn from them: the integers are the rationals that they stand for."""

from __future__ import annotations

from fractions import Fraction
from math import ceil, floor
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from ordercore.allocation.owing import Owing

if TYPE_CHECKING:
    from hypothesis.strategies import DataObject

ROWS = st.lists(st.integers(0, 10**6), min_size=1, max_size=6)


@given(ROWS, st.data())
def test_l25_draws_are_those_of_exact_fractions(rows: list[int], data: DataObject) -> None:
    """Drawn in proportion or in whole parts, each row owes what fractions of it would say."""
    mask = st.none() | st.tuples(*[st.booleans()] * len(rows))
    masks = data.draw(st.lists(mask, min_size=1, max_size=5))
    owing, exact = Owing(rows, masks), [Fraction(row) for row in rows]
    for each in masks:
        payable = [i for i in range(len(rows)) if each is None or each[i]]
        still = sum((exact[i] for i in payable), Fraction(0))
        assert owing.fits(each) == floor(still)
        assert owing.lacks(10**7, each) == ceil(10**7 - still)
        wholes = [floor(exact[i]) if i in payable else 0 for i in range(len(rows))]
        assert owing.wholes(each) == wholes
        if data.draw(st.booleans()):
            taken = [data.draw(st.integers(0, whole)) for whole in wholes]
            owing.take_parts(taken)
            exact = [row - part for row, part in zip(exact, taken, strict=True)]
            continue
        amount = data.draw(st.integers(0, floor(still)))
        level = amount / still if still else Fraction(0)
        shares = [exact[i] * level if i in payable else Fraction(0) for i in range(len(rows))]
        parts, odds = owing.draw(amount, each)
        assert parts == [floor(share) for share in shares]
        assert [bool(odd) for odd in odds] == [share.denominator > 1 for share in shares]
        exact = [row - share for row, share in zip(exact, shares, strict=True)]


@given(ROWS, st.data())
def test_taking_leaves_what_drawing_leaves(rows: list[int], data: DataObject) -> None:
    """Who does not want the shares takes the amount, and the rows owe the same."""
    mask = tuple(data.draw(st.lists(st.booleans(), min_size=len(rows), max_size=len(rows))))
    one, other = Owing(rows, [mask]), Owing(rows, [mask])
    amount = data.draw(st.integers(0, one.fits(mask)))
    one.take(amount, mask)
    other.draw(amount, mask)
    assert one.wholes(None) == other.wholes(None)
    assert one.fits(mask) == other.fits(mask)
