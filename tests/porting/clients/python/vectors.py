# SPDX-License-Identifier: MIT
"""The results of our own library for the vectors.

Nothing is sent, and nothing waits. `http.client` is intercepted where it would connect, with the complete request, and
gets an HTTP response to read; the clocks are fake. Everything between those two is the library as it is.
"""

from __future__ import annotations

import io
import os
import random
import socket
import ssl
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from http.client import HTTPResponse
from pathlib import Path
from typing import Final, NamedTuple
from unittest.mock import patch
from urllib.parse import SplitResult

from ytmusic_oauth import (
    GOOGLE,
    YOUTUBE,
    Endpoints,
    OAuthCredentials,
    OAuthToken,
    RefreshingToken,
    UrllibSession,
    _http,
    _refresher,
    _store_access,
    credentials,
    session,
    token,
)
from ytmusic_oauth._validation import client_authentication, extra_parameters
from ytmusic_oauth.exceptions import OAuthError
from ytmusic_oauth.models import AuthCodeDict, LinkedAuthCodeDict
from ytmusic_oauth.protocol import OAUTH_SCOPE, verification_link

from .cycle import cycle_result, decide_result
from .errors import Object, described
from .reading import NOW, TOKEN, as_bytes, as_list, as_object, as_seconds, joined, text_at, whole_at

__all__ = ["result_of"]

# For all requests: to load the certificates of this machine takes longer than anything that a vector is about.
CONTEXT: Final = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
# The defaults of the vectors; vectors/README.md has the same table.
RFC: Final[Object] = {
    "device_code_url": "https://auth.example/device",
    "token_url": "https://auth.example/token",
    "revoke_url": "https://auth.example/revoke",
}
CODE: Final[Object] = {
    "device_code": "AH-1Ng",
    "user_code": "GQVQ-JKEC",
    "expires_in": 1800,
    "interval": 5,
    "verification_url": "https://www.google.com/device",
}
SUCCESS: Final[Mapping[str, Object]] = {
    "device_authorization": {"json": CODE},
    "token": {"json": {"access_token": "ya29.new", "refresh_token": "1//new"}},
    "refresh": {"json": {"access_token": "ya29.new"}},
    "revocation": {},
}


def result_of(kind: str, given: Object) -> object:
    """Return the result of one vector. Raises `LookupError` for an unknown kind."""
    try:
        return _KINDS[kind](given)
    except OAuthError as error:
        return described(error)
    except ValueError:
        return {"raises": "invalid_argument"}


# ---- a fake network and fake clocks --------------------------------------------------------------


class _Response(HTTPResponse):
    """A response that is read from memory."""

    def __init__(self, raw: bytes) -> None:
        with socket.socket() as unconnected:
            super().__init__(unconnected, method="POST")
        self.fp.close()
        self.fp = io.BufferedReader(io.BytesIO(raw))
        self.begin()


class _Sent(NamedTuple):
    """A request that the library sent."""

    method: str
    url: str
    form: bytes
    headers: Mapping[str, str]


class _World:
    """Replaces the module `time` and the network: each request gets the next of `responses`, and then `default`."""

    def __init__(self, responses: Iterable[object], default: Object, wall: float = NOW) -> None:
        self.wall = wall
        self.steady = 0.0
        self.waits: list[float] = []
        self.requests: list[_Sent] = []
        self.sent_at: list[float] = []
        self._responses: Iterator[object] = iter(responses)
        self._default = self._given = default

    def time(self) -> float:
        return self.wall

    def monotonic(self) -> float:
        return self.steady

    def sleep(self, seconds: float) -> None:
        self.waits.append(round(seconds, 3))
        self.advance(seconds)

    def advance(self, seconds: float) -> None:
        self.wall += seconds
        self.steady += seconds

    def send(self, server: SplitResult, method: str, path: str, form: bytes, headers: Mapping[str, str]) -> None:
        url = f"{server.scheme}://{server.netloc}{path}"
        self.requests.append(_Sent(method, url, form, {name.lower(): value for name, value in headers.items()}))
        self.sent_at.append(round(self.steady, 3))
        given = as_object(next(self._responses, self._default))
        self.advance(as_seconds(given.get("duration", 0)))
        self.wall += as_seconds(given.get("clock_change", 0))
        self._given = given
        if given.get("failure") == "unreachable":
            raise ConnectionRefusedError
        if given.get("failure") == "untrusted":
            error = ssl.SSLCertVerificationError()
            error.verify_code, error.verify_message = 19, "self-signed certificate in certificate chain"
            raise _http._untrusted(error, server.netloc)

    def receive(self) -> HTTPResponse:
        given = self._given
        if given.get("failure") == "no_response":
            raise TimeoutError
        body = as_bytes(given)
        headers = {"Content-Type": "application/json", "Content-Length": len(body)}
        headers.update(as_object(given.get("headers", {})))
        lines = [
            f"HTTP/1.1 {whole_at(given, 'status', 200)} ",
            *(f"{name}: {value}" for name, value in headers.items()),
        ]
        return _Response("\r\n".join([*lines, "", ""]).encode("latin-1") + body)

    @contextmanager
    def entered(self, jitter: float = 0.5) -> Iterator[None]:
        """Patch the library; `jitter` is where a random number falls between its minimum (0) and its maximum (1)."""
        with ExitStack() as stack:
            for module in (credentials, session, token, _refresher, _store_access):
                stack.enter_context(patch.object(module, "time", self))
            stack.enter_context(patch.object(random, "uniform", lambda least, most: least + (most - least) * jitter))
            stack.enter_context(
                patch.object(_http._Connection, "request", lambda link, *sent: self.send(link._server, *sent))
            )
            stack.enter_context(patch.object(_http._Connection, "getresponse", lambda _: self.receive()))
            yield


