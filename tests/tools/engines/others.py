# SPDX-License-Identifier: MIT
"""The recipes that have no engine here: they keep the contract of a store, against stand-ins."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import boto3
import keyring
from cryptography.fernet import Fernet, InvalidToken
from keyring.backend import KeyringBackend
from moto.server import ThreadedMotoServer

from tests.recipes.stores.encrypted import EncryptedStore
from tests.recipes.stores.keyring_store import KeyringStore
from tests.recipes.stores.s3 import S3Store
from tests.recipes.stores.sqlite import SqliteStore
from tests.tools.engines.contract import check_contract

__all__ = ["OTHERS"]


def try_s3(folder: Path) -> None:
    """S3, through moto."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        os.environ.update(
            AWS_ENDPOINT_URL_S3=f"http://{host}:{port}",
            AWS_ACCESS_KEY_ID="none",
            AWS_SECRET_ACCESS_KEY="none",
            AWS_DEFAULT_REGION="us-east-1",
        )
        boto3.client("s3").create_bucket(Bucket="tokens")
        check_contract(S3Store("tokens", "contract"), is_atomic=False)  # moto's is not
        _check_lease_ends(S3Store("tokens", "lease", lease=1))
    finally:
        server.stop()


def _check_lease_ends(store: S3Store) -> None:
    """A lock that its holder does not release can be taken when its lease has ended, and is not released by it then."""
    began = time.monotonic()
    with store.lock(0):
        with store.lock(10):
            assert time.monotonic() > began + store.lease
            assert store.lease > 0
        with store.lock(0):
            pass


class _Memory(KeyringBackend):
    """A keyring in memory."""

    priority = 1.0

    def __init__(self) -> None:
        self._passwords: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, username: str) -> str | None:
        return self._passwords.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self._passwords[service, username] = password


def try_keyring(folder: Path) -> None:
    """The keyring of the operating system, through one in memory."""
    keyring.set_keyring(_Memory())
    check_contract(KeyringStore("ytmusic_oauth", "user", str(folder / "keyring.lock")), is_atomic=False)


def try_encrypted(folder: Path) -> None:
    """Encryption with Fernet, over SQLite."""
    plain = SqliteStore(str(folder / "encrypted.db"))
    check_contract(EncryptedStore(plain, Fernet(Fernet.generate_key())))
    text = plain.read()
    assert text is not None
    assert text.startswith("gAAAA")
    try:
        EncryptedStore(plain, Fernet(Fernet.generate_key())).read()
    except InvalidToken:
        return
    raise AssertionError("a wrong key looks like no token")


OTHERS: Final[Mapping[str, Callable[[Path], None]]] = {
    "S3 (through moto)": try_s3,
    "keyring (in memory)": try_keyring,
    "encrypted (Fernet, over SQLite)": try_encrypted,
}
