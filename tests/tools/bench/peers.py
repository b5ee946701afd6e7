# SPDX-License-Identifier: MIT
"""The same for other libraries: importing them, and reading a fresh token. `make bench-peers`.

Each is used as its documentation says. They do not all do the same: some only detect that a token has expired, and most
do not keep a token file. None of them is imported here: the code is text, which runs only where they are installed.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import distributions
from typing import Final, NamedTuple

from tests.tools.bench.cases import COMMON_IMPORTS, IMPORT, Plain, fresh_token, reading
from tests.tools.bench.measuring import Compared, Measure, children, compared, repeated

__all__ = ["Import", "Read", "imports", "reads"]


class Peer(NamedTuple):
    """A library: its import, how to make a fresh token, and how that becomes a header."""

    name: str
    imported: str
    make_token: str = ""
    read: str = ""


_TOKEN: Final = """
import time
later = int(time.time()) + 3599
granted = {"access_token": "ya29.fake", "token_type": "Bearer", "expires_in": 3599, "expires_at": later}
"""
_OURS: Final = "ytmusic_oauth"
_YTMUSICAPI: Final = "ytmusicapi"

PEERS: Final = (
    Peer(
        _YTMUSICAPI,
        "import ytmusicapi.auth.oauth",
        f"""{_TOKEN}
from ytmusicapi.auth.oauth import OAuthCredentials, RefreshingToken
token = RefreshingToken(credentials=OAuthCredentials("id", "secret"), scope="", refresh_token="1//fake", **granted)
""",
        "token.as_auth()",
    ),
    Peer(
        "google-auth",
        "import google.oauth2.credentials",
        f"""{_TOKEN}
from datetime import datetime, timezone
from google.oauth2.credentials import Credentials
expiry = datetime.fromtimestamp(later, timezone.utc).replace(tzinfo=None)
token = Credentials("ya29.fake", refresh_token="1//fake", client_id="id", client_secret="secret", expiry=expiry)
""",
        "token.before_request(None, 'GET', 'https://api.example/', {})",
    ),
    Peer(
        "Authlib",
        "import authlib.integrations.requests_client",
        f"""{_TOKEN}
from authlib.integrations.requests_client import OAuth2Session
token = OAuth2Session("id", "secret", token=granted).token_auth
""",
        "token.ensure_active_token(); token.prepare('https://api.example/', {}, None)",
    ),
    Peer(
        "requests-oauthlib",
        "import requests_oauthlib",
        f"""{_TOKEN}
from requests_oauthlib import OAuth2Session
token = OAuth2Session("id", token=granted)._client
""",
        "token.add_token('https://api.example/', 'GET', None, {})",
    ),
    Peer("msal", "import msal"),
)


def installed() -> Iterator[tuple[Peer, str]]:
    """The libraries that are installed, and their versions."""
    versions = {distribution.name: distribution.version for distribution in distributions()}
    return ((peer, versions[peer.name]) for peer in PEERS if peer.name in versions)


class Import(NamedTuple):
    """The cost of an import: relative to starting Python, and in modules beyond those that Python loads by itself."""

    name: str
    found: Compared
    modules: int
    is_exceeded: bool


def imports(rounds: int) -> Iterator[Import]:
    """The other libraries first. The limit for ours is a fifth of ytmusicapi's cost."""
    limit = float("inf")
    for peer, number in installed():
        found = over_bare_python(peer.imported, rounds)
        if peer.name == _YTMUSICAPI:
            limit = (found.median - 1) / 5
        yield Import(f"{peer.name} {number}", found, loaded(peer.imported), is_exceeded=False)
    yield Import(
        "(modules that every program loads)",
        over_bare_python(COMMON_IMPORTS, rounds),
        loaded(COMMON_IMPORTS),
        is_exceeded=False,
    )
    found = over_bare_python(IMPORT, rounds)
    yield Import(_OURS, found, loaded(IMPORT), is_exceeded=found.low - 1 > limit)


def over_bare_python(statement: str, rounds: int) -> Compared:
    return compared(children("-I", "-c", statement), children("-I", "-c", "pass"), rounds)


def loaded(statement: str) -> int:
    script = f"import sys; bare = len(sys.modules); {statement}; print(len(sys.modules) - bare)"
    return int(subprocess.run([sys.executable, "-I", "-c", script], capture_output=True, check=True).stdout)


class Read(NamedTuple):
    """The cost of a header from a fresh token, relative to the floor."""

    name: str
    statement: str
    found: Compared


def reads(rounds: int) -> Iterator[Read]:
    """The other libraries, and ours."""
    floor = reading("token.as_auth()", Plain())
    for peer, _ in installed():
        if peer.read:
            yield Read(peer.name, peer.read, compared(peer_reading(peer), floor, rounds))
    ours = "token.as_auth()"
    yield Read(_OURS, ours, compared(reading(ours, fresh_token()), floor, rounds))


def peer_reading(peer: Peer) -> Measure:
    names: dict[str, object] = {}
    exec(peer.make_token, names)
    return repeated(peer.read, names, 2000)
