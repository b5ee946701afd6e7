# SPDX-License-Identifier: MIT
"""What our library answers to a vector: its own functions are asked, and what they say is put into neutral words.

Nothing is sent and nobody waits. urllib is stopped where it would connect, with the finished request in its hand, and
given HTTP to read in its place; the clock is moved by hand. All between those two is the library as it is.
"""

from __future__ import annotations

import base64
import io
import json
import os
import random
import socket
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from http.client import HTTPResponse
from pathlib import Path
from typing import Final
from unittest.mock import patch
from urllib.error import URLError
from urllib.request import AbstractHTTPHandler, Request

from ytmusic_oauth import (
    GOOGLE,
    YOUTUBE,
    Endpoints,
    OAuthCredentials,
    OAuthToken,
    RefreshingToken,
    UrllibSession,
    _refresher,
    credentials,
    session,
    token,
)
from ytmusic_oauth.exceptions import OAuthError
from ytmusic_oauth.models import AuthCodeDict, LinkedAuthCodeDict
from ytmusic_oauth.protocol import OAUTH_SCOPE, verification_link

from .told import Object, told

__all__ = ["answer"]

NOON: Final = 1_700_000_000

# What a vector does not give; vectors/README.md has the same table.
RFC: Final[Object] = {
    "device_code_url": "https://auth.example/device",
    "token_url": "https://auth.example/token",
    "revoke_url": "https://auth.example/revoke",
}
HELD: Final[Object] = {
    "scope": "music",
    "token_type": "Bearer",
    "access_token": "ya29.old",
    "refresh_token": "1//old",
    "expires_at": NOON,
    "expires_in": 3599,
}
CODE: Final[Object] = {
    "device_code": "AH-1Ng",
    "user_code": "GQVQ-JKEC",
    "expires_in": 1800,
    "interval": 5,
    "verification_url": "https://www.google.com/device",
}
GOOD: Final[Mapping[str, Object]] = {
    "code": {"json": CODE},
    "token": {"json": {"access_token": "ya29.new", "refresh_token": "1//new"}},
    "refresh": {"json": {"access_token": "ya29.new"}},
    "revoke": {},
}


def answer(kind: str, given: Object) -> object:
    """HttpResponse one vector. Raises `LookupError` on a kind that is not known here."""
    try:
        return _ANSWERS[kind](given)
    except OAuthError as error:
        return told(error)
    except ValueError:
        return {"raises": "invalid_argument"}


# ---- what is given -------------------------------------------------------------------------------


def _object(value: object) -> Object:
    assert isinstance(value, dict)
    return value


def _list(value: object) -> list[object]:
    assert isinstance(value, list)
    return value


def _text(given: Object, key: str, default: str) -> str:
    value = given.get(key, default)
    assert isinstance(value, str)
    return value


def _seconds(value: object) -> float:
    assert isinstance(value, (int, float))
    return value


def _whole(given: Object, key: str, default: int) -> int:
    value = given.get(key, default)
    assert isinstance(value, int)
    return value


