# SPDX-License-Identifier: MIT
"""Scenarios of the level `hostile`: what a network and a server can do to a client."""

from __future__ import annotations

from urllib.parse import quote

from ..fake_google import FAULTS, FakeGoogle, Raw, Reply, drip, redirect
from ..harness import SECRET, Harness, as_text, expect
from .registry import scenario

__all__: list[str] = []


@scenario("hostile/redirected-refresh", "a 307 asks to send the same form again, secrets included, to any URL")
def _(harness: Harness) -> None:
    with FakeGoogle() as thief:
        harness.server.script("token", *[redirect(thief.token_url)] * 5)
        harness.error_of(harness.run("refresh", harness.grant()), "transport", status=307, retryable=False)
        expect(not thief.transcript, "nothing is sent to the target of the redirect", thief.transcript)
    harness.requests("token", 1)


@scenario(
    "hostile/redirected-login", "HTTP clients follow 301, 302 and 303 with a GET, and would trust whatever comes back"
)
def _(harness: Harness) -> None:
    harness.server.script("code", redirect(harness.server.url + "/elsewhere", 303))
    harness.error_of(harness.run("login"), "transport", status=303, retryable=False)
    harness.requests("code", 1)


def _expect_timeout(harness: Harness, fault: Raw) -> None:
    harness.timeout = 2
    harness.server.script("token", *[fault] * 5)
    run = harness.finish(harness.start("refresh", harness.grant(), limit=20))
    harness.error_of(run, "transport", retryable=True)
    expect(run.seconds < 2 + 6, "it gives up after the 2 s of a request", f"{run.seconds:.1f} s")
    harness.requests("token", 1)


@scenario("hostile/stalled-server", "a client that waits for ever holds the lock for ever", profile="rfc", waits=2)
def _(harness: Harness) -> None:
    _expect_timeout(harness, Raw([float("inf")]))


@scenario("hostile/stalled-body", "the headers and the start of the body have arrived", profile="rfc", waits=2)
def _(harness: Harness) -> None:
    _expect_timeout(harness, Raw([b"HTTP/1.1 200 OK\r\nContent-Length: 400\r\n\r\n{", float("inf")]))


@scenario(
    "hostile/dripping-body",
    "a timeout that restarts with each read never ends if a byte comes now and then",
    profile="rfc",
    waits=2,
)
def _(harness: Harness) -> None:
    _expect_timeout(harness, drip(every=0.3))


@scenario("hostile/dripping-headers", "the same, before the body begins", profile="rfc", waits=2)
def _(harness: Harness) -> None:
    pieces = [piece for n in range(100) for piece in (f"X-{n}: x\r\n".encode(), 0.3)]
    _expect_timeout(harness, Raw([b"HTTP/1.1 200 OK\r\n", *pieces]))


@scenario(
    "hostile/late-body",
    "the server has answered, and may have rotated the refresh token: there is a second for the body, however late",
    profile="rfc",
    waits=3,
)
def _(harness: Harness) -> None:
    harness.timeout = 2
    body = b'{"access_token": "ya29.fake-late", "expires_in": 3599, "token_type": "Bearer"}'
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    harness.server.script("token", Raw([1.6, head, 0.7, body]))
    token = harness.token_of(harness.run("refresh", harness.grant()))
    expect(token["access_token"] == "ya29.fake-late", "the token of the response", token)
    harness.requests("token", 1)


@scenario(
    "hostile/stalled-body-of-a-503",
    "the status says that the server did nothing; as a lost response, it would end the retries of a refresh",
    profile="rfc",
    waits=3,
)
def _(harness: Harness) -> None:
    harness.timeout = 2
    head = b"HTTP/1.1 503 Not Now\r\nRetry-After: 3600\r\nContent-Length: 400\r\n\r\n{"
    harness.server.script("token", *[Raw([head, float("inf")])] * 5)
    run = harness.finish(harness.start("refresh", harness.grant(), limit=20))
    harness.error_of(run, "server_error", status=503, retry_after=3600, retryable=True)
    expect(run.seconds < 2 + 6, "it gives up after the 2 s of a request", f"{run.seconds:.1f} s")
    harness.requests("token", 1)


def _endless(harness: Harness, fault: str) -> None:
    harness.server.script("token", *[FAULTS[fault]] * 5)
    harness.error_of(harness.finish(harness.start("refresh", harness.grant(), limit=20)), "malformed")
    harness.requests("token", 1)


