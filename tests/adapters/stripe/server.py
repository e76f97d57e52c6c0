"""A running `localstripe`: a server that speaks Stripe's interface and keeps what it was told.

It is under the GPL, so it stays what it is: a program of its own, in an environment of its own, that is
started and spoken to over a socket. Nothing of it is imported here, and nothing of ours there.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import venv
from http.client import HTTPConnection
from pathlib import Path

ROOT = Path(__file__).parents[3]
PINS = ROOT / "requirements" / "localstripe.txt"
START_SECONDS = 20
STOP_SECONDS = 5


def python_of_the_server() -> Path:
    """The interpreter of the server's environment, which is made once for each set of pins."""
    of = hashlib.sha256(PINS.read_bytes() + sys.version.encode()).hexdigest()[:12]
    home = ROOT / "build" / f"localstripe-{of}"
    inside = Path("Scripts", "python.exe") if os.name == "nt" else Path("bin", "python")
    if home.exists():
        return home / inside
    home.parent.mkdir(exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix="localstripe-", dir=home.parent))
    try:
        venv.create(made, with_pip=True, symlinks=os.name != "nt")
        command = [str(made / inside), "-m", "pip", "install", "--no-input", "--quiet"]
        told = subprocess.run(
            [*command, "--disable-pip-version-check", "-r", str(PINS)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert told.returncode == 0, f"localstripe could not be installed: {told.stderr}"
        try:
            made.rename(home)
        except OSError:
            assert home.exists()  # another worker of this session was first
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return home / inside


def free_port() -> int:
    """A port that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class LocalStripe:
    """The server as one process, from its start to `stop`."""

    def __init__(self) -> None:
        self.port = free_port()
        python = python_of_the_server()
        self.log = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `stop`
        command = [str(python), "-m", "localstripe", "--from-scratch", "--port", str(self.port)]
        self.process = subprocess.Popen(command, stdout=self.log, stderr=subprocess.STDOUT)
        try:
            self._wait()
        except BaseException:
            self.stop()
            raise

    def _wait(self) -> None:
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until and self.process.poll() is None:
            try:
                self.forget()
            except OSError:
                time.sleep(0.05)
            else:
                return
        self.log.seek(0)
        raise AssertionError(f"localstripe did not start: {self.log.read().decode()[-2000:]}")

    def ask(self, method: str, path: str, body: bytes = b"", key: str = "") -> tuple[int, bytes]:
        """Ask the server itself, past any proxy; the status and the body of its answer."""
        wire = HTTPConnection("127.0.0.1", self.port, timeout=10)
        headers = {"Authorization": key or "Bearer sk_test_secret"}
        if body:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        try:
            wire.request(method, path, body, headers)
            answer = wire.getresponse()
            return answer.status, answer.read()
        finally:
            wire.close()

    def forget(self) -> None:
        """Drop all that was kept."""
        status, _ = self.ask("DELETE", "/_config/data")
        assert status == 200

    def stop(self) -> None:
        """End this very process."""
        self.process.terminate()
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()
