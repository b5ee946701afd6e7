# SPDX-License-Identifier: MIT
"""ytmusicapi with our credentials or our token, with our files, and with only its import changed."""

from __future__ import annotations

import importlib
import inspect
import json
import re
import subprocess
import sys
import typing
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Final

import pytest
import ytmusicapi
from ytmusicapi.auth import oauth as theirs
from ytmusicapi.auth.types import AuthType
from ytmusicapi.exceptions import YTMusicUserError
from ytmusicapi.setup import main, setup_oauth

from tests.interop.conftest import ROOT
from tests.interop.theirs import lead_to
from tests.porting.fake_google import CLIENT_ID, CLIENT_SECRET, FakeGoogle, Reply
from tests.support import Clock, client, endpoints, logged_in
from ytmusic_oauth import InvalidGrant, OAuthCredentials, OAuthError, OAuthToken, RefreshingToken
from ytmusic_oauth.models import RefreshableTokenDict

pytestmark = pytest.mark.beside("ytmusicapi")


@pytest.fixture
def server(server: FakeGoogle, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> FakeGoogle:
    lead_to(server, clock, monkeypatch)
    return server


@pytest.fixture
def file(server: FakeGoogle, tmp_path: Path) -> str:
    path = str(tmp_path / "oauth.json")
    logged_in(server).store_token(path)
    return path


def music(auth: str | dict[str, object], credentials: object) -> ytmusicapi.YTMusic:
    """Make a `YTMusic`. Its signature names ytmusicapi's own class of credentials, but it needs two methods only."""
    made: object = vars(ytmusicapi)["YTMusic"](auth, oauth_credentials=credentials)
    assert isinstance(made, ytmusicapi.YTMusic)
    return made


def sent_by(music: ytmusicapi.YTMusic, server: FakeGoogle) -> str:
    """Send a request, and return the access token in it."""
    server.script("/youtubei/v1/like/like", Reply(200, {}))
    music.rate_song("fake-song", ytmusicapi.LikeStatus.LIKE)
    authorization = server.requests_to("/youtubei/v1/like/like")[-1].headers["authorization"]
    return authorization.removeprefix("Bearer ")


def on_disk(file: str) -> RefreshableTokenDict:
    return OAuthToken.from_json(Path(file)).as_dict()


# ---- ours inside ytmusicapi ----------------------------------------------------------------------


def test_our_credentials_refresh_its_token(server: FakeGoogle, clock: Clock, file: str) -> None:
    before = on_disk(file)
    its = music(file, client(server))
    assert its.auth_type == AuthType.OAUTH_CUSTOM_CLIENT
    assert sent_by(its, server) == before["access_token"]
    clock.advance(before["expires_in"])
    assert server.is_live(sent_by(its, server))
    assert on_disk(file)["access_token"] != before["access_token"]


def test_our_credentials_raise_invalid_grant_in_it(server: FakeGoogle, clock: Clock, file: str) -> None:
    its = music(file, client(server))
    clock.advance(3599)
    server.revoke(on_disk(file)["refresh_token"])
    with pytest.raises(InvalidGrant):
        sent_by(its, server)


README: Final = (ROOT / "README.md").read_text("utf-8")
[_THREE_LINES] = re.findall(r"```py\n(.*?)```", README, re.DOTALL)


def test_three_changed_lines_make_it_use_our_token(
    server: FakeGoogle, clock: Clock, file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(Path(file).parent)
    monkeypatch.setattr("ytmusic_oauth.OAuthCredentials", lambda client_id, client_secret: client(server))
    names: dict[str, object] = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
    exec(compile(_THREE_LINES, "README.md", "exec"), names)
    its = names["music"]
    assert isinstance(its, ytmusicapi.YTMusic)
    clock.advance(3599)
    access_token = sent_by(its, server)
    assert server.is_live(access_token)
    assert on_disk(file)["access_token"] == access_token
    assert len(server.requests_to("token")) == 2  # the login and one refresh


def test_it_works_with_our_token_class(
    server: FakeGoogle, clock: Clock, file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ytmusicapi.ytmusic.RefreshingToken", RefreshingToken)
    its = music(file, client(server))
    clock.advance(3599)
    assert sent_by(its, server) == on_disk(file)["access_token"]


# ---- files ---------------------------------------------------------------------------------------


def test_both_write_the_same_file(server: FakeGoogle, tmp_path: Path) -> None:
    ours = logged_in(server)
    its = theirs.RefreshingToken(theirs.OAuthCredentials(CLIENT_ID, CLIENT_SECRET), **ours.as_dict())
    ours.store_token(str(tmp_path / "ours.json"))
    its.store_token(str(tmp_path / "its.json"))
    assert (tmp_path / "ours.json").read_bytes() == (tmp_path / "its.json").read_bytes()
    assert ours.as_json() == its.as_json()
    assert ours.as_auth() == its.as_auth()
    assert list(OAuthToken.members()) == list(theirs.OAuthToken.members())


@pytest.mark.parametrize(
    "stored",
    [
        {},
        {"expires_at": 1_700_003_604.73, "expires_in": 3599.0},
        {"expires_at": "1700003604", "expires_in": "3599"},
        {"expires_at": None},
        {"expires_at": None, "expires_in": None},
        {"scope": ["https://www.googleapis.com/auth/youtube"]},
    ],
    ids=["as written", "floats", "texts", "no expires_at", "no times", "a list of scopes"],
)
def test_a_file_that_ytmusicapi_reads_is_read_and_what_we_write_then_is_read_by_it(
    server: FakeGoogle, file: str, stored: dict[str, object]
) -> None:
    values = {**json.loads(Path(file).read_text()), **stored}
    Path(file).write_text(json.dumps({key: value for key, value in values.items() if value is not None}))
    its = theirs.OAuthToken.from_json(Path(file))
    ours = RefreshingToken.load(client(server), file)
    assert (ours.refresh_token, ours.as_dict()["access_token"]) == (its.refresh_token, its.access_token)
    ours.refresh()
    assert theirs.OAuthToken.from_json(Path(file)).as_dict() == ours.as_dict()


def test_each_reads_the_file_that_the_other_wrote(server: FakeGoogle, clock: Clock, file: str) -> None:
    for _ in range(2):
        clock.advance(3600)
        its = sent_by(music(file, theirs.OAuthCredentials(CLIENT_ID, CLIENT_SECRET)), server)
        assert server.is_live(its)
        assert OAuthToken.from_json(Path(file)).access_token == its
        clock.advance(3600)
        ours = RefreshingToken.load(client(server), file)
        assert server.is_live(ours.access_token)
        assert theirs.OAuthToken.from_json(Path(file)).access_token == ours.access_token


# ---- the scenarios of its own tests --------------------------------------------------------------


@pytest.fixture
def swapped(server: FakeGoogle, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its setup module, with the import changed."""
    module = importlib.import_module("ytmusicapi.setup")  # the package has a function of that name
    monkeypatch.setattr(module, "OAuthCredentials", partial(OAuthCredentials, endpoints=endpoints(server)))
    monkeypatch.setattr(module, "RefreshingToken", RefreshingToken)


def confirm(server: FakeGoogle, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Simulate a user who confirms the code. Returns the links that are opened."""
    opened: list[str] = []
    server.approve_after = 0
    monkeypatch.setattr("ytmusic_oauth._terminal.open_browser", lambda link, *_: opened.append(link))
    return opened


@pytest.mark.usefixtures("swapped")
def test_its_command_writes_a_file_with_our_classes(
    server: FakeGoogle, clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened, file = confirm(server, monkeypatch), tmp_path / "oauth.json"
    arguments = ["oauth", "--file", str(file), "--client-id", CLIENT_ID, "--client-secret", CLIENT_SECRET]
    monkeypatch.setattr(sys, "argv", ["ytmusicapi", *arguments])
    made: object = main()
    assert isinstance(made, RefreshingToken)
    assert opened == [f"{server.verification_url}?user_code=ABCD-0001"]
    stored = json.loads(file.read_text("utf-8"))
    assert stored["expires_at"] == int(clock.time()) + 3599
    assert OAuthToken.is_oauth(stored)
    assert server.is_live(made.access_token)


@pytest.mark.usefixtures("swapped")
def test_a_login_of_an_app_in_testing_returns_an_ordinary_token(
    server: FakeGoogle, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.refresh_token_lifetime = 604799
    confirm(server, monkeypatch)
    made: object = setup_oauth(CLIENT_ID, CLIENT_SECRET)
    assert isinstance(made, RefreshingToken)
    assert made.expires_at == int(clock.time()) + 3599
    assert made.expires_in == 3599
    assert not hasattr(made, "refresh_token_expires_in")


def test_a_dictionary_with_unknown_keys_is_accepted(server: FakeGoogle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ytmusicapi.ytmusic.RefreshingToken", RefreshingToken)
    token = logged_in(server)
    its = music({**token.as_dict(), "refresh_token_expires_in": 604799}, client(server))
    assert its.auth_type == AuthType.OAUTH_CUSTOM_CLIENT
    made: object = vars(its)["_token"]
    assert isinstance(made, RefreshingToken)
    assert made.refresh_token == token.refresh_token
    assert not hasattr(made, "refresh_token_expires_in")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    for kind in (OAuthToken, theirs.OAuthToken):
        with pytest.raises(FileNotFoundError) as error:
            kind.from_json(tmp_path / "does-not-exist.json")
        assert "does-not-exist.json" in str(error.value)


def test_an_expired_token_is_refreshed_once_and_stored(
    server: FakeGoogle, clock: Clock, file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ytmusicapi.ytmusic.RefreshingToken", RefreshingToken)
    token: object = vars(music(file, client(server)))["_token"]
    assert isinstance(token, RefreshingToken)
    before, first = on_disk(file), token.access_token
    token.expires_at = int(clock.time())
    assert token.is_expiring
    clock.advance(1)
    second = token.access_token
    assert second != first
    assert token.expires_at != before["expires_at"]
    assert token.expires_at > clock.time() + 60
    assert second == token.access_token
    assert on_disk(file) != before


def test_the_kinds_of_authentication_are_told_apart(server: FakeGoogle, file: str) -> None:
    token: dict[str, object] = {**on_disk(file)}
    assert music(token, client(server)).auth_type == AuthType.OAUTH_CUSTOM_CLIENT
    with pytest.raises(YTMusicUserError):
        ytmusicapi.YTMusic(token)
    full = {**token, "authorization": "Bearer fake"}
    assert music(full, client(server)).auth_type == AuthType.OAUTH_CUSTOM_FULL


# ---- the example of its documentation, with only the import changed ------------------------------


EXAMPLE: Final = """
from ytmusicapi import YTMusic
from ytmusic_oauth import OAuthCredentials

ytmusic = YTMusic('oauth.json', oauth_credentials=OAuthCredentials(client_id=client_id, client_secret=client_secret))
"""


def test_the_example_of_its_documentation_runs(server: FakeGoogle, file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(file).parent)
    names: dict[str, object] = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
    exec(EXAMPLE, names)
    its = names["ytmusic"]
    assert isinstance(its, ytmusicapi.YTMusic)
    assert server.is_live(sent_by(its, server))


# ---- all of ytmusicapi.auth.oauth replaced -------------------------------------------------------

SWAPPED: Final = """
import sys
import ytmusic_oauth
from ytmusic_oauth import credentials, exceptions, models, token

sys.modules["ytmusicapi.auth.oauth"] = ytmusic_oauth
for module in (credentials, exceptions, models, token):
    sys.modules["ytmusicapi.auth.oauth." + module.__name__.rpartition(".")[2]] = module

import ytmusicapi
from tests.porting.fake_google import CLIENT_ID, CLIENT_SECRET

url, file = sys.argv[1:]
assert ytmusicapi.OAuthCredentials is ytmusic_oauth.OAuthCredentials
endpoints = ytmusic_oauth.Endpoints(url + "/device/code", url + "/token", authenticate_everywhere=False)
client = ytmusicapi.OAuthCredentials(CLIENT_ID, CLIENT_SECRET, endpoints=endpoints)
music = ytmusicapi.YTMusic(file, oauth_credentials=client)
assert type(music._token) is ytmusic_oauth.RefreshingToken
assert music.auth_type == ytmusicapi.auth.types.AuthType.OAUTH_CUSTOM_CLIENT
music._token.expires_at = 1
print(music._token.as_auth())
"""


def test_ytmusicapi_runs_with_this_package_instead_of_its_own_module(server: FakeGoogle, file: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SWAPPED, server.url, file], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert server.is_live(done.stdout.strip().removeprefix("Bearer "))
    assert done.stdout.strip().endswith(on_disk(file)["access_token"])


# ---- signatures ----------------------------------------------------------------------------------


def shared() -> Iterator[tuple[str, str]]:
    """Yield each public class of ytmusicapi.auth.oauth, with its module."""
    for module in ("credentials", "exceptions", "models", "token"):
        its = importlib.import_module(f"ytmusicapi.auth.oauth.{module}")
        for name, defined in vars(its).items():
            if inspect.isclass(defined) and defined.__module__ == its.__name__:
                yield module, name


SHARED: Final = sorted(shared())
# Additional parameters are optional keywords. These are annotated wider than in ytmusicapi.
WIDER: Final = {
    ("OAuthCredentials", "session"),
    ("OAuthCredentials", "client_secret"),
    ("is_oauth", "headers"),
    ("local_cache", "path"),
}
# A public client has no secret.
OPTIONAL: Final = ("OAuthCredentials", "client_secret")


def test_there_is_something_to_compare() -> None:
    assert len(SHARED) == 10


@pytest.mark.parametrize(("module", "name"), SHARED)
def test_every_class_has_the_same_bases_and_signatures(module: str, name: str) -> None:
    its: object = vars(importlib.import_module(f"ytmusicapi.auth.oauth.{module}"))[name]
    ours: object = vars(importlib.import_module(f"ytmusic_oauth.{module}"))[name]
    assert isinstance(its, type)
    assert isinstance(ours, type)
    assert [base.__name__ for base in its.__mro__] == [base.__name__ for base in ours.__mro__ if base is not OAuthError]
    if typing.is_typeddict(its):
        known = typing.get_type_hints(its)
        for key, hint in typing.get_type_hints(ours).items():
            assert known[key] == hint
        return
    if "__init__" in vars(its):
        assert_same_signature(name, its, ours)
    for member, defined in vars(its).items():
        if member.startswith("_"):
            continue
        mine = inspect.getattr_static(ours, member)
        if isinstance(defined, property):
            assert isinstance(mine, property), member
            assert (defined.fset is None) == (mine.fset is None)
        elif isinstance(defined, (classmethod, staticmethod)):
            assert type(mine) is type(defined), member
            assert_same_signature(member, getattr(its, member), getattr(ours, member))
        elif callable(defined):
            assert_same_signature(member, defined, mine)


def assert_same_signature(name: str, its: object, ours: object) -> None:
    assert callable(its)
    assert callable(ours)
    known, mine = inspect.signature(its).parameters, inspect.signature(ours).parameters
    assert [(each.name, each.kind, each.default) for each in known.values()] == [
        (each.name, each.kind, known[each.name].default if (name, each.name) == OPTIONAL else each.default)
        for each in mine.values()
        if each.name in known
    ], name
    for extra in mine.keys() - known.keys():
        assert mine[extra].kind is inspect.Parameter.KEYWORD_ONLY
        assert mine[extra].default is not inspect.Parameter.empty
    its_hints, our_hints = (
        typing.get_type_hints(inspect.getattr_static(each, "__init__") if isinstance(each, type) else each)
        for each in (its, ours)
    )
    for parameter in known:
        if (name, parameter) not in WIDER and parameter in its_hints:
            assert shown(its_hints[parameter]) == shown(our_hints[parameter]), (name, parameter)
    if "return" in its_hints:
        assert shown(its_hints["return"]) == shown(our_hints["return"]), name


def shown(hint: object) -> str:
    return re.sub(r"\b\w+(\.\w+)+\.", "", str(hint)).replace("<class ", "").replace(">", "")
