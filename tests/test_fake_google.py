# SPDX-License-Identifier: MIT
"""The fake server behaves like the real ones. The tests use HTTP, and a clock that only they move."""

from __future__ import annotations

import contextlib
import http.client
import json
import signal
import socket
import subprocess
import sys
import threading
import urllib.parse
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import pytest

from tests.porting.fake_google import (
    CLIENT_ID,
    CLIENT_SECRET,
    ENDPOINTS,
    FAULTS,
    GOOGLE_DIALECT,
    PENDING_AS_200_DIALECT,
    RFC_DIALECT,
    Client,
    Dialect,
    FakeGoogle,
    Raw,
    Reply,
    applied,
    drip,
    main,
    redirect,
)

FILE: Final = Path(__file__).parent / "porting" / "fake_google.py"
CLIENT: Final = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
SCOPE: Final = "https://www.googleapis.com/auth/youtube"
URN: Final = "urn:ietf:params:oauth:grant-type:device_code"
GOOGLE_GRANT: Final = "http://oauth.net/grant_type/device/1.0"
TWO_CLIENTS: Final = {CLIENT_ID: Client(CLIENT_SECRET), "other": Client("other-secret")}
OTHER: Final = {"client_id": "other", "client_secret": "other-secret"}


class Clock:
    """A clock that only the test moves."""

    def __init__(self) -> None:
        self.now = 1000.1

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def server(clock: Clock) -> Iterator[FakeGoogle]:
    with FakeGoogle(clock=clock) as fake:
        yield fake


@contextlib.contextmanager
def connected(server: FakeGoogle) -> Iterator[http.client.HTTPConnection]:
    connection = http.client.HTTPConnection(server.host, server.port, timeout=10)
    with contextlib.closing(connection):
        yield connection


def fetch(
    server: FakeGoogle,
    path: str,
    form: Mapping[str, str] | str | None = None,
    headers: Mapping[str, str] | None = None,
) -> tuple[int, str]:
    """POST a form, or GET without one. Returns the status and the body of the response."""
    body = form if form is None or isinstance(form, str) else urllib.parse.urlencode(form)
    kind = {} if form is None else {"Content-Type": "application/x-www-form-urlencoded"}
    with connected(server) as connection:
        connection.request("GET" if form is None else "POST", path, body, {**kind, **(headers or {})})
        response = connection.getresponse()
        return response.status, response.read().decode()


def json_of(text: str) -> Mapping[str, object]:
    value: object = json.loads(text)
    assert isinstance(value, dict)
    return value


def outcome(server: FakeGoogle, path: str, form: Mapping[str, str] | str) -> tuple[int, str]:
    """Return the status and the error of a response."""
    status, text = fetch(server, path, form)
    return status, str(json_of(text).get("error", ""))


def device_code(server: FakeGoogle, client: Mapping[str, str] = CLIENT) -> str:
    status, text = fetch(server, "/device/code", {**client, "scope": SCOPE})
    assert status == 200
    return str(json_of(text)["device_code"])


def poll_form(code: str) -> Mapping[str, str]:
    return {**CLIENT, "grant_type": URN, "device_code": code}


def refresh_form(refresh_token: object) -> Mapping[str, str]:
    return {**CLIENT, "grant_type": "refresh_token", "refresh_token": str(refresh_token)}


def login(server: FakeGoogle, client: Mapping[str, str] = CLIENT) -> tuple[str, str]:
    """Log in. Returns the access token and the refresh token."""
    code = device_code(server, client)
    server.approve(server.user_codes()[-1])
    status, text = fetch(server, "/token", {**poll_form(code), **client})
    assert status == 200
    token = json_of(text)
    return str(token["access_token"]), str(token["refresh_token"])


# Logging in


