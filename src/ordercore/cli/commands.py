"""The commands, and how they speak: cyclopts reads the signatures below."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

from cyclopts import App, CycloptsError, Parameter

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

Flag = Annotated[bool, Parameter(negative="")]


def run(arguments: Sequence[str]) -> int:
    """Run one command; see `ordercore.cli.main` for the exit code."""
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
    print(f"ordercore: {text}", file=sys.stderr)
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
def diagram(
    lifecycle: str,
    /,
    *,
    output: Annotated[Path | None, Parameter(name=["--output", "-o"])] = None,
) -> None:
    """Draw a lifecycle: Mermaid text, or SVG.

    :param lifecycle: Its name: standard.
    :param output: A file that ends in .svg or .mmd; without it Mermaid text is printed.
    """
    from ordercore.lifecycle import Lifecycles, mermaid, svg
    from ordercore.lifecycle.charts.standard import standard
    from ordercore.order import FACTS

    chart = Lifecycles((standard(FACTS),)).get(lifecycle)
    if output is None:
        sys.stdout.write(mermaid(chart))
    elif output.suffix == ".svg":
        output.write_text(svg(chart) + "\n", encoding="utf-8")
    elif output.suffix == ".mmd":
        output.write_text(mermaid(chart), encoding="utf-8")
    else:
        raise InvalidInput(f"a diagram is .svg or .mmd, not {output.name!r}", path="--output")


@app.command
def journal(order: str, /, *, store: str, json: Flag = False) -> None:
    """Tell the events of an order.

    :param order: Its id, its number, or the digits that the number ends in.
    :param store: Where it is: sqlite:///FILE.
    :param json: Print JSON, the events' whole content included.
    """
    from ordercore.cli.journal import print_journal

    print_journal(order, store, as_json=json)


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
) -> int:
    """Replay a year of a shop, the UCI "Online Retail" file, through the engine.

    :param file: The CSV file, packed by gzip or not.
    :param store: A new store: sqlite:///FILE, or memory://. By default a file that is removed at the end.
    :param report: An HTML file to write.
    :param json: A .json file to write for examples/audit.py; without a file the JSON is printed.
    :param policies: A TOML document instead of the defaults; UK VAT is added where it has no rates.
    :param limit: Stop after so many invoices.
    :param synchronous: How SQLite commits: NORMAL, which may lose the last commits in a power cut
        (a replay can be run again), or FULL, which waits for the disk, as a live shop does.
    """
    from ordercore.cli.replay import Job, replay_file

    return replay_file(Job(file, store, report, json, policies, limit, synchronous))


@policies_app.command
def check(file: Path, /) -> None:
    """Check a policy document.

    :param file: A TOML document.
    """
    from ordercore.adapters.memory import MemoryStore
    from ordercore.engine import OrderEngine
    from ordercore.policy import Policies

    found = Policies.load(file)
    OrderEngine(MemoryStore(), policies=found)  # the engine knows the lifecycles that it names
    rates, rules = len(found.pricing.tax.rates), len(found.tenders.rules)
    print(f"{file}: in order ({rates} tax rates, {rules} tender rules)")
