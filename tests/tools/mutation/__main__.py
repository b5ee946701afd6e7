# SPDX-License-Identifier: MIT
"""Break the package with mutmut, tell how many of its mutants the tests notice, and name those that they do not.

`survivors.txt` lists the mutants that no test can tell from the original, each under the reason why. One that survives
and is not listed fails the run, and so does one that is listed and does not survive.

mutmut changes what stands in functions and methods. It leaves alone: tables and patterns at the top of a module, the
bodies of classes (so `models` has no mutants at all), f-strings, and functions with a decorator, such as properties.
Those are broken by hand, in `tests/porting/clients/python/breaks.py`. It runs the tests in forks of one process, so
tests that start processes of their own, or that read the sources, take no part: see `pyproject.toml`.

Not counted are the mutants that change nothing but the wording of a sentence, in capitals or with an XX: a test that
noticed each would fix every message and help text to the letter.
"""

from __future__ import annotations

import argparse
import difflib
import io
import json
import re
import shutil
import subprocess
import sys
import tokenize
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple

ROOT: Final = Path(__file__).parents[3]
MUTANTS: Final = ROOT / "mutants"
SURVIVORS: Final = Path(__file__).parent / "survivors.txt"

# Of the whole package, in percent; and where nothing but what is listed may survive, which is everywhere.
_ENOUGH: Final = 95.0
# What pytest ends with, and what a process does that is ended because it takes too long. `None`: not run.
_FATES: Final[Mapping[object, str]] = {
    0: "survived",
    5: "survived",
    33: "survived",  # no test calls the function
    1: "killed",
    3: "killed",
    **dict.fromkeys((-24, -9, 24, 36, 152, 255), "timed out"),
}


class Mutant(NamedTuple):
    """One small break: in which function, what became of it, and the lines that differ."""

    module: str
    function: str
    fate: str
    change: tuple[str, ...]
    is_wording: bool

    @property
    def listing(self) -> str:
        """How the list of survivors names it."""
        return "\n".join((f"{self.module}.{self.function}", *self.change))


def _object(path: Path) -> Mapping[str, object]:
    read: object = json.loads(path.read_text("utf-8"))
    assert isinstance(read, dict)
    return read


def _mutants(module: str) -> Iterator[Mutant]:
    source = MUTANTS / "ytmusic_oauth" / f"{module}.py"
    fates, spans = _object(source.with_suffix(".py.meta"))["exit_code_by_key"], _object(source.with_suffix(".py.spans"))
    lines = source.read_text("utf-8").splitlines(keepends=True)
    assert isinstance(fates, dict)

    def code(name: str) -> list[str]:
        where = spans["spans"]
        assert isinstance(where, dict)
        start, end = where[name]
        return [line.replace(name, "f", 1) for line in lines[start - 1 : end]]

    for key, fate in fates.items():
        name = key.rpartition(".")[2]
        original = name.rpartition("__mutmut_")[0]
        old, new = code(f"{original}__mutmut_orig"), code(name)
        differ = [line for line in difflib.ndiff(old, new) if line[0] in "-+"]
        change = tuple(f"{line[0]} {line[2:].strip()}" for line in differ)
        function = original[2:].replace("ǁ", ".")  # x_function, xǁClassǁmethod
        yield Mutant(module, function, _FATES.get(fate, f"ended with {fate}"), change, _is_wording(old, new))


def _is_wording(old: list[str], new: list[str]) -> bool:
    """Whether all that differs is one string, of several words, in its case or by an XX at its ends."""

    def tokens(code: list[str]) -> list[str]:
        return [token.string for token in tokenize.generate_tokens(io.StringIO("if 1:\n" + "".join(code)).readline)]

    if len(before := tokens(old)) != len(after := tokens(new)):
        return False
    differ = [(one, other) for one, other in zip(before, after, strict=True) if one != other]
    if len(differ) != 1 or not re.search(r"\w[,.:;)]? \w", differ[0][0]):
        return False
    one, other = differ[0]
    return one.lower() == other.lower().replace("xx", "") or one.lower() == other.lower()


def _listed() -> Mapping[str, str]:
    """The survivors that are known, each with the reason why."""
    known: dict[str, str] = {}
    for block in SURVIVORS.read_text("utf-8").split("\n\n"):
        reason, *lines = [line for line in block.splitlines() if not line.startswith("#")] or [""]
        for entry in re.split(r"\n(?![-+])", "\n".join(lines)):
            if entry:
                known[entry] = reason
    return known


def main() -> int:
    """Run mutmut, and judge what it found."""
    parser = argparse.ArgumentParser(
        "python -m tests.tools.mutation", description=(__doc__ or "").split("\n", maxsplit=1)[0]
    )
    parser.add_argument("modules", nargs="*", help="break these alone, and keep what is known of the others")
    parser.add_argument("--found", action="store_true", help="run nothing: judge what the last run found")
    arguments = parser.parse_args()
    if not arguments.found:
        if not arguments.modules:
            shutil.rmtree(MUTANTS, ignore_errors=True)
        for module in arguments.modules:  # or mutmut tries none again whose function has not changed
            for known in (MUTANTS / "ytmusic_oauth").glob(f"{module}.py*"):
                known.unlink()
        patterns = [f"ytmusic_oauth.{module}.*" for module in arguments.modules]
        subprocess.run([sys.executable, "-m", "mutmut", "run", *patterns], cwd=ROOT, check=True)
    modules = arguments.modules or [path.stem for path in sorted((ROOT / "ytmusic_oauth").glob("*.py"))]
    return _judged([mutant for module in modules for mutant in _mutants(module)], frozenset(modules))


def _judged(mutants: list[Mutant], modules: frozenset[str]) -> int:
    known = {entry: why for entry, why in _listed().items() if entry.partition(".")[0] in modules}
    counted = [mutant for mutant in mutants if not mutant.is_wording]
    unknown = [mutant for mutant in counted if mutant.fate not in {"killed", "timed out"}]
    survivors = {mutant.listing for mutant in unknown}
    unknown = [mutant for mutant in unknown if mutant.listing not in known]
    for mutant in unknown:
        print(f"\n{mutant.fate}, and not listed:\n{mutant.listing}")
    stale = sorted(known.keys() - survivors)
    for entry in stale:
        print(f"\nlisted, and not among the survivors:\n{entry}")

    print(f"\n{'':12} mutants  killed  timed out  survived   noticed   wording (not counted)")
    enough = True
    for module in (*sorted(modules), "all"):
        some = [mutant for mutant in counted if module in {mutant.module, "all"}]
        fates = Counter(mutant.fate for mutant in some)
        killed, late = fates["killed"], fates["timed out"]
        share = 100 * (killed + late) / len(some) if some else 100.0
        words = sum(mutant.is_wording for mutant in mutants if module in {mutant.module, "all"})
        print(f"{module:12} {len(some):7} {killed:7} {late:10} {len(some) - killed - late:9} {share:8.1f} % {words:6}")
        enough = module != "all" or share >= _ENOUGH
    print(
        f"{len(survivors)} survivors, {len(unknown)} of them without a reason; {len(stale)} reasons without a survivor"
    )
    return 0 if enough and not unknown and not stale else 1


if __name__ == "__main__":
    sys.exit(main())