def test_both_device_endpoints_and_both_grants_work(server: FakeGoogle) -> None:
    for path in ("/o/oauth2/device/code", "/device/code"):
        for grant, parameter in ((GOOGLE_GRANT, "code"), (URN, "device_code")):
            body = json_of(fetch(server, path, {"client_id": CLIENT_ID, "scope": SCOPE})[1])
            assert body["verification_url"] == server.verification_url
            assert (body["expires_in"], body["interval"]) == (1800, 5)
            server.approve(str(body["user_code"]))
            form = {**CLIENT, "grant_type": grant, parameter: str(body["device_code"])}
            status, text = fetch(server, "/token", form)
            token = json_of(text)
            assert (status, token["token_type"], token["scope"]) == (200, "Bearer", SCOPE)
            assert token["expires_in"] == 3599
            assert "refresh_token_expires_in" not in token
            assert server.is_live(str(token["access_token"]))
            assert server.can_refresh(str(token["refresh_token"]))


def test_a_grant_with_the_other_grants_parameter_is_rejected(server: FakeGoogle) -> None:
    form = {**CLIENT, "grant_type": GOOGLE_GRANT, "device_code": device_code(server)}
    assert outcome(server, "/token", form) == (400, "invalid_request")


def test_an_rfc_server_has_its_own_keys_and_needs_the_secret_everywhere() -> None:
    with FakeGoogle(dialect=RFC_DIALECT, interval=None) as server:
        body = json_of(fetch(server, "/device/code", {**CLIENT, "scope": SCOPE})[1])
        page = f"{server.url}/device"
        assert body["verification_uri"] == page
        assert body["verification_uri_complete"] == f"{page}?user_code={body['user_code']}"
        assert "interval" not in body
        no_secret = {"client_id": CLIENT_ID, "scope": SCOPE, "token": "x"}
        assert outcome(server, "/device/code", no_secret) == (400, "invalid_request")
        assert outcome(server, "/revoke", no_secret) == (400, "invalid_request")
        assert outcome(server, "/revoke", {**CLIENT, "token": "x"}) == (200, "")
        form = {**CLIENT, "grant_type": GOOGLE_GRANT, "code": str(body["device_code"])}
        assert outcome(server, "/token", form) == (400, "unsupported_grant_type")


@pytest.mark.parametrize(
    ("dialect", "pending", "slow", "denied"),
    [(GOOGLE_DIALECT, 428, 403, 403), (RFC_DIALECT, 400, 400, 400), (PENDING_AS_200_DIALECT, 200, 400, 400)],
)
def test_each_dialect_has_its_own_statuses(
    clock: Clock, dialect: Dialect, pending: int, slow: int, denied: int
) -> None:
    with FakeGoogle(dialect=dialect, clock=clock) as server:
        form = poll_form(device_code(server))
        assert outcome(server, "/token", form) == (pending, "authorization_pending")
        assert outcome(server, "/token", form) == (slow, "slow_down")
        server.deny(server.user_codes()[0])
        clock.now += 10
        assert outcome(server, "/token", form) == (denied, "access_denied")


def test_polling_too_fast_slows_that_code_down_permanently(server: FakeGoogle, clock: Clock) -> None:
    form, other = poll_form(device_code(server)), poll_form(device_code(server))
    errors = []
    for seconds in (0.0, 5.0, 4.9, 5.0, 15.0, 14.9):
        clock.now += seconds
        errors.append(outcome(server, "/token", form)[1])
    pending, slow = "authorization_pending", "slow_down"
    assert errors == [pending, pending, slow, slow, pending, slow]
    assert outcome(server, "/token", other)[1] == pending


def test_a_code_expires_by_the_servers_clock(server: FakeGoogle, clock: Clock) -> None:
    form = poll_form(device_code(server))
    server.approve(server.user_codes()[0])
    clock.now += 1800
    assert outcome(server, "/token", form) == (400, "expired_token")


def test_a_test_can_expire_a_code_at_once(server: FakeGoogle) -> None:
    form = poll_form(device_code(server))
    server.expire(server.user_codes()[0])
    assert server.user_codes() == []
    assert outcome(server, "/token", form) == (400, "expired_token")


def test_a_login_can_be_approved_automatically(clock: Clock) -> None:
    with FakeGoogle(clock=clock, approve_after=7) as server:
        form = poll_form(device_code(server))
        assert outcome(server, "/token", form) == (428, "authorization_pending")
        clock.now += 7
        assert outcome(server, "/token", form) == (200, "")


