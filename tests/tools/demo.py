# SPDX-License-Identifier: MIT
"""A device login, a token file, a refresh and a revocation over HTTP. `make demo`.

A fake server runs on this machine. It confirms the code by itself after three seconds, or earlier if you do so on its
page. With `--by-hand` it waits for you.
"""

from __future__ import annotations

import argparse
import stat
import tempfile
import time
import urllib.request
from pathlib import Path

from tests.porting.fake_google import CLIENT_ID, CLIENT_SECRET, FakeGoogle
from ytmusic_oauth import YOUTUBE, Endpoints, InvalidGrant, OAuthCredentials, RefreshingToken
from ytmusic_oauth.protocol import verification_link


def main() -> None:
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--by-hand", action="store_true", help="wait until the code is confirmed on the server's page")
    by_hand = parser.parse_args().by_hand
    with (
        FakeGoogle(interval=1, token_lifetime=4, rotate=True, approve_after=None if by_hand else 3) as server,
        tempfile.TemporaryDirectory() as folder,
    ):
        demo(server, Path(folder) / "oauth.json")


def demo(server: FakeGoogle, path: Path) -> None:
    credentials = OAuthCredentials(
        CLIENT_ID,
        CLIENT_SECRET,
        endpoints=Endpoints(
            server.device_code_url,
            server.token_url,
            server.revoke_url,
            device_grant=YOUTUBE.device_grant,
            device_code_parameter=YOUTUBE.device_code_parameter,
            authenticate_everywhere=YOUTUBE.authenticate_everywhere,
            is_google=True,
        ),
    )

    title("1. Get a code for the user")
    code = credentials.get_code()
    print(f"Go to {verification_link(code)}\nand confirm the code {code['user_code']}.")

    title("2. Poll until the user has confirmed it")
    granted = credentials.wait_for_token(
        code, on_wait=lambda left: print(f"Not yet. The code expires in {left:.0f} s.")
    )
    print("Confirmed.")

    title("3. Store the token in a file")
    RefreshingToken(credentials, **granted).store_token(str(path))
    print(f"{path.name}, mode {stat.filemode(path.stat().st_mode)}:\n{path.read_text()}")

    title("4. Load it, every time after that")
    token = RefreshingToken.load(credentials, path)
    print(f"Authorization: {token.as_auth()}\nThe API returns: {call_api(server, token)}")

    title("5. It expires after 4 seconds: reading it refreshes it in time")
    while not token.is_expiring:
        time.sleep(0.1)
    print(f"Authorization: {token.as_auth()}\nThe API returns: {call_api(server, token)}")
    print(f"Saved, with the new refresh token:\n{path.read_text()}")

    title("6. The user revokes the login")
    server.revoke(token.refresh_token)
    try:
        token.refresh()
    except InvalidGrant as error:
        print(f"{type(error).__name__}: {error}")

    title("What the server saw")
    start = server.transcript[0].at
    for exchange in server.transcript:
        response = f"{exchange.status} {exchange.error}".strip()
        grant_type = exchange.form.get("grant_type", "")
        print(f"{exchange.at - start:5.1f} s  {exchange.method} {exchange.path:26} {grant_type:38} {response}")


def title(text: str) -> None:
    print(f"\n== {text}", flush=True)


def call_api(server: FakeGoogle, token: RefreshingToken) -> str:
    request = urllib.request.Request(server.api_url, headers={"Authorization": token.as_auth()})
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=10) as response:
        return f"{response.status} {response.reason}"


if __name__ == "__main__":
    main()
