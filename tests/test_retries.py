# SPDX-License-Identifier: MIT
"""Sending over a session supplied by the caller, and retries."""

from __future__ import annotations

import time
import tracemalloc
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support import NOON, Clock
from ytmusic_oauth import OAuthCredentials
from ytmusic_oauth._messages import HttpResponse, Request
from ytmusic_oauth._retries import parse_retry_after, with_retries
from ytmusic_oauth.exceptions import (
    AccessDenied,
    BadOAuthClient,
    InvalidGrant,
    MalformedResponse,
    OAuthError,
    RateLimited,
    ServerError,
    TransportError,
)
from ytmusic_oauth.session import Response, Session, parse_proxy, send

REQUEST: Final = Request("https://example.org/token", {"client_id": "the-id", "refresh_token": "1//s+cret"})
FORM: Final = REQUEST.form


@dataclass
class Reply:
    """A response like those of most HTTP libraries."""

    status_code: int = 200
    body: object = None
    headers: Mapping[str, str] = field(default_factory=dict)
    history: list[Reply] = field(default_factory=list)

    def json(self) -> object:
        if isinstance(self.body, Exception):
            raise self.body
        return self.body


REDIRECT: Final = Reply(307, None, {"Location": "https://elsewhere.example/token"})
FOLLOWED: Final = Reply(200, {"access_token": "ya29.elsewhere"}, history=[REDIRECT])


class ReadTimeout(Exception):
    """Like an HTTP library's own, with no base class in common with ours."""


class Plain:
    """The least that a session can be: it has `post` and no more."""

    def __init__(self, *replies: Response | Exception) -> None:
        self.calls: list[tuple[str, Mapping[str, str], Mapping[str, str], float]] = []
        self._replies: Iterator[Response | Exception] = iter(replies)

    def post(self, url: str, *, data: Mapping[str, str], headers: Mapping[str, str], timeout: float) -> Response:
        self.calls.append((url, data, headers, timeout))
        reply = next(self._replies)
        if isinstance(reply, Exception):
            raise reply
        return reply


class LikeRequests:
    """Follows redirects and sends the form again, unless told not to."""

    def __init__(self) -> None:
        self.proxies: dict[str, str] = {}
        self.followed = False
        self.timeout = 0.0

    def get_redirect_target(self, resp: object, /) -> object:
        return resp

    def post(
        self,
        url: str,
        *,
        data: Mapping[str, str],
        headers: Mapping[str, str],
        timeout: float,
        allow_redirects: bool = True,
    ) -> Reply:
        self.followed, self.timeout = allow_redirects, timeout
        return FOLLOWED if self.followed else REDIRECT


class Wrapped:
    """Wraps a session, for example to log or count requests."""

    def __init__(self, session: LikeRequests) -> None:
        self._session = session

    def __getattr__(self, name: str) -> object:
        return getattr(self._session, name)

    def post(
        self, url: str, *, data: Mapping[str, str], headers: Mapping[str, str], timeout: float, **options: bool
    ) -> Reply:
        return self._session.post(url, data=data, headers=headers, timeout=timeout, **options)


class LikeHttpx:
    """Follows redirects if it was configured to, unless told not to."""

    def __init__(self, *, follow_redirects: bool) -> None:
        self.follow_redirects = follow_redirects
        self.followed = False
        self.timeout = 0.0

    def post(
        self,
        url: str,
        *,
        data: Mapping[str, str],
        headers: Mapping[str, str],
        timeout: float,
        follow_redirects: bool | None = None,
    ) -> Reply:
        self.followed = self.follow_redirects if follow_redirects is None else follow_redirects
        self.timeout = timeout
        return FOLLOWED if self.followed else REDIRECT


# ---- requests ------------------------------------------------------------------------------------


def test_a_session_gets_the_form_ytmusicapis_headers_and_a_timeout_of_30_s() -> None:
    session = Plain(Reply())
    send(session, REQUEST)
    [(url, data, headers, timeout)] = session.calls
    assert (url, data, timeout) == (REQUEST.url, FORM, 30.0)
    assert headers == {
        "User-Agent": "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:88.0) Gecko/20100101 Firefox/88.0 Cobalt/Version",
        "Accept": "application/json",
        "Accept-Encoding": "identity",
    }


