"""What `ordercore doctor` and `ordercore policies show` say."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ordercore.adapters.memory import MemoryGateway
from ordercore.cli.given import lifecycle_of, policies_of
from ordercore.cli.sections import json_text, one_line
from ordercore.cli.stores import MEMORY, existing, opened
from ordercore.clock import SystemClock
from ordercore.engine import OrderEngine
from ordercore.engine.doctor import Finding, FindingKind, Severity, diagnose
from ordercore.engine.flow import run
from ordercore.errors import InvalidInput
from ordercore.policy import preset

if TYPE_CHECKING:
    from collections.abc import Sequence


__all__ = ["examine", "show_preset"]

# A command line cannot know what a shop hands to its engine beside the gateways' names.
_OF_PORTS: Final = {
    FindingKind.COUPONS_WITHOUT_BOOK,
    FindingKind.NO_STOCK_KEEPER,
    FindingKind.NO_RATE_SOURCE,
    FindingKind.NO_VAT_ID_CHECK,
}
_OF_GATEWAYS: Final = {
    FindingKind.NO_GATEWAY,
    FindingKind.CHANNEL_WITHOUT_GATEWAY,
    FindingKind.NO_CREDIT_GATEWAY,
    FindingKind.TENDER_WITHOUT_KEEPER,
}
_NAMES_MAX: Final = 100


def show_preset(name: str) -> None:
    """Print the document of a preset."""
    print(preset(name).document(), end="")


def examine(
    store: str | None,
    policies: str | None,
    gateways: str | None,
    lifecycles: Sequence[Path] = (),
    *,
    as_json: bool = False,
) -> int:
    """Print what is wrong; 1 if an error is among it."""
    found = _findings(store, policies, gateways, lifecycles)
    if as_json:
        print(json_text([_plain(finding) for finding in found]), end="")
    else:
        for finding in found:
            print(one_line(f"{finding.severity.value}: {finding.path}: {finding.reason}"))
            print(f"    {one_line(finding.advice)}")
        errors = sum(finding.severity is Severity.ERROR for finding in found)
        rest = len(found) - errors
        counted = f"{errors} error{'s' * (errors != 1)}, {rest} other finding{'s' * (rest != 1)}"
        print(counted if found else "in order")
    return int(any(finding.severity is Severity.ERROR for finding in found))


def _findings(
    store: str | None, policies: str | None, gateways: str | None, lifecycles: Sequence[Path]
) -> tuple[Finding, ...]:
    hidden = _OF_PORTS | (_OF_GATEWAYS if gateways is None else set())
    clock = SystemClock()
    names = [] if gateways is None else [name.strip() for name in gateways.split(",")]
    names = [name for name in names if name]
    if len(names) > _NAMES_MAX:
        raise InvalidInput(f"at most {_NAMES_MAX} names", path="--gateways")
    from ordercore.lifecycle.charts import BUILT_IN

    with opened(MEMORY) if store is None else existing(store) as place:
        engine = OrderEngine(
            place,
            {name: MemoryGateway(name, clock) for name in names},
            policies=policies_of(policies),
            lifecycles=[*BUILT_IN, *[lifecycle_of(path) for path in lifecycles]],
        )
        found = run(diagnose(engine.shop), "doctor")
    return tuple(finding for finding in found if finding.kind not in hidden)


def _plain(finding: Finding) -> dict[str, Any]:
    return {
        "severity": finding.severity.value,
        "kind": finding.kind.value,
        "path": finding.path,
        "reason": finding.reason,
        "advice": finding.advice,
    }
