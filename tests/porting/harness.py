# SPDX-License-Identifier: MIT
"""The environment of one scenario: a fake server, a folder, and the port's driver in child processes.

A scenario says what is special about it. What holds in every scenario is checked here when it ends: the form of the
requests, their number and timing, that no secret was shown, and what is left in the folder.
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
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal
from unicodedata import category

if sys.platform != "win32":
    with contextlib.suppress(ImportError):
        import fcntl

from .fake_google import CLIENT_ID, DIALECTS, ENDPOINTS, Client, Exchange, FakeGoogle, Reply

if TYPE_CHECKING:
    from typing import TypeAlias  # Python 3.10

__all__ = [
    "KEYS", "SCOPE", "SECRET", "TIME_LIMIT", "TOLERANCE", "DriverProcess", "DriverRun", "Failure", "Harness", "Object",
    "Profile", "as_text", "check_error", "check_said", "expect",
]  # fmt: skip

Object: TypeAlias = "Mapping[str, object]"
Profile = Literal["youtube", "google", "rfc"]

SCOPE: Final = "https://www.googleapis.com/auth/youtube"
# A driver that does not encode a form, or encodes it twice, loses or changes each of these characters.
SECRET: Final = "GOCSPX-fake+/=&%41~x"
# The six values, in the order of the file.
KEYS: Final = ("scope", "token_type", "access_token", "refresh_token", "expires_at", "expires_in")
# Seconds for a whole child process.
TIME_LIMIT: Final = 30.0
# Seconds until the next result of a vector. None of them takes one.
SILENCE: Final = 30.0
# Seconds: the difference between two clocks of one machine, and the scheduler.
TOLERANCE: Final = 0.02
URN: Final = "urn:ietf:params:oauth:grant-type:device_code"
_SECRETS: Final = re.compile(
    "|".join((r"(?:ya29\.|1//|1%2F%2F)fake[\w.-]*", r"AH-fake[\w.-]*", re.escape(SECRET), r"GOCSPX-fake[^\s\"]*")),
    re.IGNORECASE,
)
# Unicode categories of characters that control a terminal or reorder its text.
_CONTROL: Final = {"Cc", "Cf", "Zl", "Zp"}
_LOG_IN_AGAIN: Final = {"invalid_grant", "access_denied", "expired_token", "token_file_not_found", "cancelled"}


class Failure(Exception):
    """The driver did not do what was expected."""

    def __init__(self, expected: str, actual: object, differs: str = "") -> None:
        super().__init__(expected)
        self.expected = expected
        self.actual = actual if isinstance(actual, str) else as_text(actual)
        self.differs = differs


def expect(condition: bool, expected: str, actual: object) -> None:
    """Raise `Failure` unless the condition holds."""
    if not condition:
        raise Failure(expected, actual)


def as_text(value: object) -> str:
    """Return a value as JSON of limited length, its keys sorted; bytes as a string."""
    plain = value.decode(errors="backslashreplace") if isinstance(value, bytes) else value
    text = json.dumps(plain, default=str, sort_keys=True)
    return text if len(text) <= 600 else f"{text[:600]} ..."


def ends_of(text: str) -> str:
    """Return a text without its middle, if it is long. Some languages print the cause first, and others last."""
    return text if len(text) <= 500 else f"{text[:250]} ... {text[-250:]}"


@dataclass(frozen=True)
class DriverRun:
    """The result of one run of the driver."""

    command: str
    status: int | None  # None: it had to be killed
    stdout: str
    stderr: str
    seconds: float
    killed: bool = False

    @property
    def reply(self) -> Object:
        """The one line of JSON. Raises `Failure`."""
        lines = self.stdout.splitlines()
        expected = f"`{self.command}` prints one JSON object, on one line of standard output, and exits"
        if self.status is None:
            raise Failure(expected, self.ending)
        if len(lines) != 1:
            raise Failure(expected, f"{len(lines)} lines; {self.ending}")
        return _json_object(lines[0], expected)

    @property
    def ending(self) -> str:
        """How it ended, in words."""
        killed = f"it had to be killed after {self.seconds:.0f} s"
        ending = killed if self.status is None else f"exit status {self.status}"
        streams = ((self.stdout, "output"), (self.stderr, "error"))
        printed = [f"on standard {name}: {as_text(ends_of(text))}" for text, name in streams if text]
        return "; ".join([ending, *(printed or ["it printed nothing"])])


def _json_object(line: str, expected: str) -> Object:
    try:
        value: object = json.loads(line)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise Failure(expected, line[:300] or "nothing")
    return value


class DriverProcess:
    """A running driver. A thread collects what it prints on standard error."""

    def __init__(
        self,
        argv: Sequence[str],
        command: str,
        environment: Mapping[str, str],
        *,
        limit: float,
        umask: int = -1,
        note: Callable[[str], None] = lambda text: None,
    ) -> None:
        self.command = command
        self._note = note
        self._sent = 0
        self._started = time.monotonic()
        self._timed_out = False
        self._killed = False
        self._stderr: list[str] = []
        self._received: list[str] = []
        self.process = subprocess.Popen(
            [*argv, command],
            stdin=subprocess.PIPE if command in {"interactive", "vectors"} else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            start_new_session=True,
            umask=umask,
        )
        self._collector = threading.Thread(target=self._collect, daemon=True)
        self._collector.start()
        self._watchdog = threading.Timer(limit, self._time_out)
        self._watchdog.daemon = True
        self._watchdog.start()

    def _collect(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self._stderr.append(line.decode(errors="replace"))

    def _time_out(self) -> None:
        self._timed_out = True
        self.kill()

    @property
    def said(self) -> str:
        """What it has printed on standard error so far."""
        return "".join(self._stderr)

    @property
    def has_timed_out(self) -> bool:
        """Whether it was killed because it took too long."""
        return self._timed_out

    @property
    def has_ended(self) -> bool:
        """Whether the process has ended."""
        return self.process.poll() is not None

    def kill(self) -> None:
        """Kill it, and every process that it has started."""
        if not self._killed:
            self._note(f"kill `{self.command}`")
        self._killed = True
        if sys.platform == "win32":
            self.process.kill()
        else:
            with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS: EPERM for a zombie
                os.killpg(self.process.pid, signal.SIGKILL)

    def send(self, line: str) -> None:
        """Write a line to its standard input. If it has ended, `receive` will notice."""
        assert self.process.stdin is not None
        self._sent += 1
        self._note(f"send line {self._sent}: {line}")
        with contextlib.suppress(OSError, ValueError):  # either end is closed
            self.process.stdin.write(line.encode() + b"\n")
            self.process.stdin.flush()

    def receive(self) -> str:
        """Read a line of its standard output. Raises `Failure` if it ends first."""
        assert self.process.stdout is not None
        silence = threading.Timer(SILENCE, self._time_out)
        silence.daemon = True
        if self.command == "vectors":
            silence.start()
        line = self.process.stdout.readline().decode(errors="replace")
        silence.cancel()
        if not line.endswith("\n"):
            ending = self.finish(line).ending
            hint = "; perhaps the driver does not flush each line that it prints" if self.has_timed_out else ""
            raise Failure(f"`{self.command}` prints one line for each line of its input", f"{ending}{hint}")
        self._received.append(line)
        self._note(f"receive {line.strip()}")
        if self.command != "vectors":
            check_said(self.said)
            check_error(line)
        return line

    def receive_object(self) -> Object:
        """Read a line that has to be a JSON object. Raises `Failure`."""
        return _json_object(self.receive(), f"`{self.command}` prints a JSON object for each line of its input")

    def ask(self, line: str) -> Object:
        """Write a line, and read a JSON object. Raises `Failure`."""
        self.send(line)
        return self.receive_object()

    def ask_all(self, line: str) -> list[Object]:
        """Write a line, and read a list of JSON objects. Raises `Failure`."""
        self.send(line)
        received = self.receive()
        try:
            replies: object = json.loads(received)
        except ValueError:
            replies = None
        if not isinstance(replies, list) or not all(isinstance(reply, dict) for reply in replies):
            raise Failure(f"`{self.command}` prints a list of JSON objects for {line!r}", received[:300])
        return replies

    def finish(self, received: str = "") -> DriverRun:
        """Close its input and wait until it ends; `received` is the part of its last line that was read already."""
        assert self.process.stdout is not None
        if self.process.stdin is not None:
            with contextlib.suppress(OSError):
                self.process.stdin.close()
        rest = b"" if self.process.stdout.closed else self.process.stdout.read()
        status = self.process.wait()
        self._watchdog.cancel()
        self._collector.join()
        self.process.stdout.close()
        if self.process.stderr is not None:
            self.process.stderr.close()
        return DriverRun(
            self.command,
            None if self._timed_out else status,
            "".join(self._received) + received + rest.decode(errors="replace"),
            self.said,
            time.monotonic() - self._started,
            self._killed,
        )


def check_said(text: str) -> None:
    """Raise `Failure` if a text for people has a secret in it, or could control a terminal."""
    expect(_SECRETS.search(text) is None, "no secret on standard error", as_text(text[-500:]))
    text = text.replace("\r\n", "\n")
    found = sorted({f"U+{ord(sign):04X}" for sign in text if sign != "\n" and category(sign) in _CONTROL})
    expect(not found, "no control character on a terminal", f"{found} in {as_text(text[-300:])}")


def check_error(line: str) -> None:
    """Raise `Failure` if a reply that is an error, or one of its errors, has a secret in it."""
    try:
        reply: object = json.loads(line)
    except ValueError:
        reply = {"raises": line}
    for each in reply if isinstance(reply, list) else [reply]:
        if isinstance(each, dict) and "raises" in each:
            text = json.dumps(each, ensure_ascii=False)
            expect(_SECRETS.search(text) is None, "no secret in an error", text)


@dataclass(eq=False)
class Harness:
    """The server, folder and child processes of one scenario."""

    argv: Sequence[str]
    profile: Profile = "youtube"
    runs: list[DriverRun] = field(default_factory=list)
    #: how to start the driver of another port, which shares its files with this one; the same port if empty
    partner: Sequence[str] = ()
    #: seconds for a whole request, passed to the port
    timeout: float = 10.0
    #: names that are allowed in the folder besides the token file
    others: set[str] = field(default_factory=set)
    umask: int = -1
    #: lines on standard error of the runs without an error: each is a warning
    warnings: int = 0

    def __post_init__(self) -> None:
        self._children: list[DriverProcess] = []
        self._written: bytes | None = None
        self._notes: list[tuple[float, str]] = []
        self.folder = Path(tempfile.mkdtemp(prefix="porting-"))
        self.file = self.folder / "oauth.json"
        self.server = FakeGoogle(
            clock=time.monotonic,
            dialect=DIALECTS["rfc" if self.profile == "rfc" else "google"],
            clients={CLIENT_ID: Client(SECRET), "another-client": Client(SECRET)},
            interval=1,
        )

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Run the server; stop it and every driver at the end."""
        try:
            with self.server:
                yield
        finally:
            self.kill()
            for child in [*self._children]:
                self.finish(child)

    def remove_folder(self) -> None:
        """Remove the folder, and everything in it."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def kill(self) -> None:
        """Kill every running driver."""
        for child in [*self._children]:
            child.kill()

    # ---- the driver ------------------------------------------------------------------------------

    def start(
        self,
        command: str,
        token: Object | None = None,
        *,
        file: bool = False,
        limit: float = TIME_LIMIT,
        wrapper: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        partner: bool = False,
    ) -> DriverProcess:
        """Start the driver with this token, or with the token file; `environment` overrides variables.

        `partner`: that of the other port, if there is one.
        """
        variables = {
            name: value
            for name, value in os.environ.items()
            if not name.upper().startswith(("OAUTH_", "YTMUSIC_OAUTH_")) and not name.lower().endswith("_proxy")
        }
        variables |= {
            "OAUTH_SERVER": self.profile,
            "OAUTH_DEVICE_CODE_URL": self.server.device_code_url,
            "OAUTH_TOKEN_URL": self.server.token_url,
            "OAUTH_REVOKE_URL": self.server.revoke_url,
            "OAUTH_CLIENT_ID": CLIENT_ID,
            "OAUTH_CLIENT_SECRET": SECRET,
            "OAUTH_SCOPE": SCOPE,
            "OAUTH_TIMEOUT": f"{self.timeout:g}",
            **({} if token is None else {"OAUTH_TOKEN": json.dumps(token)}),
            **({"OAUTH_TOKEN_FILE": str(self.file)} if file else {}),
            **(environment or {}),
        }
        given = "with the file" if file else "with a token" if token is not None else "with neither a token nor a file"
        self.note(f"start `{command}` {given}{f', {as_text(environment)}' if environment else ''}")
        argv = [*wrapper, *(self.partner if partner and self.partner else self.argv)]
        child = DriverProcess(argv, command, variables, limit=limit, umask=self.umask, note=self.note)
        self._children.append(child)
        return child

    def note(self, text: str) -> None:
        """Record a step of the scenario, for the report."""
        self._notes.append((time.monotonic(), text))

    def finish(self, child: DriverProcess) -> DriverRun:
        """Wait until the driver has ended."""
        run = child.finish()
        self._children.remove(child)
        self.runs.append(run)
        self.note(f"`{run.command}` has ended: {run.ending}")
        return run

    def run(
        self,
        command: str,
        token: Object | None = None,
        *,
        file: bool = False,
        environment: Mapping[str, str] | None = None,
        partner: bool = False,
    ) -> DriverRun:
        """Start the driver as `start` does, and wait until it has ended."""
        return self.finish(self.start(command, token, file=file, environment=environment, partner=partner))

    def approved_login(self, *, file: bool = False) -> DriverRun:
        """Run a login that the user confirms after a second and a half, so that the first poll is too early."""
        self.server.approve_after = 1.5
        return self.run("login", file=file)

    # ---- expectations ----------------------------------------------------------------------------

    def token_of(self, run: DriverRun) -> Object:
        """Expect a token and exit status 0. Returns the six values."""
        token = self.token_in(run.reply, run.command)
        expect(run.status == 0, f"exit status 0 from `{run.command}`", run.ending)
        return token

    def token_in(self, reply: Object, command: str) -> Object:
        """Expect a token in a reply. Returns the six values."""
        token = reply.get("token")
        expected = f"`{command}` prints a token, with its six values and its Authorization header"
        if not isinstance(token, dict):
            raise Failure(expected, reply)
        expect(set(token) == set(KEYS), expected, reply)
        for key in KEYS:
            expect(type(token[key]) is (int if key.startswith("expires") else str), f"{key} of the right type", reply)
        expect(reply.get("authorization") == f"Bearer {token['access_token']}", expected, reply)
        return token

    def error_of(self, run: DriverRun, name: str, **parts: object) -> Object:
        """Expect this error with these parts, and its exit status. Returns all parts."""
        error = self.error_in(run.reply, run.command, name, **parts)
        status = 1 if name in _LOG_IN_AGAIN else 3 if name == "rate_limited" or error.get("retryable") is True else 2
        expect(run.status == status, f"exit status {status} for {name}", run.ending)
        expect(bool(run.stderr.strip()), "an error message on standard error", "nothing")
        return error

    def error_in(self, reply: Object, command: str, name: str, **parts: object) -> Object:
        """Expect this error with these parts in a reply. Returns all parts."""
        expected = {"raises": name, **parts}
        actual = {part: reply.get(part) for part in expected}
        expect(actual == expected, f"`{command}` raises {as_text(expected)}", reply)
        return reply

    def requests(self, endpoint: str, n: int) -> list[Exchange]:
        """Expect exactly so many requests to an endpoint."""
        received = self.server.requests_to(endpoint)
        expect(len(received) == n, f"{n} requests to the {endpoint} endpoint", f"{len(received)}: {_summary(received)}")
        return received

    def form(self, request: Exchange, **fields: str) -> None:
        """Expect exactly these fields in a form."""
        expect(dict(request.form) == fields, f"the form {as_text(fields)}", request.form)

    def wait_for_requests(self, n: int, endpoint: str) -> None:
        """Wait until so many requests have come, as long as a driver is running that could send them."""
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            with contextlib.suppress(TimeoutError):
                return self.server.wait_for_requests(n, endpoint, 0.25)
            if all(child.has_ended for child in self._children):
                break
        raise Failure(f"{n} requests to the {endpoint} endpoint", _summary(self.server.requests_to(endpoint)))

    # ---- tokens ----------------------------------------------------------------------------------

    def grant(
        self, *, valid_for: float = 3000, expires_in: int = 3599, client_id: str = CLIENT_ID
    ) -> dict[str, object]:
        """Return a token that the server has issued before; `valid_for` is in seconds, negative if it has expired."""
        code = self._response("/device/code", client_id, scope=SCOPE)
        self.server.approve(str(code["user_code"]))
        granted = self._response("/token", client_id, grant_type=URN, device_code=str(code["device_code"]))
        return {
            "scope": SCOPE,
            "token_type": "Bearer",
            "access_token": granted["access_token"],
            "refresh_token": granted["refresh_token"],
            "expires_at": int(time.time() + valid_for),
            "expires_in": expires_in,
        }

    def refreshed(self, token: Object, *, valid_for: float = 3000) -> dict[str, object]:
        """Return what another process gets for this token; `valid_for` is in seconds."""
        refresh_token = str(token["refresh_token"])
        granted = self._response("/token", CLIENT_ID, grant_type="refresh_token", refresh_token=refresh_token)
        values = {key: granted[key] for key in ("access_token", "refresh_token") if key in granted}
        return {**token, **values, "expires_at": int(time.time() + valid_for)}

    def _response(self, path: str, client_id: str, **fields: str) -> Object:
        form = {"client_id": client_id, "client_secret": SECRET, **fields}
        headers = {"content-type": "application/x-www-form-urlencoded"}
        reply = self.server.answer(Exchange(0.0, "POST", path, "", headers, form))
        assert isinstance(reply.body, Mapping)
        return reply.body

    def refresh_reply(self, **changes: object) -> Reply:
        """Return a successful response to a refresh with some fields changed, or removed if None."""
        body = {
            "access_token": "ya29.fake-scripted",
            "expires_in": 3599,
            "scope": SCOPE,
            "token_type": "Bearer",
            **changes,
        }
        return Reply(200, {key: value for key, value in body.items() if value is not None})

    # ---- the file --------------------------------------------------------------------------------

    def write(self, content: Object | bytes, mode: int = 0o600) -> bytes:
        """Write the token file, as another program would."""
        self._written = content if isinstance(content, bytes) else json.dumps(content, indent=1).encode()
        self.file.write_bytes(self._written)
        self.file.chmod(mode)
        self.note(f"write the file: {as_text(self._written)}")
        return self._written

    def put(self, content: Object) -> None:
        """Replace the token file by another one, as a program that shares it does."""
        self._put(self._written_beside(content))

    def _written_beside(self, content: Object) -> Path:
        beside = self.folder / "beside"
        beside.write_bytes(json.dumps(content, indent=1).encode())
        beside.chmod(0o600)
        return beside

    def _put(self, beside: Path) -> None:
        beside.replace(self.file)
        self._written = self.file.read_bytes()
        self.note(f"replace the file: {as_text(self._written)}")

    @contextlib.contextmanager
    def put_and_locked(self, content: Object) -> Iterator[None]:
        """Replace the token file by another one, which is locked already, as if its lock was taken at that moment."""
        beside = self._written_beside(content)
        with self._locked(beside):
            self._put(beside)
            yield

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the lock of the token file, or that of its folder if there is no file (`PORTING.md`)."""
        with self._locked(self.file if self.file.exists() else self.folder):
            yield

    @contextlib.contextmanager
    def _locked(self, what: Path) -> Iterator[None]:
        if sys.platform == "win32":
            raise NotImplementedError("a scenario with this lock needs file locks")
        else:
            descriptor = os.open(what, os.O_RDONLY if what.is_dir() else os.O_RDWR)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                self.note(f"take the lock of {what.name}")
                yield
            finally:
                os.close(descriptor)
            self.note(f"release the lock of {what.name}")

    def saved(self, token: Object) -> None:
        """Expect this token in the file, and the file in good order."""
        self._check_file()
        content: object = json.loads(self.file.read_bytes())
        expect(content == token, f"the file contains {as_text(token)}", content)

    def unchanged(self) -> None:
        """Expect the file as `write` left it."""
        content = self.file.read_bytes() if self.file.exists() else b"no file"
        expect(content == self._written, f"the file is unchanged: {as_text(self._written)}", content)

    @property
    def steps(self) -> list[str]:
        """What has happened so far, with the times: the steps of the scenario, and the requests that the server got."""
        now = time.monotonic()
        running = [
            (now, f"`{each.command}` is running; standard error: {as_text(each.said)}") for each in self._children
        ]
        requests = [
            (each.at, f"the server got {_summary([each])} {as_text(each.form)}") for each in self.server.transcript
        ]
        happened = sorted([*self._notes, *requests, *running], key=lambda each: each[0])
        return [f"{at - happened[0][0]:6.2f} s  {text}" for at, text in happened]

    @property
    def held(self) -> str:
        """What is in the token file, as text."""
        if self.file.exists() and not self.file.is_file():
            return "no regular file"  # to read a named pipe would take for ever
        try:
            return as_text(self.file.read_bytes())
        except OSError as error:
            return f"nothing ({type(error).__name__})"

    # ---- what holds in every scenario --------------------------------------------------------------

    def check_rules(self) -> None:
        """Raise `Failure` if a rule that holds in every scenario was broken."""
        for child in [*self._children]:
            # It has not been waited for: `interactive`, which ends with its input.
            run = self.finish(child)
            expect(run.killed or run.status == 0, f"`{run.command}` exits with 0 after its input", run.ending)
        for request in self.server.transcript:
            self._check_request(request)
        self._check_polls()
        for run in self.runs:
            self._check_output(run)
        self._check_warnings()
        self._check_room()

    def _check_request(self, request: Exchange) -> None:
        summary = _summary([request])
        known = ENDPOINTS.get(request.path) in {"code", "token", "revoke"}
        expect(known, "requests go to the three endpoints only", summary)
        expect(request.method == "POST", "every request is a POST", summary)
        expect(not request.query, "no query: it would be logged", f"{summary} {request.query}")
        kind = request.headers.get("content-type", "none").partition(";")[0].strip().lower()
        expect(kind == "application/x-www-form-urlencoded", "every request is a form", f"{summary} {kind}")
        expect(not request.repeated, "no field is repeated (RFC 6749 3.2)", f"{summary} {request.repeated}")
        for header in ("authorization", "cookie", "proxy-authorization"):
            expect(header not in request.headers, f"no {header} header", summary)
        found = [name for name, value in request.headers.items() if _SECRETS.search(value)]
        expect(not found, "no secret in a header", f"{summary} {found}")

    def _check_polls(self) -> None:
        polls = [each for each in self.server.requests_to("token") if each.form.get("grant_type") != "refresh_token"]
        codes = [each for each in self.server.requests_to("code") if each.status == 200]
        if not polls or not codes:
            return
        interval: float = 5 if self.server.interval is None else self.server.interval
        # The first interval starts when the port sends the device authorization request, before the server sees it.
        before = codes[-1].at - interval / 2
        ended = ""
        for poll in polls:
            expect(not ended, f"no poll after {ended}", _summary(polls))
            gap = f"at least {interval:g} s before each poll (RFC 8628 3.5), counted from the device authorization"
            times = ", ".join(f"{each.at - codes[-1].at:.2f} s ({each.error or each.status})" for each in polls)
            expect(poll.at - before >= interval - TOLERANCE, gap, times)
            before = poll.at
            if poll.error == "slow_down":
                interval += 5
            elif poll.error != "authorization_pending":
                if poll.error or poll.status == 200:
                    ended = poll.error or "the token"
                interval = max(interval, min(2 * interval, 60))

    def _check_output(self, run: DriverRun) -> None:
        check_said(run.stderr)
        for line in run.stdout.splitlines():
            check_error(line)

    def _check_warnings(self) -> None:
        calm = [run for run in self.runs if run.command != "login" and not run.killed and '"raises"' not in run.stdout]
        lines = [line for run in calm for line in run.stderr.splitlines() if line.strip()]
        expected = f"{self.warnings or 'no'} warnings on standard error, a line each"
        expect(len(lines) == self.warnings, expected, "; ".join(lines) or "none")

    def _check_room(self) -> None:
        allowed = {self.file.name, f"{self.file.name}.lock", *self.others}
        found = {path.name for path in self.folder.iterdir()}
        expect(found <= allowed, "nothing is left beside the token file", sorted(found - allowed))
        if self.file.is_file() and self.file.read_bytes() != self._written:
            self._check_file()

    def _check_file(self) -> None:
        expect(self.file.is_file(), "a token file", "no file")
        content = self.file.read_bytes()
        try:
            token: object = json.loads(content)
        except ValueError:
            token = None
        if not isinstance(token, dict):
            raise Failure("a whole token in the file", content)
        same = content == json.dumps({key: token.get(key) for key in KEYS}, indent=1).encode()
        expect(same, "the file as ytmusicapi writes it: six keys in its order, indented by one space", content)
        if os.name != "nt":
            mode = stat.S_IMODE(self.file.stat().st_mode)
            expect(mode == 0o600, "mode 0600: only the owner may read the file", f"{mode:04o}")


def _summary(requests: Sequence[Exchange]) -> str:
    lines = (f"{each.method} {each.path} -> {each.error or each.status or 'raw'}" for each in requests)
    return "; ".join(lines) or "none"
