# SPDX-License-Identifier: MIT
"""The network is hostile: whatever is at the other end, a request soon ends in an answer or in an error with a name."""

from __future__ import annotations

import contextlib
import http.client
import math
import re
import select
import socket
import socketserver
import ssl
import threading
import time
import tracemalloc
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

import ytmusic_oauth
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
# For what should come to an answer, however busy the machine is.
PATIENT: Final = UrllibSession(timeout=20)
MIB: Final = b" " * 2**20
OK: Final = b"HTTP/1.1 200 OK\r\n"
CHUNKED: Final = OK + b"Transfer-Encoding: chunked\r\n\r\n"
GOOD: Final = Reply(200, {"access_token": "ya29.fake", "expires_in": 3599})


def test_the_session_is_found_in_the_package_and_what_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = "Urllib"
    monkeypatch.delitem(vars(ytmusic_oauth), "UrllibSession", raising=False)
    assert ytmusic_oauth.UrllibSession is UrllibSession
    with pytest.raises(AttributeError, match=f"^module '{ytmusic_oauth.__name__}' has no attribute 'Urllib'$"):
        getattr(ytmusic_oauth, wrong)


def refresh(session: UrllibSession, server: FakeGoogle) -> BaseTokenDict:
    """One request and no more: nothing is tried again."""
    request = refresh_request(endpoints(server), CLIENT_ID, CLIENT_SECRET, "1//fake-refresh")
    return parse_refresh(request, send(session, request), sent=NOON)


def post(session: UrllibSession, url: str) -> int:
    return session.post(url, data={"client_secret": CLIENT_SECRET}, headers={}).status_code


def test_a_form_goes_out_and_a_whole_answer_comes_back_and_nobody_talks(
    server: FakeGoogle, capfd: pytest.CaptureFixture[str]
) -> None:
    server.script("token", Reply(418, '{"what": "caf\u00e9"}', {"X-Pot": "short"}))
    answer = PATIENT.post(server.token_url, data={"q": "a b&c=d\u00e9+"}, headers={"User-Agent": "kettle"})
    assert (answer.status_code, answer.json(), answer.headers["X-Pot"]) == (418, {"what": "caf\u00e9"}, "short")
    [request] = server.requests_to("token")
    assert (request.method, request.form) == ("POST", {"q": "a b&c=d\u00e9+"})
    assert request.headers["user-agent"] == "kettle"
    assert "ya29" not in repr(transport.UrllibResponse(200, {}, b"ya29.fake"))
    assert capfd.readouterr() == ("", "")


# ---- nonsense ------------------------------------------------------------------------------------

ENDS: Final[Mapping[str, type[OAuthError]]] = {
    **dict.fromkeys(("408", "500", "502", "503", "504", "token-in-500"), ServerError),
    **dict.fromkeys(("429", "rate-limit"), RateLimited),
    **dict.fromkeys(("redirect", "stall", "stall-in-body", "drip", "hang-up", "reset", "answer-lost"), TransportError),
    **dict.fromkeys(("truncated", "truncated-chunks", "not-http", "empty", "html", "not-utf-8"), MalformedResponse),
    **dict.fromkeys(("not-an-object", "nested", "huge", "gzip-unasked", "many-headers"), MalformedResponse),
}
MORE_FAULTS: Final[Mapping[str, tuple[HttpResponse, type[OAuthError]]]] = {
    "10000-headers": (Reply(200, GOOD.body, {f"X-{n}": "x" for n in range(10_000)}), MalformedResponse),
    "chunk-of-negative-size": (Raw([CHUNKED, b"-5\r\n", b"{}   \r\n0\r\n\r\n"]), MalformedResponse),
    "chunk-of-no-size": (Raw([CHUNKED, b"many\r\n{}\r\n0\r\n\r\n"]), MalformedResponse),
    "status-that-is-no-number": (Raw([b"HTTP/1.1 OK 200\r\n\r\n{}"]), MalformedResponse),
    "not-utf-8-in-a-corner": (Reply(200, b'{"access_token": "ya29.fake", "corner": "\xff"}'), MalformedResponse),
    "cut-short-beside-a-timeout": (Raw([b"HTTP/1.1 409 No\r\nContent-Length: 9\r\n\r\n", b"{"]), MalformedResponse),
    "stall-in-status-line": (Raw([b"HTTP/1.1 2", math.inf]), TransportError),
    "stall-in-headers": (Raw([OK, b"Content-Length: 7", math.inf]), TransportError),
    # Each byte comes in time; all of them do not.
    "drip-fed-headers": (Raw([OK, *[piece for _ in range(100) for piece in (b"x", 0.1)]]), TransportError),
    "drip-fed-body": (drip(every=0.1), TransportError),
    "reset-in-body": (Raw([OK, b"Content-Length: 9\r\n\r\n", b"{", 0.05], reset=True), TransportError),
}


