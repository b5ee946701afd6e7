# SPDX-License-Identifier: MIT
"""The OAuth client against fake servers over real HTTP: Google's two sets of endpoints, and servers of RFC 8628."""

from __future__ import annotations

import base64
import contextlib
import copy
import json
import socket
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from email.utils import formatdate
from multiprocessing.reduction import ForkingPickler
from types import SimpleNamespace
from typing import Final, Literal
from urllib.parse import urlsplit

import pytest

from tests.porting.fake_google import (
    CLIENT_ID,
    CLIENT_SECRET,
    FAULTS,
    GOOGLE_DIALECT,
    PENDING_AS_200_DIALECT,
    RFC_DIALECT,
    Client,
    Dialect,
    Exchange,
    FakeGoogle,
    Reply,
)
from tests.support import NOON, Clock, client, endpoints, logged_in
from ytmusic_oauth import (
    GOOGLE,
    YOUTUBE,
    AccessDenied,
    AuthorizationPending,
    BadOAuthClient,
    Credentials,
    DeviceCodeExpired,
    Endpoints,
    InvalidGrant,
    LoginCancelled,
    MalformedResponse,
    OAuthCredentials,
    OAuthError,
    RateLimited,
    RefreshingToken,
    ServerError,
    SlowDown,
    TransportError,
    UnauthorizedOAuthClient,
    UrllibSession,
    _http,
)
from ytmusic_oauth.models import AuthCodeDict, BaseTokenDict, RefreshableTokenDict
from ytmusic_oauth.session import Session, check_session
from ytmusic_oauth.transport import UrllibResponse

SCOPE: Final = "https://www.googleapis.com/auth/youtube"
URN: Final = "urn:ietf:params:oauth:grant-type:device_code"
OTHER: Final = Endpoints("https://rfc.example/device/code", "https://rfc.example/token", "https://rfc.example/revoke")
SERVERS: Final[Mapping[str, tuple[Dialect, Endpoints]]] = {
    "youtube": (GOOGLE_DIALECT, YOUTUBE),
    "google": (GOOGLE_DIALECT, GOOGLE),
    "rfc": (RFC_DIALECT, OTHER),
    "pending-as-200": (PENDING_AS_200_DIALECT, OTHER),
}


GOOD_BODY: Final = {"access_token": "ya29.fake", "expires_in": 3599}
CODE: Final = {
    "device_code": "AH-1Ng",
    "user_code": "ABCD",
    "verification_uri": "https://example.org/device",
    "expires_in": 600,
}


def at(server: FakeGoogle, endpoints: Endpoints) -> Endpoints:
    """Return the endpoints with the fake server's address."""
    code, token, revoke = (
        urlsplit(url or "").path for url in (endpoints.device_code_url, endpoints.token_url, endpoints.revoke_url)
    )
    return replace(
        endpoints, device_code_url=server.url + code, token_url=server.url + token, revoke_url=server.url + revoke
    )


@pytest.fixture(params=SERVERS)
def pair(request: pytest.FixtureRequest, clock: Clock) -> Iterator[tuple[FakeGoogle, OAuthCredentials]]:
    """A server of each kind, and a client of it."""
    dialect, endpoints = SERVERS[request.param]
    with FakeGoogle(clock=clock.monotonic, dialect=dialect) as server:
        yield server, OAuthCredentials(CLIENT_ID, CLIENT_SECRET, endpoints=at(server, endpoints), scope=SCOPE)


def test_a_login_a_refresh_and_a_revocation(pair: tuple[FakeGoogle, OAuthCredentials], clock: Clock) -> None:
    server, credentials = pair
    code = credentials.get_code()
    assert (code["expires_in"], code["interval"], code["verification_url"]) == (1800, 5, server.verification_url)
    with pytest.raises(AuthorizationPending):
        credentials.token_from_code(code["device_code"])
    server.approve(code["user_code"])
    token = credentials.wait_for_token(code)
    assert server.is_live(token["access_token"])
    assert (token["expires_at"], token["expires_in"]) == (int(clock.wall) + 3599, 3599)
    assert (token["scope"], token["token_type"]) == (SCOPE, "Bearer")

    fresh = credentials.refresh_token(token["refresh_token"])
    assert fresh["access_token"] != token["access_token"]
    assert server.is_live(fresh["access_token"])
    assert "refresh_token" not in fresh

    credentials.revoke_token(token["refresh_token"])
    assert not server.is_live(fresh["access_token"])
    with pytest.raises(InvalidGrant):
        credentials.refresh_token(token["refresh_token"])


def deny(server: FakeGoogle, credentials: OAuthCredentials, code: AuthCodeDict) -> None:
    server.deny(code["user_code"])


def expire(server: FakeGoogle, credentials: OAuthCredentials, code: AuthCodeDict) -> None:
    server.expire(code["user_code"])


def poll_just_before(server: FakeGoogle, credentials: OAuthCredentials, code: AuthCodeDict) -> None:
    with pytest.raises(AuthorizationPending):
        credentials.token_from_code(code["device_code"])


def claim(server: FakeGoogle, credentials: OAuthCredentials, code: AuthCodeDict) -> None:
    server.approve(code["user_code"])
    credentials.token_from_code(code["device_code"])


def misspell(server: FakeGoogle, credentials: OAuthCredentials, code: AuthCodeDict) -> None:
    code["device_code"] += "x"


