# SPDX-License-Identifier: MIT
"""HTTP over a hostile network: every request soon returns a response or raises an `OAuthError`."""

from __future__ import annotations

import contextlib
import errno
import http.client
import json
import math
import re
import select
import socket
import socketserver
import ssl
import subprocess
import sys
import threading
import time
import tracemalloc
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final, NamedTuple, NoReturn

import pytest

from tests.porting.fake_google import (
    CLIENT_ID,
    CLIENT_SECRET,
    FAULTS,
    FakeGoogle,
    HttpResponse,
    Raw,
    Reply,
    drip,
    redirect,
)
from tests.support import NOON, Clock, endpoints
from ytmusic_oauth import (
    YOUTUBE,
    MalformedResponse,
    OAuthCredentials,
    OAuthError,
    ServerError,
    TransportError,
    _http,
    transport,
)
from ytmusic_oauth.exceptions import RateLimited
from ytmusic_oauth.models import BaseTokenDict
from ytmusic_oauth.protocol import parse_refresh, refresh_request
from ytmusic_oauth.session import send
from ytmusic_oauth.transport import UrllibSession

ROOT: Final = Path(__file__).parent.parent
CERTIFICATES: Final = ROOT / "tests" / "data" / "certificates"
CA: Final = str(CERTIFICATES / "ca.pem")
HASTY: Final = UrllibSession(timeout=0.3)
# For requests that should get a response, however busy the machine is.
PATIENT: Final = UrllibSession(timeout=20)
MIB: Final = b" " * 2**20
OK: Final = b"HTTP/1.1 200 OK\r\n"
CHUNKED: Final = OK + b"Transfer-Encoding: chunked\r\n\r\n"
GOOD: Final = Reply(200, {"access_token": "ya29.fake", "expires_in": 3599})


# `tests/typed/refused.py` has the third promise: a misspelled import is a type error.
NAMES: Final = """
import sys
sys.path.insert(0, sys.argv[1])
import ytmusic_oauth
from ytmusic_oauth import *
assert UrllibSession is ytmusic_oauth.transport.UrllibSession
assert "UrllibSession" in dir(ytmusic_oauth)
print([name for name in ("socket", "ssl", "http.client", "urllib.request") if name in sys.modules])
"""


def test_dir_and_import_star_list_the_session_and_load_no_network_module() -> None:
    command = [sys.executable, "-I", "-S", "-c", NAMES, str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "[]\n", "")


def refresh(session: UrllibSession, server: FakeGoogle) -> BaseTokenDict:
    """Send exactly one request, without retries."""
    request = refresh_request(endpoints(server), CLIENT_ID, CLIENT_SECRET, "1//fake-refresh")
    return parse_refresh(request, send(session, request), sent=NOON)


def post(session: UrllibSession, url: str) -> int:
    return session.post(url, data={"client_secret": CLIENT_SECRET}, headers={}).status_code


def test_a_form_is_sent_and_the_whole_response_returned_without_output(
    server: FakeGoogle, capfd: pytest.CaptureFixture[str]
) -> None:
    server.script("token", Reply(418, '{"what": "caf\u00e9"}', {"X-Pot": "short"}))
    response = PATIENT.post(server.token_url, data={"q": "a b&c=d\u00e9+"}, headers={"User-Agent": "kettle"})
    assert (response.status_code, response.json(), response.headers["X-Pot"]) == (418, {"what": "caf\u00e9"}, "short")
    [request] = server.requests_to("token")
    assert (request.method, request.form) == ("POST", {"q": "a b&c=d\u00e9+"})
    assert request.headers["user-agent"] == "kettle"
    assert "ya29" not in repr(transport.UrllibResponse(200, {}, b"ya29.fake"))
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("suffix", "target"), [("", "/"), ("/token", "/token"), ("/token?a=%20b", "/token?a=%20b"), ("?a", "/?a")]
)
def test_a_request_is_what_every_server_understands(
    server: FakeGoogle, monkeypatch: pytest.MonkeyPatch, suffix: str, target: str
) -> None:
    """Each field once, and a path, whatever the URL has."""
    sent: list[bytes] = []
    send_to_server = http.client.HTTPConnection.send

    def send_and_note(connection: http.client.HTTPConnection, data: bytes) -> None:
        sent.append(data)
        send_to_server(connection, data)

    monkeypatch.setattr(http.client.HTTPConnection, "send", send_and_note)
    PATIENT.post(f"{server.url}{suffix}", data={"a": "b"}, headers={"User-Agent": "kettle"})
    first, *fields = b"".join(sent).decode().splitlines()
    assert first == f"POST {target} HTTP/1.1"
    assert sorted(fields) == [
        "",
        "Accept-Encoding: identity",
        "Connection: close",
        "Content-Length: 3",
        "Content-Type: application/x-www-form-urlencoded",
        f"Host: {server.host}:{server.port}",
        "User-Agent: kettle",
        "a=b",
    ]


# ---- failures and malformed responses -----------------------------------------------------------

