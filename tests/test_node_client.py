# SPDX-License-Identifier: MIT
"""The second implementation, in JavaScript for Node, which keeps the porting kit honest.

This runs the vectors, and tests what no kit can: that both implementations can share one file. `python -m
tests.porting` runs the scenarios.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from tests.porting.fake_google import CLIENT_ID, CLIENT_SECRET, FakeGoogle
from tests.support import logged_in
from tests.test_vectors import VECTORS, Vector, canonical, results_of
from ytmusic_oauth import OAuthToken
from ytmusic_oauth._file_lock import FileLock

FOLDER: Final = Path(__file__).parent / "porting" / "clients" / "node"
SOURCES: Final = sorted(FOLDER.glob("*.mjs"))
OLDEST: Final = 18


def missing_node() -> str:
    """Return why it cannot run here; "" if it can."""
    node = shutil.which("node")
    if node is None:
        return "node is not installed"
    output = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
    version = re.match(r"v(\d+)\.", output)
    if version is None or int(version[1]) < OLDEST:
        return f"node is {output.strip() or 'broken'}, and has to be v{OLDEST} or later"
    return ""


COMMAND: Final = ("node", str(FOLDER / "client.mjs"))
MISSING: Final = missing_node()
needs_node: Final = pytest.mark.skipif(bool(MISSING), reason=MISSING)


@pytest.fixture(scope="session")
def results() -> Mapping[str, object]:
    return results_of(COMMAND)


@needs_node
@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.id)
def test_node_port_passes_every_vector(vector: Vector, results: Mapping[str, object]) -> None:
    assert canonical(results[vector.id]) == canonical(vector.expected), vector.why


@contextmanager
def started(server: FakeGoogle, path: Path) -> Iterator[subprocess.Popen[str]]:
    """Start the driver, which prints the token in a file."""
    variables = {
        "OAUTH_SERVER": "rfc",
        "OAUTH_DEVICE_CODE_URL": server.device_code_url,
        "OAUTH_TOKEN_URL": server.token_url,
        "OAUTH_REVOKE_URL": server.revoke_url,
        "OAUTH_CLIENT_ID": CLIENT_ID,
        "OAUTH_CLIENT_SECRET": CLIENT_SECRET,
        "OAUTH_SCOPE": "music",
        "OAUTH_TIMEOUT": "30",
        "OAUTH_TOKEN_FILE": str(path),
    }
    with subprocess.Popen(
        [*COMMAND, "token"], env={**os.environ, **variables}, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@needs_node
def test_python_and_node_share_one_file(server: FakeGoogle, tmp_path: Path) -> None:
    if skips := json.loads(subprocess.run([*COMMAND, "skips"], capture_output=True, check=True).stdout):
        pytest.skip(str(skips))
    path = tmp_path / "oauth.json"
    logged_in(server).store_token(str(path))  # by a fake clock, years ago: the token has expired
    with server.hold("token"), started(server, path) as killed:
        server.wait_for_requests(2, "token")  # the first one was the login's
        with pytest.raises(TimeoutError), FileLock(str(path), timeout=0):
            pass
        killed.kill()
        killed.wait()
        with FileLock(str(path), timeout=0) as exclusive:
            assert exclusive
    with started(server, path) as process:
        reply = json.loads(process.communicate()[0])
    assert reply["token"] == OAuthToken.from_json(path).as_dict()
    assert server.is_live(reply["token"]["access_token"])
    assert [*tmp_path.iterdir()] == [path]


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
