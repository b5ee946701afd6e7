# SPDX-License-Identifier: MIT
"""Tokens in stores that are not files: what a store may do, and what its users may rely on."""

from __future__ import annotations

import base64
import copy
import json
import os
import pickle
import re
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Final, NoReturn

import pytest

from tests.posix import alarm, fork
from tests.support import NOON, Clock, counted
from ytmusic_oauth import (
    BadOAuthClient,
    Credentials,
    InvalidGrant,
    MalformedResponse,
    OAuthCredentials,
    OAuthError,
    OAuthToken,
    RateLimited,
    RefreshingToken,
    ServerError,
    TokenFileError,
    TokenStoreError,
    TransportError,
    _refresher,
    _single_flight,
)
from ytmusic_oauth._cycle import LOCK_WAIT, Cycle, Task, decide
from ytmusic_oauth._file_store import FileStore
from ytmusic_oauth._single_flight import CHANGES, Mutex, SingleFlight
from ytmusic_oauth._snapshot import Snapshot
from ytmusic_oauth._state import State
from ytmusic_oauth._steps import Event, Goal
from ytmusic_oauth.models import AuthCodeDict, BaseTokenDict, RefreshableTokenDict
from ytmusic_oauth.store import TokenStore

HOUR: Final = 3600
CANARY: Final = "s3cret-canary"
VALUES: Final[RefreshableTokenDict] = {
    "scope": "music",
    "token_type": "Bearer",
    "access_token": "a0",
    "refresh_token": "r0",
    "expires_at": NOON + HOUR,
    "expires_in": HOUR,
}
LOGIN: Final[RefreshableTokenDict] = {**VALUES, "access_token": "b0", "refresh_token": "s0"}
LATER_LOGIN: Final[RefreshableTokenDict] = {**LOGIN, "expires_at": NOON + 2 * HOUR}


class Server(Credentials):
    """An OAuth client, and the server behind it. The server rotates refresh tokens, and accepts each of them once.

    It has ytmusicapi's method with one parameter.
    """

    def __init__(self) -> None:
        super().__init__("id", "secret")
        self.refreshes = 0
        self.valid = "r0"
        self.is_revoked = False
        self.problems: list[OAuthError] = []
        self.meanwhile: Callable[[], object] = lambda: None

    def refresh_token(self, refresh_token: str) -> BaseTokenDict:
        self.refreshes += 1
        number = self.refreshes
        meanwhile, self.meanwhile = self.meanwhile, lambda: None
        if self.problems:
            raise self.problems.pop(0)
        self.is_revoked |= refresh_token != self.valid
        if self.is_revoked:
            raise InvalidGrant(error="invalid_grant")
        self.valid = f"r{number}"
        meanwhile()
        response: RefreshableTokenDict = {
            "access_token": f"a{number}",
            "expires_in": HOUR,
            "scope": "music",
            "token_type": "Bearer",
            "refresh_token": self.valid,
            "expires_at": 0,
        }
        return response

    def get_code(self) -> AuthCodeDict:
        raise NotImplementedError

    def token_from_code(self, device_code: str) -> RefreshableTokenDict:
        raise NotImplementedError


class Memory:
    """The simplest store: it is shared by the threads of one process."""

    def __init__(self, token: RefreshableTokenDict | None = None) -> None:
        self.text = None if token is None else json.dumps(token)
        self._lock = threading.Lock()

    def read(self) -> str | None:
        return self.text

    def replace(self, before: str | None, after: str) -> bool:
        if self.text != before:
            return False
        self.text = after
        return True

    @contextmanager
    def lock(self, timeout: float) -> Iterator[float]:
        if not self._lock.acquire(timeout=timeout):
            raise TimeoutError
        try:
            yield float("inf")
        finally:
            self._lock.release()

    def token(self) -> RefreshableTokenDict | None:
        values: RefreshableTokenDict | None = None if self.text is None else json.loads(self.text)
        return values


class Sealed:
    """Encrypts what another store keeps. Each text has a nonce, so that no two of them are equal."""

    def __init__(self, inner: TokenStore) -> None:
        self.inner = inner

    def read(self) -> str | None:
        return self._opened(self.inner.read())

    def replace(self, before: str | None, after: str) -> bool:
        sealed = self.inner.read()
        return self._opened(sealed) == before and self.inner.replace(sealed, self._sealed(after))

    def lock(self, timeout: float) -> AbstractContextManager[float]:
        return self.inner.lock(timeout)

    @staticmethod
    def _sealed(text: str) -> str:
        return os.urandom(4).hex() + base64.b85encode(text.encode()).decode()

    @staticmethod
    def _opened(sealed: str | None) -> str | None:
        return None if sealed is None else base64.b85decode(sealed[8:]).decode()


class DriverError(Exception):
    """As a driver raises it: the message quotes the parameters."""

    def __init__(self) -> None:
        super().__init__(f"could not execute with ({CANARY},)")


class Broken(Memory):
    """Raises in one method."""

    def __init__(self, method: str = "", token: RefreshableTokenDict | None = None) -> None:
        super().__init__(token or VALUES)
        self.method = method

    def _check(self, method: str) -> None:
        if self.method == method:
            raise DriverError

    def read(self) -> str | None:
        self._check("read")
        return super().read()

    def replace(self, before: str | None, after: str) -> bool:
        self._check("replace")
        return super().replace(before, after)

    @contextmanager
    def lock(self, timeout: float) -> Iterator[float]:
        self._check("lock")
        with super().lock(timeout) as until:
            yield until
        self._check("release")


class Leased(Memory):
    """Its lock ends by itself."""

    def __init__(self, clock: Clock, seconds: float) -> None:
        super().__init__(VALUES)
        self.clock = clock
        self.seconds = seconds
        self.held_until = float("-inf")

    @contextmanager
    def lock(self, timeout: float) -> Iterator[float]:
        if self.clock.steady < self.held_until:
            self.clock.sleep(timeout)
            raise TimeoutError
        self.held_until = until = self.clock.steady + self.seconds
        yield until
        if self.held_until == until:
            self.held_until = float("-inf")


@pytest.fixture
def server(clock: Clock) -> Server:
    return Server()


@pytest.fixture
def store() -> Memory:
    return Memory(VALUES)


# ---- load and keep_in ----------------------------------------------------------------------------


def test_a_token_is_loaded_from_a_store_and_kept_fresh_there(server: Server, store: Memory, clock: Clock) -> None:
    token = RefreshingToken.load(server, store)
    assert token.as_dict() == VALUES
    assert token.local_cache is None
    for expiry in (1, 2, 3):
        clock.advance(HOUR)
        assert token.access_token == f"a{expiry}"
        assert store.token() == token.as_dict()
    assert server.refreshes == 3


def test_a_store_without_a_token_cannot_be_loaded(server: Server, clock: Clock) -> None:
    with pytest.raises(TokenStoreError, match="There is no token in the store") as raised:
        RefreshingToken.load(server, Memory())
    assert not isinstance(raised.value, TokenFileError)


def test_a_store_with_something_else_cannot_be_loaded(server: Server, store: Memory) -> None:
    store.text = f'{{"access_token": "{CANARY}"}}'
    with pytest.raises(TokenStoreError, match="Not a token") as raised:
        RefreshingToken.load(server, store)
    assert raised.value.key == "scope"
    assert CANARY not in str(raised.value)


