# SPDX-License-Identifier: MIT
"""Find the Pythons of this machine: on PATH, and pyenv's.

    python -m tests.tools.pythons

prints a line for each implementation and version: its name, such as 3.8 or pypy-3.9, and the path of the program.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

__all__ = ["pythons"]

_NEWEST: Final = 16
_NAME: Final = """
import sys
print(("pypy-" if hasattr(sys, "pypy_version_info") else "") + "%d.%d" % sys.version_info[:2])
"""


def _candidates() -> Iterator[str]:
    for path in sorted((Path.home() / ".pyenv" / "versions").glob("*/bin/python")):  # its shims on PATH may not start
        yield str(path)
    yield from ("python2.7", *(f"python3.{minor}" for minor in range(6, _NEWEST)), "pypy3")


def pythons() -> Mapping[str, str]:
    """Return the path of each Python, by its name: the oldest first, PyPy last. One that does not start is left out."""
    found: dict[str, str] = {}
    for candidate in _candidates():
        path = shutil.which(candidate)
        if path is None or candidate.replace("python", "") in found:
            continue
        done = subprocess.run([path, "-c", _NAME], capture_output=True, text=True, check=False)
        if done.returncode == 0:
            found.setdefault(done.stdout.strip(), path)
    return {name: found[name] for name in sorted(found, key=_order)}


def _order(name: str) -> tuple[bool, list[int]]:
    implementation, _, version = name.rpartition("-")
    return bool(implementation), [int(part) for part in version.split(".")]


if __name__ == "__main__":
    print(*(f"{name} {path}" for name, path in pythons().items()), sep="\n")
