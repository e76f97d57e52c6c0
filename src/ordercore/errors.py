"""Every error that the library raises, as one tree.

::

    OrdercoreError
    |-- InvalidInput              your call was wrong: mend it and call again
    |   |-- InvalidMoney            not an exact amount of a known currency
    |   |   |-- UnknownCurrency
    |   |   |-- CurrencyMismatch
    |   |   `-- AmountTooLarge
    |   |-- InvalidQuantity
    |   |-- InvalidCart
    |   |-- InvalidTenders          a plan that the tenders or the order do not allow
    |   |-- InvalidManifest         lines or quantities that the order does not have
    |   |-- InvalidPolicy           a policy document, or policies that contradict each other
    |   |-- InvalidLifecycle        a chart that cannot be compiled
    |   |   |-- UnknownLifecycle
    |   |   |-- UnknownEvent
    |   |   `-- UnknownGuard
    |   |-- InvalidSnapshot         an existing order that cannot be taken over as it is told
    |   |-- InvalidInvoice          an order or parties that cannot be invoiced as they are
    |   `-- InvalidDocument         a file or a JSON document from outside
    |-- Refused                   the call was right, the present state forbids it
    |   |-- NotAllowed              the order's state or a guard forbids it; says what is allowed
    |   |   `-- Vetoed                a hook of the host forbids it
    |   |-- PriceChanged            the quote has lapsed and today's price differs
    |   |-- KeyReused               an idempotency key came again with other content
    |   |-- Stale                   somebody else changed the order first
    |   |-- OutOfStock
    |   |-- CouponUnavailable       a code that the price counts on was taken meanwhile
    |   `-- InsideTransaction       a flow that calls out was run inside the host's transaction
    |-- NotFound                  no such order, attempt, refund, gateway
    |   `-- OrderNotFound
    |-- OtherSideFailed           a port did not do its part
    |   |-- GatewayError
    |   |   |-- GatewayTimeout      no answer: the outcome is unknown
    |   |   `-- NotificationRefused   a notification whose signature or content is wrong
    |   |-- RateUnavailable         no exchange rate, or only one that is too old
    |   |-- StoreError
    |   `-- PortFailed              a port raised an error that is not of this tree; see its cause
    `-- UnreadableData            stored data that cannot be read
        |-- CorruptDocument
        `-- NewerDocument           written by a later version of the library

Each error has a stable ``code``, a ``reason`` (a lower-case fragment that fits after "failed to ..."),
a ``path`` to the value that is wrong (``lines[2].quantity``; empty where there is none),
``data`` (plain strings, integers and tuples of them) and a suggested ``http_status``.
"""

from __future__ import annotations

from typing import ClassVar

Plain = str | int | bool | None | tuple["Plain", ...]


class OrdercoreError(Exception):
    """Root of the tree: catch this to catch whatever the library raises on purpose."""

    code: ClassVar[str] = "ordercore"
    http_status: ClassVar[int] = 500

    def __init__(self, reason: str, *, path: str = "", **data: Plain) -> None:
        self.reason = reason
        self.path = path
        self.data: dict[str, Plain] = data
        super().__init__(reason, path)

    def __str__(self) -> str:
        where = f" (at {self.path})" if self.path else ""
        return f"{self.reason}{where}"

    def __reduce__(self) -> tuple[object, ...]:
        """Errors cross processes and logs: they can be pickled and copied with all they carry."""
        return _rebuilt, (type(self), self.reason, self.path, self.data)

    def at(self, prefix: str) -> OrdercoreError:
        """Put ``prefix`` before the path of this error and return it."""
        if prefix:
            joint = "" if not self.path or self.path.startswith("[") else "."
            self.path = f"{prefix}{joint}{self.path}"
        return self

    def as_dict(self) -> dict[str, Plain | dict[str, Plain]]:
        """Plain form for an API answer: code, reason, path, data."""
        return {
            "code": self.code,
            "reason": self.reason,
            "path": self.path,
            "data": dict(self.data),
        }


def _rebuilt(
    cls: type[OrdercoreError], reason: str, path: str, data: dict[str, Plain]
) -> OrdercoreError:
    return cls(reason, path=path, **data)


class InvalidInput(OrdercoreError):
    """Your call was wrong: mend it and call again."""

    code = "invalid_input"
    http_status = 422


class InvalidMoney(InvalidInput):
    """Not an exact amount of a known currency."""

    code = "invalid_money"


class UnknownCurrency(InvalidMoney):
    """A currency code that ISO 4217 does not list as money."""

    code = "unknown_currency"


class CurrencyMismatch(InvalidMoney):
    """Two currencies where one was meant."""

    code = "currency_mismatch"