@pytest.mark.parametrize("revokes", [False, True])
def test_a_code_works_once(clock: Clock, revokes: bool) -> None:
    with FakeGoogle(clock=clock, revoke_on_code_reuse=revokes) as server:
        form = poll_form(device_code(server))
        server.approve(server.user_codes()[0])
        token = json_of(fetch(server, "/token", form)[1])
        assert outcome(server, "/token", form) == (400, "invalid_grant")
        assert server.is_live(str(token["access_token"])) is not revokes


@pytest.mark.parametrize(
    ("kind", "status", "error", "description"),
    [
        ("web", 401, "invalid_client", "Invalid client type."),
        ("deleted", 400, "deleted_client", "The OAuth client was deleted."),
        ("unauthorized", 400, "unauthorized_client", "Unauthorized"),
        ("unknown", 401, "invalid_client", "The OAuth client was not found."),
    ],
)
def test_a_wrong_client_gets_a_description_of_the_error(kind: str, status: int, error: str, description: str) -> None:
    clients = {
        "web": Client("x", "web"),
        "deleted": Client("x", "deleted"),
        "unauthorized": Client("x", "unauthorized"),
    }
    with FakeGoogle(clients=clients) as server:
        got, text = fetch(server, "/device/code", {"client_id": kind, "scope": SCOPE})
    assert (got, json_of(text)) == (status, {"error": error, "error_description": description})


def test_missing_and_wrong_parameters_are_rejected(server: FakeGoogle) -> None:
    code, poll = {"client_id": CLIENT_ID}, poll_form("AH-unknown")
    for path, form, expected in (
        ("/device/code", {**code, "scope": ""}, (400, "invalid_scope")),
        ("/device/code", {"scope": SCOPE}, (400, "invalid_request")),
        ("/token", {**poll, "client_secret": "wrong"}, (401, "invalid_client")),
        ("/token", {**poll, "client_secret": ""}, (400, "invalid_request")),
        ("/token", {**poll, "grant_type": "password"}, (400, "unsupported_grant_type")),
        ("/token", poll, (400, "invalid_grant")),
        ("/token", refresh_form("1//unknown"), (400, "invalid_grant")),
        ("/revoke", {"token": "unknown"}, (400, "invalid_token")),
        ("/revoke", {}, (400, "invalid_request")),
        ("/elsewhere", {}, (404, "invalid_request")),
    ):
        assert outcome(server, path, form) == expected, (path, form)
    assert fetch(server, "/youtube/v3/channels", {})[0] == 401
    assert fetch(server, "/token")[0] == 405
    json_type = {"Content-Type": "application/json"}
    assert fetch(server, "/token", "{}", json_type)[0] == 400
    assert fetch(server, "/token", "x=1", {"Content-Length": "9999999"})[0] == 413


def test_a_repeated_parameter_is_rejected_and_recorded(server: FakeGoogle) -> None:
    form = f"client_id={CLIENT_ID}&scope=a&scope=b"
    assert outcome(server, "/device/code", form) == (400, "invalid_request")
    exchange = server.transcript[-1]
    assert (exchange.form["scope"], exchange.repeated) == ("b", ["scope"])


# Tokens


def test_a_refresh_keeps_the_refresh_token_like_google(server: FakeGoogle, clock: Clock) -> None:
    access, refresh = login(server)
    clock.now += 3599
    assert not server.is_live(access)
    token = json_of(fetch(server, "/token", refresh_form(refresh))[1])
    assert "refresh_token" not in token
    assert server.is_live(str(token["access_token"]))
    server.expire_access_tokens()
    assert not server.is_live(str(token["access_token"]))
    assert server.can_refresh(refresh)


