"""The journal: who, what, when, why, before and after, and the money moved."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.journal.histories import (
    FREELY,
    PERSONAL,
    STANDARD,
    adopted,
    handled,
    histories,
    recorded_of,
    split_off,
    with_every_event,
)
from tests.stored import paid

from ordercore.change import Change
from ordercore.errors import CorruptDocument
from ordercore.journal import (
    SENTENCES,
    journal_of,
    parcels,
    plain,
    regrouping,
    rendering,
    telling,
    text,
    what,
)
from ordercore.journal.rendering import account_name
from ordercore.journal.speech import WORDS, Speech, clean
from ordercore.journal.telling import TOLD, why_of
from ordercore.ledger import AccountKind, check_balanced
from ordercore.lifecycle.charts import BUILT_IN, built_in, versions
from ordercore.lifecycle.table import titled
from ordercore.order import EVENTS, FACTS
from ordercore.order.events import Moved, Reviewed
from ordercore.tender.events import CompensationGranted, RefundRequested
from ordercore.testing import Story, laws, stories
from ordercore.wording import Wording

FIELD = re.compile(r"\{(\w+)(:\w+)?\}")
GERMAN = """
msgctxt "journal"
msgid "Total"
msgstr "Summe"

msgctxt "journal"
msgid "The order was placed: {total:money}."
msgstr "Bestellt für {total:money}."

msgctxt "state"
msgid "Paid"
msgstr "Bezahlt"
"""


# What it says ------------------------------------------------------------------------------------


@given(stories() | histories())
def test_l15_the_journal_gives_the_order(story: Story) -> None:
    """Reading the journal gives the order as it stands, and each entry begins where the last one ended."""
    recorded = recorded_of(story)
    journal = journal_of(recorded, STANDARD)
    assert journal.order == story.order
    laws.replay_gives(story.order, [(told.event, told.at) for told in journal])
    assert journal.recorded == recorded
    before = None
    for entry in journal:
        assert entry.before == before
        before = entry.after
    assert before is not None
    assert before.state == story.order.state
    assert before.due == story.order.due


@given(histories())
def test_l15_every_state_tells_who_moved_it_when_and_why(story: Story) -> None:
    """A state changes by a move alone, and the move names its event, its actor, its time and its reason."""
    journal = journal_of(recorded_of(story), STANDARD)
    told = text(journal)
    for entry in journal.entries[1:]:
        assert entry.before is not None
        event = entry.event
        if not isinstance(event, Moved):
            assert entry.after.state == entry.before.state
            continue
        assert (entry.before.state, entry.after.state) == (event.source, event.to)
        assert entry.why == event.reason
        line = f"{entry.sequence}  {entry.at:%Y-%m-%d %H:%M:%S}  "
        assert line + ("Staff bob" if entry.by.id else "System") in told
        assert f"“{STANDARD.state(event.to).name}”" in what(journal, entry)


@given(stories() | histories())
def test_l9_the_journal_tells_what_was_booked(story: Story) -> None:
    """The entries that the journal tells are those that were written into the books, and each event's balance."""
    journal = journal_of(recorded_of(story))
    for entry in journal:
        check_balanced(entry.booked)
    assert [one for entry in journal for one in entry.booked] == list(story.entries)


@pytest.mark.parametrize(
    "told", [paid.held_story, paid.presale_story, paid.late_story, paid.till_story]
)
def test_l9_the_journal_of_money_tells_what_was_booked(told: Callable[[], list[Change]]) -> None:
    """Whatever became of money, an event told by itself books what it booked among the others of its change."""
    changes = told()
    journal = journal_of([one for change in changes for one in change.recorded()])
    assert journal.order == changes[-1].order
    for entry in journal:
        check_balanced(entry.booked)
    assert [one for entry in journal for one in entry.booked] == [
        one for change in changes for one in change.entries
    ]


def test_the_journal_is_a_sequence_of_what_was_recorded() -> None:
    """An entry answers as the stored event does, and the journal as the sequence of them."""
    recorded = with_every_event()
    journal = journal_of(recorded)
    assert len(journal) == len(recorded)
    for entry, one in zip(journal, recorded, strict=True):
        assert entry.recorded is one
        for name in ("order_id", "sequence", "at", "by", "command", "event"):
            assert getattr(entry, name) is getattr(one, name)
    assert (journal[0].sequence, journal[-1].sequence) == (1, len(recorded))
    assert [entry.sequence for entry in journal[1:3]] == [2, 3]


