# SPDX-License-Identifier: MIT
"""The lock among processes: one holder, nobody who waits for ever, and nothing left by the dead."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NoReturn

import pytest

from tests.support import NOON
from ytmusic_oauth import TokenFileError, _file_lock
from ytmusic_oauth._file_lock import locked
from ytmusic_oauth._file_store import write_token
from ytmusic_oauth.models import RefreshableTokenDict

ROOT: Final = Path(__file__).parents[1]
TOKEN: Final[RefreshableTokenDict] = {
    "scope": "https://www.googleapis.com/auth/youtube",
    "token_type": "Bearer",
    "access_token": "ya29.fake",
    "refresh_token": "1//fake",
    "expires_at": NOON,
    "expires_in": 3599,
}

posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has other locks")


@pytest.fixture
def path(tmp_path: Path) -> str:
    path = str(tmp_path / "oauth.json")
    write_token(path, TOKEN, exclusive=True)
    return path


def is_taken(path: str) -> bool:
    """Whether somebody holds the lock at this moment."""
    try:
        with locked(path, timeout=0) as exclusive:
            assert exclusive
    except TokenFileError:
        return True
    return False


def test_there_is_one_holder_at_a_time_and_then_the_next(path: str) -> None:
    with locked(path) as exclusive:
        assert exclusive
        assert is_taken(path)
    assert not is_taken(path)


def test_a_lock_that_an_interrupt_has_lost_is_given_back(path: str) -> None:
    """Between taking it and whatever gives it back there is always a moment."""
    taken = [_file_lock._try(path)]
    assert is_taken(path)
    taken.clear()
    assert not is_taken(path)


def test_a_sandbox_without_locks_is_no_somebody_who_has_it(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: object, **__: object) -> NoReturn:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(_file_lock, "_lock", forbidden)
    with locked(path, timeout=0) as exclusive:
        assert not exclusive


def test_two_files_have_two_locks(path: str, tmp_path: Path) -> None:
    other = str(tmp_path / "other.json")
    write_token(other, TOKEN, exclusive=True)
    with locked(path), locked(other, timeout=0) as exclusive:
        assert exclusive


@posix
def test_two_names_of_one_file_have_one_lock(path: str, tmp_path: Path) -> None:
    link = tmp_path / "link.json"
    link.symlink_to(path)
    with locked(str(link)):
        assert is_taken(path)


def test_an_error_inside_gives_the_lock_back(path: str) -> None:
    with pytest.raises(KeyboardInterrupt), locked(path):
        raise KeyboardInterrupt
    assert not is_taken(path)


def test_ctrl_c_while_it_is_taken_gives_the_lock_back(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> NoReturn:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os.path, "samestat", interrupt)
        with pytest.raises(KeyboardInterrupt), locked(path):
            pass
    assert not is_taken(path)


def test_a_lock_that_cannot_be_given_back_is_closed(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> NoReturn:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patch, locked(path):
        patch.setattr(_file_lock, "_lock", refuse)
    assert not is_taken(path)


def test_what_a_child_does_when_it_is_forked_does_not_end_its_parents_work(path: str) -> None:
    with locked(path):
        _file_lock._forget_inherited()
    assert not is_taken(path)
    with open(path, "rb") as file:  # under the number that the lock had
        _file_lock._forget_inherited()
        assert file.read()


@pytest.mark.parametrize("closed", [0, 1], ids=["input", "output"])
def test_a_daemon_without_standard_input_or_output_keeps_its_lock_and_gives_it_back(path: str, closed: int) -> None:
    """What is opened next has the number of what was closed."""
    kept = os.dup(closed)
    os.close(closed)
    try:
        with locked(path) as exclusive:
            assert exclusive
            assert is_taken(path)
            assert is_taken(path), "whoever tried in vain has given back another's"
        assert not is_taken(path)
    finally:
        os.dup2(kept, closed)
        os.close(kept)


def test_a_lock_that_stays_taken_is_waited_for_a_while_and_then_reported(path: str) -> None:
    with locked(path):
        begun = time.monotonic()
        with pytest.raises(TokenFileError, match="Try again later") as taken, locked(path, timeout=0.1):
            pass
        assert 0.1 <= time.monotonic() - begun < 5
    assert taken.value.retryable
    assert taken.value.path == path


def test_whoever_waits_gets_the_lock_when_it_is_given_back(path: str) -> None:
    with locked(path):
        got: list[bool] = []

        def wait() -> None:
            with locked(path) as exclusive:
                got.append(exclusive)

        waiting = threading.Thread(target=wait)
        waiting.start()
        assert got == []
    waiting.join(10)
    assert got == [True]


@posix
def test_the_lock_of_a_file_that_is_replaced_meanwhile_is_none(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.open

    def opened_and_then_replaced(path: str, flags: int) -> int:
        monkeypatch.undo()
        file = real(path, flags)
        write_token(path, TOKEN, exclusive=True)
        return file

    monkeypatch.setattr(os, "open", opened_and_then_replaced)
    with locked(path) as exclusive:
        assert exclusive
        assert is_taken(path)


@posix
def test_a_file_that_is_removed_meanwhile_has_no_lock_to_wait_for(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.open

    def opened_and_then_removed(path: str, flags: int) -> int:
        monkeypatch.undo()
        file = real(path, flags)
        os.unlink(path)
        return file

    monkeypatch.setattr(os, "open", opened_and_then_removed)
    with locked(path) as exclusive:
        assert not exclusive


def unsupported(*_: object) -> NoReturn:
    raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))


@posix
@pytest.mark.parametrize("platform", ["no fcntl", "a file system without locks"])
def test_where_there_are_no_locks_it_works_without(path: str, platform: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if platform == "no fcntl":
        monkeypatch.setitem(sys.modules, "fcntl", None)
    else:
        monkeypatch.setattr("fcntl.flock", unsupported)
    with locked(path, timeout=0) as exclusive, locked(path, timeout=0) as exclusive_too:
        assert (exclusive, exclusive_too) == (False, False)


@posix
def test_it_is_opened_for_writing_where_that_may_be_and_never_waited_for(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """NFS locks only what is open for writing; what is no regular file may keep whoever opens it waiting."""
    asked: list[int] = []
    real = os.open

    def read_only(path: str, flags: int) -> int:
        asked.append(flags)
        if flags & os.O_RDWR:
            raise PermissionError
        return real(path, flags)

    monkeypatch.setattr(os, "open", read_only)
    with locked(path, timeout=0) as exclusive:
        assert exclusive
    never_waiting = sum(getattr(os, flag, 0) for flag in ("O_NONBLOCK", "O_NOCTTY"))
    assert asked == [os.O_RDWR | never_waiting, os.O_RDONLY | never_waiting]


def test_a_file_that_is_not_there_is_not_waited_for_and_not_made(tmp_path: Path) -> None:
    with locked(str(tmp_path / "oauth.json"), timeout=0) as exclusive:
        assert not exclusive
    assert list(tmp_path.iterdir()) == []


@posix
def test_a_lock_leaves_nothing_behind(path: str, tmp_path: Path) -> None:
    before = Path(path).read_bytes()
    open_files = len(os.listdir("/dev/fd"))
    for _ in range(3):
        with locked(path), pytest.raises(TokenFileError), locked(path, timeout=0):
            pass
    assert len(os.listdir("/dev/fd")) == open_files
    assert [file.read_bytes() for file in tmp_path.iterdir()] == [before]


@contextmanager
def child(script: str, path: str) -> Iterator[subprocess.Popen[str]]:
    """Another process that runs a script while it holds the lock. It is killed at the end if it still runs."""
    lines = [
        "import os, signal, sys",
        "from ytmusic_oauth.exceptions import TokenFileError",
        "from ytmusic_oauth._file_lock import locked",
        "with locked(sys.argv[1]):",
        *(f"    {line}" for line in script.strip().splitlines()),
    ]
    command = [sys.executable, "-c", "\n".join(lines), path]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, bufsize=1, cwd=ROOT) as process:
        try:
            yield process
        finally:
            process.kill()


def said(process: subprocess.Popen[str]) -> str:
    """The next line of it."""
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_another_process_is_kept_out_and_one_that_is_killed_gives_the_lock_back(path: str) -> None:
    script = """
