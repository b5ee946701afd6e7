# SPDX-License-Identifier: MIT
"""The token file as a `TokenStore`: read strictly, written as a whole, readable only by its owner.

The format is exactly ytmusicapi's. A file is replaced by a new one, so that a crash at any moment leaves the old file
or the new one. Only where a rename cannot work, or would change the owner, is it written in place. Only this module,
`_file_write` and `_file_lock` open token files.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Generator
from contextlib import AbstractContextManager, contextmanager, suppress
from copy import copy
from typing import Final

from . import _file_write
from ._file_lock import FileLock
from ._file_owner import follow_links, may_be_planted, token_of_client
from ._file_write import NO_RENAME, temporary_file, temporary_name
from ._single_flight import NO_FORK
from .exceptions import TokenFileError, TokenFileNotFound

# Bytes; a token file has about five hundred. With the longest scope and tokens, it has a bit more than half of this: in
# JSON, a character of a scope can have twelve bytes, and one of a token two.
_LARGEST_FILE: Final = 2**21
# Bytes. The tokens of known servers need less.
_TRIAL_SIZE: Final = 4096
_TILDE_ADVICE: Final = "Expand the path first (os.path.expanduser): ~ is not your home folder here."
# Seconds that the check before a login waits for the lock.
_CHECK_WAIT: Final = 2.0


class FileStore:
    """A token file, as a `TokenStore`. Follows symbolic links. Methods raise `TokenFileError`; see also `lock`."""

    __slots__ = ("_is_client", "_is_detached", "_is_for_login", "absolute", "path")

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path: str = os.fspath(path)
        """As the caller gave it."""
        # Whether the path is a mount whose original was replaced. None once the warning has been given.
        self._is_detached: bool | None = False
        self._is_for_login = self._is_client = False
        self.absolute: str = self.path
        """The same path, absolute: a later `chdir` changes nothing. Only the system resolves `link/..` rightly."""
        # A token as JSON; Google's tokens and client secrets. `pathlib` makes 1/ of 1//.
        if re.match(r"""(?i)\s*\{\s*"|(\s|["']|\.[/\\]|bearer\s)*(1//|1[/\\]0[\w-]{30}|GOCSPX-|ya29\.)""", self.path):
            advice = "Pass the path of a file; in Python, RefreshingToken.from_json_text reads a token's text."
            raise TokenFileError("This is a secret, not the path of a file", advice=advice)
        try:
            if "\0" in os.fsdecode(os.fsencode(self.path)):
                raise ValueError
            # Not `abspath`: it collapses `link/..` without resolving the link.
            folder = "" if os.path.isabs(self.path) else os.getcwd()
        except ValueError:
            raise TokenFileError("The path has a character that no path can have", path=repr(self.path)) from None
        except OSError as error:
            advice = "Change to another folder, or use an absolute path."
            raise self.failed("The working directory cannot be used", error, advice) from error
        self.absolute = os.path.join(folder, self.path)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, FileStore):
            return False
        here, there = os.path.realpath(self.absolute), os.path.realpath(other.absolute)
        with suppress(OSError):  # no such file yet
            # By the folder first: between two looks at the file, another process may replace it.
            (folder, name), (their_folder, their_name) = os.path.split(here), os.path.split(there)
            if name == their_name and os.path.samefile(folder, their_folder):
                return True
            # One file may be mounted at two paths. Hard links are two files after a save.
            return os.path.samefile(here, there) and os.stat(here).st_nlink == 1
        return here == there

    def read(self) -> str | None:
        """Return the content; None if there is no file, or if it is empty."""
        content = self._content()
        return None if content is None else self._text(content)

    def replace(self, before: str | None, after: str) -> bool:
        """Compare and swap, mode 0600, all or nothing. Compares just before the rename: see SECURITY.md."""
        if self._is_for_login and not self._is_client:
            self.forget_client()
        return self._swap(before, self._sized(after.encode()))

    def remove(self, before: str) -> bool:
        """Remove the file if it still has this content; where that is not possible, empty it."""
        target, status = self._target()
        if status is None or self.read() != before:
            return False
        with self._naming_the_file("The file cannot be removed"):
            try:
                with suppress(FileNotFoundError):  # another program has just removed it
                    os.unlink(target)
                _file_write.sync_folder(target)
            except OSError as error:
                if error.errno not in NO_RENAME:
                    raise
                _file_write.write_in_place(target, b"", status)
        return True

    def client(self) -> FileStore:
        """Return `<token file>.client`, in which `login` keeps the OAuth client.

        If the token file is a link, it is beside the file that the link leads to.
        """
        store = FileStore(f"{os.path.realpath(self.absolute)}.client").for_login()
        store._is_client = True
        return store

    def forget_client(self) -> None:
        """Remove the OAuth client that the command `login` keeps beside this file. A file that is not ours stays."""
        if document := self._kept_client():
            self.client().remove(document)

    def _kept_client(self) -> str:
        """Return what `login` keeps beside this file, if anything. Raises `TokenFileError` if we cannot open it.

        If it stayed beside a new login, a user who can open it would send the new token to the old server.
        """
        with NO_FORK:
            from ._client_file import parse_remembered
        store = self.client()
        try:
            document = store.read() or ""
            parse_remembered(document)
        except (TokenFileError, ValueError) as error:
            if isinstance(failure := error.__cause__, OSError) and failure.errno != errno.ENAMETOOLONG:
                raise store.failed("The OAuth client of the last login cannot be read", failure) from error
            return ""
        return document

    def lock(self, timeout: float) -> AbstractContextManager[float]:
        """Hold the file's lock, a kernel lock that is released when its holder dies. May raise `TimeoutError`."""
        problem = "The token file cannot be locked"
        return FileLock(self.absolute, timeout, self.remove_leftovers, lambda error: self.failed(problem, error))

    def for_login(self) -> FileStore:
        """Return a copy for a new login: it refuses another user's file or link where others can write.

        Nor does it read such a file: the client that `login` keeps says to which server a token is sent.
        """
        store = copy(self)
        store._is_for_login = True
        return store

    def check_room(self) -> None:
        """Raise `TokenFileError` if a new token could neither replace the token file nor be written over it.

        Does not change the file. If it cannot be opened for writing, tries the rename on a hard link to it.
        """
        target, status = self._target()
        removal = "The OAuth client of the last login cannot be removed"
        with self._naming_the_file(removal if self._is_client else "No token file can be written here"):
            try:
                size = min(max(_TRIAL_SIZE, status.st_size if status else 0), _LARGEST_FILE)
                with temporary_file(target, b" " * size, status) as temporary, temporary_name(target) as trial:
                    if status is not None and not _file_write.can_write_in_place(target):
                        if not hasattr(os, "link"):  # WebAssembly
                            raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
                        with suppress(FileNotFoundError):  # another program has just moved it away
                            os.link(target, trial)  # fails for a file that is mounted by itself, or immutable
                    os.replace(temporary, trial)
            except OSError as error:
                if status is None or error.errno not in NO_RENAME:
                    raise
                os.close(_file_write.open_in_place(target))

    def check_writable(self) -> None:
        """Raise `TokenFileError` if a login could not be stored: does what `replace` does, with the present content.

        Keeps the client that `replace` removes. While another process holds the lock, the file is not written.
        """
        store = self.for_login()
        store.check_room()
        if store._kept_client():
            store.client().check_room()  # a file that cannot be removed cannot be replaced either
        with suppress(TimeoutError), self.lock(_CHECK_WAIT):
            content = self._content()
            if content is not None:
                store._swap(self._text(content), content)

    def new_warning(self) -> str:
        """Return what is wrong with this file, once; empty if nothing is."""
        if not self._is_detached:
            return ""
        self._is_detached = None
        return (
            f"{self.path}: This file is mounted without its folder, and the original was replaced. They are separate "
            "files now, and what is saved here is lost with the mount. Mount the folder instead."
        )

    def remove_leftovers(self) -> None:
        """Remove old temporary files of this token file. The lock must be held."""
        with suppress(OSError):
            _file_write.remove_leftovers(follow_links(self.absolute)[0])

    def not_found(self) -> TokenFileNotFound:
        """Return the error for a file that is missing or empty."""
        is_link, content = os.path.islink(self.absolute), self._content()
        folder = os.path.dirname(os.path.realpath(self.absolute) if is_link else self.absolute)
        if content is not None:
            what = "holds only zeros, as after a power cut" if b"\0" in content else "is empty"
            return TokenFileNotFound(f"The token file {what}", path=self.path)
        if not os.path.isdir(folder):
            advice = _TILDE_ADVICE if self.path.startswith("~") else "Create the folder first."
            return TokenFileNotFound(f"There is no folder {folder}", path=self.path, advice=advice)
        problem = "" if os.path.isabs(self.path) else f"There is no token file here, in {folder}"
        return TokenFileNotFound(problem, path=self.path)

    def failed(self, problem: str, error: OSError, advice: str = "") -> TokenFileError:
        """Return the error for a failed system call, with advice that fits it unless some is given."""
        from ._file_kinds import advice_for

        what, advice = error.strerror or type(error).__name__, advice or advice_for(error.errno)
        if error.errno == errno.ENOENT and (os.path.islink(self.absolute) or not os.path.isabs(self.path)):
            with suppress(OSError):  # the working directory was removed
                what += f", in {os.path.dirname(os.path.realpath(self.absolute))}"
            advice = _TILDE_ADVICE if self.path.startswith("~") else advice
        return TokenFileError(f"{problem}: {what}", path=self.path, advice=advice)

    # ---- the file itself ----

    @contextmanager
    def _naming_the_file(self, problem: str) -> Generator[None, None, None]:
        """Name the file in the error for a failed system call."""
        try:
            yield
        except OSError as error:
            raise self.failed(problem, error) from error

    def _content(self) -> bytes | None:
        with self._naming_the_file("The token file cannot be read"):
            # No link may come in between.
            path, no_follow = (self._target()[0], _file_write.NO_FOLLOW) if self._is_for_login else (self.absolute, 0)
            try:
                file = os.open(path, os.O_RDONLY | _file_write.OPEN_FLAGS | no_follow)
            except FileNotFoundError:
                return None
            try:
                status = os.fstat(file)
                self._check(path, status)
                if status.st_nlink == 0 and self._is_detached is False:
                    self._is_detached = self._is_still_at_path(status)
                with open(file, "rb", closefd=False) as stream:
                    content = stream.read(_LARGEST_FILE + 1)
            finally:
                os.close(file)
        return self._sized(content)

    def _sized(self, content: bytes) -> bytes:
        if len(content) > _LARGEST_FILE:
            raise TokenFileError("Too large to be a token file", path=self.path)
        return content

    def _text(self, content: bytes) -> str | None:
        try:
            text = content.decode("utf-8-sig")
        except UnicodeDecodeError:
            from ._file_kinds import kind_of_bytes

            problem, advice = kind_of_bytes(content)
            raise TokenFileError(f"Not a token: {problem}", path=self.path, advice=advice) from None
        # Blank: created by `touch`, for example to be mounted into a container. Zeros: a power cut.
        return text if text.strip("\0 \t\r\n") else None

    def _swap(self, before: str | None, content: bytes) -> bool:
        target, status = self._target()
        owned = token_of_client(target) if status is None and self._is_client else status
        with self._naming_the_file("The token file cannot be written"):
            try:
                with temporary_file(target, content, owned) as temporary:
                    if self.read() != before:
                        return False
                    os.replace(temporary, target)
                _file_write.sync_folder(target)
            except OSError as error:
                if status is None or error.errno not in NO_RENAME:
                    raise
                if self.read() != before:
                    return False
                _file_write.write_in_place(target, content, status)
        return True

    def _target(self) -> tuple[str, os.stat_result | None]:
        """Return the file to write, which is where links lead, and its status. For a login, a trap is refused."""
        if not os.path.basename(self.absolute):
            raise TokenFileError("The path does not name a file", path=self.path)
        status = None
        with self._naming_the_file("The token file cannot be written"):
            target, planted_link = follow_links(self.absolute)
            with suppress(FileNotFoundError):
                status = os.stat(target)
            self._check(target, status, planted_link)
        return target, status

    def _is_still_at_path(self, status: os.stat_result) -> bool:
        """Whether a file that was unlinked is still at this path: only a mount can keep it there."""
        with suppress(OSError):
            counts_links = os.stat(os.path.dirname(self.absolute)).st_nlink > 0  # some FUSE file systems do not
            return counts_links and os.path.samestat(status, os.stat(self.absolute))
        return False

    def _check(self, target: str, status: os.stat_result | None, planted_link: str | None = None) -> None:
        """Raise if there is something other than a regular file; for a login, also if it may be a trap."""
        folder, client = os.path.dirname(target), target if self._is_client else ""
        if self._is_for_login and (planted_link or (status and may_be_planted(folder, status, client))):
            what, advice = "file" if planted_link is None else "link", "It may be a trap: use a folder of your own."
            problem = f"The {what} belongs to another user, who may have put it there"
            raise TokenFileError(problem, path=planted_link or self.path, advice=advice)
        if status is None or stat.S_ISREG(status.st_mode):
            return
        from ._file_kinds import FOLDER

        problem, advice = FOLDER if stat.S_ISDIR(status.st_mode) else ("it is not a regular file", "")
        raise TokenFileError(f"Not a token file: {problem}", path=self.path, advice=advice)