def _endpoints(given: object) -> Endpoints:
    if given == "youtube":
        return YOUTUBE
    if given == "google":
        return GOOGLE
    urls = RFC if given == "rfc" else as_object(given)
    return Endpoints(
        text_at(urls, "device_code_url", ""),
        text_at(urls, "token_url", ""),
        text_at(urls, "revoke_url", "") if "revoke_url" in urls else None,
        client_authentication=client_authentication(urls.get("client_authentication", "post")),
        device_grant=text_at(urls, "device_grant", Endpoints.device_grant),
        device_code_parameter=text_at(urls, "device_code_parameter", Endpoints.device_code_parameter),
        authenticate_everywhere=bool(urls.get("authenticate_everywhere", True)),
        rotates_refresh_tokens=bool(urls.get("rotates_refresh_tokens", True)),
        is_google=bool(urls.get("is_google", False)),
    )


def _credentials(given: Object) -> OAuthCredentials:
    return OAuthCredentials(
        text_at(given, "client_id", "the-id"),
        text_at(given, "client_secret", "the-secret"),
        UrllibSession({}, ssl_context=CONTEXT),
        endpoints=_endpoints(given.get("endpoints", "rfc")),
        scope=text_at(given, "scope", OAUTH_SCOPE),
        parameters=extra_parameters(given.get("parameters", {})),
    )


def _call(name: str, given: Object) -> object:
    credentials = _credentials(given)
    if name == "device_authorization":
        return credentials.get_code()
    if name == "token":
        return credentials.token_from_code(text_at(given, "device_code", "AH-1Ng"))
    if name == "refresh":
        return credentials.refresh_token(text_at(given, "token", "1//held"))
    assert name == "revocation"
    credentials.revoke_token(text_at(given, "token", "1//held"))
    return None


def _token(given: Object) -> RefreshingToken:
    values = {**TOKEN, **given}
    return RefreshingToken(
        _credentials({}),
        scope=text_at(values, "scope", ""),
        token_type=text_at(values, "token_type", ""),
        access_token=text_at(values, "access_token", ""),
        refresh_token=text_at(values, "refresh_token", ""),
        expires_at=whole_at(values, "expires_at", 0),
        expires_in=whole_at(values, "expires_in", 0),
    )


# ---- one function for each kind of vector --------------------------------------------------------


def _requests(given: Object) -> object:
    call = text_at(given, "call", "")
    world = _World([], SUCCESS[call])
    with world.entered():
        _call(call, given)
    [request] = world.requests
    if "header" in given:
        return request.headers.get(text_at(given, "header", "").lower())
    return {request.method.lower(): request.url, "form": sorted(request.form.decode("ascii").split("&"))}


def _endpoint_urls(given: Object) -> object:
    _endpoints({**RFC, **given})
    return "accepted"


def _responses(given: Object) -> object:
    world = _World([given] * 3, {}, as_seconds(given.get("requested_at", NOW)))
    with world.entered():
        return _call(text_at(given, "call", ""), given)


