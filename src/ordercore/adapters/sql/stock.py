"""Stock in a SQL database, beside the orders.

Theory of operation. Units are taken by one conditional UPDATE, which changes nothing where they are not there:
nobody reads first and writes then. Whoever writes locks in one order, reservations before articles, articles by
name, so that nobody waits in a circle. A promise whose time is over still stands in its rows: it is cleared away
by whoever is short of goods, or by `SqlStock.lapse`. So an article is out of stock only after
all that has lapsed was looked through.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, Any, NamedTuple

from ordercore.adapters.sql.stock_schema import STOCK_SCHEMA, prepared
from ordercore.clock import utc
from ordercore.codec import micros
from ordercore.errors import InvalidInput, NewerDocument, OutOfStock
from ordercore.fulfillment import SourceStock
from ordercore.fulfillment.stock import (
    by_name,
    by_place,
    by_sku,
    check_all,
    check_held,
    check_names,
    out_of,
    parted,
    picked,
    summed,
    without,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime

    from ordercore.adapters.sql.connections import Cursor
    from ordercore.adapters.sql.store import SqlStore
    from ordercore.clock import Clock

__all__ = ["STOCK_SCHEMA", "SqlStock"]

BUCKETS_MAX = 1_000
"""Most buckets of one article."""
BATCH = 100
"""Lapsed promises that are cleared away in one transaction."""
ROUNDS = 1_000
"""How often one call clears a batch away before it says that goods are short."""

_META = "stock_schema"
_Bucket = tuple[str, int]
"""A source and a number."""
_Places = dict[tuple[_Bucket, str], int]
"""Units by where they were taken from, and article."""


class _Short(Exception):
    """Goods are short, perhaps only until what has lapsed is cleared away."""

    def __init__(self, refusal: OutOfStock | None) -> None:
        super().__init__()
        self.refusal = refusal


class _Reserve(NamedTuple):
    reservation: str
    wanted: dict[str, int]
    until: int


class _Transfer(NamedTuple):
    reservation: str
    parts: list[tuple[str, dict[str, int]]]


class _Place(NamedTuple):
    reservation: str
    wanted: dict[tuple[str, str], int]


class SqlStock:
    """Stock in the database of a `SqlStore`, on its connections: `receive` brings goods in, `write_off` takes them out.

    On a store inside the host's transaction it writes there too. It makes its tables where they are
    missing, if its store may (``create``) and is not in the host's transaction: there, call `create`.
    ``prefix`` is the store's. ``sources`` says where goods are taken from first; those not named come after, by name.
    ``hot`` names articles that many buyers want at once, and over how many rows each is spread: it sells
    faster on a server, and as far as the last unit. Raises `StoreError` as the store does.
    """

    def __init__(
        self,
        store: SqlStore,
        clock: Clock,
        *,
        sources: Sequence[str] = (),
        hot: Mapping[str, int] | None = None,
        prefix: str = "ordercore_",
    ) -> None:
        self._hot = dict(hot or {})
        for sku, buckets in self._hot.items():
            if type(buckets) is not int or not 0 < buckets <= BUCKETS_MAX:
                reason = f"an article has 1 to {BUCKETS_MAX} buckets, not {buckets!r}"
                raise InvalidInput(reason, path=f"hot.{sku}")
        self._store = store
        self._clock = clock
        self._link = store._link  # noqa: SLF001 - one package, one connection
        self._places = {name: place for place, name in enumerate(sources)}
        self._first = sources[0] if sources else ""
        self._sql = prepared(prefix, self._link.dialect)
        # the store's two ways in are the keeper's too
        self._read, self._write = store._read, store._write  # noqa: SLF001
        self._tables = store._sql  # noqa: SLF001
        if store._creates and not store.joined:  # noqa: SLF001
            self.create()
        else:
            self._store._peek(self._look_schema)  # noqa: SLF001 - whoever uses missing tables is told

    @property
    def joins(self) -> bool:
        """Whether it writes in the host's transaction, as its store does."""
        return self._store.joined

    # Tables.

    def create(self) -> None:
        """Make the tables that are not there; raises `NewerDocument` for those of a later version."""
        if not self._store._peek(self._look_schema):  # noqa: SLF001 - no lock where nothing is to be made
            self._write(self._create, None)

    def _create(self, cursor: Cursor, _: None) -> None:
        self._link.lock(cursor, ("ordercore",))
        cursor.execute(self._tables.create_meta)
        if self._look_schema(cursor):
            return  # somebody else was first
        cursor.execute(self._tables.insert_meta, (_META, STOCK_SCHEMA))
        for statement in self._sql.create:
            cursor.execute(statement)

    def _look_schema(self, cursor: Cursor) -> bool:
        cursor.execute(self._tables.meta, (_META,))
        rows = cursor.fetchall()
        if rows and rows[0][0] > STOCK_SCHEMA:
            found = rows[0][0]
            reason = f"the stock has schema {found}; this version knows up to {STOCK_SCHEMA}"
            raise NewerDocument(reason, path="meta.stock_schema", found=found, known=STOCK_SCHEMA)
        return bool(rows)

    # What there is.

    def receive(self, sku: str, units: int, source: str = "") -> None:
        """Units come in at a source, and may be promised at once."""
        wanted = by_place([(source, sku, units)])
        if wanted:
            self._write(self._receive, (sku, units, source))

    def _receive(self, cursor: Cursor, what: tuple[str, int, str]) -> None:
        sku, units, source = what
        buckets = self._hot.get(sku, 1)
        each, more = divmod(units, buckets)
        self._give(
            cursor,
            {((source, number), sku): each + (number < more) for number in range(buckets)},
        )

    def write_off(self, sku: str, units: int, source: str = "") -> None:
        """Take units out at a source: lost, broken, sold elsewhere; raises `OutOfStock` where fewer are free."""
        if by_place([(source, sku, units)]):
            self._tried(self._write_off, (sku, units, source))

    def _write_off(self, cursor: Cursor, what: tuple[str, int, str]) -> None:
        sku, units, source = what
        self._take_at(cursor, sku, units, source)

    def free(self, sku: str) -> int:
        """Units that may be promised, at all sources."""
        return sum([stock.units for stock in self.available([sku])])

    def held(self, sku: str) -> int:
        """Units that reservations hold, promised or final; for a stock-taking, as it reads all of them."""
        units: int = self._read(self._sql.held, (sku,))[0][0]
        return units

    def available(self, skus: Sequence[str]) -> tuple[SourceStock, ...]:
        """Units that may be promised, by article and source; what has lapsed is cleared away first."""
        self._lapse_all()
        return tuple(
            [
                SourceStock(source, sku, units)
                for sku in dict.fromkeys(skus)
                for source, units in sorted(self._read(self._sql.free, (sku,)), key=self._order)
            ]
        )

    def placed(self, reservation: str) -> tuple[tuple[str, str, int], ...]:
        """Where the units of a reservation stand."""
        if not self._read(self._sql.stands, (reservation, self._now())):
            return ()
        rows = self._read(self._sql.lines, (reservation,))
        found = by_place([(source, sku, units) for sku, source, _, units in rows])
        return tuple([(*place, units) for place, units in found.items()])

    def reserved(self, reservation: str) -> dict[str, int]:
        """What a reservation holds, by article."""
        return by_sku([(sku, units) for _, sku, units in self.placed(reservation)])

    def _order(self, row: Sequence[Any]) -> tuple[int, str]:
        """A source's place in the keeper's order."""
        name: str = row[0]
        return self._places.get(name, len(self._places)), name

    def _now(self) -> int:
        return micros(self._clock.now())

    # Rows of stock.

    def _give(self, cursor: Cursor, places: Mapping[tuple[_Bucket, str], int]) -> None:
        """Units that are free again, in the order in which everybody locks."""
        rows = [(sku, *at, units) for (at, sku), units in places.items() if units]
        if rows:
            cursor.executemany(self._sql.give, sorted(rows))

    def _take(self, cursor: Cursor, sku: str, at: _Bucket, units: int) -> bool:
        """Take units from one row if it has them all."""
        cursor.execute(self._sql.take, (units, sku, *at, units))
        return cursor.rowcount == 1

    def _take_home(self, cursor: Cursor, sku: str, units: int, name: str) -> _Places:
        """Take units for a reservation: from its own row, from any that has them all, from several.

        Raises `_Short`.
        """
        number, sql = self._number(sku, name), self._sql
        home = (self._first, number)
        if self._take(cursor, sku, home, units):
            return {(home, sku): units}
        cursor.execute(sql.look, (sku,))
        found = self._sorted(cursor.fetchall(), number)
        for at, free in found:  # as it was a moment ago; each is asked again by its UPDATE
            if free >= units and self._take(cursor, sku, at, units):
                return {(at, sku): units}
        if not found:
            raise _Short(out_of(sku, 0, units))
        return self._take_each(cursor, sku, units, number=number)

    def _take_at(self, cursor: Cursor, sku: str, units: int, source: str) -> _Places:
        """Take units at one source; raises `_Short`."""
        home = (source, 0)
        if self._take(cursor, sku, home, units):
            return {(home, sku): units}
        return self._take_each(cursor, sku, units, source=source)

    def _take_each(
        self, cursor: Cursor, sku: str, units: int, *, number: int = 0, source: str | None = None
    ) -> _Places:
        """Take units from one source if it has them all, else from each in turn; nobody else meanwhile."""
        cursor.execute(self._sql.locked, (sku,))
        asked = [row for row in cursor.fetchall() if source in {None, row[0]}]
        rows = self._sorted(asked, number)
        at_source: dict[str, int] = {}
        for (name, _), free in rows:
            at_source[name] = at_source.get(name, 0) + free
        shares = picked(list(at_source.items()), units)
        if sum(shares.values()) < units:
            raise _Short(out_of(sku, sum(at_source.values()), units))
        taken: _Places = {}
        for name, share in shares.items():
            buckets = [(at, free) for at, free in rows if at[0] == name]
            for at, part in picked(buckets, share).items():
                taken[at, sku] = part
        for (at, _), part in sorted(taken.items()):
            if not self._take(cursor, sku, at, part):
                raise _Short(None)  # where rows cannot be locked
        return taken

    def _sorted(self, rows: Iterable[Sequence[Any]], number: int) -> list[tuple[_Bucket, int]]:
        """Rows of one article in the keeper's order, a reservation's own bucket first."""
        found = [((row[0], row[1]), row[2]) for row in rows]
        return sorted(found, key=lambda one: (*self._order(one[0]), one[0][1] != number, one[0][1]))

    def _number(self, sku: str, name: str) -> int:
        """The bucket of a reservation."""
        buckets = self._hot.get(sku, 1)
        if buckets == 1:
            return 0
        return int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "big") % buckets

    # Time.

    def lapse(self, limit: int = BATCH) -> int:
        """Clear at most so many promises away whose time is over; how many there were. For a sweep of the host's.

        Nothing waits for it: whoever is short of goods clears away too.
        """
        if type(limit) is not int or not 0 < limit <= 10_000:
            raise InvalidInput(f"from 1 to 10000, not {limit!r}", path="limit")
        now = self._now()
        names = [row[0] for row in self._read(self._sql.over, (now, limit))]
        if names:
            self._write(self._lapse, (sorted(names), now))
        return len(names)

    def _lapse_all(self) -> None:
        for _ in range(ROUNDS):
            if self.lapse() < BATCH:
                return

    def _lapse(self, cursor: Cursor, what: tuple[Sequence[str], int]) -> None:
        """Free what these hold, if their time is over; another may have done so, or made it longer."""
        names, now = what
        freed: _Places = {}
        for name in names:
            cursor.execute(self._sql.lapse, (name, now))
            if cursor.rowcount == 1:
                for place, units in self._lines(cursor, name).items():
                    freed[place] = freed.get(place, 0) + units
                cursor.execute(self._sql.drop_lines, (name,))
        self._give(cursor, freed)

    def _lines(self, cursor: Cursor, name: str) -> _Places:
        """What a reservation holds, in the keeper's order."""
        cursor.execute(self._sql.lines, (name,))
        rows = sorted(cursor.fetchall(), key=lambda row: (row[0], *self._order(row[1:]), row[2]))
        return {((source, bucket), sku): units for sku, source, bucket, units in rows}

    def _tried(self, work: Callable[[Cursor, Any], None], what: Any) -> None:
        """Run ``work``; where goods are short, again as long as something that has lapsed is cleared away."""
        for _ in range(ROUNDS):
            try:
                return self._write(work, what)
            except _Short as short:
                if not self.lapse() and short.refusal is not None:
                    raise short.refusal from None
        raise OutOfStock("too much has lapsed at once; try again", path="stock", sku="")

    # The port.

    def reserve(self, reservation: str, goods: Sequence[tuple[str, int]], until: datetime) -> None:
        """Promise all or nothing."""
        wanted = dict(sorted(by_sku(goods).items()))  # one order of locks for everybody
        asked = _Reserve(reservation, wanted, micros(utc(until, "until")))
        self._tried(self._reserve, asked)

    def _reserve(self, cursor: Cursor, asked: _Reserve) -> None:
        name, wanted, until = asked
        sql = self._sql
        cursor.execute(sql.reserve, (name, until, 0))
        if cursor.rowcount != 1:
            cursor.execute(sql.prolong, (until, until, name, self._now()))
            if cursor.rowcount != 1:  # it has lapsed: nothing is held under this name any more
                raise _Short(None)
            return
        likely = self._likely(wanted)
        self._write_lines(
            cursor, name, likely
        )  # first, so that the stock is locked as short as can be
        found: _Places = {}
        for sku, units in wanted.items():
            found.update(self._take_home(cursor, sku, units, name))
        if likely.items() <= found.items():
            self._write_lines(cursor, name, {p: n for p, n in found.items() if p not in likely})
        else:
            self._hold(cursor, name, found)

    def _likely(self, wanted: Mapping[str, int]) -> _Places:
        """Where units will come from, for articles that stand in one row."""
        if len(self._places) > 1:
            return {}
        home = (self._first, 0)
        return {(home, sku): units for sku, units in wanted.items() if sku not in self._hot}

    def deduct(self, reservation: str) -> None:
        """Make a promise final."""
        if not self._write(self._deduct, reservation):
            raise _lapsed(reservation)

    def _deduct(self, cursor: Cursor, name: str) -> bool:
        cursor.execute(self._sql.deduct, (name, self._now()))
        return cursor.rowcount == 1

    def release(self, reservation: str, keep: Sequence[tuple[str, int]] = ()) -> None:
        """Free all but what is kept, from the last source first."""
        self._write(self._release, (reservation, by_sku(keep)))

    def _release(self, cursor: Cursor, what: tuple[str, dict[str, int]]) -> None:
        name, kept = what
        final = self._lock(cursor, name)
        if final is None:
            return
        held = self._lines(cursor, name)
        has = summed(held)
        left = {sku: min(units, kept.get(sku, 0)) for sku, units in has.items()}
        stays = parted(held, left, name)
        if stays != held:
            self._hold(cursor, name, stays)
        if not stays and not kept:
            cursor.execute(self._sql.end, (name,))
        self._give(cursor, without(held, stays))

    def _lock(self, cursor: Cursor, name: str) -> bool | None:
        """Lock a reservation until the transaction ends: whether it is final; ``None`` where it has lapsed or never was.

        One whose time is over is cleared away.
        """
        cursor.execute(self._sql.reservation, (name,))
        rows = cursor.fetchall()
        if not rows:
            return None
        until, final = rows[0]
        now = self._now()
        if not final and until <= now:
            self._lapse(cursor, ((name,), now))
            return None
        return bool(final)

    def _hold(self, cursor: Cursor, name: str, places: _Places) -> None:
        """Write down anew what a reservation holds."""
        cursor.execute(self._sql.drop_lines, (name,))
        self._write_lines(cursor, name, places)

    def _write_lines(self, cursor: Cursor, name: str, places: _Places) -> None:
        if places:
            rows = [(name, sku, *at, units) for (at, sku), units in places.items()]
            cursor.executemany(self._sql.add_line, rows)

    def transfer(
        self, reservation: str, parts: Sequence[tuple[str, Sequence[tuple[str, int]]]]
    ) -> None:
        """Hand parts of a reservation over to other names, all or none."""
        asked = _Transfer(reservation, by_name(parts))
        check_names(reservation, [name for name, _ in asked.parts])
        self._write(self._transfer, asked)

    def _transfer(self, cursor: Cursor, asked: _Transfer) -> None:
        origin, parts = asked
        sql = self._sql
        names = sorted([origin, *[name for name, _ in parts]])
        locked = {name: self._lock(cursor, name) for name in names}
        new = []
        for name, goods in parts:
            cursor.execute(sql.handed, (origin, name))
            if not cursor.fetchall():
                new.append((name, goods))
        if not new:
            return
        final = locked[origin]
        if final is None:
            raise _lapsed(origin)
        cursor.execute(sql.reservation, (origin,))
        until = cursor.fetchall()[0][0]
        left = self._lines(cursor, origin)
        now = self._now()
        for name, goods in new:
            share = parted(left, goods, origin)
            left = without(left, share)
            cursor.execute(sql.hand, (origin, name, now))
            cursor.execute(sql.join, (name, until, int(final)))
            rows = [(name, sku, *at, units) for (at, sku), units in share.items()]
            if rows:
                cursor.executemany(sql.more_line, rows)
        self._hold(cursor, origin, left)
        if not left:
            cursor.execute(sql.end, (origin,))

    def place(self, reservation: str, goods: Sequence[tuple[str, str, int]]) -> None:
        """Let a reservation stand at exactly these sources."""
        self._tried(self._place, _Place(reservation, by_place(goods)))

    def _place(self, cursor: Cursor, asked: _Place) -> None:
        name, wanted = asked
        if self._lock(cursor, name) is None:
            raise _lapsed(name)
        held = self._lines(cursor, name)
        check_all(name, summed(held), summed(wanted))
        after: _Places = {}
        places = {(sku, at[0]) for at, sku in held} | {(sku, source) for source, sku in wanted}
        for sku, source in sorted(places):
            here = {
                place: n for place, n in held.items() if (place[1], place[0][0]) == (sku, source)
            }
            has, units = sum(here.values()), wanted.get((source, sku), 0)
            if units < has:
                stays = parted(here, {sku: units}, name)
                self._give(cursor, without(here, stays))
                here = stays
            elif units > has:
                try:
                    more = self._take_at(cursor, sku, units - has, source)
                except _Short as short:
                    if short.refusal is not None:
                        free: Any = short.refusal.data["free"]
                        short.refusal = out_of(sku, free + has, units)
                    raise
                for place, part in more.items():
                    here[place] = here.get(place, 0) + part
            after.update(here)
        if after != held:
            self._hold(cursor, name, after)

    def keep_at(self, reservation: str, goods: Sequence[tuple[str, str, int]]) -> None:
        """Free all but these units at these sources."""
        self._write(self._keep_at, _Place(reservation, by_place(goods)))

    def _keep_at(self, cursor: Cursor, asked: _Place) -> None:
        name, wanted = asked
        if self._lock(cursor, name) is None:
            raise _lapsed(name)
        held = self._lines(cursor, name)
        stays: _Places = {}
        for (source, sku), units in wanted.items():
            here = {at: n for at, n in held.items() if (at[0][0], at[1]) == (source, sku)}
            check_held(name, sum(here.values()), source, sku, units)
            stays.update(parted(here, {sku: units}, name))
        if stays != held:
            self._hold(cursor, name, stays)
        if not stays:
            cursor.execute(self._sql.end, (name,))
        self._give(cursor, without(held, stays))

    def forget(self, before: datetime) -> int:
        """Drop what is remembered of hand-overs before a moment, long after anybody asks for them again; how many."""
        return self._write(self._forget, micros(utc(before, "before")))

    def _forget(self, cursor: Cursor, before: int) -> int:
        cursor.execute(self._sql.forget, (before,))
        return cursor.rowcount


def _lapsed(reservation: str) -> OutOfStock:
    return OutOfStock("the reservation has lapsed", path=reservation)