def test_a_store_that_is_being_written_is_loaded_once_it_is_complete(
    server: Server, store: Memory, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    text, store.text = store.text, '{"acc'
    monkeypatch.setattr(clock, "sleep", lambda seconds: setattr(store, "text", text))
    assert RefreshingToken.load(server, store).as_dict() == VALUES


@pytest.mark.parametrize("there", [None, VALUES, {**VALUES, "refresh_token": "r9", "expires_at": NOON + 9 * HOUR}, "?"])
def test_a_new_login_is_kept_in_a_store_whatever_is_there(
    server: Server, clock: Clock, there: Mapping[str, object] | str | None
) -> None:
    store = Memory()
    store.text = there if there is None or isinstance(there, str) else json.dumps(there)
    token = RefreshingToken(server, **VALUES)
    token.keep_in(store)
    assert store.token() == VALUES
    clock.advance(HOUR)
    assert token.access_token == "a1"
    assert store.token() == token.as_dict()


def test_a_new_login_is_kept_in_a_file(server: Server, tmp_path: Path) -> None:
    places: list[str | Path | FileStore] = [f"{tmp_path}/0.json", tmp_path / "1.json", FileStore(tmp_path / "2.json")]
    for n, place in enumerate(places):
        token = RefreshingToken(server, **VALUES)
        token.keep_in(place)
        assert token.local_cache == tmp_path / f"{n}.json"
        assert OAuthToken.from_json(tmp_path / f"{n}.json").as_dict() == VALUES


@pytest.mark.parametrize("method", ["lock", "read", "replace"])
def test_a_new_login_that_cannot_be_saved_is_used_and_saved_later(server: Server, clock: Clock, method: str) -> None:
    """Also if a process with the old login has refreshed that meanwhile."""
    store = Broken(method)
    token = RefreshingToken(server, **LOGIN)
    with pytest.warns(RuntimeWarning, match="token store failed with DriverError.*in memory only") as caught:
        token.keep_in(store)
    assert caught[0].filename == __file__
    assert token.access_token == "b0"
    store.text = json.dumps({**VALUES, "refresh_token": "r1", "expires_at": NOON + 2 * HOUR})
    store.method = ""
    clock.advance(1)
    assert token.access_token == "b0"
    assert store.token() == LOGIN


def test_a_failing_keep_in_is_survived_where_warnings_are_errors(server: Server, clock: Clock) -> None:
    store, token = Broken("replace"), RefreshingToken(server, **LOGIN)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.filterwarnings("error", module=re.escape(__name__))  # the module that uses the token
        token.keep_in(store)
        clock.advance(1)
        with pytest.raises(RuntimeWarning, match="in memory only"):  # the first warning was not seen
            token.as_auth()
    store.method = ""
    clock.advance(2)
    assert token.access_token == "b0"
    assert store.token() == LOGIN


def test_a_new_login_that_cannot_be_saved_is_tried_again_after_1_and_3_s(server: Server, clock: Clock) -> None:
    store, token = Broken("replace"), RefreshingToken(server, **LOGIN)
    with pytest.warns(RuntimeWarning, match="in memory only"):
        token.keep_in(store)
    with counted(Broken, "replace") as tries:
        for _ in range(6):
            clock.advance(1)
            token.as_auth()
    assert [tries.acquire(blocking=False) for _ in range(3)] == [True, True, False]


def test_a_new_login_that_is_saved_is_not_warned_of(server: Server) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        RefreshingToken(server, **LOGIN).keep_in(Memory())
    assert caught == []


def test_a_local_cache_that_cannot_be_written_leaves_the_token_in_its_store(
    server: Server, store: Memory, clock: Clock, tmp_path: Path
) -> None:
    store.text = json.dumps(VALUES)
    token = RefreshingToken.load(server, store)
    with pytest.raises(TokenFileError):
        token.local_cache = tmp_path / "no such folder" / "oauth.json"
    assert token.local_cache is None
    clock.advance(HOUR)
    assert RefreshingToken.load(server, store).access_token == "a1"  # another process
    assert token.access_token == "a1"
    assert server.refreshes == 1


def test_an_exception_of_a_third_party_client_is_named_and_not_quoted(
    server: Server, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: Server, refresh_token: str) -> NoReturn:
        raise RuntimeError(f"POST refresh_token={refresh_token}")

    token = RefreshingToken(server, **VALUES)
    token.refresh_token = CANARY
    clock.advance(HOUR)
    monkeypatch.setattr(Server, "refresh_token", fail)
    with pytest.raises(TransportError, match=r"credentials\.refresh_token failed with RuntimeError") as caught:
        token.as_auth()
    assert CANARY not in "".join(traceback.format_exception(caught.type, caught.value, caught.tb))
    monkeypatch.undo()


@pytest.mark.parametrize("mistake", [TypeError, AttributeError])
def test_a_mistake_in_a_third_party_client_is_told_at_once(
    server: Server, clock: Clock, monkeypatch: pytest.MonkeyPatch, mistake: type[Exception]
) -> None:
    """Trying again does not mend it, so it must not stay hidden until the token expires."""

    def fail(self: Server, refresh_token: str) -> NoReturn:
        raise mistake

    token = RefreshingToken(server, **VALUES)
    clock.advance(HOUR - 30)
    monkeypatch.setattr(Server, "refresh_token", fail)
    problem = rf"credentials\.refresh_token failed with {mistake.__name__}\. Correct the class of the credentials\."
    with pytest.warns(RuntimeWarning, match=problem):
        assert token.as_auth() == f"Bearer {VALUES['access_token']}"
    clock.advance(HOUR)
    with pytest.raises(TransportError, match=problem) as caught:
        token.as_auth()
    assert not caught.value.retryable


def test_the_file_is_locked_during_a_request_even_if_it_was_saved_just_before(
    server: Server, clock: Clock, tmp_path: Path
) -> None:
    """A save replaces the file, and the lock of the old one keeps nobody from the new one."""
    file = tmp_path / "oauth.json"
    RefreshingToken(server, **VALUES).keep_in(file)
    token = RefreshingToken.load(server, file)
    token.scope = "set by hand"
    clock.advance(HOUR)
    outcomes: list[object] = []

    def lock() -> None:
        with FileStore(file).lock(0):
            pass

    def look() -> None:
        with ThreadPoolExecutor(1) as another_process:
            outcomes.append(type(another_process.submit(lock).exception()))

    server.meanwhile = look
    assert token.access_token == "a1"
    assert outcomes == [TimeoutError]
    assert RefreshingToken.load(server, file) == token


# ---- stores compose --------------------------------------------------------------------------------


@pytest.fixture
def sealed(server: Server, tmp_path: Path) -> Sealed:
    store = Sealed(FileStore(tmp_path / "sealed"))
    RefreshingToken(server, **VALUES).keep_in(store)
    return store


def test_a_store_can_encrypt_what_another_one_keeps(
    server: Server, sealed: Sealed, tmp_path: Path, clock: Clock
) -> None:
    one, two = RefreshingToken.load(server, sealed), RefreshingToken.load(server, Sealed(sealed.inner))
    clock.advance(HOUR)
    assert one.access_token == two.access_token == "a1"
    assert server.refreshes == 1
    assert "access_token" not in (tmp_path / "sealed").read_text()
    assert [each.name for each in tmp_path.iterdir()] == ["sealed"]


def test_a_new_login_in_an_encrypted_store_wins_over_a_refresh_of_the_old_one(
    server: Server, sealed: Sealed, clock: Clock
) -> None:
    token = RefreshingToken.load(server, sealed)

    def log_in() -> None:
        assert sealed.replace(sealed.read(), json.dumps(LATER_LOGIN))

    clock.advance(HOUR)
    server.meanwhile = log_in
    assert token.access_token == "b0"
    assert json.loads(sealed.read() or "") == LATER_LOGIN


# ---- equality and copies ---------------------------------------------------------------------------


def test_tokens_in_different_stores_are_not_equal(server: Server, store: Memory, tmp_path: Path) -> None:
    token = RefreshingToken.load(server, store)
    assert token == RefreshingToken.load(server, store)
    assert token != RefreshingToken.load(server, Memory(VALUES))
    assert token != RefreshingToken(server, **VALUES)
    token.keep_in(tmp_path / "oauth.json")
    assert token == RefreshingToken.load(server, tmp_path / "oauth.json")
    assert token != RefreshingToken.load(server, store)


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy], ids=["copy", "deepcopy"])
def test_a_copy_shares_the_store(
    server: Server, store: Memory, clock: Clock, duplicate: Callable[[RefreshingToken], RefreshingToken]
) -> None:
    token = RefreshingToken.load(server, store)
    token.credentials = server
    clock.advance(HOUR)
    other = duplicate(token)
    assert token.access_token == "a1"
    other.credentials = server
    assert other.access_token == "a1"
    assert server.refreshes == 1


