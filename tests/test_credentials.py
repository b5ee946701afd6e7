# SPDX-License-Identifier: MIT
"""An OAuth client against whole servers, over real HTTP: Google in both of its spellings, and those of the RFCs."""

from __future__ import annotations

import copy
import json
import socket
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from email.utils import formatdate
from multiprocessing.reduction import ForkingPickler
from typing import Final
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
    FakeGoogle,
    Reply,
    redirect,
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
)
from ytmusic_oauth.models import AuthCodeDict, BaseTokenDict, RefreshableTokenDict
from ytmusic_oauth.session import Response, Session
from ytmusic_oauth.transport import UrllibResponse

SCOPE: Final = "https://www.googleapis.com/auth/youtube"
URN: Final = "urn:ietf:params:oauth:grant-type:device_code"
SOMEBODY: Final = Endpoints(
    "https://rfc.example/device/code", "https://rfc.example/token", "https://rfc.example/revoke"
)
SERVERS: Final[Mapping[str, tuple[Dialect, Endpoints]]] = {
    "youtube": (GOOGLE_DIALECT, YOUTUBE),
    "google": (GOOGLE_DIALECT, GOOGLE),
    "rfc": (RFC_DIALECT, SOMEBODY),
    "pending-as-200": (PENDING_AS_200_DIALECT, SOMEBODY),
}


def at(server: FakeGoogle, theirs: Endpoints) -> Endpoints:
    """The same endpoints, on this machine."""
    code, token, revoke = (
        urlsplit(url or "").path for url in (theirs.device_code_url, theirs.token_url, theirs.revoke_url)
    )
    return replace(
        theirs, device_code_url=server.url + code, token_url=server.url + token, revoke_url=server.url + revoke
    )


@pytest.fixture(params=SERVERS)
def met(request: pytest.FixtureRequest, clock: Clock) -> Iterator[tuple[FakeGoogle, OAuthCredentials]]:
    """Each server, and a client that knows its ways."""
    dialect, theirs = SERVERS[request.param]
    with FakeGoogle(clock=clock.monotonic, dialect=dialect) as server:
        yield server, OAuthCredentials(CLIENT_ID, CLIENT_SECRET, endpoints=at(server, theirs))


def test_a_login_is_confirmed_refreshed_and_revoked(met: tuple[FakeGoogle, OAuthCredentials], clock: Clock) -> None:
    server, credentials = met
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


def ask_just_before(server: FakeGoogle, credentials: OAuthCredentials, code: AuthCodeDict) -> None:
    with pytest.raises(AuthorizationPending):
        credentials.token_from_code(code["device_code"])


def claim(server: FakeGoogle, credentials: OAuthCredentials, code: AuthCodeDict) -> None:
    server.approve(code["user_code"])
    credentials.token_from_code(code["device_code"])


def misspell(server: FakeGoogle, credentials: OAuthCredentials, code: AuthCodeDict) -> None:
    code["device_code"] += "x"


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (deny, AccessDenied),
        (expire, DeviceCodeExpired),
        (ask_just_before, SlowDown),
        (claim, InvalidGrant),
        (misspell, InvalidGrant),
    ],
)
def test_a_code_that_gives_no_token_says_why(
    met: tuple[FakeGoogle, OAuthCredentials],
    spoil: Callable[[FakeGoogle, OAuthCredentials, AuthCodeDict], None],
    expected: type[OAuthError],
) -> None:
    server, credentials = met
    code = credentials.get_code()
    spoil(server, credentials, code)
    with pytest.raises(OAuthError) as raised:
        credentials.token_from_code(code["device_code"])
    assert raised.type is expected
    assert code["device_code"] not in str(raised.value)


