"""Pickup codes: how they are drawn, checked, read and kept."""

from __future__ import annotations

import hashlib
import hmac
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ordercore.errors import InvalidInput, InvalidPolicy, OrdercoreError, OtherSideFailed
from ordercore.fulfillment.pickup import (
    CODES_MAX,
    CodeAlphabet,
    PickupPolicy,
    Seal,
    check_character,
    draw_code,
    read_code,
    shown_code,
)
from ordercore.identity import CountedIds, SecretSource, SystemIds

ALL = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
LETTERS, DIGITS = CodeAlphabet.LETTERS, CodeAlphabet.DIGITS
SHAPES = [(LETTERS, 12), (DIGITS, 6), (DIGITS, 8)]
shapes = st.sampled_from(SHAPES)
starts = st.integers(0, 10**6)


def drawn(start: int, shape: tuple[CodeAlphabet, int]) -> str:
    """A code that follows from a number."""
    return draw_code(CountedIds(start), *shape)


# --- Drawing ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("alphabet", "length"), SHAPES)
def test_a_code_has_its_length_and_a_check_character(alphabet: CodeAlphabet, length: int) -> None:
    """So many characters are drawn, and one more checks them."""
    for _ in range(50):
        code = draw_code(SystemIds(), alphabet, length)
        assert len(code) == length + 1
        assert set(code) <= set(alphabet.drawn)
        assert code[-1] == check_character(code[:-1], alphabet.checked)


@pytest.mark.parametrize(("alphabet", "least_bits"), [(LETTERS, 58), (DIGITS, 19)])
def test_the_shortest_code_has_its_bits(alphabet: CodeAlphabet, least_bits: int) -> None:
    """12 letters are one of 2**58 at least, those whose check character is misread left out; 6 digits of 2**19."""
    length, _ = alphabet.lengths
    usable = sum(sign in alphabet.drawn for sign in alphabet.checked)
    codes = len(alphabet.drawn) ** length * usable // len(alphabet.checked)
    assert codes > 2**least_bits


def test_no_character_is_favored() -> None:
    """Over 20,000 drawn digits each one comes about as often as any other: chi squared far below its 1e-9 limit."""
    ids, found = CountedIds(), Counter[str]()
    for _ in range(1_000):
        found.update(draw_code(ids, DIGITS, 20)[:-1])
    expected = 2_000
    assert sum(found.values()) == 10 * expected
    chi = sum((found[digit] - expected) ** 2 for digit in "0123456789")
    assert chi < 60 * expected


def test_system_codes_do_not_repeat() -> None:
    """Five hundred codes of the system are five hundred different ones."""
    assert len({draw_code(SystemIds(), LETTERS, 12) for _ in range(500)}) == 500


@pytest.mark.parametrize("given_bytes", [b"", b"\xff" * 6])
def test_a_source_without_usable_bytes_is_told(given_bytes: bytes) -> None:
    """A source that gives nothing, or only bytes that would favor some digits, ends with an error of the tree."""

    class Poor(CountedIds):
        def secret(self, count: int) -> bytes:
            del count
            return given_bytes

    with pytest.raises(OtherSideFailed) as caught:
        draw_code(Poor(), DIGITS, 6)
    assert caught.value.path == "ids.secret"


def test_both_sources_of_ids_make_secrets_too() -> None:
    """The system's are fresh; counted ones are the same in each run, and use up no id."""
    assert isinstance(SystemIds(), SecretSource)
    assert isinstance(CountedIds(), SecretSource)
    assert SystemIds().secret(16) != SystemIds().secret(16)
    ids = CountedIds()
    assert ids.secret(16) == CountedIds().secret(16) != ids.secret(16)
    assert ids.new("o") == "o_1"


@pytest.mark.parametrize("pepper", [b"x" * 65, "text"])
def test_a_pepper_that_cannot_be_used_is_refused(pepper: Any) -> None:
    """A pepper is at most 64 bytes, the longest key of the hash."""
    with pytest.raises(InvalidInput) as caught:
        SystemIds(pepper)
    assert caught.value.path == "pepper"


# --- The check character ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "characters", "check"),
    [("0794", "0123456789", "5"), ("A12425GABC1234002", ALL, "M")],
    ids=["iso-7064-mod-11-10", "grid-standard-mod-37-36"],
)
def test_the_check_character_is_that_of_iso_7064(text: str, characters: str, check: str) -> None:
    """The examples of the standard for digits, and of the Global Release Identifier for letters and digits."""
    assert check_character(text, characters) == check


@given(starts, shapes, st.data())
def test_every_single_wrong_character_is_noticed(
    start: int, shape: tuple[CodeAlphabet, int], data: st.DataObject
) -> None:
    """Whichever character of a code is typed wrongly, it is a slip and no try."""
    code = drawn(start, shape)
    place = data.draw(st.integers(0, len(code) - 1))
    others = [sign for sign in shape[0].drawn if sign != code[place]]
    wrong = code[:place] + data.draw(st.sampled_from(others)) + code[place + 1 :]
    with pytest.raises(InvalidInput) as caught:
        read_code(wrong, *shape)
    assert caught.value.path == "code"
    assert wrong not in str(caught.value.as_dict())


