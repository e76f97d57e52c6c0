"""What is due when: timers as a pure function of an order, what happened to it, and the policy.

A timer is a hint, never a command: when it comes due, the order is looked at again,
and a timer set in an earlier visit of a state does nothing (law L20).
What is owed to the outside (an undo, a refund, stock to give back) is a timer too,
set in the same change as the fact that owes it, so a crash cannot lose it.

Theory of operation
-------------------
Two sorts of timers follow from events. Those of a *rule* run while an order is in certain states:
the rules are the lifecycle's own, and the policy's for some order kinds. `due` says for one rule and one
order at which moment it comes due; a rule's timer is set when its state is entered, cleared when it
is left, and set anew when something changed what `due` says (a pause, an extension, a shipment, an
amendment, a fact). Those of the *engine* watch what is owed, and are set by the events that owe it.
Rules are put together once for each lifecycle and order kind.
"""

from ordercore.timeout.policy import (
    STEP,
    TIMERS_MAX,
    KindTimer,
    PaymentWindow,
    TimeoutPolicy,
    Timer,
    TimerKey,
    TimerKind,
)
from ordercore.timeout.reckoning import (
    check_rules,
    due,
    key_of,
    rule_of,
    rules_of,
    span_until,
    step_key,
)
from ordercore.timeout.timers import RESOLVE, compensation_key, refund_key, timers

__all__ = [
    "RESOLVE",
    "STEP",
    "TIMERS_MAX",
    "KindTimer",
    "PaymentWindow",
    "TimeoutPolicy",
    "Timer",
    "TimerKey",
    "TimerKind",
    "check_rules",
    "compensation_key",
    "due",
    "key_of",
    "refund_key",
    "rule_of",
    "rules_of",
    "span_until",
    "step_key",
    "timers",
]
