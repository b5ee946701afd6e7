# SPDX-License-Identifier: MIT
"""Python 3.8 and 3.9 run the package. An older one says in one line which version it needs.

What concerns a Python that is not on this machine is skipped. `make test-all` runs more of the tests with each Python.
"""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import pytest

from tests.tools.pythons import pythons
from tests.tools.release.vendoring import vendor
from ytmusic_oauth import __version__

PACKAGE: Final = Path(__file__).parent.parent / "ytmusic_oauth"
SOURCES: Final = sorted(PACKAGE.glob("*.py"))
TOO_OLD: Final = ("2.7", "3.6", "3.7")
OLD: Final = ("3.8", "3.9", "pypy-3.9")


@pytest.fixture(scope="session")
def path_of() -> Callable[[str], str]:
    found = pythons()

    def path_of(name: str) -> str:
        if name not in found:
            pytest.skip(f"there is no Python {name} on this machine")
        return found[name]

    return path_of


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_a_module_has_only_the_syntax_of_python_3_8(path: Path) -> None:
    ast.parse(path.read_text("utf-8"), feature_version=(3, 8))


# What Python 2.7 or 3.6 cannot compile, as far as someone may come to write it here.
NEWER: Final = (ast.ClassDef, ast.AnnAssign, ast.JoinedStr, ast.NamedExpr, ast.Starred, ast.Nonlocal)


@pytest.mark.parametrize("name", ["__init__.py", "__main__.py"])
def test_the_modules_that_start_first_have_no_syntax_newer_than_python_2_7(name: str) -> None:
    source = (PACKAGE / name).read_bytes()
    assert source.isascii()
    nodes = list(ast.walk(ast.parse(source)))
    assert [ast.unparse(node) for node in nodes if isinstance(node, NEWER)] == []
    functions = [node for node in nodes if isinstance(node, ast.FunctionDef)]
    assert [node.name for node in functions if node.returns or node.args.kwonlyargs or node.args.posonlyargs] == []
    assert [node.arg for node in nodes if isinstance(node, ast.arg) and node.annotation] == []
    assert "__future__" not in [node.module for node in nodes if isinstance(node, ast.ImportFrom)]


def run(command: Sequence[str | Path], folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, pyz: bytes) -> Path:
    """It has the package and the single file."""
    folder = tmp_path_factory.mktemp("program")
    vendor(folder)
    (folder / "oauth.pyz").write_bytes(pyz)
    return folder


WAYS: Final = (("-m", "ytmusic_oauth"), ("-m", "ytmusic_oauth.token"), ("oauth.pyz",), ("-c", "import ytmusic_oauth"))


@pytest.mark.parametrize("way", WAYS, ids=" ".join)
@pytest.mark.parametrize("name", TOO_OLD)
def test_a_python_that_is_too_old_says_which_version_is_needed(
    folder: Path, path_of: Callable[[str], str], name: str, way: Sequence[str]
) -> None:
    done = run([path_of(name), *way, "status"], folder)
    assert done.returncode == 2
    assert done.stdout == ""
    start = f"ytmusic_oauth needs Python 3.8 or later; this is Python {name}."
    assert done.stderr.startswith(start)
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("name", TOO_OLD)
def test_a_program_in_a_python_that_is_too_old_gets_an_import_error(
    folder: Path, path_of: Callable[[str], str], name: str
) -> None:
    (folder / "program.py").write_text(
        "try:\n    import ytmusic_oauth\nexcept ImportError as error:\n    print(error)\n"
    )
    done = run([path_of(name), "program.py"], folder)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"ytmusic_oauth needs Python 3.8 or later; this is Python {name}.")


@pytest.mark.parametrize("name", OLD)
def test_every_module_loads_with_an_old_python(folder: Path, path_of: Callable[[str], str], name: str) -> None:
    modules = [f"ytmusic_oauth.{path.stem}" for path in SOURCES]
    done = run([path_of(name), "-W", "error", "-c", f"import {', '.join(modules)}"], folder)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("name", OLD)
@pytest.mark.parametrize("way", [("-m", "ytmusic_oauth"), ("oauth.pyz",)], ids=" ".join)
def test_the_command_line_runs_with_an_old_python(
    folder: Path, path_of: Callable[[str], str], name: str, way: Sequence[str]
) -> None:
    done = run([path_of(name), "-W", "error", *way, "--version"], folder)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"ytmusic_oauth {__version__}\n", "")


@pytest.mark.parametrize("place", [".", "ytmusic_oauth"])
def test_the_folder_of_the_package_does_not_run(folder: Path, place: str) -> None:
    """Its `token.py` would be in front of the standard library's."""
    there = folder if place == "." else folder / "ytmusic_oauth"
    done = run([sys.executable, "ytmusic_oauth" if place == "." else "."], there)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "ytmusic_oauth is a package: go to the folder that contains it, and run python -m ytmusic_oauth\n"
    )
