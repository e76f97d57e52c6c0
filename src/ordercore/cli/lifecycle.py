"""``ordercore lifecycle``: check documents, draw them, compare versions, list and print the built-in ones."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from ordercore.cli.sections import json_text, one_line, printable
from ordercore.errors import InvalidInput, InvalidLifecycle, UnknownLifecycle

if TYPE_CHECKING:
    from collections.abc import Callable

    from ordercore.lifecycle import Lifecycle

__all__ = ["app", "draw"]

app = App(name="lifecycle", help="Lifecycles: check, draw, compare, list, print.")

FAULTS = 1
Output = Annotated[Path | None, Parameter(name=["--output", "-o"])]


class _AnyFact(Mapping[str, "Callable[[Any], bool]"]):
    """Every name is a fact: to draw or compare a lifecycle nobody asks one."""

    def __getitem__(self, fact: str) -> Callable[[Any], bool]:
        from ordercore.lifecycle.guards import unbound

        return unbound(fact)

    def __contains__(self, fact: object) -> bool:
        return isinstance(fact, str)

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


@app.command
def check(files: Annotated[tuple[Path, ...], Parameter()], /, *, facts: str = "") -> int:
    """Tell everything that is wrong with lifecycle documents: one line a fault, by its path.

    :param files: JSON documents, or YAML where PyYAML is installed.
    :param facts: Names of facts that the host adds to the library's own, with commas between.
    """
    from ordercore.lifecycle import check as find_faults
    from ordercore.lifecycle import load_lifecycle, read_document
    from ordercore.order import FACTS

    known = {*FACTS, *(name.strip() for name in facts.split(",") if name.strip())}
    broken = False
    for file in files:
        try:
            document = read_document(file)
        except InvalidLifecycle as error:
            print(one_line(f"{file}: {error.reason}"))
            broken = True
            continue
        faults = find_faults(document, known)
        for fault in faults:
            print(one_line(f"{file}: {fault}"))
        broken = broken or bool(faults)
        if not faults:
            found = load_lifecycle(document, _AnyFact())
            counted = (
                f"{_count(len(found.states), 'state')}, {_count(len(found.events), 'event')}, "
                f"{_count(len(found.timers), 'timer')}"
            )
            print(one_line(f"{file}: in order ({counted})"))
    return FAULTS if broken else 0


@app.command
def diagram(lifecycle: str, /, *, output: Output = None, plain: bool = False) -> None:
    """Draw a lifecycle: Mermaid text, or SVG.

    :param lifecycle: The name of a built-in one (standard, or standard@1 for a version), or a file.
    :param output: A file that ends in .svg or .mmd; without it Mermaid text is printed.
    :param plain: Leave out who sends what, and timers.
    """
    draw(lifecycle, output, plain=plain)


def draw(lifecycle: str, output: Path | None, *, plain: bool = False) -> None:
    """Write a picture to ``output``, or Mermaid text to standard output."""
    from ordercore.lifecycle import mermaid, svg

    if output is not None and output.suffix not in {".svg", ".mmd"}:
        raise InvalidInput(f"a diagram is .svg or .mmd, not {output.name!r}", path="--output")
    found = _found(lifecycle)
    if output is None:
        sys.stdout.write(printable(mermaid(found, plain=plain)))
        return
    drawn = svg(found, plain=plain) if output.suffix == ".svg" else mermaid(found, plain=plain)
    output.write_text(printable(drawn), encoding="utf-8")


@app.command
def diff(old: str, new: str, /) -> int:
    """Tell what differs between two lifecycles, and which states of the old one are gone.

    Exits with 1 if anything differs.

    :param old: The name of a built-in one (standard@1), or a file.
    :param new: The same.
    """
    from ordercore.lifecycle import diff as find_differences
    from ordercore.lifecycle import left_behind

    before, after = _found(old), _found(new)
    differences = find_differences(before, after)
    for difference in differences:
        print(one_line(str(difference)))
    gone = left_behind(before, after)
    if gone:
        places = f"orders in {', '.join(gone)} have no place in {after.name} {after.version}"
        print(one_line(places))
    if not differences:
        print("no difference")
    return 1 if differences else 0


@app.command(name="list")
def list_() -> None:
    """List the built-in lifecycles, each with its versions."""
    from ordercore.lifecycle.charts import BUILT_IN, versions

    wide = max(len(name) for name in BUILT_IN)
    for name in BUILT_IN:
        found = _found(name)
        known = ", ".join(map(str, versions(name)))
        print(f"{name:{wide}}  {known:5}  {found.description}")


@app.command
def show(lifecycle: str, /) -> None:
    """Print a lifecycle as a JSON document: a start for one of your own.

    :param lifecycle: The name of a built-in one (standard, or standard@1 for a version), or a file.
    """
    from ordercore.lifecycle import write_document

    print(json_text(write_document(_found(lifecycle))), end="")


def _found(lifecycle: str) -> Lifecycle[Any]:
    """A built-in lifecycle by name, or one from a file."""
    from ordercore.lifecycle import load_lifecycle
    from ordercore.lifecycle.charts import BUILT_IN, built_in

    name, _, version = lifecycle.partition("@")
    if name in BUILT_IN:
        if version and not (version.isdecimal() and len(version) < 7):
            raise UnknownLifecycle(f"'{version[:20]}' is no version of '{name}'", name=name)
        return built_in(name, _AnyFact(), int(version) if version else None)
    file = Path(lifecycle)
    if not file.suffix:
        known = ", ".join(BUILT_IN)
        reason = f"there is no lifecycle '{lifecycle}'; known: {known}, or a file .json, .yaml"
        raise UnknownLifecycle(reason, name=lifecycle)
    return load_lifecycle(file, _AnyFact())


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"