def test_an_adopted_order_begins_where_it_stood() -> None:
    """The journal of an adopted order begins with its adoption, by whoever adopted it."""
    journal = journal_of(adopted(), STANDARD)
    assert journal[0].before is None
    assert what(journal, journal[0]) == (
        "The order was taken over in the state “Shipped”: CN¥28.00, CN¥0.00 paid before."
    )


# What it refuses -----------------------------------------------------------------------------------


def test_a_journal_without_events_is_refused() -> None:
    """There is no journal of nothing."""
    with pytest.raises(CorruptDocument, match="at least one event"):
        journal_of(())


def test_a_missing_event_is_noticed() -> None:
    """A gap in the numbers of the events is told by its place."""
    recorded = with_every_event()
    with pytest.raises(CorruptDocument, match="event 2 of the order is missing"):
        journal_of((recorded[0], *recorded[2:]))


def test_events_of_two_orders_are_refused() -> None:
    """Events that belong to different orders are no journal."""
    first, second, *_ = with_every_event()
    with pytest.raises(CorruptDocument, match="several orders"):
        journal_of((first, attrs.evolve(second, order_id="o-2")))  # type: ignore[misc]


# Words ---------------------------------------------------------------------------------------------


def test_every_event_has_a_sentence() -> None:
    """The events that the journal can tell are all that there are."""
    assert set(TOLD) == set(EVENTS.values())


def test_every_event_occurs_here() -> None:
    """The history that these tests tell has each event in it."""
    begun = {type(adopted()[0].event), type(split_off()[0].event)}
    assert {type(one.event) for one in with_every_event()} | begun == set(TOLD)


def test_a_reason_is_told_as_why() -> None:
    """Whatever event has a reason, the journal says why it happened."""
    reasoned = {cls for cls in TOLD if "reason" in {field.name for field in attrs.fields(cls)}}
    told = {type(one.event) for one in with_every_event() if why_of(one.event)}
    assert told == reasoned | {CompensationGranted, RefundRequested, Reviewed}


def test_each_sentence_is_said_somewhere() -> None:
    """No sentence waits in the catalog that nothing says, and nothing says one that is not there."""
    code = "".join(map(inspect.getsource, (telling, parcels, regrouping, rendering)))
    said = {name for name in re.findall(r'"(\w+)"', code) if name in SENTENCES}
    assert said == set(SENTENCES)
    assert set(re.findall(r'\b_?(?:say|sentence|_of_parcel)\((?:e, )?"(\w+)"', code)) <= set(
        SENTENCES
    )


def test_each_sentence_is_told_of_something() -> None:
    """The history that these tests tell says each sentence of an event, so each is seen in text and picture."""
    told = {one.name for entry in journal_of(with_every_event()) for one in entry.told}
    for begun in (adopted(), split_off("value")):
        told |= {one.name for entry in journal_of(begun) for one in entry.told}
    assert told == {n for n in SENTENCES if n == "step_overran" or not n.startswith("step_")}


def test_accounts_and_the_timers_of_built_in_lifecycles_have_words() -> None:
    """What a sentence may name by itself is among the words that catalogs translate."""
    charts = [built_in(name, FACTS, version) for name in BUILT_IN for version in versions(name)]
    timers = {titled(rule.name) for chart in charts for rule in chart.timers}
    assert timers | {account_name(account) for account in AccountKind} <= set(WORDS)


def test_each_sentence_can_be_shown() -> None:
    """The kind of each field is one that is known how to be shown."""
    known = set(Speech(None, "EUR")._kinds)
    for template in (*SENTENCES.values(), *WORDS):
        assert {kind[1:] for _, kind in FIELD.findall(template)} <= known, template


def test_the_text_tells_every_event() -> None:
    """Each entry has its sentences in the text, with no field left open."""
    journal = journal_of(with_every_event(), STANDARD)
    told = text(journal)
    assert not FIELD.search(told)
    for entry in journal:
        assert what(journal, entry)
        assert f"   {what(journal, entry)}\n" in told
    for sentence in (
        "“Pay” moved the order from “Pending payment” to “Paid”.",
        "Left: 1 × Tea <green>. Carrier: DHL. Tracking number: JD01.",
        "CN¥5.00 is to go back: 1 × CUP.",
        "Payment began: CN¥1.23 (points), CN¥26.77 (card).",
        "The timer “Confirm” got 3 d more.",
        "The order was moved by hand from “Completed” to “Closed”. Nothing is held for it any more.",
        "“Close”: the order stays in “Closed”. It is closed for good.",
        "Note for the customer: “comes on Friday”",
        "Why: for good",
    ):
        assert sentence in told


