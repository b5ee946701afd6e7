# SPDX-License-Identifier: MIT
"""The recipes work, with the fake server."""

from __future__ import annotations

import ast
import asyncio
import gc
import json
import math
import re
import sys
import textwrap
import threading
import urllib.request
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Final
from urllib.error import HTTPError

import pytest

from tests.porting.fake_google import FAULTS, FakeGoogle, Reply, redirect
from tests.recipes import asyncio_program, authorized_user, dialog, discovery, kodi, web_service
from tests.recipes.clients import urllib_open
from tests.support import Clock, client, endpoints, logged_in
from ytmusic_oauth import (
    AccessDenied,
    AuthorizationPending,
    BadOAuthClient,
    DeviceCodeExpired,
    Endpoints,
    FileStore,
    InvalidGrant,
    LoginCancelled,
    OAuthError,
    OAuthToken,
    RefreshingToken,
    SlowDown,
    TokenFileError,
    TokenFileNotFound,
    TokenStore,
    TokenStoreError,
    UrllibSession,
    exceptions,
)

# ---- asyncio -------------------------------------------------------------------------------------


@pytest.fixture
def loop_time(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The recipe's sleeps advance the fake clock, and let other tasks run."""
    sleep = asyncio.sleep

    async def advance(seconds: float) -> None:
        clock.sleep(seconds)
        await sleep(0)

    monkeypatch.setattr(asyncio_program, "time", clock)
    monkeypatch.setattr(asyncio, "sleep", advance)
    return clock


def test_asyncio_login_does_not_block_other_tasks(server: FakeGoogle, loop_time: Clock) -> None:
    shown: list[tuple[str, str]] = []
    beats: list[float] = []

    async def heart() -> None:
        while True:
            beats.append(loop_time.steady)
            await asyncio.to_thread(bool)

    async def program() -> RefreshingToken:
        heartbeat = asyncio.create_task(heart())
        try:
            return await asyncio_program.login(client(server), lambda link, code: shown.append((link, code)))
        finally:
            heartbeat.cancel()

    server.approve_after = 12
    token = asyncio.run(program())
    [(link, code)] = shown
    assert link.endswith(code)
    assert loop_time.slept == [5, 5, 5]
    assert len(set(beats)) >= 3
    assert server.is_live(token.access_token)


@pytest.mark.parametrize(("end", "raised"), [("deny", AccessDenied), ("expire", DeviceCodeExpired)])
def test_asyncio_login_raises_the_error_that_ends_it(
    server: FakeGoogle, loop_time: Clock, end: str, raised: type[OAuthError]
) -> None:
    def respond(link: str, code: str) -> None:
        getattr(server, end)(code)

    with pytest.raises(raised):
        asyncio.run(asyncio_program.login(client(server), respond))


def test_asyncio_login_can_be_cancelled(server: FakeGoogle, loop_time: Clock) -> None:
    async def program() -> None:
        def cancel(link: str, code: str) -> None:
            task.cancel()

        task = asyncio.create_task(asyncio_program.login(client(server), cancel))
        await task

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(program())
    assert server.requests_to("token") == []


def test_asyncio_concurrent_tasks_send_one_refresh_in_one_thread(
    server: FakeGoogle, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asyncio_program, "time", clock)
    token = logged_in(server)
    old = token.access_token
    clock.advance(4000)

    async def program() -> list[str]:
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(2))
        shared = asyncio_program.AsyncToken(token)
        with server.hold("token"):
            tasks = [asyncio.create_task(shared.authorization()) for _ in range(100)]
            await asyncio.to_thread(server.wait_for_requests, 2, "token")  # in the other thread
            tasks.pop().cancel()
        return await asyncio.gather(*tasks)

    headers = asyncio.run(program())
    assert len(set(headers)) == 1
    assert old not in headers[0]
    assert len(server.requests_to("token")) == 2


