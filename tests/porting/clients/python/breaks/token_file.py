# SPDX-License-Identifier: MIT
"""Breaks in the token file: what is written, how, and to where."""

from __future__ import annotations

import json
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from ytmusic_oauth import _file_write
from ytmusic_oauth._file_owner import follow_links
from ytmusic_oauth._file_store import FileStore
from ytmusic_oauth._file_write import temporary_file
from ytmusic_oauth._token_text import token_text
from ytmusic_oauth.exceptions import TokenFileError
from ytmusic_oauth.models import RefreshableTokenDict

from .registry import constant, replaces

__all__: list[str] = []

read = FileStore.read
write = _file_write._write

# ---- its form ------------------------------------------------------------------------------------


@replaces(token_text, "ytmusicapi's file is written with another indentation", caught_by="token-files/*")
def _(token: RefreshableTokenDict) -> str:
    return json.dumps(token, indent=2)


@replaces(token_text, "ytmusicapi's file is written with its keys in another order", caught_by="token-files/*")
def _(token: RefreshableTokenDict) -> str:
    return json.dumps(token, indent=1, sort_keys=True)


@replaces(read, "a file that an editor on Windows has saved is rejected", caught_by="token-files/*")
def _(store: FileStore) -> str | None:
    if Path(store.path).is_file() and Path(store.path).read_bytes().startswith(b"\xef\xbb\xbf"):
        raise TokenFileError("Not a token: it is not JSON", path=store.path)
    return read(store)


# ---- its mode ------------------------------------------------------------------------------------


@replaces(write, "the new file can be read by everyone while it is written", caught_by="file/never-*")
def _(file: int, content: bytes) -> None:
    os.chmod(file, 0o644)
    write(file, content)
    os.chmod(file, 0o600)


constant(
    os,
    "fchmod",
    lambda file, mode: None,
    "with an unusual umask, the owner cannot read the file",
    caught_by="file/rotated-*",
)
constant(
    os,
    "fchmod",
    lambda file, mode: os.chmod(file, 0o644),
    "the token file can be read by everyone",
    caught_by="file/login-is-stored",
)

# ---- how it is replaced --------------------------------------------------------------------------


def _overwrite(temporary: str, target: str) -> None:
    Path(target).write_bytes(Path(temporary).read_bytes())
    Path(temporary).unlink()


constant(
    os,
    "replace",
    _overwrite,
    "the file is overwritten in place: a power failure leaves half of it",
    caught_by="file/replaced-*",
)


@replaces(FileStore.replace, "the file is emptied before it is written", caught_by="file/disk-full")
def _(store: FileStore, before: str | None, after: str) -> bool:
    try:
        Path(store.path).write_text(after, "utf-8")
    except OSError as error:
        raise TokenFileError(f"The token file cannot be written: {error.strerror}", path=store.path) from error
    return True


@replaces(temporary_file, "a full disk is filled with unfinished files", caught_by="file/disk-full")
@contextmanager
def _(target: str, content: bytes, old_status: os.stat_result | None) -> Generator[str, None, None]:
    try:
        with temporary_file(target, content, old_status) as temporary:
            yield temporary
    except OSError:
        Path(f"{target}.tmp").touch()
        raise


@replaces(_file_write.remove_leftovers, "every process that is killed leaves another file", caught_by="file/killed-*")
def _(target: str) -> None:
    pass


@replaces(follow_links, "a symbolic link is replaced by a file", caught_by="file/symbolic-link")
def _(path: str) -> tuple[str, str | None]:
    return path, None


@replaces(FileStore._check, "a named pipe in the place of the file is read", caught_by="file/named-pipe")
def _(store: FileStore, target: str, status: os.stat_result | None, planted_link: str | None = None) -> None:
    pass


@replaces(
    FileStore.check_room,
    "the only refresh token that is saved is used up while the disk is full",
    caught_by="file/disk-full-where-*",
)
def _(store: FileStore) -> None:
    pass


# ---- before a login ------------------------------------------------------------------------------


@replaces(
    FileStore.check_writable,
    "the user confirms a code, and then the folder does not exist or the disk is full",
    caught_by="file/login-*",
)
def _(store: FileStore) -> None:
    pass
