from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from tests.engine.world import order_a

from ordercore import Actor, OrderEngine, Policies
from ordercore.adapters.sql import SqlStore
from ordercore.cli import main
from ordercore.clock import SettableClock
from ordercore.policy import Preset

if TYPE_CHECKING:
    from pathlib import Path

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
Out = pytest.CaptureFixture[str]
CHANNELS = "points,balance,stored_value,wechat,alipay"


@pytest.mark.parametrize("preset", Preset, ids=lambda preset: preset.value)
def test_a_preset_is_shown_as_a_document(preset: Preset, capsys: Out, tmp_path: Path) -> None:
    """What is printed is the preset's own document: saved to a file, it loads to the same policies."""
    assert main(["policies", "show", preset.value]) == 0
    path = tmp_path / "shop.toml"
    path.write_text(capsys.readouterr().out, "utf-8")
    assert Policies.load(path) == Policies.preset(preset)
    assert main(["policies", "check", str(path)]) == 0


def test_an_unknown_preset_is_one_line(capsys: Out) -> None:
    """A wrong name ends with exit code 2 and the known names."""
    assert main(["policies", "show", "us-retail"]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert "cn-retail, eu-retail, cross-border" in told.err


def test_a_shop_in_order_ends_with_zero(capsys: Out) -> None:
    """A preset with all its gateways is in order."""
    assert main(["doctor", "--policies", "cn-retail", "--gateways", CHANNELS]) == 0
    assert capsys.readouterr().out == "in order\n"


def test_an_error_ends_with_one(capsys: Out) -> None:
    """A channel without gateway is told with its place and what to do, and the exit code says so."""
    assert main(["doctor", "--policies", "cn-retail", "--gateways", CHANNELS[:-7]]) == 1
    first, advice, last = capsys.readouterr().out.splitlines()
    told = "no gateway is named 'alipay', so nothing is paid by 'alipay'"
    assert first == f"error: channels.rules[1].gateway: {told}"
    assert advice == "    give the engine a gateway 'alipay', or take the rule out"
    assert last == "1 error, 0 other findings"


def test_gateways_that_nobody_names_are_not_missed(capsys: Out) -> None:
    """Without the names of the gateways nothing is said about them, nor about ports that a command cannot see."""
    assert main(["doctor", "--policies", "cross-border"]) == 0
    assert capsys.readouterr().out == "in order\n"


def test_a_file_stands_before_nothing(tmp_path: Path, capsys: Out) -> None:
    """Policies come from a file as well; one that is not there is refused."""
    path = tmp_path / "shop.toml"
    path.write_text('[[pricing.tax.rates]]\npercent = "17.5"\nlast_day = 2011-01-03\n', "utf-8")
    assert main(["doctor", "--policies", str(path)]) == 0
    assert "warning: pricing.tax.rates[0].last_day: the rate ended on 2011-01-03" in (
        capsys.readouterr().out
    )
    assert main(["doctor", "--policies", str(tmp_path / "none.toml")]) == 2


def test_a_store_that_nobody_sweeps_is_told_as_json(tmp_path: Path, capsys: Out) -> None:
    """The backlog of a store on disk is read by the time of day, and each finding is plain data."""
    url = f"sqlite:///{tmp_path / 'orders.db'}"
    with SqlStore(url) as store:
        engine = OrderEngine(store, clock=SettableClock(LONG_AGO))
        engine.place(engine.quote(order_a()), key="k", by=Actor.customer("c1"))
    assert main(["doctor", "--store", url, "--json"]) == 1
    (finding,) = json.loads(capsys.readouterr().out)
    assert set(finding) == {"severity", "kind", "path", "reason", "advice"}
    assert (finding["severity"], finding["kind"]) == ("error", "timers_not_swept")
    assert "2020-01-01" in finding["reason"]


def test_a_store_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """Asking does not make a store."""
    url = f"sqlite:///{tmp_path / 'orders.db'}"
    assert main(["doctor", "--store", url]) == 2
    assert list(tmp_path.iterdir()) == []


def test_a_lifecycle_of_the_shop_can_be_handed_over(tmp_path: Path, capsys: Out) -> None:
    """A lifecycle document is read as the engine would read it."""
    path = tmp_path / "gift.json"
    path.write_text("{}", "utf-8")
    assert main(["doctor", "--lifecycle", str(path)]) == 2
    assert "invalid_lifecycle" in capsys.readouterr().err