def test_reusing_a_rotated_refresh_token_revokes_its_login_only(clock: Clock) -> None:
    with FakeGoogle(clock=clock, rotate=True) as server:
        (_, first), (_, unrelated) = login(server), login(server)
        second = json_of(fetch(server, "/token", refresh_form(first))[1])
        assert server.can_refresh(str(second["refresh_token"]))
        assert not server.can_refresh(first)
        assert outcome(server, "/token", refresh_form(first)) == (400, "invalid_grant")
        reused = outcome(server, "/token", refresh_form(second["refresh_token"]))
        assert reused == (400, "invalid_grant")
        assert not server.is_live(str(second["access_token"]))
        assert server.can_refresh(unrelated)


def test_a_refresh_token_of_an_app_in_testing_expires_and_says_when(clock: Clock) -> None:
    with FakeGoogle(clock=clock, refresh_token_lifetime=604799) as server:
        refresh = login(server)[1]
        clock.now += 99
        token = json_of(fetch(server, "/token", refresh_form(refresh))[1])
        assert token["refresh_token_expires_in"] == 604700
        clock.now += 604700
        assert outcome(server, "/token", refresh_form(refresh)) == (400, "invalid_grant")


def test_a_token_belongs_to_the_client_that_obtained_it() -> None:
    with FakeGoogle(clients=TWO_CLIENTS, dialect=RFC_DIALECT) as server:
        refresh = login(server)[1]
        stolen = {**refresh_form(refresh), **OTHER}
        assert outcome(server, "/token", stolen) == (400, "unauthorized_client")
        assert outcome(server, "/revoke", {**OTHER, "token": refresh})[1] == "unauthorized_client"
        code = device_code(server)
        server.approve(server.user_codes()[0])
        assert outcome(server, "/token", {**poll_form(code), **OTHER}) == (400, "invalid_grant")
        assert server.can_refresh(refresh)


@pytest.mark.parametrize(("dialect", "second_survives"), [(GOOGLE_DIALECT, False), (RFC_DIALECT, True)])
@pytest.mark.parametrize("which", [0, 1])
def test_revoking_either_token_ends_one_login_or_all(
    clock: Clock, dialect: Dialect, second_survives: bool, which: int
) -> None:
    with FakeGoogle(clock=clock, dialect=dialect, clients=TWO_CLIENTS) as server:
        first, second, other = login(server), login(server), login(server, OTHER)
        assert fetch(server, "/revoke", {**CLIENT, "token": first[which]})[0] == 200
        assert not server.is_live(first[0])
        assert not server.can_refresh(first[1])
        assert server.can_refresh(second[1]) is second_survives
        assert server.can_refresh(other[1])


def test_the_api_accepts_a_valid_token_and_rejects_a_revoked_one(server: FakeGoogle) -> None:
    access, refresh = login(server)
    bearer = {"Authorization": f"Bearer {access}"}
    assert fetch(server, "/youtube/v3/channels", headers=bearer)[0] == 200
    server.revoke(refresh)
    status, text = fetch(server, "/youtube/v3/channels", headers=bearer)
    assert (status, '"UNAUTHENTICATED"' in text) == (401, True)
    with pytest.raises(LookupError):
        server.revoke(refresh)


# The page


def test_the_page_escapes_markup(server: FakeGoogle) -> None:
    markup = "\"'><script>&"
    _, shown = fetch(server, f"/device?user_code={urllib.parse.quote(markup)}")
    status, rejected = fetch(server, "/device", {"user_code": markup, "decision": "Allow"})
    assert status == 404
    for text in (shown, rejected):
        assert "<script" not in text
        assert "&lt;script&gt;" in text


@pytest.mark.parametrize(("decision", "error"), [("Allow", ""), ("Deny", "access_denied")])
def test_the_user_decides_on_the_page(server: FakeGoogle, decision: str, error: str) -> None:
    code, user_code = device_code(server), server.user_codes()[0]
    assert user_code in fetch(server, f"/device?user_code={user_code}")[1]
    assert fetch(server, "/device", {"user_code": user_code, "decision": decision})[0] == 200
    assert outcome(server, "/token", poll_form(code))[1] == error


# Scripts, gates, the transcript


