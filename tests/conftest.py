# SPDX-License-Identifier: MIT
"""Fixtures, the settings of Hypothesis, and the options of `make test-again`."""

from __future__ import annotations

import hashlib
import os
import signal
import time
from collections.abc import Iterator
from types import MappingProxyType
from typing import Final

import pytest
from hypothesis import HealthCheck, settings

from tests.porting.fake_google import FakeGoogle
from tests.support import Clock

# The same examples in every run: a new one is for `make fuzz`, not for somebody's unrelated change.
settings.register_profile(
    "default", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
settings.load_profile("default")

# Dates at which programs have failed before, and the last day that a token file can tell.
DATES: Final = MappingProxyType(
    {"1970": 30, "leap-day": 1_835_438_300, "2038": 2**31 - 10, "2106": 2**32 - 10, "5138": 10**11 - 86400}
)


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("make test-again")
    group.addoption(
        "--shuffled", type=int, metavar="SEED", help="run the tests in another order, the same for each seed"
    )
    group.addoption("--date", choices=DATES, help="let the clock of this process, not of its children, begin there")


def pytest_report_header(config: pytest.Config) -> list[str]:
    options = {name: config.getoption(name) for name in ("--shuffled", "--date")}
    return [f"{name}={value}" for name, value in options.items() if value is not None]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    seed: int | None = config.getoption("--shuffled")
    if seed is not None:
        # By name, so that a part of the tests keeps its order when the others are left out.
        items.sort(key=lambda item: hashlib.sha256(f"{seed} {item.nodeid}".encode()).digest())


def pytest_configure(config: pytest.Config) -> None:
    # In the background of a shell it is ignored, and would be by every child that a test interrupts.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    config.addinivalue_line(
        "markers", "one_clock: its child processes have to have the same clock: --date is not for it"
    )


@pytest.fixture(autouse=True)
def _date(request: pytest.FixtureRequest) -> Iterator[None]:
    """The wall clock goes on from the date that is asked for."""
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
def _no_surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    """No proxy, no token file and no client of whoever runs the tests."""
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
