# SPDX-License-Identifier: MIT
"""The table: what each thing costs, what was to be reached, and whether it is. Ends with 1 where it is not.

`python -m tests.tools.bench.table`, or with words of which a row must have one, such as `as_auth import`. With
`--peers`, what others cost, where they are installed.
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

__all__ = ["main"]

# Beside the project: a folder of temporary files may lie in memory, where a save costs nothing.
FOLDER: Final = ROOT / "build"


def main(words: Sequence[str]) -> int:
    """Print what has one of the words, or all; answer the exit status."""
    print(f"Python {sys.version.split()[0]} on {sys.platform}. Each ratio is the median of pairs measured in turns.")
    tables = [peers()] if "--peers" in words else [ratios(words), numbers(words), growth(words)]
    missed = [row.what for table in tables for row in table if row.is_missed]
    print(f"\nMissed: {'; '.join(missed)}." if missed else "\nNothing is missed.")
    return 1 if missed else 0


class Row(NamedTuple):
    """What was printed, and what became of it."""

    what: str
    is_missed: bool


def ratios(words: Sequence[str]) -> Iterator[Row]:
    """Costs, divided by their floors."""
    print(f"\n{'':31} {'ratio':>6} {'quartiles':>11} {'of the least':>13} {'at most':>8} {'costs':>8} {'floor':>8}")
    FOLDER.mkdir(exist_ok=True)
    for case in chosen(COMPARISONS, words):
        if case.prepared is zipapp and not ZIPAPP.exists():
            print(f"{case.what:31} (there is none: make zipapp)")
            continue
        with tempfile.TemporaryDirectory(dir=FOLDER) as folder, case.prepared(Path(folder)) as (cost, floor):
            found = compared(cost, floor, case.rounds)
        row = Row(case.what, case.at_most is not None and found.misses(case.at_most))
        quartiles = f"{found.low:.2f}-{found.high:.2f}"
        at_most = "" if case.at_most is None else f"{case.at_most:.2f}"
        print(
            f"{case.what:31} {found.median:6.2f} {quartiles:>11} {found.best:13.2f} {at_most:>8} "
            f"{shown(found.cost):>8} {shown(found.floor):>8}  {case.spent}; {case.floor}{mark(row)}"
        )
        if row.is_missed and case.because:
            print(textwrap.indent(textwrap.fill(f"Why: {case.because}.", 110), " " * 8))
        yield row


def numbers(words: Sequence[str]) -> Iterator[Row]:
    """What is counted, not timed."""
    print(f"\n{'':58} {'at most':>8}")
    for count in chosen(counts(), words):
        row = Row(count.what, count.at_most is not None and count.number > count.at_most)
        limit = "" if count.at_most is None else f"{count.at_most:,.0f}"
        print(f"{count.what:48} {f'{count.number:,.0f} {count.unit}'.strip():>9} {limit:>8}{mark(row)}")
        yield row


def growth(words: Sequence[str]) -> Iterator[Row]:
    """How costs grow: the exponent of the worst step, and what one costs at each size."""
    print(f"\n{'':42} {'exponent':>8} {'quartiles':>11} {'of the least':>13} {'at most':>8}")
    for case in chosen(GROWTHS, words):
        found = grown(case)
        row = Row(case.what, found.low > EXPONENT and found.best > EXPONENT)
        quartiles = f"{found.low:.2f}-{found.high:.2f}"
        each = ", ".join(f"{size}: {shown(cost)}" for size, cost in zip(case.sizes, found.each, strict=True))
        print(
            f"{case.what:42} {found.median:8.2f} {quartiles:>11} {found.best:13.2f} {EXPONENT:8.2f}"
            f"  CPU for each {case.one} at {each}{mark(row)}"
        )
        yield row


def peers() -> Iterator[Row]:
    """What others cost, and what is to be reached beside them."""
    print(f"\n{'An import, over the bare interpreter':36} {'times':>6} {'quartiles':>11} {'modules':>8}")
    for each in imports(rounds=15):
        row = Row(f"import {each.name}", each.is_missed)
        low, high = each.found.low - 1, each.found.high - 1
        print(f"{each.name:36} {each.found.median - 1:6.1f} {f'{low:.1f}-{high:.1f}':>11} {each.modules:8}{mark(row)}")
        yield row
    print(f"\n{'A header of a fresh token, to the floor':36} {'ratio':>6} {'quartiles':>11}")
    for read in reads(rounds=40):
        quartiles = f"{read.found.low:.1f}-{read.found.high:.1f}"
        print(f"{read.name:36} {read.found.median:6.1f} {quartiles:>11}          {read.statement}")


_T = TypeVar("_T", Comparison, Count, Growth)


def chosen(rows: Iterable[_T], words: Sequence[str]) -> Iterator[_T]:
    """Those that have one of the words."""
    return (row for row in rows if not words or any(word in row.what for word in words))


def mark(row: Row) -> str:
    """What is seen at the end of a line."""
    return "  MISSED" if row.is_missed else ""


def shown(seconds: float) -> str:
    """A time, or a ratio of times, in three digits."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 1e-9:.3g} ns"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
