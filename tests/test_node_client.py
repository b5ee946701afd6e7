# SPDX-License-Identifier: MIT
"""The second implementation, in JavaScript for Node, which keeps the porting kit honest.

This runs the vectors. `make certify` runs the scenarios, too, also with the library on the same file.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest

from tests.porting.clients.planted.node import NODE
from tests.test_vectors import VECTORS, Vector, canonical, results_of

FOLDER: Final = NODE.folder
SOURCES: Final = sorted(FOLDER.glob("*.mjs"))
OLDEST: Final = 18


def missing_node() -> str:
    """Return why it cannot run here; "" if it can."""
    node = shutil.which(NODE.name)
    if node is None:
        return "node is not installed"
    output = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
    version = re.match(r"v(\d+)\.", output)
    if version is None or int(version[1]) < OLDEST:
        return f"node is {output.strip() or 'broken'}, and has to be v{OLDEST} or later"
    return ""


MISSING: Final = missing_node()
needs_node: Final = pytest.mark.skipif(bool(MISSING), reason=MISSING)


@pytest.fixture(scope="session")
def results() -> Mapping[str, object]:
    return results_of(("node", str(FOLDER / "client.mjs")))


@needs_node
@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.id)
def test_node_port_passes_every_vector(vector: Vector, results: Mapping[str, object]) -> None:
    assert canonical(results[vector.id]) == canonical(vector.expected), vector.why


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_node_port_needs_no_package_and_fits_the_page(path: Path) -> None:
    source = path.read_text("utf-8")
    assert source.startswith("// SPDX-License-Identifier: MIT\n// ")
    imported = re.findall(r'(?:\bfrom|\bimport\(?) *"([^"]*)"', source)
    assert [each for each in imported if not each.startswith(("node:", "./"))] == []
    assert [line for line in source.splitlines() if len(line) > 120] == []


def test_node_readme_lists_every_module() -> None:
    readme = (FOLDER / "README.md").read_text("utf-8")
    assert {path.stem for path in SOURCES} <= set(re.findall(r"`([\w-]+)`", readme))
