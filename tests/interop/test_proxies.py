# SPDX-License-Identifier: MIT
"""A real proxy with CONNECT and a password, and a server certificate from a private CA."""

from __future__ import annotations

import os
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx
import httpx2
import pytest
import requests

from tests.interop.conftest import ROOT
from tests.interop.test_sessions import CA_FILE, CERTIFICATES
from tests.porting.fake_google import CLIENT_ID, CLIENT_SECRET, DIALECTS, FakeGoogle
from tests.support import Clock
from ytmusic_oauth import Endpoints, OAuthCredentials, OAuthToken, TransportError, UrllibSession
from ytmusic_oauth.session import Session

pytestmark = pytest.mark.beside("proxy.py")

USER: Final = "fake-user"
PASSWORD: Final = "fake:p@ss/word"
QUOTED: Final = "fake%3Ap%40ss%2Fword"


@dataclass(frozen=True)
class RealProxy:
    """A running proxy and its log."""

    port: int
    log: Path

    def url(self, password: str = QUOTED) -> str:
        return f"http://{USER}:{password}@127.0.0.1:{self.port}"

    def has_connected(self, server: FakeGoogle) -> bool:
        """Whether a client has connected to the server through it. It logs that when the connection ends."""
        return f"CONNECT localhost:{server.port} " in self.log.read_text("utf-8")

    def wait_for(self, server: FakeGoogle) -> None:
        until = time.monotonic() + 10
        while not self.has_connected(server):
            assert time.monotonic() < until, self.log.read_text("utf-8")
            time.sleep(0.05)


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealProxy]:
    folder = tmp_path_factory.mktemp("proxy")
    command = [sys.executable, "-m", "proxy", "--hostname", "127.0.0.1", "--port", "0", "--num-acceptors", "1"]
    command += ["--num-workers", "1", "--port-file", str(folder / "port"), "--log-file", str(folder / "log")]
    command += ["--data-dir", str(folder / "data"), "--basic-auth", f"{USER}:{PASSWORD}"]
    with (folder / "output").open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
    try:
        until = time.monotonic() + 30
        while not (folder / "port").exists() or not (folder / "port").read_text("utf-8").strip():
            assert process.poll() is None, (folder / "output").read_text("utf-8")
            assert time.monotonic() < until
            time.sleep(0.05)
        yield RealProxy(int((folder / "port").read_text("utf-8")), folder / "log")
    finally:
        process.send_signal(signal.SIGINT)  # ends its workers, too
        process.wait(20)


@pytest.fixture
def server(clock: Clock) -> Iterator[FakeGoogle]:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(CERTIFICATES / "good.pem")
    with FakeGoogle(clock=clock.monotonic, dialect=DIALECTS["rfc"], ssl_context=context) as server:
        yield server


def endpoints(server: FakeGoogle) -> Endpoints:
    base = f"https://localhost:{server.port}"
    return Endpoints(f"{base}/device/code", f"{base}/token", f"{base}/revoke")


# ---- ways to set the proxy -----------------------------------------------------------------------


def trusting() -> ssl.SSLContext:
    return ssl.create_default_context(cafile=CA_FILE)


Client = tuple[OAuthCredentials, Callable[[], None]]


def using(
    server: FakeGoogle,
    session: Session | None = None,
    proxies: dict[str, str] | None = None,
    close: Callable[[], None] = lambda: None,
) -> Client:
    return OAuthCredentials(
        CLIENT_ID, CLIENT_SECRET, session, proxies, endpoints=endpoints(server), scope="music"
    ), close


def by_proxies(url: str, server: FakeGoogle, monkeypatch: pytest.MonkeyPatch) -> Client:
    monkeypatch.setenv("SSL_CERT_FILE", CA_FILE)
    return using(server, proxies={"https": url})


def by_ssl_context(url: str, server: FakeGoogle, monkeypatch: pytest.MonkeyPatch) -> Client:
    ours = UrllibSession({"https": url}, ssl_context=trusting())
    return using(server, ours)


def by_environment(url: str, server: FakeGoogle, monkeypatch: pytest.MonkeyPatch) -> Client:
    monkeypatch.setenv("SSL_CERT_FILE", CA_FILE)
    monkeypatch.setenv("HTTPS_PROXY", url)
    return using(server)


def by_requests(url: str, server: FakeGoogle, monkeypatch: pytest.MonkeyPatch) -> Client:
    session = requests.Session()
    session.verify = CA_FILE
    return using(server, session, {"https": url}, session.close)


def by_requests_in_the_environment(url: str, server: FakeGoogle, monkeypatch: pytest.MonkeyPatch) -> Client:
    monkeypatch.setenv("HTTPS_PROXY", url)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", CA_FILE)
    session = requests.Session()
    return using(server, session, close=session.close)


