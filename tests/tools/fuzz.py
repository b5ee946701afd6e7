# SPDX-License-Identifier: MIT
"""Fuzz every parser: an input gives a complete value or an error of the package, and nothing else changes. `make fuzz`.

    python -m tests.tools.fuzz --seconds 60                     # every target in turn, with a new seed
    python -m tests.tools.fuzz --seed 7 --target http           # the same inputs again
    python -m tests.tools.fuzz --target http --input BASE64     # one input again, as a failure prints it

Valid examples are mutated one step at a time. Where atheris is installed, inputs that reach new code are kept and
mutated further. A finding becomes a vector of the porting kit, or a test. Every target's docstring is its invariant.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import io
import json
import math
import os
import random
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Final
from unittest.mock import patch
from urllib.parse import urlsplit

from tests.support import NOON, Clock
from ytmusic_oauth import (
    YOUTUBE,
    Endpoints,
    OAuthError,
    TokenFileError,
    UrllibSession,
    _store_access,
    _validation,
    protocol,
)
from ytmusic_oauth import _command_line as cli
from ytmusic_oauth._file_store import FileStore
from ytmusic_oauth._messages import Request
from ytmusic_oauth._retries import parse_retry_after
from ytmusic_oauth._store_access import load_token
from ytmusic_oauth._token_text import token_text
from ytmusic_oauth.models import AuthCodeDict, RefreshableTokenDict
from ytmusic_oauth.session import send

TOKEN: Final[RefreshableTokenDict] = {
    "scope": "https://www.googleapis.com/auth/youtube",
    "token_type": "Bearer",
    "access_token": "ya29.fake",
    "refresh_token": "1//fake",
    "expires_at": NOON + 3599,
    "expires_in": 3599,
}
CODE: Final[AuthCodeDict] = {
    "device_code": "AH-fake",
    "user_code": "GQVQ-JKEC",
    "expires_in": 1800,
    "interval": 5,
    "verification_url": "https://www.google.com/device",
}
BODIES: Final = [
    json.dumps(body).encode()
    for body in (
        TOKEN,
        CODE,
        {**CODE, "verification_uri_complete": "https://www.google.com/device?user_code=GQVQ-JKEC"},
        {"error": "authorization_pending", "error_description": "Precondition Required"},
        {"error": "slow_down", "interval": 30},
        {"error": "invalid_grant", "error_subtype": "invalid_rapt", "error_description": "Bad Request"},
        {"error_code": "rate_limit_exceeded"},
        {"error": {"code": 403, "errors": [{"reason": "quotaExceeded"}], "status": "PERMISSION_DENIED"}},
    )
]


# ---- the targets: each takes bytes, and raises if its invariant does not hold --------------------


def http(data: bytes) -> None:
    """For an HTTP response, every parser returns a complete dictionary or raises an OAuthError that is safe to show."""
    request = Request("http://127.0.0.1/token", {"client_id": "id", "refresh_token": "1//fake"})
    parsers: Sequence[Callable[[], object]] = (
        lambda: protocol.parse_device_authorization(request, response),
        lambda: protocol.parse_token(request, response, sent=NOON, scope="s"),
        lambda: protocol.parse_refresh(request, response, sent=NOON),
        lambda: protocol.parse_revocation(request, response),
    )
    ours, servers = socket.socketpair()
    with ours, servers, patch("socket.create_connection", lambda *_, **__: ours):
        servers.sendall(data[:50_000])
        servers.shutdown(socket.SHUT_WR)
        try:
            response = send(UrllibSession({}), request)
        except OAuthError as error:
            _check_message(error)
            return
    for parse in parsers:
        try:
            _check_complete(parse())
        except OAuthError as error:
            _check_message(error)


def _check_complete(parsed: object) -> None:
    assert parsed is None or isinstance(parsed, dict)
    for key, value in (parsed or {}).items():
        if key in {"expires_in", "interval", "expires_at"}:
            assert type(value) is int and value > 0, key
        else:
            assert isinstance(value, str), key
            assert key == "scope" or value.isprintable(), key


def _check_message(error: OAuthError) -> None:
    assert str(error).isprintable()
    assert len(str(error)) < 2000
    assert error.retry_after is None or 0 <= error.retry_after < math.inf


def json_document(data: bytes) -> None:
    """A JSON document gives the object that the standard parser reads, or a ValueError that does not quote it."""
    document = data.decode("utf-8", "surrogateescape")
    try:
        value = _validation.json_object(document)
    except ValueError as error:
        assert len(str(error)) < 100
    else:
        # Long integers are read as floats. Texts are compared, because NaN is not equal to itself.
        assert repr(value) == repr(json.loads(document, parse_int=_validation._number))


def token_file(data: bytes) -> None:
    """A file gives a token that can be written and read again, or a TokenFileError; reading does not change it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "oauth.json")
        path.write_bytes(data)
        store = FileStore(path)
        try:
            with patch.object(_store_access, "time", Clock()):  # it looks again for a second
                token = load_token(store)
        except TokenFileError as error:
            assert error.path == str(path)
            _check_message(error)
        else:
            assert path.read_bytes() == data
            assert store.replace(store.read(), token_text(token))
            assert load_token(store) == token
        assert os.listdir(folder) == ["oauth.json"]