EXPECTED: Final[Mapping[str, type[OAuthError]]] = {
    **dict.fromkeys(("408", "500", "502", "503", "504", "token-in-500"), ServerError),
    **dict.fromkeys(("429", "rate-limit"), RateLimited),
    **dict.fromkeys(("redirect", "stall", "stall-in-body", "drip", "hang-up", "reset", "answer-lost"), TransportError),
    **dict.fromkeys(("truncated", "truncated-chunks"), TransportError),
    **dict.fromkeys(("not-http", "empty", "html", "not-utf-8"), MalformedResponse),
    **dict.fromkeys(("not-an-object", "nested", "huge", "gzip-unasked", "many-headers"), MalformedResponse),
    **dict.fromkeys(("endless", "endless-length", "endless-chunks"), MalformedResponse),
}
MORE_FAULTS: Final[Mapping[str, tuple[HttpResponse, type[OAuthError]]]] = {
    "10000-headers": (Reply(200, GOOD.body, {f"X-{n}": "x" for n in range(10_000)}), MalformedResponse),
    "negative-chunk-size": (Raw([CHUNKED, b"-5\r\n", b"{}   \r\n0\r\n\r\n"]), MalformedResponse),
    "chunk-size-not-a-number": (Raw([CHUNKED, b"many\r\n{}\r\n0\r\n\r\n"]), MalformedResponse),
    "status-not-a-number": (Raw([b"HTTP/1.1 OK 200\r\n\r\n{}"]), MalformedResponse),
    "not-utf-8-in-an-unknown-key": (Reply(200, b'{"access_token": "ya29.fake", "other": "\xff"}'), MalformedResponse),
    "cut-short-beside-a-timeout": (Raw([b"HTTP/1.1 409 No\r\nContent-Length: 9\r\n\r\n", b"{"]), TransportError),
    "stall-in-status-line": (Raw([b"HTTP/1.1 2", math.inf]), TransportError),
    "stall-in-headers": (Raw([OK, b"Content-Length: 7", math.inf]), TransportError),
    # Each byte comes in time, but the whole response does not.
    "drip-fed-headers": (Raw([OK, *[piece for _ in range(100) for piece in (b"x", 0.1)]]), TransportError),
    "drip-fed-body": (drip(every=0.1), TransportError),
    "reset-in-body": (Raw([OK, b"Content-Length: 9\r\n\r\n", b"{", 0.05], reset=True), TransportError),
}


def test_every_fault_of_the_fake_server_is_covered() -> None:
    assert EXPECTED.keys() == FAULTS.keys()


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        *[pytest.param(FAULTS[name], end, id=name) for name, end in EXPECTED.items()],
        *[pytest.param(fault, end, id=name) for name, (fault, end) in MORE_FAULTS.items()],
    ],
)
def test_each_fault_raises_the_expected_error(
    server: FakeGoogle, fault: HttpResponse, expected: type[OAuthError], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_http, "GRACE", 0)
    server.script("token", fault)
    started = time.monotonic()
    with pytest.raises(OAuthError) as raised:
        refresh(HASTY if expected is TransportError else PATIENT, server)
    assert raised.type is expected
    # While an error is retryable, a token that is still valid is used. Other errors are raised at once.
    assert raised.value.retryable is (expected is not MalformedResponse and fault is not FAULTS["redirect"])
    assert getattr(raised.value, "sent", True)
    assert "ya29" not in str(raised.value)
    assert expected is not MalformedResponse or re.match(r"The response [(i]", str(raised.value))
    assert not re.search(r"\bNone", str(raised.value))
    assert time.monotonic() - started < 5


INTERIM: Final[Mapping[str, bytes]] = {
    "100": b"HTTP/1.1 100 Continue\r\n\r\n",
    "102": b"HTTP/1.1 102 Processing\r\n\r\n",
    "103": b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\nContent-Length: 9\r\n\r\n",
    "an unknown one": b"HTTP/1.1 199 What\r\nConnection: close\r\n\r\n",
    "101": b"HTTP/1.1 101 Switching Protocols\r\nTransfer-Encoding: chunked\r\n\r\n",
}


@pytest.mark.parametrize("interim", INTERIM.values(), ids=INTERIM)
@pytest.mark.parametrize("count", [1, 19])
def test_interim_responses_are_skipped(server: FakeGoogle, interim: bytes, count: int) -> None:
    """RFC 9110 15.2: "A client MUST be able to parse one or more 1xx responses received prior to a final response"."""
    server.script("token", Raw([interim * count + GOOD.wire("close")]))
    assert refresh(PATIENT, server)["access_token"] == "ya29.fake"


def test_interim_responses_without_end_are_malformed(server: FakeGoogle) -> None:
    server.script("token", Raw([INTERIM["103"] * 1000 + GOOD.wire("close")]))
    with pytest.raises(MalformedResponse):
        refresh(PATIENT, server)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(OK + b"Content-Length: 9\r\n\r\n", id="before its first byte"),
        pytest.param(OK + b'Content-Length: 9\r\n\r\n{"a": 1', id="inside"),
        pytest.param(CHUNKED, id="before the first chunk"),
        pytest.param(CHUNKED + b"9", id="inside a chunk size"),
        pytest.param(CHUNKED + b"2\r\n{", id="inside a chunk"),
        pytest.param(CHUNKED + b"2\r\n{}\r\n", id="before the last chunk"),
    ],
)
def test_a_connection_that_is_closed_inside_a_body_is_a_network_failure(server: FakeGoogle, body: bytes) -> None:
    server.script("token", Raw([body]))
    with pytest.raises(TransportError, match="closed in the middle of the response") as raised:
        refresh(PATIENT, server)
    assert (raised.value.retryable, raised.value.sent, raised.value.reason) == (True, True, "cut_short")


@pytest.mark.parametrize(
    "start",
    [
        pytest.param(OK + b"\r\n", id="body"),
        pytest.param(OK + b"X: ", id="header"),
        pytest.param(b"HTTP/1.1 200 ", id="status-line"),
        pytest.param(CHUNKED + b"7fffffff\r\n", id="chunk"),
        pytest.param(CHUNKED + b"-1\r\n", id="chunk-size-minus-one"),
        pytest.param(CHUNKED + b"1;", id="chunk-extension"),
    ],
)
def test_an_endless_response_does_not_fill_the_memory(server: FakeGoogle, start: bytes) -> None:
    server.script("token", Raw([start, *[MIB] * 64]))
    tracemalloc.start()
    try:
        with pytest.raises(MalformedResponse):
            post(PATIENT, server.token_url)
        assert tracemalloc.get_traced_memory()[1] < 16 * 2**20
    finally:
        tracemalloc.stop()


def test_a_body_of_1_mib_is_accepted_and_a_longer_one_rejected(server: FakeGoogle) -> None:
    server.script("token", Reply(200, MIB), Reply(200, MIB + b" "), Reply(200, 4 * MIB))
    assert len(PATIENT.post(server.token_url, data={}, headers={}).content) == 2**20
    for _ in range(2):
        with pytest.raises(MalformedResponse, match="1 MiB") as raised:
            post(PATIENT, server.token_url)
        assert raised.value.status == 200


