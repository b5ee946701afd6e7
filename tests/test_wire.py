# SPDX-License-Identifier: MIT
"""The parsers of `protocol`: every error response that servers are known to send, and malformed responses.

The exact requests and the good responses are vectors of the porting kit, which `test_vectors` runs. There is no server
here: the tests call the parsers. Most start from a good response and change one thing.
"""

from __future__ import annotations

import inspect
import json
import math
import pickle
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ytmusic_oauth import GOOGLE, YOUTUBE, Endpoints, OAuthCredentials
from ytmusic_oauth._messages import HttpResponse, Request
from ytmusic_oauth.exceptions import (
    ERROR_CLASSES,
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
from ytmusic_oauth.models import AuthCodeDict, ClientAuthentication, LinkedAuthCodeDict
from ytmusic_oauth.protocol import (
    OAUTH_SCOPE,
    device_authorization_request,
    parse_device_authorization,
    parse_login_end,
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

CODE_REQUEST: Final = device_authorization_request(RFC, *CLIENT, OAUTH_SCOPE)
TOKEN_REQUEST: Final = token_request(RFC, *CLIENT, "AH-1Ng")
REFRESH_REQUEST: Final = refresh_request(RFC, *CLIENT, "1//old")
REVOCATION_REQUEST: Final = revocation_request(RFC, *CLIENT, "1//old")

# The kind of request -> the parser of its response, and a good response.
PARSE: Final[Mapping[str, Callable[[HttpResponse], object]]] = {
    "code": lambda response: parse_device_authorization(CODE_REQUEST, response),
    "poll": lambda response: parse_token(TOKEN_REQUEST, response, sent=SENT, scope="the-requested-scope"),
    "refresh": lambda response: parse_refresh(REFRESH_REQUEST, response, sent=SENT),
    "revocation": lambda response: parse_revocation(REVOCATION_REQUEST, response),
}
GOOD: Final[Mapping[str, Mapping[str, object]]] = {"code": CODE, "poll": TOKEN, "refresh": ACCESS, "revocation": {}}
ALL: Final = tuple(PARSE)
WITH_BODY: Final = ("code", "poll", "refresh")


def without(key: str, body: Mapping[str, object]) -> Mapping[str, object]:
    return {name: value for name, value in body.items() if name != key}


# ---- repr ----------------------------------------------------------------------------------------


def test_the_repr_of_a_request_or_response_shows_no_secret() -> None:
    logged = repr([CODE_REQUEST, TOKEN_REQUEST, REFRESH_REQUEST, REVOCATION_REQUEST, HttpResponse(200, TOKEN)])
    assert not [secret for secret in ("the-secret", "AH-1Ng", "1//old", "ya29", "1//fresh") if secret in logged]


# ---- endpoints -----------------------------------------------------------------------------------

UNSAFE_URLS: Final = {
    "user and password": "https://user:hunter2@example.org/token",
    "fragment": "https://example.org/token#hunter2",
    "port without a host": "https://:443/token",
    "control character in the host": "https://example\x00.org/token",
}


@pytest.mark.parametrize("url", UNSAFE_URLS.values(), ids=UNSAFE_URLS)
def test_an_unsafe_endpoint_is_rejected_without_quoting_it(url: str) -> None:
    with pytest.raises(ValueError, match=r"^device_code_url is not a valid endpoint: it ") as raised:
        Endpoints(url, RFC.token_url)
    assert "hunter2" not in str(raised.value)


def test_well_known_endpoints_are_shown_by_their_names_and_others_in_full() -> None:
    signature = inspect.signature(OAuthCredentials)
    assert str(signature).count("endpoints: 'Endpoints' = YOUTUBE, scope") == 1
    assert repr(GOOGLE) == "GOOGLE"
    own = replace(GOOGLE, is_google=False)
    assert repr(own).startswith("Endpoints(device_code_url='https://oauth2.googleapis.com/device/code', token_url=")
    assert "is_google=False" in repr(own)


def test_each_of_the_three_endpoints_is_validated() -> None:
    with pytest.raises(ValueError, match=r"^token_url is "):
        Endpoints(RFC.device_code_url, "http://example.org/token")
    with pytest.raises(ValueError, match=r"^revoke_url is "):
        Endpoints(RFC.device_code_url, RFC.token_url, "http://example.org/revoke")


@pytest.mark.parametrize("value", ["null", "5", "true"])
def test_an_endpoint_that_is_not_text_is_rejected(value: str) -> None:
    configured: str = json.loads(value)
    with pytest.raises(ValueError, match="token_url"):
        Endpoints(RFC.device_code_url, configured)


@pytest.mark.parametrize("way", ['"Basic"', '""', "null", '"client_secret_post"'])
def test_an_unknown_way_to_authenticate_is_rejected(way: str) -> None:
    with pytest.raises(ValueError, match=r"^client_authentication is "):
        Endpoints(RFC.device_code_url, RFC.token_url, client_authentication=json.loads(way))


@pytest.mark.parametrize("value", ["null", "1", '"no"'])
@pytest.mark.parametrize("name", ["authenticate_everywhere", "rotates_refresh_tokens", "is_google"])
def test_a_switch_that_is_not_a_boolean_is_rejected(name: str, value: str) -> None:
    with pytest.raises(ValueError, match=rf"^{name} is not true or false$"):
        replace(RFC, **{name: json.loads(value)})


@pytest.mark.parametrize("value", ["null", "5", '""', '"\\ud800"', '"a\\n"'])
def test_a_deviation_that_cannot_be_sent_is_rejected(value: str) -> None:
    with pytest.raises(ValueError, match=r"^device_grant is "):
        replace(RFC, device_grant=json.loads(value))
    with pytest.raises(ValueError, match=r"^device_code_parameter is "):
        replace(RFC, device_code_parameter=json.loads(value))


# ---- requests ------------------------------------------------------------------------------------

ID: Final = {"client_id": "the-id"}
IN_FORM: Final = {**ID, "client_secret": "the-secret"}
BASIC: Final = {"Authorization": "Basic dGhlLWlkOnRoZS1zZWNyZXQ="}
POLL: Final = {"grant_type": RFC.device_grant, "device_code": "AH-1Ng"}
REFRESH: Final = {"grant_type": "refresh_token", "refresh_token": "1//old"}
SCOPE: Final = {"scope": OAUTH_SCOPE}
REVOKE: Final = {"token": "1//old"}

# How the client authenticates, and whether everywhere -> the form and the headers of each request.
AUTHENTICATED: Final[Mapping[tuple[ClientAuthentication, bool], list[tuple[Mapping[str, str], Mapping[str, str]]]]] = {
    ("post", True): [
        ({**IN_FORM, **SCOPE}, {}),
        ({**IN_FORM, **POLL}, {}),
        ({**IN_FORM, **REFRESH}, {}),
        ({**IN_FORM, **REVOKE}, {}),
    ],
    ("post", False): [
        ({**ID, **SCOPE}, {}),
        ({**IN_FORM, **POLL}, {}),
        ({**IN_FORM, **REFRESH}, {}),
        (REVOKE, {}),
    ],
    # RFC 8628 3.1 asks for the client id in the form, and every server takes it there.
    ("basic", True): [({**ID, **SCOPE}, BASIC), (POLL, BASIC), (REFRESH, BASIC), (REVOKE, BASIC)],
    ("basic", False): [({**ID, **SCOPE}, {}), (POLL, BASIC), (REFRESH, BASIC), (REVOKE, {})],
    ("none", True): [
        ({**ID, **SCOPE}, {}),
        ({**ID, **POLL}, {}),
        ({**ID, **REFRESH}, {}),
        ({**ID, **REVOKE}, {}),
    ],
    ("none", False): [({**ID, **SCOPE}, {}), ({**ID, **POLL}, {}), ({**ID, **REFRESH}, {}), (REVOKE, {})],
}


@pytest.mark.parametrize(("way", "everywhere"), AUTHENTICATED)
def test_the_client_authenticates_in_one_way(way: ClientAuthentication, everywhere: bool) -> None:
    endpoints = replace(RFC, client_authentication=way, authenticate_everywhere=everywhere)
    requests = [
        device_authorization_request(endpoints, *CLIENT, OAUTH_SCOPE),
        token_request(endpoints, *CLIENT, "AH-1Ng"),
        refresh_request(endpoints, *CLIENT, "1//old"),
        revocation_request(endpoints, *CLIENT, "1//old"),
    ]
    assert [(request.form, request.headers) for request in requests] == AUTHENTICATED[way, everywhere]


def test_an_empty_scope_is_left_out() -> None:
    assert device_authorization_request(RFC, *CLIENT, "").form == IN_FORM


def test_a_servers_own_parameters_are_sent_with_the_request_for_a_code() -> None:
    parameters = {"audience": "https://api.example.org", "resource": "r", "response_type": "device_code"}
    request = device_authorization_request(RFC, *CLIENT, "a", parameters)
    assert request.form == {**parameters, **IN_FORM, "scope": "a"}
    assert not set(request.secrets()) & set(parameters.values())


@pytest.mark.parametrize("name", ["client_id", "client_secret", "scope"])
def test_a_servers_own_parameter_replaces_no_standard_one(name: str) -> None:
    for scope in ("a", ""):
        with pytest.raises(ValueError, match=f"^parameters must not set {name}: it is a standard parameter"):
            device_authorization_request(RFC, *CLIENT, scope, {"audience": "a", name: "b"})


def test_an_unknown_parameter_may_be_a_secret() -> None:
    assert "abc" in device_authorization_request(RFC, *CLIENT, "a", {"client_assertion": "abc"}).secrets()


@pytest.mark.parametrize("secret", ["", "canary\n", "canar\xfd"], ids=ascii)
def test_an_invalid_secret_is_named_but_not_quoted(secret: str) -> None:
    for name, build in (
        ("device_code", token_request),
        ("refresh_token", refresh_request),
        ("token", revocation_request),
    ):
        with pytest.raises(ValueError, match=f"^{name} is ") as raised:
            build(RFC, *CLIENT, secret)
        assert "canar" not in str(raised.value)


# ---- good responses ------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ALL)
def test_unknown_keys_are_ignored(kind: str) -> None:
    body = {**GOOD[kind], "refresh_token_expires_in": 604799, "error": None, "error_uri": 5, "id_token": {"a": []}}
    assert PARSE[kind](HttpResponse(200, body)) == PARSE[kind](HttpResponse(200, GOOD[kind]))


@pytest.mark.parametrize(
    "links",
    [
        pytest.param({"verification_url": "https://a.example/d"}, id="Google"),
        pytest.param({"verification_uri": "https://a.example/d"}, id="RFC 8628"),
        pytest.param({"verification_url": None, "verification_uri": "https://a.example/d"}, id="the other is null"),
        pytest.param({"verification_url": "https://a.example/d", "verification_uri": "https://b.example/d"}, id="both"),
    ],
)
def test_the_verification_url_is_read_under_either_name(links: Mapping[str, object]) -> None:
    body = {**without("verification_url", CODE), **links}
    assert PARSE["code"](HttpResponse(200, body)) == {**CODE, "verification_url": "https://a.example/d"}


MISSING: Final = "missing"
NOT_SECONDS: Final[tuple[object, ...]] = (
    *(MISSING, None, 0, -1, 0.5, -3599.0, True, False, "", "0", "-1", "soon", "1 hour", "3599.7", "1e3", "\u0665"),
    *([], [3599], {}, math.nan, math.inf, 10 * 365 * 86400 + 1, 1e300, 10**400),
)
# The kinds of response, a key, its values, and what they are read as.
OPTIONAL: Final[list[tuple[tuple[str, ...], str, tuple[object, ...], object]]] = [
    (("poll", "refresh"), "expires_in", (3599, 3599.0, 3599.7, "3599"), 3599),
    (("poll", "refresh"), "expires_in", NOT_SECONDS, 3600),
    (("code",), "expires_in", (600, 600.9, "600"), 600),
    (("code",), "expires_in", NOT_SECONDS, 900),
    (("code",), "interval", (7, 7.9, "7"), 7),
    (("code",), "interval", (300,), 300),
    (("code",), "interval", (*NOT_SECONDS, 301, 3600), 5),
    (
        ("poll", "refresh"),
        "token_type",
        ("bearer", "BEARER", "Bearer ", " Bearer", "\tbearer\n", MISSING, None),
        "Bearer",
    ),
    (("poll", "refresh"), "scope", (["a", "b"],), "a b"),
    (("poll", "refresh"), "scope", ("", []), ""),
    (("poll",), "scope", (MISSING, None, 5, True, {}, [5], ["a", None]), "the-requested-scope"),
    (("refresh",), "scope", (MISSING, None, 5, True, {}, [5], ["a", None]), ""),
    (("poll",), "refresh_token", (MISSING, None, ""), ""),
    (("poll", "refresh"), "refresh_token", (" a b~",), " a b~"),
    (("refresh",), "refresh_token", (MISSING, None, "", 5, "canary\n", ["canary"], "\xe9"), MISSING),
    (("code",), "device_code", (" a b~",), " a b~"),
    (("code",), "user_code", ("W" * 100,), "W" * 100),
    (
        ("code",),
        "verification_uri_complete",
        (
            MISSING,
            None,
            "",
            " ",
            5,
            ["https://canary"],
            "javascript:alert('canary')",
            "https://a\x1b[2J",
            "file:///canary",
            f"https://a.example/?c={CODE['device_code']}",  # `ps` would show it
            "https://a.example/?c=" + "".join(f"%{ord(each):x}" for each in str(CODE["device_code"])),
            "https://a.example/?c=" + "".join(f"%25{ord(each):x}" for each in str(CODE["device_code"])),
        ),
        MISSING,
    ),
    (("code",), "verification_uri_complete", ("https://a.example/?c=1",), "https://a.example/?c=1"),
]


@pytest.mark.parametrize(
    ("kind", "key", "value", "expected"),
    [
        pytest.param(kind, key, value, expected, id=f"{kind} {key} {ascii(value)[:24]}")
        for kinds, key, values, expected in OPTIONAL
        for kind in kinds
        for value in values
    ],
)
def test_an_unfit_optional_value_never_costs_a_login(kind: str, key: str, value: object, expected: object) -> None:
    good = TOKEN if kind == "refresh" else GOOD[kind]
    body = without(key, good) if value == MISSING else {**good, key: value}
    parsed = PARSE[kind](HttpResponse(200, body))
    assert isinstance(parsed, dict)
    assert parsed.get(key, MISSING) == expected
    assert type(parsed.get(key, MISSING)) is type(expected)
    if key == "expires_in" and kind == "poll":
        assert parsed["expires_at"] == int(SENT) + parsed["expires_in"]
    rest = {name: each for name, each in parsed.items() if name not in {key, "expires_at"}}
    if key != "refresh_token":
        assert rest == {name: each for name, each in good.items() if name in rest}


@pytest.mark.parametrize("status", [200, 201, 202, 204, 205, 299])
@pytest.mark.parametrize("body", [None, {}, {"error": None}, [], "revoked"], ids=repr)
def test_a_revocation_is_confirmed_by_any_2xx_with_any_body(status: int, body: object) -> None:
    PARSE["revocation"](HttpResponse(status, body))


@pytest.mark.parametrize(
    ("value", "seconds"),
    [(604799, 604799), ("604799", 604799), (1.5, 1), (None, None), (0, None), (True, None), ("soon", None), ([], None)],
    ids=repr,
)
def test_the_end_of_the_login_is_read_if_the_server_says_it(value: object, seconds: int | None) -> None:
    response = HttpResponse(200, {**TOKEN, "refresh_token_expires_in": value})
    assert parse_login_end(response, sent=SENT) == (None if seconds is None else int(SENT) + seconds)


def test_a_body_that_is_not_an_object_says_no_end_of_the_login() -> None:
    assert parse_login_end(HttpResponse(200, None), sent=SENT) is None


# ---- error responses -----------------------------------------------------------------------------

ERRORS: Final[list[tuple[tuple[str, ...], int, str, type[OAuthError]]]] = [
    (("poll",), 428, "authorization_pending", AuthorizationPending),
    (("poll",), 400, "authorization_pending", AuthorizationPending),
    (("poll",), 200, "authorization_pending", AuthorizationPending),
    (("poll",), 403, "slow_down", SlowDown),
    (("poll",), 400, "slow_down", SlowDown),
    (("poll",), 429, "slow_down", SlowDown),
    (("poll",), 403, "access_denied", AccessDenied),
    (("poll",), 400, "access_denied", AccessDenied),
    (("poll",), 400, "authorization_declined", AccessDenied),
    (("poll",), 400, "expired_token", DeviceCodeExpired),
    (("poll",), 400, "code_expired", DeviceCodeExpired),
    (("poll",), 200, "token_expired", DeviceCodeExpired),
    (("poll", "refresh"), 400, "invalid_grant", InvalidGrant),
    (("poll", "refresh"), 429, "invalid_grant", InvalidGrant),
    (("poll",), 400, "bad_verification_code", InvalidGrant),
    (("poll",), 200, "incorrect_device_code", InvalidGrant),
    (("refresh",), 200, "bad_refresh_token", InvalidGrant),
    (("refresh",), 400, "interaction_required", InvalidGrant),
    (("refresh",), 400, "consent_required", InvalidGrant),
    (("refresh",), 400, "login_required", InvalidGrant),
    (ALL, 401, "invalid_client", BadOAuthClient),
    (ALL, 400, "invalid_client", BadOAuthClient),
    (ALL, 401, "deleted_client", BadOAuthClient),
    (ALL, 400, "deleted_client", BadOAuthClient),
    (ALL, 200, "incorrect_client_credentials", BadOAuthClient),
    (ALL, 400, "disabled_client", BadOAuthClient),
    (("poll",), 400, "invalid device code", InvalidGrant),
    (("refresh",), 400, "Invalid refresh token", InvalidGrant),
    (ALL, 400, "invalid client", BadOAuthClient),
    (ALL, 403, "invalid client secret", BadOAuthClient),
    (ALL, 401, "unauthorized_client", UnauthorizedOAuthClient),
    (ALL, 400, "unauthorized_client", UnauthorizedOAuthClient),
    (ALL, 403, "unauthorized_client", UnauthorizedOAuthClient),
    (ALL, 400, "admin_policy_enforced", ServerError),
    (ALL, 400, "invalid_scope", ServerError),
    (ALL, 400, "unsupported_grant_type", ServerError),
    (ALL, 403, "org_internal", ServerError),
    (ALL, 400, "unknown_error", ServerError),
    (ALL, 401, "unknown_error", ServerError),
    (ALL, 404, "unknown_error", ServerError),
    (ALL, 200, "unknown_error", ServerError),
    (("revocation",), 400, "invalid_token", ServerError),
    # As the answer to another request they say nothing that we know.
    (("code", "refresh", "revocation"), 400, "authorization_pending", ServerError),
    (("code", "refresh", "revocation"), 400, "slow_down", ServerError),
    (("code", "refresh", "revocation"), 403, "access_denied", ServerError),
    (("code", "refresh", "revocation"), 400, "expired_token", ServerError),
    (("code", "refresh", "revocation"), 400, "incorrect_device_code", ServerError),
    (("code", "poll", "revocation"), 400, "interaction_required", ServerError),
    (("code", "poll", "revocation"), 400, "bad_refresh_token", ServerError),
    (("code", "revocation"), 400, "invalid_grant", ServerError),
]


@pytest.mark.parametrize(
    ("kind", "status", "error", "expected"),
    [
        pytest.param(kind, status, error, expected, id=f"{status} {error} to {kind}")
        for kinds, status, error, expected in ERRORS
        for kind in kinds
    ],
)
def test_the_error_in_the_body_decides_and_not_the_status(
    kind: str, status: int, error: str, expected: type[OAuthError]
) -> None:
    with pytest.raises(OAuthError) as raised:
        PARSE[kind](HttpResponse(status, {**GOOD[kind], "error": error}))
    assert type(raised.value) is expected
    assert (raised.value.error, raised.value.status) == (error, status)
    assert raised.value.retryable is issubclass(expected, AuthorizationPending)


def test_every_error_code_has_a_row() -> None:
    assert ERROR_CLASSES.keys() - {error for _, _, error, _ in ERRORS} == {"rate_limit_exceeded"}


@pytest.mark.parametrize("beside", [{}, {"error": "Bad Request"}, {"error": None}, {"error": {"code": 400}}], ids=str)
@pytest.mark.parametrize("code", [code for code, error in ERROR_CLASSES.items() if error is not RateLimited])
def test_a_code_may_come_as_a_message(code: str, beside: dict[str, object]) -> None:
    """Twitch sends it so. Its error, if it sends one, is the reason phrase of the status."""
    [(kinds, expected), *_] = [(kinds, expected) for kinds, _, error, expected in ERRORS if error == code]
    with pytest.raises(OAuthError) as raised:
        PARSE[kinds[0]](HttpResponse(400, {**beside, "status": 400, "message": code}))
    assert type(raised.value) is expected
    assert (raised.value.error, raised.value.error_description) == (code, None)


# Responses without an error code; what they mean to each kind of request, if not malformed.
WITHOUT_CODE: Final[Mapping[str, tuple[HttpResponse, Mapping[str, type[OAuthError]]]]] = {
    "401, empty": (HttpResponse(401, None, is_empty=True), dict.fromkeys(ALL, BadOAuthClient)),
    "401, empty, with a challenge": (
        HttpResponse(401, None, is_empty=True, has_challenge=True),
        dict.fromkeys(ALL, BadOAuthClient),
    ),
    "401, HTML, with a challenge": (HttpResponse(401, None, has_challenge=True), dict.fromkeys(ALL, BadOAuthClient)),
    "401, {}": (HttpResponse(401, {}), dict.fromkeys(ALL, BadOAuthClient)),
    "401, message": (HttpResponse(401, {"message": "No"}), dict.fromkeys(ALL, BadOAuthClient)),
    "401, error null": (HttpResponse(401, {"error": None, "error_code": 7}), dict.fromkeys(ALL, BadOAuthClient)),
    "401, list": (HttpResponse(401, []), dict.fromkeys(ALL, BadOAuthClient)),
    "401, HTML": (HttpResponse(401, None, "text/html"), {}),
    "401, error 7": (HttpResponse(401, {"error": 7}, has_challenge=True), {}),
    "400, empty": (HttpResponse(400, None, is_empty=True), {"refresh": InvalidGrant}),
    "400, {}": (HttpResponse(400, {}), {}),
    "400, HTML": (HttpResponse(400, None, "text/html"), {}),
    "400, empty, with a challenge": (
        HttpResponse(400, None, is_empty=True, has_challenge=True),
        {"refresh": InvalidGrant},
    ),
    "403, empty, with a challenge": (HttpResponse(403, None, is_empty=True, has_challenge=True), {}),
    "404, empty": (HttpResponse(404, None, is_empty=True), {}),
}


@pytest.mark.parametrize(("response", "expected"), WITHOUT_CODE.values(), ids=WITHOUT_CODE)
@pytest.mark.parametrize("kind", ALL)
def test_a_status_without_an_error_code_is_believed_of_some_servers(
    kind: str, response: HttpResponse, expected: Mapping[str, type[OAuthError]]
) -> None:
    with pytest.raises(OAuthError) as raised:
        PARSE[kind](response)
    assert type(raised.value) is expected.get(kind, MalformedResponse)
    assert (raised.value.status, raised.value.error) == (response.status, None)
    assert not raised.value.retryable


@pytest.mark.parametrize(("response", "expected"), WITHOUT_CODE.values(), ids=WITHOUT_CODE)
def test_a_status_without_an_error_code_is_not_believed_of_google(response: HttpResponse, expected: object) -> None:
    """Google always sends a code: something else responded."""
    for endpoints in (YOUTUBE, GOOGLE, replace(YOUTUBE, token_url="https://stand-in.example/token")):
        with pytest.raises(MalformedResponse):
            parse_refresh(refresh_request(endpoints, *CLIENT, "1//old"), response, sent=SENT)
        with pytest.raises(MalformedResponse):
            parse_token(token_request(endpoints, *CLIENT, "AH-1Ng"), response, sent=SENT, scope="")


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        *((valid, 30) for valid in (30, "30", 30.5)),
        (1, 1),
        (300, 300),
        (None, None),
        (0, None),
        (301, None),
        (True, None),
        (math.nan, None),
        ({}, None),
    ],
    ids=repr,
)
def test_slow_down_keeps_the_servers_interval_if_it_is_valid(sent: object, kept: int | None) -> None:
    with pytest.raises(SlowDown) as raised:
        PARSE["poll"](HttpResponse(400, {"error": "slow_down", "interval": sent}))
    assert raised.value.interval == kept


