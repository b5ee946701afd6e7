# SPDX-License-Identifier: MIT
"""Every vector of the porting kit, put to this library; and that the vectors are what their README promises.

A vector is never changed to fit the library: what is right was worked out from the RFCs and the servers.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final, NamedTuple, NoReturn

import pytest

from tests.porting.clients.python.told import KINDS_OF_ERRORS
from tests.porting.clients.python.vectors import answer
from ytmusic_oauth import exceptions

FOLDER: Final = Path(__file__).parent / "porting" / "vectors"
FILES: Final = sorted(FOLDER.glob("*.json"))
LEVELS: Final = {"wire", "expiry", "polling", "file", "hostile"}
KEBAB: Final = r"[a-z0-9]+(-[a-z0-9]+)*"


class Vector(NamedTuple):
    id: str
    why: str
    kind: str
    given: Mapping[str, object]
    right: object


def strictly(document: str) -> object:
    """JSON as every parser reads it."""

    def refuse(name: str) -> NoReturn:
        raise ValueError(name)

    def unique(pairs: Iterable[tuple[str, object]]) -> dict[str, object]:
        found = list(pairs)
        assert len(dict(found)) == len(found), found
        return dict(found)

    decoded: object = json.loads(document, parse_constant=refuse, object_pairs_hook=unique)
    return decoded


def an_object(value: object) -> Mapping[str, object]:
    assert isinstance(value, dict)
    return value


def a_list(value: object) -> list[object]:
    assert isinstance(value, list)
    return value


def a_text(value: object) -> str:
    assert isinstance(value, str)
    return value


SETS: Final = {path.stem: an_object(strictly(path.read_text("utf-8"))) for path in FILES}


def read(kind: str, raw: Mapping[str, object]) -> Vector:
    assert raw.keys() == {"id", "why", "given", "right"}, raw.get("id")
    return Vector(a_text(raw["id"]), a_text(raw["why"]), kind, an_object(raw["given"]), raw["right"])


VECTORS: Final = [read(kind, an_object(raw)) for kind, told in SETS.items() for raw in a_list(told["vectors"])]


def canonical(value: object) -> object:
    """Equal if and only if it is the same JSON: 1 is 1.0, and true is no number."""
    if isinstance(value, dict):
        return {key: canonical(each) for key, each in value.items()}
    if isinstance(value, list):
        return [canonical(each) for each in value]
    return ("boolean", value) if isinstance(value, bool) else value


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.id)
def test_what_is_right_in_every_language_is_right_here(vector: Vector) -> None:
    assert canonical(answer(vector.kind, vector.given)) == canonical(vector.right), vector.why


# ---- the vectors themselves ----------------------------------------------------------------------


def test_there_are_vectors_of_every_kind() -> None:
    assert len(VECTORS) >= 200
    assert all(sum(vector.kind == kind for vector in VECTORS) >= 5 for kind in SETS)


def test_a_file_tells_its_kind_its_level_and_how_to_read_it() -> None:
    for name, told in SETS.items():
        assert told.keys() == {"kind", "level", "readme", "vectors"}
        assert told["kind"] == name
        assert told["level"] in LEVELS
        assert len(" ".join(a_text(line) for line in a_list(told["readme"]))) > 100


def test_the_files_are_for_people_too() -> None:
    for path in FILES:
        document = path.read_bytes()
        assert document.isascii(), "no editor can spoil what is ASCII"
        assert document.endswith(b"}\n")
        assert b"\r" not in document


def test_an_id_says_where_it_belongs_and_what_it_is_about() -> None:
    assert len({vector.id for vector in VECTORS}) == len(VECTORS)
    for vector in VECTORS:
        assert re.fullmatch(f"{vector.kind}/{KEBAB}", vector.id), vector.id


def test_every_vector_says_why() -> None:
    assert [vector.id for vector in VECTORS if len(vector.why) < 15 or not re.search(r"[a-z]{3}", vector.why)] == []


def test_no_language_is_spoken_but_english() -> None:
    for vector in VECTORS:
        assert not re.search(r"\b(None|True|False|dict|str|int|list\[|ValueError|TypedDict|pytest)\b", vector.why), (
            vector.id
        )


def test_no_two_vectors_ask_the_same() -> None:
    asked = [(vector.kind, json.dumps(vector.given, sort_keys=True)) for vector in VECTORS]
    assert len(set(asked)) == len(asked)


def test_every_error_of_the_library_has_a_name_that_every_language_can_say() -> None:
    raised = {each for name, each in vars(exceptions).items() if name in exceptions.__all__ and isinstance(each, type)}
    assert KINDS_OF_ERRORS.keys() == raised - {exceptions.OAuthError}
    assert len(set(KINDS_OF_ERRORS.values())) == len(KINDS_OF_ERRORS)


def test_a_kind_that_nobody_knows_is_not_answered() -> None:
    with pytest.raises(LookupError):
        answer("horoscopes", {})
