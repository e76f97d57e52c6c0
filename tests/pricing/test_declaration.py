"""A declaration holds the fields of the postal forms, for any part of an order."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ordercore.errors import InvalidManifest, UnknownCurrency
from ordercore.goods import LineId, Manifest
from ordercore.party import Address
from ordercore.pricing import Customs, QuoteLine
from ordercore.pricing.border import AssessedLine, Assessment, Requirement, Terms
from ordercore.pricing.declaration import (
    ContentCategory,
    CustomsForm,
    Declaration,
    Gap,
    declare,
)
from ordercore.pricing.regime import RegimeId

SENDER = Address("A Shop", ("1 Long Road",), "Guangzhou", postcode="510000", country="CN")
BUYER = Address("B. Uyer", ("Hauptstr. 1",), "Berlin", postcode="10115", country="DE")
SHIRT = Customs("6109.10", "CN", "cotton T-shirts")
SHOES = Customs("640399", "VN", "leather shoes")


def line(
    name: str,
    quantity: int,
    unit: int,
    off: int = 0,
    funded: int = 0,
    customs: Customs | None = SHIRT,
) -> QuoteLine:
    """A line of a quote at 19 % on top, 200 g a unit."""
    amount = quantity * unit - off
    tax = (amount + funded) * 19 // 100
    return QuoteLine(
        id=LineId(name),
        sku=f"SKU-{name}",
        name=f"Article {name}",
        quantity=quantity,
        unit_price=unit,
        list_amount=quantity * unit,
        discount=off,
        order_discount=0,
        freight=0,
        amount=amount,
        tax_category="standard",
        tax_ppm=190_000,
        tax_included=False,
        tax=tax,
        net=amount,
        total=amount + tax,
        weight_grams=200,
        funded=funded,
        customs=customs,
    )


def assessed(
    *lines: QuoteLine, collected: bool = True, requires: tuple[Requirement, ...] = ()
) -> Assessment:
    """An assessment that takes these lines in."""
    found = tuple(
        AssessedLine(
            each.id,
            RegimeId.EU_IOSS if collected else None,
            collected,
            each.net + each.funded,
            each.net + each.funded,
        )
        for each in lines
    )
    return Assessment(
        "CN", "DE", Terms.DDP, found, 0, 0, 0, requires=requires, registration="IM2760000001"
    )


LINES = (line("1", 3, 10_00, off=1), line("2", 1, 60_00, customs=SHOES))


def test_a_declaration_holds_what_the_forms_ask() -> None:
    """Description, quantity, weight, value, code and origin of each article, sums, and the seller's number."""
    found = declare(LINES, assessed(*LINES), None, "EUR", SENDER, BUYER, number="RX1", postage=5_00)
    shirts, shoes = found.items
    assert (shirts.description, shirts.quantity, shirts.net_grams) == ("cotton T-shirts", 3, 600)
    assert (shirts.value, shirts.hs_code, shirts.origin) == (29_99, "610910", "CN")
    assert (shoes.value, shoes.hs_code, shoes.origin) == (60_00, "640399", "VN")
    assert (found.total, found.currency, found.net_grams) == (89_99, "EUR", 800)
    assert (found.number, found.postage, found.category.value) == ("RX1", 5_00, "sale_of_goods")
    assert (found.sender, found.to) == (SENDER, BUYER)
    assert found.registration == "IM2760000001"
    assert found.gaps == ()


def test_a_part_is_declared_at_what_its_units_cost() -> None:
    """29.99 over three units: the first costs 9.99, the others 10.00 each."""
    first = declare(LINES, None, Manifest.of({"1": 1}), "EUR", SENDER, BUYER)
    second = declare(
        LINES, None, Manifest.of({"1": 2}), "EUR", SENDER, BUYER, before=Manifest.of({"1": 1})
    )
    assert (first.total, second.total) == (9_99, 20_00)
    assert [item.line for item in first.items] == ["1"]


def test_what_a_third_party_repays_is_declared() -> None:
    """A line of 30.00 of which a platform bears 6.00 is worth 30.00."""
    funded = line("1", 3, 10_00, off=6_00, funded=6_00)
    assert declare((funded,), None, None, "EUR", SENDER, BUYER).total == 30_00


def test_lines_that_cross_no_border_are_not_declared() -> None:
    """A line that the assessment leaves out, such as a service, is on no form."""
    found = declare(LINES, assessed(LINES[1]), None, "EUR", SENDER, BUYER)
    assert [item.line for item in found.items] == ["2"]