def test_every_fault_of_the_fake_is_tried() -> None:
    assert ENDS.keys() == FAULTS.keys()


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        *[pytest.param(FAULTS[name], end, id=name) for name, end in ENDS.items()],
        *[pytest.param(fault, end, id=name) for name, (fault, end) in MORE_FAULTS.items()],
    ],
)
def test_nonsense_ends_in_an_error_with_a_name(
    server: FakeGoogle, fault: HttpResponse, expected: type[OAuthError]
) -> None:
    server.script("token", fault)
    started = time.monotonic()
    with pytest.raises(OAuthError) as raised:
        refresh(HASTY if expected is TransportError else PATIENT, server)
    assert raised.type is expected
    # Through trouble that may pass, a token that still lives is served; nonsense and redirects are told at once.
    assert raised.value.retryable is (expected is not MalformedResponse and fault is not FAULTS["redirect"])
    assert getattr(raised.value, "sent", True)
    assert "ya29" not in str(raised.value)
    assert expected is not MalformedResponse or re.match(r"The answer [(i]", str(raised.value))
    assert not re.search(r"\bNone", str(raised.value))
    assert time.monotonic() - started < 5


@pytest.mark.parametrize(
    "start",
    [
        pytest.param(OK + b"\r\n", id="body"),
        pytest.param(OK + b"X: ", id="header"),
        pytest.param(b"HTTP/1.1 200 ", id="status-line"),
        pytest.param(CHUNKED + b"7fffffff\r\n", id="chunk"),
        pytest.param(CHUNKED + b"-1\r\n", id="chunk-of-size-minus-one"),
        pytest.param(CHUNKED + b"1;", id="chunk-extension"),
    ],
)
def test_an_endless_answer_fills_no_memory(server: FakeGoogle, start: bytes) -> None:
    server.script("token", Raw([start, *[MIB] * 64]))
    tracemalloc.start()
    try:
        with pytest.raises(MalformedResponse):
            post(PATIENT, server.token_url)
        assert tracemalloc.get_traced_memory()[1] < 16 * 2**20
    finally:
        tracemalloc.stop()


def test_a_body_may_have_a_mebibyte_and_no_byte_more(server: FakeGoogle) -> None:
    server.script("token", Reply(200, MIB), Reply(200, MIB + b" "), Reply(200, 4 * MIB))
    assert len(PATIENT.post(server.token_url, data={}, headers={}).content) == 2**20
    for _ in range(2):
        with pytest.raises(MalformedResponse, match="1 MiB") as raised:
            post(PATIENT, server.token_url)
        assert raised.value.status == 200


@pytest.mark.parametrize("status", [300, 301, 302, 303, 304, 305, 307, 308])
def test_no_secret_follows_a_redirect(server: FakeGoogle, status: int) -> None:
    with FakeGoogle() as elsewhere:
        server.script("token", redirect(elsewhere.token_url, status))
        with pytest.raises(TransportError) as raised:
            refresh(PATIENT, server)
        assert (raised.value.status, raised.value.retryable) == (status, False)
        assert elsewhere.transcript == []
        assert len(server.transcript) == 1


def test_a_time_out_is_more_than_nothing_and_no_more_than_an_hour() -> None:
    for seconds in (0, -1, math.nan, 3600.5):
        with pytest.raises(ValueError, match="timeout"):
            UrllibSession(timeout=seconds)
    assert [UrllibSession(timeout=seconds).timeout for seconds in (0.001, 3600)] == [0.001, 3600]


def test_one_request_can_have_a_time_out_of_its_own(server: FakeGoogle) -> None:
    server.script("token", FAULTS["stall"])
    with pytest.raises(TransportError, match="did not answer in time"):
        PATIENT.post(server.token_url, data={}, headers={}, timeout=0.1)


# ---- the way there -------------------------------------------------------------------------------


@pytest.fixture
def closed_port() -> Iterator[int]:
    """Taken, so that nobody else listens there, and refusing every connection."""
    with socket.socket() as unheard:
        unheard.bind(("127.0.0.1", 0))
        yield unheard.getsockname()[1]


