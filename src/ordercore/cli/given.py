"""What a command is given beside its subject: policies by file or preset, lifecycles as documents."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ordercore.policy import Policies, Preset

if TYPE_CHECKING:
    from ordercore.lifecycle import Lifecycle
    from ordercore.order import Order

__all__ = ["lifecycle_of", "policies_of"]


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
