"""Pickup codes at the engine: shown once, kept as a hash, used once, however many tills try."""

from __future__ import annotations

import asyncio
import hmac
import logging
from concurrent.futures import ThreadPoolExecutor
from copy import copy
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.engine.world import NOON, SHOPPER, STAFF, World

from ordercore import (
    Actor,
    AsyncOrderEngine,
    KeyReused,
    Manifest,
    NotAllowed,
    OrderEngine,
    OrderKind,
    Policies,
    SystemIds,
    tenders,
)
from ordercore.adapters.manual import CourierGateway
from ordercore.adapters.memory import MemoryStore
from ordercore.adapters.sql import SqlStore
from ordercore.codec import encode_event, encode_order
from ordercore.engine import Shop
from ordercore.engine.collecting import IssuedCode
from ordercore.engine.verbs.collection import AsyncCollectionVerbs, CollectionVerbs
from ordercore.errors import InvalidInput, InvalidManifest, OrdercoreError, Stale
from ordercore.fulfillment.pickup import (
    CodeAlphabet,
    CodeIssued,
    Collected,
    PickupEnd,
    PickupPolicy,
    Proxy,
    check_character,
)
from ordercore.journal import text
from ordercore.order import HandlingPolicy
from ordercore.testing import laws

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ordercore import Order
    from ordercore.change import Change, Recorded

TRIES = 3
SHORT = PickupPolicy(CodeAlphabet.DIGITS, 6, tries=TRIES, most=8, cost=1)
"""Hashes so cheap are refused by a policy's check, which is made when an engine is composed; a test needs them."""
LONG = PickupPolicy(cost=10, tries=TRIES)


class Counter(OrderEngine, CollectionVerbs):
    """An engine with the verbs of the counter."""


class AsyncCounter(AsyncOrderEngine, AsyncCollectionVerbs):
    """The same for asynchronous ports."""


PICKUP = HandlingPolicy(lifecycles={OrderKind.REGULAR: "pickup"})


@cache
def composed() -> Counter:
    """An engine composed in the usual way; its charts are compiled once."""
    policies = Policies(pickup=LONG, handling=PICKUP)
    return Counter(MemoryStore(), policies=policies, lifecycles=["pickup"])


class Store(World):
    """A shop with a counter: its orders follow the pickup lifecycle."""

    def __init__(self, policy: PickupPolicy = SHORT, **ports: Any) -> None:
        super().__init__(policies=Policies(pickup=policy, handling=PICKUP), **ports)

    def another(self, policies: Policies | None = None, **ports: Any) -> OrderEngine:
        """Another till over the same ports."""
        till, shop = copy(composed()), composed().shop
        till.shop = Shop(
            self.store, ports.get("gateways", self.gateways), self.stock,
            policies or self.policies, self.clock, ports.get("ids", self.ids), shop.lifecycles, hooks=ports.get("hooks", ()),
        )  # fmt: skip
        return till

    @property
    def till(self) -> Counter:
        """The engine, with its verbs of the counter."""
        assert isinstance(self.engine, Counter)
        return self.engine

    def ready(self) -> Order:
        """Order A, paid and waiting at the counter."""
        order = self.paid()
        self.engine.accept(order.id, key=self.key())
        return self.engine.advance(order.id, "make_ready", key=self.key(), by=STAFF)

    def issue(self, order: Order, **more: Any) -> IssuedCode:
        """A code for the store *north*."""
        given_key = more.pop("key", None) or self.key()
        return self.till.issue_pickup_code(
            order.id, **{"store": "north", "by": STAFF, "key": given_key, **more}
        )

    def scan(self, order: Order, code: str, goods: Manifest | None = None, **more: Any) -> Order:
        """Somebody says a code at *north*."""
        given_key = more.pop("key", None) or self.key()
        return self.till.collect(
            order.id, code, goods, **{"store": "north", "by": STAFF, "key": given_key, **more}
        )


def coded(policy: PickupPolicy = SHORT) -> tuple[Store, Order, str]:
    """A store, an order that waits there, and its code."""
    store = Store(policy)
    order = store.ready()
    issued = store.issue(order)
    assert issued.code is not None
    return store, order, issued.code


