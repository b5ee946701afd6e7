# SPDX-License-Identifier: MIT
"""The exceptions: their base classes, their messages, redaction, copying and pickling."""

from __future__ import annotations

import base64
import copy
import errno
import html
import json
import multiprocessing
import re
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

import ytmusic_oauth
from ytmusic_oauth import Endpoints, exceptions
from ytmusic_oauth._messages import HttpResponse, Request, raise_for_error
from ytmusic_oauth._redaction import redacted
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
    TokenStoreError,
    TransportError,
    UnauthorizedOAuthClient,
)
from ytmusic_oauth.protocol import device_authorization_request, refresh_request, revocation_request, token_request

# Exception class -> whether it is retryable, and how its advice begins.
ADVICE: Final[Mapping[type[OAuthError], tuple[bool, str]]] = {
    OAuthError: (False, "See the documentation of the OAuth server."),
    TransportError: (True, "Try again later. If that does not help, check the connection: URL, proxies, certificates."),
    RateLimited: (True, "Try again later."),
    ServerError: (False, "Look up the error code in"),
    AuthorizationPending: (True, "Try again later."),
    SlowDown: (True, "Try again later."),
    InvalidGrant: (False, "Log in again."),
    AccessDenied: (False, "Log in again,"),
    DeviceCodeExpired: (False, "Log in again "),
    LoginCancelled: (False, "Log in again "),
    BadOAuthClient: (False, "Check the client id and secret, and how the client authenticates: post, basic or none."),
    UnauthorizedOAuthClient: (False, "Use the client id and secret that the token was obtained with"),
    TokenStoreError: (False, "Check the store."),
    TokenFileError: (False, "Check the path, the permissions and the disk"),
    TokenFileNotFound: (False, "Log in to create one, or check the path."),
    MalformedResponse: (False, "Check that nothing between this machine and the server"),
}


def test_every_exception_is_exported_and_tested_here() -> None:
    classes = {name for name in exceptions.__all__ if name != "ERROR_CLASSES"}
    assert {error_class.__name__ for error_class in ADVICE} == classes
    assert classes <= set(ytmusic_oauth.__all__)


def test_base_classes_catch_all_errors_and_both_kinds_of_pending() -> None:
    assert all(issubclass(error_class, OAuthError) for error_class in ADVICE)
    assert issubclass(SlowDown, AuthorizationPending)


@pytest.mark.parametrize("error_class", ADVICE)
def test_each_class_is_retryable_or_not(error_class: type[OAuthError]) -> None:
    assert error_class().retryable is ADVICE[error_class][0]


@pytest.mark.parametrize("error_class", ADVICE)
def test_the_message_ends_with_the_advice(error_class: type[OAuthError]) -> None:
    before, found, after = str(error_class()).partition(f". {ADVICE[error_class][1]}")
    assert before.replace(": ", "", 1) == error_class.summary
    assert found
    assert re.search(r"[^.]\.\Z", f"{found}{after}")
    assert error_class.summary in repr(error_class()), "the repr is all that a list of errors shows"


def test_the_advice_depends_on_whether_the_error_is_retryable() -> None:
    assert str(ServerError(status=503, retryable=True)).endswith(". Try again later.")
    assert "Check the connection:" in str(TransportError("The server sent a redirect", retryable=False))


def test_the_message_has_every_detail() -> None:
    error = RateLimited(error="quota", error_description="Too many requests.", status=403, retry_after=6.9)
    assert str(error) == (
        'The server is limiting requests (quota, HTTP 403): "Too many requests". The server asks to wait 7 s. '
        "Try again later."
    )
    assert "No connection" in repr(TransportError("No connection"))


