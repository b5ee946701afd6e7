# SPDX-License-Identifier: MIT
"""A token file that cannot be looked at: "could not look" is not "nothing there".

Where refresh tokens rotate, another process may have used ours, so nothing is sent without a look. Where they do not,
a daemon goes on without the file.
"""

from __future__ import annotations

import errno
import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

import pytest

from tests.porting.fake_google import FakeGoogle
from tests.support import Clock, client, logged_in
from ytmusic_oauth import OAuthToken, RefreshingToken, TokenFileError, _cycle, _file_lock

if TYPE_CHECKING:
    #: How a file is spoiled, until the block ends.
    Trouble = Callable[[Path, pytest.MonkeyPatch], AbstractContextManager[None]]

HOUR: Final = 3600


@contextmanager
def replaced(path: Path, text: str) -> Iterator[None]:
    content = path.read_text()
    path.write_text(text)
    yield
    path.write_text(content)


def half_written(path: Path, patch: pytest.MonkeyPatch) -> AbstractContextManager[None]:
    return replaced(path, path.read_text()[:100])


def emptied(path: Path, patch: pytest.MonkeyPatch) -> AbstractContextManager[None]:
    return replaced(path, "")


@contextmanager
def moved_away(path: Path, patch: pytest.MonkeyPatch) -> Iterator[None]:
    path.rename(path.with_suffix(".moved"))
    yield
    path.with_suffix(".moved").rename(path)


@contextmanager
def not_opened(path: Path, patch: pytest.MonkeyPatch, number: int) -> Iterator[None]:
    real = os.open

    def fail(name: str, *flags: int) -> int:
        if str(name).startswith(str(path)):
            raise OSError(number, os.strerror(number))
        return real(name, *flags)

    with patch.context() as patched:
        patched.setattr(os, "open", fail)
        yield


def no_descriptors(path: Path, patch: pytest.MonkeyPatch) -> AbstractContextManager[None]:
    """A program that leaves files open."""
    return not_opened(path, patch, errno.EMFILE)


def leased(path: Path, patch: pytest.MonkeyPatch) -> AbstractContextManager[None]:
    """Samba: a file cannot be opened until its lease is given up."""
    return not_opened(path, patch, errno.EWOULDBLOCK)


@contextmanager
def not_locked(patch: pytest.MonkeyPatch, error: Exception) -> Iterator[None]:
    def fail(file: int, *, release: bool = False) -> NoReturn:
        raise error

    with patch.context() as patched:
        patched.setattr(_file_lock, "_lock", fail)
        yield


def no_lock(path: Path, patch: pytest.MonkeyPatch) -> AbstractContextManager[None]:
    return not_locked(patch, OSError(errno.EIO, os.strerror(errno.EIO)))


def signal_handler(path: Path, patch: pytest.MonkeyPatch) -> AbstractContextManager[None]:
    """The handler of a signal that comes while the lock is taken."""
    return not_locked(patch, RuntimeError("in a signal handler"))


each_trouble: Final = pytest.mark.parametrize(
    "trouble", [half_written, emptied, moved_away, no_descriptors, leased, no_lock, signal_handler]
)


@pytest.fixture
def path(server: FakeGoogle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(_cycle, "LOCK_WAIT", 0.1)  # of real time
    path = tmp_path / "oauth.json"
    logged_in(server).store_token(str(path))
    return path


def refreshes(server: FakeGoogle) -> int:
    return sum(each.form["grant_type"] == "refresh_token" for each in server.requests_to("token"))


@each_trouble
def test_where_tokens_rotate_an_expired_token_is_not_refreshed_without_a_look(
    server: FakeGoogle, path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch, trouble: Trouble
) -> None:
    """And the error passes with its cause: it is no reason to log in again."""
    server.rotate = True
    token = RefreshingToken.load(client(server, rotates=True), path)
    clock.advance(HOUR)
    with trouble(path, monkeypatch), pytest.raises(TokenFileError) as raised:
        token.as_auth()
    assert raised.value.retryable
    assert refreshes(server) == 0
    clock.advance(1)
    assert server.is_live(token.access_token)
    assert refreshes(server) == 1
    assert OAuthToken.from_json(path).as_dict() == token.as_dict()


@each_trouble
def test_where_tokens_rotate_a_valid_token_is_used_without_a_look(
    server: FakeGoogle, path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch, trouble: Trouble
) -> None:
    server.rotate = True
    token = RefreshingToken.load(client(server, rotates=True), path)
    clock.advance(HOUR - 50)
    with trouble(path, monkeypatch), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert server.is_live(token.access_token)
    assert refreshes(server) == 0


@each_trouble
def test_where_nothing_rotates_a_daemon_goes_on(
    server: FakeGoogle, path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch, trouble: Trouble
) -> None:
    """Only for a lease it waits, as for a lock that another process has."""
    token = RefreshingToken.load(client(server), path)
    content = path.read_text()
    clock.advance(HOUR)
    with trouble(path, monkeypatch), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if trouble is leased:
            with pytest.raises(TokenFileError):
                token.as_auth()
        else:
            assert server.is_live(token.access_token)
            assert refreshes(server) == 1
    assert path.read_text() == content
    clock.advance(HOUR)
    assert server.is_live(token.access_token)
    assert OAuthToken.from_json(path).as_dict() == token.as_dict()
