# SPDX-License-Identifier: MIT
"""HTTP over a hostile network: every request soon returns a response or raises an `OAuthError`."""

from __future__ import annotations

import contextlib
import http.client
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
from typing import Final

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


# ---- failures and malformed responses -----------------------------------------------------------

EXPECTED: Final[Mapping[str, type[OAuthError]]] = {
    **dict.fromkeys(("408", "500", "502", "503", "504", "token-in-500"), ServerError),
    **dict.fromkeys(("429", "rate-limit"), RateLimited),
    **dict.fromkeys(("redirect", "stall", "stall-in-body", "drip", "hang-up", "reset", "answer-lost"), TransportError),
    **dict.fromkeys(("truncated", "truncated-chunks"), TransportError),
    **dict.fromkeys(("not-http", "empty", "html", "not-utf-8"), MalformedResponse),
    **dict.fromkeys(("not-an-object", "nested", "huge", "gzip-unasked", "many-headers"), MalformedResponse),
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
    server: FakeGoogle, fault: HttpResponse, expected: type[OAuthError]
) -> None:
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


def test_a_timeout_is_positive_and_at_most_an_hour() -> None:
    for seconds in (0, -1, math.nan, 3600.5):
        with pytest.raises(ValueError, match="timeout"):
            UrllibSession(timeout=seconds)
    assert [UrllibSession(timeout=seconds).timeout for seconds in (0.001, 3600)] == [0.001, 3600]


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


def test_nothing_was_sent_if_the_host_name_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> list[object]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    for resolver, reason in ((unknown, "not known"), (lambda *_, **__: [], "no address")):
        monkeypatch.setattr(socket, "getaddrinfo", resolver)
        with pytest.raises(TransportError, match=f"oauth.example cannot be reached: .*{reason}") as raised:
            post(PATIENT, "https://oauth.example/token")
        assert not raised.value.sent


@pytest.fixture
def resolve_to(monkeypatch: pytest.MonkeyPatch) -> Callable[[Mapping[str, bool | None]], list[float]]:
    """Give a host name several addresses, which accept (True), refuse (False) or silently drop (None) connections.

    Returns the list of the timeouts at addresses of the last kind.
    """

    def resolve_to(addresses: Mapping[str, bool | None]) -> list[float]:
        clock, waits = Clock(), list[float]()

        def connect(address: tuple[str, int], timeout: float) -> socket.socket:
            accepts = addresses[address[0]]
            if accepts is None:
                waits.append(timeout)
                clock.advance(timeout)
                raise TimeoutError
            if not accepts:
                raise ConnectionRefusedError
            connected = socket.socket()
            connected.connect(("127.0.0.1", address[1]))
            return connected

        def resolve(host: str, port: int, **hints: int) -> list[object]:
            assert hints == {"type": socket.SOCK_STREAM}, "without it, each address comes once for each socket type"
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]

        monkeypatch.setattr(_http, "time", clock)
        monkeypatch.setattr(socket, "create_connection", connect)
        monkeypatch.setattr(socket, "getaddrinfo", resolve)
        return waits

    return resolve_to


def test_silent_addresses_leave_time_for_one_that_responds(
    server: FakeGoogle, resolve_to: Callable[[Mapping[str, bool | None]], list[float]]
) -> None:
    waits = resolve_to({"192.0.2.1": None, "192.0.2.2": False, "192.0.2.3": None, "192.0.2.4": True})
    assert post(UrllibSession(timeout=8), server.token_url) == 400
    assert len(waits) == 2
    assert sum(waits) < 6


def test_a_silent_address_gets_ten_seconds_of_a_long_timeout(
    server: FakeGoogle, resolve_to: Callable[[Mapping[str, bool | None]], list[float]]
) -> None:
    waits = resolve_to({"192.0.2.1": None, "192.0.2.2": True})
    assert post(UrllibSession(timeout=300), server.token_url) == 400
    assert waits == [10]


