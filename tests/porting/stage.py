# SPDX-License-Identifier: MIT
"""Where a scenario is played: a fake server, a folder, and the port's driver as child processes.

A scenario says what is special about it. What holds in every one is judged here, when it is over: how requests look,
how often the server was asked, that no secret was shown, and what lies in the folder.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal, TypeAlias
from unicodedata import category

from .fake_google import CLIENT_ID, DIALECTS, ENDPOINTS, Client, Exchange, FakeGoogle, Reply

__all__ = [
    "KEYS", "LIMIT", "SCOPE", "SECRET", "Child", "Object", "Stage", "Told", "Ways", "Wrong", "expect", "shown",
]  # fmt: skip

Object: TypeAlias = Mapping[str, object]
Ways: TypeAlias = Literal["youtube", "google", "rfc"]

SCOPE: Final = "https://www.googleapis.com/auth/youtube"
# Every sign in it is lost or changed by somebody who forgets to encode a form, or does it twice.
SECRET: Final = "GOCSPX-fake+/=&%41~x"
# The six values, in the order of the file.
KEYS: Final = ("scope", "token_type", "access_token", "refresh_token", "expires_at", "expires_in")
# Seconds for a whole child process.
LIMIT: Final = 30.0
# Two clocks of one machine, and a scheduler.
TOLERANCE: Final = 0.02
URN: Final = "urn:ietf:params:oauth:grant-type:device_code"
_SECRETS: Final = re.compile(
    "|".join((r"(?:ya29\.|1//|1%2F%2F)fake[\w.-]*", r"AH-fake[\w.-]*", re.escape(SECRET), r"GOCSPX-fake[^\s\"]*")),
    re.IGNORECASE,
)
# Categories of what drives a terminal, or reorders what stands on it.
_DRIVING: Final = {"Cc", "Cf", "Zl", "Zp"}
_LOG_IN_AGAIN: Final = {"invalid_grant", "access_denied", "expired_token", "token_file_not_found", "cancelled"}


class Wrong(Exception):
    """Something is not as it should be."""

    def __init__(self, expected: str, came: object) -> None:
        super().__init__(expected)
        self.expected = expected
        self.came = came if isinstance(came, str) else shown(came)


def expect(right: bool, expected: str, came: object) -> None:
    """Raise `Wrong` unless it is right."""
    if not right:
        raise Wrong(expected, came)


def shown(value: object) -> str:
    """As JSON, not too long."""
    text = json.dumps(value, default=str)
    return text if len(text) <= 600 else f"{text[:600]} ..."


@dataclass(frozen=True)
class Told:
    """What came of one call of the driver."""

    verb: str
    status: int | None  # None: it had to be killed
    out: str
    words: str  # on standard error
    seconds: float

    @property
    def answer(self) -> Object:
        """The one line of JSON. Raises `Wrong`."""
        lines = self.out.splitlines()
        what = f"`{self.verb}` says one line of JSON on standard output, and ends"
        if self.status is None:
            raise Wrong(what, f"it still ran after {self.seconds:.0f} s, and had said {self.out!r}, {self.tail!r}")
        if len(lines) != 1:
            raise Wrong(what, f"{len(lines)} lines: {self.out[:300]!r}; exit status {self.status}, {self.tail!r}")
        return decoded(lines[0], what)

    @property
    def tail(self) -> str:
        """The end of what it said to a person."""
        return self.words[-500:]


def decoded(line: str, what: str) -> Object:
    """Read a line that should be a JSON object. Raises `Wrong`."""
    try:
        value: object = json.loads(line)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise Wrong(what, line[:300] or "nothing")
    return value


class Child:
    """A driver that runs. What it says on standard error is collected in a thread."""

    def __init__(
        self, command: Sequence[str], verb: str, environment: Mapping[str, str], *, limit: float, umask: int = -1
    ) -> None:
        self.verb = verb
        self.limit = limit
        self._started = time.monotonic()
        self._timed_out = False
        self._words: list[str] = []
        self.process = subprocess.Popen(
            [*command, verb],
            stdin=subprocess.PIPE if verb in {"keep", "vectors"} else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            start_new_session=True,
            umask=umask,
        )
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()
        self._watchdog = threading.Timer(limit, self._time_out)
        self._watchdog.daemon = True
        self._watchdog.start()

    def _listen(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self._words.append(line.decode(errors="replace"))

    def _time_out(self) -> None:
        self._timed_out = True
        self.kill()

    def kill(self) -> None:
        """End it without a warning, and whatever it has started."""
        if sys.platform == "win32":
            self.process.kill()
        else:
            with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS may not kill the dead
                os.killpg(self.process.pid, signal.SIGKILL)

    def tell(self, line: str) -> None:
        """Write a line to its standard input; if it has ended, that is seen when it is heard."""
        assert self.process.stdin is not None
        with contextlib.suppress(OSError, ValueError):  # the other end is closed, or this one
            self.process.stdin.write(line.encode() + b"\n")
            self.process.stdin.flush()

    def hear(self) -> str:
        """Read a line of its standard output. Raises `Wrong` if it ends before that."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline().decode(errors="replace")
        if not line.endswith("\n"):
            ended = self.finish()
            came = (
                f"it had to be killed after {self.limit:.0f} s" if ended.status is None else f"it ended: {ended.status}"
            )
            raise Wrong(f"`{self.verb}` answers a line with a line", f"{came}; {line + ended.out!r}; {ended.tail!r}")
        return line

    def heard(self) -> Object:
        """Hear a JSON object."""
        return decoded(self.hear(), f"`{self.verb}` answers with a JSON object")

    def ask(self, line: str) -> Object:
        """Tell a line, and hear a JSON object."""
        self.tell(line)
        return self.heard()

    def ask_all(self, line: str) -> list[Object]:
        """Tell a line, and hear a list of JSON objects."""
        self.tell(line)
        heard = self.hear()
        try:
            answers: object = json.loads(heard)
        except ValueError:
            answers = None
        if not isinstance(answers, list) or not all(isinstance(answer, dict) for answer in answers):
            raise Wrong(f"`{self.verb}` answers {line!r} with a list of JSON objects", heard[:300])
        return answers

    def finish(self) -> Told:
        """Close its input, and wait until it has ended."""
        assert self.process.stdout is not None
        if self.process.stdin is not None:
            with contextlib.suppress(OSError):
                self.process.stdin.close()
        out = b"" if self.process.stdout.closed else self.process.stdout.read()
        status = self.process.wait()
        self._watchdog.cancel()
        self._listener.join()
        self.process.stdout.close()
        if self.process.stderr is not None:
            self.process.stderr.close()
        seconds = time.monotonic() - self._started
        words = "".join(self._words)
        return Told(self.verb, None if self._timed_out else status, out.decode(errors="replace"), words, seconds)


