# SPDX-License-Identifier: MIT
"""No secret gets into a repr, message, warning, log, traceback, output or command line.

The tests use marked secrets, and search all output for them: raw, percent-encoded and in base64.
"""

from __future__ import annotations

import base64
import contextlib
import errno
import json
import logging
import math
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from http.client import HTTPConnection
from pathlib import Path
from typing import Final, NamedTuple, NoReturn
from urllib.parse import quote, urlencode

import pytest

from tests.porting.fake_google import CLIENT_ID, RFC_DIALECT, Client, FakeGoogle, HttpResponse, Raw, Reply
from tests.support import NOON, Clock
from ytmusic_oauth import (
    Endpoints,
    OAuthCredentials,
    OAuthError,
    OAuthToken,
    RefreshingToken,
    TokenFileError,
    UrllibSession,
    session,
)
from ytmusic_oauth._client_file import Client as ClientFile
from ytmusic_oauth._command_line import main
from ytmusic_oauth._snapshot import Snapshot
from ytmusic_oauth.device import DevicePoll
from ytmusic_oauth.exceptions import ERROR_CLASSES
from ytmusic_oauth.models import AuthCodeDict, RefreshableTokenDict
from ytmusic_oauth.protocol import refresh_request, verification_link
from ytmusic_oauth.transport import UrllibResponse

ROOT: Final = Path(__file__).parents[1]
CLIENT_SECRET: Final = "canary-client/secret+a=="
DEVICE_CODE: Final = "AH-canary/device+b=="
ACCESS: Final = "ya29.canary/access+c=="
REFRESH: Final = "1//canary/refresh+d=="
NEW_ACCESS: Final = "ya29.canary/fresh+e=="
NEW_REFRESH: Final = "1//canary/rotated+f=="
PASSWORD: Final = "canary/proxy+g=="
MARKED: Final = [CLIENT_SECRET, DEVICE_CODE, ACCESS, REFRESH, NEW_ACCESS, NEW_REFRESH, PASSWORD]
# Prefixes of the secrets that the fake server issues.
ISSUED: Final = ["AH-fake-device-", "ya29.fake-access-", "1//fake-refresh-"]

CODE: Final[AuthCodeDict] = {
    "device_code": DEVICE_CODE,
    "user_code": "ABCD-EFGH",
    "expires_in": 1800,
    "interval": 5,
    "verification_url": "https://fake.test/device",
}
VALUES: Final[RefreshableTokenDict] = {
    "scope": "https://www.googleapis.com/auth/youtube",
    "token_type": "Bearer",
    "access_token": ACCESS,
    "refresh_token": REFRESH,
    "expires_at": NOON - 1,
    "expires_in": 3599,
}


def spellings(secret: str) -> set[str]:
    """Return the spellings of a secret, in lower case: percent-encoding has no fixed case."""
    found = {secret, quote(secret), quote(secret, safe="")}
    for before in range(3):  # base64 encodes bytes in groups: cut off those that share a group with a neighbour
        encoded = base64.b64encode(b"-" * before + secret.encode() + b"-").decode()[4 if before else 0 : -4]
        found |= {encoded, encoded.replace("+", "-").replace("/", "_")}
    return {each.lower() for each in found}


SPELLINGS: Final = {spelling: secret for secret in (*MARKED, *ISSUED) for spelling in spellings(secret)}


def leaks(text: str) -> set[str]:
    return {secret for spelling, secret in SPELLINGS.items() if spelling in text.lower()}


