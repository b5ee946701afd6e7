# SPDX-License-Identifier: MIT
"""Scenarios of the level `expiry`: when a token is refreshed, and when it is returned without."""

from __future__ import annotations

import time

from ..fake_google import Reply
from ..harness import TIME_LIMIT, Failure, Harness, as_text, expect
from .registry import scenario

__all__: list[str] = []


@scenario(
    "expiry/fresh-token-sends-nothing",
    "a token is read before every request: a refresh each time would get the client blocked",
)
def _(harness: Harness) -> None:
    old = harness.grant(valid_for=3000)
    child = harness.start("interactive", old)
    for _ in range(5):
        token = harness.token_in(child.ask("token"), "interactive")
        expect(token == old, f"the same token: {as_text(old)}", token)
    harness.requests("token", 0)


def _check_margin(harness: Harness, margin: int, expires_in: int) -> None:
    """Read a token just before its refresh margin begins, and just after."""
    # On a very slow machine the driver may start too late: then it gets more time.
    for head_start in (3, 8, 20):
        requests_before = len(harness.server.requests_to("token"))
        old = harness.grant(valid_for=margin + head_start + 1, expires_in=expires_in)
        due = int(str(old["expires_at"])) - margin
        child = harness.start("interactive", old, limit=2 * TIME_LIMIT)
        token = harness.token_in(child.ask("token"), "interactive")
        if time.time() < due - 0.2:
            break
    else:
        raise Failure("a driver that starts within 20 s", "it did not")
    expect(token == old, f"with more than {margin} s left, the same token: {as_text(old)}", token)
    time.sleep(max(0.0, due + 0.1 - time.time()))
    token = harness.token_in(child.ask("token"), "interactive")
    expect(token["access_token"] != old["access_token"], f"with {margin} s left, another access token", token)
    harness.requests("token", requests_before + 1)
    harness.token_in(child.ask("token"), "interactive")
    harness.requests("token", requests_before + 1)


@scenario(
    "expiry/refreshed-a-minute-before-it-expires",
    "ytmusicapi: expiring with 60 s or less left; not earlier, and not later",
    waits=4,
)
def _(harness: Harness) -> None:
    _check_margin(harness, 60, 3599)


@scenario(
    "expiry/short-lived-token-refreshed-at-half-its-lifetime",
    "with a margin of 60 s, a token that is valid for 50 s would be refreshed at every read",
    waits=4,
)
def _(harness: Harness) -> None:
    _check_margin(harness, 25, 50)


@scenario(
    "expiry/stored-while-the-clock-was-ahead",
    "a board whose clock said 2040: by its expires_at, that token would never be refreshed",
)
def _(harness: Harness) -> None:
    old = harness.grant(valid_for=2 * 3599)
    token = harness.token_of(harness.run("token", old))
    expect(token["access_token"] != old["access_token"], "another access token", token)


@scenario(
    "expiry/relative-to-the-request",
    "a slow response must not make a token valid for longer: in its last seconds, requests would get a 401",
    waits=3,
)
def _(harness: Harness) -> None:
    harness.server.script("token", Reply(200, harness.refresh_reply().body, delay=3))
    token = harness.token_of(harness.run("refresh", harness.grant()))
    sent = harness.requests("token", 1)[0].at + time.time() - time.monotonic()
    expires_at = token["expires_at"]
    right = isinstance(expires_at, int) and expires_at <= sent + 3599
    expect(right, f"expires_at at most {sent + 3599:.1f}: the time of the request plus 3599 s", token)


@scenario(
    "expiry/returned-during-a-transient-failure",
    "the token is valid for another half minute while the server restarts: the music need not stop",
    waits=2,
)
def _(harness: Harness) -> None:
    old = harness.grant(valid_for=40)
    harness.server.script("token", *[Reply(503, "", {"Retry-After": "30"})] * 3)
    child = harness.start("interactive", old)
    for pause in (0, 0, 2):
        time.sleep(pause)
        token = harness.token_in(child.ask("token"), "interactive")
        expect(token == old, f"the old token: {as_text(old)}", token)
    harness.requests("token", 1)


@scenario(
    "expiry/one-try-while-the-token-is-valid",
    "the caller has a valid token, and must not wait for three tries and the pauses between them",
)
def _(harness: Harness) -> None:
    old = harness.grant(valid_for=40)
    harness.server.script("token", *[Reply(503, "")] * 3)
    token = harness.token_of(harness.run("token", old))
    expect(token == old, f"the old token: {as_text(old)}", token)
    harness.requests("token", 1)


