"""Failover: how many more payments succeed because another channel takes over.

A seeded simulation, no measurement of any shop. Three channels serve one method; what becomes of each payment on
each of them is drawn beforehand from ``failover.toml``, so that every run meets the same payments. Placing, paying,
failover and asking again are the real engine's, over `MemoryStore` and `MemoryGateway`.

A payment is *hard* (every channel declines it for the payer's sake), *touchy* (each channel takes it with the same
chance, else declines it softly) or fine; beside that each channel declines some softly that are its own affair.
Channels are down for spans of time, do not answer now and then, and some shoppers press pay again.
"""

from __future__ import annotations

import heapq
import tomllib
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, NamedTuple

from benchmarks.report import Bar, Report, Side, Table
from ordercore import (
    Actor,
    Cart,
    CartLine,
    NotAllowed,
    OrderEngine,
    Percent,
    Policies,
    SettableClock,
    tenders,
)
from ordercore.adapters.memory import MemoryGateway, MemoryStore
from ordercore.errors import GatewayError, GatewayTimeout
from ordercore.ledger import MovementKind, StatementPeriod, StatementRow
from ordercore.money import from_minor
from ordercore.tender import (
    ChannelChoice,
    ChannelPolicy,
    ChannelRule,
    Failure,
    Outcome,
    OutcomeStatus,
)
from ordercore.testing import laws

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ordercore import Quote
    from ordercore.tender import ChargeRequest, RefundRequest

__all__ = ["CHANNELS", "Given", "Tally", "expected", "given", "measure", "simulate"]

TOML = Path(__file__).with_suffix(".toml")
CHANNELS = ("a", "b", "c")
METHOD = "card"
BEGIN = datetime(2026, 5, 20, tzinfo=UTC)
IMPATIENCE = timedelta(seconds=20)
SWEEPS_MAX = 2_000
QUICK = 10
"""Of so many payments a quick run takes one."""
CLAIMED = "6 to 9"
_ROOTS = tuple(n**0.5 for n in (2, 3, 5, 7, 11, 13))


# What is assumed ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Given:
    """What a run assumes: the parameters by name, and the terms of the channels."""

    values: Mapping[str, float]
    others: Mapping[str, tuple[float, ...]]
    run: Mapping[str, Any]
    terms: Mapping[str, Mapping[str, Any]]
    sourced: frozenset[str]

    def __getitem__(self, name: str) -> float:
        return self.values[name]

    def but(self, **values: float) -> Given:
        """The same with other values."""
        return Given({**self.values, **values}, self.others, self.run, self.terms, self.sourced)

    def own(self, channel: str) -> float:
        """Soft declines that are a channel's own."""
        return {"a": self["gap"] / 2, "b": self["gap"], "c": 0.0}[channel]

    @property
    def hard(self) -> float:
        """Payments that no channel takes."""
        return self["declined"] * (1 - self["soft"])

    @property
    def touchy(self) -> float:
        """Payments that each channel takes with the chance ``recovered``, so that all of them together decline
        softly what ``declined`` and ``soft`` say of one."""
        return self["declined"] * self["soft"] / (1 - self["recovered"])


def given(path: Path = TOML) -> Given:
    """Read the parameters."""
    found = tomllib.loads(path.read_text("utf-8"))
    run, terms = found.pop("run"), found.pop("terms")
    return Given(
        {name: room["value"] for name, room in found.items()},
        {name: tuple(room["others"]) for name, room in found.items()},
        run,
        terms,
        frozenset(name for name, room in found.items() if room["source"] != "assumed"),
    )


def expected(about: Given, channels: Sequence[str]) -> float:
    """The share that succeeds over these channels in turn while all of them work and answer: by hand."""
    fine = touchy = 1.0
    for channel in channels:
        own = about.own(channel)
        fine *= own
        touchy *= 1 - about["recovered"] * (1 - own)
    return 1 - about.hard - (1 - about.hard - about.touchy) * fine - about.touchy * touchy


class Draw(NamedTuple):
    """What is drawn for one payment on one channel: numbers from 0 to 1, held against the parameters."""

    touchy: float
    own: float
    refused: float
    silent: float
    took: float
    wrong: float


