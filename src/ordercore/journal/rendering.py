"""The journal and the steps as text for people, and as plain data for machines."""

from __future__ import annotations

from datetime import UTC, tzinfo
from typing import TYPE_CHECKING, Any

from ordercore.journal.sentence import Sentence
from ordercore.journal.speech import Speech, clean
from ordercore.journal.steps import StepStanding
from ordercore.ledger import AccountKind
from ordercore.lifecycle.table import titled
from ordercore.money import decimal_text
from ordercore.wording import ENGLISH

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from ordercore.journal.record import Journal, JournalEntry, Position
    from ordercore.journal.steps import Progress, StepProgress
    from ordercore.ledger import Entry
    from ordercore.lifecycle import Lifecycle
    from ordercore.order import Order
    from ordercore.wording import Wording

__all__ = ["plain", "steps_plain", "steps_text", "text", "what"]

FIGURES = ("total", "due", "paid", "refunded")
"""The figures of a position, in the order in which they are told."""


def _speech(journal: Journal, locale: str, zone: tzinfo, wording: Wording | None) -> Speech:
    return Speech(journal.lifecycle, journal.order.currency, locale, zone, wording)


def what(
    journal: Journal,
    entry: JournalEntry,
    locale: str = ENGLISH,
    *,
    zone: tzinfo = UTC,
    wording: Wording | None = None,
) -> str:
    """What happened by one entry of the journal, in one or a few sentences."""
    return _told(_speech(journal, locale, zone, wording), entry)


def _told(speech: Speech, entry: JournalEntry) -> str:
    return speech.joined([speech.say(sentence) for sentence in entry.told])


# Text ------------------------------------------------------------------------------------------


def text(
    journal: Journal,
    locale: str = ENGLISH,
    *,
    zone: tzinfo = UTC,
    wording: Wording | None = None,
) -> str:
    """The journal as text: an entry tells when, who, what, why, which figures changed, and what was booked.

    English where no catalog speaks ``locale``; a host's own catalogs stand in ``wording``.
    """
    order = journal.order
    speech = _speech(journal, locale, zone, wording)
    fields = {"number": order.number, "state": order.state}
    lines = [speech.fill("Order {number}: {state:state}", fields)]
    lines.append(_figures(speech, None, journal.entries[-1].after))
    lines.append(speech.fill("Times: {zone}", {"zone": str(zone)}))
    for entry in journal:
        command = f" ({clean(entry.command)})" if entry.command else ""
        who = f"{speech.actor(entry.by)}{command}"
        lines += ["", f"{entry.sequence}  {speech.time(entry.at)}  {who}"]
        lines += [f"   {line}" for line in _entry(speech, entry)]
    return "\n".join(lines) + "\n"


def _entry(speech: Speech, entry: JournalEntry) -> list[str]:
    lines = [_told(speech, entry)]
    if entry.why:
        lines.append(speech.fill("Why: {why}", {"why": entry.why}))
    changes = _figures(speech, entry.before, entry.after)
    if changes:
        lines.append(changes)
    if entry.booked:
        booked = speech.listed([_booked(speech, one) for one in entry.booked])
        lines.append(speech.fill("Booked: {booked}", {"booked": booked}))
    return lines


def _figures(speech: Speech, before: Position | None, after: Position) -> str:
    """The figures that changed; all of them where there are none before."""
    found = []
    for name in FIGURES:
        now = getattr(after, name)
        was = None if before is None else getattr(before, name)
        if was is None:
            found.append(speech.fill(f"{titled(name)}: {{{name}:money}}", {name: now}))
        elif was != now:
            words = {"name": speech.word(titled(name)), "was": was, "now": now}
            found.append(speech.fill("{name}: {was:money} → {now:money}", words))
    return speech.word(", ").join(found)


def account_name(account: AccountKind) -> str:
    """The English name of an account of the books."""
    if account is AccountKind.COD_WITH_COURIERS:
        return "Cash with couriers"
    return titled(account.value)


