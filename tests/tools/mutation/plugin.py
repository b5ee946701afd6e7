# SPDX-License-Identifier: MIT
"""A pytest plugin that tries the mutants of one module: pytest collects the tests once, and each mutant gets a fork.

The first fork has no mutant. It tells how long each test takes, and through which functions it comes. A mutant is tried
with the tests that come through its function: first with those that caught others, then the quick ones first. The first
test that fails ends the fork.

A test that starts a process is skipped: the mutant exists in this process alone.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple, NoReturn

import pytest

from tests.posix import SIGKILL, fork, setpgid

__all__ = ["CODES", "Passed", "pytest_addoption", "pytest_runtestloop"]

# What mutmut's files hold for each fate. None: the mutant was not tried.
CODES: Final[Mapping[str, int]] = {"survived": 0, "killed": 1, "timed out": -24, "not reached": 33}
# mutmut's name for the run without a mutant, and how many seconds a test may take in it.
_CONTROL: Final = "stats"
_CONTROL_LIMIT: Final = 120.0


class Passed(NamedTuple):
    """A test that passed: how many seconds it took, and through which functions it came."""

    seconds: float
    functions: Sequence[str]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Which mutants to try."""
    group = parser.getgroup("make mutants")
    group.addoption("--mutants-of", metavar="MODULE", required=True)
    group.addoption("--survivors", action="store_true", help="leave out those that were killed")


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool:
    """Try each mutant of the module, and write its fate to mutmut's file."""
    module: str = session.config.getoption("--mutants-of")
    only_survivors: bool = session.config.getoption("--survivors")
    found = Path("ytmusic_oauth", f"{module}.py.meta")
    kept: dict[str, object] = json.loads(found.read_text("utf-8"))
    codes = kept["exit_code_by_key"]
    assert isinstance(codes, dict)
    if session.testsfailed:
        raise pytest.UsageError("the tests cannot be collected")
    items, begun = session.items, time.monotonic()
    passed, late = _fork(_CONTROL, items, [_CONTROL_LIMIT] * len(items))
    if len(passed) < len(items):
        raise pytest.UsageError(f"{items[len(passed)].nodeid} {'hangs' if late else 'fails'} without a mutant")

    took = {item: done.seconds for item, done in zip(items, passed, strict=True)}
    tests: dict[str, list[pytest.Item]] = {}
    for item, done in zip(items, passed, strict=True):
        for function in done.functions:
            tests.setdefault(function, []).append(item)
    kills: Counter[tuple[str, pytest.Item]] = Counter()
    tried = [mutant for mutant, code in codes.items() if not (only_survivors and code == CODES["killed"])]
    for number, mutant in enumerate(tried, 1):
        function = mutant.rpartition("__mutmut_")[0]
        order = sorted(tests.get(function, []), key=lambda item: (-kills[function, item], -kills["", item], took[item]))
        passed, late = _fork(mutant, order, [5 + 10 * took[item] for item in order])
        fate = "timed out" if late else "killed" if len(passed) < len(order) else "survived" if order else "not reached"
        if fate == "killed":
            kills.update({(function, order[len(passed)]): 1, ("", order[len(passed)]): 1})
        codes[mutant] = CODES[fate]
        if number % 20 == 0 or number == len(tried):
            found.write_text(json.dumps(kept, indent=4), "utf-8")
    print(f"\n{module}: {len(tried)} mutants, {len(items)} tests, {time.monotonic() - begun:.0f} s", file=sys.stderr)
    return True


def _fork(mutant: str, items: Sequence[pytest.Item], limits: Sequence[float]) -> tuple[Sequence[Passed], bool]:
    """Run tests with a mutant until one does not pass. Returns what passed, and whether the next exceeded its limit."""
    sys.stdout.flush()
    reading, writing = os.pipe()
    process = fork()
    if process == 0:
        setpgid(0, 0)  # a test may send signals to its group
        status = 1
        try:
            for line in _run(mutant, items):
                os.write(writing, line)
            status = 0
        finally:
            os._exit(status)
    os.close(writing)
    passed: list[Passed] = []
    late = False
    with open(reading, "rb", buffering=0) as lines:
        for limit in limits:
            late = not select.select([lines], [], [], limit)[0]
            line = b"" if late else lines.readline()
            if not line:
                break
            passed.append(Passed(*json.loads(line)))
    os.kill(process, SIGKILL)
    os.waitpid(process, 0)
    return passed, late


def _run(mutant: str, items: Sequence[pytest.Item]) -> Iterator[bytes]:
    """Run tests until one fails. Yields a line for each that passes."""
    from mutmut.mutation import trampoline

    functions: set[str] = set()
    trampoline.set_mutant_under_test(mutant)
    trampoline.record_trampoline_hit = lambda name, caller=None: functions.add(name)
    for item, following in zip(items, [*items[1:], None], strict=True):
        functions.clear()
        begun = time.monotonic()
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        if item.session.testsfailed:
            return
        yield json.dumps(Passed(time.monotonic() - begun, sorted(functions))).encode() + b"\n"


@pytest.fixture(autouse=True)
def _no_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    def skip(*_: object, **__: object) -> NoReturn:
        pytest.skip("a mutant exists in one process")

    monkeypatch.setattr(subprocess, "Popen", skip)
    monkeypatch.setattr(os, "fork", skip, raising=False)


@pytest.fixture(autouse=True)
def _trampolines_are_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide the functions of mutmut, through which it calls ours: a warning names the first line outside the package."""
    if trampolines := sys.modules.get("mutmut.mutation.trampoline"):
        monkeypatch.setattr(trampolines, "__package__", "ytmusic_oauth")