@pytest.mark.parametrize(
    ("prepare", "expected"),
    [
        (deny, AccessDenied),
        (expire, DeviceCodeExpired),
        (poll_just_before, SlowDown),
        (claim, InvalidGrant),
        (misspell, InvalidGrant),
    ],
)
def test_a_failed_login_raises_the_reason(
    pair: tuple[FakeGoogle, OAuthCredentials],
    prepare: Callable[[FakeGoogle, OAuthCredentials, AuthCodeDict], None],
    expected: type[OAuthError],
) -> None:
    server, credentials = pair
    code = credentials.get_code()
    prepare(server, credentials, code)
    with pytest.raises(OAuthError) as raised:
        credentials.token_from_code(code["device_code"])
    assert raised.type is expected
    assert code["device_code"] not in str(raised.value)


@pytest.mark.parametrize(
    ("registered", "expected", "description"),
    [
        (None, BadOAuthClient, "The OAuth client was not found"),
        (Client("other-secret"), BadOAuthClient, "The provided client secret is invalid"),
        (Client(CLIENT_SECRET, "web"), BadOAuthClient, "Invalid client type"),
        (Client(CLIENT_SECRET, "deleted"), BadOAuthClient, "The OAuth client was deleted"),
        (Client(CLIENT_SECRET, "unauthorized"), UnauthorizedOAuthClient, "Unauthorized"),
    ],
    ids=["unknown", "wrong-secret", "wrong-type", "deleted", "unauthorized"],
)
def test_a_rejected_client_raises_the_servers_reason(
    pair: tuple[FakeGoogle, OAuthCredentials], registered: Client | None, expected: type[OAuthError], description: str
) -> None:
    server, credentials = pair
    server.clients = {} if registered is None else {CLIENT_ID: registered}
    with pytest.raises(OAuthError) as raised:
        credentials.refresh_token("1//fake-refresh")
    assert raised.type is expected
    assert description in (raised.value.error_description or "")
    assert description in str(raised.value)
    assert CLIENT_SECRET not in str(raised.value)
    assert len(server.transcript) == 1


def test_another_clients_token_is_not_refreshed(server: FakeGoogle) -> None:
    token = logged_in(server)
    server.clients = {"other": Client("other-secret")}
    with pytest.raises(UnauthorizedOAuthClient):
        OAuthCredentials("other", "other-secret", endpoints=endpoints(server)).refresh_token(token.refresh_token)


# ---- requests and responses ----------------------------------------------------------------------

ID: Final = {"client_id": CLIENT_ID}
BOTH: Final = {**ID, "client_secret": CLIENT_SECRET}


@pytest.mark.parametrize(
    ("name", "code_form", "token_form", "revoke_form"),
    [
        ("youtube", ID, {**BOTH, "grant_type": "http://oauth.net/grant_type/device/1.0", "code": "AH-1"}, {}),
        ("google", ID, {**BOTH, "grant_type": URN, "device_code": "AH-1"}, {}),
        ("rfc", BOTH, {**BOTH, "grant_type": URN, "device_code": "AH-1"}, BOTH),
    ],
    ids=["youtube", "google", "rfc"],
)
def test_each_server_is_sent_the_parameters_that_it_needs_and_no_others(
    clock: Clock,
    name: str,
    code_form: Mapping[str, str],
    token_form: Mapping[str, str],
    revoke_form: Mapping[str, str],
) -> None:
    dialect, endpoints = SERVERS[name]
    with FakeGoogle(clock=clock.monotonic, dialect=dialect) as server:
        scope = None if endpoints.is_google else SCOPE
        credentials = OAuthCredentials(CLIENT_ID, CLIENT_SECRET, endpoints=at(server, endpoints), scope=scope)
        credentials.get_code()
        for call, secret in ((credentials.token_from_code, "AH-1"), (credentials.refresh_token, "1//r")):
            with pytest.raises(InvalidGrant):
                call(secret)
        server.script("revoke", Reply())  # an empty response is a success
        credentials.revoke_token("1//r")
        assert [request.form for request in server.transcript] == [
            {**code_form, "scope": SCOPE},
            token_form,
            {**BOTH, "grant_type": "refresh_token", "refresh_token": "1//r"},
            {**revoke_form, "token": "1//r"},
        ]
        for request in server.transcript:
            assert request.headers["user-agent"].endswith("Cobalt/Version")
            assert request.headers["content-type"] == "application/x-www-form-urlencoded"
            assert not {"cookie", "authorization"} & request.headers.keys()


@pytest.mark.parametrize(
    ("endpoints", "scope", "sent"),
    [
        (YOUTUBE, None, SCOPE),
        (GOOGLE, None, SCOPE),
        (OTHER, None, None),
        (YOUTUBE, "", None),
        (OTHER, "", None),
        (OTHER, "tv radio", "tv radio"),
    ],
)
def test_youtubes_scope_is_the_default_for_googles_endpoints_only(
    server: FakeGoogle, endpoints: Endpoints, scope: str | None, sent: str | None
) -> None:
    credentials = OAuthCredentials(CLIENT_ID, CLIENT_SECRET, endpoints=at(server, endpoints), scope=scope)
    server.script("code", Reply(200, CODE))
    credentials.get_code()
    assert server.requests_to("code")[0].form.get("scope") == sent
    assert credentials.scope == (sent or "")


def test_a_servers_own_parameters_are_sent_with_the_request_for_a_code_only(server: FakeGoogle) -> None:
    parameters = {"audience": "https://api.example.org", "resource": "r s"}
    credentials = OAuthCredentials(CLIENT_ID, CLIENT_SECRET, endpoints=endpoints(server), parameters=parameters)
    parameters.clear()
    code = credentials.get_code()
    server.approve(code["user_code"])
    credentials.refresh_token(credentials.wait_for_token(code)["refresh_token"])
    first, *others = server.transcript
    assert first.form.items() >= {"audience": "https://api.example.org", "resource": "r s", "scope": SCOPE}.items()
    assert not [request for request in others if {"audience", "resource"} & request.form.keys()]


