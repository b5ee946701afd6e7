# SPDX-License-Identifier: MIT
"""A fake of Google's OAuth server, for tests, for demos, and for ports to other languages.

Standard library only, and one file: copy it beside your own program, in whatever language that is.

    with FakeGoogle() as server:                  # on a free port of 127.0.0.1
        ...                                       # your program sends a request to server.device_code_url
        server.approve(server.user_codes()[0])    # the user confirms
        server.script("token", FAULTS["503"])     # the next response of the token endpoint
        server.requests_to("token")[-1].form      # what your program sent

    python fake_google.py --port 8080 --approve-after 10 --script token=stall

From top to bottom: the values; the faults to script; `Authority`, the logic of an OAuth server,
without a socket; `FakeGoogle`, which adds scripts, gates and the transcript; HTTP; the command
line. Every token is obviously fake.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import functools
import gzip
import html
import http.client
import http.server
import json
import math
import os
import re
import selectors
import signal
import socket
import socketserver
import ssl
import struct
import sys
import threading
import time
import traceback
import urllib.parse
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Final, Literal, Union, final

CLIENT_ID: Final = "fake-client.apps.googleusercontent.com"
CLIENT_SECRET: Final = "fake-secret"

# Path -> endpoint: the name that scripts, gates and the transcript use.
ENDPOINTS: Final[Mapping[str, str]] = {
    "/o/oauth2/device/code": "code",  # at www.youtube.com
    "/device/code": "code",  # at oauth2.googleapis.com
    "/token": "token",
    "/revoke": "revoke",
    "/device": "page",
    "/youtube/v3/channels": "api",
    "/transcript": "transcript",
}
_NAMES: Final = ", ".join(dict.fromkeys(ENDPOINTS.values()))


_URN_GRANT: Final = {"urn:ietf:params:oauth:grant-type:device_code": "device_code"}


@dataclass(frozen=True)
class Dialect:
    """How OAuth servers differ. The defaults follow the RFCs."""

    # Device grant type -> the name of its code parameter.
    grants: Mapping[str, str] = field(default_factory=lambda: _URN_GRANT)
    # Error -> HTTP status; 400 for any other error.
    statuses: Mapping[str, int] = field(default_factory=lambda: {"invalid_client": 401})
    # The keys of the verification page, and of the link that contains the user code.
    links: Sequence[str] = ("verification_uri", "verification_uri_complete")
    authenticates_everywhere: bool = True  # client_secret at every endpoint, not only the token endpoint
    revokes_every_grant: bool = False  # revoking one token ends every grant of its client
    unknown_token: str | None = None  # the error for revoking an unknown token; RFC 7009 2.2: none


_PENDING: Final = "authorization_pending"
RFC_DIALECT: Final = Dialect()
PENDING_AS_200_DIALECT: Final = Dialect(statuses={"invalid_client": 401, _PENDING: 200})
GOOGLE_DIALECT: Final = Dialect(
    grants={"http://oauth.net/grant_type/device/1.0": "code", **_URN_GRANT},
    statuses={"invalid_client": 401, _PENDING: 428, "slow_down": 403, "access_denied": 403},
    links=("verification_url",),
    authenticates_everywhere=False,
    revokes_every_grant=True,
    unknown_token="invalid_token",
)
DIALECTS: Final[Mapping[str, Dialect]] = {
    "google": GOOGLE_DIALECT,
    "rfc": RFC_DIALECT,
    "pending-as-200": PENDING_AS_200_DIALECT,
}


@dataclass(frozen=True)
class Client:
    """An OAuth client as in the console. Only the kind "device" is accepted."""

    secret: str
    kind: Literal["device", "web", "deleted", "unauthorized"] = "device"


_CLIENT_ERRORS: Final[Mapping[str, tuple[str, str]]] = {
    "web": ("invalid_client", "Invalid client type."),
    "deleted": ("deleted_client", "The OAuth client was deleted."),
    "unauthorized": ("unauthorized_client", "Unauthorized"),
}


@dataclass(frozen=True)
class Exchange:
    """A request and its response."""

    at: float  # the time on the server's clock
    method: str
    path: str
    query: str
    headers: Mapping[str, str]  # names in lower case, repeated values joined by commas
    form: Mapping[str, str]  # the last value of each name
    repeated: Sequence[str] = ()  # the names that occur more than once in the form
    status: int = 0  # 0: no response yet, or a `Raw`
    error: str = ""  # of the response


@dataclass(frozen=True)
class Reply:
    """A well-formed response, after `delay` real seconds. A mapping is sent as JSON.

    `applied`: the request is executed first, and its real response is lost.
    """

    status: int = 200
    body: bytes | str | Mapping[str, object] = b""
    headers: Mapping[str, str] = field(default_factory=dict)  # they override the default ones
    delay: float = 0.0
    applied: bool = False

    @property
    def error(self) -> str:
        """The OAuth error in the body, or ""."""
        error = self.body.get("error") if isinstance(self.body, Mapping) else None
        return error if isinstance(error, str) else ""

    def wire(self, connection: str) -> bytes:
        """Return the whole response, as it is sent."""
        text = json.dumps(dict(self.body)) if isinstance(self.body, Mapping) else self.body
        body = text.encode() if isinstance(text, str) else text
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "Cache-Control": "no-store",  # RFC 6749 5.1
            "Content-Length": str(len(body)),
            "Connection": connection,
            **{name.title(): value for name, value in self.headers.items()},
        }
        return _head(self.status, headers) + body


@dataclass(frozen=True)
class Raw:
    """A response byte by byte: a number is a wait in real seconds. Then the connection is closed.

    `reset`: it is closed with a TCP reset. `applied`: as in `Reply`.
    """

    pieces: Sequence[bytes | float] = ()
    reset: bool = False
    applied: bool = False
    status: ClassVar = 0  # in the transcript
    error: ClassVar = ""


HttpResponse = Union[Reply, Raw]


def _head(status: int, headers: Mapping[str, str]) -> bytes:
    lines = [f"HTTP/1.1 {status} {http.client.responses.get(status, 'Unknown')}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


# If possible, a fault is a successful token response with one defect: a client that accepts it
# has missed exactly that.
_TOKEN: Final = (
    b'{"access_token": "ya29.fake-spoiled", "expires_in": 3599, "token_type": "Bearer",'
    b' "scope": "https://www.googleapis.com/auth/youtube"}'
)
_CUT_SHORT: Final = _head(200, {"Content-Length": str(len(_TOKEN) + 1)}) + _TOKEN
_TEXT: Final = {"Content-Type": "text/plain"}
_HTML: Final = {"Content-Type": "text/html; charset=utf-8"}


def redirect(to: str, status: int = 307) -> Reply:
    """Return a redirect. 307 asks to send the same POST again, secrets included."""
    return Reply(status, "Over there.", {**_TEXT, "Location": to})


def drip(body: bytes = _TOKEN, every: float = 1.0) -> Raw:
    """Return a complete response, one byte every so many seconds."""
    head = _head(200, {"Content-Length": str(len(body))})
    return Raw([head, *(piece for byte in body for piece in (every, bytes([byte])))])


def applied(response: HttpResponse) -> HttpResponse:
    """Return the same response, but execute the request first: the token is rotated, and lost."""
    return dataclasses.replace(response, applied=True)


FAULTS: Final[Mapping[str, HttpResponse]] = {
    **{str(code): Reply(code, "Not now.", _TEXT) for code in (408, 500, 502, 503, 504)},
    "429": Reply(429, "Too many.", {**_TEXT, "Retry-After": "7"}),
    "rate-limit": Reply(403, {"error_code": "rate_limit_exceeded"}),
    "redirect": redirect("/elsewhere"),
    "stall": Raw([math.inf]),
    "stall-in-body": Raw([_CUT_SHORT, math.inf]),
    "drip": drip(),
    "hang-up": Raw(),
    "reset": Raw(reset=True),
    "answer-lost": Raw(reset=True, applied=True),
    "truncated": Raw([_CUT_SHORT]),
    "truncated-chunks": Raw([_head(200, {"Transfer-Encoding": "chunked"}), b"%x\r\n%b\r\n" % (len(_TOKEN), _TOKEN)]),
    "not-http": Raw([b"SSH-2.0-fake\r\n"]),
    "empty": Reply(),
    "html": Reply(200, "<!doctype html><title>Wi-Fi</title>Please log in.", _HTML),
    "not-utf-8": Reply(200, _TOKEN.replace(b"spoiled", b"\xff")),
    "not-an-object": Reply(200, b"[" + _TOKEN + b"]"),
    "nested": Reply(200, b"[" * 500_000),
    "huge": Raw([_head(200, {}), *[b" " * 2**20] * 64, _TOKEN]),
    # After 64 MiB, nothing more comes. A client that reads all of it before it looks at the length waits for ever.
    "endless": Raw([_head(200, {}), *[b" " * 2**20] * 64, math.inf]),
    "endless-length": Raw([_head(200, {"Content-Length": str(2**27)}), *[b" " * 2**20] * 64, math.inf]),
    "endless-chunks": Raw(
        [_head(200, {"Transfer-Encoding": "chunked"}), *[b"100000\r\n%b\r\n" % (b" " * 2**20)] * 64, math.inf]
    ),
    "gzip-unasked": Reply(200, gzip.compress(_TOKEN), {"Content-Encoding": "gzip"}),
    "many-headers": Reply(200, _TOKEN, {f"X-Fake-{n}": "x" for n in range(1000)}),
    "token-in-500": Reply(500, _TOKEN),
}


class _ErrorResponse(Exception):
    """An OAuth error and its description; the dialect adds the status."""


def _required(form: Mapping[str, str], name: str) -> str:
    if not form.get(name):
        raise _ErrorResponse("invalid_request", f"Missing required parameter: {name}")
    return form[name]


@dataclass
class _Login:
    """A device code. Its states are kept as the times at which they begin."""

    user_code: str
    client_id: str
    scope: str
    interval: float
    expires_at: float
    approved_at: float
    denied_at: float = math.inf
    polled_at: float = -math.inf
    grant: _Grant | None = None  # once it is redeemed

    def error(self, now: float) -> str:
        """Return the error of a poll at this time; "" means a token."""
        if now >= self.expires_at:
            return "expired_token"
        if now >= self.denied_at:
            return "access_denied"
        return "" if now >= self.approved_at else _PENDING


@dataclass
class _Grant:
    """One consent, and all tokens that were issued for it."""

    client_id: str
    scope: str
    refresh_token: str = ""  # the valid one
    refresh_ends_at: float = math.inf
    revoked: bool = False


_PAGE: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Connect a device</title></head><body>
<h1>Connect a device to a fake account</h1><p>{message}</p>
<form method="post" action="/device">
<p><label>Code: <input name="user_code" value="{user_code}" autocomplete="off"></label></p>
<p><input type="submit" name="decision" value="Allow">
<input type="submit" name="decision" value="Deny"></p>
</form></body></html>
"""


