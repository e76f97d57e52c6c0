"""Messages and labels in the reader's language, and the template of their catalogs.

After a change to `ordercore.wording.MESSAGES`, to a command or to a label of a built-in lifecycle, run
``python tests/test_wording.py`` to write the template anew, then translate what is new in each catalog.
"""

from __future__ import annotations

import re
from gettext import NullTranslations
from io import BytesIO
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po
from babel.support import Translations
from hypothesis import given
from hypothesis import strategies as st

from ordercore import errors
from ordercore.errors import (
    InvalidCart,
    InvalidDocument,
    InvalidTenders,
    NotAllowed,
    OrdercoreError,
    OrderNotFound,
    OutOfStock,
    PriceChanged,
    Refused,
)
from ordercore.journal import SENTENCES
from ordercore.journal.speech import WORDS
from ordercore.lifecycle import VisibleStep, label
from ordercore.lifecycle.charts import BUILT_IN, built_in, versions
from ordercore.lifecycle.table import MERGED, SPLIT
from ordercore.order import FACTS
from ordercore.order.commands import CommandKind
from ordercore.wording import BYTES_MAX, MESSAGES, Wording, message, translated, words_of

ROOT = Path(__file__).parents[1]
LOCALE = ROOT / "src" / "ordercore" / "locale"
TEMPLATE = LOCALE / "ordercore.pot"
CATALOGS = sorted(LOCALE.glob("*/LC_MESSAGES/ordercore.po"))
CLASSES = [cls for cls in vars(errors).values() if isinstance(cls, type)]
ALL = [cls for cls in CLASSES if issubclass(cls, OrdercoreError)]
FIELD = re.compile(r"\{[^}]*\}")
CHINESE = re.compile("[\u4e00-\u9fff]")


def labels() -> dict[tuple[str, str], str]:
    """The labels of every built-in lifecycle in every version, and of the visible steps."""
    found = {}
    for name in BUILT_IN:
        for version in versions(name):
            chart = built_in(name, FACTS, version)
            # an error knows ids alone, so those are labels too
            for state in chart.states:
                found["state", label(chart, state)] = found["state", words_of(state.id)] = ""
            for event in chart.events:
                found["event", label(chart, chart.info(event))] = ""
                found["event", words_of(event)] = ""
            for item in chart.items:
                found["item", label(chart, item)] = ""
            for state in (SPLIT, MERGED):
                found["state", label(chart, chart.state(state))] = ""
    for via in ("split", "rejoin", "merge", "unmerge"):  # past any chart
        found["event", words_of(via)] = ""
    for step in VisibleStep:
        found["step", words_of(step.value)] = ""
    return dict(sorted(found.items(), key=lambda text: text[0][0]))


def wanted() -> dict[tuple[str, str], str]:
    """Every text for people by context and English words, with a note for translators."""
    found = labels()
    for kind in CommandKind:
        found["command", words_of(kind.value)] = ""
    for code, templates in MESSAGES.items():
        for template in templates:
            found.setdefault(("error", template), code)
    for told in (*SENTENCES.values(), *WORDS):
        found.setdefault(("journal", told), "")
    return found


def template() -> bytes:
    """The template of catalogs as the code has it."""
    head = "Texts of ordercore for people. Written by tests/test_wording.py."
    catalog = Catalog(project="ordercore", fuzzy=False, header_comment=f"# {head}")
    for (context, text), note in wanted().items():
        catalog.add(text, context=context, auto_comments=[note] if note else [])
    written = BytesIO()
    write_po(written, catalog, width=0, omit_header=True)
    return f"# {head}\n\n".encode() + written.getvalue()


def entries(path: Path) -> dict[tuple[str, str], str]:
    """What a catalog holds, obsolete entries left out."""
    with path.open("rb") as file:
        read = read_po(file, abort_invalid=True)
    return {
        (entry.context or "", str(entry.id)): str(entry.string)
        for entry in read
        if entry.id and not entry.fuzzy
    }


# Catalogs -------------------------------------------------------------------------------------