@pytest.mark.parametrize("status", [300, 301, 302, 303, 304, 305, 307, 308])
def test_a_redirect_is_not_followed(server: FakeGoogle, status: int) -> None:
    with FakeGoogle() as elsewhere:
        server.script("token", redirect(elsewhere.token_url, status))
        with pytest.raises(TransportError) as raised:
            refresh(PATIENT, server)
        assert (raised.value.status, raised.value.retryable) == (status, False)
        assert elsewhere.transcript == []
        assert len(server.transcript) == 1


def test_a_timeout_is_positive_and_at_most_that_of_a_whole_call() -> None:
    for seconds in (0, -1, math.nan, 30.5, 3600):
        with pytest.raises(ValueError, match="timeout must be more than 0 and at most 30 seconds"):
            UrllibSession(timeout=seconds)
    assert [UrllibSession(timeout=seconds).timeout for seconds in (0.001, 30)] == [0.001, 30]


@pytest.mark.parametrize("seconds", [0, -1])
def test_a_request_without_time_is_not_sent(server: FakeGoogle, seconds: float) -> None:
    with pytest.raises(TransportError, match="did not respond in time") as raised:
        PATIENT.post(server.token_url, data={}, headers={}, timeout=seconds)
    assert (raised.value.sent, raised.value.reason) == (False, "timeout")
    assert server.transcript == []


def test_a_single_request_can_have_its_own_timeout(server: FakeGoogle) -> None:
    server.script("token", FAULTS["stall"])
    with pytest.raises(TransportError, match="did not respond in time"):
        PATIENT.post(server.token_url, data={}, headers={}, timeout=0.1)


# ---- connecting ----------------------------------------------------------------------------------


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port that refuses every connection. It is bound, so that no other program can listen there."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


def test_nothing_was_sent_if_the_connection_is_refused(closed_port: int) -> None:
    message = rf"^127\.0\.0\.1:{closed_port} cannot be reached: [A-Z]"  # without "[Errno 111]"
    with pytest.raises(TransportError, match=message) as raised:
        post(PATIENT, f"http://127.0.0.1:{closed_port}/token")
    assert (raised.value.sent, raised.value.retryable) == (False, True)


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("https://oauth..example/token", id="empty-label"),
        pytest.param("https://127.0.0.1:https/token", id="port-not-a-number"),
        pytest.param(f"https://{'a' * 64}.example/token", id="label-too-long"),
    ],
)
def test_nothing_was_sent_to_an_invalid_url_and_the_error_is_not_retryable(url: str) -> None:
    with pytest.raises(TransportError, match=r"^The URL ") as raised:
        post(PATIENT, url)
    assert (raised.value.sent, raised.value.retryable) == (False, False)


def test_nothing_was_sent_if_the_port_is_out_of_range() -> None:
    with pytest.raises(TransportError) as raised:  # some systems truncate the port, and connect
        post(PATIENT, "http://127.0.0.1:99999/token")
    assert not raised.value.sent


@pytest.mark.parametrize(
    ("error", "problem", "reason"),
    [
        (socket.gaierror(socket.EAI_NONAME, "Name not known"), "cannot be reached: Name not known", "dns"),
        (OSError("timed out"), "did not respond in time", "timeout"),  # a class of its own before Python 3.10
        (None, "cannot be reached: it has no address", "network"),
    ],
    ids=["unknown", "timeout", "no address"],
)
def test_nothing_was_sent_if_the_host_name_has_no_address(
    monkeypatch: pytest.MonkeyPatch, error: OSError | None, problem: str, reason: str
) -> None:
    def resolve(*_: object, **__: object) -> list[object]:
        if error:
            raise error
        return []

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    with pytest.raises(TransportError, match=f"^oauth.example {problem}") as raised:
        post(PATIENT, "https://oauth.example/token")
    assert (raised.value.sent, raised.value.reason) == (False, reason)


def test_a_request_that_was_sent_has_no_response(server: FakeGoogle) -> None:
    server.script("token", FAULTS["reset"])
    with pytest.raises(TransportError, match=r"^127\.0\.0\.1:\d+ did not respond: ") as raised:
        post(PATIENT, server.token_url)
    assert (raised.value.sent, raised.value.reason) == (True, "network")


def test_a_url_without_a_port_means_443_or_80(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, int]] = []

    def resolve(host: str, port: int, **_: int) -> NoReturn:
        asked.append((host, port))
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    for url in ("https://oauth.example/token", "http://127.0.0.1/token", "https://oauth.example:80/token"):
        with pytest.raises(TransportError):
            post(PATIENT, url)
    assert asked == [("oauth.example", 443), ("127.0.0.1", 80), ("oauth.example", 80)]


class Dialled(NamedTuple):
    address: str
    timeout: float | None


@pytest.fixture
def resolve_to(monkeypatch: pytest.MonkeyPatch) -> Callable[[Mapping[str, bool | None]], list[Dialled]]:
    """Give every host name several addresses, which accept (True), refuse (False) or silently drop (None) connections.

    Returns the list of the connections that are tried.
    """

    def resolve_to(addresses: Mapping[str, bool | None]) -> list[Dialled]:
        clock = Clock()
        dialled: list[Dialled] = []

        class Socket(socket.socket):
            def connect(self, address: object, /) -> None:
                assert isinstance(address, tuple)
                name, timeout = str(address[0]), self.gettimeout()
                dialled.append(Dialled(name, timeout))
                accepts = addresses[name]
                if accepts is None:
                    assert timeout is not None
                    clock.advance(timeout)
                    raise TimeoutError("timed out")
                if not accepts:
                    raise ConnectionRefusedError
                super().connect(("127.0.0.1", address[1]))

        def resolve(host: str, port: int, **hints: int) -> list[object]:
            assert hints == {"type": socket.SOCK_STREAM}, "without it, each address comes once for each socket type"
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]

        monkeypatch.setattr(_http, "time", clock)
        monkeypatch.setattr(_http, "_unresponsive", set())
        monkeypatch.setattr(socket, "socket", Socket)
        monkeypatch.setattr(socket, "getaddrinfo", resolve)
        return dialled

    return resolve_to


