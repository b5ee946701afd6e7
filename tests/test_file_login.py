# SPDX-License-Identifier: MIT
"""A token in a file: where a login may be stored, what is warned of, and what else may hold a token."""

from __future__ import annotations

import errno
import json
import os
import pickle
import re
import shutil
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NoReturn

import pytest

from tests.porting.fake_google import FakeGoogle
from tests.posix import chown, lchown, needs_root
from tests.support import NOON, Clock, logged_in
from ytmusic_oauth import OAuthCredentials, RefreshingToken, TokenFileError, TokenFileNotFound, TokenStoreError
from ytmusic_oauth._file_store import FileStore
from ytmusic_oauth._store_access import load_token

ROOT: Final = Path(__file__).parents[1]


@pytest.fixture
def shared() -> Iterator[Path]:
    """A folder that every user can write. pytest's own folders are private."""
    with tempfile.TemporaryDirectory() as directory:
        folder = Path(directory)
        folder.chmod(0o1777)
        yield folder


# ---- where a login may be stored -----------------------------------------------------------------


def move(token: RefreshingToken, path: Path) -> None:
    token.local_cache = path


def store_copy(token: RefreshingToken, path: Path) -> None:
    token.store_token(str(path))


def keep(token: RefreshingToken, path: Path) -> None:
    with pytest.warns(RuntimeWarning, match="belongs to another user.* in memory only until it can be saved"):
        token.keep_in(path)
    raise TokenFileError


@needs_root
@pytest.mark.parametrize("store", [move, store_copy, keep])
@pytest.mark.parametrize("planted", ["file", "token file", "link"])
def test_no_entry_stores_a_login_where_another_user_may_have_set_a_trap(
    server: FakeGoogle, shared: Path, tmp_path: Path, store: Callable[[RefreshingToken, Path], None], planted: str
) -> None:
    token, file = logged_in(server), shared / "oauth.json"
    if planted == "link":
        file.symlink_to(tmp_path / "oauth.json")
    else:
        file.write_text("" if planted == "file" else token.as_json())
    lchown(file, 4242, 4242)
    before = None if planted == "link" else file.read_bytes()
    with pytest.raises(TokenFileError):
        store(token, file)
    assert before is None or file.read_bytes() == before
    assert list(tmp_path.iterdir()) == []


@needs_root
@pytest.mark.parametrize("store", [move, store_copy, keep])
@pytest.mark.parametrize("planted", ["file", "link"])
def test_the_folder_of_another_user_is_a_place_for_traps(
    server: FakeGoogle,
    shared: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    store: Callable[[RefreshingToken, Path], None],
    planted: str,
) -> None:
    """Its mode does not matter: its owner can always write to it."""
    token, file = logged_in(server), plant(shared, tmp_path, planted)
    monkeypatch.setattr(os, "geteuid", lambda: 4242)
    with pytest.raises(TokenFileError):
        store(token, file)
    assert (tmp_path / ".bashrc").read_text() == "export PATH"
    assert file.is_symlink() or file.read_text() == ""


@needs_root
@pytest.mark.parametrize("planted", ["file", "link"])
@pytest.mark.parametrize(("user", "owner"), [(0, 4343), (4343, 4343), (4242, 4242), (4242, 0), (4242, 65534)])
def test_a_service_has_its_login_where_it_and_root_alone_can_write(
    server: FakeGoogle,
    shared: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    planted: str,
    user: int,
    owner: int,
) -> None:
    """65534: the real root, as a container without root shows it."""
    token, file = logged_in(server), plant(shared, tmp_path, planted)
    lchown(file, 4343, 4343)
    chown(file.parent, owner, owner)
    monkeypatch.setattr(os, "geteuid", lambda: user)
    token.keep_in(file)
    assert RefreshingToken.load(token.credentials, file) == token
    assert file.lstat().st_uid == 4343