@pytest.mark.parametrize(
    ("own", "used"), [(5, 5), (2.5, 2.5), (None, 30), (object(), 30)], ids=["5", "2.5", "None", "not a number"]
)
def test_a_session_with_its_own_timeout_keeps_it(own: object, used: float) -> None:
    class Timed(Plain):
        timeout = own

    session = Timed(Reply())
    send(session, REQUEST)
    assert session.calls[0][3] == used


@pytest.mark.parametrize(
    "session",
    [LikeRequests(), LikeHttpx(follow_redirects=True), LikeHttpx(follow_redirects=False)],
    ids=["requests", "httpx that follows redirects", "httpx"],
)
def test_a_session_is_told_not_to_follow_redirects_and_given_a_timeout(session: LikeRequests | LikeHttpx) -> None:
    response = send(session, REQUEST)
    assert session.followed is False
    assert response.status == 307
    assert session.timeout == 30, "requests has no timeout of its own"


def test_a_wrapped_session_is_told_not_to_follow_redirects() -> None:
    session = LikeRequests()
    assert send(Wrapped(session), REQUEST).status == 307
    assert not session.followed


# ---- a body that the session has not read --------------------------------------------------------

TOKEN: Final = b'{"access_token": "ya29.fake"}'


class Unread(Reply):
    """A response of requests or httpx, whose body arrives in pieces; `seconds` pass before each."""

    def __init__(self, *pieces: bytes, seconds: float = 0, clock: Clock | None = None, coding: str = "") -> None:
        super().__init__(200, ValueError("read it here"), {"Content-Encoding": coding} if coding else {})
        self.is_closed = False
        self.content = b""
        self.raw: object = self
        self.sizes: set[int] = set()
        self._pieces, self._seconds, self._clock = iter(pieces), seconds, clock

    def read1(self, amount: int, /, *, decode_content: bool) -> bytes:
        assert not decode_content, "it would be decompressed without a limit"
        assert amount < 2**16
        self.sizes.add(amount)
        if self._clock is not None:
            self._clock.advance(self._seconds)
        return next(self._pieces, b"")

    def iter_content(self, chunk_size: int, /) -> Iterator[bytes]:
        raise AssertionError("it would be decompressed without a limit")

    def iter_raw(self) -> Iterator[bytes]:
        while piece := self.read1(0, decode_content=False):
            yield piece

    def close(self) -> None:
        self.is_closed = True


class OldRaw:
    """A response of urllib3 before 2.2."""

    def __init__(self, *pieces: bytes) -> None:
        self.pieces, self.sizes = pieces, set[int]()

    def stream(self, amount: int, /, *, decode_content: bool) -> Iterator[bytes]:
        assert not decode_content
        self.sizes.add(amount)
        yield from self.pieces


class Requests(LikeRequests):
    """Like a `requests.Session`: reads the body, unless told to stream it."""

    stream = False

    def __init__(self, response: Unread) -> None:
        super().__init__()
        self.response = response
        self.options: dict[str, object] = {}

    def post(self, url: str, **options: object) -> Unread:  # type-checked against requests itself by `typed/`
        self.options = options
        return self.response


class Httpx:
    """Like an `httpx.Client`."""

    follow_redirects = True

    def __init__(self, response: Unread, *limits: float | None) -> None:
        self.response = response
        self.options: dict[str, object] = {}
        self.timeout = SimpleNamespace(**dict(zip(("connect", "read", "write", "pool"), limits, strict=False)))

    def post(self, url: str, *, data: Mapping[str, str], headers: Mapping[str, str], timeout: float) -> Response:
        raise AssertionError("it would read the whole body")

    def stream(self, method: str, url: str, **options: object) -> closing[Unread]:
        assert (method, url) == ("POST", REQUEST.url)
        self.options = options
        return closing(self.response)


STREAMING: Final = pytest.mark.parametrize("make", [Requests, Httpx])


