"""What a replay came to: the checks of its books, as tables and as JSON.

Amounts of orders and books are pence; sums over the rows of the file are ten-thousandths of a
pound, because four prices of the file are tenths of a penny.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from ordercore.cli.figures import Figures
from ordercore.cli.online_retail import PER_PENNY, RetailSum, RetailTally, RowKind
from ordercore.cli.sections import Section
from ordercore.cli.vat import ASSUMPTION, uk_tax_policy
from ordercore.ledger import AccountKind, Balance
from ordercore.money import Percent
from ordercore.policy import Policies
from ordercore.value import value

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ordercore.cli.figures import Gateway

__all__ = ["ATTRIBUTION", "Check", "Result", "assumption", "pounds", "sections", "summary"]

ATTRIBUTION: Final = (
    "Data: Chen, D. (2015). Online Retail. UCI Machine Learning Repository. "
    "https://doi.org/10.24432/C5BW33. CC BY 4.0."
)
_SALES: Final = frozenset(
    {
        AccountKind.REVENUE,
        AccountKind.SHIPPING_INCOME,
        AccountKind.TAX_PAYABLE,
        AccountKind.ADVANCES,
    }
)
_TENDERED: Final = frozenset(
    {AccountKind.CLEARING, AccountKind.POINTS_LIABILITY, AccountKind.STORED_VALUE_LIABILITY}
)


@value
class Check:
    """Two figures that must be the same, in ten-thousandths of a pound."""

    name: str
    found: int
    expected: int

    @property
    def holds(self) -> bool:
        """Whether they are."""
        return self.found == self.expected


@value
class Result:
    """All that a replay leaves. ``held`` is what each gateway says that it holds, in pence."""

    file: str
    store: str
    invoices: int
    until: datetime
    milliseconds: int
    peak_kib: int
    policies: Policies
    figures: Figures
    tally: RetailTally
    rows: dict[RowKind, RetailSum]
    balances: tuple[Balance, ...]
    held: dict[str, int]
    refusals: dict[str, int]

    @property
    def holds(self) -> bool:
        """Whether every check holds."""
        return all(check.holds for check in self.checks())

    def checks(self) -> tuple[Check, ...]:
        """The trial balance, the books against the file, the gateways and the tax against the books."""
        books = dict.fromkeys(AccountKind, 0)
        gateways = dict.fromkeys(self.held, 0)
        for row in self.balances:
            books[row.account] += row.amount
            if row.account in _TENDERED:
                gateways[row.detail] = gateways.get(row.detail, 0) + row.amount
        sales = -sum(books[kind] for kind in _SALES)
        tax = sum(tax for _, tax in self.figures.taxes.values())
        return (
            Check("trial balance", sum(books.values()) * PER_PENNY, 0),
            Check("sales in the books, against the file", sales * PER_PENNY, self.due()),
            *(
                Check(f"gateway {name}, against the books", held * PER_PENNY, in_books)
                for name, held in self.held.items()
                for in_books in (gateways[name] * PER_PENNY,)
            ),
            Check(
                "tax by rate, against the books",
                tax * PER_PENNY,
                -books[AccountKind.TAX_PAYABLE] * PER_PENNY,
            ),
        )

    def due(self) -> int:
        """What the file says that the books should hold: its own sum, less what was not taken."""
        left = sum(total.amount for total in self.rows.values())
        for tally in self.tally.classes.values():
            left -= sum(total.amount for total in tally.refused.values())
            left -= sum(total.amount for total in tally.unmatched.values())
        return left - self.unpaid * PER_PENNY

    @property
    def unpaid(self) -> int:
        """Pence of the orders that were closed before they were paid."""
        return self.figures.closed_unpaid


def assumption(policies: Policies) -> str:
    """What is assumed about tax."""
    own = policies.pricing.tax.rates != uk_tax_policy().rates
    return "Tax by the rates of the given policies." if own else ASSUMPTION


def pounds(pence: int) -> str:
    """Pence as pounds with commas: ``-1,234.50``."""
    sign = "-" if pence < 0 else ""
    whole, rest = divmod(abs(pence), 100)
    return f"{sign}{whole:,}.{rest:02d}"


def exact_pounds(amount: int) -> str:
    """Ten-thousandths of a pound, to the last digit that there is, at least to the penny."""
    sign = "-" if amount < 0 else ""
    whole, rest = divmod(abs(amount), 10_000)
    digits = f"{rest:04d}"
    return f"{sign}{whole:,}.{digits[:2]}{digits[2:].rstrip('0')}"


# Tables ---------------------------------------------------------------------------------------


def sections(result: Result) -> list[Section]:
    """The tables at the end of a replay."""
    return [
        _overview(result),
        _states(result),
        _turnover(result),
        _taxes(result),
        _tenders(result),
        _file(result),
        _left_out(result),
        _books(result),
        _checks(result),
    ]


def _overview(result: Result) -> Section:
    figures = result.figures
    seconds, rest = divmod(result.milliseconds, 1000)
    speed = figures.orders * 1000 // max(result.milliseconds, 1)
    rows = sum(total.rows for total in result.rows.values())
    return Section(
        f"Replay of {result.file}",
        ("", ""),
        (
            ("rows", f"{rows:,}"),
            ("invoices", f"{result.invoices:,}"),
            ("orders", f"{figures.orders:,}"),
            ("order lines", f"{figures.lines:,}"),
            ("events", f"{figures.events:,}"),
            ("reminders", f"{figures.reminders:,}"),
            ("paid after the reminder", f"{figures.late_payments:,}"),
            ("receipts confirmed by time", f"{figures.confirmed_by_time:,}"),
            ("simulated until", f"{result.until:%Y-%m-%d}"),
            ("seconds", f"{seconds}.{rest // 100}"),
            ("orders per second", f"{speed:,}"),
            ("peak memory, MiB", f"{result.peak_kib // 1024:,}"),
        ),
        note=f"{assumption(result.policies)} Store: {result.store}.",
    )


def _states(result: Result) -> Section:
    states = [(name, count) for name, count in result.figures.states.items() if count]
    states.sort(key=lambda pair: (-pair[1], pair[0]))
    total = ("all", f"{sum(count for _, count in states):,}")
    rows = tuple((name, f"{count:,}") for name, count in states)
    return Section("Orders by state", ("state", "orders"), (*rows, total))


def _turnover(result: Result) -> Section:
    figures = result.figures
    transit = figures.refunded - figures.arrived
    kept = figures.placed - figures.closed_unpaid - figures.refunded
    return Section(
        "Turnover, GBP with tax",
        ("", "amount"),
        (
            ("placed", pounds(figures.placed)),
            ("closed unpaid", pounds(-figures.closed_unpaid)),
            ("refunds requested", pounds(-figures.refunded)),
            ("turnover", pounds(kept)),
            ("refunds arrived", pounds(figures.arrived)),
            ("refunds in transit", pounds(transit)),
        ),
        note=f"{figures.refunds:,} refunds; {figures.refunds_late:,} legs came late and were noticed",
    )


def _taxes(result: Result) -> Section:
    taxes = sorted(result.figures.taxes.items())
    rows = [(f"{Percent(ppm)} %", pounds(net), pounds(tax)) for ppm, (net, tax) in taxes]
    net, tax = sum(pair[0] for _, pair in taxes), sum(pair[1] for _, pair in taxes)
    rows.append(("all", pounds(net), pounds(tax)))
    note = "Earned sales less refunds; an advance is taxed when it is earned."
    return Section("Tax by rate, GBP", ("rate", "net", "tax"), tuple(rows), note=note)


def _tenders(result: Result) -> Section:
    head = ("tender", "charges", "declined", "taken", "undone", "refunded", "arrived", "held")
    rows = []
    for name, sums in sorted(result.figures.gateways.items(), key=lambda pair: -pair[1].taken):
        rows.append(
            (
                name, f"{sums.charges:,}", f"{sums.declined:,}", pounds(sums.taken),
                pounds(sums.undone), pounds(sums.refunded), pounds(sums.arrived), pounds(sums.held),
            )
        )  # fmt: skip
    return Section("Tenders, GBP", head, tuple(rows))


def _file(result: Result) -> Section:
    head = ("class", "file", "sold", "refunded", "refused", "unmatched", "difference")
    rows = []
    totals = [0] * 6
    for kind, tally in result.tally.classes.items():
        own = result.rows[kind].amount
        parts = [
            tally.sold.amount,
            tally.refunded.amount,
            sum(total.amount for total in tally.refused.values()),
            sum(total.amount for total in tally.unmatched.values()),
        ]
        figures = [own, *parts, sum(parts) - own]
        totals = [a + b for a, b in zip(totals, figures, strict=True)]
        rows.append((kind.value, *map(exact_pounds, figures)))
    rows.append(("all", *map(exact_pounds, totals)))
    return Section("What became of the file's rows, GBP", head, tuple(rows))


def _left_out(result: Result) -> Section:
    rows: list[tuple[str, ...]] = []
    for kind, tally in result.tally.classes.items():
        for reasons in (tally.refused, tally.unmatched):
            rows += [
                (why.value, kind.value, f"{total.rows:,}", f"{total.quantity:,}",
                 exact_pounds(total.amount))
                for why, total in reasons.items()
            ]  # fmt: skip
    note = "; ".join(f"{what}: {count}" for what, count in sorted(result.refusals.items()))
    head = ("reason", "class", "rows", "units", "amount")
    return Section(
        "Refused and unmatched, GBP",
        head,
        tuple(sorted(rows)),
        texts=2,
        note=f"The engine refused: {note}." if note else "",
    )


def _books(result: Result) -> Section:
    rows = [(row.account.value, row.detail, pounds(row.amount)) for row in result.balances]
    rows.append(("trial balance", "", pounds(sum(row.amount for row in result.balances))))
    head = ("account", "detail", "amount")
    note = "A debit is above zero, a credit below."
    return Section("Books, GBP", head, tuple(rows), texts=2, note=note)


def _checks(result: Result) -> Section:
    rows = tuple(
        (
            check.name, exact_pounds(check.found), exact_pounds(check.expected),
            exact_pounds(check.found - check.expected), "ok" if check.holds else "DIFFERS",
        )
        for check in result.checks()
    )  # fmt: skip
    return Section("Checks, GBP", ("check", "found", "expected", "difference", ""), rows)


# JSON -----------------------------------------------------------------------------------------


def summary(result: Result) -> dict[str, Any]:
    """The same as plain data: ``audit`` for ``examples/audit.py``, all other amounts in pence."""
    figures = result.figures
    return {
        "audit": result.tally.to_json(),
        "file": result.file,
        "attribution": ATTRIBUTION,
        "assumption": assumption(result.policies),
        "unit": "GBP/100",
        "invoices": result.invoices,
        "orders": {
            "count": figures.orders,
            "lines": figures.lines,
            "events": figures.events,
            "by_state": {name: count for name, count in figures.states.items() if count},
            "moves": _moves(figures.moves.items()),
            "reminders": figures.reminders,
            "late_payments": figures.late_payments,
            "confirmed_by_time": figures.confirmed_by_time,
        },
        "turnover": {
            "placed": figures.placed,
            "closed_unpaid": figures.closed_unpaid,
            "refunded": figures.refunded,
        },
        "tax": [
            {"percent": str(Percent(ppm)), "net": net, "tax": tax}
            for ppm, (net, tax) in sorted(figures.taxes.items())
        ],
        "tenders": {name: _gateway(sums) for name, sums in figures.gateways.items()},
        "refunds": {
            "count": figures.refunds,
            "requested": figures.refunded,
            "arrived": figures.arrived,
            "in_transit": figures.refunded - figures.arrived,
            "noticed_late": figures.refunds_late,
        },
        "months": {
            name: {"orders": m.orders, "paid": m.paid, "earned": m.earned, "refunded": m.refunded}
            for name, m in sorted(figures.months.items())
        },
        "trial_balance": [
            {"account": row.account.value, "detail": row.detail, "amount": row.amount}
            for row in result.balances
        ],
        "engine_refused": result.refusals,
        "checks": [
            {"check": c.name, "found": c.found, "expected": c.expected, "holds": c.holds}
            for c in result.checks()
        ],
        "milliseconds": result.milliseconds,
        "peak_kib": result.peak_kib,
    }


def _gateway(sums: Gateway) -> dict[str, int]:
    return {
        "charges": sums.charges,
        "declined": sums.declined,
        "taken": sums.taken,
        "undone": sums.undone,
        "refunded": sums.refunded,
        "arrived": sums.arrived,
    }


def _moves(moves: Iterable[tuple[tuple[str, str, str], int]]) -> list[Mapping[str, str | int]]:
    return [
        {"from": source, "event": via, "to": to, "count": count}
        for (source, via, to), count in sorted(moves)
    ]