@dataclass
class Stage:
    """One scenario's own server, folder and children."""

    command: Sequence[str]
    ways: Ways = "youtube"
    told: list[Told] = field(default_factory=list)
    #: seconds for a whole request, as the port is told
    timeout: float = 10.0
    #: what may lie in the folder besides the token file
    others: set[str] = field(default_factory=set)
    umask: int = -1

    def __post_init__(self) -> None:
        self._children: list[Child] = []
        self._written: bytes | None = None
        self.folder = Path(tempfile.mkdtemp(prefix="porting-"))
        self.file = self.folder / "oauth.json"
        self.server = FakeGoogle(
            clock=time.monotonic,
            dialect=DIALECTS["rfc" if self.ways == "rfc" else "google"],
            clients={CLIENT_ID: Client(SECRET), "another-client": Client(SECRET)},
            interval=1,
        )

    @contextlib.contextmanager
    def lit(self) -> Iterator[None]:
        """Serve, and when it is over clear everything away."""
        try:
            with self.server:
                yield
        finally:
            for child in self._children:
                child.kill()
                child.finish()
            shutil.rmtree(self.folder, ignore_errors=True)

    # ---- the driver ------------------------------------------------------------------------------

    def start(
        self,
        verb: str,
        token: Object | None = None,
        *,
        file: bool = False,
        limit: float = LIMIT,
        wrapped: Sequence[str] = (),
        changed: Mapping[str, str] | None = None,
    ) -> Child:
        """Start the driver; it is told about the token, or about the file."""
        environment = {
            name: value
            for name, value in os.environ.items()
            if not name.upper().startswith(("OAUTH_", "YTMUSIC_OAUTH_")) and not name.lower().endswith("_proxy")
        }
        environment |= {
            "OAUTH_SERVER": self.ways,
            "OAUTH_DEVICE_CODE_URL": self.server.device_code_url,
            "OAUTH_TOKEN_URL": self.server.token_url,
            "OAUTH_REVOKE_URL": self.server.revoke_url,
            "OAUTH_CLIENT_ID": CLIENT_ID,
            "OAUTH_CLIENT_SECRET": SECRET,
            "OAUTH_SCOPE": SCOPE,
            "OAUTH_TIMEOUT": f"{self.timeout:g}",
            **({} if token is None else {"OAUTH_TOKEN": json.dumps(token)}),
            **({"OAUTH_TOKEN_FILE": str(self.file)} if file else {}),
            **(changed or {}),
        }
        child = Child([*wrapped, *self.command], verb, environment, limit=limit, umask=self.umask)
        self._children.append(child)
        return child

    def finish(self, child: Child) -> Told:
        """Wait for what comes of it."""
        told = child.finish()
        self._children.remove(child)
        self.told.append(told)
        return told

    def run(
        self, verb: str, token: Object | None = None, *, file: bool = False, changed: Mapping[str, str] | None = None
    ) -> Told:
        """Start the driver, and wait until it has ended; `changed` is what the environment says otherwise."""
        return self.finish(self.start(verb, token, file=file, changed=changed))

    def approved(self, *, file: bool = False) -> Told:
        """Run a login that a person confirms when a second and a half has passed: it was asked about before."""
        self.server.approve_after = 1.5
        return self.run("login", file=file)

    # ---- what must have come of it ---------------------------------------------------------------

    def good(self, told: Told) -> Object:
        """A token, and exit status 0. Returns the six values."""
        token = self.good_answer(told.answer, told.verb)
        expect(told.status == 0, f"exit status 0 from `{told.verb}`: it is done", f"{told.status}; {told.tail!r}")
        return token

    def good_answer(self, answer: Object, verb: str) -> Object:
        """A token. Returns the six values."""
        token = answer.get("token")
        what = f"`{verb}` hands out a token, with its six values and the header that is made of it"
        if not isinstance(token, dict):
            raise Wrong(what, answer)
        expect(set(token) == set(KEYS), what, answer)
        for key in KEYS:
            expect(type(token[key]) is (int if key.startswith("expires") else str), f"{key} of the right type", answer)
        expect(answer.get("authorization") == f"Bearer {token['access_token']}", what, answer)
        return token

    def raised(self, told: Told, kind: str, **parts: object) -> Object:
        """An error of this kind, with these parts, and the exit status that goes with it. Returns all parts."""
        answer = self.raised_answer(told.answer, told.verb, kind, **parts)
        status = 1 if kind in _LOG_IN_AGAIN else 3 if kind == "rate_limited" or answer.get("retryable") is True else 2
        expect(told.status == status, f"exit status {status} for {kind}", f"{told.status}; {told.tail!r}")
        expect(bool(told.words.strip()), "words for a person on standard error", "nothing")
        return answer

    def raised_answer(self, answer: Object, verb: str, kind: str, **parts: object) -> Object:
        """An error of this kind, with these parts. Returns all parts."""
        expected = {"raises": kind, **parts}
        got = {part: answer.get(part) for part in expected}
        expect(got == expected, f"`{verb}` raises {shown(expected)}", answer)
        return answer

    def requests(self, endpoint: str, n: int) -> list[Exchange]:
        """So many requests, no more and no less."""
        came = self.server.requests_to(endpoint)
        expect(len(came) == n, f"{n} requests to the {endpoint} endpoint", f"{len(came)}: {_told(came)}")
        return came

    def form(self, request: Exchange, **fields: str) -> None:
        """Exactly these fields."""
        expect(dict(request.form) == fields, f"the form {shown(fields)}", request.form)

    def wait_for_requests(self, n: int, endpoint: str) -> None:
        """Until they have come."""
        try:
            self.server.wait_for_requests(n, endpoint)
        except TimeoutError:
            raise Wrong(f"{n} requests to the {endpoint} endpoint", _told(self.server.requests_to(endpoint))) from None

    # ---- tokens ----------------------------------------------------------------------------------

    def grant(self, *, lives: float = 3000, expires_in: int = 3599, client_id: str = CLIENT_ID) -> dict[str, object]:
        """Make a token that the server has given before anybody looked; its access token lives for so many seconds."""
        code = self._answered("/device/code", client_id, scope=SCOPE)
        self.server.approve(str(code["user_code"]))
        granted = self._answered("/token", client_id, grant_type=URN, device_code=str(code["device_code"]))
        return {
            "scope": SCOPE,
            "token_type": "Bearer",
            "access_token": granted["access_token"],
            "refresh_token": granted["refresh_token"],
            "expires_at": int(time.time() + lives),
            "expires_in": expires_in,
        }

    def _answered(self, path: str, client_id: str, **fields: str) -> Object:
        form = {"client_id": client_id, "client_secret": SECRET, **fields}
        headers = {"content-type": "application/x-www-form-urlencoded"}
        answer = self.server.answer(Exchange(0.0, "POST", path, "", headers, form))
        assert isinstance(answer.body, Mapping)
        return answer.body

    def answer(self, **changed: object) -> Reply:
        """Make a good answer to a refresh, but for what is changed; None takes an entry out."""
        body = {
            "access_token": "ya29.fake-scripted",
            "expires_in": 3599,
            "scope": SCOPE,
            "token_type": "Bearer",
            **changed,
        }
        return Reply(200, {key: value for key, value in body.items() if value is not None})

    # ---- the file --------------------------------------------------------------------------------

    def write(self, content: Object | bytes, mode: int = 0o600) -> bytes:
        """Put a token file there, as it was written by somebody else."""
        self._written = content if isinstance(content, bytes) else json.dumps(content, indent=1).encode()
        self.file.write_bytes(self._written)
        self.file.chmod(mode)
        return self._written

    def saved(self, token: Object) -> None:
        """This token is in the file, and the file is as it should be."""
        self._judge_file()
        there: object = json.loads(self.file.read_bytes())
        expect(there == token, f"the file holds {shown(token)}", there)

    def untouched(self) -> None:
        """The file is as it was written."""
        came = self.file.read_bytes() if self.file.exists() else b"no file"
        expect(came == self._written, f"the file is as it was: {self._written!r}", repr(came))

    # ---- what holds in every scenario --------------------------------------------------------------

    def judge(self) -> None:
        """Raise `Wrong` where something is against the rules."""
        for request in self.server.transcript:
            self._judge_request(request)
        self._judge_polls()
        for told in self.told:
            self._judge_words(told)
        self._judge_folder()

    def _judge_request(self, request: Exchange) -> None:
        came = _told([request])
        expect(ENDPOINTS.get(request.path) in {"code", "token", "revoke"}, "only the three endpoints are asked", came)
        expect(request.method == "POST", "every request is a POST", came)
        expect(not request.query, "nothing in a query: it is logged everywhere", f"{came} {request.query}")
        kind = request.headers.get("content-type", "none").partition(";")[0].strip().lower()
        expect(kind == "application/x-www-form-urlencoded", "every request is a form", f"{came} {kind}")
        expect(not request.repeated, "a field is sent once (RFC 6749 3.2)", f"{came} {request.repeated}")
        for header in ("authorization", "cookie", "proxy-authorization"):
            expect(header not in request.headers, f"no {header} header", came)
        found = [name for name, value in request.headers.items() if _SECRETS.search(value)]
        expect(not found, "no secret in a header", f"{came} {found}")

    def _judge_polls(self) -> None:
        polls = [each for each in self.server.requests_to("token") if each.form.get("grant_type") != "refresh_token"]
        codes = [each for each in self.server.requests_to("code") if each.status == 200]
        if not polls or not codes:
            return
        interval: float = 5 if self.server.interval is None else self.server.interval
        # The first one counts from when the port was about to ask for a code, which cannot be seen from here.
        before = codes[-1].at - interval / 2
        ended = ""
        for poll in polls:
            expect(not ended, f"no poll after {ended}: the first answer ends it", _told(polls))
            gap = f"at least {interval:g} s before each poll (RFC 8628 3.5); these came after the code, at"
            times = ", ".join(f"{each.at - codes[-1].at:.2f} s ({each.error or each.status})" for each in polls)
            expect(poll.at - before >= interval - TOLERANCE, gap, times)
            before = poll.at
            if poll.error == "slow_down":
                interval += 5
            elif poll.error != "authorization_pending":
                if poll.error or poll.status == 200:
                    ended = poll.error or "the token"
                interval = max(interval, min(2 * interval, 60))

    def _judge_words(self, told: Told) -> None:
        secret = _SECRETS.search(told.words)
        expect(secret is None, "no secret on standard error", told.tail)
        raised = told.out if told.verb != "keep" and '"raises"' in told.out else ""
        expect(_SECRETS.search(raised) is None, "no secret in what is raised", raised)
        words = told.words.replace("\r\n", "\n")
        found = sorted({f"U+{ord(sign):04X}" for sign in words if sign != "\n" and category(sign) in _DRIVING})
        expect(not found, "no control character on a terminal", f"{found} in {words[-300:]!r}")

    def _judge_folder(self) -> None:
        allowed = {self.file.name, f"{self.file.name}.lock", *self.others}
        found = {path.name for path in self.folder.iterdir()}
        expect(found <= allowed, "nothing is left beside the token file", sorted(found - allowed))
        if self.file.is_file() and self.file.read_bytes() != self._written:
            self._judge_file()

    def _judge_file(self) -> None:
        expect(self.file.is_file(), "a token file", "none")
        content = self.file.read_bytes()
        try:
            token: object = json.loads(content)
        except ValueError:
            token = None
        if not isinstance(token, dict):
            raise Wrong("a whole token in the file", repr(content[:300]))
        same = content == json.dumps({key: token.get(key) for key in KEYS}, indent=1).encode()
        expect(same, "the file as ytmusicapi writes it: six keys in its order, one space of indent", repr(content))
        if os.name != "nt":
            mode = stat.S_IMODE(self.file.stat().st_mode)
            expect(mode == 0o600, "mode 0600: the file is for its owner's eyes only", f"{mode:04o}")


def _told(requests: Sequence[Exchange]) -> str:
    return (
        "; ".join(f"{each.method} {each.path} -> {each.error or each.status or 'raw'}" for each in requests) or "none"
    )
