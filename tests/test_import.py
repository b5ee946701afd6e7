# SPDX-License-Identifier: MIT
"""Importing costs next to nothing. Each test starts a Python of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parent.parent

# What takes longer to load than all of this package, or is only there to reach somebody.
HEAVY: Final = (
    *("socket", "ssl", "http", "urllib.request", "urllib.error", "select", "selectors", "asyncio", "email"),
    *("webbrowser", "argparse", "logging", "tempfile", "subprocess", "random", "hashlib", "uuid"),
)


def run(script: str, *flags: str) -> str:
    """What a script prints, in a Python that knows nothing of whoever runs the tests."""
    start = f"import sys\nbare = set(sys.modules)\nsys.path.insert(0, {str(ROOT)!r})\n"
    command = [sys.executable, "-I", *flags, "-c", start + script]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


HEAVY_ONES: Final = f"print([name for name in {HEAVY} if name in set(sys.modules) - bare])"


# `site` may have loaded some of them before us: without it (-S) there is nothing to hide behind.
@pytest.mark.parametrize("flags", [("-S",), ("-S", "-OO")], ids=" ".join)
def test_neither_an_import_nor_a_look_around_loads_anything_heavy(flags: tuple[str, ...]) -> None:
    script = f"""
import ytmusic_oauth
dir(ytmusic_oauth)
hasattr(ytmusic_oauth, "Anything")
from ytmusic_oauth import OAuthCredentials, RefreshingToken
OAuthCredentials("id", "secret")
{HEAVY_ONES}
"""
    assert run(script, *flags) == "[]\n"


def test_an_import_loads_two_strange_modules_at_most() -> None:
    script = """
import dataclasses, json, pathlib, threading, typing
known = set(sys.modules)
import ytmusic_oauth
print(*[name for name in sys.modules if name not in known and not name.startswith("ytmusic_oauth")])
"""
    assert len(run(script, "-S").split()) <= 2


def test_the_network_comes_with_the_first_one_who_asks_for_it() -> None:
    script = """
import ytmusic_oauth
before = "socket" in sys.modules
ytmusic_oauth.UrllibSession(timeout=5)
print(before, "socket" in sys.modules)
"""
    assert run(script, "-S") == "False True\n"


def test_a_star_import_brings_everything() -> None:
    script = """
from ytmusic_oauth import *
import ytmusic_oauth
print([name for name in ytmusic_oauth.__all__ if globals()[name] is not getattr(ytmusic_oauth, name)])
"""
    assert run(script) == "[]\n"


def test_what_is_not_there_is_an_attribute_error() -> None:
    script = """
import ytmusic_oauth
try:
    ytmusic_oauth.UrllibSesion
except AttributeError as error:
    print(error)
"""
    assert run(script) == "module 'ytmusic_oauth' has no attribute 'UrllibSesion'\n"


def test_reading_a_fresh_token_file_loads_nothing_heavy(tmp_path: Path) -> None:
    file = tmp_path / "oauth.json"
    token = {"scope": "", "token_type": "Bearer", "access_token": "ya29.fake", "refresh_token": "1//fake"}
    file.write_text(json.dumps({**token, "expires_at": 99_999_999_999, "expires_in": 0}))
    script = f"""
from ytmusic_oauth import OAuthCredentials, RefreshingToken
token = RefreshingToken.load(OAuthCredentials("id", "secret"), {str(file)!r})
print(token.as_auth())
{HEAVY_ONES}
"""
    assert run(script, "-S") == "Bearer ya29.fake\n[]\n"
