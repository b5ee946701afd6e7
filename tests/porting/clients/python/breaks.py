# SPDX-License-Identifier: MIT
"""Ways to get it wrong: what a port could do, done to a copy of our own code, one at a time.

`python -m tests.porting.clients.python.bites` puts each of them to the kit, which has to notice.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

__all__ = ["BREAKS", "Break"]


@dataclass(frozen=True)
class Break:
    """In `file` of the package, `old`, which is there once, becomes `new`; `means` is what a user would suffer.

    `hint` is a pattern of the scenarios to try first, where no vector can see it.
    """

    file: str
    means: str
    old: str
    new: str
    hint: str = ""


BREAKS: Final = (
    # ---- what is sent ----
    Break(
        "protocol.py",
        "YouTube is sent Google's grant type",
        'device_grant="http://oauth.net/grant_type/device/1.0"',
        'device_grant="urn:ietf:params:oauth:grant-type:device_code"',
    ),
    Break(
        "protocol.py",
        "YouTube is sent the code under a name that it does not know",
        'device_code_parameter="code"',
        'device_code_parameter="device_code"',
    ),
    Break(
        "protocol.py",
        "a confidential client is refused at the code endpoint",
        "{**form, **client} if endpoints.authenticate_everywhere else form",
        "form",
    ),
    Break(
        "protocol.py",
        "Google is sent the secret where it has no business",
        "{**form, **client} if endpoints.authenticate_everywhere else form",
        "{**form, **client}",
    ),
    Break(
        "protocol.py",
        "a revocation with a hint, which revokes nothing where the hint is wrong",
        'form = {"token": validate("token", token, visible_ascii)}',
        'form = {"token": validate("token", token, visible_ascii), "token_type_hint": "access_token"}',
    ),
    Break(
        "protocol.py",
        "the token to be revoked is in the query, and so in every log",
        "return Request(endpoints.revoke_url, ",
        'return Request(f"{endpoints.revoke_url}?token={token}", ',
    ),
    Break(
        "protocol.py",
        "a client secret goes out over plain http",
        "http://(localhost|",
        "http://([a-z.]+|",
    ),
    Break(
        "protocol.py",
        "every server is believed to bear a second refresh with the same token",
        "rotates_refresh_tokens: bool = True",
        "rotates_refresh_tokens: bool = False",
    ),
    Break(
        "transport.py",
        "client secret and tokens are in the query, and so in every log",
        "Request(url, urlencode(data).encode(), dict(headers))",
        'Request(f"{url}?{urlencode(data)}", urlencode(data).encode(), dict(headers))',
    ),
    Break(
        "transport.py",
        "a secret with a + in it arrives with a blank",
        "urlencode(data).encode()",
        '"&".join(f"{key}={value}" for key, value in data.items()).encode()',
    ),
    Break(
        "transport.py",
        "a code is asked for with GET",
        "Request(url, urlencode(data).encode(), dict(headers))",
        'Request(url, urlencode(data).encode(), dict(headers), method="GET")',
    ),
    Break(
        "session.py",
        "YouTube does not know this kind of device",
        "Firefox/88.0 Cobalt/Version",
        "Firefox/88.0",
    ),
    # ---- what an answer means ----
    Break(
        "protocol.py",
        "a server that leaves out the interval is asked every second",
        'field(body, "interval", _validation.wire_seconds, default=5)',
        'field(body, "interval", _validation.wire_seconds, default=1)',
    ),
    Break(
        "protocol.py",
        "a server that leaves out expires_in gives a token that ends at once",
        "default=3600",
        "default=1",
    ),
    Break(
        "protocol.py",
        "a token lives four seconds longer than the server says",
        'int(sent) + access["expires_in"]',
        'int(sent) + access["expires_in"] + 4',
    ),
    Break(
        "protocol.py",
        "a server that follows the RFC has no link",
        'link = "verification_uri" if body.get("verification_url") is None else "verification_url"',
        'link = "verification_url"',
    ),
    Break(
        "protocol.py",
        "a code with an & in it makes another link",
        'urlencode({"user_code": code["user_code"]}, quote_via=quote)',
        "f\"user_code={code['user_code']}\"",
    ),
    Break(
        "protocol.py",
        "a token that nobody here can use is sent as a Bearer",
        'field(body, "token_type", _validation.bearer, default="Bearer")',
        'field(body, "token_type", _validation.text, default="Bearer")',
    ),
    Break(
        "protocol.py",
        "rotation is forgotten: the second refresh is the end of the login",
        'return _access(body, "") if body.get("refresh_token") is None else _token(body, sent, "")',
        'return _access(body, "")',
    ),
    Break(
        "protocol.py",
        "a revocation that failed is taken for one that was done",
        'whatever the body is; unless it is an error all the same."""\n    raise_for_error(request, answer)',
        'whatever the body is; unless it is an error all the same."""',
    ),
    Break(
        "protocol.py",
        "a scope that the server narrowed is not told",
        '"scope": field(body, "scope", _validation.text, default=scope),',
        '"scope": scope,',
    ),
    Break(
        "_messages.py",
        "a token inside a 500 is believed",
        "if status == 200 and code is None:",
        "if code is None:",
    ),
    Break(
        "_messages.py",
        "the status decides, not the error: pending as 200 is taken for a token",
        "if status == 200 and code is None:",
        "if status == 200:",
    ),
    Break(
        "_messages.py",
        "a redirect is taken for nonsense of the server",
        "if 300 <= status < 400:",
        "if 300 <= status < 300:",
    ),
    Break(
        "_messages.py",
        "a 500 is the end, not passing trouble",
        "status == 408 or status >= 500",
        "status == 408 or status > 500",
    ),
    Break(
        "_messages.py",
        "a quota is taken for nonsense",
        "RateLimited if status == 429 else",
        "RateLimited if status == 420 else",
    ),
    Break(
        "_messages.py",
        "Google's quota errors are not understood",
        'code = body.get("error_code")',
        "code = None",
    ),
    Break(
        "_messages.py",
        "a Retry-After that is a date counts by a clock that may be wrong",
        "until - (now if since is None else since)",
        "until - now",
    ),
    Break(
        "_messages.py",
        "a Retry-After that has passed is a wait of less than nothing",
        "max(0.0, until - (now if since is None else since))",
        "until - (now if since is None else since)",
    ),
    Break(
        "_messages.py",
        "a Retry-After is not read",
        "return float(value)",
        "return None",
    ),
    Break(
        "_messages.py",
        "the interval that GitHub asks for is not kept",
        'refusal.interval = _validation.field(body, "interval", _validation.wire_seconds)',
        '_validation.field(body, "interval", _validation.wire_seconds)',
    ),
    Break(
        "exceptions.py",
        "a login that has ended is one error among many",
        '"invalid_grant": InvalidGrant,',
        '"invalid_grant": ServerError,',
    ),
    Break(
        "exceptions.py",
        "a client that the console has deleted is one error among many",
        '"deleted_client": BadOAuthClient,',
        '"deleted_client": ServerError,',
    ),
    Break(
        "exceptions.py",
        "slow_down slows nothing down",
        '"slow_down": SlowDown,',
        '"slow_down": AuthorizationPending,',
    ),
    Break(
        "exceptions.py",
        "the user's no is waited out until the code expires",
        '"access_denied": AccessDenied,',
        '"access_denied": AuthorizationPending,',
    ),
    # ---- what a value must be ----
    Break(
        "_validation.py",
        "a browser is sent to javascript: and file:",
        'r"https?://[^/?#\\s]\\S*"',
        'r"[a-z]+:\\S*"',
    ),
    Break(
        "_validation.py",
        "a token with a line break in it makes a header of its own",
        're.fullmatch(r"[!-~]+", text(value))',
        're.fullmatch(r"[\\s\\S]+", text(value))',
    ),
    Break(
        "_validation.py",
        "a user code can drive the terminal",
        "if not text(value).strip() or not text(value).isprintable():",
        "if not text(value).strip():",
    ),
    Break(
        "_validation.py",
        "an interval of 0 asks without a pause",
        "if not 1 <= value <= _LONGEST:",
        "if not 0 <= value <= _LONGEST:",
    ),
    Break(
        "_validation.py",
        "true is read as one second",
        "isinstance(value, bool) or not isinstance(value, (int, float))",
        "not isinstance(value, (int, float))",
    ),
    Break(
        "_validation.py",
        "servers that write numbers as text are not understood",
        'if isinstance(value, str) and re.fullmatch(r"[0-9]{1,9}", value):',
        'if isinstance(value, str) and re.fullmatch(r"[0-9]{10}", value):',
    ),
    Break(
        "_validation.py",
        "a key that is there twice is read as whichever is last",
        "object_pairs_hook=_unique, ",
        "",
    ),
    Break(
        "_validation.py",
        "servers that write bearer are not understood",
        'if text(value).lower() != "bearer":',
        'if text(value) != "Bearer":',
    ),
    Break(
        "_validation.py",
        "deeply nested JSON ends the program",
        'if document.count("{") + document.count("[") > _MOST_BRACKETS:',
        "if False:",
    ),
    Break(
        "_validation.py",
        "null is not the same as missing",
        "if value is not None:\n        return validate(key, value, kind)",
        "if key in raw:\n        return validate(key, value, kind)",
    ),
    # ---- what is shown ----
    Break(
        "_messages.py",
        "an error shows the secrets that the server quotes",
        "for secret in sorted(secrets, key=len, reverse=True):",
        "for secret in ():",
    ),
    Break(
        "_messages.py",
        "an error shows the secrets that a proxy quotes, percent-encoded",
        'f"(?:{re.escape(character)}|%{ord(character):02x})"',
        "re.escape(character)",
    ),
    Break(
        "_messages.py",
        "a server's text drives the terminal",
        'return "".join(character if character.isprintable() else " " for character in said)[:300]',
        "return said[:300]",
    ),
    Break(
        "_messages.py",
        "a server's text fills the screen",
        "for character in said)[:300]",
        "for character in said)",
    ),
    Break(
        "_terminal.py",
        "the code that is shown is not the code: upper and lower case differ",
        "confirm there that the code is {code['user_code']}",
        "confirm there that the code is {code['user_code'].lower()}",
        hint="wire/login-*",
    ),
    Break(
        "_terminal.py",
        "nobody is told where to go before it is too late",
        'say(f"Go to {link}")',
        'say("Go to the page of the server")',
        hint="wire/login-*",
    ),
    # ---- when a token ends ----
    Break(
        "_expiry.py",
        "refreshed four seconds early",
        "REFRESH_MARGIN: Final = 60",
        "REFRESH_MARGIN: Final = 64",
    ),
    Break(
        "_expiry.py",
        "a short-lived token is refreshed at every read",
        "min(REFRESH_MARGIN, expires_in // 2) if expires_in > 0 else REFRESH_MARGIN",
        "REFRESH_MARGIN",
    ),
    Break(
        "_expiry.py",
        "a token that was stamped by a clock ahead lives for years",
        " - expires_in, ",
        " - 10**9, ",
    ),
    Break(
        "_expiry.py",
        "a token is used for longer than its whole life, when the clock is set back",
        " - wall, expires_in)",
        " - wall + 10**9, 10**9)",
    ),
    Break(
        "token.py",
        "at 60 seconds left, < where it should be <=",
        "fresh.not_before <= wall < fresh.not_after",
        "fresh.not_before <= wall <= fresh.not_after",
    ),
    Break(
        "token.py",
        "a wall clock that is set back brings a dead token to life",
        " and monotonic < fresh.deadline",
        "",
    ),
    Break(
        "_refresher.py",
        "a slow answer makes a longer life",
        "            fresh_access = credentials.refresh_token(refresh_token)\n",
        "            fresh_access = credentials.refresh_token(refresh_token)\n"
        "            wall, monotonic = time.time(), time.monotonic()\n",
        hint="expiry/counted-*",
    ),
    Break(
        "_refresher.py",
        "the music stops while the server restarts, though the token lives",
        "if now or not error.retryable or not token._snapshot.valid.covers(time.time(), time.monotonic()):",
        "if True:",
        hint="expiry/served-*",
    ),
    Break(
        "_refresher.py",
        "a dead token is handed out, because the server is in trouble",
        " or not token._snapshot.valid.covers(time.time(), time.monotonic()):\n                raise",
        ":\n                raise",
        hint="expiry/not-served-*",
    ),
    Break(
        "_refresher.py",
        "nobody learns that the login has ended while the old token lives",
        "if now or not error.retryable or not",
        "if now or not",
        hint="expiry/*",
    ),
    Break(
        "_refresher.py",
        "a dead refresh token is sent again at every read",
        "if refresh_token in self._refused_tokens:",
        "if False:",
        hint="expiry/a-login-*",
    ),
    Break(
        "_refresher.py",
        "a server in trouble is asked at every read",
        "return patient or not held.valid",
        "return True or not held.valid",
        hint="expiry/served-*",
    ),
    Break(
        "_refresher.py",
        "a server that asks to be left alone for half a minute is asked after a second",
        "max(pause, retry_after or pause)",
        "pause",
    ),
    Break(
        "_snapshot.py",
        "rotation is forgotten where the token is held",
        'renewed = {**self.token, **fresh_access, "expires_at": expires_at}',
        "renewed = {**self.token, **fresh_access, "
        '"expires_at": expires_at, "refresh_token": self.token["refresh_token"]}',
    ),
    Break(
        "_snapshot.py",
        "after a refresh the token still ends when the old one did",
        'renewed = {**self.token, **fresh_access, "expires_at": expires_at}',
        'renewed = {**self.token, **fresh_access, "expires_at": self.token["expires_at"]}',
    ),
    Break(
        "_snapshot.py",
        "a refresh that says no scope takes the scope away",
        '_validation.field(renewed, "scope", _validation.text) or self.token["scope"]',
        '_validation.field(renewed, "scope", _validation.text)',
    ),
    # ---- when the server is asked ----
    Break("device.py", "slow_down adds one second instead of five", "_SLOW_DOWN: Final = 5", "_SLOW_DOWN: Final = 1"),
    Break(
        "device.py",
        "slow_down slows one poll down, and the next is too fast again",
        "            self.interval = max(self.interval + _SLOW_DOWN, error.interval or self.interval)\n",
        "            self._next = now + max(self.interval + _SLOW_DOWN, error.interval or 0)\n            return\n",
    ),
    Break(
        "device.py",
        "asked at once, before anybody could have confirmed",
        "self._next = sent + self.interval",
        "self._next = sent",
    ),
    Break(
        "device.py",
        "a server in trouble is asked as often as ever",
        "max(self.interval, min(2 * self.interval, _LONGEST_BACKOFF))",
        "self.interval",
    ),
    Break(
        "device.py",
        "after ten faults the user waits for an hour",
        "min(2 * self.interval, _LONGEST_BACKOFF)",
        "2 * self.interval",
    ),
    Break(
        "device.py",
        "polls go on when the code is dead",
        "if max(now, self._next) > self.deadline:",
        "if False:",
    ),
    Break(
        "device.py",
        "a network that comes up late ends the login",
        "elif not error.retryable:",
        "elif not isinstance(error, AuthorizationPending):",
    ),
    Break(
        "device.py",
        "the next poll counts from the last one, not from its answer",
        "self._next = now + max(",
        "self._next += max(",
    ),
    Break(
        "device.py",
        "a poll that is told when to come again comes before",
        "max(self.interval, error.retry_after or self.interval)",
        "self.interval",
    ),
    Break(
        "credentials.py",
        "the code's life begins when the person has read it",
        'DevicePoll(code, self._asked.get(code["device_code"], time.monotonic()))',
        "DevicePoll(code, time.monotonic())",
    ),
    Break(
        "credentials.py",
        "a poll without an answer is sent again at once",
        "        return protocol.parse_token(request, self._send(request), sent=sent, scope=self.scope)",
        "        return self._retried(\n"
        "            lambda: protocol.parse_token(request, self._send(request), sent=sent, scope=self.scope),\n"
        "            repeatable=True,\n"
        "        )",
    ),
    Break(
        "credentials.py",
        "one lost packet ends a refresh",
        "return self._retried(ask, repeatable=not self.endpoints.rotates_refresh_tokens)",
        "return ask()",
    ),
    Break(
        "credentials.py",
        "a rotated refresh token is sent twice, and the login ends",
        "return self._retried(ask, repeatable=not self.endpoints.rotates_refresh_tokens)",
        "return self._retried(ask, repeatable=True)",
    ),
    Break("session.py", "a server in trouble is asked five times", "TRIES: Final = 3", "TRIES: Final = 5"),
    Break("session.py", "tried again without growing pauses", "2**tried", "1**tried"),
    Break(
        "session.py", "slept for a minute without a word", "LONGEST_WAIT: Final = 10.0", "LONGEST_WAIT: Final = 100.0"
    ),
    Break(
        "session.py",
        "Retry-After is read, and not kept",
        "2**tried * jitter() if error.retry_after is None else error.retry_after",
        "2**tried * jitter()",
    ),
    Break(
        "session.py",
        "a thousand clients that failed together come back together",
        "2**tried * jitter() if",
        "2**tried if",
    ),
    # ---- a hostile network ----
    Break(
        "transport.py",
        "a redirect is followed",
        "            opener.add_handler(_DeadlineHandler(end, self.ssl_context, opened))\n",
        "            opener.add_handler(_DeadlineHandler(end, self.ssl_context, opened))\n"
        "            from urllib.request import HTTPErrorProcessor, HTTPRedirectHandler\n\n"
        "            opener.add_handler(HTTPErrorProcessor())\n"
        "            opener.add_handler(HTTPRedirectHandler())\n",
        hint="hostile/a-redirect-*",
    ),
    Break(
        "transport.py",
        "a server that drips keeps the program for ever",
        "self._sock.settimeout(_remaining(self._end))",
        "self._sock.settimeout(CONNECT_TIMEOUT)",
        hint="hostile/*drip*",
    ),
    Break(
        "transport.py",
        "a huge answer fills the memory of a router",
        "LARGEST_BODY: Final = 2**20",
        "LARGEST_BODY: Final = 2**30",
        hint="hostile/a-huge-*",
    ),
    Break(
        "transport.py",
        "an answer that was cut short is believed",
        '"cut short" if response.length else ""',
        '""',
    ),
    Break(
        "transport.py",
        "a proxy reads what goes to this machine",
        "        with ExitStack() as opened:\n",
        "        opener.add_handler(ProxyHandler(getproxies()))\n        with ExitStack() as opened:\n",
        hint="hostile/surroundings",
    ),
    Break(
        "transport.py",
        "what is no UTF-8 is read as something else",
        "_validation.json_object(self.content.decode())",
        '_validation.json_object(self.content.decode(errors="replace"))',
    ),
    # ---- the file ----
    Break(
        "_file_store.py",
        "the new file is readable for everybody while it is written",
        "            _write(file, content)\n        finally:\n            os.close(file)\n        yield",
        "            os.fchmod(file, 0o644)\n            _write(file, content)\n            os.fchmod(file, 0o600)\n"
        "        finally:\n            os.close(file)\n        yield",
        hint="file/never-*",
    ),
    Break(
        "_file_store.py",
        "a strange umask makes a file that its owner cannot read",
        "                    os.fchmod(file, 0o600)  # an odd umask may have taken our own rights away\n",
        "                    pass\n",
        hint="file/rotation-*",
    ),
    Break(
        "_file_store.py",
        "the token file is readable for everybody",
        "os.fchmod(file, 0o600)  # an odd umask",
        "os.fchmod(file, 0o644)  # an odd umask",
        hint="file/a-login-is-stored",
    ),
    Break(
        "_file_store.py",
        "written in place: half a file when the power goes",
        "                os.replace(temporary, target)\n",
        "                if before is None:\n"
        "                    os.replace(temporary, target)\n"
        "                else:\n"
        "                    _write_in_place(target, content, before.st_size)\n",
        hint="file/replaced-*",
    ),
    Break(
        "_file_store.py",
        "cut to nothing before it is written",
        "            with _temporary_file(target, content, before, exclusive) as temporary:\n"
        "                os.replace(temporary, target)\n",
        '            with open(target, "wb") as whole:\n                whole.write(content)\n',
        hint="file/a-full-disk",
    ),
    Break(
        "_file_store.py",
        "every killed process leaves another file",
        'f"{target}.tmp" if exclusive else f"{target}.{os.urandom(8).hex()}.tmp"',
        'f"{target}.{os.urandom(8).hex()}.tmp"',
        hint="file/killed-*",
    ),
    Break(
        "_file_store.py",
        "ytmusicapi's file in another form",
        "json.dumps(token, indent=1)",
        "json.dumps(token, indent=2)",
    ),
    Break(
        "_file_store.py",
        "a symbolic link becomes a file, and the real one grows old",
        "return os.path.realpath(path)",
        "return os.path.abspath(path)",
        hint="file/a-symbolic-link",
    ),
    Break(
        "_file_store.py",
        "a full disk is filled with what was not finished",
        "        with suppress(OSError):\n            os.unlink(temporary)\n",
        "",
        hint="file/a-full-disk",
    ),
    Break(
        "_file_store.py",
        "a pipe in the place of the file is read",
        "            _check_regular(path, os.fstat(file))\n",
        "",
        hint="file/a-pipe-*",
    ),
    Break(
        "_file_store.py",
        "a file that Windows' editor has saved is no token file",
        'content.decode("utf-8-sig")',
        'content.decode("utf-8")',
    ),
    Break(
        "_file_store.py",
        "a file in another order of keys than ytmusicapi's",
        "json.dumps(token, indent=1)",
        "json.dumps(token, indent=1, sort_keys=True)",
    ),
    Break(
        "token.py",
        "a person confirms a code, and then it cannot be stored",
        "            check_writable(to_file)\n",
        "            pass\n",
        hint="file/a-login-that-could-*",
    ),
    Break(
        "_refresher.py",
        "a refreshed token is not saved",
        "                        self._write(held, self.path, exclusive)\n                    except",
        "                        pass\n                    except",
        hint="file/a-refresh-*",
    ),
    Break(
        "_refresher.py",
        "a full disk is the end of the music",
        "                    except TokenFileError as error:\n                        self._defer_save(error)",
        "                    except TokenFileError:\n                        raise",
        hint="file/a-full-disk",
    ),
    Break(
        "_refresher.py",
        "what could not be saved is never saved",
        "return self.is_unsaved and patient and monotonic >= self._store_backoff.until",
        "return False",
        hint="file/a-disk-*",
    ),
    Break(
        "_refresher.py",
        "a file that is somebody else's by now is overwritten",
        "                        if trouble is not None:",
        "                        if False:",
        hint="file/what-*",
    ),
    Break(
        "_file_store.py",
        "a person confirms a code, and then there is no such folder",
        "        if error.errno not in _NO_RENAME or not os.access(target, os.W_OK):",
        "        if False:",
        hint="file/a-folder-*",
    ),
    # ---- many at once ----
    Break(
        "_refresher.py",
        "two processes refresh at once, and rotation ends the login",
        "return nullcontext(False) if self.path is None else locked(self.path, timeout)",
        "return nullcontext(False)",
        hint="concurrency/two-processes-*",
    ),
    Break(
        "_refresher.py",
        "what another process has saved is not used",
        "None if self.path is None else self._reload_if_newer(token, self.path)",
        "None",
        hint="concurrency/*process*",
    ),
    Break(
        "_single_flight.py",
        "sixteen threads that were answered with 401 refresh sixteen times",
        "            if self.generation != seen:\n",
        "            if False:\n",
        hint="concurrency/sixteen-*",
    ),
    Break(
        "_single_flight.py",
        "sixteen threads ask a server in trouble sixteen times",
        "                if self._error is not None:\n                    raise",
        "                if self._error is not None:\n                    work()\n                    raise",
        hint="concurrency/sixteen-*",
    ),
    Break(
        "_refresher.py",
        "whoever finds the file locked gives up at once",
        "_LONG_WAIT: Final = 120.0",
        "_LONG_WAIT: Final = 0.0",
        hint="concurrency/two-processes-*",
    ),
)