class AmountTooLarge(InvalidMoney):
    """An amount beyond what the library stores exactly everywhere."""

    code = "amount_too_large"


class InvalidQuantity(InvalidInput):
    """A quantity that is not a whole number within its limits."""

    code = "invalid_quantity"


class InvalidCart(InvalidInput):
    """A cart that cannot be priced."""

    code = "invalid_cart"


class InvalidTenders(InvalidInput):
    """Tenders that cannot pay this order in this way."""

    code = "invalid_tenders"


class InvalidManifest(InvalidInput):
    """Lines or quantities that the order does not have, or has no more."""

    code = "invalid_manifest"


class InvalidPolicy(InvalidInput):
    """A policy document that cannot be read, or policies that contradict each other."""

    code = "invalid_policy"


class InvalidLifecycle(InvalidInput):
    """A chart that cannot be compiled into a table."""

    code = "invalid_lifecycle"


class UnknownLifecycle(InvalidLifecycle):
    """A lifecycle that this engine was not given."""

    code = "unknown_lifecycle"


class UnknownEvent(InvalidLifecycle):
    """An event that the lifecycle does not know at all."""

    code = "unknown_event"


class UnknownGuard(InvalidLifecycle):
    """A guard named in a chart that is no published fact."""

    code = "unknown_guard"


class InvalidSnapshot(InvalidInput):
    """An existing order that cannot be taken over as it is told."""

    code = "invalid_snapshot"


class InvalidInvoice(InvalidInput):
    """An order, a refund or parties that cannot be invoiced as they are."""

    code = "invalid_invoice"


class InvalidDocument(InvalidInput):
    """A file or a document from outside that cannot be read."""

    code = "invalid_document"


class Refused(OrdercoreError):
    """The call was right, but the present state forbids it; nothing was changed."""

    code = "refused"
    http_status = 409


class NotAllowed(Refused):
    """The order's state, a guard or the actor forbids it; ``data["allowed"]`` lists what may be done."""

    code = "not_allowed"


class Vetoed(NotAllowed):
    """A hook of the host forbids it; ``data["hook"]`` names the hook."""

    code = "vetoed"


class PriceChanged(Refused):
    """The quote has lapsed and today's price differs: ``data`` has ``old``, ``new`` (minor units), ``why``."""

    code = "price_changed"


class KeyReused(Refused):
    """An idempotency key came again with other content."""

    code = "key_reused"


class Stale(Refused):
    """Somebody else changed the order first: load it again and decide anew."""

    code = "stale"


class OutOfStock(Refused):
    """The keeper cannot promise the goods; ``data["sku"]`` names the first that is short."""

    code = "out_of_stock"


class CouponUnavailable(Refused):
    """A code that the price counts on was taken, used or withdrawn meanwhile; ``data["coupon"]`` names it."""

    code = "coupon_unavailable"


class InsideTransaction(Refused):
    """A flow that calls the outside was run inside the host's open transaction."""

    code = "inside_transaction"


class NotFound(OrdercoreError):
    """There is no such thing here."""

    code = "not_found"
    http_status = 404


class OrderNotFound(NotFound):
    """No order has this id or number."""

    code = "order_not_found"


class OtherSideFailed(OrdercoreError):
    """A port did not do its part."""

    code = "other_side_failed"
    http_status = 502


class GatewayError(OtherSideFailed):
    """A payment gateway failed in a way that says nothing was moved."""

    code = "gateway_error"


class GatewayTimeout(GatewayError):
    """No answer came: the outcome is unknown until the gateway is asked again."""

    code = "gateway_timeout"
    http_status = 504


class NotificationRefused(GatewayError):
    """A notification whose signature, age or content is wrong."""

    code = "notification_refused"
    http_status = 400


class RateUnavailable(OtherSideFailed):
    """No exchange rate for a pair, a purpose and a moment, or only one that is too old."""

    code = "rate_unavailable"


class StoreError(OtherSideFailed):
    """The store could not do what it promised; nothing was written."""

    code = "store_error"
    http_status = 503


class PortFailed(OtherSideFailed):
    """A port raised an error that is not of this tree: ``__cause__`` has it, ``data["port"]`` names the call.

    What the port did before is unknown; the order keeps its open attempts, and a sweep asks again.
    """

    code = "port_failed"


class UnreadableData(OrdercoreError):
    """Stored data that cannot be read."""

    code = "unreadable_data"


class CorruptDocument(UnreadableData):
    """A stored document that is broken."""

    code = "corrupt_document"


class NewerDocument(UnreadableData):
    """A stored document written by a later version of the library."""

    code = "newer_document"