print("locked", flush=True)
sys.stdin.read()
"""
    with child(script, path) as holder:
        assert said(holder) == "locked"
        assert is_taken(path)
        holder.kill()
        with locked(path, timeout=10) as exclusive:
            assert exclusive


@posix
def test_a_forked_child_does_not_keep_the_lock_of_its_dead_parent(path: str) -> None:
    script = """
if os.fork():
    os.kill(os.getpid(), signal.SIGKILL)
print("forked", flush=True)
sys.stdin.read()
"""
    with child(script, path) as holder:
        assert said(holder) == "forked"
        holder.wait(10)
        with locked(path, timeout=10) as exclusive:  # while the child goes on
            assert exclusive


@posix
def test_a_forked_child_does_not_give_back_its_parents_lock(path: str) -> None:
    script = """
parent = os.getpid()
child = os.fork()
if child:
    os.waitpid(child, 0)
    print("the child has left", flush=True)
    sys.stdin.read()
"""
    with child(script, path) as holder:
        assert said(holder) == "the child has left"
        assert is_taken(path)


@posix
def test_a_forked_child_can_take_the_lock_itself(path: str) -> None:
    script = """
child = os.fork()
if child:
    os.waitpid(child, 0)
else:
    try:
        with locked(sys.argv[1], timeout=0):
            print("taken twice", flush=True)
    except TokenFileError:
        print("kept out", flush=True)
"""
    with child(script, path) as holder:
        assert said(holder) == "kept out"
        holder.wait(10)
    assert not is_taken(path)