# ---- how the client authenticates ----------------------------------------------------------------

BASIC: Final = "Basic " + base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()


def use_everything(server: FakeGoogle, credentials: OAuthCredentials) -> list[Exchange]:
    """Make every request there is, and return them."""
    server.script("code", Reply(200, CODE))
    server.script("token", Reply(200, {**GOOD_BODY, "refresh_token": "1//r"}), Reply(200, GOOD_BODY))
    server.script("revoke", Reply(204))
    code = credentials.get_code()
    credentials.refresh_token(credentials.token_from_code(code["device_code"])["refresh_token"])
    credentials.revoke_token("1//r")
    assert len(server.transcript) == 4
    return server.transcript


def test_a_client_that_authenticates_by_basic_sends_no_secret_in_a_form(server: FakeGoogle) -> None:
    basic = replace(at(server, OTHER), client_authentication="basic")
    requests = use_everything(server, OAuthCredentials(CLIENT_ID, CLIENT_SECRET, endpoints=basic))
    assert [request.headers["authorization"] for request in requests] == [BASIC] * 4
    assert not [request for request in requests if "client_secret" in request.form]
    assert ["client_id" in request.form for request in requests] == [True, False, False, False]


@pytest.mark.parametrize("secret", ["", None, CLIENT_SECRET])
def test_a_public_client_sends_its_id_alone(server: FakeGoogle, secret: str | None) -> None:
    public = replace(at(server, OTHER), client_authentication="none")
    assert OAuthCredentials(CLIENT_ID, endpoints=public) == OAuthCredentials(CLIENT_ID, "", endpoints=public)
    credentials = OAuthCredentials(CLIENT_ID, secret, endpoints=public)
    assert credentials.client_secret == (secret or "")
    requests = use_everything(server, credentials)
    assert not [request for request in requests if "authorization" in request.headers]
    assert not [request for request in requests if "client_secret" in request.form]
    assert [request.form["client_id"] for request in requests] == [CLIENT_ID] * 4


@pytest.mark.parametrize("way", ["post", "basic"])
@pytest.mark.parametrize(("secret", "problem"), [("", "empty"), (None, "missing")])
def test_only_a_public_client_has_no_secret(way: Literal["post", "basic"], secret: str | None, problem: str) -> None:
    with pytest.raises(ValueError, match=rf"^client_secret is {problem}$"):
        OAuthCredentials(CLIENT_ID, secret, endpoints=replace(OTHER, client_authentication=way))


@pytest.mark.parametrize("parameters", ['{"a": 1}', '{"a": "\\n"}', '{"\\n": "a"}'])
def test_a_parameter_that_cannot_be_sent_is_rejected(parameters: str) -> None:
    with pytest.raises(ValueError, match=r"^parameters is not a dictionary of printable text$"):
        OAuthCredentials(CLIENT_ID, CLIENT_SECRET, parameters=json.loads(parameters))


def test_a_secret_may_have_a_blank_inside() -> None:
    """RFC 6749 appendix A.2: VSCHAR."""
    assert OAuthCredentials("an id", "a secret", endpoints=OTHER).client_secret == "a secret"


class FromNetrc:
    """Authenticates with what `~/.netrc` says, as requests does, unless it is given another way."""

    trust_env = True

    def __init__(self) -> None:
        self.proxies = {"http": "http://kept.example"}

    def get_redirect_target(self, resp: object) -> None:
        return None

    def post(
        self,
        url: str,
        *,
        data: Mapping[str, str],
        headers: Mapping[str, str],
        timeout: float,
        allow_redirects: bool = True,
        auth: Callable[[object], object] | None = None,
    ) -> UrllibResponse:
        assert not allow_redirects
        prepared = dict(headers)
        if auth is None:
            prepared["Authorization"] = "Basic from-netrc"
        else:
            assert auth(prepared) is prepared
        return UrllibSession().post(url, data=data, headers=prepared)


@pytest.mark.parametrize("way", ["post", "basic", "none"])
def test_netrc_does_not_replace_the_clients_authentication(
    server: FakeGoogle, way: Literal["post", "basic", "none"]
) -> None:
    endpoints = replace(at(server, OTHER), client_authentication=way)
    requests = use_everything(server, OAuthCredentials(CLIENT_ID, CLIENT_SECRET, FromNetrc(), endpoints=endpoints))
    assert {request.headers.get("authorization") for request in requests} == {BASIC if way == "basic" else None}


def test_another_scope_can_be_requested(server: FakeGoogle) -> None:
    credentials = OAuthCredentials(CLIENT_ID, CLIENT_SECRET, endpoints=endpoints(server), scope="tv radio")
    code = credentials.get_code()
    server.approve(code["user_code"])
    assert credentials.wait_for_token(code)["scope"] == "tv radio"


def test_a_rotating_server_returns_an_entire_new_token(server: FakeGoogle, clock: Clock) -> None:
    server.rotate = True
    old = logged_in(server)
    fresh: dict[str, object] = {**old.credentials.refresh_token(old.refresh_token)}
    assert fresh.keys() == old.as_dict().keys()
    assert fresh["expires_at"] == int(clock.wall) + 3599
    assert server.can_refresh(str(fresh["refresh_token"]))
    assert not server.can_refresh(old.refresh_token)


