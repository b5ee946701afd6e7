# SPDX-License-Identifier: MIT
"""A device login, a token file, a refresh and a revocation, for real over HTTP: `make demo`.

The server is the fake one, on this machine; it confirms the code by itself after a moment, unless you are faster on its
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
        ),
    )

    title("1. A code for the user")
    code = credentials.get_code()
    print(f"Go to {verification_link(code)}\nand confirm that the code there is {code['user_code']}.")

    title("2. Ask until it is confirmed, at the server's pace")
    granted = credentials.wait_for_token(code, on_wait=lambda left: print(f"Not yet; the code lives for {left:.0f} s."))
    print("Confirmed.")

    title("3. The token, in a file")
    RefreshingToken(credentials, **granted).store_token(str(path))
    print(f"{path.name}, mode {stat.filemode(path.stat().st_mode)}:\n{path.read_text()}")

    title("4. Every day after that")
    token = RefreshingToken.load(credentials, path)
    print(f"Authorization: {token.as_auth()}\nThe API says: {ask_api(server, token)}")

    title("5. It lives for 4 seconds, and is refreshed when it is read near their end")
    while not token.is_expiring:
        time.sleep(0.1)
    print(f"Authorization: {token.as_auth()}\nThe API says: {ask_api(server, token)}")
    print(f"Saved, with the refresh token that the server changed:\n{path.read_text()}")

    title("6. The user takes the login back")
    server.revoke(token.refresh_token)
    try:
        token.refresh()
    except InvalidGrant as error:
        print(f"{type(error).__name__}: {error}")

    title("What the server saw")
    start = server.transcript[0].at
    for exchange in server.transcript:
        answer = f"{exchange.status} {exchange.error}".strip()
        what = exchange.form.get("grant_type", "")
        print(f"{exchange.at - start:5.1f} s  {exchange.method} {exchange.path:26} {what:38} {answer}")


def title(text: str) -> None:
    print(f"\n== {text}", flush=True)


def ask_api(server: FakeGoogle, token: RefreshingToken) -> str:
    request = urllib.request.Request(server.api_url, headers={"Authorization": token.as_auth()})
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=10) as answer:
        return f"{answer.status} {answer.reason}"


if __name__ == "__main__":
    main()