def test_the_text_tells_money_that_is_held_and_taken_in_parts() -> None:
    """What was asked, held, taken in part, taken at last and let go are told with their own amounts."""
    changes = paid.held_story()
    told = text(journal_of([one for change in changes for one in change.recorded()]))
    for sentence in (
        "To be held, and taken when goods leave: CN¥300.97 (card).",
        "card cannot take CN¥300.97 now, and took nothing.\n   Why: try again later",
        "other takes over from card: CN¥300.97 asked.",
        "CN¥12.69 is to go back: 1 × Article 2. Only held, so nothing has to be paid back: CN¥11.91.",
        "other: CN¥11.91 is let go, it was only held.",
        "other: CN¥289.06 is held until 2026-05-27 09:30:00 and was not taken; somebody must look.",
        "To be taken: CN¥80.48 (other).",
        "other: CN¥80.48 taken, CN¥208.58 still held.",
        "other: CN¥208.58 taken, CN¥289.06 in all.",
    ):
        assert sentence in told
    assert "other: CN¥300.97 taken." not in told


def test_the_text_tells_money_that_goes_another_way() -> None:
    """A refund that was sent, failed, went another way, and what channels and the shop did beside it."""
    changes = paid.held_story()
    told = text(journal_of([one for change in changes for one in change.recorded()]))
    for sentence in (
        "other: CN¥145.76 is asked back, 2 parts as one.",
        "other: CN¥63.27 cannot go back this way; somebody must look.",
        "CN¥63.27 goes to balance instead of other, as the customer agreed.",
        "balance: CN¥63.27 arrived back.",
        "other: CN¥82.49 is tried once more.",
        "other keeps CN¥1.20 as its fee.",
        "other: CN¥49.70 paid out to the bank, CN¥0.30 kept as a fee.",
        "other: the payer's bank took CN¥10.00 back. other keeps CN¥1.50 for it.",
        "balance: CN¥5.00 is granted to the customer, beside any refund. Approved by staff:clerk-7.",
        "Owed to merchants: CN¥249.22 (farm). Kept as commission: CN¥21.67.",
        "No longer owed to merchants: CN¥75.89 (farm). Commission given up: CN¥6.60.",
    ):
        assert sentence in told


def test_what_is_held_as_agreed_counts_as_paid() -> None:
    """The figure of what was paid counts money that is to be taken later, and does not change when it is taken."""
    changes = paid.held_story()
    journal = journal_of([one for change in changes for one in change.recorded()])
    held = next(entry for entry in journal if ": CN¥300.97 held." in what(journal, entry))
    assert held.before is not None
    assert (held.before.paid, held.after.paid, held.after.due) == (2_000, 32_097, 0)
    assert {entry.after.paid for entry in journal if entry.sequence > held.sequence} == {32_097}


def test_the_text_tells_figures_that_changed() -> None:
    """An entry tells the figures that it changed, from what to what, and what it booked."""
    story = handled()
    story.pay(*_card())
    told = text(journal_of(recorded_of(story), STANDARD))
    assert "Due: CN¥28.00 → CN¥0.00, Paid: CN¥0.00 → CN¥28.00" in told
    assert "Booked: Clearing (card) +CN¥28.00, Advances -CN¥28.00" in told


def test_times_are_told_in_the_readers_zone() -> None:
    """Times are in UTC unless another zone is asked for, and the head says which."""
    journal = journal_of(recorded_of(handled()))
    told = text(journal, zone=ZoneInfo("Asia/Shanghai"))
    assert "Times: UTC\n" in text(journal)
    assert "Times: Asia/Shanghai\n" in told
    assert "2026-05-20 20:00:00" in told
    assert "2026-05-20 20:30:00" in told


def test_without_its_lifecycle_states_are_told_by_their_ids() -> None:
    """A journal can be read when nobody has the lifecycle any more."""
    story = handled()
    story.pay(*_card())
    assert "from “Pending payment” to “Paid”" in text(journal_of(recorded_of(story)))


# Languages -----------------------------------------------------------------------------------------


def test_the_journal_speaks_the_language_of_a_catalog(tmp_path: Path) -> None:
    """Sentences, labels and figures are those of the reader's language, as far as a catalog has them."""
    catalog = tmp_path / "de.po"
    catalog.write_text(GERMAN, "utf-8")
    story = handled()
    story.pay(*_card())
    journal = journal_of(recorded_of(story), STANDARD)
    told = text(journal, "de", wording=Wording({"de": catalog}))
    assert "Bestellt für 28,00\xa0CN¥." in told
    assert "to “Bezahlt”." in told


def test_the_journal_speaks_chinese() -> None:
    """In Chinese every sentence is Chinese; what people wrote stays as it is."""
    chinese = re.compile("[\u4e00-\u9fff]")
    journal = journal_of(with_every_event(), STANDARD)
    for entry in journal:
        assert chinese.search(what(journal, entry, "zh_CN")), entry.event.name
    told = text(journal, "zh_CN")
    assert "总额：¥28.00" in told
    assert "“comes on Friday”" in told


