# SPDX-License-Identifier: MIT
"""The ways of Windows, on fakes of what it has and without what it lacks: other locks, no modes, files that stay open.

On Windows itself, the tests of `lock` and `storage` do the same for real.
"""

from __future__ import annotations

import errno
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Final

import pytest

from tests.porting.fake_google import FakeGoogle
from tests.support import Clock, client, logged_in
from ytmusic_oauth import RefreshingToken, TokenFileError, _file_lock, _file_store
from ytmusic_oauth._file_lock import locked
from ytmusic_oauth._file_store import read_token

if sys.platform != "win32":
    import fcntl

if os.name == "nt":
    pytest.skip("this is Windows", allow_module_level=True)
assert sys.platform != "win32"  # the same, for mypy


class Msvcrt(ModuleType):
    """`msvcrt.locking`, as Microsoft documents `_locking`, for the one byte at the beginning of a file.

    A lock belongs to one open file, keeps out any other, even of the same process, and ends when the file is closed. A
    byte that is taken is a PermissionError, and so is an unlock of what was not locked.
    """

    LK_UNLCK: Final = 0
    LK_NBLCK: Final = 2

    def __init__(self) -> None:
        super().__init__("msvcrt")
        self.locked: set[int] = set()

    def locking(self, file: int, mode: int, size: int) -> None:
        assert os.lseek(file, 0, os.SEEK_CUR) == 0, "it locks from the current position on"
        assert size == 1
        assert mode in {self.LK_NBLCK, self.LK_UNLCK}
        try:
            fcntl.flock(file, fcntl.LOCK_UN if mode == self.LK_UNLCK else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise PermissionError(errno.EACCES, "Permission denied") from None
        if mode == self.LK_NBLCK:
            self.locked.add(file)
        elif file in self.locked:
            self.locked.remove(file)
        else:
            raise PermissionError(errno.EACCES, "Permission denied")


@pytest.fixture(autouse=True)
def msvcrt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Msvcrt]:
    fake = Msvcrt()
    for module in (_file_lock, _file_store):
        monkeypatch.setattr(module, "sys", SimpleNamespace(platform="win32"))
    for name in ("fchmod", "fchown", "geteuid", "O_NONBLOCK", "O_NOCTTY", "O_CLOEXEC"):
        monkeypatch.delattr(os, name)
    monkeypatch.setitem(sys.modules, "fcntl", None)
    monkeypatch.setitem(sys.modules, "msvcrt", fake)
    yield fake
    assert fake.locked == set(), "somebody still has a lock"


@pytest.fixture
def token(server: FakeGoogle, tmp_path: Path) -> RefreshingToken:
    token = logged_in(server)
    token.local_cache = tmp_path / "oauth.json"
    return token


def test_the_lock_is_on_a_file_beside_the_one_that_is_replaced(tmp_path: Path) -> None:
    path = str(tmp_path / "oauth.json")
    for _ in range(2):
        with locked(path, timeout=0) as alone:
            assert alone
            assert [each.name for each in tmp_path.iterdir()] == ["oauth.json.lock"]
            with pytest.raises(TokenFileError) as raised, locked(path, timeout=0):
                pass
            assert raised.value.retryable


def test_a_lock_ends_with_whoever_fails_while_holding_it(tmp_path: Path, msvcrt: Msvcrt) -> None:
    path = str(tmp_path / "oauth.json")
    with pytest.raises(KeyboardInterrupt), locked(path):
        raise KeyboardInterrupt
    assert msvcrt.locked == set()
    with locked(path, timeout=0) as alone:
        assert alone


def test_without_locks_it_works_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "msvcrt", None)
    with locked(str(tmp_path / "oauth.json"), timeout=0) as alone:
        assert not alone


def test_two_who_share_a_file_refresh_once(server: FakeGoogle, clock: Clock, token: RefreshingToken) -> None:
    clock.advance(3590)
    path = token.local_cache
    assert path is not None
    others = [RefreshingToken.load(client(server), path) for _ in range(4)]
    answers: list[str] = []
    with server.hold("token"):
        threads = [threading.Thread(target=lambda each=each: answers.append(each.as_auth())) for each in others]
        for thread in threads:
            thread.start()
        server.wait_for_requests(2, "token")
    for thread in threads:
        thread.join()
    assert answers == ["Bearer ya29.fake-access-2"] * 4
    assert len(server.requests_to("token")) == 2


def test_a_file_that_somebody_reads_cannot_be_replaced_and_is_written_in_place(
    token: RefreshingToken, monkeypatch: pytest.MonkeyPatch
) -> None:
    def replace(source: str, target: str) -> None:
        raise PermissionError(errno.EACCES, "Access is denied")

    monkeypatch.setattr(os, "replace", replace)
    token.refresh()
    path = token.local_cache
    assert path is not None
    assert read_token(str(path)) == token.as_dict()
    assert sorted(each.name for each in path.parent.iterdir()) == ["oauth.json", "oauth.json.lock"]
