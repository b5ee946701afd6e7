# SPDX-License-Identifier: MIT
"""The lock among processes: one holder, no endless wait, and no lock left behind by a killed process."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Final, NoReturn

import pytest

from tests.posix import fork, geteuid
from tests.support import file_lock
from ytmusic_oauth import TokenFileError, _file_lock
from ytmusic_oauth._file_lock import FileLock
from ytmusic_oauth._file_store import FileStore

ROOT: Final = Path(__file__).parents[1]
TORTURE: Final = os.environ.get("YTMUSIC_OAUTH_TORTURE") == "1"

posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has other locks")


@pytest.fixture
def path(tmp_path: Path) -> str:
    path = tmp_path / "oauth.json"
    path.write_text("a token")
    return str(path)


def replace(path: str) -> None:
    """Replace the file by another one, as a refresh does."""
    Path(f"{path}.new").write_text("a token")
    os.replace(f"{path}.new", path)


def is_taken(path: str) -> bool:
    """Whether the lock is held, as another thread sees it."""
    seen: list[bool] = []

    def look() -> None:
        try:
            with file_lock(path, timeout=0) as exclusive:
                assert exclusive
        except TimeoutError:
            seen.append(True)
        else:
            seen.append(False)

    looking = threading.Thread(target=look)
    looking.start()
    looking.join(10)
    return seen == [True]


def test_the_lock_has_one_holder_at_a_time(path: str) -> None:
    with file_lock(path, 0) as exclusive:
        assert exclusive
        assert is_taken(path)
    assert not is_taken(path)


def test_a_sandbox_that_forbids_locks_is_a_platform_without_locks(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: object, **__: object) -> NoReturn:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(_file_lock, "_lock", forbidden)
    with file_lock(path, timeout=0) as exclusive:
        assert not exclusive


def test_two_files_have_two_locks(path: str, tmp_path: Path) -> None:
    other = str(tmp_path / "other.json")
    Path(other).touch()
    with file_lock(path, 0), file_lock(other, timeout=0) as exclusive:
        assert exclusive


@posix
def test_two_names_of_one_file_have_one_lock(path: str, tmp_path: Path) -> None:
    link = tmp_path / "link.json"
    link.symlink_to(path)
    with file_lock(str(link), 0):
        assert is_taken(path)


def test_an_error_inside_releases_the_lock(path: str) -> None:
    with pytest.raises(KeyboardInterrupt), file_lock(path, 0):
        raise KeyboardInterrupt
    assert not is_taken(path)


def test_ctrl_c_while_taking_the_lock_releases_it(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> NoReturn:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os.path, "samestat", interrupt)
        with pytest.raises(KeyboardInterrupt), file_lock(path, 0):
            pass
    assert not is_taken(path)


INTERRUPTS: Final = """
import fcntl, os, random, signal, sys, traceback
from ytmusic_oauth._file_store import FileStore

class Interrupt(BaseException):
    pass

def interrupt(*_):
    raise Interrupt

store, caught = FileStore(sys.argv[1]), []
signal.signal(signal.SIGALRM, interrupt)
dice = random.Random(1)
while len(caught) < int(sys.argv[2]):
    try:
        signal.setitimer(signal.ITIMER_REAL, dice.uniform(1e-6, 4e-4))
        for _ in range(20):  # an interrupt inside `__del__` is lost
            with store.lock(0):
                pass
        signal.setitimer(signal.ITIMER_REAL, 0)
    except Interrupt as error:
        if any(frame.f_code.co_name in {"__exit__", "close"} for frame, _ in traceback.walk_tb(error.__traceback__)):
            continue  # while it is released
        caught.append(error)  # with its traceback
    with open(sys.argv[1]) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sys.exit("".join(traceback.format_exception(None, caught[-1], caught[-1].__traceback__)))