class Watch(logging.Handler):
    """Collects everything that comes out: log records, and what the tests pass to `see`."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.seen: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.see(record.getMessage(), vars(record))

    def see(self, *things: object) -> None:
        self.seen += [f"{thing}\n{thing!r}" for thing in things]

    def fails(self, call: Callable[[], object]) -> bool:
        """Call it, and collect its error. Returns whether there was one."""
        try:
            call()
        except (OAuthError, ValueError, KeyboardInterrupt) as error:
            self.see("".join(traceback.format_exception(type(error), error, error.__traceback__)), error, vars(error))
            return True
        return False


@pytest.fixture
def watch(
    capsys: pytest.CaptureFixture[str],
    recwarn: pytest.WarningsRecorder,
    monkeypatch: pytest.MonkeyPatch,
    clock: Clock,
) -> Iterator[Watch]:
    watch, root = Watch(), logging.getLogger()
    level = root.level
    root.addHandler(watch)
    root.setLevel(logging.DEBUG)
    # One response for each call.
    monkeypatch.setattr("ytmusic_oauth.credentials.with_retries", lambda ask, *_: ask(30.0))
    yield watch
    root.removeHandler(watch)
    root.setLevel(level)
    watch.see(*capsys.readouterr(), *(warning.message for warning in recwarn))
    assert [text for text in watch.seen if leaks(text)] == []


@pytest.fixture
def credentials(server: FakeGoogle) -> OAuthCredentials:
    """A client that sends its secret to every endpoint."""
    server.clients, server.dialect = {CLIENT_ID: Client(CLIENT_SECRET)}, RFC_DIALECT
    everywhere = Endpoints(server.device_code_url, server.token_url, server.revoke_url)
    return OAuthCredentials(CLIENT_ID, CLIENT_SECRET, endpoints=everywhere, scope=VALUES["scope"])


class Call(NamedTuple):
    endpoint: str
    sent: list[str]  # the secrets in the request
    make: Callable[[OAuthCredentials], object]


CALLS: Final = {
    "get_code": Call("code", [CLIENT_SECRET], lambda client: client.get_code()),
    "token_from_code": Call("token", [CLIENT_SECRET, DEVICE_CODE], lambda client: client.token_from_code(DEVICE_CODE)),
    "wait_for_token": Call("token", [CLIENT_SECRET, DEVICE_CODE], lambda client: client.wait_for_token(CODE)),
    "refresh_token": Call("token", [CLIENT_SECRET, REFRESH], lambda client: client.refresh_token(REFRESH)),
    "access_token": Call(
        "token", [CLIENT_SECRET, REFRESH], lambda client: RefreshingToken(client, **VALUES).access_token
    ),
    "revoke_token": Call("revoke", [CLIENT_SECRET, REFRESH], lambda client: client.revoke_token(REFRESH)),
}
each_call: Final = pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
# The calls whose response is parsed: a revocation succeeds with any body.
PARSED: Final = [call for call in CALLS.values() if call.endpoint != "revoke"]
UNUSED_ENDPOINTS: Final = Endpoints("https://fake.test/code", "https://fake.test/token", "https://fake.test/revoke")


@pytest.mark.parametrize("secret", [*MARKED, *ISSUED])
def test_the_search_finds_encoded_secrets(secret: str) -> None:
    for text in (secret, f"Bearer {secret}!", f"user:{secret}", f"x{secret}x", f"xx{secret}xxx"):
        encoded = [repr(text), quote(text), quote(text, safe=""), urlencode({"token": text}).lower()]
        encoded += [encode(text.encode()).decode() for encode in (base64.b64encode, base64.urlsafe_b64encode)]
        assert [leaks(each) for each in encoded] == [{secret}] * len(encoded)
    assert leaks("ya29.[redacted]") == set()


def test_no_repr_shows_a_secret(watch: Watch, server: FakeGoogle, credentials: OAuthCredentials) -> None:
    proxies = {"https": f"http://user:{quote(PASSWORD, safe='')}@127.0.0.1:1"}
    request = refresh_request(credentials.endpoints, CLIENT_ID, CLIENT_SECRET, REFRESH)
    urllib = UrllibSession(proxies)
    response = urllib.post(server.token_url, data=request.form, headers={})
    watch.see(OAuthToken(**VALUES), RefreshingToken(credentials, **VALUES), Snapshot(0, 0, VALUES))
    watch.see(credentials, credentials.endpoints, OAuthCredentials(CLIENT_ID, CLIENT_SECRET, proxies=proxies))
    watch.see(urllib, request, session.send(urllib, request), response, response.headers, DevicePoll(CODE, 0))
    watch.see(ClientFile(CLIENT_ID, CLIENT_SECRET), UrllibResponse(302, {"Location": f"/?t={REFRESH}"}, b""))


def test_debugging_http_client_prints_no_secret(
    watch: Watch, credentials: OAuthCredentials, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(HTTPConnection, "debuglevel", 1)
    assert watch.fails(lambda: credentials.refresh_token(REFRESH))


# ---- text from servers ---------------------------------------------------------------------------

# How servers may encode a secret that they repeat.
ENCODINGS: Final[Mapping[str, Callable[[str], str]]] = {
    "raw": str,
    "percent-encoded": lambda secret: quote(secret, safe=""),
    "percent-encoded-in-lower-case": lambda secret: re.sub(
        "%..", lambda match: match[0].lower(), quote(secret, safe="")
    ),
    "as-in-a-path": quote,
}
CHUNKED: Final = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def responses_with(text: str) -> Iterator[HttpResponse]:
    """Generate responses that have the text wherever a server can put it."""
    yield Reply(400, dict.fromkeys(["error", "error_description", "error_uri", "error_subtype", "error_code"], text))
    for code in (*ERROR_CLASSES, "invalid_request", "server_error"):
        yield Reply(400, {"error": code, "error_description": text})
    yield Reply(400, {"error": {"code": 400, "message": text}})
    yield Reply(403, {"error": {"status": text, "message": text}})
    yield Reply(403, {"error_code": text})
    yield Reply(503, {"error": text, "error_description": text})
    yield Reply(200, {"error": text, "error_description": text})
    headers = dict.fromkeys(["Content-Type", "Retry-After", "Date", "Location", "WWW-Authenticate", "X-Fake"], text)
    for status in (200, 307, 400, 429, 500):
        yield Reply(status, text, headers)
        yield Reply(status, {}, headers)
    yield Reply(200, {"access_token": [text], "device_code": [text]})
    for raw in (
        f"HTTP/1.1 400 {text}\r\nContent-Length: 2\r\n\r\n{{}}",
        f"HTTP/1.1 {text} OK\r\n\r\n",
        f"HTTP/1.1 200 OK\r\n{text}\r\n\r\n",
        f"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{text}",
        f"{CHUNKED}{text}\r\n",
        f"{CHUNKED}1000\r\n{text}",
        f"{text}\r\n\r\n",
    ):
        yield Raw([raw.encode()])


@each_call
@pytest.mark.parametrize("encode", ENCODINGS.values(), ids=ENCODINGS)
def test_a_secret_that_the_server_repeats_is_not_shown(
    watch: Watch, server: FakeGoogle, credentials: OAuthCredentials, call: Call, encode: Callable[[str], str]
) -> None:
    for response in responses_with(" ".join(encode(secret) for secret in call.sent)):
        server.script(call.endpoint, response)
        assert watch.fails(partial(call.make, credentials)) or call not in PARSED


@each_call
def test_the_client_secret_is_not_shown_even_if_it_was_not_sent(watch: Watch, server: FakeGoogle, call: Call) -> None:
    """As at Google, which does not want it for a code or a revocation, and knows it."""
    endpoints = Endpoints(
        server.device_code_url, server.token_url, server.revoke_url, client_authentication="none", is_google=True
    )
    client = OAuthCredentials(CLIENT_ID, CLIENT_SECRET, endpoints=endpoints)
    server.script(call.endpoint, Reply(400, {"error": "invalid_request", "error_description": CLIENT_SECRET}))
    assert watch.fails(partial(call.make, client))
    assert "[redacted]" in watch.seen[-3]


def test_a_token_type_that_may_be_a_token_is_not_shown(
    watch: Watch, server: FakeGoogle, credentials: OAuthCredentials
) -> None:
    for kind, shown in ((NEW_ACCESS, False), ("MAC", True)):
        server.script("token", Reply(200, {"access_token": "Bearer", "token_type": kind}))
        assert watch.fails(lambda: credentials.refresh_token(REFRESH))
        assert any(f'is not Bearer, but "{kind}"' in text for text in watch.seen) is shown


GOOD: Final[Mapping[str, object]] = {**CODE, **VALUES, "access_token": NEW_ACCESS, "refresh_token": NEW_REFRESH}


def malformed(*keys: str) -> Iterator[str | bytes]:
    """Generate bodies that are good but for one thing."""
    good = json.dumps(GOOD)
    yield from (f"[{good}]", good[:-1], f'"{good[2:]}', f"{good}\xff".encode("latin-1"))
    for key in keys:
        secret = str(GOOD[key])
        for value in (None, [secret], {secret: secret}, f"{secret}\n", f"\x1b{secret}"):
            yield json.dumps({**GOOD, key: value})
    yield json.dumps({**GOOD, "token_type": NEW_ACCESS, "verification_url": f"javascript:{DEVICE_CODE}"})


def test_a_malformed_response_is_not_quoted(watch: Watch, server: FakeGoogle, credentials: OAuthCredentials) -> None:
    for call in PARSED:
        keys = ["device_code", "user_code", "verification_url"] if call.endpoint == "code" else ["access_token"]
        for body in malformed(*keys):
            server.script(call.endpoint, Reply(200, body))
            assert watch.fails(partial(call.make, credentials))


# ---- errors of sessions and proxies --------------------------------------------------------------


class LeakyError(Exception):
    """Shows its arguments in its message, in every encoding."""

    def __str__(self) -> str:
        return f"{self.args} {urlencode(self.args[0])}"


@dataclass
class FailingSession:
    """A session of the caller's own. It is its own response."""

    fail: Callable[[Mapping[str, str]], NoReturn]
    in_json: bool
    status_code: int = 200

    def post(self, url: str, *, data: Mapping[str, str], headers: Mapping[str, str], timeout: float) -> FailingSession:
        self.form = self.headers = data
        if not self.in_json:
            self.fail(data)
        return self

    def json(self) -> object:
        self.fail(self.form)


