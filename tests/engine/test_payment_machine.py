"""The payment machine over the gateways in memory."""

from __future__ import annotations

from hypothesis import settings

from ordercore.testing.machine import PaymentMachine

TestPayments = PaymentMachine.TestCase
TestPayments.settings = settings(max_examples=int(__import__("os").environ.get("MX","20")), stateful_step_count=int(__import__("os").environ.get("MS","30")), deadline=None)
