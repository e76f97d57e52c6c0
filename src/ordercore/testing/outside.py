"""The outside in memory: accounts, channels and a till that remember what was asked of them, and write letters.

They are what `ordercore.testing.MemoryBench` is made of.
"""

from __future__ import annotations

import json
from datetime import datetime
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from ordercore.adapters.manual import TillGateway
from ordercore.adapters.memory import AccountGateway, MemoryGateway, MemoryStore
from ordercore.clock import SystemClock
from ordercore.errors import NotificationRefused
from ordercore.ledger import MovementKind, StatementRow
from ordercore.tender import (
    Chargeback,
    Failure,
    Notification,
    Outcome,
    OutcomeStatus,
    RefundOutcome,
    RefundStatus,
)
from ordercore.testing.bench import ChargeSeen, Letter, RefundSeen
from ordercore.testing.doubles import FaultyGateway

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import timedelta

    from ordercore.clock import SettableClock
    from ordercore.tender import ChargeRequest, CreditRequest, RefundRequest

__all__ = [
    "CountedTill",
    "HealingPort",
    "Notebook",
    "TrueStore",
    "WatchedAccount",
    "WatchedChannel",
    "WorkerClock",
]


class Notebook:
    """What was asked under which key: the same key must stand for the same for ever."""

    def __init__(self) -> None:
        self.asked: dict[str, tuple[object, ...]] = {}
        self.contradictions: list[str] = []

    def note(self, verb: str, key: str, *content: object) -> None:
        """Remember a call; one that contradicts an earlier one is told."""
        known = self.asked.setdefault(f"{verb} {key}", content)
        if known != content:
            self.contradictions.append(f"{verb} {key}: {known} before, {content} now")


