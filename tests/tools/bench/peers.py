# SPDX-License-Identifier: MIT
"""The same of others: what their import costs, and a look at a fresh token. `make bench-peers`.

Each is used as its documentation says. Not all do the same: some only tell that a token has expired, and most know no
file. None of them is imported here: they come as text, and only where they are installed.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import distributions
from typing import Final, NamedTuple

from tests.tools.bench.cases import IMPORT, LOADED_ANYWAY, Plain, fresh_token, reading
from tests.tools.bench.measuring import Compared, Measure, children, compared, repeated

__all__ = ["Import", "Read", "imports", "reads"]


class Peer(NamedTuple):
    """A project, what to import of it, and how one of its fresh tokens becomes a header."""

    name: str
    imported: str
    make_token: str = ""
    read: str = ""


_GRANTED: Final = """
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
        f"""{_GRANTED}
from ytmusicapi.auth.oauth import OAuthCredentials, RefreshingToken
token = RefreshingToken(credentials=OAuthCredentials("id", "secret"), scope="", refresh_token="1//fake", **granted)
""",
        "token.as_auth()",
    ),
    Peer(
        "google-auth",
        "import google.oauth2.credentials",
        f"""{_GRANTED}
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
        f"""{_GRANTED}
from authlib.integrations.requests_client import OAuth2Session
token = OAuth2Session("id", "secret", token=granted).token_auth
""",
        "token.ensure_active_token(); token.prepare('https://api.example/', {}, None)",
    ),
    Peer(
        "requests-oauthlib",
        "import requests_oauthlib",
        f"""{_GRANTED}
from requests_oauthlib import OAuth2Session
token = OAuth2Session("id", token=granted)._client
""",
        "token.add_token('https://api.example/', 'GET', None, {})",
    ),
    Peer("msal", "import msal"),
)


def installed() -> Iterator[tuple[Peer, str]]:
    """Those that are here, and their versions."""
    there = {distribution.name: distribution.version for distribution in distributions()}
    return ((peer, there[peer.name]) for peer in PEERS if peer.name in there)


class Import(NamedTuple):
    """An import over the bare interpreter: in interpreters beyond the one that runs, and in modules beyond its own."""

    name: str
    found: Compared
    modules: int
    is_missed: bool


def imports(rounds: int) -> Iterator[Import]:
    """The others first. Ours is to cost a fifth of ytmusicapi's at most."""
    fifth = float("inf")
    for peer, number in installed():
        found = over_nothing(peer.imported, rounds)
        if peer.name == _YTMUSICAPI:
            fifth = (found.median - 1) / 5
        yield Import(f"{peer.name} {number}", found, loaded(peer.imported), is_missed=False)
    yield Import("(what everybody loads)", over_nothing(LOADED_ANYWAY, rounds), loaded(LOADED_ANYWAY), is_missed=False)
    found = over_nothing(IMPORT, rounds)
    yield Import(_OURS, found, loaded(IMPORT), is_missed=found.low - 1 > fifth)


def over_nothing(statement: str, rounds: int) -> Compared:
    return compared(children("-I", "-c", statement), children("-I", "-c", "pass"), rounds)


def loaded(statement: str) -> int:
    script = f"import sys; bare = len(sys.modules); {statement}; print(len(sys.modules) - bare)"
    return int(subprocess.run([sys.executable, "-I", "-c", script], capture_output=True, check=True).stdout)


class Read(NamedTuple):
    """A look at a fresh token, to the least that can be done."""

    name: str
    statement: str
    found: Compared


def reads(rounds: int) -> Iterator[Read]:
    """The others, and ours."""
    floor = reading("token.as_auth()", Plain())
    for peer, _ in installed():
        if peer.read:
            yield Read(peer.name, peer.read, compared(peers_reading(peer), floor, rounds))
    ours = "token.as_auth()"
    yield Read(_OURS, ours, compared(reading(ours, fresh_token()), floor, rounds))


def peers_reading(peer: Peer) -> Measure:
    names: dict[str, object] = {}
    exec(peer.make_token, names)
    return repeated(peer.read, names, 2000)
