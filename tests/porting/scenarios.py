# SPDX-License-Identifier: MIT
"""The live scenarios: each an id that does not change, a reason, and what is played.

They wait for real, with an interval of a second. What holds in every one of them is judged by `stage`.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final
from urllib.parse import quote

from .fake_google import CLIENT_ID, FAULTS, PENDING_AS_200_DIALECT, FakeGoogle, Raw, Reply, drip, redirect
from .stage import LIMIT, SCOPE, SECRET, URN, Object, Stage, Ways, Wrong, expect, shown

if sys.platform != "win32":
    with suppress(ImportError):
        import resource

__all__ = ["LEVELS", "SCENARIOS", "Scenario"]

LEVELS: Final = ("wire", "expiry", "polling", "file", "concurrency", "hostile")
YOUTUBE_GRANT: Final = "http://oauth.net/grant_type/device/1.0"
PENDING: Final = Reply(428, {"error": "authorization_pending"})


@dataclass(frozen=True)
class Scenario:
    """One scenario. Its id begins with its level."""

    id: str
    why: str
    play: Callable[[Stage], None]
    ways: Ways = "youtube"
    #: what the system must have
    needs: str = ""
    #: about how many seconds it waits: the longest are started first
    waits: float = 0

    @property
    def level(self) -> str:
        """What a port passes or fails."""
        return self.id.partition("/")[0]

    @property
    def lacking(self) -> str:
        """Why it cannot be played on this system; "" if it can."""
        return f"this system has no {self.needs}" if self.needs and not _HAS[self.needs] else ""


_HAS: Final[Mapping[str, bool]] = {
    "file modes": os.name != "nt",
    "folder that root may not write": hasattr(os, "geteuid") and os.geteuid() != 0,
    "hard links": hasattr(os, "link"),
    "named pipes": hasattr(os, "mkfifo"),
    "signals": os.name != "nt",
    "symbolic links": os.name != "nt",
    "limits on files": "resource" in sys.modules,
    "limits on another's files": sys.platform == "linux",
}


SCENARIOS: Final[list[Scenario]] = []


def scenario(
    name: str, why: str, *, ways: Ways = "youtube", needs: str = "", waits: float = 0
) -> Callable[[Callable[[Stage], None]], None]:
    """Enter a function into the list."""

    def enter(play: Callable[[Stage], None]) -> None:
        SCENARIOS.append(Scenario(name, why, play, ways, needs, waits))

    return enter


# ---- wire ----------------------------------------------------------------------------------------


def _shows(words: str, link: str, code: str) -> None:
    right = link in words and code in words.replace(link, "")
    expect(right, f"a person is shown the link {link} and the code {code}", words)


@scenario(
    "wire/login-at-youtube", "what ytmusicapi's users have: its grant, its parameter, no secret for a code", waits=2
)
def _(stage: Stage) -> None:
    before = time.time()
    token = stage.good(stage.approved())
    [asked] = stage.requests("code", 1)
    stage.form(asked, client_id=CLIENT_ID, scope=SCOPE)
    expect(asked.path == "/o/oauth2/device/code", "the code is asked for where the environment says", asked.path)
    _shows(stage.told[0].words, f"{stage.server.verification_url}?user_code=ABCD-0001", "ABCD-0001")
    poll = stage.server.requests_to("token")[-1]
    form = {"client_id": CLIENT_ID, "client_secret": SECRET, "grant_type": YOUTUBE_GRANT, "code": "AH-fake-device-1"}
    stage.form(poll, **form)
    issued = {"scope": SCOPE, "token_type": "Bearer", "expires_in": 3599}
    issued |= {"access_token": "ya29.fake-access-1", "refresh_token": "1//fake-refresh-1"}
    expect({**token, **issued} == token, f"what the server issued: {shown(issued)}", token)
    expires_at = token["expires_at"]
    right = isinstance(expires_at, int) and before + 3599 <= expires_at + 1 and expires_at <= time.time() + 3599
    expect(right, "expires_at is when it was asked for, and expires_in later", token)


@scenario(
    "wire/login-at-google",
    "what Google documents for devices; and it says when the login itself ends",
    ways="google",
    waits=2,
)
def _(stage: Stage) -> None:
    stage.server.refresh_token_lifetime = 604799
    token = stage.good(stage.approved())
    stage.form(stage.server.requests_to("code")[0], client_id=CLIENT_ID, scope=SCOPE)
    poll = stage.server.requests_to("token")[-1]
    form = {"client_id": CLIENT_ID, "client_secret": SECRET, "grant_type": URN, "device_code": "AH-fake-device-1"}
    stage.form(poll, **form)
    expect(token["expires_in"] == 3599, "expires_in is the access token's, not the refresh token's", token)


@scenario(
    "wire/login-at-an-rfc-server",
    "RFC 8628 3.1: a confidential client authenticates at the code endpoint too; 3.3.1: the link with the code in it",
    ways="rfc",
    waits=3,
)
def _(stage: Stage) -> None:
    stage.server.revoke_on_code_reuse = True
    token = stage.good(stage.approved())
    stage.form(stage.server.requests_to("code")[0], client_id=CLIENT_ID, client_secret=SECRET, scope=SCOPE)
    _shows(stage.told[0].words, f"{stage.server.verification_url}?user_code=ABCD-0001", "ABCD-0001")
    expect(stage.server.is_live(str(token["access_token"])), "a token that is not revoked by one poll too many", token)


@scenario("wire/a-refresh", "RFC 6749 6; Google answers without a refresh token, and the old one goes on")
def _(stage: Stage) -> None:
    held = stage.grant()
    before = int(time.time())
    token = stage.good(stage.run("refresh", held))
    [asked] = stage.requests("token", 1)
    form = {"client_id": CLIENT_ID, "client_secret": SECRET, "grant_type": "refresh_token"}
    stage.form(asked, **form, refresh_token=str(held["refresh_token"]))
    expect(token["access_token"] == "ya29.fake-access-2", "the new access token", token)
    expect(token["refresh_token"] == held["refresh_token"], "the refresh token is kept", token)
    expect(str(token["expires_at"]) >= str(before + 3599), "expires_at is new, too", token)


@scenario(
    "wire/rotation", "RFC 6749 6: a new refresh token replaces the old one; who forgets it is logged out", ways="rfc"
)
def _(stage: Stage) -> None:
    stage.server.rotate = True
    keeper = stage.start("keep", stage.grant())
    for n in (2, 3):
        token = stage.good_answer(keeper.ask("refresh"), "keep")
        expect(token["refresh_token"] == f"1//fake-refresh-{n}", f"the refresh token number {n}", token)
    expect(stage.finish(keeper).status == 0, "`keep` ends with 0 at the end of its input", stage.told[-1].status)


@scenario("wire/a-revocation-at-google", "the token and nothing else: Google takes it without a client")
def _(stage: Stage) -> None:
    held = stage.grant()
    told = stage.run("revoke", held)
    expect(told.answer == {"revoked": True}, '{"revoked": true}', told.answer)
    expect(told.status == 0, "exit status 0", told.status)
    [asked] = stage.requests("revoke", 1)
    stage.form(asked, token=str(held["refresh_token"]))


@scenario("wire/a-revocation-at-an-rfc-server", "RFC 7009 2.1: the client authenticates", ways="rfc")
def _(stage: Stage) -> None:
    held = stage.grant()
    told = stage.run("revoke", held)
    expect(told.answer == {"revoked": True}, '{"revoked": true}', told.answer)
    [asked] = stage.requests("revoke", 1)
    form = {"token": str(held["refresh_token"]), "client_id": CLIENT_ID, "client_secret": SECRET}
    stage.form(asked, **form)
    expect(not stage.server.can_refresh(form["token"]), "the login has ended", "it can be refreshed")


@scenario("wire/a-revocation-that-fails", "whoever believes that a lost login has ended is wrong")
def _(stage: Stage) -> None:
    stage.raised(
        stage.run("revoke", {**stage.grant(), "refresh_token": "1//fake-unknown"}),
        "server_error",
        error="invalid_token",
    )


@scenario("wire/a-login-that-has-ended", "the user took it back: say to log in again, and not a failed key look-up")
def _(stage: Stage) -> None:
    held = stage.grant()
    stage.server.revoke(str(held["refresh_token"]))
    stage.raised(stage.run("refresh", held), "invalid_grant", error="invalid_grant", status=400)
    stage.requests("token", 1)


@scenario("wire/another-clients-token", "the file came from another machine with another client: new codes won't help")
def _(stage: Stage) -> None:
    stage.raised(
        stage.run("refresh", stage.grant(client_id="another-client")),
        "unauthorized_client",
        error="unauthorized_client",
    )


@scenario("wire/a-wrong-secret", "RFC 6749 5.2 invalid_client: what the server says of it is all that helps")
def _(stage: Stage) -> None:
    told = stage.run("refresh", stage.grant(), changed={"OAUTH_CLIENT_SECRET": "GOCSPX-fake-of-yesterday"})
    said = "The provided client secret is invalid."
    stage.raised(told, "invalid_client", error="invalid_client", status=401, error_description=said)
    stage.requests("token", 1)


@scenario("wire/no-such-client", "no code, no waiting: the console has deleted the client")
def _(stage: Stage) -> None:
    stage.raised(stage.run("login", changed={"OAUTH_CLIENT_ID": "nobody"}), "invalid_client")
    stage.requests("code", 1)


@scenario("wire/a-quota", "Google's quota errors have no `error` in them; asked again at once, they last longer")
def _(stage: Stage) -> None:
    stage.server.script("token", Reply(403, {"error_code": "rate_limit_exceeded"}, {"Retry-After": "60"}))
    stage.raised(stage.run("refresh", stage.grant()), "rate_limited", status=403, retry_after=60)
    stage.requests("token", 1)


@scenario(
    "wire/an-answer-in-any-framing",
    "RFC 9112 6: in chunks, as Google sends it, up to the end of the connection, or byte by byte; and tokens are long",
    ways="rfc",
)
def _(stage: Stage) -> None:
    def body(n: int) -> bytes:
        text = f"ya29.fake-{n}{'x' * 5000}"
        return json.dumps({"access_token": text, "expires_in": 3599, "token_type": "Bearer"}).encode()

    first, rest = body(0)[:77], body(0)[77:]
    chunks = b"4D;a=b\r\n%b\r\n%x\r\n%b\r\n0\r\nx-after: all\r\n\r\n" % (first, len(rest), rest)
    lines = b"HTTP/1.1 200 OK\r\ncontent-type:application/json\r\n"
    dripped = Raw([lines + b"content-length:%d\r\n\r\n" % len(body(2)), *_bit_by_bit(body(2))])
    stage.server.script("token", Raw([lines + b"transfer-encoding:chunked\r\n\r\n" + chunks]))
    stage.server.script("token", Raw([lines + b"connection:close\r\n\r\n" + body(1)]), dripped)
    keeper = stage.start("keep", stage.grant())
    for n, framing in enumerate(("in chunks", "up to the end of the connection", "in a hundred pieces")):
        token = stage.good_answer(keeper.ask("refresh"), "keep")
        right = token["access_token"] == json.loads(body(n))["access_token"]
        expect(right, f"the access token of the answer that comes {framing}", token)


def _bit_by_bit(body: bytes) -> Iterator[bytes | float]:
    size = len(body) // 100 + 1
    for start in range(0, len(body), size):
        yield from (body[start : start + size], 0.001)


# ---- expiry --------------------------------------------------------------------------------------


@scenario("expiry/a-fresh-token-asks-nobody", "it is read before every request: a refresh each time is a ban")
def _(stage: Stage) -> None:
    held = stage.grant(lives=3000)
    keeper = stage.start("keep", held)
    for _ in range(5):
        token = stage.good_answer(keeper.ask("token"), "keep")
        expect(token == held, f"what is held: {shown(held)}", token)
    stage.requests("token", 0)


def _refreshed_at(stage: Stage, margin: int, expires_in: int) -> None:
    """Read it before the margin begins, and when it has begun."""
    # A machine that is very slow may start the driver too late, and is given more time.
    for head_start in (3, 8, 20):
        asked_before = len(stage.server.requests_to("token"))
        held = stage.grant(lives=margin + head_start + 1, expires_in=expires_in)
        due = int(str(held["expires_at"])) - margin
        keeper = stage.start("keep", held, limit=2 * LIMIT)
        token = stage.good_answer(keeper.ask("token"), "keep")
        if time.time() < due - 0.2:
            break
    else:
        raise Wrong("a driver that starts within 20 s", "it did not")
    expect(token == held, f"more than {margin} s are left: {shown(held)}", token)
    time.sleep(max(0.0, due + 0.1 - time.time()))
    token = stage.good_answer(keeper.ask("token"), "keep")
    expect(token["access_token"] != held["access_token"], f"{margin} s are left: another access token", token)
    stage.requests("token", asked_before + 1)
    stage.good_answer(keeper.ask("token"), "keep")
    stage.requests("token", asked_before + 1)


@scenario("expiry/a-minute-before-the-end", "the seed: expiring at 60 s or less; not before, and not after", waits=4)
def _(stage: Stage) -> None:
    _refreshed_at(stage, 60, 3599)


@scenario(
    "expiry/half-of-a-short-life",
    "with a margin of 60 s, a token that lives for 50 is refreshed at every read",
    waits=4,
)
def _(stage: Stage) -> None:
    _refreshed_at(stage, 25, 50)


@scenario(
    "expiry/stamped-by-a-clock-that-was-ahead", "a board that thought it was 2040: that token would never be refreshed"
)
def _(stage: Stage) -> None:
    held = stage.grant(lives=2 * 3599)
    token = stage.good(stage.run("token", held))
    expect(token["access_token"] != held["access_token"], "another access token", token)


@scenario(
    "expiry/counted-from-the-request",
    "a slow answer is no longer life: the last seconds would be answered with 401",
    waits=3,
)
def _(stage: Stage) -> None:
    stage.server.script("token", Reply(200, stage.answer().body, delay=3))
    token = stage.good(stage.run("refresh", stage.grant()))
    sent = stage.requests("token", 1)[0].at + time.time() - time.monotonic()
    expires_at = token["expires_at"]
    right = isinstance(expires_at, int) and expires_at <= sent + 3599
    expect(right, f"expires_at at most {sent + 3599:.1f}: when it was asked for, and 3599 s", token)


@scenario(
    "expiry/served-through-passing-trouble",
    "half a minute of life is left, and the server restarts: no music has to stop",
    waits=2,
)
def _(stage: Stage) -> None:
    held = stage.grant(lives=40)
    stage.server.script("token", *[Reply(503, "", {"Retry-After": "30"})] * 3)
    keeper = stage.start("keep", held)
    for pause in (0, 0, 2):
        time.sleep(pause)
        token = stage.good_answer(keeper.ask("token"), "keep")
        expect(token == held, f"what is held: {shown(held)}", token)
    stage.requests("token", 1)


@scenario(
    "expiry/not-served-when-it-is-over", "an access token that is dead is answered with 401, whatever the trouble is"
)
def _(stage: Stage) -> None:
    stage.server.script("token", *[Reply(503, "", {"Retry-After": "30"})] * 3)
    told = stage.run("token", stage.grant(lives=-1))
    stage.raised(told, "server_error", retryable=True, status=503, retry_after=30)


@scenario(
    "expiry/a-login-that-has-ended-is-told-at-once", "served on, nobody learns of it until nothing works any more"
)
def _(stage: Stage) -> None:
    held = stage.grant(lives=40)
    stage.server.revoke(str(held["refresh_token"]))
    keeper = stage.start("keep", held)
    for _ in range(3):
        stage.raised_answer(keeper.ask("token"), "keep", "invalid_grant")
    # The same refresh token is not sent again.
    stage.requests("token", 1)


@scenario("expiry/all-or-nothing", "an answer that is half right leaves the token as it was")
def _(stage: Stage) -> None:
    held = stage.grant(lives=3000)
    stage.server.script("token", stage.answer(expires_in="soon", refresh_token="1//fake-scripted"))
    keeper = stage.start("keep", held)
    stage.raised_answer(keeper.ask("refresh"), "keep", "malformed", key="expires_in")
    token = stage.good_answer(keeper.ask("token"), "keep")
    expect(token == held, f"what is held: {shown(held)}", token)


# ---- polling -------------------------------------------------------------------------------------


@scenario("polling/slow-down", "RFC 8628 3.5: 5 s more, for this and all subsequent requests", waits=13)
def _(stage: Stage) -> None:
    stage.server.script("token", Reply(403, {"error": "slow_down"}), PENDING)
    stage.good(stage.approved())
    stage.requests("token", 3)


@scenario("polling/denied", "the user said no: tell, and stop", waits=2)
def _(stage: Stage) -> None:
    child = stage.start("login")
    stage.wait_for_requests(1, "token")
    stage.server.deny("ABCD-0001")
    stage.raised(stage.finish(child), "access_denied", error="access_denied")
    stage.requests("token", 2)


@scenario("polling/too-late", "the server's word that the code has expired", waits=2)
def _(stage: Stage) -> None:
    child = stage.start("login")
    stage.wait_for_requests(1, "token")
    stage.server.expire("ABCD-0001")
    stage.raised(stage.finish(child), "expired_token", error="expired_token")
    stage.requests("token", 2)


@scenario("polling/too-late-by-our-own-clock", "RFC 8628 3.2: a server that says pending for ever", waits=3)
def _(stage: Stage) -> None:
    stage.server.code_lifetime = 3
    stage.server.script("token", *[PENDING] * 30)
    told = stage.run("login")
    stage.raised(told, "expired_token")
    code, last = stage.server.requests_to("code")[0], stage.server.requests_to("token")[-1]
    expect(last.at - code.at <= 3.1, "no poll when the code's 3 s are over", f"one after {last.at - code.at:.2f} s")


@scenario(
    "polling/early-faults",
    "RFC 8628 3.5: a router that boots together with the device; asked ever more slowly",
    waits=7,
)
def _(stage: Stage) -> None:
    stage.server.script("token", FAULTS["hang-up"], FAULTS["503"])
    stage.good(stage.approved())
    stage.requests("token", 3)


@scenario("polling/a-silent-server", "one poll that gets no answer must not be the end, nor last for ever", waits=6)
def _(stage: Stage) -> None:
    stage.timeout = 2
    stage.server.script("token", FAULTS["stall"])
    stage.good(stage.approved())
    stage.requests("token", 2)


@scenario("polling/pending-with-200", "servers exist that say so; the error in the body decides", ways="rfc", waits=3)
def _(stage: Stage) -> None:
    stage.server.dialect = PENDING_AS_200_DIALECT
    child = stage.start("login")
    stage.wait_for_requests(1, "token")
    stage.server.approve("ABCD-0001")
    stage.good(stage.finish(child))
    stage.requests("token", 2)


@scenario("polling/no-interval", "RFC 8628 3.2: if no value is provided, clients MUST use 5", waits=5)
def _(stage: Stage) -> None:
    stage.server.interval = None
    stage.good(stage.approved())
    stage.requests("token", 1)


@scenario(
    "polling/the-token-is-lost-on-its-way",
    "the code is claimed, and nobody has the token: say so instead of polling on",
    waits=3,
)
def _(stage: Stage) -> None:
    stage.server.approve_after = 0
    stage.server.script("token", FAULTS["answer-lost"])
    stage.raised(stage.run("login"), "invalid_grant")
    stage.requests("token", 2)


@scenario("polling/a-code-is-asked-for-again", "a server that restarts just now; Retry-After says when", waits=4)
def _(stage: Stage) -> None:
    stage.server.script("code", Reply(503, "", {"Retry-After": "2"}))
    stage.good(stage.approved())
    first, second = stage.requests("code", 2)
    _waited(first.at, second.at, 2)


def _waited(first: float, second: float, seconds: float) -> None:
    expect(second - first >= seconds - 0.02, f"{seconds:g} s between two tries", f"{second - first:.2f} s")


@scenario(
    "polling/a-refresh-is-tried-three-times",
    "1 s, then 2: passing trouble passes; more is somebody else's to decide",
    waits=3,
)
def _(stage: Stage) -> None:
    stage.server.script("token", *[FAULTS["503"]] * 9)
    stage.raised(stage.run("refresh", stage.grant()), "server_error", retryable=True, status=503)
    first, second, third = stage.requests("token", 3)
    _waited(first.at, second.at, 0.9)
    _waited(second.at, third.at, 1.8)


@scenario("polling/retry-after", "RFC 9110 10.2.3: the server says when", waits=3)
def _(stage: Stage) -> None:
    stage.server.script("token", Reply(503, "", {"Retry-After": "3"}))
    stage.good(stage.run("refresh", stage.grant()))
    first, second = stage.requests("token", 2)
    _waited(first.at, second.at, 3)


@scenario("polling/retry-after-that-is-too-long", "nobody waits for a minute without being told")
def _(stage: Stage) -> None:
    stage.server.script("token", Reply(429, "", {"Retry-After": "60"}))
    stage.raised(stage.run("refresh", stage.grant()), "rate_limited", status=429, retry_after=60)
    stage.requests("token", 1)


@scenario(
    "polling/a-lost-answer-is-asked-for-again-at-google", "it never rotates: a second refresh harms nobody", waits=1
)
def _(stage: Stage) -> None:
    stage.server.script("token", FAULTS["answer-lost"])
    stage.good(stage.run("refresh", stage.grant()))
    stage.requests("token", 2)


@scenario(
    "polling/a-lost-answer-is-not-asked-for-again-elsewhere",
    "RFC 9700 4.14.2: a refresh token that is used twice ends the whole login",
    ways="rfc",
)
def _(stage: Stage) -> None:
    stage.server.rotate = True
    stage.server.script("token", FAULTS["answer-lost"])
    stage.raised(stage.run("refresh", stage.grant()), "transport", retryable=True)
    stage.requests("token", 1)


@scenario(
    "polling/nobody-listens", "no connection: nothing was sent, so it is tried again anywhere", ways="rfc", waits=3
)
def _(stage: Stage) -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{reserved.getsockname()[1]}/token"
        told = stage.run("refresh", stage.grant(), changed={"OAUTH_TOKEN_URL": url})
    stage.raised(told, "transport", retryable=True)
    expect(told.seconds >= 2.7, "3 tries, 1 s and 2 s apart", f"it was over after {told.seconds:.1f} s")


# ---- file ----------------------------------------------------------------------------------------


@scenario(
    "file/a-login-is-stored",
    "for its owner's eyes only, whatever the umask is; to the byte, as ytmusicapi reads it",
    waits=2,
)
def _(stage: Stage) -> None:
    stage.umask = 0
    stage.saved(stage.good(stage.approved(file=True)))


@scenario("file/a-login-that-could-not-be-stored-is-not-begun", "nobody likes to confirm a code for nothing")
def _(stage: Stage) -> None:
    stage.file.mkdir()
    stage.raised(stage.finish(stage.start("login", file=True, limit=10)), "token_file")
    stage.requests("code", 0)


@scenario("file/a-folder-that-is-not-there", "a typing error in a path: found before a person has confirmed a code")
def _(stage: Stage) -> None:
    nowhere = {"OAUTH_TOKEN_FILE": str(stage.folder / "nowhere" / "oauth.json")}
    stage.raised(stage.finish(stage.start("login", changed=nowhere, limit=10)), "token_file")
    stage.requests("code", 0)


@scenario("file/a-token-is-read", "another process wrote it, and it is fresh: nothing is asked, and nothing is written")
def _(stage: Stage) -> None:
    held = stage.grant()
    stage.write(held)
    before = stage.file.stat()
    token = stage.good(stage.run("token", file=True))
    expect(token == held, f"what is in the file: {shown(held)}", token)
    stage.untouched()
    expect(stage.file.stat().st_ino == before.st_ino, "nothing is written", "the file was replaced")
    stage.requests("token", 0)


@scenario("file/a-file-of-somebody-else", "keys that nobody knows, and the mark that Windows editors make")
def _(stage: Stage) -> None:
    held = stage.grant()
    stage.write(b"\xef\xbb\xbf" + json.dumps({"filepath": None, **held, "note": [1]}).encode())
    token = stage.good(stage.run("token", file=True))
    expect(token == held, f"what is in the file: {shown(held)}", token)
    stage.untouched()


@scenario("file/a-refresh-is-saved", "the next process has to find it")
def _(stage: Stage) -> None:
    stage.write(stage.grant(lives=-1))
    stage.saved(stage.good(stage.run("token", file=True)))
    stage.requests("token", 1)
    stage.good(stage.run("token", file=True))
    stage.requests("token", 1)


@scenario(
    "file/rotation-is-saved",
    "with the old refresh token in the file, the next start is the end of the login",
    ways="rfc",
)
def _(stage: Stage) -> None:
    stage.umask = 0o277  # and on an odd machine
    stage.server.rotate = True
    stage.write(stage.grant())
    for _ in range(2):
        stage.saved(stage.good(stage.run("refresh", file=True)))


@scenario(
    "file/replaced-as-a-whole",
    "a backup by hard links shows it: what is overwritten in place is half a file when the power goes",
    needs="hard links",
)
def _(stage: Stage) -> None:
    stage.write(stage.grant())
    os.link(stage.file, stage.folder / "backup")
    stage.others.add("backup")
    before = (stage.folder / "backup").read_bytes()
    stage.saved(stage.good(stage.run("refresh", file=True)))
    came = (stage.folder / "backup").read_bytes()
    expect(came == before, "the old file is whole, and a new one in its place", came)


@scenario(
    "file/a-folder-that-may-not-be-written",
    "a single file that is mounted into a container is like it: where no rename can work, the file is written in place",
    needs="folder that root may not write",
)
def _(stage: Stage) -> None:
    stage.write(stage.grant())
    stage.folder.chmod(0o500)
    try:
        told = stage.run("refresh", file=True)
    finally:
        stage.folder.chmod(0o700)
    stage.saved(stage.good(told))


@scenario(
    "file/a-symbolic-link",
    "the file lies on another disk; the link must not become a file",
    needs="symbolic links",
)
def _(stage: Stage) -> None:
    stage.others.update({"elsewhere", "link"})
    (stage.folder / "elsewhere").mkdir()
    real, link = stage.folder / "elsewhere" / "real.json", stage.file
    real.write_text(json.dumps(stage.grant(), indent=1))
    link.symlink_to(real)
    token = stage.good(stage.run("refresh", file=True))
    expect(link.is_symlink(), "the link is still a link", "it is not")
    stage.saved(token)
    found = [path.name for path in (stage.folder / "elsewhere").iterdir()]
    expect(set(found) <= {"real.json", "real.json.lock"}, "nothing is left beside the token file", found)


@scenario(
    "file/a-file-that-everybody-could-read", "ytmusicapi wrote it: the next save takes that back", needs="file modes"
)
def _(stage: Stage) -> None:
    stage.umask = 0o022
    stage.write(stage.grant(), mode=0o644)
    stage.saved(stage.good(stage.run("refresh", file=True)))


@scenario(
    "file/never-half-and-never-readable",
    "others look while it is saved thirty times: at all that lies there",
    needs="file modes",
)
def _(stage: Stage) -> None:
    stage.umask = 0
    stage.write(stage.grant())
    keeper = stage.start("keep", file=True)
    with _watched(stage.folder) as seen:
        for _ in range(30):
            stage.good_answer(keeper.ask("refresh"), "keep")
    expect(not seen, "a whole token at any moment, and mode 0600 for whatever holds one", sorted(seen))


@contextmanager
def _watched(folder: Path) -> Iterator[set[str]]:
    """Note what is wrong with the files in a folder at any moment."""
    seen: set[str] = set()
    over = threading.Event()

    def look() -> None:
        while not over.is_set():
            for each in os.scandir(folder):
                try:
                    mode, content = each.stat().st_mode & 0o777, Path(each).read_bytes()
                except OSError:  # gone already
                    continue
                if mode & 0o077 and not each.name.endswith(".lock"):
                    seen.add(f"{_kind(each.name)}: mode {mode:04o}")
                if each.name == "oauth.json" and not content.endswith(b"}"):
                    seen.add(f"oauth.json: {len(content)} bytes of a token")

    watcher = threading.Thread(target=look, daemon=True)
    watcher.start()
    try:
        yield seen
    finally:
        over.set()
        watcher.join()


def _kind(name: str) -> str:
    return name if name == "oauth.json" else "a file beside oauth.json"


@scenario("file/no-file", "log in first; and no empty file is made")
def _(stage: Stage) -> None:
    for verb in ("token", "refresh"):
        stage.raised(stage.run(verb, file=True), "token_file_not_found")
    expect(not stage.file.exists(), "no file is made", "there is one")


@scenario("file/no-token-in-it", "what is wrong with it is said by name; and it is the user's, so it stays as it is")
def _(stage: Stage) -> None:
    held = stage.grant()
    del held["refresh_token"]
    stage.write(held)
    stage.raised(stage.run("token", file=True), "token_file", key="refresh_token")
    stage.untouched()
    stage.requests("token", 0)


@scenario(
    "file/what-the-file-has-become",
    "somebody has put something else there meanwhile: the token can be used, and his file is not ours to replace",
)
def _(stage: Stage) -> None:
    stage.write(stage.grant(lives=-1))
    stage.server.script("token", Reply(503, "", {"Retry-After": "30"}))
    keeper = stage.start("keep", file=True)
    stage.raised_answer(keeper.ask("token"), "keep", "server_error")  # it has read the file
    stage.write({"cookie": "of-another-program"})
    token = stage.good_answer(keeper.ask("token"), "keep")
    expect(token["access_token"] == "ya29.fake-access-2", "the refreshed token, ya29.fake-access-2", token)
    stage.untouched()


@scenario("file/a-pipe-is-no-file", "somebody waits for ever to read it", needs="named pipes")
def _(stage: Stage) -> None:
    if sys.platform != "win32":
        os.mkfifo(stage.file)
    stage.raised(stage.finish(stage.start("token", file=True, limit=10)), "token_file")


@scenario(
    "file/a-login-that-has-ended-leaves-the-file",
    "who deletes it takes the proof, and what another program may still need",
)
def _(stage: Stage) -> None:
    held = stage.grant(lives=-1)
    stage.server.revoke(str(held["refresh_token"]))
    stage.write(held)
    stage.raised(stage.run("token", file=True), "invalid_grant")
    stage.untouched()


# A process whose files may not grow beyond so many bytes: as good as a full disk, for any language.
_LIMITED: Final = """
import os, resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
os.execvp(sys.argv[1], sys.argv[1:])
"""
_FULL_DISK: Final = (sys.executable, "-ISc", _LIMITED)


@scenario(
    "file/a-full-disk",
    "the token is good and can be used; the old file is all that is left of the login",
    needs="limits on files",
)
def _(stage: Stage) -> None:
    stage.write(stage.grant(lives=-1))
    told = stage.finish(stage.start("token", file=True, wrapped=_FULL_DISK))
    token = stage.good(told)
    expect(token["access_token"] == "ya29.fake-access-2", "the refreshed token, ya29.fake-access-2", token)
    expect(bool(told.words.strip()), "a warning on standard error: the token could not be saved", "nothing")
    stage.untouched()


@scenario(
    "file/a-login-on-a-full-disk",
    "found out when the code was confirmed, the login is lost",
    needs="limits on files",
)
def _(stage: Stage) -> None:
    stage.raised(stage.finish(stage.start("login", file=True, wrapped=_FULL_DISK, limit=10)), "token_file")
    stage.requests("code", 0)


@scenario(
    "file/a-disk-that-was-full", "kept in memory until it can be saved", needs="limits on another's files", waits=2
)
def _(stage: Stage) -> None:
    stage.write(stage.grant(lives=-1))
    keeper = stage.start("keep", file=True, wrapped=_FULL_DISK)
    token = stage.good_answer(keeper.ask("token"), "keep")
    stage.untouched()
    if sys.platform == "linux":
        hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
        resource.prlimit(keeper.process.pid, resource.RLIMIT_FSIZE, (hard, hard))
    time.sleep(1.5)
    again = stage.good_answer(keeper.ask("token"), "keep")
    expect(again == token, "the same token", again)
    stage.saved(token)
    stage.requests("token", 1)


@scenario(
    "file/killed-in-the-middle-of-a-save",
    "the old token or the new one, whole; and not more litter each time",
    needs="signals",
    waits=4,
)
def _(stage: Stage) -> None:
    held = stage.grant()
    stage.write(held)
    for n in range(12):
        keeper = stage.start("keep", file=True)
        took = 0.0
        for fraction in (1, n * 0.618 % 1):  # first undisturbed; multiples of 0.618 are as evenly strewn as can be
            answered = len(stage.server.requests_to("token")) + 1
            stage.server.script("token", stage.answer(access_token=f"ya29.fake-{answered}-{'x' * 50 * (answered % 3)}"))
            keeper.tell("refresh")
            stage.wait_for_requests(answered, "token")
            if fraction == 1:
                came = time.perf_counter()
                stage.good_answer(keeper.heard(), "keep")
                took = time.perf_counter() - came
            else:
                time.sleep(took * fraction)
        keeper.kill()
        keeper.finish()
        try:
            there: object = json.loads(stage.file.read_bytes())
        except ValueError:
            raise Wrong("a whole token in the file after a kill", stage.file.read_bytes()) from None
        expect(isinstance(there, dict) and {*there} == {*held}, "a whole token in the file after a kill", there)
    litter = {path.name for path in stage.folder.iterdir()} - {"oauth.json", "oauth.json.lock"}
    expect(len(litter) <= 1, "one file of litter at most after twelve kills", sorted(litter))
    stage.saved(stage.good(stage.run("refresh", file=True)))


# ---- concurrency ---------------------------------------------------------------------------------


def _same(tokens: Sequence[Object]) -> None:
    expect(all(token == tokens[0] for token in tokens), "the same token for all", tokens)


@scenario(
    "concurrency/two-processes-one-refresh",
    "RFC 9700 4.14.2: with rotation, the second refresh ends the login",
    ways="rfc",
    waits=2,
)
def _(stage: Stage) -> None:
    stage.server.rotate = True
    stage.write(stage.grant(lives=-1))
    with stage.server.hold("token"):
        children = [stage.start("token", file=True)]
        stage.wait_for_requests(1, "token")
        children.append(stage.start("token", file=True))
        time.sleep(1.5)
    tokens = [stage.good(stage.finish(child)) for child in children]
    stage.requests("token", 1)
    _same(tokens)
    stage.saved(tokens[0])


@scenario("concurrency/six-processes-at-once", "cron starts them all at the full hour", ways="rfc", waits=1)
def _(stage: Stage) -> None:
    stage.server.rotate = True
    stage.write(stage.grant(lives=-1))
    children = [stage.start("token", file=True) for _ in range(6)]
    tokens = [stage.good(stage.finish(child)) for child in children]
    stage.requests("token", 1)
    _same(tokens)


@scenario(
    "concurrency/sixteen-in-one-process",
    "sixteen threads or tasks, one refresh; the others share what it got",
    ways="rfc",
)
def _(stage: Stage) -> None:
    stage.server.rotate = True
    keeper = stage.start("keep", stage.grant(lives=-1))
    _same(_sixteen(stage, keeper.ask_all("token 16")))
    stage.requests("token", 1)


def _sixteen(stage: Stage, answers: Sequence[Object]) -> list[Object]:
    expect(len(answers) == 16, "16 answers to `token 16`", len(answers))
    return [stage.good_answer(answer, "keep") for answer in answers]


@scenario(
    "concurrency/sixteen-after-a-401",
    "one access token died for all of them at once: one refresh, or the second use of a refresh token ends the login",
    ways="rfc",
    waits=1,
)
def _(stage: Stage) -> None:
    stage.server.script("token", replace(stage.answer(refresh_token="1//fake-scripted"), delay=1))
    keeper = stage.start("keep", stage.grant())
    _same(_sixteen(stage, keeper.ask_all("refresh 16")))
    stage.requests("token", 1)


@scenario(
    "concurrency/sixteen-share-a-failure",
    "asked sixteen times more, a server in trouble does not get better",
    waits=1,
)
def _(stage: Stage) -> None:
    stage.server.script("token", *[Reply(503, "", {"Retry-After": "30"}, delay=1)] * 16)
    answers = stage.start("keep", stage.grant(lives=-1)).ask_all("token 16")
    expect(len(answers) == 16, "16 answers to `token 16`", len(answers))
    for answer in answers:
        stage.raised_answer(answer, "keep", "server_error", retry_after=30)
    stage.requests("token", 1)


@scenario(
    "concurrency/another-process-was-faster",
    "what it has put into the file is used, not refreshed once more",
    ways="rfc",
)
def _(stage: Stage) -> None:
    stage.server.rotate = True
    stage.write(stage.grant(lives=40))
    stage.server.script("token", Reply(503, "", {"Retry-After": "30"}))
    keeper = stage.start("keep", file=True)
    stage.good_answer(keeper.ask("token"), "keep")  # it has read the file, and could not refresh
    token = stage.good(stage.run("refresh", file=True))
    came = stage.good_answer(keeper.ask("refresh"), "keep")
    expect(came == token, f"what the other process has got: {shown(token)}", came)
    stage.requests("token", 2)


@scenario(
    "concurrency/a-new-login-is-found", "the user has logged in again: a service must not have to be started anew"
)
def _(stage: Stage) -> None:
    held = stage.grant(lives=-1)
    stage.server.revoke(str(held["refresh_token"]))
    stage.write(held)
    keeper = stage.start("keep", file=True)
    stage.raised_answer(keeper.ask("token"), "keep", "invalid_grant")
    new = stage.grant()
    stage.write(new)
    token = stage.good_answer(keeper.ask("token"), "keep")
    expect(token == new, f"what is in the file now: {shown(new)}", token)


@scenario(
    "concurrency/the-lock-dies-with-its-holder",
    "killed in the middle of a refresh, it must not lock out the next for long",
    needs="signals",
    waits=2,
)
def _(stage: Stage) -> None:
    stage.write(stage.grant(lives=-1))
    with stage.server.hold("token"):
        first = stage.start("token", file=True)
        stage.wait_for_requests(1, "token")
        first.kill()
        second = stage.start("token", file=True)
        stage.wait_for_requests(2, "token")
    stage.saved(stage.good(stage.finish(second)))


@scenario("concurrency/two-files-do-not-wait", "one account's slow server is not the other account's trouble", waits=1)
def _(stage: Stage) -> None:
    other = stage.folder / "other.json"
    stage.others.update({"other.json", "other.json.lock"})
    other.write_text(json.dumps(stage.grant(lives=3000), indent=1))
    other.chmod(0o600)
    stage.write(stage.grant(lives=-1))
    with stage.server.hold("token"):
        first = stage.start("token", file=True)
        stage.wait_for_requests(1, "token")
        stage.good(stage.run("token", changed={"OAUTH_TOKEN_FILE": str(other)}))
    stage.good(stage.finish(first))


# ---- hostile -------------------------------------------------------------------------------------


@scenario("hostile/a-redirect-of-a-refresh", "307 asks for the same form again, secrets and all, wherever it says")
def _(stage: Stage) -> None:
    with FakeGoogle() as thief:
        stage.server.script("token", *[redirect(thief.token_url)] * 5)
        stage.raised(stage.run("refresh", stage.grant()), "transport", status=307, retryable=False)
        expect(not thief.transcript, "nothing is sent where the redirect leads", thief.transcript)
    stage.requests("token", 1)


@scenario("hostile/a-redirect-of-a-login", "303, 302 and 301 are followed as a GET, and what comes back is believed")
def _(stage: Stage) -> None:
    stage.server.script("code", redirect(stage.server.url + "/elsewhere", 303))
    stage.raised(stage.run("login"), "transport", status=303, retryable=False)
    stage.requests("code", 1)


def _given_up(stage: Stage, fault: Raw) -> None:
    stage.timeout = 2
    stage.server.script("token", *[fault] * 5)
    told = stage.finish(stage.start("refresh", stage.grant(), limit=20))
    stage.raised(told, "transport", retryable=True)
    expect(told.seconds < 2 + 6, "it is given up when the 2 s of a request have passed", f"{told.seconds:.1f} s")
    stage.requests("token", 1)


@scenario("hostile/a-stalled-server", "who waits for ever, waits with the lock in his hand", ways="rfc", waits=2)
def _(stage: Stage) -> None:
    _given_up(stage, Raw([float("inf")]))


@scenario("hostile/a-server-that-stops-in-the-middle", "the headers came, and half of the body", ways="rfc", waits=2)
def _(stage: Stage) -> None:
    _given_up(stage, Raw([b"HTTP/1.1 200 OK\r\nContent-Length: 400\r\n\r\n{", float("inf")]))


@scenario(
    "hostile/a-drip-feeding-server",
    "a byte now and then keeps a time-out alive that begins anew with each",
    ways="rfc",
    waits=2,
)
def _(stage: Stage) -> None:
    _given_up(stage, drip(every=0.3))


@scenario("hostile/dripped-headers", "the same, before the body begins", ways="rfc", waits=2)
def _(stage: Stage) -> None:
    pieces = [piece for n in range(100) for piece in (f"X-{n}: x\r\n".encode(), 0.3)]
    _given_up(stage, Raw([b"HTTP/1.1 200 OK\r\n", *pieces]))


@scenario("hostile/a-huge-body", "1 MiB is a thousand times too much; more is the end of a router's memory", waits=1)
def _(stage: Stage) -> None:
    stage.server.script("token", *[FAULTS["huge"]] * 5)
    stage.raised(stage.finish(stage.start("refresh", stage.grant(), limit=20)), "malformed")
    stage.requests("token", 1)


@scenario(
    "hostile/nonsense",
    "a captive portal, a proxy, a cut line: none of it is a token, whatever it looks like",
    ways="rfc",
)
def _(stage: Stage) -> None:
    held = stage.grant()
    keeper = stage.start("keep", held)
    for name in (
        "truncated",
        "truncated-chunks",
        "not-http",
        "html",
        "empty",
        "gzip-unasked",
        "nested",
        "not-an-object",
    ):
        stage.server.script("token", FAULTS[name])
        answer = keeper.ask("refresh")
        expect(answer.get("raises") in {"malformed", "transport"}, f"`{name}` raises malformed or transport", answer)
    token = stage.good_answer(keeper.ask("token"), "keep")
    expect(token == held, f"what is held: {shown(held)}", token)


@scenario("hostile/text-for-a-terminal", "escape sequences can rewrite what a person has read, or type for him")
def _(stage: Stage) -> None:
    said = "\x1b]0;owned\x07\x1b[2Jline\r\nline\u202etxt.exe"
    stage.server.script("token", Reply(400, {"error": "invalid_scope", "error_description": said}))
    told = stage.run("refresh", stage.grant())
    answer = stage.raised(told, "server_error", error="invalid_scope")
    described = str(answer.get("error_description"))
    expect("owned" in described and described.isprintable(), "what was said, without what drives a terminal", answer)


def _code(**changed: object) -> Reply:
    body = {"device_code": "AH-fake-device-9", "user_code": "ABCD-0009", "expires_in": 1800, "interval": 1}
    return Reply(200, {**body, "verification_url": "https://www.google.com/device", **changed})


@scenario("hostile/a-user-code-that-drives-a-terminal", "it is shown to a person before anybody could know better")
def _(stage: Stage) -> None:
    stage.server.script("code", _code(user_code="\x1b[2JABCD"))
    stage.raised(stage.run("login"), "malformed", key="user_code")
    stage.requests("token", 0)


@scenario("hostile/a-link-that-is-none", "a browser is sent there: file: and javascript: are no places for a person")
def _(stage: Stage) -> None:
    stage.server.script("code", _code(verification_url="javascript:alert(1)"))
    told = stage.run("login")
    stage.raised(told, "malformed", key="verification_url")
    expect("javascript:" not in told.words, "the link is not shown", told.words)
    stage.requests("token", 0)


@scenario("hostile/an-echo", "servers and proxies quote the request in their errors; logs and bug reports quote those")
def _(stage: Stage) -> None:
    held = stage.grant()
    echoed = f"got {SECRET} and {quote(SECRET, safe='')} and {held['refresh_token']} from you"
    stage.server.script("token", Reply(400, {"error": "invalid_request", "error_description": echoed}))
    answer = stage.raised(stage.run("refresh", held), "server_error", error="invalid_request")
    described = str(answer.get("error_description"))
    expect("from you" in described, "what was said, without the secrets", answer)
    expect(quote(SECRET, safe="") not in described, "no secret in another spelling", answer)


@scenario(
    "hostile/surroundings", "a proxy for http would see the secrets; a .netrc would send another's password along"
)
def _(stage: Stage) -> None:
    netrc = stage.folder / ".netrc"
    stage.others.add(".netrc")
    netrc.write_text("machine 127.0.0.1 login somebody password of-somebody-else\n")
    netrc.chmod(0o600)
    with FakeGoogle() as proxy:
        names = ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY")
        changed = {"HOME": str(stage.folder), "NETRC": str(netrc), **dict.fromkeys(names, proxy.url)}
        stage.good(stage.run("refresh", stage.grant(), changed=changed))
        expect(not proxy.transcript, "what goes to this machine takes no proxy", proxy.transcript)


@scenario("hostile/a-plain-line", "a client secret over http is everybody's")
def _(stage: Stage) -> None:
    told = stage.run("refresh", stage.grant(), changed={"OAUTH_TOKEN_URL": "http://auth.example/token"})
    stage.raised(told, "invalid_argument")
