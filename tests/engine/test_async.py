"""The asynchronous engine: the same flows over ports that answer with awaitables."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import pytest
from tests.engine.world import CHANNEL, FOUR, SHOPPER, STAFF, World, after

from ordercore import (
    AsyncOrderEngine,
    CountedIds,
    KeyReused,
    Manifest,
    NotAllowed,
    OrderEngine,
    OrderQuery,
)
from ordercore.errors import OrderNotFound
from ordercore.order import ChangeQuantity


class Later:
    """Any port, with each of its functions asynchronous."""

    SAME = frozenset({"joined", "joins", "capabilities", "parse"})

    def __init__(self, port: Any) -> None:
        self._port = port

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._port, name)
        if name in self.SAME or not callable(found):
            return found

        async def answer(*args: Any, **kw: Any) -> Any:
            await asyncio.sleep(0)
            return found(*args, **kw)

        return answer


class Publisher:
    """An asynchronous publisher."""

    def __init__(self) -> None:
        self.events: list[Any] = []

    async def publish(self, events: Any) -> None:
        """Keep them."""
        await asyncio.sleep(0)
        self.events += events


def engines(
    lifecycles: Sequence[str] = (), *, carriers: Any = None, **options: Any
) -> tuple[World, AsyncOrderEngine]:
    """An asynchronous engine over the ports of a world."""
    world = World(**options)
    engine = AsyncOrderEngine(
        Later(world.store),
        {name: Later(gateway) for name, gateway in world.gateways.items()},
        Later(world.stock),
        world.policies,
        clock=world.clock,
        ids=CountedIds(),
        lifecycles=lifecycles,
        carriers=carriers,
    )
    return world, engine


async def whole_way(
    engine: Any, world: World, wait: Callable[[Any], Coroutine[Any, Any, Any]]
) -> list[Any]:
    """Every verb once, by the plain engine or the asynchronous one."""
    quote = await wait(engine.quote(world.quote().cart))
    order = await wait(engine.place(quote, key="k", by=SHOPPER))
    shown = await wait(engine.preview(order.id, FOUR))
    paid = await wait(engine.pay(order.id, FOUR, key="p", by=SHOPPER))
    if paid.action is not None:
        reply = await wait(engine.notify("wechat", {}, world.channel.pay(f"{order.id}/4")))
        assert reply.status == 200
    pulled = await wait(engine.pull(order.id))
    accepted = await wait(engine.accept(order.id, key="a"))
    sent = await wait(engine.ship(order.id, Manifest.of({"1": 1}), carrier="dhl", key="s1"))
    sent = await wait(engine.ship(order.id, key="s2"))
    refund = await wait(
        engine.refund(order.id, Manifest.of({"2": 1}), reason="broken", key="r", by=STAFF)
    )
    await wait(engine.deliver(order.id, key="d"))
    done = await wait(engine.complete(order.id, key="c"))
    other = await wait(engine.place(quote, key="k2", by=SHOPPER))
    canceled = await wait(engine.cancel(other.id, reason="no", key="x", by=SHOPPER))
    third = await wait(engine.place(quote, key="k3", by=SHOPPER))
    world.clock.set(after(30))
    sweep = await wait(engine.sweep())
    found = await wait(engine.find(OrderQuery(limit=10)))
    journal = await wait(engine.journal(order.id))
    books = await wait(engine.trial_balance())
    closed = await wait(engine.get(third.id))
    return [
        order, shown, paid.order, pulled, accepted, sent, refund, done, canceled, sweep, found,
        journal, books, closed, engine.allowed(done, STAFF),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "options", [{}, {"authorizes_first": True}, {"asks_payer": True}], ids=["once", "first", "asks"]
)
def test_the_asynchronous_engine_does_the_same_as_the_plain_one(options: dict[str, bool]) -> None:
    """The whole way, verb by verb: equal orders, plans, journals and books."""

    async def plainly(answer: Any) -> Any:
        return answer

    async def awaiting(answer: Any) -> Any:
        return await answer

    world, engine = engines(**options)
    other = World(**options)
    told = asyncio.run(whole_way(engine, world, awaiting))
    assert told == asyncio.run(whole_way(other.engine, other, plainly))
    assert told[7].state == "completed"
    assert told[13].state == "closed"
    world.check()
    other.check()


async def handled(
    engine: Any, world: World, wait: Callable[[Any], Coroutine[Any, Any, Any]]
) -> list[Any]:
    """An order of a purchasing agent: changed, marked, canceled, recovered and closed."""
    quote = await wait(engine.quote(world.quote().cart))
    order = await wait(engine.place(quote, key="k", by=SHOPPER, lifecycle="purchasing_agent"))
    name = order.id
    await wait(engine.pay(name, CHANNEL, key="p", by=SHOPPER))
    more = [ChangeQuantity("1", 2)]
    shown = await wait(engine.preview_amendment(name, more, by=SHOPPER))
    amended = await wait(engine.amend(name, more, key="a", by=SHOPPER, shown=shown))
    rest = await wait(engine.pay(name, CHANNEL, key="p2", by=SHOPPER))
    noted = await wait(engine.note(name, "called", key="n", by=STAFF))
    await wait(engine.tag(name, ["vip"], key="t", by=STAFF))
    await wait(engine.assign(name, "north", key="w", by=STAFF))
    await wait(engine.mark_item(name, "1", "purchased", key="i", by=STAFF))
    await wait(engine.pause(name, "ticket", key="h"))
    resumed = await wait(engine.resume(name, "ticket", key="h2"))
    await wait(engine.cancel(name, reason="no", key="x", by=STAFF))
    back = await wait(engine.recover(name, key="r", by=STAFF))
    await wait(engine.pay(name, CHANNEL, key="p3", by=SHOPPER))
    moved = await wait(engine.advance(name, "receive_at_warehouse", key="v", by=STAFF))
    closed = await wait(engine.close(name, reason="settled", key="z", by=STAFF))
    journal = await wait(engine.journal(name))
    return [shown, amended, rest.order, noted, resumed, back, moved, closed, journal]


def test_the_asynchronous_engine_amends_and_handles_as_the_plain_one() -> None:
    """Every verb beside the main line: equal orders and journals."""

    async def plainly(answer: Any) -> Any:
        return answer

    async def awaiting(answer: Any) -> Any:
        return await answer

    world, engine = engines(lifecycles=["purchasing_agent"])
    other = World()
    plain = OrderEngine(
        other.store, other.gateways, other.stock, other.policies, clock=other.clock,
        ids=CountedIds(), lifecycles=["purchasing_agent"],
    )  # fmt: skip
    told = asyncio.run(handled(engine, world, awaiting))
    assert told == asyncio.run(handled(plain, other, plainly))
    assert told[7].handling.sealed
    assert world.books() == other.books()


def test_the_asynchronous_engine_takes_plain_ports_too() -> None:
    """A host may begin with plain ports and change one at a time."""
    world = World()
    engine = AsyncOrderEngine(
        world.store, {**world.gateways, "wechat": Later(world.channel)}, world.stock,
        world.policies, clock=world.clock,
    )  # fmt: skip

    async def go() -> Any:
        order = await engine.place(world.quote(), key="k", by=SHOPPER)
        return await engine.pay(order.id, FOUR, key="p", by=SHOPPER)

    assert asyncio.run(go()).paid
    world.check()


def test_l13_tasks_that_pay_under_one_key_pay_once() -> None:
    """Many tasks in one loop, interleaved at every port call: money moves once."""
    world, engine = engines()

    async def go() -> None:
        order = await engine.place(world.quote(), key="k", by=SHOPPER)
        await asyncio.gather(*[engine.pay(order.id, FOUR, key="p", by=SHOPPER) for _ in range(10)])

    asyncio.run(go())
    order = world.orders()[0]
    assert (order.state, len(order.payments.attempts)) == ("paid", 4)
    world.check()


def test_l13_tasks_that_place_under_one_key_place_once() -> None:
    """One order and one promise of goods."""
    world, engine = engines()

    async def go() -> list[Any]:
        quote = world.quote()
        return await asyncio.gather(*[engine.place(quote, key="k", by=SHOPPER) for _ in range(10)])

    orders = asyncio.run(go())
    assert len({order.id for order in orders}) == 1
    assert world.free() == [4, 4, 4]


def test_l20_sweepers_in_one_loop_act_once() -> None:
    """Interleaved at every port call, they close an order once."""
    world, engine = engines(asks_payer=True)
    order = world.pay(world.placed(), CHANNEL).order
    world.clock.set(after(30))

    async def go() -> None:
        await asyncio.gather(*[engine.sweep() for _ in range(5)])

    asyncio.run(go())
    moves = [t for t in world.engine.journal(order.id) if t.event.name == "order.moved"]
    assert [move.event.to for move in moves] == ["closed"]  # type: ignore[attr-defined]
    world.check()


def test_an_asynchronous_publisher_takes_the_outbox() -> None:
    """Relaying awaits the publisher before it acknowledges."""
    world, engine = engines()
    order = world.paid()
    publisher = Publisher()
    assert asyncio.run(engine.relay(publisher)) == order.version
    assert asyncio.run(engine.relay(publisher)) == 0
    assert tuple(publisher.events) == world.engine.journal(order.id).recorded


def test_a_task_that_is_canceled_leaves_its_payment_to_the_sweeper() -> None:
    """The web server drops the request in the middle: the intent is written, the rest is recovered."""
    for steps in range(1, 14):
        world, engine = engines()
        order = world.placed()

        async def go(engine: Any = engine, order: Any = order, steps: int = steps) -> None:
            task = asyncio.ensure_future(engine.pay(order.id, FOUR, key="p", by=SHOPPER))
            for _ in range(steps):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

        asyncio.run(go())
        world.clock.set(after(1))
        world.engine.sweep()
        world.check()
        assert world.get(order).state in {"paid", "pending_payment"}


def test_errors_are_the_same_in_both_engines() -> None:
    """A refusal and a missing order raise what the plain engine raises."""
    world, engine = engines()
    paid = world.paid()

    async def go() -> None:
        with pytest.raises(NotAllowed):
            await engine.pay(paid.id, CHANNEL, key="p", by=SHOPPER)
        with pytest.raises(OrderNotFound):
            await engine.get("nobody")
        with pytest.raises(KeyReused):
            await engine.accept(paid.id, key="key-1")

    asyncio.run(go())


def test_both_engines_have_the_same_verbs() -> None:
    """Each verb of the asynchronous engine takes what its plain twin takes."""
    batches = {"place_many", "pay_many"}
    plain = {n for n in vars(OrderEngine) if not n.startswith("_")} - batches
    assert {n for n in vars(AsyncOrderEngine) if not n.startswith("_")} == plain
    for name in plain:
        one, other = getattr(OrderEngine, name), getattr(AsyncOrderEngine, name)
        assert inspect.iscoroutinefunction(other)
        assert list(inspect.signature(one).parameters) == list(inspect.signature(other).parameters)
