# SPDX-License-Identifier: MIT
"""Proof that the kit bites: our own code is broken in each way of `breaks`, and the kit alone has to notice.

python -m tests.porting.clients.python.bites [WORD ...]   # those with such a word in target or meaning
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from fnmatch import fnmatchcase
from time import monotonic

from tests.porting.runner import Result, certify

from .breaks import BREAKS, Break

__all__ = ["caught", "command_of", "first_failure", "main"]


def command_of(means: str) -> list[str]:
    """Return the command of a driver with this break in it; "" is the driver as it is."""
    return [sys.executable, "-m", f"{__package__}.broken", means]


def caught(each: Break) -> Result | None:
    """Run the kit against a break, those first that should notice. Returns the first failure, if there is one.

    Raises `LookupError` if what the break replaces is gone.
    """
    each.check()
    return first_failure(command_of(each.means), each.caught_by)


def first_failure(argv: Sequence[str], caught_by: str) -> Result | None:
    """Run the kit against a driver, those first that should notice. Returns the first failure, if there is one."""
    for only in dict.fromkeys((caught_by, "*")):
        for result in certify(argv, only=(only,), stop=True, jobs=8):
            if result.verdict == "failed":
                return result
    return None


def main(words: Sequence[str]) -> int:
    """Try every break, and return 0 if each was noticed by the vectors or scenarios that should."""
    chosen = [each for each in BREAKS if not words or any(word in f"{each.target} {each.means}" for word in words)]
    started, missed = monotonic(), 0
    for result in certify(command_of(""), jobs=8):
        if result.verdict == "failed":
            print(f"{result.id} fails although nothing is broken: expected {result.expected}, got {result.actual}")
            return 1
    with ThreadPoolExecutor((os.cpu_count() or 1) + 1) as threads:
        for each, first in zip(chosen, threads.map(caught, chosen), strict=True):
            noticed = first is not None and fnmatchcase(first.id, each.caught_by)
            missed += not noticed
            by = "NOT NOTICED" if first is None else f"caught by {first.id}"
            print(f"{each.target}: {each.means}")
            print(f"    {by}{'' if noticed or first is None else f', BUT NOT BY {each.caught_by}'}", flush=True)
    print(f"{len(chosen) - missed} of {len(chosen)} breaks are noticed, in {monotonic() - started:.0f} s")
    return 1 if missed or not chosen else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
