# SPDX-License-Identifier: MIT
"""Run the parts that this machine can run: `.ci/run`.

    python -m tests.tools.ci                # all parts
    python -m tests.tools.ci lint interop   # these

Each part has a limit in seconds, and all of them together have less than half an hour; what is installed first does not
count. The first four parts decide the exit status. The others depend on what the machine has (servers, browsers, other
Pythons): the table at the end names their results, and what could not be installed.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from signal import SIGTERM
from time import monotonic
from typing import Final, NamedTuple

from tests.posix import SIGKILL, killpg

__all__ = ["ALL", "PARTS", "Part", "main"]

ROOT: Final = Path(__file__).parents[2]
#: Seconds for all parts.
ALL: Final = 28 * 60
#: Seconds for an installation.
_INSTALLATION: Final = 15 * 60


class Part(NamedTuple):
    """A part, its limit, what installs it, the programs that it needs, and whether it decides the exit status."""

    command: str
    limit: float
    targets: Sequence[str] = ()
    programs: Sequence[str] = ()
    decides: bool = False

    @property
    def name(self) -> str:
        """The target of the Makefile that it makes."""
        return self.command.split()[1]


PARTS: Final = (
    Part("make lint", 60, [".venv-tools/ready"], decides=True),
    Part("make test", 720, [".venv/ready"], decides=True),
    Part("make dist", 120, [".venv-tools/ready"], decides=True),
    Part("make coverage", 720, [".venv-tools/ready"], decides=True),
    Part("make certify", 240, [".venv-certify/ready"]),
    Part("make test-all SHORT=1 ONLY='3.8 3.9 pypy-3.9'", 360, (), ["python3"]),
    Part("make test-wasm", 240, [".venv/ready"], ["node", "npm"]),
    Part("make interop", 420, [".venv-interop/ready", ".venv-interop/node_modules"], ["node", "npm"]),
    Part("make engines SHORT=1", 240, [".venv-engines/ready"], ["etcd", "redis-server"]),
)


def main(argv: Sequence[str]) -> int:
    """Run the parts; return 0 if none failed."""
    rows: list[tuple[str, str, float]] = []
    failed = False
    left: float = ALL
    for part in PARTS:
        if argv and part.name not in argv:
            continue
        print(f"==== {part.command}", flush=True)
        why = _why_not(part) if left > 0 else "no time was left"
        if why:
            rows.append((part.command, f"not run: {why}", 0))
            failed = failed or part.decides
            continue
        begun = monotonic()
        status = _run(["sh", "-c", part.command], min(part.limit, left))
        seconds = monotonic() - begun
        left -= seconds
        result = "FAILED: it took too long" if status is None else "FAILED" if status else "passed"
        failed = failed or (status != 0 and part.decides)
        rows.append((part.command, result, seconds))
    width = max(len(name) for name, _, _ in rows) if rows else 0
    print()
    for name, result, seconds in rows:
        print(f"{name:{width}} {seconds:5.0f} s  {result}")
    return 0 if rows and not failed else 1


def _why_not(part: Part) -> str:
    """Install what a part needs. Returns why that is not possible, or nothing."""
    missing = [program for program in part.programs if shutil.which(program) is None]
    if missing:
        return f"this machine has no {', '.join(missing)}"
    for target in part.targets:
        if _run(["make", "--no-print-directory", target], _INSTALLATION) != 0:
            return f"{target} cannot be installed"
    return ""


def _run(command: Sequence[str], limit: float) -> int | None:
    """Run a command in a process group of its own; None if it took too long, and was ended with all its children."""
    with subprocess.Popen(command, cwd=ROOT, start_new_session=True) as process:
        try:
            return process.wait(limit)
        except subprocess.TimeoutExpired:
            killpg(process.pid, SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                process.wait(10)
            with suppress(OSError):  # nothing is left of it
                killpg(process.pid, SIGKILL)
            return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