def test_silent_addresses_do_not_exceed_the_timeout(
    server: FakeGoogle, resolve_to: Callable[[Mapping[str, bool | None]], list[float]]
) -> None:
    waits = resolve_to({f"192.0.2.{n}": None for n in range(5)})
    with pytest.raises(TransportError, match="did not respond") as raised:
        post(UrllibSession(timeout=8), server.token_url)
    assert not raised.value.sent
    assert sum(waits) == pytest.approx(8)


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
    with FakeGoogle(ssl_context=context) as server:
        yield server


def trusting(proxies: Mapping[str, str] | None = None) -> UrllibSession:
    """Return a session that trusts the CA of the tests."""
    context = ssl.create_default_context(cafile=str(CERTIFICATES / "ca.pem"))
    return UrllibSession(proxies, timeout=20, ssl_context=context)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_the_ssl_context_can_trust_a_private_ca(host: str) -> None:
    with served_over_tls() as server:
        assert post(trusting(), f"https://{host}:{server.port}/token") == 400
        assert server.requests_to("token")[0].form == {"client_secret": CLIENT_SECRET}


UNTRUSTED: Final = [
    pytest.param("good", PATIENT, "certificate", id="unknown-ca"),
    pytest.param("wrong-host", trusting(), "mismatch", id="wrong-host"),
    pytest.param("expired", trusting(), "certificate has expired", id="expired"),
    pytest.param("not-yet-valid", trusting(), "certificate is not yet valid", id="not-yet-valid"),
]


@pytest.mark.parametrize(("certificate", "session", "reason"), UNTRUSTED)
def test_a_server_with_an_invalid_certificate_gets_no_request(
    monkeypatch: pytest.MonkeyPatch, certificate: str, session: UrllibSession, reason: str
) -> None:
    noon = time.gmtime(NOON)
    monkeypatch.setattr(time, "gmtime", lambda *_: noon)
    with served_over_tls(certificate) as server:
        with pytest.raises(TransportError, match=reason) as raised:
            post(session, server.token_url)
        assert not raised.value.sent
        assert "clock" not in str(raised.value)
        assert server.transcript == []


@pytest.mark.parametrize(
    ("now", "advice"), [(0, "1970: set it"), (1577836799, "2019: set it"), (1577836800, "")], ids=str
)
def test_a_certificate_error_names_a_clock_before_2020(monkeypatch: pytest.MonkeyPatch, now: int, advice: str) -> None:
    year = time.gmtime(now)
    monkeypatch.setattr(time, "gmtime", lambda *_: year)
    with (
        served_over_tls("not-yet-valid") as server,
        pytest.raises(TransportError, match=r"not yet valid") as raised,
    ):
        post(trusting(), server.token_url)
    assert ("clock" in str(raised.value), advice in str(raised.value)) == (advice != "", True)


def test_a_server_without_tls_gets_no_request(server: FakeGoogle) -> None:
    with pytest.raises(TransportError) as raised:
        post(trusting(), server.token_url.replace("http:", "https:"))
    assert not raised.value.sent
    assert server.transcript == []


def test_nothing_was_sent_if_the_tls_handshake_stalls() -> None:
    # The kernel accepts the connection, and no server responds.
    with socket.create_server(("127.0.0.1", 0)) as silent:
        with pytest.raises(TransportError, match="did not respond in time") as raised:
            post(HASTY, f"https://127.0.0.1:{silent.getsockname()[1]}/token")
        assert not raised.value.sent


def test_the_timeout_ends_a_stall_over_tls() -> None:
    with served_over_tls() as server:
        server.script("token", Raw([OK, math.inf]))
        with pytest.raises(TransportError, match="did not respond in time"):
            trusting().post(server.token_url, data={}, headers={}, timeout=0.3)


def test_a_python_without_ssl_is_named_and_not_retryable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(http.client, "HTTPSConnection")
    with pytest.raises(TransportError, match=r"^This Python was built without ssl") as raised:
        post(PATIENT, "https://oauth.example/token")
    assert (raised.value.sent, raised.value.retryable) == (False, False)


# ---- proxies -------------------------------------------------------------------------------------


