# SPDX-License-Identifier: MIT
"""The errors: what they derive from, what their sentences say and never say, and that they survive being passed on."""

from __future__ import annotations

import copy
import errno
import multiprocessing
from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

import ytmusic_oauth
from ytmusic_oauth import Endpoints, exceptions
from ytmusic_oauth._messages import HttpResponse, Request, raise_for_error
from ytmusic_oauth.exceptions import (
    AccessDenied,
    AuthorizationPending,
    BadOAuthClient,
    DeviceCodeExpired,
    InvalidGrant,
    LoginCancelled,
    MalformedResponse,
    OAuthError,
    RateLimited,
    ServerError,
    SlowDown,
    TokenFileError,
    TokenFileNotFound,
    TransportError,
    UnauthorizedOAuthClient,
)
from ytmusic_oauth.protocol import device_authorization_request, refresh_request, revocation_request, token_request

# Each error, whether the same call may succeed later, and what its caller should do next.
NEXT: Final[Mapping[type[OAuthError], tuple[bool, str]]] = {
    OAuthError: (False, "Try again later."),
    TransportError: (True, "Try again later; if that does not help, check the address, proxies and certificates."),
    RateLimited: (True, "Try again later."),
    ServerError: (False, "Look up the code in"),
    AuthorizationPending: (True, "Try again later."),
    SlowDown: (True, "Try again later."),
    InvalidGrant: (False, "Log in again."),
    AccessDenied: (False, "Log in again,"),
    DeviceCodeExpired: (False, "Log in again "),
    LoginCancelled: (False, "Log in again "),
    BadOAuthClient: (False, 'Check the client id and secret, that the client is of the type "TVs'),
    UnauthorizedOAuthClient: (False, "Use the client id and secret with which the token was made"),
    TokenFileError: (False, "Check the path, the permissions and the disk"),
    TokenFileNotFound: (False, "Log in to make one, or check the path."),
    MalformedResponse: (False, "Check that nothing between here and the server"),
}


def test_every_error_is_exported_and_looked_at_here() -> None:
    classes = {name for name in exceptions.__all__ if name != "ERROR_CLASSES"}
    assert {kind.__name__ for kind in NEXT} == classes
    assert classes <= set(ytmusic_oauth.__all__)


def test_one_except_clause_catches_them_all_and_one_both_ways_of_not_yet() -> None:
    assert all(issubclass(kind, OAuthError) for kind in NEXT)
    assert issubclass(SlowDown, AuthorizationPending)


@pytest.mark.parametrize("kind", NEXT)
def test_a_caller_can_tell_whether_to_try_again(kind: type[OAuthError]) -> None:
    assert kind().retryable is NEXT[kind][0]


@pytest.mark.parametrize("kind", NEXT)
def test_the_sentence_ends_with_what_to_do_next(kind: type[OAuthError]) -> None:
    before, found, after = str(kind()).partition(f". {NEXT[kind][1]}")
    assert before.removeprefix(": ") == kind.summary
    assert found
    assert f"{found}{after}".endswith((".", ".)"))
    assert kind.summary in repr(kind()), "which is all that is seen of it in a list of them"


def test_trouble_that_passes_is_not_looked_up_and_a_redirect_is_not_tried_again() -> None:
    assert str(ServerError(status=503, retryable=True)).endswith(". Try again later.")
    assert "Check what stands between" in str(TransportError("The server redirects", retryable=False))


def test_all_that_is_known_is_in_the_sentence() -> None:
    error = RateLimited(error="quota", error_description="Not for OS X.", status=403, retry_after=6.9)
    assert str(error) == (
        'The server is limiting requests (quota, HTTP 403): "Not for OS X". The server asks to wait 7 s. '
        "Try again later."
    )
    assert "No way" in repr(TransportError("No way"))


@pytest.mark.parametrize("kind", [TokenFileError, TokenFileNotFound])
def test_an_error_about_a_file_begins_with_its_path(kind: type[TokenFileError]) -> None:
    assert str(kind("It is no file", path="/home/me/oauth.json")).startswith("/home/me/oauth.json: It is no file. ")


def test_a_file_that_somebody_else_has_is_tried_again_later() -> None:
    busy = TokenFileError("Somebody else has it", path="/home/me/oauth.json", retryable=True)
    assert busy.retryable
    assert str(busy) == "/home/me/oauth.json: Somebody else has it. Try again later."


def test_where_nobody_knows_a_request_counts_as_sent() -> None:
    assert TransportError().sent is True
    assert TransportError(sent=False).sent is False


def test_a_missing_token_file_is_a_missing_file() -> None:
    with pytest.raises(FileNotFoundError) as caught:
        raise TokenFileNotFound(path="/home/me/oauth.json")
    assert (caught.value.errno, caught.value.filename) == (errno.ENOENT, "/home/me/oauth.json")


# ---- passed on: to another thread, to another process --------------------------------------------


def slowed_down() -> SlowDown:
    error = SlowDown(error="slow_down", status=400)
    error.interval = 30
    return error


FULL: Final[list[OAuthError]] = [
    *(kind() for kind in NEXT),
    RateLimited("Enough", error="quota", error_description="Too many.", status=403, retry_after=7.5),
    ServerError(error="server_error", status=500, retryable=True),
    TransportError("No way", sent=False, status=302, retryable=False),
    slowed_down(),
    TokenFileError("No", path="/home/me/oauth.json", key="scope", retryable=True),
    TokenFileNotFound(path="/home/me/oauth.json"),
    MalformedResponse("Nonsense", key="access_token", status=200),
]


def piped(error: OAuthError) -> object:
    """Pickle it, and what a pool of processes does around that."""
    there, here = multiprocessing.Pipe()
    with there, here:
        there.send(error)
        arrived: object = here.recv()
    return arrived