# --- Reading ------------------------------------------------------------------------------------


@given(starts, shapes)
def test_a_code_is_read_as_people_write_it(start: int, shape: tuple[CodeAlphabet, int]) -> None:
    """Groups, blanks and small letters do not matter, nor an O for a 0 or an l for a 1."""
    code = drawn(start, shape)
    shown = shown_code(code)
    assert all(len(part) <= 4 for part in shown.split("-"))
    spoilt = f" {shown.lower().replace('-', ' - ')} ".replace("0", "o").replace("1", "l")
    for typed in (code, shown, spoilt):
        assert read_code(typed, *shape) == code


@given(st.one_of(st.text(max_size=80), st.none(), st.integers(), st.binary()), shapes)
def test_l24_what_is_no_code_is_an_error_of_the_tree(
    typed: object, shape: tuple[CodeAlphabet, int]
) -> None:
    """Anything typed is a code with a check character that fits, or `InvalidInput` at ``code``."""
    try:
        text = read_code(typed, *shape)
    except OrdercoreError as error:
        told = error
    else:
        assert text[-1] == check_character(text[:-1], shape[0].checked)
        return
    assert (type(told), told.path) == (InvalidInput, "code")


# --- The seal -----------------------------------------------------------------------------------


def seal(code: str, salt: str = "ab" * 16, pepper: bytes = b"", cost: int = 10) -> Seal:
    """The seal of a code."""
    blank = Seal(DIGITS, 6, cost, salt)
    return Seal(DIGITS, 6, cost, salt, blank.digest_of(code, pepper))


def test_a_seal_knows_its_code_and_no_other() -> None:
    """The digest depends on the code, the salt, the pepper and the cost, and on nothing else."""
    first = seal("1234565")
    assert first.opens(seal("1234565").digest)
    others = (
        seal("1234573"), seal("1234565", "cd" * 16), seal("1234565", pepper=b"k"),
        seal("1234565", cost=11),
    )  # fmt: skip
    assert not any(first.opens(other.digest) for other in others)
    assert not first.opens("")
    assert len({first.digest, *[other.digest for other in others]}) == 5


def test_the_digest_is_scrypt_over_a_keyed_hash() -> None:
    """It can be made again from RFC 7693 and RFC 7914 alone, so another program may check codes too."""
    keyed = hashlib.blake2b(b"1234565", key=b"pepper", digest_size=32).digest()
    again = hashlib.scrypt(keyed, salt=bytes.fromhex("ab" * 16), n=2**10, r=8, p=1, dklen=32)
    assert seal("1234565", pepper=b"pepper").digest == again.hex()


def test_digests_are_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A seal asks `hmac.compare_digest` and nothing else, for right and wrong digests alike."""
    asked = []
    compare = hmac.compare_digest

    def counted(a: bytes, b: bytes) -> bool:
        asked.append((a, b))
        return compare(a, b)

    first = seal("1234565")
    monkeypatch.setattr(hmac, "compare_digest", counted)
    assert first.opens(first.digest)
    assert not first.opens("0" * 64)
    assert len(asked) == 2


def test_a_seal_shows_neither_salt_nor_digest() -> None:
    """Logs and tracebacks print a seal by its shape alone."""
    shown = repr(seal("1234565"))
    assert "abab" not in shown
    assert seal("1234565").digest not in shown
    assert "length=6" in shown


# --- The policy ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "policy",
    [PickupPolicy(), PickupPolicy(DIGITS, 6, most=50), PickupPolicy(DIGITS, 8, most=5)],
    ids=repr,
)
def test_all_tries_of_an_order_have_one_chance_in_a_thousand(policy: PickupPolicy) -> None:
    """As many codes as an order may have, each with all its wrong tries, are one guess in a thousand at most."""
    policy.check("pickup")
    codes = len(policy.alphabet.drawn) ** policy.length
    assert CODES_MAX * policy.most * 1_000 <= codes


@pytest.mark.parametrize(
    ("policy", "path"),
    [
        (PickupPolicy(length=11), "length"),
        (PickupPolicy(length=33), "length"),
        (PickupPolicy(DIGITS, 5), "length"),
        (PickupPolicy(DIGITS, 6, most=51), "most"),
        (PickupPolicy(tries=0), "tries"),
        (PickupPolicy(tries=5, most=4), "most"),
        (PickupPolicy(lock=timedelta(seconds=59)), "lock"),
        (PickupPolicy(lock=timedelta(days=367)), "lock"),
        (PickupPolicy(valid=timedelta(0)), "valid"),
        (PickupPolicy(valid=timedelta(days=367)), "valid"),
        (PickupPolicy(cost=9), "cost"),
        (PickupPolicy(cost=18), "cost"),
    ],
)
def test_a_policy_that_lets_codes_be_guessed_is_refused(policy: PickupPolicy, path: str) -> None:
    """Codes too short, tries too many, and hashing too cheap or too dear name the key that is wrong."""
    with pytest.raises(InvalidPolicy) as caught:
        policy.check("pickup")
    assert caught.value.path == f"pickup.{path}"
