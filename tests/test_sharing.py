# SPDX-License-Identifier: MIT
"""One token shared by threads, by token objects of one file, and by programs that move or replace the file."""

from __future__ import annotations

import os
import pickle
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from copy import copy
from pathlib import Path
from types import SimpleNamespace
from typing import Final

import pytest

from tests.porting.fake_google import CLIENT_ID, CLIENT_SECRET, FakeGoogle, Reply
from tests.support import Clock, client, counted, logged_in
from ytmusic_oauth import (
    InvalidGrant,
    OAuthCredentials,
    OAuthError,
    OAuthToken,
    RefreshingToken,
    ServerError,
    TokenFileError,
    UrllibSession,
    _cycle,
    _file_lock,
    _single_flight,
)
from ytmusic_oauth._file_lock import FileLock
from ytmusic_oauth._file_store import FileStore
from ytmusic_oauth._single_flight import Mutex, SingleFlight
from ytmusic_oauth.models import BaseTokenDict
from ytmusic_oauth.session import Response

HOUR: Final = 3600


@pytest.fixture
def server(clock: Clock) -> Iterator[FakeGoogle]:
    """A server that rotates refresh tokens, and revokes the login when a refresh token is used twice."""
    with FakeGoogle(clock=clock.monotonic, rotate=True) as server:
        yield server


@pytest.fixture
def path(server: FakeGoogle, tmp_path: Path) -> Path:
    path = tmp_path / "oauth.json"
    logged_in(server, rotates=True).store_token(str(path))
    return path


def load(server: FakeGoogle, path: Path) -> RefreshingToken:
    return RefreshingToken.load(client(server, rotates=True), path)


def in_file(path: Path) -> str:
    return OAuthToken.from_json(path).access_token


def read(token: RefreshingToken) -> str:
    return token.access_token


def requests(server: FakeGoogle) -> int:
    """Return the number of requests to the token endpoint, of which the first is the login's."""
    return len(server.requests_to("token"))


@contextmanager
def full_disk(monotonic: Callable[[], float] = time.monotonic) -> Iterator[list[float]]:
    """Let every save fail. Yields the times at which one was tried."""
    tried: list[float] = []

    def replace(self: FileStore, before: str | None, after: str) -> bool:
        tried.append(monotonic())
        raise TokenFileError("The disk is full", path=self.path)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FileStore, "replace", replace)
        yield tried


@contextmanager
def locked_elsewhere(path: Path) -> Iterator[None]:
    """Hold the lock of a file in another thread, like another process."""
    end = threading.Event()
    is_locked = threading.Event()

    def hold() -> None:
        with FileStore(path).lock(0):
            is_locked.set()
            end.wait()

    with ThreadPoolExecutor(1) as threads:
        threads.submit(hold)
        is_locked.wait()
        try:
            yield
        finally:
            end.set()


class Unlocked(FileStore):
    """A token file, for a process that already has the lock."""

    __slots__ = ()

    @contextmanager
    def lock(self, timeout: float) -> Iterator[float]:
        yield float("inf")


@pytest.mark.parametrize("act", ["refresh", "keep_in"])
def test_what_shows_a_warning_may_wait_for_another_thread_that_uses_the_token(
    server: FakeGoogle, path: Path, monkeypatch: pytest.MonkeyPatch, act: str
) -> None:
    """As `logging.captureWarnings` does, if a handler sends the records with the token."""
    token, shown = load(server, path), list[object]()

    def show(*_: object) -> None:
        with ThreadPoolExecutor(1) as another:
            shown.append(another.submit(token.refresh).result(20))

    with full_disk(), warnings.catch_warnings():
        warnings.simplefilter("always")
        monkeypatch.setattr(warnings, "showwarning", show)
        token.refresh() if act == "refresh" else token.keep_in(path.with_name("elsewhere.json"))
    assert set(shown) == {None}


def refresh_without_saving(token: RefreshingToken) -> str:
    with full_disk(), pytest.warns(RuntimeWarning, match="The disk is full.*until it can be saved"):
        token.refresh()
    return token.as_dict()["access_token"]


# ---- storing -------------------------------------------------------------------------------------


def by_name(token: RefreshingToken, path: Path) -> None:
    token.store_token(str(path))


def by_default(token: RefreshingToken, path: Path) -> None:
    token.store_token()


def by_the_setter(token: RefreshingToken, path: Path) -> None:
    token.local_cache = path


def by_keeping(token: RefreshingToken, path: Path) -> None:
    token.keep_in(path)


each_way_to_store = pytest.mark.parametrize("store", [by_name, by_default, by_the_setter, by_keeping])


@each_way_to_store
def test_storing_during_a_refresh_does_not_bring_back_the_old_token(
    server: FakeGoogle, path: Path, store: Callable[[RefreshingToken, Path], None]
) -> None:
    token = load(server, path)
    with ThreadPoolExecutor(2) as threads:
        with server.hold("token"):
            refreshing = threads.submit(token.refresh)
            server.wait_for_requests(2, "token")
            storing = threads.submit(store, token, path)
        refreshing.result()
        storing.result()
    assert in_file(path) == token.access_token
    load(server, path).refresh()