class Fate:
    """What becomes of every payment, whichever way it goes.

    Each number is drawn by shares, in a random order: of 1,000 payments 90 are hard if 9 % are. How channels decide
    follows sequences that fill the square evenly too (Kronecker's), so that chance moves the answer little.
    """

    def __init__(self, about: Given, payments: int, seed: int) -> None:
        self.about = about
        self.payments = payments
        chance = Random(seed)
        self._kind = _shares(chance, payments)
        self._impatient = _shares(chance, payments)
        roots = iter(_ROOTS)
        self._draws = {
            name: [
                Draw(*row)
                for row in zip(
                    *[_evenly(self._kind, next(roots), chance.random()) for _ in range(2)],
                    *[_shares(chance, payments) for _ in Draw._fields[2:]],
                    strict=True,
                )
            ]
            for name in CHANNELS
        }
        span = payments * about.run["every_seconds"]
        self._down = _outages(about, chance, span)

    def failure(self, place: int, channel: str) -> Failure | None:
        """How a channel that works decides on a payment."""
        about, kind, draw = self.about, self._kind[place], self._draws[channel][place]
        if kind < about.hard:
            return Failure.DECLINED
        if kind < about.hard + about.touchy and draw.touchy >= about["recovered"]:
            return Failure.SOFT
        return Failure.SOFT if draw.own < about.own(channel) else None

    def chance(self, name: str, place: int, channel: str) -> bool:
        """Whether one of the other things goes this way."""
        return bool(getattr(self._draws[channel][place], name) < self.about[name])

    def impatient(self, place: int) -> bool:
        """Whether this shopper presses pay again."""
        return self._impatient[place] < self.about["impatient"]

    def down(self, channel: str, at: datetime) -> bool:
        """Whether a channel does not work."""
        second = (at - BEGIN).total_seconds()
        return any(start <= second < end for start, end in self._down[channel])


def _shares(chance: Random, count: int) -> list[float]:
    """Numbers from 0 to 1, as even as can be, in a random order."""
    found = [(place + 0.5) / count for place in range(count)]
    chance.shuffle(found)
    return found


def _evenly(kinds: Sequence[float], root: float, shift: float) -> list[float]:
    """Numbers from 0 to 1 that are even among payments of whichever kinds."""
    return [(kind * len(kinds) * root + shift) % 1 for kind in kinds]


def _outages(about: Given, chance: Random, span: float) -> dict[str, list[tuple[float, float]]]:
    """When each channel is down: as many outages as make up their share of the time, one in each stretch of it."""
    length = about["outage_minutes"] * 60
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in CHANNELS}
    groups = [(CHANNELS, about["outage"] * about["shared"])]
    groups += [((name,), about["outage"] * (1 - about["shared"])) for name in CHANNELS]
    for names, share in groups:
        count = max(1, round(share * span / length))
        lasts = share * span / count
        for place in range(count):
            start = (place + chance.random()) * span / count
            for name in names:
                found[name].append((start, start + lasts))
    return found


# The simulation -------------------------------------------------------------------------------


class Till:
    """Which keys hold money of an order, and what each channel writes into its statement: the channels' own word."""

    def __init__(self, currency: str) -> None:
        self.held: dict[str, set[str]] = defaultdict(set)
        self.twice = 0
        self.currency = currency
        self.rows: dict[str, list[StatementRow]] = {name: [] for name in CHANNELS}

    def take(self, channel: str, request: ChargeRequest, at: datetime) -> None:
        """Money was taken; counts the moments at which an order has paid twice."""
        held = self.held[request.order_id]
        held.add(request.key)
        self.twice += len(held) > 1
        self._write(channel, MovementKind.PAYMENT, request.key, request.amount, at)

    def give(self, channel: str, key: str, amount: int, at: datetime) -> None:
        """It was given back."""
        self.held[key.partition("/")[0]].discard(key)
        self._write(channel, MovementKind.REFUND, key, amount, at)

    def _write(self, channel: str, kind: MovementKind, key: str, amount: int, at: datetime) -> None:
        rows = self.rows[channel]
        rows.append(StatementRow(kind, "", key, amount, self.currency, at, row=len(rows) + 1))


