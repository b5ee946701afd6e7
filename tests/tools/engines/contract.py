# SPDX-License-Identifier: MIT
"""What every `TokenStore` must do, without any token in it."""

from __future__ import annotations

import pickle
import threading
import time
from typing import Final

from ytmusic_oauth import TokenStore

__all__ = ["check_contract"]

_TEXTS: Final = ('{\n "a": 1}', '{\n "a": "ü"}', "x" * 1500)


def check_contract(store: TokenStore, *, is_atomic: bool = True) -> None:
    """Raise `AssertionError` if an empty store does not keep its contract. Takes a second.

    Not `is_atomic`: what compares and swaps needs the lock, as with a file or a keyring.
    """
    first, second, third = _TEXTS
    assert store.read() is None
    assert not store.replace(first, second)
    assert store.read() is None
    assert store.replace(None, first)
    assert store.read() == first
    assert not store.replace(None, second)
    assert not store.replace(second, third)
    assert store.read() == first
    assert store.replace(first, second)
    assert store.read() == second

    other: TokenStore = pickle.loads(pickle.dumps(store))
    assert other.read() == second
    for _ in range(2):
        with store.lock(0) as until:
            assert until > time.monotonic()
            _check_taken(other, 0)
            _check_taken(other, 0.3)
            assert other.replace(second, third)
            assert not store.replace(second, first)
            assert store.replace(third, second)
    if is_atomic:
        _check_swaps(store, other)
    assert first not in repr(store)


def _check_taken(store: TokenStore, timeout: float) -> None:
    """In another thread: a store may notice that a thread waits for itself."""
    waited: list[float] = []

    def wait() -> None:
        began = time.monotonic()
        try:
            with store.lock(timeout):
                pass
        except TimeoutError:
            waited.append(time.monotonic() - began)

    thread = threading.Thread(target=wait)
    thread.start()
    thread.join()
    assert waited, "two have the lock"
    assert timeout <= waited[0] < timeout + 1


def _check_swaps(*stores: TokenStore) -> None:
    """Each of many swaps at once either happens or says that it did not."""
    text = stores[0].read()
    assert text is not None
    swapped: list[str] = []
    start = threading.Barrier(4)

    def swap(store: TokenStore, name: str) -> None:
        start.wait()
        if store.replace(text, name):
            swapped.append(name)

    threads = [threading.Thread(target=swap, args=(stores[n % len(stores)], f"swap {n}")) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert swapped == [stores[0].read()]
