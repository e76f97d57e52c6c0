"""The example carts, priced by the command: the headline figures, worked out by hand beside them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ordercore.cli import main
from ordercore.policy import Policies
from ordercore.quotation import parse_cart

EXAMPLES = Path(__file__).parents[2] / "examples"
CARTS = EXAMPLES / "carts"

Out = pytest.CaptureFixture[str]


def priced(name: str, out: Out) -> tuple[dict[str, Any], str]:
    """An example as JSON, and as the tables and the explanation that people read."""
    path = str(CARTS / f"{name}.json")
    assert main(["price", path, "--json", "--explain"]) == 0
    plain = json.loads(out.readouterr().out)
    assert main(["price", path, "--explain"]) == 0
    return plain, out.readouterr().out


def test_a_coupon_that_the_platform_repays_stays_taxed(capsys: Out) -> None:
    """GB: 120.00 with 20 % less 12.00 of the platform's pays 108.00, and tax is still 120.00 / 6.

    Boots for children bear 0 %, the parcel 5.40 / 6: 108.00 + 30.00 + 5.40 with 20.00 + 0.90 of tax.
    """
    plain, text = priced("uk-vat", capsys)
    coat, boots = plain["lines"]
    assert (coat["total"], coat["tax"], coat["funded"]) == ("108.00", "20.00", "12.00")
    assert (boots["tax"], boots["treatment"]) == ("0.00", "zero")
    assert (plain["total"], plain["tax"]) == ("143.40", "20.90")
    assert plain["discounts"][0]["funder"] == "platform"
    assert "of which others repay  -12.00" in text
    assert "the platform pays for it, so tax stands on it" in text


def test_state_and_county_tax_add_up(capsys: Out) -> None:
    """US: 39.95 and 15.96 bear 6 % and 1 %: 2.40 + 0.96 and 0.40 + 0.16; rice and freight are exempt.

    39.95 + 15.96 + 6.44 + 7.25 = 69.60, and 3.92 of tax on top.
    """
    plain, text = priced("us-sales-tax", capsys)
    assert [(tax["name"], tax["tax"]) for tax in plain["taxes"]] == [
        ("state", "3.36"),
        ("Miami-Dade surtax", "0.56"),
        ("", "0.00"),
    ]
    assert [part["tax"] for part in plain["lines"][0]["parts"]] == ["2.40", "0.40"]
    assert plain["lines"][2]["treatment"] == "exempt"
    assert (plain["net"], plain["tax"], plain["total"]) == ("69.60", "3.92", "73.52")
    assert "tax Miami-Dade surtax 1 % on 55.91" in text


def test_a_qualified_invoice_rounds_once_per_rate(capsys: Out) -> None:
    """JP: 8 % of 3 x 105 is 25.2, so 25 and not 3 x 8; 10 % of 333 + 298 is 63.1, so 63 and not 33 + 29."""
    plain, text = priced("jp-qualified-invoice", capsys)
    assert [(tax["percent"], tax["net"], tax["tax"]) for tax in plain["taxes"]] == [
        ("8", "315", "25"),
        ("10", "631", "63"),
    ]
    assert plain["total"] == "1034"
    assert "tax 8 % on 315" in text


def test_cash_is_rounded_to_the_smallest_coin(capsys: Out) -> None:
    """CH: 7.70 + 4.67 is 12.37 by card and 12.35 in coins; 7.70 x 2.6/102.6 and 4.67 x 8.1/108.1 are tax."""
    plain, text = priced("ch-cash", capsys)
    assert (plain["total"], plain["cash"]) == ("12.37", "12.35")
    assert [tax["tax"] for tax in plain["taxes"]] == ["0.20", "0.35"]
    assert "if all is paid in cash  12.35" in text


def test_goods_of_150_00_are_taxed_at_the_sale(capsys: Out) -> None:
    """EU: 150.00 net is within IOSS though freight of 10.00 stands beside it: 19 % of 160.00 is 30.40."""
    plain, text = priced("eu-ioss-150-00", capsys)
    assert (plain["tax"], plain["total"]) == ("30.40", "190.40")
    border = plain["border"]
    assert (border["duty"], border["import_tax"]) == ("0.00", "0.00")
    assert border["registration"] == "IM2760000742"
    assert border["lines"][0]["regime"] == "eu_ioss"
    assert "tax at the sale under IM2760000742" in text


def test_goods_of_150_01_are_taxed_at_the_border(capsys: Out) -> None:
    """EU: one cent more, and duty of 12 % on 160.01 (19.20) and 19 % on 179.21 (34.05) are due there."""
    plain, text = priced("eu-ioss-150-01", capsys)
    assert [(charge["kind"], charge["total"]) for charge in plain["charges"]] == [
        ("shipping", "10.00"),
        ("duty", "19.20"),
        ("import_tax", "34.05"),
    ]
    assert (plain["tax"], plain["total"]) == ("0.00", "213.26")
    assert plain["border"]["lines"][0]["regime"] is None
    assert "consignment of EUR 150.01 is above EUR 150.00: EU IOSS does not apply" in text


def test_retail_import_bears_seven_tenths_of_the_taxes(capsys: Out) -> None:
    """CN: freight of 30.00 goes 11.11 and 18.89 by value; shoes 1011.11 x 13 % x 70 % = 92.01.

    Cream 1718.89 / 0.85 = 2022.22, of it 15 % x 70 % = 212.33 and 13 % x 70 % = 184.02.
    """
    plain, text = priced("cn-retail-import", capsys)
    charges = {charge["kind"]: charge for charge in plain["charges"]}
    assert charges["consumption_tax"]["total"] == "212.33"
    assert charges["import_tax"]["shares"] == ["92.01", "184.02"]
    assert plain["total"] == "3218.36"  # 2700.00 + 30.00 + 212.33 + 276.03
    assert plain["border"]["requires"] == ["personal_id"]
    assert "taxes x 70 %" in text


def test_a_currency_of_three_decimals_keeps_all_of_them(capsys: Out) -> None:
    """KW: 1.000 off three lines of 1.250 is 0.334, 0.333 and 0.333; 2.750 + 1.500 of freight."""
    plain, text = priced("kwd", capsys)
    assert [line["order_discount"] for line in plain["lines"]] == ["0.334", "0.333", "0.333"]
    assert plain["total"] == "4.250"
    assert "0.916" in text


def test_promotions_apply_in_layers_and_say_what_is_missing(capsys: Out) -> None:
    """2 x 179.00 + 150.50 = 508.50: twice 20.00 off is 28.16 and 11.84, so 468.50; 31.50 short of 500.00."""
    plain, text = priced("promotions", capsys)
    assert plain["subtotal"] == "548.50"
    assert [line["order_discount"] for line in plain["lines"]] == ["28.16", "11.84"]
    assert plain["total"] == "468.50"
    assert [(off["promotion"], off["amount"]) for off in plain["discounts"]] == [
        ("flash", "40.00"),
        ("every-200", "40.00"),
    ]
    assert plain["refused"] == [
        {"code": "FIFTY", "promotion": "coupon-50", "reason": "below_threshold", "short": "31.50"}
    ]
    assert "FIFTY  coupon-50  below threshold     31.50" in text


def test_a_policy_file_holds_the_same_promotions_as_a_cart() -> None:
    """``singles-day.toml`` and the cart of the day say the same, in TOML and in JSON."""
    document = parse_cart((CARTS / "promotions.json").read_text("utf-8"))
    held = Policies.load(EXAMPLES / "policies" / "singles-day.toml")
    assert held.pricing.layers == document.policies().pricing.layers


def test_bundle_points_voucher_and_catalog_price_stand_in_one_cart(capsys: Out) -> None:
    """A set of 20.00 is 10.00 + 10.00, a pen 1.00 and 1.50 in points, a book USD 11.00 at 10/11.

    The brand gives 10 % of 10.00 + 10.00 + 2.00 + 10.00 = 3.20, not of points and the gift card; half of 4.90
    is off: 9.00 + 9.00 + 4.80 + 10.00 + 9.00 + 2.45 + 2.38 = 46.63, which is USD 51.29 and CNY 363.71.
    """
    plain, text = priced("gift-set", capsys)
    assert [(line["bundle"], line["total"]) for line in plain["lines"]] == [
        ("1", "9.00"),
        ("1", "9.00"),
        ("", "4.80"),
        ("", "10.00"),
        ("", "9.00"),
    ]
    assert plain["lines"][3]["treatment"] == "out_of_scope"
    assert (plain["total"], plain["points"]) == ("46.63", 300)
    gold = plain["discounts"][2]
    assert (gold["promotion"], gold["code"], gold["funder"]) == ("gold", "GOLD", "brand")
    assert (gold["percent"], gold["amount"], gold["shares"]) == (
        "10",
        "3.20",
        ["1.00", "1.00", "0.20", "0.00", "1.00"],
    )
    assert plain["charges"][0]["discount"] == "2.45"
    assert [part["percent"] for part in plain["charges"][0]["parts"]] == ["7", "19"]
    assert plain["refused"][0]["reason"] == "unknown"
    assert (plain["settlement"]["currency"], plain["settlement"]["total"]) == ("USD", "51.29")
    assert (plain["ledger"]["rate"], plain["ledger"]["total"]) == ("78/10", "363.71")
    assert "Tea (of 1)" in text
    assert "7 % + 19 %" in text
    assert "points to be paid                300" in text
    assert "settlement  USD       11 / 10  2026-05-20  bank" in text


def test_an_explanation_in_json_has_inputs_and_what_rounding_moved(capsys: Out) -> None:
    """The tree of reasons names the currency of each figure; a remainder is an exact fraction."""
    plain, _ = priced("gift-set", capsys)
    tree = plain["explanation"]
    assert (tree["amount"], tree["currency"]) == ("46.63", "EUR")
    tax = next(node for node in tree["parts"][0]["of_which"] if node["figure"] == "tax")
    assert (tax["amount"], tax["remainder"]) == ("0.65", "45/107")
    assert {node["currency"] for node in tree["of_which"]} == {"EUR", "USD", "CNY"}