@STREAMING
def test_a_body_is_read_as_it_arrives_and_the_response_closed(make: Callable[[Unread], Requests | Httpx]) -> None:
    session = make(Unread(b"\xef\xbb\xbf", TOKEN[:9], TOKEN[9:]))
    assert send(session, REQUEST).body == {"access_token": "ya29.fake"}
    assert session.response.is_closed
    assert session.options["data"] == FORM
    followed = session.options.get("allow_redirects", session.options.get("follow_redirects"))
    assert followed is False


@STREAMING
def test_a_body_of_more_than_1_mib_is_malformed(make: Callable[[Unread], Requests | Httpx]) -> None:
    session = make(Unread(*[b" " * 2**18] * 4, b" ", TOKEN))
    with pytest.raises(MalformedResponse, match="longer than 1 MiB") as raised:
        send(session, REQUEST)
    assert raised.value.status == 200
    assert session.response.is_closed
    assert session.response.read1(1, decode_content=False) == TOKEN, "nothing more is read"
    assert send(make(Unread(*[b" " * 2**18] * 3, b" " * (2**18 - len(TOKEN)), TOKEN)), REQUEST).body


@STREAMING
def test_a_body_that_drips_ends_with_the_timeout(make: Callable[[Unread], Requests | Httpx], clock: Clock) -> None:
    session = make(Unread(*[b" "] * 40, TOKEN, seconds=1, clock=clock))
    with pytest.raises(TransportError, match="did not respond in time") as raised:
        send(session, REQUEST)
    assert (raised.value.reason, raised.value.sent, session.response.is_closed) == ("timeout", True, True)
    assert clock.steady == 1000 + 32
    assert send(make(Unread(*[b" "] * 20, TOKEN, seconds=1, clock=clock)), REQUEST).body


@STREAMING
def test_a_body_that_comes_late_is_not_lost(make: Callable[[Unread], Requests | Httpx], clock: Clock) -> None:
    """It may hold a refresh token that has replaced ours."""
    assert send(make(Unread(TOKEN, seconds=60, clock=clock)), REQUEST).body == {"access_token": "ya29.fake"}


@STREAMING
def test_a_body_behind_late_headers_is_not_lost(make: Callable[[Unread], Requests | Httpx], clock: Clock) -> None:
    session = make(Unread(*[TOKEN[place : place + 1] for place in range(len(TOKEN))], seconds=0.03, clock=clock))
    assert send(session, REQUEST, 0.001).body == {"access_token": "ya29.fake"}


def test_a_body_is_read_in_small_pieces_where_urllib3_is_old() -> None:
    session = Requests(Unread())
    session.response.raw = raw = OldRaw(TOKEN[:5], TOKEN[5:])
    assert send(session, REQUEST).body == {"access_token": "ya29.fake"}
    assert max(raw.sizes) <= 1024, "it waits until so many have arrived"


class ReadByAHook(Unread):
    """The hooks of requests and httpx may read the body first, for example to log it."""

    is_stream_consumed = True

    def iter_raw(self) -> Iterator[bytes]:
        raise AssertionError("httpx raises StreamConsumed")


@STREAMING
def test_a_body_that_a_hook_has_read_is_not_lost(make: Callable[[Unread], Requests | Httpx]) -> None:
    session = make(ReadByAHook())
    session.response.content = TOKEN
    assert send(session, REQUEST).body == {"access_token": "ya29.fake"}
    session.response.content = b" " * (2**20 + 1)
    with pytest.raises(MalformedResponse, match="longer than 1 MiB"):
        send(session, REQUEST)


def test_an_empty_body_is_empty_where_urllib3_is_old() -> None:
    session = Requests(Unread())
    session.response.raw = OldRaw()
    assert send(session, REQUEST).is_empty


def test_a_response_without_an_unread_body_is_read_as_any_other() -> None:
    """Such as that of `curl_cffi`, or one that a test has made with `requests`."""
    session = Requests(Unread(b"not this"))
    session.response.raw, session.response.content = None, TOKEN
    assert send(session, REQUEST).body == {"access_token": "ya29.fake"}
    del session.response.raw
    assert send(session, REQUEST).body == {"access_token": "ya29.fake"}