class Offline(Credentials):
    """An OAuth client that can be pickled and is never used."""

    def get_code(self) -> AuthCodeDict:
        raise NotImplementedError

    def token_from_code(self, device_code: str) -> RefreshableTokenDict:
        raise NotImplementedError

    def refresh_token(self, refresh_token: str) -> BaseTokenDict:
        raise NotImplementedError


def test_a_token_can_be_pickled_if_its_store_can(sealed: Sealed, store: Memory) -> None:
    token = RefreshingToken.load(Offline("id", "secret"), sealed)
    other = pickle.loads(pickle.dumps(token))
    other.scope = "changed there"
    other.store_token()
    assert json.loads(sealed.read() or "")["scope"] == "changed there"
    assert token.scope == "music"
    with pytest.raises(TypeError, match="lock"):
        pickle.dumps(RefreshingToken.load(Offline("id", "secret"), store))


# ---- what a store raises ---------------------------------------------------------------------------


def shown(error: BaseException) -> str:
    return "".join(traceback.format_exception(type(error), error, error.__traceback__)) + repr(error) + str(error.args)


@pytest.mark.parametrize("method", ["lock", "read"])
def test_an_error_of_a_store_is_named_by_its_type_alone(server: Server, clock: Clock, method: str) -> None:
    """The message of a driver may quote the token."""
    store = Broken(method)
    store.method = ""
    token = RefreshingToken.load(server, store)
    store.method = method
    for use in (token.refresh, token.store_token):
        with pytest.raises(TokenStoreError, match=r"^The token store failed with DriverError") as raised:
            use()
        assert raised.value.retryable
        assert CANARY not in shown(raised.value)
    assert server.refreshes == 0
    store.method = ""
    token.refresh()
    assert server.refreshes == 1


def test_an_error_while_loading_is_named_by_its_type_alone(server: Server) -> None:
    with pytest.raises(TokenStoreError, match=r"^The token store failed with DriverError") as raised:
        RefreshingToken.load(server, Broken("read"))
    assert CANARY not in shown(raised.value)


def test_a_failed_save_is_a_warning_and_the_token_is_saved_later(server: Server, clock: Clock) -> None:
    store = Broken()
    token = RefreshingToken.load(server, store)
    store.method = "replace"
    clock.advance(HOUR)
    with pytest.warns(RuntimeWarning, match="DriverError.*in memory only until it can be saved") as caught:
        assert token.access_token == "a1"
    assert CANARY not in str(caught[0].message)
    assert store.token() == VALUES
    store.method = ""
    clock.advance(1)
    assert token.access_token == "a1"
    assert store.token() == token.as_dict()
    assert server.refreshes == 1


def test_store_token_raises_if_it_cannot_save(server: Server, clock: Clock) -> None:
    store = Broken()
    token = RefreshingToken.load(server, store)
    token.scope, store.method = "other", "replace"
    with pytest.raises(TokenStoreError, match="DriverError"):
        token.store_token()


def test_a_lock_that_cannot_be_released_does_not_fail_a_refresh(server: Server, clock: Clock) -> None:
    """The token is saved by then."""
    store = Broken("release")
    token = RefreshingToken.load(server, store)
    clock.advance(HOUR)
    assert token.access_token == "a1"
    assert store.token() == token.as_dict()


def test_a_store_may_raise_an_error_with_words_of_its_own(server: Server, clock: Clock) -> None:
    class Polite(Memory):
        def read(self) -> str | None:
            if server.refreshes:
                raise TokenStoreError("The database is being upgraded", retryable=True)
            return super().read()

    token = RefreshingToken.load(server, Polite(VALUES))
    token.refresh()
    with pytest.raises(TokenStoreError, match=r"^The database is being upgraded"):
        token.refresh()


def test_an_oauth_error_of_a_store_is_not_taken_for_one_of_the_server(server: Server, clock: Clock) -> None:
    """A store that is reached with a token of its own may raise them."""

    class Nested(Memory):
        def replace(self, before: str | None, after: str) -> bool:
            raise InvalidGrant

    token = RefreshingToken.load(server, Nested(VALUES))
    clock.advance(HOUR)
    with pytest.warns(RuntimeWarning, match="The token store failed with InvalidGrant"):
        assert token.access_token == "a1"


def test_a_token_stays_usable_while_the_store_is_down_and_as_long_as_it_is_valid(server: Server, clock: Clock) -> None:
    store = Broken()
    token = RefreshingToken.load(server, store)
    store.method = "read"
    clock.advance(HOUR - 30)
    with pytest.warns(RuntimeWarning, match="DriverError.*until it expires"):
        assert token.access_token == "a0"
    clock.advance(30)
    with pytest.raises(TokenStoreError, match="DriverError"):
        token.as_auth()
    assert server.refreshes == 0  # another process may have used the refresh token
    store.method = ""
    clock.advance(2)
    assert token.access_token == "a1"


# ---- leases ----------------------------------------------------------------------------------------


def test_a_lease_that_is_long_enough_is_as_good_as_a_lock(server: Server, clock: Clock) -> None:
    token = RefreshingToken.load(server, Leased(clock, 60))
    clock.advance(HOUR)
    assert token.access_token == "a1"


def test_a_lease_that_is_shorter_than_a_request_is_an_error_that_says_so(server: Server, clock: Clock) -> None:
    token = RefreshingToken.load(server, Leased(clock, 10))
    clock.advance(HOUR)
    with pytest.raises(TokenStoreError, match="shorter than a request") as raised:
        token.as_auth()
    assert not raised.value.retryable
    assert server.refreshes == 0


