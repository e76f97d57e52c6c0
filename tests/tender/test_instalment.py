"""Parts of a price: amounts, windows, what may be kept, what is doubled."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ordercore.errors import InvalidTenders
from ordercore.money import Percent, Rounding, from_minor
from ordercore.pricing import (
    Cart,
    CartLine,
    DepositKind,
    Presale,
    PricingPolicy,
    Quote,
    ShippingCharge,
    quote,
)
from ordercore.tender import PaymentPolicy, TenderPolicy, plan, tenders
from ordercore.tender.instalment import (
    PartKind,
    check_offers,
    doubled,
    forfeitable,
    part_rows,
    parts,
    tax_inside,
)
from ordercore.testing import laws, quotes

CN = PaymentPolicy()
EARNEST, ADVANCE, EXPANDING = DepositKind
OPENS = datetime(2026, 11, 1, 12, tzinfo=UTC)
ENDS = OPENS + timedelta(days=3)


def test_the_parts_of_a_presale_have_amounts_and_windows() -> None:
    """500.00 = 50.00 until the deadline of payment + 450.00 from opening to end."""
    presale = Presale(from_minor(5_000, "CNY"), OPENS, ENDS)
    pay_by = OPENS - timedelta(days=10)
    first, second = parts(presale, 50_000, "CNY", pay_by)
    assert (first.kind, first.amount, first.opens, first.until) == (
        PartKind.DEPOSIT, 5_000, None, pay_by,
    )  # fmt: skip
    assert (second.kind, second.amount, second.opens, second.until) == (
        PartKind.BALANCE, 45_000, OPENS, ENDS,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("deposit", "kind", "kept"),
    [
        (5_000, EARNEST, 5_000),
        (12_000, EARNEST, 10_000),
        (10_000, EARNEST, 10_000),
        (10_001, EARNEST, 10_000),
        (5_000, EXPANDING, 5_000),
        (12_000, EXPANDING, 10_000),
        (5_000, ADVANCE, 0),
    ],
)
def test_of_a_deposit_on_500_at_most_100_are_kept(
    deposit: int, kind: DepositKind, kept: int
) -> None:
    """Civil Code of China, Art. 586: a fifth of the price; a part paid ahead is no earnest money."""
    assert forfeitable(deposit, 50_000, kind, CN) == kept


def test_a_cap_is_rounded_down() -> None:
    """A fifth of 0.09 is 0.01."""
    assert forfeitable(9, 9, EARNEST, CN) == 1


def test_the_cap_is_the_shop_s_policy() -> None:
    """Where the law allows more, all of it may be kept; where it allows nothing, nothing is."""
    for cap, kept in (("100", 12_000), ("0", 0)):
        assert (
            forfeitable(12_000, 50_000, EARNEST, PaymentPolicy(forfeit_cap=Percent.of(cap))) == kept
        )


def test_earnest_money_alone_is_doubled_and_only_where_the_policy_says_so() -> None:
    """Civil Code of China, Art. 587, of what counts as earnest money."""
    assert doubled(5_000, 50_000, EARNEST, CN) == 5_000
    assert doubled(12_000, 50_000, EARNEST, CN) == 10_000
    assert doubled(5_000, 50_000, ADVANCE, CN) == doubled(5_000, 50_000, EXPANDING, CN) == 0
    assert doubled(5_000, 50_000, EARNEST, PaymentPolicy(double_earnest=False)) == 0


@given(st.integers(1, 10**9), st.integers(1, 10**9), st.integers(0, 1_000_000))
def test_l8_no_more_is_kept_than_was_paid_nor_than_the_cap(
    deposit: int, price: int, ppm: int
) -> None:
    """Whatever was paid and whatever the cap; what is kept and what goes back add up to what was paid."""
    policy = PaymentPolicy(forfeit_cap=Percent(ppm))
    for kind in DepositKind:
        kept = forfeitable(deposit, price, kind, policy)
        assert 0 <= kept <= deposit
        assert kept * 1_000_000 <= price * ppm


def test_tax_is_inside_what_is_kept() -> None:
    """20 % of 50.00 with tax are 8.33; without a rate there is none."""
    assert tax_inside(5_000, 200_000, Rounding.HALF_UP) == 833
    assert tax_inside(5_000, 0, Rounding.HALF_UP) == 0


def _priced() -> Quote:
    lines = (
        CartLine("A", 1, from_minor(9_999, "CNY"), category="food"),
        CartLine("B", 2, from_minor(9_999, "CNY")),
    )
    cart = Cart("CNY", lines, shipping=ShippingCharge(from_minor(1_000, "CNY")))
    return quote(cart, PricingPolicy(), OPENS)


def test_a_part_is_planned_over_the_shares_of_the_rows() -> None:
    """50.00 of 309.97: each row bears its share, the plan comes to the part, its matrix to both margins."""
    due = _priced()
    rows = part_rows(due.rows(), 5_000)
    assert [row.id for row in rows] == ["1", "2", "shipping"]
    assert [row.total for row in rows] == [1_613, 3_226, 161]
    offers = [tenders.StoredValue("GC-1", from_minor(2_000, "CNY")), tenders.Channel("card")]
    made = plan(rows, offers, TenderPolicy(), "CNY")
    assert (made.total, [t.amount for t in made.tenders]) == (5_000, [2_000, 3_000])
    laws.tenders_conserved(made)
    laws.matrix_exact(made)


@given(quotes(presales=True))
def test_l1_the_rows_of_a_deposit_share_it(due: Quote) -> None:
    """Whatever was bought, the rows of the deposit add up to it, none owes more than its own total."""
    presale = due.cart.presale
    if presale is None:
        return
    first, second = parts(presale, due.total, due.currency)
    assert first.amount + second.amount == due.total
    assert 0 < first.amount < due.total
    rows = part_rows(due.rows(), first.amount)
    assert sum([row.total for row in rows]) == first.amount
    assert all([0 <= part.total <= row.total for part, row in zip(rows, due.rows(), strict=True)])
    laws.pricing_holds(due)
    due.explain()


@pytest.mark.parametrize(
    ("offer", "words"),
    [
        (tenders.Points(100), "points"),
        (tenders.Balance(), "balance"),
        (tenders.OnDelivery(), "delivery"),
    ],
)
def test_points_balance_and_collection_pay_no_deposit(offer: tenders.Tender, words: str) -> None:
    """A deposit is lost in money, so it is paid in money."""
    with pytest.raises(InvalidTenders, match=words) as caught:
        check_offers([tenders.Channel("card"), offer])
    assert caught.value.path == "tenders[1]"


def test_cards_cash_and_channels_pay_a_deposit() -> None:
    """What is money outside, and what was bought with it."""
    check_offers([tenders.Channel("card"), tenders.StoredValue("GC-1"), tenders.Cash()])