@pytest.mark.parametrize(
    ("client_kind", "expected", "words"),
    [
        (None, BadOAuthClient, "The OAuth client was not found"),
        (Client("other-secret"), BadOAuthClient, "The provided client secret is invalid"),
        (Client(CLIENT_SECRET, "web"), BadOAuthClient, "Invalid client type"),
        (Client(CLIENT_SECRET, "deleted"), BadOAuthClient, "The OAuth client was deleted"),
        (Client(CLIENT_SECRET, "unauthorized"), UnauthorizedOAuthClient, "Unauthorized"),
    ],
    ids=["unknown", "wrong-secret", "wrong-type", "deleted", "unauthorized"],
)
def test_a_client_that_is_refused_hears_why(
    met: tuple[FakeGoogle, OAuthCredentials], client_kind: Client | None, expected: type[OAuthError], words: str
) -> None:
    server, credentials = met
    server.clients = {} if client_kind is None else {CLIENT_ID: client_kind}
    with pytest.raises(OAuthError) as raised:
        credentials.refresh_token("1//fake-refresh")
    assert raised.type is expected
    assert words in (raised.value.error_description or "")
    assert words in str(raised.value)
    assert CLIENT_SECRET not in str(raised.value)
    assert len(server.transcript) == 1


def test_a_token_of_another_client_is_not_refreshed(server: FakeGoogle) -> None:
    token = logged_in(server)
    server.clients = {"other": Client("other-secret")}
    with pytest.raises(UnauthorizedOAuthClient):
        OAuthCredentials("other", "other-secret", endpoints=endpoints(server)).refresh_token(token.refresh_token)


# ---- what is said --------------------------------------------------------------------------------

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
def test_each_server_is_told_what_it_needs_and_no_more(
    clock: Clock,
    name: str,
    code_form: Mapping[str, str],
    token_form: Mapping[str, str],
    revoke_form: Mapping[str, str],
) -> None:
    dialect, theirs = SERVERS[name]
    with FakeGoogle(clock=clock.monotonic, dialect=dialect) as server:
        credentials = OAuthCredentials(CLIENT_ID, CLIENT_SECRET, endpoints=at(server, theirs))
        credentials.get_code()
        for call, secret in ((credentials.token_from_code, "AH-1"), (credentials.refresh_token, "1//r")):
            with pytest.raises(InvalidGrant):
                call(secret)
        server.script("revoke", Reply())  # a good answer may be empty
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


def test_another_scope_can_be_asked_for(server: FakeGoogle) -> None:
    credentials = OAuthCredentials(CLIENT_ID, CLIENT_SECRET, endpoints=endpoints(server), scope="tv radio")
    code = credentials.get_code()
    server.approve(code["user_code"])
    assert credentials.wait_for_token(code)["scope"] == "tv radio"


def test_a_server_that_rotates_answers_with_a_whole_new_token(server: FakeGoogle, clock: Clock) -> None:
    server.rotate = True
    old = logged_in(server)
    fresh: dict[str, object] = {**old.credentials.refresh_token(old.refresh_token)}
    assert fresh.keys() == old.as_dict().keys()
    assert fresh["expires_at"] == int(clock.wall) + 3599
    assert server.can_refresh(str(fresh["refresh_token"]))
    assert not server.can_refresh(old.refresh_token)


def test_a_server_without_a_revocation_endpoint_is_not_asked_for_one(server: FakeGoogle) -> None:
    credentials = OAuthCredentials(
        CLIENT_ID, CLIENT_SECRET, endpoints=Endpoints(server.device_code_url, server.token_url)
    )
    with pytest.raises(ValueError, match="revoke_url"):
        credentials.revoke_token("1//r")
    assert server.transcript == []


def test_whatever_is_refused_the_error_says_why(server: FakeGoogle) -> None:
    asking = client(server)
    asks: Mapping[str, Callable[[], object]] = {
        "code": asking.get_code,
        "token": lambda: asking.token_from_code("AH-1Ng"),
        "refresh": lambda: asking.refresh_token("1//r"),
        "revoke": lambda: asking.revoke_token("1//r"),
    }
    for endpoint, ask in asks.items():
        refusal = Reply(400, {"error": "unsupported", "error_description": "We do not do that"})
        server.script(endpoint.replace("refresh", "token"), refusal)
        with pytest.raises(ServerError, match=r'\(unsupported, HTTP 400\): "We do not do that"'):
            ask()