class _Watched(MemoryGateway):
    """A gateway that remembers what was asked of it, and shows it."""

    def __init__(self, notebook: Notebook, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.notebook = notebook
        self.asked_back: dict[str, int] = {}

    def authorize(self, request: ChargeRequest) -> Outcome:
        """As any gateway."""
        self.notebook.note("authorize", request.key, request.amount, request.points)
        return super().authorize(request)

    def refund(self, request: RefundRequest) -> RefundOutcome:
        """As any gateway."""
        self.notebook.note("refund", request.key, request.charge, request.amount, request.points)
        self.asked_back[request.key] = request.amount
        return super().refund(request)

    def charges_seen(self) -> dict[str, ChargeSeen]:
        """Every charge by its key, those that were held too long without what they held."""
        found = {}
        for key, charge in self._charges.items():
            self._lapse(charge)
            found[key] = ChargeSeen(self.name, charge.captured, charge.rest)
        return found

    def refunds_seen(self) -> dict[str, RefundSeen]:
        """Every refund by its key that has not failed."""
        return {
            key: RefundSeen(self.name, self.asked_back[key], outcome.status is RefundStatus.ARRIVED)
            for key, outcome in self._refunds.items()
            if outcome.status is not RefundStatus.FAILED
        }


class WatchedAccount(_Watched, AccountGateway):
    """Accounts that remember what was asked."""

    def credit(self, request: CreditRequest) -> RefundOutcome:
        """As any account."""
        self.notebook.note("credit", request.key, request.account, request.amount)
        return super().credit(request)

    def refunds_seen(self) -> dict[str, RefundSeen]:
        """Refunds and credits."""
        found = super().refunds_seen()
        for key, (request, outcome) in self._credits.items():
            if outcome.status is RefundStatus.ARRIVED:
                found[key] = RefundSeen(self.name, request.amount, arrived=True)
        return found


class WatchedChannel(_Watched):
    """A channel in memory that writes signed letters about what it does, each saying how things stood then."""

    def __init__(
        self, notebook: Notebook, *args: Any, for_ever: bool = False, **options: Any
    ) -> None:
        super().__init__(notebook, *args, **options)
        self.for_ever = for_ever
        self.letters: list[dict[str, Any]] = []
        self._charge_of: dict[str, str] = {}
        self.bounced: set[str] = set()
        self.back: dict[str, int] = {}
        self.fees: dict[str, int] = {}

    # --- What there is to see ------------------------------------------------------------------

    def knows(self, key: str) -> bool:
        """Whether a charge or a refund is the channel's."""
        return key in self._charges or key in self._refunds

    def payable(self) -> tuple[str, ...]:
        """Codes that wait, and closed ones where they can be paid for ever."""
        found = []
        for key, charge in self._charges.items():
            status = charge.outcome.status
            again = self.for_ever and charge.amount and status is not OutcomeStatus.CAPTURED
            if status is OutcomeStatus.WAITING or again:
                found.append(key)
        return tuple(found)

    def under_way(self) -> tuple[str, ...]:
        """Refunds that are accepted and have not arrived."""
        return tuple(self._under_way)

    def landed(self) -> tuple[str, ...]:
        """Refunds that have arrived."""
        arrived = RefundStatus.ARRIVED
        return tuple([key for key, told in self._refunds.items() if told.status is arrived])

    def charges_seen(self) -> dict[str, ChargeSeen]:
        """Every charge, with what payers' banks took back."""
        found = super().charges_seen()
        for key, amount in self.back.items():
            seen = found[key]
            found[key] = ChargeSeen(self.name, seen.taken, seen.held, amount + self.fees[key])
        return found

    def statement(self, currency: str) -> list[StatementRow]:
        """What it took and gave back, and what payers' banks took back; nothing of what it has undone."""
        now = self._clock.now()
        rows = []
        for key, charge in self._charges.items():
            told = charge.outcome
            if told.status is OutcomeStatus.CAPTURED and charge.captured and not charge.open:
                rows.append(
                    StatementRow(
                        MovementKind.PAYMENT, told.reference, key, charge.captured, currency,
                        charge.at or now,
                    )
                )  # fmt: skip
        for key, outcome in self._refunds.items():
            if outcome.status is RefundStatus.ARRIVED:
                amount = self.asked_back[key]
                rows.append(
                    StatementRow(
                        MovementKind.REFUND, outcome.reference, key, amount, currency,
                        outcome.at or now,
                    )
                )  # fmt: skip
        disputes = [said for said in self.letters if "back" in said and said["key"] in self.back]
        return rows + [
            StatementRow(
                MovementKind.CHARGEBACK, said["reference"], said["key"], said["back"], currency,
                datetime.fromisoformat(said["at"]), said["fee"],
            )
            for said in disputes
        ]  # fmt: skip

    # --- What it does --------------------------------------------------------------------------

    def refund(self, request: RefundRequest) -> RefundOutcome:
        """As any channel, and write a letter about it."""
        outcome = super().refund(request)
        self.write(request.key)
        self._charge_of[request.key] = request.charge
        return outcome

    def bounce(self, key: str, reason: str = "the account is closed") -> bytes:
        """A refund fails, be it that it had arrived."""
        known = self._refunds[key]
        if known.status is RefundStatus.ARRIVED:
            charge, amount = self._charges[self._charge_of[key]], self.asked_back[key]
            charge.refunded -= amount
            charge.arrived -= amount
            failed = RefundOutcome(RefundStatus.FAILED, known.reference, reason=reason)
            self._refunds[key] = failed
            self.bounced.add(key)
        return super().bounce(key, reason)

    def write(self, key: str) -> None:
        """Put down how a charge or a refund stands now."""
        told = super().parse({}, f"{self.name}:{key}".encode())
        found = told.outcome
        if isinstance(found, Chargeback):
            return
        said: dict[str, Any] = {
            "id": told.event_id, "key": key, "status": found.status.value,
            "reference": found.reference, "at": found.at.isoformat() if found.at else None,
            "reason": found.reason, "refund": isinstance(found, RefundOutcome),
        }  # fmt: skip
        if isinstance(found, Outcome):
            said["took"] = found.amount
            said["amount"] = told.amount
            said["failure"] = found.failure.value if found.failure else None
            said["expires"] = found.expires_at.isoformat() if found.expires_at else None
        if said not in self.letters:
            self.letters.append(said)

    def pay(self, key: str, at: datetime | None = None, amount: int | None = None) -> bytes:
        """The payer pays, where the channel still lets them; on some channels it does whatever became of the code."""
        charge = self._charges[key]
        if self.for_ever and charge.outcome.status is not OutcomeStatus.CAPTURED and charge.amount:
            charge.outcome = Outcome(OutcomeStatus.WAITING, charge.outcome.reference)
        told = super().pay(key, at, amount)
        self.write(key)
        return told

    def turn_down(self, key: str) -> None:
        """The payer has no funds."""
        charge = self._charges[key]
        if charge.outcome.status is OutcomeStatus.WAITING:
            reference = charge.outcome.reference
            charge.outcome = Outcome(OutcomeStatus.DECLINED, reference, reason="no funds")
            self.write(key)

    def charge_back(self, key: str, amount: int, fee: int) -> None:
        """The payer's bank takes money back."""
        number = len(self.letters)
        self.back[key] = self.back.get(key, 0) + amount
        self.fees[key] = self.fees.get(key, 0) + fee
        self.letters.append(
            {
                "id": f"{key}@back-{number}", "key": key, "back": amount, "fee": fee,
                "reference": f"dispute-{number}", "at": self._clock.now().isoformat(),
            }
        )  # fmt: skip

    def authorize(self, request: ChargeRequest) -> Outcome:
        """As any channel, and write a letter about it."""
        outcome = super().authorize(request)
        self.write(request.key)
        return outcome

    def capture(self, request: ChargeRequest) -> Outcome:
        """As any channel, and write a letter about it."""
        outcome = super().capture(request)
        if outcome.status is OutcomeStatus.CAPTURED:
            self.write(request.key)
        return outcome

    def void(self, request: ChargeRequest) -> Outcome:
        """As any channel, and write a letter about it. A dispute that nobody was told of yet is moot then."""
        outcome = super().void(request)
        if outcome.status is OutcomeStatus.VOIDED:
            self.back.pop(request.key, None)
        self.write(request.key)
        return outcome

    def sealed(self, said: dict[str, Any]) -> Letter:
        """A letter as it is sent now, signed."""
        body = json.dumps({**said, "sent": self._clock.now().isoformat()}).encode()
        return Letter(self.name, {"signature": self._seal(body)}, body)

    def _seal(self, body: bytes) -> str:
        return blake2b(body, key=self.name.encode(), digest_size=16).hexdigest()

    def parse(self, headers: Mapping[str, str], body: bytes) -> Notification:
        """Read a letter; raises `NotificationRefused` for a wrong signature."""
        if headers.get("signature") != self._seal(body):
            raise NotificationRefused("the signature is wrong", path="headers")
        said = json.loads(body)
        at = datetime.fromisoformat(said["at"]) if said.get("at") else None
        sent = datetime.fromisoformat(said["sent"])
        outcome: Outcome | RefundOutcome | Chargeback
        if "back" in said:
            outcome = Chargeback(said["back"], said["fee"], said["reference"], at)
        elif said["refund"]:
            status = RefundStatus(said["status"])
            outcome = RefundOutcome(status, said["reference"], at, said["reason"])
        else:
            expires = said.get("expires")
            outcome = Outcome(
                OutcomeStatus(said["status"]), said["reference"], at, said["reason"],
                failure=Failure(said["failure"]) if said.get("failure") else None,
                amount=said.get("took"),
                expires_at=datetime.fromisoformat(expires) if expires else None,
            )  # fmt: skip
        return Notification(
            said["id"], said["key"], outcome, amount=said.get("amount"),
            currency=said.get("currency", ""), sent_at=sent,
        )  # fmt: skip


class CountedTill(TillGateway):
    """A till whose drawer can be counted."""

    def __init__(self, name: str, clock: SettableClock) -> None:
        super().__init__(name, clock)
        self.drawer: dict[str, int] = {}
        self.dead: set[str] = set()
        self.out: dict[str, int] = {}

    def authorize(self, request: ChargeRequest) -> Outcome:
        """The cashier has it, unless the sale was called off before."""
        if request.key in self.dead:
            return Outcome(OutcomeStatus.VOIDED, request.key)
        self.drawer[request.key] = request.amount
        return super().authorize(request)

    def void(self, request: ChargeRequest) -> Outcome:
        """The cashier hands it back."""
        self.dead.add(request.key)
        self.drawer[request.key] = 0
        return super().void(request)

    def refund(self, request: RefundRequest) -> RefundOutcome:
        """The cashier hands it out, once for a key."""
        self.out.setdefault(request.key, request.amount)
        return super().refund(request)


class WorkerClock(SystemClock):
    """The clock of one machine: the true time, and its error."""

    def __init__(self, truth: SettableClock, ahead: timedelta) -> None:
        self.truth = truth
        self.ahead = ahead

    def now(self) -> datetime:
        """What this machine takes for now."""
        return self.truth.now() + self.ahead


class TrueStore(MemoryStore):
    """A store whose own clock is true."""

    def __init__(self, clock: SettableClock) -> None:
        super().__init__()
        self._truth = clock

    def now(self) -> datetime:
        """The true time."""
        return self._truth.now()


class HealingPort(FaultyGateway):
    """A gateway with faults to come, which may be called off."""

    def heal(self) -> None:
        """No more faults."""
        self._faults._coming.clear()  # noqa: SLF001 - of the same package