def plant(shared: Path, home: Path, planted: str) -> Path:
    """A file or a link of another user, in his own folder."""
    folder = shared / "app"
    folder.mkdir(0o755)
    file, precious = folder / "oauth.json", home / ".bashrc"
    precious.write_text("export PATH")
    file.symlink_to(precious) if planted == "link" else file.touch()
    for each in (folder, file):
        lchown(each, 4343, 4343)
    return file


@needs_root
def test_a_token_of_the_constructor_is_not_saved_over_the_token_of_another_user(
    server: FakeGoogle, clock: Clock, shared: Path
) -> None:
    theirs, file = logged_in(server), shared / "oauth.json"
    theirs.store_token(str(file))
    chown(file, 4242, 4242)
    before = file.read_bytes()
    clock.advance(10)
    ours = logged_in(server)
    token = RefreshingToken(ours.credentials, file, **ours.as_dict())
    with pytest.warns(RuntimeWarning, match="belongs to another user"):
        token.refresh()
    assert file.read_bytes() == before


@needs_root
def test_a_refresh_is_saved_where_the_login_is_already(server: FakeGoogle, shared: Path) -> None:
    file = shared / "oauth.json"
    first = logged_in(server, rotates=True)
    first.store_token(str(file))
    chown(file, 4242, 4242)
    token = RefreshingToken.load(first.credentials, file)
    for _ in range(2):
        token.refresh()
        assert RefreshingToken.load(first.credentials, file) == token
    assert file.stat().st_uid == 4242


# ---- a file that is mounted by itself ------------------------------------------------------------


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Path]:
    """A file of the host, mounted into a container by itself."""
    host, inside = tmp_path / "host.json", tmp_path / "inside.json"
    for file in (host, inside):
        file.touch()
    mount = shutil.which("mount")
    if mount is None or subprocess.run([mount, "--bind", host, inside], check=False, capture_output=True).returncode:
        pytest.skip("no file can be mounted here")
    try:
        yield inside
    finally:
        subprocess.run([Path(mount).with_name("umount"), inside], check=True)


@needs_root
def test_a_mounted_file_that_the_host_has_replaced_is_warned_of_once(
    server: FakeGoogle, tmp_path: Path, mounted: Path
) -> None:
    host = tmp_path / "host.json"
    token = logged_in(server)
    host.write_text(token.as_json())  # in place
    inside = RefreshingToken.load(token.credentials, mounted)
    inside.refresh()
    RefreshingToken.load(token.credentials, host).refresh()
    with pytest.warns(RuntimeWarning, match=r"inside\.json: .*Mount the folder instead\.") as warned:
        inside.refresh()
    assert [warning.filename for warning in warned] == [__file__]
    inside.refresh()
    with pytest.warns(RuntimeWarning, match="Mount the folder instead"):
        RefreshingToken.load(token.credentials, mounted)


