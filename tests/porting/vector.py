# SPDX-License-Identifier: MIT
"""The vectors: read from their files, put to a driver, and compared."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from .stage import Child, Object, Wrong, shown

__all__ = ["Answered", "Vector", "answered", "read_vectors", "same"]

FOLDER: Final = Path(__file__).parent / "vectors"
# Seconds for all of them; and how often the driver is started for them.
_LIMIT: Final = 60.0
_STARTS: Final = 10


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
    """Put them to the driver, one after the other. If one ends it, it is started anew for those behind it."""
    left = list(vectors)
    for _ in range(_STARTS):
        if not left:
            return
        with _asking(command, left) as child:
            while left:
                vector = left.pop(0)
                try:
                    answer = child.heard()
                except Wrong as wrong:
                    yield Answered(vector, Wrong(shown(vector.right), wrong.came))
                    break
                yield _compared(vector, answer)
    for vector in left:
        yield Answered(vector, Wrong(shown(vector.right), f"not asked: the driver has ended {_STARTS} times"))


@contextmanager
def _asking(command: Sequence[str], vectors: Sequence[Vector]) -> Iterator[Child]:
    environment = {name: value for name, value in os.environ.items() if not name.upper().startswith("OAUTH_")}
    child = Child(command, "vectors", environment, limit=_LIMIT)
    lines = [json.dumps({"id": each.id, "kind": each.kind, "given": each.given}) for each in vectors]

    def ask() -> None:
        for line in lines:
            child.tell(line)

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    try:
        yield child
    finally:
        child.kill()
        asking.join()
        child.finish()


def _compared(vector: Vector, answer: Object) -> Answered:
    if answer.get("id") != vector.id:
        return Answered(vector, Wrong(f"an answer to {vector.id}", answer))
    if isinstance(answer.get("skip"), str):
        return Answered(vector, skip=str(answer["skip"]))
    if same(answer.get("answer"), vector.right):
        return Answered(vector)
    return Answered(vector, Wrong(shown(vector.right), answer.get("answer")))
