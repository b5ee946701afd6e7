# SPDX-License-Identifier: MIT
"""Whose file a login is stored in: the owner is kept, and another user's trap is refused. Opens no file.

In a folder that others can write to, such as /tmp, another user can put a file or a link where the login of this user
is going to be stored. That user then receives the login, or has it written over a file of this user. Who can put a file
into a folder (access control lists are not looked at):

- all users, if its mode lets others write;
- its group, if the group may write; a file of the folder's owner does not count;
- its owner, unless that is root or the unknown owner. If we are root, its owner is trusted: root may log in for a
  service, in a folder of that service.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
from contextlib import suppress
from typing import Final

# What a user namespace (a rootless container) shows as the owner or group of a file if it does not know them.
_UNKNOWN: Final = 65534
# As in Linux.
_MOST_LINKS: Final = 40


def keep_owner(file: int, old_status: os.stat_result) -> None:
    """Give a new file to the group of the old one, if possible, and to its owner. Raises `PermissionError`."""
    if sys.platform != "win32":
        for user, group in ((-1, old_status.st_gid), (old_status.st_uid, -1)):
            with suppress(AttributeError, OSError):
                if _UNKNOWN not in {user, group}:
                    os.fchown(file, user, group)
    if os.fstat(file).st_uid != old_status.st_uid:  # some file systems ignore a new owner
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))


def _this_user() -> int:
    user: int = getattr(os, "geteuid", int)()  # Windows and WebAssembly have none: 0, as the owner of every file
    return user


def token_of_client(client: str) -> os.stat_result | None:
    """Return the status of the token file whose owner gets a new client file; None if that is ours.

    Root keeps the client for the service that owns the token.
    """
    with suppress(OSError):
        return None if _this_user() else os.stat(client[: -len(".client")])
    return None


def may_be_planted(folder: str, status: os.stat_result, client: str = "") -> bool:
    """Whether another user may have put this file or link into the folder.

    The file `client`, in which `login` keeps the OAuth client, must be ours or root's in any folder: the folder's owner
    could exchange the folder between this check and the read. If we are root, the owner of the folder or of the token
    file may own it.
    Root's links are trusted. Root's files are not: another user can make a hard link here to one that is readable.
    """
    if status.st_uid == _this_user() or (status.st_uid == 0 and stat.S_ISLNK(status.st_mode)):
        return False
    around = os.stat(folder)
    if client and status.st_uid:
        token = token_of_client(client)
        if _this_user() or status.st_uid not in {around.st_uid, token.st_uid if token else 0}:
            return True
    by_group = around.st_mode & stat.S_IWGRP and status.st_uid != around.st_uid
    by_owner = _this_user() and around.st_uid not in {0, _UNKNOWN, _this_user()}
    return bool(around.st_mode & stat.S_IWOTH or by_group or by_owner)


def can_others_rename(folder: str) -> bool:
    """Whether another user can rename this folder, a folder above it, or one that we make in it."""
    if sys.platform == "win32":
        return False
    else:
        at, inner = os.path.realpath(folder), ""
        while at != inner:
            status = os.stat(at)
            is_shared = status.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and not status.st_mode & stat.S_ISVTX
            if is_shared or status.st_uid not in {0, _UNKNOWN, _this_user()}:
                return True
            at, inner = os.path.dirname(at), at
        return False


def follow_links(path: str) -> tuple[str, str | None]:
    """Return where an absolute path leads, and the first link on the way that may have been planted, if any."""
    if sys.platform == "win32":  # it has access control lists instead of modes
        return os.path.realpath(path) if os.path.islink(path) else path, None
    else:
        at, links, names, planted = "/", 0, path.split("/")[::-1], None
        while names:
            name = names.pop()
            if name in {".", ".."}:
                os.stat(f"{at}/.")  # raises if it is not a folder
            if name in {"", "."}:
                continue
            here = os.path.dirname(at) if name == ".." else os.path.join(at, name)
            if not os.path.islink(here):
                at = here
                continue
            if planted is None and may_be_planted(at, os.lstat(here)):
                planted = here
            links += 1
            if links > _MOST_LINKS:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
            leads_to = os.readlink(here)
            names += leads_to.split("/")[::-1]
            at = "/" if os.path.isabs(leads_to) else at
        return at, planted