def test_a_refresh_that_outlives_its_lease_does_not_overwrite_the_next_holders(server: Server, clock: Clock) -> None:
    """This server tolerates a second use of the refresh token. All end with the same one."""
    store = Leased(clock, 60)
    one, two = RefreshingToken.load(server, store), RefreshingToken.load(server, store)

    def outlive() -> None:
        clock.advance(61)
        server.valid = "r0"
        with ThreadPoolExecutor(1) as threads:  # another process
            assert threads.submit(lambda: two.access_token).result() == "a2"

    clock.advance(HOUR)
    server.meanwhile = outlive
    assert one.access_token == "a2"
    assert one.as_dict() == two.as_dict() == store.token()


# ---- the same store twice in one thread ------------------------------------------------------------


def in_memory(tmp_path: Path) -> tuple[TokenStore, TokenStore]:
    store = Memory()
    return store, store


def in_one_file(tmp_path: Path) -> tuple[TokenStore, TokenStore]:
    return FileStore(tmp_path / "oauth.json"), FileStore(tmp_path / "oauth.json")


@pytest.mark.parametrize("stores", [in_memory, in_one_file])
@pytest.mark.parametrize(
    "use",
    [RefreshingToken.as_auth, RefreshingToken.refresh, RefreshingToken.store_token],
    ids=["read", "refresh", "store_token"],
)
def test_a_thread_does_not_wait_for_itself_with_two_tokens_of_one_store(
    server: Server,
    clock: Clock,
    tmp_path: Path,
    stores: Callable[[Path], tuple[TokenStore, TokenStore]],
    use: Callable[[RefreshingToken], object],
) -> None:
    """A session callback uses the other one: that fails at once, and the refresh goes on."""
    first, second = stores(tmp_path)
    RefreshingToken(server, **VALUES).keep_in(first)
    one, two = RefreshingToken.load(server, first), RefreshingToken.load(server, second)
    problems: list[str] = []

    def callback() -> None:
        start = time.monotonic()
        two.scope = two.scope  # unsaved
        with pytest.raises(TokenStoreError) as raised:
            use(two)
        assert raised.value.retryable
        assert time.monotonic() - start < 5
        problems.append(raised.value.problem)

    clock.advance(HOUR)
    server.meanwhile = callback
    assert one.access_token == "a1"
    assert problems == ["This thread is already refreshing another token object of the same store"]
    assert two.access_token == "a1"
    assert server.refreshes == 1
    assert not _refresher._locked


def test_a_valid_token_of_a_store_that_this_thread_has_locked_is_returned(
    server: Server, store: Memory, clock: Clock
) -> None:
    one, two = RefreshingToken.load(server, store), RefreshingToken.load(server, store)
    clock.advance(HOUR - 30)
    read: list[str] = []
    server.meanwhile = lambda: read.append(two.access_token)
    assert one.access_token == "a1"
    assert read == ["a0"]


def test_two_stores_can_be_locked_by_one_thread(server: Server, store: Memory, clock: Clock) -> None:
    other_server = Server()
    one, two = RefreshingToken.load(server, store), RefreshingToken.load(other_server, Memory(VALUES))
    clock.advance(HOUR)
    read: list[str] = []
    server.meanwhile = lambda: read.append(two.access_token)
    assert one.access_token == "a1"
    assert (read, other_server.refreshes) == (["a1"], 1)


# ---- store_token and local_cache -------------------------------------------------------------------


def test_store_token_writes_to_the_tokens_own_store(server: Server, store: Memory) -> None:
    token = RefreshingToken.load(server, store)
    token.scope = "other"
    token.store_token()
    assert store.token() == {**VALUES, "scope": "other"}


@pytest.mark.parametrize("content", [None, "something else", json.dumps({**VALUES, "refresh_token": "r9"})])
def test_store_token_writes_a_copy_to_a_path(
    server: Server, store: Memory, tmp_path: Path, content: str | None
) -> None:
    path = tmp_path / "copy.json"
    if content is not None:
        path.write_text(content)
    token = RefreshingToken.load(server, store)
    token.scope = "other"
    token.store_token(str(path))
    assert OAuthToken.from_json(path).as_dict() == token.as_dict()
    assert store.token() == VALUES
    assert token.local_cache is None


def test_local_cache_moves_a_token_from_a_store_to_a_file_and_out_of_it(
    server: Server, store: Memory, tmp_path: Path, clock: Clock
) -> None:
    path = tmp_path / "oauth.json"
    token = RefreshingToken.load(server, store)
    token.local_cache = path
    assert token.local_cache == path
    token.refresh()
    assert OAuthToken.from_json(path).as_dict() == token.as_dict()
    token.local_cache = None
    token.refresh()
    assert token.local_cache is None
    assert OAuthToken.from_json(path).access_token == "a1"
    assert store.token() == VALUES


def test_a_move_that_fails_leaves_the_token_where_it_was(server: Server, store: Memory, tmp_path: Path) -> None:
    token = RefreshingToken.load(server, store)
    with pytest.raises(TokenFileError):
        token.local_cache = tmp_path / "no such folder" / "oauth.json"
    assert token.local_cache is None
    token.refresh()
    assert store.token() == token.as_dict()


def test_refresh_is_not_satisfied_by_a_move(server: Server, store: Memory, tmp_path: Path) -> None:
    """Three refreshes, then one that waits while the token is moved to another file."""
    token = RefreshingToken.load(server, store)
    for _ in range(3):
        token.refresh()
    with ThreadPoolExecutor(1) as threads:
        moving = threading.Event()
        real = FileStore.replace

        def slow(self: FileStore, before: str | None, after: str) -> bool:
            if not moving.is_set():  # the refresh saves, too
                with counted(SingleFlight, "run") as waiting:
                    moving.set()
                    assert waiting.acquire(timeout=10)
            return real(self, before, after)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(FileStore, "replace", slow)
            moved = threads.submit(setattr, token, "local_cache", tmp_path / "oauth.json")
            moving.wait()
            token.refresh()
            moved.result()
    assert server.refreshes == 4


# ---- refresh_ahead ---------------------------------------------------------------------------------


