"""Style that a linter does not know, held as tests: each says the fact, each offence its place.

A rule that yields nothing for its own sample would be for show, so every rule is tried on one.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SRC = ROOT / "src" / "ordercore"
TEXT = {".py", ".md", ".toml", ".txt", ".yml", ".yaml", ".json", ".html", ".css", ".sh", ""}
OURS = ["src", "tests", "docs", "examples", "benchmarks", "requirements", ".ci"]

FUNCTION_LINES_MAX = 60
MODULE_LINES_MAX = 700

# A call -> what to do instead, and the modules that may make it all the same.
CLOCK = "take `now` as an argument; a Clock tells it"
IDS = "take the id as an argument; an IdSource makes it"
NEW = "call the constructor once; copies by field are slow on every order's path"
CALLS: dict[str, tuple[str, tuple[str, ...]]] = {
    "datetime.datetime.now": (CLOCK, ("clock", "cli")),
    "datetime.datetime.utcnow": (CLOCK, ()),
    "datetime.datetime.today": (CLOCK, ()),
    "datetime.date.today": (CLOCK, ()),
    "time.time": (CLOCK, ("clock", "identity", "cli")),
    "time.time_ns": (CLOCK, ("clock", "identity", "cli")),
    "time.monotonic": (CLOCK, ("clock", "identity", "cli")),
    "time.perf_counter": (CLOCK, ("cli",)),
    "uuid.uuid1": (IDS, ("identity",)),
    "uuid.uuid4": (IDS, ("identity",)),
    "os.urandom": (IDS, ("identity",)),
    "random.": (IDS, ("identity", "testing")),
    "secrets.": (IDS, ("identity",)),
    "float": ("money and quantities are integers, shares are Fractions", ("cli", "testing")),
    "print": ("return it, or raise it; only the command line speaks", ("cli",)),
    "copy.deepcopy": (NEW, ()),
    "copy.replace": (NEW, ()),
    "attrs.evolve": (NEW, ()),
    "attrs.asdict": (NEW, ()),
    "attrs.astuple": (NEW, ()),
    "attr.evolve": (NEW, ()),
    "attr.asdict": (NEW, ()),
    "dataclasses.replace": (NEW, ()),
    "dataclasses.asdict": (NEW, ()),
}
# Where money is counted: no division that leaves integers, no literal with a point.
COUNTING = ("allocation", "goods", "pricing", "tender", "ledger", "order", "timeout")

VAGUE = {"utils", "util", "helpers", "helper", "common", "manager", "managers", "base", "handler"}
VAGUE |= {"handlers", "data", "info", "misc", "shared", "core", "service", "services"}

MARKS = re.compile(r"\b(?:TODO|FIXME|XXX|HACK)\b")
BRITISH = re.compile(
    r"(?:behavi|col|fav|hon|lab|neighb|harb|rum|endeav)our(?!c)"
    r"|cancell(?:ed|ing)|(?:label|model|travel|signal|total)l(?:ed|ing)"
    r"|fulfil(?:s|ment)?\b"
    r"|\b\w*(?:author|capital|categor|custom|emphas|final|general|initial|item|local|material"
    r"|memor|minim(?!is\b)|normal|organ|optim|prior|real|recogn|serial|special|standard|summar"
    r"|synchron|util|visual)is(?:e[ds]?|ing|ation|ations)\b"
    r"|\banaly(?:se[ds]?|sing)\b|\bcatalogue|\bcheque|\bcentre|\bdefence\b|\blicence|\bartefact",
    re.IGNORECASE,
)
# Names that others have given, and that we must write as they do.
GIVEN = re.compile(r"CancelledError|\.cancelled\(\)|AUTHORIS(?:ATION|ED)|CANCELLED")

# Brackets keep the patterns from naming what they ban.
PLACES = re.compile(
    r"--(?:extra-)?index[-]url|--find[-]links|https?://\S+/simple\b"
    r"|(?<![\w.])/(?:ro[o]t|hom[e]|User[s]|wor[k])/"
)

Rule = Callable[[str, ast.Module, str], Iterator[str]]


@cache
def modules() -> dict[str, str]:
    """Each module of the package by its dotted path below it, with its source."""
    return {
        path.relative_to(SRC).with_suffix("").as_posix().replace("/", "."): path.read_text("utf-8")
        for path in sorted(SRC.rglob("*.py"))
    }


@cache
def trees() -> dict[str, ast.Module]:
    """The same modules, parsed."""
    return {module: ast.parse(source) for module, source in modules().items()}


@cache
def texts() -> dict[str, str]:
    """Each text file that is ours, by its path, but for this one, which must name what it bans."""
    files = [path for path in ROOT.iterdir() if path.is_file()]
    files += [path for folder in OURS for path in (ROOT / folder).rglob("*") if path.is_file()]
    skipped = {Path(__file__).resolve()}
    return {
        path.relative_to(ROOT).as_posix(): path.read_text("utf-8", errors="replace")
        for path in sorted(files)
        if path.suffix in TEXT and path.resolve() not in skipped and path.name[:9] != ".coverage"
    }


def room(module: str) -> str:
    """The room in which a module stands."""
    return module.partition(".")[0]


def known_names(tree: ast.Module) -> dict[str, str]:
    """What each imported name stands for, in full."""
    names = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                top = alias.name.partition(".")[0]
                names[alias.asname or top] = alias.name if alias.asname else top
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {a.asname or a.name: f"{node.module}.{a.name}" for a in node.names}
    return names


def own(nodes: list[ast.stmt]) -> Iterator[ast.AST]:
    """Everything below ``nodes`` that belongs to the same function."""
    for node in nodes:
        yield from own_of(node)


def own_of(node: ast.AST) -> Iterator[ast.AST]:
    """``node`` and what is below it in the same function."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef):
        return
    yield node
    for child in ast.iter_child_nodes(node):
        yield from own_of(child)


