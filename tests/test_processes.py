# SPDX-License-Identifier: MIT
"""One token file under stress: many processes, signals, file size limits and other users, all of them real.

YTMUSIC_OAUTH_TORTURE=1 adds a bind mount and makes ten times as many kills.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from tests.porting.fake_google import CLIENT_ID, CLIENT_SECRET, FAULTS, FakeGoogle, Reply
from tests.support import Clock, logged_in
from ytmusic_oauth import OAuthToken

if os.name == "nt":
    pytest.skip("needs the signals, users and file systems of POSIX", allow_module_level=True)
assert sys.platform != "win32"  # the same, for mypy

ROOT: Final = Path(__file__).parents[1]
TORTURE: Final = os.environ.get("YTMUSIC_OAUTH_TORTURE") == "1"
KILLS: Final = 600 if TORTURE else 60
OLD: Final = "ya29.old"
# Longer than the old one, and shorter: a file that is written in place grows and shrinks.
NEW: Final = ["ya29.new-and-longer" + "x" * 600, "ya29.n"]
HOUR: Final = 3600
# Of 3599 seconds: due for a refresh, but still valid.
NEARLY_EXPIRED: Final = 3560
# The fractional parts of its multiples are spread evenly over 0 to 1.
GOLDEN: Final = 0.618034


@dataclass(frozen=True)
class Outcome:
    """The response of a worker to an order."""

    answer: str = ""
    error: str = ""
    warning: str = ""


class Worker:
    """A process that runs `tests.worker`. If it hangs, it is killed after a minute."""

    def __init__(self, server: FakeGoogle, path: Path, command: Sequence[str]) -> None:
        self.process = subprocess.Popen(
            [*command, sys.executable, "-m", "tests.worker", server.url, str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
            cwd=ROOT,
            env={**os.environ, "CLIENT_ID": CLIENT_ID, "CLIENT_SECRET": CLIENT_SECRET},
            start_new_session=True,
        )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self._orders, self._answers = self.process.stdin, self.process.stdout
        self._watchdog = threading.Timer(600 if TORTURE else 60, self._kill)
        self._watchdog.start()

    def send(self, *order: object) -> None:
        print(*order, file=self._orders)

    def receive(self) -> Outcome:
        return Outcome(**json.loads(self._answers.readline()))

    def do(self, *order: object) -> str:
        """Send an order and return the answer, which must not come with an error or a warning."""
        self.send(*order)
        outcome = self.receive()
        assert outcome == Outcome(outcome.answer)
        return outcome.answer

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def _kill(self) -> None:
        """Kill the worker and its children."""
        with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS, if the worker has ended already
            os.killpg(self.process.pid, signal.SIGKILL)

    def end(self) -> None:
        self._watchdog.cancel()
        self._kill()
        self.process.wait()
        with contextlib.suppress(BrokenPipeError):
            self._orders.close()
        self._answers.close()


@contextlib.contextmanager
def started(server: FakeGoogle, path: Path, n: int, *command: str) -> Iterator[list[Worker]]:
    workers: list[Worker] = []
    try:
        workers.extend(Worker(server, path, command) for _ in range(n))
        yield workers
    finally:
        for worker in workers:
            worker.end()


def ask_all(workers: Iterable[Worker], *order: object) -> set[Outcome]:
    """Send an order to all workers before waiting for their outcomes, which become a set."""
    for worker in workers:
        worker.send(*order)
    return {worker.receive() for worker in workers}


@pytest.fixture
def path(server: FakeGoogle, tmp_path: Path) -> Path:
    """A token file. The server rotates refresh tokens: each is valid for one use."""
    server.rotate = True
    path = tmp_path / "oauth.json"
    logged_in(server, rotates=True).store_token(str(path))
    return path


@pytest.fixture
def worker(server: FakeGoogle, clock: Clock, path: Path) -> Iterator[Worker]:
    with started(server, path, 1) as [worker]:
        worker.do("load", clock.wall)
        yield worker


def refreshes(server: FakeGoogle) -> int:
    return sum(each.form["grant_type"] == "refresh_token" for each in server.requests_to("token"))


def access_token(path: Path) -> str:
    return OAuthToken.from_json(path).access_token


def is_logged_in(server: FakeGoogle, path: Path) -> bool:
    return server.can_refresh(OAuthToken.from_json(path).refresh_token)


def leftovers(path: Path) -> list[Path]:
    return [each for each in path.parent.iterdir() if each != path]


def are_private(files: list[Path]) -> bool:
    return all(stat.S_IMODE(each.stat().st_mode) == 0o600 for each in files)


# ---- many processes, one file --------------------------------------------------------------------


def test_eight_processes_refresh_once_per_expiry(server: FakeGoogle, clock: Clock, path: Path) -> None:
    with started(server, path, 8) as workers:
        ask_all(workers, "load", clock.wall)
        for expiry in range(1, 6):
            clock.advance(HOUR)
            ask_all(workers, "at", clock.wall)
            with server.hold("token"):
                for worker in workers:
                    worker.send("read")
                server.wait_for_requests(expiry + 1, "token")  # the first was the login's
            assert {worker.receive() for worker in workers} == {Outcome(access_token(path))}
            assert server.is_live(access_token(path))
            assert refreshes(server) == expiry
    assert is_logged_in(server, path)
    assert leftovers(path) == []


def test_the_lock_of_a_killed_process_is_released(server: FakeGoogle, clock: Clock, path: Path) -> None:
    with started(server, path, 3) as [first, *others]:
        clock.advance(HOUR)
        ask_all([first, *others], "load", clock.wall)
        server.script("token", FAULTS["stall"])
        first.send("read")
        server.wait_for_requests(2, "token")
        for worker in others:
            worker.send("read")
        first.signal(signal.SIGKILL)
        assert {worker.receive() for worker in others} == {Outcome(access_token(path))}
    assert server.is_live(access_token(path))
    assert refreshes(server) == 2


def test_a_stopped_process_holds_up_the_others_for_a_limited_time(server: FakeGoogle, clock: Clock, path: Path) -> None:
    old = access_token(path)
    with started(server, path, 2) as [stopped, other]:
        clock.advance(NEARLY_EXPIRED)
        ask_all([stopped, other], "load", clock.wall)
        other.do("patience", 0.2)
        with server.hold("token"):
            stopped.send("read")
            server.wait_for_requests(2, "token")
            stopped.signal(signal.SIGSTOP)
        assert other.do("read") == old  # at once: it is still valid

        clock.advance(HOUR)
        other.do("at", clock.wall)
        other.send("read")
        assert other.receive().error.startswith(f"TokenFileError: {path}: Another process has held the lock")

        stopped.signal(signal.SIGCONT)
        assert stopped.receive() == Outcome(access_token(path))
        assert server.is_live(other.do("read"))
    assert is_logged_in(server, path)


def test_a_process_that_was_stopped_shares_its_new_token(server: FakeGoogle, clock: Clock, path: Path) -> None:
    with started(server, path, 2) as [stopped, other]:
        clock.advance(HOUR)
        ask_all([stopped, other], "load", clock.wall)
        with server.hold("token"):
            stopped.send("read")
            server.wait_for_requests(2, "token")
            stopped.signal(signal.SIGSTOP)
        other.send("read")
        stopped.signal(signal.SIGCONT)
        assert stopped.receive() == other.receive() == Outcome(access_token(path))
    assert refreshes(server) == 1


def test_processes_can_store_at_the_same_time(server: FakeGoogle, clock: Clock, path: Path) -> None:
    with started(server, path, 3) as workers:
        ask_all(workers, "load", clock.wall)
        assert ask_all(workers, "store_often", OLD, 20) == {Outcome()}
    assert access_token(path) == OLD
    assert leftovers(path) == []


def test_a_child_forked_during_a_refresh_waits_for_it(server: FakeGoogle, clock: Clock, worker: Worker) -> None:
    clock.advance(HOUR)
    worker.do("at", clock.wall)
    with server.hold("token"):
        worker.do("start_reading")
        server.wait_for_requests(2, "token")
        worker.do("fork_and_read")
    parents, childs = worker.receive(), worker.receive()
    assert parents == childs
    assert server.is_live(parents.answer)
    assert refreshes(server) == 1


def test_a_program_that_ends_waits_for_the_refresh_of_a_daemon_thread(server: FakeGoogle, tmp_path: Path) -> None:
    """The server has replaced the refresh token: the response must be saved."""
    path = tmp_path / "oauth.json"
    server.rotate = True
    logged_in(server, rotates=True).store_token(str(path))
    script = """
