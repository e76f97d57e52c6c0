"""Words for people: messages of errors, names of states and steps, in the reader's language.

The words of the library are English in its source and are translated by catalogs
(GNU gettext PO files in ``ordercore/locale``). Catalogs are read when they are first asked for, and kept.
A host adds its own by a `Wording`, which stands before the library's; nothing is global.

An error says two things. Its ``reason`` is for whoever mends the call: exact, English, and its words may change.
Its message is for customers and staff: one sentence by the error's ``code``, filled from its ``data``.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from ordercore.errors import InvalidDocument, OrdercoreError

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Mapping, Sequence
    from gettext import NullTranslations
    from typing import IO

    Catalog = str | os.PathLike[str] | NullTranslations

__all__ = ["BYTES_MAX", "ENGLISH", "MESSAGES", "Wording", "message", "words_of", "translated"]

ENGLISH: Final = "en"
BYTES_MAX: Final = 4 * 2**20
"""A catalog of more bytes is refused."""
_VALUE_MAX = 200
_LOCALE_MAX = 64
_OURS = ("zh_CN",)
_ERROR = "error"

MESSAGES: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "ordercore": ("Something went wrong: {reason}.",),
        "invalid_input": (
            "This cannot be accepted: {reason} ({path}).",
            "This cannot be accepted: {reason}.",
        ),
        "invalid_money": ("This is not a valid amount: {reason}.",),
        "unknown_currency": ("The currency {currency} is not known.", "The currency is not known."),
        "currency_mismatch": (
            "The amount is in {got}, and {expected} is expected.",
            "The amounts are in different currencies.",
        ),
        "amount_too_large": ("The amount is too large.",),
        "invalid_quantity": ("The quantity is not valid: {reason}.",),
        "invalid_cart": (
            "The cart cannot be priced: {reason} ({path}).",
            "The cart cannot be priced: {reason}.",
        ),
        "invalid_tenders": (
            "{due:money} are due, and the payment is {short:money} short.",
            "At most {most:money} may be paid in this way, not {asked:money}.",
            "At least {minimum:money} must be paid in this way, not {amount:money}.",
            "The order cannot be paid in this way: {reason}.",
        ),
        "invalid_manifest": (
            "Of the line {line}, {left} are left, not {asked}.",
            "The order does not have these goods: {reason}.",
        ),
        "invalid_policy": (
            "The policies are not in order: {reason} ({path}).",
            "The policies are not in order: {reason}.",
        ),
        "invalid_lifecycle": (
            "The lifecycle is not in order: {reason} ({path}).",
            "The lifecycle is not in order: {reason}.",
        ),
        "unknown_lifecycle": (
            "There is no lifecycle “{name}”.",
            "There is no such lifecycle: {reason}.",
        ),
        "unknown_event": (
            "The lifecycle has no step “{event:event}”.",
            "The lifecycle has no such step: {reason}.",
        ),
        "unknown_guard": (
            "The lifecycle names a condition that is not known: {guard}.",
            "The lifecycle names a condition that is not known: {reason}.",
        ),
        "invalid_snapshot": (
            "The order cannot be taken over: {reason} ({path}).",
            "The order cannot be taken over: {reason}.",
        ),
        "invalid_invoice": ("The invoice cannot be issued: {reason}.",),
        "invalid_document": (
            "The file {file} cannot be read: {reason}.",
            "The document cannot be read: {reason} ({path}).",
            "The document cannot be read: {reason}.",
        ),
        "refused": ("This is not possible now: {reason}.",),
        "not_allowed": (
            "This is not possible in the state “{state:state}”. Possible now: {allowed:event}.",
            "This is not possible in the state “{state:state}”.",
            "This is not allowed: {reason}.",
        ),
        "vetoed": ("This is not allowed: {reason}.",),
        "price_changed": (
            "The price has changed from {old:money} to {new:money}. Please look at it again.",
            "The price has changed. Please look at it again.",
        ),
        "key_reused": ("This request was made before with other content. Please begin a new one.",),
        "stale": ("Somebody else has changed the order meanwhile. Please load it and try again.",),
        "out_of_stock": (
            "{sku}: {asked} asked for, {free} in stock.",
            "{sku} is out of stock.",
            "The goods are out of stock.",
        ),
        "coupon_unavailable": (
            "The coupon {coupon} is no longer available.",
            "A coupon is no longer available.",
        ),
        "inside_transaction": (
            "This calls other systems, so it cannot run inside an open transaction.",
        ),
        "not_found": ("This was not found: {reason}.",),
        "order_not_found": ("There is no order {order}.", "There is no such order."),
        "other_side_failed": ("Another system has failed. Please try again later.",),
        "gateway_error": (
            "The payment service has failed, and no money was moved. Please try again.",
        ),
        "gateway_timeout": (
            "The payment service has not answered yet. Please wait, and do not pay again.",
        ),
        "notification_refused": ("The notification was refused: {reason}.",),
        "rate_unavailable": (
            "There is no exchange rate from {base} to {quote} at present.",
            "There is no exchange rate at present.",
        ),
        "store_error": ("Nothing was saved. Please try again later.",),
        "port_failed": (
            "Another system has failed ({port}). Please try again later.",
            "Another system has failed. Please try again later.",
        ),
        "unreadable_data": ("A stored record cannot be read: {reason}.",),
        "corrupt_document": ("A stored record is damaged: {reason}.",),
        "newer_document": (
            "A stored record was written by a later version of the software: {reason}.",
        ),
    }
)
"""English messages by code. Of several, the first counts whose fields the error has; the last needs none but
``reason``. A field is a name of the error's data, or ``reason``, ``path``, ``code``.
``:money`` is minor units, shown where the currency is known; ``:state`` and ``:event`` are names of a
lifecycle, shown by their labels."""

_FIELD = re.compile(r"\{(\w+)(?::(\w+))?\}")
_NO_CATALOGS: Mapping[str, Any] = MappingProxyType({})
_NO_MESSAGES: Mapping[str, Sequence[str]] = MappingProxyType({})


def words_of(name: str) -> str:
    """A name of code as an English label: ``awaiting_payment`` is *Awaiting payment*."""
    words = name.replace("_", " ").replace("-", " ").strip()
    return words[:1].upper() + words[1:]


# Which catalogs answer for a locale -----------------------------------------------------------


def _language(locale: str) -> tuple[str, str, str]:
    """Language, script and territory of a name such as ``zh_CN``, ``zh-Hans`` or ``de_AT.UTF-8``.

    The script is CLDR's likely one where the name has none. Raises ValueError for what is no locale.
    """
    from babel.core import get_global, parse_locale  # only here: the import budget

    language, territory, script, *_ = parse_locale(locale.replace("-", "_"))
    if not script:
        likely = get_global("likely_subtags")
        for known in (f"{language}_{territory}", language):
            if known in likely:
                script = parse_locale(likely[known])[2]
                break
    return language, script or "", territory or ""


@lru_cache(256)
def _line(locale: str, known: tuple[str, ...]) -> tuple[str, ...]:
    """Those of ``known`` that answer for ``locale``, the nearest first: zh_CN, zh, then another zh of its script.

    A text that is no name of a locale is answered in English: it may come from a browser.
    """
    if not 0 < len(locale) <= _LOCALE_MAX:
        return ()
    try:
        language, script, territory = _language(locale)
    except (ValueError, TypeError):
        return ()
    found = []
    for name in known:
        its_language, its_script, its_territory = _language(name)
        if (its_language, its_script) == (language, script):
            rank = 0 if its_territory == territory else 1 if not its_territory else 2
            found.append((rank, name))
    return tuple(name for _, name in sorted(found))


# Reading ----------------------------------------------------------------------------------------

_Words = dict[tuple[str, str], str]


def _read(file: IO[bytes], source: str) -> _Words:
    """The translations of one PO file by context and English text; those marked fuzzy are left out."""
    from babel.messages.pofile import PoFileError, read_po

    content = file.read(BYTES_MAX + 1)
    if len(content) > BYTES_MAX:
        reason = f"a catalog has at most {BYTES_MAX} bytes"
        raise InvalidDocument(reason, path=source, file=source)
    try:
        read = read_po(content.splitlines(keepends=True), abort_invalid=True)
        return {
            (entry.context or "", entry.id): entry.string
            for entry in read
            if isinstance(entry.id, str)
            and isinstance(entry.string, str)
            and entry.id
            and entry.string
            and not entry.fuzzy
        }
    except PoFileError as error:
        where = f"{source}:{(error.lineno or 0) + 1}"
        raise InvalidDocument("it is no PO file", path=where, file=source) from None
    except (ValueError, LookupError, TypeError, AttributeError) as error:  # charset, escapes
        reason = f"it is no PO file: {str(error)[:100]}"
        raise InvalidDocument(reason, path=source, file=source) from None


@cache
def _ours(locale: str) -> _Words:
    """The library's own catalog."""
    from importlib.resources import files

    place = files("ordercore").joinpath("locale", locale, "LC_MESSAGES", "ordercore.po")
    with place.open("rb") as file:
        return _read(file, f"{locale}/ordercore.po")


