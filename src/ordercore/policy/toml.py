"""TOML text to plain data within bounds, and plain data to canonical TOML."""

from __future__ import annotations

import re
from datetime import date
from typing import TYPE_CHECKING, Any, NoReturn

from ordercore.errors import InvalidPolicy
from ordercore.policy.kinds import wrong

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["BYTES_MAX", "lines", "too_long", "tree", "without_dates"]

BYTES_MAX = 2**20
"""Largest policy document."""
_DOTS_MAX = 32  # a dotted key costs the parser the square of its parts; ours have at most six


def too_long(source: str) -> NoReturn:
    """Refuse a document beyond `BYTES_MAX`."""
    raise InvalidPolicy(f"a policy document has at most {BYTES_MAX} bytes", path=source)


def tree(text: str, source: str) -> dict[str, Any]:
    """Parse within bounds; every complaint of the parser becomes `InvalidPolicy` with its place."""
    import tomllib  # a shop may have no document: the import budget

    if not isinstance(text, str):
        wrong(source, "text", text)
    if len(text) > BYTES_MAX:
        too_long(source)
    for number, line in enumerate(text.split("\n"), 1):
        if line.count(".") > _DOTS_MAX and not line.lstrip().startswith("#"):
            reason = f"a line has at most {_DOTS_MAX} dots: break it up"
            raise InvalidPolicy(reason, path=f"{source}:{number}:1", source=source, line=number)
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise InvalidPolicy("it is nested too deeply", path=source, source=source) from None
    except ValueError as error:  # of the parser, or of an integer with thousands of digits
        said = str(error)
    place = re.search(r" \(at line (\d+), column (\d+)\)$", said)
    if place:
        line_at, column = int(place[1]), int(place[2])
    else:
        line_at, column = text.count("\n") + 1, len(text) - text.rfind("\n")
    said = re.sub(r" \(at [^()]*\)$", "", said)
    raise InvalidPolicy(
        f"the text is not TOML: {said[:1].lower()}{said[1:200]}",
        path=f"{source}:{line_at}:{column}",
        source=source,
        line=line_at,
        column=column,
    )


def lines(table: Mapping[str, Any], name: str) -> Iterator[str]:
    """A table as TOML lines: its own keys first, as the grammar wants it, then the tables below."""
    below = {key: v for key, v in table.items() if isinstance(v, dict)}
    rows = {k: v for k, v in table.items() if isinstance(v, list) and v and isinstance(v[0], dict)}
    own = {key: v for key, v in table.items() if key not in below and key not in rows}
    if name and (own or not (below or rows)):
        yield f"\n[{name}]"
    for key, content in own.items():
        yield f"{key} = {_literal(content)}"
    for key, listed in rows.items():
        for row in listed:
            yield from _row(row, f"{name}.{key}")
    for key, content in below.items():
        yield from lines(content, f"{name}.{key}" if name else key)


def _row(row: Mapping[str, Any], name: str) -> Iterator[str]:
    """One entry of a list of tables: its keys, tables in braces, then the entries below it."""
    yield f"\n[[{name}]]"
    rows = {k: v for k, v in row.items() if isinstance(v, list) and v and isinstance(v[0], dict)}
    for key, content in row.items():
        if key not in rows:
            yield f"{key} = {_literal(content)}"
    for key, listed in rows.items():
        for inner in listed:
            yield from _row(inner, f"{name}.{key}")


def _literal(content: Any) -> str:
    if isinstance(content, bool):
        return "true" if content else "false"
    if isinstance(content, list):
        return f"[{', '.join([_literal(item) for item in content])}]"
    if isinstance(content, dict):
        pairs = ", ".join([f"{key} = {_literal(inner)}" for key, inner in content.items()])
        return f"{{ {pairs} }}"
    if isinstance(content, str):  # control characters never come here: `Text` refuses them
        escaped = content.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'
    return content.isoformat() if isinstance(content, date) else str(content)


def without_dates(content: Any) -> Any:
    """``content`` with days and moments as ISO text: fit for JSON."""
    if isinstance(content, dict):
        return {key: without_dates(inner) for key, inner in content.items()}
    if isinstance(content, list):
        return [without_dates(inner) for inner in content]
    return content.isoformat() if isinstance(content, date) else content