@each_way_to_store
def test_storing_does_not_overwrite_the_refresh_of_another_process(
    server: FakeGoogle, path: Path, store: Callable[[RefreshingToken, Path], None]
) -> None:
    mine, theirs = load(server, path), load(server, path)
    theirs.refresh()
    store(mine, path)
    assert mine.as_dict() == theirs.as_dict() == OAuthToken.from_json(path).as_dict()


@each_way_to_store
def test_storing_a_token_of_the_constructor_does_not_overwrite_the_refresh_of_another_process(
    server: FakeGoogle, path: Path, clock: Clock, store: Callable[[RefreshingToken, Path], None]
) -> None:
    """Programs written for ytmusicapi read the file, and construct a token with its values and its path."""
    values = OAuthToken.from_json(path).as_dict()
    clock.advance(1)
    load(server, path).refresh()
    token = RefreshingToken(client(server, rotates=True), path, **values)
    store(token, path)
    token.refresh()
    assert server.is_live(in_file(path))


@each_way_to_store
def test_storing_writes_to_a_file_that_was_deleted_or_is_not_a_token_file(
    server: FakeGoogle, path: Path, store: Callable[[RefreshingToken, Path], None]
) -> None:
    token = load(server, path)
    path.unlink()
    store(token, path)
    assert OAuthToken.from_json(path).as_dict() == token.as_dict()
    path.write_text("something else")
    store(token, path)
    assert OAuthToken.from_json(path).as_dict() == token.as_dict()


@each_way_to_store
def test_a_token_of_the_constructor_is_stored_over_an_older_one(
    server: FakeGoogle, path: Path, clock: Clock, store: Callable[[RefreshingToken, Path], None]
) -> None:
    clock.advance(1)
    new = logged_in(server, rotates=True)
    token = RefreshingToken(new.credentials, path, **new.as_dict())
    store(token, path)
    assert OAuthToken.from_json(path).as_dict() == token.as_dict() == new.as_dict()


@pytest.mark.parametrize("store", [by_name, by_keeping])
def test_an_interrupt_while_a_new_login_waits_for_the_lock_saves_it(
    server: FakeGoogle,
    path: Path,
    monkeypatch: pytest.MonkeyPatch,
    store: Callable[[RefreshingToken, Path], None],
) -> None:
    """The user has confirmed it, and the program may end."""

    def interrupt(seconds: float) -> None:
        raise KeyboardInterrupt

    new = logged_in(server, rotates=True)
    monkeypatch.setattr(_file_lock, "time", SimpleNamespace(monotonic=time.monotonic, sleep=interrupt))
    with locked_elsewhere(path), pytest.raises(KeyboardInterrupt):
        store(new, path)
    assert in_file(path) == new.as_dict()["access_token"]


def test_an_interrupt_while_a_new_login_looks_for_room_saves_it(
    server: FakeGoogle, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check, interrupts = FileStore.check_room, [KeyboardInterrupt]

    def check_room(self: FileStore) -> None:
        check(self)
        if interrupts:
            raise interrupts.pop()

    new = logged_in(server, rotates=True)
    monkeypatch.setattr(FileStore, "check_room", check_room)
    with pytest.raises(KeyboardInterrupt):
        new.keep_in(path)
    assert in_file(path) == new.as_dict()["access_token"]


def test_a_field_that_was_set_is_stored_over_another_edit_of_the_same_token(server: FakeGoogle, path: Path) -> None:
    mine, theirs = load(server, path), load(server, path)
    mine.scope = "mine"
    theirs.scope = "theirs"
    theirs.store_token()
    mine.store_token()
    assert OAuthToken.from_json(path).scope == mine.scope == "mine"


def test_a_copy_in_another_file_does_not_count_as_saved(server: FakeGoogle, path: Path, clock: Clock) -> None:
    token = load(server, path)
    refreshed = refresh_without_saving(token)
    token.store_token(str(path.parent / "copy.json"))
    clock.advance(1)
    assert token.access_token == refreshed == in_file(path)


def test_a_saved_token_costs_no_lock_and_no_write(server: FakeGoogle, path: Path, clock: Clock) -> None:
    """After a move, without a file, and after it was adopted from the file."""
    mine, theirs, moved, lost = *(load(server, path) for _ in range(3)), logged_in(server, rotates=True)
    moved.local_cache = path.parent / "moved.json"
    lost.local_cache = path.parent / "lost.json"
    refresh_without_saving(lost)
    lost.local_cache = None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SingleFlight, "run", lambda *_, **__: pytest.fail("there is nothing to do"))
        assert moved.as_auth() != lost.as_auth()
    clock.advance(HOUR)
    theirs.refresh()
    with full_disk() as tried:
        assert mine.access_token == theirs.access_token == in_file(path)
    assert tried == []


