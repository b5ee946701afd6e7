# SPDX-License-Identifier: MIT
"""The command line: what can be asked, who asks it, and what became of it as an exit status.

Every failure is one plain line on standard error, and never a traceback.
"""

from __future__ import annotations

import argparse
import os
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Final

from . import __version__
from ._commands import Client, Options, can_ask, event, header, login, refresh, revoke, status, tell, token
from ._validation import field, is_object, json_object, visible_ascii
from .exceptions import AccessDenied, DeviceCodeExpired, InvalidGrant, OAuthError, TokenFileNotFound
from .protocol import GOOGLE, YOUTUBE, Endpoints

__all__ = ["DONE", "FIX_FIRST", "INTERRUPTED", "LOG_IN_AGAIN", "TRY_LATER", "main"]

DONE: Final = 0
LOG_IN_AGAIN: Final = 1
FIX_FIRST: Final = 2
TRY_LATER: Final = 3
INTERRUPTED: Final = 130

# Characters. What the Google console downloads has some four hundred.
_LARGEST_FILE: Final = 2**20

_EPILOG: Final = (
    "The OAuth client is read from --client-secrets, or from YTMUSIC_OAUTH_CLIENT_ID and YTMUSIC_OAUTH_CLIENT_SECRET, "
    "or asked for. A fresh token needs none. Exit status: 0 done; 1 log in again; 2 wrong usage, configuration, file "
    "or server; 3 try later; 130 interrupted."
)
_OPTIONS: Final[Mapping[str, str]] = {
    "--file": "the token file (default: YTMUSIC_OAUTH_FILE, or oauth.json)",
    "--client-secrets": "the OAuth client, as the JSON that the Google console downloads",
    "--endpoints": "youtube (default), google, or the URLs of an RFC 8628 server: device code, token, revocation",
    "--scope": "what to ask for (default: YouTube)",
    "--open-browser": "open the link, too",
    "--json": "for machines: lines of JSON",
    "--yes": "do not ask",
}
# To ask a terminal for its width is to load `shutil` and all that it can unpack, for each use and not for help exclusive.
_FORMAT: Final = partial(argparse.HelpFormatter, width=78)
_CLIENT: Final = ("--client-secrets", "--endpoints")
_COMMANDS: Final[tuple[tuple[Callable[[Options], None], str, tuple[str, ...]], ...]] = (
    (login, "log in with a code that you confirm on another device", (*_CLIENT, "--scope", "--open-browser", "--json")),
    (token, "print the access token, refreshed if it is due", _CLIENT),
    (header, "print it as an Authorization header, such as curl takes with -H", _CLIENT),
    (status, "tell what the file holds and how long it lasts: no secret, no network", ("--json",)),
    (refresh, "get another access token now", _CLIENT),
    (revoke, "end the login, for every program that uses it", (*_CLIENT, "--yes")),
)


class _Arguments(Options):
    run: Callable[[Options], None]
    client_secrets: str | None = None
    endpoints: Sequence[str] = ("youtube",)

    def client(self) -> Client:
        client_id, client_secret = self._client_secrets()
        return Client(client_id, client_secret, endpoints=_endpoints(self.endpoints), scope=self.scope)

    def _client_secrets(self) -> tuple[str, str]:
        if self.client_secrets is None:
            return (
                os.environ.get("YTMUSIC_OAUTH_CLIENT_ID") or _ask("Client id: "),
                os.environ.get("YTMUSIC_OAUTH_CLIENT_SECRET") or _ask("Client secret (not shown): ", unseen=True),
            )
        with open(self.client_secrets, encoding="utf-8-sig", errors="replace") as file:
            document = file.read(_LARGEST_FILE)
        try:
            whole = json_object(document)
            client = whole.get("installed") or whole.get("web")
            if not is_object(client):
                raise ValueError('has no client under "installed" or "web"')
            return field(client, "client_id", visible_ascii), field(client, "client_secret", visible_ascii)
        except ValueError as error:
            problem = f"{self.client_secrets} is not the JSON that the Google console downloads: {error}"
            raise ValueError(problem) from None


