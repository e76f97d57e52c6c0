"""The commands, and how they speak: cyclopts reads the signatures below."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

from cyclopts import App, CycloptsError, Parameter

from ordercore.cli.lifecycle import app as lifecycle_app
from ordercore.cli.sections import make_safe, one_line
from ordercore.errors import InvalidInput, OrdercoreError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["app", "run"]

BAD_INPUT: Final = 2
FAILED: Final = 1

app = App(
    name="ordercore",
    help="An order engine for shop backends: price, look, replay, check.",
    version_flags=["--version"],
    result_action="return_value",
)
policies_app = App(name="policies", help="Policy documents.")
app.command(policies_app)
app.command(lifecycle_app)

Flag = Annotated[bool, Parameter(negative="")]


def run(arguments: Sequence[str]) -> int:
    """Run one command; see `ordercore.cli.main` for the exit code."""
    make_safe(sys.stdout, sys.stderr)
    try:
        code = app(
            _with_json_file(arguments),
            exit_on_error=False,
            print_error=False,
        )
    except CycloptsError as error:
        return _complain(" ".join(str(error).split()))
    except OrdercoreError as error:
        return _complain(told(error))
    except BrokenPipeError:  # the reader of our output has gone, which is its right
        sys.stderr.close()
        return FAILED
    except UnicodeEncodeError:  # how Python takes a word of other bytes
        return _complain("a word of the command line is not text in UTF-8")
    except OSError as error:
        name = f": {error.filename}" if error.filename else ""
        return _complain(f"{(error.strerror or str(error)).lower()}{name}")
    except KeyboardInterrupt:
        return _complain("stopped", 130)
    return code if isinstance(code, int) else 0


def told(error: OrdercoreError) -> str:
    """One line for an error: where it came from, its code, its path, its reason."""
    source = error.data.get("source")
    parts = [str(source)] if source and str(source) not in error.path else []
    parts.append(error.code + (f" at {error.path}" if error.path else ""))
    parts.append(error.reason)
    return " ".join(": ".join(parts).split())


def _complain(text: str, code: int = BAD_INPUT) -> int:
    print(f"ordercore: {one_line(text)}", file=sys.stderr)
    return code


def _with_json_file(arguments: Sequence[str]) -> list[str]:
    """Let ``replay --json`` go without a file: ``-``, standard output, unless a .json file follows."""
    found = list(arguments)
    if found[:1] == ["replay"] and "--json" in found:
        at = found.index("--json")
        after = found[at + 1] if at + 1 < len(found) else ""
        if after == "-" or after.endswith(".json"):
            found[at : at + 2] = [f"--json={after}"]
        else:
            found[at] = "--json=-"
    return found


@app.command
def price(
    cart: Path,
    /,
    *,
    policies: Path | None = None,
    json: Flag = False,
    explain: Flag = False,
) -> None:
    """Price a cart document.

    :param cart: A JSON document, see docs/reference/cart.schema.json.
    :param policies: A TOML document; its [pricing] table is used, the cart's own `pricing` stands before it.
    :param json: Print JSON.
    :param explain: Say for each figure by which rule it came about.
    """
    from ordercore.cli.price import price_cart

    price_cart(cart, policies, as_json=json, with_reasons=explain)


@app.command
def split(
    order: Path,
    /,
    *,
    rules: Path,
    assignment: Path | None = None,
    json: Flag = False,
    explain: Flag = False,
) -> None:
    """Show the groups that split rules make of an order.

    :param order: A JSON document, as for `price`.
    :param rules: A TOML document; its [splitting] table is used, and its [pricing] as by `price`.
    :param assignment: A JSON list that says which source has what.
    :param json: Print JSON.
    :param explain: Say for each group which rules made it.
    """
    from ordercore.cli.split import split_order

    split_order(order, rules, assignment, as_json=json, with_reasons=explain)


@app.command
def merge(
    orders: Path,
    /,
    *,
    policies: Path | None = None,
    json: Flag = False,
    explain: Flag = False,
) -> int:
    """Show what two orders come to as one, or every reason why they stay two.

    :param orders: A JSON document with a `basic` and an `added` order: each a `cart` as for `price`, `paid`, `state`.
    :param policies: A TOML document; its [merging] says which orders go together.
    :param json: Print JSON.
    :param explain: Say for each figure of the new price by which rule it came about.
    """
    from ordercore.cli.merge import merge_orders

    return merge_orders(orders, policies, as_json=json, with_reasons=explain)


@app.command
def route(
    problem: Path,
    /,
    *,
    json: Flag = False,
    explain: Flag = False,
) -> None:
    """Choose sources, parcels and services for an order.

    :param problem: A JSON document with lines, sources, services and weights, see examples/routing.
    :param json: Print JSON.
    :param explain: Say for each parcel by which rules it was chosen.
    """
    from ordercore.cli.route import route_document

    route_document(problem, as_json=json, with_reasons=explain)


@app.command
def diagram(
    lifecycle: str,
    /,
    *,
    output: Annotated[Path | None, Parameter(name=["--output", "-o"])] = None,
) -> None:
    """Draw a lifecycle, as `ordercore lifecycle diagram` does.

    :param lifecycle: The name of a built-in one, or a file.
    :param output: A file that ends in .svg or .mmd; without it Mermaid text is printed.
    """
    from ordercore.cli.lifecycle import draw

    draw(lifecycle, output)


@app.command
def journal(
    order: str,
    /,
    *,
    store: str,
    json: Flag = False,
    svg: Path | None = None,
    steps: Flag = False,
    locale: str = "en",
    lifecycle: list[Path] | None = None,
    policies: Path | None = None,
) -> None:
    """Tell what happened to an order: who, what, when, why, and the money moved.

    :param order: Its id, its number, or the digits that the number ends in.
    :param store: Where it is: sqlite:///FILE, postgresql://...
    :param json: Print JSON, the events' content included without what is personal.
    :param svg: Draw a timeline into this .svg file.
    :param steps: Tell the six visible steps instead of the events; in JSON beside them.
    :param locale: The reader's language: en, zh_CN.
    :param lifecycle: A lifecycle document of the shop; may be given several times.
    :param policies: A TOML document, for the targets of the steps.
    """
    from ordercore.cli.journal import print_journal

    print_journal(
        order, store, as_json=json, picture=svg, steps=steps, locale=locale,
        lifecycles=lifecycle or [], policies=policies,
    )  # fmt: skip


@app.command
def find(
    number: str = "",
    /,
    *,
    store: str,
    customer: str = "",
    shop: str = "",
    state: list[str] | None = None,
    payment: str = "",
    delivery: str = "",
    tag: list[str] | None = None,
    site: str = "",
    channel: str = "",
    campaign: str = "",
    placed_from: Annotated[str, Parameter(name="--from")] = "",
    placed_before: Annotated[str, Parameter(name="--before")] = "",
    sku: str = "",
    item_status: str = "",
    items: Flag = False,
    by: str = "",
    limit: int = 50,
    after: str = "",
    json: Flag = False,
) -> None:
    """Find orders, the newest first. Conditions hold together.

    :param number: A number, or the digits that it ends in.
    :param store: Where the orders are: sqlite:///FILE.
    :param customer: The id of the customer.
    :param shop: The shop that sold it.
    :param state: A state of its lifecycle; given several times, any of them.
    :param payment: How far the money is: unpaid, pending, paid, refunding and so on.
    :param delivery: How far the goods are: not_shipped, partly_shipped, shipped, received.
    :param tag: A tag; given several times, all of them.
    :param site: The site it came from.
    :param channel: The channel it came over.
    :param campaign: The campaign it came by.
    :param placed_from: Placed from then on: 2026-05-20 (in UTC) or 2026-05-20T12:00+08:00.
    :param placed_before: Placed before then.
    :param sku: An article on one of its lines.
    :param item_status: The status of one of its lines; with --sku, of that line.
    :param items: Tell lines instead of orders; with --sku or --item-status only those.
    :param by: Tell what all of it adds up to instead, by shop, site, channel, campaign or country.
    :param limit: Rows of a page, at most 500.
    :param after: Where the page begins: what the page before says at its end.
    :param json: Print JSON.
    """
    from ordercore.cli.find import Wanted
    from ordercore.cli.find import find as find_orders

    wanted = Wanted(
        number, customer, shop, tuple(state or ()), payment, delivery, tuple(tag or ()),
        site, channel, campaign, placed_from, placed_before, sku, item_status, after, limit,
    )  # fmt: skip
    find_orders(wanted, store, items=items, by=by, as_json=json)


@app.command
def adopt(
    file: Path,
    /,
    *,
    store: str,
    map: Path,  # noqa: A002 - the option's name
    policies: str | None = None,
    lifecycle: list[Path] | None = None,
    grace_days: int = 3,
    dry_run: Flag = False,
    json: Flag = False,
) -> int:
    """Take existing orders over in mid-life, from a CSV file or from lines of JSON.

    :param file: A .csv file with one row for each line of an order, or a .jsonl file with one order a line.
    :param store: Where they go: sqlite:///FILE, postgresql://...
    :param map: A TOML document that says which column holds what, and what the shop's own statuses mean.
    :param policies: A TOML document, or the name of a preset.
    :param lifecycle: A lifecycle document of the shop; may be given several times.
    :param grace_days: How long clocks that have run out already wait before they act.
    :param dry_run: Write nothing; tell what would be taken over and what is wrong.
    :param json: Print the report as JSON.
    """
    from ordercore.cli.adopt import AdoptJob, adopt_file

    documents = tuple(lifecycle or ())
    job = AdoptJob(file, store, map, policies, documents, grace_days, dry_run, json)
    return adopt_file(job)


@app.command
def replay(
    file: Path,
    /,
    *,
    store: str | None = None,
    report: Path | None = None,
    json: Path | None = None,
    policies: Path | None = None,
    limit: int | None = None,
    synchronous: str = "NORMAL",
    format: str = "online-retail",  # noqa: A002 - the word of the command line
) -> int:
    """Replay real orders through the engine: a year of a shop, or a marketplace's mixed payments.

    :param file: The CSV file of UCI "Online Retail", packed by gzip or not; the folder of Olist's files.
    :param format: online-retail, or olist.
    :param store: A new store: sqlite:///FILE, or memory://. By default a file that is removed at the end.
    :param report: An HTML file to write.
    :param json: A .json file to write for examples/audit.py; without a file the JSON is printed.
    :param policies: A TOML document instead of the defaults; UK VAT is added where it has no rates.
    :param limit: Stop after so many invoices.
    :param synchronous: How SQLite commits: NORMAL, which may lose the last commits in a power cut
        (a replay can be run again), or FULL, which waits for the disk, as a live shop does.
    """
    from ordercore.cli.replay import Job, replay_file

    job = Job(file, store, report, json, policies, limit, synchronous)
    if format == "olist":
        from ordercore.cli.olist import replay_olist

        return replay_olist(job)
    if format != "online-retail":
        reason = f"it is online-retail or olist, not {format[:20]!r}"
        raise InvalidInput(reason, path="--format")
    return replay_file(job)


@app.command
def upgrade(*, store: str) -> None:
    """Bring a store of an earlier version of the library up to this one.

    It happens in one transaction that keeps everybody else out, and takes its time for a large store.
    Make a copy first: an earlier version of the library cannot read the store any more.

    :param store: Where it is: sqlite:///FILE, postgresql://...
    """
    from ordercore.cli.stores import upgrade as bring_up

    done = bring_up(store)
    if done is None:
        print("the tables are of this version: nothing to do")
    else:
        print(f"the tables were brought from schema {done[0]} to {done[1]}")


@policies_app.command
def check(file: Path, /) -> None:
    """Check a policy document.

    :param file: A TOML document.
    """
    from ordercore.adapters.memory import MemoryStore
    from ordercore.engine import OrderEngine
    from ordercore.lifecycle.charts import BUILT_IN
    from ordercore.policy import Policies

    found = Policies.load(file)
    # the engine looks whether there are the lifecycles that the document names
    OrderEngine(MemoryStore(), policies=found, lifecycles=[*BUILT_IN])
    rates, rules = len(found.pricing.tax.rates), len(found.tenders.rules)
    print(f"{one_line(str(file))}: in order ({rates} tax rates, {rules} tender rules)")


@policies_app.command
def show(preset: str, /) -> None:
    """Print the document of a preset, to start your own from.

    :param preset: default, cn-retail, eu-retail or cross-border.
    """
    from ordercore.cli.doctor import show_preset

    show_preset(preset)


@app.command
def doctor(
    *,
    store: str | None = None,
    policies: str | None = None,
    gateways: str | None = None,
    lifecycle: list[Path] | None = None,
    json: Flag = False,
) -> int:
    """Name what is wrong with a shop: policies, gateways, timers, clocks. Changes nothing.

    :param store: Where the orders are: sqlite:///FILE. Without it, only the rest is looked at.
    :param policies: A TOML document, or the name of a preset.
    :param gateways: The names of the shop's gateways: wechat,alipay,points.
    :param lifecycle: A lifecycle document of the shop; may be given several times.
    :param json: Print JSON.
    """
    from ordercore.cli.doctor import examine

    return examine(store, policies, gateways, lifecycle or [], as_json=json)


@app.command
def reconcile(
    statement: Path,
    /,
    *,
    store: str,
    gateway: str,
    day: str,
    zone: str = "UTC",
    cutoff: str = "00:00",
    columns: Path | None = None,
    patch: Flag = False,
    json: Flag = False,
) -> int:
    """Hold a channel's statement against the books; 1 where something differs.

    :param statement: A .csv with a header, a .json array, or .jsonl with one row a line.
    :param store: Where the orders are: sqlite:///FILE, postgresql://...
    :param gateway: The channel's gateway: wechat.
    :param day: The day of the statement: 2026-05-20.
    :param zone: The zone of the channel's days, and of times without an offset: Asia/Shanghai.
    :param cutoff: When the channel's day begins.
    :param columns: A TOML document with the channel's columns and words.
    :param patch: Book fees, chargebacks and payouts that the statement proves.
    :param json: Print JSON, with every difference.
    """
    from ordercore.cli.reconcile import Day
    from ordercore.cli.reconcile import reconcile as compare

    return compare(
        statement, store, gateway, Day(day, zone, cutoff), columns=columns, zone=zone,
        as_json=json, book=patch,
    )  # fmt: skip
