# SPDX-License-Identifier: MIT
"""The token file: in ytmusicapi's format to the byte, never quoted in an error, and never half written."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final, NoReturn

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.posix import chown, fchown, lchown, needs_root
from tests.support import NOON
from ytmusic_oauth import TokenFileError, TokenFileNotFound, _file_write
from ytmusic_oauth._client_file import Client, client_document
from ytmusic_oauth._file_owner import follow_links, may_be_planted
from ytmusic_oauth._file_store import FileStore
from ytmusic_oauth._file_write import temporary_name
from ytmusic_oauth._store_access import cause, load_token
from ytmusic_oauth._token_text import token_text
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

TORTURE: Final = os.environ.get("YTMUSIC_OAUTH_TORTURE") == "1"

posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has other modes, links and owners")
# A file that cannot be read is read again for a second: the clock passes at once.
pytestmark = pytest.mark.usefixtures("clock")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A token file, alone in its directory."""
    file = tmp_path / "oauth.json"
    file.write_bytes(OLD_BYTES)
    file.chmod(0o600)
    return file


def load(file: Path) -> RefreshableTokenDict:
    return load_token(FileStore(file))


def write(file: Path, token: RefreshableTokenDict = NEW) -> None:
    store = FileStore(file)
    with store.lock(0):
        assert store.replace(store.read(), token_text(token))


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
        OLD_BYTES + b" " * (2 * MIB - len(OLD_BYTES)),
    ],
    ids=[
        "ytmusicapi",
        "byte order mark",
        "edited on Windows",
        "older ytmusicapi",
        "unknown keys",
        "bearer in small letters",
        "another order and no line breaks",
        "as large as a file may be",
    ],
)
def test_files_written_by_other_programs_are_read(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    assert load(file) == OLD
    assert file.read_bytes() == content


# What ytmusicapi reads -> what differs from `OLD` then.
TOLERATED: Final[Mapping[str, tuple[Mapping[str, object], Mapping[str, object]]]] = {
    "times as floats": ({"expires_at": NOON + 0.73, "expires_in": 3599.0}, {}),
    "times as text": ({"expires_at": str(NOON), "expires_in": "3599"}, {}),
    "no expires_at": ({"expires_at": None}, {"expires_at": 0}),
    "no times": ({"expires_at": None, "expires_in": None}, {"expires_at": 0, "expires_in": 0}),
    "a list of scopes": ({"scope": ["a", "b"]}, {"scope": "a b"}),
    "an empty list of scopes": ({"scope": []}, {"scope": ""}),
    "other keys": ({"filepath": "oauth.json", "refresh_token_expires_in": 604799}, {}),
}


@pytest.mark.parametrize("null", [True, False], ids=["null", "missing"])
@pytest.mark.parametrize(("stored", "read"), TOLERATED.values(), ids=TOLERATED)
def test_what_ytmusicapi_reads_is_read(
    file: Path, stored: Mapping[str, object], read: Mapping[str, object], null: bool
) -> None:
    content = {**OLD, **stored}
    file.write_text(
        json.dumps(content if null else {key: value for key, value in content.items() if value is not None})
    )
    assert load(file) == {**OLD, **read}


def test_all_missing_keys_are_named_at_once(file: Path) -> None:
    file.write_text('{"access_token": "ya29.fake-old", "refresh_token": null}')
    with pytest.raises(TokenFileError, match="scope, token_type, refresh_token are missing") as missing:
        load(file)
    assert missing.value.key == "scope"


def test_a_lifetime_of_a_week_is_read_as_it_is(file: Path) -> None:
    # ytmusicapi keeps the refresh token's there while the OAuth app is in "Testing".
    file.write_bytes(OLD_BYTES.replace(b"3599", b"604799"))
    assert load(file) == {**OLD, "expires_in": 604799}


# Name -> what is in the file, the key that is named, and what must not be shown.
INVALID: Final[Mapping[str, tuple[bytes, str | None]]] = {
    "not UTF-8": (OLD_BYTES.replace(b"ya29.", b"ya29.\xff"), None),
    "UTF-16": (OLD_BYTES.decode().encode("utf-16"), None),
    "not JSON": (OLD_BYTES[:-1], None),
    "cut short in a secret": (OLD_BYTES[: OLD_BYTES.index(b"fake-refresh") + 6], None),
    "a line before": (b"fake-old:\n" + OLD_BYTES, None),
    "a second document": (OLD_BYTES * 2, None),
    "a list": (b"[" + OLD_BYTES + b"]", None),
    "too many brackets": (b'{"scope":' * 100_000, None),
    "expires_at of a thousand digits": (OLD_BYTES.replace(b"1700000000", b"17" * 500), "expires_at"),
    "expires_at is NaN": (OLD_BYTES.replace(b"1700000000", b"NaN"), "expires_at"),
    "too large": (OLD_BYTES + b" " * (2 * MIB - len(OLD_BYTES) + 1), None),
    **{f"no {key}": (json.dumps({**OLD, key: None}).encode(), key) for key in OLD if not key.startswith("expires_")},
    **{f"{key} is a list": (json.dumps({**OLD, key: ["fake-old"]}).encode(), key) for key in OLD if key != "scope"},
    "scope is a list of numbers": (json.dumps({**OLD, "scope": [1, 2]}).encode(), "scope"),
    "another token_type": (OLD_BYTES.replace(b"Bearer", b"fake-old"), "token_type"),
    "a line break in a token": (OLD_BYTES.replace(b"ya29.", b"ya29.\\n"), "access_token"),
    "expires_at in words": (OLD_BYTES.replace(b"1700000000", b'"at noon"'), "expires_at"),
    "expires_at with a fraction, as text": (OLD_BYTES.replace(b"1700000000", b'"1700000000.5"'), "expires_at"),
    "expires_at is true": (OLD_BYTES.replace(b"1700000000", b"true"), "expires_at"),
    "expires_in is negative": (OLD_BYTES.replace(b"3599", b"-1.5"), "expires_in"),
    "expires_at in milliseconds": (OLD_BYTES.replace(b"1700000000", b"1700000000000"), "expires_at"),
    "expires_in of a century": (OLD_BYTES.replace(b"3599", b"3155760000"), "expires_in"),
}


@pytest.mark.parametrize(("content", "key"), INVALID.values(), ids=INVALID)
def test_an_invalid_file_is_rejected_by_path_and_key_and_not_touched(
    file: Path, content: bytes, key: str | None
) -> None:
    file.write_bytes(content)
    before = file.stat()
    with pytest.raises(TokenFileError) as refused:
        load(file)
    assert not isinstance(refused.value, TokenFileNotFound)
    assert (refused.value.path, refused.value.key, refused.value.retryable) == (str(file), key, False)
    sentence = str(refused.value)
    assert re.match(r"(Too large to be a token file\.|Not a token: [a-z_]+ [a-zA-Z]+ )", sentence[len(f"{file}: ") :])
    assert sentence.startswith(f"{file}: ")
    assert key is None or f" {key} " in sentence
    for secret in ("fake-old", "fake-refresh", "17000", "3155760000"):
        assert secret not in "".join(traceback.format_exception(refused.type, refused.value, refused.tb))
    after = file.stat()
    assert file.read_bytes() == content
    assert (after.st_ino, after.st_mtime_ns, after.st_mode) == (before.st_ino, before.st_mtime_ns, before.st_mode)
    assert is_alone(file)


def test_a_missing_file_raises_file_not_found_and_says_to_log_in(tmp_path: Path) -> None:
    path = str(tmp_path / "oauth.json")
    with pytest.raises(FileNotFoundError, match="Log in") as missing:
        load_token(FileStore(path))
    assert isinstance(missing.value, TokenFileNotFound)
    assert (missing.value.path, missing.value.filename, missing.value.errno) == (path, path, errno.ENOENT)
    assert str(missing.value).startswith(f"{path}: There is no token file here. Log in")


@pytest.mark.parametrize("content", [b"", b"\n"], ids=["no byte", "a line break"])
def test_an_empty_file_counts_as_missing(file: Path, content: bytes) -> None:
    # `touch oauth.json`, before it is mounted into a container.
    file.write_bytes(content)
    assert FileStore(file).read() is None
    with pytest.raises(TokenFileNotFound, match=r": The token file is empty\. Log in") as empty:
        load(file)
    assert empty.value.path == str(file)
    file.write_bytes(b"X" + content)
    assert FileStore(file).read(), "any letter is content"


NO_SUCH: Final = FileNotFoundError(errno.ENOENT, "No such file")
DENIED: Final = PermissionError(errno.EACCES, "Permission denied")


@pytest.mark.parametrize(
    ("is_absolute", "error", "shown"),
    [
        (True, OSError(), "OSError"),
        (True, NO_SUCH, "No such file"),
        (False, DENIED, "Permission denied"),
        (False, NO_SUCH, "No such file, in {folder}"),
    ],
    ids=str,
)
def test_a_relative_path_that_leads_nowhere_is_told_with_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_absolute: bool, error: OSError, shown: str
) -> None:
    monkeypatch.chdir(tmp_path)
    path = str(tmp_path / "oauth.json") if is_absolute else "oauth.json"
    told = f"{FileStore(path).failed('It failed', error)} "
    assert told.startswith(f"{path}: It failed: {shown.format(folder=os.getcwd())}. ")
    assert "Expand the path" not in told, "it does not begin with ~"