@dataclass
class LazySession:
    """A session of the caller's own. It is its own response, and fails when that is looked at."""

    fails_at: str

    def post(self, url: str, *, data: Mapping[str, str], headers: Mapping[str, str], timeout: float) -> LazySession:
        self.form = data
        return self

    def __getattr__(self, name: str) -> int:
        if name == self.fails_at:
            raise RuntimeError(f"POST {self.form} failed")
        if name == "status_code":
            return 200
        raise AttributeError(name)

    def json(self) -> object:
        return {}


@pytest.mark.parametrize("name", ["status_code", "history", "headers", "content"])
def test_a_session_that_fails_late_is_not_quoted(watch: Watch, name: str) -> None:
    failing = OAuthCredentials(CLIENT_ID, CLIENT_SECRET, LazySession(name), endpoints=UNUSED_ENDPOINTS)
    for call in PARSED:
        assert watch.fails(partial(call.make, failing))


def plainly(form: Mapping[str, str]) -> NoReturn:
    raise RuntimeError(f"POST {form} {urlencode(form)} failed")


def with_a_cause(form: Mapping[str, str]) -> NoReturn:
    raise LeakyError(form) from LeakyError(form)


def with_a_context(form: Mapping[str, str]) -> NoReturn:
    try:
        raise LeakyError(form)
    finally:
        raise OSError(errno.EIO, f"{form}", f"{form}")


