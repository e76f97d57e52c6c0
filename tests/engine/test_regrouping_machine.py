"""The regrouping machine over gateways in memory, and what it has found, each as a small example."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import settings

from ordercore.testing import MemoryBench, RegroupingMachine

if TYPE_CHECKING:
    from ordercore.testing import PaymentBench, PaymentSetting

DEEP = settings().max_examples >= 1_000


class NothingOver(RegroupingMachine):
    """The machine, which counts every promise of the keeper, under whatever name."""

    def open_bench(self, setting: PaymentSetting) -> PaymentBench:
        """A shop in memory, kept to look into its shelves."""
        self.memory = MemoryBench(setting)
        return self.memory

    def quiet(self) -> None:
        """Nothing is promised to nobody."""
        super().quiet()
        held: dict[str, int] = {}
        for promise in self.memory.stock._reserved.values():
            for sku, units in promise.goods.items():
                held[sku] = held.get(sku, 0) + units
        known: dict[str, int] = {}
        for order in self.orders():
            for sku, units in self.memory.goods_held(order).items():
                known[sku] = known.get(sku, 0) + units
        assert held == known, f"L22: {held} is held, orders know of {known}"


TestRegrouping = NothingOver.TestCase
TestRegrouping.settings = settings(
    max_examples=500 if DEEP else 120, stateful_step_count=50 if DEEP else 30
)