def test_the_template_is_what_the_code_says() -> None:
    """The template of catalogs holds every text that the code has for people."""
    assert TEMPLATE.read_bytes() == template()


@pytest.mark.parametrize("path", CATALOGS, ids=lambda path: path.parents[1].name)
def test_each_catalog_translates_every_text(path: Path) -> None:
    """No text of the template is missing in a catalog, and none is empty, fuzzy or out of date."""
    found = entries(path)
    texts = wanted()
    assert [text for text in texts if not found.get(text)] == []
    assert [text for text in found if text not in texts] == []
    assert path.read_text("utf-8").count("\n#~ ") == 0


@pytest.mark.parametrize("path", CATALOGS, ids=lambda path: path.parents[1].name)
def test_a_translation_has_the_same_fields(path: Path) -> None:
    """A translation fills in what the English sentence does, and nothing else."""
    for (context, english), text in entries(path).items():
        if context == "error":
            assert sorted(FIELD.findall(text)) == sorted(FIELD.findall(english)), english


@pytest.mark.parametrize("path", CATALOGS, ids=lambda path: path.parents[1].name)
def test_no_text_stands_twice_in_a_catalog(path: Path) -> None:
    """A text has one translation: the second of two would win unseen."""
    heads = re.findall(r'^msgctxt "(.*)"\nmsgid "(.*)"$', path.read_text("utf-8"), re.MULTILINE)
    assert sorted(heads) == sorted(set(heads))


# Messages of errors ---------------------------------------------------------------------------


def test_each_code_has_messages() -> None:
    """The messages and the codes of the tree are the same set."""
    assert set(MESSAGES) == {cls.code for cls in ALL}


@pytest.mark.parametrize("cls", ALL, ids=lambda cls: cls.__name__)
def test_each_error_speaks_chinese(cls: type[OrdercoreError]) -> None:
    """An error of any class, with no data at all, has a message in Chinese and one in English."""
    chinese, english = message(cls("why"), "zh_CN"), message(cls("why"))
    assert CHINESE.search(chinese)
    assert english.isascii()
    assert english.endswith(".")


@pytest.mark.parametrize("code", MESSAGES)
def test_the_last_message_needs_no_data(code: str) -> None:
    """Whatever an error carries, its class has a sentence: the last one is filled by the reason at most."""
    assert set(FIELD.findall(MESSAGES[code][-1])) <= {"{reason}"}


def test_the_most_telling_message_is_chosen() -> None:
    """Of the sentences of a code, the first counts whose data the error has."""
    assert message(OutOfStock("short", sku="TEA", free=0, asked=3)) == (
        "TEA: 3 asked for, 0 in stock."
    )
    assert message(OutOfStock("short", sku="TEA")) == "TEA is out of stock."
    assert message(OutOfStock("short")) == "The goods are out of stock."


def test_amounts_are_told_where_the_currency_is_known() -> None:
    """Minor units are shown in the currency given, by the reader's own formats, and not without it."""
    error = PriceChanged("x", old=1_000, new=1_250_00)
    assert message(error, "zh_CN", "CNY") == "价格已由 ¥10.00 变为 ¥1,250.00，请重新确认。"
    assert message(error, "en", "JPY").startswith("The price has changed from ¥1,000 to")
    assert message(error, "zh_CN") == "价格已变动，请重新确认。"
    assert message(error, "zh_CN", "ZZZ") == "价格已变动，请重新确认。"
    short = InvalidTenders("x", short=1, due=2)
    assert message(short, currency="EUR") == "€0.02 are due, and the payment is €0.01 short."


def test_what_is_allowed_is_named_by_its_labels() -> None:
    """Commands and states are shown by their labels, in a list as the language writes one."""
    error = NotAllowed("x", state="no_such_state", allowed=("pay", "ship", "cancel"))
    pay, ship, cancel = (translated(word, "zh_CN", "event") for word in ("Pay", "Ship", "Cancel"))
    assert message(error, "zh_CN") == (
        f"订单处于“No such state”状态，不能进行该操作。当前可进行：{pay}、{ship}和{cancel}。"
    )
    assert CHINESE.search(pay)
    assert "Possible now: Pay, Ship, and Cancel." in message(error)
    assert message(NotAllowed("x", state="s", allowed=())) == (
        "This is not possible in the state “S”."
    )