@pytest.mark.parametrize(
    ("status", "body"),
    [
        pytest.param(403, {"error_code": "rate_limit_exceeded"}, id="403 error_code, YouTube"),
        pytest.param(403, {"error": "rate_limit_exceeded"}, id="403 error"),
        pytest.param(429, None, id="429 not JSON"),
        pytest.param(429, {}, id="429 {}"),
        pytest.param(429, {"error": {"code": 429}}, id="429 error object, Google's gateways"),
    ],
)
@pytest.mark.parametrize("kind", ALL)
def test_a_rate_limit_has_the_servers_retry_after(kind: str, status: int, body: object) -> None:
    with pytest.raises(RateLimited) as raised:
        PARSE[kind](HttpResponse(status, body, retry_after=7.0))
    assert (raised.value.status, raised.value.retry_after, raised.value.retryable) == (status, 7.0, True)


BODIES: Final[Mapping[str, object]] = {
    "not JSON": None,
    "{}": {},
    "a list": [TOKEN],
    "text": "Service Unavailable",
    "a token": TOKEN,
    "an error object": {"error": {"code": 500, "status": "INTERNAL"}},
    "an unknown error": {"error": "unknown_error"},
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
@pytest.mark.parametrize("status", [408, 500, 502, 503, 504])
def test_a_5xx_or_408_is_retryable_with_any_body(status: int, body: object) -> None:
    for parse in PARSE.values():
        with pytest.raises(ServerError) as raised:
            parse(HttpResponse(status, body, retry_after=7.0))
        assert (raised.value.status, raised.value.retry_after, raised.value.retryable) == (status, 7.0, True)
        assert "ya29" not in str(raised.value)


@pytest.mark.parametrize("status", [408, 429, 500, 501, 502, 503, 504, 520, 524, 599])
@pytest.mark.parametrize("kind", ALL)
def test_a_gateway_that_got_no_answer_to_a_refresh_counts_as_none(kind: str, status: int) -> None:
    """The server behind it may have rotated the refresh token."""
    with pytest.raises(OAuthError) as raised:
        PARSE[kind](HttpResponse(status, None))
    assert raised.value.lost is (kind == "refresh" and status in {408, 502, 504, 520, 524, 599})


@pytest.mark.parametrize("error", ["server_error", "temporarily_unavailable", "internal_failure"])
@pytest.mark.parametrize("status", [200, 400, 503])
def test_an_error_code_for_a_transient_failure_is_retryable_with_any_status(status: int, error: str) -> None:
    for parse in PARSE.values():
        with pytest.raises(ServerError) as raised:
            parse(HttpResponse(status, {"error": error}))
        assert (raised.value.error, raised.value.retryable) == (error, True)


@pytest.mark.parametrize("body", [None, TOKEN, {"error": "authorization_pending"}], ids=["not JSON", "token", "error"])
@pytest.mark.parametrize("status", [300, 301, 302, 303, 307, 308])
def test_a_redirect_is_an_error_and_not_retryable(status: int, body: object) -> None:
    for parse in PARSE.values():
        with pytest.raises(TransportError, match=r"^The server sent a redirect, which is never") as raised:
            parse(HttpResponse(status, body))
        assert (raised.value.status, raised.value.retryable) == (status, False)


def test_a_redirect_shows_where_it_leads_to() -> None:
    with pytest.raises(TransportError) as raised:
        PARSE["poll"](HttpResponse(302, None, location="https://portal.example/login"))
    assert str(raised.value).startswith("The server sent a redirect to <https://portal.example/login>, which is never ")
    assert raised.value.reason == "redirect"


# ---- words that fit the server -------------------------------------------------------------------

GOOGLES_WORDS: Final = re.compile("Google|TVs|YouTube|Testing|6 months|Cloud")


def refused(endpoints: Endpoints, kind: str, code: str) -> OAuthError:
    response = HttpResponse(400, {"error": code})
    code_request, poll = (
        device_authorization_request(endpoints, *CLIENT, "a"),
        token_request(endpoints, *CLIENT, "AH-1Ng"),
    )
    refresh, revocation = (
        refresh_request(endpoints, *CLIENT, "1//old"),
        revocation_request(endpoints, *CLIENT, "1//old"),
    )
    parse: Mapping[str, Callable[[], object]] = {
        "code": lambda: parse_device_authorization(code_request, response),
        "poll": lambda: parse_token(poll, response, sent=SENT, scope=""),
        "refresh": lambda: parse_refresh(refresh, response, sent=SENT),
        "revocation": lambda: parse_revocation(revocation, response),
    }
    with pytest.raises(OAuthError) as raised:
        parse[kind]()
    return raised.value


@pytest.mark.parametrize("name", ["access_token", "refresh_token", "scope"])
def test_a_character_reference_with_thousands_of_digits_loses_no_token(name: str) -> None:
    """Python refuses to read so many, and the server has replaced the refresh token."""
    reference = f"a&#{'9' * 5000};"
    body = {"access_token": "ya29.new", "expires_in": 3599, "refresh_token": "1//new", name: reference}
    token = parse_refresh(REFRESH_REQUEST, HttpResponse(200, body), sent=SENT)
    assert {"refresh_token": "", **token}["refresh_token"] == body["refresh_token"]
    with pytest.raises(ServerError) as raised:
        parse_refresh(REFRESH_REQUEST, HttpResponse(400, {**body, "error": "invalid_scope"}), sent=SENT)
    assert raised.value.error in {"invalid_scope", "[redacted]"}


@pytest.mark.parametrize("code", [*ERROR_CLASSES, "invalid_scope", "server_error"])
@pytest.mark.parametrize("kind", ALL)
def test_googles_advice_is_for_googles_endpoints_only(kind: str, code: str) -> None:
    assert not GOOGLES_WORDS.search(str(refused(RFC, kind, code)))
    error = refused(GOOGLE, kind, code)
    has_advice = (
        type(error) is BadOAuthClient
        or (type(error) is InvalidGrant and kind == "refresh")
        or (type(error) is UnauthorizedOAuthClient and kind in {"code", "poll"})
    )
    assert bool(GOOGLES_WORDS.search(str(error))) is has_advice
    assert has_advice or error.advice == refused(RFC, kind, code).advice
    assert pickle.loads(pickle.dumps(error)).advice == error.advice


def test_a_refused_login_is_told_in_words_that_fit() -> None:
    assert str(refused(RFC, "refresh", "invalid_grant")) == (
        "The login has ended (invalid_grant, HTTP 400). Log in again."
    )
    assert str(refused(YOUTUBE, "refresh", "invalid_grant")) == (
        "The login has ended (invalid_grant, HTTP 400). Log in again. Google ends a login when the user revokes it, "
        'after 6 months without use, and after 7 days while the consent screen of the OAuth app is in "Testing".'
    )
    for endpoints in (RFC, YOUTUBE):
        assert str(refused(endpoints, "poll", "invalid_grant")) == (
            "The server does not know this device code, or it was already used (invalid_grant, HTTP 400). "
            "Log in again to get a new code."
        )


def test_a_client_that_may_not_log_in_is_not_told_about_a_token() -> None:
    for endpoints in (RFC, GOOGLE):
        for kind in ("code", "poll"):
            message = str(refused(endpoints, kind, "unauthorized_client"))
            assert message.startswith("The server does not let this OAuth client log in with a device code")
            assert "token" not in message
        for kind in ("refresh", "revocation"):
            assert "The token belongs to another OAuth client" in str(refused(endpoints, kind, "unauthorized_client"))


def test_the_servers_message_and_error_uri_are_shown() -> None:
    body = {"error": "invalid_scope", "message": "No such scope.", "error_uri": "https://a.example/invalid_scope"}
    with pytest.raises(ServerError) as raised:
        PARSE["code"](HttpResponse(400, body))
    assert str(raised.value).startswith(
        'The server failed or rejected the request (invalid_scope, HTTP 400): "No such scope". '
        "The server refers to <https://a.example/invalid_scope>. "
    )
    assert str(raised.value).endswith(
        ". Pass the scope that the server expects: scope=, or --scope on the command line."
    )
    with pytest.raises(BadOAuthClient, match='"Unknown client"'):
        PARSE["code"](HttpResponse(401, {"message": "Unknown client"}))
    with pytest.raises(ServerError) as raised:
        PARSE["code"](HttpResponse(400, {**body, "error_description": "Described"}))
    assert raised.value.error_description == "Described"
    with pytest.raises(ServerError) as raised:
        PARSE["code"](HttpResponse(400, {"error": "invalid_scope", "message": 5, "error_uri": ["https://a.example"]}))
    assert (raised.value.error_description, raised.value.error_uri) == (None, None)


@pytest.mark.parametrize("kind", ["poll", "refresh"])
def test_an_unsupported_token_type_is_named(kind: str) -> None:
    error = malformed(kind, HttpResponse(200, {**GOOD[kind], "token_type": "DPoP"}))
    assert (error.key, error.has_token) == ("token_type", True)
    assert str(error) == (
        'The response (HTTP 200) is invalid: token_type is not Bearer, but "DPoP". '
        "Report it to the operator of the server."
    )
    for access_token, token_type in [("ya29.fresh", "ya29.another"), ("Letters", "Letters"), ("a", "the-secret")]:
        body = {**GOOD[kind], "access_token": access_token, "token_type": token_type}
        assert token_type not in str(malformed(kind, HttpResponse(200, body)))


# ---- a new refresh token beside something unfit --------------------------------------------------

UNFIT: Final[Mapping[str, Mapping[str, object]]] = {
    "token type": {"token_type": "DPoP"},
    "token type a number": {"token_type": 5},
    "access token missing": {"access_token": None},
    "access token empty": {"access_token": ""},
    "access token not ASCII": {"access_token": "\xe9"},
    "access token with a blank": {"access_token": "a b"},
    "access token and token type": {"access_token": "a\n", "token_type": "mac"},
}


@pytest.mark.parametrize("unfit", UNFIT.values(), ids=UNFIT)
def test_a_malformed_refresh_has_the_new_refresh_token(unfit: Mapping[str, object]) -> None:
    error = malformed("refresh", HttpResponse(200, {**TOKEN, **unfit}))
    assert error.refresh_token == "1//fresh"
    assert error.has_token
    logged = f"{error} {error!r} {error.args} {vars(error)} {vars(error.copy())} {pickle.dumps(error)!r}"
    assert "1//fresh" not in logged
    copied = error.copy()
    assert isinstance(copied, MalformedResponse)
    assert copied.refresh_token is None
    assert pickle.loads(pickle.dumps(error)).refresh_token is None


@pytest.mark.parametrize("refresh_token", [None, "", 5, ["1//fresh"], "1//fresh\n"], ids=repr)
def test_a_malformed_refresh_has_no_unfit_refresh_token(refresh_token: object) -> None:
    body = {**TOKEN, "token_type": "DPoP", "refresh_token": refresh_token}
    assert malformed("refresh", HttpResponse(200, body)).refresh_token is None


@pytest.mark.parametrize("response", [HttpResponse(201, TOKEN), HttpResponse(200, {**TOKEN, "error": 5})], ids=repr)
def test_a_response_that_is_no_success_has_no_refresh_token(response: HttpResponse) -> None:
    assert malformed("refresh", response).refresh_token is None


# ---- malformed responses -------------------------------------------------------------------------


def malformed(kind: str, response: HttpResponse) -> MalformedResponse:
    with pytest.raises(MalformedResponse) as raised:
        PARSE[kind](response)
    assert raised.value.status == response.status
    assert str(response.status) in str(raised.value)
    assert "None" not in str(raised.value)
    return raised.value


def test_a_response_without_a_required_key_names_it() -> None:
    error = malformed("refresh", HttpResponse(200, {**TOKEN, "access_token": None}))
    assert error.problem == "The response (HTTP 200) is invalid: access_token is missing"


@pytest.mark.parametrize("body", [None, [TOKEN], "canary", 5, True], ids=["not JSON", "list", "text", "number", "true"])
@pytest.mark.parametrize("kind", WITH_BODY)
def test_a_body_that_is_not_an_object_is_named_by_its_content_type(kind: str, body: object) -> None:
    error = malformed(kind, HttpResponse(200, body, content_type="text/html"))
    assert str(error).startswith("The response (HTTP 200, text/html) is not a JSON object")
    assert str(malformed(kind, HttpResponse(200, body))).startswith("The response (HTTP 200) is not a JSON object")
    assert "canary" not in str(error)
    assert error.key is None


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        pytest.param(b"", "is empty", id="empty"),
        pytest.param(b"[]", "is not a JSON object", id="list"),
        pytest.param(b"[" * 1001, "has too many brackets", id="brackets"),
        pytest.param(b"<!doctype html><title>Wi-Fi</title>canary", "is not JSON", id="HTML from a captive portal"),
        pytest.param(b'{"access_token": "canary\xff"}', "is not UTF-8", id="not UTF-8"),
        pytest.param(b'{"access_token": "canary"', "is not JSON", id="truncated"),
    ],
)
def test_a_body_that_is_not_json_is_named_by_its_content_type(content: bytes, reason: str) -> None:
    class OneResponse:
        def post(
            self, url: str, *, data: Mapping[str, str], headers: Mapping[str, str], timeout: float
        ) -> UrllibResponse:
            return UrllibResponse(200, {"Content-Type": "text/plain; q=1"}, content)

    error = malformed("poll", send(OneResponse(), TOKEN_REQUEST))
    assert f"text/plain; q=1) {reason}" in str(error)
    assert "canary" not in str(error)


