"""``ordercore replay``: the UCI "Online Retail" file through the engine, and what came of it."""

from __future__ import annotations

import itertools
import json
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from ordercore.cli.online_retail_file import RetailFile
from ordercore.cli.retail_shop import RetailShop
from ordercore.cli.sections import show
from ordercore.cli.stores import opened, synchronous_of
from ordercore.cli.summary import Result, sections, summary
from ordercore.cli.vat import uk_tax_policy
from ordercore.errors import InvalidDocument, InvalidInput
from ordercore.identity import NumberTemplate
from ordercore.policy import Policies
from ordercore.ports import OrderQuery
from ordercore.pricing import PricingPolicy
from ordercore.value import value

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ordercore.cli.online_retail import RetailInvoice
    from ordercore.cli.stores import Store

__all__ = ["Job", "policies_for", "replay_file"]


@value
class Job:
    """What the command was asked to do."""

    file: Path
    store: str | None = None
    report: Path | None = None
    json: Path | None = None
    policies: Path | None = None
    limit: int | None = None
    synchronous: str = "NORMAL"


def policies_for(given: Policies | None) -> Policies:
    """The policies of a replay: UK VAT where ``given`` has no rates of its own."""
    tax = uk_tax_policy()
    if given is None:
        return Policies(pricing=PricingPolicy(tax), numbers=NumberTemplate("OR-{seq:06}"))
    if given.pricing.tax.rates:
        return given
    pricing = PricingPolicy(tax, given.pricing.discount_rounding, given.pricing.quote_valid)
    return Policies(
        pricing, given.tenders, given.timeouts, given.posting, given.stock, given.numbers,
        given.handling, given.payments, given.channels, given.funds,
    )  # fmt: skip


# The command ----------------------------------------------------------------------------------


def replay_file(job: Job) -> int:
    """Replay a file, print what came of it; 1 when a check of the books fails, else 0."""
    if job.limit is not None and job.limit < 1:
        raise InvalidInput(f"at least one invoice, not {job.limit}", path="--limit")
    synchronous = synchronous_of(job.synchronous)
    policies = policies_for(None if job.policies is None else Policies.load(job.policies))
    for target in (job.report, job.json):
        if target is not None and not target.parent.is_dir():
            raise InvalidInput(f"there is no folder {str(target.parent)!r}", path=str(target))
    with tempfile.TemporaryDirectory(prefix="ordercore-") as folder:
        url = job.store or f"sqlite:///{folder}/replay.db"
        try:
            with RetailFile(job.file) as file, opened(url, synchronous) as store:
                result = _lived(job, file, store, policies)
        except InvalidDocument as error:
            error.data.setdefault("source", str(job.file))
            raise
    _publish(job, result)
    return 0 if result.holds else 1


def _lived(job: Job, file: RetailFile, store: Store, policies: Policies) -> Result:
    if store.find(OrderQuery(limit=1)):
        raise InvalidInput("the store holds orders already: name a new one", path="--store")
    began = time.perf_counter_ns()
    shop = RetailShop(store, policies)
    invoices = itertools.islice(file, job.limit)
    for invoice in told_progress(invoices, file) if sys.stderr.isatty() else invoices:
        shop.take(invoice)
    shop.finish()
    took = (time.perf_counter_ns() - began) // 1_000_000
    return Result(
        job.file.name,
        job.store or "a temporary SQLite file",
        shop.invoices,
        shop.clock.now(),
        took,
        _peak_kib(),
        policies,
        shop.figures,
        shop.tally,
        shop.file,
        shop.engine.trial_balance(),
        {name: gateway.taken for name, gateway in shop.purses.gateways.items()},
        dict(shop.refusals),
    )


def _peak_kib() -> int:
    """The most memory that this process ever held."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak // 1024 if sys.platform == "darwin" else peak


def told_progress(invoices: Iterable[RetailInvoice], file: RetailFile) -> Iterator[RetailInvoice]:
    """The invoices, with a bar on standard error that follows the bytes of the file."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn())
    bar = Progress(*columns, TimeElapsedColumn(), console=Console(stderr=True), transient=True)
    with bar:
        done, size = file.progress
        task = bar.add_task("replay", total=size)
        for count, invoice in enumerate(invoices, 1):
            yield invoice
            if count % 20 == 0:
                done, _ = file.progress
                day = f"{invoice.placed_at:%Y-%m-%d}"
                bar.update(task, completed=done, description=f"{day}, {count:,} invoices")


def _publish(job: Job, result: Result) -> None:
    """Write the report and the JSON, and show the tables."""
    if job.report is not None:
        from ordercore.cli.report import report_html

        job.report.write_text(report_html(result), encoding="utf-8")
    if job.json is None:
        show(sections(result), sys.stdout)
        return
    text = json.dumps(summary(result), indent=1) + "\n"
    if str(job.json) == "-":
        sys.stdout.write(text)
    else:
        job.json.write_text(text, encoding="utf-8")
        show(sections(result), sys.stdout)
