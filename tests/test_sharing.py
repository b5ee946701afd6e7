# SPDX-License-Identifier: MIT
"""One token in many hands: what each may do at any moment without harm to the others."""

from __future__ import annotations

import itertools
import os
import pickle
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, nullcontext
from copy import copy
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.porting.fake_google import CLIENT_ID, CLIENT_SECRET, FakeGoogle, Reply
from tests.support import Clock, client, logged_in
from ytmusic_oauth import (
    OAuthCredentials,
    OAuthError,
    OAuthToken,
    RefreshingToken,
    ServerError,
    TokenFileError,
    UrllibSession,
    _file_lock,
    _refresher,
    session,
)
from ytmusic_oauth._file_lock import locked
from ytmusic_oauth._file_store import write_token
from ytmusic_oauth._single_flight import SingleFlight
from ytmusic_oauth._snapshot import Snapshot
from ytmusic_oauth.models import BaseTokenDict, RefreshableTokenDict
from ytmusic_oauth.session import Response

HOUR = 3600


@pytest.fixture
def server(clock: Clock) -> Iterator[FakeGoogle]:
    """It changes the refresh token with every refresh, and ends the login when an old one comes back."""
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


def refresh_without_saving(token: RefreshingToken) -> str:
    def refuse(path: str, *_: object, **__: object) -> None:
        raise TokenFileError("The disk is full", path=path)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_refresher, "write_token", refuse)
        with pytest.warns(RuntimeWarning, match="The disk is full.*until it can be saved"):
            token.refresh()
    return token.as_dict()["access_token"]


# ---- storing -------------------------------------------------------------------------------------


def by_name(token: RefreshingToken, path: Path) -> None:
    token.store_token(str(path))


def by_default(token: RefreshingToken, path: Path) -> None:
    token.store_token()


def by_the_setter(token: RefreshingToken, path: Path) -> None:
    token.local_cache = path


@pytest.mark.parametrize("store", [by_name, by_default, by_the_setter])
def test_to_store_during_a_refresh_does_not_bring_back_the_old_token(
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


@pytest.mark.parametrize("store", [by_name, by_default, by_the_setter])
def test_to_store_does_not_overwrite_what_another_process_has_refreshed(
    server: FakeGoogle, path: Path, store: Callable[[RefreshingToken, Path], None]
) -> None:
    mine, theirs = load(server, path), load(server, path)
    theirs.refresh()
    store(mine, path)
    assert mine.as_dict() == theirs.as_dict() == OAuthToken.from_json(path).as_dict()


def test_what_was_set_by_hand_is_stored_whatever_has_become_of_the_file(server: FakeGoogle, path: Path) -> None:
    mine, theirs = load(server, path), load(server, path)
    mine.scope = "another"
    theirs.scope = "yet another"
    theirs.store_token()
    mine.store_token()
    assert OAuthToken.from_json(path).scope == mine.scope == "another"


def test_a_copy_elsewhere_is_not_the_file(server: FakeGoogle, path: Path, clock: Clock) -> None:
    """What could not be saved yet is saved later, though there is a copy of it meanwhile."""
    token = load(server, path)
    refreshed = refresh_without_saving(token)
    token.store_token(str(path.parent / "copy.json"))
    clock.advance(1)
    assert token.access_token == refreshed == in_file(path)


def test_what_is_in_the_file_is_not_written_again(server: FakeGoogle, path: Path, clock: Clock) -> None:
    """Neither what was moved there, nor what was taken from it; and a token without a file has nothing to save."""
    mine, theirs, moved, lost = *(load(server, path) for _ in range(3)), logged_in(server, rotates=True)
    moved.local_cache = path.parent / "moved.json"
    lost.local_cache = path.parent / "lost.json"
    refresh_without_saving(lost)
    lost.local_cache = None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SingleFlight, "run", lambda *_: pytest.fail("there is nothing to do"))
        assert moved.as_auth() != lost.as_auth()
    clock.advance(HOUR)
    theirs.refresh()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_refresher, "write_token", lambda *_, **__: pytest.fail("there is nothing to write"))
        assert mine.access_token == theirs.access_token == in_file(path)


