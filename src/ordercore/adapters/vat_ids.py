"""Ids of businesses and people, checked by form and check digit with python-stdnum (extra ``validate``).

No register is asked: an id of the right form may belong to nobody, or to somebody who has given up
trading. Where the law wants proof (Directive 2006/112/EC Art. 138 for goods to another
member state), put an adapter of a register such as VIES behind the same port.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import stdnum
from stdnum.ch import uid as ch_uid
from stdnum.cn import ric
from stdnum.eu import vat as eu_vat
from stdnum.gb import vat as gb_vat
from stdnum.no import orgnr as no_orgnr

from ordercore.clock import utc
from ordercore.errors import InvalidInput
from ordercore.pricing.tax import EU_COUNTRIES, VatIdCheck

if TYPE_CHECKING:
    from datetime import datetime

__all__ = ["StdnumVatIds", "check_personal_id", "check_vat_id"]

SOURCE = f"python-stdnum {stdnum.__version__}, format and check digits"
TEXT_MAX = 40  # the longest id has 15 characters; more is noise
_BETWEEN = re.compile(r"[\s.\-/]")
_SWISS = re.compile(r"(CHE[0-9]{9})(?:MWST|TVA|IVA)?")
_NORWEGIAN = re.compile(r"NO([0-9]{9})(?:MVA)?")
_UNION = (EU_COUNTRIES - {"GR"}) | {"EL", "XI"}  # Directive 2006/112/EC, Art. 215


def check_vat_id(vat_id: str, at: datetime) -> VatIdCheck:
    """Check a VAT id of the European Union, Northern Ireland, the UK, Switzerland or Norway.

    The id begins with its country's letters; spaces, points and hyphens do not count. The answer
    has it without them, and its ``country`` by ISO 3166-1: GR for an id that begins with EL, as Greek ids do
    (one that begins with GR is not valid).
    XI (Northern Ireland, which the union takes for a member state in the sale of goods) stays XI.
    An id of another country is not valid, and neither are the numbers of the one-stop shops
    (EU..., IM...), which name a seller's scheme and no buyer.
    """
    moment = utc(at, "at")
    if not isinstance(vat_id, str):
        raise InvalidInput(f"a VAT id is text, not {type(vat_id).__name__}", path="vat_id")
    text = _BETWEEN.sub("", vat_id[:TEXT_MAX].upper())
    prefix = text[:2]
    valid = False
    if len(vat_id) <= TEXT_MAX and text.isascii():
        if prefix in _UNION:
            valid = bool(eu_vat.is_valid(text))
        elif prefix == "GB":
            valid = bool(gb_vat.is_valid(text))
        elif swiss := _SWISS.fullmatch(text):
            valid = bool(ch_uid.is_valid(swiss[1]))
        elif norwegian := _NORWEGIAN.fullmatch(text):
            valid = bool(no_orgnr.is_valid(norwegian[1]))
    known = prefix in _UNION or prefix in {"GB", "CH", "NO"}
    country = {"EL": "GR"}.get(prefix, prefix) if known else ""
    return VatIdCheck(text, country, valid, SOURCE, moment)


def check_personal_id(country: str, number: str) -> bool:
    """Whether the number of a person's id card is well formed: place, birthday, check digit.

    ``country`` is ``"CN"`` (GB 11643-1999, the 18 digits of a resident id), which customs ask of
    whoever buys across the border; `InvalidInput` for another, and for a number that is no text.
    The number is personal data: it is not kept, and no error repeats it.
    """
    if country != "CN":
        named = str(country)[:12]
        reason = f"personal ids of country {named!r} cannot be checked"
        raise InvalidInput(reason, path="country", country=named, known=("CN",))
    if not isinstance(number, str):
        raise InvalidInput(f"a personal id is text, not {type(number).__name__}", path="number")
    return len(number) <= TEXT_MAX and bool(ric.is_valid(number))


class StdnumVatIds:
    """The port `VatIds` by form and check digits alone; see `check_vat_id`."""

    def check(self, vat_id: str, at: datetime) -> VatIdCheck:
        """What the id's form says; `InvalidInput` for a time without a zone."""
        return check_vat_id(vat_id, at)
