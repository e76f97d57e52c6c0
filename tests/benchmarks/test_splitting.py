"""The figures about splitting: that what they time is a split."""

from __future__ import annotations

import pytest
from benchmarks.__main__ import CASES

from benchmarks import shop, splitting
from ordercore.order.split import SplitPart, divided
from ordercore.testing import laws


@pytest.mark.parametrize("parts", [splitting.PARTS, splitting.APART])
def test_the_split_that_is_timed_conserves(parts: tuple[SplitPart, ...]) -> None:
    """L16: three parts of the usual cart, with four tenders, come to 223.29 and to what each tender paid."""
    order = splitting.paid()
    portions = divided(order, parts)
    laws.split_conserves(order, portions)
    laws.cut_rows_are_next_to_their_share(order, portions)
    contents = splitting.agreed(order, parts)
    assert sum(content.total for content in contents) == order.total == 22329
    assert [content.total for content in contents] == [portion.total for portion in portions]
    assert [len(content.cart.lines) for content in contents if content.cart] == [
        len(portion.lines) for portion in portions
    ]


def test_the_engine_splits_as_it_is_timed() -> None:
    """What is written is what is worked out."""
    engine = shop.build()
    order = engine.place(engine.quote(shop.cart()), key="q", by=shop.BY)
    order = engine.pay(order.id, shop.OFFERS, key="p", by=shop.BY).order
    made = engine.split(order.id, splitting.GOODS, key="s", by=shop.BY)
    assert [child.payments for child in made.children] == [
        portion.payments for portion in divided(order, splitting.PARTS)
    ]
    assert "splitting" in CASES