@pytest.mark.parametrize(
    ("problem", "reason"),
    [
        ("The token file cannot be read: No such file, in /a: b", "No such file, in /a: b"),
        ("Too large to be a token file", "Too large to be a token file"),
    ],
)
def test_the_reason_in_an_error_may_have_a_colon(problem: str, reason: str) -> None:
    """As in the name of a folder."""
    assert cause(TokenFileError(problem)) == reason


def make_fifo(path: Path) -> None:
    if sys.platform == "win32":
        pytest.skip("Windows has no FIFOs in folders")
    else:
        os.mkfifo(path)


def make_device(path: Path) -> None:
    if not Path("/dev/zero").exists():
        pytest.skip("there is no /dev/zero here")
    path.symlink_to("/dev/zero")


@pytest.mark.parametrize("make", [Path.mkdir, make_fifo, make_device], ids=["directory", "FIFO", "endless device"])
def test_anything_but_a_regular_file_is_rejected_at_once_and_not_replaced(
    tmp_path: Path, make: Callable[[Path], None]
) -> None:
    path = tmp_path / "oauth.json"
    make(path)
    kind = stat.S_IFMT(path.stat().st_mode)
    for use in (load, write):
        with pytest.raises(TokenFileError, match=r"oauth\.json: (Not a token file: |.*Is a directory)") as refused:
            use(path)
        assert refused.value.path == str(path)
        if make is not Path.mkdir:
            assert str(refused.value) == f"{path}: Not a token file: it is not a regular file. {TokenFileError.advice}"
    assert stat.S_IFMT(path.stat().st_mode) == kind
    assert is_alone(path)


@pytest.mark.skipif(sys.platform in {"win32", "emscripten"}, reason="a sparse file takes its full size")
def test_a_huge_file_is_not_read_into_memory(file: Path) -> None:
    with file.open("r+b") as large:
        large.truncate(2**42)
    with pytest.raises(TokenFileError, match="Too large"):
        load(file)


def test_a_path_through_a_file_is_rejected(file: Path) -> None:
    for use, done in ((load, "read"), (write, "(read|written)")):
        with pytest.raises(TokenFileError, match=f" cannot be {done}: ") as refused:
            use(file / "oauth.json")
        assert refused.value.path == str(file / "oauth.json")
    assert file.read_bytes() == OLD_BYTES


def test_a_path_that_ends_in_a_slash_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(TokenFileError, match=r"/: The path does not name a file\."):
        FileStore(f"{tmp_path}/").replace(None, "{}")


# ---- writing -------------------------------------------------------------------------------------


def test_a_written_file_has_the_bytes_that_ytmusicapi_writes(tmp_path: Path) -> None:
    file = tmp_path / "oauth.json"
    write(file, OLD)
    assert file.read_bytes() == OLD_BYTES == json.dumps(OLD, indent=True).encode()
    write(file, NEW)
    assert file.read_bytes() == NEW_BYTES
    assert is_alone(file)


def test_replace_compares_and_swaps(file: Path) -> None:
    store = FileStore(file)
    for before in (None, NEW_BYTES.decode(), f" {OLD_BYTES.decode()}"):
        assert not store.replace(before, "{}")
    assert file.read_bytes() == OLD_BYTES
    assert store.replace(OLD_BYTES.decode(), NEW_BYTES.decode())
    assert file.read_bytes() == NEW_BYTES
    assert is_alone(file)


def test_replace_creates_a_file_only_where_there_is_none(tmp_path: Path) -> None:
    store = FileStore(tmp_path / "oauth.json")
    assert not store.replace(OLD_BYTES.decode(), NEW_BYTES.decode())
    assert list(tmp_path.iterdir()) == []
    assert store.replace(None, NEW_BYTES.decode())
    assert store.read() == NEW_BYTES.decode()


