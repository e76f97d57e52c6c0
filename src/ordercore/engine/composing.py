"""What both engines share: how a shop is put together, and the verbs that touch no port."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ordercore.clock import SystemClock
from ordercore.engine.shop import Shop, situation
from ordercore.errors import InvalidInput, InvalidPolicy
from ordercore.identity import SystemIds
from ordercore.lifecycle import Lifecycles
from ordercore.order import (
    FACTS,
    allowed,
    allowed_events,
)
from ordercore.policy import Policies
from ordercore.pricing import Quote
from ordercore.timeout import check_rules

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ordercore.clock import Clock
    from ordercore.engine.traffic import ChannelTraffic
    from ordercore.identity import IdSource
    from ordercore.lifecycle import Lifecycle
    from ordercore.order import EventPermission, Order, Permission
    from ordercore.party import Actor
    from ordercore.ports import (
        Carrier,
        CouponBook,
        Hook,
        OrderStore,
        PaymentGateway,
        QuotaSource,
        RateSource,
        StockKeeper,
        TaxSource,
        VatIds,
    )

__all__ = ["Verbs"]

STANDARD = "standard"
PRESALE = "presale"


def _compose(
    store: OrderStore,
    gateways: Mapping[str, PaymentGateway] | None,
    stock: StockKeeper | None,
    policies: Policies | None,
    clock: Clock | None,
    ids: IdSource | None,
    known: Lifecycles[Order],
    sources: Sources,
    hooks: Sequence[Hook],
    carriers: Mapping[str, Carrier] | None,
) -> Shop:
    """Put a shop together, and refuse policies that contradict each other or the lifecycles."""
    policies = policies if policies is not None else Policies()
    policies.check()
    policies.check_points()
    check_rules(policies.timeouts, known)
    for kind, name in policies.handling.lifecycles.items():
        if name not in known.names:
            where = f"handling.lifecycles.{kind.value}"
            reason = f"this engine has no lifecycle {name!r}"
            raise InvalidPolicy(reason, path=where, allowed=known.names)
    states = {state.id for chart in known for state in chart.states}
    for i, state in enumerate(policies.posting.recognize_in):
        if state not in states:
            reason = f"no lifecycle has a state {state!r}"
            where = f"posting.recognize_in[{i}]"
            raise InvalidPolicy(reason, path=where, allowed=tuple(sorted(states)))
    return Shop(
        store,
        dict(gateways or {}),
        stock,
        policies,
        clock or SystemClock(),
        ids or SystemIds(),
        known,
        *sources,
        tuple(hooks),
        dict(carriers or {}),
    )


def _known(
    lifecycles: Sequence[Lifecycle[Order] | str], facts: Mapping[str, Callable[[Order], bool]]
) -> Lifecycles[Order]:
    """The standard lifecycle, and those that the host names or brings."""
    from ordercore.lifecycle.charts import built_in, versions

    all_facts = {**FACTS, **facts}
    # all versions: orders placed under a former one finish under it
    found: list[Lifecycle[Order]] = []
    for chart in (STANDARD, *[chart for chart in lifecycles if chart != STANDARD]):
        if isinstance(chart, str):
            found += [built_in(chart, all_facts, version) for version in versions(chart)]
        else:
            found.append(chart)
    return Lifecycles(found)


class Sources(NamedTuple):
    """The ports that prices may depend on; none of them is needed."""

    coupons: CouponBook | None
    rates: RateSource | None
    taxes: TaxSource | None
    vat_ids: VatIds | None
    quotas: QuotaSource | None


class Verbs:
    """What both engines share: the shop, and the verbs that touch no port.

    ``lifecycles`` are those beside *standard*: built-in ones by name, or the host's own.
    ``facts`` are the host's own, for guards of built-in charts that it changed; ``hooks`` hear every command.
    ``carriers`` are those that the shop works with, by name.
    """

    def __init__(
        self,
        store: OrderStore,
        gateways: Mapping[str, PaymentGateway] | None = None,
        stock: StockKeeper | None = None,
        policies: Policies | None = None,
        *,
        clock: Clock | None = None,
        ids: IdSource | None = None,
        lifecycles: Sequence[Lifecycle[Order] | str] = (),
        facts: Mapping[str, Callable[[Order], bool]] | None = None,
        hooks: Sequence[Hook] = (),
        coupons: CouponBook | None = None,
        rates: RateSource | None = None,
        taxes: TaxSource | None = None,
        vat_ids: VatIds | None = None,
        quotas: QuotaSource | None = None,
        carriers: Mapping[str, Carrier] | None = None,
    ) -> None:
        sources = Sources(coupons, rates, taxes, vat_ids, quotas)
        known = _known(lifecycles, facts or {})
        self.shop = _compose(
            store, gateways, stock, policies, clock, ids, known, sources, hooks, carriers
        )

    def _chart(self, quote: Quote, lifecycle: str) -> str:
        """The lifecycle of an order that is placed: as it is named, else by its kind."""
        if type(quote) is not Quote:
            raise InvalidInput("it is what quote() gave", path="quote")
        if lifecycle:
            return lifecycle
        if quote.cart.presale is not None:
            return PRESALE
        return self.shop.policies.handling.lifecycles.get(quote.cart.kind, STANDARD)

    @property
    def carriers(self) -> Mapping[str, Carrier]:
        """The carriers that the shop works with, by name."""
        return self.shop.carriers

    def channels(self) -> tuple[ChannelTraffic, ...]:
        """How each gateway fares, as this engine has seen it: calls, answers, its recent rate of success."""
        shop = self.shop
        return shop.traffic.show(shop.gateways, shop.policies.channels, shop.clock.now())

    def allowed(self, order: Order, actor: Actor) -> tuple[Permission, ...]:
        """What ``actor`` may do with the order now, and why not the rest."""
        return allowed(order, situation(self.shop, order, actor))

    def allowed_events(self, order: Order, actor: Actor) -> tuple[EventPermission, ...]:
        """The lifecycle's own events that ``actor`` may send with `advance` now, and why not the rest."""
        return allowed_events(order, situation(self.shop, order, actor))