def test_revoking_without_a_revocation_endpoint_is_a_value_error(server: FakeGoogle) -> None:
    credentials = OAuthCredentials(
        CLIENT_ID, CLIENT_SECRET, endpoints=Endpoints(server.device_code_url, server.token_url)
    )
    with pytest.raises(ValueError, match="revoke_url"):
        credentials.revoke_token("1//r")
    assert server.transcript == []


def test_every_error_quotes_the_servers_description(server: FakeGoogle) -> None:
    credentials = client(server)
    calls: list[tuple[str, Callable[[], object]]] = [
        ("code", credentials.get_code),
        ("token", lambda: credentials.token_from_code("AH-1Ng")),
        ("token", lambda: credentials.refresh_token("1//r")),
        ("revoke", lambda: credentials.revoke_token("1//r")),
    ]
    for endpoint, call in calls:
        server.script(endpoint, Reply(400, {"error": "unsupported", "error_description": "Not supported here"}))
        with pytest.raises(ServerError, match=r'\(unsupported, HTTP 400\): "Not supported here"'):
            call()


@pytest.mark.parametrize("scope", ["{access} a", ["a", "{refresh}"], f"%{ord(CLIENT_SECRET[0]):x}{CLIENT_SECRET[1:]}"])
def test_a_scope_with_a_secret_in_it_is_not_used(server: FakeGoogle, scope: str | list[str]) -> None:
    """It would be shown."""
    body = {"access_token": "ya29.of-this-response", "refresh_token": "1//short", "expires_in": 3600}
    text = json.dumps(scope).format(access=body["access_token"], refresh=body["refresh_token"])
    credentials = client(server)
    for _ in range(2):
        server.script("token", Reply(200, {**body, "scope": json.loads(text)}))
    assert credentials.token_from_code("AH-1Ng")["scope"] == credentials.scope
    assert credentials.refresh_token("1//the-old-one")["scope"] == ""


def test_a_scope_beside_too_many_secrets_to_search_for_is_not_used(server: FakeGoogle) -> None:
    """The search would take too long. A short secret, which a usual scope may contain, does not count."""
    body = {"access_token": "ya29.fake", "expires_in": 3600, "scope": "profile", "password": "profile"}
    server.script("token", Reply(200, body))
    server.script("token", Reply(200, {**body, **{f"{number}_token": f"1//another-{number}" for number in range(60)}}))
    assert [client(server).refresh_token("1//the-old-one")["scope"] for _ in range(2)] == ["profile", ""]


def test_the_scope_is_the_requested_one_if_the_response_omits_it(server: FakeGoogle) -> None:
    server.script("token", Reply(200, {"access_token": "ya29.fake", "refresh_token": "1//fake", "expires_in": 3599}))
    assert client(server).token_from_code("AH-1Ng")["scope"] == "https://www.googleapis.com/auth/youtube"


# ---- the end of the login ------------------------------------------------------------------------


def test_the_end_of_the_login_is_known_if_the_server_says_it(server: FakeGoogle, clock: Clock) -> None:
    server.refresh_token_lifetime = 604799
    credentials = client(server)
    ends_at = [credentials.login_ends_at]
    code = credentials.get_code()
    server.approve(code["user_code"])
    token = credentials.wait_for_token(code)
    ends_at.append(credentials.login_ends_at)
    clock.advance(100)
    credentials.refresh_token(token["refresh_token"])
    ends_at.append(credentials.login_ends_at)
    assert ends_at == [None, NOON + 5 + 604799, NOON + 5 + 604799], "only a login changes it"


def test_the_end_of_a_login_is_replaced_by_the_next_login(server: FakeGoogle) -> None:
    body = {"access_token": "ya29.fake", "refresh_token": "1//fake"}
    server.script("token", Reply(200, {**body, "refresh_token_expires_in": 604799}))
    server.script("token", Reply(428, {"error": "authorization_pending"}), Reply(200, body))
    credentials = client(server)
    ends_at: list[int | None] = []
    for _ in range(3):
        with contextlib.suppress(AuthorizationPending):
            credentials.token_from_code("AH-1Ng")
        ends_at.append(credentials.login_ends_at)
    assert ends_at == [NOON + 604799, NOON + 604799, None], "a poll without a token does not change it"


# ---- what servers are known to send --------------------------------------------------------------

LOGGED_IN: Final = {"access_token": "a", "refresh_token": "r", "expires_in": 14124, "token_type": "bearer"}
BASIC_REALM: Final = {"WWW-Authenticate": 'Basic realm="oauth"'}
REFUSED_LOGINS: Final[Mapping[str, tuple[Reply, type[OAuthError]]]] = {
    "declined, Entra ID": (Reply(400, {"error": "authorization_declined"}), AccessDenied),
    "unknown code, Entra ID": (Reply(400, {"error": "bad_verification_code"}), InvalidGrant),
    "code expired, Entra ID v1": (Reply(400, {"error": "code_expired"}), DeviceCodeExpired),
    "code expired, GitHub": (Reply(200, {"error": "token_expired"}), DeviceCodeExpired),
    "unknown code, GitHub": (Reply(200, {"error": "incorrect_device_code"}), InvalidGrant),
    "wrong secret, GitHub": (Reply(200, {"error": "incorrect_client_credentials"}), BadOAuthClient),
    "public client with a secret, Entra ID": (Reply(401, {"error": "invalid_client"}), BadOAuthClient),
    "401 and no more": (Reply(401, "", BASIC_REALM), BadOAuthClient),
    "401 in HTML with a challenge": (Reply(401, "<h1>No</h1>", BASIC_REALM), BadOAuthClient),
    "secret not allowed, Auth0": (Reply(403, {"error": "unauthorized_client"}), UnauthorizedOAuthClient),
    "unfit access token": (Reply(200, {**LOGGED_IN, "access_token": "a b"}), MalformedResponse),
    "token type not supported": (Reply(200, {**LOGGED_IN, "token_type": "DPoP"}), MalformedResponse),
    "wrong URL": (Reply(404, "<h1>Not found</h1>"), MalformedResponse),
}