def _pieces(value: object) -> str:
    """A text, or a list of texts and `{"repeat": text, "times": n}`."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        return _text(value, "repeat", "") * _whole(value, "times", 0)
    return "".join(_pieces(piece) for piece in _list(value))


def _bytes(given: Object) -> bytes:
    if "json" in given:
        return json.dumps(given["json"]).encode()
    if "base64" in given:
        return base64.b64decode(_text(given, "base64", ""), validate=True)
    return _pieces(given.get("text", "")).encode()


# ---- a network and a clock in hand ---------------------------------------------------------------


class _Read(HTTPResponse):
    """An answer that nobody has to send."""

    def __init__(self, raw: bytes) -> None:
        with socket.socket() as unconnected:
            super().__init__(unconnected, method="POST")
        self.fp.close()
        self.fp = io.BufferedReader(io.BytesIO(raw))
        self.begin()


class _World:
    """Stands in for the module `time`, and for what is behind urllib: what each request `meets`, and then `good`."""

    def __init__(self, meets: Iterable[object], good: Object, wall: float = NOON) -> None:
        self.wall = wall
        self.steady = 0.0
        self.waits: list[float] = []
        self.requests: list[Request] = []
        self.asked_at: list[float] = []
        self._meets: Iterator[object] = iter(meets)
        self._good = good

    def time(self) -> float:
        return self.wall

    def monotonic(self) -> float:
        return self.steady

    def sleep(self, seconds: float) -> None:
        self.waits.append(round(seconds, 3))
        self.pass_by(seconds)

    def pass_by(self, seconds: float) -> None:
        self.wall += seconds
        self.steady += seconds

    def open(self, request: Request) -> HTTPResponse:
        self.requests.append(request)
        self.asked_at.append(round(self.steady, 3))
        meets = _object(next(self._meets, self._good))
        self.pass_by(_seconds(meets.get("takes", 0)))
        self.wall += _seconds(meets.get("clock_set_by", 0))
        # As urllib raises them: before the whole request was sent, and after.
        if meets.get("fault") == "unreachable":
            raise URLError(ConnectionRefusedError())
        if meets.get("fault") == "silent":
            raise TimeoutError
        body = _bytes(meets)
        headers = {"Content-Type": "application/json", "Content-Length": len(body)}
        headers.update(_object(meets.get("headers", {})))
        lines = [f"HTTP/1.1 {_whole(meets, 'status', 200)} ", *(f"{name}: {value}" for name, value in headers.items())]
        return _Read("\r\n".join([*lines, "", ""]).encode("latin-1") + body)

    @contextmanager
    def entered(self, dice: float = 0.5) -> Iterator[None]:
        """`dice` is where a random number falls between its least (0) and its most (1)."""
        with ExitStack() as stack:
            for module in (credentials, session, token, _refresher):
                stack.enter_context(patch.object(module, "time", self))
            stack.enter_context(patch.object(random, "uniform", lambda least, most: least + (most - least) * dice))
            stack.enter_context(
                patch.object(
                    AbstractHTTPHandler, "do_open", lambda _, connection, request, **options: self.open(request)
                )
            )
            yield


def _endpoints(given: object) -> Endpoints:
    if given == "youtube":
        return YOUTUBE
    if given == "google":
        return GOOGLE
    told = RFC if given == "rfc" else _object(given)
    return Endpoints(
        _text(told, "device_code_url", ""),
        _text(told, "token_url", ""),
        _text(told, "revoke_url", "") if "revoke_url" in told else None,
        device_grant=_text(told, "device_grant", Endpoints.device_grant),
        device_code_parameter=_text(told, "device_code_parameter", Endpoints.device_code_parameter),
        authenticate_everywhere=bool(told.get("authenticate_everywhere", True)),
        rotates_refresh_tokens=bool(told.get("rotates_refresh_tokens", True)),
    )


def _client(given: Object) -> OAuthCredentials:
    return OAuthCredentials(
        _text(given, "client_id", "the-id"),
        _text(given, "client_secret", "the-secret"),
        UrllibSession({}),
        endpoints=_endpoints(given.get("endpoints", "rfc")),
        scope=_text(given, "scope", OAUTH_SCOPE),
    )


def _call(name: str, given: Object) -> object:
    client = _client(given)
    if name == "code":
        return client.get_code()
    if name == "token":
        return client.token_from_code(_text(given, "device_code", "AH-1Ng"))
    if name == "refresh":
        return client.refresh_token(_text(given, "token", "1//held"))
    assert name == "revoke"
    client.revoke_token(_text(given, "token", "1//held"))
    return None


def _token(given: Object) -> RefreshingToken:
    values = {**HELD, **given}
    return RefreshingToken(
        _client({}),
        scope=_text(values, "scope", ""),
        token_type=_text(values, "token_type", ""),
        access_token=_text(values, "access_token", ""),
        refresh_token=_text(values, "refresh_token", ""),
        expires_at=_whole(values, "expires_at", 0),
        expires_in=_whole(values, "expires_in", 0),
    )


# ---- one function for each kind of vector --------------------------------------------------------


def _requests(given: Object) -> object:
    call = _text(given, "call", "")
    world = _World([], GOOD[call])
    with world.entered():
        _call(call, given)
    [request] = world.requests
    if "show" in given:
        return request.get_header(_text(given, "show", "").capitalize())
    assert isinstance(request.data, bytes)
    return {request.get_method().lower(): request.full_url, "fields": sorted(request.data.decode("ascii").split("&"))}


def _endpoint_urls(given: Object) -> object:
    _endpoints({**RFC, **given})
    return "accepted"


def _answers(given: Object) -> object:
    call = _text(given, "to", "")
    world = _World([given] * 3, {}, _seconds(given.get("sent", NOON)))
    with world.entered():
        return _call(call, given)


def _bodies(given: Object) -> object:
    try:
        return _answers(given)
    except OAuthError as error:
        return {part: value for part, value in told(error).items() if part != "key"}


def _shown(given: Object) -> object:
    said_in = _text(given, "in", "error_description")
    refusal = {"error": "invalid_scope", said_in: given["said"]}
    try:
        return _answers({"to": "refresh", **given, "status": 400, "json": refusal})
    except OAuthError as error:
        return told(error)[said_in]


def _expiry(given: Object) -> object:
    world = _World([], GOOD["refresh"])
    world.wall, world.steady = map(_seconds, _list(given["read"]))
    with world.entered():
        token = _token(given)
        world.wall, world.steady = map(_seconds, _list(given["now"]))
        seconds_left = token._snapshot.valid.seconds_left(world.wall, world.steady)
        expiring: object = token.is_expiring
        token.as_auth()
    if expiring != bool(world.requests):
        expiring = f"is_expiring is {expiring}, and to use it sends {len(world.requests)} requests"
    return {"expiring": expiring, "seconds_left": round(seconds_left, 3)}


def _polling(given: Object) -> object:
    code = {key: value for key, value in CODE.items() if key not in {"expires_in", "interval"}}
    asked = {"json": {**code, **_object(given["code"])}, "takes": given.get("code_takes", 0)}
    world = _World([asked, *_list(given["meets"])], GOOD["token"])
    end: object = "good"
    with world.entered():
        client = _client(given)
        code_shown = client.get_code()
        world.pass_by(_seconds(given.get("read_for", 0)))
        try:
            client.wait_for_token(code_shown)
        except OAuthError as error:
            end = told(error)
    return {"polls": world.asked_at[1:], "ended": round(world.steady, 3), "end": end}


def _retries(given: Object) -> object:
    call = _text(given, "call", "")
    world = _World(_list(given["meets"]), GOOD[call])
    end: object = "good"
    with world.entered(_seconds(given.get("dice", 0.5))):
        try:
            _call(call, given)
        except OAuthError as error:
            end = told(error)
    return {"waits": world.waits, "end": end}


def _renewal(given: Object) -> object:
    world = _World(_list(given["meets"]), {}, _seconds(given.get("sent", NOON)))
    with world.entered():
        held = _token(_object(given.get("held", {})))
        held.credentials = _client(given)
        try:
            held.refresh()
        except OAuthError as error:
            return {**told(error), "token": held.as_dict()}
        return {"token": held.as_dict()}


def _files(given: Object) -> object:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "oauth.json")
        if "write" in given:
            _token(_object(given["write"])).store_token(os.fspath(path))
            return path.read_bytes().decode()
        path.write_bytes(_bytes(_object(given["read"])))
        return OAuthToken.from_json(path).as_dict()


def _links(given: Object) -> object:
    code: AuthCodeDict = {
        "device_code": "AH-1Ng",
        "user_code": _text(given, "user_code", "GQVQ-JKEC"),
        "expires_in": 1800,
        "interval": 5,
        "verification_url": _text(given, "verification_url", "https://a.example/d"),
    }
    if "verification_uri_complete" not in given:
        return verification_link(code)
    linked: LinkedAuthCodeDict = {**code, "verification_uri_complete": _text(given, "verification_uri_complete", "")}
    return verification_link(linked)


def _authorization(given: Object) -> object:
    # Read long before it expires: nothing is asked for.
    with _World([], {}, NOON - 3599).entered():
        return _token(given).as_auth()


_ANSWERS: Final[Mapping[str, Callable[[Object], object]]] = {
    "requests": _requests,
    "endpoints": _endpoint_urls,
    "answers": _answers,
    "refusals": _answers,
    "entries": _answers,
    "bodies": _bodies,
    "shown": _shown,
    "links": _links,
    "authorization": _authorization,
    "expiry": _expiry,
    "polling": _polling,
    "retries": _retries,
    "renewal": _renewal,
    "files": _files,
}
