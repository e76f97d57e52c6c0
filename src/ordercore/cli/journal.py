"""``ordercore journal``: who did what to an order, when and why, event by event."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from ordercore.cli.sections import Section, show
from ordercore.cli.stores import existing_store
from ordercore.codec import encode_event
from ordercore.errors import InvalidInput, OrderNotFound
from ordercore.money import decimal_text
from ordercore.ports import OrderQuery

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ordercore.change import Recorded
    from ordercore.cli.stores import Store
    from ordercore.order import Order

__all__ = ["print_journal"]
