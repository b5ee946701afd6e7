# SPDX-License-Identifier: MIT
"""Asking a server over a session that somebody else made, and asking again: what is sent, believed and repeated."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support import NOON, Clock
from ytmusic_oauth import OAuthCredentials
from ytmusic_oauth._messages import HttpResponse, Request, parse_retry_after
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
from ytmusic_oauth.session import Response, Session, send, with_retries

REQUEST: Final = Request("https://example.org/token", {"client_id": "the-id", "refresh_token": "1//s+cret"})
FORM: Final = REQUEST.form


@dataclass
class Reply:
    """An answer as most libraries have them."""

    status_code: int = 200
    body: object = None
    headers: Mapping[str, str] = field(default_factory=dict)
    history: list[Reply] = field(default_factory=list)

    def json(self) -> object:
        if isinstance(self.body, Exception):
            raise self.body
        return self.body


MOVED: Final = Reply(307, None, {"Location": "https://elsewhere.example/token"})
THIEVES: Final = Reply(200, {"access_token": "ya29.thieves"}, history=[MOVED])


class ReadTimeout(Exception):
    """As an HTTP library's own, of no base class that others share."""


class Plain:
    """Sends a form, and has nothing else that one could know it by."""

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
    """Follows redirects, form and all, unless told not to."""

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
        return THIEVES if self.followed else MOVED


class Wrapped:
    """Hands everything on to a session, as those do that count or log."""

    def __init__(self, session: LikeRequests) -> None:
        self._session = session

    def __getattr__(self, name: str) -> object:
        return getattr(self._session, name)

    def post(
        self, url: str, *, data: Mapping[str, str], headers: Mapping[str, str], timeout: float, **options: bool
    ) -> Reply:
        return self._session.post(url, data=data, headers=headers, timeout=timeout, **options)


class LikeHttpx:
    """Follows redirects if it was made to, unless told not to."""

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
        return THIEVES if self.followed else MOVED


# ---- what is sent --------------------------------------------------------------------------------


def test_a_session_gets_the_form_a_familiar_user_agent_and_half_a_minute() -> None:
    session = Plain(Reply())
    send(session, REQUEST)
    [(url, data, headers, timeout)] = session.calls
    assert (url, data, timeout) == (REQUEST.url, FORM, 30.0)
    assert headers == {
        "User-Agent": "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:88.0) Gecko/20100101 Firefox/88.0 Cobalt/Version",
        "Accept": "application/json",
    }


@pytest.mark.parametrize(
    ("own", "used"), [(5, 5), (2.5, 2.5), (None, 30), (object(), 30)], ids=["5", "2.5", "none", "something else"]
)
def test_a_session_with_a_time_out_of_its_own_keeps_it(own: object, used: float) -> None:
    class Timed(Plain):
        timeout = own

    session = Timed(Reply())
    send(session, REQUEST)
    assert session.calls[0][3] == used


@pytest.mark.parametrize(
    "session",
    [LikeRequests(), LikeHttpx(follow_redirects=True), LikeHttpx(follow_redirects=False)],
    ids=["requests", "httpx that would follow", "httpx"],
)
def test_no_form_follows_a_redirect_or_waits_for_ever(session: LikeRequests | LikeHttpx) -> None:
    answer = send(session, REQUEST)
    assert session.followed is False
    assert answer.status == 307
    assert session.timeout == 30, "left to itself, requests waits for ever"


def test_no_form_follows_a_redirect_from_a_wrapped_session() -> None:
    session = LikeRequests()
    assert send(Wrapped(session), REQUEST).status == 307
    assert not session.followed


def test_an_answer_that_came_over_a_redirect_is_not_believed() -> None:
    with pytest.raises(TransportError, match="redirect") as caught:
        send(Plain(THIEVES), REQUEST)
    assert not caught.value.retryable
    assert "thieves" not in str(caught.value)


# ---- what comes back -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["Content-Type", "content-type", "CONTENT-TYPE", "cOntent-tYpe"])
def test_headers_are_found_in_any_capitals(name: str) -> None:
    reply = Reply(200, {"a": 1}, {"X-Content-Type": "no", name: "text/html"})
    assert send(Plain(reply), REQUEST) == HttpResponse(200, {"a": 1}, "text/html")