REASONS: Final[Mapping[type[OAuthError], str]] = {
    OAuthError: "unknown",
    TransportError: "network",
    RateLimited: "rate_limited",
    ServerError: "server_error",
    AuthorizationPending: "authorization_pending",
    SlowDown: "slow_down",
    InvalidGrant: "invalid_grant",
    AccessDenied: "access_denied",
    DeviceCodeExpired: "expired_token",
    LoginCancelled: "cancelled",
    BadOAuthClient: "invalid_client",
    UnauthorizedOAuthClient: "unauthorized_client",
    TokenStoreError: "token_store",
    TokenFileError: "token_file",
    TokenFileNotFound: "token_file_not_found",
    MalformedResponse: "malformed",
}


@pytest.mark.parametrize("error_class", ADVICE)
def test_every_error_has_a_reason_in_one_word_that_does_not_change(error_class: type[OAuthError]) -> None:
    assert error_class().reason == REASONS[error_class]


def test_a_more_exact_reason_is_kept() -> None:
    assert TransportError(reason="dns").reason == "dns"
    assert InvalidGrant(reason="no_refresh_token").reason == "no_refresh_token"


@pytest.mark.parametrize("description", ["Not X.", "Not X", "Not X...", "Not X. ", "Not X .", ".", " . "])
def test_every_sentence_of_a_message_ends_with_one_full_stop(description: str) -> None:
    error = ServerError(
        "Ask X.",
        error_description=description,
        error_uri="https://example.org/no",
        retry_after=7,
        advice="Ask Y, or X.",
    )
    quoted = ': "Not X"' if "N" in description else ""
    assert str(error) == (
        f"Ask X{quoted}. The server refers to <https://example.org/no>. The server asks to wait 7 s. Ask Y, or X."
    )


def test_every_code_counts_in_the_response_to_a_request_of_an_unknown_kind() -> None:
    for code, error_class in exceptions.ERROR_CLASSES.items():
        assert type(error_for(Request("https://example.org/token", {}), {"error": code})) is error_class


@pytest.mark.parametrize("error_class", [TokenFileError, TokenFileNotFound])
def test_the_message_of_a_token_file_error_begins_with_the_path(error_class: type[TokenFileError]) -> None:
    assert str(error_class("Not a regular file", path="/home/me/oauth.json")).startswith(
        "/home/me/oauth.json: Not a regular file. "
    )


@pytest.mark.parametrize("error_class", [TokenFileError, TokenFileNotFound])
def test_the_message_of_a_token_file_error_without_a_path_is_a_sentence(error_class: type[TokenFileError]) -> None:
    assert str(error_class("No")).startswith("No. ")


def test_a_token_file_error_can_be_retryable() -> None:
    error = TokenFileError("Another process has the lock", path="/home/me/oauth.json", retryable=True)
    assert error.retryable
    assert str(error).startswith("/home/me/oauth.json: Another process has the lock. Try again later.")


def test_a_request_counts_as_sent_unless_said_otherwise() -> None:
    assert TransportError().sent is True
    assert TransportError(sent=False).sent is False


def test_token_file_not_found_is_a_file_not_found_error() -> None:
    with pytest.raises(FileNotFoundError) as raised:
        raise TokenFileNotFound(path="/home/me/oauth.json")
    assert (raised.value.errno, raised.value.filename) == (errno.ENOENT, "/home/me/oauth.json")


# ---- copying and pickling ------------------------------------------------------------------------


def slow_down() -> SlowDown:
    error = SlowDown(error="slow_down", status=400)
    error.interval = 30
    return error


EXAMPLES: Final[list[OAuthError]] = [
    *(error_class() for error_class in ADVICE),
    RateLimited("Enough", error="quota", error_description="Too many.", status=403, retry_after=7.5),
    ServerError(error="server_error", status=500, retryable=True),
    TransportError("No connection", sent=False, status=302, retryable=False),
    slow_down(),
    TokenFileError("No", path="/home/me/oauth.json", key="scope", retryable=True),
    TokenFileNotFound(path="/home/me/oauth.json"),
    MalformedResponse("Not JSON", key="access_token", status=200),
]