@STREAMING
def test_only_the_status_of_a_5xx_with_a_huge_body_matters(make: Callable[[Unread], Requests | Httpx]) -> None:
    session = make(Unread(*[b" " * 2**18] * 6))
    session.response.status_code = 503
    assert send(session, REQUEST).status == 503


class Breaking(Unread):
    """The connection breaks inside the body."""

    def read1(self, amount: int, /, *, decode_content: bool) -> bytes:
        raise ReadTimeout


@STREAMING
@pytest.mark.parametrize("status", [200, 400, 408, 500, 503])
def test_only_the_status_of_a_5xx_or_408_with_a_broken_body_matters(
    make: Callable[[Unread], Requests | Httpx], status: int
) -> None:
    """A 503 says that the server did nothing. As a lost response, it would end the retries of a refresh."""
    session = make(Breaking())
    session.response.status_code = status
    if status in {200, 400}:
        with pytest.raises(TransportError, match="ReadTimeout"):
            send(session, REQUEST)
    else:
        assert (send(session, REQUEST).status, send(session, REQUEST).body) == (status, None)


@pytest.mark.parametrize(("written", "host"), [("[::1]", "::1"), ("Xerxes.X", "Xerxes.X")])
def test_the_host_of_a_proxy_is_what_a_socket_connects_to(written: str, host: str) -> None:
    assert parse_proxy(f"http://{written}:3128") == (host, 3128, {})


def test_a_proxy_shows_no_secret() -> None:
    assert "Basic" not in repr(parse_proxy("http://user:sesame@127.0.0.1:1"))


def test_requests_is_told_to_stream_and_given_the_timeout() -> None:
    session = Requests(Unread(TOKEN))
    send(session, REQUEST, 7)
    assert (session.options["stream"], session.options["timeout"]) == (True, 7)


def test_an_httpx_client_keeps_its_own_timeout() -> None:
    for own, passed in (((2, 60, None), (2, 7, 7, 7)), ((1, 2, 3, 4), (1, 2, 3, 4))):
        session = Httpx(Unread(TOKEN), *own)
        send(session, REQUEST, 7)
        assert session.options["timeout"] == passed


@STREAMING
@pytest.mark.parametrize(("coding", "bits"), [("gzip", 31), ("deflate", 15), ("X-GZip", 31)])
def test_a_body_is_decompressed_within_the_limit(
    make: Callable[[Unread], Requests | Httpx], coding: str, bits: int
) -> None:
    def compressed(text: bytes) -> bytes:
        compress = zlib.compressobj(9, zlib.DEFLATED, bits)
        return compress.compress(text) + compress.flush()

    token = compressed(TOKEN)
    session = make(Unread(token[:5], token[5:], coding=coding))
    assert send(session, REQUEST).body == {"access_token": "ya29.fake"}
    headers = session.options["headers"]
    assert isinstance(headers, dict)
    assert headers["Accept-Encoding"] == "identity", "brotli and zstd are not understood"
    bomb = make(Unread(compressed(b" " * 2**26 + TOKEN), coding=coding))
    tracemalloc.start()
    try:
        with pytest.raises(MalformedResponse, match="longer than 1 MiB"):
            send(bomb, REQUEST)
        assert tracemalloc.get_traced_memory()[1] < 8 * 2**20
    finally:
        tracemalloc.stop()


@STREAMING
@pytest.mark.parametrize("rest", [b"\0\0\0\xff\xff", b"junk"], ids=["empty-blocks", "after-the-end"])
def test_compressed_bytes_that_become_nothing_count_towards_the_limit(
    make: Callable[[Unread], Requests | Httpx], rest: bytes
) -> None:
    compress = zlib.compressobj(9, zlib.DEFLATED, 31)
    begin = compress.compress(TOKEN) + compress.flush(zlib.Z_FINISH if rest == b"junk" else zlib.Z_FULL_FLUSH)
    piece = rest * 2**14
    with pytest.raises(MalformedResponse, match="longer than 1 MiB"):
        send(make(Unread(begin, *[piece] * 40, coding="gzip")), REQUEST)