def command_line(data: bytes) -> None:
    """Any arguments, one a line, end with a documented exit status and no traceback; existing files do not change."""
    arguments = data.decode("utf-8", "surrogateescape").split("\n")
    before = Path.cwd()
    with (
        tempfile.TemporaryDirectory() as folder,
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()) as errors,
        patch("socket.getaddrinfo", _refuse),
        patch("webbrowser.open", _refuse),
        patch.dict(os.environ, YTMUSIC_OAUTH_CLIENT_ID="id", YTMUSIC_OAUTH_CLIENT_SECRET="secret"),
        Clock().installed(),
    ):
        os.chdir(folder)
        Path("oauth.json").write_text(json.dumps(TOKEN))
        Path("client.json").write_text('{"installed": {"client_id": "id", "client_secret": "secret"}}')
        try:
            status = cli.main(arguments)
        except SystemExit as usage:
            assert usage.code in {0, 2}
        else:
            assert status in {cli.DONE, cli.LOG_IN_AGAIN, cli.FIX_FIRST, cli.TRY_LATER, cli.INTERRUPTED}
        finally:
            os.chdir(before)
        assert json.loads(Path(folder, "oauth.json").read_text()) == TOKEN
        assert "Traceback" not in errors.getvalue()
        assert sorted(os.listdir(folder)) == ["client.json", "oauth.json"]


def _refuse(*_: object, **__: object) -> socket.socket:
    raise ConnectionRefusedError


def endpoint(data: bytes) -> None:
    """An accepted URL is https or leads to this machine, and has a host, no user and only ASCII."""
    url = data.decode("utf-8", "surrogateescape")
    try:
        Endpoints(url, YOUTUBE.token_url)
    except ValueError:
        return
    parts = urlsplit(url)
    host = parts.hostname or ""
    assert parts.scheme == "https" or host in {"localhost", "::1"} or host.startswith("127.")
    assert host
    assert "@" not in parts.netloc
    assert url.isascii()


def link(data: bytes) -> None:
    """A link for the user is one that a browser may open, or it is a ValueError."""
    page, _, complete = data.decode("utf-8", "surrogateescape").partition("\n")
    try:
        shown = protocol.verification_link({**CODE, "verification_url": page})
        if complete:
            shown = _validation.validate("link", complete, _validation.web_link)
    except ValueError:
        return
    assert re.match("https?://[^/]", shown, re.IGNORECASE)
    assert shown.isprintable()


def retry_after(data: bytes) -> None:
    """A Retry-After gives None or a finite number of seconds."""
    value, _, date = data.decode("latin-1").partition("\n")
    seconds = parse_retry_after(value, date, NOON)
    assert seconds is None or 0 <= seconds < math.inf