def test_an_english_sentence_is_english_throughout() -> None:
    """A reader whose language no catalog has gets English figures and labels in the English sentence."""
    error = PriceChanged("x", old=1_000, new=2_000)
    assert message(error, "de_AT", "EUR") == message(error, "en", "EUR")


class TooLate(Refused):
    """An error of a host's own."""

    code = "too_late"


def test_a_class_of_the_host_speaks_by_its_own_message_or_the_one_above() -> None:
    """A host gives messages for its own codes; without one, the class above speaks."""
    error = TooLate("the kitchen is closed", until="22:00")
    assert message(error) == "This is not possible now: the kitchen is closed."
    own = Wording(messages={"too_late": ("We close at {until}.", "We are closed.")})
    assert own.message(error) == "We close at 22:00."
    assert own.message(TooLate("x")) == "We are closed."
    assert message(error) == "This is not possible now: the kitchen is closed."


def test_an_error_without_messages_tells_its_reason() -> None:
    """Where no class has a sentence that can be filled, the reason stands."""
    only = Wording(messages={"too_late": "We close at {until}."})
    assert only.message(TooLate("the kitchen is closed")) == "the kitchen is closed"


@given(st.text(), st.text(), st.text(max_size=20))
def test_whatever_an_error_carries_is_text_only(reason: str, sku: str, locale: str) -> None:
    """Data is put in as it is: braces in it are no fields, and any locale gets an answer."""
    error = OutOfStock(reason, sku=sku)
    expected = f"{sku[:200]} is out of stock." if sku else "The goods are out of stock."
    assert message(error) == expected
    assert message(error, locale)


def test_long_data_is_cut() -> None:
    """A value of an error does not make its message longer than it can be read."""
    assert len(message(OrderNotFound("x", order="9" * 10_000))) < 300


# Languages ------------------------------------------------------------------------------------


@pytest.mark.parametrize("locale", ["zh_CN", "zh-CN", "zh", "zh_Hans", "zh-Hans-SG", "zh_CN.UTF-8"])
def test_chinese_goes_by_its_script(locale: str) -> None:
    """Whoever reads simplified characters gets them, by whatever name the language goes."""
    assert translated("Refund", locale, "command") == "退款"


@pytest.mark.parametrize("locale", ["en", "en_US", "fr", "zh_TW", "zh-Hant", "", "??", "x" * 100])
def test_other_languages_fall_back_to_english(locale: str) -> None:
    """A language without a catalog, another script and no language at all get English."""
    assert translated("Refund", locale, "command") == "Refund"


def test_a_text_without_translation_stays() -> None:
    """What no catalog has is shown as it is, and so is a word in a context that it does not have."""
    assert translated("Perfectly unheard of", "zh_CN") == "Perfectly unheard of"
    assert translated("Refund", "zh_CN", "color") == "Refund"


# Catalogs of a host ---------------------------------------------------------------------------

GERMAN = """
msgid ""
msgstr "Content-Type: text/plain; charset=utf-8\\n"

msgctxt "error"
msgid "{sku} is out of stock."
msgstr "{sku} ist ausverkauft."

msgctxt "state"
msgid "Shipped"
msgstr "Versandt"

#, fuzzy
msgctxt "state"
msgid "Closed"
msgstr "Ungenau"

msgid "Hello"
msgstr "Hallo"
"""


@pytest.fixture
def german(tmp_path: Path) -> Path:
    """A PO file of a host."""
    path = tmp_path / "de.po"
    path.write_text(GERMAN, "utf-8")
    return path


def test_a_host_adds_a_language(german: Path) -> None:
    """A catalog of the host's serves its wording and no other; a fuzzy translation does not count."""
    own = Wording({"de": german})
    assert own.message(OutOfStock("x", sku="TEA"), "de_AT") == "TEA ist ausverkauft."
    assert own.translated("Shipped", "de", "state") == "Versandt"
    assert own.translated("Closed", "de", "state") == "Closed"
    assert own.translated("Hello", "de") == "Hallo"
    assert own.translated("Refund", "zh_CN", "command") == "退款"
    assert translated("Shipped", "de", "state") == "Shipped"


