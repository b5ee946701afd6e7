# SPDX-License-Identifier: MIT
"""The package inside other programs: vendored, in a zip file, and with Pythons that lack a module.

Each test starts a Python process that does everything once: login, token file, refresh, load, revocation.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import zipapp
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import pytest

from tests.porting.fake_google import CLIENT_ID, CLIENT_SECRET, FakeGoogle
from tests.tools.release.vendoring import vendor

# The program that embeds the package. `PACKAGE` is the name of the package there.
SCRIPT: Final = """
import importlib, sys, time
URL, FILE, CLIENT_ID, CLIENT_SECRET, PACKAGE = sys.argv[1:]
oauth = importlib.import_module(PACKAGE)
endpoints = oauth.Endpoints(URL + "/device/code", URL + "/token", URL + "/revoke", authenticate_everywhere=False)
credentials = oauth.OAuthCredentials(CLIENT_ID, CLIENT_SECRET, endpoints=endpoints, scope="music")
token = oauth.RefreshingToken.prompt_for_token(credentials, open_browser=True, to_file=FILE)
token.refresh()
assert oauth.RefreshingToken.load(credentials, FILE).as_auth() == token.as_auth()
credentials.revoke_token(token.refresh_token)
try:
    token.refresh()
except oauth.InvalidGrant:
    print("done with", token.as_auth(), oauth.__version__)
