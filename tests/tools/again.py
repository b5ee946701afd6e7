# SPDX-License-Identifier: MIT
"""Find flaky tests: run the suite many times, under conditions that are rare at home. `make test-again`.

    python -m tests.tools.again [--count 50] [--seed 1] [-- -k WORD tests/test_token.py ...]

Each run has its own order of tests and its own hash seed, and most runs have a date of their own. Two runs go on at the
same time, as if two people used one machine, while one process per core keeps the machine busy. The first failure ends
it, and the command that repeats that run is printed. What follows `--` goes to pytest.
"""

from __future__ import annotations

import argparse
import os
import random
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack, contextmanager
from typing import NamedTuple

from tests.conftest import DATES

__all__ = ["main"]

BUSY_LOOP = "import os\nparent = os.getppid()\nwhile os.getppid() == parent:\n    sum(range(100_000))"


class Run(NamedTuple):
    """One run of pytest. The seed determines all of it."""

    seed: int
    arguments: tuple[str, ...]

    @property
    def environment(self) -> dict[str, str]:
        return {"PYTHONHASHSEED": str(self.seed)}

    @property
    def options(self) -> list[str]:
        date = [None, *DATES][self.seed % (len(DATES) + 1)]
        options = [f"--shuffled={self.seed}", *([] if date is None else [f"--date={date}"])]
        return ["-m", "pytest", "-q", "-p", "no:cacheprovider", *options, *self.arguments]

    def __str__(self) -> str:
        environment = [f"{name}={value}" for name, value in self.environment.items()]
        return shlex.join([*environment, os.path.relpath(sys.executable), *self.options])

    def start(self) -> subprocess.Popen[str]:
        command, environment = [sys.executable, *self.options], {**os.environ, **self.environment}
        output = subprocess.PIPE
        return subprocess.Popen(command, env=environment, stdout=output, stderr=subprocess.STDOUT, text=True)


@contextmanager
def busy_machine() -> Iterator[None]:
    """Keep each core busy with a process that computes without end."""
    with ExitStack() as cleanup:
        for _ in range(os.cpu_count() or 1):
            process = cleanup.enter_context(subprocess.Popen([sys.executable, "-S", "-c", BUSY_LOOP]))
            cleanup.callback(process.kill)
        yield


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.tools.again")
    parser.add_argument("--count", type=int, default=50, help="number of runs")
    parser.add_argument("--seed", type=int, default=None, help="seed of the first run; each run adds one")
    parser.add_argument("arguments", nargs="*", help="for pytest")
    options = parser.parse_args(argv)
    first = random.SystemRandom().randrange(10**6) if options.seed is None else options.seed
    runs = [Run(first + number, tuple(options.arguments)) for number in range(options.count)]
    print(f"{len(runs)} runs, two at a time, first seed {first}", flush=True)
    started, passed = time.monotonic(), 0
    with busy_machine(), ThreadPoolExecutor(2) as threads, ExitStack() as cleanup:

        def finish(run: Run) -> tuple[Run, int, str]:
            process = run.start()
            cleanup.callback(process.terminate)
            output, _ = process.communicate()
            return run, process.returncode, output

        for finished in as_completed([threads.submit(finish, run) for run in runs]):
            run, status, output = finished.result()
            if status != 0:
                threads.shutdown(wait=False, cancel_futures=True)
                print(f"{output}\nFailed after {passed} runs that passed. To repeat it:\n{run}", flush=True)
                return 1
            passed += 1
            seconds, summary = time.monotonic() - started, output.strip().splitlines()[-1]
            print(f"{passed} of {len(runs)} passed after {seconds:.0f} s: {run}\n    {summary}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
