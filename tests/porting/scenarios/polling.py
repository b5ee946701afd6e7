# SPDX-License-Identifier: MIT
"""Scenarios of the level `polling`: when to poll, and when to retry."""

from __future__ import annotations

import socket
import time
from typing import Final

from ..fake_google import FAULTS, PENDING_AS_200_DIALECT, Reply
from ..harness import TOLERANCE, Harness, expect
from .registry import scenario

__all__: list[str] = []

PENDING: Final = Reply(428, {"error": "authorization_pending"})


@scenario("polling/slow-down", "RFC 8628 3.5: 5 s more, for this and all subsequent requests", waits=13)
def _(harness: Harness) -> None:
    harness.server.script("token", Reply(403, {"error": "slow_down"}), PENDING)
    harness.token_of(harness.approved_login())
    harness.requests("token", 3)


@scenario(
    "polling/slow-server",
    "the first interval begins with the response, and a token expires relative to its request: both responses take 2 s",
    waits=6,
)
def _(harness: Harness) -> None:
    with harness.server.hold("code"):
        child = harness.start("login")
        harness.wait_for_requests(1, "code")
        time.sleep(2)
        came = time.monotonic()
    with harness.server.hold("token"):
        harness.wait_for_requests(1, "token")
        [poll] = harness.requests("token", 1)
        expect(
            poll.at >= came + 1 - TOLERANCE,
            "the first poll 1 s after the code has come",
            f"after {poll.at - came:.2f} s",
        )
        harness.server.approve("ABCD-0001")
        latest = int(time.time()) + 3599
        time.sleep(2)
    token = harness.token_of(harness.finish(child))
    at = int(str(token["expires_at"]))
    expect(at <= latest, f"expires_at relative to the request: at most {latest}", at)


@scenario("polling/login-denied", "the user has denied access: report it, and stop", waits=2)
def _(harness: Harness) -> None:
    child = harness.start("login")
    harness.wait_for_requests(1, "token")
    harness.server.deny("ABCD-0001")
    harness.error_of(harness.finish(child), "access_denied", error="access_denied")
    harness.requests("token", 2)


@scenario("polling/code-expired-at-the-server", "the server says that the code has expired", waits=2)
def _(harness: Harness) -> None:
    child = harness.start("login")
    harness.wait_for_requests(1, "token")
    harness.server.expire("ABCD-0001")
    harness.error_of(harness.finish(child), "expired_token", error="expired_token")
    harness.requests("token", 2)


@scenario(
    "polling/code-expired-by-the-local-clock",
    "RFC 8628 3.2: expires_in; some servers say authorization_pending for ever",
    waits=3,
)
def _(harness: Harness) -> None:
    harness.server.code_lifetime = 3
    harness.server.script("token", *[PENDING] * 30)
    run = harness.run("login")
    harness.error_of(run, "expired_token")
    code, last = harness.server.requests_to("code")[0], harness.server.requests_to("token")[-1]
    expect(last.at - code.at <= 3.1, "no poll after the code's 3 s", f"one after {last.at - code.at:.2f} s")


@scenario(
    "polling/failures-at-the-start",
    "RFC 8628 3.5: a router that boots together with the device; polls become less frequent",
    waits=7,
)
def _(harness: Harness) -> None:
    harness.server.script("token", FAULTS["hang-up"], FAULTS["503"])
    harness.token_of(harness.approved_login())
    harness.requests("token", 3)


@scenario("polling/one-poll-without-a-response", "it must neither end the login nor block it for ever", waits=6)
def _(harness: Harness) -> None:
    harness.timeout = 2
    harness.server.script("token", FAULTS["stall"])
    harness.token_of(harness.approved_login())
    harness.requests("token", 2)


@scenario("polling/pending-with-200", "some servers send it; the error in the body decides", profile="rfc", waits=3)
def _(harness: Harness) -> None:
    harness.server.dialect = PENDING_AS_200_DIALECT
    child = harness.start("login")
    harness.wait_for_requests(1, "token")
    harness.server.approve("ABCD-0001")
    harness.token_of(harness.finish(child))
    harness.requests("token", 2)


