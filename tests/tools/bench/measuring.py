# SPDX-License-Identifier: MIT
"""How a cost is compared with its floor, on a machine that does other things too.

The two take turns: A B, B A, A B and so on. Each pair gives one ratio, for whatever slows one slows the other; the
median of many is the result, and the quartiles are its noise. The ratio of the two cheapest is a cross-check: nothing
runs faster by accident. A target is missed where the better quarter of the pairs misses it, and the cheapest do too.

What computes is measured in CPU time, which other programs hardly lengthen; what waits for a disk, by the clock on the
wall.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
import timeit
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple, TypeAlias

__all__ = ["ROOT", "Compared", "Measure", "called", "child", "children", "compared", "on_the_wall", "repeated"]

ROOT: Final = Path(__file__).parents[3]

#: Does a thing once, or many times, and answers what one time cost.
Measure: TypeAlias = Callable[[], float]


class Compared(NamedTuple):
    """What came of it: ratios, and the two least costs in seconds."""

    median: float
    low: float
    high: float
    cost: float
    floor: float

    @property
    def best(self) -> float:
        """How the two cheapest compare."""
        return self.cost / self.floor

    def misses(self, at_most: float) -> bool:
        """Whether a target is missed by more than the noise."""
        return self.low > at_most and self.best > at_most


def compared(cost: Measure, floor: Measure, rounds: int) -> Compared:
    """Let the two take turns. The first time, when caches are cold, does not count."""
    costs: list[float] = []
    floors: list[float] = []
    for number in range(rounds + 1):
        for measure, found in ((cost, costs), (floor, floors))[:: -1 if number % 2 else 1]:
            found.append(measure())
    return _summed_up(costs[1:], floors[1:])


def _summed_up(costs: list[float], floors: list[float]) -> Compared:
    ratios = [cost / floor for cost, floor in zip(costs, floors, strict=True)]
    low, median, high = statistics.quantiles(ratios, n=4) if len(ratios) > 1 else ratios * 3
    return Compared(median, low, high, min(costs), min(floors))


def repeated(statement: str, names: Mapping[str, object], times: int) -> Measure:
    """A statement in a loop, as it would stand in somebody's code: no call is added to it."""
    timer = timeit.Timer(statement, timer=time.process_time, globals=dict(names))
    return lambda: timer.timeit(times) / times


def called(function: Callable[[], object], times: int = 1) -> Measure:
    """A function, in CPU time."""
    return _clocked(time.process_time, function, times)


def on_the_wall(function: Callable[[], object], times: int = 1) -> Measure:
    """A function, in time that passes."""
    return _clocked(time.perf_counter, function, times)


def _clocked(clock: Callable[[], float], function: Callable[[], object], times: int) -> Measure:
    def measure() -> float:
        start = clock()
        for _ in range(times):
            function()
        return (clock() - start) / times

    return measure


def children(*arguments: str) -> Measure:
    """A Python of its own, from its start to its end, in CPU time: `arguments` as on its command line."""
    surroundings = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "YTMUSIC"))}

    def run() -> None:
        command = [sys.executable, *arguments]
        subprocess.run(command, check=True, cwd=ROOT, env=surroundings, stdout=subprocess.DEVNULL)

    return _clocked(_children_clock, run, 1)


def _children_clock() -> float:
    if sys.platform == "win32":  # it does not add them up
        return time.perf_counter()
    else:
        from resource import RUSAGE_CHILDREN, getrusage

        spent = getrusage(RUSAGE_CHILDREN)
        return spent.ru_utime + spent.ru_stime


@contextmanager
def child(script: str) -> Iterator[str]:
    """A Python beside us that runs a script until we are done: the first line that it prints."""
    with subprocess.Popen([sys.executable, "-I", "-c", script], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.kill()