def test_what_a_file_warns_of_is_shown_when_it_is_loaded_and_when_it_is_used(
    server: FakeGoogle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = logged_in(server)
    first.store_token(str(tmp_path / "oauth.json"))
    monkeypatch.setattr(FileStore, "new_warning", lambda self: f"{Path(self.path).name}: Mount the folder")
    with pytest.warns(RuntimeWarning, match=r"^oauth\.json: Mount the folder$"):
        token = RefreshingToken.load(first.credentials, tmp_path / "oauth.json")
    with pytest.warns(RuntimeWarning, match=r"^oauth\.json: Mount the folder$"):
        token.refresh()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not remove open files")
def test_a_file_that_is_replaced_while_it_is_read_is_not_warned_of(
    server: FakeGoogle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = logged_in(server)
    token.local_cache = tmp_path / "oauth.json"
    real = os.open

    def opened_and_replaced(path: str, flags: int, mode: int = 0o777) -> int:
        file = real(path, flags, mode)
        if path == str(token.local_cache) and not flags & os.O_RDWR:
            shutil.copyfile(path, f"{path}.new")
            os.replace(f"{path}.new", path)
        return file

    monkeypatch.setattr(os, "open", opened_and_replaced)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        token.refresh()
        RefreshingToken.load(token.credentials, tmp_path / "oauth.json")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not remove open files")
def test_a_file_that_is_removed_while_it_is_read_is_not_warned_of(
    server: FakeGoogle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "oauth.json"
    token = logged_in(server)
    token.store_token(str(file))
    real = os.open

    def opened_and_removed(path: str, flags: int, mode: int = 0o777) -> int:
        opened = real(path, flags, mode)
        file.unlink()
        return opened

    monkeypatch.setattr(os, "open", opened_and_removed)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert RefreshingToken.load(token.credentials, file).as_dict() == token.as_dict()


# ---- what else there may be ----------------------------------------------------------------------

TOKEN: Final = {
    "scope": "https://www.googleapis.com/auth/youtube",
    "token_type": "Bearer",
    "access_token": "ya29.fake-access",
    "refresh_token": "1//fake-refresh",
    "expires_at": NOON,
    "expires_in": 3599,
}
OTHER_PATH: Final = "Log in, with another path for the token file."

# Name -> the content, the problem that is named, and what to do next.
KINDS: Final[Mapping[str, tuple[bytes, str, str]]] = {
    "browser.json": (
        b'{"accept": "*/*", "authorization": "SAPISIDHASH 1_x", "cookie": "SID=x", "x-goog-authuser": "0"}',
        "Not a token: these are the headers of a browser (ytmusicapi's browser.json), not an OAuth token.",
        OTHER_PATH,
    ),
    "browser.json with capitals": (
        b'{"Cookie": "SID=x", "User-Agent": "x"}',
        "Not a token: these are the headers of a browser (ytmusicapi's browser.json), not an OAuth token.",
        OTHER_PATH,
    ),
    "authorized_user of google-auth": (
        b'{"token": "ya29.x", "refresh_token": "1//x", "client_id": "c", "client_secret": "s", "scopes": ["x"]}',
        "Not a token: this is a file in Google's authorized_user format.",
        "Convert it (the recipe authorized_user.py shows how)",
    ),
    "authorized_user of a public client": (
        b'{"token": "ya29.x", "refresh_token": "1//x"}',
        "Not a token: this is a file in Google's authorized_user format.",
        "Convert it (the recipe authorized_user.py shows how)",
    ),
    "authorized_user of gcloud": (
        b'{"client_id": "c", "client_secret": "s", "refresh_token": "1//x", "type": "authorized_user"}',
        "Not a token: this is a file in Google's authorized_user format.",
        "Convert it (the recipe authorized_user.py shows how)",
    ),
    "client secrets": (
        b'{"installed": {"client_id": "c.apps.googleusercontent.com", "client_secret": "s"}}',
        "Not a token: this is the OAuth client, not the token.",
        "--client-secrets",
    ),
    "client secrets of a web application": (
        b'{"web": {"client_id": "c.apps.googleusercontent.com", "client_secret": "s"}}',
        "Not a token: this is the OAuth client, not the token.",
        "--client-secrets",
    ),
    "id and secret": (b'{"client_id": "c", "client_secret": "s"}', "this is the OAuth client", "--client-secrets"),
    "service account": (
        b'{"type": "service_account", "client_id": "1", "private_key": "x"}',
        "this is the key of a service account",
        OTHER_PATH,
    ),
    "cookies.txt": (b"# Netscape HTTP Cookie File\n.youtube.com\tTRUE\n", "these are cookies", OTHER_PATH),
    "web page": (b"\n<!doctype html>\n<title>Log in</title>", "this is a web page", OTHER_PATH),
    "pickle": (pickle.dumps(TOKEN), "this is a Python pickle", OTHER_PATH),
    "UTF-16": (json.dumps(TOKEN).encode("utf-16"), "this is text in UTF-16", "Save it as UTF-8."),
    "database": (b"SQLite format 3\0\x10\0\xff", "this is a database", OTHER_PATH),
    "database that happens to be UTF-8": (b"SQLite format 3\0\x10\0", "this is a database", OTHER_PATH),
    "binary": (b"\x1f\x8b\x08\x00\xff", "it is not UTF-8", OTHER_PATH),
    "text behind": (
        json.dumps(TOKEN, indent=1).encode() + b"}\n",
        "Not a token: it is not JSON (line 8, column 2).",
        "move it away and log in again.",
    ),
    "cut short": (
        json.dumps(TOKEN).encode()[:-1],
        "Not a token: it is not JSON (line 1, column 194).",
        "log in again.",
    ),
    "a token that is not whole, beside other keys": (
        b'{"access_token": "ya29.example", "client_id": "c", "client_secret": "s", "cookie": "SID=x"}',
        "Not a token: scope, token_type, refresh_token are missing.",
        "move it away and log in again.",
    ),
}


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize(("content", "problem", "advice"), KINDS.values(), ids=KINDS)
def test_an_error_says_what_the_file_is_and_what_to_do(
    tmp_path: Path, content: bytes, problem: str, advice: str
) -> None:
    file = tmp_path / "oauth.json"
    file.write_bytes(content)
    with pytest.raises(TokenFileError) as refused:
        load_token(FileStore(file))
    sentence = str(refused.value)
    assert sentence.startswith(f"{file}: ")
    assert problem in sentence
    assert advice in sentence
    assert file.read_bytes() == content


@pytest.mark.usefixtures("clock")
def test_advice_about_a_folder_does_no_harm(tmp_path: Path) -> None:
    """It may be the user's home, or one that Docker has made. `rmdir` removes only the latter: it is empty."""
    (tmp_path / "oauth.json").mkdir()
    advice = r"Not a token file: this is a folder\. Name a file in it\. Docker makes an empty folder .* with rmdir, "
    with pytest.raises(TokenFileError, match=advice):
        load_token(FileStore(tmp_path / "oauth.json"))


@pytest.mark.parametrize(("visible", "scope"), [('"', "\N{MUSICAL SYMBOL G CLEF}"), ("[", "{")])
def test_the_longest_token_that_is_accepted_can_be_loaded_again(
    server: FakeGoogle, tmp_path: Path, visible: str, scope: str
) -> None:
    """In JSON, a quotation mark has two bytes, and a character beyond U+FFFF twelve."""
    first, file = logged_in(server), tmp_path / "oauth.json"
    longest = {"access_token": visible * 2**16, "refresh_token": visible * 2**16, "scope": scope * 2**16}
    token = RefreshingToken.from_dict(first.credentials, {**first.as_dict(), **longest})
    token.keep_in(file)
    assert RefreshingToken.load(first.credentials, file) == token


@pytest.mark.parametrize("content", [b"\0" * 400, b"\0" * 400 + b"\n"])
def test_a_login_over_a_file_of_zeros_is_possible(server: FakeGoogle, tmp_path: Path, content: bytes) -> None:
    """As a power cut leaves it on some file systems."""
    file = tmp_path / "oauth.json"
    file.write_bytes(content)
    token = logged_in(server)
    with pytest.raises(TokenFileNotFound, match=r"only zeros, as after a power cut\. Log in"):
        RefreshingToken.load(token.credentials, file)
    FileStore(file).check_writable()
    token.keep_in(file)
    assert RefreshingToken.load(token.credentials, file) == token


def test_a_relative_path_says_which_folder_was_searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(TokenFileNotFound, match=rf"^oauth\.json: There is no token file here, in {tmp_path}\. Log in"):
        load_token(FileStore("oauth.json"))
    with pytest.raises(TokenFileNotFound, match=rf"no/oauth\.json: There is no folder {tmp_path / 'no'}\. Create"):
        load_token(FileStore("no/oauth.json"))


def test_a_tilde_is_said_to_be_no_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    store = FileStore("~/oauth.json")
    with pytest.raises(TokenFileError, match="~ is not your home folder here"):
        load_token(store)
    with pytest.raises(TokenFileError, match="~ is not your home folder here"):
        store.check_writable()


@pytest.mark.parametrize(
    ("number", "advice"),
    [
        (errno.ENOSPC, "Make room on the disk."),
        (errno.EDQUOT, "Make room: the quota"),
        (errno.EROFS, "Mount the file system for writing, or use another path."),
        (errno.EACCES, "Check the owner and the permissions"),
        (errno.EIO, "Check the disk"),
        (errno.EMFILE, "Look for what leaves files open"),
        (errno.ESTALE, "Check the path, the permissions and the disk."),
    ],
    ids=lambda each: errno.errorcode.get(each, "") if isinstance(each, int) else "",
)
def test_the_next_step_fits_the_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, advice: str
) -> None:
    def fail(*_: object) -> NoReturn:
        raise OSError(number, os.strerror(number))

    store = FileStore(tmp_path / "oauth.json")
    monkeypatch.setattr(os, "open", fail)
    for use in (store.check_writable, lambda: store.replace(None, "{}")):
        with pytest.raises(TokenFileError) as failed:
            use()
        assert str(failed.value).endswith(f": {os.strerror(number)}. {failed.value.advice}")
        assert advice in failed.value.advice
        assert "og in" not in str(failed.value)


def test_a_link_into_a_missing_folder_names_that_folder(tmp_path: Path) -> None:
    link = tmp_path / "oauth.json"
    link.symlink_to(tmp_path / "missing" / "oauth.json")
    with pytest.raises(TokenFileError, match=rf"in {re.escape(str(tmp_path / 'missing'))}\. Create the folder first."):
        FileStore(link).check_writable()
    with pytest.raises(TokenFileNotFound, match=re.escape(f"There is no folder {tmp_path / 'missing'}")):
        RefreshingToken.load(OAuthCredentials("id", "secret"), link)


def test_what_a_file_is_does_not_cost_an_import(tmp_path: Path) -> None:
    script = "import sys, ytmusic_oauth; sys.exit('ytmusic_oauth._file_kinds' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False, cwd=ROOT).returncode == 0


# ---- paths ---------------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not remove a working directory")
def test_a_deleted_working_directory_does_not_break_absolute_paths(
    server: FakeGoogle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    token = logged_in(server)
    token.local_cache = tmp_path / "oauth.json"
    token.refresh()
    assert RefreshingToken.load(token.credentials, tmp_path / "oauth.json") == token
    with pytest.raises(TokenFileError, match=r"oauth\.json: .* cannot be used: No such file or directory\. ") as failed:
        token.store_token("oauth.json")
    assert failed.value.advice == "Change to another folder, or use an absolute path."


@pytest.mark.parametrize("path", ["oauth\0.json", "oauth\udc00\ud800.json"], ids=["NUL", "half a character"])
def test_a_path_that_cannot_be_is_an_error_before_anything_is_sent(server: FakeGoogle, path: str) -> None:
    token = logged_in(server)
    sent = len(server.requests_to("code")) + len(server.requests_to("token"))
    credentials = token.credentials
    assert isinstance(credentials, OAuthCredentials)
    for use in (
        lambda: RefreshingToken.prompt_for_token(credentials, to_file=path),
        lambda: RefreshingToken.load(credentials, path),
        lambda: token.store_token(path),
        lambda: token.keep_in(path),
    ):
        problem = f"{path!r}: The path has a character that no path can have"
        with pytest.raises(TokenFileError, match=re.escape(problem)):
            use()
    assert len(server.requests_to("code")) + len(server.requests_to("token")) == sent


# ---- dictionaries from elsewhere -----------------------------------------------------------------


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"filepath": "oauth.json", "refresh_token_expires_in": 604799},
        {"expires_at": NOON + 0.73, "expires_in": "3599"},
        {"scope": [TOKEN["scope"]]},
    ],
    ids=["as it is", "other keys", "other numbers", "a list of scopes"],
)
def test_a_dictionary_from_elsewhere_is_read(server: FakeGoogle, more: Mapping[str, object]) -> None:
    credentials = logged_in(server).credentials
    values = {**TOKEN, **more}
    assert RefreshingToken.from_dict(credentials, values).as_dict() == TOKEN
    assert RefreshingToken.from_json_text(credentials, json.dumps(values)).as_dict() == TOKEN