def as_json_fails(form: Mapping[str, str]) -> NoReturn:
    raise json.JSONDecodeError(f"{form}", f"{form}", 0)


@pytest.mark.parametrize("in_json", [False, True], ids=["in-post", "in-json"])
@pytest.mark.parametrize("fail", [plainly, with_a_cause, with_a_context, as_json_fails])
def test_a_session_whose_errors_contain_the_form_is_not_quoted(
    watch: Watch, fail: Callable[[Mapping[str, str]], NoReturn], in_json: bool
) -> None:
    failing = OAuthCredentials(CLIENT_ID, CLIENT_SECRET, FailingSession(fail, in_json), endpoints=UNUSED_ENDPOINTS)
    for call in PARSED:
        assert watch.fails(partial(call.make, failing))


PROXY_RESPONSES: Final = {
    "nothing": "",
    "the-password": f"HTTP/1.1 407 {PASSWORD}\r\n\r\n",
    "the-header": "HTTP/1.1 407 Basic {}\r\n\r\n",
    "not-http": f"{PASSWORD} {{}}\r\n\r\n",
    "a-redirect": f"HTTP/1.1 302 Found\r\nLocation: http://user:{PASSWORD}@elsewhere.test/\r\n\r\n",
    "yes": "HTTP/1.1 200 OK\r\n\r\n",
}


