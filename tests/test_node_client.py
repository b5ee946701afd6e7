# SPDX-License-Identifier: MIT
"""The second implementation, which keeps the porting kit honest: in JavaScript, for Node.

The vectors only; `python -m tests.porting` plays the scenarios too.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest

from tests.test_vectors import VECTORS, Vector, an_object, canonical, strictly

FOLDER: Final = Path(__file__).parent / "porting" / "clients" / "node"
SOURCES: Final = sorted(FOLDER.glob("*.mjs"))
OLDEST: Final = 18


def lacking() -> str:
    """Why it cannot run here; "" if it can."""
    node = shutil.which("node")
    if node is None:
        return "there is no node here"
    said = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
    version = re.match(r"v(\d+)\.", said)
    return "" if version and int(version[1]) >= OLDEST else f"node is {said.strip() or 'broken'}, and has to be v{OLDEST}"


LACKING: Final = lacking()
needs_node: Final = pytest.mark.skipif(bool(LACKING), reason=LACKING)


@pytest.fixture(scope="module")
def answers() -> Mapping[str, object]:
    """What the driver says to each vector, all in one run."""
    lines = (json.dumps({"id": each.id, "kind": each.kind, "given": each.given}) for each in VECTORS)
    command = ["node", str(FOLDER / "client.mjs"), "vectors"]
    ran = subprocess.run(command, input="\n".join(lines), capture_output=True, text=True, timeout=60, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")
    said = [an_object(strictly(line)) for line in ran.stdout.splitlines()]
    return {str(each["id"]): each["answer"] for each in said}


@needs_node
@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.id)
def test_what_is_right_in_python_is_right_in_javascript(vector: Vector, answers: Mapping[str, object]) -> None:
    assert canonical(answers[vector.id]) == canonical(vector.right), vector.why


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_it_needs_nothing_but_node_and_fits_the_page(path: Path) -> None:
    source = path.read_text("utf-8")
    assert source.startswith("// SPDX-License-Identifier: MIT\n// ")
    imported = re.findall(r'(?:\bfrom|\bimport\(?) *"([^"]*)"', source)
    assert [each for each in imported if not each.startswith(("node:", "./"))] == []
    assert [line for line in source.splitlines() if len(line) > 120] == []


def test_its_readme_tells_every_file() -> None:
    told = (FOLDER / "README.md").read_text("utf-8")
    assert {path.stem for path in SOURCES} <= set(re.findall(r"`(\w+)`", told))