@pytest.mark.parametrize("length", [4001, 1_000_000])
def test_text_too_long_to_search_for_secrets_is_not_shown(length: int) -> None:
    secret = "a" * 1000 + "b"
    request = Request("https://fake.test/token", {"refresh_token": secret})
    assert request.redacted("c" * length) is None
    assert request.redacted("c" * 4000) == "c" * 300
    assert request.redacted("a" * 4000) == request.redacted(secret) == "[redacted]"


@pytest.mark.parametrize("kind", WITH_BODY)
@pytest.mark.parametrize("status", [201, 204, 400, 403, 404])
def test_only_status_200_is_a_success(kind: str, status: int) -> None:
    error = malformed(kind, HttpResponse(status, TOKEN))
    assert "ya29" not in str(error)
    assert error.key is None


@pytest.mark.parametrize(
    ("body", "has_token"),
    [
        ({"access_token": "a"}, True),
        ({"refresh_token": "a"}, True),
        ({"access_token": ""}, True),
        ({"refresh_token": ["a"]}, True),
        ({"access_token": None, "refresh_token": None}, False),
        ({"token_type": "Bearer"}, False),
        ([{"access_token": "a"}], False),
        (None, False),
    ],
    ids=repr,
)
def test_a_malformed_response_knows_whether_a_token_came_with_it(body: object, has_token: bool) -> None:
    error = malformed("poll", HttpResponse(403, body))
    assert error.has_token is has_token
    assert ("captive portal" in str(error)) is not has_token


