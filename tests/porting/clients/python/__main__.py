# SPDX-License-Identifier: MIT
"""The driver of our own library, as DRIVER.md wants it. It asks the public API, and has no logic of its own.

python -m tests.porting.clients.python COMMAND
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from ytmusic_oauth import GOOGLE, YOUTUBE, Endpoints, OAuthCredentials, RefreshingToken, UrllibSession
from ytmusic_oauth.exceptions import OAuthError

from .told import told

__all__: list[str] = []

WAYS: Final = {"youtube": YOUTUBE, "google": GOOGLE}
LOG_IN_AGAIN: Final = {"invalid_grant", "access_denied", "expired_token", "token_file_not_found", "cancelled"}


def client() -> OAuthCredentials:
    given = os.environ
    ways = WAYS.get(given["OAUTH_SERVER"])
    urls = given["OAUTH_DEVICE_CODE_URL"], given["OAUTH_TOKEN_URL"], given["OAUTH_REVOKE_URL"]
    return OAuthCredentials(
        given["OAUTH_CLIENT_ID"],
        given["OAUTH_CLIENT_SECRET"],
        UrllibSession(timeout=float(given["OAUTH_TIMEOUT"])),
        endpoints=Endpoints(*urls)
        if ways is None
        else Endpoints(
            *urls,
            device_grant=ways.device_grant,
            device_code_parameter=ways.device_code_parameter,
            authenticate_everywhere=ways.authenticate_everywhere,
            rotates_refresh_tokens=ways.rotates_refresh_tokens,
        ),
        scope=given["OAUTH_SCOPE"],
    )


def held() -> RefreshingToken:
    if (path := os.environ.get("OAUTH_TOKEN_FILE")) is not None:
        return RefreshingToken.load(client(), path)
    return RefreshingToken(client(), **json.loads(os.environ["OAUTH_TOKEN"]))


def shown(token: RefreshingToken) -> object:
    return {"authorization": token.as_auth(), "token": token.as_dict()}


def login() -> object:
    with contextlib.redirect_stdout(sys.stderr):
        token = RefreshingToken.prompt_for_token(client(), to_file=os.environ.get("OAUTH_TOKEN_FILE"))
    return shown(token)


def token() -> object:
    return shown(held())


def refresh() -> object:
    token = held()
    token.refresh()
    return shown(token)


def revoke() -> object:
    client().revoke_token(held().refresh_token)
    return {"revoked": True}


def come_of(call: Callable[[], object]) -> tuple[object, int]:
    """What is said of it, and the exit status."""
    try:
        return call(), 0
    except OAuthError as error:
        print(error, file=sys.stderr)
        parts = told(error)
        if parts["raises"] in LOG_IN_AGAIN:
            return parts, 1
        return parts, 3 if error.retryable else 2
    except ValueError as error:
        print(error, file=sys.stderr)
        return {"raises": "invalid_argument"}, 2


def say(answer: object) -> None:
    print(json.dumps(answer), flush=True)


def keep() -> None:
    token = held()

    def hand_out() -> object:
        return shown(token)

    def refresh() -> object:
        token.refresh()
        return shown(token)

    for line in sys.stdin:
        order, _, times = line.strip().partition(" ")
        call = refresh if order == "refresh" else hand_out
        if times:
            with ThreadPoolExecutor(int(times)) as threads:
                say([answer for answer, _ in threads.map(come_of, [call] * int(times))])
        else:
            say(come_of(call)[0])


def vectors() -> None:
    from .vectors import answer

    for line in sys.stdin:
        vector = json.loads(line)
        say({"id": vector["id"], "answer": answer(vector["kind"], vector["given"])})


def main(command: str) -> int:
    warnings.simplefilter("always")
    warnings.showwarning = lambda message, *_: print(message, file=sys.stderr)
    if command == "skips":
        say({})
    elif command == "vectors":
        vectors()
    elif command == "keep":
        keep()
    else:
        answer, status = come_of({"login": login, "token": token, "refresh": refresh, "revoke": revoke}[command])
        say(answer)
        return status
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
