"""``ordercore adopt``: take the orders of a file over, and say what came of it."""

from __future__ import annotations

import gzip
import json
import re
import sys
import tomllib
import zlib
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ordercore.adapters.memory import MemoryStore
from ordercore.adoption import ColumnMap, apart, read_csv, read_json_lines
from ordercore.cli.given import lifecycle_of, policies_of
from ordercore.cli.sections import Section, show
from ordercore.cli.stores import MEMORY, existing, opened
from ordercore.engine import OrderEngine
from ordercore.engine.adopting import adopt_many
from ordercore.engine.flow import run
from ordercore.errors import InvalidDocument, InvalidInput
from ordercore.money import decimal_text
from ordercore.value import value

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ordercore.adoption import AdoptionReport
    from ordercore.cli.stores import Store

__all__ = ["AdoptJob", "adopt_file"]

MAP_BYTES_MAX: Final = 2**20
GRACE_DAYS_MAX: Final = 365
_SHOWN: Final = 50
_SQLITE: Final = "sqlite:///"
_PLACE: Final = re.compile(r"^orders\[\d+\]\.?")
_JSON: Final = frozenset({".jsonl", ".ndjson", ".json"})


@value
class AdoptJob:
    """What is to be done: the file, the store, the map of its columns, and by which rules."""

    file: Path
    store: str
    map: Path
    policies: str | None = None
    lifecycles: tuple[Path, ...] = ()
    grace_days: int = 3
    dry_run: bool = False
    as_json: bool = False


def adopt_file(job: AdoptJob) -> int:
    """Adopt what the file holds; 1 if an order could not be adopted.

    Raises `InvalidDocument` for a file or a map that cannot be read at all.
    """
    if not 0 <= job.grace_days <= GRACE_DAYS_MAX:
        raise InvalidInput(f"0 to {GRACE_DAYS_MAX} days", path="--grace-days")
    columns = _columns(job.map)
    policies, lifecycles = (
        policies_of(job.policies),
        [lifecycle_of(path) for path in job.lifecycles],
    )
    json_lines = _suffix(job.file) in _JSON
    scattered: frozenset[str] = frozenset()
    if not json_lines:
        with _lines(job.file) as lines:
            scattered = apart(lines, columns)
    with _store(job) as store, _lines(job.file) as lines:
        from ordercore.lifecycle.charts import BUILT_IN

        engine = OrderEngine(store, policies=policies, lifecycles=[*BUILT_IN, *lifecycles])
        if json_lines:
            told = read_json_lines(lines, columns)
        else:
            told = read_csv(lines, columns, scattered)
        flow = adopt_many(
            engine.shop, told, statuses=columns.statuses, dry_run=job.dry_run,
            grace=timedelta(days=job.grace_days),
        )  # fmt: skip
        report = run(flow, "adopt_many")
    if job.as_json:
        json.dump(_plain(report), sys.stdout, indent=2, ensure_ascii=False)
        sys.stdout.write("\n")
    else:
        show(_sections(report, job.file.name), sys.stdout)
    return int(report.failed > 0)


# What is read ---------------------------------------------------------------------------------


