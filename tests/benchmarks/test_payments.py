"""The figures about payments: that what they count is what they say."""

from __future__ import annotations

import tomllib

import pytest
from benchmarks.__main__ import CASES

from benchmarks import failover, reconciliation
from ordercore.ledger import reconcile
from ordercore.ledger.statement import read_csv
from ordercore.tender import ChannelChoice

GIVEN = failover.given()
ROUGH = GIVEN.but(
    declined=0.4, soft=0.5, recovered=0.5, gap=0.1, outage=0.02, shared=0.5, silent=0.05,
    impatient=0.5, wrong=0.03,
)  # fmt: skip
"""Much goes wrong, and often."""


# --- Failover ------------------------------------------------------------------------------------


def test_every_assumption_says_where_it_comes_from() -> None:
    """Each parameter has a meaning, a source or the word that there is none, what was read, and values beside it."""
    told = tomllib.loads(failover.TOML.read_text("utf-8"))
    assert told["run"]["payments"] > 0
    for name in GIVEN.values:
        room = told[name]
        assert set(room) == {"value", "others", "means", "source", "read"}
        publisher, _, page = room["source"].partition(", ")
        assert publisher
        assert room["source"] == "assumed" or page.startswith("https://")
        assert room["value"] not in room["others"]
        assert room["read"]
        if name != "outage_minutes":
            assert all(0 <= share <= 1 for share in (room["value"], *room["others"]))


@pytest.mark.parametrize("backups", [0, 1, 2])
def test_while_all_channels_work_the_share_is_what_arithmetic_gives(backups: int) -> None:
    """Without outages and time-outs the engine takes the payments that a formula says, to half a point."""
    about = ROUGH.but(outage=0.0, silent=0.0, wrong=0.0)
    found = failover.simulate(about, 1_000, backups=backups)
    said = 100 * failover.expected(about, failover.CHANNELS[: backups + 1])
    assert found.success == pytest.approx(said, abs=0.5)
    assert found.at_once == found.paid


@pytest.mark.parametrize("choose", ChannelChoice)
def test_nobody_pays_twice_however_much_goes_wrong(choose: ChannelChoice) -> None:
    """Money is held twice for a moment where a channel gives a false word, and in the end nowhere; each order that is
    paid holds one charge, and each other none."""
    found = failover.simulate(ROUGH, 600, choose=choose)
    assert (found.doubled, found.stranded) == (0, 0)
    assert found.again > 0  # shoppers did press pay again
    assert found.moments + found.told > 0  # and channels did lie


def test_the_tally_sees_an_order_that_is_charged_twice() -> None:
    """A charge behind the engine's back is counted, so that no charge is no accident."""
    fate = failover.Fate(GIVEN, 20, 1)
    policy = failover.channel_policy(GIVEN, failover.CHANNELS, ChannelChoice.DECLARED, 2)
    run = failover.Simulated(fate, policy)
    assert run.run().doubled == 0
    name = next(name for name in run.orders if run.till.held[name])
    run.till.held[name].add(f"{name}/99")
    run.tally = failover.Tally(20)
    run._count()
    assert (run.tally.doubled, run.tally.stranded) == (1, 1)


def test_a_seed_gives_the_same_run_again() -> None:
    """The same seed gives the same tally, another seed other payments."""
    first, again, other = (failover.simulate(ROUGH, 300, seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_channels_are_down_for_their_share_of_the_time() -> None:
    """Outages make up what is assumed, and shared ones are the same for every channel."""
    about = GIVEN.but(outage=0.05, shared=1.0)
    fate = failover.Fate(about, 2_000, 7)
    spans = {name: [s for s in found if s[1] > s[0]] for name, found in fate._down.items()}
    assert spans["a"] == spans["b"] == spans["c"]
    assert sum(end - start for start, end in spans["a"]) == pytest.approx(0.05 * 2_000 * 6)


# --- Reconciliation ------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 99, 100, 1_234])
def test_every_planted_difference_is_found_in_its_class(count: int) -> None:
    """Whatever the size, all that was planted is found, once, and nothing else."""
    rows = read_csv(reconciliation.statement(count), reconciliation.FORMAT)
    report = reconcile(reconciliation.movements(count), rows, reconciliation.DAY)
    assert reconciliation.wrong(report, count) == 0
    if count >= 100:
        kinds = {difference.kind for difference in report.differences}
        assert kinds == set(reconciliation.CLASSES)


def test_a_difference_that_was_not_planted_is_noticed() -> None:
    """A row that is left out of the statement, and a movement out of our books, are counted as wrong."""
    count = 300
    lines = list(reconciliation.statement(count))
    ours = list(reconciliation.movements(count))
    for told, known in ((lines[:-1], ours), (lines, ours[:-1])):
        rows = read_csv(told, reconciliation.FORMAT)
        report = reconcile(known, rows, reconciliation.DAY)
        assert reconciliation.wrong(report, count) > 0


def test_a_store_agrees_with_what_its_channel_took() -> None:
    """The orders of the case are all paid over one channel, and each row of its statement matches."""
    took, agreed = reconciliation.stored(12)
    assert took > 0
    assert agreed == 12


def test_the_runner_knows_every_figure_about_payments() -> None:
    """They can be asked for by name, and are part of a whole run."""
    assert {"tenders", "refunds", "reconciliation", "failover"} <= set(CASES)