@STREAMING
def test_a_compressed_body_without_content_ends_with_the_timeout(
    make: Callable[[Unread], Requests | Httpx], clock: Clock
) -> None:
    compress = zlib.compressobj(9, zlib.DEFLATED, 31)
    begin, nothing = compress.compress(b"") + compress.flush(zlib.Z_FULL_FLUSH), b"\0\0\0\xff\xff"
    session = make(Unread(begin, *[nothing] * 100, seconds=1, clock=clock, coding="gzip"))
    with pytest.raises(TransportError, match="did not respond in time"):
        send(session, REQUEST)
    assert clock.steady < 1000 + 40


class Logging(Httpx):
    """A subclass with its own `post` wants to be called."""

    def post(
        self, url: str, *, data: Mapping[str, str], headers: Mapping[str, str], timeout: float, **_: bool
    ) -> Reply:
        return Reply(418)


class StandIn:
    follow_redirects = True

    def __init__(self) -> None:
        self.post = Logging(Unread(TOKEN)).post


def test_a_subclass_of_an_httpx_client_is_sent_through_its_own_post() -> None:
    for session in (Logging(Unread(TOKEN)), StandIn()):
        assert send(session, REQUEST).status == 418


# ---- any session ---------------------------------------------------------------------------------


def test_a_response_that_came_through_a_redirect_is_rejected() -> None:
    with pytest.raises(TransportError, match=r"followed a redirect.*Then revoke the login") as raised:
        send(Plain(FOLLOWED), REQUEST)
    assert (raised.value.retryable, raised.value.reason) == (False, "redirect")
    assert "ya29" not in str(raised.value)


# ---- responses -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["Content-Type", "content-type", "CONTENT-TYPE", "cOntent-tYpe"])
def test_header_names_are_case_insensitive(name: str) -> None:
    reply = Reply(200, {"a": 1}, {"X-Content-Type": "no", name: "text/html"})
    assert send(Plain(reply), REQUEST) == HttpResponse(200, {"a": 1}, "text/html")


class WithoutHeaders:
    status_code = 200

    def json(self) -> object:
        return {"a": 1}


@pytest.mark.parametrize("headers", [{}, None, "no headers", 5, SimpleNamespace(items=lambda: 5)], ids=repr)
def test_a_response_may_have_no_usable_headers(headers: object) -> None:
    response = WithoutHeaders()
    if headers:
        vars(response)["headers"] = headers
    assert send(Plain(response), REQUEST) == HttpResponse(200, {"a": 1}, "no content type")


def test_headers_need_only_a_method_items() -> None:
    response = WithoutHeaders()
    vars(response)["headers"] = SimpleNamespace(items={"Retry-After": "77"}.items)
    assert send(Plain(response), REQUEST).retry_after == 77


def test_a_content_type_is_redacted_and_sanitized() -> None:
    for sent, shown in {"text/\x1b[2Jhtml": "text/ [2Jhtml", "text/html 1//s+cret": "[redacted]"}.items():
        assert send(Plain(Reply(200, None, {"Content-Type": sent})), REQUEST).content_type == shown


def test_what_a_redirect_and_a_challenge_say_is_kept_without_secrets() -> None:
    headers = {"location": "https://a.example/\x1b[2J", "WWW-Authenticate": "Basic"}
    response = send(Plain(Reply(302, None, headers)), REQUEST)
    assert (response.location, response.has_challenge) == ("https://a.example/ [2J", True)
    response = send(Plain(Reply(302, None, {"Location": "https://a.example/?t=1%2F%2Fs%2Bcret"})), REQUEST)
    assert (response.location, response.has_challenge) == ("[redacted]", False)
    headers = {"Location": "https://a.example/?t=ya29.fake", "Content-Type": "text/ya29.fake"}
    response = send(Plain(Reply(302, {"access_token": "ya29.fake"}, headers)), REQUEST)
    assert (response.location, response.content_type) == ("[redacted]", "[redacted]")


@dataclass
class Unreadable(Reply):
    """A response whose body cannot be read."""

    @property
    def content(self) -> bytes:
        raise ReadTimeout