@pytest.mark.parametrize("error", FULL, ids=lambda error: f"{type(error).__name__} {vars(error).get('status') or ''}")
@pytest.mark.parametrize("passed", [copy.copy, copy.deepcopy, piped])
def test_an_error_that_is_passed_on_keeps_class_parts_and_sentence(
    passed: Callable[[OAuthError], object], error: OAuthError
) -> None:
    arrived = passed(error)
    assert isinstance(arrived, OAuthError)
    assert type(arrived) is type(error)
    assert vars(arrived) == vars(error)
    assert str(arrived) == str(error)
    if isinstance(error, OSError):
        assert isinstance(arrived, OSError)
        assert (arrived.errno, arrived.filename) == (error.errno, error.filename)


# ---- what a server says --------------------------------------------------------------------------

RFC: Final = Endpoints("https://example.org/device", "https://example.org/token", "https://example.org/revoke")
SECRET: Final = "GOCSPX-s/e+c=r&e%t"
TOKEN: Final = "1//0g.t/o+k=e&n%s"
REQUESTS: Final[Mapping[str, Request]] = {
    "code": device_authorization_request(RFC, "the-id", SECRET, "the-scope"),
    "poll": token_request(RFC, "the-id", SECRET, TOKEN),
    "refresh": refresh_request(RFC, "the-id", SECRET, TOKEN),
    "revocation": revocation_request(RFC, "the-id", SECRET, TOKEN),
}


def refusal(request: Request, body: Mapping[str, object]) -> OAuthError:
    with pytest.raises(OAuthError) as caught:
        raise_for_error(request, HttpResponse(400, body))
    return caught.value


def told(error: OAuthError) -> str:
    """All that a log could show of it."""
    return f"{error} {error!r} {vars(error)}"


def in_lower_case(text: str) -> str:
    return "".join(
        f"%{ord(character):02x}" if quote(character, safe="") != character else character for character in text
    )


WRITTEN: Final[Mapping[str, Callable[[str], str]]] = {
    "raw": str,
    "as in a form": quote_plus,
    "as in a path": quote,
    "percent-encoded in lower case": in_lower_case,
}


@pytest.mark.parametrize("write", WRITTEN.values(), ids=WRITTEN)
def test_a_secret_that_the_server_echoes_is_taken_out(write: Callable[[str], str]) -> None:
    for request in REQUESTS.values():
        echo = f"the-id sent {', '.join(map(write, request.form.values()))}."
        error = refusal(request, {"error": echo, "error_description": echo})
        assert not [secret for secret in (SECRET, TOKEN) if write(secret) in told(error)]
        assert error.error_description is not None
        assert error.error_description.startswith("the-id sent ")
        assert "[redacted]" in str(error)


def test_what_was_sent_and_is_no_secret_stays_readable() -> None:
    said = f"the-id may not have the-scope by {REQUESTS['poll'].form['grant_type']}"
    for request in REQUESTS.values():
        assert said in str(refusal(request, {"error": "invalid_scope", "error_description": said}))


def test_a_secret_that_is_part_of_another_does_not_uncover_the_rest() -> None:
    request = refresh_request(RFC, "the-id", "0gabc", "1//0gabcdefghijk")
    assert "defghijk" not in told(refusal(request, {"error": "1//0gabcdefghijk", "error_description": "0gabc"}))
    request = refresh_request(RFC, "the-id", "abc", "1//0gabcdefghijk")  # the longest comes first in no alphabet
    assert "defghijk" not in told(refusal(request, {"error": "1//0gabcdefghijk"}))


def test_a_secret_at_the_end_of_what_is_shown_is_not_cut_short_of_being_recognized() -> None:
    error = refusal(REQUESTS["refresh"], {"error": "invalid_grant", "error_description": "x" * 295 + TOKEN})
    assert "1//0g" not in told(error)


SECRETS: Final = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), max_size=20).map("Zq7".__add__)


@given(secrets=st.tuples(SECRETS, SECRETS), write=st.sampled_from([str, quote_plus]), around=st.text(max_size=10))
def test_no_secret_that_was_sent_is_ever_told(
    secrets: tuple[str, str], write: Callable[[str], str], around: str
) -> None:
    """Whatever a secret looks like and wherever a server puts it, the error does not have it."""
    client_secret, refresh_token = secrets
    request = refresh_request(RFC, "the-id", client_secret, refresh_token)
    echo = f"{around}{write(refresh_token)}{around}{write(client_secret)}{around}"
    error = refusal(request, {"error": echo, "error_description": echo})
    shown = f"{error} {error.args} {error.error_description}"
    assert not [secret for secret in secrets for form in (str, write) if form(secret) in shown]


@given(said=st.text(st.characters(), max_size=400))
def test_what_a_server_says_is_one_short_line_of_printable_text(said: str) -> None:
    """Nothing that drives a terminal, ends a line or turns the writing round reaches an error's text."""
    text = str(refusal(REQUESTS["poll"], {"error": f"x{said}", "error_description": said}))
    assert text.isprintable()
    assert len(text) < 1000


def test_a_description_with_colours_and_lines_is_shown_without_them() -> None:
    said = "\x1b[31mNo.\r\nYes.\u202e\x9b2J"
    error = refusal(REQUESTS["poll"], {"error": "access_denied", "error_description": said})
    assert error.error_description == " [31mNo.  Yes.  2J"


@pytest.mark.parametrize("said", [None, "", 5, ["no"], {"message": "no"}], ids=repr)
def test_a_description_that_is_no_text_is_left_out(said: object) -> None:
    error = refusal(REQUESTS["poll"], {"error": "access_denied", "error_description": said})
    assert type(error) is AccessDenied
    assert error.error_description is None