def _ask(question: str, *, unseen: bool = False) -> str:
    if not can_ask():
        raise ValueError(
            "the OAuth client is not known: give --client-secrets FILE, or set YTMUSIC_OAUTH_CLIENT_ID and "
            "YTMUSIC_OAUTH_CLIENT_SECRET"
        )
    if not unseen:
        tell(question, end="")
        return input().strip()
    from getpass import getpass

    return getpass(question).strip()


def _endpoints(names: Sequence[str]) -> Endpoints:
    known = {"youtube": YOUTUBE, "google": GOOGLE}
    if len(names) == 1 and names[0] in known:
        return known[names[0]]
    if len(names) not in {2, 3}:
        raise ValueError("--endpoints takes youtube, google, or DEVICE_CODE_URL TOKEN_URL [REVOKE_URL]")
    return Endpoints(*names)


def _path(value: str) -> str:
    if not value:
        raise argparse.ArgumentTypeError("the name of the file is empty")
    return value


def _parser(program: str) -> argparse.ArgumentParser:
    purpose = "OAuth for YouTube Music: log in once, then hand the token to whoever asks for it."
    parser = argparse.ArgumentParser(
        program, description=purpose, epilog=_EPILOG, allow_abbrev=False, formatter_class=_FORMAT
    )
    parser.add_argument("--version", action="version", version=f"ytmusic_oauth {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for run, purpose, options in _COMMANDS:
        command = commands.add_parser(
            run.__name__,
            help=purpose,
            description=f"{purpose[0].upper()}{purpose[1:]}.",
            epilog=_EPILOG,
            allow_abbrev=False,
            formatter_class=_FORMAT,
            argument_default=argparse.SUPPRESS,
        )
        command.set_defaults(run=run, file=os.environ.get("YTMUSIC_OAUTH_FILE") or "oauth.json")
        for option in ("--file", *options):
            add = partial(command.add_argument, option, help=_OPTIONS[option])
            if option in {"--open-browser", "--json", "--yes"}:
                add(action="store_true")
            elif option == "--endpoints":
                add(nargs="+", metavar="NAME")
            elif option == "--scope":
                add()
            else:
                add(metavar="FILE", type=_path)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command, and return its exit status."""
    program = os.path.basename(sys.argv[0]).encode("ascii", "backslashreplace").decode()
    if program == "__main__.py":
        program = f"python -m {__package__}"
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", RuntimeWarning)
        try:
            return _run(argv, program)
        finally:
            for warning in caught:
                tell(f"ytmusic_oauth: {warning.message}")
            _flush()


def _run(argv: Sequence[str] | None, program: str) -> int:
    arguments = _Arguments()
    try:
        _parser(program).parse_args(argv, arguments)
        arguments.run(arguments)
    except OAuthError as error:
        again = isinstance(error, (InvalidGrant, AccessDenied, DeviceCodeExpired, TokenFileNotFound))
        hint = f" ({program} login, with the same options)" if again else ""
        exit_status = LOG_IN_AGAIN if again else TRY_LATER if error.retryable else FIX_FIRST
        return _failed(arguments, type(error).__name__, f"{error}{hint}", exit_status)
    except (KeyboardInterrupt, EOFError, BrokenPipeError):  # the last: whoever read what we print has left
        return _failed(arguments, "Interrupted", "Interrupted.", INTERRUPTED)
    except OSError as error:
        return _failed(arguments, "OSError", f"{error.filename or os.curdir}: {error.strerror}.", FIX_FIRST)
    except UnicodeError:  # it quotes what was typed
        return _failed(arguments, "ValueError", "What was typed is not text.", FIX_FIRST)
    except ValueError as error:
        return _failed(arguments, "ValueError", f"{error}.", FIX_FIRST)
    return DONE


def _failed(arguments: _Arguments, kind: str, message: str, exit_status: int) -> int:
    if arguments.json:
        with suppress(OSError):
            event("error", error=kind, message=message, exit_status=exit_status)
    tell(f"ytmusic_oauth: {message}")
    return exit_status


def _flush() -> None:
    # What nobody reads, Python would try to write once more at its end, and complain.
    if (stream := sys.stdout) is not None:
        try:
            stream.flush()
        except OSError:
            with suppress(OSError), open(os.devnull, "wb") as nowhere:
                os.dup2(nowhere.fileno(), stream.fileno())


if __name__ == "__main__":
    sys.exit(main())
