"""Payments over Stripe, by its official client (extra ``stripe``): PaymentIntents, refunds, webhooks.

What Stripe promises, and what is done about it (https://docs.stripe.com/api, as of version 2026-10-28):

- A key of idempotency is kept for 24 hours at least, and its first answer comes again, a 500 too. So each
  call that moves money has a key made from the request, and an answer that says nothing (5xx, 409, none at all)
  is `GatewayTimeout`: asked again, it is the same call. A stored 500 hides what was done, so the
  payment is then searched by the metadata that was written with it.
- The search lags by a minute, in an outage by an hour: what it does not find is *unknown*, never *not there*.
- Amounts are in Stripe's own minor units, which are not those of ISO 4217 everywhere: see `stripe_amount`.
- A webhook is signed with its time of sending. The signature is verified here; how old it may be is the
  engine's to judge, by `Notification.sent_at`.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import stripe

from ordercore.errors import (
    GatewayError,
    GatewayTimeout,
    InvalidMoney,
    InvalidTenders,
    NotificationRefused,
)
from ordercore.money import exponent
from ordercore.tender import (
    ActionKind,
    Capabilities,
    Failure,
    Notification,
    Outcome,
    OutcomeStatus,
    PaymentAction,
    RefundOutcome,
    RefundStatus,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from stripe.params import PaymentIntentCreateParams

    from ordercore.tender import ChargeRequest, RefundRequest

__all__ = ["StripeGateway", "iso_amount", "stripe_amount"]

Document = dict[str, Any]
"""An object of Stripe's as plain data: fields come and go with the version of the API."""

KEY, VOID, ORDER, GATEWAY = (
    "ordercore_key",
    "ordercore_void",
    "ordercore_order",
    "ordercore_gateway",
)
"""Names in the metadata of what we make at Stripe."""

CONNECT_SECONDS, ANSWER_SECONDS = 5, 20
"""How long a call may take: several in a row end before a worker's lease on its timer does."""
PAGE, PAGES_MAX = 100, 10
"""Refunds of one payment that are looked through: a thousand."""

# --- What the codes mean -----------------------------------------------------------------------

_SOFT = frozenset(
    {
        "approve_with_id", "issuer_not_available", "processing_error", "reenter_transaction",
        "try_again_later",
    }
)  # fmt: skip
"""Declines that say nothing against the payer: Stripe's advice is to attempt the payment again
(https://docs.stripe.com/declines/codes). All others are the payer's to mend."""
_NOT_TO_BE_TOLD = frozenset(
    {"fraudulent", "lost_card", "merchant_blacklist", "pickup_card", "stolen_card"}
)
"""Declines whose reason Stripe asks to keep from the payer, who is told a generic one."""
_NOT_REFUNDABLE = frozenset(
    {
        "amount_too_large", "charge_already_refunded", "charge_disputed", "charge_not_refundable",
        "refund_disputed_payment",
    }
)  # fmt: skip
"""Refusals of a refund that asking again does not mend."""
_NEVER_CONNECTED = frozenset(
    {"ConnectTimeout", "ConnectTimeoutError", "NewConnectionError", "NameResolutionError"}
)
"""Errors of requests and urllib3 after which nothing can have been sent."""

_WAITING = frozenset({"requires_payment_method", "requires_confirmation", "requires_action"})
_GIVEN_BACK = frozenset({"succeeded", "pending", "requires_action"})
_REFUND_STATUS = {
    "succeeded": RefundStatus.ARRIVED,
    "pending": RefundStatus.ACCEPTED,
    "requires_action": RefundStatus.ACCEPTED,
    "failed": RefundStatus.FAILED,
    "canceled": RefundStatus.FAILED,
}
_OF_PAYMENTS = frozenset(
    {
        "payment_intent.succeeded", "payment_intent.amount_capturable_updated",
        "payment_intent.payment_failed", "payment_intent.canceled",
        "payment_intent.processing", "payment_intent.requires_action",
    }
)  # fmt: skip
_OF_REFUNDS = frozenset(
    {"refund.created", "refund.updated", "refund.failed", "charge.refund.updated"}
)


# --- Money ---------------------------------------------------------------------------------------

