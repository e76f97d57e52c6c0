"""Pickup codes: how goods are handed over at a counter or a locker.

Theory of operation. A code is drawn at random, shown once, and kept only as a salted hash (`Seal`). Whoever
comes for the goods says it; at most some wrong tries are answered before a pause, and at most some in all,
so a code is not found by trying. A code for part of an order, or a part collected with it, stays for the rest.

How hard it is to guess. A code of 12 letters and digits is one of 32**12 x 8/9 > 2**59 (the ninth is lost to
check characters that are misread). A code of 6 digits is one of 10**6, so at the very most 20 codes of an order
with 50 wrong tries each have one chance in a thousand together; `PickupPolicy.check` refuses what is more.
Sources: NIST SP 800-63B (2017) 5.1.2 asks for 20 bits at least, a salted and stretched hash, and limited tries
below 64 bits; 5.2.2 for at most 100 wrong tries. The stretching is scrypt (RFC 7914): it costs memory too, so a
stolen table of short codes is slow to search, and it is in Python itself.
"""

from __future__ import annotations

import enum
import hashlib
import hmac
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import attrs

from ordercore.errors import InvalidInput, InvalidPolicy, OtherSideFailed
from ordercore.event import Event, event
from ordercore.goods import LineId, Manifest, Quantity
from ordercore.value import value

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ordercore.identity import SecretSource

__all__ = [
    "CODES_MAX",
    "PICKUP_FOLDS",
    "VALID_MAX",
    "CodeAlphabet",
    "CodeIssued",
    "CodeRefused",
    "Collected",
    "HandedOver",
    "Pickup",
    "PickupEnd",
    "PickupPolicy",
    "Proxy",
    "Seal",
    "check_character",
    "draw_code",
    "pickup_at",
    "read_code",
    "shown_code",
    "without_seal",
]

CODES_MAX = 20
"""Most codes of one order, former ones counted."""
VALID_MAX = timedelta(days=366)
"""Longest time for which a code is good."""
TYPED_MAX = 64
"""Longest text that is read as a code."""
_CHANCES = 1_000
"""All wrong tries of an order together have at most one chance in so many."""
_ROUNDS = 64
"""How often what cannot be used is drawn anew; nine in ten draws can be used."""
_COSTS = (10, 17)
_DIGITS = "0123456789"
_ALL = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_CLEAR = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_MISREAD = str.maketrans({"O": "0", "I": "1", "L": "1", " ": None, "-": None})


class CodeAlphabet(enum.Enum):
    """What a code is made of."""

    # a member is a singleton, so its identity may be its hash: at the speed of C
    __hash__ = object.__hash__

    LETTERS = "letters"
    """Letters and digits without I, L, O, U: a misread O is a 0, I and L are a 1. Checked by MOD 37,36."""
    DIGITS = "digits"
    """Digits, for a keypad. Checked by MOD 11,10."""

    @property
    def drawn(self) -> str:
        """The characters that are drawn, each as likely as any other."""
        return _DIGITS if self is CodeAlphabet.DIGITS else _CLEAR

    @property
    def checked(self) -> str:
        """The characters of the check system, by their value."""
        return _DIGITS if self is CodeAlphabet.DIGITS else _ALL

    @property
    def lengths(self) -> tuple[int, int]:
        """Fewest and most characters that are drawn."""
        return (6, 20) if self is CodeAlphabet.DIGITS else (12, 32)


@value
class PickupPolicy:
    """How codes are made, and how many tries they stand.

    ``length`` counts the characters drawn; a check character comes on top. After ``tries`` wrong ones in a row
    no code is taken for ``lock``; after ``most`` in all the code is void. ``valid`` is how long a code is good
    unless its issuer says otherwise. ``cost`` is the binary logarithm of scrypt's cost: 14 takes 16 MiB for
    one try.
    """

    alphabet: CodeAlphabet = CodeAlphabet.LETTERS
    length: int = 12
    tries: int = 5
    most: int = 20
    lock: timedelta = timedelta(minutes=15)
    valid: timedelta = timedelta(days=7)
    cost: int = 14

    def check(self, path: str = "") -> None:
        """Raise `InvalidPolicy` for codes that could be guessed, and for terms at odds."""

        def refuse(reason: str, key: str) -> None:
            raise InvalidPolicy(reason, path=f"{path}.{key}".lstrip("."))

        least, longest = self.alphabet.lengths
        if not least <= self.length <= longest:
            refuse(f"a code of {self.alphabet.value} has {least} to {longest} of them", "length")
        if self.tries < 1:
            refuse("a code stands at least one try", "tries")
        if self.most < self.tries:
            refuse("the tries in all are at least those in a row", "most")
        if self.most * CODES_MAX * _CHANCES > len(self.alphabet.drawn) ** self.length:
            refuse(f"so many tries have more than one chance in {_CHANCES}", "most")
        if self.lock < timedelta(minutes=1) or self.lock > VALID_MAX:
            refuse("a pause lasts from one minute to 366 days", "lock")
        if self.valid <= timedelta(0) or self.valid > VALID_MAX:
            refuse("a code is good for 366 days at most", "valid")
        if not _COSTS[0] <= self.cost <= _COSTS[1]:
            refuse(f"the cost is from {_COSTS[0]} to {_COSTS[1]}", "cost")


