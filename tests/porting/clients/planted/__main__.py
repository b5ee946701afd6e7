# SPDX-License-Identifier: MIT
"""Runs the kit against every break that is planted into a client in another language.

python -m tests.porting.clients.planted [WORD ...]   # those with such a word in language, file, function or meaning
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from fnmatch import fnmatchcase
from itertools import repeat
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic

from tests.porting.clients.python.bites import first_failure

from . import BREAKS, Language, Planted

__all__ = ["caught", "main"]


def caught(language: Language, each: Planted) -> str:
    """Plant a break, and run the kit against it. Returns the id of the first failure; "" if there is none."""
    with TemporaryDirectory(prefix="planted-") as folder:
        result = first_failure(language.plant(each, Path(folder)), each.caught_by)
        return "" if result is None else result.id


def main(words: Sequence[str]) -> int:
    """Try every break, and return 0 if each was noticed by the vectors or scenarios that should."""
    started, missed, tried = monotonic(), 0, 0
    for language, breaks in BREAKS.items():
        if language.missing:
            print(f"{language.name} is not installed, so nothing was planted into its client")
            continue
        text = f"{language.name} {{0.file}} {{0.function}} {{0.means}}"
        chosen = [each for each in breaks if not words or any(word in text.format(each) for word in words)]
        tried += len(chosen)
        with ThreadPoolExecutor((os.cpu_count() or 1) + 1) as threads:
            for each, first in zip(chosen, threads.map(caught, repeat(language), chosen)):
                noticed = bool(first) and fnmatchcase(first, each.caught_by)
                missed += not noticed
                print(f"{language.name}, {each.file}, {each.function}: {each.means}")
                by = f"caught by {first}" if first else "NOT NOTICED"
                print(f"    {by}{'' if noticed or not first else f', BUT NOT BY {each.caught_by}'}", flush=True)
    print(f"{tried - missed} of {tried} planted breaks are noticed, in {monotonic() - started:.0f} s")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