def test_a_scope_that_the_server_does_not_repeat_is_what_was_asked_for(server: FakeGoogle) -> None:
    server.script("token", Reply(200, {"access_token": "ya29.fake", "refresh_token": "1//fake", "expires_in": 3599}))
    assert client(server).token_from_code("AH-1Ng")["scope"] == "https://www.googleapis.com/auth/youtube"


# ---- waiting for the user ------------------------------------------------------------------------


def test_the_wait_tells_how_long_the_code_still_lives(server: FakeGoogle, clock: Clock) -> None:
    credentials = client(server)
    code, told = credentials.get_code(), list[float]()

    def on_wait(seconds_left: float) -> None:
        told.append(seconds_left)
        if len(told) == 2:
            server.approve(code["user_code"])

    token = credentials.wait_for_token(code, on_wait=on_wait)
    assert told == [1795, 1790]
    assert token["expires_at"] == NOON + 15 + 3599
    assert len(server.requests_to("token")) == 3


def test_a_wait_that_begins_late_ends_with_its_code(server: FakeGoogle, clock: Clock) -> None:
    credentials = client(server)
    code = credentials.get_code()
    clock.advance(1790)
    server.script("token", *[Reply(428, {"error": "authorization_pending"})] * 1000)
    with pytest.raises(DeviceCodeExpired):
        credentials.wait_for_token(code)
    assert clock.wall <= NOON + 1800


def test_a_code_of_somebody_else_lives_from_the_wait_on(server: FakeGoogle, clock: Clock) -> None:
    code = client(server).get_code()
    clock.advance(100)
    server.approve(code["user_code"])
    assert server.is_live(client(server).wait_for_token(code)["access_token"])
    assert clock.slept == [5]


def test_a_wait_outlasts_the_troubles_of_the_server(server: FakeGoogle, clock: Clock) -> None:
    credentials = client(server)
    code = credentials.get_code()
    server.approve(code["user_code"])
    server.script("token", FAULTS["503"], FAULTS["reset"])
    assert server.is_live(credentials.wait_for_token(code)["access_token"])
    assert clock.slept == [5, 10, 20]


def test_a_cancelled_wait_ends_within_the_second(server: FakeGoogle, clock: Clock) -> None:
    credentials = client(server)
    code = credentials.get_code()
    with pytest.raises(LoginCancelled):
        credentials.wait_for_token(code, cancelled=lambda: clock.wall >= NOON + 7)
    assert clock.wall < NOON + 8
    assert len(server.requests_to("token")) == 1


# ---- trying again --------------------------------------------------------------------------------

GOOD_TOKEN: Final = Reply(200, {"access_token": "ya29.fake", "expires_in": 3599})
CALLS: Final[Mapping[str, Callable[[OAuthCredentials], object]]] = {
    "code": OAuthCredentials.get_code,
    "token": lambda credentials: credentials.refresh_token("1//r"),
    "revoke": lambda credentials: credentials.revoke_token("1//r"),
}


@pytest.mark.parametrize("endpoint", CALLS)
def test_a_server_in_trouble_is_asked_three_times(server: FakeGoogle, clock: Clock, endpoint: str) -> None:
    good = {"code": (), "token": (GOOD_TOKEN,), "revoke": (Reply(),)}[endpoint]
    server.script(endpoint, FAULTS["503"], FAULTS["500"], *good)
    CALLS[endpoint](client(server))
    assert clock.slept == [pytest.approx(1, rel=0.1), pytest.approx(2, rel=0.1)]

    server.script(endpoint, *[FAULTS["503"]] * 3)
    with pytest.raises(ServerError) as raised:
        CALLS[endpoint](client(server))
    assert (raised.value.retryable, raised.value.status) == (True, 503)
    assert len(server.requests_to(endpoint)) == 6