def _page(status: int, message: str, user_code: str) -> Reply:
    page = _PAGE.format(message=html.escape(message), user_code=html.escape(user_code))
    return Reply(status, page, _HTML)


@dataclass(eq=False, repr=False)
class Authority:
    """The logic of an OAuth server: clients, logins, grants and tokens. Thread-safe.

    Lifetimes are seconds on `clock`. The public fields may be changed between two requests.
    """

    clock: Callable[[], float] = time.monotonic
    dialect: Dialect = GOOGLE_DIALECT
    clients: Mapping[str, Client] = field(default_factory=lambda: {CLIENT_ID: Client(CLIENT_SECRET)})
    code_lifetime: float = 1800
    interval: float | None = 5  # None: the response omits it, and 5 applies (RFC 8628 3.2)
    token_lifetime: float = 3599
    refresh_token_lifetime: float | None = None  # Google's is 604799 for an app in "Testing"
    rotate: bool = False  # a refresh returns a new refresh token and invalidates the old one
    revoke_on_code_reuse: bool = False  # polling with a redeemed code revokes its grant
    approve_after: float | None = None  # approve each code after so many seconds, without a user

    def __post_init__(self) -> None:
        self.url = ""  # set while it is served
        self._changed = threading.Condition()  # guards the fields that start with an underscore
        self._minted: Counter[str] = Counter()
        self._logins: dict[str, _Login] = {}  # by device code
        self._grants: dict[str, _Grant] = {}  # by refresh token, rotated ones too
        self._access: dict[str, tuple[_Grant, float]] = {}  # by access token, with its expiry

    def user_codes(self) -> list[str]:
        """Return the codes that wait for the user, the oldest first."""
        with self._changed:
            return [login.user_code for login in self._waiting()]

    def approve(self, user_code: str) -> None:
        """Confirm a code as the user. Raises `LookupError` if no such code is waiting."""
        with self._changed:
            self._login(user_code).approved_at = self.clock()

    def deny(self, user_code: str) -> None:
        """Deny a code as the user. Raises `LookupError` if no such code is waiting."""
        with self._changed:
            self._login(user_code).denied_at = self.clock()

    def expire(self, user_code: str) -> None:
        """Expire a code now. Raises `LookupError` if no such code is waiting."""
        with self._changed:
            self._login(user_code).expires_at = self.clock()

    def expire_access_tokens(self) -> None:
        """Expire every access token now."""
        with self._changed:
            now = self.clock()
            self._access = {token: (grant, now) for token, (grant, _) in self._access.items()}

    def revoke(self, token: str) -> None:
        """Revoke the grant of a valid token of either kind, as the user. Raises `LookupError`."""
        with self._changed:
            revoked = self._grant_of(token)
            if revoked is None:
                raise LookupError(f"No grant has the token {token!r}.")
            for grant in self._grants.values():
                same_client = grant.client_id == revoked.client_id
                if grant is revoked or (same_client and self.dialect.revokes_every_grant):
                    grant.revoked = True

    def is_live(self, access_token: str) -> bool:
        """Whether the API would accept it."""
        with self._changed:
            grant, ends_at = self._access.get(access_token, (None, 0.0))
            return grant is not None and not grant.revoked and self.clock() < ends_at

    def can_refresh(self, refresh_token: str) -> bool:
        """Whether its client could use it for a refresh."""
        with self._changed:
            grant = self._grants.get(refresh_token)
            if grant is None or grant.revoked or grant.refresh_token != refresh_token:
                return False
            return self.clock() < grant.refresh_ends_at

    def answer(self, request: Exchange) -> Reply:
        """Execute a request, and return the response of a correct server."""
        handlers: Mapping[tuple[str, str | None], Callable[[Exchange], Reply]] = {
            ("POST", "code"): self._handle_code,
            ("POST", "token"): self._handle_token,
            ("POST", "revoke"): self._handle_revoke,
            ("GET", "page"): self._handle_page,
            ("POST", "page"): self._handle_decision,
            ("GET", "api"): self._handle_api,
            ("POST", "api"): self._handle_api,
        }
        endpoint = ENDPOINTS.get(request.path)
        handler = handlers.get((request.method, endpoint))
        if handler is None:
            allow = ", ".join(method for method, name in handlers if name == endpoint)
            headers = {"Allow": allow} if allow else {}
            return Reply(405 if allow else 404, {"error": "invalid_request"}, headers)
        try:
            media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
            if request.method == "POST" and media_type != "application/x-www-form-urlencoded":
                raise _ErrorResponse("invalid_request", f"Not a form: {media_type}")
            if request.repeated:  # RFC 6749 3.2; the text is Google's
                text = f"OAuth 2 parameters can only have a single value: {request.repeated[0]}"
                raise _ErrorResponse("invalid_request", text)
            with self._changed:
                return handler(request)
        except _ErrorResponse as response:
            error, description = response.args
            body = {"error": error, "error_description": description}
            return Reply(self.dialect.statuses.get(error, 400), body)

    def _handle_code(self, request: Exchange) -> Reply:
        client_id = self._client(request.form, self.dialect.authenticates_everywhere)
        scope = request.form.get("scope", "").strip()
        if not scope:
            raise _ErrorResponse("invalid_scope", "Missing required parameter: scope")
        device_code, user_code = self._mint("AH-fake-device-{}"), self._mint("ABCD-{:04}")
        now, page = self.clock(), f"{self.url}/device"
        self._logins[device_code] = _Login(
            user_code=user_code,
            client_id=client_id,
            scope=scope,
            interval=5 if self.interval is None else self.interval,
            expires_at=now + self.code_lifetime,
            approved_at=now + (math.inf if self.approve_after is None else self.approve_after),
        )
        links = zip(self.dialect.links, (page, f"{page}?user_code={user_code}"))
        body = {"device_code": device_code, "user_code": user_code, **dict(links)}
        interval = {} if self.interval is None else {"interval": self.interval}
        return Reply(200, {**body, "expires_in": self.code_lifetime, **interval})

    def _handle_token(self, request: Exchange) -> Reply:
        client_id = self._client(request.form, True)
        grant_type = _required(request.form, "grant_type")
        if grant_type == "refresh_token":
            return self._refresh(client_id, _required(request.form, "refresh_token"))
        if grant_type in self.dialect.grants:
            parameter = self.dialect.grants[grant_type]
            return self._poll(client_id, _required(request.form, parameter))
        raise _ErrorResponse("unsupported_grant_type", f"Invalid grant_type: {grant_type}")

    def _poll(self, client_id: str, device_code: str) -> Reply:
        login, now = self._logins.get(device_code), self.clock()
        if login is None or login.client_id != client_id:
            raise _ErrorResponse("invalid_grant", "Malformed auth code.")
        if login.grant is not None:
            login.grant.revoked |= self.revoke_on_code_reuse
            raise _ErrorResponse("invalid_grant", "Code was already redeemed.")
        error, waited = login.error(now), now - login.polled_at
        login.polled_at = now
        # Minus a millionth, because floats round.
        if error != "expired_token" and waited < login.interval - 1e-6:
            # RFC 8628 3.5: "the interval MUST be increased by 5 seconds for this and all
            # subsequent requests".
            login.interval += 5
            error = "slow_down"
        if error:
            raise _ErrorResponse(error, f"The login with {login.user_code}: {error}")
        login.grant = _Grant(client_id, login.scope)
        return self._issue(login.grant, with_refresh_token=True)

    def _refresh(self, client_id: str, refresh_token: str) -> Reply:
        grant = self._grants.get(refresh_token)
        if grant is None:
            raise _ErrorResponse("invalid_grant", "Bad Request")
        if grant.client_id != client_id:
            raise _ErrorResponse("unauthorized_client", "Unauthorized")
        # A rotated token was used again, so one of the two clients has stolen it. It is unknown
        # which, so all tokens of the grant are revoked (RFC 9700 4.14.2).
        grant.revoked |= refresh_token != grant.refresh_token
        if not self.can_refresh(refresh_token):
            raise _ErrorResponse("invalid_grant", "Token has been expired or revoked.")
        return self._issue(grant, with_refresh_token=self.rotate)

    def _handle_revoke(self, request: Exchange) -> Reply:
        authenticates = self.dialect.authenticates_everywhere
        client_id = self._client(request.form, True) if authenticates else None
        token = _required(request.form, "token")
        grant = self._grant_of(token)
        if grant is not None and client_id not in (None, grant.client_id):
            raise _ErrorResponse("unauthorized_client", "Unauthorized")
        if grant is not None:
            self.revoke(token)
        elif self.dialect.unknown_token is not None:
            raise _ErrorResponse(self.dialect.unknown_token, "Token expired or revoked")
        return Reply(200, {})

    def _handle_page(self, request: Exchange) -> Reply:
        user_code = dict(urllib.parse.parse_qsl(request.query)).get("user_code", "")
        return _page(200, "Is this the code that the device shows?", user_code)

    def _handle_decision(self, request: Exchange) -> Reply:
        user_code = request.form.get("user_code", "").strip()
        decide = self.approve if request.form.get("decision") == "Allow" else self.deny
        try:
            decide(user_code)
        except LookupError as exc:
            return _page(404, str(exc), user_code)
        return _page(200, f"Done with {user_code}: go back to the device.", "")

    def _handle_api(self, request: Exchange) -> Reply:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and self.is_live(token):
            return Reply(200, {"kind": "youtube#channelListResponse", "items": []})
        message = "Request had invalid authentication credentials."
        error = {"code": 401, "message": message, "status": "UNAUTHENTICATED"}
        return Reply(401, {"error": error}, {"WWW-Authenticate": 'Bearer error="invalid_token"'})

    def _client(self, form: Mapping[str, str], authenticates: bool) -> str:
        client_id = _required(form, "client_id")
        client = self.clients.get(client_id)
        if client is None:
            raise _ErrorResponse("invalid_client", "The OAuth client was not found.")
        if client.kind != "device":
            raise _ErrorResponse(*_CLIENT_ERRORS[client.kind])
        if authenticates and _required(form, "client_secret") != client.secret:
            raise _ErrorResponse("invalid_client", "The provided client secret is invalid.")
        return client_id

    def _issue(self, grant: _Grant, *, with_refresh_token: bool) -> Reply:
        now, access_token = self.clock(), self._mint("ya29.fake-access-{}")
        self._access[access_token] = (grant, now + self.token_lifetime)
        body: dict[str, object] = {"access_token": access_token, "expires_in": self.token_lifetime}
        if with_refresh_token:
            grant.refresh_token = body["refresh_token"] = self._mint("1//fake-refresh-{}")
            self._grants[grant.refresh_token] = grant
            if self.refresh_token_lifetime is not None:
                grant.refresh_ends_at = now + self.refresh_token_lifetime
        if grant.refresh_ends_at < math.inf:
            body["refresh_token_expires_in"] = round(grant.refresh_ends_at - now)
        return Reply(200, {**body, "scope": grant.scope, "token_type": "Bearer"})

    def _grant_of(self, token: str) -> _Grant | None:
        if self.can_refresh(token):
            return self._grants[token]
        return self._access[token][0] if self.is_live(token) else None

    def _waiting(self) -> list[_Login]:
        now, logins = self.clock(), self._logins.values()
        return [login for login in logins if login.error(now) == _PENDING]

    def _login(self, user_code: str) -> _Login:
        for login in self._waiting():
            if login.user_code == user_code:
                return login
        raise LookupError(f"No device waits for the code {user_code!r}.")

    def _mint(self, pattern: str) -> str:
        self._minted[pattern] += 1
        return pattern.format(self._minted[pattern])