def test_scripted_responses_come_in_order_before_the_real_one(server: FakeGoogle) -> None:
    server.script("code", FAULTS["503"], Reply(429, "no", {"retry-after": "3"}))
    form = {"client_id": CLIENT_ID, "scope": SCOPE}
    statuses = [fetch(server, "/device/code", form)[0] for _ in range(3)]
    assert statuses == [503, 429, 200]
    assert len(server.user_codes()) == 1


def test_a_response_can_be_lost_after_the_token_was_rotated() -> None:
    with FakeGoogle(rotate=True) as server:
        refresh = login(server)[1]
        server.script("token", FAULTS["answer-lost"], applied(FAULTS["502"]))
        with pytest.raises(ConnectionError):
            fetch(server, "/token", refresh_form(refresh))
        assert not server.can_refresh(refresh)
        assert server.can_refresh("1//fake-refresh-2")
        assert fetch(server, "/token", refresh_form("1//fake-refresh-2"))[0] == 502
        assert server.can_refresh("1//fake-refresh-3")


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("truncated", http.client.IncompleteRead),
        ("truncated-chunks", http.client.IncompleteRead),
        ("hang-up", http.client.RemoteDisconnected),
        ("not-http", http.client.BadStatusLine),
        ("many-headers", http.client.HTTPException),
        ("not-utf-8", UnicodeDecodeError),
        ("reset", ConnectionResetError),
    ],
)
def test_a_broken_response_breaks_as_its_name_says(server: FakeGoogle, fault: str, error: type[Exception]) -> None:
    server.script("/token", FAULTS[fault])
    with pytest.raises(error) as caught:
        fetch(server, "/token", {})
    # Its subclass RemoteDisconnected means that the server sent FIN, not RST.
    assert fault != "reset" or caught.type is ConnectionResetError


@pytest.mark.parametrize(
    ("fault", "status", "start", "least"),
    [
        ("rate-limit", 403, '{"error_code": "rate_limit_exceeded"}', 37),
        ("nested", 200, "[[[[", 500_000),
        ("html", 200, "<!doctype html>", 15),
        ("empty", 200, "", 0),
        ("token-in-500", 500, '{"access_token"', 15),
        ("huge", 200, "    ", 64 * 2**20),
    ],
)
def test_a_wrong_response_is_complete(server: FakeGoogle, fault: str, status: int, start: str, least: int) -> None:
    server.script("token", FAULTS[fault])
    got, text = fetch(server, "/token", {})
    assert (got, text[: len(start)]) == (status, start)
    assert len(text) >= least


def test_a_body_can_drip_and_a_redirect_can_be_followed(server: FakeGoogle) -> None:
    server.script("token", drip(b"{}", 0.0), redirect(f"{server.url}/elsewhere"))
    assert fetch(server, "/token", {}) == (200, "{}")
    assert fetch(server, "/token", {})[0] == 307
    fetch(server, "/elsewhere", {"secret": "s"})
    assert [each.form for each in server.requests_to("/elsewhere")] == [{"secret": "s"}]


def test_raw_bytes_are_sent_as_they_are(server: FakeGoogle) -> None:
    server.script("token", Raw([b"HTTP/1.1 200 OK\r\n", 0.0, b"Content-Length: 2\r\n\r\n{}"]))
    assert fetch(server, "/token", {}) == (200, "{}")


def test_a_script_for_a_misspelled_endpoint_is_rejected_at_once(server: FakeGoogle) -> None:
    with pytest.raises(ValueError, match="tokn"):
        server.script("tokn", Reply())


def test_requests_can_be_held_until_all_have_arrived(server: FakeGoogle) -> None:
    refresh = login(server)[1]
    crowd = 64
    with ThreadPoolExecutor(crowd) as pool:
        with server.hold("token"):
            responses = [pool.submit(fetch, server, "/token", refresh_form(refresh)) for _ in range(crowd)]
            server.wait_for_requests(1 + crowd, "token")
            assert not any(each.done() for each in responses)
            assert [each.status for each in server.requests_to("token")[1:]] == [0] * crowd
        assert [each.result()[0] for each in responses] == [200] * crowd
    with pytest.raises(TimeoutError):
        server.wait_for_requests(2 + crowd, "token", timeout=0.0)


