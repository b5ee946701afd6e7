# SPDX-License-Identifier: MIT
"""What comes back over the wire: every refusal that servers are known for, and what is no answer at all.

The requests to the letter and the good answers are vectors of the porting kit, put to this library in `test_vectors`.
No server here: an answer is handed to the parser. Each test of a refusal spoils one thing of a good answer.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ytmusic_oauth import Endpoints
from ytmusic_oauth._messages import HttpResponse, Request, redacted
from ytmusic_oauth.exceptions import (
    AccessDenied,
    AuthorizationPending,
    BadOAuthClient,
    DeviceCodeExpired,
    InvalidGrant,
    MalformedResponse,
    OAuthError,
    RateLimited,
    ServerError,
    SlowDown,
    TransportError,
    UnauthorizedOAuthClient,
)
from ytmusic_oauth.models import AuthCodeDict, LinkedAuthCodeDict
from ytmusic_oauth.protocol import (
    OAUTH_SCOPE,
    device_authorization_request,
    parse_device_authorization,
    parse_refresh,
    parse_revocation,
    parse_token,
    refresh_request,
    revocation_request,
    token_request,
    verification_link,
)
from ytmusic_oauth.session import send
from ytmusic_oauth.transport import UrllibResponse

RFC: Final = Endpoints("https://example.org/device", "https://example.org/token", "https://example.org/revoke")
CLIENT: Final = ("the-id", "the-secret")
SENT: Final = 1_700_000_000.9

ACCESS: Final[Mapping[str, object]] = {
    "access_token": "ya29.fresh",
    "expires_in": 3599,
    "scope": OAUTH_SCOPE,
    "token_type": "Bearer",
}
TOKEN: Final[Mapping[str, object]] = {**ACCESS, "refresh_token": "1//fresh"}
CODE: Final[Mapping[str, object]] = {
    "device_code": "AH-1Ng",
    "user_code": "GQVQ-JKEC",
    "verification_url": "https://www.google.com/device",
    "expires_in": 1800,
    "interval": 5,
}

ASK_CODE: Final = device_authorization_request(RFC, *CLIENT, OAUTH_SCOPE)
ASK_TOKEN: Final = token_request(RFC, *CLIENT, "AH-1Ng")
ASK_REFRESH: Final = refresh_request(RFC, *CLIENT, "1//old")
ASK_REVOCATION: Final = revocation_request(RFC, *CLIENT, "1//old")

# What was asked for -> how its answer is read, and a good answer.
READ: Final[Mapping[str, Callable[[HttpResponse], object]]] = {
    "code": lambda answer: parse_device_authorization(ASK_CODE, answer),
    "poll": lambda answer: parse_token(ASK_TOKEN, answer, sent=SENT, scope="what was asked for"),
    "refresh": lambda answer: parse_refresh(ASK_REFRESH, answer, sent=SENT),
    "revocation": lambda answer: parse_revocation(ASK_REVOCATION, answer),
}
GOOD: Final[Mapping[str, Mapping[str, object]]] = {"code": CODE, "poll": TOKEN, "refresh": ACCESS, "revocation": {}}
ANY: Final = tuple(READ)
WITH_BODY: Final = ("code", "poll", "refresh")


def without(key: str, body: Mapping[str, object]) -> Mapping[str, object]:
    return {name: value for name, value in body.items() if name != key}


# ---- what stays untold ---------------------------------------------------------------------------


def test_a_request_and_an_answer_that_are_logged_tell_no_secret() -> None:
    logged = repr([ASK_CODE, ASK_TOKEN, ASK_REFRESH, ASK_REVOCATION, HttpResponse(200, TOKEN)])
    assert not [secret for secret in ("the-secret", "AH-1Ng", "1//old", "ya29", "1//fresh") if secret in logged]


# ---- endpoints -----------------------------------------------------------------------------------

UNSAFE_URLS: Final = {
    "user and password": "https://user:hunter2@example.org/token",
    "fragment": "https://example.org/token#hunter2",
    "port without a host": "https://:443/token",
    "control character in the host": "https://example\x00.org/token",
}


@pytest.mark.parametrize("url", UNSAFE_URLS.values(), ids=UNSAFE_URLS)
def test_an_unsafe_endpoint_is_refused_without_being_quoted(url: str) -> None:
    with pytest.raises(ValueError, match=r"^device_code_url is .*https") as caught:
        Endpoints(url, RFC.token_url)
    assert "hunter2" not in str(caught.value)


def test_each_of_the_three_endpoints_is_checked() -> None:
    with pytest.raises(ValueError, match=r"^token_url is "):
        Endpoints(RFC.device_code_url, "http://example.org/token")
    with pytest.raises(ValueError, match=r"^revoke_url is "):
        Endpoints(RFC.device_code_url, RFC.token_url, "http://example.org/revoke")


@pytest.mark.parametrize("value", ["null", "5", "true"])
def test_an_endpoint_that_a_configuration_file_lacks_is_refused(value: str) -> None:
    configured: str = json.loads(value)
    with pytest.raises(ValueError, match="token_url"):
        Endpoints(RFC.device_code_url, configured)


# ---- what is asked -------------------------------------------------------------------------------


@pytest.mark.parametrize("secret", ["", "canary\n", "canar\xfd"], ids=ascii)
def test_a_secret_that_can_be_nobodys_is_named_and_not_quoted(secret: str) -> None:
    for named, ask in (
        ("device_code", token_request),
        ("refresh_token", refresh_request),
        ("token", revocation_request),
    ):
        with pytest.raises(ValueError, match=f"^{named} is ") as caught:
            ask(RFC, *CLIENT, secret)
        assert "canar" not in str(caught.value)


# ---- good answers --------------------------------------------------------------------------------


def read_code(body: object) -> AuthCodeDict:
    return parse_device_authorization(ASK_CODE, HttpResponse(200, body))


@pytest.mark.parametrize("asked", ANY)
def test_keys_that_nobody_knows_are_ignored(asked: str) -> None:
    body = {**GOOD[asked], "refresh_token_expires_in": 604799, "error": None, "error_uri": 5, "id_token": {"a": []}}
    assert READ[asked](HttpResponse(200, body)) == READ[asked](HttpResponse(200, GOOD[asked]))


@pytest.mark.parametrize(
    "links",
    [
        pytest.param({"verification_url": "https://a.example/d"}, id="as Google"),
        pytest.param({"verification_uri": "https://a.example/d"}, id="as RFC 8628"),
        pytest.param({"verification_url": None, "verification_uri": "https://a.example/d"}, id="null beside it"),
        pytest.param({"verification_url": "https://a.example/d", "verification_uri": "https://b.example/d"}, id="both"),
    ],
)
def test_the_page_is_read_under_either_name(links: Mapping[str, object]) -> None:
    assert read_code({**without("verification_url", CODE), **links}) == {
        **CODE,
        "verification_url": "https://a.example/d",
    }


@pytest.mark.parametrize("token", [ACCESS, TOKEN], ids=["the refresh token stays", "it rotates"])
def test_a_refresh_that_tells_no_scope_has_none_of_its_own(token: Mapping[str, object]) -> None:
    told = READ["refresh"](HttpResponse(200, token))
    assert isinstance(told, dict)
    assert READ["refresh"](HttpResponse(200, without("scope", token))) == {**told, "scope": ""}


# ---- refusals ------------------------------------------------------------------------------------

REFUSALS: Final[list[tuple[tuple[str, ...], int, str, type[OAuthError]]]] = [
    (("poll",), 428, "authorization_pending", AuthorizationPending),
    (("poll",), 400, "authorization_pending", AuthorizationPending),
    (("poll",), 200, "authorization_pending", AuthorizationPending),
    (("poll",), 403, "slow_down", SlowDown),
    (("poll",), 400, "slow_down", SlowDown),
    (("poll",), 429, "slow_down", SlowDown),
    (("poll",), 403, "access_denied", AccessDenied),
    (("poll",), 400, "access_denied", AccessDenied),
    (("poll",), 400, "expired_token", DeviceCodeExpired),
    (("poll", "refresh"), 400, "invalid_grant", InvalidGrant),
    (ANY, 401, "invalid_client", BadOAuthClient),
    (ANY, 400, "invalid_client", BadOAuthClient),
    (ANY, 401, "deleted_client", BadOAuthClient),
    (ANY, 400, "deleted_client", BadOAuthClient),
    (ANY, 401, "unauthorized_client", UnauthorizedOAuthClient),
    (ANY, 400, "unauthorized_client", UnauthorizedOAuthClient),
    (ANY, 400, "admin_policy_enforced", ServerError),
    (ANY, 400, "invalid_scope", ServerError),
    (ANY, 400, "unsupported_grant_type", ServerError),
    (ANY, 403, "org_internal", ServerError),
    (ANY, 400, "made_up_tomorrow", ServerError),
    (ANY, 200, "made_up_tomorrow", ServerError),
    (("revocation",), 400, "invalid_token", ServerError),
]


@pytest.mark.parametrize(
    ("asked", "status", "error", "meaning"),
    [
        pytest.param(asked, status, error, meaning, id=f"{status} {error} to a {asked}")
        for to, status, error, meaning in REFUSALS
        for asked in to
    ],
)
def test_the_error_in_the_body_decides(asked: str, status: int, error: str, meaning: type[OAuthError]) -> None:
    with pytest.raises(OAuthError) as caught:
        READ[asked](HttpResponse(status, {**GOOD[asked], "error": error}))
    assert type(caught.value) is meaning
    assert (caught.value.error, caught.value.status) == (error, status)
    assert caught.value.retryable is issubclass(meaning, AuthorizationPending)


@pytest.mark.parametrize(
    ("sent", "kept"),
    [(None, None), (30, 30), ("30", 30), (30.5, 30), (0, None), (True, None), (math.nan, None), ({}, None)],
    ids=repr,
)
def test_the_servers_own_longer_interval_is_kept_if_it_is_one(sent: object, kept: int | None) -> None:
    with pytest.raises(SlowDown) as caught:
        READ["poll"](HttpResponse(400, {"error": "slow_down", "interval": sent}))
    assert caught.value.interval == kept


@pytest.mark.parametrize(
    ("status", "body"),
    [
        pytest.param(403, {"error_code": "rate_limit_exceeded"}, id="403 error_code, as YouTube"),
        pytest.param(403, {"error": "rate_limit_exceeded"}, id="403 error"),
        pytest.param(429, None, id="429 and no JSON"),
        pytest.param(429, {}, id="429 {}"),
        pytest.param(429, {"error": {"code": 429}}, id="429 and an object, as Google's gateways"),
    ],
)
@pytest.mark.parametrize("asked", ANY)
def test_a_quota_that_is_used_up_tells_when_to_come_back(asked: str, status: int, body: object) -> None:
    with pytest.raises(RateLimited) as caught:
        READ[asked](HttpResponse(status, body, retry_after=7.0))
    assert (caught.value.status, caught.value.retry_after, caught.value.retryable) == (status, 7.0, True)


BODIES: Final[Mapping[str, object]] = {
    "no JSON": None,
    "{}": {},
    "a list": [TOKEN],
    "text": "Service Unavailable",
    "a token": TOKEN,
    "an error object": {"error": {"code": 500, "status": "INTERNAL"}},
    "an unknown error": {"error": "made_up_tomorrow"},
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
@pytest.mark.parametrize("status", [408, 500, 502, 503, 504])
def test_a_servers_passing_trouble_is_retryable_whatever_the_body_is(status: int, body: object) -> None:
    for read in READ.values():
        with pytest.raises(ServerError) as caught:
            read(HttpResponse(status, body, retry_after=7.0))
        assert (caught.value.status, caught.value.retry_after, caught.value.retryable) == (status, 7.0, True)
        assert "ya29" not in str(caught.value)


@pytest.mark.parametrize("error", ["server_error", "temporarily_unavailable", "internal_failure"])
@pytest.mark.parametrize("status", [200, 400, 503])
def test_a_passing_trouble_is_known_by_its_code_too(status: int, error: str) -> None:
    for read in READ.values():
        with pytest.raises(ServerError) as caught:
            read(HttpResponse(status, {"error": error}))
        assert (caught.value.error, caught.value.retryable) == (error, True)


@pytest.mark.parametrize("body", [None, TOKEN, {"error": "authorization_pending"}], ids=["no JSON", "token", "error"])
@pytest.mark.parametrize("status", [300, 301, 302, 303, 307, 308])
def test_a_redirect_is_not_believed_and_not_tried_again(status: int, body: object) -> None:
    for read in READ.values():
        with pytest.raises(TransportError, match="redirect") as caught:
            read(HttpResponse(status, body))
        assert (caught.value.status, caught.value.retryable) == (status, False)


# ---- nonsense ------------------------------------------------------------------------------------


def malformed(asked: str, answer: HttpResponse) -> MalformedResponse:
    with pytest.raises(MalformedResponse) as caught:
        READ[asked](answer)
    assert caught.value.status == answer.status
    assert str(answer.status) in str(caught.value)
    assert "None" not in str(caught.value)
    return caught.value


@pytest.mark.parametrize("body", [None, [TOKEN], "canary", 5, True], ids=["no JSON", "list", "text", "number", "true"])
@pytest.mark.parametrize("asked", WITH_BODY)
def test_what_is_no_object_is_named_by_its_type_and_not_quoted(asked: str, body: object) -> None:
    error = malformed(asked, HttpResponse(200, body, content_type="text/html"))
    assert str(error).startswith("The answer (HTTP 200, text/html) is not a JSON object")
    assert str(malformed(asked, HttpResponse(200, body))).startswith("The answer (HTTP 200) is not a JSON object")
    assert "canary" not in str(error)
    assert error.key is None


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"<!doctype html><title>Wi-Fi</title>canary", id="HTML of a captive portal"),
        pytest.param(b'{"access_token": "canary\xff"}', id="not UTF-8"),
        pytest.param(b'{"access_token": "canary", "access_token": "canary"}', id="key twice"),
    ],
)
def test_what_is_no_json_is_named_by_its_type_and_not_quoted(content: bytes) -> None:
    class Wire:
        def post(
            self, url: str, *, data: Mapping[str, str], headers: Mapping[str, str], timeout: float
        ) -> UrllibResponse:
            return UrllibResponse(200, {"Content-Type": "text/plain; q=1"}, content)

    error = malformed("poll", send(Wire(), ASK_TOKEN))
    assert "text/plain; q=1" in str(error)
    assert "canary" not in str(error)


@pytest.mark.parametrize("length", [4001, 1_000_000])
def test_what_is_too_long_to_be_searched_for_secrets_is_not_shown(length: int) -> None:
    """To search a megabyte for a token of a thousand characters takes a quarter of a minute."""
    secret = "a" * 1000 + "b"
    request = Request("https://fake.test/token", {"refresh_token": secret})
    assert redacted("a" * length, request) is None
    assert redacted("a" * 4000, request) == "a" * 300
    assert redacted(secret + " " * 2000, request) == "[redacted]" + " " * 290


@pytest.mark.parametrize("asked", ANY)
@pytest.mark.parametrize("status", [201, 400, 401, 403, 404])
def test_only_a_200_is_a_success(asked: str, status: int) -> None:
    error = malformed(asked, HttpResponse(status, TOKEN))
    assert "ya29" not in str(error)
    assert error.key is None


@pytest.mark.parametrize(
    "error", [{"code": 403, "status": "canary"}, ["canary"], 5, False], ids=["{}", "[]", "5", "no"]
)
@pytest.mark.parametrize("status", [200, 403])
@pytest.mark.parametrize("asked", ANY)
def test_an_error_that_is_no_text_is_nonsense_and_no_success(asked: str, status: int, error: object) -> None:
    refused = malformed(asked, HttpResponse(status, {**GOOD[asked], "error": error}))
    assert refused.key == "error"
    assert "canary" not in str(refused)


@pytest.mark.parametrize(
    ("asked", "key", "named"),
    [
        ("code", "device_code", "device_code"),
        ("code", "user_code", "user_code"),
        ("code", "expires_in", "expires_in"),
        ("code", "verification_url", "verification_uri"),
        ("poll", "access_token", "access_token"),
        ("poll", "refresh_token", "refresh_token"),
        ("refresh", "access_token", "access_token"),
    ],
)
def test_a_missing_key_is_named(asked: str, key: str, named: str) -> None:
    for body in (without(key, GOOD[asked]), {**GOOD[asked], key: None}):
        error = malformed(asked, HttpResponse(200, body))
        assert error.key == named
        assert f"{named} is missing" in str(error)


# One or two of each kind: all of them are in `test_validation`.
NO_CREDENTIALS: Final[list[object]] = ["", "canary\n", ["canary"]]
NO_SECONDS: Final[list[object]] = [0, "canary", True]
NO_LINKS: Final[list[object]] = ["", "javascript:alert('canary')", ["https://canary"]]
FIX_FIRST: Final[list[tuple[tuple[str, ...], str, list[object]]]] = [
    (("poll", "refresh"), "access_token", NO_CREDENTIALS),
    (("poll", "refresh"), "refresh_token", NO_CREDENTIALS),
    (("code",), "device_code", NO_CREDENTIALS),
    (("code",), "user_code", ["", "canary\x1b[2J", ["canary"]]),
    (WITH_BODY, "expires_in", NO_SECONDS),
    (("code",), "interval", NO_SECONDS),
    (("code",), "verification_url", NO_LINKS),
    (("code",), "verification_uri_complete", NO_LINKS),
    (("poll", "refresh"), "token_type", ["", "canary", ["Bearer"]]),
    (("poll", "refresh"), "scope", [5, ["canary"]]),
]


@pytest.mark.parametrize(
    ("asked", "key", "value"),
    [
        pytest.param(asked, key, value, id=f"{asked} {key} {ascii(value)[:24]}")
        for to, key, values in FIX_FIRST
        for asked in to
        for value in values
    ],
)
def test_a_wrong_value_is_named_by_its_key_and_not_quoted(asked: str, key: str, value: object) -> None:
    error = malformed(asked, HttpResponse(200, {**GOOD[asked], key: value}))
    assert error.key == key
    assert f"{key} is " in str(error)
    assert "canary" not in str(error)


JSON: Final = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=5,
)
KEYS: Final = st.sampled_from([*TOKEN, *CODE, "verification_uri", "verification_uri_complete", "error", "error_code"])
STATUSES: Final = st.sampled_from([200, 200, 200, 302, 400, 403, 429, 500])


@given(asked=st.sampled_from(ANY), status=STATUSES, spoiled=st.dictionaries(KEYS, JSON, max_size=3))
def test_whatever_a_server_sends_is_a_whole_answer_or_an_oauth_error(
    asked: str, status: int, spoiled: Mapping[str, object]
) -> None:
    """A parser answers every required key with a value of its type, or raises an `OAuthError`; nothing else."""
    try:
        result = READ[asked](HttpResponse(status, {**GOOD[asked], **spoiled}))
    except OAuthError:
        return
    assert status == 200
    if asked != "revocation":
        assert isinstance(result, dict)
        assert {key: type(result[key]) for key in GOOD[asked]} == {key: type(GOOD[asked][key]) for key in GOOD[asked]}


# ---- the link for the user -----------------------------------------------------------------------


def code(user_code: str = "GQVQ-JKEC", page: str = "https://a.example/d") -> AuthCodeDict:
    return {
        "device_code": "AH-1Ng",
        "user_code": user_code,
        "expires_in": 1800,
        "interval": 5,
        "verification_url": page,
    }


def linked(complete: str, page: str = "https://a.example/d") -> LinkedAuthCodeDict:
    return {**code(page=page), "verification_uri_complete": complete}


@pytest.mark.parametrize("link", ["javascript:alert(1)", "https://a\x1b[2J"])
def test_no_browser_is_sent_to_what_is_no_web_link(link: str) -> None:
    with pytest.raises(ValueError, match="verification_url is not"):
        verification_link(code(page=link))
    with pytest.raises(ValueError, match="verification_uri_complete is not"):
        verification_link(linked(link))


# ---- what a session is handed, and answers -------------------------------------------------------


class Odd:
    """Somebody's own: it signs what it sends, and may answer what is no answer."""

    def __init__(self, status: int = 200) -> None:
        self.answer = UrllibResponse(status, {}, b"")
        self.sent: list[Mapping[str, str]] = []

    def post(self, url: str, *, data: Mapping[str, str], headers: Mapping[str, str], timeout: float) -> UrllibResponse:
        self.sent.append(dict(headers))
        assert isinstance(headers, dict)
        headers["X-Signed"] = "for this server"
        return self.answer


def test_what_a_session_writes_into_its_headers_is_sent_by_no_other() -> None:
    for session in (Odd(), Odd()):
        send(session, ASK_TOKEN)
        assert "X-Signed" not in session.sent[0]


@pytest.mark.parametrize("status", ["null", '"200"', "200.0"])
def test_an_answer_without_a_status_is_no_answer(status: str) -> None:
    with pytest.raises(TransportError, match="no status"):
        send(Odd(json.loads(status)), ASK_TOKEN)


def test_a_session_that_answers_nothing_has_no_status_either() -> None:
    """As one that is made for an event loop, and answers with what is to be awaited."""
    session = Odd()
    session.answer = json.loads("null")
    with pytest.raises(TransportError, match="no status"):
        send(session, ASK_TOKEN)