@pytest.mark.parametrize(
    "error", [{"code": 403, "status": 5}, ["canary"], 5, False], ids=["object", "list", "number", "false"]
)
@pytest.mark.parametrize("status", [200, 403])
@pytest.mark.parametrize("kind", ALL)
def test_an_error_code_that_is_not_text_is_malformed(kind: str, status: int, error: object) -> None:
    raised = malformed(kind, HttpResponse(status, {**GOOD[kind], "error": error}))
    assert raised.key == "error"
    assert "canary" not in str(raised)


@pytest.mark.parametrize(
    ("kind", "key", "reported"),
    [
        ("code", "device_code", "device_code"),
        ("code", "user_code", "user_code"),
        ("code", "verification_url", "verification_uri"),
        ("poll", "access_token", "access_token"),
        ("refresh", "access_token", "access_token"),
    ],
)
def test_a_missing_key_is_named(kind: str, key: str, reported: str) -> None:
    for body in (without(key, GOOD[kind]), {**GOOD[kind], key: None}):
        error = malformed(kind, HttpResponse(200, body))
        assert error.key == reported
        assert f"{reported} is missing" in str(error)


# Some for each validator; `test_validation` has all of them.
BAD_LINKS: Final[list[object]] = ["", "javascript:alert('canary')", ["https://canary"]]
INVALID: Final[list[tuple[tuple[str, ...], str, list[object]]]] = [
    (("poll", "refresh"), "access_token", ["", "canary\n", "canary b", ["canary"]]),
    (("poll",), "refresh_token", ["canary\n", ["canary"]]),
    (("code",), "device_code", ["", "canary\n", ["canary"]]),
    (("code",), "user_code", ["", "canary\x1b[2J", ["canary"], "canary" * 17]),
    (("code",), "verification_url", BAD_LINKS),
    (("poll", "refresh"), "token_type", ["", ["Bearer"], 0]),
]


