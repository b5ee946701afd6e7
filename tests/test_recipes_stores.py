# SPDX-License-Identifier: MIT
"""The recipes for token stores that need no server: what every store must do, and SQLite among processes.

`make engines` tries those that need a server, and all of them for longer.
"""

from __future__ import annotations

import ast
import base64
import hashlib
import hmac
import importlib
import json
import os
import sqlite3
import stat
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Final

import pytest

from tests.porting.fake_google import FAULTS
from tests.recipes.stores.encrypted import EncryptedStore
from tests.recipes.stores.sqlite import SqliteStore
from tests.tools.code_lines import code_lines
from tests.tools.engines.contract import check_contract
from ytmusic_oauth import FileStore, TokenStore

if TYPE_CHECKING:
    from tests.tools.engines.account import Account

RECIPES: Final = sorted(Path(__file__).with_name("recipes").joinpath("stores").glob("[!_]*.py"))
posix: Final = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no modes, and no fork")


class Cipher:
    """Not for use: it shows what `EncryptedStore` expects of one."""

    def __init__(self, key: bytes) -> None:
        self.key = key

    def encrypt(self, data: bytes) -> bytes:
        nonce = os.urandom(16)
        hidden = bytes(a ^ b for a, b in zip(data, self._stream(nonce, len(data)), strict=True))
        return base64.b64encode(self._tag(nonce + hidden) + nonce + hidden)

    def decrypt(self, token: bytes) -> bytes:
        raw = base64.b64decode(token)
        tag, nonce, hidden = raw[:32], raw[32:48], raw[48:]
        if not hmac.compare_digest(tag, self._tag(nonce + hidden)):
            raise ValueError("the key is wrong, or the data was changed")
        return bytes(a ^ b for a, b in zip(hidden, self._stream(nonce, len(hidden)), strict=True))

    def _stream(self, nonce: bytes, length: int) -> bytes:
        return hashlib.shake_256(self.key + nonce).digest(length)

    def _tag(self, data: bytes) -> bytes:
        return hmac.digest(self.key, data, "sha256")


@pytest.fixture
def store(tmp_path: Path) -> SqliteStore:
    return SqliteStore(str(tmp_path / "tokens.db"))


# ---- every store ---------------------------------------------------------------------------------


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_is_short_and_says_what_happens_after_a_fork_and_whether_it_pickles(recipe: Path) -> None:
    assert code_lines(recipe) < 60
    pitfalls = ast.get_docstring(ast.parse(recipe.read_text("utf-8"))) or ""
    assert "Pitfalls:" in pitfalls
    assert "fork" in pitfalls
    assert "ickle" in pitfalls


def test_there_are_recipes() -> None:
    assert len(RECIPES) == 7


def test_sqlite_keeps_the_contract(store: SqliteStore) -> None:
    check_contract(store)


@pytest.mark.parametrize("kind", [SqliteStore, FileStore])
def test_an_encrypted_store_keeps_the_contract_and_shows_nothing(
    tmp_path: Path, kind: Callable[[str], TokenStore]
) -> None:
    store = kind(str(tmp_path / "store"))
    encrypted = EncryptedStore(store, Cipher(b"key"))
    check_contract(encrypted, is_atomic=kind is not FileStore)
    text, hidden = encrypted.read(), store.read()
    assert text is not None
    assert hidden is not None
    assert text not in base64.b64decode(hidden).decode("latin-1")


def test_a_wrong_key_does_not_look_like_no_token(store: SqliteStore) -> None:
    assert EncryptedStore(store, Cipher(b"key")).replace(None, "token")
    with pytest.raises(ValueError, match="key"):
        EncryptedStore(store, Cipher(b"other")).read()
    with pytest.raises(ValueError, match="key"):
        EncryptedStore(store, Cipher(b"other")).replace(None, "token")


def test_a_keyring_keeps_the_contract(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    passwords: dict[tuple[str, str], str] = {}

    def set_password(service: str, username: str, password: str) -> None:
        passwords[service, username] = password

    keyring = ModuleType("keyring")
    vars(keyring).update(get_password=lambda *names: passwords.get(names), set_password=set_password)
    monkeypatch.setitem(sys.modules, "keyring", keyring)
    recipe = importlib.import_module("tests.recipes.stores.keyring_store")
    check_contract(recipe.KeyringStore("service", "user", str(tmp_path / "lock")), is_atomic=False)


# ---- SQLite --------------------------------------------------------------------------------------


@posix
def test_the_files_of_sqlite_are_private(store: SqliteStore, tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        with store.lock(0):
            store.replace(None, "token")
    finally:
        os.umask(before)
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o600}
    assert len(list(tmp_path.iterdir())) == 2


def test_one_slow_account_blocks_no_other(store: SqliteStore) -> None:
    other = SqliteStore(store.path, "ü" * 50)
    with store.lock(0), other.lock(0):
        assert other.replace(None, "other")
        assert store.replace(None, "token")
    assert (store.read(), other.read()) == ("token", "other")


def test_a_database_that_cannot_be_locked_is_not_taken(store: SqliteStore) -> None:
    Path(f"{store.path}.{b'default'.hex()}.lock").write_bytes(b"no database" * 100)
    with pytest.raises(sqlite3.DatabaseError), store.lock(0):
        pass


# ---- SQLite, with processes ----------------------------------------------------------------------


@pytest.fixture
def account(store: SqliteStore, tmp_path: Path) -> Iterator[Account]:
    """A login whose access token has expired."""
    if os.name == "nt":
        pytest.skip("Windows has no fork")
    made = pytest.importorskip("tests.tools.engines.account").Account("account", store, tmp_path, lifetime=3600)
    with made as account:
        text = store.read()
        assert text is not None
        token: dict[str, object] = json.loads(text)
        assert store.replace(text, json.dumps({**token, "expires_at": int(time.time()) - 10}))
        yield account


def test_processes_refresh_once(account: Account) -> None:
    account.hire(4)
    served = account.read_all()
    assert len(set(served)) == 1
    assert account.server.is_live(served[0])
    assert account.refreshes() == 1
    assert account.is_logged_in()


def test_the_lock_of_a_process_that_is_killed_is_free(account: Account) -> None:
    holder, *_ = account.hire(3)
    account.server.script("token", FAULTS["stall"])
    holder.tell("read")
    assert account.wait_for_request(0) is holder
    account.dismiss(holder)
    served = account.read_all()
    assert len(set(served)) == 1
    assert account.server.is_live(served[0])
    assert account.is_logged_in()


def test_a_child_that_is_forked_in_the_middle_of_a_refresh_waits_for_it(account: Account) -> None:
    from tests.tools.engines.account import wait_for

    [worker] = account.hire(1)
    with account.server.hold("token"):
        worker.tell("on")
        account.wait_for_request(0)
        worker.tell("fork", "2")
        assert worker.hear() == "forked"

    def served() -> set[tuple[int, str]]:
        return {(each.pid, each.value) for each in account.records() if each.step == "served"}

    assert wait_for(lambda: len(served()) == 2, 5)
    assert len({token for _, token in served()}) == 1
    assert account.refreshes() == 1