def test_a_host_puts_other_words_before_ours(tmp_path: Path) -> None:
    """A host's catalog of a language that we have stands before ours, text by text."""
    path = tmp_path / "zh.po"
    path.write_text('msgctxt "command"\nmsgid "Refund"\nmsgstr "退钱"\n', "utf-8")
    own = Wording({"zh": [str(path)]})
    assert own.translated("Refund", "zh_CN", "command") == "退钱"
    assert own.translated("Cancel", "zh_CN", "command") == "取消"


def test_translations_of_gettext_and_babel_are_catalogs(german: Path) -> None:
    """Translations that a host has loaded already are taken as they are."""
    with german.open("rb") as file:
        catalog = read_po(file)
    compiled = BytesIO()
    write_mo(compiled, catalog)
    compiled.seek(0)
    own = Wording({"de": [NullTranslations(), Translations(compiled)]})
    assert own.translated("Shipped", "de", "state") == "Versandt"
    assert own.translated("Hello", "de") == "Hallo"
    assert own.translated("Bye", "de") == "Bye"


def test_english_can_be_said_in_other_words(tmp_path: Path) -> None:
    """A host may change an English sentence by a catalog of English."""
    path = tmp_path / "en.po"
    text = 'msgctxt "error"\nmsgid "{sku} is out of stock."\nmsgstr "We ran out of {sku}."\n'
    path.write_text(text, "utf-8")
    assert (
        Wording({"en": path}).message(OutOfStock("x", sku="TEA"), "en_GB") == "We ran out of TEA."
    )


def test_a_catalog_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    """A missing file, one that is no PO file, and one that is too long are refused when first needed."""
    broken, long = tmp_path / "broken.po", tmp_path / "long.po"
    broken.write_text('msgid "a"\nmsgstr "b"\nand so on\n', "utf-8")
    long.write_bytes(b"#" * (BYTES_MAX + 1))
    for path, words in (
        (tmp_path / "none.po", "the catalog cannot be read: no such file or directory"),
        (broken, "it is no PO file"),
        (long, "a catalog has at most 4194304 bytes"),
    ):
        own = Wording({"de": path})
        with pytest.raises(InvalidDocument) as caught:
            own.translated("a", "de")
        assert caught.value.reason.startswith(words)
        assert str(path) in caught.value.path


def test_a_catalog_for_no_locale_is_refused(german: Path) -> None:
    """A key that is no name of a locale would never be asked: it is refused at once."""
    with pytest.raises(InvalidDocument) as caught:
        Wording({"German!": german})
    assert caught.value.path == "catalogs"


LINES = st.sampled_from(
    ['msgid "a"', 'msgstr "b"', 'msgctxt "c"', '"more"', "msgstr[9 x", "#, fuzzy", "#~ msgid", '"']
)


@given(content=st.binary(max_size=100) | st.lists(LINES).map("\n".join).map(str.encode))
def test_whatever_a_file_holds_the_errors_are_ours(
    content: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """No content of a file raises an error of another kind."""
    path = tmp_path_factory.mktemp("po") / "any.po"
    path.write_bytes(content)
    try:
        found = Wording({"de": path}).translated("a", "de")
    except InvalidDocument:
        return
    assert isinstance(found, str)


def test_a_message_tells_where() -> None:
    """Input that is wrong is told with its place, where the error knows one."""
    told = message(InvalidCart("price a cart", path="lines[2].quantity"))
    assert told == "The cart cannot be priced: price a cart (lines[2].quantity)."


def test_no_locale_is_english() -> None:
    """A reader whose language nobody knows is answered in English."""
    error = OutOfStock("short", sku="TEA", free=2, asked=3)
    assert message(error, None) == message(error, "en")
    assert translated("Paid", None, "state") == "Paid"


if __name__ == "__main__":
    TEMPLATE.write_bytes(template())