@final
@dataclass(eq=False, repr=False)
class FakeGoogle(Authority):
    """An `Authority` behind HTTP, with scripts, gates and a transcript. It runs in a `with` block.

    An `endpoint` is a name in `ENDPOINTS`, or any path. Leaving the block closes all connections at
    once, stalled ones too.
    """

    host: str = "127.0.0.1"
    port: int = 0  # 0: any free port
    ssl_context: ssl.SSLContext | None = None  # for https
    log: Callable[[str], None] | None = None  # gets a line for each response, in the thread that sends it

    def __post_init__(self) -> None:
        super().__post_init__()
        self._transcript: list[Exchange] = []
        self._scripts: defaultdict[str, deque[HttpResponse]] = defaultdict(deque)
        self._gates: list[str] = []
        self._closing = threading.Event()

    def __enter__(self) -> FakeGoogle:
        self._listener = _Listener(self)
        self.port = self._listener.server_address[1]
        self.url = f"http{'s' if self.ssl_context else ''}://{self.host}:{self.port}"
        self.device_code_url = f"{self.url}/o/oauth2/device/code"
        self.token_url = f"{self.url}/token"
        self.revoke_url = f"{self.url}/revoke"
        self.verification_url = f"{self.url}/device"
        self.api_url = f"{self.url}/youtube/v3/channels"
        self._end, end = socket.socketpair()
        self._accepting = threading.Thread(target=self._listener.accept_until, args=(end,), daemon=True)
        self._accepting.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        with self._changed:
            self._changed.notify_all()
        with self._end, contextlib.suppress(OSError):  # it has ended before
            self._end.send(b"end")  # a child of a fork may have it open, too: closing is not enough
        self._accepting.join()
        self._listener.server_close()

    def script(self, endpoint: str, *responses: HttpResponse) -> None:
        """Send these responses to the next requests to `endpoint`, one each."""
        with self._changed:
            self._scripts[_name(endpoint)].extend(responses)

    @contextlib.contextmanager
    def hold(self, endpoint: str) -> Iterator[None]:
        """Hold requests to `endpoint` until the end of the block."""
        with self._changed:
            self._gates.append(_name(endpoint))
        try:
            yield
        finally:
            with self._changed:
                self._gates.remove(_name(endpoint))
                self._changed.notify_all()

    @property
    def transcript(self) -> list[Exchange]:
        """The requests so far, in order; held and stalled ones too."""
        with self._changed:
            return list(self._transcript)

    def requests_to(self, endpoint: str) -> list[Exchange]:
        """Return the requests to `endpoint`."""
        name = _name(endpoint)
        return [each for each in self.transcript if ENDPOINTS.get(each.path, each.path) == name]

    def wait_for_requests(self, n: int, endpoint: str, timeout: float = 10.0) -> None:
        """Wait until `endpoint` has got `n` requests in all. Raises `TimeoutError`."""
        with self._changed:
            if not self._changed.wait_for(lambda: len(self.requests_to(endpoint)) >= n, timeout):
                raise TimeoutError(f"not {n} requests to {endpoint!r} in {timeout} s")

    def answer(self, request: Exchange) -> Reply:
        """As in `Authority`, and the transcript."""
        if (request.method, request.path) != ("GET", "/transcript"):
            return super().answer(request)
        others = [dataclasses.asdict(each) for each in self.transcript if each.path != request.path]
        return Reply(200, {"transcript": others})

    def respond(self, request: Exchange) -> HttpResponse:
        """Record a request, and return its response: the scripted one, or else the real one."""
        name = ENDPOINTS.get(request.path, request.path)
        with self._changed:
            number = len(self._transcript)
            self._transcript.append(request)
            self._changed.notify_all()
            self._changed.wait_for(lambda: name not in self._gates or self._closing.is_set())
            self.pause(0)
            response = self._scripts[name].popleft() if self._scripts[name] else None
            if response is None or response.applied:
                real = self.answer(request)
                response = real if response is None else response
            done = dataclasses.replace(request, status=response.status, error=response.error)
            self._transcript[number] = done
        if self.log is not None:
            self.log(f"{done.method} {done.path} -> {done.status or 'raw'} {done.error}".rstrip())
        return response

    def pause(self, seconds: float) -> None:
        """Wait for real seconds, but not longer than the server runs."""
        if self._closing.wait(min(seconds, threading.TIMEOUT_MAX)):
            raise ConnectionAbortedError("the fake is closing")


