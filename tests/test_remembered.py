# SPDX-License-Identifier: MIT
"""What `login` keeps beside the token file: every other command works with `--file` alone, at the right server."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import stat
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Final

import pytest

from tests.porting.fake_google import CLIENT_ID, CLIENT_SECRET, RFC_DIALECT, Client, FakeGoogle
from tests.posix import lchown, needs_root
from tests.shell import ID, SECRET, Outcome, Shell, disk_full
from tests.support import Clock
from ytmusic_oauth import Endpoints, OAuthCredentials, OAuthToken, RefreshingToken
from ytmusic_oauth._client_file import Client as ClientFile
from ytmusic_oauth._client_file import client_document, parse_remembered
from ytmusic_oauth._command_line import DONE, FIX_FIRST, LOG_IN_AGAIN
from ytmusic_oauth._file_store import FileStore
from ytmusic_oauth.exceptions import TokenFileError

OTHER: Final = "other-client"
OTHER_SECRET: Final = "other-fake-secret"


@pytest.fixture
def server(clock: Clock) -> Iterator[FakeGoogle]:
    """A server that is not Google's, with two clients, and a user who confirms at once."""
    clients = {CLIENT_ID: Client(CLIENT_SECRET), OTHER: Client(OTHER_SECRET)}
    with FakeGoogle(clock=clock.monotonic, dialect=RFC_DIALECT, approve_after=0, clients=clients) as server:
        yield server


@pytest.fixture
def another(clock: Clock) -> Iterator[FakeGoogle]:
    """Another server."""
    with FakeGoogle(clock=clock.monotonic, dialect=RFC_DIALECT, approve_after=0) as server:
        yield server


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    return tmp_path / "oauth.json.client"


def endpoints(server: FakeGoogle) -> list[str]:
    return ["--endpoints", server.device_code_url, server.token_url, server.revoke_url]


@pytest.fixture
def alone(shell: Shell, server: FakeGoogle) -> Shell:
    """A shell after a login at the server. From now on, neither the environment nor an option says anything."""
    shell.endpoints = []
    assert login(shell, server).status == DONE
    shell.forget_client()
    return shell


def login(shell: Shell, server: FakeGoogle, *options: str) -> Outcome:
    return shell("login", "--scope", "openid offline_access", *endpoints(server), *options)