_DECIMALS = {"ISK": 2, "UGX": 2, "MGA": 0}
"""Where Stripe counts in other units than ISO 4217 (https://docs.stripe.com/currencies): the króna and the
Ugandan shilling have kept their two decimals, always 00; the ariary has none."""
_STEPS = {"ISK": 100, "UGX": 100, "BHD": 10, "JOD": 10, "KWD": 10, "OMR": 10, "TND": 10}
"""What an amount in Stripe's units must be a multiple of: the last of three decimals is always 0."""


def _shift(currency: str) -> int:
    """Decimals that Stripe has more than ISO 4217; raises `InvalidMoney` for a currency without published units."""
    digits = exponent(currency)
    if digits > 2 and currency not in _STEPS:
        reason = f"Stripe takes no amounts of {currency}"
        raise InvalidMoney(reason, path="currency", currency=currency)
    return _DECIMALS.get(currency, digits) - digits


def stripe_amount(amount: int, currency: str) -> int:
    """Stripe's units for ISO minor units, exactly; raises `InvalidMoney` for an amount that Stripe cannot take.

    The forint and the Taiwan dollar have two decimals in payments; only payouts of them are in whole units.

    >>> (
    ...     stripe_amount(1234, "EUR"),
    ...     stripe_amount(5, "ISK"),
    ...     stripe_amount(500, "MGA"),
    ...     stripe_amount(5120, "KWD"),
    ... )
    (1234, 500, 5, 5120)
    """
    shift = _shift(currency)
    scale: int = 10 ** abs(shift)
    units, rest = (amount * scale, 0) if shift >= 0 else divmod(amount, scale)
    step = _STEPS.get(currency, 1)
    if rest or units % step:
        reason = f"Stripe cannot take {amount} minor units of {currency}: round the price first"
        raise InvalidMoney(reason, path="amount", amount=amount, currency=currency)
    return units


def iso_amount(units: int, currency: str) -> int:
    """ISO minor units for Stripe's units of a currency in upper case; raises `InvalidMoney` for a fraction of one.

    >>> iso_amount(500, "UGX"), iso_amount(500, "HUF"), iso_amount(5, "MGA")
    (5, 500, 500)
    """
    shift = _shift(currency)
    scale: int = 10 ** abs(shift)
    amount, rest = divmod(units, scale) if shift >= 0 else (units * scale, 0)
    if rest:
        reason = f"{units} of Stripe's units of {currency} are no whole minor units"
        raise InvalidMoney(reason, path="amount", amount=units, currency=currency)
    return amount


# --- Reading what Stripe says ----------------------------------------------------------------------


def _moment(seconds: object) -> datetime | None:
    """A time of Stripe's, or ``None`` for none."""
    if type(seconds) is not int:
        return None
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _part(document: Mapping[str, Any], name: str) -> Document:
    """An object inside another; an empty one for an id that was not expanded, or nothing."""
    found = document.get(name)
    return found if isinstance(found, dict) else {}


def _money(document: Mapping[str, Any], name: str) -> int | None:
    """An amount in ISO minor units; ``None`` where it is not told."""
    units = document.get(name)
    if type(units) is not int:
        return None
    return iso_amount(units, str(document.get("currency", "")).upper())


def _declined(error: Mapping[str, Any], reference: str) -> Outcome:
    """A decline, sorted by its code."""
    code = str(error.get("decline_code") or error.get("code") or "card_declined")
    failure = Failure.SOFT if code in _SOFT else Failure.DECLINED
    reason = "generic_decline" if code in _NOT_TO_BE_TOLD else code
    return Outcome(OutcomeStatus.DECLINED, reference, reason=reason, failure=failure)


def _action(intent: Mapping[str, Any], expires_at: datetime | None, name: str) -> PaymentAction:
    """What the payer must do: follow a redirect, scan a code, or let Stripe's script go on with the secret."""
    todo = _part(intent, "next_action")
    kind, content = ActionKind.PARAMETERS, intent.get("client_secret")
    for part in ("redirect_to_url", "alipay_handle_redirect"):
        if _part(todo, part).get("url"):
            kind, content = ActionKind.REDIRECT, _part(todo, part)["url"]
    code = _part(todo, "wechat_pay_display_qr_code").get("data")
    if code:
        kind, content = ActionKind.QR_CODE, code
    return PaymentAction(kind, str(content or ""), expires_at, name)


