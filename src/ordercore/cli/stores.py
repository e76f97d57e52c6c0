"""Stores by URL, as the command line names them."""

from __future__ import annotations

from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from ordercore.adapters.memory import MemoryStore
from ordercore.errors import InvalidDocument, InvalidInput, StoreError
from ordercore.ports import OrderQuery

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ordercore.adapters.sql import SqlStore

    Store = MemoryStore | SqlStore

__all__ = ["existing", "opened", "synchronous_of", "upgrade"]

Synchronous = Literal["FULL", "NORMAL"]
MEMORY: Final = "memory://"
"""A store that ends with the command."""
_SQLITE: Final = "sqlite:///"
_SERVERS: Final = ("postgresql://", "postgresql+psycopg://")


def synchronous_of(text: str) -> Synchronous:
    """How SQLite commits; raises `InvalidInput` for another word."""
    if text == "FULL":
        return "FULL"
    if text == "NORMAL":
        return "NORMAL"
    raise InvalidInput(f"it is FULL or NORMAL, not {text[:20]!r}", path="--synchronous")


@contextmanager
def opened(url: str, synchronous: Synchronous = "FULL", *, create: bool = True) -> Iterator[Store]:
    """The store at ``url`` for a while, made where there is none; raises `InvalidInput` for another URL."""
    if url == MEMORY:
        yield MemoryStore()
        return
    server = url.startswith(_SERVERS)
    if not (server or url.startswith(_SQLITE)):
        # whatever else it is, it may hold a password: tell no more than its scheme
        reason = f"a store is {_SQLITE}FILE, postgresql://... or {MEMORY}, not {url.partition(':')[0][:20]!r}"
        raise InvalidInput(reason, path="--store")
    if not server and not Path(url.removeprefix(_SQLITE)).parent.is_dir():
        folder = str(Path(url.removeprefix(_SQLITE)).parent)
        raise InvalidInput(f"there is no folder {folder!r}", path="--store")
    try:
        from ordercore.adapters.sql import SqlStore
    except ModuleNotFoundError as error:
        extra = "postgres" if server else "sql"
        reason = f"{error.name} is missing: pip install 'ordercore-sdk[{extra}]'"
        raise InvalidInput(reason, path="--store") from None
    try:
        opening = SqlStore(url, synchronous=synchronous, create=create)
    except StoreError as error:
        if "known" not in error.data:
            raise
        reason = (
            f"the tables have schema {error.data['found']} and wait to be brought to "
            f"{error.data['known']}; run: ordercore upgrade --store ..."
        )
        raise StoreError(reason, path="--store", **error.data) from None
    with opening as store:
        yield store


def upgrade(url: str) -> tuple[str, str] | None:
    """Bring the tables at ``url`` up to this version; from which schema to which, ``None`` for nothing to do.

    Raises what `existing` does; where there are no tables, none are made.
    """
    try:
        with existing(url) as store:
            # that there are no tables at all is seen only when they are asked
            store.find(OrderQuery(limit=1))
    except StoreError as error:
        if "known" not in error.data:
            raise
        with opened(url):
            return str(error.data["found"]), str(error.data["known"])
    return None


def existing(url: str) -> AbstractContextManager[Store]:
    """The store at ``url``, which must be there: asking must not make a file."""
    if url.startswith(_SERVERS):
        return opened(url, create=False)
    if not url.startswith(_SQLITE):
        scheme = url.partition(":")[0][:20]
        reason = f"a store is {_SQLITE}FILE or postgresql://..., not {scheme!r}"
        raise InvalidInput(reason, path="--store")
    file = url.removeprefix(_SQLITE)
    if not Path(file).is_file():
        raise InvalidDocument(f"there is no store {file!r}", path="--store")
    return opened(url, create=False)