def _malformed_responses(given: Object) -> object:
    try:
        return _responses(given)
    except OAuthError as error:
        return {part: value for part, value in described(error).items() if part != "key"}


def _redaction(given: Object) -> object:
    field = text_at(given, "field", "error_description")
    body = {**as_object(given.get("beside", {})), "error": "invalid_scope", field: joined(given["server_text"])}
    try:
        return _responses({"call": "refresh", **given, "status": 400, "json": body})
    except OAuthError as error:
        return described(error).get(field)


def _expiry(given: Object) -> object:
    world = _World([], SUCCESS["refresh"])
    world.wall, world.steady = map(as_seconds, as_list(given["loaded_at"]))
    with world.entered():
        token = _token(given)
        world.wall, world.steady = map(as_seconds, as_list(given["now"]))
        seconds_left = token._snapshot.valid.seconds_left(world.wall, world.steady)
        expiring: object = token.is_expiring
        token.as_auth()
    if expiring != bool(world.requests):
        expiring = f"is_expiring is {expiring}, but using the token sends {len(world.requests)} requests"
    return {"expiring": expiring, "seconds_left": round(seconds_left, 3)}


def _outcome(call: Callable[[], object]) -> object:
    try:
        call()
    except OAuthError as error:
        return described(error)
    return "success"


def _polling(given: Object) -> object:
    code = {key: value for key, value in CODE.items() if key not in {"expires_in", "interval"}}
    response = {"json": {**code, **as_object(given["code"])}, "duration": given.get("code_duration", 0)}
    world = _World([response, *as_list(given["responses"])], SUCCESS["token"])
    with world.entered():
        credentials = _credentials(given)
        shown = credentials.get_code()
        world.advance(as_seconds(given.get("polling_delay", 0)))
        outcome = _outcome(lambda: credentials.wait_for_token(shown))
    return {"polls": world.sent_at[1:], "ended_at": round(world.steady, 3), "outcome": outcome}


def _retries(given: Object) -> object:
    call = text_at(given, "call", "")
    world = _World(as_list(given["responses"]), SUCCESS[call])
    with world.entered(as_seconds(given.get("jitter", 0.5))):
        outcome = _outcome(lambda: _call(call, given))
    return {"waits": world.waits, "outcome": outcome}


def _refresh(given: Object) -> object:
    world = _World(as_list(given["responses"]), {}, as_seconds(given.get("requested_at", NOW)))
    with world.entered():
        token = _token(as_object(given.get("token", {})))
        token.credentials = _credentials(given)
        try:
            token.refresh()
        except OAuthError as error:
            return {**described(error), "token": token.as_dict()}
        return {"token": token.as_dict()}


def _token_files(given: Object) -> object:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "oauth.json")
        if "write" in given:
            _token(as_object(given["write"])).store_token(os.fspath(path))
            return path.read_bytes().decode()
        path.write_bytes(as_bytes(as_object(given["read"])))
        with _World([], {}).entered():  # a file that is no token is read again for a second
            return OAuthToken.from_json(path).as_dict()


def _verification_links(given: Object) -> object:
    code: AuthCodeDict = {
        "device_code": "AH-1Ng",
        "user_code": text_at(given, "user_code", "GQVQ-JKEC"),
        "expires_in": 1800,
        "interval": 5,
        "verification_url": text_at(given, "verification_url", "https://a.example/d"),
    }
    if "verification_uri_complete" not in given:
        return verification_link(code)
    linked: LinkedAuthCodeDict = {**code, "verification_uri_complete": text_at(given, "verification_uri_complete", "")}
    return verification_link(linked)


def _authorization_header(given: Object) -> object:
    # Loaded long before it expires, so that nothing is sent.
    with _World([], {}, NOW - 3599).entered():
        return _token(given).as_auth()


_KINDS: Final[Mapping[str, Callable[[Object], object]]] = {
    "requests": _requests,
    "endpoints": _endpoint_urls,
    "responses": _responses,
    "error-responses": _responses,
    "invalid-fields": _responses,
    "malformed-responses": _malformed_responses,
    "redaction": _redaction,
    "verification-links": _verification_links,
    "authorization-header": _authorization_header,
    "expiry-times": _expiry,
    "polling-times": _polling,
    "retries": _retries,
    "refresh": _refresh,
    "token-files": _token_files,
    "decide": decide_result,
    "cycle-asking": cycle_result,
    "cycle-adopting": cycle_result,
    "cycle-locking": cycle_result,
    "cycle-saving": cycle_result,
}