@pytest.mark.parametrize(("reply", "expected"), REFUSED_LOGINS.values(), ids=REFUSED_LOGINS)
def test_what_ends_a_login_ends_the_wait(server: FakeGoogle, reply: Reply, expected: type[OAuthError]) -> None:
    credentials = OAuthCredentials(CLIENT_ID, CLIENT_SECRET, endpoints=at(server, OTHER), scope=SCOPE)
    code = credentials.get_code()
    server.script("token", reply)
    with pytest.raises(OAuthError) as raised:
        credentials.wait_for_token(code)
    assert type(raised.value) is expected
    assert len(server.requests_to("token")) == 1


@pytest.mark.parametrize("fault", ["html", "empty", "not-utf-8", "not-an-object", "truncated", "not-http"])
def test_a_wait_survives_what_a_portal_sends(server: FakeGoogle, fault: str) -> None:
    credentials = client(server)
    code = credentials.get_code()
    server.script("token", *[FAULTS[fault]] * 3)
    server.approve(code["user_code"])
    assert server.is_live(credentials.wait_for_token(code)["access_token"])


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({**LOGGED_IN, "scope": ["user:read:email", "chat:read"]}, {"scope": "user:read:email chat:read"}),
        ({**LOGGED_IN, "expires_in": 0}, {"expires_in": 3600}),
        ({**LOGGED_IN, "token_type": " Bearer "}, {"token_type": "Bearer"}),
        ({"access_token": "gho_x", "token_type": "bearer", "scope": "repo,gist"}, {"refresh_token": ""}),
    ],
    ids=[
        "Twitch, Logto",
        "Spring, GoToSocial",
        "seen in the wild",
        "GitHub OAuth Apps, Entra ID without offline_access",
    ],
)
def test_an_unusual_login_is_accepted(server: FakeGoogle, body: dict[str, object], expected: dict[str, object]) -> None:
    server.script("token", Reply(200, body))
    token: dict[str, object] = {**client(server).token_from_code("AH-1Ng")}
    assert token.items() >= expected.items()
    assert token["access_token"] == body["access_token"]


def test_a_code_with_an_interval_of_zero_and_no_complete_link_is_accepted(server: FakeGoogle, clock: Clock) -> None:
    """Better Auth with a short interval, for one."""
    server.script("code", Reply(200, {**CODE, "interval": 0, "verification_uri_complete": ""}))
    code = client(server).get_code()
    assert (code["interval"], "verification_uri_complete" in code) == (5, False)


def test_a_byte_order_mark_is_skipped(server: FakeGoogle) -> None:
    server.script("token", Reply(200, b"\xef\xbb\xbf" + json.dumps(GOOD_BODY).encode()))
    assert client(server).refresh_token("1//r")["access_token"] == "ya29.fake"


@pytest.mark.parametrize("status", [200, 202, 204])
@pytest.mark.parametrize("body", [b"", b"{}", b"<p>Done.</p>"])
def test_a_revocation_is_confirmed_by_its_status(server: FakeGoogle, status: int, body: bytes) -> None:
    server.script("revoke", Reply(status, b"" if status == 204 else body))
    client(server).revoke_token("1//r")
    assert len(server.transcript) == 1


def test_an_empty_token_is_not_sent(server: FakeGoogle) -> None:
    for call in (client(server).refresh_token, client(server).revoke_token, client(server).token_from_code):
        with pytest.raises(ValueError, match=r"is empty$"):
            call("")
    assert server.transcript == []


def test_the_refusal_of_glewlwyd_has_no_body(server: FakeGoogle) -> None:
    server.script("token", Reply(400), Reply(400))
    with pytest.raises(InvalidGrant):
        OAuthCredentials(CLIENT_ID, CLIENT_SECRET, endpoints=at(server, OTHER)).refresh_token("1//r")
    with pytest.raises(MalformedResponse):
        OAuthCredentials(CLIENT_ID, CLIENT_SECRET, endpoints=at(server, YOUTUBE)).refresh_token("1//r")


@pytest.mark.parametrize("status", [408, 502, 504])
def test_a_refresh_that_a_gateway_answered_is_retried_only_if_tokens_do_not_rotate(
    server: FakeGoogle, status: int
) -> None:
    """The server behind the gateway may have answered it."""
    server.script("token", Reply(status), GOOD_TOKEN)
    with pytest.raises(ServerError) as raised:
        client(server, rotates=True).refresh_token("1//r")
    assert raised.value.retryable
    assert client(server).refresh_token("1//r")["access_token"] == "ya29.fake"
    server.script("token", Reply(status), GOOD_TOKEN)
    assert client(server).refresh_token("1//r")["access_token"] == "ya29.fake"
    server.script("code", Reply(status))
    client(server, rotates=True).get_code()


# ---- waiting for the user ------------------------------------------------------------------------


