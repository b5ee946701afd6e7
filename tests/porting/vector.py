# SPDX-License-Identifier: MIT
"""The vectors: read from their files, put to a driver, and compared."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from .stage import Child, Object, Wrong, shown

__all__ = ["Answered", "Vector", "answered", "read_vectors", "same"]

FOLDER: Final = Path(__file__).parent / "vectors"
# Seconds for all of them.
LIMIT: Final = 60.0


@dataclass(frozen=True)
class Vector:
    """What is given, and what is right."""

    id: str
    kind: str
    level: str
    why: str
    given: Object
    right: object


@dataclass(frozen=True)
class Answered:
    """What came of one vector; `skip` is the driver's reason not to answer."""

    vector: Vector
    wrong: Wrong | None = None
    skip: str = ""


def read_vectors() -> list[Vector]:
    """All that there are, in the order of their files."""
    vectors: list[Vector] = []
    for path in sorted(FOLDER.glob("*.json")):
        told: dict[str, object] = json.loads(path.read_text("utf-8"))
        entries = told["vectors"]
        assert isinstance(entries, list)
        kind, level = str(told["kind"]), str(told["level"])
        vectors += [Vector(kind=kind, level=level, **entry) for entry in entries]
    return vectors


def same(one: object, other: object) -> bool:
    """Whether it is the same JSON: 1 is 1.0, and true is no number."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return isinstance(one, bool) == isinstance(other, bool) and one == other


def answered(command: Sequence[str], vectors: Sequence[Vector]) -> Iterator[Answered]:
    """Put them to the driver, one after the other."""
    if not vectors:
        return
    environment: Mapping[str, str] = {
        name: value for name, value in os.environ.items() if not name.upper().startswith("OAUTH_")
    }
    child = Child(command, "vectors", environment, limit=LIMIT)
    asking = threading.Thread(target=_ask, args=(child, vectors), daemon=True)
    asking.start()
    broken: Wrong | None = None
    try:
        for vector in vectors:
            if broken is None:
                try:
                    answer = child.heard()
                except Wrong as wrong:
                    # It has ended, and this is the vector that it was asked.
                    broken = Wrong(shown(vector.right), wrong.came)
                else:
                    yield _compared(vector, answer)
                    continue
            yield Answered(vector, broken)
            broken = Wrong(shown(vector.right), "no answer: the driver has ended before")
    finally:
        child.kill()
        child.finish()
        asking.join()


def _ask(child: Child, vectors: Sequence[Vector]) -> None:
    for vector in vectors:
        child.tell(json.dumps({"id": vector.id, "kind": vector.kind, "given": vector.given}))


def _compared(vector: Vector, answer: Object) -> Answered:
    if answer.get("id") != vector.id:
        return Answered(vector, Wrong(f"an answer to {vector.id}", answer))
    if isinstance(answer.get("skip"), str):
        return Answered(vector, skip=str(answer["skip"]))
    if same(answer.get("answer"), vector.right):
        return Answered(vector)
    return Answered(vector, Wrong(f"given {shown(vector.given)}: {shown(vector.right)}", answer.get("answer")))
