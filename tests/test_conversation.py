# SPDX-License-Identifier: MIT
"""Logins, refreshes and revocations in any order: the library and the server never disagree."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.porting.fake_google import FAULTS, FakeGoogle
from tests.support import Clock, client
from ytmusic_oauth import (
    AccessDenied,
    AuthorizationPending,
    DeviceCodeExpired,
    InvalidGrant,
    MalformedResponse,
    RefreshingToken,
)
from ytmusic_oauth.models import AuthCodeDict

LIFETIME = 600


class Conversation(RuleBasedStateMachine):
    """A user, a server and a program with a token file, on one clock.

    After each step, the program hands out an access token that the server accepts, or, after a revocation, the one that
    it had. It raises `InvalidGrant` only if the server would refuse to refresh the token.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.clock = self.stack.enter_context(Clock().installed())
        self.server = self.stack.enter_context(
            FakeGoogle(clock=self.clock.monotonic, token_lifetime=LIFETIME, code_lifetime=60)
        )
        folder = tempfile.mkdtemp()
        self.stack.callback(shutil.rmtree, folder)
        self.path = Path(folder) / "oauth.json"
        self.code: AuthCodeDict | None = None
        self.state = ""  # of the code
        self.requested_at = 0.0
        self.token: RefreshingToken | None = None

    def teardown(self) -> None:
        self.stack.close()

    @initialize(rotates=st.booleans())
    def set_up(self, rotates: bool) -> None:
        self.server.rotate = rotates
        self.client = client(self.server, rotates=rotates)

    @rule()
    def request_a_code(self) -> None:
        self.code, self.state, self.requested_at = self.client.get_code(), "pending", self.clock.monotonic()

    @precondition(lambda self: self.state == "pending")
    @rule(state=st.sampled_from(["approved", "denied", "expired"]))
    def respond(self, state: str) -> None:
        assert self.code is not None
        if self.code["user_code"] in self.server.user_codes():
            actions = {"approved": self.server.approve, "denied": self.server.deny, "expired": self.server.expire}
            actions[state](self.code["user_code"])
            self.state = state

    @precondition(lambda self: self.code is not None)
    @rule()
    def wait_for_the_token(self) -> None:
        assert self.code is not None
        has_expired = self.clock.monotonic() >= self.requested_at + self.code["expires_in"]
        if self.state == "approved" and not has_expired:
            granted = self.client.wait_for_token(self.code)
            self.token = RefreshingToken(self.client, **granted)
            self.token.local_cache = self.path
        else:
            with pytest.raises(AccessDenied if self.state == "denied" and not has_expired else DeviceCodeExpired):
                self.client.wait_for_token(self.code)
        self.code, self.state = None, ""

    @precondition(lambda self: self.state == "pending")
    @rule()
    def poll_once(self) -> None:
        assert self.code is not None
        self.clock.advance(self.code["interval"])
        with pytest.raises((AuthorizationPending, DeviceCodeExpired)):
            self.client.token_from_code(self.code["device_code"])

    @rule(seconds=st.sampled_from([1, 5, 59, LIFETIME // 2, LIFETIME - 61, LIFETIME - 60, LIFETIME, 10 * LIFETIME]))
    def pass_time(self, seconds: int) -> None:
        self.clock.advance(seconds)

    @precondition(lambda self: self.token is not None)
    @rule()
    def load_the_file(self) -> None:
        self.token = RefreshingToken.load(self.client, self.path)

    @precondition(lambda self: self.token is not None and self.server.can_refresh(self.token.refresh_token))
    @rule(by_the_program=st.booleans())
    def revoke(self, by_the_program: bool) -> None:
        assert self.token is not None
        if by_the_program:
            self.client.revoke_token(self.token.refresh_token)
        else:
            self.server.revoke(self.token.refresh_token)

    @precondition(lambda self: self.token is not None)
    @rule()
    def refresh(self) -> None:
        assert self.token is not None
        before, can_refresh = self.token.as_dict(), self.server.can_refresh(self.token.refresh_token)
        try:
            self.token.refresh()
        except InvalidGrant:
            assert not can_refresh
            assert self.token.as_dict() == before
        else:
            assert can_refresh
            assert self.token.as_dict()["access_token"] != before["access_token"]

    @precondition(lambda self: self.token is not None and self.server.can_refresh(self.token.refresh_token))
    @rule(fault=st.sampled_from(["html", "empty", "not-an-object"]))
    def refresh_with_an_invalid_response(self, fault: str) -> None:
        assert self.token is not None
        before = self.token.as_dict(), self.path.read_bytes()
        self.server.script("token", FAULTS[fault])
        with pytest.raises(MalformedResponse):
            self.token.refresh()
        assert (self.token.as_dict(), self.path.read_bytes()) == before

    @invariant()
    def program_and_server_agree(self) -> None:
        if self.token is None:
            return
        before = self.token.as_dict()
        assert RefreshingToken.load(self.client, self.path).as_dict() == before
        revoked = not self.server.can_refresh(before["refresh_token"])
        try:
            handed_out = self.token.access_token
        except InvalidGrant:
            assert revoked
        else:
            assert self.server.is_live(handed_out) or (revoked and handed_out == before["access_token"])


TestConversation = Conversation.TestCase
TestConversation.settings = settings(max_examples=30, stateful_step_count=20, derandomize=True, deadline=None)