@pytest.mark.parametrize(
    ("kind", "key", "value"),
    [
        pytest.param(kind, key, value, id=f"{kind} {key} {ascii(value)[:24]}")
        for kinds, key, values in INVALID
        for kind in kinds
        for value in values
    ],
)
def test_an_invalid_value_is_named_by_its_key_and_not_quoted(kind: str, key: str, value: object) -> None:
    error = malformed(kind, HttpResponse(200, {**GOOD[kind], key: value}))
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


@given(kind=st.sampled_from(ALL), status=STATUSES, changes=st.dictionaries(KEYS, JSON, max_size=3))
def test_any_response_parses_completely_or_raises_an_oauth_error(
    kind: str, status: int, changes: Mapping[str, object]
) -> None:
    """A parser returns every required key with a value of its type, or raises an `OAuthError`; nothing else."""
    try:
        result = PARSE[kind](HttpResponse(status, {**GOOD[kind], **changes}))
    except OAuthError:
        return
    assert 200 <= status < 300
    if kind != "revocation":
        assert isinstance(result, dict)
        assert {key: type(result[key]) for key in GOOD[kind]} == {key: type(GOOD[kind][key]) for key in GOOD[kind]}


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
def test_a_verification_link_that_is_not_a_web_link_is_rejected(link: str) -> None:
    with pytest.raises(ValueError, match="verification_url is not"):
        verification_link(code(page=link))
    with pytest.raises(ValueError, match="verification_uri_complete is not"):
        verification_link(linked(link))