def test_on_wait_gets_the_seconds_until_the_code_expires(server: FakeGoogle, clock: Clock) -> None:
    credentials = client(server)
    code = credentials.get_code()
    calls: list[float] = []

    def on_wait(seconds_left: float) -> None:
        calls.append(seconds_left)
        if len(calls) == 2:
            server.approve(code["user_code"])

    token = credentials.wait_for_token(code, on_wait=on_wait)
    assert calls == [1795, 1790]
    assert token["expires_at"] == NOON + 15 + 3599
    assert len(server.requests_to("token")) == 3


def test_a_wait_that_begins_late_ends_as_the_code_expires(server: FakeGoogle, clock: Clock) -> None:
    credentials = client(server)
    code = credentials.get_code()
    clock.advance(1790)
    server.script("token", *[Reply(428, {"error": "authorization_pending"})] * 1000)
    with pytest.raises(DeviceCodeExpired):
        credentials.wait_for_token(code)
    assert clock.wall <= NOON + 1800


def test_a_code_of_another_instance_expires_relative_to_the_wait(server: FakeGoogle, clock: Clock) -> None:
    code = client(server).get_code()
    clock.advance(100)
    server.approve(code["user_code"])
    assert server.is_live(client(server).wait_for_token(code)["access_token"])
    assert clock.slept == [5]


def test_a_wait_survives_transient_failures(server: FakeGoogle, clock: Clock) -> None:
    credentials = client(server)
    code = credentials.get_code()
    server.approve(code["user_code"])
    server.script("token", FAULTS["503"], FAULTS["reset"])
    assert server.is_live(credentials.wait_for_token(code)["access_token"])
    assert clock.slept == [5, 10, 20]


def test_each_of_two_logins_has_its_own_deadline(server: FakeGoogle, clock: Clock) -> None:
    credentials = client(server)
    first = credentials.get_code()
    clock.advance(first["expires_in"] - 30)
    credentials.get_code()
    started = clock.steady
    with pytest.raises(DeviceCodeExpired):
        credentials.wait_for_token(first)
    assert clock.steady - started <= 30


def test_a_cancelled_wait_ends_within_a_second(server: FakeGoogle, clock: Clock) -> None:
    credentials = client(server)
    code = credentials.get_code()
    with pytest.raises(LoginCancelled):
        credentials.wait_for_token(code, cancelled=lambda: clock.wall >= NOON + 7)
    assert clock.wall < NOON + 8
    assert len(server.requests_to("token")) == 1


# ---- retries -------------------------------------------------------------------------------------

GOOD_TOKEN: Final = Reply(200, GOOD_BODY)
CALLS: Final[Mapping[str, Callable[[OAuthCredentials], object]]] = {
    "code": OAuthCredentials.get_code,
    "token": lambda credentials: credentials.refresh_token("1//r"),
    "revoke": lambda credentials: credentials.revoke_token("1//r"),
}


@pytest.mark.parametrize("endpoint", CALLS)
def test_a_failing_server_is_tried_three_times(server: FakeGoogle, clock: Clock, endpoint: str) -> None:
    good = {"code": (), "token": (GOOD_TOKEN,), "revoke": (Reply(),)}[endpoint]
    server.script(endpoint, FAULTS["503"], FAULTS["500"], *good)
    CALLS[endpoint](client(server))
    assert clock.slept == [pytest.approx(1, rel=0.1), pytest.approx(2, rel=0.1)]

    server.script(endpoint, *[FAULTS["503"]] * 3)
    with pytest.raises(ServerError) as raised:
        CALLS[endpoint](client(server))
    assert (raised.value.retryable, raised.value.status) == (True, 503)
    assert len(server.requests_to(endpoint)) == 6


class Slow:
    """A session whose server takes its time, and repeats its last response."""

    def __init__(self, clock: Clock, seconds: float, *responses: tuple[int, object]) -> None:
        self.clock, self.seconds, self.responses = clock, seconds, [*responses]
        self.asked: list[tuple[float, float]] = []

    def post(self, url: str, *, data: Mapping[str, str], headers: Mapping[str, str], timeout: float) -> UrllibResponse:
        self.asked.append((self.clock.steady, timeout))
        self.clock.advance(self.seconds)
        status, body = self.responses.pop(0) if len(self.responses) > 1 else self.responses[0]
        return UrllibResponse(status, {}, json.dumps(body).encode())


@pytest.mark.parametrize("endpoint", CALLS)
def test_all_tries_of_a_call_share_its_timeout(clock: Clock, endpoint: str) -> None:
    session = Slow(clock, 10, (503, {}))
    with pytest.raises(ServerError):
        CALLS[endpoint](OAuthCredentials(CLIENT_ID, CLIENT_SECRET, session))
    assert [timeout for _, timeout in session.asked] == pytest.approx([30, 19, 7], abs=0.5)


def test_a_refresh_can_have_fewer_tries_and_less_time(clock: Clock) -> None:
    session = Slow(clock, 1, (503, {}))
    with pytest.raises(ServerError):
        OAuthCredentials(CLIENT_ID, CLIENT_SECRET, session).refresh_within("1//r", tries=2, seconds=15)
    assert [timeout for _, timeout in session.asked] == pytest.approx([15, 13], abs=0.5)


@pytest.mark.parametrize(("tries", "seconds"), [(0, 30), (3, 0), (3, -1)])
def test_a_refresh_needs_a_try_and_some_time(clock: Clock, tries: int, seconds: float) -> None:
    session = Slow(clock, 1, (200, {}))
    with pytest.raises(ValueError, match="must be more than 0"):
        OAuthCredentials(CLIENT_ID, CLIENT_SECRET, session).refresh_within("1//r", tries=tries, seconds=seconds)
    assert session.asked == []
    quick = Slow(clock, 0, (200, {"access_token": "ya29.fake", "expires_in": 60, "scope": "s", "token_type": "Bearer"}))
    OAuthCredentials(CLIENT_ID, CLIENT_SECRET, quick).refresh_within("1//r", tries=1, seconds=0.5)