@dataclass
class WithContent(Reply):
    """A response like that of requests and httpx."""

    content: bytes = b""


@pytest.mark.parametrize(
    ("content", "body"),
    [
        (b'\xef\xbb\xbf{"a": 1}', {"a": 1}),
        (b"\xef\xbb\xbf", None),
        (b'\xef\xbb\xbf{"a": 1} x', None),
        (b'x{"a": 1}', None),
    ],
)
def test_a_byte_order_mark_is_skipped_where_a_session_does_not(content: bytes, body: object) -> None:
    """Requests does not."""
    assert send(Plain(WithContent(200, ValueError(), content=content)), REQUEST).body == body


@pytest.mark.parametrize(
    ("reply", "is_empty"),
    [
        (WithContent(401, ValueError(), content=b""), True),
        (WithContent(401, ValueError(), content=b" "), False),
        (WithContent(401, ValueError(), {"Content-Length": "0"}, content=b"<html>"), False),
        (Reply(401, ValueError(), {"Content-Length": "0"}), True),
        (Reply(401, ValueError(), {"Content-Length": "1"}), False),
        (Reply(401, ValueError()), False),
        (Reply(401, {}, {"Content-Length": "0"}), False),
        (Unreadable(401, ValueError()), False),
    ],
    ids=repr,
)
def test_an_empty_body_is_known_if_the_response_tells(reply: Reply, is_empty: bool) -> None:
    assert send(Plain(reply), REQUEST).is_empty is is_empty


@pytest.mark.parametrize("error", [ValueError("1//s+cret"), RecursionError(), ReadTimeout()], ids=repr)
def test_a_body_that_is_not_json_is_none(error: Exception) -> None:
    assert send(Plain(Reply(503, error)), REQUEST) == HttpResponse(503, None, "no content type")


@pytest.mark.parametrize("error", [ReadTimeout, OSError, RuntimeError, TypeError])
@pytest.mark.parametrize("secret", ["1//s+cret", "1%2F%2Fs%2Bcret"])
def test_a_failing_session_is_a_transport_error_without_secrets(error: type[Exception], secret: str) -> None:
    with pytest.raises(TransportError) as raised:
        send(Plain(error(f"no response to\n{secret}")), REQUEST)
    assert error.__name__ in str(raised.value)
    assert secret not in str(raised.value)
    assert str(raised.value).isprintable()
    assert (raised.value.sent, raised.value.retryable) == (True, error is not TypeError)
    assert raised.value.__suppress_context__


def test_a_session_that_takes_no_timeout_is_a_mistake_of_the_program() -> None:
    class Misfit:
        def post(self, url: str, *, data: Mapping[str, str], **headers: object) -> Response:
            if "timeout" in headers:
                raise TypeError("post() got an unexpected keyword argument 'timeout'")
            return Reply()

    with pytest.raises(
        TransportError, match=r"^The session failed with TypeError.* must take `data`, `headers` and `timeout`"
    ) as raised:
        send(Misfit(), REQUEST)
    assert not raised.value.retryable


def test_an_oauth_error_from_a_session_is_passed_on() -> None:
    error = MalformedResponse("The response is longer than 1 MiB")
    with pytest.raises(MalformedResponse) as raised:
        send(Plain(error), REQUEST)
    assert raised.value is error


# ---- Retry-After ---------------------------------------------------------------------------------

NOON_AS_DATE: Final = "Tue, 14 Nov 2023 22:13:20 GMT"
LATER: Final = "Tue, 14 Nov 2023 22:13:27 GMT"


