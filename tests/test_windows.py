# SPDX-License-Identifier: MIT
"""Windows, faked: other locks, no file modes, and open files that cannot be replaced.

On Windows itself, the tests of `_file_lock` and `_file_store` cover the same.
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
from tests.support import Clock, client, file_lock, logged_in
from ytmusic_oauth import RefreshingToken, _file_lock, _file_owner, _file_write
from ytmusic_oauth._file_store import FileStore
from ytmusic_oauth._store_access import load_token

if sys.platform != "win32":
    import fcntl

if os.name == "nt":
    pytest.skip("this is Windows", allow_module_level=True)
assert sys.platform != "win32"  # the same, for mypy


class Msvcrt(ModuleType):
    """`msvcrt.locking`, as Microsoft documents `_locking`, for the first byte of a file.

    A lock belongs to one open file, excludes every other, even in the same process, and is released when the file is
    closed. Locking a locked byte raises PermissionError, and so does unlocking one that is not locked.
    """

    LK_UNLCK: Final = 0
    LK_NBLCK: Final = 2

    def __init__(self) -> None:
        super().__init__("msvcrt")
        self.locked: set[int] = set()

    def locking(self, file: int, mode: int, size: int) -> None:
        assert os.lseek(file, 0, os.SEEK_CUR) == 0, "it locks from the current position"
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
    for module in (_file_lock, _file_owner, _file_write):
        monkeypatch.setattr(module, "sys", SimpleNamespace(platform="win32"))
    for name in ("fchmod", "fchown", "geteuid", "O_NONBLOCK", "O_NOCTTY", "O_CLOEXEC"):
        monkeypatch.delattr(os, name)
    monkeypatch.setitem(sys.modules, "fcntl", None)
    monkeypatch.setitem(sys.modules, "msvcrt", fake)
    yield fake
    assert fake.locked == set(), "a lock was not released"


@pytest.fixture
def token(server: FakeGoogle, tmp_path: Path) -> RefreshingToken:
    token = logged_in(server)
    token.local_cache = tmp_path / "oauth.json"
    return token


def test_the_lock_is_on_a_file_beside_the_token_file(tmp_path: Path) -> None:
    path = str(tmp_path / "oauth.json")
    for _ in range(2):
        with file_lock(path, timeout=0) as exclusive:
            assert exclusive
            assert [each.name for each in tmp_path.iterdir()] == ["oauth.json.lock"]
            with pytest.raises(TimeoutError), file_lock(path, timeout=0):
                pass


def test_an_exception_releases_the_lock(tmp_path: Path, msvcrt: Msvcrt) -> None:
    path = str(tmp_path / "oauth.json")
    with pytest.raises(KeyboardInterrupt), file_lock(path, 0):
        raise KeyboardInterrupt
    assert msvcrt.locked == set()
    with file_lock(path, timeout=0) as exclusive:
        assert exclusive


def test_locking_is_optional(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "msvcrt", None)
    with file_lock(str(tmp_path / "oauth.json"), timeout=0) as exclusive:
        assert not exclusive


def test_links_are_followed_and_modes_say_nothing(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to("folder/oauth.json")
    target = os.path.join(os.path.realpath(tmp_path), "folder", "oauth.json")
    assert _file_owner.follow_links(str(link)) == (target, None)
    assert _file_owner.follow_links(f"{tmp_path}/a/../oauth.json") == (f"{tmp_path}/a/../oauth.json", None)
    tmp_path.chmod(0o777)
    assert not _file_owner.can_others_rename(str(tmp_path))


def test_threads_that_share_a_file_refresh_once(server: FakeGoogle, clock: Clock, token: RefreshingToken) -> None:
    clock.advance(3600)
    path = token.local_cache
    assert path is not None
    others = [RefreshingToken.load(client(server), path) for _ in range(4)]
    headers: list[str] = []
    with server.hold("token"):
        threads = [threading.Thread(target=lambda each=each: headers.append(each.as_auth())) for each in others]
        for thread in threads:
            thread.start()
        server.wait_for_requests(2, "token")
    for thread in threads:
        thread.join()
    assert headers == ["Bearer ya29.fake-access-2"] * 4
    assert len(server.requests_to("token")) == 2


def test_a_file_that_another_process_has_open_is_written_in_place(
    token: RefreshingToken, monkeypatch: pytest.MonkeyPatch
) -> None:
    def replace(source: str, target: str) -> None:
        raise PermissionError(errno.EACCES, "Access is denied")

    monkeypatch.setattr(os, "replace", replace)
    token.refresh()
    path = token.local_cache
    assert path is not None
    assert load_token(FileStore(path)) == token.as_dict()
    assert sorted(each.name for each in path.parent.iterdir()) == ["oauth.json", "oauth.json.lock"]
