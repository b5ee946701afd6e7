# SPDX-License-Identifier: MIT
"""Reads the vectors, sends them to a driver, and compares the results."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final
from zipfile import Path as ZipPath

from .harness import DriverProcess, Failure, Object, as_text

__all__ = ["Outcome", "Vector", "difference", "read_vectors", "run_vectors", "same"]

FOLDER: Final = Path(__file__).parent / "vectors"
# Vectors that no port may skip: they are about what may be sent where, and what may be shown.
_REQUIRED: Final = {"endpoints", "redaction"}
# Kinds in which it does not matter whether an error names a key: some parsers can, and others cannot.
_WITHOUT_KEY: Final = {"malformed-responses"}
# Seconds for all vectors; and how often the driver is started for them.
_TIME_LIMIT: Final = 180.0
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

    @property
    def required(self) -> bool:
        """Whether no port may skip it."""
        return self.kind in _REQUIRED


@dataclass(frozen=True)
class Outcome:
    """The outcome of one vector; `skip` is the driver's reason to skip it."""

    vector: Vector
    failure: Failure | None = None
    skip: str = ""


@lru_cache(maxsize=None)
def read_vectors() -> Sequence[Vector]:
    """Return all vectors, in the order of their files. Raises `LookupError` if there are none."""
    vectors: list[Vector] = []
    for text in _documents(FOLDER):
        document: dict[str, object] = json.loads(text)
        members = document["vectors"]
        assert isinstance(members, list)
        kind, level = str(document["kind"]), str(document["level"])
        vectors += [Vector(kind=kind, level=level, **member) for member in members]
    if not vectors:
        raise LookupError(f"No vectors in {FOLDER}: this copy of the kit is not complete")
    return tuple(vectors)


def _documents(folder: Path) -> list[str]:
    if folder.is_dir():
        return [path.read_text("utf-8") for path in sorted(folder.glob("*.json"))]
    for archive in folder.parents:
        if archive.is_file():  # the kit is a zip file
            within = ZipPath(archive, f"{folder.relative_to(archive).as_posix()}/")
            found = sorted(path.name for path in within.iterdir() if path.name.endswith(".json"))
            return [(within / name).read_text("utf-8") for name in found]
    return []


def same(one: object, other: object) -> bool:
    """Whether two values are equal as JSON: 1 equals 1.0, but true is not a number."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return isinstance(one, bool) == isinstance(other, bool) and one == other


def difference(expected: object, actual: object, path: str = "") -> str:
    """Say where the first difference is, if it is inside two objects or lists; "" if it is not."""
    if isinstance(expected, dict) and isinstance(actual, dict):
        at = {key: f"{path}.{key}" if path else str(key) for key in (*expected, *actual)}
        missing, extra = expected.keys() - actual.keys(), actual.keys() - expected.keys()
        for key in sorted(at):
            if key in missing or key in extra:
                return f"at {at[key]}: {'missing' if key in missing else 'not expected'}"
            if not same(expected[key], actual[key]):
                return difference(expected[key], actual[key], at[key])
    if isinstance(expected, list) and isinstance(actual, list):
        for n, (one, other) in enumerate(zip(expected, actual, strict=False)):
            if not same(one, other):
                return difference(one, other, f"{path}[{n}]")
        return f"at {path or 'the top'}: {len(expected)} items expected, {len(actual)} found"
    return f"at {path}: {as_text(expected)} expected, {as_text(actual)} found" if path else ""


def run_vectors(argv: Sequence[str], vectors: Sequence[Vector]) -> Iterator[Outcome]:
    """Send vectors to the driver, one after the other.

    If one crashes it, it is started again for the rest; if it falls silent, the rest is not run.
    """
    left = list(vectors)
    ended = f"the driver has ended {_STARTS} times"
    for _ in range(_STARTS):
        if not left:
            return
        silent = False
        with _driver(argv, left) as child:
            while left:
                vector = left.pop(0)
                try:
                    reply = child.receive_object()
                except Failure as failure:
                    yield Outcome(vector, Failure(as_text(vector.expected), failure.actual))
                    silent = child.has_timed_out
                    break
                yield _compared(vector, reply)
        if silent:  # it would be again, for as long
            ended = "the driver has printed nothing for too long"
            break
    for vector in left:
        yield Outcome(vector, Failure(as_text(vector.expected), f"not run: {ended}"))


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
    if "skip" in reply:
        skip = reply["skip"]
        if vector.required:
            return Outcome(vector, Failure(f"{as_text(vector.expected)}: no port may skip it", reply))
        if not isinstance(skip, str) or not skip.strip():
            return Outcome(vector, Failure("a reason to skip it", reply))
        return Outcome(vector, skip=skip)
    result = reply.get("result")
    if vector.kind in _WITHOUT_KEY and isinstance(result, dict):
        reply = {**reply, "result": {name: part for name, part in result.items() if name != "key"}}
    # A reply without a result is no result, also where null is expected.
    if "result" in reply and same(reply["result"], vector.expected):
        return Outcome(vector)
    differs = difference(vector.expected, reply.get("result"))
    return Outcome(vector, Failure(as_text(vector.expected), reply.get("result", reply), differs))