def other_than(code: str, alphabet: CodeAlphabet = CodeAlphabet.DIGITS) -> str:
    """A code of the same shape with a check character that fits, and yet another one."""
    bare = code.replace("-", "")
    digits = str((int(bare[:-1]) + 1) % 10 ** (len(bare) - 1)).zfill(len(bare) - 1)
    return digits + check_character(digits, alphabet.checked)


# --- The main line ------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", [SHORT, LONG], ids=["short", "long"])
def test_a_code_is_shown_once_and_a_scan_completes_the_order(policy: PickupPolicy) -> None:
    """The code that was shown hands the goods over; the order, its books and its journal are in order."""
    store, order, code = coded(policy)
    assert len(code.replace("-", "")) == policy.length + 1
    after = store.scan(order, code.lower())
    assert after.state == "completed"
    told = store.engine.journal(order.id)
    (handed,) = [t for t in told if type(t.event) is Collected]
    assert str(handed.by) == "staff:s1"
    assert handed.event.amount == sum(line.total for line in after.lines)  # type: ignore[attr-defined]
    store.check()


def test_a_part_may_be_collected_and_the_code_stays() -> None:
    """The same code, said again, hands over what was left."""
    store, order, code = coded()
    part = store.scan(order, code, Manifest.of({"1": 1}))
    assert part.state == "ready_for_pickup"
    assert part.delivery.shipped() == Manifest.of({"1": 1})
    assert store.scan(order, code).state == "completed"
    store.check()


def test_a_customer_renews_the_code_that_was_lost() -> None:
    """The former code is dead from then on; the new one is good for as long as the policy says."""
    store, order, code = coded()
    renewed = store.issue(order, by=SHOPPER)
    assert renewed.code is not None
    assert renewed.code != code
    with pytest.raises(InvalidInput):
        store.scan(order, code)
    pickups = store.get(order).delivery.pickups
    assert [pickup.end for pickup in pickups] == [PickupEnd.REPLACED, None]
    assert pickups[1].expires_at == NOON + SHORT.valid
    assert store.scan(order, renewed.code).state == "completed"


def test_a_code_expires_when_its_issuer_says() -> None:
    """An hour later it is refused, and what was refused is not counted."""
    store = Store()
    order = store.ready()
    issued = store.issue(order, expires=NOON + timedelta(hours=1))
    store.clock.advance(timedelta(hours=1))
    with store.refused(NotAllowed) as caught:
        store.scan(order, issued.code or "")
    assert "expired" in caught.value.reason


def test_the_async_engine_has_the_same_verbs() -> None:
    """The same flows, awaited."""
    store = Store(LONG)
    order = store.ready()
    engine = AsyncCounter(
        store.store, store.gateways, store.stock, store.policies, clock=store.clock,
        ids=store.ids, lifecycles=["pickup"],
    )  # fmt: skip

    async def day() -> Order:
        issued = await engine.issue_pickup_code(order.id, store="north", key="i", by=STAFF)
        code = issued.code or ""
        return await engine.collect(order.id, code, store="north", key="c", by=STAFF)

    assert asyncio.run(day()).state == "completed"


def test_money_on_delivery_is_taken_before_goods_are_handed_over() -> None:
    """At a counter stands no courier: nothing leaves until staff has confirmed the money, and then the books have it."""
    store = Store()
    store.engine = store.another(gateways={**store.gateways, "cod": CourierGateway()})
    order = store.pay(store.placed(), (tenders.OnDelivery(),)).order
    store.engine.accept(order.id, key=store.key())
    order = store.engine.advance(order.id, "make_ready", key=store.key(), by=STAFF)
    code = store.issue(order).code or ""
    for typed in (code, other_than(code)):
        with store.refused(NotAllowed) as caught:
            store.scan(order, typed)
        assert "26997 is still to be collected" in caught.value.reason
        assert "collect" not in caught.value.data["allowed"]
    (attempt,) = order.payments.attempts
    store.engine.confirm_payment(order.id, attempt.id, key=store.key(), by=STAFF)
    done = store.scan(order, code)
    assert (done.state, done.payments.attempts[0].captured) == ("completed", 26_997)
    laws.trial_balance_is_zero(store.engine.trial_balance())
    laws.replay_gives(done, [(one.event, one.at) for one in store.engine.journal(order.id)])