def test_a_code_expires_relative_to_its_request_and_is_polled_for_relative_to_its_response(clock: Clock) -> None:
    code = {"device_code": "d", "user_code": "u", "verification_url": "https://a.example", "expires_in": 1800}
    session = Slow(clock, 3, (200, {**code, "interval": 5}), (428, {"error": "authorization_pending"}))
    credentials = OAuthCredentials(CLIENT_ID, CLIENT_SECRET, session)
    seconds_left: list[float] = []
    with pytest.raises(LoginCancelled):
        credentials.wait_for_token(
            credentials.get_code(), on_wait=seconds_left.append, cancelled=lambda: bool(seconds_left)
        )
    (began, _), (polled, _) = session.asked
    assert polled - began == 3 + 5
    assert seconds_left == [1800 - (3 + 5 + 3)]


def test_a_refused_connection_is_tried_three_times(clock: Clock) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/token"
        with pytest.raises(TransportError) as raised:
            OAuthCredentials(CLIENT_ID, CLIENT_SECRET, endpoints=Endpoints(url, url)).refresh_token("1//r")
    assert not raised.value.sent
    assert len(clock.slept) == 2


@pytest.mark.parametrize("retry_after", ["4", formatdate(NOON + 4, usegmt=True)], ids=["seconds", "date"])
def test_the_servers_retry_after_is_obeyed(server: FakeGoogle, clock: Clock, retry_after: str) -> None:
    server.script("token", Reply(429, "Too many.", {"Retry-After": retry_after}), GOOD_TOKEN)
    assert client(server).refresh_token("1//r")["access_token"] == "ya29.fake"
    assert clock.slept == [4]


def test_a_long_retry_after_is_raised_at_once(server: FakeGoogle, clock: Clock) -> None:
    server.script("token", Reply(429, "Too many.", {"Retry-After": "11"}))
    with pytest.raises(RateLimited) as raised:
        client(server).refresh_token("1//r")
    assert (raised.value.retry_after, clock.slept) == (11, [])


def test_a_refresh_with_a_lost_response_is_retried_if_tokens_do_not_rotate(server: FakeGoogle) -> None:
    token = logged_in(server)
    server.script("token", FAULTS["answer-lost"])
    assert server.is_live(client(server).refresh_token(token.refresh_token)["access_token"])


def test_a_refresh_with_a_lost_response_is_not_retried_if_tokens_rotate(server: FakeGoogle) -> None:
    server.rotate = True
    token = logged_in(server, rotates=True)
    server.script("token", FAULTS["answer-lost"])
    with pytest.raises(TransportError) as raised:
        client(server, rotates=True).refresh_token(token.refresh_token)
    assert raised.value.sent
    assert server.is_live(token.access_token)


@pytest.mark.parametrize("endpoint", ["code", "revoke"])
def test_no_other_request_is_retried_once_it_was_sent(server: FakeGoogle, endpoint: str) -> None:
    server.script(endpoint, FAULTS["answer-lost"])
    with pytest.raises(TransportError):
        CALLS[endpoint](client(server))
    assert len(server.transcript) == 1


def test_a_poll_is_one_request(server: FakeGoogle, clock: Clock) -> None:
    credentials = client(server)
    code = credentials.get_code()
    server.script("token", FAULTS["503"])
    with pytest.raises(ServerError):
        credentials.token_from_code(code["device_code"])
    assert len(server.requests_to("token")) == 1


# ---- sessions supplied by the caller -------------------------------------------------------------


class Minimal:
    """The least that a session can be. It is its own response, without headers."""

    status_code = 200

    def post(self, url: str, *, data: Mapping[str, str], headers: Mapping[str, str], timeout: float) -> Minimal:
        return self

    def json(self) -> object:
        return GOOD_TOKEN.body


def with_session(server: FakeGoogle, session: Session) -> OAuthCredentials:
    return OAuthCredentials(CLIENT_ID, CLIENT_SECRET, session, endpoints=endpoints(server))


class AsyncPost:
    async def post(self, url: str) -> None:
        """Return at once, with nothing sent."""


class AsyncContext(Minimal):
    """Like an `aiohttp.ClientSession`: `post` is no coroutine function, but its response can only be awaited."""

    __module__ = "aiohttp.client.session"

    async def __aenter__(self) -> None: ...


@pytest.mark.parametrize(
    ("session", "problem"),
    [
        (AsyncPost(), "must not be asynchronous, as tests.AsyncPost is"),
        (AsyncContext(), "must not be asynchronous, as aiohttp.AsyncContext is"),
        (Minimal, "must be an object with a post method"),
        (object(), "must be an object with a post method"),
        (SimpleNamespace(post="no method"), "must be an object with a post method"),
        (_http, "must be an object with a post method"),
        ("https://proxy.example", "must be an object with a post method"),
    ],
)
def test_what_cannot_send_a_form_is_rejected_at_once(session: object, problem: str) -> None:
    assert hasattr(_http, "post"), "a module, as requests and httpx are"
    with pytest.raises(TypeError, match=problem):
        check_session(session)


def test_a_minimal_session_is_enough(server: FakeGoogle) -> None:
    assert with_session(server, Minimal()).refresh_token("1//r")["access_token"] == "ya29.fake"


