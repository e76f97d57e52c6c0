"""Stores by URL, as the command line names them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from ordercore.adapters.memory import MemoryStore
from ordercore.errors import InvalidDocument, InvalidInput

if TYPE_CHECKING:
    from ordercore.adapters.sql import SqlStore

    Store = MemoryStore | SqlStore

__all__ = ["SYNCHRONOUS", "existing_store", "open_store"]

MEMORY: Final = "memory://"
"""A store that ends with the command."""
SYNCHRONOUS: Final = ("FULL", "NORMAL")
_SQLITE: Final = "sqlite:///"


def open_store(url: str, synchronous: str = "FULL") -> Store:
    """The store at ``url``, made where there is none; raises `InvalidInput` for another URL."""
    if url == MEMORY:
        return MemoryStore()
    if not url.startswith("sqlite://"):
        reason = f"a store is {_SQLITE}FILE or {MEMORY}, not {url[:60]!r}"
        raise InvalidInput(reason, path="--store")
    folder = Path(url.removeprefix(_SQLITE)).parent
    if url.startswith(_SQLITE) and not folder.is_dir():
        raise InvalidInput(f"there is no folder {str(folder)!r}", path="--store")
    try:
        from ordercore.adapters.sql import SqlStore
    except ModuleNotFoundError as error:
        reason = f"{error.name} is missing: pip install 'ordercore-sdk[sql]'"
        raise InvalidInput(reason, path="--store") from None
    return SqlStore(url, synchronous=synchronous)


def existing_store(url: str) -> Store:
    """The store at ``url``, which must be there: asking must not make a file."""
    if not url.startswith(_SQLITE):
        raise InvalidInput(f"a store is {_SQLITE}FILE, not {url[:60]!r}", path="--store")
    file = url.removeprefix(_SQLITE)
    if not Path(file).is_file():
        raise InvalidDocument(f"there is no store {file!r}", path="--store")
    return open_store(url)