def yields(nodes: list[ast.stmt]) -> bool:
    """Whether ``nodes`` give control away."""
    return any(isinstance(node, ast.Yield | ast.YieldFrom) for node in own(nodes))


def dotted(node: ast.expr) -> str:
    """A name with its points, as it is written; empty where it begins with anything but a name."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and (before := dotted(node.value)):
        return f"{before}.{node.attr}"
    return ""


def banned_calls(module: str, tree: ast.Module, _: str) -> Iterator[str]:
    """Time, randomness, floats, printing and copying have their one place."""
    names = known_names(tree)
    met = set()
    for node in ast.walk(tree):
        # A name handed on uncalled (`factory=uuid4`) is the same as a call.
        if isinstance(node, ast.Attribute):
            written = dotted(node)
        elif isinstance(node, ast.Name) and (node.id in names or node.id == "print"):
            written = node.id
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            written = node.func.id
        else:
            continue
        first, dot, rest = written.partition(".")
        met.add((node.lineno, names.get(first, "" if dot else first) + dot + rest))
    for line, full in sorted(met):
        for banned, (instead, allowed) in CALLS.items():
            same = full.startswith(banned) if banned.endswith(".") else full == banned
            if same and room(module) not in allowed:
                yield f"{module}:{line} {full}: {instead}"


def inexact_sums(module: str, tree: ast.Module, _: str) -> Iterator[str]:
    """Where money is counted there is no `/` and no number with a point."""
    if room(module) not in COUNTING:
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.Div):
            yield f"{module}:{node.lineno} `/`: share with allocation, or write Fraction(a, b)"
        elif isinstance(node, ast.Constant) and isinstance(node.value, float):
            yield f"{module}:{node.lineno} {node.value}: use an integer or a Fraction"


def long_functions(module: str, tree: ast.Module, _: str) -> Iterator[str]:
    """No function has more than sixty lines, its docstring not counted."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        lines = (node.end_lineno or node.lineno) - node.lineno + 1
        if ast.get_docstring(node) is not None:
            words = node.body[0]
            lines -= (words.end_lineno or words.lineno) - words.lineno + 1
        if lines > FUNCTION_LINES_MAX:
            yield f"{module}:{node.lineno} {node.name} has {lines} lines"