def test_with_refresh_ahead_no_reader_ever_waits(server: Server, store: Memory, clock: Clock) -> None:
    token = RefreshingToken.load(server, store)
    with pytest.MonkeyPatch.context() as patch:
        for _ in range(3 * HOUR // 60):
            clock.advance(60)
            token.refresh_ahead(300)
            refreshes = server.refreshes
            token.as_auth()
            assert server.refreshes == refreshes
        patch.undo()
    assert server.refreshes == 3
    assert store.token() == token.as_dict()


def test_refresh_ahead_refreshes_at_half_of_the_lifetime_at_the_earliest(
    server: Server, store: Memory, clock: Clock
) -> None:
    token = RefreshingToken.load(server, store)
    clock.advance(HOUR / 2)
    token.refresh_ahead(1e9)
    assert server.refreshes == 0
    clock.advance(1)
    token.refresh_ahead(1e9)
    token.refresh_ahead(1e9)
    assert server.refreshes == 1


def test_refresh_ahead_fails_silently_and_backs_off_while_the_token_is_valid(
    server: Server, store: Memory, clock: Clock
) -> None:
    token = RefreshingToken.load(server, store)
    clock.advance(HOUR - 250)
    server.problems = [ServerError(status=503, retryable=True), RateLimited(retry_after=100)]
    for _ in range(50):
        token.refresh_ahead(300)
        clock.advance(1)
    assert server.refreshes == 2
    clock.advance(60)
    token.refresh_ahead(300)
    assert token.as_auth() == "Bearer a3"


def test_refresh_ahead_raises_once_the_token_has_expired(server: Server, store: Memory, clock: Clock) -> None:
    token = RefreshingToken.load(server, store)
    clock.advance(HOUR)
    server.problems = [TransportError()]
    with pytest.raises(TransportError):
        token.refresh_ahead(300)


# ---- refresh after a 401 ---------------------------------------------------------------------------


@pytest.mark.parametrize("passed", [lambda token: token, lambda token: f"Bearer {token}"], ids=["token", "header"])
def test_forty_requests_that_met_a_401_lead_to_one_refresh(
    server: Server, store: Memory, passed: Callable[[str], str]
) -> None:
    """Also those whose response came when the refresh was over."""
    token = RefreshingToken.load(server, store)
    server.meanwhile = lambda: [arrived.acquire(timeout=10) for _ in range(20)]

    def meet_401(n: int) -> str:
        if n % 2:
            late.wait()
        token.refresh(rejected=passed("a0"))
        late.set()
        return token.access_token

    late = threading.Event()
    with counted(SingleFlight, "run") as arrived, ThreadPoolExecutor(40) as threads:
        assert set(threads.map(meet_401, range(40))) == {"a1"}
    assert server.refreshes == 1


def test_a_401_in_another_process_leads_to_no_second_refresh(server: Server, store: Memory) -> None:
    one, two = RefreshingToken.load(server, store), RefreshingToken.load(server, store)
    one.refresh(rejected="a0")
    two.refresh(rejected="a0")
    assert one.access_token == two.access_token == "a1"
    assert server.refreshes == 1


def test_refresh_without_what_was_rejected_replaces_the_current_token(server: Server, store: Memory) -> None:
    token = RefreshingToken.load(server, store)
    token.refresh()
    token.refresh()
    assert (token.access_token, server.refreshes) == ("a2", 2)


def test_a_server_that_repeats_the_rejected_token_is_asked_once_for_each_call(
    server: Server, store: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = RefreshingToken.load(server, store)
    asked: list[str] = []

    def repeat(refresh_token: str) -> Mapping[str, object]:
        asked.append(refresh_token)
        return {"access_token": "a0", "expires_in": HOUR, "scope": "", "token_type": "Bearer"}

    monkeypatch.setattr(server, "refresh_token", repeat)
    token.refresh(rejected="a0")
    assert asked == ["r0"]


# ---- patience --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "problem",
    [
        RateLimited(),
        BadOAuthClient(),
        MalformedResponse("a captive portal"),
        ServerError(status=503, retryable=True),
        TransportError(),
        OAuthError(),
    ],
    ids=lambda problem: type(problem).__name__,
)
def test_whatever_fails_an_expired_token_asks_the_server_at_most_once_a_second_at_first(
    server: Server, store: Memory, clock: Clock, problem: OAuthError
) -> None:
    """200 reads in two minutes: after 0, 1, 3, 7, 15, 31 and 63 s."""
    token = RefreshingToken.load(server, store)
    clock.advance(HOUR)
    server.problems = [problem.copy() for _ in range(200)]
    for _ in range(200):
        with pytest.raises(type(problem)):
            token.as_auth()
        clock.advance(0.6)
    assert server.refreshes == 7


def test_the_store_is_read_once_a_second_during_the_backoff(server: Server, clock: Clock) -> None:
    class Counting(Memory):
        reads = 0

        def read(self) -> str | None:
            self.reads += 1
            return super().read()

    store = Counting(VALUES)
    token = RefreshingToken.load(server, store)
    clock.advance(HOUR)
    server.problems = [RateLimited(retry_after=3600)]
    with pytest.raises(RateLimited):
        token.as_auth()
    before = store.reads
    for _ in range(100):
        with pytest.raises(RateLimited):
            token.as_auth()
        clock.advance(0.1)
    assert store.reads - before == 10


def test_an_expired_login_that_appears_in_the_store_during_the_backoff_is_refreshed(
    server: Server, store: Memory, clock: Clock
) -> None:
    token = RefreshingToken.load(server, store)
    clock.advance(HOUR)
    server.problems = [RateLimited(retry_after=3600)]
    with pytest.raises(RateLimited):
        token.as_auth()
    store.text, server.valid = json.dumps(LOGIN), "s0"
    assert token.access_token == "a2"


def test_a_daemon_recovers_from_a_refusal_that_another_process_has_overcome(
    server: Server, store: Memory, clock: Clock
) -> None:
    """An hour later it refreshes again, instead of raising the old error until it is restarted."""
    daemon, other = RefreshingToken.load(server, store), RefreshingToken.load(server, store)
    clock.advance(HOUR)
    server.problems = [InvalidGrant()]
    with pytest.raises(InvalidGrant):
        daemon.as_auth()
    assert other.access_token == daemon.access_token == "a2"
    clock.advance(HOUR)
    assert daemon.access_token == "a3"


# ---- warnings and interrupts -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "use",
    [
        lambda token: token.access_token,
        lambda token: token.as_auth(),
        lambda token: token.refresh(),
        lambda token: token.refresh_ahead(300),
    ],
    ids=["access_token", "as_auth", "refresh", "refresh_ahead"],
)
def test_a_warning_names_the_line_of_the_caller(
    server: Server, clock: Clock, use: Callable[[RefreshingToken], object]
) -> None:
    store = Broken()
    token = RefreshingToken.load(server, store)
    store.method = "replace"
    clock.advance(HOUR)
    with pytest.warns(RuntimeWarning) as caught:
        use(token)
    assert [(each.filename, each.lineno) for each in caught] == [(__file__, use.__code__.co_firstlineno)]


def test_a_warning_that_is_an_error_loses_nothing(server: Server, clock: Clock) -> None:
    store = Broken()
    token = RefreshingToken.load(server, store)
    store.method = "replace"
    clock.advance(HOUR)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(RuntimeWarning):
            token.as_auth()
        assert token.as_auth() == "Bearer a1"
    store.method = ""
    clock.advance(1)
    token.as_auth()
    assert store.token() == token.as_dict()
    assert server.refreshes == 1


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, MemoryError])
def test_an_interrupt_between_response_and_save_loses_nothing(
    server: Server, clock: Clock, error: type[BaseException]
) -> None:
    """The next caller saves, and the server is not asked again. The lock is free."""

    class Interrupted(Memory):
        def replace(self, before: str | None, after: str) -> bool:
            if interrupts:
                raise interrupts.pop()
            return super().replace(before, after)

    interrupts = [error]
    store = Interrupted(VALUES)
    token = RefreshingToken.load(server, store)
    clock.advance(HOUR)
    if issubclass(error, Exception):
        with pytest.warns(RuntimeWarning, match=error.__name__):
            token.as_auth()
    else:
        with pytest.raises(error):
            token.as_auth()
    clock.advance(1)
    assert token.access_token == "a1"
    assert store.token() == token.as_dict()
    assert server.refreshes == 1
    assert not _refresher._locked


