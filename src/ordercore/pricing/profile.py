"""Rounding profiles: how a jurisdiction, or a shop system that one migrates from, rounds tax.

A profile sets the rounding of a `TaxPolicy` and nothing else: rates and prices stay
(`TaxPolicy.rounded_as`). Each names its source, a statute, a court or a standard for a jurisdiction,
documentation or published code for a shop system. Where the law leaves a choice, the note says so.

The profile of a shop system reproduces its figures for whole minor units. It does not take over prices
with more decimals than the currency has, nor sums in binary floating point.

>>> from ordercore.money import Percent
>>> from ordercore.pricing.tax import TaxPolicy, TaxRate
>>> shop = TaxPolicy((TaxRate(Percent.of("8"), country="JP"),), prices_include_tax=False)
>>> japan = shop.rounded_as(PROFILES[Profile.JP_INVOICE])
>>> japan.scope, japan.rounding
(<RoundingScope.RATE: 'rate'>, <Rounding.DOWN: 'down'>)
"""

from __future__ import annotations

import enum
from types import MappingProxyType
from typing import TYPE_CHECKING

from ordercore.money import CASH_STEPS, CashRounding, Rounding
from ordercore.pricing.tax import ComponentRounding, RoundedFigure, RoundingScope
from ordercore.value import value

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["PROFILES", "Profile", "RoundingProfile"]


class Profile(enum.Enum):
    """Whose rounding: first jurisdictions, by ISO 3166-1 code, then shop systems."""

    # a member is a singleton, so its identity may be its hash: at the speed of C
    __hash__ = object.__hash__

    EU = "eu"
    EU_INVOICE = "eu_invoice"
    DE_INVOICE = "de_invoice"
    GB_RETAIL = "gb_retail"
    GB_INVOICE = "gb_invoice"
    JP_INVOICE = "jp_invoice"
    US_ITEM = "us_item"
    US_INVOICE = "us_invoice"
    CA_INVOICE = "ca_invoice"
    AU_INVOICE = "au_invoice"
    NZ = "nz"
    SG = "sg"
    IN = "in"
    CH = "ch"
    NO = "no"
    SE = "se"

    MEDUSA = "medusa"
    SYLIUS_UNITS = "sylius_units"
    SYLIUS_ITEMS = "sylius_items"
    VENDURE = "vendure"
    VENDURE_ORDER = "vendure_order"
    SALEOR = "saleor"
    SOLIDUS = "solidus"
    SHOPIFY = "shopify"
    COMMERCETOOLS_LINE = "commercetools_line"
    COMMERCETOOLS_UNIT = "commercetools_unit"
    WOOCOMMERCE = "woocommerce"
    WOOCOMMERCE_INCLUDED = "woocommerce_included"
    WOOCOMMERCE_SUBTOTAL = "woocommerce_subtotal"
    MAGENTO_UNIT = "magento_unit"
    MAGENTO_ROW = "magento_row"
    MAGENTO_TOTAL = "magento_total"


@value
class RoundingProfile:
    """One way to round tax, with its ``source``; ``note`` says what the source leaves open.

    ``cash`` is the rounding of what is paid in coins, in minor units. It is for the cash tender
    (see `CashRounding`) and changes no tax.
    """

    name: str
    rounding: Rounding
    scope: RoundingScope
    source: str
    note: str = ""
    rounded: RoundedFigure = RoundedFigure.TAX
    components: ComponentRounding = ComponentRounding.SUM
    cash: CashRounding | None = None


_UP, _DOWN = Rounding.HALF_UP, Rounding.HALF_DOWN
_UNIT, _LINE, _RATE = RoundingScope.UNIT, RoundingScope.LINE, RoundingScope.RATE
_ORDER, _NONE = RoundingScope.ORDER, RoundingScope.NONE
_EACH, _NET = ComponentRounding.EACH, RoundedFigure.NET