# The code itself ------------------------------------------------------------------------------


def check_character(text: str, characters: str) -> str:
    """The check character of a text by ISO/IEC 7064 hybrid MOD M+1,M; M is how many ``characters`` there are.

    It tells every single wrong character and most of two that changed places.

    >>> check_character("0794", "0123456789")
    '5'
    """
    size = len(characters)
    product = size
    for sign in text:
        total = (product + characters.index(sign)) % size or size
        product = total * 2 % (size + 1)
    return characters[(1 - product) % size]


def _drawn(source: SecretSource, characters: str, count: int) -> str:
    """``count`` characters, each as likely as any other; bytes that would favor some are left out."""
    fair = 256 - 256 % len(characters)
    found = ""
    for _ in range(_ROUNDS):
        for byte in source.secret(count):
            if byte < fair and len(found) < count:
                found += characters[byte % len(characters)]
        if len(found) == count:
            return found
    raise OtherSideFailed("the source of secrets gives no usable ones", path="ids.secret")


def draw_code(source: SecretSource, alphabet: CodeAlphabet, length: int) -> str:
    """A fresh code with its check character, bare."""
    for _ in range(_ROUNDS):
        text = _drawn(source, alphabet.drawn, length)
        check = check_character(text, alphabet.checked)
        if check in alphabet.drawn:  # an I, L, O or U would be misread
            return text + check
    raise OtherSideFailed("the source of secrets gives no usable ones", path="ids.secret")


def shown_code(text: str) -> str:
    """A code as people read it: in groups of four."""
    return "-".join([text[i : i + 4] for i in range(0, len(text), 4)])


def read_code(typed: object, alphabet: CodeAlphabet, length: int) -> str:
    """A code as it was typed, bare; blanks, dashes and case do not count, a misread O is a 0.

    Raises `InvalidInput` for what cannot be a code: that is a slip and no try. The error does not repeat it.
    """
    if not isinstance(typed, str) or len(typed) > TYPED_MAX or not typed.isascii():
        raise InvalidInput("a code is a short text of letters and digits", path="code")
    text = typed.upper().translate(_MISREAD)
    drawn = alphabet.drawn
    if len(text) != length + 1 or any([sign not in drawn for sign in text]):
        raise InvalidInput(f"the code has {length + 1} letters or digits", path="code")
    if not hmac.compare_digest(check_character(text[:-1], alphabet.checked), text[-1]):
        reason = "the last character does not fit the others: read the code once more"
        raise InvalidInput(reason, path="code")
    return text


@value
class Seal:
    """What is kept of a code: enough to know it again, not to say it.

    ``salt`` and ``digest`` are hexadecimal; ``cost`` is the binary logarithm of scrypt's cost.
    """

    alphabet: CodeAlphabet
    length: int
    cost: int
    salt: str = attrs.field(repr=False)
    digest: str = attrs.field(default="", repr=False)

    def digest_of(self, text: str, pepper: bytes) -> str:
        """The digest of a bare code; ``pepper`` is the shop's own key, empty for none. Slow on purpose."""
        keyed = hashlib.blake2b(text.encode(), key=pepper, digest_size=32).digest()
        room = 128 * 8 * ((2 << self.cost) + 8)
        return hashlib.scrypt(
            keyed, salt=bytes.fromhex(self.salt), n=1 << self.cost, r=8, p=1, maxmem=room, dklen=32
        ).hex()

    def opens(self, digest: str) -> bool:
        """Whether a digest is the one of this code; how long it takes says nothing of where they differ.

        Nothing opens a seal without a digest, as others are told it.
        """
        return bool(self.digest) and hmac.compare_digest(self.digest.encode(), digest.encode())


# What an order knows of its codes ---------------------------------------------------------------


@value
class Proxy:
    """Somebody else who comes for the goods, and the customer's recorded word for it.

    One of ``name`` and ``phone_tail`` (the last digits of a telephone number, which that person can prove) is
    needed.
    """

    consent: str = attrs.field(repr=False)
    name: str = attrs.field(default="", repr=False)
    phone_tail: str = attrs.field(default="", repr=False)


class PickupEnd(enum.Enum):
    """Why a code is no longer taken."""

    # a member is a singleton, so its identity may be its hash: at the speed of C
    __hash__ = object.__hash__

    REPLACED = "replaced"
    """Another code was given for the same store."""
    COLLECTED = "collected"
    """Everything it was for is handed over."""
    GUESSED_AT = "guessed_at"
    """Too many wrong tries."""


@value
class HandedOver:
    """Goods that one scan handed over, and the shipments as which they have left."""

    id: str
    goods: Manifest
    shipments: tuple[str, ...]