class Line(MemoryGateway):
    """A channel that does with each payment what is its fate. The account names the payment."""

    def __init__(self, name: str, clock: SettableClock, fate: Fate, till: Till) -> None:
        super().__init__(name, clock)
        self.fate = fate
        self.till = till
        self.heard: set[str] = set()

    def authorize(self, request: ChargeRequest) -> Outcome:
        """Take the money, decline, be down, or not answer."""
        place, fate = int(request.account), self.fate
        self._works(refused=fate.chance("refused", place, self.name))
        if request.key not in self.heard and fate.chance("silent", place, self.name):
            self.heard.add(request.key)
            if fate.chance("took", place, self.name):
                self._decided(request, place)
            raise GatewayTimeout("no answer")
        return self._decided(request, place)

    def _works(self, *, refused: bool = False) -> None:
        if self.fate.down(self.name, self._clock.now()):
            raise GatewayError("connection refused") if refused else GatewayTimeout("no answer")

    def _decided(self, request: ChargeRequest, place: int) -> Outcome:
        failure = self.fate.failure(place, self.name)
        if failure is Failure.SOFT and self.fate.chance("wrong", place, self.name):
            super().authorize(request)
            return Outcome(OutcomeStatus.DECLINED, reason="try another", failure=failure)
        if failure is not None:
            self.decline(request.account, failure)
        found = super().authorize(request)
        self.mend(request.account)
        return found

    def lookup(self, request: ChargeRequest) -> Outcome:
        """What became of it."""
        self._works()
        return super().lookup(request)

    def void(self, request: ChargeRequest) -> Outcome:
        """Give it back."""
        self._works()
        return super().void(request)

    def close(self, request: ChargeRequest) -> Outcome:
        """End it."""
        self._works()
        return super().close(request)

    def _take(self, request: ChargeRequest) -> None:
        self.till.take(self.name, request, self._clock.now())

    def _give(self, request: ChargeRequest | RefundRequest, amount: int, points: int) -> None:
        super()._give(request, amount, points)
        key = getattr(request, "charge", request.key)
        self.till.give(self.name, key, amount, self._clock.now())


@dataclass
class Tally:
    """What came of a run."""

    payments: int
    at_once: int = 0
    paid: int = 0
    again: int = 0
    doubled: int = 0
    moments: int = 0
    told: int = 0
    stranded: int = 0

    @property
    def success(self) -> float:
        """Paid in the end, in percent."""
        return 100 * self.paid / self.payments


def channel_policy(about: Given, names: Sequence[str], choose: ChannelChoice, backups: int) -> Any:
    """The rules of the shop."""
    rules = tuple(
        ChannelRule(
            name, METHOD, weight=about.terms[name]["weight"],
            fee_share=Percent.of(about.terms[name]["fee_percent"]),
        )
        for name in names
    )  # fmt: skip
    return ChannelPolicy(rules, choose, backups)