def _standing(intent: Mapping[str, Any], name: str, expires_at: datetime | None = None) -> Outcome:
    """How a payment stands by its own word; that it was given back stands with its refunds."""
    status, reference = intent.get("status"), str(intent.get("id", ""))
    charge = _part(intent, "latest_charge")
    at = _moment(charge.get("created"))
    if status == "succeeded":
        taken = _money(intent, "amount_received")
        return Outcome(OutcomeStatus.CAPTURED, reference, at, amount=taken)
    if status == "requires_capture":
        card = _part(_part(charge, "payment_method_details"), "card")
        held, until = _money(intent, "amount_capturable"), _moment(card.get("capture_before"))
        return Outcome(OutcomeStatus.AUTHORIZED, reference, at, amount=held, expires_at=until)
    if status == "canceled":
        reason = str(intent.get("cancellation_reason") or "")
        return Outcome(OutcomeStatus.VOIDED, reference, reason=reason)
    if status == "processing":
        return Outcome(OutcomeStatus.WAITING, reference)
    problem = _part(intent, "last_payment_error")
    if status == "requires_payment_method" and problem:
        return _declined(problem, reference)
    if status in _WAITING:
        action = _action(intent, expires_at, name)
        return Outcome(OutcomeStatus.WAITING, reference, action=action)
    return Outcome(OutcomeStatus.UNKNOWN, reference, reason=f"unknown status {status}")


def _refund_standing(refund: Mapping[str, Any]) -> RefundOutcome:
    """How a refund stands. *succeeded* means that Stripe has sent it; a bank may take some days to show it."""
    status = _REFUND_STATUS.get(str(refund.get("status")), RefundStatus.UNKNOWN)
    failed = status is RefundStatus.FAILED
    reason = str(refund.get("failure_reason") or refund.get("status")) if failed else ""
    at = _moment(refund.get("created")) if status is RefundStatus.ARRIVED else None
    return RefundOutcome(status, str(refund.get("id", "")), at, reason)


# --- Errors ----------------------------------------------------------------------------------------


def _connected(error: BaseException) -> bool:
    """Whether a connection may have stood, so that something may have been sent.

    Only what the error itself names is followed: its context may be an error that the host is just handling.
    """
    seen: list[BaseException] = []
    todo: list[object] = [error]
    while todo and len(seen) < 20:
        one = todo.pop()
        if not isinstance(one, BaseException) or one in seen:
            continue
        if type(one).__name__ in _NEVER_CONNECTED:
            return False
        seen.append(one)
        todo += [one.__cause__, getattr(one, "reason", None), *one.args]
    return True


def _code(error: stripe.StripeError) -> str:
    return str(error.code or (error.error.code if error.error is not None else "") or "")


def _problem(error: stripe.StripeError, what: str, key: str) -> GatewayError:
    """The error of ours: `GatewayTimeout` where the call may have moved money, else `GatewayError`."""
    status = error.http_status
    told: dict[str, str | int | None] = {"code": _code(error), "status": status}
    if isinstance(error, stripe.APIConnectionError):
        if _connected(error):
            return GatewayTimeout(f"no answer from Stripe to {what}", path=key)
        return GatewayError(f"Stripe could not be reached to {what}", path=key)
    if isinstance(error, stripe.IdempotencyError):
        return GatewayTimeout(f"the key to {what} was used for another call", path=key, **told)
    if isinstance(error, stripe.RateLimitError):
        return GatewayError(f"Stripe takes no more calls for now to {what}", path=key, **told)
    refused = status is not None and 400 <= status < 500 and status != 409
    if not refused:
        return GatewayTimeout(f"no certain answer from Stripe to {what}", path=key, **told)
    reason = f"Stripe refused to {what}: {error.user_message or _code(error)}"
    return GatewayError(reason, path=key, **told)


def _replayed(answer: stripe.StripeObject) -> bool:
    """Whether this is a stored answer to an earlier call: things may stand otherwise by now."""
    response = answer.last_response
    headers = {} if response is None else {k.lower(): v for k, v in response.headers.items()}
    return headers.get("idempotent-replayed") == "true"