class Bare:
    status_code = 200

    def json(self) -> object:
        return {"a": 1}


@pytest.mark.parametrize("headers", [{}, None, "no headers", 5, SimpleNamespace(items=lambda: 5)], ids=repr)
def test_an_answer_may_have_no_headers(headers: object) -> None:
    bare = Bare()
    if headers:
        vars(bare)["headers"] = headers
    assert send(Plain(bare), REQUEST) == HttpResponse(200, {"a": 1}, "no content type")


def test_headers_may_be_handed_on_by_a_wrapper() -> None:
    wrapped = Bare()
    vars(wrapped)["headers"] = SimpleNamespace(items={"Retry-After": "77"}.items)
    assert send(Plain(wrapped), REQUEST).retry_after == 77


def test_a_content_type_drives_no_terminal() -> None:
    answer = send(Plain(Reply(200, None, {"Content-Type": "text/\x1b[2Jhtml 1//s+cret"})), REQUEST)
    assert answer.content_type == "text/ [2Jhtml [redacted]"


@pytest.mark.parametrize("error", [ValueError("1//s+cret"), RecursionError(), ReadTimeout()], ids=repr)
def test_a_body_that_is_no_json_is_an_answer_without_one(error: Exception) -> None:
    assert send(Plain(Reply(503, error)), REQUEST) == HttpResponse(503, None, "no content type")


@pytest.mark.parametrize("error", [ReadTimeout, OSError, RuntimeError, TypeError])
@pytest.mark.parametrize("secret", ["1//s+cret", "1%2F%2Fs%2Bcret"])
def test_a_session_that_fails_is_a_transport_error_without_a_secret(error: type[Exception], secret: str) -> None:
    with pytest.raises(TransportError) as caught:
        send(Plain(error(f"no answer to\n{secret}")), REQUEST)
    assert error.__name__ in str(caught.value)
    assert secret not in str(caught.value)
    assert str(caught.value).isprintable()
    assert (caught.value.sent, caught.value.retryable) == (True, True)
    assert caught.value.__suppress_context__


def test_a_session_that_fails_without_a_word_is_told_by_its_class() -> None:
    with pytest.raises(TransportError, match="ReadTimeout") as caught:
        send(Plain(ReadTimeout()), REQUEST)
    assert "None" not in str(caught.value)


def test_a_session_that_knows_our_errors_is_understood() -> None:
    error = MalformedResponse("The answer is longer than 1 MiB")
    with pytest.raises(MalformedResponse) as caught:
        send(Plain(error), REQUEST)
    assert caught.value is error


# ---- Retry-After ---------------------------------------------------------------------------------

NOON_AS_DATE: Final = "Tue, 14 Nov 2023 22:13:20 GMT"
LATER: Final = "Tue, 14 Nov 2023 22:13:27 GMT"


@pytest.fixture
def far_from_greenwich(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    # HTTP's dates are Greenwich's, also in the old form that does not say so.
    with monkeypatch.context() as elsewhere:
        elsewhere.setenv("TZ", "XYZ5")
        set_time_zone()
        yield
    set_time_zone()


def set_time_zone() -> None:
    if hasattr(time, "tzset"):
        time.tzset()


@pytest.mark.parametrize(
    ("sent", "read"),
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
        ("\u0667", None),
        ("9" * 10_000, None),
    ],
    ids=lambda value: ascii(value)[:32],
)
def test_retry_after_is_read_as_seconds_or_as_a_date_of_any_http_form(
    far_from_greenwich: None, sent: str, read: float | None
) -> None:
    assert parse_retry_after(sent, "", NOON) == read


def test_a_date_counts_from_the_answers_own_and_not_from_a_wrong_clock(clock: Clock) -> None:
    clock.wall = 0
    reply = Reply(503, None, {"rEtRy-AfTeR": LATER, "DATE": NOON_AS_DATE})
    assert send(Plain(reply), REQUEST).retry_after == 7.0


def test_a_date_counts_from_this_clock_where_the_answer_has_none(clock: Clock) -> None:
    assert send(Plain(Reply(503, None, {"Retry-After": LATER})), REQUEST).retry_after == 7.0


