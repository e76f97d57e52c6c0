"""Sentences of the journal in a reader's language."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from ordercore.journal.sentence import LISTED_MAX
from ordercore.lifecycle.table import titled
from ordercore.money import format_minor
from ordercore.wording import ENGLISH, Wording

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from ordercore.journal.sentence import Sentence
    from ordercore.lifecycle import Lifecycle
    from ordercore.party import Actor

__all__ = ["Speech", "WORDS", "clean"]

CONTEXT: Final = "journal"
_FIELD: Final = re.compile(r"\{(\w+)(?::(\w+))?\}")
# Control characters, marks that turn the direction of writing, and what UTF-8 or XML cannot hold.
_UNSEEN: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u061c\u2066-\u2069\ud800-\udfff\ufffe\uffff]+"
)
_TEXT_MAX: Final = 2_000
_NAME_MAX: Final = 60

WORDS: Final = (
    # who acts
    "Customer", "Staff", "Channel", "System",
    # heads of the journal
    "Order {number}: {state:state}", "Times: {zone}", "Why: {why}", "Booked: {booked}",
    "Total: {total:money}", "Due: {due:money}", "Paid: {paid:money}", "Refunded: {refunded:money}",
    "{name}: {was:money} → {now:money}", "Total", "Due", "Paid", "Refunded",
    # heads of the picture
    "State", "Payments and refunds", "Goods",
    # lists and spans
    ", ", "{amount:money} ({gateway})", "{units} × {name}", "and {more} more",
    "{n} d", "{n} h", "{n} min", "{n} s",
    # parts of what was agreed
    "Lines", "Charges", "Discounts", "Address", "Coupons", "Taxes", "Pay by",
    # charges
    "Shipping", "Insurance", "Fee", "Duty", "Import tax", "Consumption tax",
    # accounts
    "Clearing", "Points liability", "Stored value liability", "Advances", "Revenue", "Shipping income",
    "Tax payable", "Funded discounts", "Duty collected", "Refunds in transit", "Opening", "Receivable",
    "Cash", "Cash with couriers", "Bank", "Channel fees", "Rounding", "Exchange difference",
    "Deposits held", "Forfeited deposits", "Compensation", "Chargebacks", "Merchant payable",
    # rules that staff may set aside
    "Recover window", "Amend state", "Close owing", "Merge status",
    # timers that the built-in lifecycles name
    "Close", "Remind", "Confirm", "Forfeit", "Open balance", "Remind balance", "Remind opening", "Group",
    "Unreviewed", "Uncollected", "Difference unpaid", "Packing unconfirmed",
)  # fmt: skip
"""What the texts need beside `SENTENCES`: the English words that catalogs translate (context ``journal``)."""


@lru_cache(maxsize=512)
def _kinds_of(template: str) -> Mapping[str, str]:
    """How each field of an English template is shown."""
    return dict(_FIELD.findall(template))


def clean(text: str) -> str:
    """Somebody's words on one line, without characters that could change how the rest is read."""
    return _UNSEEN.sub(" ", text[:_TEXT_MAX]).strip()