"""


class Program:
    """A program that embeds the package, in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "oauth.json"
        self.environment: Mapping[str, str] = os.environ

    def run_script(self, package: str, *flags: str, before: str = "") -> subprocess.CompletedProcess[str]:
        """Run `SCRIPT` with a package in the folder."""
        start = f"import sys\nsys.path.insert(0, {str(self.folder)!r})\n{before}\n"
        return self.run([*flags, "-c", start + SCRIPT], package)

    def run(self, command: list[str], *arguments: str) -> subprocess.CompletedProcess[str]:
        with FakeGoogle(interval=1, approve_after=0) as server:
            done = subprocess.run(
                [sys.executable, *command, server.url, str(self.file), CLIENT_ID, CLIENT_SECRET, *arguments],
                cwd=self.folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
            self.requests = [(request.path, request.status) for request in server.transcript]
        return done


EVERYTHING: Final = [("/device/code", 200), ("/token", 200), ("/token", 200), ("/revoke", 200), ("/token", 400)]


@pytest.fixture
def program(tmp_path: Path) -> Program:
    return Program(tmp_path)


def succeeded(done: subprocess.CompletedProcess[str], program: Program) -> bool:
    assert (done.returncode, done.stderr) == (0, "")
    assert "done with Bearer ya29.fake-access-2 " in done.stdout
    assert program.requests == EVERYTHING
    assert '"ya29.fake-access-2"' in program.file.read_text("utf-8")
    return True


# ---- a copy: make vendor -------------------------------------------------------------------------

DEEP: Final = "plugin.resources.vendor.login"


def three_packages_deep(program: Program) -> None:
    """A vendored and renamed copy."""
    inside = program.folder / "plugin" / "resources" / "vendor"
    vendor(inside)
    (inside / "ytmusic_oauth").rename(inside / "login")
    for package in (inside, inside.parent, inside.parent.parent):
        (package / "__init__.py").touch()


def beside_another_version_without_an_environment(program: Program) -> str:
    """The other version ends the program if it is imported."""
    three_packages_deep(program)
    (program.folder / "ytmusic_oauth").mkdir()
    (program.folder / "ytmusic_oauth" / "__init__.py").write_text('raise SystemExit("the other version")\n')
    # Windows needs this variable for its random numbers.
    program.environment = {name: value for name, value in os.environ.items() if name == "SYSTEMROOT"}
    return ""


def from_a_read_only_tree_without_a_home(program: Program) -> str:
    three_packages_deep(program)
    program.environment = {**os.environ, "HOME": str(program.folder / "nowhere")}
    return unwritable(program.folder / "plugin")


def unwritable(folder: Path) -> str:
    """Code that makes a folder read-only for this process, even if it runs as root."""
    return f"""
import os
def refuse(event, arguments, read_only={str(folder)!r}):
    writes = arguments[2] & (os.O_WRONLY | os.O_RDWR) if event == "open" else event in {{"os.mkdir", "os.rename"}}
    if writes and os.path.abspath(arguments[0]).startswith(read_only):
        raise OSError(30, "Read-only file system", arguments[0])
sys.addaudithook(refuse)
"""


@pytest.mark.parametrize("put", [beside_another_version_without_an_environment, from_a_read_only_tree_without_a_home])
def test_a_vendored_copy_works_under_any_name_at_any_depth(program: Program, put: Callable[[Program], str]) -> None:
    before = put(program)
    flags = ["-I", "-S", "-OO", "-W", "error"]
    assert succeeded(program.run_script(DEEP, *flags, before=before), program)
    if put is from_a_read_only_tree_without_a_home:
        assert not list(program.folder.rglob("__pycache__"))


def test_two_copies_in_one_program_are_independent(program: Program) -> None:
    three_packages_deep(program)
    vendor(program.folder)
    before = f"import ytmusic_oauth, {DEEP} as other; assert ytmusic_oauth.OAuthError is not other.OAuthError"
    assert succeeded(program.run_script(DEEP, "-I", before=before), program)


def test_a_renamed_copy_logs_under_its_own_name(program: Program) -> None:
    three_packages_deep(program)
    before = "import logging\nlogging.basicConfig(level=logging.INFO, stream=sys.stdout, format='%(name)s: %(event)s')"
    done = program.run_script(DEEP, before=before)
    assert succeeded(done, program)
    assert f"{DEEP}: refreshed\n" in done.stdout


# ---- one file ------------------------------------------------------------------------------------


def test_a_zipapp_of_another_program_can_contain_the_package(program: Program) -> None:
    app = program.folder / "app"
    vendor(app / "lib")
    (app / "lib" / "__init__.py").touch()
    (app / "__main__.py").write_text(SCRIPT)
    zipapp.create_archive(app, program.folder / "app.pyz", compressed=True)
    shutil.rmtree(app)
    assert succeeded(program.run(["-I", "app.pyz"], "lib.ytmusic_oauth"), program)


def test_the_single_file_logs_in_shows_the_status_and_prints_the_header(program: Program, pyz: bytes) -> None:
    file = program.folder / "oauth.pyz"
    file.write_bytes(pyz)
    program.environment = {
        **os.environ,
        "YTMUSIC_OAUTH_CLIENT_ID": CLIENT_ID,
        "YTMUSIC_OAUTH_CLIENT_SECRET": CLIENT_SECRET,
        "YTMUSIC_OAUTH_FILE": str(program.file),
    }

    def command(*argv: str) -> str:
        done = subprocess.run(
            [sys.executable, "-I", str(file), *argv],
            env=program.environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    with FakeGoogle(interval=1, approve_after=0) as server:
        command("login", "--scope", "a", "--endpoints", f"{server.url}/device/code", server.token_url)
    assert "access token   expires in 0:5" in command("status")
    assert command("header") == "Authorization: Bearer ya29.fake-access-1\n"
    python = os.path.basename(sys.executable)
    assert re.search(f"/?{python} {file} login --client-secrets client.json\n", command("--help")), (
        "as it can be run here"
    )


# ---- a Python that lacks a module ----------------------------------------------------------------

LACKING: Final[Mapping[str, str]] = {
    "fcntl": "sys.modules['fcntl'] = None",
    "ssl": "sys.modules['ssl'] = sys.modules['_ssl'] = None",
    "subprocess": "sys.modules['subprocess'] = None",
    "threads that start": """
import _thread, threading
def refuse(*_, **__): raise RuntimeError("can't start new thread")
_thread.start_new_thread = threading._start_new_thread = threading._start_joinable_thread = refuse
""",
}


@pytest.mark.parametrize("what", ["threads that start", "all of them"])
def test_a_missing_module_costs_only_what_needs_it(program: Program, what: str) -> None:
    vendor(program.folder)
    done = program.run_script("ytmusic_oauth", "-I", before=LACKING.get(what, "\n".join(LACKING.values())))
    assert succeeded(done, program)


def test_without_ssl_an_https_request_fails_at_once_and_says_why(program: Program) -> None:
    vendor(program.folder)
    script = f"""
import sys
sys.path.insert(0, {str(program.folder)!r})
sys.modules["ssl"] = sys.modules["_ssl"] = None
import ytmusic_oauth
try:
    ytmusic_oauth.OAuthCredentials("id", "secret").get_code()
except ytmusic_oauth.TransportError as error:
    print(error, error.sent, error.retryable)
"""
    done = subprocess.run([sys.executable, "-I", "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.startswith("This Python was built without ssl, which https needs.")
    assert done.stdout.endswith("False False\n")


def test_on_a_read_only_disk_the_token_works_and_one_warning_is_given(program: Program) -> None:
    """As in a serverless function that brings its token file along."""
    vendor(program.folder)
    old = (
        '{"scope": "s", "token_type": "Bearer", "access_token": "ya29.old", "refresh_token": "1//fake-refresh-1", '
        '"expires_at": 1, "expires_in": 3599}'
    )
    program.file.write_text(old)
    script = f"""
import sys, warnings
{unwritable(Path("/"))}
sys.path.insert(0, {str(program.folder)!r})
import ytmusic_oauth as oauth
endpoints = oauth.Endpoints(sys.argv[1] + "/device/code", sys.argv[1] + "/token", rotates_refresh_tokens=False)
client = oauth.OAuthCredentials({CLIENT_ID!r}, {CLIENT_SECRET!r}, endpoints=endpoints, scope="music")
client.token_from_code(client.get_code()["device_code"])
token = oauth.RefreshingToken.load(client, sys.argv[2])
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    print(token.as_auth(), token.as_auth(), len(caught))
"""
    done = program.run(["-I", "-c", script])
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "Bearer ya29.fake-access-2 Bearer ya29.fake-access-2 1\n"
    assert program.file.read_text() == old