def test_a_server_that_is_not_there_is_tried_three_times(clock: Clock) -> None:
    with socket.socket() as unheard:
        unheard.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unheard.getsockname()[1]}/token"
        with pytest.raises(TransportError) as raised:
            OAuthCredentials(CLIENT_ID, CLIENT_SECRET, endpoints=Endpoints(url, url)).refresh_token("1//r")
    assert not raised.value.sent
    assert len(clock.slept) == 2


@pytest.mark.parametrize("retry_after", ["4", formatdate(NOON + 4, usegmt=True)], ids=["seconds", "date"])
def test_a_server_says_itself_when_to_come_back(server: FakeGoogle, clock: Clock, retry_after: str) -> None:
    server.script("token", Reply(429, "Too many.", {"Retry-After": retry_after}), GOOD_TOKEN)
    assert client(server).refresh_token("1//r")["access_token"] == "ya29.fake"
    assert clock.slept == [4]


def test_nobody_waits_long_without_being_told(server: FakeGoogle, clock: Clock) -> None:
    server.script("token", Reply(429, "Too many.", {"Retry-After": "11"}))
    with pytest.raises(RateLimited) as raised:
        client(server).refresh_token("1//r")
    assert (raised.value.retry_after, clock.slept) == (11, [])


def test_a_refresh_with_a_lost_answer_is_repeated_where_that_does_no_harm(server: FakeGoogle) -> None:
    token = logged_in(server)
    server.script("token", FAULTS["answer-lost"])
    assert server.is_live(client(server).refresh_token(token.refresh_token)["access_token"])


def test_a_refresh_with_a_lost_answer_is_not_repeated_where_it_would_end_the_login(server: FakeGoogle) -> None:
    server.rotate = True
    token = logged_in(server, rotates=True)
    server.script("token", FAULTS["answer-lost"])
    with pytest.raises(TransportError) as raised:
        client(server, rotates=True).refresh_token(token.refresh_token)
    assert raised.value.sent
    assert server.is_live(token.access_token)


@pytest.mark.parametrize("endpoint", ["code", "revoke"])
def test_nothing_else_is_repeated_once_it_was_sent(server: FakeGoogle, endpoint: str) -> None:
    server.script(endpoint, FAULTS["answer-lost"])
    with pytest.raises(TransportError):
        CALLS[endpoint](client(server))
    assert len(server.transcript) == 1


def test_one_poll_is_one_request(server: FakeGoogle, clock: Clock) -> None:
    credentials = client(server)
    code = credentials.get_code()
    server.script("token", FAULTS["503"])
    with pytest.raises(ServerError):
        credentials.token_from_code(code["device_code"])
    assert len(server.requests_to("token")) == 1


# ---- sessions that the caller brings -------------------------------------------------------------


@dataclass
class Followed:
    """What came back at the end of the way, as requests and httpx tell it."""

    answer: UrllibResponse
    history: list[Response] = field(default_factory=list)

    @property
    def status_code(self) -> int:
        return self.answer.status_code

    @property
    def headers(self) -> Mapping[str, str]:
        return self.answer.headers

    def json(self) -> object:
        return self.answer.json()


def go(url: str, data: Mapping[str, str], headers: Mapping[str, str], *, follow: bool) -> Followed:
    answer = UrllibSession(timeout=20).post(url, data=data, headers=headers)
    if not follow or "Location" not in answer.headers:
        return Followed(answer)
    return Followed(go(answer.headers["Location"], data, headers, follow=True).answer, [answer])


class RequestsLike:
    """Follows redirects unless it is told not to."""

    def __init__(self) -> None:
        self.proxies: dict[str, str] = {"http": "http://kept.example"}

    def get_redirect_target(self, resp: object) -> None:
        return None

    def post(
        self,
        url: str,
        data: Mapping[str, str],
        *,
        headers: Mapping[str, str],
        timeout: float,
        allow_redirects: bool = True,
    ) -> Followed:
        return go(url, data, headers, follow=allow_redirects)