def test_a_dictionary_without_times_is_refreshed_at_first_use(server: FakeGoogle) -> None:
    first = logged_in(server)
    values = {key: value for key, value in first.as_dict().items() if not key.startswith("expires_")}
    token = RefreshingToken.from_dict(first.credentials, values)
    assert token.access_token != first.as_dict()["access_token"]
    assert token.expires_in > 0


def test_a_dictionary_that_is_no_token_is_rejected(server: FakeGoogle) -> None:
    credentials = logged_in(server).credentials
    with pytest.raises(ValueError, match=r"^scope, token_type are missing$"):
        RefreshingToken.from_dict(credentials, {"access_token": "x", "refresh_token": "y"})
    with pytest.raises(TokenStoreError, match=r"Not a token: these are the headers of a browser"):
        RefreshingToken.from_json_text(credentials, '{"cookie": "x"}')
    with pytest.raises(TokenStoreError, match=r"^Not a token: it is not JSON .*\. Pass the text of a token file\.$"):
        RefreshingToken.from_json_text(credentials, "x")


def test_a_dictionary_from_elsewhere_can_be_kept_in_a_file(server: FakeGoogle, tmp_path: Path) -> None:
    first = logged_in(server)
    token = RefreshingToken.from_dict(first.credentials, {**first.as_dict(), "filepath": "x"})
    token.keep_in(tmp_path / "oauth.json")
    assert RefreshingToken.load(first.credentials, tmp_path / "oauth.json") == token