@pytest.fixture
def another_time_zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """HTTP dates are in GMT, even in the obsolete format that does not say so."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "XYZ5")
        apply_time_zone()
        yield
    apply_time_zone()


def apply_time_zone() -> None:
    if hasattr(time, "tzset"):
        time.tzset()


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7.0),
        ("0", 0.0),
        (LATER, 7.0),
        ("Tuesday, 14-Nov-23 22:13:27 GMT", 7.0),
        ("Tue Nov 14 22:13:27 2023", 7.0),
        ("Tue, 14 Nov 2023 23:13:27 +0100", 7.0),
        ("Tue, 14 Nov 2023 22:13:27 -0000", 7.0),
        ("Tue, 14 Nov 2023 22:00:00 GMT", 0.0),
        ("", None),
        ("soon", None),
        ("Tue, 14 Nov 99999 22:13:27 GMT", None),
        ("-7", None),
        ("7.5", None),
        ("1 Jan 2000 1.1.1.1", None),
        ("\u0667", None),
        ("9" * 10_000, None),
    ],
    ids=lambda value: ascii(value)[:32],
)
def test_retry_after_is_a_number_of_seconds_or_an_http_date(
    another_time_zone: None, value: str, seconds: float | None
) -> None:
    assert parse_retry_after(value, "", NOON) == seconds


def test_a_retry_after_date_is_relative_to_the_responses_date_and_not_to_our_clock(clock: Clock) -> None:
    clock.wall = 0
    reply = Reply(503, None, {"rEtRy-AfTeR": LATER, "DATE": NOON_AS_DATE})
    assert send(Plain(reply), REQUEST).retry_after == 7.0


def test_a_retry_after_date_is_relative_to_our_clock_if_the_response_has_no_date(clock: Clock) -> None:
    assert send(Plain(Reply(503, None, {"Retry-After": LATER})), REQUEST).retry_after == 7.0


DATES: Final = st.lists(
    st.sampled_from([*LATER.split(), "Tuesday,", "14-Nov-23", "-0000", "+9999", "-", ":", "31", "Feb", "0", "(", "é"])
).map(" ".join)


@given(value=DATES | st.text(), date=DATES | st.text())
def test_any_retry_after_is_none_or_a_number_of_seconds(value: str, date: str) -> None:
    """For any text, the result is None or not negative; there is never an exception."""
    seconds = parse_retry_after(value, date, NOON)
    assert seconds is None or seconds >= 0


# ---- retries -------------------------------------------------------------------------------------

UNAVAILABLE: Final = ServerError(status=503, retryable=True)
UNSENT: Final = TransportError("No connection", sent=False)
LOST: Final = TransportError("Timed out", sent=True)


def retried(
    *errors: OAuthError, repeatable: bool = False, jitter: float = 1.0
) -> tuple[OAuthError | None, list[float]]:
    """Raise the errors, one for each try, and then succeed. Returns the error, if any, and the waits."""
    left = list(errors)
    clock = Clock()

    def ask(seconds: float) -> None:
        if left:
            raise left.pop(0)

    try:
        with_retries(
            ask,
            tries=3,
            seconds=30,
            repeatable=repeatable,
            monotonic=clock.monotonic,
            sleep=clock.sleep,
            jitter=lambda: jitter,
        )
    except OAuthError as error:
        return error, clock.slept
    return None, clock.slept


def test_a_wait_that_ends_after_the_deadline_raises_what_failed() -> None:
    """A machine that was busy or asleep: another try would time out at once, and hide the cause."""
    clock, tries = Clock(), [0.0]

    def ask(seconds: float) -> None:
        tries.append(seconds)
        raise UNAVAILABLE

    with pytest.raises(ServerError) as raised:
        with_retries(ask, 3, 30, False, clock.monotonic, lambda _: clock.sleep(30), lambda: 1.0)
    assert raised.value is UNAVAILABLE
    assert tries == [0, 30]


RECOVERED: Final[list[tuple[str, list[OAuthError], list[float]]]] = [
    ("no failure", [], []),
    ("one failure", [UNAVAILABLE], [1]),
    ("two failures", [UNAVAILABLE, UNAVAILABLE], [1, 2]),
    ("no connection", [UNSENT, UNSENT], [1, 2]),
    ("rate limit without Retry-After", [RateLimited()], [1]),
    ("rate limit with Retry-After", [RateLimited(retry_after=7)], [7]),
    ("server error with Retry-After", [ServerError(retryable=True, retry_after=3)], [3]),
    ("Retry-After of ten seconds", [RateLimited(retry_after=10)], [10]),
    ("Retry-After of zero", [RateLimited(retry_after=0)], [0]),
    ("Retry-After counts once", [RateLimited(retry_after=7), UNAVAILABLE], [7, 2]),
]


@pytest.mark.parametrize(("errors", "waits"), [row[1:] for row in RECOVERED], ids=[row[0] for row in RECOVERED])
def test_transient_failures_are_retried(errors: list[OAuthError], waits: list[float]) -> None:
    assert retried(*errors) == (None, waits)


def test_the_third_failure_is_raised() -> None:
    third = ServerError(status=502, retryable=True)
    assert retried(UNAVAILABLE, UNAVAILABLE, third) == (third, [1, 2])


@pytest.mark.parametrize(
    "error",
    [
        InvalidGrant(),
        AccessDenied(),
        BadOAuthClient(),
        ServerError(error="admin_policy_enforced"),
        MalformedResponse(),
        TransportError("redirect", sent=False, retryable=False),
        RateLimited(retry_after=10.5),
        ServerError(retryable=True, retry_after=3600),
    ],
    ids=lambda error: f"{type(error).__name__} {error.retry_after or ''}",
)
def test_an_error_that_a_short_wait_does_not_solve_is_raised_at_once(error: OAuthError) -> None:
    assert retried(error, repeatable=True) == (error, [])
    assert retried(UNAVAILABLE, error, repeatable=True) == (error, [1])


def test_a_request_whose_response_was_lost_is_retried_only_if_repeatable() -> None:
    assert retried(LOST, LOST, repeatable=True) == (None, [1, 2])
    assert retried(LOST, repeatable=False) == (LOST, [])
    assert retried(UNSENT, LOST, repeatable=False) == (LOST, [1])


def test_jitter_changes_our_waits_and_not_the_servers() -> None:
    assert retried(UNAVAILABLE, UNAVAILABLE, jitter=0.9)[1] == [0.9, 1.8]
    assert retried(UNAVAILABLE, UNAVAILABLE, jitter=1.1)[1] == [1.1, 2.2]
    assert retried(RateLimited(retry_after=7), jitter=0.9)[1] == [7]


def test_other_exceptions_are_not_retried() -> None:
    asked: list[float] = []

    def ask(seconds: float) -> None:
        asked.append(seconds)
        raise KeyError

    with pytest.raises(KeyError):
        with_retries(
            ask, tries=3, seconds=30, repeatable=True, monotonic=lambda: 0.0, sleep=asked.append, jitter=lambda: 1.0
        )
    assert asked == [30]


@pytest.mark.parametrize(
    ("seconds", "tries", "each_takes", "given"),
    [
        (30, 3, 5, [30, 24, 17]),
        (30, 3, 30, [30]),
        (7.5, 3, 5, [7.5, 1.5]),
        (6, 3, 5, [6]),
        (30, 1, 0, [30]),
        (30, 2, 0, [30, 29]),
    ],
    ids=["waits count", "a slow server", "time for a second try", "no time for a second try", "one try", "two tries"],
)
def test_all_tries_share_one_timeout(seconds: float, tries: int, each_takes: float, given: list[float]) -> None:
    clock = Clock()
    got: list[float] = []

    def ask(seconds: float) -> None:
        got.append(seconds)
        clock.advance(each_takes)
        raise UNAVAILABLE

    with pytest.raises(ServerError):
        with_retries(
            ask,
            tries=tries,
            seconds=seconds,
            repeatable=True,
            monotonic=clock.monotonic,
            sleep=clock.sleep,
            jitter=lambda: 1.0,
        )
    assert got == given


def test_clients_that_failed_together_do_not_retry_together(clock: Clock) -> None:
    session: Session = Plain(*[Reply(503)] * 60)
    for _ in range(20):
        with pytest.raises(ServerError):
            OAuthCredentials("the-id", "the-secret", session).get_code()
    first, second = clock.slept[::2], clock.slept[1::2]
    assert all(0.9 <= wait <= 1.1 for wait in first)
    assert all(1.8 <= wait <= 2.2 for wait in second)
    assert len(set(first)) > 1
