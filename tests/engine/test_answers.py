"""Answers and news that cannot be kept: none of them is written, none of them breaks what is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

import pytest
from tests.engine.world import CHANNEL, STAFF, StubbornGateway, World

from ordercore.errors import NotificationRefused, PortFailed
from ordercore.tender import (
    ActionKind,
    ChannelReply,
    Chargeback,
    ChargeRequest,
    Notification,
    Outcome,
    OutcomeStatus,
    PaymentAction,
    RefundOutcome,
    RefundStatus,
)
from ordercore.testing.simulation import Simulation

_S = OutcomeStatus
AHEAD = datetime.fromisoformat("0001-01-01T00:00:00+14:00")
BEHIND = datetime.fromisoformat("9999-12-31T23:59:59-12:00")


class Nowhere(tzinfo):
    """A zone that cannot tell how far it is from UTC."""

    def utcoffset(self, _at: datetime | None) -> timedelta | None:
        """Nobody knows."""
        return None


BEYOND: list[Any] = [AHEAD, BEHIND, datetime(2026, 5, 20), datetime(2026, 5, 20, tzinfo=Nowhere())]  # noqa: DTZ001
ODD: list[Any] = [*BEYOND, "2026-05-20", 0]


class Odd(StubbornGateway):
    """A gateway that answers, and tells, whatever the test gives it."""

    answer: Any = None
    news: Any = None

    def authorize(self, request: ChargeRequest) -> Outcome:
        """Charge, and answer something else."""
        found: Outcome = super().authorize(request) if self.answer is None else self.answer
        return found

    def parse(self, headers: Any, body: bytes) -> Notification:
        """Tell what was given."""
        del headers, body
        if isinstance(self.news, Exception):
            raise self.news
        told: Notification = self.news
        return told


def reads(world: World) -> None:
    """Hold that all that was written can be read again, and that a sound answer then settles it."""
    world.channel.answer = None
    Simulation(world.engine).recover(world.clock)
    for order in world.orders():
        world.engine.journal(order.id)
    world.check()


@pytest.mark.parametrize("at", ODD)
@pytest.mark.parametrize("status", [_S.CAPTURED, _S.WAITING, _S.DECLINED])
def test_a_time_that_could_not_be_read_back_is_no_answer(at: Any, status: OutcomeStatus) -> None:
    """The attempt stays open and is asked about again; the store stays readable."""
    for outcome in (
        Outcome(status, "r", at=at),
        Outcome(status, "r", expires_at=at),
        Outcome(status, "r", action=PaymentAction(ActionKind.QR_CODE, "x", at)),
    ):
        world = World(channel=Odd)
        world.channel.answer = outcome
        result = world.pay(world.placed(), CHANNEL)
        assert not result.paid
        assert world.orders()[0].payments.attempts[0].state.value == "open"
        reads(world)


@pytest.mark.parametrize(
    "action",
    [
        PaymentAction(ActionKind.PARAMETERS, {"a": 1}),  # type: ignore[arg-type]
        PaymentAction(ActionKind.PARAMETERS, None),  # type: ignore[arg-type]
        PaymentAction(ActionKind.PARAMETERS, b"x"),  # type: ignore[arg-type]
        PaymentAction("qr_code", "x"),  # type: ignore[arg-type]
        PaymentAction(ActionKind.QR_CODE, "x", None, 5),  # type: ignore[arg-type]
        PaymentAction(ActionKind.QR_CODE, "\ud800"),
    ],
)
def test_an_action_of_other_types_is_no_answer(action: PaymentAction) -> None:
    """What a gateway hands the payer is a kind and a text, or it was never said."""
    world = World(channel=Odd)
    world.channel.answer = Outcome(_S.WAITING, "r", action=action)
    assert world.pay(world.placed(), CHANNEL).action is None
    reads(world)


@pytest.mark.parametrize(
    "outcome", [Outcome(_S.CAPTURED, "\ud800"), Outcome(_S.CAPTURED, "r", amount=10**20)]
)
def test_a_text_or_an_amount_that_no_store_takes_is_no_answer(outcome: Outcome) -> None:
    """Half of a character and more money than there is cannot be written."""
    world = World(channel=Odd)
    world.channel.answer = outcome
    assert not world.pay(world.placed(), CHANNEL).paid
    reads(world)


def test_a_success_at_the_end_of_time_does_not_stop_refunds() -> None:
    """What windows are counted from must leave room for them."""
    world = World(channel=Odd)
    world.channel.answer = Outcome(_S.CAPTURED, "r", at=datetime(9999, 12, 1, tzinfo=UTC))
    assert not world.pay(world.placed(), CHANNEL).paid
    reads(world)


# --- News ---------------------------------------------------------------------------------------


def hears(world: World, news: Any) -> None:
    """Let the channel say this."""
    world.channel.news = news
    world.engine.notify("wechat", {}, b"")


@pytest.mark.parametrize(
    "chargeback",
    [
        Chargeback(5.5),  # type: ignore[arg-type]
        Chargeback(True),
        Chargeback("5"),  # type: ignore[arg-type]
        Chargeback(0),
        Chargeback(-5),
        Chargeback(5, 1.5),  # type: ignore[arg-type]
        Chargeback(5, True),
        Chargeback(5, -1),
        Chargeback(5, 10**16),
        Chargeback(5, 0, None),  # type: ignore[arg-type]
        Chargeback(5, 0, "\ud800"),
        Chargeback(5, 0, "d", None, 5),  # type: ignore[arg-type]
        *[Chargeback(5, 0, "d", at) for at in ODD],
    ],
)
def test_l12_a_chargeback_that_cannot_be_kept_is_refused(chargeback: Chargeback) -> None:
    """It is read whole, or it is not taken in: the books tell the same as before."""
    world = World(channel=Odd)
    order = world.paid(CHANNEL)
    with world.refused(NotificationRefused):
        hears(world, Notification("e", f"{order.id}/1", chargeback))
    reads(world)


@pytest.mark.parametrize("at", ODD)
def test_l12_news_of_a_time_that_could_not_be_read_back_is_refused(at: Any) -> None:
    """Of a charge as of a refund; nothing is written."""
    world = World(channel=Odd, refunds_arrive=False)
    order = world.paid(CHANNEL)
    refund = world.engine.refund(order.id, reason="broken", key="r", by=STAFF).refund
    for key, outcome in (
        (f"{order.id}/1", Outcome(_S.CAPTURED, "r", at=at)),
        (f"{refund.id}#0", RefundOutcome(RefundStatus.ARRIVED, "r", at)),
    ):
        with world.refused(NotificationRefused):
            hears(world, Notification("e", key, outcome))
    reads(world)


_SOUND = Outcome(_S.WAITING)


@pytest.mark.parametrize(
    "news",
    [
        None,
        {"key": "ord_1/1"},
        KeyError("event"),
        RecursionError("too deep"),
        Notification("e", None, _SOUND),  # type: ignore[arg-type]
        Notification(5, "ord_1/1", _SOUND),  # type: ignore[arg-type]
        Notification("\ud800", "ord_1/1", _SOUND),
        Notification("e", "ord_1/1", None),  # type: ignore[arg-type]
        Notification("e", "ord_1/1", _SOUND, reply=b"ok"),  # type: ignore[arg-type]
        Notification("e", "ord_1/1", _SOUND, amount=True),
        Notification("e", "ord_1/1", _SOUND, amount=1.5),  # type: ignore[arg-type]
        Notification("e", "ord_1/1", _SOUND, currency=None),  # type: ignore[arg-type]
        Notification("e", "ord_1/1", _SOUND, sent_at="x"),  # type: ignore[arg-type]
        Notification("e", "ord_1/1", _SOUND, irrelevant=1),  # type: ignore[arg-type]
    ],
)
def test_a_parser_that_breaks_or_gives_no_notification_is_a_port_that_failed(news: Any) -> None:
    """Whoever answers the channel gets one error of the library, with the gateway's name."""
    world = World(channel=Odd)
    order = world.placed()
    assert order.id == "ord_1"
    world.pay(order, CHANNEL)
    with world.refused(PortFailed) as caught:
        hears(world, news)
    assert "Odd" in caught.value.data["port"]


@pytest.mark.parametrize("at", [AHEAD, BEHIND])
def test_l12_a_message_sent_at_no_moment_of_the_calendar_is_refused(at: datetime) -> None:
    """However its zone is written, it is not within the window."""
    world = World(channel=Odd)
    world.pay(world.placed(), CHANNEL)
    with world.refused(NotificationRefused):
        hears(world, Notification("e", "ord_1/1", _SOUND, ChannelReply(), sent_at=at))
