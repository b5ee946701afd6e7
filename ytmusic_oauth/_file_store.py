# SPDX-License-Identifier: MIT
"""The token file: read strictly, written whole, and for its owner's eyes only.

The file is ytmusicapi's, byte for byte in form. A new one is written beside it, made private before its first byte,
synced, and renamed over it, so that a crash at any moment leaves the old file or the new one. Where a rename cannot
work, and only there, it is written in place.

With `lock`, the only module that opens token files.
"""

from __future__ import annotations

import errno
import json
import os
import stat
import sys
from collections.abc import Generator
from contextlib import contextmanager, suppress
from typing import Final

from ._validation import FieldError, json_object, token_dict
from .exceptions import TokenFileError, TokenFileNotFound
from .models import RefreshableTokenDict

__all__ = ["check_writable", "read_token", "write_token"]

# Bytes. A token file has some five hundred.
_LARGEST_FILE: Final = 2**20
# What a platform does not have, it does not need: `O_NONBLOCK` is for FIFOs, `O_BINARY` for Windows.
_OPEN_FLAGS: Final = sum(getattr(os, flag, 0) for flag in ("O_NONBLOCK", "O_BINARY", "O_NOCTTY"))
_NO_RENAME: Final = frozenset({errno.EACCES, errno.EPERM, errno.EROFS, errno.EBUSY, errno.EXDEV})


def read_token(path: str) -> RefreshableTokenDict:
    """Read a token file. Unknown keys and a byte order mark are ignored.

    Raises `TokenFileError` on anything that is no token, and `TokenFileNotFound` if there is no file or nothing in it.
    """
    try:
        file = os.open(path, os.O_RDONLY | _OPEN_FLAGS)
        try:
            _check_regular(path, os.fstat(file))
            with open(file, "rb", closefd=False) as stream:
                content = stream.read(_LARGEST_FILE + 1)
        finally:
            os.close(file)
    except FileNotFoundError:
        raise TokenFileNotFound(path=path) from None
    except OSError as error:
        raise TokenFileError(f"The token file cannot be read: {error.strerror}", path=path) from error
    if not content.strip():  # made by `touch`, or to be mounted into a container
        raise TokenFileNotFound("The token file is empty", path=path)
    if len(content) > _LARGEST_FILE:
        raise TokenFileError("This is too large to be a token file", path=path)
    try:
        return token_dict(json_object(content.decode("utf-8-sig")))
    except UnicodeDecodeError:
        raise TokenFileError("This is no token file: it is not UTF-8", path=path) from None
    except FieldError as error:
        raise TokenFileError(f"This is no token file: {error}", path=path, key=error.key) from None
    except ValueError as error:
        raise TokenFileError(f"This is no token file: it {error}", path=path) from None


def write_token(path: str, token: RefreshableTokenDict, *, exclusive: bool) -> None:
    """Write a token file, mode 0600, all or nothing; a symbolic link is followed. Raises `TokenFileError`.

    `exclusive` is what `lock.locked` answered: whether nobody else can be writing.
    """
    content = json.dumps(token, indent=1).encode()
    target = _target(path)
    before: os.stat_result | None = None
    try:
        with suppress(FileNotFoundError):
            before = os.stat(target)
            _check_regular(path, before)
        try:
            with _temporary_file(target, content, before, exclusive) as temporary:
                os.replace(temporary, target)
        except OSError as error:
            if before is None or error.errno not in _NO_RENAME:
                raise
            _write_in_place(target, content, before.st_size)
    except OSError as error:
        raise TokenFileError(f"The token file cannot be written: {error.strerror}", path=path) from error


def check_writable(path: str) -> None:
    """Raise `TokenFileError` where a login could not be stored: something else is there, no room, or no right to."""
    with suppress(TokenFileNotFound):
        read_token(path)
    target = _target(path)
    try:
        with _temporary_file(target, b" " * 4096, None, exclusive=False) as temporary:
            os.unlink(temporary)
    except OSError as error:
        if error.errno not in _NO_RENAME or not os.access(target, os.W_OK):
            raise TokenFileError(f"No token file can be written here: {error.strerror}", path=path) from error


def _target(path: str) -> str:
    if not os.path.basename(path):
        raise TokenFileError("This names no file", path=path)
    return os.path.realpath(path) if os.path.islink(path) else path


def _check_regular(path: str, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise TokenFileError("This is no regular file", path=path)


@contextmanager
def _temporary_file(
    target: str, content: bytes, before: os.stat_result | None, exclusive: bool
) -> Generator[str, None, None]:
    """Have a private temporary file with the content, which may be moved away."""
    # Whoever is killed in here leaves it behind. Alone, its name is fixed: the next one cleans up.
    temporary = f"{target}.tmp" if exclusive else f"{target}.{os.urandom(8).hex()}.tmp"
    with suppress(FileNotFoundError):
        os.unlink(temporary)
    file = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _OPEN_FLAGS, 0o600)
    try:
        try:
            if sys.platform != "win32":
                with suppress(OSError):  # a file system without modes
                    os.fchmod(file, 0o600)  # an odd umask may have taken our own rights away
                as_root = hasattr(os, "geteuid") and os.geteuid() == 0  # WebAssembly does not have it
                if as_root and before is not None and before.st_uid != 0:
                    os.fchown(file, before.st_uid, before.st_gid)
            _write(file, content)
        finally:
            os.close(file)
        yield temporary
    except BaseException:  # and not once it is moved away: the next holder of the lock may have one of that name
        with suppress(OSError):
            os.unlink(temporary)
        raise


def _write_in_place(target: str, content: bytes, size: int) -> None:
    file = os.open(target, os.O_RDWR | _OPEN_FLAGS)
    try:
        before = os.read(file, size)
        if sys.platform != "win32":
            with suppress(OSError):  # somebody else's file that we may write, or a file system without modes
                os.fchmod(file, 0o600)
        try:
            # One write as long as what was there, then cut: between the two, it is a token with spaces behind it.
            _write(file, content.ljust(size))
            os.ftruncate(file, len(content))
        except OSError:  # the disk is full
            with suppress(OSError):
                _write(file, before)
            os.ftruncate(file, size)
            raise
    finally:
        os.close(file)


def _write(file: int, content: bytes) -> None:
    os.lseek(file, 0, os.SEEK_SET)
    while content:
        content = content[os.write(file, content) :]
    try:
        os.fsync(file)
    except OSError as error:
        if error.errno != errno.EINVAL:  # a file system that cannot
            raise