def test_a_failure_without_words_is_told_by_its_name(
    resolve_to: Callable[[Mapping[str, bool | None]], list[Dialled]],
) -> None:
    resolve_to({"192.0.2.1": False})
    with pytest.raises(TransportError, match=r"^oauth\.example cannot be reached: ConnectionRefusedError\. Try"):
        post(PATIENT, "https://oauth.example/token")


def test_each_address_gets_half_of_the_time_that_is_left(
    server: FakeGoogle, resolve_to: Callable[[Mapping[str, bool | None]], list[Dialled]]
) -> None:
    dialled = resolve_to({"192.0.2.1": None, "192.0.2.2": False, "192.0.2.3": None, "192.0.2.4": True})
    assert post(UrllibSession(timeout=8), server.token_url) == 400
    assert [each.timeout for each in dialled] == [4, 2, 2, 2]


def test_connecting_takes_ten_seconds_of_a_long_timeout(
    resolve_to: Callable[[Mapping[str, bool | None]], list[Dialled]],
) -> None:
    dialled = resolve_to({"192.0.2.1": None, "192.0.2.2": None})
    with pytest.raises(TransportError, match="did not respond in time") as raised:
        post(UrllibSession(timeout=30), "https://oauth.example/token")
    assert [each.timeout for each in dialled] == [5, 5]
    assert (raised.value.sent, raised.value.reason) == (False, "timeout")


def test_a_silent_address_is_tried_last_until_it_responds(
    server: FakeGoogle, resolve_to: Callable[[Mapping[str, bool | None]], list[Dialled]]
) -> None:
    first, second = "192.0.2.1", "192.0.2.2"
    addresses: dict[str, bool | None] = {first: None, second: True}
    dialled = resolve_to(addresses)
    for _ in range(2):
        assert post(UrllibSession(timeout=8), server.token_url) == 400
    assert [each.address for each in dialled] == [first, second, second]
    addresses.update({first: True, second: False})
    for _ in range(2):
        assert post(UrllibSession(timeout=8), server.token_url) == 400
    assert [each.address for each in dialled[3:]] == [second, first, first]


@pytest.mark.parametrize("addresses", [["192.0.2.1", "2001:db8::1"], ["2001:db8::1", "192.0.2.1"]], ids=str)
@pytest.mark.parametrize("accepts", [True, False, None])
def test_an_address_family_that_this_machine_lacks_hides_no_other_address(
    server: FakeGoogle,
    resolve_to: Callable[[Mapping[str, bool | None]], list[Dialled]],
    monkeypatch: pytest.MonkeyPatch,
    addresses: list[str],
    accepts: bool | None,
) -> None:
    resolve_to(dict.fromkeys(addresses, accepts))

    class WithoutIpv6(socket.socket):
        def __init__(self, family: int = socket.AF_INET, *arguments: int, **options: int) -> None:
            if family == socket.AF_INET6:
                raise OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")
            super().__init__(family, *arguments, **options)

    monkeypatch.setattr(socket, "socket", WithoutIpv6)
    if accepts:
        assert post(UrllibSession(timeout=8), server.token_url) == 400
        return
    with pytest.raises(TransportError) as raised:
        post(UrllibSession(timeout=8), server.token_url)
    reason = "timeout" if accepts is None else "refused"
    assert raised.value.reason == reason, "the other error says nothing about the server"


@pytest.mark.skipif(sys.platform == "emscripten", reason="it has no IPv6")
def test_a_proxy_on_this_machine_is_not_looked_up(
    resolve_to: Callable[[Mapping[str, bool | None]], list[Dialled]],
) -> None:
    dialled = resolve_to({"192.0.2.1": False, "127.0.0.1": False, "::1": False})
    with pytest.raises(TransportError):
        post(UrllibSession({"https": "http://LocalHost:3128"}), "https://oauth.example/token")
    assert [each.address for each in dialled] == ["127.0.0.1", "::1"]


def test_an_ipv6_address_is_connected_to(monkeypatch: pytest.MonkeyPatch) -> None:
    families: list[object] = []

    class Socket(socket.socket):
        def connect(self, address: object, /) -> None:
            families.append(self.family)
            raise ConnectionRefusedError

    monkeypatch.setattr(socket, "socket", Socket)
    with pytest.raises(TransportError):
        post(PATIENT, "http://[::1]:1/token")
    assert families == [socket.AF_INET6]


@pytest.mark.parametrize("host", ["localhost", "LocalHost", "music.localhost", "a.b.localhost"])
def test_a_name_of_this_machine_is_not_looked_up(
    server: FakeGoogle, resolve_to: Callable[[Mapping[str, bool | None]], list[Dialled]], host: str
) -> None:
    """RFC 6761 6.3. Some resolvers, and some Wi-Fi portals, resolve every name to an address of theirs."""
    dialled = resolve_to({"192.0.2.1": True, "127.0.0.1": True})
    assert post(PATIENT, f"http://{host}:{server.port}/token") == 400
    assert [each.address for each in dialled] == ["127.0.0.1"]
    dialled = resolve_to({"192.0.2.1": True, "127.0.0.1": False, "::1": False})
    with pytest.raises(TransportError, match="cannot be reached") as raised:
        post(PATIENT, f"http://{host}:{server.port}/token")
    assert [each.address for each in dialled] == ["127.0.0.1", "::1"]
    assert raised.value.reason == "refused"


@pytest.mark.parametrize("url", ["http://oauth.example/token", "ftp://127.0.0.1/token", "http://localhost.example/"])
def test_plain_http_goes_to_this_machine_only(
    resolve_to: Callable[[Mapping[str, bool | None]], list[Dialled]], url: str
) -> None:
    dialled = resolve_to({"127.0.0.1": True})
    with pytest.raises(TransportError, match=r"^The URL is not a valid endpoint: ") as raised:
        post(PATIENT, url)
    assert (raised.value.sent, raised.value.retryable, raised.value.reason) == (False, False, "url")
    assert dialled == []


