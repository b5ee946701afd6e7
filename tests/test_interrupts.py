# SPDX-License-Identifier: MIT
"""Ctrl-C at every point of a refresh at which CPython may run a signal handler.

No lock stays held, and no new refresh token is lost. YTMUSIC_OAUTH_TORTURE=1 tries each point, otherwise every 17th.
"""

from __future__ import annotations

import json
import logging
import os
import platform
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import count
from pathlib import Path
from types import FrameType
from typing import Final

import pytest

from tests.support import file_lock
from ytmusic_oauth import Credentials, FileStore, RefreshingToken, _refresher
from ytmusic_oauth._single_flight import CHANGES
from ytmusic_oauth.models import AuthCodeDict, BaseTokenDict, RefreshableTokenDict

if platform.python_implementation() != "CPython" or not (3, 10) <= sys.version_info < (3, 14):
    pytest.skip("other Pythons run signal handlers at other points", allow_module_level=True)

STEP: Final = 1 if os.environ.get("YTMUSIC_OAUTH_TORTURE") else 17


class Server(Credentials):
    """Rotates refresh tokens; the last statement makes the new one valid."""

    def __init__(self) -> None:
        super().__init__("id", "secret")
        self.valid = "r0"

    def refresh_token(self, refresh_token: str) -> BaseTokenDict:
        assert refresh_token == self.valid
        response = values("a1", "r1")
        self.valid = "r1"
        return response

    def get_code(self) -> AuthCodeDict:
        raise NotImplementedError

    def token_from_code(self, device_code: str) -> RefreshableTokenDict:
        raise NotImplementedError


def values(access: str, refresh: str) -> RefreshableTokenDict:
    return {
        "scope": "music",
        "token_type": "Bearer",
        "access_token": access,
        "refresh_token": refresh,
        "expires_at": int(time.time()) + 3600,
        "expires_in": 3600,
    }


class InterruptAt:
    """A profile function that raises after so many calls of Python code and returns of C code."""

    def __init__(self, left: int) -> None:
        self.left = left
        self.point = ""

    def __call__(self, frame: FrameType, event: str, function: object) -> None:
        # An interrupt in `logging` may leave its own lock held, before Python 3.13.
        if event not in {"call", "c_return"} or frame.f_code.co_filename in {__file__, logging.__file__}:
            return
        self.left -= 1
        if self.left == 0:
            self.point = f"{event} in {frame.f_code.co_name}, {Path(frame.f_code.co_filename).name}:{frame.f_lineno}"
            raise KeyboardInterrupt


def interrupted(action: Callable[[], object], left: int, kept: list[BaseException] | None = None) -> str:
    """Interrupt an action, and keep the exception. Returns where; empty: it ended before that."""
    interrupt, before = InterruptAt(left), sys.getprofile()
    sys.setprofile(interrupt)
    try:
        action()
    except KeyboardInterrupt as error:
        if kept is not None:
            kept.append(error)
    finally:
        sys.setprofile(before)
    return interrupt.point


@pytest.mark.one_clock
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # in `FileLock.__del__`
@pytest.mark.parametrize("kept", ["in a file", "in memory"])
def test_an_interrupt_leaves_no_lock_held_and_loses_no_refresh_token(tmp_path: Path, kept: str) -> None:
    path = tmp_path / "oauth.json"
    with ThreadPoolExecutor(1) as another:
        for left in count(1, STEP):
            server = Server()
            for leftover in tmp_path.iterdir():  # each would make the next refresh longer
                leftover.unlink()
            path.write_text(json.dumps(values("a0", "r0")))
            token = (
                RefreshingToken.load(server, path)
                if kept == "in a file"
                else RefreshingToken(server, **values("a0", "r0"))
            )
            point = interrupted(token.refresh, left)
            if not point:
                break
            for mutex in (CHANGES, token._refresher):
                assert another.submit(mutex.lock().acquire, blocking=False).result(), f"{mutex} is held: {point}"
                another.submit(mutex.lock().release).result()
            assert not token._refresher.is_own(), point
            assert not _refresher._locked, point
            with file_lock(str(path), 0) as is_locked:
                assert is_locked, point
            # Nothing has the response of another author's credentials while it is checked.
            assert token.refresh_token == server.valid or " in is_object," in point, point
            if kept == "in a file":
                text = FileStore(path).read()
                assert text is not None
                assert json.loads(text)["refresh_token"] == token.refresh_token, point
    assert left > 100


@pytest.mark.one_clock
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # in `FileLock.__del__`
def test_an_interrupt_while_a_token_is_adopted_leaves_no_lock_held_and_hides_no_token(tmp_path: Path) -> None:
    """The program goes on, and keeps the traceback: `sys.last_exc` in an interactive Python."""
    path, kept = tmp_path / "oauth.json", list[BaseException]()
    for left in count(1):
        server = Server()
        path.write_text(json.dumps({**values("a0", "r0"), "expires_at": int(time.time()) + 30}))
        token = RefreshingToken.load(server, path)
        path.write_text(json.dumps(values("a1", "r1")))  # as another process does
        point = interrupted(token.as_auth, left, kept)
        if not point:
            break
        with file_lock(str(path), 0) as is_locked:
            assert is_locked, point
        assert token.as_auth() == "Bearer a1", point
    assert left > 100


@pytest.mark.one_clock
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # in `FileLock.__del__`
def test_after_an_interrupt_a_token_is_kept_where_it_was_saved(tmp_path: Path) -> None:
    path = tmp_path / "oauth.json"
    for left in count(1, 3):
        path.unlink(missing_ok=True)
        token = RefreshingToken(Server(), **values("a0", "r0"))
        point = interrupted(partial(token.keep_in, path), left)
        if not point:
            break
        is_kept = token._refresher.store == FileStore(path)
        assert is_kept or not path.exists(), point
    assert left > 100