def _columns(path: Path) -> ColumnMap:
    with path.open("rb") as file:
        content = file.read(MAP_BYTES_MAX + 1)
    if len(content) > MAP_BYTES_MAX:
        raise InvalidDocument(f"a map has at most {MAP_BYTES_MAX} bytes", path=str(path))
    try:
        plain = tomllib.loads(content.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        reason = str(error)
        reason = f"the text is not TOML: {reason[:1].lower()}{reason[1:200]}"
        raise InvalidDocument(reason, path=str(path)) from None
    try:
        return ColumnMap.from_plain(plain)
    except InvalidDocument as error:
        raise error.at(f"{path}:") from None


def _suffix(path: Path) -> str:
    return Path(path.stem).suffix if path.suffix == ".gz" else path.suffix


@contextmanager
def _lines(path: Path) -> Iterator[Iterator[str]]:
    """The lines of a text file, packed by gzip or not."""
    if path.suffix == ".gz":
        with gzip.open(path, "rt", encoding="utf-8-sig", newline="") as file:
            yield _readable(iter(file), path)
    else:
        with path.open(encoding="utf-8-sig", newline="") as file:
            yield _readable(iter(file), path)


def _readable(lines: Iterator[str], path: Path) -> Iterator[str]:
    try:
        yield from lines
    except UnicodeDecodeError:
        raise InvalidDocument("not text in UTF-8", path=str(path)) from None
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        reason = f"the packed file cannot be read: {str(error).lower()}"
        raise InvalidDocument(reason, path=str(path)) from None


@contextmanager
def _store(job: AdoptJob) -> Iterator[Store]:
    """The store; a dry run looks at it as it is, makes none where there is none, and changes nothing of it."""
    if not job.dry_run:
        with opened(job.store) as store:
            yield store
        return
    missing = job.store.startswith(_SQLITE) and not Path(job.store.removeprefix(_SQLITE)).is_file()
    if job.store == MEMORY or missing:
        yield MemoryStore()
        return
    with existing(job.store) as store:
        # a database of the host's, without our tables, holds no order yet
        yield store if isinstance(store, MemoryStore) or store.exists() else MemoryStore()


# What is told ---------------------------------------------------------------------------------


def _sections(report: AdoptionReport, name: str) -> Iterator[Section]:
    done = "would be adopted" if report.dry_run else "adopted"
    yield Section(
        f"{name}: {report.told} orders, {report.adopted} {done}, {report.repeated} were there, "
        f"{report.failed} failed",
        ("lifecycle", "state", "orders"),
        tuple((*names, str(count)) for *names, count in report.states),
        texts=2,
        note="" if report.states else "none",
    )
    if report.sums:
        yield Section(
            "Money",
            ("currency", "orders", "total", "paid", "refunded", "in transit", "advances"),
            tuple(
                (s.currency, str(s.orders), *[decimal_text(amount, s.currency) for amount in (
                    s.total, s.paid, s.refunded, s.in_transit, s.advances)])
                for s in report.sums
            ),
        )  # fmt: skip
    if report.faults:
        yield Section(
            f"Not adopted: {report.failed}",
            ("order", "where", "code", "why"),
            tuple((f.number, f.path, f.code, f.reason) for f in report.faults[:_SHOWN]),
            texts=4,
            note=_more(report.failed),
        )
    if report.remarks:
        alike = _alike(report)
        yield Section(
            f"To be known: {report.remarked}",
            ("where", "what", "first order", "orders"),
            tuple((*key, first, str(count)) for key, (first, count) in alike[:_SHOWN]),
            texts=3,
            note=_more(len(alike)),
        )


def _alike(report: AdoptionReport) -> list[tuple[tuple[str, str], tuple[str, int]]]:
    """Remarks that say the same of the same place, with the first order that they are about and how many there are."""
    found: dict[tuple[str, str], tuple[str, int]] = {}
    for remark in report.remarks:
        key = (_PLACE.sub("", remark.path), remark.reason)
        first, count = found.get(key, (remark.number, 0))
        found[key] = (first, count + 1)
    return list(found.items())


def _more(count: int) -> str:
    return f"and {count - _SHOWN} more" if count > _SHOWN else ""


def _plain(report: AdoptionReport) -> dict[str, Any]:
    return {
        "told": report.told,
        "adopted": report.adopted,
        "repeated": report.repeated,
        "failed": report.failed,
        "dry_run": report.dry_run,
        "states": [
            {"lifecycle": lifecycle, "state": state, "orders": count}
            for lifecycle, state, count in report.states
        ],
        "sums": [
            {
                "currency": sums.currency,
                "orders": sums.orders,
                **{
                    name: decimal_text(getattr(sums, name), sums.currency)
                    for name in ("total", "paid", "refunded", "in_transit", "advances")
                },
            }
            for sums in report.sums
        ],
        "faults": [
            {"path": one.path, "number": one.number, "code": one.code, "reason": one.reason}
            for one in report.faults
        ],
        "remarked": report.remarked,
        "remarks": [
            {"path": one.path, "number": one.number, "reason": one.reason} for one in report.remarks
        ],
    }