def test_the_transcript_has_every_request_and_its_time(server: FakeGoogle, clock: Clock) -> None:
    device_code(server)
    clock.now += 3
    fetch(server, "/token?x=1", poll_form("AH-unknown"), {"X-Thing": "one"})
    first, second = server.transcript
    assert (first.at, second.at) == (1000.1, 1003.1)
    assert (first.path, first.status, first.error) == ("/device/code", 200, "")
    assert (second.method, second.path, second.query) == ("POST", "/token", "x=1")
    assert (second.status, second.error) == (400, "invalid_grant")
    assert (second.headers["x-thing"], second.form["device_code"]) == ("one", "AH-unknown")
    transcript = json_of(fetch(server, "/transcript")[1])["transcript"]
    assert isinstance(transcript, list)
    assert [each["form"] for each in transcript] == [first.form, second.form]


# Connections and shutdown


def test_one_connection_serves_many_requests(server: FakeGoogle) -> None:
    with connected(server) as connection:
        for _ in range(3):
            connection.request("GET", "/youtube/v3/channels")
            response = connection.getresponse()
            assert response.status == 401
            response.read()


@pytest.mark.parametrize("fault", ["stall", "stall-in-body", "drip"])
def test_shutdown_ends_a_stalled_response_at_once(fault: str) -> None:
    with ThreadPoolExecutor() as pool:
        with FakeGoogle() as server:
            server.script("token", FAULTS[fault])
            response = pool.submit(fetch, server, "/token", {})
            server.wait_for_requests(1, "token")
        with pytest.raises((http.client.HTTPException, ConnectionError)):
            response.result(timeout=5)


def test_shutdown_closes_idle_connections_partial_requests_and_held_ones() -> None:
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(FakeGoogle())
        gate = stack.enter_context(contextlib.ExitStack())
        gate.enter_context(server.hold("token"))
        address = (server.host, server.port)
        sockets = [stack.enter_context(socket.create_connection(address, 5)) for _ in range(3)]
        sockets[1].sendall(b"POST /token HTTP/1.1\r\nContent-Le")
        sockets[2].sendall(b"POST /token HTTP/1.1\r\nContent-Length: 0\r\n\r\n")
        server.wait_for_requests(1, "token")
        server.__exit__()
        for each in sockets:
            with contextlib.suppress(ConnectionResetError):
                assert each.recv(1) == b""


def test_shutdown_ends_all_threads() -> None:
    before = threading.enumerate()
    with FakeGoogle() as server, connected(server) as connection:
        connection.connect()
        fetch(server, "/transcript")
    for thread in threading.enumerate():
        if thread not in before:
            thread.join(5)
            assert not thread.is_alive()


# The command line


def test_help_names_every_endpoint_and_fault(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--help"])
    assert caught.value.code == 0
    words = capsys.readouterr().out.replace(",", " ").replace(".", " ").split()
    assert set(ENDPOINTS.values()) | FAULTS.keys() <= set(words)


def test_a_misspelled_fault_is_named_in_the_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--script", "token=stal"])
    assert "'token=stal'" in capsys.readouterr().err


@pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot send SIGINT to one child process")
def test_as_a_program_it_prints_its_url_responds_and_stops_quietly() -> None:
    command = [sys.executable, "-W", "error", str(FILE), "--approve-after", "0", "--script", "token=503"]
    with contextlib.ExitStack() as ends:
        process = ends.enter_context(
            subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        )
        ends.callback(process.kill)
        assert process.stdout is not None
        assert process.stderr is not None
        lines = iter(process.stdout.readline, "")
        url = next(line for line in lines if line.startswith("token")).split()[-1]
        port = urllib.parse.urlsplit(url).port
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        with contextlib.closing(connection):
            connection.request("POST", "/token", "")
            assert connection.getresponse().status == 503
        assert next(line for line in lines if line.startswith("POST")) == "POST /token -> 503\n"
        process.send_signal(signal.SIGINT)
        assert (process.wait(10), process.stderr.read()) == (0, "")