# --- Keys ---------------------------------------------------------------------------------------


def test_l13_a_repeated_key_gives_no_second_code_and_cannot_show_the_first_again() -> None:
    """The effect is answered with again, the code is not: it is kept nowhere. It still works for who has it."""
    store = Store()
    order = store.ready()
    first = store.issue(order, key="i")
    again = store.issue(order, key="i")
    assert (again.order, again.pickup, again.code) == (first.order, first.pickup, None)
    assert len(again.order.delivery.pickups) == 1
    with store.refused(KeyReused):
        store.issue(order, key="i", store="south")
    assert store.scan(order, first.code or "").state == "completed"


def test_l13_a_scan_under_a_repeated_key_hands_over_once() -> None:
    """Also when everything is gone by then, or the code was replaced meanwhile."""
    store, order, code = coded()
    first = store.scan(order, code, Manifest.of({"1": 1}), key="c")
    assert store.scan(order, code, Manifest.of({"1": 1}), key="c") == first
    renewed = store.issue(order)
    again = store.scan(order, code, Manifest.of({"1": 1}), key="c")
    assert again.delivery.shipped() == Manifest.of({"1": 1})
    done = store.scan(order, renewed.code or "", key="d")
    assert store.scan(order, renewed.code or "", key="d") == done
    before = store.snapshot()
    for goods, more in ((None, {}), (Manifest.of({"1": 1}), {"store": "south"})):
        with pytest.raises(KeyReused):
            store.scan(order, code, goods, key="c", **more)
    assert store.snapshot() == before


def test_l13_a_wrong_try_under_a_repeated_key_is_counted_once_and_fails_again() -> None:
    """A till that retries after a lost answer uses up one try, and the right code needs a key of its own."""
    store, order, code = coded()
    for _ in range(3):
        with pytest.raises(InvalidInput) as caught:
            store.scan(order, other_than(code), key="c")
        assert caught.value.data["tries_left"] == TRIES - 1
    assert store.get(order).delivery.pickups[0].failed == 1
    with store.refused(KeyReused):
        store.scan(order, code, key="c")


@given(st.lists(st.integers(1, 40), min_size=1, max_size=12), st.sampled_from([STAFF, SHOPPER]))
def test_a_used_key_lets_nobody_guess(steps: list[int], by: Actor) -> None:
    """Codes that are tried under the key of a scan are counted as any wrong try, or are refused like the right one."""
    store, order, code = coded()
    part = Manifest.of({"1": 1})
    store.scan(order, code, part, key="till-1")
    told, wrong, counted = set(), code, 0
    for step in steps:
        for _ in range(step):
            wrong = other_than(wrong)
        try:
            store.scan(order, wrong, part, key="till-1", by=by)
        except InvalidInput as error:
            counted += "tries_left" in error.data
        except (KeyReused, NotAllowed) as error:
            told.add(error.reason)
    pickup = store.get(order).delivery.pickups[0]
    assert pickup.failed == counted == (min(TRIES, len(steps)) if by is STAFF else 0)
    if told:
        with store.refused(NotAllowed) as caught:
            store.scan(order, code, part, key="till-1", by=by)
        assert told == {caught.value.reason}


def test_l13_a_scan_repeated_with_a_right_code_does_not_end_the_row_of_wrong_tries() -> None:
    """Tries before the pause stay as they were: a till that repeats its scan gives nobody more of them."""
    store, order, code = coded()
    part = Manifest.of({"1": 1})
    first = store.scan(order, code, part, key="c")
    with pytest.raises(InvalidInput):
        store.scan(order, other_than(code))
    again = store.scan(order, code, part, key="c")
    assert again.delivery.pickups[0].tried == 1
    assert again.delivery.shipped() == first.delivery.shipped() == part


def test_a_scan_that_was_overtaken_under_its_key_is_counted_when_it_is_wrong() -> None:
    """Another till uses the key between the look and the commit: the wrong code is still a wrong try."""
    store, order, code = coded()
    commit = store.store.commit
    part = Manifest.of({"1": 1})

    def late(changes: Any) -> None:
        store.store.commit = commit  # type: ignore[method-assign]
        store.scan(order, code, part, key="till-1")
        commit(changes)

    store.store.commit = late  # type: ignore[method-assign]
    with pytest.raises(InvalidInput) as caught:
        store.scan(order, other_than(code), part, key="till-1")
    assert caught.value.data["tries_left"] == TRIES - 1
    assert store.get(order).delivery.pickups[0].failed == 1


