"""A shop with several channels for one method, each of which can be told what to do wrong."""

from __future__ import annotations

from collections import deque
from typing import Any

from tests.engine.world import World, world_policies

from ordercore import Money, Policies, tenders
from ordercore.adapters.memory import MemoryGateway
from ordercore.errors import GatewayError, GatewayTimeout
from ordercore.tender import (
    ChannelPolicy,
    ChannelRule,
    ChargeRequest,
    Failure,
    LateMoney,
    Outcome,
    OutcomeStatus,
    PaymentPolicy,
)

CARD = (tenders.Channel("card"),)
"""The method that the channels a, b and c serve."""
POINTS_AND_CARD = (tenders.Points(1234, "c1"), tenders.Channel("card"))
BALANCE_CARD = (
    tenders.Points(1234, "c1"),
    tenders.Balance(Money("50.00", "CNY"), "c1"),
    tenders.Channel("card"),
)
RULES = tuple(ChannelRule(name, "card") for name in ("a", "b", "c"))

DECLINE = Outcome(OutcomeStatus.DECLINED, reason="no funds")
SOFT = Outcome(OutcomeStatus.DECLINED, reason="the issuer is down", failure=Failure.SOFT)
NOT_SENT = Outcome(OutcomeStatus.DECLINED, reason="bad request", failure=Failure.NOT_SENT)
DEAF = GatewayError("connection refused")
BEFORE = GatewayTimeout("no answer")
"""It timed out before the channel heard of it."""
AFTER = GatewayTimeout("the answer was lost")
"""It timed out after the channel did it."""


class Scripted(MemoryGateway):
    """A channel that does at its next authorizations what it is told, then works."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.script: deque[Outcome | Exception] = deque()
        self.down = False
        self.heard: list[str] = []
        """Which call it heard, with which key."""

    def authorize(self, request: ChargeRequest) -> Outcome:
        """The next thing of the script, or what a channel does."""
        self.heard.append(f"authorize {request.key}")
        if self.down:
            raise BEFORE
        if not self.script:
            return super().authorize(request)
        wrong = self.script.popleft()
        if wrong is AFTER:
            super().authorize(request)
        if isinstance(wrong, Exception):
            raise wrong
        return wrong

    def lookup(self, request: ChargeRequest) -> Outcome:
        """What became of it, unless the channel is down."""
        self.heard.append(f"lookup {request.key}")
        if self.down:
            raise BEFORE
        return super().lookup(request)

    def void(self, request: ChargeRequest) -> Outcome:
        """Give it back."""
        self.heard.append(f"void {request.key}")
        return super().void(request)


class Channels(World):
    """A world with the channels a, b and c for the method *card*, beside those of every world."""

    def __init__(
        self,
        *,
        late: LateMoney = LateMoney.RETURN,
        rules: tuple[ChannelRule, ...] = RULES,
        each: dict[str, dict[str, Any]] | None = None,
        world: dict[str, Any] | None = None,
        **policy: Any,
    ) -> None:
        base = world_policies()
        policies = Policies(
            pricing=base.pricing,
            tenders=base.tenders,
            channels=ChannelPolicy(rules, **policy),
            payments=PaymentPolicy(late=late),
        )
        super().__init__(policies=policies, **(world or {}))
        for name in ("a", "b", "c"):
            self.gateways[name] = Scripted(name, self.clock, **(each or {}).get(name, {}))
        self.a, self.b, self.c = (self.gateways[name] for name in ("a", "b", "c"))
        self.engine = self.another()

    a: Any
    b: Any
    c: Any

    def moved(self) -> dict[str, int]:
        """What each channel has taken, if anything."""
        return {name: g.taken for name, g in self.gateways.items() if g.taken}

    def card(self, offers: tuple[Any, ...] = CARD) -> Any:
        """Place order A and pay it by card."""
        return self.pay(self.placed(), offers)