class Wording:
    """The library's words with a host's own catalogs before them.

    ``catalogs`` gives a PO file, or translations of `gettext` or Babel, for each locale, or several in a row:
    ``Wording({"de": "locale/de.po", "zh_CN": [shop, theme]})``. ``messages`` are the English messages of
    the host's own errors by code, as in `MESSAGES`, or other words for the library's.

    Raises `InvalidDocument` for a catalog that cannot be read, when it is first needed.
    """

    def __init__(
        self,
        catalogs: Mapping[str, Catalog | Sequence[Catalog]] = _NO_CATALOGS,
        messages: Mapping[str, str | Sequence[str]] = _NO_MESSAGES,
    ) -> None:
        self._catalogs: dict[str, tuple[Catalog, ...]] = {}
        many: Iterable[Any]
        for locale, given in catalogs.items():
            try:
                _language(locale)
            except (ValueError, TypeError, AttributeError):
                reason = f"{str(locale)[:_LOCALE_MAX]!r} is no name of a locale: 'zh_CN', 'de'"
                raise InvalidDocument(reason, path="catalogs") from None
            many = given if isinstance(given, list | tuple) else [given]
            self._catalogs[locale] = tuple(many)
        self._messages = {
            code: (given,) if isinstance(given, str) else tuple(given)
            for code, given in messages.items()
        }
        self._known = tuple(dict.fromkeys((*self._catalogs, *_OURS)))
        self._files: dict[str, _Words] = {}

    def translated(self, msgid: str, locale: str | None = ENGLISH, context: str = "") -> str:
        """``msgid`` in the language of ``locale``; as it is where no catalog has it.

        ``context`` tells equal words apart: ``"state"``, ``"event"``, ``"error"``.
        A locale falls back to its language (zh_CN, zh), then to English; ``None`` is English.
        """
        return self._found(msgid, locale or ENGLISH, context) or msgid

    def message(
        self, error: OrdercoreError, locale: str | None = ENGLISH, currency: str = ""
    ) -> str:
        """One sentence about ``error`` for people.

        ``currency`` is that of the order or the cart at hand: errors carry bare minor units,
        and without it the sentence does without amounts. An error class of the host's without a message
        speaks by the library's class above it, and one without any by its reason. ``None`` for a locale is English.
        """
        locale = locale or ENGLISH
        for template in self._templates(type(error)):
            fields = _FIELD.findall(template)
            sentence = self._found(template, locale, _ERROR)
            # An English sentence has English labels and figures in it, whoever reads it.
            spoken_in = locale if sentence or locale[:2] == ENGLISH else ENGLISH
            # A translation may order the fields anew, so they go by name.
            filled = {
                name: self._shown(error, name, kind, spoken_in, currency) for name, kind in fields
            }
            if "" not in filled.values():
                return _filled(sentence or template, filled)
        return error.reason

    def _templates(self, cls: type[OrdercoreError]) -> Sequence[str]:
        for above in cls.__mro__:
            code = vars(above).get("code", "")
            found = self._messages.get(code) or MESSAGES.get(code)
            if found:
                return found
        return ()

    def _found(self, msgid: str, locale: str, context: str) -> str:
        line = _line(locale, self._known)
        for name in line:
            for catalog in self._catalogs.get(name, ()):
                text = self._asked(catalog, msgid, context)
                if text:
                    return text
        for name in line:
            text = _ours(name).get((context, msgid), "") if name in _OURS else ""
            if text:
                return text
        return ""

    def _asked(self, catalog: Catalog, msgid: str, context: str) -> str:
        """What one catalog of the host has, ``""`` for nothing."""
        from gettext import NullTranslations

        if isinstance(catalog, NullTranslations):
            text = catalog.pgettext(context, msgid) if context else catalog.gettext(msgid)
            return "" if text == msgid else str(text)
        source = str(catalog)
        words = self._files.get(source)
        if words is None:
            try:
                with open(catalog, "rb") as file:  # noqa: PTH123 - text or any path-like
                    words = _read(file, source)
            except (OSError, ValueError, TypeError) as error:
                why = getattr(error, "strerror", None) or str(error)
                reason = f"the catalog cannot be read: {why[:1].lower()}{why[1:100]}"
                raise InvalidDocument(reason, path=source, file=source) from None
            self._files[source] = words
        return words.get((context, msgid), "")

    def _shown(
        self, error: OrdercoreError, name: str, kind: str, locale: str, currency: str
    ) -> str:
        """A field of a message as text, ``""`` where the error does not have it."""
        found: object = error.data.get(name)
        if found is None and name in {"reason", "path", "code"}:
            found = getattr(error, name)
        if found is None or found == () or isinstance(found, bool):
            return ""
        if kind == "money":
            return _money(found, currency, locale)
        many: Iterable[object] = found if isinstance(found, tuple) else (found,)
        texts = [str(one)[:_VALUE_MAX] for one in many]
        if kind:
            texts = [self._labeled(text, locale, kind) for text in texts]
        return texts[0] if len(texts) == 1 else _listed(texts, locale)

    def _labeled(self, name: str, locale: str, kind: str) -> str:
        """The label of a state, or of what can be sent: an event of a lifecycle or a command."""
        label = words_of(name)
        contexts = ("event", "command") if kind == "event" else (kind,)
        found = (self._found(label, locale, context) for context in contexts)
        return next((text for text in found if text), label)


