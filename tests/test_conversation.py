# SPDX-License-Identifier: MIT
"""Whole conversations in any order: what the library believes is what the server would say."""

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

LIFE = 600


class Conversation(RuleBasedStateMachine):
    """A user, a server and a program with a token file, on one clock.

    After each step, a token that the program hands out is one that the server takes, and the program says that the
    login is over only when the server would refuse to refresh it.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.clock = self.stack.enter_context(Clock().installed())
        self.server = self.stack.enter_context(
            FakeGoogle(clock=self.clock.monotonic, token_lifetime=LIFE, code_lifetime=60)
        )
        folder = tempfile.mkdtemp()
        self.stack.callback(shutil.rmtree, folder)
        self.path = Path(folder) / "oauth.json"
        self.code: AuthCodeDict | None = None
        self.answer = ""
        self.asked_at = 0.0
        self.token: RefreshingToken | None = None

    def teardown(self) -> None:
        self.stack.close()

    @initialize(rotates=st.booleans())
    def set_up(self, rotates: bool) -> None:
        self.server.rotate = rotates
        self.client = client(self.server, rotates=rotates)

    @rule()
    def ask_for_a_code(self) -> None:
        self.code, self.answer, self.asked_at = self.client.get_code(), "pending", self.clock.monotonic()

    @precondition(lambda self: self.answer == "pending")
    @rule(answer=st.sampled_from(["approved", "denied", "expired"]))
    def answer_it(self, answer: str) -> None:
        assert self.code is not None
        if self.code["user_code"] in self.server.user_codes():
            act = {"approved": self.server.approve, "denied": self.server.deny, "expired": self.server.expire}[answer]
            act(self.code["user_code"])
            self.answer = answer

    @precondition(lambda self: self.code is not None)
    @rule()
    def wait_for_the_answer(self) -> None:
        assert self.code is not None
        too_late = self.clock.monotonic() >= self.asked_at + self.code["expires_in"]
        if self.answer == "approved" and not too_late:
            granted = self.client.wait_for_token(self.code)
            self.token = RefreshingToken(self.client, **granted)
            self.token.local_cache = self.path
        else:
            with pytest.raises(AccessDenied if self.answer == "denied" and not too_late else DeviceCodeExpired):
                self.client.wait_for_token(self.code)
        self.code, self.answer = None, ""

    @precondition(lambda self: self.answer == "pending")
    @rule()
    def ask_once(self) -> None:
        assert self.code is not None
        self.clock.advance(self.code["interval"])
        with pytest.raises((AuthorizationPending, DeviceCodeExpired)):
            self.client.token_from_code(self.code["device_code"])

    @rule(seconds=st.sampled_from([1, 5, 59, LIFE // 2, LIFE - 61, LIFE - 60, LIFE, 10 * LIFE]))
    def pass_time(self, seconds: int) -> None:
        self.clock.advance(seconds)

    @precondition(lambda self: self.token is not None)
    @rule()
    def start_anew_from_the_file(self) -> None:
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
        before, alive = self.token.as_dict(), self.server.can_refresh(self.token.refresh_token)
        try:
            self.token.refresh()
        except InvalidGrant:
            assert not alive
            assert self.token.as_dict() == before
        else:
            assert alive
            assert self.token.as_dict()["access_token"] != before["access_token"]

    @precondition(lambda self: self.token is not None and self.server.can_refresh(self.token.refresh_token))
    @rule(fault=st.sampled_from(["html", "empty", "not-an-object"]))
    def spoil_a_refresh(self, fault: str) -> None:
        assert self.token is not None
        before = self.token.as_dict(), self.path.read_bytes()
        self.server.script("token", FAULTS[fault])
        with pytest.raises(MalformedResponse):
            self.token.refresh()
        assert (self.token.as_dict(), self.path.read_bytes()) == before

    @invariant()
    def what_it_believes_is_true(self) -> None:
        if self.token is None:
            return
        held = self.token.as_dict()
        assert RefreshingToken.load(self.client, self.path).as_dict() == held
        revoked = not self.server.can_refresh(held["refresh_token"])
        try:
            handed_out = self.token.access_token
        except InvalidGrant:
            assert revoked
        else:
            assert self.server.is_live(handed_out) or (revoked and handed_out == held["access_token"])


TestConversation = Conversation.TestCase
TestConversation.settings = settings(max_examples=30, stateful_step_count=20, derandomize=True, deadline=None)
