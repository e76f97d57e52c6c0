"""What a command is given: documents as text, policies by file or preset, lifecycles as documents."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from ordercore.errors import InvalidDocument
from ordercore.policy import Policies, Preset

if TYPE_CHECKING:
    from ordercore.lifecycle import Lifecycle
    from ordercore.order import Order

__all__ = ["BYTES_MAX", "document_text", "lifecycle_of", "policies_of"]

BYTES_MAX: Final = 4 * 2**20
"""Largest document."""


def document_text(path: Path, what: str) -> str:
    """The text of a file; raises `InvalidDocument` for one that cannot be read, is no text, or is larger than
    ``what`` may be."""
    try:
        with path.open("rb") as file:
            content = file.read(BYTES_MAX + 1)
    except OSError as error:
        raise InvalidDocument(f"cannot open the file: {(error.strerror or '').lower()}") from None
    if len(content) > BYTES_MAX:
        raise InvalidDocument(f"{what} has at most {BYTES_MAX} bytes")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidDocument(f"not text in UTF-8: byte {error.start}") from None


def policies_of(name: str | None) -> Policies:
    """The policies of a preset or a file; the defaults where none is named."""
    if name is None:
        return Policies()
    if name in {one.value for one in Preset} and not Path(name).is_file():
        return Policies.preset(name)
    return Policies.load(name)


def lifecycle_of(path: Path) -> Lifecycle[Order]:
    """The lifecycle of a document, its guards bound to the facts of the library."""
    from ordercore.lifecycle import load_lifecycle
    from ordercore.order import FACTS

    return load_lifecycle(path, FACTS)
