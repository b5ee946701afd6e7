# SPDX-License-Identifier: MIT
"""Proof that the kit bites: our own code is broken in each way of `breaks`, and the kit alone has to notice.

python -m tests.porting.clients.python.bites [WORD ...]   # those with such a word in file or meaning
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import Final

import ytmusic_oauth
from tests.porting.runner import Result, certify

from .breaks import BREAKS, Break

__all__ = ["broken", "caught", "main"]

PACKAGE = Path(ytmusic_oauth.__file__).parent
KIT = Path(__file__).parents[2]


@contextmanager
def broken(how: Break) -> Iterator[list[str]]:
    """Make a copy of the package that is broken, and tell the command of its driver."""
    with tempfile.TemporaryDirectory(prefix="bites-") as folder:
        # With what was compiled already: most of it is as it was.
        shutil.copytree(PACKAGE, Path(folder, PACKAGE.name), copy_function=shutil.copy2)
        Path(folder, "porting").symlink_to(KIT, target_is_directory=True)
        source = Path(folder, PACKAGE.name, how.file)
        before = source.read_text("utf-8")
        if before.count(how.old) != 1:
            raise LookupError(f"{how.file} has it {before.count(how.old)} times: {how.old}")
        source.write_text(before.replace(how.old, how.new), "utf-8")
        start = f"import runpy, sys; sys.path.insert(0, {folder!r}); sys.argv[0] = 'driver'; "
        yield [sys.executable, "-I", "-c", start + "runpy.run_module('porting.clients.python', run_name='__main__')"]


def caught(how: Break) -> Result | None:
    """Put it to the kit: the vectors, then the scenarios of the hint, then all. What noticed first, if anything did."""
    with broken(how) as command:
        for only in ("*",) if not how.hint else (how.hint, "*"):
            for result in certify(command, only=(only,), stop=True, jobs=8):
                if result.outcome == "failed":
                    return result
    return None


SOUND: Final = Break("__init__.py", "nothing is broken", '__version__ = "', '__version__ = "')


def main(words: Sequence[str]) -> int:
    """Break it in every way, and return 0 if the kit noticed each time."""
    chosen = [how for how in BREAKS if not words or any(word in f"{how.file} {how.means}" for word in words)]
    started, missed = monotonic(), 0
    if (blamed := caught(SOUND)) is not None:
        print(f"What is sound is blamed by {blamed.id}: expected {blamed.expected}, came {blamed.came}")
        return 1
    with ThreadPoolExecutor((os.cpu_count() or 1) + 1) as threads:
        for how, result in zip(chosen, threads.map(caught, chosen), strict=True):
            missed += result is None
            print(f"{how.file}: {how.means}")
            print(f"    {'NOT NOTICED' if result is None else f'caught by {result.id}'}", flush=True)
    print(f"{len(chosen) - missed} of {len(chosen)} ways to be wrong are noticed, in {monotonic() - started:.0f} s")
    return 1 if missed or not chosen else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