def through_a_pipe(error: OAuthError) -> object:
    """Pickle and unpickle, as a pool of processes does."""
    sender, receiver = multiprocessing.Pipe()
    with sender, receiver:
        sender.send(error)
        received: object = receiver.recv()
    return received


@pytest.mark.parametrize(
    "error", EXAMPLES, ids=lambda error: f"{type(error).__name__} {vars(error).get('status') or ''}"
)
@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, through_a_pipe])
def test_a_copy_of_an_error_keeps_its_class_attributes_and_message(
    duplicate: Callable[[OAuthError], object], error: OAuthError
) -> None:
    twin = duplicate(error)
    assert isinstance(twin, OAuthError)
    assert type(twin) is type(error)
    assert vars(twin) == vars(error)
    assert str(twin) == str(error)
    if isinstance(error, OSError):
        assert isinstance(twin, OSError)
        assert (twin.errno, twin.filename) == (error.errno, error.filename)


# ---- text from a server --------------------------------------------------------------------------

RFC: Final = Endpoints("https://example.org/device", "https://example.org/token", "https://example.org/revoke")
BASIC: Final = Endpoints(RFC.device_code_url, RFC.token_url, RFC.revoke_url, client_authentication="basic")
SECRET: Final = "GOCSPX-s/e+c=r&e%t"
TOKEN: Final = "1//0g.t/o+k=e&n%s"
REQUESTS: Final[Mapping[str, Request]] = {
    f"{endpoints.client_authentication} {kind}": request
    for endpoints in (RFC, BASIC)
    for kind, request in {
        "code": device_authorization_request(endpoints, "the-id", SECRET, "the-scope"),
        "poll": token_request(endpoints, "the-id", SECRET, TOKEN),
        "refresh": refresh_request(endpoints, "the-id", SECRET, TOKEN),
        "revocation": revocation_request(endpoints, "the-id", SECRET, TOKEN),
    }.items()
}
REFRESH: Final = REQUESTS["post refresh"]


def error_for(request: Request, body: Mapping[str, object]) -> OAuthError:
    with pytest.raises(OAuthError) as raised:
        raise_for_error(request, HttpResponse(400, body))
    return raised.value


def shown(error: OAuthError) -> str:
    """Everything that a log could show of the error."""
    return f"{error} {error!r} {vars(error)}"


def percent_encoded_in_lower_case(text: str) -> str:
    return "".join(
        f"%{ord(character):02x}" if quote(character, safe="") != character else character for character in text
    )


def each(spelling: str, text: str) -> str:
    """Spell every character of a text: `%%%02x` for percent-encoding."""
    return "".join(spelling % ord(character) for character in text)


def twice(spell: Callable[[str], str]) -> Callable[[str], str]:
    return lambda text: spell(spell(text))


def in_php(text: str) -> str:
    return json.dumps({"refresh_token": text}).replace("/", "\\/")


quoted: Final = partial(quote, safe="")
SPELLINGS: Final[Mapping[str, Callable[[str], str]]] = {
    "raw": str,
    "in upper case": str.upper,
    "as in a form": quote_plus,
    "as in a path": quote,
    "percent-encoded in lower case": percent_encoded_in_lower_case,
    "percent-encoded twice": twice(quoted),
    "percent-encoded five times": lambda text: twice(twice(quoted))(quoted(text)),
    "every character percent-encoded": partial(each, "%%%02x"),
    "every character percent-encoded twice": partial(each, "%%25%02X"),
    "in JSON": json.dumps,
    "in JSON in JSON": twice(json.dumps),
    "in PHP's JSON": in_php,
    "in PHP's JSON in JSON": lambda text: json.dumps(in_php(text)),
    "in JSON with escapes": partial(each, "\\u%04x"),
    "in a string with escapes": partial(each, "\\x%02X"),
    "with entities": html.escape,
    "with decimal entities": partial(each, "&#%d;"),
    "with hexadecimal entities": partial(each, "&#x%X;"),
    "with named entities": lambda text: html.escape(text).replace("/", "&sol;").replace("=", "&equals;"),
    "with entities twice": twice(html.escape),
    "with entities, percent-encoded": lambda text: quoted(html.escape(text)),
    "percent-encoded in JSON in a page": lambda text: html.escape(json.dumps({"token": quoted(text)})),
    "cut off at the end": lambda text: text[:10],
    "cut off at the start": lambda text: text[-12:],
    "cut out of the middle": lambda text: text[2:14],
    "broken into lines": lambda text: f"{text[:6]}\n    {text[6:11]}\r\n{text[11:]}",
    "broken into lines in JSON": lambda text: json.dumps(f"{text[:6]}\n{text[6:]}"),
    "broken into lines in a page": lambda text: f"{text[:6]}<br>{text[6:11]}<WBR/>{text[11:]}",
    "broken by soft hyphens": lambda text: f"{text[:6]}&shy;{text[6:11]}\u200b{text[11:]}",
    "one character at a time": " ".join,
    "without its punctuation": lambda text: re.sub(r"\W", "", text),
}