def test_l13_a_key_of_another_command_is_refused() -> None:
    """A key that placed an order scans none."""
    store, order, code = coded()
    store.engine.note(order.id, "hello", key="n", by=STAFF)
    with store.refused(KeyReused):
        store.scan(order, code, key="n")
    with store.refused(KeyReused):
        store.issue(order, key="n")


# --- Wrong tries --------------------------------------------------------------------------------


def test_a_wrong_try_is_written_though_it_raises() -> None:
    """The count survives the error, and the error says how many tries are left and not what was typed."""
    store, order, code = coded()
    wrong = other_than(code)
    with pytest.raises(InvalidInput) as caught:
        store.scan(order, wrong)
    error = caught.value
    assert (error.path, error.data["tries_left"]) == ("code", TRIES - 1)
    assert wrong not in str(error.as_dict())
    assert store.get(order).delivery.pickups[0].tried == 1
    assert store.engine.journal(order.id)[-1].event.name == "delivery.code_refused"
    store.check()


def test_brute_force_meets_a_pause_and_then_the_end() -> None:
    """Whoever tries code after code gets so many answers in all, and afterwards the right one opens nothing."""
    store, order, code = coded()
    answered, wrong = 0, code
    for _ in range(60):
        wrong = other_than(wrong)
        try:
            store.scan(order, wrong)
        except InvalidInput:
            answered += 1
        except NotAllowed:
            store.clock.advance(SHORT.lock)
    assert answered == SHORT.most
    with store.refused(NotAllowed) as caught:
        store.scan(order, code)
    assert "void" in caught.value.reason
    assert store.get(order).state == "ready_for_pickup"


def test_l12_a_slip_of_typing_is_no_try() -> None:
    """What cannot be a code is told at once: nothing is counted, nothing is written."""
    store, order, code = coded()
    swapped = code[:-1] + str((int(code[-1]) + 1) % 10)
    for typed in ("", code[:-1], swapped, "no code at all", "7" * 500):
        with store.refused(InvalidInput) as caught:
            store.scan(order, typed)
        assert caught.value.path == "code"


@given(st.lists(st.sampled_from(["wrong", "slip", "part", "wait"]), max_size=7))
def test_l12_refused_tries_change_nothing_but_their_count(acts: list[str]) -> None:
    """Whatever is tried, goods leave by the right code alone, and every answered wrong try is counted."""
    store, order, code = coded()
    lines = iter(("1", "2", "3"))
    wrong = left = 0
    for act in acts:
        try:
            if act == "wait":
                store.clock.advance(SHORT.lock)
            elif act == "part":
                store.scan(order, code, Manifest.of({next(lines, "3"): 1}))
                left += 1
            else:
                store.scan(order, other_than(code) if act == "wrong" else "123")
        except InvalidManifest:
            assert left == 3
        except InvalidInput as error:
            wrong += "tries_left" in error.data
        except NotAllowed:
            pass
    now = store.get(order)
    assert now.delivery.pickups[0].failed == wrong
    assert now.delivery.shipped().total() == left
    store.check()


@pytest.mark.parametrize(
    ("more", "path"),
    [
        ({"store": ""}, "store"),
        ({"store": 7}, "store"),
        ({"goods": {"1": 1}}, "goods"),
        ({"proxy": "Grace"}, "proxy"),
        ({"proxy": Proxy("")}, "proxy.consent"),
        ({"proxy": Proxy("yes")}, "proxy"),
        ({"proxy": Proxy("yes", phone_tail="1")}, "proxy.phone_tail"),
        ({"proxy": Proxy("yes", phone_tail="12a")}, "proxy.phone_tail"),
        ({"proxy": Proxy("yes", "x" * 201)}, "proxy.name"),
        ({"key": "x" * 10_000}, "key"),
    ],
)
def test_l24_bad_input_is_told_with_its_path(more: dict[str, Any], path: str) -> None:
    """Nothing is written for what no till should send."""
    store, order, code = coded()
    with pytest.raises(InvalidInput) as caught:
        store.scan(order, code, **more)
    assert caught.value.path == path
    assert store.get(order).delivery.pickups[0].failed == 0


