"""Which orders may be merged and why not, how the tables are written, and what two orders side by side come to."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ordercore.errors import InvalidPolicy
from ordercore.money import Percent, Rounding, money
from ordercore.order.commands import PauseClocks, ResumeClocks
from ordercore.order.handling import Handling, Lineage
from ordercore.order.merge import (
    MergeCell,
    MergeMatrix,
    MergePolicy,
    MergeRule,
    combined_cart,
    joined_content,
    merge_refusals,
    renamed_lines,
)
from ordercore.party import Address, Party
from ordercore.pricing import (
    AmountOff,
    Cart,
    CartLine,
    ChargeKind,
    Component,
    Fee,
    PercentOff,
    Presale,
    PricingFacts,
    PricingPolicy,
    ShippingCharge,
    quote,
)
from ordercore.tender import OutcomeStatus, RefundStatus
from ordercore.tender.tenders import Channel, OnDelivery
from ordercore.testing import START, Story, laws, order_content
from ordercore.testing.figures import border_is_charged, figures_add_up
from ordercore.testing.strategies import (
    carts,
    currencies,
    full_carts,
    full_policies,
    pricing_facts,
    pricing_policies,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from ordercore.order import Order
    from ordercore.pricing import Quote

POLICY = MergePolicy()
NAMES = {"basic": "ORD-0000000001", "added": "ORD-0000000002"}


def cart(**fields: Any) -> Cart:
    """A line of 80.00 and the freight of a parcel, for customer c-1."""
    line = CartLine("SKU-1", 2, money("40.00", "CNY"), **fields.pop("line", {}))
    shipping = ShippingCharge(money("10.00", "CNY"))
    return Cart("CNY", (line,), **{"shipping": shipping, "customer": Party("c-1"), **fields})


def story(name: str, **fields: Any) -> Story:
    """The life of one of the two orders."""
    priced = quote(cart(**fields), PricingPolicy(), START)
    return Story(order_content(priced, id=name, number=NAMES[name]))


def paid(name: str, **fields: Any) -> Story:
    """An order that is paid."""
    told = story(name, **fields)
    told.pay(Channel("wechat"))
    return told


def agreed(order: Order, **changed: Any) -> Order:
    """The same order with other things agreed."""
    return attrs.evolve(order, content=attrs.evolve(order.content, **changed))


def rules(basic: Order, added: Order, policy: MergePolicy = POLICY) -> set[MergeRule]:
    """The conditions that do not hold."""
    return {one.rule for one in merge_refusals(basic, added, policy)}


# --- Conditions ----------------------------------------------------------------------------------


def test_two_orders_of_one_kind_may_be_merged() -> None:
    """Nothing stands against it, whichever takes the other in."""
    one, other = story("basic").order, story("added").order
    assert merge_refusals(one, other, POLICY) == merge_refusals(other, one, POLICY) == ()


def paused(name: str) -> Callable[[Story], Order]:
    """An order whose clocks stand still."""

    def pause(told: Story) -> Order:
        told.send(PauseClocks(name))
        return told.order

    return pause


def refunding(told: Story) -> Order:
    """A part of its money is on the way back."""
    told.pay(Channel("wechat"))
    told.refund({"1": 1})
    return told.order


def waiting(told: Story) -> Order:
    """The payer stands before the code."""
    told.pay(Channel("wechat"), status=OutcomeStatus.WAITING)
    return told.order


def shipped_in_part(told: Story) -> Order:
    """One of two units has left."""
    told.pay(Channel("wechat"))
    told.ship({"1": 1})
    return told.order


def of_parts(told: Story) -> Order:
    """A part of an order that was split."""
    return attrs.evolve(told.order, handling=Handling(lineage=Lineage(parent="ord-0", part="1")))


DIFFERENT: dict[MergeRule, Callable[[Story], Order]] = {
    MergeRule.CUSTOMER: lambda told: agreed(told.order, customer=Party("c-2")),
    MergeRule.SHOP: lambda told: agreed(told.order, shop="outlet"),
    MergeRule.CURRENCY: lambda told: agreed(told.order, currency="EUR"),
    MergeRule.LIFECYCLE: lambda told: agreed(told.order, lifecycle_version=99),
    MergeRule.ADDRESS: lambda told: agreed(told.order, address=Address("Ada", country="DE")),
    MergeRule.TAX_REGIME: lambda told: agreed(told.order, rounding=Rounding.UP),
    MergeRule.WINDOW: lambda told: agreed(told.order, placed_at=START + timedelta(hours=49)),
}
"""What both must have in common."""
IN_THE_WAY: dict[MergeRule, Callable[[Story], Order]] = {
    MergeRule.TICKET: paused("ticket"),
    MergeRule.RISK_HOLD: paused("risk"),
    MergeRule.REFUND_IN_FLIGHT: refunding,
    MergeRule.ATTEMPT_UNRESOLVED: waiting,
    MergeRule.WAYBILL: shipped_in_part,
    MergeRule.PRICED_FROM: of_parts,
}
"""What stands in the way in one order alone."""
WITHIN = MergePolicy(window=timedelta(hours=48))
STATES = frozenset({MergeRule.STATUS})


@pytest.mark.parametrize("rule", [*DIFFERENT, *IN_THE_WAY], ids=lambda rule: rule.value)
def test_each_condition_has_a_reason_of_its_own(rule: MergeRule) -> None:
    """Whichever of the two orders does not meet it, it is named, and no other condition is."""
    found = (DIFFERENT | IN_THE_WAY)[rule]
    for basic, added in (
        (found(story("basic")), story("added").order),
        (story("basic").order, found(story("added"))),
    ):
        told = [one for one in merge_refusals(basic, added, WITHIN) if one.rule not in STATES]
        assert [one.rule for one in told] == [rule]
        assert told[0].reason
        assert not told[0].by_staff


def test_the_reasons_of_two_conditions_are_never_the_same() -> None:
    """Each tells what is wrong, and whose fault it is where one order has it."""
    reasons: set[str] = set()
    for rule, found in (DIFFERENT | IN_THE_WAY).items():
        (told,) = [
            one
            for one in merge_refusals(story("basic").order, found(story("added")), WITHIN)
            if one.rule not in STATES
        ]
        reasons.add(told.reason)
        assert (rule in IN_THE_WAY) is (NAMES["added"] in told.reason)
    assert len(reasons) == len(DIFFERENT | IN_THE_WAY)


@pytest.mark.parametrize(
    "fields",
    [{"line": {"attributes": {"provider": "taobao"}}}, {"line": {"merchant": "m-1"}}],
    ids=["provider", "merchant"],
)
def test_goods_of_two_providers_stay_apart(fields: dict[str, Any]) -> None:
    """Also where both orders are of the same two."""
    one, other = story("basic").order, story("added", **fields).order
    assert rules(one, other) == {MergeRule.PROVIDER}
    lines = (*one.lines, *[attrs.evolve(line, id="2") for line in other.lines])
    both = agreed(one, lines=lines), agreed(story("added").order, lines=lines)
    assert rules(*both) == {MergeRule.PROVIDER}
    same = story("basic", **fields).order, other
    assert rules(*same) == set()


def test_money_on_delivery_and_money_ahead_stay_apart() -> None:
    """So do orders that are paid in two parts."""
    ahead = story("basic").order
    told = story("added")
    told.pay(OnDelivery())
    assert MergeRule.PAYMENT_KIND in rules(ahead, told.order)
    deposit = Presale(money("20.00", "CNY"), START + timedelta(days=1), START + timedelta(days=2))
    parts = story("added", presale=deposit).order
    assert rules(ahead, parts) == {MergeRule.PAYMENT_KIND}
    assert rules(parts, ahead) == {MergeRule.PAYMENT_KIND}


def test_an_order_is_not_merged_with_itself_nor_with_its_own_parts() -> None:
    """Parts share the payment that they were paid with: they are rejoined."""
    told = paid("basic")
    assert MergeRule.DISTINCT in rules(told.order, told.order)
    part = agreed(of_parts(told), id="added", number=NAMES["added"])
    found = merge_refusals(told.order, part, POLICY)
    assert {one.rule for one in found} == {MergeRule.DISTINCT, MergeRule.PRICED_FROM}
    assert "rejoin" in found[0].reason


def test_two_guests_may_be_two_people() -> None:
    """Orders without a customer are never merged."""
    one, other = story("basic", customer=Party()).order, story("added", customer=Party()).order
    assert rules(one, other) == {MergeRule.CUSTOMER}


def test_an_order_that_was_taken_over_without_its_cart_has_no_new_price() -> None:
    """Nor has one whose sale is booked."""
    one = story("basic").order
    assert rules(agreed(one, cart=None), story("added").order) == {MergeRule.PRICED_FROM}
    booked = attrs.evolve(story("added").order, recognized=True)
    assert rules(one, booked) == {MergeRule.PRICED_FROM}


def test_all_reasons_are_told_at_once() -> None:
    """In the order in which they are looked at, each once."""
    basic = shipped_in_part(story("basic"))
    added = agreed(waiting(story("added")), customer=Party("c-2"), currency="EUR", shop="outlet")
    assert [one.rule for one in merge_refusals(basic, added, POLICY)] == [
        MergeRule.CUSTOMER, MergeRule.SHOP, MergeRule.CURRENCY, MergeRule.WAYBILL,
        MergeRule.ATTEMPT_UNRESOLVED,
    ]  # fmt: skip


def test_a_refund_that_arrived_and_a_ticket_that_ended_are_no_hindrance() -> None:
    """What is over is over."""
    told = paid("basic")
    told.refund({"1": 1}, status=RefundStatus.ARRIVED)
    told.send(PauseClocks("ticket"))
    assert rules(told.order, paid("added").order) == {MergeRule.TICKET}
    told.send(ResumeClocks("ticket"))
    assert rules(told.order, paid("added").order) == set()


def test_a_clock_that_stands_still_for_another_reason_is_no_hindrance() -> None:
    """Only tickets and risk keep orders apart."""
    assert rules(paused("weather")(story("basic")), story("added").order) == set()


WAIVABLE = [
    MergeRule.CUSTOMER, MergeRule.LIFECYCLE, MergeRule.PROVIDER, MergeRule.ADDRESS,
    MergeRule.TAX_REGIME, MergeRule.TICKET, MergeRule.RISK_HOLD, MergeRule.WINDOW,
]  # fmt: skip


@pytest.mark.parametrize("rule", WAIVABLE, ids=lambda rule: rule.value)
def test_a_shop_may_waive_what_its_books_can_do_without(rule: MergeRule) -> None:
    """A condition that was waived is asked of nobody; the others stay."""
    policy = attrs.evolve(WITHIN, waived=(rule,))
    policy.check()
    found = DIFFERENT | IN_THE_WAY
    if rule is MergeRule.PROVIDER:
        added = story("added", line={"merchant": "m-1"}).order
    else:
        added = found[rule](story("added"))
    assert rules(story("basic").order, added, policy) == set()
    assert rules(story("basic").order, agreed(added, shop="outlet"), policy) == {MergeRule.SHOP}


@pytest.mark.parametrize(
    "rule", [r for r in MergeRule if r not in WAIVABLE], ids=lambda rule: rule.value
)
def test_what_the_books_need_cannot_be_waived(rule: MergeRule) -> None:
    """The policy is refused."""
    with pytest.raises(InvalidPolicy) as caught:
        MergePolicy(waived=(rule,)).check()
    assert (caught.value.path, rule.value in caught.value.reason) == ("merging.waived", True)


# --- Tables --------------------------------------------------------------------------------------


def test_a_table_is_written_in_rows_of_letters() -> None:
    """The added order's state names the row, the basic order's the column."""
    matrix = MergeMatrix.of({"new": "Y S", "done": "-Y"}, customer=1)
    assert matrix.cell("new", "done") is MergeCell.STAFF
    assert matrix.cell("done", "new") is MergeCell.NO
    assert matrix.cell("new", "gone") is matrix.cell("gone", "new") is MergeCell.NO
    assert (matrix.earlier("done", "new"), matrix.earlier("done", "done")) == ("new", "done")
    assert matrix.for_customer("new", "new")
    assert not matrix.for_customer("new", "done")


@pytest.mark.parametrize("row", ["Y", "YSY", "YX", "ys", ""])
def test_a_row_of_another_length_or_with_other_letters_is_refused(row: str) -> None:
    """The refusal names the state."""
    with pytest.raises(InvalidPolicy) as caught:
        MergeMatrix.of({"new": "YY", "done": row})
    assert caught.value.path == "merging.matrix.done"


@pytest.mark.parametrize(
    ("policy", "path"),
    [
        (MergePolicy({"x": MergeMatrix(("a", "b"), ((MergeCell.YES,) * 2,))}), "matrices.x"),
        (MergePolicy({"x": MergeMatrix(("a",), ((MergeCell.YES,) * 2,))}), "matrices.x"),
        (MergePolicy({"x": MergeMatrix(("a", "a"), ((MergeCell.YES,) * 2,) * 2)}), "matrices.x"),
        (MergePolicy({"x": MergeMatrix.of({"a": "Y"}, customer=2)}), "matrices.x.customer"),
        (MergePolicy({"x": MergeMatrix.of({"a": "Y"}, customer=-1)}), "matrices.x.customer"),
        (MergePolicy(window=timedelta(0)), "window"),
    ],
)
def test_a_policy_that_makes_no_sense_is_refused(policy: MergePolicy, path: str) -> None:
    """A table that is not square, one with a state twice, more states for customers than there are, no window."""
    with pytest.raises(InvalidPolicy) as caught:
        policy.check()
    assert caught.value.path == f"merging.{path}"


def test_a_lifecycle_without_a_table_is_never_merged() -> None:
    """Whatever its states are called."""
    policy = MergePolicy({})
    policy.check()
    (told,) = merge_refusals(story("basic").order, story("added").order, policy)
    assert (told.rule, "'standard'" in told.reason) == (MergeRule.STATUS, True)


# --- Names ---------------------------------------------------------------------------------------

LINE_NAMES = st.lists(
    st.sampled_from(["1", "2", "3", "7", "a", "b", "1.1"]), unique=True, max_size=6
)


@given(LINE_NAMES, LINE_NAMES)
def test_lines_of_both_orders_have_names_of_their_own(basic: list[str], added: list[str]) -> None:
    """No two lines share a name, and a name that is free is kept."""
    found = renamed_lines(basic, added)
    assert [there for there, _ in found] == added
    here = [name for _, name in found]
    assert len({*basic, *here}) == len(basic) + len(added)
    assert all(name == there for there, name in found if there not in basic)


def test_components_of_a_bundle_keep_its_name() -> None:
    """Side by side, a bundle and its components are called alike, as a new price would call them."""
    part = Component("CUP", 1, money("30.00", "CNY"))
    bundle = CartLine("SET", 1, money("50.00", "CNY"), components=(part, part))
    first = quote(cart(), PricingPolicy(), START)
    second = quote(Cart("CNY", (bundle,), customer=Party("c-1")), PricingPolicy(), START)
    basic, added, together, joined = side_by_side(first, second)
    assert [(line.id, line.bundle) for line in joined.lines] == [
        ("1", ""), ("2.1", "2"), ("2.2", "2"),
    ]  # fmt: skip
    assert [line.id for line in together.lines] == ["1", "2.1", "2.2"]
    assert joined.total == basic.total + added.total


def test_discounts_that_carts_brought_stay_what_they_came_to() -> None:
    """A tenth off one order is not a tenth off both; promotions and coupons are looked at anew."""
    first = quote(cart(discounts=(PercentOff(Percent.of("10")),)), PricingPolicy(), START)
    second = quote(
        cart(discounts=(AmountOff(money("5.00", "CNY"), "sorry"),)), PricingPolicy(), START
    )
    _, _, together, joined = side_by_side(first, second)
    assert [(off.label, off.amount) for off in together.discounts] == [("", 800), ("sorry", 500)]
    assert together.total == 16000 - 1300 + 1000
    assert joined.total == 16000 - 1300 + 2000


def test_fees_of_both_stay_under_names_of_their_own() -> None:
    """Gift wrap for each of two parcels is paid twice; no fee is called like a line."""
    wrapped = cart(fees=(Fee("wrap", money("3.00", "CNY")),))
    priced = quote(wrapped, PricingPolicy(), START)
    _, _, together, joined = side_by_side(priced, priced)
    fees = [c.id for c in together.charges if c.kind is ChargeKind.FEE]
    assert ([line.id for line in together.lines], fees) == (["1", "2"], ["wrap", "3"])
    assert together.total == 2 * 8000 + 1000 + 600
    assert joined.total == 2 * priced.total


# --- Side by side --------------------------------------------------------------------------------


def side_by_side(first: Quote, second: Quote) -> tuple[Any, Any, Quote, Any]:
    """Both contents, the new price of both together, and both joined as they stand."""
    basic = order_content(first, id="basic", number=NAMES["basic"])
    added = order_content(second, id="added", number=NAMES["added"])
    mine, theirs = (
        attrs.evolve(
            found.cart,
            lines=tuple(
                attrs.evolve(line, id=line.id or str(i + 1))
                for i, line in enumerate(found.cart.lines)
            ),
        )
        for found in (first, second)
    )
    taken = [line.id for line in mine.lines] + [fee.id for fee in mine.fees]
    names = renamed_lines(taken, [line.id for line in theirs.lines])
    both = combined_cart((basic, mine), (added, theirs), names, mine.shipping)
    again = quote(both, first.policy, START, first.facts)
    return basic, added, again, joined_content(basic, added, names, both, again)


@st.composite
def pairs(draw: st.DrawFn) -> tuple[Quote, Quote]:
    """Two carts priced by one policy on one day, whatever it knows but borders."""
    currency = draw(currencies())
    if draw(st.booleans()):
        policy = attrs.evolve(draw(full_policies(currency, host_rules=False)), border=None)
        of: Any = full_carts(currency, points=False)
    else:
        policy, of = draw(pricing_policies()), carts(currency)
    first = draw(of)
    second = attrs.evolve(
        draw(of), customer=first.customer, address=first.address, shop=first.shop,
        kind=first.kind, shopper=first.shopper,
    )  # fmt: skip
    known = [draw(pricing_facts(attrs.evolve(one, codes=()), policy)) for one in (first, second)]
    rates = {(rate.base, rate.quote, rate.purpose): rate for f in known for rate in f.rates}
    facts = PricingFacts((), tuple(rates.values()), known[0].vat_id)
    one, other = (
        quote(attrs.evolve(one, codes=()), policy, START, facts) for one in (first, second)
    )
    return one, other


@given(pairs())
def test_l17_orders_side_by_side_cost_what_they_cost(both: tuple[Quote, Quote]) -> None:
    """Joined without a new price, goods, discounts, taxes, charges and conversions add up, line by line."""
    basic, added, _, joined = side_by_side(*both)
    figures_add_up(joined)
    border_is_charged(joined)
    assert joined.total == basic.total + added.total
    assert joined.tax == basic.tax + added.tax
    assert joined.discount == basic.discount + added.discount
    assert joined.points == basic.points + added.points
    rows = [row.id for row in joined.rows()]
    assert len(set(rows)) == len(rows) == len(basic.rows()) + len(added.rows())
    units = [sum(line.quantity for line in one.lines) for one in (basic, added, joined)]
    assert units[0] + units[1] == units[2]
    for found in (joined.settlement, joined.ledger):
        if found is not None:
            assert len(found.rows) == len(rows)
            laws.conversion_adds_up(found, joined.total)
    assert (joined.settlement is None) is (basic.settlement is None)
