# SPDX-License-Identifier: MIT
"""Type checks with the real packages instead of the stubs in `typings/`, and with pyright."""

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

ON = ["requests", "httpx", "httpx2", "ytmusicapi", "flask", "werkzeug", "authlib", "aiohttp", "yarl"]
SETTINGS = ["--config-file", "tests/interop/mypy.ini"]


def run(*command: str, folder: Path = ROOT, **environment: str) -> str:
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
    return done.stdout


def pyright(*options: str, folder: Path = ROOT) -> dict[str, dict[str, object]]:
    node, program = found("node"), NODE_MODULES / "pyright" / "index.js"
    if not program.exists():
        pytest.skip("the npm packages are not installed")
    command = [node, str(program), "--pythonpath", sys.executable, "--outputjson", *options]
    output = run(*command, folder=folder, PYTHONPATH=str(ROOT))
    report: object = json.loads(output)
    assert isinstance(report, dict)
    return report


@pytest.mark.beside("mypy")
def test_mypy_finds_nothing_with_the_real_packages() -> None:
    output = run(sys.executable, "-m", "mypy", *SETTINGS)
    assert re.match(r"Success: no issues found in \d\d source files", output), output


@pytest.mark.beside("mypy")
def test_mypy_finds_the_marked_errors_with_the_real_packages() -> None:
    assert errors_of(*SETTINGS) == marked()


@pytest.mark.beside("mypy")
def test_a_stub_is_a_subset_of_its_package() -> None:
    command = [sys.executable, "-W", "ignore", "-m", "mypy.stubtest", "--ignore-missing-stub", "--concise", *ON]
    lines = run(*command, MYPYPATH="typings").splitlines()
    omitted = re.compile(r"is not present in stub|stub does not have parameter")
    enum = re.compile(r"\.__new__ is inconsistent")  # differs between versions of Python
    assert [line for line in lines if not omitted.search(line) and not enum.search(line)] == []
    assert [line for line in lines if line.startswith("httpx.Client.post is inconsistent, stub does not have")]


@pytest.mark.beside("pyright")
def test_every_public_name_has_an_unambiguous_type(tmp_path: Path) -> None:
    report = pyright("--verifytypes", "ytmusic_oauth", folder=tmp_path)["typeCompleteness"]
    assert report["completenessScore"] == 1
    assert report["packageRootDirectory"] == str(ROOT / "ytmusic_oauth")
    counts = report["exportedSymbolCounts"]
    assert isinstance(counts, dict)
    assert counts["withKnownType"] > 250
    assert (counts["withAmbiguousType"], counts["withUnknownType"]) == (0, 0)


@pytest.mark.beside("pyright")
def test_pyright_finds_nothing() -> None:
    summary = pyright()["summary"]
    assert (summary["errorCount"], summary["warningCount"]) == (0, 0)
    files = summary["filesAnalyzed"]
    assert isinstance(files, int)
    assert files > 20