# --- At the same time ---------------------------------------------------------------------------


def test_tills_that_scan_at_the_same_time_hand_over_once() -> None:
    """Eight tills say the right code at once: one hands the goods over, the others are refused."""
    store, order, code = coded()

    def scan(till: int) -> str:
        try:
            return store.scan(order, code, key=f"till-{till}").state
        except OrdercoreError as error:
            return error.code

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(scan, range(8)))
    assert sorted(found) == ["completed", *["not_allowed"] * 7]
    assert len(store.get(order).delivery.shipments) == 1
    store.check()


def test_l13_threads_under_one_key_scan_once() -> None:
    """A till that sends the same scan eight times at once hands over once, and each answer is the same order."""
    store, order, code = coded()
    part = Manifest.of({"1": 1})
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: store.scan(order, code, part, key="same"), range(8)))
    assert len({one.version for one in found}) == 1
    assert store.get(order).delivery.shipped() == part
    store.check()


def test_wrong_tries_at_the_same_time_are_all_counted() -> None:
    """No two tills share a try: never more are answered than the code stands, and each one is on the order."""
    store, order, code = coded()
    wrong = other_than(code)

    def scan(till: int) -> str:
        try:
            return store.scan(order, wrong, key=f"till-{till}").state
        except OrdercoreError as error:
            return error.code

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(scan, range(8)))
    assert found.count("invalid_input") == TRIES
    assert found.count("not_allowed") == 8 - TRIES
    assert store.get(order).delivery.pickups[0].failed == TRIES


def test_a_code_that_is_replaced_during_a_scan_is_refused() -> None:
    """Between the look at the order and the commit another code is given: the version tells, and nothing is counted."""
    store, order, code = coded()
    commit = store.store.commit
    raced = []

    def late(changes: Any) -> None:
        if not raced:
            raced.append(True)
            store.store.commit = commit  # type: ignore[method-assign]
            store.issue(order)
            raise Stale("the order was changed by somebody else", path=order.id)
        commit(changes)

    store.store.commit = late  # type: ignore[method-assign]
    with pytest.raises(NotAllowed, match="replaced"):
        store.scan(order, code)
    assert [pickup.failed for pickup in store.get(order).delivery.pickups] == [0, 0]


# --- What is kept -------------------------------------------------------------------------------


class Listener:
    """A hook that keeps how everything it hears shows itself."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def before(self, order: Order, command: Any, by: Actor) -> str:
        """Agree to everything."""
        self.heard += [repr(order), repr(command), repr(by)]
        return ""

    def after(self, made: Change) -> None:
        """Take note."""
        self.heard.append(repr(made))


@pytest.mark.parametrize("policy", [SHORT, LONG], ids=["short", "long"])
def test_no_code_is_kept_or_shown(policy: PickupPolicy, caplog: pytest.LogCaptureFixture) -> None:
    """Not in documents, events, receipts, hooks, logs, journals nor in any repr, right or wrong."""
    caplog.set_level(logging.DEBUG)
    listener = Listener()
    store = Store(policy)
    order = store.ready()
    store.engine = store.another(hooks=[listener])
    issued = store.issue(order)
    code = issued.code or ""
    store.scan(order, code, Manifest.of({"1": 1}), key="c")
    now = store.get(order)
    journal = store.engine.journal(order.id)
    stored = [encode_order(now), *[encode_event(one.event) for one in journal]]
    shown = [
        repr(store.snapshot()), repr(issued), repr(now), repr(journal), text(journal), caplog.text,
        *listener.heard,
    ]  # fmt: skip
    bare = code.replace("-", "")
    for told in (*stored, *shown):
        assert code not in told
        assert bare not in told
    seal = now.delivery.pickups[0].seal
    assert seal.digest in stored[0]  # the hash is what is kept
    assert not any(seal.digest in told or seal.salt in told for told in shown)


class Reader:
    """A publisher that keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[Recorded] = []

    def publish(self, events: Sequence[Recorded]) -> None:
        """Take them."""
        self.told += events