@pytest.fixture
def proxy() -> Iterator[Callable[[str], str]]:
    """Return a function that makes a proxy respond once, and returns its address."""
    with socket.create_server(("127.0.0.1", 0)) as listener, contextlib.ExitStack() as ends:

        def serve(text: str) -> None:
            connection, _ = listener.accept()
            with connection, connection.makefile("rwb") as stream:
                for line in iter(stream.readline, b"\r\n"):
                    assert line
                stream.write(text.format(encoded).encode())

        def start(text: str) -> str:
            thread = threading.Thread(target=serve, args=(text,))
            thread.start()
            ends.callback(thread.join, 10)
            return f"127.0.0.1:{listener.getsockname()[1]}"

        encoded = base64.b64encode(f"user:{PASSWORD}".encode()).decode()
        yield start


@pytest.mark.parametrize("text", PROXY_RESPONSES.values(), ids=PROXY_RESPONSES)
def test_the_password_of_a_failing_proxy_is_not_shown(watch: Watch, proxy: Callable[[str], str], text: str) -> None:
    proxies = {"https": f"http://user:{quote(PASSWORD, safe='')}@{proxy(text)}"}
    behind = OAuthCredentials(CLIENT_ID, CLIENT_SECRET, proxies=proxies, endpoints=UNUSED_ENDPOINTS)
    assert watch.fails(lambda: behind.refresh_token(REFRESH))


MISTYPED: Final = [
    f"http:/user:{PASSWORD}@127.0.0.1:1",
    f"http://user:{PASSWORD}@127.0.0.1:1",
    f"http:user:{PASSWORD}@127.0.0.1:1",
    f"user:{PASSWORD}@127.0.0.1:1",
    f"http://user:{quote(PASSWORD, safe='')}@127.0.0.1:one",
    f"http://user:{quote(PASSWORD, safe='')}@[::1:1",
    f"http://user:{quote(PASSWORD, safe='')}@",
    f"socks5://user:{quote(PASSWORD, safe='')}@127.0.0.1:1",
]


@pytest.mark.parametrize("where", ["environment", "argument"])
@pytest.mark.parametrize("address", MISTYPED)
def test_a_mistyped_proxy_is_not_quoted(
    watch: Watch, monkeypatch: pytest.MonkeyPatch, address: str, where: str
) -> None:
    if where == "environment":
        monkeypatch.setenv("https_proxy", address)
    proxies = {"https": address} if where == "argument" else None

    def refresh() -> object:
        behind = OAuthCredentials(CLIENT_ID, CLIENT_SECRET, proxies=proxies, endpoints=UNUSED_ENDPOINTS)
        return behind.refresh_token(REFRESH)

    assert watch.fails(refresh)


# ---- files and arguments -------------------------------------------------------------------------


def malformed_files() -> Iterator[bytes]:
    good = json.dumps(VALUES)
    yield from (each.encode() for each in (f"[{good}]", good[:-1], f'"{good[2:]}', REFRESH))
    yield from (good.encode("utf-16"), good.encode() + b"\xff", good.encode().ljust(2**21 + 1))
    for key in VALUES:
        for value in (None, [REFRESH], {REFRESH: ACCESS}, 10**30, math.nan):
            if (value is None and key.startswith("expires_")) or (key == "scope" and value == [REFRESH]):
                continue  # ytmusicapi reads it
            yield json.dumps({**VALUES, key: value}).encode()
        for text in (f"{REFRESH}\n", f"\x1b{ACCESS}", f"{CLIENT_SECRET}\xe9"):
            if key != "scope":  # any text is valid there
                yield json.dumps({**VALUES, key: text}).encode()