BAD_FIELDS = (
    "{nummer}",
    "{state:xx}",
    "{number:money}",
    "{number:time}",
    "{state:state} {number",
    "{}",
)


@pytest.mark.parametrize("written", BAD_FIELDS)
def test_a_catalog_with_wrong_fields_breaks_no_journal(tmp_path: Path, written: str) -> None:
    """A field that is unknown stays as it is written; one that is shown in another way is shown in the right one."""
    catalog = tmp_path / "de.po"
    head = 'msgctxt "journal"\nmsgid "Order {number}: {state:state}"\nmsgstr "Best '
    catalog.write_text(f'{head}{written}"\n', "utf-8")
    story = handled()
    told = text(journal_of(recorded_of(story)), "de", wording=Wording({"de": catalog}))
    order = story.order
    right = written.replace("{number:money}", order.number).replace("{number:time}", order.number)
    right = right.replace("{state:xx}", "Pending payment")
    right = right.replace("{state:state}", "Pending payment")
    assert told.splitlines()[0] == f"Best {right}"


def test_no_locale_is_english() -> None:
    """A reader whose language nobody knows is told in English."""
    journal = journal_of(adopted())
    assert text(journal, None) == text(journal, "en")  # type: ignore[arg-type]


@given(st.text(max_size=12))
def test_any_locale_gets_an_answer(locale: str) -> None:
    """A locale may come from a browser: one that nobody speaks is answered in English."""
    assert "28.00" in text(journal_of(adopted()), locale)


@pytest.mark.parametrize(
    ("span", "told"),
    [
        (timedelta(0), "0 s"),
        (timedelta(milliseconds=999), "0 s"),
        (timedelta(seconds=61), "1 min 1 s"),
        (timedelta(hours=1, seconds=5), "1 h"),
        (timedelta(days=7), "7 d"),
        (timedelta(days=2, hours=3, minutes=4), "2 d 3 h"),
    ],
)
def test_spans_are_told_by_their_two_largest_units(span: timedelta, told: str) -> None:
    """A span is told to its second largest unit; a smaller one is left out, not rounded up."""
    assert Speech(None, "EUR").span(span) == told


# What is private, and what is hostile -----------------------------------------------------------


def test_nothing_personal_is_told() -> None:
    """No name, address, account, contact or internal note is in the journal, in whatever form."""
    journal = journal_of(with_every_event(), STANDARD)
    assert PERSONAL in str([attrs.asdict(one.event) for one in journal])  # type: ignore[arg-type]
    for told in (text(journal), json.dumps(plain(journal)), repr(journal)):
        assert PERSONAL not in told
    for told in (text(journal), json.dumps(plain(journal))):
        assert FREELY not in told
    assert "comes on Friday" not in repr(journal)


@given(st.text(max_size=60))
def test_what_people_wrote_stays_on_its_line(words: str) -> None:
    """Line ends, control characters and marks of direction in somebody's words change nothing around them."""
    shown = clean(words)
    assert len(shown.splitlines()) <= 1
    shown.encode()  # raises for what UTF-8 cannot hold
    assert not re.search("[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", shown)


def test_fields_in_somebodys_words_are_no_fields() -> None:
    """Braces that somebody wrote are told as they are."""
    from ordercore.order import AddNote

    story = handled()
    story.send(AddNote("{total:money} {x}", shown=True))
    assert "“{total:money} {x}”" in text(journal_of(recorded_of(story)))


# Plain data ----------------------------------------------------------------------------------------


def test_the_plain_journal_is_json() -> None:
    """Plain data goes to JSON and comes back the same; amounts are text in the order's currency."""
    found = plain(journal_of(with_every_event(), STANDARD))
    assert json.loads(json.dumps(found)) == found
    assert (found["order"], found["currency"], found["total"]) == ("o-1", "CNY", "28.00")
    first, *_, last = found["events"]
    assert first["before"] is None
    assert first["after"] == {
        "state": "pending_payment", "total": "28.00", "due": "28.00", "paid": "0.00",
        "refunded": "0.00",
    }  # fmt: skip
    assert (last["by"], last["why"]) == ("staff:bob", "for good")
    assert last["at"].endswith("+00:00")
    booked = [one for event in found["events"] for one in event["booked"]]
    assert {"account": "clearing", "detail": "card", "amount": "26.77"} in booked


def _card() -> tuple[object, ...]:
    from ordercore.tender.tenders import Channel

    return (Channel("card"),)
