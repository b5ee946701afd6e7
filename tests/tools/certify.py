# SPDX-License-Identifier: MIT
"""Certify the clients of the porting kit, and check what the kit publishes: `make certify`.

    python -m tests.tools.certify            # every client whose language is installed
    python -m tests.tools.certify node go    # these

Needs the packages of `tests/requirements/certify.txt`. Each client is run beside the library's own, as its partner.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Final

from jsonschema import Draft202012Validator

from tests.porting.report import is_passed, json_report, text_report
from tests.porting.runner import certify, skips_of

__all__ = ["CLIENTS", "Client", "main", "problems"]

ROOT: Final = Path(__file__).parents[2]
KIT: Final = ROOT / "tests" / "porting"
CLIENTS_FOLDER: Final = KIT / "clients"
GO_CLIENT: Final = ROOT / "build" / "go-client"
OURS: Final = (sys.executable, "-m", "tests.porting.clients.python")


@dataclass(frozen=True)
class Client:
    """A client of the kit: how it is built and started, and the program that both need."""

    name: str
    needs: str
    command: Sequence[str]
    folder: Path = ROOT
    build: Sequence[str] = ()

    @property
    def missing(self) -> bool:
        """Whether it cannot be run here."""
        return shutil.which(self.needs) is None

    def make(self) -> None:
        """Build it. Raises `CalledProcessError`."""
        if self.build:
            subprocess.run(self.build, cwd=self.folder, check=True, env={**os.environ, "CGO_ENABLED": "0"})


CLIENTS: Final = (
    Client("python", sys.executable, OURS),
    Client("node", "node", ("node", str(CLIENTS_FOLDER / "node" / "client.mjs"))),
    Client(
        "go",
        "go",
        (str(GO_CLIENT),),
        CLIENTS_FOLDER / "go",
        ("go", "build", "-trimpath", "-o", str(GO_CLIENT), "."),
    ),
)


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
    for client in CLIENTS:
        if names and client.name not in names:
            continue
        if client.missing:
            print(f"{client.name}: not certified, because {client.needs} is not installed\n")
            continue
        client.make()
        started = monotonic()
        results = certify(client.command, skips=skips_of(client.command), partner=OURS)
        print(text_report(client.name, results, monotonic() - started), end="\n\n", flush=True)
        report = list(problems(_schema("report.json"), json.loads(json_report(client.name, results))))
        for problem in report:
            print(f"the report of {client.name}: {problem}")
        wrong += len(report) + (not is_passed(results))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