@pytest.mark.parametrize("takes", [8, 9])
def test_a_slow_name_resolution_counts_towards_the_timeout(monkeypatch: pytest.MonkeyPatch, takes: int) -> None:
    clock = Clock()

    def resolve(*_: object, **__: object) -> list[object]:
        clock.advance(takes)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 443))]

    monkeypatch.setattr(_http, "time", clock)
    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    with pytest.raises(TransportError, match="did not respond in time") as raised:
        post(UrllibSession(timeout=8), "https://oauth.example/token")
    assert not raised.value.sent


# ---- TLS -----------------------------------------------------------------------------------------


@contextlib.contextmanager
def served_over_tls(certificate: str = "good") -> Iterator[FakeGoogle]:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(CERTIFICATES / f"{certificate}.pem")
    context.set_alpn_protocols(["h2", "http/1.1"])
    with FakeGoogle(ssl_context=context) as server:
        yield server


def trusting(proxies: Mapping[str, str] | None = None) -> UrllibSession:
    """Return a session that trusts the CA of the tests."""
    context = ssl.create_default_context(cafile=CA)
    return UrllibSession(proxies, timeout=20, ssl_context=context)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "localhost."])
def test_the_ssl_context_can_trust_a_private_ca(host: str) -> None:
    with served_over_tls() as server:
        assert post(trusting(), f"https://{host}:{server.port}/token") == 400
        assert server.requests_to("token")[0].form == {"client_secret": CLIENT_SECRET}


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_the_environment_can_name_a_private_ca(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    """The server is told that we speak HTTP/1.1. Some would respond in HTTP/2."""
    spoken: set[str | None] = set()
    do_handshake = ssl.SSLSocket.do_handshake

    def shake(sock: ssl.SSLSocket, block: bool = False) -> None:
        do_handshake(sock, block)
        spoken.add(sock.selected_alpn_protocol())

    monkeypatch.setattr(ssl.SSLSocket, "do_handshake", shake)
    monkeypatch.setenv("SSL_CERT_FILE", CA)
    with served_over_tls() as server:
        assert post(PATIENT, f"https://{host}:{server.port}/token") == 400
    assert spoken == {"http/1.1"}


class Untrusted(NamedTuple):
    certificate: str
    ca: str
    problem: str
    reason: str
    advice: str
    host: str = "127.0.0.1"


UNTRUSTED: Final = [
    Untrusted("good", "", "certificate", "tls", "SSL_CERT_FILE.* ssl_context .*Install Certificates.command"),
    Untrusted("wrong-host", CA, "mismatch", "tls", "the certificate is for another host"),
    Untrusted("wrong-host", CA, "mismatch", "tls", "the certificate is for another host", "localhost"),
    Untrusted("expired", CA, "certificate has expired", "clock", "date of this machine is 2026-01-01. If"),
    Untrusted("not-yet-valid", CA, "certificate is not yet valid", "clock", "is 2026-01-01. If"),
]


@pytest.mark.parametrize("case", UNTRUSTED, ids=[f"{case.certificate}-{case.host}" for case in UNTRUSTED])
def test_a_server_with_an_invalid_certificate_gets_no_request(monkeypatch: pytest.MonkeyPatch, case: Untrusted) -> None:
    new_year = time.gmtime(1767225600)
    monkeypatch.setattr(time, "gmtime", lambda *_: new_year)
    monkeypatch.setenv("SSL_CERT_FILE", case.ca)
    with served_over_tls(case.certificate) as server:
        with pytest.raises(TransportError, match=rf"^{case.host}:{server.port} cannot .*{case.problem}") as raised:
            post(PATIENT, f"https://{case.host}:{server.port}/token")
        assert (raised.value.sent, raised.value.retryable, raised.value.reason) == (False, False, case.reason)
        assert re.search(case.advice, str(raised.value))
        assert server.transcript == []


def unverified(*_: object, **__: object) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


@pytest.mark.parametrize("name", ["_create_default_https_context", "create_default_context", "_create_stdlib_context"])
def test_a_certificate_is_checked_whatever_the_program_has_replaced(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    made = unverified()
    with served_over_tls() as server:
        monkeypatch.setattr(ssl, name, lambda *_, **__: made)
        with pytest.raises(TransportError, match="certificate") as raised:
            post(PATIENT, server.token_url)
        assert not raised.value.sent
        assert server.transcript == []


def test_a_server_without_tls_gets_no_request(server: FakeGoogle) -> None:
    with pytest.raises(TransportError, match=rf"^127.0.0.1:{server.port} cannot be reached") as raised:
        post(trusting(), server.token_url.replace("http:", "https:"))
    assert (raised.value.sent, raised.value.reason) == (False, "tls")
    assert server.transcript == []


def test_nothing_was_sent_if_the_tls_handshake_stalls() -> None:
    # The kernel accepts the connection, and no server responds.
    with socket.create_server(("127.0.0.1", 0)) as silent:
        with pytest.raises(TransportError, match="did not respond in time") as raised:
            post(HASTY, f"https://127.0.0.1:{silent.getsockname()[1]}/token")
        assert not raised.value.sent


def test_a_slow_tls_handshake_counts_towards_the_timeout(proxy: Proxy) -> None:
    """The time that the proxy took is not granted again to the handshake."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        proxy.pause = 0.5
        started = time.monotonic()
        with pytest.raises(TransportError, match="did not respond in time") as raised:
            post(UrllibSession({"https": proxy.url}, timeout=0.8), f"https://127.0.0.1:{silent.getsockname()[1]}/token")
        assert time.monotonic() - started < 1.2
        assert not raised.value.sent


def test_the_timeout_ends_a_stall_over_tls() -> None:
    with served_over_tls() as server:
        server.script("token", Raw([OK, math.inf]))
        with pytest.raises(TransportError, match="did not respond in time"):
            trusting().post(server.token_url, data={}, headers={}, timeout=0.3)


def test_the_timeout_ends_a_stall_while_sending_over_tls(monkeypatch: pytest.MonkeyPatch) -> None:
    limits: list[float | None] = []
    send_to_server = http.client.HTTPConnection.send

    def send_and_note(connection: http.client.HTTPConnection, data: bytes) -> None:
        send_to_server(connection, data)  # connects first
        limits.append(connection.sock.gettimeout())

    monkeypatch.setattr(http.client.HTTPConnection, "send", send_and_note)
    with served_over_tls() as server:
        assert post(trusting(), server.token_url) == 400
    assert [each for each in limits if each is None or not 0 < each < 20] == []
    assert limits


def test_a_python_without_ssl_is_named_and_not_retryable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ssl", None)
    with pytest.raises(TransportError, match=r"^This Python was built without ssl") as raised:
        post(PATIENT, "https://oauth.example/token")
    assert (raised.value.sent, raised.value.retryable, raised.value.reason) == (False, False, "tls")


# ---- proxies -------------------------------------------------------------------------------------


class Proxy(socketserver.ThreadingTCPServer):
    """A proxy that opens a tunnel for every client that sends the password."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Tunnel)
        self.refusal = b"407 Proxy Authentication Required"
        self.pause = 0.0  # seconds before it opens the tunnel
        self.heads: list[str] = []
        self.client_left = threading.Event()  # a rejected client has closed its connection
        self.address = f"127.0.0.1:{self.server_address[1]}"
        self.url = f"http://user:sesame@{self.address}"


class Tunnel(socketserver.StreamRequestHandler):
    server: Proxy

    def handle(self) -> None:
        head = ""
        while (line := self.rfile.readline().decode()) not in {"\r\n", ""}:
            head += line
        self.server.heads.append(head)
        if b64encode(b"user:sesame").decode() not in head:
            self.wfile.write(b"HTTP/1.1 " + self.server.refusal + b"\r\n\r\n")
            if self.rfile.read() == b"":
                self.server.client_left.set()
            return
        host, _, port = head.split()[1].rpartition(":")
        with contextlib.suppress(OSError), socket.create_connection((host, int(port))) as target:
            self.server.client_left.wait(self.server.pause)
            self.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            peers = {self.connection: target, target: self.connection}
            while True:
                for end in select.select(list(peers), [], [])[0]:
                    data = end.recv(2**16)
                    if not data:
                        return
                    peers[end].sendall(data)


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    with Proxy() as proxy:
        threading.Thread(target=proxy.serve_forever, args=(0.01,), daemon=True).start()
        yield proxy
        proxy.shutdown()


@pytest.mark.parametrize("source", ["argument", "environment"])
def test_a_proxy_gets_its_password_and_sees_only_host_and_port(
    monkeypatch: pytest.MonkeyPatch, proxy: Proxy, source: str
) -> None:
    monkeypatch.setenv("https_proxy", proxy.url if source == "environment" else "http://127.0.0.1:1")
    with served_over_tls() as server:
        session = trusting(None if source == "environment" else {"https": proxy.url})
        assert post(session, server.token_url) == 400
        assert len(server.requests_to("token")) == 1
        [head] = proxy.heads
        assert head.startswith(f"CONNECT 127.0.0.1:{server.port} HTTP/1.")
        assert "sesame" not in head
        assert "proxy-authorization" not in server.transcript[0].headers


def test_a_proxy_gets_an_ipv6_address_in_brackets(proxy: Proxy) -> None:
    """RFC 9110 9.3.6."""
    with pytest.raises(TransportError):
        post(UrllibSession({"https": proxy.url.replace("user:sesame@", "")}), "https://[2001:db8::1]/token")
    assert proxy.heads[0].startswith("CONNECT [2001:db8::1]:443 HTTP/1.")


def test_a_header_that_cannot_be_sent_is_not_quoted(server: FakeGoogle) -> None:
    for value in ("Bearer sesame\n", "Bearer sesame\u20ac"):
        with pytest.raises(ValueError, match="The form or a header field has a character that cannot be sent"):
            HASTY.post(server.token_url, data={}, headers={"Authorization": value})
        with pytest.raises(ValueError, match="The form or a header field has a character that cannot be sent"):
            HASTY.post(server.token_url, data={"a": "\ud800"}, headers={})


@pytest.mark.parametrize("how", ["no_proxy", "empty-argument"])
def test_a_proxy_can_be_disabled(monkeypatch: pytest.MonkeyPatch, proxy: Proxy, how: str) -> None:
    monkeypatch.setenv("https_proxy", proxy.url)
    if how == "no_proxy":
        monkeypatch.setenv("no_proxy", "example.com, 127.0.0.1")
    with served_over_tls() as server:
        assert post(trusting(None if how == "no_proxy" else {}), server.token_url) == 400
    assert proxy.heads == []


@pytest.mark.parametrize("source", ["argument", "environment"])
def test_plain_http_never_takes_a_proxy(
    monkeypatch: pytest.MonkeyPatch, server: FakeGoogle, proxy: Proxy, source: str
) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, proxy.url)
    proxies = None if source == "environment" else {"http": proxy.url, "https": proxy.url, "all": proxy.url}
    assert post(UrllibSession(proxies, timeout=20), server.token_url) == 400
    assert proxy.heads == []


@pytest.mark.parametrize("no_proxy", ["127.0.0.1", "*"])
def test_proxies_are_used_whatever_no_proxy_says(monkeypatch: pytest.MonkeyPatch, proxy: Proxy, no_proxy: str) -> None:
    monkeypatch.setenv("no_proxy", no_proxy)
    with served_over_tls() as server:
        assert post(trusting({"https": proxy.url}), server.token_url) == 400
    assert len(proxy.heads) == 1


@pytest.mark.parametrize("source", ["argument", "environment"])
def test_the_proxy_for_https_comes_before_the_one_for_every_scheme(
    monkeypatch: pytest.MonkeyPatch, proxy: Proxy, source: str
) -> None:
    socks = "socks5://127.0.0.1:1"
    both: list[dict[str, str]] = [{"all": proxy.url}, {"all": socks, "https": proxy.url, "http": socks}]
    for proxies in both:
        for name in ("http", "https", "all"):
            monkeypatch.delenv(f"{name}_proxy", raising=False)
            if source == "environment" and name in proxies:
                monkeypatch.setenv(f"{name}_proxy", proxies[name])
        with served_over_tls() as server:
            assert post(trusting(proxies if source == "argument" else None), server.token_url) == 400
    assert len(proxy.heads) == 2


def test_a_proxy_in_the_environment_needs_no_scheme(monkeypatch: pytest.MonkeyPatch, proxy: Proxy) -> None:
    monkeypatch.setenv("https_proxy", proxy.url.replace("http://", ""))
    with served_over_tls() as server:
        assert post(trusting(), server.token_url) == 400
    assert len(proxy.heads) == 1


@pytest.mark.parametrize(
    ("user", "sent"),
    [
        ("user:@", "user:"),
        ("user@", "user:"),
        ("us%40er:p%3A%2Fw@", "us@er:p:/w"),
        ("us%C3%A9r:p\xe9@", "us\xe9r:p\xe9"),
        ("user:p%FFw@", b"user:p\xffw"),
        ("user:p@w@", "user:p@w"),
        (":word@", ":word"),
        ("", None),
    ],
)
def test_a_proxy_gets_the_user_name_and_the_password(proxy: Proxy, user: str, sent: str | bytes | None) -> None:
    with pytest.raises(TransportError, match="407"):
        post(UrllibSession({"https": f"http://{user}{proxy.address}"}, timeout=20), "https://oauth.example/token")
    found = re.findall("Proxy-Authorization: Basic (.*)\r\n", proxy.heads[0])
    sent = sent.encode() if isinstance(sent, str) else sent
    assert found == ([] if sent is None else [b64encode(sent).decode()])


@pytest.mark.parametrize(
    ("refusal", "problem", "retryable"),
    [
        (
            b"407 sesame",
            r" needs a user name and a password, or does not accept those that it got \(HTTP 407\)\. Check",
            False,
        ),
        (b"403 sesame", r" did not connect to oauth\.example \(HTTP 403\)\. Check the proxy: ", False),
        (b"405 No", r" did not connect to oauth\.example \(HTTP 405\)\. Check the proxy: ", False),
        (b"302 Moved", r" did not connect to oauth\.example \(HTTP 302\)\. Check the proxy: ", False),
        (b"429 sesame", r" did not connect to oauth\.example \(HTTP 429\)\. Try again", True),
        (b"408 sesame", r" did not connect to oauth\.example \(HTTP 408\)\. Try again", True),
        (b"500 sesame", r" did not connect to oauth\.example \(HTTP 500\)\. Try again", True),
        (b"what sesame", r" does not respond like a proxy\. Check the proxy: ", False),
    ],
)
def test_a_refusal_of_a_proxy_is_reported_as_the_proxys(
    proxy: Proxy, refusal: bytes, problem: str, retryable: bool
) -> None:
    proxy.refusal = refusal
    with pytest.raises(TransportError, match=rf"^The proxy {re.escape(proxy.address)}{problem}") as raised:
        post(UrllibSession({"https": f"http://{proxy.address}"}, timeout=20), "https://oauth.example/token")
    assert (raised.value.sent, raised.value.retryable, raised.value.reason) == (False, retryable, "proxy")
    assert "sesame" not in str(raised.value)
    assert proxy.client_left.wait(5), "the connection stays open while the error is referenced"


def test_a_refusal_of_a_proxy_is_not_tried_again(proxy: Proxy, clock: Clock) -> None:
    credentials = OAuthCredentials(CLIENT_ID, CLIENT_SECRET, proxies={"https": f"http://{proxy.address}"})
    with pytest.raises(TransportError):
        credentials.get_code()
    assert len(proxy.heads) == 1


@pytest.mark.skipif(sys.platform == "emscripten", reason="it has no IPv6")
def test_a_proxy_whose_address_is_ipv6_is_named_as_in_a_url() -> None:
    with pytest.raises(TransportError, match=r"^The proxy \[::1\]:1 cannot be reached"):
        post(UrllibSession({"https": "http://[::1]:1"}, timeout=20), "https://oauth.example/token")


def test_a_proxy_that_cannot_be_reached_is_reported_as_such(
    monkeypatch: pytest.MonkeyPatch, closed_port: int, server: FakeGoogle
) -> None:
    with pytest.raises(TransportError, match=rf"^The proxy 127\.0\.0\.1:{closed_port} cannot be reached: ") as raised:
        post(UrllibSession({"https": f"http://127.0.0.1:{closed_port}"}, timeout=20), "https://oauth.example/token")
    assert (raised.value.sent, raised.value.retryable, raised.value.reason) == (False, True, "proxy")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("https_proxy", f"127.0.0.1:{silent.getsockname()[1]}")
        with pytest.raises(TransportError, match=r"^The proxy 127\.0\.0\.1:\d+ did not respond in time") as raised:
            post(HASTY, "https://oauth.example/token")
    assert (raised.value.sent, raised.value.reason) == (False, "proxy")


def test_a_proxys_reason_phrase_is_not_shown(proxy: Proxy) -> None:
    proxy.refusal = b"407 sesame\x1b]0;owned\x07" + b"x" * 60_000
    with pytest.raises(TransportError, match="407") as raised:
        post(UrllibSession({"https": f"http://{proxy.address}"}, timeout=20), "https://oauth.example/token")
    assert str(raised.value).isprintable()
    assert len(str(raised.value)) < 1000
    assert "sesame" not in str(raised.value)


UNUSABLE: Final = [
    pytest.param("http://user:sesame@127.0.0.1:port", "percent-encoded", id="port-not-a-number"),
    pytest.param("http://user:sesame@127.0.0.1:65536", "percent-encoded", id="port-too-large"),
    pytest.param("http://user:sesame@127.0.0.1:0", "percent-encoded", id="port-0"),
    pytest.param("http:/user:sesame@127.0.0.1:1", "percent-encoded", id="slash-missing"),
    pytest.param("http://user:sesame@", "percent-encoded", id="no-host"),
    pytest.param("http://user:ses#ame@127.0.0.1:1", "percent-encoded", id="special-character"),
    pytest.param("http://user:sesame@127.0.0.1\n:1", "percent-encoded", id="line-break"),
    pytest.param("socks5://user:sesame@127.0.0.1:1", "SOCKS proxies are not supported", id="socks"),
    pytest.param("SOCKS4A://user:ses://ame@127.0.0.1:1", "SOCKS proxies are not supported", id="socks-4"),
    pytest.param("https://user:ses://ame@127.0.0.1:1", "with https:// is not supported", id="tls"),
    pytest.param("ftp://user:sesame@127.0.0.1:1", "percent-encoded", id="ftp"),
    pytest.param(f"http://{'a' * 64}.example:1", "percent-encoded", id="label-too-long"),
    pytest.param("http://user:ses\udcffame@127.0.0.1:1", "percent-encoded", id="password-not-text"),
    pytest.param("http://us\udcffer:sesame@127.0.0.1:1", "percent-encoded", id="user-not-text"),
    pytest.param("http://user:sesame@127.0.0.1\udcff:1", "percent-encoded", id="host-not-text"),
]


@pytest.mark.parametrize("name", ["https_proxy", "all_proxy"])
@pytest.mark.parametrize(("proxy_url", "problem"), UNUSABLE)
def test_an_unusable_proxy_in_the_environment_is_reported(
    monkeypatch: pytest.MonkeyPatch, proxy_url: str, problem: str, name: str
) -> None:
    monkeypatch.setenv(name, proxy_url)
    request = refresh_request(YOUTUBE, CLIENT_ID, CLIENT_SECRET, "1//fake-refresh")
    with pytest.raises(TransportError, match=f"^The proxy cannot be used: .*{problem}.* Check the proxy: ") as raised:
        send(HASTY, request)
    assert (raised.value.sent, raised.value.retryable, raised.value.reason) == (False, False, "proxy")
    assert re.search("ame|udcff|codec", str(raised.value).replace("user name", "")) is None


@pytest.mark.parametrize("proxy_url", ["user:sesame@127.0.0.1:1", "", *(each.values[0] for each in UNUSABLE)])
def test_an_unusable_proxy_is_rejected_without_quoting_it(proxy_url: str) -> None:
    for build in (
        lambda: UrllibSession({"https": proxy_url}),
        lambda: UrllibSession({"all": proxy_url}),
        lambda: OAuthCredentials(CLIENT_ID, CLIENT_SECRET, proxies={"https": proxy_url}),
    ):
        with pytest.raises(ValueError, match="proxies must be") as raised:
            build()
        assert re.search("ame|udcff|codec", str(raised.value)) is None


@pytest.mark.parametrize("proxies", ['{"http": "http://127.0.0.1:1"}', '{"HTTPS": "http://127.0.0.1:1"}', '"http://a"'])
def test_proxies_without_one_for_https_are_rejected(proxies: str) -> None:
    usual = re.escape("{'https': 'http://user:password@host:port'}")
    with pytest.raises(ValueError, match=f"^proxies must be a dictionary such as {usual}: it has no proxy for https$"):
        UrllibSession(json.loads(proxies))


def test_a_proxy_can_have_any_port_and_its_scheme_is_case_insensitive() -> None:
    for url in ("HTTP://127.0.0.1:1", "http://127.0.0.1:65535"):
        assert UrllibSession({"https": url}).proxies


@pytest.mark.parametrize("status", [408, 500, 502])
@pytest.mark.parametrize("fault", ["truncated", "truncated-chunks", "huge"])
def test_a_5xx_or_408_is_returned_even_if_its_body_is_bad(server: FakeGoogle, fault: str, status: int) -> None:
    """For these, only the status matters."""
    bad = FAULTS[fault]
    assert isinstance(bad, Raw)
    first = bad.pieces[0]
    assert isinstance(first, bytes)
    bad = replace(bad, pieces=[first.replace(b"200 OK", f"{status} Bad".encode(), 1), *bad.pieces[1:]])
    server.script("token", bad)
    response = PATIENT.post(server.token_url, data={}, headers={})
    assert response.status_code == status
    assert response.content == b""


@pytest.mark.parametrize("status", [408, 500, 503])
@pytest.mark.parametrize("rest", [Raw([math.inf]), Raw([0.05], reset=True)], ids=["stalls", "is reset"])
def test_the_status_of_a_5xx_or_408_counts_if_its_body_does_not_come(
    server: FakeGoogle, rest: Raw, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A 503 says that the server did nothing. As a lost response, it would end the retries of a refresh."""
    monkeypatch.setattr(_http, "GRACE", 0)
    head = b"HTTP/1.1 %d Bad\r\nContent-Length: 9\r\n\r\n{" % status
    server.script("token", replace(rest, pieces=[head, *rest.pieces]))
    with pytest.raises(ServerError) as raised:
        refresh(HASTY, server)
    assert (raised.value.status, raised.value.retryable, raised.value.lost) == (status, True, status == 408)


def test_a_response_that_has_arrived_is_read_although_the_time_is_over(
    server: FakeGoogle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The machine was suspended meanwhile. With the response, a rotated refresh token would be lost."""
    time_of_http, receive = Clock(), _http._Connection.getresponse

    def suspended(connection: _http._Connection) -> http.client.HTTPResponse:
        response = receive(connection)
        time_of_http.advance(3600)
        return response

    monkeypatch.setattr(_http, "time", time_of_http)
    monkeypatch.setattr(_http._Connection, "getresponse", suspended)
    server.script("token", Reply(200, {"access_token": "ya29.fake", "padding": "x" * 500_000}))
    assert refresh(PATIENT, server)["access_token"] == "ya29.fake"
