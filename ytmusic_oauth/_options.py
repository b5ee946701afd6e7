# SPDX-License-Identifier: MIT
"""The options of a command, as the parser sets them, and the error for a client that they leave unknown."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from .models import ClientAuthentication


class UnknownClient(ValueError):
    """The OAuth client or the server is unknown, or two sources disagree about it. The options are valid."""


class Options:
    """The options of one command."""

    #: the function of the command
    run: Callable[[Options], None]
    #: how to call the command line
    program: str
    #: the path of the token file
    file: str
    #: the path of a client file
    client_secrets: str | None = None
    #: the name or the URLs of the server
    endpoints: Sequence[str] = ()
    #: how the client authenticates; None for what the server's endpoints say
    client_authentication: ClientAuthentication | None = None
    #: the scope to request; None for the default
    scope: str | None = None
    #: the server's own parameters of the request for a code
    parameter: Sequence[str] = ()
    #: whether to open the link in a browser
    open_browser: bool = False
    #: whether to keep the client beside the token file
    remember: bool = True
    #: whether to print JSON
    json: bool = False
    #: whether to skip the confirmation
    yes: bool = False
    #: whether to ask the server
    check: bool = False
    #: not an option: where a confirmed login was saved. The event of a later error names it
    saved_in: str = ""
