# SPDX-License-Identifier: MIT
"""Secrets stay where they belong: nothing that a person, a log or another process can see holds one.

The secrets here are planted, and all that comes out is searched for them: as they are, percent-encoded, in base64.
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
from dataclasses import dataclass
from functools import partial
from http.client import HTTPConnection
from pathlib import Path
from typing import Final, NamedTuple, NoReturn
from urllib.parse import quote, urlencode

import pytest

from tests.porting.fake_google import CLIENT_ID, RFC_DIALECT, Client, FakeGoogle, HttpResponse, Raw, Reply
from tests.support import NOON, Clock
from ytmusic_oauth import Endpoints, OAuthCredentials, OAuthError, OAuthToken, RefreshingToken, UrllibSession, session
from ytmusic_oauth.__main__ import main
from ytmusic_oauth._snapshot import Snapshot
from ytmusic_oauth.device import DevicePoll
from ytmusic_oauth.exceptions import ERROR_CLASSES
from ytmusic_oauth.models import AuthCodeDict, RefreshableTokenDict
from ytmusic_oauth.protocol import refresh_request, verification_link

ROOT: Final = Path(__file__).parents[1]
CLIENT_SECRET: Final = "canary-client/secret+a=="
DEVICE_CODE: Final = "AH-canary/device+b=="
ACCESS: Final = "ya29.canary/access+c=="
REFRESH: Final = "1//canary/refresh+d=="
NEW_ACCESS: Final = "ya29.canary/fresh+e=="
NEW_REFRESH: Final = "1//canary/rotated+f=="
PASSWORD: Final = "canary/proxy+g=="
PLANTED: Final = [CLIENT_SECRET, DEVICE_CODE, ACCESS, REFRESH, NEW_ACCESS, NEW_REFRESH, PASSWORD]
# What the fake server makes by itself.
MINTED: Final = ["AH-fake-device-", "ya29.fake-access-", "1//fake-refresh-"]

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


def forms(secret: str) -> set[str]:
    """In lower case, for want of a better way to find what was encoded in either."""
    found = {secret, quote(secret), quote(secret, safe="")}
    for before in range(3):  # a byte in base64 depends on its neighbours: those at the ends are cut off
        encoded = base64.b64encode(b"-" * before + secret.encode() + b"-").decode()[4 if before else 0 : -4]
        found |= {encoded, encoded.replace("+", "-").replace("/", "_")}
    return {each.lower() for each in found}


FORMS: Final = {form: secret for secret in (*PLANTED, *MINTED) for form in forms(secret)}


def leaks(text: str) -> set[str]:
    return {secret for form, secret in FORMS.items() if form in text.lower()}


class Watch(logging.Handler):
    """All that came out, wherever."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.seen: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.see(record.getMessage(), vars(record))

    def see(self, *things: object) -> None:
        self.seen += [f"{thing}\n{thing!r}" for thing in things]

    def tries(self, call: Callable[[], object]) -> bool:
        """Call it, see its error, and tell whether there was one."""
        try:
            call()
        except (OAuthError, ValueError, KeyboardInterrupt) as error:
            self.see("".join(traceback.format_exception(error)), error, vars(error))
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
    monkeypatch.setattr(session, "TRIES", 1)  # what is scripted once is said once
    yield watch
    root.removeHandler(watch)
    root.setLevel(level)
    watch.see(*capsys.readouterr(), *(warning.message for warning in recwarn))
    assert [text for text in watch.seen if leaks(text)] == []


@pytest.fixture
def planted(server: FakeGoogle) -> OAuthCredentials:
    """A client that shows its secret at every endpoint."""
    server.clients, server.dialect = {CLIENT_ID: Client(CLIENT_SECRET)}, RFC_DIALECT
    everywhere = Endpoints(server.device_code_url, server.token_url, server.revoke_url)
    return OAuthCredentials(CLIENT_ID, CLIENT_SECRET, endpoints=everywhere)


class Call(NamedTuple):
    endpoint: str
    secrets: list[str]  # that are sent
    make: Callable[[OAuthCredentials], object]