def _name(endpoint: str) -> str:
    """Return the name of an endpoint that is given by its name or path; other paths are their own names."""
    if endpoint in ENDPOINTS.values() or endpoint.startswith("/"):
        return ENDPOINTS.get(endpoint, endpoint)
    raise ValueError(f"{endpoint!r} is neither a path nor one of {_NAMES}")


class _Listener(http.server.ThreadingHTTPServer):
    """Accepts connections and keeps track of them."""

    daemon_threads = True
    request_queue_size = 128  # a burst of threads must not be refused
    timeout = 0  # of `handle_request`

    def __init__(self, fake: FakeGoogle) -> None:
        self.ssl_context = fake.ssl_context
        self.open: list[socket.socket] = []
        self.changed = threading.Condition()  # guards `open`
        super().__init__((fake.host, fake.port), functools.partial(_RequestHandler, fake))

    def accept_until(self, end: socket.socket) -> None:
        """Accept connections until something arrives at `end`. Unlike `serve_forever`, this polls nothing."""
        with end, selectors.DefaultSelector() as selector:
            selector.register(self, selectors.EVENT_READ)
            selector.register(end, selectors.EVENT_READ)
            while end not in [key.fileobj for key, _ in selector.select()]:
                self.handle_request()

    def server_bind(self) -> None:
        # Not HTTPServer's, which looks the host name up in the DNS.
        socketserver.TCPServer.server_bind(self)

    def get_request(self) -> tuple[socket.socket, tuple[str, int]]:
        connection, address = super().get_request()
        if self.ssl_context is not None:
            # A client may stall in the handshake too, so the handler's thread does it.
            wrap = functools.partial(self.ssl_context.wrap_socket, do_handshake_on_connect=False)
            connection = wrap(connection, server_side=True)
        with self.changed:
            self.open.append(connection)
        return connection, address

    def shutdown_request(self, request: socket.socket | tuple[bytes, socket.socket]) -> None:
        super().shutdown_request(request)
        with self.changed:
            self.open = [each for each in self.open if each is not request]
            self.changed.notify_all()

    def server_close(self) -> None:
        super().server_close()
        with self.changed:
            for connection in self.open:
                with contextlib.suppress(OSError):  # SSLSocket's own would drop its state while a thread reads
                    socket.socket.shutdown(connection, socket.SHUT_RDWR)
            self.changed.wait_for(lambda: not self.open, timeout=5.0)

    def handle_error(self, request: object, client_address: object) -> None:
        # A client may hang up. Anything else is a bug in this file, and is shown.
        if not isinstance(sys.exc_info()[1], OSError):
            traceback.print_exc()