class Simulated:
    """One shop, one run."""

    def __init__(self, fate: Fate, channels: ChannelPolicy) -> None:
        self.fate = fate
        self.clock = SettableClock(BEGIN)
        self.store = MemoryStore()
        self.till = Till(fate.about.run["currency"])
        self.lines = {name: Line(name, self.clock, fate, self.till) for name in CHANNELS}
        policies = Policies(channels=channels)
        self.engine = OrderEngine(self.store, self.lines, None, policies, clock=self.clock)
        self.tally = Tally(fate.payments)
        self.orders: list[str] = []
        self._again: list[tuple[datetime, int]] = []
        self._quote: Quote | None = None

    def run(self) -> Tally:
        """Let every shopper pay, then wait until no clock runs any more."""
        every = timedelta(seconds=self.fate.about.run["every_seconds"])
        minute = BEGIN
        for place in range(self.fate.payments):
            now = BEGIN + place * every
            while minute <= now:
                self._tick(minute)
                minute += timedelta(minutes=1)
            self.clock.set(now)
            self._pay(place)
        self._settle(minute)
        self._reconcile()
        self._settle(self.clock.now())
        self._count()
        return self.tally

    def _tick(self, now: datetime) -> None:
        while self._again and self._again[0][0] <= now:
            at, place = heapq.heappop(self._again)
            self.clock.set(max(at, self.clock.now()))
            self._press(place)
        self.clock.set(max(now, self.clock.now()))
        self.engine.sweep(10_000)

    def _settle(self, now: datetime) -> None:
        for _ in range(SWEEPS_MAX):
            self._tick(now)
            timers = self.store.timers()
            if not timers and not self._again:
                return
            now = max(now + timedelta(minutes=1), min([t.due for t in timers], default=now))
        raise RuntimeError("clocks that never stop")

    def _priced(self) -> Quote:
        about, now = self.fate.about.run, self.clock.now()
        if self._quote is None or now + timedelta(minutes=1) > self._quote.valid_until:
            price = from_minor(about["amount_minor"], about["currency"])
            self._quote = self.engine.quote(Cart(about["currency"], (CartLine("SKU", 1, price),)))
        return self._quote

    def _pay(self, place: int) -> None:
        by = Actor.staff("shopper")
        order = self.engine.place(self._priced(), key=f"{place}/place", by=by)
        self.orders.append(order.id)
        offers = (tenders.Channel(METHOD, account=f"{place}"),)
        result = self.engine.pay(order.id, offers, key=f"{place}/pay", by=by)
        self.tally.at_once += result.paid
        if result.unresolved and self.fate.impatient(place):
            heapq.heappush(self._again, (self.clock.now() + IMPATIENCE, place))

    def _press(self, place: int) -> None:
        offers = (tenders.Channel(METHOD, account=f"{place}"),)
        self.tally.again += 1
        try:
            self.engine.pay(
                self.orders[place], offers, key=f"{place}/again", by=Actor.staff("shopper")
            )
        except NotAllowed:
            return

    def _reconcile(self) -> None:
        """Book what only the channels' statements tell: a channel that said no and took the money."""
        period = StatementPeriod(BEGIN, self.clock.now() + timedelta(seconds=1))
        for name, rows in self.till.rows.items():
            report = self.engine.reconcile(name, rows, period)
            done = self.engine.patch(name, report)
            self.tally.told += len(done.booked)
            if done.left:
                raise RuntimeError(f"channel {name}: {done.left[0]}")

    def _count(self) -> None:
        """Count, and hold the engine's word against the channels' own."""
        tally, engine = self.tally, self.engine
        for name in self.orders:
            paid = engine.get(name).state == "paid"
            held = len(self.till.held.get(name, ()))
            tally.paid += paid
            tally.doubled += held > 1
            tally.stranded += held != paid
        tally.moments = self.till.twice
        balances = engine.trial_balance()
        laws.trial_balance_is_zero(balances)
        for name, line in self.lines.items():
            booked = sum(b.amount for b in balances if b.detail == name)
            if booked != line.taken:
                raise RuntimeError(f"channel {name} holds {line.taken}, booked are {booked}")


def simulate(
    about: Given,
    payments: int,
    names: Sequence[str] = CHANNELS,
    choose: ChannelChoice = ChannelChoice.DECLARED,
    backups: int = 2,
    seed: int | None = None,
) -> Tally:
    """One run: these channels, chosen so, with so many backups."""
    fate = Fate(about, payments, about.run["seed"] if seed is None else seed)
    return Simulated(fate, channel_policy(about, names, choose, backups)).run()


# Figures --------------------------------------------------------------------------------------


class _Runs:
    """All runs of a report, for what must be 0 in each of them."""

    def __init__(self) -> None:
        self.tallies: list[Tally] = []

    def __call__(self, about: Given, payments: int, **how: Any) -> Tally:
        self.tallies.append(simulate(about, payments, **how))
        return self.tallies[-1]

    def bars(self) -> list[Bar]:
        """Nobody pays twice, and no money is left with an order that is not paid."""
        payments = sum(tally.payments for tally in self.tallies)
        beside = f"{payments:,} payments in {len(self.tallies)} runs"
        doubled = sum(tally.doubled for tally in self.tallies)
        stranded = sum(tally.stranded for tally in self.tallies) - doubled
        names = ("failover: orders charged twice", "failover: money and order do not agree")
        return [
            Bar(name, Side.AT_MOST, 0, figure, "", f"{figure}", beside)
            for name, figure in zip(names, (doubled, stranded), strict=True)
        ]


