"""The customs declaration of a given set of goods: the fields of the forms CN 22 and CN 23.

The forms are those of the Universal Postal Union (Regulations to the Convention). Couriers ask for
the same fields on a commercial invoice. A declaration is made for what is in one parcel, so any
parcels that rebuild an order declare together what the order was sold for.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

import attrs

from ordercore.allocation import share_of_units
from ordercore.errors import InvalidManifest
from ordercore.goods import LineId, Manifest, Quantity
from ordercore.money import exponent
from ordercore.party import Address
from ordercore.pricing.border import AssessedLine, Assessment, Requirement
from ordercore.pricing.cart import Customs
from ordercore.pricing.duty import hs_digits
from ordercore.value import value

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ordercore.pricing.quote import QuoteLine

__all__ = [
    "ContentCategory",
    "CustomsForm",
    "Declaration",
    "DeclaredItem",
    "Gap",
    "declare",
]

_HS_MIN = 6
_LETTER_GRAMS_MAX = 2_000
_NO_CUSTOMS = Customs()


class CustomsForm(enum.Enum):
    """Which form of the Universal Postal Union."""

    __hash__ = object.__hash__

    CN22 = "cn22"
    """The label: letter post up to 2 kg and 300 SDR."""
    CN23 = "cn23"
    """The full form: everything else, and allowed for everything."""


class ContentCategory(enum.Enum):
    """Why the goods travel, as the forms have it."""

    __hash__ = object.__hash__

    SALE_OF_GOODS = "sale_of_goods"
    RETURNED_GOODS = "returned_goods"
    GIFT = "gift"
    COMMERCIAL_SAMPLE = "commercial_sample"
    DOCUMENTS = "documents"
    OTHER = "other"


@value
class DeclaredItem:
    """One article on the form. ``value`` is for all its units, in minor units, without tax and freight.

    ``net_grams`` is 0 where the weight is unknown. ``tax_paid`` says that its tax was charged at the sale.
    """

    line: LineId
    sku: str
    description: str
    quantity: int
    net_grams: int
    value: int
    hs_code: str = ""
    origin: str = ""
    tax_paid: bool = False


@value
class Gap:
    """A field that the declaration needs and does not have: where it belongs, and what."""

    path: str
    requires: Requirement


@value
class Declaration:
    """A filled form. ``total`` is the sum of the items, ``postage`` what was charged for carriage; minor units.

    ``registration`` is the seller's number for tax charged at the sale, set where an item here bore it.
    ``gaps`` is empty for a declaration that can be handed in.
    """

    form: CustomsForm
    number: str
    category: ContentCategory
    sender: Address
    to: Address
    items: tuple[DeclaredItem, ...]
    currency: str
    total: int
    net_grams: int
    gross_grams: int
    postage: int = 0
    registration: str = ""
    sender_reference: str = ""
    importer_reference: str = attrs.field(default="", repr=False)
    personal_id: str = attrs.field(default="", repr=False)
    gaps: tuple[Gap, ...] = ()


def declare(
    lines: Sequence[QuoteLine],
    assessment: Assessment | None,
    goods: Manifest | None,
    currency: str,
    sender: Address,
    to: Address,
    *,
    number: str = "",
    category: ContentCategory = ContentCategory.SALE_OF_GOODS,
    before: Manifest = Manifest(),  # noqa: B008 - a value, and never changed
    gross_grams: int = 0,
    postage: int = 0,
    small: int | None = None,
    sender_reference: str = "",
    importer_reference: str = "",
    personal_id: str = "",
) -> Declaration:
    """Declare ``goods`` of an order's ``lines``; ``None`` is all that ``before`` has left.

    ``before`` is what other parcels declared already: the units of this one follow theirs, so the odd cents of
    a line are declared once, and the declarations of all parcels add up to the declaration of the whole.
    The value of a unit is what was charged for it without tax, and what third parties repay of its discounts
    (`QuoteLine.units`). Lines that ``assessment`` leaves out (services, vouchers) are not declared.

    ``small`` is what 300 SDR are in minor units of ``currency``, for letter post; without it the form is CN 23,
    which is always allowed. ``gross_grams`` 0 takes the goods' own weight.
    ``personal_id`` is the buyer's number with the state, ``importer_reference`` with customs.

    `InvalidManifest` for lines or units that the order does not have. What is missing is no error:
    ``gaps`` lists it.
    """
    exponent(currency)
    assessed = {line.line: line for line in assessment.lines} if assessment is not None else None
    items, gaps = _items(lines, assessed, goods, before)
    requires = assessment.requires if assessment is not None else ()
    asked = (
        (Requirement.PERSONAL_ID, "personal_id", personal_id),
        (Requirement.IMPORTER_ID, "importer_reference", importer_reference),
    )
    gaps += [Gap(path, need) for need, path, given in asked if need in requires and not given]
    if Requirement.REGISTRATION in requires:
        gaps.append(Gap("registration", Requirement.REGISTRATION))
    total = sum(item.value for item in items)
    net_grams = sum(item.net_grams for item in items)
    gross = gross_grams or net_grams
    light = small is not None and total <= small and gross <= _LETTER_GRAMS_MAX
    paid = assessment is not None and any(item.tax_paid for item in items)
    return Declaration(
        CustomsForm.CN22 if light else CustomsForm.CN23,
        number,
        category,
        sender,
        to,
        tuple(items),
        currency,
        total,
        net_grams,
        gross,
        postage,
        assessment.registration if assessment is not None and paid else "",
        sender_reference,
        importer_reference,
        personal_id,
        tuple(gaps),
    )


def _items(
    lines: Sequence[QuoteLine],
    assessed: Mapping[str, AssessedLine] | None,
    goods: Manifest | None,
    before: Manifest,
) -> tuple[list[DeclaredItem], list[Gap]]:
    """The goods as they stand on the form, in the order of the lines, and what their lines lack."""
    known = {line.id for line in lines}
    for path, manifest in (("goods", goods), ("before", before)):
        for name, _ in manifest or ():
            if name not in known:
                raise InvalidManifest(f"no line {name!r}", path=f"{path}[{name}]", line=name)
    items: list[DeclaredItem] = []
    gaps: list[Gap] = []
    for line in lines:
        first = before.units(line.id)
        count = line.quantity - first if goods is None else goods.units(line.id)
        if count < 0 or first + count > line.quantity:
            reason = f"line {line.id!r} has {line.quantity} units, not {first + max(count, 0)}"
            raise InvalidManifest(reason, path=f"goods[{line.id}]", line=line.id)
        if not count or (assessed is not None and line.id not in assessed):
            continue
        found = assessed[line.id] if assessed is not None else None
        item = _item(line, first, Quantity(count), found)
        items.append(item)
        where = f"lines[{line.id}].customs"
        if len(item.hs_code) < _HS_MIN:
            gaps.append(Gap(f"{where}.hs_code", Requirement.HS_CODE))
        if not item.origin:
            gaps.append(Gap(f"{where}.origin", Requirement.ORIGIN))
        if not item.description:
            gaps.append(Gap(f"{where}.description", Requirement.DESCRIPTION))
    return items, gaps


def _item(line: QuoteLine, first: int, count: Quantity, found: AssessedLine | None) -> DeclaredItem:
    customs = line.customs or _NO_CUSTOMS
    worth = line.units(first, count).net
    if line.funded:
        worth += share_of_units(line.funded, line.quantity, first, count)
    return DeclaredItem(
        line.id,
        line.sku,
        customs.description or line.name,
        count,
        line.weight_grams * count,
        worth,
        hs_digits(customs.hs_code),
        customs.origin,
        found is not None and found.collected,
    )