def _filled(sentence: str, values: Mapping[str, str]) -> str:
    return _FIELD.sub(lambda met: values.get(met[1], met[0]), sentence)


def _formats(locale: str) -> str:
    """The locale if Babel has its formats, else English."""
    from babel.core import Locale, UnknownLocaleError

    try:
        return str(Locale.parse(locale.replace("-", "_")[:_LOCALE_MAX]))
    except (ValueError, TypeError, UnknownLocaleError):
        return ENGLISH


def _money(found: object, currency: str, locale: str) -> str:
    from ordercore.money import EXPONENTS, format_minor

    if type(found) is not int or currency not in EXPONENTS:
        return ""
    return format_minor(found, currency, _formats(locale))


def _listed(texts: list[str], locale: str) -> str:
    from babel.lists import format_list

    return format_list(texts, locale=_formats(locale))


_WORDING = Wording()


def translated(msgid: str, locale: str | None = ENGLISH, context: str = "") -> str:
    """As `Wording.translated`, with the library's own catalogs alone."""
    return _WORDING.translated(msgid, locale, context)


def message(error: OrdercoreError, locale: str | None = ENGLISH, currency: str = "") -> str:
    """As `Wording.message`, with the library's own catalogs alone.

    >>> from ordercore.errors import OutOfStock
    >>> message(OutOfStock("short", sku="TEA", free=2, asked=3))
    'TEA: 3 asked for, 2 in stock.'
    >>> message(OutOfStock("short", sku="TEA", free=2, asked=3), "zh_CN")
    'TEA 库存不足：需要 3 件，现有 2 件。'
    """
    return _WORDING.message(error, locale, currency)
