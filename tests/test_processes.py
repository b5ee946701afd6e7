# SPDX-License-Identifier: MIT
"""The worst day of a token file: many processes, signals, full disks and foreign users, all of them real.

With YTMUSIC_OAUTH_TORTURE=1 there are ten times as many kills, and a bind mount.
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

from tests.porting.fake_google import CLIENT_ID, CLIENT_SECRET, FAULTS, FakeGoogle
from tests.support import Clock, logged_in
from ytmusic_oauth import OAuthToken

if os.name == "nt":
    pytest.skip("signals, users and file systems of POSIX", allow_module_level=True)
assert sys.platform != "win32"  # the same, for mypy

ROOT: Final = Path(__file__).parents[1]
TORTURE: Final = os.environ.get("YTMUSIC_OAUTH_TORTURE") == "1"
KILLS: Final = 600 if TORTURE else 60
OLD: Final = "ya29.old"
# Longer than the old one, and shorter: a file that is written in place shrinks and grows.
NEW: Final = ["ya29.new-and-longer" + "x" * 600, "ya29.n"]
AN_HOUR: Final = 3600
# Of 3599: expiring, but not yet dead.
NEARLY_AN_HOUR: Final = 3560
# Its multiples, cut at the point, are as evenly strewn as can be.
GOLDEN: Final = 0.618034


@dataclass(frozen=True)
class HttpResponse:
    answer: str = ""
    error: str = ""
    warning: str = ""


class Worker:
    """One `tests.worker`. Where it hangs, it is killed after a minute, and then says nothing."""

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

    def tell(self, *order: object) -> None:
        print(*order, file=self._orders)

    def hear(self) -> HttpResponse:
        return HttpResponse(**json.loads(self._answers.readline()))

    def do(self, *order: object) -> str:
        """Tell, hear, and insist on success."""
        self.tell(*order)
        heard = self.hear()
        assert heard == HttpResponse(heard.answer)
        return heard.answer

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def _kill(self) -> None:
        """And its children."""
        with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS may not kill the dead
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


def told(workers: Iterable[Worker], *order: object) -> set[HttpResponse]:
    """What they answer, all at once."""
    for worker in workers:
        worker.tell(*order)
    return {worker.hear() for worker in workers}


@pytest.fixture
def path(server: FakeGoogle, tmp_path: Path) -> Path:
    """A token file, of a server whose refresh tokens are good for one use."""
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


# ---- many processes, one file --------------------------------------------------------------------


def test_eight_processes_refresh_once_for_each_expiry(server: FakeGoogle, clock: Clock, path: Path) -> None:
    with started(server, path, 8) as crowd:
        told(crowd, "load", clock.wall)
        for expiry in range(1, 6):
            clock.advance(AN_HOUR)
            told(crowd, "at", clock.wall)
            with server.hold("token"):
                for worker in crowd:
                    worker.tell("read")
                server.wait_for_requests(expiry + 1, "token")  # the first was the login's
            assert {worker.hear() for worker in crowd} == {HttpResponse(access_token(path))}
            assert server.is_live(access_token(path))
            assert refreshes(server) == expiry
    assert is_logged_in(server, path)
    assert leftovers(path) == []


def test_the_lock_of_a_killed_process_is_free(server: FakeGoogle, clock: Clock, path: Path) -> None:
    with started(server, path, 3) as [first, *others]:
        clock.advance(AN_HOUR)
        told([first, *others], "load", clock.wall)
        server.script("token", FAULTS["stall"])
        first.tell("read")
        server.wait_for_requests(2, "token")
        for worker in others:
            worker.tell("read")
        first.signal(signal.SIGKILL)
        assert {worker.hear() for worker in others} == {HttpResponse(access_token(path))}
    assert server.is_live(access_token(path))
    assert refreshes(server) == 2


def test_a_stopped_process_holds_up_nobody_for_ever(server: FakeGoogle, clock: Clock, path: Path) -> None:
    old = access_token(path)
    with started(server, path, 2) as [stopped, other]:
        clock.advance(NEARLY_AN_HOUR)
        told([stopped, other], "load", clock.wall)
        other.do("patience", 0.2)
        with server.hold("token"):
            stopped.tell("read")
            server.wait_for_requests(2, "token")
            stopped.signal(signal.SIGSTOP)
        other.tell("read")
        served = other.hear()
        assert (served.answer, served.error) == (old, "")
        assert f"{path}: Somebody else has had the lock" in served.warning

        clock.advance(AN_HOUR)
        other.do("at", clock.wall)
        other.tell("read")
        assert other.hear().error.startswith("TokenFileError")

        stopped.signal(signal.SIGCONT)
        assert stopped.hear() == HttpResponse(access_token(path))
        assert server.is_live(other.do("read"))
    assert is_logged_in(server, path)


def test_a_process_that_was_stopped_shares_what_it_got(server: FakeGoogle, clock: Clock, path: Path) -> None:
    with started(server, path, 2) as [stopped, other]:
        clock.advance(AN_HOUR)
        told([stopped, other], "load", clock.wall)
        with server.hold("token"):
            stopped.tell("read")
            server.wait_for_requests(2, "token")
            stopped.signal(signal.SIGSTOP)
        other.tell("read")
        stopped.signal(signal.SIGCONT)
        assert stopped.hear() == other.hear() == HttpResponse(access_token(path))
    assert refreshes(server) == 1


def test_processes_that_store_at_once_do_not_get_in_each_others_way(
    server: FakeGoogle, clock: Clock, path: Path
) -> None:
    with started(server, path, 3) as crowd:
        told(crowd, "load", clock.wall)
        assert told(crowd, "store_often", OLD, 20) == {HttpResponse()}
    assert access_token(path) == OLD
    assert leftovers(path) == []


def test_a_child_forked_in_the_middle_of_a_refresh_waits_for_it(
    server: FakeGoogle, clock: Clock, worker: Worker
) -> None:
    clock.advance(AN_HOUR)
    worker.do("at", clock.wall)
    with server.hold("token"):
        worker.do("start_reading")
        server.wait_for_requests(2, "token")
        worker.do("fork_and_read")
    parents, childs = worker.hear(), worker.hear()
    assert parents == childs
    assert server.is_live(parents.answer)
    assert refreshes(server) == 1


def test_a_child_forked_in_the_middle_of_a_refresh_survives_its_parent(
    server: FakeGoogle, clock: Clock, worker: Worker
) -> None:
    clock.advance(AN_HOUR)
    worker.do("at", clock.wall)
    server.script("token", FAULTS["stall"])
    worker.do("start_reading")
    server.wait_for_requests(2, "token")
    worker.do("fork_and_read")
    worker.signal(signal.SIGKILL)
    assert server.is_live(worker.hear().answer)
    assert refreshes(server) == 2


# ---- crashes -------------------------------------------------------------------------------------


def test_a_crash_at_any_moment_leaves_a_whole_file(worker: Worker, path: Path) -> None:
    first = access_token(path)
    for n in range(KILLS):
        child = worker.do("store_for_ever", OLD, *NEW)
        time.sleep(0.01 * (n * GOLDEN % 1))
        os.kill(int(child), signal.SIGKILL)
        assert worker.do("wait_for", child) == "SIGKILL"
        assert access_token(path) in {first, OLD, *NEW}
        assert len(leftovers(path)) <= 1
    worker.do("store", OLD)
    assert leftovers(path) == []


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
        assert leftovers(path) == []
        number = path.stat().st_ino
        ended = worker.do("store_and_die", new, len(found) + 1)
        found.append(access_token(path))
        assert len(leftovers(path)) <= 1
    assert ended == ""
    assert (path.stat().st_ino == number) == in_place
    changed = found.index(new)
    assert found == [OLD] * changed + [new] * (len(found) - changed)
    assert 0 < changed < len(found) - 1


def test_a_crash_in_the_first_store_leaves_no_file_or_a_whole_one(worker: Worker, path: Path) -> None:
    found: list[str] = []
    ended = "SIGKILL"
    while ended == "SIGKILL":
        path.unlink(missing_ok=True)
        ended = worker.do("store_and_die", OLD, len(found) + 1)
        found.append(access_token(path) if path.exists() else "")
        assert {stat.S_IMODE(each.stat().st_mode) for each in leftovers(path)} <= {0o600}
    assert ended == ""
    assert set(found) == {"", OLD}


def test_whoever_reads_beside_a_writer_sees_whole_tokens(worker: Worker, path: Path) -> None:
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
def abroad(path: Path) -> Iterator[Path]:
    """The same file where every user can go, which is nowhere below pytest's folders. It is nobody's."""
    with tempfile.TemporaryDirectory() as folder:
        copy_error = Path(shutil.copy(path, folder))
        Path(folder).chmod(0o755)
        if os.geteuid() == 0:
            shutil.chown(copy_error, "nobody")
        yield copy_error
        Path(folder).chmod(0o755)


@pytest.fixture
def nobody(server: FakeGoogle, clock: Clock, abroad: Path) -> Iterator[Worker]:
    """Has the file there, and has refreshed it once."""
    with started(server, abroad, 1) as [worker]:
        worker.do("load", clock.wall)
        worker.do("become_nobody")
        yield worker


def test_a_token_file_is_kept_fresh_in_a_folder_that_may_not_be_written(
    server: FakeGoogle, clock: Clock, nobody: Worker, abroad: Path
) -> None:
    abroad.parent.chmod(0o555)
    before = abroad.stat()
    clock.advance(AN_HOUR)
    nobody.do("at", clock.wall)
    assert nobody.do("read") == access_token(abroad)
    assert server.is_live(access_token(abroad))
    assert abroad.stat().st_ino == before.st_ino
    assert leftovers(abroad) == []


@pytest.mark.parametrize("folder", [0o777, 0o555], ids=["in-a-folder", "in-a-folder-that-may-not-be-written"])
def test_a_file_that_may_not_grow_costs_no_token(
    server: FakeGoogle, clock: Clock, nobody: Worker, abroad: Path, folder: int
) -> None:
    abroad.parent.chmod(folder)
    before = abroad.read_bytes()
    clock.advance(AN_HOUR)
    nobody.do("at", clock.wall)
    # The worst place to be cut off: after the new access token, before the old refresh token.
    nobody.do("limit_files", before.index(b"refresh_token"))
    nobody.tell("read")
    served = nobody.hear()
    assert server.is_live(served.answer)
    assert f"{abroad}: The token file cannot be written: File too large" in served.warning
    assert abroad.read_bytes() == before
    assert leftovers(abroad) == []

    nobody.do("limit_files", -1)
    clock.advance(60)
    nobody.do("at", clock.wall)
    assert nobody.do("read") == served.answer == access_token(abroad)
    assert refreshes(server) == 2


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be two users")


@needs_root
def test_root_does_not_take_a_file_away_from_its_user(
    server: FakeGoogle, clock: Clock, nobody: Worker, abroad: Path
) -> None:
    with started(server, abroad, 1) as [root]:
        clock.advance(AN_HOUR)
        root.do("load", clock.wall)
        refreshed = root.do("read")
    nobody.do("at", clock.wall)
    assert nobody.do("read") == refreshed == access_token(abroad)
    assert (abroad.owner(), stat.S_IMODE(abroad.stat().st_mode)) == ("nobody", 0o600)


@needs_root
def test_a_token_file_that_may_only_be_read_still_gives_tokens(
    server: FakeGoogle, clock: Clock, nobody: Worker, abroad: Path
) -> None:
    shutil.chown(abroad, "root")
    abroad.chmod(0o644)
    before = abroad.read_bytes()
    clock.advance(AN_HOUR)
    nobody.do("at", clock.wall)
    nobody.tell("read")
    served = nobody.hear()
    assert server.is_live(served.answer)
    assert f"{abroad}: The token file cannot be written: Permission denied" in served.warning
    assert nobody.do("read") == served.answer
    assert abroad.read_bytes() == before


@needs_root
@pytest.mark.skipif(not TORTURE, reason="mounts file systems: only with YTMUSIC_OAUTH_TORTURE=1")
@pytest.mark.skipif(shutil.which("unshare") is None, reason="there is no unshare(1) here")
def test_containers_share_one_bind_mounted_file(server: FakeGoogle, clock: Clock, path: Path, tmp_path: Path) -> None:
    inside = tmp_path / "container" / path.name
    inside.parent.mkdir()
    inside.touch()
    number = path.stat().st_ino
    mount = f'mount --bind "{path}" "{inside}" && exec "$@"'
    with started(server, inside, 4, "unshare", "--mount", "sh", "-c", mount, "sh") as [*containers, doomed]:
        told([*containers, doomed], "load", clock.wall)
        for expiry in range(1, 6):
            clock.advance(AN_HOUR)
            told(containers, "at", clock.wall)
            assert told(containers, "read") == {HttpResponse(access_token(path))}
            assert refreshes(server) == expiry
        assert is_logged_in(server, path)
        for n in range(KILLS):
            child = doomed.do("store_for_ever", OLD, *NEW)
            time.sleep(0.01 * (n * GOLDEN % 1))
            os.kill(int(child), signal.SIGKILL)
            doomed.do("wait_for", child)
            assert access_token(path)
            assert len(leftovers(inside)) <= 1
        doomed.do("store", OLD)
    assert path.stat().st_ino == number
    assert leftovers(inside) == []
