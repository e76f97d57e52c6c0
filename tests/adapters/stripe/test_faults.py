"""Lost, late, doubled and spoiled answers: none moves money twice, and none is taken for a *no*."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import attrs
import pytest
import requests
import stripe
from tests.adapters.stripe.proxy import Fault, FaultProxy
from tests.adapters.stripe.server import free_port
from tests.adapters.stripe.shop import back, card, charge, stripe_gateway

from ordercore.adapters.stripe import StripeGateway
from ordercore.errors import GatewayError, GatewayTimeout
from ordercore.tender import Outcome, OutcomeStatus, RefundStatus

CREATE = "POST /v1/payment_intents"
REFUND = "POST /v1/refunds"
UNCERTAIN = [
    Fault.DROPPED, Fault.LOST_ANSWER, Fault.ERROR_AFTER, Fault.ERROR_BEFORE, Fault.GARBLED,
    Fault.CONFLICT,
]  # fmt: skip


@pytest.mark.parametrize("fault", UNCERTAIN)
def test_no_certain_answer_to_a_charge_is_a_timeout(proxy: FaultProxy, fault: Fault) -> None:
    """Whatever was lost or spoiled, and as long as the search lags: unknown, after one single call."""
    proxy.search_lags = True
    proxy.fail_next(fault, CREATE)
    with pytest.raises(GatewayTimeout):
        stripe_gateway(proxy).authorize(charge(card(proxy)))
    assert len(proxy.calls(CREATE)) == 1


@pytest.mark.parametrize("fault", [Fault.DROPPED, Fault.LOST_ANSWER, Fault.CONFLICT])
def test_the_same_call_again_brings_the_answer(proxy: FaultProxy, fault: Fault) -> None:
    """Asked again under the same key, a lost answer comes, and there is one charge."""
    gateway = stripe_gateway(proxy)
    request = charge(card(proxy))
    proxy.fail_next(fault, CREATE)
    with pytest.raises(GatewayTimeout):
        gateway.authorize(request)
    assert gateway.authorize(request).status is OutcomeStatus.CAPTURED
    assert len(proxy.charges()) == 1


@pytest.mark.parametrize("fault", [Fault.ERROR_AFTER, Fault.GARBLED])
def test_an_answer_that_says_nothing_is_looked_up(proxy: FaultProxy, fault: Fault) -> None:
    """Stripe would answer 500 for a day; the search tells what was done."""
    gateway = stripe_gateway(proxy)
    request = charge(card(proxy))
    proxy.fail_next(fault, CREATE)
    assert gateway.authorize(request).status is OutcomeStatus.CAPTURED
    assert len(proxy.charges()) == 1


def test_a_500_after_the_work_is_unknown_until_the_search_knows(proxy: FaultProxy) -> None:
    """While the search lags it is unknown, and no second charge is made; then it is found."""
    gateway = stripe_gateway(proxy)
    request = charge(card(proxy))
    proxy.search_lags = True
    proxy.fail_next(Fault.ERROR_AFTER, CREATE)
    for _ in range(3):
        with pytest.raises(GatewayTimeout):
            gateway.authorize(request)
        assert gateway.lookup(request).status is OutcomeStatus.UNKNOWN
        assert gateway.void(request).status is OutcomeStatus.UNKNOWN
    proxy.search_lags = False
    assert gateway.authorize(request).status is OutcomeStatus.CAPTURED
    assert len(proxy.charges()) == 1


def test_a_key_of_any_letters_is_found_by_the_search(proxy: FaultProxy) -> None:
    """Quotes and backslashes in a key neither break the search nor widen it."""
    gateway = stripe_gateway(proxy)
    odd = attrs.evolve(charge(card(proxy)), key="o'1\\/1' OR amount>0")
    gateway.authorize(charge(odd.account))
    assert gateway.lookup(odd).status is OutcomeStatus.UNKNOWN
    reference = gateway.authorize(odd).reference
    assert gateway.lookup(odd).reference == reference


def test_a_failing_search_leaves_a_charge_unknown(proxy: FaultProxy) -> None:
    """That the search was refused says nothing of the charge before it."""
    proxy.fail_next(Fault.ERROR_AFTER, CREATE)
    proxy.fail_next(Fault.LIMITED, "GET .*/search")
    with pytest.raises(GatewayTimeout) as caught:
        stripe_gateway(proxy).authorize(charge(card(proxy)))
    assert "search" in caught.value.__notes__[0]


def test_two_workers_at_once_make_one_charge(proxy: FaultProxy) -> None:
    """One is answered; the other hears that the key is in use, which is unknown."""
    gateways = [stripe_gateway(proxy) for _ in range(2)]
    request = charge(card(proxy))
    proxy.fail_next(Fault.SLOW, CREATE)

    def ask(gateway: StripeGateway) -> Outcome | GatewayTimeout:
        try:
            return gateway.authorize(request)
        except GatewayTimeout as error:
            return error

    with ThreadPoolExecutor(2) as pool:
        said = list(pool.map(ask, gateways))
    taken = [one for one in said if isinstance(one, Outcome)]
    assert [one.status for one in taken] == [OutcomeStatus.CAPTURED]
    assert len(proxy.charges()) == 1


def test_too_many_calls_are_not_sent(proxy: FaultProxy) -> None:
    """429 is certain: this call has moved nothing. It is no decline, as an earlier one may have."""
    gateway = stripe_gateway(proxy)
    request = charge(card(proxy))
    proxy.fail_next(Fault.LIMITED, CREATE)
    with pytest.raises(GatewayError) as caught:
        gateway.authorize(request)
    assert type(caught.value) is GatewayError
    assert proxy.charges() == []
    assert gateway.authorize(request).status is OutcomeStatus.CAPTURED


def test_a_server_that_is_not_there_was_not_asked(proxy: FaultProxy) -> None:
    """A connection that never stood has carried nothing: the next channel may be tried."""
    nowhere = f"http://127.0.0.1:{free_port()}"
    gateway = stripe_gateway(proxy, base_addresses={"api": nowhere})
    with pytest.raises(GatewayError) as caught:
        gateway.authorize(charge(card(proxy)))
    assert type(caught.value) is GatewayError


def test_a_client_of_the_hosts_own_keeps_its_patience(proxy: FaultProxy) -> None:
    """Its time-out is kept, its retries are not: each would be a call that nobody knows of."""
    client = stripe.StripeClient(
        "sk_test_secret",
        base_addresses={"api": proxy.url},
        max_network_retries=5,
        http_client=stripe.RequestsClient(timeout=0.1),
    )
    gateway = StripeGateway(client, webhook_secret="whsec_x")
    proxy.fail_next(Fault.SLOW, CREATE)
    request = charge(card(proxy))
    with pytest.raises(GatewayTimeout):
        gateway.authorize(request)
    assert len(proxy.calls(CREATE)) == 1


@pytest.mark.parametrize(("key", "account"), [("none", "pm_card_visa"), ("sk_test_x", "pm_none")])
def test_what_stripe_refuses_moves_nothing(proxy: FaultProxy, key: str, account: str) -> None:
    """A wrong secret key, or a payment method that does not exist."""
    with pytest.raises(GatewayError) as caught:
        stripe_gateway(proxy, key=key).authorize(charge(account))
    assert type(caught.value) is GatewayError
    assert caught.value.data["status"] in {401, 404}
    assert proxy.payments() == []


def test_a_key_with_another_amount_answers_as_the_first(proxy: FaultProxy) -> None:
    """Stripe refuses the key with other content; the outcome says what the key really took."""
    gateway = stripe_gateway(proxy)
    request = charge(card(proxy))
    gateway.authorize(request)
    other = attrs.evolve(request, amount=2_000)
    outcome = gateway.authorize(other)
    assert (outcome.status, outcome.amount) == (OutcomeStatus.CAPTURED, 1_000)
    assert len(proxy.charges()) == 1


def test_a_reference_is_never_charged_anew(proxy: FaultProxy) -> None:
    """What Stripe has named once is looked up, also after Stripe has forgotten the key."""
    gateway = stripe_gateway(proxy)
    request = charge(card(proxy))
    reference = gateway.authorize(request).reference
    proxy.forget_keys()
    known = attrs.evolve(request, reference=reference)
    assert gateway.authorize(known).status is OutcomeStatus.CAPTURED
    assert len(proxy.charges()) == 1


def test_a_gateway_that_searches_first_outlives_the_keys(proxy: FaultProxy) -> None:
    """A charge whose answer was lost is found a day later, when Stripe knows its key no more."""
    gateway = stripe_gateway(proxy, searches_first=True)
    request = charge(card(proxy))
    proxy.fail_next(Fault.LOST_ANSWER, CREATE)
    with pytest.raises(GatewayTimeout):
        gateway.authorize(request)
    proxy.forget_keys()
    assert gateway.authorize(request).status is OutcomeStatus.CAPTURED
    assert len(proxy.charges()) == 1


@pytest.mark.parametrize("fault", [Fault.LOST_ANSWER, Fault.ERROR_AFTER, Fault.GARBLED])
@pytest.mark.parametrize("call", ["capture", "cancel"])
def test_no_certain_answer_to_a_capture_or_a_cancel_is_a_timeout(
    proxy: FaultProxy, fault: Fault, call: str
) -> None:
    """Asked again, it answers how the payment stands; it is not done twice."""
    gateway = stripe_gateway(proxy, authorizes_first=True)
    request = charge(card(proxy))
    gateway.authorize(request)
    proxy.fail_next(fault, f"POST .*/{call}")
    ask = gateway.capture if call == "capture" else gateway.void
    with pytest.raises(GatewayTimeout):
        ask(request)
    expected = OutcomeStatus.CAPTURED if call == "capture" else OutcomeStatus.VOIDED
    assert ask(request).status is expected
    assert len(proxy.calls(f"POST .*/{call}")) == 1
    assert proxy.moved() == (1_000 if call == "capture" else 0)


@pytest.mark.parametrize(
    "fault", [Fault.DROPPED, Fault.LOST_ANSWER, Fault.ERROR_AFTER, Fault.GARBLED]
)
@pytest.mark.parametrize("forgotten", [False, True])
def test_a_refund_without_an_answer_goes_back_once(
    proxy: FaultProxy, fault: Fault, forgotten: bool
) -> None:
    """It is found among the payment's refunds, also when Stripe has forgotten its key."""
    gateway = stripe_gateway(proxy)
    request = charge(card(proxy))
    gateway.authorize(request)
    asked = back(request, 300)
    proxy.fail_next(fault, REFUND)
    with pytest.raises(GatewayTimeout):
        gateway.refund(asked)
    if forgotten:
        proxy.forget_keys()
    assert gateway.refund(asked).status is RefundStatus.ARRIVED
    assert proxy.moved() == 700