"""


@posix
def test_an_interrupt_at_any_moment_of_taking_the_lock_releases_it(path: str) -> None:
    command = [sys.executable, "-c", INTERRUPTS, path, "30000" if TORTURE else "1500"]
    child = subprocess.run(command, capture_output=True, check=False, cwd=ROOT, text=True)
    assert child.returncode == 0, child.stderr


def assert_an_interrupt_releases(
    lock: AbstractContextManager[object], path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keeps its traceback, as a program may: it refers to everything that would otherwise be closed."""
    kept: list[BaseException] = []
    try:
        with lock:
            pass
    except KeyboardInterrupt as error:
        kept.append(error)
    monkeypatch.undo()
    assert kept
    assert not is_taken(path)


@posix
@pytest.mark.parametrize("function", ["os.path.samestat", "os.stat", "os.fstat"])
def test_an_interrupt_while_taking_the_lock_releases_it_though_its_traceback_is_kept(
    path: str, function: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> NoReturn:
        raise KeyboardInterrupt

    monkeypatch.setattr(function, interrupt)
    assert_an_interrupt_releases(FileStore(path).lock(0), path, monkeypatch)


def test_an_interrupt_while_the_lock_is_released_releases_it(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    real = _file_lock._lock

    def interrupt(file: int, *, release: bool = False) -> None:
        if release:
            monkeypatch.undo()
            raise KeyboardInterrupt
        real(file)

    monkeypatch.setattr(_file_lock, "_lock", interrupt)
    assert_an_interrupt_releases(FileStore(path).lock(0), path, monkeypatch)


def test_an_interrupt_just_after_the_lock_was_taken_releases_it(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    real = FileLock._try

    def interrupt(lock: FileLock) -> bool | None:
        assert real(lock)
        raise KeyboardInterrupt

    monkeypatch.setattr(FileLock, "_try", interrupt)
    assert_an_interrupt_releases(FileStore(path).lock(0), path, monkeypatch)


def test_a_file_lease_is_waited_for(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Samba takes one, and until it is given up, the file cannot be opened without waiting."""

    def leased(*_: object) -> NoReturn:
        raise BlockingIOError(errno.EWOULDBLOCK, os.strerror(errno.EWOULDBLOCK))

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", leased)
        with pytest.raises(TimeoutError), file_lock(path, 0.1):
            pass


@pytest.mark.parametrize("call", ["open", "lock"])
@pytest.mark.parametrize("number", [errno.EIO, errno.EMFILE, errno.ESTALE, errno.ETIMEDOUT], ids=errno.errorcode.get)
def test_a_failure_to_lock_is_not_taken_for_a_platform_without_locks(
    path: str, monkeypatch: pytest.MonkeyPatch, call: str, number: int
) -> None:
    def fail(*_: object, **__: object) -> NoReturn:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        if call == "open":
            patch.setattr(os, "open", fail)
        else:
            patch.setattr(_file_lock, "_lock", fail)
        with pytest.raises(OSError, match=os.strerror(number)) as failed, file_lock(path, 0):
            pass
        assert failed.value.errno == number
        with pytest.raises(TokenFileError, match=f"cannot be locked: {os.strerror(number)}"), FileStore(path).lock(0):
            pass
        if call == "lock":
            with pytest.raises(TokenFileError, match=os.strerror(number)):
                FileStore(path).check_writable()
    assert not is_taken(path)


def test_an_interrupt_while_leftovers_are_removed_releases_the_lock(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_: FileStore) -> NoReturn:
        raise KeyboardInterrupt

    monkeypatch.setattr(FileStore, "remove_leftovers", interrupt)
    assert_an_interrupt_releases(FileStore(path).lock(0), path, monkeypatch)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform does not fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_file_that_was_open_during_a_fork_is_opened_again(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.open
    opened: list[int] = []

    def opened_and_forked(path: str, flags: int) -> int:
        file = real(path, flags)
        opened.append(file)
        if len(opened) == 1:
            child = fork()
            if child == 0:
                os._exit(0)
            os.waitpid(child, 0)
        return file

    monkeypatch.setattr(os, "open", opened_and_forked)
    with file_lock(path, 0) as exclusive:
        assert exclusive
        assert len(opened) == 2
        assert is_taken(path), "though this process has forked"


def test_a_program_may_have_closed_every_file(path: str) -> None:
    lock = FileLock(path, 0, lambda: None, lambda error: error)
    with lock:
        os.close(lock._file)
    assert not is_taken(path)


def test_a_lock_that_cannot_be_released_is_closed(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> NoReturn:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patch, file_lock(path, 0):
        patch.setattr(_file_lock, "_lock", refuse)
    assert not is_taken(path)


def test_the_hook_of_a_forked_child_leaves_other_files_alone(path: str) -> None:
    with file_lock(path, 0):
        _file_lock._after_fork_in_child()
    assert not is_taken(path)
    with open(path, "rb") as file:  # under the number that the lock had
        _file_lock._after_fork_in_child()
        assert file.read()


@pytest.mark.parametrize("closed", [0, 1], ids=["input", "output"])
def test_a_daemon_without_standard_input_or_output_can_lock(
    path: str, closed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is opened next has the number of what was closed."""

    def no_locks(*_: object, **__: object) -> NoReturn:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    kept = os.dup(closed)
    os.close(closed)
    try:
        with file_lock(path, 0) as exclusive:
            assert exclusive
            assert is_taken(path)
            assert is_taken(path), "the failed attempt released a lock that was not its own"
        assert not is_taken(path)
        monkeypatch.setattr(_file_lock, "_lock", no_locks)
        with file_lock(path, 0) as exclusive:
            assert not exclusive
    finally:
        os.dup2(kept, closed)
        os.close(kept)


def test_a_lock_that_stays_taken_is_waited_for_until_the_timeout(path: str) -> None:
    with file_lock(path, 0):
        waited: list[float] = []

        def wait() -> None:
            begun = time.monotonic()
            with pytest.raises(TimeoutError), file_lock(path, timeout=0.1):
                pass
            waited.append(time.monotonic() - begun)

        waiting = threading.Thread(target=wait)
        waiting.start()
        waiting.join(10)
    assert 0.1 <= waited[0] < 5


def test_a_waiting_thread_gets_the_lock_when_it_is_released(path: str) -> None:
    with file_lock(path, 0):
        got: list[bool] = []

        def wait() -> None:
            with file_lock(path, 10) as exclusive:
                got.append(exclusive)

        waiting = threading.Thread(target=wait)
        waiting.start()
        assert got == []
    waiting.join(10)
    assert got == [True]


@posix
def test_a_file_replaced_before_it_is_locked_is_opened_again(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.open

    def opened_and_then_replaced(path: str, flags: int) -> int:
        monkeypatch.undo()
        file = real(path, flags)
        replace(path)
        return file

    monkeypatch.setattr(os, "open", opened_and_then_replaced)
    with file_lock(path, 10) as exclusive:
        assert exclusive
        assert is_taken(path)


@posix
def test_a_file_removed_before_it_is_locked_is_not_waited_for(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.open

    def opened_and_then_removed(path: str, flags: int) -> int:
        monkeypatch.undo()
        file = real(path, flags)
        os.unlink(path)
        return file

    monkeypatch.setattr(os, "open", opened_and_then_removed)
    with file_lock(path, 10) as exclusive:
        assert exclusive


def unsupported(*_: object) -> NoReturn:
    raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))


@posix
@pytest.mark.parametrize("platform", ["no fcntl", "a file system without locks"])
def test_callers_proceed_where_there_are_no_locks(path: str, platform: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if platform == "no fcntl":
        monkeypatch.setitem(sys.modules, "fcntl", None)
    else:
        monkeypatch.setattr("fcntl.flock", unsupported)
    with file_lock(path, timeout=0) as exclusive, file_lock(path, timeout=0) as exclusive_too:
        assert (exclusive, exclusive_too) == (False, False)


@posix
def test_the_file_is_opened_for_writing_if_possible_and_without_waiting(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """NFS locks only files that are open for writing; opening a FIFO or a terminal may wait."""
    asked: list[int] = []
    real = os.open

    def read_only(path: str, flags: int) -> int:
        asked.append(flags)
        if flags & os.O_RDWR:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return real(path, flags)

    monkeypatch.setattr(os, "open", read_only)
    with file_lock(path, timeout=0) as exclusive:
        assert exclusive
    never_waiting = sum(getattr(os, flag, 0) for flag in ("O_NONBLOCK", "O_NOCTTY"))
    assert asked == [os.O_RDWR | never_waiting, os.O_RDONLY | never_waiting]


def test_a_missing_file_is_not_created(tmp_path: Path) -> None:
    path = str(tmp_path / "oauth.json")
    with file_lock(path, timeout=0) as exclusive:
        assert exclusive == (sys.platform != "win32" or Path(f"{path}.lock").exists())
        assert not Path(path).exists()


@posix
def test_the_folder_is_locked_while_there_is_no_file(tmp_path: Path) -> None:
    path = str(tmp_path / "oauth.json")
    with file_lock(path, timeout=0) as exclusive:
        assert exclusive
        assert is_taken(path)
    assert not is_taken(path)
    assert list(tmp_path.iterdir()) == []


@posix
def test_a_lock_leaves_nothing_behind(path: str, tmp_path: Path) -> None:
    before = Path(path).read_bytes()
    open_files = len(os.listdir("/dev/fd"))
    for _ in range(3):
        with file_lock(path, 0), pytest.raises(TimeoutError), file_lock(path, timeout=0):
            pass
    assert len(os.listdir("/dev/fd")) == open_files
    assert [file.read_bytes() for file in tmp_path.iterdir()] == [before]


@contextmanager
def child(script: str, path: str, *before: str, inside: bool = True) -> Iterator[subprocess.Popen[str]]:
    """Another process that runs a script, with the lock if `inside`. It is killed at the end if it still runs."""
    lines = [
        "import fcntl, os, signal, sys" if sys.platform != "win32" else "import os, signal, sys",
        "from ytmusic_oauth._file_store import FileStore",
        "with FileStore(sys.argv[1]).lock(0):" if inside else "if True:",
        *(f"    {line}" for line in script.strip().splitlines()),
    ]
    command = [*before, sys.executable, "-c", "\n".join(lines), path]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, bufsize=1, cwd=ROOT) as process:
        try:
            yield process
        finally:
            process.kill()


def said(process: subprocess.Popen[str]) -> str:
    """The next line that the process prints."""
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_another_process_is_kept_out_until_the_holder_is_killed(path: str) -> None:
    script = """
print("locked", flush=True)
sys.stdin.read()
"""
    with child(script, path) as holder:
        assert said(holder) == "locked"
        assert is_taken(path)
        holder.kill()
        with file_lock(path, timeout=10) as exclusive:
            assert exclusive


@posix
def test_a_forked_child_does_not_keep_the_lock_of_its_killed_parent(path: str) -> None:
    script = """
if os.fork():
    os.kill(os.getpid(), signal.SIGKILL)
print("forked", flush=True)
sys.stdin.read()
"""
    with child(script, path) as holder:
        assert said(holder) == "forked"
        holder.wait(10)
        with file_lock(path, timeout=10) as exclusive:  # while the child goes on
            assert exclusive


@posix
def test_a_forked_child_does_not_release_the_lock_of_its_parent(path: str) -> None:
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
        with FileStore(sys.argv[1]).lock(0):
            print("taken twice", flush=True)
    except TimeoutError:
        print("kept out", flush=True)
"""
    with child(script, path) as holder:
        assert said(holder) == "kept out"
        holder.wait(10)
    assert not is_taken(path)


@posix
def test_a_fork_between_opening_and_locking_does_not_give_the_lock_to_the_child(path: str) -> None:
    """The child shares the open file, and would keep its lock after the parent was killed."""
    script = """
with FileStore(sys.argv[1]).lock(0):
    pass
real = os.open

def opened_and_forked(path, flags):
    os.open = real
    file = real(path, flags)
    if os.fork() == 0:
        print("forked", flush=True)
        sys.stdin.read()
        os._exit(0)
    return file

os.open = opened_and_forked
with FileStore(sys.argv[1]).lock(0):
    os.kill(os.getpid(), signal.SIGKILL)
"""
    with child(script, path, inside=False) as holder:
        assert said(holder) == "forked"
        holder.wait(10)
        with file_lock(path, timeout=10) as exclusive:  # while the child goes on
            assert exclusive


@posix
def test_a_thread_that_forks_all_the_time_does_not_give_a_lock_to_its_children(path: str) -> None:
    script = """
import threading, time

def fork_for_ever():
    while True:
        time.sleep(0.002)
        if os.fork() == 0:
            signal.alarm(60)
            os.close(1)
            sys.stdin.read()
            os._exit(0)

threading.Thread(target=fork_for_ever, daemon=True).start()
for n in range(200):
    with FileStore(sys.argv[1]).lock(0):
        pass
with FileStore(sys.argv[1]).lock(0):
    os.kill(os.getpid(), signal.SIGKILL)
"""
    with child(script, path, inside=False) as holder:
        holder.wait(60)
        with file_lock(path, timeout=10) as exclusive:
            assert exclusive


@posix
def test_the_lock_works_before_and_after_a_fork_into_a_new_pid_namespace(path: str) -> None:
    """Parent and child have the same pid there: each is the first process of its namespace."""
    unshare = shutil.which("unshare")
    if unshare is None or geteuid() != 0:  # a tool of Linux alone
        pytest.skip("only root of Linux can create namespaces")
    script = """
import ctypes
if os.getpid() != 1 or ctypes.CDLL(None).unshare(0x20000000) != 0:
    print("not possible here")
    sys.exit()
with FileStore(sys.argv[1]).lock(0):
    child = os.fork()
    if child:
        os.waitpid(child, 0)
    else:
        try:
            with FileStore(sys.argv[1]).lock(0):
                print("pid", os.getpid(), "got it")
        except TimeoutError as error:
            print("pid", os.getpid(), "waits:", type(error).__name__, flush=True)
            os._exit(0)
    file = os.open(sys.argv[1], os.O_RDWR)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        print("lost", flush=True)
    except BlockingIOError:
        print("kept", flush=True)
"""
    with child(script, path, unshare, "--pid", "--fork", inside=False) as holder:
        first = said(holder)
        if first == "not possible here":
            pytest.skip("no pid namespace can be created here")
        assert [first, said(holder)] == ["pid 1 waits: TimeoutError", "kept"]


@posix
def test_a_file_whose_inode_keeps_changing_is_not_waited_for(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on some FUSE file systems, which make up a number for each look."""
    monkeypatch.setattr(os.path, "samestat", lambda *_: False)
    begun = time.monotonic()
    with file_lock(path, timeout=60) as exclusive:
        assert exclusive
    assert time.monotonic() - begun < 10


@posix
def test_a_file_that_is_created_while_the_folder_is_locked_is_locked_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "oauth.json"
    real = os.open

    def opened_and_then_created(path: str, flags: int) -> int:
        monkeypatch.undo()
        with suppress(FileNotFoundError):
            return real(path, flags)
        file = real(os.path.dirname(path), os.O_RDONLY)
        Path(path).touch()
        return file

    monkeypatch.setattr(os, "open", opened_and_then_created)
    with file_lock(str(path), timeout=0) as exclusive:
        assert exclusive
        assert is_taken(str(path))
