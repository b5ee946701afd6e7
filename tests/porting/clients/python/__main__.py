# SPDX-License-Identifier: MIT
"""The driver of our own library (see DRIVER.md). It calls the public API, and has no logic of its own.

python -m tests.porting.clients.python COMMAND
"""

from __future__ import annotations

import contextlib
import json
import os
import ssl
import sys
import urllib.request
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Final

from ytmusic_oauth import GOOGLE, YOUTUBE, Endpoints, OAuthCredentials, RefreshingToken, UrllibSession
from ytmusic_oauth.exceptions import OAuthError

from .errors import described

__all__: list[str] = []

PROFILES: Final = {"youtube": YOUTUBE, "google": GOOGLE}
# The library loads these with its first request. On a busy machine, that could delay the request so long that the first
# poll seems to come too early.
PRELOADED: Final = (ssl, urllib.request)
LOG_IN_AGAIN: Final = {"invalid_grant", "access_denied", "expired_token", "token_file_not_found", "cancelled"}


def make_credentials() -> OAuthCredentials:
    variables = os.environ
    profile = PROFILES.get(variables["OAUTH_SERVER"])
    urls = variables["OAUTH_DEVICE_CODE_URL"], variables["OAUTH_TOKEN_URL"], variables["OAUTH_REVOKE_URL"]
    endpoints = Endpoints(*urls)
    if profile is not None:
        endpoints = replace(profile, device_code_url=urls[0], token_url=urls[1], revoke_url=urls[2])
    return OAuthCredentials(
        variables["OAUTH_CLIENT_ID"],
        variables["OAUTH_CLIENT_SECRET"],
        UrllibSession(timeout=float(variables["OAUTH_TIMEOUT"])),
        endpoints=endpoints,
        scope=variables["OAUTH_SCOPE"],
    )


def load_token() -> RefreshingToken:
    if (path := os.environ.get("OAUTH_TOKEN_FILE")) is not None:
        return RefreshingToken.load(make_credentials(), path)
    return RefreshingToken(make_credentials(), **json.loads(os.environ["OAUTH_TOKEN"]))


def as_reply(token: RefreshingToken) -> object:
    return {"authorization": token.as_auth(), "token": token.as_dict()}


def login() -> object:
    with contextlib.redirect_stdout(sys.stderr):
        token = RefreshingToken.prompt_for_token(make_credentials(), to_file=os.environ.get("OAUTH_TOKEN_FILE"))
    return as_reply(token)


def token() -> object:
    return as_reply(load_token())


def refresh() -> object:
    token = load_token()
    token.refresh()
    return as_reply(token)


def revoke() -> object:
    make_credentials().revoke_token(load_token().refresh_token)
    return {"revoked": True}


def outcome(call: Callable[[], object]) -> tuple[object, int]:
    """Return the reply and the exit status of a call."""
    try:
        return call(), 0
    except OAuthError as error:
        print(error, file=sys.stderr)
        parts = described(error)
        if parts["raises"] in LOG_IN_AGAIN:
            return parts, 1
        return parts, 3 if error.retryable else 2
    except ValueError as error:
        print(error, file=sys.stderr)
        return {"raises": "invalid_argument"}, 2


def reply(value: object) -> None:
    print(json.dumps(value), flush=True)


def interactive() -> None:
    token = load_token()

    def read() -> object:
        return as_reply(token)

    def refresh() -> object:
        token.refresh()
        return as_reply(token)

    for line in sys.stdin:
        command, _, count = line.strip().partition(" ")
        call = refresh if command == "refresh" else read
        if count:
            with ThreadPoolExecutor(int(count)) as threads:
                reply([value for value, _ in threads.map(outcome, [call] * int(count))])
        else:
            reply(outcome(call)[0])


def vectors() -> None:
    from .vectors import result_of

    for line in sys.stdin:
        vector = json.loads(line)
        reply({"id": vector["id"], "result": result_of(vector["kind"], vector["given"])})


def main(command: str) -> int:
    warnings.simplefilter("always")
    warnings.showwarning = lambda message, *_: print(message, file=sys.stderr)
    if command == "skips":
        reply({})
    elif command == "vectors":
        vectors()
    elif command == "interactive":
        interactive()
    else:
        calls = {"login": login, "token": token, "refresh": refresh, "revoke": revoke}
        value, status = outcome(calls[command])
        reply(value)
        return status
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
