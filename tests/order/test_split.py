"""Orders that are split: what each part takes along of the goods and of the money."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

import pytest
from hypothesis import assume, given, reject
from hypothesis import strategies as st

from ordercore import Manifest, Percent, Presale, PricingPolicy, ShippingCharge
from ordercore.errors import InvalidInput, InvalidManifest, InvalidQuantity, OrdercoreError
from ordercore.money import money
from ordercore.order import Order, evolve
from ordercore.order.events import SplitOff
from ordercore.order.handling import Handling, Lineage
from ordercore.order.split import (
    PARTS_MAX,
    REASONS_MAX,
    ChargeShare,
    ChargeSplit,
    Portion,
    SplitPart,
    child_content,
    divided,
    matrix_in_force,
)
from ordercore.pricing import TaxPolicy
from ordercore.pricing import quote as price
from ordercore.tender.tenders import Balance, Channel, Points
from ordercore.testing import (
    START,
    Story,
    charge_splits,
    laws,
    order_a,
    order_content,
    settled_orders,
    split_parts,
)
from ordercore.testing.story import presale_lifecycle, with_fields

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hypothesis.strategies import DataObject

EACH = tuple([SplitPart(name, Manifest.of({name: 1})) for name in ("1", "2", "3")])
"""Order A, a line each."""
GRAMS = (500, 300, 200)


def born(order: Order, portions: Sequence[Portion], at: int) -> Order:
    """The order that a part becomes."""
    name = f"{order.id}.{at + 1}"
    content = child_content(order, portions, at, name, f"{order.number}-{at + 1}", "")
    handling = Handling(lineage=Lineage(order.id, portions[at].part.name))
    event = SplitOff(content, order.state, START, portions[at].payments, handling)
    return evolve(None, event, START)


def paid_a() -> Order:
    """Order A with freight of 10.00, paid as 12.34 in points, 50.00 of the balance, and a channel."""
    cart = order_a()
    lines = tuple(
        [with_fields(line, weight_grams=g) for line, g in zip(cart.lines, GRAMS, strict=True)]
    )
    cart = with_fields(cart, lines=lines, shipping=ShippingCharge(money("10.00", "CNY")))
    policy = PricingPolicy(tax=TaxPolicy(default=Percent.of("13")))
    story = Story(order_content(price(cart, policy, START), reservation="res-1"))
    story.pay(Points(1234, "c-1"), Balance(money("50.00", "CNY"), "c-1"), Channel("wechat"))
    return story.order


def in_parts(order: Order, parts: Sequence[SplitPart], data: DataObject) -> Sequence[Portion]:
    """The parts with their money; points too coarse for a part are refused, which a test of its own tells."""
    try:
        return divided(order, parts, data.draw(charge_splits(order, len(parts))))
    except InvalidInput as error:
        if "points" not in error.data:
            raise
        reject()


# Laws --------------------------------------------------------------------------------------------


@given(settled_orders(), st.data())
def test_l16_split_conserves_goods_prices_and_money(order: Order, data: DataObject) -> None:
    """Whatever an order is made of, its parts come to what was left of it, and each adds up by itself; so do the
    orders that they become."""
    parts = data.draw(split_parts(order))
    portions = in_parts(order, parts, data)
    laws.split_conserves(order, portions)
    children = [born(order, portions, k) for k in range(len(parts))]
    bare = with_fields(order, content=with_fields(order.content, reservation="", added=()))
    laws.split_conserves(bare, children)
    for child in children:
        laws.part_reconciles(child)
        laws.amounts_agree(child)
    due, owed = sum(child.due for child in children), sum(child.owed for child in children)
    assert (due, owed) == (order.due, 0)


@given(settled_orders(), st.data())
def test_l16_a_split_of_a_split_conserves(order: Order, data: DataObject) -> None:
    """A part that is split again comes to its parts, and so does the order to all of them."""
    parts = data.draw(split_parts(order))
    portions = in_parts(order, parts, data)
    large = [k for k, part in enumerate(parts) if part.goods.total() > 1]
    if not large:
        return
    at = data.draw(st.sampled_from(large))
    child = born(order, portions, at)
    finer = data.draw(split_parts(child))
    again = in_parts(child, finer, data)
    laws.split_conserves(child, again)
    laws.split_conserves(order, [*portions[:at], *again, *portions[at + 1 :]])
    for portion in again:
        laws.part_reconciles(portion)


@given(settled_orders(paid=True), st.data())
def test_l25_matrix_of_a_cut_row_is_next_to_its_share(order: Order, data: DataObject) -> None:
    """Where rows keep their cells, those that several parts share are cut by controlled rounding."""
    plan = order.payments.plan
    assume(order.presale is None and matrix_in_force(order))
    assume(plan is not None and all(tender.quantum_minor == 1 for tender in plan.tenders))
    parts = data.draw(split_parts(order))
    portions = in_parts(order, parts, data)
    laws.cut_rows_are_next_to_their_share(order, portions)
    for portion in portions:
        assert portion.payments.secured == portion.total


def _cheaper(portion: Portion) -> Portion:
    line = portion.lines[0]
    return with_fields(portion, lines=(with_fields(line, total=line.total - 1),))


def _poorer(portion: Portion) -> Portion:
    payments = portion.payments
    first = payments.attempts[0]
    less = with_fields(first, points=first.points - 1)
    return with_fields(portion, payments=payments.having(attempts=(less, *payments.attempts[1:])))


def _kinder(portion: Portion) -> Portion:
    (off,) = portion.discounts
    return with_fields(portion, discounts=(with_fields(off, label="another rule"),))


@pytest.mark.parametrize("wrong", [_cheaper, _poorer, _kinder])
def test_the_law_sees_a_part_that_lost_something(wrong: Callable[[Portion], Portion]) -> None:
    """A cent, a point, or the name of a rule that is not that of the whole breaks L16."""
    order = paid_a()
    first, *others = divided(order, EACH)
    laws.split_conserves(order, [first, *others])
    with pytest.raises(AssertionError, match="L16 split conserves"):
        laws.split_conserves(order, [wrong(first), *others])


def test_the_law_sees_a_matrix_that_does_not_add_up() -> None:
    """A cent in the wrong cell breaks L25, of the part by itself and of the row that was cut."""
    order = paid_a()
    first, *others = divided(order, EACH)
    plan = first.payments.plan
    assert plan is not None
    (a, b, *rest), *rows = plan.matrix
    odd = with_fields(plan, matrix=((a + 1, b - 1, *rest), *rows))
    wrong = with_fields(first, payments=first.payments.having(plan=odd))
    with pytest.raises(AssertionError, match="L25 matrix"):
        laws.part_reconciles(wrong)
    with pytest.raises(AssertionError, match="L25 matrix"):
        laws.cut_rows_are_next_to_their_share(order, [wrong, *others])


def test_the_law_sees_what_was_priced_again() -> None:
    """L17: an order that comes back with another price or other money is not what was split."""
    order = paid_a()
    laws.rejoin_inverts(order, order)
    dearer = with_fields(order, content=with_fields(order.content, total=order.total + 1))
    with pytest.raises(AssertionError, match="L17 rejoin inverts split"):
        laws.rejoin_inverts(order, dearer)
    poorer = with_fields(order, payments=order.payments.having(attempts=()))
    with pytest.raises(AssertionError, match="L17 rejoin inverts split"):
        laws.rejoin_inverts(order, poorer)


# Case 1 ------------------------------------------------------------------------------------------


def test_order_a_in_three_is_split_to_the_cent() -> None:
    """Order A with freight by weight comes to 94.99, 92.99 and 91.99, and its tenders add up both ways."""
    portions = divided(paid_a(), EACH)
    assert [portion.total for portion in portions] == [9499, 9299, 9199]
    assert [portion.charges[0].total for portion in portions] == [500, 300, 200]
    matrix = [[a.amount for a in portion.payments.attempts] for portion in portions]
    assert [sum(row) for row in matrix] == [9499, 9299, 9199]
    assert [sum(column) for column in zip(*matrix, strict=True)] == [1234, 5000, 21763]
    assert sum(p.payments.attempts[0].points for p in portions) == 1234


@pytest.mark.parametrize(
    ("by", "freight"),
    [
        (ChargeShare.WEIGHT, [500, 300, 200]),
        (ChargeShare.VALUE, [334, 333, 333]),
        (ChargeShare.UNITS, [334, 333, 333]),
    ],
)
def test_freight_goes_by_the_rule(by: ChargeShare, freight: list[int]) -> None:
    """Freight is shared by weight, by value or by units."""
    portions = divided(paid_a(), EACH, ChargeSplit(by))
    assert [portion.charges[0].total for portion in portions] == freight


def test_freight_of_goods_without_a_weight_goes_by_value() -> None:
    """Where a line has no weight, all are shared by what the goods cost."""
    order = paid_a()
    lines = (with_fields(order.lines[0], weight_grams=0), *order.lines[1:])
    order = with_fields(order, content=with_fields(order.content, lines=lines))
    assert [p.charges[0].total for p in divided(order, EACH)] == [334, 333, 333]


def test_weights_may_be_given_for_a_charge() -> None:
    """A charge with weights of its own goes by them, and a part of weight zero has none of it."""
    portions = divided(paid_a(), EACH, ChargeSplit(given=(("shipping", (0, 3, 1)),)))
    assert [[c.total for c in portion.charges] for portion in portions] == [[], [750], [250]]


def test_a_line_that_goes_one_way_is_the_very_line() -> None:
    """Nothing of a line that stays whole is worked out again."""
    order = paid_a()
    assert [portion.lines[0] is line for portion, line in zip(divided(order, EACH), order.lines, strict=True)] == [True] * 3  # fmt: skip


def test_what_was_refunded_stays_with_the_order() -> None:
    """The parts hold the units and the money that are left."""
    story = Story(order_content(price(order_a(), PricingPolicy(), START)))
    story.pay(Points(1234, "c-1"), Channel("wechat"))
    story.refund({"1": 1})
    portions = divided(story.order, EACH[1:])
    laws.split_conserves(story.order, portions)
    assert [portion.total for portion in portions] == [8999, 8999]
    assert sum(portion.payments.secured for portion in portions) == 2 * 8999


def test_a_deposit_is_shared_by_what_the_parts_cost() -> None:
    """Each part of a presold order has a deposit of its own, which was paid; the balance falls due as agreed."""
    opens = START + timedelta(days=3)
    presale = Presale(money("30.00", "CNY"), opens, opens + timedelta(days=2))
    cart = with_fields(order_a(), presale=presale)
    lifecycle = presale_lifecycle()
    content = order_content(price(cart, PricingPolicy(), START), lifecycle=lifecycle)
    story = Story(content, lifecycle=lifecycle)
    story.pay(Channel("wechat"))
    children = [born(story.order, divided(story.order, EACH), k) for k in range(3)]
    assert [child.presale and child.presale.deposit for child in children] == [money("10.00", "CNY")] * 3  # fmt: skip
    assert [(child.payments.secured, child.due) for child in children] == [(1000, 7999)] * 3
    assert {child.presale and child.presale.balance_from for child in children} == {opens}


# Bad input (L24) ---------------------------------------------------------------------------------

_ONE = Manifest.of({"1": 1})
_REST = Manifest.of({"2": 1, "3": 1})


@pytest.mark.parametrize(
    ("parts", "error", "path"),
    [
        ((SplitPart("a", Manifest.of({"1": 1, "2": 1, "3": 1})),), InvalidInput, "parts"),
        ((EACH[0],) * (PARTS_MAX + 1), InvalidInput, "parts"),
        ((SplitPart("a", _ONE), SplitPart("b", Manifest())), InvalidManifest, "parts[1].goods"),
        ((SplitPart("a", _ONE), SplitPart("a", _REST)), InvalidInput, "parts[1].name"),
        ((SplitPart("", _ONE), SplitPart("b", _REST)), InvalidInput, "parts[0].name"),
        (EACH[:2], InvalidManifest, "parts[3]"),
        ((*EACH, SplitPart("d", _ONE)), InvalidManifest, "parts[1]"),
        ((*EACH, SplitPart("d", Manifest.of({"9": 1}))), InvalidManifest, "parts[3].goods[9]"),
    ],
)
def test_l24_parts_that_are_none_are_refused(
    parts: tuple[SplitPart, ...], error: type[OrdercoreError], path: str
) -> None:
    """Every unit that is left is in just one part, parts have goods and names; the error says which does not."""
    with pytest.raises(error) as caught:
        divided(paid_a(), parts)
    assert type(caught.value) is error
    assert caught.value.path == path


@pytest.mark.parametrize("weights", [(1, 1), (0, 0, 0), (-1, 1, 1)])
def test_l24_weights_that_share_nothing_are_refused(weights: tuple[int, ...]) -> None:
    """Given weights are one for each part, none below zero and one above."""
    with pytest.raises(InvalidInput) as caught:
        divided(paid_a(), EACH, ChargeSplit(given=(("shipping", weights),)))
    assert caught.value.path == "rule.given[shipping]"


_ANY: Any = None
"""What no type checker would let through."""


@pytest.mark.parametrize(
    ("part", "error", "path"),
    [
        (_ANY, InvalidInput, "parts[0]"),
        (SplitPart("a", _ANY), InvalidManifest, "parts[0].goods"),
        (SplitPart("a", cast("Any", {"1": 1})), InvalidManifest, "parts[0].goods"),
        (SplitPart("a", Manifest(cast("Any", (5,)))), InvalidManifest, "parts[0].goods"),
        (SplitPart("a", Manifest((*_ONE.items, *_ONE.items))), InvalidManifest, "parts[0].goods"),
        (SplitPart("a", Manifest(cast("Any", (("1", 0),)))), InvalidQuantity, "parts[0].goods[1]"),
        (
            SplitPart("a", Manifest(cast("Any", (("1", True),)))),
            InvalidQuantity,
            "parts[0].goods[1]",
        ),
        (SplitPart(cast("Any", 3), _ONE), InvalidInput, "parts[0].name"),
        (SplitPart("x" * 200_000, _ONE), InvalidInput, "parts[0].name"),
        (SplitPart("a", _ONE, cast("Any", "xy")), InvalidInput, "parts[0].reasons"),
        (SplitPart("a", _ONE, cast("Any", (1,))), InvalidInput, "parts[0].reasons[0]"),
        (SplitPart("a", _ONE, ("x",) * (REASONS_MAX + 1)), InvalidInput, "parts[0].reasons"),
        (SplitPart("a", _ONE, (), cast("Any", object())), InvalidInput, "parts[0].source"),
    ],
)
def test_l24_a_part_of_a_wrong_shape_is_refused(
    part: SplitPart, error: type[OrdercoreError], path: str
) -> None:
    """Whatever somebody gives as a part, the error names the field that is wrong."""
    with pytest.raises(error) as caught:
        divided(paid_a(), (part, SplitPart("b", _REST)))
    assert type(caught.value) is error
    assert caught.value.path == path


@pytest.mark.parametrize(
    ("rule", "path"),
    [
        ("x", "charges"),
        (ChargeSplit(cast("Any", "weight")), "rule.freight"),
        (ChargeSplit(fees=cast("Any", 5)), "rule.fees"),
        (ChargeSplit(given=cast("Any", {"shipping": (1, 1, 1)})), "charges.given"),
        (ChargeSplit(given=cast("Any", (5,))), "rule.given[0]"),
        (ChargeSplit(given=cast("Any", (("shipping", 5),))), "rule.given[shipping]"),
        (ChargeSplit(given=cast("Any", (("shipping", (1.5, 1, 1)),))), "rule.given[shipping]"),
        (ChargeSplit(given=(("shipping", (True, 1, 1)),)), "rule.given[shipping]"),
        (ChargeSplit(given=(("shipping", (10**400, 1, 1)),)), "rule.given[shipping]"),
        (ChargeSplit(given=(("nope", (1, 1, 1)),)), "rule.given[nope]"),
        (ChargeSplit(given=(("shipping", (1, 1, 1)),) * 2), "rule.given[shipping]"),
    ],
)
def test_l24_a_rule_of_a_wrong_shape_is_refused(rule: Any, path: str) -> None:
    """Weights are whole, for a charge that is there, named once; what charges go by is one of three."""
    with pytest.raises(InvalidInput) as caught:
        divided(paid_a(), EACH, rule)
    assert caught.value.path == path