def test_what_is_published_does_not_let_a_code_be_tried() -> None:
    """Readers of events learn of a code, its store and its end; salt and digest stay in the store, and still work."""
    store, order, code = coded()
    reader = Reader()
    while store.engine.relay(reader):
        pass
    seal = store.get(order).delivery.pickups[0].seal
    told = [encode_event(one.event) for one in reader.told]
    assert not any(seal.digest in one or seal.salt in one for one in told)
    (issued,) = [one for one in reader.told if type(one.event) is CodeIssued]
    assert isinstance(issued.event, CodeIssued)
    blank = issued.event.pickup
    assert (blank.store, blank.expires_at) == ("north", NOON + SHORT.valid)
    assert not blank.seal.opens(blank.seal.digest)
    told_by_store = store.engine.journal(order.id)
    assert [one.sequence for one in reader.told] == [one.recorded.sequence for one in told_by_store]
    assert store.scan(order, code).state == "completed"


def test_a_seal_cannot_be_opened_without_the_pepper() -> None:
    """Where the shop has a key of its own, a stolen store and the right code together prove nothing."""
    store = Store()
    order = store.ready()
    store.engine = store.another(ids=SystemIds(pepper=b"a key that stands in no store"))
    code = store.issue(order).code or ""
    store.engine = store.another(ids=SystemIds())
    with pytest.raises(InvalidInput):
        store.scan(order, code)
    store.engine = store.another(ids=SystemIds(pepper=b"a key that stands in no store"))
    assert store.scan(order, code).state == "completed"


def test_a_host_with_ids_of_its_own_gets_codes_of_the_system() -> None:
    """A source of ids that makes no secrets is not asked for any."""

    class Plain:
        def new(self, kind: str) -> str:
            return f"{kind}-1"

    store = Store()
    order = store.ready()
    store.engine = store.another(ids=Plain())
    codes = {store.issue(order).code for _ in range(3)}
    assert len(codes) == 3


def test_codes_are_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A scan compares digests by `hmac.compare_digest`, for right and wrong codes alike."""
    store, order, code = coded()
    digest = store.get(order).delivery.pickups[0].seal.digest.encode()
    asked: list[bytes] = []
    compare = hmac.compare_digest

    def counted(a: Any, b: Any) -> bool:
        if a == digest:
            asked.append(b)
        return compare(a, b)

    monkeypatch.setattr(hmac, "compare_digest", counted)
    with pytest.raises(InvalidInput):
        store.scan(order, other_than(code))
    store.scan(order, code)
    assert len(asked) == 2
    assert asked[0] != digest == asked[1]


def test_codes_and_tries_survive_a_database(tmp_path: Path) -> None:
    """Through SQLite a code, its tries and its handovers read back as they were, in another process too."""
    store = Store(store=SqlStore(f"sqlite:///{tmp_path}/shop.db"))  # type: ignore[arg-type]
    order = store.ready()
    code = store.issue(order).code or ""
    with pytest.raises(InvalidInput):
        store.scan(order, other_than(code))
    part = store.scan(order, code, Manifest.of({"2": 1}), proxy=Proxy("by mail", "Grace"))
    store.store = SqlStore(f"sqlite:///{tmp_path}/shop.db")  # type: ignore[assignment]
    store.engine = store.another()
    again = store.get(order)
    assert again == part
    told = store.engine.journal(order.id)
    laws.replay_gives(again, [(one.event, one.at) for one in told])
    assert store.scan(order, code).state == "completed"


def test_l15_the_journal_tells_of_codes_tries_and_handovers() -> None:
    """Who reads the journal learns where, when and what; not the code, and of a proxy only that there was one."""
    store, order, code = coded()
    for _ in range(TRIES):
        with pytest.raises(InvalidInput):
            store.scan(order, other_than(code))
    store.clock.advance(SHORT.lock)
    store.scan(order, code, proxy=Proxy("by mail", "Grace"))
    told = text(store.engine.journal(order.id))
    for said in (
        "A pickup code was given for north, good until", "A wrong pickup code was tried at north.",
        "None is taken there until", "Handed over at north:", "Somebody else came for it",
    ):  # fmt: skip
        assert said in told
    assert "Grace" not in told
