# SPDX-License-Identifier: MIT
"""Certify the clients of the porting kit, and check what the kit publishes: `make certify`.

    python -m tests.tools.certify            # every client whose language is installed
    python -m tests.tools.certify node go    # these

Needs the packages of `tests/requirements/certify.txt`. Each client is run beside the library's own, as its partner.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic
from typing import Final

from jsonschema import Draft202012Validator

from tests.porting.clients.planted import BREAKS as PLANTED
from tests.porting.clients.planted import Language
from tests.porting.report import is_passed, json_report, text_report
from tests.porting.runner import certify, skips_of

__all__ = ["CLIENTS", "main", "problems"]

ROOT: Final = Path(__file__).parents[2]
KIT: Final = ROOT / "tests" / "porting"
OURS: Final = (sys.executable, "-m", "tests.porting.clients.python")
CLIENTS: Final[Mapping[str, Language | None]] = {"python": None, **{each.name: each for each in PLANTED}}


def problems(schema: Mapping[str, object], document: object) -> Iterator[str]:
    """Return what is wrong with a document, by its schema."""
    Draft202012Validator.check_schema(schema)
    for error in Draft202012Validator(schema).iter_errors(document):
        yield f"{error.json_path}: {error.message[:200]}"


def _schema(name: str) -> Mapping[str, object]:
    schema: Mapping[str, object] = json.loads((KIT / "schemas" / name).read_text("utf-8"))
    return schema


def _check_vectors() -> int:
    schema, wrong = _schema("vectors.json"), 0
    for path in sorted((KIT / "vectors").glob("*.json")):
        for problem in problems(schema, json.loads(path.read_text("utf-8"))):
            wrong += 1
            print(f"{path.name}: {problem}")
    return wrong


def main(names: Sequence[str]) -> int:
    """Certify these clients, or all; return 0 if each passes every level."""
    wrong = _check_vectors()
    for name, language in CLIENTS.items():
        if names and name not in names:
            continue
        if language is not None and language.missing:
            print(f"{name}: not certified, because {name} is not installed\n")
            continue
        started = monotonic()
        with TemporaryDirectory(prefix="certify-") as folder:
            command = OURS if language is None else language.plant(None, Path(folder))
            results = certify(command, skips=skips_of(command), partner=OURS)
        print(text_report(name, results, monotonic() - started), end="\n\n", flush=True)
        report = list(problems(_schema("report.json"), json.loads(json_report(name, results))))
        for problem in report:
            print(f"the report of {name}: {problem}")
        wrong += len(report) + (not is_passed(results))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