def test_a_refused_connection_has_sent_nothing(closed_port: int) -> None:
    words = rf"^127\.0\.0\.1:{closed_port} cannot be reached: [A-Z]"  # and not: [Errno 111]
    with pytest.raises(TransportError, match=words) as raised:
        post(PATIENT, f"http://127.0.0.1:{closed_port}/token")
    assert (raised.value.sent, raised.value.retryable) == (False, True)


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("https://oauth..example/token", id="empty-label"),
        pytest.param("https://127.0.0.1:https/token", id="port-that-is-no-number"),
    ],
)
def test_an_address_that_cannot_be_has_sent_nothing_and_is_not_tried_again(url: str) -> None:
    with pytest.raises(TransportError, match=r"^The address ") as raised:
        post(PATIENT, url)
    assert (raised.value.sent, raised.value.retryable) == (False, False)


def test_a_port_that_cannot_be_has_sent_nothing() -> None:
    with pytest.raises(TransportError) as raised:  # some systems try the next best that it can be cut to
        post(PATIENT, "http://127.0.0.1:99999/token")
    assert not raised.value.sent


def test_a_name_that_nobody_knows_has_sent_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> list[object]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    for resolver, words in ((unknown, "not known"), (lambda *_, **__: [], "no address")):
        monkeypatch.setattr(socket, "getaddrinfo", resolver)
        with pytest.raises(TransportError, match=f"oauth.example cannot be reached: .*{words}") as raised:
            post(PATIENT, "https://oauth.example/token")
        assert not raised.value.sent


@pytest.fixture
def way(monkeypatch: pytest.MonkeyPatch) -> Callable[[Mapping[str, bool | None]], list[float]]:
    """A name with several addresses: answered (True), refused (False), or swallowed without a sound (None)."""

    def lay(addresses: Mapping[str, bool | None]) -> list[float]:
        clock, waits = Clock(), list[float]()

        def dial(address: tuple[str, int], timeout: float) -> socket.socket:
            fate = addresses[address[0]]
            if fate is None:
                waits.append(timeout)
                clock.advance(timeout)
                raise TimeoutError
            if not fate:
                raise ConnectionRefusedError
            connected = socket.socket()
            connected.connect(("127.0.0.1", address[1]))
            return connected

        def resolve(host: str, port: int, **hints: int) -> list[object]:
            assert hints == {"type": socket.SOCK_STREAM}, "each address would come once for each kind of socket"
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]

        monkeypatch.setattr(transport, "time", clock)
        monkeypatch.setattr(socket, "create_connection", dial)
        monkeypatch.setattr(socket, "getaddrinfo", resolve)
        return waits

    return lay


def test_dead_addresses_leave_time_for_the_one_that_lives(
    server: FakeGoogle, way: Callable[[Mapping[str, bool | None]], list[float]]
) -> None:
    waits = way({"192.0.2.1": None, "192.0.2.2": False, "192.0.2.3": None, "192.0.2.4": True})
    assert post(UrllibSession(timeout=8), server.token_url) == 400
    assert len(waits) == 2
    assert sum(waits) < 6


def test_one_dead_address_does_not_get_all_of_a_long_time_out(
    server: FakeGoogle, way: Callable[[Mapping[str, bool | None]], list[float]]
) -> None:
    waits = way({"192.0.2.1": None, "192.0.2.2": True})
    assert post(UrllibSession(timeout=300), server.token_url) == 400
    assert waits == [10]


def test_dead_addresses_alone_end_in_time(
    server: FakeGoogle, way: Callable[[Mapping[str, bool | None]], list[float]]
) -> None:
    waits = way({f"192.0.2.{n}": None for n in range(5)})
    with pytest.raises(TransportError, match="did not answer") as raised:
        post(UrllibSession(timeout=8), server.token_url)
    assert not raised.value.sent
    assert sum(waits) == pytest.approx(8)


@pytest.mark.parametrize("takes", [8, 9])
def test_a_name_that_takes_all_the_time_to_find_leaves_none(monkeypatch: pytest.MonkeyPatch, takes: int) -> None:
    clock = Clock()

    def resolve(*_: object, **__: object) -> list[object]:
        clock.advance(takes)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 443))]

    monkeypatch.setattr(transport, "time", clock)
    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    with pytest.raises(TransportError, match="did not answer in time") as raised:
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
    """A session that knows the CA of the tests."""
    context = ssl.create_default_context(cafile=str(CERTIFICATES / "ca.pem"))
    return UrllibSession(proxies, timeout=20, ssl_context=context)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_private_authority_is_trusted_by_way_of_the_context(host: str) -> None:
    with served_over_tls() as server:
        assert post(trusting(), f"https://{host}:{server.port}/token") == 400
        assert server.requests_to("token")[0].form == {"client_secret": CLIENT_SECRET}