import sys, threading
from ytmusic_oauth import Endpoints, OAuthCredentials, RefreshingToken
path, client_id, client_secret, *urls = sys.argv[1:]
token = RefreshingToken.load(OAuthCredentials(client_id, client_secret, endpoints=Endpoints(*urls)), path)
threading.Thread(target=token.refresh, daemon=True).start()
sys.stdin.readline()
print("ends", flush=True)
"""
    client = (CLIENT_ID, CLIENT_SECRET, server.device_code_url, server.token_url)
    program = subprocess.Popen(
        [sys.executable, "-c", script, str(path), *client],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with program:
        assert program.stdin
        assert program.stdout
        with server.hold("token"):
            server.wait_for_requests(2, "token")
            program.stdin.write("\n")
            program.stdin.flush()
            assert program.stdout.readline() == "ends\n"
            with pytest.raises(subprocess.TimeoutExpired):
                program.wait(0.3)
        assert program.wait(60) == 0
    assert server.can_refresh(OAuthToken.from_json(path).refresh_token)


def test_a_child_forked_while_a_refresh_imports_a_module_can_import_it(server: FakeGoogle, tmp_path: Path) -> None:
    """Such a child would wait for ever, and keep the lock of the token file from all other processes."""
    path = tmp_path / "oauth.json"
    logged_in(server).store_token(str(path))
    server.script("token", Reply(400, {"error": "invalid_request", "error_description": "of HTML: &amp;"}))
    done = subprocess.run(
        [sys.executable, "-c", FORK_AT_IMPORTS, str(path), server.url],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("the children have ended\n", "")


# A thread refreshes, with HTTP Basic. Before each of its imports, the main thread forks; the child imports the same.
FORK_AT_IMPORTS: Final = """
import importlib, os, queue, signal, sys, threading, warnings
warnings.simplefilter("ignore")  # of Python 3.12: a fork beside threads
from ytmusic_oauth import Endpoints, OAuthCredentials, RefreshingToken
path, server = sys.argv[1:]
urls = (server + "/device/code", server + "/token")
credentials = OAuthCredentials("id", "secret", endpoints=Endpoints(*urls, client_authentication="basic"))
token = RefreshingToken.load(credentials, path)
names, done = queue.Queue(), set()

