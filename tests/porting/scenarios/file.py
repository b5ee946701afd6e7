# SPDX-License-Identifier: MIT
"""Scenarios of the level `file`: the token file, its mode, and what survives a crash."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from ..fake_google import Reply
from ..harness import Failure, Harness, as_text, expect
from .registry import scenario

if sys.platform != "win32":
    with suppress(ImportError):
        import resource

__all__: list[str] = []


@scenario(
    "file/login-is-stored",
    "readable by its owner only, whatever the umask; byte for byte as ytmusicapi writes it",
    waits=2,
)
def _(harness: Harness) -> None:
    harness.umask = 0
    harness.saved(harness.token_of(harness.approved_login(file=True)))


@scenario("file/login-is-not-started-if-it-cannot-be-stored", "the user must not confirm a code for nothing")
def _(harness: Harness) -> None:
    harness.file.mkdir()
    harness.error_of(harness.finish(harness.start("login", file=True, limit=10)), "token_file")
    harness.requests("code", 0)


@scenario(
    "file/login-is-not-started-if-the-folder-is-missing",
    "a typing error in a path: found before the user has confirmed a code",
)
def _(harness: Harness) -> None:
    missing = {"OAUTH_TOKEN_FILE": str(harness.folder / "missing" / "oauth.json")}
    harness.error_of(harness.finish(harness.start("login", environment=missing, limit=10)), "token_file")
    harness.requests("code", 0)


@scenario(
    "file/refused-login-keeps-the-old-file",
    "the user logs in again, and denies it: the old login still works, and nothing is left beside it",
    waits=2,
)
def _(harness: Harness) -> None:
    harness.write(harness.grant())  # with the code ABCD-0001
    child = harness.start("login", file=True)
    harness.wait_for_requests(1, "token")
    harness.server.deny("ABCD-0002")
    harness.error_of(harness.finish(child), "access_denied", error="access_denied")
    harness.unchanged()


@scenario(
    "file/login-over-a-token-from-the-future",
    "the clock was ahead when the old token was saved: what the user has just confirmed is saved nevertheless",
    waits=2,
)
def _(harness: Harness) -> None:
    old = harness.grant(valid_for=86400)  # with the code ABCD-0001
    harness.write(old)
    child = harness.start("login", file=True)
    harness.wait_for_requests(1, "token")
    harness.server.approve("ABCD-0002")
    token = harness.token_of(harness.finish(child))
    expect(token["refresh_token"] != old["refresh_token"], "the new login", token)
    harness.saved(token)


@scenario(
    "file/revocation",
    "the login that the file has is revoked; the file may be removed afterwards, but not be changed or be half a file",
)
def _(harness: Harness) -> None:
    token = harness.grant()
    harness.write(token)
    run = harness.run("revoke", file=True)
    expect(run.reply == {"revoked": True}, '{"revoked": true}', run.reply)
    [request] = harness.requests("revoke", 1)
    harness.form(request, token=str(token["refresh_token"]))
    expect(not harness.server.can_refresh(str(token["refresh_token"])), "the login has ended", "it can be refreshed")
    if harness.file.exists():
        harness.unchanged()


@scenario(
    "file/newer-refresh-token-in-the-file",
    "another process has refreshed, and the server rotates: the token in memory is used up, and the file has the next",
    profile="rfc",
)
def _(harness: Harness) -> None:
    harness.server.rotate = True
    old = harness.grant()
    harness.write(old)
    child = harness.start("interactive", file=True)
    harness.token_in(child.ask("token"), "interactive")  # it has read the file
    newer = harness.refreshed(old, valid_for=-1)
    harness.put(newer)
    token = harness.token_in(child.ask("refresh"), "interactive")
    [request] = harness.requests("token", 1)
    sent = request.form.get("refresh_token")
    expect(sent == newer["refresh_token"], f"the refresh token in the file: {newer['refresh_token']}", sent)
    harness.saved(token)


@scenario(
    "file/file-of-another-user",
    "a service's file, refreshed once by root: if root owned it afterwards, the service could not read its own token",
    needs="root",
)
def _(harness: Harness) -> None:
    harness.write(harness.grant(valid_for=-1))
    if sys.platform != "win32":
        os.chown(harness.file, 65534, 65533)
    harness.saved(harness.token_of(harness.run("token", file=True)))
    status = harness.file.stat()
    owner = f"user {status.st_uid}, group {status.st_gid}"
    expect(owner == "user 65534, group 65533", "the file belongs to the same user and group as before", owner)


@scenario("file/fresh-token-is-read", "another process has written it: nothing is sent, and nothing is written")
def _(harness: Harness) -> None:
    token = harness.grant()
    harness.write(token)
    before = harness.file.stat()
    read = harness.token_of(harness.run("token", file=True))
    expect(read == token, f"the token in the file: {as_text(token)}", read)
    harness.unchanged()
    expect(harness.file.stat().st_ino == before.st_ino, "nothing is written", "the file was replaced")
    harness.requests("token", 0)


@scenario("file/file-of-another-program", "unknown keys, and the byte order mark that Windows editors write")
def _(harness: Harness) -> None:
    token = harness.grant()
    harness.write(b"\xef\xbb\xbf" + json.dumps({"filepath": None, **token, "note": [1]}).encode())
    read = harness.token_of(harness.run("token", file=True))
    expect(read == token, f"the token in the file: {as_text(token)}", read)
    harness.unchanged()


@scenario("file/refresh-is-saved", "the next process has to find it")
def _(harness: Harness) -> None:
    harness.write(harness.grant(valid_for=-1))
    harness.saved(harness.token_of(harness.run("token", file=True)))
    harness.requests("token", 1)
    harness.token_of(harness.run("token", file=True))
    harness.requests("token", 1)


@scenario(
    "file/rotated-refresh-token-is-saved",
    "with the old refresh token in the file, the next start ends the login",
    profile="rfc",
)
def _(harness: Harness) -> None:
    harness.umask = 0o277  # also on a machine with an unusual umask
    harness.server.rotate = True
    harness.write(harness.grant())
    for _ in range(2):
        harness.saved(harness.token_of(harness.run("refresh", file=True)))


@scenario(
    "file/refresh-token-of-a-malformed-response-is-saved",
    "the rest of it is of no use, but the old refresh token is used up: without the new one, the login is lost",
    profile="rfc",
)
def _(harness: Harness) -> None:
    old = harness.grant()
    harness.write(old)
    harness.server.script("token", harness.refresh_reply(token_type="mac", refresh_token="1//fake-scripted"))
    harness.error_of(harness.run("refresh", file=True), "malformed", key="token_type")
    harness.saved({**old, "refresh_token": "1//fake-scripted"})


@scenario(
    "file/replaced-atomically",
    "a hard link shows it: after a power failure, a file that is overwritten in place is half a file",
    needs="hard links",
)
def _(harness: Harness) -> None:
    harness.write(harness.grant())
    os.link(harness.file, harness.folder / "backup")
    harness.others.add("backup")
    before = (harness.folder / "backup").read_bytes()
    harness.saved(harness.token_of(harness.run("refresh", file=True)))
    after = (harness.folder / "backup").read_bytes()
    expect(after == before, "the old file is unchanged, with a new one in its place", after)


# A process of root that obeys the modes of files like any other: without CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH.
_OBEDIENT: Final = """
import ctypes, os, sys
for capability in (1, 2):
    if os.geteuid() == 0 and ctypes.CDLL(None).prctl(24, capability, 0, 0, 0) != 0:
        sys.exit("the capabilities of root cannot be dropped here")
