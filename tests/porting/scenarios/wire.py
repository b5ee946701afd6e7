# SPDX-License-Identifier: MIT
"""Scenarios of the level `wire`: what is sent, and what a response means."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Final

from ..fake_google import CLIENT_ID, Raw, Reply
from ..harness import SCOPE, SECRET, URN, Harness, as_text, expect
from .registry import scenario

__all__: list[str] = []

YOUTUBE_GRANT: Final = "http://oauth.net/grant_type/device/1.0"


def _expect_shown(text: str, link: str, code: str) -> None:
    shown = link in text and code in text.replace(link, "")
    expect(shown, f"the link {link} and the code {code} are shown", text)


@scenario(
    "wire/login-at-youtube",
    "ytmusicapi's protocol: the draft's grant type and parameter, and no secret at the device endpoint",
    waits=2,
)
def _(harness: Harness) -> None:
    before = time.time()
    token = harness.token_of(harness.approved_login())
    [request] = harness.requests("code", 1)
    harness.form(request, client_id=CLIENT_ID, scope=SCOPE)
    expect(request.path == "/o/oauth2/device/code", "the URL from the environment is used", request.path)
    _expect_shown(harness.runs[0].stderr, f"{harness.server.verification_url}?user_code=ABCD-0001", "ABCD-0001")
    poll = harness.server.requests_to("token")[-1]
    form = {"client_id": CLIENT_ID, "client_secret": SECRET, "grant_type": YOUTUBE_GRANT, "code": "AH-fake-device-1"}
    harness.form(poll, **form)
    issued = {"scope": SCOPE, "token_type": "Bearer", "expires_in": 3599}
    issued |= {"access_token": "ya29.fake-access-1", "refresh_token": "1//fake-refresh-1"}
    expect({**token, **issued} == token, f"what the server issued: {as_text(issued)}", token)
    expires_at = token["expires_at"]
    right = isinstance(expires_at, int) and before + 3599 <= expires_at + 1 and expires_at <= time.time() + 3599
    expect(right, "expires_at is the time of the request plus expires_in", token)


@scenario(
    "wire/login-at-google",
    "what Google documents for devices; its response also says when the login itself expires",
    profile="google",
    waits=2,
)
def _(harness: Harness) -> None:
    harness.server.refresh_token_lifetime = 604799
    token = harness.token_of(harness.approved_login())
    harness.form(harness.server.requests_to("code")[0], client_id=CLIENT_ID, scope=SCOPE)
    poll = harness.server.requests_to("token")[-1]
    form = {"client_id": CLIENT_ID, "client_secret": SECRET, "grant_type": URN, "device_code": "AH-fake-device-1"}
    harness.form(poll, **form)
    expect(token["expires_in"] == 3599, "expires_in is that of the access token, not of the refresh token", token)


@scenario(
    "wire/login-at-an-rfc-server",
    "RFC 8628 3.1: a confidential client authenticates at the device endpoint too; 3.3.1: a link with the code in it",
    profile="rfc",
    waits=3,
)
def _(harness: Harness) -> None:
    harness.server.revoke_on_code_reuse = True
    token = harness.token_of(harness.approved_login())
    request = harness.server.requests_to("code")[0]
    harness.form(request, client_id=CLIENT_ID, client_secret=SECRET, scope=SCOPE)
    _expect_shown(harness.runs[0].stderr, f"{harness.server.verification_url}?user_code=ABCD-0001", "ABCD-0001")
    expect(harness.server.is_live(str(token["access_token"])), "a token that one poll too many has not revoked", token)


@scenario("wire/refresh", "RFC 6749 6; Google sends no refresh token, and the old one stays valid")
def _(harness: Harness) -> None:
    old = harness.grant()
    before = int(time.time())
    token = harness.token_of(harness.run("refresh", old))
    [request] = harness.requests("token", 1)
    form = {"client_id": CLIENT_ID, "client_secret": SECRET, "grant_type": "refresh_token"}
    harness.form(request, **form, refresh_token=str(old["refresh_token"]))
    expect(token["access_token"] == "ya29.fake-access-2", "the new access token", token)
    expect(token["refresh_token"] == old["refresh_token"], "the old refresh token", token)
    expect(str(token["expires_at"]) >= str(before + 3599), "a new expires_at", token)


@scenario(
    "wire/refresh-token-rotation",
    "RFC 6749 6: a new refresh token replaces the old one; a client that drops it is logged out",
    profile="rfc",
)
def _(harness: Harness) -> None:
    harness.server.rotate = True
    child = harness.start("interactive", harness.grant())
    for n in (2, 3):
        token = harness.token_in(child.ask("refresh"), "interactive")
        expect(token["refresh_token"] == f"1//fake-refresh-{n}", f"refresh token number {n}", token)
    expect(harness.finish(child).status == 0, "`interactive` exits with 0 after its input", harness.runs[-1].status)


@scenario("wire/revocation-at-google", "the token and nothing else: Google needs no client authentication")
def _(harness: Harness) -> None:
    token = harness.grant()
    run = harness.run("revoke", token)
    expect(run.reply == {"revoked": True}, '{"revoked": true}', run.reply)
    expect(run.status == 0, "exit status 0", run.status)
    [request] = harness.requests("revoke", 1)
    harness.form(request, token=str(token["refresh_token"]))


@scenario("wire/revocation-at-an-rfc-server", "RFC 7009 2.1: the client authenticates", profile="rfc")
def _(harness: Harness) -> None:
    token = harness.grant()
    run = harness.run("revoke", token)
    expect(run.reply == {"revoked": True}, '{"revoked": true}', run.reply)
    [request] = harness.requests("revoke", 1)
    form = {"token": str(token["refresh_token"]), "client_id": CLIENT_ID, "client_secret": SECRET}
    harness.form(request, **form)
    expect(not harness.server.can_refresh(form["token"]), "the login has ended", "it can be refreshed")


@scenario("wire/failed-revocation", "after a theft, the user must not believe that the login is revoked when it is not")
def _(harness: Harness) -> None:
    run = harness.run("revoke", {**harness.grant(), "refresh_token": "1//fake-unknown"})
    harness.error_of(run, "server_error", error="invalid_token")


@scenario(
    "wire/revoked-login", "the user has revoked access: the error says to log in again, not that a key is missing"
)
def _(harness: Harness) -> None:
    token = harness.grant()
    harness.server.revoke(str(token["refresh_token"]))
    harness.error_of(harness.run("refresh", token), "invalid_grant", error="invalid_grant", status=400)
    harness.requests("token", 1)


@scenario(
    "wire/token-of-another-client", "the file was made with another OAuth client, and only that one can refresh it"
)
def _(harness: Harness) -> None:
    run = harness.run("refresh", harness.grant(client_id="another-client"))
    harness.error_of(run, "unauthorized_client", error="unauthorized_client")


@scenario("wire/wrong-client-secret", "RFC 6749 5.2 invalid_client: only the server's description says what is wrong")
def _(harness: Harness) -> None:
    old_secret = {"OAUTH_CLIENT_SECRET": "GOCSPX-fake-of-yesterday"}
    run = harness.run("refresh", harness.grant(), environment=old_secret)
    description = "The provided client secret is invalid."
    harness.error_of(run, "invalid_client", error="invalid_client", status=401, error_description=description)
    harness.requests("token", 1)


@scenario("wire/unknown-client", "the client was deleted in the console: the error comes at once, without polling")
def _(harness: Harness) -> None:
    harness.error_of(harness.run("login", environment={"OAUTH_CLIENT_ID": "unknown"}), "invalid_client")
    harness.requests("code", 1)


@scenario("wire/quota-exceeded", "Google's quota errors have no `error`; immediate retries make them last longer")
def _(harness: Harness) -> None:
    harness.server.script("token", Reply(403, {"error_code": "rate_limit_exceeded"}, {"Retry-After": "60"}))
    harness.error_of(harness.run("refresh", harness.grant()), "rate_limited", status=403, retry_after=60)
    harness.requests("token", 1)


@scenario(
    "wire/response-framing",
    "RFC 9112 6: chunked, as Google sends it, up to the end of the connection, or byte by byte; and tokens are long",
    profile="rfc",
)
def _(harness: Harness) -> None:
    def body(n: int) -> bytes:
        token = f"ya29.fake-{n}{'x' * 5000}"
        return json.dumps({"access_token": token, "expires_in": 3599, "token_type": "Bearer"}).encode()

    first, rest = body(0)[:77], body(0)[77:]
    chunks = b"4D;a=b\r\n%b\r\n%x\r\n%b\r\n0\r\nx-after: all\r\n\r\n" % (first, len(rest), rest)
    lines = b"HTTP/1.1 200 OK\r\ncontent-type:application/json\r\n"
    dripped = Raw([lines + b"content-length:%d\r\n\r\n" % len(body(2)), *_in_pieces(body(2))])
    harness.server.script("token", Raw([lines + b"transfer-encoding:chunked\r\n\r\n" + chunks]))
    harness.server.script("token", Raw([lines + b"connection:close\r\n\r\n" + body(1)]), dripped)
    child = harness.start("interactive", harness.grant())
    for n, framing in enumerate(("in chunks", "up to the end of the connection", "in a hundred pieces")):
        token = harness.token_in(child.ask("refresh"), "interactive")
        right = token["access_token"] == json.loads(body(n))["access_token"]
        expect(right, f"the access token of a response that comes {framing}", token)


@scenario(
    "wire/interim-responses",
    "RFC 9110 15.2: any number of them may come before the final one; none of them is the response",
    profile="rfc",
)
def _(harness: Harness) -> None:
    body = json.dumps(harness.refresh_reply().body).encode()
    interim = [b"HTTP/1.1 %b\r\n\r\n" % line for line in (b"102 Processing", b"103 Early Hints\r\nLink: </x>")]
    final = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    harness.server.script("token", Raw([*interim, final]))
    token = harness.token_of(harness.run("refresh", harness.grant()))
    expect(token["access_token"] == "ya29.fake-scripted", "the access token of the final response", token)
    harness.requests("token", 1)


def _in_pieces(body: bytes) -> Iterator[bytes | float]:
    size = len(body) // 100 + 1
    for start in range(0, len(body), size):
        yield from (body[start : start + size], 0.001)
