# SPDX-License-Identifier: MIT
"""The guard against the network: what is not loopback fails, even before a packet is sent."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from tests.porting.fake_google import FakeGoogle

ROOT: Final = Path(__file__).parent.parent


def connect(host: str) -> None:
    with socket.socket() as sock:
        sock.settimeout(0.1)
        sock.connect((host, 9))


def send() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.sendto(b"", ("192.0.2.1", 9))


AWAY: Final[dict[str, Callable[[], object]]] = {
    "getaddrinfo": lambda: socket.getaddrinfo("oauth2.googleapis.com", 443),
    "gethostbyname": lambda: socket.gethostbyname("www.youtube.com"),
    "create_connection": lambda: socket.create_connection(("192.0.2.1", 443), 0.1),
    "connect": lambda: connect("192.0.2.1"),
    "send": send,
    "a name that begins like an address": lambda: socket.getaddrinfo("127.example.org", 443),
}


@pytest.mark.parametrize("do", AWAY.values(), ids=AWAY)
def test_what_leaves_this_machine_fails(do: Callable[[], object]) -> None:
    with pytest.raises(BaseException, match="is not this machine"):
        do()


def test_it_fails_in_other_threads_too() -> None:
    caught: list[str] = []

    def look_up() -> None:
        with pytest.raises(BaseException, match="is not this machine") as raised:
            socket.gethostbyname("www.youtube.com")
        caught.append(type(raised.value).__name__)

    thread = threading.Thread(target=look_up)
    thread.start()
    thread.join(10)
    assert caught == ["Offline"]


def test_loopback_is_allowed(server: FakeGoogle) -> None:
    for host in ("localhost", "127.0.0.1", b"127.0.0.2", None):
        assert socket.getaddrinfo(host, server.port)
    socket.create_connection(("localhost", server.port), 10).close()


def test_a_process_of_the_environment_is_guarded_from_its_start() -> None:
    """Even an isolated one. Another environment may lack it: `make test` installs it."""
    script = "import sys; print('offline' in sys.modules); import socket; socket.gethostbyname('www.youtube.com')"
    done = subprocess.run([sys.executable, "-I", "-c", script], capture_output=True, text=True, check=False)
    if done.stdout != "True\n":
        pytest.skip("this environment was not made by the Makefile")
    assert "Offline: socket.gethostbyname: www.youtube.com is not this machine" in done.stderr
