"""``ordercore reconcile``: a channel's statement against the books of a store."""

from __future__ import annotations

import sys
import tomllib
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import attrs

from ordercore.calendar import local_moment
from ordercore.cli.sections import Section, json_text, show
from ordercore.cli.stores import existing
from ordercore.engine import OrderEngine
from ordercore.engine.flow import run
from ordercore.engine.reconciling import Patched, patch, reconciled
from ordercore.errors import InvalidDocument, InvalidInput
from ordercore.ledger import MovementKind, ReconciliationReport, StatementPeriod
from ordercore.ledger.statement import StatementFormat, read_csv, read_json
from ordercore.money import decimal_text
from ordercore.party import SYSTEM

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ordercore.ledger import Difference, StatementRow

__all__ = ["Day", "reconcile"]

_SHOWN: Final = 50
"""Differences that a report in text shows; JSON has all."""
_BYTES_MAX: Final = 64_000_000
"""Longest JSON array; CSV and JSON Lines are read row by row, and have no such bound."""


class Day:
    """Which time a statement is about: a day of the channel's zone, from its cut-off."""

    def __init__(self, day: str, zone: str, cutoff: str) -> None:
        try:
            first, at = date.fromisoformat(day), time.fromisoformat(cutoff)
        except ValueError:
            reason = (
                f"{day[:20]!r} is no day like 2026-05-20, or {cutoff[:20]!r} no time like 00:00"
            )
            raise InvalidInput(reason, path="--day") from None
        if not date.min < first < date.max - timedelta(days=366):
            raise InvalidInput("the day is beyond the calendar", path="--day")
        end = first + timedelta(days=1)
        self.period = StatementPeriod(local_moment(first, at, zone), local_moment(end, at, zone))


def reconcile(
    statement: Path,
    url: str,
    gateway: str,
    day: Day,
    *,
    columns: Path | None,
    zone: str,
    as_json: bool,
    book: bool,
) -> int:
    """Print how a statement and the books stand to each other; 1 where something differs.

    ``book`` books fees, chargebacks and payouts of our charges. Payments and refunds that were lost need the
    shop's own gateways: its own process books them with ``engine.patch``.
    """
    form = _format(columns, zone)
    with existing(url) as store:
        shop = OrderEngine(store).shop
        with _opened(statement) as text:
            rows = _rows(statement, text, form)
            report = run(reconciled(shop, gateway, rows, day.period), "reconcile")
        done = run(patch(shop, gateway, _facts(report), SYSTEM), "reconcile") if book else None
    if as_json:
        sys.stdout.write(json_text(_plain(report, done)))
    else:
        show(_sections(report, done), sys.stdout)
    return 0 if report.agrees else 1


# Reading ---------------------------------------------------------------------------------------


def _opened(statement: Path) -> Any:
    try:
        return statement.open(encoding="utf-8-sig", newline="")
    except OSError as error:
        reason = f"the statement cannot be read: {(error.strerror or str(error)).lower()}"
        raise InvalidDocument(reason, path=str(statement)) from None


def _rows(statement: Path, text: Any, form: StatementFormat) -> Iterator[StatementRow]:
    name = statement.name
    try:
        if statement.suffix.lower() == ".json":
            whole = text.read(_BYTES_MAX + 1)
            if len(whole) > _BYTES_MAX:
                reason = (
                    f"an array has at most {_BYTES_MAX} characters: write one row a line (.jsonl)"
                )
                raise InvalidDocument(reason, path=name)
            yield from read_json(whole, form, name)
        elif statement.suffix.lower() == ".jsonl":
            yield from read_json(text, form, name)
        else:
            yield from read_csv(text, form, name)
    except UnicodeDecodeError:
        raise InvalidDocument("the statement is not UTF-8", path=name) from None