def test_whoever_waited_for_the_lock_sends_no_refresh_token_that_has_died_meanwhile(
    server: FakeGoogle, path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process has the lock and refreshes; a read and a store of this one wait for it."""
    clock.advance(HOUR)
    token, other = load(server, path), load(server, path)
    waits = threading.Event()
    monkeypatch.setattr(_file_lock, "time", SimpleNamespace(monotonic=time.monotonic, sleep=lambda _: waits.wait(0.01)))
    threads = ThreadPoolExecutor(2)
    with locked(str(path)):
        read_it, stored = threads.submit(read, token), threads.submit(token.store_token)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(_refresher, "locked", lambda *_: nullcontext(True))
            other.refresh()
        assert not read_it.done()
    assert read_it.result() == other.access_token == in_file(path)
    stored.result()
    assert token.as_dict() == other.as_dict()
    assert server.can_refresh(token.refresh_token)


def test_a_store_by_another_name_of_the_file_is_a_store_to_it(server: FakeGoogle, path: Path, tmp_path: Path) -> None:
    token, other = load(server, path), load(server, path)
    other.refresh()
    link = tmp_path / "link.json"
    link.symlink_to(path)
    token.store_token(str(link))
    assert token.as_dict() == other.as_dict() == OAuthToken.from_json(path).as_dict()


def test_a_file_behind_a_link_and_back_is_kept_where_it_was_loaded(
    server: FakeGoogle, path: Path, tmp_path: Path
) -> None:
    """`link/../oauth.json` is beside where the link leads, and not beside the link."""
    (tmp_path / "elsewhere" / "inside").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere" / "inside")
    theirs = path.rename(tmp_path / "elsewhere" / "oauth.json")
    token = load(server, tmp_path / "link" / ".." / "oauth.json")
    token.refresh()
    assert in_file(theirs) == token.access_token
    assert not path.exists()


def test_a_move_to_another_file_waits_for_a_refresh_and_takes_what_it_got(
    server: FakeGoogle, path: Path, tmp_path: Path, clock: Clock
) -> None:
    token = load(server, path)
    clock.advance(HOUR)
    with ThreadPoolExecutor(2) as threads:
        with server.hold("token"):
            read_it = threads.submit(read, token)
            server.wait_for_requests(2, "token")
            moved = threads.submit(setattr, token, "local_cache", tmp_path / "new.json")
            assert not wait([moved], timeout=0.05).done
        moved.result()
    assert in_file(tmp_path / "new.json") == in_file(path) == read_it.result()
    assert len(server.requests_to("token")) == 2


def test_what_is_set_by_hand_while_a_file_is_written_is_saved_next(server: FakeGoogle, path: Path) -> None:
    def write(path: str, values: RefreshableTokenDict, *, exclusive: bool) -> None:
        write_token(path, values, exclusive=exclusive)
        token.scope = "another"

    token = load(server, path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_refresher, "write_token", write)
        token.local_cache = path.parent / "new.json"
    assert token.as_auth()
    assert OAuthToken.from_json(path.parent / "new.json").scope == "another"


def test_a_file_that_is_no_token_file_any_more_is_not_replaced(server: FakeGoogle, path: Path) -> None:
    token = load(server, path)
    path.write_text("what somebody else needs")
    with pytest.warns(RuntimeWarning, match="no token file.*until it can be saved"):
        token.refresh()
    assert server.is_live(token.access_token)
    assert path.read_text() == "what somebody else needs"


def test_a_store_in_the_middle_of_a_refresh_leaves_it_to_the_refresh(server: FakeGoogle, path: Path) -> None:
    """As from a handler of SIGTERM: it does not wait for a lock that its own thread holds."""

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


def test_a_token_from_memory_takes_on_the_newer_one_in_its_file_though_that_has_expired_too(
    server: FakeGoogle, path: Path, clock: Clock
) -> None:
    """As ytmusicapi makes its own; the one from memory would end the login."""
    old = OAuthToken.from_json(path).as_dict()
    clock.advance(HOUR)
    load(server, path).refresh()
    clock.advance(HOUR)
    token = RefreshingToken(client(server, rotates=True), path, **old)
    assert server.is_live(token.access_token)


def test_who_stores_waits_for_whoever_refreshes_and_cleans_up_after_whoever_was_killed(
    server: FakeGoogle, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []

    @contextmanager
    def watched(place: str, timeout: float = 0.0) -> Iterator[bool]:
        waits.append(timeout)
        Path(f"{place}.tmp").touch()  # what a writer leaves behind that is killed
        with locked(place, timeout) as alone:
            yield alone

    monkeypatch.setattr(_refresher, "locked", watched)
    monkeypatch.setattr("builtins.input", lambda prompt: "")
    server.approve_after = 0
    token = RefreshingToken.prompt_for_token(client(server), to_file=str(path))
    assert [each.name for each in path.parent.iterdir()] == ["oauth.json"]
    token.store_token()
    token.scope = "another"
    token.store_token()
    assert [each.name for each in path.parent.iterdir()] == ["oauth.json"]
    token.store_token(str(path.parent / "copy.json"))
    token.store_token(str(path.parent / "copy.json"))
    assert len(waits) == 5
    assert min(waits) > session.TRIES * session.TIMEOUT, "three tries, and their pauses"
    token.refresh()
    assert sorted(each.name for each in path.parent.iterdir()) == ["copy.json", "oauth.json"]


def test_a_token_without_a_file_is_stored_nowhere(
    server: FakeGoogle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    logged_in(server, rotates=True).store_token()
    assert os.listdir() == []


def test_a_token_goes_on_in_its_file_wherever_the_process_goes(
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


@pytest.mark.parametrize("duplicate", [copy, lambda token: pickle.loads(pickle.dumps(token))], ids=["copy", "pickle"])
def test_a_copy_saves_what_its_original_could_not(
    server: FakeGoogle, path: Path, duplicate: Callable[[RefreshingToken], RefreshingToken]
) -> None:
    token = load(server, path)
    refreshed = refresh_without_saving(token)
    assert in_file(path) != refreshed
    assert duplicate(token).access_token == refreshed
    assert in_file(path) == refreshed


def test_a_disk_that_stays_full_is_tried_less_and_less_but_every_minute(
    server: FakeGoogle, path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = load(server, path)
    refresh_without_saving(token)
    tries: list[float] = []

    def refuse(path: str, *_: object, **__: object) -> None:
        tries.append(clock.steady)
        raise TokenFileError("The disk is full", path=path)

    monkeypatch.setattr(_refresher, "write_token", refuse)
    for _ in range(300):
        clock.advance(1)
        token.as_auth()
    pauses = [later - earlier for earlier, later in itertools.pairwise(tries)]
    assert pauses == [2, 4, 8, 16, 32, 60, 60, 60]


def test_no_old_file_takes_the_place_of_a_new_login(server: FakeGoogle, path: Path, clock: Clock) -> None:
    """Not even one that was stamped by a clock which was years ahead."""
    old = OAuthToken.from_json(path)
    server.revoke(old.refresh_token)
    old.expires_at += 5 * 365 * 24 * HOUR
    path.write_text(old.as_json())
    new = logged_in(server, rotates=True)
    token = RefreshingToken(new.credentials, path, **new.as_dict())
    clock.advance(HOUR)
    assert server.is_live(token.access_token)
    assert in_file(path) == token.access_token


# ---- single flight ------------------------------------------------------------------------------


def test_work_is_done_once_for_all_who_came_before_its_end_and_never_in_the_middle_of_itself() -> None:
    flight, done = SingleFlight(), list[tuple[bool, bool]]()

    def work() -> None:
        done.append((flight.run(flight.generation, work), flight.aside(work)))

    seen = flight.generation
    assert flight.run(seen, work)
    assert not flight.run(seen, work)
    assert flight.aside(work)
    assert done == [(False, False), (False, False)]


# ---- refreshing ----------------------------------------------------------------------------------

THREADS = 64


def read(token: RefreshingToken) -> str:
    return token.access_token


def read_at_once(server: FakeGoogle, token: RefreshingToken) -> list[Future[str]]:
    """Let all threads find the token expired before the server answers the first of them."""
    found = threading.Semaphore(0)
    is_due = _refresher.Refresher._is_due

    def count(self: _refresher.Refresher, held: Snapshot) -> bool:
        found.release()
        return is_due(self, held)

    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(THREADS) as threads, server.hold("token"):
        patch.setattr(_refresher.Refresher, "_is_due", count)
        reads = [threads.submit(read, token) for _ in range(THREADS)]
        for _ in range(THREADS):
            found.acquire()
    return reads


def test_sixty_four_threads_send_one_refresh_and_all_get_its_token(
    server: FakeGoogle, path: Path, clock: Clock
) -> None:
    token = load(server, path)
    clock.advance(HOUR)
    asked = len(server.requests_to("token"))
    answers = {answer.result() for answer in read_at_once(server, token)}
    assert answers == {in_file(path)}
    assert server.is_live(answers.pop())
    assert len(server.requests_to("token")) == asked + 1


def test_sixty_four_threads_share_the_error_of_one_refresh(server: FakeGoogle, path: Path, clock: Clock) -> None:
    token = load(server, path)
    clock.advance(HOUR)
    asked = len(server.requests_to("token"))
    server.script("token", Reply(400, {"error": "admin_policy_enforced"}))
    errors = [answer.exception() for answer in read_at_once(server, token)]
    assert {(type(error), str(error)) for error in errors} == {(ServerError, str(errors[0]))}
    assert len({id(error) for error in errors}) == THREADS
    assert len(server.requests_to("token")) == asked + 1
    assert server.is_live(token.access_token)


def test_two_accounts_do_not_wait_for_each_other(server: FakeGoogle, path: Path, tmp_path: Path, clock: Clock) -> None:
    mine = load(server, path)
    yours = logged_in(server, rotates=True)
    yours.local_cache = tmp_path / "yours.json"
    clock.advance(HOUR)
    asked = len(server.requests_to("token"))
    with ThreadPoolExecutor(2) as threads:
        with server.hold("token"):
            reads = [threads.submit(read, token) for token in (mine, yours)]
            server.wait_for_requests(asked + 2, "token")
        assert all(server.is_live(answer.result()) for answer in reads)


def test_a_session_that_uses_the_token_itself_does_not_hang(server: FakeGoogle, path: Path, clock: Clock) -> None:
    class Signing:
        def post(self, url: str, *, data: Mapping[str, str], headers: Mapping[str, str], timeout: float) -> Response:
            token.refresh()
            signed = {**headers, "Authorization": token.as_auth()}
            return UrllibSession().post(url, data=data, headers=signed, timeout=timeout)

    asking = client(server, rotates=True)
    token = RefreshingToken.load(
        OAuthCredentials(asking.client_id, asking.client_secret, Signing(), endpoints=asking.endpoints), path
    )
    clock.advance(HOUR)
    assert server.is_live(token.access_token)


def test_a_refresh_by_hand_is_not_content_with_a_save(server: FakeGoogle, path: Path, clock: Clock) -> None:
    """Somebody's round is under way that has only to save: whoever got a 401 meanwhile still gets a new token."""
    token = load(server, path)
    rejected = refresh_without_saving(token)
    clock.advance(1)
    with ThreadPoolExecutor(2) as threads:
        with locked(str(path)):
            saving = threads.submit(lambda: token.access_token)
            while token._refresher._single_flight._owner is None:
                pass
            refreshing = threads.submit(token.refresh)
        assert saving.result() in {rejected, token.as_dict()["access_token"]}
        refreshing.result()
    assert token.access_token != rejected
    assert server.is_live(token.access_token)
    assert in_file(path) == token.access_token


def test_whoever_sits_on_the_lock_slows_down_one_read_of_a_fresh_token_and_not_each(
    server: FakeGoogle, path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = load(server, path)
    fresh = refresh_without_saving(token)
    clock.advance(1)
    monkeypatch.setattr(_refresher, "_SHORT_WAIT", 0)
    monkeypatch.setattr(_refresher, "_LONG_WAIT", 0.1)
    with locked(str(path)):
        with pytest.warns(RuntimeWarning, match="the lock of the token file for 0 s"):
            assert token.access_token == fresh
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert token.access_token == fresh
    clock.advance(1)
    assert token.access_token == fresh == in_file(path)


def test_an_expired_token_waits_longer_for_whoever_is_refreshing_it(
    server: FakeGoogle, path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, theirs = load(server, path), load(server, path)
    clock.advance(HOUR)
    monkeypatch.setattr(_refresher, "_SHORT_WAIT", 0)
    with ThreadPoolExecutor(2) as threads:
        with server.hold("token"):
            first = threads.submit(lambda: theirs.access_token)
            server.wait_for_requests(2, "token")
            second = threads.submit(lambda: mine.access_token)
        assert first.result() == second.result()


def test_an_error_of_somebodys_own_reaches_everybody(server: FakeGoogle, path: Path, clock: Clock) -> None:
    class Peculiar(OAuthError):
        def __init__(self, one: int, two: int) -> None:
            super().__init__(f"{one} and {two}")

    class Asking(OAuthCredentials):
        def refresh_token(self, refresh_token: str) -> BaseTokenDict:
            super().refresh_token(refresh_token)
            raise Peculiar(1, 2)

    asking = client(server, rotates=True)
    token = RefreshingToken.load(Asking(asking.client_id, asking.client_secret, endpoints=asking.endpoints), path)
    clock.advance(HOUR)
    with ThreadPoolExecutor(4) as threads:
        with server.hold("token"):
            reads = [threads.submit(lambda: token.access_token) for _ in range(4)]
            server.wait_for_requests(2, "token")
        assert {type(answer.exception()) for answer in reads} == {Peculiar}