class _RequestHandler(http.server.BaseHTTPRequestHandler):
    """Handles HTTP/1.1 on one connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def __init__(self, fake: FakeGoogle, request: socket.socket, address: object, server: _Listener) -> None:
        self.fake: Final = fake
        super().__init__(request, address, server)

    def setup(self) -> None:
        if isinstance(self.request, ssl.SSLSocket):
            self.request.do_handshake()
        super().setup()

    def log_message(self, *_: object) -> None:
        """Log nothing: `FakeGoogle.log` does."""

    def do_GET(self) -> None:
        length = self.headers.get("Content-Length", "0")
        if "Transfer-Encoding" in self.headers or not re.fullmatch("[0-9]{1,6}", length):
            self.close_connection = True  # the unread body would be taken for the next request
            self.send(Reply(413, {"error": "invalid_request"}))
            return
        body = self.rfile.read(int(length))
        if len(body) < int(length):
            raise ConnectionAbortedError("the client left in the middle of its request")
        # A proxy gets the whole URL.
        path, _, query = re.sub("^https?://[^/]*", "", self.path).partition("?")
        headers = {n.lower(): ", ".join(self.headers.get_all(n, [])) for n in self.headers}
        form = urllib.parse.parse_qsl(body.decode(errors="replace"), keep_blank_values=True)
        repeated = [name for name, count in Counter(name for name, _ in form).items() if count > 1]
        at = self.fake.clock()
        request = Exchange(at, self.command, path, query, headers, dict(form), repeated)
        self.send(self.fake.respond(request))

    do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = do_GET

    def send(self, response: HttpResponse) -> None:
        if isinstance(response, Reply):
            self.fake.pause(response.delay)
            self.wfile.write(response.wire("close" if self.close_connection else "keep-alive"))
            return
        self.close_connection = True
        for piece in response.pieces:
            if isinstance(piece, bytes):
                self.wfile.write(piece)
            else:
                self.fake.pause(piece)
        if response.reset:
            linger = struct.pack("hh" if os.name == "nt" else "ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            # Closed here, because the listener would shut it down properly first.
            socket.close(self.connection.detach())


def _scripted(text: str) -> tuple[str, HttpResponse]:
    endpoint, _, fault = text.partition("=")
    try:
        return _name(endpoint), FAULTS[fault]
    except (ValueError, KeyError):
        raise argparse.ArgumentTypeError(f"{text!r} is not ENDPOINT=FAULT") from None


def main(argv: Sequence[str] | None = None) -> int:
    """Run the server until it is interrupted."""
    parser = argparse.ArgumentParser(
        description="A fake of Google's OAuth server.",
        epilog=f"An ENDPOINT is a path, or one of {_NAMES}. A FAULT is one of {', '.join(FAULTS)}.",
    )
    add = parser.add_argument
    seconds = functools.partial(add, metavar="SECONDS", type=int)
    add("--host", default=FakeGoogle.host)
    add("--port", type=int, default=FakeGoogle.port, help="any free one, if it isn't given")
    seconds("--interval", default=FakeGoogle.interval, help="between two polls of a code")
    seconds("--code-lifetime", default=FakeGoogle.code_lifetime)
    seconds("--token-lifetime", default=FakeGoogle.token_lifetime)
    seconds("--refresh-token-lifetime", help="for ever, if it isn't given")
    add("--rotate", action="store_true", help="a refresh returns a new refresh token")
    add("--dialect", choices=DIALECTS, default="google")
    seconds("--approve-after", help="approve each code by itself when it is so old")
    spoil = "spoil the next response of an endpoint; repeat for the one after that"
    add("--script", type=_scripted, action="append", metavar="ENDPOINT=FAULT", help=spoil)
    options = vars(parser.parse_args(argv))
    options["dialect"] = DIALECTS[options["dialect"]]
    scripts: Sequence[tuple[str, HttpResponse]] = options.pop("script") or ()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have set it to be ignored

    def write(line: str) -> None:
        print(f"{line}\n", end="", flush=True)  # in one piece, because other threads print too

    try:
        with FakeGoogle(log=write, **options) as server:
            for endpoint, fault in scripts:
                server.script(endpoint, fault)
            write(f"device code    {server.device_code_url}")
            write(f"token          {server.token_url}")
            write(f"revoke         {server.revoke_url}")
            write(f"API            {server.api_url}")
            write(f"transcript     {server.url}/transcript")
            write(f"client id      {CLIENT_ID}")
            write(f"client secret  {CLIENT_SECRET}")
            write(f"approve at     {server.verification_url}")
            if options["dialect"] is DIALECTS["rfc"]:  # the others need a client file, too
                write("\nTo log in:\n")
                write(f"export YTMUSIC_OAUTH_CLIENT_ID={CLIENT_ID} YTMUSIC_OAUTH_CLIENT_SECRET={CLIENT_SECRET}")
                urls = f"{server.device_code_url} {server.token_url} {server.revoke_url}"
                write(f"python3 -m ytmusic_oauth login --scope music --endpoints {urls}")
            while True:
                time.sleep(3600)  # Ctrl-C ends this wait on every system
    except KeyboardInterrupt:
        return 0
    except OSError as exc:
        parser.exit(1, f"{exc}\n")


if __name__ == "__main__":
    sys.exit(main())