def _responses() -> list[bytes]:
    head = b"HTTP/1.1 %d X\r\nContent-Type: application/json\r\nDate: Tue, 14 Nov 2023 22:13:20 GMT\r\n"
    whole = [head % 200 + b"Content-Length: %d\r\n\r\n" % len(body) + body for body in BODIES]
    chunked = head % 400 + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(BODIES[5]), BODIES[5])
    later = head % 503 + b"Retry-After: Tue, 14 Nov 2023 22:13:27 GMT\r\n\r\n"
    elsewhere = head % 307 + b"Location: https://elsewhere.example/\r\nContent-Length: 0\r\n\r\n"
    return [*whole, chunked, later, elsewhere]


TARGETS: Final[Mapping[str, tuple[Callable[[bytes], None], Sequence[bytes]]]] = {
    "http": (http, _responses()),
    "json": (json_document, BODIES),
    "file": (token_file, [json.dumps(TOKEN, indent=1).encode(), b"\xef\xbb\xbf" + json.dumps(TOKEN).encode()]),
    "command": (
        command_line,
        [
            b"status",
            b"status\n--json\n--file\noauth.json",
            b"token",
            b"header\n--client-secrets\nclient.json",
            b"refresh\n--endpoints\nhttp://127.0.0.1:9/device\nhttp://127.0.0.1:9/token",
            b"login\n--open-browser\n--json\n--scope\nopenid\n--endpoints\ngoogle",
            b"revoke\n--yes\n--client-secrets\noauth.json",
            b"--version",
            b"login\n--help",
        ],
    ),
    "endpoint": (
        endpoint,
        [
            b"https://a.example/device?a=b",
            b"http://127.0.0.1:8080/token",
            b"http://[::1]/",
            b"https://[2001:db8::1]:443/x",
        ],
    ),
    "link": (link, [b"https://a.example/device", b"https://a.example/d?x=y#z\nhttps://a.example/d?user_code=A"]),
    "retry-after": (retry_after, [b"7", b"Tue, 14 Nov 2023 22:13:27 GMT\nTue, 14 Nov 2023 22:13:20 GMT"]),
}


# ---- mutating ------------------------------------------------------------------------------------

