# SPDX-License-Identifier: MIT
"""Runs every vector of the porting kit against this library, and checks the promises of the vectors' README.

A vector is never changed to fit the library: its expected result comes from the RFCs and from real servers.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple, NoReturn

import pytest

from tests.porting.clients.python.errors import ERROR_NAMES
from tests.porting.clients.python.vectors import result_of
from ytmusic_oauth import exceptions

FOLDER: Final = Path(__file__).parent / "porting" / "vectors"
FILES: Final = sorted(FOLDER.glob("*.json"))
LEVELS: Final = {"wire", "expiry", "polling", "file", "concurrency", "hostile"}
KEBAB: Final = r"[a-z0-9]+(-[a-z0-9]+)*"


class Vector(NamedTuple):
    id: str
    why: str
    kind: str
    given: Mapping[str, object]
    expected: object


def strict_json(document: str) -> object:
    """Parse JSON that every parser reads in the same way."""

    def reject(name: str) -> NoReturn:
        raise ValueError(name)

    def unique(pairs: Iterable[tuple[str, object]]) -> dict[str, object]:
        found = list(pairs)
        assert len(dict(found)) == len(found), found
        return dict(found)

    decoded: object = json.loads(document, parse_constant=reject, object_pairs_hook=unique)
    return decoded


def as_object(value: object) -> Mapping[str, object]:
    assert isinstance(value, dict)
    return value


def as_list(value: object) -> list[object]:
    assert isinstance(value, list)
    return value


def as_str(value: object) -> str:
    assert isinstance(value, str)
    return value


DOCUMENTS: Final = {path.stem: as_object(strict_json(path.read_text("utf-8"))) for path in FILES}


def read(kind: str, raw: Mapping[str, object]) -> Vector:
    assert raw.keys() == {"id", "why", "given", "expected"}, raw.get("id")
    return Vector(as_str(raw["id"]), as_str(raw["why"]), kind, as_object(raw["given"]), raw["expected"])


VECTORS: Final = [
    read(kind, as_object(raw)) for kind, document in DOCUMENTS.items() for raw in as_list(document["vectors"])
]


def canonical(value: object) -> object:
    """Return a value that is equal for equal JSON only: 1 is 1.0, but true is not a number."""
    if isinstance(value, dict):
        return {key: canonical(each) for key, each in value.items()}
    if isinstance(value, list):
        return [canonical(each) for each in value]
    return ("boolean", value) if isinstance(value, bool) else value


def results_of(client: Sequence[str]) -> Mapping[str, object]:
    """The result of another port for each vector, from a single run of its driver."""
    lines = (json.dumps({"id": each.id, "kind": each.kind, "given": each.given}) for each in VECTORS)
    run = subprocess.run(
        [*client, "vectors"], input="\n".join(lines), capture_output=True, text=True, timeout=60, check=False
    )
    assert (run.returncode, run.stderr) == (0, "")
    replies = [as_object(strict_json(line)) for line in run.stdout.splitlines()]
    return {str(each["id"]): each["result"] for each in replies}


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.id)
def test_library_passes_every_vector(vector: Vector) -> None:
    assert canonical(result_of(vector.kind, vector.given)) == canonical(vector.expected), vector.why


# ---- the vectors themselves ----------------------------------------------------------------------


def test_every_kind_has_vectors() -> None:
    assert len(VECTORS) >= 200
    assert all(sum(vector.kind == kind for vector in VECTORS) >= 5 for kind in DOCUMENTS)


def test_file_declares_its_kind_and_level_and_explains_itself() -> None:
    for name, document in DOCUMENTS.items():
        assert document.keys() == {"kind", "level", "readme", "vectors"}
        assert document["kind"] == name
        assert document["level"] in LEVELS
        assert len(" ".join(as_str(line) for line in as_list(document["readme"]))) > 100


def test_files_are_plain_ascii_text() -> None:
    """No editor can damage ASCII."""
    for path in FILES:
        content = path.read_bytes()
        assert content.isascii()
        assert content.endswith(b"}\n")
        assert b"\r" not in content


def test_id_starts_with_its_kind_and_is_unique() -> None:
    assert len({vector.id for vector in VECTORS}) == len(VECTORS)
    for vector in VECTORS:
        assert re.fullmatch(f"{vector.kind}/{KEBAB}", vector.id), vector.id


def test_every_vector_has_a_reason() -> None:
    assert [vector.id for vector in VECTORS if len(vector.why) < 15 or not re.search(r"[a-z]{3}", vector.why)] == []


def test_reasons_do_not_mention_python() -> None:
    for vector in VECTORS:
        assert not re.search(r"\b(None|True|False|dict|str|int|list\[|ValueError|TypedDict|pytest)\b", vector.why), (
            vector.id
        )


def test_no_two_vectors_have_the_same_input() -> None:
    inputs = [(vector.kind, json.dumps(vector.given, sort_keys=True)) for vector in VECTORS]
    assert len(set(inputs)) == len(inputs)


def test_transcript_has_an_event_for_each_step() -> None:
    """Only a warning, and the step after which an unfinished transcript ends, have no event."""
    transcripts = [vector for vector in VECTORS if vector.kind.startswith("cycle-")]
    assert len(transcripts) >= 80
    for vector in transcripts:
        expected = as_object(vector.expected)
        names = [as_list(step)[0] for step in as_list(expected["steps"])]
        without = names.count("warn") + (expected["outcome"] == "unfinished")
        assert len(as_list(vector.given["events"])) == len(names) - without, vector.id
        assert "warn" not in names[:-1], vector.id


def test_every_error_has_a_name_for_other_languages() -> None:
    raised = {each for name, each in vars(exceptions).items() if name in exceptions.__all__ and isinstance(each, type)}
    assert ERROR_NAMES.keys() == raised
    assert len(set(ERROR_NAMES.values())) == len(ERROR_NAMES)


def test_unknown_kind_is_rejected() -> None:
    with pytest.raises(LookupError):
        result_of("horoscopes", {})