# ---- sessions ------------------------------------------------------------------------------------


class SigningSession:
    """Adds a header of its own to the ones that it is given, and returns the given response."""

    def __init__(self, status: int = 200) -> None:
        self.response = UrllibResponse(status, {}, b"")
        self.sent: list[Mapping[str, str]] = []

    def post(self, url: str, *, data: Mapping[str, str], headers: Mapping[str, str], timeout: float) -> UrllibResponse:
        self.sent.append(dict(headers))
        assert isinstance(headers, dict)
        headers["X-Signed"] = "for this server"
        return self.response


def test_a_header_that_one_session_adds_is_not_sent_by_another() -> None:
    for session in (SigningSession(), SigningSession()):
        send(session, TOKEN_REQUEST)
        assert "X-Signed" not in session.sent[0]


@pytest.mark.parametrize("status", ["null", '"200"', "200.0"])
def test_a_response_without_a_status_is_a_mistake_of_the_program(status: str) -> None:
    with pytest.raises(TransportError, match=r"no status\. Correct the session") as raised:
        send(SigningSession(json.loads(status)), TOKEN_REQUEST)
    assert raised.value.retryable is False


def test_a_session_that_returns_none_is_a_mistake_of_the_program() -> None:
    """So is an asynchronous session, which returns an awaitable."""
    session = SigningSession()
    session.response = json.loads("null")
    with pytest.raises(TransportError, match="no status"):
        send(session, TOKEN_REQUEST)
