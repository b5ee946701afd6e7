# SPDX-License-Identifier: MIT
"""Mutation testing: mutmut changes the package in thousands of small ways, and the tests must catch each of them.

    python -m tests.tools.mutation [--survivors | --found] [MODULE ...]

Prints how many mutants the tests catch and names the survivors. `survivors.txt` lists the mutants that no test can tell
from the original, each with the reason. The run fails if a mutant survives without a reason, or if a listed one does
not survive. `changes` says how a mutant is named, `selection` which tests must catch it, `plugin` how it is tried.

mutmut changes the bodies of functions and methods. It leaves alone: tables and patterns at the top of a module, the
bodies of classes (so `models` has no mutants), the text of f-strings, and functions with a decorator, such as
properties. The porting kit breaks those: `make kit-bites`.

Not counted are the mutants that only change the wording of a sentence, in capitals or with an XX: a test that caught
each of them would hold every message and help text to the letter.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from pathlib import Path
from typing import Final, NamedTuple

from .changes import changed, names
from .plugin import CODES
from .selection import TESTS

__all__ = ["Mutant", "judge", "known_survivors", "main"]

ROOT: Final = Path(__file__).parents[3]
MUTANTS: Final = ROOT / "mutants"
SURVIVORS: Final = Path(__file__).parent / "survivors.txt"

# The share of all mutants that must be caught, in percent.
ENOUGH: Final = 98.0
_FATES: Final[Mapping[object, str]] = {code: fate for fate, code in CODES.items()}


class Mutant(NamedTuple):
    """One small change of the package, and what the tests made of it."""

    module: str
    name: str
    fate: str
    is_wording: bool = False

    @property
    def is_caught(self) -> bool:
        """Whether a test fails, or does not end, with this mutant."""
        return self.fate in {"killed", "timed out"}


def main() -> int:
    """Make mutants, try them, and judge the results."""
    parser = argparse.ArgumentParser("python -m tests.tools.mutation", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("modules", nargs="*", help="mutate only these, and keep the results of the others")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--survivors", action="store_true", help="try only those again that the last run did not kill")
    which.add_argument("--found", action="store_true", help="try nothing: judge the results of the last run")
    arguments = parser.parse_args()
    modules = arguments.modules or [path.stem for path in sorted((ROOT / "ytmusic_oauth").glob("*.py"))]
    if not arguments.found and not _run(modules, only_survivors=arguments.survivors):
        return 1
    found = [mutant for module in modules for mutant in _mutants(module)]
    return judge(found, known_survivors(), modules, enough=0.0 if arguments.modules else ENOUGH)


def _run(modules: Sequence[str], *, only_survivors: bool) -> bool:
    """Make mutants and try them, as many modules at once as there are processors. Returns whether all were tried."""
    from mutmut.__main__ import copy_also_copy_files, copy_src_dir, create_mutants
    from mutmut.mutation.trampoline import set_mutant_under_test

    os.chdir(ROOT)
    set_mutant_under_test("mutant_generation")
    with contextlib.redirect_stdout(None):
        copy_src_dir()
        copy_also_copy_files()
        create_mutants(1)
    options = ["--survivors"] if only_survivors else []

    def tried(module: str) -> bool:
        tests = [f"tests/test_{each}.py" for each in TESTS.get(module, "").split()]
        command = [sys.executable, "-m", "pytest", "-x", "-q", "--rootdir=.", "-p", "no:cacheprovider"]
        command += ["-p", "tests.tools.mutation.plugin", f"--mutants-of={module}", *options, *tests]
        with (MUTANTS / f"{module}.log").open("w+") as log:
            environment = {**os.environ, "MUTANT_UNDER_TEST": "", "PY_IGNORE_IMPORTMISMATCH": "1"}
            status = subprocess.run(command, cwd=MUTANTS, env=environment, stdout=log, check=False).returncode
        if status:
            print(f"{module}: not tried; {MUTANTS.name}/{module}.log tells why", file=sys.stderr)
        return status == 0

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return all([*pool.map(tried, [module for module in modules if module in TESTS])])


def _object(path: Path) -> Mapping[str, object]:
    read: object = json.loads(path.read_text("utf-8"))
    assert isinstance(read, dict)
    return read


def _mutants(module: str) -> Iterator[Mutant]:
    source = MUTANTS / "ytmusic_oauth" / f"{module}.py"
    fates, spans = _object(source.with_suffix(".py.meta"))["exit_code_by_key"], _object(source.with_suffix(".py.spans"))
    lines = source.read_text("utf-8").splitlines(keepends=True)
    assert isinstance(fates, dict)

    def code(name: str) -> str:
        where = spans["spans"]
        assert isinstance(where, dict)
        start, end = where[name]
        return "".join(line.replace(name, "f", 1) for line in lines[start - 1 : end])

    # mutmut names a mutant x_function__mutmut_1, or xǁClassǁmethod__mutmut_1.
    for function, keys in groupby(fates, lambda key: str(key).rpartition(".")[2].rpartition("__mutmut_")[0]):
        some = list(keys)
        original = code(f"{function}__mutmut_orig")
        changes = [changed(original, code(key.rpartition(".")[2])) for key in some]
        for key, change, name in zip(some, changes, names(changes), strict=True):
            fate = _FATES.get(fates[key], "not tried")
            yield Mutant(module, f"{module}.{function[2:].replace('ǁ', '.')}: {name}", fate, change.is_wording)


def known_survivors(listed: str | None = None) -> Mapping[str, str]:
    """The mutants of `survivors.txt`, each with its reason. Raises `ValueError` for one without."""
    known: dict[str, str] = {}
    for block in (SURVIVORS.read_text("utf-8") if listed is None else listed).split("\n\n"):
        reason, *mutants = [line for line in block.splitlines() if not line.startswith("#")] or [""]
        if " -> " in reason or not all(re.match(r"\w+\.[\w.]+: .+ -> ", mutant) for mutant in mutants):
            raise ValueError(f"a block is a reason and mutants, one a line: {block}")
        known.update(dict.fromkeys(mutants, reason))
    return known


def judge(mutants: Sequence[Mutant], known: Mapping[str, str], modules: Sequence[str], *, enough: float) -> int:
    """Print the results of some modules. Returns the exit status."""
    counted = [mutant for mutant in mutants if not mutant.is_wording]
    survivors = {mutant.name: mutant.fate for mutant in counted if not mutant.is_caught}
    unknown = survivors.keys() - known.keys()
    stale = {name for name in known if name.partition(".")[0] in modules} - survivors.keys()
    for name in sorted(unknown):
        print(f"{survivors[name]}, and not listed: {name}")
    for name in sorted(stale):
        print(f"listed, and not a survivor: {name}")

    print(f"\n{'':16} mutants  killed  timed out  survived    caught   wording (not counted)")
    share = 100.0
    for module in (*modules, "all"):
        some = [mutant for mutant in counted if module in {mutant.module, "all"}]
        fates = Counter(mutant.fate for mutant in some)
        killed, late = fates["killed"], fates["timed out"]
        share = 100 * (killed + late) / len(some) if some else 100.0
        words = sum(mutant.is_wording for mutant in mutants if module in {mutant.module, "all"})
        print(f"{module:16} {len(some):7} {killed:7} {late:10} {len(some) - killed - late:9} {share:7.1f} % {words:7}")
    print(f"{len(survivors)} survivors, {len(unknown)} without a reason; {len(stale)} reasons without a survivor")
    return 0 if share >= enough and not unknown and not stale else 1


if __name__ == "__main__":
    sys.exit(main())