class Speech:
    """One language, with what sentences need to know about their order.

    Amounts are shown by CLDR. Where no catalog speaks the language, all is English. Times are
    year-month-day in ``zone``: a journal is sorted and compared, and such times read alike everywhere.
    """

    def __init__(
        self,
        lifecycle: Lifecycle[Any] | None,
        currency: str,
        locale: str = ENGLISH,
        zone: tzinfo = UTC,
        wording: Wording | None = None,
    ) -> None:
        self.lifecycle = lifecycle
        self.currency = currency
        self.locale = locale if isinstance(locale, str) else ENGLISH  # a browser may name none
        self.zone = zone
        self.wording = wording if wording is not None else Wording()
        self.formats = _formats(self.locale) if self.word("Total") != "Total" else ENGLISH
        self._kinds: Mapping[str, Callable[[Any], str]] = {
            "": lambda found: clean(str(found)),
            "money": self.money,
            "time": self.time,
            "span": self.span,
            "state": self.state,
            "event": self.event,
            "item": self.item,
            "step": lambda found: self.word(titled(found), "step"),
            "word": lambda found: self.word(titled(clean(found))),
            "list": lambda found: self.listed([clean(str(one)) for one in found]),
            "parts": lambda found: self.listed([self.word(titled(one)) for one in found]),
            "goods": self.goods,
            "payments": self.payments,
        }

    def word(self, english: str, context: str = CONTEXT) -> str:
        """A word or a template in the language."""
        return self.wording.translated(english, self.locale, context)

    def say(self, sentence: Sentence) -> str:
        """A sentence in the language."""
        return self.fill(sentence.template, dict(sentence.fields))

    def fill(self, template: str, fields: Mapping[str, Any]) -> str:
        """A template in the language, with its fields.

        A translation names fields in any order; how each is shown is the template's to say.
        A field that the template does not have stays as it is written.
        """
        kinds = _kinds_of(template)

        def shown(met: re.Match[str]) -> str:
            kind = kinds.get(met[1])
            return met[0] if kind is None else self._kinds[kind](fields[met[1]])

        return _FIELD.sub(shown, self.word(template))

    def money(self, amount: int) -> str:
        """Minor units of the order's currency."""
        return format_minor(amount, self.currency, self.formats)

    def time(self, at: datetime) -> str:
        """A moment, to the second."""
        return f"{at.astimezone(self.zone):%Y-%m-%d %H:%M:%S}"

    def span(self, span: timedelta) -> str:
        """How long something takes: days and hours, hours and minutes, or minutes and seconds."""
        seconds = abs(span) // timedelta(seconds=1)
        found = []
        for unit, size in (("{n} d", 86_400), ("{n} h", 3_600), ("{n} min", 60), ("{n} s", 1)):
            n, seconds = divmod(seconds, size)
            if n:
                found.append(self.fill(unit, {"n": n}))
            elif found:
                break
            if len(found) == 2:
                break
        return " ".join(found) or self.fill("{n} s", {"n": 0})

    def state(self, state: str) -> str:
        """The label of a state; of one that the lifecycle does not have, its id."""
        chart = self.lifecycle
        name = chart.state(state).name if chart is not None and state in chart.steps else None
        return self.word(clean(titled(state) if name is None else name), "state")

    def event(self, event: str) -> str:
        """The label of a lifecycle's event."""
        chart = self.lifecycle
        name = chart.info(event).name if chart is not None and event in chart.events else None
        return self.word(clean(titled(event) if name is None else name), "event")

    def item(self, status: str) -> str:
        """The label of the status of a single item."""
        items = () if self.lifecycle is None else self.lifecycle.items
        names = [known.name for known in items if known.id == status]
        return self.word(clean(names[0] if names else titled(status)), "item")

    def actor(self, by: Actor) -> str:
        """Who acted: on whose behalf, and the id."""
        kind = self.word(titled(by.kind.value))
        return f"{kind} {clean(by.id)[:_NAME_MAX]}" if by.id else kind

    def goods(self, goods: Iterable[tuple[int, str]]) -> str:
        """Units by name; what has no units is a charge, or a line as such."""
        found = []
        for units, name in goods:
            words = clean(name)[:_NAME_MAX]
            if units:
                found.append(self.fill("{units} × {name}", {"units": units, "name": words}))
            else:
                label = self.word(titled(words))  # a charge has a word of its own
                found.append(words if label == titled(words) else label)
        return self.listed(found)

    def payments(self, payments: Iterable[tuple[int, str]]) -> str:
        """Amounts with their gateways."""
        words = "{amount:money} ({gateway})"
        return self.listed(
            [self.fill(words, {"amount": amount, "gateway": name}) for amount, name in payments]
        )

    def joined(self, sentences: Iterable[str]) -> str:
        """Sentences in a row: scripts with a stop of full width need no space behind it."""
        row = ""
        for sentence in sentences:
            row += sentence if not row or row.endswith("。") else f" {sentence}"
        return row

    def listed(self, texts: Sequence[str]) -> str:
        """Several texts in a row, those beyond the bound as a number."""
        shown = list(texts[:LISTED_MAX])
        if len(texts) > LISTED_MAX:
            shown.append(self.fill("and {more} more", {"more": len(texts) - LISTED_MAX}))
        return self.word(", ").join(shown)


def _formats(locale: str) -> str:
    """The locale if CLDR has its formats, else English."""
    from babel.core import Locale, UnknownLocaleError

    try:
        return str(Locale.parse(locale.replace("-", "_")))
    except (ValueError, TypeError, UnknownLocaleError):
        return ENGLISH
