# SPDX-License-Identifier: MIT
"""Puts a port to the kit: all vectors and all scenarios, many at once, for they mostly wait."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from fnmatch import fnmatchcase
from time import monotonic
from typing import Final, Literal, TypeAlias

from .scenarios import LEVELS, SCENARIOS, Scenario
from .stage import Child, Stage, Wrong
from .vector import Vector, answered, read_vectors

__all__ = ["Level", "Outcome", "Result", "certify", "known_names", "levels", "skips_of"]

Outcome: TypeAlias = Literal["passed", "failed", "skipped"]
Level: TypeAlias = Literal["passed", "failed", "not claimed"]
# How many scenarios at once for each core: more, and what starts late is too late for what it is asked.
_AT_ONCE: Final = 8


@dataclass(frozen=True)
class Result:
    """What came of a vector or a scenario."""

    id: str
    level: str
    why: str
    outcome: Outcome
    expected: str = ""
    came: str = ""
    reason: str = ""  # why it was skipped
    seconds: float = 0.0


def known_names(vectors: Sequence[Vector]) -> set[str]:
    """What can be skipped."""
    ids = {*(vector.id for vector in vectors), *(scenario.id for scenario in SCENARIOS)}
    return {*LEVELS, *ids, *(vector.kind for vector in vectors)}


def skips_of(command: Sequence[str]) -> Mapping[str, str]:
    """Ask the port what it leaves out. Raises `Wrong`, or `OSError` if it cannot be started."""
    told = Child(command, "skips", dict(os.environ), limit=20).finish()
    what = "`skips` says what the port leaves out, {} or {what: reason}, and ends with 0"
    if told.status != 0:
        raise Wrong(what, f"exit status {told.status}; {told.out[:300]!r}; {told.tail!r}")
    skips = told.answer
    unknown = sorted(set(skips) - known_names(read_vectors()))
    if unknown:
        raise Wrong(what, f"there is no level, no scenario and no vector of the name {unknown[0]}")
    if not all(isinstance(reason, str) and reason.strip() for reason in skips.values()):
        raise Wrong(what, f"a reason that is none: {skips}")
    return {what: str(reason) for what, reason in skips.items()}


def certify(
    command: Sequence[str],
    *,
    skips: Mapping[str, str] | None = None,
    only: Collection[str] = ("*",),
    jobs: int | None = None,
    stop: bool = False,
    progress: Callable[[Result], None] = lambda result: None,
) -> list[Result]:
    """Put everything to the driver whose id fits a pattern of `only`. With `stop`, no more is begun after a failure."""
    skips = skips or {}
    results: list[Result] = []

    def fits(name: str) -> bool:
        return any(fnmatchcase(name, pattern) for pattern in only)

    def took(result: Result) -> bool:
        results.append(result)
        progress(result)
        return stop and result.outcome == "failed"

    vectors = [vector for vector in read_vectors() if fits(vector.id)]
    scenarios = sorted(filter(lambda each: fits(each.id), SCENARIOS), key=lambda each: -each.waits)
    if stop:  # the vectors are the quicker ones
        for result in _vectors(command, vectors, skips):
            if took(result):
                return results
        vectors = []
    with ThreadPoolExecutor(jobs or _AT_ONCE * (os.cpu_count() or 1)) as threads:
        running: list[Future[list[Result]]] = [
            threads.submit(lambda scenario: [_scenario(command, scenario, skips)], scenario) for scenario in scenarios
        ]
        running.append(threads.submit(lambda: list(_vectors(command, vectors, skips))))
        try:
            for future in as_completed(running):
                for result in future.result():
                    if took(result):
                        return results
        finally:
            threads.shutdown(wait=False, cancel_futures=True)
    return results


def _reason(skips: Mapping[str, str], *names: str) -> str:
    return next((skips[name] for name in names if name in skips), "")


def _vectors(command: Sequence[str], vectors: Iterable[Vector], skips: Mapping[str, str]) -> Iterator[Result]:
    asked: list[Vector] = []
    for vector in vectors:
        if reason := _reason(skips, vector.id, vector.kind, vector.level):
            yield Result(vector.id, vector.level, vector.why, "skipped", reason=reason)
        else:
            asked.append(vector)
    for each in answered(command, asked):
        vector, wrong = each.vector, each.wrong
        if wrong is not None:
            yield Result(vector.id, vector.level, vector.why, "failed", wrong.expected, wrong.came)
        else:
            outcome: Outcome = "skipped" if each.skip else "passed"
            yield Result(vector.id, vector.level, vector.why, outcome, reason=each.skip)


def _scenario(command: Sequence[str], scenario: Scenario, skips: Mapping[str, str]) -> Result:
    started = monotonic()

    def result(outcome: Outcome, expected: str = "", came: str = "", reason: str = "") -> Result:
        seconds = round(monotonic() - started, 1)
        return Result(scenario.id, scenario.level, scenario.why, outcome, expected, came, reason, seconds)

    if reason := _reason(skips, scenario.id, scenario.level) or scenario.lacking:
        return result("skipped", reason=reason)
    try:
        stage = Stage(command, scenario.ways)
        with stage.lit():
            scenario.play(stage)
            stage.judge()
    except Wrong as wrong:
        return result("failed", wrong.expected, wrong.came)
    return result("passed")


def levels(results: Iterable[Result]) -> dict[str, Level]:
    """Award each level: passed, failed, or not claimed where nothing of it was asked."""
    awarded: dict[str, Level] = dict.fromkeys(LEVELS, "not claimed")
    for result in results:
        if result.outcome == "failed":
            awarded[result.level] = "failed"
        elif result.outcome == "passed" and awarded[result.level] == "not claimed":
            awarded[result.level] = "passed"
    return awarded
