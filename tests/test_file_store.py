# SPDX-License-Identifier: MIT
"""The token file: ytmusicapi's to the byte, refused without being quoted or touched, and never half written."""

from __future__ import annotations

import errno
import json
import os
import re
import stat
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Final, NoReturn

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support import NOON
from ytmusic_oauth import TokenFileError, TokenFileNotFound
from ytmusic_oauth._file_lock import locked
from ytmusic_oauth._file_store import check_writable, read_token, write_token
from ytmusic_oauth.models import RefreshableTokenDict

ROOT: Final = Path(__file__).parents[1]
MIB: Final = 2**20
OLD: Final[RefreshableTokenDict] = {
    "scope": "https://www.googleapis.com/auth/youtube",
    "token_type": "Bearer",
    "access_token": "ya29.fake-old",
    "refresh_token": "1//fake-refresh",
    "expires_at": NOON,
    "expires_in": 3599,
}
NEW: Final[RefreshableTokenDict] = {**OLD, "access_token": "ya29.fake-new", "expires_at": NOON + 3599}
# As `json.dump(token, file, indent=True)` of ytmusicapi 1.12 writes them.
OLD_BYTES: Final = b"""{
 "scope": "https://www.googleapis.com/auth/youtube",
 "token_type": "Bearer",
 "access_token": "ya29.fake-old",
 "refresh_token": "1//fake-refresh",
 "expires_at": 1700000000,
 "expires_in": 3599
}"""
NEW_BYTES: Final = OLD_BYTES.replace(b"fake-old", b"fake-new").replace(b"1700000000", b"1700003599")

posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has other modes, links and owners")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A token file, alone in its directory."""
    file = tmp_path / "oauth.json"
    file.write_bytes(OLD_BYTES)
    file.chmod(0o600)
    return file


def write(file: Path, token: RefreshableTokenDict = NEW) -> None:
    with locked(str(file)) as exclusive:
        write_token(str(file), token, exclusive=exclusive)


def write_at(path: str) -> None:
    write(Path(path))


def is_alone(file: Path) -> bool:
    return list(file.parent.iterdir()) == [file]


def mode(file: Path) -> int:
    return stat.S_IMODE(file.stat().st_mode)