def by_httpx(url: str, server: FakeGoogle, monkeypatch: pytest.MonkeyPatch) -> Client:
    session = httpx.Client(proxy=url, verify=trusting())
    return using(server, session, close=session.close)


def by_httpx_in_the_environment(url: str, server: FakeGoogle, monkeypatch: pytest.MonkeyPatch) -> Client:
    monkeypatch.setenv("HTTPS_PROXY", url)
    monkeypatch.setenv("SSL_CERT_FILE", CA_FILE)
    session = httpx.Client()
    return using(server, session, close=session.close)


def by_httpx2_in_the_environment(url: str, server: FakeGoogle, monkeypatch: pytest.MonkeyPatch) -> Client:
    monkeypatch.setenv("HTTPS_PROXY", url)
    monkeypatch.setenv("SSL_CERT_FILE", CA_FILE)
    session = httpx2.Client()
    return using(server, session, close=session.close)


IN_THE_ENVIRONMENT: Final = [
    by_environment,
    pytest.param(by_requests_in_the_environment, marks=pytest.mark.beside("requests")),
    pytest.param(by_httpx_in_the_environment, marks=pytest.mark.beside("httpx")),
    pytest.param(by_httpx2_in_the_environment, marks=pytest.mark.beside("httpx2")),
]
WAYS: Final = [
    by_proxies,
    by_ssl_context,
    pytest.param(by_requests, marks=pytest.mark.beside("requests")),
    pytest.param(by_httpx, marks=pytest.mark.beside("httpx")),
    *IN_THE_ENVIRONMENT,
]
Way = Callable[[str, FakeGoogle, pytest.MonkeyPatch], Client]


@pytest.mark.parametrize("way", WAYS)
def test_a_login_goes_through_the_proxy(
    way: Way, proxy: RealProxy, server: FakeGoogle, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, close = way(proxy.url(), server, monkeypatch)
    code = client.get_code()
    server.approve(code["user_code"])
    token = client.wait_for_token(code)
    client.refresh_token(token["refresh_token"])
    close()
    proxy.wait_for(server)
    log = proxy.log.read_text("utf-8")
    assert not [secret for secret in (CLIENT_SECRET, token["refresh_token"], code["device_code"]) if secret in log]
    assert not [each for each in server.transcript if "proxy-authorization" in each.headers]


@pytest.mark.parametrize("way", WAYS)
def test_a_wrong_password_is_a_transport_error(
    way: Way, proxy: RealProxy, server: FakeGoogle, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, close = way(proxy.url("wrong-password"), server, monkeypatch)
    with pytest.raises(TransportError) as error:
        client.get_code()
    close()
    assert server.transcript == []
    assert "wrong-password" not in str(error.value)


@pytest.mark.parametrize("no_proxy", ["localhost", "other.example,localhost", "*"])
@pytest.mark.parametrize("way", IN_THE_ENVIRONMENT)
def test_no_proxy_is_honoured(
    way: Way, no_proxy: str, proxy: RealProxy, server: FakeGoogle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", no_proxy)
    client, close = way(proxy.url("wrong-password"), server, monkeypatch)
    assert client.get_code()["user_code"] in server.user_codes()
    close()


@pytest.mark.parametrize("way", WAYS)
def test_a_certificate_for_another_host_is_rejected(
    way: Way, proxy: RealProxy, server: FakeGoogle, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(CERTIFICATES / "wrong-host.pem")
    with FakeGoogle(ssl_context=context) as impostor:
        client, close = way(proxy.url(), impostor, monkeypatch)
        with pytest.raises(TransportError):
            client.get_code()
        close()
        assert impostor.transcript == []


def test_the_command_line_takes_the_proxy_and_the_ca_from_the_environment(
    proxy: RealProxy, server: FakeGoogle, tmp_path: Path
) -> None:
    server.clock, server.interval, server.approve_after = time.monotonic, 1, 0
    file, urls = tmp_path / "oauth.json", endpoints(server)
    environment = {**os.environ, "HTTPS_PROXY": proxy.url(), "SSL_CERT_FILE": CA_FILE}
    environment |= {"YTMUSIC_OAUTH_CLIENT_ID": CLIENT_ID, "YTMUSIC_OAUTH_CLIENT_SECRET": CLIENT_SECRET}
    command = [sys.executable, "-m", "ytmusic_oauth", "login", "--file", str(file)]
    command += ["--endpoints", urls.device_code_url, urls.token_url, "--scope", "music"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert server.is_live(OAuthToken.from_json(file).access_token)
    proxy.wait_for(server)
