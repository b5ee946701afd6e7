# SPDX-License-Identifier: MIT
"""Fixtures, and the settings of Hypothesis."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests.porting.fake_google import FakeGoogle
from tests.support import Clock

# The same examples in every run: a new one is for `make fuzz`, not for somebody's unrelated change.
settings.register_profile(
    "default", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
settings.load_profile("default")

# What a shell runs in the background has Ctrl-C ignored, and so would every process that a test starts.
signal.signal(signal.SIGINT, signal.default_int_handler)


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