def long_modules(module: str, _: ast.Module, source: str) -> Iterator[str]:
    """No module has more than seven hundred lines: beyond, it wants a second noun."""
    lines = source.count("\n")
    if lines > MODULE_LINES_MAX:
        yield f"{module} has {lines} lines"


def vague_names(module: str, _: ast.Module, __: str) -> Iterator[str]:
    """A module is named by a noun of the trade."""
    if VAGUE & set(module.split(".")):
        yield f"{module}: name it by what it holds"


def unsafe_yields(module: str, tree: ast.Module, _: str) -> Iterator[str]:
    """A flow yields neither in `with`, nor where a `finally` waits, nor in a broad `except`.

    A flow that is dropped at a yield must do nothing more: that is what a crash is.
    """
    if room(module) != "engine":
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.With | ast.AsyncWith) and yields(node.body):
            yield f"{module}:{node.lineno} yield in `with`"
        elif isinstance(node, ast.Try):
            guarded = yields(node.body)
            inside = guarded or yields(node.orelse) or any(yields(h.body) for h in node.handlers)
            if node.finalbody and (inside or yields(node.finalbody)):
                yield f"{module}:{node.lineno} yield where a `finally` waits"
            caught = {ast.unparse(h.type) if h.type else "" for h in node.handlers}
            if guarded and caught & {"", "Exception", "BaseException"}:
                yield f"{module}:{node.lineno} broad `except` around a yield"


def swallowed(module: str, tree: ast.Module, _: str) -> Iterator[str]:
    """No broad `except` swallows: it raises again, or hands the error to the flow it belongs to."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ExceptHandler):
            broad = node.type is None or ast.unparse(node.type) in {"Exception", "BaseException"}
            raises = any(isinstance(inner, ast.Raise) for inner in own(node.body))
            hands_on = re.search(
                r"flow\.throw\(_known\(error|lane\.go\(error=_known\(error", ast.unparse(node)
            )
            if broad and not raises and not hands_on:
                yield f"{module}:{node.lineno} broad `except` that does not raise"


RULES: dict[Rule, tuple[str, str]] = {
    banned_calls: ("money", "from datetime import datetime as d\nx = d.now()"),
    inexact_sums: ("ledger.entry", "half = total / 2"),
    long_functions: ("money", "def f():\n" + "    pass\n" * FUNCTION_LINES_MAX),
    long_modules: ("money", "pass\n" * (MODULE_LINES_MAX + 1)),
    vague_names: ("pricing.utils", ""),
    unsafe_yields: ("engine.flow", "def f():\n    with x:\n        yield"),
    swallowed: ("codec", "try:\n    f()\nexcept Exception:\n    pass"),
}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_source_keeps_the_rule(rule: Rule) -> None:
    """No module of the package breaks the rule; the rule's own docstring says the fact."""
    found = [
        offence
        for module, source in modules().items()
        for offence in rule(module, trees()[module], source)
    ]
    assert found == []


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_rule_sees_its_sample(rule: Rule) -> None:
    """Each rule reports exactly one offence in its sample."""
    module, source = RULES[rule]
    assert len(list(rule(module, ast.parse(source), source))) == 1


