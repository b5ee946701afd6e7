# SPDX-License-Identifier: MIT
"""The import is cheap. Each test starts a Python process."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

import ytmusic_oauth

ROOT: Final = Path(__file__).parent.parent

# Modules that take longer to load than this package, or that only the network needs.
HEAVY: Final = (
    *("socket", "ssl", "http", "urllib.request", "urllib.error", "select", "selectors", "asyncio", "email"),
    *("webbrowser", "argparse", "logging", "tempfile", "subprocess", "random", "hashlib", "uuid"),
)


def run(script: str, *flags: str) -> str:
    """Run a script in an isolated Python. Returns its output."""
    start = f"import sys\nbare = set(sys.modules)\nsys.path.insert(0, {str(ROOT)!r})\n"
    command = [sys.executable, "-I", *flags, "-c", start + script]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


PRINT_HEAVY: Final = f"print([name for name in {HEAVY} if name in set(sys.modules) - bare])"


# -S: `site` may load some of these modules itself.
@pytest.mark.parametrize("flags", [("-S",), ("-S", "-OO")], ids=" ".join)
def test_neither_the_import_nor_introspection_loads_a_heavy_module(flags: tuple[str, ...]) -> None:
    script = f"""
import ytmusic_oauth
dir(ytmusic_oauth)
hasattr(ytmusic_oauth, "Anything")
from ytmusic_oauth import OAuthCredentials, RefreshingToken
OAuthCredentials("id", "secret")
{PRINT_HEAVY}
"""
    assert run(script, *flags) == "[]\n"


def test_the_import_loads_at_most_two_modules_that_few_programs_have() -> None:
    script = """
import dataclasses, json, pathlib, threading, typing
known = set(sys.modules)
import ytmusic_oauth
print(*[name for name in sys.modules if name not in known and not name.startswith("ytmusic_oauth")])
"""
    assert len(run(script, "-S").split()) <= 2


def test_network_modules_are_loaded_with_the_first_request() -> None:
    script = """
import ytmusic_oauth
before = "socket" in sys.modules
session = ytmusic_oauth.UrllibSession(timeout=5)
made = "socket" in sys.modules
try:
    session.post("http://localhost:0/", data={}, headers={})
except ytmusic_oauth.TransportError:
    pass
print(before, made, "socket" in sys.modules)
"""
    assert run(script, "-S") == "False False True\n"


def test_introspection_lists_the_public_names() -> None:
    assert set(ytmusic_oauth.__all__) <= set(dir(ytmusic_oauth))


def test_a_star_import_gives_every_public_name() -> None:
    script = """
from ytmusic_oauth import *
import ytmusic_oauth
print([name for name in ytmusic_oauth.__all__ if globals()[name] is not getattr(ytmusic_oauth, name)])
"""
    assert run(script) == "[]\n"


def test_loading_a_fresh_token_file_loads_no_heavy_module(tmp_path: Path) -> None:
    file = tmp_path / "oauth.json"
    token = {"scope": "", "token_type": "Bearer", "access_token": "ya29.fake", "refresh_token": "1//fake"}
    file.write_text(json.dumps({**token, "expires_at": 99_999_999_999, "expires_in": 0}))
    script = f"""
from ytmusic_oauth import OAuthCredentials, RefreshingToken
token = RefreshingToken.load(OAuthCredentials("id", "secret"), {str(file)!r})
print(token.as_auth())
{PRINT_HEAVY}
"""
    assert run(script, "-S") == "Bearer ya29.fake\n[]\n"


def test_a_refresh_neither_loads_logging_nor_prints_what_nobody_asked_for() -> None:
    script = """
from ytmusic_oauth import Credentials, InvalidGrant, RefreshingToken
class Client(Credentials):
    get_code = token_from_code = None
    def refresh_token(self, refresh_token):
        if refresh_token == "1//fake":
            rest = {"scope": "", "token_type": "Bearer", "refresh_token": "1//ended"}
            return {"access_token": "ya29.fake", "expires_in": 9, **rest}
        raise InvalidGrant
token = RefreshingToken.from_dict(
    Client("id", "secret"),
    {"scope": "", "token_type": "Bearer", "access_token": "ya29.old", "refresh_token": "1//fake"},
)
token.refresh()
print("logging" in sys.modules)
import logging
try:
    token.refresh()
except InvalidGrant:
    pass
logging.basicConfig(level=logging.INFO, format="%(name)s %(levelname)s %(message)s", stream=sys.stdout)
try:
    token.refresh()
except InvalidGrant:
    pass
"""
    logged = "ytmusic_oauth WARNING event=refused, store=memory, error=InvalidGrant, reason=invalid_grant\n"
    assert run(script, "-S") == f"False\n{logged}"