def test_a_file_that_changes_while_the_new_one_is_written_is_kept(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As ytmusicapi changes it: in place, without a lock."""
    real = os.fsync

    def another_program_writes(number: int) -> None:
        real(number)
        file.write_bytes(b"theirs")

    monkeypatch.setattr(os, "fsync", another_program_writes)
    store = FileStore(file)
    assert not store.replace(OLD_BYTES.decode(), NEW_BYTES.decode())
    assert file.read_bytes() == b"theirs"
    assert is_alone(file)


def test_a_file_that_changes_before_a_write_in_place_is_kept(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def another_program_writes(*_: object) -> NoReturn:
        file.write_bytes(b"theirs")
        raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))

    monkeypatch.setattr(os, "replace", another_program_writes)
    assert not FileStore(file).replace(OLD_BYTES.decode(), NEW_BYTES.decode())
    assert file.read_bytes() == b"theirs"


def test_a_relative_path_keeps_its_folder_when_the_process_moves(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    store = FileStore("oauth.json")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert store.read() == OLD_BYTES.decode()
    assert store == FileStore(file)
    assert store.path == "oauth.json"


@pytest.mark.parametrize(
    "secret",
    [
        *('{"access_token": "fake"}', ' {\n "scope": "fake"', "1//fake", "GOCSPX-fake", "ya29.fake"),
        *(Path("1//0fake" + "A" * 40), " ya29.fake", "./ya29.fake", '"ya29.fake"', "'1//fake'", "Bearer ya29.fake"),
    ],
)
def test_a_path_that_looks_like_a_secret_is_rejected(secret: str | Path) -> None:
    with pytest.raises(TokenFileError, match=r"^This is a secret, not the path of a file\. .*from_json_text") as raised:
        FileStore(secret)
    assert "fake" not in str(raised.value)


@pytest.mark.parametrize("path", ["1/0.json", "1/0/oauth.json", "/1//oauth.json", "x ya29.json", "bearer/1.json"])
def test_a_path_that_is_no_secret_is_accepted(path: str) -> None:
    assert FileStore(path).path == path


def linked(times: int, status: os.stat_result) -> os.stat_result:
    return os.stat_result((*status[:3], times, *status[4:]))


@posix
def test_a_login_is_not_read_through_a_link_that_appears_meanwhile(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = tmp_path / "link"
    link.symlink_to(file)
    assert FileStore(link).read() == OLD_BYTES.decode()
    monkeypatch.setattr(FileStore, "_target", lambda store: (f"{link}", None))  # as before the link was there
    with pytest.raises(TokenFileError, match="The token file cannot be read: "):
        FileStore(link).for_login().read()


@posix
def test_a_mounted_file_is_warned_of_once_if_the_original_was_replaced(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, fstat, get_status = FileStore(file), os.fstat, os.stat
    assert (store.read(), store.new_warning()) == (OLD_BYTES.decode(), "")
    monkeypatch.setattr(os, "fstat", lambda opened: linked(0, fstat(opened)))
    for warning in ("Mount the folder instead", "", ""):
        assert store.read() == OLD_BYTES.decode()
        assert warning in (shown := store.new_warning())
        assert bool(shown) == bool(warning)
    for links in (0, 1):  # of a folder: some file systems do not count them, and some only its name
        store = FileStore(file)
        monkeypatch.setattr(os, "stat", lambda path, links=links: linked(links, get_status(path)))
        assert store.read() == OLD_BYTES.decode()
        assert bool(store.new_warning()) == bool(links)


def test_a_write_is_not_lost_where_leftovers_cannot_be_listed(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_file_write, "remove_leftovers", failing(errno.EACCES))
    write(file)
    assert file.read_bytes() == NEW_BYTES


def test_two_stores_are_equal_if_they_are_one_file(file: Path, tmp_path: Path) -> None:
    assert FileStore(file) == FileStore(tmp_path / "." / "oauth.json")
    assert FileStore(file) != FileStore(tmp_path / "other.json")
    assert FileStore(tmp_path / "other.json") == FileStore(tmp_path / "other.json")
    assert FileStore(file) != str(file)
    if hasattr(os, "link"):
        os.link(file, tmp_path / "backup.json")
        assert FileStore(file) != FileStore(tmp_path / "backup.json"), "a save separates hard links"


@posix
@pytest.mark.parametrize("name", ["oauth.json", "linked/oauth.json", "link"])
def test_two_stores_are_equal_while_another_process_replaces_the_file(
    file: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """As two files, they would be a new login and its store: an older token would be written over a newer one."""
    (file.parent / "linked").symlink_to(".")
    (file.parent / "link").symlink_to(file)
    stat, new = os.stat, file.parent / "new"

    def stat_and_replace(path: str, *, follow_symlinks: bool = True) -> os.stat_result:
        status = stat(path, follow_symlinks=follow_symlinks)
        new.write_bytes(OLD_BYTES)
        os.replace(new, file)
        return status

    monkeypatch.setattr(os, "stat", stat_and_replace)
    assert FileStore(file) == FileStore(file.parent / name)


CREDENTIALS: Final = st.text(st.characters(min_codepoint=ord("!"), max_codepoint=ord("~")), min_size=1)


@given(
    scope=st.text(st.characters()).filter(lambda scope: json.loads(json.dumps(scope)) == scope),
    access_token=CREDENTIALS,
    expires_at=st.integers(0, 10**11),
    expires_in=st.integers(0, 10 * 365 * 24 * 3600),
)
def test_any_token_survives_a_write_and_a_read(
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
    assert load(file) == token
    assert file.read_bytes() == json.dumps(token, indent=True).encode()


@posix
@pytest.mark.parametrize("umask", [0o777, 0o077, 0], ids=oct)
@pytest.mark.parametrize(
    "before", [None, 0o600, 0o644, 0o666, 0o400], ids=lambda before: "new" if before is None else oct(before)
)
def test_a_written_file_is_private_whatever_its_mode_was(file: Path, umask: int, before: int | None) -> None:
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


def test_a_new_file_is_written_in_the_same_folder_and_renamed(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A rename works only within one file system."""
    moved: list[Path] = []
    real = os.replace

    def watched(source: str, target: str) -> None:
        moved.append(Path(source))
        real(source, target)

    monkeypatch.setattr(os, "replace", watched)
    write(file)
    assert [each.parent for each in moved] == [file.parent]
    assert is_alone(file)


@pytest.mark.parametrize("is_new", [True, False], ids=["a new file", "a token"])
def test_what_could_not_be_read_again_is_not_written(file: Path, is_new: bool) -> None:
    if is_new:
        file.unlink()
    store, before = FileStore(file), None if is_new else OLD_BYTES.decode()
    with pytest.raises(TokenFileError, match=r"oauth\.json: Too large to be a token file\. "):
        store.replace(before, " " * (2 * MIB + 1))
    assert store.read() == before
    assert is_new or is_alone(file)


# ---- temporary files -----------------------------------------------------------------------------

TEMPORARY: Final = re.compile(r"oauth\.json\.ytmusic_oauth-[0-9a-f]{16}\.tmp")


def test_temporary_files_have_random_names_and_replace_nothing(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With one name for all, two writers that both believe to hold the lock would see the file of the other, empty."""
    names: list[str] = []
    real = os.open

    def watched(path: str, flags: int, mode: int = 0o777) -> int:
        if flags & os.O_CREAT and path != f"{file}.lock":
            assert flags & os.O_EXCL
            names.append(Path(path).name)
        return real(path, flags, mode)

    monkeypatch.setattr(os, "open", watched)
    for token in (NEW, OLD, NEW):
        write(file, token)
    assert len(set(names)) == 3
    assert all(TEMPORARY.fullmatch(name) for name in names)


def test_two_writers_that_both_have_the_lock_leave_a_whole_token(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some network and FUSE file systems grant a lock twice."""
    monkeypatch.setattr(os, "fsync", lambda _: None)
    texts = [OLD_BYTES.decode(), NEW_BYTES.decode()]

    def write_often() -> None:
        store = FileStore(file)
        for n in range(300):
            store.replace(store.read(), texts[n % 2])

    writers = [threading.Thread(target=write_often) for _ in range(2)]
    for writer in writers:
        writer.start()
    seen: set[str | None] = set()
    while any(writer.is_alive() for writer in writers):
        seen.add(FileStore(file).read())
    assert seen <= set(texts)
    assert is_alone(file)


@pytest.mark.one_clock  # the file system has its own
def test_files_of_other_programs_are_left_alone(file: Path) -> None:
    names = [
        "oauth.json.tmp", "oauth.json.0123456789abcdef.tmp", "oauth.json~", ".oauth.json.swp", "oauth.json.new",
        "other.json.ytmusic_oauth-0123456789abcdef.tmp", "oauth.json.ytmusic_oauth-0123456789abcdef.tmp.bak",
        "oauth.json.ytmusic_oauth-a-note.tmp",
    ]  # fmt: skip
    for name in names:
        file.with_name(name).write_text("theirs")
        os.utime(file.with_name(name), (NOON, NOON))
    write(file)
    assert sorted(each.name for each in file.parent.iterdir() if each.suffix != ".lock") == sorted([*names, file.name])


def leftover(file: Path, *, seconds_old: float) -> Path:
    path = file.with_name("oauth.json.ytmusic_oauth-0123456789abcdef.tmp")
    path.write_bytes(NEW_BYTES)
    os.utime(path, (time.time() - seconds_old, time.time() - seconds_old))
    return path


@pytest.mark.one_clock  # the file system has its own
def test_an_old_temporary_file_of_ours_is_removed_under_the_lock(file: Path) -> None:
    path = leftover(file, seconds_old=4000)
    store = FileStore(file)
    assert store.replace(OLD_BYTES.decode(), NEW_BYTES.decode())
    assert path.exists(), "it was removed without the lock"
    with store.lock(0):
        assert not path.exists()


@pytest.mark.one_clock  # the file system has its own
def test_a_temporary_file_that_cannot_be_removed_keeps_no_other(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another user's in /tmp, for example."""
    removed, unlink = [], os.unlink

    def refuse_the_first(path: str) -> None:
        removed.append(path)
        if len(removed) == 1:
            raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))
        unlink(path)

    paths = [file.with_name(f"oauth.json.ytmusic_oauth-{digit * 16}.tmp") for digit in "123"]
    for path in paths:
        path.touch()
        os.utime(path, (NOON, NOON))
    monkeypatch.setattr(os, "unlink", refuse_the_first)
    FileStore(file).remove_leftovers()
    assert len(removed) == 3
    assert [path.exists() for path in paths].count(True) == 1


@pytest.mark.one_clock  # the file system has its own
@pytest.mark.parametrize("length", [10, 17, 18, 23, 24, 60])
def test_the_temporary_files_of_a_token_and_its_client_are_removed(tmp_path: Path, length: int) -> None:
    """A login that was killed leaves one of them. The latter has the client secret."""
    file = tmp_path / ("n" * length)
    for each in (file, file.with_name(f"{file.name}.client")):
        with temporary_name(str(each)) as left:
            pass
        Path(left).touch()
        os.utime(left, (NOON, NOON))
    others = {tmp_path / f"{beginning}.ytmusic_oauth-0123456789abcdef.tmp" for beginning in ("n", "n.client", "")}
    for other in others:
        other.touch()
        os.utime(other, (NOON, NOON))
    write(file)
    assert set(tmp_path.iterdir()) == {file, *others}


@pytest.mark.one_clock  # the file system has its own
def test_a_recent_temporary_file_of_ours_is_kept(file: Path) -> None:
    """Where the file system grants a lock twice, another process may be writing it."""
    path = leftover(file, seconds_old=3000)
    write(file)
    assert path.exists()


@pytest.mark.one_clock  # the file system has its own
@posix
def test_an_old_temporary_file_is_kept_where_there_are_no_locks(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = leftover(file, seconds_old=4000)
    monkeypatch.setattr("fcntl.flock", failing(errno.ENOLCK))
    write(file)
    assert path.exists()


@pytest.mark.one_clock  # the file system has its own
@posix
def test_a_folder_or_a_link_with_the_name_of_a_temporary_file_is_kept(file: Path) -> None:
    folder = file.with_name("oauth.json.ytmusic_oauth-0123456789abcdef.tmp")
    link = file.with_name("oauth.json.ytmusic_oauth-0123456789abcde0.tmp")
    folder.mkdir()
    old = file.with_name("old.json")
    old.touch()
    link.symlink_to(old)
    for each in (folder, link, old):
        os.utime(each, (NOON, NOON), follow_symlinks=False)
    write(file)
    assert folder.exists()
    assert link.is_symlink()


@posix
@pytest.mark.parametrize(
    "name", ["n" * 255, "n" * 230 + ".json", "\N{EIGHTH NOTE}" * 85, "\N{MUSICAL SYMBOL G CLEF}" * 63]
)
def test_the_longest_names_work(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    FileStore(file).check_writable()
    for token in (OLD, NEW):
        write(file, token)
        assert load(file) == token
    assert is_alone(file)


@pytest.mark.one_clock  # the file system has its own
@posix
def test_a_leftover_of_a_long_name_is_removed(tmp_path: Path) -> None:
    file = tmp_path / ("n" * 255)
    file.write_bytes(OLD_BYTES)
    child = write_in_a_child(file, "os.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)")
    assert child.returncode == -9
    [left] = [each for each in tmp_path.iterdir() if each != file]
    os.utime(left, (NOON, NOON))
    write(file)
    assert is_alone(file)


# ---- private -------------------------------------------------------------------------------------


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
def test_a_symbolic_link_is_followed_and_kept(file: Path, tmp_path: Path, target: str) -> None:
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


def test_a_circle_of_links_is_rejected(tmp_path: Path) -> None:
    link = tmp_path / "oauth.json"
    link.symlink_to(link)
    for use in (load, write, lambda path: FileStore(path).check_writable()):
        with pytest.raises(TokenFileError, match=os.strerror(errno.ELOOP)) as refused:
            use(link)
        assert refused.value.path == str(link)
        assert "Check the symbolic links" in str(refused.value)
    with pytest.raises(TokenFileError, match="The token file cannot be written: "):
        FileStore(link).replace(None, "{}")


@posix
def test_a_path_leads_where_the_system_goes(tmp_path: Path) -> None:
    folder = os.path.realpath(tmp_path)
    os.makedirs(f"{folder}/a/b")
    os.symlink("a/b", f"{folder}/link")
    ways = {"link/../f": "a/f", "a//../f": "f", "a/./../f": "f", "link/c/f": "a/b/c/f"}
    assert {way: follow_links(f"{folder}/{way}") for way in ways} == {
        way: (f"{folder}/{target}", None) for way, target in ways.items()
    }


@posix
@pytest.mark.skipif(sys.platform == "emscripten", reason="it collapses .. without looking")
@pytest.mark.parametrize("way", ["missing/../oauth.json", "oauth.json/../oauth.json", "missing/."])
def test_a_path_through_what_is_not_a_folder_names_no_file(file: Path, way: str) -> None:
    """Reading it fails, so writing must not replace another file."""
    text, store = file.read_text(), FileStore(f"{file.parent}/{way}")
    for before in (None, text):
        with pytest.raises(TokenFileError, match="The token file cannot be written: No"):
            store.replace(before, "{}")
    assert file.read_text() == text
    assert os.listdir(file.parent) == ["oauth.json"]


def failing(number: int) -> Callable[[object], NoReturn]:
    def fail(*_: object) -> NoReturn:
        raise OSError(number, os.strerror(number))

    return fail


@pytest.mark.parametrize("number", [errno.EBUSY, errno.EPERM, errno.EACCES, errno.EXDEV], ids=errno.errorcode.get)
@pytest.mark.parametrize("padding", [b"", b"\n" * 500], ids=["as long", "shorter"])
def test_the_file_is_written_in_place_where_a_rename_cannot_work(
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


def test_a_full_disk_during_a_write_in_place_keeps_the_old_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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
        write(file)
    assert file.read_bytes() == OLD_BYTES


def only_what_is_there(open_for_real: Callable[[str, int, int], int], path: str, flags: int, mode: int = 0o777) -> int:
    """As in a folder that may not be written."""
    if flags & os.O_CREAT:
        raise OSError(errno.EACCES, os.strerror(errno.EACCES))
    return open_for_real(path, flags, mode)


def test_ctrl_c_during_a_write_in_place_leaves_a_whole_token(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> NoReturn:
        raise KeyboardInterrupt

    file.write_bytes(OLD_BYTES + b"\n" * 500)
    monkeypatch.setattr(os, "replace", failing(errno.EBUSY))
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", interrupt)
        with pytest.raises(KeyboardInterrupt):
            write(file)
    assert load(file) in (OLD, NEW)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no modes")
def test_a_file_system_without_modes_stores_a_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # As the memory cards of phones and televisions do.
    monkeypatch.setattr(os, "fchmod", failing(errno.EPERM))
    write(tmp_path / "oauth.json")
    assert load(tmp_path / "oauth.json") == NEW
    monkeypatch.setattr(os, "replace", failing(errno.EBUSY))
    write(tmp_path / "oauth.json", OLD)
    assert load(tmp_path / "oauth.json") == OLD


# ---- what the file system refuses ----------------------------------------------------------------


@pytest.mark.parametrize(
    "number",
    [errno.EINVAL, errno.EPERM, errno.EACCES, errno.EOPNOTSUPP, errno.ENOSYS, errno.EROFS],
    ids=errno.errorcode.get,
)
@pytest.mark.parametrize("place", ["renamed", "in place"])
def test_a_file_system_that_refuses_to_sync_stores_a_token(
    file: Path, monkeypatch: pytest.MonkeyPatch, number: int, place: str
) -> None:
    monkeypatch.setattr(os, "fsync", failing(number))
    if place == "in place":
        monkeypatch.setattr(os, "replace", failing(errno.EBUSY))
    write(file)
    assert load(file) == NEW


@pytest.mark.parametrize("place", ["renamed", "in place"])
def test_a_failed_sync_is_a_failed_write(file: Path, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    """EIO is not a refusal: the disk has lost what was written."""
    if place == "in place":
        monkeypatch.setattr(os, "replace", failing(errno.EBUSY))
    monkeypatch.setattr(os, "fsync", failing(errno.EIO))
    with pytest.raises(TokenFileError):
        write(file)
    assert load(file) == OLD


@posix
def test_the_folder_is_synced_after_the_rename(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Until then, a power cut brings the old file back."""
    done: list[str] = []
    real_sync, real_replace = os.fsync, os.replace

    def synced(number: int) -> None:
        done.append("folder synced" if stat.S_ISDIR(os.fstat(number).st_mode) else "file synced")
        real_sync(number)

    def renamed(source: str, target: str) -> None:
        done.append("renamed")
        real_replace(source, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", renamed)
    write(file)
    assert done == ["file synced", "renamed", "folder synced"]


@posix
def test_the_folder_that_a_link_leads_to_is_synced(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "home").mkdir()
    link = tmp_path / "home" / "link.json"
    link.symlink_to(file)
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda number: synced.append(os.fstat(number).st_ino))
    write(link)
    assert synced == [file.stat().st_ino, file.parent.stat().st_ino]


@posix
def test_a_folder_that_may_not_be_listed_stores_a_token(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.open

    def refuse_folders(path: str, flags: int, mode: int = 0o777) -> int:
        if Path(path).is_dir():
            raise OSError(errno.EACCES, os.strerror(errno.EACCES))
        return real(path, flags, mode)

    monkeypatch.setattr(os, "open", refuse_folders)
    write(file)
    assert load(file) == NEW


@posix
def test_a_folder_that_cannot_be_synced_is_a_failed_write(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.fsync

    def fail_for_folders(number: int) -> None:
        if stat.S_ISDIR(os.fstat(number).st_mode):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        real(number)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail_for_folders)
        with pytest.raises(TokenFileError):
            write(file)
    assert load(file) == NEW


@needs_root
@pytest.mark.skipif(not TORTURE, reason="mounts a disk image: only with YTMUSIC_OAUTH_TORTURE=1")
@pytest.mark.parametrize("is_new", [True, False], ids=["new file", "refreshed"])
def test_a_power_cut_after_a_write_keeps_the_new_token(tmp_path: Path, is_new: bool) -> None:
    """A power cut leaves what is on the disk: without a sync of the folder, that is the old file for 5 s."""
    image, copy = tmp_path / "disk", tmp_path / "copy"
    with image.open("wb") as disk:
        disk.truncate(32 * MIB)
    run("mkfs.ext4", "-q", "-F", str(image))
    with mounted(image, tmp_path / "before") as folder:
        file = folder / "oauth.json"
        if not is_new:
            write(file, OLD)
        run("sync")
        write(file, NEW)
        shutil.copyfile(image, copy)
    with mounted(copy, tmp_path / "after") as folder:
        assert (folder / "oauth.json").read_bytes() == NEW_BYTES
        assert [each.name for each in folder.iterdir() if each.name != "lost+found"] == ["oauth.json"]


def run(*command: str) -> None:
    program = shutil.which(command[0])
    if program is None:
        pytest.skip(f"{command[0]} is not installed")
    done = subprocess.run([program, *command[1:]], capture_output=True, check=False, text=True)
    if done.returncode != 0:
        pytest.skip(f"not possible here: {done.stderr}")


@contextmanager
def mounted(image: Path, folder: Path) -> Iterator[Path]:
    folder.mkdir()
    run("mount", "-o", "loop", str(image), str(folder))
    try:
        yield folder
    finally:
        run("umount", str(folder))


@needs_root
def test_root_keeps_the_owner_of_the_file(file: Path) -> None:
    chown(file, 4242, 4343)
    write(file)
    status = file.stat()
    assert (status.st_uid, status.st_gid, mode(file)) == (4242, 4343, 0o600)
    assert file.read_bytes() == NEW_BYTES
    assert is_alone(file)


@needs_root
@pytest.mark.parametrize("user", [0, 4242])
def test_the_group_of_the_file_is_kept(file: Path, user: int) -> None:
    """A quota or a backup may go by it."""
    chown(file, user, 4343)
    inode = file.stat().st_ino
    write(file)
    status = file.stat()
    assert (status.st_uid, status.st_gid, mode(file)) == (user, 4343, 0o600)
    assert status.st_ino != inode


@needs_root
def test_a_user_keeps_the_group_of_the_file_if_it_is_one_of_theirs() -> None:
    for group, kept in ((4343, 4343), (4444, 4242)):
        with tempfile.TemporaryDirectory() as directory:
            file = Path(directory, "oauth.json")
            file.write_bytes(OLD_BYTES)
            for each, its_group in ((file, group), (file.parent, 4242)):
                chown(each, 4242, its_group)
            child = write_in_a_child(file, "os.setgroups([4343]); os.setgid(4242); os.setuid(4242)")
            assert child.stderr == ""
            assert (file.stat().st_uid, file.stat().st_gid) == (4242, kept)
            assert file.read_bytes() == NEW_BYTES


@needs_root
@pytest.mark.parametrize(
    "number", [errno.EINVAL, errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EIO], ids=errno.errorcode.get
)
def test_a_file_whose_owner_cannot_be_kept_is_written_in_place(
    file: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    chown(file, 4242, 4343)
    inode = file.stat().st_ino
    monkeypatch.setattr(os, "fchown", failing(number))
    write(file)
    status = file.stat()
    assert (status.st_uid, status.st_gid, status.st_ino) == (4242, 4343, inode)
    assert file.read_bytes() == NEW_BYTES
    assert is_alone(file)


@needs_root
def test_a_file_system_that_ignores_a_new_owner_is_written_in_place(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chown(file, 4242, 4343)
    monkeypatch.setattr(os, "fchown", lambda *_: None)
    write(file)
    assert file.stat().st_uid == 4242
    assert file.read_bytes() == NEW_BYTES
    with pytest.raises(TokenFileError, match=os.strerror(errno.EPERM)):
        FileStore(file).client().replace(None, "for the same owner")


@needs_root
@pytest.mark.parametrize("user", [0, 4242])
def test_a_group_that_cannot_be_kept_does_not_matter(file: Path, monkeypatch: pytest.MonkeyPatch, user: int) -> None:
    chown(file, user, 4343)
    inode = file.stat().st_ino
    real = fchown

    def only_the_user(number: int, user: int, group: int) -> None:
        if group != -1:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        real(number, user, group)

    monkeypatch.setattr(os, "fchown", only_the_user)
    write(file)
    assert file.stat().st_uid == user
    assert file.stat().st_ino != inode


@posix
def test_the_group_and_the_owner_are_kept_each_by_itself(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "fchown", lambda _file, user, group: given.append((user, group)), raising=False)
    write(file)
    assert given == [(-1, file.stat().st_gid), (file.stat().st_uid, -1)]
    monkeypatch.delattr(os, "fchown")  # as in WebAssembly
    write(file, OLD)
    assert load(file) == OLD


@needs_root
def test_no_file_is_given_to_the_owner_that_stands_for_an_unknown_one(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chown(file, 65534, 65534)
    given: list[int] = []
    monkeypatch.setattr(os, "fchown", lambda _file, user, _group: given.append(user))
    write(file)
    assert given == []
    assert file.stat().st_uid == 65534
    assert file.read_bytes() == NEW_BYTES


@contextmanager
def in_a_user_namespace(mapped: str, *command: str) -> Iterator[subprocess.Popen[str]]:
    """Run a command as root of a new user namespace that knows the users of the host that are mapped."""
    unshare = shutil.which("unshare")
    if unshare is None:
        pytest.skip("unshare(1) is not installed")
    waiting = [unshare, "--user", "sh", "-c", 'read _ && exec "$@"', "sh", *command]  # root's rights come with `exec`
    pipe, own = subprocess.PIPE, os.readlink("/proc/self/ns/user")
    with subprocess.Popen(waiting, stdin=pipe, stderr=pipe, cwd=ROOT, text=True) as child:
        while child.poll() is None and os.readlink(f"/proc/{child.pid}/ns/user") == own:
            time.sleep(0.01)
        if child.poll() is not None:
            pytest.skip("no user namespace can be created here")
        for name in ("gid_map", "uid_map"):
            Path(f"/proc/{child.pid}/{name}").write_text(mapped)
        yield child


@needs_root
@pytest.mark.parametrize("mapped", ["0 0 1", "0 0 65536"], ids=["root alone", "the users of a rootless container"])
def test_root_of_a_user_namespace_stores_into_the_file_of_an_unmapped_user(mapped: str) -> None:
    """As in a rootless container whose file belongs to a user of the host."""
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory, "oauth.json")
        file.write_bytes(OLD_BYTES)
        file.chmod(0o666)
        chown(file, 100_000, 100_000)
        inode = file.stat().st_ino
        with in_a_user_namespace(mapped, sys.executable, "-c", WRITER, str(file), "") as child:
            _, stderr = child.communicate("\n", 60)
        assert stderr == ""
        status = file.stat()
        assert (status.st_uid, status.st_gid, status.st_ino) == (100_000, 100_000, inode)
        assert file.read_bytes() == NEW_BYTES
        assert is_alone(file)


@needs_root
def test_the_file_of_another_user_is_not_taken_away() -> None:
    """A user who may write the file and its folder could replace it, and its owner could not read it any more."""
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory, "oauth.json")
        file.write_bytes(OLD_BYTES)
        file.chmod(0o666)
        file.parent.chmod(0o777)
        child = write_in_a_child(file, "os.setuid(4242)")
        assert child.stderr == ""
        assert file.stat().st_uid == 0
        assert file.read_bytes() == NEW_BYTES
        assert is_alone(file)


# ---- the check before a login --------------------------------------------------------------------


def fails_the_check(path: Path, match: str) -> None:
    """The checks fail, and so does the write."""
    store = FileStore(path)
    for check in (store.check_room, store.check_writable):
        with pytest.raises(TokenFileError, match=match):
            check()
    with pytest.raises(TokenFileError):
        store.for_login().replace(store.read(), token_text(NEW))


@pytest.mark.parametrize("call", ["open", "write", "fsync", "close", "replace"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EDQUOT], ids=errno.errorcode.get)
@pytest.mark.parametrize("is_new", [True, False], ids=["no file", "a file"])
def test_the_check_fails_where_the_write_would(
    file: Path, monkeypatch: pytest.MonkeyPatch, call: str, number: int, is_new: bool
) -> None:
    if is_new:
        file.unlink()
    with monkeypatch.context() as patch:
        patch.setattr(os, call, failing(number))
        with pytest.raises(TokenFileError, match=os.strerror(number)):
            FileStore(file).check_writable()
    assert [each.read_bytes() for each in file.parent.iterdir()] == ([] if is_new else [OLD_BYTES])


def test_the_check_leaves_everything_as_it_was(file: Path) -> None:
    for content in (OLD_BYTES, b"", b"\n", OLD_BYTES.replace(b"\n", b"\r\n") + b" " * 5000):
        file.write_bytes(content)
        FileStore(file).check_writable()
        assert file.read_bytes() == content
        assert is_alone(file)
    file.unlink()
    FileStore(file).check_writable()
    assert list(file.parent.iterdir()) == []


def test_the_check_keeps_what_another_program_writes_meanwhile(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As ytmusicapi writes it, without the lock: a refresh, whose refresh token may be the only valid one."""
    real = FileStore._content

    def another_program_writes(store: FileStore) -> bytes | None:
        content = real(store)
        file.write_bytes(NEW_BYTES)
        return content

    monkeypatch.setattr(FileStore, "_content", another_program_writes)
    FileStore(file).check_writable()
    assert file.read_bytes() == NEW_BYTES
    assert is_alone(file)


def test_the_check_passes_while_another_thread_has_the_lock(file: Path) -> None:
    """Its refresh is not waited for."""
    checked: list[bool] = []

    def check() -> None:
        FileStore(file).check_writable()
        checked.append(True)

    with FileStore(file).lock(0):
        thread = threading.Thread(target=check)
        thread.start()
        thread.join(10)
    assert checked == [True]


def test_a_file_that_is_moved_away_during_the_check_is_no_problem(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The refresh would fail for good, with a folder that seems to be missing."""

    def moved_away(target: str) -> bool:
        file.rename(file.with_name("elsewhere"))
        return False

    monkeypatch.setattr("ytmusic_oauth._file_write.can_write_in_place", moved_away)
    FileStore(file).check_room()
    assert [each.name for each in file.parent.iterdir()] == ["elsewhere"]


@needs_root
@pytest.mark.parametrize("attribute", ["i", "a"], ids=["immutable", "append only"])
def test_the_check_finds_a_file_that_may_not_be_changed(file: Path, attribute: str) -> None:
    run("chattr", f"+{attribute}", str(file))
    try:
        fails_the_check(file, "Operation not permitted")
        assert is_alone(file)
    finally:
        run("chattr", f"-{attribute}", str(file))


@pytest.mark.parametrize(
    ("link", "replace", "write", "is_refused"),
    [
        pytest.param(errno.EXDEV, 0, errno.EROFS, True, id="mounted by itself, read-only"),
        pytest.param(errno.EXDEV, 0, errno.EACCES, True, id="mounted by itself, mode 0400"),
        pytest.param(errno.EXDEV, 0, 0, False, id="mounted by itself"),
        pytest.param(errno.EPERM, 0, errno.EPERM, True, id="immutable"),
        pytest.param(errno.EPERM, 0, 0, False, id="no hard links"),
        pytest.param(errno.EMLINK, 0, 0, False, id="no hard links in WebAssembly"),
        pytest.param(None, 0, errno.EACCES, True, id="no function for hard links"),
        pytest.param(0, errno.EACCES, errno.EACCES, True, id="read-only on Windows"),
        pytest.param(0, 0, errno.EACCES, False, id="mode 0400"),
    ],
)
def test_no_refresh_is_sent_if_the_file_could_neither_be_replaced_nor_written_over(
    file: Path, monkeypatch: pytest.MonkeyPatch, link: int | None, replace: int, write: int, is_refused: bool
) -> None:
    """In a folder that can be written, the new refresh token would end up beside the file, and be removed."""
    before, really_replace = file.stat(), os.replace

    def replace_file(source: str, target: str) -> None:
        if replace and os.path.exists(target):
            raise OSError(replace, os.strerror(replace))
        really_replace(source, target)

    monkeypatch.setattr(os, "replace", replace_file)
    if link == 0 and not hasattr(os, "link"):
        pytest.skip("this system has no hard links")
    if link is None:
        monkeypatch.delattr(os, "link", raising=False)
    elif link:
        monkeypatch.setattr(os, "link", failing(link), raising=False)
    if write:
        monkeypatch.setattr(_file_write, "open_in_place", failing(write))
    if is_refused:
        with pytest.raises(TokenFileError, match=f"No token file can be written here: {os.strerror(write)}"):
            FileStore(file).check_room()
    else:
        FileStore(file).check_room()
    after = file.stat()
    assert file.read_bytes() == OLD_BYTES
    assert (after.st_ino, after.st_mtime_ns, after.st_mode) == (before.st_ino, before.st_mtime_ns, before.st_mode)
    assert is_alone(file)


@needs_root
@pytest.mark.parametrize("is_mounted", [False, True])
def test_a_file_of_mode_0400_is_replaced_unless_it_is_mounted_by_itself(is_mounted: bool) -> None:
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory, "oauth.json")
        file.write_bytes(OLD_BYTES)
        file.chmod(0o400)
        for each in (file.parent, file):
            chown(each, 4242, 4242)
        if is_mounted:
            run("mount", "--bind", str(file), str(file))
        try:
            child = write_in_a_child(file, "os.setuid(4242); store.check_room()")
        finally:
            if is_mounted:
                run("umount", str(file))
        refusal = "No token file can be written here: Permission denied"
        assert refusal in child.stderr if is_mounted else child.stderr == ""
        assert file.read_bytes() == (OLD_BYTES if is_mounted else NEW_BYTES)
        assert is_alone(file)


@needs_root
@pytest.mark.parametrize("content", [None, OLD_BYTES, b""], ids=["no file", "a file", "an empty file"])
def test_the_check_finds_a_full_disk(tmp_path: Path, content: bytes | None) -> None:
    folder = tmp_path / "disk"
    folder.mkdir()
    run("mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder))
    try:
        file = folder / "oauth.json"
        if content is not None:
            file.write_bytes(content)
        with pytest.raises(OSError, match="No space left"):
            (folder / "large").write_bytes(b"x" * 2**17)
        fails_the_check(file, "No space left")
        assert content is None or file.read_bytes() == content
    finally:
        run("umount", str(folder))


@needs_root
def test_the_check_finds_a_file_that_is_mounted_read_only(file: Path) -> None:
    run("mount", "--bind", str(file), str(file))
    try:
        FileStore(file).check_writable()
        run("mount", "-o", "remount,bind,ro", str(file))
        fails_the_check(file, "Read-only")
    finally:
        run("umount", str(file))


@needs_root
def test_the_check_finds_a_file_of_an_unmapped_user_that_may_not_be_written() -> None:
    """With the owner, the write fails: to write it in place is not allowed, to take it away neither."""
    script = "import sys; from ytmusic_oauth._file_store import FileStore; FileStore(sys.argv[1]).check_writable()"
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory, "oauth.json")
        file.write_bytes(OLD_BYTES)
        file.chmod(0o644)
        chown(file, 100_000, 100_000)
        with in_a_user_namespace("0 0 1", sys.executable, "-c", script, str(file)) as child:
            _, stderr = child.communicate("\n", 60)
        assert f"TokenFileError: {file}: No token file can be written here: Permission denied" in stderr
        assert file.stat().st_uid == 100_000
        assert is_alone(file)


def test_the_check_needs_as_much_room_as_the_present_token_has(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_bytes(OLD_BYTES.ljust(6000))
    write = os.write

    def write_at_most(descriptor: int, content: bytes) -> int:
        if len(content) > 5000:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(descriptor, content)

    monkeypatch.setattr(os, "write", write_at_most)
    with pytest.raises(TokenFileError, match="No space left on device"):
        FileStore(file).check_room()


def test_the_check_writes_no_more_than_the_largest_token(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A path that names a video by mistake must not fill the disk."""
    with file.open("r+b") as stream:
        stream.truncate(2**30)
    written: list[int] = []
    write = os.write

    def write_and_note(descriptor: int, content: bytes) -> int:
        written.append(len(content))
        return write(descriptor, content)

    monkeypatch.setattr(os, "write", write_and_note)
    FileStore(file).check_room()
    assert max(written) == 2**21


@needs_root
def test_the_check_finds_a_file_that_can_neither_be_replaced_nor_written_in_place(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chown(file, 4242, 4242)
    monkeypatch.setattr(os, "fchown", failing(errno.EPERM))
    monkeypatch.setattr(_file_write, "open_in_place", failing(errno.EACCES))
    with pytest.raises(TokenFileError, match="No token file can be written here: Permission denied"):
        FileStore(file).check_room()


def test_the_check_replaces_the_file_as_a_login_would(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    replaced: list[str] = []
    replace = os.replace

    def replace_and_note(source: str, target: str) -> None:
        replaced.append(target)
        replace(source, target)

    monkeypatch.setattr(os, "replace", replace_and_note)
    FileStore(file).check_writable()
    assert str(file) in replaced
    assert file.read_bytes() == OLD_BYTES


def test_a_new_login_removes_the_client_of_the_one_before(file: Path) -> None:
    kept = Path(f"{file}.client")
    kept.write_text(client_document(Client("id", "secret")))
    assert FileStore(file).replace(OLD_BYTES.decode(), token_text(NEW))
    assert kept.exists()
    assert FileStore(file).for_login().replace(token_text(NEW), token_text(OLD))
    assert not kept.exists()


@needs_root
@pytest.mark.parametrize("is_mounted", [True, False], ids=["mounted read-only by itself", "immutable"])
def test_the_check_finds_a_client_that_a_new_login_could_not_remove(file: Path, is_mounted: bool) -> None:
    """The user would confirm the code, and then the login could not be saved."""
    kept = Path(f"{file}.client")
    kept.write_text(client_document(Client("id", "secret")))
    FileStore(file).check_writable()
    assert kept.exists()
    if is_mounted:
        run("mount", "--bind", str(kept), str(kept))
        run("mount", "-o", "remount,bind,ro", str(kept))
    else:
        run("chattr", "+i", str(kept))
    try:
        problem = rf"{kept}: The OAuth client of the last login cannot be removed: (Read-only|Operation not)"
        with pytest.raises(TokenFileError, match=problem):
            FileStore(file).check_writable()
        with pytest.raises(TokenFileError, match=rf"{kept}: The file cannot be removed: "):
            FileStore(file).for_login().replace(OLD_BYTES.decode(), token_text(NEW))
    finally:
        run("umount", str(kept)) if is_mounted else run("chattr", "-i", str(kept))


def test_the_check_looks_at_the_client_that_a_new_login_would_remove(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path(f"{file}.client").write_text(client_document(Client("id", "secret")))
    file.unlink()
    monkeypatch.setattr(_file_write, "open_in_place", failing(errno.EROFS))
    monkeypatch.setattr(os, "link", failing(errno.EXDEV), raising=False)
    FileStore(file.with_name("other.json")).check_writable()
    with pytest.raises(TokenFileError, match="The OAuth client of the last login cannot be removed: Read-only"):
        FileStore(file).check_writable()


# ---- folders that others can write to ------------------------------------------------------------

STICKY, OPEN, GROUPS = 0o1777, 0o777, 0o775


@pytest.fixture
def shared() -> Iterator[Path]:
    """A folder that every user can write. pytest's own folders are private."""
    with tempfile.TemporaryDirectory() as directory:
        folder = Path(directory)
        folder.chmod(STICKY)
        yield folder


FILE, LINK = stat.S_IFREG, stat.S_IFLNK


@pytest.mark.parametrize(
    ("user", "kind", "owner", "folder_mode", "folder_owner", "is_planted"),
    [
        (7, FILE, 7, OPEN, 8, False),
        (7, LINK, 7, OPEN, 8, False),
        (7, FILE, 8, OPEN, 7, True),
        (7, FILE, 8, STICKY, 0, True),
        (7, FILE, 8, 0o755, 7, False),
        (7, FILE, 8, GROUPS, 7, True),
        (7, FILE, 8, 0o755, 8, True),
        (7, FILE, 8, 0o755, 0, False),
        (7, FILE, 8, 0o755, 65534, False),
        (0, FILE, 8, GROUPS, 8, False),
        (0, FILE, 8, 0o755, 9, False),
        (7, FILE, 0, STICKY, 0, True),
        (7, LINK, 0, STICKY, 0, False),
        (7, LINK, 1, STICKY, 0, True),
    ],
)
def test_another_users_file_or_link_may_be_planted_where_that_user_can_write(
    monkeypatch: pytest.MonkeyPatch,
    user: int,
    kind: int,
    owner: int,
    folder_mode: int,
    folder_owner: int,
    is_planted: bool,
) -> None:
    def status(mode: int, user: int) -> os.stat_result:
        return os.stat_result((mode, 0, 0, 1, user, 0, 0, 0, 0, 0))

    monkeypatch.setattr(os, "geteuid", lambda: user, raising=False)
    with monkeypatch.context() as patch:
        patch.setattr(os, "stat", lambda _: status(folder_mode, folder_owner))
        planted = may_be_planted("/folder", status(kind, owner))
    assert planted is is_planted
    monkeypatch.delattr(os, "geteuid")  # as on Windows and in WebAssembly, where 0 owns every file
    assert not may_be_planted("/folder", status(kind, 0))


def refuses_a_new_login(path: Path, match: str) -> None:
    store = FileStore(path)
    with pytest.raises(TokenFileError, match=match):
        store.check_writable()
    for text in (None, OLD_BYTES.decode()):
        with pytest.raises(TokenFileError, match=match):
            store.for_login().replace(text, token_text(NEW))


@needs_root
@pytest.mark.parametrize("folder_mode", [STICKY, OPEN, GROUPS], ids=oct)
@pytest.mark.parametrize("content", [b"", OLD_BYTES, NEW_BYTES], ids=["empty", "a token", "the same token"])
def test_a_new_login_is_not_put_into_the_file_of_another_user(shared: Path, folder_mode: int, content: bytes) -> None:
    shared.chmod(folder_mode)
    file = shared / "oauth.json"
    file.write_bytes(content)
    file.chmod(0o666)
    chown(file, 4242, 4242)
    refuses_a_new_login(
        file, "The file belongs to another user, who may have put it there. It may be a trap: use a folder of your"
    )
    assert file.read_bytes() == content
    assert is_alone(file)


@needs_root
@pytest.mark.parametrize("folder_mode", [STICKY, OPEN, GROUPS], ids=oct)
@pytest.mark.parametrize("where", ["a link to a file", "a dangling link", "a link in the middle", "a link to a link"])
def test_a_new_login_does_not_follow_the_link_of_another_user(
    shared: Path, tmp_path: Path, folder_mode: int, where: str
) -> None:
    shared.chmod(folder_mode)
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    target, path, link = private / "oauth.json", shared / "oauth.json", shared / "oauth.json"
    if where == "a link to a file":
        target.write_bytes(OLD_BYTES)
    if where == "a link in the middle":
        link = shared / "way"
        path = link / "oauth.json"
        link.symlink_to(private)
    else:
        link.symlink_to(target)
    lchown(link, 4242, 4242)
    if where == "a link to a link":
        path = tmp_path / "mine.json"
        path.symlink_to(link)
    before = sorted(private.iterdir())
    refuses_a_new_login(path, f"{link}: The link belongs to another user, who may have put it")
    assert sorted(private.iterdir()) == before


@needs_root
def test_a_new_login_of_a_user_is_not_put_into_the_file_of_root(shared: Path) -> None:
    file = shared / "oauth.json"
    file.write_bytes(OLD_BYTES)
    file.chmod(0o666)
    script = WRITER.replace("store.replace", "store.for_login().replace")
    command = [sys.executable, "-c", script, str(file), "os.setuid(4242)"]
    child = subprocess.run(command, capture_output=True, check=False, cwd=ROOT, text=True)
    assert "belongs to another user" in child.stderr
    assert file.read_bytes() == OLD_BYTES


@needs_root
@pytest.mark.parametrize("kind", ["file", "link"])
@pytest.mark.parametrize("folder_mode", [STICKY, OPEN], ids=oct)
def test_a_new_login_is_put_into_a_file_of_the_same_user(
    shared: Path, tmp_path: Path, folder_mode: int, kind: str
) -> None:
    shared.chmod(folder_mode)
    file = shared / "oauth.json"
    if kind == "link":
        file.symlink_to(tmp_path / "mine.json")
    else:
        file.write_bytes(OLD_BYTES)
    store = FileStore(file)
    store.check_writable()
    assert store.for_login().replace(store.read(), token_text(NEW))
    assert load(file) == NEW


@needs_root
@pytest.mark.parametrize("folder_mode", [0o755, GROUPS], ids=oct)
def test_root_puts_a_new_login_into_the_file_of_the_folders_owner(shared: Path, folder_mode: int) -> None:
    """The service's own folder, and its own file: its owner keeps it."""
    shared.chmod(folder_mode)
    file = shared / "oauth.json"
    file.write_bytes(OLD_BYTES)
    for each in (shared, file):
        chown(each, 4242, 4242)
    store = FileStore(file)
    store.check_writable()
    assert store.for_login().replace(store.read(), token_text(NEW))
    assert file.stat().st_uid == 4242
    assert load(file) == NEW


@needs_root
@pytest.mark.parametrize(
    ("user", "owner", "folder", "token", "is_read"),
    [
        (7, 8, 7, 7, False),
        (7, 8, 7, 8, False),
        (7, 7, 7, 7, True),
        (7, 0, 7, 7, True),
        (0, 8, 0, 8, True),
        (0, 8, 8, 0, True),
        (0, 8, 0, 0, False),
        (0, 8, 9, 9, False),
        (0, 8, 0, None, False),
        (0, 1, 0, None, False),
    ],
)
def test_the_client_of_another_user_is_read_in_no_folder(
    file: Path, monkeypatch: pytest.MonkeyPatch, user: int, owner: int, folder: int, token: int | None, is_read: bool
) -> None:
    """While it is read, the owner of the folder may put another one in its place, which has our owner.

    Root reads that of a service, in whose folder or for whose token it logged in.
    """
    kept = file.with_name("oauth.json.client")
    kept.write_text("client")
    chown(kept, owner, owner)
    chown(kept.parent, folder, folder)
    if token is None:
        file.unlink()
    else:
        chown(file, token, token)
    store = FileStore(file).client()
    monkeypatch.setattr(os, "geteuid", lambda: user)
    if is_read:
        assert store.read() == "client"
    else:
        with pytest.raises(TokenFileError, match="belongs to another user"):
            store.read()


@needs_root
@pytest.mark.parametrize(("user", "owner", "gets"), [(0, 4242, 4242), (0, 0, 0), (7, 4242, 0)])
def test_root_keeps_the_client_for_the_owner_of_the_token(
    file: Path, monkeypatch: pytest.MonkeyPatch, user: int, owner: int, gets: int
) -> None:
    """Root logs in again for a service, which could else neither use the client nor log in itself."""
    chown(file.parent, 4242, 4242)
    chown(file, owner, owner)
    monkeypatch.setattr(os, "geteuid", lambda: user)
    store = FileStore(file).client()
    assert store.replace(None, "{}")
    status = Path(store.path).stat()
    assert (status.st_uid, status.st_gid, mode(Path(store.path))) == (gets, gets, 0o600)
    chown(Path(store.path), user, user)
    assert store.replace("{}", "{ }")
    assert Path(store.path).stat().st_uid == user, "a client that is there keeps its owner"


@needs_root
def test_no_client_is_kept_that_the_owner_of_the_token_could_not_read(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chown(file, 4242, 4242)
    monkeypatch.setattr(os, "fchown", failing(errno.EPERM))
    with pytest.raises(TokenFileError, match="The token file cannot be written: Operation not permitted"):
        FileStore(file).client().replace(None, "{}")
    assert is_alone(file)


def test_a_client_without_a_token_beside_it_is_kept(tmp_path: Path) -> None:
    store = FileStore(tmp_path / "oauth.json").client()
    assert store.replace(None, "{}")
    assert store.read() == "{}"


def test_keeping_a_client_removes_no_other_file(file: Path) -> None:
    others = [Path(f"{file}.client"), Path(f"{file}.client.client")]
    for each in others:
        each.write_text(client_document(Client("id", "secret")))
    assert FileStore(file).client().replace(others[0].read_text(), "{}")
    assert [each.exists() for each in others] == [True, True]


@needs_root
def test_a_refresh_is_saved_in_the_file_of_another_user(shared: Path) -> None:
    """The login is there already."""
    file = shared / "oauth.json"
    file.write_bytes(OLD_BYTES)
    chown(file, 4242, 4242)
    write(file)
    assert file.stat().st_uid == 4242
    assert load(file) == NEW


def link_of(user: int, folder: Path, target: Path) -> Path:
    """Return a link of this user to a token file."""
    target.write_bytes(OLD_BYTES)
    link = folder / "link.json"
    link.symlink_to(target)
    lchown(link, user, user)
    return link


@pytest.mark.one_clock  # the file system has its own
@needs_root
@pytest.mark.parametrize("folder_mode", [OPEN, GROUPS], ids=oct)  # Linux may refuse to follow it in a sticky one
def test_a_refresh_follows_the_link_of_another_user(shared: Path, tmp_path: Path, folder_mode: int) -> None:
    """Programs that use the file itself would send the old refresh token if the new one replaced the link."""
    shared.chmod(folder_mode)
    target = tmp_path / "oauth.json"
    link = link_of(4242, shared, target)
    old = leftover(target, seconds_old=7200)
    write(link)
    assert link.is_symlink()
    assert not target.is_symlink()
    assert target.read_bytes() == NEW_BYTES
    assert list(shared.iterdir()) == [link]
    assert not old.exists()


@needs_root
def test_the_file_is_removed_to_which_the_link_of_another_user_leads(shared: Path, tmp_path: Path) -> None:
    shared.chmod(OPEN)
    target = tmp_path / "oauth.json"
    link = link_of(4242, shared, target)
    assert FileStore(link).remove(OLD_BYTES.decode())
    assert link.is_symlink()
    assert not target.exists()


@needs_root
def test_the_link_of_another_user_is_followed_from_a_folder_that_we_cannot_write(shared: Path) -> None:
    """It is no circle."""
    (shared / "theirs").mkdir()
    target = shared / "oauth.json"
    link = link_of(4343, shared / "theirs", target)
    chown(target, 4242, 4242)
    (shared / "theirs").chmod(GROUPS)
    child = write_in_a_child(link, "os.setgroups([]); os.setgid(4242); os.setuid(4242)")
    assert child.stderr == ""
    assert link.is_symlink()
    assert target.read_bytes() == NEW_BYTES
    assert sorted(shared.iterdir()) == [target, shared / "theirs"]


@needs_root
def test_a_new_login_follows_the_link_of_root(shared: Path) -> None:
    """As in the image of a container, where root has made the links. Root does not need a trap."""
    private = shared / "private"
    private.mkdir(mode=0o700)
    target = private / "oauth.json"
    link = link_of(0, shared, target)
    for each in (private, target):
        chown(each, 4242, 4242)
    child = write_in_a_child(link, "os.setuid(4242); store.check_writable(); store = store.for_login()")
    assert child.stderr == ""
    assert link.is_symlink()
    assert target.read_bytes() == NEW_BYTES
    assert target.stat().st_uid == 4242


@needs_root
def test_a_circle_of_another_users_links_is_not_followed_forever(shared: Path) -> None:
    link = shared / "oauth.json"
    link.symlink_to(link)
    lchown(link, 4242, 4242)
    for use in (load, write, lambda path: FileStore(path).check_writable()):
        with pytest.raises(TokenFileError):
            use(link)


@needs_root
@pytest.mark.parametrize("moment", ["before the new file is written", "before the rename"])
def test_a_file_that_another_user_plants_meanwhile_does_not_receive_the_login(
    shared: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    file = shared / "oauth.json"
    planted: list[int] = []

    def plant() -> None:
        if not planted:
            file.touch()
            file.chmod(0o666)
            chown(file, 4242, 4242)
            planted.append(os.open(file, os.O_RDONLY))

    if moment == "before the rename":
        monkeypatch.setattr(os, "fsync", lambda _: plant())
    else:
        real = os.urandom

        def planted_meanwhile(size: int) -> bytes:
            plant()
            return real(size)

        monkeypatch.setattr(os, "urandom", planted_meanwhile)
    with pytest.raises(TokenFileError, match="The file belongs to another user"):
        FileStore(file).for_login().replace(None, token_text(NEW))
    assert os.read(planted[0], 10) == b""
    os.close(planted[0])


@needs_root
def test_a_file_that_another_user_plants_meanwhile_is_not_written_in_place(
    shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = shared / "oauth.json"
    file.write_bytes(OLD_BYTES)

    def replace(*_: object) -> NoReturn:
        file.unlink()
        file.write_bytes(OLD_BYTES)
        chown(file, 4242, 4242)
        raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))

    monkeypatch.setattr(os, "replace", replace)
    with pytest.raises(TokenFileError, match=rf"{os.strerror(errno.EPERM)}\. Check the owner"):
        FileStore(file).replace(OLD_BYTES.decode(), token_text(NEW))
    assert file.read_bytes() == OLD_BYTES


@posix
def test_a_link_that_takes_the_place_of_the_file_meanwhile_is_not_written_through(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved = file.with_name("moved.json")

    def replace(*_: object) -> NoReturn:
        file.rename(moved)
        file.symlink_to(moved)
        raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))

    monkeypatch.setattr(os, "replace", replace)
    with pytest.raises(TokenFileError, match=os.strerror(errno.ELOOP)):
        FileStore(file).replace(OLD_BYTES.decode(), token_text(NEW))
    assert moved.read_bytes() == OLD_BYTES


# ---- in place ------------------------------------------------------------------------------------


def test_a_write_in_place_has_a_whole_token_at_every_moment(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the write and the cut, what was longer before ends in spaces."""
    file.write_bytes(OLD_BYTES + b"\n" * 500)
    monkeypatch.setattr(os, "replace", failing(errno.EBUSY))
    monkeypatch.setattr(os, "ftruncate", failing(errno.EIO))
    with pytest.raises(TokenFileError):
        write(file)
    assert load(file) in (OLD, NEW)


@pytest.mark.parametrize("call", ["open", "write", "fsync", "close", "replace"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EMFILE], ids=errno.errorcode.get)
def test_a_failed_write_keeps_the_old_file_and_names_it(
    file: Path, monkeypatch: pytest.MonkeyPatch, call: str, number: int
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(os, call, failing(number))
        with pytest.raises(TokenFileError) as failed:
            FileStore(file).replace(OLD_BYTES.decode(), NEW_BYTES.decode())
    assert failed.value.path == str(file)
    assert f"The token file cannot be written: {os.strerror(number)}" in str(failed.value)
    assert file.read_bytes() == OLD_BYTES
    assert is_alone(file)


def test_a_file_in_a_read_only_folder_passes_the_check_before_a_login(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a single file that is mounted into a container."""
    real = os.open

    def mounted(path: str, flags: int, mode: int = 0o777) -> int:
        if flags & os.O_CREAT:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        return real(path, flags, mode)

    monkeypatch.setattr(os, "open", mounted)
    FileStore(file).check_writable()
    with pytest.raises(TokenFileError, match="No token file can be written here: Read-only"):
        FileStore(tmp_path / "other.json").check_writable()


def test_a_missing_folder_is_not_created(tmp_path: Path) -> None:
    path = str(tmp_path / "missing" / "oauth.json")
    with pytest.raises(TokenFileError) as failed:
        write(Path(path))
    assert failed.value.path == path
    assert list(tmp_path.iterdir()) == []


WRITER: Final = """
import os, signal, sys
import ytmusic_oauth._client_file  # the user may not be able to read Python's modules
from ytmusic_oauth._file_store import FileStore
store = FileStore(sys.argv[1])
before = store.read()
exec(sys.argv[2])
with store.lock(0):
    assert store.replace(before, before.replace("fake-old", "fake-new").replace("1700000000", "1700003599"))
"""


def write_in_a_child(file: Path, spoiler: str) -> subprocess.CompletedProcess[str]:
    """Write from another process, after a statement that spoils it."""
    command = [sys.executable, "-c", WRITER, str(file), spoiler]
    return subprocess.run(command, capture_output=True, check=False, cwd=ROOT, text=True)


@posix
def test_the_file_is_written_in_place_in_a_read_only_folder() -> None:
    # As another user than root, to whom no folder is read-only. pytest's folder is private, so this is another one.
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory, "oauth.json")
        file.write_bytes(OLD_BYTES)
        file.chmod(0o666)
        file.parent.chmod(0o555)
        child = write_in_a_child(file, "os.geteuid() or os.setuid(4242)")
        content, alone = file.read_bytes(), is_alone(file)
        file.parent.chmod(0o700)
    assert child.stderr == ""
    assert content == NEW_BYTES
    assert alone


@posix
def test_a_full_disk_keeps_the_old_file_and_leaves_no_other(file: Path) -> None:
    child = write_in_a_child(file, "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))")
    assert "TokenFileError" in child.stderr
    assert file.read_bytes() == OLD_BYTES
    assert is_alone(file)


@posix
@pytest.mark.parametrize("moment", ["write", "fsync", "replace"])
def test_a_killed_writer_leaves_the_old_file(file: Path, moment: str) -> None:
    child = write_in_a_child(file, f"os.{moment} = lambda *_: os.kill(os.getpid(), signal.SIGKILL)")
    assert child.returncode == -9
    assert file.read_bytes() == OLD_BYTES
    write(file)
    assert file.read_bytes() == NEW_BYTES


# ---- removing ------------------------------------------------------------------------------------


def test_a_file_is_removed_only_if_it_still_has_the_content(file: Path) -> None:
    store = FileStore(file)
    assert not store.remove("another token")
    assert file.read_bytes() == OLD_BYTES
    assert store.remove(OLD_BYTES.decode())
    assert list(file.parent.iterdir()) == []
    assert not store.remove(OLD_BYTES.decode())


def test_a_file_that_another_program_removes_at_the_same_time_is_removed(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new login, which removes the OAuth client of the last one, would not be saved."""
    unlink = os.unlink

    def twice(path: str) -> None:
        unlink(path)
        unlink(path)

    monkeypatch.setattr(os, "unlink", twice)
    assert FileStore(file).remove(OLD_BYTES.decode())
    assert not file.exists()


def test_a_file_that_cannot_be_removed_is_emptied(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It alone is mounted into a container."""
    monkeypatch.setattr(os, "unlink", failing(errno.EBUSY))
    assert FileStore(file).remove(OLD_BYTES.decode())
    assert file.read_bytes() == b""


def test_a_failure_to_remove_a_file_is_told(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "unlink", failing(errno.EIO))
    with pytest.raises(TokenFileError, match=r"oauth\.json: The file cannot be removed: "):
        FileStore(file).remove(OLD_BYTES.decode())
    assert file.read_bytes() == OLD_BYTES