class Finder:
    def find_spec(self, name, path=None, target=None):
        if threading.current_thread() is thread:
            has_forked = threading.Event()
            names.put((name, has_forked))
            has_forked.wait(0.02)  # in vain if the fork waits for the import
            done.add(name)

def refresh():
    try:
        token.refresh()
    except Exception:  # the server does not know HTTP Basic: it has been asked
        pass
    names.put(("", None))

sys.meta_path.insert(0, Finder())
thread = threading.Thread(target=refresh)
thread.start()
children = []
for name, has_forked in iter(names.get, ("", None)):
    if name in done:
        continue
    child = os.fork()
    if child == 0:
        signal.alarm(10)
        try:
            importlib.import_module(name)
        finally:
            os._exit(0)
    has_forked.set()
    children.append((name, child))
hung = [name for name, child in children if os.waitpid(child, 0)[1]]
print(f"these hang: {hung}" if hung or not children else "the children have ended")
"""


def test_a_child_forked_during_a_refresh_survives_its_parent(server: FakeGoogle, clock: Clock, worker: Worker) -> None:
    clock.advance(HOUR)
    worker.do("at", clock.wall)
    server.script("token", FAULTS["stall"])
    worker.do("start_reading")
    server.wait_for_requests(2, "token")
    worker.do("fork_and_read")
    worker.signal(signal.SIGKILL)
    assert server.is_live(worker.receive().answer)
    assert refreshes(server) == 2


# ---- crashes -------------------------------------------------------------------------------------


def test_a_crash_at_any_moment_leaves_a_complete_file(worker: Worker, path: Path) -> None:
    first = access_token(path)
    for n in range(KILLS):
        child = worker.do("store_for_ever", OLD, *NEW)
        time.sleep(0.01 * (n * GOLDEN % 1))
        os.kill(int(child), signal.SIGKILL)
        assert worker.do("wait_for", child) == "SIGKILL"
        assert access_token(path) in {first, OLD, *NEW}
        assert are_private(leftovers(path))


@pytest.mark.parametrize("new", NEW, ids=["longer", "shorter"])
@pytest.mark.parametrize("in_place", [False, True], ids=["renamed", "in-place"])
def test_a_crash_before_any_system_call_leaves_the_old_token_or_the_new_one(
    worker: Worker, path: Path, in_place: bool, new: str
) -> None:
    if in_place:
        worker.do("cannot_rename")
    found: list[str] = []
    ended, number = "SIGKILL", 0
    while ended == "SIGKILL":
        worker.do("store", OLD)
        number = path.stat().st_ino
        ended = worker.do("store_and_die", new, len(found) + 1)
        found.append(access_token(path))
        assert are_private(leftovers(path))
    assert ended == ""
    assert (path.stat().st_ino == number) == in_place
    changed = found.index(new)
    assert found == [OLD] * changed + [new] * (len(found) - changed)
    assert 0 < changed < len(found) - 1


def test_a_crash_in_the_first_store_leaves_no_file_or_a_complete_one(worker: Worker, path: Path) -> None:
    found: list[str] = []
    ended = "SIGKILL"
    while ended == "SIGKILL":
        path.unlink(missing_ok=True)
        ended = worker.do("store_and_die", OLD, len(found) + 1)
        found.append(access_token(path) if path.exists() else "")
        assert are_private(leftovers(path))
    assert ended == ""
    assert set(found) == {"", OLD}


def test_a_reader_beside_a_writer_sees_complete_tokens(worker: Worker, path: Path) -> None:
    worker.do("store", NEW[0])
    child = worker.do("store_for_ever", *NEW)
    seen, end = set(), time.monotonic() + 20
    for reads in range(1_000_000):
        seen.add(access_token(path))
        if (reads >= 10 * KILLS and len(seen) > 1) or time.monotonic() > end:
            break
    os.kill(int(child), signal.SIGKILL)
    worker.do("wait_for", child)
    assert seen == set(NEW)


# ---- files that cannot be written as usual -------------------------------------------------------


@pytest.fixture
def nobodys_file(path: Path) -> Iterator[Path]:
    """A copy of the token file in a folder that every user can enter. Its owner is the user nobody."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(shutil.copy(path, folder))
        Path(folder).chmod(0o755)
        if os.geteuid() == 0:
            shutil.chown(copy, "nobody")
        yield copy
        Path(folder).chmod(0o755)


