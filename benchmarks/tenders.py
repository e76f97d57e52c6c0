"""A payment planned: four tenders over five lines and shipping, with the matrix, beside a small floor."""

from __future__ import annotations

from benchmarks import shop
from benchmarks.lifecycles import small_floor
from benchmarks.report import Bar, Report, Side, Table
from benchmarks.rounds import repeated, take_turns
from ordercore import Percent, PointsRate, TenderPolicy, TenderRule, tenders
from ordercore.money import money
from ordercore.pricing import quote
from ordercore.tender import CapBase, TenderEffect, plan, preview

__all__ = ["DUE", "TERMS", "measure"]

LIMIT = 25 / 5.4
"""Most that a plan may cost, as a multiple of the small floor: 25 us where that takes 5.4."""

DUE = quote(shop.cart(), shop.POLICIES.pricing, shop.build().shop.clock.now())
"""The cart of the whole way: 223.29 over five lines and shipping."""

TERMS = TenderPolicy(
    (
        TenderRule("coupon", not_with=("voucher",), invoiceable=False),
        TenderRule(
            "points",
            PointsRate(),
            cap_share=Percent.of("10"),
            cap_of=CapBase.GOODS,
            cap_minor=5_000,
            leaves_minor=1,
            with_coupons=False,
            effect=TenderEffect.DISCOUNT,
        ),
        TenderRule("balance", leaves_minor=1),
        TenderRule("card", minimum_minor=50),
    )
)
"""Terms of every kind but exclusions."""
EXCLUDING = TenderPolicy(
    (
        TenderRule("coupon"),
        TenderRule("points", excluded_skus=("SKU-4",), pays_shipping=False),
        TenderRule("balance"),
    )
)


def measure(*, quick: bool) -> Report:
    """One bar, and a table of what terms and reasons cost on top."""
    rows = DUE.rows()
    offers = shop.OFFERS
    rules = shop.POLICIES.tenders
    one = (tenders.Channel("card", money("223.29", "USD")),)
    cases = {
        "floor": repeated(small_floor, 600),
        "plan": repeated(lambda: plan(rows, offers, rules, "USD"), 200),
        "one": repeated(lambda: plan(rows, one, rules, "USD"), 400),
        "terms": repeated(lambda: plan(rows, offers, TERMS, "USD"), 150),
        "excluding": repeated(lambda: plan(rows, offers, EXCLUDING, "USD"), 50),
        "preview": repeated(lambda: preview(rows, offers, rules, "USD", {}, {}), 100),
    }
    found = take_turns(cases, 9 if quick else 25, 12.0)
    names = {
        "one": "one channel pays all",
        "plan": "four tenders, no terms",
        "terms": "the same with caps, stacking, what is left, a price reduction",
        "excluding": "the same with rows that a tender may not pay for",
        "preview": "the same with a reason for each offer",
    }
    table = [(says, found.us(case), found.ratio(case, "floor")) for case, says in names.items()]
    bar = Bar(
        "plan of four tenders over 5 lines, with its matrix", Side.AT_MOST, round(LIMIT, 2),
        found.ratio("plan", "floor"), " x", f"{found.us('plan'):.1f} us",
        f"{found.us('floor'):.1f} us",
    )  # fmt: skip
    return Report([bar], [Table("A payment planned", ("plan", "us", "x small floor"), table)])