class HttpxLike:
    """Follows redirects if it was made so, unless it is told not to."""

    follow_redirects = True

    def post(
        self,
        url: str,
        *,
        data: Mapping[str, str],
        headers: Mapping[str, str],
        timeout: float,
        follow_redirects: bool | None = None,
    ) -> Followed:
        follow = self.follow_redirects if follow_redirects is None else follow_redirects
        return go(url, data, headers, follow=follow)


class AlwaysFollowing:
    """Cannot be told."""

    def post(self, url: str, *, data: Mapping[str, str], headers: Mapping[str, str], timeout: float) -> Followed:
        return go(url, data, headers, follow=True)


class Disconnected(Exception):
    """As httpx has it: no `OSError`."""


@dataclass
class Bare:
    """As little as a session may be: an answer has no headers."""

    status_code: int = 200
    body: object = None
    trouble: Exception | None = None

    def post(self, url: str, *, data: Mapping[str, str], headers: Mapping[str, str], timeout: float) -> Bare:
        if isinstance(self.trouble, Disconnected):
            raise Disconnected(f"cannot send {url} {dict(data)}")
        return self

    def json(self) -> object:
        if self.trouble is not None:
            raise self.trouble
        return self.body


def with_session(server: FakeGoogle, session: Session) -> OAuthCredentials:
    return OAuthCredentials(CLIENT_ID, CLIENT_SECRET, session, endpoints=endpoints(server))


SESSIONS: Final = [RequestsLike, HttpxLike, AlwaysFollowing]


@pytest.mark.parametrize("make", SESSIONS)
def test_a_session_of_the_callers_own_is_used(server: FakeGoogle, make: Callable[[], Session]) -> None:
    server.script("token", Reply(429, "", {"retry-after": "2"}), GOOD_TOKEN)
    assert with_session(server, make()).refresh_token("1//r")["access_token"] == "ya29.fake"
    assert server.transcript[0].form["refresh_token"] == "1//r"


@pytest.mark.parametrize("make", SESSIONS)
def test_no_token_is_believed_across_a_redirect(server: FakeGoogle, make: Callable[[], Session]) -> None:
    with FakeGoogle() as elsewhere:
        elsewhere.script("token", GOOD_TOKEN)
        server.script("token", redirect(elsewhere.token_url))
        with pytest.raises(TransportError, match="redirects") as raised:
            with_session(server, make()).refresh_token("1//r")
        assert not raised.value.retryable
        assert bool(elsewhere.transcript) == (make is AlwaysFollowing)


def test_the_least_session_is_enough(server: FakeGoogle) -> None:
    assert with_session(server, Bare(body=GOOD_TOKEN.body)).refresh_token("1//r")["access_token"] == "ya29.fake"


def test_the_failure_of_a_session_has_our_name_and_no_secret(server: FakeGoogle, clock: Clock) -> None:
    with pytest.raises(TransportError, match="Disconnected") as raised:
        with_session(server, Bare(trouble=Disconnected())).refresh_token("1//r")
    assert CLIENT_SECRET not in str(raised.value)
    assert "1//r" not in str(raised.value)
    for trouble in (ValueError("{ya29"), RecursionError()):
        with pytest.raises(MalformedResponse) as nonsense:
            with_session(server, Bare(trouble=trouble)).refresh_token("1//r")
        assert "ya29" not in str(nonsense.value)


def test_a_session_keeps_its_own_time_out(server: FakeGoogle) -> None:
    server.script("code", FAULTS["stall"])
    with pytest.raises(TransportError, match="did not answer in time"):
        with_session(server, UrllibSession(timeout=0.2)).get_code()


