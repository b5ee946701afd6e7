# SPDX-License-Identifier: MIT
"""`make test-again`: all tests, again and again, as they seldom run at home; to find those that pass only mostly.

    python -m tests.tools.again [--count 50] [--seed 1]

Each run has an order and a hash seed of its own, and most have a date of their own. Two go on at once, as of two people
on one machine, and beside them one process for each core does nothing but keep it busy. It ends with the first failure,
and tells how to run that once more. `-k`, file names and other words for pytest go behind `--`.
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

BUSY = "import os\nparent = os.getppid()\nwhile os.getppid() == parent:\n    sum(range(100_000))"


class Run(NamedTuple):
    """One run of pytest, the same for each seed."""

    seed: int
    words: tuple[str, ...]

    @property
    def variables(self) -> dict[str, str]:
        return {"PYTHONHASHSEED": str(self.seed)}

    @property
    def options(self) -> list[str]:
        date = [None, *DATES][self.seed % (len(DATES) + 1)]
        options = [f"--shuffled={self.seed}", *([] if date is None else [f"--date={date}"])]
        return ["-m", "pytest", "-q", "-p", "no:cacheprovider", *options, *self.words]

    def __str__(self) -> str:
        variables = [f"{name}={value}" for name, value in self.variables.items()]
        return shlex.join([*variables, os.path.relpath(sys.executable), *self.options])

    def start(self) -> subprocess.Popen[str]:
        command, variables = [sys.executable, *self.options], {**os.environ, **self.variables}
        output = subprocess.PIPE
        return subprocess.Popen(command, env=variables, stdout=output, stderr=subprocess.STDOUT, text=True)


@contextmanager
def busy() -> Iterator[None]:
    """A process for each core, that takes what it can get, for as long as this one lives."""
    with ExitStack() as ends:
        for _ in range(os.cpu_count() or 1):
            process = ends.enter_context(subprocess.Popen([sys.executable, "-S", "-c", BUSY]))
            ends.callback(process.kill)
        yield


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.tools.again")
    parser.add_argument("--count", type=int, default=50)
    parser.add_argument("--seed", type=int, default=None, help="of the first run; the next has the next one")
    parser.add_argument("words", nargs="*", help="for pytest")
    asked = parser.parse_args(argv)
    first = random.SystemRandom().randrange(10**6) if asked.seed is None else asked.seed
    runs = [Run(first + n, tuple(asked.words)) for n in range(asked.count)]
    print(f"{len(runs)} runs, two at once, from seed {first} on", flush=True)
    started, passed = time.monotonic(), 0
    with busy(), ThreadPoolExecutor(2) as threads, ExitStack() as ends:

        def finished(run: Run) -> tuple[Run, int, str]:
            process = run.start()
            ends.callback(process.terminate)
            said, _ = process.communicate()
            return run, process.returncode, said

        for each in as_completed([threads.submit(finished, run) for run in runs]):
            run, status, said = each.result()
            if status != 0:
                threads.shutdown(wait=False, cancel_futures=True)
                print(f"{said}\n{passed} runs passed before. To do it again:\n{run}", flush=True)
                return 1
            passed += 1
            seconds, last = time.monotonic() - started, said.strip().splitlines()[-1]
            print(f"{passed} of {len(runs)} after {seconds:.0f} s: {run}\n    {last}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
