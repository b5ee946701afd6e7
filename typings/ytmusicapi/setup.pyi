# SPDX-License-Identifier: MIT
# The slice of ytmusicapi that logs in by way of the terminal.

from requests import Session
from ytmusicapi.auth.oauth import RefreshingToken

def main() -> RefreshingToken | str: ...
def setup_oauth(
    client_id: str,
    client_secret: str,
    filepath: str | None = None,
    session: Session | None = None,
    proxies: dict[str, str] | None = None,
    open_browser: bool = False,
) -> RefreshingToken: ...