def test_a_malformed_token_file_is_not_quoted(watch: Watch, credentials: OAuthCredentials, tmp_path: Path) -> None:
    path = tmp_path / "oauth.json"
    for content in malformed_files():
        path.write_bytes(content)
        assert watch.fails(lambda: OAuthToken.from_json(path))
        assert watch.fails(lambda: RefreshingToken.load(credentials, path))
        assert watch.fails(lambda: RefreshingToken.prompt_for_token(credentials, to_file=str(path)))


@pytest.mark.parametrize("secret", [REFRESH, ACCESS, "GOCSPX-canary", json.dumps(VALUES), json.dumps(VALUES, indent=1)])
def test_a_secret_in_place_of_a_path_is_not_quoted(
    watch: Watch, server: FakeGoogle, credentials: OAuthCredentials, capsys: pytest.CaptureFixture[str], secret: str
) -> None:
    token = RefreshingToken(credentials, **VALUES)
    for use in (partial(RefreshingToken.load, credentials), token.keep_in, token.store_token):
        with pytest.raises(TokenFileError, match=r"^This is a secret, not the path of a file\. .*from_json_text"):
            use(secret)
    for option in ("--file", "--client-secrets"):
        assert main(["login", option, secret]) == 2
        shown = capsys.readouterr()
        assert "is a secret, not the path of a file" in shown.err
        assert secret[-6:] not in shown.err
    assert server.transcript == []


@pytest.mark.parametrize("where", ["malformed", "folder", "missing/oauth.json", "missing"])
def test_the_warning_of_a_failed_save_shows_no_secret(
    watch: Watch,
    server: FakeGoogle,
    credentials: OAuthCredentials,
    tmp_path: Path,
    recwarn: pytest.WarningsRecorder,
    where: str,
) -> None:
    (tmp_path / "malformed").write_text(REFRESH)
    (tmp_path / "folder").mkdir()
    credentials.endpoints = replace(credentials.endpoints, rotates_refresh_tokens=False)
    token = RefreshingToken(credentials, tmp_path / where, **VALUES)
    server.script("token", Reply(200, GOOD))
    assert not watch.fails(lambda: token.access_token)
    assert len(recwarn) == (where != "missing")
    assert watch.fails(lambda: token.store_token(str(tmp_path / "missing" / where)))


def test_what_is_logged_of_a_refresh_shows_no_secret(
    watch: Watch,
    server: FakeGoogle,
    credentials: OAuthCredentials,
    tmp_path: Path,
) -> None:
    token = RefreshingToken(credentials, tmp_path / "oauth.json", **VALUES)
    server.script("token", Reply(200, GOOD))
    token.refresh()
    (tmp_path / "oauth.json").write_text(json.dumps(VALUES | {"expires_at": NOON + 9999}))
    token.store_token()
    for code in ("invalid_grant", "server_error"):
        problem = {"error": code, "error_description": f"{CLIENT_SECRET} {REFRESH} {NEW_REFRESH}"}
        server.script("token", Reply(400, problem))
        assert watch.fails(token.refresh)
    (tmp_path / "oauth.json").write_text(f"{ACCESS} {REFRESH}")
    server.script("token", Reply(200, GOOD))
    assert watch.fails(token.refresh)
    logged = set(re.findall(r"event=(\w+)", "".join(watch.seen)))
    assert logged == {"refreshed", "refused", "failed", "will_retry"}


def invalid_arguments(client: OAuthCredentials) -> Iterator[Callable[[], object]]:
    invalid = f"{ACCESS} {REFRESH}\n{CLIENT_SECRET} {DEVICE_CODE} {PASSWORD}"
    url = f"https://user:{PASSWORD}@fake.test/"
    token = RefreshingToken(client, **VALUES)
    invalid_values: list[RefreshableTokenDict] = [
        {**VALUES, "access_token": invalid},
        {**VALUES, "token_type": invalid},
    ]
    yield lambda: OAuthCredentials(CLIENT_ID, invalid)
    yield lambda: OAuthCredentials(invalid, CLIENT_SECRET)
    yield lambda: OAuthCredentials(CLIENT_ID, CLIENT_SECRET, scope=invalid)
    yield lambda: OAuthCredentials(CLIENT_ID, CLIENT_SECRET, session=UrllibSession(), proxies={"https": url})
    yield lambda: Endpoints(url, url)
    yield lambda: client.token_from_code(invalid)
    yield lambda: client.wait_for_token({**CODE, "device_code": invalid})
    yield lambda: client.refresh_token(invalid)
    yield lambda: client.revoke_token(invalid)
    yield lambda: verification_link({**CODE, "verification_url": invalid})
    for values in invalid_values:
        yield partial(OAuthToken, **values)
        yield partial(token.update, values)
    yield lambda: setattr(token, "refresh_token", invalid)


