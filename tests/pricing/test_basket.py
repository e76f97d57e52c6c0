"""The basket that promotions read: what it tells a host's rule."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ordercore.errors import InvalidInput
from ordercore.money import money
from ordercore.pricing.basket import Basket, BasketLine
from ordercore.pricing.cart import CartLine, GoodsKind
from ordercore.pricing.promotion import Scope

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
NAMES = st.sampled_from("abcdefgh")
LISTS = st.lists(NAMES, max_size=6).map(tuple)


def row(
    sku: str = "a",
    category: str = "a",
    brand: str = "a",
    kind: GoodsKind = GoodsKind.GOODS,
    bundle: str = "",
    left: int = 300,
    floor: int = 0,
    bundle_line: CartLine | None = None,
) -> BasketLine:
    """A line of three units of 1.00."""
    cart_line = CartLine(sku, 3, money("1.00", "EUR"))
    return BasketLine(
        sku, sku, sku, category, brand, kind, bundle, 3, 100, 300, left, floor, cart_line,
        bundle_line=bundle_line,
    )  # fmt: skip


def component(sku: str, names: tuple[str, str, str]) -> BasketLine:
    """A component of a bundle with a sku, a category and a brand."""
    whole = CartLine(names[0], 1, money("1.00", "EUR"), category=names[1], brand=names[2])
    return row(sku, bundle="7", bundle_line=whole)


def test_room_is_what_is_left_above_the_floor() -> None:
    """A line at its floor has no room, and one below it has none either."""
    assert [row(left=left, floor=200).room for left in (300, 200, 100)] == [100, 0, 0]


def test_a_basket_counts_what_remains() -> None:
    """The total is what is left of all lines; shipping stands apart."""
    basket = Basket("EUR", [row(), row("b", left=50)], AT, shipping=500, shipping_off=200)
    assert (basket.total(), basket.units(), basket.shipping_left) == (350, 6, 300)
    assert Basket("EUR", [], AT).shipping_left == 0


def test_a_copy_has_its_own_lines_and_the_same_figures() -> None:
    """What is done to a copy is not done to the basket."""
    basket = Basket("EUR", [row()], AT, shop="eu", customer="me", shipping=500, shipping_off=5)
    copy = basket.copy()
    for name in Basket.__slots__:
        if name != "lines":
            assert getattr(copy, name) == getattr(basket, name)
    for name in BasketLine.__slots__:
        assert getattr(copy.lines[0], name) == getattr(basket.lines[0], name)
    copy.lines[0].left = 0
    assert basket.lines[0].left == 300
    assert repr(basket.lines[0]) == "BasketLine('a', 'a', 3 x 100, left=300, floor=0)"


ROWS = st.one_of(
    st.builds(row, NAMES, NAMES, NAMES, st.sampled_from(GoodsKind), st.sampled_from(("", "7"))),
    st.builds(component, NAMES, st.tuples(NAMES, NAMES, NAMES)),
)
SCOPES = st.builds(Scope, LISTS, LISTS, LISTS, LISTS, LISTS, LISTS, st.booleans(), st.booleans())


@given(st.lists(ROWS, max_size=8), SCOPES)
def test_a_scope_takes_in_what_its_lists_say(rows: list[BasketLine], scope: Scope) -> None:
    """Every list that is not empty must name the line or its bundle, and no exception may."""

    def within(line: BasketLine) -> bool:
        voucher = "voucher" in line.kind.value
        owners = [line] if line.bundle_line is None else [line, line.bundle_line]
        asked = (
            (scope.skus, scope.except_skus, {one.sku for one in owners}),
            (scope.categories, scope.except_categories, {one.category for one in owners}),
            (scope.brands, scope.except_brands, {one.brand for one in owners}),
        )
        named = all(
            (not names or not own.isdisjoint(names)) and own.isdisjoint(not_)
            for names, not_, own in asked
        )
        return named and (scope.vouchers or not voucher) and (scope.bundles or not line.bundle)

    basket = Basket("EUR", rows, AT)
    assert basket.matching(scope) == [line for line in rows if within(line)]
    assert basket.matching(scope) is not basket.lines


@pytest.mark.parametrize("scope", [Scope(skus="ab"), Scope(bundles=1), Scope(vouchers="no")])  # type: ignore[arg-type]
def test_a_scope_of_wrong_types_is_refused(scope: Scope) -> None:
    """A text would match by its letters, and any text would be a yes."""
    with pytest.raises(InvalidInput):
        Basket("EUR", [row()], AT).matching(scope)
