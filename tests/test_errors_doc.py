"""The reference page of errors is what the code says.

After a change to the tree, or to what a refusal carries, run ``python tests/test_errors_doc.py``
to write the page anew.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from ordercore import errors
from ordercore.errors import OrdercoreError
from ordercore.wording import MESSAGES

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "reference" / "errors.md"
SRC = ROOT / "src" / "ordercore"

HEAD = """\
# Errors

Whatever the library raises on purpose is an `OrdercoreError`.
Catch the root, a branch or a leaf. Each error has:

- `code`: stable, for programs.
- `reason`: a lower-case fragment, for people; its words may change.
- `path`: the value that is wrong, such as `lines[2].quantity`; empty where there is none.
- `data`: plain text, whole numbers, and tuples of them.
- `http_status`: what an HTTP answer might say; a suggestion.

`as_dict()` gives code, reason, path and data for an answer.

`ordercore.wording.message(error, locale)` makes one sentence of it for customers and staff, in their language.

## The tree

"""
TABLE = """
## Codes

An error may carry the data named in its row; not each time all of them.

| class | code | status | meaning | data |
| --- | --- | --- | --- | --- |
"""
MESSAGES_HEAD = """
## Messages

What `message` says in English, by code. Of several sentences the first counts whose fields the error has.
A field is a name of `data`, or the error's `reason` or `path`; `:money` is shown where the currency is given.
[Speak the reader's language](../how-to/messages.md) tells how they are translated.

| code | messages |
| --- | --- |
"""


def tree(root: type[OrdercoreError] = OrdercoreError) -> Iterator[tuple[int, type[OrdercoreError]]]:
    """Each class below ``root`` with its depth, in the order of the source."""
    yield 0, root
    for child in root.__subclasses__():
        if child.__module__ == errors.__name__:
            yield from ((depth + 1, cls) for depth, cls in tree(child))


def carried() -> dict[str, set[str]]:
    """The names of data that the source passes to each class, read off the calls."""
    names: dict[str, set[str]] = {}
    for path in sorted(SRC.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call):
                name = ast.unparse(node.func).rpartition(".")[2]
                given = {word.arg for word in node.keywords if word.arg not in {None, "path"}}
                names.setdefault(name, set()).update(word for word in given if word)
    return names


def page() -> str:
    """The page as the code has it."""
    data = carried()
    branches = []
    rows = []
    for depth, cls in tree():
        branches.append(f"{'    ' * depth}- `{cls.__name__}`\n")
        meaning = " ".join((cls.__doc__ or "").split()).replace("``", "`").replace("|", "\\|")
        names = ", ".join(f"`{name}`" for name in sorted(data.get(cls.__name__, ())))
        rows.append(
            f"| `{cls.__name__}` | `{cls.code}` | {cls.http_status} | {meaning} | {names} |\n"
        )
    said = [
        f"| `{cls.code}` | {'<br>'.join(f'`{text}`' for text in MESSAGES[cls.code])} |\n"
        for _, cls in tree()
    ]
    return HEAD + "".join(branches) + TABLE + "".join(rows) + MESSAGES_HEAD + "".join(said)


def test_the_page_of_errors_is_what_the_code_says() -> None:
    """Every class of the tree stands on the page with its code, status, meaning and data."""
    assert PAGE.read_text("utf-8") == page()


def test_the_tree_holds_every_error_of_the_module() -> None:
    """No error class of the module stands outside the tree, and none has another's code."""
    of_module = {cls for cls in vars(errors).values() if isinstance(cls, type)}
    in_tree = [cls for _, cls in tree()]
    assert set(in_tree) == {cls for cls in of_module if issubclass(cls, Exception)}
    assert len({cls.code for cls in in_tree}) == len(in_tree)


def test_each_error_says_what_it_means() -> None:
    """Each class has a meaning of its own, on one line of the page."""
    assert [cls.__name__ for _, cls in tree() if "__doc__" not in vars(cls)] == []


def test_the_tree_in_the_docstring_is_the_tree() -> None:
    """The drawing at the head of the module names the same classes in the same order."""
    drawing = (errors.__doc__ or "").partition("::")[2].partition("Each error has")[0]
    drawn = [word for line in drawing.splitlines() for word in line.strip("| `-").split()[:1]]
    assert drawn == [cls.__name__ for _, cls in tree()]


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
