# SPDX-License-Identifier: MIT
"""The command `login`: a login that the user has confirmed is never thrown away."""

from __future__ import annotations

import errno
import json
import os
import signal
import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Final, NoReturn, Protocol

import pytest

from tests import posix
from tests.porting.fake_google import CLIENT_ID, CLIENT_SECRET, FakeGoogle
from tests.shell import Shell
from tests.support import NOON, Clock, file_lock
from ytmusic_oauth import OAuthToken, RefreshingToken, TokenFileError, _file_write, _login
from ytmusic_oauth._command_line import DONE, FIX_FIRST, INTERRUPTED
from ytmusic_oauth._file_owner import can_others_rename
from ytmusic_oauth._file_store import FileStore
from ytmusic_oauth._options import Options
from ytmusic_oauth._terminal import StatusLine

CONFIRMED = NOON + 10


class Disk(Protocol):
    """Unplugs the disk for so many seconds after the login, and returns the path of the token file on it."""

    def __call__(self, seconds: float, then: Callable[[], object] | None = None) -> Path: ...


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home folder, the only place that is left when the disk of the token file fails."""
    home = tmp_path / "home"
    home.mkdir(0o700)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("USERPROFILE", str(home))
    monkeypatch.setattr("ytmusic_oauth._login._places", lambda: iter([os.path.expanduser("~")]))
    return home


@pytest.fixture
def disk(
    shell: Shell, server: FakeGoogle, clock: Clock, tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> Disk:
    """A folder on a disk that is unplugged while the user confirms, for so many seconds after the login."""
    server.approve_after = 7
    folder = tmp_path / "disk"
    folder.mkdir()

    def unplug(seconds: float, then: Callable[[], object] | None = None) -> Path:
        sleep = clock.sleep
        is_over = False

        def sleeping(length: float) -> None:
            nonlocal is_over
            sleep(length)
            if folder.exists() and CONFIRMED - 1 < clock.wall < CONFIRMED + seconds:
                folder.rmdir()
            if not is_over and clock.wall >= CONFIRMED + seconds:
                is_over = True
                (then or folder.mkdir)()

        monkeypatch.setattr(clock, "sleep", sleeping)
        return folder / "oauth.json"

    return unplug


def rescued(home: Path, message: str) -> OAuthToken:
    """The token that was left in the home folder, as the message says."""
    [folder] = home.iterdir()
    file, client = sorted(folder.iterdir())
    assert json.loads(client.read_text())["kept_by"] == "ytmusic_oauth login"
    assert f"The login is kept in {file}, readable only by you." in message
    assert (stat.S_IMODE(folder.stat().st_mode), stat.S_IMODE(file.stat().st_mode)) == (0o700, 0o600)
    return OAuthToken.from_json(file)


def test_at_a_terminal_a_login_is_saved_as_soon_as_the_disk_is_back(
    shell: Shell, server: FakeGoogle, disk: Disk, home: Path
) -> None:
    file = disk(600)
    shell.type()
    done = shell("login", "--file", str(file))
    assert done.status == DONE
    assert server.is_live(OAuthToken.from_json(file).access_token)
    assert done.err.count("trying to save it until you press Ctrl-C") == 1
    assert list(home.iterdir()) == []


def test_the_user_can_stop_it_and_is_told_where_the_login_is(
    shell: Shell, server: FakeGoogle, disk: Disk, home: Path
) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    file = disk(600, interrupt)
    shell.type()
    done = shell("login", "--file", str(file))
    assert done.status == INTERRUPTED
    assert server.is_live(rescued(home, done.err).access_token)
    assert f"Move that file to {file}, and " in done.err
    assert f".client to {file}.client." in done.err


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_a_login_survives_a_kill_and_a_terminal_that_closes(
    shell: Shell, server: FakeGoogle, disk: Disk, home: Path, name: str
) -> None:
    if not hasattr(signal, name):
        pytest.skip("this system has no such signal")
    number: signal.Signals = getattr(signal, name)
    file = disk(600, lambda: signal.raise_signal(number))
    shell.type()
    before = signal.signal(number, signal.SIG_DFL)  # nohup may have started the tests
    try:
        done = shell("login", "--file", str(file))
        assert signal.getsignal(number) == signal.SIG_DFL
    finally:
        signal.signal(number, before)
    assert done.status == INTERRUPTED
    assert server.is_live(rescued(home, done.err).access_token)


@pytest.mark.skipif(os.name == "nt", reason="Windows keeps a folder that is in use")
def test_a_login_is_rescued_where_the_working_directory_was_removed(
    shell: Shell, server: FakeGoogle, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    folder, sleep = tmp_path / "work", clock.sleep

    def sleeping(seconds: float) -> None:
        sleep(seconds)
        if folder.exists():
            folder.rmdir()

    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setattr(clock, "sleep", sleeping)
    server.approve_after = 0
    done = shell("login", "--file", "oauth.json")
    assert done.status == FIX_FIRST
    assert server.is_live(rescued(home, done.err).access_token)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGHUP")
def test_a_signal_that_nohup_ignores_stays_ignored(shell: Shell, server: FakeGoogle, disk: Disk, clock: Clock) -> None:
    number: signal.Signals = signal.Signals["SIGHUP"]
    before = signal.signal(number, signal.SIG_IGN)

    def hang_up() -> None:
        signal.raise_signal(number)
        file.parent.mkdir()

    file = disk(10, hang_up)
    try:
        assert shell("login", "--file", str(file)).status == DONE
    finally:
        signal.signal(number, before)


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_without_a_user_it_tries_for_a_minute(
    shell: Shell, server: FakeGoogle, disk: Disk, home: Path, clock: Clock, options: list[str]
) -> None:
    file = disk(50)
    done = shell("login", "--file", str(file), *options)
    assert done.status == DONE
    assert "The login is confirmed; trying to save it for 60 s.\n" in done.err
    assert server.is_live(OAuthToken.from_json(file).access_token)


@pytest.mark.parametrize("terminal", [False, True])
def test_after_a_minute_the_login_is_left_in_a_private_folder(
    shell: Shell, server: FakeGoogle, disk: Disk, home: Path, clock: Clock, terminal: bool
) -> None:
    """A program that reads events has no use for a command that waits for a user."""
    file = disk(600)
    if terminal:
        shell.type()
    done = shell("login", "--json", "--file", str(file))
    assert done.status == FIX_FIRST
    assert done.events[-1]["error"] == "TokenFileError"
    assert clock.wall - CONFIRMED == 60
    assert server.is_live(rescued(home, done.err).access_token)
    assert done.events[-1]["file"] == str(next(home.glob("*/oauth.json")))


def test_an_interrupt_after_the_save_leaves_no_second_copy(
    shell: Shell, server: FakeGoogle, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store_token = RefreshingToken.store_token

    def interrupted(self: RefreshingToken, path: str | None = None) -> None:
        store_token(self, path)
        raise KeyboardInterrupt

    monkeypatch.setattr(RefreshingToken, "store_token", interrupted)
    server.approve_after = 0
    done = shell("login", "--json")
    assert done.status == INTERRUPTED
    assert f"The login is saved in {tmp_path / 'oauth.json'}.\n" in done.err
    assert done.events[-1]["file"] == str(tmp_path / "oauth.json")
    assert (tmp_path / "oauth.json.client").exists()
    assert server.is_live(OAuthToken.from_json(tmp_path / "oauth.json").access_token)
    assert list(home.iterdir()) == []


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_an_interrupt_after_the_confirmation_leaves_the_login_and_its_client(
    shell: Shell, server: FakeGoogle, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Between the response and the save."""
    erase = StatusLine.erase

    def interrupted(line: StatusLine) -> None:
        erase(line)
        if server.requests_to("token"):
            monkeypatch.undo()
            signal.raise_signal(getattr(signal, name))

    server.approve_after = 0
    monkeypatch.setattr("ytmusic_oauth._login.StatusLine.erase", interrupted)
    assert shell("login", "--file", str(tmp_path / "oauth.json")).status == INTERRUPTED
    assert sorted(each.name for each in tmp_path.glob("oauth*")) == ["oauth.json", "oauth.json.client"]