def test_a_requests_session_is_given_the_proxies() -> None:
    session = FromNetrc()
    OAuthCredentials(CLIENT_ID, CLIENT_SECRET, session, {"https": "http://proxy.example"})
    assert session.proxies == {"http": "http://kept.example", "https": "http://proxy.example"}


# ---- the object ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [
        '["", "secret"]',
        '["id", ""]',
        '["id\\n", "secret"]',
        '["id", " secret"]',
        '[null, "secret"]',
        '["id", 5]',
        '["id", "secret", null, {"https": "socks5://secret.example"}]',
        '["id", "secret", null, "http://secret.example"]',
        '["id", "secret", {"https": "http://secret.example"}]',
    ],
)
def test_an_invalid_argument_is_rejected_at_once(arguments: str) -> None:
    with pytest.raises((ValueError, TypeError), match=r"^(client_id|client_secret|proxies|session) ") as raised:
        OAuthCredentials(*json.loads(arguments))
    assert "secret." not in str(raised.value)


@pytest.mark.parametrize("scope", [" ", "a\nb"])
def test_an_unprintable_scope_is_rejected(scope: str) -> None:
    with pytest.raises(ValueError, match=r"^scope is not printable"):
        OAuthCredentials(CLIENT_ID, CLIENT_SECRET, scope=scope)


def test_parameters_that_replace_a_standard_one_are_rejected_at_once() -> None:
    with pytest.raises(ValueError, match=r"^parameters must not set client_id"):
        OAuthCredentials(CLIENT_ID, CLIENT_SECRET, parameters={"client_id": "another"})


def test_the_default_session_gets_the_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    received: list[object] = []

    def session(proxies: object) -> None:
        received.append(proxies)
        raise TransportError("No connection", sent=False, retryable=False)

    monkeypatch.setattr("ytmusic_oauth.transport.UrllibSession", session)
    proxies = {"https": "http://proxy.example"}
    with pytest.raises(TransportError, match="No connection"):
        OAuthCredentials(CLIENT_ID, CLIENT_SECRET, proxies=proxies).get_code()
    assert received == [proxies]


def test_a_url_instead_of_endpoints_is_a_type_error() -> None:
    arguments = json.loads('{"endpoints": "https://oauth.example"}')
    with pytest.raises(TypeError, match="endpoints"):
        OAuthCredentials(CLIENT_ID, CLIENT_SECRET, **arguments)


def test_proxies_for_a_session_that_ignores_them_are_rejected() -> None:
    with pytest.raises(ValueError, match="pass proxies to your own session"):
        OAuthCredentials(CLIENT_ID, CLIENT_SECRET, Minimal(), {"https": "http://proxy.example"})


def test_the_repr_shows_no_secret() -> None:
    credentials = OAuthCredentials(CLIENT_ID, CLIENT_SECRET)
    assert repr(credentials) == f"OAuthCredentials(client_id={CLIENT_ID!r}, client_secret='[redacted]')"


def test_credentials_of_a_subclass_are_another_clients() -> None:
    class Own(OAuthCredentials):
        """A subclass."""

    assert OAuthCredentials("a", "x") != Own("b", "y")
    assert Own("b", "y") != OAuthCredentials("a", "x")
    assert Own("b", "y") == Own("b", "y")


def test_credentials_of_the_same_client_are_equal() -> None:
    credentials = OAuthCredentials(CLIENT_ID, CLIENT_SECRET)
    assert credentials == OAuthCredentials(CLIENT_ID, CLIENT_SECRET)
    assert credentials != OAuthCredentials(CLIENT_ID, "other-secret")
    assert credentials != OAuthCredentials("other", CLIENT_SECRET)
    assert credentials != OAuthCredentials(CLIENT_ID, CLIENT_SECRET, scope="other")
    assert credentials != OAuthCredentials(CLIENT_ID, CLIENT_SECRET, endpoints=replace(YOUTUBE, revoke_url=None))
    assert credentials != OAuthCredentials(CLIENT_ID, CLIENT_SECRET, parameters={"audience": "a"})


def pickled(credentials: OAuthCredentials) -> OAuthCredentials:
    received: object = ForkingPickler.loads(ForkingPickler.dumps(credentials))
    assert isinstance(received, OAuthCredentials)
    return received


@pytest.mark.parametrize("used", [False, True], ids=["new", "used"])
@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, pickled])
def test_a_copy_works_and_copying_sends_no_request(
    server: FakeGoogle, duplicate: Callable[[OAuthCredentials], OAuthCredentials], used: bool
) -> None:
    credentials = client(server)
    if used:
        credentials.get_code()
    before = len(server.transcript)
    twin = duplicate(credentials)
    assert twin == credentials
    assert len(server.transcript) == before
    code = twin.get_code()
    server.approve(code["user_code"])
    assert server.is_live(twin.wait_for_token(code)["access_token"])


class CustomCredentials(Credentials):
    """A subclass by another author."""

    def get_code(self) -> AuthCodeDict:
        raise NotImplementedError

    def token_from_code(self, device_code: str) -> RefreshableTokenDict:
        raise NotImplementedError

    def refresh_token(self, refresh_token: str) -> BaseTokenDict:
        return {"access_token": f"new-for-{refresh_token}", "expires_in": 3599, "scope": SCOPE, "token_type": "Bearer"}


def test_custom_credentials_refresh_a_token(clock: Clock) -> None:
    custom = CustomCredentials(CLIENT_ID, CLIENT_SECRET)
    token = RefreshingToken(custom, scope=SCOPE, token_type="Bearer", access_token="old", refresh_token="r")
    assert token.as_auth() == "Bearer new-for-r"
    assert CLIENT_SECRET not in repr(token.credentials)
