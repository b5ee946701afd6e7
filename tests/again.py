# SPDX-License-Identifier: MIT
"""`make test-again`: all tests, again and again, as they seldom run at home; to find those that pass only mostly.

    python -m tests.again [--count 50] [--seed 1]

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
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.conftest import DATES

__all__ = ["main"]

BUSY = "import os\nparent = os.getppid()\nwhile os.getppid() == parent:\n    sum(range(100_000))"


class Run(NamedTuple):
    """One run of pytest, the same for each seed."""

    seed: int
    words: Sequence[str]

    @property
    def variables(self) -> dict[str, str]:
        return {"PYTHONHASHSEED": str(self.seed)}

    @property
    def command(self) -> list[str]:
        date = [None, *DATES][self.seed % (len(DATES) + 1)]
        options = [f"--shuffled={self.seed}", *([] if date is None else [f"--date={date}"])]
        return ["-m", "pytest", "-q", "-p", "no:cacheprovider", *options, *self.words]

    def __str__(self) -> str:
        return f"PYTHONHASHSEED={self.seed} {shlex.join([os.path.relpath(sys.executable), *self.command])}"

    def passes(self, log: Path) -> bool:
        with log.open("w") as file:
            command, variables = [sys.executable, *self.command], {**os.environ, **self.variables}
            return subprocess.run(command, env=variables, stdout=file, stderr=file, check=False).returncode == 0


@contextmanager
def busy() -> Iterator[None]:
    """A process for each core, that takes what it can get, for as long as this one lives."""
    with ExitStack() as ends:
        for _ in range(os.cpu_count() or 1):
            process = ends.enter_context(subprocess.Popen([sys.executable, "-S", "-c", BUSY]))
            ends.callback(process.kill)
        yield


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.again")
    parser.add_argument("--count", type=int, default=50)
    parser.add_argument("--seed", type=int, default=None, help="of the first run; the next has the next one")
    parser.add_argument("words", nargs="*", help="for pytest")
    asked = parser.parse_args(argv)
    first = random.SystemRandom().randrange(10**6) if asked.seed is None else asked.seed
    runs = [Run(first + n, asked.words) for n in range(asked.count)]
    print(f"{len(runs)} runs, two at once, from seed {first} on", flush=True)
    with tempfile.TemporaryDirectory() as folder, busy(), ThreadPoolExecutor(2) as threads:
        started, passed = time.monotonic(), 0
        logs = {run: Path(folder, f"{run.seed}.txt") for run in runs}
        going: dict[Future[bool], Run] = {threads.submit(run.passes, logs[run]): run for run in runs}
        while going:
            done, _ = wait(going, return_when=FIRST_COMPLETED)
            for future in done:
                run = going.pop(future)
                said = logs[run].read_text("utf-8", "replace")
                if not future.result():
                    threads.shutdown(wait=False, cancel_futures=True)
                    print(f"{said}\n{passed} runs passed before. Again: {run}", flush=True)
                    return 1
                passed += 1
                last = said.strip().splitlines()[-1]
                print(f"{passed} of {len(runs)}, {time.monotonic() - started:.0f} s: {run}: {last}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
