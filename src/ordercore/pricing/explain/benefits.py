"""What a promotion gives, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ordercore.money import decimal_text, to_minor
from ordercore.pricing.promotion import (
    BuyGet,
    EveryOff,
    HostRule,
    LineAmount,
    LinePercent,
    OffBase,
    OrderAmount,
    OrderPercent,
    Per,
    SetTotal,
    ShippingOff,
    ShippingTo,
    SpecialPrice,
    Steps,
)

if TYPE_CHECKING:
    from ordercore.money import Money
    from ordercore.pricing.promotion import Benefit
    from ordercore.pricing.quote import QuoteLine

__all__ = ["benefit_text", "price_text"]


def _money(amount: Money) -> str:
    code = amount.currency.code
    return decimal_text(to_minor(amount, code), code)


def _capped(cap: Money | None) -> str:
    return "" if cap is None else f", at most {_money(cap)}"


def _times(times: int) -> str:
    if times == 1:
        return ", at most once"
    return f", at most {times} times" if times else ""


def price_text(benefit: SpecialPrice, line: QuoteLine) -> str:
    """What a line costs by a special price: that with the most units that the line reaches."""
    reached = [
        price
        for price in benefit.prices
        if price.sku == line.sku and price.from_units <= line.quantity
    ]
    if not reached:
        return "another price"
    best = max(reached, key=lambda price: price.from_units)
    return f"{line.quantity} x {_money(best.price)}"


def _steps(benefit: Steps) -> str:
    told = []
    for step in benefit.steps:
        off = f"{step.percent} %" if step.percent is not None else ""
        if step.amount is not None:
            off = _money(step.amount)
        told.append(f"{off} from {_money(step.at_least)}")
    return f"the highest step reached of {', '.join(told)}"


def _off_order(benefit: EveryOff | Steps | OrderPercent | OrderAmount | SetTotal) -> str:
    match benefit:
        case EveryOff(every=every, off=off, times=times):
            return f"every {_money(every)} less {_money(off)}{_times(times)}"
        case Steps():
            return _steps(benefit)
        case OrderPercent(percent=percent, cap=cap):
            return f"{percent} % of what remained{_capped(cap)}"
        case OrderAmount():
            return "fixed amount"
        case SetTotal(total=total, units=number):
            return f"{f'any {number}' if number else 'all'} for {_money(total)}"


def benefit_text(benefit: Benefit) -> str:
    """What ``benefit`` gives, as a fragment of a sentence."""
    match benefit:
        case SpecialPrice(prices=prices, kind=kind):
            articles = len({price.sku for price in prices})
            several = f" for {articles} articles" if articles > 1 else ""
            return f"{kind.value} price{several}"
        case LinePercent(percent=percent, of=of, cap=cap):
            what = "the list amount" if of is OffBase.LIST else "what remained"
            return f"{percent} % of {what} of each line{_capped(cap)}"
        case LineAmount(amount=amount, per=per):
            each = "unit" if per is Per.UNIT else "line"
            return f"{_money(amount)} off each {each}"
        case BuyGet(buy=buy, get=get, percent=percent, times=times):
            return f"buy {buy}, get {get} more at {percent} % off, the cheapest{_times(times)}"
        case EveryOff() | Steps() | OrderPercent() | OrderAmount() | SetTotal():
            return _off_order(benefit)
        case ShippingOff(percent=percent, cap=cap):
            return f"{percent} % off shipping{_capped(cap)}"
        case ShippingTo(price=price):
            return f"shipping at most {_money(price)}"
        case HostRule(name=name):
            return f"the shop's own rule {name!r}"
