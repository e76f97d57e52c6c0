"""Checked by mypy and pyright, never run: what a host's type checker sees of the public API."""

from __future__ import annotations

from typing import assert_type

from ordercore.errors import NotAllowed, OrdercoreError, Refused


def a_host_catches_one_class(error: OrdercoreError) -> str:
    """Every error of the library has a code, a reason, a path and an HTTP status."""
    assert_type(error.code, str)
    assert_type(error.reason, str)
    assert_type(error.path, str)
    assert_type(error.http_status, int)
    return error.code


def a_branch_is_caught_by_its_root() -> Refused:
    """A refusal of any kind is a `Refused`."""
    return NotAllowed("ship an order that is not paid", path="order", state="placed")