os.execvp(sys.argv[1], sys.argv[1:])
"""
_AS_ANY_USER: Final = (sys.executable, "-ISc", _OBEDIENT)


@scenario(
    "file/read-only-folder",
    "like a single file that is mounted into a container: if a rename is impossible, the file is written in place",
    needs="folder that may not be written",
)
def _(harness: Harness) -> None:
    harness.write(harness.grant())
    harness.folder.chmod(0o500)
    try:
        run = harness.finish(harness.start("refresh", file=True, wrapper=_AS_ANY_USER))
    finally:
        harness.folder.chmod(0o700)
    harness.saved(harness.token_of(run))


@scenario(
    "file/symbolic-link",
    "the file is on another disk; the link must not become a file",
    needs="symbolic links",
)
def _(harness: Harness) -> None:
    harness.others.update({"elsewhere", "link"})
    (harness.folder / "elsewhere").mkdir()
    real, link = harness.folder / "elsewhere" / "real.json", harness.file
    real.write_text(json.dumps(harness.grant(), indent=1))
    link.symlink_to(real)
    token = harness.token_of(harness.run("refresh", file=True))
    expect(link.is_symlink(), "the link is still a link", "it is not")
    harness.saved(token)
    found = [path.name for path in (harness.folder / "elsewhere").iterdir()]
    expect(set(found) <= {"real.json", "real.json.lock"}, "nothing is left beside the token file", found)


@scenario(
    "file/world-readable-file",
    "ytmusicapi has written it with the default mode: the next save makes it private",
    needs="file modes",
)
def _(harness: Harness) -> None:
    harness.umask = 0o022
    harness.write(harness.grant(), mode=0o644)
    harness.saved(harness.token_of(harness.run("refresh", file=True)))


@scenario(
    "file/never-partial-and-never-readable",
    "every file in the folder is watched during thirty saves",
    needs="file modes",
)
def _(harness: Harness) -> None:
    harness.umask = 0
    harness.write(harness.grant())
    child = harness.start("interactive", file=True)
    with _watched(harness.folder) as problems:
        for _ in range(30):
            harness.token_in(child.ask("refresh"), "interactive")
    expect(not problems, "a whole token at any moment, and mode 0600 for every file", sorted(problems))


@contextmanager
def _watched(folder: Path) -> Iterator[set[str]]:
    """Collect everything that is wrong with the files in a folder at any moment."""
    problems: set[str] = set()
    over = threading.Event()

    def look() -> None:
        while not over.is_set():
            for each in os.scandir(folder):
                try:
                    mode, content = each.stat().st_mode & 0o777, Path(each).read_bytes()
                except OSError:  # already gone
                    continue
                if mode & 0o077 and not each.name.endswith(".lock"):
                    name = each.name if each.name == "oauth.json" else "a file beside oauth.json"
                    problems.add(f"{name}: mode {mode:04o}")
                if each.name == "oauth.json" and not content.endswith(b"}"):
                    problems.add(f"oauth.json: {len(content)} bytes of a token")

    watcher = threading.Thread(target=look, daemon=True)
    watcher.start()
    try:
        yield problems
    finally:
        over.set()
        watcher.join()


@scenario("file/no-file", "the error says to log in, and no empty file is made")
def _(harness: Harness) -> None:
    for command in ("token", "refresh"):
        harness.error_of(harness.run(command, file=True), "token_file_not_found")
    expect(not harness.file.exists(), "no file is made", "there is one")


@scenario("file/invalid-file", "the error names the invalid key; the file is the user's, so it is not changed")
def _(harness: Harness) -> None:
    token = harness.grant()
    del token["refresh_token"]
    harness.write(token)
    harness.error_of(harness.run("token", file=True), "token_file", key="refresh_token")
    harness.unchanged()
    harness.requests("token", 0)


@scenario(
    "file/no-longer-a-token-file",
    "another program has put its own file there: the token can be used, but that file must not be overwritten",
    waits=1,
)
def _(harness: Harness) -> None:
    harness.write(harness.grant())
    child = harness.start("interactive", file=True)
    harness.token_in(child.ask("token"), "interactive")  # it has read the file
    harness.write({"cookie": "of-another-program"})
    token = harness.token_in(child.ask("refresh"), "interactive")
    expect(token["access_token"] == "ya29.fake-access-2", "the refreshed token, ya29.fake-access-2", token)
    harness.warnings = 1  # the token could not be saved
    harness.unchanged()


@scenario(
    "file/no-longer-a-token-file-and-the-server-rotates",
    "another process may have used the refresh token: without a look into the file, it must not be sent again",
    profile="rfc",
    waits=1,
)
def _(harness: Harness) -> None:
    harness.server.rotate = True
    content = harness.write(harness.grant())
    child = harness.start("interactive", file=True)
    harness.token_in(child.ask("token"), "interactive")  # it has read the file
    harness.write(b"{")
    harness.error_in(child.ask("refresh"), "interactive", "token_file", retryable=True)
    harness.requests("token", 0)
    harness.write(content)
    harness.saved(harness.token_in(child.ask("refresh"), "interactive"))
    harness.requests("token", 1)


@scenario(
    "file/half-written-for-a-moment",
    "ytmusicapi writes the file in place: a moment later it is whole, and what it has must not be missed",
    profile="rfc",
    waits=1,
)
def _(harness: Harness) -> None:
    harness.server.rotate = True
    harness.write(harness.grant(valid_for=-1))
    harness.server.script("token", Reply(503, "", {"Retry-After": "30"}))
    child = harness.start("interactive", file=True)
    harness.error_in(child.ask("token"), "interactive", "server_error")  # it has read the file
    new = harness.grant()
    content = harness.write(new)
    harness.file.write_bytes(content[:100])
    child.send("refresh")
    time.sleep(0.3)
    harness.file.write_bytes(content)
    token = harness.token_in(child.receive_object(), "interactive")
    expect(token == new, f"the token in the file: {as_text(new)}", token)
    harness.requests("token", 1)


@scenario("file/named-pipe", "reading it could block for ever", needs="named pipes")
def _(harness: Harness) -> None:
    if sys.platform != "win32":
        os.mkfifo(harness.file)
    harness.error_of(harness.finish(harness.start("token", file=True, limit=10)), "token_file")


@scenario(
    "file/revoked-login-keeps-the-file",
    "deleting it would destroy the evidence, and another program may need it",
)
def _(harness: Harness) -> None:
    token = harness.grant(valid_for=-1)
    harness.server.revoke(str(token["refresh_token"]))
    harness.write(token)
    harness.error_of(harness.run("token", file=True), "invalid_grant")
    harness.unchanged()


# A process whose files may not grow beyond so many bytes: for any language, that is like a full disk.
_LIMITED: Final = """
import os, resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
os.execvp(sys.argv[2], sys.argv[2:])
"""
_DISK_FULL: Final = (sys.executable, "-ISc", _LIMITED, "100")
_DISK_ALMOST_FULL: Final = (*_DISK_FULL[:-1], "6000")


@scenario(
    "file/disk-full",
    "the new token can be used; the old file is all that is saved of the login",
    needs="limits on files",
)
def _(harness: Harness) -> None:
    harness.write(harness.grant(valid_for=-1))
    run = harness.finish(harness.start("token", file=True, wrapper=_DISK_FULL))
    token = harness.token_of(run)
    expect(token["access_token"] == "ya29.fake-access-2", "the refreshed token, ya29.fake-access-2", token)
    harness.warnings = 1  # the token could not be saved
    harness.unchanged()


@scenario(
    "file/disk-full-where-refresh-tokens-rotate",
    "a refresh would use up the only refresh token that is saved: it is not sent, and the login survives the program",
    profile="rfc",
    needs="limits on files",
)
def _(harness: Harness) -> None:
    harness.server.rotate = True
    harness.write({**harness.grant(valid_for=-1), "scope": "long" * 2000})
    for wrapper in (_DISK_FULL, _DISK_ALMOST_FULL):
        harness.error_of(harness.finish(harness.start("token", file=True, wrapper=wrapper)), "token_file")
    harness.requests("token", 0)
    harness.unchanged()
    harness.saved(harness.token_of(harness.run("token", file=True)))


@scenario(
    "file/login-on-a-full-disk",
    "if that is found after the user has confirmed the code, the login is lost",
    needs="limits on files",
)
def _(harness: Harness) -> None:
    harness.error_of(harness.finish(harness.start("login", file=True, wrapper=_DISK_FULL, limit=10)), "token_file")
    harness.requests("code", 0)


@scenario(
    "file/disk-full-for-a-while",
    "the token is kept in memory until it can be saved",
    needs="limits on the files of another process",
    waits=2,
)
def _(harness: Harness) -> None:
    harness.write(harness.grant(valid_for=-1))
    harness.warnings = 1  # the token could not be saved
    child = harness.start("interactive", file=True, wrapper=_DISK_FULL)
    token = harness.token_in(child.ask("token"), "interactive")
    harness.unchanged()
    if sys.platform == "linux":
        hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
        resource.prlimit(child.process.pid, resource.RLIMIT_FSIZE, (hard, hard))
    time.sleep(1.5)
    again = harness.token_in(child.ask("token"), "interactive")
    expect(again == token, "the same token", again)
    harness.saved(token)
    harness.requests("token", 1)


@scenario(
    "file/killed-during-a-save",
    "the old token or the new one, whole; and the next save, hours later, removes what was left",
    needs="signals",
    waits=4,
)
def _(harness: Harness) -> None:
    token = harness.grant()
    harness.write(token)
    for n in range(12):
        child = harness.start("interactive", file=True)
        duration = 0.0
        for fraction in (1, n * 0.618 % 1):  # first undisturbed; multiples of 0.618 are spread as evenly as possible
            count = len(harness.server.requests_to("token")) + 1
            access_token = f"ya29.fake-{count}-{'x' * 50 * (count % 3)}"
            harness.server.script("token", harness.refresh_reply(access_token=access_token))
            child.send("refresh")
            harness.wait_for_requests(count, "token")
            if fraction == 1:
                sent = time.perf_counter()
                harness.token_in(child.receive_object(), "interactive")
                duration = time.perf_counter() - sent
            else:
                time.sleep(duration * fraction)
        child.kill()
        harness.finish(child)
        try:
            content: object = json.loads(harness.file.read_bytes())
        except ValueError:
            raise Failure("a whole token in the file after a kill", harness.file.read_bytes()) from None
        whole = isinstance(content, dict) and {*content} == {*token}
        expect(whole, "a whole token in the file after a kill", content)
    two_hours_ago = time.time() - 7200
    for leftover in {*harness.folder.iterdir()} - {harness.file}:
        expect(leftover.stat().st_mode & 0o077 == 0, "what a killed process leaves is private", leftover.name)
        os.utime(leftover, (two_hours_ago, two_hours_ago))
    # At the end, nothing may be left beside the file: the rules of every scenario say so.
    harness.saved(harness.token_of(harness.run("refresh", file=True)))
