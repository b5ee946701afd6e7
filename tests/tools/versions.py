# SPDX-License-Identifier: MIT
"""Run the tests with every Python of this machine: `make test-all`.

    python -m tests.tools.versions            # all tests
    python -m tests.tools.versions --short    # those of `SHORT`, in a minute or two for each Python
    python -m tests.tools.versions 3.8 3.13   # with these
    python -m tests.tools.versions --here     # installs pytest into this very Python, and runs all tests that it can

From Python 3.10 on, that is `make test`. An older one runs what an older pytest can run there. PyPy runs only those of
`SHORT`: it starts so slowly that tests with many processes take an hour. The porting kit certifies the library with
both. The last lines are a table of what was run.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from time import monotonic
from typing import Final, NamedTuple

from tests.tools.pythons import pythons

__all__ = ["NOT_OLD", "SHORT", "main"]

ROOT: Final = Path(__file__).parents[2]
# About the sources or the tools, which are written for Python 3.10.
NOT_OLD: Final = frozenset({
    "api", "bench", "ci", "distribution", "fuzz", "house", "mutants", "old_pythons", "offline", "porting", "prose",
    "readme", "recipes", "recipes_stores", "stress", "typed",
})  # fmt: skip
# What differs in an old Python, and does not matter: a negative size of a chunk counts as the end of the response, and
# argparse has another heading. The others time what Python does, or wait for its signals.
DESELECTED: Final = (
    "tests/test_transport.py::test_each_fault_raises_the_expected_error[negative-chunk-size]",
    "tests/test_command_line.py::test_the_help_describes_every_command_and_option",
    "tests/test_file_store.py::test_two_writers_that_both_have_the_lock_leave_a_whole_token",
    "tests/test_file_store.py::test_a_file_is_private_before_its_first_byte",
    "tests/test_file_store.py::test_ctrl_c_during_a_write_in_place_leaves_a_whole_token",
)
SHORT: Final = ("import", "token", "cycle", "vectors", "wire", "file_store", "transport", "old_pythons")
# It needs tracemalloc, which Debian's PyPy lacks.
NOT_PYPY: Final = frozenset({"transport"})


class Result(NamedTuple):
    name: str
    what: str
    is_passed: bool
    seconds: float


def main(argv: Sequence[str]) -> int:
    """Run the tests; return 0 if all have passed."""
    is_short, names = "--short" in argv, {each for each in argv if not each.startswith("-")}
    if "--here" in argv:
        is_pypy = hasattr(sys, "pypy_version_info")
        results = [
            _tests("this", sys.executable, [], is_old=sys.version_info < (3, 10), is_pypy=is_pypy, is_short=is_pypy)
        ]
    else:
        results = [result for name, path in pythons().items() for result in _run(name, path, names, is_short=is_short)]
    print(f"\n{'Python':10} {'result':8} {'seconds':>8}  what was run")
    for each in results:
        print(f"{each.name:10} {'passed' if each.is_passed else 'FAILED':8} {each.seconds:8.0f}  {each.what}")
    missing = names - {each.name for each in results}
    if missing:
        print(f"Not run, because missing or too old: {', '.join(sorted(missing))}", file=sys.stderr)
    return 0 if results and not missing and all(each.is_passed for each in results) else 1


def _run(name: str, path: str, names: set[str], *, is_short: bool) -> Iterator[Result]:
    implementation, _, version = name.rpartition("-")
    major_minor = tuple(map(int, version.split(".")))
    if (names and name not in names) or major_minor < (3, 8):
        return
    is_pypy = implementation != ""
    is_old = major_minor < (3, 10) or is_pypy
    print(f"== Python {name}: {path}", flush=True)
    if not is_old and not is_short:
        yield _result(name, "make test", [["make", "test", f"PYTHON={path}", f"VENV=.venv-{name}"]])
        return
    folder = ROOT / f".venv-{name}"
    python = str(folder / "bin" / "python")
    make = [[path, "-m", "venv", "--clear", str(folder)]]
    yield _tests(name, python, make, is_old=is_old, is_pypy=is_pypy, is_short=is_short or is_pypy)
    client = f"'{python}' -m tests.porting.clients.python"
    yield _result(name, "the porting kit", [[sys.executable, "-m", "tests.porting", "--client", client]])


def _tests(
    name: str, python: str, before: Sequence[Sequence[str]], *, is_old: bool, is_pypy: bool, is_short: bool
) -> Result:
    every = sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("tests/test_*.py"))
    files = [f"tests/test_{each}.py" for each in SHORT] if is_short else every
    left_out = (NOT_OLD if is_old else frozenset()) | (NOT_PYPY if is_pypy else frozenset())
    chosen = [file for file in files if Path(file).stem[5:] not in left_out]
    install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    requirements = f"tests/requirements/{'old' if is_old else 'test'}.txt"
    options = [option for test in DESELECTED for option in ("--deselect", test)] if is_old else []
    commands = [
        *before,
        [*install, "-r", requirements],
        [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options, *chosen],
    ]
    what = f"{len(chosen)} of {len(every)} files of tests"
    if is_short:
        what += f": {', '.join(Path(file).stem[5:] for file in chosen)}"
    elif left_out:
        what += f"; not {', '.join(sorted(left_out))}"
    return _result(name, what, commands)


def _result(name: str, what: str, commands: Sequence[Sequence[str]]) -> Result:
    begun = monotonic()
    is_passed = all(subprocess.run(command, cwd=ROOT, check=False).returncode == 0 for command in commands)
    return Result(name, what, is_passed, monotonic() - begun)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
