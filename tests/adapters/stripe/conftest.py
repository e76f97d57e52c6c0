"""A Stripe to test against: a real server, and a proxy of ours in front of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.adapters.stripe.proxy import FaultProxy
from tests.adapters.stripe.server import LocalStripe

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def stripe_server() -> Iterator[LocalStripe]:
    """The server of this session, or of this worker. It is skipped nowhere: without it these tests fail."""
    server = LocalStripe()
    yield server
    server.stop()


@pytest.fixture
def proxy(stripe_server: LocalStripe) -> Iterator[FaultProxy]:
    """A proxy before an empty server."""
    made = FaultProxy(stripe_server)
    yield made
    made.stop()