# ---- a disk that fails ---------------------------------------------------------------------------


@contextmanager
def outage(file: Path, number: int = errno.ENOSPC) -> Iterator[None]:
    """The disk of the file is full: no new file, and nothing more in the old one."""
    real = os.open

    def fail(path: str, flags: int, mode: int = 0o777) -> int:
        if flags & os.O_CREAT and Path(path).parent == file.parent:
            raise OSError(number, os.strerror(number))
        return real(path, flags, mode)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "open", fail)
        yield


@contextmanager
def shown() -> Iterator[list[warnings.WarningMessage]]:
    """Collect the warnings that Python shows by default: each text once for each line."""
    with warnings.catch_warnings(record=True) as collected:
        warnings.simplefilter("default")
        yield collected


def kept(server: FakeGoogle, file: Path, *, rotates: bool = False) -> RefreshingToken:
    token = logged_in(server, rotates=rotates)
    token.local_cache = file
    return token


def test_each_outage_of_the_disk_is_warned_of_once(server: FakeGoogle, clock: Clock, tmp_path: Path) -> None:
    file = tmp_path / "oauth.json"
    token = kept(server, file)
    with shown() as warned:
        for n in range(1, 4):
            with outage(file):
                for _ in range(3):
                    clock.advance(3600)
                    token.as_auth()
            assert len(warned) == n
            clock.advance(600)
            token.as_auth()
            assert RefreshingToken.load(token.credentials, file) == token
    assert {warning.filename for warning in warned} == {__file__}
    assert len({warning.lineno for warning in warned}) == 1


