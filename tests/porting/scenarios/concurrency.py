# SPDX-License-Identifier: MIT
"""Scenarios of the level `concurrency`: one refresh, however many threads and processes need it."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Sequence
from dataclasses import replace

from ..fake_google import Reply
from ..harness import Harness, Object, as_text, expect
from .registry import scenario

__all__: list[str] = []


def _expect_same(tokens: Sequence[Object]) -> None:
    expect(all(token == tokens[0] for token in tokens), "the same token for all", tokens)


def _sixteen_tokens(harness: Harness, replies: Sequence[Object]) -> list[Object]:
    expect(len(replies) == 16, "16 replies", len(replies))
    return [harness.token_in(reply, "interactive") for reply in replies]


@scenario(
    "concurrency/two-processes-one-refresh",
    "RFC 9700 4.14.2: with rotation, a second refresh ends the login",
    profile="rfc",
    waits=2,
)
def _(harness: Harness) -> None:
    harness.server.rotate = True
    harness.write(harness.grant(valid_for=-1))
    with harness.server.hold("token"):
        started = time.monotonic()
        children = [harness.start("token", file=True)]
        harness.wait_for_requests(1, "token")
        children.append(harness.start("token", file=True))
        # Long enough for the second one to start, also on a busy machine, and to send a request if it does not wait;
        # shorter than the time-out of the first one.
        time.sleep(min(max(1.5, 2 * (time.monotonic() - started)), 0.7 * harness.timeout))
    tokens = [harness.token_of(harness.finish(child)) for child in children]
    harness.requests("token", 1)
    _expect_same(tokens)
    harness.saved(tokens[0])


def _six_at_once(harness: Harness, *, partner: bool = False) -> None:
    harness.server.rotate = True
    harness.write(harness.grant(valid_for=-1))
    children = [harness.start("token", file=True, partner=partner and n % 2 == 1) for n in range(6)]
    tokens = [harness.token_of(harness.finish(child)) for child in children]
    harness.requests("token", 1)
    _expect_same(tokens)
    harness.saved(tokens[0])


@scenario("concurrency/six-processes-at-once", "cron starts them all on the hour", profile="rfc", waits=1)
def _(harness: Harness) -> None:
    _six_at_once(harness)


@scenario(
    "concurrency/sixteen-threads-one-refresh",
    "sixteen threads or tasks: one refreshes, the others share its token",
    profile="rfc",
)
def _(harness: Harness) -> None:
    harness.server.rotate = True
    child = harness.start("interactive", harness.grant(valid_for=-1))
    _expect_same(_sixteen_tokens(harness, child.ask_all("token 16")))
    harness.requests("token", 1)


@scenario(
    "concurrency/valid-token-is-returned-to-other-threads",
    "one refreshes in the last minute; if the others waited, a slow server would stop every request of the program",
    profile="rfc",
    waits=3,
)
def _(harness: Harness) -> None:
    harness.server.rotate = True
    old = harness.grant(valid_for=40)
    harness.server.script("token", replace(harness.refresh_reply(refresh_token="1//fake-scripted"), delay=3))
    child = harness.start("interactive", old)
    tokens = _sixteen_tokens(harness, child.ask_all("token 16"))
    expect(sum(token == old for token in tokens) == 15, "15 times the old token, and one new one", tokens)
    harness.requests("token", 1)


@scenario(
    "concurrency/valid-token-is-returned-to-other-processes",
    "another process is refreshing: its slow server must not stop this one, whose token is valid",
    profile="rfc",
    waits=1,
)
def _(harness: Harness) -> None:
    harness.server.rotate = True
    old = harness.grant(valid_for=40)
    harness.write(old)
    with harness.server.hold("token"):
        first = harness.start("token", file=True)
        harness.wait_for_requests(1, "token")
        token = harness.token_of(harness.run("token", file=True))
        expect(token == old, f"the token that is valid: {as_text(old)}", token)
    harness.saved(harness.token_of(harness.finish(first)))
    harness.requests("token", 1)


@scenario(
    "concurrency/sixteen-threads-after-a-401",
    "all got it for the same access token: one refresh, because a refresh token that is used twice ends the login",
    profile="rfc",
    waits=1,
)
def _(harness: Harness) -> None:
    harness.server.script("token", replace(harness.refresh_reply(refresh_token="1//fake-scripted"), delay=1))
    child = harness.start("interactive", harness.grant())
    _expect_same(_sixteen_tokens(harness, child.ask_all("refresh 16")))
    harness.requests("token", 1)


@scenario(
    "concurrency/sixteen-threads-share-a-failure",
    "sixteen more requests do not help a failing server",
    waits=1,
)
def _(harness: Harness) -> None:
    harness.server.script("token", *[Reply(503, "", {"Retry-After": "30"}, delay=1)] * 16)
    replies = harness.start("interactive", harness.grant(valid_for=-1)).ask_all("token 16")
    expect(len(replies) == 16, "16 replies", len(replies))
    for reply in replies:
        harness.error_in(reply, "interactive", "server_error", retry_after=30)
    harness.requests("token", 1)


@scenario(
    "concurrency/token-refreshed-by-another-process",
    "the token that it has saved is used, without another refresh",
    profile="rfc",
)
def _(harness: Harness) -> None:
    harness.server.rotate = True
    harness.write(harness.grant(valid_for=40))
    harness.server.script("token", Reply(503, "", {"Retry-After": "30"}))
    child = harness.start("interactive", file=True)
    harness.token_in(child.ask("token"), "interactive")  # it has read the file, and could not refresh
    saved = harness.token_of(harness.run("refresh", file=True))
    token = harness.token_in(child.ask("refresh"), "interactive")
    expect(token == saved, f"the token that the other process has saved: {as_text(saved)}", token)
    harness.requests("token", 2)


@scenario(
    "concurrency/new-login-during-a-refresh",
    "ytmusicapi takes no lock: the login that it has saved during the request must not be overwritten",
    profile="rfc",
)
def _(harness: Harness) -> None:
    harness.server.rotate = True
    harness.write(harness.grant(valid_for=-1))
    login = harness.grant()
    with harness.server.hold("token"):
        child = harness.start("token", file=True)
        harness.wait_for_requests(1, "token")
        harness.put(login)
    token = harness.token_of(harness.finish(child))
    expect(token == login, f"the new login: {as_text(login)}", token)
    harness.unchanged()


@scenario("concurrency/new-login-is-loaded", "the user has logged in again: a service must not need a restart")
def _(harness: Harness) -> None:
    old = harness.grant(valid_for=-1)
    harness.server.revoke(str(old["refresh_token"]))
    harness.write(old)
    child = harness.start("interactive", file=True)
    harness.error_in(child.ask("token"), "interactive", "invalid_grant")
    new = harness.grant()
    harness.write(new)
    token = harness.token_in(child.ask("token"), "interactive")
    expect(token == new, f"the token that is in the file now: {as_text(new)}", token)


@scenario(
    "concurrency/lock-is-released-when-its-holder-is-killed",
    "a process that is killed during a refresh must not block the next one",
    needs="signals",
    waits=2,
)
def _(harness: Harness) -> None:
    harness.write(harness.grant(valid_for=-1))
    with harness.server.hold("token"):
        first = harness.start("token", file=True)
        harness.wait_for_requests(1, "token")
        first.kill()
        second = harness.start("token", file=True)
        harness.wait_for_requests(2, "token")
    harness.saved(harness.token_of(harness.finish(second)))


@scenario("concurrency/two-files-are-independent", "a slow server for one account must not delay the other", waits=1)
def _(harness: Harness) -> None:
    other = harness.folder / "other.json"
    harness.others.update({"other.json", "other.json.lock"})
    other.write_text(json.dumps(harness.grant(valid_for=3000), indent=1))
    other.chmod(0o600)
    harness.write(harness.grant(valid_for=-1))
    with harness.server.hold("token"):
        first = harness.start("token", file=True)
        harness.wait_for_requests(1, "token")
        harness.token_of(harness.run("token", environment={"OAUTH_TOKEN_FILE": str(other)}))
    harness.token_of(harness.finish(first))


@scenario(
    "concurrency/two-refreshes-at-once",
    "two processes got a 401 for the same access token: the second one uses what the first one has got",
    profile="rfc",
    waits=2,
)
def _(harness: Harness) -> None:
    harness.server.rotate = True
    old = harness.grant()
    harness.write(old)
    both = [harness.start("interactive", file=True) for _ in range(2)]
    for child in both:
        harness.token_in(child.ask("token"), "interactive")  # it has read the file
    with harness.server.hold("token"):
        both[0].send("refresh")
        harness.wait_for_requests(1, "token")
        both[1].send("refresh")
        time.sleep(1)
    tokens = [harness.token_in(child.receive_object(), "interactive") for child in both]
    harness.requests("token", 1)
    _expect_same(tokens)
    expect(tokens[0]["access_token"] != old["access_token"], "another access token", tokens)
    harness.saved(tokens[0])


# ---- the kit itself has the lock -----------------------------------------------------------------


@scenario(
    "concurrency/lock-taken-while-the-token-is-valid",
    "a process that hangs has the lock: the token is valid, so no request of this program may wait for it",
    profile="rfc",
    needs="file locks",
    waits=1,
)
def _(harness: Harness) -> None:
    old = harness.grant(valid_for=40)
    harness.write(old)
    with harness.locked():
        run = harness.run("token", file=True)
        token = harness.token_of(run)
    expect(token == old, f"the token that is valid: {as_text(old)}", token)
    expect(run.seconds < 10, "at once", f"after {run.seconds:.0f} s")
    harness.requests("token", 0)
    harness.unchanged()


@scenario(
    "concurrency/lock-taken-until-its-holder-has-saved",
    "the file was replaced meanwhile: what was read before the wait counts for nothing",
    profile="rfc",
    needs="file locks",
    waits=2,
)
def _(harness: Harness) -> None:
    harness.server.rotate = True
    old = harness.grant(valid_for=-1)
    harness.write(old)
    with harness.locked():
        child = harness.start("token", file=True)
        time.sleep(1.5)
        expect(not child.has_ended, "it waits for the lock", "it has ended")
        new = harness.refreshed(old)
        harness.put(new)
    token = harness.token_of(harness.finish(child))
    expect(token == new, f"the token that the holder has saved: {as_text(new)}", token)
    harness.requests("token", 0)
    harness.unchanged()


@scenario(
    "concurrency/lock-taken-in-the-new-file",
    "the holder has replaced the file, and the next process has locked the new one: the lock of the old one is void",
    profile="rfc",
    needs="file locks",
    waits=3,
)
def _(harness: Harness) -> None:
    harness.server.rotate = True
    old = harness.grant(valid_for=-1)
    harness.write(old)
    with contextlib.ExitStack() as first:
        first.enter_context(harness.locked())
        child = harness.start("token", file=True)
        time.sleep(1.5)
        due = harness.refreshed(old, valid_for=-1)
        with harness.put_and_locked(due):
            first.close()
            time.sleep(1)
            expect(not child.has_ended, "it waits for the lock of the new file", "it has ended")
            harness.requests("token", 0)
            new = harness.refreshed(due)
            harness.put(new)
    token = harness.token_of(harness.finish(child))
    expect(token == new, f"the token that the second holder has saved: {as_text(new)}", token)
    harness.requests("token", 0)
    harness.unchanged()


@scenario(
    "concurrency/lock-taken-without-a-file",
    "another program is about to save the first login: as long as there is no file, the lock is that of the folder",
    needs="file locks",
    waits=5,
)
def _(harness: Harness) -> None:
    with harness.locked():
        child = harness.start("login", file=True)
        harness.wait_for_requests(1, "token")
        harness.server.approve("ABCD-0001")
        harness.wait_for_requests(2, "token")
        time.sleep(1)
        expect(not harness.file.exists(), "it waits for the lock of the folder", "there is a token file")
    harness.saved(harness.token_of(harness.finish(child)))


@scenario(
    "concurrency/lock-taken-for-too-long",
    "the token has expired, and a process that hangs never releases the lock: wait, then say so; nothing may be sent",
    profile="rfc",
    needs="file locks",
    waits=42,
)
def _(harness: Harness) -> None:
    harness.write(harness.grant(valid_for=-1))
    with harness.locked():
        run = harness.finish(harness.start("token", file=True, limit=60))
    harness.error_of(run, "token_file", retryable=True)
    expect(run.seconds > 30, "longer than a request and its save may take", f"it gave up after {run.seconds:.0f} s")
    harness.requests("token", 0)
    harness.unchanged()


# ---- another port beside this one (--with; without it, this one twice) -----------------------------


@scenario(
    "concurrency/two-ports-take-turns",
    "two programs in two languages share the file: each reads what the other has written, and waits for its lock",
    profile="rfc",
    waits=3,
)
def _(harness: Harness) -> None:
    harness.server.rotate = True
    harness.write(harness.grant(valid_for=-1))
    sent = 0
    for first in (False, True):
        with harness.server.hold("token"):
            children = [harness.start("refresh", file=True, partner=first)]
            sent += 1
            harness.wait_for_requests(sent, "token")
            children.append(harness.start("token", file=True, partner=not first))
            time.sleep(1)
        tokens = [harness.token_of(harness.finish(child)) for child in children]
        harness.saved(tokens[0])
        harness.requests("token", sent)
        harness.put(harness.refreshed(tokens[0], valid_for=-1))


@scenario(
    "concurrency/two-ports-at-once",
    "the token has expired, and six programs of two kinds find out together: one request",
    profile="rfc",
    waits=1,
)
def _(harness: Harness) -> None:
    _six_at_once(harness, partner=True)