def measure(*, quick: bool) -> Report:
    """Success by the number of backups and the rule of choice, and how it moves with what is assumed."""
    about, runs = given(), _Runs()
    share = QUICK if quick else 1
    whole = about.run["payments"] // share
    tables = [
        _assumed(about),
        _by_choice(about, runs, whole),
        _by_seed(about, runs, whole),
        _moving(about, runs, about.run["sensitivity_payments"] // share),
    ]
    return Report(runs.bars(), tables)


def _assumed(about: Given) -> Table:
    rows: list[tuple[Any, ...]] = [
        (name, _plain(value), " ".join(map(_plain, about.others[name])),
         "sourced" if name in about.sourced else "assumed")
        for name, value in about.values.items()
    ]  # fmt: skip
    note = "what each means, and where it comes from: benchmarks/failover.toml"
    return Table(
        "Failover: what is assumed", ("parameter", "value", "in its place", "from"), rows, note
    )


def _by_choice(about: Given, runs: _Runs, payments: int) -> Table:
    rows: list[tuple[Any, ...]] = []
    first = runs(about, payments, names="a", backups=0)
    for name in CHANNELS:
        tally = first if name == "a" else runs(about, payments, names=name, backups=0)
        rows.append(_row(f"{name} alone", 0, tally, first))
    for choose in ChannelChoice:
        for backups in range(len(CHANNELS)):
            if backups or choose is not ChannelChoice.DECLARED:
                tally = runs(about, payments, choose=choose, backups=backups)
                rows.append(_row(choose.value, backups, tally, first))
    heads = (
        "choice", "backups", "paid %", "at once %", "points over a alone", "pressed again",
        "told by statements alone", "two charges at a moment", "in the end",
    )  # fmt: skip
    note = (
        f"{payments:,} payments each, all runs the same ones. A simulation of what is assumed above, no "
        f"measurement of a shop. The claim that it is held against is {CLAIMED} points."
    )
    return Table("Failover: payments that succeed", heads, rows, note)


def _row(name: str, backups: int, tally: Tally, first: Tally) -> tuple[Any, ...]:
    return (
        name, backups, _percent(tally.success),
        _percent(100 * tally.at_once / tally.payments),
        _points(tally.success - first.success), tally.again, tally.told, tally.moments,
        tally.doubled,
    )  # fmt: skip


def _uplifts(
    about: Given, runs: _Runs, payments: int, seed: int | None = None
) -> tuple[Tally, Tally]:
    """What comes of the first channel alone, then with two backups in the declared order."""
    return (
        runs(about, payments, names="a", backups=0, seed=seed),
        runs(about, payments, backups=2, seed=seed),
    )


def _by_seed(about: Given, runs: _Runs, payments: int) -> Table:
    rows: list[tuple[Any, ...]] = []
    for number in range(1, about.run["seeds"] + 1):
        alone, two = _uplifts(about, runs, payments, about.run["seed"] + number)
        rows.append((f"{number}", *_compared(alone, two)))
    heads = ("further seed", *_COMPARED)
    return Table("Failover: how far chance moves it", heads, rows)


def _moving(about: Given, runs: _Runs, payments: int) -> Table:
    rows: list[tuple[Any, ...]] = [
        ("all as assumed", "", *_compared(*_uplifts(about, runs, payments)))
    ]
    for name, values in about.others.items():
        for value in values:
            found = _uplifts(about.but(**{name: value}), runs, payments)
            rows.append((name, _plain(value), *_compared(*found)))
    heads = ("parameter", "value", *_COMPARED)
    note = f"{payments:,} payments each, declared order; one parameter moves, all others stay"
    return Table("Failover: how the answer moves with what is assumed", heads, rows, note)


_COMPARED = ("a alone %", "2 backups %", "points", "two charges at a moment", "in the end")


def _compared(alone: Tally, two: Tally) -> tuple[Any, ...]:
    return (
        _percent(alone.success), _percent(two.success), _points(two.success - alone.success),
        two.moments, two.doubled,
    )  # fmt: skip


def _percent(figure: float) -> str:
    return f"{figure:.2f}"


def _points(figure: float) -> str:
    return f"{figure:+.2f}"


def _plain(figure: float) -> str:
    return f"{Decimal(str(figure)).normalize():f}"