def client_file(folder: Path, **content: object) -> list[str]:
    (folder / "client.json").write_text(json.dumps({"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, **content}))
    return ["--client-secrets", "client.json"]


def after_the_save(patch: pytest.MonkeyPatch, then: Callable[[], object]) -> None:
    """Let something happen between the two files of a login."""
    store_token = RefreshingToken.store_token

    def store(self: RefreshingToken, path: str | None = None) -> None:
        store_token(self, path)
        then()

    patch.setattr(RefreshingToken, "store_token", store)


# ---- after a login -------------------------------------------------------------------------------


def test_every_command_works_with_the_file_alone(
    alone: Shell, server: FakeGoogle, another: FakeGoogle, clock: Clock, tmp_path: Path
) -> None:
    """In cron, 59 minutes later."""
    file = str(tmp_path / "oauth.json")
    clock.advance(3590)
    for command in ("token", "header", "refresh", "status", "login"):
        assert alone(command, "--file", file).status == DONE, command
    clock.advance(3590)
    assert alone("header", "--file", file).status == DONE
    assert alone("revoke", "--yes", "--file", file).status == DONE
    assert len(server.requests_to("token")) == 5
    assert len(server.requests_to("revoke")) == 1
    assert {each.form["client_secret"] for each in server.transcript} == {CLIENT_SECRET}


def test_the_file_is_private_and_says_what_it_is(alone: Shell, server: FakeGoogle, kept: Path) -> None:
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    content = json.loads(kept.read_text())
    assert list(content) == ["kept_by", "client_id", "client_secret", "endpoints", "scope", "parameters"]
    assert content["kept_by"] == "ytmusic_oauth login"
    assert content["endpoints"]["token_url"] == server.token_url
    assert alone("refresh", "--client-secrets", str(kept)).status == DONE, "it is a client file like any other"


def test_a_second_login_asks_for_the_same(shell: Shell, server: FakeGoogle) -> None:
    shell.endpoints = []
    assert login(shell, server, "--parameter", "audience=a").status == DONE
    shell.forget_client()
    assert shell("login").status == DONE
    first, second = server.requests_to("code")
    assert second.form == first.form
    assert second.form.items() >= {"scope": "openid offline_access", "audience": "a"}.items()
    assert shell("login", "--scope", "b", "--parameter", "audience=c").status == DONE
    assert server.requests_to("code")[2].form.items() >= {"scope": "b", "audience": "c"}.items(), "an option wins"


def test_no_remember_keeps_nothing_and_removes_what_was_kept(alone: Shell, server: FakeGoogle, kept: Path) -> None:
    assert alone("login", "--no-remember").status == DONE
    assert not kept.exists()
    assert alone("refresh").status == FIX_FIRST


# ---- options and the environment -----------------------------------------------------------------


@pytest.mark.parametrize(("name", "value"), [(ID, OTHER), (SECRET, OTHER_SECRET)])
@pytest.mark.parametrize("command", [["refresh"], ["revoke", "--yes"], ["login"]])
def test_a_variable_that_differs_is_an_error_that_names_both(
    alone: Shell, server: FakeGoogle, monkeypatch: pytest.MonkeyPatch, name: str, value: str, command: list[str]
) -> None:
    """It may be that of another program: the server would refuse it, or keep a secret that is not for it."""
    requests = len(server.transcript)
    monkeypatch.setenv(name, value)
    done = alone(*command)
    assert done.status == FIX_FIRST
    assert re.search(rf"{name} differs from that of the last login, in .*oauth\.json\.client: ", done.err)
    assert not {CLIENT_SECRET, OTHER_SECRET} & set(done.err.split())
    assert len(server.transcript) == requests
    assert alone("token").status == DONE, "a fresh token needs no client"


@pytest.mark.parametrize("secret", [CLIENT_SECRET, ""])
def test_variables_that_say_the_same_or_nothing_are_no_error(
    alone: Shell, server: FakeGoogle, monkeypatch: pytest.MonkeyPatch, secret: str
) -> None:
    monkeypatch.setenv(ID, CLIENT_ID)
    monkeypatch.setenv(SECRET, secret)
    assert alone("refresh").status == DONE


def test_an_option_wins_over_what_is_kept(
    alone: Shell, server: FakeGoogle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client secret was renewed."""
    server.clients = {CLIENT_ID: Client("renewed-fake-secret")}
    assert alone("refresh").status == FIX_FIRST
    monkeypatch.setenv(SECRET, OTHER_SECRET)
    options = client_file(tmp_path, client_secret="renewed-fake-secret")
    assert alone("refresh", *options).status == DONE
    assert alone("login", *options).status == DONE
    monkeypatch.delenv(SECRET)
    assert alone("refresh").status == DONE, "the new secret is kept"


def test_a_client_file_without_the_secret_does_not_hide_the_one_that_is_kept(
    alone: Shell, server: FakeGoogle, tmp_path: Path, kept: Path
) -> None:
    options = client_file(tmp_path, client_secret="")
    assert alone("refresh", *options).status == alone("login", *options).status == DONE
    assert json.loads(kept.read_text())["client_secret"] == CLIENT_SECRET


@pytest.mark.parametrize("where", ["another client", "another server"])
def test_the_token_of_a_login_is_not_sent_with_another_client_or_elsewhere(
    alone: Shell, server: FakeGoogle, another: FakeGoogle, tmp_path: Path, where: str
) -> None:
    """Only the client that obtained a token can refresh it, and another server would learn it."""
    requests = len(server.transcript)
    urls = {"device_code_url": another.device_code_url, "token_url": another.token_url}
    content = {"client_id": OTHER} if where == "another client" else {"endpoints": urls}
    done = alone("refresh", *client_file(tmp_path, **content))
    assert done.status == FIX_FIRST
    assert "oauth.json was obtained with the OAuth client in " in done.err
    assert "oauth.json.client, and client.json has another client or server: omit" in done.err
    assert (len(server.transcript), another.transcript) == (requests, [])


def test_the_client_is_not_sent_to_another_server(
    alone: Shell, server: FakeGoogle, another: FakeGoogle, monkeypatch: pytest.MonkeyPatch
) -> None:
    for command in ("login", "refresh"):
        done = alone(command, *endpoints(another))
        assert (done.status, "The OAuth client is unknown" in done.err) == (FIX_FIRST, True)
    assert another.transcript == []
    monkeypatch.setenv(ID, CLIENT_ID)
    monkeypatch.setenv(SECRET, CLIENT_SECRET)
    assert alone("refresh", *endpoints(another)).status == LOG_IN_AGAIN, "an option wins"
    assert len(another.transcript) == 1


def test_fewer_urls_of_the_same_server_are_the_same_server(alone: Shell, server: FakeGoogle) -> None:
    assert alone("refresh", *endpoints(server)[:3]).status == DONE


def test_a_token_of_an_unknown_server_is_not_sent_to_google(
    alone: Shell, server: FakeGoogle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its file was copied, without what is kept beside it."""
    (tmp_path / "copy.json").write_bytes((tmp_path / "oauth.json").read_bytes())
    monkeypatch.setenv(ID, CLIENT_ID)
    monkeypatch.setenv(SECRET, CLIENT_SECRET)
    token = json.loads((tmp_path / "copy.json").read_text())
    (tmp_path / "copy.json").write_text(json.dumps({**token, "refresh_token": "fake-refresh"}))
    for command in (["refresh"], ["revoke", "--yes"]):
        done = alone(*command, "--file", "copy.json")
        assert (done.status, "copy.json came from is unknown: pass --endpoints" in done.err) == (FIX_FIRST, True)
    sent: list[str] = []

    def post(_: object, url: str, **__: object) -> None:
        sent.append(url)
        raise KeyboardInterrupt

    monkeypatch.setattr("ytmusic_oauth.transport.UrllibSession.post", post)
    for values in (
        {"refresh_token": "1//fake"},
        {"refresh_token": "fake", "scope": "https://www.googleapis.com/auth/a"},
    ):
        (tmp_path / "copy.json").write_text(json.dumps({**token, **values}))
        alone("refresh", "--file", "copy.json")
    assert sent == ["https://oauth2.googleapis.com/token"] * 2, "these are Google's: ytmusicapi's files still work"


@pytest.fixture
def scripted(another: FakeGoogle) -> OAuthCredentials:
    """The client of a script that logs in at another server."""
    urls = Endpoints(another.device_code_url, another.token_url, another.revoke_url)
    return OAuthCredentials(CLIENT_ID, CLIENT_SECRET, endpoints=urls, scope="a")


def log_in(credentials: OAuthCredentials, file: Path) -> None:
    token = RefreshingToken(credentials, **credentials.wait_for_token(credentials.get_code()))
    token.store_token(str(file))


def test_a_login_by_a_script_is_not_sent_to_the_server_of_the_login_before(
    alone: Shell, server: FakeGoogle, scripted: OAuthCredentials, tmp_path: Path, kept: Path
) -> None:
    sent = len(server.transcript)
    log_in(scripted, tmp_path / "oauth.json")
    assert not kept.exists()
    done = alone("refresh")
    assert (done.status, len(server.transcript)) == (FIX_FIRST, sent)


@pytest.mark.parametrize("content", [b"[Interface]\nkey = 1", b"\xff"])
def test_a_login_by_a_script_keeps_the_file_of_another_program(
    alone: Shell, scripted: OAuthCredentials, tmp_path: Path, kept: Path, content: bytes
) -> None:
    kept.write_bytes(content)
    RefreshingToken(scripted, **scripted.wait_for_token(scripted.get_code())).store_token(str(tmp_path / "oauth.json"))
    assert kept.read_bytes() == content


@pytest.mark.parametrize("number", [errno.EACCES, errno.EIO, errno.EMFILE])
def test_no_login_is_saved_beside_a_client_that_cannot_be_opened(
    alone: Shell, server: FakeGoogle, tmp_path: Path, kept: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """Another user can open it, and would send the new token to its server."""
    real, file, sent = os.open, tmp_path / "oauth.json", len(server.transcript)
    text = file.read_text()

    def opened(path: str, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        if path == str(kept.resolve()):
            raise OSError(number, os.strerror(number))
        return real(path, flags, mode, dir_fd=dir_fd)

    monkeypatch.setattr(os, "open", opened)
    problem = "The OAuth client of the last login cannot be read: "
    with pytest.raises(TokenFileError, match=problem):
        FileStore(file).for_login().replace(text, "{}")
    done = login(alone, server, "--no-remember", *client_file(tmp_path))
    assert (done.status, f"{kept}: {problem}" in done.err) == (FIX_FIRST, True)
    assert (file.read_text(), len(server.transcript)) == (text, sent)


def test_of_two_logins_at_once_the_client_of_the_later_is_kept(
    shell: Shell,
    server: FakeGoogle,
    scripted: OAuthCredentials,
    tmp_path: Path,
    kept: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shell.endpoints = []
    other = RefreshingToken(scripted, **scripted.wait_for_token(scripted.get_code()))
    store_other = partial(other.store_token, str(tmp_path / "oauth.json"))
    after_the_save(monkeypatch, store_other)
    done = login(shell, server)
    assert (done.status, kept.exists()) == (DONE, False)
    assert "oauth.json has another token now. The OAuth client is not kept: pass it to each command.\n" in done.err


def test_a_client_that_cannot_be_kept_must_be_passed_to_the_next_command(
    shell: Shell, server: FakeGoogle, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another program has written a file of that name while the user confirmed."""
    shell.endpoints = []
    after_the_save(monkeypatch, lambda: kept.write_text("{}"))
    done = login(shell, server, "--client-authentication", "post")
    assert "is not a file of this program. The OAuth client is not kept: pass it to each command.\n" in done.err
    assert "To print a header for curl -H @-, run this with the same client options:\n" in done.err


def test_a_lock_that_stays_taken_does_not_cost_the_login(
    shell: Shell, server: FakeGoogle, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shell.endpoints = []
    for module in ("_cycle", "_login"):
        monkeypatch.setattr(f"ytmusic_oauth.{module}.LOCK_WAIT", 0.1)
    take = partial(monkeypatch.setattr, "ytmusic_oauth._file_lock.FileLock._try", lambda self: None)
    after_the_save(monkeypatch, take)
    done = login(shell, server)
    assert (done.status, kept.exists()) == (DONE, False)
    assert "Another process holds the lock of oauth.json. The OAuth client is not kept" in done.err


# ---- the file ------------------------------------------------------------------------------------

UNUSUAL: Final = Endpoints(
    "https://a.example/code",
    "https://a.example/token",
    "https://a.example/revoke",
    client_authentication="basic",
    device_grant="grant",
    device_code_parameter="parameter",
    authenticate_everywhere=False,
    rotates_refresh_tokens=False,
    is_google=True,
)


@pytest.mark.parametrize(
    "client",
    [
        ClientFile("id", "secret", UNUSUAL, "a scope", {"audience": "b"}),
        ClientFile("id", "", Endpoints("https://a.example/code", "https://a.example/token")),
        ClientFile("id", "secret"),
    ],
)
def test_the_next_command_reads_all_that_a_login_has_kept(client: ClientFile) -> None:
    assert parse_remembered(client_document(client)) == client
    assert '{\n "kept_by": ' in client_document(client), "a user can read it, too"


@pytest.mark.parametrize(
    "content",
    [
        f'{{"client_id": "{CLIENT_ID}", "client_secret": "{CLIENT_SECRET}"}}',
        "[Interface]\nkey = 1",
        f'{{"kept_by": "ytmusic_oauth login", "client_id": "{CLIENT_ID}", "endpoints": "{CLIENT_SECRET}"}}',
    ],
    ids=["another program's client", "a VPN", "edited"],
)
def test_another_file_of_that_name_is_neither_used_nor_replaced(
    shell: Shell, server: FakeGoogle, kept: Path, content: str
) -> None:
    kept.write_text(content)
    done = login(shell, server)
    assert done.status == FIX_FIRST
    problem = "oauth.json.client was not written by `login`, or was changed: it "
    assert re.search(f'{problem}(has no "kept_by"|is not JSON|has endpoints)', done.err)
    assert done.err.endswith("Move it away, use another folder, or pass --no-remember.\n")
    assert CLIENT_SECRET not in done.err
    assert server.transcript == []
    assert login(shell, server, "--no-remember").status == DONE
    refused = shell("refresh", *endpoints(server))
    assert (refused.status, "pass both --client-secrets and --endpoints." in refused.err) == (FIX_FIRST, True)
    assert shell("refresh", *client_file(kept.parent), *endpoints(server)).status == DONE, "nothing of it is needed"
    assert kept.read_text() == content
    device_url, token_url = server.device_code_url, server.token_url
    options = client_file(kept.parent, endpoints={"device_code_url": device_url, "token_url": token_url})
    shell.endpoints = []
    refused = shell("refresh", *options)
    assert (refused.status, "pass both --client-secrets and --endpoints." in refused.err) == (FIX_FIRST, True)


def test_a_folder_of_that_name_fails_no_command_that_does_not_need_it(alone: Shell, kept: Path) -> None:
    kept.unlink()
    kept.mkdir()
    assert "oauth.json.client cannot be used: this is a folder. " in alone("status").out
    done = alone("refresh")
    assert (done.status, "Move it away" in done.err) == (FIX_FIRST, True)


@needs_root
@pytest.mark.parametrize("planted", ["file", "link", "file, late", "link, late"])
@pytest.mark.parametrize("options", ["", "--client-secrets"])
def test_a_planted_file_of_that_name_receives_no_secret(
    alone: Shell, another: FakeGoogle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, planted: str, options: str
) -> None:
    """In a folder such as /tmp, beside our own token: it would name the server that gets the refresh token."""
    with tempfile.TemporaryDirectory() as directory:
        kept, theirs, real = Path(directory).resolve() / "oauth.json.client", tmp_path / "their.client", os.open
        kept.parent.chmod(0o1777)
        shutil.copy(tmp_path / "oauth.json", directory)
        assert login(alone, another, *client_file(tmp_path), "--file", str(tmp_path / "their")).status == DONE
        sent = len(another.transcript)

        def plant() -> None:
            if "file" in planted:
                shutil.copy(theirs, kept)
            else:
                kept.symlink_to(theirs)
            lchown(kept, 4242, 4242)

        def opened(path: str, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
            if path == str(kept) and not kept.is_symlink() and not kept.exists():
                plant()
            return real(path, flags, mode, dir_fd=dir_fd)

        if "late" in planted:  # after the check
            monkeypatch.setattr(os, "open", opened)
        else:
            plant()
        words = ["--file", str(kept.with_suffix("")), *(client_file(tmp_path) if options else ())]
        for command in ("refresh", "revoke", "login"):
            done = alone(command, *words)
            assert done.status == FIX_FIRST
            assert re.search(f"{kept}( cannot be used|: The OAuth client of the last login cannot be read): ", done.err)
            assert planted == "link, late" or "to another user, who may have put it there. " in done.err
        assert theirs.exists()
        assert kept.lstat().st_uid == 4242
    assert len(another.transcript) == sent


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")
def test_the_client_is_kept_beside_the_file_that_links_lead_to(
    shell: Shell, server: FakeGoogle, scripted: OAuthCredentials, tmp_path: Path
) -> None:
    """Another program may store a login of another server by the file's own name."""
    file, link = tmp_path / "real.json", tmp_path / "oauth.json"
    link.symlink_to("real.json")
    shell.endpoints = []
    assert login(shell, server).status == DONE
    shell.forget_client()
    assert sorted(each.name for each in tmp_path.iterdir()) == ["oauth.json", "real.json", "real.json.client"]
    assert {shell("refresh", "--file", str(each)).status for each in (file, link)} == {DONE}
    sent = len(server.transcript)
    log_in(scripted, file)
    assert shell("refresh", "--file", str(link)).status == FIX_FIRST
    assert len(server.transcript) == sent
    assert not (tmp_path / "real.json.client").exists()


def test_revoke_names_the_client_file_that_it_cannot_remove(
    alone: Shell, tmp_path: Path, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unlink = os.unlink
    monkeypatch.setattr(os, "unlink", lambda path: (disk_full if f"{path}" == str(kept) else unlink)(path))
    done = alone("revoke", "--yes")
    assert done.status == FIX_FIRST
    assert f"{kept}: Revoked. But this file is left: No space left on device. Remove it." in done.err
    assert not (tmp_path / "oauth.json").exists()


def test_an_empty_file_of_that_name_is_filled(shell: Shell, server: FakeGoogle, kept: Path) -> None:
    kept.touch()
    assert login(shell, server).status == DONE
    assert "kept_by" in kept.read_text()


def test_a_token_is_never_beside_the_client_of_another_server(
    alone: Shell, another: FakeGoogle, tmp_path: Path, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even if the process is killed between the two files."""
    beside: list[bool] = []
    after_the_save(monkeypatch, lambda: beside.append(kept.exists()))
    assert alone("login").status == DONE
    assert login(alone, another, *client_file(tmp_path)).status == DONE
    assert beside == [False, False]
    assert json.loads(kept.read_text())["endpoints"]["token_url"] == another.token_url


def test_a_client_that_cannot_be_kept_does_not_cost_the_login(
    shell: Shell, server: FakeGoogle, kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shell.endpoints = []
    after_the_save(monkeypatch, lambda: monkeypatch.setattr(os, "write", disk_full))
    done = login(shell, server)
    monkeypatch.undo()
    assert done.status == DONE
    assert "oauth.json.client: No space left on device. The OAuth client is not kept: pass it to each" in done.err
    assert server.is_live(OAuthToken.from_json(tmp_path / "oauth.json").access_token)
    assert not kept.exists()


def test_a_login_without_a_refresh_token_removes_the_client_of_the_last_one(
    alone: Shell, kept: Path, tmp_path: Path
) -> None:
    """Both have none: that does not make them the same login."""
    assert alone("login").status == DONE
    file = tmp_path / "oauth.json"
    without = {**json.loads(file.read_text()), "refresh_token": ""}
    file.write_text(json.dumps(without))
    credentials = OAuthCredentials("id", "secret")
    RefreshingToken.from_dict(credentials, {**without, "access_token": "ya29.fake-other"}).keep_in(file)
    assert not kept.exists()
