# SPDX-License-Identifier: MIT
"""The command line: options and exit status. A failure is a message on standard error, never a traceback."""

from __future__ import annotations

import argparse
import os
import re
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Final, NoReturn, TextIO

from . import __version__
from ._commands import header, login, refresh, revoke, status, token
from ._options import Options
from ._output import write_event, write_message, write_result
from .exceptions import AccessDenied, DeviceCodeExpired, InvalidGrant, OAuthError, TokenFileNotFound

DONE: Final = 0
LOG_IN_AGAIN: Final = 1
FIX_FIRST: Final = 2
TRY_LATER: Final = 3
INTERRUPTED: Final = 130

_COMMANDS: Final[Mapping[Callable[[Options], None], str]] = {
    login: "log in with a code that you confirm in a browser",
    token: "print the access token, refreshed first if it is due",
    header: "print the Authorization header, for curl -H @-",
    status: "say whether you are logged in (exit status 0 if so); --check asks the server",
    refresh: "get a new access token now, even if the old one is fresh",
    revoke: "end the login, for every program that uses it, and remove its files",
}
_CLIENT_HELP: Final = (
    "`login` saves the client and the server in FILE.client. A client that is neither given nor saved is read from the "
    "environment variables YTMUSIC_OAUTH_CLIENT_ID and YTMUSIC_OAUTH_CLIENT_SECRET, or asked for. The JSON file may "
    'also have "scope", "parameters", and "endpoints": "youtube", "google", or an object with device_code_url, '
    "token_url and, if needed, revoke_url, client_authentication, device_grant, device_code_parameter, "
    "authenticate_everywhere, rotates_refresh_tokens, is_google."
)
_ABOUT: Final = "OAuth for YouTube Music: log in once, then pass the token to other programs."
_EPILOG: Final = "Exit status: 0 done; 1 log in again; 2 fix something first; 3 try later;\n130 interrupted."
_EXAMPLES: Final = "examples:\n  {0} login --client-secrets client.json\n  {0} header | curl -H @- https://...\n\n"
# A fixed width: to find out the terminal's, argparse would import shutil (3 ms) on every run.
_FORMAT: Final = partial(argparse.HelpFormatter, width=78)
_RAW: Final = partial(argparse.RawDescriptionHelpFormatter, width=78)


def _path(value: str) -> str:
    if not value:
        raise argparse.ArgumentTypeError("the file name is empty")
    return os.path.expanduser(value)


class _Parser(argparse.ArgumentParser):
    color = property(lambda _: False, lambda _, __: None)  # Python 3.14 adds color codes, printed as text

    def error(self, message: str) -> NoReturn:
        """Raise the error as one sentence that omits the value, which may be a secret."""
        message = re.sub(r"invalid choice: .* \(choose from (.*)\)", r"it takes one of: \1", message)
        message = re.sub(r"ignored explicit argument .*", "it takes no value", message)
        message = message.replace("argument ", "").replace("'", "")
        raise ValueError(f"{message}. See `{self.prog} --help`")

    def _print_message(self, message: str, file: object = None) -> None:
        """Print the help or the version. argparse itself would ignore that it cannot be written."""
        show = write_message if file is sys.stderr else write_result
        with suppress(BrokenPipeError):  # the reader has seen enough
            for line in message.splitlines():
                show(line)


def _parsed(words: Sequence[str], program: str, arguments: Options) -> None:
    """Parse the arguments. For wrong usage, raises a `ValueError` whose message quotes no value."""
    command, commands, flags = words[0], [run.__name__ for run in _COMMANDS], ("-h", "--help", "--version")
    if command not in {*commands, *flags}:
        problem = f"The first word must be a command: {', '.join(commands)}"
        raise ValueError(f"{problem}. {_hint(command, [*commands, *flags])}See `{program} --help`")
    parser, of_command = _parser(program, command if command in commands else None)
    _, unknown = parser.parse_known_args(words, arguments)
    if unknown:
        problem, option = "There is a word too many. ", unknown[0].partition("=")[0]
        if re.fullmatch(r"--[a-z-]+|-[a-z]", option):
            problem = f"There is no option {option}. {_hint(option, re.findall('--[a-z-]+', of_command.format_help()))}"
        raise ValueError(f"{problem}See `{program} {command} --help`")


def _hint(word: str, known: Sequence[str]) -> str:
    from difflib import get_close_matches

    return "".join(f"Did you mean {match}? " for match in get_close_matches(word, known, 1))


def _parser(program: str, only: str | None = None) -> tuple[_Parser, _Parser]:
    """Return the parser, and that of its last command.

    With `only`, builds that command's parser alone: building all takes longer.
    """
    parser = _Parser(program, description=_ABOUT, epilog=_EXAMPLES.format(program) + _EPILOG, formatter_class=_RAW)
    parser.add_argument("--version", action="version", version=f"ytmusic_oauth {__version__}")
    commands, command = parser.add_subparsers(title="commands", metavar="COMMAND"), parser
    for run, purpose in _COMMANDS.items():
        if only in {None, run.__name__}:
            command = commands.add_parser(run.__name__, help=purpose, allow_abbrev=False, formatter_class=_FORMAT)
            command.description, command.epilog = f"{purpose[0].upper()}{purpose[1:]}.", _EPILOG
            command.argument_default = argparse.SUPPRESS
            command.set_defaults(run=run)
            _add_options(command, run)
    return parser, command