def test_an_interrupt_after_the_client_was_written_does_not_deny_it(
    shell: Shell, server: FakeGoogle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync = _file_write.sync_folder

    def interrupted(target: str) -> None:
        sync(target)
        if target.endswith(".client"):
            monkeypatch.undo()
            raise KeyboardInterrupt

    monkeypatch.setattr("ytmusic_oauth._file_write.sync_folder", interrupted)
    server.approve_after = 0
    done = shell("login", "--file", str(tmp_path / "oauth.json"))
    assert (done.status, "not kept" in done.err) == (INTERRUPTED, False)
    assert (tmp_path / "oauth.json.client").exists()


def test_an_impatient_user_does_not_lose_the_login(
    shell: Shell, home: Path, tmp_path: Path, server: FakeGoogle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each try may wait 40 seconds for the lock."""
    store_token = RefreshingToken.store_token

    def interrupted(self: RefreshingToken, path: str | None = None) -> None:
        if path == "oauth.json":
            raise KeyboardInterrupt
        store_token(self, path)

    monkeypatch.setattr(RefreshingToken, "store_token", interrupted)
    server.approve_after = 0
    done = shell("login")
    assert done.status == INTERRUPTED
    assert server.is_live(rescued(home, done.err).access_token)


class Taken(Clock):
    """Has another process hold the lock of the token file from the confirmation on, and interrupts the wait for it."""

    def __init__(self, patch: pytest.MonkeyPatch, file: Path, then: Callable[[], object], *, after: float) -> None:
        super().__init__()
        self._then, self._end, self._held = then, self.steady + after, ExitStack()
        save = _login._save

        def saved(token: RefreshingToken, options: Options, document: str, line: StatusLine) -> bool:
            with self._held:
                self._held.enter_context(file_lock(str(file), 0.0))
                patch.setattr("ytmusic_oauth._file_lock.time", self)
                return save(token, options, document, line)

        patch.setattr(_login, "_save", saved)

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds)
        if self.steady >= self._end:
            self._end = float("inf")
            self._then()

    def release(self) -> None:
        self._held.close()


WAITING: Final = "Another process holds the lock of the token. Wait for it, or stop it. The login is confirmed; trying"


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_an_interrupt_does_not_wait_for_the_lock_again(
    shell: Shell, server: FakeGoogle, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """`docker stop` sends SIGKILL ten seconds after SIGTERM. The process that has the lock will find the new login."""
    file = tmp_path / "oauth.json"
    lock = Taken(monkeypatch, file, lambda: signal.raise_signal(getattr(signal, name)), after=3)
    server.approve_after = 0
    done = shell("login", "--json")
    assert done.status == INTERRUPTED
    assert server.is_live(OAuthToken.from_json(file).access_token)
    assert lock.steady < 1000 + 3 + 2, "it waited on"
    assert done.err.index(WAITING) < done.err.index(f"The login is saved in {file}.")
    assert list(home.iterdir()) == []
    assert done.events[-1]["file"] == str(file)


def test_a_login_that_waits_for_the_lock_says_so_and_is_saved(
    shell: Shell, server: FakeGoogle, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def release() -> None:
        lock.release()

    lock = Taken(monkeypatch, tmp_path / "oauth.json", release, after=20)
    server.approve_after = 0
    done = shell("login")
    assert (done.status, done.err.count(f"oauth.json: {WAITING}")) == (DONE, 1)
    assert server.is_live(OAuthToken.from_json(tmp_path / "oauth.json").access_token)
    assert list(home.iterdir()) == []


@pytest.mark.parametrize("options", [[], ["--no-remember"]])
def test_an_interrupt_saves_a_login_in_its_file_if_the_lock_is_free(
    shell: Shell, server: FakeGoogle, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: list[str]
) -> None:
    def release_and_interrupt() -> None:
        lock.release()
        raise KeyboardInterrupt

    lock = Taken(monkeypatch, tmp_path / "oauth.json", release_and_interrupt, after=20)
    server.approve_after = 0
    done = shell("login", *options)
    assert done.status == INTERRUPTED
    assert done.err.endswith(f"Interrupted. The login is saved in {tmp_path / 'oauth.json'}.\n")
    assert (tmp_path / "oauth.json.client").exists() is not bool(options)
    assert list(home.iterdir()) == []


def test_a_copy_that_cannot_be_removed_does_not_hide_where_the_login_is(
    shell: Shell, server: FakeGoogle, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def release_and_interrupt() -> None:
        lock.release()
        raise KeyboardInterrupt

    def fail(*_: object, **__: object) -> NoReturn:
        raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))

    lock = Taken(monkeypatch, tmp_path / "oauth.json", release_and_interrupt, after=20)
    monkeypatch.setattr(os, "rmdir", fail)
    server.approve_after = 0
    done = shell("login")
    assert done.status == INTERRUPTED
    assert done.err.endswith(f"Interrupted. The login is saved in {tmp_path / 'oauth.json'}.\n")


def test_without_another_place_an_interrupt_waits_for_the_lock(
    shell: Shell, server: FakeGoogle, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt() -> None:
        lock._then, lock._end = lock.release, lock.steady + 10
        raise KeyboardInterrupt

    monkeypatch.setattr("ytmusic_oauth._login._places", lambda: iter(()))
    lock = Taken(monkeypatch, tmp_path / "oauth.json", interrupt, after=3)
    server.approve_after = 0
    assert shell("login").status == INTERRUPTED
    assert server.is_live(OAuthToken.from_json(tmp_path / "oauth.json").access_token)


def test_an_interrupt_while_the_client_is_saved_does_not_wait_for_the_lock(
    shell: Shell, server: FakeGoogle, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The token is in its file by then; the client can be passed to each command."""
    keep, held = _login._keep, ExitStack()

    def taken(token: RefreshingToken, file: str, document: str, wait: float) -> bool:
        if wait:
            held.enter_context(file_lock(file, 0.0))
            raise KeyboardInterrupt
        return keep(token, file, document, wait)

    monkeypatch.setattr(_login, "_keep", taken)
    server.approve_after = 0
    with held:
        done = shell("login")
    assert done.status == INTERRUPTED
    assert "holds the lock of oauth.json. The OAuth client is not kept: pass it to each command.\n" in done.err
    assert done.err.endswith(f"Interrupted. The login is saved in {tmp_path / 'oauth.json'}.\n")


@pytest.mark.parametrize("twice", [False, True])
def test_an_interrupt_after_the_save_keeps_the_login_that_has_replaced_this_one(
    shell: Shell, home: Path, tmp_path: Path, server: FakeGoogle, monkeypatch: pytest.MonkeyPatch, twice: bool
) -> None:
    """While this one waits for the lock of the other."""
    file = tmp_path / "oauth.json"

    def replaced(token: RefreshingToken, *_: object) -> bool:
        file.write_text(json.dumps({**token.as_dict(), "access_token": "ya29.other"}))
        if not twice:
            monkeypatch.setattr("ytmusic_oauth._login._keep", lambda *_: False)
        raise KeyboardInterrupt

    monkeypatch.setattr("ytmusic_oauth._login._keep", replaced)
    server.approve_after = 0
    assert shell("login").status == INTERRUPTED
    assert OAuthToken.from_json(file).access_token == "ya29.other"
    assert list(home.iterdir()) == []


def test_a_login_that_is_moved_does_not_get_the_client_of_another(
    shell: Shell, server: FakeGoogle, disk: Disk, home: Path
) -> None:
    file = disk(600)
    done = shell("login", "--no-remember", "--file", str(file))
    [folder] = home.iterdir()
    assert [each.name for each in folder.iterdir()] == ["oauth.json"]
    assert f"Move that file to {file}, and remove {file}.client if `login` wrote it.\n" in done.err


def test_a_place_where_the_login_cannot_be_saved_is_passed_over(
    shell: Shell, server: FakeGoogle, disk: Disk, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full, shared = tmp_path / "full", tmp_path / "shared"
    full.mkdir(0o700)
    shared.mkdir()
    shared.chmod(0o777)
    places = [str(tmp_path / "missing"), str(shared), str(full), str(home)]
    monkeypatch.setattr("ytmusic_oauth._login._places", lambda: iter(places))
    replace = FileStore.replace

    def store(self: FileStore, before: str | None, after: str) -> bool:
        if self.path.startswith(str(full)):
            raise TokenFileError("No space left on device", path=self.path)
        return replace(self, before, after)

    monkeypatch.setattr(FileStore, "replace", store)
    done = shell("login", "--file", str(disk(600)))
    assert done.status == FIX_FIRST
    assert server.is_live(rescued(home, done.err).access_token)
    assert [*full.iterdir(), *shared.iterdir()] == []


def test_an_interrupt_while_a_login_is_rescued_does_not_lose_it(
    shell: Shell, server: FakeGoogle, disk: Disk, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace, interrupts = FileStore.replace, [KeyboardInterrupt()]

    def store(self: FileStore, before: str | None, after: str) -> bool:
        if self.path.startswith(str(home)) and interrupts:
            raise interrupts.pop()
        return replace(self, before, after)

    monkeypatch.setattr(FileStore, "replace", store)
    done = shell("login", "--file", str(disk(600)))
    assert server.is_live(OAuthToken.from_json(next(home.glob("*/oauth.json"))).access_token)
    assert next(home.glob("*/oauth.json.client")).exists()
    assert "The login is kept in " in done.err


def test_without_any_place_the_error_is_told(
    shell: Shell, server: FakeGoogle, disk: Disk, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ytmusic_oauth._login._places", lambda: iter([str(home / "missing")]))
    done = shell("login", "--json", "--file", str(disk(600)))
    assert done.status == FIX_FIRST
    assert "The login is kept" not in done.err
    assert "could not be saved anywhere: log in again." in done.err
    assert done.events[-1]["file"] is None


def test_the_places_are_the_home_folder_and_temporary_folders(monkeypatch: pytest.MonkeyPatch) -> None:
    from ytmusic_oauth._login import _places

    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/7")
    monkeypatch.setenv("TMPDIR", "/mac")
    monkeypatch.setenv("TEMP", "/windows")
    assert list(_places())[1:4] == ["/run/user/7", "/mac", "/windows"]
    monkeypatch.setenv("TMPDIR", "")
    assert list(_places()) == [
        *(os.path.expanduser("~"), "/run/user/7", "/windows"),
        *("/var/tmp", "/tmp", "/dev/shm"),
    ]


@pytest.mark.skipif(os.name == "nt", reason="Windows has access control lists instead of modes")
def test_a_folder_is_private_if_no_other_user_can_rename_anything_on_the_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    above = tmp_path / "above"
    folder = above / "folder"
    folder.mkdir(parents=True)
    for mode, can_rename in ((0o755, False), (0o777, True), (0o770, True), (0o1777, False)):
        for each in (above, folder):
            each.chmod(mode)
            assert can_others_rename(str(folder)) is can_rename
            each.chmod(0o755)
    link = tmp_path / "link"
    link.symlink_to(folder)
    above.chmod(0o777)
    assert can_others_rename(str(link)), "what counts is where it leads"
    if posix.geteuid() == 0:
        above.chmod(0o755)
        posix.chown(above, 12345, -1)
        assert can_others_rename(str(folder))
        monkeypatch.setattr(os, "geteuid", lambda: 12345)
        above.chmod(0o700)
        assert not can_others_rename(str(above)), "root's folders are above it"
        posix.chown(above, 65534, -1)
        assert not can_others_rename(str(above)), "in a container, a user namespace does not show the owner"


def test_a_file_that_others_can_read_is_not_called_private(
    shell: Shell, server: FakeGoogle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file of another user is written in place, and keeps its mode."""
    file = tmp_path / "oauth.json"

    def opened(*_: object) -> bool:
        file.chmod(0o644)
        return True

    monkeypatch.setattr("ytmusic_oauth._login._keep", opened)
    server.approve_after = 0
    assert f"Logged in. The token is in {file}.\n" in shell("login").err


def test_a_thread_that_gets_no_signals_can_log_in(shell: Shell, server: FakeGoogle) -> None:
    server.approve_after = 0
    with ThreadPoolExecutor(1) as another:
        assert another.submit(shell, "login").result().status == DONE


# ---- paths ---------------------------------------------------------------------------------------


def test_a_tilde_is_the_home_folder(
    shell: Shell, server: FakeGoogle, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a service's configuration, where no shell expands it."""
    server.approve_after = 0
    assert shell("login", "--file", "~/oauth.json").status == DONE
    assert (home / "oauth.json").is_file()
    monkeypatch.setenv("YTMUSIC_OAUTH_FILE", "~/oauth.json")
    assert shell("token").status == DONE
    done = shell("login", "--client-secrets", "~/client.json")
    assert done.err.startswith(f"ytmusic_oauth: {home / 'client.json'}: No such file or directory.")


@pytest.mark.parametrize("options", [["--file", "new/oauth.json"], ["--client-secrets", "new/client.json"]])
def test_a_relative_path_says_where_it_was_looked_for(shell: Shell, tmp_path: Path, options: list[str]) -> None:
    done = shell("login", *options)
    assert done.status == FIX_FIRST
    where = f", in {tmp_path}" if options[0] == "--file" else f"{tmp_path}/new/client.json"
    assert "No such file or directory" in done.err
    assert where in done.err


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege there")
def test_a_folder_above_a_link_is_that_of_where_it_leads(shell: Shell, server: FakeGoogle, tmp_path: Path) -> None:
    """`link/..` is not the folder of the link."""
    folder = tmp_path / "other"
    (folder / "inner").mkdir(parents=True)
    (tmp_path / "link").symlink_to(folder / "inner")
    for each in (tmp_path, folder):
        client_id = CLIENT_ID if each == folder else "another"
        (each / "client.json").write_text(json.dumps({"client_id": client_id, "client_secret": CLIENT_SECRET}))
    server.approve_after = 0
    path = "link/../oauth.json"
    done = shell("login", "--file", path, "--client-secrets", "link/../client.json")
    assert done.status == DONE
    assert f"Logged in. The token is in {tmp_path}/{path}, readable only by its owner." in done.err
    assert f" header --file {tmp_path}/{path}\n" in done.err
    assert (folder / "oauth.json").is_file()
    assert not (tmp_path / "oauth.json").exists()
    [shown] = shell("status", "--json", "--file", path).events
    assert shown["file"] == f"{tmp_path}/{path}"


def test_a_login_that_is_moved_after_the_save_is_a_login(
    shell: Shell, server: FakeGoogle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save = _login._save

    def saved(token: RefreshingToken, options: Options, document: str, line: StatusLine) -> bool:
        is_kept = save(token, options, document, line)
        (tmp_path / "oauth.json").rename(tmp_path / "moved.json")
        return is_kept

    monkeypatch.setattr(_login, "_save", saved)
    server.approve_after = 0
    done = shell("login")
    assert (done.status, f"The token is in {tmp_path / 'oauth.json'}.\n" in done.err) == (DONE, True)