@value
class Pickup:
    """A code of an order for one store, with the terms under which it was given.

    ``goods`` are the units that wait there, ``None`` for all that is left. ``tried`` are the wrong tries since
    the last right one or the last pause, ``failed`` those in all. ``handovers`` are the scans that it was good for.
    """

    id: str
    store: str
    expires_at: datetime
    seal: Seal
    tries: int
    most: int
    lock: timedelta
    goods: Manifest | None = None
    tried: int = 0
    failed: int = 0
    locked_until: datetime | None = None
    end: PickupEnd | None = None
    handovers: tuple[HandedOver, ...] = ()

    @property
    def collected(self) -> Manifest:
        """Units that were handed over with it."""
        goods = Manifest()
        for handed in self.handovers:
            goods = goods + handed.goods
        return goods

    @property
    def tries_left(self) -> int:
        """Wrong tries before the next pause, or before the code is void."""
        if self.end is not None:
            return 0
        return max(0, min(self.tries - self.tried, self.most - self.failed))

    def locked(self, at: datetime) -> bool:
        """Whether no code is taken at this moment, after wrong tries."""
        return self.locked_until is not None and at < self.locked_until

    def waiting(self, shippable: Manifest) -> Manifest:
        """Units that may be handed over with it, of those that are still to leave."""
        if self.goods is None:
            return shippable
        collected = self.collected
        left: list[tuple[LineId, Quantity]] = []
        for line, units in self.goods.items:
            rest = min(units - collected.units(line), shippable.units(line))
            if rest > 0:
                left.append((line, Quantity(rest)))
        return Manifest(tuple(left))


def pickup_at(pickups: tuple[Pickup, ...], store: str) -> Pickup | None:
    """The last code that was given for a store, also one that is no longer taken."""
    for pickup in reversed(pickups):
        if pickup.store == store:
            return pickup
    return None


@event("delivery.code_issued")
class CodeIssued(Event):
    """A code was given; a former one for the same store is dead."""

    pickup: Pickup


def without_seal(issued: CodeIssued) -> CodeIssued:
    """The event as it is told outside: with neither salt nor digest, so whoever reads it cannot try codes."""
    p = issued.pickup
    blank = Seal(p.seal.alphabet, p.seal.length, p.seal.cost, "")
    return CodeIssued(
        Pickup(
            p.id, p.store, p.expires_at, blank, p.tries, p.most, p.lock, p.goods, p.tried, p.failed,
            p.locked_until, p.end, p.handovers,
        )
    )  # fmt: skip


@event("delivery.code_refused")
class CodeRefused(Event):
    """A wrong code was tried. ``locked_until``: no code is taken before. ``void``: it is dead now."""

    pickup: str
    store: str
    locked_until: datetime | None = None
    void: bool = False


@event("delivery.collected")
class Collected(Event):
    """Goods were handed over at a store, against a code.

    ``amount`` is what the customer pays for these units, in minor units: the turnover of that store. All of an
    order's add up to its lines. ``last``: nothing waits under this code any more.
    """

    pickup: str
    handed: HandedOver
    store: str
    amount: int
    last: bool
    proxy: Proxy | None = None


def _with(
    pickup: Pickup, tried: int, failed: int, until: datetime | None, end: PickupEnd | None,
    handovers: tuple[HandedOver, ...],
) -> Pickup:  # fmt: skip
    return Pickup(
        pickup.id, pickup.store, pickup.expires_at, pickup.seal, pickup.tries, pickup.most,
        pickup.lock, pickup.goods, tried, failed, until, end, handovers,
    )  # fmt: skip


def _issued(pickups: tuple[Pickup, ...], made: CodeIssued) -> tuple[Pickup, ...]:
    former = [
        _with(p, p.tried, p.failed, p.locked_until, PickupEnd.REPLACED, p.handovers)
        if p.store == made.pickup.store and p.end is None
        else p
        for p in pickups
    ]
    return (*former, made.pickup)


def _refused(pickups: tuple[Pickup, ...], made: CodeRefused) -> tuple[Pickup, ...]:
    return tuple(
        [
            _with(
                p, 0 if made.locked_until is not None else p.tried + 1, p.failed + 1,
                made.locked_until, PickupEnd.GUESSED_AT if made.void else p.end, p.handovers,
            )
            if p.id == made.pickup
            else p
            for p in pickups
        ]
    )  # fmt: skip


def _collected(pickups: tuple[Pickup, ...], made: Collected) -> tuple[Pickup, ...]:
    return tuple(
        [
            _with(
                p, 0, p.failed, None, PickupEnd.COLLECTED if made.last else p.end,
                (*p.handovers, made.handed),
            )
            if p.id == made.pickup
            else p
            for p in pickups
        ]
    )  # fmt: skip


PICKUP_FOLDS: Mapping[type[Event], Callable[[tuple[Pickup, ...], Any], tuple[Pickup, ...]]] = {
    CodeIssued: _issued,
    CodeRefused: _refused,
    Collected: _collected,
}
