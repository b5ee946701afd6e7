# SPDX-License-Identifier: MIT
"""Fixtures, the settings of Hypothesis, and the options of `make test-again`."""

from __future__ import annotations

import hashlib
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from types import MappingProxyType
from typing import Final

import pytest
from hypothesis import HealthCheck, settings

from tests.offline import guard
from tests.porting.fake_google import FakeGoogle
from tests.shell import Shell
from tests.support import Clock, logged_in
from tests.tools.release.single_file import single_file

# The same examples in every run: new ones belong to `make fuzz`, not to an unrelated change.
settings.register_profile(
    "default", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
settings.load_profile("default")

# Dates that have broken programs before, and the last day that a token file can hold.
DATES: Final = MappingProxyType(
    {"1970": 30, "leap-day": 1_835_438_300, "2038": 2**31 - 10, "2106": 2**32 - 10, "5138": 10**11 - 86400}
)


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("make test-again")
    group.addoption("--shuffled", type=int, metavar="SEED", help="run the tests in an order that depends on SEED alone")
    group.addoption("--date", choices=DATES, help="start the clock of this process, not of its children, at this date")


def pytest_report_header(config: pytest.Config) -> list[str]:
    options = {name: config.getoption(name) for name in ("--shuffled", "--date")}
    return [f"{name}={value}" for name, value in options.items() if value is not None]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    seed: int | None = config.getoption("--shuffled")
    if seed is not None:
        # By name, so that a subset of the tests runs in the same order.
        items.sort(key=lambda item: hashlib.sha256(f"{seed} {item.nodeid}".encode()).digest())


def pytest_configure(config: pytest.Config) -> None:
    guard()
    # A shell starts background jobs with SIGINT ignored, which the children that tests interrupt would inherit.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    config.addinivalue_line(
        "markers", "one_clock: the test and its child processes need the same clock, so --date does not apply"
    )


@pytest.fixture(autouse=True)
def _date(request: pytest.FixtureRequest) -> Iterator[None]:
    """Start the wall clock at the date given by --date."""
    date: str | None = request.config.getoption("--date")
    if date is None or request.node.get_closest_marker("one_clock"):
        yield
        return
    real, gmtime, localtime = time.time, time.gmtime, time.localtime
    shift = DATES[date] - real()

    def shifted() -> float:
        return real() + shift

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "time", shifted)
        patch.setattr(time, "gmtime", lambda seconds=None: gmtime(shifted() if seconds is None else seconds))
        patch.setattr(time, "localtime", lambda seconds=None: localtime(shifted() if seconds is None else seconds))
        yield


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide the developer's own proxies, token file and OAuth client."""
    for name in os.environ:
        if name.lower().endswith("_proxy") or name.startswith("YTMUSIC_OAUTH_"):
            monkeypatch.delenv(name)


@pytest.fixture
def clock() -> Iterator[Clock]:
    with Clock().installed() as clock:
        yield clock


@pytest.fixture
def server(clock: Clock) -> Iterator[FakeGoogle]:
    with FakeGoogle(clock=clock.monotonic) as server:
        yield server


@pytest.fixture
def shell(
    server: FakeGoogle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Shell:
    monkeypatch.chdir(tmp_path)
    return Shell(server, monkeypatch, capsys)


@pytest.fixture(scope="session")
def pyz() -> bytes:
    """The package as a single file, which takes a second to make."""
    return single_file()


@pytest.fixture
def file(server: FakeGoogle, clock: Clock, tmp_path: Path) -> Path:
    """A token file from a login just now."""
    path = tmp_path / "oauth.json"
    logged_in(server).store_token(str(path))
    return path