@scenario("hostile/huge-body", "1 MiB is a thousand times too much, and more can exhaust a router's memory", waits=1)
def _(harness: Harness) -> None:
    _endless(harness, "endless")


@scenario("hostile/huge-body-of-a-known-length", "128 MiB, as the server says itself: reserve no memory", waits=1)
def _(harness: Harness) -> None:
    _endless(harness, "endless-length")


@scenario("hostile/huge-body-in-chunks", "each chunk is within the limit, and all of them together are not", waits=1)
def _(harness: Harness) -> None:
    _endless(harness, "endless-chunks")


@scenario(
    "hostile/malformed-responses",
    "a captive portal, a proxy, a broken connection: none of it is a token, whatever it looks like",
    profile="rfc",
)
def _(harness: Harness) -> None:
    old = harness.grant()
    child = harness.start("interactive", old)
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
        harness.server.script("token", FAULTS[name])
        reply = child.ask("refresh")
        expect(reply.get("raises") in {"malformed", "transport"}, f"`{name}` raises malformed or transport", reply)
    token = harness.token_in(child.ask("token"), "interactive")
    expect(token == old, f"the old token: {as_text(old)}", token)


@scenario("hostile/escape-sequences", "they can rewrite what the user has read, or make the terminal type")
def _(harness: Harness) -> None:
    description = "\x1b]0;owned\x07\x1b[2Jline\r\nline\u202etxt.exe"
    harness.server.script("token", Reply(400, {"error": "invalid_scope", "error_description": description}))
    run = harness.run("refresh", harness.grant())
    error = harness.error_of(run, "server_error", error="invalid_scope")
    shown = str(error.get("error_description"))
    expect("owned" in shown and shown.isprintable(), "the description without control characters", error)


def _code(**changes: object) -> Reply:
    body = {"device_code": "AH-fake-device-9", "user_code": "ABCD-0009", "expires_in": 1800, "interval": 1}
    return Reply(200, {**body, "verification_url": "https://www.google.com/device", **changes})


@scenario("hostile/escape-sequence-in-the-user-code", "every login prints the user code")
def _(harness: Harness) -> None:
    harness.server.script("code", _code(user_code="\x1b[2JABCD"))
    harness.error_of(harness.run("login"), "malformed", key="user_code")
    harness.requests("token", 0)


@scenario("hostile/script-as-the-link", "a browser opens it: only http and https are allowed")
def _(harness: Harness) -> None:
    harness.server.script("code", _code(verification_url="javascript:alert(1)"))
    run = harness.run("login")
    harness.error_of(run, "malformed", key="verification_url")
    expect("javascript:" not in run.stderr, "the link is not shown", run.stderr)
    harness.requests("token", 0)


@scenario(
    "hostile/quoted-secrets", "servers and proxies quote the request in errors; logs and bug reports quote the errors"
)
def _(harness: Harness) -> None:
    token = harness.grant()
    description = f"got {SECRET} and {quote(SECRET, safe='')} and {token['refresh_token']} from you"
    harness.server.script("token", Reply(400, {"error": "invalid_request", "error_description": description}))
    error = harness.error_of(harness.run("refresh", token), "server_error", error="invalid_request")
    shown = str(error.get("error_description"))
    expect(shown == "[redacted]", "nothing of a description that quotes a secret", error)


@scenario(
    "hostile/proxy-and-netrc-in-the-environment",
    "a proxy for http would see the secrets; a .netrc would add the password of another server",
)
def _(harness: Harness) -> None:
    netrc = harness.folder / ".netrc"
    harness.others.add(".netrc")
    netrc.write_text("machine 127.0.0.1 login another password of-another-server\n")
    netrc.chmod(0o600)
    with FakeGoogle() as proxy:
        names = ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY")
        environment = {"HOME": str(harness.folder), "NETRC": str(netrc), **dict.fromkeys(names, proxy.url)}
        harness.token_of(harness.run("refresh", harness.grant(), environment=environment))
        expect(not proxy.transcript, "requests to this machine do not use the proxy", proxy.transcript)


@scenario("hostile/plain-http", "over http, everyone on the path can read the client secret")
def _(harness: Harness) -> None:
    run = harness.run("refresh", harness.grant(), environment={"OAUTH_TOKEN_URL": "http://auth.example/token"})
    harness.error_of(run, "invalid_argument")
