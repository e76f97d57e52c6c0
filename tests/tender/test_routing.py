"""Which channel takes a payment: rules, choice, backups, and every reason why not."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ordercore.errors import InvalidPolicy, InvalidTenders
from ordercore.money import Percent
from ordercore.pricing import OrderKind
from ordercore.tender import (
    Capabilities,
    CaptureMoment,
    ChannelChoice,
    ChannelPolicy,
    ChannelRule,
    Route,
    SuccessRate,
    route,
)

ABLE = {name: Capabilities() for name in ("stripe", "adyen", "paypal", "wechat")}
CARD = tuple(ChannelRule(name, "card") for name in ("stripe", "adyen", "paypal"))


def routed(policy: ChannelPolicy, method: str = "card", amount: int = 10_000, **more: Any) -> Route:
    """The route of a payment in euro to Germany."""
    asked = {"currency": "EUR", "country": "DE", "kind": OrderKind.REGULAR, "capabilities": ABLE}
    return route(policy, method, amount, **{**asked, **more})


# --- Rules -----------------------------------------------------------------------------------


def test_a_method_without_a_rule_is_the_gateway_of_that_name() -> None:
    """No configuration is needed where a shopper picks the gateway itself."""
    assert routed(ChannelPolicy(), "wechat") == Route(("wechat",))
    assert ChannelPolicy().rule("wechat", "wechat") == ChannelRule("wechat", "wechat")


def test_the_rules_of_a_method_are_tried_in_their_order() -> None:
    """The first channel takes the payment; at most so many others stand by."""
    assert routed(ChannelPolicy(CARD)) == Route(("stripe", "adyen", "paypal"))
    assert routed(ChannelPolicy(CARD, backups=1)).gateways == ("stripe", "adyen")
    assert routed(ChannelPolicy(CARD, backups=0)).gateways == ("stripe",)


def test_a_channel_that_is_picked_by_name_keeps_its_rule() -> None:
    """Naming the gateway instead of the method is no way around a rule."""
    policy = ChannelPolicy((ChannelRule("stripe", "card", enabled=False, fee_minor=3),))
    with pytest.raises(InvalidTenders, match="stripe: it is disabled"):
        routed(policy, "stripe")
    assert policy.rule("stripe", "stripe").fee_minor == 3


REFUSALS: dict[str, tuple[dict[str, Any], str]] = {
    "disabled": ({"enabled": False}, "it is disabled"),
    "currency": ({"currencies": ("USD", "GBP")}, "it does not take EUR"),
    "market": ({"markets": ("FR",)}, "it does not serve DE"),
    "kind": ({"kinds": (OrderKind.COUPON,)}, "it does not take orders of the kind regular"),
    "least": ({"amount_min": 10_001}, "it takes at least 100.01 EUR"),
    "most": ({"amount_max": 9_999}, "it takes at most 99.99 EUR"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_a_channel_that_does_not_fit_is_skipped_with_its_reason(name: str) -> None:
    """A rule that does not let the payment in leaves the others to take it."""
    terms, why = REFUSALS[name]
    found = routed(ChannelPolicy((ChannelRule("stripe", "card", **terms), *CARD[1:])))
    assert found == Route(("adyen", "paypal"), (("stripe", why),))


@pytest.mark.parametrize("name", ["currency", "least", "most"])
def test_what_a_gateway_can_do_counts_as_a_rule_does(name: str) -> None:
    """Currencies and limits that a gateway declares are kept before it is called."""
    terms, why = REFUSALS[name]
    found = routed(ChannelPolicy(CARD), capabilities={**ABLE, "stripe": Capabilities(**terms)})
    assert found == Route(("adyen", "paypal"), (("stripe", why),))


def test_limits_hold_at_their_edge() -> None:
    """The least and the most that a channel takes are taken."""
    rule = ChannelRule("stripe", "card", amount_min=10_000, amount_max=10_000)
    assert routed(ChannelPolicy((rule,))).gateways == ("stripe",)


def test_a_gateway_that_is_missing_or_paused_is_skipped() -> None:
    """A rule for a gateway that the host does not have, and one that failed lately, are no error."""
    found = routed(ChannelPolicy((ChannelRule("none", "card"), *CARD)), paused={"stripe"})
    assert found.gateways == ("adyen", "paypal")
    assert dict(found.refused) == {
        "none": "there is no gateway of this name",
        "stripe": "it has failed lately and is left alone for a while",
    }


def test_l24_without_a_channel_each_one_and_its_reason_are_named() -> None:
    """A payment that nobody takes is refused in words that a shop can act on."""
    policy = ChannelPolicy(
        (
            ChannelRule("stripe", "card", enabled=False),
            ChannelRule("adyen", "card", markets=("FR",)),
        )
    )
    with pytest.raises(InvalidTenders) as caught:
        routed(policy)
    refused = (("stripe", "it is disabled"), ("adyen", "it does not serve DE"))
    assert (caught.value.path, caught.value.data) == (
        "tenders",
        {"method": "card", "refused": refused},
    )
    assert "stripe: it is disabled; adyen: it does not serve DE" in caught.value.reason
    with pytest.raises(InvalidTenders, match="an order without a country"):
        routed(ChannelPolicy((ChannelRule("adyen", "card", markets=("FR",)),)), country="")


def test_a_channel_with_two_rules_stands_once() -> None:
    """Rules by currency of one channel are one channel; the one that fits gives its terms."""
    rules = (
        ChannelRule("stripe", "card", currencies=("USD",), amount_min=100),
        ChannelRule("stripe", "card", currencies=("EUR",)),
    )
    ChannelPolicy(rules).check()
    assert routed(ChannelPolicy(rules)).gateways == ("stripe",)
    assert routed(ChannelPolicy((CARD[0], CARD[0]))).gateways == ("stripe",)


# --- Choice ----------------------------------------------------------------------------------


def test_the_cheapest_depends_on_the_amount() -> None:
    """1.5 % and 0.25 beats a flat 2.00 below 116.67, exactly."""
    rules = (
        ChannelRule("stripe", "card", fee_share=Percent.of("1.5"), fee_minor=25),
        ChannelRule("adyen", "card", fee_minor=200),
    )
    policy = ChannelPolicy(rules, ChannelChoice.CHEAPEST)
    assert routed(policy, amount=11_666).gateways == ("stripe", "adyen")
    assert routed(policy, amount=11_667).gateways == ("adyen", "stripe")


def test_the_best_rate_of_success_comes_first() -> None:
    """A channel with too few tries counts as if it never failed; ties stay in the declared order."""
    policy = ChannelPolicy(CARD, ChannelChoice.SUCCESS, tries_min=20)
    rates = {"stripe": SuccessRate(100, 80), "adyen": SuccessRate(100, 90)}
    assert routed(policy, rates=rates).gateways == ("paypal", "adyen", "stripe")
    rates["paypal"] = SuccessRate(19, 0)
    assert routed(policy, rates=rates).gateways == ("paypal", "adyen", "stripe")
    rates["paypal"] = SuccessRate(20, 16)
    assert routed(policy, rates=rates).gateways == ("adyen", "stripe", "paypal")
    assert routed(policy).gateways == ("stripe", "adyen", "paypal")


def test_weights_share_payments_out_by_lot() -> None:
    """Of 4,000 orders a weight of 3 gets about three times what a weight of 1 gets, 0 never comes first."""
    rules = (
        ChannelRule("stripe", "card", weight=3),
        ChannelRule("adyen", "card", weight=1),
        ChannelRule("paypal", "card", weight=0),
    )
    policy = ChannelPolicy(rules, ChannelChoice.WEIGHT)
    found = [routed(policy, lot=f"o-{i}").gateways for i in range(4_000)]
    firsts = Counter(gateways[0] for gateways in found)
    assert 2_850 <= firsts["stripe"] <= 3_150
    assert firsts["stripe"] + firsts["adyen"] == 4_000
    assert {gateways[2] for gateways in found} == {"paypal"}


@given(lot=st.text(), choose=st.sampled_from(ChannelChoice), backups=st.integers(0, 4))
def test_a_route_is_a_function_of_its_arguments(
    lot: str, choose: ChannelChoice, backups: int
) -> None:
    """Asked twice it is the same; whoever comes first, no channel stands twice, and none is invented."""
    policy = ChannelPolicy(CARD, choose, backups)
    found = routed(policy, lot=lot)
    assert found == routed(policy, lot=lot)
    assert len(found.gateways) == min(1 + backups, 3) == len(set(found.gateways))
    assert set(found.gateways) <= {"stripe", "adyen", "paypal"}


# --- Bad policies ----------------------------------------------------------------------------

BAD: dict[str, tuple[ChannelPolicy, str]] = {
    "no gateway": (ChannelPolicy((ChannelRule(""),)), "rules[0].gateway"),
    "least": (ChannelPolicy((ChannelRule("x", amount_min=-1),)), "rules[0].amount_min"),
    "most": (ChannelPolicy((ChannelRule("x", amount_min=2, amount_max=1),)), "rules[0].amount_max"),
    "weight": (ChannelPolicy((ChannelRule("x", weight=-1),)), "rules[0].weight"),
    "fee": (ChannelPolicy((ChannelRule("x", fee_minor=-1),)), "rules[0].fee_minor"),
    "share": (
        ChannelPolicy((ChannelRule("x", fee_share=Percent.of("101")),)),
        "rules[0].fee_share",
    ),
    "rate": (ChannelPolicy((ChannelRule("x", per_minute=-1),)), "rules[0].per_minute"),
    "twice": (ChannelPolicy((ChannelRule("x"), ChannelRule("x", "x"))), "rules[1]"),
    "twice in one market": (
        ChannelPolicy((ChannelRule("x", markets=("DE", "FR")), ChannelRule("x", markets=("FR",)))),
        "rules[1]",
    ),
    "backups": (ChannelPolicy(backups=11), "backups"),
    "breaker": (ChannelPolicy(breaker_failures=-1), "breaker_failures"),
    "pause": (ChannelPolicy(breaker_pause=timedelta(-1)), "breaker_pause"),
    "tries": (ChannelPolicy(tries_min=0), "tries_min"),
}


@pytest.mark.parametrize("name", BAD)
def test_l24_a_registry_that_cannot_be_is_refused(name: str) -> None:
    """Negative figures, doubled channels and the like are refused at their path."""
    policy, path = BAD[name]
    with pytest.raises(InvalidPolicy) as caught:
        policy.check()
    assert caught.value.path == f"channels.{path}"


def test_one_gateway_may_serve_two_methods() -> None:
    """The same adapter under two methods, with terms of its own for each, is in order."""
    rules = (
        ChannelRule("stripe", "card"),
        ChannelRule("stripe", "transfer", capture=CaptureMoment.ON_SHIPMENT),
    )
    policy = ChannelPolicy(rules)
    policy.check()
    assert policy.rule("stripe", "transfer").capture is CaptureMoment.ON_SHIPMENT
