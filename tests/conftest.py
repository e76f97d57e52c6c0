"""The mode of values and the effort of Hypothesis, settled before anything is imported."""

from __future__ import annotations

import os

# Values are frozen at run time unless a run asks for the plain ones; read at the first import.
os.environ.setdefault("ORDERCORE_CHECKED", "1")

from hypothesis import HealthCheck, settings

# Slow generation says more about the machine than about the test, and a contract that several
# classes inherit is run by several executors on purpose.
TOLERATED = (HealthCheck.too_slow, HealthCheck.differing_executors)

settings.register_profile(
    "dev", deadline=None, max_examples=50, stateful_step_count=25, suppress_health_check=TOLERATED
)
settings.register_profile(
    "ci",
    deadline=None,
    max_examples=40,
    stateful_step_count=30,
    derandomize=True,
    database=None,
    print_blob=True,
    suppress_health_check=TOLERATED,
)
settings.register_profile(  # the second run of a test: the properties were tried in full by the first
    "again",
    deadline=None,
    max_examples=6,
    stateful_step_count=15,
    derandomize=True,
    database=None,
    print_blob=True,
    suppress_health_check=TOLERATED,
)
settings.register_profile(
    "deep",
    deadline=None,
    max_examples=2_000,
    stateful_step_count=100,
    print_blob=True,
    suppress_health_check=TOLERATED,
)
PROFILE = os.environ.get("HYPOTHESIS_PROFILE") or (
    "ci" if os.environ.get("CI") == "true" else "dev"
)
settings.load_profile(PROFILE)
