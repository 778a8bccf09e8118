"""Servers that tests start: on loopback, each stopped by its own process id."""

import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

STARTS_WITHIN_S = 60


@contextmanager
def serving(arguments: list[str], port: int, log: Path):
    """A Python module's server, from when it accepts connections until the block ends."""
    with log.open("wb") as out:
        server = subprocess.Popen([sys.executable, "-m", *arguments], stdin=subprocess.DEVNULL, stdout=out, stderr=out)
    try:
        _wait(server, port, log)
        yield
    finally:
        server.terminate()
        try:
            server.wait(10)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _wait(server: subprocess.Popen, port: int, log: Path):
    deadline = time.monotonic() + STARTS_WITHIN_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            ended = server.poll() is not None
            assert not ended and time.monotonic() < deadline, f"the server does not start: {log.read_text()}"
            time.sleep(0.1)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
