"""From a cart to its quote: one pass, exact, reconciled.

The order of application is fixed: list price (of the destination, in the cart's currency), the line's own
discounts, the layers of promotions, the order's own discounts (shared over lines by what remains of each),
domestic freight, shipping and fees, the border, tax, duty. What each step took is told by `explain`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, NoReturn

from ordercore.allocation import RemainderRule
from ordercore.clock import utc
from ordercore.errors import (
    InvalidCart,
    InvalidInput,
    InvalidPolicy,
    OrdercoreError,
    RateUnavailable,
)
from ordercore.goods import LineId
from ordercore.money import MINOR_MAX, Rounding, checked_minor, divide, exponent
from ordercore.pricing.basket import Basket, BasketLine
from ordercore.pricing.cart import Cart, CartLine, ChargeKind, Funder, GoodsKind
from ordercore.pricing.coupon import RefusalReason, RefusedCoupon
from ordercore.pricing.discount import AppliedDiscount, checked, shared, worked
from ordercore.pricing.exchange import RatePurpose, check_rate, convert, rate_for
from ordercore.pricing.facts import NO_FACTS, PricingFacts
from ordercore.pricing.presale import EXPANSION, check_deposit, deposit_of
from ordercore.pricing.priced import Priced, Pricing, check_cart, extra_text
from ordercore.pricing.promoting import promote
from ordercore.pricing.promotion import Spread
from ordercore.pricing.quote import (
    SHIPPING,
    PricingPolicy,
    Quote,
    QuoteCharge,
    QuoteLine,
    TaxTotal,
)
from ordercore.pricing.tax import (
    PriceBasis,
    RoundedFigure,
    RoundingScope,
    ShippingTax,
    TaxTreatment,
)
from ordercore.pricing.taxing import (
    Levy,
    PlainRates,
    Supply,
    TaxableRow,
    bears_none,
    included_ppm,
    levies,
    rebased,
    rebased_charge,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from ordercore.pricing.border import Assessment
    from ordercore.pricing.cart import Presale
    from ordercore.pricing.exchange import Conversion

__all__ = ["CODES_MAX", "LINES_MAX", "quote"]

LINES_MAX = 10_000
"""Most lines of one cart, with the components of bundles."""
CODES_MAX = 20
"""Most coupon codes of one cart."""
DUTIES: Mapping[ChargeKind, tuple[LineId, str]] = {
    ChargeKind.DUTY: (LineId("duty"), "Duty"),
    ChargeKind.CONSUMPTION_TAX: (LineId("consumption-tax"), "Consumption tax"),
    ChargeKind.IMPORT_TAX: (LineId("import-tax"), "Import tax"),
}
"""The charges of a border, by kind: their ids and names."""
_OWN_IDS = frozenset({SHIPPING, *[name for name, _ in DUTIES.values()]})
_MERCHANT = Funder.MERCHANT
_GIFT_CARD = GoodsKind.MULTI_PURPOSE_VOUCHER
_LINE, _TAX, _OWN = RoundingScope.LINE, RoundedFigure.TAX, ShippingTax.OWN
_NET = Spread.NET
_new = tuple.__new__


def quote(cart: Cart, policy: PricingPolicy, at: datetime, facts: PricingFacts = NO_FACTS) -> Quote:
    """Price ``cart`` by ``policy`` at the moment ``at``; nothing is asked and nothing is written anywhere.

    ``facts`` are what the outside was asked before: coupons, exchange rates, a checked VAT id, ...
    Raises `InvalidCart`, `InvalidMoney` or `InvalidQuantity` with the path of what is wrong,
    `RateUnavailable` where an exchange rate is needed and missing or stale.
    """
    if not isinstance(cart, Cart):
        raise InvalidCart(f"a {type(cart).__name__} is no cart", path="cart")
    if type(policy) is not PricingPolicy or type(facts) is not PricingFacts:
        wrong = "policy" if type(policy) is not PricingPolicy else "facts"
        raise InvalidInput(f"it is no Pricing{wrong.capitalize()}", path=wrong)
    if type(at) is not datetime or at.tzinfo is not UTC:
        at = utc(at, "at")  # a stored quote keeps no other zone, and must meet the same day's rates
    try:
        return _Pass(cart, policy, at, facts).quote()
    except OrdercoreError as error:
        if isinstance(error, InvalidPolicy) or error.path == "at" or error.path[:5] == "facts":
            raise  # its path is not one of the cart
        raise error.at("cart") from None
    except (TypeError, AttributeError, ValueError, KeyError, ArithmeticError):
        from ordercore.pricing.checking import check_types

        check_types(cart, policy, facts)  # tells the first field that is not of its type
        raise


class _Pass:
    """One run over one cart; each step leaves what the next needs."""

    __slots__ = (
        "applied",
        "at",
        "border",
        "cart",
        "charges",
        "day",
        "facts",
        "funded",
        "off_line",
        "off_order",
        "policy",
        "priced",
        "refused",
        "to",
        "until",
    )  # fmt: skip

    def __init__(
        self, cart: Cart, policy: PricingPolicy, at: datetime, facts: PricingFacts
    ) -> None:
        self.cart = cart
        self.policy = policy
        self.at = at
        self.day = policy.tax.day(at)
        self.facts = facts
        self.applied: list[AppliedDiscount] = []
        self.refused: list[RefusedCoupon] = []
        self.border: Assessment | None = None
        try:
            self.until = at + policy.quote_valid
        except OverflowError:
            raise InvalidInput("the time is beyond the calendar", path="at") from None

    def quote(self) -> Quote:
        cart, policy = self.cart, self.policy
        exponent(cart.currency)
        check_cart(cart)
        self.to = cart.address.destination()
        self._price()
        if policy.layers or cart.codes:
            self._promote()
        if cart.discounts:
            self._discount_order()
        if cart.presale is not None:
            self._expand(cart.presale)
        if self._usual():
            found_plainly = self._built_plainly()
            if found_plainly is not None:
                return found_plainly
        rows = self._rows()
        if policy.border is not None:
            from ordercore.pricing.crossing import Crossing  # a domestic shop has none

            rows, found, self.border = Crossing(
                cart, policy, policy.border, self.at, self.facts, self.to, self.priced,
                self.charges, rows,
            ).crossed()  # fmt: skip
        else:
            found = levies(
                rows, policy.tax, self.to, self.day, vat_id=self.facts.vat_id,
                exempt=bool(cart.shopper.exempt), external=self.facts.tax,
            )  # fmt: skip
        return self._built(rows, found)

    # --- Prices ------------------------------------------------------------------------------

    def _price(self) -> None:
        """Each line by itself."""
        cart, policy, tax = self.cart, self.policy, self.policy.tax
        if not 0 < len(cart.lines) <= LINES_MAX:
            reason = f"a cart has 1 to {LINES_MAX} lines, not {len(cart.lines)}"
            raise InvalidCart(reason, path="lines")
        for i, rate in enumerate(self.facts.rates):
            check_rate(rate, policy.exchange, self.at, f"facts.rates[{i}]")
        pricing = Pricing(
            cart.currency, policy.discount_rounding, tax.prices_include_tax, policy,
            self.facts.rates, self._rebase if self._moves() else None,
        )  # fmt: skip
        priced = self.priced = pricing.lines(cart.lines, self.applied)
        ids = {half.id for half in priced}
        if len(ids) != len(priced) or not ids.isdisjoint(_OWN_IDS):
            _complain_of_ids(priced)
        if len(priced) > LINES_MAX:
            reason = f"with the components of bundles a cart has at most {LINES_MAX} lines"
            raise InvalidCart(reason, path="lines")
        self.charges = pricing.charges(cart, ids | _OWN_IDS, self._rebased_charge)
        self.off_line = [half.discount for half in priced]
        self.off_order = [0] * len(priced)
        self.funded = [half.funded for half in priced]

    def _rebase(self, amount: int, category: str, kind: GoodsKind) -> tuple[int, bool]:
        """A price that includes the home country's tax, as it stands at the destination,
        and whether tax is still inside."""
        tax, facts, exempt = self.policy.tax, self.facts, bool(self.cart.shopper.exempt)
        without = self._without(kind)
        found = rebased(
            amount, category, kind, tax, self.to, self.day, vat_id=facts.vat_id, exempt=exempt,
            export=without,
        )  # fmt: skip
        return found, not (without or bears_none(kind, tax, self.to, facts.vat_id, exempt=exempt))

    def _rebased_charge(self, amount: int, category: str) -> tuple[int, bool]:
        """The same for a charge, by the rates that will tax it."""
        tax, without = self.policy.tax, self._without(GoodsKind.GOODS)
        inside = tax.prices_include_tax
        supplies = [
            Supply(
                half.line.tax_category, half.listed - half.discount + half.freight, half.line.kind,
                inside if half.line.tax_included is None else half.line.tax_included, half.included,
            )
            for half in self.priced
        ]  # fmt: skip
        found = rebased_charge(
            amount, category, supplies, tax, self.to, self.day, vat_id=self.facts.vat_id,
            exempt=bool(self.cart.shopper.exempt), export=without,
        )  # fmt: skip
        return found, not without

    def _moves(self) -> bool:
        """Whether a price with tax inside may be another at the destination."""
        return (
            self.policy.tax.abroad is PriceBasis.NET_FIXED
            or self.facts.vat_id is not None
            or bool(self.cart.shopper.exempt)
        )

    def _without(self, kind: GoodsKind) -> bool:
        """Whether a price of ``kind`` has no tax inside, since the goods cross a border at their net."""
        tax, border = self.policy.tax, self.policy.border
        if border is None or tax.abroad is PriceBasis.GROSS_FIXED:
            return False
        from ordercore.pricing.crossing import sold_without_tax  # a domestic shop has none

        return sold_without_tax(kind, tax, border, self.to, self.at.date())

    # --- Discounts ---------------------------------------------------------------------------

    def _promote(self) -> None:
        """The layers of promotions, on a basket made of the lines as they are."""
        cart, policy = self.cart, self.policy
        codes = cart.codes
        if len(codes) > CODES_MAX:
            raise InvalidCart(f"codes are a tuple of at most {CODES_MAX} texts", path="codes")
        if any(type(code) is not str for code in codes):
            raise InvalidCart("a code is a text", path="codes")
        if not policy.layers:
            self.refused += [RefusedCoupon(code, RefusalReason.UNKNOWN) for code in codes]
            return
        basket = self._basket()
        applied, self.refused = promote(basket, policy.layers, self.facts.coupons, codes)
        self.applied += applied
        found = basket.lines
        self.off_line = [a + line.off_line for a, line in zip(self.off_line, found, strict=True)]
        self.off_order = [line.off_order for line in found]
        self.funded = [a + line.funded for a, line in zip(self.funded, found, strict=True)]
        if basket.shipping_off:
            first = self.charges[0]
            self.charges[0] = first._replace(
                amount=first.amount - basket.shipping_off,
                discount=basket.shipping_off,
                funded=basket.shipping_funded,
            )

    def _basket(self) -> Basket:
        cart, policy = self.cart, self.policy
        by_net = False
        for layer in policy.layers:
            for promotion in layer.promotions:
                if promotion.spread is _NET:
                    by_net = True
        lines = []
        for half in self.priced:
            (
                line, name, unit, listed, discount, _, included, floor, _, bundle, _, _, points, moved,
                sold_as,
            ) = half  # fmt: skip
            inside = self._inside(line.tax_category) if by_net and included else 0
            lines.append(
                BasketLine(
                    name, line.sku, line.name, line.category, line.brand, line.kind, bundle,
                    line.quantity, unit, listed, listed - discount, floor, line, inside, 0, 0, 0,
                    points, self._shown(line) if moved else None, sold_as,
                )
            )  # fmt: skip
        shipping = self.charges[0].amount if cart.shipping is not None else None
        return Basket(
            cart.currency, lines, self.at, kind=cart.kind, shop=cart.shop, country=self.to.country,
            customer=cart.customer.id, shopper=cart.shopper, shipping=shipping,
            rounding=policy.discount_rounding, remainder=policy.discount_remainder,
        )  # fmt: skip

    def _shown(self, line: CartLine) -> Callable[[int], int]:
        """What turns a unit price of the catalog into the destination's."""
        return lambda unit: self._rebase(unit, line.tax_category, line.kind)[0]

    def _inside(self, category: str) -> int:
        """The rate at the destination, in ppm; 0 where there is none."""
        try:
            return included_ppm(category, self.policy.tax, self.to, self.day)
        except InvalidCart:
            return 0

    def _discount_order(self) -> None:
        """The cart's own discounts, shared over the lines by what remains of each."""
        cart, policy, off_order = self.cart, self.policy, self.off_order
        left = self._left()
        floors = [half.floor for half in self.priced]
        floored = any(floors)
        rule = policy.discount_remainder
        for place, off in enumerate(checked(cart.discounts)):
            rooms, whole = left, sum(left)
            room = whole
            if floored:
                rooms = [max(here - low, 0) for here, low in zip(left, floors, strict=True)]
                room = sum(rooms)
            ppm, asked, given = worked(
                off, place, whole, room, cart.currency, policy.discount_rounding
            )
            parts = tuple(shared(given, left, rooms, rule))
            if rule is RemainderRule.KEPT_APART:
                given = sum(parts)  # the odd cent is not given
            funded = off.funder is not _MERCHANT
            for i, part in enumerate(parts):
                left[i] -= part
                off_order[i] += part
                if funded:
                    self.funded[i] += part
            self.applied.append(
                AppliedDiscount("", off.label, ppm, asked, given, parts, funder=off.funder)
            )

    def _left(self) -> list[int]:
        """What remains of each line that may be lowered. Money sold at a discount is no discount:
        gift cards keep their price."""
        return [
            0 if half.line.kind is _GIFT_CARD else half.listed - own - part
            for half, own, part in zip(self.priced, self.off_line, self.off_order, strict=True)
        ]

    def _expand(self, presale: Presale) -> None:
        """What a deposit counts beyond itself comes off the goods last, as a discount of the seller's."""
        asked = deposit_of(presale, self.cart.currency).expansion
        if not asked:
            return
        left = self._left()
        rooms = [max(here - half.floor, 0) for here, half in zip(left, self.priced, strict=True)]
        if sum(rooms) < asked:
            reason = "the goods cannot be lowered by what the deposit counts beyond itself"
            raise InvalidCart(reason, path="presale.counts", expansion=asked, room=sum(rooms))
        rooms = left if rooms == left else rooms
        parts = tuple(shared(asked, left, rooms, RemainderRule.LARGEST_FRACTION))
        self.off_order = [a + b for a, b in zip(self.off_order, parts, strict=True)]
        self.applied.append(AppliedDiscount("", EXPANSION, 0, asked, asked, parts, layer=EXPANSION))

    # --- Tax ---------------------------------------------------------------------------------

    def _rows(self) -> list[TaxableRow]:
        """Lines, then charges, as tax sees them."""
        off_line, off_order, funded = self.off_line, self.off_order, self.funded
        rows: list[TaxableRow] = []
        for i, half in enumerate(self.priced):
            line = half.line
            amount = half.listed - off_line[i] - off_order[i] + half.freight
            rows.append(
                _new(
                    TaxableRow,
                    (half.id, line.tax_category, amount, funded[i], line.quantity, half.included,
                     line.kind, None),
                )
            )  # fmt: skip
        rows += [
            TaxableRow(
                charge.id, charge.category, charge.amount, charge.funded, 0, charge.included,
                None, None,
            )
            for charge in self.charges
        ]  # fmt: skip
        return rows

    # --- The usual quote ----------------------------------------------------------------------

    def _usual(self) -> bool:
        """Whether each row is taxed by one rate of its own, rounded by itself: as most shops do.

        Then rows are taxed and built in one loop, which costs a third less. A test holds that both ways
        give the same quote.
        """
        tax, facts = self.policy.tax, self.facts
        return (
            tax.scope is _LINE
            and tax.rounded is _TAX
            and tax.charges is _OWN
            and facts.tax is None
            and facts.vat_id is None
            and self.policy.border is None
            and not self.cart.shopper.exempt
        )

    def _built_plainly(self) -> Quote | None:
        """The quote; ``None`` where a row is not plain after all (several components, a voucher)."""
        sums: dict[tuple[int, str, TaxTreatment], list[int]] = {}
        rates = PlainRates(self.policy.tax, self.to, self.day, sums)
        rounding = self.policy.tax.rounding
        half_up = (
            rounding is Rounding.HALF_UP
        )  # a call for each line would cost as much as the rest
        lines: list[QuoteLine] = []
        subtotal = discount = tax = net = 0
        for half, own, part, funded in zip(
            self.priced, self.off_line, self.off_order, self.funded, strict=True
        ):
            (
                line, name, unit, listed, _, freight, inside, _, _, bundle, attributes, extra, _, _, _
            ) = half  # fmt: skip
            category = line.tax_category
            rate = rates.get(category) or rates.find(category, f"lines[{len(lines)}].tax_category")
            if rate is None or line.kind is _GIFT_CARD:
                return None
            ppm, under, why, both = rate
            amount = listed - own - part + freight
            if not inside:
                under = 1_000_000
            if half_up:
                levied = (2 * (amount + funded) * ppm + under) // (2 * under)
            else:
                levied = divide((amount + funded) * ppm, under, rounding)
            rest = amount - levied if inside else amount
            lines.append(
                QuoteLine(
                    name, line.sku, line.name, line.quantity, unit, listed, own, part, freight,
                    amount, category, ppm, inside, levied, rest, rest + levied, line.category,
                    line.weight_grams, line.source_url, attributes, extra, funded, (), why,
                    line.customs, bundle, line.merchant,
                )
            )  # fmt: skip
            subtotal += listed
            discount += own + part
            tax += levied
            net += rest
            both[0] += rest + funded
            both[1] += levied
        charges = self._charges_plainly(rates)
        if charges is None:
            return None
        for charge in charges:
            discount += charge.discount
            tax += charge.tax
            net += charge.net
        return self._summed(tuple(lines), charges, sums, (subtotal, discount, tax, net))

    def _charges_plainly(self, rates: PlainRates) -> tuple[QuoteCharge, ...] | None:
        """Shipping and fees of the usual quote; ``None`` for one of several components."""
        charges: list[QuoteCharge] = []
        rounding = self.policy.tax.rounding
        first = 1 if self.cart.shipping is not None else 0
        for i, charge in enumerate(self.charges):
            name, text, kind, amount, off, funded, category, inside = charge
            where = f"fees[{i - first}]" if i >= first else "shipping"
            rate = rates.get(category) or rates.find(category, f"{where}.tax_category")
            if rate is None:
                return None
            ppm, under, why, both = rate
            levied = divide((amount + funded) * ppm, under if inside else 1_000_000, rounding)
            rest = amount - levied if inside else amount
            charges.append(
                QuoteCharge(
                    name, text, amount, category, ppm, inside, levied, rest, rest + levied, kind,
                    off, funded, (), why,
                )
            )  # fmt: skip
            both[0] += rest + funded
            both[1] += levied
        return tuple(charges)

    # --- Any quote ---------------------------------------------------------------------------

    def _built(self, rows: list[TaxableRow], found: list[Levy]) -> Quote:
        """Lines, charges and their sums, each line built once."""
        off_line, off_order = self.off_line, self.off_order
        lines: list[QuoteLine] = []
        subtotal = discount = tax = net = 0
        for half, row, levy, own, part in zip(
            self.priced, rows, found, off_line, off_order, strict=False
        ):  # charges come after
            (
                line, name, unit, listed, _, freight, inside, _, _, bundle, attributes, extra, _, _, _
            ) = half  # fmt: skip
            _, category, amount, funded, number, _, _, _ = row
            levied, ppm, why, parts = levy
            rest = amount - levied if inside else amount
            lines.append(
                QuoteLine(
                    name, line.sku, line.name, number, unit, listed, own, part, freight, amount,
                    category, ppm, inside, levied, rest, rest + levied, line.category,
                    line.weight_grams, line.source_url,
                    attributes, extra, funded, parts, why, line.customs, bundle,
                    line.merchant,
                )
            )  # fmt: skip
            subtotal += listed
            discount += own + part
            tax += levied
            net += rest
        charges = self._charges(rows, found)
        for charge in charges:
            discount += charge.discount
            tax += charge.tax
            net += charge.net
        both: tuple[QuoteLine | QuoteCharge, ...] = (*lines, *charges)
        return self._summed(tuple(lines), charges, by_rate(both), (subtotal, discount, tax, net))

    def _charges(self, rows: list[TaxableRow], found: list[Levy]) -> tuple[QuoteCharge, ...]:
        """Shipping and fees with their tax, then what the seller pays at the border."""
        charges: list[QuoteCharge] = []
        first = len(self.priced)
        for i, charge in enumerate(self.charges, first):
            row, levy = rows[i], found[i]
            net = row.amount - levy.tax if row.included else row.amount
            charges.append(
                QuoteCharge(
                    charge.id, charge.name, charge.amount, charge.category, levy.ppm, row.included,
                    levy.tax, net, net + levy.tax, charge.kind, charge.discount, charge.funded,
                    levy.parts, levy.treatment,
                )
            )  # fmt: skip
        if self.border is not None:
            charges += _border_charges(self.border, [half.id for half in self.priced])
        return tuple(charges)

    def _summed(
        self,
        lines: tuple[QuoteLine, ...],
        charges: tuple[QuoteCharge, ...],
        taxes: dict[tuple[int, str, TaxTreatment], list[int]],
        sums: tuple[int, int, int, int],
    ) -> Quote:
        cart, policy = self.cart, self.policy
        subtotal, discount, tax, net = sums
        if cart.extra:
            extra_text(cart.extra, "extra")
        total = net + tax
        if total > MINOR_MAX:
            checked_minor(total, "total")
        if subtotal > MINOR_MAX:
            checked_minor(subtotal, "subtotal")
        if cart.presale is not None:
            worth = sum([half.points for half in self.priced])
            check_deposit(deposit_of(cart.presale, cart.currency).amount, total, worth)
        points = 0
        settlement = ledger = None
        if policy.points_worth is not None:
            points = sum([half.line.points * half.line.quantity for half in self.priced])
        exchange = policy.exchange
        if exchange.settlement or exchange.ledger:
            rows = [line.total for line in lines] + [charge.total for charge in charges]
            settlement = self._converted(
                exchange.settlement, RatePurpose.SETTLEMENT, total, net, rows
            )
            ledger = self._converted(exchange.ledger, RatePurpose.LEDGER, total, net, rows)
        return Quote(
            cart.currency, lines, charges, tuple(self.applied),
            tuple([TaxTotal(ppm, both[0], both[1], name, why) for (ppm, name, why), both in taxes.items()]),
            subtotal, discount, tax, net, total, policy.tax.rounding, policy.tax.scope, self.at,
            self.until, cart, policy, self.facts, tuple(self.refused), points,
            self.border, settlement, ledger,
        )  # fmt: skip

    def _converted(
        self, currency: str, purpose: RatePurpose, total: int, net: int, rows: list[int]
    ) -> Conversion | None:
        if not currency or currency == self.cart.currency:
            return None
        rate = rate_for(self.facts.rates, self.cart.currency, currency, purpose)
        if rate is None:
            reason = f"no rate from {self.cart.currency} to {currency} for {purpose.value}"
            raise RateUnavailable(reason, path="facts.rates", currency=currency)
        return convert(total, net, rows, rate, self.policy.exchange.rounding)