@pytest.mark.parametrize("spell", SPELLINGS.values(), ids=SPELLINGS)
@pytest.mark.parametrize("request_", REQUESTS.values(), ids=REQUESTS)
def test_a_text_in_which_the_server_repeats_a_secret_is_not_shown(
    request_: Request, spell: Callable[[str], str]
) -> None:
    secrets = [SECRET, TOKEN] if TOKEN in request_.form.values() else [SECRET]
    for secret in secrets:
        echo = f"Bad request by the-id: {spell(secret)}."
        error = error_for(
            request_, {"error": "invalid_request", "error_description": echo, "error_uri": f"https://e.example/{echo}"}
        )
        assert (error.error_description, error.error_uri) == ("[redacted]", "[redacted]")
        error = error_for(request_, {"error": echo, "message": f"{echo} Again."})
        assert (error.error, error.error_description) == ("[redacted]", "[redacted]")
        assert spell(secret) not in shown(error)


def test_a_basic_header_that_the_server_repeats_is_not_shown() -> None:
    code = device_authorization_request(BASIC, "the-id", SECRET, "the-scope")
    for request in (code, refresh_request(BASIC, "the-id", SECRET, TOKEN)):
        header = request.headers["Authorization"]
        assert base64.b64decode(header[6:]).decode() == f"the-id:{quote_plus(SECRET)}"
        for echo in (header, header[6:], f"user the-id, password {quote_plus(SECRET)}", SECRET):
            error = error_for(request, {"error": "invalid_client", "error_description": f"Rejected: {echo}"})
            assert error.error_description == "[redacted]"
        assert header[6:] not in repr(request)


@pytest.mark.parametrize(
    "body",
    [
        {"access_token": "ya29.of-this-response"},
        {"refresh_token": "ya29.of-this-response"},
        {"id_token": "ya29.of-this-response"},
        {"device_code": "ya29.of-this-response"},
        {"accessToken": "ya29.of-this-response"},
        {"client_secret": ["ya29.of-this-response"]},
        {"data": [{"tokens": 5, "token": {"value": "ya29.of-this-response"}}]},
        {"token": "ya29.of-this-response", "data": {"a": 1}},
        {"token": "ya29.of-this-response", "data": ["a"]},
    ],
    ids=str,
)
def test_a_token_of_the_responses_own_body_is_not_shown(body: Mapping[str, object]) -> None:
    description = "Issued ya29.of-this-resp... to the-id"
    error = error_for(REFRESH, {**body, "error": "invalid_request", "error_description": description})
    assert error.error_description == "[redacted]"
    error = error_for(REFRESH, {"error": description, "error_uri": description, "token": "ya29.of-this-response"})
    assert (error.error, error.error_uri) == ("[redacted]", "[redacted]")


