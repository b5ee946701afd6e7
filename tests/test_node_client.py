# SPDX-License-Identifier: MIT
"""The second implementation, which keeps the porting kit honest: in JavaScript, for Node.

The vectors, and what no kit can ask of one language alone: that both keep one file. `python -m tests.porting` plays the
scenarios.
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
from tests.test_vectors import VECTORS, Vector, an_object, canonical, strictly
from ytmusic_oauth import OAuthToken, TokenFileError
from ytmusic_oauth._file_lock import locked

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
    if version is None or int(version[1]) < OLDEST:
        return f"node is {said.strip() or 'broken'}, and has to be v{OLDEST} or later"
    return ""


COMMAND: Final = ("node", str(FOLDER / "client.mjs"))
LACKING: Final = lacking()
needs_node: Final = pytest.mark.skipif(bool(LACKING), reason=LACKING)


@pytest.fixture(scope="session")
def answers() -> Mapping[str, object]:
    """What the driver says to each vector, all in one run."""
    lines = (json.dumps({"id": each.id, "kind": each.kind, "given": each.given}) for each in VECTORS)
    ran = subprocess.run(
        [*COMMAND, "vectors"], input="\n".join(lines), capture_output=True, text=True, timeout=60, check=False
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    said = [an_object(strictly(line)) for line in ran.stdout.splitlines()]
    return {str(each["id"]): each["answer"] for each in said}


@needs_node
@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.id)
def test_what_is_right_in_python_is_right_in_javascript(vector: Vector, answers: Mapping[str, object]) -> None:
    assert canonical(answers[vector.id]) == canonical(vector.right), vector.why


@contextmanager
def started(server: FakeGoogle, path: Path) -> Iterator[subprocess.Popen[str]]:
    """The driver, which hands out the token in a file."""
    given = {
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
        [*COMMAND, "token"], env={**os.environ, **given}, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@needs_node
def test_both_languages_keep_one_file(server: FakeGoogle, tmp_path: Path) -> None:
    if said := json.loads(subprocess.run([*COMMAND, "skips"], capture_output=True, check=True).stdout):
        pytest.skip(str(said))
    path = tmp_path / "oauth.json"
    logged_in(server).store_token(str(path))  # by a clock of years ago: it has expired
    with server.hold("token"), started(server, path) as killed:
        server.wait_for_requests(2, "token")  # the first was the login's
        with pytest.raises(TokenFileError, match="Somebody else"), locked(str(path), timeout=0):
            pass
        killed.kill()
        killed.wait()
        with locked(str(path)) as alone:
            assert alone
    with started(server, path) as process:
        said = json.loads(process.communicate()[0])
    assert said["token"] == OAuthToken.from_json(path).as_dict()
    assert server.is_live(said["token"]["access_token"])
    assert [*tmp_path.iterdir()] == [path]


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
