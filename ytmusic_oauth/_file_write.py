# SPDX-License-Identifier: MIT
"""How a private file is written: as a whole beside the old one, or over the old one where nothing else is possible.

A new file is made private before its first byte, synced, and renamed over the old one by the caller, so that a crash at
any moment leaves the old file or the new one. Where a file system has no modes, or does not sync, the file is written
without that.
"""

from __future__ import annotations

import errno
import os
import re
import stat
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from typing import Final

from ._file_owner import keep_owner

# The name of a temporary file: the first characters of the file's name (the whole could become too long), and a random
# suffix.
_TEMPORARY: Final = r"(?s)(.*)\.ytmusic_oauth-[0-9a-f]{16}\.tmp"
_PREFIX: Final = 24
# Seconds after which a temporary file must be that of a writer that was killed.
_LEFTOVER: Final = 3600.0
#: Flags that a platform lacks are not needed there: `O_NONBLOCK` is for FIFOs, `O_BINARY` for Windows.
OPEN_FLAGS: Final = sum(getattr(os, flag, 0) for flag in ("O_NONBLOCK", "O_BINARY", "O_NOCTTY"))
NO_FOLLOW: Final[int] = getattr(os, "O_NOFOLLOW", 0)
#: Errors that mean "a new file cannot take the place of the old one": then that one is written in place.
NO_RENAME: Final = frozenset(
    {errno.EACCES, errno.EPERM, errno.EROFS, errno.EBUSY, errno.EXDEV, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP}
)
# Errors that mean "this file system does not sync". Anything else, EIO above all, is a failed write.
_NO_SYNC: Final = NO_RENAME - {errno.EBUSY, errno.EXDEV} | {errno.EINVAL}


@contextmanager
def temporary_name(target: str) -> Generator[str, None, None]:
    """Name a temporary file in the same folder. It is removed in the end, if it still exists."""
    folder, name = os.path.split(target)
    temporary = os.path.join(folder, f"{name[:_PREFIX]}.ytmusic_oauth-{os.urandom(8).hex()}.tmp")
    try:
        yield temporary
    finally:
        with suppress(OSError):
            os.unlink(temporary)


@contextmanager
def temporary_file(target: str, content: bytes, old_status: os.stat_result | None) -> Generator[str, None, None]:
    """Create a private temporary file with the content, and with the owner that the file had before."""
    with temporary_name(target) as temporary:
        file = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | OPEN_FLAGS, 0o600)
        try:
            if sys.platform != "win32":
                with suppress(OSError):  # a file system without modes
                    os.fchmod(file, 0o600)  # an unusual umask may have removed our own permissions
            if old_status is not None:
                keep_owner(file, old_status)
            _write(file, content)
        finally:
            os.close(file)
        yield temporary


def remove_leftovers(target: str) -> None:
    """Remove old temporary files of this token file, and of the client beside it. The lock must be held."""
    folder, name = os.path.split(target)
    beginnings = {name[:_PREFIX], f"{name}.client"[:_PREFIX]}
    with os.scandir(folder) as entries:
        for entry in entries:
            if not (found := re.fullmatch(_TEMPORARY, entry.name)) or found[1] not in beginnings:
                continue
            with suppress(OSError):  # another user's, in a folder such as /tmp
                status = entry.stat(follow_symlinks=False)
                if stat.S_ISREG(status.st_mode) and status.st_mtime < time.time() - _LEFTOVER:
                    os.unlink(entry.path)


def open_in_place(target: str) -> int:
    """Open a file to write over it."""
    return os.open(target, os.O_RDWR | NO_FOLLOW | OPEN_FLAGS)


def can_write_in_place(target: str) -> bool:
    """Whether a file can be opened to write over it. Not if it is mounted read-only, immutable, or of mode 0400."""
    with suppress(OSError):
        os.close(open_in_place(target))
        return True
    return False


def write_in_place(target: str, content: bytes, old_status: os.stat_result) -> None:
    """Write over a file, whose status was `old_status`. If that fails, the file keeps its content."""
    file = open_in_place(target)
    try:
        status = os.fstat(file)
        if status.st_uid != old_status.st_uid:  # another user's trap
            raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))
        old = os.read(file, status.st_size)
        if sys.platform != "win32":
            with suppress(OSError):  # another user's file that we may write, or a file system without modes
                os.fchmod(file, 0o600)
        try:
            # Write padded to the old length, then truncate: in between, the file is the new token followed by spaces.
            _write(file, content.ljust(len(old)))
            os.ftruncate(file, len(content))
        except OSError:  # the disk is full
            with suppress(OSError):
                _write(file, old)
            os.ftruncate(file, len(old))
            raise
    finally:
        os.close(file)


def _write(file: int, content: bytes) -> None:
    os.lseek(file, 0, os.SEEK_SET)
    while content:
        content = content[os.write(file, content) :]
    _sync(file)


def sync_folder(target: str) -> None:
    """Make a rename durable. Without this, a power cut brings the old file back."""
    try:
        folder = os.open(os.path.dirname(target), os.O_RDONLY)
    except OSError:  # a folder that we may not list, and any on Windows
        return
    try:
        _sync(folder)
    finally:
        os.close(folder)


def _sync(file: int) -> None:
    try:
        os.fsync(file)
    except OSError as error:
        if error.errno not in _NO_SYNC:
            raise