def test_public_fields_that_the_server_repeats_are_shown() -> None:
    for request in REQUESTS.values():
        public = [value for value in request.form.values() if value not in {SECRET, TOKEN}]
        description = f"the-id may not have {' '.join(public)}"
        error = error_for(request, {"error": "invalid_scope", "error_description": description})
        assert error.error_description == description


@pytest.mark.parametrize(
    "description",
    [
        "Client is public so neither client_assertion nor client_secret should be presented.",
        "The refresh_token is missing: client-id may not have one",
    ],
)
def test_what_a_secret_has_in_common_with_public_words_is_no_part_of_it(description: str) -> None:
    request = refresh_request(RFC, "client-id-of-a-test", "client-secret", "client-id-of-a-test-refresh_token")
    error = error_for(request, {"error": "invalid_request", "error_description": description})
    assert error.error_description == description.rstrip()
    assert redacted("It was client_secret!", ["client-secret"], ["client_secret"]) == "It was client_secret!"
    assert redacted("It was client-secret2!", ["client-secret2"], ["client_secret"]) == "[redacted]"


SHORT: Final[Mapping[str, tuple[str, str, str]]] = {
    "alone": ("abc1", "abc1", "[redacted]"),
    "in a sentence": ("abc1", "The code abc1 is wrong", "The code [redacted] is wrong"),
    "twice": ("abc1", "abc1? ABC1!", "[redacted]? [redacted]!"),
    "in quotes": ("abc1", "(\"abc1\", 'abc1')", "(\"[redacted]\", '[redacted]')"),
    "at the end": ("abc1", "No such code: abc1.", "No such code: [redacted]."),
    "as a parameter": ("abc1", "code=abc1&x=1", "code=[redacted]&x=1"),
    "in words": ("in", "invalid inline pin, plug-in", "invalid inline pin, plug-in"),
    "one letter": ("a", "a valid grant", "[redacted] valid grant"),
    "in a name": ("example", "ask auth.example.org", "ask auth.example.org"),
    "before an underscore": ("code", "device_code, code_challenge", "device_code, code_challenge"),
    "with punctuation": ("a+/b", "It was a+/b.", "It was [redacted]."),
    "percent-encoded": ("a+/b", "code=a%2B%2Fb", "[redacted]"),
    "in PHP's JSON": ("a/b", '{"code":"a\\/b"}', "[redacted]"),
    "with a blank": ("a b", "It was a b.", "It was [redacted]."),
    "another one": ("abc1", "The code abc2 is wrong", "The code abc2 is wrong"),
    "seven characters": ("abc/def", "x abcdef", "x abcdef"),
}


@pytest.mark.parametrize(("secret", "text", "expected"), SHORT.values(), ids=SHORT)
def test_a_short_secret_is_hidden_where_it_is_a_word(secret: str, text: str, expected: str) -> None:
    assert redacted(text, [secret]) == expected
    assert redacted(text, [secret, "", "a-long-secret-that-is-not-there"]) == expected


def test_a_secret_of_eight_characters_is_not_short() -> None:
    assert redacted("xabcdefghx", ["abcdefgh"]) == "[redacted]"
    assert redacted("x!/+= -_.~x", ["!/+=-_.~"]) == "[redacted]", "without a letter or a digit"
    assert redacted(r'"abcd\nefgh"', ["abcdefgh"]) == "[redacted]", "broken into lines"
    assert redacted("it was abc/defg", ["abc%2Fdefg"]) == "[redacted]", "decoded by the server"
    for shown in ("it has abcdefg only", "it has bcdefgh"):
        assert redacted(shown, ["abcdefgh"]) == shown
    assert redacted("it is abcdefgh", ["abcdefgh"], ["abcdefgh"]) == "it is abcdefgh", "no secret"


def test_a_secret_is_found_behind_what_is_not_shown_of_a_long_text() -> None:
    error = error_for(REFRESH, {"error": "invalid_grant", "error_description": "x" * 295 + TOKEN})
    assert error.error_description == "[redacted]"