def _format(columns: Path | None, zone: str) -> StatementFormat:
    """The channel's columns and words, from a TOML document with the fields of `StatementFormat`."""
    if columns is None:
        return StatementFormat(zone=zone)
    try:
        told = tomllib.loads(columns.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InvalidDocument(f"the columns cannot be read: {error}", path=str(columns)) from None
    cls: Any = StatementFormat
    fields = {field.name: field.type for field in attrs.fields(cls)}
    found: dict[str, Any] = {"zone": zone}
    for name, given in told.items():
        if name not in fields:
            raise InvalidDocument(
                f"there is no {name!r}", path=f"{columns.name}.{name}", allowed=tuple(fields)
            )
        found[name] = _read(name, given, f"{columns.name}.{name}")
    form = StatementFormat(**found)
    try:
        form.check()
    except InvalidInput as error:
        path = error.path.replace("format", columns.name, 1)
        raise InvalidDocument(error.reason, path=path) from None
    return form


def _read(name: str, given: Any, path: str) -> Any:
    kinds = {kind.value: kind for kind in MovementKind}
    if name == "kinds" and isinstance(given, dict):
        for word, kind in given.items():
            if type(kind) is not str or kind not in kinds:
                reason = f"{kind!r} is nothing that moves"
                raise InvalidDocument(reason, path=f"{path}.{word}", allowed=tuple(kinds))
        return {word: kinds[kind] for word, kind in given.items()}
    if name == "done" and isinstance(given, list) and all(isinstance(w, str) for w in given):
        return tuple(given)
    if name == "minor" and isinstance(given, bool):
        return given
    if name not in {"kinds", "done", "minor"} and isinstance(given, str):
        return given
    raise InvalidDocument(f"a {type(given).__name__} cannot stand here", path=path)


def _facts(report: ReconciliationReport) -> ReconciliationReport:
    """What can be booked without asking anybody: not payments and refunds, which lead to calls of gateways."""
    calls = (MovementKind.PAYMENT, MovementKind.REFUND)
    kept = [d for d in report.differences if d.theirs is not None and d.theirs.kind not in calls]
    return ReconciliationReport(report.sums, tuple(kept), report.charged)


# Saying it ---------------------------------------------------------------------------------------


def _sections(report: ReconciliationReport, done: Patched | None) -> list[Section]:
    sums = tuple(
        [
            (
                found.kind.value.replace("_", " "), found.currency, str(found.count),
                decimal_text(found.ours, found.currency),
                decimal_text(found.theirs, found.currency),
                decimal_text(found.theirs - found.ours, found.currency),
            )
            for found in report.sums
        ]
    )  # fmt: skip
    head = ("class", "currency", "rows", "ours", "theirs", "difference")
    sections = [Section("Reconciliation", head, sums, 2)]
    if report.differences:
        shown = tuple([_told(difference) for difference in report.differences[:_SHOWN]])
        more = len(report.differences) - len(shown)
        note = f"and {more} more: --json has all" if more else ""
        head = ("class", "row", "key", "transaction", "ours", "theirs")
        sections.append(Section("Differences", head, shown, 4, note))
    if done is not None:
        note = f"{len(done.booked)} booked, {len(report.charged)} fees; {len(done.left)} left"
        left = tuple([(*_told(difference)[:4], why) for difference, why in done.left[:_SHOWN]])
        why_not = ("class", "row", "key", "transaction", "why not")
        sections.append(Section("Booked", why_not, left, 5, note))
    return sections


def _told(difference: Difference) -> tuple[str, ...]:
    ours, theirs = difference.ours, difference.theirs
    key = ours.key if ours is not None else theirs.key if theirs is not None else ""
    reference = theirs.reference if theirs is not None else ours.reference if ours else ""
    return (
        difference.kind.value.replace("_", " "),
        str(theirs.row) if theirs is not None else "",
        key,
        reference,
        f"{decimal_text(ours.amount, ours.currency)} {ours.currency}" if ours else "-",
        f"{decimal_text(theirs.amount, theirs.currency)} {theirs.currency}" if theirs else "-",
    )


def _plain(report: ReconciliationReport, done: Patched | None) -> dict[str, Any]:
    found: dict[str, Any] = {
        "agrees": report.agrees,
        "sums": [
            {
                "class": s.kind.value, "currency": s.currency, "rows": s.count,
                "ours": decimal_text(s.ours, s.currency),
                "theirs": decimal_text(s.theirs, s.currency),
            }
            for s in report.sums
        ],
        "differences": [_difference(d) for d in report.differences],
    }  # fmt: skip
    if done is not None:
        found["booked"] = [_difference(d) for d in done.booked]
        found["left"] = [{**_difference(d), "why": why} for d, why in done.left]
    return found


def _difference(difference: Difference) -> dict[str, Any]:
    ours, theirs = difference.ours, difference.theirs
    return {
        "class": difference.kind.value,
        "order": "" if ours is None else ours.order,
        "ours": None
        if ours is None
        else _side(ours.kind, ours.key, ours.reference, ours.amount, ours.currency, ours.at),
        "theirs": None
        if theirs is None
        else {
            "row": theirs.row,
            **_side(
                theirs.kind, theirs.key, theirs.reference, theirs.amount, theirs.currency, theirs.at
            ),
        },
    }


def _side(
    kind: MovementKind, key: str, reference: str, amount: int, currency: str, at: datetime
) -> dict[str, str]:
    return {
        "kind": kind.value,
        "key": key,
        "reference": reference,
        "amount": decimal_text(amount, currency),
        "currency": currency,
        "at": at.isoformat(),
    }
