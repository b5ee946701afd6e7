# SPDX-License-Identifier: MIT
"""Reads the vectors, sends them to a driver, and compares the results."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from .harness import DriverProcess, Failure, Object, as_text

__all__ = ["Outcome", "Vector", "read_vectors", "run_vectors", "same"]

FOLDER: Final = Path(__file__).parent / "vectors"
# Seconds for all vectors; and how often the driver is started for them.
_TIME_LIMIT: Final = 60.0
_STARTS: Final = 10


@dataclass(frozen=True)
class Vector:
    """An input, and the result that it must have."""

    id: str
    kind: str
    level: str
    why: str
    given: Object
    expected: object


@dataclass(frozen=True)
class Outcome:
    """The outcome of one vector; `skip` is the driver's reason to skip it."""

    vector: Vector
    failure: Failure | None = None
    skip: str = ""


def read_vectors() -> list[Vector]:
    """Return all vectors, in the order of their files."""
    vectors: list[Vector] = []
    for path in sorted(FOLDER.glob("*.json")):
        document: dict[str, object] = json.loads(path.read_text("utf-8"))
        members = document["vectors"]
        assert isinstance(members, list)
        kind, level = str(document["kind"]), str(document["level"])
        vectors += [Vector(kind=kind, level=level, **member) for member in members]
    return vectors


def same(one: object, other: object) -> bool:
    """Whether two values are equal as JSON: 1 equals 1.0, but true is not a number."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return isinstance(one, bool) == isinstance(other, bool) and one == other


def run_vectors(argv: Sequence[str], vectors: Sequence[Vector]) -> Iterator[Outcome]:
    """Send vectors to the driver, one after the other. If one crashes it, it is started again for the rest."""
    left = list(vectors)
    for _ in range(_STARTS):
        if not left:
            return
        with _driver(argv, left) as child:
            while left:
                vector = left.pop(0)
                try:
                    reply = child.receive_object()
                except Failure as failure:
                    yield Outcome(vector, Failure(as_text(vector.expected), failure.actual))
                    break
                yield _compared(vector, reply)
    for vector in left:
        yield Outcome(vector, Failure(as_text(vector.expected), f"not run: the driver has ended {_STARTS} times"))


@contextmanager
def _driver(argv: Sequence[str], vectors: Sequence[Vector]) -> Iterator[DriverProcess]:
    environment = {name: value for name, value in os.environ.items() if not name.upper().startswith("OAUTH_")}
    child = DriverProcess(argv, "vectors", environment, limit=_TIME_LIMIT)
    lines = [json.dumps({"id": each.id, "kind": each.kind, "given": each.given}) for each in vectors]

    def send() -> None:
        for line in lines:
            child.send(line)

    # In a thread: a driver that waits until its replies are read must not block the lines that it has yet to read.
    sender = threading.Thread(target=send, daemon=True)
    sender.start()
    try:
        yield child
    finally:
        child.kill()
        sender.join()
        child.finish()


def _compared(vector: Vector, reply: Object) -> Outcome:
    if reply.get("id") != vector.id:
        return Outcome(vector, Failure(f"the result of {vector.id}", reply))
    if isinstance(reply.get("skip"), str):
        return Outcome(vector, skip=str(reply["skip"]))
    if same(reply.get("result"), vector.expected):
        return Outcome(vector)
    return Outcome(vector, Failure(as_text(vector.expected), reply.get("result")))