@scenario(
    "expiry/lasting-failure-is-a-warning-while-the-token-is-valid",
    "the client secret was changed: the user learns of it once, and the music plays on until the token expires",
)
def _(harness: Harness) -> None:
    old = harness.grant(valid_for=40)
    child = harness.start("interactive", old, environment={"OAUTH_CLIENT_SECRET": "GOCSPX-fake-of-yesterday"})
    for _ in range(3):
        token = harness.token_in(child.ask("token"), "interactive")
        expect(token == old, f"the old token: {as_text(old)}", token)
    harness.warnings = 1
    harness.requests("token", 1)


@scenario(
    "expiry/not-returned-after-it-has-expired",
    "an expired access token gets a 401, whatever is wrong with the server",
)
def _(harness: Harness) -> None:
    harness.server.script("token", *[Reply(503, "", {"Retry-After": "30"})] * 3)
    run = harness.run("token", harness.grant(valid_for=-1))
    harness.error_of(run, "server_error", retryable=True, status=503, retry_after=30)


@scenario(
    "expiry/failing-server-is-left-alone-until-its-time",
    "a player that reads the token in a loop would send two hundred requests before Retry-After is over",
    waits=2,
)
def _(harness: Harness) -> None:
    harness.server.script("token", Reply(429, "", {"Retry-After": "30"}))
    child = harness.start("interactive", harness.grant(valid_for=-1))
    for pause in (0, 0, 2):
        time.sleep(pause)
        harness.error_in(child.ask("token"), "interactive", "rate_limited", retry_after=30)
    harness.requests("token", 1)


@scenario(
    "expiry/refresh-asks-in-spite-of-an-earlier-failure",
    "the user has fixed what was wrong and presses the button: it must not say no without asking",
)
def _(harness: Harness) -> None:
    harness.server.script("token", Reply(503, "", {"Retry-After": "30"}), Reply(400, {"error": "invalid_grant"}))
    child = harness.start("interactive", harness.grant(valid_for=-1))
    harness.error_in(child.ask("token"), "interactive", "server_error")
    harness.error_in(child.ask("refresh"), "interactive", "invalid_grant")
    harness.token_in(child.ask("refresh"), "interactive")
    harness.requests("token", 3)


@scenario(
    "expiry/revoked-login-is-reported-at-once",
    "if the old token is returned until it expires, the user learns of it only when nothing works any more",
)
def _(harness: Harness) -> None:
    old = harness.grant(valid_for=40)
    harness.server.revoke(str(old["refresh_token"]))
    child = harness.start("interactive", old)
    for _ in range(3):
        harness.error_in(child.ask("token"), "interactive", "invalid_grant")
    # The same refresh token is not sent again.
    harness.requests("token", 1)


@scenario(
    "expiry/server-repeats-the-access-token",
    "a server with a cache: a call that insists on another access token would send requests for ever",
)
def _(harness: Harness) -> None:
    old = harness.grant()
    harness.server.script("token", harness.refresh_reply(access_token=old["access_token"]))
    token = harness.token_of(harness.run("refresh", old))
    expect(token["access_token"] == old["access_token"], "the access token that the server has sent", token)
    harness.requests("token", 1)


@scenario("expiry/failed-refresh-changes-nothing", "a partly invalid response leaves the token as it was")
def _(harness: Harness) -> None:
    old = harness.grant(valid_for=3000)
    harness.server.script(
        "token", harness.refresh_reply(access_token="ya29.fake scripted", expires_in=60, scope="other")
    )
    child = harness.start("interactive", old)
    harness.error_in(child.ask("refresh"), "interactive", "malformed", key="access_token")
    token = harness.token_in(child.ask("token"), "interactive")
    expect(token == old, f"the old token: {as_text(old)}", token)


@scenario(
    "expiry/invalid-optional-values-do-not-fail-a-refresh",
    "where refresh tokens rotate, the rejected response had the only valid one: the login would be over",
)
def _(harness: Harness) -> None:
    reply = harness.refresh_reply(expires_in="soon", scope=7, refresh_token="1//fake-scripted")
    harness.server.script("token", reply)
    old = harness.grant(valid_for=0)
    child = harness.start("interactive", old)
    token = harness.token_in(child.ask("token"), "interactive")
    taken = {name: token[name] for name in ("access_token", "refresh_token", "expires_in", "scope")}
    expected = {
        "access_token": "ya29.fake-scripted",
        "refresh_token": "1//fake-scripted",
        "expires_in": 3600,
        "scope": old["scope"],
    }
    expect(taken == expected, f"the new tokens, an hour and the old scope: {as_text(expected)}", token)
    harness.requests("token", 1)