def test_an_invalid_argument_is_not_quoted(watch: Watch, credentials: OAuthCredentials) -> None:
    for call in invalid_arguments(credentials):
        assert watch.fails(call)


# ---- Ctrl-C, and other processes -----------------------------------------------------------------


@pytest.mark.parametrize(
    "where", ["socket.socket.connect", "http.client.HTTPResponse.read", "json.loads", "os.write", "os.replace"]
)
def test_ctrl_c_shows_no_secret(
    watch: Watch,
    server: FakeGoogle,
    credentials: OAuthCredentials,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    where: str,
) -> None:
    def interrupt(*_: object, **__: object) -> NoReturn:
        raise KeyboardInterrupt

    path = tmp_path / "oauth.json"
    token = RefreshingToken(credentials, path, **VALUES)
    token.store_token()
    server.script("token", Reply(200, GOOD))
    monkeypatch.setattr(where, interrupt)
    assert watch.fails(lambda: token.access_token)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "oauth.json"
    path.write_text(json.dumps(VALUES))
    return path


@contextlib.contextmanager
def process(watch: Watch, server: FakeGoogle, path: Path, *orders: object) -> Iterator[subprocess.Popen[str]]:
    """Start a `tests.worker` in which every warning is an error; at the end, collect its output."""
    server.clients = {CLIENT_ID: Client(CLIENT_SECRET)}
    with subprocess.Popen(
        [sys.executable, "-X", "dev", "-W", "error", "-m", "tests.worker", server.url, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "CLIENT_ID": CLIENT_ID, "CLIENT_SECRET": CLIENT_SECRET, "BROWSER": f"{BROWSER} %s"},
    ) as worker:
        assert worker.stdin is not None
        print(*orders, sep="\n", file=worker.stdin, flush=True)
        yield worker
        watch.see(*worker.communicate(timeout=60))


# Prints the link that it is told to open.
BROWSER: Final = f"{sys.executable} -c import\\ sys;print(sys.argv)"


def test_a_login_in_a_terminal_shows_no_secret(watch: Watch, server: FakeGoogle, path: Path) -> None:
    server.approve_after = 0
    with process(watch, server, path, "login", ""):
        pass
    assert "user_code=" in "".join(watch.seen)
    assert server.can_refresh(OAuthToken.from_json(path).refresh_token)


@pytest.mark.parametrize("code", ["invalid_grant", "server_error"])
def test_a_process_that_fails_to_refresh_shows_no_secret(
    watch: Watch, server: FakeGoogle, path: Path, code: str
) -> None:
    response = Reply(400, {"error": code, "error_description": f"{CLIENT_SECRET} {REFRESH}"})
    server.script("token", *[response] * 3)
    with process(watch, server, path, f"load {NOON}", "unguarded read"):
        pass
    assert code in "".join(watch.seen)


def test_a_process_that_a_warning_ends_shows_no_secret(watch: Watch, server: FakeGoogle, path: Path) -> None:
    server.script("token", Reply(200, GOOD))
    with process(watch, server, path, f"load {NOON}", "cannot_save", "unguarded read"):
        pass
    assert "RuntimeWarning: " in "".join(watch.seen)


