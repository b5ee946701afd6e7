# SPDX-License-Identifier: MIT
"""Types with the real packages in place of the slices in `typings/`, and by another checker."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.interop.conftest import NODE_MODULES, ROOT, found
from tests.test_typed import errors_of, marked

ON = ["requests", "httpx", "httpx2", "ytmusicapi", "flask", "werkzeug", "authlib"]
SETTINGS = ["--config-file", "tests/interop/mypy.ini"]


def run(*command: str, folder: Path = ROOT, **environment: str) -> str:
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
    return done.stdout


def pyright(*options: str, folder: Path = ROOT) -> dict[str, dict[str, object]]:
    node, program = found("node"), NODE_MODULES / "pyright" / "index.js"
    if not program.exists():
        pytest.skip("npm installed nothing")
    command = [node, str(program), "--pythonpath", sys.executable, "--outputjson", *options]
    told = run(*command, folder=folder, PYTHONPATH=str(ROOT))
    report: object = json.loads(told)
    assert isinstance(report, dict)
    return report


@pytest.mark.beside("mypy")
def test_what_checks_with_the_slices_checks_with_the_real_packages() -> None:
    told = run(sys.executable, "-m", "mypy", *SETTINGS)
    assert re.match(r"Success: no issues found in \d\d source files", told), told


@pytest.mark.beside("mypy")
def test_what_must_not_check_does_not_with_the_real_packages() -> None:
    assert errors_of(*SETTINGS) == marked()


@pytest.mark.beside("mypy")
def test_a_slice_says_less_than_its_package_and_nothing_else() -> None:
    command = [sys.executable, "-W", "ignore", "-m", "mypy.stubtest", "--ignore-missing-stub", "--concise", *ON]
    lines = run(*command, MYPYPATH="typings").splitlines()
    less = re.compile(r"is not present in stub|stub does not have parameter")
    by_enum = re.compile(r"\.__new__ is inconsistent")  # each Python makes them otherwise
    assert [line for line in lines if not less.search(line) and not by_enum.search(line)] == []
    assert [line for line in lines if line.startswith("httpx.Client.post is inconsistent, stub does not have")]


@pytest.mark.beside("pyright")
def test_every_public_name_has_a_type_that_no_checker_reads_otherwise(tmp_path: Path) -> None:
    report = pyright("--verifytypes", "ytmusic_oauth", folder=tmp_path)["typeCompleteness"]
    assert report["completenessScore"] == 1
    assert report["packageRootDirectory"] == str(ROOT / "ytmusic_oauth")
    counts = report["exportedSymbolCounts"]
    assert isinstance(counts, dict)
    assert counts["withKnownType"] > 300
    assert (counts["withAmbiguousType"], counts["withUnknownType"]) == (0, 0)


@pytest.mark.beside("pyright")
def test_it_finds_nothing_in_the_package_and_in_what_must_check() -> None:
    summary = pyright()["summary"]
    assert (summary["errorCount"], summary["warningCount"]) == (0, 0)
    files = summary["filesAnalyzed"]
    assert isinstance(files, int)
    assert files > 20