def _booked(speech: Speech, entry: Entry) -> str:
    """An entry of the books: a debit is above zero."""
    name = speech.word(account_name(entry.account))
    detail = f" ({clean(entry.detail)})" if entry.detail else ""
    sign = "+" if entry.amount > 0 else ""
    return f"{name}{detail} {sign}{speech.money(entry.amount)}"


# Plain data ------------------------------------------------------------------------------------


def plain(journal: Journal) -> dict[str, Any]:
    """The journal as data for JSON: amounts as decimal text, times in UTC by ISO 8601, sentences in English."""
    order = journal.order
    speech = Speech(journal.lifecycle, order.currency)
    return {
        "order": order.id,
        "number": order.number,
        "shop": order.shop,
        "lifecycle": order.content.lifecycle,
        "lifecycle_version": order.content.lifecycle_version,
        "currency": order.currency,
        **_position(journal.entries[-1].after, order.currency),
        "events": [_plain(speech, entry, order.currency) for entry in journal],
    }


def _plain(speech: Speech, entry: JournalEntry, currency: str) -> dict[str, Any]:
    return {
        "sequence": entry.sequence,
        "at": _iso(entry.at),
        "by": str(entry.by),
        "command": entry.command,
        "event": entry.event.name,
        "schema": entry.event.schema,
        "what": _told(speech, entry),
        "why": clean(entry.why),
        "before": None if entry.before is None else _position(entry.before, currency),
        "after": _position(entry.after, currency),
        "booked": [
            {
                "account": booked.account.value,
                "detail": booked.detail,
                "amount": decimal_text(booked.amount, currency),
            }
            for booked in entry.booked
        ],
    }


def _position(position: Position, currency: str) -> dict[str, str]:
    amounts = {name: decimal_text(getattr(position, name), currency) for name in FIGURES}
    return {"state": position.state, **amounts}


def _iso(at: datetime) -> str:
    return at.astimezone(UTC).isoformat()


# The six steps ---------------------------------------------------------------------------------


def steps_text(
    progress: Progress,
    lifecycle: Lifecycle[Order] | None = None,
    locale: str = ENGLISH,
    *,
    zone: tzinfo = UTC,
    wording: Wording | None = None,
) -> str:
    """The six steps as text, one a line."""
    speech = Speech(lifecycle, "", locale, zone, wording)
    return "".join([f"{_step(speech, one)}\n" for one in progress.steps])


def _step(speech: Speech, one: StepProgress) -> str:
    fields = {"step": one.step.value, "spent": one.spent}
    if one.standing is StepStanding.CURRENT:
        told = [_sentence("step_current", at=one.started, **fields)]
    elif one.standing is StepStanding.AHEAD:
        told = [_sentence("step_ahead", **fields)]
    elif one.standing is StepStanding.DONE:
        told = [_sentence("step_took" if one.spent else "step_done", **fields)]
    else:
        told = [_sentence("step_left" if one.started else "step_skipped", **fields)]
    if one.overran and one.target is not None:
        told.append(_sentence("step_over", target=one.target))
    elif one.overran:
        told.append(_sentence("step_over_then"))
    elif one.target is not None and one.standing is not StepStanding.SKIPPED:
        told.append(_sentence("step_target", target=one.target))
    return speech.joined([speech.say(sentence) for sentence in told])


def _sentence(name: str, **fields: Any) -> Sentence:
    return Sentence(name, tuple(fields.items()))


def steps_plain(progress: Progress) -> dict[str, Any]:
    """The six steps as data for JSON: spans in whole seconds, times in UTC by ISO 8601."""
    return {
        "order": progress.order_id,
        "current": None if progress.current is None else progress.current.value,
        "since": _iso(progress.since),
        "until": _iso(progress.until),
        "aside_seconds": _seconds(progress.aside),
        "steps": [
            {
                "step": one.step.value,
                "standing": one.standing.value,
                "started": None if one.started is None else _iso(one.started),
                "ended": None if one.ended is None else _iso(one.ended),
                "spent_seconds": _seconds(one.spent),
                "target_seconds": None if one.target is None else _seconds(one.target),
                "overran": one.overran,
            }
            for one in progress.steps
        ],
    }


def _seconds(span: timedelta) -> int:
    return span.days * 86_400 + span.seconds