def _add_options(command: _Parser, run: Callable[[Options], None]) -> None:
    file = os.environ.get("YTMUSIC_OAUTH_FILE") or "oauth.json"
    file_help = "the token file (default: $YTMUSIC_OAUTH_FILE, or oauth.json)"
    command.add_argument("--file", type=_path, default=file, help=file_help)
    if run in {login, status}:
        keys = "file, scope, token_type, expires_at (UNIX time), expires_in, seconds_left, is_expiring, is_usable"
        json_help = f"print JSON, one object per line{f': {keys}' if run is status else ''}"
        command.add_argument("--json", action="store_true", help=json_help)
    if run is login:
        command.add_argument("--scope", help="the scope to request (default: YouTube's, at Google's endpoints)")
        parameter_help = "another parameter of the request for a code, such as audience=...; may be repeated"
        command.add_argument("--parameter", action="append", metavar="NAME=VALUE", help=parameter_help)
        command.add_argument("--open-browser", action="store_true", help="open the link in a browser on this machine")
        remember_help = "do not save the client in FILE.client"
        command.add_argument("--no-remember", action="store_false", dest="remember", help=remember_help)
    if run is status:
        check_help = "refresh the token, to learn whether the login has ended at the server"
        command.add_argument("--check", action="store_true", help=check_help)
    if run is revoke:
        command.add_argument("--yes", action="store_true", help="do not ask for confirmation")
    client = command.add_argument_group("OAuth client and server", _CLIENT_HELP)
    secrets_help = "the OAuth client's JSON file, from the Google Cloud console or with client_id and client_secret"
    client.add_argument("--client-secrets", metavar="FILE", type=_path, help=secrets_help)
    endpoints_help = "youtube (default), google, or DEVICE_CODE_URL TOKEN_URL [REVOKE_URL] of any RFC 8628 server"
    client.add_argument("--endpoints", nargs="+", metavar="NAME", help=endpoints_help)
    ways = "how the client authenticates: post (default), basic or none (no secret)"
    client.add_argument("--client-authentication", metavar="METHOD", choices=("post", "basic", "none"), help=ways)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command, and return its exit status. Raises `SystemExit` after --help and --version."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", RuntimeWarning)
        try:
            program = _program((sys.argv or ["ytmusic_oauth"])[0])
            return _run(argv, program.encode("ascii", "backslashreplace").decode())
        except KeyboardInterrupt:  # before the command, or while an error is written
            return INTERRUPTED
        finally:
            for warning in caught:
                write_message(f"ytmusic_oauth: {warning.message}")
            _flush(sys.stdout)
            _flush(sys.stderr)


def _program(path: str) -> str:
    """Return how to call the command line: what a shell can run."""
    from shlex import quote

    name = os.path.basename(path)
    if name != "__main__.py" and not name.endswith(".pyz"):
        return quote(_short(path))
    python = sys.executable or ""
    if not re.match("python|pypy|graalpy", os.path.basename(python).lower()):
        python = "python"
    return f"{quote(_short(python))} {f'-m {__package__}' if name == '__main__.py' else quote(path)}"


def _short(path: str) -> str:
    """Return the name of a program if a shell finds this one by it, else its path."""
    folder, name = os.path.split(path)
    found = [each for each in os.get_exec_path() if os.path.exists(os.path.join(each, name))]
    # By the folder: the Python of a virtual environment is a link to one outside.
    return name if found and os.path.realpath(found[0]) == os.path.realpath(folder) else path


def _run(argv: Sequence[str] | None, program: str) -> int:
    arguments, words = Options(), sys.argv[1:] if argv is None else argv
    arguments.program = program
    arguments.json = "--json" in words  # for an error in the words themselves
    try:
        if not words:
            _parser(program)[0].print_help(sys.stderr)
            return FIX_FIRST
        _parsed(words, program, arguments)
        arguments.run(arguments)
    except OAuthError as error:
        again = isinstance(error, (InvalidGrant, AccessDenied, DeviceCodeExpired, TokenFileNotFound))
        again = again and (not isinstance(error, TokenFileNotFound) or error.advice == TokenFileNotFound.advice)
        hint = f" Run `{program} login` with the same --file and client options." if again else ""
        exit_status = LOG_IN_AGAIN if again else TRY_LATER if error.retryable else FIX_FIRST
        return _failed(arguments, type(error).__name__, f"{error}{hint}", exit_status)
    except (KeyboardInterrupt, EOFError) as error:
        return _failed(arguments, "Interrupted", str(error) or "Interrupted.", INTERRUPTED)
    except BrokenPipeError:
        if arguments.run is not login:  # the reader has seen enough
            return INTERRUPTED
        return _failed(arguments, "BrokenPipeError", "The reader of standard output has gone.", INTERRUPTED)
    except OSError as error:
        from ._file_kinds import advice_for

        problem = f"{error.filename or os.curdir}: {error.strerror or type(error).__name__}. {advice_for(error.errno)}"
        return _failed(arguments, "OSError", problem, FIX_FIRST)
    except ValueError as error:
        is_quoted = isinstance(error, UnicodeError)  # its message quotes what was typed
        return _failed(arguments, "ValueError", f"{'The input is not valid text' if is_quoted else error}.", FIX_FIRST)
    return DONE


def _failed(arguments: Options, error: str, message: str, exit_status: int) -> int:
    message += f" The login is saved in {arguments.saved_in}." if arguments.saved_in else ""
    if arguments.json:
        with suppress(OSError):
            write_event("error", error=error, message=message, exit_status=exit_status, file=arguments.saved_in or None)
    write_message(f"ytmusic_oauth: {message}")
    return exit_status


def _flush(stream: TextIO) -> None:
    # If this fails, Python flushes again at exit, prints a traceback (see the note on SIGPIPE in the docs of `signal`),
    # and exits with 120.
    try:
        stream.flush()
    except (AttributeError, OSError, ValueError):  # it is missing, or fails, or is closed
        with suppress(AttributeError, OSError, ValueError), open(os.devnull, "wb") as devnull:
            os.dup2(devnull.fileno(), stream.fileno())
