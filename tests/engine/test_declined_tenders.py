"""Points and balance are held, the channel declines, and the process dies while it gives them back."""

from __future__ import annotations

import pytest
from tests.engine.world import BALANCE, NOON, POINTS, SHOPPER, THREE, World

from ordercore.adapters.memory import AccountGateway
from ordercore.tender import AttemptState, ChargeRequest, Outcome


class Dying(AccountGateway):
    """An account whose keeper takes the process with it, before or after it gave back what it held."""

    after = False
    dies = True

    def void(self, request: ChargeRequest) -> Outcome:
        """Once it ends the process."""
        if self.dies and not self.after:
            self.dies = False
            raise SystemExit
        outcome = super().void(request)
        if self.dies:
            self.dies = False
            raise SystemExit
        return outcome


@pytest.mark.parametrize("which", ["points", "balance"])
@pytest.mark.parametrize("after", [False, True])
def test_case_2_a_crash_while_undoing_leaves_nothing_held(which: str, after: bool) -> None:
    """After the restart 1,234 points and 50.00 are free, the books are at zero and no attempt is open."""
    world = World()
    keeper = Dying(
        which,
        world.clock,
        {"c1": POINTS if which == "points" else BALANCE},
        points=which == "points",
    )
    keeper.after = after
    world.gateways[which] = keeper
    setattr(world, which, keeper)
    world.engine = world.another()
    world.channel.decline("")
    order = world.placed()
    with pytest.raises(SystemExit):
        world.engine.pay(order.id, THREE, key="pay", by=SHOPPER)
    held = {a.gateway: a.state for a in world.get(order).payments.attempts}
    assert held[which] is AttemptState.RETURNING
    world.engine = world.another()
    for minutes in (2, 4, 10):
        world.at(minutes)
    now = world.get(order)
    assert not now.payments.in_flight
    assert now.state == "pending_payment"
    assert world.accounts()[:2] == (POINTS, BALANCE)
    assert world.books() == {}
    world.check()
    again = world.engine.pay(
        order.id, THREE, key="pay", by=SHOPPER
    )  # the same key: the same answer
    assert not again.paid
    assert world.clock.now() > NOON