VALUES: Final[Sequence[object]] = (
    *(None, True, False, 0, -1, 1, 0.5, 3599.7, 1e308, 2**31, 2**63, 10**20, "", " ", "3599", "-1", "1e3", "\ud800"),
    *(
        "\x1b[2J",
        "\r\nX: y",
        "\u202e",
        "\x00",
        "é",
        "javascript:alert(1)",
        "file:///etc/passwd",
        [],
        {},
        [[]],
        {"error": 1},
    ),
)
PIECES: Final = [
    *(b"\x00", b"\n", b"\r\n", b"\r\n\r\n", b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\x1b[2J", b"NaN"),
    *(b"{", b"[" * 99, b"}", b'"', b"\\u", b"-1", b"9" * 400, b"1e999", b"--", b"-", b"@", b"#", b"%00", b"//", b"\\"),
    *(
        b"Content-Length: -1\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"Content-Encoding: gzip\r\n",
        b"HTTP/1.1 100 C\r\n\r\n",
    ),
]


def mutated(data: bytes, rng: random.Random) -> bytes:
    """Change the input in one step."""
    start = data.find(b"{")
    if start >= 0 and rng.random() < 0.5:
        with contextlib.suppress(ValueError):
            body = json.loads(data[start:])
            key = rng.choice([*body, "error", "new"])
            body[key] = rng.choice(VALUES)
            if rng.random() < 0.2:
                del body[key]
            content = json.dumps(body, ensure_ascii=rng.random() < 0.5).encode("utf-8", "surrogatepass")
            head = data[:start].replace(b"Content-Length: %d\r\n" % (len(data) - start), b"")
            return head + content
    at, to = sorted(rng.randrange(len(data) + 1) for _ in range(2))
    steps: Sequence[Callable[[], bytes]] = (
        lambda: data[:at] + data[to:],
        lambda: data[:to],
        lambda: data[:to] + data[at:],
        lambda: data[:at] + rng.choice(PIECES) + data[at:],
        lambda: data[:at] + rng.choice(PIECES) + data[to:],
        lambda: data[:at] + bytes([rng.randrange(256)]) + data[at + 1 :],
    )
    return rng.choice(steps)()


def inputs(name: str, seed: int) -> Iterator[bytes]:
    """The inputs for one target, without end."""
    _, examples = TARGETS[name]
    rng = random.Random(f"{name} {seed}")
    while True:
        data = rng.choice(examples)
        for _ in range(rng.choice((0, 1, 1, 1, 2, 3, 5))):
            data = mutated(data, rng)
        yield data


def fuzz(name: str, seconds: float, seed: int) -> int:
    """Fuzz one target for some seconds. Returns the number of inputs."""
    deadline = time.monotonic() + seconds
    for number, data in enumerate(inputs(name, seed)):
        if time.monotonic() >= deadline:
            return number
        check(name, data)
    raise AssertionError("the inputs ended")


def check(name: str, data: bytes) -> None:
    """Try one input. If the invariant does not hold, print how to repeat it, and raise."""
    target, _ = TARGETS[name]
    started = time.monotonic()
    try:
        target(data)
        assert time.monotonic() - started < 5, "it took too long"
    except BaseException:
        print(f"\n{target.__doc__}\nThis does not hold for {data[:500]!r}")
        print(f"Repeat with: python -m tests.tools.fuzz --target {name} --input {base64.b64encode(data).decode()}")
        raise


def guided(name: str, seconds: float, seed: int) -> int:
    """Fuzz guided by coverage, in a process of its own: libFuzzer ends the process."""
    with tempfile.TemporaryDirectory() as corpus:
        for number, example in enumerate(TARGETS[name][1]):
            Path(corpus, str(number)).write_bytes(example)
        command = [sys.executable, "-m", "tests.tools.fuzz", "--target", name, "--guided", corpus]
        return subprocess.call([*command, "--seconds", str(math.ceil(seconds)), "--seed", str(seed)])


def run_guided(name: str, corpus: str, seconds: float, seed: int) -> None:
    """Run libFuzzer in this process. Does not return."""
    atheris = import_module("atheris")
    for module in [module for key, module in sys.modules.items() if key.startswith("ytmusic_oauth.")]:
        for key, value in vars(module).items():
            if callable(value) and hasattr(value, "__code__") and value.__module__ == module.__name__:
                setattr(module, key, atheris.instrument_func(value))
    options = [
        f"-max_total_time={seconds:.0f}",
        f"-seed={seed}",
        "-max_len=50000",
        "-verbosity=0",
        "-print_final_stats=0",
    ]
    atheris.Setup([sys.argv[0], *options, corpus], lambda data: check(name, data))
    atheris.Fuzz()


def main(argv: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(
        "python -m tests.tools.fuzz", description=__doc__.splitlines()[0] if __doc__ else ""
    )
    parser.add_argument("--seconds", type=float, default=60.0, help="for all targets together")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**31))
    parser.add_argument("--target", choices=TARGETS, action="append")
    parser.add_argument("--input", metavar="BASE64")
    parser.add_argument("--guided", metavar="FOLDER", help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    names: Sequence[str] = options.target or list(TARGETS)
    if options.input is not None:
        for name in names:
            check(name, base64.b64decode(options.input))
        return 0
    if options.guided is not None:
        run_guided(names[0], options.guided, options.seconds, options.seed)
    by_coverage = find_spec("atheris") is not None
    print(f"seed {options.seed}, {'guided by coverage' if by_coverage else 'atheris is not installed'}")
    share = options.seconds / len(names) / (2 if by_coverage else 1)
    for name in names:
        print(f"{name:12} {fuzz(name, share, options.seed)} inputs", flush=True)
        if by_coverage and guided(name, share, options.seed) != 0:
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
