# SPDX-License-Identifier: MIT
"""A login from the code to the token, over real HTTP, on a clock that is moved by hand."""

from __future__ import annotations

from tests.porting.fake_google import FakeGoogle
from tests.support import Clock, logged_in


def test_a_login_gives_a_token_that_the_server_takes(server: FakeGoogle, clock: Clock) -> None:
    token = logged_in(server)
    assert server.is_live(token.access_token)
    assert clock.slept == [5]