class Proxy(socketserver.ThreadingTCPServer):
    """A proxy that opens a tunnel for every client that sends the password."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Tunnel)
        self.refusal = b"407 Proxy Authentication Required"
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


def test_nothing_was_sent_if_the_proxy_rejects_the_password(proxy: Proxy) -> None:
    with served_over_tls() as server:
        with pytest.raises(TransportError, match=r" cannot be reached: Tunnel connection failed: 407\. ") as raised:
            post(trusting({"https": proxy.url.replace("user", "other")}), server.token_url)
        assert not raised.value.sent
        assert "sesame" not in str(raised.value)
        assert server.transcript == []
    assert proxy.client_left.wait(5), "the connection stays open while the error is referenced"


def test_a_proxys_reason_phrase_is_not_shown(proxy: Proxy) -> None:
    proxy.refusal = b"407 sesame\x1b]0;owned\x07" + b"x" * 60_000
    with pytest.raises(TransportError, match="407") as raised:
        post(UrllibSession({"https": f"http://{proxy.address}"}, timeout=20), "https://oauth.example/token")
    assert str(raised.value).isprintable()
    assert len(str(raised.value)) < 1000
    assert "sesame" not in str(raised.value)


@pytest.mark.parametrize(
    "proxy_url",
    [
        pytest.param("http://user:sesame@127.0.0.1:port", id="port-not-a-number"),
        pytest.param("http:/user:sesame@127.0.0.1:1", id="slash-missing"),
        pytest.param("http://user:sesame@", id="no-host"),
        pytest.param("user:sesame@127.0.0.1:1", id="no-scheme"),
        pytest.param("socks5://user:sesame@127.0.0.1:1", id="socks"),
    ],
)
def test_nothing_was_sent_through_a_mistyped_proxy(monkeypatch: pytest.MonkeyPatch, proxy_url: str) -> None:
    monkeypatch.setenv("https_proxy", proxy_url)
    request = refresh_request(YOUTUBE, CLIENT_ID, CLIENT_SECRET, "1//fake-refresh")
    with pytest.raises(TransportError) as raised:
        send(HASTY, request)
    assert not raised.value.sent


@pytest.mark.parametrize("status", [408, 500, 502])
@pytest.mark.parametrize("fault", ["truncated", "truncated-chunks", "huge"])
def test_a_5xx_or_408_is_returned_even_if_its_body_is_bad(server: FakeGoogle, fault: str, status: int) -> None:
    """For these, only the status matters. The body is empty, or a part of what the server sent."""
    bad = FAULTS[fault]
    assert isinstance(bad, Raw)
    first = bad.pieces[0]
    assert isinstance(first, bytes)
    bad = replace(bad, pieces=[first.replace(b"200 OK", f"{status} Bad".encode(), 1), *bad.pieces[1:]])
    server.script("token", bad)
    response = PATIENT.post(server.token_url, data={}, headers={})
    assert response.status_code == status
    assert any(isinstance(piece, bytes) and response.content in piece for piece in bad.pieces)


@pytest.mark.parametrize("scheme", ["HTTP", "https"])
def test_a_proxys_scheme_is_case_insensitive(scheme: str) -> None:
    assert UrllibSession({"https": f"{scheme}://127.0.0.1:1"}).proxies


def test_proxies_without_one_for_https_are_rejected() -> None:
    for proxies in ({"all": "http://127.0.0.1:1"}, {"http": "http://127.0.0.1:1"}, {"HTTPS": "http://127.0.0.1:1"}):
        with pytest.raises(ValueError, match="proxies"):
            UrllibSession(proxies)


@pytest.mark.parametrize("proxy_url", ["socks5://user:sesame@127.0.0.1:1", "user:sesame@127.0.0.1:1", ""])
def test_an_invalid_proxy_is_rejected_without_quoting_it(proxy_url: str) -> None:
    for build in (
        lambda: UrllibSession({"https": proxy_url}),
        lambda: OAuthCredentials(CLIENT_ID, CLIENT_SECRET, proxies={"https": proxy_url}),
    ):
        with pytest.raises(ValueError, match="proxies must be") as raised:
            build()
        assert "sesame" not in str(raised.value)