_JURISDICTIONS: Mapping[Profile, RoundingProfile] = {
    Profile.EU: RoundingProfile(
        "EU: by line",
        _UP,
        _LINE,
        "CJEU C-484/06 Ahold (2008-07-10) and C-302/07 J D Wetherspoon (2009-03-05)",
        "No rule of the Union: each member state sets method and level, and none must allow"
        " rounding down for each item. Arithmetic by line is the usual choice.",
    ),
    Profile.EU_INVOICE: RoundingProfile(
        "EU: by rate on an electronic invoice",
        _UP,
        _RATE,
        "EN 16931-1, rule BR-CO-17",
        "The tax of a category is its taxable amount x its rate, to two decimals. Prices that include tax"
        " may need the rounding amount BT-114 as well.",
    ),
    Profile.DE_INVOICE: RoundingProfile(
        "Germany: by rate on the invoice",
        _UP,
        _RATE,
        "UStG § 14 (1) and (4) no. 7-8, with EN 16931-1, rule BR-CO-17",
        "An invoice states the consideration and the tax of each rate.",
    ),
    Profile.GB_RETAIL: RoundingProfile(
        "United Kingdom: retailers, by line",
        _UP,
        _LINE,
        "HMRC Notice 700, 17.6; VAT Trader Records Manual, VATREC12020 and VATREC12030",
        "Half a penny and more goes up. Rounding down is not for retailers. Carrying four decimals"
        " is allowed as well.",
    ),
    Profile.GB_INVOICE: RoundingProfile(
        "United Kingdom: invoice traders, the total rounded down",
        Rounding.DOWN,
        _ORDER,
        "HMRC Notice 700, 17.5; VAT Trader Records Manual, VATREC12010",
        "A concession, and only for prices that do not include tax: the total of an invoice may be"
        " rounded down to a whole penny.",
    ),
    Profile.JP_INVOICE: RoundingProfile(
        "Japan: qualified invoice, once for each rate",
        Rounding.DOWN,
        _RATE,
        "Order for Enforcement of the Consumption Tax Act, Art. 70-10 (from 2023-10-01);"
        " National Tax Agency, Q&A on the invoice system, question on fractions",
        "One rounding for each rate and invoice; the mode is the issuer's choice. Cutting off is the most"
        " common.",
    ),
    Profile.US_ITEM: RoundingProfile(
        "United States: member states of the Streamlined Agreement, by item",
        _UP,
        _LINE,
        "Streamlined Sales and Use Tax Agreement, section 324",
        "To the third decimal, up where it is above four; by item or by invoice as the seller elects;"
        " state and local tax may be rounded as one.",
    ),
    Profile.US_INVOICE: RoundingProfile(
        "United States: member states of the Streamlined Agreement, by invoice",
        _UP,
        _ORDER,
        "Streamlined Sales and Use Tax Agreement, section 324",
        "As by item, on the sum of the invoice.",
    ),
    Profile.CA_INVOICE: RoundingProfile(
        "Canada: each tax on the total of the invoice",
        _UP,
        _RATE,
        "Excise Tax Act, section 165.2; Canada Revenue Agency, interpretation 125136 (2011-11-28)",
        "Less than half a cent is disregarded. Federal and provincial parts of HST may be rounded one"
        " by one or as one, always in the same way.",
        components=_EACH,
        cash=CASH_STEPS["CAD"],
    ),
    Profile.AU_INVOICE: RoundingProfile(
        "Australia: the total of the invoice",
        _UP,
        _ORDER,
        "A New Tax System (Goods and Services Tax) Act 1999, section 9-90 (2) (a)",
        "Half a cent goes up. Rounding each supply to the decimals of the accounting system is the other"
        " method of (2) (b).",
        cash=CASH_STEPS["AUD"],
    ),
    Profile.NZ: RoundingProfile(
        "New Zealand: by line",
        _DOWN,
        _LINE,
        "Goods and Services Tax Act 1985, section 19O",
        "Half a cent and less may be disregarded; by supply or by total, the same throughout a period.",
        cash=CASH_STEPS["NZD"],
    ),
    Profile.SG: RoundingProfile(
        "Singapore: by line",
        _UP,
        _LINE,
        "Inland Revenue Authority of Singapore, invoicing customers: computing the total GST",
        "By line or on the total, always in the same way, to the nearest cent.",
    ),
    Profile.IN: RoundingProfile(
        "India: central and state tax each, by line",
        _UP,
        _LINE,
        "Central Goods and Services Tax Act 2017, section 170",
        "The section rounds what is paid over to the state, to the rupee. Invoices are kept to the paisa;"
        " practice differs.",
        components=_EACH,
    ),
    Profile.CH: RoundingProfile(
        "Switzerland: by line, cash to five rappen",
        _UP,
        _LINE,
        "Münzverordnung (SR 941.101): the smallest coin is five rappen",
        "The coins bind cash alone; the level at which tax is rounded is a choice.",
        cash=CASH_STEPS["CHF"],
    ),
    Profile.NO: RoundingProfile(
        "Norway: by line, cash to the krone",
        _UP,
        _LINE,
        "Regulation of 2011-03-16 no. 294, section 2; Directorate of Taxes, statement of 2019-06-13",
        "Amounts are stated to the øre; cash is rounded in the final settlement, 50 øre up, and"
        " an electronic payment never is.",
        cash=CASH_STEPS["NOK"],
    ),
    Profile.SE: RoundingProfile(
        "Sweden: by line, cash to the krona",
        _UP,
        _LINE,
        "Lag (1970:1029) om avrundning av vissa öresbelopp",
        "The act rounds what is to be paid; the level at which tax is rounded is a choice.",
        cash=CASH_STEPS["SEK"],
    ),
}