def test_a_thread_that_waited_for_the_lock_adopts_the_refresh_of_the_other_process(
    server: FakeGoogle, path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For a read of an expired token, and for a store: the old refresh token is not used again."""
    clock.advance(HOUR)
    reading, storing = load(server, path), load(server, path)
    other = RefreshingToken.load(client(server, rotates=True), Unlocked(path))
    with ThreadPoolExecutor(2) as threads:
        with locked_elsewhere(path), counted(FileLock, "_try") as looks:
            read_it, stored = threads.submit(read, reading), threads.submit(storing.store_token)
            for _ in range(4):  # each of them looks at the lock at least once
                assert looks.acquire(timeout=10)
            assert not read_it.done()
            assert not stored.done()
            other.refresh()
        assert read_it.result() == other.access_token == in_file(path)
        stored.result()
    assert storing.as_dict() == other.as_dict()
    assert requests(server) == 2


def test_storing_under_another_name_of_the_file_adopts_a_newer_token(
    server: FakeGoogle, path: Path, tmp_path: Path
) -> None:
    token, other = load(server, path), load(server, path)
    other.refresh()
    link = tmp_path / "link.json"
    link.symlink_to(path)
    token.store_token(str(link))
    assert token.as_dict() == other.as_dict() == OAuthToken.from_json(path).as_dict()


def test_a_path_through_a_link_and_back_is_resolved_like_the_system_does(
    server: FakeGoogle, path: Path, tmp_path: Path
) -> None:
    """`link/../oauth.json` is in the parent of the folder that the link leads to."""
    (tmp_path / "elsewhere" / "inside").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere" / "inside")
    moved = path.rename(tmp_path / "elsewhere" / "oauth.json")
    token = load(server, tmp_path / "link" / ".." / "oauth.json")
    token.refresh()
    assert in_file(moved) == token.access_token
    assert not path.exists()


def test_a_move_to_another_file_waits_for_a_refresh_and_takes_its_token_along(
    server: FakeGoogle, path: Path, tmp_path: Path, clock: Clock
) -> None:
    token = load(server, path)
    clock.advance(HOUR)
    with ThreadPoolExecutor(2) as threads:
        with server.hold("token"):
            read_it = threads.submit(read, token)
            server.wait_for_requests(2, "token")
            with counted(SingleFlight, "run") as waiting:
                moved = threads.submit(setattr, token, "local_cache", tmp_path / "new.json")
                assert waiting.acquire(timeout=10)
            assert not moved.done()
        moved.result()
    assert in_file(tmp_path / "new.json") == in_file(path) == read_it.result()
    assert requests(server) == 2


def test_a_token_without_a_file_is_stored_nowhere(
    server: FakeGoogle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    logged_in(server, rotates=True).store_token()
    assert os.listdir() == []


def test_a_token_stays_in_its_file_when_the_process_changes_its_folder(
    server: FakeGoogle, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(path.parent)
    token = RefreshingToken.load(client(server, rotates=True), path.name)
    (path.parent / "elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")
    token.refresh()
    assert in_file(path) == token.access_token
    assert os.listdir() == []
    assert token.local_cache == Path("oauth.json")


# ---- values that are set, while something else goes on --------------------------------------------


@contextmanager
def during_a_save(work: Callable[[], object]) -> Iterator[None]:
    """Do some work once, right after a file was written and before the package notes that it was."""
    replace = FileStore.replace

    def slow_replace(self: FileStore, before: str | None, after: str) -> bool:
        swapped = replace(self, before, after)
        patch.undo()
        work()
        return swapped

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FileStore, "replace", slow_replace)
        yield


def test_a_field_set_during_a_move_is_saved_next(server: FakeGoogle, path: Path) -> None:
    token = load(server, path)
    with during_a_save(lambda: setattr(token, "scope", "other")):
        token.local_cache = path.parent / "new.json"
    assert token.scope == "other"
    assert token.as_auth()
    assert OAuthToken.from_json(path.parent / "new.json").scope == "other"


def test_a_field_set_during_a_save_is_saved_next(server: FakeGoogle, path: Path) -> None:
    token = load(server, path)
    with during_a_save(lambda: setattr(token, "scope", "other")):
        token.refresh()
    assert token.as_auth()
    assert OAuthToken.from_json(path).scope == token.scope == "other"


def test_a_field_set_during_a_refresh_survives_it(server: FakeGoogle, path: Path) -> None:
    token = load(server, path)
    with ThreadPoolExecutor(1) as threads, server.hold("token"):
        threads.submit(token.refresh)
        server.wait_for_requests(2, "token")
        token.scope = "other"
        server.script("token", Reply(200, {"access_token": "ya29.fake-new", "expires_in": 3599}))
    assert token.as_dict() == OAuthToken.from_json(path).as_dict()
    assert (token.scope, token.access_token) == ("other", "ya29.fake-new")


def test_a_refresh_token_set_during_a_refresh_is_not_replaced_by_its_response(server: FakeGoogle, path: Path) -> None:
    token, new = load(server, path), logged_in(server, rotates=True)
    with ThreadPoolExecutor(1) as threads:
        with server.hold("token"):
            refreshing = threads.submit(token.refresh)
            server.wait_for_requests(3, "token")
            token.refresh_token = new.refresh_token
        refreshing.result()
    assert token.as_dict() == OAuthToken.from_json(path).as_dict()
    token.refresh()
    assert server.requests_to("token")[-1].form["refresh_token"] == new.refresh_token


@pytest.mark.parametrize("change", ["a field", "update"])
def test_a_change_at_the_moment_when_a_refresh_ends_does_not_undo_the_refresh(
    server: FakeGoogle, path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    """The change is computed from the values before the refresh, and is not installed over those after it."""
    token = load(server, path)
    threads = ThreadPoolExecutor(1)
    refreshing: list[Future[None]] = []
    real = clock.time

    def refresh_meanwhile() -> float:
        """Called when the change has begun."""
        if not refreshing and threading.current_thread() is threading.main_thread():
            refreshing.append(threads.submit(token.refresh))
            wait(refreshing, timeout=0.3)
        return real()

    monkeypatch.setattr(clock, "time", refresh_meanwhile)
    if change == "a field":
        token.scope = "other"
    else:
        token.update({"access_token": "ya29.other", "expires_in": 3599, "scope": "other", "token_type": "Bearer"})
    refreshing[0].result()
    assert token.access_token == in_file(path)
    assert server.can_refresh(token.refresh_token)
    token.refresh()
    assert server.is_live(token.access_token)


def test_an_update_with_a_rotated_refresh_token_is_saved(server: FakeGoogle, path: Path) -> None:
    token = load(server, path)
    token.update(token.credentials.refresh_token(token.refresh_token))  # as programs do that refresh by themselves
    assert server.can_refresh(token.refresh_token)
    assert token.as_auth()
    assert OAuthToken.from_json(path).as_dict() == token.as_dict()
    assert server.can_refresh(load(server, path).refresh_token)


@pytest.mark.parametrize("key", ["scope", "token_type", "refresh_token"])
def test_a_field_that_says_nothing_about_the_time_does_not_prolong_the_token(
    server: FakeGoogle, path: Path, clock: Clock, key: str
) -> None:
    """The wall clock was set back: only the monotonic clock knows how old the token is."""
    token = load(server, path)
    clock.advance(HOUR - 100)
    clock.wall -= HOUR - 100
    assert not token.is_expiring
    setattr(token, key, dict(token.as_dict())[key])
    clock.advance(100)
    assert token.is_expiring


# ---- a file that other programs change -------------------------------------------------------------


def in_place(path: Path, text: str) -> None:
    """Write as ytmusicapi does."""
    path.write_text(text)


def moved_over(path: Path, text: str) -> None:
    other = path.with_suffix(".new")
    other.write_text(text)
    other.replace(path)


def removed_and_created(path: Path, text: str) -> None:
    path.unlink()
    path.write_text(text)


def in_a_switched_folder(path: Path, text: str) -> None:
    """Switch the symbolic link in the path to another folder, as deployment tools do."""
    version = path.parent.parent / "version-2"
    version.mkdir()
    (version / path.name).write_text(text)
    link = path.parent.with_name("link.new")
    link.symlink_to(version)
    link.replace(path.parent)


each_way_to_write = pytest.mark.parametrize("write", [in_place, moved_over, removed_and_created, in_a_switched_folder])


@pytest.fixture
def linked_path(path: Path) -> Path:
    """The token file, in a folder that is a symbolic link."""
    folder = path.parent / "version-1"
    folder.mkdir()
    path.rename(folder / path.name)
    (path.parent / "current").symlink_to(folder)
    return path.parent / "current" / path.name


@each_way_to_write
@pytest.mark.parametrize("rotates", [True, False], ids=["rotating", "not rotating"])
def test_a_new_login_stored_during_a_refresh_wins(
    server: FakeGoogle, linked_path: Path, clock: Clock, write: Callable[[Path, str], None], rotates: bool
) -> None:
    """The user logs in again while the old login is being refreshed."""
    server.rotate = rotates
    token = RefreshingToken.load(client(server, rotates=rotates), linked_path)
    clock.advance(HOUR)
    login = logged_in(server, rotates=rotates)
    with ThreadPoolExecutor(1) as threads:
        with server.hold("token"):
            reading = threads.submit(read, token)
            server.wait_for_requests(3, "token")
            write(linked_path, login.as_json())
        assert reading.result() == login.access_token
    assert OAuthToken.from_json(linked_path).as_dict() == token.as_dict() == login.as_dict()
    assert not list(linked_path.parent.parent.rglob("*.tmp"))


@each_way_to_write
def test_a_new_login_stored_during_the_backoff_is_taken_up_at_once(
    server: FakeGoogle, linked_path: Path, clock: Clock, write: Callable[[Path, str], None]
) -> None:
    token = load(server, linked_path)
    clock.advance(HOUR)
    server.script("token", Reply(429, "", {"Retry-After": "3600"}))
    with pytest.raises(OAuthError):
        token.as_auth()
    login = logged_in(server, rotates=True)
    write(linked_path, login.as_json())
    assert token.access_token == login.access_token


@each_way_to_write
def test_a_new_login_stored_after_a_refusal_is_taken_up_at_once(
    server: FakeGoogle, linked_path: Path, clock: Clock, write: Callable[[Path, str], None]
) -> None:
    token = load(server, linked_path)
    server.revoke(token.refresh_token)
    clock.advance(HOUR)
    with pytest.raises(InvalidGrant):
        token.as_auth()
    login = logged_in(server, rotates=True)
    write(linked_path, login.as_json())
    assert token.access_token == login.access_token
    clock.advance(HOUR)
    assert server.is_live(token.access_token)


def test_a_file_that_is_removed_during_a_refresh_is_not_put_back(server: FakeGoogle, path: Path, clock: Clock) -> None:
    """The user logs out."""
    token = load(server, path)
    clock.advance(HOUR)
    with ThreadPoolExecutor(1) as threads:
        with server.hold("token"):
            reading = threads.submit(read, token)
            server.wait_for_requests(2, "token")
            path.unlink()
        with pytest.warns(RuntimeWarning, match="disappeared from the store"):
            assert server.is_live(reading.result())
    assert [*path.parent.iterdir()] == []


def test_a_file_that_does_not_exist_yet_is_no_license_to_refresh(
    server: FakeGoogle, tmp_path: Path, clock: Clock
) -> None:
    """Six programs are started with the same values, before any of them has stored a token."""
    login = logged_in(server, rotates=True)
    path = tmp_path / "oauth.json"
    tokens = [RefreshingToken(login.credentials, path, **login.as_dict()) for _ in range(6)]
    clock.advance(HOUR)
    with ThreadPoolExecutor(6) as threads:
        with server.hold("token"):
            reads = [threads.submit(read, token) for token in tokens]
            server.wait_for_requests(2, "token")
            with counted(FileLock, "_try") as looks:
                for _ in range(10):  # twice as many as there are programs that wait for the lock
                    assert looks.acquire(timeout=10)
        assert {each.result() for each in reads} == {in_file(path)}
    assert requests(server) == 2


def test_a_file_that_is_no_longer_a_token_file_is_not_overwritten_by_a_refresh(
    server: FakeGoogle, path: Path, clock: Clock
) -> None:
    token = load(server, path)
    clock.advance(HOUR)
    path.write_text("something else")
    with pytest.raises(TokenFileError, match="Not a token") as raised:
        token.as_auth()
    assert raised.value.retryable
    assert path.read_text() == "something else"
    assert requests(server) == 1


def test_where_nothing_rotates_a_file_that_is_no_longer_a_token_file_does_not_stop_a_daemon(
    server: FakeGoogle, path: Path, clock: Clock
) -> None:
    token = RefreshingToken.load(client(server), path)
    server.rotate = False
    for first in (True, False, False):
        clock.advance(HOUR)
        path.write_text("something else")
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            assert server.is_live(token.access_token)
        assert len(caught) == first
        assert path.read_text() == "something else"


def test_storing_in_the_middle_of_the_threads_own_refresh_leaves_it_to_the_refresh(
    server: FakeGoogle, path: Path
) -> None:
    """For example in a handler of SIGTERM: it must not wait for a lock that its own thread holds."""

    class Interrupting:
        def post(self, url: str, *, data: Mapping[str, str], headers: Mapping[str, str], timeout: float) -> Response:
            token.store_token()
            token.local_cache = path.parent / "moved.json"
            return UrllibSession().post(url, data=data, headers=headers, timeout=timeout)

    token = load(server, path)
    token.credentials = OAuthCredentials(
        CLIENT_ID, CLIENT_SECRET, Interrupting(), endpoints=client(server, rotates=True).endpoints
    )
    token.refresh()
    assert in_file(path) == token.access_token == "ya29.fake-access-2"
    assert token.local_cache == path


@pytest.mark.parametrize("later", [HOUR, 0], ids=["an hour later", "in the same second"])
def test_a_token_of_the_constructor_adopts_from_its_file_what_another_process_has_refreshed(
    server: FakeGoogle, path: Path, clock: Clock, later: float
) -> None:
    """As ytmusicapi constructs its tokens. A refresh with the older refresh token would end the login."""
    old = OAuthToken.from_json(path).as_dict()
    clock.advance(later)
    load(server, path).refresh()
    clock.advance(HOUR)
    token = RefreshingToken(client(server, rotates=True), path, **old)
    assert server.is_live(token.access_token)
    assert requests(server) == 3


def test_a_new_login_of_the_constructor_survives_an_old_file_from_a_clock_that_was_ahead(
    server: FakeGoogle, path: Path, clock: Clock
) -> None:
    """By its time of issue the file's token is newer, but the server refuses it: then the other one is tried."""
    old = OAuthToken.from_json(path)
    server.revoke(old.refresh_token)
    old.expires_at += 5 * 365 * 24 * HOUR
    path.write_text(old.as_json())
    new = logged_in(server, rotates=True)
    token = RefreshingToken(new.credentials, path, **new.as_dict())
    clock.advance(HOUR)
    assert server.is_live(token.access_token)
    assert in_file(path) == token.access_token


@pytest.mark.parametrize("duplicate", [copy, lambda token: pickle.loads(pickle.dumps(token))], ids=["copy", "pickle"])
def test_a_copy_saves_what_its_original_could_not(
    server: FakeGoogle, path: Path, duplicate: Callable[[RefreshingToken], RefreshingToken]
) -> None:
    token = load(server, path)
    refreshed = refresh_without_saving(token)
    path.write_text(path.read_text().replace("youtube", "another scope"))  # still the old login, edited by hand
    assert duplicate(token).access_token == refreshed
    assert in_file(path) == refreshed


@pytest.mark.parametrize("duplicate", [copy, lambda token: pickle.loads(pickle.dumps(token))], ids=["copy", "pickle"])
def test_a_copy_of_an_unsaved_login_does_not_replace_what_the_original_obtained_with_it(
    server: FakeGoogle, path: Path, clock: Clock, duplicate: Callable[[RefreshingToken], RefreshingToken]
) -> None:
    token, folder = load(server, path), path.with_name("later")
    with pytest.warns(RuntimeWarning, match="in memory only"):
        token.keep_in(folder / "oauth.json")
    worker = duplicate(token)
    folder.mkdir()
    clock.advance(2)
    token.refresh()
    clock.advance(2)
    assert worker.as_auth() == token.as_auth()
    assert in_file(folder / "oauth.json") == token.access_token
    worker.refresh()
    assert server.is_live(worker.access_token)


@pytest.mark.parametrize("age", [2000, 4000], ids=["still valid", "expired"])
def test_a_server_that_refuses_everything_for_a_while_leaves_the_newer_login_in_the_file(
    server: FakeGoogle, path: Path, clock: Clock, age: int
) -> None:
    """A token made as ytmusicapi makes it, with values that another process has refreshed since."""
    old = OAuthToken.from_json(path).as_dict()
    clock.advance(age)
    load(server, path).refresh()
    newer = path.read_text()
    token = RefreshingToken(client(server, rotates=True), path, **old)
    token.refresh()
    assert token.refresh_token == OAuthToken.from_json(path).refresh_token
    for requests in (2, 1, 1):
        server.script("token", *[Reply(400, {"error": "invalid_grant"})] * requests)
        with pytest.raises(InvalidGrant):
            token.refresh()
        assert path.read_text() == newer
    token.refresh()
    assert server.is_live(token.access_token), "the older refresh token was sent again"


@pytest.mark.parametrize("duplicate", [copy, lambda token: pickle.loads(pickle.dumps(token))], ids=["copy", "pickle"])
def test_a_copy_tries_the_login_that_was_set_by_hand_once_the_one_in_the_file_is_refused(
    server: FakeGoogle, path: Path, clock: Clock, duplicate: Callable[[RefreshingToken], RefreshingToken]
) -> None:
    token, login = load(server, path), logged_in(server, rotates=True)
    token.refresh_token = login.refresh_token
    worker = duplicate(token)
    load(server, path).refresh()  # another process, with the old login
    clock.advance(HOUR)
    server.script("token", Reply(400, {"error": "invalid_grant"}))
    assert server.is_live(worker.access_token)
    assert in_file(path) == worker.access_token


@pytest.mark.parametrize("use", [by_default, lambda token, path: setattr(token, "scope", "b")], ids=["store", "edit"])
def test_an_older_login_is_not_written_while_the_server_has_yet_to_accept_it(
    server: FakeGoogle, path: Path, clock: Clock, use: Callable[[RefreshingToken, Path], None]
) -> None:
    old = OAuthToken.from_json(path).as_dict()
    clock.advance(HOUR)
    load(server, path).refresh()
    newer = OAuthToken.from_json(path).refresh_token
    token = RefreshingToken(client(server, rotates=True), path, **old)
    token.refresh()
    server.script("token", Reply(400, {"error": "invalid_grant"}), Reply(503), Reply(503), Reply(503))
    with pytest.raises(ServerError):
        token.refresh()
    use(token, path)
    clock.advance(2)
    token.as_auth()
    assert OAuthToken.from_json(path).refresh_token == token.refresh_token == newer


def test_an_older_login_does_not_come_back_when_the_server_refuses_a_new_one_by_mistake(
    server: FakeGoogle, path: Path, clock: Clock
) -> None:
    old, new = logged_in(server, rotates=True), logged_in(server, rotates=True)
    values = old.as_dict()
    values["expires_at"] -= 60
    token = RefreshingToken(client(server, rotates=True), path, **values)
    token.refresh()
    new.store_token(str(path))
    clock.advance(HOUR)
    server.script("token", Reply(400, {"error": "invalid_grant"}))
    with pytest.raises(InvalidGrant):
        token.as_auth()
    assert in_file(path) == new.as_dict()["access_token"]


def test_saves_to_a_full_disk_back_off_to_one_a_minute_and_warn_once(
    server: FakeGoogle, path: Path, clock: Clock
) -> None:
    token = load(server, path)
    refresh_without_saving(token)
    with full_disk(clock.monotonic) as tried, warnings.catch_warnings():
        warnings.simplefilter("error")
        start = clock.steady
        for _ in range(300):
            token.as_auth()
            clock.advance(1)
    assert [at - start for at in tried] == [1, 3, 7, 15, 31, 63, 123, 183, 243]


# ---- single flight ------------------------------------------------------------------------------


def test_an_execution_is_shared_by_the_callers_that_found_the_same_work() -> None:
    flight = SingleFlight()
    done: list[str] = []
    seen = flight.generation
    assert flight.run(seen, lambda: done.append("first"))
    assert not flight.run(seen, lambda: done.append("second"))
    seen = flight.generation
    assert flight.run(seen, lambda: done.append("third"))
    assert not flight.run(seen, lambda: done.append("fourth"))
    assert done == ["first", "third"]


def test_an_error_is_shared_by_those_that_waited_for_it_and_by_nobody_else() -> None:
    def fail() -> None:
        raise OAuthError("No luck")

    flight = SingleFlight()
    seen = flight.generation
    with pytest.raises(OAuthError, match="No luck") as first:
        flight.run(seen, fail)
    with pytest.raises(OAuthError, match="No luck") as second:
        flight.run(seen, fail)
    assert first.value is not second.value
    assert not flight.run(seen, fail, wait=False)
    assert flight.run(flight.generation, lambda: None)


def test_what_is_done_in_any_case_does_not_share_its_outcome() -> None:
    """The error of a `store_token` is not the error of a read that waits meanwhile."""

    def fail() -> None:
        raise OAuthError("The disk is full")

    flight = SingleFlight()
    seen = flight.generation
    with pytest.raises(OAuthError):
        flight.run(None, fail)
    assert flight.run(seen, lambda: None)


def test_an_interrupted_execution_is_taken_over_by_the_next_caller() -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    flight = SingleFlight()
    seen = flight.generation
    with pytest.raises(KeyboardInterrupt):
        flight.run(seen, interrupt)
    assert not flight.is_own()
    assert flight.run(seen, lambda: None)


def test_an_interrupt_between_acquiring_the_lock_and_using_it_leaves_it_free(monkeypatch: pytest.MonkeyPatch) -> None:
    class Interrupted:
        held = 0

        def acquire(self, _: bool) -> bool:
            self.held += 1
            return True

        def release(self) -> None:
            if not self.held:
                raise RuntimeError("cannot release un-acquired lock")
            self.held -= 1

        def __enter__(self) -> None:
            raise KeyboardInterrupt

        def __exit__(self, *_: object) -> None:
            self.release()

    lock = Interrupted()
    monkeypatch.setattr(Mutex, "lock", lambda _: lock)
    with pytest.raises(KeyboardInterrupt):
        SingleFlight().run(None, lambda: None)
    assert lock.held == 0


def test_an_execution_knows_its_own_thread() -> None:
    flight = SingleFlight()
    own: list[bool] = []

    def work() -> None:
        own.append(flight.is_own())
        with ThreadPoolExecutor(1) as threads:
            own.append(threads.submit(flight.is_own).result())
            own.append(threads.submit(flight.run, 0, lambda: None, wait=False).result())

    assert flight.run(None, work)
    assert own == [True, False, False]
    assert not flight.is_own()


# ---- refreshing ----------------------------------------------------------------------------------

THREADS: Final = 64


def read_at_once(server: FakeGoogle, token: RefreshingToken) -> list[Future[str]]:
    """Read in many threads, all of which find the token expired before the server responds to the first one."""
    found = threading.Semaphore(0)
    run = SingleFlight.run

    def count(self: SingleFlight, seen: int | None, work: Callable[[], None], *, wait: bool = True) -> bool:
        found.release()
        return run(self, seen, work, wait=wait)

    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(THREADS) as threads, server.hold("token"):
        patch.setattr(SingleFlight, "run", count)
        reads = [threads.submit(read, token) for _ in range(THREADS)]
        for _ in range(THREADS):
            found.acquire()
    return reads


def test_sixty_four_threads_send_one_refresh_and_share_its_token(server: FakeGoogle, path: Path, clock: Clock) -> None:
    token = load(server, path)
    clock.advance(HOUR)
    results = {each.result() for each in read_at_once(server, token)}
    assert results == {in_file(path)}
    assert server.is_live(results.pop())
    assert requests(server) == 2


def test_sixty_four_threads_share_the_error_of_one_refresh(server: FakeGoogle, path: Path, clock: Clock) -> None:
    token = load(server, path)
    clock.advance(HOUR)
    server.script("token", Reply(400, {"error": "admin_policy_enforced"}))
    errors = [each.exception() for each in read_at_once(server, token)]
    assert {(type(error), str(error)) for error in errors} == {(ServerError, str(errors[0]))}
    assert len({id(error) for error in errors}) == THREADS
    assert requests(server) == 2
    clock.advance(1)
    assert server.is_live(token.access_token)


def test_two_accounts_refresh_at_the_same_time(server: FakeGoogle, path: Path, tmp_path: Path, clock: Clock) -> None:
    mine = load(server, path)
    yours = logged_in(server, rotates=True)
    yours.local_cache = tmp_path / "yours.json"
    clock.advance(HOUR)
    asked = requests(server)
    with ThreadPoolExecutor(2) as threads:
        with server.hold("token"):
            reads = [threads.submit(read, token) for token in (mine, yours)]
            server.wait_for_requests(asked + 2, "token")
        assert all(server.is_live(each.result()) for each in reads)


class Signing:
    """A session that signs its requests with the token that it refreshes."""

    def __init__(self) -> None:
        self.problems: list[OAuthError] = []
        self.token: RefreshingToken

    def post(self, url: str, *, data: Mapping[str, str], headers: Mapping[str, str], timeout: float) -> Response:
        try:
            self.token.refresh()
            headers = {**headers, "Authorization": self.token.as_auth()}
        except OAuthError as error:
            self.problems.append(error)
        return UrllibSession().post(url, data=data, headers=headers, timeout=timeout)


def signing(server: FakeGoogle, path: Path) -> Signing:
    session = Signing()
    endpoints = client(server, rotates=True).endpoints
    session.token = RefreshingToken.load(OAuthCredentials(CLIENT_ID, CLIENT_SECRET, session, endpoints=endpoints), path)
    return session


def test_a_thread_in_its_own_refresh_gets_the_token_while_it_is_valid(
    server: FakeGoogle, path: Path, clock: Clock
) -> None:
    session = signing(server, path)
    clock.advance(HOUR - 30)
    assert server.is_live(session.token.access_token)
    assert session.problems == []


def test_a_thread_in_its_own_refresh_gets_a_retryable_error_and_no_expired_token(
    server: FakeGoogle, path: Path, clock: Clock
) -> None:
    session = signing(server, path)
    clock.advance(HOUR)
    assert server.is_live(session.token.access_token)
    assert [(type(each), each.retryable) for each in session.problems] == [(OAuthError, True)]
    assert "already refreshing this token" in str(session.problems[0])


def test_refresh_is_not_content_with_a_save_in_another_thread(server: FakeGoogle, path: Path, clock: Clock) -> None:
    token = load(server, path)
    rejected = refresh_without_saving(token)
    clock.advance(1)
    replacing, go_on = threading.Event(), threading.Event()

    def pause() -> None:
        replacing.set()
        go_on.wait()

    with ThreadPoolExecutor(2) as threads, during_a_save(pause):
        saving = threads.submit(read, token)
        replacing.wait()
        refreshing = threads.submit(token.refresh)
        go_on.set()
        assert saving.result() in {rejected, token.as_dict()["access_token"]}
        refreshing.result()
    assert token.access_token != rejected
    assert server.is_live(token.access_token)
    assert in_file(path) == token.access_token


def test_a_lock_that_stays_taken_does_not_keep_a_fresh_token_from_being_read(
    server: FakeGoogle, path: Path, clock: Clock
) -> None:
    token = load(server, path)
    fresh = refresh_without_saving(token)
    clock.advance(1)
    with locked_elsewhere(path), warnings.catch_warnings():
        warnings.simplefilter("error")
        assert token.access_token == token.access_token == fresh
    assert in_file(path) != fresh
    clock.advance(1)
    assert token.access_token == fresh == in_file(path)


def test_a_lock_that_stays_taken_does_not_keep_a_valid_token_from_being_read(
    server: FakeGoogle, path: Path, clock: Clock
) -> None:
    token = load(server, path)
    clock.advance(HOUR - 30)
    with locked_elsewhere(path):
        assert server.is_live(token.access_token)
    assert requests(server) == 1


def test_a_lock_that_stays_taken_is_a_retryable_error_for_an_expired_token(
    server: FakeGoogle, path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = load(server, path)
    clock.advance(HOUR)
    monkeypatch.setattr(_cycle, "LOCK_WAIT", 0.1)
    with locked_elsewhere(path):
        for _ in range(2):
            with pytest.raises(TokenFileError, match="Another process has held the lock") as raised:
                token.as_auth()
            assert raised.value.retryable
    clock.advance(1)
    assert server.is_live(token.access_token)


def test_an_expired_token_waits_for_another_object_that_is_refreshing_it(
    server: FakeGoogle, path: Path, clock: Clock
) -> None:
    mine, theirs = load(server, path), load(server, path)
    clock.advance(HOUR)
    with ThreadPoolExecutor(2) as threads:
        with server.hold("token"):
            first = threads.submit(read, theirs)
            server.wait_for_requests(2, "token")
            second = threads.submit(read, mine)
        assert first.result() == second.result()
    assert requests(server) == 2


def test_threads_do_not_wait_for_a_refresh_while_the_token_is_valid(
    server: FakeGoogle, path: Path, clock: Clock
) -> None:
    """Neither threads that share the token, nor another object of the same file."""
    token, other = load(server, path), load(server, path)
    clock.advance(HOUR - 30)
    old = token.as_dict()["access_token"]
    with ThreadPoolExecutor(1) as threads:
        with server.hold("token"):
            refreshing = threads.submit(read, token)
            server.wait_for_requests(2, "token")
            assert [read(token) for _ in range(10)] == [old] * 10
            assert read(other) == old
        assert refreshing.result() == token.access_token != old
    clock.advance(1)  # the lock is tried once a second
    assert other.access_token == token.access_token
    assert requests(server) == 2


def test_a_custom_error_that_cannot_be_copied_reaches_all_waiting_threads(
    server: FakeGoogle, path: Path, clock: Clock
) -> None:
    class Peculiar(OAuthError):
        def __init__(self, one: int, two: int) -> None:
            super().__init__(f"{one} and {two}")

    class Custom(OAuthCredentials):
        def refresh_token(self, refresh_token: str) -> BaseTokenDict:
            super().refresh_token(refresh_token)
            raise Peculiar(1, 2)

    oauth_client = client(server, rotates=True)
    token = RefreshingToken.load(Custom(CLIENT_ID, CLIENT_SECRET, endpoints=oauth_client.endpoints), path)
    clock.advance(HOUR)
    with ThreadPoolExecutor(4) as threads:
        with server.hold("token"):
            reads = [threads.submit(read, token) for _ in range(4)]
            server.wait_for_requests(2, "token")
        assert {type(each.exception()) for each in reads} == {Peculiar}


@pytest.mark.parametrize("wait", [True, False])
def test_a_failed_call_of_a_signal_handler_keeps_the_lock_of_the_call_that_it_interrupts(
    wait: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise, another thread could send the same refresh token at the same time."""
    flight, signals = SingleFlight(), [1]

    def caller() -> object:  # runs after the lock was taken, and before the flight knows its owner
        if signals and signals.pop():
            with suppress(OAuthError):
                flight.run(None, fail, wait=wait)
        return None

    def fail() -> None:
        raise OAuthError

    def is_free() -> bool:
        with ThreadPoolExecutor(1) as another:
            return another.submit(flight.lock().acquire, blocking=False).result()

    monkeypatch.setattr(_single_flight, "caller", caller)
    free: list[bool] = []
    assert flight.run(None, lambda: free.append(is_free()), wait=wait)
    assert free == [False]
    assert is_free()