def test_asyncio_uses_no_thread_while_the_token_is_fresh(
    server: FakeGoogle, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = logged_in(server)
    monkeypatch.setattr(asyncio, "to_thread", None)
    request = urllib.request.Request(server.api_url)
    signed = asyncio.run(asyncio_program.AsyncToken(token).sign(request))
    assert signed is request
    assert signed.get_header("Authorization") == token.as_auth()


def test_asyncio_does_not_wait_for_a_refresh_while_the_token_is_valid(server: FakeGoogle, loop_time: Clock) -> None:
    token = logged_in(server)
    old = token.as_auth()
    loop_time.advance(3590)

    async def program() -> None:
        shared = asyncio_program.AsyncToken(token)
        with server.hold("token"):
            assert [await shared.authorization() for _ in range(100)] == [old] * 100
        while token.is_expiring:
            await asyncio.to_thread(bool)
        assert await shared.authorization() != old

    asyncio.run(program())
    assert len(server.requests_to("token")) == 2


def test_asyncio_saves_a_token_that_could_not_be_saved(server: FakeGoogle, clock: Clock, tmp_path: Path) -> None:
    token, folder = logged_in(server), tmp_path / "later"
    with pytest.warns(RuntimeWarning, match=r"in memory only"):
        token.keep_in(folder / "oauth.json")
    folder.mkdir()
    clock.advance(2)
    assert not token.is_saved

    async def program() -> None:
        shared = asyncio_program.AsyncToken(token)
        await shared.authorization()
        while not token.is_saved:
            await asyncio.to_thread(bool)

    asyncio.run(program())
    assert OAuthToken.from_json(folder / "oauth.json").as_dict() == token.as_dict()


def test_asyncio_gets_one_other_token_after_many_rejections(server: FakeGoogle, clock: Clock) -> None:
    token = logged_in(server)
    old = token.as_auth()

    async def program() -> None:
        shared = asyncio_program.AsyncToken(token)
        await asyncio.gather(*(shared.refresh(old) for _ in range(40)))
        await shared.refresh(old)
        assert await shared.authorization() != old

    asyncio.run(program())
    assert len(server.requests_to("token")) == 2


def test_asyncio_raises_a_refusal_in_each_task_and_logs_none(
    server: FakeGoogle, clock: Clock, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asyncio_program, "time", clock)
    token = logged_in(server)
    server.revoke(token.refresh_token)
    clock.advance(4000)

    async def program() -> list[str | BaseException]:
        shared = asyncio_program.AsyncToken(token)
        with server.hold("token"):
            cancelled = asyncio.create_task(shared.authorization())
            await asyncio.to_thread(server.wait_for_requests, 2, "token")
            cancelled.cancel()
        while server.requests_to("token")[-1].status == 0:
            await asyncio.to_thread(bool)
        return await asyncio.gather(*(shared.authorization() for _ in range(9)), return_exceptions=True)

    assert [type(error) for error in asyncio.run(program())] == [InvalidGrant] * 9
    gc.collect()
    assert [record for record in caplog.records if record.name == "asyncio"] == []


# ---- urllib --------------------------------------------------------------------------------------


def test_urllib_sends_a_request_again_after_a_401_once(server: FakeGoogle, clock: Clock) -> None:
    token = logged_in(server)
    server.expire_access_tokens()
    with urllib_open.urlopen(token, urllib.request.Request(server.api_url, b"a=1"), timeout=9) as response:
        assert response.status == 200
    server.script("api", *[Reply(401, {})] * 2)
    with pytest.raises(HTTPError, match="401") as error:
        urllib_open.urlopen(token, urllib.request.Request(server.api_url, b"a=1"), timeout=9)
    error.value.close()
    assert [request.form for request in server.requests_to("api")] == [{"a": "1"}] * 4
    assert len(server.requests_to("token")) == 3


def test_urllib_does_not_send_a_file_again(server: FakeGoogle, clock: Clock) -> None:
    token = logged_in(server)
    server.script("api", Reply(401, {}))
    request = urllib.request.Request(server.api_url, BytesIO(b"a=1"), {"Content-Length": "3"})
    with pytest.raises(HTTPError) as error:
        urllib_open.urlopen(token, request, timeout=9)
    error.value.close()
    assert len(server.requests_to("token")) == 1


# ---- a dialog ------------------------------------------------------------------------------------


class Screen:
    def __init__(self) -> None:
        self.percents: list[int] = []
        self.message = ""
        self.canceled = False

    def update(self, percent: int, message: str) -> None:
        self.percents.append(percent)
        self.message = message

    def iscanceled(self) -> bool:
        return self.canceled


class Gui:
    """A timer that runs on the fake clock."""

    def __init__(self, server: FakeGoogle, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(dialog, "time", clock)
        self.clock = clock
        self.screen = Screen()
        self.outcomes: list[RefreshingToken | OAuthError] = []
        self.login = dialog.Login(client(server), self.screen, self.outcomes.append)

    def run(self, seconds: float) -> None:
        end = self.clock.steady + seconds
        while self.clock.steady < end and (pause := self.login.tick()) is not None:
            assert 0 < pause <= 0.1, "a pressed cancel button goes unnoticed"
            self.clock.advance(pause)


@pytest.fixture
def gui(server: FakeGoogle, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Gui:
    return Gui(server, clock, monkeypatch)


def test_dialog_shows_the_code_and_ends_with_a_token(server: FakeGoogle, gui: Gui) -> None:
    [code] = server.user_codes()
    server.script("token", FAULTS["503"])
    gui.run(20)
    assert code in gui.screen.message
    server.approve(code)
    gui.run(20)
    [token] = gui.outcomes
    assert isinstance(token, RefreshingToken)
    assert server.is_live(token.access_token)
    assert [request.error for request in server.requests_to("token")] == ["", "authorization_pending", ""]


def test_dialog_shows_progress_until_the_code_expires(gui: Gui) -> None:
    gui.run(3600)
    [error] = gui.outcomes
    assert isinstance(error, DeviceCodeExpired)
    assert gui.screen.percents == sorted(gui.screen.percents)
    assert (gui.screen.percents[0], gui.screen.percents[-1] > 95) == (0, True)


def test_dialog_reports_a_denied_login(server: FakeGoogle, gui: Gui) -> None:
    server.deny(server.user_codes()[0])
    gui.run(20)
    assert [type(outcome) for outcome in gui.outcomes] == [AccessDenied]


def test_dialog_calls_done_once_even_if_done_raises(server: FakeGoogle, gui: Gui, tmp_path: Path) -> None:
    ended: list[RefreshingToken | OAuthError] = []

    def store(outcome: RefreshingToken | OAuthError) -> None:
        ended.append(outcome)
        assert isinstance(outcome, RefreshingToken)
        outcome.store_token(str(tmp_path / "missing" / "oauth.json"))

    gui.login = dialog.Login(client(server), gui.screen, store)
    server.approve(server.user_codes()[-1])
    with pytest.raises(TokenFileError):
        gui.run(20)
    assert len(ended) == 1


def test_cancelled_dialog_sends_no_more_requests(server: FakeGoogle, gui: Gui) -> None:
    gui.run(1)
    gui.screen.canceled = True
    gui.run(3600)
    assert [type(outcome) for outcome in gui.outcomes] == [LoginCancelled]
    assert server.requests_to("token") == []


def test_a_dialog_shows_a_translation_even_with_a_mistake_in_it(server: FakeGoogle, gui: Gui) -> None:
    for message, shown in (("Öffne {link}: {code}", "Öffne {}: {}"), ("{code} {oops} {", "{1} {{oops}} {{")):
        login = dialog.Login(client(server), gui.screen, gui.outcomes.append, message=message)
        login.tick()
        code = server.user_codes()[-1]
        assert gui.screen.message == shown.format(f"{server.verification_url}?user_code={code}", code)


# ---- Kodi ----------------------------------------------------------------------------------------


class Kodi:
    """The settings and the clock of a Kodi that is switched off at some time, in German."""

    def __init__(self, clock: Clock, off_at: float = math.inf) -> None:
        self.clock, self.off_at = clock, off_at
        self.settings: dict[str, str] = {}
        self.is_full = False

    def waitForAbort(self, timeout: float) -> bool:
        self.clock.advance(timeout)
        return self.clock.steady >= self.off_at

    def addon(self) -> KodiAddon:
        return KodiAddon(self, dict(self.settings))


class KodiAddon:
    def __init__(self, kodi: Kodi, settings: Mapping[str, str]) -> None:
        self.kodi, self.settings = kodi, settings

    def getLocalizedString(self, id: int) -> str:
        return {30000: "Anmelden", 30001: "{code} auf {link}", 30010: "Bitte neu anmelden."}.get(id, "")

    def getSetting(self, id: str) -> str:
        return self.settings.get(id, "")

    def setSetting(self, id: str, value: str) -> None:
        if not self.kodi.is_full:
            self.kodi.settings[id] = value

    def getAddonInfo(self, id: str) -> str:
        return id


class Progress(Screen):
    heading = ""
    is_open = False
    said = ""

    def create(self, heading: str, message: str = "") -> None:
        self.heading, self.message, self.is_open = heading, message, True

    def close(self) -> None:
        self.is_open = False

    def ok(self, heading: str, message: str) -> None:
        self.said = f"{heading}: {message}"


def kodi_login(server: FakeGoogle, device: Kodi, screen: Progress, store: str | TokenStore) -> RefreshingToken | None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dialog, "time", device.clock)
        return kodi.login(device.addon(), device, screen, client(server), store)


def test_kodi_logs_in_and_keeps_the_token_in_its_settings(server: FakeGoogle, clock: Clock, tmp_path: Path) -> None:
    device, screen = Kodi(clock), Progress()
    store = kodi.SettingsStore(device.addon, str(tmp_path / "profile"))
    with pytest.raises(TokenStoreError):
        RefreshingToken.load(client(server), store)
    server.approve_after = 12
    token = kodi_login(server, device, screen, store)
    assert token is not None
    assert (screen.heading, screen.is_open) == ("Anmelden", False)
    assert re.fullmatch(r"[A-Z0-9-]+ auf http\S+", screen.message)
    clock.advance(4000)
    service = RefreshingToken.load(client(server), kodi.SettingsStore(device.addon, str(tmp_path / "profile")))
    script = RefreshingToken.load(client(server), kodi.SettingsStore(device.addon, str(tmp_path / "profile")))
    before = len(server.requests_to("token"))
    assert service.as_auth() == script.as_auth()
    assert len(server.requests_to("token")) == before + 1
    device.is_full = True
    with pytest.warns(RuntimeWarning, match=r"in memory only"):
        script.refresh()
    assert not script.is_saved


@pytest.mark.parametrize("why", ["the button", "a shutdown"])
def test_kodi_login_ends_at_once_when_it_is_cancelled(
    server: FakeGoogle, clock: Clock, tmp_path: Path, why: str
) -> None:
    device, screen = Kodi(clock, off_at=clock.steady + 1 if why == "a shutdown" else math.inf), Progress()
    screen.canceled = why == "the button"
    assert kodi_login(server, device, screen, FileStore(tmp_path / "oauth.json")) is None
    assert not screen.is_open
    assert server.requests_to("token") == []


def test_kodi_says_so_before_the_login_if_a_file_cannot_be_written(
    server: FakeGoogle, clock: Clock, tmp_path: Path
) -> None:
    device, folder = Kodi(clock), tmp_path / "profile"
    with pytest.raises(TokenFileError) as error:
        kodi_login(server, device, Progress(), str(folder / "oauth.json"))
    assert kodi.explanation(device.addon(), error.value) == "The login could not be saved."
    assert server.requests_to("code") == []
    folder.mkdir()
    server.approve_after = 0
    token = kodi_login(server, device, Progress(), str(folder / "oauth.json"))
    assert token is not None
    assert OAuthToken.from_json(folder / "oauth.json").as_dict() == token.as_dict()


@pytest.mark.filterwarnings("ignore:.*in memory only:RuntimeWarning")
def test_kodi_says_so_after_a_login_that_the_settings_do_not_keep(
    server: FakeGoogle, clock: Clock, tmp_path: Path
) -> None:
    device = Kodi(clock)
    device.is_full = True
    server.approve_after = 0
    with pytest.raises(TokenStoreError) as error:
        kodi_login(server, device, Progress(), kodi.SettingsStore(device.addon, str(tmp_path / "profile")))
    assert kodi.explanation(device.addon(), error.value) == "The login could not be saved."


def test_kodi_explains_why_a_login_has_ended(server: FakeGoogle, clock: Clock, tmp_path: Path) -> None:
    device = Kodi(clock)
    server.script("code", Reply(400, {"error": "invalid_client"}))
    with pytest.raises(BadOAuthClient) as error:
        kodi_login(server, device, Progress(), FileStore(tmp_path / "oauth.json"))
    assert kodi.explanation(device.addon(), error.value) == "The add-on needs another client id and secret."
    server.approve_after = None
    with pytest.raises(DeviceCodeExpired) as expired:
        kodi_login(server, device, Progress(), FileStore(tmp_path / "oauth.json"))
    assert kodi.explanation(device.addon(), expired.value) == "The code has expired. Please try again."
    assert kodi.explanation(device.addon(), InvalidGrant()) == "Bitte neu anmelden."
    assert kodi.explanation(device.addon(), OAuthError("Something else")) == str(OAuthError("Something else"))


@pytest.mark.parametrize(
    ("reply", "why"),
    [(Reply(400, {"error": "invalid_client"}), "name: The add-on needs another client id and secret."), (None, "")],
    ids=["an error", "a login"],
)
def test_kodi_shows_why_a_login_failed(
    server: FakeGoogle, clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reply: Reply | None, why: str
) -> None:
    code = re.search(r"\n\n((?: {4}.*\n)+)", kodi.__doc__ or "")
    assert code
    device, screen = Kodi(clock), Progress()
    monkeypatch.setattr(dialog, "time", clock)
    names: dict[str, object] = {
        **vars(kodi),
        **dict.fromkeys(("client_id", "client_secret"), ""),
        "OAuthCredentials": lambda *_: client(server),
        "TokenStoreError": TokenStoreError,
        "UrllibSession": UrllibSession,
        "xbmc": SimpleNamespace(Monitor=lambda: device),
        "xbmcaddon": SimpleNamespace(Addon=device.addon),
        "xbmcgui": SimpleNamespace(Dialog=lambda: screen, DialogProgress=lambda: screen),
        "xbmcvfs": SimpleNamespace(translatePath=lambda path: str(tmp_path / path)),
    }
    if reply:
        server.script("code", reply)
    server.approve_after = 12
    exec(textwrap.dedent(code[1]), names)
    assert screen.said == why
    assert (tmp_path / "profile" / "oauth.json").exists() == (why == "")


@pytest.fixture(scope="module")
def reasons() -> set[str]:
    """Every `OAuthError.reason` in the package."""
    modules = [ast.parse(path.read_text("utf-8")) for path in Path(exceptions.__file__).parent.glob("*.py")]
    # `unparse` writes each assignment and each call on one line.
    given = re.findall(r"\breason\b[\w ,:.|]*=(?!=)(.*)", "\n".join(map(ast.unparse, modules)))
    reasons = {reason for values in given for reason in re.findall(r"'(\w+)'", values)}
    assert {"clock", "dns", "invalid_grant"} <= reasons
    return reasons


def test_the_documentation_lists_every_reason(reasons: set[str]) -> None:
    _, _, listed = (exceptions.__doc__ or "").partition("`reason`")
    assert set(re.findall(r"`([a-z_]+)`", listed)) == reasons


def test_kodi_has_a_string_for_every_kind_of_error_that_a_user_may_see(reasons: set[str]) -> None:
    polling = {AuthorizationPending.reason, SlowDown.reason}
    assert reasons - {OAuthError.reason} - polling == kodi.REASONS.keys()
    assert set(kodi.REASONS.values()) <= kodi.STRINGS.keys()


# ---- a web service -------------------------------------------------------------------------------

USERS = ["Ada", "ada", "../Bob", "..", "Grace@example.org/x", "Zoë" * 100]


@pytest.fixture
def accounts(server: FakeGoogle, clock: Clock, tmp_path: Path) -> web_service.Accounts:
    (tmp_path / "accounts").mkdir()
    accounts = web_service.Accounts(client(server), tmp_path / "accounts")
    for user in USERS:
        accounts.add(user, logged_in(server).as_dict())
    return accounts


def test_service_keeps_accounts_apart_and_inside_its_folder(
    accounts: web_service.Accounts, tmp_path: Path, server: FakeGoogle
) -> None:
    headers = {user: accounts.authorization(user) for user in USERS}
    assert len(set(headers.values())) == len(USERS)
    assert all(server.is_live(header.replace("Bearer ", "", 1)) for header in headers.values())
    assert len({path.name.lower() for path in (tmp_path / "accounts").iterdir()}) == len(USERS)
    assert [path.name for path in tmp_path.iterdir()] == ["accounts"]


def test_service_sends_one_refresh_for_each_account(
    accounts: web_service.Accounts, server: FakeGoogle, clock: Clock
) -> None:
    clock.advance(4000)
    before = len(server.requests_to("token"))
    start = threading.Barrier(20)

    def serve(n: int) -> str:
        start.wait()
        return accounts.authorization(USERS[n % len(USERS)])

    with ThreadPoolExecutor(20) as threads:
        headers = list(threads.map(serve, range(20)))
    assert len(set(headers)) == len(USERS)
    assert len(server.requests_to("token")) - before == len(USERS)


def test_service_replaces_and_removes_logins(
    accounts: web_service.Accounts, server: FakeGoogle, tmp_path: Path
) -> None:
    old = accounts.authorization("Ada")
    accounts.add("Ada", logged_in(server).as_dict())
    new = accounts.authorization("Ada")
    assert new != old
    accounts.remove("Ada")
    assert not server.is_live(new.replace("Bearer ", "", 1))
    accounts.remove("ada")  # already ended: Google's revocation ends every login of the user
    for user in ("Ada", "ada"):
        with pytest.raises(TokenFileNotFound):
            accounts.authorization(user)


# ---- Google's authorized_user form ---------------------------------------------------------------


def test_a_token_survives_the_authorized_user_form(server: FakeGoogle) -> None:
    token = logged_in(server)
    form = authorized_user.to_authorized_user(token)
    back = authorized_user.from_authorized_user(json.loads(json.dumps(form)), endpoints(server))
    assert back.as_dict() == {**token.as_dict(), "expires_in": 0}
    assert back.as_auth() == token.as_auth()
    assert len(server.requests_to("token")) == 1, "it was refreshed though it is fresh"


def test_the_form_of_gcloud_has_no_access_token_and_is_refreshed_at_first_use(server: FakeGoogle) -> None:
    form = authorized_user.to_authorized_user(logged_in(server))
    for key in ("token", "scopes", "expiry"):
        del form[key]
    token = authorized_user.from_authorized_user(form, endpoints(server))
    assert server.is_live(token.access_token)


# ---- discovery -----------------------------------------------------------------------------------

ISSUER: Final = "https://login.example.org/realms/a"
RFC_8414_URL: Final = "https://login.example.org/.well-known/oauth-authorization-server/realms/a"
OPENID_URL: Final = "https://login.example.org/realms/a/.well-known/openid-configuration"
METADATA: Final[Mapping[str, object]] = {
    "issuer": ISSUER,
    "device_authorization_endpoint": "https://login.example.org/realms/a/device",
    "token_endpoint": "https://login.example.org/realms/a/token",
    "revocation_endpoint": "https://login.example.org/realms/a/revoke",
    "token_endpoint_auth_methods_supported": ["private_key_jwt", "client_secret_post"],
}
DISCOVERED: Final = Endpoints(
    "https://login.example.org/realms/a/device",
    "https://login.example.org/realms/a/token",
    "https://login.example.org/realms/a/revoke",
)


@pytest.mark.parametrize("url", [RFC_8414_URL, OPENID_URL])
def test_discovery_reads_the_metadata_at_either_place(url: str) -> None:
    assert discovery.discover(ISSUER, {url: METADATA}.get) == DISCOVERED


def test_discovery_prefers_rfc_8414() -> None:
    other = {**METADATA, "token_endpoint": "https://login.example.org/other"}
    documents = {RFC_8414_URL: METADATA, OPENID_URL: other}
    assert discovery.discover(ISSUER, documents.get) == DISCOVERED


def test_discovery_of_an_issuer_without_a_path() -> None:
    assert discovery.metadata_urls("https://a.example") == (
        "https://a.example/.well-known/oauth-authorization-server",
        "https://a.example/.well-known/openid-configuration",
    )


@pytest.mark.parametrize(
    ("supported", "public", "way"),
    [
        (None, False, "basic"),
        (["client_secret_post"], False, "post"),
        (["client_secret_post", "client_secret_basic"], False, "basic"),
        (["none"], False, "none"),
        (["client_secret_basic"], True, "none"),
    ],
)
def test_discovery_finds_out_how_to_authenticate(supported: list[str] | None, public: bool, way: str) -> None:
    metadata = {key: value for key, value in METADATA.items() if not key.endswith("supported")}
    if supported is not None:
        metadata["token_endpoint_auth_methods_supported"] = supported
    found = discovery.discover(ISSUER, {OPENID_URL: metadata}.get, public=public)
    assert found.client_authentication == way


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"issuer": "https://login.example.org/realms/b"}, "another issuer"),
        ({"issuer": f"{ISSUER}/"}, "another issuer"),
        ({"issuer": None}, "another issuer"),
        ({"device_authorization_endpoint": None}, "does not support the device authorization grant"),
        ({"token_endpoint": 5}, "does not support the device authorization grant"),
        ({"token_endpoint": "http://login.example.org/token"}, "token_url is not a valid endpoint"),
        ({"token_endpoint_auth_methods_supported": ["private_key_jwt"]}, "supports none of client_secret_basic"),
        ({"token_endpoint_auth_methods_supported": "none"}, "supports none of client_secret_basic"),
    ],
)
def test_discovery_rejects_unfit_metadata(changes: Mapping[str, object], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        discovery.discover(ISSUER, {RFC_8414_URL: {**METADATA, **changes}}.get)


def test_discovery_rejects_an_issuer_that_is_not_safe_or_has_no_metadata() -> None:
    with pytest.raises(ValueError, match="is not a valid endpoint"):
        discovery.discover("http://login.example.org", lambda _: METADATA)
    with pytest.raises(ValueError, match=r"^The issuer is not a valid endpoint: it does not begin with https://$"):
        discovery.discover("login.example.org", lambda _: METADATA)
    with pytest.raises(ValueError, match="No metadata could be read at"):
        discovery.discover(ISSUER, {RFC_8414_URL: [METADATA]}.get)


def test_discovery_prints_code_and_options_that_make_the_endpoints() -> None:
    endpoints = replace(DISCOVERED, client_authentication="basic", revoke_url=None)
    for each in (DISCOVERED, endpoints, replace(endpoints, client_authentication="none")):
        names: dict[str, object] = {"Endpoints": Endpoints}
        exec(f"copied = {discovery.as_code(each)}", names)
        assert names["copied"] == each
    assert discovery.as_options(endpoints) == (
        "--client-authentication basic --endpoints "
        "https://login.example.org/realms/a/device https://login.example.org/realms/a/token"
    )


def test_discovery_over_http(
    server: FakeGoogle, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    metadata = {
        **METADATA,
        "issuer": server.url,
        "device_authorization_endpoint": server.device_code_url,
        "token_endpoint": server.token_url,
    }
    place = "/.well-known/oauth-authorization-server"
    server.script(place, redirect(server.url), Reply(200, "<html>"), Reply(404), Reply(200, metadata))
    monkeypatch.setattr(sys, "argv", ["discovery", server.url])
    assert [discovery.main() for _ in range(4)] == [2, 2, 2, 0]
    shown = capsys.readouterr()
    assert shown.err.count("No metadata could be read at") == 3
    assert f"--endpoints {server.device_code_url} {server.token_url} " in shown.out
    assert "Endpoints(\n    device_code_url=" in shown.out