class StripeGateway:
    """A `PaymentGateway` over Stripe's PaymentIntents; it answers at once, with no awaiting.

    ``client`` is a secret key or a client that the host has made. ``webhook_secret`` is that of the
    endpoint at which `parse` gets its notifications; several while it is rolled. ``authorizes_first``:
    authorize holds, and capture takes all or a part, once. ``base_addresses`` as the client's.
    ``methods`` are Stripe's types of payment methods; empty lets the Dashboard decide. ``return_url`` is where
    a payer comes back to from a redirect; without one, Stripe's script asks in place.
    ``currencies`` are those that are declared; empty is any.

    A tender's account is a payment method (``pm_...``), which is charged at once; a customer
    (``cus_...``), or nothing: then the payer chooses in Stripe's own form, with the secret of the
    action; or both (``cus_...:pm_...``), for a method that a customer has saved.

    ``searches_first``: each new charge first asks the search whether its key was seen. Without it, one that is
    asked again after more than a day, having never been answered, may be taken for a new one.

    Two gateways of different names may share one Stripe account: each drops the other's notifications.
    """

    def __init__(
        self,
        client: stripe.StripeClient | str,
        *,
        webhook_secret: str | Sequence[str],
        authorizes_first: bool = False,
        name: str = "stripe",
        base_addresses: Mapping[str, str] | None = None,
        methods: Sequence[str] = ("card",),
        return_url: str = "",
        currencies: Sequence[str] = (),
        searches_first: bool = False,
    ) -> None:
        if isinstance(client, str):
            wire = stripe.RequestsClient(timeout=(CONNECT_SECONDS, ANSWER_SECONDS))
            addresses: Any = dict(base_addresses) if base_addresses else None
            client = stripe.StripeClient(client, base_addresses=addresses, http_client=wire)
        self.name = name
        self.capabilities = Capabilities(
            captures_at_once=not authorizes_first,
            partial_capture=authorizes_first,
            currencies=tuple(currencies),
            amount_min=1,
        )
        self._intents = client.v1.payment_intents
        self._refunds = client.v1.refunds
        secrets = [webhook_secret] if isinstance(webhook_secret, str) else webhook_secret
        self._secrets = tuple(secrets)
        self._manual = authorizes_first
        self._methods = tuple(methods)
        self._return_url = return_url
        self._searches_first = searches_first

    def available(self, account: str, currency: str) -> int | None:  # noqa: ARG002 - as the port has it
        """Stripe does not tell what a payer has."""
        return None

    # --- Charges -----------------------------------------------------------------------------------

    def authorize(self, request: ChargeRequest) -> Outcome:
        """Make and confirm a PaymentIntent: taken, held, declined, or waiting for the payer.

        An amount or an account that Stripe cannot take is declined as *not sent*. Raises `GatewayError`
        where nothing was moved by this call, `GatewayTimeout` where that is not certain.
        """
        if request.reference:
            return self.lookup(request)
        try:
            params = self._charge_params(request)
        except (
            InvalidMoney,
            InvalidTenders,
        ) as error:  # however often it is asked: no error, but an answer
            return Outcome(OutcomeStatus.DECLINED, reason=error.reason, failure=Failure.NOT_SENT)
        if self._searches_first:
            seen = self._intent(request)
            if seen is not None:
                return self._stands(seen, request)
        try:
            made = self._intents.create(params, self._options(request.key))
        except stripe.CardError as error:
            return self._card_declined(error)
        except stripe.StripeError as error:
            return self._after_failed_charge(error, request)
        intent = made.to_dict()
        if _replayed(made):
            intent = self._retrieve(str(intent["id"]), request.key)
        return self._stands(intent, request)

    def _charge_params(self, request: ChargeRequest) -> PaymentIntentCreateParams:
        """What a charge is made of. It must be the same whenever the same key is asked again, so
        nothing in it depends on anything but what was charged, whom, and how this gateway is set up."""
        params: PaymentIntentCreateParams = {
            "amount": stripe_amount(request.amount, request.currency),
            "currency": request.currency.lower(),
            "capture_method": "manual" if self._manual else "automatic",
            "metadata": {ORDER: request.order_id, KEY: request.key, GATEWAY: self.name},
            "expand": ["latest_charge"],
        }
        if self._methods:
            params["allowed_payment_method_types"] = list(self._methods)
        else:
            params["automatic_payment_methods"] = {"enabled": True}
        for part in request.account.split(":") if request.account else ():
            if part.startswith("cus_"):
                params["customer"] = part
            elif part.startswith(("pm_", "card_", "src_")):
                params["payment_method"] = part
                params["confirm"] = True
            else:
                reason = "the account is no customer and no payment method of Stripe"
                raise InvalidTenders(reason, path="account")
        if self._return_url and params.get("confirm"):
            params["return_url"] = self._return_url
        return params

    def _card_declined(self, error: stripe.CardError) -> Outcome:
        """A decline at the moment of confirming: nobody has the secret, so nobody can go on with it."""
        body = error.json_body if isinstance(error.json_body, dict) else {}
        told = _part(body, "error")
        return _declined(told, str(_part(told, "payment_intent").get("id", "")))

    def _after_failed_charge(self, error: stripe.StripeError, request: ChargeRequest) -> Outcome:
        """The word of the search where Stripe answered that it cannot tell; else the error, raised."""
        problem = _problem(error, "charge", request.key)
        if isinstance(problem, GatewayTimeout) and error.http_status is not None:
            try:
                found = self._intent(request)
                if found is not None:
                    return self._stands(found, request)
            except GatewayError as also:
                problem.add_note(f"neither did the search tell: {also}")
        raise problem from error

    def lookup(self, request: ChargeRequest) -> Outcome:
        """How the payment stands, by its reference or by its key in the metadata; *unknown* where none is found."""
        intent = self._intent(request)
        if intent is None:
            return Outcome(OutcomeStatus.UNKNOWN)
        return self._stands(intent, request)

    def capture(self, request: ChargeRequest) -> Outcome:
        """Take all or a part of what is held, once; the rest is let go. What is not held answers as it stands."""
        intent = self._intent(request)
        if intent is None:
            return Outcome(OutcomeStatus.UNKNOWN)
        if intent["status"] != "requires_capture":
            return self._stands(intent, request)
        if not request.final or request.captured:
            raise GatewayError("this gateway captures once", path=request.key)
        try:
            units = stripe_amount(request.amount, request.currency)
        except InvalidMoney as error:
            raise GatewayError(error.reason, path=request.key, **error.data) from error
        options = self._options(f"{request.key}:capture:{request.captured}")
        reference = str(intent["id"])
        try:
            made = self._intents.capture(
                reference,
                {"amount_to_capture": units, "expand": ["latest_charge"]},
                options,
            )
        except stripe.StripeError as error:
            return self._after_refusal(error, "capture", reference, request, "requires_capture")
        taken = self._retrieve(reference, request.key) if _replayed(made) else made.to_dict()
        return self._stands(taken, request)

    def close(self, request: ChargeRequest) -> Outcome:
        """Cancel a payment that waits for its payer; one on its way through a bank is *too early* to close."""
        intent = self._intent(request)
        if intent is None:
            return Outcome(OutcomeStatus.UNKNOWN)
        if intent["status"] in _WAITING:
            return self._cancel(intent, request)
        if intent["status"] == "processing":
            return Outcome(OutcomeStatus.TOO_EARLY, str(intent["id"]))
        return self._stands(intent, request)

    def void(self, request: ChargeRequest) -> Outcome:
        """Cancel what is held or waits, refund what is left of what was taken; *unknown* for a key not found.

        Raises `GatewayError` where the money could not be given back: the order's payment stays as it is.
        """
        intent = self._intent(request)
        if intent is None:
            return Outcome(OutcomeStatus.UNKNOWN)
        if intent["status"] == "processing":
            return Outcome(OutcomeStatus.TOO_EARLY, str(intent["id"]))
        if intent["status"] == "succeeded":
            return self._give_back(intent, request)
        if intent["status"] != "canceled":
            outcome = self._cancel(intent, request)
            if outcome.status is OutcomeStatus.CAPTURED:  # it was paid in that very moment
                return self._give_back(self._retrieve(outcome.reference, request.key), request)
            return outcome
        return self._stands(intent, request)

    def _cancel(self, intent: Document, request: ChargeRequest) -> Outcome:
        """End a payment of which nothing was taken; answers as it stands where it can no longer be ended."""
        reference, before = str(intent["id"]), str(intent["status"])
        try:
            options = self._options(f"{request.key}:cancel")
            made = self._intents.cancel(reference, {"expand": ["latest_charge"]}, options)
        except stripe.StripeError as error:
            return self._after_refusal(error, "cancel", reference, request, before)
        return self._stands(made.to_dict(), request)

    def _after_refusal(
        self,
        error: stripe.StripeError,
        what: str,
        reference: str,
        request: ChargeRequest,
        before: str,
    ) -> Outcome:
        """How a payment stands that refused a call, where it has moved on meanwhile; else the error, raised."""
        problem = _problem(error, what, request.key)
        if isinstance(error, stripe.InvalidRequestError | stripe.CardError):
            now = self._retrieve(reference, request.key)
            if now["status"] != before:
                return self._stands(now, request)
        raise problem from error

    def _give_back(self, intent: Document, request: ChargeRequest) -> Outcome:
        """Refund whatever is left of a payment: no amount means all of it, so it is never too much."""
        reference = str(intent["id"])
        voided = Outcome(OutcomeStatus.VOIDED, reference)
        before = [
            refund for refund in self._all_refunds(reference, request.key)
            if _part(refund, "metadata").get(VOID) == request.key
        ]  # fmt: skip
        if any(refund["status"] in _GIVEN_BACK for refund in before):
            return voided
        metadata = {ORDER: request.order_id, VOID: request.key, GATEWAY: self.name}
        options = self._options(f"{request.key}:void:{len(before)}")
        try:
            made = self._refunds.create(
                {"payment_intent": reference, "metadata": metadata}, options
            )
        except stripe.StripeError as error:
            if _code(error) == "charge_already_refunded":
                return voided
            raise _problem(error, "void", request.key) from error
        if made.status not in _GIVEN_BACK:
            reason = f"Stripe could not give the money back: {made.failure_reason or made.status}"
            raise GatewayError(reason, path=request.key)
        return voided

    # --- Refunds -----------------------------------------------------------------------------------

    def refund(self, request: RefundRequest) -> RefundOutcome:
        """Give back a part of what was taken, once for a key; *failed* for what Stripe will never do.

        The refunds of the payment are looked through first: a key that was asked before is found there
        even after Stripe has forgotten the key of idempotency.
        """
        try:
            units = stripe_amount(request.amount, request.currency)
        except InvalidMoney as error:
            return RefundOutcome(RefundStatus.FAILED, reason=error.reason)
        reference = request.reference or self._search(request.charge)
        if not reference:
            reason = "no payment with this key is known to Stripe"
            raise GatewayError(reason, path=request.key, charge=request.charge)
        known = self._refund_of(reference, request.key)
        if known is not None:
            return _refund_standing(known)
        metadata = {KEY: request.key, GATEWAY: self.name}
        try:
            made = self._refunds.create(
                {"payment_intent": reference, "amount": units, "metadata": metadata},
                self._options(request.key),
            )
        except stripe.InvalidRequestError as error:
            if _code(error) in _NOT_REFUNDABLE or error.param == "amount":
                reason = _code(error) or str(error.user_message)
                return RefundOutcome(RefundStatus.FAILED, reason=reason)
            raise _problem(error, "refund", request.key) from error
        except stripe.StripeError as error:
            raise _problem(error, "refund", request.key) from error
        return _refund_standing(made.to_dict())

    def lookup_refund(self, request: RefundRequest) -> RefundOutcome:
        """How a refund stands; *unknown* for one that was never asked."""
        reference = request.reference or self._search(request.charge)
        known = self._refund_of(reference, request.key) if reference else None
        return RefundOutcome(RefundStatus.UNKNOWN) if known is None else _refund_standing(known)

    def _refund_of(self, reference: str, key: str) -> Document | None:
        for refund in self._all_refunds(reference, key):
            if _part(refund, "metadata").get(KEY) == key:
                return refund
        return None

    def _all_refunds(self, reference: str, key: str) -> list[Document]:
        """The refunds of a payment, latest first; unlike the search, this list does not lag."""
        found: list[Document] = []
        params: Any = {"payment_intent": reference, "limit": PAGE}
        for _ in range(PAGES_MAX):
            try:
                page = self._refunds.list(params, {"max_network_retries": 0})
            except stripe.StripeError as error:
                raise _problem(error, "list the refunds", key) from error
            found += [refund.to_dict() for refund in page.data]
            if not page.has_more:
                return found
            params = {**params, "starting_after": found[-1]["id"]}
        raise GatewayError("there are too many refunds of one payment", path=key)

    # --- Asking ------------------------------------------------------------------------------------

    def _options(self, key: str) -> stripe.RequestOptions:
        """A key of our own, and no tries but ours: the client's own would each have a key of chance."""
        return {"idempotency_key": key, "max_network_retries": 0}

    def _retrieve(self, reference: str, key: str) -> Document:
        try:
            found = self._intents.retrieve(
                reference, {"expand": ["latest_charge"]}, {"max_network_retries": 0}
            )
        except stripe.StripeError as error:
            raise _problem(error, "look up", key) from error
        return found.to_dict()

    def _intent(self, request: ChargeRequest) -> Document | None:
        """The payment of a request as it now stands; ``None`` where none is found, which may change."""
        reference = request.reference or self._search(request.key)
        return self._retrieve(reference, request.key) if reference else None

    def _search(self, key: str) -> str:
        """The reference of the payment with this key in its metadata; empty for none that is found yet."""
        text = key.replace("\\", "\\\\").replace("'", "\\'")
        query = f"metadata['{KEY}']:'{text}'"
        try:
            found = self._intents.search({"query": query, "limit": 1}, {"max_network_retries": 0})
        except stripe.StripeError as error:
            raise _problem(error, "search", key) from error
        return str(found.data[0].id) if found.data else ""

    def _stands(self, intent: Document, request: ChargeRequest) -> Outcome:
        """How a payment stands, its refunds heard: one that was voided after it was taken is dead."""
        outcome = _standing(intent, self.name, request.expires_at)
        if outcome.status is OutcomeStatus.CAPTURED and (
            _part(intent, "latest_charge").get("amount_refunded")
        ):
            for refund in self._all_refunds(outcome.reference, request.key):
                void = _part(refund, "metadata").get(VOID) == request.key
                if void and refund["status"] in _GIVEN_BACK:
                    return Outcome(OutcomeStatus.VOIDED, outcome.reference)
        return outcome

    # --- Notifications -----------------------------------------------------------------------------

    def parse(self, headers: Mapping[str, str], body: bytes) -> Notification:
        """Verify and read a webhook; what is genuine but not of this gateway's making is *irrelevant*.

        Raises `NotificationRefused` for a wrong signature and for what cannot be read.
        """
        sent_at = self._verified(headers, body)
        try:
            return self._told(json.loads(body), sent_at)
        except InvalidMoney as error:
            raise NotificationRefused(error.reason, path="amount", **error.data) from error
        except Exception as error:
            raise NotificationRefused("the event cannot be read", path="body") from error

    def _told(self, event: Document, sent_at: datetime) -> Notification:
        name, kind = event["id"], event["type"]
        told = event["data"]["object"] if kind in _OF_PAYMENTS | _OF_REFUNDS else {}
        ours = _part(told, "metadata")
        key = ours.get(KEY)
        if not isinstance(name, str) or not key or ours.get(GATEWAY) != self.name:
            unknown = Outcome(OutcomeStatus.UNKNOWN)
            return Notification(str(name), "", unknown, sent_at=sent_at, irrelevant=True)
        outcome = _standing(told, self.name) if kind in _OF_PAYMENTS else _refund_standing(told)
        amount, currency = _money(told, "amount"), str(told.get("currency", "")).upper()
        return Notification(
            name, str(key), outcome, amount=amount, currency=currency, sent_at=sent_at
        )

    def _verified(self, headers: Mapping[str, str], body: bytes) -> datetime:
        """When a genuine webhook was sent. No age is refused here: that is the engine's, by its own clock."""
        header = next((v for k, v in headers.items() if k.lower() == "stripe-signature"), "")
        for secret in self._secrets:
            try:
                stripe.WebhookSignature.verify_header(body, header, secret, tolerance=None)
            except (stripe.SignatureVerificationError, ValueError, TypeError):
                continue
            signed = [part.split("=", 2)[1] for part in header.split(",") if part[:2] == "t="]
            sent_at = _moment(int(signed[0]))  # the client signs with the first, too
            if sent_at is not None:
                return sent_at
        raise NotificationRefused("the signature is wrong", path="headers.Stripe-Signature")
