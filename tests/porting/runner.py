# SPDX-License-Identifier: MIT
"""Runs all vectors and all scenarios against a port, many at once, because most of them only wait."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from time import monotonic
from typing import Final, Literal

from .harness import DriverProcess, Failure, Harness, as_text
from .scenarios import LEVELS, SCENARIOS, Scenario
from .vector import Vector, read_vectors, run_vectors

__all__ = ["Level", "Result", "Verdict", "certify", "forbidden", "is_chosen", "known_names", "levels", "skips_of"]

Verdict = Literal["passed", "failed", "skipped"]
# "not run": a part of the level was not chosen, so nothing can be said about it.
Level = Literal["passed", "passed in part", "failed", "not claimed", "not run"]
# Scenarios at once for each core. With more, those that start late miss their times.
_AT_ONCE: Final = 8


@dataclass(frozen=True)
class Result:
    """The result of a vector or a scenario."""

    id: str
    level: str
    why: str
    verdict: Verdict
    given: str = ""  # of a vector
    expected: str = ""
    actual: str = ""
    differs: str = ""  # where a vector's result does, if it is deep
    steps: Sequence[str] = ()  # of a scenario, up to its failure
    file: str = ""  # what was in the token file of a scenario then
    folder: str = ""  # where the folder of a failed scenario is kept
    reason: str = ""  # why it was skipped
    seconds: float = 0.0


def forbidden(names: Iterable[str]) -> str:
    """Return the first vector or scenario among these that no port may skip; "" if there is none."""
    skipped = {*names}
    for vector in read_vectors():
        if vector.required and skipped & {vector.id, vector.kind, vector.level}:
            return vector.id
    return next((each.id for each in SCENARIOS if each.required and skipped & {each.id, each.level}), "")


def known_names(vectors: Sequence[Vector]) -> set[str]:
    """Return everything that can be skipped."""
    ids = {*(vector.id for vector in vectors), *(scenario.id for scenario in SCENARIOS)}
    return {*LEVELS, *ids, *(vector.kind for vector in vectors)}


def skips_of(argv: Sequence[str]) -> Mapping[str, str]:
    """Ask the driver what the port skips. Raises `Failure`, or `OSError` if it cannot be started."""
    run = DriverProcess(argv, "skips", dict(os.environ), limit=20).finish()
    expected = "`skips` prints what the port skips, {} or {name: reason}, and exits with 0"
    if run.status != 0:
        raise Failure(expected, run.ending)
    skips = run.reply
    unknown = sorted(set(skips) - known_names(read_vectors()))
    if unknown:
        raise Failure(expected, f"no level, kind, scenario or vector is named {unknown[0]}")
    if not all(isinstance(reason, str) and reason.strip() for reason in skips.values()):
        raise Failure(expected, f"an empty reason: {as_text(skips)}")
    if required := forbidden(skips):
        raise Failure(expected, f"no port may skip {required}")
    return {name: str(reason) for name, reason in skips.items()}


def certify(
    argv: Sequence[str],
    *,
    skips: Mapping[str, str] | None = None,
    only: Collection[str] = ("*",),
    partner: Sequence[str] = (),
    keep: Path | None = None,
    jobs: int | None = None,
    stop: bool = False,
    progress: Callable[[Result], None] = lambda result: None,
) -> list[Result]:
    """Run every vector and scenario whose id matches a pattern of `only`. With `stop`, stop at the first failure.

    `partner` is how to start the driver of another port, for the scenarios in which two ports share a file. The
    folders of failed scenarios are kept in the folder `keep`.
    """
    skips = skips or {}
    results: list[Result] = []
    running: list[Harness] = []

    def is_last(result: Result) -> bool:
        results.append(result)
        progress(result)
        return stop and result.verdict == "failed"

    vectors = [vector for vector in read_vectors() if is_chosen(vector.id, only)]
    scenarios = sorted((each for each in SCENARIOS if is_chosen(each.id, only)), key=lambda each: -each.waits)
    if stop:  # vectors first: they are faster
        for result in _vectors(argv, vectors, skips):
            if is_last(result):
                return results
        vectors = []
    with ThreadPoolExecutor(jobs or _AT_ONCE * (os.cpu_count() or 1)) as threads:
        futures: list[Future[list[Result]]] = [
            threads.submit(
                lambda scenario: [
                    _scenario(Harness(argv, scenario.profile, partner=partner), scenario, skips, running, keep)
                ],
                scenario,
            )
            for scenario in scenarios
        ]
        futures.append(threads.submit(lambda: list(_vectors(argv, vectors, skips))))
        try:
            for future in as_completed(futures):
                for result in future.result():
                    if is_last(result):
                        return results
        finally:
            # After the failure that ends it, or Ctrl-C, do not wait for the others.
            threads.shutdown(wait=False, cancel_futures=True)
            for harness in [*running]:
                harness.kill()
    return results


def is_chosen(name: str, only: Iterable[str]) -> bool:
    """Whether an id matches a pattern."""
    return any(fnmatchcase(name, pattern) for pattern in only)


def _reason(skips: Mapping[str, str], *names: str) -> str:
    return next((skips[name] for name in names if name in skips), "")


def _vectors(argv: Sequence[str], vectors: Iterable[Vector], skips: Mapping[str, str]) -> Iterator[Result]:
    sent: list[Vector] = []
    for vector in vectors:
        if reason := _reason(skips, vector.id, vector.kind, vector.level):
            yield Result(vector.id, vector.level, vector.why, "skipped", reason=reason)
        else:
            sent.append(vector)
    for outcome in run_vectors(argv, sent):
        vector, failure = outcome.vector, outcome.failure
        verdict: Verdict = "failed" if failure is not None else "skipped" if outcome.skip else "passed"
        result = Result(vector.id, vector.level, vector.why, verdict, reason=outcome.skip)
        if failure is not None:
            result = replace(
                result,
                given=as_text(vector.given),
                expected=failure.expected,
                actual=failure.actual,
                differs=failure.differs,
            )
        yield result


def _scenario(
    harness: Harness, scenario: Scenario, skips: Mapping[str, str], running: list[Harness], keep: Path | None
) -> Result:
    result = Result(scenario.id, scenario.level, scenario.why, "passed")
    if reason := _reason(skips, scenario.id, scenario.level) or scenario.missing:
        harness.remove_folder()
        return replace(result, verdict="skipped", reason=reason)
    started = monotonic()
    running.append(harness)
    try:
        with harness.running():
            try:
                scenario.run(harness)
                harness.check_rules()
            except Failure as failure:
                result = replace(
                    result,
                    verdict="failed",
                    expected=failure.expected,
                    actual=failure.actual,
                    steps=harness.steps,
                    file=harness.held,
                )
        if keep is not None and result.verdict == "failed":
            folder = keep / scenario.id.replace("/", "-")
            with suppress(shutil.Error):  # a named pipe cannot be copied
                shutil.copytree(harness.folder, folder, symlinks=True, dirs_exist_ok=True)
            result = replace(result, folder=str(folder))
    finally:
        harness.remove_folder()
        running.remove(harness)
    return replace(result, seconds=round(monotonic() - started, 1))


def levels(results: Iterable[Result]) -> dict[str, Level]:
    """Return the verdict for each level: "passed" only if all of it ran, and passed."""
    verdicts = {result.id: result.verdict for result in results}
    everything: Sequence[Vector | Scenario] = [*read_vectors(), *SCENARIOS]
    return {level: _level([verdicts.get(each.id) for each in everything if each.level == level]) for level in LEVELS}


def _level(verdicts: Sequence[Verdict | None]) -> Level:
    if "failed" in verdicts:
        return "failed"
    if None in verdicts:
        return "not run"
    if "passed" not in verdicts:
        return "not claimed"
    return "passed in part" if "skipped" in verdicts else "passed"