def _complain_of_ids(priced: list[Priced]) -> NoReturn:
    seen: set[LineId] = set()
    for half in priced:
        if half.id in seen or half.id in _OWN_IDS:
            break
        seen.add(half.id)
    reason = f"each line has an id of its own; {half.id!r} stands for something else already"
    raise InvalidCart(reason, path="lines", id=half.id)


def _border_charges(border: Assessment, lines: list[LineId]) -> list[QuoteCharge]:
    """What the seller pays at the border and charges on; nothing where the buyer pays on arrival."""
    from ordercore.pricing.border import Terms

    if border.terms is Terms.DAP:
        return []
    at_border = {line.line: line for line in border.lines}
    found = []
    for kind, amount, field in (
        (ChargeKind.DUTY, border.duty, "duty"),
        (ChargeKind.CONSUMPTION_TAX, border.consumption_tax, "consumption_tax"),
        (ChargeKind.IMPORT_TAX, border.import_tax, "import_tax"),
    ):
        shares = [getattr(at_border[name], field) if name in at_border else 0 for name in lines]
        if amount:
            name, text = DUTIES[kind]
            found.append(
                QuoteCharge(
                    name, text, amount, "", 0, tax_included=False, tax=0, net=amount, total=amount,
                    kind=kind, treatment=TaxTreatment.OUT_OF_SCOPE, shares=tuple(shares),
                )
            )  # fmt: skip
    return found


def by_rate(
    rows: Iterable[QuoteLine | QuoteCharge],
) -> dict[tuple[int, str, TaxTreatment], list[int]]:
    """Net and tax of rows by rate, component and treatment."""
    sums: dict[tuple[int, str, TaxTreatment], list[int]] = {}
    for row in rows:
        if not row.parts:  # nearly always
            key = (row.tax_ppm, "", row.treatment)
            if key in sums:
                known = sums[key]
                known[0] += row.net + row.funded
                known[1] += row.tax
            else:
                sums[key] = [row.net + row.funded, row.tax]
            continue
        for part in row.parts:
            known = sums.setdefault((part.ppm, part.name, row.treatment), [0, 0])
            known[0] += part.net
            known[1] += part.tax
    return sums