# ---- reading -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        OLD_BYTES,
        b"\xef\xbb\xbf" + OLD_BYTES,
        OLD_BYTES.replace(b"\n", b"\r\n") + b"\r\n",
        OLD_BYTES.replace(b'"scope"', b'"filepath": "/tmp/oauth.json",\n "scope"'),
        OLD_BYTES.replace(b"3599\n}", b'3599,\n "refresh_token_expires_in": 604799,\n "x": [null, {"y": 1.5}]\n}'),
        OLD_BYTES.replace(b'"Bearer"', b'"bearer"'),
        json.dumps(dict(reversed(OLD.items()))).encode(),
        OLD_BYTES + b" " * (MIB - len(OLD_BYTES)),
    ],
    ids=[
        "ytmusicapi",
        "byte order mark",
        "edited on Windows",
        "older ytmusicapi",
        "keys that nobody knows",
        "bearer in small letters",
        "another order and no line breaks",
        "as large as a file may be",
    ],
)
def test_what_other_programs_wrote_is_read(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    assert read_token(str(file)) == OLD
    assert file.read_bytes() == content


def test_a_lifetime_of_a_week_is_read_as_it_stands(file: Path) -> None:
    # ytmusicapi keeps the refresh token's there while the OAuth app is in "Testing".
    file.write_bytes(OLD_BYTES.replace(b"3599", b"604799"))
    assert read_token(str(file)) == {**OLD, "expires_in": 604799}


# Name -> what is in the file, the key that is named, and what must not be shown.
REFUSED: Final[Mapping[str, tuple[bytes, str | None]]] = {
    "not UTF-8": (OLD_BYTES.replace(b"ya29.", b"ya29.\xff"), None),
    "UTF-16": (OLD_BYTES.decode().encode("utf-16"), None),
    "not JSON": (OLD_BYTES[:-1], None),
    "cut short in a secret": (OLD_BYTES[: OLD_BYTES.index(b"fake-refresh") + 6], None),
    "a line before": (b"fake-old:\n" + OLD_BYTES, None),
    "a second document": (OLD_BYTES * 2, None),
    "a list": (b"[" + OLD_BYTES + b"]", None),
    "too many brackets": (b'{"scope":' * 100_000, None),
    "a key twice": (OLD_BYTES.replace(b'"expires_at"', b'"access_token": "x", "expires_at"'), None),
    "a number of a thousand digits": (OLD_BYTES.replace(b"1700000000", b"17" * 500), None),
    "too large": (OLD_BYTES + b" " * (MIB - len(OLD_BYTES) + 1), None),
    **{f"no {key}": (json.dumps({**OLD, key: None}).encode(), key) for key in OLD},
    **{f"{key} is a list": (json.dumps({**OLD, key: ["fake-old"]}).encode(), key) for key in OLD},
    "another token_type": (OLD_BYTES.replace(b"Bearer", b"fake-old"), "token_type"),
    "a line break in a token": (OLD_BYTES.replace(b"ya29.", b"ya29.\\n"), "access_token"),
    "expires_at as text": (OLD_BYTES.replace(b"1700000000", b'"1700000000"'), "expires_at"),
    "expires_at in milliseconds": (OLD_BYTES.replace(b"1700000000", b"1700000000000"), "expires_at"),
    "expires_in of a century": (OLD_BYTES.replace(b"3599", b"3155760000"), "expires_in"),
}


@pytest.mark.parametrize(("content", "key"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_token_is_refused_by_path_and_key_and_left_alone(
    file: Path, content: bytes, key: str | None
) -> None:
    file.write_bytes(content)
    before = file.stat()
    with pytest.raises(TokenFileError) as refused:
        read_token(str(file))
    assert not isinstance(refused.value, TokenFileNotFound)
    assert (refused.value.path, refused.value.key, refused.value.retryable) == (str(file), key, False)
    sentence = str(refused.value)
    assert re.match(
        r"This is (too large to be a token file\.|no token file: [a-z_]+ [a-z]+ )", sentence[len(f"{file}: ") :]
    )
    assert sentence.startswith(f"{file}: ")
    assert key is None or f" {key} " in sentence
    for secret in ("fake-old", "fake-refresh", "17000", "3155760000"):
        assert secret not in "".join(traceback.format_exception(refused.value))
    after = file.stat()
    assert file.read_bytes() == content
    assert (after.st_ino, after.st_mtime_ns, after.st_mode) == (before.st_ino, before.st_mtime_ns, before.st_mode)
    assert is_alone(file)


def test_a_missing_file_is_a_file_not_found_that_says_to_log_in(tmp_path: Path) -> None:
    path = str(tmp_path / "oauth.json")
    with pytest.raises(FileNotFoundError, match="Log in") as missing:
        read_token(path)
    assert isinstance(missing.value, TokenFileNotFound)
    assert (missing.value.path, missing.value.filename, missing.value.errno) == (path, path, errno.ENOENT)
    assert str(missing.value).startswith(f"{path}: ")


@pytest.mark.parametrize("content", [b"", b"\n"], ids=["no byte", "a line break"])
def test_an_empty_file_is_a_login_that_is_yet_to_be_made(file: Path, content: bytes) -> None:
    # `touch oauth.json`, before it is mounted into a container.
    file.write_bytes(content)
    with pytest.raises(TokenFileNotFound, match=r"The token file is empty\. Log in") as empty:
        read_token(str(file))
    assert empty.value.path == str(file)


def make_fifo(path: Path) -> None:
    if sys.platform == "win32":
        pytest.skip("there are no FIFOs in directories")
    else:
        os.mkfifo(path)


def make_device(path: Path) -> None:
    if not Path("/dev/zero").exists():
        pytest.skip("there are no devices in directories")
    path.symlink_to("/dev/zero")


@pytest.mark.parametrize("make", [Path.mkdir, make_fifo, make_device], ids=["directory", "FIFO", "endless device"])
def test_what_is_no_regular_file_is_neither_waited_for_nor_replaced(
    tmp_path: Path, make: Callable[[Path], None]
) -> None:
    path = tmp_path / "oauth.json"
    make(path)
    kind = stat.S_IFMT(path.stat().st_mode)
    for use in (read_token, write_at):
        with pytest.raises(TokenFileError, match=r"oauth\.json: (This is no regular file|.*Is a directory)") as refused:
            use(str(path))
        assert refused.value.path == str(path)
    assert stat.S_IFMT(path.stat().st_mode) == kind
    assert is_alone(path)


@pytest.mark.skipif(sys.platform == "win32", reason="a file with a hole in it takes its room")
def test_a_file_of_any_size_fills_no_memory(file: Path) -> None:
    with file.open("r+b") as large:
        large.truncate(2**42)
    with pytest.raises(TokenFileError, match="too large"):
        read_token(str(file))


def test_a_path_through_a_file_is_refused(file: Path) -> None:
    for use in (read_token, write_at):
        with pytest.raises(TokenFileError, match=r" cannot be (read|written): ") as refused:
            use(str(file / "oauth.json"))
        assert refused.value.path == str(file / "oauth.json")
    assert file.read_bytes() == OLD_BYTES


def test_a_path_that_names_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TokenFileError, match=r"/: This names no file\."):
        write_token(f"{tmp_path}/", NEW, exclusive=False)


# ---- writing -------------------------------------------------------------------------------------


def test_a_written_file_is_ytmusicapis_to_the_byte(tmp_path: Path) -> None:
    file = tmp_path / "oauth.json"
    write(file, OLD)
    assert file.read_bytes() == OLD_BYTES == json.dumps(OLD, indent=True).encode()
    write(file, NEW)
    assert file.read_bytes() == NEW_BYTES
    assert is_alone(file)


CREDENTIALS: Final = st.text(st.characters(min_codepoint=ord("!"), max_codepoint=ord("~")), min_size=1)


@given(
    scope=st.text(st.characters()).filter(lambda scope: json.loads(json.dumps(scope)) == scope),
    access_token=CREDENTIALS,
    expires_at=st.integers(0, 10**11),
    expires_in=st.integers(0, 10 * 365 * 24 * 3600),
)
def test_what_is_written_is_read(
    file: Path, scope: str, access_token: str, expires_at: int, expires_in: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Any token that can be held comes back from a file as it was, and the file is what ytmusicapi would write."""
    monkeypatch.setattr(os, "fsync", lambda _: None)  # a hundred of them take their time
    token: RefreshableTokenDict = {
        "scope": scope,
        "token_type": "Bearer",
        "access_token": access_token,
        "refresh_token": access_token[::-1],
        "expires_at": expires_at,
        "expires_in": expires_in,
    }
    write(file, token)
    assert read_token(str(file)) == token
    assert file.read_bytes() == json.dumps(token, indent=True).encode()


@posix
@pytest.mark.parametrize("umask", [0o777, 0o077, 0], ids=oct)
@pytest.mark.parametrize(
    "before", [None, 0o600, 0o644, 0o666, 0o400], ids=lambda before: "new" if before is None else oct(before)
)
def test_a_file_is_its_owners_alone_whatever_it_was(file: Path, umask: int, before: int | None) -> None:
    if before is None:
        file.unlink()
    else:
        file.chmod(before)
    usual = os.umask(umask)
    try:
        write(file)
    finally:
        os.umask(usual)
    assert mode(file) == 0o600
    assert file.read_bytes() == NEW_BYTES


def test_a_new_file_is_written_beside_the_old_one_and_what_a_killed_writer_left_is_cleaned_up(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rename works within one file system."""
    moved: list[Path] = []
    real = os.replace

    def watched(source: str, target: str) -> None:
        moved.append(Path(source))
        real(source, target)

    monkeypatch.setattr(os, "replace", watched)
    file.with_name("oauth.json.tmp").touch()
    write(file)
    assert [each.parent for each in moved] == [file.parent]
    assert is_alone(file)


@posix
def test_a_file_is_private_before_its_first_byte(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    modes: list[int] = []
    real = os.write

    def watched(descriptor: int, content: bytes) -> int:
        modes.append(stat.S_IMODE(os.fstat(descriptor).st_mode))
        return real(descriptor, content)

    monkeypatch.setattr(os, "write", watched)
    usual = os.umask(0)
    try:
        write(file)
    finally:
        os.umask(usual)
    assert modes == [0o600]


@posix
@pytest.mark.parametrize("target", ["exists", "is yet to be made"])
def test_a_symbolic_link_is_followed_and_stays(file: Path, tmp_path: Path, target: str) -> None:
    (tmp_path / "home").mkdir()
    link = tmp_path / "home" / "link.json"
    link.symlink_to("../oauth.json")
    if target != "exists":
        file.unlink()
    write(link)
    assert link.is_symlink()
    assert file.read_bytes() == NEW_BYTES
    assert not file.is_symlink()
    assert list(link.parent.iterdir()) == [link]


def test_a_circle_of_links_is_refused(tmp_path: Path) -> None:
    link = tmp_path / "oauth.json"
    link.symlink_to(link)
    for use in (read_token, write_at):
        with pytest.raises(TokenFileError) as refused:
            use(str(link))
        assert refused.value.path == str(link)


def test_when_root_writes_the_owner_stays(file: Path) -> None:
    if sys.platform == "win32" or os.geteuid() != 0:
        pytest.skip("only root can give a file away")
    else:
        os.chown(file, 4242, 4343)
        write(file)
        status = file.stat()
        assert (status.st_uid, status.st_gid, mode(file)) == (4242, 4343, 0o600)
        assert file.read_bytes() == NEW_BYTES


def failing(number: int) -> Callable[[object], NoReturn]:
    def fail(*_: object) -> NoReturn:
        raise OSError(number, os.strerror(number))

    return fail


@pytest.mark.parametrize("number", [errno.EBUSY, errno.EPERM, errno.EACCES, errno.EXDEV], ids=errno.errorcode.get)
@pytest.mark.parametrize("padding", [b"", b"\n" * 500], ids=["as long", "shorter"])
def test_where_a_rename_cannot_work_it_is_written_in_place(
    file: Path, monkeypatch: pytest.MonkeyPatch, number: int, padding: bytes
) -> None:
    # EBUSY: the file alone is mounted into a container.
    file.write_bytes(OLD_BYTES + padding)
    file.chmod(0o644)
    inode = file.stat().st_ino
    monkeypatch.setattr(os, "replace", failing(number))
    write(file)
    assert file.read_bytes() == NEW_BYTES
    assert file.stat().st_ino == inode
    assert sys.platform == "win32" or mode(file) == 0o600
    assert is_alone(file)


def test_a_disk_that_fills_up_in_place_leaves_the_old_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The worst place to be cut off: between the new access token and the old refresh token."""
    room = OLD_BYTES.index(b"refresh_token")
    write_for_real = os.write

    def write_what_fits(number: int, content: bytes) -> int:
        left = room - os.lseek(number, 0, os.SEEK_CUR)
        if left <= 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write_for_real(number, content[:left])

    monkeypatch.setattr(os, "open", partial(only_what_is_there, os.open))
    monkeypatch.setattr(os, "write", write_what_fits)
    with pytest.raises(TokenFileError, match="No space left"):
        write_token(str(file), NEW, exclusive=True)
    assert file.read_bytes() == OLD_BYTES


def only_what_is_there(open_for_real: Callable[[str, int, int], int], path: str, flags: int, mode: int = 0o777) -> int:
    """As in a folder that may not be written."""
    if flags & os.O_CREAT:
        raise OSError(errno.EACCES, os.strerror(errno.EACCES))
    return open_for_real(path, flags, mode)


def test_ctrl_c_in_place_leaves_a_whole_token(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> NoReturn:
        raise KeyboardInterrupt

    file.write_bytes(OLD_BYTES + b"\n" * 500)
    monkeypatch.setattr(os, "replace", failing(errno.EBUSY))
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", interrupt)
        with pytest.raises(KeyboardInterrupt):
            write_token(str(file), NEW, exclusive=False)
    assert read_token(str(file)) in (OLD, NEW)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no modes")
def test_a_file_system_without_modes_keeps_a_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # As the memory cards of phones and televisions do.
    monkeypatch.setattr(os, "fchmod", failing(errno.EPERM))
    write(tmp_path / "oauth.json")
    assert read_token(str(tmp_path / "oauth.json")) == NEW
    monkeypatch.setattr(os, "replace", failing(errno.EBUSY))
    write(tmp_path / "oauth.json", OLD)
    assert read_token(str(tmp_path / "oauth.json")) == OLD


@pytest.mark.parametrize(("number", "saved"), [(errno.EINVAL, True), (errno.EIO, False)], ids=["cannot", "failed"])
def test_a_file_system_that_cannot_sync_keeps_a_token(
    file: Path, monkeypatch: pytest.MonkeyPatch, number: int, saved: bool
) -> None:
    monkeypatch.setattr(os, "fsync", failing(number))
    with nullcontext() if saved else pytest.raises(TokenFileError):
        write(file)
    assert read_token(str(file)) == (NEW if saved else OLD)


def test_in_place_there_is_a_token_at_every_moment(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the write and the cut, what was longer before ends in spaces."""
    file.write_bytes(OLD_BYTES + b"\n" * 500)
    monkeypatch.setattr(os, "replace", failing(errno.EBUSY))
    monkeypatch.setattr(os, "ftruncate", failing(errno.EIO))
    with pytest.raises(TokenFileError):
        write(file)
    assert read_token(str(file)) in (OLD, NEW)


@pytest.mark.parametrize("call", ["open", "write", "fsync", "close", "replace"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EMFILE], ids=errno.errorcode.get)
def test_a_failure_leaves_the_old_file_and_names_it(
    file: Path, monkeypatch: pytest.MonkeyPatch, call: str, number: int
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(os, call, failing(number))
        with pytest.raises(TokenFileError) as failed:
            write_token(str(file), NEW, exclusive=True)
    assert failed.value.path == str(file)
    assert os.strerror(number) in str(failed.value)
    assert file.read_bytes() == OLD_BYTES
    assert is_alone(file)


def test_a_login_has_a_place_where_only_the_file_itself_can_be_written(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a single file that is mounted into a container."""
    real = os.open

    def mounted(path: str, flags: int, mode: int = 0o777) -> int:
        if flags & os.O_CREAT:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        return real(path, flags, mode)

    monkeypatch.setattr(os, "open", mounted)
    check_writable(str(file))
    with pytest.raises(TokenFileError, match="No token file can be written here: Read-only"):
        check_writable(str(tmp_path / "other.json"))


def test_what_the_next_holder_of_the_lock_writes_beside_it_is_left_alone(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It can have the lock of the new file as soon as that is in its place."""
    real = os.replace

    def replaced_and_the_next_begins(source: str, target: str) -> None:
        real(source, target)
        Path(source).write_text("theirs")

    monkeypatch.setattr(os, "replace", replaced_and_the_next_begins)
    write_token(str(file), NEW, exclusive=True)
    assert Path(f"{file}.tmp").read_text() == "theirs"


def test_a_new_file_in_a_directory_that_is_not_there_is_refused(tmp_path: Path) -> None:
    path = str(tmp_path / "missing" / "oauth.json")
    with pytest.raises(TokenFileError) as failed:
        write(Path(path))
    assert failed.value.path == path
    assert list(tmp_path.iterdir()) == []


WRITER: Final = """
import os, signal, sys
from ytmusic_oauth._file_lock import locked
from ytmusic_oauth._file_store import read_token, write_token
path = sys.argv[1]
token = {**read_token(path), "access_token": "ya29.fake-new", "expires_at": 1700003599}
exec(sys.argv[2])
with locked(path) as exclusive:
    write_token(path, token, exclusive=exclusive)
"""


def written_by_a_child(file: Path, spoiler: str) -> subprocess.CompletedProcess[str]:
    """Write from another process, after a statement that spoils it."""
    command = [sys.executable, "-c", WRITER, str(file), spoiler]
    return subprocess.run(command, capture_output=True, check=False, cwd=ROOT, text=True)


@posix
def test_in_a_directory_that_may_not_be_written_it_is_written_in_place() -> None:
    # By somebody who is not root: to root, every directory may be written. Theirs is not pytest's, which is private.
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory, "oauth.json")
        file.write_bytes(OLD_BYTES)
        file.chmod(0o666)
        file.parent.chmod(0o555)
        child = written_by_a_child(file, "os.geteuid() or os.setuid(4242)")
        content, alone = file.read_bytes(), is_alone(file)
        file.parent.chmod(0o700)
    assert child.stderr == ""
    assert content == NEW_BYTES
    assert alone


@posix
def test_a_full_disk_leaves_the_old_file_and_no_litter(file: Path) -> None:
    child = written_by_a_child(file, "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))")
    assert "TokenFileError" in child.stderr
    assert file.read_bytes() == OLD_BYTES
    assert is_alone(file)


@posix
@pytest.mark.parametrize("moment", ["write", "fsync", "replace"])
def test_a_writer_that_is_killed_leaves_the_old_file_and_the_next_one_cleans_up(file: Path, moment: str) -> None:
    child = written_by_a_child(file, f"os.{moment} = lambda *_: os.kill(os.getpid(), signal.SIGKILL)")
    assert child.returncode == -9
    assert file.read_bytes() == OLD_BYTES
    assert not is_alone(file)
    write(file)
    assert file.read_bytes() == NEW_BYTES
    assert is_alone(file)
