# SPDX-License-Identifier: MIT
"""What must not check does not: a mistake in the use of the API is one that a type checker finds.

What must check, the other files of `tests/typed`, is checked with everything else by `make types`.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
REFUSED = "tests/typed/refused.py"


def marked() -> set[tuple[int, str]]:
    """The lines that must not check, with the code of the error of each."""
    lines = (ROOT / REFUSED).read_text("utf-8").splitlines()
    marks = [re.search(r"  # refused: ([a-z-]+)$", line) for line in lines]
    return {(number, mark[1]) for number, mark in enumerate(marks, 1) if mark}


def errors_of(*options: str) -> set[tuple[int, str]]:
    """What mypy says about the same file."""
    command = [sys.executable, "-m", "mypy", *options, REFUSED]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout
    errors = re.findall(rf"^{re.escape(REFUSED)}:(\d+): error: .*\[([a-z-]+)\]$", told, re.MULTILINE)
    return {(int(number), code) for number, code in errors}


def test_each_line_that_must_not_check_is_refused_for_its_reason_and_no_other_line() -> None:
    assert len(marked()) > 30
    # With the cache that `make types` has left.
    cached = ("--platform", "linux", "--python-version", "3.10", "--cache-dir", ".mypy_cache/linux")
    assert errors_of(*cached) == marked()