@pytest.mark.parametrize("unit", ["%25", "a"])
def test_searching_a_text_for_many_secrets_takes_little_time(unit: str) -> None:
    """A response that is full of secrets must not delay the error by more than the whole call may take."""
    text = (unit * 4000)[:4000]
    for body in ({"token": ["abcd"] * 20_000}, {"token": ["x" * 30] * 49}, {"token": ["x" * 2**20]}):
        started = time.perf_counter()
        error = error_for(REFRESH, {"error": "invalid_grant", "error_description": text, **body})
        assert time.perf_counter() - started < 3, "a second is too long, too, but not under load"
        assert len(body["token"]) < 50 or error.error_description == "[redacted]"


def test_the_text_beside_fifty_secrets_is_shown() -> None:
    assert redacted("it is wrong", ["abcd"] * 50) == redacted("it is wrong", ["x" * 65_536]) == "it is wrong"
    assert redacted("it is wrong", ["abcd"] * 51) == redacted("it is wrong", ["x" * 65_537]) == "[redacted]"


@pytest.mark.parametrize(
    "unit", ["%25", "%2525", "&amp;", "&#38;", "\\", "&", "%", "%26amp%3B", "\\u005c", "\\x26\\x23", "&lt", "a", "<br>"]
)
def test_searching_a_text_for_secrets_takes_little_time(unit: str) -> None:
    """Whatever a hostile server sends: text of the greatest length, with many layers of encoding, and long secrets."""
    text = (unit * 4000)[:4000]
    started = time.perf_counter()
    assert redacted(text, [TOKEN, SECRET, "a" * 5000 + "b", "b" * 2**20, "abc1"]) is not None
    assert time.perf_counter() - started < 2, "a second is too long, too, but not under load"


def test_a_text_with_too_many_layers_of_encoding_is_not_shown() -> None:
    text = "100%"
    for _ in range(50):
        text = text.replace("%", "\\u0025").replace("\\", "%5C")
    assert redacted(text, []) == "[redacted]"


SECRETS: Final = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), max_size=20).map("Zq7-Zq8-Zq9".__add__)
ENCODERS: Final = st.lists(st.sampled_from([str, quote, quote_plus, json.dumps, html.escape, in_php]), max_size=4)


@given(secrets=st.tuples(SECRETS, SECRETS), encoders=ENCODERS, around=st.text(max_size=10))
def test_no_secret_of_the_request_is_shown(
    secrets: tuple[str, str], encoders: list[Callable[[str], str]], around: str
) -> None:
    """Whatever a secret is, and wherever and in whatever layers of encoding the server repeats it, it is not shown."""
    client_secret, refresh_token = secrets
    request = refresh_request(RFC, "the-id", client_secret, refresh_token)
    for secret in secrets:
        echo = f"{around}{secret}{around}"
        for encode in encoders:
            echo = encode(echo)
        error = error_for(request, {"error": echo, "error_description": echo})
        assert (error.error, error.error_description) == ("[redacted]", "[redacted]")


@given(description=st.text(st.characters(), max_size=400))
def test_text_from_a_server_is_one_short_printable_line(description: str) -> None:
    """No control character, line break or bidirectional override gets into a message."""
    text = str(error_for(REFRESH, {"error": f"x{description}", "error_description": description}))
    assert text.isprintable()
    assert len(text) < 1000


def test_control_characters_in_a_description_become_spaces() -> None:
    description = "\x1b[31mNo.\r\nYes.\u202e\x9b2J"
    error = error_for(REQUESTS["post poll"], {"error": "access_denied", "error_description": description})
    assert error.error_description == " [31mNo.  Yes.  2J"


@pytest.mark.parametrize("description", [None, "", 5, ["no"], {"message": "no"}], ids=repr)
def test_a_description_that_is_not_text_is_omitted(description: object) -> None:
    error = error_for(REQUESTS["post poll"], {"error": "access_denied", "error_description": description})
    assert type(error) is AccessDenied
    assert error.error_description is None