CALLS: Final = {
    "get_code": Call("code", [CLIENT_SECRET], lambda planted: planted.get_code()),
    "token_from_code": Call("token", [CLIENT_SECRET, DEVICE_CODE], lambda by: by.token_from_code(DEVICE_CODE)),
    "wait_for_token": Call("token", [CLIENT_SECRET, DEVICE_CODE], lambda by: by.wait_for_token(CODE)),
    "refresh_token": Call("token", [CLIENT_SECRET, REFRESH], lambda by: by.refresh_token(REFRESH)),
    "access_token": Call("token", [CLIENT_SECRET, REFRESH], lambda by: RefreshingToken(by, **VALUES).access_token),
    "revoke_token": Call("revoke", [CLIENT_SECRET, REFRESH], lambda by: by.revoke_token(REFRESH)),
}
each_call: Final = pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
# A good answer to a revocation may say anything.
ANSWERED: Final = [call for call in CALLS.values() if call.endpoint != "revoke"]
ELSEWHERE: Final = Endpoints("https://fake.test/code", "https://fake.test/token", "https://fake.test/revoke")


@pytest.mark.parametrize("secret", [*PLANTED, *MINTED])
def test_the_search_finds_what_is_hidden(secret: str) -> None:
    for text in (secret, f"Bearer {secret}!", f"user:{secret}", f"x{secret}x", f"xx{secret}xxx"):
        hidden = [repr(text), quote(text), quote(text, safe=""), urlencode({"token": text}).lower()]
        hidden += [encode(text.encode()).decode() for encode in (base64.b64encode, base64.urlsafe_b64encode)]
        assert [leaks(each) for each in hidden] == [{secret}] * len(hidden)
    assert leaks("ya29.[redacted]") == set()


def test_nothing_that_is_looked_at_shows_a_secret(watch: Watch, server: FakeGoogle, planted: OAuthCredentials) -> None:
    proxies = {"https": f"http://user:{quote(PASSWORD, safe='')}@127.0.0.1:1"}
    request = refresh_request(planted.endpoints, CLIENT_ID, CLIENT_SECRET, REFRESH)
    urllib = UrllibSession(proxies)
    response = urllib.post(server.token_url, data=request.form, headers={})
    watch.see(OAuthToken(**VALUES), RefreshingToken(planted, **VALUES), Snapshot(0, 0, VALUES))
    watch.see(planted, planted.endpoints, OAuthCredentials(CLIENT_ID, CLIENT_SECRET, proxies=proxies))
    watch.see(urllib, request, session.send(urllib, request), response, response.headers, DevicePoll(CODE, 0))


