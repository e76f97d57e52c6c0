"""The regrouping machine over gateways in memory, and what it has found, each as a small example."""

from __future__ import annotations

from hypothesis import settings

from ordercore.testing import RegroupingMachine

DEEP = settings().max_examples >= 1_000

TestRegrouping = RegroupingMachine.TestCase
TestRegrouping.settings = settings(
    max_examples=500 if DEEP else 120, stateful_step_count=50 if DEEP else 30
)