_SHOP_SYSTEMS: Mapping[Profile, RoundingProfile] = {
    Profile.MEDUSA: RoundingProfile(
        "Medusa 2",
        _UP,
        _NONE,
        "medusajs/medusa, issues 14817 and 14818",
        "Totals carry all decimals; the gateway rounds what it charges.",
    ),
    Profile.SYLIUS_UNITS: RoundingProfile(
        "Sylius, strategy order_item_units_based",
        _UP,
        _UNIT,
        "Sylius/Sylius, issue 8902; class OrderItemUnitsTaxesApplicator",
        "Units of one line differ by a cent where a discount does not share evenly.",
    ),
    Profile.SYLIUS_ITEMS: RoundingProfile(
        "Sylius, strategy order_items_based",
        _UP,
        _LINE,
        "Sylius/Sylius, class OrderItemsTaxesApplicator",
    ),
    Profile.VENDURE: RoundingProfile(
        "Vendure, DefaultOrderTaxCalculationStrategy",
        _UP,
        _LINE,
        "Vendure documentation, OrderTaxCalculationStrategy",
    ),
    Profile.VENDURE_ORDER: RoundingProfile(
        "Vendure, OrderLevelTaxCalculationStrategy",
        _UP,
        _RATE,
        "Vendure documentation, OrderTaxCalculationStrategy",
    ),
    Profile.SALEOR: RoundingProfile(
        "Saleor, flat rates",
        _UP,
        _LINE,
        "saleor/saleor, issue 12348; function quantize_price",
        "Net and gross are rounded, and the tax is the difference.",
        rounded=_NET,
    ),
    Profile.SOLIDUS: RoundingProfile(
        "Solidus, DefaultTax calculator",
        _UP,
        _LINE,
        "solidusio/solidus, class Spree::Calculator::DefaultTax",
        "Each rate is an adjustment of its own.",
        components=_EACH,
    ),
    Profile.SHOPIFY: RoundingProfile(
        "Shopify",
        _UP,
        _LINE,
        "community.shopify.dev, thread 19824",
        "By line, in North America since 2020; how several components are rounded is not documented.",
    ),
    Profile.COMMERCETOOLS_LINE: RoundingProfile(
        "commercetools, LineItemLevel",
        Rounding.HALF_EVEN,
        _LINE,
        "commercetools API: TaxCalculationMode, RoundingMode, TaxRoundingTarget (2026-09-21)",
        "The defaults. Inside a price the net is rounded, unless taxRoundingTarget says Tax.",
        rounded=_NET,
    ),
    Profile.COMMERCETOOLS_UNIT: RoundingProfile(
        "commercetools, UnitPriceLevel",
        Rounding.HALF_EVEN,
        _UNIT,
        "commercetools API: TaxCalculationMode, RoundingMode, TaxRoundingTarget (2026-09-21)",
        "As by line, for each unit.",
        rounded=_NET,
    ),
    Profile.WOOCOMMERCE: RoundingProfile(
        "WooCommerce, prices without tax",
        _UP,
        _LINE,
        "woocommerce/woocommerce, wc_get_tax_rounding_mode and WC_Item_Totals",
        "Each rate of a line is rounded by itself.",
        components=_EACH,
    ),
    Profile.WOOCOMMERCE_INCLUDED: RoundingProfile(
        "WooCommerce, prices with tax",
        _DOWN,
        _LINE,
        "woocommerce/woocommerce, wc_get_tax_rounding_mode and WC_Item_Totals",
        "The mode is half down where prices include tax.",
        components=_EACH,
    ),
    Profile.WOOCOMMERCE_SUBTOTAL: RoundingProfile(
        "WooCommerce, rounded at subtotal level",
        _UP,
        _RATE,
        "woocommerce/woocommerce, option woocommerce_tax_round_at_subtotal",
        "Prices without tax; each rate is rounded once for the order.",
        components=_EACH,
    ),
    Profile.MAGENTO_UNIT: RoundingProfile(
        "Magento, Unit Price",
        _UP,
        _UNIT,
        "Magento user guide, tax calculation methods; class UnitBaseCalculator",
        components=_EACH,
    ),
    Profile.MAGENTO_ROW: RoundingProfile(
        "Magento, Row Total",
        _UP,
        _LINE,
        "Magento user guide, tax calculation methods; class RowBaseCalculator",
        components=_EACH,
    ),
    Profile.MAGENTO_TOTAL: RoundingProfile(
        "Magento, Total",
        _UP,
        _RATE,
        "Magento user guide, tax calculation methods; class TotalBaseCalculator",
        "The remainder of each rate is carried from row to row, so the rows may share the tax otherwise.",
        components=_EACH,
    ),
}

PROFILES: Mapping[Profile, RoundingProfile] = MappingProxyType({**_JURISDICTIONS, **_SHOP_SYSTEMS})
"""Every profile, by its name."""
