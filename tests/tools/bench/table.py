# SPDX-License-Identifier: MIT
"""Print each measurement, its limit, and whether it was exceeded. Exits with 1 if one was, with 2 for an unknown word.

python -m tests.tools.bench.table [WORD ...]   # only rows that have one of the words: as_auth import
python -m tests.tools.bench.table --peers      # the other libraries that are installed
"""

from __future__ import annotations

import sys
import tempfile
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

from tests.tools.bench.cases import COMPARISONS, ZIPAPP, Comparison, Count, counts, zipapp
from tests.tools.bench.growth import EXPONENT, GROWTHS, Growth, grown
from tests.tools.bench.measuring import ROOT, compared
from tests.tools.bench.peers import imports, reads
from tests.tools.bench.waiting import WAITINGS, Waiting, waited

__all__ = ["main"]

# On the project's own disk: the system's temporary folder may be in memory, where a save costs nothing.
FOLDER: Final = ROOT / "build"


def main(words: Sequence[str]) -> int:
    """Print the rows that have one of the words, or all. Returns the exit status."""
    print(f"Python {sys.version.split()[0]} on {sys.platform}. Each ratio is the median of pairs that took turns.")
    tables = [peers()] if "--peers" in words else [ratios(words), numbers(words), growth(words), waiting(words)]
    rows = [row for table in tables for row in table]
    unknown = [word for word in words if word != "--peers" and not any(word in row.name for row in rows)]
    if unknown:
        print(f"\nNo case has this in its name: {', '.join(unknown)}.")
        return 2
    exceeded = [row.name for row in rows if row.is_exceeded]
    print(f"\nOver the limit: {'; '.join(exceeded)}." if exceeded else "\nEverything is within its limit.")
    return 1 if exceeded else 0


class Row(NamedTuple):
    """A row that was printed."""

    name: str
    is_exceeded: bool


def ratios(words: Sequence[str]) -> Iterator[Row]:
    """Costs, divided by their floors."""
    title = f"{'':31} {'ratio':>6} {'quartiles':>11} {'of fastest':>13} {'limit':>8} {'cost':>8} {'floor':>8}"
    FOLDER.mkdir(exist_ok=True)
    for case in chosen(COMPARISONS, words, title):
        if case.prepare is zipapp and not ZIPAPP.exists():
            print(f"{case.name:31} (not built: make zipapp)")
            yield Row(case.name, is_exceeded=False)
            continue
        with tempfile.TemporaryDirectory(dir=FOLDER) as folder, case.prepare(Path(folder)) as (cost, floor):
            found = compared(cost, floor, case.rounds)
        row = Row(case.name, case.limit is not None and found.exceeds(case.limit))
        quartiles = f"{found.low:.2f}-{found.high:.2f}"
        limit = "" if case.limit is None else f"{case.limit:.2f}"
        print(
            f"{case.name:31} {found.median:6.2f} {quartiles:>11} {found.best:13.2f} {limit:>8} "
            f"{shown(found.cost):>8} {shown(found.floor):>8}  {case.unit}; floor: {case.floor}{mark(row)}"
        )
        explain(row, case.reason)
        yield row


def numbers(words: Sequence[str]) -> Iterator[Row]:
    """What is counted, not timed."""
    for count in chosen(counts(), words, f"{'':58} {'limit':>8}"):
        row = Row(count.name, count.limit is not None and count.number > count.limit)
        limit = "" if count.limit is None else f"{count.limit:,.0f}"
        print(f"{count.name:48} {f'{count.number:,.0f} {count.unit}'.strip():>9} {limit:>8}{mark(row)}")
        explain(row, count.reason)
        yield row


def growth(words: Sequence[str]) -> Iterator[Row]:
    """How costs grow: the exponent of the worst step, and the cost per unit at each size."""
    title = f"{'':42} {'exponent':>8} {'quartiles':>11} {'of fastest':>13} {'limit':>8}"
    for case in chosen(GROWTHS, words, title):
        found = grown(case)
        row = Row(case.name, found.low > EXPONENT and found.best > EXPONENT)
        quartiles = f"{found.low:.2f}-{found.high:.2f}"
        each = ", ".join(f"{size}: {shown(cost)}" for size, cost in zip(case.sizes, found.costs, strict=True))
        print(
            f"{case.name:42} {found.median:8.2f} {quartiles:>11} {found.best:13.2f} {EXPONENT:8.2f}"
            f"  CPU time for each {case.unit} at {each}{mark(row)}"
        )
        yield row


def waiting(words: Sequence[str]) -> Iterator[Row]:
    """Who waits for a refresh."""
    for case in chosen(WAITINGS, words, "Reads that took more than 50 ms, with a server that takes 1 s"):
        with tempfile.TemporaryDirectory(dir=FOLDER) as folder:
            found = waited(case, Path(folder))
        row = Row(case.name, found.slow > case.limit * found.refreshes)
        print(
            f"{case.name:42} {found.slow} of {found.reads:,} in {found.refreshes} refreshes; "
            f"limit: {case.limit} for each{mark(row)}"
        )
        yield row


def peers() -> Iterator[Row]:
    """The other libraries' costs."""
    print(f"\n{'Import, relative to starting Python':36} {'times':>6} {'quartiles':>11} {'modules':>8}")
    for each in imports(rounds=15):
        row = Row(f"import {each.name}", each.is_exceeded)
        low, high = each.found.low - 1, each.found.high - 1
        print(f"{each.name:36} {each.found.median - 1:6.1f} {f'{low:.1f}-{high:.1f}':>11} {each.modules:8}{mark(row)}")
        yield row
    print(f"\n{'Header of a fresh token, over its floor':36} {'ratio':>6} {'quartiles':>11}")
    for read in reads(rounds=40):
        quartiles = f"{read.found.low:.1f}-{read.found.high:.1f}"
        print(f"{read.name:36} {read.found.median:6.1f} {quartiles:>11}          {read.statement}")


_T = TypeVar("_T", Comparison, Count, Growth, Waiting)


def chosen(rows: Iterable[_T], words: Sequence[str], title: str) -> Iterator[_T]:
    """The rows that have one of the words. Prints the title before the first one."""
    for row in rows:
        if not words or any(word in row.name for word in words):
            if title:
                print(f"\n{title}")
            title = ""
            yield row


def mark(row: Row) -> str:
    """What the end of a line shows."""
    return "  OVER THE LIMIT" if row.is_exceeded else ""


def explain(row: Row, reason: str) -> None:
    """Print why a limit is exceeded, if that is known."""
    if row.is_exceeded and reason:
        print(textwrap.indent(textwrap.fill(f"Why: {reason}.", 110), " " * 8))


def shown(seconds: float) -> str:
    """A time in three digits."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 1e-9:.3g} ns"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
