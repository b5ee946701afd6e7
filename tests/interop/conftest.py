# SPDX-License-Identifier: MIT
"""The third-party software that the tests run with, and its versions. At the end, prints a table of what was tested."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Generator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Final

import pytest

from ytmusic_oauth._validation import json_object, text

ROOT: Final = Path(__file__).parents[2]
#: where `npm ci` was run
NODE_MODULES: Final = Path(sys.prefix) / "node_modules"


@pytest.fixture(autouse=True)
def _no_certificates_of_ones_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test says which certificates to trust."""
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR", "NETRC"):
        monkeypatch.delenv(name, raising=False)


def found(program: str) -> str:
    """Return the path of a program, or skip the test if it is missing."""
    path = shutil.which(program)
    if path is None:
        pytest.skip(f"there is no {program}")
    return path


def _says(program: str) -> str:
    if shutil.which(program) is None:
        return "missing"
    told = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    return re.sub(r"^\D*([\d.]+).*", r"\1", told.strip())


def _npm(package: str) -> str:
    manifest = NODE_MODULES / package / "package.json"
    return text(json_object(manifest.read_text("utf-8"))["version"]) if manifest.exists() else "missing"


# By the name in a test's mark `beside`: what its tests show.
SHOWN: Final[Mapping[str, str]] = {
    "ytmusicapi": "its `YTMusic` works with our credentials and our token; each reads the other's token files",
    "aiohttp": "the recipe signs requests, and sends them again after a 401",
    "google-api-python-client": "the same, with its own margin",
    "google-auth": "each reads what the other exports in Google's authorized_user form, with the recipe",
    "requests": "a `requests.Session` as `session=`: proxies, TLS, redirects are refused; the recipe, as for aiohttp",
    "httpx": "an `httpx.Client` as `session=`: the same; the recipe, as for aiohttp",
    "httpx2": "an `httpx2.Client` as `session=`: the same",
    "Kodistubs": "Kodi's classes fit the recipe for an add-on",
    "oidc-provider": "a certified server: a login with each outcome, a refresh, a revocation",
    "Authlib": "a server made with it: the same",
    "django-oauth-toolkit": "a server made with it: the same, except what it leaves to its clients",
    "django-allauth": "its OpenID Connect provider, with a public client and one that posts its secret: the same",
    "@better-auth/oauth-provider": "Better Auth with a public client, one that posts its secret, one that uses Basic",
    "glewlwyd": "Debian's package, with the same three clients",
    "proxy.py": "a proxy with CONNECT and a password",
    "playwright-core": "Chromium confirms the code that `login --open-browser` opens",
    "pyright": "every public name has a type",
    "mypy": "the stubs in `typings/` match the real packages",
}
HEAD: Final = ("| software | version | what its tests show |", "|---|---|---|")
_NPM: Final = frozenset({"@better-auth/oauth-provider", "oidc-provider", "playwright-core", "pyright"})
_passed: Final[Counter[str]] = Counter()
_failed: Final[set[str]] = set()
_left_out: Final[Counter[str]] = Counter()


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "beside(name): the third-party software that a test needs, a key of SHOWN")


def version_of(name: str) -> str:
    """The version that is installed."""
    if name == "glewlwyd":
        return _says(name)
    return _npm(name) if name in _NPM else version(name)


def row(name: str) -> str:
    """The row of the table."""
    return f"| {name} | {version_of(name)} | {SHOWN[name]} |"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    names = [str(mark.args[0]) for mark in item.iter_markers("beside")]
    if report.when == "call" and report.passed:
        _passed.update(names)
    elif report.failed:
        _failed.update(names)
    elif report.skipped:
        _left_out[f"{item.path.name}: {call.excinfo and call.excinfo.value}"] += 1
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    say = terminalreporter.write_line
    system = [f"Python {sys.version.split()[0]}", f"Node {_says('node')}", f"Chromium {_says('chromium')}"]
    terminalreporter.section("tested with")
    say(f"On {', '.join(system)}.\n")
    for line in HEAD:
        say(line)
    for name in SHOWN:
        if _passed[name] and name not in _failed:
            say(row(name))
    say("")
    for what, count in _left_out.items():
        say(f"NOT RUN: {count} tests of {what}", red=True)