def test_a_requests_session_takes_the_proxies() -> None:
    session = RequestsLike()
    OAuthCredentials(CLIENT_ID, CLIENT_SECRET, session, {"https": "http://proxy.example"})
    assert session.proxies == {"http": "http://kept.example", "https": "http://proxy.example"}


# ---- the object itself ---------------------------------------------------------------------------


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
def test_what_can_never_work_is_refused_at_once(arguments: str) -> None:
    with pytest.raises((ValueError, TypeError), match=r"^(client_id|client_secret|proxies|session) ") as raised:
        OAuthCredentials(*json.loads(arguments))
    assert "secret." not in str(raised.value)


def test_a_scope_that_is_none_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"^scope is not printable"):
        OAuthCredentials(CLIENT_ID, CLIENT_SECRET, scope="")


def test_its_proxies_are_those_of_its_own_session(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[object] = []

    def refuse(proxies: object) -> None:
        given.append(proxies)
        raise TransportError("no proxy here", sent=False, retryable=False)

    monkeypatch.setattr("ytmusic_oauth.transport.UrllibSession", refuse)
    proxies = {"https": "http://proxy.example"}
    with pytest.raises(TransportError, match="no proxy here"):
        OAuthCredentials(CLIENT_ID, CLIENT_SECRET, proxies=proxies).get_code()
    assert given == [proxies]


def test_an_address_in_place_of_the_endpoints_is_refused() -> None:
    arguments = json.loads('{"endpoints": "https://oauth.example"}')
    with pytest.raises(TypeError, match="endpoints"):
        OAuthCredentials(CLIENT_ID, CLIENT_SECRET, **arguments)


def test_proxies_that_would_not_be_used_are_refused() -> None:
    with pytest.raises(ValueError, match="proxies go into the session"):
        OAuthCredentials(CLIENT_ID, CLIENT_SECRET, HttpxLike(), {"https": "http://proxy.example"})


def test_nothing_cannot_be_asked_for() -> None:
    with pytest.raises(ValueError, match="scope"):
        OAuthCredentials(CLIENT_ID, CLIENT_SECRET, scope=" ")


def test_no_repr_shows_a_secret() -> None:
    credentials = OAuthCredentials(CLIENT_ID, CLIENT_SECRET)
    assert repr(credentials) == f"OAuthCredentials(client_id={CLIENT_ID!r}, client_secret='[redacted]')"


def test_the_same_client_is_equal() -> None:
    credentials = OAuthCredentials(CLIENT_ID, CLIENT_SECRET)
    assert credentials == OAuthCredentials(CLIENT_ID, CLIENT_SECRET)
    assert credentials != OAuthCredentials(CLIENT_ID, "other-secret")
    assert credentials != OAuthCredentials("other", CLIENT_SECRET)


def sent_to_another_process(credentials: OAuthCredentials) -> OAuthCredentials:
    received: object = ForkingPickler.loads(ForkingPickler.dumps(credentials))
    assert isinstance(received, OAuthCredentials)
    return received


@pytest.mark.parametrize("used", [False, True], ids=["new", "used"])
@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, sent_to_another_process])
def test_a_copy_is_as_good_and_asks_nobody(
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


class Vault(Credentials):
    """Credentials of somebody's own making."""

    def get_code(self) -> AuthCodeDict:
        raise NotImplementedError

    def token_from_code(self, device_code: str) -> RefreshableTokenDict:
        raise NotImplementedError

    def refresh_token(self, refresh_token: str) -> BaseTokenDict:
        return {"access_token": f"new-for-{refresh_token}", "expires_in": 3599, "scope": SCOPE, "token_type": "Bearer"}


def test_credentials_of_ones_own_keep_a_token_fresh(clock: Clock) -> None:
    vault = Vault(CLIENT_ID, CLIENT_SECRET)
    token = RefreshingToken(vault, scope=SCOPE, token_type="Bearer", access_token="old", refresh_token="r")
    assert token.as_auth() == "Bearer new-for-r"
    assert CLIENT_SECRET not in repr(token.credentials)