@pytest.mark.parametrize(
    ("source", "count"),
    [
        ("import uuid\nuuid.uuid4()", 1),
        ("from uuid import uuid4\nfactory = uuid4", 1),
        ("import random as r\nr.choice([1])", 1),
        ("from attrs import evolve\nevolve(x)", 1),
        ("from ordercore.order.evolve import evolve\nevolve(x)", 0),
        ("float(1)", 1),
        ("def f(x: float) -> float: ...", 0),
        ("print(1)", 1),
        ("clock.now()", 0),
    ],
)
def test_a_banned_call_is_known_by_what_it_is(source: str, count: int) -> None:
    """Aliases do not hide a banned call, and a namesake is not taken for one."""
    assert len(list(banned_calls("money", ast.parse(source), source))) == count


@pytest.mark.parametrize(
    ("source", "count"),
    [
        ("def f():\n    try:\n        yield\n    except Exception:\n        raise", 1),
        ("def f():\n    try:\n        yield\n    finally:\n        g()", 1),
        ("def f():\n    try:\n        yield\n    except KeyError:\n        g()", 0),
        ("def f():\n    with x:\n        def g():\n            yield", 0),
    ],
)
def test_an_unsafe_yield_is_told_from_a_safe_one(source: str, count: int) -> None:
    """A narrow `except` and a function of its own are safe; the rest is not."""
    assert len(list(unsafe_yields("engine.paying", ast.parse(source), source))) == count


def lines_with(pattern: re.Pattern[str], folders: tuple[str, ...] = ("",)) -> list[str]:
    """The lines of our texts in ``folders`` that hold ``pattern``."""
    return [
        f"{name}:{number} {line.strip()[:100]}"
        for name, text in texts().items()
        if name.startswith(folders)
        for number, line in enumerate(text.splitlines(), 1)
        if pattern.search(GIVEN.sub("", line))
    ]


def test_nothing_is_left_for_later() -> None:
    """No mark of unfinished work stands in the tree: it is done, or it is an issue."""
    assert lines_with(MARKS) == []


def test_the_spelling_is_american() -> None:
    """One spelling for code, tests and prose, so that a search finds every place."""
    prose = ("src/", "tests/", "docs/", "benchmarks/", "README", "CHANGELOG", "CONTRIBUTING")
    assert lines_with(BRITISH, (*prose, "SECURITY", "pyproject")) == []


def test_no_line_names_a_place() -> None:
    """No file names a package index or a folder of one person's machine."""
    assert lines_with(PLACES) == []


@pytest.mark.parametrize(
    ("pattern", "caught", "let"),
    [
        (MARKS, "# TODO: later", "todos"),
        (BRITISH, "it is cancelled", "canceled, optimistic, de minimis, promise, course"),
        (BRITISH, "authorise", "authorize, precise, otherwise, exercise, fulfillment, fulfill"),
        (BRITISH, "fulfilment", "asyncio.Canceled, labored, four, hour, colors, advertise"),
        (PLACES, "see /home/x", "sqlite:///orders.db, docs/home/, https://example.org/a"),
    ],
)
def test_a_banned_word_is_told_from_its_like(
    pattern: re.Pattern[str], caught: str, let: str
) -> None:
    """Each pattern finds its word and leaves the words that look like it."""
    assert pattern.search(caught)
    assert not pattern.search(let)


def test_no_module_is_an_orphan() -> None:
    """Each module is a door for hosts or is imported by another module of the package."""
    doors = re.compile(
        r"__init__|__main__|cli(\.__init__)?|(adapters|testing)(\.\w+)?(\.__init__)?"
    )
    wanted = set()
    for tree in trees().values():
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module:
                wanted.add(node.module)
                wanted |= {f"{node.module}.{alias.name}" for alias in node.names}
            elif isinstance(node, ast.Import):
                wanted |= {alias.name for alias in node.names}
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                wanted.add(node.value)  # the root's table of names that load late
    wanted |= {name.rpartition(".")[0] for name in wanted}  # a folder is loaded with what is in it
    orphans = [
        module
        for module in modules()
        if not doors.fullmatch(module)
        and f"ordercore.{module.removesuffix('.__init__')}" not in wanted
    ]
    assert orphans == []
