# SPDX-License-Identifier: MIT
"""What each kind of value takes and refuses, and that it never quotes what it refuses: that may be a secret."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ytmusic_oauth import _validation

TEN_YEARS: Final = 315_360_000
NO_TEXT: Final[tuple[object, ...]] = (None, 5, 5.0, True, b"text", ["text"], {"text": 1})
NO_NUMBER: Final[tuple[object, ...]] = (None, True, False, "", "soon", b"5", [5], {}, math.nan)

# Kind -> what it takes, as it reads it; and what it refuses.
TAKEN: Final[list[tuple[Callable[[object], object], list[tuple[object, object]]]]] = [
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
    (_validation.bearer, [("Bearer", "Bearer"), ("bearer", "Bearer"), ("BEARER", "Bearer")]),
    (
        _validation.wire_seconds,
        [(1, 1), (3599, 3599), (3599.0, 3599), (3599.7, 3599), ("3599", 3599), (TEN_YEARS, TEN_YEARS), ("1", 1)],
    ),
    (_validation.stored_seconds, [(0, 0), (3599, 3599), (TEN_YEARS, TEN_YEARS)]),
    (_validation.unix_time, [(0, 0), (1_700_000_000, 1_700_000_000), (10**11, 10**11)]),
]
REFUSED: Final[list[tuple[Callable[[object], object], list[object]]]] = [
    (_validation.text, [*NO_TEXT]),
    (_validation.printable, [*NO_TEXT, "", "  ", "a\nb", "\x1b[2J", "a\x7f", "\u202ea", "\u200b", "a\xa0b", "\ud800"]),
    (
        _validation.web_link,
        [
            *(*NO_TEXT, "", "https://", "https:///d", "https://?d", "https://#d", "a.example/d", "//a.example/d"),
            *("javascript:alert(1)", "JAVASCRIPT:https://a.example", "file:///d", " https://a.example", "https://a b"),
            *("https://a.example\n", "https://a\x1b[2J", "https://a\u202e", "https://a\ud800"),
        ],
    ),
    (
        _validation.visible_ascii,
        [*NO_TEXT, "", " ", "a b", "a\n", "a\r\nX: 1", "a\x00", "a\x7f", "ä", "\ud800", "\uff37"],
    ),
    (_validation.bearer, [*NO_TEXT, "", "MAC", "DPoP", "Bearer ", "Bearer\n", "B\u0435arer"]),
    (
        _validation.wire_seconds,
        [
            *(*NO_NUMBER, 0, 0.0, 0.5, -1, -0.5, "0", "-1", "+1", " 1", "1 ", "1\n", "1.0", "3599.7", "1e3", "1_0"),
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
    (_validation.stored_seconds, [*NO_NUMBER, "5", 5.0, math.inf, -1, TEN_YEARS + 1, 10**400]),
    (_validation.unix_time, [*NO_NUMBER, "5", 5.0, math.inf, -1, 10**11 + 1, 1_700_000_000_000, 10**400]),
]
KINDS: Final = [kind for kind, _ in TAKEN]


def name(row: object) -> str:
    return str(getattr(row, "__name__", ascii(row)[:24]))


@pytest.mark.parametrize(("kind", "value", "read"), [(kind, *row) for kind, rows in TAKEN for row in rows], ids=name)
def test_a_kind_takes_what_fits(kind: Callable[[object], object], value: object, read: object) -> None:
    assert kind(value) == read
    assert type(kind(value)) is type(read)


@pytest.mark.parametrize(("kind", "value"), [(kind, value) for kind, rows in REFUSED for value in rows], ids=name)
def test_a_kind_refuses_the_rest(kind: Callable[[object], object], value: object) -> None:
    with pytest.raises(ValueError, match=r"^is "):
        kind(value)


JSON: Final = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(kind=st.sampled_from(KINDS), value=JSON)
def test_a_kind_answers_or_says_no_and_takes_its_own_answer(kind: Callable[[object], object], value: object) -> None:
    """For any value: an answer that passes again unchanged, or a `ValueError`; never another exception."""
    try:
        read = kind(value)
    except ValueError:
        return
    assert kind(read) == read


@given(
    kind=st.sampled_from([kind for kind in KINDS if kind is not _validation.text]),
    value=st.text(st.characters(), max_size=5).map("canary{}\n".format),
)
def test_a_refusal_never_quotes_the_value(kind: Callable[[object], object], value: str) -> None:
    """What is refused may be a secret with a slip in it."""
    with pytest.raises(_validation.FieldError) as caught:
        _validation.validate("refresh_token", value, kind)
    assert str(caught.value).startswith("refresh_token is ")
    assert caught.value.key == "refresh_token"
    assert "canary" not in f"{caught.value!r}"


def test_an_entry_that_is_null_is_missing() -> None:
    for raw in ({}, {"scope": None}):
        assert _validation.field(raw, "scope", _validation.text, default="all") == "all"
        with pytest.raises(_validation.FieldError, match=r"^scope is missing$"):
            _validation.field(raw, "scope", _validation.text)


def test_a_default_does_not_hide_a_wrong_entry() -> None:
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


def test_a_token_has_six_values_in_the_order_of_ytmusicapis_file() -> None:
    jumbled = {"filepath": "x", **{key: TOKEN[key] for key in sorted(TOKEN)}, "refresh_token_expires_in": 604799}
    assert list(_validation.token_dict(jumbled).items()) == list(TOKEN.items())


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("scope", 5),
        ("token_type", "MAC"),
        ("access_token", "canary\n"),
        ("refresh_token", ""),
        ("expires_at", 1.5),
        ("expires_at", -1),
        ("expires_in", "3599"),
        ("expires_in", True),
    ],
)
def test_a_token_with_a_wrong_value_is_refused_by_the_name_of_its_key(key: str, value: object) -> None:
    with pytest.raises(_validation.FieldError, match=f"^{key} is ") as caught:
        _validation.token_dict({**TOKEN, key: value})
    assert caught.value.key == key
    assert "canary" not in str(caught.value)


# ---- JSON ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        pytest.param("", "is not JSON", id="empty"),
        pytest.param('{"canary": 1', "is not JSON", id="truncated"),
        pytest.param("{'canary': 1}", "is not JSON", id="single quotes"),
        pytest.param('{"canary": 1,}', "is not JSON", id="comma at the end"),
        pytest.param('{"canary": 1} {}', "is not JSON", id="two documents"),
        pytest.param('{"canary": "\n"}', "is not JSON", id="line break in a text"),
        pytest.param('\ufeff{"canary": 1}', "is not JSON", id="byte order mark"),
        pytest.param("<title>canary</title>", "is not JSON", id="HTML"),
        pytest.param('["canary"]', "is not a JSON object", id="list"),
        pytest.param('"canary"', "is not a JSON object", id="text"),
        pytest.param("null", "is not a JSON object", id="null"),
        pytest.param('{"canary": NaN}', "NaN for a number", id="NaN"),
        pytest.param('{"canary": [-Infinity]}', "-Infinity for a number", id="-Infinity"),
        pytest.param('{"canary": Infinity}', "Infinity for a number", id="Infinity"),
        pytest.param('{"canary": 1, "b": 2, "canary": 1}', "has a key twice", id="key twice"),
        pytest.param('{"a": [{"canary": 1, "canary": 2}]}', "has a key twice", id="key twice, further down"),
        pytest.param('{"a": 1, "\\u0061": 2}', "has a key twice", id="key twice, once escaped"),
        pytest.param(f'{{"a": {"[" * 100}', "too many brackets", id="101 brackets"),
        pytest.param("[" * 100_000, "too many brackets", id="100,000 brackets"),
        pytest.param('{"canary":' * 100_000, "too many brackets", id="100,000 braces"),
        pytest.param(f'{{"a": {"[" * 100_000}{"]" * 100_000}}}', "too many brackets", id="100,000 pairs of brackets"),
    ],
)
def test_json_is_read_strictly_and_never_quoted(document: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason) as caught:
        _validation.json_object(document)
    assert "canary" not in f"{caught.value!r} {vars(caught.value)}"


def test_what_nobody_knows_may_have_a_hundred_brackets() -> None:
    assert list(_validation.json_object(f'{{"a": {"[" * 99}{"]" * 99}}}')) == ["a"]


def test_a_number_that_nobody_knows_may_have_twenty_digits() -> None:
    assert _validation.json_object(f'{{"id": {"9" * 20}}}') == {"id": 10**20 - 1}


@pytest.mark.parametrize("number", ["9" * 21, "9" * 10_000, "-" + "9" * 10_000, "9" * 1_000_000], ids=len)
def test_a_long_number_is_refused_before_it_is_worked_out(number: str) -> None:
    # Reading digits takes quadratic time. Python's own limit, which not every version has, says something else.
    with pytest.raises(ValueError, match=r"^has a number that is too long$"):
        _validation.json_object(f'{{"expires_in": {number}}}')


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
def test_any_json_object_is_read_as_it_was_written(value: dict[str, object]) -> None:
    """Strictness costs no good document."""
    assert _validation.json_object(json.dumps(value)) == value


@given(document=st.text(st.sampled_from('{}[]":,.0-9eE1\\u nulltrefasNI'), max_size=30) | st.text(st.characters()))
def test_any_text_is_a_json_object_or_a_valueerror(document: str) -> None:
    """Nothing that a server or a file holds raises anything else."""
    with suppress(ValueError):
        assert _validation.is_object(_validation.json_object(document))