@pytest.fixture
def nobody(server: FakeGoogle, clock: Clock, nobodys_file: Path) -> Iterator[Worker]:
    """A process of the user nobody, which has refreshed the token in that file once."""
    with started(server, nobodys_file, 1) as [worker]:
        worker.do("load", clock.wall)
        worker.do("become_nobody")
        yield worker


def test_a_token_file_in_a_read_only_folder_is_kept_fresh(
    server: FakeGoogle, clock: Clock, nobody: Worker, nobodys_file: Path
) -> None:
    nobodys_file.parent.chmod(0o555)
    before = nobodys_file.stat()
    clock.advance(HOUR)
    nobody.do("at", clock.wall)
    assert nobody.do("read") == access_token(nobodys_file)
    assert server.is_live(access_token(nobodys_file))
    assert nobodys_file.stat().st_ino == before.st_ino
    assert leftovers(nobodys_file) == []


def test_a_refresh_is_not_sent_if_its_result_cannot_be_saved(
    server: FakeGoogle, clock: Clock, nobody: Worker, nobodys_file: Path
) -> None:
    """The server would rotate the refresh token, and the new one would be lost with the process."""
    nobodys_file.parent.chmod(0o777)
    before = nobodys_file.read_bytes()
    clock.advance(HOUR)
    nobody.do("at", clock.wall)
    nobody.do("limit_files", 100)
    nobody.send("read")
    assert nobody.receive().error.startswith(f"TokenFileError: {nobodys_file}: No token file can be written here")
    assert refreshes(server) == 1
    assert nobodys_file.read_bytes() == before
    assert leftovers(nobodys_file) == []

    nobody.do("limit_files", -1)
    clock.advance(60)
    nobody.do("at", clock.wall)
    assert nobody.do("read") == access_token(nobodys_file)
    assert server.is_live(access_token(nobodys_file))


