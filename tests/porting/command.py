# SPDX-License-Identifier: MIT
"""What can be asked of the kit, and what it answers."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from contextlib import suppress
from time import monotonic
from typing import Final

from .report import for_machines, for_people, is_passed
from .runner import Result, certify, known_names, skips_of
from .scenarios import SCENARIOS
from .stage import Wrong
from .vector import read_vectors

__all__ = ["main"]

PASSED: Final = 0
FAILED: Final = 1
FIX_FIRST: Final = 2
INTERRUPTED: Final = 130


class _Arguments(argparse.Namespace):
    client: str | None
    skip: Sequence[tuple[str, str]]
    only: Sequence[str]
    jobs: int | None
    json: bool
    list: bool


def _skip(text: str) -> tuple[str, str]:
    what, _, reason = text.partition("=")
    if not reason.strip():
        raise argparse.ArgumentTypeError(f"{text!r} is not WHAT=REASON")
    if what not in known_names(read_vectors()):
        raise argparse.ArgumentTypeError(f"there is no level, no scenario and no vector of the name {what}")
    return what, reason.strip()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "porting",
        description="Certifies a port: puts all vectors and scenarios to its driver (see DRIVER.md).",
        epilog="Exit status: 0 passed, but for what was skipped; 1 failed; 2 wrong driver or usage; 130 interrupted.",
    )
    parser.add_argument("--client", metavar="COMMAND", help='how the driver is started, such as "node my_client.js"')
    parser.add_argument(
        "--skip",
        metavar="WHAT=REASON",
        type=_skip,
        action="append",
        default=[],
        help="leave out a level, a scenario, a kind of vectors or a vector; the report shows the reason",
    )
    parser.add_argument(
        "--only", metavar="PATTERN", action="append", help="ask only those with such an id, for example 'file/*'"
    )
    parser.add_argument("--jobs", metavar="N", type=int, help="so many scenarios at once")
    parser.add_argument("--json", action="store_true", help="a report for machines")
    parser.add_argument("--list", action="store_true", help="list all ids and what they are about, and ask nothing")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the kit, and return its exit status."""
    parser = _parser()
    arguments = parser.parse_args(argv, namespace=_Arguments())
    if arguments.list:
        with suppress(BrokenPipeError):
            for name, why in [
                *((vector.id, vector.why) for vector in read_vectors()),
                *((scenario.id, scenario.why) for scenario in SCENARIOS),
            ]:
                print(f"{name}\n    {why}")
        return PASSED
    if arguments.client is None:
        parser.error("--client is needed: how the driver of the port is started")
    started = monotonic()
    command = shlex.split(arguments.client, posix=sys.platform != "win32")
    try:
        skips = {**skips_of(command), **dict(arguments.skip)}
    except (Wrong, OSError) as error:
        print(f"The driver cannot be used: {arguments.client}", file=sys.stderr)
        print(f"  {error if isinstance(error, OSError) else f'expected  {error.expected}'}", file=sys.stderr)
        if isinstance(error, Wrong):
            print(f"  came      {error.came}", file=sys.stderr)
        return FIX_FIRST
    on_terminal = sys.stderr.isatty()
    done = 0

    def progress(result: Result) -> None:
        nonlocal done
        done += 1
        if on_terminal:
            print(f"{done} asked, the last one {result.id:<80.80}", end="\r", file=sys.stderr, flush=True)

    try:
        results = certify(command, skips=skips, only=arguments.only or ["*"], jobs=arguments.jobs, progress=progress)
    except KeyboardInterrupt:
        print("\nInterrupted.", file=sys.stderr)
        return INTERRUPTED
    finally:
        if on_terminal:
            print(" " * 110, end="\r", file=sys.stderr, flush=True)
    if not results:
        parser.error("nothing has such an id; --list shows them all")
    if arguments.json:
        print(for_machines(arguments.client, results))
    else:
        print(for_people(arguments.client, results, monotonic() - started))
    return PASSED if is_passed(results) else FAILED
