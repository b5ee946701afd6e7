# SPDX-License-Identifier: MIT
"""The third implementation, in Go, which shows that the porting kit fits a compiled language with static types.

This runs the vectors. `make certify` runs the scenarios, too, also with the library on the same file.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest

from tests.porting.clients.planted.go import GO
from tests.test_vectors import VECTORS, Vector, canonical, results_of

FOLDER: Final = GO.folder
SOURCES: Final = sorted(FOLDER.glob("*.go"))
GOFMT: Final = shutil.which("gofmt")


def missing_go() -> str:
    """Return why it cannot be built here; "" if it can."""
    if os.name == "nt":
        return "the client is for Linux, macOS and the BSDs"
    go = shutil.which(GO.name)
    if go is None:
        return "go is not installed"
    version = re.search(
        r"go1\.(\d+)", subprocess.run([go, "version"], capture_output=True, text=True, check=False).stdout
    )
    return "" if version is not None and int(version[1]) >= 19 else "go has to be 1.19 or later"


MISSING: Final = missing_go()
needs_go: Final = pytest.mark.skipif(bool(MISSING), reason=MISSING)


@pytest.fixture(scope="session")
def results(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, object]:
    return results_of(GO.plant(None, tmp_path_factory.mktemp("go")))


@needs_go
@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.id)
def test_go_port_passes_every_vector(vector: Vector, results: Mapping[str, object]) -> None:
    assert canonical(results[vector.id]) == canonical(vector.expected), vector.why


@needs_go
def test_go_port_is_formatted() -> None:
    if GOFMT is None:
        pytest.skip("gofmt is not installed")
    done = subprocess.run([GOFMT, "-l", "."], cwd=FOLDER, capture_output=True, text=True, check=True)
    assert done.stdout == ""


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_go_port_needs_no_package_and_fits_the_page(path: Path) -> None:
    source = path.read_text("utf-8")
    assert source.startswith("// SPDX-License-Identifier: MIT\n\n// ")
    assert [line for line in source.splitlines() if len(line) > 120] == []
    for block in re.findall(r"^import (?:\(([^)]*)\)|(\".*\"))$", source, re.MULTILINE):
        names = re.findall(r'"([^"]*)"', "".join(block))
        assert [name for name in names if "." in name.partition("/")[0]] == [], "the standard library has no domain"


def test_go_port_requires_no_module() -> None:
    assert (FOLDER / "go.mod").read_text("utf-8") == "module oauth-device-client\n\ngo 1.19\n"


def test_go_readme_lists_every_file() -> None:
    readme = (FOLDER / "README.md").read_text("utf-8")
    assert {path.stem for path in SOURCES} <= set(re.findall(r"`([\w-]+)`", readme))