def test_a_lock_may_time_out_or_be_interrupted_before_it_is_entered(
    server: Server, store: Memory, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    errors: list[BaseException] = [KeyboardInterrupt(), TimeoutError()]

    def lock(timeout: float) -> NoReturn:
        raise errors.pop()

    token = RefreshingToken.load(server, store)
    clock.advance(HOUR - 30)
    with monkeypatch.context() as patch:
        patch.setattr(store, "lock", lock)
        assert token.access_token == "a0"
        clock.advance(2)
        with pytest.raises(KeyboardInterrupt):
            token.as_auth()
    assert token.access_token == "a1"


def test_an_interrupt_during_the_request_leaves_the_token_usable(server: Server, store: Memory, clock: Clock) -> None:
    token = RefreshingToken.load(server, store)
    clock.advance(HOUR)

    def interrupt() -> NoReturn:
        server.valid = "r0"  # the request did not reach the server
        raise KeyboardInterrupt

    server.meanwhile = interrupt
    with pytest.raises(KeyboardInterrupt):
        token.as_auth()
    assert token.access_token == "a2"


def test_an_interrupt_is_raised_whatever_happens_when_the_response_is_saved(
    server: Server, store: Memory, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt() -> NoReturn:
        raise KeyboardInterrupt

    def fail(*_: object, is_locked: bool) -> NoReturn:
        raise DriverError

    monkeypatch.setattr(Cycle, "rescue", fail)
    server.meanwhile = interrupt
    with pytest.raises(KeyboardInterrupt):
        RefreshingToken.load(server, store).refresh()


# ---- credentials of other programs -----------------------------------------------------------------


@pytest.mark.parametrize(
    "response", [None, "a token", {}, {"access_token": "a1"}, {"access_token": 5, "expires_in": 5}]
)
def test_credentials_that_do_not_return_a_token_change_nothing(
    server: Server, store: Memory, monkeypatch: pytest.MonkeyPatch, response: object
) -> None:
    token = RefreshingToken.load(server, store)
    monkeypatch.setattr(server, "refresh_token", lambda refresh_token: response)
    with pytest.raises(OAuthError, match=r"^credentials.refresh_token did not return a token"):
        token.refresh()
    assert token.as_dict() == store.token() == VALUES


def test_credentials_without_refresh_token_are_rejected(store: Memory) -> None:
    with pytest.raises(TypeError, match="credentials"):
        RefreshingToken.load(json.loads("null"), store)


@pytest.mark.parametrize("not_a_store", ["null", "5", "{}"])
def test_anything_but_a_store_is_rejected_and_changes_nothing(server: Server, store: Memory, not_a_store: str) -> None:
    """An environment variable that is not set must not end the saving of a token."""
    token = RefreshingToken.load(server, store)
    for use in (token.keep_in, lambda value: RefreshingToken.load(server, value)):
        with pytest.raises(TypeError, match="A store is a path"):
            use(json.loads(not_a_store))
        for has in ("read", "read replace", "read lock", "replace lock"):
            with pytest.raises(TypeError, match="A store is a path"):
                use(type("Half", (), dict.fromkeys(has.split(), print))())
    token.refresh()
    assert store.token() == token.as_dict()


def test_a_read_that_returns_no_text_is_an_error_that_names_the_store(
    server: Server, store: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = RefreshingToken.load(server, store)
    monkeypatch.setattr(store, "read", lambda: b"bytes")
    with pytest.raises(TokenStoreError, match=r"^Memory\.read must return str or None\."):
        token.refresh()
    problem = r"^Memory\.read must return str or None\. Correct the class of the store\.$"
    with pytest.raises(TokenStoreError, match=problem):
        RefreshingToken.load(server, store)


# ---- processes -------------------------------------------------------------------------------------


@pytest.mark.skipif(not hasattr(os, "fork"), reason="only POSIX systems fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.parametrize("busy", ["changing", "saving"])
def test_a_child_does_not_wait_for_a_thread_that_it_did_not_inherit(
    server: Server, sealed: Sealed, clock: Clock, busy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fork came while another thread changed this token, or saved it. The child may even have the same pid.

    That is so if both are the first process of their pid namespace.
    """
    monkeypatch.setattr(os, "getpid", lambda: 1)
    token = RefreshingToken.load(server, sealed)
    is_busy, end = threading.Event(), threading.Event()

    def pause(*_: object) -> bool:
        is_busy.set()
        end.wait()
        return True

    def work() -> None:
        if busy == "changing":
            with CHANGES.lock():
                pause()
        else:
            token.store_token()

    token.scope = "other"
    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(1) as threads:
        if busy == "saving":
            patch.setattr(Sealed, "replace", pause)
        threads.submit(work)
        is_busy.wait()
        patch.undo()
        child = fork()
        if child == 0:
            alarm(20)
            token.scope = "the child's"
            os._exit(0 if token.access_token == "a0" and token.scope == "the child's" else 1)
        end.set()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_child_neither_waits_for_a_lock_of_its_parent_nor_releases_it() -> None:
    """Nor does the child of a child."""
    mutex, parent = Mutex(), _single_flight._process[0]

    def attempt() -> bool:
        lock = mutex.lock()
        if is_free := lock.acquire(blocking=False):
            lock.release()
        return is_free

    with ThreadPoolExecutor(1) as another, ExitStack() as held:
        try:
            for _ in range(2):
                held.enter_context(mutex.lock())
                _single_flight._after_fork_in_child()
                assert another.submit(attempt).result()
        finally:
            _single_flight._process[0] = parent
        assert not another.submit(attempt).result()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="only POSIX systems fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_child_can_leave_a_refresh_in_which_it_was_forked(server: Server, clock: Clock) -> None:
    """A session forks, and the child ends with `sys.exit`, which passes through our frames."""
    token = RefreshingToken(server, **VALUES)
    clock.advance(HOUR)
    children: list[int] = []

    def fork_and_exit() -> None:
        child = fork()
        if child == 0:
            alarm(20)
            raise SystemExit
        children.append(child)

    server.meanwhile = fork_and_exit
    parent = os.getpid()
    try:
        token.as_auth()
    except SystemExit:
        os._exit(0)
    finally:
        if os.getpid() != parent:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(children[0], 0)[1]) == 0


def test_the_end_of_the_program_waits_for_its_own_rotating_refreshes_and_not_for_ever(
    clock: Clock, store: Memory
) -> None:
    refresh, me = ExitStack(), _single_flight.caller()
    try:
        _refresher._locked[refresh] = me, store, True
        _refresher._finish()
        assert sum(clock.slept) == pytest.approx(LOCK_WAIT, abs=0.1)
        for owner, is_rotating in ((me, False), (("the parent of a fork", me[1]), True)):
            _refresher._locked[refresh] = owner, store, is_rotating
            _refresher._finish()
    finally:
        del _refresher._locked[refresh]
    _refresher._finish()
    assert sum(clock.slept) == pytest.approx(LOCK_WAIT, abs=0.1)


@pytest.mark.parametrize("rotates", [True, False])
def test_only_while_a_rotating_refresh_is_under_way_the_end_of_the_program_would_wait(
    server: Server, store: Memory, monkeypatch: pytest.MonkeyPatch, rotates: bool
) -> None:
    seen: list[object] = []
    monkeypatch.setattr(_refresher, "_rotates", lambda credentials: rotates)
    server.meanwhile = lambda: seen.append(_refresher._is_rotating())
    RefreshingToken.load(server, store).refresh()
    assert seen == [rotates]
    assert not _refresher._locked


def test_a_call_from_inside_a_refresh_says_that_there_is_no_valid_token(
    server: Server, store: Memory, clock: Clock
) -> None:
    token, raised = RefreshingToken.load(server, store), list[OAuthError]()

    def read() -> None:
        try:
            token.as_auth()
        except OAuthError as error:
            raised.append(error)

    server.meanwhile = read
    clock.advance(HOUR)
    assert token.as_auth() == "Bearer a1"
    assert [(error.retryable, error.reason) for error in raised] == [(True, "no_valid_token")]


def test_an_interrupt_after_a_malformed_response_keeps_its_new_refresh_token(
    server: Server, store: Memory, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    token, now = RefreshingToken.load(server, store), _refresher._now
    server.problems = [MalformedResponse("The response has no access_token", refresh_token="r9")]

    def interrupted() -> Event:
        if server.refreshes and token.refresh_token == "r0":
            monkeypatch.setattr(_refresher, "_now", now)
            raise KeyboardInterrupt
        return now()

    monkeypatch.setattr(_refresher, "_now", interrupted)
    with pytest.raises(KeyboardInterrupt):
        token.refresh()
    assert store.token() == {**VALUES, "refresh_token": "r9"} == token.as_dict()


class Interrupting:
    """A store in whose lock an error comes just after it was acquired. It yields a whole number, and fails at exit."""

    def __init__(self, token: RefreshableTokenDict, error: BaseException | None) -> None:
        memory = Memory(token)
        self.read, self.replace, self.error = memory.read, memory.replace, error
        self.exits: list[object] = []

    def lock(self, timeout: float) -> AbstractContextManager[float]:
        return self

    def __enter__(self) -> int:
        if self.error is not None:
            raise self.error
        return 2**40

    def __exit__(self, *arguments: object) -> None:
        self.exits.append(arguments)
        raise OSError


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ZeroDivisionError(), None])
def test_a_lock_that_an_interrupt_may_have_left_held_is_released(server: Server, error: BaseException | None) -> None:
    store = Interrupting(VALUES, error)
    token = RefreshingToken.load(server, store)
    if isinstance(error, KeyboardInterrupt):
        with pytest.raises(KeyboardInterrupt):  # and not what the exit fails with
            token.refresh()
        assert store.exits == [(KeyboardInterrupt, error, None)]
    elif error is not None:
        with pytest.raises(TokenStoreError):
            token.refresh()
        assert store.exits == [], "a context manager that fails to enter is not left"
    else:
        token.refresh()
        assert token.access_token == "a1"
        assert set(store.exits) == {(None, None, None)}


# ---- what a store may offer beyond the protocol ------------------------------------------------------


class Careful(Memory):
    """A store that may be full, and has another way in for a new login, as a file has."""

    full = False

    def __init__(self, token: RefreshableTokenDict | None = None) -> None:
        super().__init__(token)
        self.logins = Memory(token)

    def check_room(self) -> None:
        if self.full:
            raise OSError(CANARY)

    def for_login(self) -> TokenStore:
        return self.logins


def test_nothing_is_sent_if_the_store_has_no_room_for_the_response(server: Server, clock: Clock) -> None:
    """The server would make the refresh token in the store invalid, and the login would end with the process."""
    store = Careful(VALUES)
    token = RefreshingToken.load(server, store)
    store.full = True
    clock.advance(HOUR)
    with pytest.raises(TokenStoreError, match="The token store failed with OSError") as raised:
        token.as_auth()
    assert CANARY not in str(raised.value)
    assert server.refreshes == 0
    store.full = False
    token.refresh()
    assert store.token() == token.as_dict()


def test_a_new_login_is_saved_where_the_store_says(server: Server) -> None:
    store = Careful(VALUES)
    RefreshingToken(server, **LOGIN).keep_in(store)
    assert (store.token(), store.logins.token()) == (VALUES, LOGIN)


def test_a_new_login_is_not_written_where_there_is_no_room_for_it(server: Server) -> None:
    store = Careful(VALUES)
    store.logins = logins = Careful(VALUES)
    logins.full = True
    with counted(Careful, "read") as reads:
        with pytest.warns(RuntimeWarning, match="The token store failed with OSError.*in memory only"):
            (token := RefreshingToken(server, **LOGIN)).keep_in(store)
        assert not reads.acquire(blocking=False), "it may be a trap"
    assert (store.token(), logins.token()) == (VALUES, VALUES)
    server.valid = "s0"
    with warnings.catch_warnings(record=True):
        token.refresh()
    assert token.access_token == "a1", "only the save needs that room"
    assert logins.token() == VALUES


def test_a_token_that_is_ours_is_saved_without_the_room_for_a_login(server: Server) -> None:
    store = Careful(VALUES)
    store.logins = logins = Careful(VALUES)
    logins.full = True
    token = RefreshingToken.load(server, store)
    token.scope = "changed"
    token.store_token()
    assert store.token() == {**VALUES, "scope": "changed"}


def test_a_token_without_a_refresh_token_is_not_known_to_be_the_one_in_the_store(server: Server, clock: Clock) -> None:
    store = Careful({**VALUES, "refresh_token": ""})
    token = RefreshingToken.load(server, store)
    token.access_token = "a9"
    token.store_token()
    assert store.token() == {**VALUES, "refresh_token": ""}
    assert store.logins.token() == token.as_dict()


def test_a_token_of_the_constructor_replaces_another_login_as_a_new_login_does(
    server: Server, clock: Clock, tmp_path: Path
) -> None:
    """The client that was kept for the other login is not the one for this."""
    path = tmp_path / "oauth.json"
    path.write_text(json.dumps(VALUES))
    token = RefreshingToken(server, path, **LATER_LOGIN)
    with counted(FileStore, "forget_client") as forgotten:
        token.store_token()
    assert json.loads(path.read_text()) == LATER_LOGIN
    assert forgotten.acquire(blocking=False)


def test_a_warning_about_a_file_names_it(
    server: Server, clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "oauth.json"
    path.write_text(json.dumps(VALUES))
    token, removed = RefreshingToken.load(server, path), RefreshingToken.load(server, path)
    with monkeypatch.context() as patch:
        patch.setattr(FileStore, "new_warning", lambda store: f"{store.path}: Mount the folder")
        with pytest.warns(RuntimeWarning, match=rf"^{re.escape(str(path))}: Mount the folder$"):
            token.refresh()
    path.unlink()
    clock.advance(HOUR - 30)
    with pytest.warns(RuntimeWarning, match=rf"^{re.escape(str(path))}: The token has disappeared from the store\. "):
        removed.as_auth()


# ---- what another caller does first --------------------------------------------------------------


def overtaken(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    """Let another caller act between the next decision and its execution."""

    def decide_and_act(state: State, goal: Goal, now: Event, *, has_store: bool) -> Task:
        task = decide(state, goal, now, has_store=has_store)
        monkeypatch.setattr(_refresher, "decide", decide)
        with suppress(OAuthError):
            act()
        return task

    monkeypatch.setattr(_refresher, "decide", decide_and_act)


def test_what_another_caller_has_just_saved_costs_no_second_lock(
    server: Server, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Broken("replace")
    token = RefreshingToken.load(server, store)
    with pytest.warns(RuntimeWarning, match="in memory only"):
        token.refresh()
    store.method = ""
    clock.advance(1)
    with counted(Broken, "lock") as locks:
        token.refresh("a0")
        assert not locks.acquire(blocking=False), "after a 401 there is another token already: that is all"
        overtaken(monkeypatch, token.as_auth)
        assert token.as_auth() == "Bearer a1"
        assert [locks.acquire(blocking=False) for _ in range(2)] == [True, False]
    assert store.token() == token.as_dict()


def test_where_another_caller_has_just_looked_is_not_looked_again(
    server: Server, store: Memory, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = RefreshingToken.load(server, store)
    clock.advance(HOUR)
    server.problems = [RateLimited(retry_after=3600)]
    with pytest.raises(RateLimited):
        token.as_auth()
    overtaken(monkeypatch, token.as_auth)
    with counted(Memory, "read") as reads, pytest.raises(RateLimited):
        token.as_auth()
    assert [reads.acquire(blocking=False) for _ in range(2)] == [True, False]


@pytest.mark.parametrize("moment", range(1, 8))
@pytest.mark.parametrize(("age", "left"), [(HOUR - 30, -1), (HOUR, 600)], ids=["due, expired", "expired, fresh"])
def test_no_expired_token_is_returned_that_another_thread_finds_in_the_store(
    server: Server, store: Memory, clock: Clock, monkeypatch: pytest.MonkeyPatch, moment: int, age: int, left: int
) -> None:
    token, moments, now = RefreshingToken.load(server, store), count(1), _refresher._now
    clock.advance(age)
    found: RefreshableTokenDict = {**LOGIN, "expires_at": int(clock.time()) + left, "expires_in": 700}

    def interrupted_now() -> Event:
        event = now()
        if next(moments) == moment:
            token._state.reconcile(Snapshot(event.wall, event.monotonic, found), event.wall, event.monotonic)
        return event

    monkeypatch.setattr(_refresher, "_now", interrupted_now)
    with suppress(InvalidGrant):  # the server does not know the login
        shown = token.as_auth()
        assert shown in ({"Bearer a0", "Bearer a1"} if left < 0 else {"Bearer a1", "Bearer b0"})


def test_the_error_of_a_refresh_that_another_caller_has_just_tried_is_shared(
    server: Server, store: Memory, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = RefreshingToken.load(server, store)
    server.problems = [TransportError(), RateLimited()]
    overtaken(monkeypatch, token.refresh)
    with pytest.raises(TransportError):
        token.refresh()
    assert server.refreshes == 1


def test_an_expired_token_that_has_just_moved_to_another_store_can_be_tried_again(
    server: Server, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What failed in the old store says nothing about the new one."""
    token = RefreshingToken.load(server, store := Broken())
    store.method = "lock"
    clock.advance(HOUR)
    with pytest.raises(TokenStoreError):
        token.as_auth()
    overtaken(monkeypatch, lambda: token.keep_in(Memory()))
    with pytest.raises(OAuthError) as raised:
        token.as_auth()
    assert (type(raised.value), raised.value.retryable) == (OAuthError, True)
    assert token.as_auth() == "Bearer a1"


def test_a_read_during_the_backoff_does_not_wait_for_the_request_of_another_thread(
    server: Server, store: Memory, clock: Clock
) -> None:
    token = RefreshingToken.load(server, store)
    clock.advance(HOUR)
    server.problems = [RateLimited()]
    with pytest.raises(RateLimited):
        token.as_auth()

    def read_elsewhere() -> None:
        with pytest.raises(RateLimited):
            pool.submit(token.as_auth).result(timeout=5)

    server.meanwhile = read_elsewhere
    with ThreadPoolExecutor(1) as pool:
        token.refresh()
    assert token.as_auth() == "Bearer a2"


def test_store_token_waits_for_a_refresh_that_fails(server: Server, store: Memory, clock: Clock) -> None:
    token, storing = RefreshingToken.load(server, store), list[Future[None]]()

    def fail() -> NoReturn:
        token.access_token = "a9"
        storing.append(pool.submit(token.store_token))
        assert [runs.acquire(timeout=10) for _ in range(2)] == [True, True]  # the refresh, and `store_token`
        raise TransportError

    server.meanwhile = fail
    with ThreadPoolExecutor(1) as pool, counted(SingleFlight, "run") as runs:
        with pytest.raises(TransportError):
            token.refresh()
        storing[0].result()
    assert store.token() == token.as_dict() == {**VALUES, "access_token": "a9"}


def test_nothing_is_sent_if_an_empty_header_was_rejected(server: Server, store: Memory, clock: Clock) -> None:
    token = RefreshingToken.load(server, store)
    token.refresh("")
    assert server.refreshes == 0


def test_our_client_ends_a_request_before_the_valid_token_expires(clock: Clock) -> None:
    timeouts: list[float] = []

    class Down:
        def post(self, url: str, *, data: Mapping[str, str], headers: Mapping[str, str], timeout: float) -> NoReturn:
            timeouts.append(timeout)
            raise ConnectionError

    token = RefreshingToken(OAuthCredentials("id", "secret", Down()), **VALUES)
    clock.advance(HOUR - 12)
    assert token.as_auth() == "Bearer a0"
    assert timeouts == [10.0]


def test_an_error_of_any_method_is_replaced_by_one_that_names_only_its_type(server: Server) -> None:
    class Failing(Memory):
        def for_login(self) -> NoReturn:
            raise ValueError(CANARY)

        def __eq__(self, other: object) -> bool:
            raise KeyError(CANARY)

    store = Failing()
    token = RefreshingToken(server, **LOGIN)
    with pytest.warns(RuntimeWarning, match="The token store failed with ValueError.*in memory only") as caught:
        token.keep_in(store)
    assert CANARY not in str(caught[0].message)
    assert not token.is_saved
    with pytest.raises(TokenStoreError, match="The token store failed with ValueError") as raised:
        token.store_token()
    assert CANARY not in str(raised.value)

    loaded = RefreshingToken.load(server, Memory(VALUES))
    with pytest.raises(TokenStoreError, match="The token store failed with KeyError") as raised:
        loaded.keep_in(store)
    assert CANARY not in str(raised.value)
    assert loaded.is_saved


def test_a_store_is_compared_with_no_other_before_there_is_one(server: Server) -> None:
    """Many a class compares an attribute that None does not have."""

    class Named(Memory):
        def __eq__(self, other: object) -> bool:
            raise AttributeError

    store = Named()
    token = RefreshingToken(server, **VALUES)
    token.keep_in(store)
    assert store.token() == VALUES
    token.local_cache = None
    token.keep_in(store)
    assert token.is_saved


def test_an_error_that_cannot_be_copied_is_raised_itself(server: Server, clock: Clock) -> None:
    class NoRow(TokenStoreError):
        def __init__(self, row: Path) -> None:
            super().__init__(f"No row {row.name}")

    class Table(Memory):
        def read(self) -> str | None:
            if self.text == "":
                raise NoRow(Path("7"))
            return super().read()

    store = Table(VALUES)
    token = RefreshingToken.load(server, store)
    store.text = ""
    clock.advance(HOUR)
    with pytest.raises(NoRow, match="No row 7"):
        token.as_auth()


def test_stores_that_are_equal_are_one_store(server: Server, clock: Clock) -> None:
    """A thread that refreshes one token waits for itself if it uses the other one meanwhile."""

    class Row(Memory):
        def __eq__(self, other: object) -> bool:
            return isinstance(other, Row)

    one, other = (RefreshingToken.load(server, Row(VALUES)) for _ in range(2))
    problems: list[str] = []

    def use_the_other() -> None:
        try:
            other.as_auth()
        except OAuthError as error:
            problems.append(error.problem)

    server.meanwhile = use_the_other
    clock.advance(HOUR)
    one.as_auth()
    assert problems == ["This thread is already refreshing another token object of the same store"]