@pytest.mark.skipif(os.name == "nt", reason="Windows cannot send Ctrl-C to one other process")
def test_ctrl_c_in_a_process_shows_no_secret(watch: Watch, server: FakeGoogle, path: Path) -> None:
    with process(watch, server, path, f"load {NOON}", "read") as worker, server.hold("token"):
        server.wait_for_requests(1, "token")
        with contextlib.suppress(FileNotFoundError):  # only Linux has /proc
            watch.see(Path(f"/proc/{worker.pid}/cmdline").read_text())
        worker.send_signal(signal.SIGINT)
        worker.wait(10)
    assert "KeyboardInterrupt" in "".join(watch.seen)


# ---- the command line ----------------------------------------------------------------------------

COMMANDS: Final = ("login", "login --json", "token", "header", "status", "status --json", "refresh", "revoke --yes")


@pytest.fixture
def run(
    server: FakeGoogle, credentials: OAuthCredentials, path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], int]:
    """Run a command on a token file with secrets."""
    client = path.with_name("client.json")
    client.write_text(json.dumps({"installed": {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}}))
    monkeypatch.setattr(sys, "stdin", None)

    def run(command: str) -> int:
        urls = (server.device_code_url, server.token_url, server.revoke_url)
        client_options = ("--client-secrets", str(client), "--endpoints", *urls)
        scope = ("--scope", VALUES["scope"]) if "login" in command else ()
        return main([*command.split(), "--file", str(path), *scope, *client_options])

    return run


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_shows_no_secret_but_the_one_it_prints(
    watch: Watch, server: FakeGoogle, run: Callable[[str], int], capsys: pytest.CaptureFixture[str], command: str
) -> None:
    server.approve_after = 0
    server.script("token", Reply(200, {**GOOD, "refresh_token_expires_in": 604799}))
    assert run(command) == 0
    shown = capsys.readouterr()
    printed = {"token": f"{NEW_ACCESS}\n", "header": f"Authorization: Bearer {NEW_ACCESS}\n"}.get(command, "")
    assert shown.out.startswith(printed)
    watch.see(shown.out.replace(printed, "", 1), shown.err)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_that_fails_shows_no_secret(
    watch: Watch, server: FakeGoogle, run: Callable[[str], int], path: Path, command: str
) -> None:
    sent = CLIENT_SECRET if "login" in command else f"{CLIENT_SECRET} {REFRESH}"
    response = Reply(400, {"error": "invalid_client", "error_description": sent})
    if "status" not in command:
        server.script("revoke" if "revoke" in command else "code" if "login" in command else "token", response)
        assert run(command) == 2
    path.write_text(f"{ACCESS} {REFRESH}")
    assert run(command) == 2


@pytest.mark.parametrize("content", [CLIENT_SECRET, json.dumps({"web": {"client_id": f"{CLIENT_SECRET} {REFRESH}"}})])
def test_a_file_without_a_client_is_not_quoted(
    watch: Watch, run: Callable[[str], int], path: Path, content: str
) -> None:
    path.with_name("client.json").write_text(content)
    assert run("refresh") == 2


@pytest.mark.skipif(os.name == "nt", reason="Windows cannot send Ctrl-C to one other process")
def test_a_running_command_shows_no_secret_to_other_users(watch: Watch, server: FakeGoogle, path: Path) -> None:
    server.clients, server.dialect = {CLIENT_ID: Client(CLIENT_SECRET)}, RFC_DIALECT
    variables = {"YTMUSIC_OAUTH_CLIENT_ID": CLIENT_ID, "YTMUSIC_OAUTH_CLIENT_SECRET": CLIENT_SECRET}
    refresh = ["refresh", "--file", str(path), "--endpoints", server.device_code_url, server.token_url]
    start = [sys.executable, "-X", "dev", "-W", "error", "-m", "ytmusic_oauth", *refresh]
    environment = {**os.environ, **variables}
    with server.hold("token"), subprocess.Popen(
        start, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT, env=environment
    ) as command:
        server.wait_for_requests(1, "token")
        with contextlib.suppress(FileNotFoundError):  # only Linux has /proc
            watch.see(Path(f"/proc/{command.pid}/cmdline").read_text())
        command.send_signal(signal.SIGINT)
        watch.see(*command.communicate(timeout=60))
        assert command.returncode == 130
