"""The calculators of two well-known shop systems, on node, in the rounds of the same run.

The packages are fetched by npm into ``build/peers`` from the exact versions of `package.json`.
Where node or npm is absent, or anything fails, `Absent` says why and the run goes on.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from threading import Timer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from benchmarks.rounds import Case

__all__ = ["Absent", "Peer", "install"]

HERE = Path(__file__).parent
BUILD = HERE.parents[1] / "build" / "peers"
INSTALL_SECONDS = 240.0
READY_SECONDS = 60.0
ANSWER_SECONDS = 20.0
NPM = (
    "install", "--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock", "--omit=dev",
    "--fetch-retries=1", "--fetch-timeout=30000", "--loglevel=error",
)  # fmt: skip


class Absent(Exception):
    """A peer cannot run, and why in a few words."""


def install(*, fetch: bool, folder: Path = BUILD) -> Path:
    """The folder with the packages; fetched once for each content of `package.json`."""
    if shutil.which("node") is None:
        raise Absent("node is absent")
    wanted = (HERE / "package.json").read_text("utf-8")
    stamp = folder / "installed.json"
    if stamp.exists() and stamp.read_text("utf-8") == wanted:
        return folder
    npm = shutil.which("npm")
    if npm is None:
        raise Absent("npm is absent")
    if not fetch:
        raise Absent("not installed: a full run installs it")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "package.json").write_text(wanted, "utf-8")
    try:
        subprocess.run(
            [npm, *NPM], cwd=folder, check=True, capture_output=True, timeout=INSTALL_SECONDS
        )
    except subprocess.TimeoutExpired:
        raise Absent(f"npm install took more than {INSTALL_SECONDS:.0f} s") from None
    except (subprocess.CalledProcessError, OSError):
        raise Absent("npm install failed") from None
    stamp.write_text(wanted, "utf-8")
    return folder


class Peer:
    """One calculator in a process of its own, which answers until it is closed."""

    def __init__(self, name: str, cart: dict[str, Any], folder: Path) -> None:
        command = ["node", str(HERE / f"{name}.js"), json.dumps(cart)]
        self.process = subprocess.Popen(
            command, cwd=folder, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            told = json.loads(self._line(READY_SECONDS))
        except ValueError:
            self.close()
            raise Absent("it does not start") from None
        self.version: str = told["version"]
        self.node: str = told["node"]
        self.figures: dict[str, dict[str, float]] = told["figures"]

    def _line(self, seconds: float) -> str:
        """The next line; a process that takes too long is ended, which ends the line."""
        assert self.process.stdout is not None
        timer = Timer(seconds, self.process.kill)
        timer.start()
        try:
            return self.process.stdout.readline()
        finally:
            timer.cancel()

    def case(self, name: str, times: int) -> Case:
        """Seconds of one run; not a number once the process has ended."""

        def run(_round: int) -> float:
            assert self.process.stdin is not None
            try:
                self.process.stdin.write(f"{name} {times}\n")
                self.process.stdin.flush()
                return float(self._line(ANSWER_SECONDS))
            except (ValueError, OSError):
                return float("nan")

        return run

    def close(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.communicate()
