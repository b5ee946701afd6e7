# SPDX-License-Identifier: MIT
"""What each validator accepts and rejects. Its error never quotes the value, which may be a secret."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Final, NoReturn

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ytmusic_oauth import OAuthCredentials, _validation

TEN_YEARS: Final = 315_360_000
NOT_TEXT: Final[tuple[object, ...]] = (None, 5, 5.0, True, b"text", ["text"], {"text": 1})
NOT_A_NUMBER: Final[tuple[object, ...]] = (None, True, False, "", "soon", b"5", [5], {}, math.nan)

# Validator -> the values that it accepts, each with what it returns; and those that it rejects.
ACCEPTED: Final[list[tuple[Callable[[object], object], list[tuple[object, object]]]]] = [
    (_validation.text, [("", ""), ("any\n", "any\n"), ("\ud800", "\ud800")]),
    (_validation.printable, [("A b", "A b"), ("ÄÖ\uff37", "ÄÖ\uff37")]),
    (
        _validation.web_link,
        [(link, link) for link in ("https://a.example", "http://a/b?c#d", "HTTPS://A.EXAMPLE:1/", "https://ä.example")],
    ),
    (
        _validation.visible_ascii,
        [(token, token) for token in ("x", "1//0g-_.~", "ya29.a0Af!\"#$%&'()*+,/:;<=>?@[\\]^`{|}")],
    ),
    (_validation.user_code, [("A b", "A b"), ("ÄÖ\uff37", "ÄÖ\uff37"), ("W" * 100, "W" * 100)]),
    (_validation.secret, [(token, token) for token in ("x", " a b ", "1//0g-_.~", "!\"#$%&'()*+,/:;<=>?@[\\]^`{|}")]),
    (_validation.optional_secret, [("", ""), ("x", "x"), (" a b ", " a b ")]),
    (_validation.credential, [(token, token) for token in ("x", "a b", "GOCSPX-!\"#$%&'()*+,/:;<=>?@[\\]^`{|}~")]),
    (_validation.client_authentication, [("post", "post"), ("basic", "basic"), ("none", "none")]),
    (_validation.boolean, [(True, True), (False, False)]),
    (_validation.extra_parameters, [({}, {}), ({"audience": "a", "resource": ""}, {"audience": "a", "resource": ""})]),
    (
        _validation.bearer,
        [(each, "Bearer") for each in ("Bearer", "bearer", "BEARER", "Bearer ", " bearer", "\tBearer\r\n")],
    ),
    (
        _validation.wire_scope,
        [
            ("", ""),
            ("a b", "a b"),
            ([], ""),
            (["a"], "a"),
            (["user:read:email", "chat:read"], "user:read:email chat:read"),
        ],
    ),
    (
        _validation.wire_seconds,
        [(1, 1), (3599, 3599), (3599.0, 3599), (3599.7, 3599), ("3599", 3599), (TEN_YEARS, TEN_YEARS), ("1", 1)],
    ),
    (_validation.stored_seconds, [(0, 0), (3599, 3599), (TEN_YEARS, TEN_YEARS)]),
    (_validation.unix_time, [(0, 0), (1_700_000_000, 1_700_000_000), (10**11, 10**11)]),
    (
        _validation.safe_url,
        [
            *((url, url) for url in ("https://a.example", "HTTPS://A.example.:65535/b?c=d", "https://a_b")),
            *((url, url) for url in ("https://[2001:db8::1]:8443/b", "https://192.0.2.1", "https://a?b")),
            *((url, url) for url in ("http://localhost:8080/b", "http://127.255.0.1", "http://[::1]/b")),
        ],
    ),
]
REJECTED: Final[list[tuple[Callable[[object], object], list[object]]]] = [
    (_validation.text, [*NOT_TEXT, "a" * 65_537]),
    (_validation.printable, [*NOT_TEXT, "", "  ", "a\nb", "\x1b[2J", "a\x7f", "\u202ea", "\u200b", "a\xa0b", "\ud800"]),
    (
        _validation.web_link,
        [
            *(*NOT_TEXT, "", "https://", "https:///d", "https://?d", "https://#d", "a.example/d", "//a.example/d"),
            *("javascript:alert(1)", "JAVASCRIPT:https://a.example", "file:///d", " https://a.example", "https://a b"),
            *("https://a.example\n", "https://a\x1b[2J", "https://a\u202e", "https://a\ud800"),
        ],
    ),
    (
        _validation.visible_ascii,
        [*NOT_TEXT, "", " ", "a b", "a\n", "a\r\nX: 1", "a\x00", "a\x7f", "ä", "\ud800", "\uff37"],
    ),
    (_validation.user_code, [*NOT_TEXT, "", "  ", "a\nb", "\x1b[2J", "\u202ea", "W" * 101]),
    (_validation.secret, [*NOT_TEXT, "", "a\n", "a\tb", "a\r\nX: 1", "a\x00", "a\x7f", "ä", "\ud800", "\uff37"]),
    (_validation.optional_secret, [*NOT_TEXT, "a\n", "\n", "a\tb", "a\x00", "a\x7f", "ä", "\ud800", "\uff37"]),
    (
        _validation.credential,
        [*NOT_TEXT, "", " ", "\n", " a", "a ", "a\n", "\ta", "\u2003a", "a\tb", "a\x00b", "a\x7fb", "ä", "\ud800"],
    ),
    (_validation.client_authentication, [*NOT_TEXT, "", "Basic", "client_secret_basic", "private_key_jwt"]),
    (_validation.boolean, [None, 0, 1, "true", "", [], {}]),
    (
        _validation.extra_parameters,
        [
            None,
            5,
            "a=b",
            ["a"],
            {"a": 1},
            {"a": None},
            {5: "a"},
            {"a": "\ud800"},
            {"a\n": "a"},
            {"scope": "a"},
            {"client_id": "a", "b": "c"},
        ],
    ),
    (_validation.bearer, [*NOT_TEXT, "", " ", "MAC", "DPoP", "Bearer x", "B\u0435arer"]),
    (_validation.wire_scope, [None, 5, True, b"text", {"text": 1}, [5], ["a", None], [["a"]], ["a" * 255] * 300]),
    (
        _validation.wire_seconds,
        [
            *(*NOT_A_NUMBER, 0, 0.0, 0.5, -1, -0.5, "0", "-1", "+1", " 1", "1 ", "1\n", "1.0", "3599.7", "1e3", "1_0"),
            *(
                "٣",
                "NaN",
                "9" * 10_000,
                TEN_YEARS + 1,
                str(TEN_YEARS + 1),
                1e300,
                math.inf,
                -math.inf,
                10**400,
                -(10**400),
            ),
        ],
    ),
    (_validation.stored_seconds, [*NOT_A_NUMBER, "5", 5.0, math.inf, -1, TEN_YEARS + 1, 10**400]),
    (_validation.unix_time, [*NOT_A_NUMBER, "5", 5.0, math.inf, -1, 10**11 + 1, 1_700_000_000_000, 10**400]),
    (
        _validation.safe_url,
        [
            *(*NOT_TEXT, "", "a.example", "//a", "ftp://a", "https://", "https:///b", "https://:443/b", "https://b@a"),
            *("https://-a", "https://a..b", "https://ä", "https://a/ä", "https://a/b c", "https://a\n", "https://a#b"),
            *("https://a:65536", "https://a:b", "https://[::1", "https://[1::2::3]", "https://[a]"),
            *("http://a", "http://192.0.2.1", "http://localhost.a", "http://127.0.0.256", "http://[::2]"),
            *("http://127.0.0.08", "http://127.09.0.1", "http://127.00.0.1"),
            *("https://a\\@b", "https://a:-1", "https://a:\u0663", "http://localhost:99999", "http://user@localhost"),
        ],
    ),
]
VALIDATORS: Final = [validator for validator, _ in ACCEPTED]


def short_name(parameter: object) -> str:
    return str(getattr(parameter, "__name__", ascii(parameter)[:24]))


@pytest.mark.parametrize(
    ("validator", "value", "result"),
    [(validator, *row) for validator, rows in ACCEPTED for row in rows],
    ids=short_name,
)
def test_a_validator_accepts_valid_values(validator: Callable[[object], object], value: object, result: object) -> None:
    assert validator(value) == result
    assert type(validator(value)) is type(result)


@pytest.mark.parametrize(
    ("validator", "value"), [(validator, value) for validator, rows in REJECTED for value in rows], ids=short_name
)
def test_a_validator_rejects_all_others(validator: Callable[[object], object], value: object) -> None:
    with pytest.raises(ValueError, match=r"^(is|must not) "):
        validator(value)


JSON: Final = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(validator=st.sampled_from(VALIDATORS), value=JSON)
def test_a_validator_returns_a_valid_value_or_raises_value_error(
    validator: Callable[[object], object], value: object
) -> None:
    """For any value: a result that passes again unchanged, or a `ValueError`; never another exception."""
    try:
        result = validator(value)
    except ValueError:
        return
    assert validator(result) == result


FREE_TEXT: Final = (_validation.text, _validation.wire_scope)


@given(
    validator=st.sampled_from([validator for validator in VALIDATORS if validator not in FREE_TEXT]),
    value=st.text(st.characters(), max_size=5).map("canary{}\n".format),
)
def test_the_error_never_quotes_the_value(validator: Callable[[object], object], value: str) -> None:
    """An invalid value may be a mistyped secret."""
    with pytest.raises(_validation.FieldError) as raised:
        _validation.validate("refresh_token", value, validator)
    assert str(raised.value).startswith("refresh_token is ")
    assert raised.value.key == "refresh_token"
    assert "canary" not in f"{raised.value!r}"


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("", "is empty"),
        (" ", "is blank"),
        ("\r\n", "is blank"),
        ("canary ", "is surrounded by blanks or line breaks"),
        ("canary\n", "is surrounded by blanks or line breaks"),
        ("\tcanary", "is surrounded by blanks or line breaks"),
        ("cana\nry", "is not printable ASCII"),
        ("canar\xfd", "is not printable ASCII"),
        (None, "is not text"),
    ],
)
def test_what_is_wrong_with_a_client_id_or_secret_is_said_in_words(value: object, reason: str) -> None:
    with pytest.raises(ValueError, match=f"^client_secret {reason}$"):
        _validation.validate("client_secret", value, _validation.credential)


def test_a_text_may_have_65536_characters() -> None:
    """What is longer could not be loaded again."""
    longest = "a" * 2**16
    assert _validation.text(longest) == longest
    with pytest.raises(ValueError, match=r"^is too long$"):
        _validation.text(f"{longest}a")


def test_a_client_id_may_be_shown_so_it_is_no_secret_of_googles() -> None:
    with pytest.raises(ValueError, match="client_id looks like a client secret"):
        OAuthCredentials("GOCSPX-fake", "1-fake.apps.googleusercontent.com")


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("", "it is empty"),
        ("https://canary.example/a b", "it contains a blank, a line break or a control character"),
        (" https://canary.example/", "it contains a blank, a line break or a control character"),
        ("https://canary.example/\n", "it contains a blank, a line break or a control character"),
        ("https://canary\u200b.example/", "it contains a blank, a line break or a control character"),
        ("https://user:canary@a.example/", "it contains a user name"),
        ("https://canary@a.example/", "it contains a user name"),
        ("http://localhost:80@canary.example/", "it contains a user name"),
        ("https://a.example/#canary", "it has a fragment, the part that begins with #"),
        ("https://a.example#canary", "it has a fragment, the part that begins with #"),
        ("https://a.example/?to=https://b.example#canary", "it has a fragment, the part that begins with #"),
        ("canary.example/token", "it does not begin with https://"),
        ("//canary.example/token", "it does not begin with https://"),
        ("ftp://canary.example", "it does not begin with https://"),
        ("https:/canary.example", "it does not begin with https://"),
        ("https://", "it has no host"),
        ("https:///canary", "it has no host"),
        ("https://:443/canary", "it has no host"),
        ("http://canary.example", r"http is for this machine only \(localhost, 127.0.0.1 or \[::1\]\); use https"),
        ("http://192.168.0.1/", r"http is for this machine only \(localhost, 127.0.0.1 or \[::1\]\); use https"),
        ("https://canary.example:65536/", "its port is not a number up to 65535"),
        ("https://canary.example:https/", "its port is not a number up to 65535"),
        ("HTTP://LOCALHOST:65536/", "its port is not a number up to 65535"),
        ("https://canary.example/ä", "it contains a character that is not ASCII: percent-encode it"),
        ("https://-canary.example:65535/", "its host or its path contains a character that is not allowed there"),
        ("https://[canary:1]/", "its host or its path contains a character that is not allowed there"),
        ("https://canary\\.example/", "its host or its path contains a character that is not allowed there"),
    ],
)
def test_a_url_is_told_what_is_wrong_with_it(url: str, problem: str) -> None:
    with pytest.raises(ValueError, match=f"^is not a valid endpoint: {problem}$") as raised:
        _validation.safe_url(url)
    assert "canary" not in str(raised.value)


@pytest.mark.parametrize(
    ("host", "punycode"),
    [
        ("bücher.example", "xn--bcher-kva.example"),
        ("BÜCHER.example:8443", "xn--bcher-kva.example"),
        ("bu\u0308cher.example", "xn--bcher-kva.example"),
        ("straße.example", "xn--strae-oqa.example"),
        ("login.例え.jp", "login.xn--r8jz45g.jp"),
    ],
)
def test_a_host_that_is_not_ascii_is_told_its_punycode(host: str, punycode: str) -> None:
    with pytest.raises(ValueError, match=f"^is not a valid endpoint: its host is not ASCII: write it as {punycode}$"):
        _validation.safe_url(f"https://{host}/token")


STORED: Final = {"scope": "a", "token_type": "Bearer", "access_token": "x", "refresh_token": "y"}


@pytest.mark.parametrize("key", STORED)
def test_a_stored_token_without_a_key_is_told_which(key: str) -> None:
    with pytest.raises(_validation.FieldError, match=f"^{key} is missing$"):
        _validation.stored_token({**STORED, key: None})
    with pytest.raises(_validation.FieldError, match=r"^scope, token_type, access_token, refresh_token are missing$"):
        _validation.stored_token({})


@pytest.mark.parametrize(("stored", "read"), [(0.0, 0), (0.5, 0), (1e11, 10**11)])
def test_a_stored_time_may_be_a_float(stored: float, read: int) -> None:
    assert _validation.stored_token({**STORED, "expires_at": stored})["expires_at"] == read


def test_an_optional_field_that_is_invalid_counts_as_missing() -> None:
    for raw in ({}, {"interval": None}, {"interval": "canary"}, {"interval": 0}):
        assert _validation.optional(raw, "interval", _validation.wire_seconds, 5) == 5
    assert _validation.optional({"interval": 7}, "interval", _validation.wire_seconds, 5) == 7


def test_a_field_that_is_null_counts_as_missing() -> None:
    for raw in ({}, {"scope": None}):
        assert _validation.field(raw, "scope", _validation.text, default="all") == "all"
        with pytest.raises(_validation.FieldError, match=r"^scope is missing$"):
            _validation.field(raw, "scope", _validation.text)


def test_a_default_does_not_replace_an_invalid_field() -> None:
    with pytest.raises(_validation.FieldError, match=r"^scope is not text$"):
        _validation.field({"scope": 5}, "scope", _validation.text, default="all")


# ---- a whole token -------------------------------------------------------------------------------

TOKEN: Final[Mapping[str, object]] = {
    "scope": "https://www.googleapis.com/auth/youtube",
    "token_type": "Bearer",
    "access_token": "ya29.a",
    "refresh_token": "1//a",
    "expires_at": 1_700_003_599,
    "expires_in": 3599,
}


def test_a_token_has_six_fields_in_the_order_of_ytmusicapis_file() -> None:
    jumbled = {"filepath": "x", **{key: TOKEN[key] for key in sorted(TOKEN)}, "refresh_token_expires_in": 604799}
    assert list(_validation.token_dict(jumbled).items()) == list(TOKEN.items())


@pytest.mark.parametrize("key", TOKEN)
def test_a_token_without_one_of_its_six_fields_is_rejected(key: str) -> None:
    for raw in ({**TOKEN, key: None}, {name: value for name, value in TOKEN.items() if name != key}):
        with pytest.raises(_validation.FieldError, match=f"^{key} is missing$"):
            _validation.token_dict(raw)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("scope", 5),
        ("token_type", "MAC"),
        ("access_token", "canary\n"),
        ("refresh_token", "canary\n"),
        ("expires_at", 1.5),
        ("expires_at", -1),
        ("expires_in", "3599"),
        ("expires_in", True),
    ],
)
def test_an_invalid_field_of_a_token_is_named_and_not_quoted(key: str, value: object) -> None:
    with pytest.raises(_validation.FieldError, match=f"^{key} is ") as raised:
        _validation.token_dict({**TOKEN, key: value})
    assert raised.value.key == key
    assert "canary" not in str(raised.value)


def test_the_refresh_token_of_a_token_may_be_empty() -> None:
    """The server gave none. The key is there all the same: ytmusicapi wants it."""
    assert _validation.token_dict({**TOKEN, "refresh_token": ""}) == {**TOKEN, "refresh_token": ""}


# ---- JSON ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        pytest.param("", "is not JSON", id="empty"),
        pytest.param('{"canary": 1', "is not JSON", id="truncated"),
        pytest.param("{'canary': 1}", "is not JSON", id="single quotes"),
        pytest.param('{"canary": 1,}', "is not JSON", id="trailing comma"),
        pytest.param('{"canary": 1} {}', "is not JSON", id="two documents"),
        pytest.param('{"canary": "\n"}', "is not JSON", id="line break in a string"),
        pytest.param('\ufeff{"canary": 1}', "is not JSON", id="byte order mark"),
        pytest.param("<title>canary</title>", "is not JSON", id="HTML"),
        pytest.param('["canary"]', "is not a JSON object", id="list"),
        pytest.param('"canary"', "is not a JSON object", id="text"),
        pytest.param("null", "is not a JSON object", id="null"),
        pytest.param(f'{{"a": [{"{}," * 998}{{}}]}}', "too many brackets", id="1,001 brackets"),
        pytest.param("[" * 100_000, "too many brackets", id="100,000 brackets"),
        pytest.param('{"canary":' * 100_000, "too many brackets", id="100,000 braces"),
        pytest.param(f'{{"a": {"[" * 100_000}{"]" * 100_000}}}', "too many brackets", id="100,000 pairs of brackets"),
        pytest.param('"\\"' + "[" * 1001, "is not JSON", id="1,001 brackets in a string that does not end"),
        pytest.param('{"a\\\\": ' + "[" * 1000, "too many brackets", id="1,001 brackets after a backslash"),
        pytest.param('{"' + '\\"' * 250_000 + "[" * 1001 + "\\", "is not JSON", id="250,000 escapes"),
    ],
)
def test_bad_json_is_rejected_without_quoting_it(document: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason) as raised:
        _validation.json_object(document)
    assert "canary" not in f"{raised.value!r} {vars(raised.value)}"


def test_a_document_may_have_a_thousand_brackets() -> None:
    """RFC 9396: `authorization_details` may have hundreds. Those in strings do not count: a token may have any."""
    assert list(_validation.json_object(f'{{"a": [{"{}," * 997}{{}}]}}')) == ["a"]
    text = '\\ " [ {' * 2000
    assert _validation.json_object(json.dumps({"a": text, "b": [text]})) == {"a": text, "b": [text]}


def test_deep_nesting_is_a_value_error_however_deep_the_caller_is(monkeypatch: pytest.MonkeyPatch) -> None:
    def exhausted(_: str, **__: object) -> NoReturn:
        raise RecursionError

    monkeypatch.setattr(json, "loads", exhausted)
    with pytest.raises(ValueError, match="nested too deeply"):
        _validation.json_object("[[]]")


def test_the_last_of_repeated_keys_counts() -> None:
    """As in `json.loads`, and in ytmusicapi. A response that is thrown away may cost the login."""
    document = '{"a": 1, "b": 2, "a": 3, "\\u0062": 4, "c": {"d": 5, "d": 6}}'
    assert _validation.json_object(document) == {"a": 3, "b": 4, "c": {"d": 6}}


def test_a_number_may_have_twenty_digits() -> None:
    assert _validation.json_object(f'{{"id": {"9" * 20}}}') == {"id": 10**20 - 1}


@pytest.mark.parametrize(
    ("number", "value"),
    [("9" * 21, 1e21), ("9" * 10_000, math.inf), ("-" + "9" * 10_000, -math.inf), ("9" * 1_000_000, math.inf)],
    ids=lambda number: f"{len(str(number))} digits",
)
def test_a_longer_number_is_read_as_a_float(number: str, value: float) -> None:
    """Parsing an int of n digits takes O(n²)."""
    started = time.perf_counter()
    assert _validation.json_object(f'{{"expires_in": {number}}}') == {"expires_in": value}
    assert time.perf_counter() - started < 2, "a tenth of it is too long, too, but not under load"


def test_what_is_not_json_but_a_number_is_read_as_python_reads_it() -> None:
    values = _validation.json_object('{"a": NaN, "b": Infinity, "c": -Infinity, "expires_in": NaN}')
    assert list(values) == ["a", "b", "c", "expires_in"]
    assert _validation.optional(values, "expires_in", _validation.wire_seconds, 3600) == 3600


DOCUMENT: Final = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**18), 10**18)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(value=st.dictionaries(st.text(), DOCUMENT, max_size=4))
def test_every_valid_object_is_accepted(value: dict[str, object]) -> None:
    """Strict parsing rejects no good document."""
    assert _validation.json_object(json.dumps(value)) == value


@given(document=st.text(st.sampled_from('{}[]":,.0-9eE1\\u nulltrefasNI'), max_size=30) | st.text(st.characters()))
def test_any_text_is_an_object_or_raises_value_error(document: str) -> None:
    """No text raises another exception."""
    with suppress(ValueError):
        assert _validation.is_object(_validation.json_object(document))