@pytest.mark.parametrize("fault", [Fault.DROPPED, Fault.LOST_ANSWER, Fault.ERROR_AFTER])
def test_a_void_without_an_answer_gives_back_once(proxy: FaultProxy, fault: Fault) -> None:
    """The second void finds the first one's refund, or makes it."""
    gateway = stripe_gateway(proxy)
    request = charge(card(proxy))
    gateway.authorize(request)
    gateway.refund(back(request, 300))
    proxy.fail_next(fault, REFUND)
    with pytest.raises(GatewayTimeout):
        gateway.void(request)
    proxy.forget_keys()
    assert gateway.void(request).status is OutcomeStatus.VOIDED
    assert proxy.moved() == 0


def test_every_look_that_fails_is_an_error_and_no_answer(proxy: FaultProxy) -> None:
    """Neither the search, nor a look-up, nor the list of refunds takes a failure for *not there*."""
    gateway = stripe_gateway(proxy)
    request = charge(card(proxy))
    reference = gateway.authorize(request).reference
    known = attrs.evolve(request, reference=reference)
    for call, ask in (
        ("GET .*/search", lambda: gateway.lookup(request)),
        (f"GET .*/{reference}", lambda: gateway.lookup(known)),
        ("GET /v1/refunds", lambda: gateway.refund(back(request, 100))),
        ("GET /v1/refunds", lambda: gateway.lookup_refund(back(request, 100))),
    ):
        proxy.fail_next(Fault.DROPPED, call)
        with pytest.raises(GatewayTimeout):
            ask()
    assert proxy.moved() == 1_000


class Silent(stripe.HTTPClient):
    """A wire on which each call is read for too long: the charge may have been made."""

    name = "silent"

    def request(self, *_: object, **__: object) -> object:
        """Never an answer."""
        try:
            raise requests.exceptions.ReadTimeout("read timed out")  # noqa: TRY301 - its cause
        except requests.exceptions.ReadTimeout as error:
            raise stripe.APIConnectionError("no answer") from error

    def request_with_retries(self, *_: object, **__: object) -> object:
        """Never an answer."""
        return self.request()

    def close(self) -> None:
        """Nothing is open."""


def test_what_the_host_is_just_handling_says_nothing_of_our_call() -> None:
    """A host that pays while its own warehouse could not be reached still hears that it is unknown."""
    client = stripe.StripeClient("sk_test_none", http_client=Silent())
    gateway = StripeGateway(client, webhook_secret="none")
    try:
        raise requests.exceptions.ConnectTimeout("the warehouse is away")  # noqa: TRY301 - as a host does
    except requests.exceptions.ConnectTimeout:
        with pytest.raises(GatewayTimeout):
            gateway.authorize(charge("pm_1"))