def test_an_outage_that_ends_with_the_token_of_another_process_is_over(
    server: FakeGoogle, clock: Clock, tmp_path: Path
) -> None:
    file = tmp_path / "oauth.json"
    token = kept(server, file)
    other = RefreshingToken.load(token.credentials, file)
    with shown() as warned:
        for n in range(1, 3):
            with outage(file):
                clock.advance(3600)
                token.as_auth()
            assert len(warned) == n
            clock.advance(600)
            other.refresh()
            clock.advance(3000)
            token.as_auth()
            assert token == other


def test_the_warning_names_the_line_of_the_caller(server: FakeGoogle, tmp_path: Path) -> None:
    token = kept(server, tmp_path / "oauth.json")
    lines: list[tuple[str, int]] = []
    here = sys._getframe().f_lineno + 1
    with outage(tmp_path / "oauth.json"), shown() as warned:
        token.refresh()
    lines += [(warning.filename, warning.lineno - here) for warning in warned]
    with outage(tmp_path / "other.json"), shown() as warned:
        token.keep_in(tmp_path / "other.json")
    lines += [(warning.filename, warning.lineno - here) for warning in warned]
    assert lines == [(__file__, 1), (__file__, 4)]


CHANGED: Final = "The refresh token has changed: if the program ends before it is saved, the user has to log in again."
UNCHANGED: Final = "The refresh token has not changed: after a restart, the program can refresh the token again."


