# SPDX-License-Identifier: MIT
"""What goes over the wire and what comes back: the requests to the letter, and every answer that servers are known for.

No server: an answer is handed to the parser. Each test of a refusal starts from a good answer and spoils one thing.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ytmusic_oauth import GOOGLE, YOUTUBE, Endpoints
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
from ytmusic_oauth.messages import Answer, Request
from ytmusic_oauth.models import AuthCodeDict, LinkedAuthCodeDict
from ytmusic_oauth.protocol import (
    OAUTH_SCOPE,
    code_request,
    parse_code,
    parse_refresh,
    parse_revocation,
    parse_token,
    refresh_request,
    revoke_request,
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

ASK_CODE: Final = code_request(RFC, *CLIENT, OAUTH_SCOPE)
ASK_TOKEN: Final = token_request(RFC, *CLIENT, "AH-1Ng")
ASK_REFRESH: Final = refresh_request(RFC, *CLIENT, "1//old")
ASK_REVOCATION: Final = revoke_request(RFC, *CLIENT, "1//old")

# What was asked for -> how its answer is read, and a good answer.
READ: Final[Mapping[str, Callable[[Answer], object]]] = {
    "code": lambda answer: parse_code(ASK_CODE, answer),
    "poll": lambda answer: parse_token(ASK_TOKEN, answer, sent=SENT, scope="what was asked for"),
    "refresh": lambda answer: parse_refresh(ASK_REFRESH, answer, sent=SENT),
    "revocation": lambda answer: parse_revocation(ASK_REVOCATION, answer),
}
GOOD: Final[Mapping[str, Mapping[str, object]]] = {"code": CODE, "poll": TOKEN, "refresh": ACCESS, "revocation": {}}
ANY: Final = tuple(READ)
WITH_BODY: Final = ("code", "poll", "refresh")


def without(key: str, body: Mapping[str, object]) -> Mapping[str, object]:
    return {name: value for name, value in body.items() if name != key}


# ---- requests ------------------------------------------------------------------------------------

YOUTUBE_GRANT: Final = "http://oauth.net/grant_type/device/1.0"
RFC_GRANT: Final = "urn:ietf:params:oauth:grant-type:device_code"
GOOGLE_TOKEN: Final = "https://oauth2.googleapis.com/token"
GOOGLE_REVOKE: Final = "https://oauth2.googleapis.com/revoke"
BOTH: Final = {"client_id": "the-id", "client_secret": "the-secret"}


@pytest.mark.parametrize(
    ("endpoints", "url", "form"),
    [
        pytest.param(YOUTUBE, "https://www.youtube.com/o/oauth2/device/code", {"client_id": "the-id"}, id="YouTube"),
        pytest.param(GOOGLE, "https://oauth2.googleapis.com/device/code", {"client_id": "the-id"}, id="Google"),
        pytest.param(RFC, "https://example.org/device", BOTH, id="RFC 8628"),
    ],
)
def test_a_code_is_asked_for(endpoints: Endpoints, url: str, form: Mapping[str, str]) -> None:
    assert code_request(endpoints, *CLIENT, OAUTH_SCOPE) == Request(url, {**form, "scope": OAUTH_SCOPE})


@pytest.mark.parametrize(
    ("endpoints", "url", "form"),
    [
        pytest.param(YOUTUBE, GOOGLE_TOKEN, {"grant_type": YOUTUBE_GRANT, "code": "AH-1Ng"}, id="YouTube"),
        pytest.param(GOOGLE, GOOGLE_TOKEN, {"grant_type": RFC_GRANT, "device_code": "AH-1Ng"}, id="Google"),
        pytest.param(RFC, RFC.token_url, {"grant_type": RFC_GRANT, "device_code": "AH-1Ng"}, id="RFC 8628"),
    ],
)
def test_a_token_is_asked_for(endpoints: Endpoints, url: str, form: Mapping[str, str]) -> None:
    assert token_request(endpoints, *CLIENT, "AH-1Ng") == Request(url, {**BOTH, **form})


@pytest.mark.parametrize(
    ("endpoints", "url"),
    [
        pytest.param(YOUTUBE, GOOGLE_TOKEN, id="YouTube"),
        pytest.param(GOOGLE, GOOGLE_TOKEN, id="Google"),
        pytest.param(RFC, "https://example.org/token", id="RFC 8628"),
    ],
)
def test_a_refresh_is_asked_for(endpoints: Endpoints, url: str) -> None:
    form = {**BOTH, "grant_type": "refresh_token", "refresh_token": "1//old"}
    assert refresh_request(endpoints, *CLIENT, "1//old") == Request(url, form)


@pytest.mark.parametrize(
    ("endpoints", "url", "client"),
    [
        pytest.param(YOUTUBE, GOOGLE_REVOKE, {}, id="YouTube"),
        pytest.param(GOOGLE, GOOGLE_REVOKE, {}, id="Google"),
        pytest.param(RFC, "https://example.org/revoke", BOTH, id="RFC 7009"),
    ],
)
def test_a_revocation_is_asked_for_without_a_hint(endpoints: Endpoints, url: str, client: Mapping[str, str]) -> None:
    assert revoke_request(endpoints, *CLIENT, "1//old") == Request(url, {**client, "token": "1//old"})


def test_a_server_without_revocation_is_not_asked_for_it() -> None:
    with pytest.raises(ValueError, match="revoke_url"):
        revoke_request(Endpoints("https://example.org/device", "https://example.org/token"), *CLIENT, "1//old")


@pytest.mark.parametrize("secret", ["", "two words", "injected\r\nX: 1", "é"], ids=["empty", "space", "CRLF", "é"])
@pytest.mark.parametrize("build", [token_request, refresh_request, revoke_request])
def test_what_can_be_no_token_is_not_sent(build: Callable[[Endpoints, str, str, str], Request], secret: str) -> None:
    with pytest.raises(ValueError, match=r"^(device_code|refresh_token|token) is not visible ASCII$"):
        build(RFC, *CLIENT, secret)


def test_a_request_and_an_answer_that_are_logged_tell_no_secret() -> None:
    logged = repr([ASK_CODE, ASK_TOKEN, ASK_REFRESH, ASK_REVOCATION, Answer(200, TOKEN)])
    assert not [secret for secret in ("the-secret", "AH-1Ng", "1//old", "ya29", "1//fresh") if secret in logged]


# ---- endpoints -----------------------------------------------------------------------------------

SAFE_URLS: Final = [
    "https://example.org",
    "https://example.org:8443/token?tenant=a@b",
    "http://localhost/token",
    "http://localhost:8080",
    "http://127.0.0.1:8080/token",
    "http://127.8.9.10/token",
    "http://[::1]:8080/token",
    "http://localhost:65535/token",
]
UNSAFE_URLS: Final = {
    "http to elsewhere": "http://example.org/token",
    "http to a name that begins like this machine": "http://127.0.0.1.evil.example/token",
    "http to a name that begins like localhost": "http://localhost.evil.example/token",
    "http to what only looks like an address": "http://127.0.0.256/token",
    "user name that looks like this machine": "http://localhost@evil.example/token",
    "password that looks like a port": "http://localhost:80@evil.example/token",
    "user and password": "https://user:hunter2@example.org/token",
    "backslash before the host": "https://example.org\\@evil.example/token",
    "fragment": "https://example.org/token#hunter2",
    "another scheme": "ftp://example.org/token",
    "file": "file:///etc/passwd",
    "no scheme": "example.org/token",
    "no host": "https:///token",
    "port without a host": "https://:443/token",
    "port that is no number": "https://example.org:https/token",
    "port out of range": "http://localhost:65536/token",
    "space in the host": "https://example org/token",
    "control character in the host": "https://example\x00.org/token",
    "line break in the path": "https://example.org/token\r\nX: 1",
    "line break at the end": "https://example.org/token\n",
    "empty": "",
}


@pytest.mark.parametrize("url", SAFE_URLS)
def test_secrets_may_be_sent_over_https_or_to_this_machine(url: str) -> None:
    assert Endpoints(url, url, url).revoke_url == url


@pytest.mark.parametrize("url", UNSAFE_URLS.values(), ids=UNSAFE_URLS)
def test_an_unsafe_endpoint_is_refused_without_being_quoted(url: str) -> None:
    with pytest.raises(ValueError, match=r"^device_code_url is neither an https URL nor one to this machine") as caught:
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


# ---- good answers --------------------------------------------------------------------------------


def read_code(body: object) -> AuthCodeDict:
    return parse_code(ASK_CODE, Answer(200, body))


def test_a_code_is_read_whole() -> None:
    assert read_code(CODE) == CODE


def test_a_token_ends_its_lifetime_after_it_was_asked_for() -> None:
    assert READ["poll"](Answer(200, TOKEN)) == {**TOKEN, "expires_at": 1_700_003_599}


def test_googles_refresh_brings_no_new_refresh_token() -> None:
    assert READ["refresh"](Answer(200, ACCESS)) == ACCESS
    assert READ["refresh"](Answer(200, {**ACCESS, "refresh_token": None})) == ACCESS


def test_a_server_that_rotates_brings_a_whole_token() -> None:
    assert READ["refresh"](Answer(200, TOKEN)) == {**TOKEN, "expires_at": 1_700_003_599}


@pytest.mark.parametrize(
    "body", [None, "", {}, [], "done", {"revoked": True}], ids=["no JSON", "text", "{}", "[]", "words", "object"]
)
def test_a_revocation_is_done_whatever_the_body_is(body: object) -> None:
    READ["revocation"](Answer(200, body))


@pytest.mark.parametrize("asked", ANY)
def test_keys_that_nobody_knows_are_ignored(asked: str) -> None:
    body = {**GOOD[asked], "refresh_token_expires_in": 604799, "error": None, "error_uri": 5, "id_token": {"a": []}}
    assert READ[asked](Answer(200, body)) == READ[asked](Answer(200, GOOD[asked]))


@pytest.mark.parametrize("user_code", ["GQVQ-JKEC", "gqvq-jkec", "\uff37" * 15, "A B", "ÄÖ/ß"])
def test_a_user_code_is_shown_unchanged(user_code: str) -> None:
    assert read_code({**CODE, "user_code": user_code})["user_code"] == user_code


@pytest.mark.parametrize(
    ("body", "interval"),
    [
        pytest.param(without("interval", CODE), 5, id="missing, as RFC 8628 allows"),
        pytest.param({**CODE, "interval": None}, 5, id="null"),
        pytest.param({**CODE, "interval": 7}, 7, id="7"),
        pytest.param({**CODE, "interval": "7"}, 7, id="text"),
        pytest.param({**CODE, "interval": 7.0}, 7, id="7.0"),
    ],
)
def test_the_interval_is_five_seconds_where_the_server_says_nothing(body: object, interval: int) -> None:
    assert read_code(body)["interval"] == interval


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


def test_a_link_with_the_code_in_it_is_kept() -> None:
    complete = "https://a.example/d?code=GQVQ-JKEC"
    assert read_code({**CODE, "verification_uri_complete": complete}) == {**CODE, "verification_uri_complete": complete}


EXPIRES_IN: Final = [(3599, 3599), (3599.0, 3599), (3599.7, 3599), ("3599", 3599), (1, 1), (315_360_000, 315_360_000)]


@pytest.mark.parametrize(("sent", "read"), EXPIRES_IN, ids=repr)
@pytest.mark.parametrize("asked", WITH_BODY)
def test_a_lifetime_is_read_as_servers_write_it(asked: str, sent: object, read: int) -> None:
    result = READ[asked](Answer(200, {**GOOD[asked], "expires_in": sent}))
    assert isinstance(result, dict)
    assert result["expires_in"] == read
    assert type(result["expires_in"]) is int


@pytest.mark.parametrize("body", [without("expires_in", TOKEN), {**TOKEN, "expires_in": None}], ids=["missing", "null"])
@pytest.mark.parametrize("asked", ["poll", "refresh"])
def test_a_token_without_a_lifetime_lives_for_an_hour(asked: str, body: Mapping[str, object]) -> None:
    assert READ[asked](Answer(200, body)) == {**TOKEN, "expires_in": 3600, "expires_at": 1_700_003_600}


@pytest.mark.parametrize("sent", ["Bearer", "bearer", "BEARER", None], ids=repr)
@pytest.mark.parametrize("asked", ["poll", "refresh"])
def test_a_token_type_is_sent_on_as_bearer(asked: str, sent: object) -> None:
    answer = Answer(200, {**TOKEN, "token_type": sent})
    assert READ[asked](answer) == READ[asked](Answer(200, TOKEN))


@pytest.mark.parametrize("body", [without("scope", TOKEN), {**TOKEN, "scope": None}], ids=["missing", "null"])
@pytest.mark.parametrize(("asked", "scope"), [("poll", "what was asked for"), ("refresh", "")])
def test_without_a_scope_a_login_has_what_was_asked_for_and_a_refresh_changes_nothing(
    asked: str, scope: str, body: Mapping[str, object]
) -> None:
    assert READ[asked](Answer(200, body)) == {**TOKEN, "scope": scope, "expires_at": 1_700_003_599}


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
        READ[asked](Answer(status, {**GOOD[asked], "error": error}))
    assert type(caught.value) is meaning
    assert (caught.value.error, caught.value.status) == (error, status)
    assert caught.value.retryable is issubclass(meaning, AuthorizationPending)


def test_a_subtype_changes_nothing_about_a_login_that_has_ended() -> None:
    with pytest.raises(InvalidGrant):
        READ["refresh"](Answer(400, {"error": "invalid_grant", "error_subtype": "invalid_rapt"}))


def test_what_the_server_says_about_a_wrong_client_is_kept() -> None:
    with pytest.raises(BadOAuthClient, match="Only clients of type 'TVs' may") as caught:
        READ["code"](Answer(401, {"error": "invalid_client", "error_description": "Only clients of type 'TVs' may."}))
    assert caught.value.error_description == "Only clients of type 'TVs' may."


@pytest.mark.parametrize(
    ("sent", "kept"),
    [(None, None), (30, 30), ("30", 30), (30.5, 30), (0, None), (True, None), (math.nan, None), ({}, None)],
    ids=repr,
)
def test_the_servers_own_longer_interval_is_kept_if_it_is_one(sent: object, kept: int | None) -> None:
    with pytest.raises(SlowDown) as caught:
        READ["poll"](Answer(400, {"error": "slow_down", "interval": sent}))
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
        READ[asked](Answer(status, body, retry_after=7.0))
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
            read(Answer(status, body, retry_after=7.0))
        assert (caught.value.status, caught.value.retry_after, caught.value.retryable) == (status, 7.0, True)
        assert "ya29" not in str(caught.value)


@pytest.mark.parametrize("error", ["server_error", "temporarily_unavailable", "internal_failure"])
@pytest.mark.parametrize("status", [200, 400, 503])
def test_a_passing_trouble_is_known_by_its_code_too(status: int, error: str) -> None:
    for read in READ.values():
        with pytest.raises(ServerError) as caught:
            read(Answer(status, {"error": error}))
        assert (caught.value.error, caught.value.retryable) == (error, True)


@pytest.mark.parametrize("body", [None, TOKEN, {"error": "authorization_pending"}], ids=["no JSON", "token", "error"])
@pytest.mark.parametrize("status", [300, 301, 302, 303, 307, 308])
def test_a_redirect_is_not_believed_and_not_tried_again(status: int, body: object) -> None:
    for read in READ.values():
        with pytest.raises(TransportError, match="redirect") as caught:
            read(Answer(status, body))
        assert (caught.value.status, caught.value.retryable) == (status, False)


# ---- nonsense ------------------------------------------------------------------------------------


def malformed(asked: str, answer: Answer) -> MalformedResponse:
    with pytest.raises(MalformedResponse) as caught:
        READ[asked](answer)
    assert caught.value.status == answer.status
    assert str(answer.status) in str(caught.value)
    return caught.value


@pytest.mark.parametrize("body", [None, [TOKEN], "canary", 5, True], ids=["no JSON", "list", "text", "number", "true"])
@pytest.mark.parametrize("asked", WITH_BODY)
def test_what_is_no_object_is_named_by_its_type_and_not_quoted(asked: str, body: object) -> None:
    error = malformed(asked, Answer(200, body, content_type="text/html"))
    assert str(error).startswith("The answer (HTTP 200, text/html) is not a JSON object")
    assert str(malformed(asked, Answer(200, body))).startswith("The answer (HTTP 200) is not a JSON object")
    assert "canary" not in str(error)
    assert error.key is None


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"<!doctype html><title>Wi-Fi</title>canary", id="HTML of a captive portal"),
        pytest.param(b"", id="empty"),
        pytest.param(b'{"access_token": "canary", "expi', id="truncated"),
        pytest.param(b'{"access_token": "canary\xff"}', id="not UTF-8"),
        pytest.param(b'\xef\xbb\xbf{"access_token": "canary"}', id="byte order mark"),
        pytest.param(b'{"access_token": "canary", "access_token": "canary"}', id="key twice"),
        pytest.param(b'{"access_token": "canary", "expires_in": NaN}', id="NaN"),
        pytest.param(b'{"access_token": "canary", "expires_in": %b}' % (b"9" * 10_000), id="10,000 digits"),
        pytest.param(b"[" * 100_000, id="nested without end"),
        pytest.param(b'{"access_token": "canary"} {}', id="more behind it"),
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


@pytest.mark.parametrize("asked", ANY)
@pytest.mark.parametrize("status", [201, 400, 401, 403, 404])
def test_only_a_200_is_a_success(asked: str, status: int) -> None:
    error = malformed(asked, Answer(status, TOKEN))
    assert "ya29" not in str(error)
    assert error.key is None


@pytest.mark.parametrize(
    "error", [{"code": 403, "status": "canary"}, ["canary"], 5, False], ids=["{}", "[]", "5", "no"]
)
@pytest.mark.parametrize("status", [200, 403])
@pytest.mark.parametrize("asked", ANY)
def test_an_error_that_is_no_text_is_nonsense_and_no_success(asked: str, status: int, error: object) -> None:
    refused = malformed(asked, Answer(status, {**GOOD[asked], "error": error}))
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
        error = malformed(asked, Answer(200, body))
        assert error.key == named
        assert f"{named} is missing" in str(error)


NO_CREDENTIALS: Final = [
    "",
    "can ary",
    "canary\r\nX: 1",
    "canary\x00",
    "canary\x7f",
    "canaryé",
    5,
    True,
    ["canary"],
    {},
]
NO_SECONDS: Final = [
    *(0, -1, 0.5, 315_360_001, 1e300, -math.inf, math.inf, math.nan, 10**400, True, False),
    *("", "0", "-1", "+5", " 5", "5 ", "5\n", "3599.7", "1e3", "3_599", "٣٥", "soon", "canary", "9" * 10_000, [5], {}),
]
NO_LINKS: Final = [
    *("", "javascript:alert('canary')", "file:///canary", "data:text/html,canary", "www.google.com/device", "https://"),
    *("https:///canary", "https://canary\x1b[2J", "https://can ary", "https://canary\n", 5, ["https://canary"]),
]
WRONG: Final[list[tuple[tuple[str, ...], str, list[object]]]] = [
    (("poll", "refresh"), "access_token", NO_CREDENTIALS),
    (("poll", "refresh"), "refresh_token", NO_CREDENTIALS),
    (("code",), "device_code", NO_CREDENTIALS),
    (("code",), "user_code", ["", "   ", "canary\n", "canary\x1b[2J", "canary\u202e", "canary\ud800", 5, ["canary"]]),
    (WITH_BODY, "expires_in", NO_SECONDS),
    (("code",), "interval", NO_SECONDS),
    (("code",), "verification_url", NO_LINKS),
    (("code",), "verification_uri_complete", NO_LINKS),
    (("poll", "refresh"), "token_type", ["", "canary", "MAC", "DPoP", "Bearer ", 5, ["Bearer"]]),
    (("poll", "refresh"), "scope", [5, True, ["canary"], {"canary": 1}]),
]


@pytest.mark.parametrize(
    ("asked", "key", "value"),
    [
        pytest.param(asked, key, value, id=f"{asked} {key} {ascii(value)[:24]}")
        for to, key, values in WRONG
        for asked in to
        for value in values
    ],
)
def test_a_wrong_value_is_named_by_its_key_and_not_quoted(asked: str, key: str, value: object) -> None:
    error = malformed(asked, Answer(200, {**GOOD[asked], key: value}))
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
        result = READ[asked](Answer(status, {**GOOD[asked], **spoiled}))
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


@pytest.mark.parametrize(
    ("page", "user_code", "link"),
    [
        pytest.param("https://a.example/d", "AB-CD", "https://a.example/d?user_code=AB-CD", id="plain"),
        pytest.param("https://a.example/d?l=en", "AB-CD", "https://a.example/d?l=en&user_code=AB-CD", id="query"),
        pytest.param("https://a.example/d#top", "AB-CD", "https://a.example/d?user_code=AB-CD#top", id="fragment"),
        pytest.param("https://a.example/?l=e#?", "AB", "https://a.example/?l=e&user_code=AB#?", id="both"),
        pytest.param("https://a.example/#a?b", "AB", "https://a.example/?user_code=AB#a?b", id="no query but looks so"),
        pytest.param("https://a.example", "A B&c=/#", "https://a.example?user_code=A%20B%26c%3D%2F%23", id="quoted"),
        pytest.param("https://a.example", "ß", "https://a.example?user_code=%C3%9F", id="quoted as UTF-8"),
    ],
)
def test_a_link_is_made_with_the_code_in_it(page: str, user_code: str, link: str) -> None:
    assert verification_link(code(user_code, page)) == link


def test_the_servers_own_link_with_the_code_in_it_is_preferred() -> None:
    assert verification_link(linked("https://b.example/?c=1")) == "https://b.example/?c=1"


def test_an_empty_link_counts_as_none() -> None:
    assert verification_link(linked("")) == "https://a.example/d?user_code=GQVQ-JKEC"


@pytest.mark.parametrize("link", ["javascript:alert(1)", "file:///etc/passwd", "data:text/html,x", "https://a\x1b[2J"])
def test_no_browser_is_sent_to_what_is_no_web_link(link: str) -> None:
    with pytest.raises(ValueError, match="verification_url is not"):
        verification_link(code(page=link))
    with pytest.raises(ValueError, match="verification_uri_complete is not"):
        verification_link(linked(link))
