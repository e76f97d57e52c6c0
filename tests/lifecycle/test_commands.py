from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.lifecycle.documents import small

from ordercore.cli import main
from ordercore.lifecycle.charts import BUILT_IN

if TYPE_CHECKING:
    Out = pytest.CaptureFixture[str]

EXAMPLES = Path(__file__).parents[2] / "examples" / "lifecycles"
BROKEN = sorted(str(file) for file in (EXAMPLES / "broken").glob("*.json"))
MADE = str(EXAMPLES / "made_to_order.json")


def test_check_tells_that_a_document_is_in_order(capsys: Out) -> None:
    """A good document takes one line and exit code 0; facts of the host's own are named."""
    assert main(["lifecycle", "check", MADE, "--facts", "inspected"]) == 0

    assert capsys.readouterr().out == f"{MADE}: in order (9 states, 10 events, 5 timers)\n"


@pytest.mark.parametrize("file", BROKEN, ids=lambda file: Path(file).stem)
def test_check_names_each_fault_of_a_broken_document_by_path(file: str, capsys: Out) -> None:
    """A broken document gives exit code 1 and one line a fault, with its path and its reason."""
    assert main(["lifecycle", "check", file]) == 1

    lines = capsys.readouterr().out.splitlines()
    assert lines
    for line in lines:
        name, path, reason = line.split(": ", 2)
        assert name == file
        assert path.split(".")[0].split("[")[0] in {
            "version",
            "states",
            "events",
            "timers",
        }
        assert reason


def test_check_looks_at_every_file(tmp_path: Path, capsys: Out) -> None:
    """A file that cannot be read is one line among the others."""
    (tmp_path / "torn.json").write_text("{", encoding="utf-8")
    good = tmp_path / "small.json"
    good.write_text(json.dumps(small()), encoding="utf-8")

    assert main(["lifecycle", "check", str(tmp_path / "torn.json"), str(good)]) == 1
    first, second = capsys.readouterr().out.splitlines()
    assert "torn.json: this is no JSON document" in first
    assert second.endswith("small.json: in order (5 states, 4 events, 0 timers)")


def test_diagram_draws_a_built_in_one_or_a_file(tmp_path: Path, capsys: Out) -> None:
    """Mermaid is printed, a file's ending says what is written; facts of the host's need not be known."""
    assert main(["lifecycle", "diagram", "pickup"]) == 0
    assert capsys.readouterr().out.startswith("stateDiagram-v2\n")
    assert main(["lifecycle", "diagram", MADE, "-o", str(tmp_path / "m.svg")]) == 0
    assert (tmp_path / "m.svg").read_text(encoding="utf-8").startswith("<svg ")
    assert main(["lifecycle", "diagram", MADE, "--plain", "-o", str(tmp_path / "m.mmd")]) == 0
    assert "by staff" not in (tmp_path / "m.mmd").read_text(encoding="utf-8")


def test_diff_tells_what_changed_and_who_stays_behind(tmp_path: Path, capsys: Out) -> None:
    """Exit code 1 and one line a difference; 0 where nothing differs."""
    old, new = tmp_path / "old.json", tmp_path / "new.json"
    document = small()
    old.write_text(json.dumps(document), encoding="utf-8")
    document["states"]["paid"]["transitions"] = [{"event": "complete", "target": "done"}]
    del document["states"]["sent"]
    new.write_text(json.dumps(document | {"version": 2}), encoding="utf-8")

    assert main(["lifecycle", "diff", str(old), str(old)]) == 0
    assert capsys.readouterr().out == "no difference\n"
    assert main(["lifecycle", "diff", str(old), str(new)]) == 1
    assert capsys.readouterr().out.splitlines() == [
        "+ states.paid.complete: to done",
        "+ events.complete: Complete",
        "- states.paid.ship: to sent [all_shipped]",
        "- states.sent: Sent",
        "- states.sent.receive: to done",
        "- events.ship: Ship",
        "- events.receive: Receive",
        "orders in sent have no place in small 2",
    ]


def test_list_names_every_built_in_lifecycle(capsys: Out) -> None:
    """One line each: name, versions, what it is for."""
    assert main(["lifecycle", "list"]) == 0

    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(BUILT_IN)


def test_show_prints_a_document_that_is_in_order(tmp_path: Path, capsys: Out) -> None:
    """What is printed can be edited and loaded: a start for a lifecycle of one's own."""
    for name in (*BUILT_IN, "standard@1"):
        assert main(["lifecycle", "show", name]) == 0
        file = tmp_path / "mine.json"
        file.write_text(capsys.readouterr().out, encoding="utf-8")
        assert main(["lifecycle", "diff", name, str(file)]) == 0
        capsys.readouterr()


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["show", "nope"], "there is no lifecycle 'nope'; known: standard"),
        (["show", "standard@9"], "there is no version 9 of 'standard'; known: 1, 2"),
        (["show", "standard@x"], "'x' is no version of 'standard'"),
        (["show", "no/where.json"], "no such file"),
        (["diagram", "standard", "-o", "a.png"], "a diagram is .svg or .mmd, not 'a.png'"),
        (["diff", "standard", BROKEN[0]], "states."),
    ],
)
def test_what_cannot_be_used_is_one_line_on_standard_error(
    arguments: list[str], reason: str, capsys: Out
) -> None:
    """A wrong name, version, file or ending is told, with exit code 2."""
    assert main(["lifecycle", *arguments]) == 2

    told = capsys.readouterr().err
    assert reason in told
    assert told.count("\n") == 1