def test_whoever_debugs_http_does_not_print_what_is_sent(
    watch: Watch, planted: OAuthCredentials, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(HTTPConnection, "debuglevel", 1)
    assert watch.tries(lambda: planted.refresh_token(REFRESH))


# ---- what servers say ----------------------------------------------------------------------------

# How servers write what they were sent, when they say it back.
WRITTEN: Final[Mapping[str, Callable[[str], str]]] = {
    "as-it-is": str,
    "as-it-was-sent": lambda secret: quote(secret, safe=""),
    "in-lower-case-hex": lambda secret: re.sub("%..", lambda match: match[0].lower(), quote(secret, safe="")),
    "as-in-a-path": quote,
}
CHUNKED: Final = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def answers_that_say(said: str) -> Iterator[HttpResponse]:
    """Where a server can put it."""
    yield Reply(400, dict.fromkeys(["error", "error_description", "error_uri", "error_subtype", "error_code"], said))
    for code in (*ERROR_CLASSES, "invalid_request", "server_error"):
        yield Reply(400, {"error": code, "error_description": said})
    yield Reply(400, {"error": {"code": 400, "message": said}})
    yield Reply(403, {"error_code": said})
    yield Reply(503, {"error": said, "error_description": said})
    yield Reply(200, {"error": said, "error_description": said})
    headers = dict.fromkeys(["Content-Type", "Retry-After", "Date", "Location", "WWW-Authenticate", "X-Fake"], said)
    for status in (200, 307, 400, 429, 500):
        yield Reply(status, said, headers)
        yield Reply(status, {}, headers)
    yield Reply(200, {"access_token": [said], "device_code": [said]})
    for raw in (
        f"HTTP/1.1 400 {said}\r\nContent-Length: 2\r\n\r\n{{}}",
        f"HTTP/1.1 {said} OK\r\n\r\n",
        f"HTTP/1.1 200 OK\r\n{said}\r\n\r\n",
        f"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{said}",
        f"{CHUNKED}{said}\r\n",
        f"{CHUNKED}1000\r\n{said}",
        f"{said}\r\n\r\n",
    ):
        yield Raw([raw.encode()])


@each_call
@pytest.mark.parametrize("written", WRITTEN.values(), ids=WRITTEN)
def test_a_server_that_says_back_what_it_was_told_is_not_quoted(
    watch: Watch, server: FakeGoogle, planted: OAuthCredentials, call: Call, written: Callable[[str], str]
) -> None:
    for answer in answers_that_say(" ".join(written(secret) for secret in call.secrets)):
        server.script(call.endpoint, answer)
        assert watch.tries(partial(call.make, planted)) or call not in ANSWERED


GOOD: Final[Mapping[str, object]] = {**CODE, **VALUES, "access_token": NEW_ACCESS, "refresh_token": NEW_REFRESH}


def senseless(*keys: str) -> Iterator[str | bytes]:
    """A good answer, but for one thing."""
    good = json.dumps(GOOD)
    yield from (f"[{good}]", f"{good[:-1]}, {good[1:]}", good[:-1], f'"{good[2:]}', f"{good}\xff".encode("latin-1"))
    for key in keys:
        secret = str(GOOD[key])
        for unfit in (None, [secret], {secret: secret}, f"{secret}\n", f"\x1b{secret}"):
            yield json.dumps({**GOOD, key: unfit})
    yield json.dumps({**GOOD, "expires_in": NEW_ACCESS, "interval": NEW_ACCESS})
    yield json.dumps({**GOOD, "token_type": NEW_ACCESS, "verification_url": f"javascript:{DEVICE_CODE}"})


def test_an_answer_that_makes_no_sense_is_not_quoted(
    watch: Watch, server: FakeGoogle, planted: OAuthCredentials
) -> None:
    for call in ANSWERED:
        keys = ["device_code", "user_code", "verification_url"] if call.endpoint == "code" else ["access_token"]
        for body in senseless(*keys):
            server.script(call.endpoint, Reply(200, body))
            assert watch.tries(partial(call.make, planted))


# ---- what sessions and proxies say ---------------------------------------------------------------


class Rude(Exception):
    """Shows what it was made of in every way that there is."""

    def __str__(self) -> str:
        return f"{self.args} {urlencode(self.args[0])}"


@dataclass
class Rough:
    """A session of the caller's own, and its answer."""

    fails: Callable[[Mapping[str, str]], NoReturn]
    in_json: bool
    status_code: int = 200

    def post(self, url: str, *, data: Mapping[str, str], headers: Mapping[str, str], timeout: float) -> Rough:
        self.form = self.headers = data
        if not self.in_json:
            self.fails(data)
        return self

    def json(self) -> object:
        self.fails(self.form)


def bluntly(form: Mapping[str, str]) -> NoReturn:
    raise RuntimeError(f"POST {form} {urlencode(form)} failed")


def with_a_cause(form: Mapping[str, str]) -> NoReturn:
    raise Rude(form) from Rude(form)


def with_a_context(form: Mapping[str, str]) -> NoReturn:
    try:
        raise Rude(form)
    finally:
        raise OSError(errno.EIO, f"{form}", f"{form}")


def as_json_fails(form: Mapping[str, str]) -> NoReturn:
    raise json.JSONDecodeError(f"{form}", f"{form}", 0)


@pytest.mark.parametrize("in_json", [False, True], ids=["in-post", "in-json"])
@pytest.mark.parametrize("fails", [bluntly, with_a_cause, with_a_context, as_json_fails])
def test_a_session_that_shows_the_form_in_its_errors_is_not_quoted(
    watch: Watch, fails: Callable[[Mapping[str, str]], NoReturn], in_json: bool
) -> None:
    rough = OAuthCredentials(CLIENT_ID, CLIENT_SECRET, Rough(fails, in_json), endpoints=ELSEWHERE)
    for call in ANSWERED:
        assert watch.tries(partial(call.make, rough))


PROXY_SAYS: Final = {
    "nothing": "",
    "the-password": f"HTTP/1.1 407 {PASSWORD}\r\n\r\n",
    "the-header": "HTTP/1.1 407 Basic {}\r\n\r\n",
    "no-http": f"{PASSWORD} {{}}\r\n\r\n",
    "a-redirect": f"HTTP/1.1 302 Found\r\nLocation: http://user:{PASSWORD}@elsewhere.test/\r\n\r\n",
    "yes": "HTTP/1.1 200 OK\r\n\r\n",
}


@pytest.fixture
def proxy() -> Iterator[Callable[[str], str]]:
    """Says one thing to the next connection; answers its address."""
    with socket.create_server(("127.0.0.1", 0)) as listener, contextlib.ExitStack() as ends:

        def serve(says: str) -> None:
            connection, _ = listener.accept()
            with connection, connection.makefile("rwb") as stream:
                for line in iter(stream.readline, b"\r\n"):
                    assert line
                stream.write(says.format(encoded).encode())

        def start(says: str) -> str:
            thread = threading.Thread(target=serve, args=(says,))
            thread.start()
            ends.callback(thread.join, 10)
            return f"127.0.0.1:{listener.getsockname()[1]}"

        encoded = base64.b64encode(f"user:{PASSWORD}".encode()).decode()
        yield start


@pytest.mark.parametrize("says", PROXY_SAYS.values(), ids=PROXY_SAYS)
def test_a_proxy_that_fails_costs_no_password(watch: Watch, proxy: Callable[[str], str], says: str) -> None:
    proxies = {"https": f"http://user:{quote(PASSWORD, safe='')}@{proxy(says)}"}
    behind = OAuthCredentials(CLIENT_ID, CLIENT_SECRET, proxies=proxies, endpoints=ELSEWHERE)
    assert watch.tries(lambda: behind.refresh_token(REFRESH))


MISTYPED: Final = [
    f"http:/user:{PASSWORD}@127.0.0.1:1",
    f"http://user:{PASSWORD}@127.0.0.1:1",
    f"http:user:{PASSWORD}@127.0.0.1:1",
    f"user:{PASSWORD}@127.0.0.1:1",
    f"http://user:{quote(PASSWORD, safe='')}@127.0.0.1:one",
    f"http://user:{quote(PASSWORD, safe='')}@[::1:1",
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
        behind = OAuthCredentials(CLIENT_ID, CLIENT_SECRET, proxies=proxies, endpoints=ELSEWHERE)
        return behind.refresh_token(REFRESH)

    assert watch.tries(refresh)


# ---- what files and arguments say ----------------------------------------------------------------


def spoiled_files() -> Iterator[bytes]:
    good = json.dumps(VALUES)
    yield from (each.encode() for each in (f"[{good}]", f"{good[:-1]}, {good[1:]}", good[:-1], f'"{good[2:]}', REFRESH))
    yield from (good.encode("utf-16"), good.encode() + b"\xff", good.encode().ljust(2**20 + 1))
    for key in VALUES:
        for unfit in (None, [REFRESH], {REFRESH: ACCESS}, 10**30, math.nan):
            yield json.dumps({**VALUES, key: unfit}).encode()
        for text in (f"{REFRESH}\n", f"\x1b{ACCESS}", f"{CLIENT_SECRET}\xe9"):
            if key != "scope":  # which is any text
                yield json.dumps({**VALUES, key: text}).encode()


def test_a_spoiled_token_file_is_not_quoted(watch: Watch, planted: OAuthCredentials, tmp_path: Path) -> None:
    path = tmp_path / "oauth.json"
    for content in spoiled_files():
        path.write_bytes(content)
        assert watch.tries(lambda: OAuthToken.from_json(path))
        assert watch.tries(lambda: RefreshingToken.load(planted, path))
        assert watch.tries(lambda: RefreshingToken.prompt_for_token(planted, to_file=str(path)))


@pytest.mark.parametrize("where", ["spoiled", "folder", "missing/oauth.json", "missing"])
def test_a_save_that_fails_warns_without_secrets(
    watch: Watch,
    server: FakeGoogle,
    planted: OAuthCredentials,
    tmp_path: Path,
    recwarn: pytest.WarningsRecorder,
    where: str,
) -> None:
    (tmp_path / "spoiled").write_text(REFRESH)
    (tmp_path / "folder").mkdir()
    token = RefreshingToken(planted, tmp_path / where, **VALUES)
    server.script("token", Reply(200, GOOD))
    assert not watch.tries(lambda: token.access_token)
    assert len(recwarn) == (where != "missing")
    assert watch.tries(lambda: token.store_token(str(tmp_path / "missing" / where)))


def unfit_arguments(by: OAuthCredentials) -> Iterator[Callable[[], object]]:
    unfit = f"{ACCESS} {REFRESH}\n{CLIENT_SECRET} {DEVICE_CODE} {PASSWORD}"
    url = f"https://user:{PASSWORD}@fake.test/"
    token = RefreshingToken(by, **VALUES)
    unfit_values: list[RefreshableTokenDict] = [{**VALUES, "access_token": unfit}, {**VALUES, "token_type": unfit}]
    yield lambda: OAuthCredentials(CLIENT_ID, unfit)
    yield lambda: OAuthCredentials(unfit, CLIENT_SECRET)
    yield lambda: OAuthCredentials(CLIENT_ID, CLIENT_SECRET, scope=unfit)
    yield lambda: OAuthCredentials(CLIENT_ID, CLIENT_SECRET, session=UrllibSession(), proxies={"https": url})
    yield lambda: Endpoints(url, url)
    yield lambda: by.token_from_code(unfit)
    yield lambda: by.wait_for_token({**CODE, "device_code": unfit})
    yield lambda: by.refresh_token(unfit)
    yield lambda: by.revoke_token(unfit)
    yield lambda: verification_link({**CODE, "verification_url": unfit})
    for values in unfit_values:
        yield partial(OAuthToken, **values)
        yield partial(token.update, values)
    yield lambda: setattr(token, "refresh_token", unfit)


def test_an_argument_that_is_refused_is_not_quoted(watch: Watch, planted: OAuthCredentials) -> None:
    for call in unfit_arguments(planted):
        assert watch.tries(call)


# ---- Ctrl-C, and other processes -----------------------------------------------------------------


@pytest.mark.parametrize(
    "where", ["socket.create_connection", "http.client.HTTPResponse.read", "json.loads", "os.write", "os.replace"]
)
def test_ctrl_c_shows_no_secret(
    watch: Watch,
    server: FakeGoogle,
    planted: OAuthCredentials,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    where: str,
) -> None:
    def interrupt(*_: object, **__: object) -> NoReturn:
        raise KeyboardInterrupt

    path = tmp_path / "oauth.json"
    OAuthToken(**VALUES)
    token = RefreshingToken(planted, path, **VALUES)
    token.store_token()
    server.script("token", Reply(200, GOOD))
    monkeypatch.setattr(where, interrupt)
    assert watch.tries(lambda: token.access_token)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "oauth.json"
    path.write_text(json.dumps(VALUES))
    return path


@contextlib.contextmanager
def process(watch: Watch, server: FakeGoogle, path: Path, *orders: object) -> Iterator[subprocess.Popen[str]]:
    """A `tests.worker` to which every warning is an error; it is seen to its end."""
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


# Says what it is told to open.
BROWSER: Final = f"{sys.executable} -c import\\ sys;print(sys.argv)"


def test_a_login_in_a_terminal_shows_no_secret(watch: Watch, server: FakeGoogle, path: Path) -> None:
    server.approve_after = 0
    with process(watch, server, path, "login", ""):
        pass
    assert "user_code=" in "".join(watch.seen)
    assert server.can_refresh(OAuthToken.from_json(path).refresh_token)


@pytest.mark.parametrize("trouble", ["invalid_grant", "server_error"])
def test_a_process_that_fails_to_refresh_shows_no_secret(
    watch: Watch, server: FakeGoogle, path: Path, trouble: str
) -> None:
    answer = Reply(400, {"error": trouble, "error_description": f"{CLIENT_SECRET} {REFRESH}"})
    server.script("token", answer, answer, answer)
    with process(watch, server, path, f"load {NOON}", "unguarded read"):
        pass
    assert trouble in "".join(watch.seen)


def test_a_process_that_dies_of_a_warning_shows_no_secret(watch: Watch, server: FakeGoogle, path: Path) -> None:
    server.script("token", Reply(200, GOOD))
    with process(watch, server, path, f"load {NOON}", "cannot_save", "unguarded read"):
        pass
    assert "RuntimeWarning: " in "".join(watch.seen)


@pytest.mark.skipif(os.name == "nt", reason="nobody can press Ctrl-C for another process there")
def test_ctrl_c_in_a_process_shows_no_secret(watch: Watch, server: FakeGoogle, path: Path) -> None:
    with process(watch, server, path, f"load {NOON}", "read") as worker, server.hold("token"):
        server.wait_for_requests(1, "token")
        with contextlib.suppress(FileNotFoundError):  # on Linux alone
            watch.see(Path(f"/proc/{worker.pid}/cmdline").read_text())
        worker.send_signal(signal.SIGINT)
        worker.wait(10)
    assert "KeyboardInterrupt" in "".join(watch.seen)


# ---- the command line ----------------------------------------------------------------------------

COMMANDS: Final = ("login", "login --json", "token", "header", "status", "status --json", "refresh", "revoke --yes")


@pytest.fixture
def run(
    server: FakeGoogle, planted: OAuthCredentials, path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], int]:
    """Run a command on the planted file."""
    client = path.with_name("client.json")
    client.write_text(json.dumps({"installed": {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}}))
    monkeypatch.setattr(sys, "stdin", None)

    def run(command: str) -> int:
        urls = (server.device_code_url, server.token_url, server.revoke_url)
        talks = () if "status" in command else ("--client-secrets", str(client), "--endpoints", *urls)
        return main([*command.split(), "--file", str(path), *talks])

    return run


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_shows_no_secret_but_the_one_it_is_asked_for(
    watch: Watch, server: FakeGoogle, run: Callable[[str], int], capsys: pytest.CaptureFixture[str], command: str
) -> None:
    server.approve_after = 0
    server.script("token", Reply(200, {**GOOD, "refresh_token_expires_in": 604799}))
    assert run(command) == 0
    shown = capsys.readouterr()
    asked_for = {"token": f"{NEW_ACCESS}\n", "header": f"Authorization: Bearer {NEW_ACCESS}\n"}.get(command, "")
    assert shown.out.startswith(asked_for)
    watch.see(shown.out.removeprefix(asked_for), shown.err)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_that_fails_shows_no_secret(
    watch: Watch, server: FakeGoogle, run: Callable[[str], int], path: Path, command: str
) -> None:
    said = CLIENT_SECRET if "login" in command else f"{CLIENT_SECRET} {REFRESH}"
    refusal = Reply(400, {"error": "invalid_client", "error_description": said})
    if "status" not in command:
        server.script("revoke" if "revoke" in command else "code" if "login" in command else "token", refusal)
        assert run(command) == 2
    path.write_text(f"{ACCESS} {REFRESH}")
    assert run(command) == 2


@pytest.mark.parametrize("content", [CLIENT_SECRET, json.dumps({"web": {"client_id": f"{CLIENT_SECRET} {REFRESH}"}})])
def test_a_file_that_holds_no_client_is_not_quoted(
    watch: Watch, run: Callable[[str], int], path: Path, content: str
) -> None:
    path.with_name("client.json").write_text(content)
    assert run("refresh") == 2


@pytest.mark.skipif(os.name == "nt", reason="nobody can press Ctrl-C for another process there")
def test_a_command_that_runs_shows_no_secret_to_other_users(watch: Watch, server: FakeGoogle, path: Path) -> None:
    server.clients, server.dialect = {CLIENT_ID: Client(CLIENT_SECRET)}, RFC_DIALECT
    variables = {"YTMUSIC_OAUTH_CLIENT_ID": CLIENT_ID, "YTMUSIC_OAUTH_CLIENT_SECRET": CLIENT_SECRET}
    refresh = ["refresh", "--file", str(path), "--endpoints", server.device_code_url, server.token_url]
    with (
        server.hold("token"),
        subprocess.Popen(
            [sys.executable, "-X", "dev", "-W", "error", "-m", "ytmusic_oauth", *refresh],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**os.environ, **variables},
        ) as command,
    ):
        server.wait_for_requests(1, "token")
        with contextlib.suppress(FileNotFoundError):  # on Linux alone
            watch.see(Path(f"/proc/{command.pid}/cmdline").read_text())
        command.send_signal(signal.SIGINT)
        watch.see(*command.communicate(timeout=60))
        assert command.returncode == 130