REFUSED: Final = [
    pytest.param("good", PATIENT, "certificate", id="unknown-authority"),
    pytest.param("wrong-host", trusting(), "mismatch", id="wrong-host"),
    pytest.param("expired", trusting(), "certificate has expired", id="expired"),
    pytest.param("not-yet-valid", trusting(), "certificate is not yet valid", id="not-yet-valid"),
]


@pytest.mark.parametrize(("certificate", "session", "reason"), REFUSED)
def test_a_certificate_that_does_not_hold_gets_no_secret(
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
    ("now", "blamed"), [(0, "1970: set its clock"), (1577836799, "2019: set its clock"), (1577836800, "")], ids=str
)
def test_a_certificate_refused_in_1970_is_blamed_on_the_clock(
    monkeypatch: pytest.MonkeyPatch, now: int, blamed: str
) -> None:
    year = time.gmtime(now)
    monkeypatch.setattr(time, "gmtime", lambda *_: year)
    with (
        served_over_tls("not-yet-valid") as server,
        pytest.raises(TransportError, match=r"not yet valid") as raised,
    ):
        post(trusting(), server.token_url)
    assert ("clock" in str(raised.value), blamed in str(raised.value)) == (blamed != "", True)


def test_what_does_not_speak_tls_gets_no_secret(server: FakeGoogle) -> None:
    with pytest.raises(TransportError) as raised:
        post(trusting(), server.token_url.replace("http:", "https:"))
    assert not raised.value.sent
    assert server.transcript == []


def test_a_stall_in_the_handshake_has_sent_nothing() -> None:
    # The kernel takes the connection, and nobody says a word.
    with socket.create_server(("127.0.0.1", 0)) as silent:
        with pytest.raises(TransportError, match="did not answer in time") as raised:
            post(HASTY, f"https://127.0.0.1:{silent.getsockname()[1]}/token")
        assert not raised.value.sent


def test_a_stall_over_tls_ends_in_time() -> None:
    with served_over_tls() as server:
        server.script("token", Raw([OK, math.inf]))
        with pytest.raises(TransportError, match="did not answer in time"):
            trusting().post(server.token_url, data={}, headers={}, timeout=0.3)


def test_where_python_has_no_ssl_that_is_said_and_not_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(http.client, "HTTPSConnection")
    with pytest.raises(TransportError, match=r"^This Python was built without ssl") as raised:
        post(PATIENT, "https://oauth.example/token")
    assert (raised.value.sent, raised.value.retryable) == (False, False)


# ---- proxies -------------------------------------------------------------------------------------