DATES: Final = st.lists(
    st.sampled_from([*LATER.split(), "Tuesday,", "14-Nov-23", "-0000", "+9999", "-", ":", "31", "Feb", "0", "(", "é"])
).map(" ".join)


@given(value=DATES | st.text(), date=DATES | st.text())
def test_any_retry_after_is_a_time_to_wait_or_none(value: str, date: str) -> None:
    """Whatever a server puts there: None or seconds from 0 on, and never an exception."""
    read = parse_retry_after(value, date, NOON)
    assert read is None or read >= 0


# ---- trying again --------------------------------------------------------------------------------

BUSY: Final = ServerError(status=503, retryable=True)
UNSENT: Final = TransportError("No connection", sent=False)
UNANSWERED: Final = TransportError("Timed out", sent=True)


def again(*answers: OAuthError, repeatable: bool = False, jitter: float = 1.0) -> tuple[OAuthError | None, list[float]]:
    """What came of it, None for success, and the waits."""
    left = list(answers)
    slept: list[float] = []

    def ask() -> None:
        if left:
            raise left.pop(0)

    try:
        with_retries(ask, repeatable=repeatable, sleep=slept.append, jitter=lambda: jitter)
    except OAuthError as error:
        return error, slept
    return None, slept


MENDED: Final[list[tuple[str, list[OAuthError], list[float]]]] = [
    ("no trouble", [], []),
    ("one failure", [BUSY], [1]),
    ("two failures", [BUSY, BUSY], [1, 2]),
    ("no connection", [UNSENT, UNSENT], [1, 2]),
    ("rate limit without a time", [RateLimited()], [1]),
    ("Retry-After of a rate limit", [RateLimited(retry_after=7)], [7]),
    ("Retry-After of a server", [ServerError(retryable=True, retry_after=3)], [3]),
    ("Retry-After of ten seconds", [RateLimited(retry_after=10)], [10]),
    ("Retry-After of nothing", [RateLimited(retry_after=0)], [0]),
    ("Retry-After once", [RateLimited(retry_after=7), BUSY], [7, 2]),
]


@pytest.mark.parametrize(("answers", "waits"), [row[1:] for row in MENDED], ids=[row[0] for row in MENDED])
def test_passing_trouble_is_waited_out(answers: list[OAuthError], waits: list[float]) -> None:
    assert again(*answers) == (None, waits)


def test_the_third_failure_is_the_callers() -> None:
    third = ServerError(status=502, retryable=True)
    assert again(BUSY, BUSY, third) == (third, [1, 2])


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
def test_what_a_short_wait_cannot_mend_is_raised_at_once(error: OAuthError) -> None:
    assert again(error, repeatable=True) == (error, [])
    assert again(BUSY, error, repeatable=True) == (error, [1])


def test_what_was_sent_and_not_answered_is_repeated_only_where_that_is_harmless() -> None:
    assert again(UNANSWERED, UNANSWERED, repeatable=True) == (None, [1, 2])
    assert again(UNANSWERED, repeatable=False) == (UNANSWERED, [])
    assert again(UNSENT, UNANSWERED, repeatable=False) == (UNANSWERED, [1])


def test_jitter_moves_our_own_waits_and_not_the_servers() -> None:
    assert again(BUSY, BUSY, jitter=0.9)[1] == [0.9, 1.8]
    assert again(BUSY, BUSY, jitter=1.1)[1] == [1.1, 2.2]
    assert again(RateLimited(retry_after=7), jitter=0.9)[1] == [7]


def test_a_bug_is_not_repeated() -> None:
    def ask() -> None:
        raise KeyError

    def sleep(seconds: float) -> None:
        pytest.fail("waited")

    with pytest.raises(KeyError):
        with_retries(ask, repeatable=True, sleep=sleep, jitter=lambda: 1.0)


def test_clients_that_failed_together_do_not_come_back_together(clock: Clock) -> None:
    session: Session = Plain(*[Reply(503)] * 60)
    for _ in range(20):
        with pytest.raises(ServerError):
            OAuthCredentials("the-id", "the-secret", session).get_code()
    first, second = clock.slept[::2], clock.slept[1::2]
    assert all(0.9 <= wait <= 1.1 for wait in first)
    assert all(1.8 <= wait <= 2.2 for wait in second)
    assert len(set(first)) > 1
