# SPDX-License-Identifier: MIT
"""The command line of the kit."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from time import monotonic
from typing import Final

from .harness import Failure
from .report import is_passed, json_report, text_report
from .runner import Result, certify, forbidden, is_chosen, known_names, skips_of
from .scenarios import SCENARIOS
from .vector import read_vectors
from .version import NAME, VERSION, hash_of

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
    partner: str | None
    keep: Path | None
    json: bool
    list: bool


def _skip(text: str) -> tuple[str, str]:
    name, _, reason = text.partition("=")
    if not reason.strip():
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=REASON")
    if name not in known_names(read_vectors()):
        raise argparse.ArgumentTypeError(f"no level, kind, scenario or vector is named {name}")
    if required := forbidden([name]):
        raise argparse.ArgumentTypeError(f"no port may skip {required}")
    return name, reason.strip()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "porting",
        description="Certify a port: run all vectors and scenarios against its driver. DRIVER.md, beside or in "
        "this program, describes drivers.",
        epilog="Exit status: 0 passed, except what was skipped; 1 failed; 2 wrong driver or usage; 130 interrupted.",
    )
    parser.add_argument("--client", metavar="COMMAND", help='how to start the driver, such as "node my_client.js"')
    parser.add_argument(
        "--skip",
        metavar="NAME=REASON",
        type=_skip,
        action="append",
        default=[],
        help="skip a level, a scenario, a kind of vectors or a vector; the report shows the reason",
    )
    parser.add_argument(
        "--only", metavar="PATTERN", action="append", help="run only what has a matching id, such as 'file/*'"
    )
    parser.add_argument(
        "--with",
        metavar="COMMAND",
        dest="partner",
        help="how to start the driver of another port, which shares token files with this one in some scenarios",
    )
    parser.add_argument("--keep", metavar="FOLDER", type=Path, help="keep the folders of failed scenarios there")
    parser.add_argument("--version", action="version", version=f"{NAME} {VERSION} {hash_of(read_vectors())}")
    parser.add_argument("--jobs", metavar="N", type=int, help="number of scenarios to run at once")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    parser.add_argument("--list", action="store_true", help="list the ids and what they are about, and run nothing")
    return parser


def _words(command: str) -> list[str]:
    return shlex.split(command, posix=sys.platform != "win32")


def _show(text: str) -> None:
    try:
        print(text, flush=True)
    except BrokenPipeError:
        # Its reader, such as `head`, has ended. What is left must not be written again when Python exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def main(argv: Sequence[str] | None = None) -> int:
    """Run the kit, and return its exit status."""
    try:
        parser = _parser()
    except LookupError as error:
        print(error.args[0], file=sys.stderr)
        return FIX_FIRST
    arguments = parser.parse_args(argv, namespace=_Arguments())
    only = arguments.only or ["*"]
    whys = {**{each.id: each.why for each in read_vectors()}, **{each.id: each.why for each in SCENARIOS}}
    for pattern in only:
        if not any(is_chosen(name, [pattern]) for name in whys):
            group = f"{pattern}/*"
            meant = f"; perhaps {shlex.quote(group)}" if any(is_chosen(name, [group]) for name in whys) else ""
            parser.error(f"no id matches --only {shlex.quote(pattern)}{meant}; --list shows all ids")
    if arguments.list:
        _show("\n".join(f"{name}\n    {why}" for name, why in whys.items() if is_chosen(name, only)))
        return PASSED
    if arguments.client is None:
        parser.error("--client is required: how to start the driver of the port")
    started = monotonic()
    command, partner = _words(arguments.client), _words(arguments.partner or "")
    try:
        skips = {**skips_of(command), **dict(arguments.skip)}
    except (Failure, OSError) as error:
        print(f"The driver cannot be used: {arguments.client}", file=sys.stderr)
        print(f"  {error if isinstance(error, OSError) else f'expected  {error.expected}'}", file=sys.stderr)
        if isinstance(error, Failure):
            print(f"  actual    {error.actual}", file=sys.stderr)
        return FIX_FIRST
    on_terminal = sys.stderr.isatty()
    done = 0

    def progress(result: Result) -> None:
        nonlocal done
        done += 1
        if on_terminal:
            print(f"{done} done, last {result.id:<80.80}", end="\r", file=sys.stderr, flush=True)

    try:
        results = certify(
            command,
            skips=skips,
            only=only,
            partner=partner,
            keep=arguments.keep,
            jobs=arguments.jobs,
            progress=progress,
        )
    except KeyboardInterrupt:
        print("\nInterrupted.", file=sys.stderr)
        return INTERRUPTED
    finally:
        if on_terminal:
            print(" " * 110, end="\r", file=sys.stderr, flush=True)
    if arguments.json:
        _show(json_report(arguments.client, results))
    else:
        _show(text_report(arguments.client, results, monotonic() - started))
    return PASSED if is_passed(results) else FAILED
