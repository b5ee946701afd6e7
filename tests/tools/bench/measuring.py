# SPDX-License-Identifier: MIT
"""How a cost is compared with its floor, on a machine that runs other programs too.

The two take turns: A B, B A, A B and so on. Each pair gives one ratio, because what slows one slows the other. The
median of many ratios is the result, and the quartiles are its noise. The ratio of the two fastest measurements is a
cross-check: nothing runs faster by accident. A limit is exceeded if the better quarter of the pairs exceeds it, and the
ratio of the fastest does, too.

Computation is measured in CPU time, on which other programs have little influence; what waits for a disk, in wall time.
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

__all__ = ["ROOT", "Compared", "Measure", "called", "child", "children", "compared", "repeated", "wall_time"]

ROOT: Final = Path(__file__).parents[3]

#: Runs something once or many times, and returns the seconds for one time.
Measure: TypeAlias = Callable[[], float]


class Compared(NamedTuple):
    """The median and quartiles of the ratios, and the least seconds of each side."""

    median: float
    low: float
    high: float
    cost: float
    floor: float

    @property
    def best(self) -> float:
        """The ratio of the two fastest measurements."""
        return self.cost / self.floor

    def exceeds(self, limit: float) -> bool:
        """Whether the cost is over the limit by more than the noise."""
        return self.low > limit and self.best > limit


def compared(cost: Measure, floor: Measure, rounds: int) -> Compared:
    """Let the two take turns. The first round, with cold caches, does not count."""
    costs: list[float] = []
    floors: list[float] = []
    for number in range(rounds + 1):
        for measure, seconds in ((cost, costs), (floor, floors))[:: -1 if number % 2 else 1]:
            seconds.append(measure())
    return _summary(costs[1:], floors[1:])


def _summary(costs: list[float], floors: list[float]) -> Compared:
    ratios = [cost / floor for cost, floor in zip(costs, floors, strict=True)]
    low, median, high = statistics.quantiles(ratios, n=4) if len(ratios) > 1 else ratios * 3
    return Compared(median, low, high, min(costs), min(floors))


def repeated(statement: str, names: Mapping[str, object], times: int) -> Measure:
    """Measure a statement in a loop, in CPU time, without the cost of an additional call."""
    timer = timeit.Timer(statement, timer=time.process_time, globals=dict(names))
    return lambda: timer.timeit(times) / times


def called(function: Callable[[], object], times: int = 1) -> Measure:
    """Measure a function in CPU time."""
    return _clocked(time.process_time, function, times)


def wall_time(function: Callable[[], object], times: int = 1) -> Measure:
    """Measure a function in wall time."""
    return _clocked(time.perf_counter, function, times)


def _clocked(clock: Callable[[], float], function: Callable[[], object], times: int) -> Measure:
    def measure() -> float:
        start = clock()
        for _ in range(times):
            function()
        return (clock() - start) / times

    return measure


def children(*arguments: str) -> Measure:
    """Measure a new Python process from start to end, in CPU time; `arguments` are those of its command line."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "YTMUSIC"))}

    def run() -> None:
        command = [sys.executable, *arguments]
        subprocess.run(command, check=True, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)

    return _clocked(_children_clock, run, 1)


def _children_clock() -> float:
    if sys.platform == "win32":  # has no CPU time of ended children
        return time.perf_counter()
    else:
        from resource import RUSAGE_CHILDREN, getrusage

        usage = getrusage(RUSAGE_CHILDREN)
        return usage.ru_utime + usage.ru_stime


@contextmanager
def child(script: str) -> Iterator[str]:
    """Run a script in another Python process until the block ends. Yields the first line that it prints."""
    with subprocess.Popen([sys.executable, "-I", "-c", script], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.kill()