def test_a_token_is_not_lost_if_its_file_cannot_grow_in_place(
    server: FakeGoogle, clock: Clock, nobody: Worker, nobodys_file: Path
) -> None:
    nobodys_file.parent.chmod(0o555)
    before = nobodys_file.read_bytes()
    clock.advance(HOUR)
    nobody.do("at", clock.wall)
    # The worst place to be cut off: between the new access token and the refresh token.
    nobody.do("limit_files", before.index(b"refresh_token"))
    nobody.send("read")
    served = nobody.receive()
    assert server.is_live(served.answer)
    assert f"{nobodys_file}: The token file cannot be written: File too large" in served.warning
    assert nobodys_file.read_bytes() == before
    assert leftovers(nobodys_file) == []

    nobody.do("limit_files", -1)
    clock.advance(60)
    nobody.do("at", clock.wall)
    assert nobody.do("read") == served.answer == access_token(nobodys_file)
    assert refreshes(server) == 2


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become another user")


@needs_root
def test_root_does_not_change_the_owner_of_a_file(
    server: FakeGoogle, clock: Clock, nobody: Worker, nobodys_file: Path
) -> None:
    with started(server, nobodys_file, 1) as [root]:
        clock.advance(HOUR)
        root.do("load", clock.wall)
        refreshed = root.do("read")
    nobody.do("at", clock.wall)
    assert nobody.do("read") == refreshed == access_token(nobodys_file)
    assert (nobodys_file.owner(), stat.S_IMODE(nobodys_file.stat().st_mode)) == ("nobody", 0o600)


@needs_root
def test_a_read_only_token_file_is_not_refreshed_where_refresh_tokens_rotate(
    server: FakeGoogle, clock: Clock, nobody: Worker, nobodys_file: Path
) -> None:
    shutil.chown(nobodys_file, "root")
    nobodys_file.chmod(0o644)
    clock.advance(HOUR)
    nobody.do("at", clock.wall)
    nobody.send("read")
    assert nobody.receive().error.startswith(f"TokenFileError: {nobodys_file}: No token file can be written here")
    assert is_logged_in(server, nobodys_file)


@needs_root
def test_a_read_only_token_file_still_gives_tokens_where_nothing_rotates(
    server: FakeGoogle, clock: Clock, nobody: Worker, nobodys_file: Path
) -> None:
    server.rotate = False
    nobody.do("keep_refresh_token")
    shutil.chown(nobodys_file, "root")
    nobodys_file.chmod(0o644)
    before = nobodys_file.read_bytes()
    clock.advance(HOUR)
    nobody.do("at", clock.wall)
    nobody.send("read")
    served = nobody.receive()
    assert server.is_live(served.answer)
    assert f"{nobodys_file}: The token file cannot be written: Permission denied" in served.warning
    assert nobody.do("read") == served.answer
    assert nobodys_file.read_bytes() == before


@needs_root
@pytest.mark.skipif(not TORTURE, reason="mounts file systems; needs YTMUSIC_OAUTH_TORTURE=1")
@pytest.mark.skipif(shutil.which("unshare") is None, reason="needs unshare(1)")
def test_containers_share_one_bind_mounted_file(server: FakeGoogle, clock: Clock, path: Path, tmp_path: Path) -> None:
    inside = tmp_path / "container" / path.name
    inside.parent.mkdir()
    inside.touch()
    number = path.stat().st_ino
    mount = f'mount --bind "{path}" "{inside}" && exec "$@"'
    with started(server, inside, 4, "unshare", "--mount", "sh", "-c", mount, "sh") as [*containers, doomed]:
        ask_all([*containers, doomed], "load", clock.wall)
        for expiry in range(1, 6):
            clock.advance(HOUR)
            ask_all(containers, "at", clock.wall)
            assert ask_all(containers, "read") == {Outcome(access_token(path))}
            assert refreshes(server) == expiry
        assert is_logged_in(server, path)
        for n in range(KILLS):
            child = doomed.do("store_for_ever", OLD, *NEW)
            time.sleep(0.01 * (n * GOLDEN % 1))
            os.kill(int(child), signal.SIGKILL)
            doomed.do("wait_for", child)
            assert access_token(path)
            assert are_private(leftovers(inside))
    assert path.stat().st_ino == number