@pytest.mark.parametrize(
    ("small", "gross", "expected"),
    [
        (89_99, 0, CustomsForm.CN22),
        (89_98, 0, CustomsForm.CN23),
        (None, 0, CustomsForm.CN23),
        (360_00, 2_000, CustomsForm.CN22),
        (360_00, 2_001, CustomsForm.CN23),
    ],
)
def test_the_small_form_is_for_300_sdr_and_2_kg(
    small: int | None, gross: int, expected: CustomsForm
) -> None:
    """The limit of the day comes with the call; without it the full form stands, which is always allowed."""
    found = declare(LINES, None, None, "EUR", SENDER, BUYER, small=small, gross_grams=gross)
    assert found.form is expected
    assert found.gross_grams == (gross or 800)


def test_what_is_missing_is_listed_by_path() -> None:
    """A line without code, origin and words, a buyer without a number: four gaps, no error."""
    bare = QuoteLine(
        LineId("1"), "A", "", 1, 5_00, 5_00, 0, 0, 0, 5_00, "standard", 0, False, 0, 5_00, 5_00
    )
    needs = (Requirement.PERSONAL_ID, Requirement.REGISTRATION)
    border = assessed(bare, collected=False, requires=needs)
    found = declare((bare,), border, None, "EUR", SENDER, BUYER)
    assert found.gaps == (
        Gap("lines[1].customs.hs_code", Requirement.HS_CODE),
        Gap("lines[1].customs.origin", Requirement.ORIGIN),
        Gap("lines[1].customs.description", Requirement.DESCRIPTION),
        Gap("personal_id", Requirement.PERSONAL_ID),
        Gap("registration", Requirement.REGISTRATION),
    )
    assert found.registration == ""
    named = declare((bare,), border, None, "EUR", SENDER, BUYER, personal_id="110101199003070000")
    assert "personal_id" not in {gap.path for gap in named.gaps}
    assert "110101199003070000" not in repr(named)


def test_an_importers_number_is_asked_for_where_customs_want_it() -> None:
    """The reference fills the gap."""
    border = assessed(*LINES, requires=(Requirement.IMPORTER_ID,))
    gaps = declare(LINES, border, None, "EUR", SENDER, BUYER).gaps
    assert gaps == (Gap("importer_reference", Requirement.IMPORTER_ID),)
    filled = declare(LINES, border, None, "EUR", SENDER, BUYER, importer_reference="P123")
    assert filled.gaps == ()


def test_a_return_says_that_it_is_one() -> None:
    """The category of the form is the caller's."""
    back = ContentCategory.RETURNED_GOODS
    assert declare(LINES, None, None, "EUR", BUYER, SENDER, category=back).category is back


@pytest.mark.parametrize(
    ("goods", "before"),
    [({"9": 1}, {}), ({}, {"9": 1}), ({"1": 4}, {}), ({"1": 2}, {"1": 2}), (None, {"1": 4})],
)
def test_goods_that_the_order_does_not_have_are_refused(
    goods: dict[str, int] | None, before: dict[str, int]
) -> None:
    """Unknown lines and too many units are errors of the manifest."""
    part = None if goods is None else Manifest.of(goods)
    with pytest.raises(InvalidManifest):
        declare(LINES, None, part, "EUR", SENDER, BUYER, before=Manifest.of(before))


def test_a_declaration_is_in_money() -> None:
    """Special drawing rights are no currency to declare in."""
    with pytest.raises(UnknownCurrency):
        declare(LINES, None, None, "XDR", SENDER, BUYER)


PRICED = st.builds(
    line,
    st.just("?"),
    st.integers(1, 12),
    st.integers(100, 99_99),
    st.integers(0, 100),
    st.integers(0, 100),
    st.sampled_from([SHIRT, SHOES, None]),
)


@given(st.data())
def test_l4_declared_parts_rebuild_the_whole(data: st.DataObject) -> None:
    """The declarations of a part and of the rest add up to the declaration of all, article by article."""
    drawn = data.draw(st.lists(PRICED, min_size=1, max_size=5))
    lines = tuple(
        line(str(index), each.quantity, each.unit_price, each.discount, each.funded, each.customs)
        for index, each in enumerate(drawn)
    )
    units = {str(each.id): data.draw(st.integers(0, each.quantity)) for each in lines}
    part = Manifest.of({name: count for name, count in units.items() if count})
    border = assessed(*lines)
    whole = declare(lines, border, None, "EUR", SENDER, BUYER)
    one = declare(lines, border, part, "EUR", SENDER, BUYER)
    rest = declare(lines, border, None, "EUR", SENDER, BUYER, before=part)

    def by_line(found: Declaration, name: str) -> tuple[int, int, int]:
        kept = [item for item in found.items if item.line == name]
        return (
            sum(item.quantity for item in kept),
            sum(item.value for item in kept),
            sum(item.net_grams for item in kept),
        )

    for each, found in zip(lines, border.lines, strict=True):
        sums = zip(by_line(one, each.id), by_line(rest, each.id), strict=True)
        assert tuple(left + right for left, right in sums) == by_line(whole, each.id)
        assert by_line(whole, each.id)[1] == found.declared
    assert one.total + rest.total == whole.total
    assert one.total == sum(item.value for item in one.items)