@pytest.mark.parametrize("rotates", [False, True], ids=["the same refresh token", "a new refresh token"])
def test_the_warning_says_whether_the_refresh_token_has_changed(
    server: FakeGoogle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rotates: bool
) -> None:
    server.rotate = rotates
    file = tmp_path / "oauth.json"
    token = kept(server, file, rotates=rotates)

    def fail(_source: str, target: str) -> None:
        if target == str(file):
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "replace", fail)  # after what is checked before the request
    with pytest.warns(RuntimeWarning, match=f"{CHANGED if rotates else UNCHANGED}$"):
        token.refresh()


def test_the_warning_about_a_login_says_that_it_can_be_lost(server: FakeGoogle, tmp_path: Path) -> None:
    token = logged_in(server)
    with outage(tmp_path / "oauth.json"), pytest.warns(RuntimeWarning, match=r"before the token is saved, the login"):
        token.keep_in(tmp_path / "oauth.json")
    assert token.local_cache == tmp_path / "oauth.json"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EIO], ids=errno.errorcode.get)
def test_a_refresh_that_rotates_is_not_sent_where_nothing_can_be_saved(
    server: FakeGoogle, clock: Clock, tmp_path: Path, number: int
) -> None:
    server.rotate = True
    file = tmp_path / "oauth.json"
    token = kept(server, file, rotates=True)
    before, sent = file.read_bytes(), len(server.requests_to("token"))
    with outage(file, number), outage_in_place():
        clock.advance(3550)
        with pytest.warns(RuntimeWarning, match="The old access token stays in use until it expires"):
            token.as_auth()
        clock.advance(100)
        with pytest.raises(TokenFileError, match=os.strerror(number)):
            token.as_auth()
        with pytest.raises(TokenFileError):
            token.refresh()
    assert len(server.requests_to("token")) == sent
    assert file.read_bytes() == before
    clock.advance(100)
    assert token.as_auth()
    assert RefreshingToken.load(token.credentials, file) == token


@contextmanager
def outage_in_place() -> Iterator[None]:
    real = os.open

    def fail(path: str, flags: int, mode: int = 0o777) -> int:
        if flags & os.O_RDWR and not flags & os.O_CREAT and getattr(os, "O_NOFOLLOW", 0) & flags:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        return real(path, flags, mode)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "open", fail)
        yield


def test_a_refresh_that_does_not_rotate_is_sent_where_nothing_can_be_saved(server: FakeGoogle, tmp_path: Path) -> None:
    token = kept(server, tmp_path / "oauth.json")
    with outage(tmp_path / "oauth.json"), pytest.warns(RuntimeWarning, match="in memory only"):
        token.refresh()


# ---- other writers -------------------------------------------------------------------------------


@pytest.mark.parametrize("half", [b"", b'{"scope": "x"', b'{"scope": "x"}'], ids=["emptied", "cut short", "shorter"])
def test_a_file_that_another_program_is_writing_is_read_again(
    server: FakeGoogle, clock: Clock, tmp_path: Path, half: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As ytmusicapi does: it empties its file, and writes it in place."""
    file = tmp_path / "oauth.json"
    server.rotate = True
    token = kept(server, file, rotates=True)
    whole = file.read_bytes()

    def written_meanwhile(seconds: float) -> None:
        clock.advance(seconds)
        file.write_bytes(whole)

    monkeypatch.setattr(clock, "sleep", written_meanwhile)
    file.write_bytes(half)
    assert RefreshingToken.load(token.credentials, file) == token
    file.write_bytes(half)
    clock.advance(3600)
    token.as_auth()
    assert RefreshingToken.load(token.credentials, file) == token