class Proxy(socketserver.ThreadingTCPServer):
    """Opens tunnels for whoever knows the password."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Tunnel)
        self.refusal = b"407 Proxy Authentication Required"
        self.heads: list[str] = []
        self.left = threading.Event()  # the refused one has hung up
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
                self.server.left.set()
            return
        host, _, port = head.split()[1].rpartition(":")
        with contextlib.suppress(OSError), socket.create_connection((host, int(port))) as far:
            self.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            other = {self.connection: far, far: self.connection}
            while True:
                for end in select.select(list(other), [], [])[0]:
                    piece = end.recv(2**16)
                    if not piece:
                        return
                    other[end].sendall(piece)


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    with Proxy() as proxy:
        threading.Thread(target=proxy.serve_forever, args=(0.01,), daemon=True).start()
        yield proxy
        proxy.shutdown()


@pytest.mark.parametrize("source", ["argument", "environment"])
def test_a_proxy_gets_its_password_and_sees_no_more_than_an_address(
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


@pytest.mark.parametrize("way_out", ["no_proxy", "empty-argument"])
def test_a_proxy_can_be_avoided(monkeypatch: pytest.MonkeyPatch, proxy: Proxy, way_out: str) -> None:
    monkeypatch.setenv("https_proxy", proxy.url)
    if way_out == "no_proxy":
        monkeypatch.setenv("no_proxy", "example.com, 127.0.0.1")
    with served_over_tls() as server:
        assert post(trusting(None if way_out == "no_proxy" else {}), server.token_url) == 400
    assert proxy.heads == []


@pytest.mark.parametrize("source", ["argument", "environment"])
def test_plain_http_stays_on_this_machine(
    monkeypatch: pytest.MonkeyPatch, server: FakeGoogle, proxy: Proxy, source: str
) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, proxy.url)
    proxies = None if source == "environment" else {"http": proxy.url, "https": proxy.url, "all": proxy.url}
    assert post(UrllibSession(proxies, timeout=20), server.token_url) == 400
    assert proxy.heads == []


def test_a_proxy_that_refuses_has_been_sent_nothing(proxy: Proxy) -> None:
    with served_over_tls() as server:
        with pytest.raises(TransportError, match=r" cannot be reached: Tunnel connection failed: 407\. ") as raised:
            post(trusting({"https": proxy.url.replace("user", "stranger")}), server.token_url)
        assert not raised.value.sent
        assert "sesame" not in str(raised.value)
        assert server.transcript == []
    assert proxy.left.wait(5), "the connection is still open, for as long as somebody keeps the error"


def test_the_words_of_a_proxy_neither_drive_the_terminal_nor_tell_the_password(proxy: Proxy) -> None:
    proxy.refusal = b"407 sesame\x1b]0;owned\x07" + b"x" * 60_000
    with pytest.raises(TransportError, match="407") as raised:
        post(UrllibSession({"https": f"http://{proxy.address}"}, timeout=20), "https://oauth.example/token")
    assert str(raised.value).isprintable()
    assert len(str(raised.value)) < 1000
    assert "sesame" not in str(raised.value)


@pytest.mark.parametrize(
    "proxy_url",
    [
        pytest.param("http://user:sesame@127.0.0.1:port", id="port-that-is-no-number"),
        pytest.param("http:/user:sesame@127.0.0.1:1", id="slash-missing"),
        pytest.param("http://user:sesame@", id="no-host"),
        pytest.param("user:sesame@127.0.0.1:1", id="no-scheme"),
        pytest.param("socks5://user:sesame@127.0.0.1:1", id="socks"),
    ],
)
def test_a_mistyped_proxy_in_the_environment_keeps_its_password(
    monkeypatch: pytest.MonkeyPatch, proxy_url: str
) -> None:
    monkeypatch.setenv("https_proxy", proxy_url)
    request = refresh_request(YOUTUBE, CLIENT_ID, CLIENT_SECRET, "1//fake-refresh")
    with pytest.raises(TransportError) as raised:
        send(HASTY, request)
    assert "sesame" not in str(raised.value)
    assert not raised.value.sent


@pytest.mark.parametrize("status", [408, 500, 502])
@pytest.mark.parametrize("fault", ["truncated", "truncated-chunks", "huge"])
def test_a_server_in_trouble_is_in_trouble_however_it_says_so(server: FakeGoogle, fault: str, status: int) -> None:
    """500 and the like are passing trouble, with any body. What is not believed of it is not made up either."""
    spoiled = FAULTS[fault]
    assert isinstance(spoiled, Raw)
    first = spoiled.pieces[0]
    assert isinstance(first, bytes)
    spoiled = replace(spoiled, pieces=[first.replace(b"200 OK", f"{status} Bad".encode(), 1), *spoiled.pieces[1:]])
    server.script("token", spoiled)
    answer = PATIENT.post(server.token_url, data={}, headers={})
    assert answer.status_code == status
    assert any(isinstance(piece, bytes) and answer.content in piece for piece in spoiled.pieces)


@pytest.mark.parametrize("scheme", ["HTTP", "https"])
def test_a_proxy_is_known_by_its_scheme_in_any_case(scheme: str) -> None:
    assert UrllibSession({"https": f"{scheme}://127.0.0.1:1"}).proxies


def test_a_proxy_that_would_not_be_used_is_refused() -> None:
    for proxies in ({"all": "http://127.0.0.1:1"}, {"http": "http://127.0.0.1:1"}, {"HTTPS": "http://127.0.0.1:1"}):
        with pytest.raises(ValueError, match="proxies"):
            UrllibSession(proxies)


@pytest.mark.parametrize("proxy_url", ["socks5://user:sesame@127.0.0.1:1", "user:sesame@127.0.0.1:1", ""])
def test_a_proxy_that_can_never_work_is_refused_without_its_password(proxy_url: str) -> None:
    for build in (
        lambda: UrllibSession({"https": proxy_url}),
        lambda: OAuthCredentials(CLIENT_ID, CLIENT_SECRET, proxies={"https": proxy_url}),
    ):
        with pytest.raises(ValueError, match="proxies must be") as raised:
            build()
        assert "sesame" not in str(raised.value)