@scenario("polling/no-interval", "RFC 8628 3.2: if no value is provided, clients MUST use 5", waits=5)
def _(harness: Harness) -> None:
    harness.server.interval = None
    harness.token_of(harness.approved_login())
    harness.requests("token", 1)


@scenario(
    "polling/token-response-lost",
    "the code is redeemed, and the token is lost: report it instead of polling on",
    waits=3,
)
def _(harness: Harness) -> None:
    harness.server.approve_after = 0
    harness.server.script("token", FAULTS["answer-lost"])
    harness.error_of(harness.run("login"), "invalid_grant")
    harness.requests("token", 2)


@scenario(
    "polling/device-authorization-is-retried", "the server is restarting; Retry-After says when to come back", waits=4
)
def _(harness: Harness) -> None:
    harness.server.script("code", Reply(503, "", {"Retry-After": "2"}))
    harness.token_of(harness.approved_login())
    first, second = harness.requests("code", 2)
    _expect_wait(first.at, second.at, 2)


def _expect_wait(first: float, second: float, seconds: float) -> None:
    expect(second - first >= seconds - 0.02, f"{seconds:g} s between two tries", f"{second - first:.2f} s")


@scenario(
    "polling/refresh-is-tried-three-times",
    "after 1 s, then 2 s: most failures are transient; anything longer is up to the caller",
    waits=3,
)
def _(harness: Harness) -> None:
    harness.server.script("token", *[FAULTS["503"]] * 9)
    harness.error_of(harness.run("refresh", harness.grant()), "server_error", retryable=True, status=503)
    first, second, third = harness.requests("token", 3)
    _expect_wait(first.at, second.at, 0.9)
    _expect_wait(second.at, third.at, 1.8)


@scenario("polling/retry-after", "RFC 9110 10.2.3: the server says when", waits=3)
def _(harness: Harness) -> None:
    harness.server.script("token", Reply(503, "", {"Retry-After": "3"}))
    harness.token_of(harness.run("refresh", harness.grant()))
    first, second = harness.requests("token", 2)
    _expect_wait(first.at, second.at, 3)


@scenario("polling/retry-after-too-long", "no call blocks for a minute without a word")
def _(harness: Harness) -> None:
    harness.server.script("token", Reply(429, "", {"Retry-After": "60"}))
    harness.error_of(harness.run("refresh", harness.grant()), "rate_limited", status=429, retry_after=60)
    harness.requests("token", 1)


@scenario(
    "polling/lost-refresh-response-is-retried-at-google",
    "Google never rotates refresh tokens: a second refresh does no harm",
    waits=1,
)
def _(harness: Harness) -> None:
    harness.server.script("token", FAULTS["answer-lost"])
    harness.token_of(harness.run("refresh", harness.grant()))
    harness.requests("token", 2)


@scenario(
    "polling/lost-refresh-response-is-not-retried-elsewhere",
    "RFC 9700 4.14.2: a refresh token that is used twice ends the whole login",
    profile="rfc",
)
def _(harness: Harness) -> None:
    harness.server.rotate = True
    harness.server.script("token", FAULTS["answer-lost"])
    harness.error_of(harness.run("refresh", harness.grant()), "transport", retryable=True)
    harness.requests("token", 1)


@scenario("polling/connection-refused", "nothing was sent, so it can be retried at any server", profile="rfc", waits=3)
def _(harness: Harness) -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{reserved.getsockname()[1]}/token"
        run = harness.run("refresh", harness.grant(), environment={"OAUTH_TOKEN_URL": url})
    harness.error_of(run, "transport", retryable=True)
    expect(run.seconds >= 2.7, "3 tries, 1 s and 2 s apart", f"it gave up after {run.seconds:.1f} s")
