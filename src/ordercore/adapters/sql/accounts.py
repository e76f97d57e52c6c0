"""Points, balances and stored-value cards as accounts in a SQL database, with lots, holds and a ledger.

Theory of operation. Units come onto an account in lots, each with its own end. A charge takes of the lots that
end first and remembers how much of which; what goes back goes to the same lots, those that end last first.
Every movement of units is written as two entries that sum to zero, from one side of the account to another
(`Side`), so that three records can be held against each other: what the lots have left, where the
takes of the charges are, and what the entries sum to.

Each call is one transaction. It first locks the keys it is asked under and then, as the last thing, one account:
nobody waits in a circle, and nobody draws on a lot that somebody else is drawing on. A lot is written over only
where it still has what was read, so that not even a host's transaction that sees an old picture overdraws.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from ordercore.adapters.sql.accounts_book import LIMIT_MAX, AccountBook
from ordercore.adapters.sql.accounts_purse import Lot, Movement, SideTotal, Statement, Takes
from ordercore.adapters.sql.accounts_schema import (
    AccountRow,
    ChargeRow,
    MovementKind,
    RequestRow,
    Side,
)
from ordercore.adapters.sql.rows import unfit
from ordercore.adapters.sql.schema import NEVER
from ordercore.codec import micros, moment
from ordercore.errors import (
    GatewayError,
    GatewayTimeout,
    InvalidInput,
    NotificationRefused,
    StoreError,
)
from ordercore.money import MINOR_MAX
from ordercore.tender import (
    Capabilities,
    Failure,
    Outcome,
    OutcomeStatus,
    RefundOutcome,
    RefundStatus,
    TenderKind,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ordercore.adapters.sql.accounts_purse import Purse
    from ordercore.adapters.sql.connections import Cursor
    from ordercore.adapters.sql.store import SqlStore
    from ordercore.clock import Clock
    from ordercore.tender import ChargeRequest, CreditRequest, Notification, RefundRequest

__all__ = ["Lot", "Movement", "MovementKind", "Side", "SideTotal", "SqlAccounts", "Statement"]

GRACE = timedelta(days=7)
"""How long what goes back to a lot that has ended stays usable, from its return."""
_DEAD = ChargeRow("", "", "", 0, 0, OutcomeStatus.VOIDED.value, 0, 0, "", None)
"""A key that was killed before it was seen."""
_TAKEN = frozenset({OutcomeStatus.AUTHORIZED.value, OutcomeStatus.CAPTURED.value})

_TEXTS = ("key", "order_id", "account", "currency", "customer", "charge", "reason")

T = TypeVar("T")


class SqlAccounts(AccountBook):
    """Accounts of one kind behind the gateway port: points, balances, or stored-value cards.

    ``where`` is a `SqlStore`, to live in its database on its connections, inside the host's transaction if the store
    is; or a URL as `SqlStore` takes it. ``name`` is the gateway's: accounts, lots and keys of
    different names do not see each other in one database. Tables are made as `SqlStore` and `SqlCouponBook` make
    theirs; ``prefix`` is the store's.

    Points are whole points, of any currency where the account names none; the other kinds are minor units of the
    account's currency. Points and a balance are charged only for their owner (`ChargeRequest.customer`), unless the
    account has none. A card belongs to whoever holds its number, which therefore stands in no text of an error.

    With ``holds`` a charge is authorized first, and may be captured in parts (of points that is not declared: whoever
    captures a part names its points); else it is taken at once. ``grace`` is how long units stay usable that go back
    to a lot which has ended meanwhile. ``credits_last`` is the time until what `credit` puts on an account lapses;
    ``None`` is never.

    As a gateway it raises `GatewayTimeout` where the database gave no answer (ask again with the same key) and
    `GatewayError` for a call that makes no sense: then nothing was moved. `open`, `grant` and the other calls of the
    host raise what `SqlStore` raises.
    """

    def __init__(
        self,
        where: SqlStore | str,
        *,
        kind: TenderKind,
        name: str,
        clock: Clock,
        prefix: str = "ordercore_",
        create: bool = True,
        holds: bool = False,
        grace: timedelta = GRACE,
        credits_last: timedelta | None = None,
    ) -> None:
        if grace < timedelta(0):
            raise InvalidInput("a grace is not below zero", path="grace")
        if credits_last is not None and credits_last <= timedelta(0):
            raise InvalidInput("credits last some time, or for ever", path="credits_last")
        # Of a part of the money nobody says how many points it is, unless the host captures by itself.
        parts = holds and kind is not TenderKind.POINTS
        self.capabilities = Capabilities(
            captures_at_once=not holds,
            partial_capture=parts,
            multi_capture=parts,
            credits=True,
            refunds_max=LIMIT_MAX,
            refund_window=timedelta(days=36_500),
        )
        self._points = kind is TenderKind.POINTS
        self._grace = grace // timedelta(microseconds=1)
        self._credits_last = credits_last
        super().__init__(where, kind, name, clock, prefix, create=create)

    # Checks, and what is kept under a key.

    def _charge(self, cursor: Cursor, key: str) -> ChargeRow | None:
        rows = self._rows(cursor, self._sql.charge, key)
        return ChargeRow(*rows[0]) if rows else None

    def _takes(self, cursor: Cursor, key: str) -> Takes:
        return Takes(cursor, self._sql, (self.name, key))

    def _asked(self, work: Callable[[Cursor, Any], T], what: Any) -> T:
        try:
            return self._write(work, what)
        except StoreError as error:
            # The same key asks what became of it, also where a commit was lost.
            raise GatewayTimeout(f"the accounts gave no answer: {error.reason}") from error

    def _seen(self, sql: str, *parameters: Any) -> list[Any]:
        try:
            return self._read(sql, (self.name, *parameters))
        except StoreError as error:
            raise GatewayTimeout(f"the accounts gave no answer: {error.reason}") from error
        except InvalidInput:  # its reason holds the text, which may be the number of a card
            raise GatewayError("no database keeps such a text", path="key") from None

    def _units(self, request: ChargeRequest | RefundRequest | CreditRequest) -> int:
        """What is to be moved, in points or minor units; raises `GatewayError` for what is neither."""
        for field in ("amount", "points"):
            number = getattr(request, field)
            if type(number) is not int or not 0 <= number <= MINOR_MAX:
                raise GatewayError(f"{number!r} is no number of units to move", path=field)
        wrong = unfit([getattr(request, name, "") for name in _TEXTS], _TEXTS)
        if wrong is not None:  # the text itself is not told: it may be the number of a card
            raise GatewayError("no database keeps such a text", path=wrong[0])
        if not request.key:
            raise GatewayError("a call needs a key", path="key")
        return request.points if self._points else request.amount

    def _wrong(self, row: AccountRow, currency: str, customer: str) -> str:
        """Why an account does not serve an order; empty for none."""
        if row.currency and row.currency != currency:
            return f"the account is in {row.currency}, not in {currency}"
        if self.kind is not TenderKind.STORED_VALUE and row.owner and row.owner != customer:
            return "the account is another customer's"
        return ""

    def _reference(self, key: str) -> str:
        """The name of what was done under a key. It has no number of a card."""
        return f"{self.name}-{key}"

    def _outcome(self, key: str, row: ChargeRow) -> Outcome:
        """A charge as it stands."""
        status = OutcomeStatus(row.status)
        taken = status is OutcomeStatus.CAPTURED
        lives = taken or status is OutcomeStatus.AUTHORIZED
        return Outcome(
            status,
            self._reference(key),
            moment(row.at) if lives and row.at is not None else None,
            row.reason,
            failure=Failure.DECLINED if status is OutcomeStatus.DECLINED else None,
            amount=(row.captured if taken else row.amount) if lives else None,
        )

    def _refund_outcome(self, key: str, row: RequestRow) -> RefundOutcome:
        status = RefundStatus(row.status)
        arrived = status is RefundStatus.ARRIVED
        reason = "" if arrived else row.reason
        return RefundOutcome(
            status, self._reference(key), moment(row.at) if arrived else None, reason
        )

    def _answer(self, cursor: Cursor, key: str, row: RequestRow) -> RefundOutcome:
        cursor.execute(self._sql.add_request, (self.name, key, *row))
        return self._refund_outcome(key, row)

    # Charges.

    def available(self, account: str, currency: str) -> int:
        """Points or minor units that can be spent now in a currency; 0 for an account that is unknown or frozen."""
        rows = self._seen(self._sql.account, account)
        if not rows or rows[0][2] or rows[0][0] not in {"", currency}:
            return 0
        now = micros(self._clock.now())
        found: int = self._seen(self._sql.worth, account, now)[0][0]
        return found

    def authorize(self, request: ChargeRequest) -> Outcome:
        """Hold the units, or take them at once, of the lots that end first; once for a key.

        An account that is unknown, frozen, another customer's, in another currency or too small declines.
        The same key with another account, amount or currency raises `GatewayError` and moves nothing.
        """
        units = self._units(request)
        if not units:
            raise GatewayError("there is nothing to charge", path="amount")
        return self._asked(self._authorize, (request, units))

    def _authorize(self, cursor: Cursor, what: tuple[ChargeRequest, int]) -> Outcome:
        request, units = what
        key = request.key
        self._lock(cursor, (key,))
        known = self._charge(cursor, key)
        asked = (request.account, request.currency, request.amount, units)
        if known is not None:
            if known != _DEAD and known[1:5] != asked:
                raise GatewayError("the key stands for another charge", path="key", key=key)
            return self._outcome(key, known)
        purse = self._purse(cursor, request.account)
        taken: list[tuple[int, int]] = []
        if purse is None:
            why = "no such account"
        elif purse.row.frozen:
            why = "the account is frozen"
        else:
            why = self._wrong(purse.row, request.currency, request.customer)
            if not why:
                taken = purse.take(units)
                why = "" if taken else "not enough on the account"
        status, captured, at = OutcomeStatus.DECLINED, 0, None
        if purse is not None and not why:
            at, holds = purse.now, not self.capabilities.captures_at_once
            status = OutcomeStatus.AUTHORIZED if holds else OutcomeStatus.CAPTURED
            captured = 0 if holds else request.amount
            for place, (lot, part) in enumerate(taken):
                where = (part, 0, 0) if holds else (0, part, 0)
                cursor.execute(self._sql.add_take, (self.name, key, lot, place, *where))
            kind = MovementKind.HELD if holds else MovementKind.TAKEN
            purse.move(kind, units, key, request.order_id)
            if not holds:
                cursor.execute(self._sql.add_capture, (self.name, key, 0, request.amount))
        row = ChargeRow(request.order_id, *asked, status.value, captured, 0, why, at)
        cursor.execute(self._sql.add_charge, (self.name, key, *row))
        return self._outcome(key, row)

    def _settle(self, cursor: Cursor, key: str, row: ChargeRow) -> None:
        state = (row.status, row.captured, row.refunded, row.at)
        cursor.execute(self._sql.settle, (*state, self.name, key))

    def capture(self, request: ChargeRequest) -> Outcome:
        """Take what is held, or a part; the first of several takes of the lots that were held first.

        What was captured before (`ChargeRequest.captured`) names the capture. A final one lets go of the rest. Raises
        `GatewayError` for more than is held, and for a capture that does not follow on the one before.
        """
        units = self._units(request)
        return self._asked(self._capture, (request, units))

    def _capture(self, cursor: Cursor, what: tuple[ChargeRequest, int]) -> Outcome:
        request, units = what
        key = request.key
        self._lock(cursor, (key,))
        charge = self._charge(cursor, key)
        if charge is None:
            return Outcome(OutcomeStatus.UNKNOWN)
        if charge.status not in _TAKEN:
            return self._outcome(key, charge)
        earlier = self._rows(cursor, self._sql.capture, key, request.captured)
        if earlier and earlier[0][0] == request.amount:
            return self._outcome(key, charge)  # this very one
        if earlier or request.captured != charge.captured:
            reason = f"{charge.captured} were captured before, not {request.captured}"
            raise GatewayError(reason, path="captured", captured=charge.captured)
        takes = self._takes(cursor, key)
        captured = charge.captured + request.amount
        if captured > charge.amount or units > takes.held:
            raise GatewayError("there is less held than that", path="amount", held=takes.held)
        if not units and not (request.final and captured):
            raise GatewayError("there is nothing to capture", path="amount")
        purse = self._purse(cursor, charge.account)
        assert purse is not None, "a charge that holds something has an account"
        if units:
            takes.capture(units)
            purse.move(MovementKind.CAPTURED, units, key, charge.order_id)
        if request.final:
            self._free(purse, takes, key, charge.order_id)
        cursor.execute(self._sql.add_capture, (self.name, key, charge.captured, request.amount))
        charge = charge._replace(
            status=OutcomeStatus.CAPTURED.value, captured=captured, at=purse.now
        )
        self._settle(cursor, key, charge)
        return self._outcome(key, charge)

    def _free(self, purse: Purse, takes: Takes, key: str, order_id: str) -> None:
        freed = takes.free(purse, self._grace)
        if freed:
            purse.move(MovementKind.FREED, freed, key, order_id)

    def close(self, request: ChargeRequest) -> Outcome:
        """Kill a key that was never seen. Nothing waits at an account, so whatever else there is stays as it is."""
        self._units(request)
        return self._asked(self._close, request.key)

    def _close(self, cursor: Cursor, key: str) -> Outcome:
        self._lock(cursor, (key,))
        charge = self._charge(cursor, key)
        if charge is None:
            charge = _DEAD
            cursor.execute(self._sql.add_charge, (self.name, key, *charge))
        return self._outcome(key, charge)

    def void(self, request: ChargeRequest) -> Outcome:
        """Give back to their lots what a key holds and what of it the shop still has, and kill the key."""
        self._units(request)
        return self._asked(self._void, request.key)

    def _void(self, cursor: Cursor, key: str) -> Outcome:
        self._close(cursor, key)
        charge = self._charge(cursor, key)
        assert charge is not None, "a closed key is there"
        if charge.status in _TAKEN:
            purse, takes = self._purse(cursor, charge.account), self._takes(cursor, key)
            assert purse is not None, "a charge that was accepted has an account"
            self._free(purse, takes, key, charge.order_id)
            spent = takes.spent
            if spent:
                takes.refund(purse, spent, self._grace)
                purse.move(MovementKind.RETURNED, spent, key, charge.order_id)
            charge = charge._replace(status=OutcomeStatus.VOIDED.value)
            self._settle(cursor, key, charge)
        return self._outcome(key, charge)

    def lookup(self, request: ChargeRequest) -> Outcome:
        """A charge as it stands; *unknown* for a key never seen, which stays alive."""
        rows = self._seen(self._sql.charge, request.key)
        if not rows:
            return Outcome(OutcomeStatus.UNKNOWN)
        return self._outcome(request.key, ChargeRow(*rows[0]))

    # Refunds and credits.

    def refund(self, request: RefundRequest) -> RefundOutcome:
        """Give back to the same lots, those that end last first; once for a key.

        It fails, for good, where the shop has less of the charge than that, in units or in minor units. The same
        key for another refund raises `GatewayError`.
        """
        units = self._units(request)
        if not units and not request.amount:
            raise GatewayError("there is nothing to give back", path="amount")
        return self._asked(self._refund, (request, units))

    def _refund(self, cursor: Cursor, what: tuple[RefundRequest, int]) -> RefundOutcome:
        request, units = what
        key, kind = request.key, MovementKind.RETURNED
        self._lock(cursor, (key, request.charge))
        known = self._request(cursor, key)
        if known is not None:
            asked = (kind.value, request.charge, request.amount, units)
            return self._once(key, known, asked, (known.kind, *known[2:5]))
        charge = self._charge(cursor, request.charge)
        takes = self._takes(cursor, request.charge)
        why, account = "", ""
        if charge is None or charge.status != OutcomeStatus.CAPTURED.value:
            why = "nothing was captured"
        elif charge.currency != request.currency:
            why = f"the charge was in {charge.currency}, not in {request.currency}"
        elif charge.refunded + request.amount > charge.captured or units > takes.spent:
            why = "more than was captured and not yet given back"
        now = micros(self._clock.now())
        if charge is not None and not why:
            account = charge.account
            purse = self._purse(cursor, account)
            assert purse is not None, "a charge that was accepted has an account"
            takes.refund(purse, units, self._grace)
            if units:
                purse.move(kind, units, key, charge.order_id, request.reason)
            refunded = charge.refunded + request.amount
            self._settle(cursor, request.charge, charge._replace(refunded=refunded))
        status = RefundStatus.FAILED if why else RefundStatus.ARRIVED
        row = RequestRow(
            kind.value, account, request.charge, request.amount, units, 0, status.value,
            why or request.reason, now, 0,
        )  # fmt: skip
        return self._answer(cursor, key, row)

    def _once(
        self, key: str, known: RequestRow, asked: tuple[Any, ...], was: tuple[Any, ...]
    ) -> RefundOutcome:
        """The first answer again; raises `GatewayError` where something else was asked."""
        if asked != was:
            raise GatewayError("the key stands for something else", path="key", key=key)
        return self._refund_outcome(key, known)

    def credit(self, request: CreditRequest) -> RefundOutcome:
        """Put units on an account as a lot of their own; once for a key, and an answer is for good.

        An account of points or a balance that is named as the customer is opened by its first credit. Any other that is
        unknown, is another customer's, is in another currency or cannot hold so much makes it fail. A frozen one
        takes it. The same key for another credit raises `GatewayError`.
        """
        units = self._units(request)
        if not units:
            raise GatewayError("there is nothing to credit", path="amount")
        return self._asked(self._credit, (request, units))

    def _credit(self, cursor: Cursor, what: tuple[CreditRequest, int]) -> RefundOutcome:
        request, units = what
        key, account, kind = request.key, request.account, MovementKind.CREDITED
        self._lock(cursor, (key,))
        known = self._request(cursor, key)
        if known is not None:
            asked = (kind.value, account, request.amount, units)
            return self._once(key, known, asked, (*known[:2], *known[3:5]))
        purse = self._purse(cursor, account)
        personal = self.kind is not TenderKind.STORED_VALUE and account == request.customer
        if purse is None and personal and account:
            currency = "" if self._points else request.currency
            self._open(cursor, (account, currency, account))
            purse = self._purse(cursor, account)
        now, number, expires = micros(self._clock.now()), 0, NEVER
        if purse is None:
            why = "no such account"
        else:
            why = self._wrong(purse.row, request.currency, request.customer)
            if not why and purse.balance + units > MINOR_MAX:
                why = "more than the account may hold"
        if purse is not None and not why:
            if self._credits_last is not None:
                expires = micros(self._clock.now() + self._credits_last)
            number = purse.add(kind, units, expires, key, request.order_id, request.reason)
        status = RefundStatus.FAILED if why else RefundStatus.ARRIVED
        row = RequestRow(
            kind.value, account, "", request.amount, units, expires, status.value,
            why or request.reason, now, number,
        )  # fmt: skip
        return self._answer(cursor, key, row)

    def lookup_refund(self, request: RefundRequest) -> RefundOutcome:
        """What became of a refund, or of a credit, under a key; *unknown* for one never seen."""
        rows = self._seen(self._sql.request, request.key)
        if not rows:
            return RefundOutcome(RefundStatus.UNKNOWN)
        return self._refund_outcome(request.key, RequestRow(*rows[0]))

    def parse(self, headers: Mapping[str, str], body: bytes) -> Notification:
        """Refuse whatever comes: accounts send no notifications."""
        del headers, body
        raise NotificationRefused("accounts send no notifications", path="body")
